// Package reissue is the road back of a customer who has lost her phone (M-12): the cash card of her representative account, her confirmation password and the telephone on file, all
// three within a quarter of an hour. It opens a new token in the place of the old one, or a service that was stopped. No one-time password is accepted on it.
package reissue

import (
	"time"

	"github.com/inkan-auth/inkan/internal/domain/lifecycle"
)

// State of a re-issue.
type State string

// Event in the life of a re-issue.
type Event string

// The states. Open: not everything has been proved yet. Ordered: all of it was, and the new phone is awaited. Done: the new token is in use, or the service goes on.
const (
	Open      State = "open"
	Ordered   State = "ordered"
	Done      State = "done"
	Expired   State = "expired"
	Withdrawn State = "withdrawn"
)

// The events.
const (
	Order    Event = "order"
	Restart  Event = "restart"
	Start    Event = "start"
	Expire   Event = "expire"
	Withdraw Event = "withdraw"
)

// Life is the whole life of a re-issue. What is not in this table cannot happen.
var Life = lifecycle.Table[State, Event]{
	{From: Open, On: Order, To: Ordered, By: "customer"},
	{From: Open, On: Restart, To: Done, By: "customer"},
	{From: Open, On: Expire, To: Expired, By: "clock"},
	{From: Open, On: Withdraw, To: Withdrawn, By: "customer"},
	{From: Ordered, On: Start, To: Done, By: "customer"},
	{From: Ordered, On: Expire, To: Expired, By: "clock"},
	{From: Ordered, On: Withdraw, To: Withdrawn, By: "customer"},
}

// States and Events list the vocabulary of Life in reading order.
var (
	States = []State{Open, Ordered, Done, Expired, Withdrawn}
	Events = []Event{Order, Restart, Start, Expire, Withdraw}
	Final  = []State{Done, Expired, Withdrawn}
)

// Wish is what the customer wants of it.
type Wish string

// The wishes. A re-issue of a stopped service starts that again too.
const (
	Token   Wish = "token"   // a token on a new phone
	Service Wish = "service" // the stopped service again, with the token that she still has
)

// Reissue is one walk along the road.
type Reissue struct {
	ID, Customer string
	Wish         Wish
	State        State
	Card         time.Time // when each of the three was proved; zero before
	Confirm      time.Time
	Phone        time.Time
	Enrolment    string // empty before it is ordered
	Created      time.Time
	Expires      time.Time
}

// Proved says whether all three were proved within a window that ends now. The telephone has a window of its own, which is longer where staff have called: nobody can say when they will.
func (r Reissue) Proved(now time.Time, window, phone time.Duration) bool {
	return within(r.Card, now, window) && within(r.Confirm, now, window) && within(r.Phone, now, phone)
}

// Due says which of the two that she can prove at any hour was not proved within a window that ends now.
func (r Reissue) Due(now time.Time, window time.Duration) (card, confirm bool) {
	return !within(r.Card, now, window), !within(r.Confirm, now, window)
}

func within(at, now time.Time, window time.Duration) bool {
	return !at.IsZero() && now.Sub(at) <= window
}
