//go:build browser

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// inspector looks at pages: it takes their pictures in each form and says what is wrong with them.
type inspector struct {
	*tab
	axe   string
	lang  string
	brief bool // two of the four forms are enough
}

func (b *tab) inspector(lang string) *inspector {
	b.t.Helper()
	axe, err := os.ReadFile("../web/node_modules/axe-core/axe.min.js")
	if err != nil {
		b.t.Fatalf("%v: run npm ci in web/", err)
	}
	return &inspector{tab: b, axe: string(axe), lang: lang}
}

// forms are the ways in which every page is seen.
func (i *inspector) forms() (names []string, devices []device) {
	for _, size := range []string{"desktop", "phone"} {
		for _, scheme := range []string{"light", "dark"} {
			d := pc
			if size == "phone" {
				d = phone
			}
			d.lang, d.dark = i.lang, scheme == "dark"
			names, devices = append(names, size+"."+scheme), append(devices, d)
		}
	}
	return names, devices
}

// check says what an assistant for the disabled would trip over on the page that is open now, and takes its four pictures where they are wanted.
func (i *inspector) check(name string) {
	i.t.Helper()
	// A page that loads itself anew every few seconds must hold still while it is looked at.
	i.must(chromedp.Evaluate[chromedp.Void]("window.stop()"))
	var facts struct {
		H1, Lang, Title string
		Twice           []string
	}
	i.json(`({h1: String([...document.querySelectorAll('h1')].filter(h => h.checkVisibility()).length), lang: document.documentElement.lang, title: document.title,
		twice: [...document.querySelectorAll('[id]')].map(e => e.id).filter((id, n, all) => all.indexOf(id) !== n)})`, &facts)
	if facts.H1 != "1" {
		i.t.Errorf("%s has %s h1", name, facts.H1)
	}
	if facts.Lang != i.lang {
		i.t.Errorf("%s says that it is in %q, want %q", name, facts.Lang, i.lang)
	}
	if strings.TrimSpace(facts.Title) == "" {
		i.t.Errorf("%s has no title", name)
	}
	if len(facts.Twice) > 0 {
		i.t.Errorf("%s names things twice: %v", name, facts.Twice)
	}
	i.must(chromedp.Evaluate[chromedp.Void](i.axe + "; undefined"))
	names, devices := i.forms()
	for n, d := range devices {
		if (i.brief || !looking) && names[n] != "phone.light" && names[n] != "desktop.dark" {
			continue
		}
		if i.brief && !looking && names[n] == "desktop.dark" { // only colours differ there, and they are the same in the other language and in another situation of the page
			continue
		}
		i.become(d)
		if looking { // the window is made as high as the page, so that what is fixed at its edge does not lie across the picture
			var high int64
			i.json(`Math.ceil(document.documentElement.scrollHeight)`, &high)
			tall := d
			tall.height = max(d.height, high)
			i.become(tall)
			i.keep(name + "." + names[n] + ".png")
			i.become(d)
		}
		switch names[n] {
		case "phone.light": // the markup is the same on the other screen
			i.violations(name+" "+names[n], `{resultTypes: ['violations']}`)
		case "desktop.dark": // only colours differ
			i.violations(name+" "+names[n], `{resultTypes: ['violations'], runOnly: ['color-contrast', 'link-in-text-block']}`)
		}
	}
	narrow := phone
	narrow.width, narrow.height, narrow.lang = 320, 568, i.lang
	i.become(narrow)
	var wide string
	i.eval(`(() => { const w = document.documentElement.scrollWidth; if (w <= 320) return '';
		return w + ' px: ' + [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > 321).slice(0, 4).map(e => e.tagName + '.' + e.className).join(' '); })()`, &wide)
	if wide != "" {
		i.keep(name + ".narrow.png")
		i.t.Errorf("%s has to be scrolled sideways on a screen of 320 px: %s", name, wide)
	}
	i.become(devices[0])
}

// canSee proves the inspector on a page that was spoilt: a picture without words and pale letters.
func (i *inspector) canSee(page string) {
	i.t.Helper()
	i.goTo(page)
	i.must(chromedp.Evaluate[chromedp.Void](i.axe + `; (() => { const m = document.querySelector('main'), p = document.createElement('p'); p.textContent = 'pale'; p.style.color = '#cccccc';
		m.append(document.createElement('img'), p); })()`))
	var ids []string
	i.json(`axe.run(document, {resultTypes: ['violations']}).then(r => r.violations.map(v => v.id))`, &ids)
	for _, want := range []string{"image-alt", "color-contrast"} {
		if !slices.Contains(ids, want) {
			i.t.Fatalf("the inspector does not see %s, only %v", want, ids)
		}
	}
}

func (i *inspector) violations(name, options string) {
	i.t.Helper()
	var found []struct {
		ID, Impact, Help string
		Where            []string
	}
	i.json(`axe.run(document, `+options+`).then(r => r.violations.map(v => ({id: v.id, impact: v.impact, help: v.help, where: v.nodes.slice(0, 3).map(n => n.target.join(' ') + ' ' + (n.any[0] || n.all[0] || n.none[0] || {message: ''}).message)})))`, &found)
	for _, v := range found {
		if v.Impact == "serious" || v.Impact == "critical" {
			i.t.Errorf("%s: %s (%s): %s", name, v.ID, v.Impact, strings.Join(v.Where, "; "))
		} else {
			i.t.Logf("%s: %s (%s): %s", name, v.ID, v.Impact, strings.Join(v.Where, "; "))
		}
	}
}

func (b *tab) json(script string, into any) {
	b.t.Helper()
	raw, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]byte](script, chromedp.EvalAwaitPromise, chromedp.EvalAsValue))
	if err == nil {
		err = json.Unmarshal(raw, into)
	}
	if err != nil {
		b.t.Fatalf("%s at %s: %v", b.tag, b.where(), err)
	}
}

// beforeEachPage runs a script in every page before its own.
func (b *tab) beforeEachPage(script string) {
	b.t.Helper()
	b.must(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
		return chromedp.Void{}, err
	})
}

// stay refuses to leave for addresses that fit the pattern: the page that is shown stays.
func (b *tab) stay(pattern string) {
	b.t.Helper()
	paused := chromedp.Events(b.ctx, fetch.RequestPaused)
	b.must(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, fetch.Enable, fetch.EnableParams{Patterns: []*fetch.RequestPattern{{URLPattern: pattern}}})
		return chromedp.Void{}, err
	})
	go func() {
		for e, err := range paused {
			if err != nil {
				return
			}
			_, _ = chromedp.Call(b.ctx, fetch.FailRequest, fetch.FailRequestParams{RequestID: e.RequestID, ErrorReason: network.ErrorReasonAborted})
		}
	}()
}

var galleryLink = regexp.MustCompile(`href="/gallery/([^"]+)"`)

// Every page of the login host, in both languages and colours and on both screens: pictures to look at, and nothing serious for axe-core.
func TestEveryPageOfTheLoginHostIsFitToBeSeen(t *testing.T) {
	t.Parallel()
	for _, lang := range []string{"ja", "en"} {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			d := startDemo(t)
			wide := pc
			wide.lang = lang
			b := wide.open(t, browser(t, t.TempDir()), "login", true)
			b.beforeEachPage(`if (location.pathname.startsWith('/gallery/')) window.fetch = () => new Promise(() => {})`) // a made-up page asks how its made-up customer stands
			i := b.inspector(lang)
			i.canSee(d.url("login", "/gallery"))
			b.goTo(d.url("login", "/gallery"))
			i.check("gallery")
			names := galleryLink.FindAllStringSubmatch(d.desk().open(d.url("login", "/gallery")).html, -1)
			if len(names) < 30 {
				t.Fatalf("the gallery names %d pages", len(names))
			}
			for _, n := range names {
				if n[1] == "leave" || strings.Contains(n[1], "-") && !slices.Contains(languages(), lang) { // other situations of a page, in the other language, in the long run
					continue
				}
				b.goTo(d.url("login", "/gallery/"+n[1]))
				i.brief = lang == "en" || strings.Contains(n[1], "-") // every form is looked at in Japanese; the other language, and other situations of a page, in two
				i.check("login-" + n[1])
			}
			i.brief = lang == "en"
			b.cut.Store(true)
			b.goTo(d.url("login", "/nothing/here"))
			i.check("login-not-found")
			b.stay("*/gallery") // this page goes on by itself, at once
			b.goTo(d.url("login", "/gallery/leave"))
			i.check("login-leave")
		})
	}
}

// The same for the bank, the mailbox, the start page and the screens of the token app.
func TestEveryOtherPageIsFitToBeSeen(t *testing.T) {
	t.Parallel()
	for n, lang := range []string{"ja", "en"} {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			d := startDemo(t)
			wide := pc
			wide.lang = lang
			ctx := browser(t, t.TempDir())
			b := wide.open(t, ctx, "pc", true)
			i := b.inspector(lang)
			i.brief = lang == "en"
			b.goTo("http://localhost:" + d.port + "/?lang=" + lang)
			i.check("start")
			b.must(chromedp.Evaluate[chromedp.Void]("document.querySelector('details').open = true"))
			i.check("start-open")
			b.goTo(d.url("mail", "/"))
			i.check("mail-empty")
			b.goTo(d.url("bank", "/"))
			i.check("bank-front")
			b.click("form[action='/login'] button")
			b.at("/login")
			b.fill("#login_id", taro.id)
			b.fill("#login_password", taro.login)
			b.click("form[action^='/login'] button[data-after-passkey]")
			b.at("/home")
			i.check("bank-home")
			b.click("form[action='/logout'] button")
			b.until("location.host.startsWith('bank.') && location.pathname !== '/home' && document.querySelector('main')")
			i.check("bank-goodbye")
			b.cut.Store(true)
			b.goTo(d.url("bank", "/nothing"))
			i.check("bank-not-found")
			b.goTo(d.url("bank", "/login/return?error=access_denied&state=x"))
			i.check("bank-sorry")

			c := d.desk()
			p := contract(4 + n)
			c.logIn(p)
			link, _, mailed := c.apply(p)
			b.goTo(d.url("mail", "/"))
			i.check("mail-list")
			b.click("a[href^='/mail/']")
			b.until("location.pathname.startsWith('/mail/') && document.querySelector('main')")
			i.check("mail-number")

			hand := phone
			hand.lang = lang
			app := hand.open(t, ctx, "app", true)
			i = app.inspector(lang)
			i.brief = lang == "en"
			app.goTo(d.url("token", "/"))
			app.see("[data-testid=register-open]")
			i.check("app-empty")
			for _, screen := range []string{"register", "register/type", "phone", "help"} {
				app.goTo(d.url("token", "/#"+screen))
				app.must(chromedp.Reload())
				app.see("h1")
				app.until("!document.body.textContent.includes('…') || " + quote(screen) + " !== 'phone'")
				i.check("app-" + strings.ReplaceAll(screen, "/", "-"))
			}
			app.must(chromedp.Evaluate[chromedp.Void]("document.querySelectorAll('details').forEach(d => { d.open = true })"))
			i.check("app-help-open")
			app.goTo(d.url("token", "/r#1.broken"))
			app.see("[data-testid=error]")
			i.check("app-bad-link")
			app.goTo(d.url("token", "/#register/type"))
			app.must(chromedp.Reload())
			app.fill("[data-testid=key-input]", "1234567890123456")
			app.fill("[data-testid=number-input]", "1234")
			app.click("[data-testid=register-submit]")
			app.see("[data-testid=error]")
			i.check("app-mistyped")
			app.goTo(d.url("token", "/#register/scan"))
			app.must(chromedp.Reload())
			app.see("[data-testid=error]")
			i.check("app-no-camera")
			app.goTo(link)
			app.see("[data-testid=number-input]")
			i.check("app-number")
			app.fill("[data-testid=number-input]", "00000000")
			app.click("[data-testid=register-submit]")
			app.see("[data-testid=error]")
			i.check("app-refused")
			app.fill("[data-testid=number-input]", mailed)
			app.click("[data-testid=register-submit]")
			app.see("[data-testid=registered]")
			i.check("app-registered")
			if !c.start(app.code(true)) {
				t.Error("the code is not taken")
			}
			app.goTo(d.url("token", "/#codes"))
			app.must(chromedp.Reload())
			app.see("[data-testid=code]")
			app.until("!document.querySelector('[data-testid=contract-card] .state')") // it has learned that its use has begun
			i.check("app-code")
			app.click("[data-testid=manage]")
			i.check("app-manage")
			app.click("[data-testid=rename]")
			app.see("dialog[open]")
			i.check("app-rename")
			app.must(chromedp.Reload())
			app.click("[data-testid=manage]")
			app.click("[data-testid=delete]")
			app.see("dialog[open]")
			i.check("app-delete")
			slow := hand.open(t, ctx, "app-slow", true)
			slow.wrongClock(-3 * time.Hour)
			slow.goTo(d.url("token", "/#phone"))
			slow.see("[data-testid=clock-notice]")
			slow.inspector(lang).check("app-clock")
		})
	}
}

// tabTo presses the tabulator until the focus is on what fits the selector, and sees that one can see where it is.
func (b *tab) tabTo(selector string) {
	b.t.Helper()
	for range 60 {
		b.press(kb.Tab)
		var at string
		b.eval(`(() => { const e = document.activeElement; if (!e || !e.matches(`+quote(selector)+`)) return ''; const s = getComputedStyle(e), r = e.getBoundingClientRect();
			if (s.outlineStyle === 'none' && s.boxShadow === 'none') return 'it cannot be seen';
			const top = document.elementFromPoint(r.x + r.width / 2, r.y + r.height / 2);
			return top && (e.contains(top) || top.contains(e)) ? 'here' : 'it lies behind ' + (top ? top.tagName + '.' + top.className : 'the edge'); })()`, &at)
		switch at {
		case "":
		case "here":
			return
		default:
			b.look("focus")
			b.t.Errorf("%s at %s: the focus is on %s, but %s", b.tag, b.where(), selector, at)
			return
		}
	}
	b.look("unreached")
	b.t.Fatalf("%s at %s: the keyboard does not reach %s", b.tag, b.where(), selector)
}

func (b *tab) press(keys string) { b.t.Helper(); b.must(chromedp.KeyEvent(keys)) }

// typed goes to a field and types, as somebody without a mouse.
func (b *tab) typed(selector, text string) {
	b.t.Helper()
	b.tabTo(selector)
	b.press(text)
}

// From the bank's front page to a login with a one-time password without a mouse, on the PC and in the app.
func TestTheWholeWalkWorksWithTheKeyboardAlone(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	ctx := browser(t, t.TempDir())
	desk := pc.open(t, ctx, "pc", true)
	hand := phone.open(t, ctx, "phone", true)
	logIn := func() {
		desk.goTo(d.url("bank", "/"))
		desk.tabTo("form[action='/login'] button")
		desk.press(kb.Enter)
		desk.at("/login")
		desk.typed("#login_id", taro.id)
		desk.typed("#login_password", taro.login)
		desk.press(kb.Enter)
	}
	logIn()
	desk.at("/home")
	desk.tabTo("a[href$='/security']")
	desk.press(kb.Enter)
	desk.at("/security")
	desk.tabTo("a[href='/token/apply']")
	desk.press(kb.Enter)
	desk.at("/token/apply")
	desk.typed("#confirm", taro.confirm)
	desk.press(kb.Enter)
	desk.at("/token/key")
	typed := digits(desk.text("#typed"))
	n := d.desk().mailed(taro.mail, 1)

	hand.goTo(d.url("token", "/"))
	hand.tabTo("[data-testid=register-open]")
	hand.press(kb.Enter)
	hand.see("[data-testid=way-type]")
	hand.tabTo("[data-testid=way-type]")
	hand.press(kb.Enter)
	hand.see("[data-testid=key-input]")
	hand.typed("[data-testid=key-input]", typed)
	hand.typed("[data-testid=number-input]", n)
	hand.tabTo("[data-testid=register-submit]")
	hand.press(kb.Enter)
	hand.see("[data-testid=registered]")

	desk.at("/token/start")
	code := hand.code(true)
	desk.typed("#code", code)
	desk.press(kb.Enter)
	desk.at("/token/done")
	desk.tabTo("main a.button")
	desk.press(kb.Enter)
	desk.at("/home")
	desk.tabTo("form[action='/logout'] button")
	desk.press(kb.Enter)
	desk.until("location.host.startsWith('bank.') && location.pathname !== '/home' && document.querySelector('main')")
	logIn()
	desk.at("/login/code")
	desk.typed("#code", hand.next(code))
	desk.press(kb.Enter)
	desk.at("/home")
}

// The button on the bank's page and the app's help that speaks of it use the same words.
func TestTheAppCallsTheBanksButtonByItsName(t *testing.T) {
	t.Parallel()
	for _, lang := range []string{"ja", "en"} {
		words := map[string]map[string]string{}
		for _, f := range []string{"customer", "tokenapp"} {
			b, err := os.ReadFile("../web/text/" + lang + "/" + f + ".json")
			if err != nil {
				t.Fatal(err)
			}
			var m map[string]string
			if err := json.Unmarshal(b, &m); err != nil {
				t.Fatal(err)
			}
			words[f] = m
		}
		if name := words["customer"]["key.here"]; name == "" || !strings.Contains(words["tokenapp"]["way.link.what"], name) {
			t.Errorf("%s: the bank's button is called %q, the app says %q", lang, name, words["tokenapp"]["way.link.what"])
		}
	}
}

// picture takes what the window shows, for the README.
func (b *tab) picture(file string, d device, scale float64) {
	b.t.Helper()
	b.become(d)
	var shot []byte
	b.must(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		if _, err := cdp.Call(ctx, t, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: d.width, Height: d.height, DeviceScaleFactor: scale, Mobile: d.mobile}); err != nil {
			return chromedp.Void{}, err
		}
		if _, err := cdp.Call(ctx, t, page.BringToFront, cdp.Empty{}); err != nil {
			return chromedp.Void{}, err
		}
		r, err := cdp.Call(ctx, t, page.CaptureScreenshot, page.CaptureScreenshotParams{})
		shot = r.Data
		return chromedp.Void{}, err
	})
	img, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		b.t.Fatal(err)
	}
	var small bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&small, img); err != nil {
		b.t.Fatal(err)
	}
	if small.Len() < len(shot) {
		shot = small.Bytes()
	}
	if len(shot) > 200_000 {
		b.t.Errorf("%s has %d bytes", file, len(shot))
	}
	if err := os.MkdirAll("../docs/images", 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("../docs/images", file), shot, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// The README's pictures, taken anew with INKAN_PICTURES=1.
func TestPicturesForTheReadme(t *testing.T) {
	if os.Getenv("INKAN_PICTURES") != "1" {
		t.Skip("INKAN_PICTURES=1 takes the pictures in docs/images anew")
	}
	d := startDemo(t)
	ctx := browser(t, t.TempDir())
	wide := device{1120, 900, false, windows, "ja", false}
	hand := device{390, 844, true, iPhone, "ja", false}
	desk := wide.open(t, ctx, "pc", true)
	desk.logIn(d, taro)
	desk.at("/home")
	desk.goTo(d.url("login", "/token/apply"))
	desk.apply(taro)
	high := wide
	high.height = 1020
	desk.picture("bank-key.png", high, 1)
	app := hand.open(t, ctx, "phone", true)
	app.register(desk.attribute("a[href*='/r#1.']", "href"), d.desk().mailed(taro.mail, 1))
	desk.at("/token/start")
	code := app.code(true)
	desk.fill("#code", code)
	desk.click("form[action^='/token/start'] button.main")
	desk.at("/token/done")
	desk.goTo(d.url("login", "/security"))
	desk.at("/security")
	low := wide
	low.height = 798
	desk.picture("security.png", low, 1)
	app.goTo(d.url("token", "/#codes"))
	app.must(chromedp.Reload())
	app.see("[data-testid=code]")
	for time.Now().Unix()%60 > 35 { // a ring that is nearly empty looks like a warning
		time.Sleep(time.Second)
	}
	app.picture("token-app.png", hand, 2)
	desk.goTo(d.url("login", "/security/transaction-authentication"))
	desk.click("input[name=read]")
	desk.fill("#code", app.next(code))
	desk.click("form[action^='/security/transaction-authentication'] button.main")
	desk.see(".tag.good")
	desk.order(d, "7654321", "250000")
	low.height = 1010
	desk.picture("transfer-waiting.png", low, 1)
	app.goTo(d.url("token", "/"))
	app.see("[data-testid=pending-card]")
	app.open("transfer")
	app.read()
	tall := hand
	tall.height = 1330
	app.must(chromedp.Evaluate[chromedp.Void]("scrollTo(0, 0)"))
	time.Sleep(2500 * time.Millisecond) // until it may be approved
	app.picture("transfer-app.png", tall, 1.2)
	clerk := device{1280, 900, false, windows, "ja", false}.open(t, ctx, "staff", true)
	clerk.goTo(d.url("staff", "/demo/checker"))
	clerk.at("/")
	clerk.goTo(d.url("staff", "/cases?state=submitted"))
	clerk.click(".table tbody a")
	clerk.until("location.pathname.startsWith('/cases/rel_')")
	clerk.picture("staff-case.png", device{1280, 1180, false, windows, "ja", false}, 1)
	clerk.click("button[value=grant]")
	clerk.click("button[value=paper]")
	clerk.see(".letter")
	clerk.must(chromedp.Evaluate[chromedp.Void]("document.querySelector('.letter').scrollIntoView()"))
	clerk.picture("staff-letter.png", device{860, 1140, false, windows, "ja", false}, 1)
	clerk.goTo(d.url("staff", "/customers"))
	clerk.fill("#branch", "101")
	clerk.fill("#account_number", "1000002")
	clerk.click("form[action='/customers'] button.main")
	clerk.until("location.pathname.startsWith('/customers/cus_')")
	clerk.picture("staff-customer.png", device{1280, 1180, false, windows, "ja", false}, 1)
	english := hand
	english.lang = "en"
	en := english.open(t, ctx, "en", true)
	en.logIn(d, taro)
	en.at("/login/code")
	english.height = 808
	en.picture("login-code-en.png", english, 2)
}
