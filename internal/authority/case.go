package authority

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/customer"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/incident"
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
		f.From = ident.Release + "_~" // sorts after every identifier
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
		c.Shown = a.shownCase(row, s, now)
	}
	if row.Customer == "" {
		return c, nil
	}
	her, err := q.CustomerByID(ctx, row.Customer)
	if err != nil {
		return c, err
	}
	c.Name, c.Kana, c.Account, c.Ref, c.Phone, c.Stopped = her.Name, her.Kana, store.Customer(her).MaskedAccount(), her.Ref, lastFour(her.Phone), store.Time(her.StoppedAt)
	if rows, err := q.AddressesOf(ctx, her.ID); err != nil {
		return c, err
	} else if at, there := present(rows); there {
		c.Mail = lastFour(at.Mail)
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
	entries, err := q.EntriesOf(ctx, db.EntriesOfParams{Customer: row.Customer, ID: ident.Entry + "_~", Limit: caseHistory})
	for _, e := range entries {
		c.History = append(c.History, store.Entry(e))
	}
	return c, err
}

// caseHistory is how much of a customer's trail stands beside her request.
const caseHistory = 12

// lastFour hides all but the last four characters of what can be dialled.
func lastFour(s string) string {
	if r := []rune(s); len(r) > 4 {
		return strings.Repeat("*", len(r)-4) + string(r[len(r)-4:])
	}
	return strings.Repeat("*", len([]rune(s)))
}

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

// secondPerson refuses whoever has had a hand in a request, under whatever login, with the same passkey or in the same session (C-71).
func (d *deed) secondPerson(ctx context.Context, row db.ReleaseRequest, s StaffSession) error {
	for _, id := range strings.Fields(row.Hands) {
		m, err := d.StaffByID(ctx, id)
		if err != nil && !errors.Is(err, store.ErrNone) {
			return err
		}
		if samePerson(m.Person, id, row.MakerPasskey, row.MakerSession, s) {
			return problem.New(problem.OrderOwn)
		}
	}
	return nil
}

// touched adds a member to those who have had a hand in a request.
func touched(row db.ReleaseRequest, s StaffSession) string {
	hands := strings.Fields(row.Hands)
	if !slices.Contains(hands, s.Staff) {
		hands = append(hands, s.Staff)
	}
	return strings.Join(hands, " ")
}

// ReceiveCase takes in the paper of a request that a customer has made. She hears of it, so that whoever has not handed any paper in can object. A second click changes nothing.
func (a *Authority) ReceiveCase(ctx context.Context, s StaffSession, id string) error {
	return a.atDesk(ctx, s, staff.CaseMake, audit.ReleaseReceive, func(ctx context.Context, d *deed) error {
		row, err := d.caseRow(ctx, id)
		if err != nil || row.State == string(release.Received) && slices.Contains(strings.Fields(row.Hands), s.Staff) {
			return err
		}
		return d.receive(ctx, row, s)
	})
}

func (d *deed) receive(ctx context.Context, row db.ReleaseRequest, s StaffSession) error {
	if _, ok := release.Life.Next(release.State(row.State), release.Receive); !ok || row.ExpiresAt <= store.Micros(d.now) {
		return problem.New(problem.CaseMoved, "state", row.State)
	}
	desk, err := d.a.openDesk(row)
	if err != nil {
		return err
	}
	sealed, err := d.a.sealDesk(row.ID, desk)
	if err != nil {
		return err
	}
	if row.Branch == "" && len(row.Sealed) > 0 {
		typed, err := d.a.typedPerson(row)
		if err != nil {
			return err
		}
		if err := store.Must(d.SetReleaseBranch(ctx, db.SetReleaseBranchParams{ID: row.ID, Branch: typed.Branch})); err != nil {
			return err
		}
	}
	if err := store.Must(d.ReceiveRelease(ctx, db.ReceiveReleaseParams{ID: row.ID, ReceivedAt: store.Micros(d.now), Hands: touched(row, s), Desk: sealed})); err != nil {
		return err
	}
	if row.Customer == "" {
		return nil
	}
	return d.tellObject(ctx, row.Customer, "release_received", row.ID, nil)
}

// NewCase is a request that a clerk makes from the paper form of somebody at the counter.
type NewCase struct {
	Once                               string
	Branch, AccountType, AccountNumber string
	Items                              []string
	Reason                             string
}

// accountHolder finds the customer of a representative account; only who knows all of it finds anybody (C-74).
func accountHolder(ctx context.Context, q *db.Queries, branch, accountType, number string) (db.Customer, error) {
	branch, number = accountDigits(branch), accountDigits(number)
	if len(branch) != staff.BranchLength || number == "" || len(number) > 8 || !slices.Contains(AccountTypes, accountType) {
		return db.Customer{}, problem.New(problem.CaseIncomplete, "field", "account")
	}
	rows, err := q.CustomersByAccount(ctx, db.CustomersByAccountParams{Branch: branch, AccountType: accountType, AccountNumber: number})
	if err == nil && len(rows) != 1 { // two of one account are none: whose it is, is found out elsewhere
		err = problem.New(problem.AccountNone)
	}
	if err != nil {
		return db.Customer{}, err
	}
	return rows[0], nil
}

// holderAtDesk is the same for a member who types the account. Whoever finds nobody is counted as at a look-up, so that accounts are not tried here instead.
func (d *deed) holderAtDesk(ctx context.Context, s StaffSession, branch, accountType, number string) (db.Customer, error) {
	bucket, err := d.countLook(ctx, s)
	if err != nil {
		return db.Customer{}, err
	}
	her, err := accountHolder(ctx, d.Queries, branch, accountType, number)
	if err != nil {
		return her, err
	}
	return her, d.GiveBackThrottle(ctx, bucket)
}

// MakeCase makes a request for somebody at the counter, whose paper the clerk has in her hand, so that it is received at once.
func (a *Authority) MakeCase(ctx context.Context, s StaffSession, n NewCase) (id string, err error) {
	once := sha256.Sum256([]byte("inkan/case-form/v1|" + s.Staff + "|" + n.Once))
	err = a.atDesk(ctx, s, staff.CaseMake, audit.ReleaseMake, func(ctx context.Context, d *deed) error {
		items, ok := release.Sorted(n.Items)
		if !ok {
			return problem.New(problem.CaseIncomplete, "field", "items")
		}
		if !release.KnownReason(release.Reason(n.Reason)) {
			return problem.New(problem.CaseIncomplete, "field", "reason")
		}
		her, err := d.holderAtDesk(ctx, s, n.Branch, n.AccountType, n.AccountNumber)
		if problem.KindOf(err) == problem.AccountNone {
			return d.refuse(err)
		}
		if err != nil {
			return err
		}
		id = a.newID(ident.Release, d.now)
		d.on(her.ID, id)
		d.detail = map[string]string{"items": joined(items), "reason": n.Reason}
		made, err := store.Once(d.InsertRelease(ctx, db.InsertReleaseParams{ID: id, Mac: a.releaseMAC(a.releaseNumber(id)), Once: once[:], Customer: her.ID, Sealed: []byte{}, Items: joined(items), Reason: n.Reason,
			Device: s.Device, Source: s.Source, CreatedAt: store.Micros(d.now), ExpiresAt: store.Micros(d.now.Add(a.Rules().ReleaseLife))}))
		if err != nil {
			return err
		}
		row, err := d.ReleaseByOnce(ctx, once[:])
		if err != nil {
			return err
		}
		if id, d.object = row.ID, row.ID; !made {
			return nil
		}
		if err := errors.Join(store.Must(d.SetReleaseOrigin(ctx, db.SetReleaseOriginParams{ID: id, Origin: string(release.AtCounter)})),
			store.Must(d.SetReleaseBranch(ctx, db.SetReleaseBranchParams{ID: id, Branch: her.Branch}))); err != nil {
			return err
		}
		row.Origin, row.Branch = string(release.AtCounter), her.Branch
		if release.Reason(n.Reason) == release.Suspicious {
			if err := d.incident(ctx, incident.Request, her.ID, id, map[string]string{"items": joined(items), "by": s.Staff}); err != nil {
				return err
			}
		}
		if err := d.receive(ctx, row, s); err != nil {
			return err
		}
		return d.also(ctx, audit.ReleaseReceive, id)
	})
	return id, err
}

// editable is a request that a clerk may still change, as she saw it.
func (d *deed) editable(ctx context.Context, id string, version int64) (db.ReleaseRequest, error) {
	row, err := d.caseRow(ctx, id)
	switch {
	case err != nil:
		return row, err
	case row.State != string(release.Received):
		return row, problem.New(problem.CaseMoved, "state", row.State)
	case row.Version != version:
		return row, problem.New(problem.CaseStale)
	}
	return row, nil
}

// TieCase says whose request it is that somebody made whom the server did not know: the clerk has compared name, date of birth and seal with the bank's file, and knows the account from the paper.
func (a *Authority) TieCase(ctx context.Context, s StaffSession, id string, version int64, branch, accountType, number string) error {
	return a.atDesk(ctx, s, staff.CaseMake, audit.ReleaseEdit, func(ctx context.Context, d *deed) error {
		row, err := d.editable(ctx, id, version)
		if err != nil {
			return err
		}
		if len(row.Sealed) == 0 { // the server knows whose it is
			return problem.New(problem.Conflict)
		}
		her, err := d.holderAtDesk(ctx, s, branch, accountType, number)
		if problem.KindOf(err) == problem.AccountNone {
			return d.refuse(err)
		}
		if err != nil {
			return err
		}
		d.on(her.ID, row.ID)
		d.detail = map[string]string{"tied": "yes"}
		if err := store.Must(d.EditRelease(ctx, db.EditReleaseParams{ID: row.ID, Customer: her.ID, Branch: her.Branch, Desk: row.Desk, Hands: touched(row, s), ChangedAt: store.Micros(d.now), Version: version})); err != nil {
			return err
		}
		if row.Customer == her.ID {
			return nil
		}
		return d.tellObject(ctx, her.ID, "release_received", row.ID, nil)
	})
}

// SaveCase keeps what the clerk has filled in so far. The version says what she saw when she began; another one stands there afterwards.
func (a *Authority) SaveCase(ctx context.Context, s StaffSession, id string, version int64, desk release.Desk) error {
	return a.atDesk(ctx, s, staff.CaseMake, audit.ReleaseEdit, func(ctx context.Context, d *deed) error {
		row, err := d.editable(ctx, id, version)
		if err != nil {
			return err
		}
		clean, sealed, err := a.deskOf(row.ID, desk)
		if err != nil {
			return err
		}
		d.detail = map[string]string{"items": joined(clean.Items), "checks": joined(clean.Checks), "issue": joined(clean.Issue)}
		return store.Must(d.EditRelease(ctx, db.EditReleaseParams{ID: row.ID, Customer: row.Customer, Branch: row.Branch, Desk: sealed, Hands: touched(row, s), ChangedAt: store.Micros(d.now), Version: version}))
	})
}

// deskOf reads a desk's form and seals it.
func (a *Authority) deskOf(id string, desk release.Desk) (release.Desk, []byte, error) {
	clean, field := desk.Clean()
	if field != "" {
		return clean, nil, problem.New(problem.CaseIncomplete, "field", field)
	}
	sealed, err := a.sealDesk(id, clean)
	return clean, sealed, err
}

// SubmitCase sends a request to the checker as it then stands. What it is, is fixed by a hash of everything that decides; only that can be granted.
func (a *Authority) SubmitCase(ctx context.Context, s StaffSession, id string, version int64, desk release.Desk) error {
	return a.atDesk(ctx, s, staff.CaseMake, audit.ReleaseSubmit, func(ctx context.Context, d *deed) error {
		row, err := d.editable(ctx, id, version)
		if err != nil {
			return err
		}
		if row.Customer == "" {
			return problem.New(problem.CaseUntied)
		}
		clean, sealed, err := a.deskOf(row.ID, desk)
		if err != nil {
			return err
		}
		if field := clean.Missing(); field != "" {
			return problem.New(problem.CaseIncomplete, "field", field)
		}
		row.Version, row.Maker = version+1, s.Staff
		hash, err := a.sentHash(ctx, d.Queries, row, clean)
		if err != nil {
			return err
		}
		d.detail = map[string]string{"items": joined(clean.Items), "checks": joined(clean.Checks), "issue": joined(clean.Issue), "hash": hex.EncodeToString(hash)}
		return store.Must(d.SubmitRelease(ctx, db.SubmitReleaseParams{ID: row.ID, Desk: sealed, Hands: touched(row, s), Maker: s.Staff, MakerPasskey: s.Passkey, MakerSession: s.hash, RequestHash: hash,
			SubmittedAt: store.Micros(d.now), Version: version}))
	})
}

// sentHash is the hash of a request as it stands.
func (a *Authority) sentHash(ctx context.Context, q *db.Queries, row db.ReleaseRequest, desk release.Desk) ([]byte, error) {
	scans, err := q.ScansOf(ctx, row.ID)
	if err != nil {
		return nil, err
	}
	sent := release.Sent{ID: row.ID, Version: row.Version, Customer: row.Customer, Origin: release.Origin(row.Origin), Asked: itemsOf(row.Items), Reason: release.Reason(row.Reason), Maker: row.Maker, Scans: []string{}, Desk: desk}
	for _, r := range scans {
		sent.Scans = append(sent.Scans, hex.EncodeToString(r.Hash))
	}
	return sent.Hash(), nil
}

// sendBack gives a request back to the clerks, with a reason where it is a checker who returns it.
func (d *deed) sendBack(ctx context.Context, row db.ReleaseRequest, on release.Event, said string) error {
	if _, ok := release.Life.Next(release.State(row.State), on); !ok {
		return problem.New(problem.CaseMoved, "state", row.State)
	}
	sealed := []byte{}
	if said != "" {
		var err error
		if sealed, err = d.a.sealSaid(row.ID, said); err != nil {
			return err
		}
	}
	return store.Must(d.SendBackRelease(ctx, db.SendBackReleaseParams{ID: row.ID, Said: sealed, RequestHash: []byte{}, ChangedAt: store.Micros(d.now), Version: row.Version}))
}

// RecallCase takes a request back from the checker, to change it. A second click changes nothing.
func (a *Authority) RecallCase(ctx context.Context, s StaffSession, id string) error {
	return a.atDesk(ctx, s, staff.CaseMake, audit.ReleaseRecall, func(ctx context.Context, d *deed) error {
		row, err := d.caseRow(ctx, id)
		if err != nil || row.State == string(release.Received) {
			return err
		}
		row.Hands = touched(row, s)
		return d.sendBack(ctx, row, release.Recall, "")
	})
}

// shownCase is what a checker's page carries: which request it showed and when, so that nobody can say it for her, nor she for another hour or from another session.
func (a *Authority) shownCase(row db.ReleaseRequest, s StaffSession, at time.Time) string {
	body := hex.EncodeToString(row.RequestHash) + "." + at.Format(time.RFC3339Nano)
	return body + "." + hex.EncodeToString(a.Keys.MAC("case.shown", []byte(row.ID+"|"+body+"|"+string(s.hash))))
}

// seen says whether a checker's answer is about this very request, as her own page showed it a short while ago.
func (d *deed) seen(row db.ReleaseRequest, s StaffSession, shown string) error {
	body, mac, ok := cutLast(shown, ".")
	hash, when, ok2 := strings.Cut(body, ".")
	given, err := hex.DecodeString(mac)
	at, err2 := time.Parse(time.RFC3339Nano, when)
	if !ok || !ok2 || err != nil || err2 != nil || subtle.ConstantTimeCompare(given, d.a.Keys.MAC("case.shown", []byte(row.ID+"|"+body+"|"+string(s.hash)))) != 1 {
		return problem.New(problem.CaseStale)
	}
	if age := d.now.Sub(at); age > release.ShownFor || age < -clockTolerance || len(row.RequestHash) == 0 || hash != hex.EncodeToString(row.RequestHash) {
		return problem.New(problem.CaseStale)
	}
	return nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// toDecide is a request that this checker may decide: sent, as she saw it, and by nobody of her.
func (d *deed) toDecide(ctx context.Context, s StaffSession, id, shown string, on release.Event) (db.ReleaseRequest, error) {
	row, err := d.caseRow(ctx, id)
	if err != nil {
		return row, err
	}
	if err := d.secondPerson(ctx, row, s); err != nil {
		return row, err
	}
	if row.State != string(release.Submitted) {
		return row, problem.New(problem.CaseMoved, "state", row.State)
	}
	if _, ok := release.Life.Next(release.State(row.State), on); !ok {
		return row, problem.New(problem.CaseMoved, "state", row.State)
	}
	return row, d.seen(row, s, shown)
}

// reasonOf reads why a request is returned or declined.
func reasonOf(said string) (string, error) {
	said = release.Text(said)
	if said == "" || len([]rune(said)) > release.ReasonLength {
		return "", problem.New(problem.CaseIncomplete, "field", "said")
	}
	return said, nil
}

// ReturnCase gives a request back to the clerks with a reason.
func (a *Authority) ReturnCase(ctx context.Context, s StaffSession, id, shown, said string) error {
	return a.atDesk(ctx, s, staff.CaseCheck, audit.ReleaseReturn, func(ctx context.Context, d *deed) error {
		row, err := d.toDecide(ctx, s, id, shown, release.Return)
		if err != nil {
			return err
		}
		if said, err = reasonOf(said); err != nil {
			return err
		}
		d.detail = map[string]string{"maker": row.Maker}
		return d.sendBack(ctx, row, release.Return, said)
	})
}

// DeclineCase ends a request without a release. The customer hears that, and whom to call; the reason stays in the house.
func (a *Authority) DeclineCase(ctx context.Context, s StaffSession, id, shown, said string) error {
	return a.atDesk(ctx, s, staff.CaseCheck, audit.ReleaseDecline, func(ctx context.Context, d *deed) error {
		row, err := d.toDecide(ctx, s, id, shown, release.Decline)
		if err != nil {
			return err
		}
		d.detail = map[string]string{"maker": row.Maker}
		return d.decline(ctx, s, row, said)
	})
}

// RefuseCase is the clerk's own way to end a request that she cannot send on: nothing opens by it, so one person is enough.
func (a *Authority) RefuseCase(ctx context.Context, s StaffSession, id string, version int64, said string) error {
	return a.atDesk(ctx, s, staff.CaseMake, audit.ReleaseDecline, func(ctx context.Context, d *deed) error {
		row, err := d.editable(ctx, id, version)
		if err != nil {
			return err
		}
		return d.decline(ctx, s, row, said)
	})
}

func (d *deed) decline(ctx context.Context, s StaffSession, row db.ReleaseRequest, said string) error {
	said, err := reasonOf(said)
	if err != nil {
		return err
	}
	sealed, err := d.a.sealSaid(row.ID, said)
	if err != nil {
		return err
	}
	if err := store.Must(d.Queries.DeclineRelease(ctx, db.DeclineReleaseParams{ID: row.ID, Checker: s.Staff, Said: sealed, ChangedAt: store.Micros(d.now), Version: row.Version, Was: row.State})); err != nil || row.Customer == "" {
		return err
	}
	return d.tellAll(ctx, row.Customer, "release_declined", nil)
}
