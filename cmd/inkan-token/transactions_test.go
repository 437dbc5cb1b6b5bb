package main

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
)

var internetBank = audit.Actor{Kind: audit.Bank, ID: "internet-bank", Device: "-", Source: "192.0.2.0/24"}

// inUse registers the program as the token of a customer who has added transaction authentication.
func (b *bench) inUse() (ref string) {
	b.t.Helper()
	browser, key, number := b.ordered(1)
	lines := strings.Fields(b.must("register", "-link", key.Link, "-number", number))
	if err := browser.Start(lines[len(lines)-1]); err != nil {
		b.t.Fatal(err)
	}
	b.Clock.Move(time.Minute)
	if err := b.AddTransactionAuth(b.t.Context(), browser.Session, strings.TrimSpace(b.must("code"))); err != nil {
		b.t.Fatal(err)
	}
	return "0101-1-1234567"
}

func (b *bench) order(ref string) authority.Transaction {
	b.t.Helper()
	b.orders++
	x, err := b.CreateTransaction(b.t.Context(), internetBank, fmt.Sprint("order-", b.orders), authority.NewTransaction{Ref: ref, Template: "limit", Currency: "JPY",
		Fields: map[string]string{"limit.what": "transfer_day", "limit.before": "1000000", "limit.after": "5000000"}})
	if err != nil {
		b.t.Fatal(err)
	}
	return x
}

func (b *bench) state(id string) transaction.State {
	b.t.Helper()
	x, err := b.ReadTransaction(b.t.Context(), internetBank, id)
	if err != nil {
		b.t.Fatal(err)
	}
	return x.State
}

func TestApproveRejectReport(t *testing.T) {
	b := newBench(t)
	ref := b.inUse()
	if out := b.must("transactions"); !strings.Contains(out, "Nothing waits") {
		t.Errorf("an empty list: %s", out)
	}
	first := b.order(ref)
	if out := b.must("transactions", "-lang", "en"); !strings.Contains(out, "After: JPY 5,000,000") || !strings.Contains(out, first.ID) {
		t.Errorf("what waits is shown as %s", out)
	}
	// The answer is lost: it is kept and sent again, and nothing is approved twice.
	b.lose = true
	if code, _, errs := b.run("approve", first.ID); code == 0 || !strings.Contains(errs, "cannot be reached") {
		t.Errorf("while answers are lost: %d %s", code, errs)
	}
	b.lose = false
	if out := b.must("approve", first.ID); !strings.Contains(out, "変更後: 5,000,000円") || !strings.Contains(out, "approved") {
		t.Errorf("approving says %s", out)
	}
	if b.state(first.ID) != transaction.Approved {
		t.Errorf("it is %s", b.state(first.ID))
	}
	if code, _, errs := b.run("reject", first.ID); code == 0 || !strings.Contains(errs, "nothing was sent") {
		t.Errorf("answering twice: %d %s", code, errs)
	}
	second := b.order(ref)
	if code, _, errs := b.run("approve", second.ID, "-reason", "nonsense"); code == 0 {
		t.Errorf("a reason that does not exist, behind the number: %s", errs)
	}
	if code, _, errs := b.run("reject", "-reason", "nonsense", second.ID); code == 0 || !strings.Contains(errs, "-reason") {
		t.Errorf("a reason that does not exist: %d %s", code, errs)
	}
	b.must("reject", "-reason", "wrong_amount", second.ID)
	if b.state(second.ID) != transaction.Rejected {
		t.Errorf("it is %s", b.state(second.ID))
	}
	third := b.order(ref)
	b.must("report", "-reason", "told_by_phone", third.ID)
	if b.state(third.ID) != transaction.Reported {
		t.Errorf("it is %s", b.state(third.ID))
	}
	_, err := b.CreateTransaction(t.Context(), internetBank, "more", authority.NewTransaction{Ref: ref, Template: "limit", Currency: "JPY", Fields: map[string]string{"limit.what": "transfer_day", "limit.before": "1", "limit.after": "2"}})
	if problem.KindOf(err) != problem.TransfersStopped {
		t.Errorf("after the report: %v", err)
	}
	if out := b.must("transactions"); strings.Count(out, "txn_") != 3 {
		t.Errorf("the history is %s", out)
	}
}

// Decisions made while the server is down are kept in the file, and the next command sends them.
func TestKeptAnswers(t *testing.T) {
	b := newBench(t)
	made := b.order(b.inUse())
	b.must("transactions")
	b.drop = "/v1/decisions"
	if code, _, errs := b.run("approve", made.ID); code == 0 || !strings.Contains(errs, "kept") {
		t.Fatalf("%d %s", code, errs)
	}
	if b.state(made.ID) != transaction.Pending {
		t.Fatalf("it is %s", b.state(made.ID))
	}
	b.drop = ""
	b.must("transactions")
	if b.state(made.ID) != transaction.Approved {
		t.Errorf("it is %s", b.state(made.ID))
	}
	e, err := b.Evidence(t.Context(), internetBank, made.ID)
	if err != nil {
		t.Fatal(err)
	}
	if f, err := e.Verify(b.Keys.Issuer().RootThumbprint); err != nil || f.Decision == nil || f.Decision.Counter != 1 {
		t.Errorf("the evidence: %v", err)
	}
}

func TestOfflineOnTheCommandLine(t *testing.T) {
	b := newBench(t)
	ref := b.inUse()
	b.must("transactions")
	made := b.order(ref)
	b.drop = "/"
	b.stdin = made.QR + "\n"
	out := b.must("offline")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	code := strings.ReplaceAll(lines[len(lines)-1], " ", "")
	if !strings.Contains(out, "変更後: 5,000,000円") {
		t.Errorf("it shows %s", out)
	}
	if x, err := b.ConfirmOffline(t.Context(), internetBank, made.ID, code); err != nil || x.Grade != transaction.GradeB {
		t.Fatalf("the code %s: %v", code, err)
	}
	b.drop = ""
	b.must("transactions")
	if x, err := b.ReadTransaction(t.Context(), internetBank, made.ID); err != nil || x.Grade != transaction.GradeA {
		t.Errorf("when the network is back: grade %q, %v", x.Grade, err)
	}
	b.Clock.Move(6 * time.Minute)
	if code, _, errs := b.run("offline", made.QR); code == 0 || !strings.Contains(errs, "ended") {
		t.Errorf("an old one: %d %s", code, errs)
	}
	for _, text := range []string{"", "INKAN1:", "INKAN1:!!!", "https://evil.example", made.QR[:len(made.QR)-3], strings.Replace(made.QR, "INKAN1:", "INKAN1:0", 1)} {
		b.stdin = text
		if code, _, errs := b.run("offline"); code == 0 || errs == "" {
			t.Errorf("%.20q: %d %s", text, code, errs)
		}
	}
}

// It has no finger to show: what the bank wants confirmed with one is not approved here, with a network or without, and nothing is sent or shown.
func TestWhatNeedsAFingerIsNotApprovedHere(t *testing.T) {
	b := newBench(t)
	ref := b.inUse()
	b.World = b.Demanding()
	b.door.Authority = b.Authority
	made := b.order(ref)
	b.must("transactions")
	for _, args := range [][]string{{"approve", made.ID}, {"offline", made.QR}} {
		if code, out, errs := b.run(args...); code == 0 || !strings.Contains(errs, "fingerprint") || !strings.Contains(errs, "nothing was sent") || regexp.MustCompile(`\d{4} \d{4}`).MatchString(out) {
			t.Errorf("%s: %d %s%s", args[0], code, out, errs)
		}
	}
	if s := b.state(made.ID); s != transaction.Pending {
		t.Errorf("it is %s", s)
	}
	if out := b.must("reject", made.ID); !strings.Contains(out, "rejected") {
		t.Errorf("a rejection: %s", out)
	}
	if _, _, errs := b.run("help"); !strings.Contains(errs, "no fingerprint, face or screen lock to ask for") {
		t.Errorf("the usage does not say so: %s", errs)
	}
}
