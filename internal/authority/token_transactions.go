package authority

import (
	"context"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

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
	Verifiers       []Verifier          // by what its user confirms her approvals, and what waits to take that one's place
	Bundle          *transaction.Bundle // of what is pending, or the one in use; nil where there is none
}

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
	if out.Verifiers, err = a.verifiersOf(ctx, row, now); err != nil {
		return out, err
	}
	rows, err := a.Store.Reader().TokenTxns(ctx, db.TokenTxnsParams{Customer: row.Customer, CreatedAt: store.Micros(now) + 1})
	if err != nil {
		return out, err
	}
	for _, r := range rows {
		t := TokenTransaction{Offer: r.Offer, State: transaction.ShownState(transaction.State(r.State), store.Time(r.ExpiresAt), store.Time(r.ApprovedUntil), now), Decided: store.Time(r.DecidedAt), Language: r.Language}
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
