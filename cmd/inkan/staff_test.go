package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// visitor is a browser at the console: its cookies and its security key.
type visitor struct {
	w       *attacked
	cookies map[string]string
	key     *testkit.Authenticator
}

func (w *attacked) visitor() *visitor {
	return &visitor{w, map[string]string{}, testkit.NewAuthenticator()}
}

// send keeps what cookies it is given.
func (v *visitor) send(a ask) answer {
	a.cookies = v.cookies
	r := v.w.send(a)
	for _, c := range r.Cookies() {
		if c.MaxAge < 0 {
			delete(v.cookies, c.Name)
		} else {
			v.cookies[c.Name] = c.Value
		}
		if c.SameSite != http.SameSiteStrictMode && c.Name != "__Host-lang" {
			v.w.t.Errorf("the cookie %s of the console is not strict", c.Name)
		}
	}
	return r
}

// said is an answer of a JSON door.
type said struct {
	Options json.RawMessage
	Name    string
	Word    string
	To      string
	Refused *struct{ Kind, What, Kept, Do string }
}

func (v *visitor) call(path string, q map[string]string) (said, int) {
	v.w.t.Helper()
	all := map[string]string{"form": v.cookies["__Host-pre"]}
	for k, x := range q {
		all[k] = x
	}
	r := v.send(jsonTo(staffHost, path, wire(all)).with("Sec-Fetch-Site", "same-origin"))
	var s said
	fine(v.w.t, json.Unmarshal([]byte(r.text), &s))
	return s, r.StatusCode
}

func (v *visitor) signIn() (said, int) {
	v.w.t.Helper()
	v.send(get(staffHost, "/login"))
	o, _ := v.call("/login/options", nil)
	return v.call("/login", map[string]string{"response": string(v.key.Get(o.Options, "https://"+staffHost))})
}

// deskForm is a form of the console's pages.
func deskForm(path string, pairs ...string) ask {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return ask{method: http.MethodPost, host: staffHost, path: path, body: v.Encode(), head: map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}}
}

// The console over the wire, from the invitation to the end of a session.
func TestTheConsoleFromInvitationToSignOut(t *testing.T) {
	t.Parallel()
	w := attack(t)
	in, err := w.InviteStaff(t.Context(), "first", authority.NewStaff{Name: "森 明子", Person: "P-1", Role: staff.Auditor})
	fine(t, err)
	where, code, _ := strings.Cut(in.Link, "#")
	if where != "https://"+staffHost+"/register" || len(code) < 43 {
		t.Fatalf("the link is %q", in.Link)
	}
	cloud := w.visitor()
	cloud.key.Flags |= testkit.BackupEligible
	if r := cloud.send(get(staffHost, "/register")); !strings.Contains(r.text, "コピーできる") {
		t.Error("the page does not say which passkeys are taken")
	}
	o, _ := cloud.call("/register/options", map[string]string{"code": code})
	refused, status := cloud.call("/register", map[string]string{"code": code, "response": string(cloud.key.Create(o.Options, "https://"+staffHost))})
	if status != http.StatusForbidden || refused.Refused == nil || refused.Refused.Kind != "passkey-copyable" || !strings.Contains(refused.Refused.Do, "セキュリティキー") {
		t.Errorf("a passkey that can be copied: %d %+v", status, refused.Refused)
	}
	v := w.visitor()
	if r := v.send(get(staffHost, "/")); r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/login" {
		t.Errorf("a stranger at the console: %d %s", r.StatusCode, r.Header.Get("Location"))
	}
	v.send(get(staffHost, "/register"))
	o, status = v.call("/register/options", map[string]string{"code": code})
	if status != 200 || o.Name != "森 明子" {
		t.Fatalf("the invitation: %d %+v", status, o)
	}
	response := string(v.key.Create(o.Options, "https://"+staffHost))
	done, status := v.call("/register", map[string]string{"code": code, "response": response})
	if status != 200 || staff.ReadWord(done.Word) == "" {
		t.Fatalf("the registration: %d %+v", status, done)
	}
	if again, _ := v.call("/register", map[string]string{"code": code, "response": response}); again.Word != done.Word {
		t.Errorf("sent again it says %+v", again)
	}
	if r, status := v.call("/register/options", map[string]string{"code": code}); status != http.StatusForbidden || r.Refused == nil || r.Refused.Kind != "staff-link-refused" || r.Refused.Do == "" {
		t.Errorf("a used link: %d %+v", status, r)
	}
	if r, status := v.signIn(); status != http.StatusForbidden || r.Refused == nil || !strings.Contains(r.Refused.Kept, done.Word) || v.cookies["__Host-staff"] != "" {
		t.Errorf("before the second person: %d %+v", status, r)
	}
	_, err = w.ConfirmStaff(t.Context(), "second", in.Member.ID, done.Word)
	fine(t, err)
	if r, status := v.signIn(); status != 200 || r.To != "/" || v.cookies["__Host-staff"] == "" {
		t.Fatalf("signing in: %d %+v", status, r)
	}
	home := v.send(get(staffHost, "/"))
	if home.StatusCode != 200 || !strings.Contains(home.text, "森 明子") || !strings.Contains(home.text, "監査担当") {
		t.Errorf("the first page: %d %s", home.StatusCode, home.text)
	}
	if r := v.send(get(staffHost, "/login")); r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/" {
		t.Errorf("signed in, the sign-in answers %d", r.StatusCode)
	}
	form := between(home.text, `name="form" value="`, `"`)
	r := v.send(deskForm("/logout", "form", form))
	if r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/login?said=out" || v.cookies["__Host-staff"] != "" || r.Header.Get("Clear-Site-Data") != `"cache"` {
		t.Errorf("signing out: %d %s", r.StatusCode, r.Header.Get("Location"))
	}
	log := w.log.String()
	for name, secret := range map[string]string{"code": code, "word": done.Word, "name": "森"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log has the %s", name)
		}
	}
}

func between(s, before, after string) string {
	_, s, _ = strings.Cut(s, before)
	s, _, _ = strings.Cut(s, after)
	return s
}

// desks is a house with two members, each signed in.
func desks(t *testing.T) (*attacked, *testkit.Desk, *testkit.Desk) {
	w := attack(t)
	return w, w.SignedIn(staff.Clerk), w.SignedIn(staff.Supervisor)
}

func TestTheConsolesFormsNeedTheirToken(t *testing.T) {
	t.Parallel()
	w, d, other := desks(t)
	kept := d.Cookie
	d.Cookie = ""
	fine(t, d.SignIn()) // a second session, so that there is one to end
	first, err := w.StaffSessionOf(t.Context(), kept)
	fine(t, err)
	for _, right := range []ask{deskForm("/session", "form", d.CSRF, "session", first.ID), deskForm("/logout", "form", d.CSRF)} {
		right.cookies = map[string]string{"__Host-staff": d.Cookie}
		for name, wrong := range map[string]string{"none": "", "another's": other.CSRF, "her other session's": first.CSRF, "cut": d.CSRF[1:], "a longer one": d.CSRF + "A", "the cookie": d.Cookie} {
			a := right
			a.body = strings.Replace(a.body, url.QueryEscape(d.CSRF), url.QueryEscape(wrong), 1)
			w.unchanged(name, func() {
				if got := w.send(a).StatusCode; got != http.StatusForbidden {
					t.Errorf("%s with the token: %s answers %d", a, name, got)
				}
			})
		}
		for _, head := range []map[string]string{{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "", "Origin": "https://" + loginHost}, {"Sec-Fetch-Site": "", "Origin": "null"}} {
			a := right
			for k, x := range head {
				a = a.with(k, x)
			}
			w.unchanged("another site", func() {
				if got := w.send(a).StatusCode; got != http.StatusForbidden {
					t.Errorf("%s from another site (%v) answers %d", a, head, got)
				}
			})
		}
		stranger := right
		stranger.cookies = nil
		w.unchanged("a stranger", func() {
			if r := w.send(stranger); r.StatusCode != http.StatusSeeOther || !strings.HasPrefix(r.Header.Get("Location"), "/login") {
				t.Errorf("%s of a stranger answers %d", stranger, r.StatusCode)
			}
		})
		if r := w.send(right); r.StatusCode != http.StatusSeeOther {
			t.Errorf("%s, right, answers %d", right, r.StatusCode)
		}
	}
	for _, cookie := range []string{kept, d.Cookie} {
		if _, err := w.StaffSessionOf(t.Context(), cookie); err == nil {
			t.Error("a session lives that was ended")
		}
	}
	// A session of somebody else is none: the page says the same, and nothing ends.
	a := deskForm("/session", "form", other.CSRF, "session", w.SignedIn(staff.Clerk).ID)
	a.cookies = map[string]string{"__Host-staff": other.Cookie}
	live := w.scalar("SELECT count(*) FROM staff_session WHERE ended_at = 0")
	if r := w.send(a); r.StatusCode != http.StatusSeeOther || w.scalar("SELECT count(*) FROM staff_session WHERE ended_at = 0") != live {
		t.Errorf("ending another's session: %d", r.StatusCode)
	}
}

// The doors that the script calls need the value that only this browser has, and come from this page only.
func TestTheConsolesScriptDoorsNeedTheirPage(t *testing.T) {
	t.Parallel()
	w := attack(t)
	in, err := w.InviteStaff(t.Context(), "first", authority.NewStaff{Name: "森 明子", Person: "P-1", Role: staff.Auditor})
	fine(t, err)
	_, code, _ := strings.Cut(in.Link, "#")
	value := strings.Repeat("A", 43)
	for _, path := range []string{"/login", "/login/options", "/register", "/register/options"} {
		right := jsonTo(staffHost, path, wire(map[string]string{"form": value, "code": code, "response": "{}"}))
		for name, cookies := range map[string]map[string]string{"no cookie": nil, "another's cookie": {"__Host-pre": strings.Repeat("B", 43)}, "an empty one": {"__Host-pre": ""}} {
			a := right
			a.cookies = cookies
			w.unchanged(name, func() {
				if r := w.send(a); r.StatusCode != http.StatusForbidden || !strings.Contains(r.text, "forbidden") {
					t.Errorf("%s with %s answers %d %s", a, name, r.StatusCode, r.text)
				}
			})
		}
		for _, head := range []map[string]string{{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://" + loginHost}} {
			a := right
			a.cookies = map[string]string{"__Host-pre": value}
			for k, x := range head {
				a = a.with(k, x)
			}
			w.unchanged("another site", func() {
				if got := w.send(a).StatusCode; got != http.StatusForbidden {
					t.Errorf("%s from %v answers %d", a, head, got)
				}
			})
		}
	}
}

// The customers' cookies open nothing at the console, nor the console's at the customers' pages, under either name.
func TestTheHousesCookiesDoNotMix(t *testing.T) {
	t.Parallel()
	w, d, _ := desks(t)
	b := w.LogIn(w.Person(1, false), authority.PC)
	for _, c := range []map[string]string{{"__Host-staff": b.Cookie.Session}, {"__Host-inkan": b.Cookie.Session}, {"__Host-inkan": d.Cookie}, {"__Host-staff": d.ID}, {"__Host-staff": d.CSRF}} {
		a := get(staffHost, "/")
		a.cookies = c
		if r := w.send(a); r.StatusCode != http.StatusSeeOther || !strings.HasPrefix(r.Header.Get("Location"), "/login") {
			t.Errorf("%v at the console: %d", c, r.StatusCode)
		}
	}
	for _, c := range []map[string]string{{"__Host-inkan": d.Cookie}, {"__Host-staff": d.Cookie}} {
		a := get(loginHost, "/security")
		a.cookies = c
		if r := w.send(a); r.StatusCode != http.StatusSeeOther || !strings.HasPrefix(r.Header.Get("Location"), "/login") {
			t.Errorf("%v at the customers' pages: %d", c, r.StatusCode)
		}
	}
	w.Clock.Move(15 * time.Minute)
	a := get(staffHost, "/")
	a.cookies = map[string]string{"__Host-staff": d.Cookie}
	if r := w.send(a); r.Header.Get("Location") != "/login?said=over" {
		t.Errorf("after a quarter of an hour: %d %s", r.StatusCode, r.Header.Get("Location"))
	}
}

// In production the console is on a listener of its own and on no other.
func TestTheConsoleIsNotOnThePublicListener(t *testing.T) {
	t.Parallel()
	w := attack(t, func(p *parts) { p.together = false })
	if r := w.send(get(staffHost, "/login")); r.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("the public listener answers %d for the console", r.StatusCode)
	}
	w.house.handler = w.house.staff
	if r := w.send(get(staffHost, "/login")); r.StatusCode != http.StatusOK {
		t.Errorf("its own listener answers %d", r.StatusCode)
	}
	if r := w.send(get(loginHost, "/login")); r.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("the console's listener answers %d for the customers' pages", r.StatusCode)
	}
	if none := attack(t, func(p *parts) { p.bank.StaffOrigin = "" }); none.house.staff != nil || none.send(get(staffHost, "/login")).StatusCode != http.StatusMisdirectedRequest {
		t.Error("there is a console that nobody asked for")
	}
}

// deskSite is a site with a console; staff is the address of its listener.
func deskSite(t *testing.T) (s *site, staff string) {
	s, staff = newSite(t), freeAddress(t)
	file, err := os.ReadFile(s.path("inkan.toml"))
	fine(t, err)
	s.write("inkan.toml", strings.Replace(string(file), "[hosts]\n", "staff = \""+staff+"\"\n[hosts]\nstaff = \"https://"+staffHost+"\"\n", 1), 0o600)
	return s, staff
}

func TestTheConsoleIsServedWhereItIsAskedFor(t *testing.T) {
	t.Parallel()
	s, staff := deskSite(t)
	s.do("keys")
	stop := s.serve()
	for address, want := range map[string]map[string]int{s.public: {staffHost: 421, loginHost: 200}, staff: {staffHost: 200, loginHost: 421}, s.inside: {staffHost: 404}} {
		for host, code := range want {
			if got, _ := s.get(address+"/login", host); got != code {
				t.Errorf("/login of %s at %s answers %d", host, address, got)
			}
		}
	}
	stop()
	good, err := os.ReadFile(s.path("inkan.toml"))
	fine(t, err)
	for old, wrong := range map[string]string{"staff = \"" + staff + "\"\n": "", "staff = \"https://" + staffHost + "\"\n": "", "staff = \"" + staff: "staff = \"" + s.public, "https://" + staffHost: "https://" + loginHost} {
		_, err := readConfig(s.write("bad.toml", strings.Replace(string(good), old, wrong, 1), 0o600))
		if err == nil || !strings.Contains(err.Error(), "staff") {
			t.Errorf("%q in the place of %q: %v", wrong, old, err)
		}
	}
	for name, value := range map[string]string{"staff_idle": `"16m"`, "staff_life": `"9h"`, "staff_link_life": `"25h"`} {
		if _, err := readConfig(s.write("bad.toml", string(good)+"[policy]\n"+name+" = "+value+"\n", 0o600)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s = %s: %v", name, value, err)
		}
	}
}

// The operator's tasks, as they are typed.
func TestTheOperatorInvitesListsAndConfirms(t *testing.T) {
	t.Parallel()
	if code, _, err := newSite(t).admin("staff", "list"); code != 1 || !strings.Contains(err, "hosts.staff") {
		t.Errorf("without a console: %d %s", code, err)
	}
	s, _ := deskSite(t)
	s.do("keys")
	for _, args := range [][]string{nil, {"nonsense"}, {"invite"}, {"invite", "森"}, {"confirm", "x"}, {"suspend"}, {"list", "more"}, {"-do"}} {
		if code, _, err := s.admin("staff", args...); code != 1 || !strings.Contains(err, "inkan admin staff") {
			t.Errorf("%v: %d %s", args, code, err)
		}
	}
	before := s.files()
	if code, out, err := s.admin("staff", "invite", "森 明子", "P-1", "101", "clerk"); code != 0 || !strings.Contains(out, "Invite 森 明子 (P1) as clerk") || !strings.Contains(out, "dry run") || strings.Contains(out, "#") {
		t.Errorf("a dry invitation: %d %s%s", code, out, err)
	}
	if s.files() != before {
		t.Error("a dry run wrote something")
	}
	for _, bad := range [][]string{{"invite", "森", "king"}, {"invite", " ", "clerk"}, {"invite", strings.Repeat("森", 61), "clerk"}, {"invite", "a\x00b", "clerk"}} {
		if code, out, err := s.admin("staff", append([]string{"-do"}, bad...)...); code != 1 || strings.Contains(out, "link") {
			t.Errorf("%v: %d %s%s", bad, code, out, err)
		}
	}
	out := s.do("staff", "invite", "-by", "aoki", "森 明子", "P-1", "101", "clerk")
	id := between(out, "member  ", "\n")
	if !strings.Contains(out, "https://"+staffHost+"/register#") {
		t.Errorf("the invitation: %s", out)
	}
	if out := s.do("staff", "list"); !strings.Contains(out, id+"  invited") || !strings.Contains(out, "by aoki") {
		t.Errorf("the list: %s", out)
	}
	for word, want := range map[string]string{"short": "no try was used", "7K3M-9QXP": "as this member stands"} {
		if code, _, err := s.admin("staff", "-do", "confirm", "-by", "baba", id, word); code != 1 || !strings.Contains(err, want) {
			t.Errorf("confirming with %s: %d %s", word, code, err)
		}
	}
	if code, _, err := s.admin("staff", "-do", "suspend", id); code != 1 || !strings.Contains(err, "as this member stands") {
		t.Errorf("suspending whoever is only invited: %d %s", code, err)
	}
	s.do("staff", "remove", id)
	if out := s.do("staff", "list"); !strings.Contains(out, id+"  removed") {
		t.Errorf("the list: %s", out)
	}
}
