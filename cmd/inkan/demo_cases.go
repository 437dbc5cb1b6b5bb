package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/phone"
	"github.com/inkan-auth/inkan/internal/domain/reissue"
	"github.com/inkan-auth/inkan/internal/domain/release"
)

// seedCases gives the demo release requests in every state that a clerk or a checker has to do with, made by the same acts as real ones.
func seedCases(ctx context.Context, d *demoDesk) error {
	a := d.authority
	clerk, _, err := d.session(ctx, demoMachine(), "clerk", "")
	if err != nil {
		return err
	}
	checker, _, err := d.session(ctx, demoMachine(), "checker", "")
	if err != nil {
		return err
	}
	// One that a customer has filled in without being known, and whose paper is awaited.
	visit := authority.Visit{Actor: audit.Actor{Kind: audit.Stranger, Device: "iPhone / Safari", Source: "198.51.100.0/24"}}
	hanako := seeds()[0]
	if _, err := a.MakeRelease(ctx, visit, nil, "", authority.ReleaseForm{Once: "demo-0", Items: []string{string(release.TokenRevoke)}, Reason: string(release.LostPhone), Branch: "101", AccountType: "普通", AccountNumber: hanako.Account(),
		Name: hanako.Name, Kana: hanako.Kana}); err != nil {
		return err
	}
	for i, c := range []struct {
		item   release.Item
		reason release.Reason
		issue  []release.Issue
		to     release.State
	}{
		{release.OTPLock, release.Forgotten, nil, release.Received}, {release.TokenRevoke, release.Stolen, []release.Issue{release.IssueKey}, release.Submitted}, {release.Downloads, release.NewPhone, nil, release.Submitted},
		{release.Phone, release.NewPhone, nil, release.Granted}, {release.ConfirmPassword, release.Forgotten, nil, release.Declined}, {release.Authenticators, release.Suspicious, nil, release.Submitted},
	} {
		id, err := a.MakeCase(ctx, clerk, authority.NewCase{Once: fmt.Sprintf("demo-%d", i+1), Branch: "101", AccountType: "普通", AccountNumber: seeds()[3+i].Account(), Items: []string{string(c.item)}, Reason: string(c.reason)})
		if err != nil {
			return fmt.Errorf("request %d: %w", i, err)
		}
		if c.to == release.Received {
			continue
		}
		was, err := a.CaseOf(ctx, clerk, id)
		if err != nil {
			return err
		}
		filled := release.Desk{Items: []release.Item{c.item}, Issue: c.issue, Checks: []release.Check{release.CheckDocument, release.CheckPhoto, release.CheckSeal}, Document: release.Licence, Reference: fmt.Sprintf("A-%04d", 100+i)}
		if err := a.SubmitCase(ctx, clerk, id, was.Version, filled); err != nil {
			return fmt.Errorf("request %d: %w", i, err)
		}
		seen, err := a.CaseOf(ctx, checker, id)
		if err != nil {
			return err
		}
		switch c.to {
		case release.Granted:
			err = a.GrantCase(ctx, checker, id, seen.Shown)
		case release.Declined:
			err = a.DeclineCase(ctx, checker, id, seen.Shown, "お届け印が違うため。")
		}
		if err != nil {
			return fmt.Errorf("request %d: %w", i, err)
		}
	}
	return errors.Join(a.StaffLogout(ctx, clerk), a.StaffLogout(ctx, checker)) // whoever signs in is alone
}

// ownCards says of every card of the demo's customers that it is right. It stands in for the core while the server does not answer yet, and nothing but the seed asks it.
type ownCards struct{}

// CheckCard finds whose account it is.
func (ownCards) CheckCard(_ context.Context, c authority.CardCheck) (authority.CardResult, error) {
	for _, s := range seeds() {
		if s.Account() == c.AccountNumber {
			return authority.CardResult{Ref: s.Ref, Right: true}, nil
		}
	}
	return authority.CardResult{}, nil
}

// seedCallback has one customer wait for a call of staff. The number of her page is nobody's in the demo, so she can be missed or say that she did not ask; whoever asks for a call by herself reads her own number to the clerk.
func seedCallback(ctx context.Context, a *authority.Authority) error {
	core := a.Core
	a.Core = ownCards{}
	defer func() { a.Core = core }()
	her := seeds()[12]
	visit := authority.Visit{Actor: audit.Actor{Kind: audit.Stranger, Device: "Android / Chrome", Source: "203.0.113.0/24"}, Channel: authority.Smartphone}
	cookie, err := a.BeginReissue(ctx, visit, reissue.Token, authority.CardCheck{Branch: "101", AccountType: "普通", AccountNumber: her.Account(), PIN: []byte(her.PIN)})
	if err != nil {
		return err
	}
	if err := a.ConfirmReissue(ctx, visit, cookie.Session, []byte(her.Confirm)); err != nil {
		return err
	}
	_, err = a.CallReissue(ctx, visit, cookie.Session, phone.StaffCallback, "ja")
	return err
}
