package authority_test

import (
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/incident"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// sentTo counts the mails of a topic, by address.
func sentTo(t *testing.T, w *testkit.World, topic string) map[string]int {
	t.Helper()
	for range 4 {
		_, err := w.DeliverDue(t.Context())
		want(t, "delivering", err, "")
	}
	out := map[string]int{}
	for _, m := range w.Post.Sent() {
		if m.Subject == topic {
			out[m.To]++
		}
	}
	return out
}

// After an emergency stop every door is shut, at once on another node that had everything in its memory: what was approved is not carried out, what waits is withdrawn, no secret logs in.
func TestAnEmergencyStopShutsEveryDoor(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx, other := t.Context(), w.Another()
		p := newPayer(w, 1)
		device := testkit.NewAuthenticator()
		addPasskey(t, p.browser, p.phone, device, "")
		approved := p.order()
		if _, err := p.phone.Send(p.phone.Decision(approved.Offer, transaction.Yes)); err != nil {
			t.Fatal(err)
		}
		w.Clock.Move(time.Minute)
		waiting := p.order()
		// The other node has seen all of it.
		p.phone.W = other
		decision, digits := p.phone.Decision(waiting.Offer, transaction.Yes), p.phone.Offline(waiting.Offer)
		if got := p.phone.Transactions(); len(got.Pending) != 1 {
			t.Fatalf("%d transactions wait", len(got.Pending))
		}
		_, err := other.ReadTransaction(ctx, internetBank, approved.ID)
		want(t, "reading on the other node", err, "")
		owing := w.LogIn("hanako01", authority.PC)
		errand, err := w.Ask(ctx, p.browser.Session, authority.AddPasskey, "")
		want(t, "an errand while another thing waits", err, problem.TransactionPending)
		_ = errand

		stopped, err := w.StopSession(ctx, p.browser.Session)
		if err != nil || !stopped.Now {
			t.Fatalf("stopping: %+v, %v", stopped, err)
		}
		doors := map[string]struct {
			try  func() error
			kind problem.Kind
		}{
			"a password":          {func() error { return testLogin(other, "hanako01") }, problem.LoginRefused},
			"the code owed":       {func() error { return codeAt(other, owing, p.phone.Code()) }, problem.ServiceStopped},
			"her session":         {func() error { return only(other.SessionOf(ctx, p.browser.Cookie.Session)) }, problem.SessionOver},
			"the owing session":   {func() error { return only(other.SessionOf(ctx, owing.Cookie.Session)) }, problem.SessionOver},
			"a passkey":           {func() error { return only(logInWith(other, testkit.Visit(authority.PC), device)) }, problem.ServiceStopped},
			"a code by the API":   {func() error { return other.VerifyOTP(ctx, internetBank, p.ref, p.phone.Code()) }, problem.ServiceStopped},
			"another transaction": {func() error { return only(other.CreateTransaction(ctx, internetBank, "after", p.transfer())) }, problem.ServiceStopped},
			"the approval": {func() error {
				_, _, err := other.Decide(ctx, p.phone.Proof("POST", "/v1/decisions", []byte(decision)), decision, "")
				return err
			}, problem.TransactionCancelled},
			"the offline code": {func() error { return only(other.ConfirmOffline(ctx, internetBank, waiting.ID, digits)) }, problem.TransactionCancelled},
			"what was approved": {func() error {
				return only(other.ConsumeTransaction(ctx, internetBank, approved.ID, p.execution("exec-1")))
			}, problem.TransactionNotApproved},
			"her applications": {func() error { return other.Apply(ctx, p.browser.Session, []byte(testkit.Confirm)) }, problem.ServiceStopped},
			"her start of use": {func() error { return only(other.StartToken(ctx, p.browser.Session, p.phone.Code())) }, problem.ServiceStopped},
			"her password": {func() error {
				return only(other.ChangePassword(ctx, p.browser.Session, authority.LoginPassword, []byte(testkit.Login), []byte("another-one-12"), p.phone.Code()))
			}, problem.ServiceStopped},
			"another of her own": {func() error { return other.ChangeAddress(ctx, p.browser.Session, "ask_00000000000000000000000000") }, problem.ServiceStopped},
		}
		for name, d := range doors {
			want(t, name, d.try(), d.kind)
		}
		for _, id := range []string{approved.ID, waiting.ID} {
			if x, err := other.ReadTransaction(ctx, internetBank, id); err != nil || x.State != transaction.Cancelled {
				t.Errorf("%s is %s, %v", id, x.State, err)
			}
		}
		// A second time, from anywhere, is no error and tells nobody again.
		again, err := other.StopByBank(ctx, internetBank, p.ref, "customer")
		if err != nil || again.Now || !again.Since.Equal(stopped.Since) {
			t.Errorf("a second stop: %+v, %v", again, err)
		}
		if got := sentTo(t, w, "service_stopped"); len(got) != 1 || got["hanako1@mail.example.jp"] != 1 {
			t.Errorf("told %v", got)
		}
	})
}

func testLogin(w *testkit.World, id string) error {
	b := &testkit.Browser{W: w, Visit: testkit.Visit(authority.PC)}
	return b.Password(id, testkit.Login)
}

func codeAt(w *testkit.World, b *testkit.Browser, code string) error {
	_, _, err := w.LoginOTP(w.T.Context(), b.Visit, b.Session, code)
	return err
}

// An application that is under way when the service stops leads to no token afterwards, whether the phone is registered already or not.
func TestAnEmergencyStopEndsApplications(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		ordered, registered := w.LogIn(w.Person(1, false), authority.PC), w.LogIn(w.Person(2, false), authority.PC)
		want(t, "applying", w.Apply(ctx, ordered.Session, []byte(testkit.Confirm)), "")
		key, err := w.RegistrationKey(ctx, ordered.Session, false)
		want(t, "the key", err, "")
		number := w.MailedNumber()
		phone := registered.Registered()
		for n, b := range []*testkit.Browser{ordered, registered} {
			_, err = w.StopSession(ctx, b.Session)
			want(t, "stopping", err, "")
			want(t, "restarting", w.RestartService(ctx, []string{"0101-1-1234567", "0101-1-1234568"}[n]), "")
		}
		his := testkit.NewPhone(w)
		want(t, "a registration with both codes", his.Register(his.Scan(key.Link, number)), problem.RegistrationRefused)
		b := w.LogIn("hanako02", authority.PC)
		want(t, "the start of use", b.Start(phone.Code()), problem.EnrolmentNone)
	})
}

// The stop without a session: one factor of her choice is enough, on a device that was never seen; the road back begins a time of caution.
func TestOneFactorStopsTheService(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		p := newPayer(w, 1)
		w.Clock.Move(time.Minute)
		for by, secret := range map[authority.StopFactor]func() string{authority.StopByLogin: func() string { return testkit.Login }, authority.StopByConfirm: func() string { return testkit.Confirm }, authority.StopByCode: p.phone.Code} {
			w.Clock.Move(time.Minute)
			code := secret()
			got, err := w.StopByFactor(ctx, abroad(), "HANAKO01", by, code)
			if err != nil || !got.Now {
				t.Fatalf("%s: %+v, %v", by, got, err)
			}
			want(t, "a login", testLogin(w, "hanako01"), problem.LoginRefused)
			w.Clock.Move(time.Minute)
			if again, err := w.StopByFactor(ctx, abroad(), "hanako01", by, secret()); err != nil || again.Now {
				t.Errorf("%s, a second time: %+v, %v", by, again, err)
			}
			want(t, "restarting", w.RestartService(ctx, p.ref), "")
			if by == authority.StopByCode { // used up like at any other door
				b := w.LogIn("hanako01", authority.PC)
				want(t, "the same code", b.Code(code), problem.OTPUsed)
			}
		}
		changes, err := w.CoolingOffOf(ctx, p.ref)
		if err != nil || len(changes) == 0 || changes[len(changes)-1].Change != authority.ServiceRestarted || changes[len(changes)-1].Approved {
			t.Errorf("after the restart the bank is told %+v, %v", changes, err)
		}
		if v := mailed(t, w, "service_restarted"); v["objection"] == "" {
			t.Errorf("the restart cannot be objected to: %v", v)
		}
	})
}

// A stranger learns nothing at the emergency stop: wrong name, wrong secret, blocked, stopped are one refusal. His tries are bounded, close no door of hers, and lock no token.
func TestAStrangerGuessesAtTheEmergencyStop(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		p := newPayer(w, 1)
		stop := func(v authority.Visit, id string, by authority.StopFactor, secret string) error {
			return only(w.StopByFactor(ctx, v, id, by, secret))
		}
		want(t, "nobody", stop(abroad(), "nobody99", authority.StopByLogin, "x"), problem.StopRefused)
		want(t, "no login ID at all", stop(abroad(), "\x00", authority.StopByCode, "123456"), problem.StopRefused)
		want(t, "no factor", stop(abroad(), "hanako01", "mail", "x"), problem.Malformed)
		for range 30 { // far beyond the round of five; the sixth to thirtieth are not looked at
			want(t, "a wrong login password", stop(abroad(), "hanako01", authority.StopByLogin, "wrong"), problem.StopRefused)
			want(t, "a wrong confirmation password", stop(abroad(), "hanako01", authority.StopByConfirm, "wrong"), problem.StopRefused)
			want(t, "a wrong code", stop(abroad(), "hanako01", authority.StopByCode, p.phone.Wrong()), problem.StopRefused)
		}
		w.Clock.Move(time.Minute)
		for by, right := range map[authority.StopFactor]string{authority.StopByLogin: testkit.Login, authority.StopByConfirm: testkit.Confirm, authority.StopByCode: p.phone.Code()} {
			want(t, "right, while blocked: "+string(by), stop(abroad(), "hanako01", by, right), problem.StopRefused)
		}
		// Her own browser, her confirmation password and her token are as they were.
		known := p.browser.Visit
		b := &testkit.Browser{W: w, Visit: known}
		want(t, "her login", b.Password("hanako01", testkit.Login), "")
		want(t, "her code", b.Code(p.phone.Code()), "")
		if v, err := w.TokenOf(ctx, b.Session); err != nil || v.Token.State != token.Active {
			t.Errorf("her token: %+v, %v", v.Token, err)
		}
		_, err := w.AskToStop(ctx, b.Session, []byte(testkit.Confirm))
		want(t, "her confirmation password", err, "")
		if got := sentTo(t, w, "factor_blocked"); got["hanako1@mail.example.jp"] != 3 {
			t.Errorf("she was told of %v closed factors, want 3", got)
		}
		// And from her browser the stop opens, while strangers are shut out.
		got, err := w.StopByFactor(ctx, known, "hanako01", authority.StopByConfirm, testkit.Confirm)
		if err != nil || !got.Now {
			t.Errorf("her own stop: %+v, %v", got, err)
		}
		// The trail has every try that was refused, and no secret.
		n := 0
		rows := entries(t, w, b)
		for _, e := range rows {
			if e.Action == string(audit.ServiceStop) && e.Outcome == string(audit.Refused) {
				n++
			}
			if strings.Contains(e.Detail, "wrong") {
				t.Errorf("the trail holds %s", e.Detail)
			}
		}
		if n < 90 {
			t.Errorf("%d refusals in the trail, want at least 90", n)
		}
	})
}

// Stops from everywhere at once are one stop: one notice, one moment.
func TestStopsAtTheSameMoment(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx, other := t.Context(), w.Another()
		p := newPayer(w, 1)
		p.order()
		proofs := make([]authority.Proof, 4)
		for i := range proofs {
			proofs[i] = p.phone.Proof("POST", "/v1/stop", []byte("{}"))
		}
		errs := together(16, func(i int) error {
			node := []*testkit.World{w, other}[i%2]
			switch i % 4 {
			case 0:
				return only(node.StopByFactor(ctx, abroad(), "hanako01", authority.StopByConfirm, testkit.Confirm))
			case 1:
				return only(node.StopByToken(ctx, proofs[i/4]))
			case 2:
				return only(node.StopByBank(ctx, internetBank, p.ref, "fraud"))
			}
			return only(node.StopSession(ctx, p.browser.Session))
		})
		for i, err := range errs {
			if k := problem.KindOf(err); err != nil && k != problem.Conflict && k != problem.StopRefused { // its fifth try may be under way
				t.Errorf("stop %d: %v", i, err)
			}
		}
		if got := sentTo(t, w, "service_stopped"); got["hanako1@mail.example.jp"] != 1 {
			t.Errorf("told %v", got)
		}
	})
}

// A token stops the service as long as it is in use; one that never was, or is not any more, does not.
func TestATokenStopsTheService(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		her := w.LogIn(w.Person(1, false), authority.PC)
		phone := her.Registered()
		proof := func() authority.Proof { return phone.Proof("POST", "/v1/stop", []byte("{}")) }
		want(t, "a phone that is only registered", only(w.StopByToken(ctx, proof())), problem.TokenNone)
		want(t, "start of use", her.Start(phone.Code()), "")
		p := proof()
		got, err := w.StopByToken(ctx, p)
		if err != nil || !got.Now {
			t.Fatalf("stopping: %+v, %v", got, err)
		}
		want(t, "the same proof again", only(w.StopByToken(ctx, p)), problem.ProofRefused)
		want(t, "with a proof of another request", only(w.StopByToken(ctx, authority.Proof{DPoP: p.DPoP, Method: "POST", URL: p.URL, Body: []byte("{} ")})), problem.ProofRefused)
		if again, err := w.StopByToken(ctx, proof()); err != nil || again.Now {
			t.Errorf("a second time: %+v, %v", again, err)
		}
		want(t, "restarting", w.RestartService(ctx, testkit.Ref), "")
		w.Clock.Move(time.Minute)
		her = w.LogIn("hanako01", authority.PC)
		want(t, "her code", her.Code(phone.Code()), "")
		want(t, "ending the use", her.Stop(phone), "")
		want(t, "a token that ended", only(w.StopByToken(ctx, proof())), problem.TokenNone)
	})
}

// The phone that was left behind says for 72 hours that the move was not hers, and not an hour longer; no other phone can say it.
func TestTheOldPhoneObjects(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		old := w.LogIn(w.Person(1, false), authority.PC).Enrol()
		body := []byte("{}")
		object := func(p *testkit.Phone) error {
			return only(w.ObjectByToken(ctx, p.Proof("POST", "/v1/token/objection", body)))
		}
		want(t, "a phone in use", object(old), problem.TokenNone)
		m := moving(t, old)
		next := scanned(t, w, m)
		says(t, old, transaction.Yes)
		want(t, "the first code", finish(next), "")
		if s := status(t, old); s.State != token.Replaced || !s.ObjectUntil.Equal(w.Clock.Now().Add(72*time.Hour)) {
			t.Errorf("the old phone is told %+v", s)
		}
		want(t, "the new phone", object(next), problem.TokenNone)
		w.Clock.Move(72*time.Hour - time.Minute)
		before := old.Proof("POST", "/v1/token/objection", body)
		got, err := w.ObjectByToken(ctx, before)
		if err != nil || !got.Now {
			t.Fatalf("objecting: %+v, %v", got, err)
		}
		want(t, "the same proof again", only(w.ObjectByToken(ctx, before)), problem.ProofRefused)
		if all := queue(t, w.SignedIn(staff.Fraud))[incident.Objection]; len(all) != 1 || all[0].Times != 1 || all[0].Detail["by"] != "old_token" {
			t.Errorf("the fraud desk has %+v", all)
		}
		want(t, "a login", testLogin(w, "hanako01"), problem.LoginRefused)
		want(t, "restarting", w.RestartService(ctx, testkit.Ref), "")
		w.Clock.Move(2 * time.Minute)
		want(t, "too late", object(old), problem.ObjectionLate)
		if s := status(t, old); !s.ObjectUntil.IsZero() {
			t.Errorf("the old phone is still offered it: %+v", s)
		}
		if b := w.LogIn("hanako01", authority.PC); b.Full {
			t.Error("the new phone's token is gone")
		}
	})
}
