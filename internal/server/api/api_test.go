package api

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/signing"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/server/web"
	"github.com/inkan-auth/inkan/internal/testkit"
	files "github.com/inkan-auth/inkan/web"
)

const origin = "https://api.bank.example"

// bank is a whole API host on a real store, with a customer who has added transaction authentication. Every answer is held against the document.
type bank struct {
	*testkit.World
	site     *httptest.Server
	contract contract
	doors    []door
	customer *testkit.Browser
	phone    *testkit.Phone
	ours     caller // has every scope
	seen     map[string]bool
}

func fine(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T) *bank {
	t.Helper()
	w := testkit.New(t, testkit.SQLite(t))
	words, err := web.LoadTexts(files.Files)
	fine(t, err)
	doors := web.API{Log: w.Config.Log, Sentence: words.Title}
	m := http.NewServeMux()
	(&Server{Authority: w.Authority, API: doors, Origin: origin}).Mount(m)
	b := &bank{World: w, site: httptest.NewServer(web.Observe(doors.Log, web.Harden(m, CSP, doors.Refuse))), contract: readContract(t), doors: readSource(t).doors, seen: map[string]bool{}}
	t.Cleanup(b.site.Close)
	b.customer = w.LogIn(w.Person(1, false), authority.PC)
	b.phone = b.customer.Enrol()
	w.Clock.Move(time.Minute)
	fine(t, w.AddTransactionAuth(t.Context(), b.customer.Session, b.phone.Code()))
	b.ours = b.client("internet-bank", Scopes...)
	return b
}

// caller is a system of the bank with its own key.
type caller struct {
	b   *bank
	id  string
	key *ecdsa.PrivateKey
}

func (b *bank) client(id string, scopes ...string) caller {
	b.T.Helper()
	return b.clientAt("", id, scopes...)
}

// clientAt is a client that wants to be told of events.
func (b *bank) clientAt(webhook, id string, scopes ...string) caller {
	b.T.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	fine(b.T, err)
	public, err := signing.JWKOf(&key.PublicKey)
	fine(b.T, err)
	_, err = b.CreateAPIClient(b.T.Context(), id, scopes, &public, webhook)
	fine(b.T, err)
	return caller{b, id, key}
}

// assertion is what the caller says of itself now; change spoils it.
func (c caller) assertion(change ...func(*jwt.Claims)) string {
	c.b.T.Helper()
	now := c.b.Clock.Now()
	claims := jwt.Claims{Issuer: c.id, Subject: c.id, Audience: jwt.Audience{origin}, ID: rand.Text(), IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(5 * time.Minute))}
	for _, f := range change {
		f(&claims)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: c.key}, (&jose.SignerOptions{}).WithType("JWT"))
	fine(c.b.T, err)
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	fine(c.b.T, err)
	return text
}

// answer is what came back, held against the document already.
type answer struct {
	status int
	kind   problem.Kind
	body   object
}

func (a answer) text(name string) string {
	s, _ := a.body[name].(string)
	return s
}

// is fails unless the answer is a refusal of this kind.
func (a answer) is(t testing.TB, what string, k problem.Kind) {
	t.Helper()
	if a.kind != k || a.status != web.Status(k) {
		t.Errorf("%s: %d %v, want %s", what, a.status, a.body, k)
	}
}

// ask sends a request and holds the answer against the document.
func (b *bank) ask(method, path string, head map[string]string, body any) answer {
	b.T.Helper()
	var sent io.Reader
	if body != nil {
		text, raw := body.(string)
		if !raw {
			marshalled, err := json.Marshal(body)
			fine(b.T, err)
			text = string(marshalled)
		}
		sent = strings.NewReader(text)
	}
	r, err := http.NewRequestWithContext(b.T.Context(), method, b.site.URL+path, sent)
	fine(b.T, err)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for k, v := range head {
		r.Header.Set(k, v)
	}
	got, err := b.site.Client().Do(r)
	fine(b.T, err)
	defer func() { _ = got.Body.Close() }()
	text, err := io.ReadAll(got.Body)
	fine(b.T, err)
	a := answer{status: got.StatusCode}
	if err := json.Unmarshal(text, &a.body); err != nil {
		b.T.Fatalf("%s %s answers %d %q", method, path, got.StatusCode, text)
	}
	path, _, _ = strings.Cut(path, "?")
	pattern := b.pattern(method, path)
	schema := object{"$ref": "#/components/schemas/Problem"}
	if got.StatusCode >= 400 {
		a.kind = problem.Kind(strings.TrimPrefix(a.text("type"), "urn:inkan:problem:"))
		if got.Header.Get("Content-Type") != "application/problem+json" || !slices.Contains(b.contract.refusals(b.contract.operations()[pattern])[a.status], string(a.kind)) {
			b.T.Errorf("%s is refused as %d %s, which is not described: %s", pattern, a.status, a.kind, text)
		}
		if a.text("instance") != "urn:inkan:request:"+got.Header.Get("X-Request-Id") {
			b.T.Errorf("%s is answered under the name %s, in the log it is %s", pattern, a.text("instance"), got.Header.Get("X-Request-Id"))
		}
		b.seen[pattern+" "+string(a.kind)] = true
	} else {
		op := b.contract.operations()[pattern]
		schema, _ = in(op, "responses", got.Status[:3], "content", "application/json", "schema").(object)
		if schema == nil {
			b.T.Fatalf("%s answers %d, which is not described", pattern, a.status)
		}
	}
	for _, x := range invalid(b.contract, schema, a.body, pattern) {
		b.T.Errorf("the answer of %s", x)
	}
	return a
}

func (b *bank) pattern(method, path string) string {
	b.T.Helper()
	m := http.NewServeMux()
	for _, d := range b.doors {
		m.HandleFunc(d.pattern, func(http.ResponseWriter, *http.Request) {})
	}
	_, pattern := m.Handler(httptest.NewRequestWithContext(b.T.Context(), method, path, nil))
	return pattern
}

func (c caller) head(more ...string) map[string]string {
	h := map[string]string{"Authorization": "Bearer " + c.assertion()}
	for i := 0; i+1 < len(more); i += 2 {
		h[more[i]] = more[i+1]
	}
	return h
}

func (c caller) get(path string) answer {
	c.b.T.Helper()
	return c.b.ask("GET", path, c.head(), nil)
}

func (c caller) post(path string, body any, head ...string) answer {
	c.b.T.Helper()
	return c.b.ask("POST", path, c.head(head...), body)
}

// transfer is the example of the document: what a stranger would send first.
func (b *bank) transfer() object {
	b.T.Helper()
	return copied(b.T, in(b.contract, "paths", "/v1/transactions", "post", "requestBody", "content", "application/json", "examples", "transfer", "value"))
}

// order is the example of an executor's request.
func (b *bank) order() object {
	b.T.Helper()
	return copied(b.T, in(b.contract, "paths", "/v1/transactions/{id}/consume", "post", "requestBody", "content", "application/json", "examples", "transfer", "value"))
}

func copied(t testing.TB, v any) (out object) {
	t.Helper()
	text, err := json.Marshal(v)
	fine(t, err)
	fine(t, json.Unmarshal(text, &out))
	return out
}

func (c caller) create(key string) answer {
	c.b.T.Helper()
	a := c.post("/v1/transactions", c.b.transfer(), "Idempotency-Key", key)
	if a.status != http.StatusCreated || a.text("state") != "pending" {
		c.b.T.Fatalf("creating: %d %v", a.status, a.body)
	}
	return a
}

// offer is what the phone has fetched.
func (b *bank) offer() string {
	b.T.Helper()
	got := b.phone.Transactions()
	if len(got.Pending) != 1 {
		b.T.Fatalf("%d transactions wait", len(got.Pending))
	}
	return got.Pending[0].Offer
}

func (b *bank) approve() {
	b.T.Helper()
	_, err := b.phone.Send(b.phone.Decision(b.offer(), transaction.Yes))
	fine(b.T, err)
}

// TestTheWayOfATransfer goes the way of the document from the order to the evidence, with everything sent twice.
func TestTheWayOfATransfer(t *testing.T) {
	t.Parallel()
	b := open(t)
	c := b.ours
	if a := c.get("/v1/customers/" + testkit.Ref + "/transaction-authentication"); a.body["required"] != true || a.body["in_use"] != true || a.body["stopped"] != false {
		t.Errorf("transaction authentication: %v", a.body)
	}
	first := c.create("order-1")
	id := first.text("id")
	if first.text("reference") != transaction.Reference(id) || first.text("offline") == "" || first.text("decided") != "" || first.text("expires") != "2026-11-22T01:08:30Z" {
		t.Errorf("a new transaction: %v", first.body)
	}
	if a := c.create("order-1"); a.text("id") != id {
		t.Error("the same request made another transaction")
	}
	other := b.transfer()
	other["fields"].(object)["amount"] = "250001"
	c.post("/v1/transactions", other, "Idempotency-Key", "order-1").is(t, "the same key with another amount", problem.IdempotencyConflict)
	a := c.post("/v1/transactions", b.transfer(), "Idempotency-Key", "order-2")
	a.is(t, "a second transaction", problem.TransactionPending)
	if a.text("id") != id {
		t.Errorf("what waits is not named: %v", a.body)
	}
	if a := c.get("/v1/transactions/" + id); a.text("state") != "pending" {
		t.Errorf("read: %v", a.body)
	}

	// Waiting ends by itself, and at once when the customer answers.
	began := time.Now()
	if a := c.get("/v1/transactions/" + id + "?wait=1&state=pending"); a.text("state") != "pending" || time.Since(began) < time.Second {
		t.Errorf("waited %v: %v", time.Since(began), a.body)
	}
	done := make(chan answer)
	go func() { done <- c.get("/v1/transactions/" + id + "?wait=25&state=pending") }()
	time.Sleep(100 * time.Millisecond)
	began = time.Now()
	b.approve()
	if a := <-done; a.text("state") != "approved" || time.Since(began) > 20*time.Second || a.text("grade") != "A" || a.text("approved_until") == "" || a.text("offline") != "" {
		t.Errorf("after %v: %v", time.Since(began), a.body)
	}
	for _, wait := range []string{"31", "-1", "x", "1e1", "99999999999999999999"} {
		c.get("/v1/transactions/"+id+"?state=approved&wait="+wait).is(t, "waiting "+wait, problem.Malformed)
	}

	// The executor, from its own books.
	consume := "/v1/transactions/" + id + "/consume"
	altered := b.order()
	altered["fields"].(object)["payee.account"] = "7654322"
	a = c.post(consume, altered)
	a.is(t, "another account", problem.PermitMismatch)
	if a.text("field") != "payee.account" {
		t.Errorf("the alarm names %v", a.body)
	}
	c.post(consume, change(b.order(), "customer", "0101-1-7654321")).is(t, "another customer", problem.PermitMismatch)
	c.post(consume, change(b.order(), "request", "")).is(t, "no request identifier", problem.Malformed)
	permit := c.post(consume, b.order())
	if permit.status != http.StatusOK || in(permit.body, "transaction", "state") != "consumed" {
		t.Fatalf("consuming: %d %v", permit.status, permit.body)
	}
	if again := c.post(consume, b.order()); again.text("permit") != permit.text("permit") {
		t.Error("the same request got another permit")
	}
	c.post(consume, change(b.order(), "request", "booking-2")).is(t, "another request", problem.TransactionConsumed)
	c.post("/v1/transactions/"+id+"/cancel", object{}).is(t, "cancelling what was consumed", problem.TransactionDecided)
	c.post("/v1/transactions/"+id+"/offline", object{"code": "01234567"}).is(t, "digits for what was consumed", problem.TransactionDecided)

	evidence := c.get("/v1/transactions/" + id + "/evidence")
	file, err := json.Marshal(evidence.body)
	fine(t, err)
	e, err := transaction.ParseEvidence(file)
	fine(t, err)
	found, err := e.Verify(b.Keys.Issuer().RootThumbprint)
	if err != nil || found.Permit == nil || found.Decision == nil || found.Grade != transaction.GradeA || found.Document.ID != id || e.Permit != permit.text("permit") {
		t.Errorf("the evidence: %v %+v", err, found)
	}

	// A transaction that is withdrawn, twice.
	id = c.create("order-3").text("id")
	for range 2 {
		if a := c.post("/v1/transactions/"+id+"/cancel", object{}); a.status != http.StatusOK || a.text("state") != "cancelled" {
			t.Errorf("cancelling: %d %v", a.status, a.body)
		}
	}
	c.post("/v1/transactions/"+id+"/offline", object{"code": "01234567"}).is(t, "digits for what was cancelled", problem.TransactionCancelled)
	c.post("/v1/transactions/"+id+"/consume", b.order()).is(t, "consuming what was cancelled", problem.TransactionNotApproved)

	// A phone without a network.
	made := c.create("order-4")
	id = made.text("id")
	code := b.phone.Offline(b.offer())
	wrong := string('0'+(code[0]-'0'+1)%10) + code[1:]
	a = c.post("/v1/transactions/"+id+"/offline", object{"code": wrong})
	a.is(t, "wrong digits", problem.OfflineWrong)
	if a.body["tries_left"] != 2.0 {
		t.Errorf("wrong digits: %v", a.body)
	}
	for range 2 {
		if a := c.post("/v1/transactions/"+id+"/offline", object{"code": code}); a.text("state") != "approved" || a.text("grade") != "B" {
			t.Errorf("right digits: %d %v", a.status, a.body)
		}
	}
	b.Clock.Move(11 * time.Minute)
	c.post("/v1/transactions/"+id+"/consume", b.order()).is(t, "consuming too late", problem.TransactionLapsed)
	id = c.create("order-5").text("id")
	for n := range 3 {
		want := problem.OfflineWrong
		if n == 2 {
			want = problem.OfflineBlocked
		}
		c.post("/v1/transactions/"+id+"/offline", object{"code": "x"}).is(t, "wrong digits", want)
	}
	b.Clock.Move(6 * time.Minute)
	c.post("/v1/transactions/"+id+"/cancel", object{}).is(t, "cancelling too late", problem.TransactionExpired)
	c.post("/v1/transactions/"+id+"/offline", object{"code": "x"}).is(t, "digits too late", problem.TransactionExpired)
	if a := c.get("/v1/transactions/" + id); a.text("state") != "expired" {
		t.Errorf("after its time: %v", a.body)
	}

	// A report stops everything.
	c.create("order-6")
	_, err = b.phone.Send(b.phone.Decision(b.offer(), transaction.NotMe))
	fine(t, err)
	a = c.post("/v1/transactions", b.transfer(), "Idempotency-Key", "order-7")
	a.is(t, "after a report", problem.TransfersStopped)
	if a.text("since") != b.Clock.Now().Format(time.RFC3339) {
		t.Errorf("stopped since %v", a.body)
	}
	if a := c.get("/v1/customers/" + testkit.Ref + "/transaction-authentication"); a.body["stopped"] != true {
		t.Errorf("after a report: %v", a.body)
	}
}

func change(m object, name string, v any) object {
	m[name] = v
	return m
}

// TestWhatCannotBeAskedFor: each thing that stands in the way of a new transaction or a code is told by its name.
func TestWhatCannotBeAskedFor(t *testing.T) {
	t.Parallel()
	b := open(t)
	c := b.ours
	create := func(body any, head ...string) answer {
		t.Helper()
		return c.post("/v1/transactions", body, head...)
	}
	for name, key := range map[string]string{"": "", "spaces": "order 1", "signs": "order/1", "long": strings.Repeat("x", 65)} {
		head := []string{"Idempotency-Key", key}
		if name == "" {
			head = nil
		}
		a := create(b.transfer(), head...)
		a.is(t, "a key with "+name, problem.Malformed)
		if a.text("field") != "Idempotency-Key" {
			t.Errorf("a key with %s: %v", name, a.body)
		}
	}
	for name, body := range map[string]any{"no object": "[]", "not JSON": "{", "a member more": change(b.transfer(), "colour", "red"), "a member twice": `{"customer":"a","customer":"b"}`,
		"another type": change(b.transfer(), "fields", object{"amount": 250000}), "too large": change(b.transfer(), "template", strings.Repeat("x", 65<<10))} {
		create(body, "Idempotency-Key", "k").is(t, name, problem.Malformed)
	}
	b.ask("POST", "/v1/transactions", c.head("Content-Type", "text/plain"), b.transfer()).is(t, "another media type", problem.Malformed)
	for name, x := range map[string]struct {
		change        func(o object)
		field, reason string
	}{
		"template": {func(o object) { o["template"] = "gift" }, "template", "unknown"}, "currency": {func(o object) { o["currency"] = "yen" }, "currency", "form"},
		"missing": {func(o object) { delete(o["fields"].(object), "amount") }, "amount", "missing"}, "unknown": {func(o object) { o["fields"].(object)["note"] = "x" }, "note", "unknown"},
		"form": {func(o object) { o["fields"].(object)["amount"] = "-1" }, "amount", "form"}, "sign": {func(o object) { o["fields"].(object)["payee.bank"] = "みどり\u202e銀行" }, "payee.bank", "form"},
	} {
		o := b.transfer()
		x.change(o)
		a := create(o, "Idempotency-Key", "k-"+name)
		a.is(t, name, problem.FieldsRefused)
		if a.text("field") != x.field || a.text("reason") != x.reason {
			t.Errorf("%s: %v", name, a.body)
		}
	}
	create(change(b.transfer(), "customer", "nobody"), "Idempotency-Key", "k").is(t, "nobody", problem.NotFound)
	c.get("/v1/customers/nobody/transaction-authentication").is(t, "nobody", problem.NotFound)

	b.LogIn(b.Person(2, false), authority.PC)
	second := "0101-1-1234568"
	create(change(b.transfer(), "customer", second), "Idempotency-Key", "k").is(t, "without a token", problem.TokenNone)
	c.post("/v1/otp/verifications", object{"customer": second, "code": "123456"}).is(t, "a code without a token", problem.TokenNone)
	third := b.LogIn(b.Person(3, false), authority.PC)
	phone := third.Enrol()
	create(change(b.transfer(), "customer", "0101-1-1234569"), "Idempotency-Key", "k").is(t, "without transaction authentication", problem.TransactionAuthOff)
	if a := c.get("/v1/customers/0101-1-1234569/transaction-authentication"); a.body["required"] != false || a.body["in_use"] != false {
		t.Errorf("not added: %v", a.body)
	}

	b.Clock.Move(time.Minute)
	otp := func(code string) answer {
		t.Helper()
		return c.post("/v1/otp/verifications", object{"customer": "0101-1-1234569", "code": code})
	}
	code := phone.Code()
	if a := otp(code); a.body["accepted"] != true {
		t.Errorf("a right code: %v", a.body)
	}
	otp(code).is(t, "a used code", problem.OTPUsed)
	for range 4 {
		otp(phone.Wrong()).is(t, "a wrong code", problem.OTPWrong)
	}
	otp(phone.Wrong()).is(t, "the fifth wrong code", problem.FactorBlocked)
	otp(phone.Code()).is(t, "a code while blocked", problem.FactorBlocked)
	b.Clock.Move(16 * time.Minute)
	for range 4 {
		otp(phone.Wrong()).is(t, "a wrong code", problem.OTPWrong)
	}
	otp(phone.Wrong()).is(t, "the tenth wrong code", problem.OTPLocked)
	create(change(b.transfer(), "customer", "0101-1-1234569"), "Idempotency-Key", "k").is(t, "with a locked token", problem.OTPLocked)
	c.post("/v1/otp/verifications", object{"customer": "nobody", "code": "123456"}).is(t, "a code of nobody", problem.NotFound)

	b.Clock.Move(4 * 365 * 24 * time.Hour)
	create(b.transfer(), "Idempotency-Key", "k-late").is(t, "with an expired token", problem.TokenExpired)
	c.post("/v1/otp/verifications", object{"customer": testkit.Ref, "code": "123456"}).is(t, "a code of an expired token", problem.TokenExpired)
}

// every is one request to each door; with the right caller none is refused for who calls.
func (b *bank) every(id string) []func(head map[string]string) (door, answer) {
	b.T.Helper()
	var out []func(map[string]string) (door, answer)
	for _, d := range b.doors {
		method, path, _ := strings.Cut(d.pattern, " ")
		path = strings.NewReplacer("{id}", id, "{ref}", testkit.Ref).Replace(path)
		var body any
		switch d.request {
		case "newTransaction":
			body = b.transfer()
		case "execution":
			body = b.order()
		case "offlineCode":
			body = object{"code": "01234567"}
		case "otpRequest":
			body = object{"customer": testkit.Ref, "code": "x"}
		case "phoneRequest":
			body = object{"id": rand.Text(), "at": b.Clock.Now().UTC().Format(time.RFC3339), "event": "incoming", "call": "x", "from": "", "digits": ""}
		case "stopRequest":
			body = object{"reason": "none of those"} // or every door after it would be shut
		case "empty":
			body = object{}
		}
		out = append(out, func(head map[string]string) (door, answer) {
			b.T.Helper()
			head["Idempotency-Key"] = rand.Text()
			return d, b.ask(method, path, head, body)
		})
	}
	return out
}

// TestWhoMayCall: each door opens to its scope alone, and to nobody who has not proved who he is.
func TestWhoMayCall(t *testing.T) {
	t.Parallel()
	b := open(t)
	id := b.ours.create("order-1").text("id")

	limited := map[string]caller{}
	for _, scope := range Scopes {
		limited[scope] = b.client("all-but-"+strings.NewReplacer(":", "-").Replace(scope), slices.DeleteFunc(slices.Clone(Scopes), func(s string) bool { return s == scope })...)
	}
	for _, ask := range b.every(id) {
		d, a := ask(map[string]string{})
		a.is(t, d.pattern+" by nobody", problem.BadClient)
		_, a = ask(limited[d.scope].head())
		a.is(t, d.pattern+" without "+d.scope, problem.Forbidden)
		if _, a := ask(b.ours.head()); a.kind == problem.BadClient || a.kind == problem.Forbidden {
			t.Errorf("%s with every scope: %v", d.pattern, a.body)
		}
	}

	// An assertion that does not hold in one thing.
	stranger := b.ours
	var err error
	stranger.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	fine(t, err)
	stolen := b.client("another-bank", Scopes...)
	stolen.id = b.ours.id
	now := b.Clock.Now()
	said := func(f func(c *jwt.Claims)) string { return b.ours.assertion(f) }
	id = b.ours.create("order-2").text("id")
	parts := strings.Split(b.ours.assertion(), ".")
	for name, bearer := range map[string]string{
		"another key":            stranger.assertion(),
		"another client's key":   stolen.assertion(),
		"another audience":       said(func(c *jwt.Claims) { c.Audience = jwt.Audience{"https://login.bank.example"} }),
		"two audiences":          said(func(c *jwt.Claims) { c.Audience = jwt.Audience{origin, "https://elsewhere.example"} }),
		"no audience":            said(func(c *jwt.Claims) { c.Audience = nil }),
		"an audience with slash": said(func(c *jwt.Claims) { c.Audience = jwt.Audience{origin + "/"} }),
		"expired": said(func(c *jwt.Claims) {
			c.IssuedAt, c.Expiry = jwt.NewNumericDate(now.Add(-6*time.Minute)), jwt.NewNumericDate(now.Add(-time.Minute))
		}),
		"of the future": said(func(c *jwt.Claims) {
			c.IssuedAt, c.Expiry = jwt.NewNumericDate(now.Add(time.Minute)), jwt.NewNumericDate(now.Add(2*time.Minute))
		}),
		"good for too long":   said(func(c *jwt.Claims) { c.Expiry = jwt.NewNumericDate(now.Add(6 * time.Minute)) }),
		"without an end":      said(func(c *jwt.Claims) { c.Expiry = nil }),
		"without a beginning": said(func(c *jwt.Claims) { c.IssuedAt = nil }),
		"without a name":      said(func(c *jwt.Claims) { c.ID = "" }),
		"of somebody else":    said(func(c *jwt.Claims) { c.Subject = "another-bank" }),
		"by nobody known":     said(func(c *jwt.Claims) { c.Issuer, c.Subject = "nobody", "nobody" }),
		"of no algorithm":     "eyJhbGciOiJub25lIn0." + parts[1] + ".",
		"cut":                 parts[0] + "." + parts[1] + "." + parts[2][:len(parts[2])-4],
		"altered":             parts[0] + "." + parts[1][:len(parts[1])-2] + "AA." + parts[2],
		"no JWT":              "x",
		"empty":               "",
	} {
		b.ask("GET", "/v1/transactions/"+id, map[string]string{"Authorization": "Bearer " + bearer}, nil).is(t, "an assertion "+name, problem.BadClient)
	}
	again := b.ours.head()
	for range 2 {
		if a := b.ask("GET", "/v1/transactions/"+id, again, nil); a.status != http.StatusOK {
			t.Errorf("an assertion that is used again: %v", a.body)
		}
	}

	// A secret instead of a key.
	secret, err := b.CreateAPIClient(t.Context(), "core", []string{ScopeCustomer}, nil, "")
	fine(t, err)
	basic := func(name, secret, path string) answer {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
		r.SetBasicAuth(name, secret)
		return b.ask("GET", path, map[string]string{"Authorization": r.Header.Get("Authorization")}, nil)
	}
	path := "/v1/customers/" + testkit.Ref + "/transaction-authentication"
	if a := basic("core", secret, path); a.status != http.StatusOK {
		t.Errorf("with its secret: %v", a.body)
	}
	basic("core", secret, "/v1/transactions/"+id).is(t, "a secret without the scope", problem.Forbidden)
	basic("core", secret+"x", path).is(t, "a wrong secret", problem.BadClient)
	basic("core", "", path).is(t, "no secret", problem.BadClient)
	basic(b.ours.id, "", path).is(t, "no secret, for a client with a key", problem.BadClient)
	key := b.client("core-by-key", ScopeCustomer)
	key.id = "core"
	key.get(path).is(t, "a key for a client with a secret", problem.BadClient)
}

// TestAnotherClientsTransactionIsNotThere: to a system that did not make it a transaction does not exist, and what waits is not named.
func TestAnotherClientsTransactionIsNotThere(t *testing.T) {
	t.Parallel()
	b := open(t)
	other := b.client("another-system", Scopes...)
	id := b.ours.create("order-1").text("id")
	none := []string{id, "txn_00000000000000000000000000", "txn_x", "x", strings.ToUpper(id)}
	for _, id := range none {
		for _, ask := range b.every(id) {
			if d, a := ask(other.head()); strings.Contains(d.pattern, "{id}") {
				a.is(t, d.pattern+" of "+id, problem.TransactionNone)
			}
		}
		other.get("/v1/transactions/"+id+"?wait=1&state=pending").is(t, "waiting for "+id, problem.TransactionNone)
	}
	a := other.post("/v1/transactions", b.transfer(), "Idempotency-Key", "order-1") // keys belong to the client
	a.is(t, "while another's waits", problem.TransactionPending)
	if _, named := a.body["id"]; named {
		t.Errorf("another system's transaction is named: %v", a.body)
	}
	if a := b.ours.get("/v1/transactions/" + id); a.text("state") != "pending" {
		t.Errorf("another system has moved it: %v", a.body)
	}
}

// TestEvents: what the bank's address is told is what the document says.
func TestEvents(t *testing.T) {
	t.Parallel()
	b := open(t)
	type told struct{ media, body string }
	got := make(chan told, 16)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- told{r.Header.Get("Content-Type"), string(body)}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer hook.Close()
	c := b.clientAt(hook.URL, "told-bank", Scopes...)
	media, _ := in(b.contract, "webhooks", "event", "post", "requestBody", "content").(object)
	expect := func(state transaction.State) {
		t.Helper()
		for range 5 {
			_, err := b.DeliverDue(t.Context())
			fine(t, err)
		}
		select {
		case x := <-got:
			payload, err := signing.Open(signing.TypEvent, x.body, b.Keys.Issuer().Key)
			fine(t, err)
			for _, y := range invalid(b.contract, object{"$ref": "#/components/schemas/Event"}, object(payload), "an event") {
				t.Error(y)
			}
			if media[x.media] == nil || payload["type"] != "transaction."+string(state) {
				t.Errorf("told of %v as %s", payload, x.media)
			}
		default:
			t.Errorf("nobody was told of %s", state)
		}
	}
	for n, x := range []struct {
		state transaction.State
		act   func(id string)
	}{
		{transaction.Approved, func(string) { b.approve() }},
		{transaction.Lapsed, nil}, // the one before, in time
		{transaction.Rejected, func(string) { _, err := b.phone.Send(b.phone.Decision(b.offer(), transaction.No)); fine(t, err) }},
		{transaction.Cancelled, func(id string) { c.post("/v1/transactions/"+id+"/cancel", object{}) }},
		{transaction.Expired, func(string) { b.Clock.Move(6 * time.Minute); fine(t, b.SweepDue(t.Context())) }},
		{transaction.Reported, func(string) { _, err := b.phone.Send(b.phone.Decision(b.offer(), transaction.NotMe)); fine(t, err) }},
	} {
		if x.act == nil {
			b.Clock.Move(11 * time.Minute)
			fine(t, b.SweepDue(t.Context()))
		} else {
			x.act(c.create("order-" + strconv.Itoa(n)).text("id"))
		}
		expect(x.state)
	}
	var types []string
	for _, s := range transaction.States {
		if s != transaction.Pending && s != transaction.Consumed { // the bank itself has made those
			types = append(types, "transaction."+string(s))
		}
	}
	if said := texts(in(b.contract, "components", "schemas", "Event", "properties", "type", "enum")); !slices.Equal(said, types) {
		t.Errorf("the types of events are %v, want %v", said, types)
	}
}

// TestTitles: the title is for people, in the language that they ask for; it has no open place.
func TestTitles(t *testing.T) {
	t.Parallel()
	b := open(t)
	for lang, want := range map[string]string{"ja": "お探しのお取引が見つかりません。", "en": "We cannot find this transaction."} {
		a := b.ask("GET", "/v1/transactions/x", b.ours.head("Accept-Language", lang), nil)
		if a.text("title") != want {
			t.Errorf("in %s: %v", lang, a.body)
		}
	}
	words, err := web.LoadTexts(files.Files)
	fine(t, err)
	for _, op := range b.contract.operations() {
		for _, kinds := range b.contract.refusals(op) {
			for _, k := range kinds {
				for _, lang := range web.Languages {
					if s := words.Sentence(lang, k+".what"); s == k+".what" {
						t.Errorf("%s has no words in %s", k, lang)
					}
				}
			}
		}
	}
	if bytes.Contains([]byte(CSP), []byte("self")) {
		t.Error("the API serves no page, and its policy allows something")
	}
}

// TestStopAndAssurance: what the bank is told of a customer's authenticators, and its emergency stop, which is one however often it is sent.
func TestStopAndAssurance(t *testing.T) {
	t.Parallel()
	b := open(t)
	path := "/v1/customers/" + testkit.Ref
	a := b.ours.get(path + "/assurance")
	if a.status != 200 || in(contract(a.body), "service", "state") != "active" || in(contract(a.body), "token", "state") != "active" || in(contract(a.body), "cooling_off", "until") == "" {
		t.Fatalf("assurance: %d %v", a.status, a.body)
	}
	b.ours.get("/v1/customers/nobody/assurance").is(t, "nobody's assurance", problem.NotFound)
	b.ours.post("/v1/customers/nobody/stop", object{"reason": "fraud"}).is(t, "stopping nobody", problem.NotFound)
	b.ours.post(path+"/stop", object{"reason": "because"}).is(t, "a reason that is none", problem.Malformed)
	b.ours.post(path+"/stop", object{}).is(t, "no reason", problem.Malformed)
	id := b.ours.create("order-1").text("id")
	first := b.ours.post(path+"/stop", object{"reason": "fraud"})
	again := b.ours.post(path+"/stop", object{"reason": "fraud"})
	if first.status != 200 || first.body["stopped_now"] != true || again.status != 200 || again.body["stopped_now"] != false || again.text("since") != first.text("since") {
		t.Errorf("stopping: %d %v, again %d %v", first.status, first.body, again.status, again.body)
	}
	if x := b.ours.get("/v1/transactions/" + id); x.text("state") != "cancelled" {
		t.Errorf("what waited is %v", x.body)
	}
	b.ours.post("/v1/transactions", b.transfer(), "Idempotency-Key", "order-2").is(t, "another order", problem.ServiceStopped)
	if a = b.ours.get(path + "/assurance"); in(contract(a.body), "service", "since") != first.text("since") {
		t.Errorf("assurance after the stop: %v", a.body)
	}
	b.Clock.Move(25 * time.Hour)
	if a = b.ours.get(path + "/assurance"); in(contract(a.body), "cooling_off", "until") != "" {
		t.Errorf("assurance a day later: %v", a.body)
	}
}
