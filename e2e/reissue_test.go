//go:build browser

package e2e

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// M-12 and T10: the old phone is gone, a landline is on file, and she does not hear. Cash card, confirmation password, digits typed on the telephone; then a registration as always, all on the new phone.
func TestReissueWithoutHearing(t *testing.T) {
	t.Parallel()
	shizuka := person{"shizuka14", "umi-to-yama-14", "kaze-to-kumo-14", "shizuka@"}
	d := startDemo(t)
	ctx := browser(t, t.TempDir())
	c := d.desk()
	c.logIn(shizuka)
	link, _, n := c.apply(shizuka)
	old := phone.open(t, ctx, "old", true)
	old.register(link, n)
	if !c.start(old.code(true)) {
		t.Fatal("the first phone is not in use")
	}

	hand, line := phone.open(t, ctx, "new", true), pc.open(t, ctx, "line", true)
	line.goTo(d.url("phone", "/n/0310000014"))
	hand.goTo(d.url("login", "/login"))
	hand.click("details summary")
	hand.click("a[href='/applications']")
	hand.at("/applications")
	hand.look("applications")
	hand.click("a[href='/reissue?wish=token']")
	hand.see("#pin")
	hand.fill("#branch", "１０１")
	hand.fill("#account_number", "1000014")
	hand.fill("#pin", "0000")
	hand.click("form[action='/reissue'] button.main")
	hand.see("#refusal")
	hand.look("refused")
	if v := hand.value("#account_number"); v != "1000014" || hand.value("#pin") != "" {
		t.Errorf("after the refusal the account is %q", v)
	}
	hand.fill("#pin", "6428")
	hand.click("form[action='/reissue'] button.main")
	hand.see("#confirm")
	hand.fill("#confirm", shizuka.confirm)
	hand.click("form[action='/reissue/confirm'] button.main")
	hand.see("input[value=call_keys]")
	if hand.count("input[value=sms]") != 0 {
		t.Error("a short message is offered to a landline")
	}
	hand.look("ways")
	hand.click("input[value=call_keys]")
	hand.click("form[action='/reissue/phone'] button.main")
	hand.see(".digits.big")
	hand.look("keys")
	keys := digits(hand.text(".digits.big"))

	line.see("form[action$='/answer'] button")
	line.click("form[action$='/answer'] button")
	line.see("#together")
	line.look("called")
	line.fill("#together", keys)
	line.click("form[action$='/key'].together button")

	hand.see("form[action='/reissue/order'] button") // by itself
	hand.look("proved")
	hand.click("form[action='/reissue/order'] button")
	hand.see("svg.qr")
	hand.look("key")
	link = hand.attribute("a.button[href*='/r#1.']", "href")
	app := hand.beside("app", phone)
	app.register(link, c.mailed(shizuka.mail, 2))
	code := app.code(true)
	hand.see("#code")
	hand.fill("#code", code)
	hand.click("form[action='/reissue/start'] button.main")
	hand.see(".confirmed")
	hand.look("done")

	old.goTo(d.url("token", "/#codes"))
	old.must(chromedp.Reload())
	old.until("document.querySelector('[data-testid=contract-card]') && !document.querySelector('[data-testid=code]')")
	old.look("replaced")
	if box := c.open(d.url("mail", "/")).html; !strings.Contains(box, "再発行しました") {
		t.Error("she was not told by mail")
	}
}

// M-13: the security release request, filled in on the phone, on one page of A4 in black on white, with its state to be seen afterwards.
func TestReleaseRequestOnPaper(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	desk := pc.open(t, browser(t, t.TempDir()), "pc", true)
	desk.goTo(d.url("login", "/release-request"))
	desk.fill("#branch", "101")
	desk.fill("#account_number", "1000002")
	desk.fill("#holder", "佐藤 太郎")
	desk.fill("#kana", "サトウ タロウ")
	desk.click("input[value=token_revoke]")
	desk.click("input[value=downloads]")
	desk.click("input[value=stolen]")
	desk.look("form")
	desk.click("form[action='/release-request'] button.main")
	desk.at("/release-request/sheet")
	desk.look("sheet")
	number := strings.TrimSpace(desk.text(".ref strong"))
	var paper []byte
	yes := true
	desk.must(func(ctx context.Context, x *chromedp.Target) (chromedp.Void, error) {
		r, err := cdp.Call(ctx, x, page.PrintToPDF, page.PrintToPDFParams{PreferCSSPageSize: &yes, PrintBackground: &yes})
		if err == nil {
			paper = r.Data
		}
		return chromedp.Void{}, err
	})
	if err := os.WriteFile(filepath.Join(artifacts(t), "sheet.pdf"), paper, 0o600); err != nil {
		t.Fatal(err)
	}
	if pages := bytes.Count(paper, []byte("/Type /Page\n")); pages != 1 {
		t.Errorf("the form takes %d pages", pages)
	}
	desk.goTo(d.url("login", "/release-request"))
	desk.fill("#number", strings.ToLower(strings.ReplaceAll(number, "-", " ")))
	desk.click("form[action='/release-request/find'] button")
	desk.at("/release-request/state")
	desk.look("state")
	desk.click("form[action='/release-request/withdraw'] button")
	desk.until("document.body.textContent.includes('取り下げられました')")
}
