package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/store/db"
)

var (
	// ErrConflict says that somebody else was faster, several times in a row. Nothing was written.
	ErrConflict = errors.New("store: a race was lost too often")
	// ErrUnaudited says that a write changed something and told nobody. Nothing was written. It is a defect of the caller.
	ErrUnaudited = errors.New("store: a change without an audit entry")
	// ErrUnknown says that the commit's outcome is not known: the connection broke, or the answer came with a warning. Nothing may be
	// handed out on its strength (ARCHITECTURE.md, One store).
	ErrUnknown = errors.New("store: the outcome of the commit is unknown")
	// ErrNone says that there is no such row.
	ErrNone = sql.ErrNoRows
)

// Store is an open database.
type Store struct {
	engine engine
	writes atomic.Int64 // open writes, so that tests can hold "nothing leaves from inside a write"
	stale  sync.Map     // tables touched per statement text
}

// engine is what differs between the two databases.
type engine interface {
	name() string
	// write runs every function in a transaction of its own, or in one together; it reports the outcome of each.
	write(ctx context.Context, f func(ctx context.Context, tx db.DBTX) error) error
	reader() db.DBTX
	many(d db.DBTX) Many
	again(err error) bool // worth another run
	close() error
}

// Tx is one write. It is good only inside the function it is given to.
type Tx struct {
	*db.Queries
	Many
	rows    *counting
	entries int
}

// Many does for many rows what the verification of one-time passwords and the approval of transactions need, so that those that arrive together cost what one costs. On
// PostgreSQL, where the way to the server is what a statement costs, each is one statement over arrays; on SQLite there are some rows in each statement, where that gains anything.
type Many interface {
	// CustomersByRef finds customers by the bank's references.
	CustomersByRef(ctx context.Context, refs []string) (map[string]db.CustomerKeyRow, error)
	// LockTokens gives the token of each customer that has one to speak of, with her counter of this factor, as they are now, and keeps every other
	// write that judges a code of these customers waiting until this one has ended.
	LockTokens(ctx context.Context, factor string, customers []string) (map[string]db.OTPTokensRow, error)
	// AcceptSteps uses up the steps that nobody has used before, and says of which tokens.
	AcceptSteps(ctx context.Context, now int64, steps []Step) (map[string]bool, error)
	// UseProofs uses up proofs, each another, and says by their identifiers which nobody has used before.
	UseProofs(ctx context.Context, proofs []db.UseProofParams) (map[string]bool, error)
	// ApproveTxns approves the transactions, each another, that may be approved, until the same moment, and says which.
	ApproveTxns(ctx context.Context, now, until int64, approvals []Approval) (map[string]bool, error)
	// InsertEnvelopes keeps signed envelopes.
	InsertEnvelopes(ctx context.Context, envelopes []db.InsertEnvelopeParams) error
	// AddressesWanting gives the addresses on file of these customers, but of those who want no mail of this kind at that moment.
	AddressesWanting(ctx context.Context, kind string, now int64, customers []string) ([]Destination, error)
	// InsertOutboxes puts messages into the outbox.
	InsertOutboxes(ctx context.Context, messages []db.InsertOutboxParams) error
	// ForgetThrottles forgets what was counted in these buckets.
	ForgetThrottles(ctx context.Context, buckets []string) error

	insertEntries(ctx context.Context, rows []db.InsertEntryParams) error
}

// Step is one step of a token that is to be used up; At is the moment that the fence is compared with.
type Step struct {
	Token           string
	Step, Drift, At int64
}

// Destination is an address on file.
type Destination struct{ ID, Customer string }

// Approval is a decision that approves a transaction; Decision is the hash of its envelope, Key the thumbprint of the key that it was verified by.
type Approval struct{ Txn, Token, Key, Verifier, Decision, Language string }

// Engine is "sqlite" or "postgres".
func (s *Store) Engine() string { return s.engine.name() }

// Alone says whether a write is the only one while it lasts, so that what one statement finds still holds when the write ends.
func (s *Store) Alone() bool { return s.engine.name() == "sqlite" }

// Reader reads outside of any write.
func (s *Store) Reader() *db.Queries { return db.New(s.engine.reader()) }

// Writing is the number of writes that are open at this moment.
func (s *Store) Writing() int64 { return s.writes.Load() }

// Close ends the store; open writes are finished first.
func (s *Store) Close() error { return s.engine.close() }

// Write runs f and commits what it did, or nothing. f may run several times: it must not do anything that the database cannot undo. What f
// returns is returned; with an error everything is undone.
func (s *Store) Write(ctx context.Context, f func(ctx context.Context, tx *Tx) error) error {
	return s.run(ctx, f, func(tx *Tx) error {
		if tx.rows.changed != "" && tx.entries == 0 {
			return fmt.Errorf("%w: %s", ErrUnaudited, tx.rows.changed)
		}
		return nil
	})
}

// housekept are the tables that Housekeep may change: counters, leases, deliveries and what merely follows the clock.
var housekept = map[string]bool{"attempt": true, "throttle": true, "proof": true, "lease": true, "calendar": true, "outbox": true, "fence": true, "session": true, "browser": true,
	"oidc_request": true, "oidc_grant": true, "oidc_access": true, "idempotency": true, "ceremony": true, "errand": true, "objection": true, "staff_session": true, "daily_figure": true, "figure_mark": true, "notice": true}

// aged are the tables whose old rows are deleted without an entry; nothing else of them changes without one.
var aged = map[string]bool{"cooling": true, "reissue": true, "phone_check": true, "release_request": true, "release_scan": true, "customer_look": true}

// Housekeep is a write that needs no audit entry and may change only counters, leases and deliveries.
func (s *Store) Housekeep(ctx context.Context, f func(ctx context.Context, tx *Tx) error) error {
	return s.run(ctx, f, func(tx *Tx) error {
		for t := range tx.rows.tables {
			if !housekept[t] {
				return fmt.Errorf("%w: housekeeping changed %s", ErrUnaudited, t)
			}
		}
		return nil
	})
}

func (s *Store) run(ctx context.Context, f func(context.Context, *Tx) error, check func(*Tx) error) error {
	s.writes.Add(1)
	defer s.writes.Add(-1)
	var err error
	for run := range 6 {
		if run > 0 {
			time.Sleep(time.Duration(run*run) * time.Millisecond)
		}
		err = s.engine.write(ctx, func(ctx context.Context, d db.DBTX) error {
			c := &counting{DBTX: d, store: s, tables: map[string]bool{}}
			tx := &Tx{Queries: db.New(c), Many: s.engine.many(c), rows: c}
			if err := f(ctx, tx); err != nil {
				return err
			}
			return check(tx)
		})
		if err == nil || !(errors.Is(err, ErrConflict) || s.engine.again(err)) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", ErrConflict, err)
}

// Record inserts the audit entry of this write.
func (tx *Tx) Record(ctx context.Context, e audit.Entry) error {
	row, err := entryRow(e)
	if err != nil {
		return err
	}
	tx.entries++
	return tx.InsertEntry(ctx, row)
}

// RecordAll inserts the audit entries of a write that does several things at once.
func (tx *Tx) RecordAll(ctx context.Context, entries []audit.Entry) error {
	rows := make([]db.InsertEntryParams, len(entries))
	for i, e := range entries {
		var err error
		if rows[i], err = entryRow(e); err != nil {
			return err
		}
	}
	tx.entries += len(entries)
	return tx.insertEntries(ctx, rows)
}

func entryRow(e audit.Entry) (db.InsertEntryParams, error) {
	detail, err := detailText(e.Detail)
	return db.InsertEntryParams{ID: e.ID, At: Micros(e.At), ActorKind: string(e.Actor.Kind), Actor: e.Actor.ID, Action: string(e.Action),
		Customer: e.Customer, Object: e.Object, Outcome: string(e.Outcome), Reason: e.Reason, Device: e.Actor.Device, Source: e.Actor.Source, Detail: detail}, err
}

// Once turns the row count of a conditional statement into an answer: whether it was this write that did it.
func Once(rows int64, err error) (bool, error) { return rows == 1, err }

// Must turns a row count into ErrConflict where the row was no longer as it was read, so that the write runs again.
func Must(rows int64, err error) error {
	if err == nil && rows != 1 {
		return ErrConflict
	}
	return err
}

// Micros is a time as the database keeps it; the zero time is 0.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Time is the time that the database kept.
func Time(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// counting notes which tables a write changed.
type counting struct {
	db.DBTX
	store   *Store
	tables  map[string]bool
	changed string
}

func (c *counting) note(query string) {
	table, ok := c.store.stale.Load(query)
	if !ok {
		table = changes(query)
		c.store.stale.Store(query, table)
	}
	if t := table.(string); t != "" && !(aged[t] && strings.Contains(query, "DELETE FROM ")) {
		c.tables[t] = true
		if !housekept[t] && t != "audit_entry" {
			c.changed = t
		}
	}
}

func (c *counting) ExecContext(ctx context.Context, q string, args ...any) (sql.Result, error) {
	res, err := c.DBTX.ExecContext(ctx, q, args...)
	if err == nil {
		if n, e := res.RowsAffected(); e != nil || n > 0 {
			c.note(q)
		}
	}
	return res, err
}

func (c *counting) QueryRowContext(ctx context.Context, q string, args ...any) *sql.Row {
	c.note(q)
	return c.DBTX.QueryRowContext(ctx, q, args...)
}

func (c *counting) QueryContext(ctx context.Context, q string, args ...any) (*sql.Rows, error) {
	c.note(q)
	return c.DBTX.QueryContext(ctx, q, args...)
}

// changes gives the table that a statement changes, or "" for one that reads.
func changes(query string) string {
	var words []string
	for line := range strings.Lines(query) {
		if !strings.HasPrefix(strings.TrimSpace(line), "--") {
			words = append(words, strings.Fields(line)...)
		}
		if len(words) >= 3 {
			break
		}
	}
	if len(words) < 3 {
		return ""
	}
	switch strings.ToUpper(words[0]) {
	case "INSERT", "DELETE":
		return words[2]
	case "UPDATE":
		return words[1]
	}
	return ""
}
