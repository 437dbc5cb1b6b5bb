package authority

import (
	"context"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
)

// PhoneProved reads, in a write, when the telephone was proved for an object.
func (a *Authority) PhoneProved(ctx context.Context, object string, since time.Time) (at time.Time, ok bool, err error) {
	err = a.do(ctx, audit.Actor{Kind: audit.Stranger}, audit.PhoneProve, func(ctx context.Context, d *deed) (err error) {
		at, _, ok, err = d.phoneProved(ctx, object, since)
		return err
	})
	return at, ok, err
}
