package main

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/otp"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// sample is what one line was measured as, once.
type sample struct {
	rate     float64 // verifications a second
	p50, p99 time.Duration
	cpu      time.Duration // of this process for one of them, warm-up included
}

// processorTime is what this process has used so far: of the server and of the load generator, not of a database beside it.
func processorTime() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// measure runs n workers that do one thing after another, and counts what begins and ends between the warm-up and the end. Each does one thing at least, however slow the
// machine is.
func measure(n int, took time.Duration, work func(i int) (once func() error, err error)) (sample, error) {
	var wg sync.WaitGroup
	took += took / 4
	jobs := make([]func() error, n)
	for i := range jobs {
		var err error
		if jobs[i], err = work(i); err != nil {
			return sample{}, err
		}
	}
	begin, used := time.Now(), processorTime()
	from, to := begin.Add(took/5), begin.Add(took)
	seen, errs := make([][]time.Duration, n), make([]error, n)
	var all, inTime atomic.Int64
	for i, once := range jobs {
		wg.Go(func() {
			for {
				start := time.Now()
				if start.After(to) && len(seen[i]) > 0 {
					return
				}
				if errs[i] = once(); errs[i] != nil {
					return
				}
				all.Add(1)
				if start.After(from) {
					end := time.Now()
					seen[i] = append(seen[i], end.Sub(start))
					if end.Before(to) {
						inTime.Add(1)
					}
				}
			}
		})
	}
	wg.Wait()
	used = processorTime() - used
	took, count := to.Sub(from), inTime.Load()
	if count == 0 {
		took, count = time.Since(from), int64(n)
	}
	if err := errors.Join(errs...); err != nil {
		return sample{}, err
	}
	each := slices.Sorted(slices.Values(slices.Concat(seen...)))
	return sample{rate: float64(count) / took.Seconds(), p50: each[len(each)/2], p99: each[len(each)*99/100], cpu: used / time.Duration(all.Load())}, nil
}

// rawRead is the leanest way to read what a code is judged by. The other two statements are the server's own.
const rawRead = `SELECT id, customer, otp_key, digits, step_seconds, last_step, drift, expires_at FROM token WHERE customer = $1 AND state = 'active'`

// raw verifies straight through the driver: the statements of one verification that nothing can be left out of, in a transaction of its own.
func (w *benchWorld) raw(ctx context.Context, n int, took time.Duration) (sample, error) {
	return w.straight(ctx, n, took, func(c *rawConn) error {
		i, round := w.ticket(&w.rawSeq)
		now := w.clock.Now()
		return c.write(ctx, func(q *db.Queries) error {
			var t db.Token
			err := c.QueryRowContext(ctx, rawRead, w.tokens[i].customer).Scan(&t.ID, &t.Customer, &t.OtpKey, &t.Digits, &t.StepSeconds, &t.LastStep, &t.Drift, &t.ExpiresAt)
			if err != nil {
				return err
			}
			used, err := store.Once(q.AcceptStep(ctx, db.AcceptStepParams{ID: t.ID, LastStep: w.log.first + round, Drift: t.Drift, ExpiresAt: store.Micros(now), StepAt: store.Micros(now)}))
			if err != nil || !used {
				return errors.Join(err, fmt.Errorf("the raw update of a token changed it: %v", used))
			}
			return q.InsertEntry(ctx, db.InsertEntryParams{ID: newID(ident.Entry, now), At: store.Micros(now), ActorKind: string(audit.Bank), Actor: "bench", Action: string(audit.OTPVerify),
				Customer: t.Customer, Outcome: string(audit.Done), Device: "-", Source: "127.0.0.0/24", Detail: "{}"})
		})
	})
}

// straight lets n connections to the raw database do one thing after another.
func (w *benchWorld) straight(ctx context.Context, n int, took time.Duration, once func(c *rawConn) error) (sample, error) {
	w.rawDB.SetMaxOpenConns(n)
	w.rawDB.SetMaxIdleConns(n)
	begin := "BEGIN"
	if w.engine == "sqlite" {
		begin = "BEGIN IMMEDIATE" // a reader that turns into a writer would be refused instead of waiting
	}
	var conns []*rawConn
	defer func() {
		for _, c := range conns {
			c.close()
		}
	}()
	return measure(n, took, func(int) (func() error, error) {
		conn, err := w.rawDB.Conn(ctx)
		if err != nil {
			return nil, err
		}
		c := &rawConn{Conn: conn, begin: begin, stmts: map[string]*sql.Stmt{}}
		conns = append(conns, c)
		return func() error { return once(c) }, nil
	})
}

// rawConn is one connection that prepares each statement once, as anybody who wants speed does.
type rawConn struct {
	*sql.Conn
	begin string
	stmts map[string]*sql.Stmt
}

func (c *rawConn) close() {
	for _, s := range c.stmts {
		_ = s.Close()
	}
	_ = c.Conn.Close()
}

// write runs f in a transaction of its own.
func (c *rawConn) write(ctx context.Context, f func(q *db.Queries) error) error {
	if _, err := c.Conn.ExecContext(ctx, c.begin); err != nil {
		return err
	}
	if err := f(db.New(c)); err != nil {
		return err
	}
	_, err := c.Conn.ExecContext(ctx, "COMMIT")
	return err
}

func (c *rawConn) prepared(ctx context.Context, q string) (*sql.Stmt, error) {
	if s, ok := c.stmts[q]; ok {
		return s, nil
	}
	s, err := c.PrepareContext(ctx, q)
	if err == nil {
		c.stmts[q] = s
	}
	return s, err
}

// ExecContext runs the prepared form of a statement.
func (c *rawConn) ExecContext(ctx context.Context, q string, args ...any) (sql.Result, error) {
	s, err := c.prepared(ctx, q)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(ctx, args...)
}

// QueryRowContext runs the prepared form of a statement.
func (c *rawConn) QueryRowContext(ctx context.Context, q string, args ...any) *sql.Row {
	s, err := c.prepared(ctx, q)
	if err != nil {
		return c.Conn.QueryRowContext(ctx, q, args...) // gives the same error to Scan
	}
	return s.QueryRowContext(ctx, args...)
}

// ledger is what the clients were told, token by token. Each code is a (token, step) that no client sends twice except to see it refused.
type ledger struct {
	first int64 // the step of the first round

	mu       sync.Mutex
	accepted []int32 // by token
	last     []int64 // the latest step, by token
	total    int64
	replays  int64
}

func (l *ledger) note(codes []sent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range codes {
		l.accepted[c.token]++
		l.last[c.token] = max(l.last[c.token], c.step)
		l.total++
	}
}

// sent is one code: of which token, and of which step.
type sent struct {
	token int
	step  int64
}

const spreadBy = 7919

// ticket gives the next token and the round it is in. Tokens come in an order that has nothing to do with the order of their rows: spreadBy is a
// prime, so every token has its turn in every round unless it divides their number, which the flags do not allow.
func (w *benchWorld) ticket(seq *atomic.Int64) (token int, round int64) {
	n := seq.Add(1) - 1
	count := int64(len(w.tokens))
	return int(n % count * spreadBy % count), n / count
}

// next is a code that nobody has sent yet; the clock is moved on when every token has shown its own.
func (w *benchWorld) next() sent {
	token, round := w.ticket(&w.seq)
	w.clock.reach(w.log.first + round)
	return sent{token, w.log.first + round}
}

// load lets n clients verify codes over HTTP, each on a connection of its own.
func (w *benchWorld) load(ctx context.Context, n int, took time.Duration) (sample, error) {
	clients := make([]*client, 0, n)
	defer func() {
		for _, c := range clients {
			c.close()
		}
	}()
	s, err := measure(n, took, func(int) (func() error, error) {
		c, err := w.dial(ctx)
		if err != nil {
			return nil, err
		}
		clients = append(clients, c)
		return func() error {
			code := w.next()
			kind, err := c.verify(code)
			if err != nil {
				return err
			}
			if kind != "" {
				return fmt.Errorf("a fresh code was refused: %s", kind)
			}
			c.accepted = append(c.accepted, code)
			return nil
		}, nil
	})
	for _, c := range clients {
		w.log.note(c.accepted)
	}
	if err != nil {
		return s, err
	}
	// The last codes are still live by the clock. Each of them again: all must be refused as used.
	for _, c := range clients {
		for _, code := range c.accepted[max(0, len(c.accepted)-200/n-1):] {
			kind, err := c.verify(code)
			if err != nil {
				return s, err
			}
			if kind != "otp-used" {
				return s, fmt.Errorf("a code was sent again and answered %q instead of otp-used", kind)
			}
			w.log.replays++
		}
	}
	return s, nil
}

// prove holds the clients' ledger against the rows that the server wrote, and tries codes by many clients at once.
func (w *benchWorld) prove(ctx context.Context) ([]string, error) {
	const codes, at = 50, 8
	clients := make([]*client, at)
	for i := range clients {
		c, err := w.dial(ctx)
		if err != nil {
			return nil, err
		}
		defer c.close()
		clients[i] = c
	}
	for range codes {
		code := w.next()
		kinds, errs := make([]string, at), make([]error, at)
		var wg sync.WaitGroup
		for i, c := range clients {
			wg.Go(func() { kinds[i], errs[i] = c.verify(code) })
		}
		wg.Wait()
		slices.Sort(kinds)
		if err := errors.Join(errs...); err != nil {
			return nil, err
		}
		if kinds[0] != "" || kinds[1] != "otp-used" || kinds[at-1] != "otp-used" {
			return nil, fmt.Errorf("one code sent %d times at once was answered %q", at, kinds)
		}
		w.log.note([]sent{code})
	}

	// Two columns a customer: how many acceptances the trail tells of, and the last step of her token.
	rows, err := w.live.QueryContext(ctx, "SELECT t.id, t.last_step, count(e.id) FROM token t LEFT JOIN audit_entry e ON e.customer = t.customer AND e.action = 'otp.verify' AND e.outcome = 'done' GROUP BY t.id, t.last_step")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	byID := make(map[string]int, len(w.tokens))
	for i, t := range w.tokens {
		byID[t.id] = i
	}
	var total int64
	for rows.Next() {
		var id string
		var last, entries int64
		if err := rows.Scan(&id, &last, &entries); err != nil {
			return nil, err
		}
		i := byID[id]
		if entries != int64(w.log.accepted[i]) || entries > 0 && last != w.log.last[i] {
			return nil, fmt.Errorf("a token had %d codes accepted, the last of step %d, but has %d audit entries and stands at step %d", w.log.accepted[i], w.log.last[i], entries, last)
		}
		total += entries
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if total != w.log.total {
		return nil, fmt.Errorf("%d codes were accepted and %d audit entries say so", w.log.total, total)
	}
	return []string{
		fmt.Sprintf("exactly once: %d codes accepted = %d audit entries = as many different (token, step), token by token", w.log.total, total),
		fmt.Sprintf("%d codes sent again: all refused as used; %d codes sent %d times at once: each accepted once", w.log.replays, codes, at)}, nil
}

// client is one connection of the bank's back end. It writes and reads HTTP itself, so that the load generator takes little of the processors that
// the server is measured on.
type client struct {
	w        *benchWorld
	conn     net.Conn
	in       *bufio.Reader
	out      []byte
	accepted []sent
}

func (w *benchWorld) dial(ctx context.Context) (*client, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", w.addr)
	if err != nil {
		return nil, err
	}
	return &client{w: w, conn: conn, in: bufio.NewReader(conn)}, nil
}

func (c *client) close() { _ = c.conn.Close() }

// verify sends one code and gives the kind of the refusal, or "" when it was accepted.
func (c *client) verify(s sent) (kind string, err error) {
	t := c.w.tokens[s.token]
	body := `{"customer":"` + t.ref + `","code":"` + otp.Code(t.key, s.step, 6) + `"}`
	c.out = fmt.Appendf(c.out[:0], "POST /v1/otp/verifications HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nUser-Agent: inkan-bench\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		c.w.host, c.w.bearer, len(body), body)
	if err := c.send(c.out); err != nil {
		return "", err
	}
	status, answer, err := c.read()
	if err != nil {
		return "", err
	}
	if status == http.StatusOK && bytes.Equal(bytes.TrimSpace(answer), []byte(`{"accepted":true}`)) {
		return "", nil
	}
	return problemOf(status, answer), nil
}

// send writes a request on the connection.
func (c *client) send(request []byte) error {
	if err := c.conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	_, err := c.conn.Write(request)
	return err
}

// problemOf gives the kind of a refusal, or the status of an answer that is none.
func problemOf(status int, answer []byte) string {
	if _, after, ok := bytes.Cut(answer, []byte(`"type":"urn:inkan:problem:`)); ok {
		before, _, _ := bytes.Cut(after, []byte(`"`))
		return string(before)
	}
	return fmt.Sprintf("status %d", status)
}

// read reads an answer that has a status line, headers with a Content-Length or pieces that tell their length, and a body.
func (c *client) read() (status int, body []byte, err error) {
	length, pieces := 0, false
	for n := 0; ; n++ {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return 0, nil, err
		}
		switch name, value, _ := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte(":")); {
		case n == 0:
			if len(line) < 12 {
				return 0, nil, errors.New("no answer of HTTP/1.1")
			}
			if status, err = strconv.Atoi(string(line[9:12])); err != nil {
				return 0, nil, err
			}
		case len(name) == 0 && pieces:
			body, err = c.readPieces()
			return status, body, err
		case len(name) == 0:
			body = make([]byte, length)
			_, err = io.ReadFull(c.in, body)
			return status, body, err
		case string(name) == "Content-Length":
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil || length > 1<<16 {
				return 0, nil, errors.New("an answer of strange length")
			}
		case string(name) == "Transfer-Encoding":
			pieces = true
		}
	}
}

// readPieces reads a body whose length the server did not know when it began (RFC 9112, section 7.1).
func (c *client) readPieces() (body []byte, err error) {
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		length, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 16, 16)
		if err != nil {
			return nil, err
		}
		at := len(body)
		body = append(body, make([]byte, length+2)...) // with the end of the line
		if _, err := io.ReadFull(c.in, body[at:]); err != nil {
			return nil, err
		}
		body = body[:len(body)-2]
		if length == 0 {
			return body, nil
		}
	}
}

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
}
