package authority

import (
	"context"
	"errors"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/enrolment"
	"github.com/inkan-auth/inkan/internal/domain/otp"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/signing"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// StartToken is the start of use: the code that the registered app shows is typed in the bank's session, which proves that the phone in the
// customer's hand is the one that the server talked to (M-06). From then on every login asks for a code; sessions opened without one end.
func (a *Authority) StartToken(ctx context.Context, s Session, code string) (Cookie, error) {
	if _, err := a.applicant(ctx, s); err != nil {
		return Cookie{}, err
	}
	var cookie Cookie
	err := a.do(ctx, s.Actor(), audit.TokenStart, func(ctx context.Context, d *deed) error {
		d.on(s.Customer, "")
		row, err := d.OpenEnrolment(ctx, s.Customer)
		if errors.Is(err, store.ErrNone) || err == nil && !store.Enrolment(row).Started() { // any other is started where it was begun
			return problem.New(problem.EnrolmentNone)
		}
		if err != nil {
			return err
		}
		t, ok, err := d.startUse(ctx, store.Enrolment(row), code)
		if err != nil || !ok {
			return err
		}
		next := s
		next.AMR = withOTP(s.AMR)
		if cookie, err = d.replaceSession(ctx, s, next); err != nil {
			return err
		}
		if err := d.endOthers(ctx, s.Customer, hashCookie(cookie.Session), s.Chain); err != nil {
			return err
		}
		change := TokenStarted
		if row.Purpose == string(enrolment.Release) { // it takes the place of one that staff have ended
			change = TokenReissued
		}
		return errors.Join(d.cool(ctx, s.Customer, change, t.ID, false), d.tellObject(ctx, s.Customer, "token_started", t.ID, map[string]string{"phone": t.Platform}))
	})
	return cookie, err
}

// startUse judges the first code of a registered token and, where it is right, puts the token into use and whatever it replaces out of it: in this write, so that there are never two. When it
// returns false the deed has been refused and must return.
func (d *deed) startUse(ctx context.Context, e enrolment.Enrolment, code string) (t token.Token, ok bool, err error) {
	a := d.a
	if e.State != enrolment.Registered {
		return t, false, problem.New(problem.EnrolmentNone)
	}
	if err := d.unfrozen(ctx, Registrations); err != nil {
		return t, false, err
	}
	d.object = e.Token
	n, err := d.CountStartTry(ctx, db.CountStartTryParams{ID: e.ID, ExpiresAt: store.Micros(d.now), StartTries: int64(a.Rules().StartTries)})
	if errors.Is(err, store.ErrNone) {
		return t, false, problem.New(problem.EnrolmentNone)
	}
	if err != nil {
		return t, false, err
	}
	tok, err := d.TokenByID(ctx, e.Token)
	if err != nil {
		return t, false, err
	}
	t = store.Token(tok)
	key, err := a.Keys.Open("token.otp_key", tokenPlace("otp_key", t), tok.OtpKey)
	if err != nil {
		return t, false, err
	}
	now := otp.StepAt(d.now, t.Step)
	step, verdict := otp.Check(key, code, t.Digits, otp.StartWindow(now, a.Rules().MaxDrift), t.LastStep)
	if verdict != otp.Right {
		if int(n) >= a.Rules().StartTries {
			return t, false, errors.Join(d.endEnrolment(ctx, e, enrolment.Burn), d.burnt(ctx, e), d.refuse(problem.New(problem.StartBurnt)))
		}
		return t, false, d.refuse(problem.New(problem.StartRefused, "tries_left", a.Rules().StartTries-int(n)))
	}
	if e.Purpose != enrolment.First {
		if err := d.replaceToken(ctx, e.Customer); err != nil {
			return t, false, err
		}
	}
	started, err := store.Once(d.Queries.StartToken(ctx, db.StartTokenParams{ID: t.ID, StartedAt: store.Micros(d.now), LastStep: step,
		Drift: otp.LearnDrift(step, now, a.Rules().MaxDrift), StepAt: stepStart(*a.Rules(), step)}))
	if err != nil {
		return t, false, err
	}
	if !started {
		return t, false, problem.New(problem.Conflict)
	}
	// A lock on codes belongs to the token that earned it, not to the next one.
	return t, true, errors.Join(d.endEnrolmentStarted(ctx, e), clearTries(ctx, d.Queries, e.Customer, oneTimePassword, ""))
}

// replaceToken ends the token that another one takes the place of, whatever its state.
func (d *deed) replaceToken(ctx context.Context, customerID string) error {
	row, err := d.CurrentToken(ctx, customerID)
	if errors.Is(err, store.ErrNone) { // its use was stopped meanwhile
		return nil
	}
	if err != nil {
		return err
	}
	to, ok := token.Life.Next(token.State(row.State), token.Replace)
	if !ok {
		return problem.New(problem.Conflict)
	}
	return errors.Join(store.Must(d.SetTokenState(ctx, db.SetTokenStateParams{ID: row.ID, State: string(to), EndedAt: store.Micros(d.now), State_2: row.State})),
		d.also(ctx, audit.TokenReplace, row.ID), d.DeletePush(ctx, row.ID))
}

// endEnrolmentStarted completes the enrolment of a token that has just become active.
func (d *deed) endEnrolmentStarted(ctx context.Context, e enrolment.Enrolment) error {
	to, _ := enrolment.Life.Next(enrolment.Registered, enrolment.Start)
	return store.Must(d.EndEnrolment(ctx, db.EndEnrolmentParams{ID: e.ID, State: string(to), EndedAt: store.Micros(d.now), State_2: string(enrolment.Registered)}))
}

// AskToStop begins the stop of the token in use, with the confirmation password; the token app has the last word. A code does not: whoever relays one from a look-alike page would be rid of
// every code after it (B-06).
func (a *Authority) AskToStop(ctx context.Context, s Session, confirm []byte) (Errand, error) {
	if !s.Full { // who has not shown her code yet tries no confirmation passwords
		return Errand{}, problem.New(problem.StepUp)
	}
	c, err := a.customer(ctx, s.Customer)
	if err != nil {
		return Errand{}, err
	}
	if err := a.checkPassword(ctx, s.Actor(), audit.TokenStop, c, confirmPassword, confirm); err != nil {
		return Errand{}, err
	}
	return a.Ask(ctx, s, StopUse, "")
}

// StopToken ends the use of the token in use, once its app has approved that. The waiting time before the next application begins.
func (a *Authority) StopToken(ctx context.Context, s Session, errand string) error {
	c, err := a.customer(ctx, s.Customer)
	if err != nil {
		return err
	}
	return a.do(ctx, s.Actor(), audit.TokenStop, func(ctx context.Context, d *deed) error {
		row, err := d.errand(ctx, s, errand)
		if err != nil {
			return err
		}
		if err := d.spend(ctx, row, StopUse, ""); err != nil {
			return err
		}
		t, err := d.LiveToken(ctx, c.ID)
		if errors.Is(err, store.ErrNone) {
			return problem.New(problem.TokenNone)
		}
		if err != nil {
			return err
		}
		d.object = t.ID
		to, _ := token.Life.Next(token.Active, token.Revoke)
		if err := store.Must(d.SetTokenState(ctx, db.SetTokenStateParams{ID: t.ID, State: string(to), EndedAt: store.Micros(d.now), State_2: string(token.Active)})); err != nil {
			return err
		}
		if err := d.SetReapply(ctx, db.SetReapplyParams{ID: c.ID, ReapplyAt: store.Micros(d.now.Add(a.Rules().WaitAfterCancel))}); err != nil {
			return err
		}
		return errors.Join(d.cancelOpen(ctx, c.ID), d.EndTransactionAuth(ctx, c.ID), d.DeletePush(ctx, t.ID), d.tellObject(ctx, c.ID, "token_stopped", t.ID, nil))
	})
}

// TokenStatus is what a registered token may learn about itself.
type TokenStatus struct {
	State    token.State
	Expires  time.Time
	Now      time.Time
	Contract signing.Contract
	Move     *Move // that it waits for; nil elsewhere

	Stopped     time.Time // since when the customer's service stands still; zero where it does not
	Ended       time.Time // when this token was replaced or revoked; zero elsewhere
	ObjectUntil time.Time // until when this token, which was replaced, can say that this was not her; zero elsewhere
}

// ReadToken tells a token that has proved itself what became of it (docs/protocol.md, Requests of a registered token).
func (a *Authority) ReadToken(ctx context.Context, p Proof) (TokenStatus, error) {
	row, now, err := a.prove(ctx, p)
	if err != nil {
		return TokenStatus{}, err
	}
	c, err := a.Store.Reader().CustomerByID(ctx, row.Customer)
	if err != nil {
		return TokenStatus{}, err
	}
	t := store.Token(row)
	m, err := a.moveOfToken(ctx, row, now)
	return TokenStatus{State: t.ShownState(now), Expires: t.Expires, Now: now, Contract: a.contract(c), Move: m, Stopped: store.Time(c.StoppedAt), Ended: store.Time(row.EndedAt), ObjectUntil: a.objectsUntil(row, now)}, err
}
