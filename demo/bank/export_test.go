package bank

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Inside is what tests see of a bank beyond its pages.
type Inside struct{ b *bank }

// NewInside makes a bank like New, and opens it.
func NewInside(cfg Config) (http.Handler, *Inside, error) {
	b, err := newBank(cfg)
	if err != nil {
		return nil, nil, err
	}
	return b.handler(), &Inside{b}, nil
}

// Reconcile adds the journal up.
func (i *Inside) Reconcile() error { return i.b.ledger.reconcile() }

// Bookings counts what was posted beside the opening balances.
func (i *Inside) Bookings() int {
	i.b.ledger.mu.Lock()
	defer i.b.ledger.mu.Unlock()
	return len(i.b.ledger.journal) - i.openings()
}

func (i *Inside) openings() int {
	n := 0
	for _, x := range i.b.ledger.books {
		if x.customer {
			n++
		}
	}
	return n
}

// Balance of an account of the ledger, and what is held on it.
func (i *Inside) Balance(account string) (balance, held int64) { return i.b.ledger.balance(account) }

// Clearing, Inside and Fees are the bank's own balances.
func (i *Inside) Clearing() int64 { n, _ := i.Balance(clearingAccount); return n }

// Fees is what customers have paid.
func (i *Inside) Fees() int64 { n, _ := i.Balance(feeAccount); return n }

// Account is the n-th account of a customer in the ledger, and its number.
func (i *Inside) Account(subject string, n int) (id, branch, kind, number string) {
	a := i.b.accounts(subject)[n]
	return a.ID(), a.Branch, a.Kind, a.Number
}

// Orders are the states of a customer's orders, the newest first.
func (i *Inside) Orders(subject string) (states []string) {
	for _, o := range i.b.orders.of(subject) {
		states = append(states, string(o.status().State))
	}
	return states
}

// Order makes an order without pages, to another bank or to a made-up account at this one.
func (i *Inside) Order(subject string, account int, bankCode string, amount int64) string {
	t := transfer{from: i.b.accounts(subject)[account], amount: amount, date: i.b.today()}
	t.from.Lines = nil
	bank, _ := findBank(bankCode)
	t.to = payee{Bank: bankCode, Branch: bank.Branches[0].Code, Type: "ordinary", Number: "7654321", Name: "ヤマモト ケンジ"}
	t.fee, t.credit = feeOf(t.to), i.b.creditOf(t.to)
	o := newOrder(subject, t, i.b.cfg.Now())
	i.b.orders.add(o)
	return o.id
}

var errState = errors.New("the order does not get there")

// Ask asks the customer, and waits until the bank knows the answer.
func (i *Inside) Ask(ctx context.Context, subject, id string, answer func(transaction string)) error {
	o, _ := i.b.orders.find(subject, id)
	for try := 0; o.status().State == draft || o.status().State == asking; try++ {
		if err := i.b.ask(ctx, o); try == 10 {
			return fmt.Errorf("%w: %s %s %v", errState, o.status().State, o.status().Why, err)
		}
	}
	answer(o.status().Tx.ID)
	t, err := i.b.api.WaitTransaction(ctx, o.status().Tx.ID, "pending", 5*time.Second)
	if err == nil {
		i.b.learn(o, t)
	}
	return err
}

// Execute executes an order.
func (i *Inside) Execute(ctx context.Context, subject, id string) error {
	o, _ := i.b.orders.find(subject, id)
	return i.b.execute(ctx, o)
}

// State is where an order stands.
func (i *Inside) State(subject, id string) string {
	o, ok := i.b.orders.find(subject, id)
	if !ok {
		return ""
	}
	return string(o.status().State)
}

// Alter changes what was approved behind the customer's back, as somebody with a hand in the bank's database would.
func (i *Inside) Alter(subject, id, number string) {
	o, _ := i.b.orders.find(subject, id)
	switch x := o.deed.(type) {
	case transfer:
		x.to.Number = number
		o.deed = x
	case registration:
		x.to.Number = number
		o.deed = x
	case raise:
		x.after, _ = strconv.ParseInt(number, 10, 64)
		o.deed = x
	}
}

// Payees are the numbers of a customer's registered payees.
func (i *Inside) Payees(subject string) (numbers []string) {
	for _, p := range i.b.payees.of(subject) {
		numbers = append(numbers, p.Number)
	}
	return numbers
}

// Register registers a payee without pages and approval.
func (i *Inside) Register(subject, id, number string) {
	i.b.payees.register(subject, registered{payee: payee{Bank: "0991", Branch: "011", Type: "ordinary", Number: number}, ID: id})
}

// Limit is what a customer can transfer in a day.
func (i *Inside) Limit(subject string) int64 { return i.b.ledger.limitOf(subject) }

// Lower lowers a customer's limit.
func (i *Inside) Lower(subject string, to int64) { i.b.ledger.lower(subject, to) }

// Raise raises a customer's limit without approval.
func (i *Inside) Raise(subject string, to int64) {
	_ = i.b.ledger.raise("by hand", subject, i.b.ledger.limitOf(subject), to)
}
