package testkit

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/enrolment"
	"github.com/inkan-auth/inkan/internal/domain/otp"
	"github.com/inkan-auth/inkan/internal/domain/signing"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
)

// Phone is a token app: it makes its keys, registers, and shows codes by the world's clock and its own offset.
type Phone struct {
	W         *World
	Offset    time.Duration // how wrong its clock is
	Signing   *ecdsa.PrivateKey
	Agreement *ecdh.PrivateKey
	Keys      signing.TokenKeys
	Answer    signing.Answer
	Decisions uint64         // how many it has signed
	Previous  string         // hash of the last one
	Finger    *Authenticator // what it confirms with, where it has registered that
}

// NewPhone makes a phone with fresh keys.
func NewPhone(w *World) *Phone {
	w.T.Helper()
	s, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.T.Fatal(err)
	}
	a, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		w.T.Fatal(err)
	}
	return &Phone{W: w, Signing: s, Agreement: a}
}

// Sign signs with the device key.
func (p *Phone) Sign(digest []byte) ([]byte, error) {
	r, s, err := ecdsa.Sign(rand.Reader, p.Signing, digest)
	if err != nil {
		return nil, err
	}
	return signing.Raw(r, s), nil
}

// Request is a registration before it is signed.
func (p *Phone) Request(enrolmentID, key, number string) signing.Registration {
	var nonce [16]byte
	_, _ = rand.Read(nonce[:])
	jwk, err := signing.JWKOf(&p.Signing.PublicKey)
	if err != nil {
		p.W.T.Fatal(err)
	}
	return signing.Registration{Issuer: TokenOrigin, Enrolment: enrolmentID, Key: key, Number: number, Nonce: base64.RawURLEncoding.EncodeToString(nonce[:]),
		Agreement: signing.JWK(p.Agreement.PublicKey().Bytes()), Platform: "iPhone / Safari", SigningKey: jwk}
}

// Seal makes the envelope of a request.
func (p *Phone) Seal(r signing.Registration) string {
	p.W.T.Helper()
	e, err := signing.MakeRegistration(r, p.Sign)
	if err != nil {
		p.W.T.Fatal(err)
	}
	return e
}

// Scan makes the request that a scanned link and a mailed number give.
func (p *Phone) Scan(link, number string) string {
	p.W.T.Helper()
	_, id, secret, _, err := enrolment.ParseLink(link)
	if err != nil {
		p.W.T.Fatal(err)
	}
	return p.Seal(p.Request(id, secret, number))
}

// Typed makes the request that typed digits give.
func (p *Phone) Typed(digits, number string) string { return p.Seal(p.Request("", digits, number)) }

// Stranger is how a phone appears to the server before it is registered.
func Stranger() audit.Actor {
	return audit.Actor{Kind: audit.Stranger, Device: "iPhone / Safari", Source: "198.51.100.0/24"}
}

// Register sends a request and derives the keys from the answer.
func (p *Phone) Register(compact string) error {
	p.W.T.Helper()
	got, err := p.W.Register(p.W.T.Context(), Stranger(), compact)
	if err != nil {
		return err
	}
	p.Take(compact, got.Answer)
	return nil
}

// Take derives the keys from an answer.
func (p *Phone) Take(compact, answer string) {
	p.W.T.Helper()
	issuer := p.W.Keys.Issuer()
	a, err := signing.ParseAnswer(answer, issuer.Key)
	if err != nil {
		p.W.T.Fatalf("the answer does not hold: %v", err)
	}
	server, err := a.Agreement.ECDH()
	if err != nil {
		p.W.T.Fatal(err)
	}
	z, err := p.Agreement.ECDH(server)
	if err != nil {
		p.W.T.Fatal(err)
	}
	if p.Keys, err = signing.DeriveKeys(z, compact, answer, TokenOrigin, a.Token); err != nil {
		p.W.T.Fatal(err)
	}
	p.Answer = a
}

// Code is what the phone shows now.
func (p *Phone) Code() string { return p.CodeAt(0) }

// CodeAt is what it shows some steps from now.
func (p *Phone) CodeAt(steps int64) string {
	now := otp.StepAt(p.W.Clock.Now().Add(p.Offset), p.Answer.Step)
	return otp.Code(p.Keys.OTP, now+steps, p.Answer.Digits)
}

// Wrong is a code that is not live: it differs from every code near now.
func (p *Phone) Wrong() string {
	for n := range 100 {
		code := string([]byte{byte('0' + n%10), byte('0' + n/10), '0', '0', '0', '0'})
		near := false
		for s := int64(-5); s <= 5; s++ {
			near = near || p.CodeAt(s) == code
		}
		if !near {
			return code
		}
	}
	p.W.T.Fatal("no wrong code")
	return ""
}

// Proof is the proof of a request that this phone makes.
func (p *Phone) Proof(method, path string, body []byte) authority.Proof {
	p.W.T.Helper()
	var id [16]byte
	_, _ = rand.Read(id[:])
	url := TokenOrigin + path
	dpop, err := signing.MakeProof(signing.Proof{Token: p.Answer.Token, ID: base64.RawURLEncoding.EncodeToString(id[:]), Method: method, URL: url, Time: p.W.Clock.Now().Add(p.Offset), Body: signing.BodyHash(body)}, p.Sign)
	if err != nil {
		p.W.T.Fatal(err)
	}
	return authority.Proof{DPoP: dpop, Method: method, URL: url, Body: body, Source: "198.51.100.0/24"}
}

// Transactions fetches what waits, as the app does.
func (p *Phone) Transactions() authority.TokenTransactions {
	p.W.T.Helper()
	got, err := p.W.TransactionsOfToken(p.W.T.Context(), p.Proof("GET", "/v1/transactions", nil))
	if err != nil {
		p.W.T.Fatalf("fetching transactions: %v", err)
	}
	return got
}

// Decision is the signed answer to an offer, as the app makes it from what it has shown; change alters it before it is signed.
func (p *Phone) Decision(offer string, answer transaction.Answer, change ...func(d *transaction.Decision)) string {
	p.W.T.Helper()
	bundle, err := transaction.ParseTemplates(p.W.Keys.Templates(), p.W.Keys.Issuer().RootThumbprint)
	if err != nil {
		p.W.T.Fatal(err)
	}
	e, err := signing.Parse(signing.TypOffer, offer)
	if err != nil {
		p.W.T.Fatal(err)
	}
	doc, err := transaction.ParseDocument(e.Payload, bundle)
	if err != nil {
		p.W.T.Fatal(err)
	}
	p.Decisions++
	d := transaction.Decision{Transaction: doc.ID, Document: doc.Hash, Offer: signing.Hash(offer), Bundle: bundle.Hash, Display: signing.Hash(bundle.Render(doc, "ja")), Language: "ja", Answer: answer,
		Time: p.W.Clock.Now().Add(p.Offset), Counter: p.Decisions, Previous: p.Previous, Verification: transaction.NoVerification, Token: p.Answer.Token}
	_, _ = rand.Read(d.Nonce[:])
	for _, c := range change {
		c(&d)
	}
	envelope, err := transaction.MakeDecision(d, p.Sign)
	if err != nil {
		p.W.T.Fatal(err)
	}
	p.Previous = signing.Hash(envelope)
	return envelope
}

// Verifier makes what the app sends to register its user verification: the device's word and the credential. change alters the word before it is signed.
func (p *Phone) Verifier(finger *Authenticator, change ...func(v *signing.Verifier)) (word string, created []byte) {
	p.W.T.Helper()
	options, err := p.W.VerifierOptions(p.W.T.Context(), p.Proof("POST", "/v1/verifier/options", nil))
	if err != nil {
		p.W.T.Fatalf("asking for options: %v", err)
	}
	if created = finger.Create(options, TokenOrigin); created == nil {
		p.W.T.Fatal("the authenticator has one of them already")
	}
	made := finger.Credentials[len(finger.Credentials)-1]
	key, err := signing.JWKOf(&made.Key.PublicKey)
	if err != nil {
		p.W.T.Fatal(err)
	}
	v := signing.Verifier{Token: p.Answer.Token, Credential: b64(made.ID), Key: key, Time: p.W.Clock.Now().Add(p.Offset)}
	for _, c := range change {
		c(&v)
	}
	if word, err = signing.MakeVerifier(v, p.Sign); err != nil {
		p.W.T.Fatal(err)
	}
	return word, created
}

// SetVerifier registers a finger, confirmed by the one before where its assertion is given.
func (p *Phone) SetVerifier(finger *Authenticator) error {
	p.W.T.Helper()
	word, created := p.Verifier(finger)
	_, err := p.W.SetVerifier(p.W.T.Context(), p.Proof("PUT", "/v1/verifier", created), word, created, "")
	if err == nil {
		p.Finger = finger
	}
	return err
}

// Removal is the device's word that its user verification is to be forgotten.
func (p *Phone) Removal() string {
	p.W.T.Helper()
	made := p.Finger.Credentials[len(p.Finger.Credentials)-1]
	word, err := signing.MakeVerifierRemoval(signing.Verifier{Token: p.Answer.Token, Credential: b64(made.ID), Time: p.W.Clock.Now().Add(p.Offset)}, p.Sign)
	if err != nil {
		p.W.T.Fatal(err)
	}
	return word
}

// ByFinger is a change that says of a decision that its user confirms it.
func ByFinger(d *transaction.Decision) { d.Verification = transaction.ByWebAuthn }

// confirmation is the user's, of a decision that speaks of one.
func (p *Phone) confirmation(decision string) string {
	if d, _, err := transaction.ParseDecision(decision); err == nil && d.Verification == transaction.ByWebAuthn && p.Finger != nil {
		return p.Finger.Assert(decision)
	}
	return ""
}

// SendWith sends a decision with an assertion of the caller's choice.
func (p *Phone) SendWith(decision, assertion string) (transaction.State, error) {
	p.W.T.Helper()
	state, _, err := p.W.Decide(p.W.T.Context(), p.Proof("POST", "/v1/decisions", []byte(decision)), decision, assertion)
	return state, err
}

// Send sends a decision, confirmed by the phone's finger where it speaks of that.
func (p *Phone) Send(decision string) (transaction.State, error) {
	p.W.T.Helper()
	state, _, err := p.W.Decide(p.W.T.Context(), p.Proof("POST", "/v1/decisions", []byte(decision)), decision, p.confirmation(decision))
	return state, err
}

// Offline is the eight digits that the phone shows for an offer when it has no network.
func (p *Phone) Offline(offer string) string {
	p.W.T.Helper()
	e, err := signing.Parse(signing.TypOffer, offer)
	if err != nil {
		p.W.T.Fatal(err)
	}
	return otp.OCRA(p.Keys.OCRA, sha256.Sum256(e.Payload))
}
