package bank

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// The bank's own accounts in the ledger.
const (
	openingAccount  = "opening"  // The other side of the balances that the demonstration begins with.
	clearingAccount = "clearing" // What is owed to other banks.
	insideAccount   = "inside"   // Payees of this bank who are no customers of the demonstration.
	feeAccount      = "fees"
)

// Why the ledger does not move money.
var (
	errShort   = errors.New("ledger: the balance is too small")
	errLimit   = errors.New("ledger: the limit of the day is reached")
	errMoved   = errors.New("ledger: the limit is not what it was when its raising was approved")
	errCeiling = errors.New("ledger: the limit cannot be so high")
	errOther   = errors.New("ledger: this request has posted something else")
	errUneven  = errors.New("ledger: the postings do not make a booking")
	errUnknown = errors.New("ledger: there is no such account")
)

// posting moves an amount in yen onto an account, or off it if negative.
type posting struct {
	account string
	amount  int64
}

// booking is one entry of the journal: postings that sum to zero, made under one request id.
type booking struct {
	request  string
	at       time.Time
	text     string // What the customer's statement says.
	postings []posting
}

// line is one movement as the statement of an account shows it.
type line struct {
	At      time.Time
	Text    string
	Amount  int64
	Balance int64
}

// What a customer can transfer in a day: as it is at first, and what it can be raised to.
const (
	firstLimit   = 1_000_000
	limitCeiling = 5_000_000
)

// limitDay is a customer's day, whose transfers together stay within her limit.
type limitDay struct{ owner, date string }

// hold keeps money free for an order between the moment when it may be executed and the moment when it is posted, and counts it for the limit of its day.
type hold struct {
	account string
	total   int64
	counted int64
	day     limitDay
}

type book struct {
	customer bool // Must never fall below zero.
	balance  int64
	lines    []line
}

// ledger is double entry in memory. Everything is done under one lock, as a bank's database does it in one transaction.
type ledger struct {
	mu      sync.Mutex
	books   map[string]*book
	journal []booking
	posted  map[string]int // Place in the journal by request id.
	holds   map[string]hold
	spent   map[limitDay]int64 // Posted and held.
	limits  map[string]int64   // Daily limits by customer, where they are not the first one.
	raised  map[string]bool    // Request ids that have raised a limit.
}

func newLedger() *ledger {
	l := &ledger{books: make(map[string]*book), posted: make(map[string]int), holds: make(map[string]hold),
		spent: make(map[limitDay]int64), limits: make(map[string]int64), raised: make(map[string]bool)}
	for _, own := range []string{openingAccount, clearingAccount, insideAccount, feeAccount} {
		l.books[own] = new(book)
	}
	return l
}

// open brings a customer's account with its first balance into the ledger; one that is there stays as it is.
func (l *ledger) open(account string, at time.Time, balance int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.books[account] != nil {
		return
	}
	l.books[account] = &book{customer: true}
	l.write(booking{request: "open " + account, at: at, postings: []posting{{openingAccount, -balance}, {account, balance}}})
}

func (l *ledger) has(account string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.books[account] != nil
}

// hold is asked for before the permit is: it is the one step that decides whether an order may still be executed. Repeated, it is the same hold; after the
// posting it is nothing to do. Two orders that together are too much for the balance or the customer's limit cannot both get theirs.
func (l *ledger) hold(request string, h hold) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, done := l.posted[request]; done {
		return nil
	}
	if before, ok := l.holds[request]; ok {
		if before != h {
			return errOther
		}
		return nil
	}
	from := l.books[h.account]
	switch {
	case from == nil:
		return errUnknown
	case h.counted > l.limit(h.day.owner)-l.spent[h.day]:
		return errLimit
	case h.total > from.balance-l.held(h.account, ""):
		return errShort
	}
	l.holds[request] = h
	l.spent[h.day] += h.counted
	return nil
}

// release gives the money of an order free that will not be executed.
func (l *ledger) release(request string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h, ok := l.holds[request]; ok {
		delete(l.holds, request)
		l.spent[h.day] -= h.counted
	}
}

// post writes a booking and turns the hold of its request into it. The same request posts once, however often it is repeated.
func (l *ledger) post(b booking) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i, done := l.posted[b.request]; done {
		if !slices.Equal(l.journal[i].postings, b.postings) {
			return errOther
		}
		return nil
	}
	sum := int64(0)
	for _, p := range b.postings {
		x := l.books[p.account]
		switch {
		case x == nil:
			return errUnknown
		case p.amount == 0:
			return errUneven
		case x.customer && p.amount < 0 && x.balance+p.amount < l.held(p.account, b.request):
			return errShort
		}
		sum += p.amount
	}
	if sum != 0 || b.request == "" {
		return errUneven
	}
	delete(l.holds, b.request)
	l.write(b)
	return nil
}

// write carries out what has been checked.
func (l *ledger) write(b booking) {
	b.postings = slices.Clone(b.postings)
	l.posted[b.request] = len(l.journal)
	l.journal = append(l.journal, b)
	for _, p := range b.postings {
		x := l.books[p.account]
		x.balance += p.amount
		if x.customer && b.text != "" {
			x.lines = append(x.lines, line{At: b.at, Text: b.text, Amount: p.amount, Balance: x.balance})
		}
	}
}

// held is what is kept free on an account for others than the given request.
func (l *ledger) held(account, except string) int64 {
	sum := int64(0)
	for request, h := range l.holds {
		if h.account == account && request != except {
			sum += h.total
		}
	}
	return sum
}

// balance is what stands on an account, and how much of it is kept free for orders.
func (l *ledger) balance(account string) (balance, held int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if x := l.books[account]; x != nil {
		balance = x.balance
	}
	return balance, l.held(account, "")
}

// history is the statement of an account, the newest line first.
func (l *ledger) history(account string) []line {
	l.mu.Lock()
	defer l.mu.Unlock()
	x := l.books[account]
	if x == nil {
		return nil
	}
	lines := slices.Clone(x.lines)
	slices.Reverse(lines)
	return lines
}

// left is what remains of the limit of a customer's day.
func (l *ledger) left(day limitDay) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(0, l.limit(day.owner)-l.spent[day])
}

// limit is what a customer can transfer in a day; under the lock.
func (l *ledger) limit(owner string) int64 {
	if n, ok := l.limits[owner]; ok {
		return n
	}
	return firstLimit
}

// limitOf is what a customer can transfer in a day.
func (l *ledger) limitOf(owner string) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.limit(owner)
}

// lower makes a customer's limit smaller, and says whether it did. It never makes it larger, whatever has changed it in the meantime.
func (l *ledger) lower(owner string, to int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if to < 0 || to >= l.limit(owner) {
		return false
	}
	l.limits[owner] = to
	return true
}

// raise sets a limit to what the customer has approved, if it still is what she was shown as the limit before. The same request raises once.
func (l *ledger) raise(request, owner string, before, after int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.raised[request]:
		return nil
	case after > limitCeiling:
		return errCeiling
	case l.limit(owner) != before:
		return errMoved
	}
	l.raised[request], l.limits[owner] = true, after
	return nil
}

// reconcile adds up the journal anew and says what does not agree with the balances.
func (l *ledger) reconcile() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	sums := make(map[string]int64)
	seen := make(map[string]bool)
	for i, b := range l.journal {
		sum := int64(0)
		for _, p := range b.postings {
			sums[p.account] += p.amount
			sum += p.amount
			if x := l.books[p.account]; x.customer && sums[p.account] < 0 {
				errs = append(errs, fmt.Errorf("%s falls below zero with booking %d", p.account, i))
			}
		}
		if sum != 0 {
			errs = append(errs, fmt.Errorf("booking %d sums to %d", i, sum))
		}
		if seen[b.request] {
			errs = append(errs, fmt.Errorf("%s has posted twice", b.request))
		}
		seen[b.request] = true
		if _, still := l.holds[b.request]; still {
			errs = append(errs, fmt.Errorf("%s has posted and still holds", b.request))
		}
	}
	all := int64(0)
	for _, name := range slices.Sorted(maps.Keys(l.books)) {
		x := l.books[name]
		all += x.balance
		if x.balance != sums[name] {
			errs = append(errs, fmt.Errorf("%s shows %d, its journal %d", name, x.balance, sums[name]))
		}
		if x.customer && l.held(name, "") > x.balance {
			errs = append(errs, fmt.Errorf("more is held on %s than stands there", name))
		}
	}
	if all != 0 {
		errs = append(errs, fmt.Errorf("all accounts together show %d", all))
	}
	return errors.Join(errs...)
}
