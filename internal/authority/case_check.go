package authority

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/release"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// sentHash is the hash of a request as it stands.
func (a *Authority) sentHash(ctx context.Context, q *db.Queries, row db.ReleaseRequest, desk release.Desk) ([]byte, error) {
	scans, err := q.ScansOf(ctx, row.ID)
	if err != nil {
		return nil, err
	}
	sent := release.Sent{ID: row.ID, Version: row.Version, Customer: row.Customer, Origin: release.Origin(row.Origin), Asked: itemsOf(row.Items), Reason: release.Reason(row.Reason), Maker: row.Maker, Scans: []string{}, Desk: desk}
	for _, r := range scans {
		sent.Scans = append(sent.Scans, hex.EncodeToString(r.Hash))
	}
	return sent.Hash(), nil
}

// sendBack gives a request back to the clerks, with a reason where it is a checker who returns it.
func (d *deed) sendBack(ctx context.Context, row db.ReleaseRequest, on release.Event, said string) error {
	if _, ok := release.Life.Next(release.State(row.State), on); !ok {
		return problem.New(problem.CaseMoved, "state", row.State)
	}
	sealed := []byte{}
	if said != "" {
		var err error
		if sealed, err = d.a.sealSaid(row.ID, said); err != nil {
			return err
		}
	}
	return store.Must(d.SendBackRelease(ctx, db.SendBackReleaseParams{ID: row.ID, Said: sealed, RequestHash: []byte{}, Hands: row.Hands, ChangedAt: store.Micros(d.now), Version: row.Version}))
}

// RecallCase takes a request back from the checker, to change it. A second click changes nothing.
func (a *Authority) RecallCase(ctx context.Context, s StaffSession, id string) error {
	return a.atDesk(ctx, s, staff.CaseMake, audit.ReleaseRecall, func(ctx context.Context, d *deed) error {
		row, err := d.caseRow(ctx, id)
		if err != nil || row.State == string(release.Received) {
			return err
		}
		row.Hands = touched(row, s)
		return d.sendBack(ctx, row, release.Recall, "")
	})
}

// standing is the request as it was sent together with how the customer stands for whom it was: whether her service is stopped, her token, her address. A stop that came after the page was shown is not lifted by
// somebody who has not seen it.
func standing(ctx context.Context, q *db.Queries, row db.ReleaseRequest) (string, error) {
	her, err := q.CustomerByID(ctx, row.Customer)
	if err != nil {
		return "", err
	}
	current, err := q.CurrentToken(ctx, row.Customer)
	if notNone(err) != nil {
		return "", err
	}
	addresses, err := q.AddressesOf(ctx, row.Customer)
	if err != nil {
		return "", err
	}
	at, _ := present(addresses)
	sum := sha256.Sum256([]byte(strings.Join([]string{hex.EncodeToString(row.RequestHash), her.State, strconv.FormatInt(her.StoppedAt, 10), strconv.FormatInt(her.TransfersStoppedAt, 10), current.ID, current.State, at.ID}, "|")))
	return hex.EncodeToString(sum[:]), nil
}

// shownCase is what a checker's page carries: what it showed and when, so that nobody can say it for her, nor she for another hour or from another session.
func (a *Authority) shownCase(row db.ReleaseRequest, standing string, s StaffSession, at time.Time) string {
	body := standing + "." + at.Format(time.RFC3339Nano)
	return body + "." + hex.EncodeToString(a.Keys.MAC("case.shown", []byte(row.ID+"|"+body+"|"+string(s.hash))))
}

// seen says whether a checker's answer is about this very request, as her own page showed it a short while ago.
func (d *deed) seen(ctx context.Context, row db.ReleaseRequest, s StaffSession, shown string) error {
	body, mac, ok := cutLast(shown, ".")
	was, when, ok2 := strings.Cut(body, ".")
	given, err := hex.DecodeString(mac)
	at, err2 := time.Parse(time.RFC3339Nano, when)
	if !ok || !ok2 || err != nil || err2 != nil || subtle.ConstantTimeCompare(given, d.a.Keys.MAC("case.shown", []byte(row.ID+"|"+body+"|"+string(s.hash)))) != 1 {
		return problem.New(problem.CaseStale)
	}
	now, err := standing(ctx, d.Queries, row)
	if age := d.now.Sub(at); err == nil && (age > release.ShownFor || age < -clockTolerance || len(row.RequestHash) == 0 || was != now) {
		err = problem.New(problem.CaseStale)
	}
	return err
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// toDecide is a request that this checker may decide: sent, as she saw it, and by nobody of her.
func (d *deed) toDecide(ctx context.Context, s StaffSession, id, shown string, on release.Event) (db.ReleaseRequest, error) {
	row, err := d.caseRow(ctx, id)
	if err != nil {
		return row, err
	}
	if err := d.secondPerson(ctx, row, s); err != nil {
		return row, err
	}
	if row.State != string(release.Submitted) {
		return row, problem.New(problem.CaseMoved, "state", row.State)
	}
	if _, ok := release.Life.Next(release.State(row.State), on); !ok {
		return row, problem.New(problem.CaseMoved, "state", row.State)
	}
	return row, d.seen(ctx, row, s, shown)
}

// reasonOf reads why a request is returned or declined.
func reasonOf(said string) (string, error) {
	said = release.Text(said)
	if said == "" || len([]rune(said)) > release.ReasonLength {
		return "", problem.New(problem.CaseIncomplete, "field", "said")
	}
	return said, nil
}

// ReturnCase gives a request back to the clerks with a reason.
func (a *Authority) ReturnCase(ctx context.Context, s StaffSession, id, shown, said string) error {
	return a.atDesk(ctx, s, staff.CaseCheck, audit.ReleaseReturn, func(ctx context.Context, d *deed) error {
		row, err := d.toDecide(ctx, s, id, shown, release.Return)
		if err != nil {
			return err
		}
		if said, err = reasonOf(said); err != nil {
			return err
		}
		d.detail = map[string]string{"maker": row.Maker}
		return d.sendBack(ctx, row, release.Return, said)
	})
}

// DeclineCase ends a request without a release. The customer hears that, and whom to call; the reason stays in the house.
func (a *Authority) DeclineCase(ctx context.Context, s StaffSession, id, shown, said string) error {
	return a.atDesk(ctx, s, staff.CaseCheck, audit.ReleaseDecline, func(ctx context.Context, d *deed) error {
		row, err := d.toDecide(ctx, s, id, shown, release.Decline)
		if err != nil {
			return err
		}
		d.detail = map[string]string{"maker": row.Maker}
		return d.decline(ctx, s, row, said)
	})
}

// RefuseCase is the clerk's own way to end a request that she cannot send on: nothing opens by it, so one person is enough.
func (a *Authority) RefuseCase(ctx context.Context, s StaffSession, id string, version int64, said string) error {
	return a.atDesk(ctx, s, staff.CaseMake, audit.ReleaseDecline, func(ctx context.Context, d *deed) error {
		row, err := d.editable(ctx, id, version)
		if err != nil {
			return err
		}
		return d.decline(ctx, s, row, said)
	})
}

func (d *deed) decline(ctx context.Context, s StaffSession, row db.ReleaseRequest, said string) error {
	said, err := reasonOf(said)
	if err != nil {
		return err
	}
	sealed, err := d.a.sealSaid(row.ID, said)
	if err != nil {
		return err
	}
	if err := store.Must(d.Queries.DeclineRelease(ctx, db.DeclineReleaseParams{ID: row.ID, Checker: s.Staff, Said: sealed, ChangedAt: store.Micros(d.now), Version: row.Version, Was: row.State})); err != nil || row.Customer == "" {
		return err
	}
	if len(row.Sealed) > 0 && len(row.RequestHash) == 0 { // tied to an account by a clerk who may have taken the wrong one: its holder was told of nothing
		return nil
	}
	return d.tellAll(ctx, row.Customer, "release_declined", nil)
}
