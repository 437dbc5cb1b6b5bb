package audit

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/signing"
)

// issuer is a fresh issuer with its root's word.
func issuer(t testing.TB) (word, kid string, sign signing.Signer, root string) {
	t.Helper()
	key := func() (signing.JWK, signing.Signer) {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		jwk, err := signing.JWKOf(&k.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		return jwk, func(digest []byte) ([]byte, error) {
			r, s, err := ecdsa.Sign(rand.Reader, k, digest)
			return signing.Raw(r, s), err
		}
	}
	rootKey, signRoot := key()
	issuerKey, sign := key()
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	word, err := signing.MakeIssuerKey("https://token.bank.example", issuerKey, from, from.AddDate(2, 0, 0), rootKey, signRoot)
	if err != nil {
		t.Fatal(err)
	}
	return word, issuerKey.Thumbprint(), sign, rootKey.Thumbprint()
}

func sample(t testing.TB) (Export, func(Export) []byte, string) {
	t.Helper()
	word, kid, sign, root := issuer(t)
	at := time.Date(2026, 11, 22, 1, 2, 3, 456789000, time.UTC)
	x := Export{Issuer: "https://token.bank.example", Made: at.Add(time.Hour), By: "stf_1", CheckedBy: "stf_2", Filter: Filter{Outcome: Refused, Until: at.Add(time.Minute)}}
	for i := range 5 {
		when := at.Add(-time.Duration(i) * time.Second)
		x.Entries = append(x.Entries, Entry{ID: ident.New(ident.Entry, when, [10]byte{}), At: when, Actor: Actor{Kind: Operator, ID: []string{"=HYPERLINK(\"http://evil\")", "@SUM(1)", "か\u3099\u202e", "\x00\xff\n", "＝1"}[i], Device: "Windows / Edge", Source: "192.0.2.0/24"},
			Action: LoginOTP, Customer: "cus_1", Outcome: Refused, Reason: "otp-wrong", Detail: map[string]string{"Odd Key": "-1+1", "": "x", "items": "a,\"b\"\r\nc"}})
	}
	return x, func(x Export) []byte {
		b, err := x.Write(kid, word, sign)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}, root
}

// An export is read as it was made, also with texts that nobody should have typed; an empty one too.
func TestAnExportIsReadAsItWasMade(t *testing.T) {
	x, write, root := sample(t)
	got, by, err := ReadExport(write(x), root)
	if err != nil || by != root || len(got.Entries) != 5 || got.By != x.By || got.CheckedBy != x.CheckedBy || !got.Made.Equal(x.Made) || got.Filter != x.Filter {
		t.Fatalf("%+v by %s, %v", got, by, err)
	}
	for i, e := range got.Entries {
		if e.ID != x.Entries[i].ID || !e.At.Equal(x.Entries[i].At) || e.Detail["odd_key"] == "" && e.Detail["_dd__ey"] == "" {
			t.Errorf("%+v is read as %+v", x.Entries[i], e)
		}
	}
	x.Entries = nil
	if got, _, err := ReadExport(write(x), root); err != nil || len(got.Entries) != 0 {
		t.Errorf("an empty one: %+v, %v", got, err)
	}
}

// Whatever is added, left out, changed or moved is found; so is another root, another issuer, and a file that was cut off.
func TestEachTamperingIsFound(t *testing.T) {
	x, write, root := sample(t)
	good := write(x)
	lines := func() [][]byte { return bytes.SplitAfter(bytes.Clone(good), []byte("\n")) }
	other, otherWrite, _ := sample(t)
	other.Entries = other.Entries[1:]
	unfit := x
	unfit.Entries = slices.Clone(x.Entries)
	unfit.Entries[2].Outcome = Done
	disordered := x
	disordered.Entries = slices.Clone(x.Entries)
	slices.Reverse(disordered.Entries)
	tampered := map[string][]byte{
		"a line left out":       bytes.Join(slices.Delete(lines(), 2, 3), nil),
		"the first left out":    bytes.Join(slices.Delete(lines(), 1, 2), nil),
		"the last left out":     bytes.Join(slices.Delete(lines(), 5, 6), nil),
		"a line twice":          bytes.Join(slices.Insert(lines(), 2, lines()[1]), nil),
		"two lines changed":     func() []byte { l := lines(); l[2], l[3] = l[3], l[2]; return bytes.Join(l, nil) }(),
		"another word":          bytes.Replace(good, []byte("otp-wrong"), []byte("otp-right"), 1),
		"another customer":      bytes.Replace(good, []byte("cus_1"), []byte("cus_2"), 1),
		"another member":        bytes.Replace(good, []byte(`"by":"stf_1"`), []byte(`"by":"stf_9"`), 1),
		"another filter":        bytes.Replace(good, []byte(`"outcome":"refused"`), []byte(`"outcome":"done"`), 1),
		"a space":               bytes.Replace(good, []byte(`{"action"`), []byte(`{ "action"`), 1),
		"no end":                bytes.Join(lines()[:6], nil),
		"a cut":                 good[:len(good)-1],
		"a half line":           good[:len(good)-100],
		"something behind":      append(bytes.Clone(good), []byte("{}\n")...),
		"an empty line":         bytes.Replace(good, []byte("\n"), []byte("\n\n"), 1),
		"carriage returns":      bytes.ReplaceAll(good, []byte("\n"), []byte("\r\n")),
		"another's signature":   append(bytes.Join(lines()[:6], nil), lastLine(otherWrite(x))...),
		"signed by another":     otherWrite(other),
		"what does not fit":     write(unfit),
		"in another order":      write(disordered),
		"another's word for it": bytes.Replace(good, []byte(`"issuer_key":"ey`), []byte(`"issuer_key":"eY`), 1),
	}
	for what, file := range tampered {
		var broken *Broken
		if _, _, err := ReadExport(file, root); !errors.As(err, &broken) && !errors.Is(err, ErrExport) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for i := range len(good) { // any byte
		file := bytes.Clone(good)
		file[i] ^= 1
		if _, _, err := ReadExport(file, root); err == nil {
			t.Fatalf("byte %d can be changed: %q", i, file[max(0, i-20):min(len(file), i+20)])
		}
	}
}

func lastLine(b []byte) []byte {
	lines := bytes.SplitAfter(b, []byte("\n"))
	return lines[len(lines)-2]
}

// No cell of a sheet is a formula, and none breaks out of its place.
func TestNoCellIsAFormula(t *testing.T) {
	for _, s := range []string{"=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", " =1", "\u3000=1", "＝1", "＋1", "−1", "\ufeff=1", "|cmd", "%0A", "a\",=1", "=cmd|' /C calc'!A0", "\x00=1", "\xff=1"} {
		cell := Cell(s)
		rows, err := csv.NewReader(strings.NewReader(cell + "\r\n")).ReadAll()
		if err != nil || len(rows) != 1 || len(rows[0]) != 1 {
			t.Errorf("%q is the cell %s: %v", s, cell, err)
			continue
		}
		if strings.ContainsAny(rows[0][0][:1], "=+-@\t\r\n|%") || strings.HasPrefix(strings.TrimSpace(rows[0][0]), "=") {
			t.Errorf("%q is the formula %q", s, rows[0][0])
		}
	}
	for _, s := range []string{"", "山田 花子", "cus_1", "1=1", "2026-11-22"} {
		if Cell(s) != `"`+s+`"` {
			t.Errorf("%q becomes %s", s, Cell(s))
		}
	}
	x, _, _ := sample(t)
	rows, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(CSV(x.Entries), []byte("\ufeff")))).ReadAll()
	if err != nil || len(rows) != 6 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, row := range rows {
		for _, cell := range row {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") {
				t.Errorf("the cell %q", cell)
			}
		}
	}
}

func FuzzReadExport(f *testing.F) {
	x, write, root := sample(f)
	good := write(x)
	f.Add(good)
	f.Add([]byte("{}\n"))
	f.Add(good[:100])
	f.Fuzz(func(t *testing.T, file []byte) {
		if _, _, err := ReadExport(file, root); err == nil && !bytes.Equal(file, good) {
			// another signature over the same header is still the issuer's; the lines must be the same
			if !bytes.Equal(bytes.TrimSuffix(file, lastLine(file)), bytes.TrimSuffix(good, lastLine(good))) {
				t.Fatal("forged")
			}
		}
		_ = fmt.Sprint(IsExport(file))
	})
}
