package oidc_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// TestBadRequests: what cannot be trusted to lead back to the client stays here; the rest goes back with an error and without a code.
func TestBadRequests(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		b := w.browser()
		for name, change := range map[string]func(url.Values){
			"unknown client":     func(q url.Values) { q.Set("client_id", "nobody") },
			"other redirect":     func(q url.Values) { q.Set("redirect_uri", "https://evil.example/") },
			"longer redirect":    func(q url.Values) { q.Set("redirect_uri", bankReturn+"/more") },
			"no redirect":        func(q url.Values) { q.Del("redirect_uri") },
			"request by address": func(q url.Values) { q.Set("request_uri", "https://evil.example/r") },
		} {
			if r := b.open(spoilt(w, change)); r.status != http.StatusBadRequest || r.body != "client-refused" {
				t.Errorf("%s: %d %s %s", name, r.status, r.at, r.body)
			}
		}
		for name, change := range map[string]func(url.Values){
			"no challenge":   func(q url.Values) { q.Del("code_challenge"); q.Del("code_challenge_method") },
			"plain":          func(q url.Values) { q.Set("code_challenge_method", "plain") },
			"implicit":       func(q url.Values) { q.Set("response_type", "id_token") },
			"hybrid":         func(q url.Values) { q.Set("response_type", "code id_token") },
			"no openid":      func(q url.Values) { q.Set("scope", "profile") },
			"offline access": func(q url.Values) { q.Set("scope", "openid offline_access") },
		} {
			r := b.open(spoilt(w, change))
			answer, err := url.ParseQuery(r.at.RawQuery + "&" + r.at.Fragment) // a client that asks for tokens in the address reads the fragment
			if err != nil || r.at.Host != "bank.example" || answer.Get("error") == "" || answer.Has("code") || answer.Has("id_token") || answer.Get("state") != "state-1" {
				t.Errorf("%s: %d %s", name, r.status, r.at)
			}
		}
		if b.logins != 0 {
			t.Error("a bad request reached the login page")
		}
	})
}

// TestPushed sends the request through the back channel first.
func TestPushed(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		b := w.browser()
		p := w.party("bank")
		u, err := url.Parse(p.address())
		check(t, err)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.host.URL+"/oidc/par", strings.NewReader(u.RawQuery))
		check(t, err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.SetBasicAuth("bank", w.secret)
		resp, err := w.host.Client().Do(req)
		check(t, err)
		defer resp.Body.Close()
		var pushed struct {
			RequestURI string `json:"request_uri"`
		}
		check(t, json.NewDecoder(resp.Body).Decode(&pushed))
		front := p.config.Endpoint.AuthURL + "?" + url.Values{"client_id": {"bank"}, "response_type": {"code"}, "scope": {"openid profile"}, "request_uri": {pushed.RequestURI}}.Encode()
		r := b.open(front)
		token, err := p.redeem(r.at.Query().Get("code"))
		check(t, err)
		if got := p.idToken(token); got.Nonce != p.nonce {
			t.Error("the pushed request was not the one answered")
		}
		if r := b.open(front); r.at.Host == "bank.example" {
			t.Error("a pushed request was used twice")
		}
	})
}

// TestWhatTheClientMayAskOfTheLogin: silence, a new login, a recent one.
func TestWhatTheClientMayAskOfTheLogin(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		b := w.browser()
		p := w.party("bank")
		prompt := func(s string) oauth2.AuthCodeOption { return oauth2.SetAuthURLParam("prompt", s) }
		if r := b.open(p.address(prompt("none"))); r.at.Query().Get("error") != "login_required" || b.logins != 0 {
			t.Errorf("silent without a session: %s", r.at)
		}
		p.code(b)
		p.code(b, prompt("none"))
		if b.logins != 1 {
			t.Errorf("%d logins before a new one is asked for", b.logins)
		}
		w.Clock.Move(time.Minute)
		p.code(b, prompt("login"))
		if b.logins != 2 {
			t.Errorf("%d logins after prompt=login", b.logins)
		}
		w.Clock.Move(2 * time.Minute)
		p.code(b, oauth2.SetAuthURLParam("max_age", "180"))
		p.code(b, oauth2.SetAuthURLParam("max_age", "60"))
		if b.logins != 3 {
			t.Errorf("%d logins after max_age", b.logins)
		}
	})
}

// TestCancelAndReturn: the customer can go back to the bank without logging in, and an answered request answers no more.
func TestCancelAndReturn(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		b := w.browser()
		var requests []string
		follow := b.client.CheckRedirect
		b.client.CheckRedirect = func(r *http.Request, via []*http.Request) error {
			if next := r.URL.Query().Get("next"); next != "" {
				requests = append(requests, next)
			}
			return follow(r, via)
		}
		p := w.party("bank")
		p.code(b)
		if r := b.open(w.host.URL + requests[0]); r.status != http.StatusForbidden || r.body != "login-over" {
			t.Errorf("an answered request: %d %s %s", r.status, r.at, r.body)
		}
		other := w.browser()
		other.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
			if next := r.URL.Query().Get("next"); next != "" {
				requests = append(requests, next)
				return http.ErrUseLastResponse
			}
			return follow(r, nil)
		}
		resp, err := other.client.Get(p.address())
		check(t, err)
		resp.Body.Close()
		if r := other.open(w.host.URL + requests[len(requests)-1] + "?cancel=1"); r.at.Host != "bank.example" || r.at.Query().Get("error") != "access_denied" {
			t.Errorf("cancelled: %d %s", r.status, r.at)
		}
	})
}

func TestLogout(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		b := w.browser()
		p := w.party("bank")
		token, err := p.redeem(p.code(b))
		check(t, err)
		raw, _ := token.Extra("id_token").(string)
		end := func(q url.Values) rest { return b.open(w.host.URL + "/oidc/logout?" + q.Encode()) }
		if r := end(url.Values{"client_id": {"bank"}, "post_logout_redirect_uri": {bankBye}}); !strings.HasPrefix(r.body, "really? /oidc/logout/") {
			t.Errorf("without a hint nobody asked: %s %s", r.at, r.body)
		}
		if r := end(url.Values{"id_token_hint": {raw}, "client_id": {"bank"}, "post_logout_redirect_uri": {"https://evil.example/"}}); r.status != http.StatusBadRequest {
			t.Errorf("a foreign address after logout: %d %s", r.status, r.at)
		}
		p.code(b)
		if b.logins != 1 {
			t.Fatal("the session ended without a reason")
		}
		if r := end(url.Values{"id_token_hint": {raw}, "client_id": {"bank"}, "post_logout_redirect_uri": {bankBye}, "state": {"s"}}); r.at.String() != bankBye+"?state=s" {
			t.Errorf("logged out to %s", r.at)
		}
		p.code(b)
		if b.logins != 2 {
			t.Error("the session outlived the logout")
		}
	})
}

// TestClosedDoors: what the library could do and we do not offer is neither described nor there.
func TestClosedDoors(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		resp, err := w.host.Client().Get(w.host.URL + "/.well-known/openid-configuration")
		check(t, err)
		defer resp.Body.Close()
		raw, err := io.ReadAll(resp.Body)
		check(t, err)
		var doc map[string]any
		check(t, json.Unmarshal(raw, &doc))
		for key, want := range map[string]string{"registration_endpoint": "null", "id_token_signing_alg_values_supported": `["ES256"]`, "response_types_supported": `["code"]`,
			"grant_types_supported": `["authorization_code"]`, "code_challenge_methods_supported": `["S256"]`, "subject_types_supported": `["public"]`,
			"issuer": `"` + w.host.URL + `"`, "end_session_endpoint": `"` + w.host.URL + `/oidc/logout"`} {
			if got, _ := json.Marshal(doc[key]); string(got) != want {
				t.Errorf("%s is %s, wanted %s", key, got, want)
			}
		}
		for _, path := range []string{"register", "introspect", "revoke", "bc-authorize", "device_authorization"} {
			resp, err := w.host.Client().Post(w.host.URL+"/oidc/"+path, "application/json", strings.NewReader("{}"))
			check(t, err)
			resp.Body.Close()
			if resp.StatusCode != http.StatusNotFound {
				t.Errorf("/oidc/%s answers %d", path, resp.StatusCode)
			}
		}
	})
}

// TestNothingUsableAtRest looks for codes, tokens and secrets in the file of the database.
func TestNothingUsableAtRest(t *testing.T) {
	file := filepath.Join(t.TempDir(), "inkan.db")
	db, err := store.OpenSQLite(t.Context(), file)
	check(t, err)
	t.Cleanup(func() { _ = db.Close() })
	w := newWorld(t, testkit.New(t, db))
	b := w.browser()
	p := w.party("bank")
	unused := p.code(b)
	token, err := p.redeem(p.code(b))
	check(t, err)
	idToken, _ := token.Extra("id_token").(string)
	b.open(w.host.URL + "/oidc/logout?" + url.Values{"id_token_hint": {idToken}}.Encode())
	var all []byte
	for _, suffix := range []string{"", "-wal"} {
		raw, err := os.ReadFile(file + suffix)
		check(t, err)
		all = append(all, raw...)
	}
	if !bytes.Contains(all, []byte(subject)) {
		t.Fatal("this is not the database")
	}
	for name, s := range map[string]string{"code": unused, "access token": token.AccessToken, "client secret": w.secret, "verifier": p.verifier, "ID token": idToken} {
		if s == "" || bytes.Contains(all, []byte(s)) {
			t.Errorf("the %s can be read in the database", name)
		}
	}
}

func TestRegistrationRules(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		good := authority.OIDCClient{ID: "third", Method: authority.ClientSecretBasic, RedirectURIs: []string{"http://bank.localhost:8080/login/return"}}
		for name, change := range map[string]func(*authority.OIDCClient){
			"name":     func(c *authority.OIDCClient) { c.ID = "A b" },
			"taken":    func(c *authority.OIDCClient) { c.ID = "bank" },
			"method":   func(c *authority.OIDCClient) { c.Method = "none" },
			"http":     func(c *authority.OIDCClient) { c.RedirectURIs = []string{"http://bank.example/"} },
			"fragment": func(c *authority.OIDCClient) { c.RedirectURIs = []string{"https://bank.example/#x"} },
			"star":     func(c *authority.OIDCClient) { c.RedirectURIs = []string{"https://*.bank.example/"} },
			"script":   func(c *authority.OIDCClient) { c.RedirectURIs = []string{"javascript:alert(1)"} },
			"no key":   func(c *authority.OIDCClient) { c.Method = authority.PrivateKeyJWT },
			"private key": func(c *authority.OIDCClient) {
				c.Method, c.JWKS = authority.PrivateKeyJWT, `{"keys":[{"kty":"EC","crv":"P-256","kid":"k","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}]}`
			},
		} {
			c := good
			change(&c)
			if _, err := w.CreateOIDCClient(t.Context(), c); err == nil {
				t.Errorf("%s: accepted", name)
			}
		}
		if secret, err := w.CreateOIDCClient(t.Context(), good); err != nil || len(secret) != 43 {
			t.Errorf("the good one: %v", err)
		}
	})
}

func spoilt(w *world, change func(url.Values)) string {
	u, err := url.Parse(w.party("bank").address())
	check(w.t, err)
	q := u.Query()
	change(q)
	u.RawQuery = q.Encode()
	return u.String()
}

// TestPostedRequest: a bank's page may post its request here, from its own origin; the answer carries the headers of every page.
func TestPostedRequest(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		b := w.browser()
		u, err := url.Parse(w.party("bank").address())
		check(t, err)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.host.URL+u.Path, strings.NewReader(u.RawQuery+"&ui_locales=fr+en-GB+ja"))
		check(t, err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", "https://bank.example")
		req.Header.Set("Sec-Fetch-Site", "cross-site")
		resp, err := b.client.Do(req)
		check(t, err)
		defer resp.Body.Close()
		if at, err := url.Parse(w.host.URL); err != nil || !slices.ContainsFunc(b.client.Jar.Cookies(at), func(c *http.Cookie) bool { return c.Name == "__Host-lang" && c.Value == "en" }) {
			t.Error("the login pages were not told which language the customer reads")
		}
		if b.logins != 1 || !strings.HasPrefix(resp.Header.Get("Refresh"), "0; url="+bankReturn+"?code=") {
			t.Errorf("came to rest at %d %s after %d logins", resp.StatusCode, resp.Request.URL, b.logins)
		}
		for name, want := range map[string]string{"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"} {
			if got := resp.Header.Get(name); !strings.Contains(got, want) {
				t.Errorf("%s is %q", name, got)
			}
		}
	})
}

// TestSweep: requests, grants and access tokens do not stay for ever, and their acts stay in the trail.
func TestSweep(t *testing.T) {
	swept := func(t *testing.T, s *store.Store, driver, address string) {
		t.Helper()
		w := newWorld(t, testkit.New(t, s))
		raw, err := sql.Open(driver, address)
		check(t, err)
		t.Cleanup(func() { _ = raw.Close() })
		kept := func() (n int) {
			check(t, raw.QueryRowContext(t.Context(), "SELECT (SELECT count(*) FROM oidc_request) + (SELECT count(*) FROM oidc_grant) + (SELECT count(*) FROM oidc_access)").Scan(&n))
			return n
		}
		p := w.party("bank")
		_, err = p.redeem(p.code(w.browser()))
		check(t, err)
		if n := kept(); n != 3 {
			t.Errorf("a login left %d rows, not a request, a grant and an access token", n)
		}
		w.Clock.Move(3 * time.Hour)
		check(t, w.SweepDue(t.Context()))
		if n := kept(); n != 0 {
			t.Errorf("%d rows are left", n)
		}
		c, err := w.Store.Reader().CustomerByLoginID(t.Context(), w.login)
		check(t, err)
		rows, err := w.Store.Reader().EntriesOf(t.Context(), db.EntriesOfParams{Customer: c.ID, ID: "ent_~", Limit: 100})
		check(t, err)
		for _, action := range []string{"access.grant", "access.redeem"} {
			n := 0
			for _, e := range rows {
				if e.Action == action && e.Outcome == "done" {
					n++
				}
			}
			if n != 1 {
				t.Errorf("%d entries of %s", n, action)
			}
		}
	}
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		file := filepath.Join(t.TempDir(), "inkan.db")
		s, err := store.OpenSQLite(t.Context(), file)
		check(t, err)
		t.Cleanup(func() { _ = s.Close() })
		swept(t, s, "sqlite", "file:"+file)
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		address := testkit.PostgresAddress(t)
		s, err := store.OpenPostgres(t.Context(), address, 16)
		check(t, err)
		t.Cleanup(func() { _ = s.Close() })
		swept(t, s, "pgx", address)
	})
}
