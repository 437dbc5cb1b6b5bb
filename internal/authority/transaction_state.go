package authority

import (
	"context"
	"time"

	"github.com/inkan-auth/inkan/internal/store"
)

// TransactionState tells a customer how her transactions are confirmed: since when she has added transaction authentication, since when a report has stopped her transfers, and
// whether the bank asks every customer for it. A time is zero where that has not happened.
func (a *Authority) TransactionState(ctx context.Context, s Session) (since, stopped time.Time, always bool, err error) {
	c, err := a.Store.Reader().CustomerByID(ctx, s.Customer)
	return store.Time(c.TransactionAuthAt), store.Time(c.TransfersStoppedAt), a.Rules().TransactionAlways, err
}
