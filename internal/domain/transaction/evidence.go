package transaction

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/signing"
)

// Evidence is one transaction with all that is needed to verify it years later, without a database and without a network. Members that do not exist are empty.
type Evidence struct {
	Version     string            `json:"v"`
	Offer       string            `json:"offer"`
	Decision    string            `json:"decision"`
	Assertion   string            `json:"assertion"`
	Verifier    string            `json:"verifier"`
	Offline     string            `json:"offline"`
	Permit      string            `json:"permit"`
	Certificate string            `json:"certificate"`
	DeviceKey   map[string]string `json:"device_key"`
	IssuerKey   string            `json:"issuer_key"`
	Templates   string            `json:"templates"`

	// CertificateIssuer is the root's word for the issuer key that signed the certificate, where it is another one than the offer's.
	CertificateIssuer string `json:"certificate_issuer,omitempty"`
	// VerifierCertificate and VerifierKey are of the generation of the token in which the verifier was registered, where the keys were renewed since.
	VerifierCertificate string            `json:"verifier_certificate,omitempty"`
	VerifierKey         map[string]string `json:"verifier_key,omitempty"`
	VerifierIssuer      string            `json:"verifier_issuer,omitempty"`
}

// maxEvidence is the longest evidence file, in bytes.
const maxEvidence = 256 << 10

// ErrEvidence says that a file is not evidence of the form of docs/protocol.md.
var ErrEvidence = errors.New("transaction: not an evidence file")

// ParseEvidence reads an evidence file; nothing of it has been verified yet.
func ParseEvidence(file []byte) (Evidence, error) {
	var e Evidence
	if len(file) > maxEvidence {
		return e, fmt.Errorf("%w: longer than %d bytes", ErrEvidence, maxEvidence)
	}
	d := json.NewDecoder(bytes.NewReader(file))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil || d.InputOffset() != int64(len(bytes.TrimRight(file, " \t\r\n"))) || e.Version != "1" {
		return e, ErrEvidence
	}
	return e, nil
}

// Break is a part of an evidence file that does not hold, with the reason in words.
type Break struct {
	Part string // offer, decision, assertion, verifier, offline, permit, certificate, certificate_issuer, device_key, verifier_certificate, verifier_key, verifier_issuer, issuer_key or templates
	Why  string
}

// Error names the part.
func (b *Break) Error() string { return b.Part + ": " + b.Why }

// Findings are what the evidence proves.
type Findings struct {
	Root      string // thumbprint of the issuer root: the one thing that must be known from elsewhere
	Issuer    string
	Document  Document
	Grade     Grade
	Shown     string // the rendering in the language of the decision; of the document in Japanese where nobody decided
	Language  string
	Decision  *Decision
	Verifier  *signing.Verifier // by which the customer confirmed the decision; nil where it says that nothing was asked of her
	Offline   *Offline
	Permit    *Permit
	Token     signing.Certificate
	DeviceKey string // thumbprint
}

// Verify checks every signature and every hash of the evidence. root is the thumbprint of the issuer root, or empty to take the one that the file brings:
// then the caller must compare Findings.Root with what the bank has published. The error is a *Break.
func (e Evidence) Verify(root string) (Findings, error) {
	var f Findings
	broken := func(part, why string) (Findings, error) { return f, &Break{part, why} }
	offer, err := signing.Parse(signing.TypOffer, e.Offer)
	if err != nil {
		return broken("offer", "it is not an offer")
	}
	if f.Document, err = ParseDocument(offer.Payload, nil); err != nil {
		return broken("offer", "its document is not of the form")
	}
	issuer, issuerKey, rootKey, err := signing.ParseIssuerKey(e.IssuerKey, f.Document.Issued)
	if err != nil {
		return broken("issuer_key", "the root did not sign it, or not for this time")
	}
	f.Root, f.Issuer = rootKey.Thumbprint(), issuer
	switch {
	case root != "" && root != f.Root:
		return broken("issuer_key", "it is signed by another root than the one expected")
	case offer.Kid != issuerKey.Thumbprint() || offer.Verify(issuerKey) != nil:
		return broken("offer", "the issuer did not sign it")
	case f.Document.Issuer != issuer:
		return broken("offer", "it names another issuer")
	}
	bundle, err := ParseTemplates(e.Templates, f.Root)
	if err != nil {
		return broken("templates", "the root did not sign them")
	}
	if err := bundle.fits(f.Document); err != nil {
		return broken("templates", "the document does not fit them: "+err.Error())
	}
	f.Language = "ja"
	f.Shown = bundle.Render(f.Document, f.Language)
	if e.Certificate != "" {
		if b := e.verifyToken(&f, issuerKey); b != nil {
			return f, b
		}
	} else if e.Decision != "" || e.Offline != "" || len(e.DeviceKey) != 0 {
		return broken("certificate", "it is missing")
	}
	tmpl, _ := bundle.Template(f.Document.Template)
	if e.Offline != "" {
		o, err := ParseOffline(e.Offline, issuerKey)
		if err != nil {
			return broken("offline", "the issuer did not sign it")
		}
		if o.Transaction != f.Document.ID || o.Document != f.Document.Hash || o.Token != f.Token.Token {
			return broken("offline", "it speaks of another document or token")
		}
		if !NoVerification.Covers(tmpl.Verification) {
			return broken("offline", "its template asks for more than a code can prove")
		}
		f.Offline, f.Grade = &o, GradeB
	}
	if e.Decision != "" {
		if b := e.verifyDecision(&f, bundle, issuerKey); b != nil {
			return f, b
		}
		if f.Decision.Answer == Yes && !f.Decision.Verification.Covers(tmpl.Verification) {
			return broken("decision", "its template asks for more than the phone has asked of its user")
		}
	} else if e.Assertion != "" || e.Verifier != "" {
		return broken("assertion", "there is no decision that it could be about")
	}
	if e.Permit != "" {
		if b := e.verifyPermit(&f, issuerKey); b != nil {
			return f, b
		}
	}
	return f, nil
}

// verifyToken checks that the issuer certified the device key.
func (e Evidence) verifyToken(f *Findings, issuer signing.JWK) error {
	token, b := certified(f, issuer, e.Certificate, e.CertificateIssuer, e.DeviceKey, "certificate", "certificate_issuer", "device_key")
	if b != nil {
		return b
	}
	f.Token, f.DeviceKey = token, token.KeyThumbprint
	return nil
}

// certified checks that the issuer certified a key of this customer's device: with the key that signed the offer, or with another one that the same root has vouched for.
func certified(f *Findings, issuer signing.JWK, certificate, word string, key map[string]string, part, wordPart, keyPart string) (signing.Certificate, error) {
	if word != "" {
		w, err := signing.ParseIssuerWord(word)
		if err != nil || w.Root.Thumbprint() != f.Root || w.Issuer != f.Issuer {
			return signing.Certificate{}, &Break{wordPart, "the root did not sign it"}
		}
		c, err := signing.ParseCertificate(certificate, w.Key)
		if err == nil && (c.NotBefore.Before(w.NotBefore.Add(-signing.IssuerKeyLeeway)) || !c.NotBefore.Before(w.Expires)) {
			return c, &Break{wordPart, "the root did not vouch for it at that time"}
		}
		issuer = w.Key
	}
	c, err := signing.ParseCertificate(certificate, issuer)
	if err != nil {
		return c, &Break{part, "the issuer did not sign it"}
	}
	if c.Issuer != f.Issuer || c.Customer != f.Document.Customer {
		return c, &Break{part, "it speaks of another customer than the document"}
	}
	if k, err := readKey(key); err != nil || k.Thumbprint() != c.KeyThumbprint {
		return c, &Break{keyPart, "it is not the key that was certified"}
	}
	return c, nil
}

// readKey reads a public key out of an evidence file.
func readKey(members map[string]string) (signing.JWK, error) {
	o := signing.Object{}
	for k, v := range members {
		o[k] = v
	}
	return signing.ParseJWK(o)
}

func (e Evidence) verifyDecision(f *Findings, bundle *Bundle, issuer signing.JWK) error {
	key, err := readKey(e.DeviceKey)
	if err != nil {
		return &Break{"device_key", "it is missing"}
	}
	d, envelope, err := ParseDecision(e.Decision)
	switch {
	case err != nil:
		return &Break{"decision", "it is not a decision"}
	case envelope.Verify(key) != nil:
		return &Break{"decision", "the device did not sign it"}
	case d.Token != f.Token.Token:
		return &Break{"decision", "it names another token than the certificate"}
	case d.About(f.Document, e.Offer, bundle) != nil:
		return &Break{"decision", "it is about another document, or about another text than the one shown"}
	case d.Time.Before(f.Token.NotBefore.Add(-24*time.Hour)) || d.Time.After(f.Token.Expires):
		return &Break{"decision", "it was signed outside of the certificate's time"}
	}
	if b := e.verifyUser(f, d, key, issuer); b != nil {
		return b
	}
	f.Decision, f.Language, f.Shown = &d, d.Language, bundle.Render(f.Document, d.Language)
	f.Grade = ""
	if d.Answer == Yes {
		f.Grade = GradeA
	}
	return nil
}

// verifyUser checks that a decision which says so was confirmed by the finger, the face or the screen lock of the device's user, with a credential that the device has called its own.
func (e Evidence) verifyUser(f *Findings, d Decision, device, issuer signing.JWK) error {
	if d.Verification != ByWebAuthn {
		if e.Assertion != "" || e.Verifier != "" || e.VerifierCertificate != "" {
			return &Break{"assertion", "the decision does not speak of one"}
		}
		return nil
	}
	if e.VerifierCertificate != "" { // the device's keys were renewed between the registration and the decision
		earlier, b := certified(f, issuer, e.VerifierCertificate, e.VerifierIssuer, e.VerifierKey, "verifier_certificate", "verifier_issuer", "verifier_key")
		if b != nil {
			return b
		}
		if earlier.Token != f.Token.Token || earlier.Generation >= f.Token.Generation {
			return &Break{"verifier_certificate", "it is not of an earlier key of this token"}
		}
		device, _ = readKey(e.VerifierKey) // it has just been read
	}
	v, word, err := signing.ParseVerifier(e.Verifier)
	switch {
	case err != nil:
		return &Break{"verifier", "it is missing, or not a verifier"}
	case word.Verify(device) != nil:
		return &Break{"verifier", "the device did not sign it"}
	case v.Token != f.Token.Token:
		return &Break{"verifier", "it names another token than the certificate"}
	case v.Time.After(d.Time.Add(24 * time.Hour)):
		return &Break{"verifier", "it was registered after the decision"}
	}
	a, err := signing.ParseAssertion(e.Assertion)
	switch {
	case err != nil:
		return &Break{"assertion", "it is missing, or not an assertion"}
	case a.Credential != v.Credential:
		return &Break{"assertion", "it is by another credential than the device's"}
	case a.Verify(e.Decision, f.Issuer, v.Key) != nil:
		return &Break{"assertion", "the device's user did not confirm this decision with it"}
	}
	f.Verifier = &v
	return nil
}

func (e Evidence) verifyPermit(f *Findings, issuer signing.JWK) error {
	p, err := ParsePermit(e.Permit, issuer)
	doc := Order{f.Document.Template, f.Document.Currency, f.Document.Fields}
	switch {
	case err != nil:
		return &Break{"permit", "the issuer did not sign it"}
	case p.Transaction != f.Document.ID || p.Document != f.Document.Hash || p.Audience != f.Document.Audience:
		return &Break{"permit", "it speaks of another document"}
	case doc.Differs(p.Order) != "":
		return &Break{"permit", "it permits something else than what was shown: " + doc.Differs(p.Order)}
	case f.Decision == nil && f.Offline == nil:
		return &Break{"permit", "nobody had approved"}
	case p.Grade != GradeA && p.Grade != GradeB:
		return &Break{"permit", "it has no grade"}
	case p.Grade == GradeB && f.Offline == nil:
		return &Break{"permit", "it speaks of an offline code, of which there is no word"}
	case p.Grade == GradeA && (f.Decision == nil || p.Decision != f.Decision.Hash || f.Decision.Answer != Yes):
		return &Break{"permit", "it rests on another decision"}
	}
	f.Permit = &p
	return nil
}
