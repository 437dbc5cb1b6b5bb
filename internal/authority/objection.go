package authority

import (
	"context"
	"errors"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/incident"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// objectionLetters are those of a code in a notice: 16 of 32, so 80 bits; no letter is taken for another.
const objectionLetters = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"

// objectionLength is the number of letters, shown in groups of four.
const objectionLength = 16

// tellObject puts a notice for every address into the outbox, with a code by which its reader says, in one step and without any password, that it was not her (B-07). Each address gets
// the same code; it stops the service once.
func (d *deed) tellObject(ctx context.Context, customerID, topic, object string, values map[string]string) error {
	all, err := d.objection(ctx, customerID, topic, object, values)
	if err != nil {
		return err
	}
	return d.tellAll(ctx, customerID, topic, all)
}

// objection makes the code of one notice, and adds it to what the notice says.
func (d *deed) objection(ctx context.Context, customerID, topic, object string, values map[string]string) (map[string]string, error) {
	letters := make([]byte, objectionLength)
	for i, b := range d.a.random(objectionLength) {
		letters[i] = objectionLetters[b&31]
	}
	code := string(letters)
	err := d.InsertObjection(ctx, db.InsertObjectionParams{Mac: d.a.objectionMAC(code), Customer: customerID, Topic: topic, Object: object, CreatedAt: store.Micros(d.now),
		ExpiresAt: store.Micros(d.now.Add(d.a.Rules().NoticeLife))})
	if err != nil {
		return nil, err
	}
	all := map[string]string{"objection": code[:4] + "-" + code[4:8] + "-" + code[8:12] + "-" + code[12:], "objection_link": d.a.Bank.LoginOrigin + "/not-me#" + code}
	for k, v := range values {
		all[k] = v
	}
	return all, nil
}

func (a *Authority) objectionMAC(code string) []byte { return a.Keys.MAC("objection", []byte(code)) }

// Object stops the service of a customer by the code of a notice that she has read, and undoes what the notice told of. A second time changes nothing and is no error.
func (a *Authority) Object(ctx context.Context, by audit.Actor, code string) error {
	now, err := a.moment()
	if err != nil {
		return err
	}
	code = codeLetters(code)
	row, err := a.Store.Reader().ObjectionByMAC(ctx, db.ObjectionByMACParams{Mac: a.objectionMAC(code), ExpiresAt: store.Micros(now)})
	if errors.Is(err, store.ErrNone) || len(code) != objectionLength {
		source := "objection " + by.Source // a right code is taken from any network, whoever else has failed there; wrong ones are bounded, so that they fill no trail
		if err := a.sourceOpen(ctx, source, now); err != nil {
			return err
		}
		return errors.Join(a.sourceFailed(ctx, source, now), a.writeRefusal(ctx, &deed{a: a, now: now, by: by, action: audit.ServiceStop}, problem.New(problem.ObjectionRefused)))
	}
	if err != nil {
		return err
	}
	if row.UsedAt > 0 {
		c, err := a.Store.Reader().CustomerByID(ctx, row.Customer)
		if err == nil && c.State == "active" && !strings.HasPrefix(row.Topic, "address") { // it has stopped the service once, and that runs again: it must not be told that it stands still
			return problem.New(problem.ObjectionRefused)
		}
		return err
	}
	var stopped stop
	err = a.do(ctx, by, audit.ServiceStop, func(ctx context.Context, d *deed) error {
		d.on(row.Customer, "")
		d.detail = map[string]string{"by": "notice", "notice": row.Topic}
		once, err := store.Once(d.UseObjection(ctx, db.UseObjectionParams{Mac: row.Mac, UsedAt: store.Micros(d.now)}))
		if err != nil || !once {
			return err
		}
		if err := d.undo(ctx, row); err != nil {
			return err
		}
		if stopped, err = d.stopService(ctx, row.Customer); err != nil {
			return err
		}
		return d.incident(ctx, incident.Objection, row.Customer, row.Customer, map[string]string{"by": "notice", "notice": row.Topic, "about": row.Object, "source": by.Source, "device": by.Device})
	})
	if err == nil {
		a.told(stopped)
	}
	return err
}

// undo takes back what a notice told of, as far as that can be: a passkey is held, an address gives way to the one before. What is undone needs no caution any more. A token stays as it is: with
// the service stopped nobody can use it, and who it belongs to is found out on the road back.
func (d *deed) undo(ctx context.Context, row db.Objection) error {
	undone := false
	switch {
	case strings.HasPrefix(row.Object, ident.Passkey+"_"):
		n, err := d.HoldPasskey(ctx, row.Object)
		if err != nil {
			return err
		}
		undone = n > 0
	case strings.HasPrefix(row.Object, ident.Address+"_") && store.Time(row.CreatedAt).Add(d.a.Rules().ObjectionTime).After(d.now):
		var err error
		if undone, err = d.restoreAddress(ctx, row.Customer, row.Object); err != nil {
			return err
		}
	}
	if !undone {
		return nil
	}
	_, err := d.EndCooling(ctx, db.EndCoolingParams{Customer: row.Customer, Object: row.Object, Until: store.Micros(d.now)})
	return err
}

// codeLetters reads a code as people type it: full-width, in small letters, with spaces and hyphens.
func codeLetters(s string) string {
	if len(s) > 256 {
		return ""
	}
	return strings.Map(func(r rune) rune {
		if !strings.ContainsRune(objectionLetters, r) {
			return -1
		}
		return r
	}, strings.ToUpper(norm.NFKC.String(s)))
}
