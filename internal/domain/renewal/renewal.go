// Package renewal is the life of one renewal of a token's keys, from the request for the next ones to their first code (M-14).
package renewal

import "github.com/inkan-auth/inkan/internal/domain/lifecycle"

// State of a renewal.
type State string

// Event in the life of a renewal.
type Event string

// The states. Open: the next keys are agreed, and those before are the ones in use. Confirmed: the next ones are. Superseded: the app has begun another. Burnt: the first code was wrong too often.
const (
	Open       State = "open"
	Confirmed  State = "confirmed"
	Superseded State = "superseded"
	Burnt      State = "burnt"
)

// The events.
const (
	Confirm   Event = "confirm"
	Supersede Event = "supersede"
	Burn      Event = "burn"
)

// Life is the whole life of a renewal. What is not in this table cannot happen.
var Life = lifecycle.Table[State, Event]{
	{From: Open, On: Confirm, To: Confirmed, By: "token"},
	{From: Open, On: Supersede, To: Superseded, By: "token"},
	{From: Open, On: Burn, To: Burnt, By: "server"},
}

// States and Events list the vocabulary of Life in reading order.
var (
	States = []State{Open, Confirmed, Superseded, Burnt}
	Events = []Event{Confirm, Supersede, Burn}
	Final  = []State{Confirmed, Superseded, Burnt}
)
