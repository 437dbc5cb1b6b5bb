package store

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed schema/*.sql
var schema embed.FS

// prepare brings the schema up to date and proves that the engine does what our SQL relies on.
func prepare(ctx context.Context, d *sql.DB, dialect goose.Dialect) error {
	var got string
	// Parameters must bind by number. A driver that binds by order of appearance would answer "ab" and mix up columns without an error.
	if err := d.QueryRowContext(ctx, "SELECT CAST($2 AS TEXT) || CAST($1 AS TEXT)", "a", "b").Scan(&got); err != nil {
		return fmt.Errorf("opening the database: %w", err)
	}
	if got != "ba" {
		return fmt.Errorf("store: the driver binds $1 by position (%q)", got)
	}
	files, err := fs.Sub(schema, "schema")
	if err != nil {
		return err
	}
	var options []goose.ProviderOption
	if dialect == goose.DialectPostgres {
		locker, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return err
		}
		options = append(options, goose.WithSessionLocker(locker))
	} else {
		// Before 3.51.3 two connections that write and checkpoint at one moment can corrupt the file.
		var version string
		if err := d.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&version); err != nil {
			return err
		}
		var a, b, c int
		if _, err := fmt.Sscanf(version, "%d.%d.%d", &a, &b, &c); err != nil || a*1_000_000+b*1000+c < 3_051_003 {
			return fmt.Errorf("store: SQLite %s is too old, 3.51.3 is needed", version)
		}
	}
	p, err := goose.NewProvider(dialect, d, files, options...)
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("bringing the schema up to date: %w", err)
	}
	return nil
}

// detailText is the small facts of an entry as JSON with sorted names, which encoding/json gives for maps.
func detailText(d map[string]string) (string, error) {
	if len(d) == 0 {
		return "{}", nil
	}
	b, err := json.Marshal(d)
	return string(b), err
}
