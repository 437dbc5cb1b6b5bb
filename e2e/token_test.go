//go:build browser

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// contract is one of the ten contracts of one household (M-05).
func contract(n int) person {
	return person{fmt.Sprintf("contract%02d", n), fmt.Sprintf("umi-to-yama-%02d", n), fmt.Sprintf("kaze-to-kumo-%02d", n), fmt.Sprintf("sakura%02d@", n)}
}

// keptOffline waits until the service worker has the app and this page.
func (b *tab) keptOffline() {
	b.t.Helper()
	b.must(chromedp.Evaluate[chromedp.Void](`navigator.serviceWorker.ready.then(() => navigator.serviceWorker.controller ? 0 : new Promise(ok => navigator.serviceWorker.addEventListener('controllerchange', ok))).then(() => undefined)`, chromedp.EvalAwaitPromise))
}

// M-04: the phone is switched on where there is no network, and the code is there. That it is the right one only the bank can say, so it is asked afterwards.
func TestTheCodeIsThereAfterAColdStartWithoutNetwork(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	c := d.desk()
	c.logIn(taro)
	link, _, n := c.apply(taro)
	profile := t.TempDir()
	ctx := browser(t, profile)
	hand := phone.open(t, ctx, "phone", false)
	hand.register(link, n)
	hand.keptOffline()
	if err := chromedp.Cancel(ctx); err != nil {
		t.Fatal(err)
	}
	d.stop(syscall.SIGTERM)

	hand = phone.open(t, browser(t, profile), "phone-cold", false)
	hand.cut.Store(true)
	hand.goTo(d.url("token", "/"))
	code := hand.code(true)
	if len(code) != 6 {
		t.Fatalf("the code has %d digits", len(code))
	}
	hand.look("offline")
	if n := hand.count("[data-testid=contract-card]"); n != 1 {
		t.Errorf("%d contracts after the cold start", n)
	}
	d.start()
	if !c.start(code) {
		t.Error("the code that was shown without a network is not taken")
	}
}

// The bank's page is on the PC's screen, and the phone's camera looks at it.
func TestTheCameraReadsTheKeyFromTheBanksPage(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	ctx := browser(t, t.TempDir())
	desk := pc.open(t, ctx, "pc", true)
	desk.logIn(d, taro)
	desk.at("/home")
	desk.goTo(d.url("login", "/security"))
	desk.click("a[href='/token/apply']")
	desk.apply(taro)
	shot, err := chromedp.Run(desk.ctx, chromedp.ScreenshotScale(css("svg.qr"), 2))
	if err != nil {
		t.Fatal(err)
	}
	n := d.desk().mailed(taro.mail, 1)
	if err := chromedp.Cancel(ctx); err != nil { // two browsers are enough for the other tests
		t.Fatal(err)
	}

	film := filepath.Join(t.TempDir(), "camera.y4m")
	if err := os.WriteFile(film, y4m(t, shot, 640, 480, 20), 0o600); err != nil {
		t.Fatal(err)
	}
	hand := phone.open(t, browser(t, t.TempDir(), chromedp.Flag("use-fake-device-for-media-stream", true), chromedp.Flag("use-fake-ui-for-media-stream", true),
		chromedp.Flag("use-file-for-fake-video-capture", film)), "phone", false)
	hand.goTo(d.url("token", "/#register"))
	hand.click("[data-testid=way-scan]")
	hand.see("[data-testid=number-input]")
	hand.fill("[data-testid=number-input]", n)
	hand.click("[data-testid=register-submit]")
	hand.see("[data-testid=registered]")
	if u := hand.where(); strings.Contains(u, "#1.") {
		t.Errorf("the key stayed in the address: %s", u)
	}
}

// y4m is a film of a still picture, laid in the middle of a grey frame: what a camera sees that is held before the screen.
func y4m(t *testing.T, still []byte, w, h, frames int) []byte {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(still))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "YUV4MPEG2 W%d H%d F10:1 Ip A1:1 C420jpeg\n", w, h)
	y := bytes.Repeat([]byte{0x90}, w*h)
	side := h * 9 / 10
	b := img.Bounds()
	for py := range side {
		for px := range side {
			at := image.Pt(b.Min.X+px*b.Dx()/side, b.Min.Y+py*b.Dy()/side)
			y[(py+(h-side)/2)*w+px+(w-side)/2] = color.GrayModel.Convert(img.At(at.X, at.Y)).(color.Gray).Y
		}
	}
	plain := bytes.Repeat([]byte{0x80}, w*h/2)
	for range frames {
		out.WriteString("FRAME\n")
		out.Write(y)
		out.Write(plain)
	}
	return out.Bytes()
}

// wrongClock shifts what the pages of this tab take for the time.
func (b *tab) wrongClock(by time.Duration) {
	b.t.Helper()
	script := fmt.Sprintf(`(() => { const Real = Date, by = %d; globalThis.Date = class extends Real {
		constructor(...a) { if (a.length) super(...a); else super(Real.now() + by); }
		static now() { return Real.now() + by; } }; })()`, by.Milliseconds())
	b.must(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
		return chromedp.Void{}, err
	})
}

// M-10: a phone whose clock is wrong shows the right code after one contact with the server, and says that it corrects and by how much.
func TestAWrongClockIsToldAndCorrected(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	ctx := browser(t, t.TempDir())
	for i, w := range []struct {
		by   time.Duration
		tag  string
		says []string
	}{{4 * time.Minute, "4-minutes-fast", []string{"4分", "進んで"}}, {-3 * time.Hour, "3-hours-slow", []string{"3時間", "遅れて"}}} {
		p := contract(4 + i)
		c := d.desk()
		c.logIn(p)
		link, _, n := c.apply(p)
		hand := phone.open(t, ctx, w.tag, true)
		hand.wrongClock(w.by)
		hand.register(link, n)
		hand.keptOffline()
		hand.goTo(d.url("token", "/"))
		told := hand.text("[data-testid=clock-notice]")
		for _, s := range w.says {
			if !strings.Contains(told, s) {
				t.Errorf("%s: the app does not say %s: %s", w.tag, s, told)
			}
		}
		hand.look("told")
		// What was learned is kept: with the network gone the code still fits.
		hand.offline(true)
		hand.goTo(d.url("token", "/"))
		if code := hand.code(true); !c.start(code) {
			t.Errorf("%s: the code %s is not taken", w.tag, code)
		}
	}
}

// cards reads account number and code of each contract, in the order shown, all within one step of time.
func (b *tab) cards() (accounts []string, codes map[string]string) {
	b.t.Helper()
	for time.Now().Unix()%60 > 50 {
		time.Sleep(time.Second)
	}
	b.see("[data-testid=code]")
	var all string
	b.eval(`[...document.querySelectorAll('[data-testid=contract-card]')].map(c => c.querySelector('.number').textContent.replace(/\D/g, '') + '=' + c.querySelector('[data-testid=code]').textContent.replace(/\D/g, '')).join(' ')`, &all)
	codes = map[string]string{}
	for _, f := range strings.Fields(all) {
		account, code, _ := strings.Cut(f, "=")
		accounts = append(accounts, account)
		codes[account] = code
	}
	return accounts, codes
}

func (b *tab) count(selector string) int {
	b.t.Helper()
	n, err := chromedp.Run(b.ctx, chromedp.Evaluate[int]("document.querySelectorAll("+quote(selector)+").length"))
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

// M-05: ten contracts in one app; what is done to one of them leaves the others alone.
func TestTenContractsLiveInOneApp(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	ctx := browser(t, t.TempDir())
	hand := phone.open(t, ctx, "phone", true)
	for n := 4; n <= 13; n++ {
		c := d.desk()
		c.logIn(contract(n))
		link, _, mailed := c.apply(contract(n))
		hand.register(link, mailed)
		if code := hand.code(true); !c.start(code) {
			t.Fatalf("the code of contract %d is not taken", n)
		}
	}
	hand.goTo(d.url("token", "/#codes"))
	before, codes := hand.cards()
	if len(before) != 10 || len(codes) != 10 {
		t.Fatalf("%d contracts are shown, want 10: %v", len(before), before)
	}
	hand.look("ten")
	same := func(what string, without ...string) []string {
		t.Helper()
		now, nowCodes := hand.cards()
		if len(now) != 10-len(without) {
			t.Errorf("%s: %d contracts are shown", what, len(now))
		}
		for _, a := range before {
			if !slices.Contains(without, a) && len(nowCodes[a]) != 6 {
				t.Errorf("%s: contract %s has no code", what, a)
			}
		}
		if seen := map[string]bool{}; true {
			for _, code := range nowCodes {
				seen[code] = true
			}
			if len(seen) < len(nowCodes)-1 { // two of ten may be alike by chance, more will not
				t.Errorf("%s: contracts share their codes", what)
			}
		}
		return now
	}
	card := func(n int) string { return fmt.Sprintf("article:nth-of-type(%d) ", n) }

	hand.click(card(3) + "[data-testid=manage]")
	hand.click(card(3) + "[data-testid=rename]")
	hand.fill("[data-testid=name-input]", "家賃の口座")
	hand.click("[data-testid=name-save]")
	hand.must(chromedp.WaitNotPresent(css("dialog[open]")))
	hand.until(`document.querySelector("article:nth-of-type(3) h2").textContent === "家賃の口座"`)
	if now := same("renamed"); !slices.Equal(now, before) {
		t.Errorf("renaming changed the order: %v", now)
	}

	hand.click(card(3) + "[data-testid=move-up]")
	hand.until(`document.querySelector("article:nth-of-type(2) h2").textContent === "家賃の口座"`)
	moved := slices.Clone(before)
	moved[1], moved[2] = moved[2], moved[1]
	if now := same("moved"); !slices.Equal(now, moved) {
		t.Errorf("moved: %v, want %v", now, moved)
	}

	gone := moved[4]
	hand.click(card(5) + "[data-testid=manage]")
	hand.click(card(5) + "[data-testid=delete]")
	hand.look("delete")
	hand.click("[data-testid=delete-confirm]")
	hand.until(`document.querySelectorAll("[data-testid=contract-card]").length === 9`)
	left := slices.Delete(slices.Clone(moved), 4, 5)
	if now := same("deleted", gone); !slices.Equal(now, left) {
		t.Errorf("deleted: %v, want %v", now, left)
	}

	// All of it was written down, and each of the nine still opens the door of its own contract.
	hand.must(chromedp.Reload())
	if now := same("reloaded", gone); !slices.Equal(now, left) {
		t.Errorf("after a reload: %v, want %v", now, left)
	}
	hand.look("nine")
}

// until waits for a condition of the page.
func (b *tab) until(condition string) {
	b.t.Helper()
	for began := time.Now(); time.Since(began) < patience; time.Sleep(50 * time.Millisecond) {
		if ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("!!("+condition+")")); err == nil && ok {
			return
		}
	}
	b.failed()
	b.t.Fatalf("%s at %s: never %s", b.tag, b.where(), condition)
}

func fullWidth(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r - '0' + '０'
		}
		return r
	}, s)
}

// A slip of the finger is found by the check digits before anything leaves the phone, so it costs no try; full-width digits are digits.
func TestATypedKeyMayBeFullWidthAndASlipIsCaughtInTheApp(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	c := d.desk()
	c.logIn(taro)
	_, typed, n := c.apply(taro)
	hand := phone.open(t, browser(t, t.TempDir()), "phone", true)
	hand.goTo(d.url("token", "/#register"))
	hand.click("[data-testid=way-type]")
	slip := []byte(typed)
	slip[5] = '0' + (slip[5]-'0'+1)%10
	hand.fill("[data-testid=key-input]", fullWidth(string(slip)))
	hand.fill("[data-testid=number-input]", fullWidth(n))
	hand.click("[data-testid=register-submit]")
	hand.see("[data-testid=error]")
	hand.look("slip")
	swapped := []byte(typed)
	for i := range 15 {
		if swapped[i] != swapped[i+1] {
			swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
			break
		}
	}
	hand.fill("[data-testid=key-input]", string(swapped))
	hand.click("[data-testid=register-submit]")
	hand.see("[data-testid=error]")
	if sent := d.asked("POST /v1/registrations"); sent != 0 {
		t.Fatalf("%d requests were sent with a key that cannot be right", sent)
	}
	hand.fill("[data-testid=key-input]", fullWidth(typed[:4]+"　"+typed[4:8]+"ー"+typed[8:12]+"－"+typed[12:]))
	hand.click("[data-testid=register-submit]")
	hand.see("[data-testid=registered]")
	if sent := d.asked("POST /v1/registrations"); sent != 1 {
		t.Errorf("%d requests were sent for one registration", sent)
	}
	if !c.start(fullWidth(hand.code(true))) {
		t.Error("a full-width code is not taken at the bank")
	}
}
