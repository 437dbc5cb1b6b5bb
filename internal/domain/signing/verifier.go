package signing

import (
	"fmt"
	"time"
)

// Verifier is a device's word about the credential of WebAuthn by which its user confirms approvals (docs/protocol.md, User verification): years later it shows that the credential
// belonged to this device. The word about a removal has no key.
type Verifier struct {
	Token      string // from the header, and in the payload: who claims to have signed
	Credential string // its ID in base64url
	Key        JWK
	Time       time.Time
}

// MakeVerifier makes the envelope of a registration; sign is the device signing key's.
func MakeVerifier(v Verifier, sign Signer) (string, error) {
	payload, err := Canonical(Object{"v": "1", "token": v.Token, "credential": v.Credential, "public_key": v.Key.Object(), "time": v.Time.UTC().Format(time.RFC3339)})
	if err != nil {
		return "", err
	}
	return Seal(TypVerifier, v.Token, nil, payload, sign)
}

// ParseVerifier reads a registration. Its signature has not been looked at: verify the envelope with the key of the token that it names.
func ParseVerifier(compact string) (Verifier, *Envelope, error) {
	v, o, e, err := parseVerifier(TypVerifier, compact, "v", "token", "credential", "public_key{}", "time")
	if err != nil {
		return Verifier{}, nil, err
	}
	sub, err := o.Sub("public_key")
	if err != nil {
		return Verifier{}, nil, err
	}
	v.Key, err = ParseJWK(sub)
	return v, e, err
}

// MakeVerifierRemoval makes the envelope of a removal.
func MakeVerifierRemoval(v Verifier, sign Signer) (string, error) {
	payload, err := Canonical(Object{"v": "1", "token": v.Token, "credential": v.Credential, "time": v.Time.UTC().Format(time.RFC3339)})
	if err != nil {
		return "", err
	}
	return Seal(TypVerifierRemoval, v.Token, nil, payload, sign)
}

// ParseVerifierRemoval reads a removal. Its signature has not been looked at.
func ParseVerifierRemoval(compact string) (Verifier, *Envelope, error) {
	v, _, e, err := parseVerifier(TypVerifierRemoval, compact, "v", "token", "credential", "time")
	return v, e, err
}

func parseVerifier(typ, compact string, members ...string) (Verifier, Object, *Envelope, error) {
	e, err := Parse(typ, compact)
	if err != nil || e.Key != nil {
		return Verifier{}, nil, nil, ErrSignature
	}
	o, err := ParseCanonical(e.Payload)
	if err != nil {
		return Verifier{}, nil, nil, err
	}
	f, err := o.Fields(members...)
	if err != nil {
		return Verifier{}, nil, nil, err
	}
	at, errT := time.Parse(time.RFC3339, f["time"])
	id, errC := FromBase64(f["credential"])
	if f["v"] != "1" || f["token"] != e.Kid || errT != nil || at.UTC().Format(time.RFC3339) != f["time"] || errC != nil || len(id) == 0 {
		return Verifier{}, nil, nil, fmt.Errorf("%w: verifier", ErrCanonical)
	}
	return Verifier{Token: e.Kid, Credential: f["credential"], Time: at}, o, e, nil
}
