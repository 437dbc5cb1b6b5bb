package tokenapp

import (
	"net/http"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/server/web"
)

// stopAnswer says since when the service stands still (docs/protocol.md, Stop and objection).
type stopAnswer struct {
	Stopped string `json:"stopped"`
}

func (s *Server) stop(r *http.Request, _ struct{}) (stopAnswer, error) {
	return stopped(s.Authority.StopByToken(r.Context(), s.proof(r, web.Body(r))))
}

func (s *Server) object(r *http.Request, _ struct{}) (stopAnswer, error) {
	return stopped(s.Authority.ObjectByToken(r.Context(), s.proof(r, web.Body(r))))
}

func stopped(got authority.Stop, err error) (stopAnswer, error) {
	return stopAnswer{got.Since.UTC().Format(time.RFC3339)}, err
}

// inboxAnswer is the inbox, signed (docs/protocol.md, Inbox).
type inboxAnswer struct {
	Inbox     string `json:"inbox"`
	IssuerKey string `json:"issuer_key"`
}

func (s *Server) notices(r *http.Request, _ web.Nothing) (inboxAnswer, error) {
	inbox, err := s.Authority.InboxOfToken(r.Context(), s.proof(r, nil))
	return inboxAnswer{inbox, s.Authority.Keys.Issuer().Envelope}, err
}
