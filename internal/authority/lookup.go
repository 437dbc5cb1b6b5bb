package authority

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/customer"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// LookLife is how long a customer's page opens for the member who has looked her up: a working day (C-74).
const LookLife = 8 * time.Hour

// How many look-ups that find nobody one person may make, and in what time. A clerk mistypes a few; whoever tries numbers is stopped (C-74).
const (
	missedLooks = 30
	missedTime  = 15 * time.Minute
)

// LookBy is by what a customer is looked up. There is no list of customers and no search by name.
type LookBy string

// The ways.
const (
	ByAccount LookBy = "account"
	ByRef     LookBy = "ref"
	ByLoginID LookBy = "login"
)

// LookWays are all of them in the order of the form.
var LookWays = []LookBy{ByAccount, ByRef, ByLoginID}

// Look is what a member of staff types to find one customer.
type Look struct {
	By                                 LookBy
	Branch, AccountType, AccountNumber string
	Ref, LoginID                       string
}

// LookUp finds the one customer that somebody has named, and lets this member open her page for a while. It is on record, also when it finds nobody, but never with what was typed.
func (a *Authority) LookUp(ctx context.Context, s StaffSession, l Look) (id string, err error) {
	if !slices.Contains(LookWays, l.By) {
		return "", problem.New(problem.Malformed, "field", "by")
	}
	err = a.atDesk(ctx, s, staff.CustomerLook, audit.CustomerLook, func(ctx context.Context, d *deed) error {
		d.detail = map[string]string{"by": string(l.By)}
		if l.By == ByLoginID { // in the trail "login" is the password
			d.detail["by"] = "login_id"
		}
		bucket, err := d.countLook(ctx, s)
		if err != nil {
			return err
		}
		c, err := d.lookedUp(ctx, l)
		if errors.Is(err, store.ErrNone) {
			return d.refuse(problem.New(problem.NotFound))
		}
		if err != nil {
			return err
		}
		id = c.ID
		d.on(id, "")
		return errors.Join(d.GiveBackThrottle(ctx, bucket), d.PutLook(ctx, db.PutLookParams{Staff: s.Staff, Customer: id, Via: string(l.By), At: store.Micros(d.now)}))
	})
	return id, err
}

// lookedUp is the one customer whom a look-up names.
func (d *deed) lookedUp(ctx context.Context, l Look) (db.Customer, error) {
	none := db.Customer{}
	switch l.By {
	case ByAccount:
		rows, err := d.CustomersByAccount(ctx, db.CustomersByAccountParams{Branch: accountDigits(l.Branch), AccountType: l.AccountType, AccountNumber: accountDigits(l.AccountNumber)})
		if err != nil || len(rows) != 1 {
			return none, errors.Join(err, orNothing(err))
		}
		return rows[0], nil
	case ByRef:
		ref := strings.TrimSpace(l.Ref)
		if !isRef(ref) {
			return none, store.ErrNone
		}
		return d.CustomerByRef(ctx, ref)
	}
	name, err := customer.CanonicalLoginID(strings.TrimSpace(l.LoginID))
	if err != nil {
		return none, store.ErrNone
	}
	return d.CustomerByLoginID(ctx, name)
}

// countLook counts a look-up as a miss before it is known to be one, by person and not by login; whoever finds somebody gives it back to the bucket.
func (d *deed) countLook(ctx context.Context, s StaffSession) (bucket string, err error) {
	bucket = "look " + s.Person
	n, err := d.CountThrottle(ctx, db.CountThrottleParams{Bucket: bucket, StartedAt: store.Micros(d.now), Stale: store.Micros(d.now.Add(-missedTime))})
	if err == nil && n.Count > missedLooks {
		err = problem.New(problem.LooksUsedUp, "retry_after", int(store.Time(n.StartedAt).Add(missedTime).Sub(d.now)/time.Second)+1)
	}
	return bucket, err
}

// orNothing is that there is nobody, unless something failed.
func orNothing(err error) error {
	if err != nil {
		return nil
	}
	return store.ErrNone
}

// LookFrom lets this member open the page of a customer whom a case, an incident, an order or a call back is about that is open, or has ended within a working day. That she came from there is on record; where the thing is not about her it opens nothing. Where
// none is named, it is what is open about her in the queues that this member works on.
func (a *Authority) LookFrom(ctx context.Context, s StaffSession, customerID, from string) error {
	if ident.Check(ident.Customer, customerID) != nil {
		return problem.New(problem.NotFound)
	}
	now, err := a.moment()
	if err != nil {
		return err
	}
	if _, err := a.Store.Reader().LookOf(ctx, db.LookOfParams{Staff: s.Staff, Customer: customerID, At: store.Micros(now.Add(-LookLife))}); err == nil || !errors.Is(err, store.ErrNone) {
		return err // she may open it already
	}
	return a.atDesk(ctx, s, staff.CustomerLook, audit.CustomerLook, func(ctx context.Context, d *deed) error {
		if from == "" {
			var err error
			if from, err = d.queued(ctx, s.Role, customerID); err != nil {
				return err
			}
		}
		kind, _, _ := strings.Cut(from, "_")
		if ident.Check(kind, from) != nil {
			return problem.New(problem.LookFirst)
		}
		d.on("", from)
		about, ended := "", int64(0)
		var may staff.Act
		switch kind {
		case ident.Release:
			row, err := d.ReleaseByID(ctx, from)
			if notNone(err) != nil {
				return err
			}
			about, may, ended = row.Customer, staff.CaseSee, row.EndedAt
		case ident.Incident:
			row, err := d.IncidentByID(ctx, from)
			if notNone(err) != nil {
				return err
			}
			about, may, ended = row.Customer, staff.FraudSee, row.ClosedAt
			if linked, err := a.linkedTo(ctx, s, row, customerID); err != nil {
				return err
			} else if linked {
				about = customerID
			}
		case ident.Order:
			row, err := d.OrderByID(ctx, from)
			if notNone(err) != nil {
				return err
			}
			about, may, ended = row.Customer, staff.OrderSee, row.EndedAt
			if ended == 0 && row.ExpiresAt <= store.Micros(d.now) { // over, and nobody has written so yet
				ended = row.ExpiresAt
			}
		case ident.PhoneCheck:
			row, err := callbackByID(ctx, d.Queries, from)
			if err != nil && problem.KindOf(err) != problem.NotFound {
				return err
			}
			about, may, ended = row.Customer, staff.CallBack, row.EndedAt
			if ended == 0 && row.ExpiresAt <= store.Micros(d.now) {
				ended = row.ExpiresAt
			}
		}
		if about == "" || about != customerID || !staff.May(s.Role, may) || ended > 0 && ended <= store.Micros(d.now.Add(-LookLife)) {
			return problem.New(problem.LookFirst)
		}
		d.on(customerID, from)
		d.detail = map[string]string{"by": kind}
		return d.PutLook(ctx, db.PutLookParams{Staff: s.Staff, Customer: customerID, Via: from, At: store.Micros(d.now)})
	})
}

// sees puts on record that a member sees a customer on the page of a case or an incident: once in LookLife while that is open, and her own page opens as well; each time when it has long ended, and opens nothing any more.
func (a *Authority) sees(ctx context.Context, s StaffSession, act staff.Act, customerID, from string, ended, now time.Time) error {
	if customerID == "" {
		return nil
	}
	open := ended.IsZero() || ended.After(now.Add(-LookLife))
	if open {
		if _, err := a.Store.Reader().LookOf(ctx, db.LookOfParams{Staff: s.Staff, Customer: customerID, At: store.Micros(now.Add(-LookLife))}); err == nil || notNone(err) != nil {
			return err
		}
	}
	return a.atDesk(ctx, s, act, audit.CustomerLook, func(ctx context.Context, d *deed) error {
		d.on(customerID, from)
		kind, _, _ := strings.Cut(from, "_")
		d.detail = map[string]string{"by": kind}
		if !open {
			return nil
		}
		return d.PutLook(ctx, db.PutLookParams{Staff: s.Staff, Customer: customerID, Via: from, At: store.Micros(d.now)})
	})
}

// queued is an open incident, case or call back about a customer in the queues of a role, or nothing.
func (d *deed) queued(ctx context.Context, r staff.Role, customerID string) (string, error) {
	if staff.May(r, staff.FraudSee) {
		rows, err := d.IncidentsOf(ctx, db.IncidentsOfParams{Customer: customerID, ID: afterAll(ident.Incident), Limit: 10})
		if err != nil {
			return "", err
		}
		for _, i := range rows {
			if i.ClosedAt == 0 {
				return i.ID, nil
			}
		}
	}
	if staff.May(r, staff.CaseSee) {
		rows, err := d.ReleasesOf(ctx, db.ReleasesOfParams{Customer: customerID, Limit: 10})
		if err != nil {
			return "", err
		}
		for _, c := range rows {
			if c.EndedAt == 0 {
				return c.ID, nil
			}
		}
	}
	if staff.May(r, staff.CallBack) {
		row, err := d.OpenCallbackOf(ctx, customerID)
		if err == nil && row.ExpiresAt > store.Micros(d.now) {
			return row.ID, nil
		}
		return "", notNone(err)
	}
	return "", nil
}

// mayOpen refuses whoever has not looked this customer up lately, so that nobody walks through identifiers. The attempt is on record.
func (a *Authority) mayOpen(ctx context.Context, s StaffSession, customerID string) (time.Time, error) {
	if err := a.seesDesk(s, staff.CustomerLook); err != nil {
		return time.Time{}, err
	}
	if ident.Check(ident.Customer, customerID) != nil {
		return time.Time{}, problem.New(problem.NotFound)
	}
	now, err := a.moment()
	if err != nil {
		return now, err
	}
	_, err = a.Store.Reader().LookOf(ctx, db.LookOfParams{Staff: s.Staff, Customer: customerID, At: store.Micros(now.Add(-LookLife))})
	if errors.Is(err, store.ErrNone) {
		err = a.writeRefusal(ctx, &deed{a: a, now: now, by: s.Actor(), action: audit.CustomerLook, object: customerID}, problem.New(problem.LookFirst))
	}
	return now, err
}

// Looked is a customer whom this member has looked up lately.
type Looked struct {
	ID, Name, Account string
	At                time.Time
}

// LatelyLooked are those of this member, the latest first: so that she finds back without typing.
func (a *Authority) LatelyLooked(ctx context.Context, s StaffSession) ([]Looked, error) {
	now, err := a.moment()
	if err != nil {
		return nil, err
	}
	if err := a.seesDesk(s, staff.CustomerLook); err != nil {
		return nil, err
	}
	rows, err := a.Store.Reader().LooksBy(ctx, db.LooksByParams{Staff: s.Staff, At: store.Micros(now.Add(-LookLife)), Limit: 10})
	if err != nil {
		return nil, err
	}
	out := make([]Looked, len(rows))
	for i, r := range rows {
		c, err := a.Store.Reader().CustomerByID(ctx, r.Customer)
		if err != nil {
			return nil, err
		}
		out[i] = Looked{c.ID, c.Name, store.Customer(c).MaskedAccount(), store.Time(r.At)}
	}
	return out, nil
}
