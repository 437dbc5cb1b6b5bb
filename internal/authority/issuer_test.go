package authority_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/connector/keys"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/signing"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// issued are keys with another issuer key, or another word for it.
type issued struct {
	authority.Keys
	about signing.Issuer
	sign  signing.Signer
}

func (k issued) Issuer() signing.Issuer                   { return k.about }
func (k issued) SignIssuer(digest []byte) ([]byte, error) { return k.sign(digest) }

// raw signs with a key that is at hand.
func raw(key *ecdsa.PrivateKey) signing.Signer {
	return func(digest []byte) ([]byte, error) {
		r, s, err := ecdsa.Sign(rand.Reader, key, digest)
		return signing.Raw(r, s), err
	}
}

// After the end of the issuer key nothing is signed with it; who has a token logs in as before. Whoever starts the server in the last thirty days is warned.
func TestTheIssuerKeyEnds(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		p := newPayer(w, 1)
		start := func(left time.Duration) (*authority.Authority, *strings.Builder) {
			t.Helper()
			var log strings.Builder
			c := w.Config
			about := c.Keys.Issuer()
			about.Expires = w.Clock.Now().Add(left)
			c.Keys, c.Log = issued{c.Keys, about, c.Keys.SignIssuer}, slog.New(slog.NewTextHandler(&log, nil))
			a, err := authority.New(t.Context(), c)
			want(t, "starting", err, "")
			return a, &log
		}
		if _, log := start(31 * 24 * time.Hour); log.Len() > 0 {
			t.Errorf("a month before the end: %s", log)
		}
		a, log := start(20 * 24 * time.Hour)
		if !strings.Contains(log.String(), "the issuer key ends soon") {
			t.Errorf("twenty days before the end: %q", log)
		}
		w.Authority = a
		made := p.order()
		_, err := w.CancelTransaction(t.Context(), internetBank, made.ID)
		want(t, "withdrawing", err, "")
		if ended, _ := w.IssuerKeyEnded(); ended {
			t.Error("twenty days before the end it has ended")
		}

		w.Clock.Move(20 * 24 * time.Hour)
		for _, key := range []string{"one", "two"} {
			_, err := w.CreateTransaction(t.Context(), internetBank, key, p.transfer())
			want(t, "a transaction after the end", err, problem.Unavailable)
		}
		if ended, _ := w.IssuerKeyEnded(); !ended || strings.Count(log.String(), "the issuer key has ended") != 1 {
			t.Errorf("ended %v, and the log says %s", ended, log)
		}
		again := &testkit.Browser{W: w, Visit: testkit.Visit(authority.PC)}
		want(t, "the password after the end", again.Password(testkit.LoginID, testkit.Login), "")
		want(t, "the code after the end", again.Code(p.phone.Code()), "")
	})
}

// When another issuer key is in use, or the root has prolonged the same one, the evidence of what was offered before holds as it did.
func TestEvidenceKeepsItsIssuerKey(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		p := newPayer(w, 1)
		made := p.order()
		evidence, err := w.Evidence(t.Context(), internetBank, made.ID)
		want(t, "evidence", err, "")
		first := w.Keys.Issuer()

		dir, _ := testkit.KeyDirs.Load(w)
		file, err := os.ReadFile(filepath.Join(dir.(string), keys.RootFile))
		want(t, "the root", err, "")
		block, _ := pem.Decode(file)
		private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		want(t, "the root", err, "")
		root := private.(*ecdsa.PrivateKey)
		rootJWK, err := signing.JWKOf(&root.PublicKey)
		want(t, "the root", err, "")
		// use starts the server with this issuer key and a word of today for it.
		use := func(key signing.JWK, sign signing.Signer) string {
			t.Helper()
			now := w.Clock.Now()
			word, err := signing.MakeIssuerKey(testkit.TokenOrigin, key, now, now.Add(365*24*time.Hour), rootJWK, raw(root))
			want(t, "the root's word", err, "")
			c := w.Config
			c.Keys = issued{c.Keys, signing.Issuer{Key: key, Kid: key.Thumbprint(), Envelope: word, RootThumbprint: first.RootThumbprint, Expires: now.Add(365 * 24 * time.Hour)}, sign}
			a, err := authority.New(t.Context(), c)
			want(t, "starting", err, "")
			w.Authority = a
			return word
		}
		holds := func(what, word string) {
			t.Helper()
			got, err := w.IssuerWord(t.Context(), made.Offer)
			want(t, what, err, "")
			evidence.IssuerKey = got
			if _, err := evidence.Verify(first.RootThumbprint); err != nil || got != word {
				t.Errorf("%s: the evidence of before: %v; the word that it was offered under: %v", what, err, got == word)
			}
		}
		holds("with the first key", first.Envelope)
		w.Clock.Move(48 * time.Hour)
		use(first.Key, w.Keys.SignIssuer)
		holds("with a new word for the first key", first.Envelope)
		second, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		want(t, "another key", err, "")
		jwk, err := signing.JWKOf(&second.PublicKey)
		want(t, "another key", err, "")
		word := use(jwk, raw(second))
		holds("with another key", first.Envelope)

		w.Clock.Move(time.Hour)
		made, err = w.CreateTransaction(t.Context(), internetBank, "second-key", p.transfer())
		want(t, "a transaction under the second key", err, "")
		if got, err := w.IssuerWord(t.Context(), made.Offer); err != nil || got != word {
			t.Errorf("the second key's word: %v, %v", got == word, err)
		}
	})
}
