package console

import (
	"net/http"
	"net/url"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/incident"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/staff"
)

// mountFraud lists the routes of the fraud desk.
func (s *Server) mountFraud(m *http.ServeMux) {
	m.Handle("GET /fraud", s.inside(staff.FraudSee, s.showIncidents))
	m.Handle("GET /fraud/{id}", s.inside(staff.FraudSee, s.showIncident))
	m.Handle("POST /fraud/{id}/take", s.inside(staff.FraudAct, s.moveIncident(func(r *http.Request, on authority.StaffSession, id string) error {
		return s.Authority.TakeIncident(r.Context(), on, id, r.PostFormValue("was"))
	})))
	m.Handle("POST /fraud/{id}/note", s.inside(staff.FraudAct, s.moveIncident(func(r *http.Request, on authority.StaffSession, id string) error {
		return s.Authority.NoteIncident(r.Context(), on, id, r.PostFormValue("words"))
	})))
	m.Handle("POST /fraud/{id}/close", s.inside(staff.FraudAct, s.moveIncident(func(r *http.Request, on authority.StaffSession, id string) error {
		return s.Authority.CloseIncident(r.Context(), on, id, incident.Outcome(r.PostFormValue("outcome")), r.PostFormValue("words"))
	})))
	m.Handle("POST /fraud/{id}/reopen", s.inside(staff.FraudAct, s.moveIncident(func(r *http.Request, on authority.StaffSession, id string) error {
		return s.Authority.ReopenIncident(r.Context(), on, id)
	})))
	m.Handle("POST /fraud/{id}/stop", s.inside(staff.ServiceStop, s.moveIncident(func(r *http.Request, on authority.StaffSession, id string) error {
		_, err := s.Authority.StopByIncident(r.Context(), on, id)
		return err
	})))
}

type incidentsData struct {
	Past      bool
	Incidents []authority.Incident
	Next      string
	More      int
}

// showIncidents is the queue, or what has been closed.
func (s *Server) showIncidents(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	q := r.URL.Query()
	d := incidentsData{Past: q.Get("list") == "past", More: authority.IncidentPage}
	var err error
	if d.Incidents, d.Next, err = s.Authority.Incidents(r.Context(), on, d.Past, q.Get("after")); err != nil {
		return err
	}
	s.show(w, r, on, "fraud", d)
	return nil
}

// Older is the address of the following page.
func (d incidentsData) Older() string {
	q := url.Values{"after": {d.Next}}
	if d.Past {
		q.Set("list", "past")
	}
	return "/fraud?" + q.Encode()
}

type incidentData struct {
	authority.IncidentFile
	Lines    []line
	Words    string // what was typed in a form that was refused
	Chosen   string
	Outcomes []incident.Outcome
	At       string // which form was refused
}

// Lead is what an incident is about, as the end of a key: a customer says of two things that she has not asked for them.
func (d incidentData) Lead() string {
	if d.Kind == incident.Reported && ident.Check(ident.Reissue, d.Object) == nil {
		return "callback"
	}
	return string(d.Kind)
}

func (s *Server) incidentData(r *http.Request, on authority.StaffSession) (d incidentData, err error) {
	d.Outcomes = incident.Outcomes
	if d.IncidentFile, err = s.Authority.Incident(r.Context(), on, r.PathValue("id")); err != nil {
		return d, err
	}
	d.Lines, err = s.lines(r, d.Timeline)
	return d, err
}

func (s *Server) showIncident(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	d, err := s.incidentData(r, on)
	if err != nil {
		return err
	}
	s.show(w, r, on, "fraud-incident", d)
	return nil
}

// moveIncident does what a form of an incident's page asks, and shows the page again: with what was typed where it was refused.
func (s *Server) moveIncident(f func(r *http.Request, on authority.StaffSession, id string) error) insider {
	return func(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
		err := f(r, on, r.PathValue("id"))
		p, refused := problem.Of(err)
		if err != nil && (!refused || p.Kind == problem.NotFound || p.Kind == problem.Forbidden || p.Kind == problem.SessionOver) {
			return err
		}
		if !refused {
			http.Redirect(w, r, "/fraud/"+url.PathEscape(r.PathValue("id")), http.StatusSeeOther)
			return nil
		}
		d, err := s.incidentData(r, on)
		if err != nil {
			return err
		}
		d.Words, d.Chosen = r.PostFormValue("words"), r.PostFormValue("outcome")
		s.showRefused(w, r, on, "fraud-incident", d, p)
		return nil
	}
}

// Urgency is how urgent a kind is, as the end of a key.
func (v *view) Urgency(k incident.Kind) string {
	return []string{"", "low", "middle", "high"}[k.Urgency()]
}
