package main

import (
	"html"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// A call back over the wire, from the customer's page to the console and back. Her number in full is on the one page that answers to whoever asks for it, the number of her page on no page of the console, and her page says
// where she stands in a browser that was closed meanwhile.
func TestACallBackOverTheWire(t *testing.T) {
	t.Parallel()
	w := attack(t)
	w.Core = everyCard{}
	const name = `<b>花子</b>`
	fine(t, w.ImportCustomer(t.Context(), authority.NewCustomer{Ref: "0101-1-7777777", LoginID: "waiting01", LoginPassword: testkit.Login, ConfirmPassword: testkit.Confirm, Name: name, Kana: "ハナコ", Mail: "waiting@mail.example.jp",
		Phone: "090-1234-7777", Branch: "101", AccountType: "普通", AccountNumber: "7777777", KeepPasswords: true}))
	clerk := w.SignedIn(staff.Clerk)
	hers := func(cookie string) answer {
		a := get(loginHost, "/reissue")
		a.cookies = map[string]string{"__Host-reissue": cookie}
		return w.send(a)
	}
	does := func(path, cookie string, pairs ...string) {
		t.Helper()
		if r := w.send(onTheRoad(path, cookie, pairs...)); r.StatusCode != http.StatusSeeOther {
			t.Fatalf("%s: %d", path, r.StatusCode)
		}
	}
	card := []string{"branch", "101", "account_type", "普通", "account_number", "7777777", "pin", "4649"}
	begin := func() (cookie string) {
		t.Helper()
		for _, c := range w.send(preFormed("/reissue", append([]string{"wish", "token"}, card...)...)).Cookies() {
			if c.Name == "__Host-reissue" {
				cookie = c.Value
			}
		}
		does("/reissue/confirm", cookie, "confirm", testkit.Confirm)
		return cookie
	}
	cookie := begin()
	if page := hers(cookie).text; !strings.Contains(page, `value="staff_callback"`) {
		t.Fatal("a call of staff is not offered")
	}
	does("/reissue/phone", cookie, "way", "staff_callback")
	page := hers(cookie)
	said := regexp.MustCompile(`<p class="digits big"><span>(\d{3})</span> <span>(\d{3})</span></p>`).FindStringSubmatch(page.text)
	if said == nil {
		t.Fatalf("her page shows no number:\n%s", page.text)
	}
	kept := 0
	for _, c := range page.Cookies() {
		if c.Name == "__Host-reissue" {
			kept = c.MaxAge
		}
	}
	if kept < int((71*time.Hour)/time.Second) || kept > int((72*time.Hour)/time.Second) {
		t.Errorf("the browser remembers for %d s", kept)
	}
	w.Clock.Move(3 * time.Hour)
	fine(t, clerk.SignIn())

	list := w.deskGet(clerk, "/callbacks")
	at := regexp.MustCompile(`href="(/callbacks/tel_[0-9a-z]+)"`).FindStringSubmatch(list.text)
	if at == nil {
		t.Fatalf("the queue is empty:\n%s", list.text)
	}
	never := func(what string, a answer) {
		t.Helper()
		for _, secret := range []string{said[1] + said[2], said[1] + " " + said[2], "09012347777", "090-1234-7777", name, "7777777"} {
			if strings.Contains(a.text, secret) {
				t.Errorf("%s holds %s", what, secret)
			}
		}
	}
	never("the queue", list)
	one := w.deskGet(clerk, at[1])
	never("the page of the call", one)
	if strings.Contains(one.text, at[1]+"/prove") {
		t.Error("the result can be typed before the number was shown")
	}
	shown := w.deskPost(clerk, at[1]+"/number")
	if shown.StatusCode != http.StatusOK || !strings.Contains(shown.text, "09012347777") || !strings.Contains(shown.text, html.EscapeString(name)) || strings.Contains(shown.text, said[1]+said[2]) {
		t.Errorf("whom to call: %d\n%s", shown.StatusCode, shown.text)
	}
	one = w.deskGet(clerk, at[1])
	never("the page after it", one)
	if !strings.Contains(one.text, at[1]+"/prove") {
		t.Error("the result cannot be typed")
	}
	if r := w.deskPost(clerk, at[1]+"/missed", "missed", "0"); r.StatusCode != http.StatusSeeOther {
		t.Errorf("nobody answered: %d", r.StatusCode)
	}
	if page := hers(cookie).text; !strings.Contains(page, "つながりませんでした") {
		t.Error("her page does not say that she was called")
	}
	for range 3 { // a digit forgotten costs no try
		if slip := w.deskPost(clerk, at[1]+"/prove", "number", (said[1] + said[2])[:5]); slip.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(slip.text, "入力の回数にも数えていません") || !strings.Contains(slip.text, "あと3回") {
			t.Errorf("five digits: %d\n%s", slip.StatusCode, slip.text)
		}
	}
	other := "000000"
	if said[1]+said[2] == other {
		other = "000001"
	}
	wrong := w.deskPost(clerk, at[1]+"/prove", "number", other)
	never("the page of a wrong number", wrong)
	if wrong.StatusCode == http.StatusSeeOther || !strings.Contains(wrong.text, "番号と違います") {
		t.Errorf("a wrong number: %d", wrong.StatusCode)
	}
	full := strings.Map(func(r rune) rune { return r - '0' + '０' }, said[1]) + " " + said[2] // as a Japanese keyboard types it
	done := w.deskPost(clerk, at[1]+"/prove", "number", full)
	if done.StatusCode != http.StatusSeeOther {
		t.Fatalf("the right number: %d\n%s", done.StatusCode, done.text)
	}
	after := w.deskGet(clerk, done.Header.Get("Location"))
	never("the page after the call", after)
	if !strings.Contains(after.text, "電話番号の確認が済みました") || !strings.Contains(after.text, at[1]+"/denied") {
		t.Error("the page after the call does not say what came of it, or takes no denial any more")
	}

	if page := hers(cookie).text; !strings.Contains(page, `action="/reissue/card"`) || strings.Contains(page, said[1]+"</span>") {
		t.Errorf("her page does not ask for the card:\n%s", page)
	}
	does("/reissue/card", cookie, card...)
	if page := hers(cookie).text; !strings.Contains(page, `action="/reissue/confirm"`) {
		t.Error("her page does not ask for the confirmation password")
	}
	does("/reissue/confirm", cookie, "confirm", testkit.Confirm)
	does("/reissue/order", cookie)
	ordered := hers(cookie)
	if !strings.Contains(ordered.text, `class="qr"`) {
		t.Error("there is no key after all three")
	}
	if !slices.ContainsFunc(ordered.Cookies(), func(c *http.Cookie) bool {
		return c.Name == "__Host-reissue" && c.Value == cookie && c.MaxAge == 0 && c.Expires.IsZero()
	}) {
		t.Error("the browser remembers her for longer than it is open")
	}

	// Another one, of which she knows nothing: the fraud desk reads of it, and her page leads the clerk to the stop.
	does("/reissue/phone", begin(), "way", "staff_callback")
	fine(t, clerk.SignIn())
	her := w.looked(clerk, "0101-1-7777777")[0]
	link := regexp.MustCompile(`href="(/callbacks/tel_[0-9a-z]+)"`).FindStringSubmatch(w.deskGet(clerk, her).text)
	if link == nil {
		t.Fatal("her page at the console does not lead to the call")
	}
	if r := w.deskPost(clerk, link[1]+"/number"); r.StatusCode != http.StatusOK {
		t.Fatalf("the number: %d", r.StatusCode)
	}
	if r := w.deskPost(clerk, link[1]+"/denied"); r.StatusCode != http.StatusSeeOther {
		t.Fatalf("denied: %d", r.StatusCode)
	}
	if r := w.deskGet(clerk, link[1]); !strings.Contains(r.text, "お客さまは、申し込んでいません") || !strings.Contains(r.text, her+"?from=") {
		t.Errorf("the page after it:\n%s", r.text)
	}
	fraud := w.SignedIn(staff.Fraud)
	found := regexp.MustCompile(`href="(/fraud/inc_[0-9a-z]+)"`).FindStringSubmatch(w.deskGet(fraud, "/fraud").text)
	if found == nil || !strings.Contains(w.deskGet(fraud, found[1]).text, "「申し込んでいない」と答えました") {
		t.Error("the fraud desk does not read what it is about")
	}
}
