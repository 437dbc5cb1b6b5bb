package store

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"sync"

	"github.com/inkan-auth/inkan/internal/store/db"
)

// rowsTogether is how many rows one statement of SQLite carries at the most. What a statement costs beside its rows is shared by then; and each
// number of rows is a statement of its own, which the one connection keeps prepared.
const rowsTogether = 16

// chunks is Many in statements of some rows each. These are the only statements that PostgreSQL does not run; their twins stand in query/*.sql.
type chunks struct {
	db.DBTX
	*db.Queries
}

// wide is a statement with a place for as many rows as are given: before, one list of parameters for each row, after.
type wide struct {
	before, row, after string
	texts              [rowsTogether]func() string
}

func widen(before, row, after string) *wide {
	w := &wide{before: before, row: row, after: after}
	for n := range w.texts {
		w.texts[n] = sync.OnceValue(func() string { return w.before + strings.Repeat(w.row+",", n) + w.row + w.after })
	}
	return w
}

func (w *wide) text(rows int) string { return w.texts[rows-1]() }

var (
	wideCustomers = widen(`WITH k(ref) AS (VALUES `, `(?)`, `) SELECT c.id, c.ref, c.state FROM k CROSS JOIN customer c ON c.ref = k.ref`)
	wideTokens    = widen(`WITH k(customer) AS (VALUES `, `(?)`, `) SELECT t.id, t.customer, t.state, t.otp_key, t.digits, t.step_seconds, t.last_step, t.drift, t.expires_at, t.started_at,
    COALESCE(a.tries, 0), COALESCE(a.blocked_until, 0)
FROM k CROSS JOIN token t ON t.customer = k.customer LEFT JOIN attempt a ON a.customer = k.customer AND a.factor = ? AND a.lane = ''
WHERE t.state IN ('active', 'suspended', 'locked', 'expired')`)
	wideEntries = widen(`INSERT INTO audit_entry (id, at, actor_kind, actor, action, customer, object, outcome, reason, device, source, detail, sealed_at) VALUES `,
		`(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)`, ``)
)

// each reads the rows for some keys, a few keys a statement.
func (c chunks) each(ctx context.Context, w *wide, keys []string, more []any, read func(*sql.Rows) error) error {
	for some := range slices.Chunk(keys, rowsTogether) {
		args := make([]any, 0, len(some)+len(more))
		for _, k := range some {
			args = append(args, k)
		}
		if err := readAll(ctx, c.DBTX, read, w.text(len(some)), append(args, more...)...); err != nil {
			return err
		}
	}
	return nil
}

func (c chunks) CustomersByRef(ctx context.Context, refs []string) (map[string]db.CustomerKeyRow, error) {
	out := make(map[string]db.CustomerKeyRow, len(refs))
	return out, c.each(ctx, wideCustomers, refs, nil, func(r *sql.Rows) error {
		var k db.CustomerKeyRow
		err := r.Scan(&k.ID, &k.Ref, &k.State)
		out[k.Ref] = k
		return err
	})
}

// LockTokens needs no lock: there is one write at a time.
func (c chunks) LockTokens(ctx context.Context, factor string, customers []string) (map[string]db.OTPTokensRow, error) {
	out := make(map[string]db.OTPTokensRow, len(customers))
	return out, c.each(ctx, wideTokens, customers, []any{factor}, func(r *sql.Rows) error {
		var t db.OTPTokensRow
		err := r.Scan(&t.ID, &t.Customer, &t.State, &t.OtpKey, &t.Digits, &t.StepSeconds, &t.LastStep, &t.Drift, &t.ExpiresAt, &t.StartedAt, &t.Tries, &t.BlockedUntil)
		if t.StartedAt >= out[t.Customer].StartedAt {
			out[t.Customer] = t
		}
		return err
	})
}

// AcceptSteps takes a statement for each: an update of many rows gathers them first, and gains nothing by it.
func (c chunks) AcceptSteps(ctx context.Context, now int64, steps []Step) (map[string]bool, error) {
	out := make(map[string]bool, len(steps))
	for _, s := range steps {
		var err error
		if out[s.Token], err = Once(c.AcceptStep(ctx, db.AcceptStepParams{ID: s.Token, LastStep: s.Step, Drift: s.Drift, ExpiresAt: now, StepAt: s.At})); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (c chunks) insertEntries(ctx context.Context, rows []db.InsertEntryParams) error {
	for some := range slices.Chunk(rows, rowsTogether) {
		args := make([]any, 0, 12*len(some))
		for _, r := range some {
			args = append(args, r.ID, r.At, r.ActorKind, r.Actor, r.Action, r.Customer, r.Object, r.Outcome, r.Reason, r.Device, r.Source, r.Detail)
		}
		if _, err := c.DBTX.ExecContext(ctx, wideEntries.text(len(some)), args...); err != nil {
			return err
		}
	}
	return nil
}
