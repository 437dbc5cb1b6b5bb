package customer

import (
	"crypto/rand"
	"net/http"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/release"
	"github.com/inkan-auth/inkan/internal/server/web"
)

// releasePage is where the security release request is filled in, printed and looked up again.
const releasePage = "/release-request"

// releaseCookie holds the number of the request that this browser has made, so that a reload shows it again.
const releaseCookie = "__Host-release"

type releaseData struct {
	Known        bool // the server knows whose request it is
	Account      string
	Items        []release.Item
	Reasons      []release.Reason
	Chosen       map[string]bool
	AccountTypes []accountType
	Once         string

	Made  *authority.Release // on the sheet and on the page of its state
	Ended bool
	QR    web.Square
}

// ItemNumber is the number of a choice on paper, in a circle.
func (d releaseData) ItemNumber(i release.Item) string {
	for n, x := range release.Items {
		if x == i {
			return string(rune('①' + n))
		}
	}
	return ""
}

// Has says whether the request has this choice.
func (d releaseData) Has(i release.Item) bool {
	if d.Made == nil {
		return d.Chosen[string(i)]
	}
	for _, x := range d.Made.Items {
		if x == i {
			return true
		}
	}
	return false
}

// whoAsks is the customer, as far as this browser is known: by her log-in, or by her re-issue.
func (s *Server) whoAsks(r *http.Request) *authority.Session {
	if on, err := web.SessionOf(r, s.Authority); err == nil && on.Full {
		return &on
	}
	return nil
}

func (s *Server) showRelease(w http.ResponseWriter, r *http.Request) {
	if err := s.releaseForm(w, r); err != nil {
		s.Fail(w, r, err)
	}
}

func (s *Server) releaseForm(w http.ResponseWriter, r *http.Request) error {
	v := s.view(w, r, "release")
	v.Form = web.PreForm(w, r)
	v.take(s.took(w, r))
	d := releaseData{Items: release.Items, Reasons: release.Reasons, Chosen: map[string]bool{}, Once: rand.Text()}
	if on := s.whoAsks(r); on != nil {
		c, err := s.Authority.CustomerOf(r.Context(), *on)
		if err != nil && problem.KindOf(err) != problem.ServiceStopped {
			return err
		}
		d.Known, d.Account = true, c.MaskedAccount()
	} else if got, err := s.Authority.ReissueOf(r.Context(), reissueOf(r)); err == nil {
		d.Known, d.Account = true, got.Account
		if k := problem.KindOf(got.Obstacle); k == problem.DownloadsUsedUp {
			d.Chosen[string(release.Downloads)] = true
		}
	}
	d.AccountTypes = accountTypes(v)
	v.Data = d
	s.write(w, r, http.StatusOK, v)
	return nil
}

// makeRelease makes the request and leads to its sheet.
func (s *Server) makeRelease(w http.ResponseWriter, r *http.Request) {
	err := parse(r)
	if err == nil && !web.PreFormOK(r) {
		err = problem.New(problem.Forbidden)
	}
	if err != nil {
		s.Fail(w, r, err)
		return
	}
	made, err := s.Authority.MakeRelease(r.Context(), web.Visit(r), s.whoAsks(r), reissueOf(r), authority.ReleaseForm{Once: r.PostFormValue("once"), Items: r.PostForm["item"], Reason: r.PostFormValue("reason"),
		Branch: r.PostFormValue("branch"), AccountType: r.PostFormValue("account_type"), AccountNumber: r.PostFormValue("account_number"), Name: r.PostFormValue("holder"), Kana: r.PostFormValue("kana")})
	if err != nil {
		if err := s.tell(w, r, err); err != nil {
			s.Fail(w, r, err)
		}
		return
	}
	setRelease(w, made.Number)
	http.Redirect(w, r, releasePage+"/sheet", http.StatusSeeOther)
}

func setRelease(w http.ResponseWriter, number string) {
	http.SetCookie(w, &http.Cookie{Name: releaseCookie, Value: number, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode})
}

// findRelease takes the number that stands on a paper, and leads to how it stands.
func (s *Server) findRelease(w http.ResponseWriter, r *http.Request) {
	err := parse(r)
	if err == nil && !web.PreFormOK(r) {
		err = problem.New(problem.Forbidden)
	}
	var made authority.Release
	if err == nil {
		if made, err = s.Authority.ReleaseByNumber(r.Context(), web.Stranger(r), r.PostFormValue("number")); err != nil {
			err = s.tell(w, r, err)
			if err == nil {
				return
			}
		}
	}
	if err != nil {
		s.Fail(w, r, err)
		return
	}
	setRelease(w, made.Number)
	http.Redirect(w, r, releasePage+"/state", http.StatusSeeOther)
}

// withdrawRelease takes the browser's request back.
func (s *Server) withdrawRelease(w http.ResponseWriter, r *http.Request) {
	err := parse(r)
	if err == nil && !web.PreFormOK(r) {
		err = problem.New(problem.Forbidden)
	}
	if err == nil {
		err = s.Authority.WithdrawRelease(r.Context(), web.Stranger(r), releaseOf(r))
	}
	if err != nil {
		s.Fail(w, r, err)
		return
	}
	http.Redirect(w, r, releasePage+"/state", http.StatusSeeOther)
}

func releaseOf(r *http.Request) string {
	if c, err := r.Cookie(releaseCookie); err == nil {
		return c.Value
	}
	return ""
}

// showSheet is the paper, on one page of A4; showReleaseState how the request stands. Both are for the browser that has made it or has typed its number.
func (s *Server) showSheet(w http.ResponseWriter, r *http.Request) { s.releaseMade(w, r, "sheet") }

func (s *Server) showReleaseState(w http.ResponseWriter, r *http.Request) {
	s.releaseMade(w, r, "releasestate")
}

func (s *Server) releaseMade(w http.ResponseWriter, r *http.Request, page string) {
	number := releaseOf(r)
	if number == "" {
		http.Redirect(w, r, releasePage, http.StatusSeeOther)
		return
	}
	made, err := s.Authority.ReleaseByNumber(r.Context(), web.Stranger(r), number)
	if err == nil {
		v := s.view(w, r, page)
		v.Form = web.PreForm(w, r)
		v.take(s.took(w, r))
		d := releaseData{Items: release.Items, Reasons: release.Reasons, Made: &made}
		_, open := release.Life.Next(made.State, release.Withdraw)
		d.Ended = !open
		if d.QR, err = web.DrawQR(made.Number); err == nil {
			v.Data = d
			s.write(w, r, http.StatusOK, v)
			return
		}
	}
	s.Fail(w, r, err)
}
