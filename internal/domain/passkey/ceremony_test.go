package passkey_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/inkan-auth/inkan/internal/domain/passkey"
	"github.com/inkan-auth/inkan/internal/testkit"
)

const origin = "https://login.bank.example"

var (
	challenge = bytes.Repeat([]byte{7}, passkey.ChallengeBytes)
	handle    = bytes.Repeat([]byte{9}, passkey.HandleBytes)
)

func party(t testing.TB, deviceBound bool) passkey.Party {
	t.Helper()
	p, err := passkey.NewParty(origin, "印鑑銀行", deviceBound)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// create has an authenticator answer our options, and verifies what it answers.
func create(t testing.TB, p passkey.Party, a *testkit.Authenticator) (passkey.Credential, error) {
	t.Helper()
	options, err := p.CreationOptions(challenge, passkey.User{Handle: handle, Name: "hanako01", Shown: "山田 花子"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	made, err := passkey.ReadCreated(a.Create(options, origin))
	if err != nil {
		return passkey.Credential{}, err
	}
	return p.Register(challenge, made)
}

// use has it answer our request with its newest passkey, and verifies that under c.
func use(t testing.TB, p passkey.Party, a *testkit.Authenticator, c passkey.Credential) (passkey.Use, error) {
	t.Helper()
	options, err := p.RequestOptions(challenge, nil)
	if err != nil {
		t.Fatal(err)
	}
	claim, err := passkey.ReadClaim(a.Get(options, origin))
	if err != nil {
		return passkey.Use{}, err
	}
	return p.Assert(challenge, claim, c, handle)
}

// respond is a change of the response as JSON, member by member; a nil value takes the member out.
func respond(name string, value any) func(*testkit.Authenticator) {
	return func(a *testkit.Authenticator) {
		a.Response = func(m map[string]any) {
			r := m["response"].(map[string]any)
			if r[name] = value; value == nil {
				delete(r, name)
			}
		}
	}
}

func flags(f byte) func(*testkit.Authenticator) {
	return func(a *testkit.Authenticator) { a.Flags = f }
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// identified makes the authenticator say another credential ID of n bytes in all places.
func identified(n int) func(*testkit.Authenticator) {
	return func(a *testkit.Authenticator) {
		id := bytes.Repeat([]byte{5}, n)
		a.AuthData = func(b []byte) []byte {
			out := binary.BigEndian.AppendUint16(bytes.Clone(b[:53]), uint16(n)) //nolint:gosec // of this test's own
			return append(append(out, id...), b[55+32:]...)
		}
		a.Response = func(m map[string]any) { m["id"], m["rawId"] = b64(id), b64(id) }
	}
}

// keyed puts another public key in the place of the authenticator's own.
func keyed(cose ...byte) func(*testkit.Authenticator) {
	return func(a *testkit.Authenticator) {
		a.AuthData = func(b []byte) []byte { return append(bytes.Clone(b[:55+32]), cose...) }
	}
}

// rsaKey is a COSE key of RS256 with a modulus of n bytes.
func rsaKey(n int) []byte {
	m := bytes.Repeat([]byte{0xc5}, n)
	out := []byte{0xa4, 0x01, 0x03, 0x03, 0x39, 0x01, 0x00, 0x20, 0x59}
	out = append(binary.BigEndian.AppendUint16(out, uint16(n)), m...) //nolint:gosec // of this test's own
	return append(out, 0x21, 0x43, 0x01, 0x00, 0x01)
}

// step is one row: a numbered step of the specification and what breaks exactly that; or why there is nothing to break here.
type step struct {
	number int
	name   string
	spoil  func(*testkit.Authenticator)
	bound  bool // at a party that takes no passkeys that can be copied
	why    passkey.Why
	none   string
}

// The origins that are nearly ours.
var nearly = []string{"", "null", "https://login.bank.example.evil.example", "https://evil.example", "http://login.bank.example", "https://login.bank.example:443", "https://login.bank.example:8443", "https://LOGIN.bank.example",
	"https://login.bank.example/", "https://login.bank.example.", "https://bank.example", "https://token.bank.example", "https://login.bank.example@evil.example", " https://login.bank.example", "https://login.bank.example\x00",
	"https://lоgin.bank.example", "HTTPS://login.bank.example", "android:apk-key-hash:x"}

// fake is another key's private half.
func fake(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// WebAuthn Level 3, section 7.1, step by step: each alters one thing, and the same response without it is taken.
func TestRegistrationStepByStep(t *testing.T) {
	t.Parallel()
	steps := []step{
		{number: 1, name: "options", none: "what we ask for: TestOptionsAskForWhatIsChecked"},
		{number: 2, name: "create", none: "the browser's own; e2e/passkey_test.go"},
		{number: 3, name: "an assertion in its place", why: passkey.Form, spoil: respond("attestationObject", nil)},
		{number: 4, name: "client extension results", none: "no extension is asked for, so none is looked at"},
		{number: 5, name: "no text", why: passkey.Form, spoil: respond("clientDataJSON", b64([]byte{0xff, 0xfe, 0x00}))},
		{number: 6, name: "no JSON", why: passkey.Form, spoil: respond("clientDataJSON", b64([]byte(`{"type":"webauthn.create"`)))},
		{number: 7, name: "type of a login", why: passkey.Ceremony, spoil: func(a *testkit.Authenticator) { a.Type = "webauthn.get" }},
		{number: 7, name: "type in capitals", why: passkey.Ceremony, spoil: func(a *testkit.Authenticator) { a.Type = "WebAuthn.create" }},
		{number: 7, name: "no type", why: passkey.Ceremony, spoil: func(a *testkit.Authenticator) { a.ClientData = func(m map[string]any) { delete(m, "type") } }},
		{number: 8, name: "another challenge", why: passkey.Ceremony, spoil: func(a *testkit.Authenticator) { a.Challenge = b64(bytes.Repeat([]byte{8}, passkey.ChallengeBytes)) }},
		{number: 8, name: "a short challenge", why: passkey.Form, spoil: func(a *testkit.Authenticator) { a.Challenge = b64(challenge[:16]) }},
		{number: 8, name: "the challenge in another spelling", why: passkey.Form, spoil: func(a *testkit.Authenticator) { a.Challenge = b64(challenge)[:42] + "d" }},
		{number: 8, name: "the challenge with its padding", why: passkey.Form, spoil: func(a *testkit.Authenticator) { a.Challenge = b64(challenge) + "=" }},
		{number: 10, name: "in another site's frame", why: passkey.Origin, spoil: func(a *testkit.Authenticator) { a.CrossOrigin = true }},
		{number: 10, name: "below another site", why: passkey.Origin, spoil: func(a *testkit.Authenticator) { a.CrossOrigin, a.TopOrigin = true, "https://www.bank.example" }},
		{number: 10, name: "below ourselves", why: passkey.Origin, spoil: func(a *testkit.Authenticator) { a.TopOrigin = origin }},
		{number: 11, name: "client data changed after it was signed", why: passkey.Ceremony, spoil: func(a *testkit.Authenticator) {
			a.SelfAttest = true
			a.Response = func(m map[string]any) {
				r := m["response"].(map[string]any)
				b, _ := base64.RawURLEncoding.DecodeString(r["clientDataJSON"].(string))
				r["clientDataJSON"] = b64(append(b, ' '))
			}
		}},
		{number: 12, name: "no CBOR", why: passkey.Form, spoil: respond("attestationObject", b64([]byte{0xa3, 0x63}))},
		{number: 12, name: "data too short", why: passkey.Form, spoil: func(a *testkit.Authenticator) { a.AuthData = func(b []byte) []byte { return b[:36] } }},
		{number: 12, name: "bytes behind the data", why: passkey.Form, spoil: func(a *testkit.Authenticator) { a.AuthData = func(b []byte) []byte { return append(b, 0) } }},
		{number: 12, name: "no credential", why: passkey.Form, spoil: func(a *testkit.Authenticator) {
			a.AuthData = func(b []byte) []byte { b[32] &^= testkit.Attested; return b[:37] }
		}},
		{number: 13, name: "another party", why: passkey.Ceremony, spoil: func(a *testkit.Authenticator) { a.PartyID = "token.bank.example" }},
		{number: 13, name: "the party above", why: passkey.Ceremony, spoil: func(a *testkit.Authenticator) { a.PartyID = "bank.example" }},
		{number: 14, name: "nobody was there", why: passkey.Ceremony, spoil: flags(testkit.UserVerified)},
		{number: 15, name: "nobody was verified", why: passkey.Ceremony, spoil: flags(testkit.UserPresent)},
		{number: 16, name: "copied, though it cannot be", why: passkey.Backup, spoil: flags(testkit.UserPresent | testkit.UserVerified | testkit.BackedUp)},
		{number: 17, name: "can be copied, at a party that takes none", why: passkey.Bindable, bound: true, spoil: flags(testkit.UserPresent | testkit.UserVerified | testkit.BackupEligible)},
		{number: 18, name: "backup state", none: "whether it has been copied is shown, and decides nothing (R-057)"},
		{number: 19, name: "an algorithm that was not asked for", why: passkey.Ceremony, spoil: func(a *testkit.Authenticator) {
			a.AuthData = func(b []byte) []byte {
				return bytes.Replace(b, []byte{0xa5, 0x01, 0x02, 0x03, 0x26}, []byte{0xa5, 0x01, 0x02, 0x03, 0x38, 0x22}, 1) // ES384
			}
		}},
		{number: 19, name: "RSA of 1024 bits", why: passkey.Algorithm, spoil: keyed(rsaKey(128)...)},
		{number: 19, name: "RSA of 8192 bits", why: passkey.Algorithm, spoil: keyed(rsaKey(1024)...)},
		{number: 19, name: "a point beside the curve", why: passkey.Algorithm, spoil: func(a *testkit.Authenticator) {
			a.AuthData = func(b []byte) []byte { b[len(b)-1] ^= 1; return b }
		}},
		{number: 20, name: "extensions", none: "none is asked for; what comes unasked is not looked at, as the step allows"},
		{number: 21, name: "a format that nobody asked for", why: passkey.Attestation, spoil: func(a *testkit.Authenticator) { a.Format = "tpm" }},
		{number: 21, name: "a format in capitals", why: passkey.Attestation, spoil: func(a *testkit.Authenticator) { a.Format = "NONE" }},
		{number: 21, name: "a format of nobody", why: passkey.Attestation, spoil: func(a *testkit.Authenticator) { a.Format = "x" }},
		{number: 22, name: "none with a statement", why: passkey.Ceremony, spoil: func(a *testkit.Authenticator) { a.SelfAttest, a.Format = true, "none" }},
		{number: 22, name: "packed without a statement", why: passkey.Ceremony, spoil: func(a *testkit.Authenticator) { a.Format = "packed" }},
		{number: 22, name: "a spoilt signature", why: passkey.Ceremony, spoil: func(a *testkit.Authenticator) {
			a.SelfAttest, a.Signature = true, func(b []byte) []byte { b[len(b)-1] ^= 1; return b }
		}},
		{number: 23, name: "trust anchors", none: "no attestation is asked for, so nobody is trusted for one: a model is shown and decides nothing"},
		{number: 24, name: "trustworthiness", none: "as step 23: none and self are taken by policy"},
		{number: 25, name: "an ID of 1024 bytes", why: passkey.Form, spoil: identified(1024)},
		{number: 25, name: "an ID of 15 bytes", why: passkey.ID, spoil: identified(15)},
		{number: 26, name: "registered already", none: "the store's: authority, TestOneCredentialIsOnePasskey"},
		{number: 27, name: "storing", none: "the store's: authority, TestPasskeyFromRegistrationToRemoval"},
	}
	for _, o := range nearly {
		steps = append(steps, step{number: 9, name: "origin " + o, why: passkey.Origin, spoil: func(a *testkit.Authenticator) {
			a.ClientData = func(m map[string]any) { m["origin"] = o }
		}})
	}
	allSteps(t, steps, 27)
	for _, s := range steps {
		if s.spoil == nil {
			continue
		}
		p, a := party(t, s.bound), testkit.NewAuthenticator()
		if _, err := create(t, p, a); err != nil {
			t.Fatalf("an honest registration: %v", err)
		}
		s.spoil(a)
		if _, err := create(t, p, a); passkey.WhyOf(err) != s.why {
			t.Errorf("step %d, %s: %v, want %q", s.number, s.name, err, s.why)
		}
	}
	for name, good := range map[string]func(*testkit.Authenticator){
		"attested by itself": func(a *testkit.Authenticator) { a.SelfAttest = true }, "an ID of 16 bytes": identified(16), "an ID of 1023 bytes": identified(1023),
		"one that can be copied": flags(testkit.UserPresent | testkit.UserVerified | testkit.BackupEligible), "RSA of 2048 bits": keyed(rsaKey(256)...), "RSA of 4096 bits": keyed(rsaKey(512)...),
		"one that was copied": flags(testkit.UserPresent | testkit.UserVerified | testkit.BackupEligible | testkit.BackedUp),
		"members of tomorrow": func(a *testkit.Authenticator) {
			a.ClientData = func(m map[string]any) { m["new_keys_may_be_added_here"] = "x" }
		},
	} {
		a := testkit.NewAuthenticator()
		good(a)
		if _, err := create(t, party(t, false), a); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// allSteps holds that a table has each step of the specification.
func allSteps(t *testing.T, steps []step, last int) {
	t.Helper()
	for n := 1; n <= last; n++ {
		if !slices.ContainsFunc(steps, func(s step) bool { return s.number == n && (s.spoil == nil) != (s.none == "") }) {
			t.Errorf("step %d has no row", n)
		}
	}
}

// Section 7.2, in the same manner.
func TestAuthenticationStepByStep(t *testing.T) {
	t.Parallel()
	other := fake(t)
	steps := []step{
		{number: 1, name: "options", none: "what we ask for: TestOptionsAskForWhatIsChecked"},
		{number: 2, name: "get", none: "the browser's own; e2e/passkey_test.go"},
		{number: 3, name: "a registration in its place", why: passkey.Form, spoil: respond("authenticatorData", nil)},
		{number: 4, name: "client extension results", none: "no extension is asked for, so none is looked at; appid too"},
		{number: 5, name: "allowed credentials", none: "the list is always empty: nobody has to say first who she is (R-055)"},
		{number: 6, name: "another's handle", why: passkey.Handle, spoil: func(a *testkit.Authenticator) { a.Handle = bytes.Repeat([]byte{8}, passkey.HandleBytes) }},
		{number: 6, name: "the beginning of her handle", why: passkey.Handle, spoil: func(a *testkit.Authenticator) { a.Handle = handle[:63] }},
		{number: 6, name: "no handle", why: passkey.Handle, spoil: func(a *testkit.Authenticator) { a.NoHandle = true }},
		{number: 7, name: "another passkey's ID", why: passkey.ID, spoil: func(a *testkit.Authenticator) {
			a.Response = func(m map[string]any) { m["id"], m["rawId"] = b64(handle), b64(handle) }
		}},
		{number: 7, name: "two IDs", why: passkey.Form, spoil: func(a *testkit.Authenticator) { a.Response = func(m map[string]any) { m["id"] = b64(handle) } }},
		{number: 8, name: "no client data", why: passkey.Form, spoil: respond("clientDataJSON", nil)},
		{number: 8, name: "no signature", why: passkey.Ceremony, spoil: respond("signature", nil)},
		{number: 9, name: "no text", why: passkey.Form, spoil: respond("clientDataJSON", b64([]byte{0xff, 0xfe, 0x00}))},
		{number: 10, name: "no JSON", why: passkey.Form, spoil: respond("clientDataJSON", b64([]byte(`{"type":"webauthn.get"`)))},
		{number: 11, name: "type of a registration", why: passkey.Ceremony, spoil: func(a *testkit.Authenticator) { a.Type = "webauthn.create" }},
		{number: 11, name: "type of a payment", why: passkey.Ceremony, spoil: func(a *testkit.Authenticator) { a.Type = "payment.get" }},
		{number: 12, name: "another challenge", why: passkey.Ceremony, spoil: func(a *testkit.Authenticator) { a.Challenge = b64(bytes.Repeat([]byte{8}, passkey.ChallengeBytes)) }},
		{number: 12, name: "no challenge", why: passkey.Form, spoil: func(a *testkit.Authenticator) { a.ClientData = func(m map[string]any) { delete(m, "challenge") } }},
		{number: 14, name: "in another site's frame", why: passkey.Origin, spoil: func(a *testkit.Authenticator) { a.CrossOrigin = true }},
		{number: 14, name: "below another site", why: passkey.Origin, spoil: func(a *testkit.Authenticator) { a.CrossOrigin, a.TopOrigin = true, "https://www.bank.example" }},
		{number: 14, name: "below ourselves", why: passkey.Origin, spoil: func(a *testkit.Authenticator) { a.TopOrigin = origin }},
		{number: 15, name: "another party", why: passkey.Ceremony, spoil: func(a *testkit.Authenticator) { a.PartyID = "staff.bank.example" }},
		{number: 16, name: "nobody was there", why: passkey.Ceremony, spoil: flags(testkit.UserVerified)},
		{number: 17, name: "nobody was verified", why: passkey.Ceremony, spoil: flags(testkit.UserPresent)},
		{number: 18, name: "copied, though it cannot be", why: passkey.Backup, spoil: flags(testkit.UserPresent | testkit.UserVerified | testkit.BackedUp)},
		{number: 19, name: "can be copied all at once", why: passkey.Backup, spoil: flags(testkit.UserPresent | testkit.UserVerified | testkit.BackupEligible)},
		{number: 20, name: "extensions", none: "none is asked for; what comes unasked is not looked at, as the step allows"},
		{number: 21, name: "client data changed after it was signed", why: passkey.Ceremony, spoil: func(a *testkit.Authenticator) {
			a.Response = func(m map[string]any) {
				r := m["response"].(map[string]any)
				b, _ := base64.RawURLEncoding.DecodeString(r["clientDataJSON"].(string))
				r["clientDataJSON"] = b64(append(b, ' '))
			}
		}},
		{number: 22, name: "a spoilt signature", why: passkey.Ceremony, spoil: func(a *testkit.Authenticator) { a.Signature = func(b []byte) []byte { b[len(b)-1] ^= 1; return b } }},
		{number: 22, name: "half a signature", why: passkey.Ceremony, spoil: func(a *testkit.Authenticator) { a.Signature = func(b []byte) []byte { return b[:len(b)/2] } }},
		{number: 22, name: "a signature of zeroes", why: passkey.Ceremony, spoil: func(a *testkit.Authenticator) {
			a.Signature = func([]byte) []byte { return []byte{0x30, 6, 2, 1, 0, 2, 1, 0} }
		}},
		{number: 22, name: "another's signature", why: passkey.Ceremony, spoil: func(a *testkit.Authenticator) {
			p := a.Credentials[len(a.Credentials)-1]
			p.Key = other
		}},
		{number: 22, name: "data changed after it was signed", why: passkey.Ceremony, spoil: func(a *testkit.Authenticator) {
			a.Response = func(m map[string]any) {
				r := m["response"].(map[string]any)
				b, _ := base64.RawURLEncoding.DecodeString(r["authenticatorData"].(string))
				b[36]++
				r["authenticatorData"] = b64(b)
			}
		}},
		{number: 23, name: "counter", none: "TestCounters: it is told, and the server takes such a passkey out of use"},
		{number: 24, name: "attestation object", none: "none is asked for at a login"},
		{number: 25, name: "updating the record", none: "the store's: authority, TestPasskeyFromRegistrationToRemoval"},
		{number: 26, name: "going on", none: "the store's, as step 25"},
	}
	for _, o := range nearly {
		steps = append(steps, step{number: 13, name: "origin " + o, why: passkey.Origin, spoil: func(a *testkit.Authenticator) {
			a.ClientData = func(m map[string]any) { m["origin"] = o }
		}})
	}
	allSteps(t, steps, 26)
	for _, s := range steps {
		if s.spoil == nil {
			continue
		}
		p, a := party(t, false), testkit.NewAuthenticator()
		c, err := create(t, p, a)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := use(t, p, a, c); err != nil {
			t.Fatalf("an honest use: %v", err)
		}
		s.spoil(a)
		if _, err := use(t, p, a, c); passkey.WhyOf(err) != s.why {
			t.Errorf("step %d, %s: %v, want %q", s.number, s.name, err, s.why)
		}
	}
	// A party that has become stricter since.
	a := testkit.NewAuthenticator()
	a.Flags |= testkit.BackupEligible
	c, err := create(t, party(t, false), a)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := use(t, party(t, true), a, c); passkey.WhyOf(err) != passkey.Bindable {
		t.Errorf("one that can be copied, where none may be used any more: %v", err)
	}
	if u, err := use(t, party(t, false), a, c); err != nil || u.BackedUp {
		t.Errorf("one that can be copied and was not: %+v, %v", u, err)
	}
	a.Flags |= testkit.BackedUp
	if u, err := use(t, party(t, false), a, c); err != nil || !u.BackedUp {
		t.Errorf("one that has been copied since: %+v, %v", u, err)
	}
	if _, err := party(t, false).Assert(challenge, claimOf(t, a), c, nil); passkey.WhyOf(err) != passkey.Handle {
		t.Errorf("a customer who has no handle: %v", err)
	}
}

func claimOf(t testing.TB, a *testkit.Authenticator) *passkey.Claim {
	t.Helper()
	options, err := party(t, false).RequestOptions(challenge, nil)
	if err != nil {
		t.Fatal(err)
	}
	claim, err := passkey.ReadClaim(a.Get(options, origin))
	if err != nil {
		t.Fatal(err)
	}
	return claim
}

// Section 7.2, step 23, and section 6.1.1.
func TestCounters(t *testing.T) {
	t.Parallel()
	p, a := party(t, false), testkit.NewAuthenticator()
	c, err := create(t, p, a)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		stored, sent uint32
		regressed    bool
	}{{0, 0, false}, {0, 1, false}, {1, 0, true}, {5, 4, true}, {5, 5, true}, {5, 6, false}, {1<<32 - 1, 0, true}, {1<<32 - 1, 1<<32 - 1, true}, {1 << 31, 1<<31 + 1, false}} {
		c.Counter, a.Credentials[0].Counter = row.stored, row.sent
		if u, err := use(t, p, a, c); err != nil || u.Regressed != row.regressed || u.Counter != row.sent {
			t.Errorf("%d after %d: %+v, %v", row.sent, row.stored, u, err)
		}
	}
}

// What is asked of browsers is what is checked afterwards.
func TestOptionsAskForWhatIsChecked(t *testing.T) {
	t.Parallel()
	p := party(t, false)
	have := []passkey.Credential{{ID: []byte("0123456789abcdef"), Transports: []string{"internal", "hybrid"}}}
	b, err := p.CreationOptions(challenge, passkey.User{Handle: handle, Name: "hanako01", Shown: "山田 花子"}, have)
	if err != nil {
		t.Fatal(err)
	}
	var o struct {
		Challenge, Attestation string
		RP                     struct{ ID, Name string }
		User                   struct{ ID, Name, DisplayName string }
		PubKeyCredParams       []struct {
			Type string
			Alg  int
		}
		ExcludeCredentials []struct {
			ID, Type   string
			Transports []string
		}
		AuthenticatorSelection struct {
			ResidentKey, UserVerification string
			RequireResidentKey            bool
		}
		Timeout int
	}
	if err := json.Unmarshal(b, &o); err != nil {
		t.Fatal(err)
	}
	algs := []int{}
	for _, a := range o.PubKeyCredParams {
		algs = append(algs, a.Alg)
	}
	switch {
	case o.Challenge != b64(challenge), o.Attestation != "none", o.RP.ID != "login.bank.example", o.User.ID != b64(handle), !slices.Equal(algs, []int{-7, -8, -257}), o.Timeout != 300000,
		o.AuthenticatorSelection.ResidentKey != "required", o.AuthenticatorSelection.UserVerification != "required", !o.AuthenticatorSelection.RequireResidentKey,
		len(o.ExcludeCredentials) != 1 || o.ExcludeCredentials[0].ID != b64(have[0].ID) || len(o.ExcludeCredentials[0].Transports) != 2:
		t.Errorf("the options are %s", b)
	}
	if b, err = p.RequestOptions(challenge, nil); err != nil {
		t.Fatal(err)
	}
	var q struct {
		Challenge, RPID, UserVerification string
		AllowCredentials                  []any
	}
	if err := json.Unmarshal(b, &q); err != nil || q.Challenge != b64(challenge) || q.RPID != "login.bank.example" || q.UserVerification != "required" || len(q.AllowCredentials) != 0 {
		t.Errorf("the request is %s, %v", b, err)
	}
	for _, bad := range []string{"", "login.bank.example", "https://login.bank.example/", "https://", "https://login.bank.example/x"} {
		if _, err := passkey.NewParty(bad, "", false); err == nil {
			t.Errorf("%q is taken for an origin", bad)
		}
	}
}

// What is too long is not even read.
func TestLongResponsesAreNotRead(t *testing.T) {
	t.Parallel()
	long := []byte(strings.Repeat(" ", 16<<10) + "{}")
	if _, err := passkey.ReadCreated(long); passkey.WhyOf(err) != passkey.Form {
		t.Errorf("a long creation: %v", err)
	}
	if _, err := passkey.ReadClaim(long); passkey.WhyOf(err) != passkey.Form {
		t.Errorf("a long claim: %v", err)
	}
}
