package bank_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/demo/bank"
)

func TestDoubleClick(t *testing.T) {
	x := newTill(t)
	order := x.draft()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { x.b.send(order+"/ask", nil) })
	}
	wg.Wait()
	if n := x.api.count(func() int { return len(x.api.created) }); n != 1 {
		t.Errorf("%d transactions", n)
	}
	x.api.answer("approved")
	x.until(order, state("done"))
	x.b.send(order+"/ask", nil).expect(t, 200, order, state("done"))
	x.conserved(1)
}

// TestTwoTabs makes two orders at a time: the second hears of the first and can take its place.
func TestTwoTabs(t *testing.T) {
	x := newTill(t)
	one, two := x.draft("amount", "1000"), x.draft("amount", "2000")
	x.b.send(one+"/ask", nil).expect(t, 200, one, "トークンアプリを開いてください", "1,000円")
	x.b.send(two+"/ask", nil).expect(t, 200, two, "ほかにも承認をお待ちしている", "もう1件を取り消して")
	x.b.send(two+"/clear", nil).expect(t, 200, two, `data-testid="confirm"`)
	x.b.get(one).expect(t, 200, one, state("cancelled"))
	x.b.send(two+"/ask", nil).expect(t, 200, two, "トークンアプリを開いてください", "2,000円")
	x.api.answer("approved")
	x.until(two, state("done"))
	x.conserved(1)
	if x.inside.Clearing() != 2000 {
		t.Errorf("%d was sent", x.inside.Clearing())
	}
}

func TestExecutedOnceUnderParallelPresses(t *testing.T) {
	for _, atOnce := range []bool{false, true} {
		x := newTill(t, func(c *bank.Config) { c.ExecuteAtOnce = atOnce })
		order := x.draft()
		x.b.send(order+"/ask", nil)
		x.api.answer("approved")
		if !atOnce {
			x.until(order, "お振込を実行する")
		}
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { x.b.send(order+"/execute", nil) })
		}
		wg.Wait()
		x.until(order, state("done"))
		x.conserved(1)
		if x.inside.Clearing() != 50000 {
			t.Errorf("%d was sent", x.inside.Clearing())
		}
	}
}

// TestDailyLimitUnderParallelOrders has ten approved orders of 150,000 yen executed at the same moment: six fit into the day.
func TestDailyLimitUnderParallelOrders(t *testing.T) {
	x := newTill(t, func(c *bank.Config) { c.ExecuteAtOnce = false })
	rich := x.richest(1_500_000)
	var orders []string
	for range 10 {
		id := x.inside.Order(rich, 1, "0991", 150_000)
		if err := x.inside.Ask(t.Context(), rich, id, func(tx string) { x.api.decide(tx, "approved") }); err != nil {
			t.Fatal(err)
		}
		orders = append(orders, id)
	}
	var wg sync.WaitGroup
	for _, id := range orders {
		for range 3 {
			wg.Go(func() { _ = x.inside.Execute(t.Context(), rich, id) })
		}
	}
	wg.Wait()
	count := make(map[string]int)
	for _, id := range orders {
		count[x.inside.State(rich, id)]++
	}
	if count["done"] != 6 || count["failed"] != 4 {
		t.Errorf("%v", count)
	}
	x.conserved(6)
	x.wait(24 * time.Hour)
	id := x.inside.Order(rich, 1, "0991", 150_000)
	_ = x.inside.Ask(t.Context(), rich, id, func(tx string) { x.api.decide(tx, "approved") })
	_ = x.inside.Execute(t.Context(), rich, id)
	if got := x.inside.State(rich, id); got != "done" {
		t.Errorf("the next day: %s", got)
	}
}

// richest finds a customer whose savings are large enough.
func (x *till) richest(least int64) string {
	for i := range 1000 {
		subject := fmt.Sprintf("R-%d", i)
		id, _, _, _ := x.inside.Account(subject, 1)
		if balance, _ := x.inside.Balance(id); balance >= least {
			return subject
		}
	}
	x.t.Fatal("nobody is rich")
	return ""
}

// TestMoneyIsConserved makes a thousand random orders of many customers at a time, with answers that get lost, and holds every yen of the books.
func TestMoneyIsConserved(t *testing.T) {
	x := newTill(t, func(c *bank.Config) { c.ExecuteAtOnce = false })
	random := rand.New(rand.NewPCG(1, 2))
	x.api.set(func() {
		x.api.lose = func(string, int) lost { // under the lock of the API
			switch random.IntN(60) {
			case 0:
				return questionLost
			case 1:
				return answerLost
			}
			return nothingLost
		}
	})
	var wg sync.WaitGroup
	var mu sync.Mutex
	ended := make(map[string]int)
	answers := []string{"approved", "approved", "approved", "approved", "rejected", "reported", "cancelled"}
	for c := range 20 {
		subject := fmt.Sprintf("M-%d", c)
		rnd := rand.New(rand.NewPCG(uint64(c), 7))
		wg.Go(func() {
			for range 50 {
				id := x.inside.Order(subject, rnd.IntN(2), []string{"0990", "0991", "0993"}[rnd.IntN(3)], 1+rnd.Int64N(120_000))
				answer := answers[rnd.IntN(len(answers))]
				_ = x.inside.Ask(t.Context(), subject, id, func(tx string) { x.api.decide(tx, answer) })
				var again sync.WaitGroup
				for range 2 {
					again.Go(func() { _ = x.inside.Execute(t.Context(), subject, id) })
				}
				again.Wait()
				for try := 0; x.inside.State(subject, id) == "executing" && try < 20; try++ {
					_ = x.inside.Execute(t.Context(), subject, id)
				}
				mu.Lock()
				ended[x.inside.State(subject, id)]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	t.Log(ended)
	x.conserved(ended["done"])
	all := 0
	for _, n := range ended {
		all += n
	}
	if all != 1000 || ended["executing"] != 0 || ended["done"] < 200 || ended["failed"] == 0 && ended["draft"] == 0 {
		t.Errorf("%v", ended)
	}
	if n := x.api.count(func() int {
		for id, n := range x.api.permits {
			if n != 1 {
				t.Errorf("%s got %d permits", id, n)
			}
		}
		return len(x.api.permits)
	}); n != ended["done"] {
		t.Errorf("%d permits, %d executed", n, ended["done"])
	}
}
