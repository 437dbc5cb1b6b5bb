package authority

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/customer"
	"github.com/inkan-auth/inkan/internal/domain/enrolment"
	"github.com/inkan-auth/inkan/internal/domain/incident"
	"github.com/inkan-auth/inkan/internal/domain/otp"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// StopFactor is what a customer who is not logged in shows to stop her service: one of the things she has, whichever is at hand (B-05).
type StopFactor string

// The factors.
const (
	StopByLogin   StopFactor = "login"
	StopByConfirm StopFactor = "confirm"
	StopByCode    StopFactor = "code"
)

// Stop is how a service stands after an emergency stop.
type Stop struct {
	Since time.Time
	Now   bool // this one has stopped it; false where it stood still already
}

// stop is a stop under way: what it has withdrawn is told when it is written.
type stop struct {
	Stop
	customer  string
	withdrawn []string
}

// stopService is the emergency stop, whoever asks for it: nobody logs in any more by whatever means, every session ends and the bank is told, what waits is withdrawn, a phone that is being
// registered becomes worthless, and every address hears of it. A second time changes nothing and is no error.
func (d *deed) stopService(ctx context.Context, customerID string) (s stop, err error) {
	s.customer = customerID
	stopped, err := store.Once(d.StopCustomer(ctx, db.StopCustomerParams{ID: customerID, StoppedAt: store.Micros(d.now)}))
	if err != nil {
		return s, err
	}
	if !stopped {
		c, err := d.CustomerByID(ctx, customerID)
		s.Since = store.Time(c.StoppedAt)
		return s, err
	}
	s.Since, s.Now = d.now, true
	// What was proved before the stop opens nothing after it: whoever is on the road back proves it again.
	if err := d.withdrawReissues(ctx, customerID); err != nil {
		return s, err
	}
	chains, err := d.EndAllSessions(ctx, db.EndAllSessionsParams{Customer: customerID, EndedAt: store.Micros(d.now)})
	if err != nil {
		return s, err
	}
	for _, chain := range chains {
		if err := d.tellBank(ctx, customerID, chain); err != nil {
			return s, err
		}
	}
	open, err := d.OpenTxns(ctx, customerID)
	if err != nil {
		return s, err
	}
	for _, row := range open {
		s.withdrawn = append(s.withdrawn, row.ID)
	}
	if row, err := d.OpenEnrolment(ctx, customerID); err == nil {
		if err := d.endEnrolment(ctx, store.Enrolment(row), enrolment.Cancel); err != nil {
			return s, err
		}
	} else if !errors.Is(err, store.ErrNone) {
		return s, err
	}
	return s, errors.Join(d.cancelOpen(ctx, customerID), d.tellAll(ctx, customerID, "service_stopped", nil))
}

// told lets phones and pages know what a stop has withdrawn.
func (a *Authority) told(s stop) {
	for _, id := range s.withdrawn {
		a.tell(id, s.customer)
	}
}

// stopBy is the whole deed where nothing else belongs to it.
func (a *Authority) stopBy(ctx context.Context, by audit.Actor, customerID string, detail map[string]string) (Stop, error) {
	var s stop
	err := a.do(ctx, by, audit.ServiceStop, func(ctx context.Context, d *deed) (err error) {
		d.on(customerID, "")
		d.detail = detail
		if s, err = d.stopService(ctx, customerID); err != nil || detail["by"] != "old_token" {
			return err
		}
		return d.incident(ctx, incident.Objection, customerID, customerID, map[string]string{"by": "old_token", "about": detail["token"], "source": by.Source, "device": by.Device})
	})
	if err == nil {
		a.told(s)
	}
	return s.Stop, err
}

// StopSession stops the service of the customer of a session, with no further question.
func (a *Authority) StopSession(ctx context.Context, s Session) (Stop, error) {
	return a.stopBy(ctx, s.Actor(), s.Customer, map[string]string{"by": "session"})
}

// StopByToken stops the service of the customer whose token proves itself.
func (a *Authority) StopByToken(ctx context.Context, p Proof) (Stop, error) {
	row, now, err := a.prove(ctx, p)
	if err != nil {
		return Stop{}, err
	}
	if !owes(store.Token(row).ShownState(now)) { // not of a phone that was never in use, or is not any more
		return Stop{}, problem.New(problem.TokenNone)
	}
	return a.stopBy(ctx, tokenActor(row, p), row.Customer, map[string]string{"by": "token"})
}

// StopReasons are the reasons for which a system of the bank may stop a service.
var StopReasons = []string{"customer", "fraud", "other"}

// StopByBank stops the service of a customer for a system of the bank.
func (a *Authority) StopByBank(ctx context.Context, by audit.Actor, ref, reason string) (Stop, error) {
	c, err := a.customerByRef(ctx, ref)
	if err != nil {
		return Stop{}, err
	}
	if !slices.Contains(StopReasons, reason) {
		return Stop{}, problem.New(problem.Malformed, "field", "reason")
	}
	return a.stopBy(ctx, by, c.ID, map[string]string{"by": "bank", "reason": reason})
}

// customerByRef finds a customer by the bank's own reference.
func (a *Authority) customerByRef(ctx context.Context, ref string) (db.Customer, error) {
	if !isRef(ref) {
		return db.Customer{}, problem.New(problem.NotFound)
	}
	c, err := a.Store.Reader().CustomerByRef(ctx, ref)
	if errors.Is(err, store.ErrNone) {
		return c, problem.New(problem.NotFound)
	}
	return c, err
}

// StopByFactor stops the service of somebody who is not logged in and shows one factor. To a stranger wrong name, wrong secret and a factor that is blocked are one refusal after the same work.
//
// Tries are counted as at the log-in: strangers have their lane, a known browser its own. A stranger's wrong confirmation passwords and codes count in that lane and not where she herself types
// them, so that this page, which asks for no password first, locks nobody out and no token.
func (a *Authority) StopByFactor(ctx context.Context, v Visit, loginID string, by StopFactor, secret string) (Stop, error) {
	now, err := a.moment()
	if err != nil {
		return Stop{}, err
	}
	f, stored := oneTimePassword, a.unknown // a code is compared after the same work as a password
	ctx = context.WithoutCancel(ctx)
	c, known, err := a.findLogin(ctx, loginID)
	if err != nil {
		return Stop{}, err
	}
	switch by {
	case StopByLogin:
		f = loginPassword
	case StopByConfirm:
		f = confirmPassword
	case StopByCode:
	default:
		return Stop{}, problem.New(problem.Malformed, "field", "by")
	}
	if known && by == StopByLogin {
		stored = c.LoginPassword
	} else if known && by == StopByConfirm {
		stored = c.ConfirmPassword
	}
	lane, err := a.laneOf(ctx, v, c.ID)
	if err != nil {
		return Stop{}, err
	}
	source := "stop " + v.Actor.Source // a count of its own: whoever fails to log in from her network keeps nobody from this door
	if lane == strangers {
		if err := a.sourceOpen(ctx, source, now); err != nil {
			return Stop{}, err
		}
	}
	var blocked error
	var tries int
	err = a.Store.Housekeep(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		if !known { // as Login has it
			_, err = tx.CountThrottle(ctx, db.CountThrottleParams{Bucket: "nobody", StartedAt: store.Micros(now), Stale: store.Micros(now)})
			return err
		}
		tries, blocked = takeTry(ctx, tx.Queries, *a.Rules(), now, c.ID, f, lane)
		if problem.KindOf(blocked) == "" {
			return blocked
		}
		return nil
	})
	if err != nil {
		return Stop{}, err
	}
	right, _, err := a.verifyPassword(ctx, lane != strangers, []byte(secret), stored)
	var code shownCode
	if err == nil && by == StopByCode && known {
		code, right, err = a.shown(ctx, c.ID, secret, now)
	}
	if err != nil {
		if known && blocked == nil {
			err = errors.Join(err, a.giveBack(ctx, c.ID, f, lane))
		}
		return Stop{}, err
	}
	refused := problem.New(problem.StopRefused)
	if !right || !known || blocked != nil {
		d := &deed{a: a, now: now, by: v.Actor, action: audit.ServiceStop, customer: c.ID, detail: map[string]string{"by": string(by), "lane": laneWord(lane)}}
		if known && blocked == nil && left(*a.Rules(), tries) == 0 {
			if err := a.tellBlocked(ctx, c.ID, f); err != nil {
				return Stop{}, err
			}
		}
		return Stop{}, errors.Join(a.sourceFailed(ctx, source, now), a.writeRefusal(ctx, d, refused))
	}
	var s stop
	err = a.do(ctx, v.Actor, audit.ServiceStop, func(ctx context.Context, d *deed) error {
		d.on(c.ID, "")
		d.detail = map[string]string{"by": string(by), "lane": laneWord(lane)}
		if by == StopByCode {
			once, err := store.Once(d.AcceptStep(ctx, db.AcceptStepParams{ID: code.token.ID, LastStep: code.step, Drift: code.token.Drift, ExpiresAt: store.Micros(d.now), StepAt: stepStart(*a.Rules(), code.step)}))
			if err != nil || !once { // used meanwhile
				return orKind(err, problem.StopRefused)
			}
		}
		if err := clearTries(ctx, d.Queries, c.ID, f, lane); err != nil {
			return err
		}
		s, err = d.stopService(ctx, c.ID)
		return err
	})
	if err == nil {
		a.told(s)
	}
	return s.Stop, err
}

// laneOf is where a visit's tries of a customer's passwords are counted.
func (a *Authority) laneOf(ctx context.Context, v Visit, customerID string) (string, error) {
	if v.Browser == "" || customerID == "" {
		return strangers, nil
	}
	b, err := a.Store.Reader().BrowserByHash(ctx, db.BrowserByHashParams{Hash: hashCookie(v.Browser), Customer: customerID})
	if errors.Is(err, store.ErrNone) {
		return strangers, nil
	}
	return b.ID, err
}

// shownCode is a code that is live, of a token in use.
type shownCode struct {
	token token.Token
	step  int64
}

// shown says whether the customer's token shows this code now. It has not been used up when this returns.
func (a *Authority) shown(ctx context.Context, customerID, code string, now time.Time) (shownCode, bool, error) {
	row, err := a.Store.Reader().CurrentToken(ctx, customerID)
	if errors.Is(err, store.ErrNone) {
		return shownCode{}, false, nil
	}
	t := store.Token(row)
	if err != nil || t.ShownState(now) != token.Active {
		return shownCode{}, false, err
	}
	key, err := a.Keys.Open("token.otp_key", tokenPlace("otp_key", t), row.OtpKey)
	if err != nil {
		return shownCode{}, false, err
	}
	step, verdict := otp.Check(key, code, t.Digits, otp.Live(otp.StepAt(now, t.Step), t.Drift), t.LastStep)
	return shownCode{t, step}, verdict == otp.Right, nil
}

// restartService ends a stop in the write of the deed that has proved who asks. What was withdrawn stays withdrawn. Strangers' tries at the stop begin anew.
func (d *deed) restartService(ctx context.Context, customerID string) error {
	restarted, err := store.Once(d.RestartCustomer(ctx, customerID))
	if err != nil || !restarted {
		return err
	}
	if d.action != audit.ServiceRestart {
		if err := d.also(ctx, audit.ServiceRestart, ""); err != nil {
			return err
		}
	}
	if _, err := d.EndAllSessions(ctx, db.EndAllSessionsParams{Customer: customerID, EndedAt: store.Micros(d.now)}); err != nil { // one that was being opened in the moment of the stop
		return err
	}
	for _, f := range []factor{loginPassword, confirmPassword, oneTimePassword} {
		if err := clearTries(ctx, d.Queries, customerID, f, strangers); err != nil {
			return err
		}
	}
	return errors.Join(d.cool(ctx, customerID, ServiceRestarted, "", false), d.tellObject(ctx, customerID, "service_restarted", "", nil))
}

// RestartService is the road back for an operator: the customer's own is the re-issue.
func (a *Authority) RestartService(ctx context.Context, ref string) error {
	return a.byOperator(ctx, ref, audit.ServiceRestart, func(ctx context.Context, d *deed, c db.Customer) error {
		if c.StoppedAt == 0 {
			return problem.New(problem.ServiceRunning)
		}
		return d.restartService(ctx, c.ID)
	})
}

// byOperator does something for the customer of a reference by the operator's hand.
func (a *Authority) byOperator(ctx context.Context, ref string, action audit.Action, f func(ctx context.Context, d *deed, c db.Customer) error) error {
	return a.do(ctx, audit.Actor{Kind: audit.Operator}, action, func(ctx context.Context, d *deed) error {
		c, err := d.CustomerByRef(ctx, ref)
		if err != nil {
			return orKind(notNone(err), problem.NotFound)
		}
		d.on(c.ID, "")
		return f(ctx, d, c)
	})
}

// unstopped refuses where the customer's service stands still.
func (d *deed) unstopped(ctx context.Context, customerID string) error {
	c, err := d.CustomerByID(ctx, customerID)
	if err == nil && c.State != string(customer.Active) {
		return problem.New(problem.ServiceStopped)
	}
	return err
}

// objectsUntil is until when a token that was replaced can say that this was not her; zero where it cannot.
func (a *Authority) objectsUntil(row db.Token, now time.Time) time.Time {
	until := store.Time(row.EndedAt).Add(a.Rules().ObjectionTime)
	if row.State != string(token.Replaced) || !until.After(now) {
		return time.Time{}
	}
	return until
}

// ObjectByToken stops the service because the phone that was left behind says: that was not me. Its key is good for this and nothing else, for as long as an old address is told too (B-07).
func (a *Authority) ObjectByToken(ctx context.Context, p Proof) (Stop, error) {
	row, now, err := a.prove(ctx, p)
	if err != nil {
		return Stop{}, err
	}
	if row.State != string(token.Replaced) {
		return Stop{}, problem.New(problem.TokenNone)
	}
	if a.objectsUntil(row, now).IsZero() {
		return Stop{}, a.writeRefusal(ctx, &deed{a: a, now: now, by: tokenActor(row, p), action: audit.ServiceStop, customer: row.Customer},
			problem.New(problem.ObjectionLate, "until", store.Time(row.EndedAt).Add(a.Rules().ObjectionTime)))
	}
	// Once: the phone that a re-issue has replaced may be a thief's by now, and must not stop her again and again.
	if err := a.useProof(ctx, db.UseProofParams{ID: hashCookie("objection|" + row.ID), ExpiresAt: store.Micros(store.Time(row.EndedAt).Add(2 * a.Rules().ObjectionTime))}); err != nil {
		return Stop{}, err
	}
	return a.stopBy(ctx, tokenActor(row, p), row.Customer, map[string]string{"by": "old_token", "token": row.ID})
}
