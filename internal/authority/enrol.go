package authority

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/customer"
	"github.com/inkan-auth/inkan/internal/domain/enrolment"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// TokenView is all that a customer may see of her token and of the course towards one.
type TokenView struct {
	Token        *token.Token         // in use, locked, suspended or expired; nil where there is none
	Enrolment    *enrolment.Enrolment // towards a first token
	Replacing    *enrolment.Enrolment // towards another token in the place of this one, begun elsewhere
	Phone        string               // platform of the phone that registered, while the enrolment waits for the start of use
	Address      customer.Address
	Mail         MailState
	DownloadsNow int       // registrations that count now
	Reapply      time.Time // zero, or when the next application is possible
}

// MailState is what became of the latest mail to the customer of its kind.
type MailState struct {
	State  string // waiting, sent, dropped, dead; empty where there was none
	At     time.Time
	Reason string // "bounced" where the address does not exist
}

// TokenOf gives the customer's token and enrolment as they are now.
func (a *Authority) TokenOf(ctx context.Context, s Session) (TokenView, error) {
	now, err := a.moment()
	if err != nil {
		return TokenView{}, err
	}
	q := a.Store.Reader()
	c, err := a.customer(ctx, s.Customer)
	if err != nil {
		return TokenView{}, err
	}
	v := TokenView{}
	if c.ReapplyAt.After(now) {
		v.Reapply = c.ReapplyAt
	}
	if row, err := q.CurrentToken(ctx, s.Customer); err == nil {
		t := store.Token(row)
		t.State = t.ShownState(now)
		v.Token = &t
	} else if !errors.Is(err, store.ErrNone) {
		return v, err
	}
	n, err := q.DownloadsSince(ctx, db.DownloadsSinceParams{Customer: s.Customer, RegisteredAt: store.Micros(now.Add(-a.Rules().DownloadWindow))})
	if err != nil {
		return v, err
	}
	v.DownloadsNow = int(n)
	addresses, err := q.AddressesOf(ctx, s.Customer)
	if err != nil || len(addresses) == 0 {
		return v, err
	}
	v.Address = store.Address(addresses[len(addresses)-1])
	if row, err := q.OpenEnrolment(ctx, s.Customer); err == nil && store.Time(row.ExpiresAt).After(now) {
		e := store.Enrolment(row)
		if e.Started() {
			v.Enrolment = &e
		} else {
			v.Replacing = &e
		}
		if e.Token != "" {
			t, err := q.TokenByID(ctx, e.Token)
			if err != nil {
				return v, err
			}
			v.Phone = t.Platform
		}
	} else if err != nil && !errors.Is(err, store.ErrNone) {
		return v, err
	}
	topics := []string{"registration_number", "address_test"}
	var latest db.Outbox
	for _, topic := range topics {
		if m, err := q.LatestOutbox(ctx, db.LatestOutboxParams{Customer: s.Customer, Topic: topic}); err == nil && m.CreatedAt > latest.CreatedAt {
			latest = m
		} else if err != nil && !errors.Is(err, store.ErrNone) {
			return v, err
		}
	}
	if latest.ID != "" {
		v.Mail = MailState{State: latest.State, At: store.Time(max(latest.CreatedAt, latest.EndedAt)), Reason: latest.Reason}
	}
	return v, nil
}

// Apply orders a token: the registration number goes to the address on file, the registration key waits to be shown (M-06). A second click finds the
// application that the first one made and is told so.
func (a *Authority) Apply(ctx context.Context, s Session, confirm []byte) error {
	c, err := a.applicant(ctx, s)
	if err != nil {
		return err
	}
	if err := a.checkPassword(ctx, s.Actor(), audit.TokenApply, c, confirmPassword, confirm); err != nil {
		return err
	}
	return a.do(ctx, s.Actor(), audit.TokenApply, func(ctx context.Context, d *deed) error {
		id := a.newID(ident.Enrolment, d.now)
		d.on(c.ID, id)
		if inUse, err := d.tokenInUse(ctx, c.ID); err != nil || inUse {
			return orKind(err, problem.TokenInUse)
		}
		if open, err := d.OpenEnrolment(ctx, c.ID); err == nil {
			if store.Time(open.ExpiresAt).After(d.now) {
				return problem.New(problem.EnrolmentOpen, "ordered", store.Time(open.OrderedAt))
			}
			if err := d.endEnrolment(ctx, store.Enrolment(open), enrolment.Expire); err != nil {
				return err
			}
		} else if !errors.Is(err, store.ErrNone) {
			return err
		}
		now, err := d.CustomerByID(ctx, c.ID)
		if err != nil {
			return err
		}
		if until := store.Time(now.ReapplyAt); until.After(d.now) {
			return problem.New(problem.WaitingTime, "until", until)
		}
		if err := d.downloadsLeft(ctx, c.ID); err != nil {
			return err
		}
		addresses, err := d.AddressesOf(ctx, c.ID)
		if err != nil {
			return err
		}
		if len(addresses) == 0 {
			return problem.New(problem.AddressRefused)
		}
		address := store.Address(addresses[len(addresses)-1])
		_, number, err := d.placeOrder(ctx, order{id: id, customer: c.ID, purpose: enrolment.First, address: address.ID, device: s.Device, source: s.Source, life: a.Rules().EnrolmentLife})
		if err != nil {
			return err
		}
		return errors.Join(d.mailNumber(ctx, address, number, d.now, s.Device, d.now.Add(a.Rules().EnrolmentLife)), d.noticed(ctx, c.ID, "token_ordered", nil))
	})
}

// order is what an enrolment begins with.
type order struct {
	id, customer, replaces string
	purpose                enrolment.Purpose
	address                string // where its number goes
	unseen                 bool   // its key opens nothing before it is handed over, which makes another one
	device, source         string // from where it was ordered
	life                   time.Duration
}

// placeOrder begins an enrolment with both of its codes. Two open enrolments with one number cannot be; the unique index sends us round again with another one.
func (d *deed) placeOrder(ctx context.Context, o order) (key enrolment.Key, number string, err error) {
	a := d.a
	if o.purpose != enrolment.Release { // what two members of staff grant is opened, and waits for its phone
		if err := d.unfrozen(ctx, Registrations); err != nil {
			return key, "", err
		}
	}
	key, sealed, err := a.makeKey(o.id)
	if err != nil {
		return key, "", err
	}
	keyLife := a.Rules().RegistrationKeyLife
	if o.unseen {
		keyLife = 0
	}
	number = enrolment.Digits([16]byte(a.random(16)), enrolment.NumberDigits)
	numberSealed, err := a.Keys.Seal("enrolment", "enrolment.number|"+o.id, []byte(number))
	if err != nil {
		return key, "", err
	}
	return key, number, d.InsertEnrolment(ctx, db.InsertEnrolmentParams{ID: o.id, Customer: o.customer, Purpose: string(o.purpose), Replaces: o.replaces, Address: o.address, KeySealed: sealed,
		KeyTypedMac: a.codeMAC(key.Typed), KeySecretMac: a.codeMAC(key.Secret), KeyExpiresAt: store.Micros(d.now.Add(keyLife)), NumberSealed: numberSealed,
		NumberMac: a.codeMAC(number), OrderedAt: store.Micros(d.now), OrderedDevice: o.device, OrderedSource: o.source, ExpiresAt: store.Micros(d.now.Add(o.life)), RequestHash: []byte{}})
}

// downloadsLeft refuses when the customer has registered as many phones as she may (M-13).
func (d *deed) downloadsLeft(ctx context.Context, customerID string) error {
	n, err := d.DownloadsSince(ctx, db.DownloadsSinceParams{Customer: customerID, RegisteredAt: store.Micros(d.now.Add(-d.a.Rules().DownloadWindow))})
	if err == nil && int(n) >= d.a.Rules().Downloads {
		return problem.New(problem.DownloadsUsedUp, "limit", d.a.Rules().Downloads)
	}
	return err
}

// applicant is the customer of a session that may apply: first passwords changed, nothing owed but the token itself.
func (a *Authority) applicant(ctx context.Context, s Session) (customer.Customer, error) {
	step, err := a.NextStep(ctx, s)
	if err != nil {
		return customer.Customer{}, err
	}
	if step != StepDone && step != StepApply {
		return customer.Customer{}, problem.New(problem.StepUp)
	}
	return a.customer(ctx, s.Customer)
}

// tokenInUse says whether a token stands in the way of another application, or a code is owed.
func (d *deed) tokenInUse(ctx context.Context, customerID string) (bool, error) {
	t, err := d.CurrentToken(ctx, customerID)
	if errors.Is(err, store.ErrNone) {
		return false, nil
	}
	return err == nil && owes(token.State(t.State)), err
}

// codeMAC is how registration keys and numbers are kept: a plain hash of a few digits could be searched.
func (a *Authority) codeMAC(code string) []byte { return a.Keys.MAC("registration", []byte(code)) }

// makeKey makes a registration key and its sealed form. Both forms are sealed together so that a reload shows the same key again.
func (a *Authority) makeKey(id string) (enrolment.Key, []byte, error) {
	key := enrolment.MakeKey([16]byte(a.random(16)), [16]byte(a.random(16)))
	sealed, err := a.Keys.Seal("enrolment", "enrolment.key|"+id, []byte(key.Secret+" "+key.Typed))
	return key, sealed, err
}

// KeyView is a registration key as the bank's screen shows it.
type KeyView struct {
	Link    string // for the QR and for the same phone
	Typed   string // 16 digits
	Expires time.Time
}

// RegistrationKey shows the key of the open enrolment. While a key lives, a reload and a second tab show the same one; when it has expired, or when the
// customer asks for it, a new one takes its place, so that one is alive at a time.
func (a *Authority) RegistrationKey(ctx context.Context, s Session, renew bool) (KeyView, error) {
	now, err := a.moment()
	if err != nil {
		return KeyView{}, err
	}
	if _, err := a.applicant(ctx, s); err != nil {
		return KeyView{}, err
	}
	row, err := a.openOrder(ctx, s.Customer, now)
	if err != nil {
		return KeyView{}, err
	}
	return a.registrationKey(ctx, s.Actor(), row, enrolment.First, renew)
}

// registrationKey shows the key of an enrolment of this purpose. The key of any other is shown where that one was begun, and nowhere else.
func (a *Authority) registrationKey(ctx context.Context, by audit.Actor, row db.Enrolment, purpose enrolment.Purpose, renew bool) (KeyView, error) {
	now, err := a.moment()
	if err != nil {
		return KeyView{}, err
	}
	if row.Purpose != string(purpose) {
		return KeyView{}, problem.New(problem.EnrolmentNone)
	}
	if expires := store.Time(row.KeyExpiresAt); !renew && expires.After(now) {
		b, err := a.Keys.Open("enrolment", "enrolment.key|"+row.ID, row.KeySealed)
		if err != nil {
			return KeyView{}, err
		}
		secret, typed, _ := strings.Cut(string(b), " ")
		return a.keyView(row.ID, enrolment.Key{Secret: secret, Typed: typed}, expires), nil
	}
	var view KeyView
	err = a.do(ctx, by, audit.KeyShow, func(ctx context.Context, d *deed) error {
		d.on(row.Customer, row.ID)
		row, err := d.EnrolmentByID(ctx, row.ID)
		if errors.Is(err, store.ErrNone) || err == nil && row.State != string(enrolment.Ordered) {
			return problem.New(problem.EnrolmentNone)
		}
		if err != nil {
			return err
		}
		key, sealed, err := a.makeKey(row.ID)
		if err != nil {
			return err
		}
		expires := d.now.Add(a.Rules().RegistrationKeyLife)
		view = a.keyView(row.ID, key, expires)
		return store.Must(d.SetRegistrationKey(ctx, db.SetRegistrationKeyParams{ID: row.ID, KeySealed: sealed, KeyTypedMac: a.codeMAC(key.Typed),
			KeySecretMac: a.codeMAC(key.Secret), KeyExpiresAt: store.Micros(expires), Version: row.Version}))
	})
	return view, err
}

func (a *Authority) keyView(id string, key enrolment.Key, expires time.Time) KeyView {
	return KeyView{Link: enrolment.Link(a.Bank.TokenOrigin, id, key.Secret, a.Keys.Issuer().RootThumbprint), Typed: key.Typed, Expires: expires}
}

// openOrder is the enrolment that still waits for a phone.
func (a *Authority) openOrder(ctx context.Context, customerID string, now time.Time) (db.Enrolment, error) {
	row, err := a.Store.Reader().OpenEnrolment(ctx, customerID)
	if errors.Is(err, store.ErrNone) || err == nil && (row.State != string(enrolment.Ordered) || !store.Time(row.ExpiresAt).After(now)) {
		return row, problem.New(problem.EnrolmentNone)
	}
	return row, err
}

// ResendNumber mails the registration number again: the same one, so that a mail which was only late does no harm.
func (a *Authority) ResendNumber(ctx context.Context, s Session) error {
	return a.do(ctx, s.Actor(), audit.NumberResend, func(ctx context.Context, d *deed) error {
		row, err := d.orderOf(ctx, s)
		if err != nil {
			return err
		}
		if err := d.notTooSoon(ctx, s.Customer, "registration_number"); err != nil {
			return err
		}
		return d.remailNumber(ctx, row)
	})
}

// remailNumber mails the number of an enrolment again.
func (d *deed) remailNumber(ctx context.Context, row db.Enrolment) error {
	number, err := d.a.Keys.Open("enrolment", "enrolment.number|"+row.ID, row.NumberSealed)
	if err != nil {
		return err
	}
	address, err := d.AddressByID(ctx, row.Address)
	if err != nil {
		return err
	}
	return d.mailNumber(ctx, store.Address(address), string(number), store.Time(row.OrderedAt), row.OrderedDevice, store.Time(row.ExpiresAt))
}

// orderOf is openOrder inside a deed.
func (d *deed) orderOf(ctx context.Context, s Session) (db.Enrolment, error) {
	d.on(s.Customer, "")
	row, err := d.OpenEnrolment(ctx, s.Customer)
	if errors.Is(err, store.ErrNone) || err == nil && (!store.Enrolment(row).Started() || row.State != string(enrolment.Ordered) || !store.Time(row.ExpiresAt).After(d.now)) {
		return row, problem.New(problem.EnrolmentNone)
	}
	d.object = row.ID
	return row, err
}

// notTooSoon keeps a button that is pressed again and again from filling a mailbox.
func (d *deed) notTooSoon(ctx context.Context, customerID, topic string) error {
	last, err := d.LatestOutbox(ctx, db.LatestOutboxParams{Customer: customerID, Topic: topic})
	if errors.Is(err, store.ErrNone) {
		return nil
	}
	if wait := store.Time(last.CreatedAt).Add(d.a.Rules().MailInterval).Sub(d.now); err == nil && wait > 0 {
		return problem.New(problem.MailTooSoon, "retry_after", int(wait/time.Second)+1)
	}
	return err
}

// TestAddress sends a mail that says nothing but that it arrived (M-11).
func (a *Authority) TestAddress(ctx context.Context, s Session) error {
	return a.do(ctx, s.Actor(), audit.AddressTest, func(ctx context.Context, d *deed) error {
		d.on(s.Customer, "")
		if err := d.notTooSoon(ctx, s.Customer, "address_test"); err != nil {
			return err
		}
		addresses, err := d.AddressesOf(ctx, s.Customer)
		if err != nil || len(addresses) == 0 {
			return orKind(err, problem.AddressRefused)
		}
		return d.mail(ctx, store.Address(addresses[len(addresses)-1]), "address_test", nil, d.now.Add(time.Hour))
	})
}

// CorrectAddress replaces the address on file, with the confirmation password. Where mail to the old one has bounced nobody reads it, and the open application
// goes on with the new one at once. Otherwise the old address is what keeps a thief with both passwords out: it is told, the
// application is withdrawn, and the new address can be used after the waiting time.
func (a *Authority) CorrectAddress(ctx context.Context, s Session, confirm []byte, mail string) (atOnce bool, err error) {
	mail, err = customer.ParseAddress(mail)
	if err != nil {
		return false, problem.New(problem.AddressRefused)
	}
	c, err := a.applicant(ctx, s)
	if err != nil {
		return false, err
	}
	if err := a.checkPassword(ctx, s.Actor(), audit.AddressCorrect, c, confirmPassword, confirm); err != nil {
		return false, err
	}
	err = a.do(ctx, s.Actor(), audit.AddressCorrect, func(ctx context.Context, d *deed) error {
		if inUse, err := d.tokenInUse(ctx, c.ID); err != nil || inUse {
			return orKind(err, problem.TokenInUse) // with a token in use an address is changed by its approval, never this way
		}
		addresses, err := d.AddressesOf(ctx, c.ID)
		if err != nil {
			return err
		}
		d.on(c.ID, "")
		old, there := present(addresses)
		atOnce = !there || old.State == customer.Bounced
		next, err := d.replaceAddress(ctx, c.ID, mail)
		if err != nil {
			return err
		}
		d.object = next.ID
		if err := errors.Join(d.cool(ctx, c.ID, AddressChanged, next.ID, false), d.tellBefore(ctx, next, "address_corrected")); err != nil {
			return err
		}
		open, err := d.OpenEnrolment(ctx, c.ID)
		if err != nil && !errors.Is(err, store.ErrNone) {
			return err
		}
		// The number of an order that staff has made goes to no other address than the one they saw: whoever has the letter must not have the number sent to herself.
		if atOnce && err == nil && open.State == string(enrolment.Ordered) && open.Purpose == string(enrolment.First) {
			number := enrolment.Digits([16]byte(a.random(16)), enrolment.NumberDigits)
			sealed, err := a.Keys.Seal("enrolment", "enrolment.number|"+open.ID, []byte(number))
			if err != nil {
				return err
			}
			if err := store.Must(d.SetEnrolmentAddress(ctx, db.SetEnrolmentAddressParams{ID: open.ID, Address: next.ID, NumberSealed: sealed, NumberMac: a.codeMAC(number), Version: open.Version})); err != nil {
				return err
			}
			return d.mailNumber(ctx, next, number, store.Time(open.OrderedAt), open.OrderedDevice, store.Time(open.ExpiresAt))
		}
		if atOnce && (err != nil || open.Purpose != string(enrolment.Release)) {
			return nil
		}
		if err == nil {
			if err := d.endEnrolment(ctx, store.Enrolment(open), enrolment.Cancel); err != nil {
				return err
			}
		}
		return d.SetReapply(ctx, db.SetReapplyParams{ID: c.ID, ReapplyAt: store.Micros(d.now.Add(a.Rules().AddressDelay))})
	})
	return atOnce, err
}

// CancelEnrolment withdraws the open application; a phone that has registered already becomes worthless.
func (a *Authority) CancelEnrolment(ctx context.Context, s Session) error {
	return a.do(ctx, s.Actor(), audit.TokenCancel, func(ctx context.Context, d *deed) error {
		d.on(s.Customer, "")
		row, err := d.OpenEnrolment(ctx, s.Customer)
		if errors.Is(err, store.ErrNone) {
			return problem.New(problem.EnrolmentNone)
		}
		if err != nil {
			return err
		}
		if row.Purpose != string(enrolment.First) { // any other is given up where it was begun
			return problem.New(problem.EnrolmentNone)
		}
		d.object = row.ID
		return d.endEnrolment(ctx, store.Enrolment(row), enrolment.Cancel)
	})
}

// endEnrolment moves an enrolment to one of its ends and revokes the token that hangs on it.
func (d *deed) endEnrolment(ctx context.Context, e enrolment.Enrolment, on enrolment.Event) error {
	to, ok := enrolment.Life.Next(e.State, on)
	if !ok {
		return problem.New(problem.Conflict)
	}
	if err := store.Must(d.EndEnrolment(ctx, db.EndEnrolmentParams{ID: e.ID, State: string(to), EndedAt: store.Micros(d.now), State_2: string(e.State)})); err != nil {
		return err
	}
	if e.Token == "" {
		return nil
	}
	end, _ := token.Life.Next(token.Keyed, token.Lapse)
	return store.Must(d.SetTokenState(ctx, db.SetTokenStateParams{ID: e.Token, State: string(end), EndedAt: store.Micros(d.now), State_2: string(token.Keyed)}))
}
