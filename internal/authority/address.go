package authority

import (
	"context"
	"errors"
	"slices"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/customer"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// AskAddress has the customer's token app ask her about another mail address. It shows both in full: what is compared must not be cut.
func (a *Authority) AskAddress(ctx context.Context, s Session, mail string) (Errand, error) {
	mail, err := customer.ParseAddress(mail)
	if err != nil {
		return Errand{}, problem.New(problem.AddressRefused)
	}
	return a.Ask(ctx, s, ChangeAddress, mail)
}

// ChangeAddress puts another mail address in the place of the one on file, once the token app has approved it.
func (a *Authority) ChangeAddress(ctx context.Context, s Session, errand string) error {
	if _, err := a.customer(ctx, s.Customer); err != nil {
		return err
	}
	err := a.do(ctx, s.Actor(), audit.AddressChange, func(ctx context.Context, d *deed) error {
		row, err := d.errand(ctx, s, errand)
		if err != nil {
			return err
		}
		if err := d.spend(ctx, row, ChangeAddress, row.Object); err != nil {
			return err
		}
		next, err := d.replaceAddress(ctx, s.Customer, row.Object)
		if err != nil {
			return err
		}
		d.object = next.ID
		return errors.Join(d.cool(ctx, s.Customer, AddressChanged, next.ID, true), d.tellObject(ctx, s.Customer, "address_changed", next.ID, addressWords(next)))
	})
	if err == nil {
		a.tellErrand(ctx, errand)
	}
	return err
}

// addressWords are what a notice says of an address: enough to know one's own.
func addressWords(next customer.Address) map[string]string {
	return map[string]string{"address": customer.MaskAddress(next.Mail)}
}

// tellBefore tells of a new address that no token app has approved: the inbox, and the addresses that were there before. To the new one goes nothing that it authorises, and not even this.
func (d *deed) tellBefore(ctx context.Context, next customer.Address, topic string) error {
	all, err := d.objection(ctx, next.Customer, topic, next.ID, addressWords(next))
	if err != nil {
		return err
	}
	if err := d.noticed(ctx, next.Customer, topic, all); err != nil {
		return err
	}
	rows, err := d.AddressesToTell(ctx, db.AddressesToTellParams{Customer: next.Customer, ToldUntil: store.Micros(d.now)})
	if err != nil {
		return err
	}
	for _, row := range rows {
		if row.ID == next.ID {
			continue
		}
		if err := d.mail(ctx, store.Address(row), topic, all, d.now.Add(d.a.Rules().NoticeLife)); err != nil {
			return err
		}
	}
	return nil
}

// present is the address that is on file now, as it was given last.
func present(rows []db.Address) (at customer.Address, there bool) {
	for _, r := range rows { // the oldest first
		if r.State != string(customer.Retired) {
			at, there = store.Address(r), true
		}
	}
	return at, there
}

// replaceAddress puts an address on file. The one before is leaving: it stays told of everything for as long as its reader can object, and nothing else goes there.
func (d *deed) replaceAddress(ctx context.Context, customerID, mail string) (customer.Address, error) {
	rows, err := d.AddressesOf(ctx, customerID)
	if err != nil {
		return customer.Address{}, err
	}
	old, there := present(rows)
	if there && old.Mail == mail {
		return old, problem.New(problem.AddressRefused)
	}
	for _, row := range rows {
		if err := store.Must(d.LeaveAddress(ctx, db.LeaveAddressParams{ID: row.ID, ToldUntil: store.Micros(d.now.Add(d.a.Rules().ObjectionTime))})); err != nil {
			return old, err
		}
	}
	row, err := d.PutAddress(ctx, db.PutAddressParams{ID: d.a.newID(ident.Address, d.now), Customer: customerID, Mail: mail, Since: store.Micros(d.now), Replaces: old.ID})
	return store.Address(row), err
}

// restoreAddress takes an address away to which somebody has objected, with all that came after it, and puts the one before it back.
func (d *deed) restoreAddress(ctx context.Context, customerID, id string) (bool, error) {
	row, err := d.AddressByID(ctx, id)
	if err != nil || row.Customer != customerID || row.Replaces == "" {
		if errors.Is(err, store.ErrNone) {
			err = nil
		}
		return false, err
	}
	before, seen := row.Replaces, map[string]bool{row.Replaces: true}
	// First the one before: where it has left for good, or has been taken away itself, nothing is put back.
	back, err := store.Once(d.PutAddressBack(ctx, db.PutAddressBackParams{ID: before, ToldUntil: store.Micros(d.now)}))
	if err != nil || !back {
		return false, err
	}
	for !seen[row.ID] {
		seen[row.ID] = true
		if _, err := d.RetireAddress(ctx, row.ID); err != nil {
			return false, err
		}
		if _, err := d.EndCooling(ctx, db.EndCoolingParams{Customer: customerID, Object: row.ID, Until: store.Micros(d.now)}); err != nil {
			return false, err
		}
		next, err := d.AddressAfter(ctx, db.AddressAfterParams{Customer: customerID, Replaces: row.ID})
		if errors.Is(err, store.ErrNone) {
			break
		}
		if err != nil {
			return false, err
		}
		row = next
	}
	return true, d.also(ctx, audit.AddressRestore, before)
}

// addressOnFile is where a registration number may go: the newest address that is older than the time for objections, or the one it replaced for as long as that is leaving. An address that the
// bank has given is good at once. There is none where the customer has no address at all.
func (d *deed) addressOnFile(ctx context.Context, customerID string) (customer.Address, error) {
	rows, err := d.AddressesToTell(ctx, db.AddressesToTellParams{Customer: customerID, ToldUntil: store.Micros(d.now)})
	if err != nil {
		return customer.Address{}, err
	}
	at, there := present(rows)
	if !there {
		return at, problem.New(problem.AddressRefused)
	}
	for n := len(rows); n > 0 && at.Replaces != "" && at.Since.Add(d.a.Rules().ObjectionTime).After(d.now); n-- {
		i := slices.IndexFunc(rows, func(r db.Address) bool { return r.ID == at.Replaces })
		if i < 0 {
			break
		}
		at = store.Address(rows[i])
	}
	return at, nil
}

// Addresses are the customer's mail addresses as they stand: the one on file, and those that are leaving.
func (a *Authority) Addresses(ctx context.Context, s Session) ([]customer.Address, error) {
	now, err := a.moment()
	if err != nil {
		return nil, err
	}
	rows, err := a.Store.Reader().AddressesToTell(ctx, db.AddressesToTellParams{Customer: s.Customer, ToldUntil: store.Micros(now)})
	out := make([]customer.Address, len(rows))
	for i, r := range rows {
		out[i] = store.Address(r)
		out[i].State = out[i].ShownState(now)
	}
	return out, err
}
