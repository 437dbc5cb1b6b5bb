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
	if err := f(ctx, tx); err != nil {
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
