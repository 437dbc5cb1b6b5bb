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
	Callback  string               // the check for which she waits for a call of staff, where this member may call
	Reapply   time.Time            // before it nothing new can be applied for

	Cases     []CaseBrief
	Incidents []Incident
	Addresses []AddressAtDesk
	Mails     []MailAtDesk
	Restart   *Order // one that waits
	Resume    *Order // of her transfers
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

// tailMail shows the end of a mail address's name, by which it is told from others: most of them end alike behind the at sign.
func tailMail(mail string) string {
	name, _, _ := strings.Cut(mail, "@")
	return tail(name) + "@***"
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
	logins, err := q.LatestLogins(ctx, db.LatestLoginsParams{Customer: v.ID, Limit: 8})
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
	if row, err := q.OpenCallbackOf(ctx, v.ID); err == nil && store.Time(row.ExpiresAt).After(now) {
		if v.PhoneWay = row.Way; staff.May(s.Role, staff.CallBack) {
			v.Callback = row.ID
		}
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
	incidents, err := q.IncidentsOf(ctx, db.IncidentsOfParams{Customer: v.ID, ID: afterAll(ident.Incident), Limit: 10})
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
	for kind, waits := range map[string]**Order{"service.restart": &v.Restart, "transfers.resume": &v.Resume} {
		row, err := q.OpenOrderOf(ctx, db.OpenOrderOfParams{Kind: kind, Target: v.ID})
		if err != nil || !store.Time(row.ExpiresAt).After(now) {
			if notNone(err) != nil {
				return err
			}
			continue
		}
		o, err := a.orderOf(ctx, s, row, now, names)
		if err != nil {
			return err
		}
		*waits = &o
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
		v.Addresses = append(v.Addresses, AddressAtDesk{at.ID, tailMail(at.Mail), at.ShownState(now), at.Since})
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
		before = afterAll(ident.Entry)
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
		left, err = d.countReveal(ctx, s)
		return err
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
