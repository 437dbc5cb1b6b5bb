// Package api is the door for the bank's systems.
package api

import (
	"net/http"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/server/web"
)

// CSP allows nothing: no page is served here.
const CSP = "default-src 'none'; frame-ancestors 'none'"

// Scopes that a system of the bank can have.
const ScopeVerifyOTP = "otp:verify"

// Server is the audience of the bank's systems.
type Server struct {
	Authority *authority.Authority
	API       web.API
}

// Mount lists all routes of this audience.
func (s *Server) Mount(m *http.ServeMux) {
	m.Handle("POST /v1/otp/verifications", web.JSON(s.API, s.verifyOTP))
}

type otpRequest struct {
	Customer string `json:"customer"` // the bank's own reference
	Code     string `json:"code"`
}

type otpAnswer struct {
	Accepted bool `json:"accepted"`
}

func (s *Server) verifyOTP(r *http.Request, req otpRequest) (otpAnswer, error) {
	id, secret, ok := r.BasicAuth()
	if !ok {
		return otpAnswer{}, problem.New(problem.BadClient)
	}
	by, err := s.Authority.APIClient(r.Context(), id, secret, ScopeVerifyOTP)
	if err != nil {
		return otpAnswer{}, err
	}
	by.Source, by.Device = web.Source(r), web.Device(r.UserAgent())
	return otpAnswer{true}, s.Authority.VerifyOTP(r.Context(), by, req.Customer, req.Code)
}
