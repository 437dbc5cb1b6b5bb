package authority

import (
	"context"
	"encoding/base64"
	"errors"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/customer"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/incident"
	"github.com/inkan-auth/inkan/internal/domain/passkey"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/signing"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// appParty is the party of the token app, as passkeys name it. Its passkeys log nobody in: they confirm what a token's own key has signed.
const appParty = "token"

// toVerify is what the token app's challenges are given for.
const toVerify ceremonyKind = "token_register"

// Verifier is the passkey by which a token's user confirms her approvals, as her token is told of it.
type Verifier struct {
	Credential []byte
	State      passkey.State
	Since      time.Time
	Usable     time.Time // from when on; later than now where it waits to take the place of another
}

// verifiers are those of a token that have not ended: the one in force first, then one that waits to take its place.
func verifiers(rows []db.VerifiersOfRow, inForce string, now time.Time) []Verifier {
	var out []Verifier
	for _, r := range rows {
		p := store.Passkey(r.Passkey)
		v := Verifier{Credential: p.Credential.ID, State: p.ShownState(now), Since: p.Registered, Usable: p.Usable}
		if p.ID == inForce {
			out = append([]Verifier{v}, out...)
		} else {
			out = append(out, v)
		}
	}
	return out
}

// VerifierOptions gives the token app what it needs to have a passkey made: the options as JSON.
func (a *Authority) VerifierOptions(ctx context.Context, p Proof) ([]byte, error) {
	row, now, err := a.prove(ctx, p)
	if err != nil {
		return nil, err
	}
	if refusal := unfit(store.Token(row), now); refusal != nil {
		return nil, refusal
	}
	c, err := a.Store.Reader().CustomerByID(ctx, row.Customer)
	if err != nil {
		return nil, err
	}
	have, err := a.Store.Reader().VerifiersOf(ctx, row.ID)
	if err != nil {
		return nil, err
	}
	var live []passkey.Credential
	for _, v := range have {
		if v.Passkey.State == string(passkey.Active) { // one that has been stopped may be made anew on the same phone
			live = append(live, store.Passkey(v.Passkey).Credential)
		}
	}
	challenge, err := a.begin(ctx, toVerify, row.ID, row.SigningKey, "")
	if err != nil {
		return nil, err
	}
	// A handle of its own each time: an authenticator that has one passkey for each handle would destroy the one in force before the new one has been taken.
	return a.app.CreationOptions(challenge, passkey.User{Handle: a.random(passkey.HandleBytes), Name: a.contract(c).Account, Shown: a.Bank.NameJA}, live)
}

// SetVerifier takes the passkey that the token's phone has made, with the device's signed word that it is its own. The first one counts at once. One that takes the place of
// another counts at once where that other has confirmed it; otherwise whoever holds the unlocked phone could put his own finger there, so it waits until every address has been told
// and her time to object is over. While registrations are frozen none is taken: a thief's finger is as new as his phone. The same request again is answered the same.
func (a *Authority) SetVerifier(ctx context.Context, p Proof, word string, created []byte, assertion string) (Verifier, error) {
	row, now, err := a.prove(ctx, p)
	if err != nil {
		return Verifier{}, err
	}
	by := tokenActor(row, p)
	refuse := func(cause error) (Verifier, error) {
		return Verifier{}, a.refusedPasskey(ctx, by, audit.VerifierSet, row.Customer, row.ID, cause)
	}
	v, envelope, err := signing.ParseVerifier(word)
	if err != nil || !a.saidNow(row, v, envelope, now) {
		return refuse(err)
	}
	made, err := passkey.ReadCreated(created)
	if err != nil {
		return refuse(err)
	}
	ceremony, err := a.take(ctx, toVerify, row.SigningKey, made.Challenge)
	if problem.KindOf(err) == problem.PasskeyRefused {
		if before, again := a.setBefore(ctx, row.ID, word, now); again {
			return before, nil
		}
		return refuse(nil)
	}
	if err != nil {
		return Verifier{}, err
	}
	credential, err := a.app.Register(made.Challenge, made)
	if err != nil {
		return refuse(err)
	}
	point, ok := credential.P256()
	if ceremony.Owner != row.ID || !ok || signing.JWK(point) != v.Key || v.Credential != base64.RawURLEncoding.EncodeToString(credential.ID) {
		return refuse(nil)
	}
	var out Verifier
	err = a.do(ctx, by, audit.VerifierSet, func(ctx context.Context, d *deed) error {
		d.on(row.Customer, row.ID)
		t, err := d.TokenByID(ctx, row.ID)
		if err != nil {
			return err
		}
		if refusal := unfit(store.Token(t), d.now); refusal != nil {
			return refusal
		}
		c, err := d.CustomerByID(ctx, t.Customer)
		if err != nil {
			return err
		}
		if c.State != string(customer.Active) { // she, or somebody who read her mail, has just said that something was not her doing
			return problem.New(problem.ServiceStopped)
		}
		if err := d.unfrozen(ctx, Registrations); err != nil {
			return err
		}
		k := passkey.Passkey{ID: d.a.newID(ident.Passkey, d.now), Owner: t.ID, Name: t.Platform, State: passkey.Active, Usable: d.now, Credential: credential, Registered: d.now, Device: t.Platform}
		topic := "verifier_set"
		switch {
		case t.Verifier == "":
		case assertion != "":
			topic = "verifier_replaced"
			if err := d.confirmedBy(ctx, t, word, assertion); err != nil || d.kept != nil {
				return err
			}
		default:
			topic = "verifier_resting"
			k.State, k.Usable = passkey.Resting, d.now.Add(a.Rules().CoolingOff)
		}
		d.object = k.ID
		stays := "" // of those that the token has
		if k.State == passkey.Resting {
			stays = t.Verifier
		} else if err := store.Must(d.Queries.SetVerifier(ctx, db.SetVerifierParams{ID: t.ID, Verifier: k.ID, Verifier_2: t.Verifier})); err != nil {
			return err
		}
		if err := d.RemoveVerifiers(ctx, db.RemoveVerifiersParams{Owner: t.ID, ID: stays, EndedAt: store.Micros(d.now)}); err != nil {
			return err
		}
		fresh, err := store.Once(d.InsertPasskey(ctx, store.NewPasskey(k, appParty, "")))
		if err != nil {
			return err
		}
		if !fresh {
			return problem.New(problem.PasskeyRefused)
		}
		out = Verifier{credential.ID, k.State, k.Registered, k.Usable}
		return errors.Join(d.InsertVerifier(ctx, db.InsertVerifierParams{Passkey: k.ID, Envelope: word}),
			d.tellObject(ctx, t.Customer, topic, k.ID, map[string]string{"usable": k.Usable.UTC().Format(time.RFC3339)}))
	})
	return out, err
}

// saidNow says whether a device has signed a word about a passkey of its own just now.
func (a *Authority) saidNow(row db.Token, v signing.Verifier, envelope *signing.Envelope, now time.Time) bool {
	return v.Token == row.ID && envelope.Verify(signing.JWK(row.SigningKey)) == nil && v.Time.Sub(now).Abs() <= a.Rules().ProofSkew
}

// setBefore finds the passkey that the same request has led to already.
func (a *Authority) setBefore(ctx context.Context, tokenID, word string, now time.Time) (Verifier, bool) {
	rows, err := a.Store.Reader().VerifiersOf(ctx, tokenID)
	if err != nil {
		return Verifier{}, false
	}
	for _, r := range rows {
		if r.Envelope == word {
			return verifiers([]db.VerifiersOfRow{r}, "", now)[0], true
		}
	}
	return Verifier{}, false
}

// RemoveVerifier ends the user verification of a token. It takes an assertion of the very passkey that is removed: whoever cannot give it registers another one and waits.
func (a *Authority) RemoveVerifier(ctx context.Context, p Proof, word, assertion string) error {
	row, now, err := a.prove(ctx, p)
	if err != nil {
		return err
	}
	by := tokenActor(row, p)
	v, envelope, err := signing.ParseVerifierRemoval(word)
	if err != nil || !a.saidNow(row, v, envelope, now) {
		return a.refusedPasskey(ctx, by, audit.VerifierRemove, row.Customer, row.ID, err)
	}
	return a.do(ctx, by, audit.VerifierRemove, func(ctx context.Context, d *deed) error {
		d.on(row.Customer, row.ID)
		t, err := d.TokenByID(ctx, row.ID)
		if err != nil {
			return err
		}
		if refusal := unfit(store.Token(t), d.now); refusal != nil {
			return refusal
		}
		if t.Verifier == "" { // the same request again, or nothing to remove
			return nil
		}
		if err := d.confirmedBy(ctx, t, word, assertion); err != nil || d.kept != nil {
			return err
		}
		d.object = t.Verifier
		return errors.Join(store.Must(d.Queries.SetVerifier(ctx, db.SetVerifierParams{ID: t.ID, Verifier: "", Verifier_2: t.Verifier})),
			d.RemoveVerifiers(ctx, db.RemoveVerifiersParams{Owner: t.ID, EndedAt: store.Micros(d.now)}),
			d.tellObject(ctx, t.Customer, "verifier_removed", t.Verifier, nil))
	})
}

// confirmedBy uses an assertion of a passkey of a token over an envelope of its token, or refuses the deed.
func (d *deed) confirmedBy(ctx context.Context, t db.Token, envelope, assertion string) error {
	use, err := d.a.assertion(ctx, d.Queries, t.ID, envelope, assertion, d.now)
	if err != nil {
		return err
	}
	if use.row.ID != t.Verifier {
		return problem.New(problem.PasskeyRefused)
	}
	return d.useVerifier(ctx, t.Customer, use)
}

// confirmation is an assertion that holds, and the passkey that gave it.
type confirmation struct {
	row     db.Passkey
	counter uint32
}

// assertion reads and verifies an assertion of a token's own passkey over an envelope. What does not hold is refused alike, but that a passkey has been stopped is said: its
// owner can do something about it.
func (a *Authority) assertion(ctx context.Context, q *db.Queries, tokenID, envelope, compact string, now time.Time) (confirmation, error) {
	refused := problem.New(problem.PasskeyRefused)
	said, err := signing.ParseAssertion(compact)
	if err != nil {
		return confirmation{}, refused
	}
	id, err := signing.FromBase64(said.Credential)
	if err != nil {
		return confirmation{}, refused
	}
	r, err := q.VerifierByCredential(ctx, id)
	if errors.Is(err, store.ErrNone) {
		return confirmation{}, refused
	}
	if err != nil {
		return confirmation{}, err
	}
	v, _, err := signing.ParseVerifier(r.Envelope)
	if err != nil {
		return confirmation{}, err
	}
	if r.Passkey.Owner != tokenID || said.BackupEligible != r.Passkey.BackupEligible || said.Verify(envelope, a.Bank.TokenOrigin, v.Key) != nil {
		return confirmation{}, refused
	}
	switch store.Passkey(r.Passkey).ShownState(now) {
	case passkey.Active:
		return confirmation{r.Passkey, said.Counter}, nil
	case passkey.Held:
		return confirmation{}, problem.New(problem.PasskeyHeld)
	}
	return confirmation{}, refused
}

// wordOf is a device's word about the passkey that gave an assertion.
func (a *Authority) wordOf(ctx context.Context, assertion string) (string, error) {
	said, err := signing.ParseAssertion(assertion)
	if err != nil {
		return "", err
	}
	id, err := signing.FromBase64(said.Credential)
	if err != nil {
		return "", err
	}
	r, err := a.Store.Reader().VerifierByCredential(ctx, id)
	return r.Envelope, err
}

// takesPlace makes a passkey that has waited long enough the one by which a token's user confirms her approvals, and ends the one before.
func (d *deed) takesPlace(ctx context.Context, tokenID, id string) error {
	t, err := d.TokenByID(ctx, tokenID)
	if err != nil || t.Verifier == id {
		return err
	}
	return errors.Join(store.Must(d.Queries.SetVerifier(ctx, db.SetVerifierParams{ID: tokenID, Verifier: id, Verifier_2: t.Verifier})),
		d.RemoveVerifiers(ctx, db.RemoveVerifiersParams{Owner: tokenID, ID: id, EndedAt: store.Micros(d.now)}))
}

// countConfirmation uses up what a choice was confirmed with. The same decision again brings the same counter, and is no second use.
func (d *deed) countConfirmation(ctx context.Context, c *choice) error {
	if c.confirmed == nil {
		return nil
	}
	used, err := d.countVerifier(ctx, *c.confirmed)
	if err != nil || used {
		return err
	}
	row, err := d.TxnByID(ctx, c.asked.Txn)
	if err != nil || row.Decision == c.decision.Hash || stateOf(row, d.now) != transaction.Pending {
		return err
	}
	return d.holdVerifier(ctx, c.asked.Customer, c.confirmed.row.ID)
}

// countVerifier writes down that a passkey was used, and says whether it may be: it is in force, and its counter has grown if it counts.
func (d *deed) countVerifier(ctx context.Context, use confirmation) (bool, error) {
	return store.Once(d.UsePasskey(ctx, db.UsePasskeyParams{ID: use.row.ID, Counter: int64(use.counter), BackedUp: use.row.BackedUp, UsedAt: store.Micros(d.now), UsedDevice: d.by.Device}))
}

// useVerifier uses a passkey, or stops it and refuses the deed.
func (d *deed) useVerifier(ctx context.Context, customerID string, use confirmation) error {
	used, err := d.countVerifier(ctx, use)
	if err != nil || used {
		return err
	}
	return d.holdVerifier(ctx, customerID, use.row.ID)
}

// holdVerifier stops a passkey whose counter has not grown, because there are two of it: its owner is told, and the deed is refused.
func (d *deed) holdVerifier(ctx context.Context, customerID, id string) error {
	held, err := store.Once(d.HoldPasskey(ctx, id))
	if err != nil {
		return err
	}
	if held {
		if err := errors.Join(d.also(ctx, audit.VerifierHold, id), d.incident(ctx, incident.Passkey, customerID, id, map[string]string{"why": "counter", "source": d.by.Source, "device": d.by.Device}), d.tellObject(ctx, customerID, "verifier_held", id, nil)); err != nil {
			return err
		}
	}
	return d.refuse(problem.New(problem.PasskeyHeld))
}

// verifiersOf are the passkeys of a token, for its own eyes.
func (a *Authority) verifiersOf(ctx context.Context, row db.Token, now time.Time) ([]Verifier, error) {
	if row.Verifier == "" || store.Token(row).ShownState(now) != token.Active {
		return nil, nil
	}
	rows, err := a.Store.Reader().VerifiersOf(ctx, row.ID)
	return verifiers(rows, row.Verifier, now), err
}
