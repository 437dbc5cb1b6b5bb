package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/inkan-auth/inkan/internal/domain/problem"
)

func TestOnlyATrustedProxyNamesTheCaller(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.1.2.0/24"), netip.MustParsePrefix("2001:db8:1::/64")}
	for name, c := range map[string]struct {
		from string
		hops []string
		want string
	}{
		"a stranger":                       {"203.0.113.9:5", []string{"198.51.100.1"}, "203.0.113.9:5"},
		"a neighbour of the proxy":         {"10.1.3.1:5", []string{"198.51.100.1"}, "10.1.3.1:5"},
		"the proxy, silent":                {"10.1.2.1:5", nil, "10.1.2.1:5"},
		"the proxy, one hop":               {"10.1.2.1:5", []string{"198.51.100.1"}, "198.51.100.1:0"},
		"a forged hop before":              {"10.1.2.1:5", []string{"1.2.3.4, 198.51.100.1"}, "198.51.100.1:0"},
		"a forged header before":           {"10.1.2.1:5", []string{"1.2.3.4", "198.51.100.1"}, "198.51.100.1:0"},
		"two proxies":                      {"10.1.2.1:5", []string{"1.2.3.4, 198.51.100.1, 10.1.2.9"}, "198.51.100.1:0"},
		"two proxies in two headers":       {"10.1.2.1:5", []string{"198.51.100.1", "10.1.2.9"}, "198.51.100.1:0"},
		"a forged proxy":                   {"10.1.2.1:5", []string{"10.1.2.9, 198.51.100.1"}, "198.51.100.1:0"},
		"proxies only":                     {"10.1.2.1:5", []string{"10.1.2.9, 10.1.2.8"}, "10.1.2.1:5"},
		"nonsense":                         {"10.1.2.1:5", []string{"unknown"}, "10.1.2.1:5"},
		"nonsense behind a forged one":     {"10.1.2.1:5", []string{"1.2.3.4, unknown"}, "10.1.2.1:5"},
		"empty":                            {"10.1.2.1:5", []string{""}, "10.1.2.1:5"},
		"an empty hop":                     {"10.1.2.1:5", []string{"1.2.3.4,"}, "10.1.2.1:5"},
		"with a port":                      {"10.1.2.1:5", []string{"198.51.100.1:99"}, "10.1.2.1:5"},
		"with a line end":                  {"10.1.2.1:5", []string{"198.51.100.1\r\nX: y"}, "10.1.2.1:5"},
		"with a space":                     {"10.1.2.1:5", []string{" 198.51.100.1 "}, "198.51.100.1:0"},
		"a range":                          {"10.1.2.1:5", []string{"198.51.100.0/24"}, "10.1.2.1:5"},
		"leading zeroes":                   {"10.1.2.1:5", []string{"198.051.100.001"}, "10.1.2.1:5"},
		"six":                              {"[2001:db8:1::5]:5", []string{"2001:db8:9::1"}, "[2001:db8:9::1]:0"},
		"six, another net":                 {"[2001:db8:2::5]:5", []string{"2001:db8:9::1"}, "[2001:db8:2::5]:5"},
		"four in the clothes of six":       {"[::ffff:10.1.2.1]:5", []string{"198.51.100.1"}, "198.51.100.1:0"},
		"a hop of four in clothes of six":  {"10.1.2.1:5", []string{"1.2.3.4, ::ffff:10.1.2.9"}, "1.2.3.4:0"},
		"a stranger in the clothes of six": {"[::ffff:10.1.3.1]:5", []string{"198.51.100.1"}, "[::ffff:10.1.3.1]:5"},
		"no port of the proxy's":           {"10.1.2.1", []string{"198.51.100.1"}, "10.1.2.1"},
	} {
		for _, other := range []string{"", "X-Real-IP", "Forwarded", "True-Client-IP", "X_Forwarded_For", "X-Forwarded_For"} {
			r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
			r.RemoteAddr = c.from
			for _, h := range c.hops {
				r.Header.Add("X-Forwarded-For", h)
			}
			if other != "" {
				r.Header.Set(other, "192.0.2.99")
			}
			got := ""
			h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.RemoteAddr })
			if Proxies(trusted, h).ServeHTTP(httptest.NewRecorder(), r); got != c.want {
				t.Errorf("%s, %s: the caller is %s, want %s", name, other, got, c.want)
			}
			r.RemoteAddr = c.from
			if Proxies(nil, h).ServeHTTP(httptest.NewRecorder(), r); got != c.from {
				t.Errorf("%s without proxies: the caller is %s", name, got)
			}
		}
	}
}

func TestANetworkIsShortened(t *testing.T) {
	for from, want := range map[string]string{"198.51.100.77:1": "198.51.100.0/24", "[2001:db8:1:2ff::7]:1": "2001:db8:1:200::/56", "[::ffff:198.51.100.77]:1": "198.51.100.0/24", "[fe80::1%eth0]:1": "fe80::/56", "x": "unknown", "": "unknown", "1.2.3.4": "1.2.3.0/24"} {
		if got := Source(&http.Request{RemoteAddr: from}); got != want {
			t.Errorf("%q is %q, want %q", from, got, want)
		}
	}
}

// A panic is answered with a number and nothing else, and the house stands.
func TestAPanicTellsNothing(t *testing.T) {
	var log bytes.Buffer
	h := Observe(slog.New(slog.NewJSONHandler(&log, nil)), Headers(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("the secret plan") }), "default-src 'none'"))
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), "GET", "/x?secret=1", nil))
	id := rec.Header().Get("X-Request-Id")
	if rec.Code != http.StatusInternalServerError || strings.TrimSpace(rec.Body.String()) != "internal error "+id || len(id) != 16 || rec.Header().Get("Content-Security-Policy") == "" {
		t.Errorf("a panic is answered %d %q", rec.Code, rec.Body)
	}
	if !strings.Contains(log.String(), id) || strings.Contains(log.String(), "secret=1") {
		t.Errorf("the log: %s", &log)
	}
	h = Observe(slog.New(slog.DiscardHandler), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("half"))
		panic("late")
	}))
	rec = httptest.NewRecorder()
	if h.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)); rec.Body.String() != "half" {
		t.Errorf("behind what was said stands %q", rec.Body)
	}
}

// What came in a request stands in the log as one value of one line, however it is written.
func TestTheLogHasOneLineForEachRequest(t *testing.T) {
	var log bytes.Buffer
	h := Observe(slog.New(slog.NewJSONHandler(&log, nil)), http.NotFoundHandler())
	for _, evil := range []string{"a\nb", "a\r\n{\"msg\":\"x\"}", "\u202egpj", "\x1b[31m", "\x00", "\u2028"} {
		log.Reset()
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
		r.Host, r.URL.Path, r.Method = evil, evil, evil
		r.Header.Set("User-Agent", evil)
		h.ServeHTTP(httptest.NewRecorder(), r)
		if strings.Count(log.String(), "\n") != 1 || !json.Valid(log.Bytes()) || strings.ContainsAny(strings.TrimSuffix(log.String(), "\n"), "\r\n\x00\x1b\u2028") {
			t.Errorf("%q: %s", evil, &log)
		}
	}
}

func TestEveryRefusalHasAStatusOfItsOwnMeaning(t *testing.T) {
	for _, k := range problem.Kinds() {
		if s := Status(k); s < 400 || s == http.StatusInternalServerError {
			t.Errorf("%s is %d", k, s)
		}
	}
	if Status("no such kind") != http.StatusInternalServerError {
		t.Error("an unknown kind is no failure of ours")
	}
}

// An error of ours leaves the house without a word of what it was.
func TestAFailureOfOursIsNotTold(t *testing.T) {
	var log bytes.Buffer
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/x", nil)
	rec := httptest.NewRecorder()
	WriteProblem(rec, r, slog.New(slog.NewJSONHandler(&log, nil)), func(_ string, e *problem.Error) string { return string(e.Kind) }, fmt.Errorf("reading: %s", "table customer of host db7"))
	if rec.Code != http.StatusServiceUnavailable || strings.Contains(rec.Body.String(), "customer") || !strings.Contains(log.String(), "db7") {
		t.Errorf("%d %s; the log: %s", rec.Code, rec.Body, &log)
	}
}

type small struct {
	Name string         `json:"name"`
	More map[string]any `json:"more"`
}

// What is decoded was one object in our spelling: written again, it decodes to the same.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{}`, `{"name":"x"}`, `{"name":"x","name":"y"}`, `{"NAME":"x"}`, `{"name":"\ud800"}`, `{"name":"x"}{}`, `{"name":"x"}]`, `null`, `[]`, ``, `{"more":{"a":{"b":{"c":{"d":{"e":{"f":{"g":{}}}}}}}}}`,
		`{"more":{"a":[1,2,{"b":null}]}}`, "{\"name\":\"\xff\"}", `{"name":1}`, `{"name":"x",}`, "\ufeff{}", `{"\u006eame":"x","name":"y"}`, strings.Repeat(`{"more":`, 10), `{"ſ":1}`, `{"name":null}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/", bytes.NewReader(b))
		r.Header.Set("Content-Type", "application/json")
		var got small
		_, err := decode(r, &got)
		if err != nil {
			if problem.KindOf(err) != problem.Malformed {
				t.Fatalf("%q: %v", b, err)
			}
			return
		}
		if !json.Valid(b) || b[bytes.IndexFunc(b, func(c rune) bool { return !strings.ContainsRune(" \t\r\n", c) })] != '{' {
			t.Fatalf("%q is taken", b)
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(b, &members); err != nil {
			t.Fatal(err)
		}
		for name := range members {
			if name != "name" && name != "more" {
				t.Fatalf("%q is taken with the member %q", b, name)
			}
		}
		var dense bytes.Buffer
		if err := json.Compact(&dense, b); err != nil || len(members) == 0 && dense.String() != "{}" {
			t.Fatalf("%q is taken", b)
		}
		again, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		var twice small
		if err := json.Unmarshal(again, &twice); err != nil || twice.Name != got.Name {
			t.Fatalf("%q becomes %q", b, again)
		}
	})
}
