package authority

import (
	"context"
	"errors"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// atDesk is the one door for whatever staff changes at the console. Session, state and role are read again in the write itself: what was true when the page was made says nothing now.
func (a *Authority) atDesk(ctx context.Context, s StaffSession, act staff.Act, action audit.Action, f func(ctx context.Context, d *deed) error) error {
	return a.do(ctx, s.Actor(), action, func(ctx context.Context, d *deed) error {
		if err := d.stands(ctx, s, act); err != nil {
			return err
		}
		return f(ctx, d)
	})
}

// stands refuses whoever has no session any more, or may not do this any more, as the store says now.
func (d *deed) stands(ctx context.Context, s StaffSession, act staff.Act) error {
	row, err := d.LiveStaffSession(ctx, db.LiveStaffSessionParams{Hash: s.hash, ExpiresAt: store.Micros(d.now), SeenAt: store.Micros(d.now.Add(-d.a.Rules().StaffIdle))})
	if errors.Is(err, store.ErrNone) {
		return problem.New(problem.SessionOver)
	}
	if err == nil && (row.Staff != s.Staff || !staff.May(staff.Role(row.Role), act)) {
		return problem.New(problem.Forbidden)
	}
	return err
}

// seesDesk refuses whoever may not look at this. Pages ask before they read anything.
func (a *Authority) seesDesk(s StaffSession, act staff.Act) error {
	if !staff.May(s.Role, act) {
		return problem.New(problem.Forbidden)
	}
	return nil
}

// samePerson says whether two members, or two sessions, are one human being: by her number, by her login, by her passkey or by her session (C-71).
func samePerson(person, member, passkey string, session []byte, s StaffSession) bool {
	return person == s.Person || member == s.Staff || passkey == s.Passkey || string(session) == string(s.hash)
}

// ToDo is how much waits at the console. More than ToDoMost of one kind is counted as ToDoMost.
type ToDo struct {
	Made, Received, Submitted int // release requests, by state
	Orders                    int // what another person has asked
	Incidents                 int
	Callbacks                 int // customers who wait for a call
}

// ToDoMost is how far it is counted.
const ToDoMost = 100

// DeskWaiting is what waits, as far as this member may see it.
func (a *Authority) DeskWaiting(ctx context.Context, s StaffSession) (w ToDo, err error) {
	now, err := a.moment()
	if err != nil {
		return w, err
	}
	r, err := a.Store.Reader().DeskWaiting(ctx, db.DeskWaitingParams{Now: store.Micros(now), Person: s.Person})
	if staff.May(s.Role, staff.CaseSee) {
		w.Made, w.Received, w.Submitted = int(r.Made), int(r.Received), int(r.Submitted)
	}
	if staff.May(s.Role, staff.OrderSee) {
		w.Orders = int(r.Orders)
	}
	if staff.May(s.Role, staff.FraudSee) {
		w.Incidents = int(r.Incidents)
	}
	if staff.May(s.Role, staff.CallBack) {
		w.Callbacks = int(r.Callbacks)
	}
	return w, err
}
