package authority

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/incident"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// incident opens a case for the fraud desk in the write of what it tells of: both are there, or neither. While one of this kind is open about the same thing, it is counted there and no second one is
// opened. object is what it is about; where there is nothing smaller, the customer.
func (d *deed) incident(ctx context.Context, kind incident.Kind, customerID, object string, detail map[string]string) error {
	words, err := json.Marshal(detail)
	if err != nil {
		return err
	}
	id := d.a.newID(ident.Incident, d.now)
	got, err := d.OpenIncident(ctx, db.OpenIncidentParams{ID: id, Kind: string(kind), Object: object, Customer: customerID, Place: fmt.Sprintf("%d%s", kind.Urgency(), id), Detail: string(words), OpenedAt: store.Micros(d.now)})
	if err != nil || got != id {
		return err
	}
	e := audit.Entry{ID: d.a.newID(ident.Entry, d.now), At: d.now, Actor: audit.Actor{Kind: audit.Server}, Action: audit.IncidentOpen, Customer: customerID, Object: id, Outcome: audit.Done, Detail: map[string]string{"kind": string(kind), "about": object}}
	return d.Record(ctx, e)
}

// duplicate looks at a right code that came a second time inside its window. The customer who pressed twice comes from the same place; whoever comes from another one has seen her code.
func (d *deed) duplicate(ctx context.Context, customerID string) error {
	rows, err := d.CodeUses(ctx, db.CodeUsesParams{Customer: customerID, Since: idAt(ident.Entry, d.now.Add(-5*d.a.Rules().OTPStep))})
	if err != nil {
		return err
	}
	for _, r := range rows { // the newest first: the code that was used is of the latest use
		if e := store.Entry(r); usesCode(e) {
			switch {
			case e.Actor.Kind == audit.Bank || d.by.Kind == audit.Bank: // where the bank's customer sits is not known here
				return nil
			case e.Actor.Kind == d.by.Kind && e.Actor.Source == d.by.Source && e.Actor.Device == d.by.Device:
				return nil
			}
			return d.incident(ctx, incident.Duplicate, customerID, customerID, map[string]string{"first_act": string(e.Action), "first_source": e.Actor.Source, "first_device": e.Actor.Device, "first_at": e.At.Format(time.RFC3339),
				"act": string(d.action), "source": d.by.Source, "device": d.by.Device})
		}
	}
	return nil
}

// usesCode says whether a deed has used up a one-time password.
func usesCode(e audit.Entry) bool {
	switch e.Action {
	case audit.LoginOTP, audit.OTPVerify, audit.TokenStart, audit.TransactionAuthAdd:
		return true
	case audit.PasswordChange: // the first passwords are set without one
		return e.Detail["initial"] == ""
	case audit.ServiceStop:
		return e.Detail["by"] == string(StopByCode)
	case audit.TokenResync:
		return e.Actor.Kind == audit.Customer
	}
	return false
}

func idAt(kind string, at time.Time) string {
	if at.UnixMilli() <= 0 {
		return kind + "_"
	}
	return ident.New(kind, at, [10]byte{})
}

// Incident is one as the fraud desk sees it.
type Incident struct {
	ID               string
	Kind             incident.Kind
	Object, Customer string
	State            incident.State
	Outcome          incident.Outcome
	Taker, TakerName string
	Detail           map[string]string
	Times            int
	Opened, Last     time.Time
	Taken, Closed    time.Time
	Mine             bool
}

func (a *Authority) incidentOf(ctx context.Context, s StaffSession, r db.Incident, names map[string]string) (i Incident, err error) {
	i = Incident{ID: r.ID, Kind: incident.Kind(r.Kind), Object: r.Object, Customer: r.Customer, State: incident.State(r.State), Outcome: incident.Outcome(r.Outcome), Taker: r.Taker, Times: int(r.Times),
		Opened: store.Time(r.OpenedAt), Last: store.Time(r.LastAt), Taken: store.Time(r.TakenAt), Closed: store.Time(r.ClosedAt), Mine: r.Taker == s.Staff}
	if err = json.Unmarshal([]byte(r.Detail), &i.Detail); err != nil {
		return i, err
	}
	i.TakerName, err = a.staffName(ctx, r.Taker, names)
	return i, err
}

// IncidentPage is how many incidents one page of a list has.
const IncidentPage = 30

// Incidents is the queue, the most urgent and of those the newest first, or with past what is closed, the newest first. after is where the page begins, next where the following one does.
func (a *Authority) Incidents(ctx context.Context, s StaffSession, past bool, after string) (out []Incident, next string, err error) {
	if err := a.seesDesk(s, staff.FraudSee); err != nil {
		return nil, "", err
	}
	id := after
	if !past && after != "" {
		id = after[1:]
	}
	if after != "" && ident.Check(ident.Incident, id) != nil {
		return nil, "", problem.New(problem.NotFound)
	}
	var rows []db.Incident
	if past {
		if after == "" {
			after = afterAll(ident.Incident)
		}
		rows, err = a.Store.Reader().PastIncidents(ctx, db.PastIncidentsParams{ID: after, Limit: IncidentPage + 1})
	} else {
		if after == "" {
			after = "9"
		}
		rows, err = a.Store.Reader().IncidentQueue(ctx, db.IncidentQueueParams{Place: after, Limit: IncidentPage + 1})
	}
	if err != nil {
		return nil, "", err
	}
	if len(rows) > IncidentPage {
		rows = rows[:IncidentPage]
		if next = rows[IncidentPage-1].Place; past {
			next = rows[IncidentPage-1].ID
		}
	}
	names := map[string]string{}
	for _, r := range rows {
		i, err := a.incidentOf(ctx, s, r, names)
		if err != nil {
			return nil, "", err
		}
		out = append(out, i)
	}
	return out, next, nil
}

// Linked is another customer whom something joins to an incident.
type Linked struct {
	Customer string
	At       time.Time
	By       string // source or payee
}

// Noted is what a member of staff has written down.
type Noted struct {
	At          time.Time
	Name, Words string
}

// IncidentFile is all that the desk sees of one incident on one page.
type IncidentFile struct {
	Incident
	Notes []Noted
	// About is the customer, masked as on her own page.
	About    *Whose
	Timeline []audit.Entry
	Linked   []Linked
	More     bool // there are more linked ones than are shown
	// Evidence is of the transaction that it is about, with every check made here and now; nil where it is about none.
	Evidence *Proved
}

// Whose is a customer as the fraud desk is shown her.
type Whose struct {
	ID, Account      string // of the account the last four digits
	Name             string
	Stopped          time.Time
	TransfersStopped time.Time
}

// Proved is the evidence of a transaction, looked at as inkan-verify does.
type Proved struct {
	Transaction string
	Checks      []transaction.Check
	Findings    transaction.Findings
	Holds       bool
}

const (
	linkedShown   = 20
	timelineShown = 60
)

// aroundIncident is the time before and after it in which others are looked for, and of which the time line tells.
const aroundIncident = 24 * time.Hour

// Incident is one incident with everything around it. That this member has seen the customer whom it is about is on record.
func (a *Authority) Incident(ctx context.Context, s StaffSession, id string) (f IncidentFile, err error) {
	now, err := a.moment()
	if err != nil {
		return f, err
	}
	if f, err = a.incidentFile(ctx, s, id); err != nil {
		return f, err
	}
	return f, a.sees(ctx, s, staff.FraudSee, f.Customer, f.ID, f.Closed, now)
}

func (a *Authority) incidentFile(ctx context.Context, s StaffSession, id string) (f IncidentFile, err error) {
	if err := a.seesDesk(s, staff.FraudSee); err != nil {
		return f, err
	}
	if ident.Check(ident.Incident, id) != nil {
		return f, problem.New(problem.NotFound)
	}
	q := a.Store.Reader()
	row, err := q.IncidentByID(ctx, id)
	if err != nil {
		return f, orKind(notNone(err), problem.NotFound)
	}
	if f.Incident, err = a.incidentOf(ctx, s, row, map[string]string{}); err != nil {
		return f, err
	}
	notes, err := q.IncidentNotes(ctx, id)
	if err != nil {
		return f, err
	}
	slices.Reverse(notes) // the latest two hundred, in reading order
	for _, n := range notes {
		f.Notes = append(f.Notes, Noted{store.Time(n.At), n.Name, n.Words})
	}
	if f.Customer != "" {
		c, err := q.CustomerByID(ctx, f.Customer)
		if err != nil {
			return f, err
		}
		f.About = &Whose{ID: c.ID, Account: "***" + c.AccountNumber[max(0, len(c.AccountNumber)-4):], Name: c.Name, Stopped: store.Time(c.StoppedAt), TransfersStopped: store.Time(c.TransfersStoppedAt)}
		rows, err := q.TrailByCustomer(ctx, db.TrailByCustomerParams{Customer: c.ID, ID: idAt(ident.Entry, f.Last.Add(aroundIncident)), ID_2: idAt(ident.Entry, f.Opened.Add(-aroundIncident)), Limit: timelineShown})
		if err != nil {
			return f, err
		}
		for _, r := range rows {
			f.Timeline = append(f.Timeline, store.Entry(r))
		}
	}
	if f.Evidence, err = a.proved(ctx, f.Object); err != nil {
		return f, err
	}
	f.Linked, f.More, err = a.linked(ctx, f)
	return f, err
}

// proved verifies the evidence of a transaction on the spot, from the same bytes and by the same lines as inkan-verify, against the root that this server trusts.
func (a *Authority) proved(ctx context.Context, txn string) (*Proved, error) {
	if ident.Check(ident.Transaction, txn) != nil {
		return nil, nil
	}
	row, err := a.Store.Reader().TxnByID(ctx, txn)
	if errors.Is(err, store.ErrNone) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	e, err := a.evidenceOf(ctx, row)
	if err != nil {
		return nil, err
	}
	checks, found, err := e.Checks(a.Keys.Issuer().RootThumbprint)
	return &Proved{Transaction: txn, Checks: checks, Findings: found, Holds: err == nil}, nil
}

// linked are other customers who logged in from a network that this incident speaks of, or who have reported a transfer to the same payee, within a day of it.
func (a *Authority) linked(ctx context.Context, f IncidentFile) (out []Linked, more bool, err error) {
	last := f.Last // what is counted on for weeks is looked around on its first day
	if most := f.Opened.Add(aroundIncident); last.After(most) {
		last = most
	}
	since, until := store.Micros(f.Opened.Add(-aroundIncident)), store.Micros(last.Add(aroundIncident))
	q := a.Store.Reader()
	for _, source := range slices.Compact(slices.Sorted(maps.Values(map[string]string{"a": f.Detail["source"], "b": f.Detail["first_source"]}))) {
		if source == "" {
			continue
		}
		rows, err := q.LoginsFrom(ctx, db.LoginsFromParams{Source: source, Limit: linkedShown + 1, Since: since, Until: until, Besides: f.Customer})
		if err != nil {
			return nil, false, err
		}
		for _, r := range rows {
			out = append(out, Linked{r.Customer, store.Time(r.At), "source"})
		}
	}
	if f.Evidence != nil {
		payee := payeeOf(f.Evidence.Findings.Document)
		rows, err := q.ReportedAround(ctx, db.ReportedAroundParams{Limit: 200, Since: since, Until: until})
		if err != nil {
			return nil, false, err
		}
		for _, r := range rows {
			if r.Customer == f.Customer || payee == "" {
				continue
			}
			o, err := a.offer(ctx, q, r)
			if err != nil {
				return nil, false, err
			}
			if payeeOf(o.document) == payee {
				out = append(out, Linked{r.Customer, store.Time(r.DecidedAt), "payee"})
			}
		}
	}
	slices.SortStableFunc(out, func(x, y Linked) int { return y.At.Compare(x.At) })
	seen := map[string]bool{}
	out = slices.DeleteFunc(out, func(l Linked) bool {
		again := seen[l.Customer+l.By]
		seen[l.Customer+l.By] = true
		return again
	})
	if len(out) > linkedShown {
		return out[:linkedShown], true, nil
	}
	return out, false, nil
}

// linkedTo says whether a customer is among those that the page of an incident shows as linked.
func (a *Authority) linkedTo(ctx context.Context, s StaffSession, row db.Incident, customerID string) (bool, error) {
	if row.ID == "" || row.Customer == customerID || !staff.May(s.Role, staff.FraudSee) {
		return false, nil
	}
	f, err := a.incidentFile(ctx, s, row.ID)
	return slices.ContainsFunc(f.Linked, func(l Linked) bool { return l.Customer == customerID }), err
}

// payeeOf names whom a transaction pays, as far as two of them can be compared; empty where it pays nobody.
func payeeOf(d transaction.Document) string {
	var parts []string
	for _, f := range d.Fields {
		switch f.ID {
		case "payee.bank_code", "payee.branch_code", "payee.account", "collector.number", "payment.number":
			parts = append(parts, f.ID+"="+f.Value)
		}
	}
	return strings.Join(parts, "|")
}

// moveIncident is one step in the life of an incident.
func (a *Authority) moveIncident(ctx context.Context, s StaffSession, id string, action audit.Action, on incident.Event, f func(ctx context.Context, d *deed, row db.Incident) (bool, error)) error {
	if ident.Check(ident.Incident, id) != nil {
		return problem.New(problem.NotFound)
	}
	return a.atDesk(ctx, s, staff.FraudAct, action, func(ctx context.Context, d *deed) error {
		row, err := d.IncidentByID(ctx, id)
		if err != nil {
			return orKind(notNone(err), problem.NotFound)
		}
		d.on(row.Customer, id)
		if _, ok := incident.Life.Next(incident.State(row.State), on); !ok {
			return problem.New(problem.IncidentOver, "state", row.State)
		}
		moved, err := f(ctx, d, row)
		if err == nil && !moved {
			return problem.New(problem.IncidentOver, "state", row.State)
		}
		return err
	})
}

// TakeIncident gives an incident to this member, also one that another member has; was says who had it on the page that she saw. To take what one has is no error.
func (a *Authority) TakeIncident(ctx context.Context, s StaffSession, id, was string) error {
	return a.moveIncident(ctx, s, id, audit.IncidentTake, incident.Take, func(ctx context.Context, d *deed, row db.Incident) (bool, error) {
		d.detail = map[string]string{"from": row.Taker}
		if row.Taker == s.Staff {
			return true, nil
		}
		return store.Once(d.Queries.TakeIncident(ctx, db.TakeIncidentParams{ID: id, Taker: s.Staff, TakenAt: store.Micros(d.now), Was: was}))
	})
}

// NoteIncident writes something down about an incident, in whatever state it is. once names the form, so that a second click writes no second note.
func (a *Authority) NoteIncident(ctx context.Context, s StaffSession, id, words string) error {
	if ident.Check(ident.Incident, id) != nil {
		return problem.New(problem.NotFound)
	}
	return a.atDesk(ctx, s, staff.FraudAct, audit.IncidentNote, func(ctx context.Context, d *deed) error {
		row, err := d.IncidentByID(ctx, id)
		if err != nil {
			return orKind(notNone(err), problem.NotFound)
		}
		d.on(row.Customer, id)
		words, err := plainReason(words, incident.NoteLength)
		if err != nil {
			return err
		}
		return d.note(ctx, s, id, words)
	})
}

// note adds a line to an incident. The same line of the same member right after itself is the same click.
func (d *deed) note(ctx context.Context, s StaffSession, id, words string) error {
	have, err := d.IncidentNotes(ctx, id)
	if err != nil {
		return err
	}
	if len(have) > 0 && have[0].Staff == s.Staff && have[0].Words == words {
		return nil
	}
	return d.InsertIncidentNote(ctx, db.InsertIncidentNoteParams{ID: d.a.newID(ident.IncidentNote, d.now), Incident: id, Staff: s.Staff, At: store.Micros(d.now), Words: words})
}

// CloseIncident ends what this member has looked at, with what it was found to be and why.
func (a *Authority) CloseIncident(ctx context.Context, s StaffSession, id string, outcome incident.Outcome, words string) error {
	return a.moveIncident(ctx, s, id, audit.IncidentClose, incident.Close, func(ctx context.Context, d *deed, row db.Incident) (bool, error) {
		if !slices.Contains(incident.Outcomes, outcome) {
			return false, problem.New(problem.Malformed, "field", "outcome")
		}
		words, err := plainReason(words, incident.NoteLength)
		if err != nil {
			return false, err
		}
		d.detail = map[string]string{"outcome": string(outcome), "kind": row.Kind}
		closed, err := store.Once(d.Queries.CloseIncident(ctx, db.CloseIncidentParams{ID: id, Outcome: string(outcome), ClosedAt: store.Micros(d.now), Taker: s.Staff}))
		if err != nil || !closed {
			return closed, err
		}
		return true, d.note(ctx, s, id, words)
	})
}

// ReopenIncident takes up what was closed. While another one is open about the same thing, that is where to go on.
func (a *Authority) ReopenIncident(ctx context.Context, s StaffSession, id string) error {
	return a.moveIncident(ctx, s, id, audit.IncidentReopen, incident.Reopen, func(ctx context.Context, d *deed, row db.Incident) (bool, error) {
		d.detail = map[string]string{"outcome": row.Outcome}
		return store.Once(d.Queries.ReopenIncident(ctx, db.ReopenIncidentParams{ID: id, Taker: s.Staff, TakenAt: store.Micros(d.now)}))
	})
}

// StopByIncident stops the service of the customer of an incident at once, by one person.
func (a *Authority) StopByIncident(ctx context.Context, s StaffSession, id string) (Stop, error) {
	if ident.Check(ident.Incident, id) != nil {
		return Stop{}, problem.New(problem.NotFound)
	}
	row, err := a.Store.Reader().IncidentByID(ctx, id)
	if err != nil {
		return Stop{}, orKind(notNone(err), problem.NotFound)
	}
	if row.Customer == "" || !staff.May(s.Role, staff.FraudAct) {
		return Stop{}, problem.New(problem.Forbidden)
	}
	var out stop
	err = a.atDesk(ctx, s, staff.ServiceStop, audit.ServiceStop, func(ctx context.Context, d *deed) (err error) {
		d.on(row.Customer, "")
		d.detail = map[string]string{"by": "staff", "incident": id}
		out, err = d.stopService(ctx, row.Customer)
		return err
	})
	if err == nil {
		a.told(out)
	}
	return out.Stop, err
}
