package authority

import (
	"context"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/card"
	"github.com/inkan-auth/inkan/internal/domain/notice"
	"github.com/inkan-auth/inkan/internal/domain/phone"
	"github.com/inkan-auth/inkan/internal/domain/signing"
)

// Keys is where keys live: a file, a KMS, an HSM. Errors close the door; nothing falls back.
type Keys interface {
	// Seal encrypts for storage, bound to a purpose and to a place such as "token.otp_key|tok_…|cus_…". Open undoes it in the same place only.
	Seal(purpose, place string, plain []byte) ([]byte, error)
	Open(purpose, place string, sealed []byte) ([]byte, error)
	// MAC is a keyed hash for what is looked up or compared but must not be searchable in a stolen table.
	MAC(purpose string, data []byte) []byte
	// Issuer describes the issuer key; SignIssuer signs a SHA-256 digest with it (64 bytes, r and s). The authority asks for no signature after the key's end.
	Issuer() signing.Issuer
	SignIssuer(digest []byte) ([]byte, error)
	// Templates is the bundle of templates that the issuer root has signed (docs/protocol.md, Templates), or empty.
	Templates() string
}

// Mailer hands a mail over to somebody who will deliver it.
type Mailer interface {
	Send(ctx context.Context, m notice.Mail) error
}

// Caller calls a system of the bank at an address that the operator has registered.
type Caller interface {
	// PostForm sends a form and takes any 2xx answer for success. It follows no redirect.
	PostForm(ctx context.Context, address string, form map[string]string) error
	// Post sends a body of a media type, with the same rules.
	Post(ctx context.Context, address, mediaType, body string) error
}

// Pusher wakes a phone through its browser's push service (RFC 8030). What is sent has no content.
type Pusher interface {
	// Key is our public key (RFC 8292), as a browser's subscription wants it.
	Key() string
	// Wake sends one message that is worth nothing after ttl; a later one of the same topic replaces it. It wraps notice.ErrBounced where the subscription has ended.
	Wake(ctx context.Context, s notice.Subscription, topic string, ttl time.Duration) error
}

// Word writes a notice for the inbox in one language: its title, and paragraphs of lines.
type Word func(lang, topic string, values map[string]string) (title string, text [][]string)

// Compose writes the words of a notice: the topic names the text, the values fill it. Texts stand in web/text.
type Compose func(topic string, values map[string]string) (subject, body string, err error)

// CardCheck and CardResult are the question to the bank's core and its answer.
type (
	CardCheck  = card.Check
	CardResult = card.Result
)

// CoreBanking is the bank's core: it alone knows cash cards and their PINs.
type CoreBanking interface {
	// CheckCard says whether account and PIN of a cash card are right. An error means that nothing is known, and the caller gives the try back. The PIN is never kept, logged, or in an error.
	CheckCard(ctx context.Context, c CardCheck) (CardResult, error)
}

// Telephone is whoever carries calls and short messages. What happens in a call comes back through PhoneEvent.
type Telephone interface {
	// Kinds says what it can do.
	Kinds() phone.Kinds
	// PlaceCall has a number called. It wraps phone.ErrUnreached where that can never be.
	PlaceCall(ctx context.Context, c phone.Call) error
	// SendMessage sends a short message, with the same rule.
	SendMessage(ctx context.Context, m phone.Message) error
}

// Speak gives the words that a voice reads or a short message says: the topic names the text, the values fill it. Texts stand in web/text.
type Speak func(language, topic string, values map[string]string) (string, error)

// PhoneWay is how a customer proves her telephone number.
type PhoneWay = phone.Way
