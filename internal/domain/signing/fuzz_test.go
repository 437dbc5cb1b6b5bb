package signing

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"
)

// What is read as canonical is written again as the very same bytes: there is one form and no other.
func FuzzParseCanonical(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":"b"}`, `{"a":true,"b":false,"c":[],"d":{}}`, `{"b":"x","a":"y"}`, `{"a":"x","a":"y"}`, `{ "a":"b"}`, `{"a":"\u0041"}`, `{"a":"\\\""}`, `{"a":1}`, `{"a":null}`, `{"A":"x"}`, `[]`, ``,
		`{"a":"が"}`, "{\"a\":\"か\u3099\"}", "{\"a\":\"\u202e\"}", "{\"a\":\"\x00\"}", "{\"a\":\"\xff\"}", strings.Repeat(`{"a":`, 12) + `""` + strings.Repeat("}", 12), `{"a":[["x"],[true]]}`, `{"a":"b"}x`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := ParseCanonical(b)
		if err != nil {
			if !errors.Is(err, ErrCanonical) {
				t.Fatalf("%q: %v", b, err)
			}
			return
		}
		again, err := Canonical(o)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%q is written again as %q, %v", b, again, err)
		}
	})
}

func fuzzSigner(f *testing.F) (JWK, Signer) {
	f.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	jwk, err := JWKOf(&key.PublicKey)
	if err != nil {
		f.Fatal(err)
	}
	return jwk, func(digest []byte) ([]byte, error) {
		r, s, err := ecdsa.Sign(rand.Reader, key, digest)
		return Raw(r, s), err
	}
}

// seeds are an envelope and its usual distortions.
func spoilt(f *testing.F, good string) {
	f.Helper()
	part := strings.Split(good, ".")
	for _, s := range []string{good, "", "..", "...", good + ".", good + "=", good[:len(good)-1], good + "A", strings.ToLower(good), part[0] + "." + part[1] + ".", "." + part[1] + "." + part[2], part[0] + ".." + part[2], good + "\n", " " + good,
		strings.Replace(good, ".", "=.", 1), part[1] + "." + part[0] + "." + part[2], b64.EncodeToString([]byte(`{"alg":"none","typ":"`+TypRegistration+`"}`)) + "." + part[1] + "."} {
		f.Add(s)
	}
}

func FuzzParseRegistration(f *testing.F) {
	jwk, sign := fuzzSigner(f)
	agreement, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	good, err := MakeRegistration(Registration{Issuer: "https://token.bank.example", Key: "1234567890123436", Number: "12345678", Nonce: strings.Repeat("A", 22), Agreement: JWK(agreement.PublicKey().Bytes()), Platform: "x", SigningKey: jwk}, sign)
	if err != nil {
		f.Fatal(err)
	}
	if _, err := ParseRegistration(good); err != nil {
		f.Fatal(err)
	}
	spoilt(f, good)
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRegistration(s)
		if err != nil {
			if !errors.Is(err, ErrSignature) && !errors.Is(err, ErrCanonical) {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		// Nobody has our key: what is taken under it is what we signed, and what is taken at all holds a key and a signature of its own.
		if r.SigningKey == jwk && strings.Join(strings.Split(s, ".")[:2], ".") != strings.Join(strings.Split(good, ".")[:2], ".") {
			t.Fatalf("forged: %q", s)
		}
		if _, err := r.SigningKey.ECDSA(); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Agreement.ECDH(); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzParseProof(f *testing.F) {
	jwk, sign := fuzzSigner(f)
	good, err := MakeProof(Proof{Token: "tok_1", ID: strings.Repeat("A", 22), Method: "GET", URL: "https://token.bank.example/v1/token", Time: time.Unix(1_700_000_000, 0)}, sign)
	if err != nil {
		f.Fatal(err)
	}
	if _, e, err := ParseProof(good); err != nil || e.Verify(jwk) != nil {
		f.Fatal(err)
	}
	spoilt(f, good)
	f.Fuzz(func(t *testing.T, s string) {
		p, e, err := ParseProof(s)
		if err != nil {
			if !errors.Is(err, ErrSignature) {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		if e.Verify(jwk) == nil && strings.Join(strings.Split(s, ".")[:2], ".") != strings.Join(strings.Split(good, ".")[:2], ".") {
			t.Fatalf("forged: %q", s)
		}
		if len(p.ID) != 22 {
			t.Fatalf("%q has the identifier %q", s, p.ID)
		}
	})
}
