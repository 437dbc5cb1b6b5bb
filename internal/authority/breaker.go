package authority

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/incident"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// The global breaker (C-52): somebody who tries one code at each of a hundred thousand customers stays below every limit that a customer has. What gives him away is the bank as a whole: more wrong codes than right ones
// need. It is read from the trail by the node that sweeps, a slot of ten seconds at a time, so that no log-in counts anything for it.
const (
	breakerSlot     = 10 * time.Second
	breakerWindow   = 5 * time.Minute
	breakerFailures = 200 // more than so many wrong codes in the window,
	breakerShare    = 20  // and more than so many in a hundred
	// breakerLate is how long a slot is read again: an entry may be committed some seconds after its moment.
	breakerLate = 3 * breakerSlot
)

// codeCount is what happened to codes in one slot.
type codeCount struct{ right, wrong int64 }

// breaker remembers the slots that are over and read. A node that takes the lease over reads the window anew.
type breaker struct {
	mu     sync.Mutex
	slots  map[int64]codeCount // by the slot's beginning, in slots since 1970
	looked int64               // the last slot that was looked at
	told   int64               // the slot in which an alarm was last written down
}

// watchCodes looks at the codes of the last five minutes, at most once a slot, and opens an incident when they are too many wrong ones. While that is open it is counted there.
func (a *Authority) watchCodes(ctx context.Context, now time.Time) error {
	b := &a.breaker
	b.mu.Lock()
	defer b.mu.Unlock()
	slot := now.Unix() / int64(breakerSlot/time.Second)
	if slot == b.looked {
		return nil
	}
	if b.slots == nil || slot < b.looked {
		b.slots = map[int64]codeCount{}
	}
	first := slot - int64(breakerWindow/breakerSlot)
	var all codeCount
	for at := first; at <= slot; at++ {
		n, known := b.slots[at]
		if !known {
			var err error
			if n, err = a.codesIn(ctx, time.Unix(at*int64(breakerSlot/time.Second), 0)); err != nil {
				return err
			}
			if at < slot-int64(breakerLate/breakerSlot) {
				b.slots[at] = n
			}
		}
		all.right += n.right
		all.wrong += n.wrong
	}
	for at := range b.slots {
		if at < first {
			delete(b.slots, at)
		}
	}
	b.looked = slot
	if all.wrong <= breakerFailures || all.wrong*100 <= breakerShare*(all.right+all.wrong) {
		return nil
	}
	if slot >= b.told && slot-b.told < int64(time.Minute/breakerSlot) { // it goes on
		return nil
	}
	share := fmt.Sprintf("%d%%", all.wrong*100/(all.right+all.wrong))
	a.Log.Error("too many wrong one-time passwords in the whole bank", "wrong", all.wrong, "right", all.right, "window", breakerWindow)
	err := a.do(ctx, audit.Actor{Kind: audit.Server}, audit.BreakerTrip, func(ctx context.Context, d *deed) error {
		d.detail = map[string]string{"wrong": strconv.FormatInt(all.wrong, 10), "right": strconv.FormatInt(all.right, 10), "share": share}
		return d.incident(ctx, incident.Breaker, "", "bank", d.detail)
	})
	if err == nil { // otherwise the next slot tells it
		b.told = slot
	}
	return err
}

// codesIn counts the codes of one slot.
func (a *Authority) codesIn(ctx context.Context, from time.Time) (n codeCount, err error) {
	rows, err := a.Store.Reader().CodesIn(ctx, db.CodesInParams{ID: idAt(ident.Entry, from), ID_2: idAt(ident.Entry, from.Add(breakerSlot))})
	for _, r := range rows {
		switch {
		case r.Outcome == string(audit.Done):
			n.right += r.Count
		case len(failed(r.Reason)) > 0 && failed(r.Reason)[0] == CodesWrong:
			n.wrong += r.Count
		}
	}
	return n, err
}
