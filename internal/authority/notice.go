package authority

import (
	"context"
	"encoding/json"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/customer"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// mailNumber mails the registration number: sender, time, device, the app's address, what to do if it was not you; no key and no link to a
// page that asks for a password (M-11, R-033).
func (d *deed) mailNumber(ctx context.Context, to customer.Address, number string, ordered time.Time, device string, expires time.Time) error {
	return d.mail(ctx, to, "registration_number", map[string]string{"number": number[:4] + " " + number[4:], "app": d.a.Bank.TokenOrigin, "device": device,
		"time": ordered.UTC().Format(time.RFC3339), "expires": expires.UTC().Format(time.RFC3339)}, expires)
}

// tellAll puts a notice for every address of the customer into the outbox.
func (d *deed) tellAll(ctx context.Context, customerID, topic string, values map[string]string) error {
	addresses, err := d.AddressesOf(ctx, customerID)
	if err != nil {
		return err
	}
	for _, row := range addresses {
		if err := d.mail(ctx, store.Address(row), topic, values, d.now.Add(d.a.Policy.NoticeLife)); err != nil {
			return err
		}
	}
	return nil
}

// mail puts one message into the outbox. Its values are sealed: a registration number must not lie about in a table.
func (d *deed) mail(ctx context.Context, to customer.Address, topic string, values map[string]string, expires time.Time) error {
	all := map[string]string{"device": d.by.Device, "time": d.now.Format(time.RFC3339), "phone_number": d.a.Bank.Phone}
	for k, v := range values {
		all[k] = v
	}
	plain, err := json.Marshal(all)
	if err != nil {
		return err
	}
	id := d.a.newID(ident.Outbox, d.now)
	sealed, err := d.a.Keys.Seal("outbox", "outbox.sealed|"+id, plain)
	if err != nil {
		return err
	}
	return d.InsertOutbox(ctx, db.InsertOutboxParams{ID: id, Customer: to.Customer, Topic: topic, Address: to.ID, Sealed: sealed, CreatedAt: store.Micros(d.now), ExpiresAt: store.Micros(expires)})
}
