// Package pgcluster starts a throw-away PostgreSQL server on this machine, for tests and for the benchmark. The server listens on loopback alone,
// and it and its data are gone when it is stopped.
package pgcluster

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
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
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver, for asking whether the server answers and for making databases
)

// ErrNotInstalled says that there are no PostgreSQL server programs on this machine.
var ErrNotInstalled = errors.New("PostgreSQL is not installed")

// Installed says whether the server programs are on this machine.
func Installed() bool { return programs() != "" }

// programs is the folder of the newest server programs, or "".
func programs() string {
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

// Start starts a server and gives its address, without a database name, and what stops it. A durable one waits for the disk at each commit; the
// other does not, which is enough for tests of logic and much faster. Settings are added to the server's own, as "name=value".
func Start(ctx context.Context, durable bool, settings ...string) (address string, stop func(), err error) {
	bin := programs()
	if bin == "" {
		return "", nil, ErrNotInstalled
	}
	dir, err := os.MkdirTemp("", "inkan-pg-")
	if err != nil {
		return "", nil, err
	}
	end := func() { _ = os.RemoveAll(dir) }
	defer func() {
		if err != nil {
			end()
		}
	}()
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
	starting, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	initdb := exec.CommandContext(starting, filepath.Join(bin, "initdb"), "--no-sync", "-A", "trust", "-U", "postgres", "--locale=C.UTF-8", "-E", "UTF8", "-D", data) //nolint:gosec // our own paths
	initdb.SysProcAttr, initdb.Dir = attr, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	settings = append([]string{"listen_addresses=127.0.0.1", "max_connections=200", "synchronous_commit=on"}, settings...)
	if !durable {
		settings = append(settings, "fsync=off", "full_page_writes=off")
	}
	args := []string{"-D", data, "-p", strconv.Itoa(port), "-k", dir}
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	server := exec.Command(filepath.Join(bin, "postgres"), args...) //nolint:gosec // our own paths
	server.SysProcAttr, server.Dir = attr, dir
	log := &lines{}
	server.Stderr = log
	if err := server.Start(); err != nil {
		return "", nil, err
	}
	end = func() {
		_ = server.Process.Signal(syscall.SIGINT)
		_ = server.Wait()
		_ = os.RemoveAll(dir)
	}
	address = fmt.Sprintf("postgres://postgres@127.0.0.1:%d", port)
	probe, err := sql.Open("pgx", address+"/postgres")
	if err != nil {
		return "", nil, err
	}
	defer func() { _ = probe.Close() }()
	for range 200 {
		if err = probe.PingContext(starting); err == nil {
			return address, end, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return "", nil, fmt.Errorf("the server does not answer: %w: %s", err, log)
}

// Name is a fresh name for a database.
func Name() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	return "t" + hex.EncodeToString(b[:])
}

// lines keeps what the server complains about.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
