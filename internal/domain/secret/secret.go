// Package secret holds bytes that must not be seen: they cannot be printed, marshalled or compared with ==.
package secret

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
)

// hidden is what every way of printing a secret gives.
const hidden = "[secret]"

// Bytes is a secret. The zero value is empty. It is not comparable, so that == cannot leak by time.
type Bytes struct {
	_ [0]func()
	b []byte
}

// Of wraps b without copying; the caller gives it away.
func Of(b []byte) Bytes { return Bytes{b: b} }

// Text wraps a secret that arrived as text, such as a password.
func Text(s string) Bytes { return Bytes{b: []byte(s)} }

// Reveal gives the bytes to the one place that must compute with them.
func (s Bytes) Reveal() []byte { return s.b }

// Len is the number of bytes.
func (s Bytes) Len() int { return len(s.b) }

// Equal compares in time that depends on the length alone.
func (s Bytes) Equal(other Bytes) bool { return subtle.ConstantTimeCompare(s.b, other.b) == 1 }

// Format makes every verb of fmt print the same word.
func (s Bytes) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// LogValue keeps the secret out of structured logs.
func (s Bytes) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText refuses, so that no encoder can carry a secret away.
func (s Bytes) MarshalText() ([]byte, error) {
	return nil, errors.New("secret: a secret is not marshalled")
}
