package authority

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/customer"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// Channel is what the customer banks on. The server decides it from the browser's own description, never from the page (M-03).
type Channel string

// The channels.
const (
	PC         Channel = "pc"
	Smartphone Channel = "smartphone"
)

// Visit is a request of a browser: who asks, from what, and the cookies it brought.
type Visit struct {
	Actor   audit.Actor // kind Stranger; Device and Source are filled in
	Channel Channel
	Browser string // value of the browser cookie, or empty
}

// Session is where one browser stands.
type Session struct {
	ID, Customer   string
	Chain          string   // the login's name towards the bank (sid); it stays when the session is replaced
	Full           bool     // false while a one-time password is still owed
	AMR            []string // what was shown: "pwd", "otp" (RFC 8176)
	Channel        Channel
	Device, Source string
	AuthAt         time.Time
	Created        time.Time
	Expires        time.Time
	PreviousAt     time.Time // the login before this one; zero at the first
	PreviousPlace  string
	CSRF           string // a token for forms, bound to the session

	hash    []byte
	browser string
}

// Cookie is a secret to be handed to the browser exactly once.
type Cookie struct {
	Session string
	Browser string // empty where the browser is known already
	Expires time.Time
}

// ACR is the class of what happened, as OpenID Connect reports it (R-059: exactly what happened).
func (s Session) ACR() string {
	switch {
	case s.PhishingResistant():
		return ACRPasskey
	case slices.Contains(s.AMR, "otp"):
		return ACROneTimePassword
	}
	return ACRPassword
}

// The classes of authentication that are reported to the bank.
const (
	ACRPassword        = "urn:inkan:acr:password"
	ACROneTimePassword = "urn:inkan:acr:password+otp"
	ACRPasskey         = "phr" // phishing-resistant (OpenID Connect EAP ACR Values 1.0); whether the key can be copied stands in amr
)

// Actor is the customer of this session, acting.
func (s Session) Actor() audit.Actor {
	return audit.Actor{Kind: audit.Customer, ID: s.Customer, Device: s.Device, Source: s.Source, Session: s.hash}
}

// hashCookie is how a cookie's value is kept: 256 random bits need no slow hash.
func hashCookie(value string) []byte {
	sum := sha256.Sum256([]byte("inkan/cookie/v1|" + value))
	return sum[:]
}

// csrfOf binds a form token to the session without a further row: it is another hash of the same secret.
func csrfOf(value string) string {
	sum := sha256.Sum256([]byte("inkan/form/v1|" + value))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// FormOf is the form token of a cookie's value, for a page that has no session.
func FormOf(value string) string { return csrfOf(value) }

// SessionOf finds the live session of a cookie, or refuses with session-over. Looking keeps it alive.
func (a *Authority) SessionOf(ctx context.Context, cookie string) (Session, error) {
	now, err := a.moment()
	if err != nil {
		return Session{}, err
	}
	if cookie == "" {
		return Session{}, problem.New(problem.SessionOver)
	}
	h := hashCookie(cookie)
	row, err := a.Store.Reader().LiveSession(ctx, db.LiveSessionParams{Hash: h, ExpiresAt: store.Micros(now), SeenAt: store.Micros(now.Add(-a.Rules().SessionIdle))})
	if errors.Is(err, store.ErrNone) {
		return Session{}, problem.New(problem.SessionOver)
	}
	if err != nil {
		return Session{}, err
	}
	if now.Sub(store.Time(row.SeenAt)) > a.Rules().SessionIdle/15 { // often enough to be right, seldom enough to be cheap
		err := a.Store.Housekeep(ctx, func(ctx context.Context, tx *store.Tx) error {
			return tx.TouchSession(ctx, db.TouchSessionParams{Hash: h, SeenAt: store.Micros(now)})
		})
		if err != nil {
			return Session{}, err
		}
	}
	s := sessionOf(row)
	s.CSRF = csrfOf(cookie)
	return s, nil
}

func sessionOf(r db.Session) Session {
	return Session{ID: r.ID, Chain: r.Chain, Customer: r.Customer, Full: r.Level == "full", AMR: strings.Fields(r.Amr), Channel: Channel(r.Channel), Device: r.Device, Source: r.Source,
		AuthAt: store.Time(r.AuthAt), Created: store.Time(r.CreatedAt), Expires: store.Time(r.ExpiresAt), PreviousAt: store.Time(r.PreviousAt),
		PreviousPlace: r.PreviousPlace, hash: r.Hash, browser: r.Browser}
}

// openSession makes a session in the write of the deed. Every authentication makes a new one; the old one is ended by the caller.
func (d *deed) openSession(ctx context.Context, s Session) (Cookie, error) {
	value := base64.RawURLEncoding.EncodeToString(d.a.random(32))
	level := "password"
	if s.Full {
		level = "full"
	}
	expires := d.now.Add(d.a.Rules().SessionLife)
	if !s.Expires.IsZero() && s.Expires.Before(expires) {
		expires = s.Expires // a step inside a session does not make it longer
	}
	id := d.a.newID(ident.Session, d.now)
	if s.Chain == "" {
		s.Chain = id
	}
	err := d.InsertSession(ctx, db.InsertSessionParams{Hash: hashCookie(value), ID: id, Chain: s.Chain, Customer: s.Customer, Level: level,
		Amr: strings.Join(s.AMR, " "), Channel: string(s.Channel), Device: s.Device, Source: s.Source, Browser: s.browser, AuthAt: store.Micros(d.now),
		CreatedAt: store.Micros(d.now), ExpiresAt: store.Micros(expires), PreviousAt: store.Micros(s.PreviousAt), PreviousPlace: s.PreviousPlace})
	return Cookie{Session: value, Expires: expires}, err
}

// replaceSession ends the session s and opens the next one in its place; of two requests that try this at once one is told that the session is over.
func (d *deed) replaceSession(ctx context.Context, s, next Session) (Cookie, error) {
	once, err := store.Once(d.EndSession(ctx, db.EndSessionParams{Hash: s.hash, EndedAt: store.Micros(d.now)}))
	if err != nil {
		return Cookie{}, err
	}
	if !once {
		return Cookie{}, problem.New(problem.SessionOver)
	}
	return d.openSession(ctx, next)
}

// Step is what a customer has to do next before the bank's doors open.
type Step string

// The steps, in their order.
const (
	StepOTP       Step = "otp"       // a one-time password is owed
	StepRenew     Step = "renew"     // it is owed, and the token is past its date: no code of it can be right before it is renewed (M-14)
	StepPasswords Step = "passwords" // the bank's first passwords must be changed
	StepApply     Step = "apply"     // on a smartphone a token is mandatory (M-03)
	StepDone      Step = "done"
)

// NextStep decides from what is stored what the session still owes. Pages and OpenID Connect ask here and nowhere else.
func (a *Authority) NextStep(ctx context.Context, s Session) (Step, error) {
	if !s.Full {
		expired, err := a.tokenExpired(ctx, s.Customer)
		if err == nil && expired {
			return StepRenew, nil
		}
		return StepOTP, err
	}
	c, err := a.customer(ctx, s.Customer)
	if err != nil {
		return "", err
	}
	if c.MustChange() {
		return StepPasswords, nil
	}
	if s.Channel == Smartphone && !slices.Contains(s.AMR, "otp") {
		if !s.PhishingResistant() {
			return StepApply, nil
		}
		if has, err := a.hasToken(ctx, s.Customer); err != nil || !has {
			return StepApply, err
		}
	}
	return StepDone, nil
}

// customer reads a customer whose service is not stopped.
func (a *Authority) customer(ctx context.Context, id string) (customer.Customer, error) {
	row, err := a.Store.Reader().CustomerByID(ctx, id)
	if err != nil {
		return customer.Customer{}, err
	}
	c := store.Customer(row)
	if c.State != customer.Active {
		return c, problem.New(problem.ServiceStopped)
	}
	return c, nil
}

// CustomerOf is the customer of a session.
func (a *Authority) CustomerOf(ctx context.Context, s Session) (customer.Customer, error) {
	return a.customer(ctx, s.Customer)
}

// owes says whether a token of this state makes the login ask for a code. A locked, suspended or expired token asks too: nobody gets in by having one locked.
func owes(t token.State) bool {
	return t == token.Active || t == token.Locked || t == token.Suspended || t == token.Expired
}

// Login checks login ID and login password. The session it opens owes a one-time password if the customer has a token in use. To a stranger, wrong name, wrong
// password, blocked and stopped are one refusal after the same work.
func (a *Authority) Login(ctx context.Context, v Visit, loginID string, pw []byte) (Session, Cookie, error) {
	now, err := a.moment()
	if err != nil {
		return Session{}, Cookie{}, err
	}
	ctx = context.WithoutCancel(ctx)
	c, known, err := a.findLogin(ctx, loginID)
	if err != nil {
		return Session{}, Cookie{}, err
	}
	lane, err := a.laneOf(ctx, v, c.ID)
	if err != nil {
		return Session{}, Cookie{}, err
	}
	knownBrowser := lane != strangers
	if !knownBrowser { // strangers in her own network do not keep her browser out: it has tries of its own
		if err := a.sourceOpen(ctx, v.Actor.Source, now); err != nil {
			return Session{}, Cookie{}, err
		}
	}
	stored, subject := a.unknown, "nobody"
	if known {
		stored, subject = c.LoginPassword, c.ID
	}
	var blocked error
	var tries int
	err = a.Store.Housekeep(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		if !known { // the same work for nobody, in a row that grows no table and never closes
			_, err = tx.CountThrottle(ctx, db.CountThrottleParams{Bucket: "nobody", StartedAt: store.Micros(now), Stale: store.Micros(now)})
			return err
		}
		tries, blocked = takeTry(ctx, tx.Queries, *a.Rules(), now, subject, loginPassword, lane)
		if problem.KindOf(blocked) == "" {
			return blocked
		}
		return nil
	})
	if err != nil {
		return Session{}, Cookie{}, err
	}
	ok, weak, err := a.verifyPassword(ctx, knownBrowser, pw, stored)
	if err != nil {
		if known && blocked == nil {
			err = errors.Join(err, a.giveBack(ctx, subject, loginPassword, lane))
		}
		return Session{}, Cookie{}, err
	}
	if !ok || !known || blocked != nil || c.State != customer.Active {
		refusal := problem.New(problem.LoginRefused)
		d := &deed{a: a, now: now, by: v.Actor, action: audit.LoginPassword, detail: map[string]string{"lane": laneWord(lane)}}
		if known {
			d.customer = c.ID
		}
		if err := a.sourceFailed(ctx, v.Actor.Source, now); err != nil {
			return Session{}, Cookie{}, err
		}
		if known && blocked == nil && !ok && left(*a.Rules(), tries) == 0 {
			if err := a.tellBlocked(ctx, c.ID, loginPassword); err != nil {
				return Session{}, Cookie{}, err
			}
		}
		return Session{}, Cookie{}, a.writeRefusal(ctx, d, refusal)
	}
	var rehashed string
	if weak { // where too many are hashing it waits for her next login: the hash that stands opens as before
		if rehashed, err = a.hashPassword(ctx, pw); err != nil && problem.KindOf(err) == "" {
			return Session{}, Cookie{}, errors.Join(err, a.giveBack(ctx, subject, loginPassword, lane))
		}
	}
	var s Session
	var cookie Cookie
	err = a.do(ctx, v.Actor, audit.LoginPassword, func(ctx context.Context, d *deed) error {
		d.on(c.ID, "")
		d.detail = map[string]string{"lane": laneWord(lane), "channel": string(v.Channel)}
		if stopped := d.unstopped(ctx, c.ID); problem.KindOf(stopped) == problem.ServiceStopped { // while her password was being hashed
			return problem.New(problem.LoginRefused)
		} else if stopped != nil {
			return stopped
		}
		if rehashed != "" {
			if _, err := d.RehashLoginPassword(ctx, db.RehashLoginPasswordParams{ID: c.ID, LoginPassword: rehashed, LoginPassword_2: c.LoginPassword}); err != nil {
				return err
			}
		}
		if err := clearTries(ctx, d.Queries, c.ID, loginPassword, lane); err != nil {
			return err
		}
		full := true
		if t, err := d.CurrentToken(ctx, c.ID); err == nil {
			full = !owes(token.State(t.State))
		} else if !errors.Is(err, store.ErrNone) {
			return err
		}
		if full {
			d.detail["level"] = "full" // nothing else is asked of her: of the figures, a log-in by password alone
		}
		s = Session{Customer: c.ID, Full: full, AMR: []string{"pwd"}, Channel: v.Channel, Device: v.Actor.Device, Source: v.Actor.Source}
		if err := d.previousLogin(ctx, &s); err != nil {
			return err
		}
		var err error
		if cookie, err = d.openSession(ctx, s); err != nil {
			return err
		}
		if full {
			cookie.Browser, err = d.knowBrowser(ctx, c.ID, v, knownBrowser)
		}
		return err
	})
	if err != nil {
		return Session{}, Cookie{}, err
	}
	s, err = a.SessionOf(ctx, cookie.Session)
	return s, cookie, err
}

// LoginOTP pays the one-time password that a session owes. The session is replaced by a full one.
func (a *Authority) LoginOTP(ctx context.Context, v Visit, s Session, code string) (Session, Cookie, error) {
	if s.Full {
		return s, Cookie{}, problem.New(problem.StepUp)
	}
	if _, err := a.customer(ctx, s.Customer); err != nil { // stopped since the password
		return Session{}, Cookie{}, err
	}
	var cookie Cookie
	known := a.knows(ctx, v, s.Customer)
	err := a.do(ctx, s.Actor(), audit.LoginOTP, func(ctx context.Context, d *deed) error {
		d.on(s.Customer, "")
		if ok, err := d.spendOTP(ctx, s.Customer, code); err != nil || !ok {
			return err
		}
		next := s
		next.Full, next.AMR = true, withOTP(s.AMR)
		var err error
		if cookie, err = d.replaceSession(ctx, s, next); err != nil {
			return err
		}
		cookie.Browser, err = d.knowBrowser(ctx, s.Customer, v, known)
		return err
	})
	if err != nil {
		return Session{}, Cookie{}, err
	}
	s, err = a.SessionOf(ctx, cookie.Session)
	return s, cookie, err
}

// withOTP adds a code to what was shown before.
func withOTP(amr []string) []string {
	if slices.Contains(amr, "otp") {
		return amr
	}
	return append(slices.Clone(amr), "otp")
}

// Logout ends a session. Ending one that is over already is no error.
func (a *Authority) Logout(ctx context.Context, s Session) error {
	return a.do(ctx, s.Actor(), audit.Logout, func(ctx context.Context, d *deed) error {
		d.on(s.Customer, s.ID)
		once, err := store.Once(d.EndSession(ctx, db.EndSessionParams{Hash: s.hash, EndedAt: store.Micros(d.now)}))
		if err != nil || !once {
			return err
		}
		return d.tellBank(ctx, s.Customer, s.Chain)
	})
}

// endOthers ends every session of the customer but the one whose cookie has the hash, and tells the bank of each login that ended with them.
func (d *deed) endOthers(ctx context.Context, customerID string, keep []byte, chain string) error {
	ended, err := d.EndOtherSessions(ctx, db.EndOtherSessionsParams{Customer: customerID, Hash: keep, EndedAt: store.Micros(d.now)})
	if err != nil {
		return err
	}
	for _, c := range ended {
		if c != chain {
			if err := d.tellBank(ctx, customerID, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// Sessions are the live ones of the customer, the newest first.
func (a *Authority) Sessions(ctx context.Context, s Session) ([]Session, error) {
	now, err := a.moment()
	if err != nil {
		return nil, err
	}
	rows, err := a.Store.Reader().LiveSessionsOf(ctx, db.LiveSessionsOfParams{Customer: s.Customer, ExpiresAt: store.Micros(now), SeenAt: store.Micros(now.Add(-a.Rules().SessionIdle))})
	out := make([]Session, len(rows))
	for i, r := range rows {
		out[i] = sessionOf(r)
	}
	return out, err
}

// EndSession ends another session of the same customer.
func (a *Authority) EndSession(ctx context.Context, s Session, id string) error {
	return a.do(ctx, s.Actor(), audit.SessionEnd, func(ctx context.Context, d *deed) error {
		d.on(s.Customer, "")
		if ident.Check(ident.Session, id) != nil { // not written down either: it could be anything
			return problem.New(problem.NotFound)
		}
		d.object = id
		chain, err := d.EndSessionByID(ctx, db.EndSessionByIDParams{ID: id, Customer: s.Customer, EndedAt: store.Micros(d.now)})
		if errors.Is(err, store.ErrNone) {
			return problem.New(problem.NotFound)
		}
		if err != nil {
			return err
		}
		return d.tellBank(ctx, s.Customer, chain)
	})
}

// findLogin finds the customer of a login ID. A text that cannot be one is nobody's.
func (a *Authority) findLogin(ctx context.Context, loginID string) (customer.Customer, bool, error) {
	canonical, err := customer.CanonicalLoginID(loginID)
	if err != nil {
		canonical = " " // nobody's name; the database is asked all the same, so that time tells nothing
	}
	row, err := a.Store.Reader().CustomerByLoginID(ctx, canonical)
	if errors.Is(err, store.ErrNone) {
		return customer.Customer{}, false, nil
	}
	return store.Customer(row), err == nil, err
}

// previousLogin fills in when and from what the customer was last here.
func (d *deed) previousLogin(ctx context.Context, s *Session) error {
	last, err := d.LastLogin(ctx, s.Customer)
	if errors.Is(err, store.ErrNone) {
		return nil
	}
	s.PreviousAt, s.PreviousPlace = store.Time(last.CreatedAt), last.Device
	return err
}

// knowBrowser remembers a browser after a whole login, so that strangers who guess cannot keep its owner out. A browser that was never seen before is told to every address.
func (d *deed) knowBrowser(ctx context.Context, customerID string, v Visit, known bool) (string, error) {
	if known {
		return "", errors.Join(d.TouchBrowser(ctx, db.TouchBrowserParams{Hash: hashCookie(v.Browser), LastAt: store.Micros(d.now)}), d.tellWanted(ctx, customerID, MailKnownLogin, nil))
	}
	value := base64.RawURLEncoding.EncodeToString(d.a.random(32))
	id := d.a.newID(ident.Browser, d.now)
	return value, errors.Join(d.InsertBrowser(ctx, db.InsertBrowserParams{Hash: hashCookie(value), ID: id, Customer: customerID, Device: v.Actor.Device, FirstAt: store.Micros(d.now)}),
		d.tellObject(ctx, customerID, "login_new_device", id, map[string]string{"place": Place(v.Actor.Source)}))
}

func laneWord(lane string) string {
	if lane == strangers {
		return strangers
	}
	return "known"
}
