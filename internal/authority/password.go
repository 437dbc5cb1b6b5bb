package authority

import (
	"context"
	"errors"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/customer"
	"github.com/inkan-auth/inkan/internal/domain/password"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// Which names one of a customer's two passwords.
type Which string

// The two passwords.
const (
	LoginPassword   Which = "login"
	ConfirmPassword Which = "confirm"
)

// SetFirstPasswords replaces what the bank handed out: both passwords, or after a release the one that was in the letter; the other one stays hers, and what is given for it is not looked at. The login password was
// shown a moment ago; the confirmation password is asked for here, so that whoever found an open session cannot take the account over. The session is replaced.
func (a *Authority) SetFirstPasswords(ctx context.Context, s Session, oldConfirm, newLogin, newConfirm []byte) (Cookie, error) {
	c, err := a.customer(ctx, s.Customer)
	if err != nil {
		return Cookie{}, err
	}
	if !s.Full || !c.MustChange() {
		return Cookie{}, problem.New(problem.StepUp)
	}
	if c.LoginInitial {
		others := [][]byte{oldConfirm}
		if c.ConfirmInitial {
			others = append(others, newConfirm)
		}
		if err := a.judge(c, LoginPassword, newLogin, others...); err != nil {
			return Cookie{}, err
		}
	}
	if c.ConfirmInitial {
		others := [][]byte{oldConfirm}
		if c.LoginInitial {
			others = append(others, newLogin)
		}
		if err := a.judge(c, ConfirmPassword, newConfirm, others...); err != nil {
			return Cookie{}, err
		}
	}
	if err := a.checkPassword(ctx, s.Actor(), audit.PasswordChange, c, confirmPassword, oldConfirm); err != nil {
		return Cookie{}, err
	}
	var login, confirm string
	if c.LoginInitial {
		if login, err = a.hashNew(ctx, LoginPassword, newLogin, c.LoginPassword); err != nil {
			return Cookie{}, err
		}
	}
	if c.ConfirmInitial {
		if confirm, err = a.hashNew(ctx, ConfirmPassword, newConfirm, c.LoginPassword); err != nil {
			return Cookie{}, err
		}
	}
	return a.changePasswords(ctx, s, func(ctx context.Context, d *deed) error {
		version := c.Version
		d.detail = map[string]string{"which": "both", "initial": "yes"}
		if !c.LoginInitial {
			d.detail["which"] = string(ConfirmPassword)
		} else if !c.ConfirmInitial {
			d.detail["which"] = string(LoginPassword)
		}
		if c.LoginInitial {
			if err := store.Must(d.SetLoginPassword(ctx, db.SetLoginPasswordParams{ID: c.ID, LoginPassword: login, Version: version})); err != nil {
				return err
			}
			version++
		}
		if c.ConfirmInitial {
			return store.Must(d.SetConfirmPassword(ctx, db.SetConfirmPasswordParams{ID: c.ID, ConfirmPassword: confirm, Version: version}))
		}
		return nil
	})
}

// hashNew is the hash of a new password that is not the one which another hash is of.
func (a *Authority) hashNew(ctx context.Context, which Which, new []byte, other string) (string, error) {
	if same, _, err := a.verifyPassword(ctx, true, new, other); err != nil || same {
		return "", orWeak(err, which)
	}
	return a.hashPassword(ctx, new)
}

// ChangePassword replaces one password. It needs the old one and, where a token is in use, a one-time password (R-008; docs/deviations.md says what comes
// later). Other sessions of the customer end; every address is told.
func (a *Authority) ChangePassword(ctx context.Context, s Session, which Which, old, new []byte, code string) (Cookie, error) {
	c, err := a.customer(ctx, s.Customer)
	if err != nil {
		return Cookie{}, err
	}
	if step, err := a.NextStep(ctx, s); err != nil || step == StepOTP || step == StepRenew || step == StepPasswords {
		return Cookie{}, orKind(err, problem.StepUp)
	}
	f, other := loginPassword, c.ConfirmPassword
	if which == ConfirmPassword {
		f, other = confirmPassword, c.LoginPassword
	}
	if err := a.judge(c, which, new, old); err != nil {
		return Cookie{}, err
	}
	if err := a.checkPassword(ctx, s.Actor(), audit.PasswordChange, c, f, old); err != nil {
		return Cookie{}, err
	}
	hash, err := a.hashNew(ctx, which, new, other)
	if err != nil {
		return Cookie{}, err
	}
	return a.changePasswords(ctx, s, func(ctx context.Context, d *deed) error {
		d.detail = map[string]string{"which": string(which)}
		if hasToken, err := d.tokenInUse(ctx, c.ID); err != nil {
			return err
		} else if hasToken {
			if ok, err := d.spendOTP(ctx, c.ID, code); err != nil || !ok {
				return err
			}
		}
		if which == LoginPassword {
			return store.Must(d.SetLoginPassword(ctx, db.SetLoginPasswordParams{ID: c.ID, LoginPassword: hash, Version: c.Version}))
		}
		return store.Must(d.SetConfirmPassword(ctx, db.SetConfirmPasswordParams{ID: c.ID, ConfirmPassword: hash, Version: c.Version}))
	})
}

// changePasswords is the write that both ways of changing share.
func (a *Authority) changePasswords(ctx context.Context, s Session, f func(context.Context, *deed) error) (cookie Cookie, err error) {
	err = a.do(ctx, s.Actor(), audit.PasswordChange, func(ctx context.Context, d *deed) error {
		d.on(s.Customer, "")
		if err := f(ctx, d); err != nil || d.kept != nil {
			return err
		}
		if cookie, err = d.replaceSession(ctx, s, s); err != nil {
			return err
		}
		if err := d.endOthers(ctx, s.Customer, hashCookie(cookie.Session), s.Chain); err != nil {
			return err
		}
		return errors.Join(d.cool(ctx, s.Customer, PasswordChanged, "", false), d.tellObject(ctx, s.Customer, "password_changed", "", nil))
	})
	return cookie, err
}

// judge refuses a new password that others could guess. It costs no hash.
func (a *Authority) judge(c customer.Customer, which Which, new []byte, others ...[]byte) error {
	floor := a.Rules().PasswordFloor
	if which == ConfirmPassword {
		floor = a.Rules().ConfirmFloor
	}
	known := []string{c.LoginID, c.AccountNumber, c.Phone, c.Ref}
	if reason := password.Judge(string(new), floor, a.Listed, known...); reason != "" {
		return problem.New(problem.PasswordWeak, "which", string(which), "reason", reason, "floor", floor)
	}
	for _, o := range others {
		if string(o) == string(new) {
			return problem.New(problem.PasswordWeak, "which", string(which), "reason", password.Same)
		}
	}
	return nil
}

func orWeak(err error, which Which) error {
	if err != nil {
		return err
	}
	return problem.New(problem.PasswordWeak, "which", string(which), "reason", password.Same)
}

func orKind(err error, k problem.Kind) error {
	if err != nil {
		return err
	}
	return problem.New(k)
}
