package authority_test

import (
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/enrolment"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// moving is what the old phone shows.
func moving(t *testing.T, p *testkit.Phone) authority.Move {
	t.Helper()
	m, err := p.W.BeginMove(t.Context(), p.Proof("POST", "/v1/moves", nil))
	if err != nil {
		t.Fatalf("beginning a move: %v", err)
	}
	return m
}

// scan is a phone that has read the link of a move and registered.
func scan(t *testing.T, w *testkit.World, m authority.Move) (*testkit.Phone, error) {
	t.Helper()
	_, id, secret, _, number, err := enrolment.ParseMoveLink(m.Link)
	if err != nil {
		t.Fatal(err)
	}
	p := testkit.NewPhone(w)
	return p, p.Register(p.Seal(p.Request(id, secret, number)))
}

func scanned(t *testing.T, w *testkit.World, m authority.Move) *testkit.Phone {
	t.Helper()
	p, err := scan(t, w, m)
	if err != nil {
		t.Fatalf("registering the new phone: %v", err)
	}
	return p
}

// says is the old phone's answer to the one thing that it is asked.
func says(t *testing.T, p *testkit.Phone, answer transaction.Answer) {
	t.Helper()
	waiting := p.Transactions().Pending
	if len(waiting) != 1 {
		t.Fatalf("%d things wait for the old phone", len(waiting))
	}
	if _, err := p.Send(p.Decision(waiting[0].Offer, answer)); err != nil {
		t.Fatalf("answering: %v", err)
	}
}

func finish(p *testkit.Phone) error {
	return p.W.FinishMove(p.W.T.Context(), p.Proof("POST", "/v1/moves/finish", nil), p.Code())
}

// status is what a phone is told of itself.
func status(t *testing.T, p *testkit.Phone) authority.TokenStatus {
	t.Helper()
	s, err := p.W.ReadToken(t.Context(), p.Proof("GET", "/v1/token", nil))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// T9: with the old phone at hand a token is on the new one in two minutes, without paper, and every address is told.
func TestMoveToANewPhone(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		p := newPayer(w, 1)
		old := p.phone
		m := moving(t, old)
		if again := moving(t, old); again.Link != m.Link || again.ID != m.ID {
			t.Error("a second look at the link shows another one")
		}
		next := scanned(t, w, m)
		asked, waits := moving(t, old), status(t, next)
		if asked.State != enrolment.Registered || asked.Check == "" || waits.Move == nil || waits.Move.Check != asked.Check || waits.Move.Asked != transaction.Pending || waits.Move.Link != "" {
			t.Fatalf("the old phone shows %+v, the new one %+v", asked, waits.Move)
		}
		want(t, "the new phone before the approval", finish(next), problem.TransactionNotApproved)
		if s := status(t, old).State; s != token.Active {
			t.Errorf("the old phone is %s before it has approved", s)
		}
		says(t, old, transaction.Yes)
		for range 2 { // the answer is lost
			if err := finish(next); err != nil {
				t.Fatalf("the first code of the new phone: %v", err)
			}
		}
		if a, b := status(t, old).State, status(t, next).State; a != token.Replaced || b != token.Active {
			t.Fatalf("the old phone is %s, the new one %s", a, b)
		}
		if v := mailed(t, w, "token_moved"); v["objection"] == "" || v["phone"] == "" {
			t.Errorf("the notice says %v", v)
		}
		w.Clock.Move(time.Minute)
		b := w.LogIn(testkit.LoginID[:6]+"01", authority.PC)
		want(t, "a code of the old phone", b.Code(old.Code()), problem.OTPWrong)
		if err := b.Code(next.Code()); err != nil {
			t.Errorf("a code of the new phone: %v", err)
		}
		p.phone = next
		made := p.order()
		if s, err := next.Send(next.Decision(made.Offer, transaction.Yes)); err != nil || s != transaction.Approved {
			t.Errorf("the new phone approves: %s, %v", s, err)
		}
		if _, err := w.BeginMove(t.Context(), old.Proof("POST", "/v1/moves", nil)); problem.KindOf(err) != problem.TokenNone {
			t.Errorf("the old phone begins another move: %v", err)
		}
	})
}

// Whatever is not the customer's own yes on the old phone moves nothing: the old phone goes on as it was.
func TestMovesThatComeToNothing(t *testing.T) {
	t.Parallel()
	for name, story := range map[string]func(t *testing.T, w *testkit.World, p *payer){
		"rejected": func(t *testing.T, w *testkit.World, p *payer) {
			next := scanned(t, w, moving(t, p.phone))
			says(t, p.phone, transaction.No)
			want(t, "finishing what was rejected", finish(next), problem.TransactionNotApproved)
			want(t, "finishing it again", finish(next), problem.EnrolmentNone)
			if s := status(t, next).State; s != token.Revoked {
				t.Errorf("the phone that was turned away is %s", s)
			}
		},
		"reported": func(t *testing.T, w *testkit.World, p *payer) {
			next := scanned(t, w, moving(t, p.phone))
			says(t, p.phone, transaction.NotMe)
			want(t, "finishing what was reported", finish(next), problem.TransactionNotApproved)
		},
		"nobody answers": func(t *testing.T, w *testkit.World, p *payer) {
			next := scanned(t, w, moving(t, p.phone))
			w.Clock.Move(6 * time.Minute)
			want(t, "finishing what has expired", finish(next), problem.TransactionNotApproved)
		},
		"withdrawn": func(t *testing.T, w *testkit.World, p *payer) {
			m := moving(t, p.phone)
			next := scanned(t, w, m)
			for range 2 {
				if err := w.CancelMove(t.Context(), p.phone.Proof("POST", "/v1/moves/cancel", nil)); err != nil {
					t.Fatal(err)
				}
			}
			want(t, "finishing what was withdrawn", finish(next), problem.EnrolmentNone)
			if m := moving(t, p.phone); m.State != enrolment.Ordered {
				t.Errorf("a new move begins as %s", m.State)
			}
		},
		"withdrawn after the yes": func(t *testing.T, w *testkit.World, p *payer) {
			next := scanned(t, w, moving(t, p.phone))
			says(t, p.phone, transaction.Yes)
			if err := w.CancelMove(t.Context(), p.phone.Proof("POST", "/v1/moves/cancel", nil)); err != nil {
				t.Fatal(err)
			}
			want(t, "finishing what was withdrawn", finish(next), problem.EnrolmentNone)
		},
		"a wrong code three times": func(t *testing.T, w *testkit.World, p *payer) {
			next := scanned(t, w, moving(t, p.phone))
			says(t, p.phone, transaction.Yes)
			for _, k := range []problem.Kind{problem.StartRefused, problem.StartRefused, problem.StartBurnt, problem.EnrolmentNone} {
				want(t, "a wrong code", w.FinishMove(t.Context(), next.Proof("POST", "/v1/moves/finish", nil), next.Wrong()), k)
			}
		},
		"the link is too old": func(t *testing.T, w *testkit.World, p *payer) {
			m := moving(t, p.phone)
			w.Clock.Move(11 * time.Minute)
			_, err := scan(t, w, m)
			want(t, "scanning an old link", err, problem.RegistrationRefused)
			if next := moving(t, p.phone); next.Link == m.Link {
				t.Error("the old phone shows a dead link")
			}
		},
		"the link is used": func(t *testing.T, w *testkit.World, p *payer) {
			m := moving(t, p.phone)
			scanned(t, w, m)
			_, err := scan(t, w, m)
			want(t, "a second phone scans", err, problem.RegistrationRefused)
			says(t, p.phone, transaction.No)
		},
		"a session with a code": func(t *testing.T, w *testkit.World, p *payer) { // B-06: neither password nor code shows the link, or finishes
			moving(t, p.phone)
			s := p.browser.Session
			_, err := w.RegistrationKey(t.Context(), s, false)
			want(t, "the key of a move in a session", err, problem.EnrolmentNone)
			_, err = w.RegistrationKey(t.Context(), s, true)
			want(t, "a new key of a move in a session", err, problem.EnrolmentNone)
			next := scanned(t, w, moving(t, p.phone))
			_, err = w.StartToken(t.Context(), s, next.Code())
			want(t, "the start of use in a session", err, problem.EnrolmentNone)
		},
		"another customer's phone finishes": func(t *testing.T, w *testkit.World, p *payer) {
			other := newPayer(w, 2)
			scanned(t, w, moving(t, p.phone))
			says(t, p.phone, transaction.Yes)
			want(t, "somebody else's token", finish(other.phone), problem.Forbidden)
			if err := w.CancelMove(t.Context(), other.phone.Proof("POST", "/v1/moves/cancel", nil)); err != nil {
				t.Fatal(err)
			}
			if m := moving(t, p.phone); m.Asked != transaction.Approved {
				t.Errorf("after somebody else's withdrawal it is %+v", m)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testkit.Each(t, func(t *testing.T, w *testkit.World) {
				p := newPayer(w, 1)
				story(t, w, p)
				if s := status(t, p.phone).State; s != token.Active {
					t.Errorf("the old phone is %s", s)
				}
			})
		})
	}
}

// A phone that scans while the old one is asked something else waits its turn: nothing of the bank's is withdrawn for it.
func TestMoveWaitsForWhatIsAsked(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		p := newPayer(w, 1)
		m := moving(t, p.phone)
		made := p.order()
		next := scanned(t, w, m)
		if got := moving(t, p.phone); got.Asked != "" {
			t.Errorf("the old phone is asked about the move (%s) and about a transfer", got.Asked)
		}
		want(t, "the new phone meanwhile", finish(next), problem.TransactionPending)
		says(t, p.phone, transaction.Yes)
		want(t, "the new phone when the way is free", finish(next), problem.TransactionNotApproved)
		if got := moving(t, p.phone); got.Asked != transaction.Pending {
			t.Fatalf("the old phone is not asked: %+v", got)
		}
		if _, err := w.ConsumeTransaction(t.Context(), internetBank, made.ID, p.execution("exec-1")); err != nil {
			t.Errorf("what was approved meanwhile: %v", err)
		}
		says(t, p.phone, transaction.Yes)
		if err := finish(next); err != nil {
			t.Fatal(err)
		}
	})
}

// A phone that was moved as often as a token may be downloaded is told so before anything begins, and by then nothing of the old one is lost (M-13).
func TestMovesAreDownloads(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		p := newPayer(w, 1).phone
		for range w.Policy.Downloads - 1 {
			next := scanned(t, w, moving(t, p))
			says(t, p, transaction.Yes)
			if err := finish(next); err != nil {
				t.Fatal(err)
			}
			p = next
			w.Clock.Move(time.Minute)
		}
		_, err := w.BeginMove(t.Context(), p.Proof("POST", "/v1/moves", nil))
		want(t, "one move too many", err, problem.DownloadsUsedUp)
		if s := status(t, p).State; s != token.Active {
			t.Errorf("the phone is %s", s)
		}
	})
}

// Finish, withdraw, stop of use and another finish at once: exactly one token is usable at the end, or, after the stop, none.
func TestMoveAgainstItself(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		for n := range rounds(t, 12) {
			p := newPayer(w, 10+n)
			next := scanned(t, w, moving(t, p.phone))
			says(t, p.phone, transaction.Yes)
			together(3, func(i int) error {
				switch i {
				case 0:
					return w.CancelMove(t.Context(), p.phone.Proof("POST", "/v1/moves/cancel", nil))
				default:
					return w.Another().FinishMove(t.Context(), next.Proof("POST", "/v1/moves/finish", nil), next.Code())
				}
			})
			a, b := status(t, p.phone).State, status(t, next).State
			if !(a == token.Active && b == token.Revoked || a == token.Replaced && b == token.Active) {
				t.Fatalf("round %d: the old phone is %s, the new one %s", n, a, b)
			}
		}
	})
}
