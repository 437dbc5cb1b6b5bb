package customer

import (
	"net/http"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/customer"
	"github.com/inkan-auth/inkan/internal/domain/token"
)

const (
	noticesPage = "/security/notices"
	addressPage = "/security/address"
)

// notice is one entry of the inbox in words.
type notice struct {
	authority.Notice
	Title string
	Text  [][]string // paragraphs of lines
}

type noticesData struct {
	Notices []notice
	Older   string
	Newest  string
	Mails   []authority.MailChoice
}

func (s *Server) showNotices(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	before := r.URL.Query().Get("before")
	found, older, err := s.Authority.Inbox(r.Context(), on, before)
	if err != nil {
		return err
	}
	mails, err := s.Authority.MailChoices(r.Context(), on)
	if err != nil {
		return err
	}
	v := s.page(w, r, on, "notices")
	d := noticesData{Notices: v.notices(found), Mails: mails}
	if older != "" {
		d.Older = v.To(noticesPage + "?before=" + older)
	}
	if before != "" {
		d.Newest = v.To(noticesPage)
	}
	v.Data = d
	s.write(w, r, http.StatusOK, v)
	return nil
}

func (v *view) notices(found []authority.Notice) (out []notice) {
	for _, n := range found {
		title, text := v.s.Text.Notice(v.Lang, v.s.Bank, n.Topic, n.Values)
		out = append(out, notice{n, title, text})
	}
	return out
}

func (s *Server) chooseMail(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	want := r.PostFormValue("on") == "yes"
	if err := s.Authority.ChooseMail(r.Context(), on, authority.Optional(r.PostFormValue("mail")), want); err != nil {
		return err
	}
	if want {
		return s.done(w, r, "mail.on", noticesPage)
	}
	return s.done(w, r, "mail.off", noticesPage)
}

type mailData struct {
	Now     customer.Address
	Leaving []customer.Address
	Token   *token.Token // that approves the change; nil where there is none
	Usable  bool
}

// mailData is how the customer's addresses stand.
func (s *Server) mailData(r *http.Request, on authority.Session) (d mailData, err error) {
	all, err := s.Authority.Addresses(r.Context(), on)
	if err != nil {
		return d, err
	}
	for _, a := range all {
		if a.State == customer.Leaving {
			d.Leaving = append(d.Leaving, a)
		} else {
			d.Now = a
		}
	}
	t, err := s.Authority.TokenOf(r.Context(), on)
	d.Token, d.Usable = t.Token, t.Token != nil && t.Token.State == token.Active
	return d, err
}

// showMail explains what a change of the mail address needs and leads to.
func (s *Server) showMail(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	d, err := s.mailData(r, on)
	if err != nil {
		return err
	}
	v := s.page(w, r, on, "mailaddress")
	v.Data = d
	s.write(w, r, http.StatusOK, v)
	return nil
}

func (s *Server) changeMail(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	e, err := s.Authority.AskAddress(r.Context(), on, r.PostFormValue("mail"))
	if err != nil {
		return err
	}
	s.to(w, r, errandPage(e.ID))
	return nil
}

// Mask shows an address as far as it may be shown.
func (v *view) Mask(mail string) string { return customer.MaskAddress(mail) }
