package authority_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/incident"
	"github.com/inkan-auth/inkan/internal/domain/phone"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/reissue"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// awaits gives card and confirmation password and asks for a call of staff; it says which number her page shows.
func (l *lost) awaits(wish reissue.Wish) authority.PhoneCheck {
	l.T.Helper()
	fine(l.T, l.begin(wish))
	fine(l.T, l.confirm(testkit.Confirm))
	c, err := l.CallReissue(l.T.Context(), l.visit, l.cookie, phone.StaffCallback, "ja")
	fine(l.T, err)
	return c
}

// ref and login are what she has at the bank.
func (l *lost) ref() string   { return fmt.Sprintf("0101-1-%07d", 1234566+l.n) }
func (l *lost) login() string { return fmt.Sprintf("%s%02d", testkit.LoginID[:6], l.n) }

// again gives card and confirmation password once more, after the call.
func (l *lost) again() error {
	if err := l.ShowCardAgain(l.T.Context(), l.visit, l.cookie, l.card(pin)); err != nil {
		return err
	}
	return l.confirm(testkit.Confirm)
}

// called is the whole call: the clerk has the number shown, dials it, and types what she hears.
func called(t testing.TB, d *testkit.Desk, id, heard string) error {
	t.Helper()
	fine(t, d.SignIn())
	if _, err := d.W.ShowCallback(t.Context(), d.StaffSession, id); err != nil {
		return err
	}
	return d.W.ProveCallback(t.Context(), d.StaffSession, id, heard)
}

// waiting are the checks in the queue, as this member sees it.
func waiting(t testing.TB, d *testkit.Desk) (out []authority.Callback) {
	t.Helper()
	fine(t, d.SignIn())
	out, next, err := d.W.Callbacks(t.Context(), d.StaffSession, "")
	fine(t, err)
	if next != "" {
		t.Errorf("there is another page: %s", next)
	}
	return out
}

// The whole tale: she asks on Saturday, is not reached at first, reads the number out on Monday, and goes on with card and confirmation password in the evening. The same browser all the way, and nothing is heard but the number.
func TestStaffCallBack(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		p, l := newPayer(w, 1), newLost(w, 1)
		clerk := w.SignedIn(staff.Clerk)
		c := l.awaits(reissue.Token)
		if !slices.Contains(l.view().Offer.Ways, phone.StaffCallback) || len(c.Digits) != phone.CodeDigits || c.Expires.Sub(w.Clock.Now()) != 72*time.Hour || c.Masked == "" {
			t.Fatalf("she is shown %+v", c)
		}
		w.Clock.Move(time.Hour)
		if again, err := w.CallReissue(ctx, l.visit, l.cookie, phone.StaffCallback, "ja"); problem.KindOf(err) != problem.ReissueOver || again.ID != "" {
			t.Errorf("asking again after the quarter of an hour: %+v, %v", again, err)
		}
		if v := l.view(); v.State != reissue.Open || v.Check == nil || v.Check.Digits != c.Digits || !v.CardDue || !v.ConfirmDue || v.Obstacle != nil {
			t.Errorf("an hour later the page shows %+v", v)
		}
		want(t, "ordering before the call", l.order(), problem.PhoneOver)

		q := waiting(t, clerk)
		if len(q) != 1 || q[0].ID != c.ID || q[0].Purpose != "token" || q[0].Branch != "101" || !strings.HasSuffix(q[0].Masked, "1234") || q[0].Source == "" {
			t.Fatalf("the queue: %+v", q)
		}
		if n, err := w.DeskWaiting(ctx, clerk.StaffSession); err != nil || n.Callbacks != 1 {
			t.Errorf("%d wait, %v", n.Callbacks, err)
		}
		if all := fmt.Sprintf("%+v", q); strings.Contains(all, c.Digits) || strings.Contains(all, "0900000") || strings.Contains(all, "山田") {
			t.Errorf("the queue tells too much: %s", all)
		}
		call, err := w.ShowCallback(ctx, clerk.StaffSession, c.ID)
		if err != nil || call.Number != "09000001234" || call.Name != "山田 花子" || call.Left != 49 {
			t.Fatalf("whom to call: %+v, %v", call, err)
		}
		for range 2 { // the second is the same click
			fine(t, w.MissCallback(ctx, clerk.StaffSession, c.ID, 0))
		}
		if v := l.view().Check; v.Missed != 1 || !v.MissedAt.Equal(w.Clock.Now()) {
			t.Errorf("her page knows of %d calls", v.Missed)
		}
		w.Clock.Move(44 * time.Hour)
		fine(t, clerk.SignIn())
		e := want(t, "another number", called(t, clerk, c.ID, wrong(c.Digits)), problem.PhoneRefused)
		if e.Values["tries_left"] != 2 {
			t.Errorf("tries left: %v", e.Values)
		}
		for range 2 { // the answer was lost
			fine(t, w.ProveCallback(ctx, clerk.StaffSession, c.ID, c.Digits))
		}
		if q := waiting(t, clerk); len(q) != 0 {
			t.Errorf("after the call there wait %+v", q)
		}
		if v, err := w.CallbackAtDesk(ctx, clerk.StaffSession, c.ID); err != nil || v.State != phone.Proved || v.Missed != 1 || !v.Mine {
			t.Errorf("the page of the call: %+v, %v", v, err)
		}

		w.Clock.Move(9 * time.Hour)
		if v := l.view(); !v.CalledBack() || !v.CardDue || !v.ConfirmDue || v.Expires.Sub(w.Clock.Now()) != 15*time.Hour {
			t.Errorf("after the call the page shows %+v", v)
		}
		want(t, "ordering with the call alone", l.order(), problem.ReissueOver)
		want(t, "a wrong PIN", w.ShowCardAgain(ctx, l.visit, l.cookie, l.card("0000")), problem.CardRefused)
		fine(t, w.ShowCardAgain(ctx, l.visit, l.cookie, l.card(pin)))
		if v := l.view(); v.CardDue || !v.ConfirmDue {
			t.Errorf("after the card the page shows %+v", v)
		}
		want(t, "ordering without the confirmation password", l.order(), problem.ReissueOver)
		w.Clock.Move(16 * time.Minute)
		fine(t, l.confirm(testkit.Confirm))
		want(t, "ordering with a card of long ago", l.order(), problem.ReissueOver)
		fine(t, l.again())
		if other, err := w.CallReissue(ctx, l.visit, l.cookie, phone.SMS, "ja"); err != nil || other.ID != c.ID {
			t.Errorf("what is proved is proved once more by %+v, %v", other, err)
		}
		fine(t, l.order())
		next := l.registered()
		w.Clock.Move(time.Minute)
		fine(t, l.start(next.Code()))
		if a, b := status(t, p.phone).State, status(t, next).State; a != token.Replaced || b != token.Active {
			t.Errorf("the old token is %s, the new one %s", a, b)
		}

		shown := 0
		for _, e := range entries(t, w, p.browser) {
			if e.Action == string(audit.CustomerReveal) && e.Actor == clerk.Staff && e.Object == c.ID {
				shown++
			}
			if all := fmt.Sprint(e); strings.Contains(all, c.Digits) || strings.Contains(all, "09000001234") {
				t.Errorf("the trail holds the number: %s", all)
			}
		}
		if shown != 2 {
			t.Errorf("that the number was shown is on record %d times", shown)
		}
	})
}

// A call back proves the telephone and nothing more: of what somebody may have of her, cash card, confirmation password and number on file, only all three open the road, as by every other way.
func TestWhatACallBackOpens(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		clerk := w.SignedIn(staff.Clerk)
		try := func(l *lost, has map[string]bool) bool {
			card, confirm := l.card(pin), testkit.Confirm
			if !has[hasCard] {
				card = l.card("0000")
			}
			if !has[hasConfirm] {
				confirm = "not the right one"
			}
			c, err := w.BeginReissue(ctx, l.visit, reissue.Token, card)
			if l.cookie = c.Session; err != nil || l.confirm(confirm) != nil {
				return false
			}
			check, err := w.CallReissue(ctx, l.visit, l.cookie, phone.StaffCallback, "ja")
			if err != nil {
				return false
			}
			heard := check.Digits
			if !has[hasSIM] { // the call reaches her, who has no such page
				heard = wrong(heard)
			}
			if err := called(t, clerk, check.ID, heard); (err == nil) != has[hasSIM] {
				t.Errorf("the call: %v", err)
			}
			w.Clock.Move(time.Hour)
			_ = l.again()
			return l.order() == nil
		}
		for set := range 8 {
			w.Person(10+set, false)
			l := newLost(w, 10+set)
			l.visit = abroad()
			has := map[string]bool{hasCard: set&1 != 0, hasConfirm: set&2 != 0, hasSIM: set&4 != 0}
			if got := try(l, has); got != (set == 7) {
				t.Errorf("with %v it opens: %t", has, got)
			}
			w.Clock.Move(15 * time.Minute) // his network is not blocked by what he has tried before
		}
	})
}

// Whatever is missing, late, somebody else's or made up by a member of staff opens nothing, and the old token goes on.
func TestCallBacksThatAreRefused(t *testing.T) {
	t.Parallel()
	stories := []struct {
		name string
		tell func(t *testing.T, w *testkit.World, l *lost, d *testkit.Desk)
	}{
		{"nobody is called without card and confirmation password", func(t *testing.T, w *testkit.World, l *lost, d *testkit.Desk) {
			fine(t, l.begin(reissue.Token))
			_, err := w.CallReissue(t.Context(), l.visit, l.cookie, phone.StaffCallback, "ja")
			want(t, "asking for a call", err, problem.ReissueOver)
			if q := waiting(t, d); len(q) != 0 {
				t.Errorf("the queue: %+v", q)
			}
		}},
		{"a bank that has nobody to call", func(t *testing.T, w *testkit.World, l *lost, _ *testkit.Desk) {
			was := *w.Rules()
			p := was
			p.PhoneCallback = false
			w.SetRules(p)
			defer w.SetRules(was)
			fine(t, l.begin(reissue.Token))
			fine(t, l.confirm(testkit.Confirm))
			if slices.Contains(l.view().Offer.Ways, phone.StaffCallback) {
				t.Error("it is offered")
			}
			_, err := w.CallReissue(t.Context(), l.visit, l.cookie, phone.StaffCallback, "ja")
			want(t, "asking for a call", err, problem.PhoneOff)
		}},
		{"a clerk who makes the call up", func(t *testing.T, w *testkit.World, l *lost, d *testkit.Desk) { // she has everything that the console shows, and not the number on her page
			ctx := t.Context()
			c := l.awaits(reissue.Token)
			want(t, "before the number was shown", w.ProveCallback(ctx, d.StaffSession, c.ID, c.Digits), problem.CallbackFirst)
			_, err := w.ShowCallback(ctx, d.StaffSession, c.ID)
			fine(t, err)
			for i, guess := range []string{"", wrong(c.Digits), "000000"} {
				err := w.ProveCallback(ctx, d.StaffSession, c.ID, guess)
				if k := problem.KindOf(err); i < 2 && k != problem.PhoneRefused || i == 2 && k != problem.FactorBlocked {
					t.Errorf("guess %d: %v", i, err)
				}
			}
			want(t, "the right one after that", w.ProveCallback(ctx, d.StaffSession, c.ID, c.Digits), problem.PhoneOver)
			if v, err := w.CallbackAtDesk(ctx, d.StaffSession, c.ID); err != nil || v.Reason != phone.Tries {
				t.Errorf("the page of the call: %+v, %v", v, err)
			}
			want(t, "ordering", l.order(), problem.PhoneOver)
			fine(t, l.begin(reissue.Token))
			fine(t, l.confirm(testkit.Confirm))
			for _, way := range phone.Ways {
				_, err = w.CallReissue(ctx, l.visit, l.cookie, way, "ja")
				want(t, "any way for a day: "+string(way), err, problem.FactorBlocked)
			}
		}},
		{"no number is shown while the telephone is closed", func(t *testing.T, w *testkit.World, l *lost, d *testkit.Desk) {
			c := l.awaits(reissue.Token)
			other := newLost(w, l.n)
			fine(t, other.begin(reissue.Token))
			fine(t, other.confirm(testkit.Confirm))
			_, err := w.CallReissue(t.Context(), other.visit, other.cookie, phone.SMS, "ja")
			fine(t, err)
			for range 3 {
				err = w.TypePhoneCode(t.Context(), other.visit, other.cookie, "x")
			}
			want(t, "three wrong codes elsewhere", err, problem.FactorBlocked)
			want(t, "the call", called(t, d, c.ID, c.Digits), problem.FactorBlocked)
			w.Clock.Move(25 * time.Hour)
			fine(t, called(t, d, c.ID, c.Digits)) // she still waits
		}},
		{"two clerks", func(t *testing.T, w *testkit.World, l *lost, d *testkit.Desk) {
			ctx := t.Context()
			other := w.SignedIn(staff.Supervisor)
			c := l.awaits(reissue.Token)
			for _, x := range []*testkit.Desk{d, other} {
				_, err := w.ShowCallback(ctx, x.StaffSession, c.ID)
				fine(t, err)
			}
			if v, err := w.CallbackAtDesk(ctx, d.StaffSession, c.ID); err != nil || v.Mine || v.Caller == "" {
				t.Errorf("the first sees %+v, %v", v, err)
			}
			want(t, "the first proves", w.ProveCallback(ctx, d.StaffSession, c.ID, c.Digits), problem.CallbackFirst)
			want(t, "the first misses", w.MissCallback(ctx, d.StaffSession, c.ID, 0), problem.CallbackFirst)
			for range 3 { // a click too many, twice
				fine(t, w.MissCallback(ctx, other.StaffSession, c.ID, 0))
			}
			for range 2 { // the answer was lost
				fine(t, w.ProveCallback(ctx, other.StaffSession, c.ID, c.Digits))
			}
			want(t, "the first proves what the second has proved", w.ProveCallback(ctx, d.StaffSession, c.ID, "whatever"), problem.PhoneOver)
			for who, n := range map[*testkit.Desk][2]int{d: {0, 0}, other: {1, 1}} { // nobody is on record for what she has not done
				if missed, proved := done(t, w, l, audit.PhoneEvent, who), done(t, w, l, audit.PhoneProve, who); missed != n[0] || proved != n[1] {
					t.Errorf("%s is on record for %d calls that nobody answered, and %d proofs", who.Staff, missed, proved)
				}
			}
		}},
		{"who may", func(t *testing.T, w *testkit.World, l *lost, d *testkit.Desk) {
			ctx := t.Context()
			c := l.awaits(reissue.Token)
			for _, role := range []staff.Role{staff.Checker, staff.Fraud, staff.Auditor, staff.Administrator} {
				x := w.SignedIn(role).StaffSession
				_, _, err := w.Callbacks(ctx, x, "")
				want(t, "the queue", err, problem.Forbidden)
				_, err = w.CallbackAtDesk(ctx, x, c.ID)
				want(t, "one", err, problem.Forbidden)
				_, err = w.ShowCallback(ctx, x, c.ID)
				want(t, "the number", err, problem.Forbidden)
				want(t, "proving", w.ProveCallback(ctx, x, c.ID, c.Digits), problem.Forbidden)
				want(t, "missing", w.MissCallback(ctx, x, c.ID, 0), problem.Forbidden)
				want(t, "denying", w.DenyCallback(ctx, x, c.ID), problem.Forbidden)
			}
			for _, id := range []string{"", "tel_x", "rei_1", l.view().ID} {
				_, err := w.CallbackAtDesk(ctx, d.StaffSession, id)
				want(t, "no call "+id, err, problem.NotFound)
				_, err = w.ShowCallback(ctx, d.StaffSession, id)
				want(t, "the number of no call "+id, err, problem.NotFound)
			}
			_, _, err := w.Callbacks(ctx, d.StaffSession, "x")
			want(t, "a page that is none", err, problem.NotFound)
			sms := newLost(w, l.n)
			fine(t, sms.begin(reissue.Token))
			fine(t, sms.confirm(testkit.Confirm))
			other, err := w.CallReissue(ctx, sms.visit, sms.cookie, phone.SMS, "ja")
			fine(t, err)
			_, err = w.ShowCallback(ctx, d.StaffSession, other.ID)
			want(t, "a check of another way", err, problem.NotFound)
			id, _ := customerOf(t, w, l.login())
			fine(t, w.LookFrom(ctx, d.StaffSession, id, c.ID))
			if v, err := w.CustomerAtDesk(ctx, d.StaffSession, id); err != nil || v.Callback != c.ID || v.PhoneWay != string(phone.StaffCallback) {
				t.Errorf("her page has %q, %v", v.Callback, err)
			}
			want(t, "her page through another's call", w.LookFrom(ctx, w.SignedIn(staff.Fraud).StaffSession, id, c.ID), problem.LookFirst)
		}},
		{"so many numbers a day", func(t *testing.T, w *testkit.World, l *lost, d *testkit.Desk) {
			was := *w.Rules()
			p := was
			p.StaffReveals = 1
			w.SetRules(p)
			defer w.SetRules(was)
			c := l.awaits(reissue.Token)
			_, err := w.ShowCallback(t.Context(), d.StaffSession, c.ID)
			fine(t, err)
			_, err = w.ShowCallback(t.Context(), d.StaffSession, c.ID)
			want(t, "a second one", err, problem.RevealsUsedUp)
			id := look(t, d, l.n)
			_, _, err = w.Reveal(t.Context(), d.StaffSession, id, authority.RevealPhone, "call_back", "x")
			want(t, "by another page", err, problem.RevealsUsedUp)
		}},
		{"she has asked for nothing", func(t *testing.T, w *testkit.World, l *lost, d *testkit.Desk) { // 身に覚えがない
			ctx := t.Context()
			c := l.awaits(reissue.Token)
			id := l.view().ID
			_, err := w.ShowCallback(ctx, d.StaffSession, c.ID)
			fine(t, err)
			for range 2 { // the answer was lost
				fine(t, w.DenyCallback(ctx, d.StaffSession, c.ID))
			}
			want(t, "the number after that", w.ProveCallback(ctx, d.StaffSession, c.ID, c.Digits), problem.PhoneOver)
			if v := l.view(); v.State != reissue.Withdrawn || v.Check.Reason != phone.Denied || v.Check.Digits != "" {
				t.Errorf("her page shows %+v", v)
			}
			want(t, "his card", w.ShowCardAgain(ctx, l.visit, l.cookie, l.card(pin)), problem.ReissueOver)
			want(t, "ordering", l.order(), problem.ReissueOver)
			open, _, err := w.Incidents(ctx, w.SignedIn(staff.Fraud).StaffSession, false, "")
			if err != nil || len(open) != 1 || open[0].Kind != incident.Reported || open[0].Object != id || open[0].Times != 1 || open[0].Detail["source"] == "" {
				t.Errorf("incidents: %+v, %v", open, err)
			}
			if v := mailed(t, w, "callback_denied"); v["asked"] == "" || v["place"] == "" {
				t.Errorf("she is told %v", v)
			}
			owner, _ := customerOf(t, w, l.login())
			fine(t, w.LookFrom(ctx, d.StaffSession, owner, c.ID)) // from there the clerk may stop her service
			_, err = w.StopAtDesk(ctx, d.StaffSession, owner, authority.StopReasons[0], "身に覚えがない")
			fine(t, err)
			_, err = w.StopByBank(ctx, internetBank, l.ref(), "fraud")
			fine(t, err)
			fine(t, newLost(w, l.n).begin(reissue.Service)) // and the road back is open
		}},
		{"the number on file changes", func(t *testing.T, w *testkit.World, l *lost, d *testkit.Desk) {
			ctx := t.Context()
			ref := l.ref()
			c := l.awaits(reissue.Token)
			w.Clock.Move(time.Minute)
			fine(t, w.SetPhone(ctx, ref, "090-9999-0001"))
			if o := l.view().Obstacle; problem.KindOf(o) != problem.PhoneRecent {
				t.Errorf("her page says %v", o)
			}
			_, err := w.ShowCallback(ctx, d.StaffSession, c.ID)
			want(t, "whom to call", err, problem.PhoneOver)
			if v, err := w.CallbackAtDesk(ctx, d.StaffSession, c.ID); err != nil || v.Reason != phone.Changed {
				t.Errorf("the page of the call: %+v, %v", v, err)
			}
			w.Clock.Move(73 * time.Hour)
			c = l.awaits(reissue.Token)
			fine(t, d.SignIn())
			_, err = w.ShowCallback(ctx, d.StaffSession, c.ID)
			fine(t, err)
			w.Clock.Move(time.Minute)
			fine(t, w.SetPhone(ctx, ref, "090-9999-0001")) // the same number: its SIM was changed
			want(t, "a call of that moment", w.ProveCallback(ctx, d.StaffSession, c.ID, c.Digits), problem.PhoneOver)
			w.Clock.Move(73 * time.Hour)
			c = l.awaits(reissue.Token)
			fine(t, called(t, d, c.ID, c.Digits))
			w.Clock.Move(time.Minute)
			fine(t, w.SetPhone(ctx, ref, "090-9999-0001"))
			if o := l.view().Obstacle; problem.KindOf(o) != problem.PhoneRecent {
				t.Errorf("after the call her page says %v", o)
			}
			want(t, "what was proved before", l.order(), problem.PhoneOver)
		}},
		{"stopped meanwhile", func(t *testing.T, w *testkit.World, l *lost, d *testkit.Desk) {
			c := l.awaits(reissue.Token)
			_, err := w.ShowCallback(t.Context(), d.StaffSession, c.ID)
			fine(t, err)
			_, err = w.StopByBank(t.Context(), internetBank, l.ref(), "fraud")
			fine(t, err)
			if q := waiting(t, d); len(q) != 0 {
				t.Errorf("the queue: %+v", q)
			}
			want(t, "the number", w.ProveCallback(t.Context(), d.StaffSession, c.ID, c.Digits), problem.PhoneOver)
			want(t, "ordering", l.order(), problem.ReissueOver)
			s := newLost(w, l.n) // the road back from the stop goes by the same call
			c = s.awaits(reissue.Service)
			fine(t, called(t, d, c.ID, c.Digits))
			fine(t, s.order())
		}},
		{"stopped after the call", func(t *testing.T, w *testkit.World, l *lost, d *testkit.Desk) {
			c := l.awaits(reissue.Token)
			fine(t, called(t, d, c.ID, c.Digits))
			_, err := w.StopByBank(t.Context(), internetBank, l.ref(), "fraud")
			fine(t, err)
			want(t, "ordering", l.order(), problem.ReissueOver)
		}},
		{"given up", func(t *testing.T, w *testkit.World, l *lost, d *testkit.Desk) {
			c := l.awaits(reissue.Token)
			fine(t, w.CancelReissue(t.Context(), l.visit, l.cookie))
			if q := waiting(t, d); len(q) != 0 {
				t.Errorf("the queue: %+v", q)
			}
			want(t, "the call", called(t, d, c.ID, c.Digits), problem.PhoneOver)
		}},
		{"another way meanwhile", func(t *testing.T, w *testkit.World, l *lost, d *testkit.Desk) {
			c := l.awaits(reissue.Token)
			fine(t, l.call())
			want(t, "the call", called(t, d, c.ID, c.Digits), problem.PhoneOver)
			w.Clock.Move(15*time.Minute + time.Second)
			want(t, "after a quarter of an hour, as ever", l.order(), problem.ReissueOver)
			if v := l.view(); v.State != reissue.Expired {
				t.Errorf("it is %s", v.State)
			}
		}},
		{"another browser", func(t *testing.T, w *testkit.World, l *lost, d *testkit.Desk) { // she is called for what was asked for last, and the number of one page is worth nothing for another
			c, other := l.awaits(reissue.Token), newLost(w, l.n)
			w.Clock.Move(time.Hour)
			second := other.awaits(reissue.Token)
			if q := waiting(t, d); len(q) != 1 || q[0].ID != second.ID {
				t.Errorf("the queue: %+v", q)
			}
			want(t, "the first call", called(t, d, c.ID, c.Digits), problem.PhoneOver)
			want(t, "the number of the first", called(t, d, second.ID, c.Digits), problem.PhoneRefused)
			fine(t, called(t, d, second.ID, second.Digits))
			want(t, "ordering at the first", l.order(), problem.ReissueOver)
		}},
		{"typed on the page", func(t *testing.T, w *testkit.World, l *lost, _ *testkit.Desk) {
			c := l.awaits(reissue.Token)
			want(t, "the number of the page", w.TypePhoneCode(t.Context(), l.visit, l.cookie, c.Digits), problem.PhoneOver)
			want(t, "ordering", l.order(), problem.PhoneOver)
		}},
		{"nobody has called in three days", func(t *testing.T, w *testkit.World, l *lost, d *testkit.Desk) {
			c := l.awaits(reissue.Token)
			_, err := w.ShowCallback(t.Context(), d.StaffSession, c.ID)
			fine(t, err)
			w.Clock.Move(72 * time.Hour)
			want(t, "the call", called(t, d, c.ID, c.Digits), problem.PhoneOver)
			if v := l.view(); v.State != reissue.Expired || v.Check.State != phone.Expired {
				t.Errorf("it is %s, the call %s", v.State, v.Check.State)
			}
			fine(t, w.SweepDue(t.Context()))
			if v, err := w.CallbackAtDesk(t.Context(), d.StaffSession, c.ID); err != nil || v.State != phone.Expired {
				t.Errorf("the page of the call: %+v, %v", v, err)
			}
		}},
		{"she has not gone on for a day", func(t *testing.T, w *testkit.World, l *lost, d *testkit.Desk) {
			c := l.awaits(reissue.Token)
			w.Clock.Move(time.Hour)
			fine(t, called(t, d, c.ID, c.Digits))
			w.Clock.Move(24*time.Hour - 10*time.Minute)
			fine(t, l.again())
			w.Clock.Move(10*time.Minute + time.Second)
			want(t, "ordering", l.order(), problem.ReissueOver)
		}},
		{"another card", func(t *testing.T, w *testkit.World, l *lost, d *testkit.Desk) {
			c := l.awaits(reissue.Token)
			fine(t, called(t, d, c.ID, c.Digits))
			w.Person(98, false)
			asked := len(w.Cards.Asked())
			want(t, "the card of somebody else", w.ShowCardAgain(t.Context(), l.visit, l.cookie, newLost(w, 98).card(pin)), problem.CardRefused)
			if n := len(w.Cards.Asked()); n != asked {
				t.Errorf("the core was asked about it %d times", n-asked)
			}
			for range w.Policy.TriesPerBlock {
				want(t, "a wrong PIN", w.ShowCardAgain(t.Context(), l.visit, l.cookie, l.card("0000")), problem.CardRefused)
			}
			want(t, "the right one while it is closed", w.ShowCardAgain(t.Context(), l.visit, l.cookie, l.card(pin)), problem.CardRefused)
			want(t, "with a stranger's cookie", w.ShowCardAgain(t.Context(), l.visit, strings.Repeat("A", 43), l.card(pin)), problem.ReissueOver)
		}},
		{"after a restore", func(t *testing.T, w *testkit.World, l *lost, d *testkit.Desk) {
			c := l.awaits(reissue.Token)
			w.Clock.Move(time.Minute)
			fine(t, w.RaiseFence(t.Context()))
			w.Clock.Move(time.Minute)
			q := waiting(t, d)
			if n, err := w.DeskWaiting(t.Context(), d.StaffSession); err != nil || len(q) != 0 || n.Callbacks != 0 {
				t.Errorf("the queue: %+v, %d, %v", q, n.Callbacks, err)
			}
			want(t, "the call", called(t, d, c.ID, c.Digits), problem.PhoneOver)
			if row, err := w.Store.Reader().PhoneCheckByID(t.Context(), c.ID); err != nil || row.State != string(phone.Failed) {
				t.Errorf("the check is %s, %v", row.State, err)
			}
		}},
		{"the card once more in the last minutes", func(t *testing.T, w *testkit.World, l *lost, _ *testkit.Desk) { // what has expired is not opened again
			l.awaits(reissue.Token)
			w.Clock.Move(72*time.Hour - 5*time.Minute)
			fine(t, l.again())
			w.Clock.Move(6 * time.Minute)
			newLost(w, l.n).awaits(reissue.Token) // which ends the call that was awaited before anything is swept
			if v := l.view(); v.State != reissue.Expired || v.Check.State != phone.Expired {
				t.Errorf("it is %s until %s, the call %s", v.State, v.Expires, v.Check.State)
			}
		}},
		{"nobody was called", func(t *testing.T, w *testkit.World, l *lost, d *testkit.Desk) {
			c := l.awaits(reissue.Token)
			want(t, "denying", w.DenyCallback(t.Context(), d.StaffSession, c.ID), problem.CallbackFirst)
			fine(t, w.CancelReissue(t.Context(), l.visit, l.cookie))
			want(t, "denying what is over", w.DenyCallback(t.Context(), d.StaffSession, c.ID), problem.PhoneOver)
		}},
	}
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		for n, story := range stories {
			t.Run(story.name, func(t *testing.T) {
				w.Person(10+n, false)
				story.tell(t, w, newLost(w, 10+n), w.SignedIn(staff.Clerk))
			})
			w.Clock.Move(15 * time.Minute) // what was tried before has blocked nobody's network
		}
	})
}

// done counts what is on record that a member has done about her.
func done(t *testing.T, w *testkit.World, l *lost, what audit.Action, who *testkit.Desk) (n int) {
	t.Helper()
	id, _ := customerOf(t, w, l.login())
	rows, err := w.Store.Reader().EntriesOf(t.Context(), db.EntriesOfParams{Customer: id, ID: "~", Limit: 1000})
	fine(t, err)
	for _, e := range rows {
		if e.Action == string(what) && e.Actor == who.Staff && e.Outcome == string(audit.Done) {
			n++
		}
	}
	return n
}

// 身に覚えがない is heard whatever the check has come to meanwhile, since whoever asked for it can end it at any moment: from any member, as one entry, one incident and one notice. Nothing of hers is left on the road back.
func TestADenialIsNeverTooLate(t *testing.T) {
	t.Parallel()
	stories := []struct {
		name      string
		meanwhile func(t *testing.T, w *testkit.World, l *lost, d *testkit.Desk, c authority.PhoneCheck)
		left      reissue.State // of the re-issue
	}{
		{"nothing", func(*testing.T, *testkit.World, *lost, *testkit.Desk, authority.PhoneCheck) {}, reissue.Withdrawn},
		{"another way is chosen and proved", func(t *testing.T, _ *testkit.World, l *lost, _ *testkit.Desk, _ authority.PhoneCheck) {
			fine(t, l.call())
		}, reissue.Withdrawn},
		{"it is given up", func(t *testing.T, w *testkit.World, l *lost, _ *testkit.Desk, _ authority.PhoneCheck) {
			fine(t, w.CancelReissue(t.Context(), l.visit, l.cookie))
		}, reissue.Withdrawn},
		{"its time runs out", func(_ *testing.T, w *testkit.World, _ *lost, _ *testkit.Desk, _ authority.PhoneCheck) {
			w.Clock.Move(72 * time.Hour)
		}, reissue.Withdrawn},
		{"its time runs out and is written down", func(t *testing.T, w *testkit.World, _ *lost, _ *testkit.Desk, _ authority.PhoneCheck) {
			w.Clock.Move(72 * time.Hour)
			fine(t, w.SweepDue(t.Context()))
			w.Clock.Move(48 * time.Hour) // she rings back
		}, reissue.Expired},
		{"another member has the number shown", func(t *testing.T, w *testkit.World, _ *lost, _ *testkit.Desk, c authority.PhoneCheck) {
			_, err := w.ShowCallback(t.Context(), w.SignedIn(staff.Supervisor).StaffSession, c.ID)
			fine(t, err)
		}, reissue.Withdrawn},
		{"too many wrong numbers", func(t *testing.T, w *testkit.World, _ *lost, d *testkit.Desk, c authority.PhoneCheck) {
			for range 3 {
				_ = w.ProveCallback(t.Context(), d.StaffSession, c.ID, wrong(c.Digits))
			}
			want(t, "the right one after that", w.ProveCallback(t.Context(), d.StaffSession, c.ID, c.Digits), problem.PhoneOver)
		}, reissue.Withdrawn},
		{"it is proved", func(t *testing.T, w *testkit.World, _ *lost, d *testkit.Desk, c authority.PhoneCheck) {
			fine(t, w.ProveCallback(t.Context(), d.StaffSession, c.ID, c.Digits))
		}, reissue.Withdrawn},
		{"it is proved and ordered", func(t *testing.T, w *testkit.World, l *lost, d *testkit.Desk, c authority.PhoneCheck) {
			fine(t, w.ProveCallback(t.Context(), d.StaffSession, c.ID, c.Digits))
			fine(t, l.order())
			l.registered()
		}, reissue.Withdrawn},
		{"it is proved and carried out", func(t *testing.T, w *testkit.World, l *lost, d *testkit.Desk, c authority.PhoneCheck) {
			fine(t, w.ProveCallback(t.Context(), d.StaffSession, c.ID, c.Digits))
			fine(t, l.order())
			fine(t, l.start(l.registered().Code()))
		}, reissue.Done},
		{"another browser goes another way", func(t *testing.T, w *testkit.World, l *lost, _ *testkit.Desk, _ authority.PhoneCheck) {
			more := newLost(w, l.n)
			more.prove(reissue.Token)
			fine(t, more.order())
			t.Cleanup(func() {
				if v := more.view(); v.State != reissue.Withdrawn || v.Order != nil {
					t.Errorf("the other re-issue is %s", v.State)
				}
			})
		}, reissue.Withdrawn},
	}
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		fraud, clerk, other := w.SignedIn(staff.Fraud), w.SignedIn(staff.Clerk), w.SignedIn(staff.Supervisor)
		told := func() (n int) {
			for range 2 {
				_, err := w.DeliverDue(ctx)
				fine(t, err)
			}
			for _, m := range w.Post.Sent() {
				if m.Subject == "callback_denied" {
					n++
				}
			}
			return n
		}
		for n, story := range stories {
			t.Run(story.name, func(t *testing.T) {
				w.Person(10+n, false)
				l := newLost(w, 10+n)
				for _, x := range []*testkit.Desk{clerk, other, fraud} {
					fine(t, x.SignIn())
				}
				c, before := l.awaits(reissue.Token), told()
				id := l.view().ID
				_, err := w.ShowCallback(ctx, clerk.StaffSession, c.ID)
				fine(t, err)
				story.meanwhile(t, w, l, clerk, c)
				for _, x := range []*testkit.Desk{clerk, other, fraud} {
					fine(t, x.SignIn())
				}
				if v, err := w.CallbackAtDesk(ctx, clerk.StaffSession, c.ID); err != nil || !v.Deniable() {
					t.Errorf("the page offers no denial: %+v, %v", v, err)
				}
				for range 2 { // the answer was lost
					fine(t, w.DenyCallback(ctx, clerk.StaffSession, c.ID))
				}
				want(t, "another member denies what is denied", w.DenyCallback(ctx, other.StaffSession, c.ID), problem.PhoneOver)
				want(t, "the number after that", w.ProveCallback(ctx, clerk.StaffSession, c.ID, c.Digits), problem.PhoneOver)
				if v, err := w.CallbackAtDesk(ctx, other.StaffSession, c.ID); err != nil || v.Open() || !v.Denied() || v.Deniable() {
					t.Errorf("the page of the call: %+v, %v", v, err)
				}
				owner, _ := customerOf(t, w, l.login())
				fine(t, w.LookFrom(ctx, clerk.StaffSession, owner, c.ID)) // from there the clerk may stop her service
				if v := l.view(); v.State != story.left || v.Order != nil && story.left != reissue.Done || v.CalledBack() {
					t.Errorf("her page: %+v", v)
				}
				if story.left != reissue.Done {
					want(t, "ordering", l.order(), problem.ReissueOver)
					if e, err := w.Store.Reader().OpenEnrolment(ctx, owner); !errors.Is(err, store.ErrNone) {
						t.Errorf("the order lives on: %s, %v", e.State, err)
					}
				}
				if len(waiting(t, clerk)) != 0 {
					t.Error("somebody is called still")
				}
				if said, not := done(t, w, l, audit.PhoneEvent, clerk), done(t, w, l, audit.PhoneEvent, other); said != 1 || not != 0 {
					t.Errorf("on record are %d denials, and %d of another member", said, not)
				}
				open, _, err := w.Incidents(ctx, fraud.StaffSession, false, "")
				fine(t, err)
				open = slices.DeleteFunc(open, func(i authority.Incident) bool { return i.Object != id })
				if len(open) != 1 || open[0].Kind != incident.Reported || open[0].Times != 1 {
					t.Errorf("incidents: %+v", open)
				}
				if n := told() - before; n != 1 {
					t.Errorf("she is told %d times", n)
				}
			})
			w.Clock.Move(15 * time.Minute)
		}
	})
}

// What goes on without the call ends it: nobody is called for a token that is ordered, or a service that runs, and the denial of whoever was called before ends the order.
func TestWhatGoesOnWithoutTheCallEndsIt(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		clerk := w.SignedIn(staff.Clerk)
		for n, wish := range []reissue.Wish{reissue.Token, reissue.Service} {
			w.Person(10+n, false)
			l := newLost(w, 10+n)
			if wish == reissue.Service {
				_, err := w.StopByBank(ctx, internetBank, l.ref(), "fraud")
				fine(t, err)
				w.Clock.Move(time.Minute)
			}
			l.prove(wish)
			c, err := w.CallReissue(ctx, l.visit, l.cookie, phone.StaffCallback, "ja")
			fine(t, err)
			_, err = w.ShowCallback(ctx, clerk.StaffSession, c.ID)
			fine(t, err)
			fine(t, l.order())
			if q := waiting(t, clerk); len(q) != 0 {
				t.Errorf("%s: the queue: %+v", wish, q)
			}
			if v, err := w.CallbackAtDesk(ctx, clerk.StaffSession, c.ID); err != nil || v.Reason != phone.Replaced {
				t.Errorf("%s: the page of the call: %+v, %v", wish, v, err)
			}
			fine(t, w.DenyCallback(ctx, clerk.StaffSession, c.ID))
			if v := l.view(); v.State != map[reissue.Wish]reissue.State{reissue.Token: reissue.Withdrawn, reissue.Service: reissue.Done}[wish] || v.Order != nil {
				t.Errorf("%s: it is %s", wish, v.State)
			}
		}
	})
}

// The right number, the denial and "nobody answered", all at once from two pages of the member who calls: one outcome, in which a denial is the last word, and the fraud desk hears of it only where she has denied it.
func TestACallBackHasOneOutcome(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		clerk, fraud := w.SignedIn(staff.Clerk), w.SignedIn(staff.Fraud)
		nodes := []*testkit.World{w, w.Another()}
		denied := 0
		for n := range rounds(t, 4) {
			w.Person(10+n, false)
			l := newLost(w, 10+n)
			c := l.awaits(reissue.Token)
			_, err := w.ShowCallback(ctx, clerk.StaffSession, c.ID)
			fine(t, err)
			errs := together(6, func(i int) error {
				switch i % 3 {
				case 0:
					return nodes[i%2].ProveCallback(ctx, clerk.StaffSession, c.ID, c.Digits)
				case 1:
					return nodes[i%2].DenyCallback(ctx, clerk.StaffSession, c.ID)
				}
				return nodes[i%2].MissCallback(ctx, clerk.StaffSession, c.ID, 0)
			})
			v, err := w.CallbackAtDesk(ctx, clerk.StaffSession, c.ID)
			fine(t, err)
			if v.Open() || v.Missed > 1 {
				t.Fatalf("round %d: %+v", n, v)
			}
			if v.Reason == phone.Denied {
				denied++
			}
			if (errs[1] == nil || errs[4] == nil) != v.Denied() {
				t.Errorf("round %d: the denials are answered %v and %v, the call is %s %s", n, errs[1], errs[4], v.State, v.Reason)
			}
			if said := done(t, w, l, audit.PhoneEvent, clerk); said > v.Missed+1 {
				t.Errorf("round %d: %d entries", n, said)
			}
			if ordered := l.order() == nil; ordered != (v.State == phone.Proved && !v.Denied()) {
				t.Errorf("round %d: the call is %s %s, and she orders: %t", n, v.State, v.Reason, ordered)
			}
		}
		open, _, err := w.Incidents(ctx, fraud.StaffSession, false, "")
		if err != nil || len(open) != denied {
			t.Errorf("%d incidents of %d denials, %v", len(open), denied, err)
		}
	})
}

// The queue goes on where its page ended, the oldest first.
func TestTheQueueOfCallBacksIsPaged(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		clerk := w.SignedIn(staff.Clerk)
		var asked []string
		for n := range authority.CallbackPage + 1 {
			id, _ := customerOf(t, w, w.Person(10+n, false))
			c, err := w.BeginPhone(t.Context(), aStranger, id, fmt.Sprintf("object-%d", n), phone.StaffCallback, "en")
			fine(t, err)
			asked = append(asked, c.ID)
			w.Clock.Move(time.Second)
		}
		first, next, err := w.Callbacks(t.Context(), clerk.StaffSession, "")
		fine(t, err)
		second, end, err := w.Callbacks(t.Context(), clerk.StaffSession, next)
		fine(t, err)
		var got []string
		for _, c := range append(first, second...) {
			got = append(got, c.ID)
		}
		if len(first) != authority.CallbackPage || end != "" || !slices.Equal(got, asked) {
			t.Errorf("%d and %d of %d, then %q", len(first), len(second), len(asked), end)
		}
	})
}
