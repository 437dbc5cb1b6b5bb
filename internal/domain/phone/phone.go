// Package phone is how a customer proves that the telephone number on file is hers: the ways to choose from, the life of one check, and what passes between us and whoever carries calls and messages.
package phone

import (
	"errors"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/inkan-auth/inkan/internal/domain/lifecycle"
)

// Way is how a customer wants to prove it. It is stored and sent, so it is never renamed.
type Way string

// The ways. The page shows all that are possible; the customer chooses what suits her.
const (
	CallIn        Way = "call_in"        // she calls a number that the page shows, from the number on file
	CallOut       Way = "call_out"       // we call, and a voice reads a code that she types on the page
	CallKeys      Way = "call_keys"      // we call, and she types on the telephone's keys the digits that the page shows: nothing has to be heard
	SMS           Way = "sms"            // a code by short message
	StaffCallback Way = "staff_callback" // staff call when they are at work
)

// Ways is every way, in the order in which a page offers them.
var Ways = []Way{SMS, CallOut, CallKeys, CallIn, StaffCallback}

// State of a check.
type State string

// Event in the life of a check.
type Event string

// The states. Waiting: nothing has happened yet. Ringing: the call is on its way, or the message has left. Answered: somebody has answered the call.
const (
	Waiting  State = "waiting"
	Ringing  State = "ringing"
	Answered State = "answered"
	Proved   State = "proved"
	Failed   State = "failed"
	Expired  State = "expired"
)

// The events.
const (
	Place  Event = "place"
	Answer Event = "answer"
	Prove  Event = "prove"
	Fail   Event = "fail" // a Reason says why
	Expire Event = "expire"
)

// Life is the whole life of a check. What is not in this table cannot happen. An event of a call may come before the answer to our order of it.
var Life = lifecycle.Table[State, Event]{
	{From: Waiting, On: Place, To: Ringing, By: "server"},
	{From: Waiting, On: Answer, To: Answered, By: "bank"},
	{From: Waiting, On: Prove, To: Proved, By: "customer"},
	{From: Waiting, On: Fail, To: Failed, By: "server"},
	{From: Waiting, On: Expire, To: Expired, By: "clock"},
	{From: Ringing, On: Answer, To: Answered, By: "bank"},
	{From: Ringing, On: Prove, To: Proved, By: "customer"},
	{From: Ringing, On: Fail, To: Failed, By: "bank"},
	{From: Ringing, On: Expire, To: Expired, By: "clock"},
	{From: Answered, On: Prove, To: Proved, By: "customer"},
	{From: Answered, On: Fail, To: Failed, By: "bank"},
	{From: Answered, On: Expire, To: Expired, By: "clock"},
}

// States and Events list the vocabulary of Life in reading order.
var (
	States = []State{Waiting, Ringing, Answered, Proved, Failed, Expired}
	Events = []Event{Place, Answer, Prove, Fail, Expire}
	Final  = []State{Proved, Failed, Expired}
)

// Reason says why a check has failed. It is stored and shown in words, so it is never renamed.
type Reason string

// The reasons.
const (
	Replaced   Reason = "replaced"   // the customer has begun another one
	Tries      Reason = "tries"      // too many wrong codes
	Unanswered Reason = "unanswered" // nobody answered, or the line was busy
	HungUp     Reason = "hung_up"    // before any digit was typed on the telephone
	Unreached  Reason = "unreached"  // the number does not exist, or takes no such message
	Changed    Reason = "changed"    // the number on file is another one now
	Unsent     Reason = "unsent"     // the call could not be placed, or the message not be sent, in time
	Denied     Reason = "denied"     // whoever answered the call of staff has asked for nothing
	Withdrawn  Reason = "withdrawn"  // what it was for has ended
)

// CodeDigits is the length of a code.
const CodeDigits = 6

// ErrNumber says that a text is not a number that we call.
var ErrNumber = errors.New("phone: not a number that is called")

// ErrUnreached is what a telephone wraps when a number can never be reached; any other error is tried again.
var ErrUnreached = errors.New("phone: the number cannot be reached")

// Number is a Japanese telephone number in national form, digits only, such as 09012345678. Nothing else is called: foreign and premium numbers are how a telephone is made to cost money.
type Number string

// Parse reads a number as people write it: spaces, hyphens and brackets, full-width digits, +81 in front.
func Parse(s string) (Number, error) {
	if len(s) > 64 {
		return "", ErrNumber
	}
	var b strings.Builder
	for i, r := range norm.NFKC.String(s) {
		switch {
		case r >= '0' && r <= '9' || r == '+' && i == 0:
			b.WriteRune(r)
		case strings.ContainsRune(" -()ー―‐‑‒–—−", r):
		default:
			return "", ErrNumber
		}
	}
	d := b.String()
	if abroad, ok := strings.CutPrefix(d, "+81"); ok {
		d = "0" + strings.TrimPrefix(abroad, "0") // some write +81 (0)90
	}
	n := Number(d)
	if !n.called() {
		return "", ErrNumber
	}
	return n, nil
}

// called says whether a number is one of those that we call: geographic ones of ten digits; mobile ones and those of the Internet (050) of eleven. Free and premium services are not.
func (n Number) called() bool {
	d := string(n)
	for _, r := range d {
		if r < '0' || r > '9' {
			return false
		}
	}
	switch {
	case len(d) == 11:
		return n.Mobile() || strings.HasPrefix(d, "050")
	case len(d) != 10 || d[0] != '0' || d[1] == '0' || d[2] == '0':
		return false
	}
	for _, service := range []string{"0120", "0170", "0180", "0190", "0570", "0910", "0990"} {
		if strings.HasPrefix(d, service) {
			return false
		}
	}
	return true
}

// Mobile says whether the number takes short messages. 060 is for mobile telephones since 2026; 0800 is not one of them, but free for whoever calls.
func (n Number) Mobile() bool {
	if len(n) != 11 || strings.HasPrefix(string(n), "0800") {
		return false
	}
	return strings.HasPrefix(string(n), "060") || strings.HasPrefix(string(n), "070") || strings.HasPrefix(string(n), "080") || strings.HasPrefix(string(n), "090")
}

// Masked shows enough of a number to recognise one's own: the last four digits.
func (n Number) Masked() string {
	if len(n) < 4 {
		return ""
	}
	return strings.Repeat("*", len(n)-4) + string(n[len(n)-4:])
}

// International is the number as other networks write it (E.164).
func (n Number) International() string {
	if n == "" {
		return ""
	}
	return "+81" + string(n[1:])
}

// Kinds are what a telephone can do.
type Kinds struct {
	Calls    bool   // place calls, and tell what happens in them
	Messages bool   // send short messages
	Dial     string // the number that customers call, as it is shown to them; empty where calls are not taken
}

// Call is an order to call. It says nothing of what is to be said: that is asked when somebody has answered, so that a call which was placed twice says the same twice and no code leaves before.
type Call struct {
	ID      string // of the check: an order that comes again under the same name is the same call
	To      Number
	Expires time.Time // not worth placing after it
}

// Message is an order to send a short message.
type Message struct {
	ID      string // of the check
	To      Number
	Text    string
	Expires time.Time
}

// EventKind is what has happened to a call.
type EventKind string

// The kinds of events.
const (
	CallAnswered EventKind = "answered"
	CallDigits   EventKind = "digits"
	CallEnded    EventKind = "ended" // by whoever was called
	CallFailed   EventKind = "failed"
	CallIncoming EventKind = "incoming"
)

// Happened is what the telephone's network tells us about a call.
type Happened struct {
	ID     string // of this event: one that comes again under the same name is the same event
	At     time.Time
	Kind   EventKind
	Call   string // identifier of the check, for a call of ours; of the call at the network, for one that comes in
	From   string // the number that calls, of a call that comes in; empty where it is withheld
	Digits string // that were typed
}

// Reply is what the network is to do in the call.
type Reply struct {
	Language string
	Say      []string // sentences, in this order
	Gather   int      // how many digits to take from the keys afterwards; none where 0
	HangUp   bool     // after what is said
	Matched  bool     // the call that came in has proved a number
}
