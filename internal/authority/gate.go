package authority

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/customer"
	"github.com/inkan-auth/inkan/internal/domain/otp"
	"github.com/inkan-auth/inkan/internal/domain/password"
	"github.com/inkan-auth/inkan/internal/domain/policy"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// factor is one thing a customer proves herself with. Counters belong to the customer and the factor, never to a session or a page.
type factor string

const (
	loginPassword   factor = "login_password"
	confirmPassword factor = "confirm_password"
	oneTimePassword factor = "otp"
)

// strangers is the lane of browsers that were never seen; each known browser has a lane of its own.
const strangers = "stranger"

// takeTry counts a failed try of a password before the secret is looked at, in a write of its own that no error path undoes. It gives how many there are now, or
// refuses because the factor is blocked. Success gives them all back (clearTries).
//
// The fifth try sets the block as it is taken, so that a sixth one that comes at the same moment finds the door closed: never more than five
// secrets are evaluated in one round, however many arrive together.
func takeTry(ctx context.Context, q *db.Queries, p policy.Policy, now time.Time, customerID string, f factor, lane string) (int, error) {
	hard := p.TriesForLife
	row, err := q.ReserveTry(ctx, tryParams(p, now, customerID, f, lane, hard))
	if err == nil {
		return int(row.Tries), nil
	}
	if !errors.Is(err, store.ErrNone) {
		return 0, err
	}
	at, err := q.AttemptOf(ctx, db.AttemptOfParams{Customer: customerID, Factor: string(f), Lane: lane})
	if err != nil {
		return 0, err
	}
	return 0, noTry(at, f, hard)
}

func tryParams(p policy.Policy, now time.Time, customerID string, f factor, lane string, hard int) db.ReserveTryParams {
	return db.ReserveTryParams{Customer: customerID, Factor: string(f), Lane: lane, Every: int64(p.TriesPerBlock), Base: p.BlockFirst.Microseconds(),
		Cap: p.BlockLongest.Microseconds(), Now: store.Micros(now), Hard: int64(hard)}
}

// noTry is the refusal for a factor that has no try left, now or ever. It never says that there is one: whoever was refused the try must not look.
func noTry(at db.Attempt, f factor, hard int) error {
	switch {
	case int(at.Tries) < hard:
		return problem.New(problem.FactorBlocked, "factor", string(f), "until", store.Time(at.BlockedUntil))
	case f == oneTimePassword:
		return problem.New(problem.OTPLocked)
	}
	return problem.New(problem.FactorBlocked, "factor", string(f))
}

func clearTries(ctx context.Context, q *db.Queries, customerID string, f factor, lane string) error {
	return q.ClearTries(ctx, db.ClearTriesParams{Customer: customerID, Factor: string(f), Lane: lane})
}

// left is how many tries remain before the next block, after n were taken.
func left(p policy.Policy, n int) int { return (p.TriesPerBlock - n%p.TriesPerBlock) % p.TriesPerBlock }

// checkPassword is the gate for a password inside a session: confirmation password, or login password when it is changed. It takes the try, hashes with no
// write open, and gives the try back when the password is right. A right one whose hash is weaker than today's is hashed anew.
func (a *Authority) checkPassword(ctx context.Context, by audit.Actor, action audit.Action, c customer.Customer, f factor, given []byte) error {
	now, err := a.moment()
	if err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	const lane = "" // inside a session the customer is known: one lane for all of her browsers
	var n int
	err = a.Store.Housekeep(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		n, err = takeTry(ctx, tx.Queries, *a.Rules(), now, c.ID, f, lane)
		return err
	})
	if err == nil {
		stored, kind := c.ConfirmPassword, problem.ConfirmRefused
		if f == loginPassword {
			stored, kind = c.LoginPassword, problem.PasswordRefused
		}
		var ok, weak bool
		if ok, weak, err = a.verifyPassword(ctx, true, given, stored); err == nil && ok {
			err = a.Store.Housekeep(ctx, func(ctx context.Context, tx *store.Tx) error { return clearTries(ctx, tx.Queries, c.ID, f, lane) })
			if err == nil && weak {
				err = a.rehash(ctx, c.ID, f, stored, given)
			}
			return err
		}
		switch {
		case err != nil: // nothing was looked at, so nothing was tried
			return errors.Join(err, a.giveBack(ctx, c.ID, f, lane))
		case left(*a.Rules(), n) == 0:
			if err := a.tellBlocked(ctx, c.ID, f); err != nil {
				return err
			}
			err = a.blockedNow(ctx, c.ID, f, lane)
		default:
			err = problem.New(kind, "tries_left", left(*a.Rules(), n))
		}
	}
	if problem.KindOf(err) == "" {
		return err
	}
	return a.writeRefusal(ctx, &deed{a: a, now: now, by: by, action: action, customer: c.ID}, err)
}

// rehash puts a hash of today's costs in the place of the one that a right password was just compared with. It is the server's own act: what the customer
// came for may still be refused, and the better hash stays. A refusal, because many are hashing or another request was faster, is not hers: the hash that
// stands opens as before, and where it is still the weak one the next right try comes here again.
func (a *Authority) rehash(ctx context.Context, customerID string, f factor, old string, given []byte) error {
	hash, err := a.hashPassword(ctx, given)
	if err == nil {
		err = a.do(ctx, audit.Actor{Kind: audit.Server}, audit.PasswordRehash, func(ctx context.Context, d *deed) error {
			d.on(customerID, "")
			d.detail = map[string]string{"factor": string(f)}
			var once bool
			var err error
			if f == loginPassword {
				once, err = store.Once(d.RehashLoginPassword(ctx, db.RehashLoginPasswordParams{ID: customerID, LoginPassword: hash, LoginPassword_2: old}))
			} else {
				once, err = store.Once(d.RehashConfirmPassword(ctx, db.RehashConfirmPasswordParams{ID: customerID, ConfirmPassword: hash, ConfirmPassword_2: old}))
			}
			if err == nil && !once {
				return problem.New(problem.Conflict)
			}
			return err
		})
	}
	if problem.KindOf(err) != "" {
		return nil
	}
	return err
}

// giveBack returns a try that was taken and never used.
func (a *Authority) giveBack(ctx context.Context, customerID string, f factor, lane string) error {
	return a.Store.Housekeep(ctx, func(ctx context.Context, tx *store.Tx) error {
		return tx.GiveBackTry(ctx, a.giveBackParams(customerID, f, lane))
	})
}

func (a *Authority) giveBackParams(customerID string, f factor, lane string) db.GiveBackTryParams {
	return db.GiveBackTryParams{Customer: customerID, Factor: string(f), Lane: lane, Every: int64(a.Rules().TriesPerBlock), Base: a.Rules().BlockFirst.Microseconds()}
}

// tellBlocked tells the customer that a factor of hers was wrong so often that it is closed for a while.
func (a *Authority) tellBlocked(ctx context.Context, customerID string, f factor) error {
	return a.do(ctx, audit.Actor{Kind: audit.Server}, audit.FactorBlock, func(ctx context.Context, d *deed) error {
		d.on(customerID, "")
		d.detail = map[string]string{"factor": string(f)}
		return d.tellAll(ctx, customerID, "factor_blocked", map[string]string{"factor": string(f)})
	})
}

// blockedNow is the refusal for a factor that has just been blocked, with the time it opens again.
func (a *Authority) blockedNow(ctx context.Context, customerID string, f factor, lane string) error {
	at, err := a.Store.Reader().AttemptOf(ctx, db.AttemptOfParams{Customer: customerID, Factor: string(f), Lane: lane})
	if err != nil {
		return err
	}
	return problem.New(problem.FactorBlocked, "factor", string(f), "until", store.Time(at.BlockedUntil))
}

// spend is one one-time password at the gate, with the deed that it is to open.
type spend struct {
	*deed
	customer, code string
	ok             bool // used up; otherwise the deed has been refused

	key   []byte // of the token, wrapped
	token token.Token
	count db.Attempt // of wrong codes so far
	step  int64
	wrong problem.Kind // how a wrong one is refused; empty where it is one code
}

// spendOTP is the gate for a one-time password inside a deed. When it returns false the deed has been refused and must return.
func (d *deed) spendOTP(ctx context.Context, customerID, code string) (ok bool, err error) {
	s := &spend{deed: d, customer: customerID, code: code}
	err = spendOTPs(ctx, []*spend{s})
	return s.ok, err
}

// spendOTPs is the one way to use one-time passwords, one or many, each of another customer. It runs inside the write of the deeds that the codes
// open. It locks the tokens, so that no two codes of one customer are judged at the same time on any node, and reads the counters behind that lock;
// judges the codes; uses up the right ones by one conditional statement, and counts the wrong ones. The next code of the customer is looked
// at when all that is committed, and no answer leaves before, so a count can no more be lost than a success, however many codes arrive together.
func spendOTPs(ctx context.Context, all []*spend) error {
	if len(all) == 0 {
		return nil
	}
	d := all[0].deed // they share their write and its moment
	customers := make([]string, len(all))
	for i, s := range all {
		customers[i] = s.customer
	}
	rows, err := d.LockTokens(ctx, string(oneTimePassword), customers)
	if err != nil {
		return err
	}
	var right []*spend
	var steps []store.Step
	for _, s := range all {
		row, ok := rows[s.customer]
		if !ok {
			_ = s.refuse(problem.New(problem.TokenNone))
			continue
		}
		s.key, s.token = row.OtpKey, store.OTPToken(row)
		s.count = db.Attempt{Tries: row.Tries, BlockedUntil: row.BlockedUntil}
		if refusal := s.shut(); refusal != nil {
			_ = s.refuse(refusal)
			continue
		}
		verdict, err := s.judge()
		switch {
		case err != nil:
			return err
		case verdict == otp.Right:
			right = append(right, s)
			steps = append(steps, store.Step{Token: s.token.ID, Step: s.step, Drift: s.token.Drift, At: stepStart(*d.a.Rules(), s.step)})
		case verdict == otp.Used:
			s.refuseUsed()
			if err := s.duplicate(ctx, s.customer); err != nil {
				return err
			}
		default:
			if err := s.countWrong(ctx); err != nil {
				return err
			}
		}
	}
	if len(right) == 0 {
		return nil
	}
	once, err := d.AcceptSteps(ctx, store.Micros(d.now), steps)
	if err != nil {
		return err
	}
	for _, s := range right {
		if s.ok = once[s.token.ID]; !s.ok { // the step lies below the fence, or the token was stopped meanwhile
			s.refuseUsed()
		} else if s.count.Tries > 0 {
			if err := clearTries(ctx, d.Queries, s.customer, oneTimePassword, ""); err != nil {
				return err
			}
		}
	}
	return nil
}

// shut is the refusal of a code that is not looked at at all, or nil.
func (s *spend) shut() error {
	switch s.token.ShownState(s.now) {
	case token.Locked:
		return problem.New(problem.OTPLocked)
	case token.Expired:
		return problem.New(problem.TokenExpired, "expired", s.token.Expires)
	case token.Active:
	default:
		return problem.New(problem.TokenNone)
	}
	if hard := s.a.Rules().OTPTriesToLock; int(s.count.Tries) >= hard || store.Time(s.count.BlockedUntil).After(s.now) { // as ReserveTry has it
		return noTry(s.count, oneTimePassword, hard)
	}
	return nil
}

// judge looks at the code.
func (s *spend) judge() (v otp.Verdict, err error) {
	key, err := s.a.Keys.Open("token.otp_key", tokenPlace("otp_key", s.token), s.key)
	if err != nil {
		return otp.Wrong, err
	}
	s.step, v = otp.Check(key, s.code, s.token.Digits, otp.Live(otp.StepAt(s.now, s.token.Step), s.token.Drift), s.token.LastStep)
	return v, nil
}

// refuseUsed tells a used code apart from a wrong one: it costs no try. A token whose clock was ahead when it was last used, and is right now, shows used codes for as long as that.
func (s *spend) refuseUsed() {
	next := max(otp.StepAt(s.now, s.token.Step), s.token.LastStep-s.token.Drift) + 1
	wait := time.Unix(next*int64(s.token.Step/time.Second), 0).Sub(s.now)
	_ = s.refuse(problem.New(problem.OTPUsed, "wait", int(wait/time.Second)+1))
}

// countWrong counts a wrong code, which blocks after some and locks the token after the last.
func (s *spend) countWrong(ctx context.Context) error {
	p := *s.a.Rules()
	try, err := s.ReserveTry(ctx, tryParams(p, s.now, s.customer, oneTimePassword, "", p.OTPTriesToLock))
	if err != nil { // not even ErrNone: behind the lock nobody else can have taken the try that shut saw
		return fmt.Errorf("counting a wrong code: %w", err)
	}
	n := int(try.Tries)
	lock := p.OTPTriesToLock - n
	switch {
	case lock <= 0:
		return errors.Join(s.lockToken(ctx, s.token), s.refuse(problem.New(problem.OTPLocked)))
	case left(p, n) == 0:
		return errors.Join(s.also(ctx, audit.FactorBlock, ""), s.tellAll(ctx, s.customer, "factor_blocked", map[string]string{"factor": string(oneTimePassword)}),
			s.refuse(problem.New(problem.FactorBlocked, "factor", string(oneTimePassword), "until", store.Time(try.BlockedUntil), "lock_left", lock)))
	}
	if s.wrong == "" {
		s.wrong = problem.OTPWrong
	}
	return s.refuse(problem.New(s.wrong, "tries_left", left(p, n), "lock_left", lock))
}

// stepStart is the moment, in microseconds, that the fence is compared with. It lies otp.Reach steps before the step begins, because a phone may be
// that far ahead of us: whatever it can have shown before the fence is dead, also where a restored database no longer knows how far ahead it is.
func stepStart(p policy.Policy, step int64) int64 {
	return (step - otp.Reach) * p.OTPStep.Microseconds()
}

// lockToken is the server's own act after ten wrong codes.
func (d *deed) lockToken(ctx context.Context, t token.Token) error {
	to, _ := token.Life.Next(token.Active, token.Lock)
	if err := store.Must(d.SetTokenState(ctx, db.SetTokenStateParams{ID: t.ID, State: string(to), State_2: string(token.Active)})); err != nil {
		return err
	}
	return errors.Join(d.also(ctx, audit.TokenLock, t.ID), d.cancelOpen(ctx, t.Customer), d.tellAll(ctx, t.Customer, "token_locked", nil))
}

// sourceOpen refuses a network that has failed too often.
func (a *Authority) sourceOpen(ctx context.Context, source string, now time.Time) error {
	row, err := a.Store.Reader().ThrottleOf(ctx, "source "+source)
	if errors.Is(err, store.ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	end := store.Time(row.StartedAt).Add(a.Rules().SourceWindow)
	if int(row.Count) >= a.Rules().FailuresPerSource && now.Before(end) {
		return problem.New(problem.Throttled, "retry_after", int(end.Sub(now)/time.Second)+1)
	}
	return nil
}

// sourceFailed counts a failure of a network.
func (a *Authority) sourceFailed(ctx context.Context, source string, now time.Time) error {
	return a.Store.Housekeep(context.WithoutCancel(ctx), func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.CountThrottle(ctx, db.CountThrottleParams{Bucket: "source " + source, StartedAt: store.Micros(now), Stale: store.Micros(now.Add(-a.Rules().SourceWindow))})
		return err
	})
}

// hasher hashes passwords, a few at a time with a bounded queue in front: argon2id costs 19 MiB and 25 ms each, and a flood must not take
// the server's memory or the customer's one-time passwords with it. One further slot and a queue of its own are kept for browsers that are known and for what is asked within
// sessions, so that a flood of strangers' passwords never keeps a customer out.
type hasher struct {
	slots, queue chan struct{}
	kept, inside chan struct{}
}

func newHasher(n int) *hasher {
	if n <= 0 {
		n = runtime.GOMAXPROCS(0)
	}
	return &hasher{slots: make(chan struct{}, n), queue: make(chan struct{}, 32*n), kept: make(chan struct{}, 1), inside: make(chan struct{}, 32*n)}
}

// run does f when a slot is free. Whoever is known takes either kind.
func (h *hasher) run(ctx context.Context, known bool, f func()) error {
	queue, kept := h.queue, chan struct{}(nil) // a nil channel is never ready
	if known {
		queue, kept = h.inside, h.kept
	}
	select {
	case queue <- struct{}{}:
	default:
		return problem.New(problem.Busy, "retry_after", 2)
	}
	defer func() { <-queue }()
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case kept <- struct{}{}:
		defer func() { <-kept }()
	case <-ctx.Done():
		return ctx.Err()
	}
	f()
	return nil
}

func (a *Authority) pepper(p []byte) []byte { return a.Keys.MAC("password", p) }

func (a *Authority) hashPassword(ctx context.Context, p []byte) (phc string, err error) {
	salt := [16]byte(a.random(16))
	err = a.hash.run(ctx, true, func() { phc = password.Hash(p, salt, a.Cost, a.pepper) })
	return phc, err
}

func (a *Authority) verifyPassword(ctx context.Context, known bool, given []byte, stored string) (ok, weak bool, err error) {
	var inner error
	err = a.hash.run(ctx, known, func() { ok, weak, inner = password.Verify(given, stored, a.Cost, a.pepper) })
	return ok, weak, errors.Join(err, inner)
}

// tokenPlace binds a wrapped key to its row and customer, so that a row copied elsewhere does not open.
func tokenPlace(column string, t token.Token) string {
	return strings.Join([]string{"token." + column, t.ID, t.Customer}, "|")
}
