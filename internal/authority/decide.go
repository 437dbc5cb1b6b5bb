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
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// Proof is a token's request as it came in, with the proof that the token made it (docs/protocol.md, Requests of a registered token).
type Proof struct {
	DPoP, Method, URL string
	Body              []byte
	Source            string // the network it came from, for the trail
}

// prove finds the token that made a request. A proof is good once, and whatever does not hold is refused alike.
func (a *Authority) prove(ctx context.Context, p Proof) (db.Token, time.Time, error) {
	row, use, now, err := a.read(ctx, p)
	if err == nil {
		err = a.useProof(ctx, use)
	}
	return row, now, err
}

// useProof uses up a proof in a write of its own, and refuses one that has been used.
func (a *Authority) useProof(ctx context.Context, use db.UseProofParams) error {
	fresh := false
	err := a.Store.Housekeep(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		fresh, err = store.Once(tx.UseProof(ctx, use))
		return err
	})
	if err == nil && !fresh {
		err = problem.New(problem.ProofRefused)
	}
	return err
}

// read finds the token that a proof is of. The proof has not been used up when it returns: whoever calls it uses it up in the write that the proof opens.
func (a *Authority) read(ctx context.Context, p Proof) (row db.Token, use db.UseProofParams, now time.Time, err error) {
	refused := problem.New(problem.ProofRefused)
	if now, err = a.moment(); err != nil {
		return row, use, now, err
	}
	claims, envelope, err := signing.ParseProof(p.DPoP)
	if err != nil || claims.Method != p.Method || claims.URL != p.URL || claims.Body != signing.BodyHash(p.Body) || claims.Time.Sub(now).Abs() > a.Policy.ProofSkew {
		return row, use, now, refused
	}
	row, err = a.Store.Reader().TokenByID(ctx, claims.Token)
	if errors.Is(err, store.ErrNone) {
		return db.Token{}, use, now, refused
	}
	if err != nil {
		return db.Token{}, use, now, err
	}
	if len(row.SigningKey) != len(signing.JWK{}) || envelope.Verify(signing.JWK(row.SigningKey)) != nil {
		return db.Token{}, use, now, refused
	}
	return row, db.UseProofParams{ID: hashCookie(claims.Token + "|" + claims.ID), ExpiresAt: store.Micros(now.Add(2 * a.Policy.ProofSkew))}, now, nil
}

// tokenActor is a token as the trail names it.
func tokenActor(row db.Token, p Proof) audit.Actor {
	return audit.Actor{Kind: audit.Token, ID: row.ID, Device: row.Platform, Source: p.Source}
}

// TokenTransaction is a transaction as the token sees it: the offer's bytes and nothing that could be shown instead of them.
type TokenTransaction struct {
	Offer    string
	State    transaction.State
	Decided  time.Time
	Language string
}

// TokenTransactions is what a token is told: what waits, what was, and by which templates it is shown.
type TokenTransactions struct {
	Now             time.Time
	Pending, Recent []TokenTransaction
	Bundle          *transaction.Bundle // of what is pending, or the one in use; nil where there is none
}

// recentTransactions is how many ended transactions a token is shown.
const recentTransactions = 20

// TransactionsOfToken lists what waits for the customer and what she has answered lately.
func (a *Authority) TransactionsOfToken(ctx context.Context, p Proof) (out TokenTransactions, err error) {
	row, now, err := a.prove(ctx, p)
	if err != nil {
		return out, err
	}
	out.Now, out.Bundle = now, a.templates
	if s := store.Token(row).ShownState(now); s != token.Active && s != token.Expired && s != token.Locked {
		return out, problem.New(problem.TokenNone)
	}
	rows, err := a.Store.Reader().TxnsOf(ctx, db.TxnsOfParams{Customer: row.Customer, CreatedAt: store.Micros(now) + 1, Limit: recentTransactions + 1})
	if err != nil {
		return out, err
	}
	for _, r := range rows {
		t := TokenTransaction{Offer: r.Offer, State: stateOf(r, now), Decided: store.Time(r.DecidedAt), Language: r.Language}
		switch {
		case t.State != transaction.Pending:
			out.Recent = append(out.Recent, t)
		case store.Token(row).ShownState(now) == token.Active:
			out.Pending = append(out.Pending, t)
			if out.Bundle, err = a.bundle(ctx, a.Store.Reader(), r.Bundle); err != nil {
				return out, err
			}
		}
	}
	return out, nil
}

// errRepeated says that a proof has been used before. It is no refusal of the deed that it comes from: a request that is sent again leaves no second trace.
var errRepeated = errors.New("a proof that has been used")

// Decide takes the customer's signed answer. One statement moves the transaction if it is pending, in time, hers, and her token is active; the same
// envelope again is answered the same, a different one comes too late. The proof is used up in the same write: one commit for an approval instead of two.
func (a *Authority) Decide(ctx context.Context, p Proof, compact string) (state transaction.State, now time.Time, err error) {
	signer, use, now, err := a.read(ctx, p)
	if err != nil {
		return "", now, err
	}
	decision, envelope, err := transaction.ParseDecision(compact)
	if err != nil || decision.Token != signer.ID || envelope.Verify(signing.JWK(signer.SigningKey)) != nil {
		if err := a.useProof(ctx, use); err != nil {
			return "", now, err
		}
		return "", now, problem.New(problem.DecisionRefused)
	}
	// What was offered never changes. It is compared before the write, because others wait while one writes.
	row, template, offered := a.offered(ctx, signer.Customer, decision)
	// The same decision again, because the answer was lost, changes nothing and is no second act of hers.
	if row.Decision == compact {
		return answered(decision.Answer), now, a.useProof(ctx, use)
	}
	err = a.do(ctx, tokenActor(signer, p), audit.TransactionDecide, func(ctx context.Context, d *deed) error {
		d.on(signer.Customer, row.ID)
		fresh, err := store.Once(d.UseProof(ctx, use))
		if err != nil {
			return err
		}
		if !fresh {
			return errRepeated
		}
		if problem.KindOf(offered) != "" {
			return d.refuse(offered) // and keep that the proof is used
		}
		if offered != nil {
			return offered
		}
		d.detail = map[string]string{"answer": string(decision.Answer), "reason": decision.Reason, "template": template}
		at := row
		if transaction.State(row.State) != transaction.Pending { // what has been answered may still have changed since it was read
			if at, err = d.TxnByID(ctx, row.ID); err != nil {
				return err
			}
		}
		state, err = d.decide(ctx, at, store.Token(signer), decision, compact)
		return err
	})
	switch {
	case errors.Is(err, errRepeated):
		return "", now, problem.New(problem.ProofRefused)
	case err != nil: // what was undone took the use of the proof with it
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
		defer cancel()
		if used := a.useProof(ctx, use); used != nil && problem.KindOf(used) != problem.ProofRefused {
			return "", now, used
		}
		return state, now, err
	}
	a.tell(decision.Transaction, signer.Customer)
	return state, now, nil
}

// offered finds the transaction that a decision is about, and refuses a decision that is not about what was offered to this customer.
func (a *Authority) offered(ctx context.Context, customerID string, decision transaction.Decision) (row db.Txn, template string, err error) {
	q := a.Store.Reader()
	row, err = q.TxnByID(ctx, decision.Transaction)
	if errors.Is(err, store.ErrNone) || err == nil && row.Customer != customerID {
		return db.Txn{}, "", problem.New(problem.TransactionNone)
	}
	if err != nil {
		return db.Txn{}, "", err
	}
	b, err := a.bundle(ctx, q, row.Bundle)
	if err != nil {
		return row, "", err
	}
	offer, err := signing.Parse(signing.TypOffer, row.Offer)
	if err != nil {
		return row, "", err
	}
	doc, err := transaction.ParseDocument(offer.Payload, b)
	if err != nil {
		return row, "", err
	}
	if decision.About(doc, row.Offer, b) != nil {
		return row, "", problem.New(problem.DecisionRefused)
	}
	return row, doc.Template, nil
}

// decide moves one transaction by a decision that holds.
func (d *deed) decide(ctx context.Context, row db.Txn, t token.Token, decision transaction.Decision, compact string) (transaction.State, error) {
	if row.Decision == compact { // the answer was lost on the way, or the app was killed
		return answered(decision.Answer), nil
	}
	if row.Grade == string(transaction.GradeB) && row.Decision == "" && decision.Answer == transaction.Yes {
		return d.raiseGrade(ctx, row, t, decision, compact)
	}
	switch s := t.ShownState(d.now); s {
	case token.Active:
	case token.Expired:
		return "", d.refuse(problem.New(problem.TokenExpired, "expired", t.Expires))
	case token.Locked:
		return "", d.refuse(problem.New(problem.OTPLocked))
	default:
		return "", d.refuse(problem.New(problem.TokenNone))
	}
	to, _ := transaction.Life.Next(transaction.Pending, decision.Answer.Event())
	p := db.DecideTxnParams{ID: row.ID, State: string(to), Token: t.ID, Decision: compact, Reason: decision.Reason, Language: decision.Language, Now: store.Micros(d.now)}
	if to == transaction.Approved {
		p.Grade, p.ApprovedUntil = string(transaction.GradeA), store.Micros(d.now.Add(d.a.Policy.ApprovalLife))
	} else {
		p.EndedAt = store.Micros(d.now)
	}
	did, err := store.Once(d.DecideTxn(ctx, p))
	if err != nil {
		return "", err
	}
	if decision.Answer == transaction.NotMe { // whoever says so is right to be heard, however late
		if err := d.stopTransfers(ctx, row, t); err != nil {
			return "", err
		}
	}
	if !did {
		now, err := d.TxnByID(ctx, row.ID)
		if err != nil {
			return "", err
		}
		if now.Decision == compact {
			return answered(decision.Answer), nil
		}
		if now.Grade == string(transaction.GradeB) && now.Decision == "" && decision.Answer == transaction.Yes { // its code came between
			return d.raiseGrade(ctx, now, t, decision, compact)
		}
		s := stateOf(now, d.now)
		if s == transaction.Pending { // not the transaction was in the way: the token, or the fence
			return "", problem.New(problem.Conflict)
		}
		return s, d.refuse(decided(s))
	}
	return to, errors.Join(d.event(ctx, row, to), d.answeredWake(ctx, row.Customer))
}

// answered is the state that an answer leads to, whatever has become of the transaction since.
func answered(a transaction.Answer) transaction.State {
	to, _ := transaction.Life.Next(transaction.Pending, a.Event())
	return to
}

// raiseGrade adds the device's signature to an approval that was made with an offline code.
func (d *deed) raiseGrade(ctx context.Context, row db.Txn, t token.Token, decision transaction.Decision, compact string) (transaction.State, error) {
	if store.Time(row.DecidedAt).Add(d.a.Policy.DecisionGrace).Before(d.now) {
		return "", d.refuse(problem.New(problem.TransactionExpired))
	}
	raised, err := store.Once(d.RaiseGrade(ctx, db.RaiseGradeParams{ID: row.ID, Token: t.ID, Decision: compact, Language: decision.Language, ChangedAt: store.Micros(d.now)}))
	if err != nil {
		return "", err
	}
	if !raised {
		return "", d.refuse(problem.New(problem.TransactionDecided, "state", row.State))
	}
	d.detail["grade"] = string(transaction.GradeA)
	return transaction.Approved, nil
}

// stopTransfers is what 身に覚えがない does at once: nothing of this customer is carried out any more, and everybody who should know is told.
func (d *deed) stopTransfers(ctx context.Context, row db.Txn, t token.Token) error {
	stopped, err := store.Once(d.StopTransfers(ctx, db.StopTransfersParams{ID: row.Customer, TransfersStoppedAt: store.Micros(d.now)}))
	if err != nil {
		return err
	}
	if err := d.cancelOpen(ctx, row.Customer); err != nil {
		return err
	}
	if !stopped {
		return nil
	}
	return errors.Join(d.also(ctx, audit.TransfersStop, row.ID), d.tellAll(ctx, row.Customer, "transaction_reported", map[string]string{"phone": t.Platform}))
}

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
		bucket := "offline " + row.Customer
		day := store.Micros(d.now.Add(-24 * time.Hour))
		if spent, err := d.ThrottleOf(ctx, bucket); err == nil && spent.StartedAt > day && int(spent.Count) >= a.Policy.OfflineTriesPerDay {
			return problem.New(problem.OfflineBlocked)
		} else if err != nil && !errors.Is(err, store.ErrNone) {
			return err
		}
		n, err := d.CountOfflineTry(ctx, db.CountOfflineTryParams{ID: id, Now: store.Micros(d.now), Tries: int64(a.Policy.OfflineTries)})
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
		if !right || int(spent.Count) > a.Policy.OfflineTriesPerDay {
			left := min(a.Policy.OfflineTries-int(n), a.Policy.OfflineTriesPerDay-int(spent.Count))
			if left <= 0 {
				return d.refuse(problem.New(problem.OfflineBlocked))
			}
			return d.refuse(problem.New(problem.OfflineWrong, "tries_left", left))
		}
		word, err := transaction.MakeOffline(transaction.Offline{Transaction: id, Document: row.DocumentHash, Token: tok.ID, Time: d.now}, a.Keys.Issuer().Kid, a.Keys.SignIssuer)
		if err != nil {
			return err
		}
		did, err := store.Once(d.ConfirmTxnOffline(ctx, db.ConfirmTxnOfflineParams{ID: id, Token: tok.ID, Offline: word, Now: store.Micros(d.now), ApprovedUntil: store.Micros(d.now.Add(a.Policy.ApprovalLife))}))
		if err != nil {
			return err
		}
		if !did {
			return store.ErrConflict
		}
		d.detail = map[string]string{"grade": string(transaction.GradeB)}
		return errors.Join(d.ForgetThrottle(ctx, bucket), d.event(ctx, row, transaction.Approved), d.answeredWake(ctx, row.Customer))
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

// CustomerOfToken is whose transactions a token that has proved itself may be told of.
func (a *Authority) CustomerOfToken(ctx context.Context, p Proof) (string, error) {
	row, now, err := a.prove(ctx, p)
	if err != nil {
		return "", err
	}
	if store.Token(row).ShownState(now) != token.Active {
		return "", problem.New(problem.TokenNone)
	}
	return row.Customer, nil
}
