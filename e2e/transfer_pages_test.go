//go:build browser

package e2e

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// Every page of a transfer, at the bank and in the app, in both languages: seen at four sizes and schemes, at 320 px, and by an assistant for the disabled.
func TestEveryPageOfATransferIsFitToBeSeen(t *testing.T) {
	t.Parallel()
	for _, lang := range languages() {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			d := startDemo(t)
			wide, hand := pc, phone
			wide.lang, hand.lang = lang, lang
			ctx := browser(t, t.TempDir())
			desk, app := wide.open(t, ctx, "pc", true), hand.open(t, ctx, "app", true)
			d.payerOn(desk, app, taro)
			bank, phone := desk.inspector(lang), app.inspector(lang)
			bank.check("login-transaction-auth")
			desk.goTo(d.url("login", "/security"))
			bank.check("login-security")

			desk.goTo(d.url("bank", "/home"))
			bank.check("bank-home")
			desk.goTo(d.url("bank", "/transfers"))
			bank.check("bank-transfers-empty")
			desk.goTo(d.url("bank", "/transfers/new"))
			bank.check("bank-choose")
			desk.click("a[href^='/transfers/new?bank=']")
			desk.see("#branch")
			bank.check("bank-details")
			desk.click("form[action='/transfers'] button.main")
			desk.see("[aria-invalid=true]")
			bank.check("bank-details-wrong")
			app.goTo(d.url("token", "/"))

			desk.order(d, "7654321", "12000")
			bank.check("bank-waiting")
			app.see("[data-testid=pending-card]")
			phone.check("app-pending")
			app.click("[data-testid=pending-open]")
			app.see("[data-testid=approve]")
			phone.check("app-ask")
			app.click("[data-testid=report]")
			app.see("dialog[open]")
			phone.check("app-report")
			app.must(chromedp.Reload())
			app.click("[data-testid=reject]")
			app.see("dialog[open]")
			phone.check("app-reject")
			app.must(chromedp.Reload())
			app.approve()
			app.see("[data-testid=end][data-end=approved]")
			phone.check("app-approved")
			desk.goTo(d.url("bank", "/transfers"))
			bank.check("bank-transfers")
			desk.click("main a[href^='/transfers/t'], main table a, main li a")
			desk.see("[data-testid=execute]")
			bank.check("bank-approved")
			desk.click("[data-testid=execute]")
			desk.see("[data-testid=result][data-state=done]")
			bank.check("bank-done")

			app.goTo(d.url("token", "/"))
			desk.order(d, "7654321", "34000")
			app.see("[data-testid=pending-card]")
			app.click("[data-testid=pending-open]")
			app.click("[data-testid=reject]")
			app.click("[data-testid=reject-confirm]")
			app.see("[data-testid=end][data-end=rejected]")
			phone.check("app-rejected")
			desk.see("[data-testid=result][data-state=rejected]")
			bank.check("bank-rejected")

			app.goTo(d.url("token", "/#transactions/scan"))
			app.must(chromedp.Reload())
			app.see("[data-testid=error]")
			phone.check("app-scan-no-camera")
			app.goTo(d.url("token", "/"))
			desk.order(d, "7654321", "56000")
			desk.click("#offline summary")
			desk.see("svg.qr")
			bank.check("bank-offline")
			app.see("[data-testid=pending-card]")
			app.click("[data-testid=pending-open]")
			app.click("[data-testid=report]")
			app.click("[data-testid=report-confirm]")
			app.see("[data-testid=end][data-end=reported]")
			phone.check("app-reported")
			desk.goTo(d.url("bank", "/transfers/new"))
			bank.check("bank-stopped")
			desk.goTo(d.url("login", "/security"))
			bank.check("login-stopped")
			app.goTo(d.url("token", "/#transactions"))
			app.see("[data-testid=history-entry]")
			phone.check("app-history")
		})
	}
}
