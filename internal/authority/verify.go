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

// codesTogether is how many codes one commit carries at the most.
const codesTogether = 128

// committers is how many writes of codes are under way at the same time. On PostgreSQL it is two: while the one waits for the disk, the other one is judged.
// Where a write is alone, a second one would only stand in line, with few codes in it, while more and more arrive that could have come with it.
func (a *Authority) committers() int {
	if a.Store.Alone() {
		return 1
	}
	return 2
}

// codes are the one-time passwords that the bank's systems have sent and that wait to be judged. Those that arrive while the writes before are under
// way are committed together: nobody waits for a timer, and a commit costs the same for one and for a hundred.
type codes struct {
	mu      sync.Mutex
	waiting []*verification
	running int
}

// verification is one code with the customer it is said to be from, and the place for the answer.
type verification struct {
	ctx       context.Context
	by        audit.Actor
	ref, code string
	err       error
	done      chan struct{}
}

// VerifyOTP lets a system of the bank check a code that the customer typed on the bank's own page. It uses the code up like any other door.
func (a *Authority) VerifyOTP(ctx context.Context, by audit.Actor, ref, code string) error {
	if !isRef(ref) {
		return problem.New(problem.NotFound)
	}
	v := &verification{ctx: ctx, by: by, ref: ref, code: code, done: make(chan struct{})}
	a.codes.mu.Lock()
	a.codes.waiting = append(a.codes.waiting, v)
	if a.codes.running < a.committers() {
		a.codes.running++
		go a.verifyWaiting()
	}
	a.codes.mu.Unlock()
	<-v.done
	return v.err
}

// isRef says whether a text can be a customer's reference at all (CheckCustomer). Others are never looked for: a database may not even be able to.
func isRef(ref string) bool {
	return len(ref) <= 64 && utf8.ValidString(ref) && !strings.ContainsRune(ref, 0)
}

// verifyWaiting judges and commits until nobody waits.
func (a *Authority) verifyWaiting() {
	for {
		batch := a.codes.take()
		if len(batch) == 0 {
			return
		}
		a.verifyTogether(batch)
		for _, v := range batch {
			close(v.done)
		}
	}
}

// take gives the codes for the next commit, in the order in which they came, but of each customer one: the count of tries between two codes of one
// customer is what holds her guesser back. It gives none, and one committer less is running, when nobody waits.
func (c *codes) take() []*verification {
	c.mu.Lock()
	defer c.mu.Unlock()
	var batch, later []*verification
	seen := map[string]bool{}
	for _, v := range c.waiting {
		if len(batch) < codesTogether && !seen[v.ref] {
			seen[v.ref] = true
			batch = append(batch, v)
		} else {
			later = append(later, v)
		}
	}
	c.waiting = later
	if len(batch) == 0 {
		c.running--
	}
	return batch
}

// verifyTogether fills in the answers. When a write with several codes fails, each gets a write of its own, so that one broken row cannot
// close the door to its neighbours.
func (a *Authority) verifyTogether(batch []*verification) {
	defer func() {
		if p := recover(); p != nil { // this is no handler's goroutine: nobody else would catch it
			for _, v := range batch {
				v.err = fmt.Errorf("%s: panic: %v", audit.OTPVerify, p)
			}
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
