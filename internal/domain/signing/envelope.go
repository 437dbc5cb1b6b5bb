package signing

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// Types of envelopes (docs/protocol.md, Forms). Every signed object has its own, so that none can be taken for another.
const (
	TypRegistration = "inkan-registration+jws"
	TypAnswer       = "inkan-registration-answer+jws"
	TypCertificate  = "inkan-token-certificate+jws"
	TypIssuerKey    = "inkan-issuer-key+jws"
	TypProof        = "dpop+jwt"
	TypTemplates    = "inkan-templates+jws"
	TypOffer        = "inkan-offer+jws"
	TypDecision     = "inkan-decision+jws"
	TypOffline      = "inkan-offline+jws"
	TypPermit       = "inkan-permit+jws"
	TypEvent        = "inkan-event+jws"
	TypInbox        = "inkan-inbox+jws"

	TypVerifier        = "inkan-verifier+jws"
	TypVerifierRemoval = "inkan-verifier-removal+jws"

	TypRenewal             = "inkan-renewal+jws"
	TypRenewalKey          = "inkan-renewal-key+jws"
	TypRenewalAnswer       = "inkan-renewal-answer+jws"
	TypRenewalConfirmation = "inkan-renewal-confirmation+jws"
	TypRenewalReceipt      = "inkan-renewal-receipt+jws"
)

// ErrSignature says that an envelope is not what it claims to be. It never says why: whoever sent it knows or must not.
var ErrSignature = errors.New("signing: the signature does not hold")

var b64 = base64.RawURLEncoding.Strict()

// FromBase64 reads base64url without padding in its one form: every text that reaches us from outside is decoded here. Go's own decoder skips line
// breaks even when it is strict, and then one signature would have many texts, each with another hash.
func FromBase64(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, errors.New("signing: a line break is not base64url")
	}
	return b64.DecodeString(text)
}

// Hash is SHA-256 in base64url, as envelopes name one another.
func Hash[T string | []byte](b T) string {
	sum := sha256.Sum256([]byte(b))
	return b64.EncodeToString(sum[:])
}

// Signer makes a raw 64-byte ES256 signature (RFC 7518, section 3.4) over the SHA-256 digest of a signing input.
type Signer func(digest []byte) ([]byte, error)

// JWK is the public half of a P-256 key, as an uncompressed point of 65 bytes.
type JWK [65]byte

// JWKOf takes the public key's point.
func JWKOf(k *ecdsa.PublicKey) (JWK, error) {
	e, err := k.ECDH()
	if err != nil {
		return JWK{}, err
	}
	return JWK(e.Bytes()), nil
}

// Object gives the four members of the key.
func (k JWK) Object() Object {
	return Object{"crv": "P-256", "kty": "EC", "x": b64.EncodeToString(k[1:33]), "y": b64.EncodeToString(k[33:])}
}

// Thumbprint is RFC 7638 over SHA-256, in base64url. The canonical form of the four members is the form that RFC asks for.
func (k JWK) Thumbprint() string {
	c, _ := Canonical(k.Object()) // four plain ASCII strings always have a canonical form
	sum := sha256.Sum256(c)
	return b64.EncodeToString(sum[:])
}

// ECDSA gives the key for verifying; ECDH for agreeing.
func (k JWK) ECDSA() (*ecdsa.PublicKey, error) {
	return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), k[:])
}

// ECDH gives the key for agreeing.
func (k JWK) ECDH() (*ecdh.PublicKey, error) { return ecdh.P256().NewPublicKey(k[:]) }

// ParseJWK reads a key and checks that its point lies on the curve.
func ParseJWK(o Object) (JWK, error) {
	f, err := o.Fields("crv", "kty", "x", "y")
	if err != nil {
		return JWK{}, err
	}
	x, errX := FromBase64(f["x"])
	y, errY := FromBase64(f["y"])
	if f["crv"] != "P-256" || f["kty"] != "EC" || errX != nil || errY != nil || len(x) != 32 || len(y) != 32 {
		return JWK{}, fmt.Errorf("%w: not a P-256 key", ErrCanonical)
	}
	var k JWK
	k[0] = 4
	copy(k[1:], x)
	copy(k[33:], y)
	if _, err := k.ECDSA(); err != nil {
		return JWK{}, fmt.Errorf("%w: the point is not on the curve", ErrCanonical)
	}
	return k, nil
}

// Seal makes the compact form of an envelope over canonical payload bytes. The header has alg, typ and either kid or jwk.
func Seal(typ, kid string, key *JWK, payload []byte, sign Signer) (string, error) {
	header := Object{"alg": "ES256", "typ": typ}
	if key != nil {
		header["jwk"] = key.Object()
	} else {
		header["kid"] = kid
	}
	h, err := Canonical(header)
	if err != nil {
		return "", err
	}
	input := b64.EncodeToString(h) + "." + b64.EncodeToString(payload)
	digest := sha256.Sum256([]byte(input))
	sig, err := sign(digest[:])
	if err != nil {
		return "", fmt.Errorf("signing a %s: %w", typ, err)
	}
	return input + "." + b64.EncodeToString(sig), nil
}

// Envelope is a parsed envelope whose signature has not been looked at yet.
type Envelope struct {
	Kid     string // key identifier, where the type has one
	Key     *JWK   // embedded key, where the type has one
	Payload []byte

	digest [32]byte
	sig    []byte
}

// Parse takes an envelope of the type apart. It checks the form and no signature; Verify does that.
func Parse(typ, compact string) (*Envelope, error) {
	part := strings.Split(compact, ".")
	if len(part) != 3 || len(compact) > 4*maxBytes {
		return nil, ErrSignature
	}
	h, err := FromBase64(part[0])
	if err != nil {
		return nil, ErrSignature
	}
	header, err := ParseCanonical(h)
	if err != nil || len(header) != 3 || header["alg"] != "ES256" || header["typ"] != typ {
		return nil, ErrSignature
	}
	e := &Envelope{digest: sha256.Sum256([]byte(part[0] + "." + part[1]))}
	if e.Payload, err = FromBase64(part[1]); err != nil {
		return nil, ErrSignature
	}
	if e.sig, err = FromBase64(part[2]); err != nil || len(e.sig) != 64 {
		return nil, ErrSignature
	}
	if kid, ok := header["kid"].(string); ok {
		e.Kid = kid
		return e, nil
	}
	o, err := header.Sub("jwk")
	if err != nil {
		return nil, ErrSignature
	}
	k, err := ParseJWK(o)
	if err != nil {
		return nil, ErrSignature
	}
	e.Key = &k
	return e, nil
}

// KidOf is the key identifier in the header of an envelope of any type. Nothing of it has been verified.
func KidOf(compact string) (string, error) {
	head, _, _ := strings.Cut(compact, ".")
	h, err := FromBase64(head)
	if err != nil {
		return "", ErrSignature
	}
	header, err := ParseCanonical(h)
	kid, ok := header["kid"].(string)
	if err != nil || !ok {
		return "", ErrSignature
	}
	return kid, nil
}

// Verify checks the signature with the key.
func (e *Envelope) Verify(k JWK) error {
	pub, err := k.ECDSA()
	if err != nil {
		return ErrSignature
	}
	if !ecdsa.Verify(pub, e.digest[:], new(big.Int).SetBytes(e.sig[:32]), new(big.Int).SetBytes(e.sig[32:])) {
		return ErrSignature
	}
	return nil
}

// Open parses, verifies with the key and reads the canonical payload.
func Open(typ, compact string, k JWK) (Object, error) {
	e, err := Parse(typ, compact)
	if err != nil {
		return nil, err
	}
	if err := e.Verify(k); err != nil {
		return nil, err
	}
	return ParseCanonical(e.Payload)
}

// Raw turns r and s into the 64 bytes of a JWS signature.
func Raw(r, s *big.Int) []byte {
	out := make([]byte, 64)
	r.FillBytes(out[:32])
	s.FillBytes(out[32:])
	return out
}
