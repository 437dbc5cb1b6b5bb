package signing

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Proof is the proof of possession that a token sends with each request: DPoP (RFC 9449, section 4.2), with the hash of the body beside it.
type Proof struct {
	Token  string // kid
	ID     string // jti
	Method string
	URL    string
	Time   time.Time
	Body   string // SHA-256 of the body in base64url; empty where there is none
}

type proofClaims struct {
	ID     string `json:"jti"`
	Method string `json:"htm"`
	URL    string `json:"htu"`
	Time   int64  `json:"iat"`
	Body   string `json:"bh,omitempty"`
}

// MakeProof makes the value of the DPoP header.
func MakeProof(p Proof, sign Signer) (string, error) {
	payload, err := json.Marshal(proofClaims{p.ID, p.Method, p.URL, p.Time.Unix(), p.Body})
	if err != nil {
		return "", err
	}
	return Seal(TypProof, p.Token, nil, payload, sign)
}

// ParseProof reads a proof without looking at its signature; verify with the key of the token it names.
func ParseProof(compact string) (Proof, *Envelope, error) {
	e, err := Parse(TypProof, compact)
	if err != nil || e.Key != nil {
		return Proof{}, nil, ErrSignature
	}
	d := json.NewDecoder(strings.NewReader(string(e.Payload)))
	d.DisallowUnknownFields()
	var c proofClaims
	if err := d.Decode(&c); err != nil || d.More() {
		return Proof{}, nil, ErrSignature
	}
	if id, err := FromBase64(c.ID); err != nil || len(id) != 16 {
		return Proof{}, nil, fmt.Errorf("%w: jti", ErrSignature)
	}
	return Proof{e.Kid, c.ID, c.Method, c.URL, time.Unix(c.Time, 0), c.Body}, e, nil
}

// BodyHash is the value of bh for a body.
func BodyHash(body []byte) string {
	if len(body) == 0 {
		return ""
	}
	sum := sha256.Sum256(body)
	return b64.EncodeToString(sum[:])
}
