package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/demo/mailbox"
	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/connector/keys"
	"github.com/inkan-auth/inkan/internal/connector/smtp"
	"github.com/inkan-auth/inkan/internal/domain/policy"
	"github.com/inkan-auth/inkan/internal/server/api"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/testkit"
	files "github.com/inkan-auth/inkan/web"
)

const (
	loginHost = "login.bank.example"
	tokenHost = "token.bank.example"
	apiHost   = "api.bank.example"
	staffHost = "staff.bank.example"
	bankSite  = "https://www.bank.example"
	bankBack  = bankSite + "/return"

	desktop = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"
)

// attacked is the whole house as it is built for production, on a real file and with a real mail server, and a clock that is moved by hand.
type attacked struct {
	*testkit.World
	t      testing.TB
	house  *house
	file   string // of the database
	box    *mailbox.Mailbox
	log    *safeBuffer
	client string // secret of the client "bank" of OpenID Connect
	system string // secret of the system "core" of the API, which may only verify codes
	branch string // secret of the system "branch", which may do everything that a system may
	at     *sql.DB

	eye  *sql.DB  // looks and never writes, by one connection, so that the database tells it when anybody else has written
	seen []string // what it saw last, while the database was in version
	in   int64
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func attack(t testing.TB, change ...func(*parts)) *attacked {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "inkan.db")
	s, err := store.OpenSQLite(t.Context(), file)
	fine(t, err)
	t.Cleanup(func() { _ = s.Close() })
	keyDir := filepath.Join(dir, "keys")
	fine(t, keys.Create(keyDir, testkit.TokenOrigin, time.Now(), files.Templates))
	box, err := mailbox.New(mailbox.Config{})
	fine(t, err)
	t.Cleanup(func() { _ = box.Close(context.Background()) })
	host, port, _ := strings.Cut(box.Addr(), ":")
	number, err := strconv.Atoi(port)
	fine(t, err)
	log := &safeBuffer{}
	p := parts{store: s, keyDir: keyDir, policy: policy.Default(), apiOrigin: "https://" + apiHost, bankURL: bankSite,
		log:  slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		mail: smtp.Config{Host: host, Port: number, From: "印鑑銀行 <otp@bank.example>", Plain: true},
		bank: authority.Bank{NameJA: "印鑑銀行", NameEN: "Inkan Bank", LoginOrigin: "https://" + loginHost, TokenOrigin: testkit.TokenOrigin, StaffOrigin: testkit.StaffOrigin, MailFrom: "otp@bank.example", Phone: "0120-000-000"}, together: true}
	p.policy.FailuresPerSource = 1 << 20 // all attacks come from one network
	p.policy.MailInterval = time.Second
	for _, f := range change {
		f(&p)
	}
	h, err := build(t.Context(), p)
	fine(t, err)
	clock := &testkit.Clock{}
	for time.Since(clock.Now()) > time.Millisecond {
		clock.Move(time.Since(clock.Now())) // a span of time is at most 292 years
	}
	h.authority.Now = clock.Now
	w := &attacked{World: &testkit.World{Authority: h.authority, T: t, Clock: clock}, t: t, house: h, file: file, box: box, log: log}
	w.client, err = h.authority.CreateOIDCClient(t.Context(), authority.OIDCClient{ID: "bank", Name: "Bank", Method: authority.ClientSecretBasic, RedirectURIs: []string{bankBack}})
	fine(t, err)
	w.system, err = h.authority.CreateAPIClient(t.Context(), "core", []string{"otp:verify"}, nil, "")
	fine(t, err)
	w.branch, err = h.authority.CreateAPIClient(t.Context(), "branch", api.Scopes, nil, "")
	fine(t, err)
	w.at, err = sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(5000)")
	fine(t, err)
	t.Cleanup(func() { _ = w.at.Close() })
	w.eye, err = sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(5000)&_pragma=query_only(1)")
	fine(t, err)
	w.eye.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = w.eye.Close() })
	return w
}

func fine(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// registered takes her up to the registration: the application by her, the number out of the real mail, a phone.
func (w *attacked) registered(b *testkit.Browser) *testkit.Phone {
	w.t.Helper()
	fine(w.t, w.Apply(w.t.Context(), b.Session, []byte(testkit.Confirm)))
	key, err := w.RegistrationKey(w.t.Context(), b.Session, false)
	fine(w.t, err)
	p := testkit.NewPhone(w.World)
	fine(w.t, p.Register(p.Scan(key.Link, w.mailedNumber())))
	return p
}

// enrolled takes her to the start of use; the code of the previous step is spent, so that the present one is still good.
func (w *attacked) enrolled(b *testkit.Browser) *testkit.Phone {
	w.t.Helper()
	p := w.registered(b)
	fine(w.t, b.Start(p.CodeAt(-1)))
	return p
}

var groupsOfFour = regexp.MustCompile(`(?m)\b(\d{4}) (\d{4})\b`)

func (w *attacked) mailedNumber() string {
	w.t.Helper()
	_, err := w.DeliverDue(w.t.Context())
	fine(w.t, err)
	for _, m := range w.box.Messages() {
		if n := groupsOfFour.FindStringSubmatch(m.Body); n != nil {
			return n[1] + n[2]
		}
	}
	w.t.Fatalf("no mail with a registration number among %d", len(w.box.Messages()))
	return ""
}

// ask is one request to the house.
type ask struct {
	method, host, path string
	body               string
	head               map[string]string
	cookies            map[string]string
	from               string // address of the caller
}

// form is a request of a form of our own page with the session's own value.
func form(path string, b *testkit.Browser, pairs ...string) ask {
	v := url.Values{}
	if b != nil {
		v.Set("form", b.CSRF)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	a := ask{method: http.MethodPost, host: loginHost, path: path, body: v.Encode(), head: map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}}
	return a.as(b)
}

func get(host, path string) ask { return ask{method: http.MethodGet, host: host, path: path} }

func jsonTo(host, path, body string) ask {
	return ask{method: http.MethodPost, host: host, path: path, body: body, head: map[string]string{"Content-Type": "application/json"}}
}

// as adds the cookies of a browser.
func (a ask) as(b *testkit.Browser) ask {
	if b != nil {
		a.cookies = map[string]string{"__Host-inkan": b.Cookie.Session}
	}
	return a
}

// with adds a header.
func (a ask) with(name, value string) ask {
	head := map[string]string{name: value}
	for k, v := range a.head {
		if !strings.EqualFold(k, name) {
			head[k] = v
		}
	}
	a.head = head
	return a
}

func (a ask) String() string { return a.method + " " + a.host + a.path }

type answer struct {
	*http.Response
	text string
}

// send asks the house and holds every answer, whatever it is, to what every answer owes.
func (w *attacked) send(a ask) answer {
	w.t.Helper()
	r := httptest.NewRequestWithContext(context.Background(), a.method, "https://"+loginHost+"/", strings.NewReader(a.body))
	path, query, _ := strings.Cut(a.path, "?")
	if u, err := url.ParseRequestURI(path); err == nil {
		r.URL = &url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: query}
	} else {
		r.URL = &url.URL{Path: path, RawQuery: query}
	}
	r.RequestURI, r.Host = a.path, a.host
	r.Header.Set("User-Agent", desktop)
	r.Header.Set("Accept-Language", "ja")
	for k, v := range a.head {
		r.Header.Set(k, v)
	}
	for k, v := range a.cookies {
		r.AddCookie(&http.Cookie{Name: k, Value: v})
	}
	if a.from != "" {
		r.RemoteAddr = a.from
	}
	rec := httptest.NewRecorder()
	w.house.handler.ServeHTTP(rec, r)
	res := rec.Result()
	b, err := io.ReadAll(res.Body)
	fine(w.t, err)
	out := answer{res, string(b)}
	for _, fault := range faults(a, out) {
		w.t.Errorf("%s (%d): %s", a, res.StatusCode, fault)
	}
	return out
}

// faults is the table of headers that every answer is held to.
func faults(a ask, r answer) []string {
	var out []string
	h := r.Header
	want := func(name, value string) {
		if got := strings.Join(h.Values(name), " | "); got != value {
			out = append(out, fmt.Sprintf("%s is %q, want %q", name, got, value))
		}
	}
	if r.StatusCode != http.StatusMisdirectedRequest { // what is not our site is promised nothing
		want("Strict-Transport-Security", "max-age=63072000; includeSubDomains; preload")
	}
	want("X-Content-Type-Options", "nosniff")
	want("Referrer-Policy", "no-referrer")
	want("Cross-Origin-Opener-Policy", "same-origin")
	want("Cross-Origin-Resource-Policy", "same-origin")
	want("X-Frame-Options", "DENY")
	csp := h.Values("Content-Security-Policy")
	if h.Get("Content-Type") == "image/svg+xml" && len(csp) == 1 { // a picture draws itself with styles of its own, and runs nothing
		csp[0] = strings.Replace(csp[0], "style-src 'unsafe-inline'; ", "", 1)
	}
	if len(csp) != 1 || !strings.HasPrefix(csp[0], "default-src 'none'") || !strings.Contains(csp[0], "frame-ancestors 'none'") || strings.Contains(csp[0], "unsafe") || strings.Contains(csp[0], "*") {
		out = append(out, fmt.Sprintf("the content security policy is %q", csp))
	} else if strings.HasPrefix(h.Get("Content-Type"), "text/html") {
		for _, rule := range []string{"base-uri 'none'", "form-action 'self'"} {
			if !strings.Contains(csp[0], rule) {
				out = append(out, "a page without "+rule)
			}
		}
		if strings.Contains(csp[0], "script-src") && !strings.Contains(csp[0], "require-trusted-types-for 'script'") {
			out = append(out, "a page with script and without trusted types")
		}
	}
	if p := h.Get("Permissions-Policy"); !strings.Contains(p, "geolocation=()") || !strings.Contains(p, "microphone=()") || !strings.Contains(p, "camera=(self)") || strings.Contains(p, "*") {
		out = append(out, fmt.Sprintf("Permissions-Policy is %q", p))
	}
	path, _, _ := strings.Cut(a.path, "?")
	still := a.host == staffHost && strings.HasPrefix(path, "/static/") || a.host == loginHost && (strings.HasPrefix(path, "/static/") || path == "/.well-known/openid-configuration" || path == "/oidc/jwks") ||
		a.host == tokenHost && !strings.HasPrefix(path, "/v1/") && (r.StatusCode == 200 || r.StatusCode == 304 || r.StatusCode == 416)
	if c := h.Get("Cache-Control"); !still && !strings.Contains(c, "no-store") {
		out = append(out, fmt.Sprintf("Cache-Control is %q on what is not a file", c))
	}
	for _, raw := range h.Values("Set-Cookie") {
		c, err := http.ParseSetCookie(raw)
		if err != nil || !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode && c.SameSite != http.SameSiteStrictMode || len(raw) > 4096 {
			out = append(out, "the cookie "+raw)
		}
		if !strings.EqualFold(a.host, loginHost) && a.host != staffHost {
			out = append(out, "a cookie on a host that has none: "+raw)
		}
	}
	if strings.Contains(h.Get("Clear-Site-Data"), "storage") || a.host == tokenHost && h.Get("Clear-Site-Data") != "" {
		out = append(out, "Clear-Site-Data "+h.Get("Clear-Site-Data"))
	}
	if h.Get("Access-Control-Allow-Origin") != "" || h.Get("Access-Control-Allow-Credentials") != "" {
		out = append(out, "another origin may read this")
	}
	if to := h.Get("Location"); to != "" && !ours(a.host, to) {
		out = append(out, "sends the browser to "+to)
	}
	if r.StatusCode >= 500 {
		out = append(out, "fails: "+r.text)
	}
	return out
}

// ours says whether a browser that obeys this redirect stays with us or goes back to the bank. Browsers drop tabs and line ends and take a backslash for a slash.
func ours(host, to string) bool {
	if strings.ContainsFunc(to, func(c rune) bool { return c <= ' ' || c == '\\' || c == 0x7f }) || strings.HasPrefix(to, "//") {
		return false
	}
	base := &url.URL{Scheme: "https", Host: host, Path: "/"}
	u, err := base.Parse(to)
	return err == nil && u.User == nil && (u.Scheme == "https" && u.Host == host || strings.HasPrefix(to, bankBack+"?"))
}

// state is everything in the database, line by line, so that "nothing has changed" can be said of all of it.
func (w *attacked) state() []string {
	w.t.Helper()
	var version int64
	fine(w.t, w.eye.QueryRowContext(context.Background(), "PRAGMA data_version").Scan(&version))
	if version != w.in { // only then is there anything new to read: most attacks write nothing at all
		w.seen, w.in = dump(w.t, w.eye), version
	}
	return w.seen
}

func dump(t testing.TB, d *sql.DB) []string {
	t.Helper()
	var out []string
	for _, table := range tables(t, d) {
		rows, err := d.QueryContext(context.Background(), "SELECT * FROM "+table)
		fine(t, err)
		names, err := rows.Columns()
		fine(t, err)
		for rows.Next() {
			values := make([]any, len(names))
			for i := range values {
				values[i] = new(any)
			}
			fine(t, rows.Scan(values...))
			line := table
			for i, v := range values {
				value := *v.(*any)
				if b, ok := value.([]byte); ok {
					value = base64.StdEncoding.EncodeToString(b)
				}
				line += fmt.Sprintf(" %s=%v", names[i], value)
			}
			out = append(out, line)
		}
		fine(t, rows.Err())
		fine(t, rows.Close())
	}
	slices.Sort(out)
	return out
}

func tables(t testing.TB, d *sql.DB) []string {
	t.Helper()
	rows, err := d.QueryContext(context.Background(), "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
	fine(t, err)
	defer func() { _ = rows.Close() }()
	var out []string
	for rows.Next() {
		var name string
		fine(t, rows.Scan(&name))
		out = append(out, name)
	}
	fine(t, rows.Err())
	return out
}

// changed is what differs between two states.
func changed(before, after []string) []string {
	var out []string
	for _, l := range before {
		if _, ok := slices.BinarySearch(after, l); !ok {
			out = append(out, "- "+l)
		}
	}
	for _, l := range after {
		if _, ok := slices.BinarySearch(before, l); !ok {
			out = append(out, "+ "+l)
		}
	}
	return out
}

// unchanged runs f and fails if anything in the database is different afterwards.
func (w *attacked) unchanged(what any, f func()) {
	w.t.Helper()
	before := w.state()
	f()
	if d := changed(before, w.state()); len(d) > 0 {
		w.t.Errorf("%v changed something:\n%s", what, strings.Join(d, "\n"))
	}
}

func (w *attacked) scalar(query string, args ...any) (n int) {
	w.t.Helper()
	fine(w.t, w.at.QueryRowContext(context.Background(), query, args...).Scan(&n))
	return n
}
