package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/pgcluster"
	"github.com/inkan-auth/inkan/internal/server/web"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// Whatever stands in a configuration file, it is refused or it is safe: three hosts over https, keys, a way for passwords that is not in the clear.
func FuzzConfig(f *testing.F) {
	const good = "listen = \":1\"\ninternal = \":2\"\n[hosts]\nlogin = \"https://l.example\"\ntoken = \"https://t.example\"\napi = \"https://a.example\"\n[bank]\nname_ja = \"x\"\nname_en = \"x\"\n[proxy]\ntrusted = [\"10.0.0.0/8\"]\n" +
		"[database]\nsqlite = \"x\"\n[keys]\ndirectory = \"x\"\n[mail]\nhost = \"localhost\"\nport = 25\nfrom = \"a@b.example\"\nplain = true\n"
	for _, s := range []string{good, "", "x", strings.ReplaceAll(good, "https://a", "http://a"), strings.ReplaceAll(good, "a.example\"\n[bank", "l.example\"\n[bank"), good + "[policy]\notp_digits = 60\n", good + "[policy]\nsession_idle = \"-1m\"\n", good + good,
		strings.ReplaceAll(good, "10.0.0.0/8", "::/0"), strings.ReplaceAll(good, "localhost", "mail.example"), "listen = 1", "[[hosts]]\n", good + "[policy]\nblock_first = \"9999999h\"\n", "\x00", good + "x.y.z = 1", strings.ReplaceAll(good, "= 25", "= -1")} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		path := filepath.Join(t.TempDir(), "inkan.toml")
		fine(t, os.WriteFile(path, []byte(s), 0o600))
		c, err := readConfig(path)
		if err != nil {
			return
		}
		hosts := map[string]bool{}
		for _, h := range []string{c.Hosts.Login, c.Hosts.Token, c.Hosts.API} {
			hosts[strings.ToLower(h)] = true
			if !strings.HasPrefix(h, "https://") && !strings.Contains(h, "localhost") && !strings.Contains(h, "127.") && !strings.Contains(h, "[::1]") {
				t.Fatalf("%q is taken for a host", h)
			}
		}
		if len(hosts) != 3 || c.Keys.Directory == "" || c.TLS.Certificate == "" && len(c.Proxy.Trusted) == 0 || c.Mail.Plain && !local(c.Mail.Host) || c.Policy.policy().Check() != nil || c.Listen == c.Internal {
			t.Fatalf("%+v is taken", c)
		}
	})
}

// A file of customers is refused or read whole: nothing is dropped in silence and nothing is made up.
func FuzzCustomers(f *testing.F) {
	for _, s := range []string{csvOf(1), "", "ref\n", "ref,login_id\na,b\n", "ref,ref\na,b\n", "ref\n\"a\nb\"\n", "ref;login_id\na;b\n", "\ufeffref\nx\n", "ref\n\n\nx\n", "x\n1\n", "ref\n\"\n", "Ref\nx\n"} {
		f.Add(s, true)
	}
	for _, s := range []string{`{"ref":"a"}`, `{"ref":"a"} {"ref":"b"}`, `{"ref":1}`, `{}`, "{}\n{}\n", "\n\n", `[{"ref":"a"}]`, `null`, `{"ref":"a","x":1}`, "{\"ref\":\"a\"}\r\n", strings.Repeat("x", 70_000)} {
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, s string, csv bool) {
		name := "c.jsonl"
		if csv {
			name = "c.csv"
		}
		path := filepath.Join(t.TempDir(), name)
		fine(t, os.WriteFile(path, []byte(s), 0o600))
		lines, err := readCustomers(path)
		if err != nil {
			if !strings.Contains(err.Error(), name) {
				t.Fatalf("%q: the refusal %v does not name the file", s, err)
			}
			return
		}
		if csv {
			return
		}
		n := 0
		for line := range strings.Lines(s) {
			if strings.TrimSpace(line) == "" {
				continue
			}
			n++
			if !json.Valid([]byte(line)) {
				t.Fatalf("%q is taken", line)
			}
		}
		if n != len(lines) {
			t.Fatalf("%q: %d customers of %d lines", s, len(lines), n)
		}
	})
}

// Whatever a system of the bank or a phone that has proved itself writes into a request, it is answered with what was asked for or with a refusal of a kind that is known: on both
// engines, for what the one takes for text the other may not.
func FuzzAPI(f *testing.F) {
	type world struct {
		*attacked
		p         *asker
		id, offer string
		engine    string
	}
	var worlds []*world
	engines := []string{"sqlite"}
	if pgcluster.Installed() {
		engines = append(engines, "postgres")
	}
	for _, engine := range engines {
		w := attack(f, func(p *parts) {
			if engine == "postgres" {
				p.store = testkit.Postgres(f)
			}
		})
		x := &world{attacked: w, p: w.asker(6), engine: engine}
		x.id, x.offer = w.asked(x.p)
		worlds = append(worlds, x)
	}
	doors := []string{"POST /v1/transactions", "GET /v1/transactions/{id}", "POST /v1/transactions/{id}/cancel", "POST /v1/transactions/{id}/offline", "POST /v1/transactions/{id}/consume", "GET /v1/transactions/{id}/evidence",
		"GET /v1/customers/{id}/transaction-authentication", "POST /v1/otp/verifications", "POST /v1/decisions", "PUT /v1/push", "DELETE /v1/push", "GET /v1/transactions", "GET /v1/token",
		"POST /v1/verifier/options", "PUT /v1/verifier", "POST /v1/verifier/removal"}
	const own = "txn_own"
	order := wire(worlds[0].p.order())
	execution := wire(worlds[0].p.execution("e"))
	for i, door := range doors {
		bodies := []string{"", "{}", "null", "[]", order, execution, `{"code":"00000000"}`, `{"customer":"a\u0000b","code":"1"}`, `{"customer":"\u0000","template":"transfer","currency":"JPY","fields":{}}`, strings.ReplaceAll(order, "0101-1-", `\u0000`), strings.ReplaceAll(order, "みどり", `み\u0000`),
			strings.ReplaceAll(execution, "0101-1-", `\u0000`), strings.ReplaceAll(execution, `"e"`, `"\u0000"`), strings.ReplaceAll(execution, "7654321", "7654322"), strings.ReplaceAll(execution, `"date"`, `"`+strings.Repeat("d", 30_000)+`"`), strings.ReplaceAll(order, "transfer", "passkey"),
			`{"decision":"a.b.c"}`, `{"decision":"` + worlds[0].offer + `"}`, `{"decision":"\u0000"}`, `{"decision":"a.b.c","assertion":"\u0000"}`, `{"verifier":"a.b.c","created":"\u0000","assertion":"a.b.c.d"}`, `{"verifier":"","created":"{}"}`, `{"removal":"a.b.c","assertion":""}`, `{"endpoint":"https://push.example.net/` + `\u0000` + `","p256dh":"","auth":""}`, subscription(), `{"endpoint":"https://[::1]:99999/","p256dh":"","auth":""}`, strings.Repeat("{", 70_000)}
		if !strings.HasPrefix(door, "P") { // with the others a body is not even read
			bodies = bodies[:2]
		}
		for _, body := range bodies {
			f.Add(byte(i), body, own, "", "key-"+string(rune('a'+i)))
		}
		if !strings.Contains(door, "{id}") {
			continue
		}
		for _, id := range []string{"", "x", noID, "\x00", "a\x00b", "\xff\xfe", "../../x", "%00", strings.Repeat("x", 3000), "0101-1-1234572", "';--", "\u202e", "a/b", "🦊"} {
			f.Add(byte(i), order, id, "wait=0&state=pending", "k")
		}
	}
	for _, i := range []byte{1, 11} { // those that read one
		for _, query := range []string{"wait=0", "wait=-1", "wait=9999999999999999999", "wait=0&state=\x00", "wait=0&wait=1", "%zz", "templates=\x00", ";", "wait=%00"} {
			f.Add(i, "", own, query, "")
		}
	}
	for _, key := range []string{"", " ", "\x00", "ä", strings.Repeat("k", 65), "a\nb"} {
		f.Add(byte(0), order, own, "", key)
	}
	f.Fuzz(func(t *testing.T, which byte, body, id, query, key string) {
		if strings.Contains(query, "wait") { // nobody has the time
			q, err := url.ParseQuery(query)
			if n, errN := strconv.Atoi(q.Get("wait")); err != nil || errN == nil && n > 0 {
				return
			}
		}
		method, path, _ := strings.Cut(doors[int(which)%len(doors)], " ")
		for _, w := range worlds {
			w.T = t
			name := id
			if id == own {
				name = w.id
			}
			r := httptest.NewRequestWithContext(t.Context(), method, "https://"+apiHost+"/", strings.NewReader(body))
			r.URL = &url.URL{Path: strings.ReplaceAll(path, "{id}", name), RawQuery: query}
			if strings.Contains(path, "{id}") { // as a client writes a name of any kind into an address
				r.URL.RawPath = strings.ReplaceAll(path, "{id}", url.PathEscape(name))
			}
			r.Host = apiHost
			r.Header.Set("Content-Type", "application/json")
			r.Header["Idempotency-Key"] = []string{key}
			r.Header.Set("Authorization", asSystem("branch", w.branch))
			if slices.Contains([]string{"/v1/decisions", "/v1/push", "/v1/token", "/v1/verifier", "/v1/verifier/options", "/v1/verifier/removal"}, path) || method+path == "GET/v1/transactions" {
				r.Host = tokenHost
				proved := []byte(body)
				if method == "GET" || method == "DELETE" { // what comes with these is not read
					proved = nil
				}
				r.Header.Set("DPoP", w.p.phone.Proof(method, path, proved).DPoP)
			}
			rec := httptest.NewRecorder()
			w.house.handler.ServeHTTP(rec, r)
			if rec.Code >= 500 {
				log := w.log.String()
				t.Fatalf("%s: %s %q with %q answers %d: %s\n%s", w.engine, method, r.URL.Path, body, rec.Code, rec.Body, log[max(0, len(log)-2000):])
			}
			if rec.Code >= 400 && rec.Header().Get("Content-Type") == "application/problem+json" {
				var p struct{ Type string }
				kind := ""
				if err := json.Unmarshal(rec.Body.Bytes(), &p); err == nil {
					kind = strings.TrimPrefix(p.Type, "urn:inkan:problem:")
				}
				if !slices.Contains(problem.Kinds(), problem.Kind(kind)) || web.Status(problem.Kind(kind)) != rec.Code {
					t.Fatalf("%s: %s %q with %q is refused as %d %s", w.engine, method, r.URL.Path, body, rec.Code, rec.Body)
				}
			}
			if rec.Code < 400 && rec.Code != http.StatusNoContent && rec.Code/100 != 3 && !json.Valid(rec.Body.Bytes()) {
				t.Fatalf("%s: %s %q with %q answers %d: %s", w.engine, method, r.URL.Path, body, rec.Code, rec.Body)
			}
		}
	})
}
