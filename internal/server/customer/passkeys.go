package customer

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/passkey"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/server/web"
)

// passkeysPage is where a customer sees her passkeys.
const passkeysPage = "/security/passkeys"

type passkeysData struct {
	Passkeys []passkey.Passkey
	Limit    int
	Token    *token.Token // that approves changes; nil where there is none
	Usable   bool         // it can now
	ByMail   bool         // without a token, both passwords and a mailed code do
	Approval bool         // a removal needs the token app's approval
	Removing *passkey.Passkey
}

func (s *Server) passkeysData(r *http.Request, on authority.Session) (d passkeysData, err error) {
	t, err := s.Authority.TokenOf(r.Context(), on)
	if err != nil {
		return d, err
	}
	if d.Passkeys, err = s.Authority.Passkeys(r.Context(), on); err != nil {
		return d, err
	}
	d.Limit, d.Token = s.Authority.Rules().Passkeys, t.Token
	d.Usable = t.Token != nil && t.Token.State == token.Active
	d.ByMail = t.Token == nil && s.Authority.Rules().PasskeyByMail
	d.Approval = t.Token != nil && !on.PhishingResistant()
	return d, nil
}

func (s *Server) showPasskeys(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	d, err := s.passkeysData(r, on)
	if err != nil {
		return err
	}
	v := s.page(w, r, on, "passkeys")
	v.Data = d
	s.write(w, r, http.StatusOK, v)
	return nil
}

// showAddPasskey explains what a passkey is before anything begins.
func (s *Server) showAddPasskey(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	d, err := s.passkeysData(r, on)
	if err != nil {
		return err
	}
	v := s.page(w, r, on, "addpasskey")
	v.Data = d
	s.write(w, r, http.StatusOK, v)
	return nil
}

// addPasskey begins: with a token, its app is asked; without one, a code is mailed.
func (s *Server) addPasskey(w http.ResponseWriter, r *http.Request, on authority.Session) (err error) {
	var e authority.Errand
	if r.PostForm.Has("confirm") {
		e, err = s.Authority.AskByMail(r.Context(), on, authority.AddPasskey, []byte(r.PostFormValue("old")), []byte(r.PostFormValue("confirm")))
	} else {
		e, err = s.Authority.Ask(r.Context(), on, authority.AddPasskey, "")
	}
	if err != nil {
		return err
	}
	s.to(w, r, errandPage(e.ID))
	return nil
}

func (s *Server) renamePasskey(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	if err := s.Authority.RenamePasskey(r.Context(), on, r.PostFormValue("passkey"), r.PostFormValue("name")); err != nil {
		return err
	}
	return s.done(w, r, "passkey.renamed", passkeysPage)
}

// showRemovePasskey asks once more, and says what the removal needs.
func (s *Server) showRemovePasskey(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	d, err := s.passkeysData(r, on)
	if err != nil {
		return err
	}
	for i, p := range d.Passkeys {
		if p.ID == r.URL.Query().Get("passkey") {
			d.Removing = &d.Passkeys[i]
		}
	}
	if d.Removing == nil {
		s.to(w, r, passkeysPage)
		return nil
	}
	v := s.page(w, r, on, "removepasskey")
	v.Data = d
	s.write(w, r, http.StatusOK, v)
	return nil
}

func (s *Server) removePasskey(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	id := r.PostFormValue("passkey")
	err := s.Authority.RemovePasskey(r.Context(), on, id, "", []byte(r.PostFormValue("confirm")))
	if problem.KindOf(err) == problem.ApprovalNeeded {
		e, err := s.Authority.Ask(r.Context(), on, authority.RemovePasskey, id)
		if err != nil {
			return err
		}
		s.to(w, r, errandPage(e.ID))
		return nil
	}
	if err != nil {
		return err
	}
	return s.done(w, r, "passkey.removed", passkeysPage)
}

// passkeyOptions gives the page's script what the browser needs to make a passkey.
func (s *Server) passkeyOptions(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	options, err := s.Authority.PasskeyOptions(r.Context(), on, r.PostFormValue("errand"))
	if err != nil {
		return err
	}
	answerOptions(w, options)
	return nil
}

// loginOptions gives the script of the log-in page what the browser needs to offer its passkeys.
func (s *Server) loginOptions(w http.ResponseWriter, r *http.Request) {
	err := parse(r)
	if err == nil && !web.PreFormOK(r) {
		err = problem.New(problem.Forbidden)
	}
	var options []byte
	if err == nil {
		options, err = s.Authority.PasskeyLogin(r.Context(), r.PostFormValue("form"))
	}
	if err != nil {
		s.Fail(w, r, err)
		return
	}
	answerOptions(w, options)
}

func answerOptions(w http.ResponseWriter, options []byte) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(options) // a browser that has gone asks again
}

// loginPasskey takes the passkey that the browser has used.
func (s *Server) loginPasskey(w http.ResponseWriter, r *http.Request) {
	if err := s.tryPasskey(w, r); err != nil {
		s.Fail(w, r, err)
	}
}

func (s *Server) tryPasskey(w http.ResponseWriter, r *http.Request) error {
	if err := parse(r); err != nil {
		return err
	}
	if !web.PreFormOK(r) {
		return problem.New(problem.Forbidden)
	}
	on, cookie, err := s.Authority.LoginPasskey(r.Context(), web.Visit(r), r.PostFormValue("form"), []byte(r.PostFormValue("response")))
	if err != nil {
		return s.tell(w, r, err)
	}
	return s.enterAs(w, r, on, cookie)
}

// errandPage is where the customer waits until an errand is proved.
func errandPage(id string) string { return "/security/errand/" + id }

type errandData struct {
	authority.Errand
	Lines  []string // what the phone shows, in the language of the page
	Name   string   // offered for a new passkey
	Device string
	Tries  int
}

// Waits says whether the page has something to wait for.
func (d errandData) Waits() bool { return d.State == transaction.Pending && !d.ByMail }

func (s *Server) showErrand(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	e, err := s.Authority.ErrandOf(r.Context(), on, r.PathValue("errand"))
	if err != nil {
		return err
	}
	v := s.page(w, r, on, "errand")
	v.Data = errandDataOf(v, e, on)
	s.write(w, r, http.StatusOK, v)
	return nil
}

func errandDataOf(v *view, e authority.Errand, on authority.Session) errandData {
	return errandData{Errand: e, Lines: strings.Split(e.Display[v.Lang], "\n"), Name: on.Device, Device: on.Device, Tries: v.s.Authority.Rules().MailCodeTries}
}

// errandState is what the waiting page asks for.
func (s *Server) errandState(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	e, err := s.Authority.ErrandOf(r.Context(), on, r.PathValue("errand"))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(map[string]string{"state": string(e.State), "mail": ""})
}

func (s *Server) proveErrand(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	code, err := typedCode(r, "mailed")
	if err != nil {
		return err
	}
	if err := s.Authority.ProveByMail(r.Context(), on, r.PathValue("errand"), code); err != nil {
		return err
	}
	s.to(w, r, errandPage(r.PathValue("errand")))
	return nil
}

func (s *Server) cancelErrand(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	if err := s.Authority.CancelErrand(r.Context(), on, r.PathValue("errand")); err != nil {
		return err
	}
	return s.done(w, r, "errand.cancelled", "/security")
}

// doErrand does what was approved.
func (s *Server) doErrand(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	id := r.PathValue("errand")
	e, err := s.Authority.ErrandOf(r.Context(), on, id)
	if err != nil {
		return err
	}
	switch e.Act {
	case authority.AddPasskey:
		p, err := s.Authority.AddPasskey(r.Context(), on, id, r.PostFormValue("name"), []byte(r.PostFormValue("response")))
		if err != nil {
			return err
		}
		if p.State == passkey.Resting {
			return s.done(w, r, "passkey.resting", passkeysPage)
		}
		return s.done(w, r, "passkey.added", passkeysPage)
	case authority.RemovePasskey:
		if err := s.Authority.RemovePasskey(r.Context(), on, e.Object, id, nil); err != nil {
			return err
		}
		return s.done(w, r, "passkey.removed", passkeysPage)
	case authority.ChangeAddress:
		if err := s.Authority.ChangeAddress(r.Context(), on, id); err != nil {
			return err
		}
		return s.done(w, r, "address.changed", addressPage)
	case authority.StopUse:
		if err := s.Authority.StopToken(r.Context(), on, id); err != nil {
			return err
		}
		// On a smartphone this session proved its code before the token ended and keeps what it proved; the next log-in leads to the application.
		return s.done(w, r, "stopped", "/security")
	}
	return problem.New(problem.NotFound)
}

type objectionData struct{ Done bool }

// showObjection is where a notice leads: it asks for no password, and says so.
func (s *Server) showObjection(w http.ResponseWriter, r *http.Request) {
	v := s.view(w, r, "notme")
	v.Form = web.PreForm(w, r)
	v.take(s.took(w, r))
	v.Data = objectionData{Done: v.Said == "objected"}
	v.Said = ""
	s.write(w, r, http.StatusOK, v)
}

func (s *Server) objection(w http.ResponseWriter, r *http.Request) {
	err := parse(r)
	if err == nil && !web.PreFormOK(r) {
		err = problem.New(problem.Forbidden)
	}
	if err == nil {
		if err = s.Authority.Object(r.Context(), web.Stranger(r), r.PostFormValue("objection")); err != nil {
			err = s.tell(w, r, err)
			if err == nil {
				return
			}
		}
	}
	if err == nil {
		err = s.done(w, r, "objected", "/not-me")
	}
	if err != nil {
		s.Fail(w, r, err)
	}
}
