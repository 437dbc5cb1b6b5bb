package transaction

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"errors"
	"io"
	"strings"

	"github.com/inkan-auth/inkan/internal/domain/signing"
)

// qrPrefix says what a QR code holds and in which version.
const qrPrefix = "INKAN1:"

// ErrQR says that a text is not the QR form of an offer.
var ErrQR = errors.New("transaction: not the QR form of an offer")

// QR is an offer in the form that fits into one QR code (docs/protocol.md, Offline).
func QR(offer string) (string, error) {
	e, err := signing.Parse(signing.TypOffer, offer)
	if err != nil || e.Key != nil {
		return "", ErrQR
	}
	kid, err := signing.FromBase64(e.Kid)
	if err != nil || len(kid) != 32 {
		return "", ErrQR
	}
	sig, err := signing.FromBase64(offer[strings.LastIndexByte(offer, '.')+1:])
	if err != nil {
		return "", ErrQR
	}
	var b bytes.Buffer
	b.WriteByte(1)
	b.Write(kid)
	b.Write(sig)
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		return "", err
	}
	if _, err := w.Write(e.Payload); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	return qrPrefix + base45(b.Bytes()), nil
}

// FromQR puts the offer together again. Its signature has not been looked at.
func FromQR(text string) (offer string, err error) {
	body, ok := strings.CutPrefix(text, qrPrefix)
	if !ok {
		return "", ErrQR
	}
	b, ok := unbase45(body)
	if !ok || len(b) < 98 || b[0] != 1 {
		return "", ErrQR
	}
	packed := bytes.NewReader(b[97:])
	payload, err := io.ReadAll(io.LimitReader(flate.NewReader(packed), maxDocument+1))
	if err != nil || len(payload) > maxDocument || packed.Len() > 0 { // what stands behind the document is nobody's
		return "", ErrQR
	}
	enc := base64.RawURLEncoding.EncodeToString
	return signing.Seal(signing.TypOffer, enc(b[1:33]), nil, payload, func([]byte) ([]byte, error) { return b[33:97], nil })
}

const base45Signs = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"

// base45 is RFC 9285: two bytes in three signs of the alphanumeric mode of QR codes.
func base45(b []byte) string {
	var s strings.Builder
	for ; len(b) >= 2; b = b[2:] {
		n := int(b[0])<<8 | int(b[1])
		s.WriteByte(base45Signs[n%45])
		s.WriteByte(base45Signs[n/45%45])
		s.WriteByte(base45Signs[n/2025])
	}
	if len(b) == 1 {
		s.WriteByte(base45Signs[b[0]%45])
		s.WriteByte(base45Signs[b[0]/45])
	}
	return s.String()
}

// unbase45 undoes base45 and takes only what base45 can have written.
func unbase45(s string) ([]byte, bool) {
	if len(s)%3 == 1 || len(s) > 3*maxDocument {
		return nil, false
	}
	out := make([]byte, 0, len(s)/3*2+1)
	for ; s != ""; s = s[min(3, len(s)):] {
		n, weight := 0, 1
		for _, c := range []byte(s[:min(3, len(s))]) {
			v := strings.IndexByte(base45Signs, c)
			if v < 0 {
				return nil, false
			}
			n += v * weight
			weight *= 45
		}
		switch {
		case len(s) == 2 && n < 1<<8:
			out = append(out, byte(n))
		case len(s) >= 3 && n < 1<<16:
			out = append(out, byte(n>>8), byte(n))
		default:
			return nil, false
		}
	}
	return out, true
}
