// Package passkey is a credential of WebAuthn as a bank looks at it: for whom and for which origin it is good, whether it can be copied, and what its use proves.
//
// The ceremonies themselves (WebAuthn Level 3, sections 7.1 and 7.2) are checked by go-webauthn; what a relying party has to decide is decided here.
package passkey

import (
	"time"

	"github.com/inkan-auth/inkan/internal/domain/lifecycle"
)

// State of a passkey.
type State string

// Event in the life of a passkey.
type Event string

// The states. Resting: registered without a token, good for nothing until its cooling-off is over. Held: its counter went back or its owner objected; it opens nothing.
const (
	Resting State = "resting"
	Active  State = "active"
	Held    State = "held"
	Removed State = "removed"
)

// The events.
const (
	Ripen  Event = "ripen"
	Hold   Event = "hold"
	Remove Event = "remove"
)

// Life is the whole life of a passkey. Nothing leads out of held but removal: a copy of a key cannot be told from the key, so the customer registers another one.
var Life = lifecycle.Table[State, Event]{
	{From: Resting, On: Ripen, To: Active, By: "clock"},
	{From: Resting, On: Hold, To: Held, By: "customer, server"},
	{From: Resting, On: Remove, To: Removed, By: "customer, staff"},
	{From: Active, On: Hold, To: Held, By: "customer, server"},
	{From: Active, On: Remove, To: Removed, By: "customer, staff"},
	{From: Held, On: Remove, To: Removed, By: "customer, staff"},
}

// States and Events list the vocabulary of Life in reading order.
var (
	States = []State{Resting, Active, Held, Removed}
	Events = []Event{Ripen, Hold, Remove}
	Final  = []State{Removed}
)

// Passkey is what the server knows of one passkey of a customer or a staff member.
type Passkey struct {
	ID, Owner  string
	Name       string // the owner's own word for it
	State      State
	Usable     time.Time // from when on it opens anything
	Credential Credential
	Registered time.Time
	Device     string // from which it was registered, in words
	LastUsed   time.Time
	LastDevice string
}

// ShownState is the state at a moment: one whose cooling-off is over is active, whether or not anybody has written so.
func (p Passkey) ShownState(now time.Time) State {
	if p.State == Resting && !now.Before(p.Usable) {
		return Active
	}
	return p.State
}

// Credential is the public half of a passkey with what its authenticator says of it.
type Credential struct {
	ID             []byte // 16 to 1023 bytes, unique among all
	PublicKey      []byte // COSE_Key (RFC 9052, section 7)
	Counter        uint32 // 0 where the authenticator does not count
	BackupEligible bool   // it can be copied to other devices of its owner; never changes
	BackedUp       bool   // it has been
	AAGUID         string // the model of the authenticator, in lower case with hyphens; not attested
	Transports     []string
}

// Bound says whether the passkey stays in the one device that made it.
func (c Credential) Bound() bool { return !c.BackupEligible }

// keepers are names for models that customers meet. They are shown beside the owner's own name and decide nothing: without attestation anybody can claim any model.
var keepers = map[string]string{
	"fbfc3007-154e-4ecc-8c0b-6e020557d7bd": "iCloud Keychain",
	"dd4ec289-e01d-41c9-bb89-70fa845d4bf2": "iCloud Keychain",
	"ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4": "Google Password Manager",
	"adce0002-35bc-c60a-648b-0b25f1f05503": "Chrome on Mac",
	"08987058-cadc-4b81-b6e1-30de50dcbe96": "Windows Hello",
	"9ddd1817-af5a-4672-a2b9-3e3dd95000a9": "Windows Hello",
	"6028b017-b1d4-4c02-b4b3-afcdafc96bb2": "Windows Hello",
	"53414d53-554e-4700-0000-000000000000": "Samsung Pass",
	"bada5566-a7aa-401f-bd96-45619a55120d": "1Password",
	"d548826e-79b4-db40-a3d8-11116f7e8349": "Bitwarden",
}

// Keeper names the product that keeps the passkey, or is empty where it is not known.
func (c Credential) Keeper() string { return keepers[c.AAGUID] }
