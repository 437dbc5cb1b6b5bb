package authority_test

import (
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/incident"
	"github.com/inkan-auth/inkan/internal/domain/order"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// customerOf is the identifier of a customer by her login ID.
func customerOf(t *testing.T, w *testkit.World, loginID string) (id, ref string) {
	t.Helper()
	c, err := w.Store.Reader().CustomerByLoginID(t.Context(), loginID)
	if err != nil {
		t.Fatal(err)
	}
	return c.ID, c.Ref
}

// stopped is a customer whose service the bank has stopped.
func stopped(t *testing.T, w *testkit.World, n int) string {
	t.Helper()
	id, ref := customerOf(t, w, w.Person(n, false))
	_, err := w.StopByBank(t.Context(), theBank, ref, "fraud")
	want(t, "stopping", err, "")
	return id
}

// stands says whether a customer's service stands still.
func stands(t *testing.T, w *testkit.World, id string) bool {
	t.Helper()
	c, err := w.Store.Reader().CustomerByID(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return c.StoppedAt > 0
}

func askRestart(t *testing.T, d *testkit.Desk, customer string) authority.Order {
	t.Helper()
	o, err := d.W.AskOrder(t.Context(), d.StaffSession, "service.restart", map[string]string{"customer": customer}, "窓口で本人を確認しました")
	want(t, "asking", err, "")
	return o
}

// What one asks another person carries out, once; the customer's service runs again, and both are on record (C-70, C-71).
func TestAnOrderIsCarriedOutByASecondPerson(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		clerk, checker, other := w.SignedIn(staff.Clerk), w.SignedIn(staff.Checker), w.SignedIn(staff.Checker)
		id := stopped(t, w, 1)
		o := askRestart(t, clerk, id)
		if o.State != order.Asked || o.Customer != id || !o.Mine || o.MayCheck || o.Detail["stopped"] == "" || o.Expires.Sub(o.Created) != 30*time.Minute || len(o.Hash) != 64 {
			t.Errorf("asked: %+v", o)
		}
		if again := askRestart(t, clerk, id); again.ID != o.ID {
			t.Error("the same button twice makes two orders")
		}
		_, err := w.AskOrder(ctx, w.SignedIn(staff.Clerk).StaffSession, "service.restart", map[string]string{"customer": id}, "x")
		if p := want(t, "another asks for the same", err, problem.OrderOpen); p.Values["id"] != o.ID {
			t.Errorf("the open one is %v", p.Values["id"])
		}
		seen, err := w.Order(ctx, checker.StaffSession, o.ID)
		if err != nil || !seen.MayCheck || seen.Mine || seen.Hash != o.Hash || seen.MakerName != clerk.Name {
			t.Fatalf("the checker sees %+v, %v", seen, err)
		}
		for _, hash := range []string{"", "00", strings.Repeat("0", 64), o.Hash[:62] + "00", askRestart(t, clerk, stopped(t, w, 2)).Hash} {
			_, err := w.CheckOrder(ctx, checker.StaffSession, o.ID, hash, true, "")
			want(t, "another hash", err, problem.OrderStale)
		}
		_, err = w.CheckOrder(ctx, checker.StaffSession, o.ID, o.Hash, false, " ")
		want(t, "declined without a reason", err, problem.Malformed)
		if !stands(t, w, id) {
			t.Fatal("it runs before anybody has checked")
		}
		done, err := w.CheckOrder(ctx, checker.StaffSession, o.ID, o.Hash, true, "")
		if err != nil || done.State != order.Carried || done.Checker != checker.Staff || stands(t, w, id) {
			t.Fatalf("carried out: %+v, %v", done, err)
		}
		if done, err = w.CheckOrder(ctx, checker.StaffSession, o.ID, o.Hash, true, ""); err != nil || done.State != order.Carried {
			t.Errorf("the same decision again, because the answer was lost: %v", err)
		}
		_, err = w.CheckOrder(ctx, other.StaffSession, o.ID, o.Hash, true, "")
		want(t, "another carries it out again", err, problem.OrderOver)
		_, err = w.CheckOrder(ctx, checker.StaffSession, o.ID, o.Hash, false, "doch nicht")
		want(t, "declined after it was carried out", err, problem.OrderOver)
		want(t, "withdrawn after it was carried out", w.WithdrawOrder(ctx, clerk.StaffSession, o.ID), problem.OrderOver)
		if e := trailOf(t, w, id, audit.ServiceRestart); len(e) != 1 || e[0].Actor.Kind != audit.Staff || e[0].Actor.ID != checker.Staff {
			t.Errorf("the restart is on record as %+v", e)
		}
		if e := trailOf(t, w, id, audit.OrderCarry); e[len(e)-1].Detail["hash"] != o.Hash || e[len(e)-1].Object != o.ID {
			t.Errorf("the order is on record as %+v", e)
		}
		if sentTo(t, w, "service_restarted")["hanako@example.jp"]+len(sentTo(t, w, "service_restarted")) == 0 {
			t.Error("the customer is not told")
		}
	})
}

// After 身に覚えがない her transfers stand still until two persons have looked into it (B-03): one asks, another lets them go on, and she is told. Nothing else of hers is touched.
func TestTransfersGoOnByTwo(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		p := newPayer(w, 1)
		desk, checker := w.SignedIn(staff.Fraud), w.SignedIn(staff.Checker)
		c, err := w.Store.Reader().CustomerByRef(ctx, p.ref)
		want(t, "reading her", err, "")
		ask := func(d *testkit.Desk) (authority.Order, error) {
			return w.AskOrder(ctx, d.StaffSession, "transfers.resume", map[string]string{"customer": c.ID}, "お客さまと電話で確認しました")
		}
		_, err = ask(desk)
		want(t, "what is not stopped", err, problem.TransfersRunning)
		report := func() {
			t.Helper()
			if _, err := p.phone.Send(p.phone.Decision(p.order().Offer, transaction.NotMe)); err != nil {
				t.Fatal(err)
			}
			_, err := w.CreateTransaction(ctx, internetBank, "order-after", p.transfer())
			want(t, "a transfer after the report", err, problem.TransfersStopped)
		}
		report()
		_, err = ask(w.SignedIn(staff.Auditor))
		want(t, "an auditor asks", err, problem.Forbidden)
		_, err = ask(desk)
		want(t, "before anybody has looked into it", err, problem.IncidentOpen)
		looked := func() {
			t.Helper()
			id := queue(t, desk)[incident.Reported][0].ID
			want(t, "taking it", w.TakeIncident(ctx, desk.StaffSession, id, ""), "")
			want(t, "closing it", w.CloseIncident(ctx, desk.StaffSession, id, incident.FalseAlarm, "ご本人の思い違い"), "")
		}
		looked()
		first, err := ask(desk)
		want(t, "asking", err, "")
		_, err = w.CheckOrder(ctx, desk.StaffSession, first.ID, first.Hash, true, "")
		want(t, "the desk by itself", err, problem.Forbidden)

		// What was stopped again meanwhile is another stop: nobody has looked into that one.
		want(t, "the operator lets them go on", w.ResumeTransfers(ctx, p.ref), "")
		w.Clock.Move(time.Minute)
		report()
		_, err = w.CheckOrder(ctx, checker.StaffSession, first.ID, first.Hash, true, "")
		want(t, "carrying out what was asked for the stop before, while the new one is open", err, problem.IncidentOpen)
		looked()
		_, err = w.CheckOrder(ctx, checker.StaffSession, first.ID, first.Hash, true, "")
		want(t, "carrying out what was asked for the stop before", err, problem.OrderStale)
		want(t, "withdrawing it", w.WithdrawOrder(ctx, desk.StaffSession, first.ID), "")

		o, err := ask(desk)
		want(t, "asking again", err, "")
		if _, err := w.LookUp(ctx, checker.StaffSession, authority.Look{By: authority.ByRef, Ref: p.ref}); err != nil {
			t.Fatal(err)
		}
		if v, err := w.CustomerAtDesk(ctx, checker.StaffSession, c.ID); err != nil || v.Resume == nil || v.Resume.ID != o.ID || v.Restart != nil {
			t.Errorf("her page shows %+v, %v", v.Resume, err)
		}
		told := func() (n int) {
			for _, times := range sentTo(t, w, "transfers_resumed") {
				n += times
			}
			return n
		}
		before := told() // of the operator's hand
		if done, err := w.CheckOrder(ctx, checker.StaffSession, o.ID, o.Hash, true, ""); err != nil || done.State != order.Carried {
			t.Fatalf("carried out: %+v, %v", done, err)
		}
		if e := trailOf(t, w, c.ID, audit.TransfersResume); e[len(e)-1].Actor.ID != checker.Staff {
			t.Errorf("it is on record as %+v", e)
		}
		if now := told(); before == 0 || now != 2*before {
			t.Errorf("she is told %d times by the operator's hand and then %d", before, now-before)
		}
		p.order()
	})
}

// trailOf is the lines of the trail about a customer with an action, the oldest first.
func trailOf(t *testing.T, w *testkit.World, customer string, a audit.Action) (out []audit.Entry) {
	t.Helper()
	rows, err := w.Store.Reader().EntriesOf(t.Context(), entriesOf(customer))
	if err != nil {
		t.Fatal(err)
	}
	for i := len(rows) - 1; i >= 0; i-- {
		if e := store.Entry(rows[i]); e.Action == a {
			out = append(out, e)
		}
	}
	return out
}

// Nobody checks what she asked for herself: not under her own login, not under a second one, not in the same session, not with a role that has both acts; and nobody whose standing has changed meanwhile
// (C-71, R-102).
func TestNobodyChecksHerOwnOrder(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		boss := w.SignedInAs(authority.NewStaff{Name: "本田 和子", Person: "B-1", Branch: "101", Role: staff.Supervisor})
		alias := w.SignedInAs(authority.NewStaff{Name: "本田 かず子", Person: "B-1", Role: staff.Checker})
		clerk, checker := w.SignedIn(staff.Clerk), w.SignedIn(staff.Checker)
		id := stopped(t, w, 1)
		o := askRestart(t, boss, id)
		for name, d := range map[string]*testkit.Desk{"herself": boss, "her second login": alias} {
			for _, yes := range []bool{true, false} {
				_, err := w.CheckOrder(ctx, d.StaffSession, o.ID, o.Hash, yes, "いいえ")
				want(t, name, err, problem.OrderOwn)
			}
			if seen, err := w.Order(ctx, d.StaffSession, o.ID); err != nil || seen.MayCheck || !seen.Mine {
				t.Errorf("%s is offered to check: %+v, %v", name, seen, err)
			}
		}
		first := boss.StaffSession
		want(t, "signing in again", boss.SignIn(), "")
		_, err := w.CheckOrder(ctx, boss.StaffSession, o.ID, o.Hash, true, "")
		want(t, "in another session", err, problem.OrderOwn)
		_, err = w.CheckOrder(ctx, first, o.ID, o.Hash, true, "")
		want(t, "in the session that is over", err, problem.SessionOver)
		_, err = w.CheckOrder(ctx, clerk.StaffSession, o.ID, o.Hash, true, "")
		want(t, "a clerk checks", err, problem.Forbidden)
		_, err = w.AskOrder(ctx, checker.StaffSession, "service.restart", map[string]string{"customer": id}, "x")
		want(t, "a checker asks", err, problem.Forbidden)
		want(t, "somebody else withdraws", w.WithdrawOrder(ctx, alias.StaffSession, o.ID), problem.Forbidden)
		for name, s := range map[string]authority.StaffSession{"administrator": w.SignedIn(staff.Administrator).StaffSession} {
			_, err := w.Order(ctx, s, o.ID)
			want(t, name+" looks at an order about a customer", err, problem.NotFound)
			if list, _, err := w.Orders(ctx, s, authority.OrdersOpen, ""); err != nil || len(list) != 0 {
				t.Errorf("%s sees %v, %v", name, list, err)
			}
		}

		want(t, "suspending the maker", w.SuspendStaff(ctx, "operator", boss.Member.ID), "")
		_, err = w.CheckOrder(ctx, checker.StaffSession, o.ID, o.Hash, true, "")
		want(t, "the maker is suspended", err, problem.OrderMaker)
		want(t, "resuming her", w.ResumeStaff(ctx, "operator", boss.Member.ID), "")
		want(t, "suspending the checker", w.SuspendStaff(ctx, "operator", checker.Member.ID), "")
		_, err = w.CheckOrder(ctx, checker.StaffSession, o.ID, o.Hash, true, "")
		want(t, "the checker is suspended", err, problem.SessionOver)
		if !stands(t, w, id) {
			t.Fatal("the service runs")
		}
		second := w.SignedIn(staff.Supervisor)
		want(t, "a fence", w.RaiseFence(ctx), "")
		w.Clock.Move(time.Second)
		want(t, "signing in after a fence", second.SignIn(), "")
		_, err = w.CheckOrder(ctx, second.StaffSession, o.ID, o.Hash, true, "")
		want(t, "asked before a fence", err, problem.Conflict)
	})
}

// What has changed since it was asked is asked anew; what nobody has checked within half an hour is over; who asked can take it back.
func TestAnOrderIsOverOrStale(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		clerk, checker := w.SignedIn(staff.Clerk), w.SignedIn(staff.Checker)
		id := stopped(t, w, 1)
		c, err := w.Store.Reader().CustomerByID(ctx, id)
		want(t, "reading", err, "")
		o := askRestart(t, clerk, id)
		want(t, "restarting elsewhere", w.RestartService(ctx, c.Ref), "")
		_, err = w.CheckOrder(ctx, checker.StaffSession, o.ID, o.Hash, true, "")
		want(t, "it runs already", err, problem.ServiceRunning)
		w.Clock.Move(time.Minute)
		_, err = w.StopByBank(ctx, theBank, c.Ref, "fraud")
		want(t, "stopping again", err, "")
		_, err = w.CheckOrder(ctx, checker.StaffSession, o.ID, o.Hash, true, "")
		want(t, "that is another stop", err, problem.OrderStale)
		want(t, "withdrawing", w.WithdrawOrder(ctx, clerk.StaffSession, o.ID), "")
		want(t, "withdrawing twice", w.WithdrawOrder(ctx, clerk.StaffSession, o.ID), "")
		_, err = w.CheckOrder(ctx, checker.StaffSession, o.ID, o.Hash, true, "")
		if p := want(t, "what was withdrawn", err, problem.OrderOver); p.Values["state"] != "withdrawn" {
			t.Errorf("%v", p.Values)
		}

		o = askRestart(t, clerk, id)
		w.Clock.Move(30*time.Minute - time.Second)
		want(t, "signing in", checker.SignIn(), "")
		declined, err := w.CheckOrder(ctx, checker.StaffSession, o.ID, o.Hash, false, "書類が足りません")
		if err != nil || declined.State != order.Declined || declined.CheckerReason != "書類が足りません" || !stands(t, w, id) {
			t.Errorf("declined: %+v, %v", declined, err)
		}
		want(t, "signing in", clerk.SignIn(), "")
		o = askRestart(t, clerk, id)
		w.Clock.Move(30 * time.Minute)
		want(t, "signing in", checker.SignIn(), "")
		want(t, "signing in", clerk.SignIn(), "")
		_, err = w.CheckOrder(ctx, checker.StaffSession, o.ID, o.Hash, true, "")
		if p := want(t, "after half an hour", err, problem.OrderOver); p.Values["state"] != "expired" {
			t.Errorf("%v", p.Values)
		}
		next := askRestart(t, clerk, id) // in the place of the one that is over
		if next.ID == o.ID {
			t.Error("an order that is over lives on")
		}
		w.Clock.Move(30 * time.Minute)
		want(t, "sweeping", w.SweepDue(ctx), "")
		want(t, "signing in", clerk.SignIn(), "")
		list, _, err := w.Orders(ctx, clerk.StaffSession, authority.OrdersDecided, "")
		if err != nil || len(list) != 4 || list[0].ID != next.ID || list[0].State != order.Expired || list[1].State != order.Expired || list[2].State != order.Declined || list[3].State != order.Withdrawn {
			t.Errorf("decided: %+v, %v", list, err)
		}
		if e := trailOf(t, w, id, audit.OrderExpire); len(e) != 2 {
			t.Errorf("%d orders ended by time, want 2", len(e))
		}
		for _, bad := range []string{"", "x", "ord_1", clerk.Staff} {
			_, err := w.Order(ctx, clerk.StaffSession, bad)
			want(t, "no order", err, problem.NotFound)
		}
		_, err = w.AskOrder(ctx, clerk.StaffSession, "bank.rob", nil, "x")
		want(t, "no such kind", err, problem.NotFound)
		_, err = w.AskOrder(ctx, clerk.StaffSession, "service.restart", map[string]string{"customer": "cus_1"}, "x")
		want(t, "nobody", err, problem.NotFound)
		for _, reason := range []string{"", " \t ", strings.Repeat("長", 301), "a\x00b"} {
			_, err = w.AskOrder(ctx, clerk.StaffSession, "service.restart", map[string]string{"customer": id}, reason)
			want(t, "the reason "+reason, err, problem.Malformed)
		}
	})
}

// Two checkers, one who declines and one who carries out, and the maker who takes it back, all at once: one of them decides, and what is written is what happened.
func TestAnOrderIsDecidedOnce(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		node := w.Another()
		clerk, a, b, c := w.SignedIn(staff.Clerk), w.SignedIn(staff.Checker), w.SignedIn(staff.Checker), w.SignedIn(staff.Supervisor)
		id := stopped(t, w, 1)
		cus, err := w.Store.Reader().CustomerByID(ctx, id)
		want(t, "reading", err, "")
		n := rounds(t, 25)
		if long() {
			n = 1000
		}
		for round := range n {
			if !stands(t, w, id) {
				_, err := w.StopByBank(ctx, theBank, cus.Ref, "fraud")
				want(t, "stopping", err, "")
			}
			o := askRestart(t, clerk, id)
			errs := together(4, func(i int) (err error) {
				switch i {
				case 0:
					_, err = w.CheckOrder(ctx, a.StaffSession, o.ID, o.Hash, true, "")
				case 1:
					_, err = node.CheckOrder(ctx, b.StaffSession, o.ID, o.Hash, true, "")
				case 2:
					_, err = node.CheckOrder(ctx, c.StaffSession, o.ID, o.Hash, false, "いいえ")
				case 3:
					err = w.WithdrawOrder(ctx, clerk.StaffSession, o.ID)
				}
				return err
			})
			done := 0
			for _, err := range errs {
				if k := problem.KindOf(err); err == nil {
					done++
				} else if k != problem.OrderOver && k != problem.Conflict {
					t.Fatalf("round %d: %v", round, err)
				}
			}
			after, err := w.Order(ctx, clerk.StaffSession, o.ID)
			if err != nil || done != 1 {
				t.Fatalf("round %d: %d have decided, %v", round, done, err)
			}
			if (after.State == order.Carried) == stands(t, w, id) {
				t.Fatalf("round %d: it is %s, and the service stands still: %t", round, after.State, stands(t, w, id))
			}
		}
	})
}

func entriesOf(customer string) db.EntriesOfParams {
	return db.EntriesOfParams{Customer: customer, ID: "ent_~", Limit: 500}
}
