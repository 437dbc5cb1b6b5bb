package client

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// An assertion lives as long as the contract lets it; it is renewed a minute before its end, so that none runs out on its way, even if the clocks differ a little.
const (
	assertionLife  = 5 * time.Minute
	assertionEarly = time.Minute
)

// bearer is the client's own assertion (RFC 7523), made anew when the last one nears its end.
func (c *Client) bearer() (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if c.assertion != "" && now.Before(c.renew) && now.After(c.renew.Add(-assertionLife)) {
		return c.assertion, nil
	}
	if c.Key == nil || c.Key.Curve != elliptic.P256() {
		return "", errors.New("client: Key must be a P-256 key")
	}
	kid, err := thumbprint(&c.Key.PublicKey)
	if err != nil {
		return "", fmt.Errorf("client: %w", err)
	}
	header, err := part(map[string]any{"alg": "ES256", "kid": kid, "typ": "JWT"})
	if err != nil {
		return "", fmt.Errorf("client: %w", err)
	}
	claims, err := part(map[string]any{"iss": c.ID, "sub": c.ID, "aud": strings.TrimSuffix(c.Origin, "/"), "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(assertionLife).Unix()})
	if err != nil {
		return "", fmt.Errorf("client: %w", err)
	}
	signed, err := sign(c.Key, header+"."+claims)
	if err != nil {
		return "", fmt.Errorf("client: %w", err)
	}
	c.assertion, c.renew = signed, now.Add(assertionLife-assertionEarly)
	return signed, nil
}

// forget drops an assertion that the server no longer takes, so that the next call makes a new one.
func (c *Client) forget(assertion string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.assertion == assertion {
		c.assertion = ""
	}
}

// thumbprint names a public key by its content (RFC 7638).
func thumbprint(key *ecdsa.PublicKey) (string, error) {
	point, err := key.Bytes() // 04, x, y
	if err != nil {
		return "", err
	}
	x, y := base64.RawURLEncoding.EncodeToString(point[1:33]), base64.RawURLEncoding.EncodeToString(point[33:])
	sum := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + x + `","y":"` + y + `"}`))
	return base64.RawURLEncoding.EncodeToString(sum[:]), nil
}

func part(v any) (string, error) {
	b, err := json.Marshal(v)
	return base64.RawURLEncoding.EncodeToString(b), err
}

// sign makes the compact form of a JWS with ES256: the signature is r and s, 32 bytes each.
func sign(key *ecdsa.PrivateKey, input string) (string, error) {
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		return "", err
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return input + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}
