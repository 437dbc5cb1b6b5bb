package passkey_test

import (
	"crypto/sha256"
	"encoding/json"
	"testing"

	"github.com/inkan-auth/inkan/internal/domain/passkey"
	"github.com/inkan-auth/inkan/internal/domain/signing"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// TestTwoJudgesOfAssertions: what the token protocol takes as a confirmation (domain/signing, which inkan-verify can link) and what the library takes as a login are the same, flag by flag and
// field by field, wherever both are asked for the same.
func TestTwoJudgesOfAssertions(t *testing.T) {
	p := party(t, false)
	p.Confirms = true
	const envelope = "an.envelope.of-the-device"
	hash := sha256.Sum256([]byte(envelope))
	a := testkit.NewAuthenticator()
	c, err := create(t, p, a)
	if err != nil {
		t.Fatal(err)
	}
	point, ok := c.P256()
	if !ok {
		t.Fatal("the key is not on P-256")
	}
	made := a.Credentials[0]
	both := func(name string, change func(a *testkit.Authenticator)) {
		t.Helper()
		b := a.Copy()
		change(b)
		response := b.GetWith(b.Credentials[0], b64(hash[:]), origin)
		library := false
		if claim, err := passkey.ReadClaim(response); err == nil {
			_, err = p.Assert(hash[:], claim, c, made.Handle)
			library = err == nil
		}
		var said struct {
			ID       string
			Response struct{ ClientDataJSON, AuthenticatorData, Signature string }
		}
		ours := false
		if json.Unmarshal(response, &said) == nil {
			x, err := signing.ParseAssertion(said.ID + "." + said.Response.ClientDataJSON + "." + said.Response.AuthenticatorData + "." + said.Response.Signature)
			ours = err == nil && x.BackupEligible == c.BackupEligible && x.Verify(envelope, origin, signing.JWK(point)) == nil
		}
		if library != ours {
			t.Errorf("%s: the library takes it: %v, we do: %v", name, library, ours)
		}
	}
	both("honest", func(*testkit.Authenticator) {})
	for f := range 256 {
		if byte(f)&testkit.Attested != 0 {
			continue // the library wants the attested data itself, we want none
		}
		both("flags", flags(byte(f)))
	}
	for _, other := range []string{"https://login.bank.example:443", "https://LOGIN.bank.example", "https://login.bank.example/", "http://login.bank.example", "https://bank.example", "https://x.login.bank.example", "null", ""} {
		both("origin "+other, func(a *testkit.Authenticator) { a.Origin = other })
	}
	for name, change := range map[string]func(m map[string]any){
		"create": func(m map[string]any) { m["type"] = "webauthn.create" }, "payment": func(m map[string]any) { m["type"] = "payment.get" }, "no type": func(m map[string]any) { delete(m, "type") },
		"framed": func(m map[string]any) { m["crossOrigin"] = true }, "nothing of frames": func(m map[string]any) { delete(m, "crossOrigin") }, "a frame's top": func(m map[string]any) { m["topOrigin"] = origin },
		"another challenge": func(m map[string]any) { m["challenge"] = b64(make([]byte, 32)) }, "a padded challenge": func(m map[string]any) { m["challenge"] = m["challenge"].(string) + "=" }, "no challenge": func(m map[string]any) { delete(m, "challenge") },
		"a further member": func(m map[string]any) {
			m["other_keys_can_be_added_here"] = "do not compare clientDataJSON against a template"
		},
	} {
		both(name, func(a *testkit.Authenticator) { a.ClientData = change })
	}
	for name, change := range map[string]func(b []byte) []byte{"another party": func(b []byte) []byte { b[0] ^= 1; return b }, "short": func(b []byte) []byte { return b[:36] }, "long": func(b []byte) []byte { return append(b, 0xa0) }} {
		both(name, func(a *testkit.Authenticator) { a.AuthData = change })
	}
	for name, change := range map[string]func(b []byte) []byte{"no signature": func([]byte) []byte { return nil }, "altered": func(b []byte) []byte { b[10] ^= 1; return b }, "longer": func(b []byte) []byte { return append(b, 0) }} {
		both(name, func(a *testkit.Authenticator) { a.Signature = change })
	}
}
