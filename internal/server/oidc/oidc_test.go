package oidc_test

import (
	"errors"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"
	"golang.org/x/oauth2"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// TestLogin goes the whole way with both kinds of client and holds the ID token to what happened.
func TestLogin(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		b := w.browser()
		for i, id := range []string{"bank", "portal"} {
			p := w.party(id)
			token, err := p.redeem(p.code(b))
			check(t, err)
			got := p.idToken(token)
			var c struct {
				ACR, Name string
				AMR       []string
				AuthTime  int64 `json:"auth_time"`
			}
			check(t, got.Claims(&c))
			if got.Subject != subject || got.Nonce != p.nonce || c.Name != "山田 花子" || c.ACR != authority.ACRPassword || !slices.Equal(c.AMR, []string{"pwd"}) ||
				c.AuthTime != w.Clock.Now().Unix() {
				t.Errorf("%s: ID token of %s with %+v", id, got.Subject, c)
			}
			info, err := p.provider.UserInfo(w.context(), oauth2.StaticTokenSource(token))
			check(t, err)
			if info.Subject != subject {
				t.Errorf("userinfo of %s", info.Subject)
			}
			if b.logins != 1 {
				t.Errorf("after client %d the login page was seen %d times; the session should serve the second", i, b.logins)
			}
		}
	})
}

// TestPasskeyIsToldAsWhatItWas: the bank reads whether it was phishing-resistant, that the user was verified, and whether the key can be copied.
func TestPasskeyIsToldAsWhatItWas(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		inside := w.LogIn(w.login, authority.PC)
		phone := inside.Enrol()
		for keep, flags := range map[string]byte{"hwk": 0, "swk": testkit.BackupEligible | testkit.BackedUp} {
			device := testkit.NewAuthenticator()
			device.Flags |= flags
			e, err := w.Ask(t.Context(), inside.Session, authority.AddPasskey, "")
			check(t, err)
			inside.Approve(e, phone, transaction.Yes)
			options, err := w.PasskeyOptions(t.Context(), inside.Session, e.ID)
			check(t, err)
			_, err = w.AddPasskey(t.Context(), inside.Session, e.ID, keep, device.Create(options, w.Bank.LoginOrigin))
			check(t, err)
			w.passkey = device
			p := w.party("bank")
			token, err := p.redeem(p.code(w.browser()))
			check(t, err)
			var c struct {
				ACR string
				AMR []string
			}
			check(t, p.idToken(token).Claims(&c))
			if c.ACR != "phr" || !slices.Equal(c.AMR, []string{"pop", "user", keep}) {
				t.Errorf("the bank is told %+v of a passkey with %s", c, keep)
			}
		}
	})
}

// TestLessAsked sees no name where the scope does not ask for it.
func TestLessAsked(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.party("bank")
		p.config.Scopes = []string{"openid"}
		token, err := p.redeem(p.code(w.browser()))
		check(t, err)
		var c map[string]any
		check(t, p.idToken(token).Claims(&c))
		if _, ok := c["name"]; ok {
			t.Error("the name is told without scope profile")
		}
	})
}

// TestRefusedRedemptions tries every way to a token that is not the right one.
func TestRefusedRedemptions(t *testing.T) {
	for name, try := range map[string]func(w *world, p *party, code string) error{
		"wrong verifier": func(_ *world, p *party, code string) error {
			p.verifier = oauth2.GenerateVerifier()
			_, err := p.redeem(code)
			return err
		},
		"no verifier": func(_ *world, p *party, code string) error {
			_, err := p.config.Exchange(p.w.context(), code)
			return err
		},
		"wrong redirect address": func(_ *world, p *party, code string) error {
			p.config.RedirectURL = bankBye
			_, err := p.redeem(code)
			return err
		},
		"another client": func(w *world, p *party, code string) error {
			other := w.party("portal")
			other.verifier = p.verifier
			_, err := other.redeem(code)
			return err
		},
		"wrong secret": func(_ *world, p *party, code string) error {
			p.config.ClientSecret += "x"
			_, err := p.redeem(code)
			return err
		},
		"no secret": func(_ *world, p *party, code string) error {
			p.config.ClientSecret, p.config.Endpoint.AuthStyle = "", oauth2.AuthStyleInParams
			_, err := p.redeem(code)
			return err
		},
		"expired code": func(w *world, p *party, code string) error {
			w.Clock.Move(authority.OIDCCodeLife)
			_, err := p.redeem(code)
			return err
		},
		"code from before the fence": func(w *world, p *party, code string) error {
			check(w.t, w.RaiseFence(w.t.Context()))
			_, err := p.redeem(code)
			return err
		},
		"no such code": func(_ *world, p *party, _ string) error {
			_, err := p.redeem("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				p := w.party("bank")
				code := p.code(w.browser())
				refused(t, try(w, p, code))
			})
		})
	}
}

// TestReplay redeems a code twice: the second is refused and takes back what the first was given.
func TestReplay(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.party("bank")
		code := p.code(w.browser())
		token, err := p.redeem(code)
		check(t, err)
		_, err = p.redeem(code)
		refused(t, err)
		if _, err := p.provider.UserInfo(w.context(), oauth2.StaticTokenSource(token)); err == nil {
			t.Error("the access token of a replayed code still opens userinfo")
		}
	})
}

// TestParallelRedemption redeems one code sixteen times at the same moment, sixty times over: one of them succeeds, always.
func TestParallelRedemption(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		b := w.browser()
		for round := range 60 {
			p := w.party("bank")
			code := p.code(b)
			var won atomic.Int32
			var start, done sync.WaitGroup
			start.Add(1)
			for range 16 {
				done.Go(func() {
					start.Wait()
					if _, err := p.redeem(code); err == nil {
						won.Add(1)
					} else if f := new(oauth2.RetrieveError); !errors.As(err, &f) || f.Response.StatusCode >= 500 {
						t.Errorf("round %d: %v", round, err)
					}
				})
			}
			start.Done()
			done.Wait()
			if won.Load() != 1 {
				t.Fatalf("round %d: %d redemptions succeeded", round, won.Load())
			}
		}
	})
}

// TestCodeDiesWithTheSession logs the customer out between the answer and the redemption.
func TestCodeDiesWithTheSession(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		b := w.browser()
		p := w.party("bank")
		code := p.code(b)
		first := w.party("bank")
		token, err := first.redeem(first.code(b))
		check(t, err)
		raw, _ := token.Extra("id_token").(string)
		b.open(w.host.URL + "/oidc/logout?" + url.Values{"id_token_hint": {raw}}.Encode())
		_, err = p.redeem(code)
		refused(t, err)
		if _, err := first.provider.UserInfo(w.context(), oauth2.StaticTokenSource(token)); err == nil {
			t.Error("an access token outlives its session")
		}
	})
}

func TestAssertions(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		b := w.browser()
		for name, change := range map[string]func(*jwt.Claims){
			"other audience": func(c *jwt.Claims) { c.Audience = jwt.Audience{"https://other.example"} },
			"expired":        func(c *jwt.Claims) { c.Expiry = jwt.NewNumericDate(time.Now().Add(-time.Minute)) },
			"too long":       func(c *jwt.Claims) { c.Expiry = jwt.NewNumericDate(time.Now().Add(time.Hour)) },
			"no identifier":  func(c *jwt.Claims) { c.ID = "" },
			"other subject":  func(c *jwt.Claims) { c.Subject = "bank" },
		} {
			p := w.party("portal")
			if _, err := p.redeem(p.code(b), p.proof(p.assertion(change))...); err == nil {
				t.Errorf("%s: accepted", name)
			}
		}
		p := w.party("portal")
		used := p.assertion(nil)
		_, err := p.redeem(p.code(b), p.proof(used)...)
		check(t, err)
		again := w.party("portal")
		if _, err := again.redeem(again.code(b), again.proof(used)...); err == nil {
			t.Error("an assertion was accepted twice")
		}
	})
}

// refused wants the token endpoint to have said no, and not to have failed.
func refused(t *testing.T, err error) {
	t.Helper()
	f := new(oauth2.RetrieveError)
	if !errors.As(err, &f) || f.Response.StatusCode < 400 || f.Response.StatusCode >= 500 {
		t.Errorf("answered %v", err)
	}
}
