package authority

import "context"

// SweepOnce is one round of the worker for what ends by the clock.
func (a *Authority) SweepOnce(ctx context.Context, owner string) error {
	return a.sweepOnce(ctx, owner)
}
