package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"strings"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// The statements below do for many rows what their twins in query/*.sql do for one, so that one-time passwords that arrive together cost one
// round trip and one commit together. The rows travel as one JSON array in $1. Both engines read it with the same SQL but for the name of the function
// that takes an array apart, which stands here as ROWS.
type manySQL map[string]string // by engine

func many(text string) manySQL {
	return manySQL{
		"sqlite":   strings.ReplaceAll(text, "ROWS", "json_each($1) AS r"),
		// The condition holds for all rows. It tells the planner that they are few, so that it looks tokens up by their index and does not read all of them.
		"postgres": strings.ReplaceAll(text, "ROWS", "(SELECT value FROM json_array_elements(CAST($1 AS JSON)) WHERE json_typeof(value) = 'object') AS r"),
	}
}

// Elements are objects also where one value would do: a bare text is read with quotes by the one engine and without by the other.
var (
	customersByRef = many(`SELECT id, ref, state FROM customer WHERE ref IN (SELECT r.value ->> 'key' FROM ROWS)`)

	currentTokens = many(`SELECT id, customer, state, otp_key, digits, step_seconds, last_step, drift, expires_at FROM token
WHERE customer IN (SELECT r.value ->> 'key' FROM ROWS) AND state IN ('active', 'suspended', 'locked', 'expired') ORDER BY started_at`)

	// Sorted, so that two writes that meet take the counters' locks in the same order and never wait for one another in a circle.
	reserveTries = many(`INSERT INTO attempt (customer, factor, lane, tries, block, blocked_until)
SELECT r.value ->> 'key', CAST($2 AS TEXT), '', 1, 0, 0 FROM ROWS WHERE TRUE ORDER BY 1
ON CONFLICT (customer, factor, lane) DO UPDATE SET
    tries = attempt.tries + 1,
    block = CASE WHEN (attempt.tries + 1) % CAST($3 AS BIGINT) <> 0 THEN attempt.block
                 WHEN attempt.block = 0 THEN CAST($4 AS BIGINT)
                 WHEN attempt.block * 2 > CAST($5 AS BIGINT) THEN CAST($5 AS BIGINT)
                 ELSE attempt.block * 2 END,
    blocked_until = CASE WHEN (attempt.tries + 1) % CAST($3 AS BIGINT) <> 0 THEN 0
                 ELSE CAST($6 AS BIGINT) + CASE WHEN attempt.block = 0 THEN CAST($4 AS BIGINT)
                 WHEN attempt.block * 2 > CAST($5 AS BIGINT) THEN CAST($5 AS BIGINT)
                 ELSE attempt.block * 2 END END
WHERE attempt.blocked_until <= CAST($6 AS BIGINT) AND attempt.tries < CAST($7 AS BIGINT)
RETURNING customer, tries, blocked_until`)

	acceptSteps = many(`UPDATE token SET last_step = CAST(r.value ->> 'step' AS BIGINT)
FROM ROWS
WHERE token.id = r.value ->> 'id' AND token.last_step < CAST(r.value ->> 'step' AS BIGINT) AND token.state = 'active' AND token.expires_at > $2
  AND CAST(r.value ->> 'at' AS BIGINT) > (SELECT f.not_before FROM fence f WHERE f.id = 1)
RETURNING token.id`)

	clearAllTries = many(`UPDATE attempt SET tries = 0, block = 0, blocked_until = 0
WHERE customer IN (SELECT r.value ->> 'key' FROM ROWS) AND factor = $2 AND lane = ''`)

	insertEntries = many(`INSERT INTO audit_entry (id, at, actor_kind, actor, action, customer, object, outcome, reason, device, source, detail, sealed_at)
SELECT r.value ->> 'ID', CAST(r.value ->> 'At' AS BIGINT), r.value ->> 'ActorKind', r.value ->> 'Actor', r.value ->> 'Action', r.value ->> 'Customer', r.value ->> 'Object',
    r.value ->> 'Outcome', r.value ->> 'Reason', r.value ->> 'Device', r.value ->> 'Source', r.value ->> 'Detail', 0 FROM ROWS`)
)

// key is a row of one text.
type key struct {
	Key string `json:"key"`
}

func keys(texts []string) []key {
	out := make([]key, len(texts))
	for i, t := range texts {
		out[i].Key = t
	}
	return out
}

// query runs one of the statements above and reads its rows.
func (tx *Tx) query(ctx context.Context, q manySQL, rows any, read func(*sql.Rows) error, args ...any) error {
	b, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	got, err := tx.rows.QueryContext(ctx, q[tx.engine], append([]any{string(b)}, args...)...)
	if err != nil {
		return err
	}
	defer func() { _ = got.Close() }()
	for got.Next() {
		if err := read(got); err != nil {
			return err
		}
	}
	return got.Err()
}

func (tx *Tx) exec(ctx context.Context, q manySQL, rows any, args ...any) error {
	b, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	_, err = tx.rows.ExecContext(ctx, q[tx.engine], append([]any{string(b)}, args...)...)
	return err
}

// CustomersByRef finds customers by the bank's references. Only ID, Ref and State are filled in.
func (tx *Tx) CustomersByRef(ctx context.Context, refs []string) (map[string]db.Customer, error) {
	out := make(map[string]db.Customer, len(refs))
	return out, tx.query(ctx, customersByRef, keys(refs), func(r *sql.Rows) error {
		var c db.Customer
		err := r.Scan(&c.ID, &c.Ref, &c.State)
		out[c.Ref] = c
		return err
	})
}

// CurrentTokens gives the token of each customer that has one to speak of. Only what a one-time password is judged by is filled in.
func (tx *Tx) CurrentTokens(ctx context.Context, customers []string) (map[string]db.Token, error) {
	out := make(map[string]db.Token, len(customers))
	return out, tx.query(ctx, currentTokens, keys(customers), func(r *sql.Rows) error {
		var t db.Token
		err := r.Scan(&t.ID, &t.Customer, &t.State, &t.OtpKey, &t.Digits, &t.StepSeconds, &t.LastStep, &t.Drift, &t.ExpiresAt)
		out[t.Customer] = t // rows come oldest first: the latest stays
		return err
	})
}

// ReserveTries counts a try for each of these customers and locks their counters; p says how, its customer and lane aside. Whoever is missing in the answer has none left.
func (tx *Tx) ReserveTries(ctx context.Context, p db.ReserveTryParams, customers []string) (map[string]db.ReserveTryRow, error) {
	out := make(map[string]db.ReserveTryRow, len(customers))
	return out, tx.query(ctx, reserveTries, keys(customers), func(r *sql.Rows) error {
		var customer string
		var row db.ReserveTryRow
		err := r.Scan(&customer, &row.Tries, &row.BlockedUntil)
		out[customer] = row
		return err
	}, p.Factor, p.Every, p.Base, p.Cap, p.Now, p.Hard)
}

// Step is one step of a token that is to be used up.
type Step struct {
	Token string `json:"id"`
	Step  int64  `json:"step"`
	// At is the moment that the fence is compared with.
	At int64 `json:"at"`
}

// AcceptSteps uses up the steps that nobody has used before, and says of which tokens.
func (tx *Tx) AcceptSteps(ctx context.Context, now int64, steps []Step) (map[string]bool, error) {
	out := make(map[string]bool, len(steps))
	return out, tx.query(ctx, acceptSteps, steps, func(r *sql.Rows) error {
		var id string
		err := r.Scan(&id)
		out[id] = true
		return err
	}, now)
}

// ClearAllTries gives these customers all their tries of a factor back.
func (tx *Tx) ClearAllTries(ctx context.Context, factor string, customers []string) error {
	return tx.exec(ctx, clearAllTries, keys(customers), factor)
}

// RecordAll inserts the audit entries of this write.
func (tx *Tx) RecordAll(ctx context.Context, entries []audit.Entry) error {
	rows := make([]db.InsertEntryParams, len(entries))
	for i, e := range entries {
		var err error
		if rows[i], err = entryRow(e); err != nil {
			return err
		}
	}
	tx.entries += len(entries)
	return tx.exec(ctx, insertEntries, rows)
}
