package authority

import (
	"context"
	"errors"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/incident"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// stopTransfers is what 身に覚えがない does at once: nothing of this customer is carried out any more, and everybody who should know is told.
func (d *deed) stopTransfers(ctx context.Context, row db.Txn, t token.Token) error {
	stopped, err := store.Once(d.StopTransfers(ctx, db.StopTransfersParams{ID: row.Customer, TransfersStoppedAt: store.Micros(d.now)}))
	if err != nil {
		return err
	}
	if err := errors.Join(d.cancelOpen(ctx, row.Customer), d.incident(ctx, incident.Reported, row.Customer, row.ID, map[string]string{"source": d.by.Source, "device": d.by.Device, "template": row.Template, "reason": d.detail["reason"]})); err != nil {
		return err
	}
	if !stopped {
		return nil
	}
	return errors.Join(d.also(ctx, audit.TransfersStop, row.ID), d.tellAll(ctx, row.Customer, "transaction_reported", map[string]string{"phone": t.Platform}))
}

// ResumeTransfers is the road back after a report by the operator's hand; at the console it takes two (order.go).
func (a *Authority) ResumeTransfers(ctx context.Context, ref string) error {
	return a.byOperator(ctx, ref, audit.TransfersResume, func(ctx context.Context, d *deed, c db.Customer) error {
		if c.TransfersStoppedAt == 0 {
			return problem.New(problem.TransfersRunning)
		}
		return d.resumeTransfers(ctx, c.ID)
	})
}

// resumeTransfers lets the transfers of a customer go on and tells her; where they go on already it does nothing.
func (d *deed) resumeTransfers(ctx context.Context, customerID string) error {
	resumed, err := store.Once(d.Queries.ResumeTransfers(ctx, customerID))
	if err != nil || !resumed {
		return err
	}
	if d.action != audit.TransfersResume {
		if err := d.also(ctx, audit.TransfersResume, ""); err != nil {
			return err
		}
	}
	return d.tellAll(ctx, customerID, "transfers_resumed", nil)
}
