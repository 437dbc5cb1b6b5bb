package authority

import (
	"context"
	"errors"
	"strings"
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

// event tells the system of the bank that made a transaction what became of it, where it wants to be told: under an identifier, so that it can be told twice; and without
// content, so that it is no other way to read.
func (d *deed) event(ctx context.Context, row db.Txn, to transaction.State) error {
	wanted, err := d.wantsEvents(ctx, row.Client)
	if err != nil || !wanted {
		return err
	}
	return d.putEvent(ctx, row.Client, row.Customer, row.ID, to)
}

// wantsEvents says whether a system of the bank is told of its transactions.
func (d *deed) wantsEvents(ctx context.Context, client string) (bool, error) {
	row, err := d.APIClientByID(ctx, client) // by this write's own connection: all others may be waiting for one
	if errors.Is(err, store.ErrNone) {
		return false, nil
	}
	return row.Webhook != "", err
}

// putEvent puts the event into the outbox. It is written out and signed when it leaves, so that nobody's write waits for a signature.
func (d *deed) putEvent(ctx context.Context, client, customer, txn string, to transaction.State) error {
	return d.InsertOutbox(ctx, db.InsertOutboxParams{ID: d.a.newID(ident.Outbox, d.now), Customer: customer, Topic: eventTopic, Address: client, Sealed: []byte(string(to) + " " + txn),
		CreatedAt: store.Micros(d.now), ExpiresAt: store.Micros(d.now.Add(eventLife))})
}

// deliverEvent signs an event with the issuer key, so that it needs no secret to be believed, and hands it over, again until it is taken.
func (a *Authority) deliverEvent(ctx context.Context, row db.Outbox, now time.Time) error {
	client, err := a.Store.Reader().APIClientByID(ctx, row.Address)
	if errors.Is(err, store.ErrNone) || err == nil && client.Webhook == "" {
		return a.endDelivery(ctx, row, now, "dropped", "nobody wants it")
	}
	if err != nil {
		return err
	}
	envelope, err := a.sealEvent(row)
	if err != nil {
		a.Log.Error("signing an event", "id", row.ID, "err", err)
		return a.retryDelivery(ctx, row, now)
	}
	sendCtx, cancel := context.WithTimeout(ctx, deliverLease-5*time.Second)
	defer cancel()
	if err := a.Caller.Post(sendCtx, client.Webhook, "application/jose", envelope); err != nil {
		return a.retryDelivery(ctx, row, now)
	}
	return a.endDelivery(ctx, row, now, "sent", "")
}

// sealEvent writes an event out and signs it. It says the same, under the same identifier, however often it is sent.
func (a *Authority) sealEvent(row db.Outbox) (string, error) {
	to, txn, _ := strings.Cut(string(row.Sealed), " ")
	payload, err := signing.Canonical(signing.Object{"v": "1", "event": row.ID, "type": "transaction." + to, "transaction": txn, "audience": row.Address, "time": store.Time(row.CreatedAt).Format(time.RFC3339)})
	if err != nil {
		return "", err
	}
	return signing.Seal(signing.TypEvent, a.Keys.Issuer().Kid, nil, payload, a.Keys.SignIssuer)
}
