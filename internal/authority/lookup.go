package authority

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/customer"
	"github.com/inkan-auth/inkan/internal/domain/enrolment"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/passkey"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/reissue"
	"github.com/inkan-auth/inkan/internal/domain/release"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/domain/token"
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

// LookFrom lets this member open the page of a customer whom a case, an incident or an order is about. That she came from there is on record; where the thing is not about her it opens nothing. Where
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
		about := ""
		var may staff.Act
		switch kind {
		case ident.Release:
			row, err := d.ReleaseByID(ctx, from)
			if notNone(err) != nil {
				return err
			}
			about, may = row.Customer, staff.CaseSee
		case ident.Incident:
			row, err := d.IncidentByID(ctx, from)
			if notNone(err) != nil {
				return err
			}
			about, may = row.Customer, staff.FraudSee
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
			about, may = row.Customer, staff.OrderSee
		}
		if about == "" || about != customerID || !staff.May(s.Role, may) {
			return problem.New(problem.LookFirst)
		}
		d.on(customerID, from)
		d.detail = map[string]string{"by": kind}
		return d.PutLook(ctx, db.PutLookParams{Staff: s.Staff, Customer: customerID, Via: from, At: store.Micros(d.now)})
	})
}

// queued is an open incident or case about a customer in the queues of a role, or nothing.
func (d *deed) queued(ctx context.Context, r staff.Role, customerID string) (string, error) {
	if staff.May(r, staff.FraudSee) {
		rows, err := d.IncidentsOf(ctx, db.IncidentsOfParams{Customer: customerID, ID: "~", Limit: 10})
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

// Tries is how one factor of a customer stands in one lane.
type Tries struct {
	Factor  string
	Lane    string // "" where she is known, "stranger", or the device of a known browser
	Wrong   int
	Left    int       // wrong ones before it is blocked for a while; 0 where it is
	Until   time.Time // blocked until then; zero where it is not
	ForLife bool      // wrong so often that only a case opens it
}

// AddressAtDesk is a mail address as staff sees it.
type AddressAtDesk struct {
	ID, Masked string
	State      customer.AddressState
	Since      time.Time
}

// MailAtDesk is one mail that has left, or should have.
type MailAtDesk struct {
	Topic, State, Reason string
	At                   time.Time
}

// CustomerView is how a customer stands, for staff: states and counters and never a secret, contact data masked.
type CustomerView struct {
	ID, Ref, LoginID string
	Name, Kana       string
	Account          string
	Phone            string // masked
	PhoneSince       time.Time
	Created          time.Time

	Stopped          time.Time // since when her service stands still; zero where it does not
	TransfersStopped time.Time
	TransactionAuth  time.Time

	Token        *token.Token // in use, or the last one
	LastCode     time.Time    // the step of the last code that was accepted
	Downloads    int
	DownloadsMax int
	Verifier     *passkey.Passkey

	Tries    []Tries
	Passkeys []passkey.Passkey
	Browsers []KnownBrowser
	Logins   []Session
	Cooling  []Cooling

	Enrolment *enrolment.Enrolment // open
	Reissue   *reissue.Reissue     // open
	Renewal   time.Time            // since when one is open; zero where none is
	PhoneWay  string               // of a check of the telephone that is under way
	Reapply   time.Time            // before it nothing new can be applied for

	Cases     []CaseBrief
	Incidents []Incident
	Addresses []AddressAtDesk
	Mails     []MailAtDesk
	Restart   *Order // one that waits
}

// KnownBrowser is one that has completed a log-in of hers.
type KnownBrowser struct {
	Device      string
	First, Last time.Time
}

// CaseBrief is a release request in the list of a customer.
type CaseBrief struct {
	ID      string
	State   release.State
	Items   []release.Item
	Created time.Time
	Open    bool
}

// tail shows at most the last four characters, never more than a third, and not how many there are.
func tail(s string) string {
	r := []rune(s)
	if len(r) == 0 {
		return ""
	}
	return "***" + string(r[len(r)-min(4, len(r)/3):])
}

// CustomerAtDesk is all that staff sees of a customer whom this member has looked up.
func (a *Authority) CustomerAtDesk(ctx context.Context, s StaffSession, id string) (v CustomerView, err error) {
	now, err := a.mayOpen(ctx, s, id)
	if err != nil {
		return v, err
	}
	q := a.Store.Reader()
	row, err := q.CustomerByID(ctx, id)
	if err != nil {
		return v, err
	}
	c := store.Customer(row)
	v = CustomerView{ID: c.ID, Ref: c.Ref, LoginID: c.LoginID, Name: c.Name, Kana: c.Kana, Account: c.MaskedAccount(), Phone: tail(c.Phone), PhoneSince: store.Time(row.PhoneSince), Created: store.Time(row.CreatedAt),
		Stopped: store.Time(row.StoppedAt), TransfersStopped: store.Time(row.TransfersStoppedAt), TransactionAuth: store.Time(row.TransactionAuthAt), DownloadsMax: a.Rules().Downloads}
	if c.ReapplyAt.After(now) {
		v.Reapply = c.ReapplyAt
	}
	return v, errors.Join(a.tokenAtDesk(ctx, q, &v, now), a.triesAtDesk(ctx, q, &v, now), a.devicesAtDesk(ctx, q, &v, now), a.openAtDesk(ctx, q, s, &v, now), a.mailsAtDesk(ctx, q, &v, now))
}

func (a *Authority) tokenAtDesk(ctx context.Context, q *db.Queries, v *CustomerView, now time.Time) error {
	n, err := q.DownloadsSince(ctx, db.DownloadsSinceParams{Customer: v.ID, RegisteredAt: store.Micros(now.Add(-a.Rules().DownloadWindow))})
	if err != nil {
		return err
	}
	v.Downloads = int(n)
	row, err := q.CurrentToken(ctx, v.ID)
	if errors.Is(err, store.ErrNone) {
		row, err = q.LatestTokenOf(ctx, v.ID)
	}
	if err != nil {
		return notNone(err)
	}
	t := store.Token(row)
	t.State = t.ShownState(now)
	v.Token = &t
	if t.LastStep > 0 {
		v.LastCode = time.Unix(t.LastStep*int64(t.Step/time.Second), 0).UTC()
	}
	if row.Verifier != "" {
		p, err := q.PasskeyByID(ctx, row.Verifier)
		if err != nil {
			return notNone(err)
		}
		k := store.Passkey(p)
		v.Verifier = &k
	}
	if open, err := q.OpenRenewal(ctx, t.ID); err == nil {
		v.Renewal = store.Time(open.CreatedAt)
	} else if notNone(err) != nil {
		return err
	}
	return nil
}

func (a *Authority) triesAtDesk(ctx context.Context, q *db.Queries, v *CustomerView, now time.Time) error {
	browsers, err := q.BrowsersOf(ctx, db.BrowsersOfParams{Customer: v.ID, Limit: 20})
	if err != nil {
		return err
	}
	for _, b := range browsers {
		v.Browsers = append(v.Browsers, KnownBrowser{b.Device, store.Time(b.FirstAt), store.Time(b.LastAt)})
	}
	rows, err := q.AttemptsOf(ctx, db.AttemptsOfParams{Customer: v.ID, Limit: 100})
	if err != nil {
		return err
	}
	for _, r := range rows {
		if r.Tries == 0 && r.BlockedUntil <= store.Micros(now) {
			continue
		}
		hard := a.Rules().TriesForLife
		if r.Factor == string(oneTimePassword) {
			hard = a.Rules().OTPTriesToLock
		}
		t := Tries{Factor: r.Factor, Lane: r.Lane, Wrong: int(r.Tries), ForLife: int(r.Tries) >= hard}
		if !t.ForLife {
			rules := *a.Rules()
			if r.Factor == string(phoneFactor) {
				rules.TriesPerBlock = rules.PhoneTries
			}
			t.Left = left(rules, t.Wrong)
		}
		if until := store.Time(r.BlockedUntil); until.After(now) {
			t.Until, t.Left = until, 0
		}
		if i := slices.IndexFunc(browsers, func(b db.Browser) bool { return b.ID == r.Lane }); i >= 0 {
			t.Lane = browsers[i].Device
		}
		v.Tries = append(v.Tries, t)
	}
	return nil
}

func (a *Authority) devicesAtDesk(ctx context.Context, q *db.Queries, v *CustomerView, now time.Time) error {
	keys, err := q.PasskeysOf(ctx, db.PasskeysOfParams{Party: loginParty, Owner: v.ID})
	if err != nil {
		return err
	}
	for _, k := range keys {
		p := store.Passkey(k)
		p.State = p.ShownState(now)
		v.Passkeys = append(v.Passkeys, p)
	}
	logins, err := q.LatestSessionsOf(ctx, db.LatestSessionsOfParams{Customer: v.ID, Limit: 8})
	if err != nil {
		return err
	}
	for _, l := range logins {
		v.Logins = append(v.Logins, sessionOf(l))
	}
	v.Cooling, err = coolingOf(ctx, q, v.ID, now)
	return err
}

func (a *Authority) openAtDesk(ctx context.Context, q *db.Queries, s StaffSession, v *CustomerView, now time.Time) error {
	if row, err := q.OpenEnrolment(ctx, v.ID); err == nil && store.Time(row.ExpiresAt).After(now) {
		e := store.Enrolment(row)
		v.Enrolment = &e
	} else if notNone(err) != nil {
		return err
	}
	if row, err := q.LatestReissueOf(ctx, v.ID); err == nil {
		if r := store.Reissue(row); (r.State == reissue.Open || r.State == reissue.Ordered) && r.Expires.After(now) {
			v.Reissue = &r
		}
	} else if notNone(err) != nil {
		return err
	}
	if row, err := q.LatestPhoneCheckOf(ctx, v.ID); err == nil && row.EndedAt == 0 && store.Time(row.ExpiresAt).After(now) {
		v.PhoneWay = row.Way
	} else if notNone(err) != nil {
		return err
	}
	cases, err := q.ReleasesOf(ctx, db.ReleasesOfParams{Customer: v.ID, Limit: 10})
	if err != nil {
		return err
	}
	for _, r := range cases {
		line := CaseBrief{ID: r.ID, State: release.State(r.State), Created: store.Time(r.CreatedAt), Open: r.EndedAt == 0}
		for _, item := range strings.Fields(r.Items) {
			line.Items = append(line.Items, release.Item(item))
		}
		v.Cases = append(v.Cases, line)
	}
	incidents, err := q.IncidentsOf(ctx, db.IncidentsOfParams{Customer: v.ID, ID: "~", Limit: 10})
	if err != nil {
		return err
	}
	names := map[string]string{}
	for _, r := range incidents {
		i, err := a.incidentOf(ctx, s, r, names)
		if err != nil {
			return err
		}
		v.Incidents = append(v.Incidents, i)
	}
	if row, err := q.OpenOrderOf(ctx, db.OpenOrderOfParams{Kind: "service.restart", Target: v.ID}); err == nil && store.Time(row.ExpiresAt).After(now) {
		o, err := a.orderOf(ctx, s, row, now, names)
		v.Restart = &o
		return err
	} else if notNone(err) != nil {
		return err
	}
	return nil
}

func (a *Authority) mailsAtDesk(ctx context.Context, q *db.Queries, v *CustomerView, now time.Time) error {
	addresses, err := q.AddressesToTell(ctx, db.AddressesToTellParams{Customer: v.ID, ToldUntil: store.Micros(now)})
	if err != nil {
		return err
	}
	for _, r := range addresses {
		at := store.Address(r)
		v.Addresses = append(v.Addresses, AddressAtDesk{at.ID, tail(at.Mail), at.ShownState(now), at.Since})
	}
	mails, err := q.LatestMailsOf(ctx, db.LatestMailsOfParams{Customer: v.ID, Limit: 8})
	for _, m := range mails {
		v.Mails = append(v.Mails, MailAtDesk{m.Topic, m.State, m.Reason, store.Time(max(m.CreatedAt, m.EndedAt))})
	}
	return err
}

// HistoryAtDesk is the whole trail of a customer whom this member has looked up, the newest first, from before an entry on; next is where the following page begins, empty at the end. names are those of the
// members of staff in it.
func (a *Authority) HistoryAtDesk(ctx context.Context, s StaffSession, id, before string) (entries []audit.Entry, names map[string]string, next string, err error) {
	if _, err := a.mayOpen(ctx, s, id); err != nil {
		return nil, nil, "", err
	}
	if before == "" {
		before = "ent_~" // sorts after every identifier
	} else if ident.Check(ident.Entry, before) != nil {
		return nil, nil, "", problem.New(problem.NotFound)
	}
	rows, err := a.Store.Reader().EntriesOf(ctx, db.EntriesOfParams{Customer: id, ID: before, Limit: HistoryPage + 1})
	if err != nil {
		return nil, nil, "", err
	}
	if len(rows) > HistoryPage {
		rows = rows[:HistoryPage]
		next = rows[HistoryPage-1].ID
	}
	names = map[string]string{}
	for _, r := range rows {
		e := store.Entry(r)
		if e.Actor.Kind == audit.Staff {
			if _, err := a.staffName(ctx, e.Actor.ID, names); err != nil {
				return nil, nil, "", err
			}
		}
		entries = append(entries, e)
	}
	return entries, names, next, nil
}

// RevealReasons are why a masked field may be shown in full.
var RevealReasons = []string{"call_back", "identify", "undelivered", "fraud", "other"}

// RevealField is what may be revealed: the telephone number on file, or one mail address by its identifier.
const RevealPhone = "phone"

// Reveal shows one masked field of a customer in full, once, to one person, for a reason that is on record. Each person has so many a day, whatever her logins.
func (a *Authority) Reveal(ctx context.Context, s StaffSession, id, field, why, words string) (value string, left int, err error) {
	if _, err := a.mayOpen(ctx, s, id); err != nil {
		return "", 0, err
	}
	err = a.atDesk(ctx, s, staff.CustomerReveal, audit.CustomerReveal, func(ctx context.Context, d *deed) error {
		d.on(id, "")
		if !slices.Contains(RevealReasons, why) {
			return problem.New(problem.Malformed, "field", "why")
		}
		reason, err := plainReason(words, 200)
		if err != nil {
			return err
		}
		d.detail = map[string]string{"why": why, "words": reason, "field": "phone"}
		switch {
		case field == RevealPhone:
			c, err := d.CustomerByID(ctx, id)
			if err != nil {
				return err
			}
			value = c.Phone
		case ident.Check(ident.Address, field) == nil:
			at, err := d.AddressByID(ctx, field)
			if notNone(err) != nil {
				return err
			}
			if err != nil || at.Customer != id {
				return problem.New(problem.NotFound)
			}
			d.object, d.detail["field"], value = at.ID, "mail", at.Mail
		default:
			return problem.New(problem.Malformed, "field", "field")
		}
		day := 24 * time.Hour
		n, err := d.CountThrottle(ctx, db.CountThrottleParams{Bucket: "reveal " + s.Person, StartedAt: store.Micros(d.now), Stale: store.Micros(d.now.Add(-day))})
		if err != nil {
			return err
		}
		if left = a.Rules().StaffReveals - int(n.Count); left < 0 {
			return problem.New(problem.RevealsUsedUp, "limit", a.Rules().StaffReveals, "until", store.Time(n.StartedAt).Add(day))
		}
		return nil
	})
	if err != nil {
		return "", 0, err
	}
	return value, left, nil
}

// StopAtDesk stops the service of a customer whom this member has looked up: at once, by one person. Stopping what stands still is no error.
func (a *Authority) StopAtDesk(ctx context.Context, s StaffSession, id, reason, words string) (Stop, error) {
	if _, err := a.mayOpen(ctx, s, id); err != nil {
		return Stop{}, err
	}
	var stopped stop
	err := a.atDesk(ctx, s, staff.ServiceStop, audit.ServiceStop, func(ctx context.Context, d *deed) error {
		d.on(id, "")
		if !slices.Contains(StopReasons, reason) {
			return problem.New(problem.Malformed, "field", "why")
		}
		said, err := plainReason(words, 200)
		if err != nil {
			return err
		}
		d.detail = map[string]string{"by": "staff", "reason": reason, "words": said}
		stopped, err = d.stopService(ctx, id)
		return err
	})
	if err == nil {
		a.told(stopped)
	}
	return stopped.Stop, err
}
