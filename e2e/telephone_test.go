//go:build browser

package e2e

import (
	"regexp"
	"testing"
	"time"
)

var pageDigits = regexp.MustCompile(`<p class="digits big"><span>(\d{3})</span> <span>(\d{3})</span></p>`)

// The telephone check of a customer who does not hear and has a landline (T10), and what a voice would have said, on the pages of the demo's telephones: in both languages, with pictures. The bank's page is
// read by a desk: the subject is the telephone.
func TestTheTelephoneWithoutHearing(t *testing.T) {
	d := startDemo(t)
	ctx := browser(t, t.TempDir())
	begin := func(number, pin, confirm string) *desk {
		pc := d.desk()
		s := pc.send(pc.open(d.url("login", "/reissue")), "/reissue", "branch", "101", "account_type", "普通", "account_number", number, "pin", pin)
		s = pc.send(s, "/reissue/confirm", "confirm", confirm)
		if _, _, ok := s.filled("/reissue/phone"); !ok {
			t.Fatalf("the re-issue of %s does not come to the telephone: %s", number, s.html)
		}
		return pc
	}
	way := func(pc *desk, way string) sheet {
		t.Helper()
		return pc.send(pc.open(d.url("login", "/reissue")), "/reissue/phone", "way", way)
	}
	// until waits until the page says something. These pages renew themselves, but not after the inspector has held them still.
	until := func(b *tab, selector string) {
		t.Helper()
		for n := range 100 {
			if n%10 == 9 {
				b.goTo(b.where())
			}
			var there string
			b.eval("String(document.querySelector("+quote(selector)+") !== null)", &there)
			if there == "true" {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
		b.look("waited")
		t.Fatalf("%s is not on the page %s", selector, b.where())
	}

	// She types the digits of the page on the keys of her landline. Nothing has to be heard.
	her := phone.open(t, ctx, "her", false)
	ja := her.inspector("ja")
	ja.brief = true
	her.goTo(d.url("phone", "/"))
	ja.check("ja-telephones")
	her.goTo(d.url("phone", "/n/0310000014"))
	ja.check("ja-idle")
	pc1 := begin("1000014", "6428", "kaze-to-kumo-14")
	shown := pageDigits.FindStringSubmatch(way(pc1, "call_keys").html)
	if shown == nil {
		t.Fatal("the page shows no digits")
	}
	code := shown[1] + shown[2]
	until(her, "form[action$='/answer']")
	ja.check("ja-rings")
	her.click("form[action$='/answer'] button")
	her.see(".keys")
	ja.check("ja-keys")
	for i, digit := range code[:5] {
		her.click(".keys button[value='" + string(digit) + "']")
		until(her, "i.on:nth-of-type("+string(rune('1'+i))+")")
	}
	her.click(".keys button[value='" + code[5:] + "']")
	until(her, ".phone.over")
	ja.check("ja-confirmed")
	if s := pc1.open(d.url("login", "/reissue")); regexp.MustCompile(`action="/reissue/phone"`).MatchString(s.html) {
		t.Error("the telephone is still to be proved")
	}

	// A voice that is read, a message, and a call of her own, in English.
	desktop := pc
	desktop.lang = "en"
	his := desktop.open(t, ctx, "his", true)
	en := his.inspector("en")
	en.brief = true
	pc2 := begin("1000002", "1357", "kaze-to-kumo-22")
	his.goTo(d.url("phone", "/n/08010000002"))
	way(pc2, "call_out")
	until(his, "form[action$='/answer']")
	en.check("en-rings")
	his.click("form[action$='/answer'] button")
	until(his, ".code")
	en.check("en-voice")
	his.click("form[action$='/close'] button")
	way(pc2, "sms")
	until(his, ".messages .code")
	en.check("en-message")
	way(pc2, "call_in")
	his.click("a[href$='/dial']")
	his.see("#to")
	en.check("en-dial")
	his.click("form[action$='/dial'] button")
	until(his, ".said")
	en.check("en-called")
	if s := pc2.open(d.url("login", "/reissue")); regexp.MustCompile(`action="/reissue/phone"`).MatchString(s.html) {
		t.Error("his call has proved nothing")
	}

	start := desktop.open(t, ctx, "start", true)
	page := start.inspector("en")
	page.brief = true
	start.goTo("http://localhost:" + d.port + "/?lang=en")
	page.check("en-start")
}
