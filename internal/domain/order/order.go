// Package order is what one member of staff asks and another person checks: who asked, what exactly, and what became of it.
package order

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/lifecycle"
)

// State of an order.
type State string

// Event in the life of an order.
type Event string

// The states.
const (
	Asked     State = "asked"
	Carried   State = "carried"
	Declined  State = "declined"
	Withdrawn State = "withdrawn"
	Expired   State = "expired"
)

// The events.
const (
	Carry    Event = "carry"
	Decline  Event = "decline"
	Withdraw Event = "withdraw"
	Expire   Event = "expire"
)

// Life is the whole life of an order. What is not in this table cannot happen.
var Life = lifecycle.Table[State, Event]{
	{From: Asked, On: Carry, To: Carried, By: "checker, a second person"},
	{From: Asked, On: Decline, To: Declined, By: "checker, a second person"},
	{From: Asked, On: Withdraw, To: Withdrawn, By: "maker"},
	{From: Asked, On: Expire, To: Expired, By: "clock"},
}

// States and Events list the vocabulary of Life in reading order.
var (
	States = []State{Asked, Carried, Declined, Withdrawn, Expired}
	Events = []Event{Carry, Decline, Withdraw, Expire}
	Final  = []State{Carried, Declined, Withdrawn, Expired}
)

// Open is how long an order can be checked after it was asked (C-71).
const Open = 30 * time.Minute

// ReasonLength is how many characters a reason may have.
const ReasonLength = 300

// ShownState is the state at a moment: what nobody has checked in time is over, whether or not anybody has written so.
func ShownState(s State, expires, now time.Time) State {
	if s == Asked && !now.Before(expires) {
		return Expired
	}
	return s
}

// Hash is what the checker answers for: every part of the order, each with its length, so that no two orders have the same one.
func Hash(parts ...[]byte) []byte {
	h := sha256.New()
	h.Write([]byte("inkan/order/v1"))
	for _, p := range parts {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p))))
		h.Write(p)
	}
	return h.Sum(nil)
}
