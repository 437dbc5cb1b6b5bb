package authority_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/release"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// branch is a branch with its two people.
type branch struct {
	*testkit.World
	clerk, checker *testkit.Desk
	forms          int
}

func newBranch(w *testkit.World) *branch {
	return &branch{World: w, clerk: w.SignedIn(staff.Clerk), checker: w.SignedIn(staff.Checker)}
}

// looked is a desk on which everything was looked at.
func looked(items ...release.Item) release.Desk {
	return release.Desk{Items: items, Checks: []release.Check{release.CheckCard, release.CheckDocument, release.CheckPhoto}, Document: release.Licence, Reference: "第301234567890号", Note: "窓口にて確認"}
}

// counter has the clerk make a request for the nth customer.
func (b *branch) counter(n int, reason release.Reason, items ...string) string {
	b.T.Helper()
	b.forms++
	id, err := b.MakeCase(b.T.Context(), b.clerk.StaffSession, authority.NewCase{Once: fmt.Sprint(b.forms), Branch: "１０１", AccountType: "普通", AccountNumber: fmt.Sprintf("%07d", 1234566+n), Items: items, Reason: string(reason)})
	fine(b.T, err)
	return id
}

func (b *branch) seen(d *testkit.Desk, id string) authority.Case {
	b.T.Helper()
	c, err := b.CaseOf(b.T.Context(), d.StaffSession, id)
	fine(b.T, err)
	return c
}

func (b *branch) submit(id string, desk release.Desk) {
	b.T.Helper()
	fine(b.T, b.SubmitCase(b.T.Context(), b.clerk.StaffSession, id, b.seen(b.clerk, id).Version, desk))
}

func (b *branch) grant(id string) error {
	return b.GrantCase(b.T.Context(), b.checker.StaffSession, id, b.seen(b.checker, id).Shown)
}

// done makes, sends and grants.
func (b *branch) done(n int, reason release.Reason, desk release.Desk) string {
	b.T.Helper()
	words := make([]string, len(desk.Items))
	for i, x := range desk.Items {
		words[i] = string(x)
	}
	id := b.counter(n, reason, words...)
	b.submit(id, desk)
	fine(b.T, b.grant(id))
	return id
}

// M-13, the whole tale: she makes the paper, hands it in, two people look at it, the lost phone's token ends, a letter is printed, and with the number that was mailed she registers another phone.
func TestAReleaseRequestFromPaperToPhone(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		p, b := newPayer(w, 1), newBranch(w)
		old := p.phone
		made, err := w.MakeRelease(ctx, p.browser.Visit, &p.browser.Session, "", authority.ReleaseForm{Once: "hers", Items: []string{"token_revoke", "downloads"}, Reason: "lost"})
		fine(t, err)
		waiting, _, err := w.Cases(ctx, b.clerk.StaffSession, authority.CaseQueue{State: release.Made, Branch: "101"})
		if fine(t, err); len(waiting) != 1 || waiting[0].ID != made.ID || waiting[0].Name != "山田 花子" {
			t.Fatalf("in the queue stands %+v", waiting)
		}
		id, err := w.FindCase(ctx, b.clerk.StaffSession, strings.ToLower(strings.ReplaceAll(made.Number, "-", "　")))
		if fine(t, err); id != made.ID {
			t.Fatalf("the number leads to %s", id)
		}
		for range 2 {
			fine(t, w.ReceiveCase(ctx, b.clerk.StaffSession, id))
		}
		mailed(t, w, "release_received")
		c := b.seen(b.clerk, id)
		if !c.MayEdit || c.MayDecide || c.Shown != "" || c.Account != "101 普通 ***4567" || c.Mail != "***o1@***" || !strings.HasSuffix(c.Phone, "1234") || strings.Contains(fmt.Sprintf("%+v", c), "0901234") {
			t.Errorf("the clerk sees %+v", c)
		}
		desk := looked(release.TokenRevoke, release.Downloads, release.Phone)
		desk.Issue = []release.Issue{release.IssueKey}
		for name, k := range map[string]release.Desk{"checks": {Items: desk.Items, Document: desk.Document, Reference: "1"}, "reference": {Items: desk.Items, Checks: desk.Checks, Document: desk.Document}, "items": {Checks: desk.Checks}} {
			want(t, "without "+name, w.SubmitCase(ctx, b.clerk.StaffSession, id, c.Version, k), problem.CaseIncomplete)
		}
		b.submit(id, desk)
		c = b.seen(b.checker, id)
		if !c.MayDecide || fmt.Sprint(c.Added()) != "[phone]" || len(c.Left()) != 0 || c.Maker.Name == "" || len(c.History) == 0 || !c.Warns("cooling") {
			t.Errorf("the checker sees %+v", c)
		}
		fine(t, w.GrantCase(ctx, b.checker.StaffSession, id, c.Shown))
		if v := mailed(t, w, "release_granted"); v["objection"] == "" || v["items"] != "token_revoke downloads phone" {
			t.Errorf("she is told %v", v)
		}
		if _, err := w.SessionOf(ctx, p.browser.Cookie.Session); problem.KindOf(err) != problem.SessionOver {
			t.Errorf("her sessions go on: %v", err)
		}
		want(t, "a code of the phone that is gone", w.VerifyOTP(ctx, internetBank, p.ref, old.CodeAt(1)), problem.TokenNone)
		if a, err := w.AssuranceOf(ctx, p.ref); err != nil || !slices.ContainsFunc(a.Cooling, func(x authority.Cooling) bool { return x.Change == authority.StaffRelease && !x.Approved }) {
			t.Errorf("the bank is told %+v, %v", a, err)
		}
		if found, err := w.ReleaseByNumber(ctx, testkit.Stranger(), made.Number); err != nil || found.State != release.Granted {
			t.Errorf("she sees %s, %v", found.State, err)
		}

		number := w.MailedNumber()
		_, err = w.HandOver(ctx, b.clerk.StaffSession, id, false)
		want(t, "the maker prints the letter", err, problem.OrderOwn)
		first, err := w.HandOver(ctx, b.checker.StaffSession, id, false)
		fine(t, err)
		letter, err := w.HandOver(ctx, b.checker.StaffSession, id, false)
		fine(t, err)
		if letter.Key.Typed == "" || letter.Key.Typed == first.Key.Typed || letter.Login != "" || !letter.Again || first.Again {
			t.Errorf("the letter is %+v", letter)
		}
		phone := testkit.NewPhone(w)
		w.Clock.Move(13 * 24 * time.Hour)
		want(t, "the letter that was printed before", phone.Register(phone.Scan(first.Key.Link, number)), problem.RegistrationRefused)
		want(t, "the letter without the mail", phone.Register(phone.Scan(letter.Key.Link, "00000000")), problem.RegistrationRefused)
		fine(t, phone.Register(phone.Scan(letter.Key.Link, number)))
		fine(t, b.checker.SignIn())
		_, err = w.HandOver(ctx, b.checker.StaffSession, id, false)
		want(t, "a letter after she has registered", err, problem.LetterNone)
		again := w.LogIn("hanako01", authority.PC)
		if v, err := w.TokenOf(ctx, again.Session); err != nil || v.Enrolment == nil || v.Enrolment.Purpose != "release" {
			t.Errorf("her way to the token: %+v, %v", v, err)
		}
		fine(t, again.Start(phone.Code()))
		w.Clock.Move(time.Minute)
		fine(t, w.VerifyOTP(ctx, internetBank, p.ref, phone.Code()))
		if a, _ := w.AssuranceOf(ctx, p.ref); len(a.Cooling) != 1 || a.Cooling[0].Change != authority.TokenReissued {
			t.Errorf("after the start the bank is told %+v", a.Cooling)
		}
	})
}

// The request of somebody whom the server did not know is tied to a customer by her account; what the paper says is never taken for who she is, and whoever wrote the paper learns nothing of her.
func TestARequestIsTiedToACustomer(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		w.LogIn(w.Person(1, false), authority.PC)
		b := newBranch(w)
		form := paper("a stranger's")
		form.Name, form.Kana = "<script>alert(1)</script>", "=HYPERLINK(\"x\")"
		made, err := w.MakeRelease(ctx, testkit.Visit(authority.PC), nil, "", form)
		fine(t, err)
		fine(t, w.ReceiveCase(ctx, b.clerk.StaffSession, made.ID))
		c := b.seen(b.clerk, made.ID)
		if c.Customer != "" || c.Typed == nil || c.Typed.Name != form.Name || c.Typed.Account != "101 普通 ***4567" || c.Branch != "101" {
			t.Errorf("the clerk sees %+v", c)
		}
		want(t, "sending it as nobody's", w.SubmitCase(ctx, b.clerk.StaffSession, made.ID, c.Version, looked(release.Downloads)), problem.CaseUntied)
		tie := func(branch, kind, number string) error {
			return w.TieCase(ctx, b.clerk.StaffSession, made.ID, b.seen(b.clerk, made.ID).Version, branch, kind, number)
		}
		want(t, "no such account", tie("101", "普通", "9999999"), problem.AccountNone)
		want(t, "half an account", tie("101", "普通", ""), problem.CaseIncomplete)
		want(t, "another kind", tie("101", "gold", "1234567"), problem.CaseIncomplete)
		fine(t, tie("１０１", "普通", "123-4567"))
		if c = b.seen(b.clerk, made.ID); c.Name != "山田 花子" || c.Typed.Name != form.Name {
			t.Errorf("tied it is %+v", c)
		}
		if n := len(sentTo(t, w, "release_received")); n != 0 {
			t.Error("whose account was typed is told before the clerk has compared")
		}
		if found, err := w.ReleaseByNumber(ctx, testkit.Stranger(), made.Number); err != nil || found.Name != "<script>alert(1)</script>" {
			t.Errorf("whoever has the number is told %+v, %v", found, err)
		}
		want(t, "with an old page", w.SaveCase(ctx, b.clerk.StaffSession, made.ID, 1, looked(release.Downloads)), problem.CaseStale)
		desk := looked(release.Downloads)
		desk.Reference, desk.Note = strings.Repeat("長", 40), "一行目\r\n二行目\u202e\x00"
		fine(t, w.SaveCase(ctx, b.clerk.StaffSession, made.ID, c.Version, desk))
		if c = b.seen(b.clerk, made.ID); c.Desk.Note != "一行目\n二行目" {
			t.Errorf("the note is %q", c.Desk.Note)
		}
		desk.Reference += "長"
		want(t, "a reference that is too long", w.SaveCase(ctx, b.clerk.StaffSession, made.ID, c.Version, desk), problem.CaseIncomplete)
		b.submit(made.ID, looked(release.Downloads))
		mailed(t, w, "release_received")
		want(t, "no reason", w.ReturnCase(ctx, b.checker.StaffSession, made.ID, b.seen(b.checker, made.ID).Shown, " "), problem.CaseIncomplete)
		fine(t, w.ReturnCase(ctx, b.checker.StaffSession, made.ID, b.seen(b.checker, made.ID).Shown, "免許証の番号が読めません"))
		if c = b.seen(b.clerk, made.ID); c.State != release.Received || c.Said != "免許証の番号が読めません" {
			t.Errorf("returned it is %+v", c)
		}
		b.submit(made.ID, looked(release.Downloads))
		fine(t, w.DeclineCase(ctx, b.checker.StaffSession, made.ID, b.seen(b.checker, made.ID).Shown, "ご本人と確認できません"))
		if v := mailed(t, w, "release_declined"); strings.Contains(fmt.Sprint(v), "確認できません") {
			t.Errorf("the reason leaves the house: %v", v)
		}
		w.Clock.Move(time.Second)
		id := b.counter(1, release.Broken, "downloads")
		fine(t, w.RefuseCase(ctx, b.clerk.StaffSession, id, b.seen(b.clerk, id).Version, "印鑑が違います"))
		closed, _, err := w.Cases(ctx, b.checker.StaffSession, authority.CaseQueue{State: release.Granted})
		if fine(t, err); len(closed) != 2 || closed[0].ID != id {
			t.Errorf("closed are %+v", closed)
		}
	})
}

// The queue is read page by page, by branch or whole, the oldest first; nothing is shown twice or left out.
func TestTheQueueOfCases(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		w.LogIn(w.Person(1, false), authority.PC)
		b := newBranch(w)
		var all []string
		for range authority.CasesPage + 3 {
			w.Clock.Move(time.Second)
			all = append(all, b.counter(1, release.Broken, "downloads"))
		}
		for _, where := range []string{"", "101"} {
			var got []string
			for from, more := "", true; more; {
				lines, next, err := w.Cases(ctx, b.clerk.StaffSession, authority.CaseQueue{State: release.Received, Branch: where, From: from})
				fine(t, err)
				for _, l := range lines {
					got = append(got, l.ID)
				}
				from, more = next, next != ""
			}
			if !slices.Equal(got, all) {
				t.Errorf("branch %q: %d lines, want %d", where, len(got), len(all))
			}
		}
		if lines, _, err := w.Cases(ctx, b.clerk.StaffSession, authority.CaseQueue{State: release.Received, Branch: "102"}); err != nil || len(lines) != 0 {
			t.Errorf("another branch has %d, %v", len(lines), err)
		}
		admin := w.SignedIn(staff.Administrator)
		_, _, err := w.Cases(ctx, admin.StaffSession, authority.CaseQueue{State: release.Received})
		want(t, "an administrator looks", err, problem.Forbidden)
	})
}
