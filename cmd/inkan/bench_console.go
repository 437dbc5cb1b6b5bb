package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/connector/keys"
	"github.com/inkan-auth/inkan/internal/connector/smtp"
	"github.com/inkan-auth/inkan/internal/domain/policy"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/pgcluster"
	"github.com/inkan-auth/inkan/internal/store"
	files "github.com/inkan-auth/inkan/web"
)

// benchConsole measures the console's pages in a small bank and in a large one, in turn in one run: what grows with the bank is found by the ratio.
func benchConsole(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flag.NewFlagSet("bench console", flag.ContinueOnError)
	f.SetOutput(stderr)
	engine := f.String("engine", "sqlite", "sqlite or postgres")
	customers := f.Int("customers", 1_000_000, "how many customers the large bank has")
	cases := f.Int("cases", 10_000, "how many open release requests, incidents and orders it has")
	rounds := f.Int("rounds", 30, "how often every page is asked for in each bank")
	if f.Parse(args) != nil || f.NArg() > 0 || *customers < smallBank || *cases < smallCases || *rounds < 3 || *engine != "sqlite" && *engine != "postgres" {
		fmt.Fprintln(stderr, "usage: inkan bench console [-engine sqlite|postgres] [-customers n] [-cases n] [-rounds n]")
		return errUsage
	}
	banks := make([]*benchDesk, 2)
	for i, size := range slices.Backward([][2]int{{smallBank, smallCases}, {*customers, *cases}}) { // the large one first: whoever is signed in for as long as it takes to fill is signed out
		d, err := newBenchDesk(ctx, *engine, size[0], size[1])
		if d != nil {
			defer d.close()
		}
		if err != nil {
			return err
		}
		banks[i] = d
	}
	fmt.Fprintf(stdout, "%s: a bank with %d customers and %d open requests, beside one with %d and %d; %d rounds, one reader\n", *engine, *customers, *cases, smallBank, smallCases, *rounds)
	tab := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tab, "\tsmall ms: median\tlargest\tlarge ms: median\tlargest\tlarge to small\t")
	for _, page := range benchPages {
		took := [2][]time.Duration{}
		for range *rounds {
			for i, d := range banks {
				t, err := d.time(page)
				if err != nil {
					return fmt.Errorf("%s: %w", page.name, err)
				}
				took[i] = append(took[i], t)
			}
		}
		_, small, smallMost := spread(took[0])
		_, large, largeMost := spread(took[1])
		fmt.Fprintf(tab, "%s\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t\n", page.name, ms(small), ms(smallMost), ms(large), ms(largeMost), float64(large)/float64(small))
	}
	return tab.Flush()
}

// smallBank is how many customers the bank has that the large one is held against, smallCases how many open requests: more than one page of the queue.
const smallBank, smallCases = 1000, 300

// benchPage is one page of the console. steps are asked one after another; a step that begins with "POST" sends a form, and "next" opens the address that the last answer led to or linked to.
type benchPage struct {
	name  string
	steps []string
}

var nextPage = regexp.MustCompile(`href="(/cases\?[^"]*from=[^"]*)"`)

// benchDesk is a bank with a supervisor who is signed in.
type benchDesk struct {
	handler http.Handler
	host    string
	session authority.StaffSession
	cookie  string
	closers []func()
}

func (d *benchDesk) close() {
	for _, f := range slices.Backward(d.closers) {
		f()
	}
}

func newBenchDesk(ctx context.Context, engine string, customers, cases int) (*benchDesk, error) {
	d := &benchDesk{host: "staff.localhost:8080"}
	dir, err := os.MkdirTemp("", "inkan-bench-")
	if err != nil {
		return d, err
	}
	d.closers = append(d.closers, func() { _ = os.RemoveAll(dir) })
	at := func(name string) string { return "http://" + name + ".localhost:8080" }
	keyDir := filepath.Join(dir, "keys")
	if err := keys.Create(keyDir, at("token"), time.Now(), files.Templates); err != nil {
		return d, err
	}
	var s *store.Store
	var raw *sql.DB
	if engine == "sqlite" {
		file := filepath.Join(dir, "inkan.db")
		if s, err = store.OpenSQLite(ctx, file); err == nil {
			raw, err = sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath()+"?_pragma=busy_timeout(10000)&_pragma=synchronous(OFF)&_pragma=temp_store(MEMORY)")
		}
	} else {
		var address string
		var stop func()
		if address, stop, err = pgcluster.Start(ctx, false, "shared_buffers=512MB", "max_wal_size=4GB"); err != nil {
			return d, err
		}
		d.closers = append(d.closers, stop)
		if s, err = store.OpenPostgres(ctx, address+"/postgres", 8); err == nil {
			raw, err = sql.Open("pgx", address+"/postgres")
		}
	}
	if s != nil {
		d.closers = append(d.closers, func() { _ = s.Close() })
	}
	if err != nil {
		return d, err
	}
	if err := errors.Join(seedBank(ctx, raw, engine, customers, cases), raw.Close()); err != nil {
		return d, fmt.Errorf("seeding: %w", err)
	}
	p := policy.Default()
	p.FailuresPerSource = 1 << 30 // the same customer is looked up again and again
	h, err := build(ctx, parts{store: s, keyDir: keyDir, policy: p, apiOrigin: at("api"), bankURL: at("bank"), log: slog.New(slog.DiscardHandler), together: true,
		mail: smtp.Config{Host: "127.0.0.1", Port: 25, From: "otp@inkan-bank.example", Plain: true},
		bank: authority.Bank{NameJA: "印鑑銀行", NameEN: "Inkan Bank", LoginOrigin: at("login"), TokenOrigin: at("token"), StaffOrigin: at("staff"), MailFrom: "otp@inkan-bank.example", Phone: "0120-000-000"}})
	if err != nil {
		return d, err
	}
	d.handler = h.handler
	desk := &demoDesk{authority: h.authority, origin: at("staff"), people: []*colleague{{Path: "supervisor", NewStaff: authority.NewStaff{Name: "bench", Person: "1", Branch: "101", Role: staff.Supervisor}}}}
	if err := desk.bring(ctx, desk.people[0]); err != nil {
		return d, err
	}
	d.session, d.cookie, err = desk.session(ctx, demoMachine(), "supervisor", "")
	return d, err
}

// time asks for a page and gives how long the last of its steps took.
func (d *benchDesk) time(p benchPage) (took time.Duration, err error) {
	var last *httptest.ResponseRecorder
	for _, step := range p.steps {
		method, rest, posted := strings.Cut(step, " ")
		if !posted {
			method, rest = http.MethodGet, step
		}
		if rest == "next" {
			if rest = last.Header().Get("Location"); rest == "" {
				m := nextPage.FindStringSubmatch(last.Body.String())
				if m == nil {
					return 0, errors.New("there is no next page")
				}
				rest = strings.ReplaceAll(m[1], "&amp;", "&")
			}
		}
		path, body, _ := strings.Cut(rest, " ")
		if method == http.MethodPost {
			body += "&form=" + url.QueryEscape(d.session.CSRF)
		}
		r := httptest.NewRequest(method, "http://"+d.host+path, strings.NewReader(body))
		r.Host = d.host
		r.Header.Set("Cookie", "__Host-staff="+d.cookie)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		if method == http.MethodPost {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		last = httptest.NewRecorder()
		began := time.Now()
		d.handler.ServeHTTP(last, r)
		took = time.Since(began)
		if last.Code != http.StatusOK && last.Code != http.StatusSeeOther {
			return 0, fmt.Errorf("%s answers %d", step, last.Code)
		}
	}
	if last.Code != http.StatusOK { // to the log-in, or away from what is measured
		return 0, fmt.Errorf("it leads to %s", last.Header().Get("Location"))
	}
	return took, nil
}

// benchPages are the pages that staff open most.
var benchPages = []benchPage{
	{"first page", []string{"/"}},
	{"queue, first page", []string{"/cases?state=submitted&branch="}},
	{"queue, second page", []string{"/cases?state=submitted&branch=", "next"}},
	{"queue of one branch", []string{"/cases?state=submitted&branch=107"}},
	{"one request", []string{"/cases/" + benchID("rel", 77)}},
	{"customer, looked up by account", []string{"POST /customers by=account&branch=101&account_type=%E6%99%AE%E9%80%9A&account_number=0000500", "next"}},
	{"fraud desk", []string{"/fraud"}},
	{"second person", []string{"/orders"}},
	{"trail, latest", []string{"/trail"}},
	{"trail of one act", []string{"/trail?act=service.stop"}},
	{"figures", []string{"/figures"}},
}

// benchID is an identifier of the right form that is no moment's.
func benchID(kind string, n int) string { return fmt.Sprintf("%s_%026d", kind, n) }

// seedBank fills a database as far as the console's pages read it: customers with address and token, a trail, open requests, incidents and orders. Rows are made by the database itself, so that ten million
// customers take minutes; who they refer to beyond that is not there, which the database is told not to mind.
func seedBank(ctx context.Context, raw *sql.DB, engine string, customers, cases int) error {
	c, err := raw.Conn(ctx) // what is said of foreign keys is said to one connection
	if err != nil {
		return err
	}
	now := time.Now()
	us, soon := store.Micros(now.Add(-24*time.Hour)), store.Micros(now.Add(24*time.Hour))
	pad := func(prefix string, width int) string {
		if engine == "sqlite" {
			return fmt.Sprintf("'%s' || printf('%%0%dd', i)", prefix, width)
		}
		return fmt.Sprintf("'%s' || lpad(CAST(i AS TEXT), %d, '0')", prefix, width)
	}
	numbers := func(n int) string {
		if engine == "sqlite" {
			return fmt.Sprintf("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)", n)
		}
		return fmt.Sprintf("WITH n(i) AS (SELECT generate_series(1, %d))", n)
	}
	lately := newID("ent", now.Add(-24*time.Hour))[:14] // the entries of one moment of yesterday, in the order of their numbers
	empty := map[string]string{"sqlite": "x''", "postgres": "''"}[engine]
	random := map[string]string{"sqlite": "randomblob(32)", "postgres": "decode(md5(CAST(i AS TEXT)), 'hex')"}[engine]
	steps := []string{
		map[string]string{"sqlite": "PRAGMA foreign_keys = 0", "postgres": "SET session_replication_role = replica"}[engine],
		numbers(customers) + ` INSERT INTO customer (id, ref, login_id, name, kana, branch, account_type, account_number, phone, login_password, login_initial, confirm_password, confirm_initial, state, reapply_at, created_at, version)
			SELECT ` + pad("cus_", 26) + ", " + pad("ref-", 8) + ", " + pad("login", 8) + `, '山田 花子', 'ヤマダ ハナコ', CASE WHEN i % 50 = 0 THEN '101' ELSE CAST(102 + i % 49 AS TEXT) END, '普通', ` + pad("", 7) + `, '090-0000-0000', 'none', FALSE, 'none', FALSE, 'active', 0, ` +
			fmt.Sprint(us) + ", 1 FROM n",
		numbers(customers) + " INSERT INTO address (id, customer, mail, state, since) SELECT " + pad("adr_", 26) + ", " + pad("cus_", 26) + ", " + pad("c", 8) + " || '@mail.example', 'usable', " + fmt.Sprint(us) + " FROM n",
		numbers(customers) + ` INSERT INTO audit_entry (id, at, actor_kind, actor, action, customer, object, outcome, reason, device, source, detail, sealed_at)
			SELECT ` + pad(lately, 16) + ", " + fmt.Sprint(us) + ", 'customer', " + pad("cus_", 26) + ", CASE WHEN i % 100 = 0 THEN 'service.stop' ELSE 'login.otp' END, " + pad("cus_", 26) + ", '', 'done', '', 'Windows / Edge', '198.51.100.0/24', '{}', 0 FROM n",
		numbers(cases) + ` INSERT INTO release_request (id, mac, once, customer, sealed, items, reason, state, device, source, created_at, changed_at, expires_at, ended_at, version, branch, submitted_at)
			SELECT ` + pad("rel_", 26) + ", " + random + ", " + map[string]string{"sqlite": random, "postgres": "decode(md5(CAST(-i AS TEXT)), 'hex')"}[engine] + ", " + pad("cus_", 26) + ", " + empty + ", 'otp_lock', 'new_phone', CASE WHEN i % 3 = 0 THEN 'made' WHEN i % 3 = 1 THEN 'received' ELSE 'submitted' END, 'Windows / Edge', '198.51.100.0/24', " +
			fmt.Sprintf("%d, %d, %d", us, us, soon) + ", 0, 1, CASE WHEN i % 50 = 0 THEN '101' ELSE CAST(102 + i % 49 AS TEXT) END, CASE WHEN i % 3 = 2 THEN " + fmt.Sprint(us) + " ELSE 0 END FROM n",
		numbers(cases) + ` INSERT INTO incident (id, kind, object, customer, place, state, outcome, taker, detail, times, opened_at, last_at, taken_at, closed_at)
			SELECT ` + pad("inc_", 26) + ", 'reported', " + pad("txn_", 26) + ", " + pad("cus_", 26) + ", " + pad("1 inc_", 26) + ", 'open', '', '', '{}', 1, " + fmt.Sprintf("%d, %d", us, us) + ", 0, 0 FROM n",
		map[string]string{"sqlite": "ANALYZE", "postgres": "VACUUM ANALYZE"}[engine],
	}
	for _, step := range steps {
		if _, err := c.ExecContext(ctx, step); err != nil {
			return errors.Join(fmt.Errorf("%.60s: %w", step, err), c.Close())
		}
	}
	return c.Close()
}
