// Package vectors runs testdata/vectors in Go; web/tokenapp runs the same files in TypeScript. The values of RFCs were typed from the RFCs; our own are
// written by `go test ./internal/domain/vectors -update` from fixed keys, and from then on must never change.
package vectors

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"flag"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/enrolment"
	"github.com/inkan-auth/inkan/internal/domain/otp"
	"github.com/inkan-auth/inkan/internal/domain/signing"
)

var update = flag.Bool("update", false, "write the vectors that are our own")

var b64 = base64.RawURLEncoding

func path(name string) string { return filepath.Join("../../../testdata/vectors", name+".json") }

// load reads a file of vectors.
func load[T any](t *testing.T, name string) []T {
	t.Helper()
	b, err := os.ReadFile(path(name))
	if err != nil {
		t.Fatal(err)
	}
	var out []T
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&out); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if len(out) == 0 {
		t.Fatalf("%s: no vectors", name)
	}
	return out
}

// golden compares what we make now with what is on file.
func golden[T any](t *testing.T, name string, made []T) {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(made); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path(name), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path(name))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, b.Bytes()) {
		t.Errorf("%s: what we make has changed; a protocol that has been used must not change", name)
	}
}

// key makes a private key from a name, so that vectors are the same for ever.
func key(name string) *ecdsa.PrivateKey {
	d := sha256.Sum256([]byte("inkan test vector|" + name))
	k, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d[:])
	if err != nil {
		panic(err)
	}
	return k
}

func jwk(k *ecdsa.PrivateKey) signing.JWK {
	j, err := signing.JWKOf(&k.PublicKey)
	if err != nil {
		panic(err)
	}
	return j
}

// sign is deterministic (RFC 6979), so that the envelopes are stable.
func sign(k *ecdsa.PrivateKey) signing.Signer {
	return func(digest []byte) ([]byte, error) {
		der, err := k.Sign(nil, digest, signingHash{})
		if err != nil {
			return nil, err
		}
		r, s := parseDER(der)
		return signing.Raw(r, s), nil
	}
}

func parseDER(der []byte) (r, s *big.Int) {
	n := int(der[3])
	return new(big.Int).SetBytes(der[4 : 4+n]), new(big.Int).SetBytes(der[6+n:])
}

type otpVector struct {
	Note   string `json:"note"`
	Hash   string `json:"hash"`
	Key    string `json:"key_hex"`
	Step   int64  `json:"step_seconds,omitempty"`
	Time   int64  `json:"time,omitempty"`
	Count  int64  `json:"counter"`
	Digits int    `json:"digits"`
	Code   string `json:"code"`
}

func TestOneTimePasswords(t *testing.T) {
	for _, name := range []string{"hotp", "totp"} {
		for _, v := range load[otpVector](t, name) {
			k, err := hex.DecodeString(v.Key)
			if err != nil {
				t.Fatal(err)
			}
			if v.Step > 0 {
				if got := otp.StepAt(time.Unix(v.Time, 0), time.Duration(v.Step)*time.Second); got != v.Count {
					t.Errorf("%s: StepAt(%d) = %d, want %d", v.Note, v.Time, got, v.Count)
				}
			}
			h := otp.SHA256
			if v.Hash == "SHA-1" {
				h = otp.SHA1
			}
			if got := otp.HOTP(h, k, uint64(v.Count), v.Digits); got != v.Code {
				t.Errorf("%s: HOTP(%d) = %s, want %s", v.Note, v.Count, got, v.Code)
			}
		}
	}
}

type checkVector struct {
	Digits string `json:"digits"`
	Valid  bool   `json:"valid"`
	Note   string `json:"note"`
}

func TestCheckDigits(t *testing.T) {
	var made []checkVector
	for _, d := range []string{"00000000000000", "00000000000001", "12345678901234", "99999999999999", "31415926535897"} {
		c := enrolment.AppendCheck(d)
		made = append(made, checkVector{c, true, "right"})
		wrong := []byte(c)
		wrong[3] = '0' + (wrong[3]-'0'+1)%10
		made = append(made, checkVector{string(wrong), false, "one digit wrong"})
		if swapped := []byte(c); swapped[7] != swapped[8] {
			swapped[7], swapped[8] = swapped[8], swapped[7]
			made = append(made, checkVector{string(swapped), false, "two neighbours exchanged"})
		}
	}
	golden(t, "mod97", made)
	for _, v := range load[checkVector](t, "mod97") {
		if got := enrolment.Checked(v.Digits); got != v.Valid {
			t.Errorf("Checked(%s) = %v, want %v (%s)", v.Digits, got, v.Valid, v.Note)
		}
	}
}

type canonicalVector struct {
	Note  string `json:"note"`
	Bytes string `json:"bytes"`            // UTF-8 text, the candidate
	Hex   string `json:"hex,omitempty"`    // instead of bytes, where they are not valid text
	Valid bool   `json:"valid"`            // whether a reader takes it
	Hash  string `json:"sha256,omitempty"` // of the bytes, base64url, where valid
}

func TestCanonicalForm(t *testing.T) {
	for _, v := range load[canonicalVector](t, "canonical") {
		in := []byte(v.Bytes)
		if v.Hex != "" {
			in, _ = hex.DecodeString(v.Hex)
		}
		o, err := signing.ParseCanonical(in)
		if (err == nil) != v.Valid {
			t.Errorf("%s: ParseCanonical: %v, want valid %v", v.Note, err, v.Valid)
			continue
		}
		if !v.Valid {
			continue
		}
		again, err := signing.Canonical(o)
		if err != nil || !bytes.Equal(again, in) {
			t.Errorf("%s: written again as %s, %v", v.Note, again, err)
		}
		if sum := sha256.Sum256(in); v.Hash != "" && b64.EncodeToString(sum[:]) != v.Hash {
			t.Errorf("%s: hash differs", v.Note)
		}
	}
}

type jwsVector struct {
	Note     string            `json:"note"`
	Typ      string            `json:"typ"`
	Key      map[string]string `json:"key"` // public key to verify with
	Envelope string            `json:"envelope"`
	Valid    bool              `json:"valid"`
	Payload  string            `json:"payload,omitempty"`
}

func members(k signing.JWK) map[string]string {
	out := map[string]string{}
	for n, v := range k.Object() {
		out[n] = v.(string)
	}
	return out
}

func TestEnvelopes(t *testing.T) {
	k, other := key("device"), key("other")
	j := jwk(k)
	payload, err := signing.Canonical(signing.Object{"v": "1", "text": "印鑑 \"\\"})
	if err != nil {
		t.Fatal(err)
	}
	seal := func(typ, kid string, emb *signing.JWK, by *ecdsa.PrivateKey) string {
		e, err := signing.Seal(typ, kid, emb, payload, sign(by))
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	good := seal(signing.TypAnswer, "kid-1", nil, k)
	flip := []byte(good)
	flip[len(flip)-20] ^= 1
	made := []jwsVector{
		{"good, kid", signing.TypAnswer, members(j), good, true, string(payload)},
		{"good, embedded key", signing.TypRegistration, members(j), seal(signing.TypRegistration, "", &j, k), true, string(payload)},
		{"another type asked for", signing.TypCertificate, members(j), good, false, ""},
		{"another key", signing.TypAnswer, members(jwk(other)), good, false, ""},
		{"signature changed", signing.TypAnswer, members(j), string(flip), false, ""},
		{"signature missing", signing.TypAnswer, members(j), good[:len(good)-86], false, ""},
		{"line feed in the header, and signed so", signing.TypAnswer, members(j), resealed(t, good[:20]+"\n"+good[20:], k), false, ""},
		{"line feed in the payload, and signed so", signing.TypAnswer, members(j), resealed(t, strings.Replace(good, ".", ".\n", 1), k), false, ""},
		{"carriage return in the signature", signing.TypAnswer, members(j), good[:len(good)-9] + "\r" + good[len(good)-9:], false, ""},
		{"line break at the end", signing.TypAnswer, members(j), good + "\r\n", false, ""},
		{"padding added", signing.TypAnswer, members(j), good + "==", false, ""},
		{"algorithm none", signing.TypAnswer, members(j), b64.EncodeToString([]byte(`{"alg":"none","kid":"kid-1","typ":"inkan-registration-answer+jws"}`)) + good[indexDot(good):], false, ""},
		{"header not canonical", signing.TypAnswer, members(j), b64.EncodeToString([]byte(`{"typ":"inkan-registration-answer+jws","alg":"ES256","kid":"kid-1"}`)) + good[indexDot(good):], false, ""},
	}
	golden(t, "jws", made)
	for _, v := range load[jwsVector](t, "jws") {
		pub, err := signing.ParseJWK(signing.Object{"crv": v.Key["crv"], "kty": v.Key["kty"], "x": v.Key["x"], "y": v.Key["y"]})
		if err != nil {
			t.Fatal(err)
		}
		e, err := signing.Parse(v.Typ, v.Envelope)
		if err == nil {
			err = e.Verify(pub)
		}
		if (err == nil) != v.Valid {
			t.Errorf("%s: %v, want valid %v", v.Note, err, v.Valid)
		}
		if v.Valid && string(e.Payload) != v.Payload {
			t.Errorf("%s: payload %s", v.Note, e.Payload)
		}
	}
}

// resealed signs an envelope's first two parts as they stand.
func resealed(t *testing.T, envelope string, by *ecdsa.PrivateKey) string {
	t.Helper()
	input := envelope[:strings.LastIndexByte(envelope, '.')]
	digest := sha256.Sum256([]byte(input))
	sig, err := sign(by)(digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + b64.EncodeToString(sig)
}

func indexDot(s string) int { return bytes.IndexByte([]byte(s), '.') }

type deriveVector struct {
	Note         string `json:"note"`
	Z            string `json:"z_hex"`
	Registration string `json:"registration"`
	Answer       string `json:"answer"`
	Issuer       string `json:"issuer"`
	Token        string `json:"token"`
	OTP          string `json:"otp_key_hex"`
	OCRA         string `json:"ocra_key_hex"`
}

type registrationVector struct {
	Note            string            `json:"note"`
	Link            string            `json:"link"`
	DevicePrivate   string            `json:"device_signing_private_hex"`
	DeviceKey       map[string]string `json:"device_signing_key"`
	DeviceThumb     string            `json:"device_thumbprint"`
	AgreePrivate    string            `json:"device_agreement_private_hex"`
	AgreeKey        map[string]string `json:"device_agreement_key"`
	ServerAgreement map[string]string `json:"server_agreement_key"`
	Root            string            `json:"root_thumbprint"`
	IssuerKey       string            `json:"issuer_key"`
	Registration    string            `json:"registration"`
	Payload         string            `json:"registration_payload"`
	Answer          string            `json:"answer"`
	Z               string            `json:"z_hex"`
	OTPKey          string            `json:"otp_key_hex"`
	OCRAKey         string            `json:"ocra_key_hex"`
	Time            int64             `json:"time"`
	Code            string            `json:"code"`
}

func TestRegistration(t *testing.T) {
	device, root, issuer := key("device signing"), key("issuer root"), key("issuer")
	agree, server := key("device agreement"), key("server agreement")
	now := time.Date(2026, 11, 22, 1, 2, 3, 0, time.UTC)
	const origin, tok, enr = "https://token.bank.example", "tok_01h455vb4pex5vsknk084sn02q", "enr_01h455vb4pex5vsknk084sn02r"
	secret := b64.EncodeToString([]byte("0123456789abcdef"))
	raw := func(k *ecdsa.PrivateKey) string { b, _ := k.Bytes(); return hex.EncodeToString(b) }
	word, err := signing.MakeIssuerKey(origin, jwk(issuer), now, now.Add(10*365*24*time.Hour), jwk(root), sign(root))
	if err != nil {
		t.Fatal(err)
	}
	request := signing.Registration{Issuer: origin, Enrolment: enr, Key: secret, Number: "12345678", Nonce: b64.EncodeToString([]byte("fedcba9876543210")), Agreement: jwk(agree),
		Platform: "iPhone / Safari", SigningKey: jwk(device)}
	compact, err := signing.MakeRegistration(request, sign(device))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := signing.ParseRegistration(compact)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := signing.MakeCertificate(signing.Certificate{Issuer: origin, Token: tok, Customer: "cus_00000000000000000000000000", KeyThumbprint: jwk(device).Thumbprint(), NotBefore: now,
		Expires: now.Add(3 * 365 * 24 * time.Hour), Generation: 1, ActivatedBy: "qr"}, jwk(issuer).Thumbprint(), sign(issuer))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := signing.MakeAnswer(signing.Answer{Issuer: origin, Request: parsed.Hash, Token: tok, Agreement: jwk(server), Digits: 6, Step: time.Minute, Now: now,
		Contract: signing.Contract{BankJA: "印鑑銀行", BankEN: "Inkan Bank", Account: "101 普通 ***4567"}, Certificate: cert}, jwk(issuer).Thumbprint(), sign(issuer))
	if err != nil {
		t.Fatal(err)
	}
	a, _ := agree.ECDH()
	s, _ := server.ECDH()
	z := ecdhBoth(t, a, s)
	keys, err := signing.DeriveKeys(z, compact, answer, origin, tok)
	if err != nil {
		t.Fatal(err)
	}
	envelope, _ := signing.Parse(signing.TypRegistration, compact)
	golden(t, "registration", []registrationVector{{
		Note: "the whole of a registration by QR; a code at the end", Link: enrolment.Link(origin, enr, secret, jwk(root).Thumbprint()),
		DevicePrivate: raw(device), DeviceKey: members(jwk(device)), DeviceThumb: jwk(device).Thumbprint(), AgreePrivate: raw(agree), AgreeKey: members(jwk(agree)),
		ServerAgreement: members(jwk(server)), Root: jwk(root).Thumbprint(), IssuerKey: word, Registration: compact, Payload: string(envelope.Payload), Answer: answer,
		Z: hex.EncodeToString(z), OTPKey: hex.EncodeToString(keys.OTP), OCRAKey: hex.EncodeToString(keys.OCRA), Time: now.Unix(), Code: otp.Code(keys.OTP, otp.StepAt(now, time.Minute), 6)}})
	other, err := signing.DeriveKeys(bytes.Repeat([]byte{7}, 32), "a.b.c", "d.e.f", origin, tok)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "keys", []deriveVector{
		{"the registration's own", hex.EncodeToString(z), compact, answer, origin, tok, hex.EncodeToString(keys.OTP), hex.EncodeToString(keys.OCRA)},
		{"short ones", hex.EncodeToString(bytes.Repeat([]byte{7}, 32)), "a.b.c", "d.e.f", origin, tok, hex.EncodeToString(other.OTP), hex.EncodeToString(other.OCRA)},
	})
	// The answer and the certificate read back as they were made.
	got, err := signing.ParseAnswer(answer, jwk(issuer))
	if err != nil || got.Token != tok || got.Request != parsed.Hash || got.Step != time.Minute {
		t.Errorf("ParseAnswer = %+v, %v", got, err)
	}
	c, err := signing.ParseCertificate(cert, jwk(issuer))
	if err != nil || c.KeyThumbprint != jwk(device).Thumbprint() || c.Generation != 1 {
		t.Errorf("ParseCertificate = %+v, %v", c, err)
	}
	if _, err := signing.ParseAnswer(answer, jwk(root)); err == nil {
		t.Error("an answer was accepted under another key")
	}
}

func ecdhBoth(t *testing.T, a, s *ecdh.PrivateKey) []byte {
	t.Helper()
	z, err := a.ECDH(s.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	back, err := s.ECDH(a.PublicKey())
	if err != nil || !bytes.Equal(z, back) {
		t.Fatalf("the two sides agree on different secrets: %v", err)
	}
	return z
}
