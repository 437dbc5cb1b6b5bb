package authority_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/passkey"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/release"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// What each choice of the form does, and what it leaves alone.
func TestWhatEachReleaseDoes(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		p, b := newPayer(w, 1), newBranch(w)
		customer := func() db.Customer {
			c, err := w.Store.Reader().CustomerByRef(ctx, p.ref)
			fine(t, err)
			return c
		}
		for range 2 { // ten wrong codes lock the token
			for range 5 {
				_ = w.VerifyOTP(ctx, internetBank, p.ref, p.phone.Wrong())
			}
			w.Clock.Move(25 * time.Hour)
		}
		want(t, "a locked token", w.VerifyOTP(ctx, internetBank, p.ref, p.phone.Code()), problem.OTPLocked)
		for _, d := range []*testkit.Desk{b.clerk, b.checker} {
			fine(t, d.SignIn())
		}
		b.done(1, release.Forgotten, looked(release.OTPLock))
		fine(t, w.VerifyOTP(ctx, internetBank, p.ref, p.phone.Code())) // the same seed, the same phone
		w.Clock.Move(time.Minute)

		n, err := w.Store.Reader().DownloadsSince(ctx, db.DownloadsSinceParams{Customer: customer().ID})
		if fine(t, err); n != 1 {
			t.Fatalf("%d downloads", n)
		}
		b.done(1, release.NewPhone, looked(release.Downloads))
		if n, err = w.Store.Reader().DownloadsSince(ctx, db.DownloadsSinceParams{Customer: customer().ID}); err != nil || n != 0 {
			t.Errorf("after the reset %d downloads count, %v", n, err)
		}

		_, err = w.StopByBank(ctx, internetBank, p.ref, "fraud")
		fine(t, err)
		stop := b.counter(1, release.Suspicious, "service_stop")
		b.submit(stop, looked(release.ServiceStop))
		if c := b.seen(b.checker, stop); !c.Warns("stopped") || !c.Warns("suspicious") {
			t.Errorf("the checker is warned of %+v", c.Warnings)
		}
		fine(t, b.grant(stop))
		if customer().State != "active" {
			t.Error("the service stands still")
		}
		if _, err := p.phone.Send(p.phone.Decision(p.order().Offer, transaction.NotMe)); err != nil {
			t.Fatal(err)
		}
		b.done(1, release.Suspicious, looked(release.ServiceStop))
		if customer().TransfersStoppedAt != 0 || len(trailOf(t, w, customer().ID, audit.TransfersResume)) != 1 {
			t.Error("her transfers stand still after the release of what she has stopped")
		}

		desk := looked(release.LoginPassword, release.ConfirmPassword)
		desk.Issue = []release.Issue{release.IssueLogin, release.IssueConfirm}
		id := b.done(1, release.Forgotten, desk)
		var x testkit.Browser
		x.W, x.Visit = w, testkit.Visit(authority.PC)
		want(t, "the forgotten password", x.Password("hanako01", testkit.Login), problem.LoginRefused)
		letter, err := w.HandOver(ctx, b.checker.StaffSession, id, false)
		fine(t, err)
		_, err = w.HandOver(ctx, b.checker.StaffSession, id, true)
		want(t, "passwords on a screen", err, problem.LetterNone)
		second, err := w.HandOver(ctx, b.checker.StaffSession, id, false)
		if fine(t, err); letter.Login == second.Login || letter.Login == letter.Confirm || len(letter.Login) != 14 || letter.Key.Link != "" {
			t.Fatalf("the letters are %+v and %+v", letter, second)
		}
		want(t, "the letter before", x.Password("hanako01", letter.Login), problem.LoginRefused)
		fine(t, x.Password("hanako01", second.Login))
		fine(t, x.Code(p.phone.Code()))
		step(t, &x, authority.StepPasswords)
		cookie, err := w.SetFirstPasswords(ctx, x.Session, []byte(second.Confirm), []byte("asa-no-hikari-88"), []byte("yoru-no-hoshi-77"))
		fine(t, err)
		_, err = w.SessionOf(ctx, cookie.Session)
		fine(t, err)
		_, err = w.HandOver(ctx, b.checker.StaffSession, id, false)
		want(t, "a letter after she has chosen her own", err, problem.LetterNone)

		// A letter with the login password alone: the other one stays hers.
		desk = looked(release.LoginPassword)
		desk.Issue = []release.Issue{release.IssueLogin}
		w.Clock.Move(time.Minute)
		id = b.done(1, release.Forgotten, desk)
		letter, err = w.HandOver(ctx, b.checker.StaffSession, id, false)
		fine(t, err)
		fine(t, x.Password("hanako01", letter.Login))
		fine(t, x.Code(p.phone.Code()))
		step(t, &x, authority.StepPasswords)
		_, err = w.SetFirstPasswords(ctx, x.Session, []byte("yoru-no-hoshi-77"), []byte("yoru-no-hoshi-77"), nil)
		want(t, "both the same", err, problem.PasswordWeak)
		_, err = w.SetFirstPasswords(ctx, x.Session, []byte("not-hers-at-all"), []byte("hiru-no-tsuki-55"), nil)
		want(t, "without her confirmation password", err, problem.ConfirmRefused)
		cookie, err = w.SetFirstPasswords(ctx, x.Session, []byte("yoru-no-hoshi-77"), []byte("hiru-no-tsuki-55"), []byte("what is given here is not looked at"))
		fine(t, err)
		if c := customer(); c.LoginInitial || c.ConfirmInitial {
			t.Errorf("initial are login %v, confirmation %v", c.LoginInitial, c.ConfirmInitial)
		}

		b.done(1, release.Stolen, looked(release.Authenticators))
		if _, err := w.SessionOf(ctx, cookie.Session); problem.KindOf(err) != problem.SessionOver {
			t.Errorf("a session outlives her devices: %v", err)
		}
		other := looked(release.Other)
		b.done(1, release.Elsewise, other)
		for _, s := range []string{second.Login, second.Confirm} { // nothing of a letter is anywhere else
			if strings.Contains(w.Log.String(), s) {
				t.Error("a log has a password of a letter")
			}
			entries, err := w.Store.Reader().EntriesOf(ctx, db.EntriesOfParams{Customer: customer().ID, ID: "ent_~", Limit: 500})
			fine(t, err)
			for _, e := range entries {
				if strings.Contains(fmt.Sprintf("%+v", e), s) {
					t.Error("the trail has a password of a letter")
				}
			}
		}
	})
}

// Choice ⑧, of a customer whose devices are in other hands: every passkey, the finger that confirms, every known browser and every session is gone, and each is told in the trail; the token stays, and with it her way back.
func TestReleaseOfAuthenticators(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		p, b := newPayer(w, 1), newBranch(w)
		laptop, key := testkit.NewAuthenticator(), testkit.NewAuthenticator()
		addPasskey(t, p.browser, p.phone, laptop, "ノートパソコン")
		addPasskey(t, p.browser, p.phone, key, "鍵")
		fine(t, p.phone.SetVerifier(counting()))
		for _, device := range []*testkit.Authenticator{laptop, key} {
			_, err := logInWith(w, testkit.Visit(authority.PC), device)
			fine(t, err)
		}
		known, err := w.Store.Reader().BrowsersOf(ctx, db.BrowsersOfParams{Customer: p.browser.Customer, Limit: 9})
		if fine(t, err); len(known) == 0 {
			t.Fatal("no browser of hers is known")
		}
		b.done(1, release.Stolen, looked(release.Authenticators))
		for _, device := range []*testkit.Authenticator{laptop, key} {
			_, err := logInWith(w, testkit.Visit(authority.PC), device)
			want(t, "a passkey that was removed", err, problem.PasskeyRefused)
		}
		for _, v := range p.phone.Transactions().Verifiers {
			if v.State != passkey.Removed {
				t.Errorf("a finger confirms still: %+v", v)
			}
		}
		if known, err = w.Store.Reader().BrowsersOf(ctx, db.BrowsersOfParams{Customer: p.browser.Customer, Limit: 9}); err != nil || len(known) != 0 {
			t.Errorf("%d browsers are known, %v", len(known), err)
		}
		_, err = w.SessionOf(ctx, p.browser.Cookie.Session)
		want(t, "her session", err, problem.SessionOver)
		made := p.order()
		_, err = p.phone.Send(p.phone.Decision(made.Offer, transaction.Yes, testkit.ByFinger))
		want(t, "an approval by the finger", err, problem.DecisionRefused)
		if s, err := p.phone.Send(p.phone.Decision(made.Offer, transaction.Yes)); err != nil || s != transaction.Approved {
			t.Errorf("an approval by the token alone: %s, %v", s, err)
		}
		if n := acts(t, p, audit.VerifierRemove)["done"]; n != 1 || acts(t, p, audit.PasskeyRemove)["done"] != 1 {
			t.Errorf("the trail tells of %d fingers and %v passkeys", n, acts(t, p, audit.PasskeyRemove))
		}
		w.Clock.Move(time.Minute)
		again := w.LogIn("hanako01", authority.PC)
		fine(t, again.Code(p.phone.Code()))
	})
}

// Any choice of releases does what each of them does, and nothing else: a small model of what was shut.
func TestAnyChoiceOfReleases(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		b := newBranch(w)
		b.checker.StaffSession = w.SignedIn(staff.Supervisor).StaffSession
		shut := []release.Item{release.OTPLock, release.TokenRevoke, release.Downloads, release.LoginPassword, release.Phone, release.ServiceStop, release.Authenticators}
		for n := range 10 {
			choice := uint(n*37+1) % (1 << len(shut)) // ten that differ, of all there are
			p := newPayer(w, n+1)
			c, err := w.Store.Reader().CustomerByRef(ctx, p.ref)
			fine(t, err)
			fine(t, w.ByHand(ctx, func(ctx context.Context, tx *store.Tx) error { // everything that can be shut is
				for _, f := range []string{"otp", "login_password", "phone"} {
					if _, err := tx.ReserveTry(ctx, db.ReserveTryParams{Customer: c.ID, Factor: f, Every: 1, Base: time.Hour.Microseconds(), Cap: time.Hour.Microseconds(), Now: store.Micros(w.Clock.Now()), Hard: 10}); err != nil {
						return err
					}
				}
				row, err := tx.CurrentToken(ctx, c.ID)
				if err != nil {
					return err
				}
				if _, err := tx.SetTokenState(ctx, db.SetTokenStateParams{ID: row.ID, State: "locked", State_2: "active"}); err != nil {
					return err
				}
				_, err = tx.StopCustomer(ctx, db.StopCustomerParams{ID: c.ID, StoppedAt: store.Micros(w.Clock.Now())})
				return err
			}))
			var items []release.Item
			has := map[release.Item]bool{}
			for i, x := range shut {
				if choice&(1<<i) != 0 {
					items, has[x] = append(items, x), true
				}
			}
			b.done(n+1, release.Elsewise, looked(items...))
			q := w.Store.Reader()
			now, err := q.CustomerByID(ctx, c.ID)
			fine(t, err)
			state := "none"
			if row, err := q.CurrentToken(ctx, c.ID); err == nil {
				state = row.State
			}
			blocked := func(f string) bool {
				at, err := q.AttemptOf(ctx, db.AttemptOfParams{Customer: c.ID, Factor: f})
				fine(t, err)
				return at.Tries > 0
			}
			want := "locked"
			if has[release.OTPLock] {
				want = "active"
			}
			if has[release.TokenRevoke] {
				want = "none"
			}
			downloads, err := q.DownloadsSince(ctx, db.DownloadsSinceParams{Customer: c.ID})
			fine(t, err)
			for what, wrong := range map[string]bool{"the token": state != want, "codes": blocked("otp") == has[release.OTPLock], "the login password": blocked("login_password") == (has[release.LoginPassword]),
				"the telephone": blocked("phone") == has[release.Phone], "the count": (downloads == 0) != has[release.Downloads], "the service": (now.State == "active") != has[release.ServiceStop]} {
				if wrong {
					t.Errorf("%v: %s is not as it should be (token %s, %d downloads, service %s)", items, what, state, downloads, now.State)
				}
			}
		}
	})
}
