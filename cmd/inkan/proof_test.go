package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"testing"

	"github.com/inkan-auth/inkan/internal/domain/signing"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// proof is what a token sends with each request, made by this phone in the name of that token.
func proof(t testing.TB, s *standing, p *testkit.Phone, token, method, address string) string {
	t.Helper()
	var id [16]byte
	_, _ = rand.Read(id[:])
	out, err := signing.MakeProof(signing.Proof{Token: token, ID: base64.RawURLEncoding.EncodeToString(id[:]), Method: method, URL: address, Time: s.Clock.Now()}, p.Sign)
	fine(t, err)
	return out
}

// challenge is the form in which a client names its verifier beforehand (RFC 7636).
func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
