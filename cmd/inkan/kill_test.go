package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	bankclient "github.com/inkan-auth/inkan/client"
	"github.com/inkan-auth/inkan/internal/domain/signing"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/server/api"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/testkit"
)

const serveVariable = "INKAN_SERVE_CHILD"

// TestChildServe is no test of its own: it is the process that TestATransferSurvivesEveryCrash kills.
func TestChildServe(t *testing.T) {
	path := os.Getenv(serveVariable)
	if path == "" {
		t.Skip("only as a child of another test")
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // until our parent is gone
		os.Exit(1)
	}()
	if code := run(context.Background(), []string{"serve", "-config", path}, io.Discard, os.Stderr); code != 0 {
		t.Errorf("the server ended with %d", code)
	}
}

// mortal is a server in a process of its own, on a real file, that dies as often as a test wants.
type mortal struct {
	t       *testing.T
	config  string
	content func(public, inside string) string
	public  atomic.Pointer[string] // where it listens

	mu    sync.Mutex // whoever kills starts again before anybody else kills
	child *exec.Cmd
	life  io.Closer
	ended chan struct{} // when the child has
	kills int
	lost  atomic.Int64 // requests without an answer
}

// start starts it, at other addresses where somebody has taken the last ones in the meantime.
func (m *mortal) start() {
	for range 5 {
		public, inside := m.address(), m.address()
		fine(m.t, os.WriteFile(m.config, []byte(m.content(public, inside)), 0o600))
		m.child = exec.Command(os.Args[0], "-test.run=^TestChildServe$") //nolint:gosec // this very program
		m.child.Stderr = os.Stderr
		life, err := m.child.StdinPipe() // it ends with us, however we end
		fine(m.t, err)
		m.life = life
		m.child.Env = append(os.Environ(), serveVariable+"="+m.config)
		fine(m.t, m.child.Start())
		ended := make(chan struct{})
		go func(child *exec.Cmd) {
			defer close(ended)
			_ = child.Wait()
		}(m.child)
		m.ended = ended
		if m.ready(inside) {
			m.public.Store(&public)
			return
		}
		m.kill()
	}
	m.t.Error("the server does not become ready")
}

// address is a free one that the system gives to nobody who connects: whoever tries to reach a server that is not there yet could otherwise come to himself, and be in its way.
func (m *mortal) address() string {
	for {
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", 20_000+mrand.IntN(12_000))) //nolint:gosec // any will do
		if err == nil {
			defer func() { _ = l.Close() }()
			return l.Addr().String()
		}
	}
}

// ready says whether it has become ready before it ended.
func (m *mortal) ready(inside string) bool {
	for began := time.Now(); time.Since(began) < 30*time.Second; {
		r, err := http.NewRequestWithContext(context.Background(), "GET", "http://"+inside+"/readyz", nil)
		fine(m.t, err)
		if res, err := http.DefaultTransport.RoundTrip(r); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return true
			}
		}
		select {
		case <-m.ended:
			return false
		case <-time.After(10 * time.Millisecond):
		}
	}
	return false
}

// kill cuts the power.
func (m *mortal) kill() {
	_ = m.child.Process.Kill()
	<-m.ended
}

// crash cuts the power and gives it back.
func (m *mortal) crash() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kill()
	m.kills++
	m.start()
}

// RoundTrip brings a request to the server as the proxy in front of it would.
func (m *mortal) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Host, r.URL.Scheme, r.URL.Host = r.URL.Host, "http", *m.public.Load()
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		m.lost.Add(1)
	}
	return res, err
}

// money is what a bank would lose: it is booked by the name of the execution, on the strength of a permit and of nothing else.
type money struct {
	booked map[string]string // execution to permit
	sent   int
}

func (b *money) book(t *testing.T, execution, permit string) {
	t.Helper()
	if before, ok := b.booked[execution]; ok {
		if before != permit {
			t.Errorf("%s was given two permits", execution)
		}
		return
	}
	for other, p := range b.booked {
		if p == permit {
			t.Errorf("%s and %s were given one permit", execution, other)
		}
	}
	b.booked[execution] = permit
	b.sent += 250_000
}

// until asks again until the server, which may be dead, gives an answer; a refusal is one.
func until[T any](t *testing.T, what string, ask func() (T, error)) (T, error) {
	t.Helper()
	var err error
	for began := time.Now(); time.Since(began) < 3*time.Minute; { // long, for a busy machine; on a quiet one it is a moment
		var out T
		out, err = ask()
		var lost *bankclient.Unavailable
		if !errors.As(err, &lost) {
			return out, err
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("%s: no answer after all: %v", what, err)
	panic("unreachable")
}

// The power fails between any two steps of a transfer, and in the middle of each. Whoever asks again, with what he kept, comes to the one end: one transaction, one answer, one permit, and
// the money moves once; what was not finished can be withdrawn and started again.
func TestATransferSurvivesEveryCrash(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		survives(t, "", "")
	})
	t.Run("postgres", func(t *testing.T) { // where the database is another process and lives on
		t.Parallel()
		address := testkit.PostgresAddress(t)
		file := filepath.Join(t.TempDir(), "postgres")
		fine(t, os.WriteFile(file, []byte(address), 0o600))
		survives(t, address, file)
	})
}

// survives runs the story on a PostgreSQL database, whose address a file holds, or on an SQLite file.
func survives(t *testing.T, postgres, addressFile string) {
	driver, source, setting := "pgx", postgres, fmt.Sprintf("postgres_file = %q", addressFile)
	w := attack(t, func(p *parts) {
		if postgres == "" {
			return
		}
		var err error
		p.store, err = store.OpenPostgres(t.Context(), postgres, 4)
		fine(t, err)
	})
	if postgres == "" {
		driver, source, setting = "sqlite", "file:"+w.file, fmt.Sprintf("sqlite = %q", w.file)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	fine(t, err)
	public, err := signing.JWKOf(&key.PublicKey)
	fine(t, err)
	_, err = w.CreateAPIClient(t.Context(), "internet", api.Scopes, &public, "")
	fine(t, err)
	p := w.asker(1)
	fine(t, w.at.Close())
	fine(t, w.Store.Close())
	host, port, err := net.SplitHostPort(w.box.Addr())
	fine(t, err)
	m := &mortal{t: t, config: filepath.Join(filepath.Dir(w.file), "inkan.toml"), content: func(public, inside string) string {
		return fmt.Sprintf("listen = %q\ninternal = %q\n[hosts]\nlogin = \"https://%s\"\ntoken = \"https://%s\"\napi = \"https://%s\"\n[bank]\nname_ja = \"印鑑銀行\"\nname_en = \"Inkan Bank\"\nurl = %q\nphone = \"0120-000-000\"\n"+
			"[proxy]\ntrusted = [\"127.0.0.0/8\"]\n[database]\n%s\n[keys]\ndirectory = %q\n[mail]\nhost = %q\nport = %s\nfrom = \"otp@bank.example\"\nplain = true\n",
			public, inside, loginHost, tokenHost, apiHost, bankSite, setting, filepath.Join(filepath.Dir(w.file), "keys"), host, port)
	}}
	m.start()
	t.Cleanup(func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.kill()
	})
	bank := &bankclient.Client{Origin: "https://" + apiHost, ID: "internet", Key: key, HTTP: &http.Client{Transport: m}}
	// token asks as the app does: a lost answer is asked for again with a fresh proof over the same body.
	token := func(method, path, body string, into any) (int, error) {
		w.Clock.Move(time.Since(w.Clock.Now()))
		a := fromToken(p.phone, method, path, body)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, method, "https://"+tokenHost+path, strings.NewReader(body))
		if err != nil {
			return 0, err
		}
		for k, v := range a.head {
			r.Header.Set(k, v)
		}
		res, err := m.RoundTrip(r)
		if err != nil {
			return 0, &bankclient.Unavailable{Err: err}
		}
		defer func() { _ = res.Body.Close() }()
		b, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode >= 500 {
			return res.StatusCode, &bankclient.Unavailable{Status: res.StatusCode, Err: errors.New("cut")}
		}
		return res.StatusCode, json.Unmarshal(b, into)
	}
	pending := func() string {
		var got struct {
			Pending []struct{ Offer string }
		}
		status, err := until(t, "fetching", func() (int, error) { return token("GET", "/v1/transactions", "", &got) })
		if err != nil || status != http.StatusOK || len(got.Pending) != 1 {
			t.Fatalf("fetching: %d, %v, %d wait", status, err, len(got.Pending))
		}
		return got.Pending[0].Offer
	}
	ledger := &money{booked: map[string]string{}}
	permits := map[string]string{}        // by transaction
	between := func(step int) func(int) { // the power fails after this step
		return func(at int) {
			if at == step {
				m.crash()
			}
		}
	}
	amid := func(int) {} // nothing happens between the steps: it happens during them
	type round struct {
		after  func(step int)
		during bool
	}
	rounds := []round{{between(1), false}, {between(2), false}, {between(3), false}, {between(4), false}}
	for range 5 {
		rounds = append(rounds, round{amid, true})
	}
	what := bankclient.NewTransaction{Customer: p.ref, Template: "transfer", Currency: "JPY", Fields: fields()}
	for n, round := range rounds {
		// A step runs, and where the power is to fail during it, it fails at some moment of it.
		step := func(f func()) {
			if !round.during {
				f()
				return
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				time.Sleep(time.Duration(mrand.Int64N(int64(9 * time.Millisecond)))) //nolint:gosec // any moment will do
				m.crash()
			}()
			f()
			<-done
		}
		order, execution := fmt.Sprintf("order-%d", n), fmt.Sprintf("exec-%d", n)
		var made bankclient.Transaction
		create := func() {
			var err error
			if made, err = until(t, "creating", func() (bankclient.Transaction, error) { return bank.CreateTransaction(t.Context(), order, what) }); err != nil {
				t.Fatalf("round %d: creating: %v", n, err)
			}
		}
		step(create)
		round.after(1)
		id := made.ID
		if create(); made.ID != id || made.State != bankclient.Pending {
			t.Fatalf("round %d: the same key leads to %s, %s; before it was %s", n, made.ID, made.State, id)
		}
		var problem *bankclient.Problem
		if _, err := until(t, "a second one", func() (bankclient.Transaction, error) {
			return bank.CreateTransaction(t.Context(), order+"-more", what)
		}); !errors.As(err, &problem) || problem.Kind != bankclient.KindPending || problem.Text("id") != id {
			t.Fatalf("round %d: another transaction beside the one that waits: %v", n, err)
		}
		if n%5 == 4 { // the bank gives up and starts again
			step(func() {
				if _, err := until(t, "cancelling", func() (bankclient.Transaction, error) { return bank.CancelTransaction(t.Context(), id) }); err != nil {
					t.Fatalf("round %d: cancelling: %v", n, err)
				}
			})
			order += "-again"
			if create(); made.ID == id || made.State != bankclient.Pending {
				t.Fatalf("round %d: starting again gives %s, %s", n, made.ID, made.State)
			}
			id = made.ID
		}
		var offer string
		step(func() { offer = pending() })
		round.after(2)
		if again := pending(); again != offer {
			t.Fatalf("round %d: the phone is offered something else after a crash", n)
		}
		decision := decisionOf(p.phone.Decision(offer, transaction.Yes)) // kept, and sent as it is until there is an answer
		for range 2 {
			step(func() {
				var said struct{ State string }
				if status, err := until(t, "deciding", func() (int, error) { return token("POST", "/v1/decisions", decision, &said) }); err != nil || status != http.StatusOK || said.State != "approved" {
					t.Fatalf("round %d: deciding: %d %s, %v", n, status, said.State, err)
				}
			})
			round.after(3)
			if got, err := until(t, "reading", func() (bankclient.Transaction, error) { return bank.Transaction(t.Context(), id) }); err != nil || got.State != bankclient.Approved && got.State != bankclient.Consumed {
				t.Fatalf("round %d: the approval was acknowledged and is lost: %s, %v", n, got.State, err)
			}
		}
		for range 2 {
			step(func() {
				got, err := until(t, "consuming", func() (bankclient.Permit, error) {
					return bank.Consume(t.Context(), id, bankclient.Execution{Request: execution, Customer: what.Customer, Template: what.Template, Currency: what.Currency, Fields: what.Fields})
				})
				if err != nil || permits[id] != "" && permits[id] != got.JWS {
					t.Fatalf("round %d: consuming: %v", n, err)
				}
				permits[id] = got.JWS
				ledger.book(t, execution, got.JWS)
			})
			round.after(4)
		}
		if _, err := until(t, "consuming twice", func() (bankclient.Permit, error) {
			return bank.Consume(t.Context(), id, bankclient.Execution{Request: execution + "-b", Customer: what.Customer, Template: what.Template, Currency: what.Currency, Fields: what.Fields})
		}); !errors.As(err, &problem) || problem.Kind != bankclient.KindConsumed {
			t.Fatalf("round %d: a second execution: %v", n, err)
		}
	}
	if m.kills < 30 {
		t.Errorf("the power failed only %d times", m.kills)
	}
	if ledger.sent != len(rounds)*250_000 {
		t.Errorf("%d yen were moved by %d transfers", ledger.sent, len(rounds))
	}
	m.mu.Lock()
	m.kill()
	m.mu.Unlock()
	at, err := sql.Open(driver, source)
	fine(t, err)
	defer func() { _ = at.Close() }()
	count := func(query string) (n int) {
		t.Helper()
		fine(t, at.QueryRowContext(t.Context(), query).Scan(&n))
		return n
	}
	if driver == "sqlite" {
		var sound string
		fine(t, at.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&sound))
		if sound != "ok" {
			t.Error(sound)
		}
	}
	for query, want := range map[string]int{
		"SELECT count(*) FROM txn WHERE state = 'consumed'":                                                                                                                                  len(rounds),
		"SELECT count(*) FROM txn WHERE state NOT IN ('consumed', 'cancelled')":                                                                                                              0,
		"SELECT count(DISTINCT permit) FROM txn WHERE permit != ''":                                                                                                                          len(rounds),
		"SELECT count(*) FROM txn WHERE (state = 'consumed') != (permit != '') OR (permit != '') != (request != '')":                                                                         0,
		"SELECT count(*) FROM txn t WHERE NOT EXISTS (SELECT 1 FROM idempotency i WHERE i.object = t.id)":                                                                                    0,
		"SELECT count(*) FROM idempotency i WHERE NOT EXISTS (SELECT 1 FROM txn t WHERE t.id = i.object)":                                                                                    0,
		"SELECT count(*) FROM txn t WHERE state = 'consumed' AND 1 > (SELECT count(*) FROM audit_entry a WHERE a.object = t.id AND a.action = 'transaction.decide' AND a.outcome = 'done')":  0,
		"SELECT count(*) FROM txn t WHERE state = 'consumed' AND 1 > (SELECT count(*) FROM audit_entry a WHERE a.object = t.id AND a.action = 'transaction.consume' AND a.outcome = 'done')": 0,
	} {
		if got := count(query); got != want {
			t.Errorf("%s: %d, want %d", query, got, want)
		}
	}
	if m.lost.Load() < 10 {
		t.Errorf("only %d requests were cut off: the power failed when nothing was going on", m.lost.Load())
	}
	t.Logf("the power failed %d times in %d transfers and cut off %d requests", m.kills, len(rounds), m.lost.Load())
}
