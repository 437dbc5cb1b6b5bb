//go:build browser

package e2e

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// loseAnswers lets so many requests whose address fits the pattern reach the server, and then loses what it answers. between runs while the answer is on its way.
func (b *tab) loseAnswers(pattern string, many int, between func()) {
	b.t.Helper()
	b.cut.Store(true)
	paused := chromedp.Events(b.ctx, fetch.RequestPaused)
	b.must(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, fetch.Enable, fetch.EnableParams{Patterns: []*fetch.RequestPattern{{URLPattern: pattern, RequestStage: fetch.RequestStageResponse}}})
		return chromedp.Void{}, err
	})
	go func() {
		for e, err := range paused {
			if err != nil {
				return
			}
			if between != nil {
				between()
			}
			_, _ = chromedp.Call(b.ctx, fetch.FailRequest, fetch.FailRequestParams{RequestID: e.RequestID, ErrorReason: network.ErrorReasonConnectionReset})
			if many--; many == 0 {
				_, _ = chromedp.Call(b.ctx, fetch.Disable, cdp.Empty{})
				return
			}
		}
	}()
}

// twice presses a button as a nervous hand does.
func (b *tab) twice(selector string) {
	b.t.Helper()
	b.see(selector)
	b.must(chromedp.Evaluate[chromedp.Void]("document.querySelector(" + quote(selector) + ").scrollIntoView({block: 'center'})"))
	b.must(chromedp.DoubleClick(css(selector)))
}

// sure is the security centre's word for a token in use, and for how often a phone was registered in this year.
func (c *desk) sure(downloads string) {
	c.t.Helper()
	s := c.open(c.d.url("login", "/security")).html
	if !strings.Contains(s, "ご利用中") {
		c.t.Error("the token is not in use")
	}
	if !strings.Contains(s, downloads) {
		c.t.Errorf("the security centre does not say %s", downloads)
	}
}

// once is a year in which one phone was registered.
const once = "現在1回"

// Double clicks, reloads and the back button on every page from the application to the start of use make one application, one mail, one registration, one token.
func TestNervousHandsDoNothingTwice(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	ctx := browser(t, t.TempDir())
	desk := pc.open(t, ctx, "pc", true)
	hand := phone.open(t, ctx, "phone", true)

	desk.goTo(d.url("login", "/login"))
	desk.fill("#login_id", taro.id)
	desk.fill("#login_password", taro.login)
	desk.twice("form[action^='/login'] button[data-after-passkey]")
	desk.at("/security")
	desk.click("a[href='/token/apply']")
	desk.at("/token/apply")
	desk.must(chromedp.Reload())
	desk.fill("#confirm", taro.confirm)
	desk.twice("form[action^='/token/apply'] button.main")
	desk.at("/token/key")
	link := desk.attribute("a[href*='/r#1.']", "href")
	desk.must(chromedp.Reload())
	if again := desk.attribute("a[href*='/r#1.']", "href"); again != link {
		t.Error("a reload changes the registration key")
	}
	desk.back()
	desk.until("location.pathname.startsWith('/token/') && document.querySelector('main')")
	if strings.Contains(desk.where(), "/token/apply") && desk.count("#confirm") > 0 { // the browser may show the form from its own memory
		desk.must(chromedp.Evaluate[chromedp.Void]("document.querySelector('#confirm').value = " + quote(taro.confirm) + "; document.querySelector('#confirm').form.requestSubmit()"))
	}
	desk.at("/token/key")
	if again := desk.attribute("a[href*='/r#1.']", "href"); again != link {
		t.Error("going back makes another registration key")
	}
	c := d.desk()
	n := c.mailed(taro.mail, 1)

	hand.goTo(link)
	hand.fill("[data-testid=number-input]", n)
	hand.must(chromedp.Reload())
	if kept := hand.value("[data-testid=number-input]"); digits(kept) != n {
		t.Errorf("a reload loses the number that was typed: %q", kept)
	}
	hand.twice("[data-testid=register-submit]")
	hand.see("[data-testid=registered]")
	hand.click("[data-testid=done-go]")
	hand.see("[data-testid=contract-card]")
	hand.must(chromedp.Evaluate[chromedp.Void]("history.back()"))
	hand.see("[data-testid=way-scan]")
	hand.goTo(d.url("token", "/"))
	hand.see("[data-testid=code]")
	if n := hand.count("[data-testid=contract-card]"); n != 1 {
		t.Errorf("%d contracts after one registration", n)
	}
	hand.goTo(link) // the same link once more: it is used up, and the app says so without harm to what it has
	hand.fill("[data-testid=number-input]", n)
	hand.click("[data-testid=register-submit]")
	hand.see("[data-testid=error]")
	hand.look("used-key")
	hand.goTo(d.url("token", "/"))
	hand.see("[data-testid=code]")
	if n := hand.count("[data-testid=contract-card]"); n != 1 {
		t.Errorf("%d contracts after a second try with a used key", n)
	}

	desk.at("/token/start")
	desk.must(chromedp.Reload())
	desk.fill("#code", hand.code(true))
	desk.twice("form[action^='/token/start'] button.main")
	desk.at("/token/done")
	desk.must(chromedp.Reload())
	desk.see(".seal, [class*=seal]")
	desk.back()
	desk.until("document.querySelector('main')")
	desk.goTo(d.url("login", "/token/start"))
	desk.at("/security")
	if s := desk.text("main"); !strings.Contains(s, "ご利用中") || !strings.Contains(s, once) {
		t.Errorf("the security centre says %s", s)
	}
	if got := len(c.mails(taro.mail)); got != 1 {
		t.Errorf("%d mails with a registration number for one application", got)
	}
	if sent := d.asked("POST /token/start"); sent != 1 {
		t.Errorf("a double click sent the code %d times", sent)
	}
}

// back presses the browser's back button. The page may come from the browser's memory, without being loaded.
func (b *tab) back() {
	b.t.Helper()
	b.must(chromedp.Evaluate[chromedp.Void]("window.left = true; history.back()"))
	b.until("!window.left && document.readyState === 'complete' && document.querySelector('main')")
}

// value reads a field.
func (b *tab) value(selector string) string {
	b.t.Helper()
	b.see(selector)
	var v string
	b.eval("document.querySelector("+quote(selector)+").value", &v)
	return v
}

// Two tabs at the bank and two windows of the app, each doing the same, end with one token.
func TestTwoTabsAreOneCustomer(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	ctx := browser(t, t.TempDir())
	left := pc.open(t, ctx, "left", true)
	left.goTo(d.url("login", "/login"))
	left.fill("#login_id", taro.id)
	left.fill("#login_password", taro.login)
	left.click("form[action^='/login'] button[data-after-passkey]")
	left.at("/security")
	left.goTo(d.url("login", "/token/apply"))
	right := left.beside("right", pc)
	right.goTo(d.url("login", "/token/apply"))
	for _, b := range []*tab{left, right} {
		b.fill("#confirm", taro.confirm)
	}
	for _, b := range []*tab{left, right} {
		b.click("form[action^='/token/apply'] button.main")
		b.at("/token/key")
	}
	link := left.attribute("a[href*='/r#1.']", "href")
	if other := right.attribute("a[href*='/r#1.']", "href"); other != link {
		t.Error("two tabs show two keys, of which only one can be right")
	}
	c := d.desk()
	n := c.mailed(taro.mail, 1)

	one := phone.open(t, ctx, "window-1", true)
	two := one.beside("window-2", phone)
	for _, b := range []*tab{one, two} {
		b.goTo(link)
		b.fill("[data-testid=number-input]", n)
	}
	for _, b := range []*tab{one, two} {
		b.must(chromedp.Evaluate[chromedp.Void]("document.querySelector('[data-testid=register-submit]').click()"))
	}
	one.until("document.querySelector('[data-testid=registered]') || document.querySelector('[data-testid=error]') || document.querySelector('[data-testid=way-scan]')")
	for _, b := range []*tab{one, two} {
		b.goTo(d.url("token", "/"))
		b.see("[data-testid=code]")
		if n := b.count("[data-testid=contract-card]"); n != 1 {
			t.Errorf("%d contracts in %s", n, b.tag)
		}
	}

	for _, b := range []*tab{left, right} {
		b.at("/token/start")
		b.fill("#code", one.code(true))
	}
	left.click("form[action^='/token/start'] button.main")
	left.at("/token/done")
	right.click("form[action^='/token/start'] button.main")
	right.until("location.pathname !== '/token/start' || document.querySelector('[role=alert]')")
	right.look("second-start")
	right.goTo(d.url("login", "/security"))
	if s := right.text("main"); !strings.Contains(s, "ご利用中") || !strings.Contains(s, once) {
		t.Errorf("the security centre says %s", s)
	}
	if got := len(c.mails(taro.mail)); got != 1 {
		t.Errorf("%d mails with a registration number", got)
	}
}

// beside opens a second tab of the same browser, with the same cookies and storage.
func (b *tab) beside(tag string, d device) *tab {
	b.t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx)
	b.t.Cleanup(cancel)
	return d.open(b.t, ctx, tag, false)
}

// The answer to the registration is lost twice, once with the whole server; the phone asks again with the same bytes, and is registered once.
func TestALostAnswerToTheRegistrationIsAskedForAgain(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	c := d.desk()
	c.logIn(taro)
	link, _, n := c.apply(taro)
	ctx := browser(t, t.TempDir())
	hand := phone.open(t, ctx, "phone", true)
	hand.goTo(link)
	hand.fill("[data-testid=number-input]", n)
	var down sync.WaitGroup
	down.Add(1)
	hand.loseAnswers("*/v1/registrations", 1, func() { d.stop(syscall.SIGKILL); down.Done() })
	hand.click("[data-testid=register-submit]")
	down.Wait()
	hand.see("[data-testid=error]")
	hand.look("waiting")
	// While it waits the phone is switched off and on.
	hand.goTo(d.url("token", "/"))
	hand.see("[data-testid=error]")
	// Nothing is asked while the page is another one, so that the first answer of the new server is the one that is lost; after it the app asks again by itself, or its owner presses.
	hand.goTo("about:blank")
	d.start()
	hand.loseAnswers("*/v1/registrations", 1, nil)
	hand.goTo(d.url("token", "/"))
	hand.see("[data-testid=error], [data-testid=registered]")
	hand.must(chromedp.Evaluate[chromedp.Void]("document.querySelector('[data-testid=retry]')?.click()"))
	hand.see("[data-testid=registered]")
	if !c.start(hand.code(true)) {
		t.Error("the code is not taken")
	}
	c.sure(once)
	if sent := d.asked("POST /v1/registrations"); sent < 2 {
		t.Errorf("%d requests were sent, so nothing was lost and nothing was tried", sent)
	}
	hand.goTo(d.url("token", "/"))
	hand.see("[data-testid=code]")
	if n := hand.count("[data-testid=contract-card]"); n != 1 {
		t.Errorf("%d contracts", n)
	}
}

// The answers to application and start of use are lost on the way to the PC; a reload shows that they were heard.
func TestALostAnswerAtTheBankIsFoundAgainByAReload(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	ctx := browser(t, t.TempDir())
	desk := pc.open(t, ctx, "pc", true)
	desk.goTo(d.url("login", "/login"))
	desk.fill("#login_id", taro.id)
	desk.fill("#login_password", taro.login)
	desk.click("form[action^='/login'] button[data-after-passkey]")
	desk.at("/security")
	desk.goTo(d.url("login", "/token/apply"))
	desk.fill("#confirm", taro.confirm)
	desk.loseAnswers("*/token/apply*", 1, nil)
	desk.click("form[action^='/token/apply'] button.main")
	desk.lost()
	desk.goTo(d.url("login", "/token/apply"))
	desk.at("/token/key")
	link := desk.attribute("a[href*='/r#1.']", "href")
	c := d.desk()
	n := c.mailed(taro.mail, 1)
	hand := phone.open(t, ctx, "phone", true)
	hand.register(link, n)
	desk.at("/token/start")
	desk.fill("#code", hand.code(true))
	desk.loseAnswers("*/token/start*", 1, nil)
	desk.click("form[action^='/token/start'] button.main")
	desk.lost()
	// The new session was in the lost answer, so she logs in again: with the code, since the token is in use now.
	desk.goTo(d.url("login", "/security"))
	desk.until("document.querySelector('main')")
	desk.look("after")
	if strings.Contains(desk.where(), "/security") {
		if s := desk.text("main"); !strings.Contains(s, "ご利用中") || !strings.Contains(s, once) {
			t.Errorf("the security centre says %s", s)
		}
		return
	}
	desk.at("/login")
	desk.fill("#login_id", taro.id)
	desk.fill("#login_password", taro.login)
	desk.click("form[action^='/login'] button[data-after-passkey]")
	desk.at("/login/code")
}

// lost waits for the browser's own page that says that there was no answer.
func (b *tab) lost() {
	b.t.Helper()
	b.until("location.protocol === 'chrome-error:'")
}

// Whatever was acknowledged is still true after the power was cut, at every step of the walk.
func TestTheWalkGoesOnAfterEveryCrash(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	ctx := browser(t, t.TempDir())
	desk := pc.open(t, ctx, "pc", true)
	hand := phone.open(t, ctx, "phone", true)
	desk.cut.Store(true)
	hand.cut.Store(true)

	desk.logIn(d, hanako)
	desk.at("/login/passwords")
	d.crash()
	desk.fill("#confirm", hanako.confirm)
	desk.fill("#new_login", "tsubame-kaeru-4")
	desk.fill("#new_login_again", "tsubame-kaeru-4")
	desk.fill("#new_confirm", "kinu-no-michi-7")
	desk.fill("#new_confirm_again", "kinu-no-michi-7")
	desk.click("form[action^='/login/passwords'] button.main")
	desk.until("location.host.startsWith('bank.') && document.readyState === 'complete' && document.querySelector('main')")
	her := person{hanako.id, "tsubame-kaeru-4", "kinu-no-michi-7", hanako.mail}
	d.crash()
	// The reference bank keeps its sessions in memory only, Inkan does not.
	desk.goTo(d.url("login", "/security"))
	desk.at("/security")
	desk.click("a[href='/token/apply']")
	desk.at("/token/apply")
	desk.fill("#confirm", her.confirm)
	desk.click("form[action^='/token/apply'] button.main")
	desk.at("/token/key")
	link := desk.attribute("a[href*='/r#1.']", "href")
	d.crash()
	desk.must(chromedp.Reload())
	desk.at("/token/key")
	if again := desk.attribute("a[href*='/r#1.']", "href"); again != link {
		t.Error("the crash changed the registration key")
	}
	// The demo's mailbox forgets its mails with the crash. If ours had been handed over before, the customer has it sent again.
	c := d.desk()
	time.Sleep(5 * time.Second)
	n := ""
	if found := c.mails(her.mail); len(found) > 0 {
		n = found[0]
	} else {
		desk.click("form[action^='/token/mail'] button")
		n = c.mailed(her.mail, 1)
	}
	d.crash()
	hand.register(link, n)
	d.crash()
	desk.goTo(d.url("login", "/token/start"))
	desk.at("/token/start")
	code := hand.code(true)
	desk.fill("#code", code)
	desk.click("form[action^='/token/start'] button.main")
	desk.at("/token/done")
	d.crash()
	desk.goTo(d.url("login", "/security"))
	desk.at("/security")
	if s := desk.text("main"); !strings.Contains(s, "ご利用中") || !strings.Contains(s, once) {
		t.Errorf("the security centre says %s", s)
	}
	// A code that was taken before the crash is still a used one.
	desk.goTo(d.url("login", "/logout"))
	desk.click("main form[action^='/logout'] button")
	desk.until("document.readyState === 'complete' && document.querySelector('main') && !document.querySelector(\"main form[action^='/logout']\")")
	desk.logIn(d, her)
	desk.at("/login/code")
	d.crash()
	desk.fill("#code", code)
	desk.click("form[action^='/login/code'] button.main")
	desk.see("[role=alert]")
	if s := desk.text("[role=alert]"); !strings.Contains(s, "使") {
		t.Errorf("a code used before the crash is answered with %s", s)
	}
	desk.fill("#code", hand.next(code))
	desk.click("form[action^='/login/code'] button.main")
	// The reference bank has forgotten that it sent her here. It says so, and one press brings her in, since Inkan has not forgotten.
	desk.until("location.host.startsWith('bank.') && document.readyState === 'complete' && document.querySelector('main')")
	desk.click("form[action='/login'] button")
	desk.at("/home")
	desk.look("in")
}

// The mail comes back; the page says so by itself, the address is corrected, and the same application goes on with the number that arrives there.
func TestAMailThatCameBackIsCorrectedOnTheWay(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	jiro := person{"jiro03", "umi-to-yama-33", "kaze-to-kumo-33", "jiro@new.example"}
	ctx := browser(t, t.TempDir())
	desk := pc.open(t, ctx, "pc", true)
	desk.logIn(d, jiro)
	desk.at("/home")
	desk.goTo(d.url("login", "/token/apply"))
	desk.apply(jiro)
	desk.see("a.button.main[href^='/token/address']")
	if s := desk.text("main"); !strings.Contains(s, "届きません") {
		t.Errorf("the page does not say that the address is dead: %s", s)
	}
	desk.look("bounced")
	desk.click("a.button.main[href^='/token/address']")
	desk.at("/token/address")
	desk.look("address")
	desk.fill("#mail", jiro.mail)
	desk.fill("#confirm", jiro.confirm)
	desk.click("form[action^='/token/address'] button.main")
	desk.at("/token/key")
	desk.look("corrected")
	c := d.desk()
	n := c.mailed(jiro.mail, 1)
	hand := phone.open(t, ctx, "phone", true)
	hand.register(desk.attribute("a[href*='/r#1.']", "href"), n)
	desk.at("/token/start")
	desk.fill("#code", hand.code(true))
	desk.click("form[action^='/token/start'] button.main")
	desk.at("/token/done")
}

// Sixteen hands press at once, without the page's script: there is one application and one mail.
func TestParallelApplicationsAreOne(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	c := d.desk()
	c.logIn(taro)
	s := c.open(d.url("login", "/token/apply"))
	to, v, ok := s.filled("/token/apply", "confirm", taro.confirm)
	if !ok {
		t.Fatal("no form")
	}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if _, err := c.ask(http.MethodPost, to, v); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	link, _ := c.key()
	n := c.mailed(taro.mail, 1)
	time.Sleep(2 * time.Second) // a second mail would have come by now
	if got := len(c.mails(taro.mail)); got != 1 {
		t.Errorf("%d mails with a registration number", got)
	}
	hand := phone.open(t, browser(t, t.TempDir()), "phone", true)
	hand.register(link, n)
	if !c.start(hand.code(true)) {
		t.Error("the code is not taken")
	}
	c.sure(once)
}
