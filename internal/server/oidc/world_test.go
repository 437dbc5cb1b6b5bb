package oidc_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	rp "github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"golang.org/x/oauth2"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/server/oidc"
	"github.com/inkan-auth/inkan/internal/server/web"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// world is a login host with one customer and two clients: "bank" with a secret and "portal" with a key.
type world struct {
	*testkit.World
	t       *testing.T
	host    *httptest.Server
	login   string // her login ID
	secret  string
	key     *ecdsa.PrivateKey
	passkey *testkit.Authenticator // with which the customer logs in instead of her password; nil: she does not
}

const (
	bankReturn = "https://bank.example/login/return"
	bankBye    = "https://bank.example/goodbye"
	subject    = "0101-1-1234567"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// each runs a test on both engines.
func each(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	testkit.Each(t, func(t *testing.T, k *testkit.World) { f(t, newWorld(t, k)) })
}

func newWorld(t *testing.T, k *testkit.World) *world {
	t.Helper()
	k.Clock.Move(time.Since(k.Clock.Now())) // the library reads the machine's clock; ours starts there
	w := &world{World: k, t: t, login: k.Person(1, false)}
	var err error
	w.secret, err = w.CreateOIDCClient(t.Context(), authority.OIDCClient{ID: "bank", Name: "Bank", Method: authority.ClientSecretBasic,
		RedirectURIs: []string{bankReturn}, PostLogoutURIs: []string{bankBye}})
	check(t, err)
	w.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	jwks, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &w.key.PublicKey, KeyID: "p1", Use: "sig"}}})
	check(t, err)
	_, err = w.CreateOIDCClient(t.Context(), authority.OIDCClient{ID: "portal", Name: "Portal", Method: authority.PrivateKeyJWT, JWKS: string(jwks), RedirectURIs: []string{bankReturn}})
	check(t, err)

	mux := http.NewServeMux()
	w.host = httptest.NewTLSServer(mux) // the cookies of the pages ask for it
	t.Cleanup(w.host.Close)
	w.host.Client().Transport.(*http.Transport).MaxIdleConnsPerHost = 32 // parallel requests of one round and the next share connections
	server, err := oidc.New(t.Context(), oidc.Config{Issuer: w.host.URL, Authority: w.Authority,
		Leave: func(rw http.ResponseWriter, _ *http.Request, to string) { rw.Header().Set("Refresh", "0; url="+to) },
		Sorry: func(rw http.ResponseWriter, _ *http.Request, status int, kind string) {
			rw.WriteHeader(status)
			_, _ = io.WriteString(rw, kind)
		}})
	check(t, err)
	server.Mount(mux)
	mux.HandleFunc("GET /login", w.logIn)
	mux.HandleFunc("GET /logout", func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(rw, "really? "+r.URL.Query().Get("next"))
	})
	return w
}

// logIn stands for the customer's pages: it logs her in and goes on to where they were told to.
func (w *world) logIn(rw http.ResponseWriter, r *http.Request) {
	_, cookie, err := w.Login(r.Context(), testkit.Visit(authority.PC), w.login, []byte(testkit.Login))
	if w.passkey != nil {
		var options []byte
		options, err = w.PasskeyLogin(r.Context(), "form")
		if err == nil {
			_, cookie, err = w.LoginPasskey(r.Context(), testkit.Visit(authority.PC), "form", w.passkey.Get(options, w.Bank.LoginOrigin))
		}
	}
	if err != nil {
		http.Error(rw, err.Error(), http.StatusForbidden)
		return
	}
	web.SetCookies(rw, cookie)
	http.Redirect(rw, r, r.URL.Query().Get("next"), http.StatusSeeOther)
}

// browser follows redirects and pages that go on by themselves until it comes to the bank or to rest.
type browser struct {
	w      *world
	client *http.Client
	logins int
}

func (w *world) browser() *browser {
	jar, err := cookiejar.New(nil)
	check(w.t, err)
	b := &browser{w: w}
	b.client = &http.Client{Transport: w.host.Client().Transport, Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == "/login" {
			b.logins++
		}
		if r.URL.Host == "bank.example" {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	return b
}

type rest struct {
	status int
	at     *url.URL // where the browser is, or the address at the bank that it was sent to
	body   string
}

func (b *browser) open(address string) rest {
	b.w.t.Helper()
	req, err := http.NewRequestWithContext(b.w.t.Context(), http.MethodGet, address, nil)
	check(b.w.t, err)
	req.Header.Set("Accept", "text/html")
	resp, err := b.client.Do(req)
	check(b.w.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	check(b.w.t, err)
	to := resp.Header.Get("Location")
	if _, next, ok := strings.Cut(resp.Header.Get("Refresh"), "url="); ok {
		to = next
	}
	at := resp.Request.URL
	if to != "" {
		at, err = url.Parse(to)
		check(b.w.t, err)
		if at.Host != "bank.example" {
			return b.open(to)
		}
	}
	return rest{resp.StatusCode, at, string(body)}
}

// context carries the client that trusts the test's host.
func (w *world) context() context.Context { return rp.ClientContext(w.t.Context(), w.host.Client()) }

// party is a client as its owner would write it, with libraries that are not ours.
type party struct {
	w        *world
	config   oauth2.Config
	provider *rp.Provider
	verifier string
	nonce    string
	key      *ecdsa.PrivateKey
}

func (w *world) party(id string) *party {
	w.t.Helper()
	provider, err := rp.NewProvider(w.context(), w.host.URL)
	check(w.t, err)
	p := &party{w: w, provider: provider, verifier: oauth2.GenerateVerifier(), nonce: rand.Text()}
	p.config = oauth2.Config{ClientID: id, Endpoint: provider.Endpoint(), RedirectURL: bankReturn, Scopes: []string{"openid", "profile"}}
	p.config.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if id == "bank" {
		p.config.ClientSecret = w.secret
	} else {
		p.key = w.key
		p.config.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	return p
}

func (p *party) address(more ...oauth2.AuthCodeOption) string {
	return p.config.AuthCodeURL("state-1", append([]oauth2.AuthCodeOption{rp.Nonce(p.nonce), oauth2.S256ChallengeOption(p.verifier)}, more...)...)
}

// code logs the customer in with this browser and brings the code back.
func (p *party) code(b *browser, more ...oauth2.AuthCodeOption) string {
	p.w.t.Helper()
	r := b.open(p.address(more...))
	if r.at.Host != "bank.example" || r.at.Query().Get("code") == "" || r.at.Query().Get("state") != "state-1" || r.at.Query().Get("iss") != p.w.host.URL {
		p.w.t.Fatalf("came to rest at %d %s: %s", r.status, r.at, r.body)
	}
	return r.at.Query().Get("code")
}

func (p *party) redeem(code string, more ...oauth2.AuthCodeOption) (*oauth2.Token, error) {
	options := []oauth2.AuthCodeOption{oauth2.VerifierOption(p.verifier)}
	if p.key != nil {
		options = append(options, p.proof(p.assertion(nil))...)
	}
	return p.config.Exchange(p.w.context(), code, append(options, more...)...)
}

func (p *party) proof(assertion string) []oauth2.AuthCodeOption {
	return []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
		oauth2.SetAuthURLParam("client_assertion", assertion)}
}

func (p *party) assertion(change func(*jwt.Claims)) string {
	p.w.t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: p.key}, (&jose.SignerOptions{}).WithHeader("kid", "p1"))
	check(p.w.t, err)
	c := jwt.Claims{Issuer: p.config.ClientID, Subject: p.config.ClientID, Audience: jwt.Audience{p.w.host.URL}, ID: rand.Text(),
		IssuedAt: jwt.NewNumericDate(time.Now()), Expiry: jwt.NewNumericDate(time.Now().Add(time.Minute))}
	if change != nil {
		change(&c)
	}
	s, err := jwt.Signed(signer).Claims(c).Serialize()
	check(p.w.t, err)
	return s
}

// idToken verifies what came back as a client would.
func (p *party) idToken(t *oauth2.Token) *rp.IDToken {
	p.w.t.Helper()
	raw, _ := t.Extra("id_token").(string)
	id, err := p.provider.Verifier(&rp.Config{ClientID: p.config.ClientID, SupportedSigningAlgs: []string{"ES256"}, Now: p.w.Clock.Now}).Verify(p.w.context(), raw)
	check(p.w.t, err)
	return id
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
