package authority_test

import (
	"sync"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// An offline code has three tries for a transaction, however many come at once, and ten in a day for a customer; then even the right one is refused. A right one gives all back.
func TestTriesOfAnOfflineCode(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		p, other := newPayer(w, 1), newPayer(w, 2)
		// codes are the right one for a transaction and a wrong one.
		codes := func(p *payer, made authority.Transaction) (right, wrong string) {
			right = p.phone.Offline(made.Offer)
			return right, string('0'+(right[0]-'0'+1)%10) + right[1:]
		}
		// confirm sends a code and gives what is left of the tries: 0 where none is.
		confirm := func(made authority.Transaction, code string) (left int) {
			t.Helper()
			_, err := w.ConfirmOffline(t.Context(), internetBank, made.ID, code)
			if problem.KindOf(err) == problem.OfflineBlocked {
				return 0
			}
			left, _ = refusedAs(t, err, problem.OfflineWrong).Values["tries_left"].(int)
			return left
		}
		accepted := func(made authority.Transaction, code string) {
			t.Helper()
			if x, err := w.ConfirmOffline(t.Context(), internetBank, made.ID, code); err != nil || x.State != transaction.Approved || x.Grade != transaction.GradeB {
				t.Fatalf("the right code: %s %q, %v", x.State, x.Grade, err)
			}
		}
		// end withdraws a transaction that no code has approved.
		end := func(made authority.Transaction) {
			t.Helper()
			x, err := w.ReadTransaction(t.Context(), internetBank, made.ID)
			if err != nil || x.State != transaction.Pending {
				t.Fatalf("after wrong codes it is %s, %v", x.State, err)
			}
			_, err = w.CancelTransaction(t.Context(), internetBank, made.ID)
			want(t, "withdrawing", err, "")
		}
		// three spends the tries of one transaction.
		three := func() {
			t.Helper()
			made := p.order()
			right, wrong := codes(p, made)
			for try, left := range []int{2, 1, 0} {
				if got := confirm(made, wrong); got != left {
					t.Fatalf("after wrong code %d there are %d tries, want %d", try+1, got, left)
				}
			}
			if confirm(made, right) != 0 {
				t.Fatal("there is a fourth try")
			}
			end(made)
		}

		three()
		made := p.order()
		_, wrong := codes(p, made)
		var all sync.WaitGroup
		lefts := make([]int, 12)
		for i := range lefts {
			all.Go(func() { lefts[i] = confirm(made, wrong) })
		}
		all.Wait()
		count := map[int]int{}
		for _, n := range lefts {
			count[n]++
		}
		if count[2] != 1 || count[1] != 1 || count[0] != 10 {
			t.Errorf("of twelve at once, tries that were left: %v", lefts)
		}
		end(made)
		three()

		// Nine are spent; of the next transaction's three only one remains.
		made = p.order()
		right, wrong := codes(p, made)
		if left := confirm(made, wrong); left != 0 {
			t.Fatalf("after ten wrong codes in a day there are %d tries", left)
		}
		if confirm(made, right) != 0 {
			t.Fatal("there is an eleventh try in a day")
		}
		end(made)
		made = p.order()
		right, _ = codes(p, made)
		if confirm(made, right) != 0 {
			t.Fatal("another transaction has tries of its own on a day whose tries are spent")
		}
		end(made)
		hers := other.order()
		right, _ = codes(other, hers)
		accepted(hers, right) // another customer's day is another's

		w.Clock.Move(24*time.Hour + time.Minute)
		for range 3 {
			three()
		}
		made = p.order()
		right, _ = codes(p, made)
		accepted(made, right)
		_, err := w.CancelTransaction(t.Context(), internetBank, made.ID)
		want(t, "withdrawing", err, "")
		for range 3 { // with nine tries spent before, these would be too many
			three()
		}
	})
}
