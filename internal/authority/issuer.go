package authority

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/signing"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// issuerKeyWarning is how long before the end of the issuer key every start says so.
const issuerKeyWarning = 30 * 24 * time.Hour

// timelyKeys are keys whose issuer key signs nothing after its end: no app and no verifier would take it.
type timelyKeys struct {
	Keys
	now  func() time.Time
	log  *slog.Logger
	once *sync.Once
}

// SignIssuer signs with the issuer key, or closes the door when its time is over.
func (k timelyKeys) SignIssuer(digest []byte) ([]byte, error) {
	if ends := k.Issuer().Expires; !k.now().Before(ends) {
		k.once.Do(func() { k.log.Error("the issuer key has ended: nothing is signed any more", "ended", ends) })
		return nil, problem.New(problem.Unavailable)
	}
	return k.Keys.SignIssuer(digest)
}

// IssuerKeyEnded gives the end of the issuer key, and whether it is over: then nobody can register and nothing can be confirmed. Whoever has a token logs in as before.
func (a *Authority) IssuerKeyEnded() (ended bool, at time.Time) {
	at = a.Keys.Issuer().Expires
	return !a.Now().Before(at), at
}

// useIssuerKey keeps the root's word for the issuer key when it is first used: evidence needs it when another key or another word has long been in use.
func (a *Authority) useIssuerKey(ctx context.Context) error {
	issuer := a.Keys.Issuer()
	if a.Now().Add(issuerKeyWarning).After(issuer.Expires) {
		a.Log.Warn("the issuer key ends soon", "ends", issuer.Expires)
	}
	word, err := signing.ParseIssuerWord(issuer.Envelope)
	if err != nil {
		return fmt.Errorf("the root's word for the issuer key: %w", err)
	}
	hash := signing.Hash(issuer.Envelope)
	if known, err := a.Store.Reader().HasIssuerKey(ctx, hash); err != nil || known > 0 {
		return err
	}
	return a.do(ctx, audit.Actor{Kind: audit.Server}, audit.IssuerKeyUse, func(ctx context.Context, d *deed) error {
		d.detail = map[string]string{"kid": issuer.Kid, "hash": hash}
		_, err := d.InsertIssuerKey(ctx, db.InsertIssuerKeyParams{Hash: hash, Kid: issuer.Kid, Envelope: issuer.Envelope, NotBefore: store.Micros(word.NotBefore), Expires: store.Micros(word.Expires), Since: store.Micros(d.now)})
		return err
	})
}

// issuerWord is the root's word for the key that signed an offer, as it was good when the offer was made.
func (a *Authority) issuerWord(ctx context.Context, q *db.Queries, offer string) (string, error) {
	e, err := signing.Parse(signing.TypOffer, offer)
	if err != nil {
		return "", err
	}
	doc, err := transaction.ParseDocument(e.Payload, nil)
	if err != nil {
		return "", err
	}
	word, err := q.IssuerKeyAt(ctx, db.IssuerKeyAtParams{Kid: e.Kid, At: store.Micros(doc.Issued), Latest: store.Micros(doc.Issued.Add(signing.IssuerKeyLeeway))})
	if errors.Is(err, store.ErrNone) { // of the time before words were kept
		return a.Keys.Issuer().Envelope, nil
	}
	return word, err
}
