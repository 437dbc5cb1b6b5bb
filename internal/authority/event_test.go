package authority_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/signing"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// The bank is told what became of its transactions, signed, again until it takes it, and under one identifier however often.
func TestTheBankIsToldOfEvents(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		var mu sync.Mutex
		var got []signing.Object
		status := http.StatusServiceUnavailable
		hook := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			body, _ := io.ReadAll(r.Body)
			o, err := signing.Open(signing.TypEvent, string(body), w.Keys.Issuer().Key)
			if err != nil || r.Header.Get("Content-Type") != "application/jose" {
				t.Errorf("an event that does not hold: %v", err)
			}
			got = append(got, o)
			rw.WriteHeader(status)
		}))
		defer hook.Close()
		if _, err := w.CreateAPIClient(t.Context(), internetBank.ID, []string{"transaction:create"}, nil, hook.URL); err != nil {
			t.Fatal(err)
		}
		p := newPayer(w, 1)
		made := p.order()
		if _, err := p.phone.Send(p.phone.Decision(made.Offer, transaction.Yes)); err != nil {
			t.Fatal(err)
		}
		deliver := func() {
			t.Helper()
			for range 20 {
				n, err := w.DeliverDue(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if n == 0 {
					return
				}
			}
		}
		deliver()
		mu.Lock()
		status = http.StatusNoContent
		mu.Unlock()
		w.Clock.Move(10 * time.Minute)
		if err := w.SweepDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		deliver()
		mu.Lock()
		defer mu.Unlock()
		types := map[any]int{}
		ids := map[any]bool{}
		for _, o := range got {
			types[o["type"]]++
			ids[o["event"]] = true
			if o["transaction"] != made.ID || o["audience"] != internetBank.ID || len(o) != 6 {
				t.Errorf("an event says %v", o)
			}
		}
		if types["transaction.approved"] != 2 || types["transaction.lapsed"] != 1 || len(ids) != 2 {
			t.Errorf("events %v under %d identifiers", types, len(ids))
		}
	})
}

// A phone is woken when there is something to see, not too often without an answer, and again once somebody has answered.
func TestWakeUpsAreBounded(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		pushes := &testkit.Pushes{}
		w.Pusher = pushes
		p := newPayer(w, 1)
		w.Policy.PushLoopback = true
		if err := w.SetPush(t.Context(), p.phone.Proof("PUT", "/v1/push", []byte("x")), testkit.Subscription()); err != nil {
			t.Fatal(err)
		}
		ignore := func(n int, gap time.Duration) (woken int) {
			t.Helper()
			before := pushes.Count()
			for range n {
				made := p.order()
				if _, err := w.DeliverDue(t.Context()); err != nil {
					t.Fatal(err)
				}
				if _, err := w.CancelTransaction(t.Context(), internetBank, made.ID); err != nil {
					t.Fatal(err)
				}
				w.Clock.Move(gap)
			}
			return pushes.Count() - before
		}
		if n := ignore(8, time.Second); n != 2 {
			t.Errorf("eight in a row woke her %d times, want 2 and then a pause", n)
		}
		w.Clock.Move(25 * time.Hour)
		if n := ignore(30, 2*time.Minute); n > 10 || n < 4 {
			t.Errorf("thirty in an hour woke her %d times", n)
		}
		w.Clock.Move(25 * time.Hour)
		ignore(3, time.Second)
		made := p.order()
		if _, err := p.phone.Send(p.phone.Decision(made.Offer, transaction.No)); err != nil {
			t.Fatal(err)
		}
		if n := ignore(1, time.Second); n != 1 {
			t.Error("after an answer she is not woken")
		}
	})
}
