package authority

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/passkey"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// staffParty is the party of the console, as passkeys name it.
const staffParty = "staff"

// What a challenge of the console was given for.
const (
	toRegisterStaff ceremonyKind = "staff_register"
	toLogInStaff    ceremonyKind = "staff_login"
)

// Invitation is a new member with the link that is hers alone. It is shown once.
type Invitation struct {
	Member staff.Member
	Link   string
}

// NewStaff is somebody who is to work at the console.
type NewStaff struct {
	Name   string
	Person string // her number with the bank's personnel office; who has two logins has it twice
	Branch string // three digits; empty at head office
	Role   staff.Role
}

// CheckStaff says whether somebody could be invited so, and gives it as it would be written.
func (a *Authority) CheckStaff(n NewStaff) (NewStaff, error) {
	if a.console.Origin == "" {
		return n, problem.New(problem.NotFound)
	}
	plain := func(s string) string { return strings.Join(strings.Fields(norm.NFKC.String(s)), " ") }
	strange := func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }
	n.Name, n.Person, n.Branch = strings.Join(strings.Fields(norm.NFC.String(n.Name)), " "), staff.ReadPerson(n.Person), plain(n.Branch)
	for field, bad := range map[string]bool{
		"name":   n.Name == "" || utf8.RuneCountInString(n.Name) > staff.NameLength || strings.ContainsFunc(n.Name, strange),
		"person": n.Person == "" || utf8.RuneCountInString(n.Person) > staff.PersonLength || strings.ContainsFunc(n.Person, strange),
		"branch": n.Branch != "" && (len(n.Branch) != staff.BranchLength || strings.Trim(n.Branch, "0123456789") != ""),
		"role":   !slices.Contains(staff.Roles, n.Role),
	} {
		if bad {
			return n, problem.New(problem.Malformed, "field", field)
		}
	}
	return n, nil
}

// InviteStaff makes a member and the link by which she registers her passkey: good once, and for a day. by is who invites; somebody else has to confirm. The code is in the
// fragment of the link, which browsers send to nobody, so that no log has it.
func (a *Authority) InviteStaff(ctx context.Context, by string, n NewStaff) (Invitation, error) {
	n, err := a.CheckStaff(n)
	if err == nil && by == "" {
		err = problem.New(problem.Malformed, "field", "by")
	}
	if err != nil {
		return Invitation{}, err
	}
	var in Invitation
	err = a.do(ctx, audit.Actor{Kind: audit.Operator, ID: by}, audit.StaffInvite, func(ctx context.Context, d *deed) (err error) {
		in, err = d.invite(ctx, by, n)
		return err
	})
	return in, err
}

// invite makes the member and her link in the write of the deed.
func (d *deed) invite(ctx context.Context, by string, n NewStaff) (Invitation, error) {
	a := d.a
	code := base64.RawURLEncoding.EncodeToString(a.random(staff.LinkBytes))
	m := staff.Member{ID: a.newID(ident.Staff, d.now), Name: n.Name, Person: n.Person, Branch: n.Branch, Role: n.Role, State: staff.Invited, InvitedBy: by, Invited: d.now, Open: d.now.Add(a.Rules().StaffLinkLife)}
	d.on("", m.ID)
	d.detail = map[string]string{"role": string(n.Role)}
	err := d.InsertStaff(ctx, db.InsertStaffParams{ID: m.ID, Name: n.Name, Role: string(n.Role), Handle: a.random(passkey.HandleBytes), InvitedBy: by, CreatedAt: store.Micros(d.now),
		OpenUntil: store.Micros(m.Open), Person: n.Person, Branch: n.Branch})
	if err != nil {
		return Invitation{}, err
	}
	return Invitation{m, a.console.Origin + "/register#" + code}, d.InsertStaffLink(ctx, db.InsertStaffLinkParams{Mac: a.linkMAC(code), Staff: m.ID, CreatedAt: store.Micros(d.now), ExpiresAt: store.Micros(m.Open)})
}

func (a *Authority) linkMAC(code string) []byte { return a.Keys.MAC("staff-link", []byte(code)) }

// staffLink finds the member whom a link invites. One that is unknown, used or over is one refusal; each is written down, because a link that was used before its owner came is the
// first sign of a thief.
func (a *Authority) staffLink(ctx context.Context, by audit.Actor, code string) (db.Staff, db.StaffLink, error) {
	now, err := a.moment()
	if err != nil {
		return db.Staff{}, db.StaffLink{}, err
	}
	if err := a.sourceOpen(ctx, by.Source, now); err != nil {
		return db.Staff{}, db.StaffLink{}, err
	}
	link, err := a.Store.Reader().StaffLinkByMAC(ctx, db.StaffLinkByMACParams{Mac: a.linkMAC(code), ExpiresAt: store.Micros(now)})
	if err != nil && !errors.Is(err, store.ErrNone) {
		return db.Staff{}, link, err
	}
	var row db.Staff
	if err == nil {
		if row, err = a.Store.Reader().StaffByID(ctx, link.Staff); err != nil {
			return row, link, err
		}
	}
	if err != nil || link.UsedAt > 0 || store.Staff(row).ShownState(now) != staff.Invited || a.console.Origin == "" {
		d := &deed{a: a, now: now, by: by, action: audit.StaffRegister, object: link.Staff}
		return db.Staff{}, link, errors.Join(a.sourceFailed(ctx, by.Source, now), a.writeRefusal(ctx, d, problem.New(problem.StaffLinkRefused)))
	}
	return row, link, nil
}

// StaffPasskeyOptions gives what a browser needs to make the passkey of an invited member: the options as JSON. binding is a value that only this browser has.
func (a *Authority) StaffPasskeyOptions(ctx context.Context, by audit.Actor, code, binding string) (staff.Member, []byte, error) {
	row, _, err := a.staffLink(ctx, by, code)
	if err != nil {
		return staff.Member{}, nil, err
	}
	challenge, err := a.begin(ctx, toRegisterStaff, row.ID, hashCookie(binding), "")
	if err != nil {
		return staff.Member{}, nil, err
	}
	options, err := a.console.CreationOptions(challenge, passkey.User{Handle: row.Handle, Name: row.Name, Shown: row.Name}, nil)
	return store.Staff(row), options, err
}

// refusedStaff writes down why a passkey of the console was refused. Only that it could be copied is said: its owner can take another one, and nobody else learns anything by it.
func (a *Authority) refusedStaff(ctx context.Context, by audit.Actor, action audit.Action, object string, cause error) error {
	err := a.refusedPasskey(ctx, by, action, "", object, cause)
	if problem.KindOf(err) == problem.PasskeyRefused && passkey.WhyOf(cause) == passkey.Bindable {
		return problem.New(problem.PasskeyCopyable)
	}
	return err
}

// RegisterStaff takes the passkey that the browser of an invited member has made, and uses her link up. She is only registered: it opens nothing before somebody else has confirmed the
// word that this gives, which she reads out. Sent again because the answer was lost, the same passkey gives the same word.
func (a *Authority) RegisterStaff(ctx context.Context, by audit.Actor, code, binding string, response []byte) (m staff.Member, word string, err error) {
	refuse := func(object string, cause error) (staff.Member, string, error) {
		return staff.Member{}, "", a.refusedStaff(ctx, by, audit.StaffRegister, object, cause)
	}
	made, err := passkey.ReadCreated(response)
	if err != nil {
		return refuse("", err)
	}
	ceremony, err := a.take(ctx, toRegisterStaff, hashCookie(binding), made.Challenge)
	if problem.KindOf(err) == problem.PasskeyRefused {
		if m, word, again := a.registeredBefore(ctx, code, made); again {
			return m, word, nil
		}
		return refuse("", nil)
	}
	if err != nil {
		return staff.Member{}, "", err
	}
	row, link, err := a.staffLink(ctx, by, code)
	if err != nil {
		return staff.Member{}, "", err
	}
	if ceremony.Owner != row.ID {
		return refuse(row.ID, nil)
	}
	credential, err := a.console.Register(made.Challenge, made)
	if err != nil {
		return refuse(row.ID, err)
	}
	err = a.do(ctx, by, audit.StaffRegister, func(ctx context.Context, d *deed) error {
		d.on("", row.ID)
		open := d.now.Add(a.Rules().StaffLinkLife)
		used, err := store.Once(d.UseStaffLink(ctx, db.UseStaffLinkParams{Mac: link.Mac, UsedAt: store.Micros(d.now)}))
		if err != nil {
			return err
		}
		moved, err := store.Once(d.Queries.RegisterStaff(ctx, db.RegisterStaffParams{ID: row.ID, RegisteredAt: store.Micros(d.now), OpenUntil: store.Micros(open)}))
		if err != nil {
			return err
		}
		if !used || !moved {
			return problem.New(problem.StaffLinkRefused)
		}
		p := passkey.Passkey{ID: a.newID(ident.Passkey, d.now), Owner: row.ID, Name: by.Device, State: passkey.Active, Usable: d.now, Credential: credential, Registered: d.now, Device: by.Device}
		d.detail = map[string]string{"passkey": p.ID}
		fresh, err := store.Once(d.InsertPasskey(ctx, store.NewPasskey(p, staffParty, "")))
		if err != nil {
			return err
		}
		if !fresh { // registered already, perhaps by somebody else (section 7.1, step 26)
			return problem.New(problem.PasskeyRefused)
		}
		m = store.Staff(row)
		m.State, m.Registered, m.Open = staff.Registered, d.now, open
		return nil
	})
	if err != nil {
		return staff.Member{}, "", err
	}
	return m, staff.Word(m.ID, credential.PublicKey), nil
}

// registeredBefore finds the member whom this very passkey has been registered for by this very link.
func (a *Authority) registeredBefore(ctx context.Context, code string, made *passkey.Created) (staff.Member, string, bool) {
	q := a.Store.Reader()
	credential, err := a.console.Register(made.Challenge, made)
	if err != nil {
		return staff.Member{}, "", false
	}
	now, err := a.moment()
	if err != nil {
		return staff.Member{}, "", false
	}
	link, err := q.StaffLinkByMAC(ctx, db.StaffLinkByMACParams{Mac: a.linkMAC(code), ExpiresAt: store.Micros(now)})
	if err != nil {
		return staff.Member{}, "", false
	}
	p, err := q.PasskeyByCredential(ctx, credential.ID)
	if err != nil || p.Party != staffParty || p.Owner != link.Staff || !slices.Equal(p.PublicKey, credential.PublicKey) {
		return staff.Member{}, "", false
	}
	row, err := q.StaffByID(ctx, link.Staff)
	m := store.Staff(row)
	return m, staff.Word(m.ID, p.PublicKey), err == nil && m.ShownState(now) == staff.Registered
}

// ConfirmStaff makes a registered member an active one. by is who confirms, and not who invited; she has heard the word from the member herself, whom she knows, and not read it anywhere.
// The third wrong word burns the registration: somebody else may have used the link.
func (a *Authority) ConfirmStaff(ctx context.Context, by, id, word string) (m staff.Member, err error) {
	err = a.do(ctx, audit.Actor{Kind: audit.Operator, ID: by}, audit.StaffConfirm, func(ctx context.Context, d *deed) (err error) {
		m, err = d.confirm(ctx, id, word, func(m staff.Member) error {
			if by == "" || by == m.InvitedBy {
				return problem.New(problem.StaffSecondPerson)
			}
			return nil
		})
		return err
	})
	return m, err
}

// confirm makes a registered member an active one in the write of the deed, if second says that whoever acts is another person and the word is hers.
func (d *deed) confirm(ctx context.Context, id, word string, second func(staff.Member) error) (m staff.Member, err error) {
	row, err := d.member(ctx, id)
	if err != nil {
		return m, err
	}
	m = store.Staff(row)
	if m.ShownState(d.now) != staff.Registered {
		return m, problem.New(problem.Conflict)
	}
	if err := second(m); err != nil {
		return m, err
	}
	keys, err := d.PasskeysOf(ctx, db.PasskeysOfParams{Party: staffParty, Owner: id})
	if err != nil || len(keys) != 1 {
		return m, orKind(err, problem.Conflict)
	}
	tries, err := d.CountWordTry(ctx, db.CountWordTryParams{ID: id, OpenUntil: store.Micros(d.now), Hard: staff.WordTries})
	if errors.Is(err, store.ErrNone) { // another was faster, or a fence stands between
		return m, problem.New(problem.Conflict)
	}
	if err != nil {
		return m, err
	}
	if subtle.ConstantTimeCompare([]byte(staff.ReadWord(word)), []byte(staff.Word(id, keys[0].PublicKey))) == 1 {
		m.State, m.Confirmed = staff.Active, d.now
		return m, store.Must(d.Queries.ConfirmStaff(ctx, db.ConfirmStaffParams{ID: id, ConfirmedAt: store.Micros(d.now)}))
	}
	if left := staff.WordTries - int(tries); left > 0 {
		return m, d.refuse(problem.New(problem.StaffWordWrong, "tries_left", left))
	}
	return m, errors.Join(d.endStaff(ctx, id), d.also(ctx, audit.StaffBurn, id), d.refuse(problem.New(problem.StaffWordBurnt)))
}

// member finds a member of staff and makes her the object of the deed.
func (d *deed) member(ctx context.Context, id string) (db.Staff, error) {
	if ident.Check(ident.Staff, id) != nil { // not written down either: it could be anything
		return db.Staff{}, problem.New(problem.NotFound)
	}
	row, err := d.StaffByID(ctx, id)
	if errors.Is(err, store.ErrNone) {
		return row, problem.New(problem.NotFound)
	}
	d.on("", id)
	return row, err
}

// endStaff removes a member with her passkeys and sessions.
func (d *deed) endStaff(ctx context.Context, id string) error {
	now := store.Micros(d.now)
	_, err := d.EndStaffSessions(ctx, db.EndStaffSessionsParams{Staff: id, EndedAt: now})
	return errors.Join(err, store.Must(d.Queries.RemoveStaff(ctx, db.RemoveStaffParams{ID: id, EndedAt: now})),
		d.RemovePasskeysOf(ctx, db.RemovePasskeysOfParams{Party: staffParty, Owner: id, EndedAt: now}))
}

// SuspendStaff ends a member's sessions and opens no more of them until she is resumed.
func (a *Authority) SuspendStaff(ctx context.Context, by, id string) error {
	return a.moveStaff(ctx, by, id, audit.StaffSuspend, staff.Suspend, func(ctx context.Context, d *deed) error {
		_, err := d.EndStaffSessions(ctx, db.EndStaffSessionsParams{Staff: id, EndedAt: store.Micros(d.now)})
		return errors.Join(err, store.Must(d.Queries.SuspendStaff(ctx, id)))
	})
}

// ResumeStaff lets a suspended member in again.
func (a *Authority) ResumeStaff(ctx context.Context, by, id string) error {
	return a.moveStaff(ctx, by, id, audit.StaffResume, staff.Resume, func(ctx context.Context, d *deed) error {
		return store.Must(d.Queries.ResumeStaff(ctx, id))
	})
}

// RemoveStaff ends a member for good, in whatever state she is.
func (a *Authority) RemoveStaff(ctx context.Context, by, id string) error {
	return a.moveStaff(ctx, by, id, audit.StaffRemove, staff.Remove, func(ctx context.Context, d *deed) error { return d.endStaff(ctx, id) })
}

// moveStaff does what an event of a member's life asks for, if it can happen now.
func (a *Authority) moveStaff(ctx context.Context, by, id string, action audit.Action, on staff.Event, f func(ctx context.Context, d *deed) error) error {
	return a.do(ctx, audit.Actor{Kind: audit.Operator, ID: by}, action, func(ctx context.Context, d *deed) error {
		row, err := d.member(ctx, id)
		if err != nil {
			return err
		}
		if _, ok := staff.Life.Next(store.Staff(row).ShownState(d.now), on); !ok {
			return problem.New(problem.Conflict)
		}
		return f(ctx, d)
	})
}

// StaffListed is a member with her passkeys, for the operator's list.
type StaffListed struct {
	staff.Member
	Passkeys []passkey.Passkey
}

// ListStaff is everybody who was ever invited, the oldest first, as they stand now.
func (a *Authority) ListStaff(ctx context.Context) ([]StaffListed, error) {
	now, err := a.moment()
	if err != nil {
		return nil, err
	}
	rows, err := a.Store.Reader().AllStaff(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]StaffListed, len(rows))
	for i, r := range rows {
		out[i].Member = store.Staff(r)
		out[i].State = out[i].ShownState(now)
		keys, err := a.Store.Reader().PasskeysOf(ctx, db.PasskeysOfParams{Party: staffParty, Owner: r.ID})
		if err != nil {
			return nil, err
		}
		for _, k := range keys {
			out[i].Passkeys = append(out[i].Passkeys, store.Passkey(k))
		}
	}
	return out, nil
}

// sweepStaff writes down which invitations and registrations have ended by time.
func (a *Authority) sweepStaff(ctx context.Context, now time.Time) error {
	lapsed, err := a.Store.Reader().LapsedStaff(ctx, db.LapsedStaffParams{OpenUntil: store.Micros(now), Limit: 100})
	if err != nil {
		return err
	}
	for _, r := range lapsed {
		err := a.do(ctx, audit.Actor{Kind: audit.Clock}, audit.StaffLapse, func(ctx context.Context, d *deed) error {
			d.on("", r.ID)
			if err := store.Must(d.LapseStaff(ctx, db.LapseStaffParams{ID: r.ID, EndedAt: store.Micros(d.now)})); err != nil {
				return err
			}
			return d.RemovePasskeysOf(ctx, db.RemovePasskeysOfParams{Party: staffParty, Owner: r.ID, EndedAt: store.Micros(d.now)})
		})
		if err != nil && problem.KindOf(err) != problem.Conflict { // somebody was faster in the last moment
			return err
		}
	}
	return nil
}
