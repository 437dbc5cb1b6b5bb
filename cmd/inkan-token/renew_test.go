package main

import (
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// renewable is a bench with a token 179 days before its date.
func renewable(t *testing.T) *bench {
	b := newBench(t)
	browser, key, number := b.ordered(1)
	out := strings.Fields(b.must("register", "-link", key.Link, "-number", number))
	if err := browser.Start(out[len(out)-1]); err != nil {
		t.Fatal(err)
	}
	b.Clock.Move(b.Policy.TokenLife - 179*24*time.Hour)
	return b
}

// opens says whether what the program shows opens the door.
func (b *bench) opens() error {
	b.t.Helper()
	b.Clock.Move(2 * time.Minute)
	return b.LogIn("hanako01", authority.PC).Code(strings.TrimSpace(b.must("code")))
}

func TestRenew(t *testing.T) {
	b := renewable(t)
	before := b.must("list")
	if out := b.must("renew"); !strings.Contains(out, "Renewed tok_") {
		t.Errorf("renew: %s", out)
	}
	if after := b.must("list"); after == before || !strings.Contains(after, b.Clock.Now().Add(b.Policy.TokenLife).Format("2006-01-02")) {
		t.Errorf("list: %s", after)
	}
	if err := b.opens(); err != nil {
		t.Errorf("the code after the renewal: %v", err)
	}
	if s := b.must("status"); !strings.Contains(s, "is in use") {
		t.Errorf("status: %s", s)
	}
	if code, _, errs := b.run("renew"); code != 1 || errs == "" {
		t.Errorf("once more at once: %d %s", code, errs)
	}
	if err := b.opens(); err != nil {
		t.Errorf("the code after a refused renewal: %v", err)
	}
}

// An answer is lost, or a request never arrives, at every arrow: the same command goes on, and what the program shows opens the door in the end.
func TestRenewWithLostAnswers(t *testing.T) {
	for name, trouble := range map[string]func(b *bench){
		"R1 never arrives":         func(b *bench) { b.drop = "/v1/renewals" },
		"the answer to R1 is lost": func(b *bench) { b.lose = true },
		"R2 never arrives":         func(b *bench) { b.drop = "/v1/renewals/confirmation" },
		"the receipt is lost":      func(b *bench) { b.loseAt = "/v1/renewals/confirmation" },
	} {
		t.Run(name, func(t *testing.T) {
			b := renewable(t)
			trouble(b)
			for range 2 {
				if code, _, errs := b.run("renew"); code != 1 || !strings.Contains(errs, "run the same command again") {
					t.Fatalf("exit %d: %s", code, errs)
				}
			}
			b.drop, b.lose, b.loseAt = "", false, ""
			b.must("renew")
			if err := b.opens(); err != nil {
				t.Error(err)
			}
			rows, err := b.Store.Reader().GenerationsOf(t.Context(), strings.Fields(b.must("list"))[0])
			if err != nil || len(rows) != 1 {
				t.Errorf("%d generations before, %v", len(rows), err)
			}
		})
	}
}

func TestRenewAfterTheDate(t *testing.T) {
	b := renewable(t)
	b.Clock.Move(180 * 24 * time.Hour)
	if code, _, errs := b.run("code"); code != 1 || !strings.Contains(errs, "expired on") {
		t.Errorf("code: %d %s", code, errs)
	}
	if code, _, errs := b.run("renew"); code != 1 || errs == "" {
		t.Errorf("without a number: %d %s", code, errs)
	}
	browser := b.LogIn("hanako01", authority.PC)
	if err := b.OrderRenewal(t.Context(), browser.Session, []byte(testkit.Confirm)); err != nil {
		t.Fatal(err)
	}
	number := b.MailedRenewal()
	if code, _, errs := b.run("renew", "-number", "00000000"); code != 1 || !strings.Contains(errs, "4 tries left") {
		t.Errorf("a wrong number: %d %s", code, errs)
	}
	b.must("renew", "-number", number)
	if err := b.opens(); err != nil {
		t.Error(err)
	}
}
