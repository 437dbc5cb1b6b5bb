// Package password hashes passwords and says which new ones are taken.
//
// A stored password is a PHC string: argon2id over HMAC(pepper, password), so that a stolen table is worth nothing without the key file.
// Imported hashes of other systems (argon2id, bcrypt, both without the pepper) are accepted and replaced at the next right try.
package password

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/text/unicode/norm"
)

// Params are the costs of argon2id (RFC 9106): memory in KiB, passes, lanes.
type Params struct {
	Memory uint32
	Passes uint32
	Lanes  uint8
}

// Default is OWASP's first choice: 19 MiB, 2 passes, 1 lane.
var Default = Params{Memory: 19 << 10, Passes: 2, Lanes: 1}

// Pepper is the keyed hash under the server's key that goes before argon2id; it never leaves the Keys seam.
type Pepper func(password []byte) []byte

var b64 = base64.RawStdEncoding.Strict()

// Hash makes the PHC string of a password. The name "inkan" in front says that a pepper lies under it.
func Hash(password []byte, salt [16]byte, p Params, pepper Pepper) string {
	key := argon2.IDKey(pepper(normal(password)), salt[:], p.Passes, p.Memory, p.Lanes, 32)
	return fmt.Sprintf("$inkan-argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", p.Memory, p.Passes, p.Lanes, b64.EncodeToString(salt[:]), b64.EncodeToString(key))
}

// ErrStored says that a stored hash cannot be read.
var ErrStored = errors.New("password: stored hash is not readable")

// Verify compares a password with a stored hash and says whether the hash is weaker than p and should be made anew.
func Verify(password []byte, stored string, p Params, pepper Pepper) (ok, weak bool, err error) {
	if strings.HasPrefix(stored, "$2") {
		err := bcrypt.CompareHashAndPassword([]byte(stored), password)
		if err != nil && !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
			return false, false, ErrStored
		}
		return err == nil, true, nil
	}
	name, q, salt, want, err := parse(stored)
	if err != nil {
		return false, false, err
	}
	in := password
	switch name {
	case "inkan-argon2id":
		in = pepper(normal(password))
		weak = q.Memory < p.Memory || q.Passes < p.Passes
	case "argon2id":
		weak = true
	default:
		return false, false, ErrStored
	}
	got := argon2.IDKey(in, salt, q.Passes, q.Memory, q.Lanes, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1, weak, nil
}

// parse reads a PHC string of argon2id, its own or another system's, within costs that one login may take.
func parse(stored string) (name string, q Params, salt, want []byte, err error) {
	part := strings.Split(stored, "$")
	if len(part) != 6 || part[0] != "" || part[2] != "v=19" {
		return "", q, nil, nil, ErrStored
	}
	if _, err := fmt.Sscanf(part[3], "m=%d,t=%d,p=%d", &q.Memory, &q.Passes, &q.Lanes); err != nil || q.Memory > 256<<10 || q.Passes > 16 || q.Passes == 0 || q.Lanes == 0 {
		return "", q, nil, nil, ErrStored
	}
	salt, errS := b64.DecodeString(part[4])
	want, errW := b64.DecodeString(part[5])
	if errS != nil || errW != nil || len(salt) < 8 || len(want) < 16 || len(want) > 128 {
		return "", q, nil, nil, ErrStored
	}
	return part[1], q, salt, want, nil
}

// CheckImported says whether a hash of another system could be verified: Argon2id or bcrypt, within costs that one login may take.
func CheckImported(stored string) error {
	if strings.HasPrefix(stored, "$2") {
		if cost, err := bcrypt.Cost([]byte(stored)); err != nil || cost > 14 || len(stored) != 60 {
			return ErrStored
		}
		return nil
	}
	if name, _, _, _, err := parse(stored); err != nil || name != "argon2id" {
		return ErrStored
	}
	return nil
}

// normal makes one password of its spellings: NFKC, so that a full-width keyboard gives the same bytes.
func normal(p []byte) []byte { return norm.NFKC.Bytes(p) }

// Reasons why a new password is not taken; they are values of the refusal password-weak.
const (
	Short   = "short"
	Long    = "long"
	Listed  = "listed"
	Similar = "similar"
	Same    = "same"
)

// MaxLength bounds a password in characters.
const MaxLength = 128

// Judge says why a new password is not taken, or "". There are no rules of composition: only length, the list of leaked ones, and
// likeness to what others know of the customer.
func Judge(password string, floor int, listed func(string) bool, known ...string) string {
	n := utf8.RuneCountInString(password)
	folded := strings.ToLower(norm.NFKC.String(password))
	switch {
	case n < floor:
		return Short
	case n > MaxLength || !utf8.ValidString(password):
		return Long
	case repetitive(folded) || listed(folded):
		return Listed
	}
	for _, k := range known {
		k = strings.ToLower(norm.NFKC.String(k))
		if len(k) >= 4 && (strings.Contains(folded, k) || strings.Contains(k, folded)) {
			return Similar
		}
	}
	return ""
}

// repetitive finds what no list needs to hold: one character, a run such as 12345678, or a short piece over and over.
func repetitive(s string) bool {
	r := []rune(s)
	for size := 1; size <= len(r)/2 && size <= 4; size++ {
		same := true
		for i := size; i < len(r) && same; i++ {
			same = r[i] == r[i-size]
		}
		if same {
			return true
		}
	}
	up, down := true, true
	for i := 1; i < len(r); i++ {
		up = up && r[i] == r[i-1]+1
		down = down && r[i] == r[i-1]-1
	}
	return up || down
}
