package console

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/server/web"
)

// mountTrail lists the routes of the trail, its export and the figures.
func (s *Server) mountTrail(m *http.ServeMux) {
	m.Handle("GET /trail", s.inside(staff.TrailSee, s.showTrail))
	m.Handle("POST /trail/export", s.inside(staff.ExportAsk, s.exportNow))
	m.Handle("POST /trail/ask", s.inside(staff.ExportAsk, s.askExport))
	m.Handle("POST /trail/export/{id}", s.inside(staff.ExportAsk, s.fetchExport))
	m.Handle("GET /reports/releases", s.inside(staff.TrailSee, s.showReleaseReport))
	m.Handle("GET /figures", s.inside(staff.FiguresSee, s.showFigures))
	m.Handle("GET /figures/{picture}", s.inside(staff.FiguresSee, s.drawFigure))
}

// trailQuery is a search as it was typed.
type trailQuery struct{ Customer, Staff, Action, Outcome, From, Until, Before string }

// query is the search without its page, as an address has it.
func (q trailQuery) query() url.Values {
	out := url.Values{}
	for name, v := range map[string]string{"customer": q.Customer, "staff": q.Staff, "act": q.Action, "outcome": q.Outcome, "from": q.From, "until": q.Until} {
		if v != "" {
			out.Set(name, v)
		}
	}
	return out
}

// dayTime is how a browser's field for date and time writes a moment of Japan.
const dayTime = "2006-01-02T15:04"

func readDayTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	at, err := time.ParseInLocation(dayTime, s, web.Japan(time.Unix(0, 0)).Location())
	if err != nil {
		return at, problem.New(problem.Malformed, "field", "time")
	}
	return at.UTC(), nil
}

// filter reads a search, but for whom it is about: that is what was typed.
func (s *Server) filter(get func(string) string) (q trailQuery, f audit.Filter, err error) {
	q = trailQuery{Customer: strings.TrimSpace(get("customer")), Staff: get("staff"), Action: get("act"), Outcome: get("outcome"), From: get("from"), Until: get("until"), Before: get("before")}
	f = audit.Filter{Staff: q.Staff, Action: audit.Action(q.Action), Outcome: audit.Outcome(q.Outcome)}
	if f.From, err = readDayTime(q.From); err != nil {
		return q, f, err
	}
	f.Until, err = readDayTime(q.Until)
	return q, f, err
}

// exportFilter is the search of a form that exports. Whom it is about is looked up.
func (s *Server) exportFilter(r *http.Request, on authority.StaffSession) (q trailQuery, f audit.Filter, err error) {
	if q, f, err = s.filter(r.PostFormValue); err == nil && q.Customer != "" {
		f.Customer, err = s.Authority.TrailCustomer(r.Context(), on, q.Customer)
	}
	return q, f, err
}

type trailData struct {
	Query   trailQuery
	Members []staff.Member
	Actions []audit.Action
	Lines   []line
	Next    string
	Exports []authority.TrailExport
	Found   bool // something was looked for
	Reason  string
	Asked   string // the order that was just asked
}

// Older is the address of the following page.
func (d trailData) Older() string {
	q := d.Query.query()
	q.Set("before", d.Next)
	return "/trail?" + q.Encode()
}

// First is the address of the first page.
func (d trailData) First() string { return "/trail?" + d.Query.query().Encode() }

func (s *Server) trailData(r *http.Request, on authority.StaffSession, q trailQuery, f audit.Filter, look bool) (d trailData, err error) {
	d = trailData{Query: q, Actions: audit.Actions}
	if d.Members, err = s.Authority.TrailMembers(r.Context(), on); err != nil || !look {
		return d, err
	}
	found, err := s.Authority.SearchTrailFor(r.Context(), on, q.Customer, f, q.Before)
	if err != nil {
		return d, err
	}
	d.Found, d.Next, d.Exports = true, found.Next, found.Exports
	for _, e := range found.Entries {
		d.Lines = append(d.Lines, s.line(r, e, found.Names))
	}
	return d, nil
}

func (s *Server) showTrail(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	q, f, err := s.filter(r.URL.Query().Get)
	if p, refused := problem.Of(err); refused {
		d, err := s.trailData(r, on, q, f, false)
		if err != nil {
			return err
		}
		s.showRefused(w, r, on, "trail", d, p)
		return nil
	}
	if err != nil {
		return err
	}
	d, err := s.trailData(r, on, q, f, true)
	if p, refused := problem.Of(err); refused && p.Kind != problem.SessionOver && p.Kind != problem.Forbidden {
		if d, err = s.trailData(r, on, q, f, false); err != nil {
			return err
		}
		s.showRefused(w, r, on, "trail", d, p)
		return nil
	}
	if err != nil {
		return err
	}
	s.show(w, r, on, "trail", d)
	return nil
}

// export answers a form of the trail's page with a file, or with the page again where it is refused.
func (s *Server) export(w http.ResponseWriter, r *http.Request, on authority.StaffSession, f func(q trailQuery, f audit.Filter) (authority.ExportFile, error)) error {
	q, filter, err := s.exportFilter(r, on)
	var file authority.ExportFile
	if err == nil {
		file, err = f(q, filter)
	}
	if p, refused := problem.Of(err); refused && (p.Kind == problem.ExportSecond || p.Kind == problem.ExportWide || p.Kind == problem.Malformed || p.Kind == problem.AccountNone || p.Kind == problem.LooksUsedUp) {
		d, err := s.trailData(r, on, q, filter, false)
		if err != nil {
			return err
		}
		d.Reason = r.PostFormValue("reason")
		s.showRefused(w, r, on, "trail", d, p)
		return nil
	}
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", file.Kind)
	w.Header().Set("Content-Disposition", `attachment; filename="`+file.Name+`"`)
	_, _ = w.Write(file.Body) // a reader who has gone fetches it again
	return nil
}

func (s *Server) exportNow(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	return s.export(w, r, on, func(_ trailQuery, f audit.Filter) (authority.ExportFile, error) {
		return s.Authority.ExportNow(r.Context(), on, f, r.PostFormValue("form_of"))
	})
}

func (s *Server) fetchExport(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	return s.export(w, r, on, func(trailQuery, audit.Filter) (authority.ExportFile, error) {
		return s.Authority.FetchExport(r.Context(), on, r.PathValue("id"), r.PostFormValue("form_of"))
	})
}

// askExport asks a second person, and leads to where what waits for one stands.
func (s *Server) askExport(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	q, f, err := s.exportFilter(r, on)
	var o authority.Order
	if err == nil {
		o, err = s.Authority.AskExport(r.Context(), on, f, r.PostFormValue("reason"))
	}
	if p, refused := problem.Of(err); refused && p.Kind != problem.SessionOver && p.Kind != problem.Forbidden {
		d, err := s.trailData(r, on, q, f, false)
		if err != nil {
			return err
		}
		d.Reason = r.PostFormValue("reason")
		s.showRefused(w, r, on, "trail", d, p)
		return nil
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/orders/"+url.PathEscape(o.ID), http.StatusSeeOther)
	return nil
}

// line is an entry of the trail in words.
type line struct {
	ID              string
	At              time.Time
	What, Who, Why  string
	Refused         bool
	Customer, About string // about what, as far as a person compares it
	Device, Source  string
	Facts           string
}

// lines are entries in words.
func (s *Server) lines(r *http.Request, entries []audit.Entry) (out []line, err error) {
	names, err := s.Authority.NamesOf(r.Context(), entries)
	for _, e := range entries {
		out = append(out, s.line(r, e, names))
	}
	return out, err
}

func (s *Server) line(r *http.Request, e audit.Entry, names map[string]string) line {
	v := s.view(r, "")
	l := line{ID: e.ID, At: e.At, What: v.T("act." + string(e.Action)), Who: v.T("actor." + string(e.Actor.Kind)), Refused: e.Outcome == audit.Refused, Customer: e.Customer, Source: e.Actor.Source}
	if e.Actor.Device != "" && e.Actor.Device != "-" { // a system has none
		l.Device = v.Device(e.Actor.Device)
	}
	if l.About = names[e.Object]; l.About == "" {
		l.About = v.Short(e.Object)
	}
	switch {
	case e.Actor.Kind == audit.Staff:
		l.Who += " " + names[e.Actor.ID]
	case e.Actor.Kind == audit.Bank || e.Actor.Kind == audit.Operator:
		l.Who += " " + e.Actor.ID
	}
	if l.Refused {
		l.Why = v.reason(e.Reason)
	}
	var facts []string
	for _, f := range v.Facts(e.Detail) {
		facts = append(facts, f.Name+" "+f.Value)
	}
	l.Facts = strings.Join(facts, " · ")
	return l
}

// reason is why something was refused: in a few words, or as the refusal itself says it.
func (v *view) reason(kind string) string {
	if v.has("why." + kind) {
		return v.T("why." + kind)
	}
	if said := v.s.Text.Sentence(v.Lang, kind+".what"); v.s.Text.Has(v.Lang, "problem", kind+".what") && !strings.Contains(said, "{") {
		return strings.TrimRight(said, "。.")
	}
	return v.T("why.other", "kind", kind)
}

// Second writes a moment to the second: two entries of one minute have an order.
func (v *view) Second(at time.Time) string { return web.Japan(at).Format("2006-01-02 15:04:05") }

// Stamp is a moment for machines.
func (v *view) Stamp(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// Short is an identifier as far as a person compares it: its end.
func (v *view) Short(id string) string {
	if len(id) > 8 {
		return "…" + id[len(id)-8:]
	}
	return id
}

// FilterFacts are what an export was asked by, in words.
func (v *view) FilterFacts(f audit.Filter) []fact {
	detail := map[string]string{"customer": v.Short(f.Customer), "staff": v.Short(f.Staff), "action": string(f.Action), "outcome": string(f.Outcome)}
	if !f.From.IsZero() {
		detail["from"] = v.Stamp(f.From)
	}
	if !f.Until.IsZero() {
		detail["until"] = v.Stamp(f.Until)
	}
	return v.Facts(detail)
}
