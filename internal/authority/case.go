package authority

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/customer"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/release"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// CasesPage is how many requests one page of the queue has.
const CasesPage = 50

// CaseQueue is a part of the queue: what is in one state, or what has ended; of all branches, or of one.
type CaseQueue struct {
	State  release.State // made, received or submitted; granted stands for whatever has ended
	Branch string
	From   string // where the page begins; empty at the beginning
}

// QueueLine is one request in the queue.
type QueueLine struct {
	ID, Branch        string
	Name              string // of the customer; empty where nobody has recognised her yet
	State             release.State
	Reason            release.Reason
	Items             []release.Item
	Created, Changed  time.Time
	Stopped           bool // her service stands still
	Counter, Returned bool
}

// Suspicious says whether a line wants the eye of the fraud desk.
func (l QueueLine) Suspicious() bool { return l.Reason == release.Suspicious }

// Cases is one page of the queue: what is open the oldest first, what has ended the newest first. next is where the following page begins, empty at the end.
func (a *Authority) Cases(ctx context.Context, s StaffSession, f CaseQueue) (lines []QueueLine, next string, err error) {
	if err := a.seesDesk(s, staff.CaseSee); err != nil {
		return nil, "", err
	}
	open := slices.Contains([]release.State{release.Made, release.Received, release.Submitted}, f.State)
	if f.From != "" && ident.Check(ident.Release, f.From) != nil || f.Branch != "" && len(f.Branch) != staff.BranchLength {
		return nil, "", problem.New(problem.NotFound)
	}
	if f.From == "" && !open {
		f.From = afterAll(ident.Release)
	}
	q, most := a.Store.Reader(), int32(CasesPage+1)
	put := func(r db.ReleaseRequest, service, name string) {
		lines = append(lines, QueueLine{ID: r.ID, Branch: r.Branch, Name: name, State: release.State(r.State), Reason: release.Reason(r.Reason), Items: itemsOf(r.Items), Created: store.Time(r.CreatedAt),
			Changed: store.Time(r.ChangedAt), Stopped: service == string(customer.Stopped), Counter: r.Origin == string(release.AtCounter), Returned: r.State == string(release.Received) && len(r.Said) > 0})
	}
	switch {
	case open && f.Branch == "":
		rows, e := q.OpenCases(ctx, db.OpenCasesParams{State: string(f.State), ID: f.From, Limit: most})
		for _, r := range rows {
			put(r.ReleaseRequest, r.Service, r.Name)
		}
		err = e
	case open:
		rows, e := q.OpenCasesOfBranch(ctx, db.OpenCasesOfBranchParams{Branch: f.Branch, State: string(f.State), ID: f.From, Limit: most})
		for _, r := range rows {
			put(r.ReleaseRequest, r.Service, r.Name)
		}
		err = e
	case f.Branch == "":
		rows, e := q.ClosedCases(ctx, db.ClosedCasesParams{ID: f.From, Limit: most})
		for _, r := range rows {
			put(r.ReleaseRequest, r.Service, r.Name)
		}
		err = e
	default:
		rows, e := q.ClosedCasesOfBranch(ctx, db.ClosedCasesOfBranchParams{Branch: f.Branch, ID: f.From, Limit: most})
		for _, r := range rows {
			put(r.ReleaseRequest, r.Service, r.Name)
		}
		err = e
	}
	if len(lines) > CasesPage {
		lines = lines[:CasesPage]
		next = lines[CasesPage-1].ID
	}
	return lines, next, err
}

func itemsOf(s string) (out []release.Item) {
	for _, w := range strings.Fields(s) {
		out = append(out, release.Item(w))
	}
	return out
}

func issuesOf(s string) (out []release.Issue) {
	for _, w := range strings.Fields(s) {
		out = append(out, release.Issue(w))
	}
	return out
}

func joined[T ~string](words []T) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = string(w)
	}
	return strings.Join(out, " ")
}

// FindCase finds a request by the number on its paper, however it was typed or read.
func (a *Authority) FindCase(ctx context.Context, s StaffSession, number string) (string, error) {
	if err := a.seesDesk(s, staff.CaseSee); err != nil {
		return "", err
	}
	number = codeLetters(number)
	row, err := a.Store.Reader().ReleaseByMAC(ctx, a.releaseMAC(number))
	if errors.Is(err, store.ErrNone) || len(number) != objectionLength {
		return "", problem.New(problem.ReleaseNone)
	}
	return row.ID, err
}

// CaseMember is a member of staff who has had a hand in a request.
type CaseMember struct{ ID, Name string }

// CasePerson is who somebody says she is whom the server did not know.
type CasePerson struct {
	Name, Kana string
	Account    string // as far as it may be shown
}

// CaseScan is a scanned paper, without what stands on it.
type CaseScan struct {
	ID, Kind string
	Size     int
	At       time.Time
	By       CaseMember
}

// CaseWarning is something that a second person should know before she decides. Count and Until are there where they belong to it.
type CaseWarning struct {
	Kind  string
	Count int
	Until time.Time
}

// Case is a release request as staff see it. It holds no secret, and of contact data no more than the last characters.
type Case struct {
	ID, Number, Customer    string
	Origin                  release.Origin
	State                   release.State
	Branch                  string
	Name, Kana              string
	Account                 string // as far as it may be shown
	Ref                     string
	Phone, Mail             string // masked
	Stopped                 time.Time
	Typed                   *CasePerson // what somebody typed whom the server did not know; nil elsewhere
	Asked                   []release.Item
	Reason                  release.Reason
	Device, Source          string
	Created, Changed        time.Time
	Received, Submitted     time.Time
	Ended, Expires          time.Time
	Desk                    release.Desk
	Said                    string // why it was returned, recalled or declined
	Version                 int64
	Maker, Checker, Printer CaseMember
	Scans                   []CaseScan
	Issue                   []release.Issue // what was granted to be handed over
	Handed                  int
	HandedAt, HandUntil     time.Time

	Warnings []CaseWarning
	History  []audit.Entry

	Own                                       bool   // this person has had a hand in it, under whatever login
	Shown                                     string // what a checker gives back with her answer: the request that she saw, and when
	MayReceive, MayEdit, MayRecall, MayDecide bool
	MayHand, HandPaper, HandScreen            bool
}

// Added are the releases that the clerk has chosen and the customer has not asked for; Left those that she has asked for and does not get.
func (c Case) Added() []release.Item { return without(c.Desk.Items, c.Asked) }

// Left is the other side of Added.
func (c Case) Left() []release.Item { return without(c.Asked, c.Desk.Items) }

func without(a, b []release.Item) (out []release.Item) {
	for _, x := range a {
		if !slices.Contains(b, x) {
			out = append(out, x)
		}
	}
	return out
}

// Warns says whether there is a warning of this kind.
func (c Case) Warns(kind string) bool {
	return slices.ContainsFunc(c.Warnings, func(w CaseWarning) bool { return w.Kind == kind })
}

// openDesk reads what the clerk has filled in. Before she has, it is what was asked.
func (a *Authority) openDesk(row db.ReleaseRequest) (d release.Desk, err error) {
	if len(row.Desk) == 0 {
		d, _ = release.Desk{Items: itemsOf(row.Items)}.Clean()
		return d, nil
	}
	plain, err := a.Keys.Open("release", "release.desk|"+row.ID, row.Desk)
	if err != nil {
		return d, err
	}
	err = json.Unmarshal(plain, &d)
	return d, err
}

func (a *Authority) sealDesk(id string, d release.Desk) ([]byte, error) {
	plain, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	return a.Keys.Seal("release", "release.desk|"+id, plain)
}

func (a *Authority) sealSaid(id, said string) ([]byte, error) {
	return a.Keys.Seal("release", "release.said|"+id, []byte(said))
}

func (a *Authority) openSaid(row db.ReleaseRequest) (string, error) {
	if len(row.Said) == 0 {
		return "", nil
	}
	plain, err := a.Keys.Open("release", "release.said|"+row.ID, row.Said)
	return string(plain), err
}

// caseRow finds a request by its identifier.
func caseRow(ctx context.Context, q *db.Queries, id string) (db.ReleaseRequest, error) {
	if ident.Check(ident.Release, id) != nil {
		return db.ReleaseRequest{}, problem.New(problem.NotFound)
	}
	row, err := q.ReleaseByID(ctx, id)
	if errors.Is(err, store.ErrNone) {
		return row, problem.New(problem.NotFound)
	}
	return row, err
}

// caseRow is the same inside a deed, which it is then about.
func (d *deed) caseRow(ctx context.Context, id string) (db.ReleaseRequest, error) {
	row, err := caseRow(ctx, d.Queries, id)
	if err == nil {
		d.on(row.Customer, row.ID)
	}
	return row, err
}

// CaseOf shows one request. What a checker gives back with her answer is made only for her who may give one.
func (a *Authority) CaseOf(ctx context.Context, s StaffSession, id string) (c Case, err error) {
	if err := a.seesDesk(s, staff.CaseSee); err != nil {
		return c, err
	}
	now, err := a.moment()
	if err != nil {
		return c, err
	}
	q := a.Store.Reader()
	row, err := caseRow(ctx, q, id)
	if err != nil {
		return c, err
	}
	number := a.releaseNumber(row.ID)
	shownNumber := "****-****-****-" + number[12:]
	if staff.May(s.Role, staff.CaseMake) { // who hands it to a customer at the counter; to anybody else it is hers, because whoever has it can withdraw the request
		shownNumber = number[:4] + "-" + number[4:8] + "-" + number[8:12] + "-" + number[12:]
	}
	c = Case{ID: row.ID, Number: shownNumber, Customer: row.Customer, Origin: release.Origin(row.Origin), State: release.State(row.State), Branch: row.Branch,
		Asked: itemsOf(row.Items), Reason: release.Reason(row.Reason), Device: row.Device, Source: row.Source, Created: store.Time(row.CreatedAt), Changed: store.Time(row.ChangedAt),
		Received: store.Time(row.ReceivedAt), Submitted: store.Time(row.SubmittedAt), Ended: store.Time(row.EndedAt), Expires: store.Time(row.ExpiresAt), Version: row.Version, Issue: issuesOf(row.Issue),
		Handed: int(row.Handed), HandedAt: store.Time(row.HandedAt)}
	if c.Desk, err = a.openDesk(row); err != nil {
		return c, err
	}
	if c.Said, err = a.openSaid(row); err != nil {
		return c, err
	}
	if len(row.Sealed) > 0 {
		typed, err := a.typedPerson(row)
		if err != nil {
			return c, err
		}
		c.Typed = &CasePerson{typed.Name, typed.Kana, customer.Customer{Branch: typed.Branch, AccountType: typed.AccountType, AccountNumber: typed.AccountNumber}.MaskedAccount()}
		if c.Branch == "" {
			c.Branch = typed.Branch
		}
	}
	for id, to := range map[string]*CaseMember{row.Maker: &c.Maker, row.Checker: &c.Checker, row.HandedBy: &c.Printer} {
		if *to, err = a.caseMember(ctx, q, id); err != nil {
			return c, err
		}
	}
	scans, err := q.ScansOf(ctx, row.ID)
	if err != nil {
		return c, err
	}
	for _, r := range scans {
		by, err := a.caseMember(ctx, q, r.Staff)
		if err != nil {
			return c, err
		}
		c.Scans = append(c.Scans, CaseScan{r.ID, r.Kind, int(r.Size), store.Time(r.CreatedAt), by})
	}
	d := &deed{Tx: &store.Tx{Queries: q}, a: a, now: now}
	switch err := d.secondPerson(ctx, row, s); {
	case problem.KindOf(err) == problem.OrderOwn:
		c.Own = true
	case err != nil:
		return c, err
	}
	can := func(on release.Event) bool { _, ok := release.Life.Next(c.State, on); return ok }
	makes, checks := staff.May(s.Role, staff.CaseMake), staff.May(s.Role, staff.CaseCheck) && !c.Own
	c.MayReceive, c.MayEdit, c.MayRecall = makes && can(release.Receive), makes && can(release.Submit), makes && can(release.Recall)
	if c.MayDecide = checks && can(release.Grant); c.MayDecide {
		was, err := standing(ctx, q, row)
		if err != nil {
			return c, err
		}
		c.Shown = a.shownCase(row, was, s, now)
	}
	if row.Customer == "" {
		return c, nil
	}
	her, err := q.CustomerByID(ctx, row.Customer)
	if err != nil {
		return c, err
	}
	c.Name, c.Kana, c.Account, c.Ref, c.Phone, c.Stopped = her.Name, her.Kana, store.Customer(her).MaskedAccount(), her.Ref, tail(her.Phone), store.Time(her.StoppedAt)
	if rows, err := q.AddressesOf(ctx, her.ID); err != nil {
		return c, err
	} else if at, there := present(rows); there {
		c.Mail = tailMail(at.Mail)
	}
	if c.State == release.Granted {
		c.HandUntil = c.Ended.Add(a.Rules().LetterLife)
		left, err := a.leftToHand(ctx, q, row, now)
		if err != nil {
			return c, err
		}
		c.MayHand = len(left) > 0 && staff.May(s.Role, staff.CaseHand) && !c.Own
		c.HandPaper, c.HandScreen = len(left) > 0, slices.Contains(left, release.IssueKey)
	}
	if c.Warnings, err = a.caseWarnings(ctx, q, row, her, now); err != nil {
		return c, err
	}
	entries, err := q.EntriesOf(ctx, db.EntriesOfParams{Customer: row.Customer, ID: afterAll(ident.Entry), Limit: caseHistory})
	if err != nil {
		return c, err
	}
	for _, e := range entries {
		c.History = append(c.History, store.Entry(e))
	}
	return c, a.sees(ctx, s, staff.CaseSee, row.Customer, row.ID, c.Ended, now)
}

// caseHistory is how much of a customer's trail stands beside her request.
const caseHistory = 12

// caseMember names a member of staff; nobody is nobody.
func (a *Authority) caseMember(ctx context.Context, q *db.Queries, id string) (CaseMember, error) {
	if id == "" {
		return CaseMember{}, nil
	}
	m, err := q.StaffByID(ctx, id)
	if errors.Is(err, store.ErrNone) {
		return CaseMember{ID: id}, nil
	}
	return CaseMember{id, m.Name}, err
}

// typedPerson is what somebody typed whom the server did not know.
func (a *Authority) typedPerson(row db.ReleaseRequest) (p releasePerson, err error) {
	plain, err := a.Keys.Open("release", "release.sealed|"+row.ID, row.Sealed)
	if err != nil {
		return p, err
	}
	err = json.Unmarshal(plain, &p)
	return p, err
}

// lately is how far back the warnings of a request look.
const lately = 30 * 24 * time.Hour

// The numbers of requests in a day from which on a checker is told.
const manyAtBranch, manyByMaker = 5, 3

// caseWarnings are what a second person should know before she decides.
func (a *Authority) caseWarnings(ctx context.Context, q *db.Queries, row db.ReleaseRequest, her db.Customer, now time.Time) (out []CaseWarning, err error) {
	warn := func(when bool, w CaseWarning) {
		if when {
			out = append(out, w)
		}
	}
	warn(row.Reason == string(release.Suspicious), CaseWarning{Kind: "suspicious"})
	warn(her.StoppedAt > 0, CaseWarning{Kind: "stopped", Until: store.Time(her.StoppedAt)})
	reports, err := q.ReportsOf(ctx, her.ID)
	if err != nil {
		return nil, err
	}
	warn(reports > 0 && her.TransfersStoppedAt > 0, CaseWarning{Kind: "reported", Count: int(reports), Until: store.Time(her.TransfersStoppedAt)})
	warn(her.PhoneSince > store.Micros(now.Add(-lately)), CaseWarning{Kind: "phone", Until: store.Time(her.PhoneSince)})
	addresses, err := q.AddressesOf(ctx, her.ID)
	if err != nil {
		return nil, err
	}
	if at, there := present(addresses); there {
		warn(at.Replaces != "" && at.Since.After(now.Add(-lately)), CaseWarning{Kind: "address", Until: at.Since})
		warn(at.State == customer.Bounced, CaseWarning{Kind: "bounced"})
	}
	cooling, err := coolingOf(ctx, q, her.ID, now)
	if err != nil {
		return nil, err
	}
	warn(len(cooling) > 0, CaseWarning{Kind: "cooling", Until: CoolingUntil(cooling)})
	day := store.Micros(now.Add(-24 * time.Hour))
	if row.Branch != "" {
		n, err := q.CasesAtBranch(ctx, db.CasesAtBranchParams{Branch: row.Branch, SubmittedAt: day})
		if err != nil {
			return nil, err
		}
		warn(n >= manyAtBranch, CaseWarning{Kind: "branch", Count: int(n)})
	}
	if row.Maker != "" {
		n, err := q.CasesByMaker(ctx, db.CasesByMakerParams{Maker: row.Maker, SubmittedAt: day})
		if err != nil {
			return nil, err
		}
		warn(n >= manyByMaker, CaseWarning{Kind: "maker", Count: int(n)})
	}
	others, err := q.ReleasesOf(ctx, db.ReleasesOfParams{Customer: her.ID, Limit: 20})
	if err != nil {
		return nil, err
	}
	n := 0
	for _, o := range others {
		if o.ID != row.ID && o.CreatedAt > store.Micros(now.Add(-lately)) {
			n++
		}
	}
	warn(n > 0, CaseWarning{Kind: "again", Count: n})
	if row.Origin == string(release.ByCustomer) { // at the counter there is no network of hers
		n, err := q.SessionsFrom(ctx, db.SessionsFromParams{Customer: her.ID, Network: row.Source, CreatedAt: row.CreatedAt - time.Hour.Microseconds()})
		if err != nil {
			return nil, err
		}
		warn(n == 0, CaseWarning{Kind: "network"})
	}
	return out, nil
}
