package authority_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// many puts so many customers with tokens in use into a world, which end at the moments that expires gives.
func many(t *testing.T, w *testkit.World, n int, expires func(i int) time.Time) (tokens, mails []string) {
	t.Helper()
	now := w.Clock.Now()
	id := func(kind string, i int) string {
		return ident.New(kind, now, [10]byte{4: byte(i >> 16), 5: byte(i >> 8), 6: byte(i)}) //nolint:gosec // some bits of i
	}
	err := w.ByHand(t.Context(), func(ctx context.Context, tx *store.Tx) error {
		tokens, mails = nil, nil
		for i := range n {
			c, a, e, k := id(ident.Customer, i), id(ident.Address, i), id(ident.Enrolment, i), id(ident.Token, i)
			mail := fmt.Sprintf("c%d@mail.example.jp", i)
			tokens, mails = append(tokens, k), append(mails, mail)
			for _, err := range []error{
				tx.InsertCustomer(ctx, db.InsertCustomerParams{ID: c, Ref: c, LoginID: c, Name: "山田 花子", State: "active", CreatedAt: store.Micros(now)}),
				tx.InsertAddress(ctx, db.InsertAddressParams{ID: a, Customer: c, Mail: mail, State: "usable", Since: store.Micros(now)}),
				tx.InsertEnrolment(ctx, db.InsertEnrolmentParams{ID: e, Customer: c, Address: a, KeySealed: []byte{}, KeyTypedMac: []byte{}, KeySecretMac: []byte{}, NumberSealed: []byte{}, NumberMac: []byte(e),
					OrderedAt: store.Micros(now), ExpiresAt: store.Micros(now.Add(time.Hour)), RequestHash: []byte(e), Purpose: "first"}),
				store.Must(tx.EndEnrolment(ctx, db.EndEnrolmentParams{ID: e, State: "cancelled", State_2: "ordered", EndedAt: store.Micros(now)})),
				tx.InsertToken(ctx, db.InsertTokenParams{ID: k, Customer: c, Enrolment: e, Generation: 1, Platform: "iPhone / Safari", SigningKey: []byte{}, OtpKey: []byte{}, OcraKey: []byte{}, Digits: 6,
					StepSeconds: 60, RegisteredAt: store.Micros(now), ExpiresAt: store.Micros(expires(i))}),
				store.Must(tx.SetTokenState(ctx, db.SetTokenStateParams{ID: k, State: "active", State_2: "keyed"})),
			} {
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
	want(t, "customers", err, "")
	return tokens, mails
}

// toldOfDates is what a customer was mailed about the date of her token: when, by topic.
func toldOfDates(t *testing.T, w *testkit.World) map[string]map[string][]time.Time {
	t.Helper()
	out := map[string]map[string][]time.Time{}
	for _, m := range w.Post.Sent() {
		if m.Subject != "token_reminder" && m.Subject != "token_expired" {
			continue
		}
		var v map[string]string
		want(t, "a mail", json.Unmarshal([]byte(m.Body), &v), "")
		at, err := time.Parse(time.RFC3339, v["time"])
		want(t, "its time", err, "")
		if out[m.To] == nil {
			out[m.To] = map[string][]time.Time{}
		}
		out[m.To][m.Subject] = append(out[m.To][m.Subject], at)
	}
	return out
}

// deliverAll empties the outbox.
func deliverAll(t *testing.T, w *testkit.World) {
	t.Helper()
	for n := 1; n > 0; {
		var err error
		n, err = w.DeliverDue(t.Context())
		want(t, "delivering", err, "")
	}
}

// 400 days of 1,000 customers (M-14): every reminder once and every end on its day. The server lives in a zone whose clocks go forward and back twice in that time; it counts microseconds since
// 1970, which know neither that nor leap seconds (a Unix day has 86,400 seconds, with or without one at its end), so a day is never shorter or longer. Two nodes look at the calendar at once.
func TestFourHundredDaysOfReminders(t *testing.T) {
	const days = 400
	customers := 1000
	newYork, err := time.LoadLocation("America/New_York")
	want(t, "a zone", err, "")
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		customers := customers
		if strings.HasSuffix(t.Name(), "/postgres") && !long() { // the same SQL, a day of it takes three times as long
			customers = min(customers, 150)
		}
		c := w.Config
		c.Now = func() time.Time { return w.Clock.Now().In(newYork) }
		a, err := authority.New(t.Context(), c)
		want(t, "a server in New York", err, "")
		w.Authority = a
		other := w.Another()
		start := w.Clock.Now()
		random := rand.New(rand.NewPCG(14, uint64(days)))
		ends := make([]time.Time, customers)
		tokens, mails := many(t, w, customers, func(i int) time.Time {
			ends[i] = start.Add(time.Duration(random.Int64N(int64((days + 200) * day)))).Truncate(time.Second)
			return ends[i]
		})
		for d := range days + 1 {
			nodes := []*testkit.World{w, other}
			for _, err := range together(2, func(i int) error {
				if i == 1 && d%20 != 0 { // not always both: the store has one file
					return nil
				}
				return nodes[i].SweepDue(t.Context())
			}) {
				if err != nil {
					t.Fatalf("day %d: %v", d, err)
				}
			}
			if d%5 == 0 { // a mail lives for a week
				deliverAll(t, w)
			}
			w.Clock.Move(day)
		}
		w.Clock.Move(-day)
		end := w.Clock.Now()
		mailed := toldOfDates(t, w)
		for i, ends := range ends {
			var expected []time.Time // the moments at which a threshold passed, in order
			if ends.After(start) {
				for _, n := range []int{180, 90, 30, 7, 1} {
					at := ends.Add(-time.Duration(n) * day)
					switch {
					case !at.After(start): // passed before the first look: only the nearest of these is said, at once
						expected = []time.Time{start}
					case !at.After(end):
						expected = append(expected, at)
					}
				}
			}
			got := mailed[mails[i]]["token_reminder"]
			if len(got) != len(expected) {
				t.Fatalf("customer %d, whose token ends on %v, was told %v, want %v", i, ends, got, expected)
			}
			for k := range got {
				if late := got[k].Sub(expected[k]); late < -time.Second || late >= day+time.Second {
					t.Fatalf("customer %d: reminder %d came at %v, want within a day of %v", i, k, got[k], expected[k])
				}
			}
			row, err := w.Store.Reader().TokenByID(t.Context(), tokens[i])
			want(t, "a token", err, "")
			over := !ends.After(end)
			expiries := mailed[mails[i]]["token_expired"]
			if (row.State == string(token.Expired)) != over || (len(expiries) == 1) != over || len(expiries) > 1 {
				t.Fatalf("customer %d: ends %v, is %s, was told of the end %v", i, ends, row.State, expiries)
			}
			if over && ends.After(start) && (expiries[0].Before(ends) || expiries[0].Sub(ends) > day+time.Second) {
				t.Fatalf("customer %d: the end of %v was told at %v", i, ends, expiries[0])
			}
		}
	})
}

// A server that stood still says only what is nearest, and a renewed token is reminded of its next date.
func TestRemindersAfterAStandstill(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		id, p := near(w, 1)
		mail := "hanako1@mail.example.jp"
		count := func(topic string) int { deliverAll(t, w); return len(toldOfDates(t, w)[mail][topic]) }
		want(t, "a look", w.SweepDue(t.Context()), "")
		want(t, "another look", w.SweepDue(t.Context()), "")
		if n := count("token_reminder"); n != 1 {
			t.Fatalf("%d reminders at 179 days", n)
		}
		until(w, p, 5*day) // the server stands still for half a year
		want(t, "a look", w.SweepDue(t.Context()), "")
		want(t, "another look", w.Another().SweepDue(t.Context()), "")
		if n := count("token_reminder"); n != 2 {
			t.Errorf("%d reminders after the standstill, want one more", n)
		}
		rows, err := w.Store.Reader().RemindersOf(t.Context(), p.Answer.Token)
		if err != nil || len(rows) != 2 || rows[0].Days != 180 || rows[1].Days != 7 {
			t.Errorf("%v, %v", rows, err)
		}
		want(t, "the renewal", p.Renew(""), "")
		w.Clock.Move(6 * day)
		want(t, "the day on which it would have ended", w.SweepDue(t.Context()), "")
		want(t, "a code", entered(w, id, p), "")
		if count("token_expired") != 0 || count("token_reminder") != 2 {
			t.Error("a renewed token was told of its old date")
		}
		until(w, p, 180*day-time.Hour)
		want(t, "a look", w.SweepDue(t.Context()), "")
		if n := count("token_reminder"); n != 3 {
			t.Errorf("%d reminders, want the first of the next date", n)
		}
	})
}
