package customer

import (
	"net/http"
	"strings"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/server/web"
)

// emergencyPage is where everybody finds the emergency stop; haltPage is its page for whoever is logged in.
const (
	emergencyPage = "/emergency-stop"
	haltPage      = "/security/stop"
)

type emergencyData struct {
	Done bool
	By   authority.StopFactor
	Ways []authority.StopFactor
}

var stopWays = []authority.StopFactor{authority.StopByLogin, authority.StopByConfirm, authority.StopByCode}

// showEmergency asks for the login ID and one thing that she has at hand. Whoever is logged in needs neither.
func (s *Server) showEmergency(w http.ResponseWriter, r *http.Request) {
	if _, err := web.SessionOf(r, s.Authority); err == nil {
		http.Redirect(w, r, haltPage, http.StatusSeeOther)
		return
	}
	v := s.view(w, r, "emergency")
	v.Form = web.PreForm(w, r)
	f := s.took(w, r)
	v.take(f)
	by := authority.StopFactor(f.Typed["by"])
	if by == "" {
		by = authority.StopByLogin
	}
	v.Data = emergencyData{Done: v.Said == "halted", By: by, Ways: stopWays}
	v.Said = ""
	s.write(w, r, http.StatusOK, v)
}

func (s *Server) emergency(w http.ResponseWriter, r *http.Request) {
	if err := s.tryEmergency(w, r); err != nil {
		s.Fail(w, r, err)
	}
}

func (s *Server) tryEmergency(w http.ResponseWriter, r *http.Request) error {
	if err := parse(r); err != nil {
		return err
	}
	if !web.PreFormOK(r) {
		return problem.New(problem.Forbidden)
	}
	by, secret := authority.StopFactor(r.PostFormValue("by")), r.PostFormValue("secret")
	if by == authority.StopByCode {
		secret = digits(secret)
	}
	if _, err := s.Authority.StopByFactor(r.Context(), web.Visit(r), strings.TrimSpace(r.PostFormValue("login_id")), by, secret); err != nil {
		return s.tell(w, r, err)
	}
	return s.done(w, r, "halted", emergencyPage)
}

// showHalt asks once more, and for nothing else.
func (s *Server) showHalt(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	s.write(w, r, http.StatusOK, s.page(w, r, on, "halt"))
	return nil
}

func (s *Server) halt(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	if _, err := s.Authority.StopSession(r.Context(), on); err != nil {
		return err
	}
	web.ClearSession(w)
	return s.done(w, r, "halted", emergencyPage)
}
