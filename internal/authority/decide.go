package authority

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// errRepeated says that a proof has been used before. It is no refusal of the deed that it comes from: a request that is sent again leaves no second trace.
var errRepeated = errors.New("a proof that has been used")

// unrepeated is the answer to whoever does once more what she has done: that of the first time.
func unrepeated(err error) error {
	if errors.Is(err, errRepeated) {
		return nil
	}
	return err
}

// choice is a customer's signed answer whose signature holds, with what it was found to be about, and the place for what it leads to.
type choice struct {
	ctx       context.Context
	by        audit.Actor
	use       db.UseProofParams
	asked     db.AskedRow
	decision  transaction.Decision
	compact   string
	confirmed *confirmation // what the customer confirmed it with, and the assertion that says so; nil and empty where nothing was asked of her
	assertion string

	state transaction.State
	err   error
	done  chan struct{}
}

func (c *choice) whose() string { return c.asked.Customer }

// verifier is the passkey that an approval rests on, or empty.
func (c *choice) verifier() string {
	if c.confirmed == nil {
		return ""
	}
	return c.confirmed.row.ID
}

// Decide takes the customer's signed answer, and the assertion by which she confirmed it where it speaks of one. One statement moves the transaction if it is pending, in time,
// hers, and her token is active; the same envelope again is answered the same, a different one comes too late. The proof is used up in the same write: one commit for an approval
// instead of two.
func (a *Authority) Decide(ctx context.Context, p Proof, compact, assertion string) (state transaction.State, now time.Time, err error) {
	claims, envelope, now, err := a.claims(p)
	if err != nil {
		return "", now, err
	}
	decision, signed, unread := transaction.ParseDecision(compact)
	asked, remembered := a.asked.find(decision.Transaction)
	if !remembered || asked.ID != claims.Token || (asked.Verifier != "") != (decision.Verification == transaction.ByWebAuthn) || !approves(asked, decision, now) ||
		signedBy(envelope, asked.SigningKey, nil) != nil { // only a write that looks at the rows again may rely on what is remembered, and its keys may have been renewed since
		asked, err = a.Store.Reader().Asked(ctx, db.AskedParams{ID: claims.Token, ID_2: decision.Transaction})
	}
	if err = a.signedNow(ctx, claims.Token, envelope, asked.SigningKey, err); err != nil {
		return "", now, err
	}
	use := a.proofUse(claims, now)
	if unread == nil && decision.Token == asked.ID && asked.Decision == decision.Hash { // the same decision again, because the answer was lost, changes nothing and is no second act of hers
		return answered(decision.Answer), now, a.useProof(ctx, use)
	}
	refusal := problem.New(problem.DecisionRefused)
	if unread == nil && decision.Token == asked.ID {
		err := a.signedNow(ctx, asked.ID, signed, asked.SigningKey, nil)
		if problem.KindOf(err) == "" && err != nil {
			return "", now, err
		}
		if refusal = nil; err != nil {
			refusal = problem.New(problem.DecisionRefused)
		}
		if problem.KindOf(err) == problem.KeyRenewed { // signed before the renewal: the app asks its user again
			refusal = problem.New(problem.KeyRenewed)
		}
	}
	if refusal != nil {
		if err := a.useProof(ctx, use); err != nil {
			return "", now, err
		}
		return "", now, refusal
	}
	c := &choice{ctx: ctx, by: tokenActor(db.Token{ID: asked.ID, Platform: asked.Platform}, p), use: use, asked: asked, decision: decision, compact: compact, assertion: assertion}
	// What was offered never changes. It is compared before the write, because others wait while one writes.
	offered := about(asked, decision)
	if offered == nil {
		if c.confirmed, offered = a.confirm(ctx, c, now); offered != nil && problem.KindOf(offered) == "" {
			return "", now, offered
		}
	}
	if offered == nil && c.verifier() == asked.Verifier && approves(asked, decision, now) {
		c.done = make(chan struct{})
		a.approvals.join(c, a.committers(), a.approveTogether)
		<-c.done
	} else {
		c.err = a.do(ctx, c.by, audit.TransactionDecide, func(ctx context.Context, d *deed) error { return d.choose(ctx, c, offered) })
	}
	switch {
	case errors.Is(c.err, errRepeated):
		return "", now, problem.New(problem.ProofRefused)
	case c.err != nil: // what was undone took the use of the proof with it
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
		defer cancel()
		if used := a.useProof(ctx, use); used != nil && problem.KindOf(used) != problem.ProofRefused {
			return "", now, used
		}
		return c.state, now, c.err
	}
	a.tell(decision.Transaction, asked.Customer)
	return c.state, now, nil
}

// signerOf is the token that a decision is of, as far as it was read.
func signerOf(asked db.AskedRow) token.Token {
	return store.Token(db.Token{ID: asked.ID, Customer: asked.Customer, State: asked.State, Platform: asked.Platform, ExpiresAt: asked.ExpiresAt})
}

// about refuses a decision that is not about what was offered to this customer: these bytes, shown by these templates as this text.
func about(asked db.AskedRow, d transaction.Decision) error {
	display := asked.DisplayJa
	if d.Language == "en" {
		display = asked.DisplayEn
	}
	switch {
	case asked.Txn == "": // nobody's, or another customer's
		return problem.New(problem.TransactionNone)
	case d.Document != asked.DocumentHash || d.Offer != asked.Offer || d.Bundle != asked.Bundle || d.Display != display:
		return problem.New(problem.DecisionRefused)
	}
	return nil
}

// approves says whether a decision, by all that was read, approves what waits for it.
func approves(asked db.AskedRow, d transaction.Decision, now time.Time) bool {
	return d.Answer == transaction.Yes && about(asked, d) == nil && asked.TxnState == string(transaction.Pending) && signerOf(asked).ShownState(now) == token.Active
}

// confirm looks at how the customer has shown herself to her phone: by what her decision says, which is proved or refused, and by no less than the template demands. Where her
// token has a passkey for it, she approves with that and not without.
func (a *Authority) confirm(ctx context.Context, c *choice, now time.Time) (*confirmation, error) {
	refused := problem.New(problem.DecisionRefused)
	if c.decision.Verification == transaction.ByWebAuthn {
		use, err := a.assertion(ctx, a.Store.Reader(), c.asked.ID, c.compact, c.assertion, now)
		if problem.KindOf(err) == problem.PasskeyRefused {
			err = refused
		}
		if err != nil {
			return nil, err
		}
		return &use, nil
	}
	if c.assertion != "" {
		return nil, refused
	}
	if c.decision.Answer != transaction.Yes {
		return nil, nil
	}
	b, err := a.bundle(ctx, a.Store.Reader(), c.asked.Bundle)
	if err != nil {
		return nil, err
	}
	if t, known := b.Template(c.asked.Template); !known || c.asked.Verifier != "" || !c.decision.Verification.Covers(t.Verification) {
		return nil, refused
	}
	return nil, nil
}

// approveTogether commits approvals that have arrived together, of each customer one, in one write. When that fails, each gets a write of its own, so that one broken row cannot
// close the door to its neighbours.
func (a *Authority) approveTogether(batch []*choice) {
	defer func() {
		p := recover() // this is no handler's goroutine: nobody else would catch it
		for _, c := range batch {
			if p != nil {
				c.err = fmt.Errorf("%s: panic: %v", audit.TransactionDecide, p)
			}
			close(c.done)
		}
	}()
	// Passkeys are locked in one order everywhere, so that no two writes wait for one another.
	slices.SortFunc(batch, func(b, c *choice) int { return strings.Compare(b.verifier(), c.verifier()) })
	ctx := context.WithoutCancel(batch[0].ctx) // a caller who hangs up must not undo what others have approved
	together, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	by := make([]audit.Actor, len(batch))
	for i, c := range batch {
		by[i] = c.by
	}
	refusals, err := a.doAll(together, by, audit.TransactionDecide, func(ctx context.Context, deeds []*deed) error { return approve(ctx, deeds, batch) })
	switch {
	case err == nil:
		for i, c := range batch {
			c.err = refusals[i]
		}
	case errors.Is(err, store.ErrUnknown) || together.Err() != nil:
		a.Log.Error("approvals that arrived together were not written", "approvals", len(batch), "err", err)
		for _, c := range batch {
			c.state, c.err = "", problem.New(problem.Unavailable)
		}
	default:
		for i, c := range batch {
			c.state = ""
			c.err = a.do(ctx, c.by, audit.TransactionDecide, func(ctx context.Context, d *deed) error {
				if err := approve(ctx, []*deed{d}, batch[i:i+1]); err != nil {
					return err
				}
				if errors.Is(d.kept, errRepeated) {
					return errRepeated // and leave no trace
				}
				return nil
			})
		}
	}
}

// approve moves the transactions of approvals of different customers inside one write.
func approve(ctx context.Context, deeds []*deed, batch []*choice) error {
	d := deeds[0] // they share their write and its moment
	uses := make([]db.UseProofParams, len(batch))
	for i, c := range batch {
		uses[i] = c.use
	}
	fresh, err := d.UseProofs(ctx, uses)
	if err != nil {
		return err
	}
	frozen := d.unfrozen(ctx, Transfers)
	if frozen != nil && problem.KindOf(frozen) == "" {
		return frozen
	}
	var approvals []store.Approval
	for i, c := range batch {
		c.state = ""
		deeds[i].about(c)
		if !fresh[string(c.use.ID)] {
			_ = deeds[i].refuse(errRepeated)
			continue
		}
		if frozen != nil && c.asked.Client != ourselves {
			row, err := d.TxnByID(ctx, c.asked.Txn)
			if err != nil {
				return err
			}
			if row.State == string(transaction.Pending) { // otherwise it was answered before, and hears so
				_ = deeds[i].refuse(frozen)
				continue
			}
		}
		if err := deeds[i].countConfirmation(ctx, c); err != nil {
			return err
		}
		if deeds[i].kept != nil {
			continue
		}
		approvals = append(approvals, store.Approval{Txn: c.asked.Txn, Token: c.asked.ID, Key: c.asked.KeyThumbprint, Verifier: c.verifier(), Decision: c.decision.Hash, Language: c.decision.Language})
	}
	if len(approvals) == 0 {
		return nil
	}
	moved, err := d.ApproveTxns(ctx, store.Micros(d.now), store.Micros(d.now.Add(d.a.Rules().ApprovalLife)), approvals)
	if err != nil {
		return err
	}
	var envelopes []db.InsertEnvelopeParams
	var wakes []string
	var mails []approval
	wanted := map[string]bool{} // by system of the bank: whether it is told
	for i, c := range batch {
		switch {
		case deeds[i].kept != nil:
			continue
		case !moved[c.asked.Txn]:
			if c.state, err = deeds[i].unapproved(ctx, c); err != nil {
				return err
			}
			continue
		}
		c.state = transaction.Approved
		envelopes = append(envelopes, c.envelopes()...)
		wakes = append(wakes, wakeBuckets(c.asked.Customer)...)
		mails = append(mails, approval{c.asked.Customer, c.asked.Txn, c.asked.Client, c.asked.Template})
		tell, known := wanted[c.asked.Client]
		if !known {
			if tell, err = d.wantsEvents(ctx, c.asked.Client); err != nil {
				return err
			}
			wanted[c.asked.Client] = tell
		}
		if tell {
			if err := d.putEvent(ctx, c.asked.Client, c.asked.Customer, c.asked.Txn, transaction.Approved); err != nil {
				return err
			}
		}
	}
	if len(envelopes) == 0 {
		return nil
	}
	if err := errors.Join(d.InsertEnvelopes(ctx, envelopes), d.tellApproved(ctx, mails...)); err != nil || d.a.Pusher == nil {
		return err
	}
	return d.ForgetThrottles(ctx, wakes)
}

// unapproved says what an approval has led to that did not move its transaction. Nothing of it has been written but that its proof is used, and that is kept.
func (d *deed) unapproved(ctx context.Context, c *choice) (transaction.State, error) {
	row, err := d.TxnByID(ctx, c.asked.Txn)
	if err != nil {
		return "", err
	}
	if row.Decision != c.decision.Hash && !raises(row, c.decision) {
		t, err := d.TokenByID(ctx, c.asked.ID) // what was read of it may be some minutes old
		if err != nil {
			return "", err
		}
		if refusal := unfit(store.Token(t), d.now); refusal != nil {
			return "", d.refuse(refusal)
		}
		if t.KeyThumbprint != c.asked.KeyThumbprint { // renewed between reading and writing
			return "", d.refuse(problem.New(problem.KeyRenewed))
		}
	}
	state, err := d.unmoved(ctx, row, c)
	if problem.KindOf(err) != "" {
		err = d.refuse(err)
	}
	return state, err
}

// unfit is the refusal of a decision whose token is not in use, or nil.
func unfit(t token.Token, now time.Time) error {
	switch t.ShownState(now) {
	case token.Active:
		return nil
	case token.Expired:
		return problem.New(problem.TokenExpired, "expired", t.Expires)
	case token.Locked:
		return problem.New(problem.OTPLocked)
	}
	return problem.New(problem.TokenNone)
}

// about says what a choice is about, for its entry.
func (d *deed) about(c *choice) {
	d.on(c.asked.Customer, c.asked.Txn)
	d.detail = map[string]string{"answer": string(c.decision.Answer), "reason": c.decision.Reason, "template": c.asked.Template, "verification": string(c.decision.Verification)}
}

// refuseOr keeps what was written where err is a refusal, and is err where it is not.
func (d *deed) refuseOr(err error) error {
	if problem.KindOf(err) != "" {
		return d.refuse(err)
	}
	return err
}

// choose uses up the proof of a choice and carries it out, unless it was refused because of what was offered.
func (d *deed) choose(ctx context.Context, c *choice, offered error) error {
	d.on(c.asked.Customer, c.asked.Txn)
	fresh, err := store.Once(d.UseProof(ctx, c.use))
	if err != nil {
		return err
	}
	if !fresh {
		return errRepeated
	}
	if offered != nil {
		return d.refuse(offered) // and keep that the proof is used
	}
	d.about(c)
	row, err := d.TxnByID(ctx, c.asked.Txn)
	if err != nil {
		return err
	}
	c.state, err = d.decide(ctx, row, c)
	return err
}

// decide moves one transaction by a decision that holds.
func (d *deed) decide(ctx context.Context, row db.Txn, c *choice) (transaction.State, error) {
	if row.Decision == c.decision.Hash { // the answer was lost on the way, or the app was killed
		return answered(c.decision.Answer), nil
	}
	if raises(row, c.decision) {
		return d.raiseGrade(ctx, row, c)
	}
	t := signerOf(c.asked)
	if refusal := unfit(t, d.now); refusal != nil {
		return "", d.refuse(refusal)
	}
	if c.decision.Answer == transaction.Yes && row.Client != ourselves && stateOf(row, d.now) == transaction.Pending {
		if err := d.unfrozen(ctx, Transfers); err != nil {
			return "", d.refuseOr(err)
		}
	}
	if err := d.countConfirmation(ctx, c); err != nil || d.kept != nil {
		return "", err
	}
	if c.confirmed != nil {
		if err := d.takesPlace(ctx, t.ID, c.verifier()); err != nil {
			return "", err
		}
	}
	to := answered(c.decision.Answer)
	p := db.DecideTxnParams{ID: row.ID, State: string(to), Token: t.ID, Verifier: c.verifier(), Decision: c.decision.Hash, Reason: c.decision.Reason, Language: c.decision.Language, Now: store.Micros(d.now)}
	if to == transaction.Approved {
		p.Grade, p.ApprovedUntil = string(transaction.GradeA), store.Micros(d.now.Add(d.a.Rules().ApprovalLife))
	} else {
		p.EndedAt = store.Micros(d.now)
	}
	did, err := store.Once(d.DecideTxn(ctx, p))
	if err != nil {
		return "", err
	}
	if c.decision.Answer == transaction.NotMe { // whoever says so is right to be heard, however late
		if err := d.stopTransfers(ctx, row, t); err != nil {
			return "", err
		}
	}
	if !did {
		if row, err = d.TxnByID(ctx, row.ID); err != nil {
			return "", err
		}
		return d.unmoved(ctx, row, c)
	}
	if to == transaction.Approved {
		if err := d.tellApproved(ctx, approval{row.Customer, row.ID, row.Client, row.Template}); err != nil {
			return "", err
		}
	}
	return to, errors.Join(d.InsertEnvelopes(ctx, c.envelopes()), d.event(ctx, row, to), d.answeredWake(ctx, row.Customer))
}

// unmoved says what a decision has led to that did not move its transaction, as it stands now.
func (d *deed) unmoved(ctx context.Context, row db.Txn, c *choice) (transaction.State, error) {
	if row.Decision == c.decision.Hash {
		return answered(c.decision.Answer), nil
	}
	if raises(row, c.decision) { // its code came between
		return d.raiseGrade(ctx, row, c)
	}
	s := stateOf(row, d.now)
	if s == transaction.Pending { // not the transaction was in the way: a stop, the token, or the fence
		if err := d.unstopped(ctx, row.Customer); err != nil {
			if problem.KindOf(err) != "" {
				err = d.refuse(err)
			}
			return "", err
		}
		t, err := d.TokenByID(ctx, c.asked.ID)
		if err == nil && t.Verifier != c.verifier() {
			return "", d.refuse(problem.New(problem.DecisionRefused))
		}
		return "", orKind(err, problem.Conflict)
	}
	return s, d.refuse(decided(s))
}

// answered is the state that an answer leads to, whatever has become of the transaction since.
func answered(a transaction.Answer) transaction.State {
	to, _ := transaction.Life.Next(transaction.Pending, a.Event())
	return to
}

// raises says whether a decision is the signature that belongs to an approval by an offline code.
func raises(row db.Txn, d transaction.Decision) bool {
	return row.Grade == string(transaction.GradeB) && row.Decision == "" && d.Answer == transaction.Yes
}

// raiseGrade adds the device's signature to an approval that was made with an offline code.
func (d *deed) raiseGrade(ctx context.Context, row db.Txn, c *choice) (transaction.State, error) {
	if store.Time(row.DecidedAt).Add(d.a.Rules().DecisionGrace).Before(d.now) {
		return "", d.refuse(problem.New(problem.TransactionExpired))
	}
	raised, err := store.Once(d.RaiseGrade(ctx, db.RaiseGradeParams{ID: row.ID, Token: c.asked.ID, Decision: c.decision.Hash, Language: c.decision.Language, ChangedAt: store.Micros(d.now)}))
	if err != nil {
		return "", err
	}
	if !raised {
		return "", d.refuse(problem.New(problem.TransactionDecided, "state", row.State))
	}
	d.detail["grade"] = string(transaction.GradeA)
	return transaction.Approved, d.InsertEnvelopes(ctx, c.envelopes())
}

// envelopes are what is kept of a choice.
func (c *choice) envelopes() []db.InsertEnvelopeParams {
	out := []db.InsertEnvelopeParams{{Txn: c.asked.Txn, Kind: decisionEnvelope, Envelope: c.compact}}
	if c.confirmed != nil {
		out = append(out, db.InsertEnvelopeParams{Txn: c.asked.Txn, Kind: assertionEnvelope, Envelope: c.assertion})
	}
	return out
}
