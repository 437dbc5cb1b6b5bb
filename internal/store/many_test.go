package store_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// batches lie on both sides of what one statement of SQLite carries.
var batches = []int{0, 1, 15, 16, 17, 40}

// key names the n-th key of a batch: every fourth is nobody's.
func key(kind string, n int) string {
	if n%4 == 3 {
		return fmt.Sprintf("%s of nobody %d", kind, n)
	}
	return fmt.Sprintf("%s' \"%d\" 印", kind, n)
}

// people puts in forty customers with every kind of token and counter that a code can meet.
func (e *engine) people() {
	e.t.Helper()
	e.furnish()
	for n := range 40 {
		if n%4 == 3 {
			continue
		}
		id := key("customer", n)
		state := "active"
		if n%6 == 0 {
			state = "stopped"
		}
		fine(e.t, e.insert("customer", map[string]any{"id": id, "ref": key("ref", n), "login_id": id, "state": state}))
		tokens := map[string]int{}
		switch n % 5 {
		case 0:
			tokens = map[string]int{"active": 10}
		case 1: // the one that expired was followed by another
			tokens = map[string]int{"expired": 10, "active": 20, "keyed": 30}
		case 2:
			tokens = map[string]int{"locked": 10, "expired": 5}
		case 3:
			tokens = map[string]int{"revoked": 10, "keyed": 0}
		case 4:
			tokens = map[string]int{"expired": 10}
		}
		for state, started := range tokens {
			ended := 0
			if state == "revoked" {
				ended = 40
			}
			fine(e.t, e.insert("token", map[string]any{"id": id + state, "customer": id, "enrolment": "e1", "state": state, "digits": 6, "step_seconds": 30, "last_step": 100 + n, "drift": -n,
				"started_at": started, "expires_at": 1000 + n, "ended_at": ended}))
		}
		if n%2 == 0 {
			fine(e.t, e.insert("attempt", map[string]any{"customer": id, "factor": "otp", "tries": n, "blocked_until": 7 * n}))
		}
		fine(e.t, e.insert("attempt", map[string]any{"customer": id, "factor": "otp", "lane": "another", "tries": 99}))
		fine(e.t, e.insert("attempt", map[string]any{"customer": id, "factor": "confirm_password", "tries": 98}))
	}
}

// What is read for many at once is what is read for each alone, on both engines.
func TestManyReadAsEachAlone(t *testing.T) {
	each(t, func(t *testing.T, e *engine) {
		e.people()
		for _, size := range batches {
			var customers, refs []string
			for n := range size {
				customers, refs = append(customers, key("customer", n)), append(refs, key("ref", n))
			}
			wantTokens, wantCustomers := map[string]db.OTPTokensRow{}, map[string]db.CustomerKeyRow{}
			for _, id := range customers {
				rows, err := e.Reader().OTPTokens(t.Context(), db.OTPTokensParams{Customer: id, Factor: "otp"})
				fine(t, err)
				current, err := e.Reader().CurrentToken(t.Context(), id)
				fine(t, ignoreNone(err))
				for _, r := range rows {
					if r.ID == current.ID {
						wantTokens[id] = r
					}
				}
			}
			for _, ref := range refs {
				row, err := e.Reader().CustomerKey(t.Context(), ref)
				if !errors.Is(err, store.ErrNone) {
					fine(t, err)
					wantCustomers[ref] = row
				}
			}
			fine(t, e.Write(t.Context(), func(ctx context.Context, tx *store.Tx) error {
				tokens, err := tx.LockTokens(ctx, "otp", customers)
				if err != nil {
					return err
				}
				if !reflect.DeepEqual(tokens, wantTokens) {
					t.Errorf("%d tokens at once:\n%v\none by one:\n%v", size, tokens, wantTokens)
				}
				found, err := tx.CustomersByRef(ctx, refs)
				if err != nil {
					return err
				}
				if !reflect.DeepEqual(found, wantCustomers) {
					t.Errorf("%d customers at once:\n%v\none by one:\n%v", size, found, wantCustomers)
				}
				if size == 40 {
					after, locked := tokens[key("customer", 6)], tokens[key("customer", 2)]
					if len(found) != 30 || len(tokens) != 24 || after.State != "active" || after.Tries != 6 || after.BlockedUntil != 42 || locked.State != "locked" || tokens[key("customer", 1)].Tries != 0 {
						t.Errorf("%d customers and %d tokens, among them %v and %v", len(found), len(tokens), after, locked)
					}
				}
				return nil
			}))
		}
	})
}

// Entries that are written together stand in the trail as if each had been written alone, or none of them does.
func TestManyEntriesAreWrittenAsEachAlone(t *testing.T) {
	each(t, func(t *testing.T, e *engine) {
		made := func(id, customer string, n int) audit.Entry {
			return audit.Entry{ID: fmt.Sprintf("ent_%s_%02d", id, n), At: time.Unix(int64(n+1), 5000).UTC(), Customer: customer, Object: key("object", n), Outcome: audit.Refused, Reason: "otp-wrong", Action: audit.OTPVerify,
				Actor: audit.Actor{Kind: audit.Bank, ID: fmt.Sprint("core", n), Device: key("device", n), Source: "192.0.2.0/24"}, Detail: map[string]string{"n": key("detail", n)}}
		}
		for _, size := range batches {
			customer := fmt.Sprint("of", size)
			want := make([]audit.Entry, size)
			for n := range want {
				want[n] = made(customer, customer, n)
			}
			fine(t, e.Write(t.Context(), func(ctx context.Context, tx *store.Tx) error { return tx.RecordAll(ctx, want) }))
			fine(t, e.Write(t.Context(), func(ctx context.Context, tx *store.Tx) error {
				for n := range size {
					if err := tx.Record(ctx, made("alone"+customer, "alone"+customer, n)); err != nil {
						return err
					}
				}
				return nil
			}))
			read := func(customer string) []db.AuditEntry {
				rows, err := e.Reader().EntriesOf(t.Context(), db.EntriesOfParams{Customer: customer, ID: "ent_~", Limit: 100})
				fine(t, err)
				return rows
			}
			together, alone := read(customer), read("alone"+customer)
			if len(together) != size || len(alone) != size {
				t.Fatalf("of %d entries there are %d, and %d of those written alone", size, len(together), len(alone))
			}
			for i, r := range together {
				if got, n := store.Entry(r), size-1-i; !reflect.DeepEqual(got, want[n]) {
					t.Errorf("entry %d of %d:\n%+v\nwant\n%+v", n, size, got, want[n])
				}
				alone[i].ID, alone[i].Customer = r.ID, r.Customer
				if !reflect.DeepEqual(r, alone[i]) {
					t.Errorf("a row of %d:\n%+v\nalone:\n%+v", size, r, alone[i])
				}
			}

			before := e.count("SELECT count(*) FROM audit_entry")
			err := e.Write(t.Context(), func(ctx context.Context, tx *store.Tx) error {
				return errors.Join(person(ctx, tx, customer, false), tx.RecordAll(ctx, want))
			})
			if size == 0 && !errors.Is(err, store.ErrUnaudited) || err == nil { // none is no entry, and the rest are there already
				t.Errorf("%d entries for a second time: %v", size, err)
			}
			if size > 0 {
				last := made(customer, customer, size-1) // what went before it is undone with it
				fresh := make([]audit.Entry, size-1, size)
				for n := range fresh {
					fresh[n] = made("fresh"+customer, customer, n)
				}
				if err := e.Write(t.Context(), func(ctx context.Context, tx *store.Tx) error { return tx.RecordAll(ctx, append(fresh, last)) }); err == nil {
					t.Errorf("the last of %d entries was there already", size)
				}
				if err := e.Housekeep(t.Context(), func(ctx context.Context, tx *store.Tx) error {
					return tx.RecordAll(ctx, []audit.Entry{made("kept", customer, size)})
				}); !errors.Is(err, store.ErrUnaudited) {
					t.Errorf("housekeeping writes the trail: %v", err)
				}
			}
			if now := e.count("SELECT count(*) FROM audit_entry"); now != before || e.count("SELECT count(*) FROM customer WHERE id = $1", customer) != 0 {
				t.Errorf("%d entries, before %d: a write that failed left something behind", now, before)
			}
		}
	})
}
