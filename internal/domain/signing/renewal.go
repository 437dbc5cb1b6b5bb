package signing

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"time"
)

// Renewal is what an app asks for when it renews the keys of its token (docs/protocol.md, Renewal). The key in use signs it; inside it the next key signs a word of its own, which brings both
// public keys, so that nobody has a key certified that he does not hold.
type Renewal struct {
	Issuer     string
	Token      string
	Generation int    // the next one
	ID         string // 16 random bytes in base64url: the same request is one renewal, however often it comes
	Number     string // 8 digits where the token's date has passed; otherwise empty
	Platform   string

	SigningKey JWK // the next one; its signature has been verified
	Agreement  JWK
	Hash       [32]byte // of the envelope's ASCII bytes
}

// MakeRenewal makes the envelope that an app sends; sign is the signing key in use, next the one to come.
func MakeRenewal(r Renewal, sign, next Signer) (string, error) {
	payload, err := Canonical(Object{"v": "1", "issuer": r.Issuer, "token": r.Token, "generation": strconv.Itoa(r.Generation), "renewal": r.ID, "agreement_key": r.Agreement.Object()})
	if err != nil {
		return "", err
	}
	key, err := Seal(TypRenewalKey, "", &r.SigningKey, payload, next)
	if err != nil {
		return "", err
	}
	payload, err = Canonical(Object{"v": "1", "issuer": r.Issuer, "token": r.Token, "generation": strconv.Itoa(r.Generation), "renewal": r.ID, "number": r.Number, "platform": r.Platform, "key": key})
	if err != nil {
		return "", err
	}
	return Seal(TypRenewal, r.Token, nil, payload, sign)
}

// ParseRenewal reads a renewal and verifies that whoever made it holds the next signing key. The signature of the key in use has not been looked at: verify the envelope with the key of the token
// that it names.
func ParseRenewal(compact string) (Renewal, *Envelope, error) {
	refused := fmt.Errorf("%w: renewal", ErrCanonical)
	e, err := Parse(TypRenewal, compact)
	if err != nil || e.Key != nil {
		return Renewal{}, nil, ErrSignature
	}
	o, err := ParseCanonical(e.Payload)
	if err != nil {
		return Renewal{}, nil, err
	}
	f, err := o.Fields("v", "issuer", "token", "generation", "renewal", "number", "platform", "key")
	if err != nil {
		return Renewal{}, nil, err
	}
	inner, err := Parse(TypRenewalKey, f["key"])
	if err != nil || inner.Key == nil || inner.Verify(*inner.Key) != nil {
		return Renewal{}, nil, ErrSignature
	}
	if o, err = ParseCanonical(inner.Payload); err != nil {
		return Renewal{}, nil, err
	}
	g, err := o.Fields("v", "issuer", "token", "generation", "renewal", "agreement_key{}")
	if err != nil {
		return Renewal{}, nil, err
	}
	for _, member := range []string{"v", "issuer", "token", "generation", "renewal"} {
		if f[member] != g[member] {
			return Renewal{}, nil, refused
		}
	}
	sub, err := o.Sub("agreement_key")
	if err != nil {
		return Renewal{}, nil, err
	}
	agreement, err := ParseJWK(sub)
	if err != nil {
		return Renewal{}, nil, err
	}
	generation, err := strconv.Atoi(f["generation"])
	id, errID := FromBase64(f["renewal"])
	if err != nil || strconv.Itoa(generation) != f["generation"] || generation < 2 || errID != nil || len(id) != 16 || f["v"] != "1" || f["token"] != e.Kid || !digitsOrNone(f["number"]) ||
		len(f["platform"]) > 320 || len([]rune(f["platform"])) > 80 {
		return Renewal{}, nil, refused
	}
	return Renewal{Issuer: f["issuer"], Token: e.Kid, Generation: generation, ID: f["renewal"], Number: f["number"], Platform: f["platform"], SigningKey: *inner.Key, Agreement: agreement,
		Hash: sha256.Sum256([]byte(compact))}, e, nil
}

// digitsOrNone says whether a text is a registration number, or none.
func digitsOrNone(s string) bool {
	if s == "" {
		return true
	}
	for _, r := range s {
		if r < '0' || r > '9' {
			return false
		}
	}
	return len(s) == 8
}

// MakeRenewalAnswer makes the envelope of the answer to a renewal; it says what the answer to a registration says.
func MakeRenewalAnswer(a Answer, kid string, sign Signer) (string, error) {
	return makeAnswer(TypRenewalAnswer, a, kid, sign)
}

// ParseRenewalAnswer reads an answer, verified with the issuer key.
func ParseRenewalAnswer(compact string, issuer JWK) (Answer, error) {
	return parseAnswer(TypRenewalAnswer, compact, issuer)
}

// DeriveRenewedKeys derives the next keys of a token from the agreed secret z and both envelopes of its renewal.
func DeriveRenewedKeys(z []byte, renewal, answer, issuer, token string) (TokenKeys, error) {
	return derive(z, "inkan/renewal/v1", renewal, answer, "inkan/renewed-otp/v1", "inkan/renewed-ocra/v1", issuer, token)
}

// Confirmation is the proof that an app has the next keys: signed by the next signing key, with a code of the next OTP key.
type Confirmation struct {
	Token   string // from the header, and in the payload: who claims to have signed
	Renewal string
	Answer  string // hash of the answer's envelope
	Code    string

	Hash [32]byte // of the envelope's ASCII bytes
}

// MakeConfirmation makes the envelope; sign is the next signing key's.
func MakeConfirmation(c Confirmation, sign Signer) (string, error) {
	payload, err := Canonical(Object{"v": "1", "token": c.Token, "renewal": c.Renewal, "answer": c.Answer, "code": c.Code})
	if err != nil {
		return "", err
	}
	return Seal(TypRenewalConfirmation, c.Token, nil, payload, sign)
}

// ParseConfirmation reads a confirmation. Its signature has not been looked at: verify the envelope with the next key of the renewal that it names.
func ParseConfirmation(compact string) (Confirmation, *Envelope, error) {
	e, err := Parse(TypRenewalConfirmation, compact)
	if err != nil || e.Key != nil {
		return Confirmation{}, nil, ErrSignature
	}
	o, err := ParseCanonical(e.Payload)
	if err != nil {
		return Confirmation{}, nil, err
	}
	f, err := o.Fields("v", "token", "renewal", "answer", "code")
	if err != nil {
		return Confirmation{}, nil, err
	}
	id, err := FromBase64(f["renewal"])
	if err != nil || len(id) != 16 || f["v"] != "1" || f["token"] != e.Kid || len(f["code"]) > 8 {
		return Confirmation{}, nil, fmt.Errorf("%w: confirmation", ErrCanonical)
	}
	return Confirmation{Token: e.Kid, Renewal: f["renewal"], Answer: f["answer"], Code: f["code"], Hash: sha256.Sum256([]byte(compact))}, e, nil
}

// Receipt is the server's word that the next keys are in use. An app keeps the ones before until it has it.
type Receipt struct {
	Issuer, Token, Renewal string
	Generation             int
	KeyThumbprint          string // of the signing key now in use
	Time                   time.Time
}

// MakeReceipt makes the envelope, signed by the issuer key with that thumbprint.
func MakeReceipt(r Receipt, kid string, sign Signer) (string, error) {
	payload, err := Canonical(Object{"v": "1", "issuer": r.Issuer, "token": r.Token, "renewal": r.Renewal, "generation": strconv.Itoa(r.Generation), "key": r.KeyThumbprint,
		"time": r.Time.UTC().Format(time.RFC3339)})
	if err != nil {
		return "", err
	}
	return Seal(TypRenewalReceipt, kid, nil, payload, sign)
}

// ParseReceipt reads a receipt, verified with the issuer key.
func ParseReceipt(compact string, issuer JWK) (Receipt, error) {
	o, err := Open(TypRenewalReceipt, compact, issuer)
	if err != nil {
		return Receipt{}, err
	}
	f, err := o.Fields("v", "issuer", "token", "renewal", "generation", "key", "time")
	if err != nil {
		return Receipt{}, err
	}
	generation, errG := strconv.Atoi(f["generation"])
	at, errT := time.Parse(time.RFC3339, f["time"])
	if errG != nil || errT != nil || f["v"] != "1" {
		return Receipt{}, fmt.Errorf("%w: receipt", ErrCanonical)
	}
	return Receipt{Issuer: f["issuer"], Token: f["token"], Renewal: f["renewal"], Generation: generation, KeyThumbprint: f["key"], Time: at}, nil
}
