package authority_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/release"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
	"github.com/inkan-auth/inkan/internal/testkit"
)

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
		for _, role := range []staff.Role{staff.Auditor, staff.Fraud, staff.Clerk} { // a clerk again at the end
			fine(t, w.ByHand(ctx, func(ctx context.Context, tx *store.Tx) error {
				m, err := tx.StaffByID(ctx, b.clerk.Member.ID)
				if err != nil {
					return err
				}
				return store.Must(tx.SetStaffRole(ctx, db.SetStaffRoleParams{ID: m.ID, Was: m.Role, Role: string(role)}))
			}))
			if role != staff.Clerk {
				refused("of a maker who now is "+string(role), w.GrantCase(ctx, b.checker.StaffSession, id, good.Shown), problem.OrderMaker)
			}
		}
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
