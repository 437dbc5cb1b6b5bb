package oidc_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"

	rp "github.com/coreos/go-oidc/v3/oidc"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/server/web"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// A login that ends here ends at the bank as well, and is told under the name that the ID token gave it; a session that is merely replaced is told nothing.
func TestTheEndOfALoginIsTold(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		var mu sync.Mutex
		var told []string
		down := true
		bank := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			if down {
				rw.WriteHeader(http.StatusBadGateway)
				return
			}
			told = append(told, r.PostFormValue("logout_token"))
		}))
		t.Cleanup(bank.Close)
		secret, err := w.CreateOIDCClient(t.Context(), authority.OIDCClient{ID: "listening", Name: "Listening", Method: authority.ClientSecretBasic, RedirectURIs: []string{bankReturn}, LogoutURI: bank.URL + "/back"})
		check(t, err)
		w.Authority.Bank.LoginOrigin = w.host.URL
		p := w.party("bank")
		p.config.ClientID, p.config.ClientSecret = "listening", secret
		b := w.browser()
		token, err := p.redeem(p.code(b))
		check(t, err)
		var claims struct {
			Login string `json:"sid"`
		}
		check(t, p.idToken(token).Claims(&claims))

		// She changes a password: the session is replaced, the login goes on.
		at, err := url.Parse(w.host.URL)
		check(t, err)
		r := &http.Request{Header: http.Header{}}
		for _, c := range b.client.Jar.Cookies(at) {
			r.AddCookie(c)
		}
		session, err := web.SessionOf(r.WithContext(t.Context()), w.Authority)
		check(t, err)
		cookie, err := w.ChangePassword(t.Context(), session, authority.LoginPassword, []byte(testkit.Login), []byte("brand-new-word-1"), "")
		check(t, err)
		deliver(t, w)
		session, err = w.SessionOf(t.Context(), cookie.Session)
		check(t, err)
		if session.Chain != claims.Login {
			t.Fatalf("the login is called %q after the change, the ID token called it %q", session.Chain, claims.Login)
		}

		check(t, w.Logout(t.Context(), session))
		deliver(t, w) // the bank is down
		w.Clock.Move(5e9)
		mu.Lock()
		down = false
		mu.Unlock()
		deliver(t, w)
		deliver(t, w)
		if len(told) != 1 {
			t.Fatalf("%d logout tokens, want one", len(told))
		}
		got, err := p.provider.Verifier(&rp.Config{ClientID: "listening", SupportedSigningAlgs: []string{"ES256"}, Now: w.Clock.Now}).VerifyLogout(w.context(), told[0])
		check(t, err)
		if got.SessionID != claims.Login || got.Subject != subject {
			t.Errorf("told of %q of %q, want %q of %q", got.SessionID, got.Subject, claims.Login, subject)
		}
	})
}

func deliver(t *testing.T, w *world) {
	t.Helper()
	_, err := w.DeliverDue(context.WithoutCancel(t.Context()))
	check(t, err)
}
