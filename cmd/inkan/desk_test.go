package main

import (
	"flag"
	"fmt"
	"html"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/release"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/testkit"
)

var update = flag.Bool("update", false, "write docs/lifecycle/console.txt")

// Every role at every door of the console, over HTTP: what is drawn here is what the server does, and a cell too many is a hole. A door that lets a role pass may still refuse what it is asked for.
func TestWhichRoleMayOpenWhichDoor(t *testing.T) {
	t.Parallel()
	w := attack(t)
	desks := map[staff.Role]*testkit.Desk{}
	for _, role := range staff.Roles {
		desks[role] = w.SignedIn(role)
	}
	var drawn strings.Builder
	fmt.Fprintf(&drawn, "%-44s", "")
	for _, role := range staff.Roles {
		fmt.Fprintf(&drawn, "  %-13s", role)
	}
	drawn.WriteString("\n")
	passed := 0
	for _, r := range deskRoutes {
		if r.kind != desk {
			continue
		}
		line := fmt.Sprintf("%-44s", r.method+" "+r.pattern)
		for _, role := range staff.Roles {
			d := desks[role]
			a := get(staffHost, r.address())
			if r.method == http.MethodPost {
				if r.pattern == "/logout" { // it ends the session, so it is asked of another one
					d = w.SignedIn(role)
				}
				a = deskForm(r.address(), "form", d.CSRF)
			}
			a.cookies = map[string]string{"__Host-staff": d.Cookie}
			cell := "may"
			switch res := w.send(a); {
			case res.StatusCode == http.StatusForbidden:
				cell = "."
			case res.StatusCode >= http.StatusInternalServerError, strings.HasPrefix(res.Header.Get("Location"), "/login") && r.pattern != "/logout":
				t.Errorf("%s as %s: %d %s", a, role, res.StatusCode, res.Header.Get("Location"))
			default:
				passed++
			}
			line += fmt.Sprintf("  %-13s", cell)
		}
		drawn.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	const path = "../../docs/lifecycle/console.txt"
	if *update {
		fine(t, os.WriteFile(path, []byte(drawn.String()), 0o644))
	}
	if want, err := os.ReadFile(path); err != nil || string(want) != drawn.String() {
		t.Errorf("%s is stale (%v): go test ./cmd/inkan -run WhichRole -update, and read the difference:\n%s", path, err, drawn.String())
	}
	if passed == 0 {
		t.Error("nobody may do anything")
	}
}

// The links by which the demo's start page signs made-up staff in are the demo's alone.
func TestNoServerSignsStaffInByALink(t *testing.T) {
	t.Parallel()
	w := attack(t)
	w.SignedIn(staff.Clerk)
	for _, who := range []string{"clerk", "administrator", ""} {
		if r := w.send(get(staffHost, "/demo/"+who)); r.StatusCode != http.StatusNotFound || len(r.Cookies()) > 0 {
			t.Errorf("/demo/%s answers %d with %d cookies", who, r.StatusCode, len(r.Cookies()))
		}
	}
}

// deskGet opens a page of the console as a member.
func (w *attacked) deskGet(d *testkit.Desk, path string) answer {
	a := get(staffHost, path)
	a.cookies = map[string]string{"__Host-staff": d.Cookie}
	return w.send(a)
}

// deskPost sends a form of the console as a member.
func (w *attacked) deskPost(d *testkit.Desk, path string, pairs ...string) answer {
	a := deskForm(path, append([]string{"form", d.CSRF}, pairs...)...)
	a.cookies = map[string]string{"__Host-staff": d.Cookie}
	return w.send(a)
}

var deskLink = regexp.MustCompile(`(?:href|src)="(/[^"#]*)"`)

// crawl follows every link that a member sees, from the first page and from those that are named, and gives what she read by address. Pages that are refused or broken are faults.
func (w *attacked) crawl(d *testkit.Desk, from ...string) map[string]string {
	w.t.Helper()
	read := map[string]string{}
	for todo := append([]string{"/"}, from...); len(todo) > 0 && len(read) < 200; todo = todo[1:] {
		path := html.UnescapeString(todo[0])
		if _, was := read[path]; was || strings.HasPrefix(path, "/static/") || path == "/logout" {
			continue
		}
		r := w.deskGet(d, path)
		if r.StatusCode != http.StatusOK && !(r.StatusCode == http.StatusPreconditionRequired && strings.HasPrefix(path, "/customers/")) { // whom she has not looked up
			w.t.Errorf("%s is led to %s, which answers %d", d.Role, path, r.StatusCode)
		}
		read[path] = r.text
		for _, m := range deskLink.FindAllStringSubmatch(r.text, -1) {
			todo = append(todo, m[1])
		}
	}
	return read
}

// looked are the pages of customers that a member has looked up by the bank's reference; what she reads on the way is kept as well.
func (w *attacked) looked(d *testkit.Desk, refs ...string) (pages []string) {
	w.t.Helper()
	if !staff.May(d.Role, staff.CustomerLook) {
		return nil
	}
	for _, ref := range refs {
		r := w.deskPost(d, "/customers", "by", "ref", "ref", ref)
		if r.StatusCode != http.StatusSeeOther {
			w.t.Errorf("%s looks %s up: %d", d.Role, ref, r.StatusCode)
			continue
		}
		pages = append(pages, r.Header.Get("Location"))
	}
	return pages
}

// What anybody can type is shown as text: names of customers and of staff, reasons, notes, papers, user agents. A spreadsheet runs nothing of it either.
func TestWhatIsTypedIsOnlyText(t *testing.T) {
	t.Parallel()
	w := attack(t)
	const script, picture, formula = `<script>alert(1)</script>`, `"><img src=x onerror=alert(2)>`, `=HYPERLINK("http://evil.example","x")`
	long := strings.Repeat("長い名前", 10)
	fine(t, w.ImportCustomer(t.Context(), authority.NewCustomer{Ref: "0101-1-7777777", LoginID: "hostile01", LoginPassword: testkit.Login, ConfirmPassword: testkit.Confirm, Name: script, Kana: formula, Mail: "hostile@mail.example.jp",
		Phone: "090-0000-7777", Branch: "101", AccountType: "普通", AccountNumber: "7777777", KeepPasswords: true}))
	strange := authority.Visit{Actor: audit.Actor{Kind: audit.Stranger, Device: picture, Source: "192.0.2.0/24"}}
	_, err := w.MakeRelease(t.Context(), strange, nil, "", authority.ReleaseForm{Once: "1", Items: []string{"other"}, Reason: "other", Branch: "101", AccountType: "普通", AccountNumber: "7777777", Name: picture, Kana: formula + long})
	fine(t, err)
	desks := map[staff.Role]*testkit.Desk{}
	for i, role := range staff.Roles {
		desks[role] = w.SignedInAs(authority.NewStaff{Name: []string{script, picture, formula, "@SUM(1+1)", "-2+3", long}[i], Person: fmt.Sprint("P", i, picture), Branch: "101", Role: role})
	}
	clerk, fraud := desks[staff.Clerk], desks[staff.Fraud]
	pages := w.looked(clerk, "0101-1-7777777")
	id, err := w.MakeCase(t.Context(), clerk.StaffSession, authority.NewCase{Once: "2", Branch: "101", AccountType: "普通", AccountNumber: "7777777", Items: []string{"other"}, Reason: "suspicious"})
	fine(t, err)
	seen, err := w.CaseOf(t.Context(), clerk.StaffSession, id)
	fine(t, err)
	fine(t, w.SubmitCase(t.Context(), clerk.StaffSession, id, seen.Version, release.Desk{Items: []release.Item{release.Other}, Checks: []release.Check{release.CheckDocument}, Document: release.Licence, Reference: picture[:30], Note: script + formula}))
	_, err = w.StopAtDesk(t.Context(), clerk.StaffSession, strings.TrimPrefix(pages[0], "/customers/"), "other", script+picture)
	fine(t, err)
	if _, err := w.AskOrder(t.Context(), clerk.StaffSession, "service.restart", map[string]any{"customer": strings.TrimPrefix(pages[0], "/customers/")}, picture+formula); err != nil {
		t.Errorf("asking for a restart: %v", err)
	}
	incidents, _, err := w.Incidents(t.Context(), fraud.StaffSession, false, "")
	fine(t, err)
	for _, i := range incidents {
		fine(t, w.NoteIncident(t.Context(), fraud.StaffSession, i.ID, script+picture+formula))
	}
	shown := 0
	for role, d := range desks {
		for path, text := range w.crawl(d, w.looked(d, "0101-1-7777777")...) {
			for _, raw := range []string{script, "<img src=x", `onerror="`} {
				if strings.Contains(text, raw) {
					t.Errorf("%s as %s holds %s", path, role, raw)
				}
			}
			shown += strings.Count(text, html.EscapeString(script)) + strings.Count(text, "&lt;img src=x")
		}
	}
	if shown < 20 {
		t.Errorf("what was typed is shown %d times: the test looks elsewhere", shown)
	}
	w.Clock.Move(3 * time.Minute) // an export ends two minutes ago
	sheet, err := w.ExportNow(t.Context(), desks[staff.Auditor].StaffSession, audit.Filter{Action: audit.StaffLogin}, "csv")
	fine(t, err)
	for _, line := range strings.Split(string(sheet.Body), "\n") {
		for _, cell := range strings.Split(line, ",") {
			if cell = strings.Trim(cell, `"`); cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") {
				t.Errorf("a spreadsheet would run %q", cell)
			}
		}
	}
}
