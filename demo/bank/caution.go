package bank

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/inkan-auth/inkan/client"
)

// cautiousMost is the largest transfer, in yen, while a change of a customer's authenticators is fresh.
const cautiousMost = 100_000

// cautiousAfter are the changes after which this bank is careful. A first start of use, a passkey or a new password are not among them: they change nothing about who holds the token.
var cautiousAfter = []string{"token_reissued", "token_moved", "service_restarted", "address_changed", "staff_release"}

// caution is until when the bank is careful, and after which change.
type caution struct {
	Until   time.Time
	Because string // Key of the text that names the change.
}

// cautious says why a deed has to wait until a change has cooled off; empty if it need not.
func cautious(what deed, c client.CoolingOff) (why string, x caution) {
	until, fresh := c.After(cautiousAfter...)
	if !fresh {
		return "", x
	}
	i := slices.IndexFunc(c.Changes, func(change client.Change) bool {
		return slices.Contains(cautiousAfter, change.Change) && change.Until.Equal(until)
	})
	x = caution{until, "change_" + c.Changes[i].Change}
	switch d := what.(type) {
	case registration:
		return "why_cooling_payee", x
	case transfer:
		if d.amount > cautiousMost {
			return "why_cooling_amount", x
		}
	}
	return "", x
}

// calm asks the server whether anything was changed lately that makes this order wait. The permit says it again, for what was changed between here and there.
func (b *bank) calm(ctx context.Context, o *order) (ok bool, err error) {
	a, err := b.api.Assurance(ctx, o.owner)
	var no *client.Problem
	if err != nil && !errors.As(err, &no) {
		o.move([]state{draft}, func(s *status) { s.Why = "why_no_answer" })
		return false, err
	}
	why, x := cautious(o.deed, a.CoolingOff) // after a refusal there is nothing to be careful about: the next question will be refused as well
	if why == "" {
		return true, nil
	}
	o.move([]state{draft}, func(s *status) { s.Why, s.Caution = why, x })
	return false, nil
}
