package console

import (
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/release"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/server/web"
)

// mountCases lists the routes of release requests.
func (s *Server) mountCases(m *http.ServeMux) {
	m.Handle("GET /cases", s.inside(staff.CaseSee, s.showCases))
	m.Handle("POST /cases", s.inside(staff.CaseSee, s.findCase))
	m.Handle("GET /cases/new", s.inside(staff.CaseMake, s.showNewCase))
	m.Handle("POST /cases/new", s.inside(staff.CaseMake, s.newCase))
	m.Handle("GET /cases/{id}", s.inside(staff.CaseSee, s.showCase))
	m.Handle("POST /cases/{id}/receive", s.inside(staff.CaseMake, s.receiveCase))
	m.Handle("POST /cases/{id}/tie", s.inside(staff.CaseMake, s.tieCase))
	m.Handle("POST /cases/{id}/desk", s.inside(staff.CaseMake, s.fillCase))
	m.Handle("POST /cases/{id}/recall", s.inside(staff.CaseMake, s.recallCase))
	m.Handle("POST /cases/{id}/decide", s.inside(staff.CaseCheck, s.decideCase))
	m.Handle("POST /cases/{id}/letter", s.inside(staff.CaseHand, s.handOver))
	m.HandleFunc("POST /cases/{id}/scan", s.attachScan)
	m.Handle("GET /cases/{id}/scan/{scan}", s.inside(staff.CaseSee, s.showScan))
}

// caseQueues are the parts of the queue in the order of the work, as their addresses name them.
var caseQueues = []struct {
	Word  string
	State release.State
}{{"made", release.Made}, {"received", release.Received}, {"submitted", release.Submitted}, {"closed", release.Granted}}

type casesData struct {
	Queue, Branch, Next string
	Queues              []string
	Lines               []authority.QueueLine
	Number              string // that was looked for in vain
	numbered
}

// numbered gives the choices of the form their numbers.
type numbered struct{}

// ItemNumber is the number of a choice on paper, in a circle.
func (numbered) ItemNumber(i release.Item) string {
	return string(rune('①' + slices.Index(release.Items, i)))
}

func (s *Server) showCases(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	d, err := s.cases(r, on)
	if err == nil {
		s.show(w, r, on, "cases", d)
	}
	return err
}

// cases is the page of the queue that was asked for; first what this member has to do next.
func (s *Server) cases(r *http.Request, on authority.StaffSession) (d casesData, err error) {
	q := r.URL.Query()
	d = casesData{Queue: q.Get("state"), Branch: plainDigits(q.Get("branch"))}
	if d.Queue == "" {
		d.Queue = "received"
		if staff.May(on.Role, staff.CaseCheck) {
			d.Queue = "submitted"
		}
	}
	if !q.Has("branch") {
		d.Branch = on.Branch
	}
	state := release.State("")
	for _, c := range caseQueues {
		d.Queues = append(d.Queues, c.Word)
		if c.Word == d.Queue {
			state = c.State
		}
	}
	if state == "" || d.Branch != "" && len(d.Branch) != staff.BranchLength {
		return d, problem.New(problem.NotFound)
	}
	d.Lines, d.Next, err = s.Authority.Cases(r.Context(), on, authority.CaseQueue{State: state, Branch: d.Branch, From: q.Get("from")})
	return d, err
}

// plainDigits reads digits of any width.
func plainDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '０' && r <= '９' {
			return r - '０' + '0'
		}
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
}

func (s *Server) findCase(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	id, err := s.Authority.FindCase(r.Context(), on, r.PostFormValue("number"))
	if p, ok := problem.Of(err); ok && p.Kind == problem.ReleaseNone {
		d, err := s.cases(r, on)
		if err != nil {
			return err
		}
		d.Number = r.PostFormValue("number")
		s.showRefused(w, r, on, "cases", d, p)
		return nil
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/cases/"+id, http.StatusSeeOther)
	return nil
}

type newCaseData struct {
	authority.NewCase
	Items        []release.Item
	Reasons      []release.Reason
	AccountTypes []string
	Missing      string
	numbered
}

// Has says whether a choice is ticked.
func (d newCaseData) Has(i release.Item) bool { return slices.Contains(d.NewCase.Items, string(i)) }

func newCaseForm(n authority.NewCase) newCaseData {
	return newCaseData{NewCase: n, Items: release.Items, Reasons: release.Reasons, AccountTypes: authority.AccountTypes}
}

func (s *Server) showNewCase(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	s.show(w, r, on, "case-new", newCaseForm(authority.NewCase{Once: rand.Text(), Branch: on.Branch, AccountType: authority.AccountTypes[0], Reason: string(release.NewPhone)}))
	return nil
}

func (s *Server) newCase(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	n := authority.NewCase{Once: r.PostFormValue("once"), Branch: r.PostFormValue("branch"), AccountType: r.PostFormValue("account_type"), AccountNumber: r.PostFormValue("account_number"), Items: r.PostForm["item"],
		Reason: r.PostFormValue("reason")}
	id, err := s.Authority.MakeCase(r.Context(), on, n)
	if p, ok := problem.Of(err); ok && (p.Kind == problem.CaseIncomplete || p.Kind == problem.AccountNone) {
		d := newCaseForm(n)
		d.Missing = missing(p)
		s.showRefused(w, r, on, "case-new", d, p)
		return nil
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/cases/"+id+"?said=case-received", http.StatusSeeOther)
	return nil
}

// missing is the field that a refusal is about.
func missing(p *problem.Error) string {
	if p.Kind == problem.AccountNone {
		return "account"
	}
	f, _ := p.Values["field"].(string)
	return f
}

type caseData struct {
	authority.Case
	Lines        []line // her history, in words
	Items        []release.Item
	Checks       []release.Check
	Documents    []release.Document
	Issues       []release.Issue
	AccountTypes []string
	Missing      string
	Reply        string // a reason that was typed in a form which was refused
	Account      authority.NewCase
	Now          time.Time
	numbered
}

// Chosen says whether the clerk has chosen a release, Looked whether she has looked at something, Issued whether something is to be handed over.
func (d caseData) Chosen(i release.Item) bool  { return slices.Contains(d.Desk.Items, i) }
func (d caseData) Looked(c release.Check) bool { return slices.Contains(d.Desk.Checks, c) }
func (d caseData) Issued(i release.Issue) bool { return slices.Contains(d.Desk.Issue, i) }

// Wants says whether the customer has asked for a release.
func (d caseData) Wants(i release.Item) bool { return slices.Contains(d.Asked, i) }

// Differs says whether two spellings are more than spaces apart.
func (d caseData) Differs(a, b string) bool {
	plain := func(s string) string { return strings.Join(strings.Fields(norm.NFKC.String(s)), "") }
	return plain(a) != plain(b)
}

// Nth is the number of a thing in a list; Ending what kind of file a scan is.
func (d caseData) Nth(i int) int { return i + 1 }
func (d caseData) Ending(kind string) string {
	return strings.ToUpper(strings.TrimPrefix(scanEndings[kind], "."))
}

// Closed says whether nothing more happens to the request.
func (d caseData) Closed() bool { return slices.Contains(release.Final, d.State) }

func (s *Server) caseData(r *http.Request, on authority.StaffSession) (caseData, error) {
	c, err := s.Authority.CaseOf(r.Context(), on, r.PathValue("id"))
	if err != nil {
		return caseData{}, err
	}
	lines, err := s.lines(r, c.History)
	return caseData{Lines: lines, Case: c, Items: release.Items, Checks: release.Checks, Documents: release.Documents, Issues: release.Issues, AccountTypes: authority.AccountTypes,
		Account: authority.NewCase{Branch: on.Branch, AccountType: authority.AccountTypes[0]}, Now: s.Authority.Now()}, err
}

func (s *Server) showCase(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	d, err := s.caseData(r, on)
	if err == nil {
		s.show(w, r, on, "case", d)
	}
	return err
}

// onCase ends a form about a request: done, it leads back to the request; refused, the request is shown as it stands now, with what was typed.
func (s *Server) onCase(w http.ResponseWriter, r *http.Request, on authority.StaffSession, err error, said string, typed func(d *caseData)) error {
	if err == nil {
		http.Redirect(w, r, "/cases/"+r.PathValue("id")+"?said=case-"+said, http.StatusSeeOther)
		return nil
	}
	p, ok := problem.Of(err)
	if !ok || p.Kind == problem.SessionOver || p.Kind == problem.NotFound {
		return err
	}
	d, err := s.caseData(r, on)
	if err != nil {
		return err
	}
	if p.Kind == problem.CaseMoved && (said == "granted" && d.State == release.Granted && d.Checker.ID == on.Staff || said == "declined" && d.State == release.Declined && d.Checker.ID == on.Staff ||
		said == "submitted" && d.State == release.Submitted && d.Maker.ID == on.Staff) { // her own, whose answer was lost, or pressed twice
		return s.onCase(w, r, on, nil, said, nil)
	}
	stands := d.Desk
	if d.Missing = missing(p); typed != nil {
		typed(&d)
	}
	if p.Kind == problem.CaseStale || p.Kind == problem.CaseMoved { // somebody else has changed it: what she has not seen is not written over by one more click
		d.Desk = stands
	}
	s.showRefused(w, r, on, "case", d, p)
	return nil
}

func (s *Server) receiveCase(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	return s.onCase(w, r, on, s.Authority.ReceiveCase(r.Context(), on, r.PathValue("id")), "received", nil)
}

func versionOf(r *http.Request) int64 {
	n, err := strconv.ParseInt(r.PostFormValue("version"), 10, 64)
	if err != nil {
		return 0 // which no request has
	}
	return n
}

func (s *Server) tieCase(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	n := authority.NewCase{Branch: r.PostFormValue("branch"), AccountType: r.PostFormValue("account_type"), AccountNumber: r.PostFormValue("account_number")}
	err := s.Authority.TieCase(r.Context(), on, r.PathValue("id"), versionOf(r), n.Branch, n.AccountType, n.AccountNumber)
	return s.onCase(w, r, on, err, "tied", func(d *caseData) { d.Account = n })
}

// words reads the ticked boxes of one name.
func words[T ~string](r *http.Request, name string) (out []T) {
	for _, w := range r.PostForm[name] {
		out = append(out, T(w))
	}
	return out
}

// fillCase keeps what the clerk has filled in, and sends it to the checker or ends the request where she says so.
func (s *Server) fillCase(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	desk := release.Desk{Items: words[release.Item](r, "item"), Issue: words[release.Issue](r, "issue"), Checks: words[release.Check](r, "check"), Document: release.Document(r.PostFormValue("document")),
		Reference: r.PostFormValue("reference"), Note: r.PostFormValue("note")}
	ctx, id, version := r.Context(), r.PathValue("id"), versionOf(r)
	typed := func(d *caseData) { d.Desk, d.Reply = desk, r.PostFormValue("said") }
	switch r.PostFormValue("do") {
	case "save":
		return s.onCase(w, r, on, s.Authority.SaveCase(ctx, on, id, version, desk), "saved", typed)
	case "submit":
		return s.onCase(w, r, on, s.Authority.SubmitCase(ctx, on, id, version, desk), "submitted", typed)
	case "refuse":
		return s.onCase(w, r, on, s.Authority.RefuseCase(ctx, on, id, version, r.PostFormValue("said")), "declined", typed)
	}
	return problem.New(problem.Malformed)
}

func (s *Server) recallCase(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	return s.onCase(w, r, on, s.Authority.RecallCase(r.Context(), on, r.PathValue("id")), "recalled", nil)
}

// decideCase is the checker's answer.
func (s *Server) decideCase(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	ctx, id, shown, reply := r.Context(), r.PathValue("id"), r.PostFormValue("shown"), r.PostFormValue("said")
	typed := func(d *caseData) { d.Reply = reply }
	switch r.PostFormValue("do") {
	case "grant":
		return s.onCase(w, r, on, s.Authority.GrantCase(ctx, on, id, shown), "granted", typed)
	case "return":
		return s.onCase(w, r, on, s.Authority.ReturnCase(ctx, on, id, shown, reply), "returned", typed)
	case "decline":
		return s.onCase(w, r, on, s.Authority.DeclineCase(ctx, on, id, shown, reply), "declined", typed)
	}
	return problem.New(problem.Malformed)
}

var scanPath = regexp.MustCompile(`^/cases/rel_[0-9a-z]{26}/scan$`)

// Room is how large a body may be: a scanned paper takes more than a form.
func Room(r *http.Request) int64 {
	if r.Method == http.MethodPost && scanPath.MatchString(r.URL.Path) {
		return release.ScanBytes + web.MaxBody
	}
	return web.MaxBody
}

// attachScan takes a scanned paper. Who asks is known before anything of the file is read.
func (s *Server) attachScan(w http.ResponseWriter, r *http.Request) {
	if err := s.attach(w, r); err != nil {
		s.Fail(w, r, err)
	}
}

func (s *Server) attach(w http.ResponseWriter, r *http.Request) error {
	on, err := web.StaffSessionOf(r, s.Authority)
	if err != nil {
		return err
	}
	if !staff.May(on.Role, staff.CaseMake) {
		return problem.New(problem.Forbidden)
	}
	var tooLarge *http.MaxBytesError
	if err := r.ParseMultipartForm(release.ScanBytes + web.MaxBody); errors.As(err, &tooLarge) {
		return s.onCase(w, r, on, problem.New(problem.ScanRefused), "", nil)
	} else if err != nil {
		return problem.New(problem.Malformed)
	}
	if !web.StaffFormOK(r, on) {
		return problem.New(problem.Forbidden)
	}
	var paper []byte
	if f, _, err := r.FormFile("paper"); err == nil {
		defer func() { _ = f.Close() }()
		if paper, err = io.ReadAll(io.LimitReader(f, release.ScanBytes+1)); err != nil {
			return err
		}
	}
	return s.onCase(w, r, on, s.Authority.AttachScan(r.Context(), on, r.PathValue("id"), versionOf(r), paper), "attached", nil)
}

// scanEndings are the ends of file names by media type.
var scanEndings = map[string]string{"application/pdf": ".pdf", "image/png": ".png", "image/jpeg": ".jpg"}

// showScan gives a scanned paper as a file to be kept or opened outside: never as a page of ours, whatever it holds.
func (s *Server) showScan(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	kind, paper, err := s.Authority.Scan(r.Context(), on, r.PathValue("id"), r.PathValue("scan"))
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", `attachment; filename="`+r.PathValue("scan")+scanEndings[kind]+`"`)
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox")
	h.Set("Content-Length", strconv.Itoa(len(paper)))
	_, _ = w.Write(paper) // a reader who has gone needs no file
	return nil
}
