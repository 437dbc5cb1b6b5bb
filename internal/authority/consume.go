package authority

import (
	"context"
	"errors"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/incident"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/signing"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// ConsumeTransaction gives the bank's executor the permit for what was approved, if that is exactly what it is about to carry out: once, and the same permit again to the
// same request. Anything else is refused and raises an alarm, because then somebody has altered an order between the approval and here.
func (a *Authority) ConsumeTransaction(ctx context.Context, by audit.Actor, id string, e Execution) (out Transaction, err error) {
	if !keyForm.MatchString(e.Request) {
		return out, problem.New(problem.Malformed, "field", "request")
	}
	var row db.Txn
	err = a.do(ctx, by, audit.TransactionConsume, func(ctx context.Context, d *deed) error {
		var err error
		if row, err = own(ctx, d.Queries, by, id); err != nil {
			return err
		}
		d.on(row.Customer, id)
		t, err := a.transactionOf(ctx, d.Queries, row, d.now)
		if err != nil {
			return err
		}
		if differs := a.differs(t, e); differs != "" {
			d.detail = map[string]string{"field": differs, "state": string(t.State)}
			return errors.Join(d.also(ctx, audit.TransactionAlarm, id), d.incident(ctx, incident.Altered, row.Customer, id, map[string]string{"field": differs, "state": string(t.State)}), d.refuse(problem.New(problem.PermitMismatch, "field", differs)))
		}
		switch t.State {
		case transaction.Approved:
		case transaction.Consumed:
			if row.Request == e.Request {
				return nil
			}
			return problem.New(problem.TransactionConsumed)
		case transaction.Lapsed:
			return problem.New(problem.TransactionLapsed)
		default:
			return problem.New(problem.TransactionNotApproved, "state", string(t.State))
		}
		if err := d.unfrozen(ctx, Transfers); err != nil { // its approval lives on, and may be carried out when it is over
			return err
		}
		d.detail = map[string]string{"grade": string(t.Grade)}
		return d.consume(ctx, row, t, e.Request)
	})
	if err != nil {
		return out, err
	}
	a.tell(row.ID, row.Customer)
	return a.ReadTransaction(ctx, by, id)
}

// consume gives the permit for a transaction that is approved, once.
func (d *deed) consume(ctx context.Context, row db.Txn, t Transaction, request string) error {
	changes, err := coolingOf(ctx, d.Queries, row.Customer, d.now)
	if err != nil {
		return err
	}
	permit, err := transaction.MakePermit(transaction.Permit{Transaction: row.ID, Document: row.DocumentHash, Decision: row.Decision, Grade: t.Grade, Audience: row.Client, Customer: t.Customer,
		Order: transaction.Order{Template: t.Document.Template, Currency: t.Document.Currency, Fields: t.Document.Fields}, Request: request, Time: d.now, CoolingOff: permitted(changes)}, d.a.Keys.Issuer().Kid, d.a.Keys.SignIssuer)
	if err != nil {
		return err
	}
	did, err := store.Once(d.ConsumeTxn(ctx, db.ConsumeTxnParams{ID: row.ID, Request: request, Permit: signing.Hash(permit), Now: store.Micros(d.now)}))
	if err != nil {
		return err
	}
	if !did { // between reading and writing it was withdrawn, carried out or stopped: look again, and say which
		return store.ErrConflict
	}
	return d.InsertEnvelope(ctx, db.InsertEnvelopeParams{Txn: row.ID, Kind: permitEnvelope, Envelope: permit})
}

// differs names what an execution has otherwise than the document that was approved.
func (a *Authority) differs(t Transaction, e Execution) string {
	if e.Ref != t.Customer {
		return "customer"
	}
	b, ok := a.bundles.Load(t.bundle)
	if !ok {
		return "template"
	}
	tmpl, ok := b.(*transaction.Bundle).Template(e.Template)
	if !ok {
		return "template"
	}
	fields, err := b.(*transaction.Bundle).Arrange(tmpl, e.Fields)
	if err != nil {
		var f *transaction.FieldError
		if errors.As(err, &f) {
			return f.Field
		}
		return "fields"
	}
	shown := transaction.Order{Template: t.Document.Template, Currency: t.Document.Currency, Fields: t.Document.Fields}
	return shown.Differs(transaction.Order{Template: e.Template, Currency: e.Currency, Fields: fields})
}

// Evidence is the file that proves, without us, what the customer saw and answered. A transaction that nobody answered has evidence of the offer alone.
func (a *Authority) Evidence(ctx context.Context, by audit.Actor, id string) (transaction.Evidence, error) {
	row, err := own(ctx, a.Store.Reader(), by, id)
	if err != nil {
		return transaction.Evidence{}, err
	}
	return a.evidenceOf(ctx, row)
}

// evidenceOf is the evidence of a transaction, whoever asks for it.
func (a *Authority) evidenceOf(ctx context.Context, row db.Txn) (transaction.Evidence, error) {
	b, err := a.bundle(ctx, a.Store.Reader(), row.Bundle)
	if err != nil {
		return transaction.Evidence{}, err
	}
	envelopes, err := a.Store.Reader().EnvelopesOf(ctx, row.ID)
	if err != nil {
		return transaction.Evidence{}, err
	}
	named := map[string]string{offerEnvelope: row.Offer, decisionEnvelope: row.Decision, assertionEnvelope: row.Decision, offlineEnvelope: row.Offline, permitEnvelope: row.Permit}
	kept := map[string]string{}
	for _, e := range envelopes {
		if named[e.Kind] != "" { // what came after the row was read belongs to a later state
			kept[e.Kind] = e.Envelope
		}
	}
	word, err := a.issuerWord(ctx, a.Store.Reader(), kept[offerEnvelope])
	if err != nil {
		return transaction.Evidence{}, err
	}
	e := transaction.Evidence{Version: "1", Offer: kept[offerEnvelope], Decision: kept[decisionEnvelope], Assertion: kept[assertionEnvelope], Offline: kept[offlineEnvelope], Permit: kept[permitEnvelope],
		IssuerKey: word, Templates: b.Envelope, DeviceKey: map[string]string{}}
	if row.Token == "" {
		return e, nil
	}
	keys, err := a.deviceKeys(ctx, row.Token)
	if err != nil {
		return e, err
	}
	signer := keys[0] // of an offline code, which is nobody's signature, the one in use then
	for _, k := range keys {
		if e.Decision == "" && k.since <= row.DecidedAt || e.Decision != "" && k.signed(signing.TypDecision, e.Decision) {
			signer = k
			break
		}
	}
	e.Certificate, e.DeviceKey = signer.certificate, signer.members()
	if e.CertificateIssuer, err = a.otherWord(ctx, e.Certificate, e.IssuerKey); err != nil {
		return e, err
	}
	if e.Assertion == "" {
		return e, nil
	}
	if e.Verifier, err = a.wordOf(ctx, e.Assertion); err != nil || signer.signed(signing.TypVerifier, e.Verifier) {
		return e, err
	}
	for _, k := range keys { // it was registered before the keys were renewed
		if k.signed(signing.TypVerifier, e.Verifier) {
			e.VerifierCertificate, e.VerifierKey = k.certificate, k.members()
			e.VerifierIssuer, err = a.otherWord(ctx, e.VerifierCertificate, e.IssuerKey)
			break
		}
	}
	return e, err
}

// deviceKey is the signing key of one generation of a token.
type deviceKey struct {
	key         signing.JWK
	certificate string
	since       int64
}

// deviceKeys are those of a token, the one in use first.
func (a *Authority) deviceKeys(ctx context.Context, tokenID string) ([]deviceKey, error) {
	t, err := a.Store.Reader().TokenByID(ctx, tokenID)
	if err != nil {
		return nil, err
	}
	before, err := a.Store.Reader().GenerationsOf(ctx, tokenID)
	keys := []deviceKey{{key: signing.JWK(t.SigningKey), certificate: t.Certificate}}
	for i, g := range before {
		keys[i].since = g.EndedAt
		keys = append(keys, deviceKey{key: signing.JWK(g.SigningKey), certificate: g.Certificate})
	}
	return keys, err
}

// signed says whether an envelope was signed with the key.
func (k deviceKey) signed(typ, envelope string) bool {
	_, err := signing.Open(typ, envelope, k.key)
	return err == nil
}

func (k deviceKey) members() map[string]string {
	out := map[string]string{}
	for n, v := range k.key.Object() {
		out[n], _ = v.(string) // a key's members are strings
	}
	return out
}

// otherWord is the root's word for the issuer key that signed a certificate, where that is another one than the evidence has already.
func (a *Authority) otherWord(ctx context.Context, certificate, have string) (string, error) {
	kid, err := signing.KidOf(certificate)
	if err != nil {
		return "", err
	}
	word, err := signing.ParseIssuerWord(have)
	if err != nil || word.Key.Thumbprint() == kid {
		return "", err
	}
	latest, err := a.issuerWordOf(ctx, certificate)
	if err != nil {
		return "", err
	}
	if word, err = signing.ParseIssuerWord(latest); err != nil {
		return "", err
	}
	c, err := signing.ParseCertificate(certificate, word.Key)
	if err != nil {
		return "", err
	}
	then, err := a.Store.Reader().IssuerKeyAt(ctx, db.IssuerKeyAtParams{Kid: kid, At: store.Micros(c.NotBefore), Latest: store.Micros(c.NotBefore.Add(signing.IssuerKeyLeeway))})
	if errors.Is(err, store.ErrNone) {
		return latest, nil
	}
	return then, err
}

// Reports are the transactions of this system of the bank that customers did not ask for (身に覚えがない), the newest first; before is the moment of the last one of the
// page before, or the zero time.
func (a *Authority) Reports(ctx context.Context, by audit.Actor, before time.Time) ([]Transaction, error) {
	now, err := a.moment()
	if err != nil {
		return nil, err
	}
	if before.IsZero() {
		before = now.Add(time.Second)
	}
	rows, err := a.Store.Reader().ReportedTxns(ctx, db.ReportedTxnsParams{Client: by.ID, DecidedAt: store.Micros(before)})
	if err != nil {
		return nil, err
	}
	out := make([]Transaction, len(rows))
	for i, row := range rows {
		if out[i], err = a.transactionOf(ctx, a.Store.Reader(), row, now); err != nil {
			return nil, err
		}
	}
	return out, nil
}
