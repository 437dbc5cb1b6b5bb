package customer

import (
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/enrolment"
	"github.com/inkan-auth/inkan/internal/domain/phone"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/reissue"
	"github.com/inkan-auth/inkan/internal/server/web"
)

// reissuePage is the one page of the road back; it shows the step at which the browser's re-issue stands.
const reissuePage = "/reissue"

// reissueCookie is what a browser holds while it is on the road back. It opens that page and nothing else.
const reissueCookie = "__Host-reissue"

// The steps of the page.
const (
	reissueCard     = "card"     // cash card of the representative account
	reissueObstacle = "obstacle" // why the rest would be useless
	reissueConfirm  = "confirm"
	reissueChoose   = "choose" // how the telephone is to be proved
	reissueCheck    = "check"  // that is going on
	reissueWait     = "wait"   // for a call of staff, for days if need be
	reissueAgain    = "again"  // the cash card once more, after staff have called
	reissueProved   = "proved"
	reissueKey      = "key"
	reissueStart    = "start"
	reissueDone     = "done"
	reissueOver     = "over"
)

type reissueData struct {
	authority.ReissueView
	Step         string
	Cards        bool // the bank's core can be asked
	AccountTypes []accountType
	Why          *web.Refusal // what stands in the way
	UsedUp       bool         // it is the number of downloads: the form leads on
	Key          authority.KeyView
	QR           web.Square
	Groups       []string
	Smartphone   bool
}

type accountType struct {
	Value, Label string
	Chosen       bool
}

// stepOf says which step the page shows.
func stepOf(v authority.ReissueView) string {
	switch v.State {
	case reissue.Done:
		return reissueDone
	case reissue.Ordered:
		switch {
		case v.Order == nil:
			return reissueOver
		case v.Order.State == enrolment.Registered:
			return reissueStart
		}
		return reissueKey
	case reissue.Open:
		switch {
		case v.Obstacle != nil:
			return reissueObstacle
		case v.Check != nil && v.Check.Open() && v.Check.Way == phone.StaffCallback:
			return reissueWait
		case v.CalledBack() && v.CardDue:
			return reissueAgain
		case v.ConfirmDue:
			return reissueConfirm
		case v.Check != nil && v.Check.State == phone.Proved:
			return reissueProved
		case v.Check != nil && v.Check.Open():
			return reissueCheck
		}
		return reissueChoose
	}
	return reissueOver
}

// Steps are the way of the page, standing where it stands: prove, register, start.
func (d reissueData) At() int {
	switch d.Step {
	case reissueKey:
		return 2
	case reissueStart:
		return 3
	case reissueDone:
		return 4
	}
	return 1
}

func reissueOf(r *http.Request) string {
	if c, err := r.Cookie(reissueCookie); err == nil {
		return c.Value
	}
	return ""
}

func setReissue(w http.ResponseWriter, value string, age int) {
	http.SetCookie(w, &http.Cookie{Name: reissueCookie, Value: value, Path: "/", MaxAge: age, Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode})
}

// showApplications is the page of what can be applied for without a log-in (各種Web申込み).
func (s *Server) showApplications(w http.ResponseWriter, r *http.Request) {
	v := s.view(w, r, "applications")
	v.take(s.took(w, r))
	s.write(w, r, http.StatusOK, v)
}

func (s *Server) showReissue(w http.ResponseWriter, r *http.Request) {
	if err := s.reissuePage(w, r); err != nil {
		s.Fail(w, r, err)
	}
}

func (s *Server) reissuePage(w http.ResponseWriter, r *http.Request) error {
	v := s.view(w, r, "reissue")
	d := reissueData{Step: reissueCard, Cards: s.Authority.CardsChecked(), Smartphone: web.Visit(r).Channel == authority.Smartphone}
	cookie := reissueOf(r)
	if cookie != "" {
		view, err := s.Authority.ReissueOf(r.Context(), cookie)
		if err != nil && problem.KindOf(err) != problem.ReissueOver {
			return err
		}
		ended := err != nil || stepOf(view) == reissueDone || stepOf(view) == reissueOver
		if ended && r.URL.Query().Get("wish") != "" { // she begins anew; one that is alive is gone on with
			setReissue(w, "", -1)
			cookie = ""
		} else if err == nil {
			d.ReissueView, d.Step = view, stepOf(view)
			if view.State == reissue.Open && (d.Step == reissueWait || view.CalledBack()) { // she may close the browser and come back
				setReissue(w, cookie, v.Left(view.Expires))
			} else if view.State != reissue.Open { // what lasted for the call ends with the browser again
				setReissue(w, cookie, 0)
			}
		}
	}
	f := s.took(w, r)
	v.take(f)
	v.Form = d.CSRF
	switch d.Step {
	case reissueCard:
		v.Form = web.PreForm(w, r)
		d.Wish = wishOf(r.URL.Query().Get("wish"))
		if w := v.Typed["wish"]; w != "" {
			d.Wish = wishOf(w)
		}
		d.AccountTypes = accountTypes(v)
	case reissueAgain:
		d.AccountTypes = accountTypes(v)
	case reissueObstacle:
		if p, ok := problem.Of(d.Obstacle); ok {
			said := s.Text.Refusal(v.Lang, p)
			d.Why, d.UsedUp = &said, p.Kind == problem.DownloadsUsedUp
		}
	case reissueKey:
		var err error
		if d.Key, err = s.Authority.ReissueKey(r.Context(), web.Visit(r), cookie, false); err != nil {
			return err
		}
		if d.QR, err = web.DrawQR(d.Key.Link); err != nil {
			return err
		}
		d.Groups = strings.Fields(enrolment.Group(d.Key.Typed))
	}
	v.Data = d
	s.write(w, r, http.StatusOK, v)
	return nil
}

func wishOf(s string) reissue.Wish {
	if s == string(reissue.Service) {
		return reissue.Service
	}
	return reissue.Token
}

// accountTypes are the kinds of accounts that have a cash card, as the bank names them.
func accountTypes(v *view) []accountType {
	chosen := v.Typed["account_type"]
	out := []accountType{{Value: "普通"}, {Value: "当座"}, {Value: "貯蓄"}}
	for i, name := range []string{"ordinary", "current", "savings"} {
		out[i].Label, out[i].Chosen = v.T("account."+name), out[i].Value == chosen || chosen == "" && i == 0
	}
	return out
}

// beginReissue takes the cash card.
func (s *Server) beginReissue(w http.ResponseWriter, r *http.Request) {
	err := parse(r)
	if err == nil && !web.PreFormOK(r) {
		err = problem.New(problem.Forbidden)
	}
	if err != nil {
		s.Fail(w, r, err)
		return
	}
	cookie, err := s.Authority.BeginReissue(r.Context(), web.Visit(r), wishOf(r.PostFormValue("wish")), cardOf(r))
	if err == nil {
		setReissue(w, cookie.Session, 0)
		http.Redirect(w, r, reissuePage, http.StatusSeeOther)
		return
	}
	if err := s.tell(w, r, err); err != nil {
		s.Fail(w, r, err)
	}
}

// reissuer is a form of the page, for a browser that is on the road back.
type reissuer func(r *http.Request, v authority.Visit, cookie string) (said string, err error)

// back lets a form pass that was made for this browser's re-issue, and answers with the page.
func (s *Server) back(do reissuer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := parse(r)
		cookie := reissueOf(r)
		if err == nil && (cookie == "" || subtle.ConstantTimeCompare([]byte(r.PostFormValue("form")), []byte(authority.FormOf(cookie))) != 1) {
			err = problem.New(problem.Forbidden)
		}
		if err != nil {
			s.Fail(w, r, err)
			return
		}
		said, err := do(r, web.Visit(r), cookie)
		if err == nil && said != "" {
			err = s.say(w, said)
		}
		if err != nil {
			if err := s.tell(w, r, err); err != nil {
				s.Fail(w, r, err)
			}
			return
		}
		http.Redirect(w, r, reissuePage, http.StatusSeeOther)
	}
}

// showCardAgain takes the cash card once more, after staff have called.
func (s *Server) showCardAgain(r *http.Request, v authority.Visit, cookie string) (string, error) {
	return "", s.Authority.ShowCardAgain(r.Context(), v, cookie, cardOf(r))
}

// cardOf is a cash card as it was typed.
func cardOf(r *http.Request) authority.CardCheck {
	return authority.CardCheck{Branch: r.PostFormValue("branch"), AccountType: r.PostFormValue("account_type"), AccountNumber: r.PostFormValue("account_number"), PIN: []byte(digits(r.PostFormValue("pin")))}
}

func (s *Server) confirmReissue(r *http.Request, v authority.Visit, cookie string) (string, error) {
	return "", s.Authority.ConfirmReissue(r.Context(), v, cookie, []byte(r.PostFormValue("confirm")))
}

func (s *Server) callReissue(r *http.Request, v authority.Visit, cookie string) (string, error) {
	_, err := s.Authority.CallReissue(r.Context(), v, cookie, phone.Way(r.PostFormValue("way")), web.Lang(r))
	return "", err
}

// typePhoneCode takes the code; where it is right there is nothing left to prove, and what was wished is done.
func (s *Server) typePhoneCode(r *http.Request, v authority.Visit, cookie string) (string, error) {
	code, err := typedCode(r, "phone_code")
	if err != nil {
		return "", err
	}
	if err := s.Authority.TypePhoneCode(r.Context(), v, cookie, code); err != nil {
		return "", err
	}
	return s.orderReissue(r, v, cookie)
}

func (s *Server) orderReissue(r *http.Request, v authority.Visit, cookie string) (string, error) {
	_, err := s.Authority.OrderReissue(r.Context(), v, cookie)
	return "", err
}

func (s *Server) newReissueKey(r *http.Request, v authority.Visit, cookie string) (string, error) {
	_, err := s.Authority.ReissueKey(r.Context(), v, cookie, true)
	return "key", err
}

func (s *Server) resendReissueNumber(r *http.Request, v authority.Visit, cookie string) (string, error) {
	return "resent", s.Authority.ResendReissueNumber(r.Context(), v, cookie)
}

func (s *Server) startReissue(r *http.Request, v authority.Visit, cookie string) (string, error) {
	code, err := typedCode(r, "code")
	if err != nil {
		return "", err
	}
	return "", s.Authority.StartReissue(r.Context(), v, cookie, code)
}

func (s *Server) cancelReissue(r *http.Request, v authority.Visit, cookie string) (string, error) {
	return "", s.Authority.CancelReissue(r.Context(), v, cookie)
}

// reissueState says to the waiting page how things stand: its step, and how the call does.
func (s *Server) reissueState(w http.ResponseWriter, r *http.Request) {
	v, err := s.Authority.ReissueOf(r.Context(), reissueOf(r))
	if err != nil {
		s.Fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{"state": stepOf(v), "mail": callWord(v)}) // a page that has gone needs no answer
}

// callWord is how the check of the telephone stands, or "".
func callWord(v authority.ReissueView) string {
	if v.Check == nil {
		return ""
	}
	return string(v.Check.State)
}

// CallWord is how the check of the telephone stands, for the page.
func (d reissueData) CallWord() string { return callWord(d.ReissueView) }
