package vectors

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/signing"
)

// What an authenticator says, before it is signed. The names are WebAuthn's.
type said struct {
	Type        string `json:"type"`
	Challenge   string `json:"challenge"`
	Origin      string `json:"origin"`
	CrossOrigin bool   `json:"crossOrigin"`

	party string
	flags byte
}

const presentAndVerified byte = 1 | 1<<2

// vectorCredential is the ID of the credential that all vectors confirm with.
var vectorCredential = b64.EncodeToString([]byte("a credential of this phone alone"))

// honest is what a browser on the token origin says for an envelope.
func honest(envelope string) said {
	return said{Type: "webauthn.get", Challenge: signing.Hash(envelope), Origin: vectorOrigin, party: strings.TrimPrefix(vectorOrigin, "https://"), flags: presentAndVerified}
}

// assert makes an assertion with the key of that name, deterministically.
func assert(t *testing.T, s said, credential, by string) string {
	t.Helper()
	client, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	party := sha256.Sum256([]byte(s.party))
	data := binary.BigEndian.AppendUint32(append(party[:], s.flags), 3)
	hash := sha256.Sum256(client)
	digest := sha256.Sum256(append(append([]byte{}, data...), hash[:]...))
	sig, err := key(by).Sign(nil, digest[:], signingHash{})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join([]string{credential, b64.EncodeToString(client), b64.EncodeToString(data), b64.EncodeToString(sig)}, ".")
}

// verifierOf is the device's word that a credential is its own.
func verifierOf(t *testing.T, device *ecdsa.PrivateKey, at time.Time) string {
	t.Helper()
	word, err := signing.MakeVerifier(signing.Verifier{Token: vectorToken, Credential: vectorCredential, Key: jwk(key("verifier")), Time: at}, sign(device))
	if err != nil {
		t.Fatal(err)
	}
	return word
}

type verifierVector struct {
	Note       string            `json:"note"`
	Issuer     string            `json:"issuer"`
	Token      string            `json:"token"`
	DeviceKey  map[string]string `json:"device_signing_key"`
	Credential string            `json:"credential"`
	Key        map[string]string `json:"public_key"`
	Time       string            `json:"time"`
	Verifier   string            `json:"verifier"`
	Removal    string            `json:"removal"`
	Decision   string            `json:"decision"`
	Challenge  string            `json:"challenge"` // of the decision
	ClientData string            `json:"client_data"`
	Data       string            `json:"authenticator_data_hex"`
	Assertion  string            `json:"assertion"`
	Valid      bool              `json:"valid"` // whether it confirms the decision
}

// TestVerifiers: the envelopes of registration and removal, and assertions that do and do not confirm a decision.
func TestVerifiers(t *testing.T) {
	device, at := key("device signing"), vectorTime.Add(-time.Hour)
	decision := sample(t).Decision
	word := verifierOf(t, device, at)
	removal, err := signing.MakeVerifierRemoval(signing.Verifier{Token: vectorToken, Credential: vectorCredential, Time: at}, sign(device))
	if err != nil {
		t.Fatal(err)
	}
	v, envelope, err := signing.ParseVerifier(word)
	if err != nil || envelope.Verify(jwk(device)) != nil || v != (signing.Verifier{Token: vectorToken, Credential: vectorCredential, Key: jwk(key("verifier")), Time: at}) {
		t.Fatalf("the verifier reads back as %+v, %v", v, err)
	}
	if r, _, err := signing.ParseVerifierRemoval(removal); err != nil || r.Credential != vectorCredential || !r.Time.Equal(at) {
		t.Fatalf("the removal reads back as %+v, %v", r, err)
	}
	for name, err := range map[string]error{"a removal as a registration": second(signing.ParseVerifier(removal)), "a registration as a removal": second(signing.ParseVerifierRemoval(word))} {
		if err == nil {
			t.Error(name + " is taken")
		}
	}
	cases := []struct {
		note   string
		by     string
		change func(s *said)
		valid  bool
	}{
		{"confirmed", "verifier", func(*said) {}, true},
		{"by a synced passkey", "verifier", func(s *said) { s.flags |= 1<<3 | 1<<4 }, true},
		{"another decision", "verifier", func(s *said) { s.Challenge = signing.Hash(decision + "x") }, false},
		{"another origin", "verifier", func(s *said) { s.Origin = "https://token.bank.example.evil.example" }, false},
		{"the same host on another port", "verifier", func(s *said) { s.Origin += ":8443" }, false},
		{"framed by another site", "verifier", func(s *said) { s.CrossOrigin = true }, false},
		{"another party", "verifier", func(s *said) { s.party = "login.bank.example" }, false},
		{"the user was not verified", "verifier", func(s *said) { s.flags = 1 }, false},
		{"the user was not there", "verifier", func(s *said) { s.flags = 1 << 2 }, false},
		{"copied, and cannot be copied", "verifier", func(s *said) { s.flags |= 1 << 4 }, false},
		{"with attested data", "verifier", func(s *said) { s.flags |= 1 << 6 }, false},
		{"a registration", "verifier", func(s *said) { s.Type = "webauthn.create" }, false},
		{"by another key", "other", func(*said) {}, false},
	}
	var made []verifierVector
	for _, c := range cases {
		s := honest(decision)
		c.change(&s)
		assertion := assert(t, s, vectorCredential, c.by)
		part := strings.Split(assertion, ".")
		client, _ := b64.DecodeString(part[1])
		data, _ := b64.DecodeString(part[2])
		made = append(made, verifierVector{c.note, vectorOrigin, vectorToken, members(jwk(device)), vectorCredential, members(jwk(key("verifier"))), at.Format(time.RFC3339), word, removal, decision,
			signing.Hash(decision), string(client), hex.EncodeToString(data), assertion, c.valid})
		a, err := signing.ParseAssertion(assertion)
		if err == nil {
			err = a.Verify(decision, vectorOrigin, v.Key)
		}
		if (err == nil) != c.valid {
			t.Errorf("%s: %v", c.note, err)
		}
		if c.valid && (a.Counter != 3 || a.Credential != vectorCredential) {
			t.Errorf("%s reads back as %+v", c.note, a)
		}
	}
	golden(t, "verifier", made)
}

func second[A, B any](_ A, _ B, err error) error { return err }

// Whatever byte of an assertion is altered, it confirms nothing.
func TestEveryByteOfAnAssertionCounts(t *testing.T) {
	const envelope = "an.envelope.of-the-device"
	good := assert(t, honest(envelope), vectorCredential, "verifier")
	confirms := func(compact string) bool {
		a, err := signing.ParseAssertion(compact)
		return err == nil && a.Credential == vectorCredential && a.Verify(envelope, vectorOrigin, jwk(key("verifier"))) == nil
	}
	if !confirms(good) {
		t.Fatal("the assertion does not hold")
	}
	for at := range good {
		if bad := good[:at] + string(good[at]^1) + good[at+1:]; confirms(bad) {
			t.Errorf("altered at byte %d it still holds", at)
		}
	}
	for _, bad := range []string{"", good + "A", good + ".", "." + good, good[:len(good)-1], good + "\n", strings.Replace(good, ".", "..", 1)} {
		if confirms(bad) {
			t.Errorf("%.30q… holds", bad)
		}
	}
}
