package main

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"
)

// wallet is the file: registered tokens and at most one registration under way.
type wallet struct {
	Tokens  []tokenEntry      `json:"tokens"`
	Pending *pending          `json:"pending,omitempty"`
	Roots   map[string]string `json:"roots"` // issuer → thumbprint of the root that was seen first

	path       string
	passphrase []byte
}

// tokenEntry is one registered token.
type tokenEntry struct {
	ID          string    `json:"id"`
	Issuer      string    `json:"issuer"`
	Bank        string    `json:"bank"`
	Account     string    `json:"account"`
	Expires     time.Time `json:"expires"`
	Digits      int       `json:"digits"`
	StepSeconds int       `json:"step_seconds"`
	OTPKey      []byte    `json:"otp_key"`
	OCRAKey     []byte    `json:"ocra_key"`
	SigningKey  []byte    `json:"signing_key"` // the private scalar
	Certificate string    `json:"certificate"`
	OffsetMS    int64     `json:"offset_ms"` // server time minus ours

	IssuerKey string   `json:"issuer_key,omitempty"` // and Templates: as last seen, for the time without a network
	Templates string   `json:"templates,omitempty"`
	Decisions uint64   `json:"decisions,omitempty"` // how many this token has signed
	Previous  string   `json:"previous,omitempty"`  // hash of the last one
	Unsent    []string `json:"unsent,omitempty"`    // signed, and not yet answered by the server

	State  string    `json:"state,omitempty"`  // as the server said last; empty before it was asked
	Ended  time.Time `json:"ended,omitzero"`   // since when it is over
	Moving bool      `json:"moving,omitempty"` // registered by the link of another device, whose approval is still to come

	Next *next `json:"next,omitempty"` // the keys that are to take the place of these, until the server's receipt
}

// over says whether the token's codes open nothing any more, for good.
func (t tokenEntry) over() bool { return t.State == "replaced" || t.State == "revoked" }

// standing says in words how a token stands.
func (t tokenEntry) standing() string {
	since, until := "", t.Expires.Format("2006-01-02")
	if !t.Ended.IsZero() {
		since = " since " + t.Ended.Local().Format("2006-01-02 15:04")
	}
	switch t.State {
	case "keyed":
		if t.Moving {
			return "registered here and not in use yet: the old device has to approve (inkan-token move)"
		}
		return "registered, and not in use yet: type its code at the bank to start its use"
	case "active":
		return "in use; its expiry date is " + until
	case "suspended":
		return "suspended: its codes open nothing until its use is started again at the bank"
	case "locked":
		return "locked after too many wrong codes: the bank can lift that"
	case "replaced":
		return "replaced by another token" + since + ": its codes open nothing any more; if that was not you, call the bank"
	case "revoked":
		return "no longer valid" + since + ": its codes open nothing any more; if you do not know why, call the bank"
	case "expired":
		return "past its expiry date, " + until + ": log in at the bank to have a number mailed, then inkan-token renew -number"
	}
	return t.State
}

func (t tokenEntry) offset() time.Duration { return time.Duration(t.OffsetMS) * time.Millisecond }

// pending is a registration that was sent and not answered yet. It is on disk before the first byte leaves.
type pending struct {
	Issuer       string `json:"issuer"`
	Root         string `json:"root"`
	SigningKey   []byte `json:"signing_key"`
	AgreementKey []byte `json:"agreement_key"`
	Registration string `json:"registration"`
	Asked        string `json:"asked"`          // what it was made from, so that the same command goes on with it
	Move         bool   `json:"move,omitempty"` // from another device that has to approve
}

// next is a renewal under way. It is on disk before the first byte leaves.
type next struct {
	ID           string        `json:"id"`
	Generation   int           `json:"generation"`
	SigningKey   []byte        `json:"signing_key"`
	AgreementKey []byte        `json:"agreement_key,omitempty"`
	Renewal      string        `json:"renewal"` // R1: the bytes that are sent until they are answered
	Answered     *answeredNext `json:"answered,omitempty"`
}

// answeredNext is what the answer to R1 gave, verified.
type answeredNext struct {
	Answer      string    `json:"answer"` // its hash
	Certificate string    `json:"certificate"`
	Expires     time.Time `json:"expires"`
	Digits      int       `json:"digits"`
	StepSeconds int       `json:"step_seconds"`
	OTPKey      []byte    `json:"otp_key"`
	OCRAKey     []byte    `json:"ocra_key"`
}

// sealedFile is the form on disk under a passphrase: Argon2id (RFC 9106, second choice) and AES-256-GCM.
type sealedFile struct {
	Argon2id struct {
		Salt    []byte `json:"salt"`
		Memory  uint32 `json:"memory_kib"`
		Passes  uint32 `json:"passes"`
		Threads uint8  `json:"threads"`
	} `json:"argon2id"`
	Nonce  []byte `json:"nonce"`
	Sealed []byte `json:"sealed"`
}

func openWallet(path, passphraseFile string) (*wallet, error) {
	w := &wallet{path: path, Roots: map[string]string{}}
	if passphraseFile != "" {
		b, err := os.ReadFile(passphraseFile) //nolint:gosec // the user names the file
		if err != nil {
			return nil, err
		}
		if w.passphrase = []byte(strings.TrimRight(string(b), "\r\n")); len(w.passphrase) == 0 {
			return nil, errors.New("the passphrase file is empty")
		}
	}
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return w, nil
	}
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others: chmod 600 %s", path, path)
	}
	b, err := os.ReadFile(path) //nolint:gosec // the user names the file
	if err != nil {
		return nil, err
	}
	var s sealedFile
	if json.Unmarshal(b, &s) == nil && len(s.Sealed) > 0 {
		if len(w.passphrase) == 0 {
			return nil, errors.New("the file is encrypted: give -passphrase-file")
		}
		a, err := aead(w.passphrase, s)
		if err != nil {
			return nil, err
		}
		if b, err = a.Open(nil, s.Nonce, s.Sealed, nil); err != nil {
			return nil, errors.New("the passphrase does not open the file")
		}
	}
	if err := json.Unmarshal(b, w); err != nil {
		return nil, fmt.Errorf("%s is not a token file", path)
	}
	return w, nil
}

// save writes the file whole beside the old one and puts it in its place, so that a crash leaves one or the other.
func (w *wallet) save() error {
	b, err := json.MarshalIndent(w, "", " ")
	if err != nil {
		return err
	}
	if len(w.passphrase) > 0 {
		var s sealedFile
		s.Argon2id.Salt, s.Nonce = make([]byte, 16), make([]byte, 12)
		s.Argon2id.Memory, s.Argon2id.Passes, s.Argon2id.Threads = 64<<10, 3, 4
		_, _ = rand.Read(s.Argon2id.Salt) // never fails
		_, _ = rand.Read(s.Nonce)
		a, err := aead(w.passphrase, s)
		if err != nil {
			return err
		}
		s.Sealed = a.Seal(nil, s.Nonce, b, nil)
		if b, err = json.Marshal(s); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Dir(w.path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(w.path), ".tokens-*") // 0600 from the start
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return os.Rename(f.Name(), w.path)
}

func aead(passphrase []byte, s sealedFile) (cipher.AEAD, error) {
	p := s.Argon2id
	if p.Memory > 1<<20 || p.Passes > 16 || p.Passes == 0 || p.Threads == 0 || len(s.Nonce) != 12 {
		return nil, errors.New("the file is damaged")
	}
	block, err := aes.NewCipher(argon2.IDKey(passphrase, p.Salt, p.Passes, p.Memory, p.Threads, 32))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
