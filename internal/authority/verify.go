package authority

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/store"
)

// groupLimit is how many deeds one commit carries at the most.
const groupLimit = 128

// committers is how many writes of one queue are under way at the same time. On PostgreSQL it is two: while the one waits for the disk, the other one is judged.
// Where a write is alone, a second one would only stand in line, with few deeds in it, while more and more arrive that could have come with it.
func (a *Authority) committers() int {
	if a.Store.Alone() {
		return 1
	}
	return 2
}

// queue holds deeds of one kind that have arrived and wait to be judged. Those that arrive while the writes before are under way are committed together:
// nobody waits for a timer, and a commit costs the same for one and for a hundred.
type queue[T interface{ whose() string }] struct {
	mu      sync.Mutex
	waiting []T
	running int
}

// join puts a deed into the queue. Those whose turn has come are handed to commit, by so many goroutines at the most.
func (q *queue[T]) join(v T, committers int, commit func(batch []T)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, v)
	if q.running == committers {
		return
	}
	q.running++
	go func() {
		for batch := q.take(); len(batch) > 0; batch = q.take() {
			commit(batch)
		}
	}()
}

// take gives the deeds for the next commit, in the order in which they came, but of each customer one: what the one writes, such as the count of tries that
// holds her guesser back, is there when the next one is judged. It gives none, and one committer less is running, when nobody waits.
func (q *queue[T]) take() []T {
	q.mu.Lock()
	defer q.mu.Unlock()
	var batch, later []T
	seen := make(map[string]bool, min(len(q.waiting), groupLimit))
	for _, v := range q.waiting {
		if len(batch) < groupLimit && !seen[v.whose()] {
			seen[v.whose()] = true
			batch = append(batch, v)
		} else {
			later = append(later, v)
		}
	}
	q.waiting = later
	if len(batch) == 0 {
		q.running--
	}
	return batch
}

// verification is one code with the customer it is said to be from, and the place for the answer.
type verification struct {
	ctx       context.Context
	by        audit.Actor
	ref, code string
	err       error
	done      chan struct{}
}

func (v *verification) whose() string { return v.ref }

// VerifyOTP lets a system of the bank check a code that the customer typed on the bank's own page. It uses the code up like any other door.
func (a *Authority) VerifyOTP(ctx context.Context, by audit.Actor, ref, code string) error {
	if !isRef(ref) {
		return problem.New(problem.NotFound)
	}
	v := &verification{ctx: ctx, by: by, ref: ref, code: code, done: make(chan struct{})}
	a.codes.join(v, a.committers(), a.verifyTogether)
	<-v.done
	return v.err
}

// isRef says whether a text can be a customer's reference at all (CheckCustomer). Others are never looked for: a database may not even be able to.
func isRef(ref string) bool {
	return len(ref) <= 64 && utf8.ValidString(ref) && !strings.ContainsRune(ref, 0)
}

// verifyTogether fills in the answers. When a write with several codes fails, each gets a write of its own, so that one broken row cannot
// close the door to its neighbours.
func (a *Authority) verifyTogether(batch []*verification) {
	defer func() {
		p := recover() // this is no handler's goroutine: nobody else would catch it
		for _, v := range batch {
			if p != nil {
				v.err = fmt.Errorf("%s: panic: %v", audit.OTPVerify, p)
			}
			close(v.done)
		}
	}()
	ctx := context.WithoutCancel(batch[0].ctx) // a caller who hangs up must not undo a count, least of all that of others
	if len(batch) > 1 {
		together, cancel := context.WithTimeout(ctx, writeTimeout)
		defer cancel()
		by := make([]audit.Actor, len(batch))
		for i, v := range batch {
			by[i] = v.by
		}
		refusals, err := a.doAll(together, by, audit.OTPVerify, func(ctx context.Context, deeds []*deed) error { return verifyCodes(ctx, deeds, batch) })
		switch {
		case err == nil:
			for i, v := range batch {
				v.err = refusals[i]
			}
			return
		case errors.Is(err, store.ErrUnknown) || together.Err() != nil:
			a.Log.Error("codes that arrived together were not verified", "codes", len(batch), "err", err)
			for _, v := range batch {
				v.err = problem.New(problem.Unavailable)
			}
			return
		}
	}
	for i, v := range batch {
		v.err = a.do(ctx, v.by, audit.OTPVerify, func(ctx context.Context, d *deed) error { return verifyCodes(ctx, []*deed{d}, batch[i:i+1]) })
	}
}

// verifyCodes judges codes of different customers inside one write.
func verifyCodes(ctx context.Context, deeds []*deed, batch []*verification) error {
	open := map[string]*spend{} // by the bank's reference
	var refs []string
	for i, v := range batch {
		if strings.ContainsRune(v.ref, 0) { // no text of a database; nobody is called so
			_ = deeds[i].refuse(problem.New(problem.NotFound))
			continue
		}
		open[v.ref] = &spend{deed: deeds[i], code: v.code}
		refs = append(refs, v.ref)
	}
	if len(refs) == 0 {
		return nil
	}
	customers, err := deeds[0].CustomersByRef(ctx, refs)
	if err != nil {
		return err
	}
	var spends []*spend
	for _, ref := range refs {
		s := open[ref]
		c, ok := customers[ref]
		s.on(c.ID, "")
		s.customer = c.ID
		switch {
		case !ok:
			_ = s.refuse(problem.New(problem.NotFound))
		case c.State != "active":
			_ = s.refuse(problem.New(problem.ServiceStopped))
		default:
			spends = append(spends, s)
		}
	}
	return spendOTPs(ctx, spends)
}
