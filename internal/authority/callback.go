package authority

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/incident"
	"github.com/inkan-auth/inkan/internal/domain/phone"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/reissue"
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

// callable is the number to dial for a check that is still open. Where the number on file is another one by now, or its SIM was changed, a call would prove nothing, and the check ends.
func (d *deed) callable(ctx context.Context, row db.PhoneCheck) (c db.Customer, n phone.Number, err error) {
	if slices.Contains(phone.Final, phoneState(row, d.now)) || row.CreatedAt <= d.fence(ctx) {
		return c, "", problem.New(problem.PhoneOver)
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
// counted as any code of the telephone. What is proved already is told once more.
func (a *Authority) ProveCallback(ctx context.Context, s StaffSession, id, code string) error {
	return a.atDesk(ctx, s, staff.CallBack, audit.PhoneProve, func(ctx context.Context, d *deed) error {
		row, err := d.onCallback(ctx, id)
		if err != nil || row.State == string(phone.Proved) {
			return err
		}
		if _, n, err := d.callable(ctx, row); err != nil || n == "" {
			return err
		}
		if row.Caller != s.Staff {
			return problem.New(problem.CallbackFirst)
		}
		return d.tryPhoneCode(ctx, row, code)
	})
}

// MissCallback writes down that nobody has answered. was is how many such calls the page knew of, so that a second click counts none.
func (a *Authority) MissCallback(ctx context.Context, s StaffSession, id string, was int) error {
	return a.atDesk(ctx, s, staff.CallBack, audit.PhoneEvent, func(ctx context.Context, d *deed) error {
		row, err := d.onCallback(ctx, id)
		if err != nil {
			return err
		}
		d.detail["event"] = "missed"
		if slices.Contains(phone.Final, phoneState(row, d.now)) {
			return problem.New(problem.PhoneOver)
		}
		if row.Caller != s.Staff {
			return problem.New(problem.CallbackFirst)
		}
		_, err = d.Queries.MissCallback(ctx, db.MissCallbackParams{ID: id, MissedAt: store.Micros(d.now), Caller: s.Staff, Was: int64(was)})
		return err
	})
}

// DenyCallback writes down that whoever answered has asked for nothing (身に覚えがない). Somebody has her cash card and her confirmation password then: what was asked for ends, the fraud desk has an incident, and every
// address is told. Said once more it changes nothing.
func (a *Authority) DenyCallback(ctx context.Context, s StaffSession, id string) error {
	return a.atDesk(ctx, s, staff.CallBack, audit.PhoneEvent, func(ctx context.Context, d *deed) error {
		row, err := d.onCallback(ctx, id)
		if err != nil {
			return err
		}
		d.detail["event"] = string(phone.Denied)
		if row.Reason == string(phone.Denied) { // the answer was lost
			return nil
		}
		if slices.Contains(phone.Final, phoneState(row, d.now)) {
			return problem.New(problem.PhoneOver)
		}
		if row.Caller != s.Staff {
			return problem.New(problem.CallbackFirst)
		}
		if err := d.endPhone(ctx, row, phone.Fail, phone.Denied, ""); err != nil {
			return err
		}
		r, err := d.ReissueByID(ctx, row.Object)
		if notNone(err) != nil {
			return err
		}
		if r.State == string(reissue.Open) {
			if err := d.endReissue(ctx, store.Reissue(r), reissue.Withdraw); err != nil {
				return err
			}
		}
		values := map[string]string{"device": r.Device, "place": Place(r.Source), "asked": store.Time(row.CreatedAt).Format(time.RFC3339)}
		return errors.Join(d.incident(ctx, incident.Reported, row.Customer, row.Object, map[string]string{"source": r.Source, "device": r.Device}), d.tellAll(ctx, row.Customer, "callback_denied", values))
	})
}
