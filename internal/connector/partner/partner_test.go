package partner

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// A request carries a signature over method, address, time, nonce and body; whoever changes one of them is found out.
func TestRequestsAreSigned(t *testing.T) {
	t.Parallel()
	ours, other := newKey(t), newKey(t)
	now := time.Unix(1_800_000_000, 0)
	var signature, body string
	nonces := map[any]bool{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		signature, body = r.Header.Get(SignatureHeader), string(b)
		h, err := Verify(&ours.PublicKey, RequestType, signature, b)
		if err != nil || h["htm"] != "POST" || h["htu"] != "http://"+r.Host+r.URL.Path || h["iat"] != float64(now.Unix()) || h["jti"] == "" || nonces[h["jti"]] {
			t.Errorf("the request: %v %v", h, err)
		}
		nonces[h["jti"]] = true
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write([]byte("answer"))
	}))
	defer s.Close()
	c, err := New(Config{URL: s.URL + "/below/", Key: ours, KeyID: "inkan", Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		status, answer, err := c.Post(t.Context(), "/card-checks", []byte(`{"pin":"1234"}`))
		if err != nil || status != http.StatusTeapot || string(answer) != "answer" {
			t.Fatalf("Post = %d %q %v", status, answer, err)
		}
	}
	if strings.Count(signature, ".") != 2 || strings.Contains(signature, base64.RawURLEncoding.EncodeToString([]byte(body))) {
		t.Errorf("the signature carries the body: %s", signature)
	}
	part := strings.Split(signature, ".")
	for what, bad := range map[string]struct {
		key             *ecdsa.PublicKey
		typ, sig, about string
	}{
		"another key":       {&other.PublicKey, RequestType, signature, body},
		"another body":      {&ours.PublicKey, RequestType, signature, strings.Replace(body, "1234", "1235", 1)},
		"another type":      {&ours.PublicKey, AnswerType, signature, body},
		"a changed header":  {&ours.PublicKey, RequestType, base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","typ":"inkan-request+jws","htm":"POST"}`)) + ".." + part[2], body},
		"no algorithm":      {&ours.PublicKey, RequestType, base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"inkan-request+jws"}`)) + "..", body},
		"nothing":           {&ours.PublicKey, RequestType, "", body},
		"an attached body":  {&ours.PublicKey, RequestType, part[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(body)) + "." + part[2], "another"},
		"another algorithm": {&ours.PublicKey, RequestType, base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"inkan-request+jws"}`)) + ".." + part[2], body},
	} {
		if _, err := Verify(bad.key, bad.typ, bad.sig, []byte(bad.about)); err == nil {
			t.Errorf("%s: taken", what)
		}
	}
}

// An answer that has to be signed is taken from the other side only, and for this request only.
func TestAnswersAreHeldAgainstTheirRequest(t *testing.T) {
	t.Parallel()
	ours, theirs := newKey(t), newKey(t)
	var answer func(nonce string, body []byte) string
	var earlier string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		h, err := Verify(&ours.PublicKey, RequestType, r.Header.Get(SignatureHeader), b)
		if err != nil {
			t.Error(err)
			return
		}
		w.Header().Set(SignatureHeader, answer(h["jti"].(string), []byte("yes")))
		_, _ = w.Write([]byte("yes"))
	}))
	defer s.Close()
	c, err := New(Config{URL: s.URL, Key: ours, KeyID: "inkan", Answers: &theirs.PublicKey})
	if err != nil {
		t.Fatal(err)
	}
	sign := func(key *ecdsa.PrivateKey, typ string, nonce any, body []byte) string {
		out, err := Sign(key, "core", typ, map[string]any{"jti": nonce}, body)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for _, c2 := range []struct {
		what string
		f    func(nonce string, body []byte) string
		ok   bool
	}{
		{"theirs", func(n string, b []byte) string { earlier = sign(theirs, AnswerType, n, b); return earlier }, true},
		{"an earlier one", func(string, []byte) string { return earlier }, false},
		{"none", func(string, []byte) string { return "" }, false},
		{"another key", func(n string, b []byte) string { return sign(ours, AnswerType, n, b) }, false},
		{"another body", func(n string, _ []byte) string { return sign(theirs, AnswerType, n, []byte("no")) }, false},
		{"another nonce", func(_ string, b []byte) string { return sign(theirs, AnswerType, "x", b) }, false},
		{"a request", func(n string, b []byte) string { return sign(theirs, RequestType, n, b) }, false},
	} {
		answer = c2.f
		if _, got, err := c.Post(t.Context(), "/", []byte("question")); (err == nil) != c2.ok || err != nil && got != nil {
			t.Errorf("%s: %q %v", c2.what, got, err)
		}
	}
}

// authority is a certificate authority of a test.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	k := newKey(t)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	cert, _ := x509.ParseCertificate(der)
	return authority{k, cert}
}

func (a authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

func (a authority) issue(t *testing.T, usage x509.ExtKeyUsage) *tls.Certificate {
	t.Helper()
	k := newKey(t)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "inkan"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{usage}, KeyUsage: x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, &k.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: k}
}

// Mutual TLS: neither side talks to somebody else.
func TestMutualTLS(t *testing.T) {
	t.Parallel()
	ours, others := newAuthority(t), newAuthority(t)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("yes")) }))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{*ours.issue(t, x509.ExtKeyUsageServerAuth)}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ours.pool(), MinVersion: tls.VersionTLS12}
	s.Config.ErrorLog = nil
	s.StartTLS()
	defer s.Close()
	for _, c := range []struct {
		what string
		conf Config
		ok   bool
	}{
		{"both", Config{Certificate: ours.issue(t, x509.ExtKeyUsageClientAuth), Roots: ours.pool()}, true},
		{"a certificate of others", Config{Certificate: others.issue(t, x509.ExtKeyUsageClientAuth), Roots: ours.pool()}, false},
		{"no certificate", Config{Key: newKey(t), Roots: ours.pool()}, false},
		{"a server of others", Config{Certificate: ours.issue(t, x509.ExtKeyUsageClientAuth), Roots: others.pool()}, false},
		{"the system's own roots", Config{Certificate: ours.issue(t, x509.ExtKeyUsageClientAuth)}, false},
	} {
		c.conf.URL = s.URL
		p, err := New(c.conf)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := p.Post(t.Context(), "/", []byte("secret 1234")); (err == nil) != c.ok || err != nil && strings.Contains(err.Error(), "1234") {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

// What the other side may do wrong: redirect, talk without end, break off, take too long. Nothing of what was asked is in an error.
func TestWhatTheOtherSideMayDoWrong(t *testing.T) {
	t.Parallel()
	asked := 0
	held := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		case "/elsewhere":
			asked++
		case "/long":
			_, _ = w.Write(make([]byte, 1<<20))
		case "/broken":
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("x"))
		case "/slow":
			<-held
		}
	}))
	defer s.Close()
	defer close(held)
	c, err := New(Config{URL: s.URL, Key: newKey(t)})
	if err != nil {
		t.Fatal(err)
	}
	if status, _, err := c.Post(t.Context(), "/moved", []byte("x")); err != nil || status != http.StatusTemporaryRedirect || asked != 0 {
		t.Errorf("a redirect: %d %v, followed %d times", status, err, asked)
	}
	short, cancel := context.WithCancel(t.Context())
	for _, path := range []string{"/long", "/broken", "/slow"} {
		ctx := t.Context()
		if path == "/slow" {
			cancel()
			ctx = short
		}
		if _, answer, err := c.Post(ctx, path, []byte("secret 1234")); err == nil || answer != nil || strings.Contains(err.Error(), "1234") || strings.Contains(err.Error(), s.URL) {
			t.Errorf("%s: %q %v", path, answer, err)
		}
	}
	cancel()
	for _, bad := range []Config{{URL: "http://core.bank.example", Key: newKey(t)}, {URL: "https://core.bank.example"}, {URL: "https://user:pw@core.bank.example", Key: newKey(t)}, {URL: "https://core.bank.example/?a=b", Key: newKey(t)},
		{URL: "", Key: newKey(t)}, {URL: "ftp://localhost", Key: newKey(t)}, {URL: "http://localhost.example", Key: newKey(t)}} {
		if _, err := New(bad); err == nil {
			t.Errorf("%q is taken", bad.URL)
		}
	}
}
