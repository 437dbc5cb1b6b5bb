// Package webpush wakes a phone through its browser's push service: RFC 8030 for the delivery, RFC 8291 for the encryption, RFC 8292 for who we are. What is sent
// says nothing: an empty object.
package webpush

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/notice"
	"github.com/inkan-auth/inkan/internal/domain/signing"
)

// content is what is sent: nothing. The app fetches what there is over its own authenticated way.
const content = "{}"

// tokenLife is how long one of our tokens is good (RFC 8292, section 2: at most 24 hours).
const tokenLife = 12 * time.Hour

var b64 = base64.RawURLEncoding

// Pusher sends wake-ups.
type Pusher struct {
	key     *ecdsa.PrivateKey
	public  []byte
	contact string
	http    *http.Client

	mu     sync.Mutex
	tokens map[string]made // by origin of the push service
}

type made struct {
	token string
	until time.Time
}

// New makes a pusher. secret is 32 bytes that stay the same, because browsers tie their subscriptions to our key; contact is a mailto: or https: address for the push
// service's operator. loopback allows services on this machine, for the demo and for tests; all other private networks are refused, so that nobody can have us call
// where he cannot call himself.
func New(secret []byte, contact string, loopback bool) (*Pusher, error) {
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), secret)
	if err != nil {
		return nil, fmt.Errorf("the key for push services: %w", err)
	}
	public, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, err
	}
	dial := &net.Dialer{Timeout: 5 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		ip := at.Addr().Unmap()
		if ip.IsLoopback() && loopback {
			return nil
		}
		if !ip.IsGlobalUnicast() || ip.IsPrivate() {
			return errors.New("a push service is not in a private network")
		}
		return nil
	}}
	client := &http.Client{Timeout: 15 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{DialContext: dial.DialContext, TLSHandshakeTimeout: 5 * time.Second, ResponseHeaderTimeout: 10 * time.Second, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true}}
	return &Pusher{key: key, public: public, contact: contact, http: client, tokens: map[string]made{}}, nil
}

// Key is our public key as a browser's subscription wants it.
func (p *Pusher) Key() string { return b64.EncodeToString(p.public) }

// Wake sends one wake-up that is worth nothing after ttl; a later one of the same topic replaces it. It wraps notice.ErrBounced where the subscription has ended.
func (p *Pusher) Wake(ctx context.Context, s notice.Subscription, topic string, ttl time.Duration) error {
	at, err := url.Parse(s.Endpoint)
	if err != nil {
		return fmt.Errorf("%w: no address", notice.ErrBounced)
	}
	ua, errKey := signing.FromBase64(s.P256DH)
	auth, errAuth := signing.FromBase64(s.Auth)
	if errKey != nil || errAuth != nil || len(auth) != 16 {
		return fmt.Errorf("%w: no keys", notice.ErrBounced)
	}
	own, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	var salt [16]byte
	_, _ = rand.Read(salt[:]) // never fails
	body, err := encrypt(own, salt, ua, auth, []byte(content))
	if err != nil {
		return fmt.Errorf("%w: no keys", notice.ErrBounced)
	}
	token, err := p.token(at.Scheme + "://" + at.Host)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Endpoint, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%w: no address", notice.ErrBounced)
	}
	r.Header.Set("Content-Type", "application/octet-stream")
	r.Header.Set("Content-Encoding", "aes128gcm")
	r.Header.Set("TTL", strconv.Itoa(max(0, int(ttl/time.Second))))
	r.Header.Set("Urgency", "high")
	r.Header.Set("Topic", topic)
	r.Header.Set("Authorization", "vapid t="+token+", k="+p.Key())
	answer, err := p.http.Do(r)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) { // its address is the subscription's secret and must not reach a log
			err = u.Err
		}
		return fmt.Errorf("calling a push service: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	_, _ = io.CopyN(io.Discard, answer.Body, 4096)
	switch {
	case answer.StatusCode == http.StatusNotFound || answer.StatusCode == http.StatusGone:
		return fmt.Errorf("%w: the subscription has ended", notice.ErrBounced)
	case answer.StatusCode < 200 || answer.StatusCode > 299:
		return fmt.Errorf("a push service answered %d", answer.StatusCode)
	}
	return nil
}

// token says to a push service who we are (RFC 8292, section 2). One is good for all of its subscriptions.
func (p *Pusher) token(origin string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if t, ok := p.tokens[origin]; ok && now.Before(t.until.Add(-time.Hour)) {
		return t.token, nil
	}
	if len(p.tokens) > 1000 { // push services are few; whoever names more is no browser
		clear(p.tokens)
	}
	until := now.Add(tokenLife)
	claims, err := json.Marshal(map[string]any{"aud": origin, "exp": until.Unix(), "sub": p.contact})
	if err != nil {
		return "", err
	}
	input := b64.EncodeToString([]byte(`{"typ":"JWT","alg":"ES256"}`)) + "." + b64.EncodeToString(claims)
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, p.key, digest[:])
	if err != nil {
		return "", err
	}
	var sig [64]byte
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	token := input + "." + b64.EncodeToString(sig[:])
	p.tokens[origin] = made{token, until}
	return token, nil
}

// recordSize is the size of a record of RFC 8188; a wake-up is one record, and a short one.
const recordSize = 4096

// encrypt is RFC 8291, section 3, with the content coding aes128gcm of RFC 8188: one record.
func encrypt(own *ecdh.PrivateKey, salt [16]byte, ua, auth, plain []byte) ([]byte, error) {
	theirs, err := ecdh.P256().NewPublicKey(ua)
	if err != nil {
		return nil, err
	}
	shared, err := own.ECDH(theirs)
	if err != nil {
		return nil, err
	}
	as := own.PublicKey().Bytes()
	ikm, err := hkdf.Key(sha256.New, shared, auth, "WebPush: info\x00"+string(ua)+string(as), 32)
	if err != nil {
		return nil, err
	}
	key, err := hkdf.Key(sha256.New, ikm, salt[:], "Content-Encoding: aes128gcm\x00", 16)
	if err != nil {
		return nil, err
	}
	nonce, err := hkdf.Key(sha256.New, ikm, salt[:], "Content-Encoding: nonce\x00", 12)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	out := append([]byte{}, salt[:]...)
	out = binary.BigEndian.AppendUint32(out, recordSize)
	out = append(out, byte(len(as)))
	out = append(out, as...)
	return gcm.Seal(out, nonce, append(plain, 2), nil), nil // 2 ends the last record
}
