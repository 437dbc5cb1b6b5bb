package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
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
	fmt.Fprintln(tab, "\ta second min\tmedian\tmax\tp50 ms\tp99 ms\tprocessor ms\tto raw: min\tmedian\tmax\tto bare: min\tmedian\tmax\t")
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
		_, cpu, _ := spread(at.cpu)
		fmt.Fprintf(tab, "%s\t%.0f\t%.0f\t%.0f\t%.2f\t%.2f\t%.3f\t%s\t%s\t\n", at.name, lo, mid, hi, ms(p50), ms(p99), ms(cpu), toRaw, toBare)
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
	return l.straight(ctx, n, took, func(c *rawConn) error {
		i, _ := l.ticket(&l.rawSeq)
		t, id := l.tokens[i], newID(ident.Transaction, l.clock.Now())
		hash := signing.Hash(id)
		write := func(kind audit.ActorKind, by string, action audit.Action, envelope, text string, change func(q *db.Queries, now int64) error) error {
			at := l.clock.Now()
			now := store.Micros(at)
			return c.write(ctx, func(q *db.Queries) error {
				return errors.Join(change(q, now),
					q.InsertEnvelope(ctx, db.InsertEnvelopeParams{Txn: id, Kind: envelope, Envelope: text}),
					q.InsertEntry(ctx, db.InsertEntryParams{ID: newID(ident.Entry, at), At: now, ActorKind: string(kind), Actor: by, Action: string(action),
						Customer: t.customer, Object: id, Outcome: string(audit.Done), Device: "-", Source: "127.0.0.0/24", Detail: `{"template":"transfer"}`}))
			})
		}
		return errors.Join(
			write(audit.Bank, "bench", audit.TransactionCreate, "offer", l.sample.offer, func(q *db.Queries, now int64) error {
				return errors.Join(
					q.InsertTxn(ctx, db.InsertTxnParams{ID: id, Customer: t.customer, Client: "bench", Template: "transfer", DocumentHash: hash, Offer: hash, DisplayJa: hash, DisplayEn: hash,
						Bundle: l.templates.Hash, CreatedAt: now, ExpiresAt: now + time.Minute.Microseconds()}),
					q.InsertIdempotency(ctx, db.InsertIdempotencyParams{Client: "bench", ID: id, RequestHash: []byte(hash[:32]), Object: id, CreatedAt: now}))
			}),
			write(audit.Token, t.id, audit.TransactionDecide, "decision", l.sample.decision, func(q *db.Queries, now int64) error {
				return store.Must(q.DecideTxn(ctx, db.DecideTxnParams{ID: id, State: "approved", Token: t.id, Decision: hash, Grade: "A", Language: "ja", ApprovedUntil: now + time.Minute.Microseconds(), Now: now}))
			}),
			write(audit.Bank, "bench", audit.TransactionConsume, "permit", l.sample.permit, func(q *db.Queries, now int64) error {
				return store.Must(q.ConsumeTxn(ctx, db.ConsumeTxnParams{ID: id, Request: id, Permit: hash, Now: now}))
			}))
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
	if _, err := l.held(ctx, "SELECT x.id, e.envelope FROM txn x JOIN txn_envelope e ON e.txn = x.id WHERE x.state = 'pending' AND e.kind = 'offer'", func(id, offer string) bool { offers[id] = offer; return true }); err != nil {
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
		return nil
	})
	if err != nil {
		return sample{}, err
	}
	todo := slices.Concat(decisions...)
	type span struct{ from, to time.Time }
	seen := make([][]span, n)
	var next atomic.Int64
	used := processorTime()
	err = everybody(all, func(i int, p *payer) (err error) {
		p.phone.close() // the server does not wait long for the first request of a connection
		if p.phone, err = l.dial(ctx); err != nil {
			p.phone = p.bank
			return err
		}
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
	used = processorTime() - used
	// From the first fifth, which warms up, until the first client has nothing left to do.
	spans := slices.SortedFunc(slices.Values(slices.Concat(seen...)), func(a, b span) int { return a.to.Compare(b.to) })
	spans = spans[len(spans)/5 : len(spans)-n]
	took := make([]time.Duration, len(spans))
	for i, s := range spans {
		took[i] = s.to.Sub(s.from)
	}
	slices.Sort(took)
	s := sample{rate: float64(len(spans)-1) / spans[len(spans)-1].to.Sub(spans[0].to).Seconds(), p50: took[len(took)/2], p99: took[len(took)*99/100], cpu: used / time.Duration(len(todo))}
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
	consumed, err := l.held(ctx, "SELECT x.id, e.envelope FROM txn x JOIN txn_envelope e ON e.txn = x.id WHERE x.state = 'consumed' AND e.kind = 'permit'", func(id, permit string) bool {
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
