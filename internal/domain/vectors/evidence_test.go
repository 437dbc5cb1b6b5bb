package vectors

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/signing"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
)

// sample makes the evidence of one transfer, of grade A with a permit, signed by the keys of the vectors.
func sample(t *testing.T) transaction.Evidence {
	t.Helper()
	b := vectorBundle(t)
	issuer, device := key("issuer"), key("device signing")
	must := func(s string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	word := must(signing.MakeIssuerKey(vectorOrigin, jwk(issuer), vectorTime.Add(-time.Hour), vectorTime.Add(10*365*24*time.Hour), jwk(key("issuer root")), sign(key("issuer root"))))
	tmpl, _ := b.Template("transfer")
	fields, err := b.Arrange(tmpl, map[string]string{"from.account": "本店 普通 1234567", "payee.bank": "みどり銀行", "payee.bank_code": "0991", "payee.branch": "駅前支店", "payee.branch_code": "101", "payee.type": "ordinary",
		"payee.account": "7654321", "payee.name": "ヤマダ タロウ", "amount": "250000", "fee": "165", "date": "2026-11-25"})
	if err != nil {
		t.Fatal(err)
	}
	doc := transaction.Document{ID: "txn_01h455vb4pex5vsknk084sn0k9", Issuer: vectorOrigin, Audience: "reference-bank", Customer: vectorCustomer, Nonce: [16]byte([]byte("0123456789abcdef")), Template: "transfer", TemplateVersion: "1",
		Bundle: b.Hash, Currency: "JPY", Fields: fields, Issued: vectorTime, Expires: vectorTime.Add(5 * time.Minute)}
	payload, err := doc.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	kid := jwk(issuer).Thumbprint()
	offer := must(signing.Seal(signing.TypOffer, kid, nil, payload, sign(issuer)))
	doc, err = transaction.ParseDocument(payload, b)
	if err != nil {
		t.Fatal(err)
	}
	decision := must(transaction.MakeDecision(transaction.Decision{Transaction: doc.ID, Document: doc.Hash, Offer: signing.Hash(offer), Bundle: b.Hash, Display: signing.Hash(b.Render(doc, "ja")), Language: "ja", Answer: transaction.Yes,
		Time: vectorTime.Add(40 * time.Second), Counter: 7, Verification: transaction.NoVerification, Nonce: [16]byte([]byte("fedcba9876543210")), Token: vectorToken}, sign(device)))
	permit := must(transaction.MakePermit(transaction.Permit{Transaction: doc.ID, Document: doc.Hash, Decision: signing.Hash(decision), Grade: transaction.GradeA, Audience: "reference-bank", Customer: "0101-1-1000002",
		Order: transaction.Order{Template: "transfer", Currency: "JPY", Fields: fields}, Request: "order-1", Time: vectorTime.Add(41 * time.Second)}, kid, sign(issuer)))
	certificate := must(signing.MakeCertificate(signing.Certificate{Issuer: vectorOrigin, Token: vectorToken, Customer: vectorCustomer, KeyThumbprint: jwk(device).Thumbprint(), NotBefore: vectorTime.Add(-24 * time.Hour),
		Expires: vectorTime.Add(3 * 365 * 24 * time.Hour), Generation: 1, ActivatedBy: "qr"}, kid, sign(issuer)))
	return transaction.Evidence{Version: "1", Offer: offer, Decision: decision, Permit: permit, Certificate: certificate, DeviceKey: members(jwk(device)), IssuerKey: word, Templates: b.Envelope}
}

// offline turns the sample into one of grade B: an offline code, and the phone's signature has not followed.
func offline(t *testing.T, e transaction.Evidence) transaction.Evidence {
	t.Helper()
	issuer := key("issuer")
	p, err := transaction.ParsePermit(e.Permit, jwk(issuer))
	if err != nil {
		t.Fatal(err)
	}
	e.Decision = ""
	if e.Offline, err = transaction.MakeOffline(transaction.Offline{Transaction: p.Transaction, Document: p.Document, Token: vectorToken, Time: vectorTime.Add(time.Minute)}, jwk(issuer).Thumbprint(), sign(issuer)); err != nil {
		t.Fatal(err)
	}
	p.Decision, p.Grade = "", transaction.GradeB
	if e.Permit, err = transaction.MakePermit(p, jwk(issuer).Thumbprint(), sign(issuer)); err != nil {
		t.Fatal(err)
	}
	return e
}

// confirmed turns the sample into one that the customer confirmed with her fingerprint, face or screen lock.
func confirmed(t *testing.T, e transaction.Evidence) transaction.Evidence {
	t.Helper()
	e.Decision = resign(t, signing.TypDecision, e.Decision, "device signing", func(o signing.Object) { o["verification"] = "webauthn" })
	e.Assertion = assert(t, honest(e.Decision), vectorCredential, "verifier")
	e.Verifier = verifierOf(t, key("device signing"), vectorTime.Add(-time.Hour))
	e.Permit = resign(t, signing.TypPermit, e.Permit, "issuer", func(o signing.Object) { o["decision"] = signing.Hash(e.Decision) })
	return e
}

// resign makes another payload under the key and header of an envelope: what somebody could do who has that key.
func resign(t *testing.T, typ, envelope, by string, change func(o signing.Object)) string {
	t.Helper()
	e, err := signing.Parse(typ, envelope)
	if err != nil {
		t.Fatal(err)
	}
	o, err := signing.ParseCanonical(e.Payload)
	if err != nil {
		t.Fatal(err)
	}
	change(o)
	payload, err := signing.Canonical(o)
	if err != nil {
		t.Fatal(err)
	}
	out, err := signing.Seal(typ, e.Kid, e.Key, payload, sign(key(by)))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// The samples of testdata/evidence: good ones and broken ones, each with the part that does not hold. cmd/inkan-verify reads them as well.
func TestEvidenceSamples(t *testing.T) {
	root := jwk(key("issuer root")).Thumbprint()
	// claims changes what an authenticator says of the confirmed sample.
	claims := func(change func(s *said)) func(e *transaction.Evidence) {
		return func(e *transaction.Evidence) {
			*e = confirmed(t, *e)
			s := honest(e.Decision)
			change(&s)
			e.Assertion = assert(t, s, vectorCredential, "verifier")
		}
	}
	samples := []struct {
		name, part string
		change     func(e *transaction.Evidence)
	}{
		{"good-grade-a", "", nil},
		{"good-confirmed", "", func(e *transaction.Evidence) { *e = confirmed(t, *e) }},
		{"good-confirmed-by-a-synced-passkey", "", claims(func(s *said) { s.flags |= 1<<3 | 1<<4 })},
		{"good-grade-b", "", func(e *transaction.Evidence) { *e = offline(t, *e) }},
		{"good-not-answered", "", func(e *transaction.Evidence) {
			*e = transaction.Evidence{Version: "1", Offer: e.Offer, IssuerKey: e.IssuerKey, Templates: e.Templates, DeviceKey: map[string]string{}}
		}},
		{"good-rejected", "", func(e *transaction.Evidence) {
			e.Permit, e.Decision = "", resign(t, signing.TypDecision, e.Decision, "device signing", func(o signing.Object) { o["answer"], o["reason"] = "reject", "wrong_payee" })
		}},
		{"broken-amount-altered", "offer", func(e *transaction.Evidence) { e.Offer = strings.Replace(e.Offer, e.Offer[200:204], "AAAA", 1) }},
		{"broken-amount-altered-by-the-issuer", "decision", func(e *transaction.Evidence) {
			e.Offer = resign(t, signing.TypOffer, e.Offer, "issuer", func(o signing.Object) { o["fields"].([]any)[8].(signing.Object)["value"] = "950000" })
		}},
		{"broken-decision-by-another-key", "decision", func(e *transaction.Evidence) {
			e.Decision = resign(t, signing.TypDecision, e.Decision, "other", func(signing.Object) {})
		}},
		{"broken-another-text-was-shown", "decision", func(e *transaction.Evidence) {
			e.Decision = resign(t, signing.TypDecision, e.Decision, "device signing", func(o signing.Object) { o["display"] = signing.Hash("another text") })
		}},
		{"broken-certificate-of-another-customer", "certificate", func(e *transaction.Evidence) {
			e.Certificate = resign(t, signing.TypCertificate, e.Certificate, "issuer", func(o signing.Object) { o["customer"] = "cus_11111111111111111111111111" })
		}},
		{"broken-certificate-not-by-the-issuer", "certificate", func(e *transaction.Evidence) {
			e.Certificate = resign(t, signing.TypCertificate, e.Certificate, "other", func(signing.Object) {})
		}},
		{"broken-device-key-exchanged", "device_key", func(e *transaction.Evidence) { e.DeviceKey = members(jwk(key("other"))) }},
		{"broken-issuer-key-by-another-root", "issuer_key", func(e *transaction.Evidence) {
			other := jwk(key("other"))
			word, err := signing.MakeIssuerKey(vectorOrigin, jwk(key("issuer")), vectorTime, vectorTime.Add(time.Hour), other, sign(key("other")))
			if err != nil {
				t.Fatal(err)
			}
			e.IssuerKey = word
		}},
		{"broken-templates-altered", "templates", func(e *transaction.Evidence) {
			e.Templates = resign(t, signing.TypTemplates, e.Templates, "other", func(signing.Object) {})
		}},
		{"broken-templates-of-another-version", "templates", func(e *transaction.Evidence) {
			e.Templates = resign(t, signing.TypTemplates, e.Templates, "issuer root", func(o signing.Object) { o["version"] = "2" })
		}},
		{"broken-permit-for-another-payee", "permit", func(e *transaction.Evidence) {
			e.Permit = resign(t, signing.TypPermit, e.Permit, "issuer", func(o signing.Object) { o["fields"].([]any)[6].(signing.Object)["value"] = "6666666" })
		}},
		{"broken-permit-without-an-answer", "permit", func(e *transaction.Evidence) { e.Decision, e.Offline = "", "" }},
		{"broken-permit-for-a-rejection", "permit", func(e *transaction.Evidence) {
			e.Decision = resign(t, signing.TypDecision, e.Decision, "device signing", func(o signing.Object) { o["answer"] = "reject" })
		}},
		{"broken-assertion-missing", "assertion", func(e *transaction.Evidence) {
			*e = confirmed(t, *e)
			e.Assertion = ""
		}},
		{"broken-assertion-over-another-decision", "assertion", claims(func(s *said) { s.Challenge = signing.Hash("another decision") })},
		{"broken-assertion-on-another-origin", "assertion", claims(func(s *said) { s.Origin = "https://token.bank.example.evil.example" })},
		{"broken-assertion-of-another-party", "assertion", claims(func(s *said) { s.party = "login.bank.example" })},
		{"broken-assertion-user-not-verified", "assertion", claims(func(s *said) { s.flags = 1 })},
		{"broken-assertion-user-not-present", "assertion", claims(func(s *said) { s.flags = 1 << 2 })},
		{"broken-assertion-by-another-key", "assertion", func(e *transaction.Evidence) {
			*e = confirmed(t, *e)
			e.Assertion = assert(t, honest(e.Decision), vectorCredential, "other")
		}},
		{"broken-assertion-by-another-credential", "assertion", func(e *transaction.Evidence) {
			*e = confirmed(t, *e)
			e.Assertion = assert(t, honest(e.Decision), b64.EncodeToString([]byte("a credential of another phone...")), "verifier")
		}},
		{"broken-assertion-that-the-decision-does-not-speak-of", "assertion", func(e *transaction.Evidence) {
			c := confirmed(t, *e)
			e.Assertion, e.Verifier = assert(t, honest(e.Decision), vectorCredential, "verifier"), c.Verifier
		}},
		{"broken-verifier-missing", "verifier", func(e *transaction.Evidence) {
			*e = confirmed(t, *e)
			e.Verifier = ""
		}},
		{"broken-verifier-not-by-the-device", "verifier", func(e *transaction.Evidence) {
			*e = confirmed(t, *e)
			e.Verifier = verifierOf(t, key("issuer"), vectorTime)
		}},
		{"broken-verifier-of-another-token", "verifier", func(e *transaction.Evidence) {
			*e = confirmed(t, *e)
			word, err := signing.MakeVerifier(signing.Verifier{Token: "tok_01h455vb4pex5vsknk084sn02z", Credential: vectorCredential, Key: jwk(key("verifier")), Time: vectorTime}, sign(key("device signing")))
			if err != nil {
				t.Fatal(err)
			}
			e.Verifier = word
		}},
		{"broken-verifier-registered-afterwards", "verifier", func(e *transaction.Evidence) {
			*e = confirmed(t, *e)
			e.Verifier = verifierOf(t, key("device signing"), vectorTime.Add(48*time.Hour))
		}},
		{"broken-offline-for-another-document", "offline", func(e *transaction.Evidence) {
			*e = offline(t, *e)
			e.Offline = resign(t, signing.TypOffline, e.Offline, "issuer", func(o signing.Object) { o["document"] = signing.Hash("x") })
		}},
	}
	for _, s := range samples {
		e := sample(t)
		if s.change != nil {
			s.change(&e)
		}
		var out bytes.Buffer
		enc := json.NewEncoder(&out)
		enc.SetIndent("", "  ")
		if err := enc.Encode(e); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join("../../../testdata/evidence", s.name+".json")
		if *update {
			if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if on, err := os.ReadFile(file); err != nil || !bytes.Equal(on, out.Bytes()) {
			t.Errorf("%s is stale (%v)", file, err)
		}
		read, err := transaction.ParseEvidence(out.Bytes())
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		_, err = read.Verify(root)
		var broken *transaction.Break
		if got := errors.As(err, &broken); got != (s.part != "") || got && broken.Part != s.part {
			t.Errorf("%s: %v, want a break of %q", s.name, err, s.part)
		}
	}
}

// Whichever byte of whichever part is altered, the evidence does not hold, and the verifier says a part.
func TestEveryByteOfEvidenceCounts(t *testing.T) {
	root := jwk(key("issuer root")).Thumbprint()
	full := confirmed(t, sample(t))
	b := offline(t, full)
	full.Offline = b.Offline // both: approved offline, signed later; the permit is of grade A
	if _, err := full.Verify(root); err != nil {
		t.Fatal(err)
	}
	parts := map[string]*string{"offer": &full.Offer, "decision": &full.Decision, "assertion": &full.Assertion, "verifier": &full.Verifier, "offline": &full.Offline, "permit": &full.Permit, "certificate": &full.Certificate, "issuer_key": &full.IssuerKey, "templates": &full.Templates}
	try := func(part string, at int) {
		t.Helper()
		_, err := full.Verify(root)
		var broken *transaction.Break
		if err == nil || !errors.As(err, &broken) {
			t.Errorf("%s altered at byte %d: %v", part, at, err)
		}
	}
	for part, p := range parts {
		was := *p
		step := 1 // every byte of the answer; of the others some hundred, because one signature covers all bytes alike
		if part != "decision" && part != "assertion" && part != "verifier" {
			step = 1 + len(was)/150
		}
		for at := 0; at < len(was); at += step {
			*p = was[:at] + string(was[at]^1) + was[at+1:]
			try(part, at)
		}
		*p = was[:len(was)-1]
		try(part, -1)
		*p = was + "A"
		try(part, -2)
		*p = was
	}
	for name, was := range full.DeviceKey {
		for at := range was {
			full.DeviceKey[name] = was[:at] + string(was[at]^1) + was[at+1:]
			try("device_key."+name, at)
		}
		full.DeviceKey[name] = was[:2] + "\n" + was[2:]
		try("device_key."+name, -4)
		full.DeviceKey[name] = was
	}
	full.DeviceKey["extra"] = "x"
	try("device_key", -3)
}
