package main

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
)

// From one file to another: the old device shows a link, the new one registers with it and no number, the old one approves, the new one is in use; answers are lost on the way.
func TestMoveOnTheCommandLine(t *testing.T) {
	b := newBench(t)
	b.inUse()
	old, next := b.dir, t.TempDir()
	out := b.must("move")
	link := regexp.MustCompile(`https://\S+#2\.[^'\s]+`).FindString(out)
	if link == "" {
		t.Fatalf("move: %s", out)
	}
	b.dir = next
	if out = b.must("register", "-link", link); !strings.Contains(out, "inkan-token move") {
		t.Errorf("register: %s", out)
	}
	check := regexp.MustCompile(`shows (\d{6})`).FindStringSubmatch(b.must("move"))
	if check == nil {
		t.Fatal("the new device shows no digits")
	}
	b.dir = old
	if out = b.must("move"); !strings.Contains(out, check[1]) {
		t.Errorf("the old device shows other digits: %s", out)
	}
	waits := b.must("transactions")
	if !strings.Contains(waits, check[1]) {
		t.Errorf("what it is asked: %s", waits)
	}
	b.must("approve", regexp.MustCompile(`txn_[0-9a-z]{26}`).FindString(waits))
	b.dir = next
	b.loseAt = "/v1/moves/finish"
	if code, _, errs := b.run("move"); code != 1 || !strings.Contains(errs, "run the same command again") {
		t.Errorf("a lost answer: %d %s", code, errs)
	}
	b.loseAt = ""
	b.must("move") // it is in use already: what is shown now is the link for a further one
	b.Clock.Move(2 * time.Minute)
	if err := b.LogIn("hanako01", authority.PC).Code(strings.TrimSpace(b.must("code"))); err != nil {
		t.Errorf("a code of the new device: %v", err)
	}
	b.dir = old
	if code, _, errs := b.run("move"); code != 1 || errs == "" {
		t.Errorf("the old device begins another move: %d", code)
	}
}
