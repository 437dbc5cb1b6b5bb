// Package phone orders calls and short messages from a gateway that the bank's carrier runs, over HTTP. What happens in a call comes back to POST /v1/phone-events of the API.
package phone

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/phone"
)

// Poster sends a signed request (package partner).
type Poster interface {
	Post(ctx context.Context, path string, body []byte) (status int, answer []byte, err error)
}

// Gateway orders. Without a Poster it only takes calls, which something else has to tell of, such as package sip.
type Gateway struct {
	post  Poster
	kinds phone.Kinds
}

// New makes a connector on a way to the gateway that can do what kinds says.
func New(p Poster, kinds phone.Kinds) *Gateway {
	if p == nil {
		kinds.Calls, kinds.Messages = false, false
	}
	return &Gateway{p, kinds}
}

// Kinds says what the gateway can do.
func (g *Gateway) Kinds() phone.Kinds { return g.kinds }

type callOrder struct {
	ID      string `json:"id"`
	To      string `json:"to"`
	Expires string `json:"expires"`
}

type messageOrder struct {
	ID      string `json:"id"`
	To      string `json:"to"`
	Text    string `json:"text"`
	Expires string `json:"expires"`
}

// PlaceCall orders a call.
func (g *Gateway) PlaceCall(ctx context.Context, c phone.Call) error {
	return g.order(ctx, "/calls", callOrder{c.ID, c.To.International(), c.Expires.UTC().Format(time.RFC3339)})
}

// SendMessage orders a short message.
func (g *Gateway) SendMessage(ctx context.Context, m phone.Message) error {
	return g.order(ctx, "/messages", messageOrder{m.ID, m.To.International(), m.Text, m.Expires.UTC().Format(time.RFC3339)})
}

// order takes any 2xx for done, and 409 too: the gateway has had this order before, and the answer to that was lost. 422 says that the number can never be reached.
func (g *Gateway) order(ctx context.Context, path string, what any) error {
	if g.post == nil {
		return fmt.Errorf("phone: %w: there is no gateway", phone.ErrUnreached)
	}
	body, err := json.Marshal(what)
	if err != nil {
		return err
	}
	status, _, err := g.post.Post(ctx, path, body)
	switch {
	case err != nil:
		return err
	case status/100 == 2 || status == http.StatusConflict:
		return nil
	case status == http.StatusUnprocessableEntity:
		return fmt.Errorf("phone: %w", phone.ErrUnreached)
	}
	return fmt.Errorf("phone: the gateway answered %d", status)
}
