package transaction

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/signing"
)

// ErrDocument says that bytes are not a document that may be shown.
var ErrDocument = errors.New("transaction: not a document")

// maxDocument is the longest document, in bytes.
const maxDocument = 4 << 10

// nameForm is the form of a field's name that is repeated to whoever sent it.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Field is one line of what the bank wants confirmed.
type Field struct{ ID, Value string }

// Document is what a customer is asked to confirm. Its bytes are made once; afterwards everybody hashes and verifies those.
type Document struct {
	ID, Issuer, Audience, Customer string
	Nonce                          [16]byte
	Template, TemplateVersion      string
	Bundle                         string // hash of the templates that it is shown by
	Currency                       string
	Fields                         []Field
	Issued, Expires                time.Time

	Hash string // of the bytes
}

// FieldError says which field is not as its template wants it.
type FieldError struct {
	Field  string
	Reason string // missing, unknown or form
}

// Error names the field; its value stays out of logs.
func (e *FieldError) Error() string { return "transaction: field " + e.Field + ": " + e.Reason }

// Arrange puts the fields that the bank sent into the template's order and into their one form. What is missing, unknown or not of its form is refused with a FieldError.
func (b *Bundle) Arrange(t Template, given map[string]string) ([]Field, error) {
	var out []Field
	for _, id := range t.Fields {
		v, ok := given[id]
		if !ok {
			if !slices.Contains(t.Optional, id) {
				return nil, &FieldError{id, "missing"}
			}
			continue
		}
		f := b.fields[id]
		v = Normal(f.format, v)
		if f.format.check(v, b.choices[id]) != nil {
			return nil, &FieldError{id, "form"}
		}
		out = append(out, Field{id, v})
	}
	for _, id := range slices.Sorted(maps.Keys(given)) {
		if !slices.Contains(t.Fields, id) {
			return nil, &FieldError{nameable(id), "unknown"}
		}
	}
	return out, nil
}

// nameable is a name that the bank sent, where it looks like a field's at all, and "fields" otherwise: it goes into the answer and into the trail, which must not hold
// whatever somebody sends, however long.
func nameable(id string) string {
	if nameForm.MatchString(id) {
		return id
	}
	return "fields"
}

func fieldList(fields []Field) []any {
	list := make([]any, len(fields))
	for i, f := range fields {
		list[i] = signing.Object{"id": f.ID, "value": f.Value}
	}
	return list
}

// currency says whether a text can be a currency's code (ISO 4217).
func currency(s string) bool {
	return len(s) == 3 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// Bytes makes the document's canonical bytes, once.
func (d Document) Bytes() ([]byte, error) {
	b, err := signing.Canonical(signing.Object{"v": "1", "id": d.ID, "issuer": d.Issuer, "audience": d.Audience, "customer": d.Customer,
		"nonce": base64.RawURLEncoding.EncodeToString(d.Nonce[:]), "template": d.Template, "template_version": d.TemplateVersion, "templates": d.Bundle, "currency": d.Currency,
		"fields": fieldList(d.Fields), "issued": stamp(d.Issued), "expires": stamp(d.Expires)})
	if err == nil && len(b) > maxDocument {
		err = fmt.Errorf("%w: longer than %d bytes", ErrDocument, maxDocument)
	}
	return b, err
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// ParseDocument reads a document's bytes. It checks the form, and with the bundle, where one is given, that every field is one that the template has.
func ParseDocument(payload []byte, b *Bundle) (Document, error) {
	if len(payload) > maxDocument {
		return Document{}, ErrDocument
	}
	o, err := signing.ParseCanonical(payload)
	if err != nil {
		return Document{}, err
	}
	f, err := o.Fields("v", "id", "issuer", "audience", "customer", "nonce", "template", "template_version", "templates", "currency", "fields[]", "issued", "expires")
	if err != nil {
		return Document{}, err
	}
	d := Document{ID: f["id"], Issuer: f["issuer"], Audience: f["audience"], Customer: f["customer"], Template: f["template"], TemplateVersion: f["template_version"],
		Bundle: f["templates"], Currency: f["currency"], Hash: signing.Hash(payload)}
	nonce, errN := signing.FromBase64(f["nonce"])
	issued, errI := parseTime(f["issued"])
	expires, errE := parseTime(f["expires"])
	if f["v"] != "1" || ident.Check(ident.Transaction, d.ID) != nil || errN != nil || len(nonce) != 16 || errI != nil || errE != nil || !expires.After(issued) || !currency(d.Currency) {
		return Document{}, ErrDocument
	}
	d.Nonce, d.Issued, d.Expires = [16]byte(nonce), issued, expires
	if d.Fields, err = readFields(o["fields"]); err != nil {
		return Document{}, err
	}
	if b == nil {
		return d, nil
	}
	return d, b.fits(d)
}

func readFields(v any) ([]Field, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, ErrDocument
	}
	var out []Field
	for _, x := range list {
		m, ok := x.(signing.Object)
		if !ok {
			return nil, ErrDocument
		}
		f, err := m.Fields("id", "value")
		if err != nil {
			return nil, err
		}
		out = append(out, Field{f["id"], f["value"]})
	}
	return out, nil
}

// fits says whether a document has exactly the fields of its template, in its order and of their form, and no other.
func (b *Bundle) fits(d Document) error {
	t, ok := b.templates[d.Template]
	if !ok || t.Version != d.TemplateVersion || d.Bundle != b.Hash || d.Issuer != b.Issuer {
		return fmt.Errorf("%w: another bundle of templates", ErrDocument)
	}
	at := 0
	for _, id := range t.Fields {
		if at < len(d.Fields) && d.Fields[at].ID == id {
			if b.fields[id].format.check(d.Fields[at].Value, b.choices[id]) != nil {
				return &FieldError{id, "form"}
			}
			at++
		} else if !slices.Contains(t.Optional, id) {
			return &FieldError{id, "missing"}
		}
	}
	if at != len(d.Fields) {
		return &FieldError{d.Fields[at].ID, "unknown"}
	}
	return nil
}

// Languages are those that a transaction can be shown in.
var Languages = []string{"ja", "en"}

// Line is one line of a rendering, for a screen that sets labels and values apart.
type Line struct{ Field, Label, Value string }

// Lines are the title, the fields and the reference as they are shown. The document must fit the bundle.
func (b *Bundle) Lines(d Document, language string) (title string, lines []Line, reference string) {
	for _, f := range d.Fields {
		known := b.fields[f.ID]
		lines = append(lines, Line{f.ID, known.label.in(language), known.format.show(f.Value, d.Currency, language, b.choices[f.ID])})
	}
	reference = "Reference: "
	if language == "ja" {
		reference = "照合番号: "
	}
	return b.templates[d.Template].title.in(language), lines, reference + Reference(d.ID)
}

// Render is the one text that a document is shown as (docs/protocol.md, The rendering).
func (b *Bundle) Render(d Document, language string) string {
	title, lines, reference := b.Lines(d, language)
	var s strings.Builder
	s.WriteString(title)
	for _, l := range lines {
		s.WriteString("\n" + l.Label + ": " + l.Value)
	}
	s.WriteString("\n" + reference)
	return s.String()
}

// Order is what the bank orders: what the executor must present again to be given a permit.
type Order struct {
	Template, Currency string
	Fields             []Field
}

// Differs names the first field in which two orders differ, "template" or "currency" where those do, and is empty where they are the same.
func (o Order) Differs(from Order) string {
	switch {
	case o.Template != from.Template:
		return "template"
	case o.Currency != from.Currency:
		return "currency"
	}
	for i, f := range o.Fields {
		if i >= len(from.Fields) || from.Fields[i] != f {
			return f.ID
		}
	}
	if len(from.Fields) > len(o.Fields) {
		return from.Fields[len(o.Fields)].ID
	}
	return ""
}

// Sum is the hash of the document's bytes: the question of the offline code.
func (d Document) Sum() [32]byte {
	b, _ := base64.RawURLEncoding.DecodeString(d.Hash) // written by ParseDocument
	var sum [32]byte
	copy(sum[:], b)
	return sum
}
