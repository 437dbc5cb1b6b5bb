package tokenapp

import (
	"net/http"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/notice"
	"github.com/inkan-auth/inkan/internal/server/web"
)

// proof is what a request brings to prove that a token made it. Two proofs are none.
func (s *Server) proof(r *http.Request, body []byte) authority.Proof {
	p := authority.Proof{Method: r.Method, URL: s.Authority.Bank.TokenOrigin + r.URL.Path, Body: body, Source: web.Source(r)}
	if proofs := r.Header.Values("DPoP"); len(proofs) == 1 {
		p.DPoP = proofs[0]
	}
	return p
}

type transactionsAnswer struct {
	Now       string `json:"now"`
	Templates string `json:"templates"`
	IssuerKey string `json:"issuer_key"`
	PushKey   string `json:"push_key"`
	// Verifiers are the passkey by which approvals are confirmed, and behind it one that waits to take its place.
	Verifiers []verifier         `json:"verifiers"`
	Pending   []tokenTransaction `json:"pending"`
	Recent    []tokenTransaction `json:"recent"`
}

type tokenTransaction struct {
	Offer    string `json:"offer"`
	State    string `json:"state"`
	Decided  string `json:"decided"`
	Language string `json:"language"`
}

func (s *Server) transactions(r *http.Request, _ web.Nothing) (transactionsAnswer, error) {
	got, err := s.Authority.TransactionsOfToken(r.Context(), s.proof(r, nil))
	ans := transactionsAnswer{Now: got.Now.Format(time.RFC3339), IssuerKey: s.Authority.Keys.Issuer().Envelope, PushKey: s.PushKey, Pending: wire(got.Pending), Recent: wire(got.Recent), Verifiers: make([]verifier, len(got.Verifiers))}
	for i, v := range got.Verifiers {
		ans.Verifiers[i] = verifierOf(v)
	}
	if got.Bundle != nil && r.URL.Query().Get("templates") != got.Bundle.Hash {
		ans.Templates = got.Bundle.Envelope
	}
	return ans, err
}

func wire(in []authority.TokenTransaction) []tokenTransaction {
	out := make([]tokenTransaction, len(in))
	for i, t := range in {
		out[i] = tokenTransaction{Offer: t.Offer, State: string(t.State), Language: t.Language}
		if !t.Decided.IsZero() {
			out[i].Decided = t.Decided.Format(time.RFC3339)
		}
	}
	return out
}

type decisionRequest struct {
	Decision  string `json:"decision"`
	Assertion string `json:"assertion"`
}

type decisionAnswer struct {
	State string `json:"state"`
	Now   string `json:"now"`
}

func (s *Server) decide(r *http.Request, req decisionRequest) (decisionAnswer, error) {
	state, now, err := s.Authority.Decide(r.Context(), s.proof(r, web.Body(r)), req.Decision, req.Assertion)
	return decisionAnswer{string(state), now.Format(time.RFC3339)}, err
}

type pushRequest struct {
	Endpoint string `json:"endpoint"`
	P256DH   string `json:"p256dh"`
	Auth     string `json:"auth"`
}

func (s *Server) setPush(r *http.Request, req pushRequest) (struct{}, error) {
	return struct{}{}, s.Authority.SetPush(r.Context(), s.proof(r, web.Body(r)), notice.Subscription(req))
}

func (s *Server) endPush(r *http.Request, _ web.Nothing) (struct{}, error) {
	return struct{}{}, s.Authority.EndPush(r.Context(), s.proof(r, nil))
}
