package authority_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// together runs n calls that wait for one another at the start, and gives what they answered.
func together(n int, f func(i int) error) []error {
	errs := make([]error, n)
	gate := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-gate
			errs[i] = f(i)
		})
	}
	close(gate)
	wg.Wait()
	return errs
}

func rounds(t *testing.T, n int) int {
	if testing.Short() || raced {
		return 3
	}
	return n
}

// bankOf is the API's actor: the surface that takes a code without a session.
var theBank = audit.Actor{Kind: audit.Bank, ID: "core"}

// Exactly once (G-01): one code, 200 parallel tries over three authorities and two surfaces, 50 rounds: one success, always.
func TestOneCodeManyTriesOneSuccess(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		nodes := []*testkit.World{w, w.Another(), w.Another()}
		id := w.Person(1, false)
		phone := w.LogIn(id, authority.PC).Enrol()
		c, err := w.Store.Reader().CustomerByLoginID(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		for round := range rounds(t, 50) {
			w.Clock.Move(time.Minute)
			sessions := []*testkit.Browser{w.LogIn(id, authority.PC), w.LogIn(id, authority.Smartphone)}
			code := phone.Code()
			errs := together(200, func(i int) error {
				n := nodes[i%3]
				if i < len(sessions) {
					_, _, err := n.LoginOTP(t.Context(), sessions[i].Visit, sessions[i].Session, code)
					return err
				}
				return n.VerifyOTP(t.Context(), theBank, c.Ref, code)
			})
			done := 0
			for _, err := range errs {
				switch k := problem.KindOf(err); {
				case err == nil:
					done++
				case k != problem.OTPUsed && k != problem.Conflict:
					t.Fatalf("round %d: %v", round, err)
				}
			}
			if done != 1 {
				t.Fatalf("round %d: %d successes, want exactly 1", round, done)
			}
		}
		at, err := w.Store.Reader().AttemptOf(t.Context(), db.AttemptOfParams{Customer: c.ID, Factor: "otp"})
		if err != nil && !errors.Is(err, store.ErrNone) || at.Tries != 0 { // where no code was ever wrong there is no row
			t.Errorf("replays cost tries: %+v, %v", at, err)
		}
	})
}

// The limit under parallel fire (G-02): 300 wrong codes and a right one at a random place; never more than five are looked at.
func TestNeverMoreThanFiveWrongCodesAreLookedAt(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		nodes := []*testkit.World{w, w.Another(), w.Another()}
		for round := range rounds(t, 20) {
			id := w.Person(round+1, false)
			phone := w.LogIn(id, authority.PC).Enrol()
			c, err := w.Store.Reader().CustomerByLoginID(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			w.Clock.Move(time.Minute)
			wrong := phone.Wrong()
			errs := together(300, func(i int) error { return nodes[i%3].VerifyOTP(t.Context(), theBank, c.Ref, wrong) })
			looked := 0
			for _, err := range errs {
				p, ok := problem.Of(err)
				if !ok {
					t.Fatalf("round %d: %v", round, err)
				}
				if p.Values["lock_left"] != nil { // only a code that was looked at is told how many remain
					looked++
				}
			}
			if looked != 5 {
				t.Fatalf("round %d: %d codes were looked at, want 5", round, looked)
			}
			if k := problem.KindOf(w.VerifyOTP(t.Context(), theBank, c.Ref, phone.Code())); k != problem.FactorBlocked {
				t.Fatalf("round %d: the right code after the block: %q", round, k)
			}
		}
	})
}

// The right code in the crowd: it is accepted while tries are left, which forgives those before it, or it is refused like everything behind the block.
func TestARightCodeAmongManyWrongOnes(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		nodes := []*testkit.World{w, w.Another(), w.Another()}
		for round := range rounds(t, 20) {
			id := w.Person(round+1, false)
			phone := w.LogIn(id, authority.PC).Enrol()
			c, err := w.Store.Reader().CustomerByLoginID(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			w.Clock.Move(time.Minute)
			wrong, right := phone.Wrong(), phone.Code()
			const n = 60
			at := (round*17 + 3) % n
			errs := together(n, func(i int) error {
				if i == at {
					return nodes[i%3].VerifyOTP(t.Context(), theBank, c.Ref, right)
				}
				return nodes[i%3].VerifyOTP(t.Context(), theBank, c.Ref, wrong)
			})
			looked := 0
			for i, err := range errs {
				p, refused := problem.Of(err)
				switch {
				case i != at && !refused, err != nil && !refused:
					t.Fatalf("round %d: %v", round, err)
				case i != at && p.Values["lock_left"] != nil:
					looked++
				case i == at && refused && p.Kind != problem.FactorBlocked:
					t.Fatalf("round %d: the right code: %v", round, err)
				}
			}
			if accepted := errs[at] == nil; !accepted && looked != 5 || looked > 9 {
				t.Fatalf("round %d: %d wrong codes were looked at, the right one accepted: %v", round, looked, accepted)
			}
		}
	})
}

// The same for a confirmation password, whose check is slow: its try is taken in a write of its own before.
func TestNeverMoreThanFiveWrongPasswordsAreLookedAt(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		b := w.LogIn(w.Person(1, false), authority.PC)
		errs := together(40, func(int) error { return w.Apply(t.Context(), b.Session, []byte("wrong")) })
		looked := 0
		for _, err := range errs {
			if k := problem.KindOf(err); k == problem.ConfirmRefused {
				looked++
			} else if k != problem.FactorBlocked && k != problem.Busy {
				t.Fatal(err)
			}
		}
		if looked > 5 {
			t.Errorf("%d passwords were looked at, want at most 5", looked)
		}
		want(t, "the right one after the block", w.Apply(t.Context(), b.Session, []byte(testkit.Confirm)), problem.FactorBlocked)
	})
}

// Two hundred phones with the same two codes (G-03): one registers.
func TestOneOfManyPhonesRegisters(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		nodes := []*testkit.World{w, w.Another(), w.Another()}
		for round := range rounds(t, 10) {
			b := w.LogIn(w.Person(round+1, false), authority.PC)
			want(t, "applying", w.Apply(t.Context(), b.Session, []byte(testkit.Confirm)), "")
			key, err := w.RegistrationKey(t.Context(), b.Session, false)
			want(t, "key", err, "")
			number := w.MailedNumber()
			requests := make([]string, 40)
			for i := range requests {
				requests[i] = testkit.NewPhone(w).Scan(key.Link, number)
			}
			errs := together(len(requests), func(i int) error {
				_, err := nodes[i%3].Register(t.Context(), testkit.Stranger(), requests[i])
				return err
			})
			done := 0
			for _, err := range errs {
				if err == nil {
					done++
				} else if k := problem.KindOf(err); k != problem.RegistrationRefused && k != problem.RegistrationBurnt && k != problem.Conflict {
					t.Fatalf("round %d: %v", round, err)
				}
			}
			if done != 1 {
				t.Fatalf("round %d: %d phones registered, want 1", round, done)
			}
		}
	})
}

// One request sent many times at once, as an impatient phone does, gives one token and one answer.
func TestTheSameRegistrationSentAtOnceGivesOneToken(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		b := w.LogIn(w.Person(1, false), authority.PC)
		want(t, "applying", w.Apply(t.Context(), b.Session, []byte(testkit.Confirm)), "")
		key, _ := w.RegistrationKey(t.Context(), b.Session, false)
		request := testkit.NewPhone(w).Scan(key.Link, w.MailedNumber())
		var mu sync.Mutex
		answers := map[string]int{}
		for _, err := range together(40, func(int) error {
			got, err := w.Register(t.Context(), testkit.Stranger(), request)
			mu.Lock()
			answers[got.Answer]++
			mu.Unlock()
			return err
		}) {
			if k := problem.KindOf(err); err != nil && k != problem.Conflict {
				t.Errorf("%v", err)
			}
		}
		delete(answers, "")
		if len(answers) != 1 {
			t.Errorf("%d different answers", len(answers))
		}
	})
}

// The start of use, pressed twice at once: one session comes out, and the enrolment is not burnt by the loser.
func TestTheStartOfUsePressedTwice(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		b := w.LogIn(w.Person(1, false), authority.PC)
		phone := b.Registered()
		code := phone.Code()
		done := 0
		for _, err := range together(8, func(int) error {
			_, err := w.StartToken(t.Context(), b.Session, code)
			return err
		}) {
			switch k := problem.KindOf(err); {
			case err == nil:
				done++
			case k != problem.EnrolmentNone && k != problem.Conflict && k != problem.SessionOver && k != problem.StepUp:
				t.Errorf("the other press: %v", err)
			}
		}
		if done != 1 {
			t.Errorf("%d starts, want 1", done)
		}
	})
}

// Every door that takes a code, against a customer whose codes are blocked and then locked (door_matrix): none lets her in.
func TestEveryDoorHoldsAgainstBlockedAndLockedCustomers(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		id := w.Person(1, false)
		b := w.LogIn(id, authority.PC)
		phone := b.Enrol()
		c, _ := w.Store.Reader().CustomerByLoginID(ctx, id)
		for _, state := range []problem.Kind{problem.FactorBlocked, problem.OTPLocked} {
			w.Clock.Move(time.Minute)
			if _, err := w.SessionOf(ctx, b.Cookie.Session); err != nil { // she is at work meanwhile
				t.Fatal(err)
			}
			for range 5 {
				_ = w.VerifyOTP(ctx, theBank, c.Ref, phone.Wrong())
			}
			login := w.LogIn(id, authority.PC)
			for door, err := range map[string]error{
				"login":                login.Code(phone.Code()),
				"two codes in a row":   w.Resync(ctx, login.Session, phone.CodeAt(-1), phone.Code()),
				"bank's API":           w.VerifyOTP(ctx, theBank, c.Ref, phone.Code()),
				"change of password":   second(w.ChangePassword(ctx, b.Session, authority.LoginPassword, []byte(testkit.Login), []byte("brand-new-word-1"), phone.Code())),
				"change of the second": second(w.ChangePassword(ctx, b.Session, authority.ConfirmPassword, []byte(testkit.Confirm), []byte("brand-new-word-2"), phone.Code())),
			} {
				if problem.KindOf(err) != state {
					t.Errorf("%s against %s: %v", door, state, err)
				}
			}
			if _, err := w.AskToStop(ctx, b.Session, []byte(testkit.Confirm)); state == problem.OTPLocked && problem.KindOf(err) != state {
				t.Errorf("stop of use against %s: %v", state, err)
			}
			if state == problem.FactorBlocked {
				w.Clock.Move(4 * time.Minute) // keep her session alive over the block
				for range 4 {
					if _, err := w.SessionOf(ctx, b.Cookie.Session); err != nil {
						t.Fatal(err)
					}
					w.Clock.Move(3 * time.Minute)
				}
			}
		}
	})
}

func second(_ authority.Cookie, err error) error { return err }
