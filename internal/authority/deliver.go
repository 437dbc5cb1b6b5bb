package authority

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/customer"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/notice"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

const (
	deliverLease    = 30 * time.Second // how long one attempt at delivery may take before another node may try
	deliverBatch    = 100              // messages of a lane that are looked at together
	deliverTogether = 16               // addresses of a lane that are delivered to at the same time
	retryFirst      = time.Second
	retryLongest    = 5 * time.Minute
)

// mails is the lane of all topics that have no lane of their own.
const mails = ""

// lane is a kind of messages. Lanes do not wait for one another, nor do the addresses of a lane: when a system of the bank is slow, mails, wake-ups and what other systems are told leave all the
// same. What goes to one address leaves in the order in which it fell due.
type lane struct {
	*Authority
	topic  string
	failed func(error)

	mu    sync.Mutex
	busy  map[string]bool // addresses that are being delivered to
	under sync.WaitGroup
}

// lanes are all kinds of messages; failed is told what went wrong on our side.
func (a *Authority) lanes(failed func(lane string, err error)) (all []*lane) {
	for _, topic := range []string{mails, wakeTopic, eventTopic, loginEnded, callTopic, smsTopic} {
		all = append(all, &lane{Authority: a, topic: topic, failed: func(err error) { failed(topic, err) }, busy: map[string]bool{}})
	}
	return all
}

// Deliver runs the outbox worker until ctx ends: what a write put into the outbox leaves the house here, is tried again when the other side is down, and
// is dropped when what it says has expired.
func (a *Authority) Deliver(ctx context.Context) error {
	all := a.lanes(func(lane string, err error) {
		if ctx.Err() == nil {
			a.Log.Error("delivering the outbox", "lane", lane, "err", err)
		}
	})
	var rules sync.WaitGroup // every node delivers, so every node looks at what another one has set
	rules.Go(func() { a.watchRules(ctx) })
	defer rules.Wait()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		for _, l := range all {
			l.start(ctx)
		}
		select {
		case <-ctx.Done():
			for _, l := range all {
				l.under.Wait()
			}
			return nil
		case <-tick.C:
		}
	}
}

// DeliverDue delivers what is due now, once, and says how many messages were due.
func (a *Authority) DeliverDue(ctx context.Context) (n int, err error) {
	var mu sync.Mutex
	all := a.lanes(func(_ string, failed error) {
		mu.Lock()
		defer mu.Unlock()
		err = errors.Join(err, failed)
	})
	for _, l := range all {
		n += l.start(ctx)
	}
	for _, l := range all {
		l.under.Wait()
	}
	return n, err
}

// start begins to deliver what is due, but to addresses that are still being delivered to, and says how many messages were due.
func (l *lane) start(ctx context.Context) int {
	now, err := l.moment()
	if err != nil {
		l.failed(err)
		return 0
	}
	due, err := l.Store.Reader().DueOutbox(ctx, db.DueOutboxParams{Now: store.Micros(now), Lane: l.topic, Most: deliverBatch})
	if err != nil {
		l.failed(err)
		return 0
	}
	byAddress := map[string][]db.Outbox{}
	for _, row := range due {
		to := cmp.Or(row.Address, row.ID) // a logout keeps its address sealed
		byAddress[to] = append(byAddress[to], row)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for to, rows := range byAddress {
		if l.busy[to] || len(l.busy) == deliverTogether {
			continue
		}
		l.busy[to] = true
		l.under.Go(func() {
			if err := l.deliverInOrder(ctx, rows); err != nil {
				l.failed(err)
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			delete(l.busy, to)
		})
	}
	return len(due)
}

// deliverInOrder delivers messages to one address. Each is leased when it has its turn: by then another node may have had it.
func (a *Authority) deliverInOrder(ctx context.Context, rows []db.Outbox) error {
	for _, row := range rows {
		now, err := a.moment()
		if err != nil {
			return err
		}
		var mine bool
		err = a.Store.Housekeep(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
			mine, err = store.Once(tx.LeaseOutbox(ctx, db.LeaseOutboxParams{ID: row.ID, LeaseUntil: store.Micros(now.Add(deliverLease)), LeaseUntil_2: store.Micros(now)}))
			return err
		})
		if err != nil {
			return err
		}
		if mine {
			row.Tries++
			if err := a.deliver(ctx, row, now); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *Authority) deliver(ctx context.Context, row db.Outbox, now time.Time) error {
	if store.Micros(now) >= row.ExpiresAt {
		return a.endDelivery(ctx, row, now, "dropped", "expired")
	}
	switch row.Topic {
	case loginEnded:
		return a.deliverLogout(ctx, row, now)
	case wakeTopic:
		return a.deliverWake(ctx, row, now)
	case eventTopic:
		return a.deliverEvent(ctx, row, now)
	case callTopic, smsTopic:
		return a.deliverPhone(ctx, row, now)
	}
	address, err := a.Store.Reader().AddressByID(ctx, row.Address)
	if err != nil {
		return err
	}
	plain, err := a.Keys.Open("outbox", "outbox.sealed|"+row.ID, row.Sealed)
	if err != nil {
		return a.endDelivery(ctx, row, now, "dead", "unreadable")
	}
	var values map[string]string
	if err := json.Unmarshal(plain, &values); err != nil {
		return a.endDelivery(ctx, row, now, "dead", "unreadable")
	}
	subject, body, err := a.Compose(row.Topic, values)
	if err != nil {
		a.Log.Error("composing a mail", "topic", row.Topic, "err", err)
		return a.endDelivery(ctx, row, now, "dead", "no words")
	}
	sendCtx, cancel := context.WithTimeout(ctx, deliverLease-5*time.Second)
	defer cancel()
	err = a.Mailer.Send(sendCtx, notice.Mail{ID: row.ID, To: address.Mail, Subject: subject, Body: body, Date: store.Time(row.CreatedAt)})
	switch {
	case err == nil:
		return a.endDelivery(ctx, row, now, "sent", "")
	case errors.Is(err, notice.ErrBounced):
		return a.bounced(ctx, row, now)
	}
	return a.retryDelivery(ctx, row, now)
}

// retryDelivery puts a message back for later, with a growing pause.
func (a *Authority) retryDelivery(ctx context.Context, row db.Outbox, now time.Time) error {
	a.Log.Warn("a message was not taken and is tried again", "id", row.ID, "topic", row.Topic, "tries", row.Tries)
	wait := min(retryLongest, retryFirst<<min(row.Tries-1, 20))
	wait = wait/2 + time.Duration(a.randomBelow(int64(wait/2)+1)) // spread, so that a mail server that comes back is not overrun
	return a.Store.Housekeep(ctx, func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.RetryOutbox(ctx, db.RetryOutboxParams{ID: row.ID, DueAt: store.Micros(now.Add(wait)), Reason: "not taken", Tries: row.Tries})
		return err
	})
}

func (a *Authority) endDelivery(ctx context.Context, row db.Outbox, now time.Time, state, reason string) error {
	return a.Store.Housekeep(ctx, func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.EndOutbox(ctx, db.EndOutboxParams{ID: row.ID, State: state, EndedAt: store.Micros(now), Reason: reason, Tries: row.Tries, Sealed: []byte{}})
		return err
	})
}

// bounced marks the address, so that the page can say so and offer its correction (M-11).
func (a *Authority) bounced(ctx context.Context, row db.Outbox, now time.Time) error {
	return a.do(ctx, audit.Actor{Kind: audit.Server}, audit.AddressBounce, func(ctx context.Context, d *deed) error {
		d.on(row.Customer, row.Address)
		if _, err := d.EndOutbox(ctx, db.EndOutboxParams{ID: row.ID, State: "dead", EndedAt: store.Micros(now), Reason: "bounced", Tries: row.Tries, Sealed: []byte{}}); err != nil {
			return err
		}
		at, err := d.AddressByID(ctx, row.Address)
		if err != nil || at.State != string(customer.Usable) {
			return err
		}
		_, err = d.SetAddressState(ctx, db.SetAddressStateParams{ID: row.Address, State: string(customer.Bounced)})
		return err
	})
}

// lease takes or keeps the right to run a worker that must run once among all nodes.
func (a *Authority) lease(ctx context.Context, name, owner string, now time.Time, life time.Duration) (mine bool, err error) {
	err = a.Store.Housekeep(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		mine, err = store.Once(tx.TakeLease(ctx, db.TakeLeaseParams{Name: name, Owner: owner, UntilAt: store.Micros(now.Add(life)), Now: store.Micros(now)}))
		return err
	})
	return mine, err
}

// Sweep runs the worker for what ends by the clock, until ctx ends. Nothing depends on it: every use checks the time itself; it only writes down what has ended.
func (a *Authority) Sweep(ctx context.Context) error {
	owner := a.newID(ident.Entry, a.Now())
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		if err := a.sweepOnce(ctx, owner); err != nil && ctx.Err() == nil {
			a.Log.Error("sweeping", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (a *Authority) sweepOnce(ctx context.Context, owner string) error {
	if err := a.readClock(ctx); err != nil {
		return err
	}
	now, err := a.moment()
	if err != nil {
		return errors.New("the clock stands behind what it has shown before; every door is closed until it is right or `inkan admin clock` is used")
	}
	if err := a.Store.Housekeep(ctx, func(ctx context.Context, tx *store.Tx) error { return tx.RaiseWatermark(ctx, store.Micros(now)) }); err != nil {
		return err
	}
	if mine, err := a.lease(ctx, "sweep", owner, now, 10*time.Second); err != nil || !mine {
		return err
	}
	return a.SweepDue(ctx)
}

// SweepDue writes down what has ended by now, once.
func (a *Authority) SweepDue(ctx context.Context) (err error) {
	now, err := a.moment()
	if err != nil {
		return err
	}
	watched := a.watchCodes(ctx, now) // first: whatever else fails, an attack on the whole bank is seen
	defer func() { err = errors.Join(err, watched) }()
	clock := audit.Actor{Kind: audit.Clock}
	enrolments, err := a.Store.Reader().ExpiredEnrolments(ctx, db.ExpiredEnrolmentsParams{ExpiresAt: store.Micros(now), Limit: 100})
	if err != nil {
		return err
	}
	for _, row := range enrolments {
		err := a.do(ctx, clock, audit.EnrolmentExpire, func(ctx context.Context, d *deed) error {
			d.on(row.Customer, row.ID)
			d.detail = map[string]string{"purpose": row.Purpose}
			return d.endEnrolment(ctx, store.Enrolment(row), "expire")
		})
		if err != nil {
			return err
		}
	}
	tokens, err := a.Store.Reader().ExpiredTokens(ctx, db.ExpiredTokensParams{ExpiresAt: store.Micros(now), Limit: 100})
	if err != nil {
		return err
	}
	for _, row := range tokens {
		err := a.do(ctx, clock, audit.TokenExpire, func(ctx context.Context, d *deed) error {
			return d.expire(ctx, row)
		})
		if err != nil && problem.KindOf(err) != problem.Conflict { // renewed in the last moment
			return err
		}
	}
	if err := a.remind(ctx, now); err != nil {
		return err
	}
	if err := errors.Join(a.sweepReissues(ctx, now), a.sweepReleases(ctx, now), a.sweepTransactions(ctx, now), a.sweepOIDC(ctx, now), a.sweepStaff(ctx, now), a.sweepOrders(ctx, now), a.sweepPhone(ctx, now), a.countFigures(ctx, now), a.countTokens(ctx, now)); err != nil {
		return err
	}
	return a.Store.Housekeep(ctx, func(ctx context.Context, tx *store.Tx) error {
		day := store.Micros(now.Add(-24 * time.Hour))
		// A session is kept long after its end, because the next login tells the customer of the last one.
		return errors.Join(tx.DeleteOldProofs(ctx, store.Micros(now)), tx.DeleteOldThrottles(ctx, day), tx.DeleteOldLooks(ctx, day), tx.DeleteOldIdempotency(ctx, day), tx.DeleteOldCeremonies(ctx, store.Micros(now)), tx.DeleteOldErrands(ctx, store.Micros(now.Add(-400*24*time.Hour))), tx.DeleteOldReissues(ctx, store.Micros(now.Add(-400*24*time.Hour))), tx.DeleteOldCooling(ctx, store.Micros(now.Add(-400*24*time.Hour))), tx.DeleteOldReleases(ctx, store.Micros(now.Add(-400*24*time.Hour))), tx.DeleteOldScans(ctx, store.Micros(now.Add(-400*24*time.Hour))), tx.DeleteOldPhoneChecks(ctx, store.Micros(now.Add(-400*24*time.Hour))), tx.DeleteOldObjections(ctx, store.Micros(now)), tx.DeleteOldNotices(ctx, store.Micros(now.Add(-a.Rules().NoticeKept))), tx.DeleteOldSessions(ctx, store.Micros(now.Add(-400*24*time.Hour))),
			tx.DeleteOldStaffSessions(ctx, store.Micros(now.Add(-400*24*time.Hour))))
	})
}

// sweepTransactions writes down which transactions have ended by time.
func (a *Authority) sweepTransactions(ctx context.Context, now time.Time) error {
	end := func(row db.Txn, from transaction.State, on transaction.Event, action audit.Action) error {
		err := a.do(ctx, audit.Actor{Kind: audit.Clock}, action, func(ctx context.Context, d *deed) error {
			d.on(row.Customer, row.ID)
			return d.endTxn(ctx, row, from, on)
		})
		if problem.KindOf(err) == problem.Conflict { // somebody answered in the last moment
			return nil
		}
		a.tell(row.ID, row.Customer)
		return err
	}
	expired, err := a.Store.Reader().ExpiredTxns(ctx, db.ExpiredTxnsParams{ExpiresAt: store.Micros(now), Limit: 1000})
	if err != nil {
		return err
	}
	for _, r := range expired {
		if err := end(r, transaction.Pending, transaction.Expire, audit.TransactionExpire); err != nil {
			return err
		}
	}
	lapsed, err := a.Store.Reader().LapsedTxns(ctx, db.LapsedTxnsParams{ApprovedUntil: store.Micros(now), Limit: 1000})
	if err != nil {
		return err
	}
	for _, r := range lapsed {
		if err := end(r, transaction.Approved, transaction.Lapse, audit.TransactionLapse); err != nil {
			return err
		}
	}
	return nil
}

// OutboxWaiting is how many messages wait to leave the house.
func (a *Authority) OutboxWaiting(ctx context.Context) (int64, error) {
	return a.Store.Reader().OutboxWaiting(ctx)
}
