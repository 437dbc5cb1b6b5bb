package authority_test

import (
	"strings"
	"testing"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// newcomer is somebody whom a member invites at the console, and who has registered.
func newcomer(t *testing.T, by *testkit.Desk, n authority.NewStaff) *testkit.Desk {
	t.Helper()
	in, err := by.W.InviteAtDesk(t.Context(), by.StaffSession, n)
	want(t, "inviting", err, "")
	_, code, _ := strings.Cut(in.Link, "#")
	d := &testkit.Desk{W: by.W, Member: in.Member, Code: code, Binding: "binding-" + in.Member.ID, Key: testkit.NewAuthenticator()}
	want(t, "registering", d.Register(), "")
	return d
}

// askAbout asks for a change of a member.
func askAbout(d *testkit.Desk, what, member, role string) (authority.Order, error) {
	body := map[string]string{"member": member}
	if role != "" {
		body["role"] = role
	}
	return d.W.AskOrder(d.W.T.Context(), d.StaffSession, "staff."+what, body, "異動")
}

// One administrator invites, another person confirms the word that she has heard; whoever invited does not, under whatever login, nor does the newcomer.
func TestMembersInviteAndConfirmAtTheConsole(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		a := w.SignedInAs(authority.NewStaff{Name: "本田 和子", Person: "A-1", Role: staff.Administrator})
		alias := w.SignedInAs(authority.NewStaff{Name: "本田 かず子", Person: "A-1", Role: staff.Administrator})
		b := w.SignedInAs(authority.NewStaff{Name: "佐藤 実", Person: "B-1", Role: staff.Administrator})
		clerk := w.SignedIn(staff.Clerk)
		n := authority.NewStaff{Name: "森 明子", Person: "C-1", Branch: "101", Role: staff.Clerk}
		_, err := w.InviteAtDesk(ctx, clerk.StaffSession, n)
		want(t, "a clerk invites", err, problem.Forbidden)
		_, err = w.InviteAtDesk(ctx, a.StaffSession, authority.NewStaff{Name: "本田", Person: "Ａ-1", Role: staff.Clerk})
		want(t, "a second login for herself, in other letters", err, problem.StaffSelf)
		_, err = w.InviteAtDesk(ctx, a.StaffSession, authority.NewStaff{Name: "x", Person: "C-2", Role: "king"})
		want(t, "no role", err, problem.Malformed)

		d := newcomer(t, a, n)
		for name, who := range map[string]*testkit.Desk{"who invited": a, "her second login": alias} {
			_, err = w.ConfirmAtDesk(ctx, who.StaffSession, d.Member.ID, d.Word)
			want(t, name, err, problem.StaffSecondPerson)
			if m, err := w.MemberAtDesk(ctx, who.StaffSession, d.Member.ID); err != nil || m.MayConfirm || m.State != staff.Registered || m.InviterName != a.Name {
				t.Errorf("%s is offered to confirm: %+v, %v", name, m, err)
			}
		}
		_, err = w.ConfirmAtDesk(ctx, clerk.StaffSession, d.Member.ID, d.Word)
		want(t, "a clerk confirms", err, problem.Forbidden)
		_, err = w.ConfirmAtDesk(ctx, b.StaffSession, d.Member.ID, "0000-0000")
		if p := want(t, "a wrong word", err, problem.StaffWordWrong); p.Values["tries_left"] != 2 {
			t.Errorf("%v", p.Values)
		}
		_, err = w.ConfirmAtDesk(ctx, b.StaffSession, d.Member.ID, strings.ToLower(d.Word))
		want(t, "the second person", err, "")
		want(t, "signing in", d.SignIn(), "")

		self := newcomer(t, a, authority.NewStaff{Name: "佐藤 みのる", Person: "B-1", Role: staff.Checker})
		_, err = w.ConfirmAtDesk(ctx, b.StaffSession, self.Member.ID, self.Word)
		want(t, "her own second login", err, problem.StaffSelf)
		burnt := newcomer(t, a, authority.NewStaff{Name: "x", Person: "C-9", Role: staff.Clerk})
		for i, k := range []problem.Kind{problem.StaffWordWrong, problem.StaffWordWrong, problem.StaffWordBurnt, problem.Conflict} {
			_, err = w.ConfirmAtDesk(ctx, b.StaffSession, burnt.Member.ID, "1111-1111")
			if problem.KindOf(err) != k {
				t.Errorf("wrong word %d: %v", i+1, err)
			}
		}
		// The operator on the server is another person than any member, and the other way about.
		op := newcomer(t, a, authority.NewStaff{Name: "y", Person: "C-3", Role: staff.Clerk})
		_, err = w.ConfirmStaff(ctx, "second", op.Member.ID, op.Word)
		want(t, "an operator confirms", err, "")
		served := w.Invited(staff.Auditor)
		want(t, "registering", served.Register(), "")
		_, err = w.ConfirmAtDesk(ctx, b.StaffSession, served.Member.ID, served.Word)
		want(t, "a member confirms whom an operator has invited", err, "")

		all, _, err := w.Members(ctx, w.SignedIn(staff.Auditor).StaffSession, "", "")
		if err != nil || len(all) != 10 {
			t.Errorf("%d members, %v", len(all), err)
		}
		two, _, err := w.Members(ctx, b.StaffSession, " Ｂ-1 ", "")
		if err != nil || len(two) != 2 || !two[0].Self || !two[1].Self {
			t.Errorf("by person: %+v, %v", two, err)
		}
		_, _, err = w.Members(ctx, clerk.StaffSession, "", "")
		want(t, "a clerk reads the list", err, problem.Forbidden)
	})
}

// One suspends at once, two undo it; roles and removals take two, of whom neither is the one it is about; and the last administrator stays.
func TestMembersAreMovedByTwo(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		a := w.SignedInAs(authority.NewStaff{Name: "本田 和子", Person: "A-1", Role: staff.Administrator})
		b := w.SignedInAs(authority.NewStaff{Name: "佐藤 実", Person: "B-1", Role: staff.Administrator})
		alias := w.SignedInAs(authority.NewStaff{Name: "佐藤 みのる", Person: "B-1", Role: staff.Clerk})
		clerk := w.SignedIn(staff.Clerk)
		want(t, "herself", w.SuspendAtDesk(ctx, b.StaffSession, b.Member.ID, "x"), problem.StaffSelf)
		want(t, "her second login", w.SuspendAtDesk(ctx, b.StaffSession, alias.Member.ID, "x"), problem.StaffSelf)
		want(t, "without a reason", w.SuspendAtDesk(ctx, b.StaffSession, clerk.Member.ID, ""), problem.Malformed)
		want(t, "a clerk suspends", w.SuspendAtDesk(ctx, clerk.StaffSession, a.Member.ID, "x"), problem.Forbidden)
		want(t, "suspending", w.SuspendAtDesk(ctx, a.StaffSession, clerk.Member.ID, "端末の紛失"), "")
		want(t, "twice", w.SuspendAtDesk(ctx, a.StaffSession, clerk.Member.ID, "端末の紛失"), problem.Conflict)
		_, err := w.StaffSessionOf(ctx, clerk.Cookie)
		want(t, "her session", err, problem.SessionOver)
		want(t, "signing in", clerk.SignIn(), problem.StaffSuspended)

		_, err = askAbout(a, "role", clerk.Member.ID, "clerk")
		want(t, "the role that she has", err, problem.Malformed)
		_, err = askAbout(a, "role", clerk.Member.ID, "root")
		want(t, "no role", err, problem.Malformed)
		_, err = askAbout(b, "role", alias.Member.ID, "administrator")
		want(t, "her own second login", err, problem.StaffSelf)
		_, err = askAbout(a, "resume", b.Member.ID, "")
		want(t, "resuming who works", err, problem.Conflict)
		o, err := askAbout(a, "resume", clerk.Member.ID, "")
		want(t, "asking", err, "")
		_, err = w.CheckOrder(ctx, a.StaffSession, o.ID, o.Hash, true, "")
		want(t, "who asked", err, problem.OrderOwn)
		_, err = w.CheckOrder(ctx, b.StaffSession, o.ID, o.Hash, true, "")
		want(t, "resuming", err, "")
		want(t, "signing in", clerk.SignIn(), "")

		o, err = askAbout(a, "role", clerk.Member.ID, "supervisor")
		want(t, "asking", err, "")
		if o.Detail["was"] != "clerk" || o.Detail["will"] != "supervisor" {
			t.Errorf("%v", o.Detail)
		}
		_, err = w.CheckOrder(ctx, b.StaffSession, o.ID, o.Hash, true, "")
		want(t, "another role", err, "")
		if s, err := w.StaffSessionOf(ctx, clerk.Cookie); err != nil || s.Role != staff.Supervisor {
			t.Errorf("her session is a %s's, %v", s.Role, err)
		}

		o, err = askAbout(a, "role", b.Member.ID, "auditor")
		want(t, "asking about the checker", err, "")
		_, err = w.CheckOrder(ctx, b.StaffSession, o.ID, o.Hash, true, "")
		want(t, "whom it is about checks", err, problem.StaffSelf)
		c := w.SignedIn(staff.Administrator)
		_, err = w.CheckOrder(ctx, c.StaffSession, o.ID, o.Hash, true, "")
		want(t, "a third checks", err, "")
		_, err = w.CheckOrder(ctx, b.StaffSession, o.ID, o.Hash, true, "")
		if k := problem.KindOf(err); k != problem.Forbidden && k != problem.OrderOver {
			t.Errorf("she has the role still: %v", err)
		}
		o, err = askAbout(a, "remove", clerk.Member.ID, "")
		want(t, "asking", err, "")
		_, err = w.CheckOrder(ctx, c.StaffSession, o.ID, o.Hash, true, "")
		want(t, "removing", err, "")
		want(t, "signing in", clerk.SignIn(), problem.PasskeyRefused)
		m, err := w.MemberAtDesk(ctx, a.StaffSession, clerk.Member.ID)
		if err != nil || m.State != staff.Removed || len(m.Passkeys) != 0 {
			t.Errorf("%+v, %v", m, err)
		}
		_, err = askAbout(a, "resume", clerk.Member.ID, "")
		want(t, "resuming who is gone", err, problem.Conflict)
		_, err = w.MemberAtDesk(ctx, a.StaffSession, "stf_1")
		want(t, "nobody", err, problem.NotFound)
	})
}

// Three administrators have each other removed at once: at least one is left who can undo it.
func TestAnAdministratorIsLeft(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		ds := []*testkit.Desk{w.SignedIn(staff.Administrator), w.SignedIn(staff.Administrator), w.SignedIn(staff.Administrator)}
		os := make([]authority.Order, 3)
		for i := range ds { // i asks that the next one go, and the one after checks it
			o, err := askAbout(ds[i], "role", ds[(i+1)%3].Member.ID, "auditor")
			want(t, "asking", err, "")
			os[i] = o
		}
		_ = together(3, func(i int) error {
			_, err := w.CheckOrder(ctx, ds[(i+2)%3].StaffSession, os[i].ID, os[i].Hash, true, "")
			return err
		})
		n, err := w.Store.Reader().OtherAdministrators(ctx, "")
		if err != nil || n == 0 {
			t.Errorf("%d administrators are left, %v", n, err)
		}
	})
}

// However a personnel number is typed, it is one person: she does not invite a second login for herself, and does not confirm one. What is no number is refused.
func TestSpellingMakesNoSecondPerson(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		a := w.SignedInAs(authority.NewStaff{Name: "本田 和子", Person: "A-123", Role: staff.Administrator})
		b := w.SignedInAs(authority.NewStaff{Name: "佐藤 実", Person: "B-123", Role: staff.Administrator})
		for _, typed := range []string{"a-123", "A-123", "Ａ１２３", "a 123", "Ａ−１２３"} {
			_, err := w.InviteAtDesk(ctx, a.StaffSession, authority.NewStaff{Name: "本田", Person: typed, Role: staff.Clerk})
			want(t, "herself as "+typed, err, problem.StaffSelf)
			if ms, _, err := w.Members(ctx, b.StaffSession, typed, ""); err != nil || len(ms) != 1 || ms[0].ID != a.Staff {
				t.Errorf("looked for as %s: %d, %v", typed, len(ms), err)
			}
		}
		for _, typed := range []string{"", " - ", "ー", "a\u200b1"} {
			_, err := w.InviteAtDesk(ctx, a.StaffSession, authority.NewStaff{Name: "x", Person: typed, Role: staff.Clerk})
			want(t, "no number", err, problem.Malformed)
		}
		alias := newcomer(t, a, authority.NewStaff{Name: "佐藤 みのる", Person: "ｂ１２３", Role: staff.Checker})
		_, err := w.ConfirmAtDesk(ctx, b.StaffSession, alias.Member.ID, alias.Word)
		want(t, "her own second login in another spelling", err, problem.StaffSelf)
	})
}

// Two administrators suspend each other at once: at most one of them is out, and two persons are left who can let her in again. Where there are only two persons, neither shuts the other out.
func TestAdministratorsSuspendEachOther(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		a := w.SignedInAs(authority.NewStaff{Name: "本田 和子", Person: "A-1", Role: staff.Administrator})
		b := w.SignedInAs(authority.NewStaff{Name: "佐藤 実", Person: "B-1", Role: staff.Administrator})
		w.SignedInAs(authority.NewStaff{Name: "本田 かず子", Person: "A-1", Role: staff.Administrator})
		want(t, "one of two persons suspends the other", w.SuspendAtDesk(ctx, a.StaffSession, b.Member.ID, "x"), problem.StaffLast)
		want(t, "a clerk, whom nobody needs for that", w.SuspendAtDesk(ctx, a.StaffSession, w.SignedIn(staff.Clerk).Member.ID, "x"), "")
		ds := []*testkit.Desk{a, b, w.SignedIn(staff.Administrator), w.SignedIn(staff.Administrator)}
		nodes := []*testkit.World{w, w.Another()}
		for round := range 6 {
			errs := together(2, func(i int) error {
				return nodes[i].SuspendAtDesk(ctx, ds[i].StaffSession, ds[1-i].Member.ID, "x")
			})
			if errs[0] == nil && errs[1] == nil {
				t.Fatalf("round %d: both are out", round)
			}
			for i, err := range errs {
				if err == nil { // i is in still
					want(t, "resuming on the server", w.ResumeStaff(ctx, "third", ds[1-i].Member.ID), "")
					want(t, "signing in", ds[1-i].SignIn(), "")
				} else if k := problem.KindOf(err); k != problem.SessionOver && k != problem.Conflict {
					t.Errorf("round %d: %v", round, err)
				}
			}
		}
	})
}
