package console

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/phone"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/staff"
)

// mountCallbacks lists the routes of the calls to customers who wait for one.
func (s *Server) mountCallbacks(m *http.ServeMux) {
	m.Handle("GET /callbacks", s.inside(staff.CallBack, s.showCallbacks))
	m.Handle("GET /callbacks/{id}", s.inside(staff.CallBack, s.showCallback))
	m.Handle("POST /callbacks/{id}/number", s.inside(staff.CallBack, s.dialCallback))
	m.Handle("POST /callbacks/{id}/prove", s.inside(staff.CallBack, s.proveCallback))
	m.Handle("POST /callbacks/{id}/missed", s.inside(staff.CallBack, s.missCallback))
	m.Handle("POST /callbacks/{id}/denied", s.inside(staff.CallBack, s.denyCallback))
}

type callbacksData struct {
	Lines []authority.Callback
	Next  string
	More  int
}

// showCallbacks is the queue.
func (s *Server) showCallbacks(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	lines, next, err := s.Authority.Callbacks(r.Context(), on, r.URL.Query().Get("after"))
	if err != nil {
		return err
	}
	d := callbacksData{Lines: lines, More: authority.CallbackPage}
	if next != "" {
		d.Next = "/callbacks?" + url.Values{"after": {next}}.Encode()
	}
	s.show(w, r, on, "callbacks", d)
	return nil
}

type callbackData struct {
	authority.Callback
	Call *authority.CallbackCall // on the page that answers to whoever asks for the number, and on no other
}

func (s *Server) callbackData(r *http.Request, on authority.StaffSession) (d callbackData, err error) {
	d.Callback, err = s.Authority.CallbackAtDesk(r.Context(), on, r.PathValue("id"))
	return d, err
}

func (s *Server) showCallback(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	d, err := s.callbackData(r, on)
	if err != nil {
		return err
	}
	s.show(w, r, on, "callback", d)
	return nil
}

// refusedCallback shows the page once more with what was refused.
func (s *Server) refusedCallback(w http.ResponseWriter, r *http.Request, on authority.StaffSession, err error) error {
	p, refused := problem.Of(err)
	if !refused || p.Kind == problem.NotFound || p.Kind == problem.Forbidden || p.Kind == problem.SessionOver {
		return err
	}
	d, err := s.callbackData(r, on)
	if err != nil {
		return err
	}
	s.showRefused(w, r, on, "callback", d, p)
	return nil
}

// dialCallback shows the number on file.
func (s *Server) dialCallback(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	call, err := s.Authority.ShowCallback(r.Context(), on, r.PathValue("id"))
	if err != nil {
		return s.refusedCallback(w, r, on, err)
	}
	d, err := s.callbackData(r, on)
	if err != nil {
		return err
	}
	d.Call = &call
	s.show(w, r, on, "callback", d)
	return nil
}

// afterCallback goes back to the page, which says by itself what has ended; what has not, said tells.
func (s *Server) afterCallback(w http.ResponseWriter, r *http.Request, on authority.StaffSession, err error, said string) error {
	if err != nil {
		return s.refusedCallback(w, r, on, err)
	}
	http.Redirect(w, r, "/callbacks/"+url.PathEscape(r.PathValue("id"))+said, http.StatusSeeOther)
	return nil
}

// proveCallback takes the number. What cannot be one costs no try, as on the customer's pages.
func (s *Server) proveCallback(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	number := plainDigits(r.PostFormValue("number"))
	if len(number) != phone.CodeDigits {
		return s.refusedCallback(w, r, on, problem.New(problem.CodeForm, "field", "number"))
	}
	return s.afterCallback(w, r, on, s.Authority.ProveCallback(r.Context(), on, r.PathValue("id"), number), "")
}

func (s *Server) missCallback(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	was, err := strconv.Atoi(r.PostFormValue("missed"))
	if err != nil {
		return problem.New(problem.Malformed, "field", "missed")
	}
	return s.afterCallback(w, r, on, s.Authority.MissCallback(r.Context(), on, r.PathValue("id"), was), "?said=callback-missed")
}

func (s *Server) denyCallback(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	return s.afterCallback(w, r, on, s.Authority.DenyCallback(r.Context(), on, r.PathValue("id")), "")
}

// CallbackProof is how long a customer has after the call, in words.
func (v *view) CallbackProof() string {
	return v.s.Text.Span(v.Lang, v.s.Authority.Rules().PhoneCallbackProof)
}

// PhoneBlock is how long the telephone proves nothing after too many wrong numbers, in words.
func (v *view) PhoneBlock() string { return v.s.Text.Span(v.Lang, v.s.Authority.Rules().PhoneBlock) }
