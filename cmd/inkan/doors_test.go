package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/server/api"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// jsonDoor is what a JSON door takes: one member that a test can spoil, and the rest of what must be there.
type jsonDoor struct{ member, rest string }

// jsonDoors are the bodies of all routes that take one.
var jsonDoors = map[string]jsonDoor{
	"/v1/registrations":             {"registration", ""},
	"/v1/renewals":                  {"renewal", ""},
	"/v1/renewals/confirmation":     {"confirmation", ""},
	"/login":                        {"form", `,"response":"x"`},
	"/login/options":                {"form", ""},
	"/register":                     {"form", `,"code":"x","response":"x"`},
	"/register/options":             {"form", `,"code":"x"`},
	"/v1/decisions":                 {"decision", ""},
	"/v1/push":                      {"endpoint", `,"p256dh":"BA","auth":"AA"`},
	"/v1/verifier/options":          {"none", ""},
	"/v1/verifier":                  {"verifier", `,"created":"x","assertion":""`},
	"/v1/verifier/removal":          {"removal", `,"assertion":""`},
	"/v1/otp/verifications":         {"code", `,"customer":"x"`},
	"/v1/stop":                      {"none", ""},
	"/v1/token/objection":           {"none", ""},
	"/v1/customers/{ref}/stop":      {"reason", ""},
	"/v1/moves":                     {"none", ""},
	"/v1/moves/cancel":              {"none", ""},
	"/v1/moves/finish":              {"code", ""},
	"/v1/phone-events":              {"id", `,"at":"2026-11-22T01:02:30Z","event":"incoming","call":"x","from":"","digits":""`},
	"/v1/transactions":              {"template", `,"customer":"x","currency":"JPY","fields":{}`},
	"/v1/transactions/{id}/cancel":  {"none", ""},
	"/v1/transactions/{id}/offline": {"code", ""},
	"/v1/transactions/{id}/consume": {"request", `,"customer":"x","template":"x","currency":"JPY","fields":{}`},
}

// body is a right body with this value. A door that takes no member is given none, unless the value is one that must be refused for its length.
func (d jsonDoor) body(value string) string {
	if d.member == "none" && len(value) < 100 {
		return "{}"
	}
	return `{"` + d.member + `":"` + value + `"` + d.rest + `}`
}

// asker is a customer who has added transaction authentication, with her phone.
type asker struct {
	*testkit.Browser
	ref   string
	phone *testkit.Phone
}

func (w *attacked) asker(n int) *asker {
	w.t.Helper()
	p := &asker{Browser: w.LogIn(w.Person(n, false), authority.PC), ref: fmt.Sprintf("0101-1-%07d", 1234566+n)}
	p.phone = w.enrolled(p.Browser)
	fine(w.t, w.AddTransactionAuth(w.t.Context(), p.Session, p.phone.Code()))
	return p
}

// fields is what a bank's customer entered for a transfer.
func fields() map[string]string {
	return map[string]string{"from.account": "本店 普通 1234567", "payee.bank": "みどり銀行", "payee.bank_code": "0991", "payee.branch": "駅前支店", "payee.branch_code": "101", "payee.type": "ordinary",
		"payee.account": "7654321", "payee.name": "ミドリ ショウジ", "amount": "250000", "date": "2026-11-25"}
}

func wire(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only maps of texts are passed
	}
	return string(b)
}

func (p *asker) order(change ...string) map[string]any {
	f := fields()
	for i := 0; i+1 < len(change); i += 2 {
		f[change[i]] = change[i+1]
	}
	return map[string]any{"customer": p.ref, "template": "transfer", "currency": "JPY", "fields": f}
}

func (p *asker) execution(request string, change ...string) map[string]any {
	o := p.order(change...)
	o["request"] = request
	return o
}

// toAPI is a request of the system that may do everything.
func (w *attacked) toAPI(path string, body any) ask {
	if body == nil {
		return get(apiHost, path).with("Authorization", asSystem("branch", w.branch))
	}
	return jsonTo(apiHost, path, wire(body)).with("Authorization", asSystem("branch", w.branch))
}

// shown is a transaction as the API shows it.
type shown struct {
	ID, State, Grade, Offline string
}

// asked has the system ask a customer for a transfer, over the wire, and gives it with the offer that her phone has fetched.
func (w *attacked) asked(p *asker) (id, offer string) {
	w.t.Helper()
	r := w.send(w.toAPI("/v1/transactions", p.order()).with("Idempotency-Key", rand.Text()))
	var made shown
	if fine(w.t, json.Unmarshal([]byte(r.text), &made)); r.StatusCode != http.StatusCreated || made.State != "pending" {
		w.t.Fatalf("asking for a transfer: %d %s", r.StatusCode, r.text)
	}
	got := p.phone.Transactions()
	if len(got.Pending) != 1 {
		w.t.Fatalf("%d transactions wait", len(got.Pending))
	}
	return made.ID, got.Pending[0].Offer
}

// fromToken is a request of a phone with the proof that it made it.
func fromToken(p *testkit.Phone, method, path, body string) ask {
	a := ask{method: method, host: tokenHost, path: path, body: body}
	if body != "" {
		a = a.with("Content-Type", "application/json")
	}
	path, _, _ = strings.Cut(path, "?")
	return a.with("DPoP", p.Proof(method, path, []byte(body)).DPoP)
}

func decisionOf(envelope string) string { return wire(map[string]string{"decision": envelope}) }

func subscription() string {
	return wire(map[string]string{"endpoint": "https://push.example.net/x", "p256dh": "BA", "auth": "AA"})
}

// rightRequests is one request for every route of tokens and of the bank's systems by which something changes, right in all that it says.
func (s *standing) rightRequests(p *asker, id, offer string) map[string]ask {
	p.phone.Finger = testkit.NewAuthenticator()
	word, created := p.phone.Verifier(p.phone.Finger)
	removal := p.phone.Removal()
	next := p.phone.Next("")
	next.Said = p.phone.Answer
	return map[string]ask{
		"POST /v1/renewals":                                  jsonTo(tokenHost, "/v1/renewals", wire(map[string]string{"renewal": next.Request})),
		"POST /v1/renewals/confirmation":                     jsonTo(tokenHost, "/v1/renewals/confirmation", wire(map[string]string{"confirmation": next.Confirmation("123456")})),
		"POST /v1/decisions":                                 fromToken(p.phone, "POST", "/v1/decisions", decisionOf(p.phone.Decision(offer, transaction.Yes))),
		"PUT /v1/push":                                       fromToken(p.phone, "PUT", "/v1/push", subscription()),
		"DELETE /v1/push":                                    fromToken(p.phone, "DELETE", "/v1/push", ""),
		"POST /v1/verifier/options":                          fromToken(p.phone, "POST", "/v1/verifier/options", "{}"),
		"PUT /v1/verifier":                                   fromToken(p.phone, "PUT", "/v1/verifier", wire(map[string]string{"verifier": word, "created": string(created)})),
		"POST /v1/verifier/removal":                          fromToken(p.phone, "POST", "/v1/verifier/removal", wire(map[string]string{"removal": removal, "assertion": p.phone.Finger.Assert(removal)})),
		"POST /v1/registrations":                             jsonTo(tokenHost, "/v1/registrations", `{"registration":"x"}`),
		"POST /v1/otp/verifications":                         s.toAPI("/v1/otp/verifications", map[string]string{"customer": "0101-1-1234569", "code": s.phone.Code()}),
		"POST /v1/transactions":                              s.toAPI("/v1/transactions", p.order()).with("Idempotency-Key", rand.Text()),
		"POST /v1/transactions/{id}/cancel":                  s.toAPI("/v1/transactions/"+id+"/cancel", struct{}{}),
		"POST /v1/transactions/{id}/offline":                 s.toAPI("/v1/transactions/"+id+"/offline", map[string]string{"code": p.phone.Offline(offer)}),
		"POST /v1/transactions/{id}/consume":                 s.toAPI("/v1/transactions/"+id+"/consume", p.execution("exec-1")),
		"GET /v1/transactions/{id}":                          s.toAPI("/v1/transactions/"+id, nil),
		"GET /v1/transactions/{id}/evidence":                 s.toAPI("/v1/transactions/"+id+"/evidence", nil),
		"GET /v1/customers/{ref}/transaction-authentication": s.toAPI("/v1/customers/"+p.ref+"/transaction-authentication", nil),
		"GET /v1/customers/{ref}/release-requests":           s.toAPI("/v1/customers/"+p.ref+"/release-requests", nil),
		"POST /v1/stop":                                      fromToken(p.phone, "POST", "/v1/stop", "{}"),
		"POST /v1/token/objection":                           fromToken(p.phone, "POST", "/v1/token/objection", "{}"),
		"GET /v1/notices":                                    fromToken(p.phone, "GET", "/v1/notices", ""),
		"POST /v1/customers/{ref}/stop":                      s.toAPI("/v1/customers/"+p.ref+"/stop", map[string]string{"reason": "fraud"}),
		"GET /v1/customers/{ref}/assurance":                  s.toAPI("/v1/customers/"+p.ref+"/assurance", nil),
		"POST /v1/moves":                                     fromToken(p.phone, "POST", "/v1/moves", "{}"),
		"POST /v1/moves/cancel":                              fromToken(p.phone, "POST", "/v1/moves/cancel", "{}"),
		"POST /v1/moves/finish":                              fromToken(p.phone, "POST", "/v1/moves/finish", `{"code":"123456"}`),
		"GET /v1/reports":                                    s.toAPI("/v1/reports", nil),
		"POST /v1/phone-events":                              s.toAPI("/v1/phone-events", map[string]string{"id": rand.Text(), "at": s.Clock.Now().UTC().Format(time.RFC3339), "event": "incoming", "call": "x", "from": "", "digits": ""}),
		"GET /v1/transactions":                               fromToken(p.phone, "GET", "/v1/transactions", ""),
		"GET /v1/token":                                      fromToken(p.phone, "GET", "/v1/token", ""),
	}
}

// The way of a transfer over the wire of the whole house, each request once: without this the refusals of the other tests would prove nothing.
func TestEveryDoorOfATransferOpens(t *testing.T) {
	t.Parallel()
	s := stand(t)
	p := s.asker(6)
	id, offer := s.asked(p)
	right := s.rightRequests(p, id, offer)
	for _, step := range []struct {
		door string
		want int
		says string
	}{
		{"POST /v1/renewals", 409, "renewal-early"}, {"POST /v1/renewals/confirmation", 401, "proof-refused"}, // their own tests are in the room of the authority
		{"GET /v1/token", 200, `"state":"active"`}, {"GET /v1/transactions", 200, offer}, {"PUT /v1/push", 200, "{}"}, {"DELETE /v1/push", 200, "{}"},
		{"POST /v1/moves", 200, `"state":"ordered"`}, {"POST /v1/moves/cancel", 200, "{}"}, {"POST /v1/moves/finish", 403, "forbidden"}, {"GET /v1/customers/{ref}/release-requests", 200, `"releases":[]`},
		{"GET /v1/customers/{ref}/transaction-authentication", 200, `"required":true,"in_use":true`}, {"GET /v1/reports", 200, `"reports":[]`}, {"POST /v1/phone-events", 200, `"hang_up":true`}, {"GET /v1/transactions/{id}", 200, `"state":"pending"`}, {"POST /v1/otp/verifications", 200, "true"},
		{"POST /v1/transactions", 409, "transaction-pending"}, {"POST /v1/decisions", 200, `"state":"approved"`}, {"POST /v1/transactions/{id}/consume", 200, `"state":"consumed"`},
		{"GET /v1/transactions/{id}/evidence", 200, offer}, {"POST /v1/transactions/{id}/cancel", 409, `"state":"consumed"`}, {"POST /v1/transactions/{id}/offline", 409, "transaction-decided"},
		{"POST /v1/verifier/options", 200, `"challenge"`}, {"PUT /v1/verifier", 200, `"state":"active"`}, {"POST /v1/verifier/removal", 200, "{}"},
		{"GET /v1/customers/{ref}/assurance", 200, `"change":"token_started"`}, {"GET /v1/notices", 200, `"inbox":"ey`}, {"POST /v1/token/objection", 409, "token-none"},
		{"POST /v1/stop", 200, `"stopped":"2`}, {"POST /v1/customers/{ref}/stop", 200, `"stopped_now":false`},
	} {
		if r := s.send(right[step.door]); r.StatusCode != step.want || !strings.Contains(r.text, step.says) {
			t.Errorf("%s answers %d %s", step.door, r.StatusCode, r.text)
		}
	}
	for _, r := range routes {
		if _, ok := right[r.method+" "+r.pattern]; !ok && r.kind == doc && r.host != staffHost && r.pattern != "/v1/time" && r.pattern != "/v1/events" { // a stream does not end by itself; its own test is in the room of the app
			t.Errorf("no right request is known for %s %s", r.method, r.pattern)
		}
	}
}

// Who does not prove himself gets nothing and changes nothing, however right the rest of his request is.
func TestWithoutAProofThereIsNoDoor(t *testing.T) {
	t.Parallel()
	s := stand(t)
	p := s.asker(6)
	id, offer := s.asked(p)
	narrow, err := s.CreateAPIClient(t.Context(), "narrow", nil, nil, "")
	fine(t, err)
	for door, right := range s.rightRequests(p, id, offer) {
		if door == "POST /v1/registrations" || strings.HasPrefix(door, "POST /v1/renewals") { // its proof is inside
			continue
		}
		spoilt := map[string]func(a ask) ask{}
		if right.host == apiHost {
			for name, auth := range map[string]string{"none": "", "no secret": asSystem("branch", ""), "a wrong secret": asSystem("branch", s.branch+"x"), "another's secret": asSystem("core", s.branch), "a secret of OpenID Connect": asSystem("bank", s.client),
				"an unknown system": asSystem("nobody", s.branch), "another scheme": "Digest " + s.branch, "a bearer that is no assertion": "Bearer " + s.branch, "an assertion without signature": "Bearer eyJhbGciOiJub25lIn0.eyJpc3MiOiJicmFuY2gifQ.",
				"a session": "Bearer " + p.Cookie.Session, "a scope that is missing": asSystem("narrow", narrow)} {
				spoilt[name] = func(a ask) ask { return a.with("Authorization", auth) }
			}
			spoilt["a proof of a token"] = func(a ask) ask {
				return a.with("Authorization", "").with("DPoP", p.phone.Proof(a.method, a.path, []byte(a.body)).DPoP)
			}
		} else {
			good := right.head["DPoP"]
			for name, dpop := range map[string]string{"none": "", "of another method": p.phone.Proof("PATCH", right.path, []byte(right.body)).DPoP, "of another address": p.phone.Proof(right.method, "/v1/other", []byte(right.body)).DPoP,
				"over another body": p.phone.Proof(right.method, right.path, []byte(right.body+" ")).DPoP, "cut": good[:len(good)-1], "longer": good + "A", "twice in one": good + "," + good,
				"of another phone in her name": proof(t, s, s.phone, p.phone.Answer.Token, right.method, testkit.TokenOrigin+right.path)} {
				spoilt["the proof: "+name] = func(a ask) ask { return a.with("DPoP", dpop) }
			}
			old := *p.phone
			old.Offset = -6 * time.Minute
			spoilt["the proof: old"] = func(a ask) ask { return a.with("DPoP", old.Proof(a.method, a.path, []byte(a.body)).DPoP) }
			spoilt["a secret of a system"] = func(a ask) ask { return a.with("DPoP", "").with("Authorization", asSystem("branch", s.branch)) }
			spoilt["a session"] = func(a ask) ask { return a.with("DPoP", "").as(p.Browser) }
		}
		for name, spoil := range spoilt {
			s.unchanged(door+" with "+name, func() {
				want, kind := http.StatusUnauthorized, "client-refused"
				if right.host == tokenHost {
					kind = "proof-refused"
				}
				if name == "a scope that is missing" {
					want, kind = http.StatusForbidden, "forbidden"
				}
				if r := s.send(spoil(right)); r.StatusCode != want || !strings.Contains(r.text, "urn:inkan:problem:"+kind) {
					t.Errorf("%s with %s is answered %d %s", door, name, r.StatusCode, r.text)
				}
			})
		}
	}
	// A proof is good once.
	again := fromToken(p.phone, "GET", "/v1/transactions", "")
	if r := s.send(again); r.StatusCode != http.StatusOK {
		t.Errorf("a right proof: %d %s", r.StatusCode, r.text)
	}
	if r := s.send(again); r.StatusCode != http.StatusUnauthorized {
		t.Errorf("the same proof again: %d", r.StatusCode)
	}
}

// Each scope opens its own doors and no other.
func TestAScopeOpensItsOwnDoorsOnly(t *testing.T) {
	t.Parallel()
	s := stand(t)
	p := s.asker(6)
	id, offer := s.asked(p)
	may := map[string]string{"POST /v1/otp/verifications": api.ScopeVerifyOTP, "POST /v1/transactions": api.ScopeCreate, "GET /v1/transactions/{id}": api.ScopeCreate, "POST /v1/transactions/{id}/cancel": api.ScopeCreate,
		"POST /v1/transactions/{id}/offline": api.ScopeCreate, "POST /v1/transactions/{id}/consume": api.ScopeConsume, "GET /v1/transactions/{id}/evidence": api.ScopeEvidence,
		"GET /v1/customers/{ref}/transaction-authentication": api.ScopeCustomer, "GET /v1/customers/{ref}/release-requests": api.ScopeCustomer, "GET /v1/reports": api.ScopeReports, "POST /v1/phone-events": api.ScopePhone,
		"POST /v1/customers/{ref}/stop": api.ScopeStop, "GET /v1/customers/{ref}/assurance": api.ScopeAssurance}
	right := s.rightRequests(p, id, offer)
	for _, scope := range api.Scopes {
		others := slices.DeleteFunc(slices.Clone(api.Scopes), func(x string) bool { return x == scope })
		name := "no-" + strings.NewReplacer(":", "-").Replace(scope)
		secret, err := s.CreateAPIClient(t.Context(), name, others, nil, "")
		fine(t, err)
		for door, needs := range may {
			if needs != scope {
				continue
			}
			s.unchanged(door, func() {
				if r := s.send(right[door].with("Authorization", asSystem(name, secret))); r.StatusCode != http.StatusForbidden || !strings.Contains(r.text, "urn:inkan:problem:forbidden") {
					t.Errorf("%s without %s: %d %s", door, scope, r.StatusCode, r.text)
				}
			})
		}
	}
	for _, r := range routes {
		if r.host == apiHost && may[r.method+" "+r.pattern] == "" {
			t.Errorf("no scope is known for %s %s", r.method, r.pattern)
		}
	}
}

// A transaction of another customer is not there for a phone, and one of another system not for a system; nothing of it moves, and nothing is said of it.
func TestAnothersTransactionIsNotThere(t *testing.T) {
	t.Parallel()
	s := stand(t)
	hers, other := s.asker(6), s.asker(7)
	id, offer := s.asked(hers)
	otherID, otherOffer := s.asked(other)
	txn := func(id string) string {
		return s.text("SELECT state || offline_tries || token || decision || permit FROM txn WHERE id = ?", id)
	}
	before := txn(id)
	for name, a := range map[string]ask{
		"approving": fromToken(other.phone, "POST", "/v1/decisions", decisionOf(other.phone.Decision(offer, transaction.Yes))), "rejecting": fromToken(other.phone, "POST", "/v1/decisions", decisionOf(other.phone.Decision(offer, transaction.No))),
		"reporting": fromToken(other.phone, "POST", "/v1/decisions", decisionOf(other.phone.Decision(offer, transaction.NotMe))),
	} {
		if r := s.send(a); r.StatusCode != http.StatusNotFound || !strings.Contains(r.text, "transaction-none") || strings.Contains(r.text, id) {
			t.Errorf("%s another's transaction: %d %s", name, r.StatusCode, r.text)
		}
	}
	// Her own decision through another's door: the proof and the signature must be of one phone.
	stolen := decisionOf(hers.phone.Decision(offer, transaction.Yes))
	if r := s.send(fromToken(other.phone, "POST", "/v1/decisions", stolen)); r.StatusCode != http.StatusForbidden || !strings.Contains(r.text, "decision-refused") {
		t.Errorf("another's decision: %d %s", r.StatusCode, r.text)
	}
	secret, err := s.CreateAPIClient(t.Context(), "other", api.Scopes, nil, "")
	fine(t, err)
	ids := map[string]string{"another's": id, "nobody's": noID, "no identifier": "x", "of another kind": hers.ID, "a quote": "'%20OR%201=1", "a percent": "%25", "a null": "%00", "long": strings.Repeat("a", 5000), "dots": "%2e%2e"}
	for name, id := range ids {
		for door, a := range map[string]ask{"read": s.toAPI("/v1/transactions/"+id, nil), "wait": s.toAPI("/v1/transactions/"+id+"?wait=1&state=pending", nil), "cancel": s.toAPI("/v1/transactions/"+id+"/cancel", struct{}{}),
			"offline": s.toAPI("/v1/transactions/"+id+"/offline", map[string]string{"code": "00000000"}), "consume": s.toAPI("/v1/transactions/"+id+"/consume", hers.execution("e")), "evidence": s.toAPI("/v1/transactions/"+id+"/evidence", nil)} {
			a = a.with("Authorization", asSystem("other", secret))
			if r := s.send(a); r.StatusCode != http.StatusNotFound || !strings.Contains(r.text, "urn:inkan:problem:transaction-none") || strings.Contains(r.text, "ショウジ") {
				t.Errorf("%s of a transaction that is %s: %d %s", door, name, r.StatusCode, r.text)
			}
		}
	}
	if got := txn(id); got != before {
		t.Errorf("the transaction is %q, was %q", got, before)
	}
	if got := other.phone.Transactions(); len(got.Pending) != 1 || got.Pending[0].Offer != otherOffer || len(got.Recent) != 0 {
		t.Error("a phone is shown what is not its customer's")
	}
	// Each system has its own keys for idempotency: the same key of another one leads to nothing of the first.
	r := s.send(s.toAPI("/v1/transactions", hers.order()).with("Authorization", asSystem("other", secret)).with("Idempotency-Key", s.text("SELECT id FROM idempotency WHERE object = ?", id)))
	if r.StatusCode != http.StatusConflict || strings.Contains(r.text, id) || strings.Contains(r.text, otherID) {
		t.Errorf("another system with the same key: %d %s", r.StatusCode, r.text)
	}
	for _, ref := range []string{"nobody", "%00", "%ff", "'%20OR%201=1", strings.Repeat("x", 5000), "%2e%2e"} {
		if r := s.send(s.toAPI("/v1/customers/"+ref+"/transaction-authentication", nil)); r.StatusCode != http.StatusNotFound {
			t.Errorf("the customer %.20q: %d %s", ref, r.StatusCode, r.text)
		}
	}
}
