package tokenapp

import (
	"net/http"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/server/web"
)

// move is a move to a new phone, as the phones show it (docs/protocol.md, Moving).
type move struct {
	State   string `json:"state"` // "ordered" until a phone has scanned the link, then "registered"
	Link    string `json:"link"`  // for the old phone alone
	Expires string `json:"expires"`
	Phone   string `json:"phone"`
	Check   string `json:"check"`
	Asked   string `json:"asked"` // state of what the old phone is asked; empty while it is not asked yet
}

func moveOf(m authority.Move) move {
	return move{string(m.State), m.Link, m.Expires.Format(time.RFC3339), m.Phone, m.Check, string(m.Asked)}
}

func (s *Server) beginMove(r *http.Request, _ struct{}) (move, error) {
	m, err := s.Authority.BeginMove(r.Context(), s.proof(r, web.Body(r)))
	return moveOf(m), err
}

func (s *Server) cancelMove(r *http.Request, _ struct{}) (struct{}, error) {
	return struct{}{}, s.Authority.CancelMove(r.Context(), s.proof(r, web.Body(r)))
}

type codeRequest struct {
	Code string `json:"code"`
}

func (s *Server) finishMove(r *http.Request, req codeRequest) (struct{}, error) {
	return struct{}{}, s.Authority.FinishMove(r.Context(), s.proof(r, web.Body(r)), req.Code)
}
