package main

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"time"

	"golang.org/x/text/width"

	"github.com/inkan-auth/inkan/internal/domain/enrolment"
	"github.com/inkan-auth/inkan/internal/domain/signing"
)

// register redeems a registration key and number. A registration that was sent and not answered is on disk: the same command sends the very same
// bytes again, and the server gives the very same answer.
func register(ctx context.Context, c *call) error {
	p, err := c.prepare()
	if err != nil {
		return err
	}
	if c.wallet.Pending != nil && c.wallet.Pending.Asked == p.Asked {
		p = c.wallet.Pending
	} else {
		c.wallet.Pending = p
		if err := c.wallet.save(); err != nil {
			return err
		}
	}
	body, err := json.Marshal(map[string]string{"registration": p.Registration})
	if err != nil {
		return err
	}
	status, answer, err := c.send(ctx, http.MethodPost, p.Issuer, "/v1/registrations", body, nil)
	if err != nil {
		return fmt.Errorf("nothing is lost: run the same command again (%w)", err)
	}
	if status != http.StatusOK && status != http.StatusCreated {
		if status < 500 { // the server has decided: this request will never succeed
			c.wallet.Pending = nil
			err = c.wallet.save()
		}
		return errors.Join(refusal(answer), err)
	}
	t, root, err := c.finish(p, answer)
	if err != nil {
		return err
	}
	c.wallet.Tokens = append(c.wallet.Tokens, t)
	c.wallet.Roots[p.Issuer] = root
	c.wallet.Pending = nil
	if err := c.wallet.save(); err != nil {
		return err
	}
	if p.Move {
		fmt.Fprintf(c.stdout, "Registered %s (%s, %s). Now compare what both devices show: inkan-token move\n", t.ID, t.Bank, t.Account)
		return nil
	}
	fmt.Fprintf(c.stdout, "Registered %s (%s, %s). Now type this code at the bank to start its use:\n", t.ID, t.Bank, t.Account)
	c.args = []string{t.ID}
	return code(ctx, c)
}

// prepare reads what the customer carried over and makes keys and the signed request.
func (c *call) prepare() (*pending, error) {
	p := &pending{Issuer: strings.TrimSuffix(c.issuer, "/"), Asked: c.link + " " + c.key + " " + c.number}
	var enrolmentID, key string
	if c.link != "" {
		var err error
		var number string // of a link from another device: its approval stands in the place of the mail
		if p.Issuer, enrolmentID, key, p.Root, number, err = enrolment.ParseMoveLink(c.link); err == nil {
			p.Move, c.number = true, number
		} else if p.Issuer, enrolmentID, key, p.Root, err = enrolment.ParseLink(c.link); err != nil {
			return nil, errors.New("this is not a registration link; copy it whole, with everything behind the #")
		}
	} else {
		key = digits(c.key)
		if typed, err := enrolment.ParseKey(key); err != nil || !typed {
			return nil, errors.New("the registration key has a typing error: compare the 16 digits with the bank's screen (nothing was sent)")
		}
		p.Root = c.wallet.Roots[p.Issuer]
	}
	number := digits(c.number)
	if enrolment.ParseNumber(number) != nil {
		return nil, errors.New("the registration number has 8 digits: it stands in the mail (nothing was sent)")
	}
	u, err := url.Parse(p.Issuer)
	if err != nil || u.Host == "" || u.Scheme != "https" && !local(u.Hostname()) {
		return nil, errors.New("-issuer must be the https address of the token app, as in the mail")
	}
	signKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	agreeKey, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	if p.SigningKey, err = signKey.Bytes(); err != nil {
		return nil, err
	}
	p.AgreementKey = agreeKey.Bytes()
	jwk, err := signing.JWKOf(&signKey.PublicKey)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce) // never fails
	p.Registration, err = signing.MakeRegistration(signing.Registration{Issuer: p.Issuer, Enrolment: enrolmentID, Key: key, Number: number, Nonce: base64.RawURLEncoding.EncodeToString(nonce),
		Agreement: signing.JWK(agreeKey.PublicKey().Bytes()), Platform: runtime.GOOS + " / inkan-token", SigningKey: jwk}, signer(signKey))
	return p, err
}

// finish verifies the answer down to the pinned root and derives the keys.
func (c *call) finish(p *pending, body []byte) (tokenEntry, string, error) {
	var a struct {
		Answer    string `json:"answer"`
		IssuerKey string `json:"issuer_key"`
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return tokenEntry{}, "", errors.New("the server's answer cannot be read; run the same command again")
	}
	forged := errors.New("the answer was not signed by the bank's key: nothing was registered; call the bank")
	issuer, key, root, err := signing.ParseIssuerKey(a.IssuerKey, c.now())
	if err != nil || issuer != p.Issuer || p.Root != "" && root.Thumbprint() != p.Root {
		return tokenEntry{}, "", forged
	}
	ans, err := signing.ParseAnswer(a.Answer, key)
	if err != nil || ans.Issuer != p.Issuer {
		return tokenEntry{}, "", forged
	}
	reg, err := signing.ParseRegistration(p.Registration)
	if err != nil || reg.Hash != ans.Request {
		return tokenEntry{}, "", forged
	}
	cert, err := signing.ParseCertificate(ans.Certificate, key)
	if err != nil || cert.KeyThumbprint != reg.SigningKey.Thumbprint() || cert.Token != ans.Token {
		return tokenEntry{}, "", forged
	}
	own, err := ecdh.P256().NewPrivateKey(p.AgreementKey)
	if err != nil {
		return tokenEntry{}, "", err
	}
	theirs, err := ans.Agreement.ECDH()
	if err != nil {
		return tokenEntry{}, "", forged
	}
	z, err := own.ECDH(theirs)
	if err != nil {
		return tokenEntry{}, "", forged
	}
	keys, err := signing.DeriveKeys(z, p.Registration, a.Answer, p.Issuer, ans.Token)
	if err != nil {
		return tokenEntry{}, "", err
	}
	return tokenEntry{ID: ans.Token, Issuer: p.Issuer, Bank: ans.Contract.BankJA, Account: ans.Contract.Account, Expires: cert.Expires, Digits: ans.Digits,
		StepSeconds: int(ans.Step / time.Second), Moving: p.Move, OTPKey: keys.OTP, OCRAKey: keys.OCRA, SigningKey: p.SigningKey, Certificate: ans.Certificate,
		OffsetMS: ans.Now.Sub(c.now()).Truncate(time.Second).Milliseconds()}, root.Thumbprint(), nil
}

// status asks the server about a token, proved by its key, and measures the clock on the way.
func status(ctx context.Context, c *call) error {
	t, err := c.pick()
	if err != nil {
		return err
	}
	began := c.now()
	_, body, err := c.send(ctx, http.MethodGet, t.Issuer, "/v1/time", nil, nil)
	if err != nil {
		return err
	}
	var clock struct {
		Now time.Time `json:"now"`
	}
	if err := json.Unmarshal(body, &clock); err != nil {
		return errors.New("the server's time cannot be read")
	}
	t.OffsetMS = clock.Now.Sub(began.Add(c.now().Sub(began) / 2)).Milliseconds()
	if err := c.wallet.save(); err != nil {
		return err
	}
	if _, err := c.look(ctx, t); err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "%s is %s\n", t.ID, t.standing())
	return nil
}

// look asks the server how a token stands, and keeps that for the time without a network.
func (c *call) look(ctx context.Context, t *tokenEntry) (*moveState, error) {
	code, body, err := c.ask(ctx, t, http.MethodGet, "/v1/token", nil)
	if err != nil {
		return nil, err
	}
	if code != http.StatusOK {
		return nil, refusal(body)
	}
	var s struct {
		State string     `json:"state"`
		Ended string     `json:"ended"`
		Move  *moveState `json:"move"`
	}
	if err := json.Unmarshal(body, &s); err != nil {
		return nil, errors.New("the server's answer cannot be read")
	}
	t.State, t.Moving = s.State, s.State == "keyed" && s.Move != nil
	t.Ended, _ = time.Parse(time.RFC3339, s.Ended) // empty while it is not over
	return s.Move, c.wallet.save()
}

// client follows no redirect, and finds *.localhost on this machine as browsers do.
var client = &http.Client{Timeout: 15 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Transport: &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		if host, port, err := net.SplitHostPort(addr); err == nil && strings.HasSuffix(host, ".localhost") {
			addr = net.JoinHostPort("127.0.0.1", port)
		}
		return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, addr)
	}}}

// send makes a request; what the bank refuses it says in the language of this program, or in the one that was asked for.
func (c *call) send(ctx context.Context, method, origin, path string, body []byte, header http.Header) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, origin+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	for k, v := range header {
		req.Header[http.CanonicalHeaderKey(k)] = v
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("User-Agent", "inkan-token")
	req.Header.Set("Accept-Language", c.said)
	res, err := client.Do(req)
	if err != nil {
		return 0, nil, errors.New("the server cannot be reached")
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return 0, nil, errors.New("the answer was cut off")
	}
	return res.StatusCode, b, nil
}

// refusal turns a problem document into a sentence.
func refusal(body []byte) error {
	var p struct {
		Title     string `json:"title"`
		Type      string `json:"type"`
		TriesLeft *int   `json:"tries_left"`
	}
	if json.Unmarshal(body, &p) != nil || p.Title == "" {
		return errors.New("the server refused")
	}
	if p.TriesLeft != nil {
		return fmt.Errorf("%s (%d tries left)", p.Title, *p.TriesLeft)
	}
	return errors.New(p.Title)
}

// digits normalises what a person typed: full-width digits, spaces and hyphens.
func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" -‐−–ー　\t", r) {
			return -1
		}
		return r
	}, width.Narrow.String(s))
}

func local(host string) bool {
	return host == "localhost" || host == "127.0.0.1" || strings.HasSuffix(host, ".localhost")
}

func signer(key *ecdsa.PrivateKey) signing.Signer {
	return func(digest []byte) ([]byte, error) {
		r, s, err := ecdsa.Sign(rand.Reader, key, digest)
		if err != nil {
			return nil, err
		}
		return signing.Raw(r, s), nil
	}
}
