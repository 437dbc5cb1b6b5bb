package authority

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/notice"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// wakeTopic is the outbox's topic of wake-ups.
const wakeTopic = "wake"

// wakeQuarter is the shorter window in which wake-ups are counted.
const wakeQuarter = 15 * time.Minute

// wake puts a wake-up for the customer's phone into the outbox, unless she was woken too often without an answer: whoever has her password must not be able to wear her down.
// The transaction waits in the app all the same.
func (d *deed) wake(ctx context.Context, customerID string, t token.Token, doc transaction.Document) error {
	if d.a.Pusher == nil {
		return nil
	}
	if _, err := d.PushOf(ctx, t.ID); errors.Is(err, store.ErrNone) {
		return nil
	} else if err != nil {
		return err
	}
	quarter, day := "wake 15m "+customerID, "wake 24h "+customerID
	last, err := d.ThrottleOf(ctx, "wake last "+customerID)
	if err != nil && !errors.Is(err, store.ErrNone) {
		return err
	}
	q, err := d.CountThrottle(ctx, db.CountThrottleParams{Bucket: quarter, StartedAt: store.Micros(d.now), Stale: store.Micros(d.now.Add(-wakeQuarter))})
	if err != nil {
		return err
	}
	n, err := d.CountThrottle(ctx, db.CountThrottleParams{Bucket: day, StartedAt: store.Micros(d.now), Stale: store.Micros(d.now.Add(-24 * time.Hour))})
	if err != nil {
		return err
	}
	tooSoon := last.StartedAt > 0 && d.now.Before(store.Time(last.StartedAt).Add(wakePause(int(n.Count))))
	if int(q.Count) > d.a.Rules().WakesPerQuarter || int(n.Count) > d.a.Rules().WakesPerDay || tooSoon {
		d.detail["woken"] = "too often"
		return nil
	}
	if _, err := d.CountThrottle(ctx, db.CountThrottleParams{Bucket: "wake last " + customerID, StartedAt: store.Micros(d.now), Stale: store.Micros(d.now)}); err != nil {
		return err
	}
	return d.InsertOutbox(ctx, db.InsertOutboxParams{ID: d.a.newID(ident.Outbox, d.now), Customer: customerID, Topic: wakeTopic, Address: t.ID, Sealed: []byte(doc.ID),
		CreatedAt: store.Micros(d.now), ExpiresAt: store.Micros(doc.Expires)})
}

// wakePause grows with the wake-ups that nobody answered: none for the first two, then a minute, doubling.
func wakePause(n int) time.Duration {
	if n <= 2 {
		return 0
	}
	return time.Minute << min(n-3, 6)
}

// answeredWake forgets the wake-ups: somebody is there.
func (d *deed) answeredWake(ctx context.Context, customerID string) error {
	if d.a.Pusher == nil {
		return nil
	}
	return d.ForgetThrottles(ctx, wakeBuckets(customerID))
}

// wakeBuckets are the counters of a customer's wake-ups.
func wakeBuckets(customerID string) []string {
	return []string{"wake 15m " + customerID, "wake 24h " + customerID, "wake last " + customerID}
}

// deliverWake hands a wake-up to the phone's push service.
func (a *Authority) deliverWake(ctx context.Context, row db.Outbox, now time.Time) error {
	txn, err := a.Store.Reader().TxnByID(ctx, string(row.Sealed))
	if err != nil || a.Pusher == nil || stateOf(txn, now) != transaction.Pending {
		return errors.Join(ignoreNone(err), a.endDelivery(ctx, row, now, "dropped", "answered"))
	}
	at, err := a.Store.Reader().PushOf(ctx, row.Address)
	if errors.Is(err, store.ErrNone) {
		return a.endDelivery(ctx, row, now, "dropped", "unsubscribed")
	}
	if err != nil {
		return err
	}
	plain, err := a.Keys.Open("push", "push.sealed|"+row.Address, at.Sealed)
	var s notice.Subscription
	if err != nil || json.Unmarshal(plain, &s) != nil {
		return a.endDelivery(ctx, row, now, "dead", "unreadable")
	}
	sendCtx, cancel := context.WithTimeout(ctx, deliverLease-5*time.Second)
	defer cancel()
	err = a.Pusher.Wake(sendCtx, s, txn.ID[len(txn.ID)-26:], store.Time(row.ExpiresAt).Sub(now))
	switch {
	case err == nil:
		return a.endDelivery(ctx, row, now, "sent", "")
	case errors.Is(err, notice.ErrBounced): // the browser has withdrawn the subscription
		err = a.do(ctx, audit.Actor{Kind: audit.Token, ID: row.Address}, audit.PushChange, func(ctx context.Context, d *deed) error {
			d.on(row.Customer, row.Address)
			d.detail = map[string]string{"push": "gone"}
			return d.DeletePush(ctx, row.Address)
		})
		return errors.Join(err, a.endDelivery(ctx, row, now, "dead", "gone"))
	}
	return a.retryDelivery(ctx, row, now)
}

func ignoreNone(err error) error {
	if errors.Is(err, store.ErrNone) {
		return nil
	}
	return err
}

// maxEndpoint is the longest address of a push service that is taken.
const maxEndpoint = 1024

// SetPush stores where a token's browser can be woken.
func (a *Authority) SetPush(ctx context.Context, p Proof, s notice.Subscription) error {
	row, _, err := a.prove(ctx, p)
	if err != nil {
		return err
	}
	if !endpointAllowed(s.Endpoint, a.Rules().PushLoopback) || len(s.P256DH) > 128 || len(s.Auth) > 64 {
		return problem.New(problem.Malformed, "field", "endpoint")
	}
	plain, err := json.Marshal(s)
	if err != nil {
		return err
	}
	sealed, err := a.Keys.Seal("push", "push.sealed|"+row.ID, plain)
	if err != nil {
		return err
	}
	return a.do(ctx, tokenActor(row, p), audit.PushChange, func(ctx context.Context, d *deed) error {
		d.on(row.Customer, row.ID)
		d.detail = map[string]string{"push": "on"}
		return d.Queries.SetPush(ctx, db.SetPushParams{Token: row.ID, Sealed: sealed, Since: store.Micros(d.now)})
	})
}

// EndPush forgets where a token's browser can be woken.
func (a *Authority) EndPush(ctx context.Context, p Proof) error {
	row, _, err := a.prove(ctx, p)
	if err != nil {
		return err
	}
	return a.do(ctx, tokenActor(row, p), audit.PushChange, func(ctx context.Context, d *deed) error {
		d.on(row.Customer, row.ID)
		d.detail = map[string]string{"push": "off"}
		return d.DeletePush(ctx, row.ID)
	})
}

// endpointAllowed keeps a token from making us call where it could not call itself: a push service is a public host behind TLS. The demo's and the
// tests' own stands on this machine.
func endpointAllowed(endpoint string, loopback bool) bool {
	u, err := url.Parse(endpoint)
	if err != nil || len(endpoint) > maxEndpoint || u.User != nil || u.Fragment != "" || u.Host == "" {
		return false
	}
	host := u.Hostname()
	local := host == "localhost" || strings.HasSuffix(host, ".localhost")
	if ip, err := netip.ParseAddr(host); err == nil {
		if !ip.IsLoopback() {
			return false // a push service has a name
		}
		local = true
	}
	if local {
		return loopback
	}
	return u.Scheme == "https" && strings.Contains(host, ".") && (u.Port() == "" || u.Port() == "443")
}
