//go:build browser

package e2e

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/inkan-auth/inkan/internal/domain/transaction"
)

// tokenOn takes a customer to a token in use on the phone, logged in on the PC, and gives the code that she used.
func (d *demo) tokenOn(desk, hand *tab, p person) (code string) {
	d.t.Helper()
	desk.logIn(d, p)
	desk.at("/home")
	desk.goTo(d.url("login", "/security"))
	desk.click("a[href='/token/apply']")
	link, _ := desk.apply(p)
	hand.register(link, d.desk().mailed(p.mail, 1))
	code = hand.code(true)
	desk.at("/token/start")
	desk.fill("#code", code)
	desk.click("form[action^='/token/start'] button.main")
	desk.at("/token/done")
	return code
}

// payerOn takes a customer to where she can order transfers: a token in use on the phone, transaction authentication added on the PC, logged in at the bank.
func (d *demo) payerOn(desk, hand *tab, p person) {
	d.t.Helper()
	code := d.tokenOn(desk, hand, p)
	desk.goTo(d.url("login", "/security/transaction-authentication"))
	desk.look("add")
	desk.click("input[name=read]")
	desk.fill("#code", hand.next(code))
	desk.click("form[action^='/security/transaction-authentication'] button.main")
	desk.see(".tag.good")
	desk.look("added")
}

// order goes from the bank's home page to the page that waits for the phone.
func (b *tab) order(d *demo, account, amount string) {
	b.t.Helper()
	b.goTo(d.url("bank", "/transfers/new"))
	b.look("choose")
	b.click("a[href^='/transfers/new?bank=']")
	b.see("#branch")
	b.eval("(document.querySelector('#branch').selectedIndex = 1, 'ok')", new(string))
	b.fill("#number", account)
	b.fill("#amount", amount)
	b.look("details")
	b.click("form[action='/transfers'] button.main")
	b.see("[data-testid=confirm]")
	b.look("confirm")
	b.click("[data-testid=confirm]")
	b.see("[data-testid=reference]")
	b.look("waiting")
}

// open opens what waits in the token app and gives the reference that it shows.
func (b *tab) open(name string) {
	b.t.Helper()
	b.click("[data-testid=pending-open]")
	b.see("[data-testid=approve]")
	b.look(name)
}

// read scrolls through the whole transaction, as somebody who reads it.
func (b *tab) read() {
	b.t.Helper()
	b.see("[data-testid=line]")
	for i := range b.count("[data-testid=line]") {
		b.eval("(document.querySelectorAll('[data-testid=line]')["+strconv.Itoa(i)+"].scrollIntoView({block: 'center'}), 'ok')", new(string))
		time.Sleep(60 * time.Millisecond)
	}
}

// approve reads the transaction, waits until the button may be pressed, and presses it.
func (b *tab) approve() {
	b.t.Helper()
	b.read()
	b.see("[data-testid=approve][aria-disabled=false]")
	b.click("[data-testid=approve]")
}

// ended waits for the end of a transfer at the bank.
func (b *tab) ended(state string) {
	b.t.Helper()
	b.see("[data-testid=result][data-state=" + state + "]")
	b.look("end-" + state)
}

// evidence fetches the file that the bank offers at the end of a transfer.
func (b *tab) evidence() string {
	b.t.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`fetch(document.querySelector('a[href$="evidence.json"]').href).then(r => r.text())`, chromedp.EvalAwaitPromise, chromedp.EvalAsValue))
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

// M-07 with a PC and a phone beside it: approved, rejected, reported.
func TestTransferOnPCAndPhone(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	ctx := browser(t, t.TempDir())
	desk, hand := pc.open(t, ctx, "pc", true), phone.open(t, ctx, "phone", true)
	d.payerOn(desk, hand, taro)
	hand.goTo(d.url("token", "/"))

	desk.order(d, "7654321", "12000")
	reference := strings.TrimSpace(desk.text("[data-testid=reference]"))
	hand.see("[data-testid=pending-card]") // by the event stream: nobody touched the phone
	hand.open("approve")
	shown := hand.text("[data-testid=transaction]")
	for _, want := range []string{"12,000円", "7654321", reference} {
		if !strings.Contains(shown, want) {
			t.Errorf("the phone does not show %q:\n%s", want, shown)
		}
	}
	if hand.attribute("[data-testid=approve]", "aria-disabled") != "true" {
		t.Error("approve is possible before everything was seen")
	}
	hand.approve()
	hand.see("[data-testid=end][data-end=approved]")
	hand.look("approved")
	desk.see("[data-testid=execute], [data-testid=result]")
	desk.look("approved-at-the-bank")
	desk.click("[data-testid=execute]")
	desk.ended("done")

	// The file that the bank keeps proves it to anybody.
	file := desk.evidence()
	evidence, err := transaction.ParseEvidence([]byte(file))
	if err != nil {
		t.Fatalf("the evidence: %v: %.80s", err, file)
	}
	found, err := evidence.Verify("")
	if err != nil || found.Grade != transaction.GradeA || !strings.Contains(found.Shown, "金額: 12,000円") || found.Permit == nil {
		t.Errorf("the evidence: %v, grade %q:\n%s", err, found.Grade, found.Shown)
	}
	if err := os.WriteFile(filepath.Join(artifacts(t), "evidence.json"), []byte(file), 0o600); err != nil {
		t.Error(err)
	}

	hand.click("[data-testid=to-codes]")
	desk.order(d, "7654321", "34000")
	hand.see("[data-testid=pending-card]")
	hand.open("reject")
	hand.click("[data-testid=reject]")
	hand.look("reject-why")
	hand.click("[data-testid=reject-confirm]")
	hand.see("[data-testid=end][data-end=rejected]")
	desk.ended("rejected")

	hand.click("[data-testid=to-codes]")
	desk.order(d, "7654321", "56000")
	hand.see("[data-testid=pending-card]")
	hand.open("report")
	hand.click("[data-testid=report]")
	hand.look("report-why")
	hand.click("[data-testid=report-confirm]")
	hand.see("[data-testid=end][data-end=reported]")
	hand.look("reported")
	desk.ended("reported")
	desk.goTo(d.url("login", "/security"))
	desk.look("stopped")
	desk.goTo(d.url("bank", "/transfers"))
	desk.look("list")
	hand.goTo(d.url("token", "/#transactions"))
	hand.see("[data-testid=history-entry]")
	hand.look("history")
	mail := pc.open(t, ctx, "mail", true)
	mail.goTo(d.url("mail", "/"))
	if body := mail.text("body"); !strings.Contains(body, "身に覚え") && !strings.Contains(body, "振込") {
		t.Errorf("nobody is told of the report: %s", body)
	}
}

// Cancelled at the bank: the phone shows it, and the next order goes its way. The page survives a reload and another tab.
func TestTransferSurvivesReloadAndIsCancelled(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	ctx := browser(t, t.TempDir())
	desk, hand := pc.open(t, ctx, "pc", true), phone.open(t, ctx, "phone", true)
	d.payerOn(desk, hand, taro)
	hand.goTo(d.url("token", "/"))
	desk.order(d, "1112222", "5000")
	at := desk.where()
	desk.goTo(at)
	desk.see("[data-testid=reference]")
	other := desk.beside("other", pc)
	other.goTo(at)
	other.see("[data-testid=reference]")
	hand.see("[data-testid=pending-card]")
	hand.open("then-cancelled")
	other.click("form[action$='/cancel'] button")
	other.ended("cancelled")
	desk.ended("cancelled")
	hand.see("[data-testid=end][data-end=cancelled]")
	hand.look("cancelled")

	// One order, three presses: the second one is approved once.
	hand.click("[data-testid=to-codes]")
	desk.order(d, "1112222", "6000")
	hand.see("[data-testid=pending-card]")
	hand.open("again")
	hand.loseAnswers("*/v1/decisions", 1, nil)
	hand.approve()
	hand.see("[data-testid=end][data-end=approved]")
	desk.see("[data-testid=execute]")
	desk.twice("[data-testid=execute]")
	desk.ended("done")
	if n := d.asked("POST /v1/transactions/{id}/consume"); n < 1 {
		t.Errorf("%d permits were asked for", n)
	}
}

// The phone has no network (B-02): the QR code on the bank's page, the camera, eight digits; the signature follows when the network is back.
func TestTransferWithoutNetworkOnThePhone(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	ctx := browser(t, t.TempDir())
	film := filepath.Join(t.TempDir(), "camera.y4m")
	if err := os.WriteFile(film, y4m(t, blank(t), 1280, 720, 2), 0o600); err != nil {
		t.Fatal(err)
	}
	desk := pc.open(t, ctx, "pc", true)
	hand := phone.open(t, browser(t, t.TempDir(), chromedp.Flag("use-fake-device-for-media-stream", true), chromedp.Flag("use-fake-ui-for-media-stream", true),
		chromedp.Flag("use-file-for-fake-video-capture", film)), "phone", false)
	d.payerOn(desk, hand, taro)
	hand.goTo(d.url("token", "/"))
	hand.keptOffline()
	hand.see("[data-testid=offline-open]")
	time.Sleep(time.Second) // the templates arrive with the first look
	plugIn := hand.unplug()
	desk.order(d, "3334444", "78000")
	desk.click("#offline summary")
	desk.see("svg.qr")
	desk.look("offline")
	shot, err := chromedp.Run(desk.ctx, chromedp.ScreenshotScale(css("svg.qr"), 3))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(film, y4m(t, shot, 1280, 720, 10), 0o600); err != nil {
		t.Fatal(err)
	}
	hand.click("[data-testid=offline-open]")
	hand.see("[data-testid=approve]")
	hand.look("offline-ask")
	if shown := hand.text("[data-testid=transaction]"); !strings.Contains(shown, "78,000円") || !strings.Contains(shown, "3334444") {
		t.Errorf("offline the phone shows:\n%s", shown)
	}
	hand.approve()
	hand.see("[data-testid=offline-code]")
	hand.look("offline-code")
	desk.fill("#code", digits(hand.text("[data-testid=offline-code]")))
	desk.click("form[action$='/offline'] button")
	desk.see("[data-testid=execute]")
	desk.click("[data-testid=execute]")
	desk.ended("done")
	grade := func() transaction.Grade {
		evidence, err := transaction.ParseEvidence([]byte(desk.evidence()))
		if err != nil {
			t.Fatal(err)
		}
		found, err := evidence.Verify("")
		if err != nil {
			t.Fatal(err)
		}
		return found.Grade
	}
	if g := grade(); g != transaction.GradeB {
		t.Errorf("offline the evidence is of grade %q", g)
	}
	plugIn()
	hand.goTo(d.url("token", "/"))
	for range 40 {
		if grade() == transaction.GradeA {
			return
		}
		time.Sleep(500 * time.Millisecond)
	}
	t.Error("the signature has not followed")
}

// unplug lets no request of the page reach the server any more, until the returned function is called. The page is told that it has no network as well.
func (b *tab) unplug() (plugIn func()) {
	b.t.Helper()
	b.offline(true)
	paused := chromedp.Events(b.ctx, fetch.RequestPaused)
	b.must(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, fetch.Enable, fetch.EnableParams{Patterns: []*fetch.RequestPattern{{URLPattern: "*/v1/*", RequestStage: fetch.RequestStageRequest}}})
		return chromedp.Void{}, err
	})
	go func() {
		for e, err := range paused {
			if err != nil {
				return
			}
			_, _ = chromedp.Call(b.ctx, fetch.FailRequest, fetch.FailRequestParams{RequestID: e.RequestID, ErrorReason: network.ErrorReasonInternetDisconnected})
		}
	}()
	return func() {
		_, _ = chromedp.Call(b.ctx, fetch.Disable, cdp.Empty{})
		b.offline(false)
	}
}

// blank is a white picture.
func blank(t *testing.T) []byte {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, 64, 64))
	for i := range img.Pix {
		img.Pix[i] = 0xff
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
