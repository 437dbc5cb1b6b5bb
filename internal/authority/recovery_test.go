package authority_test

import (
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/reissue"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// walker is a customer on a road back: p is what she had, phone what she has at its end.
type walker struct {
	*testing.T
	w     *testkit.World
	p     *payer
	id    string
	phone *testkit.Phone
}

// reissued walks the whole re-issue.
func (x *walker) reissued() {
	x.Helper()
	l := newLost(x.w, 1)
	l.prove(reissue.Token)
	fine(x, l.order())
	x.phone = l.registered()
	x.w.Clock.Move(time.Minute)
	fine(x, l.start(x.phone.Code()))
}

func (x *walker) wrongCodes(n int) {
	x.Helper()
	for range n {
		b := x.w.LogIn(x.id, authority.PC)
		_ = b.Code(x.phone.Wrong())
		x.w.Clock.Move(25 * time.Hour) // no block stands in the way of the next
	}
}

// roads walk each row of docs/recovery.md that ends with the customer herself.
var roads = map[string]func(x *walker){
	"move": func(x *walker) {
		next := scanned(x.T, x.w, moving(x.T, x.phone))
		says(x.T, x.phone, "approve")
		fine(x, finish(next))
		x.phone = next
	},
	"re-issue":         func(x *walker) { x.reissued() },
	"re-issue by keys": func(x *walker) { x.reissued() }, // the walk of lost types on the telephone's keys and hears nothing
	"re-issue by a call of staff": func(x *walker) {
		l := newLost(x.w, 1)
		c := l.awaits(reissue.Token)
		x.w.Clock.Move(50 * time.Hour)
		fine(x, called(x, x.w.SignedIn(staff.Clerk), c.ID, c.Digits))
		x.w.Clock.Move(20 * time.Hour)
		fine(x, l.again())
		fine(x, l.order())
		x.phone = l.registered()
		x.w.Clock.Move(time.Minute)
		fine(x, l.start(x.phone.Code()))
	},
	"restart": func(x *walker) {
		_, err := x.w.StopSession(x.Context(), x.p.browser.Session)
		fine(x, err)
		l := newLost(x.w, 1)
		l.prove(reissue.Service)
		fine(x, l.order())
	},
	"re-issue and restart": func(x *walker) {
		_, err := x.w.StopSession(x.Context(), x.p.browser.Session)
		fine(x, err)
		x.reissued()
	},
	"re-issue of a locked token": func(x *walker) {
		x.wrongCodes(x.w.Policy.OTPTriesToLock)
		want(x.T, "the locked token", x.w.LogIn(x.id, authority.PC).Code(x.phone.Code()), problem.OTPLocked)
		x.reissued()
	},
	"renewal with a number": func(x *walker) {
		x.w.Clock.Move(x.w.Policy.TokenLife + time.Hour)
		b := x.w.LogIn(x.id, authority.PC)
		step(x.T, b, authority.StepRenew)
		fine(x, x.w.OrderRenewal(x.Context(), b.Session, []byte(testkit.Confirm)))
		fine(x, x.phone.Renew(x.w.MailedRenewal()))
	},
	"re-issue of an expired token": func(x *walker) {
		x.w.Clock.Move(x.w.Policy.TokenLife + x.w.Policy.RenewalGrace + 24*time.Hour)
		x.reissued()
	},
	"passkey": func(x *walker) {
		device := testkit.NewAuthenticator()
		addPasskey(x.T, x.p.browser, x.phone, device, "hers")
		for range x.w.Policy.TriesPerBlock {
			_ = (&testkit.Browser{W: x.w, Visit: abroad()}).Password(x.id, "wrong")
		}
		_, err := logInWith(x.w, x.p.browser.Visit, device)
		fine(x, err)
		x.w.Clock.Move(x.w.Policy.BlockFirst + time.Second) // and later with the password again
	},
	"wait for the password": func(x *walker) {
		stranger := &testkit.Browser{W: x.w, Visit: abroad()}
		for range x.w.Policy.TriesPerBlock {
			_ = stranger.Password(x.id, "wrong")
		}
		want(x.T, "while it is blocked", stranger.Password(x.id, testkit.Login), problem.LoginRefused)
		x.w.Clock.Move(x.w.Policy.BlockFirst + time.Second)
	},
	"wait for the code": func(x *walker) {
		b := x.w.LogIn(x.id, authority.PC)
		for range x.w.Policy.TriesPerBlock {
			_ = b.Code(x.phone.Wrong())
		}
		want(x.T, "while it is blocked", b.Code(x.phone.Code()), problem.FactorBlocked)
		x.w.Clock.Move(x.w.Policy.BlockFirst + time.Second)
	},
	"wait for the confirmation password": func(x *walker) {
		for range x.w.Policy.TriesPerBlock {
			_, _ = x.w.AskToStop(x.Context(), x.p.browser.Session, []byte("wrong"))
		}
		_, err := x.w.AskToStop(x.Context(), x.p.browser.Session, []byte(testkit.Confirm))
		want(x.T, "while it is blocked", err, problem.FactorBlocked)
		x.w.Clock.Move(x.w.Policy.BlockFirst + time.Second)
		b := x.w.LogIn(x.id, authority.PC)
		fine(x, b.Code(x.phone.Code()))
		_, err = x.w.AskToStop(x.Context(), b.Session, []byte(testkit.Confirm))
		fine(x, err)
	},
	"apply again": func(x *walker) {
		fine(x, x.p.browser.Stop(x.phone))
		x.w.Clock.Move(x.w.Policy.WaitAfterCancel + time.Second)
		x.phone = x.w.LogIn(x.id, authority.PC).Enrol()
	},
	"start of use later": func(x *walker) {
		fine(x, x.p.browser.Stop(x.phone))
		x.w.Clock.Move(x.w.Policy.WaitAfterCancel + time.Second)
		x.phone = x.w.LogIn(x.id, authority.PC).Registered()
		fine(x, x.w.LogIn(x.id, authority.PC).Start(x.phone.Code())) // another browser, another day
	},
	"address by approval": func(x *walker) {
		e, err := x.w.AskAddress(x.Context(), x.p.browser.Session, "new@mail.example.jp")
		fine(x, err)
		x.p.browser.Approve(e, x.phone, "approve")
		fine(x, x.w.ChangeAddress(x.Context(), x.p.browser.Session, e.ID))
	},
	"corrected address": func(x *walker) {
		fine(x, x.p.browser.Stop(x.phone))
		x.w.Clock.Move(x.w.Policy.WaitAfterCancel + time.Second)
		b := x.w.LogIn(x.id, authority.PC)
		addresses, err := x.w.Addresses(x.Context(), b.Session)
		fine(x, err)
		x.w.Post.Bounce(addresses[0].Mail)
		fine(x, x.w.TestAddress(x.Context(), b.Session))
		_, err = x.w.DeliverDue(x.Context())
		fine(x, err)
		atOnce, err := x.w.CorrectAddress(x.Context(), b.Session, []byte(testkit.Confirm), "new@mail.example.jp")
		if fine(x, err); !atOnce {
			x.Error("the new address has to be waited for")
		}
		x.phone = b.Enrol()
	},
	"none needed": func(x *walker) { // the app measures how wrong its clock is and shows the code of the right time; what a bad network leaves of that is less than a step
		x.w.Clock.Move(time.Minute)
		x.phone.Offset = -40 * time.Second
	},
	"two codes in a row": func(x *walker) {
		x.w.Clock.Move(time.Hour)
		x.phone.Offset = -6 * time.Minute
		b := x.w.LogIn(x.id, authority.PC)
		first := x.phone.Code()
		x.w.Clock.Move(time.Minute)
		fine(x, x.w.Resync(x.Context(), b.Session, first, x.phone.Code()))
	},
	"re-issue taken up again": func(x *walker) {
		l := newLost(x.w, 1)
		l.prove(reissue.Token)
		fine(x, l.order())
		x.phone = l.registered()
		again := newLost(x.w, 1) // the page is lost
		again.prove(reissue.Token)
		fine(x, again.order())
		x.w.Clock.Move(time.Minute)
		fine(x, again.start(x.phone.Code()))
	},
}

// Every road of docs/recovery.md is walked to its end, which is a log-in with a code of the phone that she then has; none asks for what it is the road to, and none needs staff but those that say so.
func TestEveryRoadBack(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/recovery.md")
	fine(t, err)
	drawn := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\| [^|]+ \| ([^|]+) \| [^|]+ \| (customer|staff) \|$`).FindAllStringSubmatch(string(page), -1) {
		if m[2] == "staff" { // TestReleaseRequest makes the paper
			continue
		}
		drawn[m[1]] = true
		if roads[m[1]] == nil {
			t.Errorf("the road %q of docs/recovery.md is not walked", m[1])
		}
	}
	for name, walk := range roads {
		if !drawn[name] {
			t.Errorf("the road %q is not drawn in docs/recovery.md", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testkit.Each(t, func(t *testing.T, w *testkit.World) {
				x := &walker{T: t, w: w, p: newPayer(w, 1), id: testkit.LoginID[:6] + "01"}
				x.phone = x.p.phone
				walk(x)
				w.Clock.Move(time.Minute)
				b := w.LogIn(x.id, authority.PC)
				if err := b.Code(x.phone.Code()); err != nil {
					t.Errorf("at the end of the road she does not get in: %v", err)
				}
			})
		})
	}
}
