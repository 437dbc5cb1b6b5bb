package customer

import (
	"net/http"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/problem"
)

// renewPage is where a customer goes whose token is past its date.
const renewPage = "/renew"

type renewData struct {
	authority.ExpiredToken
	Late bool // only another token helps now
}

// showRenew leads a customer whose token is past its date: the confirmation password, a number by mail, and on in the app. To ask for a code that can never be right would lead nowhere.
func (s *Server) showRenew(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	t, err := s.Authority.ExpiredTokenOf(r.Context(), on)
	if problem.KindOf(err) == problem.TokenNone { // renewed meanwhile, or there was nothing to renew
		s.to(w, r, "/security")
		return nil
	}
	if err != nil {
		return err
	}
	v := s.page(w, r, on, "renew")
	v.Data = renewData{t, !v.Now.Before(t.Until)}
	s.write(w, r, http.StatusOK, v)
	return nil
}

func (s *Server) renew(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	if err := s.Authority.OrderRenewal(r.Context(), on, []byte(r.PostFormValue("confirm"))); err != nil {
		return err
	}
	return s.done(w, r, "renewal", renewPage)
}
