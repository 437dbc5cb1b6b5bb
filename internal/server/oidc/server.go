// Package oidc is the door of OpenID Connect: the bank's internet banking sends the customer here and learns who she is.
//
// The protocol itself is a library's (github.com/luikyv/go-oidc); this package chooses what of it is open – authorization code with PKCE (S256),
// pushed requests, ES256, logout – and says what happened at the login, no more and no less. The library's storage (storage.go) asks the
// authority, which redeems every code by one conditional statement, because the library itself only reads, checks and writes.
package oidc

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/luikyv/go-oidc/pkg/goidc"
	"github.com/luikyv/go-oidc/pkg/provider"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/server/web"
)

// prefix is the part of the login host that is ours, beside the well-known address.
const prefix = "/oidc"

// policy is the content security policy of what a person may see here: the pages of Leave and Sorry.
const policy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// assertionLife is the longest life of a client's assertion that is accepted; the authority remembers used ones for longer.
const assertionLife = 5 * time.Minute

// Config is all that the door can touch.
type Config struct {
	Issuer    string // origin of the login host
	Authority *authority.Authority

	// Leave shows a page that goes on to another site by itself. Browsers apply the form-action of the login page to redirects that follow it, so
	// after a form the way back to the bank must begin on a page of its own.
	Leave func(w http.ResponseWriter, r *http.Request, to string)
	// Sorry shows a page that explains why a login cannot go on: "client-refused" or "login-over".
	Sorry func(w http.ResponseWriter, r *http.Request, status int, kind string)

	Log *slog.Logger
}

// Server answers the addresses of OpenID Connect on the login host.
type Server struct {
	Config
	protocol  http.Handler
	discovery []byte
}

// New makes the door. The first signing key is made here, so that a key that cannot be opened stops the start and not the first login.
func New(ctx context.Context, c Config) (*Server, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if _, err := c.Authority.OIDCKeys(ctx); err != nil {
		return nil, fmt.Errorf("oidc: signing key: %w", err)
	}
	s := &Server{Config: c}
	p, err := s.provider()
	if err != nil {
		return nil, err
	}
	s.protocol = p.Handler()
	s.discovery, err = s.describe(ctx)
	return s, err
}

// Mount lists the routes. What the library could do beyond them, such as the registration of clients by anybody, has no route. The handlers bring
// their own headers and must not stand behind web.Harden: a bank's page may post to the beginning of a login or logout, which changes nothing by itself.
func (s *Server) Mount(mux *http.ServeMux) {
	door := web.Shield(s.way(s.protocol), policy)
	mux.Handle("GET /.well-known/openid-configuration", web.Shield(http.HandlerFunc(s.serveDiscovery), policy))
	for _, route := range []string{"GET /jwks", "GET /authorize", "POST /authorize", "GET /authorize/{request}", "GET /logout", "POST /logout", "GET /logout/{request}",
		"POST /par", "POST /token", "GET /userinfo", "POST /userinfo"} {
		method, path, _ := strings.Cut(route, " ")
		mux.Handle(method+" "+prefix+path, door)
	}
}

func (s *Server) provider() (*provider.Provider, error) {
	store := &storage{s}
	handle := func(context.Context) string { return s.Authority.NewOIDCHandle() }
	return provider.New(s.Issuer, store, s.publicKeys,
		provider.WithPathPrefix(prefix),
		provider.WithAuthCodeGrant(store, goidc.ResponseTypeCode),
		provider.WithAuthCodeLifetime(seconds(authority.OIDCCodeLife)),
		provider.WithAuthTimeout(seconds(authority.OIDCRequestLife)),
		provider.WithPKCERequired(goidc.CodeChallengeMethodSHA256),
		provider.WithPAR(store),
		provider.WithIssuerResponseParameter(),
		provider.WithOpenIDScopeRequired(),
		provider.WithScopes(goidc.ScopeOpenID, goidc.ScopeProfile),
		provider.WithACRs(authority.ACRPassword, authority.ACROneTimePassword, authority.ACRPasskey),
		provider.WithClaims(goidc.ClaimSubject, goidc.ClaimAuthTime, goidc.ClaimACR, goidc.ClaimAMR, goidc.ClaimName, claimCooling, claimChanges),
		provider.WithIDTokenSignatureAlgs(goidc.ES256),
		provider.WithIDTokenLifetime(seconds(s.Authority.Rules().SessionLife)),
		provider.WithIDTokenClaims(s.idTokenClaims),
		provider.WithUserInfoClaims(s.userInfoClaims),
		provider.WithUserInfoSignatureAlgs(goidc.ES256),
		provider.WithTokenOptions(func(context.Context, *goidc.Grant, *goidc.Client) goidc.TokenOptions {
			return goidc.NewOpaqueTokenOptions(seconds(authority.OIDCAccessLife))
		}),
		provider.WithTokenAuthnMethods(goidc.AuthnMethodPrivateKeyJWT, goidc.AuthnMethodSecretBasic),
		provider.WithPrivateKeyJWTSignatureAlgs(goidc.ES256, goidc.PS256),
		provider.WithJWTLifetime(seconds(assertionLife)),
		provider.WithVerifyClientSecretFunc(func(_ context.Context, kept, given string) error { return s.Authority.CheckOIDCSecret(kept, given) }),
		provider.WithConsumeJTIFunc(s.Authority.UseOIDCAssertion),
		provider.WithSignerFunc(s.signer),
		provider.WithPolicies(goidc.NewPolicy("login", func(*http.Request, *goidc.AuthnSession, *goidc.Client) bool { return true }, s.authenticate)),
		provider.WithLogout(store, s.loggedOut),
		provider.WithLogoutPolicies(goidc.NewLogoutPolicy("logout", func(*http.Request, *goidc.LogoutSession) bool { return true }, s.logout)),
		// The library looks clients up in its own list or here. Nobody registers through this door: the routes are not mounted and the storage refuses.
		provider.WithDCR(store),
		provider.WithDCRValidateInitialTokenFunc(func(context.Context, string) error { return errClosed }),
		provider.WithRenderErrorFunc(s.renderError),
		provider.WithHandleErrorFunc(s.noteError),
		provider.WithAuthCodeFunc(handle), provider.WithPARIDFunc(handle), provider.WithAuthnSessionIDFunc(handle), provider.WithLogoutSessionIDFunc(handle),
		provider.WithOpaqueTokenFunc(func(context.Context, *goidc.Grant) string { return s.Authority.NewOIDCHandle() }),
		provider.WithGrantIDFunc(func(context.Context) string { return s.Authority.NewOIDCGrantID() }),
	)
}

var errClosed = errors.New("oidc: clients are registered by the operator only")

func seconds(d time.Duration) int { return int(d / time.Second) }

// publicKeys is the key set as the world sees it.
func (s *Server) publicKeys(ctx context.Context) (goidc.JSONWebKeySet, error) {
	keys, err := s.Authority.OIDCKeys(ctx)
	if err != nil {
		return goidc.JSONWebKeySet{}, err
	}
	var set goidc.JSONWebKeySet
	for _, k := range keys {
		set.Keys = append(set.Keys, goidc.JSONWebKey{Key: k.Public, KeyID: k.ID, Algorithm: string(jose.ES256), Use: "sig"})
	}
	return set, nil
}

func (s *Server) signer(ctx context.Context, _ goidc.SignatureAlgorithm) (string, crypto.Signer, error) {
	keys, err := s.Authority.OIDCKeys(ctx)
	if err != nil {
		return "", nil, err
	}
	return keys[0].ID, keys[0].Signer, nil
}

// describe asks the library for its discovery document once and takes out what has no route here.
func (s *Server) describe(ctx context.Context) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Issuer+"/.well-known/openid-configuration", nil)
	if err != nil {
		return nil, err
	}
	w := &collector{header: http.Header{}}
	s.protocol.ServeHTTP(w, r)
	var doc map[string]any
	if err := json.Unmarshal(w.body, &doc); err != nil {
		return nil, fmt.Errorf("oidc: discovery: %w", err)
	}
	delete(doc, "registration_endpoint")
	doc["response_modes_supported"] = []string{"query"}
	doc["prompt_values_supported"] = []string{"none", "login"}
	doc["ui_locales_supported"] = []string{"ja", "en"}
	doc["backchannel_logout_supported"] = true
	doc["backchannel_logout_session_supported"] = true
	return json.Marshal(doc)
}

func (s *Server) serveDiscovery(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=300")
	_, _ = w.Write(s.discovery)
}

// collector takes an answer that nobody waits for.
type collector struct {
	header http.Header
	body   []byte
}

// Header is the header of the answer.
func (c *collector) Header() http.Header { return c.header }

// WriteHeader has nothing to do.
func (c *collector) WriteHeader(int) {}

// Write keeps the body.
func (c *collector) Write(b []byte) (int, error) {
	c.body = append(c.body, b...)
	return len(b), nil
}
