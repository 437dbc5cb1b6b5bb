package passkey_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/inkan-auth/inkan/internal/domain/passkey"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// seeds are responses that hold, and some that nearly do.
func seeds(f *testing.F, a *testkit.Authenticator, answer func() []byte) {
	f.Helper()
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"id":"AA","rawId":"AA","type":"public-key","response":{}}`))
	for _, spoil := range []func(){
		func() {}, func() { a.SelfAttest = true }, func() { a.Flags |= testkit.BackupEligible }, func() { a.NoHandle = true }, func() { a.CrossOrigin = true },
		func() { a.AuthData = func(b []byte) []byte { return b[:37] } }, func() {
			a.ClientData = func(m map[string]any) { m["tokenBinding"] = map[string]any{"status": "present"} }
		},
		func() { a.AuthData = func(b []byte) []byte { b[32] |= testkit.Extensions; return append(b, 0xa0) } },
	} {
		honest := *a
		spoil()
		f.Add(answer())
		credentials := a.Credentials
		*a = honest
		a.Credentials = credentials
	}
}

// Nothing that is sent in the place of a creation breaks anything, and what is taken is a key of ours to ask for, made for our origin and challenge.
func FuzzCreated(f *testing.F) {
	p := party(f, false)
	options, err := p.CreationOptions(challenge, passkey.User{Handle: handle, Name: "n", Shown: "N"}, nil)
	if err != nil {
		f.Fatal(err)
	}
	a := testkit.NewAuthenticator()
	seeds(f, a, func() []byte { return a.Create(options, origin) })
	f.Fuzz(func(t *testing.T, response []byte) {
		made, err := passkey.ReadCreated(response)
		if err != nil {
			if passkey.WhyOf(err) != passkey.Form {
				t.Errorf("refused without a reason: %v", err)
			}
			return
		}
		c, err := p.Register(challenge, made)
		if err != nil {
			if passkey.WhyOf(err) == "" {
				t.Errorf("refused without a reason: %v", err)
			}
			return
		}
		if !bytes.Equal(made.Challenge, challenge) || len(c.ID) < 16 || len(c.ID) > 1023 || len(c.PublicKey) == 0 || c.BackedUp && !c.BackupEligible {
			t.Errorf("taken: %+v", c)
		}
		var r struct {
			Response struct {
				Client string `json:"clientDataJSON"`
			}
		}
		if err := json.Unmarshal(response, &r); err != nil {
			t.Fatalf("what is taken is no JSON: %v", err)
		}
		client, _ := base64.RawURLEncoding.DecodeString(r.Response.Client)
		if !bytes.Contains(client, []byte(origin)) && json.Valid(client) && !bytes.Contains(client, []byte(`\`)) {
			t.Errorf("taken for another origin: %s", client)
		}
	})
}

// What the passkey did not sign is never taken.
func FuzzClaim(f *testing.F) {
	p := party(f, false)
	a := testkit.NewAuthenticator()
	c, err := create(f, p, a)
	if err != nil {
		f.Fatal(err)
	}
	options, err := p.RequestOptions(challenge, nil)
	if err != nil {
		f.Fatal(err)
	}
	key := &a.Credentials[0].Key.PublicKey
	seeds(f, a, func() []byte { return a.Get(options, origin) })
	f.Fuzz(func(t *testing.T, response []byte) {
		claim, err := passkey.ReadClaim(response)
		if err != nil {
			if passkey.WhyOf(err) != passkey.Form {
				t.Errorf("refused without a reason: %v", err)
			}
			return
		}
		if _, err := p.Assert(challenge, claim, c, handle); err != nil {
			if passkey.WhyOf(err) == "" {
				t.Errorf("refused without a reason: %v", err)
			}
			return
		}
		// Taken: then these very bytes were signed, which is looked at here without the library.
		var r struct {
			Response struct {
				Client    string `json:"clientDataJSON"`
				Data      string `json:"authenticatorData"`
				Signature string
			}
		}
		if err := json.Unmarshal(response, &r); err != nil {
			t.Fatalf("what is taken is no JSON: %v", err)
		}
		part := func(s string) []byte {
			b, err := base64.RawURLEncoding.DecodeString(s)
			if err != nil {
				b, _ = base64.URLEncoding.DecodeString(s) // the library takes padding
			}
			return b
		}
		hash := sha256.Sum256(part(r.Response.Client))
		sum := sha256.Sum256(append(part(r.Response.Data), hash[:]...))
		if !ecdsa.VerifyASN1(key, sum[:], part(r.Response.Signature)) {
			t.Errorf("taken without a signature: %s", response)
		}
	})
}
