// Package customer is the customer's own pages on the login host: log-in, the way to a token, the security centre.
//
// A handler parses, calls one method of the authority and answers: a page to a GET, a redirect to a POST, also where the answer is no. The refusal travels
// in a sealed cookie to the page that shows it, so that reload, back button and double click do nothing twice.
package customer

import (
	"embed"
	"errors"
	"net/http"
	"strings"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/server/web"
	files "github.com/inkan-auth/inkan/web"
)

//go:embed page
var pageFiles embed.FS

// Server is the customer's pages with all that they can touch.
type Server struct {
	Authority *authority.Authority
	Bank      authority.Bank
	Text      *web.Texts
	BankURL   string   // where the bank's own pages begin; empty hides the way back
	Origins   []string // of the bank's clients: a form of ours may lead there
	Gallery   bool     // shows every page with made-up data at /gallery; for the demo only

	pages  *web.Pages
	static *web.Assets
}

// New makes the server of the customer's pages.
func New(a *authority.Authority, t *web.Texts, bankURL string) (*Server, error) {
	pages, err := web.ParsePages(pageFiles, "page")
	if err != nil {
		return nil, err
	}
	static, err := web.NewAssets("/static/", files.Files, "kit/tokens.css", "kit/kit.css", "kit/mark.svg", "customer/pages.js", "customer/passkey.js", "customer/sheet.css")
	return &Server{Authority: a, Bank: a.Bank, Text: t, BankURL: bankURL, pages: pages, static: static}, err
}

// CSP is the content security policy of these pages: nothing inline, nothing from elsewhere, and forms lead to ourselves or to the bank only.
func (s *Server) CSP() string {
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action " +
		strings.Join(append([]string{"'self'"}, s.Origins...), " ") + "; frame-ancestors 'none'; base-uri 'none'; object-src 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
}

// Mount lists the routes.
func (s *Server) Mount(m *http.ServeMux) {
	const (
		otp, first = authority.StepOTP, authority.StepPasswords
		apply, all = authority.StepApply, authority.StepDone
	)
	m.HandleFunc("GET /{$}", s.front)
	m.Handle("GET /static/", s.static)
	m.HandleFunc("POST /language", s.language)

	m.HandleFunc("GET /login", s.showLogin)
	m.HandleFunc("POST /login", s.login)
	m.HandleFunc("POST /login/passkey", s.loginPasskey)
	m.HandleFunc("POST /login/passkey/options", s.loginOptions)
	m.Handle("GET /login/code", s.inside(s.showCode, otp))
	m.Handle("POST /login/code", s.inside(s.code, otp))
	m.Handle("GET /login/resync", s.inside(s.showResync, otp))
	m.Handle("POST /login/resync", s.inside(s.resync, otp))
	m.Handle("GET /renew", s.inside(s.showRenew, authority.StepRenew, apply, all))
	m.Handle("POST /renew", s.inside(s.renew, authority.StepRenew, apply, all))
	m.Handle("GET /login/passwords", s.inside(s.showPasswords, first))
	m.Handle("POST /login/passwords", s.inside(s.passwords, first))
	m.HandleFunc("GET /logout", s.showLogout)
	m.HandleFunc("POST /logout", s.logout)

	m.Handle("GET /token/apply", s.inside(s.showApply, apply, all))
	m.Handle("POST /token/apply", s.inside(s.apply, apply, all))
	m.Handle("POST /token/test", s.inside(s.testAddress, apply, all))
	m.Handle("GET /token/address", s.inside(s.showAddress, apply, all))
	m.Handle("POST /token/address", s.inside(s.address, apply, all))
	m.Handle("GET /token/key", s.inside(s.showKey, apply, all))
	m.Handle("POST /token/key", s.inside(s.newKey, apply, all))
	m.Handle("POST /token/mail", s.inside(s.resend, apply, all))
	m.Handle("GET /token/state", s.inside(s.state, apply, all))
	m.Handle("GET /token/cancel", s.inside(s.showCancel, apply, all))
	m.Handle("POST /token/cancel", s.inside(s.cancel, apply, all))
	m.Handle("GET /token/start", s.inside(s.showStart, apply, all))
	m.Handle("POST /token/start", s.inside(s.start, apply, all))
	m.Handle("GET /token/done", s.inside(s.showDone, all))
	m.Handle("GET /token/stop", s.inside(s.showStop, all))
	m.Handle("POST /token/stop", s.inside(s.stop, all))

	m.Handle("GET /security", s.inside(s.showSecurity, all))
	m.Handle("POST /security/session", s.inside(s.endSession, all))
	m.Handle("GET /security/transaction-authentication", s.inside(s.showTransactions, all))
	m.Handle("POST /security/transaction-authentication", s.inside(s.addTransactions, all))
	m.Handle("GET /security/passkeys", s.inside(s.showPasskeys, all))
	m.Handle("GET /security/passkeys/add", s.inside(s.showAddPasskey, all))
	m.Handle("POST /security/passkeys/add", s.inside(s.addPasskey, all))
	m.Handle("POST /security/passkeys/name", s.inside(s.renamePasskey, all))
	m.Handle("GET /security/passkeys/remove", s.inside(s.showRemovePasskey, all))
	m.Handle("POST /security/passkeys/remove", s.inside(s.removePasskey, all))
	m.Handle("POST /security/passkeys/options", s.inside(s.passkeyOptions, all))
	m.Handle("GET /security/errand/{errand}", s.inside(s.showErrand, all))
	m.Handle("GET /security/errand/{errand}/state", s.inside(s.errandState, all))
	m.Handle("POST /security/errand/{errand}/code", s.inside(s.proveErrand, all))
	m.Handle("POST /security/errand/{errand}/do", s.inside(s.doErrand, all))
	m.Handle("POST /security/errand/{errand}/cancel", s.inside(s.cancelErrand, all))
	m.HandleFunc("GET /applications", s.showApplications)
	m.HandleFunc("GET /reissue", s.showReissue)
	m.HandleFunc("POST /reissue", s.beginReissue)
	m.HandleFunc("GET /reissue/state", s.reissueState)
	m.HandleFunc("POST /reissue/card", s.back(s.showCardAgain))
	m.HandleFunc("POST /reissue/confirm", s.back(s.confirmReissue))
	m.HandleFunc("POST /reissue/phone", s.back(s.callReissue))
	m.HandleFunc("POST /reissue/phone/code", s.back(s.typePhoneCode))
	m.HandleFunc("POST /reissue/order", s.back(s.orderReissue))
	m.HandleFunc("POST /reissue/key", s.back(s.newReissueKey))
	m.HandleFunc("POST /reissue/mail", s.back(s.resendReissueNumber))
	m.HandleFunc("POST /reissue/start", s.back(s.startReissue))
	m.HandleFunc("POST /reissue/cancel", s.back(s.cancelReissue))
	m.HandleFunc("GET /release-request", s.showRelease)
	m.HandleFunc("POST /release-request", s.makeRelease)
	m.HandleFunc("POST /release-request/find", s.findRelease)
	m.HandleFunc("GET /release-request/sheet", s.showSheet)
	m.HandleFunc("GET /release-request/state", s.showReleaseState)
	m.HandleFunc("POST /release-request/withdraw", s.withdrawRelease)
	m.HandleFunc("GET /not-me", s.showObjection)
	m.HandleFunc("POST /not-me", s.objection)
	m.HandleFunc("GET /emergency-stop", s.showEmergency)
	m.HandleFunc("POST /emergency-stop", s.emergency)
	m.Handle("GET /security/stop", s.inside(s.showHalt, otp, first, apply, all))
	m.Handle("POST /security/stop", s.inside(s.halt, otp, first, apply, all))
	m.Handle("GET /security/notices", s.inside(s.showNotices, all))
	m.Handle("POST /security/notices/mails", s.inside(s.chooseMail, all))
	m.Handle("GET /security/address", s.inside(s.showMail, all))
	m.Handle("POST /security/address", s.inside(s.changeMail, all))
	m.Handle("GET /password", s.inside(s.showPassword, all))
	m.Handle("POST /password", s.inside(s.password, all))
	m.Handle("GET /history", s.inside(s.showHistory, all))

	m.HandleFunc("GET /gallery", s.gallery)
	m.HandleFunc("GET /gallery/{page}", s.gallery)
	m.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) { s.Fail(w, r, problem.New(problem.NotFound)) })
}

// insider is a handler for a browser with a session.
type insider func(w http.ResponseWriter, r *http.Request, on authority.Session) error

// inside lets a request pass whose session stands at one of the steps, and whose form, if it is one, was made for this session. Any other session is sent
// to what it owes first.
func (s *Server) inside(h insider, steps ...authority.Step) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.enter(w, r, h, steps); err != nil {
			s.Fail(w, r, err)
		}
	})
}

func (s *Server) enter(w http.ResponseWriter, r *http.Request, h insider, steps []authority.Step) error {
	if err := parse(r); err != nil {
		return err
	}
	on, err := web.SessionOf(r, s.Authority)
	if err != nil {
		return err
	}
	step, err := s.Authority.NextStep(r.Context(), on)
	if err != nil {
		return err
	}
	allowed := false
	for _, x := range steps {
		allowed = allowed || x == step
	}
	if !allowed {
		if forScript(r) {
			return problem.New(problem.StepUp)
		}
		s.goOn(w, r, step)
		return nil
	}
	if r.Method == http.MethodPost && !web.FormOK(r, on) {
		return problem.New(problem.Forbidden)
	}
	if err := h(w, r, on); err != nil {
		return s.tell(w, r, err)
	}
	return nil
}

// forScript says whether a page's script asks, which reads a problem document and no page.
func forScript(r *http.Request) bool {
	p := r.URL.Path
	return p == "/token/state" || p == "/reissue/state" || strings.HasPrefix(p, "/security/errand/") && strings.HasSuffix(p, "/state") || strings.HasSuffix(p, "/options")
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

// goOn sends a session to what it owes, and one that owes nothing to where it was going.
func (s *Server) goOn(w http.ResponseWriter, r *http.Request, step authority.Step) {
	switch step {
	case authority.StepOTP:
		s.to(w, r, "/login/code")
	case authority.StepRenew:
		s.to(w, r, renewPage)
	case authority.StepPasswords:
		s.to(w, r, "/login/passwords")
	case authority.StepApply:
		s.to(w, r, "/token/apply")
	default:
		to := next(r)
		if to == "" {
			to = "/security"
		}
		http.Redirect(w, r, to, http.StatusSeeOther)
	}
}

// to sends the browser to a page of ours and keeps where it was going.
func (s *Server) to(w http.ResponseWriter, r *http.Request, page string) {
	http.Redirect(w, r, withNext(page, next(r)), http.StatusSeeOther)
}

// tell answers a form that was refused: the page it came from says why. A refusal of a page itself is passed on.
func (s *Server) tell(w http.ResponseWriter, r *http.Request, err error) error {
	p, ok := problem.Of(err)
	if !ok || r.Method != http.MethodPost || p.Kind == problem.SessionOver || forScript(r) {
		return err
	}
	page := r.URL.Path
	switch r.URL.Path {
	case "/token/mail":
		page = "/token/key"
	case "/token/test":
		page = "/token/apply"
	case "/security/session":
		page = "/security"
	case "/login/passkey":
		page = "/login"
	case noticesPage + "/mails":
		page = noticesPage
	case passkeysPage + "/name", passkeysPage + "/remove":
		page = passkeysPage
	}
	for _, one := range []string{reissuePage, releasePage} { // all of each is one page
		if strings.HasPrefix(page, one) {
			page = one
		}
	}
	if rest, ok := strings.CutPrefix(page, "/security/errand/"); ok { // the forms of an errand are on its one page
		id, _, _ := strings.Cut(rest, "/")
		page = errandPage(id)
	}
	switch {
	case page == reissuePage:
	case p.Kind == problem.EnrolmentOpen:
		page = "/token/key"
	case p.Kind == problem.EnrolmentNone, p.Kind == problem.StartBurnt:
		page = "/token/apply"
	case p.Kind == problem.TokenInUse, p.Kind == problem.TokenNone:
		page = "/security"
	}
	if which := r.PostFormValue("which"); page == "/password" && which != "" {
		page += "?which=" + whichOf(which)
	}
	if err := s.keep(w, flash{Kind: p.Kind, Values: p.Plain(), Typed: typed(r)}); err != nil {
		return err
	}
	s.to(w, r, page)
	return nil
}

// Fail answers with a page that says what happened, what became of it and what to do. A session that is over leads to the log-in and from there back.
func (s *Server) Fail(w http.ResponseWriter, r *http.Request, err error) {
	p := web.AsProblem(r, s.Authority.Log, err)
	if forScript(r) {
		web.WriteProblem(w, r, s.Authority.Log, s.Text.Title, err)
		return
	}
	if p.Kind == problem.SessionOver {
		// The cookie stays: another tab may have a new session in it by now.
		to := next(r)
		if to == "" && r.URL.Path != "/security" {
			to = safe(returnTo(r))
		}
		if _, none := r.Cookie("__Host-inkan"); none == nil { // who never logged in was not logged out
			if err := s.keep(w, flash{Kind: problem.SessionOver}); err != nil {
				s.Authority.Log.Error("a message could not be kept", "err", err)
			}
		}
		http.Redirect(w, r, withNext("/login", to), http.StatusSeeOther)
		return
	}
	v := s.view(w, r, "sorry")
	v.show(p)
	v.Data = wayOn[p.Kind]
	var tooLarge *http.MaxBytesError
	status := web.Status(p.Kind)
	if errors.As(err, &tooLarge) {
		status = http.StatusRequestEntityTooLarge
	}
	s.write(w, r, status, v)
}

// wayOn is the button of an error page: which page helps on, and the words on the button.
var wayOn = map[problem.Kind]way{
	problem.ServiceStopped: {"/reissue?wish=service", "go.reissue"},
	problem.BadClient:      {"/", "go.security"},
	problem.SessionOver:    {"/login", "go.login"},
}

type way struct{ To, Word string }

// write renders a view. A page of ours that cannot be rendered is a mistake of ours; the customer gets a plain line.
func (s *Server) write(w http.ResponseWriter, r *http.Request, status int, v *view) {
	if v.Refusal != nil && status == http.StatusOK {
		status = web.Status(v.kind)
	}
	if v.retry > 0 {
		w.Header().Set("Retry-After", itoa(v.retry))
	}
	if err := s.pages.Render(w, status, v.Page, v); err != nil {
		s.Authority.Log.Error("a page could not be shown", "request", web.RequestID(r.Context()), "page", v.Page, "err", err)
		http.Error(w, s.Text.Sentence(v.Lang, "unavailable.what"), http.StatusInternalServerError)
	}
}

// Sorry shows an error page for another room of the same host: "client-refused", "login-over" or any kind of refusal.
func (s *Server) Sorry(w http.ResponseWriter, r *http.Request, status int, kind string) {
	p := problem.New(problem.Kind(kind))
	w.Header().Set("Content-Security-Policy", s.CSP()) // the other room's own is for answers without a page
	v := s.view(w, r, "sorry")
	v.show(p)
	v.Data = way{s.BankURL, "go.bank"}
	if s.BankURL == "" {
		v.Data = way{"/login", "go.login"}
	}
	s.write(w, r, status, v)
}

// Leave shows a page that goes on to another site by itself. A redirect would do where no form came before; after one, browsers hold the address
// against form-action of the page with the form.
func (s *Server) Leave(w http.ResponseWriter, r *http.Request, to string) {
	w.Header().Set("Content-Security-Policy", s.CSP())
	v := s.view(w, r, "leave")
	v.Data = leave{to}
	s.write(w, r, http.StatusOK, v)
}

type leave struct{ To string }

// front leads on: whoever comes here by hand wants to see how things stand.
func (s *Server) front(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, "/security", http.StatusSeeOther)
}

// language remembers the customer's choice and goes back to the page where she made it.
func (s *Server) language(w http.ResponseWriter, r *http.Request) {
	if err := parse(r); err != nil {
		s.Fail(w, r, err)
		return
	}
	web.SetLang(w, r.PostFormValue("to"))
	back := local(r.PostFormValue("back"))
	if back == "" {
		back = "/"
	}
	http.Redirect(w, r, back, http.StatusSeeOther)
}
