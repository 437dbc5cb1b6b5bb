package testkit

import (
	"encoding/base64"

	"github.com/inkan-auth/inkan/internal/authenticator"
)

// Authenticator is a security key in software.
type Authenticator = authenticator.Authenticator

// Flags of what it sends (WebAuthn Level 3, section 6.1).
const (
	UserPresent    = authenticator.UserPresent
	UserVerified   = authenticator.UserVerified
	BackupEligible = authenticator.BackupEligible
	BackedUp       = authenticator.BackedUp
	Attested       = authenticator.Attested
	Extensions     = authenticator.Extensions
)

// NewAuthenticator is an honest one that keeps its passkeys to itself and does not count.
func NewAuthenticator() *Authenticator { return authenticator.New() }

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
