package authority_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/signing"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// partner is a system of the bank that keeps the events it is sent, and answers when it is let.
type partner struct {
	*httptest.Server
	mu     sync.Mutex
	events []string // by transaction and type, as they came
	asked  chan struct{}
	answer chan struct{}
}

func newPartner(t *testing.T, w *testkit.World) *partner {
	p := &partner{asked: make(chan struct{}, 100), answer: make(chan struct{})}
	p.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		o, err := signing.Open(signing.TypEvent, string(body), w.Keys.Issuer().Key)
		if err != nil {
			t.Errorf("an event that does not hold: %v", err)
		}
		p.asked <- struct{}{}
		select {
		case <-p.answer:
		case <-r.Context().Done():
			return
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.events = append(p.events, fmt.Sprint(o["transaction"], " ", o["type"]))
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *partner) heard() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.events)
}

// A system of the bank that does not answer keeps its own events waiting and nothing else: mails, wake-ups and the events of other systems leave meanwhile. When it answers at last, it is told
// everything once and in its order.
func TestASlowPartnerKeepsNobodyWaiting(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		slow, quick := newPartner(t, w), newPartner(t, w)
		close(quick.answer)
		other := audit.Actor{Kind: audit.Bank, ID: "branch", Device: "-", Source: "192.0.2.0/24"}
		for id, hook := range map[string]string{internetBank.ID: slow.URL, other.ID: quick.URL} {
			_, err := w.CreateAPIClient(t.Context(), id, []string{"transaction:create"}, nil, hook)
			want(t, "a client", err, "")
		}
		pushes := &testkit.Pushes{}
		w.Pusher, w.Policy.PushLoopback = pushes, true
		p := newPayer(w, 1)
		want(t, "a subscription", w.SetPush(t.Context(), p.phone.Proof("PUT", "/v1/push", nil), testkit.Subscription()), "")
		ctx, stop := context.WithCancel(t.Context())
		var worker sync.WaitGroup
		worker.Go(func() { want(t, "the worker", w.Deliver(ctx), "") })
		defer worker.Wait()
		defer stop()
		soon := func(what string, is func() bool) {
			t.Helper()
			for began := time.Now(); !is(); time.Sleep(5 * time.Millisecond) {
				if time.Since(began) > 30*time.Second {
					t.Fatalf("%s: not while a partner is slow", what)
				}
			}
		}
		var told []string
		for range 3 { // the first of these is on its way for as long as we like
			made := p.order()
			_, err := p.phone.Send(p.phone.Decision(made.Offer, transaction.No))
			want(t, "an answer", err, "")
			told = append(told, made.ID+" transaction.rejected")
			w.Clock.Move(time.Second)
		}
		<-slow.asked

		woken, mailed := pushes.Count(), len(w.Post.Sent())
		made, err := w.CreateTransaction(t.Context(), other, "another", authority.NewTransaction{Ref: p.ref, Template: "limit", Currency: "JPY",
			Fields: map[string]string{"limit.what": "transfer_day", "limit.before": "1000000", "limit.after": "5000000"}})
		want(t, "a transaction of another system", err, "")
		soon("a wake-up", func() bool { return pushes.Count() > woken })
		_, err = p.phone.Send(p.phone.Decision(made.Offer, transaction.NotMe))
		want(t, "a report", err, "")
		soon("a mail", func() bool { return len(w.Post.Sent()) > mailed })
		soon("another system's event", func() bool { return slices.Equal(quick.heard(), []string{made.ID + " transaction.reported"}) })

		close(slow.answer)
		soon("all events", func() bool { return len(slow.heard()) == len(told) })
		if got := slow.heard(); !slices.Equal(got, told) {
			t.Errorf("told %v, want %v", got, told)
		}
	})
}
