package keys

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/web"
)

const origin = "https://token.bank.example"

func fresh(t *testing.T) (string, *Keys) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "keys")
	if err := Create(dir, origin, time.Now(), web.Templates); err != nil {
		t.Fatal(err)
	}
	k, err := Open(dir, origin, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return dir, k
}

func TestFilesThatOthersCanReadAreRefused(t *testing.T) {
	dir, _ := fresh(t)
	for _, name := range []string{masterFile, issuerFile, wordFile} {
		for mode, ok := range map[fs.FileMode]bool{0o600: true, 0o400: true, 0o640: false, 0o604: false, 0o644: false, 0o660: false, 0o606: false, 0o620: false, 0o602: false, 0o610: false, 0o601: false, 0o777: false} {
			if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
				t.Fatal(err)
			}
			_, err := Open(dir, origin, time.Now())
			if (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "chmod 600") {
				t.Errorf("%s with the mode %o: %v", name, mode, err)
			}
		}
		if err := os.Chmod(filepath.Join(dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{masterFile, issuerFile, wordFile, RootFile} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s is made with the mode %v, %v", name, info.Mode(), err)
		}
	}
}

// The server needs all of the directory but the root, and nothing that has been spoilt.
func TestASpoiltDirectoryDoesNotOpen(t *testing.T) {
	_, other := fresh(t)
	for name, spoil := range map[string]func(b []byte) []byte{
		"gone":          func([]byte) []byte { return nil },
		"empty":         func([]byte) []byte { return []byte{} },
		"cut":           func(b []byte) []byte { return b[:len(b)-1] },
		"half":          func(b []byte) []byte { return b[:len(b)/2] },
		"nonsense":      func(b []byte) []byte { return []byte(strings.Repeat("x", len(b)+1)) },
		"another's":     func([]byte) []byte { return nil },
		"a bit flipped": func(b []byte) []byte { b = slices.Clone(b); b[len(b)/2] ^= 1; return b },
	} {
		for _, file := range []string{masterFile, issuerFile, wordFile} {
			if file == masterFile && (name == "a bit flipped" || name == "another's") {
				continue // 32 other bytes are another key, which nobody can see until something is to be opened
			}
			dir, was := fresh(t)
			path := filepath.Join(dir, file)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			out := spoil(b)
			if name == "another's" {
				out = []byte(other.Issuer().Envelope)
				if file == issuerFile {
					if out, err = encode(other.issuer); err != nil {
						t.Fatal(err)
					}
				}
			}
			if out == nil {
				err = os.Remove(path)
			} else {
				err = os.WriteFile(path, out, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			k, err := Open(dir, origin, time.Now())
			if err == nil && k.Issuer() == was.Issuer() && file == issuerFile && name != "another's" {
				continue // the spoilt byte says nothing of the key, which is the same
			}
			if err == nil {
				t.Errorf("a directory opens whose %s is %s", file, name)
			} else if strings.Contains(err.Error(), string(b[:16])) {
				t.Errorf("the refusal shows the key: %v", err)
			}
		}
	}
	dir, _ := fresh(t)
	if err := os.Remove(filepath.Join(dir, RootFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, origin, time.Now()); err != nil {
		t.Errorf("without the root's private key, which belongs offline: %v", err)
	}
	if _, err := Open(dir, "https://other.bank.example", time.Now()); err == nil || !strings.Contains(err.Error(), "other.bank.example") {
		t.Errorf("for another origin: %v", err)
	}
	for _, at := range []time.Time{time.Now().Add(11 * 365 * 24 * time.Hour), time.Now().Add(-48 * time.Hour)} {
		if _, err := Open(dir, origin, at); err == nil {
			t.Errorf("the root's word is taken on %v", at)
		}
	}
}

// What is sealed opens where it was sealed, for what it was sealed, by whom it was sealed, and as it was sealed: nowhere and no way else.
func TestASealedValueOpensInItsPlaceOnly(t *testing.T) {
	_, k := fresh(t)
	_, other := fresh(t)
	plain := []byte("a key of thirty-two bytes, or so")
	const purpose, place = "token.otp_key", "token.otp_key|tok_1|cus_1"
	sealed, err := k.Seal(purpose, place, plain)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := k.Open(purpose, place, sealed); err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("in its place: %q, %v", got, err)
	}
	for _, where := range []string{"", "token.otp_key|tok_2|cus_1", "token.otp_key|tok_1|cus_2", "token.ocra_key|tok_1|cus_1", place + " ", place[:len(place)-1], strings.ToUpper(place)} {
		if got, err := k.Open(purpose, where, sealed); err == nil || got != nil {
			t.Errorf("opens at %q", where)
		}
	}
	for _, why := range []string{"", "token.ocra_key", "outbox", "TOKEN.OTP_KEY"} {
		if _, err := k.Open(why, place, sealed); err == nil {
			t.Errorf("opens for %q", why)
		}
	}
	if _, err := other.Open(purpose, place, sealed); err == nil {
		t.Error("opens with the keys of another directory")
	}
	for i := range sealed {
		for _, bit := range []byte{1, 128} {
			spoilt := slices.Clone(sealed)
			spoilt[i] ^= bit
			if _, err := k.Open(purpose, place, spoilt); err == nil {
				t.Errorf("opens with byte %d changed", i)
			}
		}
		if _, err := k.Open(purpose, place, sealed[:i]); err == nil {
			t.Errorf("opens when cut to %d bytes", i)
		}
	}
	if _, err := k.Open(purpose, place, append(slices.Clone(sealed), 0)); err == nil {
		t.Error("opens with something behind it")
	}
	if bytes.Contains(sealed, plain[:8]) {
		t.Error("the sealed value shows what it holds")
	}
	seen := map[string]bool{}
	for range 200 {
		s, err := k.Seal(purpose, place, plain)
		if err != nil {
			t.Fatal(err)
		}
		seen[string(s[1:13])] = true
	}
	if len(seen) != 200 {
		t.Errorf("%d nonces for 200 values", len(seen))
	}
}

func TestEveryPurposeHasItsOwnMAC(t *testing.T) {
	_, k := fresh(t)
	_, other := fresh(t)
	macs := map[string]string{}
	for _, purpose := range []string{"password", "registration", "pairwise", ""} {
		for _, data := range []string{"", "1", "12"} {
			macs[string(k.MAC(purpose, []byte(data)))] = purpose + data
		}
	}
	if len(macs) != 12 {
		t.Errorf("only %d different values: %v", len(macs), slices.Collect(maps.Values(macs)))
	}
	if bytes.Equal(k.MAC("password", []byte("x")), other.MAC("password", []byte("x"))) || !bytes.Equal(k.MAC("password", []byte("x")), k.MAC("password", []byte("x"))) {
		t.Error("a keyed hash depends on something else than the key")
	}
	if sealed, _ := k.Seal("password", "", nil); bytes.Equal(k.derive("seal", "password"), k.derive("mac", "password")) || len(sealed) == 0 {
		t.Error("one key for two uses")
	}
}

func TestADirectoryIsNeverWrittenOver(t *testing.T) {
	for _, left := range []string{masterFile, issuerFile, wordFile, RootFile} {
		dir := filepath.Join(t.TempDir(), "keys")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, left), []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Create(dir, origin, time.Now(), web.Templates); !errors.Is(err, fs.ErrExist) {
			t.Errorf("with a %s in it: %v", left, err)
		}
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 1 {
			t.Errorf("with a %s in it %d files are there afterwards, %v", left, len(entries), err)
		}
		if b, _ := os.ReadFile(filepath.Join(dir, left)); string(b) != "mine" {
			t.Errorf("%s was written over", left)
		}
	}
}

func TestParallelUseIsSafe(t *testing.T) {
	_, k := fresh(t)
	done := make(chan error)
	for n := range 16 {
		go func() {
			purpose := string(rune('a' + n%4))
			sealed, err := k.Seal(purpose, "p", []byte("x"))
			if err == nil {
				_, err = k.Open(purpose, "p", sealed)
			}
			k.MAC(purpose, nil)
			done <- err
		}()
	}
	for range 16 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// After its end the issuer key opens no more, and the sentence says why. The root gives the same key another ten years, and nobody else does.
func TestTheRootProlongsTheIssuerKey(t *testing.T) {
	dir, before := fresh(t)
	otherDir, _ := fresh(t)
	later := before.Issuer().Expires
	if _, err := Open(dir, origin, later); err == nil || !strings.Contains(err.Error(), "the issuer key is good from") {
		t.Fatalf("at its end: %v", err)
	}
	root := filepath.Join(dir, RootFile)
	for name, err := range map[string]error{
		"another root": ProlongIssuer(dir, filepath.Join(otherDir, RootFile), origin, later), "another origin": ProlongIssuer(dir, root, "https://token.other.example", later),
		"no root": ProlongIssuer(dir, filepath.Join(dir, "moved.pem"), origin, later), "a file that is no key": ProlongIssuer(dir, filepath.Join(dir, wordFile), origin, later), "no directory": ProlongIssuer(t.TempDir(), root, origin, later),
	} {
		if err == nil {
			t.Errorf("%s prolongs it", name)
		}
	}
	if _, err := Open(dir, origin, later); err == nil {
		t.Fatal("it was prolonged all the same")
	}
	if err := ProlongIssuer(dir, root, origin, later); err != nil {
		t.Fatal(err)
	}
	after, err := Open(dir, origin, later)
	if err != nil {
		t.Fatal(err)
	}
	was, is := before.Issuer(), after.Issuer()
	if is.Kid != was.Kid || is.RootThumbprint != was.RootThumbprint || is.Envelope == was.Envelope || !is.Expires.Equal(later.Truncate(time.Second).Add(issuerKeyLife)) {
		t.Errorf("%+v is prolonged to %+v", was, is)
	}
}
