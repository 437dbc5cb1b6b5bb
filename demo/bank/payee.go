package bank

import (
	"slices"
	"sync"
	"time"
)

const maxPayees = 50 // Of one customer.

// registered is a payee that a customer has registered with her approval.
type registered struct {
	payee

	ID    string // Of the order that registered it; it names the payee in addresses, whatever else is registered or removed.
	Since time.Time
	Gone  bool // Removed. It stays in the book, so that the order which registered it cannot bring it back.
}

// payees are the registered payees of all customers. A bank keeps them in its database.
type payees struct {
	mu  sync.Mutex
	all map[string][]registered // By customer.
}

func newPayees() *payees { return &payees{all: make(map[string][]registered)} }

// of gives a customer's payees in the order in which they were registered.
func (x *payees) of(owner string) []registered {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(x.all[owner]), func(p registered) bool { return p.Gone })
}

// find gives a payee, also a removed one, to the customer who registered it and to nobody else.
func (x *payees) find(owner, id string) (registered, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	i := x.index(owner, id)
	if i < 0 {
		return registered{}, false
	}
	return x.all[owner][i], true
}

func (x *payees) index(owner, id string) int {
	return slices.IndexFunc(x.all[owner], func(p registered) bool { return p.ID == id })
}

// known says whether an account is among a customer's payees.
func (x *payees) known(owner string, p payee) bool { return x.obstacle(owner, p) == "why_known" }

// obstacle is the key of the text that says why a payee cannot be registered; empty if it can.
func (x *payees) obstacle(owner string, p payee) string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.against(owner, p)
}

func (x *payees) against(owner string, p payee) string {
	n := 0
	for _, r := range x.all[owner] {
		switch {
		case r.Gone:
		case r.sameAccount(p):
			return "why_known"
		default:
			n++
		}
	}
	if n >= maxPayees {
		return "why_full"
	}
	return ""
}

// register adds a payee, or says why not. The same order registers once, also if the payee has been removed since.
func (x *payees) register(owner string, p registered) (why string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.index(owner, p.ID) >= 0 {
		return ""
	}
	if why = x.against(owner, p.payee); why == "" {
		x.all[owner] = append(x.all[owner], p)
	}
	return why
}

func (x *payees) remove(owner, id string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if i := x.index(owner, id); i >= 0 {
		x.all[owner][i].Gone = true
	}
}

// registration makes an account one of the customer's payees.
type registration struct{ to payee }

func (registration) kind() kind { return payeeKind }

func (r registration) fields(map[string]string) map[string]string { return r.to.fields() }

func (r registration) hindrance(b *bank, o *order) string { return b.payees.obstacle(o.owner, r.to) }

func (r registration) secure(b *bank, o *order) (string, error) { return r.hindrance(b, o), nil }

func (registration) free(*bank, *order) {}

func (r registration) perform(b *bank, o *order) (state, string, error) {
	if why := b.payees.register(o.owner, registered{payee: r.to, ID: o.id, Since: b.cfg.Now()}); why != "" {
		return failed, why, nil
	}
	return done, "", nil
}
