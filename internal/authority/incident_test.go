package authority_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/incident"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// queue is what the fraud desk has before it, by kind.
func queue(t *testing.T, d *testkit.Desk) map[incident.Kind][]authority.Incident {
	t.Helper()
	all, _, err := d.W.Incidents(t.Context(), d.StaffSession, false, "")
	want(t, "the queue", err, "")
	out := map[incident.Kind][]authority.Incident{}
	for _, i := range all {
		out[i.Kind] = append(out[i.Kind], i)
	}
	return out
}

// What customers report and what the server notices stands before the fraud desk when the write of it ends, once for each thing, with its evidence verified on the spot.
func TestIncidentsAreOpenedWhereTheyHappen(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		desk := w.SignedIn(staff.Fraud)
		p, q := newPayer(w, 1), newPayer(w, 2)
		if len(queue(t, desk)) != 0 {
			t.Fatalf("before anything: %v", queue(t, desk))
		}
		made := p.order()
		reported := p.phone.Decision(made.Offer, transaction.NotMe, func(d *transaction.Decision) { d.Reason = "not_me" })
		for range 3 { // the answer is lost twice
			if s, err := p.phone.Send(reported); err != nil || s != transaction.Reported {
				t.Fatalf("reporting: %s, %v", s, err)
			}
		}
		all := queue(t, desk)[incident.Reported]
		if len(all) != 1 || all[0].Object != made.ID || all[0].Times != 1 || all[0].State != incident.Open {
			t.Fatalf("a report: %+v", all)
		}
		if _, err := q.phone.Send(q.phone.Decision(q.order().Offer, transaction.NotMe)); err != nil {
			t.Fatal(err)
		}
		f, err := w.Incident(ctx, desk.StaffSession, all[0].ID)
		want(t, "its page", err, "")
		if f.Evidence == nil || !f.Evidence.Holds || len(f.Evidence.Checks) < 5 || f.Evidence.Findings.Decision == nil || f.Evidence.Findings.Decision.Answer != transaction.NotMe {
			t.Errorf("its evidence: %+v", f.Evidence)
		}
		for _, c := range f.Evidence.Checks {
			if !c.Holds || !c.Looked {
				t.Errorf("%+v", c)
			}
		}
		linked := map[string]bool{}
		for _, l := range f.Linked {
			if l.Customer == f.Customer {
				t.Error("she is linked to herself")
			}
			linked[l.By] = true
		}
		var other string
		for _, l := range f.Linked {
			other = l.Customer
		}
		stranger, _ := customerOf(t, w, w.Person(9, false))
		want(t, "a linked customer's page", w.LookFrom(ctx, desk.StaffSession, other, all[0].ID), "")
		want(t, "anybody's page", w.LookFrom(ctx, desk.StaffSession, stranger, all[0].ID), problem.LookFirst)
		if !linked["payee"] || len(f.Timeline) < 5 || f.About.Account != "***4567" || f.About.TransfersStopped.IsZero() {
			t.Errorf("around it: %v %d %+v", linked, len(f.Timeline), f.About)
		}

		x := newPayer(w, 3)
		made = x.order()
		if _, err := x.phone.Send(x.phone.Decision(made.Offer, transaction.Yes)); err != nil {
			t.Fatal(err)
		}
		e := x.execution("r1")
		e.Fields["amount"] = "999999"
		for _, err := range together(8, func(int) error { return only(w.ConsumeTransaction(ctx, internetBank, made.ID, e)) }) {
			want(t, "altered", err, problem.PermitMismatch)
		}
		if all := queue(t, desk)[incident.Altered]; len(all) != 1 || all[0].Times != 8 || all[0].Detail["field"] != "amount" {
			t.Errorf("an altered order: %+v", all)
		}

		form := paper("odd")
		form.Reason = "suspicious"
		for range 2 {
			_, err = w.MakeRelease(ctx, testkit.Visit(authority.PC), nil, "", form)
			want(t, "a suspicious request", err, "")
		}
		if all := queue(t, desk)[incident.Request]; len(all) != 1 || all[0].Times != 1 || all[0].Customer != "" {
			t.Errorf("a suspicious request: %+v", all)
		}
		code := mailed(t, w, "token_started")["objection"]
		want(t, "an objection", w.Object(ctx, testkit.DeskActor(), code), "")
		want(t, "once more", w.Object(ctx, testkit.DeskActor(), code), "")
		if all := queue(t, desk)[incident.Objection]; len(all) != 1 || all[0].Times != 1 {
			t.Errorf("an objection: %+v", all)
		}
		// The most urgent stand first, and of these the newest.
		order, _, err := w.Incidents(ctx, desk.StaffSession, false, "")
		want(t, "the queue", err, "")
		for i := 1; i < len(order); i++ {
			if a, b := order[i-1], order[i]; a.Kind.Urgency() < b.Kind.Urgency() || a.Kind.Urgency() == b.Kind.Urgency() && a.ID < b.ID {
				t.Errorf("%s stands before %s", a.Kind, b.Kind)
			}
		}
	})
}

// The right code that comes again: pressed twice it is nothing; from another place, or at another door, somebody has seen it.
func TestACodeThatComesAgainFromElsewhere(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		desk := w.SignedIn(staff.Fraud)
		id := w.Person(1, false)
		phone := w.LogIn(id, authority.PC).Enrol()
		w.Clock.Move(time.Minute)
		first, again := w.LogIn(id, authority.PC), w.LogIn(id, authority.PC)
		code := phone.Code()
		want(t, "her code", first.Code(code), "")
		want(t, "pressed twice", again.Code(code), problem.OTPUsed)
		if q := queue(t, desk); len(q) != 0 {
			t.Fatalf("a double click is an incident: %v", q)
		}
		thief := &testkit.Browser{W: w, Visit: abroad()}
		want(t, "the thief's password", thief.Password(id, testkit.Login), "")
		for range 2 {
			want(t, "the thief's code", thief.Code(code), problem.OTPUsed)
		}
		want(t, "a wrong one", thief.Code(phone.Wrong()), problem.OTPWrong)
		all := queue(t, desk)[incident.Duplicate]
		if len(all) != 1 || all[0].Times != 2 || all[0].Detail["first_source"] == all[0].Detail["source"] || all[0].Customer != first.Customer {
			t.Fatalf("the thief's code: %+v", all)
		}
		w.Clock.Move(5 * time.Minute)
		code = phone.Code()
		want(t, "her next code", again.Code(code), "")
		var noise []audit.Entry // much else is tried in between
		for i := range 60 {
			noise = append(noise, audit.Entry{ID: ident.New(ident.Entry, w.Clock.Now().Add(time.Second), [10]byte{4: byte(i)}), At: w.Clock.Now().Add(time.Second), Actor: audit.Actor{Kind: audit.Stranger}, Action: audit.LoginPassword, Customer: first.Customer, Outcome: audit.Refused, Reason: string(problem.LoginRefused)})
		}
		want(t, "much else", w.ByHand(t.Context(), func(ctx context.Context, tx *store.Tx) error { return tx.RecordAll(ctx, noise) }), "")
		w.Clock.Move(2 * time.Second)
		want(t, "the thief's next code", thief.Code(code), problem.OTPUsed)
		if all := queue(t, desk)[incident.Duplicate]; all[0].Times != 3 {
			t.Errorf("behind much else it is not seen: %+v", all)
		}
		w.Clock.Move(5 * time.Minute)
		_, ref := customerOf(t, w, id)
		code = phone.Code()
		want(t, "at the bank's door", w.VerifyOTP(t.Context(), theBank, ref, code), "")
		want(t, "twice there", w.VerifyOTP(t.Context(), theBank, ref, code), problem.OTPUsed)
		want(t, "and by herself", w.LogIn(id, authority.PC).Code(code), problem.OTPUsed)
		if all := queue(t, desk)[incident.Duplicate]; all[0].Times != 3 {
			t.Errorf("the bank's own repetition counts: %+v", all)
		}
	})
}

// Others whom the same network has visited are linked when that was within a day of it, once each and the latest first; whoever was there before or after is not.
func TestOthersAreLinkedWithinADay(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		desk := w.SignedIn(staff.Fraud)
		visited := func(id string) string {
			t.Helper()
			thief := &testkit.Browser{W: w, Visit: abroad()}
			want(t, "the thief's log-in", thief.Password(id, testkit.Login), "")
			return thief.Customer
		}
		long, before, twice := visited(w.Person(2, false)), "", w.Person(3, false)
		w.Clock.Move(2 * time.Hour)
		for range 2 {
			before = visited(twice)
		}
		w.Clock.Move(23 * time.Hour)
		id := w.Person(1, false)
		phone := w.LogIn(id, authority.PC).Enrol()
		w.Clock.Move(time.Minute)
		code := phone.Code()
		want(t, "her code", w.LogIn(id, authority.PC).Code(code), "")
		thief := &testkit.Browser{W: w, Visit: abroad()}
		want(t, "the thief's password", thief.Password(id, testkit.Login), "")
		want(t, "the thief's code", thief.Code(code), problem.OTPUsed)
		w.Clock.Move(23 * time.Hour)
		after := visited(w.Person(4, false))
		w.Clock.Move(2 * time.Hour)
		late := visited(w.Person(5, false))
		want(t, "signing in again", desk.SignIn(), "")
		f, err := w.Incident(ctx, desk.StaffSession, queue(t, desk)[incident.Duplicate][0].ID)
		want(t, "its page", err, "")
		var got []string
		for _, l := range f.Linked {
			got = append(got, l.Customer)
		}
		if len(got) != 2 || got[0] != after || got[1] != before {
			t.Errorf("linked are %v; %s and %s were there within a day, %s before and %s after", got, before, after, long, late)
		}
		for who, k := range map[string]problem.Kind{before: "", after: "", long: problem.LookFirst, late: problem.LookFirst} {
			want(t, "her page", w.LookFrom(ctx, desk.StaffSession, who, f.ID), k)
		}
	})
}

// The life of an incident: taken by one, over by another, closed with a reason by who has it, opened again; a second one about the same thing is the same one while it is open.
func TestAnIncidentIsTakenAndClosedOnce(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		one, two, auditor, clerk := w.SignedIn(staff.Fraud), w.SignedIn(staff.Fraud), w.SignedIn(staff.Auditor), w.SignedIn(staff.Clerk)
		form := paper("odd")
		form.Reason = "suspicious"
		_, err := w.MakeRelease(ctx, testkit.Visit(authority.PC), nil, "", form)
		want(t, "a suspicious request", err, "")
		id := queue(t, auditor)[incident.Request][0].ID

		want(t, "the auditor takes it", w.TakeIncident(ctx, auditor.StaffSession, id, ""), problem.Forbidden)
		_, err = w.Incident(ctx, clerk.StaffSession, id)
		want(t, "a clerk looks", err, problem.Forbidden)
		want(t, "closing what nobody has", w.CloseIncident(ctx, one.StaffSession, id, incident.Fraud, "理由"), problem.IncidentOver)
		errs := together(2, func(i int) error { return w.TakeIncident(ctx, []*testkit.Desk{one, two}[i].StaffSession, id, "") })
		winner, loser := one, two
		if errs[0] != nil {
			winner, loser = two, one
		}
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("both, or neither, took it: %v", errs)
		}
		want(t, "taking twice", w.TakeIncident(ctx, winner.StaffSession, id, ""), "")
		want(t, "closing another's", w.CloseIncident(ctx, loser.StaffSession, id, incident.FalseAlarm, "理由"), problem.IncidentOver)
		want(t, "closing without a reason", w.CloseIncident(ctx, winner.StaffSession, id, incident.FalseAlarm, " \u200b "), problem.Malformed)
		want(t, "with no outcome", w.CloseIncident(ctx, winner.StaffSession, id, "", "理由"), problem.Malformed)
		for range 2 {
			want(t, "a note", w.NoteIncident(ctx, loser.StaffSession, id, "お客さまに電話、=1+1 <script>"), "")
		}
		want(t, "taking over", w.TakeIncident(ctx, loser.StaffSession, id, winner.Member.ID), "")
		want(t, "taking over from who had it before", w.TakeIncident(ctx, winner.StaffSession, id, ""), problem.IncidentOver)
		want(t, "closing", w.CloseIncident(ctx, loser.StaffSession, id, incident.Protected, "本人と確認"), "")
		want(t, "closing twice", w.CloseIncident(ctx, loser.StaffSession, id, incident.Fraud, "本人と確認"), problem.IncidentOver)
		f, err := w.Incident(ctx, auditor.StaffSession, id)
		want(t, "the page", err, "")
		if f.Outcome != incident.Protected || len(f.Notes) != 2 || f.State != incident.Closed {
			t.Errorf("it is %+v", f)
		}
		past, _, err := w.Incidents(ctx, auditor.StaffSession, true, "")
		if err != nil || len(past) != 1 || len(queue(t, one)) != 0 {
			t.Errorf("the lists: %v %v", past, err)
		}
		want(t, "opened again", w.ReopenIncident(ctx, one.StaffSession, id), "")
		want(t, "twice", w.ReopenIncident(ctx, one.StaffSession, id), problem.IncidentOver)
		_, err = w.StopByIncident(ctx, one.StaffSession, id)
		want(t, "stopping nobody", err, problem.Forbidden)
		for what, bad := range map[string]string{"nothing": "", "another thing": "stf_00000000000000000000000000", "nobody's": "inc_00000000000000000000000000", "words": "x' OR 1=1"} {
			_, err := w.Incident(ctx, one.StaffSession, bad)
			want(t, what, err, problem.NotFound)
		}
	})
}

// A fraud desk member stops the service of an incident's customer by herself, and one who was suspended meanwhile does not.
func TestTheFraudDeskStopsAService(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		one, late, checker := w.SignedIn(staff.Fraud), w.SignedIn(staff.Fraud), w.SignedIn(staff.Checker)
		p := newPayer(w, 1)
		if _, err := p.phone.Send(p.phone.Decision(p.order().Offer, transaction.NotMe)); err != nil {
			t.Fatal(err)
		}
		i := queue(t, one)[incident.Reported][0]
		_, err := w.StopByIncident(ctx, checker.StaffSession, i.ID)
		want(t, "who is not of the desk", err, problem.Forbidden)
		want(t, "suspending", w.SuspendStaff(ctx, "op", late.Member.ID), "")
		_, err = w.StopByIncident(ctx, late.StaffSession, i.ID)
		want(t, "who was suspended", err, problem.SessionOver)
		if stands(t, w, i.Customer) {
			t.Fatal("it stands still already")
		}
		for range 2 {
			_, err = w.StopByIncident(ctx, one.StaffSession, i.ID)
			want(t, "stopping", err, "")
		}
		if !stands(t, w, i.Customer) {
			t.Error("it runs on")
		}
	})
}

// Ten thousand open incidents: pages follow one another without a gap, and by the index.
func TestTheQueueIsPaged(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		desk := w.SignedIn(staff.Fraud)
		n := 75
		err := w.ByHand(ctx, func(ctx context.Context, tx *store.Tx) error {
			for i := range n {
				id := ident.New(ident.Incident, w.Clock.Now().Add(time.Duration(i)*time.Second), [10]byte{byte(i)})
				kind := []incident.Kind{incident.Reported, incident.Passkey}[i%2]
				if _, err := tx.OpenIncident(ctx, db.OpenIncidentParams{ID: id, Kind: string(kind), Object: id, Place: string('0'+rune(kind.Urgency())) + id, Detail: "{}", OpenedAt: store.Micros(w.Clock.Now())}); err != nil {
					return err
				}
			}
			return nil
		})
		want(t, "many", err, "")
		seen := map[string]bool{}
		after, pages, last := "", 0, ""
		for {
			page, next, err := w.Incidents(ctx, desk.StaffSession, false, after)
			want(t, "a page", err, "")
			for _, i := range page {
				place := string('0'+rune(i.Kind.Urgency())) + i.ID
				if seen[i.ID] || last != "" && place >= last {
					t.Errorf("%s comes twice, or out of its order", i.ID)
				}
				seen[i.ID], last = true, place
			}
			if pages++; next == "" {
				break
			}
			after = next
		}
		if len(seen) != n || pages != 3 {
			t.Errorf("%d incidents on %d pages", len(seen), pages)
		}
		for _, bad := range []string{"x", "9", "3inc_", "3inc_0000000000000000000000000;", strings.Repeat("3", 100)} {
			_, _, err := w.Incidents(ctx, desk.StaffSession, false, bad)
			want(t, "from "+bad, err, problem.NotFound)
		}
	})
}

// A hundred thousand customers and one guess at each (C-52): the bank as a whole notices, long before 400 guesses, and the desk has one incident of it; a busy morning with a fifth of mistakes is none.
func TestTheBreakerNoticesASpray(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		desk := w.SignedIn(staff.Fraud)
		write := func(right, wrong int) {
			t.Helper()
			err := w.ByHand(ctx, func(ctx context.Context, tx *store.Tx) error {
				var all []audit.Entry
				for i := range right + wrong {
					at := w.Clock.Now().Add(-time.Duration(i%240) * time.Second)
					e := audit.Entry{ID: ident.New(ident.Entry, at, [10]byte{0, byte(i), byte(i >> 8), byte(right)}), At: at, Actor: audit.Actor{Kind: audit.Bank, ID: "core"}, Action: audit.OTPVerify, Outcome: audit.Done}
					if i < wrong {
						e.Outcome, e.Reason = audit.Refused, string(problem.OTPWrong)
					}
					all = append(all, e)
				}
				return tx.RecordAll(ctx, all)
			})
			want(t, "writing", err, "")
		}
		write(1200, 290) // a busy morning: 19 in a hundred
		want(t, "sweeping", w.SweepDue(ctx), "")
		if q := queue(t, desk); len(q) != 0 {
			t.Fatalf("a busy morning: %v", q)
		}
		w.Clock.Move(30 * time.Minute)
		write(100, 250)
		want(t, "sweeping", w.SweepDue(ctx), "")
		want(t, "sweeping on another node", w.Another().SweepDue(ctx), "")
		q := queue(t, desk)[incident.Breaker]
		if len(q) != 1 || q[0].Detail["wrong"] != "250" || q[0].Detail["share"] != "71%" {
			t.Fatalf("a spray: %+v", q)
		}
		w.Clock.Move(30 * time.Minute)
		write(0, 190) // few log in at night
		want(t, "sweeping", w.SweepDue(ctx), "")
		if again := queue(t, desk)[incident.Breaker]; again[0].Times != q[0].Times {
			t.Errorf("a quiet night: %+v", again)
		}
	})
}
