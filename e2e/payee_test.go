//go:build browser

package e2e

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// answer opens what waits in the app, holds it against the words and the reference that the bank shows, and approves it.
func (b *tab) answer(name, reference string, words ...string) {
	b.t.Helper()
	b.see("[data-testid=pending-card]")
	b.open(name)
	shown := b.text("[data-testid=transaction]")
	for _, want := range append(words, reference) {
		if !strings.Contains(shown, want) {
			b.t.Errorf("the phone does not show %q:\n%s", want, shown)
		}
	}
	b.approve()
	b.see("[data-testid=end][data-end=approved]")
	b.click("[data-testid=to-codes]")
}

// A login lets her look. A payee is registered and a limit raised when she has approved it on the phone; removing and lowering need nothing of it.
func TestPayeeAndLimitNeedThePhone(t *testing.T) {
	t.Parallel()
	for lang, yen := range map[string]func(string) string{"ja": func(n string) string { return n + "円" }, "en": func(n string) string { return "JPY " + n }} {
		if !slices.Contains(languages(), lang) {
			continue
		}
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			d := startDemo(t)
			wide, small := pc, phone
			wide.lang, small.lang = lang, lang
			ctx := browser(t, t.TempDir())
			desk, hand := wide.open(t, ctx, "pc", true), small.open(t, ctx, "phone", true)
			bank := desk.inspector(lang)
			reference := func() string { return strings.TrimSpace(desk.text("[data-testid=reference]")) }
			limit := func(want string) {
				t.Helper()
				if got := strings.TrimSpace(desk.text("[data-testid=limit]")); got != yen(want) {
					t.Errorf("the limit is %s, want %s", got, yen(want))
				}
			}

			// Without transaction authentication the step is shown, with the way to it.
			desk.logIn(d, taro)
			desk.at("/home")
			desk.goTo(d.url("bank", "/payees"))
			bank.check("payees-empty")
			desk.click("a[href='/payees/new']")
			desk.see("main.halt a[href$='/security']")
			bank.check("payee-needs")
			desk.goTo(d.url("bank", "/limits"))
			limit("1,000,000")
			desk.fill("#after", "3000000")
			desk.click("form[action='/limits'] button.main")
			desk.see("main.halt a[href$='/security']")
			bank.check("limit-needs")
			desk.goTo(d.url("bank", "/home"))
			desk.click("form[action='/logout'] button")
			desk.until("location.host.startsWith('bank.') && location.pathname !== '/home' && document.querySelector('main')")
			d.payerOn(desk, hand, taro)
			hand.goTo(d.url("token", "/"))

			desk.goTo(d.url("bank", "/payees/new"))
			bank.check("payee-bank")
			desk.click("a[href='/payees/new?bank=0991']")
			desk.see("#branch")
			desk.click("form[action='/payees'] button.main")
			desk.see("[aria-invalid=true]")
			bank.check("payee-wrong")
			desk.eval("(document.querySelector('#branch').selectedIndex = 1, 'ok')", new(string))
			desk.fill("#number", "7654321")
			desk.click("form[action='/payees'] button.main")
			desk.see("[data-testid=confirm]")
			bank.check("payee-confirm")
			desk.click("[data-testid=confirm]")
			desk.see("[data-testid=reference]")
			bank.check("payee-waiting")
			at := desk.where()
			desk.goTo(d.url("bank", "/payees"))
			bank.check("payees-open")
			desk.goTo(at)
			hand.answer("payee", reference(), "7654321", "0991")
			desk.ended("done")
			bank.check("payee-done")
			desk.goTo(d.url("bank", "/payees"))
			desk.see("[data-testid=payee]")
			bank.check("payees")

			desk.goTo(d.url("bank", "/transfers/new"))
			bank.check("transfer-choose")
			desk.click("a[href^='/transfers/new?payee=']")
			desk.fill("#amount", "12000")
			desk.click("form[action='/transfers'] button.main")
			desk.click("[data-testid=confirm]")
			desk.see("[data-testid=reference]")
			hand.answer("transfer", reference(), "7654321", yen("12,000"))
			desk.click("[data-testid=execute]")
			desk.ended("done")

			desk.goTo(d.url("bank", "/limits"))
			bank.check("limit")
			desk.fill("#after", "9000000")
			desk.click("form[action='/limits'] button.main")
			desk.see("[aria-invalid=true]")
			bank.check("limit-wrong")
			desk.fill("#after", "3000000")
			desk.click("form[action='/limits'] button.main")
			desk.see("[data-testid=confirm]")
			bank.check("limit-confirm")
			desk.click("[data-testid=confirm]")
			desk.see("[data-testid=reference]")
			bank.check("limit-waiting")
			hand.answer("limit", reference(), yen("1,000,000"), yen("3,000,000"))
			desk.ended("done")
			bank.check("limit-done")
			desk.goTo(d.url("bank", "/home"))
			limit("3,000,000")
			bank.check("home")

			desk.goTo(d.url("bank", "/limits"))
			desk.fill("#after", "500000")
			desk.click("form[action='/limits'] button.main")
			desk.see("[data-testid=told]")
			limit("500,000")
			bank.check("limit-lowered")
			desk.goTo(d.url("bank", "/payees"))
			desk.click("[data-testid=payee] summary")
			bank.check("payees-remove")
			desk.click("form[action$='/remove'] button")
			desk.see("[data-testid=removed]")
			bank.check("payees-removed")
			if n := d.asked("POST /v1/transactions"); n != 3 {
				t.Errorf("%d transactions were asked for", n)
			}
		})
	}
}

// What the bank's pages say of the app – its buttons, its fields – stands in the app in the same words.
func TestTheBankCallsThingsAsTheAppDoes(t *testing.T) {
	read := func(file string, into any) {
		t.Helper()
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, into); err != nil {
			t.Fatal(err)
		}
	}
	type label map[string]string
	var templates struct {
		Fields  map[string]label
		Choices map[string]map[string]label
	}
	read("../web/text/templates.json", &templates)
	for _, lang := range []string{"ja", "en"} {
		var bank, app map[string]string
		read("../demo/bank/text/"+lang+".json", &bank)
		read("../web/text/"+lang+"/tokenapp.json", &app)
		read("../web/text/"+lang+"/tokenapp-desk.json", &app)
		for _, c := range []struct{ bank, app string }{{"waiting_text", "txn.approve"}, {"waiting_text", "txn.reject"}, {"waiting_warning", "txn.report"},
			{"payee_waiting_warning", "txn.report"}, {"limit_waiting_warning", "txn.report"}, {"offline_scan", "codes.scan"}, {"offline_code", "offline.label"}} {
			if app[c.app] == "" || !strings.Contains(bank[c.bank], app[c.app]) {
				t.Errorf("%s: the bank says %q, the app %q", lang, bank[c.bank], app[c.app])
			}
		}
		for id, field := range templates.Fields {
			if own, used := bank["field_"+strings.ReplaceAll(id, ".", "_")]; used && own != field[lang] {
				t.Errorf("%s: %s is %q at the bank and %q in the app", lang, id, own, field[lang])
			}
		}
		if own, shown := bank["limit_transfer_day"], templates.Choices["limit.what"]["transfer_day"][lang]; own != shown {
			t.Errorf("%s: the limit is %q at the bank and %q in the app", lang, own, shown)
		}
	}
}
