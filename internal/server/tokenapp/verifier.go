package tokenapp

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/server/web"
)

// verifier is the passkey by which the token's user confirms her approvals, as the app is told of it.
type verifier struct {
	Credential string `json:"credential"`
	State      string `json:"state"`
	Since      string `json:"since"`
	Usable     string `json:"usable"`
}

func verifierOf(v authority.Verifier) verifier {
	return verifier{base64.RawURLEncoding.EncodeToString(v.Credential), string(v.State), v.Since.Format(time.RFC3339), v.Usable.Format(time.RFC3339)}
}

type verifierOptions struct {
	Options json.RawMessage `json:"options"`
}

func (s *Server) verifierOptions(r *http.Request, _ struct{}) (verifierOptions, error) {
	options, err := s.Authority.VerifierOptions(r.Context(), s.proof(r, web.Body(r)))
	return verifierOptions{options}, err
}

type verifierRequest struct {
	Verifier  string `json:"verifier"`
	Created   string `json:"created"` // what the browser's credential.toJSON gives, as a text: its names are not spelt as ours
	Assertion string `json:"assertion"`
}

func (s *Server) setVerifier(r *http.Request, req verifierRequest) (verifier, error) {
	v, err := s.Authority.SetVerifier(r.Context(), s.proof(r, web.Body(r)), req.Verifier, []byte(req.Created), req.Assertion)
	return verifierOf(v), err
}

type removalRequest struct {
	Removal   string `json:"removal"`
	Assertion string `json:"assertion"`
}

func (s *Server) removeVerifier(r *http.Request, req removalRequest) (struct{}, error) {
	return struct{}{}, s.Authority.RemoveVerifier(r.Context(), s.proof(r, web.Body(r)), req.Removal, req.Assertion)
}
