// Package incident is what the fraud desk looks at: what may have happened, how urgent it is, who looks at it and what came of it (B-03).
package incident

import "github.com/inkan-auth/inkan/internal/domain/lifecycle"

// Kind says what may have happened.
type Kind string

// The kinds.
const (
	Reported  Kind = "reported"  // a customer says that she did not ask for this (身に覚えがない)
	Altered   Kind = "altered"   // something else was to be carried out than what was approved
	Duplicate Kind = "duplicate" // a right code came again, from elsewhere
	Passkey   Kind = "passkey"   // there seem to be two of one passkey
	Objection Kind = "objection" // the reader of a notice, or the phone before, says that a change was not hers
	Request   Kind = "request"   // a release request whose reason is that something is wrong
	Breaker   Kind = "breaker"   // too many wrong codes in the whole bank (C-52)
)

// Kinds is every kind, the most urgent first.
var Kinds = []Kind{Breaker, Altered, Reported, Objection, Duplicate, Passkey, Request}

// Urgency is how far to the front of the queue a kind stands: 1 to 3.
func (k Kind) Urgency() int {
	switch k {
	case Breaker, Altered, Reported:
		return 3
	case Objection, Duplicate:
		return 2
	}
	return 1
}

// State of an incident.
type State string

// Event in the life of an incident.
type Event string

// The states.
const (
	Open   State = "open"
	Taken  State = "taken"
	Closed State = "closed"
)

// The events.
const (
	Take   Event = "take" // also over from another member
	Close  Event = "close"
	Reopen Event = "reopen"
)

// Life is the whole life of an incident. It is never forgotten: what was closed can be opened once more, by whoever then has it.
var Life = lifecycle.Table[State, Event]{
	{From: Open, On: Take, To: Taken, By: "fraud desk"},
	{From: Taken, On: Take, To: Taken, By: "fraud desk, another member"},
	{From: Taken, On: Close, To: Closed, By: "fraud desk, who has it"},
	{From: Closed, On: Reopen, To: Taken, By: "fraud desk"},
}

// States and Events list the vocabulary of Life in reading order.
var (
	States = []State{Open, Taken, Closed}
	Events = []Event{Take, Close, Reopen}
)

// Outcome is what an incident was found to be.
type Outcome string

// The outcomes.
const (
	Protected  Outcome = "protected"   // something was tried, and nothing came of it
	FalseAlarm Outcome = "false_alarm" // nothing was wrong
	Fraud      Outcome = "fraud"       // it has happened
)

// Outcomes is every outcome in reading order.
var Outcomes = []Outcome{Protected, FalseAlarm, Fraud}

// NoteLength is how many characters a note may have.
const NoteLength = 1000
