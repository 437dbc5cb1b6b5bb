package testkit

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver, for making fresh databases

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
	bin := postgresBin()
	if bin == "" {
		if os.Getenv("INKAN_TEST_ALL") != "" {
			t.Fatal("PostgreSQL is not installed")
		}
		t.Skip("PostgreSQL is not installed")
	}
	cluster.once.Do(func() { cluster.address, cluster.stop, cluster.err = startPostgres(bin) })
	if cluster.err != nil {
		t.Fatalf("starting PostgreSQL: %v", cluster.err)
	}
	var b [6]byte
	_, _ = rand.Read(b[:])
	name := "t" + hex.EncodeToString(b[:])
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

// postgresBin is the folder of the newest server programs.
func postgresBin() string {
	if p, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(p)
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return ""
	}
	sort.Strings(found)
	return filepath.Dir(found[len(found)-1])
}

func startPostgres(bin string) (address string, stop func(), err error) {
	dir, err := os.MkdirTemp("", "inkan-pg-")
	if err != nil {
		return "", nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		return "", nil, err
	}
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Getuid() == 0 { // PostgreSQL refuses to run as root
		u, err := user.Lookup("postgres")
		if err != nil {
			return "", nil, err
		}
		uid, _ := strconv.ParseUint(u.Uid, 10, 32)
		gid, _ := strconv.ParseUint(u.Gid, 10, 32)
		attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(dir, int(uid), int(gid)); err != nil {
			return "", nil, err
		}
	}
	data := filepath.Join(dir, "data")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "--no-sync", "-A", "trust", "-U", "postgres", "--locale=C.UTF-8", "-E", "UTF8", "-D", data) //nolint:gosec // our own paths
	initdb.SysProcAttr, initdb.Dir = attr, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	settings := []string{"-D", data, "-p", strconv.Itoa(port), "-k", dir, "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200", "-c", "synchronous_commit=on"}
	if os.Getenv("INKAN_TEST_DURABLE") == "" { // speed for tests of logic; the benchmark asks for the real thing
		settings = append(settings, "-c", "fsync=off", "-c", "full_page_writes=off")
	}
	server := exec.Command(filepath.Join(bin, "postgres"), settings...) //nolint:gosec // our own paths
	server.SysProcAttr, server.Dir = attr, dir
	var log strings.Builder
	server.Stderr = &syncWriter{w: &log}
	if err := server.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = server.Process.Signal(syscall.SIGINT)
		_ = server.Wait()
		_ = os.RemoveAll(dir)
	}
	address = fmt.Sprintf("postgres://postgres@127.0.0.1:%d", port)
	probe, err := sql.Open("pgx", address+"/postgres")
	if err != nil {
		stop()
		return "", nil, err
	}
	defer func() { _ = probe.Close() }()
	for range 200 {
		if err = probe.PingContext(ctx); err == nil {
			return address, stop, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	stop()
	return "", nil, fmt.Errorf("the server does not answer: %w: %s", err, log.String())
}
