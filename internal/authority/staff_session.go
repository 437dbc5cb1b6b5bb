package authority

import (
	"context"
	"encoding/base64"
	"errors"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/passkey"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// StaffSession is where one browser of a member of staff stands.
type StaffSession struct {
	ID, Staff, Name  string
	Role             staff.Role
	Person, Branch   string
	Passkey          string // by which it was opened
	Device, Source   string
	Created, Expires time.Time
	PreviousAt       time.Time // the sign-in before this one; zero at the first
	PreviousPlace    string
	CSRF             string // a token for forms, bound to the session

	hash []byte
}

// Actor is the member of this session, acting.
func (s StaffSession) Actor() audit.Actor {
	return audit.Actor{Kind: audit.Staff, ID: s.Staff, Device: s.Device, Source: s.Source, Session: s.hash}
}

// StaffLogin gives what a browser needs to offer its passkeys at the console: the options as JSON. Nobody is named.
func (a *Authority) StaffLogin(ctx context.Context, binding string) ([]byte, error) {
	if a.console.Origin == "" {
		return nil, problem.New(problem.NotFound)
	}
	challenge, err := a.begin(ctx, toLogInStaff, "", hashCookie(binding), "")
	if err != nil {
		return nil, err
	}
	return a.console.RequestOptions(challenge, nil)
}

// LoginStaff opens a session at the console with a passkey; there is no other way in. old is the session that this browser had before, which ends. Who she is and how she
// stands is told only to her who has the key: to anybody else there is one refusal.
func (a *Authority) LoginStaff(ctx context.Context, by audit.Actor, binding, old string, response []byte) (StaffSession, string, error) {
	refuse := func(object string, cause error) (StaffSession, string, error) {
		return StaffSession{}, "", a.refusedStaff(ctx, by, audit.StaffLogin, object, cause)
	}
	claim, err := passkey.ReadClaim(response)
	if err != nil {
		return refuse("", err)
	}
	if _, err := a.take(ctx, toLogInStaff, hashCookie(binding), claim.Challenge); problem.KindOf(err) == problem.PasskeyRefused {
		return refuse("", nil)
	} else if err != nil {
		return StaffSession{}, "", err
	}
	q := a.Store.Reader()
	row, err := q.PasskeyByCredential(ctx, claim.ID)
	if errors.Is(err, store.ErrNone) || err == nil && row.Party != staffParty {
		return refuse("", nil)
	}
	if err != nil {
		return StaffSession{}, "", err
	}
	owner, err := q.StaffByID(ctx, row.Owner)
	if err != nil {
		return StaffSession{}, "", err
	}
	use, err := a.console.Assert(claim.Challenge, claim, store.Passkey(row).Credential, owner.Handle)
	if err != nil {
		return refuse(owner.ID, err)
	}
	var value string
	err = a.do(ctx, by, audit.StaffLogin, func(ctx context.Context, d *deed) error {
		now, err := d.member(ctx, owner.ID)
		if err != nil {
			return err
		}
		switch m := store.Staff(now); {
		case m.ShownState(d.now) == staff.Registered: // the word comes again: the page that showed it may be closed
			return problem.New(problem.StaffUnconfirmed, "word", staff.Word(m.ID, row.PublicKey), "until", m.Open)
		case m.State == staff.Suspended:
			return problem.New(problem.StaffSuspended)
		case m.State != staff.Active:
			return problem.New(problem.PasskeyRefused)
		case !staff.May(m.Role, staff.Session):
			return problem.New(problem.Forbidden)
		}
		p, err := d.PasskeyByID(ctx, row.ID)
		if err != nil {
			return err
		}
		switch passkey.State(p.State) {
		case passkey.Active:
		case passkey.Held:
			return problem.New(problem.PasskeyHeld)
		default:
			return problem.New(problem.PasskeyRefused)
		}
		used, err := store.Once(d.UsePasskey(ctx, db.UsePasskeyParams{ID: p.ID, Counter: int64(use.Counter), BackedUp: use.BackedUp, UsedAt: store.Micros(d.now), UsedDevice: by.Device}))
		if err != nil {
			return err
		}
		if !used { // its counter went back: there are two of it
			return errors.Join(d.holdStaffPasskey(ctx, p), d.refuse(problem.New(problem.PasskeyHeld)))
		}
		if old != "" { // every sign-in makes a new session
			if _, err := d.EndStaffSessionByHash(ctx, db.EndStaffSessionByHashParams{Hash: hashCookie(old), EndedAt: store.Micros(d.now)}); err != nil {
				return err
			}
		}
		d.detail = map[string]string{"passkey": p.ID}
		value, err = d.openStaffSession(ctx, owner.ID, p.ID)
		return err
	})
	if err != nil {
		return StaffSession{}, "", err
	}
	s, err := a.StaffSessionOf(ctx, value)
	return s, value, err
}

// holdStaffPasskey takes a passkey out of use and ends the sessions of its owner, one of whom may be somebody else.
func (d *deed) holdStaffPasskey(ctx context.Context, p db.Passkey) error {
	held, err := store.Once(d.HoldPasskey(ctx, p.ID))
	if err != nil || !held {
		return err
	}
	_, err = d.EndStaffSessions(ctx, db.EndStaffSessionsParams{Staff: p.Owner, EndedAt: store.Micros(d.now)})
	return errors.Join(err, d.also(ctx, audit.PasskeyHold, p.ID))
}

// openStaffSession makes a session in the write of the deed and gives the value of its cookie.
func (d *deed) openStaffSession(ctx context.Context, member, key string) (string, error) {
	value := base64.RawURLEncoding.EncodeToString(d.a.random(32))
	row := db.InsertStaffSessionParams{Hash: hashCookie(value), ID: d.a.newID(ident.StaffVisit, d.now), Staff: member, Passkey: key, Device: d.by.Device, Source: d.by.Source,
		CreatedAt: store.Micros(d.now), ExpiresAt: store.Micros(d.now.Add(d.a.Rules().StaffLife))}
	last, err := d.LastStaffSession(ctx, member)
	if err == nil {
		row.PreviousAt, row.PreviousPlace = last.CreatedAt, last.Device
	} else if !errors.Is(err, store.ErrNone) {
		return "", err
	}
	return value, d.InsertStaffSession(ctx, row)
}

// StaffSessionOf finds the live session of a cookie, or refuses with session-over. Looking keeps it alive.
func (a *Authority) StaffSessionOf(ctx context.Context, cookie string) (StaffSession, error) {
	now, err := a.moment()
	if err != nil {
		return StaffSession{}, err
	}
	if cookie == "" {
		return StaffSession{}, problem.New(problem.SessionOver)
	}
	h := hashCookie(cookie)
	r, err := a.Store.Reader().LiveStaffSession(ctx, db.LiveStaffSessionParams{Hash: h, ExpiresAt: store.Micros(now), SeenAt: store.Micros(now.Add(-a.Rules().StaffIdle))})
	if errors.Is(err, store.ErrNone) || err == nil && !staff.May(staff.Role(r.Role), staff.Session) {
		return StaffSession{}, problem.New(problem.SessionOver)
	}
	if err != nil {
		return StaffSession{}, err
	}
	if now.Sub(store.Time(r.SeenAt)) > a.Rules().StaffIdle/15 { // often enough to be right, seldom enough to be cheap
		err := a.Store.Housekeep(ctx, func(ctx context.Context, tx *store.Tx) error {
			return tx.TouchStaffSession(ctx, db.TouchStaffSessionParams{Hash: h, SeenAt: store.Micros(now)})
		})
		if err != nil {
			return StaffSession{}, err
		}
	}
	return StaffSession{ID: r.ID, Staff: r.Staff, Name: r.Name, Role: staff.Role(r.Role), Person: r.Person, Branch: r.Branch, Passkey: r.Passkey, Device: r.Device, Source: r.Source, Created: store.Time(r.CreatedAt),
		Expires: store.Time(r.ExpiresAt), PreviousAt: store.Time(r.PreviousAt), PreviousPlace: r.PreviousPlace, CSRF: csrfOf(cookie), hash: r.Hash}, nil
}

// StaffSessions are the live ones of the member, the newest first.
func (a *Authority) StaffSessions(ctx context.Context, s StaffSession) ([]StaffSession, error) {
	now, err := a.moment()
	if err != nil {
		return nil, err
	}
	rows, err := a.Store.Reader().LiveStaffSessions(ctx, db.LiveStaffSessionsParams{Staff: s.Staff, ExpiresAt: store.Micros(now), SeenAt: store.Micros(now.Add(-a.Rules().StaffIdle))})
	out := make([]StaffSession, len(rows))
	for i, r := range rows {
		out[i] = StaffSession{ID: r.ID, Staff: r.Staff, Name: s.Name, Role: s.Role, Device: r.Device, Source: r.Source, Created: store.Time(r.CreatedAt), Expires: store.Time(r.ExpiresAt)}
	}
	return out, err
}

// StaffLogout ends a session. Ending one that is over already is no error.
func (a *Authority) StaffLogout(ctx context.Context, s StaffSession) error {
	return a.do(ctx, s.Actor(), audit.StaffLogout, func(ctx context.Context, d *deed) error {
		d.on("", s.ID)
		_, err := d.EndStaffSessionByHash(ctx, db.EndStaffSessionByHashParams{Hash: s.hash, EndedAt: store.Micros(d.now)})
		return err
	})
}

// EndStaffSession ends another session of the same member.
func (a *Authority) EndStaffSession(ctx context.Context, s StaffSession, id string) error {
	return a.do(ctx, s.Actor(), audit.StaffSessionEnd, func(ctx context.Context, d *deed) error {
		if ident.Check(ident.StaffVisit, id) != nil { // not written down either: it could be anything
			return problem.New(problem.NotFound)
		}
		d.on("", id)
		ended, err := store.Once(d.Queries.EndStaffSession(ctx, db.EndStaffSessionParams{ID: id, Staff: s.Staff, EndedAt: store.Micros(d.now)}))
		if err == nil && !ended {
			return problem.New(problem.NotFound)
		}
		return err
	})
}
