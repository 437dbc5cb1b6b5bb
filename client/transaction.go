package client

import (
	"encoding/json"
	"time"
)

// State is where a transaction stands.
type State string

// The states of a transaction.
const (
	Pending   State = "pending"   // It waits for the customer.
	Approved  State = "approved"  // She has approved it; it may be consumed until ApprovedUntil.
	Rejected  State = "rejected"  // She has said no.
	Reported  State = "reported"  // She has said that she never asked for it; her transfers are stopped.
	Expired   State = "expired"   // She has not answered in time.
	Cancelled State = "cancelled" // The bank has taken it back.
	Consumed  State = "consumed"  // Its permit has been given out.
	Lapsed    State = "lapsed"    // She approved it, and nobody executed it in time.
)

// NewTransaction is what the customer is to confirm.
type NewTransaction struct {
	Customer string            `json:"customer"` // The bank's own reference of the customer.
	Template string            `json:"template"` // Such as "transfer".
	Currency string            `json:"currency"` // ISO 4217, such as "JPY".
	Fields   map[string]string `json:"fields"`   // Values by the ids of the template's fields.
}

// Execution is what the bank's executor is about to carry out, under its own request id.
type Execution struct {
	Request  string            `json:"request"` // The executor's own name for this execution, 1 to 64 of A-Z a-z 0-9 . _ -
	Customer string            `json:"customer"`
	Template string            `json:"template"`
	Currency string            `json:"currency"`
	Fields   map[string]string `json:"fields"`
}

// Field is one line of a transaction in the one form in which it was shown and signed.
type Field struct {
	ID    string `json:"id"`
	Value string `json:"value"`
}

// Transaction is what the server says of a transaction.
type Transaction struct {
	ID            string            `json:"id"`
	State         State             `json:"state"`
	Reference     string            `json:"reference"` // Shown on both screens, such as "ABCD-EFGH".
	Customer      string            `json:"customer"`
	Template      string            `json:"template"`
	Currency      string            `json:"currency"`
	Fields        []Field           `json:"fields"`
	Display       map[string]string `json:"display"` // Exactly what the app shows, by language.
	Created       time.Time         `json:"created,omitzero"`
	Expires       time.Time         `json:"expires,omitzero"`
	Decided       time.Time         `json:"decided,omitzero"`
	ApprovedUntil time.Time         `json:"approved_until,omitzero"`
	Grade         string            `json:"grade"`   // "A": signed by her phone; "B": by an offline code.
	Reason        string            `json:"reason"`  // What she or the bank gave as reason.
	Offline       string            `json:"offline"` // Text of the QR code for a phone without network; empty unless pending.
}

// UnmarshalJSON reads the server's form, in which a time that has not come is an empty text.
func (t *Transaction) UnmarshalJSON(b []byte) error {
	type plain Transaction // without this method
	wire := struct {
		*plain
		Created       moment `json:"created"`
		Expires       moment `json:"expires"`
		Decided       moment `json:"decided"`
		ApprovedUntil moment `json:"approved_until"`
	}{plain: (*plain)(t)}
	if err := json.Unmarshal(b, &wire); err != nil {
		return err
	}
	t.Created, t.Expires, t.Decided, t.ApprovedUntil = time.Time(wire.Created), time.Time(wire.Expires), time.Time(wire.Decided), time.Time(wire.ApprovedUntil)
	return nil
}

type moment time.Time

func (m *moment) UnmarshalJSON(b []byte) error {
	if string(b) == `""` {
		return nil
	}
	return (*time.Time)(m).UnmarshalJSON(b)
}

// Permit is the right to execute one transaction once. JWS is the signed form: keep it with the booking, it is the executor's proof.
type Permit struct {
	JWS         string      `json:"permit"`
	Transaction Transaction `json:"transaction"`
	CoolingOff  CoolingOff  `json:"-"` // What the permit says of changes at her authenticators shortly before; read from JWS.
}

// Authentication says how a customer's transactions are to be confirmed.
type Authentication struct {
	Required bool `json:"required"` // They must be approved in the app.
	InUse    bool `json:"in_use"`   // Her token can do it.
	Stopped  bool `json:"stopped"`  // Transfers are stopped after a report of hers.
}
