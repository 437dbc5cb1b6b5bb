package authority

import (
	"context"
	"errors"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/signing"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// eventTopic is the outbox's topic of what a system of the bank is told.
const eventTopic = "event"

// eventLife is how long an event is worth delivering. Nothing depends on it: whoever missed it reads the transaction.
const eventLife = 24 * time.Hour

// event tells the system of the bank that made a transaction what became of it, where it wants to be told: signed by the issuer key, so that it needs no secret to be
// believed; with an identifier, so that it can be told twice; and without content, so that it is no other way to read.
func (d *deed) event(ctx context.Context, row db.Txn, to transaction.State) error {
	client, err := d.APIClientByID(ctx, row.Client) // by this write's own connection: all others may be waiting for one
	if errors.Is(err, store.ErrNone) || err == nil && client.Webhook == "" {
		return nil
	}
	if err != nil {
		return err
	}
	id := d.a.newID(ident.Outbox, d.now)
	payload, err := signing.Canonical(signing.Object{"v": "1", "event": id, "type": "transaction." + string(to), "transaction": row.ID, "audience": row.Client, "time": d.now.UTC().Format(time.RFC3339)})
	if err != nil {
		return err
	}
	envelope, err := signing.Seal(signing.TypEvent, d.a.Keys.Issuer().Kid, nil, payload, d.a.Keys.SignIssuer)
	if err != nil {
		return err
	}
	return d.InsertOutbox(ctx, db.InsertOutboxParams{ID: id, Customer: row.Customer, Topic: eventTopic, Address: row.Client, Sealed: []byte(envelope), CreatedAt: store.Micros(d.now), ExpiresAt: store.Micros(d.now.Add(eventLife))})
}

// deliverEvent hands an event over, and again until it is taken.
func (a *Authority) deliverEvent(ctx context.Context, row db.Outbox, now time.Time) error {
	client, err := a.Store.Reader().APIClientByID(ctx, row.Address)
	if errors.Is(err, store.ErrNone) || err == nil && client.Webhook == "" {
		return a.endDelivery(ctx, row, now, "dropped", "nobody wants it")
	}
	if err != nil {
		return err
	}
	sendCtx, cancel := context.WithTimeout(ctx, deliverLease-5*time.Second)
	defer cancel()
	if err := a.Caller.Post(sendCtx, client.Webhook, "application/jose", string(row.Sealed)); err != nil {
		return a.retryDelivery(ctx, row, now)
	}
	return a.endDelivery(ctx, row, now, "sent", "")
}
