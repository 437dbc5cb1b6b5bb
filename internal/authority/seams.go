package authority

import (
	"context"
	"errors"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/signing"
)

// Keys is where keys live: a file, a KMS, an HSM. Errors close the door; nothing falls back.
type Keys interface {
	// Seal encrypts for storage, bound to a purpose and to a place such as "token.otp_key|tok_…|cus_…". Open undoes it in the same place only.
	Seal(purpose, place string, plain []byte) ([]byte, error)
	Open(purpose, place string, sealed []byte) ([]byte, error)
	// MAC is a keyed hash for what is looked up or compared but must not be searchable in a stolen table.
	MAC(purpose string, data []byte) []byte
	// Issuer describes the issuer key; SignIssuer signs a SHA-256 digest with it (64 bytes, r and s).
	Issuer() Issuer
	SignIssuer(digest []byte) ([]byte, error)
}

// Issuer is the issuer key as the world may know it.
type Issuer struct {
	Key            signing.JWK
	Kid            string // thumbprint of Key
	Envelope       string // the root's word for it (docs/protocol.md, issuer_key)
	RootThumbprint string
}

// Mail is one message, ready to be sent.
type Mail struct {
	ID            string // stable, so that a repeated delivery is recognised
	To            string
	Subject, Body string
	Date          time.Time
}

// ErrBounced is what a Mailer wraps when the address can never be reached; any other error is tried again.
var ErrBounced = errors.New("the address does not exist")

// Mailer hands a mail over to somebody who will deliver it.
type Mailer interface {
	Send(ctx context.Context, m Mail) error
}

// Compose writes the words of a notice: the topic names the text, the values fill it. Texts stand in web/text.
type Compose func(topic string, values map[string]string) (subject, body string, err error)
