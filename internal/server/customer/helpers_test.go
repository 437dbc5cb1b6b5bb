package customer

import (
	"context"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/server/web"
	"github.com/inkan-auth/inkan/internal/testkit"
	files "github.com/inkan-auth/inkan/web"
)

const (
	desktop = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"
	iphone  = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
)

// house is a whole login host on a real store.
type house struct {
	*testkit.World
	server *Server
	site   *httptest.Server
}

func open(t *testing.T) *house {
	t.Helper()
	w := testkit.New(t, testkit.SQLite(t))
	texts, err := web.LoadTexts(files.Files)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(w.Authority, texts, "https://bank.example/")
	if err != nil {
		t.Fatal(err)
	}
	m := http.NewServeMux()
	s.Mount(m)
	m.HandleFunc("GET /oidc/authorize/{id}", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "the bank waits: "+r.URL.RequestURI())
	})
	site := httptest.NewTLSServer(web.Observe(w.Config.Log, web.Harden(m, s.CSP(), s.Fail)))
	t.Cleanup(site.Close)
	return &house{w, s, site}
}

// browser is a browser with cookies that follows redirects and remembers the page it shows.
type browser struct {
	h      *house
	client *http.Client
	agent  string
	status int
	at     *url.URL
	body   string
	head   http.Header
}

func (h *house) browser(agent string) *browser {
	h.T.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.T.Fatal(err)
	}
	c := *h.site.Client()
	c.Jar = jar
	return &browser{h: h, client: &c, agent: agent}
}

func (b *browser) send(method, path string, form url.Values, head map[string]string) {
	b.h.T.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(context.Background(), method, b.h.site.URL+path, body)
	if err != nil {
		b.h.T.Fatal(err)
	}
	r.Header.Set("User-Agent", b.agent)
	r.Header.Set("Accept-Language", "ja")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for k, v := range head {
		r.Header.Set(k, v)
	}
	ans, err := b.client.Do(r)
	if err != nil {
		b.h.T.Fatal(err)
	}
	defer func() { _ = ans.Body.Close() }()
	got, err := io.ReadAll(ans.Body)
	if err != nil {
		b.h.T.Fatal(err)
	}
	b.status, b.at, b.body, b.head = ans.StatusCode, ans.Request.URL, string(got), ans.Header
}

func (b *browser) get(path string) { b.h.T.Helper(); b.send(http.MethodGet, path, nil, nil) }

var hidden = regexp.MustCompile(`<input type="hidden" name="form" value="([^"]+)">`)

// token is the hidden value of the forms on the page.
func (b *browser) token() string {
	b.h.T.Helper()
	m := hidden.FindStringSubmatch(b.body)
	if m == nil {
		b.h.T.Fatalf("no form on %s:\n%s", b.at, b.body)
	}
	return m[1]
}

// post fills in a form of the page it shows and sends it.
func (b *browser) post(path string, pairs ...string) {
	b.h.T.Helper()
	form := url.Values{"form": {b.token()}}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	m := regexp.MustCompile(`action="(` + regexp.QuoteMeta(path) + `(?:\?[^"]*)?)"`).FindStringSubmatch(b.body)
	if m == nil {
		b.h.T.Fatalf("%s has no form for %s", b.at, path)
	}
	b.send(http.MethodPost, html.UnescapeString(m[1]), form, nil)
}

// on fails unless the browser shows this page, and shows these words.
func (b *browser) on(path string, words ...string) {
	b.h.T.Helper()
	if b.at.Path != path {
		b.h.T.Fatalf("the browser is on %s (%d), want %s\n%s", b.at, b.status, path, b.words())
	}
	for _, w := range words {
		if !strings.Contains(html.UnescapeString(b.body), w) {
			b.h.T.Fatalf("%s does not say %q:\n%s", path, w, b.words())
		}
	}
}

var tags = regexp.MustCompile(`(?:<[^>]*>|\s)+`)

// words is the page without its markup.
func (b *browser) words() string {
	_, main, _ := strings.Cut(b.body, "<main")
	return tags.ReplaceAllString(main, " ")
}

// approve has the phone approve what the page says that it shows, and goes on.
func (b *browser) approve(p *testkit.Phone) {
	b.h.T.Helper()
	page := b.at.Path
	pending := p.Transactions().Pending
	if len(pending) != 1 || !strings.HasPrefix(page, "/security/errand/") {
		b.h.T.Fatalf("%d transactions wait for the phone, and the browser is on %s", len(pending), page)
	}
	b.on(page, "承認をお待ちしています")
	if _, err := p.Send(p.Decision(pending[0].Offer, transaction.Yes)); err != nil {
		b.h.T.Fatal(err)
	}
	b.get(page)
	b.on(page, "承認を確認しました")
	b.post(page + "/do")
}

func (b *browser) login(id string) {
	b.h.T.Helper()
	b.get("/login")
	b.post("/login", "login_id", id, "login_password", testkit.Login)
}
