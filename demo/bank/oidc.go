package bank

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	loginCookie    = "__Host-bank-login"
	loginLife      = 15 * time.Minute
	maxAttempts    = 10_000
	assertionLife  = time.Minute
	assertionType  = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	signatureAlg   = oidc.ES256
	requestedScope = "profile"
)

// relyingParty is the bank's side of OpenID Connect.
type relyingParty struct {
	cfg Config

	mu       sync.Mutex
	found    *oidc.Provider // What discovery answered; nil until the first login.
	logoutAt string         // end_session_endpoint of the same answer.
	attempts map[string]attempt
}

// attempt is one press of the login button, kept on the bank's side until the customer returns. It belongs to one browser and is used once.
type attempt struct {
	browser  [32]byte // Hash of the cookie of the browser that began.
	nonce    string
	verifier string
	ends     time.Time
}

// discover asks the issuer for its addresses and keys once; a failure is not kept, so the next login tries again.
func (p *relyingParty) discover(ctx context.Context) (*oidc.Provider, string, error) {
	p.mu.Lock()
	found, logoutAt := p.found, p.logoutAt
	p.mu.Unlock()
	if found != nil {
		return found, logoutAt, nil
	}
	found, err := oidc.NewProvider(oidc.ClientContext(ctx, p.cfg.HTTP), p.cfg.Issuer)
	if err != nil {
		return nil, "", err
	}
	var more struct {
		EndSession string `json:"end_session_endpoint"`
	}
	if err := found.Claims(&more); err != nil {
		return nil, "", err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.found, p.logoutAt = found, more.EndSession
	return found, more.EndSession, nil
}

func (p *relyingParty) client(found *oidc.Provider) *oauth2.Config {
	c := &oauth2.Config{
		ClientID: p.cfg.ClientID, Endpoint: found.Endpoint(), RedirectURL: p.cfg.URL + CallbackPath,
		Scopes: []string{oidc.ScopeOpenID, requestedScope},
	}
	c.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if p.cfg.ClientKey != nil {
		c.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	} else {
		c.ClientSecret = p.cfg.ClientSecret
	}
	return c
}

// begin makes an attempt and answers where to send the browser. tag is the language that the login pages should speak.
func (p *relyingParty) begin(w http.ResponseWriter, r *http.Request, tag string) (string, error) {
	found, _, err := p.discover(r.Context())
	if err != nil {
		return "", err
	}
	browser := p.browser(w, r)
	state, a := rand.Text(), attempt{browser: sha256.Sum256([]byte(browser)), nonce: rand.Text(), verifier: oauth2.GenerateVerifier(), ends: p.cfg.Now().Add(loginLife)}
	p.remember(state, a)
	return p.client(found).AuthCodeURL(state, oidc.Nonce(a.nonce), oauth2.S256ChallengeOption(a.verifier),
		oauth2.SetAuthURLParam("ui_locales", tag)), nil
}

// browser answers the cookie that binds attempts to this browser and sets one where there is none; two tabs share it.
func (p *relyingParty) browser(w http.ResponseWriter, r *http.Request) string {
	value := rand.Text() + rand.Text()
	if c, err := r.Cookie(loginCookie); err == nil && len(c.Value) == len(value) {
		value = c.Value
	}
	http.SetCookie(w, &http.Cookie{Name: loginCookie, Value: value, Path: "/", Secure: true, HttpOnly: true,
		SameSite: http.SameSiteLaxMode, MaxAge: int(loginLife.Seconds())})
	return value
}

// remember keeps the attempt and drops the expired ones; when there are too many it drops an arbitrary one, which costs that customer a second press.
func (p *relyingParty) remember(state string, a attempt) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.cfg.Now()
	for key, old := range p.attempts {
		if now.After(old.ends) || len(p.attempts) >= maxAttempts {
			delete(p.attempts, key)
		}
	}
	p.attempts[state] = a
}

// take removes the attempt and answers it if it is alive and was begun by this browser.
func (p *relyingParty) take(r *http.Request, state string) (attempt, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a, ok := p.attempts[state]
	c, err := r.Cookie(loginCookie)
	if !ok || err != nil {
		return attempt{}, false
	}
	sum := sha256.Sum256([]byte(c.Value))
	if subtle.ConstantTimeCompare(sum[:], a.browser[:]) != 1 {
		return attempt{}, false
	}
	delete(p.attempts, state)
	return a, !p.cfg.Now().After(a.ends)
}

// finish turns the return from the issuer into a customer, or answers the kind of failure to explain.
func (p *relyingParty) finish(w http.ResponseWriter, r *http.Request) (customer, string, error) {
	q := r.URL.Query()
	a, ok := p.take(r, q.Get("state"))
	if !ok {
		return customer{}, "attempt_unknown", errors.New("no attempt of this browser has this state")
	}
	if iss := q.Get("iss"); iss != "" && iss != p.cfg.Issuer {
		return customer{}, "answer_invalid", errors.New("the answer names another issuer")
	}
	if code := q.Get("error"); code != "" {
		return customer{}, kindOf(code), errors.New("the issuer answered with an error")
	}
	found, _, err := p.discover(r.Context())
	if err != nil {
		return customer{}, "issuer_unreachable", err
	}
	who, err := p.redeem(r.Context(), found, q.Get("code"), a)
	if err != nil {
		return customer{}, "answer_invalid", err
	}
	return who, "", nil
}

// kindOf keeps the errors of the standard that have words of their own and folds the rest into one.
func kindOf(code string) string {
	switch code {
	case "access_denied", "login_required", "interaction_required", "temporarily_unavailable", "server_error":
		return code
	default:
		return "answer_invalid"
	}
}

// redeem exchanges the code and checks the ID token: issuer, audience, time, signature (ES256 only) and nonce.
func (p *relyingParty) redeem(ctx context.Context, found *oidc.Provider, code string, a attempt) (customer, error) {
	ctx = oidc.ClientContext(ctx, p.cfg.HTTP)
	options := []oauth2.AuthCodeOption{oauth2.VerifierOption(a.verifier)}
	if p.cfg.ClientKey != nil {
		assertion, err := p.assertion()
		if err != nil {
			return customer{}, err
		}
		options = append(options, oauth2.SetAuthURLParam("client_assertion_type", assertionType), oauth2.SetAuthURLParam("client_assertion", assertion))
	}
	tokens, err := p.client(found).Exchange(ctx, code, options...)
	if err != nil {
		return customer{}, withoutBody(err)
	}
	raw, ok := tokens.Extra("id_token").(string)
	if !ok {
		return customer{}, errors.New("the answer has no ID token")
	}
	verifier := found.Verifier(&oidc.Config{ClientID: p.cfg.ClientID, SupportedSigningAlgs: []string{signatureAlg}, Now: p.cfg.Now})
	id, err := verifier.Verify(ctx, raw)
	if err != nil {
		return customer{}, err
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(a.nonce)) != 1 {
		return customer{}, errors.New("the ID token answers another attempt")
	}
	var c struct {
		Name     string   `json:"name"`
		ACR      string   `json:"acr"`
		AMR      []string `json:"amr"`
		AuthTime int64    `json:"auth_time"`
		Login    string   `json:"sid"`
	}
	if err := id.Claims(&c); err != nil {
		return customer{}, err
	}
	return customer{Subject: id.Subject, Name: c.Name, ACR: c.ACR, AMR: c.AMR, VerifiedAt: time.Unix(c.AuthTime, 0), IDToken: raw, Login: c.Login}, nil
}

// ended checks a logout token and gives the issuer's name for the login that has ended.
func (p *relyingParty) ended(ctx context.Context, raw string) (string, error) {
	found, _, err := p.discover(ctx)
	if err != nil {
		return "", err
	}
	verifier := found.Verifier(&oidc.Config{ClientID: p.cfg.ClientID, SupportedSigningAlgs: []string{signatureAlg}, Now: p.cfg.Now})
	token, err := verifier.VerifyLogout(oidc.ClientContext(ctx, p.cfg.HTTP), raw)
	if err != nil {
		return "", err
	}
	if token.SessionID == "" {
		return "", errors.New("the logout token names no login")
	}
	return token.SessionID, nil
}

// withoutBody drops what the token endpoint answered, so that nothing of it can reach the log except the standard's error code.
func withoutBody(err error) error {
	var failed *oauth2.RetrieveError
	if errors.As(err, &failed) {
		return fmt.Errorf("the token endpoint refused the code: %q", failed.ErrorCode)
	}
	return err
}

// assertion is the bank's proof of identity at the token endpoint (RFC 7523): a statement good for one minute and one use, signed with its key.
func (p *relyingParty) assertion() (string, error) {
	now := p.cfg.Now()
	header, err := segment(map[string]any{"alg": signatureAlg, "kid": p.cfg.ClientKeyID, "typ": "JWT"})
	if err != nil {
		return "", err
	}
	claims, err := segment(map[string]any{
		"iss": p.cfg.ClientID, "sub": p.cfg.ClientID, "aud": p.cfg.Issuer, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(assertionLife).Unix(),
	})
	if err != nil {
		return "", err
	}
	return sign(p.cfg.ClientKey, header+"."+claims)
}

func segment(v any) (string, error) {
	b, err := json.Marshal(v)
	return base64.RawURLEncoding.EncodeToString(b), err
}

// endSession answers where to send the browser so that the issuer ends its session too and sends the customer back.
func (p *relyingParty) endSession(r *http.Request, idToken string) (string, error) {
	_, at, err := p.discover(r.Context())
	if err != nil {
		return "", err
	}
	if at == "" {
		return "", errors.New("the issuer offers no logout")
	}
	u, err := url.Parse(at)
	if err != nil {
		return "", err
	}
	u.RawQuery = url.Values{"id_token_hint": {idToken}, "client_id": {p.cfg.ClientID}, "post_logout_redirect_uri": {p.cfg.URL + LoggedOutPath}}.Encode()
	return u.String(), nil
}

// defaultClient has short limits, follows no redirect, and looks for names under localhost on this machine (RFC 6761), which not every resolver does.
func defaultClient() *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	return &http.Client{
		Timeout:       10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			TLSHandshakeTimeout: 5 * time.Second, MaxIdleConns: 10, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				if host, port, err := net.SplitHostPort(addr); err == nil && strings.HasSuffix(host, ".localhost") {
					addr = net.JoinHostPort("localhost", port)
				}
				return dialer.DialContext(ctx, network, addr)
			},
		},
	}
}
