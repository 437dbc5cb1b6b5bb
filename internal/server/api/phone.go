package api

import (
	"net/http"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/phone"
	"github.com/inkan-auth/inkan/internal/domain/problem"
)

type phoneRequest struct {
	ID     string `json:"id"`     // of the event: one that comes again under the same name is the same event
	At     string `json:"at"`     // RFC 3339
	Event  string `json:"event"`  // answered, digits, ended, failed, incoming
	Call   string `json:"call"`   // as we named it in our order; of an incoming call as the network names it
	From   string `json:"from"`   // the number that an incoming call comes from; empty where it is withheld
	Digits string `json:"digits"` // that were typed
}

// phoneAnswer is what to do in the call: say each sentence, then take digits or hang up.
type phoneAnswer struct {
	Language string   `json:"language"`
	Say      []string `json:"say"`
	Gather   int      `json:"gather"`
	HangUp   bool     `json:"hang_up"`
}

func (s *Server) phoneEvent(r *http.Request, req phoneRequest) (phoneAnswer, error) {
	by, err := s.caller(r, ScopePhone)
	if err != nil {
		return phoneAnswer{}, err
	}
	at, err := time.Parse(time.RFC3339, req.At)
	if err != nil {
		return phoneAnswer{}, problem.New(problem.Malformed, "field", "at")
	}
	reply, err := s.Authority.PhoneEvent(r.Context(), by, phone.Happened{ID: req.ID, At: at, Kind: phone.EventKind(req.Event), Call: req.Call, From: req.From, Digits: req.Digits})
	if reply.Say == nil {
		reply.Say = []string{}
	}
	return phoneAnswer{reply.Language, reply.Say, reply.Gather, reply.HangUp}, err
}
