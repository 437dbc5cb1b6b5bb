package authority

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/incident"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/release"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// secondPerson refuses whoever has had a hand in a request, under whatever login, with the same passkey or in the same session (C-71).
func (d *deed) secondPerson(ctx context.Context, row db.ReleaseRequest, s StaffSession) error {
	for _, id := range strings.Fields(row.Hands) {
		m, err := d.StaffByID(ctx, id)
		if err != nil && !errors.Is(err, store.ErrNone) {
			return err
		}
		if samePerson(m.Person, id, row.MakerPasskey, row.MakerSession, s) {
			return problem.New(problem.OrderOwn)
		}
	}
	return nil
}

// touched adds a member to those who have had a hand in a request.
func touched(row db.ReleaseRequest, s StaffSession) string {
	hands := strings.Fields(row.Hands)
	if !slices.Contains(hands, s.Staff) {
		hands = append(hands, s.Staff)
	}
	return strings.Join(hands, " ")
}

// ReceiveCase takes in the paper of a request that a customer has made. She hears of it, so that whoever has not handed any paper in can object. A second click changes nothing.
func (a *Authority) ReceiveCase(ctx context.Context, s StaffSession, id string) error {
	return a.atDesk(ctx, s, staff.CaseMake, audit.ReleaseReceive, func(ctx context.Context, d *deed) error {
		row, err := d.caseRow(ctx, id)
		if err != nil || row.State == string(release.Received) && slices.Contains(strings.Fields(row.Hands), s.Staff) {
			return err
		}
		return d.receive(ctx, row, s)
	})
}

func (d *deed) receive(ctx context.Context, row db.ReleaseRequest, s StaffSession) error {
	if _, ok := release.Life.Next(release.State(row.State), release.Receive); !ok || row.ExpiresAt <= store.Micros(d.now) {
		return problem.New(problem.CaseMoved, "state", row.State)
	}
	desk, err := d.a.openDesk(row)
	if err != nil {
		return err
	}
	sealed, err := d.a.sealDesk(row.ID, desk)
	if err != nil {
		return err
	}
	if row.Branch == "" && len(row.Sealed) > 0 {
		typed, err := d.a.typedPerson(row)
		if err != nil {
			return err
		}
		if err := store.Must(d.SetReleaseBranch(ctx, db.SetReleaseBranchParams{ID: row.ID, Branch: typed.Branch})); err != nil {
			return err
		}
	}
	if err := store.Must(d.ReceiveRelease(ctx, db.ReceiveReleaseParams{ID: row.ID, ReceivedAt: store.Micros(d.now), Hands: touched(row, s), Desk: sealed})); err != nil {
		return err
	}
	if row.Customer == "" {
		return nil
	}
	return d.tellObject(ctx, row.Customer, "release_received", row.ID, nil)
}

// NewCase is a request that a clerk makes from the paper form of somebody at the counter.
type NewCase struct {
	Once                               string
	Branch, AccountType, AccountNumber string
	Items                              []string
	Reason                             string
}

// accountHolder finds the customer of a representative account; only who knows all of it finds anybody (C-74).
func accountHolder(ctx context.Context, q *db.Queries, branch, accountType, number string) (db.Customer, error) {
	branch, number = accountDigits(branch), accountDigits(number)
	if len(branch) != staff.BranchLength || number == "" || len(number) > 8 || !slices.Contains(AccountTypes, accountType) {
		return db.Customer{}, problem.New(problem.CaseIncomplete, "field", "account")
	}
	rows, err := q.CustomersByAccount(ctx, db.CustomersByAccountParams{Branch: branch, AccountType: accountType, AccountNumber: number})
	if err == nil && len(rows) != 1 { // two of one account are none: whose it is, is found out elsewhere
		err = problem.New(problem.AccountNone)
	}
	if err != nil {
		return db.Customer{}, err
	}
	return rows[0], nil
}

// holderAtDesk is the same for a member who types the account. Whoever finds nobody is counted as at a look-up, so that accounts are not tried here instead.
func (d *deed) holderAtDesk(ctx context.Context, s StaffSession, branch, accountType, number string) (db.Customer, error) {
	bucket, err := d.countLook(ctx, s)
	if err != nil {
		return db.Customer{}, err
	}
	her, err := accountHolder(ctx, d.Queries, branch, accountType, number)
	if err != nil {
		return her, err
	}
	return her, d.GiveBackThrottle(ctx, bucket)
}

// MakeCase makes a request for somebody at the counter, whose paper the clerk has in her hand, so that it is received at once.
func (a *Authority) MakeCase(ctx context.Context, s StaffSession, n NewCase) (id string, err error) {
	once := sha256.Sum256([]byte("inkan/case-form/v1|" + s.Staff + "|" + n.Once))
	err = a.atDesk(ctx, s, staff.CaseMake, audit.ReleaseMake, func(ctx context.Context, d *deed) error {
		items, ok := release.Sorted(n.Items)
		if !ok {
			return problem.New(problem.CaseIncomplete, "field", "items")
		}
		if !release.KnownReason(release.Reason(n.Reason)) {
			return problem.New(problem.CaseIncomplete, "field", "reason")
		}
		her, err := d.holderAtDesk(ctx, s, n.Branch, n.AccountType, n.AccountNumber)
		if problem.KindOf(err) == problem.AccountNone {
			return d.refuse(err)
		}
		if err != nil {
			return err
		}
		id = a.newID(ident.Release, d.now)
		d.on(her.ID, id)
		d.detail = map[string]string{"items": joined(items), "reason": n.Reason}
		made, err := store.Once(d.InsertRelease(ctx, db.InsertReleaseParams{ID: id, Mac: a.releaseMAC(a.releaseNumber(id)), Once: once[:], Customer: her.ID, Sealed: []byte{}, Items: joined(items), Reason: n.Reason,
			Device: s.Device, Source: s.Source, CreatedAt: store.Micros(d.now), ExpiresAt: store.Micros(d.now.Add(a.Rules().ReleaseLife))}))
		if err != nil {
			return err
		}
		row, err := d.ReleaseByOnce(ctx, once[:])
		if err != nil {
			return err
		}
		if !made && (row.Customer != her.ID || row.Items != joined(items) || row.Reason != n.Reason) { // the form of an earlier request, filled in again for somebody else
			return problem.New(problem.Conflict)
		}
		if id, d.object = row.ID, row.ID; !made {
			return nil
		}
		if err := errors.Join(store.Must(d.SetReleaseOrigin(ctx, db.SetReleaseOriginParams{ID: id, Origin: string(release.AtCounter)})),
			store.Must(d.SetReleaseBranch(ctx, db.SetReleaseBranchParams{ID: id, Branch: her.Branch}))); err != nil {
			return err
		}
		row.Origin, row.Branch = string(release.AtCounter), her.Branch
		if release.Reason(n.Reason) == release.Suspicious {
			if err := d.incident(ctx, incident.Request, her.ID, id, map[string]string{"items": joined(items), "by": s.Staff}); err != nil {
				return err
			}
		}
		if err := d.receive(ctx, row, s); err != nil {
			return err
		}
		return d.also(ctx, audit.ReleaseReceive, id)
	})
	return id, err
}

// editable is a request that a clerk may still change, as she saw it.
func (d *deed) editable(ctx context.Context, id string, version int64) (db.ReleaseRequest, error) {
	row, err := d.caseRow(ctx, id)
	switch {
	case err != nil:
		return row, err
	case row.State != string(release.Received):
		return row, problem.New(problem.CaseMoved, "state", row.State)
	case row.Version != version:
		return row, problem.New(problem.CaseStale)
	}
	return row, nil
}

// TieCase says whose request it is that somebody made whom the server did not know: the clerk has compared name, date of birth and seal with the bank's file, and knows the account from the paper.
func (a *Authority) TieCase(ctx context.Context, s StaffSession, id string, version int64, branch, accountType, number string) error {
	return a.atDesk(ctx, s, staff.CaseMake, audit.ReleaseEdit, func(ctx context.Context, d *deed) error {
		row, err := d.editable(ctx, id, version)
		if err != nil {
			return err
		}
		if len(row.Sealed) == 0 { // the server knows whose it is
			return problem.New(problem.Conflict)
		}
		her, err := d.holderAtDesk(ctx, s, branch, accountType, number)
		if problem.KindOf(err) == problem.AccountNone {
			return d.refuse(err)
		}
		if err != nil {
			return err
		}
		d.on(her.ID, row.ID)
		d.detail = map[string]string{"tied": "yes"}
		// She is told when it is sent to the checker: until then the clerk compares, and may have typed somebody else's account.
		return store.Must(d.EditRelease(ctx, db.EditReleaseParams{ID: row.ID, Customer: her.ID, Branch: her.Branch, Desk: row.Desk, Hands: touched(row, s), ChangedAt: store.Micros(d.now), Version: version}))
	})
}

// SaveCase keeps what the clerk has filled in so far. The version says what she saw when she began; another one stands there afterwards.
func (a *Authority) SaveCase(ctx context.Context, s StaffSession, id string, version int64, desk release.Desk) error {
	return a.atDesk(ctx, s, staff.CaseMake, audit.ReleaseEdit, func(ctx context.Context, d *deed) error {
		row, err := d.editable(ctx, id, version)
		if err != nil {
			return err
		}
		clean, sealed, err := a.deskOf(row.ID, desk)
		if err != nil {
			return err
		}
		d.detail = map[string]string{"items": joined(clean.Items), "checks": joined(clean.Checks), "issue": joined(clean.Issue)}
		return store.Must(d.EditRelease(ctx, db.EditReleaseParams{ID: row.ID, Customer: row.Customer, Branch: row.Branch, Desk: sealed, Hands: touched(row, s), ChangedAt: store.Micros(d.now), Version: version}))
	})
}

// deskOf reads a desk's form and seals it.
func (a *Authority) deskOf(id string, desk release.Desk) (release.Desk, []byte, error) {
	clean, field := desk.Clean()
	if field != "" {
		return clean, nil, problem.New(problem.CaseIncomplete, "field", field)
	}
	sealed, err := a.sealDesk(id, clean)
	return clean, sealed, err
}

// SubmitCase sends a request to the checker as it then stands. What it is, is fixed by a hash of everything that decides; only that can be granted.
func (a *Authority) SubmitCase(ctx context.Context, s StaffSession, id string, version int64, desk release.Desk) error {
	return a.atDesk(ctx, s, staff.CaseMake, audit.ReleaseSubmit, func(ctx context.Context, d *deed) error {
		row, err := d.editable(ctx, id, version)
		if err != nil {
			return err
		}
		if row.Customer == "" {
			return problem.New(problem.CaseUntied)
		}
		clean, sealed, err := a.deskOf(row.ID, desk)
		if err != nil {
			return err
		}
		if field := clean.Missing(); field != "" {
			return problem.New(problem.CaseIncomplete, "field", field)
		}
		row.Version, row.Maker = version+1, s.Staff
		hash, err := a.sentHash(ctx, d.Queries, row, clean)
		if err != nil {
			return err
		}
		d.detail = map[string]string{"items": joined(clean.Items), "checks": joined(clean.Checks), "issue": joined(clean.Issue), "hash": hex.EncodeToString(hash)}
		if len(row.Sealed) > 0 && len(row.RequestHash) == 0 { // tied to her account by the clerk, who has now compared, and sent for the first time
			if err := d.tellObject(ctx, row.Customer, "release_received", row.ID, nil); err != nil {
				return err
			}
		}
		return store.Must(d.SubmitRelease(ctx, db.SubmitReleaseParams{ID: row.ID, Desk: sealed, Hands: touched(row, s), Maker: s.Staff, MakerPasskey: s.Passkey, MakerSession: s.hash, RequestHash: hash,
			SubmittedAt: store.Micros(d.now), Version: version}))
	})
}
