package tokenapp

import (
	"net/http"

	"github.com/inkan-auth/inkan/internal/server/web"
)

type renewalRequest struct {
	Renewal string `json:"renewal"`
}

func (s *Server) renew(r *http.Request, req renewalRequest) (registrationAnswer, error) {
	got, err := s.Authority.Renew(r.Context(), web.Stranger(r).Source, req.Renewal)
	return registrationAnswer{got.Envelope, got.IssuerKey, got.Repeated}, err
}

type confirmationRequest struct {
	Confirmation string `json:"confirmation"`
}

type receiptAnswer struct {
	Receipt   string `json:"receipt"`
	IssuerKey string `json:"issuer_key"`
}

func (s *Server) confirmRenewal(r *http.Request, req confirmationRequest) (receiptAnswer, error) {
	got, err := s.Authority.ConfirmRenewal(r.Context(), web.Stranger(r).Source, req.Confirmation)
	return receiptAnswer{got.Envelope, got.IssuerKey}, err
}
