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

// tellAll puts a notice into the customer's inbox, and for every address of hers into the outbox, one that has just been replaced among them. None can be switched off.
func (d *deed) tellAll(ctx context.Context, customerID, topic string, values map[string]string) error {
	if err := d.noticed(ctx, customerID, topic, values); err != nil {
		return err
	}
	addresses, err := d.AddressesToTell(ctx, db.AddressesToTellParams{Customer: customerID, ToldUntil: store.Micros(d.now)})
	if err != nil {
		return err
	}
	for _, row := range addresses {
		if err := d.mail(ctx, store.Address(row), topic, values, d.now.Add(d.a.Rules().NoticeLife)); err != nil {
			return err
		}
	}
	return nil
}

// mail puts one message into the outbox.
func (d *deed) mail(ctx context.Context, to customer.Address, topic string, values map[string]string, expires time.Time) error {
	m, err := d.message(to.Customer, to.ID, topic, values, expires)
	if err != nil {
		return err
	}
	return d.InsertOutbox(ctx, m)
}

// message is one message for the outbox. Its values are sealed: a registration number must not lie about in a table.
func (d *deed) message(customerID, address, topic string, values map[string]string, expires time.Time) (m db.InsertOutboxParams, err error) {
	plain, err := json.Marshal(d.mailValues(values))
	if err != nil {
		return m, err
	}
	id := d.a.newID(ident.Outbox, d.now)
	sealed, err := d.a.Keys.Seal("outbox", "outbox.sealed|"+id, plain)
	return db.InsertOutboxParams{ID: id, Customer: customerID, Topic: topic, Address: address, Sealed: sealed, CreatedAt: store.Micros(d.now), ExpiresAt: store.Micros(expires)}, err
}

// mailValues are the values of a notice, with those that every notice has.
func (d *deed) mailValues(values map[string]string) map[string]string {
	all := map[string]string{"device": d.by.Device, "time": d.now.Format(time.RFC3339), "phone_number": d.a.Bank.Phone}
	for k, v := range values {
		all[k] = v
	}
	return all
}
