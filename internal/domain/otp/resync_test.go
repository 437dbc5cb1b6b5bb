package otp

import (
	"testing"
	"time"
)

var resyncKey = []byte("0123456789abcdef0123456789abcdef")

func TestTwoCodesInARow(t *testing.T) {
	const now = 1000
	at := func(step int64) string { return Code(resyncKey, step, 6) }
	for _, c := range []struct {
		what          string
		first, second string
		last          int64
		step          int64
		want          Verdict
	}{
		{"a clock that is right", at(now - 1), at(now), 0, now, Right},
		{"ten behind", at(now - 11), at(now - 10), 0, now - 10, Right},
		{"eleven behind", at(now - 12), at(now - 11), 0, 0, Wrong},
		{"ten ahead", at(now + 9), at(now + 10), 0, now + 10, Right},
		{"eleven ahead", at(now + 10), at(now + 11), 0, 0, Wrong},
		{"the last one used is the one before", at(now + 3), at(now + 4), now + 2, now + 4, Right},
		{"the first is used", at(now + 3), at(now + 4), now + 3, now + 4, Used},
		{"both are used", at(now + 3), at(now + 4), now + 4, now + 4, Used},
		{"a later one was used", at(now - 4), at(now - 3), now, now - 3, Used},
		{"one code twice", at(now), at(now), 0, 0, Wrong},
		{"the wrong way round", at(now), at(now - 1), 0, 0, Wrong},
		{"one left out", at(now - 2), at(now), 0, 0, Wrong},
		{"only the first is right", at(now - 1), "000000", 0, 0, Wrong},
		{"only the second is right", "000000", at(now), 0, 0, Wrong},
		{"the first is missing", "", at(now), 0, 0, Wrong},
		{"the second is missing", at(now - 1), "", 0, 0, Wrong},
		{"eight digits", Code(resyncKey, now-1, 8), Code(resyncKey, now, 8), 0, 0, Wrong},
		{"full-width", "１２３４５６", at(now), 0, 0, Wrong},
		{"another token", Code([]byte("another"), now-1, 6), Code([]byte("another"), now, 6), 0, 0, Wrong},
	} {
		if step, got := Resync(resyncKey, c.first, c.second, 6, now, c.last); got != c.want || step != c.step {
			t.Errorf("%s: step %d, %v; want %d, %v", c.what, step, got, c.step, c.want)
		}
	}
}

// With codes of one digit chance gives the same two to several places often enough to see which is chosen.
func TestTheNearestOfSeveralPlaces(t *testing.T) {
	const now, digits = 5000, 1
	at := func(step int64) string { return Code(resyncKey, step, digits) }
	several := 0
	for s := int64(now - Reach); s <= now+Reach; s++ {
		best, places := int64(0), 0
		for x := int64(now - Reach); x <= now+Reach; x++ {
			if at(x-1) == at(s-1) && at(x) == at(s) {
				if places++; places == 1 || away(x, now) < away(best, now) {
					best = x
				}
			}
		}
		if places > 1 {
			several++
		}
		if step, v := Resync(resyncKey, at(s-1), at(s), digits, now, 0); v != Right || step != best {
			t.Errorf("the codes of %+d: step %+d, %v; want %+d", s-now, step-now, v, best-now)
		}
	}
	if several == 0 {
		t.Error("nothing was found in several places")
	}
}

// Whatever the phase of the two clocks, and however long she takes to type, within half a minute: after two codes in a row, the next one that she types as quickly is live.
func TestTheNextCodeIsLive(t *testing.T) {
	const length = time.Minute
	start := time.Unix(1_800_000_000, 0)
	for off := -600 * time.Second; off <= 600*time.Second; off += 7 * time.Second {
		for typing := time.Duration(0); typing <= 30*time.Second; typing += 6 * time.Second {
			// She waits until the digits change, and takes so long to type the second code.
			shown := start.Add(off).Truncate(length).Add(length)
			done := shown.Add(-off).Add(typing)
			step := StepAt(shown, length)
			if d := step - StepAt(done, length); d < -Reach || d > Reach {
				continue
			}
			drift := ResyncDrift(step, done, length)
			for next := int64(1); next <= 3; next++ {
				w := Live(StepAt(done.Add(time.Duration(next)*length), length), drift)
				if s := step + next; s < w.From || s > w.To {
					t.Errorf("off by %s, typed in %s: the code %d later is of step %d, live are %+v", off, typing, next, s, w)
				}
			}
		}
	}
}

func TestDriftAfterTwoCodes(t *testing.T) {
	const length = time.Minute
	for _, c := range []struct{ step, second, want int64 }{{1000, 30, 0}, {1000, 59, 0}, {1000, 0, 1}, {1000, 29, 1}, {994, 45, -6}, {994, 5, -5}, {990, 45, -10}, {1010, 45, 10}, {1010, 5, 10}, {989, 45, -10}} {
		if got := ResyncDrift(c.step, time.Unix(1000*60+c.second, 0), length); got != c.want {
			t.Errorf("step %d at second %d: %d, want %d", c.step, c.second, got, c.want)
		}
	}
	now := time.Unix(60_000, 0)
	for off, want := range map[time.Duration]bool{0: true, 29 * time.Second: true, -29 * time.Second: true, 30 * time.Second: false, -30 * time.Second: false, -6 * time.Minute: false, 5 * time.Minute: false} {
		if Agrees(now.Add(off), now, length) != want {
			t.Errorf("signed %s away: agrees = %v", off, !want)
		}
	}
}

func FuzzResync(f *testing.F) {
	f.Add("123456", "654321", int64(1000), int64(5))
	f.Add(Code(resyncKey, 1003, 6), Code(resyncKey, 1004, 6), int64(1000), int64(1002))
	f.Fuzz(func(t *testing.T, first, second string, now, last int64) {
		now = max(-1<<40, min(1<<40, now))
		switch step, v := Resync(resyncKey, first, second, 6, now, last); {
		case v == Wrong:
			if step != 0 {
				t.Errorf("a wrong pair has the step %d", step)
			}
		case Code(resyncKey, step-1, 6) != first || Code(resyncKey, step, 6) != second || away(step, now) > Reach || (step-1 > last) != (v == Right):
			t.Errorf("Resync(%q, %q, now %d, last %d) = %d, %v", first, second, now, last, step, v)
		}
	})
}
