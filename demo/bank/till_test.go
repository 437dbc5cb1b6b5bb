package bank_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/demo/bank"
)

const hanako = "C-1001"

// till is a scene with the transaction API, a customer who has logged in, and a view into the bank's books.
type till struct {
	*scene
	api    *api
	inside *bank.Inside
	b      *browser
}

func newTill(t *testing.T, change ...func(*bank.Config)) *till {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	x := &till{}
	var cfg bank.Config
	x.scene = newScene(t, func(c *bank.Config) {
		x.api = newAPI(t, &key.PublicKey, c.Now)
		c.API, c.APIClientID, c.APIKey, c.ExecuteAtOnce, c.Phone = x.api.URL, "executor", key, true, "0120-111-222"
		c.Log = slog.New(slog.NewTextHandler(&quiet{t: t}, nil))
		for _, f := range change {
			f(c)
		}
		cfg = *c
	})
	handler, inside, err := bank.NewInside(cfg)
	if err != nil {
		t.Fatal(err)
	}
	x.inside = inside
	x.scene.bank.Config.Handler = handler
	x.b = x.browser()
	x.b.post("/login").expect(t, 200, "/home")
	return x
}

// quiet takes the log of a bank that may still write when its test is over.
type quiet struct {
	t  *testing.T
	mu sync.Mutex
	b  strings.Builder
}

func (q *quiet) Write(p []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.b.Write(p)
}

func (b *browser) send(path string, form url.Values) answer {
	return b.do(http.MethodPost, b.s.bank.URL+path, form)
}

// form is a transfer to another bank, as the form sends it.
func (x *till) form(change ...string) url.Values {
	from, _, _, _ := x.inside.Account(hanako, 0)
	f := url.Values{"from": {from}, "bank": {"0991"}, "branch": {"011"}, "type": {"ordinary"}, "number": {"7654321"}, "amount": {"50000"}, "date": {"2026-11-22"}}
	for i := 0; i < len(change); i += 2 {
		f.Set(change[i], change[i+1])
	}
	return f
}

// draft fills in the form and arrives at the confirmation page.
func (x *till) draft(change ...string) string {
	x.t.Helper()
	a := x.b.send("/transfers", x.form(change...))
	if !strings.HasPrefix(a.path, "/transfers/T") {
		x.t.Fatalf("no confirmation: %d %s\n%s", a.status, a.path, a.body)
	}
	return a.path
}

// until looks at a page again and again until it says something.
func (x *till) until(path string, words ...string) answer {
	x.t.Helper()
	var a answer
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		a = x.b.get(path)
		missing := false
		for _, w := range words {
			missing = missing || !strings.Contains(a.body, w)
		}
		if !missing {
			return a
		}
	}
	x.t.Fatalf("%s never says %q\n%s", path, words, a.body)
	return a
}

// conserved holds the books to what must always be true.
func (x *till) conserved(bookings int) {
	x.t.Helper()
	if err := x.inside.Reconcile(); err != nil {
		x.t.Error(err)
	}
	if n := x.inside.Bookings(); n != bookings {
		x.t.Errorf("%d bookings, wanted %d", n, bookings)
	}
}

func state(s string) string { return `data-state="` + s + `"` }
