// Package client is what a bank's system needs to have a transaction confirmed by its customer: it asks for the transaction, waits for the answer that the
// customer gives in the token app, and gets the permit to execute exactly what she was shown, once.
//
// The order of things is always the same:
//
//	t, err := c.CreateTransaction(ctx, key, what)              // before the order may be executed; key is made once for the order and kept with it
//	t, err = c.WaitTransaction(ctx, t.ID, t.State, 25*time.Second) // until the state is another one
//	p, err := c.Consume(ctx, t.ID, execution)                  // from the order as the executor has it, never from a form or from t
//	// now book, under the same request id as in execution, so that booking twice is impossible as well
//
// # What went wrong
//
// Every method fails in one of two ways, and the difference is what the caller must act on:
//
//   - *[Problem]: the server has answered no. Nothing was done, and the same question would get the same answer.
//   - *[Unavailable]: nobody knows. The connection broke, took too long, or something that is not the server answered. The request may have been carried out.
//     Asking again is safe: CreateTransaction with the same key, Consume with the same request id.
//
// The client itself asks again a few times with the same idempotency key where the connection broke or the server was overloaded.
//
// The package needs nothing but the standard library.
package client

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Limits of what the client takes and how long it tries.
const (
	maxAnswer = 1 << 20 // No answer of the contract comes near it; a longer one is not from the server.
	maxWait   = 30 * time.Second
	callLimit = 10 * time.Second // For one try, beyond what it was asked to wait.
)

// pauses stand between the tries of one call; their number bounds the tries.
var pauses = []time.Duration{200 * time.Millisecond, time.Second}

// Client speaks to the transaction API as one registered client of the bank. It is safe for use by many goroutines and must not be copied after first use.
type Client struct {
	Origin string            // Origin of the API, such as "https://api.example.jp"; it is also the audience of the client's assertions.
	ID     string            // Name under which the bank's system is registered.
	Key    *ecdsa.PrivateKey // P-256 key whose public half is registered for ID.
	HTTP   *http.Client      // Only its transport is used: redirects are never followed, and every call has its own time limit. Nil means the default transport.
	Now    func() time.Time  // Clock for the assertions; nil means the clock of the machine.

	mu        sync.Mutex
	assertion string
	renew     time.Time
}

// CreateTransaction asks for a transaction. The key makes the question repeatable: with the same key and the same transaction the answer is the same and no
// second transaction comes into being. Make it once, when the order is made, and keep it with the order: 1 to 64 of A-Z a-z 0-9 . _ -
func (c *Client) CreateTransaction(ctx context.Context, key string, what NewTransaction) (Transaction, error) {
	if !validKey(key) {
		return Transaction{}, errors.New("client: the idempotency key must be 1 to 64 of A-Z a-z 0-9 . _ -")
	}
	return c.transaction(ctx, call{method: http.MethodPost, path: "/v1/transactions", key: key, body: what}, "")
}

// Transaction reads a transaction as it is now.
func (c *Client) Transaction(ctx context.Context, id string) (Transaction, error) {
	return c.transaction(ctx, call{method: http.MethodGet, path: "/v1/transactions/" + segment(id)}, id)
}

// WaitTransaction reads a transaction as soon as its state is another one than the given, at the latest after the given time, which the server limits to 30
// seconds. The caller looks at the state of the answer and calls again if it is still the old one.
func (c *Client) WaitTransaction(ctx context.Context, id string, state State, upTo time.Duration) (Transaction, error) {
	upTo = min(max(upTo, 0), maxWait).Truncate(time.Second)
	q := url.Values{"wait": {strconv.Itoa(int(upTo / time.Second))}, "state": {string(state)}}
	return c.transaction(ctx, call{method: http.MethodGet, path: "/v1/transactions/" + segment(id) + "?" + q.Encode(), wait: upTo}, id)
}

// CancelTransaction takes a transaction back that the customer has not answered yet, or that was approved and is not to be carried out. One that has ended otherwise is
// refused with [KindDecided] and its state.
func (c *Client) CancelTransaction(ctx context.Context, id string) (Transaction, error) {
	return c.transaction(ctx, call{method: http.MethodPost, path: "/v1/transactions/" + segment(id) + "/cancel", key: rand.Text(), body: struct{}{}}, id)
}

// ConfirmOffline hands in the code that the app showed for a scanned transaction; right, it counts as her approval (grade B). A wrong one costs a try.
func (c *Client) ConfirmOffline(ctx context.Context, id, code string) (Transaction, error) {
	body := struct {
		Code string `json:"code"`
	}{code}
	return c.transaction(ctx, call{method: http.MethodPost, path: "/v1/transactions/" + segment(id) + "/offline", key: rand.Text(), body: body}, id)
}

// Consume asks for the permit to execute. It is given once, to one request id, and only if what is about to be executed is what the customer approved, field by
// field. The same request id gets the same permit again, however often it asks, so an executor that lost the answer simply repeats.
func (c *Client) Consume(ctx context.Context, id string, what Execution) (Permit, error) {
	if !validKey(what.Request) {
		return Permit{}, errors.New("client: the request id must be 1 to 64 of A-Z a-z 0-9 . _ -")
	}
	var p Permit
	err := c.do(ctx, call{method: http.MethodPost, path: "/v1/transactions/" + segment(id) + "/consume", key: rand.Text(), body: what}, &p)
	if err == nil && (p.JWS == "" || p.Transaction.ID != id) {
		err = &Unavailable{Status: http.StatusOK, Err: errors.New("the answer is not the permit of this transaction")}
	}
	if err != nil {
		return Permit{}, err
	}
	p.CoolingOff = coolingIn(p.JWS)
	return p, nil
}

// Evidence fetches the evidence file of a transaction, unchanged. It proves to anybody, without the server, what the customer was shown and what she answered.
func (c *Client) Evidence(ctx context.Context, id string) ([]byte, error) {
	var raw json.RawMessage
	if err := c.do(ctx, call{method: http.MethodGet, path: "/v1/transactions/" + segment(id) + "/evidence"}, &raw); err != nil {
		return nil, err
	}
	return raw, nil
}

// TransactionAuthentication says whether the transactions of a customer, named by the bank's own reference, must be confirmed in the app, and whether they can be.
func (c *Client) TransactionAuthentication(ctx context.Context, ref string) (Authentication, error) {
	var a Authentication
	err := c.do(ctx, call{method: http.MethodGet, path: "/v1/customers/" + segment(ref) + "/transaction-authentication"}, &a)
	return a, err
}

// StopService stops the service of a customer at once, on every node: nobody logs in as her, no code of hers is taken, and what waited is cancelled. Stopping twice is once. She starts it again
// herself, by the checks of a re-issue.
func (c *Client) StopService(ctx context.Context, ref string, reason StopReason) (Stop, error) {
	var s Stop
	err := c.do(ctx, call{method: http.MethodPost, path: "/v1/customers/" + segment(ref) + "/stop", key: rand.Text(), body: map[string]StopReason{"reason": reason}}, &s)
	if err == nil && s.Since.IsZero() {
		err = &Unavailable{Status: http.StatusOK, Err: errors.New("the answer is not of a stop")}
	}
	return s, err
}

// Assurance says how a customer's authenticators stand and what was changed at them lately. Ask for each order, and take no new payee and no large amount while [CoolingOff.Until] lies ahead.
func (c *Client) Assurance(ctx context.Context, ref string) (Assurance, error) {
	var a Assurance
	err := c.do(ctx, call{method: http.MethodGet, path: "/v1/customers/" + segment(ref) + "/assurance"}, &a)
	if err == nil && a.Service.State == "" {
		err = &Unavailable{Status: http.StatusOK, Err: errors.New("the answer is not about a customer")}
	}
	return a, err
}

// transaction makes a call whose answer is a transaction, and holds it to the id where that is known: an answer about another one must not be acted on.
func (c *Client) transaction(ctx context.Context, what call, id string) (Transaction, error) {
	var t Transaction
	err := c.do(ctx, what, &t)
	if err == nil && (t.ID == "" || t.State == "" || id != "" && t.ID != id) {
		err = &Unavailable{Status: http.StatusOK, Err: errors.New("the answer is not this transaction")}
	}
	if err != nil {
		return Transaction{}, err
	}
	return t, nil
}

// call is one question to the API, with all its tries.
type call struct {
	method string
	path   string
	key    string // Idempotency key; the tries of one call share it.
	body   any
	wait   time.Duration // How long the server was asked to wait before it answers.
}

// do asks, and asks again where that is safe and promising: every GET may be repeated, and every POST carries an idempotency key.
func (c *Client) do(ctx context.Context, what call, into any) error {
	var body []byte
	if what.body != nil {
		var err error
		if body, err = json.Marshal(what.body); err != nil {
			return fmt.Errorf("client: %w", err)
		}
	}
	for try := 0; ; try++ {
		err := c.once(ctx, what, body, into)
		var lost *Unavailable
		if !errors.As(err, &lost) || !lost.passing() || try == len(pauses) {
			return err
		}
		timer := time.NewTimer(pauses[try])
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
	}
}

func (c *Client) once(ctx context.Context, what call, body []byte, into any) error {
	assertion, err := c.bearer()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, what.wait+callLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, what.method, strings.TrimSuffix(c.Origin, "/")+what.path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+assertion)
	req.Header.Set("Accept", "application/json, application/problem+json")
	if what.method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", what.key)
	}
	resp, err := c.http().Do(req)
	if err != nil {
		return &Unavailable{Err: withoutURL(err)}
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return &Unavailable{Err: err}
	case len(raw) > maxAnswer:
		return &Unavailable{Status: resp.StatusCode, Err: errors.New("the answer is too long")}
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case resp.StatusCode >= 200 && resp.StatusCode < 300:
		if kind != "application/json" {
			return &Unavailable{Status: resp.StatusCode, Err: fmt.Errorf("the answer is %q and not application/json", kind)}
		}
		if err := json.Unmarshal(raw, into); err != nil {
			return &Unavailable{Status: resp.StatusCode, Err: err}
		}
		return nil
	case kind != "application/problem+json":
		return &Unavailable{Status: resp.StatusCode, Err: fmt.Errorf("the answer is %q and not a problem document", kind)}
	}
	if resp.StatusCode == http.StatusUnauthorized {
		c.forget(assertion)
	}
	p, err := readProblem(resp.StatusCode, raw)
	switch {
	case err != nil:
		return &Unavailable{Status: resp.StatusCode, Err: err}
	case p.Status >= 500:
		return &Unavailable{Status: p.Status, Kind: p.Kind, Err: errors.New("the server could not answer")}
	}
	return p
}

// http is the caller's client without its redirects and its overall time limit: a redirect would hand the assertion to somebody else, and a time limit made for
// quick calls would cut off a wait.
func (c *Client) http() *http.Client {
	own := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if c.HTTP != nil {
		own.Transport = c.HTTP.Transport
	}
	return own
}

func (c *Client) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

// withoutURL drops the address from a transport's error: it names the customer or the transaction and would end up in a log.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// segment makes a name one segment of a path, whatever it is. A name of dots alone would be read as a way up, so it becomes one that does not exist.
func segment(name string) string {
	if strings.Trim(name, ".") == "" {
		return "-"
	}
	return url.PathEscape(name)
}

func validKey(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == ""
}
