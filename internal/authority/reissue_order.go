package authority

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/enrolment"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/phone"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/reissue"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// OrderReissue does what was wished once all three are proved: it orders a token, whose number goes to the address on file, and starts a service again that was stopped. A second click finds what the
// first one did. An order of hers that a phone has registered for already is gone on with: nobody is sent round in a circle.
func (a *Authority) OrderReissue(ctx context.Context, v Visit, cookie string) (expires time.Time, err error) {
	err = a.do(ctx, v.Actor, audit.ReissueOrder, func(ctx context.Context, d *deed) error {
		row, r, err := a.reissueBy(ctx, d.Queries, cookie, d.now)
		d.on(row.Customer, row.ID)
		if err != nil {
			return err
		}
		expires = r.Expires
		switch r.State {
		case reissue.Ordered, reissue.Done:
			return nil
		case reissue.Open:
		default:
			return problem.New(problem.ReissueOver)
		}
		c, err := d.CustomerByID(ctx, r.Customer)
		if err != nil {
			return err
		}
		if c.StoppedAt > store.Micros(r.Created) { // stopped since: what was proved before opens nothing
			return problem.New(problem.ReissueOver)
		}
		at, way, ok, err := d.phoneProved(ctx, r.ID, r.Created)
		if err != nil {
			return err
		}
		if !ok || r.Confirm.IsZero() {
			return problem.New(problem.PhoneOver)
		}
		if r.Phone = at; !r.Proved(d.now, a.Rules().ReissueWindow, a.phoneWindow(way)) {
			return problem.New(problem.ReissueOver)
		}
		if err := d.endCall(ctx, r.ID, phone.Replaced); err != nil { // another way was faster
			return err
		}
		if err := store.Must(d.PhoneReissue(ctx, db.PhoneReissueParams{ID: r.ID, PhoneAt: store.Micros(at), Now: store.Micros(d.now)})); err != nil {
			return err
		}
		d.detail = map[string]string{"wish": string(r.Wish)}
		if err := d.restartService(ctx, r.Customer); err != nil { // which does nothing where it is not stopped
			return err
		}
		if r.Wish == reissue.Service {
			return d.endReissue(ctx, r, reissue.Restart)
		}
		expires = d.now.Add(a.Rules().ReissueLife)
		return d.orderReissue(ctx, r, expires)
	})
	return expires, err
}

func (d *deed) orderReissue(ctx context.Context, r reissue.Reissue, expires time.Time) error {
	a := d.a
	open, err := d.OpenEnrolment(ctx, r.Customer)
	if err != nil && !errors.Is(err, store.ErrNone) {
		return err
	}
	ordered := func(id string) error {
		return store.Must(d.Queries.OrderReissue(ctx, db.OrderReissueParams{ID: r.ID, Enrolment: id, ExpiresAt: store.Micros(expires), Now: store.Micros(d.now)}))
	}
	if err == nil {
		e := store.Enrolment(open)
		if e.Expires.After(d.now) && e.State == enrolment.Registered && e.Purpose == enrolment.Reissue {
			return ordered(e.ID)
		}
		if err := d.endMove(ctx, open, enrolment.Cancel); err != nil { // whatever it was for, she has shown more
			return err
		}
	}
	if err := d.downloadsLeft(ctx, r.Customer); err != nil {
		return err
	}
	to, err := d.addressOnFile(ctx, r.Customer)
	if err != nil {
		return err
	}
	id := a.newID(ident.Enrolment, d.now)
	_, number, err := d.placeOrder(ctx, order{id: id, customer: r.Customer, purpose: enrolment.Reissue, address: to.ID, device: d.by.Device, source: d.by.Source, life: a.Rules().ReissueLife})
	if err != nil {
		return err
	}
	return errors.Join(ordered(id), d.mailNumber(ctx, to, number, d.now, d.by.Device, expires),
		d.tellObject(ctx, r.Customer, "reissue_ordered", id, map[string]string{"place": Place(d.by.Source)}))
}

// endReissue moves a re-issue to one of its ends.
func (d *deed) endReissue(ctx context.Context, r reissue.Reissue, on reissue.Event) error {
	to, ok := reissue.Life.Next(r.State, on)
	if !ok {
		return problem.New(problem.Conflict)
	}
	if err := d.endCall(ctx, r.ID, phone.Withdrawn); err != nil {
		return err
	}
	return store.Must(d.EndReissue(ctx, db.EndReissueParams{ID: r.ID, State: string(to), EndedAt: store.Micros(d.now), State_2: string(r.State)}))
}

// endCall ends the call of staff that is awaited for a re-issue, before the re-issue itself is written: nobody is called for what is over or goes on without the call.
func (d *deed) endCall(ctx context.Context, reissueID string, why phone.Reason) error {
	check, err := d.OpenPhoneCheck(ctx, reissueID)
	if err != nil || check.Way != string(phone.StaffCallback) {
		return notNone(err)
	}
	return d.failPhone(ctx, check, why)
}

// withdrawReissues ends every re-issue of a customer, and the call of staff that she waits for.
func (d *deed) withdrawReissues(ctx context.Context, customerID string) error {
	if err := d.endCallback(ctx, customerID, phone.Withdrawn); err != nil { // first, as everywhere, so that nobody waits for the other in a circle
		return err
	}
	_, err := d.WithdrawReissues(ctx, db.WithdrawReissuesParams{Customer: customerID, EndedAt: store.Micros(d.now)})
	return err
}

// ReissueKey shows the registration key of an ordered re-issue, to the browser that has ordered it and to no other.
func (a *Authority) ReissueKey(ctx context.Context, v Visit, cookie string, renew bool) (KeyView, error) {
	row, err := a.reissueOrder(ctx, cookie)
	if err != nil {
		return KeyView{}, err
	}
	if row.State != string(enrolment.Ordered) {
		return KeyView{}, problem.New(problem.EnrolmentNone)
	}
	return a.registrationKey(ctx, v.Actor, row, enrolment.Reissue, renew)
}

// reissueOrder is the enrolment of an ordered re-issue while it is alive.
func (a *Authority) reissueOrder(ctx context.Context, cookie string) (db.Enrolment, error) {
	now, err := a.moment()
	if err != nil {
		return db.Enrolment{}, err
	}
	_, r, err := a.reissueBy(ctx, a.Store.Reader(), cookie, now)
	if err != nil {
		return db.Enrolment{}, err
	}
	if r.State != reissue.Ordered {
		return db.Enrolment{}, problem.New(problem.ReissueOver)
	}
	row, err := a.Store.Reader().EnrolmentByID(ctx, r.Enrolment)
	if e := store.Enrolment(row); err == nil && (!e.Open() || !e.Expires.After(now)) {
		return row, problem.New(problem.EnrolmentNone)
	}
	return row, err
}

// ResendReissueNumber mails the number of an ordered re-issue again, to the same address.
func (a *Authority) ResendReissueNumber(ctx context.Context, v Visit, cookie string) error {
	return a.do(ctx, v.Actor, audit.NumberResend, func(ctx context.Context, d *deed) error {
		r, err := d.onReissue(ctx, cookie, reissue.Ordered)
		if err != nil {
			return err
		}
		row, err := d.EnrolmentByID(ctx, r.Enrolment)
		if err != nil {
			return err
		}
		if row.State != string(enrolment.Ordered) || !store.Time(row.ExpiresAt).After(d.now) {
			return problem.New(problem.EnrolmentNone)
		}
		if err := d.notTooSoon(ctx, r.Customer, "registration_number"); err != nil {
			return err
		}
		return d.remailNumber(ctx, row)
	})
}

// StartReissue is the first code of the re-issued token, typed where the re-issue was ordered: in one write the new token comes into use and the old one goes out of it, every login ends, and the
// time of caution begins.
func (a *Authority) StartReissue(ctx context.Context, v Visit, cookie, code string) error {
	return a.do(ctx, v.Actor, audit.TokenStart, func(ctx context.Context, d *deed) error {
		_, r, err := a.reissueBy(ctx, d.Queries, cookie, d.now)
		d.on(r.Customer, r.ID)
		switch {
		case err != nil:
			return err
		case r.State == reissue.Done && r.Wish == reissue.Token: // the answer was lost
			return nil
		case r.State != reissue.Ordered:
			return problem.New(problem.ReissueOver)
		}
		if err := d.unstopped(ctx, r.Customer); err != nil {
			return err
		}
		row, err := d.EnrolmentByID(ctx, r.Enrolment)
		if err != nil {
			return err
		}
		t, ok, err := d.startUse(ctx, store.Enrolment(row), code)
		if err != nil || !ok {
			return err
		}
		chains, err := d.EndAllSessions(ctx, db.EndAllSessionsParams{Customer: r.Customer, EndedAt: store.Micros(d.now)})
		if err != nil {
			return err
		}
		for _, chain := range chains {
			if err := d.tellBank(ctx, r.Customer, chain); err != nil {
				return err
			}
		}
		return errors.Join(d.endReissue(ctx, r, reissue.Start), d.cancelOpen(ctx, r.Customer), d.cool(ctx, r.Customer, TokenReissued, t.ID, false),
			d.tellObject(ctx, r.Customer, "token_reissued", t.ID, map[string]string{"phone": t.Platform, "until": d.now.Add(a.Rules().CoolingOff).Format(time.RFC3339)}))
	})
}

// CancelReissue gives a re-issue up. A phone that has registered for it becomes worthless.
func (a *Authority) CancelReissue(ctx context.Context, v Visit, cookie string) error {
	return a.do(ctx, v.Actor, audit.ReissueCancel, func(ctx context.Context, d *deed) error {
		row, r, err := a.reissueBy(ctx, d.Queries, cookie, d.now)
		d.on(row.Customer, row.ID)
		if err != nil || slices.Contains(reissue.Final, r.State) {
			return err
		}
		if r.Enrolment != "" {
			order, err := d.EnrolmentByID(ctx, r.Enrolment)
			if err != nil {
				return err
			}
			if e := store.Enrolment(order); e.Open() {
				if err := d.endEnrolment(ctx, e, enrolment.Cancel); err != nil {
					return err
				}
			}
		}
		return d.endReissue(ctx, r, reissue.Withdraw)
	})
}

// sweepReissues writes down which re-issues have ended by time.
func (a *Authority) sweepReissues(ctx context.Context, now time.Time) error {
	rows, err := a.Store.Reader().ExpiredReissues(ctx, db.ExpiredReissuesParams{ExpiresAt: store.Micros(now), Limit: 100})
	if err != nil {
		return err
	}
	for _, row := range rows {
		err := a.do(ctx, audit.Actor{Kind: audit.Clock}, audit.ReissueExpire, func(ctx context.Context, d *deed) error {
			d.on(row.Customer, row.ID)
			return d.endReissue(ctx, store.Reissue(row), reissue.Expire)
		})
		if err != nil && problem.KindOf(err) != problem.Conflict {
			return err
		}
	}
	return nil
}
