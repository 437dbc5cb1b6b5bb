package customer

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/customer"
	"github.com/inkan-auth/inkan/internal/domain/enrolment"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/server/web"
)

// Where a customer stands on the way to a token.
const (
	atNone       = "none"
	atOrdered    = "ordered"
	atRegistered = "registered"
	atInUse      = "in-use"
)

func standing(t authority.TokenView) string {
	switch {
	case t.Token != nil:
		return atInUse
	case t.Enrolment != nil && t.Enrolment.State == enrolment.Registered:
		return atRegistered
	case t.Enrolment != nil:
		return atOrdered
	}
	return atNone
}

// tokenData is what the pages on the way to a token show.
type tokenData struct {
	authority.TokenView
	Standing   string
	Masked     string // mail address
	Bounced    bool
	Mandatory  bool // on a smartphone without a token nothing else is open (M-03)
	Smartphone bool
	Limit      int
	UsedUp     bool
	Key        authority.KeyView
	Groups     []string
	QR         web.Square
	Digits     int
	Tries      int
	Wait       string // after a stop, until the next application
}

// tokenPage begins a page on the way to a token; a page for another place on that way is not shown, and ok is false.
func (s *Server) tokenPage(w http.ResponseWriter, r *http.Request, on authority.Session, page string, at ...string) (*view, tokenData, bool, error) {
	t, err := s.Authority.TokenOf(r.Context(), on)
	if err != nil {
		return nil, tokenData{}, false, err
	}
	stands := standing(t)
	for _, x := range at {
		if x == stands {
			v := s.page(w, r, on, page)
			return v, s.tokenData(v, t, on), true, nil
		}
	}
	if err := s.explain(w, r, page, stands); err != nil {
		return nil, tokenData{}, false, err
	}
	switch stands {
	case atNone:
		s.to(w, r, "/token/apply")
	case atOrdered:
		s.to(w, r, "/token/key")
	case atRegistered:
		s.to(w, r, "/token/start")
	default:
		s.to(w, r, "/security")
	}
	return nil, tokenData{}, false, nil
}

// explain says why another page is shown than the one that was asked for, unless there is something else to say already.
func (s *Server) explain(w http.ResponseWriter, r *http.Request, page, stands string) error {
	if _, err := r.Cookie(flashCookie); err == nil {
		return nil
	}
	switch {
	case page == "start" && stands == atOrdered:
		return s.say(w, "notyet")
	case stands == atNone:
		return s.keep(w, flash{Kind: problem.EnrolmentNone})
	}
	return nil
}

func (s *Server) tokenData(v *view, t authority.TokenView, on authority.Session) tokenData {
	p := s.Authority.Rules()
	d := tokenData{TokenView: t, Standing: standing(t), Bounced: t.Address.State == customer.Bounced, Mandatory: !v.Nav, Smartphone: on.Channel == authority.Smartphone,
		Limit: p.Downloads, UsedUp: t.DownloadsNow >= p.Downloads, Digits: p.OTPDigits, Tries: p.StartTries}
	if t.Address.Mail != "" {
		d.Masked = customer.MaskAddress(t.Address.Mail)
	}
	if t.Enrolment != nil {
		d.Tries -= t.Enrolment.StartTries
	}
	d.Wait = s.Text.Span(v.Lang, p.WaitAfterCancel)
	return d
}

func (s *Server) showApply(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	v, d, ok, err := s.tokenPage(w, r, on, "apply", atNone)
	if !ok {
		return err
	}
	v.Data = d
	s.write(w, r, http.StatusOK, v)
	return nil
}

func (s *Server) apply(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	if err := s.Authority.Apply(r.Context(), on, []byte(r.PostFormValue("confirm"))); err != nil {
		return err
	}
	s.to(w, r, "/token/key")
	return nil
}

func (s *Server) testAddress(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	if err := s.Authority.TestAddress(r.Context(), on); err != nil {
		return err
	}
	return s.done(w, r, "tested", "/token/apply")
}

// done says that something was done and goes to a page.
func (s *Server) done(w http.ResponseWriter, r *http.Request, word, page string) error {
	if err := s.say(w, word); err != nil {
		return err
	}
	s.to(w, r, page)
	return nil
}

func (s *Server) showAddress(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	v, d, ok, err := s.tokenPage(w, r, on, "address", atNone, atOrdered)
	if !ok {
		return err
	}
	d.Wait = s.Text.Span(v.Lang, s.Authority.Rules().AddressDelay)
	v.Data = d
	s.write(w, r, http.StatusOK, v)
	return nil
}

func (s *Server) address(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	atOnce, err := s.Authority.CorrectAddress(r.Context(), on, []byte(r.PostFormValue("confirm")), strings.TrimSpace(r.PostFormValue("mail")))
	if err != nil {
		return err
	}
	word := "address.later"
	if atOnce {
		word = "address.now"
	}
	return s.done(w, r, word, "/token/key")
}

// showKey shows the registration key while a phone is awaited. A reload shows the same key until it expires.
func (s *Server) showKey(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	return s.keyPage(w, r, on, false)
}

// newKey makes a new key, which kills the one before, and shows it by a redirect.
func (s *Server) newKey(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	if _, err := s.Authority.RegistrationKey(r.Context(), on, true); err != nil {
		return err
	}
	return s.done(w, r, "key", "/token/key")
}

func (s *Server) keyPage(w http.ResponseWriter, r *http.Request, on authority.Session, renew bool) error {
	// A message for a page that is not shown now goes on to the page that is.
	v, d, ok, err := s.tokenPage(w, r, on, "key", atOrdered)
	if !ok {
		return err
	}
	if d.Enrolment.Purpose == enrolment.Release { // its key is on paper, or was shown in the branch
		v.Page, v.Data = "keyletter", d
		s.write(w, r, http.StatusOK, v)
		return nil
	}
	if d.Key, err = s.Authority.RegistrationKey(r.Context(), on, renew); err != nil {
		return err
	}
	if d.QR, err = web.DrawQR(d.Key.Link); err != nil {
		return err
	}
	d.Groups = strings.Fields(enrolment.Group(d.Key.Typed))
	v.Data = d
	s.write(w, r, http.StatusOK, v)
	return nil
}

func (s *Server) resend(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	if err := s.Authority.ResendNumber(r.Context(), on); err != nil {
		return err
	}
	return s.done(w, r, "resent", "/token/key")
}

// state says to the waiting page, and to nobody else, where the enrolment and its mail stand.
func (s *Server) state(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	t, err := s.Authority.TokenOf(r.Context(), on)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(map[string]string{"state": standing(t), "mail": mailWord(t)})
}

// mailWord is the state of the latest mail: waiting, sent, dropped, dead or bounced.
func mailWord(t authority.TokenView) string {
	if t.Mail.Reason == "bounced" || t.Address.State == customer.Bounced {
		return "bounced"
	}
	return t.Mail.State
}

// MailWord is the state of the latest mail, for the page.
func (d tokenData) MailWord() string { return mailWord(d.TokenView) }

func (s *Server) showCancel(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	v, d, ok, err := s.tokenPage(w, r, on, "cancel", atOrdered, atRegistered)
	if !ok {
		return err
	}
	if d.Enrolment.Purpose == enrolment.Release { // the branch has ordered it
		s.to(w, r, "/token/key")
		return nil
	}
	v.Data = d
	s.write(w, r, http.StatusOK, v)
	return nil
}

func (s *Server) cancel(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	if err := s.Authority.CancelEnrolment(r.Context(), on); err != nil {
		return err
	}
	page := "/security"
	if step, err := s.Authority.NextStep(r.Context(), on); err != nil || step == authority.StepApply {
		page = "/token/apply"
	}
	return s.done(w, r, "cancelled", page)
}

func (s *Server) showStart(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	v, d, ok, err := s.tokenPage(w, r, on, "start", atRegistered)
	if !ok {
		return err
	}
	v.Data = d
	s.write(w, r, http.StatusOK, v)
	return nil
}

func (s *Server) start(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	code, err := typedCode(r, "code")
	if err != nil {
		return err
	}
	cookie, err := s.Authority.StartToken(r.Context(), on, code)
	if err != nil {
		return err
	}
	web.SetCookies(w, cookie)
	s.to(w, r, "/token/done")
	return nil
}

// showDone is the one page with the seal: the start of use is confirmed.
func (s *Server) showDone(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	v, d, ok, err := s.tokenPage(w, r, on, "done", atInUse)
	if !ok {
		return err
	}
	v.Data = d
	s.write(w, r, http.StatusOK, v)
	return nil
}

func (s *Server) showStop(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	t, err := s.Authority.TokenOf(r.Context(), on)
	if err != nil {
		return err
	}
	if t.Token == nil {
		s.to(w, r, "/security")
		return nil
	}
	v := s.page(w, r, on, "stop")
	v.Data = s.tokenData(v, t, on)
	s.write(w, r, http.StatusOK, v)
	return nil
}

func (s *Server) stop(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	e, err := s.Authority.AskToStop(r.Context(), on, []byte(r.PostFormValue("confirm")))
	if err != nil {
		return err
	}
	s.to(w, r, errandPage(e.ID))
	return nil
}
