package main

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/enrolment"
	"github.com/inkan-auth/inkan/internal/server/tokenapp"
	"github.com/inkan-auth/inkan/internal/server/web"
	"github.com/inkan-auth/inkan/internal/testkit"
	files "github.com/inkan-auth/inkan/web"
)

// bench is a server with one customer, and a directory for the token's file.
type bench struct {
	*testkit.World
	t    *testing.T
	dir  string
	lose bool // the server decides, and its answer is lost
	seen int

	skew   time.Duration // how wrong this machine's clock is
	stdin  string
	drop   string // requests to addresses that begin so do not arrive
	loseAt string // there the answer is lost
	orders int
	door   *tokenapp.Server
}

func newBench(t *testing.T) *bench {
	b := &bench{World: testkit.New(t, testkit.SQLite(t)), t: t, dir: t.TempDir()}
	m := http.NewServeMux()
	texts, err := web.LoadTexts(files.Files)
	if err != nil {
		t.Fatal(err)
	}
	api := web.API{Log: slog.New(slog.DiscardHandler), Sentence: texts.Title}
	b.door = &tokenapp.Server{Authority: b.Authority, API: api, App: fstest.MapFS{}}
	if err := b.door.Mount(m); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/registrations") {
			b.seen++
		}
		if b.drop != "" && strings.HasPrefix(r.URL.Path, b.drop) {
			panic(http.ErrAbortHandler)
		}
		if b.lose || b.loseAt != "" && strings.HasPrefix(r.URL.Path, b.loseAt) {
			m.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		m.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	old := client.Transport
	client.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) { //nolint:gosec // the test's own server
		return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
	}}
	t.Cleanup(func() { client.Transport = old })
	return b
}

// run runs the program and gives its exit code and both outputs.
func (b *bench) run(args ...string) (int, string, string) {
	b.t.Helper()
	var out, errs strings.Builder
	now := func() time.Time { return b.Clock.Now().Add(b.skew) }
	code := run(b.t.Context(), args, world{strings.NewReader(b.stdin), &out, &errs, now, b.dir})
	return code, out.String(), errs.String()
}

func (b *bench) must(args ...string) string {
	b.t.Helper()
	code, out, errs := b.run(args...)
	if code != 0 {
		b.t.Fatalf("%v: exit %d: %s", args, code, errs)
	}
	return out
}

func (b *bench) ordered(n int) (*testkit.Browser, authority.KeyView, string) {
	b.t.Helper()
	br := b.LogIn(b.Person(n, false), authority.PC)
	if err := b.Apply(b.t.Context(), br.Session, []byte(testkit.Confirm)); err != nil {
		b.t.Fatal(err)
	}
	key, err := b.RegistrationKey(b.t.Context(), br.Session, false)
	if err != nil {
		b.t.Fatal(err)
	}
	return br, key, b.MailedNumber()
}

func TestRegisterByLinkAndShowCodes(t *testing.T) {
	b := newBench(t)
	browser, key, number := b.ordered(1)
	out := b.must("register", "-link", key.Link, "-number", number)
	lines := strings.Fields(out)
	if err := browser.Start(lines[len(lines)-1]); err != nil {
		t.Fatalf("the code that the program printed does not start the token: %v", err)
	}
	if s := b.must("status"); !strings.Contains(s, "is in use") {
		t.Errorf("status: %s", s)
	}
	b.Clock.Move(time.Minute)
	next := b.LogIn("hanako01", authority.PC)
	if err := next.Code(strings.TrimSpace(b.must("code"))); err != nil {
		t.Errorf("the next code: %v", err)
	}
	info, err := os.Stat(filepath.Join(b.dir, "inkan-token", "tokens.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v, %v, want 0600", info.Mode(), err)
	}
	id := strings.Fields(b.must("list"))[0]
	b.must("remove", id)
	if out := b.must("list"); !strings.Contains(out, "No token yet") {
		t.Errorf("after remove: %s", out)
	}
}

func TestTypedDigitsInAnyWidth(t *testing.T) {
	b := newBench(t)
	_, key, number := b.ordered(1)
	wide := func(s string) string {
		return strings.Map(func(r rune) rune { return r + 0xfee0 }, s)
	}
	wrong := []byte(key.Typed)
	wrong[2] = '0' + (wrong[2]-'0'+1)%10
	if code, _, errs := b.run("register", "-issuer", testkit.TokenOrigin, "-key", string(wrong), "-number", number); code != 1 || !strings.Contains(errs, "typing error") || b.seen != 0 {
		t.Errorf("a typing error: exit %d, %d requests, %s", code, b.seen, errs)
	}
	b.must("register", "-issuer", testkit.TokenOrigin, "-key", wide(enrolment.Group(key.Typed)[:4])+" - "+key.Typed[4:], "-number", wide(number))
}

// A lost answer costs nothing: the same command sends the same bytes and gets the same token.
func TestALostAnswer(t *testing.T) {
	b := newBench(t)
	browser, key, number := b.ordered(1)
	b.lose = true
	if code, _, errs := b.run("register", "-link", key.Link, "-number", number); code != 1 || !strings.Contains(errs, "run the same command again") {
		t.Fatalf("exit %d: %s", code, errs)
	}
	b.lose = false
	out := strings.Fields(b.must("register", "-link", key.Link, "-number", number))
	if err := browser.Start(out[len(out)-1]); err != nil {
		t.Error(err)
	}
	if n := strings.Count(b.must("list"), "tok_"); n != 1 {
		t.Errorf("%d tokens", n)
	}
}

func TestAWrongNumberSaysHowManyTriesAreLeft(t *testing.T) {
	b := newBench(t)
	_, key, number := b.ordered(1)
	if code, _, errs := b.run("register", "-link", key.Link, "-number", "00000000"); code != 1 || !strings.Contains(errs, "4 tries left") {
		t.Errorf("exit %d: %s", code, errs)
	}
	b.must("register", "-link", key.Link, "-number", number)
}

// A link whose root is another one's: the answer is not believed.
func TestAnotherRootIsNotBelieved(t *testing.T) {
	b := newBench(t)
	_, key, number := b.ordered(1)
	forged := key.Link[:len(key.Link)-43] + strings.Repeat("A", 43)
	if code, _, errs := b.run("register", "-link", forged, "-number", number); code != 1 || !strings.Contains(errs, "not signed by the bank") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

func TestThePassphraseKeepsTheFile(t *testing.T) {
	b := newBench(t)
	_, key, number := b.ordered(1)
	pass := filepath.Join(b.dir, "pass")
	if err := os.WriteFile(pass, []byte("kasa to amagutsu\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.must("register", "-passphrase-file", pass, "-link", key.Link, "-number", number)
	content, err := os.ReadFile(filepath.Join(b.dir, "inkan-token", "tokens.json"))
	if err != nil || strings.Contains(string(content), "otp_key") || strings.Contains(string(content), "tok_") {
		t.Errorf("the file is not encrypted: %v", err)
	}
	if code, _, _ := b.run("code"); code != 1 {
		t.Error("the file opens without its passphrase")
	}
	if err := os.WriteFile(pass, []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := b.run("code", "-passphrase-file", pass); code != 1 || !strings.Contains(errs, "does not open") {
		t.Errorf("another passphrase: %d %s", code, errs)
	}
}

func TestAFileThatOthersCanReadIsRefused(t *testing.T) {
	b := newBench(t)
	_, key, number := b.ordered(1)
	b.must("register", "-link", key.Link, "-number", number)
	if err := os.Chmod(filepath.Join(b.dir, "inkan-token", "tokens.json"), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := b.run("code"); code != 1 || !strings.Contains(errs, "chmod 600") {
		t.Errorf("exit %d: %s", code, errs)
	}
}
