package testkit

import (
	"fmt"
	"strings"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/staff"
)

// Desk is a member of staff at her own machine: a browser with its form cookie, and a passkey that does not leave it.
type Desk struct {
	W       *World
	Member  staff.Member
	Code    string // of her link
	Word    string
	Binding string
	Key     *Authenticator
	authority.StaffSession
	Cookie string
}

// DeskActor is the browser of a desk before it is signed in.
func DeskActor() audit.Actor {
	return audit.Actor{Kind: audit.Stranger, Device: "Windows / Edge", Source: "198.51.100.0/24"}
}

// Invited is a member whose link has just been made by "first": a person of her own at branch 101.
func (w *World) Invited(role staff.Role) *Desk {
	w.T.Helper()
	w.people++
	return w.InvitedAs(authority.NewStaff{Name: "森 明子", Person: fmt.Sprintf("P-%d", w.people), Branch: "101", Role: role})
}

// InvitedAs is the same for somebody in particular.
func (w *World) InvitedAs(n authority.NewStaff) *Desk {
	w.T.Helper()
	in, err := w.InviteStaff(w.T.Context(), "first", n)
	if err != nil {
		w.T.Fatalf("inviting: %v", err)
	}
	_, code, _ := strings.Cut(in.Link, "#")
	return &Desk{W: w, Member: in.Member, Code: code, Binding: "binding-" + in.Member.ID, Key: NewAuthenticator()}
}

// Register uses the link.
func (d *Desk) Register() (err error) {
	_, options, err := d.W.StaffPasskeyOptions(d.W.T.Context(), DeskActor(), d.Code, d.Binding)
	if err != nil {
		return err
	}
	d.Member, d.Word, err = d.W.RegisterStaff(d.W.T.Context(), DeskActor(), d.Code, d.Binding, d.Key.Create(options, StaffOrigin))
	return err
}

// SignIn opens a session.
func (d *Desk) SignIn() error {
	options, err := d.W.StaffLogin(d.W.T.Context(), d.Binding)
	if err != nil {
		return err
	}
	s, cookie, err := d.W.LoginStaff(d.W.T.Context(), DeskActor(), d.Binding, d.Cookie, d.Key.Get(options, StaffOrigin))
	if err == nil {
		d.StaffSession, d.Cookie = s, cookie
	}
	return err
}

// SignedIn is an active member with a session.
func (w *World) SignedIn(role staff.Role) *Desk {
	w.T.Helper()
	return w.Invited(role).comeIn()
}

// SignedInAs is the same for somebody in particular, such as the second login of a person.
func (w *World) SignedInAs(n authority.NewStaff) *Desk {
	w.T.Helper()
	return w.InvitedAs(n).comeIn()
}

func (d *Desk) comeIn() *Desk {
	w := d.W
	w.T.Helper()
	if err := d.Register(); err != nil {
		w.T.Fatalf("registering: %v", err)
	}
	if _, err := w.ConfirmStaff(w.T.Context(), "second", d.Member.ID, d.Word); err != nil {
		w.T.Fatalf("confirming: %v", err)
	}
	if err := d.SignIn(); err != nil {
		w.T.Fatalf("signing in: %v", err)
	}
	return d
}
