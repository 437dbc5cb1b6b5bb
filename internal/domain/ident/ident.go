// Package ident makes and reads the identifiers of everything that has one: a prefix that says what it is, an underscore,
// and 26 characters of Crockford base32 over a UUID version 7 (RFC 9562, section 5.7), so that identifiers sort by time.
//
// The package knows no clock and no randomness: the authority hands in both.
package ident

import (
	"errors"
	"strings"
	"time"
)

// The kinds of things that have identifiers.
const (
	Customer  = "cus"
	Address   = "adr"
	Enrolment = "enr"
	Token     = "tok"
	Session   = "ses"
	Browser   = "brw"
	Outbox    = "out"
	Entry     = "ent"
	Grant     = "grt"
	Key       = "key"

	Transaction = "txn"
	Push        = "psh"
	Passkey     = "pky"
	Errand      = "ask"
	Staff       = "stf"
	StaffVisit  = "svs"

	Cooling    = "col"
	Reissue    = "rei"
	PhoneCheck = "tel"
	Notice     = "ntc"
	Release    = "rel"
	Scan       = "scn"
	Order      = "ord"

	Incident     = "inc"
	IncidentNote = "itn"
	TrailExport  = "exp"
)

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

// ErrMalformed says that a text is not an identifier of the kind asked for.
var ErrMalformed = errors.New("ident: not an identifier of this kind")

// New makes the identifier of a thing of the given kind that begins now; random supplies its unpredictable part.
func New(kind string, now time.Time, random [10]byte) string {
	var u [16]byte
	ms := uint64(now.UnixMilli())
	for i := range 6 {
		u[i] = byte(ms >> (40 - 8*i))
	}
	copy(u[6:], random[:])
	u[6] = 0x70 | u[6]&0x0f // version 7
	u[8] = 0x80 | u[8]&0x3f // the variant of RFC 9562
	return kind + "_" + encode(u)
}

// Check says whether s is an identifier of the given kind; it returns ErrMalformed where it is not.
func Check(kind, s string) error {
	body, ok := strings.CutPrefix(s, kind+"_")
	if !ok || len(body) != 26 || body[0] > '7' {
		return ErrMalformed
	}
	for i := range len(body) {
		if strings.IndexByte(alphabet, body[i]) < 0 {
			return ErrMalformed
		}
	}
	return nil
}

// encode writes 128 bits as 26 characters, the most significant first; two zero bits stand in front.
func encode(u [16]byte) string {
	var out [26]byte
	var acc uint
	bits := 2
	at := 0
	for _, b := range u {
		acc = acc<<8 | uint(b)
		for bits += 8; bits >= 5; at++ {
			bits -= 5
			out[at] = alphabet[acc>>bits&31]
		}
		acc &= 1<<bits - 1
	}
	return string(out[:])
}
