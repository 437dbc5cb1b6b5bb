package authority

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// KillSwitch is something that two members of staff can freeze for the whole bank.
type KillSwitch string

// The kill switches. Registrations: no phone is registered or started and no passkey made; what is in use goes on. Transfers: nothing new is asked, approved or carried out; whoever wants to say no, or
// that it was not her, is heard.
const (
	Registrations KillSwitch = "registrations"
	Transfers     KillSwitch = "transfers"
)

// KillSwitches are all of them.
var KillSwitches = []KillSwitch{Registrations, Transfers}

// SwitchState is how a kill switch stands.
type SwitchState struct {
	Name   KillSwitch
	Frozen bool
	Since  time.Time
	Order  string // by which it was last moved; empty if never
}

// Switches is how every kill switch stands.
func (a *Authority) Switches(ctx context.Context) ([]SwitchState, error) {
	rows, err := a.Store.Reader().KillSwitches(ctx)
	out := make([]SwitchState, len(rows))
	for i, r := range rows {
		out[i] = SwitchState{KillSwitch(r.Name), r.Frozen, store.Time(r.Since), r.StaffOrder}
	}
	return out, err
}

// unfrozen refuses where a kill switch is on. It is read in the write that it stops, so that it holds on every node from the moment it is set.
func (d *deed) unfrozen(ctx context.Context, k KillSwitch) error {
	row, err := d.KillSwitch(ctx, string(k))
	switch {
	case err != nil || !row.Frozen:
		return err
	case k == Registrations:
		return problem.New(problem.RegistrationsFrozen)
	}
	return problem.New(problem.TransfersFrozen)
}

// switchBody is what an order to move a kill switch says.
type switchBody struct {
	Name   KillSwitch `json:"name"`
	Frozen bool       `json:"frozen"`
}

var switchOrder = orderKind{ask: staff.SwitchAsk, check: staff.SwitchCheck, prepare: prepareSwitch, carry: carrySwitch}

// prepareSwitch refuses what would change nothing.
func prepareSwitch(ctx context.Context, d *deed, body json.RawMessage) (string, map[string]string, error) {
	var b switchBody
	if err := json.Unmarshal(body, &b); err != nil || !slices.Contains(KillSwitches, b.Name) {
		return "", nil, problem.New(problem.Malformed, "field", "name")
	}
	row, err := d.KillSwitch(ctx, string(b.Name))
	if err != nil {
		return "", nil, err
	}
	if row.Frozen == b.Frozen {
		return "", nil, problem.New(problem.Unchanged)
	}
	return string(b.Name), map[string]string{"was": strconv.FormatBool(row.Frozen), "will": strconv.FormatBool(b.Frozen)}, nil
}

func carrySwitch(ctx context.Context, d *deed, o orderRow) error {
	var b switchBody
	if err := json.Unmarshal([]byte(o.Body), &b); err != nil {
		return err
	}
	if err := store.Must(d.SetKillSwitch(ctx, db.SetKillSwitchParams{Name: string(b.Name), Frozen: b.Frozen, Since: store.Micros(d.now), StaffOrder: o.ID})); err != nil {
		return err
	}
	return d.also(ctx, audit.SwitchSet, string(b.Name)+" "+strconv.FormatBool(b.Frozen))
}
