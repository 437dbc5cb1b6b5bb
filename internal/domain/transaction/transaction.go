// Package transaction is what a customer is asked to confirm: the document that the server writes once, the rendering that the token shows, the decision
// that it signs, the permit that the bank's executor gets, and the evidence that remains (docs/protocol.md, Transaction authentication).
package transaction

import (
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/lifecycle"
)

// State of a transaction.
type State string

// Event in the life of a transaction.
type Event string

// The states. Pending waits for the customer; approved waits for the bank's executor; all others are final.
const (
	Pending   State = "pending"
	Approved  State = "approved"
	Rejected  State = "rejected"
	Reported  State = "reported"
	Expired   State = "expired"
	Cancelled State = "cancelled"
	Consumed  State = "consumed"
	Lapsed    State = "lapsed"
)

// The events.
const (
	Approve Event = "approve"
	Reject  Event = "reject"
	Report  Event = "report"
	Expire  Event = "expire"
	Cancel  Event = "cancel"
	Consume Event = "consume"
	Lapse   Event = "lapse"
)

// Life is the whole life of a transaction. What is not in this table cannot happen.
var Life = lifecycle.Table[State, Event]{
	{From: Pending, On: Approve, To: Approved, By: "customer"},
	{From: Pending, On: Reject, To: Rejected, By: "customer"},
	{From: Pending, On: Report, To: Reported, By: "customer"},
	{From: Pending, On: Expire, To: Expired, By: "clock"},
	{From: Pending, On: Cancel, To: Cancelled, By: "bank, server"},
	{From: Approved, On: Consume, To: Consumed, By: "bank"},
	{From: Approved, On: Cancel, To: Cancelled, By: "bank, server"},
	{From: Approved, On: Lapse, To: Lapsed, By: "clock"},
}

// States, Events and Final list the vocabulary of Life in reading order.
var (
	States = []State{Pending, Approved, Rejected, Reported, Expired, Cancelled, Consumed, Lapsed}
	Events = []Event{Approve, Reject, Report, Expire, Cancel, Consume, Lapse}
	Final  = []State{Rejected, Reported, Expired, Cancelled, Consumed, Lapsed}
)

// Grade says how strong the proof of an approval is: A, the signature of the device; B, an offline code, which the bank could have made itself.
type Grade string

// The grades; no grade means that nobody has approved.
const (
	GradeA Grade = "A"
	GradeB Grade = "B"
)

// ShownState is the state at a moment: what has run out has ended, whether or not a worker has written so.
func ShownState(s State, expires, approvedUntil, now time.Time) State {
	switch {
	case s == Pending && !now.Before(expires):
		return Expired
	case s == Approved && !now.Before(approvedUntil):
		return Lapsed
	}
	return s
}

// Reference is the short name that both screens show: the last eight characters of the identifier, in capitals.
func Reference(id string) string {
	if len(id) < 8 {
		return ""
	}
	tail := strings.ToUpper(id[len(id)-8:])
	return tail[:4] + "-" + tail[4:]
}
