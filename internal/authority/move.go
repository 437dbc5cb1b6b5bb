package authority

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/enrolment"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// Move is a token on its way to a new phone, as the old one sees it (B-04). The new phone scans first and the old one approves what it is told of it: an approval that came first would be good
// for whatever phone reads the code.
type Move struct {
	ID      string
	State   enrolment.State // ordered until a phone has scanned; then registered, and the old one is asked about it
	Link    string          // for the new phone's camera; empty once it was used
	Expires time.Time       // of the link, then of the whole move
	Phone   string          // what the new phone says it is; empty before it has scanned
	Check   string          // six digits that both phones show; empty before
	Asked   transaction.State
}

// BeginMove shows the link for a new phone to the token in use. While one lives it shows the same again; a lost answer costs nothing.
func (a *Authority) BeginMove(ctx context.Context, p Proof) (out Move, err error) {
	row, _, err := a.prove(ctx, p)
	if err != nil {
		return out, err
	}
	if a.templates == nil {
		return out, problem.New(problem.Unavailable)
	}
	err = a.do(ctx, tokenActor(row, p), audit.MoveBegin, func(ctx context.Context, d *deed) error {
		d.on(row.Customer, row.ID)
		t, err := d.TokenByID(ctx, row.ID)
		if err != nil {
			return err
		}
		if refusal := unfit(store.Token(t), d.now); refusal != nil {
			return refusal
		}
		c, err := d.CustomerByID(ctx, row.Customer)
		if err != nil {
			return err
		}
		if c.State != "active" {
			return problem.New(problem.ServiceStopped)
		}
		open, err := d.OpenEnrolment(ctx, c.ID)
		if err != nil && !errors.Is(err, store.ErrNone) {
			return err
		}
		if err == nil {
			e := store.Enrolment(open)
			alive := e.Expires.After(d.now)
			switch {
			case alive && (e.Purpose != enrolment.Move || e.Replaces != row.ID):
				return problem.New(problem.EnrolmentOpen, "ordered", e.Ordered)
			case alive && (e.State == enrolment.Registered || e.KeyExpires.After(d.now)):
				if out, err = a.moveOf(ctx, d.Queries, open, d.now); err != nil {
					return err
				}
				if s := out.Asked; s == "" || s == transaction.Pending || s == transaction.Approved {
					return nil
				}
			}
			if err := d.endMove(ctx, open, enrolment.Expire); err != nil { // its time is over, or she has said no
				return err
			}
		}
		if err := d.downloadsLeft(ctx, c.ID); err != nil {
			return err
		}
		addresses, err := d.AddressesOf(ctx, c.ID)
		if err != nil {
			return err
		}
		if len(addresses) == 0 { // nobody could be told
			return problem.New(problem.AddressRefused)
		}
		id := a.newID(ident.Enrolment, d.now)
		d.object = id
		key, number, err := d.placeOrder(ctx, order{id: id, customer: c.ID, replaces: row.ID, purpose: enrolment.Move, address: addresses[len(addresses)-1].ID, device: row.Platform, source: p.Source,
			life: a.Rules().MoveLife})
		out = Move{ID: id, State: enrolment.Ordered, Link: enrolment.MoveLink(a.Bank.TokenOrigin, id, key.Secret, a.Keys.Issuer().RootThumbprint, number), Expires: d.now.Add(a.Rules().RegistrationKeyLife)}
		return err
	})
	return out, err
}

// moveOf is a move that is under way.
func (a *Authority) moveOf(ctx context.Context, q *db.Queries, row db.Enrolment, now time.Time) (Move, error) {
	e := store.Enrolment(row)
	m := Move{ID: e.ID, State: e.State, Expires: e.Expires}
	if e.State == enrolment.Ordered {
		key, err := a.Keys.Open("enrolment", "enrolment.key|"+e.ID, row.KeySealed)
		if err != nil {
			return m, err
		}
		number, err := a.Keys.Open("enrolment", "enrolment.number|"+e.ID, row.NumberSealed)
		if err != nil {
			return m, err
		}
		secret, _, _ := strings.Cut(string(key), " ")
		m.Link, m.Expires = enrolment.MoveLink(a.Bank.TokenOrigin, e.ID, secret, a.Keys.Issuer().RootThumbprint, string(number)), e.KeyExpires
		return m, nil
	}
	t, err := q.TokenByID(ctx, e.Token)
	if err != nil {
		return m, err
	}
	m.Phone, m.Check = t.Platform, moveCheck(t)
	if e.Txn != "" {
		txn, err := q.TxnByID(ctx, e.Txn)
		if err != nil {
			return m, err
		}
		m.Asked = stateOf(txn, now)
	}
	return m, nil
}

// moveCheck are the six digits by which a customer sees that the phone that scanned is the one in her hand: what it says of itself, anybody's could say.
func moveCheck(t db.Token) string {
	sum := sha256.Sum256([]byte("inkan/move/v1|" + t.ID + "|" + t.KeyThumbprint))
	return fmt.Sprintf("%06d", binary.BigEndian.Uint64(sum[:8])%1_000_000)
}

// CancelMove withdraws a move, from the phone that began it.
func (a *Authority) CancelMove(ctx context.Context, p Proof) error {
	row, _, err := a.prove(ctx, p)
	if err != nil {
		return err
	}
	var asked string
	err = a.do(ctx, tokenActor(row, p), audit.MoveCancel, func(ctx context.Context, d *deed) error {
		d.on(row.Customer, "")
		open, err := d.OpenEnrolment(ctx, row.Customer)
		if errors.Is(err, store.ErrNone) || err == nil && (open.Purpose != string(enrolment.Move) || open.Replaces != row.ID) {
			return nil // there is nothing that could go on
		}
		if err != nil {
			return err
		}
		d.object, asked = open.ID, open.Txn
		return d.endMove(ctx, open, enrolment.Cancel)
	})
	if err == nil && asked != "" {
		a.tell(asked, row.Customer)
	}
	return err
}

// endMove ends a move that has come to nothing, the phone that has registered for it, and what the old one was asked.
func (d *deed) endMove(ctx context.Context, row db.Enrolment, on enrolment.Event) error {
	if err := d.endEnrolment(ctx, store.Enrolment(row), on); err != nil || row.Txn == "" {
		return err
	}
	txn, err := d.TxnByID(ctx, row.Txn)
	if err != nil {
		return err
	}
	if s := stateOf(txn, d.now); s != transaction.Pending && s != transaction.Approved {
		return nil
	}
	return errors.Join(d.endTxn(ctx, txn, transaction.State(txn.State), transaction.Cancel), d.also(ctx, audit.TransactionCancel, txn.ID))
}

// askMove has the old phone asked whether this is the new one. Where it is just being asked something else, nothing is written: the new phone comes again.
func (d *deed) askMove(ctx context.Context, row db.Enrolment, t db.Token) (txn string, err error) {
	old, err := d.TokenByID(ctx, row.Replaces)
	if err != nil {
		return "", err
	}
	if refusal := unfit(store.Token(old), d.now); refusal != nil {
		return "", refusal
	}
	if err := d.freePending(ctx, row.Customer); err != nil {
		return "", err
	}
	tmpl, ok := d.a.templates.Template("move")
	if !ok {
		return "", problem.New(problem.Unavailable)
	}
	fields := map[string]string{"phone.old": old.Platform, "phone.new": t.Platform, "phone.check": moveCheck(t), "place": Place(d.by.Source), "at": d.now.UTC().Truncate(time.Minute).Format("2006-01-02T15:04:05Z")}
	arranged, err := d.a.templates.Arrange(tmpl, fields)
	if err != nil { // a phone may call itself what no document shows; the digits tell it apart all the same
		fields["phone.old"], fields["phone.new"] = "-", "-"
		if arranged, err = d.a.templates.Arrange(tmpl, fields); err != nil {
			return "", fieldsRefused(err)
		}
	}
	doc, err := d.offer(ctx, row.Customer, ourselves, tmpl, "JPY", arranged)
	if err != nil {
		return "", err
	}
	return doc.ID, errors.Join(store.Must(d.SetEnrolmentTxn(ctx, db.SetEnrolmentTxnParams{ID: row.ID, Txn: doc.ID})), d.wake(ctx, row.Customer, store.Token(old), doc), d.also(ctx, audit.TransactionCreate, doc.ID))
}

// FinishMove is the first code of the new phone: where the old one has approved, the new one takes its place, in one write. Sent again after a lost answer it changes nothing.
func (a *Authority) FinishMove(ctx context.Context, p Proof, code string) error {
	row, _, err := a.prove(ctx, p)
	if err != nil {
		return err
	}
	var asked string
	err = a.do(ctx, tokenActor(row, p), audit.TokenStart, func(ctx context.Context, d *deed) error {
		asked = ""
		d.on(row.Customer, row.ID)
		order, err := d.EnrolmentByID(ctx, row.Enrolment)
		if err != nil {
			return err
		}
		e := store.Enrolment(order)
		switch {
		case e.Purpose != enrolment.Move:
			return problem.New(problem.Forbidden)
		case e.State == enrolment.Completed: // the answer was lost
			return nil
		case e.State != enrolment.Registered || !e.Expires.After(d.now):
			return problem.New(problem.EnrolmentNone)
		}
		c, err := d.CustomerByID(ctx, row.Customer)
		if err != nil {
			return err
		}
		if c.State != "active" {
			return problem.New(problem.ServiceStopped)
		}
		if e.Txn == "" { // it was being asked something else when this phone registered
			if asked, err = d.askMove(ctx, order, row); err != nil {
				return err
			}
			return d.refuse(problem.New(problem.TransactionNotApproved, "state", string(transaction.Pending)))
		}
		txn, err := d.TxnByID(ctx, e.Txn)
		if err != nil {
			return err
		}
		switch state := stateOf(txn, d.now); state {
		case transaction.Approved:
		case transaction.Pending:
			return problem.New(problem.TransactionNotApproved, "state", string(state))
		default: // she said no, or did not answer: this phone is nobody's
			return errors.Join(d.endEnrolment(ctx, e, enrolment.Cancel), d.refuse(problem.New(problem.TransactionNotApproved, "state", string(state))))
		}
		old, err := d.TokenByID(ctx, e.Replaces)
		if err != nil {
			return err
		}
		if refusal := unfit(store.Token(old), d.now); refusal != nil {
			return refusal
		}
		t, ok, err := d.startUse(ctx, e, code)
		if err != nil || !ok {
			return err
		}
		shown, err := a.transactionOf(ctx, d.Queries, txn, d.now)
		if err != nil {
			return err
		}
		asked = txn.ID
		return errors.Join(d.consume(ctx, txn, shown, e.ID), d.also(ctx, audit.TransactionConsume, txn.ID), d.cancelOpen(ctx, e.Customer), d.cool(ctx, e.Customer, TokenMoved, t.ID, true),
			d.tellObject(ctx, e.Customer, "token_moved", t.ID, map[string]string{"phone": t.Platform}))
	})
	if asked != "" {
		a.tell(asked, row.Customer)
	}
	return err
}

// moveOfToken tells a token that has registered for a move how that stands: its check digits, and whether the old phone has answered.
func (a *Authority) moveOfToken(ctx context.Context, row db.Token, now time.Time) (*Move, error) {
	if row.State != string(token.Keyed) {
		return nil, nil
	}
	order, err := a.Store.Reader().EnrolmentByID(ctx, row.Enrolment)
	if err != nil || order.Purpose != string(enrolment.Move) || order.State != string(enrolment.Registered) {
		return nil, err
	}
	m, err := a.moveOf(ctx, a.Store.Reader(), order, now)
	return &m, err
}
