package tokenapp

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/server/web"
	"github.com/inkan-auth/inkan/internal/testkit"
	files "github.com/inkan-auth/inkan/web"
)

var theBank = audit.Actor{Kind: audit.Bank, ID: "bank", Device: "-", Source: "192.0.2.0/24"}

// app is the host of the app on a real store and a real listener, with a customer who has added transaction authentication.
type app struct {
	*testkit.World
	server  *Server
	site    *httptest.Server
	phone   *testkit.Phone
	browser *testkit.Browser
	orders  int
	stop    func() // the worker of the streams, and waits for its end
}

func fine(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, http2 bool) *app {
	t.Helper()
	a := &app{World: testkit.New(t, testkit.SQLite(t))}
	words, err := web.LoadTexts(files.Files)
	fine(t, err)
	doors := web.API{Log: a.Config.Log, Sentence: words.Title}
	a.server = &Server{Authority: a.Authority, API: doors, App: fstest.MapFS{}}
	a.server.streams.start() // the tests look into it before anybody listens
	m := http.NewServeMux()
	fine(t, a.server.Mount(m))
	a.site = httptest.NewUnstartedServer(web.Observe(doors.Log, web.Harden(m, CSP, doors.Refuse)))
	a.site.EnableHTTP2 = http2
	a.site.Config.WriteTimeout = 30 * time.Second
	if http2 {
		a.site.StartTLS()
	} else {
		a.site.Start()
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := a.server.RunStreams(ctx); err != nil {
			t.Errorf("the worker: %v", err)
		}
	}()
	a.stop = func() {
		cancel()
		<-ended
	}
	t.Cleanup(func() {
		a.stop()
		a.site.CloseClientConnections()
		a.site.Close()
	})
	a.browser, a.phone = a.customer(1)
	return a
}

// customer is one who can be asked.
func (a *app) customer(n int) (*testkit.Browser, *testkit.Phone) {
	a.T.Helper()
	b := a.LogIn(a.Person(n, false), authority.PC)
	phone := b.Enrol()
	a.Clock.Move(time.Minute)
	fine(a.T, a.AddTransactionAuth(a.T.Context(), b.Session, phone.Code()))
	return b, phone
}

// ask has the bank ask a customer for a transfer.
func (a *app) ask(n int) authority.Transaction {
	a.T.Helper()
	a.orders++
	got, err := a.CreateTransaction(a.T.Context(), theBank, fmt.Sprint("order-", a.orders), authority.NewTransaction{Ref: fmt.Sprintf("0101-1-%07d", 1234566+n), Template: "limit", Currency: "JPY",
		Fields: map[string]string{"limit.what": "transfer_day", "limit.before": "1000000", "limit.after": "5000000"}})
	fine(a.T, err)
	return got
}

// listener is the other end of a stream, as a socket: no library stands between.
type listener struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

// listen opens a stream and reads the answer's head.
func (a *app) listen(phone *testkit.Phone) (*listener, *http.Response) {
	a.T.Helper()
	conn, err := net.Dial("tcp", a.site.Listener.Addr().String())
	fine(a.T, err)
	a.T.Cleanup(func() { _ = conn.Close() })
	_, err = fmt.Fprintf(conn, "GET /v1/events HTTP/1.1\r\nHost: token.bank.example\r\nAccept: text/event-stream\r\nDPoP: %s\r\n\r\n", phone.Proof("GET", "/v1/events", nil).DPoP)
	fine(a.T, err)
	l := &listener{a.T.(*testing.T), conn, bufio.NewReader(conn)}
	fine(a.T, conn.SetReadDeadline(time.Now().Add(5*time.Second)))
	res, err := http.ReadResponse(l.r, nil)
	fine(a.T, err)
	return l, res
}

// hear is what comes within a time: up to the end of one message, or nothing.
func (l *listener) hear(within time.Duration) (string, error) {
	l.t.Helper()
	fine(l.t, l.conn.SetReadDeadline(time.Now().Add(within)))
	var b strings.Builder
	for !strings.HasSuffix(b.String(), "\n\n") {
		line, err := l.r.ReadString('\n')
		b.WriteString(line)
		if err != nil {
			return b.String(), err
		}
	}
	return b.String(), nil
}

// patience is how long a test waits for what must come. Only a failure takes as long, however busy the machine is.
const patience = 30 * time.Second

func (l *listener) hears(what string) {
	l.t.Helper()
	if got, err := l.hear(patience); err != nil || got != "event: transaction\ndata: {}\n\n" {
		l.t.Fatalf("%s: %q, %v", what, got, err)
	}
}

func (l *listener) hearsNothing(what string) {
	l.t.Helper()
	if got, err := l.hear(300 * time.Millisecond); err == nil || got != "" {
		l.t.Fatalf("%s: %q", what, got)
	} else if e, ok := err.(net.Error); !ok || !e.Timeout() { //nolint:errorlint // as the connection gives it
		l.t.Fatalf("%s: %v", what, err)
	}
}

// The app is told to look: when it begins to listen, and within a second of anything that happens to a transaction of its customer. It is told of nobody else's and it is told nothing more.
func TestTheAppIsToldToLook(t *testing.T) {
	t.Parallel()
	a := open(t, false)
	_, other := a.customer(2)
	l, res := a.listen(a.phone)
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" || res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("X-Content-Type-Options") != "nosniff" ||
		res.Header.Get("Strict-Transport-Security") == "" || len(res.Header.Values("Content-Security-Policy")) != 1 || res.Header.Get("Set-Cookie") != "" {
		t.Errorf("the stream begins with %d %v", res.StatusCode, res.Header)
	}
	l.hears("the beginning")
	l2, _ := a.listen(other)
	l2.hears("the other's beginning")
	made := a.ask(1)
	l.hears("a transaction")
	if _, err := a.phone.Send(a.phone.Decision(made.Offer, transaction.No)); err != nil {
		t.Fatal(err)
	}
	l.hears("an answer")
	made = a.ask(1)
	l.hears("a second transaction")
	if _, err := a.CancelTransaction(t.Context(), theBank, made.ID); err != nil {
		t.Fatal(err)
	}
	l.hears("a withdrawal")
	made = a.ask(1)
	l.hears("a third transaction")
	if _, err := a.ConfirmOffline(t.Context(), theBank, made.ID, a.phone.Offline(made.Offer)); err != nil {
		t.Fatal(err)
	}
	l.hears("digits")
	made = a.ask(1)
	l.hears("a fourth transaction")
	a.Clock.Move(6 * time.Minute)
	fine(t, a.SweepDue(t.Context()))
	l.hears("the end of its time")
	l2.hearsNothing("another's transactions")
	a.ask(2)
	l2.hears("her own transaction")
	l.hearsNothing("the other's transaction")

	// Two apps of one customer are both told, and one that has gone takes nothing away from the other.
	again, _ := a.listen(a.phone)
	again.hears("the beginning of a second stream")
	fine(t, l.conn.Close())
	a.ask(1)
	again.hears("a transaction, told to the one that is left")
}

// Who cannot prove that a token in use is his is told nothing, and keeps no stream.
func TestAStreamNeedsAProof(t *testing.T) {
	t.Parallel()
	a := open(t, false)
	registered := a.LogIn(a.Person(2, false), authority.PC).Registered()
	old := *a.phone
	old.Offset = -6 * time.Minute
	good := a.phone.Proof("GET", "/v1/events", nil).DPoP
	for name, c := range map[string]struct {
		proofs []string
		status int
		kind   string
	}{
		"none": {nil, 401, "proof-refused"}, "nonsense": {[]string{"x"}, 401, "proof-refused"}, "two": {[]string{good, good}, 401, "proof-refused"}, "of another address": {[]string{a.phone.Proof("GET", "/v1/transactions", nil).DPoP}, 401, "proof-refused"},
		"of another method": {[]string{a.phone.Proof("POST", "/v1/events", nil).DPoP}, 401, "proof-refused"}, "old": {[]string{old.Proof("GET", "/v1/events", nil).DPoP}, 401, "proof-refused"},
		"of a token that is not in use": {[]string{registered.Proof("GET", "/v1/events", nil).DPoP}, 409, "token-none"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", a.site.URL+"/v1/events", nil)
		fine(t, err)
		r.Header["Dpop"] = c.proofs
		res, err := a.site.Client().Do(r)
		fine(t, err)
		b, err := io.ReadAll(res.Body)
		fine(t, err)
		_ = res.Body.Close()
		if res.StatusCode != c.status || !strings.Contains(string(b), "urn:inkan:problem:"+c.kind) || res.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("a proof that is %s: %d %s", name, res.StatusCode, b)
		}
	}
	if n := a.server.streams.len(); n != 0 {
		t.Errorf("%d streams are kept", n)
	}
	// One proof opens one stream.
	l, _ := a.listen(a.phone)
	l.hears("the beginning")
	r, err := http.NewRequestWithContext(t.Context(), "GET", a.site.URL+"/v1/events", nil)
	fine(t, err)
	r.Header.Set("DPoP", good)
	for i, want := range []int{200, 401} {
		res, err := a.site.Client().Do(r.Clone(t.Context()))
		fine(t, err)
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("the same proof, %d times before: %d", i, res.StatusCode)
		}
	}
	// A token that is stopped gets no new stream.
	a.Clock.Move(time.Minute)
	fine(t, a.browser.Stop(a.phone))
	if _, res := a.listen(a.phone); res.StatusCode != http.StatusConflict {
		t.Errorf("a stopped token: %d", res.StatusCode)
	}
}

// Two hundred streams cost no goroutine, are all told, and are all closed when the server stops. Those whose other end has gone are let go of.
func TestManyStreams(t *testing.T) {
	a := open(t, false)
	first, _ := a.listen(a.phone)
	first.hears("the beginning")
	before := runtime.NumGoroutine()
	const many = 200
	a.server.streams.each = many + 1 // they are all of one customer
	all := make([]*listener, many)
	for i := range all {
		all[i], _ = a.listen(a.phone)
		all[i].hears("the beginning")
	}
	for range 50 { // what accepted the connections needs a moment to end
		if runtime.NumGoroutine() <= before+10 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before+10 {
		t.Errorf("%d goroutines for %d streams, %d before", n, many, before)
	}
	if n := a.server.streams.len(); n != many+1 {
		t.Errorf("%d streams are open", n)
	}
	made := a.ask(1)
	for _, l := range all {
		l.hears("a transaction")
	}
	for _, l := range all[:many/2] {
		fine(t, l.conn.Close())
	}
	_, err := a.phone.Send(a.phone.Decision(made.Offer, transaction.Yes)) // the first word to a closed end is lost, the second one comes back
	fine(t, err)
	for range 100 {
		if a.server.streams.len() <= many/2+1 {
			break
		}
		time.Sleep(20 * time.Millisecond)
		a.server.streams.write(a.server.streams.all(), pingMessage, false)
	}
	if n := a.server.streams.len(); n != many/2+1 {
		t.Errorf("%d streams are kept, %d are there", n, many/2+1)
	}
	a.stop()
	for _, l := range append(all[many/2:], first) {
		for {
			_, err := l.hear(patience)
			if err == io.EOF { //nolint:errorlint // as the connection gives it
				break
			}
			if err != nil {
				t.Fatalf("after the stop: %v", err)
			}
		}
	}
	if n := a.server.streams.len(); n != 0 {
		t.Errorf("%d streams are kept after the stop", n)
	}
}

// One customer has as many streams as she may, over whichever kind of connection; one more ends her oldest one and nobody else's.
func TestStreamsOfOneCustomer(t *testing.T) {
	t.Parallel()
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			a := open(t, http2)
			a.server.streams.each = 3
			_, other := a.customer(2)
			ends := map[int]chan struct{}{}
			opened := func(i int, phone *testkit.Phone) {
				t.Helper()
				r, err := http.NewRequestWithContext(t.Context(), "GET", a.site.URL+"/v1/events", nil)
				fine(t, err)
				r.Header.Set("DPoP", phone.Proof("GET", "/v1/events", nil).DPoP)
				res, err := a.site.Client().Do(r)
				fine(t, err)
				ended := make(chan struct{})
				ends[i] = ended
				go func() {
					defer close(ended)
					defer func() { _ = res.Body.Close() }()
					_, _ = io.Copy(io.Discard, res.Body)
				}()
			}
			over := func(i int, soon bool) bool {
				wait := 200 * time.Millisecond
				if soon {
					wait = patience
				}
				select {
				case <-ends[i]:
					return true
				case <-time.After(wait):
					return false
				}
			}
			opened(100, other)
			for i := range 5 {
				opened(i, a.phone)
				for j := range i + 1 {
					if want := j <= i-3; over(j, want) != want {
						t.Errorf("with %d streams the one opened as number %d is over: %v", i+1, j, !want)
					}
				}
			}
			if over(100, false) || a.server.streams.len() != 4 {
				t.Errorf("another's stream is over, or %d streams are open", a.server.streams.len())
			}
		})
	}
}

// Streams come, change and go while everything happens at once.
func TestStreamsUnderWay(t *testing.T) {
	t.Parallel()
	a := open(t, false)
	var wg sync.WaitGroup
	done := make(chan struct{})
	wg.Go(func() {
		defer close(done)
		for range 20 {
			made := a.ask(1)
			if _, err := a.CancelTransaction(t.Context(), theBank, made.ID); err != nil {
				t.Error(err)
			}
		}
	})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				conn, err := net.Dial("tcp", a.site.Listener.Addr().String())
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = fmt.Fprintf(conn, "GET /v1/events HTTP/1.1\r\nHost: x\r\nDPoP: %s\r\n\r\n", a.phone.Proof("GET", "/v1/events", nil).DPoP)
				_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
				res, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil || res.StatusCode != http.StatusOK {
					t.Errorf("a stream: %v", err)
				}
				_ = conn.Close()
			}
		})
	}
	wg.Wait()
	for range 200 {
		a.server.streams.write(a.server.streams.all(), pingMessage, false)
		if a.server.streams.len() == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d streams are kept that nobody listens to", a.server.streams.len())
}

// Over HTTP/2 there is no connection to take over: the stream is the same, and it does not keep the server from stopping.
func TestTheStreamOverHTTP2(t *testing.T) {
	t.Parallel()
	a := open(t, true)
	r, err := http.NewRequestWithContext(t.Context(), "GET", a.site.URL+"/v1/events", nil)
	fine(t, err)
	r.Header.Set("DPoP", a.phone.Proof("GET", "/v1/events", nil).DPoP)
	res, err := a.site.Client().Do(r)
	fine(t, err)
	defer func() { _ = res.Body.Close() }()
	if res.ProtoMajor != 2 || res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" || res.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%s %d %v", res.Proto, res.StatusCode, res.Header)
	}
	heard := make(chan string, 16)
	go func() {
		defer close(heard)
		buf := make([]byte, 4096)
		for {
			n, err := res.Body.Read(buf)
			if n > 0 {
				heard <- string(buf[:n])
			}
			if err != nil {
				return
			}
		}
	}()
	hears := func(what string) {
		t.Helper()
		select {
		case got := <-heard:
			if got != eventMessage {
				t.Fatalf("%s: %q", what, got)
			}
		case <-time.After(patience):
			t.Fatalf("%s is not told", what)
		}
	}
	hears("the beginning")
	made := a.ask(1)
	hears("a transaction")
	if _, err := a.CancelTransaction(t.Context(), theBank, made.ID); err != nil {
		t.Fatal(err)
	}
	hears("a withdrawal")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := a.site.Config.Shutdown(ctx); err != nil {
		t.Errorf("the server does not stop: %v", err)
	}
	for range heard { // ends with the stream
	}
}

// The life of a stream, by the clock: a sign of life every 25 seconds, an hour in all, and the end when the server stops. An end that takes nothing is let go of.
func TestALifeOfAStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = s.RunStreams(ctx)
		}()
		synctest.Wait()
		left := 0
		tell := map[string]func(){}
		add := func(name string) (net.Conn, *strings.Builder) {
			ours, theirs := net.Pipe()
			heard := &strings.Builder{}
			s.streams.add(ours, func(id string, f func()) func() {
				tell[id] = f
				return func() { left++ }
			}, name)
			return theirs, heard
		}
		var mu sync.Mutex
		read := func(c net.Conn, to *strings.Builder) {
			go func() {
				buf := make([]byte, 256)
				for {
					n, err := c.Read(buf)
					mu.Lock()
					to.Write(buf[:n])
					if err != nil {
						to.WriteString("END")
					}
					mu.Unlock()
					if err != nil {
						return
					}
				}
			}()
		}
		said := func(b *strings.Builder) string {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			return b.String()
		}
		c, heard := add("she")
		read(c, heard)
		if got := said(heard); got != eventMessage {
			t.Fatalf("at first: %q", got)
		}
		deaf, _ := add("deaf") // takes nothing at all
		defer func() { _ = deaf.Close() }()
		time.Sleep(time.Second)
		synctest.Wait()
		if n := s.streams.len(); n != 1 || left != 1 {
			t.Errorf("one that takes nothing is kept: %d open, %d left", n, left)
		}
		tell["she"]()
		tell["she"]()
		if got := said(heard); !strings.HasPrefix(got, eventMessage+eventMessage) {
			t.Errorf("told: %q", got)
		}
		tell["deaf"]() // it may be called once more after it has left
		synctest.Wait()
		events := strings.Count(said(heard), eventMessage)
		time.Sleep(60 * time.Second)
		if got := said(heard); strings.Count(got, pingMessage) != 2 || strings.Count(got, eventMessage) != events {
			t.Errorf("after a minute: %q", got)
		}
		time.Sleep(58 * time.Minute)
		if got := said(heard); strings.Contains(got, "END") || strings.Count(got, pingMessage) != 141 {
			t.Errorf("before an hour: %d signs of life", strings.Count(got, pingMessage))
		}
		time.Sleep(2 * time.Minute)
		if got := said(heard); !strings.HasSuffix(got, "END") || s.streams.len() != 0 || left != 2 {
			t.Errorf("after an hour it is still open: %d, %d have left", s.streams.len(), left)
		}
		last, heard2 := add("last")
		read(last, heard2)
		if got := said(heard2); got != eventMessage {
			t.Errorf("another one: %q", got)
		}
		cancel()
		<-ended
		if got := said(heard2); got != eventMessage+"END" || s.streams.len() != 0 || left != 3 {
			t.Errorf("at the stop: %q, %d are open, %d have left", got, s.streams.len(), left)
		}
	})
}
