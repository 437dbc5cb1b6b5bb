package authority

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/enrolment"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/incident"
	"github.com/inkan-auth/inkan/internal/domain/phone"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// Callback is a customer who waits for a call of staff, or has waited, as the console shows her: nothing by which somebody could call her, and not the number that she will say.
type Callback struct {
	ID, Customer     string
	Purpose          string // token, service, or other
	Branch           string // of the representative account
	Masked           string // the number on file
	Language         string // in which she has asked
	Device, Source   string // from where she has asked
	State            phone.State
	Reason           phone.Reason
	Created, Expires time.Time
	Ended            time.Time // zero while it waits
	Shown            time.Time // when the number was shown last; zero before
	Caller           string    // the name of whom it was shown to
	Mine             bool      // that is the member who looks
	Missed           int       // calls that nobody answered
	MissedAt         time.Time
	TriesLeft        int
}

// Denied says that whoever was called has asked for nothing.
func (c Callback) Denied() bool { return c.Reason == phone.Denied }

// Deniable says that she may say so still, also after it has ended: somebody had her number.
func (c Callback) Deniable() bool { return !c.Shown.IsZero() && !c.Denied() }

// Open says that she still waits.
func (c Callback) Open() bool { return !slices.Contains(phone.Final, c.State) }

// CallbackCall is what whoever calls has to know, shown once for each time that she asks for it.
type CallbackCall struct {
	Number, Name, Kana string
	Left               int // how many fields this person may still have shown today
}

// CallbackPage is how many of them one page has.
const CallbackPage = 50

// Callbacks are those who wait for a call of staff, the oldest first, after one of them or from the beginning. next is where the following page begins, empty at the end.
func (a *Authority) Callbacks(ctx context.Context, s StaffSession, after string) (out []Callback, next string, err error) {
	if err := a.seesDesk(s, staff.CallBack); err != nil {
		return nil, "", err
	}
	if after != "" && ident.Check(ident.PhoneCheck, after) != nil {
		return nil, "", problem.New(problem.NotFound)
	}
	now, err := a.moment()
	if err != nil {
		return nil, "", err
	}
	rows, err := a.Store.Reader().OpenCallbacks(ctx, db.OpenCallbacksParams{Now: store.Micros(now), After: after, Most: CallbackPage + 1})
	if err != nil {
		return nil, "", err
	}
	if len(rows) > CallbackPage {
		rows = rows[:CallbackPage]
		next = rows[CallbackPage-1].ID
	}
	names := map[string]string{}
	for _, row := range rows {
		c, err := a.callbackOf(ctx, s, row, now, names)
		if err != nil {
			return nil, "", err
		}
		out = append(out, c)
	}
	return out, next, nil
}

// CallbackAtDesk is one of them, also when it is over.
func (a *Authority) CallbackAtDesk(ctx context.Context, s StaffSession, id string) (c Callback, err error) {
	if err := a.seesDesk(s, staff.CallBack); err != nil {
		return c, err
	}
	now, err := a.moment()
	if err != nil {
		return c, err
	}
	row, err := callbackByID(ctx, a.Store.Reader(), id)
	if err != nil {
		return c, err
	}
	return a.callbackOf(ctx, s, row, now, map[string]string{})
}

func callbackByID(ctx context.Context, q *db.Queries, id string) (row db.PhoneCheck, err error) {
	if ident.Check(ident.PhoneCheck, id) != nil {
		return row, problem.New(problem.NotFound)
	}
	if row, err = q.PhoneCheckByID(ctx, id); err != nil {
		return row, orKind(notNone(err), problem.NotFound)
	}
	if row.Way != string(phone.StaffCallback) {
		return row, problem.New(problem.NotFound)
	}
	return row, nil
}

func (a *Authority) callbackOf(ctx context.Context, s StaffSession, row db.PhoneCheck, now time.Time, names map[string]string) (c Callback, err error) {
	check, err := a.phoneCheckOf(ctx, row, now)
	if err != nil {
		return c, err
	}
	owner, err := a.Store.Reader().CustomerByID(ctx, row.Customer)
	if err != nil {
		return c, err
	}
	c = Callback{ID: row.ID, Customer: row.Customer, Purpose: "other", Branch: owner.Branch, Masked: check.Masked, Language: row.Language, State: check.State, Reason: check.Reason, Created: check.Created, Expires: check.Expires,
		Ended: check.Ended, Shown: store.Time(row.ShownAt), Mine: row.Caller == s.Staff, Missed: check.Missed, MissedAt: check.MissedAt, TriesLeft: check.TriesLeft}
	r, err := a.Store.Reader().ReissueByID(ctx, row.Object)
	if err == nil {
		c.Purpose, c.Device, c.Source = r.Wish, r.Device, r.Source
	} else if notNone(err) != nil {
		return c, err
	}
	c.Caller, err = a.staffName(ctx, row.Caller, names)
	return c, err
}

// phoneWindow is how long a telephone counts as proved that was proved by a way.
func (a *Authority) phoneWindow(w phone.Way) time.Duration {
	if w == phone.StaffCallback {
		return a.Rules().PhoneCallbackProof
	}
	return a.Rules().ReissueWindow
}

// endCallback ends the check for which staff would call a customer, if there is one.
func (d *deed) endCallback(ctx context.Context, customerID string, why phone.Reason) error {
	row, err := d.OpenCallbackOf(ctx, customerID)
	if err != nil {
		return notNone(err)
	}
	return d.failPhone(ctx, row, why)
}

// onCallback is a check for which staff call, read in a deed.
func (d *deed) onCallback(ctx context.Context, id string) (db.PhoneCheck, error) {
	row, err := callbackByID(ctx, d.Queries, id)
	if err == nil {
		d.on(row.Customer, row.Object)
		d.detail = map[string]string{"way": row.Way, "check": row.ID}
	}
	return row, err
}

// callable is the number to dial for a check that is still open. Where the number on file is another one by now, or its SIM was changed, or a restore lies in between, a call would prove nothing, and the check ends.
func (d *deed) callable(ctx context.Context, row db.PhoneCheck) (c db.Customer, n phone.Number, err error) {
	if slices.Contains(phone.Final, phoneState(row, d.now)) {
		return c, "", problem.New(problem.PhoneOver)
	}
	fence, err := d.Fence(ctx)
	if err != nil {
		return c, "", err
	}
	if row.CreatedAt <= fence.NotBefore {
		return c, "", errors.Join(d.failPhone(ctx, row, phone.Withdrawn), d.refuse(problem.New(problem.PhoneOver)))
	}
	if c, err = d.CustomerByID(ctx, row.Customer); err != nil {
		return c, "", err
	}
	if n, err = phone.Parse(c.Phone); err != nil || !slices.Equal(d.a.phoneMAC(n), row.NumberMac) || c.PhoneSince > row.CreatedAt {
		return c, "", errors.Join(d.failPhone(ctx, row, phone.Changed), d.refuse(problem.New(problem.PhoneOver)))
	}
	return c, n, nil
}

// ShowCallback shows the number on file in full to the member who will dial it, and to nobody else until she asks for it too. It is on record and counts as any masked field that is shown.
func (a *Authority) ShowCallback(ctx context.Context, s StaffSession, id string) (call CallbackCall, err error) {
	err = a.atDesk(ctx, s, staff.CallBack, audit.CustomerReveal, func(ctx context.Context, d *deed) error {
		call = CallbackCall{}
		row, err := d.onCallback(ctx, id)
		if err != nil {
			return err
		}
		d.object, d.detail = row.ID, map[string]string{"why": RevealReasons[0], "field": RevealPhone}
		c, n, err := d.callable(ctx, row)
		if err != nil || n == "" {
			return err
		}
		at, err := d.AttemptOf(ctx, db.AttemptOfParams{Customer: row.Customer, Factor: string(phoneFactor), Lane: ""})
		if notNone(err) != nil {
			return err
		}
		if int(at.Tries) >= a.Rules().TriesForLife || store.Time(at.BlockedUntil).After(d.now) { // a call could prove nothing now
			return noTry(at, phoneFactor, a.Rules().TriesForLife)
		}
		left, err := d.countReveal(ctx, s)
		if err != nil {
			return err
		}
		call = CallbackCall{string(n), c.Name, c.Kana, left}
		return store.Must(d.TakeCallback(ctx, db.TakeCallbackParams{ID: id, Caller: s.Staff, ShownAt: store.Micros(d.now)}))
	})
	if err != nil {
		return CallbackCall{}, err
	}
	return call, nil
}

// countReveal counts a masked field that this person has shown, whatever her logins, and says how many are left today.
func (d *deed) countReveal(ctx context.Context, s StaffSession) (left int, err error) {
	const day = 24 * time.Hour
	n, err := d.CountThrottle(ctx, db.CountThrottleParams{Bucket: "reveal " + s.Person, StartedAt: store.Micros(d.now), Stale: store.Micros(d.now.Add(-day))})
	if err != nil {
		return 0, err
	}
	if left = d.a.Rules().StaffReveals - int(n.Count); left < 0 {
		return 0, problem.New(problem.RevealsUsedUp, "limit", d.a.Rules().StaffReveals, "until", store.Time(n.StartedAt).Add(day))
	}
	return left, nil
}

// ProveCallback takes the number that the customer reads out from her page: who has answered is who sits before it. Whoever calls cannot know it, so nobody of the staff confirms a call that was not made; wrong ones are
// counted as any code of the telephone. Who has proved it already is told so once more.
func (a *Authority) ProveCallback(ctx context.Context, s StaffSession, id, code string) error {
	return unrepeated(a.atDesk(ctx, s, staff.CallBack, audit.PhoneProve, func(ctx context.Context, d *deed) error {
		row, err := d.onCallback(ctx, id)
		if err != nil {
			return err
		}
		if row.State == string(phone.Proved) {
			return d.provedBefore(row)
		}
		if _, n, err := d.callable(ctx, row); err != nil || n == "" {
			return err
		}
		if row.Caller != s.Staff {
			return problem.New(problem.CallbackFirst)
		}
		return d.tryPhoneCode(ctx, row, code)
	}))
}

// provedBefore answers whoever sends a number for what is proved: it is over, but for the member who has proved it and whose answer was lost.
func (d *deed) provedBefore(row db.PhoneCheck) error {
	if row.Caller == d.by.ID && row.Reason == "" {
		return errRepeated
	}
	return problem.New(problem.PhoneOver)
}

// MissCallback writes down that nobody has answered. was is how many such calls the page knew of, so that a second click counts none, and leaves no second entry.
func (a *Authority) MissCallback(ctx context.Context, s StaffSession, id string, was int) error {
	return unrepeated(a.atDesk(ctx, s, staff.CallBack, audit.PhoneEvent, func(ctx context.Context, d *deed) error {
		row, err := d.onCallback(ctx, id)
		if err != nil {
			return err
		}
		d.detail["event"] = "missed"
		if _, n, err := d.callable(ctx, row); err != nil || n == "" {
			return err
		}
		if row.Caller != s.Staff {
			return problem.New(problem.CallbackFirst)
		}
		if row.Missed != int64(was) {
			return errRepeated
		}
		return store.Must(d.Queries.MissCallback(ctx, db.MissCallbackParams{ID: id, MissedAt: store.Micros(d.now), Caller: s.Staff, Was: int64(was)}))
	}))
}

// DenyCallback writes down that whoever answered has asked for nothing (身に覚えがない). Somebody has her cash card and her confirmation password then: whatever of hers is on the road back ends, the fraud desk has an incident, and
// every address is told. Any member may say so of a check whose number was shown, and however it has ended meanwhile: whoever asked for it can end it at any moment, and a victim may ring back. What was proved by it is proved no more.
// Said once more by who said it, it changes nothing; to anybody else it is over.
func (a *Authority) DenyCallback(ctx context.Context, s StaffSession, id string) error {
	return unrepeated(a.atDesk(ctx, s, staff.CallBack, audit.PhoneEvent, func(ctx context.Context, d *deed) error {
		row, err := d.onCallback(ctx, id)
		if err != nil {
			return err
		}
		d.detail["event"] = string(phone.Denied)
		switch {
		case row.Reason == string(phone.Denied):
			return d.deniedBefore(ctx, row)
		case row.ShownAt == 0 && slices.Contains(phone.Final, phoneState(row, d.now)): // nobody can have been called
			return problem.New(problem.PhoneOver)
		case row.ShownAt == 0:
			return problem.New(problem.CallbackFirst)
		case row.EndedAt > 0:
			err = store.Must(d.DenyPhoneCheck(ctx, db.DenyPhoneCheckParams{ID: row.ID, EndedAt: store.Micros(d.now)}))
		default:
			err = d.endPhone(ctx, row, phone.Fail, phone.Denied, "")
		}
		if err != nil {
			return err
		}
		if err := d.cancelReissues(ctx, row.Customer); err != nil {
			return err
		}
		r, err := d.ReissueByID(ctx, row.Object)
		if notNone(err) != nil {
			return err
		}
		values := map[string]string{"device": r.Device, "place": Place(r.Source), "asked": store.Time(row.CreatedAt).Format(time.RFC3339)}
		return errors.Join(d.incident(ctx, incident.Reported, row.Customer, row.Object, map[string]string{"source": r.Source, "device": r.Device}), d.tellAll(ctx, row.Customer, "callback_denied", values))
	}))
}

// deniedBefore answers whoever denies what was denied: the answer was lost where it was the same member, as the trail says.
func (d *deed) deniedBefore(ctx context.Context, row db.PhoneCheck) error {
	said, err := d.CallsBy(ctx, db.CallsByParams{Customer: row.Customer, Actor: d.by.ID, Since: idAt(ident.Entry, store.Time(row.CreatedAt))})
	if err != nil {
		return err
	}
	for _, one := range said {
		if e := store.Entry(one); e.Detail["check"] == row.ID && e.Detail["event"] == string(phone.Denied) {
			return errRepeated
		}
	}
	return problem.New(problem.PhoneOver)
}

// cancelReissues ends every re-issue of a customer as she would herself: the call that she waits for, what was ordered, and the phone that has registered for it.
func (d *deed) cancelReissues(ctx context.Context, customerID string) error {
	if err := d.withdrawReissues(ctx, customerID); err != nil {
		return err
	}
	order, err := d.OpenEnrolment(ctx, customerID)
	if err != nil || order.Purpose != string(enrolment.Reissue) {
		return notNone(err)
	}
	return d.endEnrolment(ctx, store.Enrolment(order), enrolment.Cancel)
}
