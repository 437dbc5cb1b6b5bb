package authority_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// sent is a decision on its way, with the proof that goes with it.
type sent struct {
	*payer
	made     authority.Transaction
	decision string
	proof    authority.Proof
	state    transaction.State
	err      error
}

// answer has the phone sign an answer and the request that brings it.
func (p *payer) answer(made authority.Transaction, a transaction.Answer, change ...func(d *transaction.Decision)) *sent {
	s := &sent{payer: p, made: made, decision: p.phone.Decision(made.Offer, a, change...)}
	s.proof = p.phone.Proof("POST", "/v1/decisions", []byte(s.decision))
	return s
}

func (s *sent) send(ctx context.Context) {
	s.state, _, s.err = s.Decide(ctx, s.proof, s.decision, "")
}

// decided counts what the trail tells of decisions about a transaction, by outcome and reason.
func (s *sent) decided(t *testing.T) map[string]int {
	t.Helper()
	out := map[string]int{}
	for _, e := range entries(t, s.World, s.browser) {
		if e.Action == string(audit.TransactionDecide) && e.Object == s.made.ID {
			out[e.Outcome+" "+e.Reason]++
		}
	}
	return out
}

// usedUp holds that the proof of a decision cannot be used once more, and that trying leaves no trace.
func (s *sent) usedUp(t *testing.T) {
	t.Helper()
	before := s.decided(t)
	if _, _, err := s.Decide(t.Context(), s.proof, s.decision, ""); problem.KindOf(err) != problem.ProofRefused {
		t.Errorf("%s: the proof of an answer is taken again: %v", s.ref, err)
	}
	if after := s.decided(t); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("%s: a repeated request leaves a trace of its own: %v, before %v", s.ref, after, before)
	}
}

// atOnce lets approvals arrive while every write that could take them is held up, so that they are committed together; change is what the held write does meanwhile, and what
// the approvals find when it is done. decoys are two approvals whose transactions change cancels: they hold up the writes.
func atOnce(t *testing.T, w *testkit.World, decoys [2]*sent, all []*sent, change func(ctx context.Context, tx *store.Tx) error) {
	t.Helper()
	ctx := t.Context()
	held, gate := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- w.Store.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
			for _, d := range decoys {
				if err := store.Must(tx.EndTxn(ctx, db.EndTxnParams{ID: d.made.ID, State: "cancelled", EndedAt: store.Micros(w.Clock.Now()), State_2: "pending"})); err != nil {
					return err
				}
			}
			if err := change(ctx, tx); err != nil {
				return err
			}
			close(held)
			<-gate
			return tx.Record(ctx, audit.Entry{ID: ident.New(ident.Entry, w.Clock.Now(), [10]byte{1}), At: w.Clock.Now(), Actor: audit.Actor{Kind: audit.Operator}, Action: audit.TransfersResume, Outcome: audit.Done})
		})
	}()
	select {
	case <-held:
	case err := <-done:
		t.Fatalf("the write that holds up the others: %v", err)
	}
	answered := make(chan struct{})
	arrive := func(some []*sent, waiting, running int) {
		for _, s := range some {
			go func() {
				s.send(ctx)
				answered <- struct{}{}
			}()
		}
		for {
			n, r := w.Approvals()
			if n == waiting && r == running {
				return
			}
			runtime.Gosched()
		}
	}
	writers := 1
	if !w.Store.Alone() {
		writers = 2
	}
	for i := range decoys { // one after the other, so that each has a write of its own where there are two
		n := max(0, i+1-writers)
		arrive(decoys[i:i+1], n, i+1-n)
	}
	arrive(all, len(all)+2-writers, writers)
	close(gate)
	for range len(all) + 2 {
		<-answered
	}
	if err := <-done; err != nil {
		t.Fatalf("the write that held up the others: %v", err)
	}
	for _, d := range decoys {
		if problem.KindOf(d.err) != problem.TransactionCancelled {
			t.Errorf("an approval of what was cancelled meanwhile: %s, %v", d.state, d.err)
		}
		d.usedUp(t)
	}
}

// crowd makes payers with a system of the bank that wants to be told, and phones that could be woken.
func crowd(t *testing.T, w *testkit.World, n int) []*payer {
	t.Helper()
	w.Pusher = &testkit.Pushes{}
	if _, err := w.CreateAPIClient(t.Context(), internetBank.ID, []string{"transaction:create"}, nil, "https://bank.example/told"); err != nil {
		t.Fatal(err)
	}
	all := make([]*payer, n)
	for i := range all {
		all[i] = newPayer(w, i+1)
	}
	return all
}

// told counts what waits to be told to the bank.
func told(t *testing.T, w *testkit.World) map[string]int {
	t.Helper()
	rows, err := w.Store.Reader().DueOutbox(t.Context(), db.DueOutboxParams{Now: store.Micros(w.Clock.Now()), Lane: "event", Most: 1000})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for _, r := range rows {
		if r.Topic == "event" {
			out[string(r.Sealed)]++
		}
	}
	return out
}

// Approvals of many customers that arrive together are one write. Whoever is refused in it is refused alone, with a trace and a proof that is used up; the others go through.
func TestApprovalsThatArriveTogether(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		people := crowd(t, w, 10)
		old := people[2].order()
		w.Clock.Move(w.Policy.TransactionLife - 2*time.Second)
		var all []*sent
		for i, p := range people {
			made := old
			if i != 2 {
				made = p.order()
			}
			all = append(all, p.answer(made, transaction.Yes))
		}
		decoys, all := [2]*sent{all[0], all[1]}, all[2:]
		late, locked, cancelled, grown, fine := all[0], all[1], all[2], all[3], all[4:]
		repeated := *fine[0] // the same request twice at once
		again := &sent{payer: fine[1].payer, made: fine[1].made, decision: fine[1].decision, proof: fine[1].phone.Proof("POST", "/v1/decisions", []byte(fine[1].decision))}
		other := fine[2].answer(fine[2].made, transaction.Yes) // another approval of the same
		atOnce(t, w, decoys, append(slices.Clone(all), &repeated, again, other), func(ctx context.Context, tx *store.Tx) error {
			w.Clock.Move(3 * time.Second)
			return errors.Join(
				store.Must(tx.SetTokenState(ctx, db.SetTokenStateParams{ID: locked.phone.Answer.Token, State: "locked", State_2: "active"})),
				store.Must(tx.EndTxn(ctx, db.EndTxnParams{ID: cancelled.made.ID, State: "cancelled", EndedAt: store.Micros(w.Clock.Now()), State_2: "pending"})),
				store.Must(tx.ConfirmTxnOffline(ctx, db.ConfirmTxnOfflineParams{ID: grown.made.ID, Token: grown.phone.Answer.Token, Offline: "x", ApprovedUntil: store.Micros(w.Clock.Now().Add(time.Minute)), Now: store.Micros(w.Clock.Now())})))
		})
		for s, want := range map[*sent]problem.Kind{late: problem.TransactionExpired, locked: problem.OTPLocked, cancelled: problem.TransactionCancelled} {
			if problem.KindOf(s.err) != want {
				t.Errorf("%s: %s, %v; want %s", s.ref, s.state, s.err, want)
			}
			if got := s.decided(t); got["refused "+string(want)] != 1 || len(got) != 1 {
				t.Errorf("%s: the trail tells %v", s.ref, got)
			}
			s.usedUp(t)
		}
		if grown.err != nil || grown.state != transaction.Approved {
			t.Errorf("a decision whose offline code came between: %s, %v", grown.state, grown.err)
		}
		if one, two := fine[0].err, repeated.err; (one == nil) == (two == nil) || one != nil && problem.KindOf(one) != problem.ProofRefused || two != nil && problem.KindOf(two) != problem.ProofRefused {
			t.Errorf("the same request twice: %v and %v", one, two)
		}
		if fine[1].err != nil || again.err != nil || again.state != transaction.Approved {
			t.Errorf("the same decision with two proofs: %v and %s, %v", fine[1].err, again.state, again.err)
		}
		if one, two := fine[2].err, other.err; (one == nil) == (two == nil) || one != nil && problem.KindOf(one) != problem.TransactionDecided || two != nil && problem.KindOf(two) != problem.TransactionDecided {
			t.Errorf("two approvals of one transaction: %v and %v", one, two)
		}
		events := told(t, w)
		for i, s := range fine {
			if i > 2 && (s.err != nil || s.state != transaction.Approved) {
				t.Errorf("%s: %s, %v", s.ref, s.state, s.err)
			}
			if got := s.decided(t); got["done "] < 1 || i > 2 && len(got) != 1 || i == 0 && got["done "] != 1 {
				t.Errorf("%s: the trail tells %v", s.ref, got)
			}
			if n := events["approved "+s.made.ID]; n != 1 {
				t.Errorf("%s: the bank is told %d times", s.ref, n)
			}
			x, err := w.ConsumeTransaction(ctx, internetBank, s.made.ID, s.execution("e"))
			if err != nil || x.Permit == "" || x.Grade != transaction.GradeA {
				t.Errorf("%s: %v", s.ref, err)
			}
			e, err := w.Evidence(ctx, internetBank, s.made.ID)
			if err != nil {
				t.Fatal(err)
			}
			if f, err := e.Verify(""); err != nil || f.Grade != transaction.GradeA || f.Permit == nil {
				t.Errorf("%s: the evidence: %v", s.ref, err)
			}
			s.usedUp(t)
		}
		if len(events) != len(fine) {
			t.Errorf("%d events for %d approvals", len(events), len(fine))
		}
		for began := time.Now(); ; runtime.Gosched() { // whoever writes has answered all and looks once more whether somebody waits
			n, r := w.Approvals()
			if n == 0 && r == 0 {
				break
			}
			if n != 0 || time.Since(began) > 30*time.Second {
				t.Fatalf("%d approvals wait, %d writes are under way", n, r)
			}
		}
	})
}

// One broken row closes the door to nobody but its own: the write that all share fails, and each is tried again alone.
func TestABrokenApprovalLeavesItsNeighboursAlone(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		people := crowd(t, w, 6)
		var all []*sent
		for _, p := range people {
			all = append(all, p.answer(p.order(), transaction.Yes))
		}
		broken := all[3]
		atOnce(t, w, [2]*sent{all[0], all[1]}, all[2:], func(ctx context.Context, tx *store.Tx) error {
			return tx.InsertEnvelope(ctx, db.InsertEnvelopeParams{Txn: broken.made.ID, Kind: "decision", Envelope: "whose is this?"})
		})
		events := told(t, w)
		for _, s := range all[2:] {
			if s == broken {
				continue
			}
			if s.err != nil || s.state != transaction.Approved {
				t.Errorf("%s: %s, %v", s.ref, s.state, s.err)
			}
			if got := s.decided(t); got["done "] != 1 || len(got) != 1 {
				t.Errorf("%s: the trail tells %v", s.ref, got)
			}
			if n := events["approved "+s.made.ID]; n != 1 {
				t.Errorf("%s: the bank is told %d times", s.ref, n)
			}
			s.usedUp(t)
		}
		if broken.err == nil || events["approved "+broken.made.ID] != 0 {
			t.Errorf("the broken one: %s, %v", broken.state, broken.err)
		}
		if x, err := w.ReadTransaction(t.Context(), internetBank, broken.made.ID); err != nil || x.State != transaction.Pending {
			t.Errorf("the broken one is %s, %v", x.State, err)
		}
		broken.usedUp(t)
	})
}

// However a decision is refused, its proof is used up and the refusal stands in the trail once.
func TestARefusedDecisionHasUsedUpItsProof(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		p, q := newPayer(w, 1), newPayer(w, 2)
		refused := func(name string, s *sent, want problem.Kind, traced bool) {
			t.Helper()
			if s.send(t.Context()); problem.KindOf(s.err) != want {
				t.Errorf("%s: %s, %v; want %s", name, s.state, s.err, want)
			}
			if got := s.decided(t); traced && got["refused "+string(want)] != 1 {
				t.Errorf("%s: the trail tells %v", name, got)
			}
			s.usedUp(t)
		}
		made := p.order()
		refused("another text", p.answer(made, transaction.Yes, func(d *transaction.Decision) { d.Display = d.Offer }), problem.DecisionRefused, true)
		refused("another's transaction", q.answer(made, transaction.Yes), problem.TransactionNone, false)
		unsigned := p.answer(made, transaction.Yes)
		unsigned.decision = unsigned.decision[:len(unsigned.decision)-8] + "AAAAAAAA"
		unsigned.proof = p.phone.Proof("POST", "/v1/decisions", []byte(unsigned.decision))
		refused("a decision that nobody signed", unsigned, problem.DecisionRefused, false)
		yes := p.answer(made, transaction.Yes)
		if yes.send(t.Context()); yes.err != nil {
			t.Fatal(yes.err)
		}
		yes.usedUp(t)
		refused("a second answer", p.answer(made, transaction.No), problem.TransactionDecided, true)
		late := p.order()
		w.Clock.Move(w.Policy.TransactionLife)
		for name, a := range map[string]transaction.Answer{"a late approval": transaction.Yes, "a late refusal": transaction.No} {
			s := p.answer(late, a)
			if s.send(t.Context()); problem.KindOf(s.err) != problem.TransactionExpired {
				t.Errorf("%s: %s, %v", name, s.state, s.err)
			}
			s.usedUp(t)
		}
		fenced := p.answer(p.order(), transaction.Yes)
		err := w.Store.Housekeep(t.Context(), func(ctx context.Context, tx *store.Tx) error { return tx.RaiseFence(ctx, store.Micros(w.Clock.Now())) })
		if err != nil {
			t.Fatal(err)
		}
		refused("what was made before the fence", fenced, problem.Conflict, true)
	})
}

// A write asks for no second connection of the pool: more decisions at once than there are connections, of every kind, each with something to tell the bank.
func TestDecisionsNeedOneConnectionEach(t *testing.T) {
	t.Parallel()
	s, err := store.OpenPostgres(t.Context(), testkit.PostgresAddress(t), 2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	w := testkit.New(t, s)
	people := crowd(t, w, 18)
	all := make([]*sent, len(people))
	answers := []transaction.Answer{transaction.Yes, transaction.No, transaction.NotMe}
	for i, p := range people {
		all[i] = p.answer(p.order(), answers[i%3])
	}
	together(len(all), func(i int) error {
		all[i].send(t.Context())
		return nil
	})
	for i, s := range all {
		if want := []transaction.State{transaction.Approved, transaction.Rejected, transaction.Reported}[i%3]; s.err != nil || s.state != want {
			t.Errorf("%s: %s, %v; want %s", s.ref, s.state, s.err, want)
		}
	}
}
