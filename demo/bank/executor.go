package bank

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/client"
)

const (
	currency = "JPY"
	otherFee = 165
	waitFor  = 25 * time.Second

	// A step goes on although the customer's browser has gone, but not longer than a web server lets an answer take.
	stepLimit   = 20 * time.Second
	followLimit = time.Hour
	maxFailures = 20
)

// errNotNow says that the order does not stand where the step could be taken.
var errNotNow = errors.New("bank: the order does not stand there")

// ends says which state of the order goes with a state of its transaction in which nothing can be executed any more.
var ends = map[client.State]state{
	client.Rejected: rejected, client.Reported: reported, client.Expired: expired, client.Cancelled: cancelled, client.Lapsed: lapsed,
}

func (b *bank) today() string { return b.cfg.Now().In(japan).Format(time.DateOnly) }

// learn brings the order to where its transaction stands. It only ever moves forward, whichever news comes late.
func (b *bank) learn(o *order, t client.Transaction) {
	if to, isEnd := ends[t.State]; isEnd {
		o.move([]state{asking, waiting, approved}, func(s *status) { s.State, s.Tx, s.Why, s.Ended = to, t, "", b.cfg.Now() })
		return
	}
	switch t.State {
	case client.Pending:
		o.move([]state{asking}, func(s *status) { s.State, s.Tx, s.Why, s.Other = waiting, t, "", "" })
	case client.Approved:
		o.move([]state{asking, waiting}, func(s *status) { s.State, s.Tx, s.Why = approved, t, "" })
	case client.Consumed: // By us, or the answer to the repeated request will say that it was not.
		o.move([]state{asking, waiting, approved}, func(s *status) { s.State, s.Tx = executing, t })
	}
}

// ask has the server ask the customer. The key was made with the confirmation page, so a second press, another tab and a repetition after a lost answer all
// meet the same transaction.
func (b *bank) ask(ctx context.Context, o *order) error {
	o.step.Lock()
	defer o.step.Unlock()
	if s := o.status(); s.State == draft {
		if why := b.hindrance(o); why != "" {
			o.move([]state{draft}, func(s *status) { s.Why = why })
			return nil
		}
		if ok, err := b.calm(ctx, o); !ok {
			return err
		}
	}
	if !o.move([]state{draft, asking}, func(s *status) {
		if s.State == draft {
			s.State, s.Why, s.Other = asking, "", ""
		}
	}) {
		return errNotNow
	}
	t, err := b.api.CreateTransaction(ctx, o.status().Key, client.NewTransaction{Customer: o.owner, Template: string(o.deed.kind()), Currency: currency, Fields: o.deed.fields(b.ja)})
	var no *client.Problem
	switch {
	case err == nil:
		b.learn(o, t)
	case errors.As(err, &no):
		// A refusal is kept by the server under its key for a day. The next press is a new question, so it gets a new key.
		o.move([]state{asking}, func(s *status) {
			s.State, s.Why, s.Other, s.Key = draft, "why_"+strings.ReplaceAll(no.Kind, "-", "_"), no.Text("id"), rand.Text()
			if b.ja[s.Why] == "" {
				s.Why = "why_refused"
			}
		})
		return nil
	default:
		o.move([]state{asking}, func(s *status) { s.Why = "why_no_answer" })
	}
	return err
}

// hindrance says why the order cannot be carried out as it stands.
func (b *bank) hindrance(o *order) string {
	if b.cfg.Now().Sub(o.made) > draftLife {
		return "why_old"
	}
	return o.deed.hindrance(b, o)
}

// execute carries an approved order out, once. The steps are: decide that it may still be done (for a transfer: keep the money free, one conditional step in the
// ledger), get the permit (given once, to this order's id), do it (once by this order's id). Each can be repeated, so whatever was cut off is completed by doing it
// all again.
func (b *bank) execute(ctx context.Context, o *order) error {
	o.step.Lock()
	defer o.step.Unlock()
	if s := o.status().State; s == done || s == booked {
		return nil
	}
	if !o.move([]state{approved, executing}, func(s *status) {
		if s.State == approved {
			s.State, s.Why = executing, ""
		}
	}) {
		return errNotNow
	}
	switch why, err := o.deed.secure(b, o); {
	case err != nil:
		return err
	case why != "":
		o.end([]state{executing}, failed, why, b.cfg.Now())
		return nil
	}
	permit, err := b.api.Consume(ctx, o.status().Tx.ID,
		client.Execution{Request: o.id, Customer: o.owner, Template: string(o.deed.kind()), Currency: currency, Fields: o.deed.fields(b.ja)})
	if err != nil {
		return b.notPermitted(ctx, o, err)
	}
	o.move([]state{executing}, func(s *status) { s.Permit, s.Tx = permit.JWS, permit.Transaction })
	if why, x := cautious(o.deed, permit.CoolingOff); why != "" { // changed since the customer was asked
		o.deed.free(b, o)
		o.move([]state{executing}, func(s *status) { s.Caution = x })
		o.end([]state{executing}, failed, why, b.cfg.Now())
		return nil
	}
	return b.perform(o)
}

// perform does what an order is about whose permit is here.
func (b *bank) perform(o *order) error {
	to, why, err := o.deed.perform(b, o)
	if err != nil {
		b.cfg.Log.Error("bank: an order could not be carried out", "order", o.id, "err", err)
		return err
	}
	o.end([]state{executing, booked}, to, why, b.cfg.Now())
	return nil
}

// notPermitted puts down what it means that there is no permit. Only a refusal frees what was secured: after a lost answer the permit may be ours.
func (b *bank) notPermitted(ctx context.Context, o *order, err error) error {
	var no *client.Problem
	if !errors.As(err, &no) {
		o.move([]state{executing}, func(s *status) { s.Why = "why_no_answer" })
		return err
	}
	o.deed.free(b, o)
	switch no.Kind {
	case client.KindMismatch:
		b.cfg.Log.Error("bank: an order is not what the customer approved", "order", o.id, "field", no.Text("field"))
		o.end([]state{executing}, mismatch, "", b.cfg.Now())
		return nil
	case client.KindConsumed:
		b.cfg.Log.Error("bank: somebody else has used the approval of an order", "order", o.id)
		o.end([]state{executing}, mismatch, "", b.cfg.Now())
		return nil
	case client.KindLapsed:
		o.end([]state{executing}, lapsed, "", b.cfg.Now())
		return nil
	case client.KindNotApproved:
		if to, isEnd := ends[client.State(no.Text("state"))]; isEnd {
			o.end([]state{executing}, to, "", b.cfg.Now())
			return nil
		}
	}
	o.move([]state{executing}, func(s *status) { s.State, s.Why = approved, "why_not_permitted" })
	return err
}

// settle posts the customer's transfers whose day has come. A bank does this every morning; here it is enough to do it before anybody looks.
func (b *bank) settle(owner string) {
	today := b.today()
	for _, o := range b.orders.of(owner) {
		if t, ok := o.deed.(transfer); ok && t.date <= today && o.status().State == booked {
			_ = b.perform(o) // it is in the log, and the next look repeats it
		}
	}
}

// cancel takes an order back that nothing has been executed of.
func (b *bank) cancel(ctx context.Context, o *order) error {
	if o.status().State == asking { // Only who knows the transaction can cancel it.
		if err := b.ask(ctx, o); err != nil && !errors.Is(err, errNotNow) {
			return err
		}
	}
	o.step.Lock()
	defer o.step.Unlock()
	switch s := o.status(); s.State {
	case draft:
		b.orders.drop(o)
		return nil
	case approved: // The approval stays unused; without this order nobody can use it.
		o.end([]state{approved}, cancelled, "", b.cfg.Now())
		return nil
	case waiting:
		t, err := b.api.CancelTransaction(ctx, s.Tx.ID)
		var no *client.Problem
		if errors.As(err, &no) { // She was faster, or the time was.
			t, err = b.api.Transaction(ctx, s.Tx.ID)
		}
		if err != nil {
			o.move([]state{waiting}, func(s *status) { s.Why = "why_no_answer" })
			return err
		}
		b.learn(o, t)
		return nil
	}
	return errNotNow
}

// clear cancels the transaction that stands in the way of this order. The server has named it as one of this customer's.
func (b *bank) clear(ctx context.Context, o *order) error {
	other := o.status().Other
	if other == "" {
		return errNotNow
	}
	for _, x := range b.orders.of(o.owner) {
		if x.status().Tx.ID == other {
			if err := b.cancel(ctx, x); err != nil {
				return err
			}
			o.move([]state{draft}, func(s *status) { s.Why, s.Other = "", "" })
			return nil
		}
	}
	_, err := b.api.CancelTransaction(ctx, other)
	var no *client.Problem
	if err != nil && !errors.As(err, &no) {
		return err
	}
	o.move([]state{draft}, func(s *status) { s.Why, s.Other = "", "" })
	return nil
}

// confirmOffline hands in the code that a phone without network has shown.
func (b *bank) confirmOffline(ctx context.Context, o *order, code string) error {
	o.step.Lock()
	defer o.step.Unlock()
	s := o.status()
	if s.State != waiting {
		return errNotNow
	}
	if len(code) != 8 {
		o.move([]state{waiting}, func(s *status) { s.Why = "why_code_form" })
		return nil
	}
	t, err := b.api.ConfirmOffline(ctx, s.Tx.ID, code)
	var no *client.Problem
	if errors.As(err, &no) {
		switch no.Kind {
		case client.KindOfflineWrong:
			o.move([]state{waiting}, func(s *status) { s.Why, s.Left = "why_offline_wrong", no.Number("tries_left") })
			return nil
		case client.KindOfflineBlocked:
			o.move([]state{waiting}, func(s *status) { s.Why, s.Left = "why_offline_blocked", 0 })
			return nil
		case client.KindOfflineUnfit:
			o.move([]state{waiting}, func(s *status) { s.Why, s.Left = "why_offline_unfit", 0 })
			return nil
		case client.KindFrozen: // the order waits on; the same code is good when it is over
			o.move([]state{waiting}, func(s *status) { s.Why, s.Left = "why_transfers_frozen", 0 })
			return nil
		}
		t, err = b.api.Transaction(ctx, s.Tx.ID)
	}
	if err != nil {
		o.move([]state{waiting}, func(s *status) { s.Why = "why_no_answer" })
		return err
	}
	b.learn(o, t)
	return nil
}

// follow waits for news of an order for as long as there can be any, whether or not anybody looks at the page: who approves in the app and closes the browser
// has her order executed all the same.
func (b *bank) follow(o *order) {
	if !o.status().Live || !o.following.CompareAndSwap(false, true) {
		return
	}
	go func() {
		defer o.following.Store(false)
		ctx, cancel := context.WithTimeout(context.Background(), followLimit)
		defer cancel()
		for failures := 0; failures < maxFailures && ctx.Err() == nil; {
			began := b.cfg.Now()
			s := o.status()
			err := b.advance(ctx, o, s)
			switch {
			case errors.Is(err, errNothingToFollow):
				return
			case err != nil:
				failures++
				pause(ctx, min(time.Duration(failures)*time.Second, 15*time.Second))
			case o.status().Version == s.Version && b.cfg.Now().Sub(began) < time.Second:
				pause(ctx, time.Second) // A server that does not wait is not asked without pause.
			default:
				failures = 0
			}
		}
	}()
}

// atOnce says whether an approved order is executed by itself. Only a transfer may wait for the customer to come back and press a button.
func (b *bank) atOnce(o *order) bool { return b.cfg.ExecuteAtOnce || o.deed.kind() != transferKind }

var errNothingToFollow = errors.New("bank: nothing to follow")

// advance takes the step that the order waits for, or waits for the customer's.
func (b *bank) advance(ctx context.Context, o *order, s status) error {
	switch {
	case s.State == asking:
		return b.ask(ctx, o)
	case s.State == executing, s.State == approved && b.atOnce(o) && s.Why == "":
		return b.execute(ctx, o)
	case s.State == waiting, s.State == approved:
		t, err := b.api.WaitTransaction(ctx, s.Tx.ID, s.Tx.State, waitFor)
		if err == nil {
			b.learn(o, t)
		}
		return err
	}
	return errNothingToFollow
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// creditOf is the account in the ledger that receives what a payee is sent.
func (b *bank) creditOf(p payee) string {
	switch {
	case p.Bank != ownCode:
		return clearingAccount
	case b.ledger.has(p.account()):
		return p.account()
	default:
		return insideAccount
	}
}

func feeOf(p payee) int64 {
	if p.Bank == ownCode {
		return 0
	}
	return otherFee
}

// inquire asks whose account it is. Accounts at this bank are known; the other banks' answers are made up.
func (b *bank) inquire(p payee) (string, bool) {
	if p.Bank == ownCode && b.ledger.has(p.account()) {
		for subject, person := range b.cfg.Customers {
			if person.Kana != "" && slices.ContainsFunc(accountsOf(subject), func(a account) bool { return a.ID() == p.account() }) {
				return person.Kana, true
			}
		}
	}
	return made(p)
}

// accounts gives a customer's accounts as the ledger has them; at the first look they are opened.
func (b *bank) accounts(subject string) []account {
	all := accountsOf(subject)
	for i := range all {
		a := &all[i]
		b.ledger.open(a.ID(), b.cfg.Now(), a.Opening)
		a.Balance, a.Held = b.ledger.balance(a.ID())
		a.Lines = b.ledger.history(a.ID())
	}
	return all
}
