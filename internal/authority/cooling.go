package authority

import (
	"context"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// Change is a change of an authenticator or address after which the bank is told to be careful for a while (B-07). It is stored and sent, so it is never renamed.
type Change string

// The changes.
const (
	TokenStarted     Change = "token_started"
	TokenMoved       Change = "token_moved"
	TokenReissued    Change = "token_reissued"
	TokenRenewed     Change = "token_renewed"
	PasskeyAdded     Change = "passkey_added"
	PasskeyRemoved   Change = "passkey_removed"
	AddressChanged   Change = "address_changed"
	PasswordChanged  Change = "password_changed"
	ServiceRestarted Change = "service_restarted"
)

// Cooling is one such change. Until it is over the bank should let no new payee and no large amount pass; which, is the bank's policy.
type Cooling struct {
	Change       Change
	Object       string // identifier of what was changed
	Approved     bool   // a token app that was there before has approved it
	Since, Until time.Time
}

// cool begins the cooling-off after a change, in the write that makes it.
func (d *deed) cool(ctx context.Context, customerID string, change Change, object string, approved bool) error {
	return d.InsertCooling(ctx, db.InsertCoolingParams{ID: d.a.newID(ident.Cooling, d.now), Customer: customerID, Change: string(change), Object: object, Approved: approved,
		Since: store.Micros(d.now), Until: store.Micros(d.now.Add(d.a.Policy.CoolingOff))})
}
