// Package signed checks the requests that inkan signs, as a partner of a bank would do it, and signs the answers: the header Inkan-Signature is a JWS (ES256) whose detached payload is the body.
package signed

import (
	"crypto/ecdsa"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Header carries the signature.
const Header = "Inkan-Signature"

// skew is how old a request may be; its nonce is remembered for as long on either side.
const skew = 5 * time.Minute

// mostBody bounds a request.
const mostBody = 16 << 10

// Door knows who may call and who has called.
type Door struct {
	URL string           // of what is mounted, without the path
	Key *ecdsa.PublicKey // of inkan
	Now func() time.Time

	mu   sync.Mutex
	seen map[string]time.Time
}

// errRefused says no more than it must.
var errRefused = errors.New("signed: not a request of inkan")

// Read gives the body of a request if inkan has signed it, for this address, now, and for the first time; and the nonce that an answer names.
func (d *Door) Read(r *http.Request) (body []byte, nonce string, err error) {
	body, err = io.ReadAll(io.LimitReader(r.Body, mostBody+1))
	if err != nil || len(body) > mostBody {
		return nil, "", errRefused
	}
	j, err := jose.ParseDetached(r.Header.Get(Header), body, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil || j.DetachedVerify(body, d.Key) != nil {
		return nil, "", errRefused
	}
	h := j.Signatures[0].Protected.ExtraHeaders
	at, _ := h["iat"].(float64)
	nonce, _ = h["jti"].(string)
	now := d.Now()
	if h[jose.HeaderType] != "inkan-request+jws" || h["htm"] != r.Method || h["htu"] != strings.TrimSuffix(d.URL, "/")+r.URL.Path || nonce == "" || now.Sub(time.Unix(int64(at), 0)).Abs() > skew {
		return nil, "", errRefused
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.seen == nil {
		d.seen = map[string]time.Time{}
	}
	for n, until := range d.seen {
		if now.After(until) {
			delete(d.seen, n)
		}
	}
	if _, again := d.seen[nonce]; again {
		return nil, "", errRefused
	}
	d.seen[nonce] = now.Add(2 * skew)
	return body, nonce, nil
}

// Answer signs an answer to the request with this nonce.
func Answer(key *ecdsa.PrivateKey, nonce string, body []byte) (string, error) {
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{}).WithType("inkan-answer+jws").WithHeader("jti", nonce))
	if err != nil {
		return "", err
	}
	j, err := s.Sign(body)
	if err != nil {
		return "", err
	}
	return j.DetachedCompactSerialize()
}
