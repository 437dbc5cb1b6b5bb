package testkit

import (
	"context"
	"database/sql"
	"os"
	"sync"
	"testing"

	"github.com/inkan-auth/inkan/internal/pgcluster"
	"github.com/inkan-auth/inkan/internal/store"
)

// cluster is one PostgreSQL server for a test binary, started when the first test asks for it.
var cluster struct {
	once    sync.Once
	address string
	err     error
	stop    func()
}

// Postgres opens a fresh database of a server that the tests started themselves. Where no PostgreSQL is installed the test is skipped, except
// under INKAN_TEST_ALL, where it fails.
func Postgres(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.OpenPostgres(t.Context(), PostgresAddress(t), 16)
	if err != nil {
		t.Fatalf("opening PostgreSQL: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// PostgresAddress is the address of a fresh, empty database.
func PostgresAddress(t testing.TB) string {
	t.Helper()
	if !pgcluster.Installed() {
		if os.Getenv("INKAN_TEST_ALL") != "" {
			t.Fatal("PostgreSQL is not installed")
		}
		t.Skip("PostgreSQL is not installed")
	}
	cluster.once.Do(func() {
		// Speed for tests of logic; who asks for it gets the real thing. The server outlives the test that starts it.
		cluster.address, cluster.stop, cluster.err = pgcluster.Start(context.Background(), os.Getenv("INKAN_TEST_DURABLE") != "")
	})
	if cluster.err != nil {
		t.Fatalf("starting PostgreSQL: %v", cluster.err)
	}
	name := pgcluster.Name()
	admin, err := sql.Open("pgx", cluster.address+"/postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = admin.Close() }()
	if _, err := admin.ExecContext(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatalf("making a database: %v", err)
	}
	return cluster.address + "/" + name
}

// Main runs the tests of a package and stops the server that they started.
func Main(m *testing.M) {
	code := m.Run()
	if cluster.stop != nil {
		cluster.stop()
	}
	os.Exit(code)
}
