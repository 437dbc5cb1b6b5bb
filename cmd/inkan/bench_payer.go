package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/inkan-auth/inkan/internal/domain/signing"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
)

// transfers is the world in which transfers are ordered, approved and carried out.
type transfers struct {
	*benchWorld
	orders atomic.Int64 // idempotency keys
	sample order        // one that went the whole way, for the raw rows

	mu      sync.Mutex
	permits map[string][sha256.Size]byte // hash of the permit that a client was given, by transaction
}

// order is one transaction on its way.
type order struct {
	benchToken
	id, display, offer, decision, permit string
}

// payer is one client of the bank that works for customers of its own, and their phones: one connection for each side. One transaction of a customer waits at a time.
type payer struct {
	*transfers
	bank, phone      *client
	first, every, at int
	given            []order
}

// payers opens n of them.
func (l *transfers) payers(ctx context.Context, n int) (all []*payer, stop func(), err error) {
	stop = func() {
		for _, p := range all {
			p.bank.close()
			p.phone.close()
		}
	}
	for i := range n {
		p := &payer{transfers: l, first: i, every: n, at: i + n*mrand.IntN(len(l.tokens)/n)} //nolint:gosec // where to begin is no secret
		if p.bank, err = l.dial(ctx); err != nil {
			return all, stop, err
		}
		if p.phone, err = l.dial(ctx); err != nil {
			p.phone = p.bank
			all = append(all, p)
			return all, stop, err
		}
		all = append(all, p)
	}
	return all, stop, nil
}

// turn gives the client's next customer.
func (p *payer) turn() benchToken {
	if p.at >= len(p.tokens) {
		p.at = p.first
	}
	t := p.tokens[p.at*spreadBy%len(p.tokens)]
	p.at += p.every
	return t
}

// theOrder is what the customer entered and what the bank's executor reads from its own books; it follows the customer's reference in both requests.
const theOrder = `"template":"transfer","currency":"JPY","fields":{"from.account":"本店 普通 1234567","payee.bank":"みどり銀行","payee.bank_code":"0991","payee.branch":"駅前支店","payee.branch_code":"101",` +
	`"payee.type":"ordinary","payee.account":"7654321","payee.name":"ﾔﾏﾀﾞ ﾀﾛｳ","amount":"250000","fee":"165","date":"2026-11-25"}}`

// call sends a request with its further headers and gives the answer, which must be of the wanted status.
func (c *client) call(want int, method, host, path, headers, body string) ([]byte, error) {
	c.out = request(c.out[:0], method, host, path, headers, body)
	if err := c.send(c.out); err != nil {
		return nil, err
	}
	return c.answer(want)
}

func (c *client) answer(want int) ([]byte, error) {
	status, answer, err := c.read()
	if err == nil && status != want {
		err = refusal(problemOf(status, answer))
	}
	return answer, err
}

// refusal is the kind of an answer that was not the wanted one.
type refusal string

func (r refusal) Error() string { return "answered " + string(r) }

func request(out []byte, method, host, path, headers, body string) []byte {
	if body != "" {
		headers += fmt.Sprintf("Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	return fmt.Appendf(out, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: inkan-bench\r\n%s\r\n%s", method, path, host, headers, body)
}

func (l *transfers) asBank() string { return "Authorization: " + l.bearer + "\r\n" }

// create has the bank ask for the next customer's confirmation.
func (p *payer) create() (order, error) {
	o := order{benchToken: p.turn()}
	answer, err := p.bank.call(http.StatusCreated, "POST", p.host, "/v1/transactions", fmt.Sprintf("%sIdempotency-Key: bench-%d\r\n", p.asBank(), p.orders.Add(1)), `{"customer":"`+o.ref+`",`+theOrder)
	if err != nil {
		return o, fmt.Errorf("creating: %w", err)
	}
	var got struct {
		ID      string            `json:"id"`
		Display map[string]string `json:"display"`
	}
	err = json.Unmarshal(answer, &got)
	o.id, o.display = got.ID, got.Display["ja"]
	return o, err
}

// look has the phone fetch what waits.
func (p *payer) look(o *order) error {
	proof, err := p.proof(o.benchToken, "GET", "/v1/transactions", "")
	if err != nil {
		return err
	}
	answer, err := p.phone.call(http.StatusOK, "GET", p.tokenHost, "/v1/transactions?templates="+p.templates.Hash, proof, "")
	if err != nil {
		return fmt.Errorf("looking: %w", err)
	}
	var got struct {
		Pending []struct {
			Offer string `json:"offer"`
		} `json:"pending"`
	}
	if err := json.Unmarshal(answer, &got); err != nil || len(got.Pending) != 1 {
		return errors.Join(err, fmt.Errorf("%d transactions wait", len(got.Pending)))
	}
	o.offer = got.Pending[0].Offer
	return nil
}

// sign makes the phone's signed answer, and the request that brings it.
func (p *payer) sign(o *order) ([]byte, error) {
	_, rest, _ := strings.Cut(o.offer, ".")
	payload, _, _ := strings.Cut(rest, ".")
	document, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return nil, err
	}
	d := transaction.Decision{Transaction: o.id, Document: signing.Hash(document), Offer: signing.Hash(o.offer), Bundle: p.templates.Hash, Display: signing.Hash(o.display), Language: "ja",
		Answer: transaction.Yes, Time: p.clock.Now(), Counter: 1, Verification: transaction.NoVerification, Nonce: [16]byte(random(16)), Token: o.benchToken.id}
	if o.decision, err = transaction.MakeDecision(d, p.deviceSigns); err != nil {
		return nil, err
	}
	body := `{"decision":"` + o.decision + `"}`
	proof, err := p.proof(o.benchToken, "POST", "/v1/decisions", body)
	return request(nil, "POST", p.tokenHost, "/v1/decisions", proof, body), err
}

// proof is the header that proves that a token makes a request.
func (w *benchWorld) proof(t benchToken, method, path, body string) (string, error) {
	dpop, err := signing.MakeProof(signing.Proof{Token: t.id, ID: base64.RawURLEncoding.EncodeToString(random(16)), Method: method, URL: w.tokenOrigin + path, Time: w.clock.Now(), Body: signing.BodyHash([]byte(body))}, w.deviceSigns)
	return "DPoP: " + dpop + "\r\n", err
}

func (w *benchWorld) deviceSigns(digest []byte) ([]byte, error) {
	r, s, err := ecdsa.Sign(rand.Reader, w.device, digest)
	if err != nil {
		return nil, err
	}
	return signing.Raw(r, s), nil
}

// approve sends a signed answer.
func (c *client) approve(request []byte) error {
	if err := c.send(request); err != nil {
		return err
	}
	answer, err := c.answer(http.StatusOK)
	if err == nil && !strings.HasPrefix(string(answer), `{"state":"approved",`) {
		err = fmt.Errorf("the answer to an approval is %s", answer)
	}
	return err
}

// consume has the bank's executor fetch the permit, under an identifier of its own.
func (p *payer) consume(o *order, request string) error {
	answer, err := p.bank.call(http.StatusOK, "POST", p.host, "/v1/transactions/"+o.id+"/consume", p.asBank(), `{"request":"`+request+`","customer":"`+o.ref+`",`+theOrder)
	if err != nil {
		return fmt.Errorf("consuming: %w", err)
	}
	var got struct {
		Permit string `json:"permit"`
	}
	if err := json.Unmarshal(answer, &got); err != nil || got.Permit == "" {
		return errors.Join(err, errors.New("no permit"))
	}
	o.permit = got.Permit
	p.given = append(p.given, *o)
	return nil
}

// cycle is the whole way of one transaction: four requests, of which the phone makes two.
func (p *payer) cycle() error {
	o, err := p.create()
	if err != nil {
		return err
	}
	if err := p.look(&o); err != nil {
		return err
	}
	decision, err := p.sign(&o)
	if err != nil {
		return err
	}
	if err := p.phone.approve(decision); err != nil {
		return err
	}
	return p.consume(&o, "exec-"+o.id)
}

// note keeps what the clients were given. A second permit for a transaction is the one thing that must never be.
func (l *transfers) note(all []*payer) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range all {
		for _, o := range p.given {
			if _, twice := l.permits[o.id]; twice {
				return fmt.Errorf("the transaction %s was given two permits", o.id)
			}
			l.permits[o.id] = sha256.Sum256([]byte(o.permit))
		}
		p.given = nil
	}
	return nil
}
