package authority

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/customer"
	"github.com/inkan-auth/inkan/internal/domain/enrolment"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/phone"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/reissue"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// cashCard is the cash card of the representative account with its PIN. The bank's core knows it; we count the tries.
const cashCard factor = "card"

// ReissueView is all that the page of a re-issue shows.
type ReissueView struct {
	reissue.Reissue
	Account  string // masked
	Stopped  bool   // the service stands still; a re-issue starts it again
	Obstacle error  // what makes the rest useless, said before anything else is asked for; nil where nothing does
	Offer    PhoneOffer
	Check    *PhoneCheck          // the latest; nil before the first
	Order    *enrolment.Enrolment // nil before everything is proved, and when it has ended
	Phone    string               // what the new phone says it is; empty before it has registered
	Address  string               // where the number went, masked
	CSRF     string               // a token for forms, bound to the browser

	CardDue, ConfirmDue bool // it is to be shown, or shown once more after staff have called: the quarter of an hour is over
}

// CalledBack says that staff have reached her for this re-issue.
func (v ReissueView) CalledBack() bool {
	return v.Check != nil && v.Check.Way == phone.StaffCallback && v.Check.State == phone.Proved && v.Check.Reason == ""
}

// CardsChecked says whether cash cards can be checked here at all: without the bank's core the road begins at the branch.
func (a *Authority) CardsChecked() bool { return a.Core != nil }

// BeginReissue begins the road back (M-12) with the cash card of the representative account: its branch, type and number, and the PIN. To a stranger, wrong account, wrong PIN, blocked and no
// customer of ours are one refusal. The PIN is not kept.
func (a *Authority) BeginReissue(ctx context.Context, v Visit, wish reissue.Wish, c CardCheck) (cookie Cookie, err error) {
	if wish != reissue.Token && wish != reissue.Service {
		return cookie, problem.New(problem.Malformed, "field", "wish")
	}
	ctx = context.WithoutCancel(ctx)
	owner, err := a.checkCard(ctx, v, audit.ReissueBegin, c, "")
	if err != nil {
		return cookie, err
	}
	err = a.do(ctx, v.Actor, audit.ReissueBegin, func(ctx context.Context, d *deed) error {
		id := a.newID(ident.Reissue, d.now)
		d.on(owner.ID, id)
		d.detail = map[string]string{"wish": string(wish)}
		cookie = Cookie{Session: base64.RawURLEncoding.EncodeToString(a.random(32)), Expires: d.now.Add(a.Rules().ReissueWindow)}
		return errors.Join(clearTries(ctx, d.Queries, owner.ID, cashCard, ""), d.InsertReissue(ctx, db.InsertReissueParams{ID: id, Hash: hashCookie(cookie.Session), Customer: owner.ID, Wish: string(wish),
			CardAt: store.Micros(d.now), Device: v.Actor.Device, Source: v.Actor.Source, ExpiresAt: store.Micros(cookie.Expires)}))
	})
	return cookie, err
}

// checkCard asks the bank's core about a cash card, which has to be whose where that is named. The try is counted first; a refusal says nothing of why.
func (a *Authority) checkCard(ctx context.Context, v Visit, action audit.Action, c CardCheck, whose string) (owner db.Customer, err error) {
	if a.Core == nil {
		return owner, problem.New(problem.Unavailable)
	}
	now, err := a.moment()
	if err != nil {
		return owner, err
	}
	source := "reissue " + v.Actor.Source // a count of its own: whoever fails to log in from her network keeps nobody from this road
	if err := a.sourceOpen(ctx, source, now); err != nil {
		return owner, err
	}
	if failed := time.UnixMicro(a.coreFailed.Load()); now.Sub(failed) < time.Minute && now.Sub(failed) >= 0 { // said to everybody alike, or it would tell who is a customer
		return owner, problem.New(problem.Unavailable)
	}
	c.Branch, c.AccountNumber = accountDigits(c.Branch), accountDigits(c.AccountNumber)
	if !slices.Contains(AccountTypes, c.AccountType) {
		return owner, problem.New(problem.Malformed, "field", "account_type")
	}
	rows, err := a.Store.Reader().CustomersByAccount(ctx, db.CustomersByAccountParams{Branch: c.Branch, AccountType: c.AccountType, AccountNumber: c.AccountNumber})
	if err != nil {
		return owner, err
	}
	refuse := func(customerID string) error {
		d := &deed{a: a, now: now, by: v.Actor, action: action, customer: customerID}
		return errors.Join(a.sourceFailed(ctx, source, now), a.writeRefusal(ctx, d, problem.New(problem.CardRefused)))
	}
	if len(rows) != 1 || whose != "" && rows[0].ID != whose { // nobody's account, which the core is not asked about: anybody could have cards blocked there
		return owner, refuse(whose)
	}
	owner = rows[0]
	var blocked error
	var tries int
	err = a.Store.Housekeep(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		if tries, blocked = takeTry(ctx, tx.Queries, *a.Rules(), now, owner.ID, cashCard, ""); problem.KindOf(blocked) == "" {
			return blocked
		}
		return nil
	})
	if err != nil {
		return owner, err
	}
	if blocked != nil {
		return owner, refuse(owner.ID)
	}
	c.Request = a.newID(ident.Reissue, now)
	got, err := a.Core.CheckCard(ctx, c)
	if err != nil {
		a.coreFailed.Store(now.UnixMicro())
		a.Log.Warn("the bank's core has not answered about a cash card", "err", err)
		return owner, errors.Join(problem.New(problem.Unavailable), a.giveBack(ctx, owner.ID, cashCard, ""))
	}
	if !got.Right || got.Ref != owner.Ref {
		refusal := refuse(owner.ID)
		if left(*a.Rules(), tries) == 0 { // somebody tries her card: she is told
			refusal = errors.Join(refusal, a.tellBlocked(ctx, owner.ID, cashCard))
		}
		return owner, refusal
	}
	return owner, nil
}

// ShowCardAgain takes the cash card once more after staff have called, because the quarter of an hour is over by then. It is the same card, PIN and tries as at the beginning.
func (a *Authority) ShowCardAgain(ctx context.Context, v Visit, cookie string, c CardCheck) error {
	now, err := a.moment()
	if err != nil {
		return err
	}
	_, r, err := a.reissueBy(ctx, a.Store.Reader(), cookie, now)
	if err != nil {
		return err
	}
	if r.State != reissue.Open {
		return problem.New(problem.ReissueOver)
	}
	ctx = context.WithoutCancel(ctx)
	if _, err := a.checkCard(ctx, v, audit.ReissueProve, c, r.Customer); err != nil {
		return err
	}
	return a.do(ctx, v.Actor, audit.ReissueProve, func(ctx context.Context, d *deed) error {
		r, err := d.onReissue(ctx, cookie, reissue.Open)
		if err != nil {
			return err
		}
		d.detail = map[string]string{"by": string(cashCard)}
		return errors.Join(clearTries(ctx, d.Queries, r.Customer, cashCard, ""), store.Must(d.CardReissue(ctx, db.CardReissueParams{ID: r.ID, CardAt: store.Micros(d.now)})))
	})
}

// accountDigits reads digits as people type them.
func accountDigits(s string) string {
	if len(s) > 64 {
		return ""
	}
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, norm.NFKC.String(s))
}

// reissueBy finds the re-issue of a browser. One that has ended is found too, so that its page can say so; a stranger's cookie finds nothing.
func (a *Authority) reissueBy(ctx context.Context, q *db.Queries, cookie string, now time.Time) (db.Reissue, reissue.Reissue, error) {
	if cookie == "" {
		return db.Reissue{}, reissue.Reissue{}, problem.New(problem.ReissueOver)
	}
	row, err := q.ReissueByHash(ctx, hashCookie(cookie))
	if errors.Is(err, store.ErrNone) {
		return row, reissue.Reissue{}, problem.New(problem.ReissueOver)
	}
	r := store.Reissue(row)
	if !slices.Contains(reissue.Final, r.State) && !r.Expires.After(now) {
		r.State = reissue.Expired
	}
	return row, r, err
}

// onReissue finds the re-issue of a browser in a deed, where it stands in the state.
func (d *deed) onReissue(ctx context.Context, cookie string, state reissue.State) (reissue.Reissue, error) {
	row, r, err := d.a.reissueBy(ctx, d.Queries, cookie, d.now)
	d.on(row.Customer, row.ID)
	if err == nil && r.State != state {
		err = problem.New(problem.ReissueOver)
	}
	return r, err
}

// ReissueOf shows how the re-issue of a browser stands.
func (a *Authority) ReissueOf(ctx context.Context, cookie string) (ReissueView, error) {
	now, err := a.moment()
	if err != nil {
		return ReissueView{}, err
	}
	q := a.Store.Reader()
	_, r, err := a.reissueBy(ctx, q, cookie, now)
	if err != nil {
		return ReissueView{}, err
	}
	v := ReissueView{Reissue: r, CSRF: csrfOf(cookie)}
	row, err := q.CustomerByID(ctx, r.Customer)
	if err != nil {
		return v, err
	}
	c := store.Customer(row)
	v.Account, v.Stopped = c.MaskedAccount(), c.State != customer.Active
	if v.Offer, err = a.phoneOffer(ctx, q, r.Customer, now); err != nil {
		return v, err
	}
	switch check, err := a.PhoneCheckOf(ctx, r.ID); {
	case err == nil:
		v.Check = &check
	case problem.KindOf(err) != problem.PhoneOver:
		return v, err
	}
	if r.State == reissue.Open {
		v.CardDue, v.ConfirmDue = r.Due(now, a.Rules().ReissueWindow)
		if v.Obstacle, err = a.reissueObstacle(ctx, q, v, now); err != nil {
			return v, err
		}
	}
	if r.Enrolment == "" {
		return v, nil
	}
	order, err := q.EnrolmentByID(ctx, r.Enrolment)
	if err != nil {
		return v, err
	}
	to, err := q.AddressByID(ctx, order.Address)
	if err != nil {
		return v, err
	}
	v.Address = customer.MaskAddress(to.Mail)
	if e := store.Enrolment(order); e.Open() && e.Expires.After(now) {
		v.Order = &e
		if e.Token != "" {
			t, err := q.TokenByID(ctx, e.Token)
			if err != nil {
				return v, err
			}
			v.Phone = t.Platform
		}
	}
	return v, nil
}

// reissueObstacle is what would make the rest of the road useless. It is said as soon as we know who asks, and before anything else is asked for.
func (a *Authority) reissueObstacle(ctx context.Context, q *db.Queries, v ReissueView, now time.Time) (error, error) {
	changed := problem.KindOf(v.Offer.Refusal) == problem.PhoneRecent || problem.KindOf(v.Offer.Refusal) == problem.PhoneNone // while she waited for staff: what was proved of another number is worth nothing
	if v.Offer.Refusal != nil && (changed || v.Check == nil || !v.Check.Open() && v.Check.State != phone.Proved) {
		return v.Offer.Refusal, nil
	}
	if v.Wish == reissue.Service {
		if !v.Stopped {
			return problem.New(problem.ServiceRunning), nil
		}
		return nil, nil
	}
	d := &deed{Tx: &store.Tx{Queries: q}, a: a, now: now}
	for _, f := range []func() error{func() error { return d.downloadsLeft(ctx, v.Customer) }, func() error { _, err := d.addressOnFile(ctx, v.Customer); return err }} {
		if err := f(); problem.KindOf(err) != "" {
			return err, nil
		} else if err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// ConfirmReissue takes the confirmation password. Its tries are those of everywhere else.
func (a *Authority) ConfirmReissue(ctx context.Context, v Visit, cookie string, confirm []byte) error {
	now, err := a.moment()
	if err != nil {
		return err
	}
	_, r, err := a.reissueBy(ctx, a.Store.Reader(), cookie, now)
	if err != nil {
		return err
	}
	if r.State != reissue.Open {
		return problem.New(problem.ReissueOver)
	}
	row, err := a.Store.Reader().CustomerByID(ctx, r.Customer)
	if err != nil {
		return err
	}
	if err := a.checkPassword(ctx, v.Actor, audit.ReissueProve, store.Customer(row), confirmPassword, confirm); err != nil {
		return err
	}
	return a.do(ctx, v.Actor, audit.ReissueProve, func(ctx context.Context, d *deed) error {
		r, err := d.onReissue(ctx, cookie, reissue.Open)
		if err != nil {
			return err
		}
		d.detail = map[string]string{"by": string(confirmPassword)}
		return store.Must(d.Queries.ConfirmReissue(ctx, db.ConfirmReissueParams{ID: r.ID, ConfirmAt: store.Micros(d.now)}))
	})
}

// CallReissue begins a check of the telephone on file, once card and confirmation password are proved: nobody's telephone rings before.
func (a *Authority) CallReissue(ctx context.Context, v Visit, cookie string, way phone.Way, language string) (PhoneCheck, error) {
	now, err := a.moment()
	if err != nil {
		return PhoneCheck{}, err
	}
	_, r, err := a.reissueBy(ctx, a.Store.Reader(), cookie, now)
	if err != nil {
		return PhoneCheck{}, err
	}
	if r.State != reissue.Open {
		return PhoneCheck{}, problem.New(problem.ReissueOver)
	}
	if check, err := a.PhoneCheckOf(ctx, r.ID); err == nil && check.Way == phone.StaffCallback && check.State == phone.Proved { // staff have called already
		return check, nil
	}
	if card, confirm := r.Due(now, a.Rules().ReissueWindow); card || confirm {
		return PhoneCheck{}, problem.New(problem.ReissueOver)
	}
	return a.BeginPhone(ctx, v.Actor, r.Customer, r.ID, way, language)
}

// TypePhoneCode takes the code that she has heard or read.
func (a *Authority) TypePhoneCode(ctx context.Context, v Visit, cookie, code string) error {
	now, err := a.moment()
	if err != nil {
		return err
	}
	_, r, err := a.reissueBy(ctx, a.Store.Reader(), cookie, now)
	if err != nil {
		return err
	}
	if r.State != reissue.Open {
		return problem.New(problem.ReissueOver)
	}
	return a.ProvePhone(ctx, v.Actor, r.ID, code)
}
