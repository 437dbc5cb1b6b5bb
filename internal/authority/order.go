package authority

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/incident"
	orders "github.com/inkan-auth/inkan/internal/domain/order"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// orderRow is an order as it stands in the store.
type orderRow = db.StaffOrder

// orderKind is one thing that needs two persons. prepare reads what was asked and says what it is about and what it would change, in the write of the request; it runs again in the write that carries it
// out, and what it says then must be the same: what has changed meanwhile is asked anew. It names the customer with d.on. carry does it. done, where there is one, runs on this node after the commit.
type orderKind struct {
	ask, check staff.Act
	prepare    func(ctx context.Context, d *deed, body json.RawMessage) (target string, detail map[string]string, err error)
	carry      func(ctx context.Context, d *deed, o orderRow) error
	done       func(ctx context.Context, a *Authority) error
}

// orderKinds is everything that needs two persons and has no life of its own (C-70).
var orderKinds = map[string]orderKind{
	"service.restart":  {ask: staff.RestartAsk, check: staff.RestartCheck, prepare: prepareRestart, carry: carryRestart},
	"transfers.resume": {ask: staff.RestartAsk, check: staff.RestartCheck, prepare: prepareTransfers, carry: carryTransfers},
	"switch.set":       switchOrder,
	"staff.role":       roleOrder,
	"staff.resume":     resumeOrder,
	"staff.remove":     removeOrder,
	"policy.set":       policyOrder,
}

// Order is something that was asked for, as staff sees it.
type Order struct {
	ID, Kind, Target string
	Customer         string // whom it is about, if anybody
	Body             json.RawMessage
	Detail           map[string]string // what it would change, as it was when it was asked
	Reason           string
	Hash             string // of all of this; the checker says which one she saw
	State            orders.State

	Maker, MakerName     string
	Checker, CheckerName string
	CheckerReason        string
	Created, Expires     time.Time
	Ended                time.Time

	Mine     bool // this person has asked for it
	MayCheck bool // this member may carry it out or decline it now
}

// sees says whether a role is told of orders of this kind: who asks for them, who checks them, and who reads the trail.
func (k orderKind) sees(r staff.Role) bool {
	return staff.May(r, k.ask) || staff.May(r, k.check) || staff.May(r, staff.TrailSee)
}

// plainReason reads a reason in words: one paragraph that can be read, or a refusal that names the field.
func plainReason(s string, most int) (string, error) {
	s = strings.Join(strings.Fields(norm.NFC.String(s)), " ")
	if s == "" || utf8.RuneCountInString(s) > most || strings.ContainsFunc(s, func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }) {
		return "", problem.New(problem.Malformed, "field", "reason")
	}
	return s, nil
}

// canonicalBody writes what was asked in one form: the same order has the same bytes.
func canonicalBody(body any) (json.RawMessage, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	in := json.NewDecoder(bytes.NewReader(raw))
	in.UseNumber()
	var plain any
	if err := in.Decode(&plain); err != nil {
		return nil, err
	}
	return json.Marshal(plain)
}

// orderHash is over all that the checker sees, and over who asked.
func orderHash(o orderRow) []byte {
	return orders.Hash([]byte(o.ID), []byte(o.Kind), []byte(o.Target), []byte(o.Customer), []byte(o.Body), []byte(o.Detail), []byte(o.Reason), []byte(o.Maker), []byte(o.MakerPerson), o.MakerSession,
		[]byte(o.MakerPasskey), []byte(store.Time(o.CreatedAt).Format(time.RFC3339Nano)))
}

// AskOrder asks for something that another person then checks. Asked twice by the same member it is one order; what somebody else has asked about the same thing is decided first.
func (a *Authority) AskOrder(ctx context.Context, s StaffSession, kind string, body any, reason string) (Order, error) {
	k, ok := orderKinds[kind]
	if !ok {
		return Order{}, problem.New(problem.NotFound)
	}
	plain, err := canonicalBody(body)
	if err != nil {
		return Order{}, problem.New(problem.Malformed)
	}
	var row orderRow
	err = a.atDesk(ctx, s, k.ask, audit.OrderAsk, func(ctx context.Context, d *deed) error {
		reason, err := plainReason(reason, orders.ReasonLength)
		if err != nil {
			return err
		}
		target, detail, err := k.prepare(ctx, d, plain)
		if err != nil {
			return err
		}
		shown, err := json.Marshal(detail)
		if err != nil {
			return err
		}
		row = orderRow{ID: a.newID(ident.Order, d.now), Kind: kind, Target: target, Customer: d.customer, Body: string(plain), Detail: string(shown), Reason: reason, State: string(orders.Asked), Maker: s.Staff,
			MakerPerson: s.Person, MakerSession: s.hash, MakerPasskey: s.Passkey, CreatedAt: store.Micros(d.now), ExpiresAt: store.Micros(d.now.Add(orders.Open))}
		row.Hash = orderHash(row)
		insert := func() (bool, error) {
			return store.Once(d.InsertOrder(ctx, db.InsertOrderParams{ID: row.ID, Kind: row.Kind, Target: row.Target, Customer: row.Customer, Body: row.Body, Detail: row.Detail, Reason: row.Reason, Hash: row.Hash,
				Maker: row.Maker, MakerPerson: row.MakerPerson, MakerSession: row.MakerSession, MakerPasskey: row.MakerPasskey, CreatedAt: row.CreatedAt, ExpiresAt: row.ExpiresAt}))
		}
		made, err := insert()
		if err != nil {
			return err
		}
		if !made {
			open, err := d.OpenOrderOf(ctx, db.OpenOrderOfParams{Kind: kind, Target: target})
			if err != nil { // decided in this very moment
				return orKind(notNone(err), problem.Conflict)
			}
			switch {
			case open.ExpiresAt <= row.CreatedAt: // over, and nobody has written so yet
				if err := d.expireOrder(ctx, open); err != nil {
					return err
				}
				if made, err = insert(); err != nil || !made {
					return orKind(err, problem.Conflict)
				}
			case open.Maker == s.Staff && open.Body == row.Body && open.Detail == row.Detail && open.Reason == row.Reason: // the same button twice
				row = open
			default:
				return problem.New(problem.OrderOpen, "id", open.ID)
			}
		}
		d.on(row.Customer, row.ID)
		d.detail = orderFacts(row)
		return nil
	})
	if err != nil {
		return Order{}, err
	}
	return a.Order(ctx, s, row.ID)
}

// orderFacts are what the trail says of an order beside its identifier.
func orderFacts(o orderRow) map[string]string {
	return map[string]string{"kind": o.Kind, "target": o.Target, "body": o.Body, "words": o.Reason, "hash": hex.EncodeToString(o.Hash)}
}

// notNone is err unless it only says that there is nothing.
func notNone(err error) error {
	if errors.Is(err, store.ErrNone) {
		return nil
	}
	return err
}

// expireOrder writes down that nobody has checked an order in time.
func (d *deed) expireOrder(ctx context.Context, o orderRow) error {
	if _, err := d.ExpireOrder(ctx, db.ExpireOrderParams{ID: o.ID, EndedAt: store.Micros(d.now)}); err != nil {
		return err
	}
	return d.Record(ctx, audit.Entry{ID: d.a.newID(ident.Entry, d.now), At: d.now, Actor: audit.Actor{Kind: audit.Clock}, Action: audit.OrderExpire, Customer: o.Customer, Object: o.ID, Outcome: audit.Done})
}

// orderByID finds an order that this member may know of.
func (a *Authority) orderByID(ctx context.Context, s StaffSession, id string) (orderRow, orderKind, error) {
	if err := a.seesDesk(s, staff.OrderSee); err != nil {
		return orderRow{}, orderKind{}, err
	}
	if ident.Check(ident.Order, id) != nil {
		return orderRow{}, orderKind{}, problem.New(problem.NotFound)
	}
	row, err := a.Store.Reader().OrderByID(ctx, id)
	k, ok := orderKinds[row.Kind]
	if errors.Is(err, store.ErrNone) || err == nil && (!ok || !k.sees(s.Role)) {
		return row, k, problem.New(problem.NotFound)
	}
	return row, k, err
}

// CheckOrder carries an order out, or declines it, for a second person who has seen it: hash is that of what she saw. In one write it is decided once, both members' standing is read again, it is looked
// at whether it would still change what she saw, and it is done. Sent again because the answer was lost, the same decision of the same member is no error.
func (a *Authority) CheckOrder(ctx context.Context, s StaffSession, id, hash string, yes bool, reason string) (Order, error) {
	row, k, err := a.orderByID(ctx, s, id)
	if err != nil {
		return Order{}, err
	}
	on, action := orders.Decline, audit.OrderDecline
	if yes {
		on, action = orders.Carry, audit.OrderCarry
	}
	to, _ := orders.Life.Next(orders.Asked, on)
	given, _ := hex.DecodeString(hash)
	if row.State == string(to) && row.Checker == s.Staff && bytes.Equal(given, row.Hash) {
		return a.Order(ctx, s, id)
	}
	err = a.atDesk(ctx, s, k.check, action, func(ctx context.Context, d *deed) error {
		row, err := d.OrderByID(ctx, id)
		if err != nil {
			return err
		}
		d.on(row.Customer, id)
		d.detail = orderFacts(row)
		if samePerson(row.MakerPerson, row.Maker, row.MakerPasskey, row.MakerSession, s) {
			return problem.New(problem.OrderOwn)
		}
		if state := orders.ShownState(orders.State(row.State), store.Time(row.ExpiresAt), d.now); state != orders.Asked {
			return problem.New(problem.OrderOver, "state", string(state))
		}
		if !bytes.Equal(given, row.Hash) || !bytes.Equal(orderHash(row), row.Hash) { // she saw something else, or somebody has changed the row under us
			return problem.New(problem.OrderStale)
		}
		words := ""
		if !yes || reason != "" {
			if words, err = plainReason(reason, orders.ReasonLength); err != nil {
				return err
			}
			d.detail["answer"] = words
		}
		decided, err := store.Once(d.DecideOrder(ctx, db.DecideOrderParams{ID: id, State: string(to), Checker: s.Staff, CheckerPerson: s.Person, CheckerReason: words, EndedAt: store.Micros(d.now), Hash: row.Hash}))
		if err != nil {
			return err
		}
		if !decided { // somebody was faster, or a fence stands between
			return problem.New(problem.Conflict)
		}
		if !yes {
			return nil
		}
		maker, err := d.StaffByID(ctx, row.Maker)
		if err != nil {
			return err
		}
		if staff.State(maker.State) != staff.Active || !staff.May(staff.Role(maker.Role), k.ask) || maker.Person != row.MakerPerson {
			return problem.New(problem.OrderMaker)
		}
		target, detail, err := k.prepare(ctx, d, json.RawMessage(row.Body))
		if err != nil {
			return err
		}
		var was map[string]string
		if err := json.Unmarshal([]byte(row.Detail), &was); err != nil {
			return err
		}
		if target != row.Target || d.customer != row.Customer || !maps.Equal(detail, was) {
			return problem.New(problem.OrderStale)
		}
		d.on(row.Customer, id)
		return k.carry(ctx, d, row)
	})
	if err == nil && yes && k.done != nil {
		err = k.done(ctx, a)
	}
	if err != nil {
		return Order{}, err
	}
	return a.Order(ctx, s, id)
}

// WithdrawOrder takes back what this member has asked for. Taking back what she has taken back already is no error.
func (a *Authority) WithdrawOrder(ctx context.Context, s StaffSession, id string) error {
	row, _, err := a.orderByID(ctx, s, id)
	if err != nil || row.Maker == s.Staff && row.State == string(orders.Withdrawn) {
		return err
	}
	return a.atDesk(ctx, s, staff.OrderSee, audit.OrderWithdraw, func(ctx context.Context, d *deed) error {
		d.on(row.Customer, id)
		if row.Maker != s.Staff {
			return problem.New(problem.Forbidden)
		}
		ended, err := store.Once(d.Queries.WithdrawOrder(ctx, db.WithdrawOrderParams{ID: id, Maker: s.Staff, EndedAt: store.Micros(d.now)}))
		if err != nil || ended {
			return err
		}
		row, err := d.OrderByID(ctx, id)
		if err != nil {
			return err
		}
		return problem.New(problem.OrderOver, "state", string(orders.ShownState(orders.State(row.State), store.Time(row.ExpiresAt), d.now)))
	})
}

// orderOf is an order as this member sees it.
func (a *Authority) orderOf(ctx context.Context, s StaffSession, r orderRow, now time.Time, names map[string]string) (Order, error) {
	o := Order{ID: r.ID, Kind: r.Kind, Target: r.Target, Customer: r.Customer, Body: json.RawMessage(r.Body), Reason: r.Reason, Hash: hex.EncodeToString(r.Hash),
		State: orders.ShownState(orders.State(r.State), store.Time(r.ExpiresAt), now), Maker: r.Maker, Checker: r.Checker, CheckerReason: r.CheckerReason,
		Created: store.Time(r.CreatedAt), Expires: store.Time(r.ExpiresAt), Ended: store.Time(r.EndedAt), Mine: r.Maker == s.Staff || r.MakerPerson == s.Person}
	o.MayCheck = o.State == orders.Asked && staff.May(s.Role, orderKinds[r.Kind].check) && !samePerson(r.MakerPerson, r.Maker, r.MakerPasskey, r.MakerSession, s)
	if err := json.Unmarshal([]byte(r.Detail), &o.Detail); err != nil {
		return o, err
	}
	var err error
	if o.MakerName, err = a.staffName(ctx, r.Maker, names); err != nil {
		return o, err
	}
	o.CheckerName, err = a.staffName(ctx, r.Checker, names)
	return o, err
}

// staffName is the name of a member; names remembers those that a page has asked for.
func (a *Authority) staffName(ctx context.Context, id string, names map[string]string) (string, error) {
	if name, ok := names[id]; ok || id == "" {
		return name, nil
	}
	row, err := a.Store.Reader().StaffByID(ctx, id)
	if notNone(err) != nil {
		return "", err
	}
	names[id] = row.Name
	return row.Name, nil
}

// Order is one order.
func (a *Authority) Order(ctx context.Context, s StaffSession, id string) (Order, error) {
	now, err := a.moment()
	if err != nil {
		return Order{}, err
	}
	row, _, err := a.orderByID(ctx, s, id)
	if err != nil {
		return Order{}, err
	}
	return a.orderOf(ctx, s, row, now, map[string]string{})
}

// OrderList says which orders a list has.
type OrderList string

// The lists.
const (
	OrdersOpen    OrderList = "open"    // nobody has decided them yet
	OrdersMine    OrderList = "mine"    // this member has asked for them
	OrdersDecided OrderList = "decided" // they have ended, in whatever way
)

// OrderPage is how many orders one page of a list has.
const OrderPage = 30

// Orders is a list of the orders that this member may know of, from before one of them on; next is where the following page begins, empty at the end. What is open is never more than one page: it ends
// within half an hour.
func (a *Authority) Orders(ctx context.Context, s StaffSession, which OrderList, before string) (out []Order, next string, err error) {
	now, err := a.moment()
	if err != nil {
		return nil, "", err
	}
	if err := a.seesDesk(s, staff.OrderSee); err != nil {
		return nil, "", err
	}
	if before == "" {
		before = afterAll(ident.Order)
	} else if ident.Check(ident.Order, before) != nil {
		return nil, "", problem.New(problem.NotFound)
	}
	q := a.Store.Reader()
	var rows []orderRow
	switch which {
	case OrdersOpen:
		if rows, err = q.OpenOrders(ctx, db.OpenOrdersParams{ExpiresAt: store.Micros(now), Limit: 500}); err != nil {
			return nil, "", err
		}
		rows = slices.DeleteFunc(rows, func(r orderRow) bool { return !orderKinds[r.Kind].sees(s.Role) })
	case OrdersMine:
		if rows, err = q.OrdersBy(ctx, db.OrdersByParams{Maker: s.Staff, ID: before, Limit: OrderPage + 1}); err != nil {
			return nil, "", err
		}
	case OrdersDecided: // the newest of each kind that she may know of; an index has them in this order
		for kind, k := range orderKinds {
			if !k.sees(s.Role) {
				continue
			}
			some, err := q.EndedOrders(ctx, db.EndedOrdersParams{Kind: kind, ID: before, Limit: OrderPage + 1})
			if err != nil {
				return nil, "", err
			}
			rows = append(rows, some...)
		}
		slices.SortFunc(rows, func(x, y orderRow) int { return strings.Compare(y.ID, x.ID) })
	default:
		return nil, "", problem.New(problem.NotFound)
	}
	if which != OrdersOpen && len(rows) > OrderPage {
		rows = rows[:OrderPage]
		next = rows[OrderPage-1].ID
	}
	names := map[string]string{}
	for _, r := range rows {
		o, err := a.orderOf(ctx, s, r, now, names)
		if err != nil {
			return nil, "", err
		}
		out = append(out, o)
	}
	return out, next, nil
}

// sweepOrders writes down which orders nobody has checked in time.
func (a *Authority) sweepOrders(ctx context.Context, now time.Time) error {
	rows, err := a.Store.Reader().DueOrders(ctx, db.DueOrdersParams{ExpiresAt: store.Micros(now), Limit: 100})
	if err != nil {
		return err
	}
	for _, r := range rows {
		err := a.do(ctx, audit.Actor{Kind: audit.Clock}, audit.OrderExpire, func(ctx context.Context, d *deed) error {
			d.on(r.Customer, r.ID)
			return store.Must(d.ExpireOrder(ctx, db.ExpireOrderParams{ID: r.ID, EndedAt: store.Micros(d.now)}))
		})
		if err != nil && problem.KindOf(err) != problem.Conflict {
			return err
		}
	}
	return nil
}

// restartBody is what an order to let a customer go on says.
type restartBody struct {
	Customer string `json:"customer"`
}

// prepareRestart says since when the service stands still: if it was started and stopped again meanwhile, that is another stop.
func prepareRestart(ctx context.Context, d *deed, body json.RawMessage) (string, map[string]string, error) {
	return prepareToGoOn(ctx, d, body, problem.ServiceRunning, func(c db.Customer) int64 { return c.StoppedAt })
}

// prepareTransfers says since when her transfers are stopped. What she has reported must have been looked into first: while the fraud desk has it open, nothing goes on.
func prepareTransfers(ctx context.Context, d *deed, body json.RawMessage) (string, map[string]string, error) {
	target, detail, err := prepareToGoOn(ctx, d, body, problem.TransfersRunning, func(c db.Customer) int64 { return c.TransfersStoppedAt })
	if err != nil {
		return "", nil, err
	}
	incidents, err := d.IncidentsOf(ctx, db.IncidentsOfParams{Customer: target, ID: afterAll(ident.Incident), Limit: 50})
	for _, i := range incidents {
		if i.Kind == string(incident.Reported) && i.ClosedAt == 0 {
			return "", nil, problem.New(problem.IncidentOpen)
		}
	}
	return target, detail, err
}

// prepareToGoOn reads whom an order to let go on is about; since is when she was stopped, and goesOn the refusal where she was not.
func prepareToGoOn(ctx context.Context, d *deed, body json.RawMessage, goesOn problem.Kind, since func(db.Customer) int64) (string, map[string]string, error) {
	var b restartBody
	if err := json.Unmarshal(body, &b); err != nil || ident.Check(ident.Customer, b.Customer) != nil {
		return "", nil, problem.New(problem.NotFound)
	}
	c, err := d.CustomerByID(ctx, b.Customer)
	if err != nil {
		return "", nil, orKind(notNone(err), problem.NotFound)
	}
	d.on(c.ID, "")
	at := since(c)
	if at == 0 {
		return "", nil, problem.New(goesOn)
	}
	return c.ID, map[string]string{"name": c.Name, "account": store.Customer(c).MaskedAccount(), "stopped": store.Time(at).Format(time.RFC3339Nano)}, nil
}

func carryRestart(ctx context.Context, d *deed, o orderRow) error {
	return d.restartService(ctx, o.Customer)
}

func carryTransfers(ctx context.Context, d *deed, o orderRow) error {
	return d.resumeTransfers(ctx, o.Customer)
}
