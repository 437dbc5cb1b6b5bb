// Package token is the instrument that shows codes and signs, and its life.
package token

import (
	"time"

	"github.com/inkan-auth/inkan/internal/domain/lifecycle"
)

// State of a token.
type State string

// Event in the life of a token.
type Event string

// The states. Keyed: registered in an app, good for nothing yet. Active: in use. Suspended: stopped by a person. Locked: stopped by the
// server. Expired: its date has passed. Replaced and revoked are final.
const (
	Keyed     State = "keyed"
	Active    State = "active"
	Suspended State = "suspended"
	Locked    State = "locked"
	Expired   State = "expired"
	Replaced  State = "replaced"
	Revoked   State = "revoked"
)

// The events.
const (
	Start   Event = "start"
	Lapse   Event = "lapse"
	Suspend Event = "suspend"
	Resume  Event = "resume"
	Lock    Event = "lock"
	Release Event = "release"
	Expire  Event = "expire"
	Renew   Event = "renew"
	Replace Event = "replace"
	Revoke  Event = "revoke"
)

// Life is the whole life of a token. What is not in this table cannot happen. A locked or suspended token does not expire: the date is
// checked apart from the state, so that lock → expire → renew cannot launder a lock.
var Life = lifecycle.Table[State, Event]{
	{From: Keyed, On: Start, To: Active, By: "customer"},
	{From: Keyed, On: Lapse, To: Revoked, By: "server"},
	{From: Keyed, On: Revoke, To: Revoked, By: "customer, staff"},
	{From: Active, On: Suspend, To: Suspended, By: "customer, staff"},
	{From: Active, On: Lock, To: Locked, By: "server"},
	{From: Active, On: Expire, To: Expired, By: "clock"},
	{From: Active, On: Replace, To: Replaced, By: "customer"},
	{From: Active, On: Revoke, To: Revoked, By: "customer, staff"},
	{From: Suspended, On: Resume, To: Active, By: "customer, staff"},
	{From: Suspended, On: Replace, To: Replaced, By: "customer"},
	{From: Suspended, On: Revoke, To: Revoked, By: "customer, staff"},
	{From: Locked, On: Release, To: Active, By: "two staff"},
	{From: Locked, On: Replace, To: Replaced, By: "customer"},
	{From: Locked, On: Revoke, To: Revoked, By: "staff"},
	{From: Expired, On: Renew, To: Active, By: "customer"},
	{From: Expired, On: Replace, To: Replaced, By: "customer"},
	{From: Expired, On: Revoke, To: Revoked, By: "customer, staff"},
}

// States and Events list the vocabulary of Life in reading order.
var (
	States = []State{Keyed, Active, Suspended, Locked, Expired, Replaced, Revoked}
	Events = []Event{Start, Lapse, Suspend, Resume, Lock, Release, Expire, Renew, Replace, Revoke}
	Final  = []State{Replaced, Revoked}
)

// Token is what the server knows of one token. Its keys are not in it: they are unwrapped where they are used.
type Token struct {
	ID, Customer, Enrolment string
	State                   State
	Generation              int
	Platform                string
	KeyThumbprint           string
	Digits                  int
	Step                    time.Duration
	LastStep, Drift         int64
	Registered, Started     time.Time
	Expires, Ended          time.Time
}

// ShownState is the state as the customer sees it at a moment: a token past its date is expired, whether or not a worker has written so.
func (t Token) ShownState(now time.Time) State {
	if t.State == Active && !now.Before(t.Expires) {
		return Expired
	}
	return t.State
}
