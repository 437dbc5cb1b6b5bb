// Package corebank asks the bank's core about cash cards.
package corebank

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/inkan-auth/inkan/internal/domain/card"
)

// Poster sends a signed request (package partner).
type Poster interface {
	Post(ctx context.Context, path string, body []byte) (status int, answer []byte, err error)
}

// Core asks.
type Core struct{ post Poster }

// New makes a connector on a way to the core.
func New(p Poster) *Core { return &Core{p} }

type question struct {
	Request       string `json:"request"`
	Branch        string `json:"branch"`
	AccountType   string `json:"account_type"`
	AccountNumber string `json:"account_number"`
	PIN           string `json:"pin"`
}

type reply struct {
	Request string  `json:"request"`
	Right   *bool   `json:"right"`
	Ref     *string `json:"ref"`
}

// errUnknown says that nothing is known: the caller gives the try back. It says nothing of what was asked.
var errUnknown = errors.New("corebank: the core did not answer in the form that was agreed")

// CheckCard asks whether account and PIN of a cash card are right. Nothing of it is kept, and no error repeats it.
func (c *Core) CheckCard(ctx context.Context, q card.Check) (card.Result, error) {
	body, err := json.Marshal(question{q.Request, q.Branch, q.AccountType, q.AccountNumber, string(q.PIN)})
	if err != nil {
		return card.Result{}, errUnknown
	}
	status, answer, err := c.post.Post(ctx, "/card-checks", body)
	if err != nil {
		return card.Result{}, err
	}
	if status != http.StatusOK {
		return card.Result{}, errUnknown
	}
	return parse(q.Request, answer)
}

// parse takes nothing for granted: an answer that is not about this request, or says neither yes nor no, or says yes without saying whose card it is, is none.
func parse(request string, answer []byte) (card.Result, error) {
	var r reply
	d := json.NewDecoder(bytes.NewReader(answer))
	d.DisallowUnknownFields()
	if d.Decode(&r) != nil || r.Request != request || r.Right == nil || r.Ref == nil || *r.Right != (*r.Ref != "") {
		return card.Result{}, errUnknown
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return card.Result{}, errUnknown
	}
	return card.Result{Ref: *r.Ref, Right: *r.Right}, nil
}
