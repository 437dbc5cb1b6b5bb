package main

import (
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/enrolment"
	"github.com/inkan-auth/inkan/internal/domain/otp"
	"github.com/inkan-auth/inkan/internal/domain/signing"
)

// renewalEnded are the refusals of a renewal that are the server's last word on it; the keys in use stay. After any other one the same bytes go again.
var renewalEnded = []string{"renewal-early", "renewal-late", "renewal-number-needed", "renewal-number-wrong", "renewal-number-burnt", "renewal-refused", "renewal-none", "renewal-burnt",
	"service-stopped", "otp-locked", "token-none", "malformed", "key-renewed"}

// renew puts other keys in the place of a token's. Everything is on disk before it is sent, and the old keys are forgotten when the server's receipt is there and not before: whenever it is
// interrupted, the same command goes on where it was.
func renew(ctx context.Context, c *call) error {
	t, err := c.pick()
	if err != nil {
		return err
	}
	if t.Next == nil {
		if err := c.flush(ctx, t); err != nil { // what was signed with the old key is sent with it
			return err
		}
		if t.Next, err = c.prepareNext(t); err != nil {
			return err
		}
		if err := c.wallet.save(); err != nil {
			return err
		}
	}
	if t.Next.Answered == nil {
		if err := c.askNext(ctx, t); err != nil {
			return err
		}
	}
	if err := c.confirmNext(ctx, t); err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "Renewed %s until %s. Its codes are new ones from now on.\n", t.ID, t.Expires.Format("2006-01-02"))
	return nil
}

// prepareNext makes the next keys and the request with them.
func (c *call) prepareNext(t *tokenEntry) (*next, error) {
	number := digits(c.number)
	if number != "" && enrolment.ParseNumber(number) != nil {
		return nil, errors.New("the registration number has 8 digits: it stands in the mail (nothing was sent)")
	}
	generation, err := generationOf(t.Certificate)
	if err != nil {
		return nil, err
	}
	old, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), t.SigningKey)
	if err != nil {
		return nil, errors.New("the token's key is damaged")
	}
	signKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	agreeKey, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	jwk, err := signing.JWKOf(&signKey.PublicKey)
	if err != nil {
		return nil, err
	}
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	n := &next{ID: base64.RawURLEncoding.EncodeToString(id), Generation: generation + 1, AgreementKey: agreeKey.Bytes()}
	if n.SigningKey, err = signKey.Bytes(); err != nil {
		return nil, err
	}
	n.Renewal, err = signing.MakeRenewal(signing.Renewal{Issuer: t.Issuer, Token: t.ID, Generation: n.Generation, ID: n.ID, Number: number, Platform: runtime.GOOS + " / inkan-token", SigningKey: jwk,
		Agreement: signing.JWK(agreeKey.PublicKey().Bytes())}, signer(old), signer(signKey))
	return n, err
}

// generationOf reads the generation out of a certificate that was verified when it came.
func generationOf(certificate string) (int, error) {
	e, err := signing.Parse(signing.TypCertificate, certificate)
	if err != nil {
		return 0, errors.New("the token's certificate is damaged")
	}
	o, err := signing.ParseCanonical(e.Payload)
	if err != nil {
		return 0, errors.New("the token's certificate is damaged")
	}
	n := 0
	said, _ := o["generation"].(string)
	if _, err := fmt.Sscanf(said, "%d", &n); err != nil {
		return 0, errors.New("the token's certificate is damaged")
	}
	return n, nil
}

// post sends one of the two requests. A definite refusal forgets the next keys, and nothing else does.
func (c *call) post(ctx context.Context, t *tokenEntry, path string, request map[string]string, answer any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	status, got, err := c.send(ctx, http.MethodPost, t.Issuer, path, body, nil)
	if err != nil {
		return fmt.Errorf("nothing is lost: run the same command again (%w)", err)
	}
	if status != http.StatusOK && status != http.StatusCreated {
		var p struct {
			Type string `json:"type"`
		}
		_ = json.Unmarshal(got, &p) // what is no problem document is no last word
		if slices.Contains(renewalEnded, p.Type[strings.LastIndexAny(p.Type, "/:#")+1:]) {
			t.Next = nil
			err = c.wallet.save()
		}
		return errors.Join(refusal(got), err)
	}
	if json.Unmarshal(got, answer) != nil {
		return errors.New("the server's answer cannot be read; run the same command again")
	}
	return nil
}

// errForged says that an answer does not hold.
var errForged = errors.New("the answer was not signed by the bank's key: the token stays as it is; call the bank")

// issuerOf verifies the root's word for an issuer key.
func (c *call) issuerOf(t *tokenEntry, word string) (signing.JWK, error) {
	issuer, key, root, err := signing.ParseIssuerKey(word, c.now().Add(t.offset()))
	if err != nil || issuer != t.Issuer || root.Thumbprint() != c.wallet.Roots[t.Issuer] {
		return key, errForged
	}
	return key, nil
}

// askNext is R1: it verifies the answer down to the pinned root and derives the next keys.
func (c *call) askNext(ctx context.Context, t *tokenEntry) error {
	n := t.Next
	var a struct {
		Answer    string `json:"answer"`
		IssuerKey string `json:"issuer_key"`
	}
	if err := c.post(ctx, t, "/v1/renewals", map[string]string{"renewal": n.Renewal}, &a); err != nil {
		return err
	}
	key, err := c.issuerOf(t, a.IssuerKey)
	if err != nil {
		return err
	}
	ans, err := signing.ParseRenewalAnswer(a.Answer, key)
	if err != nil || ans.Issuer != t.Issuer || ans.Token != t.ID {
		return errForged
	}
	own, _, err := signing.ParseRenewal(n.Renewal)
	if err != nil || own.Hash != ans.Request {
		return errForged
	}
	cert, err := signing.ParseCertificate(ans.Certificate, key)
	if err != nil || cert.KeyThumbprint != own.SigningKey.Thumbprint() || cert.Token != t.ID || cert.Generation != n.Generation {
		return errForged
	}
	private, err := ecdh.P256().NewPrivateKey(n.AgreementKey)
	if err != nil {
		return err
	}
	theirs, err := ans.Agreement.ECDH()
	if err != nil {
		return errForged
	}
	z, err := private.ECDH(theirs)
	if err != nil {
		return errForged
	}
	keys, err := signing.DeriveRenewedKeys(z, n.Renewal, a.Answer, t.Issuer, t.ID)
	if err != nil {
		return err
	}
	t.OffsetMS = ans.Now.Sub(c.now()).Truncate(time.Second).Milliseconds()
	n.Answered = &answeredNext{Answer: signing.Hash(a.Answer), Certificate: ans.Certificate, Expires: cert.Expires, Digits: ans.Digits, StepSeconds: int(ans.Step / time.Second), OTPKey: keys.OTP, OCRAKey: keys.OCRA}
	n.AgreementKey = nil
	return c.wallet.save()
}

// confirmNext is R2: a code of the next keys under the next signing key; with the receipt they take the place of those before.
func (c *call) confirmNext(ctx context.Context, t *tokenEntry) error {
	n, a := t.Next, t.Next.Answered
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), n.SigningKey)
	if err != nil {
		return errors.New("the next key is damaged")
	}
	jwk, err := signing.JWKOf(&key.PublicKey)
	if err != nil {
		return err
	}
	step := time.Duration(a.StepSeconds) * time.Second
	code := otp.Code(a.OTPKey, otp.StepAt(c.now().Add(t.offset()), step)-1, a.Digits) // of the step before: the one of now stays good for a login
	confirmation, err := signing.MakeConfirmation(signing.Confirmation{Token: t.ID, Renewal: n.ID, Answer: a.Answer, Code: code}, signer(key))
	if err != nil {
		return err
	}
	var got struct {
		Receipt   string `json:"receipt"`
		IssuerKey string `json:"issuer_key"`
	}
	if err := c.post(ctx, t, "/v1/renewals/confirmation", map[string]string{"confirmation": confirmation}, &got); err != nil {
		return err
	}
	issuer, err := c.issuerOf(t, got.IssuerKey)
	if err != nil {
		return err
	}
	r, err := signing.ParseReceipt(got.Receipt, issuer)
	if err != nil || r.Issuer != t.Issuer || r.Token != t.ID || r.Renewal != n.ID || r.Generation != n.Generation || r.KeyThumbprint != jwk.Thumbprint() {
		return errForged
	}
	t.SigningKey, t.Certificate, t.Expires, t.Digits, t.StepSeconds, t.OTPKey, t.OCRAKey, t.Next = n.SigningKey, a.Certificate, a.Expires, a.Digits, a.StepSeconds, a.OTPKey, a.OCRAKey, nil
	return c.wallet.save()
}
