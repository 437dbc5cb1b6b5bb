//go:build browser

package e2e

import (
	"html"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// mailTo waits for a mail to a customer with these words, and gives it.
func (d *demo) mailTo(p person, words string) string {
	d.t.Helper()
	for range 60 {
		for _, m := range mailLink.FindAllStringSubmatch(d.desk().open(d.url("mail", "/")).html, -1) {
			if s := html.UnescapeString(d.desk().open(d.url("mail", m[1])).html); strings.Contains(s, words) && strings.Contains(s, p.mail) {
				return s
			}
		}
		time.Sleep(200 * time.Millisecond)
	}
	d.t.Fatalf("no mail to %s says %q", p.id, words)
	return ""
}

// T8, the customer's half (B-05): the phone is lost at night while a transfer waits on it. From another device, without a log-in and with one thing that she has, everything stands still: what waits is
// withdrawn, the bank has logged her out, nobody gets in, and the phone that was found says so.
func TestALostPhoneAtNight(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	ctx := browser(t, t.TempDir())
	desk, hand := pc.open(t, ctx, "pc", true), phone.open(t, ctx, "phone", true)
	d.payerOn(desk, hand, taro)
	desk.order(d, "7654321", "50000")

	night := phone.open(t, ctx, "night", true)
	night.goTo(d.url("login", "/login"))
	night.click("footer a[href='/emergency-stop']")
	night.see("#secret")
	night.look("stop")
	night.fill("#login_id", taro.id)
	night.fill("#secret", "not-the-password")
	night.click("form[action='/emergency-stop'] button.stop")
	night.see("#refusal")
	night.look("refused")
	if night.value("#login_id") != taro.id || night.value("#secret") != "" {
		t.Error("after a refusal the login ID is gone, or what was typed beside it is not")
	}
	night.click("input[name=by][value=confirm]")
	night.fill("#secret", taro.confirm)
	night.click("form[action='/emergency-stop'] button.stop")
	night.see(".confirmed")
	night.look("stopped")
	if said := night.text("main"); !strings.Contains(said, "お預け入れには影響ありません") || night.count("a[href^='/reissue']") != 1 {
		t.Errorf("the page does not say how to get back: %s", said)
	}
	night.click("form[action='/language'] button")
	night.see(".confirmed, #secret") // the word was said once; the page is there in the other language
	english := pc
	english.lang = "en"
	reader := english.open(t, ctx, "en", true)
	reader.goTo(d.url("login", "/emergency-stop"))
	reader.see("#secret")
	reader.look("stop")

	// The transfer ends by itself at the bank, and the bank's own session is over.
	desk.until(`document.querySelector("[data-testid=result][data-state=cancelled]") || !location.pathname.startsWith("/transfers/")`)
	desk.look("withdrawn")
	desk.goTo(d.url("bank", "/home"))
	desk.until(`location.pathname !== "/home"`)
	desk.look("logged-out")
	desk.goTo(d.url("login", "/login"))
	desk.fill("#login_id", taro.id)
	desk.fill("#login_password", taro.login)
	desk.click("form[action^='/login'] button[data-after-passkey]")
	desk.see("#refusal")
	// The lost phone shows nothing that waits, and says why.
	hand.goTo(d.url("token", "/#codes"))
	hand.must(chromedp.Reload())
	hand.see("[data-testid=service-stopped]")
	hand.look("stopped")
	if hand.count("[data-testid=pending-open]") != 0 {
		t.Error("something still waits on the phone")
	}
	d.mailTo(taro, "ご利用を緊急停止しました")
}

// A change of the mail address from the approval to its notice in both inboxes and at the bank, which is careful until the time is over; the old address puts itself back (B-07).
func TestChangedAddressIsToldEverywhere(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	ctx := browser(t, t.TempDir())
	desk, hand := pc.open(t, ctx, "pc", true), phone.open(t, ctx, "phone", true)
	d.payerOn(desk, hand, taro)
	desk.goTo(d.url("login", "/security/address"))
	desk.fill("#mail", "taro@another.example.jp")
	desk.look("address")
	desk.click("form[action='/security/address'] button.main")
	desk.see("[data-poll]")
	desk.look("waiting")
	hand.goTo(d.url("token", "/"))
	hand.open("address")
	if shown := hand.text("main"); !strings.Contains(shown, "taro@another.example.jp") {
		t.Errorf("the phone shows %s", shown)
	}
	hand.approve()
	desk.at("/security/address") // the page does what was approved by itself
	desk.look("changed")
	old := d.mailTo(taro, "メールアドレスを変更しました")

	desk.goTo(d.url("login", "/security"))
	desk.see("#cooling")
	desk.look("centre")
	desk.click("a[href='/security/notices']")
	desk.see("article")
	desk.look("notices")
	if said := desk.text("main"); !strings.Contains(said, "メールアドレスを変更しました") || strings.Contains(said, "not-me") {
		t.Errorf("the inbox says %s", said)
	}
	desk.click("form[action='/security/notices/mails'] button[value=no]")
	desk.see(".note.good")
	desk.look("muted")

	// The app shows the same, verified, in the language of the phone; its menu has the stop.
	hand.goTo(d.url("token", "/#codes"))
	hand.click("[data-testid=manage]")
	hand.click("[data-testid=halt]")
	hand.see("[data-testid=halt-confirm]")
	hand.look("halt")
	hand.press("\x1b")
	hand.click("[data-testid=notices-open]")
	hand.see("[data-testid=notice]")
	hand.look("notices")
	if said := hand.text("main"); !strings.Contains(said, "メールアドレスを変更しました") {
		t.Errorf("the app's inbox says %s", said)
	}
	hand.click("[data-testid=lang-switch]")
	hand.until(`document.documentElement.lang === "en"`)
	hand.look("notices-en")

	// The bank is careful, and says until when and why, before she is asked.
	desk.goTo(d.url("bank", "/transfers/new"))
	desk.click("a[href^='/transfers/new?bank=']")
	desk.see("#branch")
	desk.eval("(document.querySelector('#branch').selectedIndex = 1, 'ok')", new(string))
	desk.fill("#number", "7654321")
	desk.fill("#amount", "150000")
	desk.click("form[action='/transfers'] button.main")
	desk.click("[data-testid=confirm]")
	desk.see("[data-testid=why]")
	desk.look("caution")
	if why := desk.text("[data-testid=why]"); !strings.Contains(why, "メールアドレスの変更から間もないため") || !strings.Contains(why, "100,000円") {
		t.Errorf("the bank says %s", why)
	}

	// Whoever reads the old address takes it back.
	reader := phone.open(t, ctx, "reader", true)
	reader.goTo(objectionLink.FindString(old))
	reader.click("form[action='/not-me'] button.stop")
	reader.see(".confirmed")
	desk.goTo(d.url("login", "/security"))
	desk.at("/login")
}
