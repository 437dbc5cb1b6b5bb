package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/inkan-auth/inkan/internal/authenticator"
	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/server/web"
)

// demoInviter is who invites the demo's staff, and demoConfirmer the second person; whoever tries it out confirms the one whose link stands on the start page.
const (
	demoInviter   = "inkan demo"
	demoConfirmer = "inkan demo, the second person"
)

// colleague is a made-up member of staff. The demo itself keeps her passkey, so that a look at the console needs no fingerprint reader; the server knows nothing of this and has no other way in than the passkey.
type colleague struct {
	Path string // of her link on the staff host
	authority.NewStaff

	key    *authenticator.Authenticator
	member string
}

// colleagues are the seeded staff: each role once, and a second person where one alone could do nothing.
func colleagues() []*colleague {
	return []*colleague{
		{Path: "clerk", NewStaff: authority.NewStaff{Name: "小林 由美", Person: "20001", Branch: "101", Role: staff.Clerk}},
		{Path: "checker", NewStaff: authority.NewStaff{Name: "加藤 誠", Person: "20002", Branch: "101", Role: staff.Checker}},
		{Path: "fraud", NewStaff: authority.NewStaff{Name: "吉田 翔", Person: "20003", Role: staff.Fraud}},
		{Path: "supervisor", NewStaff: authority.NewStaff{Name: "中村 久子", Person: "20004", Branch: "101", Role: staff.Supervisor}},
		{Path: "auditor", NewStaff: authority.NewStaff{Name: "松本 健", Person: "20005", Role: staff.Auditor}},
		{Path: "administrator", NewStaff: authority.NewStaff{Name: "井上 直樹", Person: "20006", Role: staff.Administrator}},
		{Path: "administrator-2", NewStaff: authority.NewStaff{Name: "木村 恵", Person: "20007", Role: staff.Administrator}},
	}
}

// demoDesk is the console of the demo: its seeded staff, and one member whose link stands on the start page for whoever wants to use a passkey of her own.
type demoDesk struct {
	authority *authority.Authority
	origin    string
	member    string // her identifier
	link      string // hers while she is invited
	command   string // by which the second person confirms her, without the word
	people    []*colleague
}

// DeskShown is how the member stands, for the start page.
type DeskShown struct {
	State               staff.State
	Name, Link, Command string
	People              []*colleague
}

// open brings the demo's staff in, unless an earlier start has. A link is shown once and kept nowhere, so one that an earlier start had shown is replaced; passkeys are kept in no file, so a second
// start on the same data removes the seeded staff and brings it in anew.
func (d *demoDesk) open(ctx context.Context, a *authority.Authority, conf string) error {
	d.authority, d.origin, d.people = a, a.Bank.StaffOrigin, colleagues()
	all, err := a.ListStaff(ctx)
	if err != nil {
		return err
	}
	for _, m := range all {
		seededBefore := slices.ContainsFunc(d.people, func(c *colleague) bool { return c.Person == m.Person })
		switch {
		case m.InvitedBy != demoInviter || m.State == staff.Removed:
		case m.State == staff.Invited || seededBefore:
			if err := a.RemoveStaff(ctx, demoInviter, m.ID); err != nil {
				return err
			}
		default:
			d.member = m.ID
		}
	}
	if d.member == "" {
		in, err := a.InviteStaff(ctx, demoInviter, authority.NewStaff{Name: "森 明子 (Akiko Mori)", Person: "10001", Role: staff.Administrator})
		if err != nil {
			return err
		}
		d.member, d.link = in.Member.ID, in.Link
	}
	d.command = fmt.Sprintf("%s admin staff -config %s -do confirm %s ", ourCommand(os.Args[0]), conf, d.member)
	for _, c := range d.people {
		if err := d.bring(ctx, c); err != nil {
			return fmt.Errorf("bringing %s in: %w", c.Path, err)
		}
	}
	return nil
}

// demoMachine is what the seeded staff work at.
func demoMachine() audit.Actor {
	return audit.Actor{Kind: audit.Stranger, Device: "Windows / Edge", Source: "127.0.0.0/24"}
}

// bring does for a colleague what she and two persons would do: invitation, passkey, the word read out.
func (d *demoDesk) bring(ctx context.Context, c *colleague) error {
	in, err := d.authority.InviteStaff(ctx, demoInviter, c.NewStaff)
	if err != nil {
		return err
	}
	c.member, c.key = in.Member.ID, authenticator.New()
	_, code, _ := strings.Cut(in.Link, "#")
	_, options, err := d.authority.StaffPasskeyOptions(ctx, demoMachine(), code, c.member)
	if err != nil {
		return err
	}
	_, word, err := d.authority.RegisterStaff(ctx, demoMachine(), code, c.member, c.key.Create(options, d.origin))
	if err != nil {
		return err
	}
	_, err = d.authority.ConfirmStaff(ctx, demoConfirmer, c.member, word)
	return err
}

// members are the identifiers of the seeded staff, by what they are called in their links.
func (d *demoDesk) members() map[string]string {
	out := map[string]string{}
	for _, c := range d.people {
		out[c.Path] = c.member
	}
	return out
}

// session signs a colleague in by her passkey, as her own browser would.
func (d *demoDesk) session(ctx context.Context, by audit.Actor, path, old string) (authority.StaffSession, string, error) {
	i := slices.IndexFunc(d.people, func(c *colleague) bool { return c.Path == path })
	if i < 0 {
		return authority.StaffSession{}, "", problem.New(problem.NotFound)
	}
	c := d.people[i]
	options, err := d.authority.StaffLogin(ctx, c.member)
	if err != nil {
		return authority.StaffSession{}, "", err
	}
	return d.authority.LoginStaff(ctx, by, c.member, old, c.key.Get(options, d.origin))
}

// ServeHTTP is where the links of the start page lead, on the staff host and in the demo only. The cookie is strict and the step came from another site, so the page goes on by itself instead of by a redirect.
func (d *demoDesk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, cookie, err := d.session(r.Context(), web.Stranger(r), r.PathValue("who"), web.StaffCookie(r))
	if err != nil {
		http.Error(w, "there is no such member", http.StatusNotFound)
		return
	}
	web.SetStaffCookie(w, cookie)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, `<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="0; url=/"><title>Inkan</title><link rel="icon" href="/static/mark.svg" type="image/svg+xml"><p><a href="/">staff.localhost</a></p></html>`)
}

// ourCommand is how this program was called, as far as it can be called so again.
func ourCommand(arg string) string {
	if strings.Contains(arg, "go-build") {
		return "go run ./cmd/inkan"
	}
	return arg
}

// Shown is how the member stands now.
func (d *demoDesk) shown(ctx context.Context) (DeskShown, error) {
	all, err := d.authority.ListStaff(ctx)
	for _, m := range all {
		if m.ID == d.member {
			return DeskShown{m.State, m.Name, d.link, d.command, d.people}, nil
		}
	}
	return DeskShown{}, err
}

// demoConfig writes the configuration by which `inkan admin` works beside the demo that runs.
func demoConfig(dir, port, tokenOrigin, mailHost string, mailPort int) (string, error) {
	at := func(name string) string { return "http://" + name + ".localhost:" + port }
	path, err := filepath.Abs(filepath.Join(dir, "admin.toml"))
	if err != nil {
		return "", err
	}
	dir = filepath.Dir(path)
	text := fmt.Sprintf(`# For "inkan admin" beside "inkan demo", which writes this file anew at each start and does not read it.
listen   = "127.0.0.1:8443"
internal = "127.0.0.1:9464"
staff    = "127.0.0.1:8444"

[hosts]
login = %q
token = %q
api   = %q
staff = %q

[bank]
name_ja = "印鑑銀行"
name_en = "Inkan Bank"

[proxy]
trusted = ["127.0.0.1/32"]

[database]
sqlite = %q

[keys]
directory = %q

[mail]
host  = %q
port  = %d
from  = "otp@inkan-bank.example"
plain = true

[policy]
staff_device_bound = false
`, at("login"), tokenOrigin, at("api"), at("staff"), filepath.Join(dir, "inkan.db"), filepath.Join(dir, "keys"), mailHost, mailPort)
	return path, os.WriteFile(path, []byte(text), 0o600)
}
