// Package release is the security release request (セキュリティ関連解除依頼書): the paper by which a customer who can prove herself in no other way asks the bank's staff to open what is shut (M-13).
// She makes it here and prints it; two members of staff handle it.
package release

import (
	"slices"

	"github.com/inkan-auth/inkan/internal/domain/lifecycle"
)

// State of a request.
type State string

// Event in the life of a request.
type Event string

// The states. Made: filled in and printed, the paper is awaited. Received: a clerk has the paper. Submitted: checked by the maker, awaits the second person.
const (
	Made      State = "made"
	Received  State = "received"
	Submitted State = "submitted"
	Granted   State = "granted"
	Declined  State = "declined"
	Withdrawn State = "withdrawn"
	Expired   State = "expired"
)

// The events.
const (
	Receive  Event = "receive"
	Submit   Event = "submit"
	Recall   Event = "recall" // taken back by a maker, before anybody has decided
	Return   Event = "return"
	Grant    Event = "grant"
	Decline  Event = "decline"
	Withdraw Event = "withdraw"
	Expire   Event = "expire"
)

// Life is the whole life of a request. What is not in this table cannot happen.
var Life = lifecycle.Table[State, Event]{
	{From: Made, On: Receive, To: Received, By: "clerk"},
	{From: Made, On: Withdraw, To: Withdrawn, By: "customer"},
	{From: Made, On: Expire, To: Expired, By: "clock"},
	{From: Received, On: Submit, To: Submitted, By: "clerk"},
	{From: Received, On: Decline, To: Declined, By: "clerk"},
	{From: Received, On: Withdraw, To: Withdrawn, By: "customer"},
	{From: Submitted, On: Recall, To: Received, By: "clerk"},
	{From: Submitted, On: Return, To: Received, By: "checker"},
	{From: Submitted, On: Grant, To: Granted, By: "checker, a second person"},
	{From: Submitted, On: Decline, To: Declined, By: "checker"},
	{From: Submitted, On: Withdraw, To: Withdrawn, By: "customer"},
}

// States and Events list the vocabulary of Life in reading order.
var (
	States = []State{Made, Received, Submitted, Granted, Declined, Withdrawn, Expired}
	Events = []Event{Receive, Submit, Recall, Return, Grant, Decline, Withdraw, Expire}
	Final  = []State{Granted, Declined, Withdrawn, Expired}
)

// Item is one of the numbered choices of the form. Its place in Items is its number on paper, so the order is never changed.
type Item string

// The choices.
const (
	OTPLock         Item = "otp_lock"         // the lock after wrong codes
	TokenRevoke     Item = "token_revoke"     // the token of a phone that is gone
	Downloads       Item = "downloads"        // registrations used up
	LoginPassword   Item = "login_password"   // blocked or forgotten
	ConfirmPassword Item = "confirm_password" // blocked or forgotten
	ServiceStop     Item = "service_stop"     // the emergency stop
	Phone           Item = "phone"            // the telephone check is blocked, or the number is another one now
	Authenticators  Item = "authenticators"   // biometric log-in and all registered devices
	Other           Item = "other"
)

// Items are the choices in the order of their numbers on paper, from 1.
var Items = []Item{OTPLock, TokenRevoke, Downloads, LoginPassword, ConfirmPassword, ServiceStop, Phone, Authenticators, Other}

// Reason is why a customer asks.
type Reason string

// The reasons.
const (
	NewPhone   Reason = "new_phone"
	LostPhone  Reason = "lost"
	Stolen     Reason = "stolen"
	Broken     Reason = "broken"
	Deleted    Reason = "deleted" // the app, or what it kept
	Forgotten  Reason = "forgotten"
	Suspicious Reason = "suspicious" // goes to the fraud desk
	Elsewise   Reason = "other"
)

// Reasons are all of them in the order in which the form lists them.
var Reasons = []Reason{NewPhone, LostPhone, Stolen, Broken, Deleted, Forgotten, Suspicious, Elsewise}

// Sorted gives the choices in the order of the form, each once; ok is false where there is none or one that the form does not have.
func Sorted(chosen []string) (out []Item, ok bool) {
	for _, item := range Items {
		if slices.Contains(chosen, string(item)) {
			out = append(out, item)
		}
	}
	for _, c := range chosen {
		if !slices.Contains(Items, Item(c)) {
			return nil, false
		}
	}
	return out, len(out) > 0
}

// KnownReason says whether the form has this reason.
func KnownReason(r Reason) bool { return slices.Contains(Reasons, r) }
