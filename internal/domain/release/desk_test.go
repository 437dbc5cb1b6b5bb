package release

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestADeskHasOneForm(t *testing.T) {
	d := Desk{Items: []Item{Downloads, OTPLock, Downloads}, Issue: []Issue{IssueConfirm, IssueKey}, Checks: []Check{CheckCall, CheckCard}, Document: Passport, Reference: " TK\t1234567\u202e\n9", Note: "\r\n 一\x00行  目 \r\n二行目\n\n"}
	got, field := d.Clean()
	if field != "" || got.Reference != "TK 1234567 9" || got.Note != "一行 目\n二行目" || len(got.Items) != 2 || got.Items[0] != OTPLock || got.Issue[0] != IssueKey || got.Checks[0] != CheckCard {
		t.Errorf("%q %+v", field, got)
	}
	for field, bad := range map[string]Desk{"items": {Items: []Item{"everything"}}, "issue": {Issue: []Issue{"money"}}, "checks": {Checks: []Check{"eyes"}}, "document": {Document: "library card"},
		"reference": {Reference: strings.Repeat("x", ReferenceLength+1)}, "note": {Note: strings.Repeat("x", NoteLength+1)}} {
		if _, got := bad.Clean(); got != field {
			t.Errorf("%q is refused as %q", field, got)
		}
	}
	if _, field := (Desk{Note: "\xff\xfe"}).Clean(); field != "note" {
		t.Errorf("bytes that are no text are refused as %q", field)
	}
}

// nothing that is shut opens without a document whose reference is written down.
func TestNothingOpensWithoutADocument(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, field := Desk{Items: rapid.SliceOf(rapid.SampledFrom(Items)).Draw(t, "items"), Issue: rapid.SliceOf(rapid.SampledFrom(Issues)).Draw(t, "issue"), Checks: rapid.SliceOf(rapid.SampledFrom(Checks)).Draw(t, "checks"),
			Document: rapid.SampledFrom(append(Documents, "")).Draw(t, "document"), Reference: rapid.SampledFrom([]string{"", " ", "1"}).Draw(t, "reference"), Note: rapid.SampledFrom([]string{"", "x"}).Draw(t, "note")}.Clean()
		if field != "" {
			t.Fatal(field)
		}
		if again, _ := d.Clean(); !bytes.Equal((Sent{Desk: d}).Hash(), (Sent{Desk: again}).Hash()) {
			t.Fatal("cleaned again it is another one")
		}
		sendable := d.Missing() == ""
		shown := false
		for _, c := range d.Checks {
			shown = shown || c == CheckDocument
		}
		if sendable && d.Opens() && (!shown || d.Document == "" || d.Reference == "") {
			t.Fatalf("%+v can be sent", d)
		}
		if sendable && (len(d.Items) == 0 || len(d.Checks) == 0) {
			t.Fatalf("%+v can be sent", d)
		}
	})
}

// Whatever decides is in the hash.
func TestTheHashOfWhatIsSent(t *testing.T) {
	seen := map[string]string{}
	base := Sent{ID: "rel_1", Version: 3, Customer: "cus_1", Origin: ByCustomer, Asked: []Item{OTPLock}, Reason: LostPhone, Maker: "stf_1", Scans: []string{}, Desk: Desk{Items: []Item{OTPLock}, Document: Licence, Reference: "1", Note: "n"}}
	for name, change := range map[string]func(s *Sent){"nothing": func(*Sent) {}, "id": func(s *Sent) { s.ID = "rel_2" }, "version": func(s *Sent) { s.Version++ }, "customer": func(s *Sent) { s.Customer = "cus_2" }, "origin": func(s *Sent) { s.Origin = AtCounter },
		"asked": func(s *Sent) { s.Asked = []Item{Downloads} }, "reason": func(s *Sent) { s.Reason = Stolen }, "maker": func(s *Sent) { s.Maker = "stf_2" }, "scans": func(s *Sent) { s.Scans = []string{"00"} },
		"items": func(s *Sent) { s.Desk.Items = []Item{OTPLock, TokenRevoke} }, "issue": func(s *Sent) { s.Desk.Issue = []Issue{IssueKey} }, "checks": func(s *Sent) { s.Desk.Checks = []Check{CheckCard} },
		"document": func(s *Sent) { s.Desk.Document = Passport }, "reference": func(s *Sent) { s.Desk.Reference = "2" }, "note": func(s *Sent) { s.Desk.Note = "m" }} {
		s := base
		change(&s)
		h := string(s.Hash())
		if other, was := seen[h]; was {
			t.Errorf("%s and %s have one hash", name, other)
		}
		seen[h] = name
	}
}

func TestAScanIsWhatItsFirstBytesSay(t *testing.T) {
	for bytes, kind := range map[string]string{"%PDF-1.7\nxx": "application/pdf", "\x89PNG\r\n\x1a\nxx": "image/png", "\xff\xd8\xff\xe0xxxxxx": "image/jpeg", "<svg xmlns=''/>": "", "GIF89axxxxx": "", " %PDF-1.7xx": "", "%PDF-": "", "": "", "<!doctype html>%PDF-": ""} {
		if got := ScanKind([]byte(bytes)); got != kind {
			t.Errorf("%q is %q, want %q", bytes, got, kind)
		}
	}
}
