// Package console is the staff's own pages on the staff host: customers are looked up, release requests handled by two, what is wrong is stopped, and every act is on record (M-13).
//
// Pages are forms and words from the server; a passkey needs a little script, which asks the JSON doors of this host. What they refuse comes with its three sentences.
package console

import (
	"embed"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/server/web"
	files "github.com/inkan-auth/inkan/web"
)

//go:embed page
var pageFiles embed.FS

// CSP is the content security policy of these pages: nothing inline, nothing from elsewhere, and forms lead to ourselves only.
const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'; " +
	"require-trusted-types-for 'script'; trusted-types 'none'"

// Server is the staff's pages with all that they can touch.
type Server struct {
	Authority *authority.Authority
	Bank      authority.Bank
	Text      *web.Texts

	doors  web.API
	pages  *web.Pages
	static *web.Assets
}

// New makes the server of the staff's pages.
func New(a *authority.Authority) (*Server, error) {
	text, err := web.LoadTexts(files.Files, slices.Concat([]string{"problem", "common"}, rooms, []string{"mail"})...)
	if err != nil {
		return nil, err
	}
	pages, err := web.ParsePages(pageFiles, "page")
	if err != nil {
		return nil, err
	}
	static, err := web.NewAssets("/static/", files.Files, "kit/tokens.css", "kit/kit.css", "kit/mark.svg", "console/console.js", "console/console.css")
	return &Server{Authority: a, Bank: a.Bank, Text: text, doors: web.API{Log: a.Log, Sentence: text.Title}, pages: pages, static: static}, err
}

// Mount lists the routes.
func (s *Server) Mount(m *http.ServeMux) {
	m.Handle("GET /static/", s.static)
	m.HandleFunc("POST /language", s.language)

	m.HandleFunc("GET /login", s.showLogin)
	m.Handle("POST /login/options", door(s, s.loginOptions))
	m.Handle("POST /login", door(s, s.login))
	m.HandleFunc("GET /register", s.showRegister)
	m.Handle("POST /register/options", door(s, s.registerOptions))
	m.Handle("POST /register", door(s, s.register))

	m.Handle("GET /{$}", s.inside(staff.Session, s.showHome))
	m.Handle("POST /session", s.inside(staff.Session, s.endSession))
	s.mountCases(m)
	s.mountCallbacks(m)
	s.mountCustomers(m)
	s.mountOrders(m)
	s.mountFraud(m)
	s.mountTrail(m)
	m.HandleFunc("POST /logout", s.logout)
	m.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) { s.Fail(w, r, problem.New(problem.NotFound)) })
}

// insider is a handler for a browser with a session.
type insider func(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error

// inside lets a request pass that has a session whose role may do this, and whose form, if it is one, was made for this session. The authority asks for the role once more in its own write.
func (s *Server) inside(act staff.Act, h insider) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.enter(w, r, act, h); err != nil {
			s.Fail(w, r, err)
		}
	})
}

func (s *Server) enter(w http.ResponseWriter, r *http.Request, act staff.Act, h insider) error {
	if err := parse(r); err != nil {
		return err
	}
	on, err := web.StaffSessionOf(r, s.Authority)
	if err != nil {
		return err
	}
	if r.Method == http.MethodPost && !web.StaffFormOK(r, on) || !staff.May(on.Role, act) {
		return problem.New(problem.Forbidden)
	}
	return h(w, r, on)
}

// parse reads a form. Its body was bounded before it came here.
func parse(r *http.Request) error {
	if r.Method != http.MethodPost {
		return nil
	}
	var tooLarge *http.MaxBytesError
	if err := r.ParseForm(); errors.As(err, &tooLarge) {
		return err
	} else if err != nil {
		return problem.New(problem.Malformed)
	}
	return nil
}

// Fail answers with a page that says what happened, what became of it and what to do. A session that is over leads to the sign-in.
func (s *Server) Fail(w http.ResponseWriter, r *http.Request, err error) {
	p := web.AsProblem(r, s.Authority.Log, err)
	if p.Kind == problem.SessionOver {
		to := "/login"
		if web.StaffCookie(r) != "" { // who never signed in was not signed out
			to += "?said=over"
		}
		http.Redirect(w, r, to, http.StatusSeeOther)
		return
	}
	status := web.Status(p.Kind)
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		status = http.StatusRequestEntityTooLarge
	}
	v := s.view(r, "sorry")
	if on, err := web.StaffSessionOf(r, s.Authority); err == nil { // the menu stays where it is
		v.On, v.Form = &on, on.CSRF
		v.Frozen = s.frozen(r)
	}
	said := v.refusal(p)
	v.Refusal = &said
	s.write(w, r, status, v)
}

// write renders a view. A page of ours that cannot be rendered is a mistake of ours; the reader gets a plain line.
func (s *Server) write(w http.ResponseWriter, r *http.Request, status int, v *view) {
	if err := s.pages.Render(w, status, v.Page, v); err != nil {
		s.Authority.Log.Error("a page could not be shown", "request", web.RequestID(r.Context()), "page", v.Page, "err", err)
		http.Error(w, s.Text.Sentence(v.Lang, "unavailable.what"), http.StatusInternalServerError)
	}
}

// places are the pages that a choice of language leads back to.
var places = []string{"/", "/login", "/register"}

// ours says whether an address is that of a page of the menu, or of one thing on it.
func ours(path string) bool {
	return slices.ContainsFunc(menu, func(m menuItem) bool {
		rest, found := strings.CutPrefix(path, m.Path)
		return found && m.Path != "/" && (rest == "" || regexp.MustCompile(`^/[a-z0-9_-]{1,40}$`).MatchString(rest))
	})
}

// language remembers the choice and goes back to the page where it was made. The fragment of the address goes with it: a redirect keeps it, and no server sees it.
func (s *Server) language(w http.ResponseWriter, r *http.Request) {
	if err := parse(r); err != nil {
		s.Fail(w, r, err)
		return
	}
	web.SetLang(w, r.PostFormValue("to"))
	back := r.PostFormValue("back")
	if !slices.Contains(places, back) && !ours(back) {
		back = "/"
	}
	http.Redirect(w, r, back, http.StatusSeeOther)
}

// showLogin has one button. Whoever is signed in already goes on.
func (s *Server) showLogin(w http.ResponseWriter, r *http.Request) {
	if _, err := web.StaffSessionOf(r, s.Authority); err == nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	} else if problem.KindOf(err) != problem.SessionOver {
		s.Fail(w, r, err)
		return
	}
	v := s.view(r, "login")
	v.Form = web.PreForm(w, r)
	s.write(w, r, http.StatusOK, v)
}

// showRegister is where an invitation leads. The page itself knows nothing of it: the code is in the fragment of its address.
func (s *Server) showRegister(w http.ResponseWriter, r *http.Request) {
	v := s.view(r, "register")
	v.Form = web.PreForm(w, r)
	v.Data = registerData{s.Authority.Rules().StaffDeviceBound}
	s.write(w, r, http.StatusOK, v)
}

type registerData struct{ Bound bool }

type homeData struct {
	Waiting  []waiting
	Sessions []authority.StaffSession
}

// waiting is one line of what there is to do.
type waiting struct {
	Word, Path string
	N          int
	More       bool // than was counted
}

// showHome says what there is to do, and who is here.
func (s *Server) showHome(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	sessions, err := s.Authority.StaffSessions(r.Context(), on)
	if err != nil {
		return err
	}
	n, err := s.Authority.DeskWaiting(r.Context(), on)
	if err != nil {
		return err
	}
	d := homeData{Sessions: sessions}
	for _, x := range []struct {
		act        staff.Act
		word, path string
		n          int
	}{
		{staff.CaseCheck, "home.submitted", "/cases?state=submitted", n.Submitted}, {staff.CaseMake, "home.received", "/cases?state=received", n.Received}, {staff.CaseMake, "home.made", "/cases?state=made", n.Made},
		{staff.CallBack, "home.callbacks", "/callbacks", n.Callbacks}, {staff.FraudSee, "home.incidents", "/fraud", n.Incidents}, {staff.OrderSee, "home.orders", "/orders", n.Orders},
	} {
		if staff.May(on.Role, x.act) {
			d.Waiting = append(d.Waiting, waiting{x.word, x.path, x.n, x.n >= authority.ToDoMost})
		}
	}
	s.show(w, r, on, "home", d)
	return nil
}

// show renders a page for a member who is signed in.
func (s *Server) show(w http.ResponseWriter, r *http.Request, on authority.StaffSession, page string, data any) {
	v := s.view(r, page)
	v.On, v.Form, v.Data = &on, on.CSRF, data
	v.Frozen = s.frozen(r)
	s.write(w, r, http.StatusOK, v)
}

// showRefused renders the page that a form came from once more, with what was refused, and with what was typed.
func (s *Server) showRefused(w http.ResponseWriter, r *http.Request, on authority.StaffSession, page string, data any, p *problem.Error) {
	v := s.view(r, page)
	v.On, v.Form, v.Data = &on, on.CSRF, data
	v.Frozen = s.frozen(r)
	said := v.refusal(p)
	v.Refusal = &said
	s.write(w, r, web.Status(p.Kind), v)
}

// frozen is what every page says while it lasts. A page is shown without it rather than not at all.
func (s *Server) frozen(r *http.Request) []authority.SwitchState {
	all, err := s.Authority.Switches(r.Context())
	if err != nil {
		s.Authority.Log.Error("the kill switches could not be read", "request", web.RequestID(r.Context()), "err", err)
	}
	return slices.DeleteFunc(all, func(k authority.SwitchState) bool { return !k.Frozen })
}

// endSession ends another session of the same member.
func (s *Server) endSession(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	err := s.Authority.EndStaffSession(r.Context(), on, r.PostFormValue("session"))
	if err != nil && problem.KindOf(err) != problem.NotFound { // over is what was wanted
		return err
	}
	http.Redirect(w, r, "/?said=ended", http.StatusSeeOther)
	return nil
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
	on, err := web.StaffSessionOf(r, s.Authority)
	switch {
	case problem.KindOf(err) == problem.SessionOver: // over is what was wanted
	case err != nil:
		return err
	case !web.StaffFormOK(r, on):
		return problem.New(problem.Forbidden)
	default:
		if err := s.Authority.StaffLogout(r.Context(), on); err != nil {
			return err
		}
	}
	web.ClearStaffSession(w)
	http.Redirect(w, r, "/login?said=out", http.StatusSeeOther)
	return nil
}

// question is what the script of a page sends. Form is the value of the page's form; Response is the browser's own JSON, as a text.
type question struct {
	Form     string `json:"form"`
	Code     string `json:"code,omitempty"`
	Response string `json:"response,omitempty"`
}

// answer is what the script gets.
type answer struct {
	Options json.RawMessage `json:"options,omitempty"`
	Name    string          `json:"name,omitempty"`
	Role    string          `json:"role,omitempty"`
	Word    string          `json:"word,omitempty"`
	To      string          `json:"to,omitempty"`
	Refused *refused        `json:"refused,omitempty"`
	status  int
}

// StatusCode is that of the refusal, if it is one.
func (a answer) StatusCode() int { return max(a.status, http.StatusOK) }

// refused is a refusal in words, for the script to show as it stands.
type refused struct {
	Kind string `json:"kind"`
	What string `json:"what"`
	Kept string `json:"kept"`
	Do   string `json:"do"`
	Tone string `json:"tone"`
}

// call is one request at a JSON door. binding is the value that only this browser has.
type call struct {
	w       http.ResponseWriter
	r       *http.Request
	binding string
	question
}

// door is a JSON door for the script of a page of ours.
func door(s *Server, f func(c call) (answer, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		web.JSON(s.doors, func(r *http.Request, q question) (answer, error) {
			binding, ours := web.PreFormOf(r, q.Form)
			var ans answer
			var err error
			if !ours {
				err = problem.New(problem.Forbidden)
			} else {
				ans, err = f(call{w, r, binding, q})
			}
			if err == nil {
				return ans, nil
			}
			p := web.AsProblem(r, s.Authority.Log, err)
			said := s.view(r, "").refusal(p)
			return answer{Refused: &refused{string(p.Kind), said.What, said.Kept, said.Do, toneOf(p.Kind)}, status: web.Status(p.Kind)}, nil
		}).ServeHTTP(w, r)
	})
}

// toneOf is how loud a refusal is said: what merely waits for somebody else, and what went wrong.
func toneOf(k problem.Kind) string {
	switch k {
	case problem.StaffUnconfirmed, problem.StaffSuspended, problem.Throttled, problem.Unavailable:
		return "care"
	}
	return "bad"
}

func (s *Server) loginOptions(c call) (answer, error) {
	options, err := s.Authority.StaffLogin(c.r.Context(), c.binding)
	return answer{Options: options}, err
}

func (s *Server) login(c call) (answer, error) {
	_, value, err := s.Authority.LoginStaff(c.r.Context(), web.Stranger(c.r), c.binding, web.StaffCookie(c.r), []byte(c.Response))
	if err != nil {
		return answer{}, err
	}
	web.SetStaffCookie(c.w, value)
	return answer{To: "/"}, nil
}

func (s *Server) registerOptions(c call) (answer, error) {
	m, options, err := s.Authority.StaffPasskeyOptions(c.r.Context(), web.Stranger(c.r), c.Code, c.binding)
	return answer{Options: options, Name: m.Name, Role: s.view(c.r, "").T("role." + string(m.Role))}, err
}

func (s *Server) register(c call) (answer, error) {
	_, word, err := s.Authority.RegisterStaff(c.r.Context(), web.Stranger(c.r), c.Code, c.binding, []byte(c.Response))
	return answer{Word: word}, err
}
