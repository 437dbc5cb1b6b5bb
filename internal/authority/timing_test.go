package authority_test

import (
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/policy"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// A stranger who measures learns no names: the times of known and unknown customers come from one distribution. It takes minutes and a quiet
// machine, so it runs in the long run only: INKAN_TEST_LONG=5000 is the number of samples of each kind.
func TestTimeTellsNoNames(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("INKAN_TEST_LONG"))
	if n == 0 {
		t.Skip("only in the long run: INKAN_TEST_LONG=5000")
	}
	w := testkit.Costly(t, testkit.SQLite(t), func(p *policy.Policy) { p.TriesForLife = 100 })
	id := w.Person(1, false)
	b := &testkit.Browser{W: w, Visit: testkit.Visit(authority.PC)}
	times := map[string][]float64{}
	for range n {
		names := []string{id, "nobody-here"} // in turns, so that both see the same noise, and in random order, so that neither always pays for the other
		if rand.N(2) == 0 {
			slices.Reverse(names)
		}
		for _, name := range names {
			w.Clock.Move(25 * time.Hour) // no block stands
			began := time.Now()
			err := b.Password(name, "wrong")
			times[name] = append(times[name], time.Since(began).Seconds()*1000)
			if problem.KindOf(err) != problem.LoginRefused {
				t.Fatal(err)
			}
		}
	}
	known, unknown := times[id], times["nobody-here"]
	slices.Sort(known)
	slices.Sort(unknown)
	gap := math.Abs(known[n/2] - unknown[n/2])
	d := kolmogorov(known, unknown)
	limit := 1.63 * math.Sqrt(2/float64(n)) // p = 0.01
	t.Logf("medians known %.2f ms, unknown %.2f ms, Kolmogorov distance %.4f (limit %.4f)", known[n/2], unknown[n/2], d, limit)
	if gap > 5 || d > limit {
		t.Errorf("known and unknown customers can be told apart: medians differ by %.2f ms, distance %.4f > %.4f", gap, d, limit)
	}
}

// kolmogorov is the largest distance between the distributions of two sorted samples.
func kolmogorov(a, b []float64) float64 {
	i, j, d := 0, 0, 0.0
	for i < len(a) && j < len(b) {
		if a[i] <= b[j] {
			i++
		} else {
			j++
		}
		d = max(d, math.Abs(float64(i)/float64(len(a))-float64(j)/float64(len(b))))
	}
	return d
}
