package lifecycle_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/enrolment"
	"github.com/inkan-auth/inkan/internal/domain/incident"
	"github.com/inkan-auth/inkan/internal/domain/lifecycle"
	"github.com/inkan-auth/inkan/internal/domain/order"
	"github.com/inkan-auth/inkan/internal/domain/passkey"
	"github.com/inkan-auth/inkan/internal/domain/phone"
	"github.com/inkan-auth/inkan/internal/domain/reissue"
	"github.com/inkan-auth/inkan/internal/domain/release"
	"github.com/inkan-auth/inkan/internal/domain/renewal"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
)

var update = flag.Bool("update", false, "write docs/lifecycle")

// golden compares a drawing with the one that reviewers have read.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("../../../docs/lifecycle", name+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != got {
		t.Errorf("%s is stale (%v): go test ./internal/domain/lifecycle -update, and read the difference", path, err)
	}
}

func TestLives(t *testing.T) {
	if err := token.Life.Check(token.States, token.Events, token.Keyed, token.Final); err != nil {
		t.Error(err)
	}
	golden(t, "token", token.Life.Matrix(token.States, token.Events))
	if err := passkey.Life.Check(passkey.States, passkey.Events, passkey.Resting, passkey.Final); err != nil {
		t.Error(err)
	}
	golden(t, "passkey", passkey.Life.Matrix(passkey.States, passkey.Events))
	if err := enrolment.Life.Check(enrolment.States, enrolment.Events, enrolment.Ordered, enrolment.Final); err != nil {
		t.Error(err)
	}
	golden(t, "enrolment", enrolment.Life.Matrix(enrolment.States, enrolment.Events))
	if err := transaction.Life.Check(transaction.States, transaction.Events, transaction.Pending, transaction.Final); err != nil {
		t.Error(err)
	}
	golden(t, "transaction", transaction.Life.Matrix(transaction.States, transaction.Events))
	if err := phone.Life.Check(phone.States, phone.Events, phone.Waiting, phone.Final); err != nil {
		t.Error(err)
	}
	golden(t, "phone_check", phone.Life.Matrix(phone.States, phone.Events))
	if err := reissue.Life.Check(reissue.States, reissue.Events, reissue.Open, reissue.Final); err != nil {
		t.Error(err)
	}
	golden(t, "reissue", reissue.Life.Matrix(reissue.States, reissue.Events))
	if err := release.Life.Check(release.States, release.Events, release.Made, release.Final); err != nil {
		t.Error(err)
	}
	golden(t, "release", release.Life.Matrix(release.States, release.Events))
	if err := renewal.Life.Check(renewal.States, renewal.Events, renewal.Open, renewal.Final); err != nil {
		t.Error(err)
	}
	golden(t, "renewal", renewal.Life.Matrix(renewal.States, renewal.Events))
	if err := staff.Life.Check(staff.States, staff.Events, staff.Invited, staff.Final); err != nil {
		t.Error(err)
	}
	golden(t, "staff", staff.Life.Matrix(staff.States, staff.Events))
	if err := incident.Life.Check(incident.States, incident.Events, incident.Open, nil); err != nil {
		t.Error(err)
	}
	golden(t, "incident", incident.Life.Matrix(incident.States, incident.Events))
	if err := order.Life.Check(order.States, order.Events, order.Asked, order.Final); err != nil {
		t.Error(err)
	}
	golden(t, "order", order.Life.Matrix(order.States, order.Events))
}

// May is a table of actors × actions; it is golden because a cell too many is a hole.
func TestWhoMayDoWhat(t *testing.T) {
	kinds := []audit.ActorKind{audit.Stranger, audit.Customer, audit.Token, audit.Bank, audit.Operator, audit.Clock, audit.Server, audit.Staff}
	var table lifecycle.Table[audit.Action, audit.ActorKind]
	for _, a := range audit.Actions {
		for _, k := range kinds {
			if audit.May(k, a) {
				table = append(table, lifecycle.Move[audit.Action, audit.ActorKind]{From: a, On: k, To: "may"})
			}
		}
	}
	golden(t, "may", table.Matrix(audit.Actions, kinds))
}

// Roles × acts of the console: what the server does with it at each door is drawn in console.txt.
func TestWhichRoleMayDoWhat(t *testing.T) {
	var table lifecycle.Table[staff.Act, staff.Role]
	for _, act := range staff.Acts {
		for _, role := range staff.Roles {
			if staff.May(role, act) {
				table = append(table, lifecycle.Move[staff.Act, staff.Role]{From: act, On: role, To: "may"})
			}
		}
	}
	golden(t, "staff_may", table.Matrix(staff.Acts, staff.Roles))
}

// Whatever happens in whatever order, a final state stays, and a token that is not active or keyed never became so by itself.
func TestNoOrderOfEventsRevivesAToken(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := token.Keyed
		released := false
		for _, e := range rapid.SliceOfN(rapid.SampledFrom(token.Events), 1, 60).Draw(t, "events") {
			next, ok := token.Life.Next(s, e)
			if !ok {
				continue
			}
			if s == token.Revoked || s == token.Replaced {
				t.Fatalf("%s left by %s", s, e)
			}
			if s == token.Locked && next == token.Active {
				released = e == token.Release
				if !released {
					t.Fatalf("a lock was lifted by %s", e)
				}
			}
			if next == token.Keyed {
				t.Fatalf("%s led back to the beginning", e)
			}
			s = next
		}
	})
}

func TestCheckFindsWhatIsWrong(t *testing.T) {
	type s = string
	states, events, final := []s{"a", "b", "c"}, []s{"x", "y"}, []s{"c"}
	good := lifecycle.Table[s, s]{{From: "a", On: "x", To: "b"}, {From: "b", On: "x", To: "c"}}
	if err := good.Check(states, events, "a", final); err != nil {
		t.Fatalf("a good table: %v", err)
	}
	for name, bad := range map[string]lifecycle.Table[s, s]{
		"two rows for a pair":    append(good[:2:2], lifecycle.Move[s, s]{From: "a", On: "x", To: "c"}),
		"unknown state":          append(good[:2:2], lifecycle.Move[s, s]{From: "a", On: "y", To: "d"}),
		"unknown event":          append(good[:2:2], lifecycle.Move[s, s]{From: "a", On: "z", To: "c"}),
		"a way out of the end":   append(good[:2:2], lifecycle.Move[s, s]{From: "c", On: "y", To: "b"}),
		"a way to the beginning": append(good[:2:2], lifecycle.Move[s, s]{From: "b", On: "y", To: "a"}),
		"a state nobody reaches": good[:1],
	} {
		if bad.Check(states, events, "a", final) == nil {
			t.Errorf("%s: not found", name)
		}
	}
}
