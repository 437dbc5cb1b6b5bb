//go:build browser

package e2e

import (
	"strings"
	"testing"
	"time"
)

// A phone without a network whose clock is six minutes fast: its code is refused, two in a row set the clock, the next one logs in. When it has a network again, the app corrects its clock and the bank learns of it by itself.
// The minute between two codes is not waited for: the phone's clock goes on instead.
func TestTwoCodesSetTheClock(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	c := d.desk()
	c.logIn(taro)
	link, _, n := c.apply(taro)
	ctx := browser(t, t.TempDir())
	hand := phone.open(t, ctx, "phone", true)
	hand.register(link, n)
	hand.keptOffline()
	if !c.start(hand.code(true)) {
		t.Fatal("the first code is not taken")
	}
	plugIn := hand.unplug()
	hand.wrongClock(5 * time.Minute)
	// later moves the phone's clock on by a minute, and gives what it shows then.
	later := func() string {
		t.Helper()
		hand.wrongClock(time.Minute)
		hand.goTo(d.url("token", "/"))
		return hand.code(false)
	}
	hand.goTo(d.url("token", "/"))

	desk := hand.beside("pc", pc)
	desk.logIn(d, taro)
	desk.at("/login/code")
	desk.fill("#code", hand.code(true))
	desk.click("form[action^='/login/code'] button.main")
	desk.see("#code-error")
	desk.look("refused")
	desk.click("a[href^='/login/resync']")
	desk.at("/login/resync")
	desk.look("two-codes")
	var first, second string
	for began := int64(0); began != time.Now().Unix()/60; { // both are of one minute of the bank's
		for time.Now().Unix()%60 > 40 {
			time.Sleep(time.Second)
		}
		began = time.Now().Unix() / 60
		first, second = hand.code(false), later()
	}
	desk.fill("#first", first)
	desk.fill("#second", second)
	desk.look("typed")
	typed := time.Now().Unix() % 60
	desk.click("form[action^='/login/resync'] button.main")
	desk.at("/login/code")
	desk.see(".note.good")
	desk.look("set")
	var code string
	if typed < 20 { // the bank takes the phone for one that is about to show the next code
		code = later()
	} else {
		for time.Now().Unix()%60 >= typed {
			time.Sleep(time.Second)
		}
		hand.goTo(d.url("token", "/"))
		code = hand.code(false)
	}
	desk.fill("#code", code)
	desk.click("form[action^='/login/code'] button.main")
	desk.at("/home")

	acts := func() int {
		desk.goTo(d.url("login", "/history"))
		return strings.Count(desk.text("main"), "トークンの時計のずれを修正")
	}
	if n := acts(); n != 1 {
		t.Errorf("the history tells %d times that the clock was set", n)
	}
	plugIn()
	hand.goTo(d.url("token", "/"))
	hand.see("[data-testid=clock-notice]")
	for range 40 {
		if acts() == 2 {
			break
		}
		time.Sleep(250 * time.Millisecond)
	}
	if n := acts(); n != 2 {
		t.Errorf("the phone is online and right again, and the history tells %d times that the clock was set", n)
	}
	desk.look("history")
}
