package transaction

import (
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/signing"
)

// ErrDecision says that a decision is not one about this document.
var ErrDecision = errors.New("transaction: not a decision on this document")

// Answer is what a customer says to a transaction.
type Answer string

// The answers: 承認, 拒否 and 身に覚えがない.
const (
	Yes   Answer = "approve"
	No    Answer = "reject"
	NotMe Answer = "report"
)

// reasons are those that may go with an answer.
var reasons = map[Answer][]string{Yes: {""}, No: {"", "wrong_amount", "wrong_payee", "other"}, NotMe: {"", "not_me", "told_by_phone", "other"}}

// Event is what the answer does to a transaction.
func (a Answer) Event() Event { return Event(a) }

// Decision is a customer's answer as her device signs it.
type Decision struct {
	Transaction                      string
	Document, Offer, Bundle, Display string // hashes
	Language                         string
	Answer                           Answer
	Reason                           string
	Time                             time.Time
	Counter                          uint64 // of this device's decisions: a gap shows, and proves nothing more
	Previous                         string // hash of this device's previous decision
	Verification                     Verification
	Nonce                            [16]byte

	Token string // from the header: who claims to have signed
	Hash  string // of the envelope
}

// MakeDecision makes the envelope that a token sends.
func MakeDecision(d Decision, sign signing.Signer) (string, error) {
	payload, err := signing.Canonical(signing.Object{"v": "1", "transaction": d.Transaction, "document": d.Document, "offer": d.Offer, "templates": d.Bundle, "display": d.Display,
		"language": d.Language, "answer": string(d.Answer), "reason": d.Reason, "time": stamp(d.Time), "counter": strconv.FormatUint(d.Counter, 10), "previous": d.Previous,
		"verification": string(d.Verification), "nonce": base64.RawURLEncoding.EncodeToString(d.Nonce[:])})
	if err != nil {
		return "", err
	}
	return signing.Seal(signing.TypDecision, d.Token, nil, payload, sign)
}

// ParseDecision reads a decision. Its signature has not been looked at: verify the envelope with the key of the token that it names.
func ParseDecision(compact string) (Decision, *signing.Envelope, error) {
	e, err := signing.Parse(signing.TypDecision, compact)
	if err != nil || e.Key != nil {
		return Decision{}, nil, signing.ErrSignature
	}
	o, err := signing.ParseCanonical(e.Payload)
	if err != nil {
		return Decision{}, nil, err
	}
	f, err := o.Fields("v", "transaction", "document", "offer", "templates", "display", "language", "answer", "reason", "time", "counter", "previous", "verification", "nonce")
	if err != nil {
		return Decision{}, nil, err
	}
	at, errT := parseTime(f["time"])
	counter, errC := strconv.ParseUint(f["counter"], 10, 63)
	nonce, errN := signing.FromBase64(f["nonce"])
	d := Decision{Transaction: f["transaction"], Document: f["document"], Offer: f["offer"], Bundle: f["templates"], Display: f["display"], Language: f["language"],
		Answer: Answer(f["answer"]), Reason: f["reason"], Time: at, Counter: counter, Previous: f["previous"], Verification: Verification(f["verification"]), Token: e.Kid, Hash: signing.Hash(compact)}
	if f["v"] != "1" || errT != nil || errC != nil || strconv.FormatUint(counter, 10) != f["counter"] || errN != nil || len(nonce) != 16 ||
		!slices.Contains(Languages, d.Language) || !slices.Contains(reasons[d.Answer], d.Reason) || !slices.Contains(verifications, d.Verification) {
		return Decision{}, nil, ErrDecision
	}
	d.Nonce = [16]byte(nonce)
	return d, e, nil
}

// About says whether a decision is about this document, as offered and as shown by this bundle.
func (d Decision) About(doc Document, offer string, b *Bundle) error {
	if d.Transaction != doc.ID || d.Document != doc.Hash || d.Offer != signing.Hash(offer) || d.Bundle != b.Hash || d.Display != signing.Hash(b.Render(doc, d.Language)) {
		return ErrDecision
	}
	return nil
}

// Permit is what the bank's executor gets: exactly the fields that were approved, once.
type Permit struct {
	Transaction, Document, Decision string
	Grade                           Grade
	Audience, Customer              string
	Order                           Order
	Request                         string // the executor's own identifier of this execution
	Time                            time.Time
	CoolingOff                      []Cooling // what had changed at the customer's authenticators shortly before; empty where nothing had
}

// Cooling is a change at the customer's authenticators after which the bank is asked to be careful for a while.
type Cooling struct {
	Change       string
	Approved     bool // a token app that was there before had approved it
	Since, Until time.Time
}

// MakePermit makes the permit's envelope, signed by the issuer key.
func MakePermit(p Permit, kid string, sign signing.Signer) (string, error) {
	o := signing.Object{"v": "1", "transaction": p.Transaction, "document": p.Document, "decision": p.Decision, "grade": string(p.Grade), "audience": p.Audience,
		"customer": p.Customer, "template": p.Order.Template, "currency": p.Order.Currency, "fields": fieldList(p.Order.Fields), "request": p.Request, "time": stamp(p.Time)}
	if len(p.CoolingOff) > 0 { // most permits have nothing to say of it, and are as they always were
		changes := make([]any, len(p.CoolingOff))
		for i, c := range p.CoolingOff {
			changes[i] = signing.Object{"change": c.Change, "approved": c.Approved, "since": stamp(c.Since), "until": stamp(c.Until)}
		}
		o["cooling_off"] = changes
	}
	payload, err := signing.Canonical(o)
	if err != nil {
		return "", err
	}
	return signing.Seal(signing.TypPermit, kid, nil, payload, sign)
}

// ParsePermit reads a permit, verified with the issuer key.
func ParsePermit(compact string, issuer signing.JWK) (Permit, error) {
	o, err := signing.Open(signing.TypPermit, compact, issuer)
	if err != nil {
		return Permit{}, err
	}
	changes, err := readCooling(o)
	if err != nil {
		return Permit{}, err
	}
	f, err := o.Fields("v", "transaction", "document", "decision", "grade", "audience", "customer", "template", "currency", "fields[]", "request", "time")
	if err != nil {
		return Permit{}, err
	}
	at, err := parseTime(f["time"])
	if err != nil || f["v"] != "1" {
		return Permit{}, ErrDocument
	}
	fields, err := readFields(o["fields"])
	return Permit{Transaction: f["transaction"], Document: f["document"], Decision: f["decision"], Grade: Grade(f["grade"]), Audience: f["audience"], Customer: f["customer"],
		Order: Order{f["template"], f["currency"], fields}, Request: f["request"], Time: at, CoolingOff: changes}, err
}

// readCooling takes the changes out of a permit that has any.
func readCooling(o signing.Object) (out []Cooling, err error) {
	value, there := o["cooling_off"]
	if !there {
		return nil, nil
	}
	delete(o, "cooling_off")
	list, _ := value.([]any)
	for _, v := range list {
		entry, _ := v.(signing.Object)
		approved, is := entry["approved"].(bool)
		delete(entry, "approved")
		f, err := entry.Fields("change", "since", "until")
		if err != nil || !is {
			return nil, ErrDocument
		}
		c := Cooling{Change: f["change"], Approved: approved}
		if c.Since, err = parseTime(f["since"]); err != nil {
			return nil, err
		}
		if c.Until, err = parseTime(f["until"]); err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	if len(out) == 0 { // said in one form only: by not saying it
		return nil, ErrDocument
	}
	return out, nil
}

// Offline is the server's word that an offline code fitted a document.
type Offline struct {
	Transaction, Document, Token string
	Time                         time.Time
}

// MakeOffline makes that word's envelope, signed by the issuer key.
func MakeOffline(w Offline, kid string, sign signing.Signer) (string, error) {
	payload, err := signing.Canonical(signing.Object{"v": "1", "transaction": w.Transaction, "document": w.Document, "token": w.Token, "time": stamp(w.Time)})
	if err != nil {
		return "", err
	}
	return signing.Seal(signing.TypOffline, kid, nil, payload, sign)
}

// ParseOffline reads that word, verified with the issuer key.
func ParseOffline(compact string, issuer signing.JWK) (Offline, error) {
	o, err := signing.Open(signing.TypOffline, compact, issuer)
	if err != nil {
		return Offline{}, err
	}
	f, err := o.Fields("v", "transaction", "document", "token", "time")
	if err != nil {
		return Offline{}, err
	}
	at, err := parseTime(f["time"])
	if err != nil || f["v"] != "1" {
		return Offline{}, ErrDocument
	}
	return Offline{f["transaction"], f["document"], f["token"], at}, nil
}
