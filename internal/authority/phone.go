package authority

import (
	"context"
	"crypto/subtle"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/enrolment"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/phone"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// phoneFactor is the telephone number on file. Its tries are shared by all ways and channels. A number that calls can be forged and a message can be read by another, so it is never the only factor
// of anything (C-40).
const phoneFactor factor = "phone"

// callTopic and smsTopic are the outbox's topics of calls and short messages.
const (
	callTopic = "call"
	smsTopic  = "sms"
)

// phonePause is how long a check that was begun a moment ago is not begun again in the same way: a double click sends one message, and its code is good.
const phonePause = 10 * time.Second

// PhoneOffer is what a customer can choose from to prove her telephone number.
type PhoneOffer struct {
	Ways    []phone.Way // in the order in which a page offers them; empty where Refusal says why
	Masked  string      // the number as far as it may be shown; empty where there is none
	Dial    string      // whom she calls, for phone.CallIn
	Refusal error       // why there is nothing to choose from now, or nil
}

// PhoneCheck is one check of the telephone number on file, as its page shows it.
type PhoneCheck struct {
	ID, Customer, Object string
	Way                  phone.Way
	State                phone.State
	Reason               phone.Reason // of a check that has failed or expired; may be empty
	Masked               string
	Digits               string // to be typed on the telephone's keys, for phone.CallKeys, or said to staff, for phone.StaffCallback, while the check is open; empty elsewhere
	Dial                 string // whom she calls, for phone.CallIn
	Created, Expires     time.Time
	Ended                time.Time // zero while it is open
	TriesLeft            int       // of codes, before the telephone is closed
	Missed               int       // calls of staff that nobody answered
	MissedAt             time.Time // the last of them
}

// Open says that the check can still be passed.
func (c PhoneCheck) Open() bool { return !slices.Contains(phone.Final, c.State) }

// Typed says that the customer types a code on our page.
func (c PhoneCheck) Typed() bool { return typedWay(c.Way) }

func typedWay(w phone.Way) bool { return w == phone.CallOut || w == phone.SMS }

// shownWay says that the page shows a code, which comes back by the telephone.
func shownWay(w phone.Way) bool { return w == phone.CallKeys || w == phone.StaffCallback }

// PhoneWays says by which ways a customer can prove her telephone number now.
func (a *Authority) PhoneWays(ctx context.Context, customerID string) (PhoneOffer, error) {
	now, err := a.moment()
	if err != nil {
		return PhoneOffer{}, err
	}
	return a.phoneOffer(ctx, a.Store.Reader(), customerID, now)
}

func (a *Authority) phoneOffer(ctx context.Context, q *db.Queries, customerID string, now time.Time) (o PhoneOffer, err error) {
	c, err := q.CustomerByID(ctx, customerID)
	if err != nil {
		return o, err
	}
	number, err := phone.Parse(c.Phone)
	if err != nil {
		o.Refusal = problem.New(problem.PhoneNone)
		return o, nil
	}
	o.Masked = number.Masked()
	var k phone.Kinds
	if a.Telephone != nil {
		k = a.Telephone.Kinds()
	}
	o.Dial = k.Dial
	at, err := q.AttemptOf(ctx, db.AttemptOfParams{Customer: customerID, Factor: string(phoneFactor), Lane: ""})
	if err != nil && !errors.Is(err, store.ErrNone) {
		return o, err
	}
	sends, err := a.phoneSends(ctx, q, customerID, now)
	if err != nil {
		return o, err
	}
	for _, way := range phone.Ways {
		possible := map[phone.Way]bool{phone.SMS: k.Messages && number.Mobile(), phone.CallOut: k.Calls, phone.CallKeys: k.Calls, phone.CallIn: k.Dial != "", phone.StaffCallback: a.Rules().PhoneCallback}
		if possible[way] && (sends.IsZero() || way == phone.CallIn) {
			o.Ways = append(o.Ways, way)
		}
	}
	free := store.Time(c.PhoneSince).Add(a.Rules().PhoneOnFile)
	switch {
	case c.PhoneSince > 0 && free.After(now):
		o.Refusal = problem.New(problem.PhoneRecent, "until", free)
	case int(at.Tries) >= a.Rules().TriesForLife || store.Time(at.BlockedUntil).After(now):
		o.Refusal = noTry(at, phoneFactor, a.Rules().TriesForLife)
	case len(o.Ways) == 0 && !sends.IsZero():
		o.Refusal = problem.New(problem.PhoneLimit, "until", sends)
	case len(o.Ways) == 0:
		o.Refusal = problem.New(problem.PhoneOff)
	}
	if o.Refusal != nil {
		o.Ways = nil
	}
	return o, nil
}

// phoneSends says when the next call or message may go to the customer; zero is now.
func (a *Authority) phoneSends(ctx context.Context, q *db.Queries, customerID string, now time.Time) (time.Time, error) {
	const day = 24 * time.Hour
	last, err := q.PhoneSends(ctx, db.PhoneSendsParams{Customer: customerID, CreatedAt: store.Micros(now.Add(-day))}) // the newest first
	if err != nil {
		return time.Time{}, err
	}
	var until time.Time
	if n := a.Rules().PhoneSendsPerDay; len(last) >= n {
		until = store.Time(last[n-1]).Add(day)
	}
	if n := a.Rules().PhoneSendsPerHour; len(last) >= n {
		if hour := store.Time(last[n-1]).Add(time.Hour); hour.After(now) && hour.After(until) {
			until = hour
		}
	}
	return until, nil
}

// BeginPhone begins a check for an object, such as a re-issue: its own flow has to say that the object is this customer's. It ends the check that was open for the object, unless that
// is the same one begun a moment ago.
func (a *Authority) BeginPhone(ctx context.Context, by audit.Actor, customerID, object string, way phone.Way, language string) (PhoneCheck, error) {
	if !slices.Contains(phone.Ways, way) || language != "ja" && language != "en" || object == "" {
		return PhoneCheck{}, problem.New(problem.Malformed, "field", "way")
	}
	err := a.do(ctx, by, audit.PhoneBegin, func(ctx context.Context, d *deed) error {
		id := a.newID(ident.PhoneCheck, d.now)
		d.on(customerID, object)
		d.detail = map[string]string{"way": string(way), "check": id}
		if err := d.TakePhoneTurn(ctx, customerID); err != nil { // whoever begins for her at the same moment waits here, and counts us
			return err
		}
		open, err := d.OpenPhoneCheck(ctx, object)
		if err != nil && !errors.Is(err, store.ErrNone) {
			return err
		}
		live := err == nil
		if live && open.Customer != customerID {
			return problem.New(problem.NotFound)
		}
		if live && open.Way == string(way) && store.Time(open.ExpiresAt).After(d.now) && (d.now.Sub(store.Time(open.CreatedAt)) < phonePause || way == phone.StaffCallback) { // a second click, or the answer was lost
			d.detail["check"] = open.ID
			return nil
		}
		offer, err := a.phoneOffer(ctx, d.Queries, customerID, d.now)
		if err != nil {
			return err
		}
		if offer.Refusal != nil {
			return offer.Refusal
		}
		if !slices.Contains(offer.Ways, way) {
			if sends, err := a.phoneSends(ctx, d.Queries, customerID, d.now); err != nil || !sends.IsZero() {
				return orElse(err, problem.New(problem.PhoneLimit, "until", sends))
			}
			return problem.New(problem.PhoneOff)
		}
		if live {
			if err := d.failPhone(ctx, open, phone.Replaced); err != nil {
				return err
			}
		}
		c, err := d.CustomerByID(ctx, customerID)
		if err != nil {
			return err
		}
		number, err := phone.Parse(c.Phone)
		if err != nil {
			return problem.New(problem.PhoneNone)
		}
		mac := a.phoneMAC(number)
		if way == phone.CallIn { // a number that calls stands for one check
			if other, err := d.WaitingOnNumber(ctx, mac); err == nil {
				if store.Time(other.ExpiresAt).After(d.now) {
					return problem.New(problem.PhoneBusy, "until", store.Time(other.ExpiresAt))
				}
				if err := d.endPhone(ctx, other, phone.Expire, "", ""); err != nil {
					return err
				}
			} else if !errors.Is(err, store.ErrNone) {
				return err
			}
		}
		if way == phone.StaffCallback { // staff call her once, for what she asked for last
			if err := d.endCallback(ctx, customerID, phone.Replaced); err != nil {
				return err
			}
		}
		sealed := []byte{}
		if typedWay(way) || shownWay(way) {
			code := enrolment.Digits([16]byte(a.random(16)), phone.CodeDigits)
			if sealed, err = a.Keys.Seal("phone", phonePlace(id, customerID), []byte(code)); err != nil {
				return err
			}
		}
		life := map[phone.Way]time.Duration{phone.SMS: a.Rules().PhoneCodeLife, phone.StaffCallback: a.Rules().PhoneCallbackLife}[way]
		if life == 0 {
			life = a.Rules().PhoneCallLife
		}
		expires := store.Micros(d.now.Add(life))
		if err := d.InsertPhoneCheck(ctx, db.InsertPhoneCheckParams{ID: id, Customer: customerID, Object: object, Way: string(way), Language: language, NumberMac: mac, CodeSealed: sealed,
			CreatedAt: store.Micros(d.now), ExpiresAt: expires}); err != nil {
			return err
		}
		if way == phone.StaffCallback {
			_, err := d.StretchReissue(ctx, db.StretchReissueParams{ID: object, ExpiresAt: expires})
			return err
		}
		topic := map[phone.Way]string{phone.SMS: smsTopic, phone.CallOut: callTopic, phone.CallKeys: callTopic}[way]
		if topic == "" {
			return nil
		}
		// The row names the check and says nothing else: number and code are read when it leaves, if the check is still open then.
		return d.InsertOutbox(ctx, db.InsertOutboxParams{ID: a.newID(ident.Outbox, d.now), Customer: customerID, Topic: topic, Address: id, Sealed: []byte{}, CreatedAt: store.Micros(d.now), ExpiresAt: expires})
	})
	if err != nil {
		return PhoneCheck{}, err
	}
	return a.PhoneCheckOf(ctx, object)
}

// orElse is err where there is one, and the refusal otherwise.
func orElse(err, refusal error) error {
	if err != nil {
		return err
	}
	return refusal
}

func (a *Authority) phoneMAC(n phone.Number) []byte { return a.Keys.MAC("phone", []byte(n)) }

// phonePlace binds a code to its check and customer.
func phonePlace(id, customerID string) string { return "phone_check.code|" + id + "|" + customerID }

func (a *Authority) phoneCode(row db.PhoneCheck) (string, error) {
	b, err := a.Keys.Open("phone", phonePlace(row.ID, row.Customer), row.CodeSealed)
	return string(b), err
}

// endPhone ends an open check; its code is forgotten.
func (d *deed) endPhone(ctx context.Context, row db.PhoneCheck, on phone.Event, why phone.Reason, call string) error {
	to, ok := phone.Life.Next(phone.State(row.State), on)
	if !ok {
		return store.ErrConflict
	}
	err := store.Must(d.EndPhoneCheck(ctx, db.EndPhoneCheckParams{ID: row.ID, State: string(to), Reason: string(why), EndedAt: store.Micros(d.now), Call: call, Empty: []byte{}}))
	if err != nil || row.Way != string(phone.StaffCallback) {
		return err
	}
	if to == phone.Proved {
		_, err = d.StretchReissue(ctx, db.StretchReissueParams{ID: row.Object, ExpiresAt: store.Micros(d.now.Add(d.a.Rules().PhoneCallbackProof))})
	} else {
		_, err = d.UnstretchReissue(ctx, db.UnstretchReissueParams{ID: row.Object, Span: d.a.Rules().ReissueWindow.Microseconds(), Now: store.Micros(d.now)})
	}
	return err
}

func (d *deed) failPhone(ctx context.Context, row db.PhoneCheck, why phone.Reason) error {
	if store.Time(row.ExpiresAt).After(d.now) {
		return d.endPhone(ctx, row, phone.Fail, why, "")
	}
	return d.endPhone(ctx, row, phone.Expire, "", "")
}

// PhoneCheckOf is the latest check of an object; problem.PhoneOver where there is none.
func (a *Authority) PhoneCheckOf(ctx context.Context, object string) (PhoneCheck, error) {
	now, err := a.moment()
	if err != nil {
		return PhoneCheck{}, err
	}
	row, err := a.Store.Reader().LatestPhoneCheck(ctx, object)
	if errors.Is(err, store.ErrNone) {
		return PhoneCheck{}, problem.New(problem.PhoneOver)
	}
	if err != nil {
		return PhoneCheck{}, err
	}
	return a.phoneCheckOf(ctx, row, now)
}

func (a *Authority) phoneCheckOf(ctx context.Context, row db.PhoneCheck, now time.Time) (PhoneCheck, error) {
	c := PhoneCheck{ID: row.ID, Customer: row.Customer, Object: row.Object, Way: phone.Way(row.Way), State: phoneState(row, now), Reason: phone.Reason(row.Reason), Created: store.Time(row.CreatedAt),
		Expires: store.Time(row.ExpiresAt), Ended: store.Time(row.EndedAt), Missed: int(row.Missed), MissedAt: store.Time(row.MissedAt)}
	if c.State == phone.Expired {
		c.Ended = c.Expires
		if row.State == string(phone.Waiting) && (typedWay(c.Way) || c.Way == phone.CallKeys) {
			c.Reason = phone.Unsent
		}
	}
	owner, err := a.Store.Reader().CustomerByID(ctx, row.Customer)
	if err != nil {
		return c, err
	}
	number, _ := phone.Parse(owner.Phone) // one that was taken off the file since shows nothing
	c.Masked = number.Masked()
	at, err := a.Store.Reader().AttemptOf(ctx, db.AttemptOfParams{Customer: row.Customer, Factor: string(phoneFactor), Lane: ""})
	if err != nil && !errors.Is(err, store.ErrNone) {
		return c, err
	}
	if !store.Time(at.BlockedUntil).After(now) {
		c.TriesLeft = a.Rules().PhoneTries - int(at.Tries)%a.Rules().PhoneTries
	}
	if a.Telephone != nil && c.Way == phone.CallIn {
		c.Dial = a.Telephone.Kinds().Dial
	}
	if !c.Open() || !shownWay(c.Way) {
		return c, nil
	}
	c.Digits, err = a.phoneCode(row)
	return c, err
}

// phoneState is the state of a check at a moment: nothing depends on when the clock's worker comes by.
func phoneState(row db.PhoneCheck, now time.Time) phone.State {
	s := phone.State(row.State)
	if !slices.Contains(phone.Final, s) && !store.Time(row.ExpiresAt).After(now) {
		return phone.Expired
	}
	return s
}

// ProvePhone takes the code that a customer has heard or read. The try is counted before the code is looked at; after the last one the telephone is closed for a day, by every way.
func (a *Authority) ProvePhone(ctx context.Context, by audit.Actor, object, code string) error {
	return a.do(ctx, by, audit.PhoneProve, func(ctx context.Context, d *deed) error {
		d.on("", object)
		row, err := d.LatestPhoneCheck(ctx, object)
		if errors.Is(err, store.ErrNone) {
			return problem.New(problem.PhoneOver)
		}
		if err != nil {
			return err
		}
		d.on(row.Customer, object)
		d.detail = map[string]string{"way": row.Way, "check": row.ID}
		if row.State == string(phone.Proved) { // the answer was lost
			return nil
		}
		if !typedWay(phone.Way(row.Way)) {
			return problem.New(problem.PhoneOver)
		}
		return d.tryPhoneCode(ctx, row, code)
	})
}

// tryPhoneCode counts a try, then looks at a code, whether it was typed on our page or on the telephone's keys.
func (d *deed) tryPhoneCode(ctx context.Context, row db.PhoneCheck, code string) error {
	p := *d.a.Rules()
	if slices.Contains(phone.Final, phoneState(row, d.now)) || row.CreatedAt <= d.fence(ctx) {
		return problem.New(problem.PhoneOver)
	}
	try, err := d.ReserveTry(ctx, db.ReserveTryParams{Customer: row.Customer, Factor: string(phoneFactor), Lane: "", Every: int64(p.PhoneTries), Base: p.PhoneBlock.Microseconds(),
		Cap: p.PhoneBlock.Microseconds(), Now: store.Micros(d.now), Hard: int64(p.TriesForLife)})
	if errors.Is(err, store.ErrNone) {
		at, err := d.AttemptOf(ctx, db.AttemptOfParams{Customer: row.Customer, Factor: string(phoneFactor), Lane: ""})
		if err != nil {
			return err
		}
		return noTry(at, phoneFactor, p.TriesForLife)
	}
	if err != nil {
		return err
	}
	// Behind the count nobody else is judged at the same moment, so the check is read again as it is now. What returns an error from here gives the try back: the code was not looked at.
	if row, err = d.PhoneCheckByID(ctx, row.ID); err != nil {
		return err
	}
	switch {
	case row.State == string(phone.Proved) && row.Way == string(phone.StaffCallback):
		return d.provedBefore(row)
	case row.State == string(phone.Proved):
		return clearTries(ctx, d.Queries, row.Customer, phoneFactor, "")
	case slices.Contains(phone.Final, phoneState(row, d.now)):
		return errors.Join(d.GiveBackTry(ctx, db.GiveBackTryParams{Customer: row.Customer, Factor: string(phoneFactor), Lane: "", Every: int64(p.PhoneTries), Base: p.PhoneBlock.Microseconds()}),
			problem.New(problem.PhoneOver))
	}
	want, err := d.a.phoneCode(row)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
		return errors.Join(d.endPhone(ctx, row, phone.Prove, "", ""), clearTries(ctx, d.Queries, row.Customer, phoneFactor, ""))
	}
	if left := p.PhoneTries - int(try.Tries)%p.PhoneTries; left < p.PhoneTries {
		return d.refuse(problem.New(problem.PhoneRefused, "tries_left", left))
	}
	if err := d.failPhone(ctx, row, phone.Tries); err != nil {
		return err
	}
	return d.refuse(problem.New(problem.FactorBlocked, "factor", string(phoneFactor), "until", store.Time(try.BlockedUntil)))
}

// phoneProved says when the telephone was proved for an object, if that was at since or later, and by which way. It is read in the write of the deed that depends on it.
func (d *deed) phoneProved(ctx context.Context, object string, since time.Time) (at time.Time, way phone.Way, ok bool, err error) {
	row, err := d.PhoneProvedSince(ctx, db.PhoneProvedSinceParams{Object: object, EndedAt: store.Micros(since)})
	if errors.Is(err, store.ErrNone) {
		return time.Time{}, "", false, nil
	}
	return store.Time(row.EndedAt), phone.Way(row.Way), err == nil, err
}

// SetPhone puts another number on file. It proves nothing for a while (R-061, C-26), and so does the old number when the bank says, by the same number again, that its SIM was changed (C-41).
func (a *Authority) SetPhone(ctx context.Context, ref, number string) error {
	if _, err := phone.Parse(number); number != "" && err != nil {
		return problem.New(problem.Malformed, "field", "phone")
	}
	return a.do(ctx, audit.Actor{Kind: audit.Operator}, audit.PhoneSet, func(ctx context.Context, d *deed) error {
		c, err := d.CustomerByRef(ctx, ref)
		if errors.Is(err, store.ErrNone) {
			return problem.New(problem.NotFound)
		}
		if err != nil {
			return err
		}
		d.on(c.ID, "")
		return store.Must(d.Queries.SetPhone(ctx, db.SetPhoneParams{ID: c.ID, Phone: number, PhoneSince: store.Micros(d.now)}))
	})
}

// sweepPhone writes down which checks have ended by time.
func (a *Authority) sweepPhone(ctx context.Context, now time.Time) error {
	rows, err := a.Store.Reader().ExpiredPhoneChecks(ctx, db.ExpiredPhoneChecksParams{ExpiresAt: store.Micros(now), Limit: 1000})
	if err != nil {
		return err
	}
	for _, row := range rows {
		err := a.do(ctx, audit.Actor{Kind: audit.Clock}, audit.PhoneExpire, func(ctx context.Context, d *deed) error {
			d.on(row.Customer, row.Object)
			why := phone.Reason("")
			if row.State == string(phone.Waiting) && (typedWay(phone.Way(row.Way)) || row.Way == string(phone.CallKeys)) {
				why = phone.Unsent
			}
			return d.endPhone(ctx, row, phone.Expire, why, "")
		})
		if err != nil && problem.KindOf(err) != problem.Conflict { // somebody ended it in the last moment
			return err
		}
	}
	return nil
}

// spoken is a text as sentences: one a line.
func (a *Authority) spoken(language, topic string, values map[string]string) ([]string, error) {
	text, err := a.Speak(language, topic, values)
	return strings.Split(strings.TrimSpace(text), "\n"), err
}
