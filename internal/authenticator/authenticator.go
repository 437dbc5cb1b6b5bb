// Package authenticator is a browser together with a security key, in software: the tests attack with it, and in the demo it stands for the passkeys of a staff that is made up.
package authenticator

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"net/url"
	"slices"

	"github.com/inkan-auth/inkan/internal/domain/signing"
)

// Flags of authenticator data (WebAuthn Level 3, section 6.1).
const (
	UserPresent    byte = 1 << 0
	UserVerified   byte = 1 << 2
	BackupEligible byte = 1 << 3
	BackedUp       byte = 1 << 4
	Attested       byte = 1 << 6 // set by Create alone
	Extensions     byte = 1 << 7
)

// Authenticator is a browser together with a security key in software: it answers the options of a relying party with real responses, ES256 and without attestation. Whatever an
// attacker, or a broken product, could send otherwise is a knob, or a hook that runs before the response is sealed.
type Authenticator struct {
	Flags     byte   // of all responses; New sets UserPresent and UserVerified
	Step      uint32 // by how much the counter of a passkey grows with each use; 0 for one that does not count
	AAGUID    [16]byte
	Transport string // e.g. "internal", "usb"

	// Of the client data. Empty and false are what an honest browser sends.
	Type        string // instead of webauthn.create or webauthn.get
	Origin      string // instead of the origin that was visited
	Challenge   string // instead of that of the options
	CrossOrigin bool
	TopOrigin   string
	PartyID     string // instead of that of the options
	Format      string // of the attestation, instead of "none"
	SelfAttest  bool   // attests with the new key itself: format "packed", without a certificate (section 8.2)
	NoHandle    bool   // says nothing of the user handle
	Handle      []byte // instead of the one at registration

	// The hooks change a part of the response before it is sealed: the client data before it is hashed, the authenticator data before it is signed, the signature last.
	ClientData func(map[string]any)
	AuthData   func([]byte) []byte
	Signature  func([]byte) []byte
	// Response changes the response as JSON before it is sent.
	Response func(map[string]any)

	// Credentials are all that it keeps, the oldest first.
	Credentials []*Passkey
}

// Passkey is one credential of an Authenticator with its secret half.
type Passkey struct {
	ID, Handle []byte
	PartyID    string
	Counter    uint32
	Key        *ecdsa.PrivateKey
}

// New is an honest one that keeps its passkeys to itself and does not count.
func New() *Authenticator {
	return &Authenticator{Flags: UserPresent | UserVerified, Transport: "internal"}
}

// Copy is a second authenticator with the same keys: what somebody has who could copy the first.
func (a *Authenticator) Copy() *Authenticator {
	b := *a
	b.Credentials = nil
	for _, c := range a.Credentials {
		twin := *c
		b.Credentials = append(b.Credentials, &twin)
	}
	return &b
}

// Create answers creation options (their JSON, as PublicKeyCredential.parseCreationOptionsFromJSON takes it) as the page of origin would: what its credential.toJSON gives. It is
// nil where a real one would not answer: it has one of the excluded passkeys already.
func (a *Authenticator) Create(options []byte, origin string) []byte {
	var o struct {
		Challenge string
		RP        struct{ ID string }
		User      struct{ ID string }
		Exclude   []struct{ ID string } `json:"excludeCredentials"`
	}
	if json.Unmarshal(options, &o) != nil {
		return nil
	}
	for _, x := range o.Exclude {
		if slices.ContainsFunc(a.Credentials, func(p *Passkey) bool { return b64(p.ID) == x.ID }) {
			return nil
		}
	}
	handle, _ := base64.RawURLEncoding.DecodeString(o.User.ID)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	p := &Passkey{ID: randomBytes(32), Handle: handle, PartyID: partyID(o.RP.ID, origin), Key: key}
	a.Credentials = append(a.Credentials, p)

	data := a.data(p, Attested)
	data = append(data, a.AAGUID[:]...)
	data = binary.BigEndian.AppendUint16(data, uint16(len(p.ID)))
	data = append(data, p.ID...)
	data = append(data, p.cose()...)
	if a.AuthData != nil {
		data = a.AuthData(data)
	}
	client := a.clientData("webauthn.create", o.Challenge, origin)
	format, statement := "none", []byte{0xa0}
	if a.SelfAttest {
		format, statement = "packed", append(cborText("alg"), 0x26)
		statement = append(append([]byte{0xa2}, statement...), cborText("sig")...)
		statement = append(statement, cborBytes(a.sign(p, data, client))...)
	}
	if a.Format != "" {
		format = a.Format
	}
	object := append([]byte{0xa3}, cborText("fmt")...) // the map of three members of section 6.5.4
	object = append(object, cborText(format)...)
	object = append(object, cborText("attStmt")...)
	object = append(object, statement...)
	object = append(object, cborText("authData")...)
	object = append(object, cborBytes(data)...)
	return a.seal(p, map[string]any{
		"clientDataJSON": b64(client), "attestationObject": b64(object), "transports": []string{a.Transport},
		"authenticatorData": b64(data), "publicKeyAlgorithm": -7,
	})
}

// Get answers request options with the newest passkey of that party, or of those that the options allow. It is nil where it has none.
func (a *Authenticator) Get(options []byte, origin string) []byte {
	var o struct {
		Challenge string
		RPID      string                `json:"rpId"`
		Allow     []struct{ ID string } `json:"allowCredentials"`
	}
	if json.Unmarshal(options, &o) != nil {
		return nil
	}
	id := partyID(o.RPID, origin)
	for _, p := range slices.Backward(a.Credentials) {
		allowed := len(o.Allow) == 0
		for _, x := range o.Allow {
			allowed = allowed || x.ID == b64(p.ID)
		}
		if allowed && p.PartyID == id {
			return a.GetWith(p, o.Challenge, origin)
		}
	}
	return nil
}

// GetWith answers a challenge with a passkey of the caller's choice, whether or not an honest browser would.
func (a *Authenticator) GetWith(p *Passkey, challenge, origin string) []byte {
	p.Counter += a.Step
	data := a.data(p, 0)
	if a.AuthData != nil {
		data = a.AuthData(data)
	}
	client := a.clientData("webauthn.get", challenge, origin)
	response := map[string]any{"clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(a.sign(p, data, client))}
	handle := p.Handle
	if a.Handle != nil {
		handle = a.Handle
	}
	if !a.NoHandle {
		response["userHandle"] = b64(handle)
	}
	return a.seal(p, response)
}

// Assert confirms an envelope with the newest credential, as the token app asks for it.
func (a *Authenticator) Assert(envelope string) string {
	p := a.Credentials[len(a.Credentials)-1]
	return a.AssertWith(p, envelope, "https://"+p.PartyID)
}

// AssertWith does so with a credential and on an origin of the caller's choice.
func (a *Authenticator) AssertWith(p *Passkey, envelope, origin string) string {
	var said struct {
		Response struct{ ClientDataJSON, AuthenticatorData, Signature string }
	}
	if err := json.Unmarshal(a.GetWith(p, signing.Hash(envelope), origin), &said); err != nil {
		panic(err)
	}
	return b64(p.ID) + "." + said.Response.ClientDataJSON + "." + said.Response.AuthenticatorData + "." + said.Response.Signature
}

// sign signs authenticator data and the hash of the client data (section 6.3.3).
func (a *Authenticator) sign(p *Passkey, data, client []byte) []byte {
	hash := sha256.Sum256(client)
	sum := sha256.Sum256(append(bytes.Clone(data), hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, p.Key, sum[:])
	if err != nil {
		panic(err)
	}
	if a.Signature != nil {
		signature = a.Signature(signature)
	}
	return signature
}

// data is the head of the authenticator data: hash of the party, flags, counter (section 6.1).
func (a *Authenticator) data(p *Passkey, flags byte) []byte {
	id := p.PartyID
	if a.PartyID != "" {
		id = a.PartyID
	}
	hash := sha256.Sum256([]byte(id))
	return binary.BigEndian.AppendUint32(append(hash[:], a.Flags|flags), p.Counter)
}

func (a *Authenticator) clientData(kind, challenge, origin string) []byte {
	if a.Type != "" {
		kind = a.Type
	}
	if a.Challenge != "" {
		challenge = a.Challenge
	}
	if a.Origin != "" {
		origin = a.Origin
	}
	m := map[string]any{"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": a.CrossOrigin}
	if a.TopOrigin != "" {
		m["topOrigin"] = a.TopOrigin
	}
	if a.ClientData != nil {
		a.ClientData(m)
	}
	return mustJSON(m)
}

func (a *Authenticator) seal(p *Passkey, response map[string]any) []byte {
	m := map[string]any{"id": b64(p.ID), "rawId": b64(p.ID), "type": "public-key", "authenticatorAttachment": "platform", "clientExtensionResults": map[string]any{}, "response": response}
	if a.Response != nil {
		a.Response(m)
	}
	return mustJSON(m)
}

// cose is the public key as COSE writes it (RFC 9053, section 7.1.1): kty EC2, alg ES256, crv P-256, x, y.
func (p *Passkey) cose() []byte {
	point, err := p.Key.PublicKey.Bytes() // 4 | x | y
	if err != nil {
		panic(err)
	}
	out := []byte{0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21}
	out = append(out, cborBytes(point[1:33])...)
	out = append(out, 0x22)
	return append(out, cborBytes(point[33:])...)
}

// cborBytes and cborText write strings of less than 65536 bytes (RFC 8949, section 3.1).
func cborBytes(b []byte) []byte { return append(cborHead(0x40, len(b)), b...) }
func cborText(s string) []byte  { return append(cborHead(0x60, len(s)), s...) }

func cborHead(major byte, n int) []byte {
	switch {
	case n < 24:
		return []byte{major | byte(n)}
	case n < 256:
		return []byte{major | 24, byte(n)}
	}
	return binary.BigEndian.AppendUint16([]byte{major | 25}, uint16(n))
}

func partyID(id, origin string) string {
	if id != "" {
		return id
	}
	u, err := url.Parse(origin)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return b
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
