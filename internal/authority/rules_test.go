package authority_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/policy"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// setRule has two administrators set a number.
func setRule(t *testing.T, maker, checker *testkit.Desk, name, value string) {
	t.Helper()
	o, err := maker.W.AskOrder(t.Context(), maker.StaffSession, "policy.set", map[string]string{"name": name, "value": value}, "検討会の決定")
	want(t, "asking for "+name, err, "")
	_, err = checker.W.CheckOrder(t.Context(), checker.StaffSession, o.ID, o.Hash, true, "")
	want(t, "setting "+name, err, "")
}

// ruleOf is one number as staff sees it.
func ruleOf(t *testing.T, d *testkit.Desk, name string) authority.Rule {
	t.Helper()
	chapters, err := d.W.RulesAtDesk(t.Context(), d.StaffSession)
	want(t, "reading the policy", err, "")
	for _, c := range chapters {
		for _, r := range c.Rules {
			if r.Name == name {
				return r
			}
		}
	}
	t.Fatalf("no number %s", name)
	return authority.Rule{}
}

// A number is changed by two persons: at once on the node where it is decided, on others when they look, after a restart, over the configuration; and back.
func TestThePolicyIsChangedByTwo(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx, other := t.Context(), w.Another()
		a, b := w.SignedIn(staff.Administrator), w.SignedIn(staff.Administrator)
		if r := ruleOf(t, a, "cooling_off"); r.Value != "24h0m0s" || r.Source() != "default" || r.Fixed {
			t.Errorf("%+v", r)
		}
		o, err := w.AskOrder(ctx, a.StaffSession, "policy.set", map[string]string{"name": "cooling_off", "value": "４８時間"}, "x")
		want(t, "asking", err, "")
		if o.Detail["was"] != "24h0m0s" || o.Detail["will"] != "48h0m0s" || ruleOf(t, b, "cooling_off").Waiting != o.ID {
			t.Errorf("%+v", o)
		}
		_, err = w.CheckOrder(ctx, a.StaffSession, o.ID, o.Hash, true, "")
		want(t, "who asked", err, problem.OrderOwn)
		if w.Rules().CoolingOff != 24*time.Hour {
			t.Error("it holds before anybody has checked")
		}
		_, err = w.CheckOrder(ctx, b.StaffSession, o.ID, o.Hash, true, "")
		want(t, "setting", err, "")
		if w.Rules().CoolingOff != 48*time.Hour || w.Policy.CoolingOff != 24*time.Hour {
			t.Errorf("in force: %s, configured: %s", w.Rules().CoolingOff, w.Policy.CoolingOff)
		}
		want(t, "the other node looks", other.LoadRules(ctx), "")
		if got := other.Rules().CoolingOff; got != 48*time.Hour {
			t.Errorf("on the other node: %s", got)
		}
		if got := w.Another().Rules().CoolingOff; got != 48*time.Hour {
			t.Errorf("after a restart: %s", got)
		}
		r := ruleOf(t, a, "cooling_off")
		if r.Value != "48h0m0s" || r.Configured != "24h0m0s" || r.Source() != "console" || r.By != b.Name || r.Order != o.ID || r.Waiting != "" {
			t.Errorf("%+v", r)
		}
		w.Clock.Move(time.Second)
		setRule(t, a, b, "cooling_off", "")
		if r := ruleOf(t, a, "cooling_off"); r.Value != "24h0m0s" || r.Source() != "default" || w.Rules().CoolingOff != 24*time.Hour {
			t.Errorf("back: %+v", r)
		}
		history, next, err := w.RuleHistory(ctx, w.SignedIn(staff.Auditor).StaffSession, "")
		if err != nil || next != "" || len(history) != 2 || history[1].ID != o.ID || history[1].MakerName == "" || history[1].CheckerName == "" {
			t.Errorf("history: %+v, %v", history, err)
		}
		set := 0
		for _, e := range trailByTime(t, w) {
			if e.Action == string(audit.PolicySet) && e.Object == "cooling_off" {
				set++
			}
		}
		if set != 2 {
			t.Errorf("%d entries of the policy, want 2", set)
		}
	})
}

// What would break a promise is refused, alone and together with what stands; what is fixed at start is not set; and what a later configuration has made impossible is left out.
func TestAPolicyThatDoesNotHoldIsRefused(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		a, b := w.SignedIn(staff.Administrator), w.SignedIn(staff.Administrator)
		ask := func(name, value string) error {
			_, err := w.AskOrder(ctx, a.StaffSession, "policy.set", map[string]string{"name": name, "value": value}, "x")
			return err
		}
		for name, values := range map[string][]string{"cooling_off": {"30m", "169h", "x", "-1h", " ", "1e9h"}, "tries_per_block": {"1", "6", "4.5"}, "phone_on_file": {"71h"}, "staff_idle": {"16m"}, "otp_digits": {"8"}, "staff_device_bound": {"false"},
			"otp_step": {"30s"}, "transaction_always": {"maybe"}, "block_first": {"25h"}} {
			for _, v := range values {
				want(t, name+" = "+v, ask(name, v), problem.PolicyRefused)
			}
		}
		want(t, "no number", ask("push_loopback", "true"), problem.NotFound)
		want(t, "no number", ask("'; DROP TABLE staff", "1"), problem.NotFound)
		want(t, "the value that it has", ask("cooling_off", "24h"), problem.Unchanged)
		_, err := w.AskOrder(ctx, w.SignedIn(staff.Supervisor).StaffSession, "policy.set", map[string]string{"name": "cooling_off", "value": "2h"}, "x")
		want(t, "a supervisor asks", err, problem.Forbidden)

		// Two changes that hold alone and not together: the second to be carried out is refused.
		long, err := w.AskOrder(ctx, a.StaffSession, "policy.set", map[string]string{"name": "block_first", "value": "10h"}, "x")
		want(t, "a longer first block", err, "")
		short, err := w.AskOrder(ctx, b.StaffSession, "policy.set", map[string]string{"name": "block_longest", "value": "5h"}, "x")
		want(t, "a shorter longest block", err, "")
		errs := together(2, func(i int) (err error) {
			if i == 0 {
				_, err = w.CheckOrder(ctx, b.StaffSession, long.ID, long.Hash, true, "")
			} else {
				_, err = w.CheckOrder(ctx, a.StaffSession, short.ID, short.Hash, true, "")
			}
			return err
		})
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("both, or none: %v", errs)
		}
		if p := w.Rules(); p.Check() != nil || (p.BlockFirst == 10*time.Hour) == (p.BlockLongest == 5*time.Hour) {
			t.Errorf("in force: %s and %s", p.BlockFirst, p.BlockLongest)
		}

		p := policy.Default()
		p.BlockFirst, p.BlockLongest = 6*time.Hour, 7*time.Hour
		w.SetRules(p)
		want(t, "reading over another configuration", w.LoadRules(ctx), "")
		if got := w.Rules(); got.Check() != nil || got.BlockFirst != 6*time.Hour || got.BlockLongest != 7*time.Hour {
			t.Errorf("in force: %s and %s", got.BlockFirst, got.BlockLongest)
		}
	})
}

// One number in the store that nobody can read any more does not put the others out of force, and can be taken back.
func TestOneUnreadableNumberLeavesTheOthers(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		a, b := w.SignedIn(staff.Administrator), w.SignedIn(staff.Administrator)
		setRule(t, a, b, "address_delay", "0分")
		setRule(t, a, b, "cooling_off", "48h")
		if got := w.Another().Rules(); got.AddressDelay != 0 || got.CoolingOff != 48*time.Hour {
			t.Errorf("after a restart: %s and %s", got.AddressDelay, got.CoolingOff)
		}
		want(t, "writing", w.ByHand(ctx, func(ctx context.Context, tx *store.Tx) error {
			return tx.PutPolicyNumber(ctx, db.PutPolicyNumberParams{Name: "address_delay", Value: "soon", Since: store.Micros(w.Clock.Now())})
		}), "")
		want(t, "reading", w.LoadRules(ctx), "")
		if got := w.Rules(); got.AddressDelay != w.Policy.AddressDelay || got.CoolingOff != 48*time.Hour {
			t.Errorf("in force: %s and %s", got.AddressDelay, got.CoolingOff)
		}
		if r := ruleOf(t, a, "cooling_off"); r.Value != "48h0m0s" {
			t.Errorf("%+v", r)
		}
		setRule(t, a, b, "address_delay", "")
		if r := ruleOf(t, a, "address_delay"); !r.Since.IsZero() {
			t.Errorf("%+v", r)
		}
	})
}

// A look at the store that began before a number was set and ends after never puts the old one back in force.
func TestAnOldLookAtThePolicyPutsNothingBack(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		maker, checker := w.SignedIn(staff.Administrator), w.SignedIn(staff.Administrator)
		for i := range 12 {
			hours := 30 + i
			o, err := w.AskOrder(t.Context(), maker.StaffSession, "policy.set", map[string]string{"name": "cooling_off", "value": fmt.Sprintf("%dh", hours)}, "x")
			want(t, "asking", err, "")
			for _, err := range together(9, func(i int) error {
				if i > 0 {
					return w.LoadRules(t.Context())
				}
				_, err := w.CheckOrder(t.Context(), checker.StaffSession, o.ID, o.Hash, true, "")
				return err
			}) {
				want(t, "setting and looking", err, "")
			}
			if got := w.Rules().CoolingOff; got != time.Duration(hours)*time.Hour {
				t.Fatalf("%s is in force, %d hours were set", got, hours)
			}
		}
	})
}
