package authority

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/customer"
	"github.com/inkan-auth/inkan/internal/domain/enrolment"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/release"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// GrantCase does what was sent, as it was sent, in one write: a second person has seen this very request in her own session within the last half hour, nothing of it has changed, and both she and its
// maker may still do this now. What is so already is no obstacle: a lock that has ended meanwhile needs no release.
func (a *Authority) GrantCase(ctx context.Context, s StaffSession, id, shown string) error {
	dead, err := a.deadPassword(ctx)
	if err != nil {
		return err
	}
	return a.atDesk(ctx, s, staff.CaseCheck, audit.ReleaseGrant, func(ctx context.Context, d *deed) error {
		row, err := d.toDecide(ctx, s, id, shown, release.Grant)
		if err != nil {
			return err
		}
		maker, err := d.StaffByID(ctx, row.Maker)
		if err != nil {
			return err
		}
		if maker.State != string(staff.Active) || !staff.May(staff.Role(maker.Role), staff.CaseMake) {
			return problem.New(problem.OrderMaker)
		}
		desk, err := a.openDesk(row)
		if err != nil {
			return err
		}
		hash, err := a.sentHash(ctx, d.Queries, row, desk)
		if err != nil {
			return err
		}
		if !bytes.Equal(hash, row.RequestHash) { // its body is not the one that was sent, however that came
			return problem.New(problem.CaseStale)
		}
		d.detail = map[string]string{"items": joined(desk.Items), "issue": joined(desk.Issue), "maker": row.Maker}
		order, err := d.release(ctx, row.Customer, row.ID, desk, dead)
		if err != nil {
			return err
		}
		return store.Must(d.GrantRelease(ctx, db.GrantReleaseParams{ID: row.ID, Checker: s.Staff, Issue: joined(desk.Issue), Enrolment: order, ChangedAt: store.Micros(d.now), Version: row.Version, RequestHash: row.RequestHash}))
	})
}

// deadPassword is a hash that no password has: of 32 bytes that nobody keeps.
func (a *Authority) deadPassword(ctx context.Context) (string, error) {
	return a.hashPassword(ctx, []byte(base64.RawURLEncoding.EncodeToString(a.random(32))))
}

// release opens what is shut, begins the time of caution, and tells the customer on every way. It gives the order that a registration key by letter belongs to; empty where there is none.
func (d *deed) release(ctx context.Context, customerID, request string, desk release.Desk, dead string) (order string, err error) {
	has := func(i release.Item) bool { return slices.Contains(desk.Items, i) }
	issue := func(i release.Issue) bool { return slices.Contains(desk.Issue, i) }
	ends := has(release.TokenRevoke) || has(release.Authenticators) || issue(release.IssueLogin) || issue(release.IssueConfirm)
	// First the service: what follows may tell and order, and a service that stands still orders nothing.
	if has(release.ServiceStop) {
		if err := errors.Join(d.restartService(ctx, customerID), d.resumeTransfers(ctx, customerID)); err != nil { // what the customer has stopped, by whichever button
			return "", err
		}
	} else if issue(release.IssueKey) || issue(release.IssueLogin) || issue(release.IssueConfirm) {
		if err := d.unstopped(ctx, customerID); err != nil {
			return "", err
		}
	}
	for _, step := range []struct {
		when bool
		do   func() error
	}{
		{has(release.OTPLock), func() error { return d.unlockToken(ctx, customerID) }},
		{has(release.TokenRevoke), func() error { return d.revokeToken(ctx, customerID) }},
		{has(release.Downloads), func() error {
			_, err := d.Queries.ResetDownloads(ctx, db.ResetDownloadsParams{ID: customerID, DownloadsFrom: store.Micros(d.now)})
			return errors.Join(err, d.also(ctx, audit.DownloadsReset, ""))
		}},
		{has(release.LoginPassword), func() error { return d.unblock(ctx, customerID, loginPassword) }},
		{has(release.ConfirmPassword), func() error { return d.unblock(ctx, customerID, confirmPassword) }},
		{has(release.Phone), func() error { return d.unblock(ctx, customerID, phoneFactor) }},
		{has(release.Authenticators), func() error { return d.forgetAuthenticators(ctx, customerID) }},
		// The old password is dead at once; the new one is made when the letter is printed, and nobody has ever seen it before.
		{issue(release.IssueLogin), func() error {
			return store.Must(d.IssueLoginPassword(ctx, db.IssueLoginPasswordParams{ID: customerID, LoginPassword: dead}))
		}},
		{issue(release.IssueConfirm), func() error {
			return store.Must(d.IssueConfirmPassword(ctx, db.IssueConfirmPasswordParams{ID: customerID, ConfirmPassword: dead}))
		}},
		{issue(release.IssueKey), func() error { order, err = d.orderLetter(ctx, customerID); return err }},
		{ends, func() error { return d.endLogins(ctx, customerID) }},
		{desk.Opens(), func() error { return d.cool(ctx, customerID, StaffRelease, request, false) }},
	} {
		if step.when {
			if err := step.do(); err != nil {
				return "", err
			}
		}
	}
	return order, d.tellObject(ctx, customerID, "release_granted", request, map[string]string{"items": joined(desk.Items), "until": d.now.Add(d.a.Rules().CoolingOff).Format(time.RFC3339)})
}

// unblock gives a factor all of its tries back, in every lane.
func (d *deed) unblock(ctx context.Context, customerID string, f factor) error {
	return errors.Join(d.ClearAllTries(ctx, db.ClearAllTriesParams{Customer: customerID, Factor: string(f)}), d.also(ctx, audit.FactorRelease, string(f)))
}

// unlockToken opens a token that wrong codes have locked. Its seed stays what it was.
func (d *deed) unlockToken(ctx context.Context, customerID string) error {
	if err := d.ClearAllTries(ctx, db.ClearAllTriesParams{Customer: customerID, Factor: string(oneTimePassword)}); err != nil {
		return err
	}
	row, err := d.CurrentToken(ctx, customerID)
	if errors.Is(err, store.ErrNone) || err == nil && row.State != string(token.Locked) {
		return d.also(ctx, audit.FactorRelease, string(oneTimePassword))
	}
	if err != nil {
		return err
	}
	to, _ := token.Life.Next(token.Locked, token.Release)
	return errors.Join(store.Must(d.SetTokenState(ctx, db.SetTokenStateParams{ID: row.ID, State: string(to), State_2: string(token.Locked)})), d.also(ctx, audit.TokenRelease, row.ID))
}

// revokeToken ends the token of a phone that is gone, and what waits for it; a phone that is just being registered, by whomever, becomes worthless with it.
func (d *deed) revokeToken(ctx context.Context, customerID string) error {
	if err := d.endOrders(ctx, customerID); err != nil {
		return err
	}
	row, err := d.CurrentToken(ctx, customerID)
	if errors.Is(err, store.ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	to, ok := token.Life.Next(token.State(row.State), token.Revoke)
	if !ok {
		return problem.New(problem.Conflict)
	}
	now := store.Micros(d.now)
	return errors.Join(store.Must(d.SetTokenState(ctx, db.SetTokenStateParams{ID: row.ID, State: string(to), EndedAt: now, State_2: row.State})), d.also(ctx, audit.TokenRevoke, row.ID),
		d.RemoveVerifiers(ctx, db.RemoveVerifiersParams{Owner: row.ID, EndedAt: now}), d.cancelOpen(ctx, customerID), d.EndTransactionAuth(ctx, customerID), d.DeletePush(ctx, row.ID))
}

// endOrders ends what is on its way to another token: an open enrolment, and a re-issue that belongs to it.
func (d *deed) endOrders(ctx context.Context, customerID string) error {
	if err := d.withdrawReissues(ctx, customerID); err != nil {
		return err
	}
	open, err := d.OpenEnrolment(ctx, customerID)
	if errors.Is(err, store.ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	return d.endMove(ctx, open, enrolment.Cancel)
}

// forgetAuthenticators removes every passkey of a customer, by which she logs in and by which she confirms approvals, and forgets her browsers.
func (d *deed) forgetAuthenticators(ctx context.Context, customerID string) error {
	now := store.Micros(d.now)
	if err := errors.Join(d.RemovePasskeysOf(ctx, db.RemovePasskeysOfParams{Party: loginParty, Owner: customerID, EndedAt: now}), d.also(ctx, audit.PasskeyRemove, ""), d.ForgetBrowsers(ctx, customerID)); err != nil {
		return err
	}
	row, err := d.CurrentToken(ctx, customerID)
	if errors.Is(err, store.ErrNone) || err == nil && row.Verifier == "" {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = d.Queries.SetVerifier(ctx, db.SetVerifierParams{ID: row.ID, Verifier: "", Verifier_2: row.Verifier})
	return errors.Join(err, d.RemoveVerifiers(ctx, db.RemoveVerifiersParams{Owner: row.ID, EndedAt: now}), d.also(ctx, audit.VerifierRemove, row.ID))
}

// endLogins ends every session of a customer and tells the bank of each login that ended with them.
func (d *deed) endLogins(ctx context.Context, customerID string) error {
	chains, err := d.EndAllSessions(ctx, db.EndAllSessionsParams{Customer: customerID, EndedAt: store.Micros(d.now)})
	if err != nil {
		return err
	}
	for _, chain := range chains {
		if err := d.tellBank(ctx, customerID, chain); err != nil {
			return err
		}
	}
	return nil
}

// orderLetter orders a token whose registration key goes by letter or is shown in the branch, and whose number goes to the address on file: neither is worth anything without the other, nor both without
// her log-in. The key does not exist before it is handed over.
func (d *deed) orderLetter(ctx context.Context, customerID string) (string, error) {
	if inUse, err := d.tokenInUse(ctx, customerID); err != nil || inUse {
		return "", orKind(err, problem.TokenInUse)
	}
	if err := errors.Join(d.endOrders(ctx, customerID), d.downloadsLeft(ctx, customerID)); err != nil {
		return "", err
	}
	to, err := d.addressOnFile(ctx, customerID)
	if err != nil {
		return "", err
	}
	id, life := d.a.newID(ident.Enrolment, d.now), d.a.Rules().LetterLife
	_, number, err := d.placeOrder(ctx, order{id: id, customer: customerID, purpose: enrolment.Release, address: to.ID, unseen: true, device: "-", source: d.by.Source, life: life})
	if err != nil {
		return "", err
	}
	return id, d.mailNumber(ctx, to, number, d.now, "-", d.now.Add(life))
}

// Letter is what is handed to a customer after a release: on paper, or on the branch's screen. It exists while it is shown and nowhere else.
type Letter struct {
	Case, Name     string
	Account        string  // as far as it may be shown
	Key            KeyView // empty where there is none
	Login, Confirm string  // initial passwords; empty where there are none
	Made, Until    time.Time
	Again          bool // another one was made before, which this has killed
	Screen         bool
	Branch         string
}

// passwordGroups is how many groups of four letters an initial password has.
const passwordGroups = 3

// passwordLetters are typed without a shift, and none is taken for another when it is read from paper.
const passwordLetters = "23456789abcdefghjkmnpqrstuvwxyz"

// initialPassword makes a password for a letter, of 59 bits.
func (a *Authority) initialPassword() string {
	groups := make([]string, passwordGroups)
	for i := range groups {
		b := make([]byte, 4)
		for j := range b {
			b[j] = passwordLetters[a.randomBelow(int64(len(passwordLetters)))]
		}
		groups[i] = string(b)
	}
	return strings.Join(groups, "-")
}

// leftToHand is what was granted to be handed over and is still to be: no key once a phone has registered with it, no password once she has chosen her own, and nothing after its time.
func (a *Authority) leftToHand(ctx context.Context, q *db.Queries, row db.ReleaseRequest, now time.Time) (left []release.Issue, err error) {
	if row.State != string(release.Granted) || !store.Time(row.EndedAt).Add(a.Rules().LetterLife).After(now) {
		return nil, nil
	}
	her, err := q.CustomerByID(ctx, row.Customer)
	if err != nil || her.State != string(customer.Active) {
		return nil, err
	}
	hers, err := q.ReleasesOf(ctx, db.ReleasesOfParams{Customer: row.Customer, Limit: 50})
	if err != nil {
		return nil, err
	}
	for _, i := range issuesOf(row.Issue) {
		if newest := slices.IndexFunc(hers, func(r db.ReleaseRequest) bool {
			return r.State == string(release.Granted) && slices.Contains(issuesOf(r.Issue), i)
		}); newest < 0 || hers[newest].ID != row.ID { // whoever has chosen a later one could print it from here
			continue
		}
		switch i {
		case release.IssueKey:
			order, err := q.EnrolmentByID(ctx, row.Enrolment)
			if err != nil {
				return nil, err
			}
			if order.State != string(enrolment.Ordered) || !store.Time(order.ExpiresAt).After(now) {
				continue
			}
		case release.IssueLogin:
			if !her.LoginInitial {
				continue
			}
		case release.IssueConfirm:
			if !her.ConfirmInitial {
				continue
			}
		}
		left = append(left, i)
	}
	return left, nil
}

// HandOver makes the letter of a granted request, or with screen the registration key alone for the customer who stands in the branch. Each time everything in it is made anew and what was made before is
// dead, so that a letter which is lost, or which somebody has looked at, is made worthless by printing another one. Whoever has chosen what is handed over does not see it.
func (a *Authority) HandOver(ctx context.Context, s StaffSession, id string, screen bool) (l Letter, err error) {
	login, confirm := a.initialPassword(), a.initialPassword()
	loginHash, err := a.hashPassword(ctx, []byte(login))
	if err != nil {
		return l, err
	}
	confirmHash, err := a.hashPassword(ctx, []byte(confirm))
	if err != nil {
		return l, err
	}
	err = a.atDesk(ctx, s, staff.CaseHand, audit.LetterShow, func(ctx context.Context, d *deed) error {
		row, err := d.caseRow(ctx, id)
		if err != nil {
			return err
		}
		if err := d.secondPerson(ctx, row, s); err != nil {
			return err
		}
		left, err := a.leftToHand(ctx, d.Queries, row, d.now)
		if err != nil {
			return err
		}
		if screen {
			left = slices.DeleteFunc(left, func(i release.Issue) bool { return i != release.IssueKey })
		}
		if len(left) == 0 {
			return problem.New(problem.LetterNone)
		}
		her, err := d.CustomerByID(ctx, row.Customer)
		if err != nil {
			return err
		}
		l = Letter{Case: row.ID, Name: her.Name, Account: store.Customer(her).MaskedAccount(), Made: d.now, Screen: screen, Branch: her.Branch,
			Until: store.Time(row.EndedAt).Add(a.Rules().LetterLife), Again: row.Handed > 0}
		d.detail = map[string]string{"what": joined(left), "way": "letter"}
		if screen {
			d.detail["way"] = "screen"
		}
		if err := store.Must(d.HandRelease(ctx, db.HandReleaseParams{ID: row.ID, HandedAt: store.Micros(d.now), HandedBy: s.Staff, Was: row.Handed})); err != nil {
			return err
		}
		for _, i := range left {
			switch i {
			case release.IssueKey:
				l.Key, err = d.letterKey(ctx, row.Enrolment, screen)
			case release.IssueLogin:
				l.Login = login
				err = errors.Join(store.Must(d.ReissueLoginPassword(ctx, db.ReissueLoginPasswordParams{ID: her.ID, LoginPassword: loginHash})), d.also(ctx, audit.PasswordIssue, string(loginPassword)))
			case release.IssueConfirm:
				l.Confirm = confirm
				err = errors.Join(store.Must(d.ReissueConfirmPassword(ctx, db.ReissueConfirmPasswordParams{ID: her.ID, ConfirmPassword: confirmHash})), d.also(ctx, audit.PasswordIssue, string(confirmPassword)))
			}
			if err != nil {
				return err
			}
		}
		return d.tellAll(ctx, her.ID, "letter_made", nil)
	})
	if err != nil {
		return Letter{}, err
	}
	return l, nil
}

// letterKey makes the registration key of an order anew: for a letter as long as the order lives, on a screen as long as any key on a screen.
func (d *deed) letterKey(ctx context.Context, order string, screen bool) (KeyView, error) {
	row, err := d.EnrolmentByID(ctx, order)
	if err != nil {
		return KeyView{}, err
	}
	key, sealed, err := d.a.makeKey(row.ID)
	if err != nil {
		return KeyView{}, err
	}
	expires := store.Time(row.ExpiresAt)
	if soon := d.now.Add(d.a.Rules().RegistrationKeyLife); screen && soon.Before(expires) {
		expires = soon
	}
	return d.a.keyView(row.ID, key, expires), store.Must(d.SetRegistrationKey(ctx, db.SetRegistrationKeyParams{ID: row.ID, KeySealed: sealed, KeyTypedMac: d.a.codeMAC(key.Typed), KeySecretMac: d.a.codeMAC(key.Secret),
		KeyExpiresAt: store.Micros(expires), Version: row.Version}))
}
