package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/inkan-auth/inkan/internal/store/db"
)

// OpenPostgres opens, migrates and checks a database by its address (a URL or key=value text as libpq has it; several hosts may be named).
func OpenPostgres(ctx context.Context, address string, connections int) (*Store, error) {
	cfg, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, errors.New("store: the PostgreSQL address cannot be read") // the parser's own error may carry the password
	}
	e := &postgresEngine{}
	// A COMMIT that answers with a warning is not a commit: "canceling wait for synchronous replication" leaves a change that a failover
	// forgets. Warnings are rare enough to count for the whole pool: a commit during which one arrived is of unknown outcome.
	cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		if n.Severity == "WARNING" {
			e.warnings.Add(1)
		}
	}
	d := stdlib.OpenDB(*cfg)
	d.SetMaxOpenConns(connections)
	d.SetMaxIdleConns(connections)
	e.db = d
	if err := prepare(ctx, d, "postgres"); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return &Store{engine: e}, nil
}

type postgresEngine struct {
	db       *sql.DB
	warnings atomic.Int64
}

func (e *postgresEngine) name() string    { return "postgres" }
func (e *postgresEngine) reader() db.DBTX { return e.db }
func (e *postgresEngine) close() error    { return e.db.Close() }

func (e *postgresEngine) write(ctx context.Context, f func(context.Context, db.DBTX) error) error {
	tx, err := e.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("beginning a write: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	if err := runJob(ctx, &job{f: f}, tx); err != nil {
		return err
	}
	before := e.warnings.Load()
	if err := tx.Commit(); err != nil {
		if e.again(err) {
			return err
		}
		return fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	if e.warnings.Load() != before {
		return ErrUnknown
	}
	return nil
}

func (e *postgresEngine) again(err error) bool {
	var p *pgconn.PgError
	if !errors.As(err, &p) {
		return false
	}
	// Serialization failure, deadlock, unique violation: another run sees what the winner did.
	return strings.HasPrefix(p.Code, "40") || p.Code == "23505"
}

func (e *postgresEngine) many(d db.DBTX) Many { return arrays{d} }

// arrays is Many in one statement each. These are the only statements that SQLite does not understand; their twins stand in query/*.sql.
type arrays struct{ db.DBTX }

func (a arrays) CustomersByRef(ctx context.Context, refs []string) (map[string]db.CustomerKeyRow, error) {
	out := make(map[string]db.CustomerKeyRow, len(refs))
	return out, readAll(ctx, a.DBTX, func(r *sql.Rows) error {
		var c db.CustomerKeyRow
		err := r.Scan(&c.ID, &c.Ref, &c.State)
		out[c.Ref] = c
		return err
	}, `SELECT id, ref, state FROM customer WHERE ref = ANY($1)`, refs)
}

// LockTokens holds the one place where we need FOR UPDATE: on SQLite a write is alone by itself. The rows are locked in the order of their customers,
// so that two writes never wait for one another in a circle. What is read is what the write before left: a row that had to be waited for is read
// again. That holds for the locked table alone, so the counters are read by a statement of their own, behind the lock.
func (a arrays) LockTokens(ctx context.Context, factor string, customers []string) (map[string]db.OTPTokensRow, error) {
	out := make(map[string]db.OTPTokensRow, len(customers))
	err := readAll(ctx, a.DBTX, func(r *sql.Rows) error {
		var t db.OTPTokensRow
		err := r.Scan(&t.ID, &t.Customer, &t.State, &t.OtpKey, &t.Digits, &t.StepSeconds, &t.LastStep, &t.Drift, &t.ExpiresAt, &t.StartedAt)
		if t.StartedAt >= out[t.Customer].StartedAt {
			out[t.Customer] = t
		}
		return err
	}, `SELECT id, customer, state, otp_key, digits, step_seconds, last_step, drift, expires_at, started_at FROM token
WHERE customer = ANY($1) AND state IN ('active', 'suspended', 'locked', 'expired') ORDER BY customer, id FOR NO KEY UPDATE`, customers)
	if err != nil {
		return nil, err
	}
	return out, readAll(ctx, a.DBTX, func(r *sql.Rows) error {
		var customer string
		var tries, until int64
		err := r.Scan(&customer, &tries, &until)
		if t, ok := out[customer]; ok {
			t.Tries, t.BlockedUntil = tries, until
			out[customer] = t
		}
		return err
	}, `SELECT customer, tries, blocked_until FROM attempt WHERE customer = ANY($1) AND factor = $2 AND lane = ''`, customers, factor)
}

func (a arrays) AcceptSteps(ctx context.Context, now int64, steps []Step) (map[string]bool, error) {
	tokens, numbers, drifts, at := make([]string, len(steps)), make([]int64, len(steps)), make([]int64, len(steps)), make([]int64, len(steps))
	for i, s := range steps {
		tokens[i], numbers[i], drifts[i], at[i] = s.Token, s.Step, s.Drift, s.At
	}
	out := make(map[string]bool, len(steps))
	return out, readAll(ctx, a.DBTX, func(r *sql.Rows) error {
		var id string
		err := r.Scan(&id)
		out[id] = true
		return err
	}, `UPDATE token SET last_step = s.step, drift = s.drift
FROM unnest(CAST($1 AS TEXT[]), CAST($2 AS BIGINT[]), CAST($3 AS BIGINT[]), CAST($4 AS BIGINT[])) AS s(id, step, drift, at)
WHERE token.id = s.id AND token.id = ANY($1) AND token.last_step < s.step AND token.state = 'active' AND token.expires_at > $5
  AND s.at > (SELECT f.not_before FROM fence f WHERE f.id = 1)
RETURNING token.id`, tokens, numbers, drifts, at, now)
}

// UseProofs inserts in the order of the identifiers, so that two writes never wait for one another in a circle.
func (a arrays) UseProofs(ctx context.Context, proofs []db.UseProofParams) (map[string]bool, error) {
	ids, until := make([][]byte, len(proofs)), make([]int64, len(proofs))
	for i, p := range proofs {
		ids[i], until[i] = p.ID, p.ExpiresAt
	}
	out := make(map[string]bool, len(proofs))
	return out, readAll(ctx, a.DBTX, func(r *sql.Rows) error {
		var id sql.RawBytes
		err := r.Scan(&id)
		out[string(id)] = true
		return err
	}, `INSERT INTO proof (id, expires_at) SELECT p.id, p.expires_at FROM unnest(CAST($1 AS BYTEA[]), CAST($2 AS BIGINT[])) AS p(id, expires_at) ORDER BY p.id
ON CONFLICT (id) DO NOTHING RETURNING id`, ids, until)
}

// ApproveTxns locks the transactions in the order of their identifiers before it moves them, as LockTokens does, and within the same statement. A row that had to be waited for
// is judged as the write before left it.
func (a arrays) ApproveTxns(ctx context.Context, now, until int64, approvals []Approval) (map[string]bool, error) {
	columns := make([][]string, 6)
	for _, p := range approvals {
		for c, text := range []string{p.Txn, p.Token, p.Key, p.Verifier, p.Decision, p.Language} {
			columns[c] = append(columns[c], text)
		}
	}
	out := make(map[string]bool, len(approvals))
	return out, readAll(ctx, a.DBTX, func(r *sql.Rows) error {
		var id string
		err := r.Scan(&id)
		out[id] = true
		return err
	}, `UPDATE txn SET state = 'approved', token = s.token, decision = s.decision, grade = 'A', language = s.language, decided_at = CAST($7 AS BIGINT), approved_until = CAST($8 AS BIGINT), changed_at = CAST($7 AS BIGINT)
FROM unnest(CAST($1 AS TEXT[]), CAST($2 AS TEXT[]), CAST($3 AS TEXT[]), CAST($4 AS TEXT[]), CAST($5 AS TEXT[]), CAST($6 AS TEXT[])) AS s(id, token, key, verifier, decision, language)
WHERE txn.id = s.id AND txn.id = ANY(ARRAY(SELECT l.id FROM txn l WHERE l.id = ANY(CAST($1 AS TEXT[])) ORDER BY l.id FOR NO KEY UPDATE))
  AND txn.state = 'pending' AND txn.expires_at > CAST($7 AS BIGINT) AND txn.created_at > (SELECT f.not_before FROM fence f WHERE f.id = 1)
  AND EXISTS (SELECT 1 FROM token k WHERE k.id = s.token AND k.customer = txn.customer AND k.state = 'active' AND k.expires_at > CAST($7 AS BIGINT) AND k.key_thumbprint = s.key AND k.verifier = s.verifier)
  AND EXISTS (SELECT 1 FROM customer c WHERE c.id = txn.customer AND c.state = 'active')
RETURNING txn.id`, columns[0], columns[1], columns[2], columns[3], columns[4], columns[5], now, until)
}

func (a arrays) InsertEnvelopes(ctx context.Context, envelopes []db.InsertEnvelopeParams) error {
	columns := make([][]string, 3)
	for _, e := range envelopes {
		for c, text := range []string{e.Txn, e.Kind, e.Envelope} {
			columns[c] = append(columns[c], text)
		}
	}
	_, err := a.ExecContext(ctx, `INSERT INTO txn_envelope (txn, kind, envelope) SELECT e.* FROM unnest(CAST($1 AS TEXT[]), CAST($2 AS TEXT[]), CAST($3 AS TEXT[])) AS e`, columns[0], columns[1], columns[2])
	return err
}

func (a arrays) AddressesWanting(ctx context.Context, kind string, now int64, customers []string) (out []Destination, err error) {
	return out, readAll(ctx, a.DBTX, func(r *sql.Rows) error {
		var d Destination
		err := r.Scan(&d.ID, &d.Customer)
		out = append(out, d)
		return err
	}, `SELECT a.id, a.customer FROM address a WHERE a.customer = ANY($1) AND a.state <> 'retired'
  AND NOT EXISTS (SELECT 1 FROM mail_choice m WHERE m.customer = a.customer AND m.kind = $2 AND NOT m.wanted AND m.since <= CAST($3 AS BIGINT))`, customers, kind, now)
}

func (a arrays) InsertOutboxes(ctx context.Context, messages []db.InsertOutboxParams) error {
	columns, sealed, created, expires := make([][]string, 4), make([][]byte, len(messages)), make([]int64, len(messages)), make([]int64, len(messages))
	for i, m := range messages {
		for c, text := range []string{m.ID, m.Customer, m.Topic, m.Address} {
			columns[c] = append(columns[c], text)
		}
		sealed[i], created[i], expires[i] = m.Sealed, m.CreatedAt, m.ExpiresAt
	}
	_, err := a.ExecContext(ctx, `INSERT INTO outbox (id, customer, topic, address, sealed, state, created_at, due_at, expires_at, lease_until, tries, ended_at, reason)
SELECT m.id, m.customer, m.topic, m.address, m.sealed, 'waiting', m.at, m.at, m.until, 0, 0, 0, ''
FROM unnest(CAST($1 AS TEXT[]), CAST($2 AS TEXT[]), CAST($3 AS TEXT[]), CAST($4 AS TEXT[]), CAST($5 AS BYTEA[]), CAST($6 AS BIGINT[]), CAST($7 AS BIGINT[])) AS m(id, customer, topic, address, sealed, at, until)`,
		columns[0], columns[1], columns[2], columns[3], sealed, created, expires)
	return err
}

func (a arrays) ForgetThrottles(ctx context.Context, buckets []string) error {
	_, err := a.ExecContext(ctx, `DELETE FROM throttle WHERE bucket = ANY($1)`, buckets)
	return err
}

func (a arrays) insertEntries(ctx context.Context, rows []db.InsertEntryParams) error {
	columns := make([][]string, 11)
	at := make([]int64, len(rows))
	for i, r := range rows {
		at[i] = r.At
		for c, text := range []string{r.ID, r.ActorKind, r.Actor, r.Action, r.Customer, r.Object, r.Outcome, r.Reason, r.Device, r.Source, r.Detail} {
			columns[c] = append(columns[c], text)
		}
	}
	args := []any{at}
	for _, c := range columns {
		args = append(args, c)
	}
	_, err := a.ExecContext(ctx, `INSERT INTO audit_entry (at, id, actor_kind, actor, action, customer, object, outcome, reason, device, source, detail, sealed_at)
SELECT e.*, 0 FROM unnest(CAST($1 AS BIGINT[]), CAST($2 AS TEXT[]), CAST($3 AS TEXT[]), CAST($4 AS TEXT[]), CAST($5 AS TEXT[]), CAST($6 AS TEXT[]), CAST($7 AS TEXT[]),
    CAST($8 AS TEXT[]), CAST($9 AS TEXT[]), CAST($10 AS TEXT[]), CAST($11 AS TEXT[]), CAST($12 AS TEXT[])) AS e`, args...)
	return err
}
