package authority

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/policy"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// rulesEvery is how often a node reads what another one may have set.
const rulesEvery = 5 * time.Second

// Rules are the numbers in force now on this node: those of the configuration, with what two members of staff have set at the console in their place. Whoever needs several that belong together keeps what
// this gives and does not ask twice.
func (a *Authority) Rules() *policy.Policy { return a.rules.Load() }

// SetRules puts another policy in force on this node, until the console sets a number: for the start, and for tests.
func (a *Authority) SetRules(p policy.Policy) {
	a.Policy = p
	a.rules.Store(&a.Policy)
}

// loadRules puts in force what stands in the store. A number that cannot be read is left out alone, and what does not hold any more, because the configuration has changed under it, is left out whole: the
// configuration alone holds. Both are said in the log. Loads take turns from the read on, so that what was read before never takes the place of what was read after.
func (a *Authority) loadRules(ctx context.Context) error {
	a.loading.Lock()
	defer a.loading.Unlock()
	rows, err := a.Store.Reader().PolicyNumbers(ctx)
	if err != nil {
		return fmt.Errorf("reading the policy: %w", err)
	}
	p, unread, err := overlay(a.Policy, rows)
	if now := strings.Join(unread, " "); now != a.unread {
		if a.unread = now; now != "" {
			a.Log.Error("numbers that were set at the console cannot be read; for them the configuration is in force", "numbers", now)
		}
	}
	if broken := err != nil; a.broken.Swap(broken) != broken && broken {
		a.Log.Error("what was set at the console does not hold with this configuration; the configuration alone is in force", "err", err)
	}
	switch {
	case err != nil || len(rows) == 0:
		a.rules.Store(&a.Policy)
	case *a.rules.Load() != p:
		a.rules.Store(&p)
	}
	return nil
}

// overlay puts what was set at the console over a policy, but for the numbers in unread, which have no value that could be read. The order does not matter: only the whole has to hold.
func overlay(p policy.Policy, rows []db.PolicyNumber) (whole policy.Policy, unread []string, err error) {
	for _, r := range rows {
		n, ok := policy.NumberByName(r.Name)
		if !ok || n.Fixed { // of another version
			continue
		}
		if n.Put(&p, r.Value) != nil {
			unread = append(unread, r.Name)
		}
	}
	return p, unread, p.Check()
}

// watchRules takes over what other nodes have set, until ctx ends.
func (a *Authority) watchRules(ctx context.Context) {
	every := time.NewTicker(rulesEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
			if err := a.loadRules(ctx); err != nil && ctx.Err() == nil {
				a.Log.Error("the policy could not be read", "err", err)
			}
		}
	}
}

// Rule is one number of the policy as staff sees it.
type Rule struct {
	policy.Number
	Value      string // in force
	Configured string // in the configuration, or by default
	Default    string
	Since      time.Time // when it was set at the console; zero where it was not
	Order      string    // by which
	By         string    // who carried that out
	Waiting    string    // an order that waits
}

// Source says where the value comes from.
func (r Rule) Source() string {
	switch {
	case !r.Since.IsZero():
		return "console"
	case r.Configured != r.Default:
		return "config"
	}
	return "default"
}

// RuleChapter is a part of the policy that is read together.
type RuleChapter struct {
	Name  string
	Rules []Rule
}

// RulesAtDesk is every number of the policy.
func (a *Authority) RulesAtDesk(ctx context.Context, s StaffSession) ([]RuleChapter, error) {
	if err := a.seesDesk(s, staff.PolicySee); err != nil {
		return nil, err
	}
	now, err := a.moment()
	if err != nil {
		return nil, err
	}
	q := a.Store.Reader()
	rows, err := q.PolicyNumbers(ctx)
	if err != nil {
		return nil, err
	}
	set := map[string]db.PolicyNumber{}
	for _, r := range rows {
		set[r.Name] = r
	}
	inForce, _, err := overlay(a.Policy, rows)
	if err != nil {
		inForce = a.Policy
	}
	open, err := q.OpenOrders(ctx, db.OpenOrdersParams{ExpiresAt: store.Micros(now), Limit: 500})
	if err != nil {
		return nil, err
	}
	waiting := map[string]string{}
	for _, o := range open {
		if o.Kind == "policy.set" {
			waiting[o.Target] = o.ID
		}
	}
	names := map[string]string{}
	var out []RuleChapter
	for _, c := range policy.Chapters {
		chapter := RuleChapter{Name: c.Name}
		for _, n := range c.Numbers {
			r := Rule{Number: n, Value: n.Text(inForce), Configured: n.Text(a.Policy), Default: n.Text(policy.Default()), Waiting: waiting[n.Name]}
			if row, ok := set[n.Name]; ok {
				r.Since, r.Order = store.Time(row.Since), row.StaffOrder
				o, err := q.OrderByID(ctx, row.StaffOrder)
				if notNone(err) != nil {
					return nil, err
				}
				if r.By, err = a.staffName(ctx, o.Checker, names); err != nil {
					return nil, err
				}
			}
			chapter.Rules = append(chapter.Rules, r)
		}
		out = append(out, chapter)
	}
	return out, nil
}

// RuleHistory is every change of the policy that was asked for, the newest first, from before one of them on; of one number, where it is named. next is where the following page begins, empty at the end.
func (a *Authority) RuleHistory(ctx context.Context, s StaffSession, before string) (out []Order, next string, err error) {
	if err := a.seesDesk(s, staff.PolicySee); err != nil {
		return nil, "", err
	}
	now, err := a.moment()
	if err != nil {
		return nil, "", err
	}
	if before == "" {
		before = afterAll(ident.Order)
	} else if ident.Check(ident.Order, before) != nil {
		return nil, "", problem.New(problem.NotFound)
	}
	rows, err := a.Store.Reader().EndedOrders(ctx, db.EndedOrdersParams{Kind: "policy.set", ID: before, Limit: OrderPage + 1})
	if err != nil {
		return nil, "", err
	}
	if len(rows) > OrderPage {
		rows = rows[:OrderPage]
		next = rows[OrderPage-1].ID
	}
	names := map[string]string{}
	for _, r := range rows {
		o, err := a.orderOf(ctx, s, r, now, names)
		if err != nil {
			return nil, "", err
		}
		out = append(out, o)
	}
	return out, next, nil
}

// ruleBody is what an order to change a number says. Without a value the number goes back to the configuration's.
type ruleBody struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

var policyOrder = orderKind{ask: staff.PolicyAsk, check: staff.PolicyCheck, prepare: prepareRule, carry: carryRule, done: func(ctx context.Context, a *Authority) error { return a.loadRules(ctx) }}

// prepareRule looks whether the whole policy still holds with the number changed. Changes take turns, so that no two that hold alone are in force together where they do not.
func prepareRule(ctx context.Context, d *deed, body json.RawMessage) (string, map[string]string, error) {
	var b ruleBody
	if err := json.Unmarshal(body, &b); err != nil {
		return "", nil, problem.New(problem.Malformed)
	}
	n, ok := policy.NumberByName(b.Name)
	if !ok {
		return "", nil, problem.New(problem.NotFound)
	}
	refused := problem.New(problem.PolicyRefused, "name", n.Name)
	if n.Fixed {
		return "", nil, refused
	}
	if err := d.TakeDeskTurn(ctx); err != nil {
		return "", nil, err
	}
	rows, err := d.PolicyNumbers(ctx)
	if err != nil {
		return "", nil, err
	}
	was, _, err := overlay(d.a.Policy, rows)
	if err != nil {
		was = d.a.Policy
	}
	value := b.Value
	detail := map[string]string{"was": n.Text(was)}
	if value == "" {
		value = n.Text(d.a.Policy)
		detail["back"] = "true"
	}
	will, err := n.Set(was, value)
	if errors.Is(err, policy.ErrNumber) {
		return "", nil, refused
	}
	if err != nil {
		return "", nil, err
	}
	if detail["will"] = n.Text(will); detail["will"] == detail["was"] && b.Value != "" {
		return "", nil, problem.New(problem.Unchanged)
	}
	return n.Name, detail, nil
}

func carryRule(ctx context.Context, d *deed, o orderRow) error {
	var b ruleBody
	var detail map[string]string
	if err := errors.Join(json.Unmarshal([]byte(o.Body), &b), json.Unmarshal([]byte(o.Detail), &detail)); err != nil {
		return err
	}
	if b.Value == "" {
		if err := store.Must(d.DropPolicyNumber(ctx, b.Name)); err != nil {
			return err
		}
	} else if err := d.PutPolicyNumber(ctx, db.PutPolicyNumberParams{Name: b.Name, Value: detail["will"], Since: store.Micros(d.now), StaffOrder: o.ID}); err != nil {
		return err
	}
	return d.also(ctx, audit.PolicySet, b.Name)
}
