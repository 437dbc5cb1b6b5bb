package authority

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/signing"
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
	row, claims, now, err := a.read(ctx, p)
	if err == nil {
		err = a.useProof(ctx, a.proofUse(claims, now))
	}
	if err == nil {
		err = a.forgetDrift(ctx, &row, claims.Time, now)
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

// read finds the token that a proof is of. The proof has not been used up when it returns.
func (a *Authority) read(ctx context.Context, p Proof) (row db.Token, claims signing.Proof, now time.Time, err error) {
	claims, envelope, now, err := a.claims(p)
	if err != nil {
		return row, claims, now, err
	}
	row, err = a.Store.Reader().TokenByID(ctx, claims.Token)
	if err = a.signedNow(ctx, claims.Token, envelope, row.SigningKey, err); err != nil {
		return db.Token{}, claims, now, err
	}
	return row, claims, now, nil
}

// claims reads what a proof claims, and refuses one that is not about this request at this time. Its signature has not been looked at.
func (a *Authority) claims(p Proof) (claims signing.Proof, envelope *signing.Envelope, now time.Time, err error) {
	if now, err = a.moment(); err != nil {
		return claims, nil, now, err
	}
	claims, envelope, err = signing.ParseProof(p.DPoP)
	if err != nil || claims.Method != p.Method || claims.URL != p.URL || claims.Body != signing.BodyHash(p.Body) || claims.Time.Sub(now).Abs() > a.Rules().ProofSkew {
		return claims, nil, now, problem.New(problem.ProofRefused)
	}
	return claims, envelope, now, nil
}

// signedBy says whether a proof was signed with the key of the token that it names; found is what looking for the token gave. Whatever does not hold is refused alike.
func signedBy(envelope *signing.Envelope, key []byte, found error) error {
	switch {
	case errors.Is(found, store.ErrNone):
		return problem.New(problem.ProofRefused)
	case found != nil:
		return found
	case len(key) != len(signing.JWK{}) || envelope.Verify(signing.JWK(key)) != nil:
		return problem.New(problem.ProofRefused)
	}
	return nil
}

// signedNow is signedBy, and tells a token that signed with keys which it has renewed since.
func (a *Authority) signedNow(ctx context.Context, tokenID string, envelope *signing.Envelope, key []byte, found error) error {
	err := signedBy(envelope, key, found)
	if problem.KindOf(err) != problem.ProofRefused || found != nil {
		return err
	}
	before, failed := a.Store.Reader().GenerationsOf(ctx, tokenID)
	if failed != nil {
		return failed
	}
	for _, g := range before {
		if signedBy(envelope, g.SigningKey, nil) == nil {
			return problem.New(problem.KeyRenewed)
		}
	}
	return err
}

// proofUse is how the use of a proof is remembered. What it is remembered by begins with the time in the proof: those of one moment lie side by side in the index, where
// otherwise every one of them would be written to a page of its own.
func (a *Authority) proofUse(claims signing.Proof, now time.Time) db.UseProofParams {
	id := hashCookie(claims.Token + "|" + claims.ID)
	binary.BigEndian.PutUint32(id, uint32(claims.Time.Unix())) //nolint:gosec // it is near to now
	return db.UseProofParams{ID: id, ExpiresAt: store.Micros(now.Add(2 * a.Rules().ProofSkew))}
}

// tokenActor is a token as the trail names it.
func tokenActor(row db.Token, p Proof) audit.Actor {
	return audit.Actor{Kind: audit.Token, ID: row.ID, Device: row.Platform, Source: p.Source}
}
