package release

import (
	"crypto/sha256"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Origin is how a request came to be.
type Origin string

// The origins.
const (
	ByCustomer Origin = "customer" // filled in on our pages, then printed
	AtCounter  Origin = "counter"  // by a clerk, from the paper form
)

// Check is what a clerk has looked at to know who stands before her.
type Check string

// The checks, as the form's box for the bank lists them.
const (
	CheckCard     Check = "card"
	CheckSeal     Check = "seal"
	CheckDocument Check = "document"
	CheckPhoto    Check = "photo"
	CheckCall     Check = "call" // back, to the number on file
)

// Checks are all of them in the order of the form.
var Checks = []Check{CheckCard, CheckSeal, CheckDocument, CheckPhoto, CheckCall}

// Document is a kind of paper by which somebody shows who she is.
type Document string

// The documents.
const (
	Licence    Document = "licence"
	NumberCard Document = "number_card" // its number itself is never written down
	Passport   Document = "passport"
	Residence  Document = "residence"
	Insurance  Document = "insurance"
	OtherPaper Document = "other"
)

// Documents are all of them in the order in which a clerk chooses.
var Documents = []Document{Licence, NumberCard, Passport, Residence, Insurance, OtherPaper}

// Issue is something that is handed to the customer after the release: by letter, or a registration key also on the branch's screen.
type Issue string

// The issues. Passwords are made by the server, stand in the letter and nowhere else, and must be changed at the next log-in.
const (
	IssueKey     Issue = "key"
	IssueLogin   Issue = "login"
	IssueConfirm Issue = "confirm"
)

// Issues are all of them in the order of the letter.
var Issues = []Issue{IssueKey, IssueLogin, IssueConfirm}

// How many characters a clerk may write.
const (
	ReferenceLength = 40
	NoteLength      = 500
	ReasonLength    = 300
)

// Scans are how many scanned papers one request may have; ScanBytes how large each may be.
const (
	Scans     = 5
	ScanBytes = 4 << 20
)

// ShownFor is how long a checker may think about what she was shown.
const ShownFor = 30 * time.Minute

// Desk is what the clerk has filled in: what she has looked at and what is to be released, which may be other than what was asked for.
type Desk struct {
	Items     []Item   `json:"items"`
	Issue     []Issue  `json:"issue"`
	Checks    []Check  `json:"checks"`
	Document  Document `json:"document"`
	Reference string   `json:"reference"`
	Note      string   `json:"note"`
}

// Clean puts a desk into its one form: each thing once and in the order of the form, texts in one line or several without signs that nobody sees. field is the first thing that the form does not have.
func (d Desk) Clean() (out Desk, field string) {
	ok := true
	keep := func(name string, good bool) {
		if ok && !good {
			ok, field = false, name
		}
	}
	var good bool
	out.Items, good = only(Items, d.Items)
	keep("items", good)
	out.Issue, good = only(Issues, d.Issue)
	keep("issue", good)
	out.Checks, good = only(Checks, d.Checks)
	keep("checks", good)
	out.Document = d.Document
	keep("document", d.Document == "" || slices.Contains(Documents, d.Document))
	out.Reference, out.Note = strings.ReplaceAll(Text(d.Reference), "\n", " "), Text(d.Note)
	keep("reference", utf8.RuneCountInString(out.Reference) <= ReferenceLength)
	keep("note", utf8.RuneCountInString(out.Note) <= NoteLength)
	return out, field
}

// only gives the chosen of all, each once, in the order of all; ok is false where one is not among them.
func only[T ~string](all, chosen []T) (out []T, ok bool) {
	out = []T{}
	for _, x := range all {
		if slices.Contains(chosen, x) {
			out = append(out, x)
		}
	}
	return out, !slices.ContainsFunc(chosen, func(x T) bool { return !slices.Contains(all, x) })
}

// Text reads what somebody at a desk has written: lines of plain text.
func Text(s string) string {
	if len(s) > 16*NoteLength || !utf8.ValidString(s) {
		return strings.Repeat("?", NoteLength+1) // longer than anything may be
	}
	lines := strings.Split(strings.ReplaceAll(norm.NFC.String(s), "\r\n", "\n"), "\n")
	for i, l := range lines {
		lines[i] = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
			if r == '\t' {
				return ' '
			}
			if unicode.Is(unicode.C, r) {
				return -1
			}
			return r
		}, l)), " ")
	}
	return strings.Trim(strings.Join(lines, "\n"), "\n")
}

// Missing is the first thing without which a desk cannot be sent to the checker; empty where there is none. What is shut opens only with a document whose reference is written down.
func (d Desk) Missing() string {
	switch {
	case len(d.Items) == 0:
		return "items"
	case slices.Contains(d.Issue, IssueLogin) && !slices.Contains(d.Items, LoginPassword), slices.Contains(d.Issue, IssueConfirm) && !slices.Contains(d.Items, ConfirmPassword):
		return "issue"
	case d.Opens() && (!slices.Contains(d.Checks, CheckDocument) || d.Document == ""):
		return "document"
	case d.Opens() && d.Reference == "":
		return "reference"
	case len(d.Checks) == 0:
		return "checks"
	case slices.Contains(d.Items, Other) && d.Note == "":
		return "note"
	}
	return ""
}

// Opens says whether anything is released or handed over at all: all but the last choice of the form, which is a note to the bank.
func (d Desk) Opens() bool {
	return len(d.Issue) > 0 || slices.ContainsFunc(d.Items, func(i Item) bool { return i != Other })
}

// Sent is the whole of what a maker sends and a checker grants: everything that decides.
type Sent struct {
	ID       string   `json:"id"`
	Version  int64    `json:"version"`
	Customer string   `json:"customer"`
	Origin   Origin   `json:"origin"`
	Asked    []Item   `json:"asked"`
	Reason   Reason   `json:"reason"`
	Maker    string   `json:"maker"`
	Scans    []string `json:"scans"` // hashes
	Desk     Desk     `json:"desk"`
}

// Hash is the hash of a request as it was sent. Encoding it cannot fail and has one form: fields in their order, lists as Clean leaves them.
func (s Sent) Hash() []byte {
	b, err := json.Marshal(s)
	if err != nil {
		panic("release: " + err.Error())
	}
	sum := sha256.Sum256(append([]byte("inkan/case/v1|"), b...))
	return sum[:]
}

// ScanKind is the media type of a scanned paper, by its first bytes and by nothing that anybody says of it; empty where it is none that is taken.
func ScanKind(b []byte) string {
	switch {
	case len(b) > 8 && string(b[:5]) == "%PDF-":
		return "application/pdf"
	case len(b) > 8 && string(b[:8]) == "\x89PNG\r\n\x1a\n":
		return "image/png"
	case len(b) > 8 && string(b[:3]) == "\xff\xd8\xff":
		return "image/jpeg"
	}
	return ""
}
