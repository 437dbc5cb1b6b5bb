// Package partner sends signed requests to systems that the bank or its carrier runs: over TLS, mutual where a certificate is given, each with a signature of its own over method, address, time, a
// nonce and the body, so that neither a proxy on the way nor a copy of an earlier request can have anything done.
package partner

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// SignatureHeader carries the signature of a request, and of an answer: a JWS with a detached payload, which is the body (RFC 7515, appendix F).
const SignatureHeader = "Inkan-Signature"

// The types of what is signed: one is never taken for the other.
const (
	RequestType = "inkan-request+jws"
	AnswerType  = "inkan-answer+jws"
)

// mostAnswer bounds what is read of an answer, mostTime how long one may take.
const (
	mostAnswer = 16 << 10
	mostTime   = 10 * time.Second
)

// Config is where the other side is and how both show who they are.
type Config struct {
	URL         string            // https, or http on this very machine
	Key         *ecdsa.PrivateKey // P-256, signs requests; nil where a certificate is enough
	KeyID       string
	Certificate *tls.Certificate // for mutual TLS; nil where requests are signed
	Roots       *x509.CertPool   // who may certify the other side; nil for the system's own
	Answers     *ecdsa.PublicKey // of the other side, which then has to sign what it answers; nil where TLS is enough
	Here        bool             // names below localhost are this machine, for the demo
	Now         func() time.Time // nil for the machine's clock
}

// Client calls one system.
type Client struct {
	c      Config
	client *http.Client
}

// New checks the configuration.
func New(c Config) (*Client, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && (u.Scheme != "http" || !onThisMachine(u.Hostname())) {
		return nil, errors.New("partner: the address must be https, without a query")
	}
	if c.Key == nil && c.Certificate == nil {
		return nil, errors.New("partner: give a key that signs requests, or a certificate for mutual TLS, so that the other side knows us")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.Roots}
	if c.Certificate != nil {
		conf.Certificates = []tls.Certificate{*c.Certificate}
	}
	p := &Client{c: c, client: &http.Client{Timeout: mostTime, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{TLSClientConfig: conf, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 4, IdleConnTimeout: 30 * time.Second, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if host, port, err := net.SplitHostPort(addr); c.Here && err == nil && strings.HasSuffix(host, ".localhost") {
				addr = net.JoinHostPort("127.0.0.1", port)
			}
			return dialer.DialContext(ctx, network, addr)
		}}}}
	p.c.URL = strings.TrimSuffix(c.URL, "/")
	return p, nil
}

func onThisMachine(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// Post sends a JSON document to a path below the address and gives the status and the body of the answer. An error says that nothing is known of what the other side did. No error repeats anything of
// what was sent or answered.
func (p *Client) Post(ctx context.Context, path string, body []byte) (status int, answer []byte, err error) {
	address := p.c.URL + path
	nonce := rand.Text()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return 0, nil, errors.New("partner: the address cannot be used")
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	if p.c.Key != nil {
		signature, err := Sign(p.c.Key, p.c.KeyID, RequestType, map[string]any{"htm": http.MethodPost, "htu": address, "iat": p.c.Now().Unix(), "jti": nonce}, body)
		if err != nil {
			return 0, nil, errors.New("partner: the request cannot be signed")
		}
		r.Header.Set(SignatureHeader, signature)
	}
	res, err := p.client.Do(r)
	if err != nil {
		return 0, nil, errors.New("partner: the other side cannot be reached, or did not answer in time")
	}
	defer func() { _ = res.Body.Close() }()
	answer, err = io.ReadAll(io.LimitReader(res.Body, mostAnswer+1))
	if err != nil || len(answer) > mostAnswer {
		return 0, nil, errors.New("partner: the answer broke off, or is too long")
	}
	if p.c.Answers != nil && res.StatusCode < 500 {
		if err := p.answered(res.Header.Get(SignatureHeader), nonce, answer); err != nil {
			return 0, nil, err
		}
	}
	return res.StatusCode, answer, nil
}

// answered holds an answer against the key of the other side and the nonce of our request: an earlier answer is no answer to this one.
func (p *Client) answered(signature, nonce string, body []byte) error {
	h, err := Verify(p.c.Answers, AnswerType, signature, body)
	if err != nil {
		return errors.New("partner: the answer is not signed by the other side")
	}
	if h["jti"] != nonce || p.c.Key == nil {
		return errors.New("partner: the answer is to another request")
	}
	return nil
}

// Sign makes the signature of a body together with the facts in its header.
func Sign(key *ecdsa.PrivateKey, keyID, typ string, facts map[string]any, body []byte) (string, error) {
	o := (&jose.SignerOptions{}).WithType(jose.ContentType(typ)).WithHeader("kid", keyID)
	for k, v := range facts {
		o = o.WithHeader(jose.HeaderKey(k), v)
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, o)
	if err != nil {
		return "", err
	}
	j, err := s.Sign(body)
	if err != nil {
		return "", err
	}
	return j.DetachedCompactSerialize()
}

// Verify checks a signature and gives the facts in its header.
func Verify(key *ecdsa.PublicKey, typ, signature string, body []byte) (map[jose.HeaderKey]any, error) {
	j, err := jose.ParseDetached(signature, body, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return nil, err
	}
	if err := j.DetachedVerify(body, key); err != nil {
		return nil, err
	}
	h := j.Signatures[0].Protected.ExtraHeaders
	if h[jose.HeaderType] != typ {
		return nil, fmt.Errorf("partner: of the type %v", h[jose.HeaderType])
	}
	return h, nil
}
