package password

import (
	"crypto/hmac"
	"crypto/sha256"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

func pepper(p []byte) []byte {
	m := hmac.New(sha256.New, []byte("pepper"))
	m.Write(p)
	return m.Sum(nil)
}

// Cheap costs, so that the test is about the rules.
var cheap = Params{Memory: 64, Passes: 1, Lanes: 1}

func TestVerify(t *testing.T) {
	stored := Hash([]byte("tsubame"), [16]byte{1}, cheap, pepper)
	for given, want := range map[string]bool{"tsubame": true, "ｔｓｕｂａｍｅ": true, "tsubame ": false, "Tsubame": false, "": false} {
		if ok, weak, err := Verify([]byte(given), stored, cheap, pepper); err != nil || ok != want || weak {
			t.Errorf("Verify(%q) = %v, %v, %v, want %v", given, ok, weak, err, want)
		}
	}
	if ok, _, _ := Verify([]byte("tsubame"), stored, cheap, func(b []byte) []byte { return b }); ok {
		t.Error("a password verifies without the pepper")
	}
	if _, weak, _ := Verify([]byte("tsubame"), stored, Params{Memory: 128, Passes: 1, Lanes: 1}, pepper); !weak {
		t.Error("a hash below the policy is not called weak")
	}
}

func TestImportedHashesVerifyAndAreReplaced(t *testing.T) {
	b, err := bcrypt.GenerateFromPassword([]byte("tsubame"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	argon := strings.Replace(Hash([]byte("tsubame"), [16]byte{1}, cheap, func(b []byte) []byte { return b }), "inkan-", "", 1)
	for _, stored := range []string{string(b), argon} {
		if ok, weak, err := Verify([]byte("tsubame"), stored, cheap, pepper); !ok || !weak || err != nil {
			t.Errorf("Verify with %.12s… = %v, %v, %v, want true, true, nil", stored, ok, weak, err)
		}
		if ok, _, _ := Verify([]byte("other"), stored, cheap, pepper); ok {
			t.Errorf("another password verifies with %.12s…", stored)
		}
	}
}

func TestUnreadableHashesOpenNothing(t *testing.T) {
	good := Hash([]byte("x"), [16]byte{1}, cheap, pepper)
	for _, stored := range []string{"", "x", "$2a$", "$argon2id$v=18$m=64,t=1,p=1$AAAA$AAAA", good[:len(good)-30], strings.Replace(good, "m=64", "m=99999999", 1), strings.Replace(good, "t=1", "t=0", 1)} {
		if ok, _, err := Verify([]byte("x"), stored, cheap, pepper); ok || err == nil {
			t.Errorf("Verify with %q = %v, %v, want an error", stored, ok, err)
		}
	}
}

func TestOnlyHashesThatCanBeVerifiedAreImported(t *testing.T) {
	b, err := bcrypt.GenerateFromPassword([]byte("tsubame"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	argon := strings.Replace(Hash([]byte("tsubame"), [16]byte{1}, cheap, pepper), "inkan-", "", 1)
	for stored, good := range map[string]bool{string(b): true, argon: true, "$2garbage": false, "$argon2id$v=19$garbage": false, string(b[:59]): false, strings.Replace(argon, "m=64", "m=4000000", 1): false,
		strings.Replace(argon, "$argon2id", "$argon2i", 1): false, "$2a$20" + string(b[6:]): false, Hash([]byte("x"), [16]byte{1}, cheap, pepper): false} {
		if err := CheckImported(stored); (err == nil) != good {
			t.Errorf("CheckImported(%.24s…) = %v, want good %v", stored, err, good)
		}
	}
}

func TestJudge(t *testing.T) {
	listed := func(s string) bool { return s == "password1" }
	for p, want := range map[string]string{
		"kaze-to-kumo": "", "風と雲と海と山": Short, "風と雲と海と山と": "", "short": Short, "Password1": Listed, "ｐａｓｓｗｏｒｄ１": Listed, "aaaaaaaa": Listed, "abababab": Listed,
		"12345678": Listed, "87654321": Listed, "my-hanako01-x": Similar, strings.Repeat("ab9", 6): Listed, strings.Repeat("kaze-to-kumo", 11): Long,
	} {
		if got := Judge(p, 8, listed, "hanako01", "1234567"); got != want {
			t.Errorf("Judge(%q) = %q, want %q", p, got, want)
		}
	}
}

func FuzzVerify(f *testing.F) {
	f.Add("$inkan-argon2id$v=19$m=64,t=1,p=1$AQAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, stored string) {
		if strings.Contains(stored, "m=") && len(stored) > 40 && !strings.Contains(stored, "m=64,") {
			t.Skip() // costs chosen by the fuzzer would only burn time
		}
		if strings.HasPrefix(stored, "$2") {
			t.Skip()
		}
		if ok, _, _ := Verify([]byte("x"), stored, cheap, pepper); ok {
			t.Errorf("Verify accepted %q", stored)
		}
	})
}
