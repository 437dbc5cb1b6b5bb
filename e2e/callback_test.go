//go:build browser

package e2e

import (
	"strings"
	"testing"
)

// M-12 by a call of staff: she asks for it on the new phone and closes the page; a clerk is shown the number on file, is not answered at first, then types what she reads from her page; card and confirmation password once more, and the
// re-issue goes on.
func TestReissueByACallOfStaff(t *testing.T) {
	t.Parallel()
	const confirm, pin = "kaze-to-kumo-14", "6428"
	d := startDemo(t)
	ctx := browser(t, t.TempDir())
	hand, desk := phone.open(t, ctx, "customer", true), pc.open(t, ctx, "clerk", true)
	card := func(form string) {
		hand.see("#pin")
		hand.fill("#branch", "101")
		hand.fill("#account_number", "1000014")
		hand.fill("#pin", pin)
		hand.click("form[action='" + form + "'] button.main")
	}
	prove := func() {
		hand.see("#confirm")
		hand.fill("#confirm", confirm)
		hand.click("form[action='/reissue/confirm'] button.main")
	}
	hand.goTo(d.url("login", "/reissue?wish=token"))
	card("/reissue")
	prove()
	hand.see("input[value=staff_callback]")
	hand.click("input[value=staff_callback]")
	hand.look("ways")
	hand.click("form[action='/reissue/phone'] button.main")
	hand.see(".digits.big")
	hand.look("waits")
	said := digits(hand.text(".digits.big"))
	hand.goTo("about:blank")

	desk.goTo(d.url("staff", "/demo/clerk"))
	desk.at("/")
	desk.click("a[href='/callbacks']")
	desk.until("document.querySelectorAll('main tbody tr').length === 2") // and whoever waits in every demo
	desk.look("queue")
	desk.click("main tbody tr:last-child a")
	desk.see("form[action$='/number'] button")
	desk.look("before")
	if strings.Contains(desk.text("main"), "0310000014") {
		t.Error("the number stands on the page before anybody asks for it")
	}
	desk.click("form[action$='/number'] button")
	desk.see(".digits.big")
	desk.look("number")
	if n := digits(desk.text(".digits.big")); n != "0310000014" {
		t.Errorf("the clerk is to dial %s", n)
	}
	desk.click("form[action$='/missed'] button")
	desk.see(".note.good")
	hand.goTo(d.url("login", "/reissue"))
	hand.see(".digits.big")
	hand.look("missed")
	desk.fill("#number", "000000")
	desk.click("form[action$='/prove'] button")
	desk.see("[role=alert]")
	desk.look("wrong")
	desk.fill("#number", said)
	desk.click("form[action$='/prove'] button")
	desk.until("!document.querySelector('#number')")
	desk.look("proved")

	hand.see("form[action='/reissue/order'] button") // by itself: the quarter of an hour is not over yet
	hand.look("goes-on")
	hand.click("form[action='/reissue/order'] button")
	hand.see("svg.qr")
}
