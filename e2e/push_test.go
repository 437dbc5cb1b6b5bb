//go:build browser

package e2e

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/serviceworker"
	"github.com/chromedp/chromedp"
)

// subscription is what a browser with a push service hands out.
type subscription struct {
	key  *ecdh.PrivateKey
	auth []byte
}

// open decrypts a push message as the browser does (RFC 8291, RFC 8188).
func (s subscription) open(t *testing.T, body []byte) string {
	t.Helper()
	if len(body) < 86+17 {
		t.Fatalf("a push message of %d bytes", len(body))
	}
	salt, as := body[:16], body[21:86]
	theirs, err := ecdh.P256().NewPublicKey(as)
	if err != nil {
		t.Fatal(err)
	}
	shared, err := s.key.ECDH(theirs)
	if err != nil {
		t.Fatal(err)
	}
	derive := func(secret, salt []byte, info string, n int) []byte {
		out, err := hkdf.Key(sha256.New, secret, salt, info, n)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	ikm := derive(shared, s.auth, "WebPush: info\x00"+string(s.key.PublicKey().Bytes())+string(as), 32)
	block, err := aes.NewCipher(derive(ikm, salt, "Content-Encoding: aes128gcm\x00", 16))
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := gcm.Open(nil, derive(ikm, salt, "Content-Encoding: nonce\x00", 12), body[86:], nil)
	if err != nil {
		t.Fatalf("the browser cannot read the push message: %v", err)
	}
	return strings.TrimSuffix(string(plain), "\x02")
}

// A closed phone is woken by Web Push, and neither the push service nor the lock screen learns anything. The browser's own service cannot be reached from here, so one
// of the test's own stands in its place; what the server sends is decrypted, and handed to the real worker.
func TestAPhoneIsWokenAndNothingIsSaid(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sub := subscription{key, make([]byte, 16)}
	_, _ = rand.Read(sub.auth)
	type sent struct {
		header http.Header
		body   []byte
	}
	pushes := make(chan sent, 10)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(io.LimitReader(r.Body, 8192))
		pushes <- sent{r.Header.Clone(), body}
		w.WriteHeader(http.StatusCreated)
	}))
	defer service.Close()

	ctx := browser(t, t.TempDir())
	desk, hand := pc.open(t, ctx, "pc", true), phone.open(t, browser(t, t.TempDir()), "phone", false)
	hand.beforeEachPage(`if (location.protocol.startsWith('http')) {
		const made = { endpoint: '` + service.URL + `/of-this-browser', options: {}, unsubscribe: async () => true,
			toJSON: () => ({ keys: { p256dh: '` + base64.RawURLEncoding.EncodeToString(key.PublicKey().Bytes()) + `', auth: '` + base64.RawURLEncoding.EncodeToString(sub.auth) + `' } }) };
		let on = localStorage.getItem('test-push') === 'on';
		PushManager.prototype.getSubscription = async () => on ? made : null;
		PushManager.prototype.subscribe = async (options) => { made.options = options; on = true; localStorage.setItem('test-push', 'on'); return made; };
	}`)
	hand.must(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := chromedp.Call(ctx, cdpbrowser.SetPermission, cdpbrowser.SetPermissionParams{Origin: d.url("token", ""), Permission: &cdpbrowser.PermissionDescriptor{Name: "notifications"}, Setting: cdpbrowser.PermissionSettingGranted})
		return chromedp.Void{}, err
	})
	workers := chromedp.Events(hand.ctx, serviceworker.WorkerRegistrationUpdated)
	hand.must(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, serviceworker.Enable, cdp.Empty{})
		return chromedp.Void{}, err
	})
	ids := make(chan string, 100)
	go func() {
		for e, err := range workers {
			if err != nil {
				return
			}
			for _, r := range e.Registrations {
				ids <- string(r.RegistrationID)
			}
		}
	}()
	d.payerOn(desk, hand, taro)
	hand.goTo(d.url("token", "/"))
	hand.keptOffline()
	hand.goTo(d.url("token", "/#phone"))
	hand.look("notifications")
	hand.click("[data-testid=push-on]")
	hand.see("[data-testid=push-off]")
	hand.look("notifications-on")
	for range 50 { // the bank has the address
		if d.asked("PUT /v1/push") > 0 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	hand.goTo("about:blank") // the app is closed
	desk.order(d, "7654321", "9000")

	var got sent
	select {
	case got = <-pushes:
	case <-time.After(20 * time.Second):
		t.Fatal("no push message came")
	}
	if plain := sub.open(t, got.body); plain != "{}" {
		t.Errorf("the push message says %q", plain)
	}
	if got.header.Get("Content-Encoding") != "aes128gcm" || got.header.Get("Urgency") != "high" || got.header.Get("TTL") == "" || got.header.Get("Topic") == "" || !strings.HasPrefix(got.header.Get("Authorization"), "vapid t=") {
		t.Errorf("its headers are %v", got.header)
	}

	// The real worker is handed it, as the browser would: it shows one notification, without any content of the transaction.
	var id string
	for id == "" {
		select {
		case id = <-ids:
		case <-time.After(10 * time.Second):
			t.Fatal("the browser knows of no worker")
		}
	}
	hand.must(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, serviceworker.DeliverPushMessage, serviceworker.DeliverPushMessageParams{Origin: d.url("token", ""), RegistrationID: serviceworker.RegistrationID(id), Data: "{}"})
		return chromedp.Void{}, err
	})
	hand.goTo(d.url("token", "/#help"))
	var shown string
	for range 40 {
		v, err := chromedp.Run(hand.ctx, chromedp.Evaluate[string](`navigator.serviceWorker.ready.then(r => r.getNotifications()).then(all => all.map(n => n.title + '|' + n.body).join('\n'))`, chromedp.EvalAwaitPromise, chromedp.EvalAsValue))
		if err != nil {
			t.Fatal(err)
		}
		if shown = v; shown != "" {
			break
		}
		time.Sleep(250 * time.Millisecond)
	}
	if shown == "" || strings.ContainsAny(shown, "0123456789") || strings.Contains(shown, "円") || strings.Contains(shown, "印鑑銀行") {
		t.Errorf("the notification says %q", shown)
	}
	hand.goTo(d.url("token", "/#transactions/next"))
	hand.see("[data-testid=approve]")
	hand.look("woken")
}

// Everything on one phone, in the mode in which the bank goes on by itself; and what happens when nobody answers.
func TestTransferOnThePhoneAlone(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "-at-once", "-wait", "40s")
	hand := phone.open(t, browser(t, t.TempDir()), "phone", true)
	hand.logIn(d, taro)
	hand.at("/token/apply")
	hand.goTo(d.url("login", "/security"))
	link, _ := hand.apply(taro)
	hand.register(link, d.desk().mailed(taro.mail, 1))
	code := hand.code(true)
	hand.goTo(d.url("login", "/token/start"))
	hand.fill("#code", code)
	hand.click("form[action^='/token/start'] button.main")
	hand.at("/token/done")
	app := hand.beside("app", phone)
	app.goTo(d.url("token", "/"))
	hand.goTo(d.url("login", "/security/transaction-authentication"))
	hand.click("input[name=read]")
	hand.fill("#code", app.next(code))
	hand.click("form[action^='/security/transaction-authentication'] button.main")
	hand.see(".tag.good")
	hand.goTo(d.url("bank", "/"))
	hand.click("form[action='/login'] button")
	hand.at("/home")

	hand.order(d, "7654321", "12000")
	app.see("[data-testid=pending-card]") // she changes to the app
	app.open("approve")
	app.approve()
	app.see("[data-testid=end][data-end=approved]")
	hand.ended("done") // and back: the bank's page has gone on by itself

	app.click("[data-testid=to-codes]")
	hand.order(d, "7654321", "34000")
	app.see("[data-testid=pending-card]")
	app.open("not-answered")
	for range 8 { // its time passes
		if app.count("[data-testid=end]") > 0 {
			break
		}
		time.Sleep(6 * time.Second)
	}
	app.see("[data-testid=end][data-end=expired]")
	app.look("expired")
	hand.ended("expired")
}
