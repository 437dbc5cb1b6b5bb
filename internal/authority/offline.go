package authority

import (
	"context"
	"crypto/subtle"
	"errors"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/otp"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/signing"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// ConfirmOffline takes the eight digits that a phone without a network shows for a transaction. A try is counted before the code is looked at; three for a transaction, ten in
// a day for a customer.
func (a *Authority) ConfirmOffline(ctx context.Context, by audit.Actor, id, code string) (out Transaction, err error) {
	var row db.Txn
	err = a.do(ctx, by, audit.TransactionOffline, func(ctx context.Context, d *deed) error {
		var err error
		if row, err = own(ctx, d.Queries, by, id); err != nil {
			return err
		}
		d.on(row.Customer, id)
		if s := stateOf(row, d.now); s != transaction.Pending {
			if s == transaction.Approved && row.Grade == string(transaction.GradeB) { // the answer was lost; the code was right
				return nil
			}
			return decided(s)
		}
		if err := d.unfrozen(ctx, Transfers); err != nil {
			return err
		}
		b, err := a.bundle(ctx, d.Queries, row.Bundle)
		if err != nil {
			return err
		}
		if t, known := b.Template(row.Template); !known || !transaction.NoVerification.Covers(t.Verification) {
			return problem.New(problem.OfflineUnfit)
		}
		bucket := "offline " + row.Customer
		day := store.Micros(d.now.Add(-24 * time.Hour))
		if spent, err := d.ThrottleOf(ctx, bucket); err == nil && spent.StartedAt > day && int(spent.Count) >= a.Rules().OfflineTriesPerDay {
			return problem.New(problem.OfflineBlocked)
		} else if err != nil && !errors.Is(err, store.ErrNone) {
			return err
		}
		n, err := d.CountOfflineTry(ctx, db.CountOfflineTryParams{ID: id, Now: store.Micros(d.now), Tries: int64(a.Rules().OfflineTries)})
		if errors.Is(err, store.ErrNone) {
			return problem.New(problem.OfflineBlocked)
		}
		if err != nil {
			return err
		}
		spent, err := d.CountThrottle(ctx, db.CountThrottleParams{Bucket: bucket, StartedAt: store.Micros(d.now), Stale: day})
		if err != nil {
			return err
		}
		tok, err := d.LiveToken(ctx, row.Customer)
		if errors.Is(err, store.ErrNone) {
			return problem.New(problem.TokenNone)
		}
		if err != nil {
			return err
		}
		right, err := a.offlineCode(tok, row, code)
		if err != nil {
			return err
		}
		if !right || int(spent.Count) > a.Rules().OfflineTriesPerDay {
			left := min(a.Rules().OfflineTries-int(n), a.Rules().OfflineTriesPerDay-int(spent.Count))
			if left <= 0 {
				return d.refuse(problem.New(problem.OfflineBlocked))
			}
			return d.refuse(problem.New(problem.OfflineWrong, "tries_left", left))
		}
		word, err := transaction.MakeOffline(transaction.Offline{Transaction: id, Document: row.DocumentHash, Token: tok.ID, Time: d.now}, a.Keys.Issuer().Kid, a.Keys.SignIssuer)
		if err != nil {
			return err
		}
		did, err := store.Once(d.ConfirmTxnOffline(ctx, db.ConfirmTxnOfflineParams{ID: id, Token: tok.ID, Offline: signing.Hash(word), Now: store.Micros(d.now), ApprovedUntil: store.Micros(d.now.Add(a.Rules().ApprovalLife))}))
		if err != nil {
			return err
		}
		if !did {
			return store.ErrConflict
		}
		d.detail = map[string]string{"grade": string(transaction.GradeB)}
		return errors.Join(d.InsertEnvelope(ctx, db.InsertEnvelopeParams{Txn: id, Kind: offlineEnvelope, Envelope: word}), d.ForgetThrottle(ctx, bucket), d.event(ctx, row, transaction.Approved), d.answeredWake(ctx, row.Customer),
			d.tellApproved(ctx, approval{row.Customer, row.ID, row.Client, row.Template}))
	})
	if err != nil {
		return out, err
	}
	a.tell(row.ID, row.Customer)
	return a.ReadTransaction(ctx, by, id)
}

// offlineCode compares a code with the one that the token's OCRA key gives for the document.
func (a *Authority) offlineCode(t db.Token, row db.Txn, code string) (bool, error) {
	key, err := a.Keys.Open("token.ocra_key", tokenPlace("ocra_key", store.Token(t)), t.OcraKey)
	if err != nil {
		return false, err
	}
	want := otp.OCRA(key, transaction.Document{Hash: row.DocumentHash}.Sum())
	return subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1, nil
}
