package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// positional is a driver that binds parameters by the order in which they stand in the text, as some do.
type positional struct{ version string }

func (p positional) Open(string) (driver.Conn, error)             { return p, nil }
func (p positional) Connect(context.Context) (driver.Conn, error) { return p, nil }
func (p positional) Driver() driver.Driver                        { return p }
func (p positional) Close() error                                 { return nil }
func (p positional) Begin() (driver.Tx, error)                    { return nil, driver.ErrBadConn }
func (p positional) NumInput() int                                { return -1 }
func (p positional) Exec([]driver.Value) (driver.Result, error)   { return driver.RowsAffected(0), nil }
func (p positional) Prepare(q string) (driver.Stmt, error) {
	if strings.Contains(q, "sqlite_version") {
		return oldEngine{p}, nil
	}
	return p, nil
}

func (p positional) Query(args []driver.Value) (driver.Rows, error) {
	text := ""
	for _, a := range args {
		text += a.(string)
	}
	if p.version != "" { // binds rightly, but is an old SQLite
		text = "ba"
	}
	return &oneText{text: text}, nil
}

type oldEngine struct{ positional }

func (o oldEngine) Query([]driver.Value) (driver.Rows, error) { return &oneText{text: o.version}, nil }

type oneText struct {
	text string
	done bool
}

func (o *oneText) Columns() []string { return []string{"x"} }
func (o *oneText) Close() error      { return nil }
func (o *oneText) Next(to []driver.Value) error {
	if o.done {
		return io.EOF
	}
	o.done, to[0] = true, o.text
	return nil
}

// A driver that takes $2 for "the first one that comes" would write columns into one another without an error: the start ends there.
func TestADriverThatMixesUpParametersIsRefused(t *testing.T) {
	d := sql.OpenDB(positional{})
	defer func() { _ = d.Close() }()
	for _, dialect := range []string{"sqlite3", "postgres"} {
		var err error
		if dialect == "sqlite3" {
			err = prepare(t.Context(), d, "sqlite3")
		} else {
			err = prepare(t.Context(), d, "postgres")
		}
		if err == nil || !strings.Contains(err.Error(), "by position") {
			t.Errorf("%s: %v", dialect, err)
		}
	}
}

func TestAnOldSQLiteIsRefused(t *testing.T) {
	for _, version := range []string{"3.51.2", "3.46.0", "2.99.99", "nonsense"} {
		d := sql.OpenDB(positional{version})
		if err := prepare(t.Context(), d, "sqlite3"); err == nil || !strings.Contains(err.Error(), "too old") {
			t.Errorf("SQLite %s: %v", version, err)
		}
		_ = d.Close()
	}
}

// The rule "no change without an entry" stands on knowing which table a statement changes. Every statement that we have is known.
func TestEveryStatementIsKnownByTheTableItChanges(t *testing.T) {
	names, err := filepath.Glob("query/*.sql")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	write := regexp.MustCompile(`(?i)\b(?:INSERT\s+INTO|DELETE\s+FROM|UPDATE)\s+([a-z_]+)`)
	reads, writes := 0, 0
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range strings.Split(string(b), "-- name:")[1:] {
			q := "-- name:" + part
			text := ""
			for line := range strings.Lines(q) {
				if !strings.HasPrefix(strings.TrimSpace(line), "--") {
					text += line
				}
			}
			want := ""
			for _, m := range write.FindAllStringSubmatch(text, -1) {
				if !strings.EqualFold(m[1], "SET") { // ON CONFLICT … DO UPDATE SET
					want = m[1]
					break
				}
			}
			if got := changes(q); got != want {
				t.Errorf("%s: taken for a change of %q, it is one of %q:\n%s", name, got, want, q)
			}
			if want == "" {
				reads++
			} else {
				writes++
			}
		}
	}
	if reads < 20 || writes < 20 {
		t.Errorf("only %d reads and %d writes were found", reads, writes)
	}
}

// A new file, and the log beside it, is the server's alone: names and addresses stand in it in clear.
func TestANewFileIsTheServersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "inkan.db")
	s, err := OpenSQLite(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		if at, err := os.Stat(name); err != nil || at.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", filepath.Base(name), at.Mode(), err)
		}
	}
}
