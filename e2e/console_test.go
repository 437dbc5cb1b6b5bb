//go:build browser

package e2e

import (
	"testing"
)

// deskPages are the pages of the console with the role that is shown each of them; "look" has a customer looked up first, "call" has the number of whoever waits for a call shown.
var deskPages = []struct{ who, path, name string }{
	{"clerk", "/", "home"}, {"clerk", "/cases", "cases"}, {"clerk", "/cases/new", "case-new"}, {"clerk", "/customers", "customers"}, {"clerk", "look", "customer"}, {"clerk", "/callbacks", "callbacks"}, {"clerk", "call", "callback"}, {"clerk", "/orders", "orders"},
	{"fraud", "/fraud", "fraud"}, {"auditor", "/trail", "trail"}, {"supervisor", "/reports/releases", "releases"}, {"supervisor", "/figures", "figures"},
	{"administrator", "/staff", "staff"}, {"administrator", "/policy", "policy"}, {"administrator", "/nowhere", "not-found"},
}

// Every page of the console, as whoever uses it most sees it with a month of history behind it: nothing serious for axe-core, nothing to be scrolled sideways but a table.
func TestEveryPageOfTheConsoleIsFitToBeSeen(t *testing.T) {
	t.Parallel()
	for _, lang := range []string{"ja", "en"} {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			d := startDemo(t)
			wide := pc
			wide.lang = lang
			b := wide.open(t, browser(t, t.TempDir()), "desk", true)
			i := b.inspector(lang)
			i.brief = lang == "en"
			who := ""
			for _, p := range deskPages {
				if p.who != who {
					who = p.who
					b.goTo(d.url("staff", "/demo/"+who))
					b.at("/")
				}
				b.cut.Store(p.path == "/nowhere") // that it is not there is no fault of this page
				if p.path == "call" {
					b.click("main table a")
					b.until("location.pathname.startsWith('/callbacks/tel_') && document.readyState === 'complete'")
					b.click("form[action$='/number'] button")
					b.see(".digits.big")
				} else if p.path == "look" {
					b.goTo(d.url("staff", "/customers"))
					b.fill("#branch", "101")
					b.fill("#account_number", "1000002")
					b.click("form[action='/customers'] button.main")
					b.until("location.pathname.startsWith('/customers/cus_') && document.readyState === 'complete' && document.querySelector('h1')")
				} else {
					b.goTo(d.url("staff", p.path))
				}
				i.check("desk-" + p.name)
			}
		})
	}
}
