package oidc_test

import (
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// TestCautionIsToldWithALogin: a bank that asks nothing else reads in the login that something was changed, until when to be careful, and whether the token app had approved it; where nothing was, nothing is said.
func TestCautionIsToldWithALogin(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		told := func(p *party, token *oauth2.Token) (c struct {
			Until   int64 `json:"inkan_cooling_off_until"`
			Changes []struct {
				Change       string
				Since, Until int64
				Approved     bool
			} `json:"inkan_changes"`
		}) {
			t.Helper()
			check(t, p.idToken(token).Claims(&c))
			return c
		}
		p := w.party("bank")
		token, err := p.redeem(p.code(w.browser()))
		check(t, err)
		if c := told(p, token); c.Until != 0 || len(c.Changes) != 0 {
			t.Errorf("without a change the bank is told %+v", c)
		}
		if err := w.RestartService(t.Context(), subject); problem.KindOf(err) != problem.ServiceRunning {
			t.Errorf("a restart of a service that runs: %v", err)
		}
		inside := w.LogIn(w.login, authority.PC)
		check(t, second(w.StopSession(t.Context(), inside.Session)))
		if info, err := p.provider.UserInfo(w.context(), oauth2.StaticTokenSource(token)); err == nil {
			t.Errorf("after the stop the bank still reads of %s", info.Subject)
		}
		check(t, w.RestartService(t.Context(), subject))
		token, err = p.redeem(p.code(w.browser()))
		check(t, err)
		c := told(p, token)
		if now := w.Clock.Now().Unix(); c.Until != now+24*3600 || len(c.Changes) != 1 || c.Changes[0].Change != "service_restarted" || c.Changes[0].Approved || c.Changes[0].Since != now || c.Changes[0].Until != c.Until {
			t.Errorf("after a restart the bank is told %+v", c)
		}
		info, err := p.provider.UserInfo(w.context(), oauth2.StaticTokenSource(token))
		check(t, err)
		var claims map[string]any
		check(t, info.Claims(&claims))
		if claims["inkan_changes"] == nil || claims["inkan_cooling_off_until"] == nil {
			t.Errorf("userinfo says %v", claims)
		}
	})
}

// TestACodeDiesWithTheService: a code that is on its way when the service stops is worth nothing.
func TestACodeDiesWithTheService(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.party("bank")
		code := p.code(w.browser())
		_, err := w.StopByFactor(t.Context(), testkit.Visit(authority.Smartphone), strings.ToUpper(w.login), authority.StopByConfirm, testkit.Confirm)
		check(t, err)
		_, err = p.redeem(code)
		refused(t, err)
	})
}

func second[T any](_ T, err error) error { return err }
