package main

import (
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// forwardings are headers by which some server somewhere lets the caller say which host, address or page was meant.
var forwardings = []string{"X-Forwarded-Host", "X-Forwarded-Server", "X-Forwarded-Proto", "X-Forwarded-Scheme", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Path", "X-Forwarded-For",
	"X-Forwarded", "Forwarded", "X-Original-URL", "X-Original-Host", "X-Rewrite-URL", "X-Host", "X-HTTP-Host-Override", "X-Real-IP", "X-Client-IP", "X-Remote-IP", "X-Remote-Addr",
	"X-Originating-IP", "X-Cluster-Client-IP", "X-ProxyUser-Ip", "True-Client-IP", "Client-IP", "CF-Connecting-IP", "Fastly-Client-IP", "X-Envoy-External-Address", "X-Envoy-Original-Path",
	"X-Forwarded_Host", "X_Forwarded_Host", "X_Forwarded_For", "Base-Url", "Http-Url", "Request-Uri", "Destination", "Proxy-Host", "Proxy", "Via", "Referer", "X-Wap-Profile", "X-Custom-IP-Authorization"}

var addresses = regexp.MustCompile(`https?://[^\s"'<>;)、。]+`)

// Every address in every mail and page is one of ours or the bank's, whatever the caller says of hosts; and who called is who called.
func TestNoHeaderChangesAnAddressOrTheCaller(t *testing.T) {
	t.Parallel()
	s := stand(t)
	good := []string{"https://" + loginHost, "https://" + tokenHost, bankSite, "http://www.w3.org/2000/svg"}
	own := func(where, text string) {
		t.Helper()
		for _, a := range addresses.FindAllString(text, -1) {
			if !slices.ContainsFunc(good, func(g string) bool { return a == g || strings.HasPrefix(a, g+"/") }) {
				t.Errorf("%s: the address %s", where, a)
			}
		}
		if strings.Contains(text, "evil") || strings.Contains(text, "203.0.113") {
			t.Errorf("%s repeats what a header said:\n%s", where, text)
		}
	}
	variants := 0
	mails := len(s.box.Messages())
	for _, name := range forwardings {
		for _, value := range []string{"evil.example", "https://evil.example/x", `for=203.0.113.9;host=evil.example;proto=http`, "203.0.113.9, 127.0.0.1"} {
			if variants++; variants%3 > 0 && value[0] != 'e' { // the host in each, the rest in turn
				continue
			}
			where := name + ": " + value
			for _, a := range []ask{get(loginHost, "/login"), get(loginHost, "/security"), get(loginHost, authorize("")), get(loginHost, "/.well-known/openid-configuration"), get(tokenHost, "/"),
				get(loginHost, "/token/key").as(s.ordered), get("evil.example", "/login"), form("/token/mail", s.ordered)} {
				r := s.send(a.with(name, value))
				own(where+" "+a.String(), r.text+" "+strings.Join(r.Header.Values("Location"), " ")+strings.Join(r.Header.Values("Set-Cookie"), " ")+r.Header.Get("Content-Security-Policy"))
				if a.host == "evil.example" && r.StatusCode != http.StatusMisdirectedRequest {
					t.Errorf("%s brings the host evil.example to a page: %d", where, r.StatusCode)
				}
				if a.path == "/.well-known/openid-configuration" && !strings.Contains(r.text, `"issuer":"https://`+loginHost+`"`) {
					t.Errorf("%s changes the issuer", where)
				}
			}
			s.Clock.Move(2 * time.Second)
		}
	}
	if variants < 60 {
		t.Errorf("only %d variants", variants)
	}
	for range variants/16 + 2 {
		_, err := s.DeliverDue(t.Context())
		fine(t, err)
	}
	if got := len(s.box.Messages()) - mails; got < 60 {
		t.Errorf("%d mails came of the attacks", got)
	}
	for _, m := range s.box.Messages() {
		own("mail "+m.Subject, m.Body+m.Subject)
		if strings.Count(m.Body, "https://"+tokenHost) == 0 && strings.Contains(m.Subject, "登録番号") {
			t.Error("a mail without the address of the app: the comparison above has nothing to look at")
		}
	}
	if n := s.scalar("SELECT count(DISTINCT source) FROM audit_entry WHERE source NOT IN ('', '192.0.2.0/24', '198.51.100.0/24')"); n != 0 {
		t.Errorf("%d other networks stand in the trail", n)
	}
	if strings.Contains(s.log.String(), "203.0.113") {
		t.Error("a forged address stands in the log")
	}
}

// Behind a trusted proxy the caller is whom the proxy names, in the trail and for the throttle; without one it is whoever connects.
func TestOnlyATrustedProxyNamesTheCaller(t *testing.T) {
	t.Parallel()
	w := attack(t, func(p *parts) { p.trusted = []netip.Prefix{netip.MustParsePrefix("10.1.2.0/24")} })
	for from, want := range map[string]string{"10.1.2.7:999": "203.0.113.0/24", "10.1.3.7:999": "10.1.3.0/24"} {
		a := w.loginForm("nobody-here", "wrong").with("X-Forwarded-For", "198.51.100.1, 203.0.113.9")
		a.from = from
		w.Clock.Move(time.Second) // entries of one moment have no order
		w.send(a)
		if got := w.text("SELECT source FROM audit_entry WHERE action = 'login.password' ORDER BY id DESC LIMIT 1"); got != want {
			t.Errorf("a call from %s is noted as from %s, want %s", from, got, want)
		}
	}
}

// A page that sends customers elsewhere after they typed a password would be a gift to forgers.
func TestNoAddressLeadsAwayAfterTheLogin(t *testing.T) {
	t.Parallel()
	s := stand(t)
	for _, kept := range []string{"/security", "/history", "/token/stop", "/oidc/authorize/abc"} {
		if r := s.send(get(loginHost, "/login?next="+url.QueryEscape(kept)).as(s.inUse)); r.Header.Get("Location") != kept {
			t.Errorf("next=%s leads to %s", kept, r.Header.Get("Location"))
		}
	}
	tries := []string{"https://evil.example", "//evil.example", "///evil.example", "////evil.example/security", `/\evil.example`, `\\evil.example`, `\/evil.example`, `/\/evil.example`, "https:evil.example",
		"https:/evil.example", "http:///evil.example", "javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\nscript:alert(1)", "data:text/html,x", "vbscript:x", "/\t/evil.example", "/\n/evil.example",
		"/\r/evil.example", "\t//evil.example", " //evil.example", "/%09/evil.example", "/%2f/evil.example", "/%2f%2fevil.example", "/%5cevil.example", "/%5c%5cevil.example", "/.//evil.example",
		"/..//evil.example", "/./\\evil.example", "/security/..//evil.example", "/security/../../evil.example", "/security//evil.example", "/security@evil.example", "//login.bank.example@evil.example",
		"https://login.bank.example@evil.example/security", "https://login.bank.example.evil.example/", "https://login.bank.example/security", "/oidc/authorize/..//evil.example",
		"/oidc/authorize/../../logout", "/oidc/authorize\\evil.example", "/oidc/logout/%2e%2e/%2e%2e/evil.example", "/security%00", "/security\x00", "/security\r\nSet-Cookie: x=y",
		"/security\u2028//evil.example", "/security\u00a0", "//evil%E3%80%82example", "〱evil.example", "／／evil.example", "/／evil.example", "?next=https://evil.example", "#//evil.example", "security",
		"./security", "../security", "/logout", "/language", "/login?next=//evil.example", "/login", "/v1/token", "/security;//evil.example", "/oidc/token", "/oidc", "//", "/", "", strings.Repeat("/a", 2000)}
	if len(tries) < 40 {
		t.Fatalf("only %d tries", len(tries))
	}
	safe := func(where, to string) {
		t.Helper()
		if !ours(loginHost, to) {
			t.Errorf("%s leads to %q", where, to)
			return
		}
		u, err := url.Parse(to)
		if err != nil || slices.Contains([]string{"/logout", "/language"}, u.Path) || strings.Contains(to, "//") || strings.Contains(u.Path, "evil") {
			t.Errorf("%s leads to %q", where, to)
		}
	}
	for _, next := range tries {
		q := "?next=" + url.QueryEscape(next)
		safe("logged in, "+next, s.send(get(loginHost, "/login"+q).as(s.inUse)).Header.Get("Location"))
		safe("two of them, "+next, s.send(get(loginHost, "/login?next=/security&next="+url.QueryEscape(next)).as(s.inUse)).Header.Get("Location"))
		if to := s.send(get(loginHost, "/security"+q)).Header.Get("Location"); !strings.HasPrefix(to, "/login") {
			t.Errorf("without a session, %q: %q", next, to)
		} else if n := mustQuery(t, to).Get("next"); n != "" {
			safe("carried on, "+next, n)
		}
		page := s.send(get(loginHost, "/login"+q))
		for _, m := range regexp.MustCompile(`(?:action|href)="([^"]*)"`).FindAllStringSubmatch(page.text, -1) {
			if strings.Contains(m[1], "evil") || strings.HasPrefix(strings.ToLower(m[1]), "javascript") {
				t.Errorf("%q makes the page lead to %q", next, m[1])
			}
		}
		for _, name := range []string{"back", "next"} {
			if to := s.send(form("/language", nil, "to", "en", name, next)).Header.Get("Location"); !ours(loginHost, to) || !strings.HasPrefix(to, "/") {
				t.Errorf("the choice of a language with %s=%q leads to %q", name, next, to)
			}
		}
	}
	// The whole way: the password itself is typed on a page with a forged address.
	for _, next := range []string{"//evil.example", `/\evil.example`, "https://evil.example/security"} {
		a := s.loginForm("hanako05", testkit.Login)
		a.path += "?next=" + url.QueryEscape(next)
		r := s.send(a)
		if r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/security" {
			t.Errorf("a log-in with next=%q: %d %q", next, r.StatusCode, r.Header.Get("Location"))
		}
		out := s.LogIn("hanako05", authority.PC)
		bye := form("/logout", out)
		bye.path += "?next=" + url.QueryEscape(next)
		if to := s.send(bye).Header.Get("Location"); to != "/logout" {
			t.Errorf("a log-out with next=%q leads to %q", next, to)
		}
	}
	// OpenID Connect goes back to registered addresses only, also with its errors.
	for _, back := range []string{"https://evil.example", bankBack + ".evil.example", bankBack + "/../x", "https://www.bank.example@evil.example/return", bankBack + "#x", bankBack + "?x=y", "javascript:alert(1)", bankSite,
		strings.ToUpper(bankBack), bankBack + "/", "http" + strings.TrimPrefix(bankBack, "https"), "https://www.bank.example:443/return", ""} {
		for _, more := range []string{"", "&prompt=none", "&response_type=token", "&response_mode=fragment", "&scope=none"} {
			q := url.Values{"client_id": {"bank"}, "response_type": {"code"}, "scope": {"openid"}, "redirect_uri": {back}, "code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"}}
			r := s.send(get(loginHost, "/oidc/authorize?"+q.Encode()+more).as(s.inUse))
			if back != "" && (r.StatusCode != http.StatusBadRequest || r.Header.Get("Location") != "" || r.Header.Get("Refresh") != "" || strings.Contains(r.text, `href="https://evil`) || strings.Contains(r.text, "http-equiv")) {
				t.Errorf("redirect_uri=%q%s: %d %q", back, more, r.StatusCode, r.Header.Get("Location"))
			}
		}
	}
}

func mustQuery(t *testing.T, address string) url.Values {
	t.Helper()
	u, err := url.Parse(address)
	fine(t, err)
	return u.Query()
}

// A stranger cannot tell from the answer whether a name is known, its owner blocked or stopped, or only the password wrong.
func TestRefusedLoginsLookTheSame(t *testing.T) {
	t.Parallel()
	w := attack(t)
	for n := 1; n <= 4; n++ {
		w.Person(n, n == 4)
	}
	_, err := w.at.ExecContext(t.Context(), "UPDATE customer SET state = 'stopped' WHERE login_id = 'hanako03'")
	fine(t, err)
	fine(t, w.at.Close()) // the writer of the house has the file to itself again
	for range 6 {
		w.send(w.loginForm("hanako02", "not-the-password"))
	}
	type seen struct {
		status     int
		to, cookie string
		page       string
		head       string
	}
	look := func(id, pw string) seen {
		r := w.send(w.loginForm(id, pw))
		out := seen{status: r.StatusCode, to: r.Header.Get("Location")}
		jar := map[string]string{}
		for _, raw := range r.Header.Values("Set-Cookie") {
			c, err := http.ParseSetCookie(raw)
			fine(t, err)
			jar[c.Name] = c.Value
			out.cookie += strings.ReplaceAll(raw, c.Value, strings.Repeat("x", len(c.Value))) + "\n"
		}
		for name, v := range r.Header {
			if name != "Set-Cookie" && name != "X-Request-Id" {
				out.head += name + "=" + strings.Join(v, ",") + "\n"
			}
		}
		out.head = strings.Join(slices.Sorted(strings.Lines(out.head)), "")
		page := get(loginHost, r.Header.Get("Location"))
		page.cookies = jar
		page.cookies["__Host-pre"] = strings.Repeat("A", 43)
		p := w.send(page)
		out.page = strings.ReplaceAll(strings.ReplaceAll(p.text, id, "ID"), p.Header.Get("X-Request-Id"), "")
		out.status += p.StatusCode * 1000
		return out
	}
	want := look("hanako99", "some-password-1")
	if !strings.Contains(want.page, `id="refusal"`) || want.status != 401303 || !strings.Contains(want.page, `value="ID"`) {
		t.Fatalf("the refusal itself is not seen: %d\n%s", want.status, want.page)
	}
	for name, try := range map[string][2]string{"wrong password": {"hanako01", "some-password-1"}, "blocked, wrong": {"hanako02", "some-password-1"}, "blocked, right": {"hanako02", testkit.Login},
		"stopped, right": {"hanako03", testkit.Login}, "stopped, wrong": {"hanako03", "some-password-1"}, "first password, wrong": {"hanako04", "some-password-1"}, "no name at all": {"あいうえおかきく", "some-password-1"}} {
		got := look(try[0], try[1])
		if name == "no name at all" { // longer in bytes, so its cookie is
			got.cookie = want.cookie
		}
		if got != want {
			t.Errorf("%s can be told apart:\n%+v\nfrom\n%+v", name, got, want)
		}
	}
	if to := w.send(w.loginForm("hanako01", testkit.Login)).Header.Get("Location"); to != "/security" {
		t.Errorf("the right password leads to %s", to)
	}
}
