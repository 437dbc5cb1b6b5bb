package main

import (
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// The demo's month of history gives every page something to show, and nothing of it lies in the future.
func TestTheHistoryOfTheDemo(t *testing.T) {
	t.Parallel()
	w := testkit.New(t, testkit.SQLite(t))
	ctx := t.Context()
	fine(t, seed(ctx, w.Authority))
	members := map[string]string{}
	desks := map[staff.Role]*testkit.Desk{}
	for _, c := range colleagues() {
		d := w.SignedInAs(c.NewStaff)
		members[c.Path], desks[c.Role] = d.Member.ID, d
	}
	began := time.Now()
	fine(t, seedHistory(ctx, w.Store, members, w.Clock.Now()))
	t.Logf("in %s", time.Since(began))
	w.Clock.Move(3 * time.Minute)
	fine(t, w.SweepDue(ctx))
	supervisor, fraud := desks[staff.Supervisor].StaffSession, desks[staff.Fraud].StaffSession
	f, err := w.Figures(ctx, supervisor, 30)
	fine(t, err)
	for _, name := range []authority.Figure{authority.LoginsPasskey, authority.LoginsOTP, authority.LoginsPassword, authority.CodesWrong, authority.CodesUsed, authority.Approvals, authority.Rejections, authority.Reports, authority.Applications,
		authority.Keyed, authority.Starts, authority.Cancellations, authority.Lapses} {
		if f.Sum(name) == 0 {
			t.Errorf("there is no %s", name)
		}
	}
	if len(f.Ending) != 37 || f.Ending[20] == 0 {
		t.Errorf("tokens end in %v", f.Ending)
	}
	open, _, err := w.Incidents(ctx, fraud, false, "")
	fine(t, err)
	past, _, err := w.Incidents(ctx, fraud, true, "")
	fine(t, err)
	if len(open) < 3 || len(past) < 3 {
		t.Errorf("%d incidents are open, %d closed", len(open), len(past))
	}
	for _, i := range append(open, past...) {
		_, err := w.Incident(ctx, fraud, i.ID)
		fine(t, err)
	}
	found, err := w.SearchTrail(ctx, supervisor, audit.Filter{From: w.Clock.Now()}, "")
	fine(t, err)
	for _, e := range found.Entries {
		if e.Actor.Kind != audit.Staff || e.Action != audit.TrailSearch && (e.Action != audit.CustomerLook || e.Actor.ID != fraud.Staff || !strings.HasPrefix(e.Object, "inc_")) { // as this test has looked at the incidents
			t.Errorf("%s at %s lies in the future", e.Action, e.At)
		}
	}
	granted, err := w.SearchTrail(ctx, supervisor, audit.Filter{Action: audit.ReleaseGrant, Staff: members["checker"]}, "")
	fine(t, err)
	if len(granted.Entries) < 20 {
		t.Errorf("%d requests were granted", len(granted.Entries))
	}
}
