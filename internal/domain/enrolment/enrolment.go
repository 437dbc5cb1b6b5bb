// Package enrolment is the course from the application for a token to the start of its use, and the two codes that belong to it:
// the registration key (A), seen only on the bank's screen, and the registration number (B), which travels by mail.
package enrolment

import (
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/lifecycle"
)

// State of an enrolment.
type State string

// Purpose is what an enrolment is for. Who may see its key, and who may start the use of the token that it leads to, depends on it.
type Purpose string

// The purposes. First: a token where the customer has none. The others put a token in the place of another one: Move with the old phone at hand (B-04), Reissue
// without it (M-12), Release by the bank's staff (M-13).
const (
	First   Purpose = "first"
	Move    Purpose = "move"
	Reissue Purpose = "reissue"
	Release Purpose = "release"
)

// Event in the life of an enrolment.
type Event string

// The states. Ordered: applied for, mail sent. Registered: an app holds keys. Completed: the code was typed at the bank.
const (
	Ordered    State = "ordered"
	Registered State = "registered"
	Completed  State = "completed"
	Burnt      State = "burnt"
	Expired    State = "expired"
	Cancelled  State = "cancelled"
)

// The events.
const (
	Register Event = "register"
	Start    Event = "start"
	Burn     Event = "burn"
	Expire   Event = "expire"
	Cancel   Event = "cancel"
)

// Life is the whole life of an enrolment. What is not in this table cannot happen.
var Life = lifecycle.Table[State, Event]{
	{From: Ordered, On: Register, To: Registered, By: "customer"},
	{From: Ordered, On: Burn, To: Burnt, By: "server"},
	{From: Ordered, On: Expire, To: Expired, By: "clock"},
	{From: Ordered, On: Cancel, To: Cancelled, By: "customer"},
	{From: Registered, On: Start, To: Completed, By: "customer"},
	{From: Registered, On: Burn, To: Burnt, By: "server"},
	{From: Registered, On: Expire, To: Expired, By: "clock"},
	{From: Registered, On: Cancel, To: Cancelled, By: "customer"},
}

// States and Events list the vocabulary of Life in reading order.
var (
	States = []State{Ordered, Registered, Completed, Burnt, Expired, Cancelled}
	Events = []Event{Register, Start, Burn, Expire, Cancel}
	Final  = []State{Completed, Burnt, Expired, Cancelled}
)

// Enrolment is one application for a token.
type Enrolment struct {
	ID, Customer  string
	Purpose       Purpose
	Replaces      string // the token that ends when this one is used first; empty where there is none
	Txn           string // the approval of a move; empty elsewhere, and before the new phone has registered
	State         State
	Address       string // identifier of the address the number went to
	KeyExpires    time.Time
	Tries         int
	StartTries    int
	Ordered       time.Time
	OrderedDevice string
	OrderedSource string
	Expires       time.Time
	Ended         time.Time
	Token         string // what it led to; empty until registered
	Version       int64
}

// Open says that the enrolment can still go on.
func (e Enrolment) Open() bool { return e.State == Ordered || e.State == Registered }

// Started says that the use of its token is started in the bank's own pages after a log-in: where the customer has no token, because it is her first or because staff have ended the one before. Any
// other is started where it was begun.
func (e Enrolment) Started() bool { return e.Purpose == First || e.Purpose == Release }

// KeyBytes and its forms: a registration key is 16 random bytes for the QR form and, beside it, 14 random digits for the typed form.
const (
	SecretBytes  = 16
	TypedDigits  = 16
	NumberDigits = 8
)

// Key is a registration key in both of its forms.
type Key struct {
	Secret string // 22 characters of base64url
	Typed  string // 16 digits, the last two are check digits
}

// ErrKey says that a text is not a registration key, ErrNumber that it is not a registration number.
var (
	ErrKey    = errors.New("enrolment: not a registration key")
	ErrNumber = errors.New("enrolment: not a registration number")
)

// MakeKey makes a registration key from randomness.
func MakeKey(secret [SecretBytes]byte, random [16]byte) Key {
	return Key{
		Secret: base64.RawURLEncoding.EncodeToString(secret[:]),
		Typed:  AppendCheck(Digits(random, TypedDigits-2)),
	}
}

// Digits turns 128 random bits into n decimal digits (n at most 16): the bias is below 2^-74.
func Digits(random [16]byte, n int) string {
	out := make([]byte, n)
	for i := n - 1; i >= 0; i-- {
		rest := 0
		for j, b := range random {
			rest = rest<<8 | int(b)
			random[j] = byte(rest / 10)
			rest %= 10
		}
		out[i] = byte('0' + rest)
	}
	return string(out)
}

// AppendCheck adds the two check digits of ISO 7064 MOD 97-10, so that the whole leaves 1 when divided by 97.
func AppendCheck(digits string) string {
	c := 98 - mod97(digits+"00")
	return digits + string([]byte{byte('0' + c/10), byte('0' + c%10)})
}

// Checked says whether digits end in the right check digits.
func Checked(digits string) bool { return allDigits(digits) && mod97(digits) == 1 }

func mod97(digits string) int {
	r := 0
	for i := range len(digits) {
		r = (r*10 + int(digits[i]-'0')) % 97
	}
	return r
}

// ParseKey tells which form of a registration key s is. It normalises nothing: the app does that before it signs.
func ParseKey(s string) (typed bool, err error) {
	if len(s) == TypedDigits && Checked(s) {
		return true, nil
	}
	if b, err := base64.RawURLEncoding.Strict().DecodeString(s); err == nil && len(b) == SecretBytes && len(s) == 22 {
		return false, nil
	}
	return false, ErrKey
}

// ParseNumber accepts exactly eight digits.
func ParseNumber(s string) error {
	if len(s) != NumberDigits || !allDigits(s) {
		return ErrNumber
	}
	return nil
}

// Group writes digits in groups of four for reading: "1234 5678 9012 3436".
func Group(digits string) string {
	var b strings.Builder
	for i := range len(digits) {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteByte(digits[i])
	}
	return b.String()
}

// Link is the QR form of a key: everything that matters stands behind the '#', so no server and no log ever sees it.
func Link(tokenOrigin, enrolmentID, secret, rootThumbprint string) string {
	return tokenOrigin + "/r#1." + enrolmentID + "." + secret + "." + rootThumbprint
}

// MoveLink is the QR form of a move: it carries the number too, because the old phone, which shows it, is there to approve (docs/protocol.md, Moving).
func MoveLink(tokenOrigin, enrolmentID, secret, rootThumbprint, number string) string {
	return tokenOrigin + "/r#2." + enrolmentID + "." + secret + "." + rootThumbprint + "." + number
}

// ParseMoveLink reads the QR form of a move again.
func ParseMoveLink(s string) (origin, enrolmentID, secret, rootThumbprint, number string, err error) {
	const version = "/r#2."
	i := strings.LastIndexByte(s, '.')
	if i < 0 || !strings.Contains(s, version) || ParseNumber(s[i+1:]) != nil {
		return "", "", "", "", "", ErrKey
	}
	origin, enrolmentID, secret, rootThumbprint, err = ParseLink(strings.Replace(s[:i], version, "/r#1.", 1))
	return origin, enrolmentID, secret, rootThumbprint, s[i+1:], err
}

// ParseLink reads the QR form again.
func ParseLink(s string) (origin, enrolmentID, secret, rootThumbprint string, err error) {
	origin, rest, ok := strings.Cut(s, "/r#")
	part := strings.Split(rest, ".")
	if !ok || len(part) != 4 || part[0] != "1" || len(part[3]) != 43 {
		return "", "", "", "", ErrKey
	}
	if typed, err := ParseKey(part[2]); err != nil || typed {
		return "", "", "", "", ErrKey
	}
	return origin, part[1], part[2], part[3], nil
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
