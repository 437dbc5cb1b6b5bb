//go:build browser

package e2e

import (
	"context"
	"database/sql"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	_ "modernc.org/sqlite"
)

// neverArrives lets no request to such an address reach the server, for as long as the page lives.
func (b *tab) neverArrives(pattern string) {
	b.t.Helper()
	b.cut.Store(true)
	paused := chromedp.Events(b.ctx, fetch.RequestPaused)
	b.must(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, fetch.Enable, fetch.EnableParams{Patterns: []*fetch.RequestPattern{{URLPattern: pattern, RequestStage: fetch.RequestStageRequest}}})
		return chromedp.Void{}, err
	})
	go func() {
		for e, err := range paused {
			if err != nil {
				return
			}
			_, _ = chromedp.Call(b.ctx, fetch.FailRequest, fetch.FailRequestParams{RequestID: e.RequestID, ErrorReason: network.ErrorReasonConnectionReset})
		}
	}()
}

// between changes the demo's data while it stands still: what takes months in a bank takes a moment here.
func (d *demo) between(statement string, args ...any) {
	d.t.Helper()
	d.stop(syscall.SIGTERM)
	db, err := sql.Open("sqlite", filepath.Join(d.data, "inkan.db"))
	if err != nil {
		d.t.Fatal(err)
	}
	if _, err := db.Exec(statement, args...); err != nil {
		d.t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		d.t.Fatal(err)
	}
	d.start()
}

// speak changes the language of the app.
func (b *tab) speak() {
	b.t.Helper()
	b.click("[data-testid=lang-switch]")
	time.Sleep(300 * time.Millisecond)
}

// fit looks at a screen of the app as the tests of all pages do.
func (b *tab) fit(name string) {
	b.t.Helper()
	i := b.inspector("ja")
	i.brief = true
	i.check(name)
	b.become(phone)
}

// T12: 179 days before the date the app says so, and one press renews, though the app is killed in the middle; one day after the date the customer is led, and needs no branch.
func TestRenewalBeforeAndAfterTheDate(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "-token-life", "4296h") // 179 days
	ctx := browser(t, t.TempDir())
	desk := pc.open(t, ctx, "pc", true)
	home := phone.open(t, ctx, "home", true) // the phone, whatever is open on it
	hand := home.beside("phone", phone)
	d.tokenOn(desk, hand, taro)
	hand.cut.Store(true) // what the open app asks while the server is started again meets nobody
	d.stop(syscall.SIGTERM)
	d.more = nil // from now on tokens live for three years
	d.start()

	hand.goTo(d.url("token", "/"))
	hand.see("[data-testid=renew-soon]")
	hand.fit("soon")
	hand.speak()
	hand.look("soon-en")
	hand.speak()
	date := hand.text("[data-testid=expiry]")
	old := hand.code(true)
	hand.neverArrives("*/v1/renewals/confirmation")
	hand.click("[data-testid=renew]")
	hand.see("[data-testid=renew-waiting]")
	hand.look("no-network")
	if n := d.asked("POST /v1/renewals"); n != 1 {
		t.Errorf("%d requests for other keys have arrived", n)
	}
	if err := chromedp.Cancel(hand.ctx); err != nil { // the page is closed between the two requests
		t.Fatal(err)
	}

	hand = home.beside("phone-again", phone)
	hand.cut.Store(true) // the server was restarted: a stream that asks again may have met nobody
	hand.goTo(d.url("token", "/"))
	hand.see("[data-testid=renewed]")
	hand.look("renewed")
	if again := hand.text("[data-testid=expiry]"); again == date {
		t.Errorf("the date has stayed: %s", again)
	}
	code := hand.code(true)
	if code == old {
		t.Error("the code has stayed")
	}
	desk.logOut(d)
	desk.logIn(d, taro)
	desk.at("/login/code")
	desk.fill("#code", code)
	desk.click("form[action^='/login/code'] button.main")
	desk.at("/home")
	if s := d.desk().open(d.url("mail", "/")).html; !strings.Contains(s, "トークンを更新しました") {
		t.Error("no mail tells of the renewal")
	}
	desk.goTo(d.url("login", "/history"))
	desk.look("history")

	// One day after the date.
	d.between("UPDATE token SET expires_at = ? WHERE state = 'active'", time.Now().Add(-24*time.Hour).UnixMicro())
	hand.goTo(d.url("token", "/"))
	hand.see("[data-testid=renew-number]")
	if n := hand.count("[data-testid=code]"); n != 0 {
		t.Error("an expired token shows a code")
	}
	hand.fit("expired")
	hand.speak()
	hand.look("expired-en")
	hand.speak()
	desk.logOut(d)
	desk.logIn(d, taro)
	desk.at("/renew")
	desk.look("renew")
	aside := desk.beside("closed", pc)
	for _, closed := range []string{"/security", "/password", "/history", "/token/stop", "/login/code"} {
		aside.goTo(d.url("login", closed))
		aside.at("/renew")
	}
	desk.fill("#confirm", taro.confirm)
	desk.click("form[action^='/renew'] button.main")
	desk.see("a.button.main[href^='/login/code']")
	desk.look("mailed")
	n := d.desk().mailed(taro.mail, 1) // the mailbox was emptied by the restart
	hand.fill("[data-testid=renew-number]", "00000000")
	hand.click("[data-testid=renew]")
	hand.see("[data-testid=renew-fault]")
	hand.fit("wrong-number")
	hand.loseAnswers("*/v1/renewals/confirmation", 1, nil) // the receipt is lost
	hand.fill("[data-testid=renew-number]", n)
	hand.click("[data-testid=renew]")
	hand.see("[data-testid=renewed]")
	hand.look("renewed")
	desk.click("a.button.main[href^='/login/code']")
	desk.at("/login/code")
	desk.fill("#code", hand.code(true))
	desk.click("form[action^='/login/code'] button.main")
	desk.at("/home")
}
