package bank_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// api is the transaction API as its contract says, with a phone that a test answers for. It can be told to lose answers.
type api struct {
	*httptest.Server
	t      *testing.T
	key    *ecdsa.PublicKey
	now    func() time.Time
	closed chan struct{}

	mu      sync.Mutex
	changed chan struct{}
	all     map[string]*transaction
	kept    map[string]kept // Answers by idempotency key.
	created []string        // Ids in the order of their making.
	alarms  int
	auth    map[string]any
	changes []map[string]any             // What was changed lately.
	refuse  map[string]string            // Kind to refuse with, by the last segment of the path.
	lose    func(act string, n int) lost // n counts the calls of this act from 1.
	away    bool                         // The server answers 503 to everything.
	calls   map[string]int               // By the last segment of the path.
	permits map[string]int               // New permits by transaction.
}

type lost int

const (
	nothingLost lost = iota
	questionLost
	answerLost
)

type kept struct {
	body   string
	status int
	answer []byte
}

type transaction struct {
	id, state, request, permit, customer, template string
	fields                                         []map[string]string
	created, decided                               time.Time
	tries                                          int
	grade                                          string
}

// template is what the app knows of one kind of transaction: its titles and its fields, in their order. Those with a mark need not be there.
type template struct {
	ja, en string
	fields string
}

var templates = map[string]template{
	"transfer": {"お振込", "Transfer", "from.account payee.bank payee.bank_code payee.branch payee.branch_code payee.type payee.account payee.name sender.name? amount fee? date"},
	"payee":    {"振込先の登録", "Registration of a payee", "payee.bank payee.bank_code payee.branch payee.branch_code payee.type payee.account payee.name"},
	"limit":    {"限度額の変更", "Change of a limit", "limit.what limit.before limit.after"},
}

// labels of the fields.
var labels = [][3]string{{"from.account", "お引落口座", "From account"}, {"payee.bank", "振込先金融機関", "Payee's bank"}, {"payee.bank_code", "金融機関コード", "Bank code"},
	{"payee.branch", "振込先支店", "Branch"}, {"payee.branch_code", "支店コード", "Branch code"}, {"payee.type", "預金種目", "Account type"}, {"payee.account", "口座番号", "Account number"},
	{"payee.name", "受取人名", "Payee"}, {"sender.name", "振込依頼人名", "Sender"}, {"amount", "金額", "Amount"}, {"fee", "手数料", "Fee"}, {"date", "振込指定日", "Date"},
	{"limit.what", "変更する限度額", "Limit"}, {"limit.before", "変更前", "Before"}, {"limit.after", "変更後", "After"}}

const transactionLife = 5 * time.Minute

func newAPI(t *testing.T, key *ecdsa.PublicKey, now func() time.Time) *api {
	t.Helper()
	a := &api{t: t, key: key, now: now, closed: make(chan struct{}), changed: make(chan struct{}), all: make(map[string]*transaction), kept: make(map[string]kept),
		auth: map[string]any{"required": true, "in_use": true, "stopped": false}, refuse: make(map[string]string), calls: make(map[string]int), permits: make(map[string]int)}
	a.Server = httptest.NewServer(a)
	t.Cleanup(func() { close(a.closed); a.CloseClientConnections(); a.Close() })
	return a
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	act := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	if strings.HasPrefix(act, "txn_") {
		act = "read"
	}
	a.mu.Lock()
	a.calls[act]++
	n, away, loss := a.calls[act], a.away, nothingLost
	if a.lose != nil {
		loss = a.lose(act, n)
	}
	a.mu.Unlock()
	if away || loss == questionLost {
		http.Error(w, "away", http.StatusServiceUnavailable)
		return
	}
	if !a.knows(r) {
		problem(w, http.StatusUnauthorized, "bad-client", nil)
		return
	}
	status, answer := a.once(r, act, string(body))
	if loss == answerLost {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		}
		return
	}
	h := "application/json"
	if status >= 400 {
		h = "application/problem+json"
	}
	w.Header().Set("Content-Type", h)
	w.WriteHeader(status)
	_, _ = w.Write(answer)
}

// once performs a call, and repeats the answer of one that was made before under the same key.
func (a *api) once(r *http.Request, act, body string) (int, []byte) {
	key := r.Header.Get("Idempotency-Key")
	if r.Method == http.MethodGet {
		return a.perform(r, act, body)
	}
	if key == "" || len(key) > 64 || strings.Trim(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") != "" {
		return refusal(http.StatusBadRequest, "malformed", nil)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if k, again := a.kept[key]; again {
		if k.body != r.URL.Path+body {
			return refusal(http.StatusConflict, "idempotency-conflict", nil)
		}
		return k.status, k.answer
	}
	status, answer := a.change(r, act, body)
	a.kept[key] = kept{r.URL.Path + body, status, answer}
	return status, answer
}

func (a *api) perform(r *http.Request, act, _ string) (int, []byte) {
	if act == "transaction-authentication" {
		a.mu.Lock()
		defer a.mu.Unlock()
		if kind := a.refuse[act]; kind != "" {
			return refusal(http.StatusNotFound, kind, nil)
		}
		return document(http.StatusOK, a.auth)
	}
	if act == "assurance" {
		a.mu.Lock()
		defer a.mu.Unlock()
		if kind := a.refuse[act]; kind != "" {
			return refusal(http.StatusNotFound, kind, nil)
		}
		return document(http.StatusOK, map[string]any{"service": map[string]any{"state": "active"}, "cooling_off": a.cooling()})
	}
	id := strings.Split(r.URL.Path, "/")[3]
	deadline := time.Now()
	if s, err := strconv.Atoi(r.URL.Query().Get("wait")); err == nil {
		deadline = deadline.Add(time.Duration(min(s, 30)) * time.Second)
	}
	for {
		a.mu.Lock()
		x, ok := a.all[id]
		if !ok {
			a.mu.Unlock()
			return refusal(http.StatusNotFound, "not-found", nil)
		}
		a.age(x)
		doc, changed, state := a.show(x), a.changed, x.state
		a.mu.Unlock()
		if act == "evidence" {
			return document(http.StatusOK, map[string]any{"v": "1", "offer": id})
		}
		left := time.Until(deadline)
		if state != r.URL.Query().Get("state") || left <= 0 {
			return document(http.StatusOK, doc)
		}
		select {
		case <-changed:
		case <-time.After(min(left, 50*time.Millisecond)): // The clock of the test moves without a sign.
		case <-r.Context().Done():
			return http.StatusGone, nil
		case <-a.closed:
			return http.StatusGone, nil
		}
	}
}

// change is every POST; it runs under the lock.
func (a *api) change(r *http.Request, act, body string) (int, []byte) {
	if kind := a.refuse[act]; kind != "" {
		return refusal(http.StatusConflict, kind, nil)
	}
	var in struct {
		Request, Customer, Template, Currency, Code string
		Fields                                      map[string]string
	}
	if json.Unmarshal([]byte(body), &in) != nil {
		return refusal(http.StatusBadRequest, "malformed", nil)
	}
	if act == "transactions" {
		return a.create(in.Customer, in.Template, in.Currency, in.Fields)
	}
	x, ok := a.all[strings.Split(r.URL.Path, "/")[3]]
	if !ok {
		return refusal(http.StatusNotFound, "not-found", nil)
	}
	a.age(x)
	switch act {
	case "cancel":
		if x.state != "pending" {
			return refusal(http.StatusConflict, "transaction-decided", map[string]any{"state": x.state})
		}
		a.to(x, "cancelled")
	case "offline":
		switch {
		case x.state == "expired":
			return refusal(http.StatusGone, "transaction-expired", nil)
		case x.state != "pending":
			return refusal(http.StatusConflict, "transaction-decided", map[string]any{"state": x.state})
		case x.tries >= 3:
			return refusal(http.StatusForbidden, "offline-blocked", nil)
		case in.Code != "12345678":
			x.tries++
			return refusal(http.StatusForbidden, "offline-wrong", map[string]any{"tries_left": 3 - x.tries})
		}
		x.grade = "B"
		a.to(x, "approved")
	case "consume":
		return a.consume(x, in.Request, in.Customer+in.Template+in.Currency, in.Fields)
	}
	return document(http.StatusOK, a.show(x))
}

func (a *api) create(customer, template, currency string, fields map[string]string) (int, []byte) {
	for _, x := range a.all {
		if a.age(x); x.customer == customer && x.state == "pending" {
			return refusal(http.StatusConflict, "transaction-pending", map[string]any{"id": x.id})
		}
	}
	x := &transaction{id: "txn_" + strings.ToLower(rand.Text()), state: "pending", customer: customer, template: template, created: a.now()}
	given := maps.Clone(fields)
	for field := range strings.FieldsSeq(templates[template].fields) {
		id, optional := strings.CutSuffix(field, "?")
		if v, ok := given[id]; ok && v != "" {
			x.fields = append(x.fields, map[string]string{"id": id, "value": v})
			delete(given, id)
		} else if !optional {
			return refusal(http.StatusUnprocessableEntity, "fields-refused", map[string]any{"field": id, "reason": "missing"})
		}
	}
	if len(given) > 0 || len(x.fields) == 0 || currency != "JPY" {
		return refusal(http.StatusUnprocessableEntity, "fields-refused", map[string]any{"reason": "unknown"})
	}
	a.all[x.id] = x
	a.created = append(a.created, x.id)
	return document(http.StatusCreated, a.show(x))
}

func (a *api) consume(x *transaction, request, rest string, fields map[string]string) (int, []byte) {
	if x.state == "consumed" && x.request != request {
		return refusal(http.StatusConflict, "transaction-consumed", nil)
	}
	if x.state == "lapsed" {
		return refusal(http.StatusGone, "transaction-lapsed", nil)
	}
	if x.state != "approved" && x.state != "consumed" {
		return refusal(http.StatusConflict, "transaction-not-approved", map[string]any{"state": x.state})
	}
	same := rest == x.customer+x.template+"JPY" && len(fields) == len(x.fields)
	for _, f := range x.fields {
		if fields[f["id"]] != f["value"] {
			a.alarms++
			return refusal(http.StatusConflict, "permit-mismatch", map[string]any{"field": f["id"]})
		}
	}
	if !same {
		return refusal(http.StatusConflict, "permit-mismatch", map[string]any{"field": "customer"})
	}
	if x.state == "approved" {
		x.request, x.permit = request, "e30."+a.said()+"."+rand.Text()
		a.permits[x.id]++
		a.to(x, "consumed")
	}
	return document(http.StatusOK, map[string]any{"permit": x.permit, "transaction": a.show(x)})
}

// age lets time do its part.
func (a *api) age(x *transaction) {
	switch {
	case x.state == "pending" && !a.now().Before(x.created.Add(transactionLife)):
		a.to(x, "expired")
	case x.state == "approved" && !a.now().Before(x.decided.Add(transactionLife)):
		decided := x.decided
		a.to(x, "lapsed")
		x.decided = decided
	}
}

func (a *api) to(x *transaction, state string) {
	if x.decided.IsZero() && state != "expired" && state != "cancelled" {
		x.decided = a.now()
	}
	x.state = state
	close(a.changed)
	a.changed = make(chan struct{})
}

func (a *api) show(x *transaction) map[string]any {
	reference := strings.ToUpper(x.id[len(x.id)-8:len(x.id)-4] + "-" + x.id[len(x.id)-4:])
	display := map[string]string{"ja": templates[x.template].ja, "en": templates[x.template].en}
	for _, f := range x.fields {
		i := slices.IndexFunc(labels, func(l [3]string) bool { return l[0] == f["id"] })
		display["ja"] += "\n" + labels[i][1] + ": " + shown("ja", f["id"], f["value"])
		display["en"] += "\n" + labels[i][2] + ": " + shown("en", f["id"], f["value"])
	}
	display["ja"] += "\n照合番号: " + reference
	display["en"] += "\nReference: " + reference
	stamp := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format("2006-01-02T15:04:05Z")
	}
	doc := map[string]any{"id": x.id, "state": x.state, "reference": reference, "customer": x.customer, "template": x.template, "currency": "JPY", "fields": x.fields, "display": display,
		"created": stamp(x.created), "expires": stamp(x.created.Add(transactionLife)), "decided": stamp(x.decided), "approved_until": "", "grade": x.grade, "reason": "", "offline": ""}
	if x.state == "approved" {
		doc["approved_until"] = stamp(x.decided.Add(transactionLife))
	}
	if x.state == "pending" {
		doc["offline"] = "INKAN1:" + strings.Repeat("A1B2C3D4E5F6G7H8", 45)
	}
	return doc
}

// shown writes a value as the app does.
func shown(lang, field, v string) string {
	switch field {
	case "payee.type":
		return map[string]map[string]string{"ja": {"ordinary": "普通", "current": "当座", "savings": "貯蓄"}, "en": {"ordinary": "Ordinary", "current": "Current", "savings": "Savings"}}[lang][v]
	case "limit.what":
		return map[string]string{"ja": "1日あたりの振込限度額", "en": "Transfers in a day"}[lang]
	case "amount", "fee", "limit.before", "limit.after":
		for i := len(v) - 3; i > 0; i -= 3 {
			v = v[:i] + "," + v[i:]
		}
		return map[string]string{"ja": v + "円", "en": "JPY " + v}[lang]
	case "date":
		d, _ := time.Parse(time.DateOnly, v)
		return map[string]string{"ja": d.Format("2006年1月2日") + "(" + string([]rune("日月火水木金土")[d.Weekday()]) + ")", "en": d.Format("Mon 2 January 2006")}[lang]
	}
	return v
}

// answer is what the customer does in her app with what was last asked.
func (a *api) answer(state string) {
	a.t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, id := range a.created {
		if x := a.all[id]; x.state == "pending" {
			x.grade = "A"
			a.to(x, state)
			return
		}
	}
	a.t.Errorf("nothing waits for %q", state)
}

func (a *api) decide(id, state string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if x := a.all[id]; x != nil && x.state == "pending" {
		a.to(x, state)
	}
}

// set changes the server under its lock.
func (a *api) set(change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change()
}

func (a *api) count(what func() int) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return what()
}

// asked is what the customer was asked last, by field.
func (a *api) asked() map[string]string {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make(map[string]string)
	if len(a.created) > 0 {
		for _, f := range a.all[a.created[len(a.created)-1]].fields {
			out[f["id"]] = f["value"]
		}
	}
	return out
}

// knows checks the client's assertion.
func (a *api) knows(r *http.Request) bool {
	raw, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return false
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	sig, _ := base64.RawURLEncoding.DecodeString(parts[2])
	body, _ := base64.RawURLEncoding.DecodeString(parts[1])
	var c struct {
		Iss, Sub, Aud string
		Exp           int64
	}
	return json.Unmarshal(body, &c) == nil && c.Iss == "executor" && c.Sub == "executor" && c.Aud == a.URL && c.Exp > a.now().Unix() && len(sig) == 64 &&
		ecdsa.Verify(a.key, digest[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:]))
}

func document(status int, v any) (int, []byte) {
	b, _ := json.Marshal(v)
	return status, b
}

func refusal(status int, kind string, values map[string]any) (int, []byte) {
	doc := map[string]any{"type": "urn:inkan:problem:" + kind, "title": kind, "status": status}
	maps.Copy(doc, values)
	return document(status, doc)
}

func problem(w http.ResponseWriter, status int, kind string, values map[string]any) {
	_, b := refusal(status, kind, values)
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

// template is what the customer was asked last for.
func (a *api) template() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.all[a.created[len(a.created)-1]].template
}

// steal has the customer approve what waits, and somebody else use it before the bank hears of it.
func (a *api) steal() {
	a.mu.Lock()
	defer a.mu.Unlock()
	x := a.all[a.created[len(a.created)-1]]
	a.to(x, "approved")
	x.request, x.permit = "somebody-else", "e30.e30.stolen"
	a.to(x, "consumed")
}

// cooling is what the server says of the changes, and said the same inside a permit.
func (a *api) cooling() map[string]any {
	until := ""
	for _, c := range a.changes {
		until = max(until, c["until"].(string))
	}
	return map[string]any{"until": until, "changes": a.changes}
}

func (a *api) said() string {
	if len(a.changes) == 0 {
		return "e30"
	}
	payload, err := json.Marshal(map[string]any{"cooling_off": a.changes})
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(payload)
}

// fresh has something changed at the customer's authenticators now.
func (a *api) fresh(what string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now().UTC()
	a.changes = append(a.changes, map[string]any{"change": what, "since": now.Format(time.RFC3339), "until": now.Add(24 * time.Hour).Format(time.RFC3339), "approved": false})
}
