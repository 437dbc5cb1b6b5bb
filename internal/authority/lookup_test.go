package authority_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/incident"
	"github.com/inkan-auth/inkan/internal/domain/policy"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/release"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/store/db"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// look finds the n-th customer by her account.
func look(t *testing.T, d *testkit.Desk, n int) string {
	t.Helper()
	id, err := d.W.LookUp(t.Context(), d.StaffSession, authority.Look{By: authority.ByAccount, Branch: "101", AccountType: "普通", AccountNumber: fmt.Sprintf("%07d", 1234566+n)})
	want(t, "looking up", err, "")
	return id
}

// A customer is found by what she shows, however it is typed, and her page opens for the member who found her, for a working day; no page has a secret or her contact data in full.
func TestACustomerIsLookedUp(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		clerk, other := w.SignedIn(staff.Clerk), w.SignedIn(staff.Clerk)
		p := newPayer(w, 1)
		device := testkit.NewAuthenticator()
		addPasskey(t, p.browser, p.phone, device, "")
		want(t, "a wrong password", (&testkit.Browser{W: w, Visit: testkit.Visit(authority.PC)}).Password("hanako01", "wrong"), problem.LoginRefused)
		id, ref := customerOf(t, w, "hanako01")
		for name, l := range map[string]authority.Look{
			"account":       {By: authority.ByAccount, Branch: "１０１", AccountType: "普通", AccountNumber: "1234-567"},
			"reference":     {By: authority.ByRef, Ref: " " + ref + " "},
			"login ID":      {By: authority.ByLoginID, LoginID: "ＨＡＮＡＫＯ０１ "},
			"login ID, low": {By: authority.ByLoginID, LoginID: "Hanako01"},
		} {
			got, err := w.LookUp(ctx, clerk.StaffSession, l)
			if err != nil || got != id {
				t.Errorf("by %s: %q, %v", name, got, err)
			}
		}
		v, err := w.CustomerAtDesk(ctx, clerk.StaffSession, id)
		want(t, "her page", err, "")
		if v.Name != "山田 花子" || v.Token == nil || v.Token.State != "active" || v.Downloads != 1 || len(v.Passkeys) != 1 || len(v.Logins) == 0 || len(v.Browsers) == 0 || len(v.Cooling) == 0 || v.LastCode.IsZero() || !v.Stopped.IsZero() {
			t.Errorf("her page has %+v", v)
		}
		if len(v.Tries) == 0 || v.Tries[0].Factor != "login_password" || v.Tries[0].Wrong != 1 || v.Tries[0].Left != 4 || v.Tries[0].ForLife {
			t.Errorf("tries: %+v", v.Tries)
		}
		if len(v.Addresses) != 1 || len(v.Mails) == 0 {
			t.Errorf("addresses %v, mails %v", v.Addresses, v.Mails)
		}
		whole := fmt.Sprintf("%+v", v)
		for _, secret := range []string{"hanako1@", "090-0000", "argon2", "mail.example"} {
			if strings.Contains(whole, secret) {
				t.Errorf("her page tells %q", secret)
			}
		}
		if v.Account != "101 普通 ***4567" {
			t.Errorf("her account is shown as %s", v.Account)
		}
		if shown := strings.TrimLeft(v.Phone, "*"); shown != "1234" || v.Addresses[0].Masked != "***o1@***" { // of hanako1
			t.Errorf("masked as %s and %s", v.Phone, v.Addresses[0].Masked)
		}
		lines, names, next, err := w.HistoryAtDesk(ctx, clerk.StaffSession, id, "")
		if err != nil || len(lines) < 10 || names[clerk.Staff] == "" {
			t.Errorf("history: %d lines, %v %v", len(lines), names, err)
		}
		if next != "" {
			older, _, _, err := w.HistoryAtDesk(ctx, clerk.StaffSession, id, next)
			if err != nil || len(older) == 0 || older[0].ID >= next {
				t.Errorf("the page after %s: %v", next, err)
			}
		}
		if lately, err := w.LatelyLooked(ctx, clerk.StaffSession); err != nil || len(lately) != 1 || lately[0].ID != id {
			t.Errorf("lately: %+v, %v", lately, err)
		}

		_, err = w.CustomerAtDesk(ctx, other.StaffSession, id)
		want(t, "a colleague who has not looked her up", err, problem.LookFirst)
		_, _, _, err = w.HistoryAtDesk(ctx, other.StaffSession, id, "")
		want(t, "her history", err, problem.LookFirst)
		_, err = w.StopAtDesk(ctx, other.StaffSession, id, "fraud", "x")
		want(t, "stopping her", err, problem.LookFirst)
		_, _, err = w.Reveal(ctx, other.StaffSession, id, authority.RevealPhone, "call_back", "x")
		want(t, "revealing her", err, problem.LookFirst)
		for range 17 { // a working day, without a pause that would end the session
			w.Clock.Move(29 * time.Minute)
			want(t, "signing in", clerk.SignIn(), "")
		}
		_, err = w.CustomerAtDesk(ctx, clerk.StaffSession, id)
		want(t, "the next day", err, problem.LookFirst)
		admin := w.SignedIn(staff.Administrator)
		_, err = w.LookUp(ctx, admin.StaffSession, authority.Look{By: authority.ByRef, Ref: ref})
		want(t, "an administrator looks", err, problem.Forbidden)
		_, err = w.CustomerAtDesk(ctx, admin.StaffSession, id)
		want(t, "an administrator opens", err, problem.Forbidden)
	})
}

// Nobody browses: what finds nobody is counted by person and bounded, under every login; it is on record and what was typed is not; identifiers alone open nothing, and each attempt is on record (C-74).
func TestNobodyBrowsesCustomers(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		w.Person(1, false)
		w.Person(2, false)
		one := w.SignedInAs(authority.NewStaff{Name: "森 明子", Person: "P-7", Branch: "101", Role: staff.Clerk})
		two := w.SignedInAs(authority.NewStaff{Name: "森 明子", Person: "P-7", Role: staff.Fraud})
		miss := func(d *testkit.Desk, i int) error {
			_, err := w.LookUp(ctx, d.StaffSession, authority.Look{By: authority.ByRef, Ref: fmt.Sprintf("guess-%d", i)})
			return err
		}
		for i := range 30 {
			d := one
			if i%2 == 1 {
				d = two
			}
			want(t, "a guess", miss(d, i), problem.NotFound)
			if i%10 == 0 {
				look(t, d, 1) // what is found gives nothing back of what was not
			}
		}
		p := want(t, "one guess too many", miss(two, 99), problem.LooksUsedUp)
		if after, _ := p.Values["retry_after"].(int); after <= 0 || after > 15*60+1 {
			t.Errorf("again after %v", p.Values["retry_after"])
		}
		_, err := w.LookUp(ctx, one.StaffSession, authority.Look{By: authority.ByLoginID, LoginID: "hanako02"})
		want(t, "a right one after too many", err, problem.LooksUsedUp)
		colleague := w.SignedIn(staff.Clerk)
		look(t, colleague, 2)
		w.Clock.Move(15 * time.Minute)
		want(t, "signing in", one.SignIn(), "")
		look(t, one, 2)

		second, _ := customerOf(t, w, "hanako02")
		want(t, "signing in", two.SignIn(), "")
		_, err = w.CustomerAtDesk(ctx, two.StaffSession, second)
		want(t, "by another login of the same person", err, problem.LookFirst)
		for _, from := range []string{"", "x", "rel_1", "inc_01h455vb4pex5vsknk084sn02q", "rel_01h455vb4pex5vsknk084sn02q", "ord_01h455vb4pex5vsknk084sn02q", second} {
			want(t, "from "+from, w.LookFrom(ctx, two.StaffSession, second, from), problem.LookFirst)
		}
		for _, id := range []string{"", "cus_1", "' OR 1=1", strings.Repeat("c", 300)} {
			_, err = w.CustomerAtDesk(ctx, two.StaffSession, id)
			want(t, "no identifier", err, problem.NotFound)
		}
		want(t, "signing in", colleague.SignIn(), "")
		for _, l := range []authority.Look{{}, {By: "name"}, {By: authority.ByAccount}, {By: authority.ByAccount, Branch: "101", AccountType: "普通"}, {By: authority.ByRef, Ref: "%"}, {By: authority.ByRef, Ref: "a\x00b"},
			{By: authority.ByLoginID, LoginID: "hanako%"}, {By: authority.ByLoginID, LoginID: strings.Repeat("a", 1000)}} {
			_, err := w.LookUp(ctx, colleague.StaffSession, l)
			if k := problem.KindOf(err); k != problem.NotFound && k != problem.Malformed {
				t.Errorf("%+v: %v", l, err)
			}
		}
		rows, err := w.Store.Reader().TrailByStaff(ctx, db.TrailByStaffParams{Actor: two.Staff, ID: "ent_~", ID_2: "", Limit: 500})
		want(t, "reading the trail", err, "")
		missed, tried := 0, 0
		for _, r := range rows {
			if r.Action != string(audit.CustomerLook) {
				continue
			}
			if strings.Contains(r.Detail+r.Object+r.Reason+r.Customer, "guess") {
				t.Errorf("what was typed is on record: %+v", r)
			}
			switch r.Reason {
			case string(problem.NotFound):
				missed++
			case string(problem.LookFirst):
				tried++
			}
		}
		if missed != 15 || tried < 2 {
			t.Errorf("%d misses and %d attempts by identifier on record", missed, tried)
		}
	})
}

// Somebody who works on what is about a customer may open her page, and that she did so is on record.
func TestWhatIsAboutACustomerOpensHerPage(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		clerk, checker := w.SignedIn(staff.Clerk), w.SignedIn(staff.Checker)
		id := stopped(t, w, 1)
		o := askRestart(t, clerk, id)
		other := stopped(t, w, 2)
		want(t, "from an order about somebody else", w.LookFrom(ctx, checker.StaffSession, other, o.ID), problem.LookFirst)
		want(t, "from the order", w.LookFrom(ctx, checker.StaffSession, id, o.ID), "")
		v, err := w.CustomerAtDesk(ctx, checker.StaffSession, id)
		if err != nil || v.Stopped.IsZero() || v.Restart == nil || v.Restart.ID != o.ID || !v.Restart.MayCheck {
			t.Errorf("%+v, %v", v, err)
		}
		if e := trailOf(t, w, id, audit.CustomerLook); len(e) != 1 || e[0].Object != o.ID || e[0].Actor.ID != checker.Staff {
			t.Errorf("on record: %+v", e)
		}
	})
}

// What is over opens her page no longer than a working day after: otherwise an old case in the archive would be a key for ever (C-74).
func TestWhatIsOverOpensHerPageNoMore(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		b, fraud := newBranch(w), w.SignedIn(staff.Fraud)
		id := stopped(t, w, 1)
		carried := askRestart(t, b.clerk, id)
		_, err := w.CheckOrder(ctx, b.checker.StaffSession, carried.ID, carried.Hash, true, "")
		want(t, "carrying it out", err, "")
		_, ref := customerOf(t, w, "hanako01")
		_, err = w.StopByBank(ctx, theBank, ref, "fraud")
		want(t, "stopping", err, "")
		left := askRestart(t, b.clerk, id) // which nobody checks
		form := b.counter(1, release.Forgotten, string(release.OTPLock))
		want(t, "refusing the case", w.RefuseCase(ctx, b.clerk.StaffSession, form, b.seen(b.clerk, form).Version, "書類の不備"), "")
		p := newPayer(w, 2)
		_, err = p.phone.Send(p.phone.Decision(p.order().Offer, transaction.NotMe))
		want(t, "not me", err, "")
		closed := queue(t, fraud)[incident.Reported][0]
		want(t, "taking the incident", w.TakeIncident(ctx, fraud.StaffSession, closed.ID, ""), "")
		want(t, "closing it", w.CloseIncident(ctx, fraud.StaffSession, closed.ID, incident.Protected, "本人と確認"), "")
		want(t, "from the incident", w.LookFrom(ctx, fraud.StaffSession, closed.Customer, closed.ID), "")
		for _, from := range []string{carried.ID, left.ID, form} {
			want(t, "lately over: "+from, w.LookFrom(ctx, w.SignedIn(staff.Clerk).StaffSession, id, from), "")
		}
		w.Clock.Move(authority.LookLife + time.Hour)
		for _, from := range []string{carried.ID, left.ID, form, ""} {
			want(t, "long over: "+from, w.LookFrom(ctx, w.SignedIn(staff.Clerk).StaffSession, id, from), problem.LookFirst)
		}
		want(t, "the incident, long over", w.LookFrom(ctx, w.SignedIn(staff.Fraud).StaffSession, closed.Customer, closed.ID), problem.LookFirst)
	})
}

// One field at a time, for a reason, so many a day and person; what was shown is not on record, that it was shown is.
func TestAFieldIsRevealed(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		w.SetRules(fewReveals(w))
		w.Person(1, false)
		w.Person(2, false)
		one := w.SignedInAs(authority.NewStaff{Name: "森 明子", Person: "P-7", Branch: "101", Role: staff.Clerk})
		two := w.SignedInAs(authority.NewStaff{Name: "森 明子", Person: "P-7", Role: staff.Fraud})
		id, second := look(t, one, 1), look(t, one, 2)
		look(t, two, 1)
		v, err := w.CustomerAtDesk(ctx, one.StaffSession, id)
		want(t, "her page", err, "")
		for name, bad := range map[string][3]string{"no reason": {authority.RevealPhone, "", "x"}, "another reason": {authority.RevealPhone, "curious", "x"}, "no words": {authority.RevealPhone, "call_back", "  "}, "no field": {"", "call_back", "x"},
			"a password": {"login_password", "call_back", "x"}} {
			_, _, err := w.Reveal(ctx, one.StaffSession, id, bad[0], bad[1], bad[2])
			want(t, name, err, problem.Malformed)
		}
		_, _, err = w.Reveal(ctx, one.StaffSession, second, v.Addresses[0].ID, "call_back", "x")
		want(t, "another customer's address", err, problem.NotFound)
		phone, left, err := w.Reveal(ctx, one.StaffSession, id, authority.RevealPhone, "call_back", "折り返しの依頼")
		if err != nil || phone != "090-0000-1234" || left != 3 {
			t.Errorf("the telephone: %q, %d, %v", phone, left, err)
		}
		mail, left, err := w.Reveal(ctx, two.StaffSession, id, v.Addresses[0].ID, "undelivered", "届かない")
		if err != nil || mail != "hanako1@mail.example.jp" || left != 2 {
			t.Errorf("the address: %q, %d, %v", mail, left, err)
		}
		errs := together(6, func(i int) error {
			d := one
			if i%2 == 0 {
				d = two
			}
			_, _, err := w.Reveal(ctx, d.StaffSession, id, authority.RevealPhone, "other", "x")
			return err
		})
		done := 0
		for _, err := range errs {
			switch k := problem.KindOf(err); {
			case err == nil:
				done++
			case k != problem.RevealsUsedUp && k != problem.Conflict:
				t.Errorf("at once: %v", err)
			}
		}
		if done > 2 {
			t.Errorf("%d of the last two at once", done)
		}
		for range 2 - done {
			_, _, err = w.Reveal(ctx, one.StaffSession, id, authority.RevealPhone, "other", "x")
			want(t, "the rest", err, "")
		}
		_, _, err = w.Reveal(ctx, two.StaffSession, id, authority.RevealPhone, "other", "x")
		if p := want(t, "by her second login", err, problem.RevealsUsedUp); p.Values["limit"] != 4 {
			t.Errorf("%v", p.Values)
		}
		checker := w.SignedIn(staff.Checker)
		look(t, checker, 1)
		_, _, err = w.Reveal(ctx, checker.StaffSession, id, authority.RevealPhone, "other", "x")
		want(t, "a checker", err, problem.Forbidden)
		for _, e := range trailOf(t, w, id, audit.CustomerReveal) {
			if whole := fmt.Sprint(e); strings.Contains(whole, "090-") || strings.Contains(whole, "mail.example") {
				t.Errorf("what was shown is on record: %v", e)
			}
		}
		w.Clock.Move(24 * time.Hour)
		want(t, "signing in", one.SignIn(), "")
		look(t, one, 1)
		_, left, err = w.Reveal(ctx, one.StaffSession, id, authority.RevealPhone, "other", "x")
		if err != nil || left != 3 {
			t.Errorf("the next day: %d, %v", left, err)
		}
	})
}

// One person stops a service at once; the customer is told, and it is on record who and why.
func TestAMemberStopsAService(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		pc := w.LogIn(w.Person(1, false), authority.PC)
		clerk := w.SignedIn(staff.Clerk)
		id := look(t, clerk, 1)
		_, err := w.StopAtDesk(ctx, clerk.StaffSession, id, "", "x")
		want(t, "without a reason", err, problem.Malformed)
		_, err = w.StopAtDesk(ctx, clerk.StaffSession, id, "customer", "")
		want(t, "without words", err, problem.Malformed)
		s, err := w.StopAtDesk(ctx, clerk.StaffSession, id, "customer", "電話で依頼")
		if err != nil || !s.Now || !stands(t, w, id) {
			t.Errorf("%+v, %v", s, err)
		}
		s, err = w.StopAtDesk(ctx, clerk.StaffSession, id, "customer", "電話で依頼")
		if err != nil || s.Now {
			t.Errorf("twice: %+v, %v", s, err)
		}
		_, err = w.SessionOf(ctx, pc.Cookie.Session)
		want(t, "her session", err, problem.SessionOver)
		done := 0
		for _, e := range trailOf(t, w, id, audit.ServiceStop) {
			if e.Outcome == audit.Done && e.Actor.ID == clerk.Staff && e.Detail["words"] == "電話で依頼" {
				done++
			}
		}
		if done != 2 {
			t.Errorf("%d stops on record", done)
		}
		auditor := w.SignedIn(staff.Auditor)
		_, err = w.StopAtDesk(ctx, auditor.StaffSession, id, "fraud", "x")
		want(t, "an auditor", err, problem.Forbidden)
	})
}

func fewReveals(w *testkit.World) policy.Policy {
	p := w.Policy
	p.StaffReveals = 4
	return p
}

// Whoever opens a request or an incident sees a customer: that is on record, once while it is open, and then her own page opens as well. Of what has long ended each look is on record, and opens nothing.
func TestASeenCustomerIsOnRecord(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		p, b := newPayer(w, 1), newBranch(w)
		fraud, auditor := w.SignedIn(staff.Fraud), w.SignedIn(staff.Auditor)
		id := b.counter(1, release.Broken, "downloads")
		looks := func(d *testkit.Desk) (n int) {
			for _, e := range trailOf(t, w, p.browser.Customer, audit.CustomerLook) {
				if e.Actor.ID == d.Member.ID && e.Outcome == audit.Done {
					n++
				}
			}
			return n
		}
		_, err := w.CustomerAtDesk(ctx, b.checker.StaffSession, p.browser.Customer)
		want(t, "before she has seen the request", err, problem.LookFirst)
		for range 3 {
			b.seen(b.checker, id)
			b.seen(auditor, id)
		}
		if looks(b.checker) != 1 || looks(auditor) != 1 {
			t.Errorf("%d and %d looks are on record", looks(b.checker), looks(auditor))
		}
		_, err = w.CustomerAtDesk(ctx, b.checker.StaffSession, p.browser.Customer)
		want(t, "after", err, "")
		_, err = w.CustomerAtDesk(ctx, auditor.StaffSession, p.browser.Customer)
		want(t, "an auditor opens no customer", err, problem.Forbidden)

		if _, err := p.phone.Send(p.phone.Decision(p.order().Offer, transaction.NotMe)); err != nil {
			t.Fatal(err)
		}
		inc := queue(t, fraud)[incident.Reported][0].ID
		for range 2 {
			_, err := w.Incident(ctx, fraud.StaffSession, inc)
			want(t, "its page", err, "")
		}
		if looks(fraud) != 1 {
			t.Errorf("%d looks of the fraud desk are on record", looks(fraud))
		}
		want(t, "taking it", w.TakeIncident(ctx, fraud.StaffSession, inc, ""), "")
		want(t, "closing it", w.CloseIncident(ctx, fraud.StaffSession, inc, incident.FalseAlarm, "x"), "")
		w.Clock.Move(authority.LookLife + time.Hour)
		want(t, "signing in again", fraud.SignIn(), "")
		for range 2 {
			_, err := w.Incident(ctx, fraud.StaffSession, inc)
			want(t, "the page of what has long ended", err, "")
		}
		if looks(fraud) != 3 {
			t.Errorf("%d looks of the fraud desk are on record", looks(fraud))
		}
		_, err = w.CustomerAtDesk(ctx, fraud.StaffSession, p.browser.Customer)
		want(t, "from what has long ended", err, problem.LookFirst)
	})
}
