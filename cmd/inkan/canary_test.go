package main

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/signing"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/server/api"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// canaries are secrets that can be told from everything else, so that a single one that got out is found.
type canaries struct {
	w     *attacked
	names map[string]string // by value
	text  strings.Builder   // what was answered to requests that were refused, and where redirects led
}

// make gives a secret that nobody has seen.
func (c *canaries) make(name string) string {
	v := "Kanariya-" + rand.Text()
	c.names[v] = name
	return v
}

func (c *canaries) keep(name, value string) string {
	if len(value) < 6 {
		c.w.t.Fatalf("%s is %q: too short to be looked for", name, value)
	}
	c.names[value] = name
	return value
}

// send remembers what must not hold a secret: refusals, redirects, but not the one page that shows a key to its owner.
func (c *canaries) send(a ask) answer {
	r := c.w.send(a)
	if r.StatusCode >= 400 {
		c.text.WriteString(r.text + "\n")
	}
	if to := r.Header.Get("Location"); !strings.HasPrefix(to, bankSite) {
		c.text.WriteString(to + "\n")
	}
	for _, raw := range r.Header.Values("Set-Cookie") {
		if p, err := http.ParseSetCookie(raw); err == nil && len(p.Value) > 20 {
			c.keep("cookie "+p.Name, p.Value)
		}
	}
	return r
}

// hits looks for the canaries in a text. A code of digits counts only where it stands alone, for times are full of digits.
func (c *canaries) hits(text string) []string {
	var out []string
	for v, name := range c.names {
		found := strings.Contains(text, v)
		if found && strings.Trim(v, "0123456789 ") == "" {
			found = regexp.MustCompile(`(^|[^0-9a-zA-Z])` + v + `([^0-9a-zA-Z]|$)`).MatchString(text)
		}
		if found {
			out = append(out, name)
		}
	}
	return out
}

func TestNoSecretIsWrittenDown(t *testing.T) {
	t.Parallel()
	s := stand(t)
	c := &canaries{w: s.attacked, names: map[string]string{}}
	c.keep("client secret", s.client)
	c.keep("system secret", s.system)
	for name, b := range map[string]*testkit.Browser{"ordered": s.ordered, "registered": s.registered, "in use": s.inUse, "owing": s.owing, "first": s.first, "fresh": s.fresh} {
		c.keep("session "+name, b.Cookie.Session)
		c.keep("form value "+name, b.CSRF)
		if b.Cookie.Browser != "" {
			c.keep("browser "+name, b.Cookie.Browser)
		}
	}
	c.keep("login password", testkit.Login)
	c.keep("confirmation password", testkit.Confirm)
	c.passkeys(s)
	for _, p := range []*testkit.Phone{s.phone, s.waiting} {
		for n := int64(-2); n <= 2; n++ {
			c.keep("code", p.CodeAt(n))
		}
		c.keep("key of codes", string(p.Keys.OTP))
		c.keep("key of signatures", string(p.Keys.OCRA))
		c.keep("private key", string(p.Signing.D.Bytes())) //nolint:staticcheck // the bytes themselves are looked for
	}

	// Passwords, in every field that takes one, right or wrong.
	c.send(s.loginForm("hanako05", c.make("wrong login password")))
	c.send(s.loginForm("nobody-at-all", c.make("password of nobody")))
	for _, f := range []ask{
		form("/token/apply", s.fresh, "confirm", c.make("wrong confirmation at the application")),
		form("/token/address", s.ordered, "confirm", c.make("wrong confirmation at the address"), "mail", "new@mail.example.jp"),
		form("/token/stop", s.inUse, "confirm", c.make("wrong confirmation at the stop"), "code", c.make("code at the stop")),
		form("/login/passwords", s.first, "confirm", c.make("wrong old confirmation"), "new_login", c.make("new login 1"), "new_login_again", c.make("other new login"), "new_confirm", c.make("new confirmation 1"), "new_confirm_again", "x"),
		form("/password", s.inUse, "which", "login", "old", c.make("wrong old password"), "new_login", c.keep("new login 2", "Kanariya-2-"+s.inUse.ID[10:]), "new_login_again", "Kanariya-2-"+s.inUse.ID[10:], "code", s.phone.Code()),
		form("/password", s.inUse, "which", c.make("password in the wrong field"), "old", "x", "new_login", "y", "new_login_again", "y"),
		form("/login/code", s.owing, "code", c.make("code at the login")),
		form("/login/code", s.owing, "code", c.keep("wrong code", s.phone.Wrong())),
		form("/login/resync", s.owing, "first", c.make("first of two codes"), "second", s.phone.Code()),
		form("/login/resync", s.owing, "first", s.phone.CodeAt(-1), "second", c.make("second of two codes")),
		form("/token/start", s.registered, "code", c.make("code at the start")),
		form("/token/start", s.registered, "code", c.keep("wrong code at the start", s.waiting.Wrong())),
		form("/token/key", s.ordered, "form", c.make("wrong form value")),
		form("/language", nil, "to", c.make("nonsense for a language"), "back", c.make("nonsense for an address")),
	} {
		c.send(f)
	}
	// First passwords that are taken.
	a, b := c.make("first login password"), c.make("first confirmation")
	if r := c.send(form("/login/passwords", s.first, "confirm", testkit.Confirm, "new_login", a, "new_login_again", a, "new_confirm", b, "new_confirm_again", b)); r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") == "/login/passwords" {
		t.Errorf("new passwords: %d %s", r.StatusCode, r.Header.Get("Location"))
	}
	if r := c.send(s.loginForm("hanako04", a)); r.Header.Get("Location") != "/security" {
		t.Errorf("the new password opens nothing: %s", r.Header.Get("Location"))
	}

	// Registration: keys, numbers, envelopes, by each way, refused and taken.
	key, err := s.RegistrationKey(t.Context(), s.ordered.Session, true)
	fine(t, err)
	secret := strings.Split(key.Link, ".")
	c.keep("registration key, scanned", secret[len(secret)-2])
	c.keep("registration key, typed", key.Typed)
	if r := s.send(get(loginHost, "/token/key").as(s.ordered)); !strings.Contains(r.text, key.Link) { // the one place that shows it, to its owner
		t.Error("the page does not show the key; the test looks for another")
	}
	number := s.mailedNumber()
	c.keep("registration number", number)
	c.keep("registration number, as mailed", number[:4]+" "+number[4:])
	p := testkit.NewPhone(s.World)
	send := func(what, envelope string, want int) answer {
		r := c.send(jsonTo(tokenHost, "/v1/registrations", `{"registration":"`+c.keep(what, envelope)+`"}`))
		if r.StatusCode != want {
			t.Errorf("%s: %d %s", what, r.StatusCode, r.text)
		}
		return r
	}
	send("registration with a wrong number", p.Typed(key.Typed, "00000000"), 403)
	send("registration with nonsense", p.Typed(c.make("key of nonsense"), number), 400)
	send("registration of nobody", c.make("envelope of nonsense"), 400)
	good := p.Scan(key.Link, number)
	var got struct{ Answer string }
	fine(t, json.Unmarshal([]byte(send("registration", good, 201).text), &got))
	p.Take(good, got.Answer)
	c.keep("key of codes of a new phone", string(p.Keys.OTP))

	// Proofs, cookies, clients, systems.
	for _, dpop := range []string{proof(t, s, s.phone, s.phone.Answer.Token, "GET", testkit.TokenOrigin+"/v1/token"), proof(t, s, s.phone, s.phone.Answer.Token, "POST", "x"), c.make("proof of nonsense")} {
		c.keep("proof", dpop)
		c.send(get(tokenHost, "/v1/token").with("DPoP", dpop))
		c.send(get(tokenHost, "/v1/token").with("Authorization", "DPoP "+c.make("authorization at the app")).with("DPoP", dpop))
	}
	odd := get(loginHost, "/security")
	odd.cookies = map[string]string{"__Host-inkan": c.make("cookie of a session"), "__Host-browser": c.make("cookie of a browser"), "__Host-said": c.make("cookie of a message"), "__Host-pre": c.make("cookie of a form"), "__Host-lang": c.make("cookie of a language")}
	c.send(odd)
	odd.path = "/login"
	c.send(odd)
	for _, auth := range []string{asSystem("core", c.make("wrong secret of a system")), asSystem(c.make("name for a secret"), "x"), "Bearer " + c.make("bearer at the API"), asSystem("core", s.system)} {
		c.keep("authorization", auth)
		c.send(jsonTo(apiHost, "/v1/otp/verifications", `{"customer":"0101-1-1234569","code":"`+c.make("code at the API")+`"}`).with("Authorization", auth))
		c.send(jsonTo(apiHost, "/v1/otp/verifications", `{"customer":"`+c.make("secret as a customer")+`","code":"1"}`).with("Authorization", auth))
		c.send(jsonTo(apiHost, "/v1/otp/verifications", `{"`+c.make("secret as a member")+`":"1"}`).with("Authorization", auth))
	}
	c.oidc(s)

	// Addresses: what a slip puts into a path or a query, and what a scanner sends.
	for _, path := range []string{"/login?password=", "/history?before=", "/nowhere/", "/token/", "/oidc/authorize/", "/oidc/logout/", "/login?next=/", "/gallery/", "/static/"} {
		c.send(get(loginHost, path+c.make("secret in "+path)).as(s.inUse))
		c.send(get(tokenHost, path+c.make("secret in the app's "+path)))
	}
	for _, h := range []string{"Referer", "Accept-Language", "User-Agent", "X-Request-Id", "Origin", "Sec-CH-UA", "X-Forwarded-For"} {
		c.send(get(loginHost, "/login").with(h, c.make("secret in "+h)))
		c.send(s.loginForm("hanako05", "not-the-password").with(h, c.make("secret in "+h+" of a form")))
	}

	for range 5 {
		s.Clock.Move(time.Second)
		_, err := s.DeliverDue(t.Context())
		fine(t, err)
	}
	fine(t, s.SweepDue(t.Context()))
	// Whatever the staff may read, each role to the last link.
	var console strings.Builder
	var refs []string
	rows, err := s.at.QueryContext(t.Context(), "SELECT ref FROM customer ORDER BY ref")
	fine(t, err)
	for rows.Next() {
		var ref string
		fine(t, rows.Scan(&ref))
		refs = append(refs, ref)
	}
	fine(t, errors.Join(rows.Err(), rows.Close()))
	for _, role := range staff.Roles {
		d := s.SignedIn(role)
		var pages []string
		if role == staff.Supervisor { // who sees the most; every customer once
			pages = s.looked(d, refs...)
		}
		for path, text := range s.crawl(d, pages...) {
			console.WriteString(path + "\n" + strings.ReplaceAll(text, d.CSRF, "") + "\n")
		}
		c.keep("session of staff", d.Cookie)
	}
	auditor, supervisor := s.SignedIn(staff.Auditor), s.SignedIn(staff.Supervisor)
	s.Clock.Move(3 * time.Minute) // an export ends two minutes ago
	asked, err := s.AskExport(t.Context(), auditor.StaffSession, audit.Filter{}, "the whole trail")
	fine(t, err)
	_, err = s.CheckOrder(t.Context(), supervisor.StaffSession, asked.ID, asked.Hash, true, "")
	fine(t, err)
	found, err := s.SearchTrail(t.Context(), auditor.StaffSession, audit.Filter{}, "")
	fine(t, err)
	for _, form := range authority.ExportForms {
		file, err := s.FetchExport(t.Context(), auditor.StaffSession, found.Exports[0].ID, form)
		fine(t, err)
		if !strings.Contains(string(file.Body), string(audit.TokenRegister)) {
			t.Errorf("the export as %s is not the trail", form)
		}
		console.Write(file.Body)
	}
	rec := httptest.NewRecorder()
	s.house.internal.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	file := read(t, s.file) + read(t, s.file+"-wal")
	places := map[string]string{"the log": s.log.String(), "the database's file": file, "the texts of the database": strings.Join(s.state(), "\n"), "the metrics": rec.Body.String(), "a refusal": c.text.String(), "the console": console.String()}
	if len(c.names) < 40 {
		t.Errorf("only %d secrets", len(c.names))
	}
	for place, text := range places {
		for _, name := range c.hits(text) {
			if place == "a refusal" && (strings.HasPrefix(name, "secret in /") || name == "secret as a client") {
				continue // the page tells the caller, and nobody else, the address that he asked for
			}
			t.Errorf("%s is in %s", name, place)
		}
	}
	// Nor is it the log's or the metrics' business who somebody is.
	for _, place := range []string{"the log", "the metrics"} {
		for _, v := range []string{"hanako", "山田", "ヤマダ", "mail.example.jp", "1234567", "090-0000", "0101-1-", "cus_", "ses_"} {
			if strings.Contains(places[place], v) {
				t.Errorf("%s holds %q", place, v)
			}
		}
	}
	if n := strings.Count(console.String(), "山田"); n < len(refs) {
		t.Errorf("the console shows customers %d times: it was not looked at", n)
	}
	// The search would find what is there: the mails have the number, the code and the objection in both forms, the file has the customer, the log has the requests.
	mails := ""
	for _, m := range s.box.Messages() {
		mails += m.Body
	}
	if hits := c.hits(mails); len(hits) != 4 || !strings.Contains(file, "hanako01") || !strings.Contains(places["the log"], `"route":"POST /login"`) || !strings.Contains(places["the metrics"], "inkan_request_seconds_count") {
		t.Errorf("the search does not see what is there: %v in the mails", c.hits(mails))
	}
}

// passkeys sends what belongs to a passkey, wrong and right, and keeps every secret of it: challenges and responses, the mailed code, the code of a notice.
func (c *canaries) passkeys(s *standing) {
	t := s.t
	c.keep("mailed code", s.mailed)
	c.keep("mailed code, as mailed", s.mailed[:4]+" "+s.mailed[4:])
	grouped := s.objects[:4] + "-" + s.objects[4:8] + "-" + s.objects[8:12] + "-" + s.objects[12:]
	c.keep("objection", s.objects)
	c.keep("objection, as mailed", grouped)
	c.keep("form of nobody", strings.Repeat("A", 43))
	for _, k := range s.device.Credentials {
		c.keep("private key of a passkey", string(k.Key.D.Bytes())) //nolint:staticcheck // the bytes themselves are looked for
	}
	response := func(name, text string) string {
		var r struct{ Response map[string]any }
		fine(t, json.Unmarshal([]byte(text), &r))
		for member, v := range r.Response {
			if v, ok := v.(string); ok && member != "userHandle" && len(v) > 60 { // her handle is her name among authenticators
				c.keep(name+"'s "+member, v)
			}
		}
		data, err := base64.RawURLEncoding.DecodeString(r.Response["clientDataJSON"].(string))
		fine(t, err)
		var client struct{ Challenge string }
		fine(t, json.Unmarshal(data, &client))
		raw, err := base64.RawURLEncoding.DecodeString(c.keep(name+"'s challenge", client.Challenge))
		fine(t, err)
		c.keep(name+"'s challenge, raw", string(raw))
		return text
	}
	send := func(a ask, want int, to string) {
		t.Helper()
		if r := c.send(a); r.StatusCode != want || r.Header.Get("Location") != to {
			t.Errorf("%s answers %d %s", a, r.StatusCode, r.Header.Get("Location"))
		}
	}
	if r := c.send(preFormed("/login/passkey/options")); r.StatusCode == http.StatusOK {
		var o struct{ Challenge string }
		fine(t, json.Unmarshal([]byte(r.text), &o))
		c.keep("challenge", o.Challenge)
	} else {
		t.Errorf("options: %d %s", r.StatusCode, r.text)
	}
	sent := func(a ask) string {
		v, err := url.ParseQuery(a.body)
		fine(t, err)
		return v.Get("response")
	}
	right := s.passkeyForm()
	response("assertion", sent(right))
	send(preFormed("/login/passkey", "response", c.make("assertion of nonsense")), http.StatusSeeOther, "/login")
	spoilt := s.passkeyForm()
	spoilt.body = strings.Replace(spoilt.body, "signature%22%3A%22", "signature%22%3A%22AAAA", 1)
	response("spoilt assertion", sent(spoilt))
	send(spoilt, http.StatusSeeOther, "/login")
	send(right, http.StatusSeeOther, "/security")
	send(right, http.StatusSeeOther, "/login") // again
	page := "/security/errand/" + s.byMail.ID
	send(form(page+"/code", s.plain, "mailed", c.make("wrong mailed code")), http.StatusSeeOther, page)
	send(form(page+"/code", s.plain, "mailed", s.mailed), http.StatusSeeOther, page)
	send(form("/security/passkeys/add", s.plain, "old", c.make("wrong password at a passkey"), "confirm", c.make("wrong confirmation at a passkey")), http.StatusSeeOther, "/security/passkeys/add")
	page = "/security/errand/" + s.approved.ID
	send(form(page+"/do", s.inUse, "response", c.make("creation of nonsense")), http.StatusSeeOther, page)
	response("creation", string(s.made))
	send(form(page+"/do", s.inUse, "response", string(s.made), "name", "PC 2"), http.StatusSeeOther, "/security/passkeys")
	send(preFormed("/not-me", "objection", c.make("wrong objection")), http.StatusSeeOther, "/not-me")
	send(preFormed("/not-me", "objection", grouped), http.StatusSeeOther, "/not-me")
	c.send(get(loginHost, "/not-me?objection="+c.make("objection in a query")))
}

// oidc takes a login through OpenID Connect and keeps every secret of it.
func (c *canaries) oidc(s *standing) {
	t := s.t
	verifier := c.keep("verifier", "Kanariya-verifier-"+rand.Text()+rand.Text())
	q := url.Values{"client_id": {"bank"}, "response_type": {"code"}, "scope": {"openid profile"}, "redirect_uri": {bankBack}, "state": {"s1"}, "nonce": {"n1"}, "code_challenge": {challenge(verifier)},
		"code_challenge_method": {"S256"}}
	post := func(path string, v url.Values, auth string) answer {
		a := ask{method: "POST", host: loginHost, path: path, body: v.Encode(), head: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}
		if auth != "" {
			a = a.with("Authorization", auth)
		}
		return c.send(a)
	}
	for range 2 {
		r := c.send(get(loginHost, "/oidc/authorize?"+q.Encode()).as(s.inUse))
		back, err := url.Parse(r.Header.Get("Location"))
		fine(t, err)
		code := back.Query().Get("code")
		if code == "" {
			t.Fatalf("no code: %d %s", r.StatusCode, r.Header.Get("Location"))
		}
		c.keep("code of OpenID Connect", code)
		post("/oidc/token", url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {bankBack}, "code_verifier": {c.make("wrong verifier") + strings.Repeat("x", 30)}}, asSystem("bank", s.client))
		post("/oidc/token", url.Values{"grant_type": {"authorization_code"}, "code": {c.make("wrong code of OpenID Connect")}, "redirect_uri": {bankBack}, "code_verifier": {verifier}}, asSystem("bank", s.client))
		post("/oidc/token", url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {bankBack}, "code_verifier": {verifier}}, asSystem("bank", c.make("wrong client secret")))
		post("/oidc/token", url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {bankBack}, "code_verifier": {verifier}, "client_id": {"bank"}, "client_secret": {c.make("client secret in the body")},
			"client_assertion": {c.make("assertion")}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}}, "")
		var got struct {
			Access string `json:"access_token"`
			ID     string `json:"id_token"`
		}
		fine(t, json.Unmarshal([]byte(post("/oidc/token", url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {bankBack}, "code_verifier": {verifier}}, asSystem("bank", s.client)).text), &got))
		if got.Access == "" {
			continue
		}
		c.keep("access token", got.Access)
		c.keep("ID token", got.ID)
		if r := c.send(get(loginHost, "/oidc/userinfo").with("Authorization", "Bearer "+got.Access)); r.StatusCode != http.StatusOK {
			t.Errorf("userinfo: %d %s", r.StatusCode, r.text)
		}
		c.send(get(loginHost, "/oidc/logout?"+url.Values{"id_token_hint": {got.ID + "x"}}.Encode()).as(s.inUse))
	}
	c.send(get(loginHost, "/oidc/userinfo").with("Authorization", "Bearer "+c.make("wrong access token")))
	c.send(get(loginHost, "/oidc/authorize?client_id="+c.make("secret as a client")))
	post("/oidc/par", q, asSystem("bank", c.make("wrong client secret at PAR")))
	if r := post("/oidc/par", q, asSystem("bank", s.client)); r.StatusCode != http.StatusCreated {
		t.Errorf("a pushed request: %d %s", r.StatusCode, r.text)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	fine(t, err)
	if len(b) == 0 || bytes.Count(b, []byte{0}) == len(b) {
		t.Fatal(fmt.Sprint(name, " is empty"))
	}
	return string(b)
}

// A session that is over leaves nothing behind that a thief of the file could use: its cookie's hash is not its cookie.
func TestACookieIsNotFoundByItsHash(t *testing.T) {
	t.Parallel()
	w := attack(t)
	b := w.LogIn(w.Person(1, false), authority.PC)
	var hash []byte
	fine(t, w.at.QueryRowContext(t.Context(), "SELECT hash FROM session").Scan(&hash))
	for _, c := range []string{fmt.Sprintf("%x", hash), base64.RawURLEncoding.EncodeToString(hash), base64.StdEncoding.EncodeToString(hash)} {
		a := get(loginHost, "/security")
		a.cookies = map[string]string{"__Host-inkan": c}
		if r := w.send(a); r.StatusCode != http.StatusSeeOther {
			t.Errorf("what is stored opens a session: %d", r.StatusCode)
		}
	}
	if r := w.send(get(loginHost, "/security").as(b)); r.StatusCode != http.StatusOK {
		t.Errorf("her own cookie: %d", r.StatusCode)
	}
}

// listener is another side that we call: it keeps what it was told, and fails as long as it is told to.
type listener struct {
	*httptest.Server
	mu    sync.Mutex
	heard []string // heads and bodies
	down  bool
}

func listen(t *testing.T) *listener {
	l := &listener{down: true}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.heard = append(l.heard, fmt.Sprint(r.Header, " ", string(body)))
		if l.down {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(l.Close)
	return l
}

func (l *listener) up() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = false
}

func (l *listener) said() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.heard)
}

// envelope remembers an envelope and its payload, which is what somebody would look for in a log: the header is the same in many.
func (c *canaries) envelope(name, compact string) string {
	part := strings.Split(compact, ".")
	if len(part) != 3 {
		c.w.t.Fatalf("%s is %q", name, compact)
	}
	c.keep(name+"'s payload", part[1])
	c.keep(name+"'s signature", part[2])
	return compact
}

// A transfer goes its whole way, right and wrong at each door, with the other sides down and up. What the customer confirms stands in the table of transactions and in the answers
// to the system that asked, and nowhere else; proofs, codes, subscriptions and secrets stand nowhere at all.
func TestNothingOfATransferIsWrittenElsewhere(t *testing.T) {
	t.Parallel()
	w := attack(t, func(p *parts) { p.policy.PushLoopback = true })
	secret := &canaries{w: w, names: map[string]string{}}  // stands nowhere
	content := &canaries{w: w, names: map[string]string{}} // stands in the transaction's row only
	hook, push := listen(t), listen(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	fine(t, err)
	public, err := signing.JWKOf(&key.PublicKey)
	fine(t, err)
	_, err = w.CreateAPIClient(t.Context(), "internet", api.Scopes, &public, hook.URL+"/hook")
	fine(t, err)
	secret.keep("system secret", w.system)
	secret.keep("branch secret", w.branch)
	bearer := func(by *ecdsa.PrivateKey, audience string, at time.Time) string {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: by}, (&jose.SignerOptions{}).WithType("JWT"))
		fine(t, err)
		text, err := jwt.Signed(signer).Claims(jwt.Claims{Issuer: "internet", Subject: "internet", Audience: jwt.Audience{audience}, ID: secret.make("jti"), IssuedAt: jwt.NewNumericDate(at), Expiry: jwt.NewNumericDate(at.Add(time.Minute))}).Serialize()
		fine(t, err)
		return "Bearer " + secret.envelope("assertion", text)
	}
	answers := ""
	toAPI := func(path string, body any, want int, auth ...string) answer {
		t.Helper()
		if auth == nil {
			auth = []string{bearer(key, "https://"+apiHost, w.Clock.Now())}
		}
		a := w.toAPI(path, body).with("Authorization", auth[0]).with("Idempotency-Key", rand.Text())
		r := secret.send(a)
		if r.StatusCode != want {
			t.Errorf("%s answers %d %s, want %d", a, r.StatusCode, r.text, want)
		}
		if r.StatusCode < 400 {
			answers += r.text
		}
		return r
	}
	p := w.asker(6)
	token := func(method, path, body string, want int) answer {
		t.Helper()
		a := fromToken(p.phone, method, path, body)
		secret.envelope("proof", a.head["DPoP"])
		r := secret.send(a)
		if r.StatusCode != want {
			t.Errorf("%s answers %d %s, want %d", a, r.StatusCode, r.text, want)
		}
		return r
	}
	// The subscription: its address is a secret, for whoever has it can wake her phone.
	ua, err := ecdh.P256().GenerateKey(rand.Reader)
	fine(t, err)
	auth := make([]byte, 16)
	_, _ = rand.Read(auth)
	sub := map[string]string{"endpoint": push.URL + "/" + secret.make("endpoint"), "p256dh": secret.keep("key of the subscription", base64.RawURLEncoding.EncodeToString(ua.PublicKey().Bytes())),
		"auth": secret.keep("secret of the subscription", base64.RawURLEncoding.EncodeToString(auth))}
	token("PUT", "/v1/push", wire(sub), 200)
	for _, bad := range []string{"https://10.0.0.1/", "http://push.example.net/", "https://user:" + secret.make("password of an endpoint") + "@push.example.net/"} {
		token("PUT", "/v1/push", wire(map[string]string{"endpoint": bad + secret.make("refused endpoint"), "p256dh": sub["p256dh"], "auth": sub["auth"]}), 400)
	}
	// What she is asked. Every value can be told from all others.
	name, account, from, branch, account2 := "KANARIYA "+rand.Text(), fmt.Sprint(time.Now().UnixNano()%1e14+3e14), "Kanariya "+rand.Text(), "Kanariya "+rand.Text(), fmt.Sprint(time.Now().UnixNano()%1e14+7e14)
	amount := fmt.Sprint(time.Now().UnixNano()%1e9 + 4e9)
	fields := []string{"payee.name", content.keep("payee", name), "payee.account", content.keep("account number", account), "from.account", content.keep("her account", from), "payee.branch", content.keep("branch", branch),
		"amount", content.keep("amount", amount)}
	shown := amount[:1] + "," + amount[1:4] + "," + amount[4:7] + "," + amount[7:]
	content.keep("amount as it is shown", shown)
	ask := func() (id, offer string) {
		t.Helper()
		var made struct{ ID string }
		fine(t, json.Unmarshal([]byte(toAPI("/v1/transactions", p.order(fields...), 201).text), &made))
		got := p.phone.Transactions()
		return made.ID, content.envelope("offer", got.Pending[0].Offer)
	}
	for field, value := range map[string]string{"payee.account": content.make("refused account"), "payee.name": content.make("refused name"), "date": content.make("refused date"), "amount": content.make("refused amount"), "payee.type": content.make("refused choice")} {
		toAPI("/v1/transactions", p.order(append(slices.Clone(fields), field, value)...), 422)
	}
	for member, want := range map[string]int{"customer": 404, "template": 422, "currency": 422} {
		o := p.order(fields...)
		o[member] = content.make("refused " + member)
		toAPI("/v1/transactions", o, want)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	fine(t, err)
	for _, bad := range []string{bearer(other, "https://"+apiHost, w.Clock.Now()), bearer(key, "https://evil.example", w.Clock.Now()), bearer(key, "https://"+apiHost, w.Clock.Now().Add(-time.Hour)), "Bearer " + secret.make("bearer"),
		asSystem("internet", secret.make("wrong secret")), asSystem(secret.make("name"), w.branch)} {
		secret.keep("authorization", bad)
		toAPI("/v1/transactions", p.order(fields...), 401, bad)
	}
	id, offer := ask()
	_, err = w.DeliverDue(t.Context()) // the push service is down
	fine(t, err)
	toAPI("/v1/transactions/"+secret.make("identifier"), nil, 404)
	toAPI("/v1/transactions/"+id+"?wait="+secret.make("waiting"), nil, 400)
	toAPI("/v1/transactions/"+id+"?wait=1&state="+secret.make("state"), nil, 200)
	toAPI("/v1/customers/"+secret.make("customer")+"/transaction-authentication", nil, 404)
	toAPI("/v1/transactions", p.order(fields...), 409)

	// Offline: wrong, and right.
	right := p.phone.Offline(offer)
	for _, code := range []string{secret.make("code"), string('0'+(right[0]-'0'+1)%10) + right[1:]} {
		toAPI("/v1/transactions/"+id+"/offline", map[string]string{"code": secret.keep("offline code", code)}, 403)
	}
	if r := toAPI("/v1/transactions/"+id+"/offline", map[string]string{"code": secret.keep("right offline code", right)}, 200); !strings.Contains(r.text, `"grade":"B"`) {
		t.Errorf("the right code: %s", r.text)
	}
	// The decision: of another, spoilt, right, again.
	yes := content.envelope("decision", p.phone.Decision(offer, transaction.Yes))
	spoilt := content.envelope("spoilt decision", p.phone.Decision(offer, transaction.Yes, func(d *transaction.Decision) { d.Display = signing.Hash("x") }))
	for _, d := range []string{spoilt, content.make("decision of nonsense"), yes[:len(yes)-10]} {
		token("POST", "/v1/decisions", decisionOf(d), 403)
	}
	for range 2 {
		token("POST", "/v1/decisions", decisionOf(yes), 200)
	}
	token("POST", "/v1/decisions", decisionOf(content.envelope("late decision", p.phone.Decision(offer, transaction.No))), 409)
	// The executor: with something else, with what was approved, again, under another name.
	for field, value := range map[string]string{"payee.account": content.keep("altered account", account2), "payee.name": content.make("altered name"), "kanariya": content.make("a field more")} {
		toAPI("/v1/transactions/"+id+"/consume", p.execution("exec-1", append(slices.Clone(fields), field, value)...), 403)
	}
	bad := p.execution("exec-1", fields...)
	bad["customer"] = content.make("another customer")
	toAPI("/v1/transactions/"+id+"/consume", bad, 403)
	bad = p.execution(content.make("request ")+"!", fields...)
	toAPI("/v1/transactions/"+id+"/consume", bad, 400)
	var got struct{ Permit string }
	fine(t, json.Unmarshal([]byte(toAPI("/v1/transactions/"+id+"/consume", p.execution("exec-1", fields...), 200).text), &got))
	content.envelope("permit", got.Permit)
	toAPI("/v1/transactions/"+id+"/consume", p.execution("exec-2", fields...), 409)
	toAPI("/v1/transactions/"+id+"/evidence", nil, 200)
	deliver := func() {
		for range 30 {
			w.Clock.Move(time.Second)
			_, err := w.DeliverDue(t.Context())
			fine(t, err)
		}
	}
	deliver() // nobody is there
	hook.up()
	push.up()
	deliver()
	// A second one is reported; a third one expires.
	_, offer = ask()
	deliver()
	token("POST", "/v1/decisions", decisionOf(content.envelope("report", p.phone.Decision(offer, transaction.NotMe, func(d *transaction.Decision) { d.Reason = "told_by_phone" }))), 200)
	fine(t, w.ResumeTransfers(t.Context(), p.ref))
	ask()
	deliver()
	w.Clock.Move(6 * time.Minute)
	fine(t, w.SweepDue(t.Context()))
	token("DELETE", "/v1/push", "", 200)
	deliver()

	rec := httptest.NewRecorder()
	w.house.internal.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	rows, inTransactions := "", ""
	for _, line := range w.state() {
		if strings.HasPrefix(line, "txn ") || strings.HasPrefix(line, "txn_envelope ") {
			inTransactions += line + "\n"
		} else {
			rows += line + "\n"
		}
	}
	mails := ""
	for _, m := range w.box.Messages() {
		mails += m.Subject + "\n" + m.Body + "\n"
	}
	file := read(t, w.file) + read(t, w.file+"-wal")
	told := strings.Join(append(hook.said(), push.said()...), "\n")
	places := map[string]string{"the log": w.log.String(), "the metrics": rec.Body.String(), "a refusal": secret.text.String(), "the mails": mails, "what others were told": told, "the rows of other tables": rows}
	if len(secret.names) < 30 || len(content.names) < 30 {
		t.Errorf("only %d secrets and %d contents", len(secret.names), len(content.names))
	}
	for place, text := range places {
		for _, name := range append(secret.hits(text), content.hits(text)...) {
			t.Errorf("%s is in %s", name, place)
		}
	}
	for _, name := range secret.hits(file + inTransactions) {
		t.Errorf("%s is in the database's file", name)
	}
	for _, name := range secret.hits(answers) {
		t.Errorf("%s is in an answer", name)
	}
	for _, place := range []string{"the log", "the metrics", "what others were told"} {
		for _, v := range []string{"hanako", "山田", "mail.example.jp", "0101-1-", "cus_", "みどり", "2026-11-25"} {
			if strings.Contains(places[place], v) {
				t.Errorf("%s holds %q", place, v)
			}
		}
	}
	// The bank is told which transaction, and what became of it, and nothing more; a phone is told nothing.
	kinds := map[string]int{}
	for _, h := range hook.said() {
		o, err := signing.Open(signing.TypEvent, h[strings.LastIndex(h, " ")+1:], w.Keys.Issuer().Key)
		fine(t, err)
		f, err := o.Fields("v", "event", "type", "transaction", "audience", "time")
		fine(t, err)
		kinds[f["type"]]++
		if f["v"] != "1" || !strings.HasPrefix(f["event"], "out_") || !strings.HasPrefix(f["transaction"], "txn_") || f["audience"] != "internet" {
			t.Errorf("the bank is told %v", f)
		}
	}
	if kinds["transaction.approved"] < 2 || kinds["transaction.reported"] != 1 || kinds["transaction.expired"] != 1 {
		t.Errorf("the bank was told of %v", kinds)
	}
	if len(push.said()) < 3 {
		t.Errorf("the phone was woken %d times, down and up", len(push.said()))
	}
	// The search sees what is there.
	if len(content.hits(inTransactions)) < 8 || !strings.Contains(rows, `"field":"payee.account"`) || len(content.hits(answers)) < 8 {
		t.Errorf("the search sees %v in the transactions, %v in the answers", content.hits(inTransactions), content.hits(answers))
	}
}
