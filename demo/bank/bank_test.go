package bank_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/demo/bank"
)

// scene is a bank, an issuer and a clock. The bank runs on TLS because its cookies ask for it.
type scene struct {
	t      *testing.T
	bank   *httptest.Server
	issuer *issuer
	log    *bytes.Buffer

	mu  sync.Mutex
	now time.Time
}

func newScene(t *testing.T, change ...func(*bank.Config)) *scene {
	t.Helper()
	s := &scene{t: t, now: time.Date(2026, 11, 22, 1, 0, 0, 0, time.UTC), log: new(bytes.Buffer)}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s.issuer = newIssuer(t, &key.PublicKey, s.clock)
	var handler http.Handler
	s.bank = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(s.bank.Close)
	cfg := bank.Config{
		URL: s.bank.URL, Issuer: s.issuer.URL, ClientID: "bank", ClientKey: key, ClientKeyID: "bank-1",
		SecurityCentre: s.issuer.URL + "/security", Now: s.clock, Log: slog.New(slog.NewTextHandler(s.log, nil)),
		Customers: map[string]bank.Person{"C-1001": {Name: "山田 花子", NameEn: "Hanako Yamada"}},
	}
	for _, f := range change {
		f(&cfg)
	}
	handler, err = bank.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *scene) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *scene) wait(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

// browser is a customer's browser: it keeps cookies, follows redirects and says which site a form was sent from.
type browser struct {
	s      *scene
	client *http.Client
	lang   string
}

func (s *scene) browser() *browser {
	jar, _ := cookiejar.New(nil)
	client := s.bank.Client()
	return &browser{s: s, client: &http.Client{Transport: client.Transport, Jar: jar}, lang: "ja"}
}

type answer struct {
	status int
	path   string
	body   string
	header http.Header
}

func (b *browser) do(method, address string, form url.Values) answer {
	b.s.t.Helper()
	req, err := http.NewRequestWithContext(b.s.t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		b.s.t.Fatal(err)
	}
	req.Header.Set("Accept-Language", b.lang)
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	resp, err := b.client.Do(req)
	if err != nil {
		b.s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Request.URL.Path, string(body), resp.Header}
}

func (b *browser) get(path string) answer  { return b.do(http.MethodGet, b.s.bank.URL+path, nil) }
func (b *browser) post(path string) answer { return b.do(http.MethodPost, b.s.bank.URL+path, nil) }

func (a answer) expect(t *testing.T, status int, path string, words ...string) {
	t.Helper()
	if a.status != status || a.path != path {
		t.Fatalf("arrived at %d %s, wanted %d %s\n%s", a.status, a.path, status, path, a.body)
	}
	for _, w := range words {
		if !strings.Contains(a.body, w) {
			t.Errorf("%s does not say %q\n%s", path, w, a.body)
		}
	}
}

func TestVisit(t *testing.T) {
	s := newScene(t)
	b := s.browser()
	b.get("/").expect(t, 200, "/", "ログイン", `lang="ja"`)
	b.get("/home").expect(t, 200, "/")
	b.post("/login").expect(t, 200, "/home", "山田 花子 様", "はじめてのログイン", "ログインID・パスワードとワンタイムパスワードで確認しました", s.issuer.URL+"/security", "2026年11月22日 10:00")
	b.get("/").expect(t, 200, "/home")
	b.post("/logout").expect(t, 200, "/goodbye", "ログアウトしました")
	if got := s.issuer.ended; got.Get("id_token_hint") == "" || got.Get("post_logout_redirect_uri") != s.bank.URL+"/goodbye" {
		t.Errorf("the issuer was told %v", got)
	}
	b.get("/home").expect(t, 200, "/")
	s.wait(26 * time.Hour)
	b.lang = "en-GB,en;q=0.8"
	b.post("/login").expect(t, 200, "/home", "Welcome, Hanako Yamada", "22 November 2026, 10:00", "Verified with login ID, password and a one-time password")
	if s.log.Len() != 0 {
		t.Errorf("the log of an ordinary day should be empty:\n%s", s.log)
	}
}

func TestSecretInsteadOfKey(t *testing.T) {
	s := newScene(t, func(c *bank.Config) { c.ClientKey, c.ClientSecret = nil, "s3cret/with?signs" })
	s.issuer.client = nil
	s.browser().post("/login").expect(t, 200, "/home")
}

func TestSessionEnds(t *testing.T) {
	for name, step := range map[string]time.Duration{"idle": 5 * time.Minute, "absolute": 4 * time.Minute} {
		s := newScene(t)
		b := s.browser()
		b.post("/login").expect(t, 200, "/home")
		if name == "absolute" {
			for range 14 {
				s.wait(step)
				b.get("/home").expect(t, 200, "/home")
			}
		}
		s.wait(step)
		b.get("/home").expect(t, 200, "/", "ログインは終了しています")
		if again := b.get("/"); strings.Contains(again.body, "ログインは終了しています") {
			t.Errorf("%s: the end of the session is told twice", name)
		}
	}
}

// TestErrorsOfTheIssuer sees every error explained in both languages with a way on.
func TestErrorsOfTheIssuer(t *testing.T) {
	for code, want := range map[string]struct {
		status int
		ja, en string
	}{
		"access_denied":             {403, "ログインを取りやめました", "The login was cancelled"},
		"login_required":            {403, "ログインが必要です", "Please log in"},
		"temporarily_unavailable":   {503, "混み合っています", "Many people"},
		"server_error":              {502, "途中で問題が起きました", "Something went wrong"},
		"<script>alert(1)</script>": {502, "確認できませんでした", "could not verify"},
	} {
		s := newScene(t)
		s.issuer.fail = code
		b := s.browser()
		b.post("/login").expect(t, want.status, "/login/return", want.ja, `action="/login"`)
		b.lang = "en"
		b.post("/login").expect(t, want.status, "/login/return", want.en, `action="/login"`)
		b.get("/home").expect(t, 200, "/")
	}
}

// TestForgedAnswers sees nobody logged in by an answer that is not the issuer's answer to this browser's question.
func TestForgedAnswers(t *testing.T) {
	for name, spoil := range map[string]func(*issuer){
		"state":     func(i *issuer) { i.alter = func(a url.Values) { a.Set("state", "other") } },
		"no state":  func(i *issuer) { i.alter = func(a url.Values) { a.Del("state") } },
		"issuer":    func(i *issuer) { i.alter = func(a url.Values) { a.Set("iss", "https://other.example") } },
		"code":      func(i *issuer) { i.alter = func(a url.Values) { a.Set("code", "other") } },
		"nonce":     func(i *issuer) { i.claims = func(c map[string]any) { c["nonce"] = "other" } },
		"audience":  func(i *issuer) { i.claims = func(c map[string]any) { c["aud"] = "other" } },
		"token iss": func(i *issuer) { i.claims = func(c map[string]any) { c["iss"] = "https://other.example" } },
		"expired":   func(i *issuer) { i.claims = func(c map[string]any) { c["exp"] = i.now().Add(-time.Minute).Unix() } },
		"key":       func(i *issuer) { i.key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			spoil(s.issuer)
			b := s.browser()
			if a := b.post("/login"); a.status < 400 || a.path != "/login/return" {
				t.Errorf("answered %d %s", a.status, a.path)
			}
			b.get("/home").expect(t, 200, "/")
			if log := s.log.String(); strings.Contains(log, "eyJ") {
				t.Errorf("a token is in the log:\n%s", log)
			}
		})
	}
}

// TestReplayAndForeignBrowser returns twice with one answer, and with the answer of somebody else.
func TestReplayAndForeignBrowser(t *testing.T) {
	s := newScene(t)
	victim, thief := s.browser(), s.browser()
	var back string
	victim.client.CheckRedirect = func(req *http.Request, _ []*http.Request) error {
		if req.URL.Path == bank.CallbackPath {
			back = req.URL.String()
			return http.ErrUseLastResponse
		}
		return nil
	}
	victim.post("/login")
	thief.post("/login").expect(t, 200, "/home")
	thief.do(http.MethodGet, back, nil).expect(t, 403, "/login/return", "このログインは終わっています")
	victim.client.CheckRedirect = nil
	victim.do(http.MethodGet, back, nil).expect(t, 200, "/home")
	victim.do(http.MethodGet, back, nil).expect(t, 403, "/login/return", "このログインは終わっています", `href="/home"`)
}

func TestIssuerNotThere(t *testing.T) {
	s := newScene(t)
	s.issuer.Close()
	s.browser().post("/login").expect(t, 503, "/login", "ログインのページにつながりません", `action="/login"`)
}

func TestOtherSitesCannotPost(t *testing.T) {
	s := newScene(t)
	for _, path := range []string{"/login", "/logout", "/language"} {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, s.bank.URL+path, nil)
		req.Header.Set("Sec-Fetch-Site", "cross-site")
		resp, err := s.bank.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
}

func TestHeadersAndCookies(t *testing.T) {
	s := newScene(t)
	b := s.browser()
	var cookies []string
	b.client.Transport = spy{b.client.Transport, func(r *http.Response) {
		if "https://"+r.Request.URL.Host != s.bank.URL {
			return
		}
		cookies = append(cookies, r.Header.Values("Set-Cookie")...)
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin"} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s of %s is %q", name, r.Request.URL.Path, got)
			}
		}
		if csp := r.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'; ") || strings.Contains(csp, "unsafe") {
			t.Errorf("policy of %s is %q", r.Request.URL.Path, csp)
		}
	}}
	for _, path := range []string{"/", "/home", "/goodbye", "/nothing", "/static/bank.css"} {
		b.get(path)
	}
	b.post("/login")
	b.do(http.MethodPost, s.bank.URL+"/language", url.Values{"to": {"en"}, "back": {"//other.example/"}}).expect(t, 200, "/home", "Welcome")
	if len(cookies) < 3 {
		t.Fatalf("only %v", cookies)
	}
	for _, c := range cookies {
		for _, want := range []string{"__Host-bank", "; Path=/", "; HttpOnly", "; Secure", "; SameSite=Lax"} {
			if !strings.Contains(c, want) {
				t.Errorf("%q lacks %q", c, want)
			}
		}
	}
}

type spy struct {
	http.RoundTripper
	see func(*http.Response)
}

func (s spy) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := s.RoundTripper.RoundTrip(r)
	if err == nil {
		s.see(resp)
	}
	return resp, err
}

// TestTexts holds both languages to the same keys, and the pages to keys that exist.
func TestTexts(t *testing.T) {
	texts := make(map[string]map[string]string)
	for _, tag := range []string{"ja", "en"} {
		raw, err := os.ReadFile("text/" + tag + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var text map[string]string
		if err := json.Unmarshal(raw, &text); err != nil {
			t.Fatal(err)
		}
		texts[tag] = text
	}
	for key, ja := range texts["ja"] {
		if en, ok := texts["en"][key]; !ok || en == "" || ja == "" || strings.Count(en, "{}") != strings.Count(ja, "{}") {
			t.Errorf("%s: ja %q, en %q", key, ja, en)
		}
	}
	if len(texts["ja"]) != len(texts["en"]) {
		t.Error("the languages have different keys")
	}
	entries, err := os.ReadDir("pages")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		raw, err := os.ReadFile("pages/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		keys := regexp.MustCompile(`\.(?:T|Fill2?|Say "[a-z]+") "([a-z_]+)"`).FindAllStringSubmatch(string(raw), -1)
		if i := slices.IndexFunc(keys, func(k []string) bool { return texts["ja"][k[1]] == "" }); i >= 0 {
			t.Errorf("%s uses %q", e.Name(), keys[i][1])
		}
	}
}
