package store_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/customer"
	"github.com/inkan-auth/inkan/internal/domain/enrolment"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
	"github.com/inkan-auth/inkan/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// engine is a store and, beside it, a connection of our own to the same database.
type engine struct {
	*store.Store
	t       *testing.T
	raw     *sql.DB
	address string
}

func each(t *testing.T, f func(t *testing.T, e *engine)) {
	t.Helper()
	for _, name := range []string{"sqlite", "postgres"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := &engine{t: t}
			var err error
			if name == "sqlite" {
				e.address = filepath.Join(t.TempDir(), "a?b #%20.db") // a name that must not be taken for anything but a name
				e.Store, err = store.OpenSQLite(t.Context(), e.address)
				fine(t, err)
				if _, err := os.Stat(e.address); err != nil {
					t.Errorf("the file is not where it was asked for: %v", err)
				}
				e.raw, err = sql.Open("sqlite", "file:"+strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23", " ", "%20").Replace(e.address)+"?_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)")
			} else {
				e.address = testkit.PostgresAddress(t)
				e.Store, err = store.OpenPostgres(t.Context(), e.address, 8)
				fine(t, err)
				e.raw, err = sql.Open("pgx", e.address)
			}
			fine(t, err)
			t.Cleanup(func() { _ = e.raw.Close(); _ = e.Close() })
			f(t, e)
		})
	}
}

func fine(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

type column struct {
	name, kind string
	null       bool
}

// columns are those of every table, in their order.
func (e *engine) columns() map[string][]column {
	e.t.Helper()
	out := map[string][]column{}
	q := "SELECT table_name, column_name, data_type, is_nullable = 'YES' FROM information_schema.columns WHERE table_schema = 'public' ORDER BY table_name, ordinal_position"
	if e.Engine() == "sqlite" {
		q = `SELECT m.name, c.name, lower(c.type), c."notnull" = 0 AND c.pk = 0 FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' ORDER BY m.name, c.cid`
	}
	rows, err := e.raw.QueryContext(e.t.Context(), q)
	fine(e.t, err)
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var table string
		var c column
		fine(e.t, rows.Scan(&table, &c.name, &c.kind, &c.null))
		if !strings.HasPrefix(table, "goose_") && !strings.HasPrefix(table, "sqlite_") {
			out[table] = append(out[table], c)
		}
	}
	fine(e.t, rows.Err())
	return out
}

func (e *engine) indexes() []string {
	e.t.Helper()
	q := "SELECT tablename || ' ' || indexname || ' ' || CASE WHEN indexdef LIKE 'CREATE UNIQUE%' THEN 'unique' ELSE '' END FROM pg_indexes WHERE schemaname = 'public' AND indexname NOT LIKE '%_pkey' AND tablename NOT LIKE 'goose%'"
	if e.Engine() == "sqlite" {
		q = "SELECT tbl_name || ' ' || name || ' ' || CASE WHEN sql LIKE 'CREATE UNIQUE%' THEN 'unique' ELSE '' END FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
	}
	rows, err := e.raw.QueryContext(e.t.Context(), q)
	fine(e.t, err)
	defer func() { _ = rows.Close() }()
	var out []string
	for rows.Next() {
		var s string
		fine(e.t, rows.Scan(&s))
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}

func TestBothEnginesHaveTheSameTables(t *testing.T) {
	var mu sync.Mutex
	tables := map[string]map[string][]column{}
	indexes := map[string][]string{}
	t.Run("read", func(t *testing.T) {
		each(t, func(_ *testing.T, e *engine) {
			c, i := e.columns(), e.indexes()
			mu.Lock()
			defer mu.Unlock()
			tables[e.Engine()], indexes[e.Engine()] = c, i
		})
	})
	if len(tables) < 2 {
		t.Skip("PostgreSQL is not installed")
	}
	s, p := tables["sqlite"], tables["postgres"]
	if len(s) < 15 || len(indexes["sqlite"]) < 10 {
		t.Errorf("only %d tables and %d indexes were read", len(s), len(indexes["sqlite"]))
	}
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if !slices.Equal(s[name], p[name]) {
			t.Errorf("%s:\n%v\n%v", name, s[name], p[name])
		}
	}
	if len(s) != len(p) {
		t.Errorf("%d and %d tables", len(s), len(p))
	}
	for _, i := range indexes["sqlite"] { // PostgreSQL lists those of constraints too
		if !slices.Contains(indexes["postgres"], i) {
			t.Errorf("PostgreSQL has no index %s", i)
		}
	}
}

// insert puts a row into a table: what is not given is empty, zero or false.
func (e *engine) insert(table string, given map[string]any) error {
	e.t.Helper()
	var names, marks []string
	var values []any
	for _, c := range e.columns()[table] {
		var v any
		switch c.kind {
		case "text":
			v = ""
		case "bytea":
			v = []byte(fmt.Sprint(given["id"]))
		case "boolean":
			v = false
		default:
			v = 0
		}
		if g, ok := given[c.name]; ok {
			v = g
		}
		names, values, marks = append(names, c.name), append(values, v), append(marks, fmt.Sprintf("$%d", len(marks)+1))
	}
	_, err := e.raw.ExecContext(e.t.Context(), "INSERT INTO "+table+" ("+strings.Join(names, ", ")+") VALUES ("+strings.Join(marks, ", ")+")", values...)
	return err
}

// furnish makes a customer with an address and an enrolment.
func (e *engine) furnish() {
	e.t.Helper()
	fine(e.t, e.insert("customer", map[string]any{"id": "c1", "ref": "r1", "login_id": "l1", "state": "active"}))
	fine(e.t, e.insert("address", map[string]any{"id": "a1", "customer": "c1", "mail": "m1", "state": "usable"}))
	fine(e.t, e.insert("enrolment", map[string]any{"id": "e1", "customer": "c1", "address": "a1", "state": "completed", "ended_at": 1, "purpose": "first"}))
}

// The database itself refuses every state that our tables of lives do not know, and takes every one that they do.
func TestTheDatabaseKnowsTheSameStatesAsTheTablesOfLives(t *testing.T) {
	each(t, func(t *testing.T, e *engine) {
		e.furnish()
		var tokens, enrolments []string
		for _, s := range token.States {
			tokens = append(tokens, string(s))
		}
		for _, s := range enrolment.States {
			enrolments = append(enrolments, string(s))
		}
		ended := func(final ...string) func(state string) map[string]any {
			return func(state string) map[string]any {
				if slices.Contains(final, state) {
					return map[string]any{"ended_at": 1}
				}
				return map[string]any{}
			}
		}
		for _, c := range []struct {
			table, column string
			good          []string
			more          func(string) map[string]any
		}{
			{"customer", "state", []string{string(customer.Active), string(customer.Stopped)}, ended()},
			{"address", "state", []string{string(customer.Usable), string(customer.Bounced), string(customer.Retired)}, ended()},
			{"enrolment", "state", enrolments, ended("completed", "burnt", "expired", "cancelled")},
			{"token", "state", tokens, ended("replaced", "revoked")},
			{"session", "level", []string{"password", "full"}, ended()},
			{"session", "channel", []string{"pc", "smartphone"}, ended()},
			{"outbox", "state", []string{"waiting", "sent", "dropped", "dead"}, ended()},
			{"oidc_request", "kind", []string{"login", "logout"}, ended()},
			{"oidc_request", "state", []string{"pending", "success", "failure"}, ended()},
		} {
			all := slices.Concat(c.good, []string{"", " ", "x", "null", "ACTIVE", "Active", "active ", "actives", "deleted", "unlocked", "full'", "1", "有効"})
			for n, state := range all {
				id := fmt.Sprintf("%s%s%d", c.table, c.column, n)
				row := map[string]any{"id": id, "customer": "c1", "ref": id, "login_id": id, "mail": id, "address": "a1", "enrolment": "e1", "purpose": "first", "request_hash": []byte(id), "number_mac": []byte(id), "hash": []byte(id),
					"pushed_hash": nil, "state": "pending", "kind": "login", "level": "full", "channel": "pc"}
				if c.table == "customer" {
					delete(row, "customer")
				}
				maps.Copy(row, c.more(state))
				row[c.column] = state
				err := e.insert(c.table, row)
				if known := slices.Contains(c.good, state); known != (err == nil) {
					t.Errorf("%s with the %s %q: %v", c.table, c.column, state, err)
				}
				_, err = e.raw.ExecContext(t.Context(), "DELETE FROM "+c.table+" WHERE "+c.column+" = $1 AND "+map[bool]string{true: "id", false: "hash"}[c.table != "oidc_request"]+" = $2", state, map[bool]any{true: id, false: []byte(id)}[c.table != "oidc_request"])
				fine(t, err)
			}
		}
	})
}

// Of the states that are not final there is one at a time, whatever the code above forgets.
func TestTheDatabaseRefusesASecondLiveOne(t *testing.T) {
	each(t, func(t *testing.T, e *engine) {
		e.furnish()
		fine(t, e.insert("customer", map[string]any{"id": "c2", "ref": "r2", "login_id": "l2", "state": "active"}))
		tok := func(id, who, state string) error {
			row := map[string]any{"id": id, "customer": who, "enrolment": "e1", "state": state}
			if state == "revoked" || state == "replaced" {
				row["ended_at"] = 1
			}
			return e.insert("token", row)
		}
		fine(t, tok("t1", "c1", "active"))
		fine(t, tok("t2", "c2", "locked"))
		for _, state := range []string{"active", "suspended", "locked"} {
			if err := tok("t3"+state, "c1", state); err == nil {
				t.Errorf("a second token that is %s", state)
			}
		}
		for _, state := range []string{"keyed", "expired", "revoked", "replaced"} {
			if err := tok("t4"+state, "c1", state); err != nil {
				t.Errorf("beside a token in use, one that is %s: %v", state, err)
			}
		}
		if _, err := e.raw.ExecContext(t.Context(), "UPDATE token SET state = 'active' WHERE id = 't4keyed'"); err == nil {
			t.Error("a second token was brought into use")
		}
		enrol := func(id, state, mac string) error {
			return e.insert("enrolment", map[string]any{"id": id, "customer": "c1", "address": "a1", "state": state, "purpose": "first", "number_mac": []byte(mac), "request_hash": []byte(id)})
		}
		fine(t, enrol("e2", "ordered", "m1"))
		for _, state := range []string{"ordered", "registered"} {
			if err := enrol("e3"+state, state, "m2"); err == nil {
				t.Errorf("a second enrolment that is %s", state)
			}
		}
		for name, bad := range map[string]string{"ended without an end": "UPDATE enrolment SET state = 'burnt' WHERE id = 'e2'", "an end without being ended": "UPDATE enrolment SET ended_at = 1 WHERE id = 'e2'",
			"a revoked token without an end": "UPDATE token SET state = 'revoked' WHERE id = 't1'", "a second fence": "INSERT INTO fence (id, not_before, watermark) VALUES (2, 0, 0)",
			"a token of nobody": "UPDATE token SET customer = 'c9' WHERE id = 't1'", "a name twice": "UPDATE customer SET login_id = 'l1' WHERE id = 'c2'", "a reference twice": "UPDATE customer SET ref = 'r1' WHERE id = 'c2'"} {
			if _, err := e.raw.ExecContext(t.Context(), bad); err == nil {
				t.Errorf("%s is taken", name)
			}
		}
	})
}

// person is a customer that a write puts in, with her entry where she has one.
func person(ctx context.Context, tx *store.Tx, id string, told bool) error {
	err := tx.InsertCustomer(ctx, db.InsertCustomerParams{ID: id, Ref: id, LoginID: id, State: "active"})
	if err == nil && told {
		err = entry(ctx, tx, id)
	}
	return err
}

func entry(ctx context.Context, tx *store.Tx, id string) error {
	return tx.Record(ctx, audit.Entry{ID: "ent_" + id, At: time.Unix(1, 0), Actor: audit.Actor{Kind: audit.Operator}, Action: audit.CustomerImport, Customer: id, Outcome: audit.Done})
}

func (e *engine) count(query string, args ...any) (n int) {
	e.t.Helper()
	fine(e.t, e.raw.QueryRowContext(context.Background(), query, args...).Scan(&n))
	return n
}

func TestAChangeThatTellsNobodyIsUndone(t *testing.T) {
	each(t, func(t *testing.T, e *engine) {
		e.furnish()
		fine(t, e.insert("token", map[string]any{"id": "t1", "customer": "c1", "enrolment": "e1", "state": "active"}))
		silent := map[string]func(ctx context.Context, tx *store.Tx) error{
			"a customer": func(ctx context.Context, tx *store.Tx) error { return person(ctx, tx, "new", false) },
			"a waiting time": func(ctx context.Context, tx *store.Tx) error {
				return tx.SetReapply(ctx, db.SetReapplyParams{ID: "c1", ReapplyAt: 5})
			},
			"a token's state": func(ctx context.Context, tx *store.Tx) error {
				_, err := tx.SetTokenState(ctx, db.SetTokenStateParams{ID: "t1", State: "locked", State_2: "active"})
				return err
			},
			"an address's state": func(ctx context.Context, tx *store.Tx) error {
				_, err := tx.SetAddressState(ctx, db.SetAddressStateParams{ID: "a1", State: "bounced"})
				return err
			},
			"an address": func(ctx context.Context, tx *store.Tx) error {
				return tx.InsertAddress(ctx, db.InsertAddressParams{ID: "a2", Customer: "c1", Mail: "x", State: "usable"})
			},
			"an enrolment's tries": func(ctx context.Context, tx *store.Tx) error {
				_, err := tx.CountEnrolmentTry(ctx, db.CountEnrolmentTryParams{ID: "e1", RequestHash: []byte{1}})
				return ignoreNone(err)
			},
			"a system": func(ctx context.Context, tx *store.Tx) error {
				return tx.InsertAPIClient(ctx, db.InsertAPIClientParams{ID: "x", SecretHash: []byte{1}, PublicKey: []byte{}})
			},
			"counters and a customer": func(ctx context.Context, tx *store.Tx) error {
				if err := tx.RaiseWatermark(ctx, 7); err != nil {
					return err
				}
				return person(ctx, tx, "new", false)
			},
		}
		all := func() string {
			return fmt.Sprint(e.count("SELECT count(*) FROM customer"), e.count("SELECT count(*) FROM address"), e.count("SELECT count(*) FROM api_client"), e.count("SELECT count(*) FROM token WHERE state = 'active'"),
				e.count("SELECT count(*) FROM address WHERE state = 'usable'"), e.count("SELECT max(reapply_at) FROM customer"), e.count("SELECT watermark FROM fence"), e.count("SELECT count(*) FROM audit_entry"))
		}
		before := all()
		for name, f := range silent {
			if err := e.Write(t.Context(), f); !errors.Is(err, store.ErrUnaudited) {
				t.Errorf("%s without an entry: %v", name, err)
			}
			if err := e.Housekeep(t.Context(), f); !errors.Is(err, store.ErrUnaudited) {
				t.Errorf("%s as housekeeping: %v", name, err)
			}
			if err := e.Housekeep(t.Context(), func(ctx context.Context, tx *store.Tx) error { return errors.Join(f(ctx, tx), entry(ctx, tx, "x")) }); !errors.Is(err, store.ErrUnaudited) {
				t.Errorf("%s as housekeeping with an entry: %v", name, err)
			}
			if now := all(); now != before {
				t.Errorf("%s left something behind: %s, before %s", name, now, before)
			}
		}
		fine(t, e.Write(t.Context(), func(ctx context.Context, tx *store.Tx) error { return person(ctx, tx, "told", true) }))
		fine(t, e.Housekeep(t.Context(), func(ctx context.Context, tx *store.Tx) error { return tx.RaiseWatermark(ctx, 7) }))
		fine(t, e.Write(t.Context(), func(ctx context.Context, tx *store.Tx) error { _, err := tx.CustomerByID(ctx, "c1"); return err }))
		if e.count("SELECT count(*) FROM customer WHERE id = 'told'") != 1 || e.count("SELECT watermark FROM fence") != 7 {
			t.Error("what was told was not written")
		}
		wrong := errors.New("changed her mind")
		if err := e.Write(t.Context(), func(ctx context.Context, tx *store.Tx) error {
			return errors.Join(person(ctx, tx, "undone", true), wrong)
		}); !errors.Is(err, wrong) {
			t.Errorf("an error becomes %v", err)
		}
		if e.count("SELECT count(*) FROM customer WHERE id = 'undone'")+e.count("SELECT count(*) FROM audit_entry WHERE id = 'ent_undone'") != 0 {
			t.Error("a write that failed left something behind")
		}
	})
}

func ignoreNone(err error) error {
	if errors.Is(err, store.ErrNone) {
		return nil
	}
	return err
}

// Writes that are committed together fail apart: a panic, an error, a broken statement or a caller who has gone in one is nothing to the others.
func TestOneWriteDoesNotHarmItsNeighbours(t *testing.T) {
	each(t, func(t *testing.T, e *engine) {
		for round := range 5 {
			hold := make(chan struct{})
			var wg sync.WaitGroup
			var mu sync.Mutex
			got := map[string]error{}
			start := func(id string, ctx context.Context, f func(ctx context.Context, tx *store.Tx) error) {
				wg.Go(func() {
					err := e.Write(ctx, f)
					mu.Lock()
					got[id] = err
					mu.Unlock()
				})
			}
			if e.Engine() == "sqlite" { // the first one holds the writer until the rest has come, so that they are committed together
				begun := make(chan struct{}, 6)
				start("first", t.Context(), func(ctx context.Context, tx *store.Tx) error {
					begun <- struct{}{}
					<-hold
					return person(ctx, tx, fmt.Sprint("first", round), true)
				})
				<-begun
			}
			gone, leave := context.WithCancel(t.Context())
			for n := range 40 {
				id := fmt.Sprintf("p%d_%02d", round, n)
				ctx := t.Context()
				if n%8 == 5 {
					ctx = gone
				}
				start(id, ctx, func(ctx context.Context, tx *store.Tx) error {
					err := person(ctx, tx, id, true)
					switch n % 8 {
					case 1:
						panic("a mistake in one write")
					case 2:
						return errors.Join(err, errors.New("refused"))
					case 3:
						return errors.Join(err, person(ctx, tx, "", false), tx.InsertAddress(ctx, db.InsertAddressParams{ID: id, Customer: "nobody", State: "usable"}))
					case 4:
						return errors.Join(err, tx.InsertAddress(ctx, db.InsertAddressParams{ID: id, Customer: id, State: "nonsense"}))
					}
					return err
				})
			}
			for range 5000 {
				if e.Engine() != "sqlite" || e.Writing() == 41 {
					break
				}
				time.Sleep(time.Millisecond)
			}
			if e.Engine() == "sqlite" {
				leave()
			}
			close(hold)
			wg.Wait()
			leave()
			for n := range 40 {
				id := fmt.Sprintf("p%d_%02d", round, n)
				there := e.count("SELECT count(*) FROM customer WHERE id = $1", id) + e.count("SELECT count(*) FROM audit_entry WHERE customer = $1", id)
				should := n%8 == 0 || n%8 >= 5
				if n%8 == 5 {
					should = got[id] == nil
					if e.Engine() == "sqlite" && got[id] == nil {
						t.Errorf("%s: nobody waits for it and yet it was written", id)
					}
				}
				if should != (got[id] == nil) || should && there != 2 || !should && there != 0 {
					t.Errorf("%s: %v, %d rows", id, got[id], there)
				}
			}
		}
		fine(t, e.Write(t.Context(), func(ctx context.Context, tx *store.Tx) error { return person(ctx, tx, "after", true) }))
		if e.Writing() != 0 {
			t.Errorf("%d writes are open", e.Writing())
		}
	})
}

// A row that two writes want at once is one's: the other runs again and sees it, and is told in the end.
func TestTheSameRowIsWrittenOnce(t *testing.T) {
	each(t, func(t *testing.T, e *engine) {
		var wg sync.WaitGroup
		results := make(chan error, 16)
		for n := range 16 {
			wg.Go(func() {
				results <- e.Write(t.Context(), func(ctx context.Context, tx *store.Tx) error {
					if err := person(ctx, tx, "one", false); err != nil {
						return err
					}
					return entry(ctx, tx, fmt.Sprintf("one%02d", n))
				})
			})
		}
		wg.Wait()
		close(results)
		won := 0
		for err := range results {
			if err == nil {
				won++
			} else if !errors.Is(err, store.ErrConflict) {
				t.Errorf("the loser is told %v", err)
			}
		}
		if won != 1 || e.count("SELECT count(*) FROM audit_entry") != 1 {
			t.Errorf("%d won, %d entries", won, e.count("SELECT count(*) FROM audit_entry"))
		}
	})
}

func TestAClosedStoreRefuses(t *testing.T) {
	each(t, func(t *testing.T, e *engine) {
		fine(t, e.Close())
		if err := e.Write(t.Context(), func(ctx context.Context, tx *store.Tx) error { return person(ctx, tx, "late", true) }); err == nil {
			t.Error("a closed store takes a write")
		}
		if err := e.Close(); err != nil {
			t.Errorf("closing twice: %v", err)
		}
	})
}

func TestAnAddressThatCannotBeReadIsNotRepeated(t *testing.T) {
	for _, address := range []string{"postgres://u:Kanariya@host:port/x", "Kanariya=Kanariya", "postgres://u:Kanariya@127.0.0.1:1/x?sslmode=Kanariya", "postgres://u:Kanariya@127.0.0.1:1/x?connect_timeout=1"} {
		if _, err := store.OpenPostgres(t.Context(), address, 1); err == nil || strings.Contains(err.Error(), "Kanariya") {
			t.Errorf("opening gives %v", err)
		}
	}
}

const childVariable = "INKAN_STORE_CHILD"

// TestChildWriter is no test of its own: it is the process that TestNothingAcknowledgedIsLost kills. It writes without end and says what is committed.
func TestChildWriter(t *testing.T) {
	address := os.Getenv(childVariable)
	if address == "" {
		t.Skip("only as a child of another test")
	}
	var s *store.Store
	var err error
	if strings.HasPrefix(address, "postgres://") {
		s, err = store.OpenPostgres(t.Context(), address, 8)
	} else {
		s, err = store.OpenSQLite(t.Context(), address)
	}
	fine(t, err)
	var mu sync.Mutex
	for n := range 8 {
		go func() {
			for k := 0; ; k++ {
				id := ident.New(ident.Customer, time.Now(), [10]byte{byte(n), byte(k >> 16), byte(k >> 8), byte(k), byte(os.Getpid()), byte(os.Getpid() >> 8)})
				if err := s.Write(context.Background(), func(ctx context.Context, tx *store.Tx) error { return person(ctx, tx, id, true) }); err != nil {
					return
				}
				mu.Lock()
				fmt.Println("committed", id) //nolint:forbidigo // the parent reads it
				mu.Unlock()
			}
		}()
	}
	time.Sleep(time.Minute) // somebody kills us before
}

// A process that is killed at any moment has lost nothing that it said was written, and has written nothing by half.
func TestNothingAcknowledgedIsLost(t *testing.T) {
	each(t, func(t *testing.T, e *engine) {
		fine(t, e.Close())
		acknowledged := map[string]bool{}
		for round := range 5 {
			child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChildWriter$", "-test.v") //nolint:gosec // this very program
			child.Env = append(os.Environ(), childVariable+"="+e.address)
			out, err := child.StdoutPipe()
			fine(t, err)
			fine(t, child.Start())
			lines := bufio.NewScanner(out)
			said := 0
			for lines.Scan() {
				word, id, _ := strings.Cut(strings.TrimSpace(lines.Text()), " ")
				if word != "committed" || len(id) != 30 { // the last line may have been cut by the kill
					continue
				}
				acknowledged[id] = true
				if said++; said == 40+round*37 {
					fine(t, child.Process.Kill())
				}
			}
			_ = child.Wait()
			if said < 40 {
				t.Fatalf("round %d: only %d writes were acknowledged", round, said)
			}
		}
		there := map[string]bool{}
		rows, err := e.raw.QueryContext(t.Context(), "SELECT c.id FROM customer c JOIN audit_entry a ON a.customer = c.id")
		fine(t, err)
		for rows.Next() {
			var id string
			fine(t, rows.Scan(&id))
			there[id] = true
		}
		fine(t, rows.Close())
		for id := range acknowledged {
			if !there[id] {
				t.Errorf("%s was acknowledged and is lost", id)
			}
		}
		if n := e.count("SELECT count(*) FROM customer c FULL OUTER JOIN audit_entry a ON a.customer = c.id WHERE c.id IS NULL OR a.id IS NULL"); n != 0 {
			t.Errorf("%d writes are there by half", n)
		}
		if e.Engine() == "sqlite" {
			var ok string
			fine(t, e.raw.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&ok))
			if ok != "ok" {
				t.Error(ok)
			}
		}
	})
}
