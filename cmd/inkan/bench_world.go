package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the raw rate goes straight through the drivers
	_ "modernc.org/sqlite"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/connector/keys"
	"github.com/inkan-auth/inkan/internal/connector/smtp"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/policy"
	"github.com/inkan-auth/inkan/internal/domain/signing"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/pgcluster"
	"github.com/inkan-auth/inkan/internal/server/api"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
	files "github.com/inkan-auth/inkan/web"
)

// benchToken is one token in the hands of the load generator.
type benchToken struct {
	id, customer, ref string
	key               []byte
}

// benchWorld is a real server on a real database with many customers, and beside it the same rows in a second database for the raw rate.
type benchWorld struct {
	about  string
	tokens []benchToken
	clock  *benchClock
	log    *ledger

	rawDB  *sql.DB
	rawSeq atomic.Int64
	engine string

	seq    atomic.Int64
	live   *sql.DB // to look at what the server wrote, not through the server
	addr   string  // of the server
	host   string
	bearer string // the API client's name and secret, as the header has them

	device      *ecdsa.PrivateKey // the signing key of all tokens: whose key it is makes no difference to what a signature costs
	point       signing.JWK       // its public half
	tokenHost   string
	tokenOrigin string
	templates   *transaction.Bundle

	closers []func()
}

func (w *benchWorld) onClose(f func()) { w.closers = append(w.closers, f) }

func (w *benchWorld) close() {
	for i := len(w.closers) - 1; i >= 0; i-- {
		w.closers[i]()
	}
}

// benchClock is the clock that the server runs on. A token shows one code a step; when every token has shown its code, the clock moves one step on
// and they all have another. Between two moves it runs like any clock, but never into the next step.
type benchClock struct{ at atomic.Pointer[[2]time.Time] } // what it showed when it was last moved, and when that was

const benchStep = time.Minute

func newBenchClock() *benchClock {
	c := &benchClock{}
	now := time.Now()
	c.at.Store(&[2]time.Time{now.Truncate(benchStep), now})
	return c
}

// Now is the time on the clock.
func (c *benchClock) Now() time.Time {
	at := c.at.Load()
	return at[0].Add(min(time.Since(at[1]), benchStep-time.Second))
}

// reach moves the clock into a step, unless it is there already.
func (c *benchClock) reach(step int64) {
	for {
		at := c.at.Load()
		to := time.Unix(step*int64(benchStep/time.Second), 0)
		if !to.After(at[0]) || c.at.CompareAndSwap(at, &[2]time.Time{to, time.Now()}) {
			return
		}
	}
}

// step is the step that the clock stands in.
func (c *benchClock) step() int64 { return c.at.Load()[0].Unix() / int64(benchStep/time.Second) }

// newBenchWorld seeds one database, copies it, and opens the server on the one copy.
func newBenchWorld(ctx context.Context, engine string, b benchFlags) (w *benchWorld, err error) {
	w = &benchWorld{engine: engine, clock: newBenchClock()}
	if err := w.newDevice(); err != nil {
		return nil, err
	}
	w.log = &ledger{first: w.clock.step(), accepted: make([]int32, b.tokens), last: make([]int64, b.tokens)}
	half := w // what is returned on failure is nil
	defer func() {
		if err != nil {
			half.close()
		}
	}()
	dir, err := os.MkdirTemp("", "inkan-bench-")
	if err != nil {
		return nil, err
	}
	w.onClose(func() { _ = os.RemoveAll(dir) })
	public, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w.onClose(func() { _ = public.Close() })
	w.addr = public.Addr().String()
	port := strconv.Itoa(public.Addr().(*net.TCPAddr).Port)
	at := func(name string) string { return "http://" + name + ".localhost:" + port }
	w.host, w.tokenHost, w.tokenOrigin = "api.localhost:"+port, "token.localhost:"+port, at("token")
	keyDir := filepath.Join(dir, "keys")
	if err := keys.Create(keyDir, at("token"), w.clock.Now(), files.Templates); err != nil {
		return nil, err
	}
	k, err := keys.Open(keyDir, at("token"), w.clock.Now())
	if err != nil {
		return nil, err
	}
	var s *store.Store
	if engine == "sqlite" {
		s, err = w.sqlite(ctx, dir, k, b)
	} else {
		s, err = w.postgres(ctx, k, b)
	}
	if err != nil {
		return nil, err
	}
	w.onClose(func() { _ = s.Close() })
	// The log is written as in production, to nowhere: a disk for it would be the operator's.
	log := slog.New(slog.NewJSONHandler(discard{}, nil))
	h, err := build(ctx, parts{store: s, keyDir: keyDir, policy: policy.Default(), apiOrigin: at("api"), bankURL: at("bank"), log: log, now: w.clock.Now,
		mail: smtp.Config{Host: "127.0.0.1", Port: 25, From: "otp@inkan-bank.example", Plain: true},
		bank: authority.Bank{NameJA: "印鑑銀行", NameEN: "Inkan Bank", LoginOrigin: at("login"), TokenOrigin: at("token"), MailFrom: "otp@inkan-bank.example", Phone: "0120-000-000"}})
	if err != nil {
		return nil, err
	}
	secret, err := h.authority.CreateAPIClient(ctx, "bench", api.Scopes, nil, "")
	if err != nil {
		return nil, err
	}
	w.bearer = basic("bench", secret)
	serving, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = h.run(serving, listening{public, h.handler, nil})
	}()
	w.onClose(func() {
		stop()
		<-done
	})
	return w, nil
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// sqlite seeds a file and copies it twice: one for the server, one for the raw rate.
func (w *benchWorld) sqlite(ctx context.Context, dir string, k *keys.Keys, b benchFlags) (*store.Store, error) {
	at := func(name string) string { return filepath.Join(dir, name) }
	open := func(name, more string) (*sql.DB, error) {
		return sql.Open("sqlite", "file:"+(&url.URL{Path: at(name)}).EscapedPath()+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)&_pragma=wal_autocheckpoint(16000)"+more)
	}
	seedStore, err := store.OpenSQLite(ctx, at("seed.db"))
	if err != nil {
		return nil, err
	}
	if err := errors.Join(w.seed(ctx, seedStore, k, b.tokens), seedStore.Close()); err != nil {
		return nil, err
	}
	seeded, err := open("seed.db", "")
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"raw.db", "inkan.db"} {
		if _, err := seeded.ExecContext(ctx, "VACUUM INTO '"+strings.ReplaceAll(at(name), "'", "''")+"'"); err != nil {
			return nil, errors.Join(err, seeded.Close())
		}
	}
	var version string
	if err := errors.Join(seeded.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&version), seeded.Close()); err != nil {
		return nil, err
	}
	w.about = "SQLite " + version + ", journal_mode=WAL, synchronous=FULL"
	if w.rawDB, err = open("raw.db", ""); err != nil {
		return nil, err
	}
	w.onClose(func() { _ = w.rawDB.Close() })
	if w.live, err = open("inkan.db", "&_pragma=query_only(1)"); err != nil {
		return nil, err
	}
	w.onClose(func() { _ = w.live.Close() })
	return store.OpenSQLite(ctx, at("inkan.db"))
}

// postgres does the same with two databases that are dropped afterwards, on the server that was given or on one of its own.
func (w *benchWorld) postgres(ctx context.Context, k *keys.Keys, b benchFlags) (*store.Store, error) {
	var address string
	if b.postgres != "" {
		given, err := secretFile(b.postgres)
		if err != nil {
			return nil, err
		}
		address = given
	} else {
		started, stop, err := pgcluster.Start(ctx, true, "shared_buffers=512MB", "max_wal_size=4GB", "checkpoint_timeout=15min")
		if err != nil {
			return nil, err
		}
		w.onClose(stop)
		address = started + "/postgres"
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, errors.New("the address must be a URL such as postgres://user@host/database") // the parser's own error may carry the password
	}
	in := func(name string) string {
		v := *u
		v.Path = "/" + name
		return v.String()
	}
	admin, err := sql.Open("pgx", address)
	if err != nil {
		return nil, err
	}
	w.onClose(func() { _ = admin.Close() })
	live, raw := pgcluster.Name(), pgcluster.Name()
	w.onClose(func() {
		for _, name := range []string{live, raw} {
			_, _ = admin.ExecContext(context.WithoutCancel(ctx), "DROP DATABASE IF EXISTS "+name)
		}
	})
	if _, err := admin.ExecContext(ctx, "CREATE DATABASE "+live); err != nil {
		return nil, err
	}
	s, err := store.OpenPostgres(ctx, in(live), 16)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(w.seed(ctx, s, k, b.tokens), s.Close()); err != nil {
		return nil, err
	}
	if w.live, err = sql.Open("pgx", in(live)); err != nil {
		return nil, err
	}
	w.onClose(func() { _ = w.live.Close() })
	w.live.SetMaxIdleConns(0) // nobody may be connected while a database is copied
	if _, err := w.live.ExecContext(ctx, "VACUUM ANALYZE"); err != nil {
		return nil, err
	}
	for range 50 { // the server needs a moment to see that we have left
		if _, err = admin.ExecContext(ctx, "CREATE DATABASE "+raw+" TEMPLATE "+live); err == nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err != nil {
		return nil, err
	}
	settings := []string{"server_version", "fsync", "synchronous_commit", "full_page_writes"}
	for i, name := range settings {
		var value string
		if err := admin.QueryRowContext(ctx, "SHOW "+name).Scan(&value); err != nil {
			return nil, err
		}
		settings[i] = name + "=" + value
	}
	w.about = "PostgreSQL, " + strings.Join(settings, ", ")
	if w.rawDB, err = sql.Open("pgx", in(raw)); err != nil {
		return nil, err
	}
	w.onClose(func() { _ = w.rawDB.Close() })
	return store.OpenPostgres(ctx, in(live), 16)
}

func (w *benchWorld) newDevice() (err error) {
	if w.device, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	w.point, err = signing.JWKOf(&w.device.PublicKey)
	return err
}

// seed writes customers with a token in use and transaction authentication, straight through the store: nobody needs a password here.
func (w *benchWorld) seed(ctx context.Context, s *store.Store, k *keys.Keys, n int) (err error) {
	if w.templates, err = transaction.ParseTemplates(k.Templates(), k.Issuer().RootThumbprint); err != nil {
		return err
	}
	err = s.Write(ctx, func(ctx context.Context, tx *store.Tx) error { // the copy for the raw rate needs them too, and nobody starts a server on it
		return errors.Join(tx.InsertBundle(ctx, db.InsertBundleParams{Hash: w.templates.Hash, Envelope: w.templates.Envelope, Since: store.Micros(w.clock.Now())}),
			tx.Record(ctx, audit.Entry{ID: newID(ident.Entry, w.clock.Now()), At: w.clock.Now(), Actor: audit.Actor{Kind: audit.Server}, Action: audit.TemplatesUse, Outcome: audit.Done}))
	})
	if err != nil {
		return err
	}
	w.tokens = make([]benchToken, n)
	const chunk = 250
	var wg sync.WaitGroup
	errs := make(chan error, n/chunk+1)
	at := make(chan int)
	for range 4 {
		wg.Go(func() {
			for i := range at {
				to := min(i+chunk, n)
				errs <- s.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
					for j := i; j < to; j++ {
						if err := w.seedOne(ctx, tx, k, j); err != nil {
							return err
						}
					}
					return tx.Record(ctx, audit.Entry{ID: newID(ident.Entry, w.clock.Now()), At: w.clock.Now(), Actor: audit.Actor{Kind: audit.Operator}, Action: audit.CustomerImport, Outcome: audit.Done})
				})
			}
		})
	}
	for i := 0; i < n; i += chunk {
		at <- i
	}
	close(at)
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return fmt.Errorf("seeding: %w", err)
		}
	}
	return nil
}

func (w *benchWorld) seedOne(ctx context.Context, tx *store.Tx, k *keys.Keys, i int) error {
	now := w.clock.Now()
	us, later := store.Micros(now), store.Micros(now.AddDate(3, 0, 0))
	t := benchToken{id: newID(ident.Token, now), customer: newID(ident.Customer, now), ref: fmt.Sprintf("bench-%07d", i), key: random(32)}
	w.tokens[i] = t
	sealed, err := k.Seal("token.otp_key", "token.otp_key|"+t.id+"|"+t.customer, t.key)
	if err != nil {
		return err
	}
	address, enrolment := newID(ident.Address, now), newID(ident.Enrolment, now)
	steps := []error{
		tx.InsertCustomer(ctx, db.InsertCustomerParams{ID: t.customer, Ref: t.ref, LoginID: t.ref, Name: "山田 花子", Branch: "101", AccountType: "普通", AccountNumber: fmt.Sprintf("%07d", i),
			LoginPassword: "none", ConfirmPassword: "none", State: "active", CreatedAt: us}),
		tx.InsertAddress(ctx, db.InsertAddressParams{ID: address, Customer: t.customer, Mail: t.ref + "@mail.example", State: "usable", Since: us}),
		tx.InsertEnrolment(ctx, db.InsertEnrolmentParams{ID: enrolment, Customer: t.customer, Purpose: "first", Address: address, KeySealed: random(48), KeyTypedMac: random(32), KeySecretMac: random(32),
			KeyExpiresAt: us, NumberSealed: random(48), NumberMac: random(32), OrderedAt: us, ExpiresAt: later, RequestHash: random(32)}),
		store.Must(tx.EndEnrolment(ctx, db.EndEnrolmentParams{ID: enrolment, State: "completed", EndedAt: us, State_2: "ordered"})),
		tx.InsertToken(ctx, db.InsertTokenParams{ID: t.id, Customer: t.customer, Enrolment: enrolment, Generation: 1, Platform: "iPhone / Safari", SigningKey: w.point[:], KeyThumbprint: w.point.Thumbprint(),
			OtpKey: sealed, OcraKey: random(61), Digits: 6, StepSeconds: int64(benchStep / time.Second), LastStep: w.clock.step() - 2, RegisteredAt: us, ExpiresAt: later}),
		store.Must(tx.StartToken(ctx, db.StartTokenParams{ID: t.id, StartedAt: us, LastStep: w.clock.step() - 1, StepAt: us})),
		store.Must(tx.SetTransactionAuth(ctx, db.SetTransactionAuthParams{ID: t.customer, TransactionAuthAt: us})),
	}
	if i < passkeyHolders {
		steps = append(steps, w.seedPasskey(ctx, tx, i, us))
	}
	return errors.Join(steps...)
}

func newID(kind string, now time.Time) string { return ident.New(kind, now, [10]byte(random(10))) }

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}
