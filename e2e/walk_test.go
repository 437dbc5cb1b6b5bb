//go:build browser

package e2e

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// person is one of the demo's people.
type person struct{ id, login, confirm, mail string }

var (
	hanako = person{"hanako01", "hatsu-login-1", "hatsu-kakunin-1", "hanako@"}
	taro   = person{"taro02", "umi-to-yama-22", "kaze-to-kumo-22", "taro@"}
)

// logIn goes from the bank's front page to where the password leads.
func (b *tab) logIn(d *demo, p person) {
	b.t.Helper()
	b.front(d)
	b.look("bank")
	b.click("form[action='/login'] button")
	b.at("/login")
	b.look("login")
	b.fill("#login_id", p.id)
	b.fill("#login_password", p.login)
	b.click("form[action^='/login'] button[data-after-passkey]")
}

// apply goes from the security centre to the registration key, and gives link and digits.
func (b *tab) apply(p person) (link, typed string) {
	b.t.Helper()
	b.at("/token/apply")
	b.look("apply")
	b.fill("#confirm", p.confirm)
	b.click("form[action='/token/apply'] button.main")
	b.at("/token/key")
	b.look("key")
	return b.attribute("a[href*='/r#1.']", "href"), digits(b.text("#typed"))
}

func (b *tab) attribute(selector, name string) string {
	b.t.Helper()
	b.see(selector)
	var v string
	b.eval("document.querySelector("+quote(selector)+").getAttribute("+quote(name)+")", &v)
	return v
}

var number = regexp.MustCompile(`(\d{4}) (\d{4})`)

// mailed reads the registration number in the mailbox, as the customer does.
func (b *tab) mailed(d *demo, p person) string {
	b.t.Helper()
	for range 40 {
		b.goTo(d.url("mail", "/"))
		body := b.text("body")
		if strings.Contains(body, p.mail) {
			var href string
			b.eval("[...document.querySelectorAll('a')].filter(a => /\\/(mail|message|m)s?\\//.test(a.pathname) || /\\d+$/.test(a.pathname)).map(a => a.href)[0] || ''", &href)
			if href != "" {
				b.goTo(href)
			}
			if m := number.FindStringSubmatch(b.text("main")); m != nil {
				b.look("mail")
				return m[1] + m[2]
			}
		}
		time.Sleep(250 * time.Millisecond)
	}
	b.look("no-mail")
	b.t.Fatal("no mail with a registration number")
	return ""
}

// code reads the one-time password from the token app, but not in its last seconds.
func (b *tab) code(fresh bool) string {
	b.t.Helper()
	for fresh && time.Now().Unix()%60 > 52 {
		time.Sleep(time.Second)
	}
	b.see("[data-testid=code]")
	return digits(b.text("[data-testid=code]"))
}

// next waits until the app shows another code than the one given.
func (b *tab) next(than string) string {
	b.t.Helper()
	for range 70 {
		if c := b.code(true); c != than {
			return c
		}
		time.Sleep(time.Second)
	}
	b.t.Fatal("the code does not renew itself")
	return ""
}

// The main job on a PC with a phone beside it (M-06), with the change of the first passwords.
func TestWalkOnPCAndPhone(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	ctx := browser(t, t.TempDir())
	desk := pc.open(t, ctx, "pc", true)
	hand := phone.open(t, ctx, "phone", true)

	desk.logIn(d, hanako)
	desk.at("/login/passwords")
	desk.look("first-passwords")
	desk.fill("#confirm", hanako.confirm)
	desk.fill("#new_login", "tsubame-kaeru-4")
	desk.fill("#new_login_again", "tsubame-kaeru-4")
	desk.fill("#new_confirm", "kinu-no-michi-7")
	desk.fill("#new_confirm_again", "kinu-no-michi-7")
	desk.click("form[action^='/login/passwords'] button.main")
	her := person{hanako.id, "tsubame-kaeru-4", "kinu-no-michi-7", hanako.mail}
	desk.at("/home")
	desk.look("bank-home")
	desk.goTo(d.url("login", "/security"))
	desk.look("security")
	desk.click("a[href='/token/apply']")
	link, typed := desk.apply(her)
	if len(typed) != 16 {
		t.Fatalf("the key has %d digits", len(typed))
	}
	mail := pc.open(t, ctx, "mail", true)
	n := mail.mailed(d, her)

	// The phone follows the link behind the QR code.
	hand.goTo(link)
	hand.see("[data-testid=number-input]")
	hand.look("register")
	hand.fill("[data-testid=number-input]", n)
	hand.click("[data-testid=register-submit]")
	hand.see("[data-testid=registered]")
	hand.look("registered")
	code := hand.code(true)

	// The PC's page has gone on by itself.
	desk.at("/token/start")
	desk.look("start")
	desk.fill("#code", code)
	desk.click("form[action^='/token/start'] button.main")
	desk.see(".seal, [class*=seal]")
	desk.look("done")

	// From then on always asked; the used code is refused as used.
	desk.goTo(d.url("bank", "/home"))
	desk.click("form[action='/logout'] button")
	desk.at("/goodbye")
	desk.look("goodbye")
	desk.logIn(d, her)
	desk.at("/login/code")
	desk.look("code")
	desk.fill("#code", code)
	desk.click("form[action^='/login/code'] button.main")
	desk.see("[role=alert], .note.bad, .note.care, .error")
	desk.look("code-used")
	if body := desk.text("main"); !strings.Contains(body, "使用済み") && !strings.Contains(body, "すでに") && !strings.Contains(body, "使われ") {
		t.Errorf("a used code is not called used: %s", body)
	}
	desk.fill("#code", hand.next(code))
	desk.click("form[action^='/login/code'] button.main")
	desk.at("/home")
	desk.look("home-with-otp")
	desk.goTo(d.url("login", "/history"))
	desk.look("history")
}

// The phone alone: a login on a smartphone leads straight to the application, since there a token is mandatory (M-03).
func TestWalkOnThePhoneAlone(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	ctx := browser(t, t.TempDir())
	bank := phone.open(t, ctx, "phone", true)
	bank.logIn(d, taro)
	bank.at("/token/apply")
	bank.goTo(d.url("bank", "/home")) // nothing else of the bank is reachable
	if u := bank.where(); strings.HasSuffix(u, "/home") {
		t.Errorf("the bank's pages opened without a token: %s", u)
	}
	bank.goTo(d.url("login", "/security"))
	link, _ := bank.apply(taro)
	n := bank.mailed(d, taro)
	bank.goTo(link)
	bank.fill("[data-testid=number-input]", n)
	bank.click("[data-testid=register-submit]")
	bank.see("[data-testid=registered]")
	code := bank.code(true)
	bank.goTo(d.url("login", "/token/start"))
	bank.fill("#code", code)
	bank.click("form[action^='/token/start'] button.main")
	bank.see(".seal, [class*=seal]")
	bank.look("done")
	bank.goTo(d.url("login", "/security"))
	bank.look("security")
	bank.goTo(d.url("bank", "/"))
	bank.click("form[action='/login'] button")
	bank.at("/home")
	bank.look("bank-home")
}
