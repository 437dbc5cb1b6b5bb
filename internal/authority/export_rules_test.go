package authority

import "context"

// LoadRules is one look of the worker at what other nodes have set.
func (a *Authority) LoadRules(ctx context.Context) error { return a.loadRules(ctx) }
