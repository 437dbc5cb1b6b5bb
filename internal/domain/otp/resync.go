package otp

import (
	"crypto/subtle"
	"time"
)

// Reach is how many steps a token's clock may be off, in either direction, for two codes in a row to bring it back. It is also how far ahead of us a token may be that shows codes at all.
const Reach = 10

// Resync looks for two codes in a row, the second of which a token shows now whose clock is at most Reach steps off. It compares both with all of them in constant time and gives the step of the second;
// where chance has given several places, the one nearest to now. Right are two codes of which neither has been used, Used are two that were in a row before.
func Resync(key []byte, first, second string, digits int, now, lastStep int64) (step int64, v Verdict) {
	if !wellFormed(first, digits) || !wellFormed(second, digits) {
		return 0, Wrong
	}
	before := 0 // 1 where the code of the step before is the first one
	for s := now - Reach - 1; s <= now+Reach; s++ {
		code := []byte(Code(key, s, digits))
		found := before & subtle.ConstantTimeCompare(code, []byte(second))
		before = subtle.ConstantTimeCompare(code, []byte(first))
		if found != 1 {
			continue
		}
		switch {
		case s-1 <= lastStep:
			step, v = s, Used
		case v != Right || away(s, now) < away(step, now):
			step, v = s, Right
		}
	}
	return step, v
}

// ResyncDrift is the drift of a token that shows the code of this step at t. Where within its own step the token stands is not known: in the middle of it is the best guess, and it leaves half a step on either side
// for whoever types the next code sooner or later than this one.
func ResyncDrift(step int64, t time.Time, length time.Duration) int64 {
	return max(-Reach, min(Reach, step-StepAt(t.Add(-length/2), length)))
}

// Agrees says whether a token that signed this time at t has a clock that is right: less than half a step off.
func Agrees(signed, t time.Time, length time.Duration) bool { return signed.Sub(t).Abs() < length/2 }
