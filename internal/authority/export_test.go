package authority

import (
	"context"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/store"
)

// ByHand changes what a test needs otherwise, with an entry as the store demands.
func (a *Authority) ByHand(ctx context.Context, f func(ctx context.Context, tx *store.Tx) error) error {
	return a.do(ctx, audit.Actor{Kind: audit.Operator}, audit.FenceRaise, func(ctx context.Context, d *deed) error { return f(ctx, d.Tx) })
}

// SweepOnce is one round of the worker for what ends by the clock.
func (a *Authority) SweepOnce(ctx context.Context, owner string) error {
	return a.sweepOnce(ctx, owner)
}

// Approvals is how many approvals wait for a write, and how many writes of them are under way.
func (a *Authority) Approvals() (waiting, running int) {
	a.approvals.mu.Lock()
	defer a.approvals.mu.Unlock()
	return len(a.approvals.waiting), a.approvals.running
}

// CountFigures counts what has come into the trail, once.
func (a *Authority) CountFigures(ctx context.Context) error { return a.countFigures(ctx, a.Now()) }
