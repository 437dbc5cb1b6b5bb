//go:build browser

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// T9: new phone, old one at hand. The new phone's camera reads the old one's screen, the old one approves what it is shown of the new one, and the new one goes on by itself; no paper, no mail, no bank's page.
func TestMoveToANewPhone(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	ctx := browser(t, t.TempDir())
	desk, old := pc.open(t, ctx, "pc", true), phone.open(t, ctx, "old", true)
	d.payerOn(desk, old, taro)
	old.goTo(d.url("token", "/#codes"))
	old.click("[data-testid=manage]")
	old.click("[data-testid=move-open]")
	old.see("[data-testid=move-qr]")
	old.look("code")
	shot, err := chromedp.Run(old.ctx, chromedp.ScreenshotScale(css("svg.qr"), 3))
	if err != nil {
		t.Fatal(err)
	}
	film := filepath.Join(t.TempDir(), "camera.y4m")
	if err := os.WriteFile(film, y4m(t, shot, 640, 480, 20), 0o600); err != nil {
		t.Fatal(err)
	}
	english := phone
	english.lang = "en"
	hand := english.open(t, browser(t, t.TempDir(), chromedp.Flag("use-fake-device-for-media-stream", true), chromedp.Flag("use-fake-ui-for-media-stream", true),
		chromedp.Flag("use-file-for-fake-video-capture", film)), "new", false)
	hand.goTo(d.url("token", "/#register"))
	hand.click("[data-testid=way-scan]")
	hand.see("[data-testid=register-submit]")
	hand.look("scanned")
	if hand.count("[data-testid=number-input]") != 0 {
		t.Error("the new phone asks for a number")
	}
	hand.click("[data-testid=register-submit]")
	hand.see("[data-testid=move-check]")
	hand.look("waiting")
	check := digits(hand.text("[data-testid=move-check]"))
	hand.must(chromedp.Reload()) // she stands where she was
	hand.see("[data-testid=registered] [data-testid=move-check]")
	if again := digits(hand.text("[data-testid=move-check]")); again != check {
		t.Errorf("after a reload the new phone shows %s instead of %s", again, check)
	}
	hand.click("[data-testid=nav-codes]") // and it goes on by itself wherever she is
	hand.see("[data-testid=contract-card] [data-testid=move-check]")
	if hand.count("[data-testid=code]") != 0 {
		t.Error("a phone that is not in use yet shows a one-time password")
	}
	hand.look("waiting-among-the-codes")

	old.see("[data-testid=approve]") // by the event stream: it is put before her
	if shown := digits(old.text("[data-testid=transaction]")); check == "" || !strings.Contains(shown, check) {
		t.Errorf("the new phone shows %s, the old one %s", check, shown)
	}
	old.look("question")
	old.approve()
	hand.until("!document.querySelector('[data-testid=move-check]') && document.querySelector('[data-testid=code]')")
	hand.look("moved")
	old.goTo(d.url("token", "/#codes"))
	old.must(chromedp.Reload())
	old.until("document.querySelector('[data-testid=contract-card]') && !document.querySelector('[data-testid=code]')")
	old.look("replaced")

	if box := d.desk().open(d.url("mail", "/")).html; !strings.Contains(box, "新しいスマートフォンへ移しました") {
		t.Error("she was not told by mail")
	}
}
