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
	QR      square `json:"qr"` // of the link, drawn
	Check   string `json:"check"`
	Asked   string `json:"asked"` // state of what the old phone is asked; empty while it is not asked yet
}

type square struct {
	Size int    `json:"size"` // modules of a side, with the quiet zone
	Path string `json:"path"` // of the dark ones, for SVG
}

func moveOf(m authority.Move) move {
	return move{State: string(m.State), Link: m.Link, Expires: m.Expires.Format(time.RFC3339), Phone: m.Phone, Check: m.Check, Asked: string(m.Asked)}
}

func (s *Server) beginMove(r *http.Request, _ struct{}) (move, error) {
	m, err := s.Authority.BeginMove(r.Context(), s.proof(r, web.Body(r)))
	out := moveOf(m)
	if err == nil && m.Link != "" {
		var drawn web.Square
		drawn, err = web.DrawQR(m.Link)
		out.QR = square(drawn)
	}
	return out, err
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
