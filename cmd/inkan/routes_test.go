package main

import (
	"encoding/json"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/passkey"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/testkit"
	files "github.com/inkan-auth/inkan/web"
)

// kind says who may come through a route, and in what form.
type kind string

const (
	open     kind = "open"     // a page for everybody
	inside   kind = "inside"   // a page or form of a session
	preForm  kind = "pre-form" // a form before there is a session
	back     kind = "back"     // a page or form of the road back; its cookie is no session
	harmless kind = "harmless" // a form that changes nothing but a preference of the browser
	doc      kind = "json"     // a JSON door
	protocol kind = "protocol" // OpenID Connect: other sites are meant to come
	desk     kind = "desk"     // a page or form of a session at the console; its tests stand in staff_test.go
)

// route is one row of the table of all doors. ask is what a test asks for, where the pattern is not itself an address.
type route struct {
	host, method, pattern string
	kind                  kind
	ask                   string
}

var routes = []route{
	{loginHost, "GET", "/{$}", open, "/"}, {loginHost, "GET", "/static/", open, "/static/kit.css"}, {loginHost, "POST", "/language", harmless, ""},
	{loginHost, "GET", "/login", open, ""}, {loginHost, "POST", "/login", preForm, ""}, {loginHost, "GET", "/logout", open, ""}, {loginHost, "POST", "/logout", inside, ""},
	{loginHost, "GET", "/gallery", open, ""}, {loginHost, "GET", "/gallery/{page}", open, "/gallery/login"}, {loginHost, "GET", "/", open, "/nowhere"},
	{loginHost, "GET", "/login/code", inside, ""}, {loginHost, "POST", "/login/code", inside, ""}, {loginHost, "GET", "/login/resync", inside, ""}, {loginHost, "POST", "/login/resync", inside, ""},
	{loginHost, "GET", "/renew", inside, ""}, {loginHost, "POST", "/renew", inside, ""},
	{loginHost, "GET", "/login/passwords", inside, ""}, {loginHost, "POST", "/login/passwords", inside, ""},
	{loginHost, "GET", "/token/apply", inside, ""}, {loginHost, "POST", "/token/apply", inside, ""}, {loginHost, "POST", "/token/test", inside, ""},
	{loginHost, "GET", "/token/address", inside, ""}, {loginHost, "POST", "/token/address", inside, ""},
	{loginHost, "GET", "/token/key", inside, ""}, {loginHost, "POST", "/token/key", inside, ""}, {loginHost, "POST", "/token/mail", inside, ""},
	{loginHost, "GET", "/token/state", inside, ""}, {loginHost, "GET", "/token/cancel", inside, ""}, {loginHost, "POST", "/token/cancel", inside, ""},
	{loginHost, "GET", "/token/start", inside, ""}, {loginHost, "POST", "/token/start", inside, ""}, {loginHost, "GET", "/token/done", inside, ""},
	{loginHost, "GET", "/token/stop", inside, ""}, {loginHost, "POST", "/token/stop", inside, ""},
	{loginHost, "GET", "/security", inside, ""}, {loginHost, "POST", "/security/session", inside, ""},
	{loginHost, "GET", "/security/transaction-authentication", inside, ""}, {loginHost, "POST", "/security/transaction-authentication", inside, ""},
	{loginHost, "GET", "/password", inside, ""}, {loginHost, "POST", "/password", inside, ""}, {loginHost, "GET", "/history", inside, ""},
	{loginHost, "POST", "/login/passkey", preForm, ""}, {loginHost, "POST", "/login/passkey/options", preForm, ""}, {loginHost, "GET", "/not-me", open, ""}, {loginHost, "POST", "/not-me", preForm, ""},
	{loginHost, "GET", "/security/passkeys", inside, ""}, {loginHost, "GET", "/security/passkeys/add", inside, ""}, {loginHost, "POST", "/security/passkeys/add", inside, ""},
	{loginHost, "POST", "/security/passkeys/options", inside, ""}, {loginHost, "POST", "/security/passkeys/name", inside, ""},
	{loginHost, "GET", "/security/passkeys/remove", inside, ""}, {loginHost, "POST", "/security/passkeys/remove", inside, ""},
	{loginHost, "GET", "/security/errand/{errand}", inside, noErrand}, {loginHost, "GET", "/security/errand/{errand}/state", inside, noErrand + "/state"},
	{loginHost, "POST", "/security/errand/{errand}/code", inside, noErrand + "/code"}, {loginHost, "POST", "/security/errand/{errand}/do", inside, noErrand + "/do"},
	{loginHost, "POST", "/security/errand/{errand}/cancel", inside, noErrand + "/cancel"},
	{loginHost, "GET", "/emergency-stop", open, ""}, {loginHost, "POST", "/emergency-stop", preForm, ""}, {loginHost, "GET", "/security/stop", inside, ""}, {loginHost, "POST", "/security/stop", inside, ""},
	{loginHost, "GET", "/security/notices", inside, ""}, {loginHost, "POST", "/security/notices/mails", inside, ""}, {loginHost, "GET", "/security/address", inside, ""}, {loginHost, "POST", "/security/address", inside, ""},

	{loginHost, "GET", "/applications", open, ""}, {loginHost, "GET", "/reissue", open, ""}, {loginHost, "POST", "/reissue", preForm, ""}, {loginHost, "GET", "/reissue/state", back, ""},
	{loginHost, "POST", "/reissue/card", back, ""}, {loginHost, "POST", "/reissue/confirm", back, ""}, {loginHost, "POST", "/reissue/phone", back, ""}, {loginHost, "POST", "/reissue/phone/code", back, ""}, {loginHost, "POST", "/reissue/order", back, ""},
	{loginHost, "POST", "/reissue/key", back, ""}, {loginHost, "POST", "/reissue/mail", back, ""}, {loginHost, "POST", "/reissue/start", back, ""}, {loginHost, "POST", "/reissue/cancel", back, ""},
	{loginHost, "GET", "/release-request", open, ""}, {loginHost, "POST", "/release-request", preForm, ""}, {loginHost, "POST", "/release-request/find", harmless, ""},
	{loginHost, "GET", "/release-request/sheet", open, ""}, {loginHost, "GET", "/release-request/state", open, ""}, {loginHost, "POST", "/release-request/withdraw", preForm, ""},
	{tokenHost, "POST", "/v1/registrations", doc, ""}, {tokenHost, "POST", "/v1/renewals", doc, ""}, {tokenHost, "POST", "/v1/renewals/confirmation", doc, ""}, {tokenHost, "GET", "/v1/time", doc, ""}, {tokenHost, "GET", "/v1/token", doc, ""},
	{tokenHost, "POST", "/v1/moves", doc, ""}, {tokenHost, "POST", "/v1/moves/cancel", doc, ""}, {tokenHost, "POST", "/v1/moves/finish", doc, ""},
	{tokenHost, "GET", "/{$}", open, "/"}, {tokenHost, "GET", "/r", open, ""},
	{tokenHost, "GET", "/v1/transactions", doc, ""}, {tokenHost, "POST", "/v1/decisions", doc, ""}, {tokenHost, "PUT", "/v1/push", doc, ""}, {tokenHost, "DELETE", "/v1/push", doc, ""},
	{tokenHost, "GET", "/v1/events", doc, ""}, {tokenHost, "POST", "/v1/stop", doc, ""}, {tokenHost, "POST", "/v1/token/objection", doc, ""}, {tokenHost, "GET", "/v1/notices", doc, ""},
	{tokenHost, "POST", "/v1/verifier/options", doc, ""}, {tokenHost, "PUT", "/v1/verifier", doc, ""}, {tokenHost, "POST", "/v1/verifier/removal", doc, ""},
	{apiHost, "POST", "/v1/otp/verifications", doc, ""}, {apiHost, "POST", "/v1/transactions", doc, ""}, {apiHost, "GET", "/v1/transactions/{id}", doc, "/v1/transactions/" + noID},
	{apiHost, "POST", "/v1/transactions/{id}/cancel", doc, "/v1/transactions/" + noID + "/cancel"}, {apiHost, "POST", "/v1/transactions/{id}/offline", doc, "/v1/transactions/" + noID + "/offline"},
	{apiHost, "POST", "/v1/transactions/{id}/consume", doc, "/v1/transactions/" + noID + "/consume"}, {apiHost, "GET", "/v1/transactions/{id}/evidence", doc, "/v1/transactions/" + noID + "/evidence"},
	{apiHost, "GET", "/v1/customers/{ref}/release-requests", doc, "/v1/customers/nobody/release-requests"},
	{apiHost, "GET", "/v1/customers/{ref}/transaction-authentication", doc, "/v1/customers/nobody/transaction-authentication"}, {apiHost, "GET", "/v1/reports", doc, ""},
	{apiHost, "POST", "/v1/customers/{ref}/stop", doc, "/v1/customers/nobody/stop"}, {apiHost, "GET", "/v1/customers/{ref}/assurance", doc, "/v1/customers/nobody/assurance"}, {apiHost, "POST", "/v1/phone-events", doc, ""},

	{loginHost, "GET", "/.well-known/openid-configuration", protocol, ""}, {loginHost, "GET", "/oidc/jwks", protocol, ""},
	{loginHost, "GET", "/oidc/authorize", protocol, "/oidc/authorize?client_id=bank"}, {loginHost, "POST", "/oidc/authorize", protocol, ""},
	{loginHost, "GET", "/oidc/authorize/{request}", protocol, "/oidc/authorize/none"}, {loginHost, "GET", "/oidc/logout", protocol, ""},
	{loginHost, "POST", "/oidc/logout", protocol, ""}, {loginHost, "GET", "/oidc/logout/{request}", protocol, "/oidc/logout/none"},
	{loginHost, "POST", "/oidc/par", protocol, ""}, {loginHost, "POST", "/oidc/token", protocol, ""},
	{loginHost, "GET", "/oidc/userinfo", protocol, ""}, {loginHost, "POST", "/oidc/userinfo", protocol, ""},
}

// deskRoutes are the doors of the console.
var deskRoutes = []route{
	{staffHost, "GET", "/static/", open, "/static/kit.css"}, {staffHost, "POST", "/language", harmless, ""}, {staffHost, "GET", "/{$}", desk, "/"},
	{staffHost, "GET", "/login", open, ""}, {staffHost, "POST", "/login", doc, ""}, {staffHost, "POST", "/login/options", doc, ""},
	{staffHost, "GET", "/register", open, ""}, {staffHost, "POST", "/register", doc, ""}, {staffHost, "POST", "/register/options", doc, ""},
	{staffHost, "POST", "/session", desk, ""}, {staffHost, "POST", "/logout", desk, ""},
	{staffHost, "GET", "/cases", desk, ""}, {staffHost, "POST", "/cases", desk, ""}, {staffHost, "GET", "/cases/new", desk, ""}, {staffHost, "POST", "/cases/new", desk, ""},
	{staffHost, "GET", "/cases/{id}", desk, noCase}, {staffHost, "POST", "/cases/{id}/receive", desk, noCase + "/receive"}, {staffHost, "POST", "/cases/{id}/tie", desk, noCase + "/tie"},
	{staffHost, "POST", "/cases/{id}/desk", desk, noCase + "/desk"}, {staffHost, "POST", "/cases/{id}/recall", desk, noCase + "/recall"}, {staffHost, "POST", "/cases/{id}/decide", desk, noCase + "/decide"},
	{staffHost, "POST", "/cases/{id}/letter", desk, noCase + "/letter"}, {staffHost, "POST", "/cases/{id}/scan", desk, noCase + "/scan"}, {staffHost, "GET", "/cases/{id}/scan/{scan}", desk, noCase + "/scan/" + "scn_00000000000000000000000000"},
	{staffHost, "GET", "/callbacks", desk, ""}, {staffHost, "GET", "/callbacks/{id}", desk, noCall}, {staffHost, "POST", "/callbacks/{id}/number", desk, noCall + "/number"},
	{staffHost, "POST", "/callbacks/{id}/prove", desk, noCall + "/prove"}, {staffHost, "POST", "/callbacks/{id}/missed", desk, noCall + "/missed"}, {staffHost, "POST", "/callbacks/{id}/denied", desk, noCall + "/denied"},
	{staffHost, "GET", "/customers", desk, ""}, {staffHost, "POST", "/customers", desk, ""}, {staffHost, "GET", "/customers/{id}", desk, "/customers/cus_01h455vb4pex5vsknk084sn02q"},
	{staffHost, "POST", "/customers/{id}/reveal", desk, "/customers/cus_01h455vb4pex5vsknk084sn02q/reveal"}, {staffHost, "GET", "/customers/{id}/stop", desk, "/customers/cus_01h455vb4pex5vsknk084sn02q/stop"},
	{staffHost, "POST", "/customers/{id}/stop", desk, "/customers/cus_01h455vb4pex5vsknk084sn02q/stop"}, {staffHost, "POST", "/customers/{id}/restart", desk, "/customers/cus_01h455vb4pex5vsknk084sn02q/restart"},
	{staffHost, "GET", "/orders", desk, ""}, {staffHost, "POST", "/orders", desk, ""}, {staffHost, "GET", "/orders/{id}", desk, "/orders/ord_01h455vb4pex5vsknk084sn02q"},
	{staffHost, "POST", "/orders/{id}", desk, "/orders/ord_01h455vb4pex5vsknk084sn02q"}, {staffHost, "POST", "/orders/{id}/withdraw", desk, "/orders/ord_01h455vb4pex5vsknk084sn02q/withdraw"},
	{staffHost, "GET", "/staff", desk, ""}, {staffHost, "GET", "/staff/new", desk, ""}, {staffHost, "POST", "/staff/new", desk, ""}, {staffHost, "GET", "/staff/{id}", desk, "/staff/stf_01h455vb4pex5vsknk084sn02q"},
	{staffHost, "POST", "/staff/{id}/confirm", desk, "/staff/stf_01h455vb4pex5vsknk084sn02q/confirm"}, {staffHost, "POST", "/staff/{id}/suspend", desk, "/staff/stf_01h455vb4pex5vsknk084sn02q/suspend"}, {staffHost, "POST", "/staff/{id}/order", desk, "/staff/stf_01h455vb4pex5vsknk084sn02q/order"},
	{staffHost, "GET", "/policy", desk, ""}, {staffHost, "GET", "/policy/{name}", desk, "/policy/cooling_off"}, {staffHost, "POST", "/policy/{name}", desk, "/policy/cooling_off"},
	{staffHost, "GET", "/fraud", desk, ""}, {staffHost, "GET", "/fraud/{id}", desk, noIncident}, {staffHost, "POST", "/fraud/{id}/take", desk, noIncident + "/take"}, {staffHost, "POST", "/fraud/{id}/note", desk, noIncident + "/note"},
	{staffHost, "POST", "/fraud/{id}/close", desk, noIncident + "/close"}, {staffHost, "POST", "/fraud/{id}/reopen", desk, noIncident + "/reopen"}, {staffHost, "POST", "/fraud/{id}/stop", desk, noIncident + "/stop"},
	{staffHost, "GET", "/trail", desk, ""}, {staffHost, "POST", "/trail/export", desk, ""}, {staffHost, "POST", "/trail/ask", desk, ""}, {staffHost, "POST", "/trail/export/{id}", desk, "/trail/export/exp_00000000000000000000000000"},
	{staffHost, "GET", "/reports/releases", desk, ""}, {staffHost, "GET", "/figures", desk, ""}, {staffHost, "GET", "/figures/{picture}", desk, "/figures/logins.svg"},
}

func init() { routes = append(routes, deskRoutes...) }

// noIncident is the page of an incident that is nobody's.
const noIncident = "/fraud/inc_00000000000000000000000000"

// noCall is the page of a call that nobody waits for.
const noCall = "/callbacks/tel_00000000000000000000000000"

// noCase is the page of a release request that is nobody's.
const noCase = "/cases/rel_00000000000000000000000000"

// noID is of a transaction's form and nobody's; noErrand is the page of an errand that is nobody's.
const (
	noID     = "txn_00000000000000000000000000"
	noErrand = "/security/errand/ask_00000000000000000000000000"
)

// script says whether a page's script asks there: it is answered with JSON, and refused with a problem document.
func (r route) script() bool {
	return r.host == loginHost && (strings.HasSuffix(r.pattern, "/options") || strings.HasSuffix(r.pattern, "/state"))
}

func (r route) address() string {
	if r.ask != "" {
		return r.ask
	}
	return r.pattern
}

// A route that is added without a row in the table is a door that no attack has been tried on.
func TestTheTableHasEveryRoute(t *testing.T) {
	known := map[string]bool{}
	for _, r := range routes {
		p := r.pattern
		if r.kind == protocol {
			p = strings.TrimPrefix(p, "/oidc")
		}
		known[r.method+" "+p] = true
	}
	pattern := regexp.MustCompile(`"((?:GET|POST|PUT|PATCH|DELETE) /[^"]*)"`)
	found := 0
	for _, dir := range []string{"customer", "tokenapp", "api", "oidc", "console"} {
		names, err := filepath.Glob("../../internal/server/" + dir + "/*.go")
		fine(t, err)
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			b, err := os.ReadFile(name)
			fine(t, err)
			for _, m := range pattern.FindAllStringSubmatch(string(b), -1) {
				if found++; !known[m[1]] && m[1] != "GET /" {
					t.Errorf("%s mounts %s, which is not in the table", filepath.Base(name), m[1])
				}
			}
		}
	}
	if found < len(routes)-3 {
		t.Errorf("only %d routes were found in the sources", found)
	}
}

// standing is a house with a customer of each situation, so that every form would do something if it were let through.
type standing struct {
	*attacked
	ordered    *testkit.Browser // has applied
	registered *testkit.Browser // her phone is registered
	inUse      *testkit.Browser // uses her token
	owing      *testkit.Browser // owes a code
	expired    *testkit.Browser // owes one that no token can show any more
	first      *testkit.Browser // must change the bank's passwords
	fresh      *testkit.Browser // has nothing
	phone      *testkit.Phone   // of inUse
	waiting    *testkit.Phone   // of registered

	device   *testkit.Authenticator // keeps a passkey of inUse, and another one that is made and not registered yet
	passkey  passkey.Passkey
	approved authority.Errand // another passkey for inUse, which her phone has approved
	made     []byte           // that passkey
	plain    *testkit.Browser // without a token, who is registering a passkey by mail
	byMail   authority.Errand
	mailed   string // its code
	objects  string // the code of a notice to somebody else

	leaving *testkit.Browser // who stops her service
	back    recovery
	card    int // forms of release requests so far; each is made once
}

func stand(t testing.TB) *standing {
	w := attack(t)
	s := &standing{attacked: w}
	s.ordered = w.LogIn(w.Person(1, false), authority.PC)
	s.registered = w.LogIn(w.Person(2, false), authority.PC)
	third := w.Person(3, false)
	s.inUse = w.LogIn(third, authority.PC)
	s.first = w.LogIn(w.Person(4, true), authority.PC)
	s.fresh = w.LogIn(w.Person(5, false), authority.PC)
	s.phone = w.enrolled(s.inUse)
	s.owing = w.LogIn(third, authority.PC)
	s.leaving = w.LogIn(w.Person(31, false), authority.PC)
	w.Person(32, false) // who stops hers without a log-in
	s.passkeys()
	s.waiting = w.registered(s.registered)
	late := w.Person(40, false)
	token := w.enrolled(w.LogIn(late, authority.PC)).Answer.Token
	if _, err := w.at.Exec("UPDATE token SET expires_at = ? WHERE id = ?", w.Clock.Now().Add(-24*time.Hour).UnixMicro(), token); err != nil {
		t.Fatal(err)
	}
	s.expired = w.LogIn(late, authority.PC)
	s.back = s.recover()
	fine(t, w.Apply(t.Context(), s.ordered.Session, []byte(testkit.Confirm)))
	w.deliver()
	w.Clock.Move(2 * time.Second) // a mail may be sent again
	return s
}

// deliver delivers all mails.
func (w *attacked) deliver() {
	w.t.Helper()
	for n := 1; n > 0; {
		var err error
		n, err = w.DeliverDue(w.t.Context())
		fine(w.t, err)
	}
}

// passkeys brings every errand about a passkey to where a form moves it on.
func (s *standing) passkeys() {
	s.t.Helper()
	ctx, origin := s.t.Context(), "https://"+loginHost
	s.device = testkit.NewAuthenticator()
	approved := func() (e authority.Errand, made []byte) {
		s.Clock.Move(time.Second) // of two errands the later one counts
		e, err := s.Ask(ctx, s.inUse.Session, authority.AddPasskey, "")
		fine(s.t, err)
		s.inUse.Approve(e, s.phone, transaction.Yes)
		options, err := s.PasskeyOptions(ctx, s.inUse.Session, e.ID)
		fine(s.t, err)
		device := testkit.NewAuthenticator() // one device makes one passkey for each customer
		made = device.Create(options, origin)
		s.device.Credentials = append(device.Credentials, s.device.Credentials...)
		return e, made
	}
	e, made := approved()
	p, err := s.AddPasskey(ctx, s.inUse.Session, e.ID, "PC", made)
	fine(s.t, err)
	s.passkey = p
	s.approved, s.made = approved()

	s.plain = s.LogIn(s.Person(8, false), authority.PC)
	s.deliver()
	s.LogIn(s.Person(9, false), authority.PC)
	s.deliver()
	s.objects = latest(s.attacked, regexp.MustCompile(`/not-me#([2-9A-Z]{16})`))
	s.byMail, err = s.AskByMail(ctx, s.plain.Session, authority.AddPasskey, []byte(testkit.Login), []byte(testkit.Confirm))
	fine(s.t, err)
	s.deliver()
	s.mailed = strings.ReplaceAll(latest(s.attacked, regexp.MustCompile(`(?m)\b(\d{4} \d{4})\b`)), " ", "")
}

// latest finds a text in the latest mail that has it.
func latest(w *attacked, what *regexp.Regexp) string {
	w.t.Helper()
	for _, m := range w.box.Messages() {
		if found := what.FindStringSubmatch(m.Body); found != nil {
			return found[1]
		}
	}
	w.t.Fatalf("no mail has %s", what)
	return ""
}

// deeds is one right request for every form: it is known that each changes something when nothing stands in its way.
func (s *standing) deeds() map[string]ask {
	pw := "aoi-sora-to-umi-9"
	all := s.recoveryDeeds()
	maps.Copy(all, map[string]ask{
		"/logout":                              form("/logout", s.fresh),
		"/login/code":                          form("/login/code", s.owing, "code", s.phone.Code()),
		"/login/resync":                        form("/login/resync", s.owing, "first", s.phone.CodeAt(-1), "second", s.phone.Code()),
		"/renew":                               form("/renew", s.expired, "confirm", testkit.Confirm),
		"/login/passwords":                     form("/login/passwords", s.first, "confirm", testkit.Confirm, "new_login", pw, "new_login_again", pw, "new_confirm", pw+"x", "new_confirm_again", pw+"x"),
		"/token/apply":                         form("/token/apply", s.fresh, "confirm", testkit.Confirm),
		"/token/test":                          form("/token/test", s.fresh),
		"/token/address":                       form("/token/address", s.fresh, "confirm", testkit.Confirm, "mail", "new@mail.example.jp"),
		"/token/key":                           form("/token/key", s.ordered),
		"/token/mail":                          form("/token/mail", s.ordered),
		"/token/cancel":                        form("/token/cancel", s.ordered),
		"/token/start":                         form("/token/start", s.registered, "code", s.waiting.Code()),
		"/token/stop":                          form("/token/stop", s.inUse, "confirm", testkit.Confirm),
		"/security/session":                    form("/security/session", s.inUse, "session", s.owing.ID),
		"/security/transaction-authentication": form("/security/transaction-authentication", s.inUse, "read", "yes", "code", s.phone.Code()),
		"/password":                            form("/password", s.inUse, "which", "login", "old", testkit.Login, "new_login", pw, "new_login_again", pw, "code", s.phone.Code()),
		"/login":                               s.loginForm("hanako05", testkit.Login),

		"/login/passkey":                   s.passkeyForm(),
		"/login/passkey/options":           preFormed("/login/passkey/options"),
		"/not-me":                          preFormed("/not-me", "objection", s.objects),
		"/security/passkeys/add":           form("/security/passkeys/add", s.inUse),
		"/security/passkeys/options":       form("/security/passkeys/options", s.inUse, "errand", s.approved.ID),
		"/security/passkeys/name":          form("/security/passkeys/name", s.inUse, "passkey", s.passkey.ID, "name", "another name"),
		"/security/passkeys/remove":        form("/security/passkeys/remove", s.inUse, "passkey", s.passkey.ID),
		"/security/errand/{errand}/code":   form("/security/errand/"+s.byMail.ID+"/code", s.plain, "mailed", s.mailed),
		"/security/errand/{errand}/do":     form("/security/errand/"+s.approved.ID+"/do", s.inUse, "name", "PC 2", "response", string(s.made)),
		"/security/errand/{errand}/cancel": form("/security/errand/"+s.byMail.ID+"/cancel", s.plain),

		"/emergency-stop":         preFormed("/emergency-stop", "login_id", "hanako32", "by", "confirm", "secret", testkit.Confirm),
		"/security/stop":          form("/security/stop", s.leaving),
		"/security/notices/mails": form("/security/notices/mails", s.inUse, "mail", "login_known_device", "on", "yes"),
		"/security/address":       form("/security/address", s.inUse, "mail", "hanako@another.example.jp"),
	})
	return all
}

// preFormed is a form before there is a session, with the cookie of its page.
func preFormed(path string, pairs ...string) ask {
	value := strings.Repeat("A", 43)
	a := form(path, nil, append([]string{"form", value}, pairs...)...)
	a.cookies = map[string]string{"__Host-pre": value}
	return a
}

// passkeyForm is a login with the passkey of inUse.
func (s *standing) passkeyForm() ask {
	s.t.Helper()
	options, err := s.PasskeyLogin(s.t.Context(), strings.Repeat("A", 43))
	fine(s.t, err)
	var o struct{ Challenge string }
	fine(s.t, json.Unmarshal(options, &o))
	return preFormed("/login/passkey", "response", string(s.device.GetWith(s.device.Credentials[len(s.device.Credentials)-1], o.Challenge, "https://"+loginHost)))
}

func (w *attacked) loginForm(id, pw string) ask {
	return preFormed("/login", "login_id", id, "login_password", pw)
}

// Every form does something when it is right: without this the attacks below would prove nothing.
func TestEveryFormDoesWhatItIsFor(t *testing.T) {
	t.Parallel()
	s := stand(t)
	order := []string{"/renew", "/token/test", "/token/address", "/login", "/token/apply", "/logout", "/token/key", "/token/mail", "/token/cancel", "/token/start", "/login/passwords", "/login/passkey/options", "/login/passkey",
		"/security/passkeys/add", "/security/passkeys/options", "/security/passkeys/name", "/security/errand/{errand}/do", "/security/passkeys/remove", "/security/errand/{errand}/code", "/security/errand/{errand}/cancel", "/not-me", "/emergency-stop", "/security/stop", "/security/notices/mails",
		"/reissue", "/reissue/card", "/reissue/confirm", "/reissue/phone", "/reissue/phone/code", "/reissue/order", "/reissue/key", "/reissue/mail", "/reissue/start", "/reissue/cancel",
		"/login/resync", "/login/code", "/token/stop", "/security/session", "/security/transaction-authentication", "/security/address", "/password",
		"/release-request", "/release-request/withdraw"}
	deeds := s.deeds()
	for _, path := range order {
		if path == "/security/address" {
			fine(t, s.CancelErrand(t.Context(), s.inUse.Session, s.text("SELECT id FROM errand WHERE customer = ? AND act = 'token.stop'", s.inUse.Customer)))
		}
		if path == "/token/stop" { // one thing is asked at a time: what the removal asks for is withdrawn first
			fine(t, s.CancelErrand(t.Context(), s.inUse.Session, s.text("SELECT id FROM errand WHERE customer = ? ORDER BY created_at DESC, id DESC LIMIT 1", s.inUse.Customer)))
		}
		if path == "/security/session" { // that of owing has just gone on to another one
			deeds[path] = form(path, s.inUse, "session", s.LogIn("hanako03", authority.PC).ID)
		}
		if path == "/login/resync" { // neither of its two codes has been used
			s.Clock.Move(time.Minute)
		}
		if path == "/login/resync" || path == "/login/code" || path == "/password" || path == "/security/transaction-authentication" { // the code that stands in all these forms is good once
			s.Clock.Move(time.Minute)
			deeds[path] = s.deeds()[path]
		}
		if path == "/token/apply" {
			deeds[path] = form("/token/apply", s.fresh, "confirm", testkit.Confirm)
			s.Clock.Move(time.Second)
		}
		before := s.state()
		r := s.send(deeds[path])
		done := s.scalar("SELECT count(*) FROM audit_entry WHERE outcome = 'refused'")
		want := http.StatusSeeOther
		if strings.HasSuffix(path, "/options") {
			want = http.StatusOK
		}
		if r.StatusCode != want || len(changed(before, s.state())) == 0 || done != 0 && path != "/token/apply" {
			t.Errorf("%s answers %d and %d were refused, the last as %s: %s", path, r.StatusCode, done, s.text("SELECT coalesce(max(id || ' ' || action || ' ' || reason), '-') FROM audit_entry WHERE outcome = 'refused'"), r.Header.Get("Location"))
		}
		if path == "/token/apply" { // the new address must be waited for: a refusal that is written down
			_, err := s.at.ExecContext(t.Context(), "DELETE FROM audit_entry WHERE outcome = 'refused'")
			fine(t, err)
		}
	}
	for _, r := range routes {
		if _, ok := deeds[r.pattern]; r.method == "POST" && (r.kind == inside || r.kind == preForm || r.kind == back) && (!ok || !slices.Contains(order, r.pattern)) {
			t.Errorf("no right request is known for POST %s, or it is not sent", r.pattern)
		}
	}
}

func TestNoRouteTakesAnotherMethod(t *testing.T) {
	t.Parallel()
	s := stand(t)
	may := map[string][]string{}
	for _, r := range routes {
		path, _, _ := strings.Cut(r.address(), "?")
		may[r.host+path] = append(may[r.host+path], r.method)
	}
	s.unchanged("a wrong method", func() {
		for _, r := range routes {
			path, _, _ := strings.Cut(r.address(), "?")
			for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "FOO"} {
				if slices.Contains(may[r.host+path], method) {
					continue
				}
				a := form(path, s.inUse, "code", s.phone.Code(), "confirm", testkit.Confirm)
				a.method, a.host = method, r.host
				if got := s.send(a).StatusCode; got != http.StatusMethodNotAllowed && got != http.StatusNotFound {
					t.Errorf("%s answers %d", a, got)
				}
				a.method = "GET"
				if method == "POST" && !slices.Contains(may[r.host+path], "GET") { // a method in a header or a field is not a method
					a = a.with("X-HTTP-Method-Override", "POST")
					a.path += "?_method=POST"
					if got := s.send(a).StatusCode; got != http.StatusMethodNotAllowed && got != http.StatusNotFound {
						t.Errorf("%s answers %d", a, got)
					}
				}
			}
		}
	})
}

func TestFormsOfOtherSitesDoNothing(t *testing.T) {
	t.Parallel()
	s := stand(t)
	deeds := s.deeds()
	deeds["/language"] = form("/language", nil, "to", "en")
	p := s.asker(6)
	id, offer := s.asked(p)
	for door, a := range s.rightRequests(p, id, offer) {
		if a.host == tokenHost && a.method != "GET" { // systems bring their proof with each request: no browser can be made to
			deeds[door] = a
		}
	}
	for path, right := range deeds {
		for _, head := range []map[string]string{
			{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "cross-site", "Origin": "https://" + right.host}, {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
			{"Sec-Fetch-Site": "", "Origin": "null"}, {"Sec-Fetch-Site": "", "Origin": "https://" + right.host + ".evil.example"}, {"Sec-Fetch-Site": "", "Origin": bankSite},
			{"Sec-Fetch-Site": "", "Origin": "https://token.bank.example:8443"}, {"Sec-Fetch-Site": "nonsense"},
		} {
			a := right
			for k, v := range head {
				a = a.with(k, v)
			}
			s.unchanged(path, func() {
				form := map[string]string{loginHost: "text/html; charset=utf-8", tokenHost: "application/problem+json"}[right.host]
				if strings.HasSuffix(path, "/options") {
					form = "application/problem+json"
				}
				if r := s.send(a); r.StatusCode != http.StatusForbidden || len(r.Header.Values("Set-Cookie")) > 0 || r.Header.Get("Content-Type") != form {
					t.Errorf("%s with %v answers %d, %s", a, head, r.StatusCode, r.Header.Get("Content-Type"))
				}
			})
		}
	}
}

func TestFormsWithoutTheirTokenDoNothing(t *testing.T) {
	t.Parallel()
	s := stand(t)
	deeds := s.deeds()
	for _, r := range routes {
		if r.method != "POST" || r.host != loginHost || r.kind == protocol || r.kind == harmless {
			continue
		}
		right := deeds[r.pattern]
		own := regexp.MustCompile(`form=([^&]*)`).FindStringSubmatch(right.body)[1]
		for name, a := range map[string]ask{
			"none":        {body: strings.ReplaceAll(right.body, "form="+own, "nothing=")},
			"empty":       {body: strings.ReplaceAll(right.body, "form="+own, "form=")},
			"another's":   {body: strings.ReplaceAll(right.body, "form="+own, "form="+s.other(right).CSRF)},
			"cut":         {body: strings.ReplaceAll(right.body, "form="+own, "form="+own[:len(own)-1])},
			"longer":      {body: strings.ReplaceAll(right.body, "form="+own, "form="+own+"A")},
			"in address":  {body: strings.ReplaceAll(right.body, "form="+own, "nothing="), path: right.path + "?form=" + own},
			"wrong first": {body: "form=wrong&" + right.body},
			"as JSON":     {body: `{"form":"` + own + `"}`, head: map[string]string{"Content-Type": "application/json", "Sec-Fetch-Site": "same-origin"}},
			"as text":     {body: right.body, head: map[string]string{"Content-Type": "text/plain", "Sec-Fetch-Site": "same-origin"}},
			"as parts": {body: "--b\r\nContent-Disposition: form-data; name=\"form\"\r\n\r\n" + own + "\r\n--b--\r\n",
				head: map[string]string{"Content-Type": "multipart/form-data; boundary=b", "Sec-Fetch-Site": "same-origin"}},
		} {
			a.method, a.host, a.cookies = right.method, right.host, right.cookies
			if a.path == "" {
				a.path = right.path
			}
			if a.head == nil {
				a.head = right.head
			}
			s.unchanged(r.pattern+" with the token: "+name, func() {
				if got := s.send(a).StatusCode; got != http.StatusForbidden {
					t.Errorf("%s with the token: %s answers %d", a, name, got)
				}
			})
		}
	}
	naked := deeds["/login"]
	naked.cookies = nil
	short := s.loginForm("hanako05", testkit.Login)
	short.body, short.cookies = strings.Replace(short.body, strings.Repeat("A", 43), "", 1), map[string]string{"__Host-pre": ""}
	for _, a := range []ask{naked, short} {
		s.unchanged("a log-in without its cookie", func() {
			if got := s.send(a).StatusCode; got != http.StatusForbidden {
				t.Errorf("a log-in without its cookie answers %d", got)
			}
		})
	}
}

// other is a browser that did not make this request.
func (s *standing) other(a ask) *testkit.Browser {
	if a.cookies["__Host-inkan"] == s.fresh.Cookie.Session {
		return s.inUse
	}
	return s.fresh
}

func TestBodiesBeyondTheLimitAreNotRead(t *testing.T) {
	t.Parallel()
	s := stand(t)
	deeds := s.deeds()
	pad := strings.Repeat("x", 64<<10)
	for _, r := range routes {
		if r.method != "POST" && r.method != "PUT" || r.pattern == "/cases/{id}/scan" { // which takes a file, once it knows who brings it: TestACaseOverTheWire
			continue
		}
		a, ok := deeds[r.pattern]
		switch {
		case r.kind == doc:
			a = jsonTo(r.host, r.address(), jsonDoors[r.pattern].body(pad)).with("Authorization", asSystem("branch", s.branch))
			a.method = r.method
			if r.host == tokenHost {
				a = a.with("DPoP", s.phone.Proof(r.method, r.pattern, []byte(a.body)).DPoP)
			}
		case r.kind == protocol:
			a = ask{method: "POST", host: r.host, path: r.address(), body: "client_id=bank&state=" + pad, head: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}
		case ok:
			a.body += "&more=" + pad
		default:
			a = form(r.address(), nil, "to", "en", "more", pad)
			a.host = r.host
		}
		s.unchanged(a, func() {
			if got := s.send(a).StatusCode; got < 400 || got >= 500 || r.kind != doc && r.kind != protocol && !r.script() && got != http.StatusRequestEntityTooLarge {
				t.Errorf("%s answers %d to a body beyond the limit", a, got)
			}
		})
	}
}

func TestJSONDoorsTakeOneFormOnly(t *testing.T) {
	t.Parallel()
	w := attack(t)
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + `"x"` + strings.Repeat("}", n) }
	for _, r := range routes {
		door := struct{ host, path, member, rest string }{r.host, r.address(), jsonDoors[r.pattern].member, jsonDoors[r.pattern].rest}
		if r.kind != doc || r.method == "GET" || r.method == "DELETE" {
			continue
		}
		good := jsonDoors[r.pattern].body("x")
		cases := map[string]ask{
			"a member twice":                    jsonTo(door.host, door.path, `{"`+door.member+`":"x","`+door.member+`":"y"`+door.rest+`}`),
			"a member twice in two spellings":   jsonTo(door.host, door.path, `{"`+door.member+`":"x","`+strings.ToUpper(door.member)+`":"y"`+door.rest+`}`),
			"a member in another spelling":      jsonTo(door.host, door.path, `{"`+strings.ToUpper(door.member)+`":"x"`+door.rest+`}`),
			"a member twice, once escaped":      jsonTo(door.host, door.path, `{"`+door.member+`":"x","\u00`+string("0123456789abcdef"[door.member[0]>>4])+string("0123456789abcdef"[door.member[0]&15])+door.member[1:]+`":"y"`+door.rest+`}`),
			"an unknown member":                 jsonTo(door.host, door.path, `{"`+door.member+`":"x","role":"admin"`+door.rest+`}`),
			"a depth of nine":                   jsonTo(door.host, door.path, deep(9)),
			"a depth of ten thousand":           jsonTo(door.host, door.path, strings.Repeat("[", 10000)),
			"too many members":                  jsonTo(door.host, door.path, `{"`+door.member+`":{`+strings.TrimSuffix(many(65), ",")+`}}`),
			"something behind it":               jsonTo(door.host, door.path, good+good),
			"a bracket behind it":               jsonTo(door.host, door.path, good+"]"),
			"invalid UTF-8":                     jsonTo(door.host, door.path, `{"`+door.member+`":"`+"\xff\xfe"+`"`+door.rest+`}`),
			"a lonely surrogate":                jsonTo(door.host, door.path, `{"`+door.member+`":"\ud800"`+door.rest+`}`),
			"a byte order mark":                 jsonTo(door.host, door.path, "\ufeff"+good),
			"another type":                      jsonTo(door.host, door.path, `{"`+door.member+`":1`+door.rest+`}`),
			"an array":                          jsonTo(door.host, door.path, "["+good+"]"),
			"nothing":                           jsonTo(door.host, door.path, ""),
			"null":                              jsonTo(door.host, door.path, "null"),
			"half of it":                        jsonTo(door.host, door.path, good[:len(good)-2]),
			"a number that is none":             jsonTo(door.host, door.path, `{"`+door.member+`":NaN}`),
			"no media type":                     jsonTo(door.host, door.path, good).with("Content-Type", ""),
			"a form":                            jsonTo(door.host, door.path, good).with("Content-Type", "application/x-www-form-urlencoded"),
			"plain text, as a form can send it": jsonTo(door.host, door.path, good).with("Content-Type", "text/plain"),
			"a media type that only begins so":  jsonTo(door.host, door.path, good).with("Content-Type", "application/jsonp"),
		}
		for name, a := range cases {
			if door.host == apiHost {
				a = a.with("Authorization", asSystem("branch", w.branch))
			}
			a.method = r.method
			if name == "another type" && door.member == "none" {
				continue // a door that takes no member has none of another type
			}
			w.unchanged(name, func() {
				r := w.send(a)
				if r.StatusCode != http.StatusBadRequest || !strings.Contains(r.text, "urn:inkan:problem:malformed") || r.Header.Get("Content-Type") != "application/problem+json" {
					t.Errorf("%s: %s is answered %d %s", a, name, r.StatusCode, r.text)
				}
			})
		}
	}
	// The counterpart: a right body is understood, so what was refused above was refused for its form.
	for _, r := range routes {
		if r.kind != doc || r.method == "GET" || r.method == "DELETE" {
			continue
		}
		a := jsonTo(r.host, r.address(), jsonDoors[r.pattern].body("x")).with("Authorization", asSystem("branch", w.branch)).with("Idempotency-Key", "k")
		a.method = r.method
		if ans := w.send(a); ans.StatusCode == http.StatusBadRequest && r.pattern != "/v1/registrations" && !strings.HasPrefix(r.pattern, "/v1/renewals") && r.pattern != "/v1/transactions/{id}/consume" || strings.Contains(ans.text, "client-refused") {
			t.Errorf("%s: a right body is answered %d %s", a, ans.StatusCode, ans.text)
		}
	}
}

func many(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(`"a` + string(rune('a'+i%26)) + string(rune('a'+i/26)) + `":"x",`)
	}
	return b.String()
}

func asSystem(id, secret string) string {
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth(id, secret)
	return r.Header.Get("Authorization")
}

// Without a session, and with a cookie that only looks like one, there is the log-in and nothing else.
func TestWithoutASessionThereIsOnlyTheLogin(t *testing.T) {
	t.Parallel()
	s := stand(t)
	deeds := s.deeds()
	own := s.inUse.Cookie.Session
	swap := []byte(own)
	if swap[3]++; swap[3] == '{' || swap[3] == '[' {
		swap[3] = 'B'
	}
	ended := s.LogIn("hanako05", authority.PC)
	fine(t, s.Logout(t.Context(), ended.Session))
	cookies := []string{"", own[:len(own)-1], own + "A", own + "=", strings.ToLower(own), strings.ToUpper(own), string(swap), s.inUse.ID, s.inUse.CSRF, "null", ended.Cookie.Session}
	for _, r := range routes {
		if r.kind != inside {
			continue
		}
		a := get(r.host, r.address())
		if r.method == "POST" {
			a = deeds[r.pattern]
		}
		for _, c := range cookies {
			a.cookies = map[string]string{"__Host-inkan": c}
			if c == "" {
				a.cookies = nil
			}
			s.unchanged(a, func() {
				ans := s.send(a)
				to := ans.Header.Get("Location")
				switch {
				case r.script():
					if ans.StatusCode != http.StatusUnauthorized {
						t.Errorf("%s with the cookie %q answers %d", a, c, ans.StatusCode)
					}
				case r.pattern == "/logout": // ending nothing is no error
					if ans.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to, "/logout") {
						t.Errorf("%s with the cookie %q answers %d %s", a, c, ans.StatusCode, to)
					}
				case ans.StatusCode != http.StatusSeeOther || to != "/login" && !strings.HasPrefix(to, "/login?next="):
					t.Errorf("%s with the cookie %q answers %d %s", a, c, ans.StatusCode, to)
				}
			})
		}
	}
}

// A session that still owes a step reaches nothing but that step.
func TestAnEarlierStepCannotBeSkipped(t *testing.T) {
	t.Parallel()
	s := stand(t)
	for name, owes := range map[string]struct {
		b     *testkit.Browser
		leads string
		own   []string
	}{"a code": {s.owing, "/login/code", []string{"/login/code", "/login/resync", "/logout", "/security/stop"}}, "new passwords": {s.first, "/login/passwords", []string{"/login/passwords", "/logout", "/security/stop"}}} {
		for _, r := range routes {
			if r.kind != inside || slices.Contains(owes.own, r.pattern) {
				continue
			}
			a := get(r.host, r.address()).as(owes.b)
			if r.method == "POST" {
				a = form(r.address(), owes.b, "confirm", testkit.Confirm, "code", s.phone.Code(), "session", s.inUse.ID, "which", "login", "old", testkit.Login,
					"new_login", "aoi-sora-to-umi-9", "new_login_again", "aoi-sora-to-umi-9", "mail", "new@mail.example.jp")
			}
			s.unchanged(a, func() {
				ans := s.send(a)
				if r.script() && ans.StatusCode == http.StatusForbidden {
					return
				}
				if ans.StatusCode != http.StatusSeeOther || !strings.HasPrefix(ans.Header.Get("Location"), owes.leads) {
					t.Errorf("who owes %s gets at %s: %d %s", name, a, ans.StatusCode, ans.Header.Get("Location"))
				}
			})
		}
	}
}

func TestWhatBelongsToAnotherCustomerIsNotFound(t *testing.T) {
	t.Parallel()
	s := stand(t)
	live := func() int { return s.scalar("SELECT count(*) FROM session WHERE ended_at = 0") }
	before := live()
	for _, id := range []string{s.inUse.ID, s.ordered.ID, "ses_00000000000000000000000000", "' OR 1=1 --", ""} {
		r := s.send(form("/security/session", s.fresh, "session", id))
		if r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/security" || live() != before {
			t.Errorf("ending the session %q of somebody else: %d, %d of %d are left", id, r.StatusCode, live(), before)
		}
	}
	if n := s.scalar("SELECT count(*) FROM audit_entry WHERE action = 'session.end' AND outcome = 'refused' AND reason = 'not-found'"); n != 5 {
		t.Errorf("%d of 5 tries were refused as not found", n)
	}
	// Her own key and number under another's enrolment register nothing.
	key, err := s.RegistrationKey(t.Context(), s.ordered.Session, false)
	fine(t, err)
	number := s.mailedNumber()
	fine(t, s.Apply(t.Context(), s.fresh.Session, []byte(testkit.Confirm)))
	another := s.text("SELECT id FROM enrolment WHERE customer = ? AND state = 'ordered'", s.fresh.Customer)
	p := testkit.NewPhone(s.World)
	secret := strings.Split(key.Link, ".")[len(strings.Split(key.Link, "."))-2]
	tokens := s.scalar("SELECT count(*) FROM token")
	if r := s.send(jsonTo(tokenHost, "/v1/registrations", `{"registration":"`+p.Seal(p.Request(another, secret, number))+`"}`)); r.StatusCode != http.StatusForbidden ||
		s.scalar("SELECT count(*) FROM token") != tokens || s.text("SELECT state FROM enrolment WHERE id = ?", another) != "ordered" {
		t.Errorf("a key under another's enrolment: %d %s", r.StatusCode, r.text)
	}
	own := s.text("SELECT id FROM enrolment WHERE customer = ? AND state = 'ordered'", s.ordered.Customer)
	if r := s.send(jsonTo(tokenHost, "/v1/registrations", `{"registration":"`+p.Seal(p.Request(own, secret, number))+`"}`)); r.StatusCode != http.StatusCreated {
		t.Errorf("the same under her own: %d %s", r.StatusCode, r.text)
	}
	// A proof by one phone in the name of another's token opens nothing.
	if r := s.send(get(tokenHost, "/v1/token").with("DPoP", proof(t, s, s.waiting, s.waiting.Answer.Token, "GET", testkit.TokenOrigin+"/v1/token"))); r.StatusCode != http.StatusOK {
		t.Errorf("her own proof: %d %s", r.StatusCode, r.text)
	}
	for name, dpop := range map[string]string{
		"another's token": proof(t, s, s.waiting, s.phone.Answer.Token, "GET", testkit.TokenOrigin+"/v1/token"),
		"no such token":   proof(t, s, s.waiting, "tok_00000000000000000000000000", "GET", testkit.TokenOrigin+"/v1/token"),
		"another method":  proof(t, s, s.waiting, s.waiting.Answer.Token, "POST", testkit.TokenOrigin+"/v1/token"),
		"another address": proof(t, s, s.waiting, s.waiting.Answer.Token, "GET", "https://evil.example/v1/token"),
		"no proof":        "",
	} {
		s.unchanged(name, func() {
			if r := s.send(get(tokenHost, "/v1/token").with("DPoP", dpop)); r.StatusCode != http.StatusUnauthorized || !strings.Contains(r.text, "proof-refused") {
				t.Errorf("%s: %d %s", name, r.StatusCode, r.text)
			}
		})
	}
	// Somebody else's entry as the place to read on from shows nothing of hers.
	entry := s.text("SELECT max(id) FROM audit_entry WHERE customer = ?", s.inUse.Customer)
	if r := s.send(get(loginHost, "/history?before="+entry).as(s.fresh)); strings.Contains(r.text, s.inUse.Customer) || r.StatusCode != http.StatusOK {
		t.Errorf("the history of another: %d", r.StatusCode)
	}
}

func (w *attacked) text(query string, args ...any) (s string) {
	w.t.Helper()
	fine(w.t, w.at.QueryRow(query, args...).Scan(&s))
	return s
}

func TestOtherHostsAreMisdirected(t *testing.T) {
	t.Parallel()
	w := attack(t)
	w.unchanged("an unknown host", func() {
		for _, host := range []string{"", "bank.example", "192.0.2.1", "localhost", "login.bank.example:443", "login.bank.example:8443", "login.bank.example.", "login.bank.example.evil.example",
			"evil.example", "login.bank.example@evil.example", "evillogin.bank.example", "login_bank.example", "[::1]", "login.bank.example,evil.example", "ＬＯＧＩＮ.bank.example", "127.0.0.1:9464"} {
			for _, path := range []string{"/", "/login", "/v1/time", "/oidc/jwks", "/metrics", "/readyz"} {
				if r := w.send(get(host, path)); r.StatusCode != http.StatusMisdirectedRequest || strings.Contains(r.text, host) && host != "" {
					t.Errorf("the host %q with %s is answered %d", host, path, r.StatusCode)
				}
			}
		}
		if r := w.send(get("LOGIN.Bank.Example", "/login")); r.StatusCode != http.StatusOK {
			t.Errorf("a host in capitals is answered %d", r.StatusCode)
		}
	})
}

// Each audience has its own doors only, and none of them has those of the operator.
func TestDoorsOfOneAudienceAreNotOnAnothersHost(t *testing.T) {
	t.Parallel()
	s := stand(t)
	for _, r := range routes {
		for _, host := range []string{loginHost, tokenHost, apiHost, staffHost} {
			shared := slices.ContainsFunc(routes, func(o route) bool { return o.host == host && o.address() == r.address() && o.method == r.method })
			if shared {
				continue
			}
			a := ask{method: r.method, host: host, path: r.address()}.as(s.inUse)
			s.unchanged(a, func() {
				if got := s.send(a).StatusCode; got != http.StatusNotFound && got != http.StatusMethodNotAllowed {
					t.Errorf("%s answers %d", a, got)
				}
			})
		}
	}
	for _, path := range []string{"/metrics", "/healthz", "/readyz", "/debug/pprof/", "/oidc/register", "/oidc/introspect", "/oidc/revoke", "/admin", "/.git/config", "/gallery"} {
		for _, host := range []string{loginHost, tokenHost, apiHost} {
			if got := s.send(get(host, path)).StatusCode; got != http.StatusNotFound {
				t.Errorf("%s%s answers %d", host, path, got)
			}
		}
	}
}

// A page that is merely fetched ahead, by a mail scanner or a browser that guesses, does nothing and is not even answered.
func TestLookingAheadDoesNothing(t *testing.T) {
	t.Parallel()
	s := stand(t)
	s.Clock.Move(11 * time.Minute) // the registration key has expired: a page that is looked at makes a new one
	again := s.LogIn("hanako01", authority.PC)
	for _, r := range routes {
		if r.method != "GET" {
			continue
		}
		for name, value := range map[string]string{"Sec-Purpose": "prefetch", "Purpose": "prefetch", "sec-purpose": "prefetch;prerender"} {
			if name == "sec-purpose" {
				name = "Sec-Purpose"
			}
			a := get(r.host, r.address()).as(again).with(name, value)
			s.unchanged(a, func() {
				if ans := s.send(a); ans.StatusCode != http.StatusNoContent || ans.text != "" || len(ans.Header.Values("Set-Cookie")) > 0 {
					t.Errorf("%s looked at ahead answers %d", a, ans.StatusCode)
				}
			})
		}
	}
}

func TestAskingForTheHeadHasNoEffect(t *testing.T) {
	t.Parallel()
	s := stand(t)
	s.Clock.Move(11 * time.Minute)
	again := s.LogIn("hanako01", authority.PC)
	for _, r := range routes {
		if r.method != "GET" {
			continue
		}
		path := r.address()
		if r.pattern == "/oidc/authorize" {
			path = authorize("")
		}
		a := ask{method: "HEAD", host: r.host, path: path}.as(again)
		s.unchanged(a, func() { s.send(a) })
	}
}

func authorize(more string) string {
	return "/oidc/authorize?client_id=bank&response_type=code&scope=openid&redirect_uri=" + strings.ReplaceAll(strings.ReplaceAll(bankBack, ":", "%3A"), "/", "%2F") +
		"&state=s1&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256" + more
}

// Every kind of answer carries its headers; send holds each of them to the table, here all kinds come by once.
func TestEveryKindOfAnswerCarriesItsHeaders(t *testing.T) {
	t.Parallel()
	s := stand(t)
	logout := form("/logout", s.fresh)
	for name, c := range map[string]struct {
		a    ask
		want int
	}{
		"page":           {get(loginHost, "/login"), 200},
		"page inside":    {get(loginHost, "/security").as(s.inUse), 200},
		"redirect":       {get(loginHost, "/"), 303},
		"clean path":     {get(loginHost, "/static//kit.css"), 307},
		"clean path out": {get(loginHost, "//evil.example/..//x"), 307},
		"clean oidc":     {get(loginHost, "/oidc//authorize"), 307},
		"clean path app": {get(tokenHost, "//evil.example/%2e%2e"), 307},
		"unknown page":   {get(loginHost, "/nowhere"), 404},
		"unknown file":   {get(loginHost, "/static/none.js"), 404},
		"refused form":   {form("/token/key", nil, "form", "x").as(s.ordered), 403},
		"wrong site":     {form("/token/key", s.ordered).with("Sec-Fetch-Site", "cross-site"), 403},
		"too large":      {form("/token/key", s.ordered, "x", strings.Repeat("x", 65<<10)), 413},
		"state as JSON":  {get(loginHost, "/token/state").as(s.ordered), 200},
		"static":         {get(loginHost, "/static/pages.js"), 200},
		"discovery":      {get(loginHost, "/.well-known/openid-configuration"), 200},
		"keys":           {get(loginHost, "/oidc/jwks"), 200},
		"authorize":      {get(loginHost, authorize("")), 303},
		"authorize in":   {get(loginHost, authorize("")).as(s.inUse), 303},
		"authorize bad":  {get(loginHost, "/oidc/authorize?client_id=nobody"), 400},
		"token bad":      {ask{method: "POST", host: loginHost, path: "/oidc/token", body: "grant_type=authorization_code", head: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}, 401},
		"userinfo bad":   {get(loginHost, "/oidc/userinfo").with("Authorization", "Bearer x"), 401},
		"app":            {get(tokenHost, "/"), 200},
		"link":           {get(tokenHost, "/r"), 200},
		"worker":         {get(tokenHost, "/sw.js"), 200},
		"manifest":       {get(tokenHost, "/manifest.webmanifest"), 200},
		"range too far":  {get(tokenHost, "/sw.js").with("Range", "bytes=99999999-"), 416},
		"no such file":   {get(tokenHost, "/none"), 404},
		"time":           {get(tokenHost, "/v1/time"), 200},
		"problem":        {get(tokenHost, "/v1/token"), 401},
		"API problem":    {jsonTo(apiHost, "/v1/otp/verifications", `{"customer":"x","code":"1"}`), 401},
		"API nowhere":    {get(apiHost, "/"), 404},
		"misdirected":    {get("evil.example", "/"), 421},
		"console":        {get(staffHost, "/login"), 200},
		"console in":     {get(staffHost, "/"), 303},
		"console none":   {get(staffHost, "/nowhere"), 404},
		"console file":   {get(staffHost, "/static/console.js"), 200},
		"console door":   {jsonTo(staffHost, "/login/options", `{"form":"x"}`), 403},
		"console form":   {ask{method: "POST", host: staffHost, path: "/session", head: map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "cross-site"}}, 403},
		"prefetch":       {get(loginHost, "/login").with("Sec-Purpose", "prefetch"), 204},
		"logged out":     {logout, 303},
	} {
		r := s.send(c.a)
		if r.StatusCode != c.want {
			t.Errorf("%s: %s answers %d, want %d", name, c.a, r.StatusCode, c.want)
		}
		if clear := r.Header.Get("Clear-Site-Data"); (name == "logged out") != (clear != "") {
			t.Errorf("%s clears %q", name, clear)
		}
	}
	app, err := fs.Sub(files.Files, "dist/tokenapp")
	fine(t, err)
	fine(t, fs.WalkDir(app, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && name != "index.html" {
			if r := s.send(get(tokenHost, "/"+name)); r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") == "" {
				t.Errorf("%s answers %d as %q", name, r.StatusCode, r.Header.Get("Content-Type"))
			}
		}
		return err
	}))
}

// The checker of headers is itself held to account: it must see each fault.
func TestTheHeaderTableSeesEveryFault(t *testing.T) {
	w := attack(t)
	good := w.send(get(loginHost, "/login"))
	for name, spoil := range map[string]func(h http.Header){
		"no HSTS":    func(h http.Header) { h.Del("Strict-Transport-Security") },
		"no nosniff": func(h http.Header) { h.Del("X-Content-Type-Options") },
		"no policy":  func(h http.Header) { h.Del("Content-Security-Policy") },
		"inline": func(h http.Header) {
			h.Set("Content-Security-Policy", h.Get("Content-Security-Policy")+" 'unsafe-inline'")
		},
		"referrer":          func(h http.Header) { h.Set("Referrer-Policy", "origin") },
		"kept":              func(h http.Header) { h.Set("Cache-Control", "private") },
		"opener":            func(h http.Header) { h.Del("Cross-Origin-Opener-Policy") },
		"embedder":          func(h http.Header) { h.Del("Cross-Origin-Resource-Policy") },
		"permissions":       func(h http.Header) { h.Del("Permissions-Policy") },
		"cookie name":       func(h http.Header) { h.Set("Set-Cookie", "inkan=x; Path=/; Secure; HttpOnly; SameSite=Lax") },
		"cookie for script": func(h http.Header) { h.Set("Set-Cookie", "__Host-x=x; Path=/; Secure; SameSite=Lax") },
		"cookie domain": func(h http.Header) {
			h.Set("Set-Cookie", "__Host-x=x; Path=/; Secure; HttpOnly; SameSite=Lax; Domain=bank.example")
		},
		"storage": func(h http.Header) { h.Set("Clear-Site-Data", `"storage"`) },
		"cors":    func(h http.Header) { h.Set("Access-Control-Allow-Origin", "*") },
		"away":    func(h http.Header) { h.Set("Location", "//evil.example") },
	} {
		h := good.Header.Clone()
		spoil(h)
		r := answer{&http.Response{StatusCode: 200, Header: h}, ""}
		if len(faults(get(loginHost, "/login"), r)) == 0 {
			t.Errorf("%s is not seen", name)
		}
	}
}
