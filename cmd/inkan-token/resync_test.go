package main

import (
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/problem"
)

// A machine without a network, whose clock was put six minutes back after the registration: two codes in a row set the clock, the next one logs in. Later it reaches the server again, corrects its clock, and its codes log in
// as before.
func TestAMachineWithoutANetwork(t *testing.T) {
	b := newBench(t)
	b.inUse()
	shown := func() string {
		t.Helper()
		return strings.TrimSpace(b.must("code"))
	}
	logIn := func(what string, want problem.Kind) {
		t.Helper()
		if err := b.LogIn("hanako01", authority.PC).Code(shown()); problem.KindOf(err) != want {
			t.Errorf("%s: %v", what, err)
		}
	}
	b.Clock.Move(time.Hour)
	b.skew, b.drop = -6*time.Minute, "/"
	browser := b.LogIn("hanako01", authority.PC)
	first := shown()
	b.Clock.Move(time.Minute)
	if err := b.Resync(t.Context(), browser.Session, first, shown()); err != nil {
		t.Fatalf("two codes in a row: %v", err)
	}
	for range 2 {
		b.Clock.Move(time.Minute)
		logIn("six minutes behind", "")
	}
	if code, _, errs := b.run("status"); code != 1 || !strings.Contains(errs, "cannot be reached") {
		t.Errorf("without a network: %d %s", code, errs)
	}

	b.drop = ""
	if s := b.must("status"); !strings.Contains(s, "is in use") {
		t.Errorf("status: %s", s)
	}
	logIn("with the corrected clock", "")
	b.drop = "/"
	b.Clock.Move(3 * time.Minute)
	logIn("and without a network again", "")
}
