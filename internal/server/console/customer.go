package console

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/server/web"
)

// mountCustomers lists the routes of the look-up of customers.
func (s *Server) mountCustomers(m *http.ServeMux) {
	m.Handle("GET /customers", s.inside(staff.CustomerLook, s.showLookUp))
	m.Handle("POST /customers", s.inside(staff.CustomerLook, s.lookUp))
	m.Handle("GET /customers/{id}", s.inside(staff.CustomerLook, s.showCustomer))
	m.Handle("POST /customers/{id}/reveal", s.inside(staff.CustomerReveal, s.reveal))
	m.Handle("GET /customers/{id}/stop", s.inside(staff.ServiceStop, s.showStop))
	m.Handle("POST /customers/{id}/stop", s.inside(staff.ServiceStop, s.stop))
	m.Handle("POST /customers/{id}/restart", s.inside(staff.RestartAsk, s.askRestart))
}

type lookData struct {
	authority.Look
	None   bool // nobody was found
	Lately []authority.Looked
	Types  []string
}

func (s *Server) lookData(r *http.Request, on authority.StaffSession) (d lookData, err error) {
	d.Types, d.AccountType, d.By = authority.AccountTypes, authority.AccountTypes[0], authority.ByAccount
	d.Lately, err = s.Authority.LatelyLooked(r.Context(), on)
	return d, err
}

// showLookUp is a form and no list: whoever looks a customer up knows whom.
func (s *Server) showLookUp(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	d, err := s.lookData(r, on)
	if err != nil {
		return err
	}
	s.show(w, r, on, "customers", d)
	return nil
}

func (s *Server) lookUp(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	l := authority.Look{By: authority.LookBy(r.PostFormValue("by")), Branch: r.PostFormValue("branch"), AccountType: r.PostFormValue("account_type"), AccountNumber: r.PostFormValue("account_number"),
		Ref: r.PostFormValue("ref"), LoginID: r.PostFormValue("login")}
	id, err := s.Authority.LookUp(r.Context(), on, l)
	p, refused := problem.Of(err)
	if err != nil && !refused {
		return err
	}
	if !refused {
		http.Redirect(w, r, "/customers/"+id, http.StatusSeeOther)
		return nil
	}
	d, err := s.lookData(r, on)
	if err != nil {
		return err
	}
	d.Look, d.None = l, p.Kind == problem.NotFound
	s.showRefused(w, r, on, "customers", d, p)
	return nil
}

type customerData struct {
	authority.CustomerView
	Days     []customerDay
	Older    string
	Newest   string
	Reasons  []string // for a reveal
	Why      string   // what was typed in a form that was refused
	Words    string
	Field    string
	Freshest time.Time
}

// customerDay is one day of her history.
type customerDay struct {
	Day   string
	Lines []line
}

// CoolingUntil is when the last of the changes has cooled off.
func (d customerData) CoolingUntil() time.Time { return authority.CoolingUntil(d.Cooling) }

func (s *Server) customerData(r *http.Request, on authority.StaffSession) (d customerData, err error) {
	id, before := r.PathValue("id"), r.URL.Query().Get("before")
	d.Reasons = authority.RevealReasons
	if d.CustomerView, err = s.Authority.CustomerAtDesk(r.Context(), on, id); err != nil {
		return d, err
	}
	entries, names, older, err := s.Authority.HistoryAtDesk(r.Context(), on, id, before)
	if err != nil {
		return d, err
	}
	if older != "" {
		d.Older = "/customers/" + id + "?" + url.Values{"before": {older}}.Encode() + "#history"
	}
	if before != "" {
		d.Newest = "/customers/" + id + "#history"
	}
	lang := web.Lang(r)
	for _, e := range entries {
		day := s.Text.Day(lang, e.At)
		if n := len(d.Days); n == 0 || d.Days[n-1].Day != day {
			d.Days = append(d.Days, customerDay{Day: day})
		}
		last := &d.Days[len(d.Days)-1]
		last.Lines = append(last.Lines, s.line(r, e, names))
	}
	return d, nil
}

// showCustomer is how a customer stands. It opens after she was looked up, or from what she is about: a case, an incident or an order.
func (s *Server) showCustomer(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	if err := s.Authority.LookFrom(r.Context(), on, r.PathValue("id"), r.URL.Query().Get("from")); err != nil {
		return s.lookFirst(w, r, on, err)
	}
	d, err := s.customerData(r, on)
	if err != nil {
		return s.lookFirst(w, r, on, err)
	}
	s.show(w, r, on, "customer", d)
	return nil
}

// lookFirst shows the look-up to whoever has not looked this customer up lately: that is what she does next.
func (s *Server) lookFirst(w http.ResponseWriter, r *http.Request, on authority.StaffSession, err error) error {
	p, refused := problem.Of(err)
	if !refused || p.Kind != problem.LookFirst {
		return err
	}
	d, err := s.lookData(r, on)
	if err != nil {
		return err
	}
	s.showRefused(w, r, on, "customers", d, p)
	return nil
}

type revealData struct {
	ID, Name, Value, Field string
	Left                   int
}

// reveal shows one field, on the page that answers and on no other.
func (s *Server) reveal(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	id, field, why, words := r.PathValue("id"), r.PostFormValue("field"), r.PostFormValue("why"), r.PostFormValue("words")
	value, left, err := s.Authority.Reveal(r.Context(), on, id, field, why, words)
	if p, refused := problem.Of(err); refused && p.Kind != problem.LookFirst && p.Kind != problem.SessionOver {
		d, err := s.customerData(r, on)
		if err != nil {
			return err
		}
		d.Field, d.Why, d.Words = field, why, words
		s.showRefused(w, r, on, "customer", d, p)
		return nil
	}
	if err != nil {
		return err
	}
	d := revealData{ID: id, Value: value, Left: left, Field: "mail"}
	if field == authority.RevealPhone {
		d.Field = field
	}
	s.show(w, r, on, "customer-reveal", d)
	return nil
}

type stopData struct {
	authority.CustomerView
	Reasons    []string
	Why, Words string
}

func (s *Server) stopData(r *http.Request, on authority.StaffSession) (d stopData, err error) {
	d.Reasons = authority.StopReasons
	d.CustomerView, err = s.Authority.CustomerAtDesk(r.Context(), on, r.PathValue("id"))
	return d, err
}

// showStop asks once more: it is undone by two persons only.
func (s *Server) showStop(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	d, err := s.stopData(r, on)
	if err != nil {
		return s.lookFirst(w, r, on, err)
	}
	s.show(w, r, on, "customer-stop", d)
	return nil
}

func (s *Server) stop(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	id, why, words := r.PathValue("id"), r.PostFormValue("why"), r.PostFormValue("words")
	_, err := s.Authority.StopAtDesk(r.Context(), on, id, why, words)
	if p, refused := problem.Of(err); refused && p.Kind == problem.Malformed {
		d, err := s.stopData(r, on)
		if err != nil {
			return err
		}
		d.Why, d.Words = why, words
		s.showRefused(w, r, on, "customer-stop", d, p)
		return nil
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/customers/"+id+"?said=stopped", http.StatusSeeOther)
	return nil
}

// askRestart asks for what a second person then checks: that her service, or after a report her transfers, go on.
func (s *Server) askRestart(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	id, words := r.PathValue("id"), r.PostFormValue("words")
	kind, field := "service.restart", "restart"
	if r.PostFormValue("what") == "transfers" {
		kind, field = "transfers.resume", "resume"
	}
	o, err := s.Authority.AskOrder(r.Context(), on, kind, map[string]string{"customer": id}, words)
	if p, refused := problem.Of(err); refused && p.Kind != problem.SessionOver && p.Kind != problem.NotFound {
		d, err := s.customerData(r, on)
		if err != nil {
			return err
		}
		d.Field, d.Words = field, words
		s.showRefused(w, r, on, "customer", d, p)
		return nil
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/orders/"+o.ID+"?said=asked", http.StatusSeeOther)
	return nil
}

// MailSubject names a mail by its subject, without the bank's name in front.
func (v *view) MailSubject(topic string) string {
	subject := v.s.Text.Say(v.Lang, "mail", topic+".subject", "bank", "")
	for _, prefix := range []string{"【】", "[] "} {
		subject = strings.TrimPrefix(subject, prefix)
	}
	return subject
}

// Span writes a length of time.
func (v *view) Span(d time.Duration) string { return v.s.Text.Span(v.Lang, d) }

// Factor names what a customer proves herself with, in the words of her own pages.
func (v *view) Factor(name string) string { return v.s.Text.Say(v.Lang, "common", "factor."+name) }
