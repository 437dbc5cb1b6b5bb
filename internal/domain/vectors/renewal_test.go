package vectors

import (
	"crypto/ecdsa"
	"encoding/hex"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/otp"
	"github.com/inkan-auth/inkan/internal/domain/signing"
)

type renewalVector struct {
	Note             string            `json:"note"`
	Certificate      string            `json:"certificate"` // in use
	DevicePrivate    string            `json:"device_signing_private_hex"`
	DeviceKey        map[string]string `json:"device_signing_key"`
	NextPrivate      string            `json:"next_signing_private_hex"`
	NextKey          map[string]string `json:"next_signing_key"`
	NextThumb        string            `json:"next_thumbprint"`
	AgreePrivate     string            `json:"next_agreement_private_hex"`
	AgreeKey         map[string]string `json:"next_agreement_key"`
	Root             string            `json:"root_thumbprint"`
	IssuerKey        string            `json:"issuer_key"`
	ID               string            `json:"id"`
	Number           string            `json:"number"`
	Renewal          string            `json:"renewal"`
	Payload          string            `json:"renewal_payload"`
	KeyPayload       string            `json:"key_payload"`
	Answer           string            `json:"answer"`
	Z                string            `json:"z_hex"`
	OTPKey           string            `json:"otp_key_hex"`
	OCRAKey          string            `json:"ocra_key_hex"`
	Time             int64             `json:"time"`
	Code             string            `json:"code"` // of the step before
	Confirmation     string            `json:"confirmation"`
	ConfirmedPayload string            `json:"confirmation_payload"`
	Receipt          string            `json:"receipt"`
}

// The whole of a renewal: both requests, the answer, the keys and the receipt.
func TestRenewal(t *testing.T) {
	device, next, root, issuer := key("device signing"), key("next signing"), key("issuer root"), key("issuer")
	agree, server := key("next agreement"), key("server agreement of the renewal")
	now := time.Date(2029, 6, 1, 1, 2, 3, 0, time.UTC)
	registered := load[registrationVector](t, "registration")[0]
	first, err := signing.ParseAnswer(registered.Answer, jwk(issuer))
	if err != nil {
		t.Fatal(err)
	}
	raw := func(k *ecdsa.PrivateKey) string { b, _ := k.Bytes(); return hex.EncodeToString(b) }
	must := func(s string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	payload := func(typ, envelope string) string {
		e, err := signing.Parse(typ, envelope)
		if err != nil {
			t.Fatal(err)
		}
		return string(e.Payload)
	}
	var made []renewalVector
	for _, number := range []string{"", "12345678"} {
		note := map[string]string{"": "renewed in time", "12345678": "after the date, with the mailed number"}[number]
		id := b64.EncodeToString([]byte("a renewal's name"))
		compact := must(signing.MakeRenewal(signing.Renewal{Issuer: vectorOrigin, Token: vectorToken, Generation: 2, ID: id, Number: number, Platform: "iPhone / Safari", SigningKey: jwk(next), Agreement: jwk(agree)},
			sign(device), sign(next)))
		parsed, outer, err := signing.ParseRenewal(compact)
		if err != nil || outer.Verify(jwk(device)) != nil {
			t.Fatal(err)
		}
		kid := jwk(issuer).Thumbprint()
		cert := must(signing.MakeCertificate(signing.Certificate{Issuer: vectorOrigin, Token: vectorToken, Customer: "cus_00000000000000000000000000", KeyThumbprint: jwk(next).Thumbprint(), NotBefore: now,
			Expires: now.Add(3 * 365 * 24 * time.Hour), Generation: 2, ActivatedBy: "renewal"}, kid, sign(issuer)))
		answer := must(signing.MakeRenewalAnswer(signing.Answer{Issuer: vectorOrigin, Request: parsed.Hash, Token: vectorToken, Agreement: jwk(server), Digits: 6, Step: time.Minute, Now: now,
			Contract: signing.Contract{BankJA: "印鑑銀行", BankEN: "Inkan Bank", Account: "101 普通 ***4567"}, Certificate: cert}, kid, sign(issuer)))
		a, _ := agree.ECDH()
		s, _ := server.ECDH()
		z := ecdhBoth(t, a, s)
		keys, err := signing.DeriveRenewedKeys(z, compact, answer, vectorOrigin, vectorToken)
		if err != nil {
			t.Fatal(err)
		}
		code := otp.Code(keys.OTP, otp.StepAt(now, time.Minute)-1, 6)
		confirmation := must(signing.MakeConfirmation(signing.Confirmation{Token: vectorToken, Renewal: id, Answer: signing.Hash(answer), Code: code}, sign(next)))
		receipt := must(signing.MakeReceipt(signing.Receipt{Issuer: vectorOrigin, Token: vectorToken, Renewal: id, Generation: 2, KeyThumbprint: jwk(next).Thumbprint(), Time: now}, kid, sign(issuer)))
		inner, err := signing.ParseCanonical(outer.Payload)
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, renewalVector{Note: note, Certificate: first.Certificate, DevicePrivate: raw(device), DeviceKey: members(jwk(device)), NextPrivate: raw(next), NextKey: members(jwk(next)),
			NextThumb: jwk(next).Thumbprint(), AgreePrivate: raw(agree), AgreeKey: members(jwk(agree)), Root: jwk(root).Thumbprint(), IssuerKey: registered.IssuerKey, ID: id, Number: number, Renewal: compact,
			Payload: string(outer.Payload), KeyPayload: payload(signing.TypRenewalKey, inner["key"].(string)), Answer: answer, Z: hex.EncodeToString(z), OTPKey: hex.EncodeToString(keys.OTP),
			OCRAKey: hex.EncodeToString(keys.OCRA), Time: now.Unix(), Code: code, Confirmation: confirmation, ConfirmedPayload: payload(signing.TypRenewalConfirmation, confirmation), Receipt: receipt})
		if got, err := signing.ParseReceipt(receipt, jwk(issuer)); err != nil || got.Renewal != id || got.KeyThumbprint != jwk(next).Thumbprint() || got.Generation != 2 || !got.Time.Equal(now) {
			t.Errorf("ParseReceipt = %+v, %v", got, err)
		}
		if got, e, err := signing.ParseConfirmation(confirmation); err != nil || e.Verify(jwk(next)) != nil || got.Code != code || got.Renewal != id {
			t.Errorf("ParseConfirmation = %+v, %v", got, err)
		}
		if _, err := signing.ParseAnswer(answer, jwk(issuer)); err == nil {
			t.Error("the answer to a renewal was taken for one to a registration")
		}
	}
	golden(t, "renewal", made)
}

// Whatever a renewal has that is not of the form, or that the inner word says otherwise, is refused.
func TestRenewalsThatDoNotHold(t *testing.T) {
	device, next, stranger := key("device signing"), key("next signing"), key("a stranger")
	v := load[renewalVector](t, "renewal")[0]
	outer, err := signing.Parse(signing.TypRenewal, v.Renewal)
	if err != nil {
		t.Fatal(err)
	}
	whole := func() signing.Object {
		o, err := signing.ParseCanonical(outer.Payload)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	inner := func(by *ecdsa.PrivateKey, named signing.JWK, change func(o signing.Object)) string {
		o, err := signing.ParseCanonical([]byte(v.KeyPayload))
		if err != nil {
			t.Fatal(err)
		}
		change(o)
		payload, err := signing.Canonical(o)
		if err != nil {
			t.Fatal(err)
		}
		e, err := signing.Seal(signing.TypRenewalKey, "", &named, payload, sign(by))
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	for note, change := range map[string]func(o signing.Object){
		"another version":                  func(o signing.Object) { o["v"] = "2" },
		"another issuer":                   func(o signing.Object) { o["issuer"] = "https://token.other.example" },
		"another token":                    func(o signing.Object) { o["token"] = "tok_00000000000000000000000000" },
		"the first generation":             func(o signing.Object) { o["generation"] = "1" },
		"a generation with a zero":         func(o signing.Object) { o["generation"] = "02" },
		"a short name":                     func(o signing.Object) { o["renewal"] = "AAAA" },
		"a number of seven digits":         func(o signing.Object) { o["number"] = "1234567" },
		"a number with a letter":           func(o signing.Object) { o["number"] = "1234567a" },
		"no key":                           func(o signing.Object) { o["key"] = "" },
		"one member more":                  func(o signing.Object) { o["more"] = "" },
		"one member less":                  func(o signing.Object) { delete(o, "platform") },
		"a key that its holder never said": func(o signing.Object) { o["key"] = inner(stranger, jwk(next), func(signing.Object) {}) },
		"a key for another renewal": func(o signing.Object) {
			o["key"] = inner(next, jwk(next), func(i signing.Object) { i["renewal"] = b64.EncodeToString([]byte("another one's ID")) })
		},
		"a key for another generation": func(o signing.Object) {
			o["key"] = inner(next, jwk(next), func(i signing.Object) { i["generation"] = "3" })
		},
	} {
		o := whole()
		change(o)
		payload, err := signing.Canonical(o)
		if err != nil {
			t.Fatal(err)
		}
		e, err := signing.Seal(signing.TypRenewal, vectorToken, nil, payload, sign(device))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := signing.ParseRenewal(e); err == nil {
			t.Errorf("%s: it was taken", note)
		}
	}
}
