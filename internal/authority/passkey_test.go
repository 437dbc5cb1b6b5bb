package authority_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/incident"
	"github.com/inkan-auth/inkan/internal/domain/passkey"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/testkit"
)

const loginOrigin = "https://login.bank.example"

// addPasskey takes a browser from the request to the passkey, with the approval of the phone.
func addPasskey(t *testing.T, b *testkit.Browser, phone *testkit.Phone, device *testkit.Authenticator, name string) passkey.Passkey {
	t.Helper()
	ctx := t.Context()
	e, err := b.W.Ask(ctx, b.Session, authority.AddPasskey, "")
	want(t, "asking", err, "")
	b.Approve(e, phone, transaction.Yes)
	options, err := b.W.PasskeyOptions(ctx, b.Session, e.ID)
	want(t, "options", err, "")
	p, err := b.W.AddPasskey(ctx, b.Session, e.ID, name, device.Create(options, loginOrigin))
	want(t, "adding", err, "")
	return p
}

// logInWith logs in with a passkey from a browser.
func logInWith(w *testkit.World, v authority.Visit, device *testkit.Authenticator) (authority.Session, error) {
	options, err := w.PasskeyLogin(context.Background(), "form-of-this-browser")
	if err != nil {
		return authority.Session{}, err
	}
	s, _, err := w.LoginPasskey(context.Background(), v, "form-of-this-browser", device.Get(options, loginOrigin))
	return s, err
}

// mailed gives the values of the latest mail of a topic.
func mailed(t *testing.T, w *testkit.World, topic string) map[string]string {
	t.Helper()
	for range 4 {
		if _, err := w.DeliverDue(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	sent := w.Post.Sent()
	for _, m := range slices.Backward(sent) {
		if m.Subject == topic {
			var v map[string]string
			if err := json.Unmarshal([]byte(m.Body), &v); err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	t.Fatalf("no mail %q", topic)
	return nil
}

// The whole of M-08: registered with the approval of the token app, used without login ID and password, seen, renamed, removed; every change is told.
func TestPasskeyFromRegistrationToRemoval(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		b := w.LogIn(w.Person(1, false), authority.PC)
		phone, device := b.Enrol(), testkit.NewAuthenticator()
		p := addPasskey(t, b, phone, device, " 自宅の\nパソコン ")
		if p.Name != "自宅の パソコン" || p.State != passkey.Active {
			t.Errorf("registered as %q, %s", p.Name, p.State)
		}
		if v := mailed(t, w, "passkey_registered"); v["passkey"] != p.Name || v["objection"] == "" {
			t.Errorf("the notice says %v", v)
		}
		s, err := logInWith(w, testkit.Visit(authority.PC), device)
		want(t, "login", err, "")
		if !s.Full || s.Customer != b.Customer || s.ACR() != "phr" || !slices.Contains(s.AMR, "pop") || !slices.Contains(s.AMR, "user") {
			t.Errorf("the session is %+v", s)
		}
		if next, err := w.NextStep(ctx, s); err != nil || next != authority.StepDone {
			t.Errorf("after the login: %s, %v", next, err)
		}
		list, err := w.Passkeys(ctx, s)
		if err != nil || len(list) != 1 || list[0].LastUsed.IsZero() {
			t.Fatalf("passkeys: %+v, %v", list, err)
		}
		want(t, "renaming", w.RenamePasskey(ctx, s, p.ID, "PC"), "")
		want(t, "somebody else's", w.RenamePasskey(ctx, s, "pky_01h455vb4pex5vsknk084sn02q", "PC"), problem.NotFound)

		// A session of password and code cannot remove it by itself; one that came by passkey can.
		want(t, "removing with password and code", w.RemovePasskey(ctx, b.Session, p.ID, "", []byte(testkit.Confirm)), problem.ApprovalNeeded)
		want(t, "removing with the passkey", w.RemovePasskey(ctx, s, p.ID, "", nil), "")
		mailed(t, w, "passkey_removed")
		_, err = logInWith(w, testkit.Visit(authority.PC), device)
		want(t, "login with a removed one", err, problem.PasskeyRefused)
	})
}

// One approval makes one passkey, in the login in which it was asked for; the answer may be lost on the way.
func TestPasskeyNeedsItsOwnApproval(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		b := w.LogIn(w.Person(1, false), authority.PC)
		phone := b.Enrol()
		e, err := w.Ask(ctx, b.Session, authority.AddPasskey, "")
		want(t, "asking", err, "")
		again, err := w.Ask(ctx, b.Session, authority.AddPasskey, "")
		if err != nil || again.ID != e.ID {
			t.Errorf("a second click: %s, %v, want %s", again.ID, err, e.ID)
		}
		_, err = w.PasskeyOptions(ctx, b.Session, e.ID)
		want(t, "before the approval", err, problem.ApprovalNeeded)

		thief := w.LogIn("hanako01", authority.PC) // another browser with the same password and a code
		w.Clock.Move(time.Minute)
		want(t, "a code for the thief", thief.Code(phone.Code()), "")
		b.Approve(e, phone, transaction.Yes)
		_, err = w.PasskeyOptions(ctx, thief.Session, e.ID)
		want(t, "another browser of the same customer", err, problem.NotFound)
		_, err = w.ErrandOf(ctx, thief.Session, e.ID)
		want(t, "looking", err, problem.NotFound)

		device := testkit.NewAuthenticator()
		options, err := w.PasskeyOptions(ctx, b.Session, e.ID)
		want(t, "options", err, "")
		made := device.Create(options, loginOrigin)
		_, err = w.AddPasskey(ctx, thief.Session, e.ID, "", made)
		want(t, "another browser with the made passkey", err, problem.PasskeyRefused)
		p, err := w.AddPasskey(ctx, b.Session, e.ID, "", made)
		want(t, "adding", err, "")
		same, err := w.AddPasskey(ctx, b.Session, e.ID, "", made)
		if err != nil || same.ID != p.ID {
			t.Errorf("sent again: %s, %v, want %s", same.ID, err, p.ID)
		}
		_, err = w.PasskeyOptions(ctx, b.Session, e.ID)
		want(t, "a second passkey by the same approval", err, problem.ApprovalNeeded)
		if list, _ := w.Passkeys(ctx, b.Session); len(list) != 1 {
			t.Errorf("%d passkeys, want 1", len(list))
		}
	})
}

// Without a token: both passwords, a mailed code, and a day in which nothing is opened and every reader of a notice can object.
func TestPasskeyWithoutATokenRests(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		b := w.LogIn(w.Person(1, false), authority.PC)
		_, err := w.Ask(ctx, b.Session, authority.AddPasskey, "")
		want(t, "asking an app that is not there", err, problem.ApprovalNeeded)
		_, err = w.AskByMail(ctx, b.Session, authority.AddPasskey, []byte("x"), []byte(testkit.Confirm))
		want(t, "wrong login password", err, problem.PasswordRefused)
		_, err = w.AskByMail(ctx, b.Session, authority.AddPasskey, []byte(testkit.Login), []byte("x"))
		want(t, "wrong confirmation password", err, problem.ConfirmRefused)
		e, err := w.AskByMail(ctx, b.Session, authority.AddPasskey, []byte(testkit.Login), []byte(testkit.Confirm))
		want(t, "asking", err, "")
		_, err = w.PasskeyOptions(ctx, b.Session, e.ID)
		want(t, "before the code", err, problem.ApprovalNeeded)
		code := strings.ReplaceAll(mailed(t, w, "passkey_code")["number"], " ", "")
		for n := range 4 {
			if p := want(t, "wrong code", w.ProveByMail(ctx, b.Session, e.ID, "00000000"), problem.CodeRefused); p.Values["tries_left"] != 4-n {
				t.Errorf("tries left %v, want %d", p.Values["tries_left"], 4-n)
			}
		}
		want(t, "the code", w.ProveByMail(ctx, b.Session, e.ID, code), "")
		want(t, "the code again", w.ProveByMail(ctx, b.Session, e.ID, code), "")
		device := testkit.NewAuthenticator()
		options, err := w.PasskeyOptions(ctx, b.Session, e.ID)
		want(t, "options", err, "")
		p, err := w.AddPasskey(ctx, b.Session, e.ID, "", device.Create(options, loginOrigin))
		want(t, "adding", err, "")
		if p.State != passkey.Resting {
			t.Errorf("it is %s", p.State)
		}
		_, err = logInWith(w, testkit.Visit(authority.PC), device)
		want(t, "at once", err, problem.PasskeyResting)
		w.Clock.Move(24*time.Hour + time.Second)
		_, err = logInWith(w, testkit.Visit(authority.PC), device)
		want(t, "a day later", err, "")

		burnt := w.LogIn("hanako01", authority.PC)
		e, err = w.AskByMail(ctx, burnt.Session, authority.AddPasskey, []byte(testkit.Login), []byte(testkit.Confirm))
		want(t, "asking once more", err, "")
		code = strings.ReplaceAll(mailed(t, w, "passkey_code")["number"], " ", "")
		for range 5 {
			_ = w.ProveByMail(ctx, burnt.Session, e.ID, "00000000")
		}
		want(t, "the right code after five wrong ones", w.ProveByMail(ctx, burnt.Session, e.ID, code), problem.CodeBurnt)
	})
}

// That was not me: the code of a notice stops the service without any password, ends every session, and holds the passkey that it is about.
func TestObjectionStopsTheService(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		id := w.Person(1, false)
		b := w.LogIn(id, authority.PC)
		phone, device := b.Enrol(), testkit.NewAuthenticator()
		addPasskey(t, b, phone, device, "")
		v := mailed(t, w, "passkey_registered")
		if link := v["objection_link"]; !strings.HasPrefix(link, loginOrigin+"/not-me#") || strings.Contains(strings.SplitN(link, "#", 2)[0], strings.ReplaceAll(v["objection"], "-", "")) {
			t.Errorf("the link is %q", link)
		}
		stranger := testkit.Visit(authority.PC).Actor
		want(t, "a wrong code", w.Object(ctx, stranger, "2222-2222-2222-2222"), problem.ObjectionRefused)
		want(t, "nothing", w.Object(ctx, stranger, ""), problem.ObjectionRefused)
		want(t, "the code, typed carelessly", w.Object(ctx, stranger, " "+strings.ToLower(strings.ReplaceAll(v["objection"], "-", " "))), "")
		want(t, "a second press", w.Object(ctx, stranger, v["objection"]), "")
		mailed(t, w, "service_stopped")
		_, err := w.SessionOf(ctx, b.Cookie.Session)
		want(t, "the session", err, problem.SessionOver)
		_, err = logInWith(w, testkit.Visit(authority.PC), device)
		want(t, "the passkey that she objected to, while all stands still", err, problem.PasskeyHeld)
		other := &testkit.Browser{W: w, Visit: testkit.Visit(authority.PC)}
		want(t, "login with the password", other.Password(id, testkit.Login), problem.LoginRefused)

		want(t, "starting again", w.RestartService(ctx, testkit.Ref), "")
		mailed(t, w, "service_restarted")
		want(t, "login with the password", other.Password(id, testkit.Login), "")
		_, err = logInWith(w, testkit.Visit(authority.PC), device)
		want(t, "the passkey that she objected to", err, problem.PasskeyHeld)
	})
}

// A counter that does not grow means that there are two of one passkey: it opens nothing any more.
func TestPasskeyWhoseCounterWentBack(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		b := w.LogIn(w.Person(1, false), authority.PC)
		phone, device := b.Enrol(), testkit.NewAuthenticator()
		device.Step = 1
		addPasskey(t, b, phone, device, "")
		copied := device.Copy()
		_, err := logInWith(w, testkit.Visit(authority.PC), device)
		want(t, "a counter that grows", err, "")
		_, err = logInWith(w, testkit.Visit(authority.PC), copied)
		want(t, "a copy, whose counter stands where the other one's was", err, problem.PasskeyHeld)
		_, err = logInWith(w, testkit.Visit(authority.PC), device)
		want(t, "the first one afterwards", err, problem.PasskeyHeld)
		mailed(t, w, "passkey_held")
		if all := queue(t, w.SignedIn(staff.Fraud))[incident.Passkey]; len(all) != 1 || all[0].Customer != b.Customer || all[0].Times != 1 {
			t.Errorf("the fraud desk has %+v", all)
		}
	})
}

// A login from a browser that was never seen is told to every address; one from a known browser is not.
func TestLoginFromANewDeviceIsTold(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		id := w.Person(1, false)
		b := w.LogIn(id, authority.PC)
		if v := mailed(t, w, "login_new_device"); v["place"] != "192.0.2.*" || v["device"] != "Windows / Chrome" || v["objection"] == "" {
			t.Errorf("the notice says %v", v)
		}
		n := len(w.Post.Sent())
		want(t, "the same browser", b.Password(id, testkit.Login), "")
		for range 3 {
			if _, err := w.DeliverDue(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := len(w.Post.Sent()); got != n {
			t.Errorf("%d mails after a login from a known browser", got-n)
		}
	})
}
