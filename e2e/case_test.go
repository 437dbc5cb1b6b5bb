//go:build browser

package e2e

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// print keeps the page as it comes out of a printer, and as a picture where the machine can draw one; it says how many pages there are.
func (b *tab) print(name string) (pages int) {
	b.t.Helper()
	var paper []byte
	yes := true
	b.must(func(ctx context.Context, x *chromedp.Target) (chromedp.Void, error) {
		r, err := cdp.Call(ctx, x, page.PrintToPDF, page.PrintToPDFParams{PreferCSSPageSize: &yes, PrintBackground: &yes})
		if err == nil {
			paper = r.Data
		}
		return chromedp.Void{}, err
	})
	file := filepath.Join(artifacts(b.t), name+".pdf")
	if err := os.WriteFile(file, paper, 0o600); err != nil {
		b.t.Fatal(err)
	}
	if gs, err := exec.LookPath("gs"); err == nil {
		if out, err := exec.Command(gs, "-q", "-dSAFER", "-dBATCH", "-dNOPAUSE", "-sDEVICE=png16m", "-r110", "-sOutputFile="+strings.TrimSuffix(file, ".pdf")+"-%d.png", file).CombinedOutput(); err != nil {
			b.t.Logf("no picture of the paper: %v %s", err, out)
		}
	}
	return bytes.Count(paper, []byte("/Type /Page\n"))
}

// T8 and M-13 with three people: her phone is lost at night and she stops everything; in the morning she prints the request, a clerk takes it in, another person grants it, the letter is printed, and with the number that was mailed she registers another phone.
func TestARequestFromPaperToPhone(t *testing.T) {
	t.Parallel()
	shizuka := person{"shizuka14", "umi-to-yama-14", "kaze-to-kumo-14", "shizuka@"}
	for _, lang := range languages() {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
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

			her := pc.open(t, ctx, "her", true) // at her computer at night, without her phone: first everything stops
			her.goTo(d.url("login", "/emergency-stop"))
			her.fill("#login_id", shizuka.id)
			her.click("input[name=by][value=confirm]")
			her.fill("#secret", shizuka.confirm)
			her.click("form[action='/emergency-stop'] button.stop")
			her.see(".confirmed")
			her.goTo(d.url("login", "/release-request"))
			her.fill("#branch", "101")
			her.fill("#account_number", "1000014")
			her.fill("#holder", "高橋 静香")
			her.fill("#kana", "タカハシ シズカ")
			her.click("input[value=token_revoke]")
			her.click("input[value=service_stop]")
			her.click("input[value=lost]")
			her.click("form[action='/release-request'] button.main")
			her.at("/release-request/sheet")
			if pages := her.print("request"); pages != 1 {
				t.Errorf("the request takes %d pages", pages)
			}
			paper := strings.TrimSpace(her.text(".ref strong"))

			wide := pc
			wide.lang = lang
			clerk, checker := wide.open(t, ctx, "clerk", true), wide.open(t, ctx, "checker", true)
			clerk.goTo(d.url("staff", "/demo/clerk"))
			clerk.at(d.port + "/")
			clerk.click("nav.menu a[href='/cases']")
			clerk.at("/cases")
			clerk.look("cases")
			clerk.click("a[href='/cases/new']")
			clerk.see("#account_number")
			i := clerk.inspector(lang)
			i.brief = true
			i.check("case-new")
			clerk.goTo(d.url("staff", "/cases"))
			clerk.fill("#number", strings.ToLower(strings.ReplaceAll(paper, "-", " ")))
			clerk.click("form[action='/cases'] button")
			clerk.see("form[action$='/receive'] button")
			id := path.Base(clerk.where())
			clerk.look("made")
			clerk.click("form[action$='/receive'] button")
			clerk.see("form[action$='/tie'] button")
			clerk.fill("#account_number", "9999999")
			clerk.click("form[action$='/tie'] button")
			clerk.see("#account-wrong")
			if v := clerk.value("#account_number"); v != "9999999" {
				t.Errorf("after the refusal the account is %q", v)
			}
			clerk.fill("#account_number", "１０００-０１４")
			clerk.click("form[action$='/tie'] button")
			clerk.see("#reference")
			clerk.look("tied")
			if clerk.count(".warnings .bad") != 1 {
				t.Error("nobody says that her service is stopped")
			}
			clerk.click("button[value=submit]") // nothing is looked at yet
			clerk.see(".field-wrong")
			clerk.look("incomplete")
			clerk.click("input[name=check][value=card]")
			clerk.click("input[name=check][value=document]")
			clerk.click("input[name=check][value=photo]")
			clerk.click("input[name=document][value=licence]")
			clerk.fill("#reference", "第301234567890号")
			clerk.click("input[name=item][value=downloads]")
			clerk.click("input[name=issue][value=key]")
			clerk.fill("#note", "窓口にてご本人を確認。機種は同じ。")
			clerk.click("button[value=save]")
			clerk.see(".note.good")
			scan := filepath.Join(t.TempDir(), "paper.pdf")
			copyFile(t, filepath.Join(artifacts(t), "request.pdf"), scan)
			clerk.must(chromedp.SetUploadFiles(css("#paper"), []string{scan}))
			clerk.click("form[action$='/scan'] button")
			clerk.see("a[href*='/scan/scn_']")
			i.check("case-clerk")
			clerk.click("button[value=submit]")
			clerk.see("form[action$='/recall'] button")
			clerk.look("submitted")

			checker.goTo(d.url("staff", "/demo/checker"))
			checker.at(d.port + "/")
			checker.goTo(d.url("staff", "/cases"))
			j := checker.inspector(lang)
			j.brief = true
			j.check("cases")
			checker.click(".table a[href='/cases/" + id + "']")
			checker.see("button[value=grant]")
			j.check("case-checker")
			checker.click("button[value=decline]") // without a reason
			checker.see(".field-wrong")
			checker.click("button[value=grant]")
			checker.see("form[action$='/letter'] button")
			checker.look("granted")
			checker.click("button[value=screen]") // she happens to stand there, and then wants it by letter after all
			checker.see("svg.qr")
			checker.look("screen")
			checker.click("a.button[href^='/cases/']")
			checker.click("button[value=paper]")
			checker.see(".letter")
			checker.look("letter")
			if pages := checker.print("letter"); pages != 1 {
				t.Errorf("the letter takes %d pages", pages)
			}
			key := digits(checker.text("#typed"))
			j.check("letter")
			clerk.must(chromedp.Reload())
			clerk.see("main")
			clerk.look("closed")
			if clerk.count("form[action$='/letter']") != 0 {
				t.Error("the maker may print the letter")
			}

			her.goTo(d.url("login", "/release-request/state"))
			her.look("state")
			her.goTo(d.url("login", "/login"))
			her.fill("#login_id", shizuka.id)
			her.fill("#login_password", shizuka.login)
			her.click("form[action^='/login'] button[data-after-passkey]")
			her.at("/security")
			her.goTo(d.url("login", "/token/key"))
			her.look("letter-awaited")
			hand := phone.open(t, ctx, "new", true)
			hand.goTo(d.url("token", "/#register/type"))
			hand.fill("[data-testid=key-input]", key)
			hand.fill("[data-testid=number-input]", c.mailed(shizuka.mail, 2))
			hand.click("[data-testid=register-submit]")
			hand.see("[data-testid=registered]")
			her.at("/token/start") // by itself
			her.fill("#code", hand.code(true))
			her.click("form[action='/token/start'] button.main")
			her.see(".confirmed")
			her.look("done")
			checker.goTo(d.url("staff", "/cases?state=closed"))
			checker.look("closed")
		})
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
