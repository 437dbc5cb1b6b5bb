package authority

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/customer"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/incident"
	"github.com/inkan-auth/inkan/internal/domain/passkey"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// loginParty is the party of the customers' own pages, as passkeys name it.
const loginParty = "login"

// ceremonyKind is what a challenge was given for. One that was given for something else opens nothing.
type ceremonyKind string

const (
	toRegister ceremonyKind = "register"
	toLogIn    ceremonyKind = "login"
)

// begin makes a challenge and keeps its hash: for one ceremony, one owner (or nobody yet), one browser.
func (a *Authority) begin(ctx context.Context, kind ceremonyKind, owner string, binding []byte, object string) ([]byte, error) {
	now, err := a.moment()
	if err != nil {
		return nil, err
	}
	challenge := a.random(passkey.ChallengeBytes)
	sum := sha256.Sum256(challenge)
	err = a.Store.Housekeep(ctx, func(ctx context.Context, tx *store.Tx) error {
		return tx.InsertCeremony(ctx, db.InsertCeremonyParams{Hash: sum[:], Kind: string(kind), Owner: owner, Binding: binding, Object: object, CreatedAt: store.Micros(now),
			ExpiresAt: store.Micros(now.Add(passkey.ChallengeLife))})
	})
	return challenge, err
}

// take takes a challenge back, once. It is gone in a write of its own before anything else is looked at, whatever comes of it.
func (a *Authority) take(ctx context.Context, kind ceremonyKind, binding, challenge []byte) (row db.Ceremony, err error) {
	now, err := a.moment()
	if err != nil {
		return row, err
	}
	sum := sha256.Sum256(challenge)
	err = a.Store.Housekeep(context.WithoutCancel(ctx), func(ctx context.Context, tx *store.Tx) (err error) {
		row, err = tx.TakeCeremony(ctx, db.TakeCeremonyParams{Hash: sum[:], Kind: string(kind), Binding: binding, ExpiresAt: store.Micros(now)})
		return err
	})
	if errors.Is(err, store.ErrNone) {
		return row, problem.New(problem.PasskeyRefused)
	}
	return row, err
}

// refusedPasskey writes down why a passkey was refused, and gives the one refusal that says nothing of it.
func (a *Authority) refusedPasskey(ctx context.Context, by audit.Actor, action audit.Action, customerID, object string, cause error) error {
	now, err := a.moment()
	if err != nil {
		return err
	}
	d := &deed{a: a, now: now, by: by, action: action, customer: customerID, object: object}
	if why := passkey.WhyOf(cause); why != "" {
		d.detail = map[string]string{"why": string(why)}
	}
	return a.writeRefusal(ctx, d, problem.New(problem.PasskeyRefused))
}

// PasskeyLogin gives what a browser needs to offer its passkeys: the options as JSON. binding is a value that only this browser has; nobody is named.
func (a *Authority) PasskeyLogin(ctx context.Context, binding string) ([]byte, error) {
	challenge, err := a.begin(ctx, toLogIn, "", hashCookie(binding), "")
	if err != nil {
		return nil, err
	}
	return a.party.RequestOptions(challenge, nil)
}

// LoginPasskey opens a session with a passkey: no login ID, no password, no code. To a stranger an unknown passkey and a wrong signature are one refusal; no failure counts against anybody,
// so that nobody can be locked out by it.
func (a *Authority) LoginPasskey(ctx context.Context, v Visit, binding string, response []byte) (Session, Cookie, error) {
	source := "passkey " + v.Actor.Source // a count of its own: a passkey that fails keeps nobody from her password
	refuse := func(customerID, object string, cause error) (Session, Cookie, error) {
		now, err := a.moment()
		if err == nil { // a network that has failed too often fills no trail any more; a passkey that holds is taken from it all the same
			err = a.sourceOpen(ctx, source, now)
		}
		if err == nil {
			err = a.sourceFailed(ctx, source, now)
		}
		if err == nil {
			err = a.refusedPasskey(ctx, v.Actor, audit.LoginPasskey, customerID, object, cause)
		}
		return Session{}, Cookie{}, err
	}
	claim, err := passkey.ReadClaim(response)
	if err != nil {
		return refuse("", "", err)
	}
	if _, err := a.take(ctx, toLogIn, hashCookie(binding), claim.Challenge); problem.KindOf(err) == problem.PasskeyRefused {
		return refuse("", "", nil)
	} else if err != nil {
		return Session{}, Cookie{}, err
	}
	q := a.Store.Reader()
	row, err := q.PasskeyByCredential(ctx, claim.ID)
	if errors.Is(err, store.ErrNone) || err == nil && row.Party != loginParty {
		return refuse("", "", nil)
	}
	if err != nil {
		return Session{}, Cookie{}, err
	}
	owner, err := q.CustomerByID(ctx, row.Owner)
	if err != nil {
		return Session{}, Cookie{}, err
	}
	p := store.Passkey(row)
	use, err := a.party.Assert(claim.Challenge, claim, p.Credential, owner.Handle)
	if err != nil {
		return refuse(owner.ID, p.ID, err)
	}
	var s Session
	var cookie Cookie
	known := a.knows(ctx, v, owner.ID)
	err = a.do(ctx, v.Actor, audit.LoginPasskey, func(ctx context.Context, d *deed) error {
		d.on(owner.ID, p.ID)
		d.detail = map[string]string{"channel": string(v.Channel)}
		now, err := d.PasskeyByID(ctx, p.ID)
		if err != nil {
			return err
		}
		c, err := d.CustomerByID(ctx, owner.ID)
		if err != nil {
			return err
		}
		switch at := store.Passkey(now); at.ShownState(d.now) {
		case passkey.Active:
		case passkey.Resting:
			return problem.New(problem.PasskeyResting, "until", at.Usable)
		case passkey.Held:
			return problem.New(problem.PasskeyHeld)
		default:
			return problem.New(problem.PasskeyRefused)
		}
		if c.State != string(customer.Active) { // whoever comes by a passkey that is good has proved who she is
			return problem.New(problem.ServiceStopped)
		}
		used, err := store.Once(d.UsePasskey(ctx, db.UsePasskeyParams{ID: p.ID, Counter: int64(use.Counter), BackedUp: use.BackedUp, UsedAt: store.Micros(d.now), UsedDevice: v.Actor.Device}))
		if err != nil {
			return err
		}
		if !used { // its counter went back: there are two of it
			return errors.Join(d.holdPasskey(ctx, now, "counter"), d.refuse(problem.New(problem.PasskeyHeld)))
		}
		s = Session{Customer: c.ID, Full: true, AMR: amrOf(p.Credential), Channel: v.Channel, Device: v.Actor.Device, Source: v.Actor.Source}
		if err := d.previousLogin(ctx, &s); err != nil {
			return err
		}
		if cookie, err = d.openSession(ctx, s); err != nil {
			return err
		}
		cookie.Browser, err = d.knowBrowser(ctx, c.ID, v, known)
		return err
	})
	if err != nil {
		return Session{}, Cookie{}, err
	}
	s, err = a.SessionOf(ctx, cookie.Session)
	return s, cookie, err
}

// amrOf says what happened when a passkey was used (RFC 8176): a key was proved, by its user's finger, face or PIN. hwk is said of a passkey that stays in the device that made it, swk
// of one that can be copied to her other devices; neither is attested.
func amrOf(c passkey.Credential) []string {
	if c.Bound() {
		return []string{"pop", "user", "hwk"}
	}
	return []string{"pop", "user", "swk"}
}

// knows says whether the browser of a visit has completed a login of this customer before.
func (a *Authority) knows(ctx context.Context, v Visit, customerID string) bool {
	if v.Browser == "" {
		return false
	}
	_, err := a.Store.Reader().BrowserByHash(ctx, db.BrowserByHashParams{Hash: hashCookie(v.Browser), Customer: customerID})
	return err == nil
}

// holdPasskey takes a passkey out of use, and tells its owner.
func (d *deed) holdPasskey(ctx context.Context, row db.Passkey, why string) error {
	held, err := store.Once(d.HoldPasskey(ctx, row.ID))
	if err != nil || !held {
		return err
	}
	d.detail = map[string]string{"why": why}
	return errors.Join(d.also(ctx, audit.PasskeyHold, row.ID), d.incident(ctx, incident.Passkey, row.Owner, row.ID, map[string]string{"why": why, "source": d.by.Source, "device": d.by.Device}), d.tellAll(ctx, row.Owner, "passkey_held", map[string]string{"passkey": row.Name}))
}

// Passkeys are those of the customer, the oldest first.
func (a *Authority) Passkeys(ctx context.Context, s Session) ([]passkey.Passkey, error) {
	now, err := a.moment()
	if err != nil {
		return nil, err
	}
	rows, err := a.Store.Reader().PasskeysOf(ctx, db.PasskeysOfParams{Party: loginParty, Owner: s.Customer})
	out := make([]passkey.Passkey, len(rows))
	for i, r := range rows {
		out[i] = store.Passkey(r)
		out[i].State = out[i].ShownState(now)
	}
	return out, err
}

// PasskeyOptions gives what a browser needs to make a passkey, once the errand is proved: the options as JSON. A browser that fails, or whose user cancels, asks again.
func (a *Authority) PasskeyOptions(ctx context.Context, s Session, errand string) ([]byte, error) {
	row, err := a.ownErrand(ctx, a.Store.Reader(), s, errand)
	if err != nil {
		return nil, err
	}
	now, err := a.moment()
	if err != nil {
		return nil, err
	}
	state, err := a.errandState(ctx, a.Store.Reader(), row, now)
	if err != nil {
		return nil, err
	}
	if row.Act != string(AddPasskey) || state != "approved" {
		return nil, problem.New(problem.ApprovalNeeded)
	}
	c, err := a.Store.Reader().CustomerByID(ctx, s.Customer)
	if err != nil {
		return nil, err
	}
	have, err := a.Passkeys(ctx, s)
	if err != nil {
		return nil, err
	}
	credentials := make([]passkey.Credential, len(have))
	for i, p := range have {
		credentials[i] = p.Credential
	}
	challenge, err := a.begin(ctx, toRegister, s.Customer, s.hash, errand)
	if err != nil {
		return nil, err
	}
	return a.party.CreationOptions(challenge, passkey.User{Handle: c.Handle, Name: c.LoginID, Shown: c.Name}, credentials)
}

// AddPasskey takes the passkey that the browser has made. The errand is used up, the passkey is there, and every address is told, in one write; sent again because the answer was lost, the
// same passkey is taken for what it is.
func (a *Authority) AddPasskey(ctx context.Context, s Session, errand, name string, response []byte) (passkey.Passkey, error) {
	refuse := func(cause error) (passkey.Passkey, error) {
		return passkey.Passkey{}, a.refusedPasskey(ctx, s.Actor(), audit.PasskeyRegister, s.Customer, "", cause)
	}
	made, err := passkey.ReadCreated(response)
	if err != nil {
		return refuse(err)
	}
	ceremony, err := a.take(ctx, toRegister, s.hash, made.Challenge)
	if problem.KindOf(err) == problem.PasskeyRefused {
		if p, again := a.addedBefore(ctx, s, errand); again {
			return p, nil
		}
		return refuse(nil)
	}
	if err != nil {
		return passkey.Passkey{}, err
	}
	if ceremony.Owner != s.Customer || ceremony.Object != errand {
		return refuse(nil)
	}
	credential, err := a.party.Register(made.Challenge, made)
	if err != nil {
		return refuse(err)
	}
	var p passkey.Passkey
	err = a.do(ctx, s.Actor(), audit.PasskeyRegister, func(ctx context.Context, d *deed) error {
		row, err := d.errand(ctx, s, errand)
		if err != nil {
			return err
		}
		if err := d.unfrozen(ctx, Registrations); err != nil {
			return err
		}
		if err := d.spend(ctx, row, AddPasskey, ""); err != nil {
			return err
		}
		have, err := d.PasskeysOf(ctx, db.PasskeysOfParams{Party: loginParty, Owner: s.Customer})
		if err != nil {
			return err
		}
		if len(have) >= a.Rules().Passkeys {
			return problem.New(problem.PasskeysUsedUp, "limit", a.Rules().Passkeys)
		}
		p = passkey.Passkey{ID: a.newID(ident.Passkey, d.now), Owner: s.Customer, Name: passkeyName(name, s.Device), State: passkey.Active, Usable: d.now, Credential: credential, Registered: d.now, Device: s.Device}
		topic := "passkey_registered"
		if row.Txn == "" {
			p.State, p.Usable, topic = passkey.Resting, d.now.Add(a.Rules().CoolingOff), "passkey_resting"
		}
		d.object = p.ID
		d.detail = map[string]string{"errand": row.ID}
		fresh, err := store.Once(d.InsertPasskey(ctx, store.NewPasskey(p, loginParty, row.ID)))
		if err != nil {
			return err
		}
		if !fresh { // registered already, perhaps by somebody else (section 7.1, step 26)
			return problem.New(problem.PasskeyRefused)
		}
		return errors.Join(d.cool(ctx, s.Customer, PasskeyAdded, p.ID, row.Txn != ""), d.tellObject(ctx, s.Customer, topic, p.ID, map[string]string{"passkey": p.Name, "usable": p.Usable.UTC().Format(time.RFC3339)}))
	})
	if err == nil {
		a.tellErrand(ctx, errand)
	}
	return p, err
}

// tellErrand lets the phone and the page know that an errand has moved.
func (a *Authority) tellErrand(ctx context.Context, id string) {
	if row, err := a.Store.Reader().ErrandByID(ctx, id); err == nil && row.Txn != "" {
		a.tell(row.Txn, row.Customer)
	}
}

// addedBefore finds the passkey that an errand has led to already.
func (a *Authority) addedBefore(ctx context.Context, s Session, errand string) (passkey.Passkey, bool) {
	rows, err := a.Store.Reader().PasskeysOf(ctx, db.PasskeysOfParams{Party: loginParty, Owner: s.Customer})
	if err != nil || errand == "" {
		return passkey.Passkey{}, false
	}
	for _, r := range rows {
		if r.Errand == errand {
			return store.Passkey(r), true
		}
	}
	return passkey.Passkey{}, false
}

// nameLength is how many characters the name of a passkey may have.
const nameLength = 40

// passkeyName is the customer's own word, without what could disturb a page or a mail; or the device's.
func passkeyName(name, device string) string {
	name = strings.Join(strings.Fields(norm.NFC.String(strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r <= 0x9f || r == utf8.RuneError || r >= 0x200b && r <= 0x200f || r >= 0x2028 && r <= 0x202e || r >= 0x2060 && r <= 0x206f || r == 0xfeff {
			return ' '
		}
		return r
	}, name))), " ")
	if r := []rune(name); len(r) > nameLength {
		name = string(r[:nameLength])
	}
	if name == "" {
		return device
	}
	return name
}

// RenamePasskey gives a passkey another name.
func (a *Authority) RenamePasskey(ctx context.Context, s Session, id, name string) error {
	return a.do(ctx, s.Actor(), audit.PasskeyRename, func(ctx context.Context, d *deed) error {
		d.on(s.Customer, "")
		p, err := d.ownPasskey(ctx, s.Customer, id)
		if err != nil {
			return err
		}
		d.object = id
		next := passkeyName(name, p.RegisteredDevice)
		if next == p.Name { // a second click
			return nil
		}
		if err := store.Must(d.Queries.RenamePasskey(ctx, db.RenamePasskeyParams{ID: id, Owner: s.Customer, Name: next})); err != nil {
			return err
		}
		// A name that misleads would be believed when something is to be removed.
		return d.tellObject(ctx, s.Customer, "passkey_renamed", id, map[string]string{"passkey": next, "before": p.Name})
	})
}

// RemovePasskey ends a passkey. A session that came by a passkey may; any other needs the token app's approval, where there is a token that could give it. One who has no
// token has her passwords asked for instead.
func (a *Authority) RemovePasskey(ctx context.Context, s Session, id, errand string, confirm []byte) error {
	if !s.Full {
		return problem.New(problem.StepUp)
	}
	c, err := a.customer(ctx, s.Customer)
	if err != nil {
		return err
	}
	byPassword := false
	if !s.PhishingResistant() && errand == "" {
		if _, err := a.Store.Reader().CurrentToken(ctx, c.ID); !errors.Is(err, store.ErrNone) {
			return errors.Join(err, problem.New(problem.ApprovalNeeded))
		}
		if err := a.checkPassword(ctx, s.Actor(), audit.PasskeyRemove, c, confirmPassword, confirm); err != nil {
			return err
		}
		byPassword = true
	}
	err = a.do(ctx, s.Actor(), audit.PasskeyRemove, func(ctx context.Context, d *deed) error {
		d.on(s.Customer, "")
		p, err := d.ownPasskey(ctx, s.Customer, id)
		if err != nil {
			return err
		}
		d.object = id
		switch {
		case errand != "":
			row, err := d.errand(ctx, s, errand)
			if err != nil {
				return err
			}
			if err := d.spend(ctx, row, RemovePasskey, id); err != nil {
				return err
			}
			d.object = id
		case byPassword:
			if inUse, err := d.tokenInUse(ctx, c.ID); err != nil || inUse {
				return orKind(err, problem.ApprovalNeeded)
			}
		}
		if err := store.Must(d.Queries.RemovePasskey(ctx, db.RemovePasskeyParams{ID: id, Owner: s.Customer, EndedAt: store.Micros(d.now)})); err != nil {
			return err
		}
		// Whoever is inside by the passkey that is removed, because the device was lost, is out with it.
		return errors.Join(d.endOthers(ctx, s.Customer, s.hash, s.Chain), d.cool(ctx, s.Customer, PasskeyRemoved, id, errand != ""), d.tellObject(ctx, s.Customer, "passkey_removed", id, map[string]string{"passkey": p.Name}))
	})
	if err == nil {
		a.tellErrand(ctx, errand)
	}
	return err
}

// ownPasskey finds a passkey of the customer.
func (d *deed) ownPasskey(ctx context.Context, customerID, id string) (db.Passkey, error) {
	if ident.Check(ident.Passkey, id) != nil {
		return db.Passkey{}, problem.New(problem.NotFound)
	}
	p, err := d.PasskeyByID(ctx, id)
	if errors.Is(err, store.ErrNone) || err == nil && (p.Owner != customerID || p.Party != loginParty || p.State == string(passkey.Removed)) {
		return db.Passkey{}, problem.New(problem.NotFound)
	}
	return p, err
}

// hasToken says whether the customer has a token in use, for the rule that a smartphone needs one (M-03).
func (a *Authority) hasToken(ctx context.Context, customerID string) (bool, error) {
	row, err := a.Store.Reader().CurrentToken(ctx, customerID)
	if errors.Is(err, store.ErrNone) {
		return false, nil
	}
	return err == nil && owes(token.State(row.State)), err
}
