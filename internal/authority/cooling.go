package authority

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/passkey"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
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
	StaffRelease     Change = "staff_release" // two members of staff have opened what was shut
)

// Changes are all of them.
var Changes = []Change{TokenStarted, TokenMoved, TokenReissued, TokenRenewed, PasskeyAdded, PasskeyRemoved, AddressChanged, PasswordChanged, ServiceRestarted, StaffRelease}

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
		Since: store.Micros(d.now), Until: store.Micros(d.now.Add(d.a.Rules().CoolingOff))})
}

// coolingOf is what was changed lately: of each kind of change the last one, the oldest first. It counts as approved only if each of them was.
func coolingOf(ctx context.Context, q *db.Queries, customerID string, now time.Time) (out []Cooling, err error) {
	rows, err := q.CoolingOf(ctx, db.CoolingOfParams{Customer: customerID, Until: store.Micros(now)})
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		c := Cooling{Change: Change(r.Change), Object: r.Object, Approved: r.Approved, Since: store.Time(r.Since), Until: store.Time(r.Until)}
		if i := slices.IndexFunc(out, func(o Cooling) bool { return o.Change == c.Change }); i >= 0 {
			c.Approved = c.Approved && out[i].Approved
			if out[i].Until.After(c.Until) {
				c.Until = out[i].Until
			}
			out = slices.Delete(out, i, i+1)
		}
		out = append(out, c)
	}
	return out, nil
}

// CoolingUntil is when the last of the changes has cooled off; zero where there is none.
func CoolingUntil(changes []Cooling) (until time.Time) {
	for _, c := range changes {
		if c.Until.After(until) {
			until = c.Until
		}
	}
	return until
}

// permitted is how a permit says it.
func permitted(changes []Cooling) []transaction.Cooling {
	out := make([]transaction.Cooling, len(changes))
	for i, c := range changes {
		out[i] = transaction.Cooling{Change: string(c.Change), Approved: c.Approved, Since: c.Since, Until: c.Until}
	}
	return out
}

// CoolingOff is what was changed lately at the authenticators of the customer of a session.
func (a *Authority) CoolingOff(ctx context.Context, s Session) ([]Cooling, error) {
	now, err := a.moment()
	if err != nil {
		return nil, err
	}
	return coolingOf(ctx, a.Store.Reader(), s.Customer, now)
}

// CoolingOffOf is the same for a system of the bank, by its own reference.
func (a *Authority) CoolingOffOf(ctx context.Context, ref string) ([]Cooling, error) {
	now, err := a.moment()
	if err != nil {
		return nil, err
	}
	c, err := a.customerByRef(ctx, ref)
	if err != nil {
		return nil, err
	}
	return coolingOf(ctx, a.Store.Reader(), c.ID, now)
}

// Assurance is how far the bank can rely on it that it deals with this customer.
type Assurance struct {
	Stopped time.Time // since when her service stands still; zero where it does not

	Token        token.State // empty where there is none
	TokenSince   time.Time
	TokenExpires time.Time
	Verification bool // she confirms what she approves with her fingerprint, face or screen lock

	Synced, Bound int // passkeys that can be copied to her other devices, and such that cannot leave theirs

	LastLogin time.Time
	LastClass string // as in acr

	Cooling []Cooling
}

// AssuranceOf tells a system of the bank how a customer's authenticators stand, and what was changed at them lately.
func (a *Authority) AssuranceOf(ctx context.Context, ref string) (out Assurance, err error) {
	now, err := a.moment()
	if err != nil {
		return out, err
	}
	c, err := a.customerByRef(ctx, ref)
	if err != nil {
		return out, err
	}
	q := a.Store.Reader()
	out.Stopped = store.Time(c.StoppedAt)
	if row, err := q.CurrentToken(ctx, c.ID); err == nil {
		out.Token, out.TokenSince, out.TokenExpires, out.Verification = store.Token(row).ShownState(now), store.Time(row.StartedAt), store.Time(row.ExpiresAt), row.Verifier != ""
	} else if !errors.Is(err, store.ErrNone) {
		return out, err
	}
	keys, err := q.PasskeysOf(ctx, db.PasskeysOfParams{Party: loginParty, Owner: c.ID})
	if err != nil {
		return out, err
	}
	for _, k := range keys {
		switch p := store.Passkey(k); {
		case p.ShownState(now) != passkey.Active:
		case p.Credential.Bound():
			out.Bound++
		default:
			out.Synced++
		}
	}
	if last, err := q.LastFullSession(ctx, c.ID); err == nil {
		out.LastLogin, out.LastClass = store.Time(last.AuthAt), Session{AMR: strings.Fields(last.Amr)}.ACR()
	} else if !errors.Is(err, store.ErrNone) {
		return out, err
	}
	out.Cooling, err = coolingOf(ctx, q, c.ID, now)
	return out, err
}
