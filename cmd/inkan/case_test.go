package main

import (
	"bytes"
	"fmt"
	"html"
	"mime/multipart"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/release"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/testkit"
)

var hiddenField = regexp.MustCompile(`name="(version|shown)" value="([^"]*)"`)

// hidden is a value that a page carries for its form.
func hidden(page, name string) string {
	for _, m := range hiddenField.FindAllStringSubmatch(page, -1) {
		if m[1] == name {
			return html.UnescapeString(m[2])
		}
	}
	return ""
}

// upload is a form with a file.
func upload(d *testkit.Desk, path, version string, file []byte) ask {
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	_ = m.WriteField("form", d.CSRF)
	_ = m.WriteField("version", version)
	f, _ := m.CreateFormFile("paper", "<script>.pdf")
	_, _ = f.Write(file)
	_ = m.Close()
	return ask{method: http.MethodPost, host: staffHost, path: path, body: b.String(), head: map[string]string{"Content-Type": m.FormDataContentType(), "Sec-Fetch-Site": "same-origin"}, cookies: map[string]string{"__Host-staff": d.Cookie}}
}

// A request over the wire, with hostile words in every field: what was typed comes back as words, what is refused keeps it, a scanned paper is a file and never a page, and the letter is shown once.
func TestACaseOverTheWire(t *testing.T) {
	t.Parallel()
	w := attack(t)
	w.Person(1, false)
	clerk, checker := w.SignedIn(staff.Clerk), w.SignedIn(staff.Checker)
	hostile := `<script>alert(1)</script>"'=HYPERLINK("x")`
	made, err := w.MakeRelease(t.Context(), testkit.Visit(authority.PC), nil, "", authority.ReleaseForm{Once: "x", Items: []string{"token_revoke"}, Reason: "lost", Branch: "101", AccountType: "普通", AccountNumber: "1234567",
		Name: hostile, Kana: strings.Repeat("ア", 40)})
	fine(t, err)
	if r := w.deskPost(clerk, "/cases", "number", "no such <b>number</b>"); r.StatusCode != http.StatusNotFound || !strings.Contains(r.text, "no such &lt;b&gt;number") {
		t.Errorf("a wrong number: %d", r.StatusCode)
	}
	at := w.deskPost(clerk, "/cases", "number", strings.ToLower(made.Number)).Header.Get("Location")
	if at != "/cases/"+made.ID {
		t.Fatalf("the number leads to %q", at)
	}
	does := func(d *testkit.Desk, want int, path string, pairs ...string) answer {
		t.Helper()
		page := w.deskGet(d, at).text
		r := w.deskPost(d, at+path, append([]string{"version", hidden(page, "version"), "shown", hidden(page, "shown")}, pairs...)...)
		if r.StatusCode != want {
			t.Fatalf("%s %v: %d, want %d", path, pairs, r.StatusCode, want)
		}
		if strings.Contains(r.text, "<script>alert") {
			t.Errorf("%s lets words of others in", path)
		}
		return r
	}
	does(clerk, 303, "/receive")
	does(clerk, 422, "/tie", "branch", "101", "account_type", "普通", "account_number", "7654321")
	does(clerk, 303, "/tie", "branch", "101", "account_type", "普通", "account_number", "1234567")
	page := w.deskGet(clerk, at).text
	if strings.Contains(page, hostile) || !strings.Contains(page, html.EscapeString("<script>alert(1)</script>")) || strings.Contains(page, "1234567") {
		t.Error("the page shows what was typed otherwise than as masked words")
	}
	refused := does(clerk, 422, "/desk", "do", "submit", "item", "token_revoke", "check", "document", "document", "licence", "reference", "", "note", hostile)
	if !strings.Contains(refused.text, html.EscapeString("<script>alert(1)</script>")) || !strings.Contains(refused.text, `id="reference-wrong"`) {
		t.Error("a refused form forgets what was typed, or says nothing beside the field")
	}
	does(clerk, 400, "/desk", "do", "everything")

	pdf := []byte("%PDF-1.7\n<script>alert(1)</script>")
	version := func() string { return hidden(w.deskGet(clerk, at).text, "version") }
	large := append([]byte("%PDF-1.7\n"), bytes.Repeat([]byte("x"), 1<<20)...)
	for name, x := range map[string]struct {
		ask  ask
		want int
	}{
		"a page":            {upload(clerk, at+"/scan", version(), []byte("<html>")), 422},
		"five megabytes":    {upload(clerk, at+"/scan", version(), append(pdf, make([]byte, 5<<20)...)), 422},
		"by a checker":      {upload(checker, at+"/scan", version(), pdf), 403},
		"an old page":       {upload(clerk, at+"/scan", "1", pdf), 409},
		"without a session": {func() ask { a := upload(clerk, at+"/scan", version(), pdf); a.cookies = nil; return a }(), 303},
		"another's form": {func() ask {
			a := upload(checker, at+"/scan", version(), pdf)
			a.cookies["__Host-staff"] = clerk.Cookie
			return a
		}(), 403},
		"another door": {upload(clerk, at+"/desk", version(), large), 403},
	} {
		if r := w.send(x.ask); r.StatusCode != x.want {
			t.Errorf("%s: %d, want %d", name, r.StatusCode, x.want)
		}
	}
	if r := w.send(upload(clerk, at+"/scan", version(), large)); r.StatusCode != http.StatusSeeOther {
		t.Errorf("a megabyte: %d", r.StatusCode)
	}
	w.Clock.Move(time.Second) // the later one is the second
	if r := w.send(upload(clerk, at+"/scan", version(), pdf)); r.StatusCode != http.StatusSeeOther {
		t.Fatalf("a paper: %d", r.StatusCode)
	}
	scans := regexp.MustCompile(`/scan/scn_[0-9a-z]{26}`).FindAllString(w.deskGet(clerk, at).text, -1)
	if len(scans) != 2 {
		t.Fatalf("there are %d scans", len(scans))
	}
	a := get(staffHost, at+scans[1])
	a.cookies = map[string]string{"__Host-staff": checker.Cookie}
	r := w.send(a)
	if h := r.Header; h.Get("Content-Type") != "application/pdf" || !strings.HasPrefix(h.Get("Content-Disposition"), "attachment;") || !strings.HasSuffix(h.Get("Content-Security-Policy"), "; sandbox") || h.Get("X-Content-Type-Options") != "nosniff" || r.text != string(pdf) {
		t.Errorf("a scan comes as %v", h)
	}

	full := []string{"do", "submit", "item", "token_revoke", "issue", "key", "check", "document", "document", "licence", "reference", strings.Repeat("長", release.ReferenceLength), "note", hostile}
	does(clerk, 303, "/desk", full...)
	if r := w.deskPost(clerk, at+"/decide", "do", "grant"); r.StatusCode != http.StatusForbidden {
		t.Errorf("the maker grants: %d", r.StatusCode)
	}
	does(checker, 422, "/decide", "do", "decline", "said", "")
	does(checker, 303, "/decide", "do", "grant")
	does(clerk, 403, "/letter", "do", "paper")
	letter := does(checker, 200, "/letter", "do", "paper")
	key := regexp.MustCompile(`id="typed">((?:<span>\d{4}</span> ){4})`).FindStringSubmatch(letter.text)
	if key == nil || letter.Header.Get("Cache-Control") != "no-store" {
		t.Fatal("the letter has no key, or may be kept")
	}
	digits := strings.Join(regexp.MustCompile(`\d{4}`).FindAllString(key[1], -1), "")
	for _, d := range []*testkit.Desk{clerk, checker} {
		for path, text := range w.crawl(d, at) {
			if plain := strings.NewReplacer(" ", "", "<span>", "", "</span>", "").Replace(text); strings.Contains(plain, digits) {
				t.Errorf("%s shows the key again", path)
			}
		}
	}
	if s := does(checker, 200, "/letter", "do", "screen"); strings.Contains(s.text, digits) || !strings.Contains(s.text, "svg class=\"qr\"") {
		t.Error("the screen shows the letter's key, or none")
	}
	for _, role := range []staff.Role{staff.Auditor, staff.Fraud} {
		d := w.SignedIn(role)
		if text := w.deskGet(d, at).text; strings.Contains(text, "/letter") || strings.Contains(text, "name=\"do\"") {
			t.Errorf("%s is shown a button that would be refused", role)
		}
	}
	if r := w.deskGet(clerk, "/cases?state="+fmt.Sprint("<b>")); r.StatusCode != http.StatusNotFound {
		t.Errorf("a state that is none: %d", r.StatusCode)
	}
}
