package authority

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// Transaction is a transaction as the bank's system that made it may see it.
type Transaction struct {
	ID, Customer                   string // Customer is the bank's own reference
	State                          transaction.State
	Document                       transaction.Document
	DisplayJA, DisplayEN           string // what the app shows, letter by letter
	Offer, QR                      string
	Created, Expires               time.Time
	Decided, ApprovedUntil, Ended  time.Time
	Grade                          transaction.Grade
	Reason                         string
	Permit                         string
	customerID, token, bundle, who string
}

// NewTransaction is what the bank wants confirmed.
type NewTransaction struct {
	Ref, Template, Currency string
	Fields                  map[string]string
}

// Execution is what the bank's executor is about to carry out, read from its own books and not from what it asked for.
type Execution struct {
	Request                 string // its own identifier, which makes a repeated call the same call
	Ref, Template, Currency string
	Fields                  map[string]string
}

// keyForm is the form of idempotency keys and of an executor's request identifiers.
var keyForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// transactionOf gives a row as the bank may see it.
func (a *Authority) transactionOf(ctx context.Context, q *db.Queries, row db.Txn, now time.Time) (Transaction, error) {
	o, err := a.offer(ctx, q, row)
	if err != nil {
		return Transaction{}, err
	}
	c, err := q.CustomerByID(ctx, row.Customer)
	if err != nil {
		return Transaction{}, err
	}
	t := Transaction{ID: row.ID, Customer: c.Ref, Document: o.document, DisplayJA: o.ja, DisplayEN: o.en, Offer: o.envelope, Created: store.Time(row.CreatedAt),
		Expires: store.Time(row.ExpiresAt), Decided: store.Time(row.DecidedAt), ApprovedUntil: store.Time(row.ApprovedUntil), Ended: store.Time(row.EndedAt), Grade: transaction.Grade(row.Grade),
		Reason: row.Reason, customerID: row.Customer, token: row.Token, bundle: row.Bundle, who: row.Client}
	t.State = stateOf(row, now)
	if t.State == transaction.Pending {
		t.QR, err = o.qr()
	}
	if err == nil && row.Permit != "" {
		t.Permit, err = q.EnvelopeOf(ctx, db.EnvelopeOfParams{Txn: row.ID, Kind: permitEnvelope})
	}
	return t, err
}

func stateOf(row db.Txn, now time.Time) transaction.State {
	return transaction.ShownState(transaction.State(row.State), store.Time(row.ExpiresAt), store.Time(row.ApprovedUntil), now)
}

// requestHash is what makes two requests under one idempotency key the same.
func requestHash(parts ...string) []byte {
	h := sha256.New()
	for _, p := range parts {
		s := sha256.Sum256([]byte(p))
		h.Write(s[:])
	}
	return h.Sum(nil)
}

// once finds what the same request has led to before; it refuses the same key with another request.
func (d *deed) once(ctx context.Context, key string, hash []byte) (object string, err error) {
	if !keyForm.MatchString(key) {
		return "", problem.New(problem.Malformed, "field", "Idempotency-Key")
	}
	row, err := d.FindIdempotency(ctx, db.FindIdempotencyParams{Client: d.by.ID, ID: key})
	switch {
	case errors.Is(err, store.ErrNone):
		return "", nil
	case err != nil:
		return "", err
	case !bytes.Equal(row.RequestHash, hash):
		return "", problem.New(problem.IdempotencyConflict)
	}
	return row.Object, nil
}

// CreateTransaction asks the customer for a confirmation. The document that she will be shown, and that alone can be carried out later, is made here and never again.
// The same key with the same request gives the same transaction.
func (a *Authority) CreateTransaction(ctx context.Context, by audit.Actor, key string, n NewTransaction) (out Transaction, err error) {
	if a.templates == nil {
		return out, problem.New(problem.Unavailable)
	}
	tmpl, ok := a.templates.Template(n.Template)
	if !ok {
		return out, problem.New(problem.FieldsRefused, "field", "template", "reason", "unknown")
	}
	fields, err := a.templates.Arrange(tmpl, n.Fields)
	if err != nil {
		return out, fieldsRefused(err)
	}
	if len(n.Currency) != 3 || strings.Trim(n.Currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return out, problem.New(problem.FieldsRefused, "field", "currency", "reason", "form")
	}
	hash := requestHash(n.Ref, n.Template, n.Currency, strings.Join(slices.Sorted(pairs(n.Fields)), "\x00"))
	var row db.Txn
	var asked db.AskedRow
	err = a.do(ctx, by, audit.TransactionCreate, func(ctx context.Context, d *deed) error {
		before := func() (done bool, err error) { // whether the same request has led to one
			object, err := d.once(ctx, key, hash)
			if err != nil || object == "" {
				return false, err
			}
			row, err = d.TxnByID(ctx, object)
			d.on(row.Customer, object)
			return true, err
		}
		if done, err := before(); done || err != nil {
			return err
		}
		if err := d.unfrozen(ctx, Transfers); err != nil {
			return err
		}
		c, t, err := d.payer(ctx, n.Ref)
		if err != nil {
			return err
		}
		if refusal := d.freePending(ctx, c.ID); refusal != nil { // what is in the way may be this very request, sent twice at once
			if done, err := before(); done || err != nil {
				return err
			}
			return refusal
		}
		d.on(c.ID, "")
		d.detail = map[string]string{"template": tmpl.Name}
		doc, err := d.offer(ctx, c.ID, by.ID, tmpl, n.Currency, fields)
		if err != nil {
			return err
		}
		d.object = doc.ID
		err = errors.Join(
			d.InsertIdempotency(ctx, db.InsertIdempotencyParams{Client: by.ID, ID: key, RequestHash: hash, Object: doc.ID, CreatedAt: store.Micros(d.now)}),
			d.wake(ctx, c.ID, store.Token(t), doc))
		if err != nil {
			return err
		}
		row, err = d.TxnByID(ctx, doc.ID)
		asked = askedOf(row, t)
		return err
	})
	if err != nil {
		return out, err
	}
	if asked.Txn == row.ID { // and not the same request again
		a.asked.keep(askedKept, row.ID, asked)
	}
	a.tell(row.ID, row.Customer)
	return a.transactionOf(ctx, a.Store.Reader(), row, a.Now())
}

// askedOf is what Asked would read of a transaction that has just been made.
func askedOf(row db.Txn, t db.Token) db.AskedRow {
	return db.AskedRow{ID: t.ID, Customer: t.Customer, State: t.State, Platform: t.Platform, SigningKey: t.SigningKey, KeyThumbprint: t.KeyThumbprint, ExpiresAt: t.ExpiresAt, Verifier: t.Verifier,
		Txn: row.ID, Client: row.Client, Template: row.Template, TxnState: row.State, DocumentHash: row.DocumentHash, Offer: row.Offer, DisplayJa: row.DisplayJa, DisplayEn: row.DisplayEn,
		Bundle: row.Bundle, Decision: row.Decision}
}

func pairs(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k, v := range maps.All(m) {
			if !yield(k + "\x01" + v) {
				return
			}
		}
	}
}

func fieldsRefused(err error) error {
	var f *transaction.FieldError
	if errors.As(err, &f) {
		return problem.New(problem.FieldsRefused, "field", f.Field, "reason", f.Reason)
	}
	return err
}

// payer finds the customer of a transaction and her token in use, or says why none can be asked.
func (d *deed) payer(ctx context.Context, ref string) (c db.Customer, t db.Token, err error) {
	if !isRef(ref) {
		return c, t, problem.New(problem.NotFound)
	}
	if c, err = d.CustomerByRef(ctx, ref); errors.Is(err, store.ErrNone) {
		return c, t, problem.New(problem.NotFound)
	} else if err != nil {
		return c, t, err
	}
	d.on(c.ID, "")
	if c.State != "active" {
		return c, t, problem.New(problem.ServiceStopped)
	}
	if c.TransfersStoppedAt > 0 {
		return c, t, problem.New(problem.TransfersStopped, "since", store.Time(c.TransfersStoppedAt))
	}
	if t, err = d.CurrentToken(ctx, c.ID); errors.Is(err, store.ErrNone) {
		return c, t, problem.New(problem.TokenNone)
	} else if err != nil {
		return c, t, err
	}
	if refusal := unfit(store.Token(t), d.now); refusal != nil {
		return c, t, refusal
	}
	if c.TransactionAuthAt == 0 && !d.a.Rules().TransactionAlways {
		return c, t, problem.New(problem.TransactionAuthOff)
	}
	return c, t, nil
}

// freePending makes room for a new transaction: one whose time is over is written down as expired. One that still waits is in the way.
func (d *deed) freePending(ctx context.Context, customerID string) error {
	row, err := d.PendingTxn(ctx, customerID)
	if errors.Is(err, store.ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	if stateOf(row, d.now) == transaction.Pending {
		values := []any{}
		if row.Client == d.by.ID { // another system's transaction is nobody else's business
			values = append(values, "id", row.ID)
		}
		return problem.New(problem.TransactionPending, values...)
	}
	return errors.Join(d.endTxn(ctx, row, transaction.Pending, transaction.Expire), d.also(ctx, audit.TransactionExpire, row.ID))
}

// endTxn ends a transaction in a way that nobody has answered: by time, or withdrawn.
func (d *deed) endTxn(ctx context.Context, row db.Txn, from transaction.State, on transaction.Event) error {
	to, ok := transaction.Life.Next(from, on)
	if !ok {
		return problem.New(problem.Conflict)
	}
	if err := store.Must(d.EndTxn(ctx, db.EndTxnParams{ID: row.ID, State: string(to), EndedAt: store.Micros(d.now), State_2: string(from)})); err != nil {
		return err
	}
	return d.event(ctx, row, to)
}

// cancelOpen withdraws what waits for a customer or for the bank, because nothing may go on: a report, a stop, a lock, the end of a token.
func (d *deed) cancelOpen(ctx context.Context, customerID string) error {
	open, err := d.OpenTxns(ctx, customerID)
	if err != nil {
		return err
	}
	for _, row := range open {
		on, action := transaction.Cancel, audit.TransactionCancel
		switch stateOf(row, d.now) { // what had run out before is not withdrawn now
		case transaction.Expired:
			on, action = transaction.Expire, audit.TransactionExpire
		case transaction.Lapsed:
			on, action = transaction.Lapse, audit.TransactionLapse
		}
		if err := errors.Join(d.endTxn(ctx, row, transaction.State(row.State), on), d.also(ctx, action, row.ID)); err != nil {
			return err
		}
	}
	return nil
}

// own finds a transaction of the bank's system that asks. Somebody else's is not there.
func own(ctx context.Context, q *db.Queries, by audit.Actor, id string) (db.Txn, error) {
	if ident.Check(ident.Transaction, id) != nil {
		return db.Txn{}, problem.New(problem.TransactionNone)
	}
	row, err := q.TxnByID(ctx, id)
	if errors.Is(err, store.ErrNone) || err == nil && row.Client != by.ID {
		return db.Txn{}, problem.New(problem.TransactionNone)
	}
	return row, err
}

// ReadTransaction shows a transaction to the system of the bank that made it.
func (a *Authority) ReadTransaction(ctx context.Context, by audit.Actor, id string) (Transaction, error) {
	now, err := a.moment()
	if err != nil {
		return Transaction{}, err
	}
	row, err := own(ctx, a.Store.Reader(), by, id)
	if err != nil {
		return Transaction{}, err
	}
	return a.transactionOf(ctx, a.Store.Reader(), row, now)
}

// lookAgain is how often a waiting call looks by itself: another node may have taken the answer, and time ends transactions without anybody's doing.
const lookAgain = time.Second

// WaitTransaction answers as soon as a transaction is in another state than the given one, or after the longest time, with the transaction as it then is.
func (a *Authority) WaitTransaction(ctx context.Context, by audit.Actor, id string, state transaction.State, longest time.Duration) (Transaction, error) {
	changed := make(chan struct{}, 1)
	defer a.Watch(id, func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	})()
	end := time.NewTimer(longest)
	defer end.Stop()
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for {
		t, err := a.ReadTransaction(ctx, by, id)
		if err != nil || t.State != state {
			return t, err
		}
		select {
		case <-changed:
		case <-tick.C:
		case <-end.C:
			return t, nil
		case <-ctx.Done(): // nobody waits any more
			return t, nil
		}
	}
}

// decided is the refusal for a transaction that can no longer be answered.
func decided(s transaction.State) error {
	switch s {
	case transaction.Expired:
		return problem.New(problem.TransactionExpired)
	case transaction.Cancelled:
		return problem.New(problem.TransactionCancelled)
	}
	return problem.New(problem.TransactionDecided, "state", string(s))
}

// CancelTransaction withdraws a transaction that the customer has not answered, or that was approved and is not to be carried out. Withdrawing twice is once.
func (a *Authority) CancelTransaction(ctx context.Context, by audit.Actor, id string) (out Transaction, err error) {
	var row db.Txn
	err = a.do(ctx, by, audit.TransactionCancel, func(ctx context.Context, d *deed) (err error) {
		if row, err = own(ctx, d.Queries, by, id); err != nil {
			return err
		}
		d.on(row.Customer, id)
		switch s := stateOf(row, d.now); s {
		case transaction.Cancelled:
			return nil
		case transaction.Pending, transaction.Approved:
			return d.endTxn(ctx, row, s, transaction.Cancel)
		default:
			return decided(s)
		}
	})
	if err != nil {
		return out, err
	}
	a.tell(row.ID, row.Customer)
	return a.ReadTransaction(ctx, by, id)
}

// TransactionAuth says how a customer's transactions are confirmed.
type TransactionAuth struct {
	Required bool // they must be approved in the app
	InUse    bool // and they can be: she has a token in use
	Stopped  bool // after a report nothing is carried out
}

// TransactionAuthOf tells a system of the bank how a customer's transactions are confirmed. It is the server that decides, not the page.
func (a *Authority) TransactionAuthOf(ctx context.Context, ref string) (TransactionAuth, error) {
	now, err := a.moment()
	if err != nil {
		return TransactionAuth{}, err
	}
	if !isRef(ref) {
		return TransactionAuth{}, problem.New(problem.NotFound)
	}
	c, err := a.Store.Reader().CustomerByRef(ctx, ref)
	if errors.Is(err, store.ErrNone) {
		return TransactionAuth{}, problem.New(problem.NotFound)
	}
	if err != nil {
		return TransactionAuth{}, err
	}
	out := TransactionAuth{Stopped: c.TransfersStoppedAt > 0 || c.State != "active", Required: c.TransactionAuthAt > 0 || a.Rules().TransactionAlways}
	row, err := a.Store.Reader().CurrentToken(ctx, c.ID)
	if errors.Is(err, store.ErrNone) {
		return out, nil
	}
	out.InUse = out.Required && store.Token(row).ShownState(now) == token.Active
	return out, err
}

// AddTransactionAuth adds transaction authentication to the token in use, with a one-time password of it (M-07). It cannot be taken away again while the token is in use:
// whoever sits in the customer's session must not be able to.
func (a *Authority) AddTransactionAuth(ctx context.Context, s Session, code string) error {
	if !s.Full {
		return problem.New(problem.StepUp)
	}
	return a.do(ctx, s.Actor(), audit.TransactionAuthAdd, func(ctx context.Context, d *deed) error {
		d.on(s.Customer, "")
		if ok, err := d.spendOTP(ctx, s.Customer, code); err != nil || !ok {
			return err
		}
		added, err := store.Once(d.SetTransactionAuth(ctx, db.SetTransactionAuthParams{ID: s.Customer, TransactionAuthAt: store.Micros(d.now)}))
		if err != nil || !added { // added already, by a second click
			return err
		}
		return d.tellObject(ctx, s.Customer, "transaction_auth_added", "", nil)
	})
}
