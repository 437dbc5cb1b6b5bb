package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"runtime"
	"sync"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/inkan-auth/inkan/internal/store/db"
)

// groupLimit is how many waiting writes one commit carries at the most. An fsync costs the same for one and for a hundred.
const groupLimit = 128

// OpenSQLite opens, migrates and checks a database file.
func OpenSQLite(ctx context.Context, path string) (*Store, error) {
	dsn := func(more string) string {
		// The log is copied back when it has 64 MiB: a page that was written many times meanwhile, as those of the trail are, is copied once.
		return "file:" + (&url.URL{Path: path}).EscapedPath() + "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)&_pragma=wal_autocheckpoint(16000)&_txlock=immediate" + more
	}
	// The writer keeps the pages that it works on, and the copies it needs to undo a write, in memory (32 MiB at most) instead of asking the file system again.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil { // names and addresses stand in it: nobody else reads a new one, nor the log beside it, which takes its mode
		return nil, err
	}
	w, err := sql.Open("sqlite", dsn("&_pragma=cache_size(-32768)&_pragma=temp_store(MEMORY)"))
	if err != nil {
		return nil, err
	}
	w.SetMaxOpenConns(1)
	if err := prepare(ctx, w, "sqlite3"); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	conn, err := w.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	r, err := sql.Open("sqlite", dsn("&_pragma=query_only(1)"))
	if err != nil {
		return nil, errors.Join(err, conn.Close(), w.Close())
	}
	r.SetMaxOpenConns(max(4, runtime.GOMAXPROCS(0)))
	r.SetMaxIdleConns(max(4, runtime.GOMAXPROCS(0)))
	e := &sqliteEngine{w: w, conn: &cachedConn{conn: conn, stmts: map[string]*sql.Stmt{}}, r: r, read: &cachedDB{db: r}, queue: make(chan *job, 4*groupLimit), done: make(chan struct{})}
	go e.loop()
	return &Store{engine: e}, nil
}

type sqliteEngine struct {
	w, r  *sql.DB
	conn  *cachedConn
	read  *cachedDB
	queue chan *job
	done  chan struct{}

	closing sync.RWMutex // held for reading while a job is being queued
	closed  bool
}

type job struct {
	ctx  context.Context
	f    func(context.Context, db.DBTX) error
	err  error
	done chan struct{}
}

func (e *sqliteEngine) name() string    { return "sqlite" }
func (e *sqliteEngine) reader() db.DBTX { return e.read }

func (e *sqliteEngine) write(ctx context.Context, f func(context.Context, db.DBTX) error) error {
	j := &job{ctx: ctx, f: f, done: make(chan struct{})}
	e.closing.RLock()
	if e.closed {
		e.closing.RUnlock()
		return errors.New("store: closed")
	}
	e.queue <- j
	e.closing.RUnlock()
	<-j.done
	return j.err
}

// loop is the one writer. It commits together what came while it was busy, each write in a savepoint of its own.
func (e *sqliteEngine) loop() {
	defer close(e.done)
	for first := range e.queue {
		group := []*job{first}
	fill:
		for len(group) < groupLimit {
			select {
			case j, ok := <-e.queue:
				if !ok {
					break fill
				}
				group = append(group, j)
			default:
				break fill
			}
		}
		e.commit(group)
		for _, j := range group {
			close(j.done)
		}
	}
}

func (e *sqliteEngine) commit(group []*job) {
	ctx := context.Background() // a caller that hangs up must not undo its neighbours' writes
	fail := func(err error) {
		for _, j := range group {
			if j.err == nil {
				j.err = err
			}
		}
	}
	if _, err := e.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		fail(err)
		return
	}
	kept := 0
	for _, j := range group {
		if j.ctx.Err() != nil { // nobody waits for it, and nothing has been done
			j.err = j.ctx.Err()
			continue
		}
		if len(group) == 1 { // no neighbour to protect: the transaction itself is undone
			if j.err = runJob(context.WithoutCancel(j.ctx), j, e.conn); j.err == nil {
				kept++
			}
			continue
		}
		if _, err := e.conn.ExecContext(ctx, "SAVEPOINT w"); err != nil {
			j.err = err
			continue
		}
		if j.err = runJob(context.WithoutCancel(j.ctx), j, e.conn); j.err != nil {
			if _, err := e.conn.ExecContext(ctx, "ROLLBACK TO w"); err != nil {
				j.err = errors.Join(j.err, err)
			}
		} else {
			kept++
		}
		if _, err := e.conn.ExecContext(ctx, "RELEASE w"); err != nil {
			fail(err)
			_, _ = e.conn.ExecContext(ctx, "ROLLBACK")
			return
		}
	}
	end := "COMMIT"
	if kept == 0 {
		end = "ROLLBACK"
	}
	if _, err := e.conn.ExecContext(ctx, end); err != nil {
		fail(fmt.Errorf("%w: %w", ErrUnknown, err))
		_, _ = e.conn.ExecContext(ctx, "ROLLBACK")
	}
}

// runJob keeps a panic in one write from taking the writer, and so the server, with it.
func runJob(ctx context.Context, j *job, d db.DBTX) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("store: panic in a write: %v", p)
		}
	}()
	return j.f(ctx, d)
}

func (e *sqliteEngine) many(d db.DBTX) Many { return chunks{d, db.New(d)} }

func (e *sqliteEngine) again(err error) bool {
	var s *sqlite.Error
	if !errors.As(err, &s) {
		return false
	}
	switch s.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_BUSY_SNAPSHOT:
		return true
	}
	return false
}

func (e *sqliteEngine) close() error {
	e.closing.Lock()
	if e.closed {
		e.closing.Unlock()
		return nil
	}
	e.closed = true
	close(e.queue)
	e.closing.Unlock()
	<-e.done
	return errors.Join(e.r.Close(), e.conn.conn.Close(), e.w.Close())
}

// cachedConn keeps each statement prepared on the writer's one connection.
type cachedConn struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

func (c *cachedConn) PrepareContext(ctx context.Context, q string) (*sql.Stmt, error) {
	if s, ok := c.stmts[q]; ok {
		return s, nil
	}
	s, err := c.conn.PrepareContext(ctx, q)
	if err == nil {
		c.stmts[q] = s
	}
	return s, err
}

func (c *cachedConn) ExecContext(ctx context.Context, q string, args ...any) (sql.Result, error) {
	s, err := c.PrepareContext(ctx, q)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(ctx, args...)
}

func (c *cachedConn) QueryContext(ctx context.Context, q string, args ...any) (*sql.Rows, error) {
	s, err := c.PrepareContext(ctx, q)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

func (c *cachedConn) QueryRowContext(ctx context.Context, q string, args ...any) *sql.Row {
	s, err := c.PrepareContext(ctx, q)
	if err != nil {
		return c.conn.QueryRowContext(ctx, q, args...) // gives the same error to Scan
	}
	return s.QueryRowContext(ctx, args...)
}

// cachedDB keeps each statement prepared on the connections of a pool.
type cachedDB struct {
	db    *sql.DB
	stmts sync.Map // text → *sql.Stmt
}

func (c *cachedDB) PrepareContext(ctx context.Context, q string) (*sql.Stmt, error) {
	if s, ok := c.stmts.Load(q); ok {
		return s.(*sql.Stmt), nil
	}
	s, err := c.db.PrepareContext(ctx, q)
	if err != nil {
		return nil, err
	}
	if old, loaded := c.stmts.LoadOrStore(q, s); loaded {
		return old.(*sql.Stmt), s.Close()
	}
	return s, nil
}

func (c *cachedDB) ExecContext(ctx context.Context, q string, args ...any) (sql.Result, error) {
	s, err := c.PrepareContext(ctx, q)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(ctx, args...)
}

func (c *cachedDB) QueryContext(ctx context.Context, q string, args ...any) (*sql.Rows, error) {
	s, err := c.PrepareContext(ctx, q)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

func (c *cachedDB) QueryRowContext(ctx context.Context, q string, args ...any) *sql.Row {
	s, err := c.PrepareContext(ctx, q)
	if err != nil {
		return c.db.QueryRowContext(ctx, q, args...)
	}
	return s.QueryRowContext(ctx, args...)
}
