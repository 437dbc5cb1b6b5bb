package authority_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/store/db"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// freeze has two administrators move a kill switch.
func freeze(t *testing.T, maker, checker *testkit.Desk, k authority.KillSwitch, on bool) {
	t.Helper()
	for _, d := range []*testkit.Desk{maker, checker} {
		want(t, "signing in", d.SignIn(), "")
	}
	o, err := maker.W.AskOrder(t.Context(), maker.StaffSession, "switch.set", map[string]any{"name": k, "frozen": on}, "障害の調査")
	want(t, "asking for a switch", err, "")
	_, err = checker.W.CheckOrder(t.Context(), checker.StaffSession, o.ID, o.Hash, true, "")
	want(t, "moving a switch", err, "")
}

// While registrations are frozen no thief brings a phone or a passkey of his own in, at whichever step he stands and on whichever node; what is in use goes on, and afterwards everything does (C-70).
func TestFrozenRegistrationsOpenNothingNew(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx, other := t.Context(), w.Another()
		maker, checker := w.SignedIn(staff.Administrator), w.SignedIn(staff.Administrator)
		user := newPayer(w, 1)                                  // whose token is in use
		ordered := w.LogIn(w.Person(2, false), authority.PC)    // who has applied
		registered := w.LogIn(w.Person(3, false), authority.PC) // who has registered her phone
		fresh := w.LogIn(w.Person(4, false), authority.PC)      // who comes now
		want(t, "applying", w.Apply(ctx, ordered.Session, []byte(testkit.Confirm)), "")
		key, err := w.RegistrationKey(ctx, ordered.Session, false)
		want(t, "the key", err, "")
		number := w.MailedNumber()
		phone := registered.Registered()
		errand, err := w.Ask(ctx, user.browser.Session, authority.AddPasskey, "")
		want(t, "asking for a passkey", err, "")
		user.browser.Approve(errand, user.phone, transaction.Yes)
		device := testkit.NewAuthenticator()
		options, err := w.PasskeyOptions(ctx, user.browser.Session, errand.ID)
		want(t, "options", err, "")
		made := device.Create(options, testkit.LoginOrigin)
		fingered := newPayer(w, 5)
		want(t, "a finger before", fingered.phone.SetVerifier(counting()), "")
		word, finger := user.phone.Verifier(counting())
		next, nextMade := fingered.phone.Verifier(counting())
		removal := fingered.phone.Removal()

		freeze(t, maker, checker, authority.Registrations, true)
		for _, node := range []*testkit.World{w, other} {
			want(t, "applying", node.Apply(ctx, fresh.Session, []byte(testkit.Confirm)), problem.RegistrationsFrozen)
			_, err = node.StartToken(ctx, registered.Session, phone.Code())
			want(t, "starting", err, problem.RegistrationsFrozen)
			_, err = node.Ask(ctx, user.browser.Session, authority.AddPasskey, "")
			if k := problem.KindOf(err); k != problem.RegistrationsFrozen {
				t.Errorf("asking for another passkey: %v", err)
			}
			_, err = node.AskByMail(ctx, fresh.Session, authority.AddPasskey, []byte(testkit.Login), []byte(testkit.Confirm))
			want(t, "a passkey by mail", err, problem.RegistrationsFrozen)
		}
		late := testkit.NewPhone(w)
		want(t, "registering", late.Register(late.Scan(key.Link, number)), problem.RegistrationsFrozen)
		_, err = w.BeginMove(ctx, user.phone.Proof("POST", "/api/v1/token/move", nil))
		want(t, "moving", err, problem.RegistrationsFrozen)
		_, err = other.AddPasskey(ctx, user.browser.Session, errand.ID, "", made)
		want(t, "adding a passkey", err, problem.RegistrationsFrozen)
		_, err = other.SetVerifier(ctx, user.phone.Proof("PUT", "/v1/verifier", finger), word, finger, "")
		want(t, "a first finger", err, problem.RegistrationsFrozen)
		_, err = w.SetVerifier(ctx, fingered.phone.Proof("PUT", "/v1/verifier", nextMade), next, nextMade, fingered.phone.Finger.Assert(next))
		want(t, "another finger, confirmed by the first", err, problem.RegistrationsFrozen)
		want(t, "removing a finger", w.RemoveVerifier(ctx, fingered.phone.Proof("POST", "/v1/verifier/removal", nil), removal, fingered.phone.Finger.Assert(removal)), "")
		w.Clock.Move(time.Minute)
		want(t, "a code of a token in use", w.VerifyOTP(ctx, theBank, user.ref, user.phone.Code()), "")
		user.order()
		states, err := w.Switches(ctx)
		if err != nil || len(states) != 2 || !states[0].Frozen || states[0].Name != authority.Registrations || states[1].Frozen {
			t.Errorf("%+v, %v", states, err)
		}

		freeze(t, maker, checker, authority.Registrations, false)
		want(t, "registering after", late.Register(late.Scan(key.Link, number)), "")
		_, err = w.StartToken(ctx, registered.Session, phone.Code())
		want(t, "starting after: no try was counted", err, "")
		want(t, "a finger after", user.phone.SetVerifier(counting()), "")
		want(t, "applying after", w.Apply(ctx, fresh.Session, []byte(testkit.Confirm)), "")
	})
}

// While transfers are frozen nothing is asked, approved or carried out, whatever was there before; whoever wants to say no, or that it was not her, is heard; and what was approved before is carried out
// after, in its time.
func TestFrozenTransfersMoveNothing(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx, other := t.Context(), w.Another()
		maker, checker := w.SignedIn(staff.Fraud), w.SignedIn(staff.Supervisor)
		ps := make([]*payer, 6)
		txns := make([]authority.Transaction, len(ps))
		for i := range ps {
			ps[i] = newPayer(w, i+1)
			txns[i] = ps[i].order()
		}
		approved := ps[5]
		if _, err := approved.phone.Send(approved.phone.Decision(txns[5].Offer, transaction.Yes)); err != nil {
			t.Fatal(err)
		}
		freeze(t, maker, checker, authority.Transfers, true)

		_, err := other.CreateTransaction(ctx, internetBank, "frozen", ps[5].transfer())
		want(t, "a new one", err, problem.TransfersFrozen)
		for i, node := range []*testkit.World{w, other} {
			ps[i].phone.W = node
			_, err = ps[i].phone.Send(ps[i].phone.Decision(txns[i].Offer, transaction.Yes))
			want(t, "approving", err, problem.TransfersFrozen)
		}
		_, err = w.ConfirmOffline(ctx, internetBank, txns[2].ID, ps[2].phone.Offline(txns[2].Offer))
		want(t, "by the digits", err, problem.TransfersFrozen)
		_, err = other.ConsumeTransaction(ctx, internetBank, txns[5].ID, ps[5].execution("r-1"))
		want(t, "carrying out what was approved before", err, problem.TransfersFrozen)
		state, err := ps[3].phone.Send(ps[3].phone.Decision(txns[3].Offer, transaction.No))
		if err != nil || state != transaction.Rejected {
			t.Errorf("saying no: %s, %v", state, err)
		}
		state, err = ps[4].phone.Send(ps[4].phone.Decision(txns[4].Offer, transaction.NotMe))
		if err != nil || state != transaction.Reported {
			t.Errorf("reporting: %s, %v", state, err)
		}
		// What is not a transfer goes on: a customer stops the use of her token.
		w.Clock.Move(5 * time.Minute)
		want(t, "logging in", ps[0].browser.Password("hanako01", testkit.Login), "")
		want(t, "her code", ps[0].browser.Code(ps[0].phone.Code()), "")
		want(t, "stopping her token", ps[0].browser.Stop(ps[0].phone), "")

		freeze(t, maker, checker, authority.Transfers, false)
		_, err = w.ConsumeTransaction(ctx, internetBank, txns[5].ID, ps[5].execution("r-1"))
		want(t, "carrying out after", err, "")
		after := ps[1].order()
		if _, err := ps[1].phone.Send(ps[1].phone.Decision(after.Offer, transaction.Yes)); err != nil {
			t.Errorf("approving after: %v", err)
		}
	})
}

// A kill switch is moved by two persons, and not to where it stands.
func TestAKillSwitchTakesTwo(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		fraud, boss, clerk := w.SignedIn(staff.Fraud), w.SignedIn(staff.Supervisor), w.SignedIn(staff.Clerk)
		on := map[string]any{"name": "transfers", "frozen": true}
		_, err := w.AskOrder(ctx, clerk.StaffSession, "switch.set", on, "x")
		want(t, "a clerk asks", err, problem.Forbidden)
		for _, body := range []any{nil, map[string]any{"name": "everything", "frozen": true}, map[string]any{"name": 1}, []int{1}, "transfers"} {
			_, err := w.AskOrder(ctx, fraud.StaffSession, "switch.set", body, "x")
			want(t, fmt.Sprint(body), err, problem.Malformed)
		}
		_, err = w.AskOrder(ctx, fraud.StaffSession, "switch.set", map[string]any{"name": "transfers", "frozen": false}, "x")
		want(t, "where it stands", err, problem.Unchanged)
		o, err := w.AskOrder(ctx, boss.StaffSession, "switch.set", on, "x")
		want(t, "asking", err, "")
		_, err = w.CheckOrder(ctx, boss.StaffSession, o.ID, o.Hash, true, "")
		want(t, "who asked checks", err, problem.OrderOwn)
		_, err = w.CheckOrder(ctx, fraud.StaffSession, o.ID, o.Hash, true, "")
		want(t, "the fraud desk checks", err, problem.Forbidden)
		if states, err := w.Switches(ctx); err != nil || states[1].Frozen {
			t.Fatalf("%+v, %v", states, err)
		}
		_, err = w.CheckOrder(ctx, w.SignedIn(staff.Administrator).StaffSession, o.ID, o.Hash, true, "")
		want(t, "an administrator checks", err, "")
		rows, err := w.Store.Reader().OrdersBy(ctx, ordersBy(boss.Staff))
		if err != nil || len(rows) != 1 || rows[0].State != "carried" {
			t.Errorf("%+v, %v", rows, err)
		}
		set := 0
		for _, r := range trailByTime(t, w) {
			if r.Action == string(audit.SwitchSet) && r.Object == "transfers true" {
				set++
			}
		}
		if set != 1 {
			t.Errorf("%d entries of the switch, want 1", set)
		}
	})
}

func ordersBy(member string) db.OrdersByParams {
	return db.OrdersByParams{Maker: member, ID: "ord_~", Limit: 10}
}

// trailByTime is the whole trail, the newest first.
func trailByTime(t *testing.T, w *testkit.World) []db.AuditEntry {
	t.Helper()
	rows, err := w.Store.Reader().TrailByTime(t.Context(), db.TrailByTimeParams{ID: "ent_~", Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}
