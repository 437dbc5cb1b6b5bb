// Package signing is the forms that are signed and how signatures over them are made and checked: canonical JSON, envelopes (JWS),
// keys (JWK), and the registration of a token. docs/protocol.md says the same in words; testdata/vectors in numbers.
package signing

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Limits of canonical JSON.
const (
	maxDepth = 8
	maxBytes = 16 << 10
)

// ErrCanonical says that bytes are not canonical JSON of our profile, or that a value cannot be written as such.
var ErrCanonical = errors.New("signing: not canonical")

// Object is a canonical object: its values are string, bool, Object or []any of these.
type Object map[string]any

// Canonical writes an object in its one form: RFC 8785 restricted to objects, arrays, strings, true and false.
func Canonical(o Object) ([]byte, error) {
	var b strings.Builder
	if err := write(&b, o, 0); err != nil {
		return nil, err
	}
	if b.Len() > maxBytes {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrCanonical, maxBytes)
	}
	return []byte(b.String()), nil
}

func write(b *strings.Builder, v any, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%w: deeper than %d", ErrCanonical, maxDepth)
	}
	switch v := v.(type) {
	case string:
		return writeString(b, v)
	case bool:
		fmt.Fprintf(b, "%t", v)
	case map[string]any:
		return write(b, Object(v), depth)
	case Object:
		names := make([]string, 0, len(v))
		for n := range v {
			if !validName(n) {
				return fmt.Errorf("%w: member name %q", ErrCanonical, n)
			}
			names = append(names, n)
		}
		slices.Sort(names) // ASCII only, so bytes sort as UTF-16 does
		b.WriteByte('{')
		for i, n := range names {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(`"` + n + `":`)
			if err := write(b, v[n], depth+1); err != nil {
				return err
			}
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, x := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := write(b, x, depth+1); err != nil {
				return err
			}
		}
		b.WriteByte(']')
	default:
		return fmt.Errorf("%w: a value of type %T", ErrCanonical, v)
	}
	return nil
}

func writeString(b *strings.Builder, s string) error {
	if err := checkText(s); err != nil {
		return err
	}
	b.WriteByte('"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	b.WriteByte('"')
	return nil
}

// checkText holds the rules for text: valid UTF-8, NFC, nothing that hides or turns around what is shown.
func checkText(s string) error {
	if !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7e }) { // plain ASCII, as nearly all is
		return nil
	}
	if !utf8.ValidString(s) || !norm.NFC.IsNormalString(s) {
		return fmt.Errorf("%w: text is not NFC", ErrCanonical)
	}
	for _, r := range s {
		switch {
		case r < 0x20, r >= 0x7f && r <= 0x9f, r == 0x061c, r == 0x200e, r == 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x2028, r == 0x2029:
			return fmt.Errorf("%w: text has the control character U+%04X", ErrCanonical, r)
		}
	}
	return nil
}

func validName(n string) bool {
	for i := range len(n) {
		c := n[i]
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '.') {
			return false
		}
	}
	return n != ""
}

// ParseCanonical reads exactly the canonical bytes of an object; anything else, white space included, is ErrCanonical.
func ParseCanonical(b []byte) (Object, error) {
	if len(b) > maxBytes {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrCanonical, maxBytes)
	}
	p := parser{s: string(b)}
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	o, ok := v.(Object)
	if !ok || p.at != len(p.s) {
		return nil, fmt.Errorf("%w: not one object", ErrCanonical)
	}
	return o, nil
}

type parser struct {
	s  string
	at int
}

func (p *parser) take(c byte) bool {
	if p.at < len(p.s) && p.s[p.at] == c {
		p.at++
		return true
	}
	return false
}

func (p *parser) fail() error { return fmt.Errorf("%w: at byte %d", ErrCanonical, p.at) }

func (p *parser) value(depth int) (any, error) {
	if depth > maxDepth {
		return nil, p.fail()
	}
	switch {
	case strings.HasPrefix(p.s[p.at:], "true"):
		p.at += 4
		return true, nil
	case strings.HasPrefix(p.s[p.at:], "false"):
		p.at += 5
		return false, nil
	case p.take('{'):
		return p.object(depth)
	case p.take('['):
		out := []any{}
		if p.take(']') {
			return out, nil
		}
		for {
			v, err := p.value(depth + 1)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
			if p.take(']') {
				return out, nil
			}
			if !p.take(',') {
				return nil, p.fail()
			}
		}
	}
	return p.text()
}

func (p *parser) object(depth int) (any, error) {
	out := Object{}
	if p.take('}') {
		return out, nil
	}
	last := ""
	for {
		name, err := p.text()
		if err != nil {
			return nil, err
		}
		if !validName(name) || name <= last || !p.take(':') { // strictly rising: sorted, and each once
			return nil, p.fail()
		}
		last = name
		if out[name], err = p.value(depth + 1); err != nil {
			return nil, err
		}
		if p.take('}') {
			return out, nil
		}
		if !p.take(',') {
			return nil, p.fail()
		}
	}
}

func (p *parser) text() (string, error) {
	if !p.take('"') {
		return "", p.fail()
	}
	if end := strings.IndexAny(p.s[p.at:], `"\`); end >= 0 && p.s[p.at+end] == '"' { // nothing in it is escaped
		s := p.s[p.at : p.at+end]
		p.at += end + 1
		return s, checkText(s)
	}
	var b strings.Builder
	for p.at < len(p.s) {
		c := p.s[p.at]
		p.at++
		switch c {
		case '"':
			return b.String(), checkText(b.String())
		case '\\':
			if p.at >= len(p.s) || p.s[p.at] != '"' && p.s[p.at] != '\\' {
				return "", p.fail()
			}
			c = p.s[p.at]
			p.at++
		}
		b.WriteByte(c)
	}
	return "", p.fail()
}

// Fields reads an object that must have exactly these members, and gives those that are texts. A name that ends in {} is of a member that must be an
// object, one that ends in [] of a list. It is how every signed object refuses what it does not know: a member of another type must not pass for an
// empty text, or one meaning would have several forms.
func (o Object) Fields(names ...string) (map[string]string, error) {
	if len(o) != len(names) {
		return nil, fmt.Errorf("%w: %d members, want %d", ErrCanonical, len(o), len(names))
	}
	out := make(map[string]string, len(names))
	for _, name := range names {
		n := strings.TrimRight(name, "{}[]")
		v, ok := o[n]
		if !ok {
			return nil, fmt.Errorf("%w: member %q is missing", ErrCanonical, n)
		}
		switch name[len(n):] {
		case "{}":
			_, ok = v.(Object)
		case "[]":
			_, ok = v.([]any)
		default:
			out[n], ok = v.(string)
		}
		if !ok {
			return nil, fmt.Errorf("%w: member %q is of another type", ErrCanonical, n)
		}
	}
	return out, nil
}

// Sub gives a member that must be an object.
func (o Object) Sub(name string) (Object, error) {
	if v, ok := o[name].(Object); ok {
		return v, nil
	}
	return nil, fmt.Errorf("%w: member %q is not an object", ErrCanonical, name)
}
