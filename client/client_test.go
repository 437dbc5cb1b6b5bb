package client_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/client"
)

const oneTransaction = `{"id":"txn_1","state":"pending","reference":"ABCD-EFGH","customer":"C-1","template":"transfer","currency":"JPY",
	"fields":[{"id":"payee.bank","value":"みどり銀行"},{"id":"amount","value":"250000"}],"display":{"ja":"お振込\n金額: 250,000円","en":"Transfer\nAmount: JPY 250,000"},
	"created":"2026-11-22T01:00:00Z","expires":"2026-11-22T01:05:00Z","decided":"","approved_until":"","grade":"","reason":"","offline":"INKAN1:AB"}`

var transfer = client.NewTransaction{Customer: "C-1", Template: "transfer", Currency: "JPY", Fields: map[string]string{"payee.bank": "みどり銀行", "amount": "250000"}}

// server is the API as far as a test needs it: it checks what every request must carry, remembers it, and answers as told.
type server struct {
	*httptest.Server
	t      *testing.T
	client *client.Client

	mu     sync.Mutex
	now    time.Time
	seen   []request
	answer func(n int, w http.ResponseWriter, r *http.Request) // n counts from 1.
}

type request struct{ method, path, key, body, jti string }

func newServer(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request)) *server {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, answer: answer, now: time.Date(2026, 11, 22, 1, 0, 0, 0, time.UTC)}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	s.client = &client.Client{Origin: s.URL, ID: "bank", Key: key, Now: s.clock}
	return s
}

func (s *server) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *server) wait(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

func (s *server) requests() []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	jti := s.check(r)
	s.mu.Lock()
	s.seen = append(s.seen, request{r.Method, r.URL.RequestURI(), r.Header.Get("Idempotency-Key"), string(body), jti})
	n := len(s.seen)
	s.mu.Unlock()
	s.answer(n, w, r)
}

// check holds the assertion against RFC 7523 and RFC 7638, written down a second time and independently of the client.
func (s *server) check(r *http.Request) string {
	raw, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	parts := strings.Split(raw, ".")
	if !ok || len(parts) != 3 {
		s.t.Errorf("no assertion: %q", raw)
		return ""
	}
	var header map[string]string
	var claims struct {
		Iss, Sub, Aud, Jti string
		Iat, Exp           int64
	}
	for i, into := range []any{&header, &claims} {
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err == nil {
			err = json.Unmarshal(b, into)
		}
		if err != nil {
			s.t.Error(err)
		}
	}
	pub := &s.client.Key.PublicKey
	point, _ := pub.Bytes()
	b64 := base64.RawURLEncoding.EncodeToString
	jwk, _ := json.Marshal(map[string]string{"kty": "EC", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])}) // sorted, without spaces
	kid := sha256.Sum256(jwk)
	if header["alg"] != "ES256" || header["typ"] != "JWT" || header["kid"] != b64(kid[:]) {
		s.t.Errorf("header %v", header)
	}
	now := s.clock().Unix()
	if claims.Iss != "bank" || claims.Sub != "bank" || claims.Aud != s.URL || claims.Jti == "" || claims.Iat > now || claims.Exp <= now || claims.Exp-claims.Iat > 300 {
		s.t.Errorf("claims %+v at %d", claims, now)
	}
	sig, _ := base64.RawURLEncoding.DecodeString(parts[2])
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if len(sig) != 64 || !ecdsa.Verify(pub, digest[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		s.t.Error("the signature does not hold")
	}
	if r.Method == http.MethodPost && (r.Header.Get("Idempotency-Key") == "" || r.Header.Get("Content-Type") != "application/json") {
		s.t.Errorf("%s %s: %v", r.Method, r.URL, r.Header)
	}
	return claims.Jti
}

func answerJSON(w http.ResponseWriter, status int, body string) {
	kind := "application/json; charset=utf-8"
	if status >= 400 {
		kind = "application/problem+json"
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

func always(status int, body string) func(int, http.ResponseWriter, *http.Request) {
	return func(_ int, w http.ResponseWriter, _ *http.Request) { answerJSON(w, status, body) }
}

// hangUp ends the connection without an answer.
func hangUp(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	}
}

func TestEveryCall(t *testing.T) {
	s := newServer(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/consume"):
			answerJSON(w, 200, `{"permit":"a.b.c","transaction":`+oneTransaction+`}`)
		case strings.HasSuffix(r.URL.Path, "/evidence"):
			answerJSON(w, 200, `{"v":"1",  "offer":"x"}`)
		case strings.HasPrefix(r.URL.Path, "/v1/customers/"):
			answerJSON(w, 200, `{"required":true,"in_use":true,"stopped":false}`)
		case r.URL.Path == "/v1/transactions":
			answerJSON(w, 201, oneTransaction)
		default:
			answerJSON(w, 200, oneTransaction)
		}
	})
	ctx, c := t.Context(), s.client
	made, err := c.CreateTransaction(ctx, "order-1", transfer)
	if err != nil || made.State != client.Pending || made.Fields[0] != (client.Field{ID: "payee.bank", Value: "みどり銀行"}) || !made.Decided.IsZero() ||
		!made.Expires.Equal(time.Date(2026, 11, 22, 1, 5, 0, 0, time.UTC)) || made.Display["en"] == "" || made.Offline != "INKAN1:AB" {
		t.Fatalf("%+v %v", made, err)
	}
	errs := []error{}
	note := func(err error) { errs = append(errs, err) }
	_, err = c.Transaction(ctx, "txn_1")
	note(err)
	_, err = c.WaitTransaction(ctx, "txn_1", client.Pending, 25*time.Second)
	note(err)
	_, err = c.WaitTransaction(ctx, "txn_1", client.Pending, time.Hour)
	note(err)
	_, err = c.CancelTransaction(ctx, "txn_1")
	note(err)
	_, err = c.ConfirmOffline(ctx, "txn_1", "12345678")
	note(err)
	permit, err := c.Consume(ctx, "txn_1", client.Execution{Request: "order-1", Customer: "C-1", Template: "transfer", Currency: "JPY", Fields: transfer.Fields})
	note(err)
	file, err := c.Evidence(ctx, "txn_1")
	note(err)
	state, err := c.TransactionAuthentication(ctx, "0101-1/1000001 ?")
	note(err)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if permit.JWS != "a.b.c" || string(file) != `{"v":"1",  "offer":"x"}` || state != (client.Authentication{Required: true, InUse: true}) {
		t.Errorf("%+v %s %+v", permit, file, state)
	}
	var paths []string
	for _, r := range s.requests() {
		paths = append(paths, r.method+" "+r.path)
	}
	want := []string{"POST /v1/transactions", "GET /v1/transactions/txn_1", "GET /v1/transactions/txn_1?state=pending&wait=25", "GET /v1/transactions/txn_1?state=pending&wait=30",
		"POST /v1/transactions/txn_1/cancel", "POST /v1/transactions/txn_1/offline", "POST /v1/transactions/txn_1/consume", "GET /v1/transactions/txn_1/evidence",
		"GET /v1/customers/0101-1%2F1000001%20%3F/transaction-authentication"}
	if !slices.Equal(paths, want) {
		t.Errorf("asked\n%s", strings.Join(paths, "\n"))
	}
	first := s.requests()[0]
	if first.key != "order-1" || first.body != `{"customer":"C-1","template":"transfer","currency":"JPY","fields":{"amount":"250000","payee.bank":"みどり銀行"}}` {
		t.Errorf("%+v", first)
	}
}

// TestAssertionIsKept sees one assertion for many calls, and a new one in good time, after a refusal, and when the clock was set back.
func TestAssertionIsKept(t *testing.T) {
	refuse := false
	s := newServer(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		if refuse {
			answerJSON(w, 401, `{"type":"urn:inkan:problem:bad-client"}`)
			return
		}
		answerJSON(w, 200, oneTransaction)
	})
	ask := func() string {
		_, _ = s.client.Transaction(t.Context(), "txn_1")
		seen := s.requests()
		return seen[len(seen)-1].jti
	}
	first := ask()
	s.wait(3 * time.Minute)
	if ask() != first {
		t.Error("a good assertion was thrown away")
	}
	s.wait(time.Minute)
	second := ask()
	if second == first {
		t.Error("the assertion was used to its end")
	}
	s.wait(-time.Hour)
	third := ask()
	if third == second {
		t.Error("an assertion of the future was used")
	}
	refuse = true
	if ask() != third {
		t.Error("no refusal yet, and another assertion")
	}
	if ask() == third {
		t.Error("a refused assertion was used again")
	}
}

func TestManyAtOnce(t *testing.T) {
	s := newServer(t, always(200, oneTransaction))
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := s.client.Transaction(t.Context(), "txn_1"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestRefusals(t *testing.T) {
	s := newServer(t, always(409, `{"type":"urn:inkan:problem:offline-wrong","title":"no","status":200,"instance":"x","tries_left":2,"field":"payee.account"}`))
	_, err := s.client.CreateTransaction(t.Context(), "k", transfer)
	var p *client.Problem
	if !errors.As(err, &p) || p.Kind != client.KindOfflineWrong || p.Status != 409 || p.Title != "no" || p.Number("tries_left") != 2 || p.Text("field") != "payee.account" || len(p.Values) != 2 {
		t.Fatalf("%#v", err)
	}
	if n := len(s.requests()); n != 1 {
		t.Errorf("a refusal was asked for %d times", n)
	}
	if strings.Contains(err.Error(), "payee") {
		t.Errorf("%q tells values", err)
	}
}

// TestLostAnswers sees the same question with the same key until an answer comes, and an end to asking.
func TestLostAnswers(t *testing.T) {
	for name, lose := range map[string]func(w http.ResponseWriter){
		"hang up": hangUp,
		"502":     func(w http.ResponseWriter) { http.Error(w, "<h1>bad gateway</h1>", 502) },
		"503":     func(w http.ResponseWriter) { answerJSON(w, 503, `{"type":"urn:inkan:problem:busy"}`) },
		"504":     func(w http.ResponseWriter) { http.Error(w, "", 504) },
		"half": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "5000")
			_, _ = io.WriteString(w, `{"id":"txn_1",`)
			w.(http.Flusher).Flush()
			hangUp(w)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, func(n int, w http.ResponseWriter, _ *http.Request) {
				if n < 3 {
					lose(w)
					return
				}
				answerJSON(w, 201, oneTransaction)
			})
			if _, err := s.client.CreateTransaction(t.Context(), "order-1", transfer); err != nil {
				t.Fatal(err)
			}
			for _, r := range s.requests() {
				if r.key != "order-1" || r.body != s.requests()[0].body {
					t.Errorf("%+v", r)
				}
			}
		})
	}
	for name, call := range map[string]func(c *client.Client) error{
		"create": func(c *client.Client) error {
			_, err := c.CreateTransaction(context.Background(), "k", transfer)
			return err
		},
		"cancel": func(c *client.Client) error { _, err := c.CancelTransaction(context.Background(), "txn_1"); return err },
		"offline": func(c *client.Client) error {
			_, err := c.ConfirmOffline(context.Background(), "txn_1", "1")
			return err
		},
		"consume": func(c *client.Client) error {
			_, err := c.Consume(context.Background(), "txn_1", client.Execution{Request: "r"})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, func(_ int, w http.ResponseWriter, _ *http.Request) { hangUp(w) })
			err := call(s.client)
			var lost *client.Unavailable
			var p *client.Problem
			if !errors.As(err, &lost) || lost.Status != 0 || errors.As(err, &p) {
				t.Fatalf("%v", err)
			}
			if strings.Contains(err.Error(), "txn_1") {
				t.Errorf("%q names the transaction", err)
			}
			seen := s.requests()
			if len(seen) < 3 || len(seen) > 6 { // the transport may repeat once by itself
				t.Errorf("%d tries", len(seen))
			}
			for _, r := range seen {
				if r.key == "" || r.key != seen[0].key {
					t.Errorf("the tries of one call have the keys %q and %q", seen[0].key, r.key)
				}
			}
		})
	}
}

// TestNoAnswerToRelyOn sees everything that is not the server's word as "nobody knows", and not as a yes or a no.
func TestNoAnswerToRelyOn(t *testing.T) {
	for name, answer := range map[string]func(int, http.ResponseWriter, *http.Request){
		"page of a proxy": func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, oneTransaction)
		},
		"no type":           func(_ int, w http.ResponseWriter, _ *http.Request) { w.Header()["Content-Type"] = nil },
		"refusal of others": func(_ int, w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", 403) },
		"problem of others": always(403, `{"type":"about:blank"}`),
		"broken problem":    always(403, `{"type":`),
		"not json":          always(200, `hello`),
		"empty":             always(200, `{}`),
		"another one":       always(200, strings.Replace(oneTransaction, "txn_1", "txn_2", 1)),
		"broken time":       always(200, strings.Replace(oneTransaction, `"2026-11-22T01:05:00Z"`, `"tomorrow"`, 1)),
		"redirect": func(_ int, w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		},
		"failure": always(500, `{"type":"urn:inkan:problem:unavailable"}`),
		"huge": func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `"`)
			for range 4 << 10 {
				if _, err := io.WriteString(w, strings.Repeat("a", 1<<10)); err != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, answer)
			_, err := s.client.Transaction(t.Context(), "txn_1")
			var lost *client.Unavailable
			if !errors.As(err, &lost) {
				t.Fatalf("%v", err)
			}
			if n := len(s.requests()); n != 1 {
				t.Errorf("asked %d times", n)
			}
		})
	}
	s := newServer(t, always(200, `{"permit":"","transaction":`+oneTransaction+`}`))
	var lost *client.Unavailable
	if _, err := s.client.Consume(t.Context(), "txn_1", client.Execution{Request: "r"}); !errors.As(err, &lost) {
		t.Errorf("a permit that is none: %v", err)
	}
}

func TestSlowAnswer(t *testing.T) {
	free := make(chan struct{})
	s := newServer(t, func(_ int, _ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-free:
		}
	})
	t.Cleanup(func() { close(free) })
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := s.client.Transaction(ctx, "txn_1")
	var lost *client.Unavailable
	if !errors.As(err, &lost) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if n := len(s.requests()); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

// TestWaitOutlastsTheTimeLimit sees that a client made for quick calls can wait all the same.
func TestWaitOutlastsTheTimeLimit(t *testing.T) {
	s := newServer(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		time.Sleep(100 * time.Millisecond)
		answerJSON(w, 200, oneTransaction)
	})
	s.client.HTTP = &http.Client{Timeout: 10 * time.Millisecond}
	if _, err := s.client.WaitTransaction(t.Context(), "txn_1", client.Pending, 2*time.Second); err != nil {
		t.Error(err)
	}
}

func TestMistakesOfTheCaller(t *testing.T) {
	s := newServer(t, always(200, oneTransaction))
	for _, key := range []string{"", "a b", "日本", strings.Repeat("a", 65)} {
		if _, err := s.client.CreateTransaction(t.Context(), key, transfer); err == nil {
			t.Errorf("the key %q was taken", key)
		}
		if _, err := s.client.Consume(t.Context(), "txn_1", client.Execution{Request: key}); err == nil {
			t.Errorf("the request id %q was taken", key)
		}
	}
	other, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	for _, key := range []*ecdsa.PrivateKey{nil, other} {
		c := &client.Client{Origin: s.URL, ID: "bank", Key: key}
		if _, err := c.Transaction(t.Context(), "txn_1"); err == nil {
			t.Error("a key that cannot sign was taken")
		}
	}
	if n := len(s.requests()); n != 0 {
		t.Errorf("%d requests left", n)
	}
	_, _ = s.client.Transaction(t.Context(), "..")
	_, _ = s.client.Transaction(t.Context(), "../../x")
	for i, want := range []string{"/v1/transactions/-", "/v1/transactions/..%2F..%2Fx"} {
		if got := s.requests()[i].path; got != want {
			t.Errorf("asked for %s", got)
		}
	}
}

// TestTransactionSurvivesStorage writes a transaction down as JSON and reads it back, as a bank does that keeps it with its order.
func TestTransactionSurvivesStorage(t *testing.T) {
	var a, b client.Transaction
	if err := json.Unmarshal([]byte(oneTransaction), &a); err != nil {
		t.Fatal(err)
	}
	kept, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(kept, &b); err != nil || !b.Expires.Equal(a.Expires) || !b.Decided.IsZero() || b.ID != a.ID || b.Fields[1] != a.Fields[1] {
		t.Errorf("%s %v", kept, err)
	}
}
