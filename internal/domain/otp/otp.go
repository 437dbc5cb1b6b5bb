// Package otp computes one-time passwords: HOTP (RFC 4226) and TOTP (RFC 6238) with HMAC-SHA256, and finds the step that a code belongs to.
package otp

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // RFC 4226 vectors and imported tokens only
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"hash"
	"time"
)

// HOTP is the value of RFC 4226, section 5.3, over the hash given (SHA-256 for our own tokens; SHA-1 for the RFC's vectors and imported tokens).
func HOTP(h func() hash.Hash, key []byte, counter uint64, digits int) string {
	var msg [8]byte
	binary.BigEndian.PutUint64(msg[:], counter)
	mac := hmac.New(h, key)
	mac.Write(msg[:])
	return truncate(mac.Sum(nil), digits)
}

// truncate is RFC 4226, section 5.3: some digits out of a MAC.
func truncate(sum []byte, digits int) string {
	at := sum[len(sum)-1] & 0x0f
	bin := binary.BigEndian.Uint32(sum[at:]) & 0x7fffffff
	out := make([]byte, digits)
	for i := digits - 1; i >= 0; i-- {
		out[i] = byte('0' + bin%10)
		bin /= 10
	}
	return string(out)
}

// SHA1 and SHA256 are the hashes a token may have.
var (
	SHA1   func() hash.Hash = sha1.New
	SHA256 func() hash.Hash = sha256.New
)

// StepAt is the number of the step that t lies in (RFC 6238, section 4.2, T0 = 0).
func StepAt(t time.Time, step time.Duration) int64 { return t.Unix() / int64(step/time.Second) }

// Code is the one-time password of a step.
func Code(key []byte, step int64, digits int) string {
	return HOTP(SHA256, key, uint64(step), digits)
}

// Verdict is what a code turned out to be.
type Verdict int

// The verdicts. Used is told apart from Wrong: it costs no try (PROTOCOL.md, One-time password).
const (
	Wrong Verdict = iota
	Used
	Right
)

// Window is the steps among which a code is looked for. At is the one that it most likely belongs to.
type Window struct{ From, At, To int64 }

// Live is the window of a token whose clock is known to be off by drift steps: the previous and the current one.
func Live(now, drift int64) Window { return Window{now + drift - 1, now + drift, now + drift} }

// StartWindow is wider than Live: at the start of use, which has three tries for ever, the drift of the phone's clock is learnt.
func StartWindow(now, maxDrift int64) Window {
	return Window{now - maxDrift - 1, now, now + maxDrift}
}

// Check looks for the code in the window. It compares all of them in constant time and gives the step the code belongs to: where chance has given
// several steps the same code, the one nearest to where the token's clock should stand, because a step too far ahead would teach us a drift that the phone does not have, and refuse the codes
// that follow. Whether that step may still be used is decided by the store's one statement; Check only tells a used code from a wrong one for the customer's sake.
func Check(key []byte, code string, digits int, w Window, lastStep int64) (step int64, v Verdict) {
	if !wellFormed(code, digits) {
		return 0, Wrong
	}
	for s := w.From; s <= w.To; s++ {
		if subtle.ConstantTimeCompare([]byte(Code(key, s, digits)), []byte(code)) != 1 {
			continue
		}
		switch {
		case s <= lastStep:
			v = Used
		case v != Right || away(s, w.At) < away(step, w.At):
			step, v = s, Right
		}
	}
	return step, v
}

// away is how many steps lie between two.
func away(a, b int64) int64 { return max(a-b, b-a) }

// LearnDrift is the drift to remember after the start of use. A code of the previous step says nothing about the clock: the customer may
// simply have been slow.
func LearnDrift(step, now, maxDrift int64) int64 {
	seen := step - now
	if seen == -1 {
		return 0
	}
	return max(-maxDrift, min(maxDrift, seen))
}

// wellFormed is the rule of R-014: exactly the digits, in ASCII.
func wellFormed(code string, digits int) bool {
	if len(code) != digits {
		return false
	}
	for i := range len(code) {
		if code[i] < '0' || code[i] > '9' {
			return false
		}
	}
	return true
}

// OCRASuite is the one suite of RFC 6287 that we use: eight digits over a question of 64 hexadecimal digits, without counter, time or PIN.
const OCRASuite = "OCRA-1:HOTP-SHA256-8:QH64"

// OCRA is the response of OCRASuite (RFC 6287, section 5) to a question of 32 bytes, which stands as 64 hexadecimal digits, padded with zeros to 128 bytes.
func OCRA(key []byte, question [32]byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(OCRASuite))
	mac.Write([]byte{0})
	var q [128]byte
	copy(q[:], question[:])
	mac.Write(q[:])
	return truncate(mac.Sum(nil), 8)
}
