package console

import (
	"net/http"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/enrolment"
	"github.com/inkan-auth/inkan/internal/server/web"
)

type letterData struct {
	authority.Letter
	Groups []string // of the registration key, as it is typed
	QR     web.Square
}

// handOver shows the letter, or the key for the customer in the branch, in the answer to the form: there is no address under which it could be seen again.
func (s *Server) handOver(w http.ResponseWriter, r *http.Request, on authority.StaffSession) error {
	l, err := s.Authority.HandOver(r.Context(), on, r.PathValue("id"), r.PostFormValue("do") == "screen")
	if err != nil {
		return s.onCase(w, r, on, err, "", nil)
	}
	d := letterData{Letter: l}
	if l.Key.Link != "" {
		d.Groups = strings.Fields(enrolment.Group(l.Key.Typed))
		if d.QR, err = web.DrawQR(l.Key.Link); err != nil {
			return err
		}
	}
	s.show(w, r, on, "letter", d)
	return nil
}

// BankJA is the bank's name as it stands on paper.
func (v *view) BankJA() string { return v.s.Bank.NameJA }

// BankPhone is whom to call.
func (v *view) BankPhone() string { return v.s.Bank.Phone }

// AppHost is where the token app is, as one types it.
func (v *view) AppHost() string {
	_, host, _ := strings.Cut(v.s.Bank.TokenOrigin, "://")
	return host
}

// DayJA and MomentJA write a date on paper, which is in Japanese whatever the screen's language is.
func (v *view) DayJA(at time.Time) string    { return v.s.Text.Day("ja", at) }
func (v *view) MomentJA(at time.Time) string { return v.s.Text.Moment("ja", at) }
