package testkit

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/inkan-auth/inkan/internal/domain/otp"
	"github.com/inkan-auth/inkan/internal/domain/signing"
)

// Next is the slot beside a phone's keys while it renews them.
type Next struct {
	Phone     *Phone
	ID        string
	Request   string // R1
	Answer    string
	Said      signing.Answer
	Receipt   string
	Signing   *ecdsa.PrivateKey
	Agreement *ecdh.PrivateKey
	Keys      signing.TokenKeys
}

// Next makes keys for a renewal and the request with them; change alters it before it is signed.
func (p *Phone) Next(number string, change ...func(r *signing.Renewal)) *Next {
	p.W.T.Helper()
	fresh := NewPhone(p.W)
	n := &Next{Phone: p, Signing: fresh.Signing, Agreement: fresh.Agreement}
	var id [16]byte
	_, _ = rand.Read(id[:])
	n.ID = base64.RawURLEncoding.EncodeToString(id[:])
	jwk, err := signing.JWKOf(&n.Signing.PublicKey)
	if err != nil {
		p.W.T.Fatal(err)
	}
	r := signing.Renewal{Issuer: TokenOrigin, Token: p.Answer.Token, Generation: p.generation() + 1, ID: n.ID, Number: number, Platform: "iPhone / Safari", SigningKey: jwk,
		Agreement: signing.JWK(n.Agreement.PublicKey().Bytes())}
	for _, c := range change {
		c(&r)
	}
	if n.Request, err = signing.MakeRenewal(r, p.Sign, fresh.Sign); err != nil {
		p.W.T.Fatal(err)
	}
	return n
}

// generation is that of the phone's keys, as its certificate has it.
func (p *Phone) generation() int {
	if p.Answer.Certificate == "" { // the test says it
		return 0
	}
	c, err := signing.ParseCertificate(p.Answer.Certificate, p.W.Keys.Issuer().Key)
	if err != nil {
		p.W.T.Fatal(err)
	}
	return c.Generation
}

// Ask sends R1 and derives the next keys from its answer.
func (n *Next) Ask() error {
	n.Phone.W.T.Helper()
	got, err := n.Phone.W.Renew(n.Phone.W.T.Context(), "198.51.100.0/24", n.Request)
	if err != nil {
		return err
	}
	n.Take(got.Envelope)
	return nil
}

// Take derives the next keys from an answer.
func (n *Next) Take(answer string) {
	t := n.Phone.W.T
	t.Helper()
	said, err := signing.ParseRenewalAnswer(answer, n.Phone.W.Keys.Issuer().Key)
	if err != nil {
		t.Fatalf("the answer does not hold: %v", err)
	}
	server, err := said.Agreement.ECDH()
	if err != nil {
		t.Fatal(err)
	}
	z, err := n.Agreement.ECDH(server)
	if err != nil {
		t.Fatal(err)
	}
	if n.Keys, err = signing.DeriveRenewedKeys(z, n.Request, answer, TokenOrigin, n.Phone.Answer.Token); err != nil {
		t.Fatal(err)
	}
	n.Answer, n.Said = answer, said
}

// CodeAt is a code of the next keys, some steps from now.
func (n *Next) CodeAt(steps int64) string {
	p := n.Phone
	return otp.Code(n.Keys.OTP, otp.StepAt(p.W.Clock.Now().Add(p.Offset), n.Said.Step)+steps, n.Said.Digits)
}

// Confirmation is R2, with a code of the caller's choice.
func (n *Next) Confirmation(code string) string {
	n.Phone.W.T.Helper()
	key := &Phone{W: n.Phone.W, Signing: n.Signing}
	e, err := signing.MakeConfirmation(signing.Confirmation{Token: n.Phone.Answer.Token, Renewal: n.ID, Answer: signing.Hash(n.Answer), Code: code}, key.Sign)
	if err != nil {
		n.Phone.W.T.Fatal(err)
	}
	return e
}

// Confirm sends R2 with a right code.
func (n *Next) Confirm() error {
	n.Phone.W.T.Helper()
	got, err := n.Phone.W.ConfirmRenewal(n.Phone.W.T.Context(), "198.51.100.0/24", n.Confirmation(n.CodeAt(-1)))
	if err == nil {
		n.Receipt = got.Envelope
	}
	return err
}

// Use puts the next keys in the place of the phone's own, as the app does with the receipt.
func (n *Next) Use() {
	p := n.Phone
	p.W.T.Helper()
	r, err := signing.ParseReceipt(n.Receipt, p.W.Keys.Issuer().Key)
	if err != nil || r.Token != p.Answer.Token || r.Renewal != n.ID {
		p.W.T.Fatalf("the receipt does not hold: %v", err)
	}
	p.Signing, p.Agreement, p.Keys, p.Answer = n.Signing, n.Agreement, n.Keys, n.Said
}

// Renew goes the whole way.
func (p *Phone) Renew(number string) error {
	p.W.T.Helper()
	n := p.Next(number)
	if err := n.Ask(); err != nil {
		return err
	}
	if err := n.Confirm(); err != nil {
		return err
	}
	n.Use()
	return nil
}

// MailedRenewal delivers the outbox and reads the number out of the latest mail about a renewal to an address.
func (w *World) MailedRenewal() string {
	w.T.Helper()
	if _, err := w.DeliverDue(w.T.Context()); err != nil {
		w.T.Fatalf("delivering: %v", err)
	}
	sent := w.Post.Sent()
	for i := len(sent) - 1; i >= 0; i-- {
		if sent[i].Subject == "renewal_number" {
			var v map[string]string
			if err := json.Unmarshal([]byte(sent[i].Body), &v); err != nil {
				w.T.Fatal(err)
			}
			return strings.ReplaceAll(v["number"], " ", "")
		}
	}
	w.T.Fatal("no mail with a number for a renewal")
	return ""
}
