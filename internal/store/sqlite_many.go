package store

import (
	"context"
	"database/sql"
	"errors"
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
	wideProofs    = widen(`INSERT INTO proof (id, expires_at) VALUES `, `(?, ?)`, ` ON CONFLICT (id) DO NOTHING`)
	wideEnvelopes = widen(`INSERT INTO txn_envelope (txn, kind, envelope) VALUES `, `(?, ?, ?)`, ``)
	wideAddresses = widen(`WITH k(customer) AS (VALUES `, `(?)`, `) SELECT a.id, a.customer FROM k CROSS JOIN address a ON a.customer = k.customer WHERE a.state <> 'retired'
  AND NOT EXISTS (SELECT 1 FROM mail_choice m WHERE m.customer = a.customer AND m.kind = ? AND NOT m.wanted AND m.since <= ?)`)
	wideThrottles = widen(`WITH k(bucket) AS (VALUES `, `(?)`, `) SELECT t.bucket FROM k CROSS JOIN throttle t ON t.bucket = k.bucket`)
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

// UseProofs takes one by one those among which one has been used before: that is rare, and RETURNING would make SQLite build a table of its own each time.
func (c chunks) UseProofs(ctx context.Context, proofs []db.UseProofParams) (map[string]bool, error) {
	out := make(map[string]bool, len(proofs))
	for some := range slices.Chunk(proofs, rowsTogether) {
		args := make([]any, 0, 2*len(some))
		for _, p := range some {
			args = append(args, p.ID, p.ExpiresAt)
		}
		if _, err := c.DBTX.ExecContext(ctx, "SAVEPOINT proofs"); err != nil {
			return nil, err
		}
		done, err := c.DBTX.ExecContext(ctx, wideProofs.text(len(some)), args...)
		if err != nil {
			return nil, err
		}
		n, err := done.RowsAffected()
		if err != nil {
			return nil, err
		}
		all := n == int64(len(some))
		if !all {
			if _, err := c.DBTX.ExecContext(ctx, "ROLLBACK TO proofs"); err != nil {
				return nil, err
			}
		}
		for _, p := range some {
			fresh := all
			if !all {
				if fresh, err = Once(c.UseProof(ctx, p)); err != nil {
					return nil, err
				}
			}
			out[string(p.ID)] = fresh
		}
		if _, err := c.DBTX.ExecContext(ctx, "RELEASE proofs"); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// ApproveTxns takes a statement for each, as AcceptSteps does.
func (c chunks) ApproveTxns(ctx context.Context, now, until int64, approvals []Approval) (map[string]bool, error) {
	out := make(map[string]bool, len(approvals))
	for _, p := range approvals {
		var err error
		if out[p.Txn], err = Once(c.ApproveTxn(ctx, db.ApproveTxnParams{ID: p.Txn, Token: p.Token, Decision: p.Decision, Language: p.Language, ApprovedUntil: until, KeyThumbprint: p.Key, Verifier: p.Verifier, Now: now})); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (c chunks) InsertEnvelopes(ctx context.Context, envelopes []db.InsertEnvelopeParams) error {
	for some := range slices.Chunk(envelopes, rowsTogether) {
		args := make([]any, 0, 3*len(some))
		for _, e := range some {
			args = append(args, e.Txn, e.Kind, e.Envelope)
		}
		if _, err := c.DBTX.ExecContext(ctx, wideEnvelopes.text(len(some)), args...); err != nil {
			return err
		}
	}
	return nil
}

func (c chunks) AddressesWanting(ctx context.Context, kind string, now int64, customers []string) (out []Destination, err error) {
	err = c.each(ctx, wideAddresses, customers, []any{kind, now}, func(r *sql.Rows) error {
		var d Destination
		err := r.Scan(&d.ID, &d.Customer)
		out = append(out, d)
		return err
	})
	return out, err
}

// InsertOutboxes takes a statement for each: the outbox has several indexes, and what is shared by a statement is little beside them.
func (c chunks) InsertOutboxes(ctx context.Context, messages []db.InsertOutboxParams) error {
	for _, m := range messages {
		if err := c.InsertOutbox(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// ForgetThrottles looks first: mostly there is nothing to forget.
func (c chunks) ForgetThrottles(ctx context.Context, buckets []string) error {
	var there []string
	err := c.each(ctx, wideThrottles, buckets, nil, func(r *sql.Rows) error {
		var bucket string
		err := r.Scan(&bucket)
		there = append(there, bucket)
		return err
	})
	for _, bucket := range there {
		err = errors.Join(err, c.ForgetThrottle(ctx, bucket))
	}
	return err
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
