package authority

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/signing"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// useTemplates reads the bundle that the keys bring and keeps it: evidence needs it when later ones have long been in use.
func (a *Authority) useTemplates(ctx context.Context) error {
	envelope := a.Keys.Templates()
	if envelope == "" {
		return nil // no bundle, no transactions; every other room is open
	}
	b, err := transaction.ParseTemplates(envelope, a.Keys.Issuer().RootThumbprint)
	if err != nil {
		return err
	}
	if b.Issuer != a.Bank.TokenOrigin {
		return errors.New("the templates were signed for the origin " + b.Issuer + ", not for " + a.Bank.TokenOrigin)
	}
	a.templates = b
	a.bundles.Store(b.Hash, b)
	if _, err := a.Store.Reader().BundleByHash(ctx, b.Hash); !errors.Is(err, store.ErrNone) {
		return err
	}
	return a.do(ctx, audit.Actor{Kind: audit.Server}, audit.TemplatesUse, func(ctx context.Context, d *deed) error {
		d.on("", "")
		d.detail = map[string]string{"version": b.Version, "hash": b.Hash}
		return d.InsertBundle(ctx, db.InsertBundleParams{Hash: b.Hash, Envelope: envelope, Since: store.Micros(d.now)})
	})
}

// bundle finds a version of the templates, now in use or long gone.
func (a *Authority) bundle(ctx context.Context, q *db.Queries, hash string) (*transaction.Bundle, error) {
	if b, ok := a.bundles.Load(hash); ok {
		return b.(*transaction.Bundle), nil
	}
	row, err := q.BundleByHash(ctx, hash)
	if err != nil {
		return nil, err
	}
	b, err := transaction.ParseTemplates(row.Envelope, a.Keys.Issuer().RootThumbprint)
	if err == nil {
		a.bundles.Store(hash, b)
	}
	return b, err
}

// The kinds of envelopes that are kept with a transaction.
const (
	offerEnvelope    = "offer"
	decisionEnvelope = "decision"
	// assertionEnvelope is no envelope but the customer's confirmation of the decision, and stands and falls with it.
	assertionEnvelope = "assertion"
	offlineEnvelope   = "offline"
	permitEnvelope    = "permit"
)

// offer is what was offered to a customer. It is read and rendered once, and never changes.
type offer struct {
	envelope string
	document transaction.Document
	ja, en   string
	qr       func() (string, error) // made when it is first asked for
}

func newOffer(envelope string, b *transaction.Bundle) (*offer, error) {
	e, err := signing.Parse(signing.TypOffer, envelope)
	if err != nil {
		return nil, err
	}
	doc, err := transaction.ParseDocument(e.Payload, b)
	if err != nil {
		return nil, err
	}
	return &offer{envelope: envelope, document: doc, ja: b.Render(doc, "ja"), en: b.Render(doc, "en"), qr: sync.OnceValues(func() (string, error) { return transaction.QR(envelope) })}, nil
}

// How many are remembered of each: an offer takes some seven kilobytes, the other less than one.
const (
	offersKept = 2048
	askedKept  = 16384
)

// recent remembers the latest of what never changes, or of what is looked at again before anything depends on it: from the creation of a transaction until its end it is asked for
// several times. What is not there is read.
type recent[T any] struct {
	mu       sync.Mutex
	new, old map[string]T // the old half goes all at once, when the new half is full
}

func (r *recent[T]) find(key string) (T, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if x, ok := r.new[key]; ok {
		return x, true
	}
	x, ok := r.old[key]
	return x, ok
}

// keep remembers one thing more, of so many at the most.
func (r *recent[T]) keep(most int, key string, x T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.new == nil || len(r.new) >= most/2 {
		r.new, r.old = map[string]T{}, r.new
	}
	r.new[key] = x
}

// offer finds what was offered.
func (a *Authority) offer(ctx context.Context, q *db.Queries, row db.Txn) (*offer, error) {
	if o, ok := a.offers.find(row.Offer); ok {
		return o, nil
	}
	b, err := a.bundle(ctx, q, row.Bundle)
	if err != nil {
		return nil, err
	}
	envelope, err := q.EnvelopeOf(ctx, db.EnvelopeOfParams{Txn: row.ID, Kind: offerEnvelope})
	if err != nil {
		return nil, err
	}
	if signing.Hash(envelope) != row.Offer {
		return nil, errors.New("the offer of " + row.ID + " is not the one that was made")
	}
	o, err := newOffer(envelope, b)
	if err == nil {
		a.offers.keep(offersKept, row.Offer, o)
	}
	return o, err
}

// offer makes the document of a transaction, signs it, and keeps both: here and never again.
func (d *deed) offer(ctx context.Context, customerID, client string, tmpl transaction.Template, currency string, fields []transaction.Field) (transaction.Document, error) {
	a := d.a
	doc := transaction.Document{ID: a.newID(ident.Transaction, d.now), Issuer: a.Bank.TokenOrigin, Audience: client, Customer: a.pairwise(customerID), Nonce: [16]byte(a.random(16)),
		Template: tmpl.Name, TemplateVersion: tmpl.Version, Bundle: a.templates.Hash, Currency: currency, Fields: fields, Issued: d.now, Expires: d.now.Add(a.Rules().TransactionLife).Truncate(time.Second)}
	payload, err := doc.Bytes()
	if err != nil {
		return doc, problem.New(problem.FieldsRefused, "field", "fields", "reason", "length")
	}
	envelope, err := signing.Seal(signing.TypOffer, a.Keys.Issuer().Kid, nil, payload, a.Keys.SignIssuer)
	if err != nil {
		return doc, err
	}
	o, err := newOffer(envelope, a.templates)
	if err != nil {
		return doc, err
	}
	offered := signing.Hash(envelope)
	a.offers.keep(offersKept, offered, o)
	return doc, errors.Join(
		d.InsertTxn(ctx, db.InsertTxnParams{ID: doc.ID, Customer: customerID, Client: client, Template: doc.Template, DocumentHash: o.document.Hash, Offer: offered,
			DisplayJa: signing.Hash(o.ja), DisplayEn: signing.Hash(o.en), Bundle: a.templates.Hash, CreatedAt: store.Micros(d.now), ExpiresAt: store.Micros(doc.Expires)}),
		d.InsertEnvelope(ctx, db.InsertEnvelopeParams{Txn: doc.ID, Kind: offerEnvelope, Envelope: envelope}))
}
