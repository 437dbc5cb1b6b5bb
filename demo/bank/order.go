package bank

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/inkan-auth/inkan/client"
)

// state is where an order stands at the bank, which is not the same as where its transaction stands at the server: the bank also knows what it does not know.
type state string

const (
	draft     state = "draft"     // The confirmation page was shown; nobody has been asked.
	asking    state = "asking"    // The server was asked to ask the customer, and has not answered yet.
	waiting   state = "waiting"   // The customer is asked in the app.
	approved  state = "approved"  // She has approved; nothing is executed yet.
	executing state = "executing" // The permit was asked for and is not here yet.
	booked    state = "booked"    // The permit is here, and the day has not come.
	done      state = "done"
	rejected  state = "rejected"
	reported  state = "reported"
	expired   state = "expired"
	cancelled state = "cancelled"
	mismatch  state = "mismatch" // What was to be executed is not what was approved.
	lapsed    state = "lapsed"   // Approved, and executed too late.
	failed    state = "failed"   // Approved, and the bank itself would not execute it: limit or balance.
)

// over says whether nothing will happen to the order any more except that its day comes.
func (s state) over() bool {
	switch s {
	case draft, asking, waiting, approved, executing:
		return false
	}
	return true
}

// order is something that a customer wants done and that waits for her approval in the token app. Its deed and all that is set when it is made never change.
type order struct {
	id      string // Also the request id at the server and in the bank's books, so that each executes it once.
	owner   string
	receipt string // Number that the customer can quote.
	deed    deed
	made    time.Time

	step      sync.Mutex  // Held by whoever asks the server to do something with this order. It saves repeated calls; that nothing happens twice does not depend on it.
	following atomic.Bool // Somebody waits for the server's news of this order.

	mu      sync.Mutex
	now     status
	changed chan struct{} // Closed at every change.
}

// status is the part of an order that changes.
type status struct {
	State   state
	Key     string // Idempotency key of the transaction; made when the confirmation page was made.
	Tx      client.Transaction
	Permit  string
	Why     string  // Key of the text that says why it did not go on; empty if there is nothing to say.
	Other   string  // Transaction that stands in the way.
	Caution caution // Until when an order has to wait that Why says so of.
	Left    int     // Tries left for the offline code.
	Ended   time.Time
	Version int  // Counts the changes that a screen shows.
	Live    bool // Something is going on with the server, and the customer's screen may follow it.
}

func newOrder(owner string, what deed, at time.Time) *order {
	return &order{id: strings.ToUpper(string(what.kind()[:1])) + rand.Text(), owner: owner, deed: what, made: at, changed: make(chan struct{}), now: status{State: draft, Key: rand.Text(), Version: 1}}
}

// look gives the order as it is, and a channel that is closed when it is different.
func (o *order) look() (status, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.now
	s.Live = s.State == asking || s.State == waiting || s.State == approved || s.State == executing
	return s, o.changed
}

func (o *order) status() status {
	s, _ := o.look()
	return s
}

// move changes the order if it stands in one of the given states, and says whether it did. It is the one way in which an order changes.
func (o *order) move(from []state, change func(*status)) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !slices.Contains(from, o.now.State) {
		return false
	}
	before := o.now
	change(&o.now)
	if s := o.now; s.State != before.State || s.Why != before.Why || s.Left != before.Left || s.Other != before.Other {
		o.now.Version++
		close(o.changed)
		o.changed = make(chan struct{})
	}
	return true
}

// end moves to a last state.
func (o *order) end(from []state, to state, why string, at time.Time) bool {
	return o.move(from, func(s *status) { s.State, s.Why, s.Ended = to, why, at })
}

// path is the address of the order's page.
func (o *order) path() string { return pathOf[o.deed.kind()] + "/" + o.id }

// orders are all orders of all customers. A bank keeps them in its database.
type orders struct {
	mu    sync.Mutex
	all   map[string][]*order // By customer, the oldest first.
	count int
}

const (
	draftLife  = 30 * time.Minute
	maxDrafts  = 20 // Of one customer.
	maxHistory = 500
)

func newOrders() *orders {
	return &orders{all: make(map[string][]*order)}
}

// add takes a new order and drops drafts that nobody will come back to.
func (x *orders) add(o *order) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.count++
	o.receipt = fmt.Sprintf("%s-%05d", o.made.In(japan).Format("060102"), x.count)
	mine := append(x.all[o.owner], o)
	drafts := 0
	for i := len(mine) - 1; i >= 0; i-- {
		if mine[i].status().State != draft {
			continue
		}
		if drafts++; drafts > maxDrafts || o.made.Sub(mine[i].made) > draftLife {
			mine = slices.Delete(mine, i, i+1)
		}
	}
	if len(mine) > maxHistory {
		if i := slices.IndexFunc(mine, func(y *order) bool { s := y.status().State; return s.over() && s != booked }); i >= 0 {
			mine = slices.Delete(mine, i, i+1)
		}
	}
	x.all[o.owner] = mine
}

// find gives an order to its owner and to nobody else.
func (x *orders) find(owner, id string) (*order, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	i := slices.IndexFunc(x.all[owner], func(o *order) bool { return o.id == id })
	if i < 0 {
		return nil, false
	}
	return x.all[owner][i], true
}

// of gives the orders of a customer, the newest first, without drafts.
func (x *orders) of(owner string) []*order {
	x.mu.Lock()
	mine := slices.Clone(x.all[owner])
	x.mu.Unlock()
	mine = slices.DeleteFunc(mine, func(o *order) bool { return o.status().State == draft })
	slices.Reverse(mine)
	return mine
}

func (x *orders) drop(o *order) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.all[o.owner] = slices.DeleteFunc(x.all[o.owner], func(y *order) bool { return y == o })
}
