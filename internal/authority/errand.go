package authority

import (
	"context"
	"crypto/subtle"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/enrolment"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/passkey"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// Act is what a customer changes at an authenticator of hers. Passwords and one-time passwords open none of them (B-06): whoever relays them from a look-alike page must not be able
// to make himself at home.
type Act string

// The acts.
const (
	AddPasskey    Act = "passkey.add"
	RemovePasskey Act = "passkey.remove"
	StopUse       Act = "token.stop"
	ChangeAddress Act = "address.change" // its object is the new address
)

// templateOf is what the token app shows for an act.
var templateOf = map[Act]string{AddPasskey: "passkey", RemovePasskey: "passkey_remove", StopUse: "stop", ChangeAddress: "address"}

// longestShown is how long a text may be that a document shows whole.
const longestShown = 60

// ourselves is the client of transactions that the server itself asks for. No system of the bank can have this name: it has a sign that clientID does not allow.
const ourselves = "inkan:login"

// Errand is an act on its way: what the token app shows, or the mailed code, has to prove it before it is done, in the login in which it began and in no other.
type Errand struct {
	ID     string
	Act    Act
	Object string
	ByMail bool // proved by passwords and a mailed code, for want of a token
	// State is pending until it is proved, then approved, then consumed; or the way in which it came to nothing.
	State     transaction.State
	Display   map[string]string // what the token app shows, letter by letter, by language
	Reference string
	Expires   time.Time // of what it waits for now
}

// Ask has the customer's token app ask her about an act. Asking again for the same while it waits finds what waits already.
func (a *Authority) Ask(ctx context.Context, s Session, act Act, object string) (out Errand, err error) {
	if a.templates == nil {
		return out, problem.New(problem.Unavailable)
	}
	if !s.Full {
		return out, problem.New(problem.StepUp)
	}
	var row db.Errand
	err = a.do(ctx, s.Actor(), audit.ErrandAsk, func(ctx context.Context, d *deed) error {
		d.on(s.Customer, "")
		d.detail = map[string]string{"act": string(act)}
		t, err := d.approver(ctx, s.Customer)
		if err != nil {
			return err
		}
		fields, err := d.errandFields(ctx, s, act, object)
		if err != nil {
			return err
		}
		last, err := d.LatestErrand(ctx, s.Customer)
		if err != nil && !errors.Is(err, store.ErrNone) {
			return err
		}
		if err == nil && last.Txn != "" && last.Chain == s.Chain && last.Act == string(act) && last.Object == object && last.DoneAt == 0 {
			state, err := d.a.errandState(ctx, d.Queries, last, d.now)
			if err != nil {
				return err
			}
			if state == transaction.Pending || state == transaction.Approved {
				row = last
				d.object = row.ID
				return nil
			}
		}
		if err := d.freePending(ctx, s.Customer); err != nil {
			return err
		}
		id := a.newID(ident.Errand, d.now)
		d.object = id
		tmpl, ok := a.templates.Template(templateOf[act])
		if !ok { // a bundle from before this act, or the bank has left it out
			return problem.New(problem.Unavailable)
		}
		arranged, err := a.templates.Arrange(tmpl, fields)
		if err != nil {
			return fieldsRefused(err)
		}
		doc, err := d.offer(ctx, s.Customer, ourselves, tmpl, "JPY", arranged)
		if err != nil {
			return err
		}
		row = db.Errand{ID: id, Customer: s.Customer, Chain: s.Chain, Act: string(act), Object: object, Txn: doc.ID, CreatedAt: store.Micros(d.now), ExpiresAt: store.Micros(doc.Expires)}
		return errors.Join(d.insertErrand(ctx, row), d.wake(ctx, s.Customer, t, doc), d.also(ctx, audit.TransactionCreate, doc.ID))
	})
	if err != nil {
		return out, err
	}
	a.tell(row.Txn, row.Customer)
	return a.errandOf(ctx, row)
}

// approver is the token that can approve an errand. Whether transfers are confirmed by it, or stand still, does not matter here.
func (d *deed) approver(ctx context.Context, customerID string) (token.Token, error) {
	row, err := d.CurrentToken(ctx, customerID)
	if err != nil && !errors.Is(err, store.ErrNone) {
		return token.Token{}, err
	}
	t := store.Token(row)
	switch t.ShownState(d.now) {
	case token.Active:
		return t, nil
	case token.Expired:
		return t, problem.New(problem.TokenExpired, "expired", t.Expires)
	case token.Locked:
		return t, problem.New(problem.OTPLocked)
	}
	return t, problem.New(problem.ApprovalNeeded)
}

func (d *deed) insertErrand(ctx context.Context, e db.Errand) error {
	if e.CodeMac == nil {
		e.CodeMac = []byte{}
	}
	if e.Act == string(AddPasskey) { // her first passkey gives her a name among authenticators
		if _, err := d.SetHandle(ctx, db.SetHandleParams{ID: e.Customer, Handle: d.a.random(passkey.HandleBytes)}); err != nil {
			return err
		}
	}
	return d.InsertErrand(ctx, db.InsertErrandParams{ID: e.ID, Customer: e.Customer, Chain: e.Chain, Act: e.Act, Object: e.Object, Txn: e.Txn, CodeMac: e.CodeMac, CreatedAt: e.CreatedAt, ExpiresAt: e.ExpiresAt})
}

// errandFields are the facts that the customer compares: where the act was begun, and what it is about.
func (d *deed) errandFields(ctx context.Context, s Session, act Act, object string) (map[string]string, error) {
	device, browser, _ := strings.Cut(s.Device, " / ")
	if browser == "" {
		browser = "-"
	}
	f := map[string]string{"device": device, "browser": browser, "place": Place(s.Source), "at": d.now.UTC().Truncate(time.Minute).Format("2006-01-02T15:04:05Z")}
	switch act {
	case AddPasskey:
		if err := d.unfrozen(ctx, Registrations); err != nil {
			return nil, err
		}
		have, err := d.PasskeysOf(ctx, db.PasskeysOfParams{Party: loginParty, Owner: s.Customer})
		if err != nil {
			return nil, err
		}
		if len(have) >= d.a.Rules().Passkeys {
			return nil, problem.New(problem.PasskeysUsedUp, "limit", d.a.Rules().Passkeys)
		}
	case RemovePasskey:
		p, err := d.ownPasskey(ctx, s.Customer, object)
		if err != nil {
			return nil, err
		}
		f["passkey"] = p.Name
		if tmpl, ok := d.a.templates.Template(templateOf[act]); ok {
			if _, err := d.a.templates.Arrange(tmpl, f); err != nil { // a name of hers may have signs that no document shows, such as pictures
				f["passkey"] = p.RegisteredDevice
			}
		}
	case StopUse:
	case ChangeAddress:
		rows, err := d.AddressesOf(ctx, s.Customer)
		if err != nil {
			return nil, err
		}
		old, there := present(rows)
		switch {
		case there && old.Mail == object:
			return nil, problem.New(problem.AddressRefused)
		case len(object) > longestShown:
			return nil, problem.New(problem.AddressRefused)
		}
		f := map[string]string{"address.what": "mail", "address.after": object}
		if there && len(old.Mail) <= longestShown {
			f["address.before"] = old.Mail
		}
		return f, nil
	default:
		return nil, problem.New(problem.Malformed, "field", "act")
	}
	return f, nil
}

// Place writes a network as it is shown in a document, the same in every language: 192.0.2.*, 2001:db8:1:*.
func Place(source string) string {
	addr, _, _ := strings.Cut(source, "/")
	switch {
	case strings.Contains(addr, ":"):
		return strings.TrimSuffix(addr, "::") + ":*"
	case strings.HasSuffix(addr, ".0"):
		return strings.TrimSuffix(addr, "0") + "*"
	}
	return "-"
}

// AskByMail begins the act of a customer who has no token: with both of her passwords, and a code that goes to every address on file. What it leads to rests until the cooling-off is over.
func (a *Authority) AskByMail(ctx context.Context, s Session, act Act, login, confirm []byte) (out Errand, err error) {
	if !s.Full {
		return out, problem.New(problem.StepUp)
	}
	if act != AddPasskey || !a.Rules().PasskeyByMail {
		return out, problem.New(problem.ApprovalNeeded)
	}
	c, err := a.customer(ctx, s.Customer)
	if err != nil {
		return out, err
	}
	if err := a.checkPassword(ctx, s.Actor(), audit.ErrandAsk, c, loginPassword, login); err != nil {
		return out, err
	}
	if err := a.checkPassword(ctx, s.Actor(), audit.ErrandAsk, c, confirmPassword, confirm); err != nil {
		return out, err
	}
	var row db.Errand
	err = a.do(ctx, s.Actor(), audit.ErrandAsk, func(ctx context.Context, d *deed) error {
		id := a.newID(ident.Errand, d.now)
		d.on(c.ID, id)
		d.detail = map[string]string{"act": string(act), "by": "mail"}
		if inUse, err := d.tokenInUse(ctx, c.ID); err != nil || inUse {
			return orKind(err, problem.ApprovalNeeded)
		}
		if _, err := d.errandFields(ctx, s, act, ""); err != nil {
			return err
		}
		now, err := d.CustomerByID(ctx, c.ID)
		if err != nil {
			return err
		}
		if until := store.Time(now.ReapplyAt); until.After(d.now) { // whoever has just put an address of his own on file reads no code there while the old one can still object
			return problem.New(problem.WaitingTime, "until", until)
		}
		if err := d.notTooSoon(ctx, c.ID, "passkey_code"); err != nil {
			return err
		}
		addresses, err := d.AddressesOf(ctx, c.ID)
		if err != nil {
			return err
		}
		if len(addresses) == 0 {
			return problem.New(problem.AddressRefused)
		}
		code := enrolment.Digits([16]byte(a.random(16)), enrolment.NumberDigits)
		row = db.Errand{ID: id, Customer: c.ID, Chain: s.Chain, Act: string(act), CodeMac: a.errandMAC(id, code), CreatedAt: store.Micros(d.now), ExpiresAt: store.Micros(d.now.Add(a.Rules().MailCodeLife))}
		for _, to := range addresses {
			if err := d.mail(ctx, store.Address(to), "passkey_code", map[string]string{"number": code[:4] + " " + code[4:], "expires": store.Time(row.ExpiresAt).Format(time.RFC3339)}, store.Time(row.ExpiresAt)); err != nil {
				return err
			}
		}
		return d.insertErrand(ctx, row)
	})
	if err != nil {
		return out, err
	}
	return a.errandOf(ctx, row)
}

func (a *Authority) errandMAC(id, code string) []byte {
	return a.Keys.MAC("errand", []byte(id+"|"+code))
}

// ProveByMail takes the mailed code. A try is counted before the code is looked at; after the last one another code has to be asked for.
func (a *Authority) ProveByMail(ctx context.Context, s Session, id, code string) error {
	return a.do(ctx, s.Actor(), audit.ErrandProve, func(ctx context.Context, d *deed) error {
		row, err := d.errand(ctx, s, id)
		if err != nil {
			return err
		}
		if row.Txn != "" {
			return problem.New(problem.ApprovalNeeded)
		}
		if row.ProvedAt > 0 { // the answer was lost
			return nil
		}
		if row.ExpiresAt <= store.Micros(d.now) {
			return problem.New(problem.CodeBurnt)
		}
		n, err := d.CountErrandTry(ctx, db.CountErrandTryParams{ID: id, Hard: int64(a.Rules().MailCodeTries)})
		if errors.Is(err, store.ErrNone) {
			return problem.New(problem.CodeBurnt)
		}
		if err != nil {
			return err
		}
		if subtle.ConstantTimeCompare(row.CodeMac, a.errandMAC(id, code)) != 1 {
			if left := a.Rules().MailCodeTries - int(n); left > 0 {
				return d.refuse(problem.New(problem.CodeRefused, "tries_left", left))
			}
			return d.refuse(problem.New(problem.CodeBurnt))
		}
		return store.Must(d.ProveErrand(ctx, db.ProveErrandParams{ID: id, ProvedAt: store.Micros(d.now)}))
	})
}

// errand finds an errand of this login. Another login's, hers too, is not there: what was approved for one browser is done in no other.
func (d *deed) errand(ctx context.Context, s Session, id string) (db.Errand, error) {
	d.on(s.Customer, "")
	row, err := d.a.ownErrand(ctx, d.Queries, s, id)
	if err == nil {
		d.object = row.ID
	}
	return row, err
}

func (a *Authority) ownErrand(ctx context.Context, q *db.Queries, s Session, id string) (db.Errand, error) {
	if ident.Check(ident.Errand, id) != nil {
		return db.Errand{}, problem.New(problem.NotFound)
	}
	row, err := q.ErrandByID(ctx, id)
	if errors.Is(err, store.ErrNone) || err == nil && (row.Customer != s.Customer || row.Chain != s.Chain) {
		return db.Errand{}, problem.New(problem.NotFound)
	}
	return row, err
}

// ErrandOf tells how an errand of this login stands.
func (a *Authority) ErrandOf(ctx context.Context, s Session, id string) (Errand, error) {
	row, err := a.ownErrand(ctx, a.Store.Reader(), s, id)
	if err != nil {
		return Errand{}, err
	}
	return a.errandOf(ctx, row)
}

func (a *Authority) errandOf(ctx context.Context, row db.Errand) (Errand, error) {
	now, err := a.moment()
	if err != nil {
		return Errand{}, err
	}
	e := Errand{ID: row.ID, Act: Act(row.Act), Object: row.Object, ByMail: row.Txn == "", Expires: store.Time(row.ExpiresAt)}
	if row.Txn == "" {
		e.State = mailState(a, row, now)
		if row.ProvedAt > 0 {
			e.Expires = store.Time(row.ProvedAt).Add(a.Rules().ApprovalLife)
		}
		return e, nil
	}
	txn, err := a.Store.Reader().TxnByID(ctx, row.Txn)
	if err != nil {
		return e, err
	}
	t, err := a.transactionOf(ctx, a.Store.Reader(), txn, now)
	if err != nil {
		return e, err
	}
	e.State, e.Display = t.State, map[string]string{"ja": t.DisplayJA, "en": t.DisplayEN}
	e.Reference = transaction.Reference(t.ID)
	if t.State == transaction.Approved {
		e.Expires = t.ApprovedUntil
	}
	return e, nil
}

func (a *Authority) errandState(ctx context.Context, q *db.Queries, row db.Errand, now time.Time) (transaction.State, error) {
	if row.Txn == "" {
		return mailState(a, row, now), nil
	}
	txn, err := q.TxnByID(ctx, row.Txn)
	if err != nil {
		return "", err
	}
	return stateOf(txn, now), nil
}

// mailState is the state of an errand without a transaction, in the words of one.
func mailState(a *Authority, row db.Errand, now time.Time) transaction.State {
	switch {
	case row.DoneAt > 0 && row.ProvedAt > 0:
		return transaction.Consumed
	case row.DoneAt > 0:
		return transaction.Cancelled
	case row.ProvedAt > 0 && now.Before(store.Time(row.ProvedAt).Add(a.Rules().ApprovalLife)):
		return transaction.Approved
	case row.ProvedAt > 0:
		return transaction.Lapsed
	case row.ExpiresAt <= store.Micros(now) || int(row.Tries) >= a.Rules().MailCodeTries:
		return transaction.Expired
	}
	return transaction.Pending
}

// CancelErrand withdraws an errand of this login. Withdrawing what has ended changes nothing.
func (a *Authority) CancelErrand(ctx context.Context, s Session, id string) error {
	var row db.Errand
	err := a.do(ctx, s.Actor(), audit.ErrandCancel, func(ctx context.Context, d *deed) (err error) {
		if row, err = d.errand(ctx, s, id); err != nil {
			return err
		}
		if _, err := d.EndErrand(ctx, db.EndErrandParams{ID: id, DoneAt: store.Micros(d.now)}); err != nil || row.Txn == "" {
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
	})
	if err == nil && row.Txn != "" {
		a.tell(row.Txn, row.Customer)
	}
	return err
}

// spend uses an errand up in the write of the deed that it opens: once, and only for its own act and object.
func (d *deed) spend(ctx context.Context, row db.Errand, act Act, object string) error {
	if row.Act != string(act) || row.Object != object {
		return problem.New(problem.ApprovalNeeded)
	}
	state, err := d.a.errandState(ctx, d.Queries, row, d.now)
	if err != nil {
		return err
	}
	if state != transaction.Approved || row.DoneAt > 0 {
		return problem.New(problem.TransactionNotApproved, "state", string(state))
	}
	once, err := store.Once(d.EndErrand(ctx, db.EndErrandParams{ID: row.ID, DoneAt: store.Micros(d.now)}))
	if err != nil {
		return err
	}
	if !once {
		return store.ErrConflict
	}
	if row.Txn == "" {
		return nil
	}
	txn, err := d.TxnByID(ctx, row.Txn)
	if err != nil {
		return err
	}
	t, err := d.a.transactionOf(ctx, d.Queries, txn, d.now)
	if err != nil {
		return err
	}
	if err := d.consume(ctx, txn, t, row.ID); err != nil {
		return err
	}
	return d.also(ctx, audit.TransactionConsume, txn.ID)
}

// PhishingResistant says whether the session came by something that no look-alike page can pass on.
func (s Session) PhishingResistant() bool { return slices.Contains(s.AMR, "pop") }
