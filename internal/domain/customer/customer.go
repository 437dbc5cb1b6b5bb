// Package customer says what we know of a customer of the bank, and how her names are compared and masked.
package customer

import (
	"errors"
	"net/mail"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// State of a customer's service.
type State string

// The states: a stopped service opens no door at all.
const (
	Active  State = "active"
	Stopped State = "stopped"
)

// Customer is a person with an account, known by the bank's own reference.
type Customer struct {
	ID, Ref, LoginID                   string
	Name, Kana                         string
	Branch, AccountType, AccountNumber string
	Phone                              string
	LoginPassword, ConfirmPassword     string // PHC strings, see package password
	LoginInitial, ConfirmInitial       bool   // set by the bank, to be changed at the first login
	State                              State
	ReapplyAt                          time.Time // before it no new token can be applied for; zero if any time
	Version                            int64
}

// MustChange says that a password is still the one the bank handed out.
func (c Customer) MustChange() bool { return c.LoginInitial || c.ConfirmInitial }

// MaskedAccount shows the account as far as it may be shown: branch, type and the last four digits.
func (c Customer) MaskedAccount() string {
	return c.Branch + " " + c.AccountType + " " + maskKeep(c.AccountNumber, 4)
}

// Address is a place where notices go.
type Address struct {
	ID, Customer, Mail string
	State              AddressState
	Since              time.Time
	ToldUntil          time.Time // of one that was replaced: until then it hears what is told; zero where it does not
	Replaces           string    // identifier of the address in whose place this one came
}

// ShownState is the state at a moment: one that was replaced is leaving for as long as it is still told of everything.
func (a Address) ShownState(now time.Time) AddressState {
	if a.State == Retired && now.Before(a.ToldUntil) {
		return Leaving
	}
	return a.State
}

// AddressState says whether an address can be used.
type AddressState string

// The states of an address.
const (
	Usable  AddressState = "usable"
	Bounced AddressState = "bounced"
	Retired AddressState = "retired"
	Leaving AddressState = "leaving" // retired, and still told of everything for a while, so that its reader can object; never stored
)

// ErrLoginID says that a text cannot be a login ID at all.
var ErrLoginID = errors.New("customer: not a login ID")

// CanonicalLoginID maps every spelling of a login ID to one: NFKC, lower case, 4 to 64 characters from letters, digits, '.', '-', '_' and '@'.
// It trims nothing; the page does that.
func CanonicalLoginID(s string) (string, error) {
	if len(s) > 256 || !utf8.ValidString(s) {
		return "", ErrLoginID
	}
	s = strings.ToLower(norm.NFKC.String(s))
	n := 0
	for _, r := range s {
		if !(r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("._-@", r))) {
			return "", ErrLoginID
		}
		n++
	}
	if n < 4 || n > 64 {
		return "", ErrLoginID
	}
	return s, nil
}

// ErrAddress says that a text is not a mail address that can be written to.
var ErrAddress = errors.New("customer: not a mail address")

// ParseAddress accepts a plain mail address (addr-spec of RFC 5322, ASCII, at most 254 bytes) and nothing around it.
func ParseAddress(s string) (string, error) {
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s || a.Name != "" || len(s) > 254 {
		return "", ErrAddress
	}
	local, domain, _ := strings.Cut(s, "@")
	if strings.HasPrefix(local, "\"") || !strings.Contains(domain, ".") || strings.HasPrefix(domain, "[") {
		return "", ErrAddress
	}
	for _, r := range s {
		if r <= ' ' || r >= 0x7f {
			return "", ErrAddress
		}
	}
	return s, nil
}

// MaskAddress shows enough of an address to recognise one's own: its first character and the domain.
func MaskAddress(s string) string {
	local, domain, ok := strings.Cut(s, "@")
	if !ok || local == "" {
		return "***"
	}
	return local[:1] + "***@" + domain
}

// maskKeep hides all but the last n characters.
func maskKeep(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return strings.Repeat("*", len(r)-n) + string(r[len(r)-n:])
}
