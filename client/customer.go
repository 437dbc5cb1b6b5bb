package client

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

// StopReason is why a service is stopped; it stands in the server's trail.
type StopReason string

// The reasons.
const (
	StopForCustomer StopReason = "customer" // She asked for it.
	StopForFraud    StopReason = "fraud"
	StopForOther    StopReason = "other"
)

// Stop is how a service stands after a stop.
type Stop struct {
	Since      time.Time `json:"since"`
	StoppedNow bool      `json:"stopped_now"` // False where it stood still already.
}

// Assurance is how far the bank can rely on it that it deals with its customer.
type Assurance struct {
	Service struct {
		State string `json:"state"` // "active" or "stopped"
	} `json:"service"`
	Token struct {
		State            string `json:"state"` // "none", "active", "locked", "suspended" or "expired"
		UserVerification bool   `json:"user_verification"`
	} `json:"token"`
	Passkeys struct {
		Synced      int `json:"synced"`
		DeviceBound int `json:"device_bound"`
	} `json:"passkeys"`
	LastLogin struct {
		Class string `json:"class"` // As acr of a login says it.
	} `json:"last_login"`
	CoolingOff CoolingOff `json:"cooling_off"`
}

// CoolingOff is what was changed at a customer's authenticators or addresses lately.
type CoolingOff struct {
	Until   time.Time // When the last of them has cooled off; zero where there is none.
	Changes []Change
}

// UnmarshalJSON reads the server's form, in which a time that has not come is an empty text.
func (c *CoolingOff) UnmarshalJSON(b []byte) error {
	var wire struct {
		Until   moment   `json:"until"`
		Changes []Change `json:"changes"`
	}
	err := json.Unmarshal(b, &wire)
	c.Until, c.Changes = time.Time(wire.Until), wire.Changes
	return err
}

// After says whether one of the changes is among these kinds, and until when care is asked for because of them.
func (c CoolingOff) After(kinds ...string) (until time.Time, is bool) {
	for _, x := range c.Changes {
		for _, k := range kinds {
			if x.Change == k {
				is = true
				if x.Until.After(until) {
					until = x.Until
				}
			}
		}
	}
	return until, is
}

// Change is one of these changes. Kinds may be added: act on those that you know.
type Change struct {
	Change   string    `json:"change"` // Such as "token_reissued".
	Since    time.Time `json:"since"`
	Until    time.Time `json:"until"`
	Approved bool      `json:"approved"` // A token app that was there before has approved it.
}

// coolingIn reads what a permit says of changes. Its signature is for those who verify it later; here it came from the server itself. What cannot be read says nothing: a permit that was given
// must not be lost over it.
func coolingIn(jws string) (c CoolingOff) {
	parts := strings.Split(jws, ".")
	if len(parts) != 3 {
		return c
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	var said struct {
		Changes []Change `json:"cooling_off"`
	}
	if err != nil || json.Unmarshal(payload, &said) != nil {
		return c
	}
	c.Changes = said.Changes
	for _, x := range c.Changes {
		if x.Until.After(c.Until) {
			c.Until = x.Until
		}
	}
	return c
}
