package audit

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/inkan-auth/inkan/internal/domain/signing"
)

// TypExport is the type of the signed header of an export of the trail.
const TypExport = "inkan-trail-export+jws"

// typeOfExport is the first line's word for what the file is.
const typeOfExport = "inkan-trail-export"

// ExportRows is how many entries one export holds at the most.
const ExportRows = 50_000

// maxExport is the longest export that is read, in bytes.
const maxExport = 256 << 20

// Filter says which entries a search, or an export, is about. What is empty is not asked for.
type Filter struct {
	Customer string  `json:"customer,omitempty"`
	Staff    string  `json:"staff,omitempty"` // a member of staff who acted
	Action   Action  `json:"action,omitempty"`
	Outcome  Outcome `json:"outcome,omitempty"`
	// From and Until bound the moments of the identifiers: from this one on, and before that one.
	From  time.Time `json:"from,omitzero"`
	Until time.Time `json:"until,omitzero"`
}

// Kinds names what a filter asks for, without saying for whom.
func (f Filter) Kinds() string {
	var out []string
	for _, k := range []struct {
		name  string
		asked bool
	}{{"customer", f.Customer != ""}, {"staff", f.Staff != ""}, {"action", f.Action != ""}, {"outcome", f.Outcome != ""}, {"time", !f.From.IsZero() || !f.Until.IsZero()}} {
		if k.asked {
			out = append(out, k.name)
		}
	}
	return strings.Join(out, " ")
}

// Fits says whether an entry is one that the filter asks for. Its moment is looked at to the millisecond, which is what identifiers know.
func (f Filter) Fits(e Entry) bool {
	at := e.At.Truncate(time.Millisecond)
	return (f.Customer == "" || e.Customer == f.Customer) && (f.Staff == "" || e.Actor.Kind == Staff && e.Actor.ID == f.Staff) && (f.Action == "" || e.Action == f.Action) &&
		(f.Outcome == "" || e.Outcome == f.Outcome) && (f.From.IsZero() || !at.Before(f.From.Truncate(time.Millisecond))) && (f.Until.IsZero() || at.Before(f.Until))
}

func (f Filter) object() signing.Object {
	o := signing.Object{}
	for name, v := range map[string]string{"customer": f.Customer, "staff": f.Staff, "action": string(f.Action), "outcome": string(f.Outcome), "from": exportStamp(f.From), "until": exportStamp(f.Until)} {
		if v != "" {
			o[name] = v
		}
	}
	return o
}

// Export is a part of the trail as a file that nobody can add to, take from or change without being found out (docs/protocol.md, Export of the trail).
type Export struct {
	Issuer    string
	Made      time.Time
	By        string // the member who took it
	CheckedBy string // the second person; empty where none was needed
	Filter    Filter
	Entries   []Entry // the newest first
}

// exportTime is how a moment is written in an export: as exactly as it is kept.
const exportTime = "2006-01-02T15:04:05.000000Z"

func exportStamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(exportTime)
}

func readExportStamp(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	return time.Parse(exportTime, s)
}

// exportText is a text in the one form that can be signed. What nobody could have typed at our doors becomes a mark, so that no entry keeps a whole file from being made.
func exportText(s string) string {
	s = norm.NFC.String(strings.ToValidUTF8(s, "\ufffd"))
	if _, err := signing.Canonical(signing.Object{"s": s}); err == nil {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if _, err := signing.Canonical(signing.Object{"s": string(r)}); err != nil {
			r = '\ufffd'
		}
		b.WriteRune(r)
		if b.Len() > 4<<10 {
			break
		}
	}
	return norm.NFC.String(b.String())
}

// line is an entry in its one form.
func (e Entry) line() ([]byte, error) {
	detail := signing.Object{}
	for k, v := range e.Detail {
		detail[strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' || r == '.' {
				return r
			}
			return '_'
		}, "d."+k)[2:]] = exportText(v)
	}
	delete(detail, "")
	return signing.Canonical(signing.Object{"id": e.ID, "at": exportStamp(e.At), "actor_kind": string(e.Actor.Kind), "actor": exportText(e.Actor.ID), "device": exportText(e.Actor.Device), "source": exportText(e.Actor.Source),
		"action": string(e.Action), "customer": e.Customer, "object": exportText(e.Object), "outcome": string(e.Outcome), "reason": e.Reason, "detail": detail})
}

// readLine reads an entry of an export.
func readLine(b []byte) (e Entry, err error) {
	o, err := signing.ParseCanonical(b)
	if err != nil {
		return e, err
	}
	f, err := o.Fields("id", "at", "actor_kind", "actor", "device", "source", "action", "customer", "object", "outcome", "reason", "detail{}")
	if err != nil {
		return e, err
	}
	e = Entry{ID: f["id"], Actor: Actor{Kind: ActorKind(f["actor_kind"]), ID: f["actor"], Device: f["device"], Source: f["source"]}, Action: Action(f["action"]), Customer: f["customer"], Object: f["object"],
		Outcome: Outcome(f["outcome"]), Reason: f["reason"], Detail: map[string]string{}}
	for k, v := range o["detail"].(signing.Object) {
		e.Detail[k], _ = v.(string)
	}
	e.At, err = readExportStamp(f["at"])
	return e, err
}

// Write makes the file: a header, a line for each entry, and a line with the signature over the header, which holds the hash of all lines between.
func (x Export) Write(kid, issuerWord string, sign signing.Signer) ([]byte, error) {
	var body bytes.Buffer
	for _, e := range x.Entries {
		line, err := e.line()
		if err != nil {
			return nil, fmt.Errorf("exporting %s: %w", e.ID, err)
		}
		body.Write(append(line, '\n'))
	}
	first, last := "", ""
	if n := len(x.Entries); n > 0 {
		first, last = x.Entries[0].ID, x.Entries[n-1].ID
	}
	header, err := signing.Canonical(signing.Object{"v": "1", "type": typeOfExport, "issuer": x.Issuer, "made": exportStamp(x.Made), "by": x.By, "checked_by": x.CheckedBy, "filter": x.Filter.object(),
		"count": strconv.Itoa(len(x.Entries)), "first": first, "last": last, "hash": signing.Hash(body.Bytes())})
	if err != nil {
		return nil, err
	}
	signature, err := signing.Seal(TypExport, kid, nil, header, sign)
	if err != nil {
		return nil, err
	}
	end, err := signing.Canonical(signing.Object{"issuer_key": issuerWord, "signature": signature})
	if err != nil {
		return nil, err
	}
	return bytes.Join([][]byte{header, append(body.Bytes(), end...), nil}, []byte("\n")), nil
}

// ErrExport says that a file is no export of the form of docs/protocol.md.
var ErrExport = errors.New("audit: not an export of the trail")

// Broken says why an export does not hold.
type Broken struct {
	Part string // header, issuer_key, signature, entries or entry
	Line int    // of the file, from 1; 0 where it is the whole
	Why  string
}

// Error names the part.
func (b *Broken) Error() string {
	if b.Line > 0 {
		return fmt.Sprintf("%s (line %d): %s", b.Part, b.Line, b.Why)
	}
	return b.Part + ": " + b.Why
}

// IsExport says whether a file begins as an export does.
func IsExport(file []byte) bool {
	head, _, _ := bytes.Cut(file, []byte("\n"))
	o, err := signing.ParseCanonical(head)
	return err == nil && o["type"] == typeOfExport
}

// ReadExport verifies an export: the issuer signed its header, and the entries are these, this many, in this order, from the first to the last that the header names, and all such as its filter asks for. rootExpected is the
// thumbprint of the issuer root, or empty to take the one that the file brings, which is given back. The error is a *Broken or ErrExport.
func ReadExport(file []byte, rootExpected string) (x Export, root string, err error) {
	broken := func(part string, line int, why string) (Export, string, error) {
		return x, root, &Broken{part, line, why}
	}
	if !IsExport(file) || len(file) > maxExport {
		return x, "", ErrExport
	}
	if !bytes.HasSuffix(file, []byte("\n")) {
		return broken("signature", 0, "the file is cut off")
	}
	lines := bytes.Split(file[:len(file)-1], []byte("\n"))
	if len(lines) < 2 {
		return broken("signature", 0, "the file is cut off")
	}
	header, _ := signing.ParseCanonical(lines[0]) // IsExport has read it
	f, err := header.Fields("v", "type", "issuer", "made", "by", "checked_by", "filter{}", "count", "first", "last", "hash")
	if err != nil || f["v"] != "1" {
		return broken("header", 1, "it is not of the form")
	}
	made, err := readExportStamp(f["made"])
	if err != nil {
		return broken("header", 1, "it is not of the form")
	}
	x = Export{Issuer: f["issuer"], Made: made, By: f["by"], CheckedBy: f["checked_by"]}
	if x.Filter, err = readFilter(header["filter"].(signing.Object)); err != nil {
		return broken("header", 1, "its filter is not of the form")
	}
	end, err := signing.ParseCanonical(lines[len(lines)-1])
	if err != nil {
		return broken("signature", len(lines), "the last line is no signature: something was cut off, or added")
	}
	s, err := end.Fields("issuer_key", "signature")
	if err != nil {
		return broken("signature", len(lines), "the last line is no signature: something was cut off, or added")
	}
	issuer, key, rootKey, err := signing.ParseIssuerKey(s["issuer_key"], made)
	if err != nil || issuer != x.Issuer {
		return broken("issuer_key", len(lines), "the root did not sign it, or not for this time or issuer")
	}
	root = rootKey.Thumbprint()
	if rootExpected != "" && root != rootExpected {
		return broken("issuer_key", len(lines), "it is signed by another root than the one expected")
	}
	envelope, err := signing.Parse(TypExport, s["signature"])
	if err != nil || envelope.Kid != key.Thumbprint() || envelope.Verify(key) != nil {
		return broken("signature", len(lines), "the issuer did not sign it")
	}
	if !bytes.Equal(envelope.Payload, lines[0]) {
		return broken("header", 1, "it is another one than was signed")
	}
	entries := lines[1 : len(lines)-1]
	before := ""
	for i, line := range entries {
		e, err := readLine(line)
		switch {
		case err != nil:
			return broken("entry", i+2, "it is not of the form")
		case before != "" && e.ID >= before:
			return broken("entry", i+2, "it does not follow the one before")
		case !x.Filter.Fits(e):
			return broken("entry", i+2, "it is not what the filter asks for")
		}
		before = e.ID
		x.Entries = append(x.Entries, e)
	}
	switch {
	case strconv.Itoa(len(entries)) != f["count"]:
		return broken("entries", 0, fmt.Sprintf("there are %d, and the header says %s", len(entries), f["count"]))
	case len(entries) > 0 && (x.Entries[0].ID != f["first"] || before != f["last"]) || len(entries) == 0 && f["first"]+f["last"] != "":
		return broken("entries", 0, "they do not begin and end where the header says")
	case signing.Hash(file[len(lines[0])+1:len(file)-1-len(lines[len(lines)-1])]) != f["hash"]:
		return broken("entries", 0, "one of them was changed")
	}
	return x, root, nil
}

func readFilter(o signing.Object) (f Filter, err error) {
	for k, v := range o {
		s, is := v.(string)
		if !is {
			return f, ErrExport
		}
		switch k {
		case "customer":
			f.Customer = s
		case "staff":
			f.Staff = s
		case "action":
			f.Action = Action(s)
		case "outcome":
			f.Outcome = Outcome(s)
		case "from":
			f.From, err = readExportStamp(s)
		case "until":
			f.Until, err = readExportStamp(s)
		default:
			return f, ErrExport
		}
		if err != nil {
			return f, err
		}
	}
	return f, nil
}

// Cell makes a text safe for a spreadsheet: what would be taken for a formula gets an apostrophe in front, and nothing of it breaks out of its cell.
func Cell(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || r == '\t' || r == 0 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
	if t := strings.TrimLeft(s, " \u3000\u00a0\ufeff"); t != "" && strings.ContainsRune("=+-@＝＋－＠\u2212|%", []rune(t)[0]) || t != s && t != "" {
		s = "'" + s
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}

// CSV writes entries for a spreadsheet. It proves nothing: what proves is the signed file.
func CSV(entries []Entry) []byte {
	var b bytes.Buffer
	b.WriteString("\ufeff")
	row := func(cells ...string) {
		for i, c := range cells {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(Cell(c))
		}
		b.WriteString("\r\n")
	}
	row("id", "at", "actor_kind", "actor", "action", "customer", "object", "outcome", "reason", "device", "source", "detail")
	for _, e := range entries {
		detail, _ := signing.Canonical(signing.Object{})
		if line, err := (Entry{Detail: e.Detail}).line(); err == nil {
			if o, err := signing.ParseCanonical(line); err == nil {
				detail, _ = signing.Canonical(o["detail"].(signing.Object))
			}
		}
		row(e.ID, exportStamp(e.At), string(e.Actor.Kind), e.Actor.ID, string(e.Action), e.Customer, e.Object, string(e.Outcome), e.Reason, e.Actor.Device, e.Actor.Source, string(detail))
	}
	return b.Bytes()
}
