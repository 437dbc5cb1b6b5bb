package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/customer"
	"github.com/inkan-auth/inkan/internal/domain/enrolment"
	"github.com/inkan-auth/inkan/internal/domain/passkey"
	"github.com/inkan-auth/inkan/internal/domain/reissue"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// Customer is the customer that a row holds.
func Customer(r db.Customer) customer.Customer {
	return customer.Customer{ID: r.ID, Ref: r.Ref, LoginID: r.LoginID, Name: r.Name, Kana: r.Kana, Branch: r.Branch, AccountType: r.AccountType,
		AccountNumber: r.AccountNumber, Phone: r.Phone, LoginPassword: r.LoginPassword, ConfirmPassword: r.ConfirmPassword, LoginInitial: r.LoginInitial,
		ConfirmInitial: r.ConfirmInitial, State: customer.State(r.State), ReapplyAt: Time(r.ReapplyAt), Version: r.Version}
}

// Address is the address that a row holds.
func Address(r db.Address) customer.Address {
	return customer.Address{ID: r.ID, Customer: r.Customer, Mail: r.Mail, State: customer.AddressState(r.State), Since: Time(r.Since), ToldUntil: Time(r.ToldUntil), Replaces: r.Replaces}
}

// Enrolment is the enrolment that a row holds.
func Enrolment(r db.Enrolment) enrolment.Enrolment {
	return enrolment.Enrolment{ID: r.ID, Customer: r.Customer, Purpose: enrolment.Purpose(r.Purpose), Replaces: r.Replaces, Txn: r.Txn, State: enrolment.State(r.State), Address: r.Address, KeyExpires: Time(r.KeyExpiresAt),
		Tries: int(r.Tries), StartTries: int(r.StartTries), Ordered: Time(r.OrderedAt), OrderedDevice: r.OrderedDevice, OrderedSource: r.OrderedSource,
		Expires: Time(r.ExpiresAt), Ended: Time(r.EndedAt), Token: r.Token, Version: r.Version}
}

// Token is the token that a row holds, without its keys.
func Token(r db.Token) token.Token {
	return token.Token{ID: r.ID, Customer: r.Customer, Enrolment: r.Enrolment, State: token.State(r.State), Generation: int(r.Generation),
		Platform: r.Platform, KeyThumbprint: r.KeyThumbprint, Digits: int(r.Digits), Step: time.Duration(r.StepSeconds) * time.Second, LastStep: r.LastStep,
		Drift: r.Drift, Registered: Time(r.RegisteredAt), Started: Time(r.StartedAt), Expires: Time(r.ExpiresAt), Ended: Time(r.EndedAt)}
}

// OTPToken is the token that a row holds, with no more than what a code is judged by.
func OTPToken(r db.OTPTokensRow) token.Token {
	return Token(db.Token{ID: r.ID, Customer: r.Customer, State: r.State, Digits: r.Digits, StepSeconds: r.StepSeconds, LastStep: r.LastStep, Drift: r.Drift, ExpiresAt: r.ExpiresAt})
}

// Reissue is the re-issue that a row holds.
func Reissue(r db.Reissue) reissue.Reissue {
	return reissue.Reissue{ID: r.ID, Customer: r.Customer, Wish: reissue.Wish(r.Wish), State: reissue.State(r.State), Card: Time(r.CardAt), Confirm: Time(r.ConfirmAt), Phone: Time(r.PhoneAt),
		Enrolment: r.Enrolment, Created: Time(r.CreatedAt), Expires: Time(r.ExpiresAt)}
}

// Entry is the audit entry that a row holds.
func Entry(r db.AuditEntry) audit.Entry {
	e := audit.Entry{ID: r.ID, At: Time(r.At), Actor: audit.Actor{Kind: audit.ActorKind(r.ActorKind), ID: r.Actor, Device: r.Device, Source: r.Source},
		Action: audit.Action(r.Action), Customer: r.Customer, Object: r.Object, Outcome: audit.Outcome(r.Outcome), Reason: r.Reason}
	_ = json.Unmarshal([]byte(r.Detail), &e.Detail) // our own text; a reader of the trail loses only a small fact
	return e
}

// readAll reads the rows of a query one by one.
func readAll(ctx context.Context, d db.DBTX, read func(*sql.Rows) error, query string, args ...any) error {
	rows, err := d.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := read(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Passkey is the passkey that a row holds.
func Passkey(r db.Passkey) passkey.Passkey {
	return passkey.Passkey{ID: r.ID, Owner: r.Owner, Name: r.Name, State: passkey.State(r.State), Usable: Time(r.UsableAt), Registered: Time(r.RegisteredAt), Device: r.RegisteredDevice,
		LastUsed: Time(r.UsedAt), LastDevice: r.UsedDevice, Credential: passkey.Credential{ID: r.Credential, PublicKey: r.PublicKey, Counter: uint32(r.Counter), //nolint:gosec // it was one
			BackupEligible: r.BackupEligible, BackedUp: r.BackedUp, AAGUID: r.Aaguid, Transports: strings.Fields(r.Transports)}}
}

// NewPasskey is the row of a passkey that has just been registered with a party.
func NewPasskey(p passkey.Passkey, party, errand string) db.InsertPasskeyParams {
	c := p.Credential
	return db.InsertPasskeyParams{ID: p.ID, Party: party, Owner: p.Owner, Credential: c.ID, PublicKey: c.PublicKey, Counter: int64(c.Counter), BackupEligible: c.BackupEligible, BackedUp: c.BackedUp,
		Aaguid: c.AAGUID, Transports: strings.Join(c.Transports, " "), Name: p.Name, State: string(p.State), UsableAt: Micros(p.Usable), Errand: errand, RegisteredAt: Micros(p.Registered), RegisteredDevice: p.Device}
}

// Staff is the member of staff that a row holds.
func Staff(r db.Staff) staff.Member {
	return staff.Member{ID: r.ID, Name: r.Name, Person: r.Person, Branch: r.Branch, Role: staff.Role(r.Role), State: staff.State(r.State), InvitedBy: r.InvitedBy, Invited: Time(r.CreatedAt), Open: Time(r.OpenUntil),
		Registered: Time(r.RegisteredAt), Confirmed: Time(r.ConfirmedAt)}
}
