package authority

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/incident"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/reissue"
	"github.com/inkan-auth/inkan/internal/domain/release"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// ReleaseForm is what a customer fills in. Who she is comes from her log-in or her re-issue where there is one; otherwise she types it, and it is printed and looked at by staff, not believed.
type ReleaseForm struct {
	Once   string // names the form that was filled in, so that a second click makes no second request
	Items  []string
	Reason string

	Branch, AccountType, AccountNumber string
	Name, Kana                         string
}

// Release is a security release request as the customer sees it.
type Release struct {
	ID       string
	Number   string // stands on the paper; whoever has it sees how the request stands
	Customer string // empty where nobody has recognised her yet
	State    release.State
	Items    []release.Item
	Reason   release.Reason
	Created  time.Time
	Changed  time.Time
	Expires  time.Time // until then the paper can be handed in

	Branch, AccountType, AccountNumber string
	Name, Kana                         string
}

// releasePerson is who a request is for, as it stands on the paper.
type releasePerson struct {
	Branch        string `json:"branch"`
	AccountType   string `json:"account_type"`
	AccountNumber string `json:"account_number"`
	Name          string `json:"name"`
	Kana          string `json:"kana"`
}

// MakeRelease makes a request: for the customer of a session, or of a re-issue that knows her by her cash card, or, with neither, for whoever the form names.
func (a *Authority) MakeRelease(ctx context.Context, v Visit, s *Session, reissueCookie string, f ReleaseForm) (out Release, err error) {
	now, err := a.moment()
	if err != nil {
		return out, err
	}
	items, ok := release.Sorted(f.Items)
	if !ok {
		return out, problem.New(problem.ReleaseRefused, "field", "items")
	}
	if !release.KnownReason(release.Reason(f.Reason)) {
		return out, problem.New(problem.ReleaseRefused, "field", "reason")
	}
	source := "release " + v.Actor.Source
	if err := a.sourceOpen(ctx, source, now); err != nil {
		return out, err
	}
	by := v.Actor
	var customerID string
	var person releasePerson
	if s != nil {
		customerID, by = s.Customer, s.Actor()
	} else if _, r, err := a.reissueBy(ctx, a.Store.Reader(), reissueCookie, now); err == nil && !slices.Contains(reissue.Final, r.State) {
		customerID = r.Customer
	}
	if customerID == "" {
		person = releasePerson{accountDigits(f.Branch), f.AccountType, accountDigits(f.AccountNumber), plainName(f.Name), plainName(f.Kana)}
		if len(person.Branch) != 3 || len(person.AccountNumber) == 0 || len(person.AccountNumber) > 8 || !slices.Contains(AccountTypes, person.AccountType) || person.Name == "" {
			return out, problem.New(problem.ReleaseRefused, "field", "account")
		}
	}
	sealedAs, err := json.Marshal(person)
	if err != nil {
		return out, err
	}
	once := sha256.Sum256([]byte("inkan/release/v1|" + f.Once))
	err = a.do(ctx, by, audit.ReleaseMake, func(ctx context.Context, d *deed) error {
		id := a.newID(ident.Release, d.now)
		d.on(customerID, id)
		sealed := []byte{}
		if customerID == "" {
			var err error
			if sealed, err = a.Keys.Seal("release", "release.sealed|"+id, sealedAs); err != nil {
				return err
			}
		}
		number := a.releaseNumber(id)
		words := make([]string, len(items))
		for i, item := range items {
			words[i] = string(item)
		}
		d.detail = map[string]string{"items": strings.Join(words, " "), "reason": f.Reason}
		made, err := store.Once(d.InsertRelease(ctx, db.InsertReleaseParams{ID: id, Mac: a.releaseMAC(number), Once: once[:], Customer: customerID, Sealed: sealed, Items: strings.Join(words, " "), Reason: f.Reason,
			Device: by.Device, Source: by.Source, CreatedAt: store.Micros(d.now), ExpiresAt: store.Micros(d.now.Add(a.Rules().ReleaseLife))}))
		if err != nil {
			return err
		}
		row, err := d.ReleaseByOnce(ctx, once[:])
		if err != nil {
			return err
		}
		d.object = row.ID
		if row.Customer != customerID {
			return problem.New(problem.ReleaseRefused, "field", "once")
		}
		if made && release.Reason(f.Reason) == release.Suspicious {
			if err := d.incident(ctx, incident.Request, customerID, id, map[string]string{"items": strings.Join(words, " "), "source": by.Source, "device": by.Device}); err != nil {
				return err
			}
		}
		if branch := person.Branch; made {
			if customerID != "" {
				c, err := d.CustomerByID(ctx, customerID)
				if err != nil {
					return err
				}
				branch = c.Branch
			}
			if err := store.Must(d.SetReleaseBranch(ctx, db.SetReleaseBranchParams{ID: row.ID, Branch: branch})); err != nil {
				return err
			}
		}
		if made && customerID != "" {
			if err := d.notTooSoon(ctx, customerID, "release_made"); err != nil {
				return err
			}
		}
		if out, err = a.releaseOf(ctx, d.Queries, row); err != nil || !made || customerID == "" {
			return err
		}
		return d.tellObject(ctx, customerID, "release_made", row.ID, nil)
	})
	if err == nil && customerID == "" { // strangers' requests are bounded, so that they bury no clerk
		err = a.sourceFailed(ctx, source, now)
	}
	return out, err
}

// AccountTypes are the kinds of accounts that a representative account may be, as the bank names them.
var AccountTypes = []string{"普通", "当座", "貯蓄"}

// plainName reads a name for paper: one line, no control or formatting signs, at most forty letters.
func plainName(s string) string {
	if len(s) > 400 || !utf8.ValidString(s) {
		return ""
	}
	s = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if unicode.Is(unicode.C, r) {
			return -1
		}
		return r
	}, norm.NFC.String(s))), " ")
	if r := []rune(s); len(r) > 40 {
		return string(r[:40])
	}
	return s
}

// releaseNumber is the number of a request: 80 bits that our keys make of its identifier, so that it need not be kept.
func (a *Authority) releaseNumber(id string) string {
	letters := make([]byte, objectionLength)
	for i, b := range a.Keys.MAC("release.number", []byte(id))[:objectionLength] {
		letters[i] = objectionLetters[b&31]
	}
	return string(letters)
}

func (a *Authority) releaseMAC(number string) []byte {
	return a.Keys.MAC("release", []byte(number))
}

func (a *Authority) releaseOf(ctx context.Context, q *db.Queries, row db.ReleaseRequest) (Release, error) {
	n := a.releaseNumber(row.ID)
	r := Release{ID: row.ID, Number: n[:4] + "-" + n[4:8] + "-" + n[8:12] + "-" + n[12:], Customer: row.Customer, State: release.State(row.State), Reason: release.Reason(row.Reason),
		Created: store.Time(row.CreatedAt), Changed: store.Time(row.ChangedAt), Expires: store.Time(row.ExpiresAt)}
	for _, item := range strings.Fields(row.Items) {
		r.Items = append(r.Items, release.Item(item))
	}
	if len(row.Sealed) == 0 { // otherwise the paper says what somebody typed, and never what a clerk has found out since
		c, err := q.CustomerByID(ctx, row.Customer)
		r.Branch, r.AccountType, r.AccountNumber, r.Name, r.Kana = c.Branch, c.AccountType, c.AccountNumber, c.Name, c.Kana
		return r, err
	}
	p, err := a.typedPerson(row)
	r.Branch, r.AccountType, r.AccountNumber, r.Name, r.Kana = p.Branch, p.AccountType, p.AccountNumber, p.Name, p.Kana
	return r, err
}

// ReleaseByNumber shows how a request stands to whoever has the number on its paper.
func (a *Authority) ReleaseByNumber(ctx context.Context, by audit.Actor, number string) (Release, error) {
	row, err := a.releaseRow(ctx, by, audit.ReleaseWithdraw, number)
	if err != nil {
		return Release{}, err
	}
	return a.releaseOf(ctx, a.Store.Reader(), row)
}

// releaseRow finds a request by its number. Wrong numbers are bounded by network, so that nobody searches for right ones.
func (a *Authority) releaseRow(ctx context.Context, by audit.Actor, action audit.Action, number string) (db.ReleaseRequest, error) {
	now, err := a.moment()
	if err != nil {
		return db.ReleaseRequest{}, err
	}
	source := "release number " + by.Source
	if err := a.sourceOpen(ctx, source, now); err != nil {
		return db.ReleaseRequest{}, err
	}
	number = codeLetters(number)
	row, err := a.Store.Reader().ReleaseByMAC(ctx, a.releaseMAC(number))
	if errors.Is(err, store.ErrNone) || len(number) != objectionLength {
		return row, errors.Join(a.sourceFailed(ctx, source, now), problem.New(problem.ReleaseNone))
	}
	return row, err
}

// WithdrawRelease takes a request back. Taking back what has ended changes nothing.
func (a *Authority) WithdrawRelease(ctx context.Context, by audit.Actor, number string) error {
	row, err := a.releaseRow(ctx, by, audit.ReleaseWithdraw, number)
	if err != nil {
		return err
	}
	return a.do(ctx, by, audit.ReleaseWithdraw, func(ctx context.Context, d *deed) error {
		d.on(row.Customer, row.ID)
		row, err := d.ReleaseByMAC(ctx, row.Mac)
		if err != nil {
			return err
		}
		to, ok := release.Life.Next(release.State(row.State), release.Withdraw)
		if !ok {
			return nil
		}
		return store.Must(d.MoveRelease(ctx, db.MoveReleaseParams{ID: row.ID, State: string(to), ChangedAt: store.Micros(d.now), EndedAt: store.Micros(d.now), Was: row.State}))
	})
}

// ReleasesOf are the latest requests of a customer, for a system of the bank.
func (a *Authority) ReleasesOf(ctx context.Context, ref string) ([]Release, error) {
	c, err := a.customerByRef(ctx, ref)
	if err != nil {
		return nil, err
	}
	return a.releasesOf(ctx, c.ID)
}

// Releases are the latest requests of the customer of a session.
func (a *Authority) Releases(ctx context.Context, s Session) ([]Release, error) {
	return a.releasesOf(ctx, s.Customer)
}

func (a *Authority) releasesOf(ctx context.Context, customerID string) ([]Release, error) {
	rows, err := a.Store.Reader().ReleasesOf(ctx, db.ReleasesOfParams{Customer: customerID, Limit: 20})
	if err != nil {
		return nil, err
	}
	out := make([]Release, len(rows))
	for i, row := range rows {
		if out[i], err = a.releaseOf(ctx, a.Store.Reader(), row); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// sweepReleases writes down which requests nobody has handed in.
func (a *Authority) sweepReleases(ctx context.Context, now time.Time) error {
	rows, err := a.Store.Reader().ExpiredReleases(ctx, db.ExpiredReleasesParams{ExpiresAt: store.Micros(now), Limit: 100})
	if err != nil {
		return err
	}
	for _, row := range rows {
		err := a.do(ctx, audit.Actor{Kind: audit.Clock}, audit.ReleaseExpire, func(ctx context.Context, d *deed) error {
			d.on(row.Customer, row.ID)
			return store.Must(d.MoveRelease(ctx, db.MoveReleaseParams{ID: row.ID, State: string(release.Expired), ChangedAt: store.Micros(d.now), EndedAt: store.Micros(d.now), Was: row.State}))
		})
		if err != nil && problem.KindOf(err) != problem.Conflict {
			return err
		}
	}
	return nil
}
