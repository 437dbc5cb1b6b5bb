// Package staff is who works at the bank's console: how somebody comes to be there, what ends it, and the word by which a second person knows that the right one registered.
package staff

import (
	"crypto/sha256"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/inkan-auth/inkan/internal/domain/lifecycle"
)

// State of a member.
type State string

// Event in the life of a member.
type Event string

// The states. Invited: a link is on its way. Registered: somebody has used the link, and nobody has said yet that it was the right person. Only an active member has a session.
const (
	Invited    State = "invited"
	Registered State = "registered"
	Active     State = "active"
	Suspended  State = "suspended"
	Removed    State = "removed"
)

// The events. Lapse: nobody came, or nobody confirmed, in time. Burn: the word was wrong too often.
const (
	Register Event = "register"
	Confirm  Event = "confirm"
	Burn     Event = "burn"
	Lapse    Event = "lapse"
	Suspend  Event = "suspend"
	Resume   Event = "resume"
	Remove   Event = "remove"
)

// Life is the whole life of a member. A registration that was burnt, or that nobody confirmed, is not taken up again: whoever is invited anew is another member with another link,
// so that nothing of a stolen link lives on.
var Life = lifecycle.Table[State, Event]{
	{From: Invited, On: Register, To: Registered, By: "the holder of the link"},
	{From: Invited, On: Lapse, To: Removed, By: "clock"},
	{From: Invited, On: Remove, To: Removed, By: "operator, or two administrators"},
	{From: Registered, On: Confirm, To: Active, By: "operator or administrator, a second person"},
	{From: Registered, On: Burn, To: Removed, By: "server"},
	{From: Registered, On: Lapse, To: Removed, By: "clock"},
	{From: Registered, On: Remove, To: Removed, By: "operator, or two administrators"},
	{From: Active, On: Suspend, To: Suspended, By: "operator or administrator"},
	{From: Active, On: Remove, To: Removed, By: "operator, or two administrators"},
	{From: Suspended, On: Resume, To: Active, By: "operator, or two administrators"},
	{From: Suspended, On: Remove, To: Removed, By: "operator, or two administrators"},
}

// States and Events list the vocabulary of Life in reading order.
var (
	States = []State{Invited, Registered, Active, Suspended, Removed}
	Events = []Event{Register, Confirm, Burn, Lapse, Suspend, Resume, Remove}
	Final  = []State{Removed}
)

// Role is what a member works as.
type Role string

// The roles.
const (
	Clerk         Role = "clerk"
	Checker       Role = "checker"
	Fraud         Role = "fraud"
	Supervisor    Role = "supervisor"
	Auditor       Role = "auditor"
	Administrator Role = "administrator"
)

// Roles is every role in reading order.
var Roles = []Role{Clerk, Checker, Fraud, Supervisor, Auditor, Administrator}

// Member is one person at the console.
type Member struct {
	ID, Name              string
	Person                string // her number with the bank's personnel office; two members may be one person
	Branch                string // where she works; empty at head office
	Role                  Role
	State                 State
	InvitedBy             string // by her account on the server, or as she named herself
	Invited               time.Time
	Open                  time.Time // until when the link can be used; then until when the registration can be confirmed
	Registered, Confirmed time.Time
}

// ShownState is the state at a moment: what was not finished in time is removed, whether or not anybody has written so.
func (m Member) ShownState(now time.Time) State {
	if (m.State == Invited || m.State == Registered) && !now.Before(m.Open) {
		return Removed
	}
	return m.State
}

// How many characters a member's name, her number with the personnel office and her branch may have.
const (
	NameLength   = 60
	PersonLength = 40
	BranchLength = 3
)

// Limits of the confirmation.
const (
	LinkBytes  = 32
	WordLength = 8
	WordTries  = 3
)

// letters are those of Crockford's base32: none is taken for another when it is read out on the telephone.
const letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// Word is what a member reads out to the person who confirms her: 40 bits of a hash of her own passkey. Whoever took the link away from her has registered another key, which has another
// word; and a key that would have hers cannot be looked for before her number is known.
func Word(id string, publicKey []byte) string {
	h := sha256.New()
	h.Write([]byte("inkan/staff-word/v1|" + id + "|"))
	h.Write(publicKey)
	sum := h.Sum(nil)
	var out [WordLength]byte
	var acc uint
	bits, at := 0, 0
	for _, b := range sum[:WordLength*5/8] {
		acc = acc<<8 | uint(b)
		for bits += 8; bits >= 5; at++ {
			bits -= 5
			out[at] = letters[acc>>bits&31]
		}
		acc &= 1<<bits - 1
	}
	return string(out[:4]) + "-" + string(out[4:])
}

// ReadPerson writes a number of the personnel office in its one form, however it was typed: another spelling must not make another person. Capital letters, not full-width, no spaces, no hyphens of any kind.
func ReadPerson(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.Is(unicode.Dash, r) || r == 'ー' {
			return -1
		}
		return r
	}, strings.ToUpper(norm.NFKC.String(s)))
}

// ReadWord reads a word as people type what they hear: small letters, full-width ones, spaces; O for 0, I and L for 1. It is "" where it cannot be one.
func ReadWord(s string) string {
	s = strings.Map(func(r rune) rune {
		switch r {
		case 'O':
			return '0'
		case 'I', 'L':
			return '1'
		case ' ', '-', '‐', '−', 'ー', '–', '\u3000':
			return -1
		}
		return r
	}, strings.ToUpper(norm.NFKC.String(s)))
	if len(s) != WordLength || strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune(letters, r) }) {
		return ""
	}
	return s[:4] + "-" + s[4:]
}
