package authority_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/signing"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/store/db"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// internetBank is the system of the bank in these stories.
var internetBank = audit.Actor{Kind: audit.Bank, ID: "internet-bank", Device: "-", Source: "192.0.2.0/24"}

// payer is a customer with a token and transaction authentication, and her phone.
type payer struct {
	*testkit.World
	ref     string
	browser *testkit.Browser
	phone   *testkit.Phone
	orders  int
}

func newPayer(w *testkit.World, n int) *payer {
	w.T.Helper()
	b := w.LogIn(w.Person(n, false), authority.PC)
	p := &payer{World: w, ref: fmt.Sprintf("0101-1-%07d", 1234566+n), browser: b, phone: b.Enrol()}
	w.Clock.Move(time.Minute)
	if err := w.AddTransactionAuth(w.T.Context(), b.Session, p.phone.Code()); err != nil {
		w.T.Fatalf("adding transaction authentication: %v", err)
	}
	return p
}

// transfer is what the bank's customer entered.
func (p *payer) transfer() authority.NewTransaction {
	return authority.NewTransaction{Ref: p.ref, Template: "transfer", Currency: "JPY", Fields: map[string]string{"from.account": "本店 普通 1234567", "payee.bank": "みどり銀行", "payee.bank_code": "0991",
		"payee.branch": "駅前支店", "payee.branch_code": "101", "payee.type": "ordinary", "payee.account": "7654321", "payee.name": "ﾔﾏﾀﾞ ﾀﾛｳ", "amount": "250000", "fee": "165", "date": "2026-11-25"}}
}

// order has the bank ask for a transfer.
func (p *payer) order() authority.Transaction {
	p.T.Helper()
	p.orders++
	t, err := p.CreateTransaction(p.T.Context(), internetBank, fmt.Sprintf("order-%s-%d", p.ref, p.orders), p.transfer())
	if err != nil {
		p.T.Fatalf("creating a transaction: %v", err)
	}
	return t
}

// execution is the same order as the bank's executor reads it from its own books.
func (p *payer) execution(request string) authority.Execution {
	n := p.transfer()
	return authority.Execution{Request: request, Ref: n.Ref, Template: n.Template, Currency: n.Currency, Fields: n.Fields}
}

func refusedAs(t *testing.T, err error, kind problem.Kind) *problem.Error {
	t.Helper()
	got, ok := problem.Of(err)
	if !ok || got.Kind != kind {
		t.Fatalf("got %v, want %s", err, kind)
	}
	return got
}

// The whole of M-07: what the bank asks for appears on the phone, is approved there, and comes out as a permit once; the evidence proves it without us.
func TestTransferIsApprovedOnThePhone(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		p := newPayer(w, 1)
		made := p.order()
		if made.State != transaction.Pending || !strings.Contains(made.DisplayJA, "受取人名: ヤマダ タロウ") || !strings.Contains(made.DisplayJA, "金額: 250,000円") {
			t.Fatalf("made %s:\n%s", made.State, made.DisplayJA)
		}
		got := p.phone.Transactions()
		if len(got.Pending) != 1 || got.Pending[0].Offer != made.Offer || got.Bundle == nil {
			t.Fatalf("the phone sees %d transactions", len(got.Pending))
		}
		waited := make(chan authority.Transaction, 1)
		go func() {
			x, err := w.WaitTransaction(ctx, internetBank, made.ID, transaction.Pending, 10*time.Second)
			if err != nil {
				t.Errorf("waiting: %v", err)
			}
			waited <- x
		}()
		decision := p.phone.Decision(got.Pending[0].Offer, transaction.Yes)
		for range 3 { // the answer is lost twice
			if s, err := p.phone.Send(decision); err != nil || s != transaction.Approved {
				t.Fatalf("approving: %s, %v", s, err)
			}
		}
		if x := <-waited; x.State != transaction.Approved || x.Grade != transaction.GradeA {
			t.Fatalf("the bank's page sees %s, grade %q", x.State, x.Grade)
		}
		if _, err := p.phone.Send(p.phone.Decision(made.Offer, transaction.No)); problem.KindOf(err) != problem.TransactionDecided {
			t.Errorf("a second answer: %v", err)
		}
		var permit string
		for range 3 {
			x, err := w.ConsumeTransaction(ctx, internetBank, made.ID, p.execution("exec-1"))
			if err != nil || x.Permit == "" || permit != "" && x.Permit != permit {
				t.Fatalf("the permit: %v", err)
			}
			permit = x.Permit
		}
		_, err := w.ConsumeTransaction(ctx, internetBank, made.ID, p.execution("exec-2"))
		refusedAs(t, err, problem.TransactionConsumed)

		e, err := w.Evidence(ctx, internetBank, made.ID)
		if err != nil {
			t.Fatal(err)
		}
		f, err := e.Verify(w.Keys.Issuer().RootThumbprint)
		if err != nil || f.Grade != transaction.GradeA || f.Shown != made.DisplayJA || f.Permit == nil || f.Permit.Request != "exec-1" || f.Permit.Customer != p.ref {
			t.Fatalf("the evidence: %+v, %v", f, err)
		}
	})
}

// The attacker in the browser, or between any two of the steps: whatever he alters is refused where he alters it, and the trail says where.
func TestAlteredTransferIsStopped(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		p := newPayer(w, 1)
		// Between the customer and the bank: the phone shows what the bank was told, and she sees the other payee.
		n := p.transfer()
		n.Fields["payee.account"], n.Fields["payee.name"] = "6666666", "ワルイ ヤツ"
		altered, err := w.CreateTransaction(ctx, internetBank, "altered", n)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(altered.DisplayJA, "6666666") || !strings.Contains(altered.DisplayJA, "ワルイ ヤツ") {
			t.Error("the phone does not show what would be carried out")
		}
		if s, err := p.phone.Send(p.phone.Decision(altered.Offer, transaction.No, func(d *transaction.Decision) { d.Reason = "wrong_payee" })); err != nil || s != transaction.Rejected {
			t.Fatalf("rejecting: %s %v", s, err)
		}
		_, err = w.ConsumeTransaction(ctx, internetBank, altered.ID, authority.Execution{Request: "x", Ref: n.Ref, Template: n.Template, Currency: n.Currency, Fields: n.Fields})
		refusedAs(t, err, problem.TransactionNotApproved)

		// Between create and approve: an approval of anything but these bytes, as offered and as shown, does not hold.
		made := p.order()
		for name, change := range map[string]func(d *transaction.Decision){
			"another document": func(d *transaction.Decision) { d.Document = signing.Hash("x") }, "another offer": func(d *transaction.Decision) { d.Offer = signing.Hash(altered.Offer) },
			"another text": func(d *transaction.Decision) { d.Display = signing.Hash(altered.DisplayJA) }, "other templates": func(d *transaction.Decision) { d.Bundle = signing.Hash("x") },
			"the other language": func(d *transaction.Decision) { d.Language = "en" }, "another transaction": func(d *transaction.Decision) { d.Transaction = altered.ID },
		} {
			_, err := p.phone.Send(p.phone.Decision(made.Offer, transaction.Yes, change))
			if k := problem.KindOf(err); k != problem.DecisionRefused {
				t.Errorf("%s: %v", name, err)
			}
		}
		thief := testkit.NewPhone(w)
		thief.Answer, thief.Keys = p.phone.Answer, p.phone.Keys
		if _, err := thief.Send(thief.Decision(made.Offer, transaction.Yes)); problem.KindOf(err) != problem.ProofRefused {
			t.Errorf("another key: %v", err)
		}
		stolen := thief.Decision(made.Offer, transaction.Yes)
		if _, _, err := w.Decide(ctx, p.phone.Proof("POST", "/v1/decisions", []byte(stolen)), stolen, ""); problem.KindOf(err) != problem.DecisionRefused {
			t.Errorf("another key inside her request: %v", err)
		}
		other := newPayer(w, 2)
		if _, err := other.phone.Send(other.phone.Decision(made.Offer, transaction.Yes)); problem.KindOf(err) != problem.TransactionNone {
			t.Errorf("another customer: %v", err)
		}
		proof := p.phone.Proof("POST", "/v1/decisions", nil) // a proof over another body
		yes := p.phone.Decision(made.Offer, transaction.Yes)
		proof.Body = []byte(yes)
		if _, _, err := w.Decide(ctx, proof, yes, ""); problem.KindOf(err) != problem.ProofRefused {
			t.Errorf("a proof over another body: %v", err)
		}
		if x, err := w.ReadTransaction(ctx, internetBank, made.ID); err != nil || x.State != transaction.Pending {
			t.Fatalf("after all these: %s, %v", x.State, err)
		}

		// Between approve and consume: the executor is about to carry out something else.
		if _, err := p.phone.Send(yes); err != nil {
			t.Fatal(err)
		}
		for field, value := range map[string]string{"payee.account": "7654322", "amount": "2500000", "payee.name": "ヤマダ ジロウ", "payee.bank_code": "0992", "payee.branch": "駅前支店2", "date": "2026-11-26", "fee": "0", "from.account": "本店 普通 1234568"} {
			e := p.execution("exec")
			e.Fields = maps.Clone(e.Fields)
			e.Fields[field] = value
			_, err := w.ConsumeTransaction(ctx, internetBank, made.ID, e)
			if got := refusedAs(t, err, problem.PermitMismatch); got.Values["field"] != field {
				t.Errorf("%s altered: it names %v", field, got.Values["field"])
			}
		}
		for name, change := range map[string]func(e *authority.Execution){"currency": func(e *authority.Execution) { e.Currency = "USD" }, "template": func(e *authority.Execution) { e.Template = "payee" },
			"customer": func(e *authority.Execution) { e.Ref = other.ref }, "sender.name": func(e *authority.Execution) { e.Fields["sender.name"] = "ワタシ" }, "fee": func(e *authority.Execution) { delete(e.Fields, "fee") }} {
			e := p.execution("exec")
			change(&e)
			if _, err := w.ConsumeTransaction(ctx, internetBank, made.ID, e); problem.KindOf(err) != problem.PermitMismatch {
				t.Errorf("%s altered: %v", name, err)
			}
		}
		alarms := 0
		for _, e := range entries(t, w, p.browser) {
			if e.Action == string(audit.TransactionAlarm) && e.Object == made.ID {
				alarms++
			}
		}
		if alarms != 13 {
			t.Errorf("%d alarms on record, want 13", alarms)
		}
		// Another system of the bank sees nothing and can do nothing.
		stranger := internetBank
		stranger.ID = "other"
		for name, try := range map[string]func() error{
			"read":     func() error { _, err := w.ReadTransaction(ctx, stranger, made.ID); return err },
			"cancel":   func() error { _, err := w.CancelTransaction(ctx, stranger, made.ID); return err },
			"consume":  func() error { _, err := w.ConsumeTransaction(ctx, stranger, made.ID, p.execution("e")); return err },
			"offline":  func() error { _, err := w.ConfirmOffline(ctx, stranger, made.ID, "00000000"); return err },
			"evidence": func() error { _, err := w.Evidence(ctx, stranger, made.ID); return err },
		} {
			if problem.KindOf(try()) != problem.TransactionNone {
				t.Errorf("%s by another system: %v", name, try())
			}
		}
		if x, err := w.ConsumeTransaction(ctx, internetBank, made.ID, p.execution("exec")); err != nil || x.State != transaction.Consumed {
			t.Fatalf("the honest order: %s, %v", x.State, err)
		}
	})
}

// approve ∥ reject ∥ report ∥ cancel ∥ consume ∥ offline ∥ expire on one transaction: one end, at most one permit.
func TestTransactionEndsOnce(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		p := newPayer(w, 1)
		nodes := []*testkit.World{w}
		if !w.Store.Alone() {
			nodes = append(nodes, w.Another())
		}
		rounds := 40
		if long() {
			rounds = 1000
		}
		ends := map[transaction.State]int{}
		for round := range rounds {
			made := p.order()
			if round%2 == 1 {
				if s, err := p.phone.Send(p.phone.Decision(made.Offer, transaction.Yes)); err != nil || s != transaction.Approved {
					t.Fatalf("approving: %s, %v", s, err)
				}
			}
			node := func(i int) *testkit.World { return nodes[i%len(nodes)] }
			decisions := []string{p.phone.Decision(made.Offer, transaction.Yes), p.phone.Decision(made.Offer, transaction.No), p.phone.Decision(made.Offer, transaction.Yes)}
			if round%5 == 0 {
				decisions = append(decisions, p.phone.Decision(made.Offer, transaction.NotMe))
			}
			var tries []func(i int) error
			for _, d := range decisions {
				proof := p.phone.Proof("POST", "/v1/decisions", []byte(d))
				tries = append(tries, func(i int) error { _, _, err := node(i).Decide(ctx, proof, d, ""); return err })
			}
			var mu sync.Mutex
			permits := map[string]bool{}
			consume := func(i int) error {
				x, err := node(i).ConsumeTransaction(ctx, internetBank, made.ID, p.execution(fmt.Sprintf("exec-%d", i)))
				if err == nil {
					mu.Lock()
					permits[x.Permit] = true
					mu.Unlock()
				}
				return err
			}
			tries = append(tries, consume, consume, consume, func(i int) error {
				_, err := node(i).ConfirmOffline(ctx, internetBank, made.ID, p.phone.Offline(made.Offer))
				return err
			})
			if round%3 == 0 {
				tries = append(tries, func(i int) error { _, err := node(i).CancelTransaction(ctx, internetBank, made.ID); return err })
			}
			if round%7 == 0 {
				tries = append(tries, func(i int) error { w.Clock.Move(6 * time.Minute); return node(i).SweepDue(ctx) })
			}
			var wg sync.WaitGroup
			for i, try := range tries {
				wg.Go(func() {
					if err := try(i); err != nil && problem.KindOf(err) == "" {
						t.Errorf("a failure instead of a refusal: %v", err)
					}
				})
			}
			wg.Wait()
			x, err := w.ReadTransaction(ctx, internetBank, made.ID)
			if err != nil {
				t.Fatal(err)
			}
			if len(permits) > 1 || len(permits) == 1 && x.State != transaction.Consumed {
				t.Fatalf("round %d: %d permits and the state %s", round, len(permits), x.State)
			}
			ends[x.State]++
			if x.State == transaction.Approved || x.State == transaction.Pending {
				if _, err := w.CancelTransaction(ctx, internetBank, made.ID); err != nil {
					t.Fatal(err)
				}
			}
			if e, err := w.Evidence(ctx, internetBank, made.ID); err != nil {
				t.Fatal(err)
			} else if _, err := e.Verify(""); err != nil {
				t.Fatalf("round %d, %s: the evidence does not hold: %v", round, x.State, err)
			}
			if err := w.ResumeTransfers(ctx, p.ref); err != nil && problem.KindOf(err) != problem.TransfersRunning {
				t.Fatal(err)
			}
		}
		t.Logf("ends: %v", ends)
	})
}

// 身に覚えがない: everything of this customer stops at once and everybody on her addresses is told.
func TestReportStopsTransfers(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		p := newPayer(w, 1)
		first := p.order()
		if _, err := p.phone.Send(p.phone.Decision(first.Offer, transaction.Yes)); err != nil {
			t.Fatal(err)
		}
		second := p.order()
		if s, err := p.phone.Send(p.phone.Decision(second.Offer, transaction.NotMe, func(d *transaction.Decision) { d.Reason = "not_me" })); err != nil || s != transaction.Reported {
			t.Fatalf("reporting: %s, %v", s, err)
		}
		// The approved one that waited is withdrawn: nothing of hers is carried out any more.
		_, err := w.ConsumeTransaction(ctx, internetBank, first.ID, p.execution("e"))
		if got := refusedAs(t, err, problem.TransactionNotApproved); got.Values["state"] != "cancelled" {
			t.Errorf("the approved one is %v", got.Values["state"])
		}
		_, err = w.CreateTransaction(ctx, internetBank, "more", p.transfer())
		refusedAs(t, err, problem.TransfersStopped)
		if got, err := w.TransactionAuthOf(ctx, p.ref); err != nil || !got.Stopped {
			t.Errorf("the bank is told %+v, %v", got, err)
		}
		if _, err := w.DeliverDue(ctx); err != nil {
			t.Fatal(err)
		}
		told := 0
		for _, m := range w.Post.Sent() {
			if m.Subject == "transaction_reported" {
				told++
			}
		}
		if told != 1 {
			t.Errorf("%d mails tell of the report", told)
		}
		if found, err := w.Reports(ctx, internetBank, time.Time{}); err != nil || len(found) != 1 || found[0].ID != second.ID || found[0].Reason != "not_me" || found[0].Customer != p.ref {
			t.Errorf("the bank's list of reports: %v, %v", found, err)
		}
		if found, err := w.Reports(ctx, audit.Actor{Kind: audit.Bank, ID: "other"}, time.Time{}); err != nil || len(found) != 0 {
			t.Errorf("another system's list: %v, %v", found, err)
		}
		if err := w.ResumeTransfers(ctx, p.ref); err != nil {
			t.Fatal(err)
		}
		third := p.order()
		w.Clock.Move(6 * time.Minute) // too late to answer, never too late to report
		if _, err := p.phone.Send(p.phone.Decision(third.Offer, transaction.NotMe)); problem.KindOf(err) != problem.TransactionExpired {
			t.Errorf("a late report: %v", err)
		}
		_, err = w.CreateTransaction(ctx, internetBank, "again", p.transfer())
		refusedAs(t, err, problem.TransfersStopped)
	})
}

// A phone without a network shows eight digits; later the signed decision makes grade A of grade B.
func TestOfflineCode(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		p := newPayer(w, 1)
		made := p.order()
		offer, err := transaction.FromQR(made.QR)
		if err != nil || offer != made.Offer {
			t.Fatalf("the QR code gives another offer: %v", err)
		}
		code := p.phone.Offline(offer)
		wrong := "0" + code[1:]
		if wrong == code {
			wrong = "1" + code[1:]
		}
		_, err = w.ConfirmOffline(ctx, internetBank, made.ID, wrong)
		if got := refusedAs(t, err, problem.OfflineWrong); got.Values["tries_left"] != 2 {
			t.Errorf("%v tries left", got.Values["tries_left"])
		}
		for range 2 { // the answer is lost
			if x, err := w.ConfirmOffline(ctx, internetBank, made.ID, code); err != nil || x.State != transaction.Approved || x.Grade != transaction.GradeB {
				t.Fatalf("confirming: %s %q, %v", x.State, x.Grade, err)
			}
		}
		if x, err := w.ConsumeTransaction(ctx, internetBank, made.ID, p.execution("e1")); err != nil || x.State != transaction.Consumed {
			t.Fatal(err)
		}
		verify := func(want transaction.Grade) {
			t.Helper()
			e, err := w.Evidence(ctx, internetBank, made.ID)
			if err != nil {
				t.Fatal(err)
			}
			if f, err := e.Verify(""); err != nil || f.Grade != want || f.Permit == nil {
				t.Fatalf("grade %q, %v; want %q", f.Grade, err, want)
			}
		}
		verify(transaction.GradeB)
		decision := p.phone.Decision(offer, transaction.Yes)
		w.Clock.Move(48 * time.Hour)
		for range 2 {
			if s, err := p.phone.Send(decision); err != nil || s != transaction.Approved {
				t.Fatalf("the signed decision follows: %s, %v", s, err)
			}
		}
		verify(transaction.GradeA)

		// Three wrong codes are all that one transaction takes, however many come at once, and ten all that a day takes.
		total := 0
		for round := range 5 {
			made := p.order()
			right := p.phone.Offline(made.Offer)
			var wg sync.WaitGroup
			var mu sync.Mutex
			for i := range 12 {
				wg.Go(func() {
					_, err := w.ConfirmOffline(ctx, internetBank, made.ID, fmt.Sprintf("%08d", i))
					k := problem.KindOf(err)
					mu.Lock()
					defer mu.Unlock()
					if k == problem.OfflineWrong || k == problem.OfflineBlocked && errors.Is(err, problem.New(problem.OfflineBlocked)) {
						return
					}
					t.Errorf("round %d: %v", round, err)
				})
			}
			wg.Wait()
			_, err := w.ConfirmOffline(ctx, internetBank, made.ID, right)
			refusedAs(t, err, problem.OfflineBlocked)
			if x, err := w.ReadTransaction(ctx, internetBank, made.ID); err != nil || x.State != transaction.Pending {
				t.Fatalf("%s, %v", x.State, err)
			}
			if _, err := w.CancelTransaction(ctx, internetBank, made.ID); err != nil {
				t.Fatal(err)
			}
			total += 3
		}
	})
}

// The same request twice is one; the same key with another request is refused; one transaction waits at a time.
func TestTransactionRequests(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		p := newPayer(w, 1)
		ids := make([]string, 20)
		var wg sync.WaitGroup
		for i := range ids {
			wg.Go(func() {
				x, err := w.CreateTransaction(ctx, internetBank, "one-key", p.transfer())
				if err != nil {
					t.Errorf("the same request at once: %v", err)
				}
				ids[i] = x.ID
			})
		}
		wg.Wait()
		for _, id := range ids {
			if id != ids[0] {
				t.Fatal("one request made two transactions")
			}
		}
		n := p.transfer()
		n.Fields["amount"] = "1"
		_, err := w.CreateTransaction(ctx, internetBank, "one-key", n)
		refusedAs(t, err, problem.IdempotencyConflict)
		_, err = w.CreateTransaction(ctx, internetBank, "another-key", p.transfer())
		if got := refusedAs(t, err, problem.TransactionPending); got.Values["id"] != ids[0] {
			t.Errorf("it names %v", got.Values["id"])
		}
		other := internetBank
		other.ID = "other"
		_, err = w.CreateTransaction(ctx, other, "one-key", p.transfer())
		if got := refusedAs(t, err, problem.TransactionPending); got.Values["id"] != nil {
			t.Error("another system learns the identifier")
		}
		for _, key := range []string{"", "with space", strings.Repeat("x", 65), "ä"} {
			_, err := w.CreateTransaction(ctx, internetBank, key, p.transfer())
			refusedAs(t, err, problem.Malformed)
		}
		w.Clock.Move(6 * time.Minute) // no worker has run
		if x, err := w.ReadTransaction(ctx, internetBank, ids[0]); err != nil || x.State != transaction.Expired {
			t.Fatalf("%s, %v", x.State, err)
		}
		if _, err := p.phone.Send(p.phone.Decision(firstOffer(t, w, ids[0]), transaction.Yes)); problem.KindOf(err) != problem.TransactionExpired {
			t.Errorf("approving what has expired: %v", err)
		}
		made := p.order()
		if _, err := p.phone.Send(p.phone.Decision(made.Offer, transaction.Yes)); err != nil {
			t.Fatal(err)
		}
		w.Clock.Move(w.Policy.ApprovalLife + time.Second)
		_, err = w.ConsumeTransaction(ctx, internetBank, made.ID, p.execution("late"))
		refusedAs(t, err, problem.TransactionLapsed)
		if err := w.SweepDue(ctx); err != nil {
			t.Fatal(err)
		}
		if x, err := w.ReadTransaction(ctx, internetBank, made.ID); err != nil || x.State != transaction.Lapsed {
			t.Fatalf("%s, %v", x.State, err)
		}
		// What fits no template is refused with the field.
		for field, value := range map[string]string{"payee.account": "12a", "amount": "-1", "payee.name": "山田", "date": "tomorrow", "payee.type": "gold", "payee.bank": "‮knab"} {
			n := p.transfer()
			n.Fields[field] = value
			_, err := w.CreateTransaction(ctx, internetBank, "bad-"+strings.ReplaceAll(field, ".", "-"), n)
			if got := refusedAs(t, err, problem.FieldsRefused); got.Values["field"] != field {
				t.Errorf("%s: it names %v", field, got.Values["field"])
			}
		}
	})
}

func firstOffer(t *testing.T, w *testkit.World, id string) string {
	t.Helper()
	x, err := w.ReadTransaction(t.Context(), internetBank, id)
	if err != nil {
		t.Fatal(err)
	}
	return x.Offer
}

// Nobody is asked who has not added it, whose token is not in use, or who is stopped; and nothing goes on when the token ends.
func TestTransactionsNeedAToken(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		id := w.Person(1, false)
		b := w.LogIn(id, authority.PC)
		p := &payer{World: w, ref: "0101-1-1234567", browser: b}
		_, err := w.CreateTransaction(ctx, internetBank, "k1", p.transfer())
		refusedAs(t, err, problem.TokenNone)
		phone := b.Registered()
		_, err = w.CreateTransaction(ctx, internetBank, "k2", p.transfer())
		refusedAs(t, err, problem.TokenNone)
		if err := b.Start(phone.Code()); err != nil {
			t.Fatal(err)
		}
		p.phone = phone
		_, err = w.CreateTransaction(ctx, internetBank, "k3", p.transfer())
		refusedAs(t, err, problem.TransactionAuthOff)
		w.Clock.Move(time.Minute)
		refusedAs(t, w.AddTransactionAuth(ctx, b.Session, phone.Wrong()), problem.OTPWrong)
		for range 2 { // a second click
			code := phone.Code()
			if err := w.AddTransactionAuth(ctx, b.Session, code); err != nil {
				t.Fatal(err)
			}
			w.Clock.Move(time.Minute)
		}
		made := p.order()
		if _, err := phone.Send(phone.Decision(made.Offer, transaction.Yes)); err != nil {
			t.Fatal(err)
		}
		if err := b.Stop(phone); err != nil {
			t.Fatal(err)
		}
		if x, err := w.ReadTransaction(ctx, internetBank, made.ID); err != nil || x.State != transaction.Cancelled {
			t.Fatalf("after the stop: %s, %v", x.State, err)
		}
		if _, err := phone.Send(phone.Decision(made.Offer, transaction.No)); problem.KindOf(err) != problem.TokenNone {
			t.Errorf("a stopped token: %v", err)
		}
		_, err = w.CreateTransaction(ctx, internetBank, "k4", p.transfer())
		refusedAs(t, err, problem.TokenNone)
		_, err = w.CreateTransaction(ctx, internetBank, "k5", authority.NewTransaction{Ref: "nobody", Template: "transfer", Currency: "JPY", Fields: p.transfer().Fields})
		refusedAs(t, err, problem.NotFound)
	})
}

// long says whether this is the long run.
func long() bool { return os.Getenv("INKAN_TEST_LONG") != "" }

// entries are the whole trail of a customer, the newest first.
func entries(t *testing.T, w *testkit.World, b *testkit.Browser) []db.AuditEntry {
	t.Helper()
	rows, err := w.Store.Reader().EntriesOf(t.Context(), db.EntriesOfParams{Customer: b.Customer, ID: "~", Limit: 10000})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}
