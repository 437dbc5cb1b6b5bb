package customer

import (
	"net/http"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/customer"
	"github.com/inkan-auth/inkan/internal/server/web"
)

type securityData struct {
	tokenData
	Transactions transactionsState
	Customer     customer.Customer
	Sessions     []authority.Session
	Passkeys     int
	Cooling      []authority.Cooling // what was changed lately
	Unread       int
}

// CoolingUntil is when the last of the changes has cooled off.
func (d securityData) CoolingUntil() time.Time { return authority.CoolingUntil(d.Cooling) }

// showSecurity is the state of everything on one page.
func (s *Server) showSecurity(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	t, err := s.Authority.TokenOf(r.Context(), on)
	if err != nil {
		return err
	}
	c, err := s.Authority.CustomerOf(r.Context(), on)
	if err != nil {
		return err
	}
	sessions, err := s.Authority.Sessions(r.Context(), on)
	if err != nil {
		return err
	}
	transactions, err := s.transactionsState(r, on)
	if err != nil {
		return err
	}
	passkeys, err := s.Authority.Passkeys(r.Context(), on)
	if err != nil {
		return err
	}
	cooling, err := s.Authority.CoolingOff(r.Context(), on)
	if err != nil {
		return err
	}
	unread, err := s.Authority.Unread(r.Context(), on)
	if err != nil {
		return err
	}
	v := s.page(w, r, on, "security")
	v.Data = securityData{s.tokenData(v, t, on), transactions, c, sessions, len(passkeys), cooling, unread}
	s.write(w, r, http.StatusOK, v)
	return nil
}

// endSession ends another session, or this one, which is a log-out.
func (s *Server) endSession(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	id := r.PostFormValue("session")
	if id == on.ID {
		return s.endLogin(w, r)
	}
	if err := s.Authority.EndSession(r.Context(), on, id); err != nil {
		return err
	}
	return s.done(w, r, "ended", "/security")
}

type passwordData struct {
	Which   string
	Code    bool // a token is in use, so a one-time password is asked for
	NewName string
}

func whichOf(s string) string {
	if s == string(authority.ConfirmPassword) {
		return s
	}
	return string(authority.LoginPassword)
}

func (s *Server) showPassword(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	t, err := s.Authority.TokenOf(r.Context(), on)
	if err != nil {
		return err
	}
	v := s.page(w, r, on, "password")
	which := whichOf(r.URL.Query().Get("which"))
	if which == "confirm" && v.At == "confirm" {
		v.At = "old" // on this page the old password is the confirmation password
	}
	v.Data = passwordData{Which: which, Code: t.Token != nil, NewName: "new_" + which}
	s.write(w, r, http.StatusOK, v)
	return nil
}

func (s *Server) password(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	which := whichOf(r.PostFormValue("which"))
	if err := again(r, "new_"+which, which); err != nil {
		return err
	}
	var code string
	if r.PostForm.Has("code") { // where a token is in use
		var err error
		if code, err = typedCode(r, "code"); err != nil {
			return err
		}
	}
	cookie, err := s.Authority.ChangePassword(r.Context(), on, authority.Which(which), []byte(r.PostFormValue("old")), []byte(r.PostFormValue("new_"+which)), code)
	if err != nil {
		return err
	}
	web.SetCookies(w, cookie)
	return s.done(w, r, "password."+which, "/security")
}

type historyData struct {
	Days   []historyDay
	Older  string
	Newest string
}

type historyDay struct {
	Day     string
	Entries []audit.Entry
}

func (s *Server) showHistory(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	before := r.URL.Query().Get("before")
	entries, older, err := s.Authority.History(r.Context(), on, before)
	if err != nil {
		return err
	}
	v := s.page(w, r, on, "history")
	d := byDay(v, entries)
	if older != "" {
		d.Older = v.To("/history?before=" + older)
	}
	if before != "" {
		d.Newest = v.To("/history")
	}
	v.Data = d
	s.write(w, r, http.StatusOK, v)
	return nil
}

// byDay puts the entries of one day of Japan's calendar together.
func byDay(v *view, entries []audit.Entry) (d historyData) {
	for _, e := range entries {
		day := v.Day(e.At)
		if n := len(d.Days); n == 0 || d.Days[n-1].Day != day {
			d.Days = append(d.Days, historyDay{Day: day})
		}
		last := &d.Days[len(d.Days)-1]
		last.Entries = append(last.Entries, e)
	}
	return d
}
