package authority_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/phone"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/reissue"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// pin is the cash card's in these stories.
const pin = "4649"

// lost is a customer whose phone is gone, at a browser that nobody knows.
type lost struct {
	*testkit.World
	n      int
	visit  authority.Visit
	cookie string
}

func newLost(w *testkit.World, n int) *lost {
	w.Cards.Card("101", "普通", fmt.Sprintf("%07d", 1234566+n), pin, fmt.Sprintf("0101-1-%07d", 1234566+n))
	return &lost{World: w, n: n, visit: testkit.Visit(authority.Smartphone)}
}

func (l *lost) card(pin string) authority.CardCheck {
	return authority.CardCheck{Branch: "101", AccountType: "普通", AccountNumber: fmt.Sprintf("%07d", 1234566+l.n), PIN: []byte(pin)}
}

func (l *lost) begin(wish reissue.Wish) error {
	c, err := l.BeginReissue(l.T.Context(), l.visit, wish, l.card(pin))
	l.cookie = c.Session
	return err
}

func (l *lost) confirm(pw string) error {
	return l.ConfirmReissue(l.T.Context(), l.visit, l.cookie, []byte(pw))
}

// call proves the telephone: she types on its keys what the page shows, and hears nothing.
func (l *lost) call() error {
	c, err := l.CallReissue(l.T.Context(), l.visit, l.cookie, phone.CallKeys, "ja")
	if err != nil {
		return err
	}
	if _, err := l.DeliverDue(l.T.Context()); err != nil {
		return err
	}
	calls := l.Line.Calls()
	_, _, err = l.Happens(phone.Happened{Kind: phone.CallDigits, Call: calls[len(calls)-1].ID, Digits: c.Digits})
	return err
}

func (l *lost) order() error {
	_, err := l.OrderReissue(l.T.Context(), l.visit, l.cookie)
	return err
}

func (l *lost) view() authority.ReissueView {
	l.T.Helper()
	v, err := l.ReissueOf(l.T.Context(), l.cookie)
	if err != nil {
		l.T.Fatalf("the page of the re-issue: %v", err)
	}
	return v
}

// prove walks all three proofs.
func (l *lost) prove(wish reissue.Wish) {
	l.T.Helper()
	if err := l.begin(wish); err != nil {
		l.T.Fatalf("the cash card: %v", err)
	}
	if err := l.confirm(testkit.Confirm); err != nil {
		l.T.Fatalf("the confirmation password: %v", err)
	}
	if err := l.call(); err != nil {
		l.T.Fatalf("the telephone: %v", err)
	}
}

// registered is the new phone, which has scanned the key and typed the mailed number.
func (l *lost) registered() *testkit.Phone {
	l.T.Helper()
	key, err := l.ReissueKey(l.T.Context(), l.visit, l.cookie, false)
	if err != nil {
		l.T.Fatalf("the registration key: %v", err)
	}
	p := testkit.NewPhone(l.World)
	if err := p.Register(p.Scan(key.Link, l.MailedNumber())); err != nil {
		l.T.Fatalf("registering: %v", err)
	}
	return p
}

func (l *lost) start(code string) error {
	return l.StartReissue(l.T.Context(), l.visit, l.cookie, code)
}

// M-12, and T10: card, confirmation password and telephone, nothing heard; a number to the address on file; the first code of the new phone switches over in one write.
func TestReissue(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		p := newPayer(w, 1)
		l := newLost(w, 1)
		l.prove(reissue.Token)
		for range 2 { // a second click
			if err := l.order(); err != nil {
				t.Fatalf("ordering: %v", err)
			}
		}
		if v := mailed(t, w, "reissue_ordered"); v["objection"] == "" {
			t.Errorf("the notice says %v", v)
		}
		next := l.registered()
		if v := l.view(); v.Phone == "" || v.Order == nil {
			t.Errorf("the page does not know the phone: %+v", v)
		}
		if s := status(t, p.phone).State; s != token.Active {
			t.Errorf("the old token is %s before the new one is used", s)
		}
		w.Clock.Move(time.Minute)
		for range 2 { // the answer is lost
			if err := l.start(next.Code()); err != nil {
				t.Fatalf("the first code: %v", err)
			}
		}
		if a, b := status(t, p.phone).State, status(t, next).State; a != token.Replaced || b != token.Active {
			t.Fatalf("the old token is %s, the new one %s", a, b)
		}
		if _, err := w.SessionOf(t.Context(), p.browser.Cookie.Session); problem.KindOf(err) != problem.SessionOver {
			t.Errorf("her other log-in goes on: %v", err)
		}
		if v := mailed(t, w, "token_reissued"); v["objection"] == "" || v["until"] == "" {
			t.Errorf("the notice says %v", v)
		}
		w.Clock.Move(time.Minute)
		b := w.LogIn(testkit.LoginID[:6]+"01", authority.PC)
		if err := b.Code(next.Code()); err != nil {
			t.Errorf("a code of the new phone: %v", err)
		}
	})
}

// After an emergency stop the same three proofs start the service again, with the token that she has or with a new one: the road back needs nothing that was lost (B-05).
func TestTheRoadBackAfterAStop(t *testing.T) {
	t.Parallel()
	for _, wish := range []reissue.Wish{reissue.Service, reissue.Token} {
		t.Run(string(wish), func(t *testing.T) {
			t.Parallel()
			testkit.Each(t, func(t *testing.T, w *testkit.World) {
				p := newPayer(w, 1)
				if _, err := w.StopSession(t.Context(), p.browser.Session); err != nil {
					t.Fatal(err)
				}
				l := newLost(w, 1)
				l.prove(wish)
				if !l.view().Stopped {
					t.Error("the page does not say that the service is stopped")
				}
				if err := l.order(); err != nil {
					t.Fatalf("starting again: %v", err)
				}
				now := p.phone
				if wish == reissue.Token {
					now = l.registered()
					w.Clock.Move(time.Minute)
					if err := l.start(now.Code()); err != nil {
						t.Fatal(err)
					}
				}
				w.Clock.Move(time.Minute)
				if err := w.LogIn(testkit.LoginID[:6]+"01", authority.PC).Code(now.Code()); err != nil {
					t.Errorf("logging in: %v", err)
				}
			})
		})
	}
}

// A service that runs has nothing to start again, and that is said before the telephone rings.
func TestNothingToStartAgain(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		newPayer(w, 1)
		l := newLost(w, 1)
		if err := l.begin(reissue.Service); err != nil {
			t.Fatal(err)
		}
		if o := l.view().Obstacle; problem.KindOf(o) != problem.ServiceRunning {
			t.Errorf("the page says %v", o)
		}
	})
}

// Whatever is missing, late or somebody else's opens nothing, and the old token goes on.
func TestReissuesThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, story := range map[string]func(t *testing.T, w *testkit.World, p *payer, l *lost){
		"a wrong PIN, until the card is closed": func(t *testing.T, w *testkit.World, _ *payer, l *lost) {
			for range 7 {
				_, err := w.BeginReissue(t.Context(), l.visit, reissue.Token, l.card("0000"))
				want(t, "a wrong PIN", err, problem.CardRefused)
			}
			if n := len(w.Cards.Asked()); n != w.Policy.TriesPerBlock {
				t.Errorf("the core was asked %d times", n)
			}
			want(t, "the right PIN while it is closed", l.begin(reissue.Token), problem.CardRefused)
			w.Clock.Move(w.Policy.BlockFirst + time.Second)
			if err := l.begin(reissue.Token); err != nil {
				t.Errorf("the right PIN afterwards: %v", err)
			}
		},
		"somebody else's card": func(t *testing.T, w *testkit.World, _ *payer, l *lost) {
			w.Cards.Card("101", "普通", fmt.Sprintf("%07d", 1234566+l.n), "1111", "0101-1-9999999")
			_, err := w.BeginReissue(t.Context(), l.visit, reissue.Token, l.card("1111"))
			want(t, "a card of another customer", err, problem.CardRefused)
		},
		"an account that is no customer's": func(t *testing.T, w *testkit.World, _ *payer, l *lost) {
			c := l.card(pin)
			c.AccountNumber = "9999999"
			_, err := w.BeginReissue(t.Context(), l.visit, reissue.Token, c)
			want(t, "nobody's account", err, problem.CardRefused)
			if n := len(w.Cards.Asked()); n != 0 {
				t.Errorf("the core was asked about it %d times", n)
			}
		},
		"the core is away": func(t *testing.T, w *testkit.World, _ *payer, l *lost) {
			w.Cards.Down(true)
			for range 7 {
				want(t, "while the core is away", l.begin(reissue.Token), problem.Unavailable)
			}
			w.Cards.Down(false)
			want(t, "for a minute everybody is told the same", l.begin(reissue.Token), problem.Unavailable)
			_, err := w.BeginReissue(t.Context(), l.visit, reissue.Token, authority.CardCheck{Branch: "101", AccountType: "普通", AccountNumber: "9999999", PIN: []byte(pin)})
			want(t, "a stranger's account too", err, problem.Unavailable)
			w.Clock.Move(time.Minute)
			if err := l.begin(reissue.Token); err != nil {
				t.Errorf("no try was lost, and yet: %v", err)
			}
		},
		"without the confirmation password no telephone rings": func(t *testing.T, w *testkit.World, _ *payer, l *lost) {
			fine(t, l.begin(reissue.Token))
			want(t, "calling", l.call(), problem.ReissueOver)
			want(t, "ordering", l.order(), problem.PhoneOver)
			if n := len(w.Line.Calls()); n != 0 {
				t.Errorf("%d calls", n)
			}
		},
		"without the telephone": func(t *testing.T, w *testkit.World, _ *payer, l *lost) {
			fine(t, l.begin(reissue.Token))
			want(t, "a wrong confirmation password", l.confirm("wrong one"), problem.ConfirmRefused)
			fine(t, l.confirm(testkit.Confirm))
			want(t, "ordering", l.order(), problem.PhoneOver)
			_, err := w.ReissueKey(t.Context(), l.visit, l.cookie, false)
			want(t, "the key", err, problem.ReissueOver)
		},
		"a quarter of an hour is over": func(t *testing.T, w *testkit.World, _ *payer, l *lost) {
			l.prove(reissue.Token)
			w.Clock.Move(w.Policy.ReissueWindow + time.Second)
			want(t, "ordering", l.order(), problem.ReissueOver)
		},
		"another browser": func(t *testing.T, w *testkit.World, _ *payer, l *lost) {
			l.prove(reissue.Token)
			other := newLost(w, 1)
			other.cookie = strings.Repeat("A", 43)
			want(t, "ordering with another cookie", other.order(), problem.ReissueOver)
			fine(t, other.begin(reissue.Token)) // her own card at another browser proves nothing of what this one has proved
			want(t, "ordering there", other.order(), problem.PhoneOver)
		},
		"another customer's telephone": func(t *testing.T, w *testkit.World, _ *payer, l *lost) {
			newPayer(w, 2)
			other := newLost(w, 2)
			other.prove(reissue.Token)
			fine(t, l.begin(reissue.Token))
			fine(t, l.confirm(testkit.Confirm))
			want(t, "ordering with somebody else's proof", l.order(), problem.PhoneOver)
		},
		"the key is shown nowhere else": func(t *testing.T, w *testkit.World, p *payer, l *lost) {
			l.prove(reissue.Token)
			fine(t, l.order())
			_, err := w.RegistrationKey(t.Context(), p.browser.Session, false)
			want(t, "the key in a session", err, problem.EnrolmentNone)
			_, err = w.RegistrationKey(t.Context(), p.browser.Session, true)
			want(t, "a new key in a session", err, problem.EnrolmentNone)
			next := l.registered()
			_, err = w.StartToken(t.Context(), p.browser.Session, next.Code())
			want(t, "the start of use in a session", err, problem.EnrolmentNone)
			want(t, "a code of the old phone", l.start(p.phone.Code()), problem.StartRefused)
			want(t, "a wrong code", l.start(next.Wrong()), problem.StartRefused)
			want(t, "the third wrong code", l.start(next.Wrong()), problem.StartBurnt)
			want(t, "the right one after that", l.start(next.Code()), problem.EnrolmentNone)
		},
		"given up": func(t *testing.T, w *testkit.World, _ *payer, l *lost) {
			l.prove(reissue.Token)
			fine(t, l.order())
			next := l.registered()
			for range 2 {
				fine(t, w.CancelReissue(t.Context(), l.visit, l.cookie))
			}
			want(t, "starting", l.start(next.Code()), problem.ReissueOver)
		},
		"stopped meanwhile": func(t *testing.T, w *testkit.World, p *payer, l *lost) {
			l.prove(reissue.Token)
			fine(t, l.order())
			next := l.registered()
			_, err := w.StopByToken(t.Context(), p.phone.Proof("POST", "/v1/stop", nil))
			fine(t, err)
			want(t, "starting", l.start(next.Code()), problem.ReissueOver) // what was proved before the stop opens nothing
		},
		"objected to": func(t *testing.T, w *testkit.World, _ *payer, l *lost) {
			l.prove(reissue.Token)
			fine(t, l.order())
			code := mailed(t, w, "reissue_ordered")["objection"]
			next := l.registered()
			fine(t, w.Object(t.Context(), testkit.Stranger(), code))
			want(t, "starting", l.start(next.Code()), problem.ReissueOver) // what was proved before the stop opens nothing
		},
		"too many downloads, said at once": func(t *testing.T, w *testkit.World, p *payer, l *lost) { // M-13, T13
			old := p.phone
			for range w.Policy.Downloads - 1 {
				next := scanned(t, w, moving(t, p.phone))
				says(t, p.phone, "approve")
				fine(t, finish(next))
				p.phone = next
				w.Clock.Move(time.Minute)
			}
			fine(t, l.begin(reissue.Token))
			if o := l.view().Obstacle; problem.KindOf(o) != problem.DownloadsUsedUp {
				t.Errorf("the page says %v", o)
			}
			fine(t, l.confirm(testkit.Confirm))
			fine(t, l.call())
			want(t, "ordering all the same", l.order(), problem.DownloadsUsedUp)
			if s := status(t, old).State; s != token.Replaced {
				t.Errorf("the first phone is %s", s)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testkit.Each(t, func(t *testing.T, w *testkit.World) {
				p := newPayer(w, 1)
				story(t, w, p, newLost(w, 1))
				if s := status(t, p.phone).State; s != token.Active {
					t.Errorf("the token in use is %s", s)
				}
				plain := w.Log.String()
				for _, e := range entries(t, w, p.browser) {
					b, _ := json.Marshal(e)
					plain += string(b)
				}
				if strings.Contains(plain, `"`+pin+`"`) || strings.Contains(plain, "="+pin+" ") {
					t.Error("the PIN of the cash card stands in the log or the trail")
				}
			})
		})
	}
}

// She loses the page after her new phone has registered: the same proofs lead on to where she was, and no second download is counted. Nobody is sent round in a circle.
func TestAReissueIsTakenUpAgain(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		p := newPayer(w, 1)
		l := newLost(w, 1)
		l.prove(reissue.Token)
		fine(t, l.order())
		next := l.registered()
		again := newLost(w, 1)
		again.prove(reissue.Token)
		fine(t, again.order())
		if v := again.view(); v.Order == nil || v.Phone == "" {
			t.Fatalf("the second page does not go on: %+v", v)
		}
		w.Clock.Move(time.Minute)
		fine(t, again.start(next.Code()))
		if a, b := status(t, p.phone).State, status(t, next).State; a != token.Replaced || b != token.Active {
			t.Errorf("the old token is %s, the new one %s", a, b)
		}
	})
}

// 200 tries at once at the same card ask the bank's core no more often than the tries allow (G-02).
func TestManyPINsAtOnce(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		newPayer(w, 1)
		l := newLost(w, 1)
		nodes := []*testkit.World{w, w.Another(), w.Another()}
		together(200, func(i int) error {
			_, err := nodes[i%3].BeginReissue(t.Context(), l.visit, reissue.Token, l.card(fmt.Sprintf("%04d", i)))
			return err
		})
		if n := len(w.Cards.Asked()); n > w.Policy.TriesPerBlock {
			t.Errorf("the core was asked %d times", n)
		}
	})
}

// Downloads are counted exactly, however many phones register at once (G-03, R-064).
func TestDownloadsUnderParallelRegistrations(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		newPayer(w, 1)
		l := newLost(w, 1)
		l.prove(reissue.Token)
		fine(t, l.order())
		key, err := w.ReissueKey(t.Context(), l.visit, l.cookie, false)
		fine(t, err)
		number := w.MailedNumber()
		errs := together(200, func(int) error {
			p := testkit.NewPhone(w)
			return p.Register(p.Scan(key.Link, number))
		})
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			}
		}
		if won != 1 {
			t.Errorf("%d phones were registered with one key", won)
		}
	})
}

// Start ∥ stop ∥ give up ∥ a move by the old phone: at the end exactly one token is usable, or, after a stop, the service stands still.
func TestReissueAgainstItself(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		for n := range rounds(t, 10) {
			p := newPayer(w, 10+n)
			l := newLost(w, 10+n)
			l.prove(reissue.Token)
			fine(t, l.order())
			next := l.registered()
			w.Clock.Move(time.Minute)
			together(4, func(i int) error {
				switch i {
				case 0:
					return w.CancelReissue(t.Context(), l.visit, l.cookie)
				case 1:
					_, err := w.BeginMove(t.Context(), p.phone.Proof("POST", "/v1/moves", nil))
					return err
				default:
					return w.Another().StartReissue(t.Context(), l.visit, l.cookie, next.Code())
				}
			})
			a, b := status(t, p.phone).State, status(t, next).State
			if !(a == token.Active && b == token.Revoked || a == token.Replaced && b == token.Active) {
				t.Fatalf("round %d: the old token is %s, the new one %s", n, a, b)
			}
		}
	})
}
