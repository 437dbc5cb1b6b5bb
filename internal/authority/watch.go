package authority

import (
	"context"
	"sync"
	"time"

	"github.com/inkan-auth/inkan/internal/store"
)

// watchers are those who want to know at once that something has changed: calls of the bank that wait for a transaction, and phones with the app open. They are told that
// they should look, never what there is to see.
type watchers struct {
	mu  sync.Mutex
	all map[string]map[*func()]struct{}
}

// Watch calls f whenever the transaction, or any transaction of the customer, with this identifier has changed, until the returned function is called. f must not block.
func (a *Authority) Watch(id string, f func()) (stop func()) {
	w := &a.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = map[string]map[*func()]struct{}{}
	}
	if w.all[id] == nil {
		w.all[id] = map[*func()]struct{}{}
	}
	w.all[id][&f] = struct{}{}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.all[id], &f)
		if len(w.all[id]) == 0 {
			delete(w.all, id)
		}
	}
}

// tell calls those who watch one of these.
func (a *Authority) tell(ids ...string) {
	a.watch.mu.Lock()
	var calls []func()
	for _, id := range ids {
		for f := range a.watch.all[id] {
			calls = append(calls, *f)
		}
	}
	a.watch.mu.Unlock()
	for _, f := range calls {
		f()
	}
}

// Relay runs until ctx ends and tells this node's watchers what other nodes have changed. Where the database belongs to this process alone there are none.
func (a *Authority) Relay(ctx context.Context) error {
	if a.Store.Alone() {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(lookAgain / 2)
	defer tick.Stop()
	since := store.Micros(a.Now())
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		// A change may be committed a little after its own time; looking back twice as far as a write may last costs a second look at a few rows.
		from := max(0, since-2*writeTimeout.Microseconds())
		rows, err := a.Store.Reader().TxnsChanged(ctx, from)
		if err != nil && ctx.Err() == nil {
			a.Log.Error("looking for what other nodes have changed", "err", err)
			continue
		}
		for _, r := range rows {
			if r.ChangedAt >= since-2*lookAgain.Microseconds() {
				a.tell(r.ID, r.Customer)
			}
			since = max(since, r.ChangedAt)
		}
	}
}
