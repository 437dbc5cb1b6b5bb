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
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/release"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
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
		if !c.MayEdit || c.MayDecide || c.Shown != "" || c.Account != "101 普通 ***4567" || c.Mail != "***e.jp" || !strings.HasSuffix(c.Phone, "1234") || strings.Contains(fmt.Sprintf("%+v", c), "0901234") {
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

// C-71 and R-102: the second person is another human being with her own session and passkey, sees what is granted, and both may still do it. Each attack is carried out.
func TestOneRequestIsNeverGrantedByOnePerson(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		p, b := newPayer(w, 1), newBranch(w)
		alias := w.SignedInAs(authority.NewStaff{Name: "もう一つの名前", Person: b.clerk.Person, Branch: "102", Role: staff.Checker})
		super := w.SignedIn(staff.Supervisor)
		id := b.counter(1, release.LostPhone, "token_revoke")
		b.submit(id, looked(release.TokenRevoke))
		good := b.seen(b.checker, id)
		stands := func(name string) {
			t.Helper()
			if c := b.seen(b.checker, id); c.State == release.Granted {
				t.Fatalf("%s: it was granted", name)
			}
			if a, err := w.AssuranceOf(ctx, p.ref); err != nil || a.Token != token.Active {
				t.Fatalf("%s: the token is %s, %v", name, a.Token, err)
			}
		}
		refused := func(name string, err error, k problem.Kind) {
			t.Helper()
			want(t, name, err, k)
			stands(name)
		}
		refused("the maker grants", w.GrantCase(ctx, b.clerk.StaffSession, id, good.Shown), problem.Forbidden)
		refused("her other login grants", w.GrantCase(ctx, alias.StaffSession, id, good.Shown), problem.OrderOwn)
		if c := b.seen(alias, id); c.MayDecide || c.Shown != "" || !c.Own {
			t.Errorf("her other login is shown %+v", c)
		}
		refused("her other login returns", w.ReturnCase(ctx, alias.StaffSession, id, good.Shown, "x"), problem.OrderOwn)
		refused("another's page", w.GrantCase(ctx, super.StaffSession, id, good.Shown), problem.CaseStale)
		refused("no page", w.GrantCase(ctx, b.checker.StaffSession, id, ""), problem.CaseStale)
		mac := good.Shown[strings.LastIndex(good.Shown, "."):]
		refused("another moment", w.GrantCase(ctx, b.checker.StaffSession, id, strings.Split(good.Shown, ".")[0]+"."+w.Clock.Now().Add(time.Second).Format(time.RFC3339Nano)+mac), problem.CaseStale)
		other := b.counter(1, release.LostPhone, "downloads")
		b.submit(other, looked(release.Downloads))
		refused("the page of another request", w.GrantCase(ctx, b.checker.StaffSession, id, b.seen(b.checker, other).Shown), problem.CaseStale)

		// The body is changed behind the page: by the clerk's own hand, and in the store itself.
		fine(t, w.RecallCase(ctx, b.clerk.StaffSession, id))
		refused("one that was taken back", w.GrantCase(ctx, b.checker.StaffSession, id, good.Shown), problem.CaseMoved)
		more := looked(release.TokenRevoke, release.Authenticators)
		b.submit(id, more)
		refused("what the page did not show", w.GrantCase(ctx, b.checker.StaffSession, id, good.Shown), problem.CaseStale)
		good = b.seen(b.checker, id)
		fine(t, w.ByHand(ctx, func(ctx context.Context, tx *store.Tx) error {
			row, err := tx.ReleaseByID(ctx, other)
			if err != nil {
				return err
			}
			mine, err := tx.ReleaseByID(ctx, id)
			if err != nil {
				return err
			}
			_, err = tx.SendBackRelease(ctx, db.SendBackReleaseParams{ID: id, Said: []byte{}, RequestHash: mine.RequestHash, Version: mine.Version})
			if err != nil {
				return err
			}
			_, err = tx.SubmitRelease(ctx, db.SubmitReleaseParams{ID: id, Desk: row.Desk, Hands: mine.Hands, Maker: mine.Maker, MakerPasskey: mine.MakerPasskey, MakerSession: mine.MakerSession, RequestHash: mine.RequestHash, SubmittedAt: mine.SubmittedAt, Version: mine.Version + 1})
			return err
		}))
		if err := w.GrantCase(ctx, b.checker.StaffSession, id, good.Shown); err == nil {
			t.Fatal("a desk that was put in from another row is granted")
		}
		w2 := b.counter(1, release.LostPhone, "token_revoke")
		id = w2
		b.submit(id, looked(release.TokenRevoke))
		good = b.seen(b.checker, id)

		// The same passkey, the same session: as if two members shared one.
		for name, change := range map[string]func(row *db.ReleaseRequest){
			"the same passkey": func(row *db.ReleaseRequest) { row.MakerPasskey = b.checker.Passkey },
			"the same session": func(row *db.ReleaseRequest) { row.MakerSession = b.checker.Actor().Session },
		} {
			fine(t, w.ByHand(ctx, func(ctx context.Context, tx *store.Tx) error {
				row, err := tx.ReleaseByID(ctx, id)
				if err != nil {
					return err
				}
				if _, err = tx.SendBackRelease(ctx, db.SendBackReleaseParams{ID: id, Said: []byte{}, RequestHash: row.RequestHash, Version: row.Version}); err != nil {
					return err
				}
				change(&row)
				_, err = tx.SubmitRelease(ctx, db.SubmitReleaseParams{ID: id, Desk: row.Desk, Hands: row.Hands, Maker: row.Maker, MakerPasskey: row.MakerPasskey, MakerSession: row.MakerSession, RequestHash: row.RequestHash, SubmittedAt: row.SubmittedAt, Version: row.Version + 1})
				return err
			}))
			refused(name, w.GrantCase(ctx, b.checker.StaffSession, id, good.Shown), problem.OrderOwn)
			fine(t, w.RecallCase(ctx, b.clerk.StaffSession, id))
			b.submit(id, looked(release.TokenRevoke))
			good = b.seen(b.checker, id)
		}

		// Too late, and no longer at work.
		fine(t, w.SuspendStaff(ctx, "first", b.clerk.Member.ID))
		refused("a suspended maker's", w.GrantCase(ctx, b.checker.StaffSession, id, good.Shown), problem.OrderMaker)
		fine(t, w.ResumeStaff(ctx, "first", b.clerk.Member.ID))
		session := b.checker.StaffSession
		fine(t, w.SuspendStaff(ctx, "first", b.checker.Member.ID))
		refused("a suspended checker", w.GrantCase(ctx, session, id, good.Shown), problem.SessionOver)
		fine(t, w.ResumeStaff(ctx, "first", b.checker.Member.ID))
		fine(t, b.checker.SignIn())
		refused("from the session before", w.GrantCase(ctx, session, id, good.Shown), problem.SessionOver)
		refused("the page of the session before", w.GrantCase(ctx, b.checker.StaffSession, id, good.Shown), problem.CaseStale)
		good = b.seen(b.checker, id)
		for range 4 { // at work all the time
			w.Clock.Move(8 * time.Minute)
			_, err := w.StaffSessionOf(ctx, b.checker.Cookie)
			fine(t, err)
		}
		refused("after half an hour", w.GrantCase(ctx, b.checker.StaffSession, id, good.Shown), problem.CaseStale)
		fine(t, b.grant(id))
		want(t, "granting it again", w.GrantCase(ctx, b.checker.StaffSession, id, good.Shown), problem.CaseMoved)
		fine(t, b.clerk.SignIn())
		taken, err := w.MakeRelease(ctx, p.browser.Visit, nil, "", paper("taken back"))
		fine(t, err)
		fine(t, w.ReceiveCase(ctx, b.clerk.StaffSession, taken.ID))
		fine(t, w.TieCase(ctx, b.clerk.StaffSession, taken.ID, b.seen(b.clerk, taken.ID).Version, "101", "普通", "1234567"))
		b.submit(taken.ID, looked(release.Downloads))
		shown := b.seen(b.checker, taken.ID).Shown
		fine(t, w.WithdrawRelease(ctx, testkit.Stranger(), taken.Number))
		want(t, "one that she has withdrawn", w.GrantCase(ctx, b.checker.StaffSession, taken.ID, shown), problem.CaseMoved)
		auditor := w.SignedIn(staff.Auditor)
		want(t, "an auditor receives", w.ReceiveCase(ctx, auditor.StaffSession, id), problem.Forbidden)
		_, err = w.HandOver(ctx, auditor.StaffSession, id, false)
		want(t, "an auditor prints", err, problem.Forbidden)
	})
}

// A clerk takes her request back and changes it in the moment in which it is granted: what is granted is what was shown, or nothing is.
func TestEditAgainstGrant(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx, n := t.Context(), 25
		if long() {
			n = 1000
		}
		w.LogIn(w.Person(1, false), authority.PC)
		b, other := newBranch(w), w.Another()
		granted, taken := 0, 0
		for range rounds(t, n) {
			for _, d := range []*testkit.Desk{b.clerk, b.checker} {
				_, err := w.StaffSessionOf(ctx, d.Cookie)
				fine(t, err)
			}
			w.Clock.Move(time.Second)
			id := b.counter(1, release.Deleted, "downloads")
			b.submit(id, looked(release.Downloads))
			c := b.seen(b.checker, id)
			errs := together(3, func(i int) error {
				switch i {
				case 0:
					return w.GrantCase(ctx, b.checker.StaffSession, id, c.Shown)
				case 1:
					return other.GrantCase(ctx, b.checker.StaffSession, id, c.Shown)
				}
				if err := other.RecallCase(ctx, b.clerk.StaffSession, id); err != nil {
					return err
				}
				now, err := other.CaseOf(ctx, b.clerk.StaffSession, id)
				if err != nil {
					return err
				}
				return other.SubmitCase(ctx, b.clerk.StaffSession, id, now.Version, looked(release.Downloads, release.Authenticators))
			})
			c = b.seen(b.checker, id)
			switch grants := fmt.Sprint(errs[0] == nil, errs[1] == nil); {
			case grants == "true true":
				t.Fatal("granted twice")
			case grants != "false false":
				if granted++; c.State != release.Granted || len(c.Desk.Items) != 1 || errs[2] == nil {
					t.Fatalf("granted, it is %s with %v; the clerk was told %v", c.State, c.Desk.Items, errs[2])
				}
			default:
				if taken++; c.State != release.Submitted || len(c.Desk.Items) != 2 || errs[2] != nil {
					t.Fatalf("not granted, it is %s with %v: %v", c.State, c.Desk.Items, errs)
				}
			}
			for _, err := range errs {
				if k := problem.KindOf(err); err != nil && k != problem.CaseMoved && k != problem.CaseStale && k != problem.Conflict {
					t.Fatal(err)
				}
			}
		}
		t.Logf("%d granted, %d taken back", granted, taken)
	})
}

// What each choice of the form does, and what it leaves alone.
func TestWhatEachReleaseDoes(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		p, b := newPayer(w, 1), newBranch(w)
		customer := func() db.Customer {
			c, err := w.Store.Reader().CustomerByRef(ctx, p.ref)
			fine(t, err)
			return c
		}
		for range 2 { // ten wrong codes lock the token
			for range 5 {
				_ = w.VerifyOTP(ctx, internetBank, p.ref, p.phone.Wrong())
			}
			w.Clock.Move(25 * time.Hour)
		}
		want(t, "a locked token", w.VerifyOTP(ctx, internetBank, p.ref, p.phone.Code()), problem.OTPLocked)
		for _, d := range []*testkit.Desk{b.clerk, b.checker} {
			fine(t, d.SignIn())
		}
		b.done(1, release.Forgotten, looked(release.OTPLock))
		fine(t, w.VerifyOTP(ctx, internetBank, p.ref, p.phone.Code())) // the same seed, the same phone
		w.Clock.Move(time.Minute)

		n, err := w.Store.Reader().DownloadsSince(ctx, db.DownloadsSinceParams{Customer: customer().ID})
		if fine(t, err); n != 1 {
			t.Fatalf("%d downloads", n)
		}
		b.done(1, release.NewPhone, looked(release.Downloads))
		if n, err = w.Store.Reader().DownloadsSince(ctx, db.DownloadsSinceParams{Customer: customer().ID}); err != nil || n != 0 {
			t.Errorf("after the reset %d downloads count, %v", n, err)
		}

		_, err = w.StopByBank(ctx, internetBank, p.ref, "fraud")
		fine(t, err)
		stop := b.counter(1, release.Suspicious, "service_stop")
		b.submit(stop, looked(release.ServiceStop))
		if c := b.seen(b.checker, stop); !c.Warns("stopped") || !c.Warns("suspicious") {
			t.Errorf("the checker is warned of %+v", c.Warnings)
		}
		fine(t, b.grant(stop))
		if customer().State != "active" {
			t.Error("the service stands still")
		}

		desk := looked(release.LoginPassword, release.ConfirmPassword)
		desk.Issue = []release.Issue{release.IssueLogin, release.IssueConfirm}
		id := b.done(1, release.Forgotten, desk)
		var x testkit.Browser
		x.W, x.Visit = w, testkit.Visit(authority.PC)
		want(t, "the forgotten password", x.Password("hanako01", testkit.Login), problem.LoginRefused)
		letter, err := w.HandOver(ctx, b.checker.StaffSession, id, false)
		fine(t, err)
		_, err = w.HandOver(ctx, b.checker.StaffSession, id, true)
		want(t, "passwords on a screen", err, problem.LetterNone)
		second, err := w.HandOver(ctx, b.checker.StaffSession, id, false)
		if fine(t, err); letter.Login == second.Login || letter.Login == letter.Confirm || len(letter.Login) != 14 || letter.Key.Link != "" {
			t.Fatalf("the letters are %+v and %+v", letter, second)
		}
		want(t, "the letter before", x.Password("hanako01", letter.Login), problem.LoginRefused)
		fine(t, x.Password("hanako01", second.Login))
		fine(t, x.Code(p.phone.Code()))
		step(t, &x, authority.StepPasswords)
		cookie, err := w.SetFirstPasswords(ctx, x.Session, []byte(second.Confirm), []byte("asa-no-hikari-88"), []byte("yoru-no-hoshi-77"))
		fine(t, err)
		_, err = w.SessionOf(ctx, cookie.Session)
		fine(t, err)
		_, err = w.HandOver(ctx, b.checker.StaffSession, id, false)
		want(t, "a letter after she has chosen her own", err, problem.LetterNone)

		b.done(1, release.Stolen, looked(release.Authenticators))
		if _, err := w.SessionOf(ctx, cookie.Session); problem.KindOf(err) != problem.SessionOver {
			t.Errorf("a session outlives her devices: %v", err)
		}
		other := looked(release.Other)
		b.done(1, release.Elsewise, other)
		for _, s := range []string{second.Login, second.Confirm} { // nothing of a letter is anywhere else
			if strings.Contains(w.Log.String(), s) {
				t.Error("a log has a password of a letter")
			}
			entries, err := w.Store.Reader().EntriesOf(ctx, db.EntriesOfParams{Customer: customer().ID, ID: "ent_~", Limit: 500})
			fine(t, err)
			for _, e := range entries {
				if strings.Contains(fmt.Sprintf("%+v", e), s) {
					t.Error("the trail has a password of a letter")
				}
			}
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
		mailed(t, w, "release_received")
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

// A scanned paper is what its first bytes say, lies sealed, belongs to what is granted, and every look at it is on record.
func TestScannedPapers(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		w.LogIn(w.Person(1, false), authority.PC)
		b := newBranch(w)
		id := b.counter(1, release.Broken, "downloads")
		attach := func(paper []byte) error {
			return w.AttachScan(ctx, b.clerk.StaffSession, id, b.seen(b.clerk, id).Version, paper)
		}
		for name, bad := range map[string][]byte{"nothing": nil, "a page": []byte("<html><script>alert(1)</script></html>"), "a picture with a script": []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`), "too large": append([]byte("%PDF-1.7\n"), make([]byte, release.ScanBytes)...)} {
			want(t, name, attach(bad), problem.ScanRefused)
		}
		pdf := []byte("%PDF-1.7\n見本の免許証")
		for range 2 {
			fine(t, attach(pdf))
		}
		w.Clock.Move(time.Second)
		fine(t, attach([]byte("\x89PNG\r\n\x1a\n....")))
		w.Clock.Move(time.Second)
		c := b.seen(b.checker, id)
		if len(c.Scans) != 2 || c.Scans[0].Kind != "application/pdf" {
			t.Fatalf("there are %+v", c.Scans)
		}
		kind, got, err := w.Scan(ctx, b.checker.StaffSession, id, c.Scans[0].ID)
		if fine(t, err); kind != "application/pdf" || !bytes.Equal(got, pdf) {
			t.Errorf("%s %q", kind, got)
		}
		row, err := w.Store.Reader().ScanByID(ctx, db.ScanByIDParams{ID: c.Scans[0].ID, Request: id})
		if fine(t, err); bytes.Contains(row.Sealed, []byte("免許証")) {
			t.Error("a scan lies open")
		}
		entries, err := w.Store.Reader().EntriesOf(ctx, db.EntriesOfParams{Customer: row2(t, w, id).Customer, ID: "ent_~", Limit: 1})
		if fine(t, err); len(entries) != 1 || entries[0].Action != string(audit.ReleaseScan) || entries[0].Actor != b.checker.Member.ID {
			t.Errorf("the look is recorded as %+v", entries)
		}
		other := b.counter(1, release.Broken, "downloads")
		_, _, err = w.Scan(ctx, b.checker.StaffSession, other, c.Scans[0].ID)
		want(t, "by way of another request", err, problem.NotFound)
		b.submit(id, looked(release.Downloads))
		want(t, "a paper after it was sent", attach([]byte("%PDF-1.7\nanother")), problem.CaseMoved)
		for i := range release.Scans + 1 {
			err := w.AttachScan(ctx, b.clerk.StaffSession, other, b.seen(b.clerk, other).Version, fmt.Appendf(nil, "%%PDF-1.7\n%d", i))
			if (problem.KindOf(err) == problem.ScanRefused) != (i >= release.Scans) {
				t.Errorf("paper %d: %v", i, err)
			}
		}
	})
}

func row2(t *testing.T, w *testkit.World, id string) db.ReleaseRequest {
	t.Helper()
	row, err := w.Store.Reader().ReleaseByID(t.Context(), id)
	fine(t, err)
	return row
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

// Any choice of releases does what each of them does, and nothing else: a small model of what was shut.
func TestAnyChoiceOfReleases(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		b := newBranch(w)
		b.checker.StaffSession = w.SignedIn(staff.Supervisor).StaffSession
		shut := []release.Item{release.OTPLock, release.TokenRevoke, release.Downloads, release.LoginPassword, release.Phone, release.ServiceStop, release.Authenticators}
		for n := range 10 {
			choice := uint(n*37+1) % (1 << len(shut)) // ten that differ, of all there are
			p := newPayer(w, n+1)
			c, err := w.Store.Reader().CustomerByRef(ctx, p.ref)
			fine(t, err)
			fine(t, w.ByHand(ctx, func(ctx context.Context, tx *store.Tx) error { // everything that can be shut is
				for _, f := range []string{"otp", "login_password", "phone"} {
					if _, err := tx.ReserveTry(ctx, db.ReserveTryParams{Customer: c.ID, Factor: f, Every: 1, Base: time.Hour.Microseconds(), Cap: time.Hour.Microseconds(), Now: store.Micros(w.Clock.Now()), Hard: 10}); err != nil {
						return err
					}
				}
				row, err := tx.CurrentToken(ctx, c.ID)
				if err != nil {
					return err
				}
				if _, err := tx.SetTokenState(ctx, db.SetTokenStateParams{ID: row.ID, State: "locked", State_2: "active"}); err != nil {
					return err
				}
				_, err = tx.StopCustomer(ctx, db.StopCustomerParams{ID: c.ID, StoppedAt: store.Micros(w.Clock.Now())})
				return err
			}))
			var items []release.Item
			has := map[release.Item]bool{}
			for i, x := range shut {
				if choice&(1<<i) != 0 {
					items, has[x] = append(items, x), true
				}
			}
			b.done(n+1, release.Elsewise, looked(items...))
			q := w.Store.Reader()
			now, err := q.CustomerByID(ctx, c.ID)
			fine(t, err)
			state := "none"
			if row, err := q.CurrentToken(ctx, c.ID); err == nil {
				state = row.State
			}
			blocked := func(f string) bool {
				at, err := q.AttemptOf(ctx, db.AttemptOfParams{Customer: c.ID, Factor: f})
				fine(t, err)
				return at.Tries > 0
			}
			want := "locked"
			if has[release.OTPLock] {
				want = "active"
			}
			if has[release.TokenRevoke] {
				want = "none"
			}
			downloads, err := q.DownloadsSince(ctx, db.DownloadsSinceParams{Customer: c.ID})
			fine(t, err)
			for what, wrong := range map[string]bool{"the token": state != want, "codes": blocked("otp") == has[release.OTPLock], "the login password": blocked("login_password") == (has[release.LoginPassword]),
				"the telephone": blocked("phone") == has[release.Phone], "the count": (downloads == 0) != has[release.Downloads], "the service": (now.State == "active") != has[release.ServiceStop]} {
				if wrong {
					t.Errorf("%v: %s is not as it should be (token %s, %d downloads, service %s)", items, what, state, downloads, now.State)
				}
			}
		}
	})
}

// What staff has looked at and scanned is forgotten in its time, and the rest of the housekeeping goes on.
func TestLooksAndScansAreForgotten(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		w.LogIn(w.Person(1, false), authority.PC)
		b := newBranch(w)
		id := b.counter(1, release.Broken, "downloads")
		fine(t, w.AttachScan(ctx, b.clerk.StaffSession, id, b.seen(b.clerk, id).Version, []byte("%PDF-1.7\n%%EOF\n")))
		fine(t, w.AttachScan(ctx, b.clerk.StaffSession, id, 1, []byte("%PDF-1.7\n%%EOF\n"))) // the answer was lost, and the page is an old one
		if n := len(b.seen(b.clerk, id).Scans); n != 1 {
			t.Errorf("one paper, sent twice, is %d scans", n)
		}
		_, err := w.LookUp(ctx, b.clerk.StaffSession, authority.Look{By: authority.ByRef, Ref: "0101-1-1234567"})
		want(t, "looking up", err, "")
		w.Clock.Move(401 * 24 * time.Hour)
		fine(t, w.SweepDue(ctx))
		fine(t, w.SweepDue(ctx))
	})
}
