package authority_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/policy"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// A flood of wrong passwords for one customer, from many networks and from her own: her browser and her passkey log in every time. INKAN_TEST_LONG=1 makes it 100,000.
func TestAFloodOfWrongPasswordsKeepsHerNotOut(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		total, sources, logins := 150, 3, 10
		if os.Getenv("INKAN_TEST_LONG") != "" {
			total, sources, logins = 100_000, 100, 50
		}
		w.Policy.FailuresPerSource = policy.Default().FailuresPerSource
		id := w.Person(1, false)
		b := w.LogIn(id, authority.PC)
		e, err := w.AskByMail(ctx, b.Session, authority.AddPasskey, []byte(testkit.Login), []byte(testkit.Confirm))
		want(t, "asking", err, "")
		want(t, "the code", w.ProveByMail(ctx, b.Session, e.ID, strings.ReplaceAll(mailed(t, w, "passkey_code")["number"], " ", "")), "")
		options, err := w.PasskeyOptions(ctx, b.Session, e.ID)
		want(t, "options", err, "")
		device := testkit.NewAuthenticator()
		_, err = w.AddPasskey(ctx, b.Session, e.ID, "", device.Create(options, loginOrigin))
		want(t, "adding", err, "")
		w.Clock.Move(w.Policy.CoolingOff + time.Second)

		const workers = 16
		var sent, hashed, throttled, busy atomic.Int64
		var flood sync.WaitGroup
		for range workers {
			flood.Go(func() {
				for n := sent.Add(1); n <= int64(total); n = sent.Add(1) {
					v := abroad()
					if v.Actor.Source = fmt.Sprintf("198.18.%d.0/24", n%int64(sources)); n%int64(sources) == 0 {
						v.Actor.Source = b.Visit.Actor.Source // from her own network
					}
					_, _, err := w.Login(ctx, v, id, []byte("wrong-password"))
					switch problem.KindOf(err) {
					case problem.LoginRefused:
						hashed.Add(1)
					case problem.Throttled:
						throttled.Add(1)
					case problem.Busy:
						busy.Add(1)
					default:
						t.Errorf("a wrong password: %v", err)
					}
				}
			})
		}
		var slowest time.Duration
		for n := range logins {
			for sent.Load() < int64(total*n/logins) {
				time.Sleep(time.Millisecond)
			}
			began := time.Now()
			if err := b.Password(id, testkit.Login); err != nil {
				t.Errorf("login %d of her browser: %v", n, err)
			}
			slowest = max(slowest, time.Since(began))
			v := b.Visit
			if n%2 == 1 { // a browser that was never seen, in her own network
				v.Browser = ""
			}
			if _, err := logInWith(w, v, device); err != nil {
				t.Errorf("login %d of her passkey: %v", n, err)
			}
		}
		flood.Wait()
		t.Logf("%d wrong passwords: %d came to the hasher, %d were refused for their network, %d because too many were hashing; her slowest login took %v", total, hashed.Load(), throttled.Load(), busy.Load(), slowest)
		if at := int64(sources * (w.Policy.FailuresPerSource + workers)); hashed.Load() > at || hashed.Load() < int64(sources*w.Policy.FailuresPerSource/2) || throttled.Load() == 0 {
			t.Errorf("%d came to the hasher, at most %d may", hashed.Load(), at)
		}
		stranger := b.Visit
		stranger.Browser = ""
		if _, _, err := w.Login(ctx, stranger, id, []byte(testkit.Login)); problem.KindOf(err) != problem.Throttled { // the flood was one
			t.Errorf("a browser that was never seen: %v", err)
		}
	})
}
