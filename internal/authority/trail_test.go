package authority_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/order"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// longAgo is when the made-up entries of these tests begin: before anything that the world itself writes down.
const longAgo = 48 * time.Hour

// history writes n made-up entries, a second apart, by several actors, and gives them, the newest first.
func history(t *testing.T, w *testkit.World, n int, customers []string, members []string) (all []audit.Entry) {
	t.Helper()
	actions := []audit.Action{audit.LoginPassword, audit.OTPVerify, audit.ReleaseGrant, audit.CustomerReveal, audit.TokenLock, audit.ServiceStop}
	from := w.Clock.Now().Add(-longAgo)
	for i := range n {
		at := from.Add(time.Duration(i) * time.Second)
		e := audit.Entry{ID: ident.New(ident.Entry, at, [10]byte{0, 0, 0, byte(i), byte(i >> 8)}), At: at, Actor: audit.Actor{Kind: audit.Customer, ID: customers[i%len(customers)], Device: "Windows / Edge", Source: "192.0.2.0/24"},
			Action: actions[i%len(actions)], Customer: customers[i%len(customers)], Outcome: audit.Done, Detail: map[string]string{"n": fmt.Sprint(i)}}
		if i%3 == 0 {
			e.Actor.Kind, e.Actor.ID = audit.Staff, members[i%len(members)]
		}
		if i%7 == 0 {
			e.Outcome, e.Reason = audit.Refused, string(problem.Forbidden)
		}
		if i%11 == 0 {
			e.Customer = ""
		}
		all = append(all, e)
	}
	want(t, "history", w.ByHand(t.Context(), func(ctx context.Context, tx *store.Tx) error { return tx.RecordAll(ctx, all) }), "")
	slices.Reverse(all)
	return all
}

// Every combination of a search finds what is there, the newest first, whole, page after page; and each look is on record.
func TestTheTrailIsSearched(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		d, clerk := w.SignedIn(staff.Auditor), w.SignedIn(staff.Clerk)
		one, ref := customerOf(t, w, w.Person(1, false))
		two, _ := customerOf(t, w, w.Person(2, false))
		all := history(t, w, 700, []string{one, two}, []string{d.Member.ID, clerk.Member.ID})
		from, until := all[len(all)-1].At, all[0].At.Add(time.Second)
		tried := 0
		for _, customer := range []string{"", one} {
			for _, member := range []string{"", clerk.Member.ID} {
				for _, action := range []audit.Action{"", audit.OTPVerify, audit.ReleaseGrant} {
					for _, outcome := range []audit.Outcome{"", audit.Refused} {
						for _, span := range [][2]time.Time{{from, until}, {from.Add(100 * time.Second), from.Add(500 * time.Second)}} {
							f := audit.Filter{Customer: customer, Staff: member, Action: action, Outcome: outcome, From: span[0], Until: span[1]}
							var wanted, got []string
							for _, e := range all {
								if f.Fits(e) {
									wanted = append(wanted, e.ID)
								}
							}
							for before := ""; ; {
								page, err := w.SearchTrail(ctx, d.StaffSession, f, before)
								want(t, "searching", err, "")
								if len(page.Entries) > authority.TrailPage {
									t.Fatalf("a page of %d", len(page.Entries))
								}
								for _, e := range page.Entries {
									got = append(got, e.ID)
								}
								if before = page.Next; before == "" {
									break
								}
							}
							if !slices.Equal(got, wanted) {
								t.Errorf("%+v finds %d, want %d", f, len(got), len(wanted))
							}
							tried++
						}
					}
				}
			}
		}
		looks, err := w.SearchTrail(ctx, d.StaffSession, audit.Filter{Action: audit.TrailSearch}, "")
		want(t, "who looked", err, "")
		if len(looks.Entries) != authority.TrailPage || looks.Entries[0].Actor.ID != d.Member.ID || looks.Next == "" || tried != 48 {
			t.Errorf("%d looks are on record", len(looks.Entries))
		}
		hers, err := w.SearchTrail(ctx, d.StaffSession, audit.Filter{Customer: one, Action: audit.TrailSearch}, "")
		if err != nil || len(hers.Entries) == 0 {
			t.Errorf("nobody looked for her: %v", err)
		}
		_, err = w.SearchTrail(ctx, clerk.StaffSession, audit.Filter{}, "")
		want(t, "a clerk searches", err, problem.Forbidden)
		for what, f := range map[string]audit.Filter{"a customer": {Customer: "x' OR 1=1"}, "a member": {Staff: one}, "an act": {Action: "everything"}, "an outcome": {Outcome: "maybe"}, "a time": {From: until, Until: from}} {
			_, err := w.SearchTrail(ctx, d.StaffSession, f, "")
			want(t, what, err, problem.Malformed)
		}
		_, err = w.SearchTrail(ctx, d.StaffSession, audit.Filter{}, "ent_zzz")
		want(t, "from nowhere", err, problem.NotFound)
		for _, typed := range []string{one, ref, "101 1234567", "１０１−普通−1234567", "101-普通-1234567"} {
			got, err := w.TrailCustomer(ctx, d.StaffSession, typed)
			if strings.Contains(typed, "−") {
				continue // whatever becomes of a minus sign, it is no pattern
			}
			if err != nil || got != one {
				t.Errorf("%q is %q, %v", typed, got, err)
			}
		}
		for _, typed := range []string{"", "%", "0101-1-%", "101 %", "cus_00000000000000000000000000", "山田 花子", strings.Repeat("1", 100), "\x00"} {
			_, err := w.TrailCustomer(ctx, d.StaffSession, typed)
			want(t, fmt.Sprintf("%q", typed), err, problem.AccountNone)
		}
		page, err := w.SearchTrailFor(ctx, d.StaffSession, ref, audit.Filter{}, "")
		if err != nil || page.Filter.Customer != one || len(page.Entries) == 0 || page.Entries[0].Customer != one {
			t.Errorf("as typed: %+v, %v", page.Filter, err)
		}
		for misses := 9; misses < 30; misses++ {
			_, err = w.SearchTrailFor(ctx, d.StaffSession, fmt.Sprint("nobody", misses), audit.Filter{}, "")
			want(t, "nobody", err, problem.AccountNone)
		}
		_, err = w.SearchTrailFor(ctx, d.StaffSession, "nobody", audit.Filter{}, "")
		want(t, "one guess too many", err, problem.LooksUsedUp)
		_, err = w.TrailCustomer(ctx, d.StaffSession, ref)
		want(t, "a right one after too many", err, problem.LooksUsedUp)
	})
}

// An export leaves by one person where it is small and about no customer; else by two, for a day, to its asker only, exactly as it was asked. Each is on record, and what is made proves itself.
func TestAnExportLeavesByTwoPersons(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		asker, other, checker, clerk := w.SignedIn(staff.Auditor), w.SignedIn(staff.Auditor), w.SignedIn(staff.Supervisor), w.SignedIn(staff.Clerk)
		one, _ := customerOf(t, w, w.Person(1, false))
		all := history(t, w, 300, []string{one}, []string{clerk.Member.ID})

		w.Clock.Move(3 * time.Minute) // what is younger than two minutes is in no export
		small := audit.Filter{Action: audit.StaffLogin}
		file, err := w.ExportNow(ctx, asker.StaffSession, small, "jsonl")
		want(t, "a small one", err, "")
		x, _, err := audit.ReadExport(file.Body, "")
		if err != nil || len(x.Entries) != 4 || x.By != asker.Member.ID || x.CheckedBy != "" {
			t.Fatalf("it holds %d, %v", len(x.Entries), err)
		}
		_, err = w.ExportNow(ctx, asker.StaffSession, small, "xlsx")
		want(t, "another form", err, problem.Malformed)
		for what, f := range map[string]audit.Filter{"of a customer": {Customer: one}, "with a customer in it": {Action: audit.CustomerImport}, "of everything": {}} {
			_, err = w.ExportNow(ctx, asker.StaffSession, f, "csv")
			want(t, what, err, problem.ExportSecond)
		}
		for what, d := range map[string]*testkit.Desk{"a clerk": clerk, "a supervisor": checker} {
			_, err = w.ExportNow(ctx, d.StaffSession, small, "jsonl")
			want(t, what, err, problem.Forbidden)
			_, err = w.AskExport(ctx, d.StaffSession, small, "検査のため")
			want(t, what, err, problem.Forbidden)
		}

		f := audit.Filter{Customer: one, Until: all[0].At.Add(time.Second)}
		o, err := w.AskExport(ctx, asker.StaffSession, f, "検査のため")
		want(t, "asking", err, "")
		if o.Detail["customer"] != one || o.Customer != one || o.Detail["rows"] == "0" {
			t.Errorf("the checker sees %v", o.Detail)
		}
		_, err = w.CheckOrder(ctx, asker.StaffSession, o.ID, o.Hash, true, "")
		want(t, "checking one's own", err, problem.Forbidden)
		_, err = w.CheckOrder(ctx, checker.StaffSession, o.ID, strings.Repeat("00", 32), true, "")
		want(t, "checking something else", err, problem.OrderStale)
		o, err = w.CheckOrder(ctx, checker.StaffSession, o.ID, o.Hash, true, "")
		if err != nil || o.State != order.Carried {
			t.Fatalf("checking: %v %s", err, o.State)
		}
		found, err := w.SearchTrail(ctx, asker.StaffSession, audit.Filter{}, "")
		if err != nil || len(found.Exports) != 1 {
			t.Fatalf("the asker may fetch %v, %v", found.Exports, err)
		}
		id := found.Exports[0].ID
		late := all[0] // written after it was asked: no part of it
		late.At = w.Clock.Now().Add(time.Second)
		late.ID = ident.New(ident.Entry, late.At, [10]byte{1})
		want(t, "a later entry", w.ByHand(ctx, func(ctx context.Context, tx *store.Tx) error { return tx.Record(ctx, late) }), "")
		file, err = w.FetchExport(ctx, asker.StaffSession, id, "jsonl")
		want(t, "fetching", err, "")
		x, root, err := audit.ReadExport(file.Body, "")
		if err != nil || root == "" || x.CheckedBy != checker.Member.ID || len(x.Entries) < 250 || x.Entries[0].ID == late.ID {
			t.Fatalf("it holds %d by %s and %s, %v", len(x.Entries), x.By, x.CheckedBy, err)
		}
		if _, _, err := audit.ReadExport(file.Body, "another"); err == nil {
			t.Error("another root will do")
		}
		sheet, err := w.FetchExport(ctx, asker.StaffSession, id, "csv")
		if err != nil || bytes.Count(sheet.Body, []byte("\r\n")) != len(x.Entries)+1 {
			t.Errorf("the sheet has %d lines, %v", bytes.Count(sheet.Body, []byte("\r\n")), err)
		}
		for what, d := range map[string]*testkit.Desk{"another auditor": other} {
			_, err = w.FetchExport(ctx, d.StaffSession, id, "jsonl")
			want(t, what, err, problem.NotFound)
		}
		_, err = w.FetchExport(ctx, checker.StaffSession, id, "jsonl")
		want(t, "the checker", err, problem.Forbidden)
		taken, err := w.SearchTrail(ctx, asker.StaffSession, audit.Filter{Action: audit.TrailExport, Outcome: audit.Done}, "")
		if err != nil || len(taken.Entries) != 3 || !slices.ContainsFunc(taken.Entries, func(e audit.Entry) bool {
			return e.Detail["rows"] == fmt.Sprint(len(x.Entries)) && e.Object == id && e.Customer == one
		}) {
			t.Errorf("on record: %+v, %v", taken.Entries, err)
		}
		denied, err := w.SearchTrail(ctx, asker.StaffSession, audit.Filter{Action: audit.TrailExport, Outcome: audit.Refused}, "")
		if err != nil || len(denied.Entries) != 3 || denied.Entries[0].Reason != string(problem.ExportSecond) {
			t.Errorf("refusals on record: %+v, %v", denied.Entries, err)
		}
		w.Clock.Move(7 * time.Hour)
		want(t, "signing in again", asker.SignIn(), "")
		w.Clock.Move(18 * time.Hour)
		want(t, "signing in again", asker.SignIn(), "")
		_, err = w.FetchExport(ctx, asker.StaffSession, id, "jsonl")
		want(t, "a day later", err, problem.NotFound)
	})
}

// Every number of a day is counted once, whoever counts, however often, and wherever a count is cut off; what was there before anybody counted is counted too, and a late entry is waited for.
func TestFiguresAreCountedOnce(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		d := w.SignedIn(staff.Supervisor)
		one, _ := customerOf(t, w, w.Person(1, false))
		all := history(t, w, 6500, []string{one}, []string{d.Member.ID}) // more than one batch
		sum := func(f authority.Figure) int64 {
			t.Helper()
			got, err := w.Figures(ctx, d.StaffSession, 7)
			want(t, "the figures", err, "")
			return got.Sum(f)
		}
		rights, locks := int64(0), int64(0)
		for _, e := range all {
			if e.Action == audit.OTPVerify && e.Outcome == audit.Done {
				rights++
			}
			if e.Action == audit.TokenLock {
				locks++
			}
		}
		w.Clock.Move(3 * time.Minute)
		nodes := []*testkit.World{w, w.Another(), w.Another()}
		killed, kill := context.WithCancel(ctx)
		kill()
		_ = w.CountFigures(killed) // killed before, in or after its write
		for range 3 {
			for i, err := range together(3, func(i int) error { return nodes[i].CountFigures(ctx) }) {
				if err != nil {
					t.Errorf("node %d: %v", i, err)
				}
			}
		}
		if got := sum(authority.CodesRight); got != rights {
			t.Errorf("%d right codes are counted as %d", rights, got)
		}
		if got := sum(authority.TokenLocks); got != locks {
			t.Errorf("%d locks are counted as %d", locks, got)
		}
		late := audit.Entry{ID: ident.New(ident.Entry, w.Clock.Now().Add(-time.Minute), [10]byte{1}), At: w.Clock.Now().Add(-time.Minute), Actor: audit.Actor{Kind: audit.Server}, Action: audit.TokenLock, Outcome: audit.Done}
		want(t, "counting", w.CountFigures(ctx), "")
		want(t, "an entry that was committed late", w.ByHand(ctx, func(ctx context.Context, tx *store.Tx) error { return tx.Record(ctx, late) }), "")
		w.Clock.Move(5 * time.Minute)
		want(t, "counting", w.CountFigures(ctx), "")
		if got := sum(authority.TokenLocks); got != locks+1 {
			t.Errorf("a late entry: %d", got-locks)
		}
		p := newPayer(w, 2)
		for _, answer := range []string{"approve", "report"} {
			decide(t, p, answer)
		}
		w.Clock.Move(3 * time.Minute)
		want(t, "sweeping", w.SweepDue(ctx), "")
		want(t, "sweeping", w.SweepDue(ctx), "")
		for f, n := range map[authority.Figure]int64{authority.Approvals: 1, authority.Reports: 1, authority.Applications: 1, authority.Keyed: 1, authority.Starts: 1, authority.LoginsPassword: 1} {
			if got := sum(f); got != n {
				t.Errorf("%s is %d, want %d", f, got, n)
			}
		}
		got, err := w.Figures(ctx, d.StaffSession, 90)
		if err != nil || len(got.Days) != 90 || len(got.Months) != 37 || got.Ending[36] != 1 || got.Counted.IsZero() {
			t.Errorf("tokens end in %v: %v, %v", got.Months, got.Ending, err)
		}
		_, err = w.Figures(ctx, d.StaffSession, 10_000)
		want(t, "ten thousand days", err, problem.NotFound)
		_, err = w.Figures(ctx, w.SignedIn(staff.Clerk).StaffSession, 7)
		want(t, "a clerk", err, problem.Forbidden)
	})
}

// The daily report (C-75) counts by branch and by person what was done on that day of Japan, and nothing that was refused.
func TestTheDailyReportOfReleases(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		d, clerk := w.SignedIn(staff.Supervisor), w.SignedIn(staff.Clerk)
		midnight := time.Date(2026, 11, 20, 15, 0, 0, 0, time.UTC) // of 21 November in Japan
		var all []audit.Entry
		put := func(at time.Time, by string, action audit.Action, branch string, outcome audit.Outcome) {
			all = append(all, audit.Entry{ID: ident.New(ident.Entry, at, [10]byte{byte(len(all))}), At: at, Actor: audit.Actor{Kind: audit.Staff, ID: by}, Action: action, Outcome: outcome, Detail: map[string]string{"branch": branch, "items": "lock"}})
		}
		put(midnight.Add(-time.Second), clerk.Member.ID, audit.ReleaseGrant, "101", audit.Done)
		put(midnight, clerk.Member.ID, audit.ReleaseReceive, "101", audit.Done)
		put(midnight.Add(time.Hour), clerk.Member.ID, audit.ReleaseSubmit, "101", audit.Done)
		put(midnight.Add(2*time.Hour), d.Member.ID, audit.ReleaseGrant, "101", audit.Done)
		put(midnight.Add(3*time.Hour), d.Member.ID, audit.ReleaseGrant, "202", audit.Done)
		put(midnight.Add(3*time.Hour), d.Member.ID, audit.ReleaseGrant, "202", audit.Refused)
		put(midnight.Add(4*time.Hour), d.Member.ID, audit.CustomerReveal, "", audit.Done)
		put(midnight.Add(24*time.Hour), clerk.Member.ID, audit.ReleaseGrant, "101", audit.Done)
		want(t, "writing", w.ByHand(ctx, func(ctx context.Context, tx *store.Tx) error { return tx.RecordAll(ctx, all) }), "")
		r, err := w.ReleaseReport(ctx, d.StaffSession, "2026-11-21")
		want(t, "the report", err, "")
		if len(r.Branches) != 2 || !slices.Equal(r.Branches[0].Counts, []int{1, 1, 0, 1, 0}) || !slices.Equal(r.Branches[1].Counts, []int{0, 0, 0, 1, 0}) {
			t.Errorf("by branch: %+v", r.Branches)
		}
		if len(r.Persons) != 2 || len(r.Entries) != 5 {
			t.Errorf("by person: %+v of %d", r.Persons, len(r.Entries))
		}
		for _, p := range r.Persons {
			if p.ID == d.Member.ID && (p.Counts[3] != 2 || p.Other != 1) {
				t.Errorf("the checker: %+v", p)
			}
		}
		for _, bad := range []string{"", "2026-02-30", "yesterday", "0001-01-01", "99999-01-01"} {
			_, err := w.ReleaseReport(ctx, d.StaffSession, bad)
			want(t, bad, err, problem.NotFound)
		}
		_, err = w.ReleaseReport(ctx, clerk.StaffSession, "2026-11-21")
		want(t, "a clerk reads it", err, problem.Forbidden)
	})
}

// decide has the phone give an answer to a new transfer.
func decide(t *testing.T, p *payer, answer string) {
	t.Helper()
	if _, err := p.phone.Send(p.phone.Decision(p.order().Offer, transaction.Answer(answer))); err != nil {
		t.Fatal(err)
	}
}
