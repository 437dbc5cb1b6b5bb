package signing

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"net/url"
	"strings"
)

// Assertion is what an authenticator says about an envelope: its user was there and has shown who she is (WebAuthn Level 3, section 7.2). It is read and verified here and not by
// the library of the login's ceremonies, so that the server and whoever holds evidence without a network judge by the same lines.
type Assertion struct {
	Credential     string // its ID in base64url
	Counter        uint32
	BackupEligible bool

	client, data, sig []byte
}

// Flags of authenticator data (WebAuthn Level 3, section 6.1).
const (
	flagPresent        byte = 1 << 0
	flagVerified       byte = 1 << 2
	flagBackupEligible byte = 1 << 3
	flagBackedUp       byte = 1 << 4
	flagAttested       byte = 1 << 6
	flagExtensions     byte = 1 << 7
)

const (
	maxAssertion = 8 << 10
	headOfData   = 32 + 1 + 4 // hash of the party, flags, counter
)

// ParseAssertion reads the four parts: credential ID, client data, authenticator data, signature. Nothing of it has been verified.
func ParseAssertion(compact string) (Assertion, error) {
	part := strings.Split(compact, ".")
	if len(part) != 4 || len(compact) > maxAssertion || part[0] == "" {
		return Assertion{}, ErrSignature
	}
	var raw [4][]byte
	for i, p := range part {
		var err error
		if raw[i], err = FromBase64(p); err != nil {
			return Assertion{}, ErrSignature
		}
	}
	data := raw[2]
	if len(data) < headOfData {
		return Assertion{}, ErrSignature
	}
	flags := data[32]
	if flags&flagAttested != 0 || (flags&flagExtensions == 0) != (len(data) == headOfData) || flags&flagBackedUp != 0 && flags&flagBackupEligible == 0 {
		return Assertion{}, ErrSignature
	}
	return Assertion{Credential: part[0], Counter: binary.BigEndian.Uint32(data[33:]), BackupEligible: flags&flagBackupEligible != 0, client: raw[1], data: data, sig: raw[3]}, nil
}

// Verify says whether the key's owner has confirmed this very envelope on a page of this very origin, by finger, face or screen lock.
func (a Assertion) Verify(envelope, origin string, k JWK) error {
	u, err := url.Parse(origin)
	if err != nil {
		return ErrSignature
	}
	var client map[string]json.RawMessage // by the exact names: into a struct, Go would take a "Type" for a "type"
	if json.Unmarshal(a.client, &client) != nil {
		return ErrSignature
	}
	says := func(name, want string) bool {
		var got *string
		return json.Unmarshal(client[name], &got) == nil && got != nil && *got == want
	}
	if !says("type", "webauthn.get") || !says("challenge", Hash(envelope)) || !says("origin", origin) {
		return ErrSignature
	}
	if framed, there := client["crossOrigin"]; there && string(framed) != "false" {
		return ErrSignature
	}
	if _, there := client["topOrigin"]; there {
		return ErrSignature
	}
	party := sha256.Sum256([]byte(u.Hostname()))
	if !bytes.Equal(a.data[:32], party[:]) || a.data[32]&flagPresent == 0 || a.data[32]&flagVerified == 0 {
		return ErrSignature
	}
	pub, err := k.ECDSA()
	if err != nil {
		return ErrSignature
	}
	hash := sha256.Sum256(a.client)
	digest := sha256.Sum256(append(bytes.Clone(a.data), hash[:]...))
	if !ecdsa.VerifyASN1(pub, digest[:], a.sig) {
		return ErrSignature
	}
	return nil
}
