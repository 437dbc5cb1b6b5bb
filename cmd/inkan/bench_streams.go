package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/inkan-auth/inkan/internal/connector/keys"
	"github.com/inkan-auth/inkan/internal/server/api"
	"github.com/inkan-auth/inkan/internal/store"
)

const (
	spareFiles    = 200   // of the limit of open files: what either process needs beside its streams
	portsEach     = 25000 // streams from one address, which has no more ports than some 28,000
	streamOpeners = 32
	wokenStreams  = 8   // of the one customer who is told to look
	wakeUps       = 250 // how often: long enough for a ping to all to come between
)

// streamBench holds many event streams open on a server in a process of its own.
type streamBench struct {
	n, wakes int
	rest     time.Duration                                      // before memory is read
	command  func(ctx context.Context, config string) *exec.Cmd // starts the server
}

func benchStreams(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	b := streamBench{wakes: wakeUps}
	f := flag.NewFlagSet("bench streams", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&b.n, "n", 20000, "how many event streams are open")
	f.DurationVar(&b.rest, "rest", 10*time.Second, "how long the server has been at rest when its memory is read")
	if f.Parse(args) != nil || f.NArg() > 0 || b.n < 1 {
		fmt.Fprintln(stderr, "usage: inkan bench streams [-n streams] [-rest 10s]")
		return errUsage
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	b.command = func(ctx context.Context, config string) *exec.Cmd {
		return exec.CommandContext(ctx, program, "serve", "-config", config) //nolint:gosec // ourselves
	}
	return b.run(ctx, stdout)
}

func (b streamBench) run(ctx context.Context, stdout io.Writer) error {
	files, err := raiseFiles(uint64(b.n) + spareFiles) //nolint:gosec // n is positive
	if err != nil {
		return err
	}
	if most := int(files) - spareFiles; b.n > most { //nolint:gosec // no limit is so high
		fmt.Fprintf(stdout, "a process may open %d files here: %d streams instead of %d\n", files, most, b.n)
		b.n = most
	}
	dir, err := os.MkdirTemp("", "inkan-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	config, listen, ready, err := startConfig(dir)
	if err != nil {
		return err
	}
	w, err := streamWorld(ctx, dir, config, listen, max(1000, b.n))
	if err != nil {
		return err
	}
	_, pid, stop, err := startServer(b.command(ctx, config), ready)
	if err != nil {
		return err
	}
	defer stop()
	weigh := func() (int, error) {
		err := pause(ctx, b.rest)
		kib, ok := resident(pid)
		if err == nil && !ok {
			err = errors.New("memory cannot be read on this system")
		}
		return kib, err
	}
	atStart, err := weigh()
	if err != nil {
		return err
	}
	// As many requests with a proof that open no stream: what the database keeps in memory after those is not the streams'.
	if err := w.ask(ctx, b.n); err != nil {
		return err
	}
	before, err := weigh()
	if err != nil {
		return err
	}
	conns, err := w.openStreams(ctx, 0, b.n)
	defer closeAll(conns)
	if err != nil {
		return err
	}
	after, err := weigh()
	if err != nil {
		return err
	}
	if gone := countGone(conns); gone > 0 {
		return fmt.Errorf("%d of %d streams are closed", gone, b.n)
	}
	each := func(kib int) float64 { return float64(after-kib) / float64(b.n) }
	fmt.Fprintf(stdout, "%d idle event streams: %.1f KiB each (resident memory %.0f MiB at start, %.0f MiB after as many requests without a stream, %.0f MiB with the streams; against the start %.1f KiB each)\n",
		b.n, each(before), float64(atStart)/1024, float64(before)/1024, float64(after)/1024, each(atStart))
	took, err := w.wake(ctx, b.wakes)
	if err != nil {
		return err
	}
	slices.Sort(took)
	fmt.Fprintf(stdout, "from the bank's request until all %d streams of one customer say look: p50 %.1f ms, p99 %.1f ms, longest %.1f ms, of %d\n",
		wokenStreams, ms(took[len(took)/2]), ms(took[len(took)*99/100]), ms(took[len(took)-1]), len(took))
	if gone := countGone(conns); gone > 0 {
		return fmt.Errorf("afterwards %d of %d streams are closed", gone, b.n)
	}
	return nil
}

// raiseFiles lets this process and its children open as many files as are wanted, or as it may.
func raiseFiles(want uint64) (uint64, error) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0, err
	}
	if l.Max < want && syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: want, Max: want}) == nil { // for root alone
		return want, nil
	}
	l.Cur = l.Max // a child gets the limit that was set and not the one that the language's own start-up has raised
	return l.Cur, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l)
}

// streamWorld seeds the file of a server that is yet to be started.
func streamWorld(ctx context.Context, dir, config, listen string, n int) (*benchWorld, error) {
	c, err := readConfig(config)
	if err != nil {
		return nil, err
	}
	w := &benchWorld{clock: newBenchClock(), addr: listen, host: strings.TrimPrefix(c.Hosts.API, "https://"), tokenHost: strings.TrimPrefix(c.Hosts.Token, "https://"), tokenOrigin: c.Hosts.Token}
	if err := w.newDevice(); err != nil {
		return nil, err
	}
	k, err := keys.Open(filepath.Join(dir, "keys"), w.tokenOrigin, time.Now())
	if err != nil {
		return nil, err
	}
	s, err := store.OpenSQLite(ctx, c.Database.SQLite)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.Close() }()
	if err := w.seed(ctx, s, k, n); err != nil {
		return nil, err
	}
	p, err := c.parts(s, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	h, err := build(ctx, p)
	if err != nil {
		return nil, err
	}
	secret, err := h.authority.CreateAPIClient(ctx, "bench", api.Scopes, nil, "")
	w.bearer = basic("bench", secret)
	return w, err
}

// now brings the clock that proofs are made by to the time that the server has, which is everybody's.
func (w *benchWorld) now() { w.clock.reach(time.Now().Unix() / int64(benchStep/time.Second)) }

// ask makes n requests with a proof, each of another token.
func (w *benchWorld) ask(ctx context.Context, n int) error {
	var next atomic.Int64
	return side(streamOpeners, func() error {
		c, err := w.dial(ctx)
		if err != nil {
			return err
		}
		defer c.close()
		for {
			i := int(next.Add(1) - 1)
			if i >= n {
				return nil
			}
			w.now()
			proof, err := w.proof(w.tokens[i], "GET", "/v1/token", "")
			if err != nil {
				return err
			}
			if _, err := c.call(http.StatusOK, "GET", w.tokenHost, "/v1/token", proof, ""); err != nil {
				return err
			}
		}
	})
}

// side runs n of f side by side.
func side(n int, f func() error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = f() })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// openStreams opens n event streams of the tokens from the given one on, each on a connection of its own.
func (w *benchWorld) openStreams(ctx context.Context, from, n int) ([]net.Conn, error) {
	conns := make([]net.Conn, n)
	var next atomic.Int64
	err := side(min(streamOpeners, n), func() (err error) {
		for {
			i := int(next.Add(1) - 1)
			if i >= n {
				return nil
			}
			if conns[i], err = w.openStream(ctx, w.tokens[(from+i)%len(w.tokens)], byte(1+i/portsEach)); err != nil {
				return err
			}
		}
	})
	return slices.DeleteFunc(conns, func(c net.Conn) bool { return c == nil }), err
}

// openStream reads no further than the server has written by then: an open stream must cost little here too.
func (w *benchWorld) openStream(ctx context.Context, t benchToken, source byte) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, source)}, KeepAlive: -1}
	conn, err := d.DialContext(ctx, "tcp", w.addr)
	if err != nil {
		return nil, err
	}
	w.now()
	proof, err := w.proof(t, "GET", "/v1/events", "")
	if err == nil {
		err = conn.SetDeadline(time.Now().Add(time.Minute))
	}
	if err == nil {
		_, err = conn.Write(request(nil, "GET", w.tokenHost, "/v1/events", proof, ""))
	}
	var head []byte
	for err == nil && !bytes.Contains(head, []byte("\r\n\r\n")) {
		head = slices.Grow(head, 1024)
		var n int
		n, err = conn.Read(head[len(head):cap(head)])
		head = head[:len(head)+n]
	}
	if err == nil && !bytes.HasPrefix(head, []byte("HTTP/1.1 200 ")) {
		err = fmt.Errorf("a stream was answered %.60q", head)
	}
	if err = errors.Join(err, conn.SetDeadline(time.Time{})); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

func closeAll(conns []net.Conn) {
	for _, c := range conns {
		_ = c.Close()
	}
}

// countGone says how many the server has closed, and reads what it has written to the others.
func countGone(conns []net.Conn) (gone int) {
	for _, c := range conns {
		raw, err := c.(syscall.Conn).SyscallConn()
		if err != nil {
			gone++
			continue
		}
		var b [512]byte
		var n int
		var failed error
		err = raw.Read(func(fd uintptr) bool {
			n, failed = syscall.Read(int(fd), b[:]) //nolint:gosec // as the kernel gave it
			return true                             // do not wait
		})
		if err != nil || n <= 0 && !errors.Is(failed, syscall.EAGAIN) {
			gone++
		}
	}
	return gone
}

// wake measures from the bank's request for a transaction until every stream of its customer has said so.
func (w *benchWorld) wake(ctx context.Context, times int) ([]time.Duration, error) {
	told := make(chan error)
	seen, stop := context.WithCancel(ctx)
	defer stop()
	for i := range wokenStreams {
		conn, err := w.openStream(ctx, w.tokens[0], byte(100+i))
		if err != nil {
			return nil, err
		}
		defer func() { _ = conn.Close() }()
		go func() {
			r := bufio.NewReaderSize(conn, 64)
			for {
				line, err := r.ReadString('\n')
				if err == nil && !strings.HasPrefix(line, "event: transaction") {
					continue
				}
				select {
				case told <- err:
				case <-seen.Done():
					return
				}
				if err != nil {
					return
				}
			}
		}()
	}
	all := func() error {
		for range wokenStreams {
			select {
			case err := <-told:
				if err != nil {
					return err
				}
			case <-time.After(10 * time.Second):
				return errors.New("a stream said nothing")
			}
		}
		return nil
	}
	quiet := func() { // what was said before the streams were open, or twice
		for {
			select {
			case <-told:
			case <-time.After(100 * time.Millisecond):
				return
			}
		}
	}
	bank, err := w.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer bank.close()
	quiet()
	took := make([]time.Duration, 0, times)
	for i := range times {
		began := time.Now()
		headers := fmt.Sprintf("Authorization: %s\r\nIdempotency-Key: wake-%d\r\n", w.bearer, i)
		if err := bank.send(request(nil, "POST", w.host, "/v1/transactions", headers, `{"customer":"`+w.tokens[0].ref+`",`+theOrder)); err != nil {
			return nil, err
		}
		if err := all(); err != nil {
			return nil, err
		}
		took = append(took, time.Since(began))
		made, err := bank.answer(http.StatusCreated)
		if err != nil {
			return nil, err
		}
		_, rest, _ := bytes.Cut(made, []byte(`"id":"`))
		id, _, _ := bytes.Cut(rest, []byte(`"`))
		if _, err := bank.call(http.StatusOK, "POST", w.host, "/v1/transactions/"+string(id)+"/cancel", "Authorization: "+w.bearer+"\r\n", "{}"); err != nil {
			return nil, err
		}
		quiet()
	}
	return took, nil
}
