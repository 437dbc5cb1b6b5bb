package authority

import (
	"context"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/customer"
)

// AddressOnFile reads, in a write, where a registration number may go.
func (a *Authority) AddressOnFile(ctx context.Context, customerID string) (at customer.Address, err error) {
	err = a.do(ctx, audit.Actor{Kind: audit.Operator}, audit.FenceRaise, func(ctx context.Context, d *deed) (err error) {
		at, err = d.addressOnFile(ctx, customerID)
		return err
	})
	return at, err
}
