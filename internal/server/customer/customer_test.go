package customer

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// register takes the key and number that the page and the mail show, and registers a phone with them.
func (h *house) register(link, number string) *testkit.Phone {
	h.T.Helper()
	p := testkit.NewPhone(h.World)
	if err := p.Register(p.Scan(link, number)); err != nil {
		h.T.Fatal(err)
	}
	return p
}

// link finds the registration link on the key page.
func (b *browser) link() string {
	b.h.T.Helper()
	_, rest, ok := strings.Cut(b.body, `href="`+testkit.TokenOrigin+`/r#`)
	if !ok {
		b.h.T.Fatalf("no registration link:\n%s", b.body)
	}
	rest, _, _ = strings.Cut(rest, `"`)
	return testkit.TokenOrigin + "/r#" + rest
}

// TestWalk is the whole way of a customer on a PC, from the first log-in with the bank's passwords to the end of the token.
func TestWalk(t *testing.T) {
	h := open(t)
	id := h.Person(1, true)
	b := h.browser(desktop)

	b.get("/security")
	b.on("/login", "ログイン", "login.bank.example")
	if strings.Contains(b.body, "ログインを終了しました") {
		t.Error("who never logged in is told that she was logged out")
	}
	b.post("/login", "login_id", " "+id+"　", "login_password", testkit.Login)
	b.on("/login/passwords", "お届けした最初のパスワード")

	const login2, confirm2 = "asagao-no-niwa-3", "umi-to-yama-88"
	fill := []string{"confirm", testkit.Confirm, "new_login", login2, "new_login_again", login2, "new_confirm", confirm2, "new_confirm_again", "another"}
	b.post("/login/passwords", fill...)
	b.on("/login/passwords", "確認のための入力が一致しません", `aria-describedby="new_confirm_again-error"`)
	if b.status != http.StatusUnprocessableEntity {
		t.Errorf("a refused password answers %d", b.status)
	}
	if strings.Contains(b.body, login2) {
		t.Error("a password came back to the page")
	}
	fill[len(fill)-1] = confirm2
	b.post("/login/passwords", fill...)
	b.on("/security", "2つのパスワードを変更しました", "未利用", "はじめてのログイン")

	b.get("/token/apply")
	b.on("/token/apply", "bank.example", "h***@mail.example.jp", "申し込む")
	b.post("/token/test")
	b.on("/token/apply", "テストメールをお送りしました")
	b.post("/token/test")
	b.on("/token/apply", "少し前にお送りしました")
	if b.head.Get("Retry-After") == "" {
		t.Error("mail-too-soon names no time to wait")
	}
	b.post("/token/apply", "confirm", "wrong-password")
	b.on("/token/apply", "確認用パスワードが違います", "あと4回")
	b.post("/token/apply", "confirm", confirm2)
	b.on("/token/key", "登録キー", "残り", "<svg class=\"qr\"")
	number := h.MailedNumber()
	if strings.Contains(b.body, number) {
		t.Error("the registration number is on the page")
	}
	first := b.link()
	b.get("/token/key")
	if b.link() != first {
		t.Error("a reload made a new key")
	}
	b.post("/token/key")
	b.on("/token/key", "新しい登録キーを表示しました")
	if b.link() == first {
		t.Error("the key is the old one")
	}
	h.Clock.Move(61 * time.Second)
	b.get("/token/key")
	b.post("/token/mail")
	b.on("/token/key", "もう一度お送りしました")
	b.get("/token/start")
	b.on("/token/key", "まだ登録が届いていません")
	link := b.link()

	var state struct{ State, Mail string }
	ask := func() string {
		b.get("/token/state")
		if err := json.Unmarshal([]byte(b.body), &state); err != nil {
			t.Fatalf("%s: %v", b.body, err)
		}
		return state.State
	}
	if got := ask(); got != "ordered" {
		t.Errorf("before the registration the state is %q", got)
	}
	p := h.register(link, number)
	if got := ask(); got != "registered" {
		t.Errorf("after the registration the state is %q", got)
	}

	b.get("/token/key")
	b.on("/token/start", "iPhone / Safari", "あと3回")
	b.post("/token/start", "code", p.Wrong())
	b.on("/token/start", "一致しません", "あと2回")
	code := p.Code()
	b.post("/token/start", "code", strings.NewReplacer("0", "０", "1", "１", "2", "２", "3", "３", "4", "４").Replace(code[:3])+" "+code[3:])
	b.on("/token/done", "ご利用を開始しました", `class="seal"`)
	b.get("/token/done")
	b.on("/token/done", "ご利用を開始しました")
	b.get("/token/apply")
	b.on("/security", "ご利用中")

	// From now on the code is asked for; the used one costs no try.
	b.get("/logout")
	b.post("/logout")
	b.on("/logout", "ログアウトしました")
	if got := b.head.Get("Content-Security-Policy"); !strings.Contains(got, "default-src 'none'") || strings.Contains(got, "unsafe") {
		t.Errorf("content security policy %q", got)
	}
	b.get("/login?next=/history")
	b.post("/login", "login_id", id, "login_password", login2)
	b.on("/login/code")
	b.get("/security")
	b.on("/login/code")
	b.get("/login/code?next=/history")
	b.post("/login/code", "code", code)
	b.on("/login/code", "使用済み", "回数には数えていません")
	h.Clock.Move(2 * time.Minute)
	b.post("/login/code", "code", p.Wrong())
	b.on("/login/code", "ワンタイムパスワードが違います", "あと4回", "ロックされます")
	b.post("/login/code", "code", p.Code())
	b.on("/history", "ワンタイムパスワードでログイン", "不成立", "Windows / Chrome", "トークンアプリに登録（iPhone / Safari）")

	// Passwords and stop need a code of their own.
	h.Clock.Move(2 * time.Minute)
	b.get("/password?which=confirm")
	b.post("/password", "which", "confirm", "old", "wrong-wrong-wrong", "new_confirm", "kawa-no-nagare-5", "new_confirm_again", "kawa-no-nagare-5", "code", p.Code())
	b.on("/password", "確認用パスワードが違います", `aria-describedby="old-error`)
	b.post("/password", "which", "confirm", "old", confirm2, "new_confirm", "kawa-no-nagare-5", "new_confirm_again", "kawa-no-nagare-5", "code", p.Code())
	b.on("/security", "確認用パスワードを変更しました")
	h.Clock.Move(2 * time.Minute)
	b.get("/token/stop")
	b.on("/token/stop", "30分")
	b.post("/token/stop", "confirm", "kawa-no-nagare-5")
	b.approve(p)
	b.on("/security", "利用を中止しました", "未利用", "からお申し込みいただけます")
	b.get("/token/apply")
	b.on("/token/apply", "からお申し込みいただけます")
}

// TestSetTheClock: after a wrong code the way to set the clock is in sight; two codes in a row, typed as people type them, lead back to where the next one logs in.
func TestSetTheClock(t *testing.T) {
	h := open(t)
	id := h.Person(1, false)
	p := h.LogIn(id, authority.PC).Enrol()
	h.Clock.Move(time.Hour)
	p.Offset = 6 * time.Minute
	b := h.browser(desktop)
	b.get("/login?next=/history")
	b.post("/login", "login_id", id, "login_password", testkit.Login)
	b.on("/login/code")
	if strings.Contains(b.body, "<details open>") {
		t.Error("the help is open before anything was wrong")
	}
	b.post("/login/code", "code", p.Wrong())
	b.on("/login/code", "ワンタイムパスワードが違います", "あと4回", "<details open>", `href="/login/resync?next=%2Fhistory"`)
	b.get("/login/resync?next=/history")
	b.on("/login/resync", "いま表示されている6桁の数字", "まだログインはしていません", `href="/login/code?next=%2Fhistory"`)
	b.post("/login/resync", "first", p.Wrong(), "second", p.Wrong())
	b.on("/login/resync", "続けて表示された2つの数字と一致しません", "あと3回", "ロックされます", `id="first-error"`)
	first := p.Code()
	h.Clock.Move(time.Minute)
	wide := strings.Map(func(r rune) rune { return r - '0' + '０' }, first)
	b.post("/login/resync", "first", wide, "second", " "+p.Code()[:3]+"-"+p.Code()[3:])
	b.on("/login/code", "トークンの時計を合わせました", "数字がもう一度変わるのを待ち")
	b.post("/login/code", "code", p.Code())
	b.on("/login/code", "使用済み")
	h.Clock.Move(time.Minute)
	b.post("/login/code", "code", p.Code())
	b.on("/history", "トークンの時計のずれを修正", "トークンの時計合わせ", "ワンタイムパスワードでログイン")
	b.get("/login/resync")
	b.on("/security")
}

// TestSmartphone: without a token a smartphone is led to the application, and nothing else is open (M-03); the bank's request waits until the end.
func TestSmartphone(t *testing.T) {
	h := open(t)
	id := h.Person(1, false)
	b := h.browser(iphone)
	to := "/oidc/authorize/req_1"
	b.get("/login?next=" + url.QueryEscape(to) + "&ui_locales=ja")
	b.on("/login", "スマートフォンでは")
	if !strings.Contains(b.body, `href="/oidc/authorize/req_1?cancel=1"`) {
		t.Error("there is no way back to the bank")
	}
	b.post("/login", "login_id", id, "login_password", testkit.Login)
	b.on("/token/apply", "スマートフォンでのお取引には")
	for _, page := range []string{"/security", "/history", "/password", "/token/stop", "/token/done"} {
		b.get(page)
		b.on("/token/apply")
	}
	b.get("/token/apply?next=" + url.QueryEscape(to))
	b.post("/token/apply", "confirm", testkit.Confirm)
	b.on("/token/key", "この端末のトークンアプリで登録する")
	p := h.register(b.link(), h.MailedNumber())
	b.get("/token/key?next=" + url.QueryEscape(to))
	b.post("/token/start", "code", p.Code())
	b.on("/token/done", `href="/oidc/authorize/req_1"`)
	b.get("/login?next=" + url.QueryEscape(to))
	b.on(to, "the bank waits")
	b.get("/login?again=1&next=" + url.QueryEscape(to))
	b.on("/login", "ログイン") // a client may ask for fresh proof
}

// TestBounce: a mail that comes back is said, and the corrected address gets the number at once (M-11).
func TestBounce(t *testing.T) {
	h := open(t)
	id := h.Person(1, false)
	h.Post.Bounce("hanako1@mail.example.jp")
	b := h.browser(desktop)
	b.login(id)
	b.get("/token/apply")
	b.post("/token/apply", "confirm", testkit.Confirm)
	if _, err := h.DeliverDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.get("/token/key")
	b.on("/token/key", "メールが届かずに戻ってきました")
	b.get("/token/address")
	b.post("/token/address", "mail", "not an address", "confirm", testkit.Confirm)
	b.on("/token/address", "お送りできません", `value="not an address"`)
	b.post("/token/address", "mail", "new@mail.example.jp", "confirm", testkit.Confirm)
	b.on("/token/key", "新しいアドレスに登録番号をお送りしました", "n***@mail.example.jp")
	b.get("/token/cancel")
	b.post("/token/cancel")
	b.on("/security", "お申込みを取り消しました")
	b.get("/token/key")
	b.on("/token/apply", "お手続き中のお申込みがありません")
}

// TestSessions: a customer sees her log-ins and ends them; somebody else's cannot be ended.
func TestSessions(t *testing.T) {
	h := open(t)
	id, other := h.Person(1, false), h.Person(2, false)
	pc, second, stranger := h.browser(desktop), h.browser(desktop), h.browser(desktop)
	pc.login(id)
	second.login(id)
	stranger.login(other)
	sessions, err := h.Sessions(t.Context(), h.LogIn(other, authority.PC).Session)
	if err != nil {
		t.Fatal(err)
	}
	pc.get("/security")
	var mine string
	for _, part := range strings.Split(pc.body, `name="session" value="`)[1:] {
		mine, _, _ = strings.Cut(part, `"`)
	}
	pc.post("/security/session", "session", sessions[0].ID)
	pc.on("/security", "見つかりません")
	stranger.get("/security")
	stranger.on("/security")
	pc.post("/security/session", "session", mine)
	pc.on("/security", "ログインを終了しました")
	second.get("/security")
	second.on("/login", "安全のため、ログインを終了しました")
	if second.status != http.StatusUnauthorized || second.at.Query().Get("next") != "" {
		t.Errorf("a session that is over: %d %s", second.status, second.at)
	}
	h.Clock.Move(6 * time.Minute)
	pc.get("/history?before=ent_z")
	pc.on("/login", "安全のため")
	if got := pc.at.Query().Get("next"); got != "/history?before=ent_z" {
		t.Errorf("next is %q", got)
	}
}

// TestLoginRefusals: a wrong name and a wrong password read the same, what was typed stays, and a locked token is said before anything is typed.
func TestLoginRefusals(t *testing.T) {
	h := open(t)
	id := h.Person(1, false)
	b := h.browser(desktop)
	strip := func(who string) string {
		b.get("/login")
		b.post("/login", "login_id", who, "login_password", "not-the-password")
		b.on("/login", "確認できませんでした", `value="`+who+`"`)
		return strings.ReplaceAll(b.body, who, "?")
	}
	if strip(id) != strip("nobody99") {
		t.Error("the page tells a known name from an unknown one")
	}
	b.get("/login")
	if strings.Contains(b.body, "確認できませんでした") {
		t.Error("a reload shows the refusal again")
	}

	inside := h.LogIn(id, authority.PC)
	p := inside.Enrol()
	h.Clock.Move(2 * time.Minute)
	b.login(id)
	b.on("/login/code")
	for range 4 {
		b.post("/login/code", "code", p.Wrong())
	}
	b.post("/login/code", "code", p.Wrong())
	b.on("/login/code", "一時的に受付を止めています", "2026年11月22日")
	h.Clock.Move(16 * time.Minute)
	b.login(id)
	for range 5 {
		b.post("/login/code", "code", p.Wrong())
	}
	b.on("/login/code", "トークンをロックしました")
	if strings.Contains(b.body, `name="code"`) {
		t.Error("a locked token is still asked for its code")
	}
}

// TestOpenRedirect: nothing leads from the log-in to another site.
func TestOpenRedirect(t *testing.T) {
	h := open(t)
	id := h.Person(1, false)
	for _, bad := range []string{"https://evil.example/", "//evil.example/", "/\\evil.example", "\\\\evil.example", "/%5cevil.example", "javascript:alert(1)", "/login", "/oidc/authorize/../../evil",
		"/oidc/authorize/%2e%2e/x", "/oidc/token", "/security/../x", "/oidc/authorizeX", " /security", "/security\n", "/\t/evil.example", "https:evil.example", "/gallery", "/logout", "/security%2f..", "/oidc//evil", strings.Repeat("/security", 400)} {
		if got := safe(bad); got != "" {
			t.Errorf("safe(%q) = %q", bad, got)
		}
		b := h.browser(desktop)
		b.get("/login?next=" + url.QueryEscape(bad))
		b.post("/login", "login_id", id, "login_password", testkit.Login)
		b.on("/security")
	}
	for _, good := range []string{"/security", "/history?before=ent_1", "/oidc/authorize/abc", "/authorize/abc?x=1", "/authorize?client_id=bank", "/token/start", "/oidc/logout/x", transactionsPage} {
		if got := safe(good); got != good {
			t.Errorf("safe(%q) = %q", good, got)
		}
	}
	b := h.browser(desktop)
	b.get("/login")
	for _, back := range []string{"//evil.example", "https://evil.example", "/\\evil.example"} {
		b.send(http.MethodPost, "/language", url.Values{"to": {"en"}, "back": {back}}, nil)
		if b.at.Host != strings.TrimPrefix(h.site.URL, "https://") {
			t.Errorf("the language led to %s", b.at)
		}
	}
}

// routes are the forms of these pages and the addresses that show something.
var formRoutes = []string{"/login", "/login/code", "/login/resync", "/login/passwords", "/logout", "/token/apply", "/token/test", "/token/address", "/token/key", "/token/mail", "/token/cancel", "/token/start",
	"/token/stop", "/security/session", transactionsPage, "/password"}

var pageRoutes = []string{"/login", "/login/code", "/login/resync", "/login/passwords", "/logout", "/token/apply", "/token/address", "/token/key", "/token/cancel", "/token/start", "/token/stop", "/token/done",
	"/security", transactionsPage, "/password", "/history", "/token/state"}

// TestEveryRoute: wrong method, no session, no form value, a form from elsewhere, and a body that is too large are refused, and every answer carries the headers.
func TestEveryRoute(t *testing.T) {
	h := open(t)
	id := h.Person(1, false)
	for _, path := range append(append([]string{}, formRoutes...), pageRoutes...) {
		b := h.browser(desktop)
		b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPatch} {
			b.send(method, path, nil, map[string]string{"Sec-Fetch-Site": "same-origin"})
			if b.status != http.StatusMethodNotAllowed {
				t.Errorf("%s %s answers %d", method, path, b.status)
			}
		}
	}
	for _, path := range formRoutes {
		// Without a session: to the log-in, nothing else.
		b := h.browser(desktop)
		b.send(http.MethodPost, path, url.Values{"code": {"123456"}}, nil)
		if ok := b.at.Path == "/login" || path == "/logout"; !ok {
			t.Errorf("POST %s without a session ends on %s (%d)", path, b.at.Path, b.status)
		}
		// From another site.
		for _, head := range []map[string]string{{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "", "Origin": "https://evil.example"}} {
			b.send(http.MethodPost, path, url.Values{}, head)
			if b.status != http.StatusForbidden {
				t.Errorf("POST %s with %v answers %d", path, head, b.status)
			}
			if said := h.server.Text.Sentence("ja", "forbidden.what"); !strings.Contains(b.body, said) || !strings.HasPrefix(b.head.Get("Content-Type"), "text/html") {
				t.Errorf("POST %s with %v is answered without the page that says why:\n%s", path, head, b.body)
			}
		}
		// With a session, without its form value or with another one.
		b.login(id)
		b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		for _, value := range []string{"", "AAAAAAAAAAAAAAAAAAAAAA"} {
			b.send(http.MethodPost, path, url.Values{"form": {value}}, nil)
			redirected := b.status == http.StatusSeeOther && (path == "/login/code" || path == "/login/resync" || path == "/login/passwords")
			if b.status != http.StatusForbidden && !redirected {
				t.Errorf("POST %s with form value %q answers %d", path, value, b.status)
			}
		}
		// Too large.
		b.send(http.MethodPost, path, url.Values{"x": {strings.Repeat("x", 70<<10)}}, nil)
		if b.status != http.StatusRequestEntityTooLarge {
			t.Errorf("POST %s with a large body answers %d", path, b.status)
		}
		// Malformed.
		b.send(http.MethodPost, path+"?%zz", url.Values{}, nil)
		if b.status >= http.StatusInternalServerError {
			t.Errorf("POST %s with a broken query answers %d", path, b.status)
		}
	}
	for _, path := range pageRoutes {
		b := h.browser(desktop)
		b.get(path)
		if want := map[string]string{"/logout": "/logout", "/token/state": "/token/state"}[path]; b.at.Path != "/login" && b.at.Path != want {
			t.Errorf("GET %s without a session ends on %s", path, b.at.Path)
		}
		b.login(id)
		b.get(path)
		if b.status >= http.StatusInternalServerError {
			t.Errorf("GET %s answers %d", path, b.status)
		}
		for name, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin"} {
			if got := b.head.Get(name); got != want {
				t.Errorf("GET %s: %s is %q", path, name, got)
			}
		}
		for _, bad := range []string{" style=", "<style", " onclick=", "javascript:", "<script>"} {
			if strings.Contains(b.body, bad) {
				t.Errorf("GET %s holds %q", path, bad)
			}
		}
	}
	b := h.browser(desktop)
	b.get("/no-such-page")
	if b.status != http.StatusNotFound || !strings.Contains(b.body, "見つかりません") {
		t.Errorf("an unknown page answers %d", b.status)
	}
	b.get("/gallery")
	if b.status != http.StatusNotFound {
		t.Error("the gallery is open")
	}
}

// TestCookies: every cookie of these pages has the prefix and the attributes of R-072, and the message between pages is sealed.
func TestCookies(t *testing.T) {
	h := open(t)
	id := h.Person(1, false)
	b := h.browser(desktop)
	b.get("/login")
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	form := url.Values{"form": {b.token()}, "login_id": {id}, "login_password": {"wrong-wrong"}}
	b.send(http.MethodPost, "/login", form, nil)
	refused := b.head.Values("Set-Cookie")
	form.Set("login_password", testkit.Login)
	b.send(http.MethodPost, "/login", form, nil)
	all := append(refused, b.head.Values("Set-Cookie")...)
	if len(all) < 3 {
		t.Fatalf("cookies: %q", all)
	}
	for _, c := range all {
		for _, want := range []string{"__Host-", "; Secure", "; HttpOnly", "; Path=/", "SameSite="} {
			if !strings.Contains(c, want) {
				t.Errorf("cookie %q lacks %q", c, want)
			}
		}
		if strings.Contains(c, "Domain") || strings.Contains(c, id) {
			t.Errorf("cookie %q", c)
		}
	}
}

// TestLanguage: the choice is remembered, the page comes back, and the attribute says so.
func TestLanguage(t *testing.T) {
	h := open(t)
	b := h.browser(desktop)
	b.get("/login?next=/history")
	b.send(http.MethodPost, "/language", url.Values{"to": {"en"}, "back": {"/login?next=/history"}}, nil)
	b.on("/login", `<html lang="en">`, "Log in")
	if b.at.Query().Get("next") != "/history" {
		t.Errorf("the way was lost: %s", b.at)
	}
	b.get("/login?lang=ja")
	b.on("/login", `<html lang="ja">`)
	b.get("/login")
	b.on("/login", `<html lang="ja">`)
}

// TestGallery: every page can be shown with made-up data in both languages, without a gap in its words.
func TestGallery(t *testing.T) {
	h := open(t)
	h.server.Gallery = true
	b := h.browser(desktop)
	for _, lang := range []string{"ja", "en"} {
		for _, name := range GalleryPages {
			b.get("/gallery/" + name + "?lang=" + lang)
			if b.status != http.StatusOK {
				t.Errorf("%s in %s answers %d", name, lang, b.status)
			}
			if n := strings.Count(b.body, "<h1>"); n != 1 {
				t.Errorf("%s has %d headings of the first order", name, n)
			}
			for _, key := range h.server.Text.Keys(lang, "customer") {
				if strings.Contains(b.body, ">"+key+"<") {
					t.Errorf("%s in %s shows the name of a text: %s", name, lang, key)
				}
			}
			if strings.ContainsAny(strings.ReplaceAll(b.body, "{state}", ""), "{}") {
				t.Errorf("%s in %s has an open place", name, lang)
			}
		}
	}
}

// TestFlashIsOurs: a message that we did not seal is not shown.
func TestFlashIsOurs(t *testing.T) {
	h := open(t)
	b := h.browser(desktop)
	b.send(http.MethodGet, "/login", nil, map[string]string{"Cookie": flashCookie + "=eyJzYWlkIjoicGFzc3dvcmRzIn0"})
	if strings.Contains(b.body, "変更しました") {
		t.Error("a foreign message is shown")
	}
	if p := (flash{Kind: problem.OTPUsed, Values: map[string]any{"wait": 3.0}}).problem(); p.Kind != problem.OTPUsed {
		t.Errorf("problem() = %v", p)
	}
}
