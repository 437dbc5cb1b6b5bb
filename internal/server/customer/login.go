package customer

import (
	"net/http"
	"strings"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/server/web"
)

// showLogin asks for login ID and login password. Whoever is logged in already goes on, unless a client asked that she prove herself again.
func (s *Server) showLogin(w http.ResponseWriter, r *http.Request) {
	on, err := web.SessionOf(r, s.Authority)
	if err == nil && r.URL.Query().Get("again") == "" {
		step, err := s.Authority.NextStep(r.Context(), on)
		if err == nil {
			s.goOn(w, r, step)
			return
		}
	} else if err != nil && problem.KindOf(err) != problem.SessionOver {
		s.Fail(w, r, err)
		return
	}
	v := s.view(w, r, "login")
	v.Form = web.PreForm(w, r)
	v.take(s.took(w, r))
	v.Data = loginData{Smartphone: web.Visit(r).Channel == authority.Smartphone}
	s.write(w, r, http.StatusOK, v)
}

type loginData struct{ Smartphone bool }

func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	if err := s.tryLogin(w, r); err != nil {
		s.Fail(w, r, err)
	}
}

func (s *Server) tryLogin(w http.ResponseWriter, r *http.Request) error {
	if err := parse(r); err != nil {
		return err
	}
	if !web.PreFormOK(r) {
		return problem.New(problem.Forbidden)
	}
	on, cookie, err := s.Authority.Login(r.Context(), web.Visit(r), strings.TrimSpace(r.PostFormValue("login_id")), []byte(r.PostFormValue("login_password")))
	if err != nil {
		return s.tell(w, r, err)
	}
	return s.enterAs(w, r, on, cookie)
}

// enterAs gives the browser its new session and goes on.
func (s *Server) enterAs(w http.ResponseWriter, r *http.Request, on authority.Session, cookie authority.Cookie) error {
	// The session that this browser had before ends: one of a client that wanted fresh proof, or a half-way one from another tab.
	if old, err := web.SessionOf(r, s.Authority); err == nil {
		if err := s.Authority.Logout(r.Context(), old); err != nil {
			return err
		}
	}
	web.SetCookies(w, cookie)
	return s.onward(w, r, on)
}

// onward goes on after a step of the log-in.
func (s *Server) onward(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	step, err := s.Authority.NextStep(r.Context(), on)
	if err != nil {
		return err
	}
	s.goOn(w, r, step)
	return nil
}

// showCode asks for the one-time password.
func (s *Server) showCode(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	return s.askCode(w, r, on, "code")
}

// askCode shows a page that asks for codes. A token that cannot be used now is said before anything is typed.
func (s *Server) askCode(w http.ResponseWriter, r *http.Request, on authority.Session, page string) error {
	t, err := s.Authority.TokenOf(r.Context(), on)
	if err != nil {
		return err
	}
	v := s.page(w, r, on, page)
	d := codeData{Open: true, Wrong: v.kind == problem.OTPWrong}
	if t.Token != nil {
		switch t.Token.State {
		case token.Locked:
			v.show(problem.New(problem.OTPLocked))
			d.Open = false
		case token.Expired:
			v.show(problem.New(problem.TokenExpired, "expired", t.Token.Expires))
			d.Open = false
		case token.Suspended:
			v.show(problem.New(problem.ServiceStopped))
			d.Open = false
		}
	}
	v.Data = d
	s.write(w, r, http.StatusOK, v)
	return nil
}

// codeData is what a page knows that asks for codes. Wrong says that the last one was: the way to set the clock is in sight then.
type codeData struct{ Open, Wrong bool }

func (s *Server) code(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	code, err := typedCode(r, "code")
	if err != nil {
		return err
	}
	on, cookie, err := s.Authority.LoginOTP(r.Context(), web.Visit(r), on, code)
	if err != nil {
		return err
	}
	web.SetCookies(w, cookie)
	return s.onward(w, r, on)
}

// showResync asks for two codes in a row, of a token whose clock nothing else corrects.
func (s *Server) showResync(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	return s.askCode(w, r, on, "resync")
}

// resync sets the clock and goes back to where the next code logs in.
func (s *Server) resync(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	first, err := typedCode(r, "first")
	if err != nil {
		return err
	}
	second, err := typedCode(r, "second")
	if err != nil {
		return err
	}
	if err := s.Authority.Resync(r.Context(), on, first, second); err != nil {
		return err
	}
	if err := s.say(w, "resync"); err != nil {
		return err
	}
	s.to(w, r, "/login/code")
	return nil
}

// mismatch is the reason for which a new password goes no further than this page: the two entries differ.
const mismatch = "mismatch"

// again compares a new password with its second entry.
func again(r *http.Request, name, which string) error {
	if r.PostFormValue(name) != r.PostFormValue(name+"_again") {
		return problem.New(problem.PasswordWeak, "which", which, "reason", mismatch)
	}
	return nil
}

func (s *Server) showPasswords(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	c, err := s.Authority.CustomerOf(r.Context(), on)
	if err != nil {
		return err
	}
	v := s.page(w, r, on, "passwords")
	v.Data = firstPasswords{c.LoginInitial, c.ConfirmInitial}
	s.write(w, r, http.StatusOK, v)
	return nil
}

// firstPasswords are those that the bank handed out.
type firstPasswords struct{ Login, Confirm bool }

// Which says of which passwords the page speaks.
func (f firstPasswords) Which() string {
	switch {
	case !f.Confirm:
		return ".login"
	case !f.Login:
		return ".confirm"
	}
	return ".both"
}

func (s *Server) passwords(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	if err := again(r, "new_login", "login"); err != nil {
		return err
	}
	if err := again(r, "new_confirm", "confirm"); err != nil {
		return err
	}
	c, err := s.Authority.CustomerOf(r.Context(), on)
	if err != nil {
		return err
	}
	form := func(name string) []byte { return []byte(r.PostFormValue(name)) }
	cookie, err := s.Authority.SetFirstPasswords(r.Context(), on, form("confirm"), form("new_login"), form("new_confirm"))
	if err != nil {
		return err
	}
	web.SetCookies(w, cookie)
	if err := s.say(w, "passwords"+firstPasswords{c.LoginInitial, c.ConfirmInitial}.Which()); err != nil {
		return err
	}
	if on, err = s.Authority.SessionOf(r.Context(), cookie.Session); err != nil {
		return err
	}
	return s.onward(w, r, on)
}

// showLogout has a button while there is a session and says that it has ended when there is none.
func (s *Server) showLogout(w http.ResponseWriter, r *http.Request) {
	v := s.view(w, r, "logout")
	if on, err := web.SessionOf(r, s.Authority); err == nil {
		v.On, v.Form = &on, on.CSRF
	} else if problem.KindOf(err) != problem.SessionOver {
		s.Fail(w, r, err)
		return
	}
	s.write(w, r, http.StatusOK, v)
}

func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	if err := s.endLogin(w, r); err != nil {
		s.Fail(w, r, err)
	}
}

func (s *Server) endLogin(w http.ResponseWriter, r *http.Request) error {
	if err := parse(r); err != nil {
		return err
	}
	on, err := web.SessionOf(r, s.Authority)
	switch {
	case problem.KindOf(err) == problem.SessionOver: // over is what was wanted
	case err != nil:
		return err
	case !web.FormOK(r, on):
		return problem.New(problem.Forbidden)
	default:
		if err := s.Authority.Logout(r.Context(), on); err != nil {
			return err
		}
	}
	web.ClearSession(w)
	if to := next(r); strings.HasPrefix(to, "/oidc/logout/") {
		http.Redirect(w, r, to, http.StatusSeeOther)
		return nil
	}
	if to := cancelled(next(r)); to != "" && r.PostFormValue("cancel") != "" {
		http.Redirect(w, r, to, http.StatusSeeOther)
		return nil
	}
	s.to(w, r, "/logout")
	return nil
}
