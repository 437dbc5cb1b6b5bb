package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/passkey"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/server/web"
	files "github.com/inkan-auth/inkan/web"
)

// staffTask is one thing that an operator does with the staff.
type staffTask struct {
	name, args, line string
	n                int // of arguments
	run              func(ctx context.Context, c adminCall, by string, args []string) error
}

var staffTasks = []staffTask{
	{"invite", "NAME PERSON BRANCH ROLE", "make a link by which a new member registers her passkey; PERSON is her number with the personnel office, BRANCH three digits or - at head office; the roles are " + roleList(), 4, inviteStaff},
	{"list", "", "everybody who was ever invited, and how each stands", 0, listStaff},
	{"confirm", "ID WORD", "as a second person: the member has read this word out to you, and you know her", 2, confirmStaff},
	{"suspend", "ID", "end her sessions and let her in no more until she is resumed", 1, moveStaff("Suspend %s: her sessions end.\n", (*authority.Authority).SuspendStaff)},
	{"resume", "ID", "let a suspended member in again", 1, moveStaff("Let %s in again.\n", (*authority.Authority).ResumeStaff)},
	{"remove", "ID", "end a member for good, with her passkey; whoever needs another passkey is removed and invited anew", 1, moveStaff("Remove %s for good: her passkey opens nothing any more.\n", (*authority.Authority).RemoveStaff)},
}

func roleList() string {
	out := make([]string, len(staff.Roles))
	for i, r := range staff.Roles {
		out[i] = string(r)
	}
	return strings.Join(out, ", ")
}

func adminStaff(ctx context.Context, c adminCall) error {
	var help strings.Builder
	help.WriteString("say what to do:\n\n")
	for _, t := range staffTasks {
		fmt.Fprintf(&help, "  inkan admin staff -config inkan.toml -do %-18s %s\n", strings.TrimSpace(t.name+" "+t.args), t.line)
	}
	help.WriteString("\nWho does it is taken from the account on this server; -by NAME before the arguments says it where one account is shared. Whoever invites cannot confirm.")
	if len(c.args) == 0 {
		return errors.New(help.String())
	}
	for _, t := range staffTasks {
		if t.name != c.args[0] {
			continue
		}
		f := flag.NewFlagSet("", flag.ContinueOnError)
		f.SetOutput(&help)
		by := f.String("by", account(), "")
		if f.Parse(c.args[1:]) != nil || f.NArg() != t.n {
			return errors.New(help.String())
		}
		if c.config.Hosts.Staff == "" {
			return errors.New("hosts.staff is not set, so there is no console; docs/operations.md says how")
		}
		if t.name != "list" && strings.TrimSpace(*by) == "" {
			return errors.New("this account has no name: say who you are with -by NAME; it is written to the trail")
		}
		return staffWords(t.run(ctx, c, strings.TrimSpace(*by), f.Args()))
	}
	return errors.New(help.String())
}

// account is who works on this server: her own account, also where she has become root.
func account() string {
	if who := os.Getenv("SUDO_USER"); who != "" && os.Getuid() == 0 {
		return who
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}

// staffWords says a refusal about members as a person reads it.
func staffWords(err error) error {
	p, ok := problem.Of(err)
	if !ok {
		return err
	}
	switch {
	case p.Kind == problem.NotFound:
		return errors.New("there is no such member; `inkan admin staff list` shows all")
	case p.Kind == problem.Conflict:
		return errors.New("as this member stands, that cannot be done; `inkan admin staff list` shows how")
	case p.Kind == problem.Malformed && p.Values["field"] == "role":
		return errors.New("there is no such role; there are " + roleList())
	case p.Kind == problem.Malformed && p.Values["field"] == "person":
		return fmt.Errorf("PERSON must be her number with the personnel office, 1 to %d characters: two logins of one person must not be taken for two persons", staff.PersonLength)
	case p.Kind == problem.Malformed && p.Values["field"] == "branch":
		return errors.New("BRANCH must be three digits, or - at head office")
	case p.Kind == problem.Malformed:
		return fmt.Errorf("the name must have 1 to %d characters that can be printed", staff.NameLength)
	}
	return inWords(err)
}

// inWords says a refusal as a person reads it.
func inWords(err error) error {
	p, ok := problem.Of(err)
	if !ok {
		return err
	}
	switch field, _ := p.Values["field"].(string); {
	case p.Kind == problem.NotFound:
		return errors.New("nobody and nothing is known by that name")
	case p.Kind == problem.Malformed && field != "":
		return fmt.Errorf("the %s is not as it has to be", strings.ReplaceAll(field, "_", " "))
	}
	texts, failed := web.LoadTexts(files.Files)
	if failed != nil {
		return err
	}
	r := texts.Refusal("en", p)
	return fmt.Errorf("%s %s %s", r.What, r.Kept, r.Do)
}

func inviteStaff(ctx context.Context, c adminCall, by string, args []string) error {
	n := authority.NewStaff{Name: args[0], Person: args[1], Branch: strings.TrimPrefix(args[2], "-"), Role: staff.Role(args[3])}
	return c.with(ctx, func(a *authority.Authority) error {
		n, err := a.CheckStaff(n)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.out, "Invite %s (%s) as %s to %s. Invited by %s.\n", n.Name, n.Person, n.Role, a.Bank.StaffOrigin, by)
		if !c.do {
			return nil
		}
		in, err := a.InviteStaff(ctx, by, n)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.out, "\n  member  %s\n  link    %s\n\nThe link is shown once, works once, and ends at %s. Give it to nobody else.\nWhen she has registered, she reads a word of eight characters out to a second person, who is not %s. That person confirms:\n\n  inkan admin staff -do confirm %s WORD\n",
			in.Member.ID, in.Link, in.Member.Open.Format(time.RFC3339), by, in.Member.ID)
		return nil
	})
}

func listStaff(ctx context.Context, c adminCall, _ string, _ []string) error {
	return c.with(ctx, func(a *authority.Authority) error {
		all, err := a.ListStaff(ctx)
		if err != nil {
			return err
		}
		if len(all) == 0 {
			fmt.Fprintln(c.out, "Nobody has been invited yet.")
		}
		for _, m := range all {
			state := string(m.State)
			if slices.ContainsFunc(m.Passkeys, func(p passkey.Passkey) bool { return p.State == passkey.Held }) {
				state += ", passkey held"
			}
			fmt.Fprintf(c.out, "%s  %-10s  %-13s  invited %s by %s  %s\n", m.ID, state, m.Role, m.Invited.Format(time.DateOnly), m.InvitedBy, m.Name)
		}
		return nil
	})
}

func confirmStaff(ctx context.Context, c adminCall, by string, args []string) error {
	id, word := args[0], staff.ReadWord(args[1])
	if word == "" {
		return fmt.Errorf("a confirmation word has eight letters and digits, such as 7K3M-9QXP; %q is none, and no try was used", args[1])
	}
	if ident.Check(ident.Staff, id) != nil {
		return problem.New(problem.NotFound)
	}
	fmt.Fprintf(c.out, "Confirm %s as %s: she has read %s out to you herself.\n", id, by, word)
	if !c.do { // not even whether the word is right: a dry run would be a try that nobody counts
		return nil
	}
	return c.with(ctx, func(a *authority.Authority) error {
		m, err := a.ConfirmStaff(ctx, by, id, word)
		if err == nil {
			fmt.Fprintf(c.out, "%s is active and can sign in at %s.\n", m.Name, a.Bank.StaffOrigin)
		}
		return err
	})
}

// moveStaff makes a task out of a method that takes who does it and to whom.
func moveStaff(sentence string, f func(a *authority.Authority, ctx context.Context, by, id string) error) func(context.Context, adminCall, string, []string) error {
	return func(ctx context.Context, c adminCall, by string, args []string) error {
		fmt.Fprintf(c.out, sentence, args[0])
		if !c.do {
			return nil
		}
		return c.with(ctx, func(a *authority.Authority) error { return f(a, ctx, by, args[0]) })
	}
}
