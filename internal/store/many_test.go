package store_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
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

// Proofs that are used up together are each new or not as if they had come alone, also where a statement carries used ones among fresh ones.
func TestManyProofsAreUsedUpAsEachAlone(t *testing.T) {
	each(t, func(t *testing.T, e *engine) {
		proof := func(size, n int) db.UseProofParams {
			return db.UseProofParams{ID: []byte(fmt.Sprintf("\x00\xff%d/%03d", size, n)), ExpiresAt: int64(1000 + n)}
		}
		for _, size := range batches {
			used := func(n int) bool { return n%7 == 3 && size != 15 } // none of fifteen
			all := make([]db.UseProofParams, size)
			for n := range all {
				all[n] = proof(size, size-1-n) // not in their order
			}
			fine(t, e.Housekeep(t.Context(), func(ctx context.Context, tx *store.Tx) error {
				for n := range size {
					if used(n) {
						if _, err := tx.UseProof(ctx, proof(size, n)); err != nil {
							return err
						}
					}
				}
				return nil
			}))
			for round := range 2 {
				fine(t, e.Housekeep(t.Context(), func(ctx context.Context, tx *store.Tx) error {
					fresh, err := tx.UseProofs(ctx, all)
					for n := range size {
						if got, want := fresh[string(proof(size, n).ID)], round == 0 && !used(n); got != want {
							t.Errorf("round %d: proof %d of %d is fresh: %v", round, n, size, got)
						}
					}
					return err
				}))
			}
			if got := e.count("SELECT count(*) FROM proof WHERE expires_at >= 1000"); got != size {
				t.Errorf("%d proofs of %d are kept", got, size)
			}
			fine(t, e.Housekeep(t.Context(), func(ctx context.Context, tx *store.Tx) error { return tx.DeleteOldProofs(ctx, 1<<40) }))
		}
	})
}

// What is forgotten together is gone, and nothing else is.
func TestManyThrottlesAreForgotten(t *testing.T) {
	each(t, func(t *testing.T, e *engine) {
		for _, size := range batches {
			var forget []string
			fine(t, e.Housekeep(t.Context(), func(ctx context.Context, tx *store.Tx) error {
				for n := range size {
					forget = append(forget, key("bucket", n))
					if n%3 == 0 {
						continue // never counted
					}
					if _, err := tx.CountThrottle(ctx, db.CountThrottleParams{Bucket: key("bucket", n), StartedAt: 5}); err != nil {
						return err
					}
				}
				_, err := tx.CountThrottle(ctx, db.CountThrottleParams{Bucket: "another", StartedAt: 5})
				return err
			}))
			fine(t, e.Housekeep(t.Context(), func(ctx context.Context, tx *store.Tx) error { return tx.ForgetThrottles(ctx, forget) }))
			if got := e.count("SELECT count(*) FROM throttle"); got != 1 {
				t.Errorf("%d counters are left of %d", got, size)
			}
		}
	})
}

// Approvals that are written together move exactly those transactions that each would have moved alone, and the envelopes stand as they were given.
func TestManyApprovalsMoveAsEachAlone(t *testing.T) {
	kinds := []string{"waits", "is answered", "is too late", "lies behind the fence", "another's token", "a stopped token", "a token at its end", "another key", "a stopped service", "is not there"}
	each(t, func(t *testing.T, e *engine) {
		e.furnish()
		fine(t, e.insert("bundle", map[string]any{"hash": "b1"}))
		fine(t, e.Housekeep(t.Context(), func(ctx context.Context, tx *store.Tx) error { return tx.RaiseFence(ctx, 100) }))
		entry := func(ctx context.Context, tx *store.Tx) error {
			return tx.Record(ctx, audit.Entry{ID: fmt.Sprint("ent_", time.Now().UnixNano()), At: time.Unix(1, 0), Actor: audit.Actor{Kind: audit.Operator}, Action: audit.TransactionDecide, Outcome: audit.Done})
		}
		for _, size := range batches {
			// Two transactions of each sort: the one is moved together with others, its twin alone.
			made := func(name string, n int) store.Approval {
				kind := kinds[n%len(kinds)]
				id := fmt.Sprintf("%s %d/%02d", name, size, n)
				customer := map[string]any{"id": id, "ref": id, "login_id": id, "state": "active"}
				token := map[string]any{"id": id, "customer": id, "enrolment": "e1", "state": "active", "key_thumbprint": "key", "expires_at": 5000}
				txn := map[string]any{"id": id, "customer": id, "bundle": "b1", "state": "pending", "created_at": 200, "expires_at": 2000}
				switch kind {
				case "is answered":
					txn["state"], txn["decided_at"], txn["ended_at"] = "rejected", 300, 300
				case "is too late":
					txn["expires_at"] = 1000
				case "lies behind the fence":
					txn["created_at"] = 100
				case "another's token":
					token["customer"] = "other " + id
					fine(t, e.insert("customer", map[string]any{"id": "other " + id, "ref": "other " + id, "login_id": "other " + id, "state": "active"}))
				case "a stopped token":
					token["state"] = "suspended"
				case "a token at its end":
					token["expires_at"] = 1000
				case "another key":
					token["key_thumbprint"] = "newer"
				case "a stopped service":
					customer["state"] = "stopped"
				}
				fine(t, e.insert("customer", customer))
				fine(t, e.insert("token", token))
				if kind != "is not there" {
					fine(t, e.insert("txn", txn))
				}
				return store.Approval{Txn: id, Token: id, Key: "key", Decision: "hash of " + id, Language: "ja"}
			}
			var all, alone []store.Approval
			for n := range size {
				all, alone = append(all, made("together", size-1-n)), append(alone, made("alone", size-1-n))
			}
			fine(t, e.Write(t.Context(), func(ctx context.Context, tx *store.Tx) error {
				moved, err := tx.ApproveTxns(ctx, 1000, 3000, all)
				if err != nil {
					return err
				}
				var envelopes []db.InsertEnvelopeParams
				for i, p := range all {
					one, err := tx.ApproveTxns(ctx, 1000, 3000, alone[i:i+1])
					if err != nil {
						return err
					}
					kind := kinds[(size-1-i)%len(kinds)]
					if moved[p.Txn] != one[alone[i].Txn] || moved[p.Txn] != (kind == "waits") {
						t.Errorf("%d together: what %s is moved: %v, alone: %v", size, kind, moved[p.Txn], one[alone[i].Txn])
					}
					if moved[p.Txn] {
						envelopes = append(envelopes, db.InsertEnvelopeParams{Txn: p.Txn, Kind: "decision", Envelope: "of " + p.Txn})
					}
				}
				return errors.Join(tx.InsertEnvelopes(ctx, envelopes), entry(ctx, tx))
			}))
			for n := range size {
				if kinds[n%len(kinds)] != "waits" {
					continue
				}
				id := fmt.Sprintf("together %d/%02d", size, n)
				row, err := e.Reader().TxnByID(t.Context(), id)
				fine(t, err)
				want := db.Txn{ID: id, Customer: id, State: "approved", Bundle: "b1", CreatedAt: 200, ExpiresAt: 2000, Token: id, Decision: "hash of " + id, Grade: "A", Language: "ja", DecidedAt: 1000, ApprovedUntil: 3000, ChangedAt: 1000}
				if !reflect.DeepEqual(row, want) {
					t.Errorf("%d together:\n%+v\nwant\n%+v", size, row, want)
				}
				envelope, err := e.Reader().EnvelopeOf(t.Context(), db.EnvelopeOfParams{Txn: id, Kind: "decision"})
				if fine(t, err); envelope != "of "+id {
					t.Errorf("the decision is kept as %q", envelope)
				}
			}
		}
	})
}

// Mails that a customer may do without go to the addresses on file of those who have not turned them off by then, however many are asked for together; and the outbox takes many as it takes one.
func TestManyMailsGoToThoseWhoWantThem(t *testing.T) {
	each(t, func(t *testing.T, e *engine) {
		for _, size := range batches {
			var customers, want []string
			for n := range size {
				id := fmt.Sprintf("%d/%02d", size, n)
				customers = append(customers, id)
				fine(t, e.insert("customer", map[string]any{"id": id, "ref": id, "login_id": id, "state": "active"}))
				fine(t, e.insert("address", map[string]any{"id": "a " + id, "customer": id, "mail": id, "state": "usable"}))
				fine(t, e.insert("address", map[string]any{"id": "old " + id, "customer": id, "mail": "old " + id, "state": "retired", "told_until": 5000}))
				switch n % 4 {
				case 0: // has chosen nothing
					want = append(want, "a "+id)
				case 1:
					fine(t, e.insert("mail_choice", map[string]any{"customer": id, "kind": "approved", "wanted": true, "since": 1}))
					want = append(want, "a "+id)
				case 2: // from later on
					fine(t, e.insert("mail_choice", map[string]any{"customer": id, "kind": "approved", "wanted": false, "since": 1001}))
					want = append(want, "a "+id)
				case 3:
					fine(t, e.insert("mail_choice", map[string]any{"customer": id, "kind": "approved", "wanted": false, "since": 1000}))
				}
			}
			var got []string
			fine(t, e.Housekeep(t.Context(), func(ctx context.Context, tx *store.Tx) error {
				got = nil
				to, err := tx.AddressesWanting(ctx, "approved", 1000, customers)
				if err != nil {
					return err
				}
				var messages []db.InsertOutboxParams
				for _, d := range to {
					got = append(got, d.ID)
					messages = append(messages, db.InsertOutboxParams{ID: "o " + d.ID, Customer: d.Customer, Topic: "approved", Address: d.ID, Sealed: []byte{1}, CreatedAt: 1000, ExpiresAt: 2000})
				}
				return tx.InsertOutboxes(ctx, messages)
			}))
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%d together: %v, want %v", size, got, want)
			}
			if n := e.count(fmt.Sprintf("SELECT count(*) FROM outbox WHERE id LIKE 'o a %d/%%' AND state = 'waiting' AND due_at = 1000 AND customer = substr(id, 5)", size)); n != len(want) {
				t.Errorf("%d messages of %d stand in the outbox", n, len(want))
			}
		}
	})
}
