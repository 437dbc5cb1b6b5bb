package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/signing"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

const (
	approvers  = 64                    // clients that send decisions which were signed beforehand
	pageRate   = 22                    // how often the bank's page is waited for, for each second that a line has: some 200 times in all, unless told otherwise
	pageSettle = 20 * time.Millisecond // until its call surely waits
)

func benchTransaction(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	b := benchFlags{clients: []int{8, 64}}
	if err := b.parse("transaction", args, stderr); err != nil {
		return err
	}
	return b.each(ctx, stdout, b.runTransactions)
}

// runTransactions measures one engine: every line in turn in every round, as for one-time passwords.
func (b benchFlags) runTransactions(ctx context.Context, engine string, stdout io.Writer) error {
	w, err := newBenchWorld(ctx, engine, b)
	if err != nil {
		return err
	}
	defer w.close()
	l := &transfers{benchWorld: w, permits: map[string][sha256.Size]byte{}}
	if err := l.specimen(ctx); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s: %s; %d tokens; %d rounds of %g s a line\n", engine, w.about, b.tokens, b.rounds, b.seconds)
	took := time.Duration(b.seconds * float64(time.Second))
	bare := &line{name: fmt.Sprintf("bare ES256 verification, %d processors", runtime.GOMAXPROCS(0))}
	raw := &line{name: fmt.Sprintf("raw writes of a cycle, %d connections", rawClients)}
	approvals := &line{name: fmt.Sprintf("approvals alone, %d clients", approvers)}
	lines := []*line{bare, raw}
	for _, n := range b.clients {
		lines = append(lines, &line{name: fmt.Sprintf("whole cycles, %d clients", n)})
	}
	lines = append(lines, approvals)
	var page []time.Duration
	for range b.rounds {
		for i, at := range lines {
			w.clock.reach(w.clock.step() + 1)
			var s sample
			switch at {
			case bare:
				s, err = w.bare(took)
			case raw:
				s, err = l.raw(ctx, rawClients, took)
			case approvals:
				s, err = l.approvals(ctx, approvers, int(bare.rate[len(bare.rate)-1]*b.seconds*0.3))
			default:
				s, err = l.cycles(ctx, b.clients[i-2], took)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", at.name, err)
			}
			at.add(s)
		}
		seen, err := l.page(ctx, max(5, int(pageRate*b.seconds)))
		if err != nil {
			return fmt.Errorf("from the approval to the bank's page: %w", err)
		}
		page = append(page, seen...)
	}
	proof, err := l.prove(ctx)
	if err != nil {
		return err
	}
	tab := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tab, "\ta second min\tmedian\tmax\tp50 ms\tp99 ms\tto raw: min\tmedian\tmax\tto bare: min\tmedian\tmax\t")
	for _, at := range lines {
		lo, mid, hi := spread(at.rate)
		_, p50, _ := spread(at.p50)
		_, p99, _ := spread(at.p99)
		toRaw, toBare := "\t\t", "\t\t" // a verification is compared with no write, and a cycle with no verification
		if at != bare && at != approvals {
			toRaw = three(ratios(at.rate, raw.rate))
		}
		if at == bare || at == approvals {
			toBare = three(ratios(at.rate, bare.rate))
		}
		fmt.Fprintf(tab, "%s\t%.0f\t%.0f\t%.0f\t%.2f\t%.2f\t%s\t%s\t\n", at.name, lo, mid, hi, ms(p50), ms(p99), toRaw, toBare)
	}
	if err := tab.Flush(); err != nil {
		return err
	}
	slices.Sort(page)
	fmt.Fprintf(stdout, "from the approval to the bank's page, server idle: p50 %.1f ms, p99 %.1f ms, longest %.1f ms, of %d\n", ms(page[len(page)/2]), ms(page[len(page)*99/100]), ms(page[len(page)-1]), len(page))
	fmt.Fprintf(stdout, "%s\n\n", strings.Join(proof, "\n"))
	return nil
}

func three(v []float64) string {
	lo, mid, hi := spread(v)
	return fmt.Sprintf("%.2f\t%.2f\t%.2f", lo, mid, hi)
}

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

// specimen lets one transaction go the whole way, so that the raw rows are as long as the server's.
func (l *transfers) specimen(ctx context.Context) error {
	all, stop, err := l.payers(ctx, 1)
	defer stop()
	if err != nil {
		return err
	}
	if err := all[0].cycle(); err != nil {
		return err
	}
	l.sample = all[0].given[0]
	return l.note(all)
}

// bare verifies signatures and does nothing else, on every processor.
func (w *benchWorld) bare(took time.Duration) (sample, error) {
	digest := sha256.Sum256([]byte("inkan"))
	r, s, err := ecdsa.Sign(rand.Reader, w.device, digest[:])
	if err != nil {
		return sample{}, err
	}
	return measure(runtime.GOMAXPROCS(0), took, func(int) (func() error, error) {
		return func() error {
			if !ecdsa.Verify(&w.device.PublicKey, digest[:], r, s) {
				return errors.New("a right signature does not hold")
			}
			return nil
		}, nil
	})
}

// raw writes what one cycle leaves in the database, straight through the driver: three transactions, because the order, the approval and the permit each leave the server only when they are
// durable. Nothing is read, signed or verified, and the use of proofs is not written.
func (l *transfers) raw(ctx context.Context, n int, took time.Duration) (sample, error) {
	l.rawDB.SetMaxOpenConns(n)
	l.rawDB.SetMaxIdleConns(n)
	begin := "BEGIN"
	if l.engine == "sqlite" {
		begin = "BEGIN IMMEDIATE" // a reader that turns into a writer would be refused instead of waiting
	}
	var conns []*rawConn
	defer func() {
		for _, c := range conns {
			c.close()
		}
	}()
	return measure(n, took, func(int) (func() error, error) {
		conn, err := l.rawDB.Conn(ctx)
		if err != nil {
			return nil, err
		}
		c := &rawConn{Conn: conn, stmts: map[string]*sql.Stmt{}}
		conns = append(conns, c)
		q := db.New(c)
		write := func(kind audit.ActorKind, by string, action audit.Action, t benchToken, id string, change func(now int64) error) error {
			now := l.clock.Now()
			if _, err := conn.ExecContext(ctx, begin); err != nil {
				return err
			}
			if err := change(store.Micros(now)); err != nil {
				return err
			}
			err := q.InsertEntry(ctx, db.InsertEntryParams{ID: newID(ident.Entry, now), At: store.Micros(now), ActorKind: string(kind), Actor: by, Action: string(action),
				Customer: t.customer, Object: id, Outcome: string(audit.Done), Device: "-", Source: "127.0.0.0/24", Detail: `{"template":"transfer"}`})
			if err != nil {
				return err
			}
			_, err = conn.ExecContext(ctx, "COMMIT")
			return err
		}
		return func() error {
			i, _ := l.ticket(&l.rawSeq)
			t, id := l.tokens[i], newID(ident.Transaction, l.clock.Now())
			hash := signing.Hash(id)
			return errors.Join(
				write(audit.Bank, "bench", audit.TransactionCreate, t, id, func(now int64) error {
					return errors.Join(
						q.InsertTxn(ctx, db.InsertTxnParams{ID: id, Customer: t.customer, Client: "bench", DocumentHash: hash, Offer: l.sample.offer, Bundle: l.templates.Hash, CreatedAt: now, ExpiresAt: now + time.Minute.Microseconds()}),
						q.InsertIdempotency(ctx, db.InsertIdempotencyParams{Client: "bench", ID: id, RequestHash: []byte(hash[:32]), Object: id, CreatedAt: now}))
				}),
				write(audit.Token, t.id, audit.TransactionDecide, t, id, func(now int64) error {
					return store.Must(q.DecideTxn(ctx, db.DecideTxnParams{ID: id, State: "approved", Token: t.id, Decision: l.sample.decision, Grade: "A", Language: "ja", ApprovedUntil: now + time.Minute.Microseconds(), Now: now}))
				}),
				write(audit.Bank, "bench", audit.TransactionConsume, t, id, func(now int64) error {
					return store.Must(q.ConsumeTxn(ctx, db.ConsumeTxnParams{ID: id, Request: id, Permit: l.sample.permit, Now: now}))
				}))
		}, nil
	})
}

// cycles lets n clients take transactions the whole way, one after another.
func (l *transfers) cycles(ctx context.Context, n int, took time.Duration) (sample, error) {
	all, stop, err := l.payers(ctx, n)
	defer stop()
	if err != nil {
		return sample{}, err
	}
	s, err := measure(n, took, func(i int) (func() error, error) { return all[i].cycle, nil })
	return s, errors.Join(err, l.note(all))
}

// everybody runs f for each client at the same time.
func everybody(all []*payer, f func(i int, p *payer) error) error {
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, p := range all {
		wg.Go(func() { errs[i] = f(i, p) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// approvals measures the one request that a customer waits for with her finger on the screen. Transactions and their signed decisions are made before, permits fetched after.
func (l *transfers) approvals(ctx context.Context, n, count int) (sample, error) {
	all, stop, err := l.payers(ctx, n)
	defer stop()
	if err != nil {
		return sample{}, err
	}
	each := max(4, min(count, len(l.tokens))/n)
	orders, decisions := make([][]order, n), make([][][]byte, n)
	err = everybody(all, func(i int, p *payer) error {
		for range each {
			o, err := p.create()
			if err != nil {
				return err
			}
			orders[i] = append(orders[i], o)
		}
		return nil
	})
	if err != nil {
		return sample{}, err
	}
	// Fetching each offer as the phone does would only make the preparation longer.
	offers := make(map[string]string, n*each)
	if _, err := l.held(ctx, "SELECT id, offer FROM txn WHERE state = 'pending'", func(id, offer string) bool { offers[id] = offer; return true }); err != nil {
		return sample{}, err
	}
	err = everybody(all, func(i int, p *payer) (err error) {
		for at := range orders[i] {
			o := &orders[i][at]
			o.offer = offers[o.id]
			d, err := p.sign(o)
			if err != nil {
				return err
			}
			decisions[i] = append(decisions[i], d)
		}
		p.phone.close() // the server does not wait long for the first request of a connection
		p.phone, err = l.dial(ctx)
		return err
	})
	if err != nil {
		return sample{}, err
	}
	todo := slices.Concat(decisions...)
	type span struct{ from, to time.Time }
	seen := make([][]span, n)
	var next atomic.Int64
	err = everybody(all, func(i int, p *payer) error {
		for {
			at := int(next.Add(1) - 1)
			if at >= len(todo) {
				return nil
			}
			s := span{from: time.Now()}
			if err := p.phone.approve(todo[at]); err != nil {
				return err
			}
			s.to = time.Now()
			seen[i] = append(seen[i], s)
		}
	})
	if err != nil {
		return sample{}, err
	}
	// From the first fifth, which warms up, until the first client has nothing left to do.
	spans := slices.SortedFunc(slices.Values(slices.Concat(seen...)), func(a, b span) int { return a.to.Compare(b.to) })
	spans = spans[len(spans)/5 : len(spans)-n]
	took := make([]time.Duration, len(spans))
	for i, s := range spans {
		took[i] = s.to.Sub(s.from)
	}
	slices.Sort(took)
	s := sample{rate: float64(len(spans)-1) / spans[len(spans)-1].to.Sub(spans[0].to).Seconds(), p50: took[len(took)/2], p99: took[len(took)*99/100]}
	err = everybody(all, func(i int, p *payer) error {
		for _, o := range orders[i] {
			if err := p.consume(&o, "exec-"+o.id); err != nil {
				return err
			}
		}
		return nil
	})
	return s, errors.Join(err, l.note(all))
}

// page measures how long the bank's page, which holds a call open, does not know yet that the customer has approved.
func (l *transfers) page(ctx context.Context, n int) ([]time.Duration, error) {
	all, stop, err := l.payers(ctx, 2)
	defer stop()
	if err != nil {
		return nil, err
	}
	p, waiting := all[0], all[1].bank
	took := make([]time.Duration, 0, n)
	for range n {
		o, err := p.create()
		if err != nil {
			return nil, err
		}
		if err := p.look(&o); err != nil {
			return nil, err
		}
		decision, err := p.sign(&o)
		if err != nil {
			return nil, err
		}
		if err := waiting.send(request(nil, "GET", l.host, "/v1/transactions/"+o.id+"?wait=25&state=pending", l.asBank(), "")); err != nil {
			return nil, err
		}
		time.Sleep(pageSettle)
		began := time.Now()
		told := make(chan error, 1)
		go func() { told <- p.phone.approve(decision) }()
		answer, err := waiting.answer(http.StatusOK)
		took = append(took, time.Since(began))
		if err := errors.Join(err, <-told); err != nil {
			return nil, err
		}
		if !strings.Contains(string(answer), `"state":"approved"`) {
			return nil, fmt.Errorf("the bank's page was told %s", answer)
		}
		if err := p.consume(&o, "exec-"+o.id); err != nil {
			return nil, err
		}
	}
	return took, l.note(all)
}

// prove tries permits by many executors at once and the same proofs again, and holds the clients' ledger against what the server wrote.
func (l *transfers) prove(ctx context.Context) ([]string, error) {
	const races, at = 20, 8
	all, stop, err := l.payers(ctx, at)
	defer stop()
	if err != nil {
		return nil, err
	}
	for range races {
		o, err := all[0].create()
		if err == nil {
			err = all[0].look(&o)
		}
		if err != nil {
			return nil, err
		}
		decision, err := all[0].sign(&o)
		if err != nil {
			return nil, err
		}
		var sent, refused, given, late atomic.Int64
		err = everybody(all, func(_ int, p *payer) error {
			err := p.phone.approve(decision)
			switch {
			case err == nil:
				sent.Add(1)
			case errors.Is(err, refusal(problem.ProofRefused)):
				refused.Add(1)
				return nil
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		err = everybody(all, func(i int, p *payer) error {
			mine := o
			err := p.consume(&mine, fmt.Sprintf("exec-%d-%s", i, o.id))
			switch {
			case err == nil:
				given.Add(1)
			case errors.Is(err, refusal(problem.TransactionConsumed)):
				late.Add(1)
				return nil
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		if sent.Load() != 1 || refused.Load() != at-1 || given.Load() != 1 || late.Load() != at-1 {
			return nil, fmt.Errorf("one request of a phone sent %d times at once was taken %d times; %d executors at once were given %d permits", at, sent.Load(), at, given.Load())
		}
	}
	if err := l.note(all); err != nil {
		return nil, err
	}
	consumed, err := l.held(ctx, "SELECT id, permit FROM txn WHERE state = 'consumed'", func(id, permit string) bool {
		given, ok := l.permits[id]
		return ok && given == sha256.Sum256([]byte(permit))
	})
	if err != nil {
		return nil, err
	}
	entries, err := l.held(ctx, "SELECT object, id FROM audit_entry WHERE action = 'transaction.consume' AND outcome = 'done'", func(id, _ string) bool {
		_, ok := l.permits[id]
		return ok
	})
	if err != nil {
		return nil, err
	}
	if consumed != len(l.permits) || entries != len(l.permits) {
		return nil, fmt.Errorf("clients were given %d permits, %d transactions are consumed, %d audit entries say so", len(l.permits), consumed, entries)
	}
	return []string{
		fmt.Sprintf("exactly once: %d permits given = %d transactions consumed, permit by permit = %d audit entries, one for each", len(l.permits), consumed, entries),
		fmt.Sprintf("%d decisions sent %d times at once with one proof: each taken once; %d permits fetched %d times at once: each given once", races, at, races, at)}, nil
}

// held reads pairs whose first halves must all be different, and each of which must be right.
func (l *transfers) held(ctx context.Context, query string, right func(a, b string) bool) (int, error) {
	rows, err := l.live.QueryContext(ctx, query)
	if err != nil {
		return 0, err
	}
	defer func() { _ = rows.Close() }()
	seen := map[string]bool{}
	for rows.Next() {
		var a, b string
		if err := rows.Scan(&a, &b); err != nil {
			return 0, err
		}
		if seen[a] || !right(a, b) {
			return 0, fmt.Errorf("what the server wrote about %s is not what its clients were told", a)
		}
		seen[a] = true
	}
	return len(seen), rows.Err()
}
