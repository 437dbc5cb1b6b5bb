package bank_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/demo/bank"
)

func TestTransfer(t *testing.T) {
	x := newTill(t, func(c *bank.Config) {
		c.Customers = map[string]bank.Person{hanako: {Name: "山田 花子", Kana: "ヤマダ ハナコ"}}
	})
	b := x.b
	b.get("/home").expect(t, 200, "/home", `href="/transfers/new"`)
	b.get("/transfers").expect(t, 200, "/transfers", "お振込はまだありません")
	b.get("/transfers/new").expect(t, 200, "/transfers/new", "みどり銀行", "0991", `aria-current="step"`)
	b.get("/transfers/new?bank=0991").expect(t, 200, "/transfers/new", "駅前支店", "1,000,000円", "165円", `min="2026-11-22"`, `max="2026-12-22"`)
	from, _, _, number := x.inside.Account(hanako, 0)
	before, _ := x.inside.Balance(from)
	order := x.draft("number", "\uff17\uff16\uff15\uff14-321", "amount", "\uffe5\uff15\uff10,000円")
	page := b.get(order)
	page.expect(t, 200, order, "お振込の内容をお確かめください", "50,000円", "50,165円", "7654321", number, "ヤマダ ハナコ", "2026年11月22日(日)", "まだお振込は行われていません")
	if n := x.api.count(func() int { return len(x.api.created) }); n != 0 {
		t.Fatalf("%d transactions before anybody pressed", n)
	}
	b.send(order+"/ask", nil).expect(t, 200, order, "トークンアプリを開いてください", "7654321", "残り 5分0秒", "アプリに届かない場合", "<svg class=\"qr\"", `http-equiv="refresh" content="5"`, "/static/follow.js")
	// The page of the waiting order says line by line what the app shows, and that is what the confirmation page said.
	rows := regexp.MustCompile(`(?s)<dl class="rows">.*?</dl>`)
	if a, b := rows.FindString(page.body), rows.FindString(b.get(order).body); a == "" || a != b {
		t.Errorf("confirmed was\n%s\nand the app shows\n%s", a, b)
	}
	asked := x.api.asked()
	for field, want := range map[string]string{"payee.account": "7654321", "payee.bank": "みどり銀行", "payee.branch_code": "011", "amount": "50000", "fee": "165", "date": "2026-11-22", "sender.name": "ヤマダ ハナコ"} {
		if asked[field] != want {
			t.Errorf("the customer is asked for %s = %q", field, asked[field])
		}
	}
	if !strings.Contains(page.body, asked["payee.name"]) || asked["from.account"] == "" || !strings.HasSuffix(asked["from.account"], " 普通 "+number) {
		t.Errorf("%v", asked)
	}
	b.get("/home").expect(t, 200, "/home", "お手続きの途中のお振込があります", order)
	x.wait(20 * time.Second)
	b.get(order).expect(t, 200, order, `id="offline" open`, "残り 4分40秒")
	x.api.answer("approved")
	x.until(order, state("done"), "お振込が完了しました", "済", "この振込先を登録する", "evidence.json")
	after, held := x.inside.Balance(from)
	if before-after != 50165 || held != 0 || x.inside.Clearing() != 50000 || x.inside.Fees() != 165 {
		t.Errorf("%d became %d, %d held, clearing %d, fees %d", before, after, held, x.inside.Clearing(), x.inside.Fees())
	}
	x.conserved(1)
	file := b.get(order + "/evidence.json")
	if file.status != 200 || !json.Valid([]byte(file.body)) || !strings.Contains(file.header.Get("Content-Disposition"), "attachment") || file.header.Get("Content-Type") != "application/json" {
		t.Errorf("evidence: %d %v %s", file.status, file.header, file.body)
	}
	b.get("/transfers").expect(t, 200, "/transfers", "完了", "50,000円", order+"/evidence.json")
	b.get("/home").expect(t, 200, "/home", "入出金明細", "−50,000", "−165")
	b.send("/language", url.Values{"to": {"en"}, "back": {order}}).expect(t, 200, order, "The transfer is made", "JPY 50,000")
	b.send("/language", url.Values{"to": {"en"}, "back": {"/transfers/new?bank=0991"}}).expect(t, 200, "/transfers/new", "Midori Bank")
	b.send("/language", url.Values{"to": {"en"}, "back": {order + "/evidence.json"}}).expect(t, 200, "/home")
	again := b.get("/transfers/new?again=" + strings.TrimPrefix(order, "/transfers/"))
	again.expect(t, 200, "/transfers/new", `value="7654321"`, `value="50,000"`)
}

// TestTwoSteps is the other mode: the customer comes back and presses a button.
func TestTwoSteps(t *testing.T) {
	x := newTill(t, func(c *bank.Config) { c.ExecuteAtOnce = false })
	order := x.draft()
	x.b.send(order+"/ask", nil)
	x.b.send(order+"/execute", nil).expect(t, 200, order, "トークンアプリを開いてください")
	x.api.answer("approved")
	x.until(order, "承認済み・未実行", "お振込を実行する", "残り 5分0秒")
	x.conserved(0)
	x.b.send(order+"/execute", nil).expect(t, 200, order, state("done"))
	x.b.send(order+"/execute", nil).expect(t, 200, order, state("done"))
	x.b.send(order+"/cancel", nil).expect(t, 200, order, state("done"))
	x.conserved(1)

	order = x.draft()
	x.b.send(order+"/ask", nil)
	x.api.answer("approved")
	x.until(order, "お振込を実行する")
	x.b.send(order+"/cancel", nil).expect(t, 200, order, state("cancelled"), "取り消しました")
	x.b.send(order+"/execute", nil).expect(t, 200, order, state("cancelled"))
	x.conserved(1)
}

// TestFormsCannotAlter sends more than the pages' forms have, at every step: the order is the one that was shown.
func TestFormsCannotAlter(t *testing.T) {
	x := newTill(t)
	other, _, _, _ := x.inside.Account("C-2002", 0)
	for name, change := range map[string][]string{
		"somebody else's account": {"from", other},
		"no account":              {"from", ""},
		"time deposit":            {"from", func() string { id, _, _, _ := x.inside.Account(hanako, 2); return id }()},
		"branch of another bank":  {"branch", "101"},
		"type":                    {"type", "time"},
		"too short":               {"number", "765432"},
		"not a number":            {"number", "76543x1"},
		"nobody's":                {"number", "7654300"},
		"nothing":                 {"amount", "0"},
		"negative":                {"amount", "-5"},
		"fraction":                {"amount", "1.5"},
		"beyond the limit":        {"amount", "1000001"},
		"beyond everything":       {"amount", "99999999999999999999"},
		"yesterday":               {"date", "2026-11-21"},
		"in 31 days":              {"date", "2026-12-23"},
		"no day":                  {"date", "2026-11-31"},
	} {
		a := x.b.send("/transfers", x.form(change...))
		if a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, `class="wrong"`) {
			t.Errorf("%s: %d %s", name, a.status, a.path)
		}
	}
	own, branch, kind, number := x.inside.Account(hanako, 0)
	x.b.send("/transfers", x.form("from", own, "bank", "0990", "branch", branch, "type", kind, "number", number)).expect(t, 422, "/transfers", "お引落口座と同じ口座です")
	x.b.send("/transfers", x.form("bank", "9999")).expect(t, 200, "/transfers/new", "どちらへお振込みですか")
	x.b.send("/transfers", x.form("payee", "7", "bank", "")).expect(t, 200, "/transfers/new", "どちらへお振込みですか")

	order := x.draft("fee", "0", "name", "アクニン", "payee.name", "アクニン")
	evil := x.form("amount", "900000", "number", "1111111", "payee", "0", "fee", "0", "date", "2026-12-01", "customer", "C-2002")
	x.b.send(order+"/ask", evil)
	for field, want := range map[string]string{"amount": "50000", "payee.account": "7654321", "fee": "165", "date": "2026-11-22"} {
		if got := x.api.asked()[field]; got != want {
			t.Errorf("the customer is asked for %s = %s", field, got)
		}
	}
	x.api.answer("approved")
	x.b.send(order+"/execute", evil)
	x.until(order, state("done"))
	x.conserved(1)
	if x.inside.Clearing() != 50000 || x.inside.Fees() != 165 {
		t.Errorf("%d and %d were posted", x.inside.Clearing(), x.inside.Fees())
	}
}

// TestSomebodyElsesOrder does not exist, whatever is done to it.
func TestSomebodyElsesOrder(t *testing.T) {
	x := newTill(t)
	order := x.draft()
	x.b.send(order+"/ask", nil)
	x.issuer.claims = func(c map[string]any) { c["sub"] = "C-2002" }
	thief := x.browser()
	thief.post("/login").expect(t, 200, "/home")
	for _, path := range []string{order, order + "/state", order + "/evidence.json"} {
		thief.get(path).expect(t, 404, path)
	}
	for _, step := range []string{"ask", "clear", "cancel", "execute", "offline", "payee"} {
		thief.send(order+"/"+step, url.Values{"code": {"12345678"}}).expect(t, 404, order+"/"+step)
	}
	thief.get("/transfers").expect(t, 200, "/transfers", "お振込はまだありません")
	stranger := x.browser()
	stranger.get(order).expect(t, 200, "/")
	stranger.get(order+"/state").expect(t, 401, order+"/state")
	x.b.get(order).expect(t, 200, order, "トークンアプリを開いてください")
}

// TestNotAllowed sees no order made without the phone.
func TestNotAllowed(t *testing.T) {
	x := newTill(t)
	for name, want := range map[string]struct {
		auth   map[string]any
		status int
		words  string
	}{
		"off":     {map[string]any{"required": false, "in_use": true, "stopped": false}, 403, "お振込には取引認証が必要です"},
		"token":   {map[string]any{"required": true, "in_use": false, "stopped": false}, 403, "トークンアプリのご準備"},
		"stopped": {map[string]any{"required": true, "in_use": true, "stopped": true}, 403, "0120-111-222"},
	} {
		x.api.set(func() { x.api.auth = want.auth })
		for _, a := range []answer{x.b.get("/transfers/new"), x.b.get("/transfers/new?bank=0991"), x.b.send("/transfers", x.form())} {
			if a.status != want.status || !strings.Contains(a.body, want.words) || !strings.Contains(a.body, x.issuer.URL+"/security") {
				t.Errorf("%s: %d %s", name, a.status, a.body)
			}
		}
	}
	x.api.set(func() { x.api.refuse["transaction-authentication"] = "not-found" })
	x.b.get("/transfers/new").expect(t, 403, "/transfers/new", "お振込には取引認証が必要です")
	x.api.set(func() { x.api.away = true })
	x.b.get("/transfers/new").expect(t, 503, "/transfers/new", "ただいまお振込を受け付けられません")
	if got := x.inside.Orders(hanako); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

func TestNoTransfersWithoutAPI(t *testing.T) {
	x := newTill(t, func(c *bank.Config) { c.API = "" })
	if strings.Contains(x.b.get("/home").body, "/transfers") {
		t.Error("the home page leads to transfers")
	}
	x.b.get("/transfers").expect(t, 404, "/transfers")
	x.b.get("/transfers/new").expect(t, 404, "/transfers/new")
}

// TestBooked gives a later day: the permit is taken, the money is kept, and the day brings the booking.
func TestBooked(t *testing.T) {
	x := newTill(t)
	order := x.draft("date", "2026-11-24", "amount", "100000")
	x.b.send(order+"/ask", nil)
	x.api.answer("approved")
	x.until(order, state("booked"), "2026年11月24日(火)に", "予約を受け付けました")
	from, _, _, _ := x.inside.Account(hanako, 0)
	if _, held := x.inside.Balance(from); held != 100165 {
		t.Errorf("%d is held", held)
	}
	x.conserved(0)
	x.b.get("/home").expect(t, 200, "/home", "100,165円は、予約中")
	x.wait(48 * time.Hour)
	x.b.post("/login").expect(t, 200, "/home")
	x.b.get(order).expect(t, 200, order, state("done"))
	x.conserved(1)
}

// TestOldConfirmation leaves the confirmation page open for too long.
func TestOldConfirmation(t *testing.T) {
	x := newTill(t)
	order := x.draft()
	for range 8 {
		x.wait(4 * time.Minute)
		x.b.get("/home")
	}
	x.b.send(order+"/ask", nil).expect(t, 200, order, "時間がたちました", "同じ内容でもう一度手続きする")
	if n := x.api.count(func() int { return x.api.calls["transactions"] }); n != 0 {
		t.Error("the customer was asked")
	}
	x.b.send(order+"/cancel", nil).expect(t, 200, "/transfers", "お振込はまだありません")
}

// TestInside sends money to another customer of this bank: no fee, and it arrives.
func TestInside(t *testing.T) {
	x := newTill(t, func(c *bank.Config) {
		c.Customers = map[string]bank.Person{hanako: {Name: "山田 花子"}, "C-2002": {Name: "佐藤 太郎", Kana: "サトウ タロウ"}}
	})
	to, branch, kind, number := x.inside.Account("C-2002", 0)
	before, _ := x.inside.Balance(to)
	order := x.draft("bank", "0990", "branch", branch, "type", kind, "number", number)
	x.b.get(order).expect(t, 200, order, "サトウ タロウ", "印鑑銀行", "0円")
	x.b.send(order+"/ask", nil)
	x.api.answer("approved")
	x.until(order, state("done"))
	if after, _ := x.inside.Balance(to); after-before != 50000 || x.inside.Clearing() != 0 || x.inside.Fees() != 0 {
		t.Errorf("%d arrived", after-before)
	}
	x.conserved(1)
}

// TestStateIsToldAtOnce holds the page's question until there is news.
func TestStateIsToldAtOnce(t *testing.T) {
	x := newTill(t)
	order := x.draft()
	page := x.b.send(order+"/ask", nil)
	seen := regexp.MustCompile(`data-version="(\d+)"`).FindStringSubmatch(page.body)[1]
	told := make(chan string, 1)
	began := time.Now()
	go func() {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, x.scene.bank.URL+order+"/state?seen="+seen, nil)
		resp, err := x.b.client.Do(req)
		if err != nil {
			told <- err.Error()
			return
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		told <- string(b)
	}()
	select {
	case early := <-told:
		t.Fatalf("told %s without news", early)
	case <-time.After(200 * time.Millisecond):
	}
	x.api.answer("rejected")
	var got struct {
		Version int
		State   string
	}
	if err := json.Unmarshal([]byte(<-told), &got); err != nil || got.State != "rejected" || fmt.Sprint(got.Version) == seen || time.Since(began) > 10*time.Second {
		t.Errorf("%+v %v after %v", got, err, time.Since(began))
	}
}

// TestBrowserGone closes the browser before the answer: the transfer is executed all the same.
func TestBrowserGone(t *testing.T) {
	x := newTill(t)
	order := x.draft()
	x.b.send(order+"/ask", nil)
	x.api.answer("approved")
	for end := time.Now().Add(time.Minute); x.inside.State(hanako, strings.TrimPrefix(order, "/transfers/")) != "done"; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nobody executed it")
		}
	}
	x.conserved(1)
}

func TestConfigOfTransfers(t *testing.T) {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	good := bank.Config{URL: "http://bank.localhost", Issuer: "http://login.localhost", ClientID: "bank", ClientKey: key, SecurityCentre: "http://login.localhost/security", API: "http://api.localhost"}
	if _, err := bank.New(good); err != nil {
		t.Error(err)
	}
	noKey, noURL := good, good
	noKey.ClientKey, noKey.ClientSecret = nil, "s"
	noURL.API = "api.localhost"
	for _, c := range []bank.Config{noKey, noURL} {
		if _, err := bank.New(c); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
}
