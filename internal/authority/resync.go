package authority

import (
	"context"
	"strconv"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/otp"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// Resync takes over how far the clock of a token is off that nothing else can correct, from two codes in a row, after a right login password. It is the gate for a code, with the same counter, and gives
// less than a code does: both codes are used up, and nothing is open. The next one logs in.
func (a *Authority) Resync(ctx context.Context, s Session, first, second string) error {
	if s.Full {
		return problem.New(problem.StepUp)
	}
	if _, err := a.customer(ctx, s.Customer); err != nil { // stopped since the password
		return err
	}
	return a.do(ctx, s.Actor(), audit.TokenResync, func(ctx context.Context, d *deed) error {
		d.on(s.Customer, "")
		if err := d.unstopped(ctx, s.Customer); err != nil {
			return err
		}
		return d.spendPair(ctx, s.Customer, first, second)
	})
}

// spendPair is spendOTPs for two codes in a row: behind the same lock, with the same counter, and as many tries as there are for single codes, whichever of the two is tried.
func (d *deed) spendPair(ctx context.Context, customerID, first, second string) error {
	rows, err := d.LockTokens(ctx, string(oneTimePassword), []string{customerID})
	if err != nil {
		return err
	}
	row, ok := rows[customerID]
	if !ok {
		return d.refuse(problem.New(problem.TokenNone))
	}
	s := &spend{deed: d, customer: customerID, key: row.OtpKey, token: store.OTPToken(row), count: db.Attempt{Tries: row.Tries, BlockedUntil: row.BlockedUntil}, wrong: problem.ResyncRefused}
	if refusal := s.shut(); refusal != nil {
		return d.refuse(refusal)
	}
	key, err := d.a.Keys.Open("token.otp_key", tokenPlace("otp_key", s.token), s.key)
	if err != nil {
		return err
	}
	step, verdict := otp.Resync(key, first, second, s.token.Digits, otp.StepAt(d.now, s.token.Step), s.token.LastStep)
	if verdict == otp.Wrong {
		return s.countWrong(ctx)
	}
	before := s.token.Drift
	s.token.Drift = otp.ResyncDrift(step, d.now, s.token.Step) // by this clock is said how long she waits
	if verdict == otp.Used {
		s.refuseUsed()
		return d.duplicate(ctx, customerID)
	}
	once, err := store.Once(d.ResyncToken(ctx, db.ResyncTokenParams{ID: s.token.ID, LastStep: step, Drift: s.token.Drift, ExpiresAt: store.Micros(d.now), StepAt: stepStart(*d.a.Rules(), step-1)}))
	if err != nil {
		return err
	}
	if !once { // the first step lies below the fence
		s.refuseUsed()
		return nil
	}
	if s.count.Tries > 0 {
		if err := clearTries(ctx, d.Queries, customerID, oneTimePassword, ""); err != nil {
			return err
		}
	}
	t, err := d.TokenByID(ctx, s.token.ID)
	if err != nil {
		return err
	}
	d.object, d.detail = t.ID, drifted(before, s.token.Drift)
	return d.tellObject(ctx, customerID, "token_resynced", t.ID, map[string]string{"phone": t.Platform})
}

// forgetDrift puts right what is known of a token's clock as soon as its own signed request has the right time: the app makes its codes and its requests by one clock, which it corrects when it reaches us. The request
// says by itself which clock that is, so nothing hangs on whether our answer arrives, and a token without a drift costs nothing.
func (a *Authority) forgetDrift(ctx context.Context, row *db.Token, signed, now time.Time) error {
	if row.Drift == 0 || token.State(row.State) != token.Active || !otp.Agrees(signed, now, store.Token(*row).Step) {
		return nil
	}
	err := a.do(ctx, audit.Actor{Kind: audit.Server}, audit.TokenResync, func(ctx context.Context, d *deed) error {
		d.on(row.Customer, row.ID)
		d.detail = drifted(row.Drift, 0)
		once, err := store.Once(d.ForgetDrift(ctx, db.ForgetDriftParams{ID: row.ID, Drift: row.Drift}))
		if err == nil && !once { // another request of the same moment was faster, or two codes
			err = problem.New(problem.Conflict)
		}
		return err
	})
	if err == nil {
		row.Drift = 0
	}
	if problem.KindOf(err) != "" { // what the token came for does not hang on this
		return nil
	}
	return err
}

// drifted is how far a token's clock was off, and is now, in steps.
func drifted(before, after int64) map[string]string {
	return map[string]string{"drift_from": strconv.FormatInt(before, 10), "drift_to": strconv.FormatInt(after, 10)}
}
