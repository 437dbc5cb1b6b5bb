package webpush

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/notice"
)

func bytesOf(t *testing.T, s string) []byte {
	t.Helper()
	b, err := b64.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// RFC 8291, appendix A.
func TestEncryptionOfTheRFC(t *testing.T) {
	own, err := ecdh.P256().NewPrivateKey(bytesOf(t, "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := encrypt(own, [16]byte(bytesOf(t, "DGv6ra1nlYgDCS1FRnbzlw")), bytesOf(t, "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"),
		bytesOf(t, "BTBZMqHH6r4Tts7J_aSIgg"), []byte("When I grow up, I want to be a watermelon"))
	if err != nil {
		t.Fatal(err)
	}
	const want = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
	if b64.EncodeToString(got) != want {
		t.Errorf("got %s", b64.EncodeToString(got))
	}
}

// A push service gets a wake-up with the headers of RFC 8030 and a token of ours that holds; what the browser decrypts is empty of content.
func TestWakeSaysNothing(t *testing.T) {
	browser, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	auth := make([]byte, 16)
	_, _ = rand.Read(auth)
	status := http.StatusCreated
	var seen *http.Request
	var body []byte
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(status)
	}))
	defer service.Close()
	secret := sha256.Sum256([]byte("a key"))
	p, err := New(secret[:], "mailto:ops@bank.example", true)
	if err != nil {
		t.Fatal(err)
	}
	s := notice.Subscription{Endpoint: service.URL + "/secret-of-the-browser", P256DH: b64.EncodeToString(browser.PublicKey().Bytes()), Auth: b64.EncodeToString(auth)}
	if err := p.Wake(t.Context(), s, "topic-1", 5*time.Minute); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"TTL": "300", "Urgency": "high", "Topic": "topic-1", "Content-Encoding": "aes128gcm"} {
		if got := seen.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if plain := decrypt(t, browser, auth, body); plain != "{}" {
		t.Errorf("the browser reads %q", plain)
	}
	if len(body) > 1024 {
		t.Errorf("%d bytes", len(body))
	}
	holds(t, seen.Header.Get("Authorization"), p.Key(), service.URL)

	for code, gone := range map[int]bool{404: true, 410: true, 429: false, 500: false, 301: false} {
		status = code
		err := p.Wake(t.Context(), s, "t", time.Minute)
		if err == nil || errors.Is(err, notice.ErrBounced) != gone {
			t.Errorf("%d: %v", code, err)
		}
	}
	service.Close()
	if err := p.Wake(t.Context(), s, "t", time.Minute); err == nil || strings.Contains(err.Error(), "secret-of-the-browser") {
		t.Errorf("a service that is down: %v", err)
	}
}

// Whoever registers an address inside our network has us call nobody.
func TestPrivateNetworksAreNotCalled(t *testing.T) {
	called := false
	service := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true }))
	defer service.Close()
	secret := sha256.Sum256([]byte("a key"))
	p, err := New(secret[:], "mailto:ops@bank.example", false)
	if err != nil {
		t.Fatal(err)
	}
	browser, _ := ecdh.P256().GenerateKey(rand.Reader)
	for _, endpoint := range []string{service.URL, "http://10.0.0.1/", "http://169.254.169.254/latest", "http://[::1]:1/", "http://[fd00::1]/", "http://0.0.0.0:80/", "http://[::ffff:127.0.0.1]:1/"} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		err := p.Wake(ctx, notice.Subscription{Endpoint: endpoint, P256DH: b64.EncodeToString(browser.PublicKey().Bytes()), Auth: b64.EncodeToString(make([]byte, 16))}, "t", time.Minute)
		cancel()
		if err == nil || called || !strings.Contains(err.Error(), "private network") {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
}

func decrypt(t *testing.T, browser *ecdh.PrivateKey, auth, body []byte) string {
	t.Helper()
	salt, as := body[:16], body[21:86]
	theirs, err := ecdh.P256().NewPublicKey(as)
	if err != nil {
		t.Fatal(err)
	}
	shared, _ := browser.ECDH(theirs)
	ikm, _ := hkdf.Key(sha256.New, shared, auth, "WebPush: info\x00"+string(browser.PublicKey().Bytes())+string(as), 32)
	key, _ := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: aes128gcm\x00", 16)
	nonce, _ := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: nonce\x00", 12)
	block, _ := aes.NewCipher(key)
	gcm, _ := cipher.NewGCM(block)
	plain, err := gcm.Open(nil, nonce, body[86:], nil)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(string(plain), "\x02")
}

// holds checks our token as a push service does.
func holds(t *testing.T, header, key, audience string) {
	t.Helper()
	rest, ok := strings.CutPrefix(header, "vapid t=")
	token, k, ok2 := strings.Cut(rest, ", k=")
	part := strings.Split(token, ".")
	if !ok || !ok2 || k != key || len(part) != 3 {
		t.Fatalf("the header is %q", header)
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), bytesOf(t, k))
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte(part[0] + "." + part[1]))
	sig := bytesOf(t, part[2])
	if !ecdsa.Verify(public, digest[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		t.Error("the token's signature does not hold")
	}
	var c struct {
		Aud, Sub string
		Exp      int64
	}
	if err := json.Unmarshal(bytesOf(t, part[1]), &c); err != nil || c.Aud != audience || c.Sub == "" || time.Until(time.Unix(c.Exp, 0)) > 24*time.Hour {
		t.Errorf("claims %+v, %v", c, err)
	}
}
