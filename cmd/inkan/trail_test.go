package main

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/incident"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// The fraud desk over the wire: hostile words come back as words, a form that is refused keeps what was typed, and whoever may only look has no button that would be refused.
func TestTheFraudDeskOverTheWire(t *testing.T) {
	t.Parallel()
	w := attack(t)
	w.Person(1, false)
	desk, auditor, clerk := w.SignedIn(staff.Fraud), w.SignedIn(staff.Auditor), w.SignedIn(staff.Clerk)
	hostile := `<script>alert(1)</script>"'=HYPERLINK("x")`
	_, err := w.MakeRelease(t.Context(), testkit.Visit(authority.PC), nil, "", authority.ReleaseForm{Once: "x", Items: []string{"token_revoke"}, Reason: "suspicious", Branch: "101", AccountType: "普通", AccountNumber: "1234567", Name: hostile})
	fine(t, err)
	all, _, err := w.Incidents(t.Context(), desk.StaffSession, false, "")
	fine(t, err)
	at := "/fraud/" + all[0].ID
	if r := w.deskGet(desk, "/fraud"); r.StatusCode != http.StatusOK || !strings.Contains(r.text, at) {
		t.Errorf("the queue: %d", r.StatusCode)
	}
	for what, d := range map[string]*testkit.Desk{"an auditor": auditor, "a clerk": clerk} {
		for _, act := range []string{"/take", "/note", "/close", "/reopen", "/stop"} {
			if r := w.deskPost(d, at+act, "words", "x", "outcome", "fraud"); r.StatusCode != http.StatusForbidden {
				t.Errorf("%s at %s: %d", what, act, r.StatusCode)
			}
		}
	}
	if r := w.deskGet(auditor, at); r.StatusCode != http.StatusOK || strings.Contains(r.text, "<form method=\"post\" action=\"/fraud") || strings.Contains(r.text, "/customers/") {
		t.Errorf("the auditor's page: %d", r.StatusCode)
	}
	if r := w.deskPost(desk, at+"/close", "words", hostile, "outcome", "fraud"); r.StatusCode != http.StatusConflict {
		t.Errorf("closing what she has not taken: %d", r.StatusCode)
	}
	if r := w.deskPost(desk, at+"/take", "was", ""); r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != at {
		t.Fatalf("taking: %d", r.StatusCode)
	}
	if r := w.deskPost(desk, at+"/close", "words", hostile, "outcome", "nonsense"); r.StatusCode != http.StatusBadRequest || !strings.Contains(r.text, "&lt;script&gt;alert(1)&lt;/script&gt;") || strings.Contains(r.text, "<script>alert") {
		t.Errorf("a refused form: %d", r.StatusCode)
	}
	if r := w.deskPost(desk, at+"/note", "words", hostile); r.StatusCode != http.StatusSeeOther {
		t.Errorf("a note: %d", r.StatusCode)
	}
	if r := w.deskPost(desk, at+"/close", "words", "確認済み", "outcome", string(incident.FalseAlarm)); r.StatusCode != http.StatusSeeOther {
		t.Errorf("closing: %d", r.StatusCode)
	}
	if r := w.deskGet(auditor, at); !strings.Contains(r.text, "誤報") || !strings.Contains(r.text, "&lt;script&gt;alert(1)") || strings.Contains(r.text, "<script>alert") {
		t.Error("the closed incident is not shown as it was closed")
	}
}

// The trail over the wire: hostile words in the trail and in the search, files that are files, two persons for what is about customers, pictures that are well-formed and can run nothing.
func TestTheTrailOverTheWire(t *testing.T) {
	t.Parallel()
	w := attack(t)
	w.Person(1, false)
	auditor, supervisor, clerk := w.SignedIn(staff.Auditor), w.SignedIn(staff.Supervisor), w.SignedIn(staff.Clerk)
	evil := audit.Entry{ID: ident.New(ident.Entry, w.Clock.Now(), [10]byte{1}), At: w.Clock.Now(), Actor: audit.Actor{Kind: audit.Operator, ID: `=cmd|' /C calc'!A0`, Device: `<img src=x onerror=alert(1)>`, Source: "@SUM(1)"}, Action: audit.StaffInvite, Outcome: audit.Done,
		Detail: map[string]string{"by": `<script>alert(1)</script>`}}
	fine(t, w.Store.Write(t.Context(), func(ctx context.Context, tx *store.Tx) error { return tx.Record(ctx, evil) }))
	w.Clock.Move(3 * time.Minute) // an export ends two minutes ago: what is still being written is no part of it
	r := w.deskGet(auditor, "/trail?act=staff.invite")
	if r.StatusCode != http.StatusOK || !strings.Contains(r.text, "&lt;script&gt;alert(1)") || strings.Contains(r.text, "<script>alert") || strings.Contains(r.text, "<img src=x") {
		t.Errorf("the page: %d", r.StatusCode)
	}
	r = w.deskGet(auditor, "/trail?customer=%3Cb%3Enobody&from=2026-01-01T00:00")
	if r.StatusCode == http.StatusOK || !strings.Contains(r.text, `value="&lt;b&gt;nobody"`) || !strings.Contains(r.text, "2026-01-01T00:00") {
		t.Errorf("a customer whom nobody has: %d", r.StatusCode)
	}
	for path, want := range map[string]int{"/trail?from=yesterday": 400, "/trail?act=x": 400, "/trail?before=x": 404, "/trail?outcome=x": 400, "/figures?days=8": 404, "/figures/x.svg": 404, "/reports/releases?day=x": 404, "/reports/releases": 200, "/figures": 200} {
		if r := w.deskGet(supervisor, path); r.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, r.StatusCode, want)
		}
	}
	sheet := w.deskPost(auditor, "/trail/export", "act", "staff.invite", "form_of", "csv")
	if sheet.StatusCode != http.StatusOK || !strings.HasPrefix(sheet.Header.Get("Content-Type"), "text/csv") || !strings.HasPrefix(sheet.Header.Get("Content-Disposition"), "attachment") || !strings.Contains(sheet.text, `"'=cmd|`) || !strings.Contains(sheet.text, `"'@SUM(1)"`) {
		t.Errorf("the sheet: %d %v\n%s", sheet.StatusCode, sheet.Header, sheet.text)
	}
	file := w.deskPost(auditor, "/trail/export", "act", "staff.invite", "form_of", "jsonl")
	if _, _, err := audit.ReadExport([]byte(file.text), ""); err != nil {
		t.Errorf("the file: %v", err)
	}
	if r := w.deskPost(auditor, "/trail/export", "form_of", "csv", "reason", "<b>検査"); r.StatusCode != http.StatusForbidden || !strings.Contains(r.text, "二人の確認") || !strings.Contains(r.text, "&lt;b&gt;検査") {
		t.Errorf("everything by one person: %d", r.StatusCode)
	}
	asked := w.deskPost(auditor, "/trail/ask", "customer", testkit.Ref, "reason", "検査のため")
	if asked.StatusCode != http.StatusSeeOther || !strings.HasPrefix(asked.Header.Get("Location"), "/orders/ord_") {
		t.Errorf("asking a second person: %d %s", asked.StatusCode, asked.Header.Get("Location"))
	}
	if r := w.deskGet(supervisor, asked.Header.Get("Location")); r.StatusCode != http.StatusOK || !strings.Contains(r.text, "記録の持ち出し") {
		t.Errorf("the order: %d", r.StatusCode)
	}
	for _, path := range []string{"/trail/export", "/trail/ask", "/trail/export/exp_00000000000000000000000000"} {
		if r := w.deskPost(clerk, path, "form_of", "csv"); r.StatusCode != http.StatusForbidden {
			t.Errorf("a clerk at %s: %d", path, r.StatusCode)
		}
	}
	w.Clock.Move(300e9)
	fine(t, w.SweepDue(t.Context()))
	for _, name := range []string{"logins", "codes", "answers", "enrolments", "ending", "queues"} {
		r := w.deskGet(supervisor, "/figures/"+name+".svg?days=7")
		if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != "image/svg+xml" || !strings.HasPrefix(r.Header.Get("Content-Security-Policy"), "default-src 'none'") || strings.Contains(r.text, "<script") {
			t.Errorf("%s: %d %v", name, r.StatusCode, r.Header)
		}
		for d := xml.NewDecoder(strings.NewReader(r.text)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Errorf("%s is no picture: %v", name, err)
				break
			}
		}
	}
}
