package authority

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/passkey"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// DeskMember is a member of staff as her colleagues see her.
type DeskMember struct {
	staff.Member
	InviterName string // of a colleague; empty where somebody on the server has invited her
	Passkeys    []passkey.Passkey
	LastSignIn  time.Time
	Self        bool   // she is the person who looks, under whatever login
	MayConfirm  bool   // the person who looks is a second one
	Waiting     string // an order about her that waits
}

// MemberPage is how many members one page has.
const MemberPage = 50

// Members are the members of staff, the latest invited first, from before one of them on; or all logins of one person. next is where the following page begins, empty at the end.
func (a *Authority) Members(ctx context.Context, s StaffSession, person, before string) (out []DeskMember, next string, err error) {
	now, err := a.moment()
	if err != nil {
		return nil, "", err
	}
	if err := a.seesDesk(s, staff.StaffSee); err != nil {
		return nil, "", err
	}
	if before == "" {
		before = afterAll(ident.Staff)
	} else if ident.Check(ident.Staff, before) != nil {
		return nil, "", problem.New(problem.NotFound)
	}
	var rows []db.Staff
	if ident.Check(ident.Staff, person) != nil { // which stands for the number of who came before there were numbers
		person = staff.ReadPerson(person)
	}
	if person != "" {
		rows, err = a.Store.Reader().StaffByPerson(ctx, db.StaffByPersonParams{Person: person, Limit: MemberPage})
	} else {
		rows, err = a.Store.Reader().StaffPage(ctx, db.StaffPageParams{ID: before, Limit: MemberPage + 1})
	}
	if err != nil {
		return nil, "", err
	}
	if len(rows) > MemberPage {
		rows = rows[:MemberPage]
		next = rows[MemberPage-1].ID
	}
	names := map[string]string{}
	for _, r := range rows {
		m, err := a.deskMember(ctx, s, r, now, names)
		if err != nil {
			return nil, "", err
		}
		out = append(out, m)
	}
	return out, next, nil
}

func (a *Authority) deskMember(ctx context.Context, s StaffSession, r db.Staff, now time.Time, names map[string]string) (m DeskMember, err error) {
	q := a.Store.Reader()
	m.Member = store.Staff(r)
	m.State = m.ShownState(now)
	m.Self = r.ID == s.Staff || r.Person == s.Person
	keys, err := q.PasskeysOf(ctx, db.PasskeysOfParams{Party: staffParty, Owner: r.ID})
	if err != nil {
		return m, err
	}
	for _, k := range keys {
		m.Passkeys = append(m.Passkeys, store.Passkey(k))
	}
	if last, err := q.LastStaffSession(ctx, r.ID); err == nil {
		m.LastSignIn = store.Time(last.CreatedAt)
	} else if notNone(err) != nil {
		return m, err
	}
	inviter := db.Staff{}
	if ident.Check(ident.Staff, m.InvitedBy) == nil {
		if inviter, err = q.StaffByID(ctx, m.InvitedBy); notNone(err) != nil {
			return m, err
		}
		m.InviterName = inviter.Name
	}
	m.MayConfirm = m.State == staff.Registered && staff.May(s.Role, staff.StaffCheck) && !m.Self && inviter.Person != s.Person
	for _, kind := range []string{"staff.role", "staff.resume", "staff.remove"} {
		row, err := q.OpenOrderOf(ctx, db.OpenOrderOfParams{Kind: kind, Target: r.ID})
		if notNone(err) != nil {
			return m, err
		}
		if err == nil && store.Time(row.ExpiresAt).After(now) {
			m.Waiting = row.ID
		}
	}
	return m, nil
}

// MemberAtDesk is one member.
func (a *Authority) MemberAtDesk(ctx context.Context, s StaffSession, id string) (DeskMember, error) {
	now, err := a.moment()
	if err != nil {
		return DeskMember{}, err
	}
	if err := a.seesDesk(s, staff.StaffSee); err != nil {
		return DeskMember{}, err
	}
	if ident.Check(ident.Staff, id) != nil {
		return DeskMember{}, problem.New(problem.NotFound)
	}
	row, err := a.Store.Reader().StaffByID(ctx, id)
	if err != nil {
		return DeskMember{}, orKind(notNone(err), problem.NotFound)
	}
	return a.deskMember(ctx, s, row, now, map[string]string{})
}

// InviteAtDesk invites somebody by a member of staff. Another person confirms the word; nobody invites a second login for herself.
func (a *Authority) InviteAtDesk(ctx context.Context, s StaffSession, n NewStaff) (in Invitation, err error) {
	err = a.atDesk(ctx, s, staff.StaffAsk, audit.StaffInvite, func(ctx context.Context, d *deed) error {
		n, err := a.CheckStaff(n)
		if err != nil {
			return err
		}
		if n.Person == s.Person {
			return problem.New(problem.StaffSelf)
		}
		in, err = d.invite(ctx, s.Staff, n)
		return err
	})
	return in, err
}

// ConfirmAtDesk confirms the word of a registered member by a second person: not the one who invited her, under whatever login, and not herself.
func (a *Authority) ConfirmAtDesk(ctx context.Context, s StaffSession, id, word string) (m staff.Member, err error) {
	err = a.atDesk(ctx, s, staff.StaffCheck, audit.StaffConfirm, func(ctx context.Context, d *deed) (err error) {
		m, err = d.confirm(ctx, id, word, func(m staff.Member) error {
			if m.Person == s.Person {
				return problem.New(problem.StaffSelf)
			}
			if ident.Check(ident.Staff, m.InvitedBy) != nil { // somebody on the server
				return nil
			}
			inviter, err := d.StaffByID(ctx, m.InvitedBy)
			if err == nil && (inviter.ID == s.Staff || inviter.Person == s.Person) {
				return problem.New(problem.StaffSecondPerson)
			}
			return err
		})
		return err
	})
	return m, err
}

// SuspendAtDesk ends all sessions of a member at once, and opens no more of them until two have resumed her. Where she is an administrator, a second person has to be left who is one: with whoever suspends
// her, those two can undo it. Otherwise one alone could shut all others out, and only the command line lets them in again. Such writes take turns, and whether the one who acts still may is read after:
// of two who suspend each other at once the second is out already.
func (a *Authority) SuspendAtDesk(ctx context.Context, s StaffSession, id, words string) error {
	return a.atDesk(ctx, s, staff.StaffAsk, audit.StaffSuspend, func(ctx context.Context, d *deed) error {
		if err := d.TakeDeskTurn(ctx); err != nil {
			return err
		}
		if err := d.stands(ctx, s, staff.StaffAsk); err != nil {
			return err
		}
		row, err := d.another(ctx, id, staff.Suspend)
		if err != nil {
			return err
		}
		if staff.Role(row.Role) == staff.Administrator {
			n, err := d.AdministratorsBeside(ctx, db.AdministratorsBesideParams{Person: s.Person, Other: row.Person})
			if err != nil {
				return err
			}
			if n == 0 {
				return problem.New(problem.StaffLast)
			}
		}
		reason, err := plainReason(words, 200)
		if err != nil {
			return err
		}
		d.detail = map[string]string{"words": reason}
		_, err = d.EndStaffSessions(ctx, db.EndStaffSessionsParams{Staff: row.ID, EndedAt: store.Micros(d.now)})
		return errors.Join(err, store.Must(d.Queries.SuspendStaff(ctx, row.ID)))
	})
}

// another finds a member to whom this may happen now, and who is not the one who acts, under whatever login. Without an event she only has to be at work or suspended.
func (d *deed) another(ctx context.Context, id string, on staff.Event) (db.Staff, error) {
	row, err := d.member(ctx, id)
	if err != nil {
		return row, err
	}
	by, err := d.StaffByID(ctx, d.by.ID)
	if err != nil {
		return row, err
	}
	if row.ID == by.ID || row.Person == by.Person {
		return row, problem.New(problem.StaffSelf)
	}
	state := store.Staff(row).ShownState(d.now)
	if _, ok := staff.Life.Next(state, on); on != "" && !ok || on == "" && state != staff.Active && state != staff.Suspended {
		return row, problem.New(problem.Conflict)
	}
	return row, nil
}

// memberBody is what an order about a member says.
type memberBody struct {
	Member string     `json:"member"`
	Role   staff.Role `json:"role,omitempty"`
}

// The orders about members. Who asks, who checks and whom it is about are three persons.
var (
	roleOrder   = orderKind{ask: staff.StaffAsk, check: staff.StaffCheck, prepare: prepareMember(""), carry: carryRole}
	resumeOrder = orderKind{ask: staff.StaffAsk, check: staff.StaffCheck, prepare: prepareMember(staff.Resume), carry: carryResume}
	removeOrder = orderKind{ask: staff.StaffAsk, check: staff.StaffCheck, prepare: prepareMember(staff.Remove), carry: carryRemove}
)

func prepareMember(on staff.Event) func(ctx context.Context, d *deed, body json.RawMessage) (string, map[string]string, error) {
	return func(ctx context.Context, d *deed, body json.RawMessage) (string, map[string]string, error) {
		var b memberBody
		if err := json.Unmarshal(body, &b); err != nil {
			return "", nil, problem.New(problem.Malformed)
		}
		row, err := d.another(ctx, b.Member, on)
		if err != nil {
			return "", nil, err
		}
		d.on("", "")
		detail := map[string]string{"name": row.Name, "person": row.Person}
		if on != "" {
			detail["role"] = row.Role
		} else {
			if !slices.Contains(staff.Roles, b.Role) || string(b.Role) == row.Role {
				return "", nil, problem.New(problem.Malformed, "field", "role")
			}
			detail["was"], detail["will"] = row.Role, string(b.Role)
		}
		return row.ID, detail, nil
	}
}

// keepsOne refuses what would leave no administrator. Such writes take turns.
func (d *deed) keepsOne(ctx context.Context, member string) error {
	if err := d.TakeDeskTurn(ctx); err != nil {
		return err
	}
	n, err := d.OtherAdministrators(ctx, member)
	if err == nil && n == 0 {
		return problem.New(problem.StaffLast)
	}
	return err
}

func carryRole(ctx context.Context, d *deed, o orderRow) error {
	var b memberBody
	if err := json.Unmarshal([]byte(o.Body), &b); err != nil {
		return err
	}
	row, err := d.StaffByID(ctx, b.Member)
	if err != nil {
		return err
	}
	return errors.Join(d.keepsOne(ctx, row.ID), store.Must(d.SetStaffRole(ctx, db.SetStaffRoleParams{ID: row.ID, Role: string(b.Role), Was: row.Role})), d.also(ctx, audit.StaffRole, row.ID))
}

func carryResume(ctx context.Context, d *deed, o orderRow) error {
	return errors.Join(store.Must(d.Queries.ResumeStaff(ctx, o.Target)), d.also(ctx, audit.StaffResume, o.Target))
}

func carryRemove(ctx context.Context, d *deed, o orderRow) error {
	if err := d.keepsOne(ctx, o.Target); err != nil {
		return err
	}
	return errors.Join(d.endStaff(ctx, o.Target), d.also(ctx, audit.StaffRemove, o.Target))
}
