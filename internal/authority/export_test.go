package authority

import "context"

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
