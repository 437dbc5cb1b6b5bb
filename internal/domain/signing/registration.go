package signing

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"strconv"
	"time"
)

// Registration is what an app asks for when it registers (docs/protocol.md, The request).
type Registration struct {
	Issuer    string
	Enrolment string // empty when the key was typed
	Key       string // 22 characters, or 16 digits when typed
	Number    string
	Nonce     string
	Agreement JWK
	Platform  string

	SigningKey JWK      // from the envelope's header; its signature has been verified
	Hash       [32]byte // of the envelope's ASCII bytes
}

// MakeRegistration makes the envelope that an app sends; sign is the device signing key's.
func MakeRegistration(r Registration, sign Signer) (string, error) {
	payload, err := Canonical(Object{"v": "1", "issuer": r.Issuer, "enrolment": r.Enrolment, "key": r.Key, "number": r.Number,
		"nonce": r.Nonce, "agreement_key": r.Agreement.Object(), "platform": r.Platform})
	if err != nil {
		return "", err
	}
	return Seal(TypRegistration, "", &r.SigningKey, payload, sign)
}

// ParseRegistration reads a registration and verifies that whoever made it holds the signing key in it.
func ParseRegistration(compact string) (Registration, error) {
	e, err := Parse(TypRegistration, compact)
	if err != nil || e.Key == nil {
		return Registration{}, ErrSignature
	}
	if err := e.Verify(*e.Key); err != nil {
		return Registration{}, err
	}
	o, err := ParseCanonical(e.Payload)
	if err != nil {
		return Registration{}, err
	}
	f, err := o.Fields("v", "issuer", "enrolment", "key", "number", "nonce", "agreement_key{}", "platform")
	if err != nil {
		return Registration{}, err
	}
	sub, err := o.Sub("agreement_key")
	if err != nil {
		return Registration{}, err
	}
	agreement, err := ParseJWK(sub)
	if err != nil {
		return Registration{}, err
	}
	nonce, err := FromBase64(f["nonce"])
	if err != nil || len(nonce) != 16 || f["v"] != "1" || len(f["platform"]) > 320 || len([]rune(f["platform"])) > 80 {
		return Registration{}, fmt.Errorf("%w: registration", ErrCanonical)
	}
	return Registration{Issuer: f["issuer"], Enrolment: f["enrolment"], Key: f["key"], Number: f["number"], Nonce: f["nonce"], Agreement: agreement,
		Platform: f["platform"], SigningKey: *e.Key, Hash: sha256.Sum256([]byte(compact))}, nil
}

// Contract is what the app shows of the contract; the account is masked.
type Contract struct{ BankJA, BankEN, Account string }

// Object gives the members of the contract.
func (c Contract) Object() Object {
	return Object{"bank_ja": c.BankJA, "bank_en": c.BankEN, "account": c.Account}
}

// Answer is what the server answers to a registration.
type Answer struct {
	Issuer      string
	Request     [32]byte
	Token       string
	Agreement   JWK
	Digits      int
	Step        time.Duration
	Now         time.Time
	Contract    Contract
	Certificate string
}

// MakeAnswer makes the answer's envelope, signed by the issuer key with that thumbprint.
func MakeAnswer(a Answer, kid string, sign Signer) (string, error) {
	return makeAnswer(TypAnswer, a, kid, sign)
}

func makeAnswer(typ string, a Answer, kid string, sign Signer) (string, error) {
	payload, err := Canonical(Object{"v": "1", "issuer": a.Issuer, "request": b64.EncodeToString(a.Request[:]), "token": a.Token,
		"agreement_key": a.Agreement.Object(), "now": a.Now.UTC().Format(time.RFC3339), "contract": a.Contract.Object(), "certificate": a.Certificate,
		"otp": Object{"algorithm": "SHA256", "digits": strconv.Itoa(a.Digits), "step": strconv.Itoa(int(a.Step / time.Second))}})
	if err != nil {
		return "", err
	}
	return Seal(typ, kid, nil, payload, sign)
}

// ParseAnswer reads an answer, verified with the issuer key.
func ParseAnswer(compact string, issuer JWK) (Answer, error) {
	return parseAnswer(TypAnswer, compact, issuer)
}

func parseAnswer(typ, compact string, issuer JWK) (Answer, error) {
	o, err := Open(typ, compact, issuer)
	if err != nil {
		return Answer{}, err
	}
	f, err := o.Fields("v", "issuer", "request", "token", "agreement_key{}", "otp{}", "now", "contract{}", "certificate")
	if err != nil {
		return Answer{}, err
	}
	var subs [3]Object
	for i, n := range []string{"agreement_key", "otp", "contract"} {
		if subs[i], err = o.Sub(n); err != nil {
			return Answer{}, err
		}
	}
	key, err := ParseJWK(subs[0])
	if err != nil {
		return Answer{}, err
	}
	p, err := subs[1].Fields("algorithm", "digits", "step")
	if err != nil {
		return Answer{}, err
	}
	c, err := subs[2].Fields("bank_ja", "bank_en", "account")
	if err != nil {
		return Answer{}, err
	}
	digits, errD := strconv.Atoi(p["digits"])
	step, errS := strconv.Atoi(p["step"])
	now, errN := time.Parse(time.RFC3339, f["now"])
	request, errR := FromBase64(f["request"])
	if errD != nil || errS != nil || errN != nil || errR != nil || len(request) != 32 || p["algorithm"] != "SHA256" || f["v"] != "1" || step <= 0 || digits != 6 && digits != 8 {
		return Answer{}, fmt.Errorf("%w: answer", ErrCanonical)
	}
	return Answer{Issuer: f["issuer"], Request: [32]byte(request), Token: f["token"], Agreement: key, Digits: digits, Step: time.Duration(step) * time.Second,
		Now: now, Contract: Contract{c["bank_ja"], c["bank_en"], c["account"]}, Certificate: f["certificate"]}, nil
}

// Certificate says which key a token signs with, from when until when.
type Certificate struct {
	Issuer, Token, Customer, KeyThumbprint string
	NotBefore, Expires                     time.Time
	Generation                             int
	ActivatedBy                            string // "qr" or "typed"
}

// MakeCertificate makes a token certificate.
func MakeCertificate(c Certificate, kid string, sign Signer) (string, error) {
	payload, err := Canonical(Object{"v": "1", "issuer": c.Issuer, "token": c.Token, "customer": c.Customer, "key": c.KeyThumbprint,
		"not_before": c.NotBefore.UTC().Format(time.RFC3339), "expires": c.Expires.UTC().Format(time.RFC3339),
		"generation": strconv.Itoa(c.Generation), "activated_by": c.ActivatedBy})
	if err != nil {
		return "", err
	}
	return Seal(TypCertificate, kid, nil, payload, sign)
}

// ParseCertificate reads a token certificate, verified with the issuer key.
func ParseCertificate(compact string, issuer JWK) (Certificate, error) {
	o, err := Open(TypCertificate, compact, issuer)
	if err != nil {
		return Certificate{}, err
	}
	f, err := o.Fields("v", "issuer", "token", "customer", "key", "not_before", "expires", "generation", "activated_by")
	if err != nil {
		return Certificate{}, err
	}
	from, errF := time.Parse(time.RFC3339, f["not_before"])
	to, errT := time.Parse(time.RFC3339, f["expires"])
	gen, errG := strconv.Atoi(f["generation"])
	if errF != nil || errT != nil || errG != nil || f["v"] != "1" {
		return Certificate{}, fmt.Errorf("%w: certificate", ErrCanonical)
	}
	return Certificate{Issuer: f["issuer"], Token: f["token"], Customer: f["customer"], KeyThumbprint: f["key"], NotBefore: from, Expires: to,
		Generation: gen, ActivatedBy: f["activated_by"]}, nil
}

// MakeIssuerKey is the root's word that a key is the issuer's.
func MakeIssuerKey(issuer string, key JWK, from, to time.Time, root JWK, sign Signer) (string, error) {
	payload, err := Canonical(Object{"v": "1", "issuer": issuer, "key": key.Object(), "not_before": from.UTC().Format(time.RFC3339), "expires": to.UTC().Format(time.RFC3339)})
	if err != nil {
		return "", err
	}
	return Seal(TypIssuerKey, "", &root, payload, sign)
}

// IssuerKeyLeeway is how long before its time an issuer key is taken: it may have been made a moment before a clock that is a little behind.
const IssuerKeyLeeway = 24 * time.Hour

// IssuerWord is the root's word that a key is the issuer's, and from when until when.
type IssuerWord struct {
	Issuer             string
	Key, Root          JWK
	NotBefore, Expires time.Time
}

// ParseIssuerWord reads the root's word, whatever the time.
func ParseIssuerWord(compact string) (IssuerWord, error) {
	e, err := Parse(TypIssuerKey, compact)
	if err != nil || e.Key == nil {
		return IssuerWord{}, ErrSignature
	}
	if err := e.Verify(*e.Key); err != nil {
		return IssuerWord{}, err
	}
	o, err := ParseCanonical(e.Payload)
	if err != nil {
		return IssuerWord{}, err
	}
	f, err := o.Fields("v", "issuer", "key{}", "not_before", "expires")
	if err != nil {
		return IssuerWord{}, err
	}
	from, errF := time.Parse(time.RFC3339, f["not_before"])
	to, errT := time.Parse(time.RFC3339, f["expires"])
	if errF != nil || errT != nil || f["v"] != "1" {
		return IssuerWord{}, ErrSignature
	}
	sub, err := o.Sub("key")
	if err != nil {
		return IssuerWord{}, err
	}
	key, err := ParseJWK(sub)
	return IssuerWord{Issuer: f["issuer"], Key: key, Root: *e.Key, NotBefore: from, Expires: to}, err
}

// ParseIssuerKey reads the root's word and holds it against the time; the caller compares the root's thumbprint with the one it pinned.
func ParseIssuerKey(compact string, now time.Time) (issuer string, key, root JWK, err error) {
	w, err := ParseIssuerWord(compact)
	if err == nil && (now.Before(w.NotBefore.Add(-IssuerKeyLeeway)) || !now.Before(w.Expires)) {
		err = ErrSignature
	}
	if err != nil {
		return "", JWK{}, JWK{}, err
	}
	return w.Issuer, w.Key, w.Root, nil
}

// Issuer is the issuer key as the world may know it.
type Issuer struct {
	Key            JWK
	Kid            string // thumbprint of Key
	Envelope       string // the root's word for it (docs/protocol.md, issuer_key)
	RootThumbprint string
	Expires        time.Time // from then on it signs nothing
}

// TokenKeys are the two secrets that both sides derive and nobody sends.
type TokenKeys struct{ OTP, OCRA []byte }

// DeriveKeys derives the keys of a token from the agreed secret z and both envelopes (docs/protocol.md, The keys).
func DeriveKeys(z []byte, registration, answer, issuer, token string) (TokenKeys, error) {
	return derive(z, "inkan/registration/v1", registration, answer, "inkan/otp/v1", "inkan/ocra/v1", issuer, token)
}

// derive binds the keys to everything that both sides have said; each has a label of its own.
func derive(z []byte, label, request, answer, otp, ocra, issuer, token string) (TokenKeys, error) {
	r, a := sha256.Sum256([]byte(request)), sha256.Sum256([]byte(answer))
	h := sha256.New()
	h.Write([]byte(label + "\x00"))
	h.Write(r[:])
	h.Write(a[:])
	salt := h.Sum(nil)
	var k TokenKeys
	var err error
	if k.OTP, err = hkdf.Key(sha256.New, z, salt, otp+"|"+issuer+"|"+token, 32); err != nil {
		return k, err
	}
	k.OCRA, err = hkdf.Key(sha256.New, z, salt, ocra+"|"+issuer+"|"+token, 32)
	return k, err
}
