package transaction

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/inkan-auth/inkan/internal/domain/signing"
)

// ErrTemplates says that a bundle of templates is not of the form that docs/protocol.md gives.
var ErrTemplates = errors.New("transaction: templates")

// Verification says how the customer must have shown herself to her phone before it signs.
type Verification string

// The kinds of verification.
const (
	NoVerification Verification = "none"
	ByPIN          Verification = "pin"
	ByWebAuthn     Verification = "webauthn"
)

var verifications = []Verification{NoVerification, ByPIN, ByWebAuthn} // the weakest first

// Covers says whether a customer who has shown herself so has done what was demanded.
func (v Verification) Covers(demanded Verification) bool {
	return slices.Index(verifications, v) >= slices.Index(verifications, demanded)
}

// label is a text in both languages.
type label struct{ ja, en string }

func (l label) in(language string) string {
	if language == "ja" {
		return l.ja
	}
	return l.en
}

type field struct {
	format Format
	label  label
}

// Template says of which fields a kind of transaction consists.
type Template struct {
	Name, Version    string
	Fields, Optional []string // of Fields, those that may be missing
	Verification     Verification

	title, caution label
}

// Bundle is a version of all templates, as the issuer root has signed it.
type Bundle struct {
	Issuer, Version string
	Hash            string // of the payload: what documents and decisions name it by
	Envelope        string

	fields    map[string]field
	choices   map[string]map[string]label
	templates map[string]Template
}

// Template finds a template by its name.
func (b *Bundle) Template(name string) (Template, bool) {
	t, ok := b.templates[name]
	return t, ok
}

// MakeTemplates makes the payload of a bundle for an issuer out of a file in the form of docs/protocol.md without the members v and issuer, and checks it.
func MakeTemplates(issuer string, file []byte) ([]byte, error) {
	var o map[string]any
	err := json.Unmarshal(file, &o)
	if err == nil && o == nil { // null is JSON, and no map
		err = errors.New("not an object")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTemplates, err)
	}
	o["v"], o["issuer"] = "1", issuer
	payload, err := signing.Canonical(signing.Object(o))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTemplates, err)
	}
	_, err = readTemplates(payload)
	return payload, err
}

// ParseTemplates reads a bundle that the root with this thumbprint has signed.
func ParseTemplates(envelope, root string) (*Bundle, error) {
	e, err := signing.Parse(signing.TypTemplates, envelope)
	if err != nil || e.Key == nil || e.Key.Thumbprint() != root {
		return nil, signing.ErrSignature
	}
	if err := e.Verify(*e.Key); err != nil {
		return nil, err
	}
	b, err := readTemplates(e.Payload)
	if err != nil {
		return nil, err
	}
	b.Hash, b.Envelope = signing.Hash(e.Payload), envelope
	return b, nil
}

func readTemplates(payload []byte) (*Bundle, error) {
	o, err := signing.ParseCanonical(payload)
	if err != nil {
		return nil, err
	}
	f, err := o.Fields("v", "issuer", "version", "fields{}", "choices{}", "templates{}")
	if err != nil {
		return nil, err
	}
	b := &Bundle{Issuer: f["issuer"], Version: f["version"], fields: map[string]field{}, choices: map[string]map[string]label{}, templates: map[string]Template{}}
	if f["v"] != "1" || b.Issuer == "" || b.Version == "" {
		return nil, fmt.Errorf("%w: version", ErrTemplates)
	}
	err = members(o, "fields", func(name string, m signing.Object) error {
		f, err := m.Fields("format", "ja", "en")
		if err != nil {
			return err
		}
		b.fields[name] = field{Format(f["format"]), label{f["ja"], f["en"]}}
		if !slices.Contains(formats, Format(f["format"])) || !plain(f["ja"]) || !plain(f["en"]) {
			return fmt.Errorf("%w: field %s", ErrTemplates, name)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = members(o, "choices", func(name string, m signing.Object) error {
		b.choices[name] = map[string]label{}
		shown := labels{}
		return members(signing.Object{name: m}, name, func(value string, m signing.Object) error {
			f, err := m.Fields("ja", "en")
			if err != nil {
				return err
			}
			if !plain(f["ja"]) || !plain(f["en"]) || !shown.add(label{f["ja"], f["en"]}) {
				return fmt.Errorf("%w: choice %s of %s", ErrTemplates, value, name)
			}
			b.choices[name][value] = label{f["ja"], f["en"]}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return b, members(o, "templates", b.template)
}

func (b *Bundle) template(name string, m signing.Object) error {
	bad := func(what string) error { return fmt.Errorf("%w: %s of template %s", ErrTemplates, what, name) }
	f, err := m.Fields("version", "ja", "en", "caution_ja", "caution_en", "fields[]", "optional[]", "verification")
	if err != nil {
		return err
	}
	t := Template{Name: name, Version: f["version"], Verification: Verification(f["verification"]), title: label{f["ja"], f["en"]}, caution: label{f["caution_ja"], f["caution_en"]}}
	var okF, okO bool
	t.Fields, okF = names(m["fields"])
	t.Optional, okO = names(m["optional"])
	switch {
	case t.Version == "" || !plain(t.title.ja) || !plain(t.title.en):
		return bad("version or title")
	case !slices.Contains(verifications, t.Verification):
		return bad("verification")
	case !okF || len(t.Fields) == 0 || !okO:
		return bad("fields")
	}
	shown := labels{}
	for _, n := range t.Fields {
		known, ok := b.fields[n]
		if !ok || known.format == Choice && len(b.choices[n]) == 0 || !shown.add(known.label) {
			return bad("field " + n)
		}
	}
	for _, other := range b.templates {
		if other.title.ja == t.title.ja || other.title.en == t.title.en {
			return bad("title, which is another's,")
		}
	}
	for _, n := range t.Optional {
		if !slices.Contains(t.Fields, n) {
			return bad("optional field " + n)
		}
	}
	b.templates[name] = t
	return nil
}

// labels are those that are shown side by side. Two things under one label would be shown alike.
type labels map[string]bool

// add says whether a label is not there yet, in either language.
func (l labels) add(x label) bool {
	if l["ja "+x.ja] || l["en "+x.en] {
		return false
	}
	l["ja "+x.ja], l["en "+x.en] = true, true
	return true
}

// members reads an object of objects.
func members(o signing.Object, name string, read func(name string, m signing.Object) error) error {
	sub, err := o.Sub(name)
	if err != nil {
		return err
	}
	for n := range sub {
		m, err := sub.Sub(n)
		if err != nil {
			return err
		}
		if err := read(n, m); err != nil {
			return err
		}
	}
	return nil
}

// names reads a list of different names.
func names(v any) ([]string, bool) {
	list, ok := v.([]any)
	if !ok {
		return nil, false
	}
	var out []string
	for _, x := range list {
		s, ok := x.(string)
		if !ok || s == "" || slices.Contains(out, s) {
			return nil, false
		}
		out = append(out, s)
	}
	return out, true
}

// plain says whether a label can stand in a rendering: of the repertoire, so that it cannot write a line of its own.
func plain(s string) bool { return only(text, s) && !strings.Contains(s, ": ") }
