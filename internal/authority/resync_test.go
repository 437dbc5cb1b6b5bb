package authority_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/incident"
	"github.com/inkan-auth/inkan/internal/domain/otp"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/store/db"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// offline is a customer whose token's clock is off and who never reaches the server with it.
type offline struct {
	*testkit.World
	id    string
	phone *testkit.Phone
}

// newOffline has her token in use; its clock is put out by so much.
func newOffline(w *testkit.World, n int, off time.Duration) *offline {
	w.T.Helper()
	o := &offline{World: w, id: w.Person(n, false)}
	o.phone = w.LogIn(o.id, authority.PC).Enrol()
	o.later(off)
	return o
}

// later is another day, with the clock off by so much, on which chance gives no code of the next hour to two steps.
func (o *offline) later(off time.Duration) {
	o.T.Helper()
	o.phone.Offset = off
	for range 100 {
		o.Clock.Move(time.Hour)
		now, seen := otp.StepAt(o.Clock.Now(), time.Minute), map[string]bool{}
		for s := now - 30; s <= now+60; s++ {
			seen[otp.Code(o.phone.Keys.OTP, s, o.phone.Answer.Digits)] = true
		}
		if len(seen) == 91 {
			return
		}
	}
	o.T.Fatal("the codes of no hour differ")
}

// half opens a session that owes a code.
func (o *offline) half() *testkit.Browser {
	o.T.Helper()
	return o.LogIn(o.id, authority.PC)
}

// pair is two codes in a row: she waits for the second.
func (o *offline) pair() (first, second string) {
	first = o.phone.Code()
	o.Clock.Move(time.Minute)
	return first, o.phone.Code()
}

func (o *offline) resync(b *testkit.Browser, first, second string) error {
	return b.W.Resync(o.T.Context(), b.Session, first, second)
}

// row is what is known of the token.
func (o *offline) row() db.Token {
	o.T.Helper()
	row, err := o.Store.Reader().TokenByID(o.T.Context(), o.phone.Answer.Token)
	if err != nil {
		o.T.Fatal(err)
	}
	return row
}

// resyncs are the entries of the trail about the clock.
func (o *offline) resyncs() []audit.Entry {
	o.T.Helper()
	return trailOf(o.T.(*testing.T), o.World, o.row().Customer, audit.TokenResync)
}

// A clock that is off by as much as ten minutes, of a phone that reaches no network, is set by two codes in a row; they open nothing, the next code does. When the phone reaches a network again it corrects its clock, and
// what is known of it is put right by its first request. One of eleven minutes is not found.
func TestAClockThatNobodyCorrects(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		o := newOffline(w, 1, 0)
		for off := time.Duration(-11); off <= 11; off++ {
			o.later(off*time.Minute + 20*time.Second) // with seconds of its own
			b := o.half()
			if off < -2 || off > 1 { // within two minutes a code may be live without it
				want(t, "a code of the wrong clock", b.Code(o.phone.Code()), problem.OTPWrong)
			}
			first, second := o.pair()
			err := o.resync(b, first, second)
			if off == -11 || off == 11 {
				if p := want(t, "eleven minutes", err, problem.ResyncRefused); p.Values["tries_left"] != 3 {
					t.Errorf("tries left: %v", p.Values)
				}
			} else {
				want(t, fmt.Sprintf("%+d minutes", off), err, "")
				step(t, b, authority.StepOTP)
				if r := o.row(); r.Drift != int64(off) && r.Drift != int64(off)+1 || r.LastStep != otp.StepAt(w.Clock.Now().Add(o.phone.Offset), time.Minute) {
					t.Errorf("%+d minutes: drift %d, last step %d", off, r.Drift, r.LastStep)
				}
				want(t, "the second code once more", b.Code(second), problem.OTPUsed)
				for range 2 {
					w.Clock.Move(time.Minute)
					want(t, "the next code", b.Code(o.phone.Code()), "")
					b = o.half()
				}
			}

			o.phone.Offset = 0
			o.phone.Transactions()
			if r := o.row(); r.Drift != 0 {
				t.Errorf("%+d minutes: drift %d after a request with the right time", off, r.Drift)
			}
			b = o.half()
			if off >= 0 && off < 11 { // what it showed when it was ahead it shows again now, until that time is past
				p := want(t, "a code that was used ahead of time", b.Code(o.phone.Code()), problem.OTPUsed)
				if wait, _ := p.Values["wait"].(int); wait <= int(off-1)*60 || wait > int(off+1)*60 {
					t.Errorf("%+d minutes: she is told to wait for %v s", off, p.Values["wait"])
				}
				w.Clock.Move((off + 1) * time.Minute)
				b = o.half()
			}
			want(t, "a code of the right clock", b.Code(o.phone.Code()), "")
		}
	})
}

// Whatever is not two codes in a row, none of them used, sets no clock. Each counts as a wrong code does, and what was used already as none.
func TestCodesThatSetNoClock(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		o := newOffline(w, 1, 6*time.Minute)
		other := newOffline(w, 2, 6*time.Minute)
		o.later(6 * time.Minute)
		b := o.half()
		before := o.row()
		now := func(steps int64) string { return o.phone.CodeAt(steps) }
		for what, codes := range map[string][2]string{
			"nothing":                  {"", ""},
			"letters":                  {"abcdef", "ghijkl"},
			"one code twice":           {now(0), now(0)},
			"the wrong way round":      {now(0), now(-1)},
			"one left out":             {now(-2), now(0)},
			"only the first right":     {now(-1), o.phone.Wrong()},
			"only the second right":    {o.phone.Wrong(), now(0)},
			"guessed":                  {o.phone.Wrong(), o.phone.Wrong()},
			"of another token":         {other.phone.CodeAt(-1), other.phone.Code()},
			"of a clock too far ahead": {now(4), now(5)}, // eleven ahead
			"long ago":                 {now(-18), now(-17)},
		} {
			p := want(t, what, o.resync(b, codes[0], codes[1]), problem.ResyncRefused)
			if p.Values["tries_left"] != 4 || p.Values["lock_left"] != 9 {
				t.Errorf("%s: %v", what, p.Values)
			}
			first, second := o.pair() // a right pair gives the try back
			want(t, what+", then two right ones", o.resync(b, first, second), "")
			want(t, "the same two again", o.resync(b, first, second), problem.OTPUsed)
			want(t, "the second, with the next", o.resync(b, second, now(1)), problem.OTPUsed)
			o.later(6 * time.Minute)
			b = o.half()
		}
		if r := o.row(); r.State != before.State || r.Drift != 6 {
			t.Errorf("the token is %s with the drift %d", r.State, r.Drift)
		}
		first, second := o.pair() // from before a log-in
		w.Clock.Move(time.Minute)
		want(t, "a later code", b.Code(o.phone.Code()), "")
		want(t, "two from before it", o.resync(o.half(), first, second), problem.OTPUsed)
	})
}

// Guesses share the counter of codes, whichever of the two they are: five block, ten lock, and nothing is looked at any more.
func TestGuessingAtTheClock(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		o := newOffline(w, 1, 6*time.Minute)
		b := o.half()
		wrong := o.phone.Wrong()
		for range 2 {
			want(t, "a wrong code", b.Code(wrong), problem.OTPWrong)
			want(t, "a wrong pair", o.resync(b, wrong, wrong), problem.ResyncRefused)
		}
		want(t, "the fifth", o.resync(b, wrong, wrong), problem.FactorBlocked)
		before := o.row()
		first, second := o.pair()
		want(t, "two right ones while it is blocked", o.resync(b, first, second), problem.FactorBlocked)
		want(t, "and a code", b.Code(second), problem.FactorBlocked)
		if r := o.row(); r.LastStep != before.LastStep || r.Drift != before.Drift {
			t.Errorf("while it was blocked, the last step moved from %d to %d and the drift from %d to %d", before.LastStep, r.LastStep, before.Drift, r.Drift)
		}
		for n := range 5 {
			o.later(6 * time.Minute)
			w.Clock.Move(24 * time.Hour)
			b = o.half()
			if n < 4 {
				want(t, "a wrong pair", o.resync(b, wrong, wrong), problem.ResyncRefused)
			}
		}
		want(t, "the tenth", o.resync(b, wrong, wrong), problem.OTPLocked)
		first, second = o.pair()
		want(t, "two right ones when it is locked", o.resync(b, first, second), problem.OTPLocked)
		if r := o.row(); r.State != "locked" || r.LastStep != before.LastStep || r.Drift != before.Drift {
			t.Errorf("the locked token is %s, last step %d, drift %d", r.State, r.LastStep, r.Drift)
		}
		if n := len(sentTo(t, w, "token_resynced")); n != 0 {
			t.Errorf("%d were told of a clock that nobody set", n)
		}
	})
}

// Only who has shown the login password and owes a code comes here, and only while there is a token whose codes are looked at. A freeze of registrations stops nothing that is in use.
func TestWhoMaySetTheClock(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		o, late := newOffline(w, 1, 6*time.Minute), newOffline(w, 2, 6*time.Minute)
		o.later(6 * time.Minute)
		full := o.half()
		first, second := o.pair()
		want(t, "a first time", o.resync(full, first, second), "")
		w.Clock.Move(time.Minute)
		want(t, "the log-in", full.Code(o.phone.Code()), "")
		first, second = o.pair()
		want(t, "a whole session", o.resync(full, first, second), problem.StepUp)
		if err := w.Resync(ctx, authority.Session{}, first, second); err == nil {
			t.Error("nobody's session sets a clock")
		}
		none := w.LogIn(w.Person(3, false), authority.PC)
		none.Session.Full = false // as if it owed a code
		want(t, "no token", w.Resync(ctx, none.Session, first, second), problem.TokenNone)

		maker, checker := w.SignedIn(staff.Administrator), w.SignedIn(staff.Administrator)
		for _, k := range authority.KillSwitches {
			freeze(t, maker, checker, k, true)
		}
		first, second = o.pair()
		want(t, "while all is frozen", o.resync(o.half(), first, second), "")

		half := o.half()
		first, second = o.pair()
		_, err := w.StopSession(ctx, full.Session)
		want(t, "the emergency stop", err, "")
		before := o.row()
		want(t, "a stopped service", o.resync(half, first, second), problem.ServiceStopped)
		if r := o.row(); r.LastStep != before.LastStep {
			t.Error("a stopped service used up codes")
		}

		w.Clock.Move(w.Policy.TokenLife)
		half = late.half()
		first, second = late.pair()
		want(t, "a token past its date", late.resync(half, first, second), problem.TokenExpired)
	})
}

// A fence kills what any token can have shown before it, however far ahead its clock may have been: one code, and two in a row.
func TestAFenceKillsWhatAClockAheadHasShown(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		o := newOffline(w, 1, otp.Reach*time.Minute)
		first, code := o.pair()
		want(t, "fence", w.RaiseFence(t.Context()), "")
		w.Clock.Move(otp.Reach * time.Minute) // the database knows of no drift: now that code looks like one of this minute
		b := o.half()
		want(t, "a code from before the fence", b.Code(code), problem.OTPUsed)
		want(t, "two from before the fence", o.resync(b, first, code), problem.OTPUsed)
		want(t, "one of them from before the fence", o.resync(b, code, o.phone.CodeAt(1-otp.Reach)), problem.OTPUsed)
		o.phone.Offset = 0
		w.Clock.Move(2 * time.Minute)
		first, code = o.pair()
		want(t, "two from after the fence", o.resync(o.half(), first, code), "")
	})
}

// Two codes in a row, sent many times at once on several nodes, also as the code that logs in: one of them is used.
func TestOnePairManyTriesOneSuccess(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		nodes := []*testkit.World{w, w.Another(), w.Another()}
		o := newOffline(w, 1, 0)
		for range rounds(t, 4) {
			o.later(0)
			sessions := []*testkit.Browser{o.half(), o.half(), o.half()}
			first, second := o.pair()
			set, opened := 0, 0
			for i, err := range together(32, func(i int) error {
				b := sessions[i%3]
				if i%8 == 7 {
					return only2(nodes[i%3].LoginOTP(t.Context(), b.Visit, b.Session, second))
				}
				return nodes[i%3].Resync(t.Context(), b.Session, first, second)
			}) {
				switch k := problem.KindOf(err); {
				case err == nil && i%8 == 7:
					opened++
				case err == nil:
					set++
				case k != problem.OTPUsed && k != problem.Conflict:
					t.Fatalf("try %d: %v", i, err)
				}
			}
			if set+opened != 1 {
				t.Fatalf("the clock was set %d times and %d sessions were opened", set, opened)
			}
			if n := sentTo(t, w, "token_resynced")[strings.Replace(testkit.HerMail, "@", "1@", 1)]; n != count(o.resyncs(), audit.Done) {
				t.Errorf("%d mails about %d times", n, count(o.resyncs(), audit.Done))
			}
		}
	})
}

func only2[A, B any](_ A, _ B, err error) error { return err }

func count(entries []audit.Entry, o audit.Outcome) (n int) {
	for _, e := range entries {
		if e.Outcome == o {
			n++
		}
	}
	return n
}

// What is known of a clock is put right by the first signed request that has the right time, once however many come; a request with the wrong time changes nothing, nor does any request where nothing is known.
func TestARightTimeForgetsTheDrift(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		nodes := []*testkit.World{w, w.Another(), w.Another()}
		o := newOffline(w, 1, -4*time.Minute) // near enough for a request, before the app has asked for the time
		o.phone.Transactions()
		if n := len(o.resyncs()); n != 0 {
			t.Errorf("%d entries about a clock of which nothing is known", n)
		}
		b := o.half()
		first, second := o.pair()
		want(t, "two codes", o.resync(b, first, second), "")
		o.phone.Transactions()
		if r := o.row(); r.Drift != -4 {
			t.Errorf("drift %d after a request with the wrong time", r.Drift)
		}
		w.Clock.Move(time.Minute)
		want(t, "the next code", b.Code(o.phone.Code()), "")

		o.phone.Offset = 0
		proofs := make([]authority.Proof, 24)
		for i := range proofs {
			proofs[i] = o.phone.Proof("GET", "/v1/token", nil)
		}
		for _, err := range together(len(proofs), func(i int) error { return only(nodes[i%3].ReadToken(t.Context(), proofs[i])) }) {
			want(t, "a request", err, "")
		}
		done := 0
		for _, e := range o.resyncs() {
			if e.Outcome == audit.Done && e.Actor.Kind == audit.Server {
				done++
				if e.Object != o.phone.Answer.Token || e.Detail["drift_from"] != "-4" || e.Detail["drift_to"] != "0" {
					t.Errorf("the entry: %+v", e)
				}
			}
		}
		if r := o.row(); r.Drift != 0 || done != 1 {
			t.Errorf("drift %d, forgotten %d times", r.Drift, done)
		}
		n := len(o.resyncs())
		o.phone.Transactions()
		want(t, "a code of the right clock", o.half().Code(o.phone.CodeAt(0)), "")
		if len(o.resyncs()) != n {
			t.Error("a request wrote about a clock that is right")
		}
	})
}

// Every address is told, with a step that stops the service; her history shows it; and who tries the two codes again from elsewhere is seen at the fraud desk.
func TestSettingTheClockIsTold(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		desk := w.SignedIn(staff.Fraud)
		o := newOffline(w, 1, 6*time.Minute)
		b := o.half()
		first, second := o.pair()
		want(t, "two codes", o.resync(b, first, second), "")
		v := mailed(t, w, "token_resynced")
		if v["phone"] != "iPhone / Safari" || v["device"] != b.Device || v["time"] == "" || v["objection"] == "" {
			t.Errorf("the notice: %v", v)
		}
		w.Clock.Move(time.Minute)
		want(t, "the next code", b.Code(o.phone.Code()), "")
		history, _, err := w.History(t.Context(), b.Session, "")
		want(t, "the history", err, "")
		if !slicesHave(history, audit.TokenResync) {
			t.Error("the history does not show it")
		}
		thief := &testkit.Browser{W: w, Visit: abroad()}
		want(t, "the thief's log-in", thief.Password(o.id, testkit.Login), "")
		want(t, "with her two codes", o.resync(thief, first, second), problem.OTPUsed)
		want(t, "with the second", thief.Code(second), problem.OTPUsed)
		if all := queue(t, desk)[incident.Duplicate]; len(all) != 1 || all[0].Times != 2 {
			t.Errorf("at the fraud desk: %+v", all)
		}
		want(t, "this was not me", w.Object(t.Context(), abroad().Actor, v["objection"]), "")
		want(t, "two codes after that", o.resync(thief, o.phone.CodeAt(2), o.phone.CodeAt(3)), problem.ServiceStopped)
	})
}

func slicesHave(entries []audit.Entry, a audit.Action) bool {
	for _, e := range entries {
		if e.Action == a {
			return true
		}
	}
	return false
}
