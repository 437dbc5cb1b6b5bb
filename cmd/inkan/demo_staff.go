package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/staff"
)

// demoInviter is who invites the demo's first member of staff; whoever tries it out is the second person.
const demoInviter = "inkan demo"

// demoDesk is the console of the demo: one member with the role of an administrator, whose link stands on the start page.
type demoDesk struct {
	authority *authority.Authority
	member    string // her identifier
	link      string // hers while she is invited
	command   string // by which the second person confirms her, without the word
}

// DeskShown is how the member stands, for the start page.
type DeskShown struct {
	State               staff.State
	Name, Link, Command string
}

// openDesk invites the demo's member, unless an earlier start has. A link is shown once and kept nowhere, so one that an earlier start had shown is replaced.
func openDesk(ctx context.Context, a *authority.Authority, conf string) (*demoDesk, error) {
	d := &demoDesk{authority: a}
	all, err := a.ListStaff(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range all {
		switch {
		case m.InvitedBy != demoInviter || m.State == staff.Removed:
		case m.State == staff.Invited:
			if err := a.RemoveStaff(ctx, demoInviter, m.ID); err != nil {
				return nil, err
			}
		default:
			d.member = m.ID
		}
	}
	if d.member == "" {
		in, err := a.InviteStaff(ctx, demoInviter, authority.NewStaff{Name: "森 明子 (Akiko Mori)", Person: "10001", Role: staff.Administrator})
		if err != nil {
			return nil, err
		}
		d.member, d.link = in.Member.ID, in.Link
	}
	d.command = fmt.Sprintf("%s admin staff -config %s -do confirm %s ", ourCommand(os.Args[0]), conf, d.member)
	return d, nil
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
			return DeskShown{m.State, m.Name, d.link, d.command}, nil
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
