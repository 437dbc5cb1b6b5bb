// Package api is the door for the bank's systems. docs/api/openapi.yaml says the same to those who write the other side; a test holds the two together.
package api

import (
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/signing"
	"github.com/inkan-auth/inkan/internal/server/web"
)

// CSP allows nothing: no page is served here.
const CSP = "default-src 'none'; frame-ancestors 'none'"

// Scopes that a system of the bank can have.
const (
	ScopeVerifyOTP = "otp:verify"
	ScopeCreate    = "transaction:create"  // create, read, wait for, cancel, and confirm by an offline code
	ScopeConsume   = "transaction:consume" // be given the permit
	ScopeEvidence  = "evidence:read"
	ScopeCustomer  = "customer:read"
	ScopeReports   = "report:read" // what customers did not ask for
	ScopeStop      = "service:stop"
	ScopeAssurance = "assurance:read"
	ScopePhone     = "phone" // tell what happens to calls
)

// Scopes is every scope.
var Scopes = []string{ScopeVerifyOTP, ScopeCreate, ScopeConsume, ScopeEvidence, ScopeCustomer, ScopeReports, ScopePhone, ScopeStop, ScopeAssurance}

// Server is the audience of the bank's systems.
type Server struct {
	Authority *authority.Authority
	API       web.API
	Origin    string // of this host: the audience of assertions
}

// Mount lists all routes of this audience.
func (s *Server) Mount(m *http.ServeMux) {
	m.Handle("POST /v1/otp/verifications", web.JSON(s.API, s.verifyOTP))
	m.Handle("POST /v1/transactions", web.JSON(s.API, s.createTransaction))
	m.Handle("GET /v1/transactions/{id}", web.JSON(s.API, s.readTransaction))
	m.Handle("POST /v1/transactions/{id}/cancel", web.JSON(s.API, s.cancelTransaction))
	m.Handle("POST /v1/transactions/{id}/offline", web.JSON(s.API, s.confirmOffline))
	m.Handle("POST /v1/transactions/{id}/consume", web.JSON(s.API, s.consumeTransaction))
	m.Handle("GET /v1/transactions/{id}/evidence", web.JSON(s.API, s.evidence))
	m.Handle("GET /v1/reports", web.JSON(s.API, s.reports))
	m.Handle("POST /v1/phone-events", web.JSON(s.API, s.phoneEvent))
	m.Handle("GET /v1/customers/{ref}/transaction-authentication", web.JSON(s.API, s.transactionAuth))
	m.Handle("POST /v1/customers/{ref}/stop", web.JSON(s.API, s.stopService))
	m.Handle("GET /v1/customers/{ref}/assurance", web.JSON(s.API, s.assurance))
	m.Handle("GET /v1/customers/{ref}/release-requests", web.JSON(s.API, s.releases))
}

// caller is the system that calls, if it may do this. It proves itself by an assertion that its own key has signed, or by its secret.
func (s *Server) caller(r *http.Request, scope string) (audit.Actor, error) {
	by, err := s.whoCalls(r, scope)
	by.Source, by.Device = web.Source(r), web.Device(r.UserAgent())
	return by, err
}

func (s *Server) whoCalls(r *http.Request, scope string) (audit.Actor, error) {
	if id, secret, ok := r.BasicAuth(); ok {
		return s.Authority.APIClient(r.Context(), id, secret, scope)
	}
	bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return audit.Actor{}, problem.New(problem.BadClient)
	}
	refused := problem.New(problem.BadClient)
	token, err := jwt.ParseSigned(bearer, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return audit.Actor{}, refused
	}
	var said jwt.Claims // not believed before verify has held it against the key
	if err := token.UnsafeClaimsWithoutVerification(&said); err != nil {
		return audit.Actor{}, refused
	}
	return s.Authority.APIAssertion(r.Context(), said.Issuer, s.Origin, scope, func(key signing.JWK) (authority.Assertion, error) {
		public, err := key.ECDSA()
		if err != nil {
			return authority.Assertion{}, err
		}
		var c jwt.Claims
		if err := token.Claims(public, &c); err != nil {
			return authority.Assertion{}, err
		}
		a := authority.Assertion{Issuer: c.Issuer, Subject: c.Subject, ID: c.ID, Issued: moment(c.IssuedAt), Expires: moment(c.Expiry)}
		if len(c.Audience) == 1 {
			a.Audience = c.Audience[0]
		}
		return a, nil
	})
}

func moment(d *jwt.NumericDate) time.Time {
	if d == nil {
		return time.Time{}
	}
	return d.Time()
}

type otpRequest struct {
	Customer string `json:"customer"` // the bank's own reference
	Code     string `json:"code"`
}

type otpAnswer struct {
	Accepted bool `json:"accepted"`
}

func (s *Server) verifyOTP(r *http.Request, req otpRequest) (otpAnswer, error) {
	by, err := s.caller(r, ScopeVerifyOTP)
	if err != nil {
		return otpAnswer{}, err
	}
	return otpAnswer{true}, s.Authority.VerifyOTP(r.Context(), by, req.Customer, req.Code)
}
