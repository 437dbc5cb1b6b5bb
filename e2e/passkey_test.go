//go:build browser

package e2e

import (
	"context"
	"html"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// presence says whether the user of an authenticator touches it by herself as soon as she is asked.
func (b *tab) presence(id webauthn.AuthenticatorID, at bool) {
	b.t.Helper()
	b.must(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, webauthn.SetAutomaticPresenceSimulation, webauthn.SetAutomaticPresenceSimulationParams{AuthenticatorID: id, Enabled: at})
		return chromedp.Void{}, err
	})
}

// logOut ends the session at the log-in host.
func (b *tab) logOut(d *demo) {
	b.t.Helper()
	b.eval("location.assign("+quote(d.url("login", "/logout"))+") || ''", new(string)) // a page that is just going on by itself does not break this off
	b.at("/logout")
	b.click("form[action^='/logout'] button.main, form[action^='/logout'] button")
	b.until(`!document.querySelector("form[action^='/logout']")`)
}

// askForPasskey goes from the list of passkeys to the page that waits for the phone, has the phone approve, and comes to the button that makes the passkey.
func (b *tab) askForPasskey(d *demo, hand *tab) {
	b.t.Helper()
	b.goTo(d.url("login", "/security/passkeys"))
	b.click("a[href^='/security/passkeys/add']")
	b.look("add")
	b.click("form[action^='/security/passkeys/add'] button.main")
	b.see("[data-poll]")
	b.look("waiting")
	shown := b.text(".rendering")
	hand.goTo(d.url("token", "/"))
	hand.open("passkey")
	for _, line := range strings.Split(shown, "\n")[1:] {
		_, value, _ := strings.Cut(line, ": ")
		if !strings.Contains(hand.text("main"), strings.TrimSpace(value)) {
			b.t.Errorf("the phone does not show %q:\n%s", value, hand.text("main"))
		}
	}
	hand.approve()
	b.see("form[data-passkey-make]")
	b.look("approved")
}

// M-08 and B-06: a passkey is registered with the approval of the token app and used without login ID and password, from the field and by the button; what fails in the browser is said in
// plain words; it is renamed and removed.
func TestPasskeyFromTheApprovalToTheRemoval(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	ctx := browser(t, t.TempDir())
	desk, hand := pc.open(t, ctx, "pc", true), phone.open(t, ctx, "phone", true)
	code := d.tokenOn(desk, hand, taro)
	key := desk.authenticator()
	desk.finger(key, false)
	desk.askForPasskey(d, hand)
	desk.click("form[data-passkey-make] button.main")
	desk.see("[data-passkey-failed]")
	desk.look("refused-finger")
	desk.forget(key) // one that was refused a finger stays refused
	key = desk.authenticator()
	desk.fill("#name", "わたしのパソコン")
	desk.click("form[data-passkey-make] button.main")
	desk.at("/security/passkeys")
	if said := desk.text("main"); !strings.Contains(said, "わたしのパソコン") || !strings.Contains(said, "次のログインから") {
		t.Errorf("after the registration the page says %q", said)
	}
	desk.look("registered")

	// The same authenticator does not make a second one.
	desk.askForPasskey(d, hand)
	desk.click("form[data-passkey-make] button.main")
	desk.see("[data-passkey-exists]")
	desk.look("exists")
	desk.click("form[action$='/cancel'] button")
	desk.at("/security")

	// By the button, with the browser's own offer waiting beside it.
	desk.presence(key, false)
	desk.logOut(d)
	desk.front(d)
	desk.click("form[action='/login'] button")
	desk.at("/login")
	desk.see("form[data-passkey-use]")
	desk.look("login")
	desk.presence(key, true)
	desk.click("form[data-passkey-use] button.main")
	desk.at("/home")
	desk.look("home")

	// From the field: the browser offers the passkey by itself.
	desk.logOut(d)
	desk.goTo(d.url("login", "/login"))
	desk.at("/security")

	// The authenticator is gone: the page says so in plain words, and login ID and password are there.
	desk.logOut(d)
	desk.forget(key)
	key = desk.authenticator()
	desk.goTo(d.url("login", "/login"))
	desk.see("form[data-passkey-use]")
	desk.click("form[data-passkey-use] button.main")
	desk.see("[data-passkey-failed]")
	desk.look("gone")
	desk.fill("#login_id", taro.id)
	desk.fill("#login_password", taro.login)
	desk.click("form[action^='/login'] button[data-after-passkey]")
	desk.at("/login/code")
	hand.goTo(d.url("token", "/"))
	desk.fill("#code", hand.next(code))
	desk.click("form[action^='/login/code'] button.main")
	desk.at("/security")

	// Whoever came by password and code needs the phone to remove it.
	desk.goTo(d.url("login", "/security/passkeys"))
	desk.click("a[href^='/security/passkeys/remove']")
	desk.look("remove")
	desk.click("form[action='/security/passkeys/remove'] button.stop")
	desk.see("[data-poll]")
	hand.goTo(d.url("token", "/"))
	hand.open("remove")
	hand.approve()
	desk.at("/security/passkeys")
	desk.look("removed")
	if said := desk.text("main"); !strings.Contains(said, "登録を解除しました") {
		t.Errorf("after the removal the page says %q", said)
	}
}

var objectionLink = regexp.MustCompile(`http://login\.localhost:\d+/not-me#[2-9A-HJ-NP-Z]{16}`)

// That was not me: from the mail of a login on a device that was never seen, without any password, to a service that stands still.
func TestANoticeStopsTheService(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	ctx := browser(t, t.TempDir())
	desk := pc.open(t, ctx, "pc", true)
	desk.logIn(d, taro)
	desk.at("/home")
	var link string
	for range 60 {
		for _, m := range mailLink.FindAllStringSubmatch(d.desk().open(d.url("mail", "/")).html, -1) {
			if s := html.UnescapeString(d.desk().open(d.url("mail", m[1])).html); strings.Contains(s, "はじめての端末") && strings.Contains(s, taro.mail) {
				link = objectionLink.FindString(s)
			}
		}
		if link != "" {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	if link == "" {
		t.Fatal("no mail told of the new device")
	}
	reader := phone.open(t, ctx, "reader", true)
	reader.goTo(link)
	reader.see("#objection")
	reader.look("not-me")
	if where := reader.where(); strings.Contains(where, "#") {
		t.Errorf("the code is still in the address: %s", where)
	}
	if reader.count("input[type=password]") != 0 {
		t.Error("the page asks for a password")
	}
	reader.click("form[action='/not-me'] button.stop")
	reader.see(".confirmed")
	reader.look("stopped")
	desk.goTo(d.url("login", "/security"))
	desk.at("/login")
	desk.fill("#login_id", taro.id)
	desk.fill("#login_password", taro.login)
	desk.click("form[action^='/login'] button[data-after-passkey]")
	desk.see("#refusal")
	desk.look("refused")
}
