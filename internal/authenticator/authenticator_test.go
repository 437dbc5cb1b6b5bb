package authenticator_test

import (
	"bytes"
	"testing"

	"github.com/inkan-auth/inkan/internal/authenticator"
	"github.com/inkan-auth/inkan/internal/domain/passkey"
)

// What the authenticator makes must hold before what it spoils can prove anything.
func TestAuthenticatorIsHonestUntilTold(t *testing.T) {
	const origin = "https://login.bank.example"
	p, err := passkey.NewParty(origin, "Bank", true)
	if err != nil {
		t.Fatal(err)
	}
	challenge, handle := bytes.Repeat([]byte{7}, passkey.ChallengeBytes), bytes.Repeat([]byte{9}, passkey.HandleBytes)
	a := authenticator.New()
	a.Step = 1
	options, err := p.CreationOptions(challenge, passkey.User{Handle: handle, Name: "n", Shown: "N"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	made, err := passkey.ReadCreated(a.Create(options, origin))
	if err != nil {
		t.Fatal(err)
	}
	c, err := p.Register(challenge, made)
	if err != nil {
		t.Fatalf("register: %v", err)
	}
	request, err := p.RequestOptions(challenge, nil)
	if err != nil {
		t.Fatal(err)
	}
	use := func() error {
		claim, err := passkey.ReadClaim(a.Get(request, origin))
		if err != nil {
			return err
		}
		_, err = p.Assert(challenge, claim, c, handle)
		return err
	}
	if err := use(); err != nil {
		t.Fatalf("assert: %v", err)
	}
	for name, spoil := range map[string]func(*authenticator.Authenticator){
		"origin":       func(a *authenticator.Authenticator) { a.Origin = "https://login.bank.example.evil.example" },
		"type":         func(a *authenticator.Authenticator) { a.Type = "webauthn.create" },
		"cross-origin": func(a *authenticator.Authenticator) { a.CrossOrigin = true },
		"top origin":   func(a *authenticator.Authenticator) { a.TopOrigin = "https://evil.example" },
		"party":        func(a *authenticator.Authenticator) { a.PartyID = "evil.example" },
		"not verified": func(a *authenticator.Authenticator) { a.Flags = authenticator.UserPresent },
		"copyable":     func(a *authenticator.Authenticator) { a.Flags |= authenticator.BackupEligible },
		"no handle":    func(a *authenticator.Authenticator) { a.NoHandle = true },
		"signature": func(a *authenticator.Authenticator) {
			a.Signature = func(b []byte) []byte { b[len(b)-1] ^= 1; return b }
		},
		"data": func(a *authenticator.Authenticator) { a.AuthData = func(b []byte) []byte { b[0] ^= 1; return b } },
	} {
		honest := *a
		spoil(a)
		if use() == nil {
			t.Errorf("%s: accepted", name)
		}
		*a = honest
	}
	if err := use(); err != nil {
		t.Errorf("honest again: %v", err)
	}
	if options, err = p.CreationOptions(challenge, passkey.User{Handle: handle, Name: "n", Shown: "N"}, []passkey.Credential{c}); err != nil || a.Create(options, origin) != nil {
		t.Errorf("an excluded passkey was made twice (%v)", err)
	}
}
