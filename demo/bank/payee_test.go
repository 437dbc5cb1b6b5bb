package bank_test

import (
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/demo/bank"
)

// account is a payee at another bank, as the form sends it.
func account(change ...string) url.Values {
	f := url.Values{"bank": {"0991"}, "branch": {"011"}, "type": {"ordinary"}, "number": {"7654321"}}
	for i := 0; i < len(change); i += 2 {
		f.Set(change[i], change[i+1])
	}
	return f
}

// registration fills in the form and arrives at the confirmation page.
func (x *till) registration(change ...string) string {
	x.t.Helper()
	a := x.b.send("/payees", account(change...))
	if !strings.HasPrefix(a.path, "/payees/P") {
		x.t.Fatalf("no confirmation: %d %s\n%s", a.status, a.path, a.body)
	}
	return a.path
}

// raise asks for a higher limit and arrives at the confirmation page.
func (x *till) raise(after string) string {
	x.t.Helper()
	a := x.b.send("/limits", url.Values{"after": {after}})
	if !strings.HasPrefix(a.path, "/limits/L") {
		x.t.Fatalf("no confirmation: %d %s\n%s", a.status, a.path, a.body)
	}
	return a.path
}

// registered registers a payee with approval and gives its name in addresses.
func (x *till) registered(change ...string) string {
	x.t.Helper()
	order := x.registration(change...)
	x.b.send(order+"/ask", nil)
	x.api.answer("approved")
	x.until(order, state("done"))
	return strings.TrimPrefix(order, "/payees/")
}

// untouched says that nobody's approval has changed anything.
func (x *till) untouched() {
	x.t.Helper()
	if n := x.inside.Payees(hanako); len(n) != 0 {
		x.t.Errorf("registered are %v", n)
	}
	if n := x.inside.Limit(hanako); n != 1_000_000 {
		x.t.Errorf("the limit is %d", n)
	}
}

// deeds are the two that are no transfers, each brought to its confirmation page.
var deeds = map[string]func(x *till) string{
	"payee": func(x *till) string { return x.registration() },
	"limit": func(x *till) string { return x.raise("3000000") },
}

func TestPayee(t *testing.T) {
	// How she has logged in makes no difference: this also holds for a passkey.
	x := newTill(t, func(c *bank.Config) { c.ExecuteAtOnce = false })
	x.issuer.claims = func(c map[string]any) { c["acr"], c["amr"] = "urn:inkan:acr:passkey", []string{"hwk", "user"} }
	b := x.b
	b.post("/login").expect(t, 200, "/home", "生体認証で確認しました", `href="/payees"`)
	b.get("/payees").expect(t, 200, "/payees", "登録した振込先はまだありません", `href="/payees/new"`)
	b.get("/payees/new").expect(t, 200, "/payees/new", "みどり銀行", "/payees/new?bank=0991", `aria-current="step"`)
	b.get("/payees/new?bank=0991").expect(t, 200, "/payees/new", "駅前支店", `name="number"`)
	order := x.registration("number", "７６５４-321")
	page := b.get(order)
	page.expect(t, 200, order, "みどり銀行", "駅前支店", "7654321", "受取人名", "ログインの方法にかかわらず、トークンアプリで承認いただきます")
	x.untouched()
	b.send(order+"/ask", nil).expect(t, 200, order, "トークンアプリを開いてください", "照合番号", "7654321", "残り 5分0秒", "/static/follow.js", `<svg class="qr"`)
	asked := x.api.asked()
	for field, want := range map[string]string{"payee.bank": "みどり銀行", "payee.bank_code": "0991", "payee.branch": "駅前支店", "payee.branch_code": "011", "payee.type": "ordinary", "payee.account": "7654321"} {
		if asked[field] != want {
			t.Errorf("the customer is asked for %s = %q", field, asked[field])
		}
	}
	if asked["payee.name"] == "" || !strings.Contains(page.body, asked["payee.name"]) || x.api.template() != "payee" {
		t.Errorf("she is asked %v", asked)
	}
	b.get("/home").expect(t, 200, "/home", "お手続きの途中の振込先の登録があります", order)
	b.get("/payees").expect(t, 200, "/payees", "お手続きの途中の振込先の登録があります", order)
	b.get("/transfers").expect(t, 200, "/transfers", "お振込はまだありません")
	x.untouched()
	x.api.answer("approved")
	x.until(order, state("done"), "振込先を登録しました", "evidence.json", "済")
	id := strings.TrimPrefix(order, "/payees/")
	b.get("/payees").expect(t, 200, "/payees", asked["payee.name"], "7654321", "2026年11月22日に登録", order+"/remove")
	b.send("/payees", account()).expect(t, 422, "/payees", "すでに登録されています", `value="7654321"`)

	// It is chosen for a transfer, which is approved like any other.
	b.get("/transfers/new").expect(t, 200, "/transfers/new", "登録した振込先", "/transfers/new?payee="+id)
	b.get("/transfers/new?payee="+id).expect(t, 200, "/transfers/new", asked["payee.name"], `name="payee" value="`+id+`"`)
	from, _, _, _ := x.inside.Account(hanako, 0)
	chosen := url.Values{"from": {from}, "payee": {id}, "amount": {"1000"}, "date": {"2026-11-22"}, "number": {"1111111"}, "bank": {"0992"}}
	transfer := b.send("/transfers", chosen)
	transfer.expect(t, 200, transfer.path, asked["payee.name"], "7654321", "1,000円")
	x.conserved(0)

	// Removed it is gone at once, also from a form that was open, and the order that registered it does not bring it back.
	b.send("/payees/"+id+"/remove", nil).expect(t, 200, "/payees", asked["payee.name"]+" 様の登録を解除しました", "登録した振込先はまだありません")
	b.send("/payees/"+id+"/remove", nil).expect(t, 200, "/payees", "登録した振込先はまだありません")
	b.send(order+"/execute", nil).expect(t, 200, order, state("done"))
	b.get("/transfers/new?payee="+id).expect(t, 200, "/transfers/new", "どちらへお振込みですか")
	chosen.Del("bank")
	b.send("/transfers", chosen).expect(t, 200, "/transfers/new", "どちらへお振込みですか")
	x.untouched()
	b.send("/language", url.Values{"to": {"en"}, "back": {order}}).expect(t, 200, order, "The payee is registered", "Registered payees")
	b.send("/language", url.Values{"to": {"en"}, "back": {"/limits"}}).expect(t, 200, "/limits", "Daily transfer limit", "JPY 1,000,000")
}

// TestPayeeOfATransfer offers the payee of a finished transfer for registration. That the transfer was approved is no approval of this.
func TestPayeeOfATransfer(t *testing.T) {
	x := newTill(t)
	transfer := x.draft()
	x.b.send(transfer+"/payee", nil).expect(t, 200, transfer, `data-testid="confirm"`)
	x.b.send(transfer+"/ask", nil)
	x.api.answer("approved")
	x.until(transfer, state("done"), "この振込先を登録する")
	x.api.set(func() { x.api.auth["in_use"] = false })
	x.b.send(transfer+"/payee", nil).expect(t, 403, transfer+"/payee", "トークンアプリのご準備", "振込先は登録されていません")
	x.api.set(func() { x.api.auth["in_use"] = true })
	a := x.b.send(transfer+"/payee", nil)
	a.expect(t, 200, a.path, "登録する振込先をお確かめください", "7654321")
	x.untouched()
	x.b.send(a.path+"/ask", nil)
	x.api.answer("approved")
	x.until(a.path, state("done"))
	if strings.Contains(x.b.get(transfer).body, "この振込先を登録する") {
		t.Error("what is registered is offered for registration")
	}
	x.b.send(transfer+"/payee", nil).expect(t, 200, transfer, state("done"))
	x.conserved(1)
}

func TestPayeeForm(t *testing.T) {
	x := newTill(t)
	for name, change := range map[string][]string{
		"branch of another bank": {"branch", "101"},
		"type":                   {"type", "time"},
		"too short":              {"number", "765432"},
		"not a number":           {"number", "76543x1"},
		"nobody's":               {"number", "7654300"},
	} {
		a := x.b.send("/payees", account(change...))
		if a.status != 422 || !strings.Contains(a.body, `class="wrong"`) || !strings.Contains(a.body, "振込先はまだ登録されていません") {
			t.Errorf("%s: %d %s\n%s", name, a.status, a.path, a.body)
		}
	}
	x.b.send("/payees", account("bank", "9999")).expect(t, 200, "/payees/new", "どちらの振込先を登録しますか")
	// The name is the inquiry's, whatever the form says.
	order := x.registration("name", "アクニン", "payee.name", "アクニン")
	x.b.send(order+"/ask", account("number", "1111111"))
	if asked := x.api.asked(); asked["payee.name"] == "アクニン" || asked["payee.account"] != "7654321" {
		t.Errorf("she is asked %v", asked)
	}
	x.b.send(order+"/cancel", nil)
	for i := range 50 {
		x.inside.Register(hanako, string(rune('A'+i/26))+string(rune('A'+i%26)), "12345"+string(rune('0'+i/10))+string(rune('0'+i%10)))
	}
	x.b.send("/payees", account()).expect(t, 422, "/payees", "50件まで")
}

func TestLimit(t *testing.T) {
	x := newTill(t, func(c *bank.Config) { c.ExecuteAtOnce = false })
	b := x.b
	b.get("/home").expect(t, 200, "/home", "1日あたりの振込限度額", "1,000,000円", `href="/limits"`)
	b.get("/limits").expect(t, 200, "/limits", "いまの限度額", "1,000,000円", "5,000,000円", "トークンアプリで承認")
	for typed, words := range map[string]string{"": "1円以上", "x": "1円以上", "-1": "1円以上", "0": "1円以上", "5000001": "5,000,000円以下", "99999999999999999999": "1円以上"} {
		b.send("/limits", url.Values{"after": {typed}}).expect(t, 422, "/limits", words, `aria-invalid="true"`, "限度額は変わっていません")
	}
	b.send("/limits", url.Values{"after": {"1,000,000"}}).expect(t, 200, "/limits", "限度額は1,000,000円です")
	x.untouched()

	// Down at once, and the executor holds every transfer to it, also one that was ordered before.
	transfer := x.draft("amount", "90000")
	b.send("/limits", url.Values{"after": {"８０，０００円"}}).expect(t, 200, "/limits", "限度額を80,000円に引き下げました", "80,000円")
	if n := x.api.count(func() int { return x.api.calls["transactions"] }); n != 0 || x.inside.Limit(hanako) != 80_000 {
		t.Errorf("%d questions, the limit is %d", n, x.inside.Limit(hanako))
	}
	b.send("/limits", url.Values{"after": {"80000"}}).expect(t, 200, "/limits", "限度額は80,000円です")
	b.send(transfer+"/ask", nil).expect(t, 200, transfer, "1日あたりの振込限度額を超える")
	b.send("/transfers", x.form("amount", "80001")).expect(t, 422, "/transfers", "1日あたりの振込限度額を超えます", `href="/limits"`)

	// Up with approval only.
	order := x.raise("1500000")
	b.get(order).expect(t, 200, order, "1日あたりの振込限度額", "80,000円", "1,500,000円", "トークンアプリで承認いただきます")
	b.send(order+"/ask", nil).expect(t, 200, order, "トークンアプリを開いてください", "照合番号")
	asked := x.api.asked()
	if len(asked) != 3 || asked["limit.what"] != "transfer_day" || asked["limit.before"] != "80000" || asked["limit.after"] != "1500000" || x.api.template() != "limit" {
		t.Errorf("she is asked %v", asked)
	}
	b.get("/limits").expect(t, 200, "/limits", "お手続きの途中の限度額の変更があります", order)
	if x.inside.Limit(hanako) != 80_000 {
		t.Error("raised before the approval")
	}
	x.api.answer("approved")
	x.until(order, state("done"), "限度額を引き上げました")
	b.get("/home").expect(t, 200, "/home", "1,500,000円")
	if x.inside.Limit(hanako) != 1_500_000 {
		t.Errorf("the limit is %d", x.inside.Limit(hanako))
	}
	// Another customer's is what it was.
	if x.inside.Limit("C-2002") != 1_000_000 {
		t.Errorf("somebody else's limit is %d", x.inside.Limit("C-2002"))
	}
	rich := x.richest(1_700_000)
	id := x.inside.Order(rich, 1, "0991", 1_200_000)
	x.inside.Raise(rich, 1_500_000)
	if err := x.inside.Ask(t.Context(), rich, id, func(tx string) { x.api.decide(tx, "approved") }); err != nil {
		t.Fatal(err)
	}
	x.inside.Lower(rich, 1_100_000) // after the approval, before the execution
	if _ = x.inside.Execute(t.Context(), rich, id); x.inside.State(rich, id) != "failed" {
		t.Errorf("beyond the lowered limit: %s", x.inside.State(rich, id))
	}
	x.conserved(0)
}

// TestLoweredMeanwhile lowers the limit while a raise waits and when it is approved: what was shown as the limit before is not any more, so nothing is raised.
func TestLoweredMeanwhile(t *testing.T) {
	x := newTill(t)
	order := x.raise("3000000")
	x.b.send(order+"/ask", nil)
	x.b.send("/limits", url.Values{"after": {"500000"}}).expect(t, 200, "/limits", "500,000円")
	x.api.answer("approved")
	x.until(order, state("failed"), "お手続きの間に限度額が変わりました")
	if n := x.inside.Limit(hanako); n != 500_000 {
		t.Errorf("the limit is %d", n)
	}
	old := x.raise("3000000")
	x.b.send("/limits", url.Values{"after": {"400000"}})
	x.b.send(old+"/ask", nil).expect(t, 200, old, "お手続きの間に限度額が変わりました", "/limits?again=")
	x.b.get("/limits?again="+strings.TrimPrefix(old, "/limits/")).expect(t, 200, "/limits", `value="3,000,000"`, "400,000円")
	if n := x.api.count(func() int { return len(x.api.created) }); n != 1 {
		t.Errorf("%d questions", n)
	}
}

// TestNoApprovalNoChange ends both in every way but approval.
func TestNoApprovalNoChange(t *testing.T) {
	for name, begin := range deeds {
		for end, words := range map[string][]string{
			"rejected":  {"アプリで「承認しない」が選ばれました", "自分で操作していない場合"},
			"reported":  {"停止しました", "0120-111-222", "セキュリティセンターへ"},
			"expired":   {"承認の時間が過ぎました", "同じ内容でもう一度手続きする"},
			"cancelled": {"取り消しました"},
		} {
			t.Run(name+" "+end, func(t *testing.T) {
				t.Parallel()
				x := newTill(t)
				order := begin(x)
				x.b.send(order+"/execute", nil).expect(t, 200, order, `data-testid="confirm"`)
				x.b.send(order+"/ask", nil)
				x.b.send(order+"/execute", nil).expect(t, 200, order, "トークンアプリを開いてください")
				switch end {
				case "expired":
					x.b.get("/home")
					x.wait(4 * time.Minute)
					x.b.get(order)
					x.wait(time.Minute)
				case "cancelled":
					x.b.send(order+"/cancel", nil)
				default:
					x.api.answer(end)
				}
				nothing := map[string]string{"payee": "振込先は登録されていません", "limit": "限度額は変わっていません"}[name]
				x.until(order, append(words, state(end), nothing)...)
				x.b.send(order+"/execute", nil).expect(t, 200, order, state(end))
				x.b.send(order+"/ask", nil).expect(t, 200, order, state(end))
				x.b.lang = "en"
				x.b.get(order).expect(t, 200, order, state(end))
				x.untouched()
				x.conserved(0)
			})
		}
	}
}

// TestDeedAltered changes inside the bank what the customer has approved: the server gives no permit, and nothing is done.
func TestDeedAltered(t *testing.T) {
	for name, begin := range deeds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newTill(t)
			x.api.set(func() { x.api.refuse["consume"] = "service-stopped" }) // until it has been altered
			order := begin(x)
			x.b.send(order+"/ask", nil)
			x.api.answer("approved")
			x.until(order, "承認は残っています", `data-testid="execute"`)
			x.inside.Alter(hanako, order[strings.LastIndexByte(order, '/')+1:], "4000000")
			x.api.set(func() { delete(x.api.refuse, "consume") })
			x.b.send(order+"/execute", nil).expect(t, 200, order, state("mismatch"), "違っていました", "0120-111-222")
			x.b.send(order+"/execute", nil).expect(t, 200, order, state("mismatch"))
			if n := x.api.count(func() int { return x.api.alarms }); n != 1 {
				t.Errorf("%d alarms", n)
			}
			x.untouched()
		})
	}
}

// TestApprovalUsedBySomebodyElse has another request take the permit first: the bank does nothing with it.
func TestApprovalUsedBySomebodyElse(t *testing.T) {
	for name, begin := range deeds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newTill(t)
			order := begin(x)
			x.b.send(order+"/ask", nil)
			x.api.steal()
			x.until(order, state("mismatch"))
			x.untouched()
		})
	}
}

// TestApprovedOnce presses and repeats while answers get lost: one question, one permit, one change.
func TestApprovedOnce(t *testing.T) {
	for name, begin := range deeds {
		for act, how := range map[string]lost{"transactions": answerLost, "consume": answerLost} {
			t.Run(name+" "+act, func(t *testing.T) {
				t.Parallel()
				x := newTill(t)
				gone := true
				x.api.set(func() {
					x.api.lose = func(a string, _ int) lost {
						if a == act && gone {
							return how
						}
						return nothingLost
					}
				})
				order := begin(x)
				var wg sync.WaitGroup
				for range 10 {
					wg.Go(func() { x.b.send(order+"/ask", nil) })
				}
				wg.Wait()
				if act == "transactions" {
					x.b.get(order).expect(t, 200, order, "アプリへお送りしています")
					x.api.set(func() { gone = false })
				}
				x.until(order, "トークンアプリを開いてください")
				x.api.answer("approved")
				if act == "consume" {
					x.until(order, "通信が途中で切れました")
					x.b.send(order+"/cancel", nil)
					x.untouched()
					x.api.set(func() { gone = false })
				}
				for range 10 {
					wg.Go(func() { x.b.send(order+"/execute", nil) })
				}
				wg.Wait()
				x.until(order, state("done"))
				questions, permits := x.api.count(func() int { return len(x.api.created) }), 0
				x.api.set(func() {
					for _, n := range x.api.permits {
						permits += n
					}
				})
				if questions != 1 || permits != 1 || len(x.inside.Payees(hanako))+int(x.inside.Limit(hanako)/3_000_000) != 1 {
					t.Errorf("%d questions, %d permits, payees %v, limit %d", questions, permits, x.inside.Payees(hanako), x.inside.Limit(hanako))
				}
			})
		}
	}
}

// TestOnlyOneWaits has a raise wait when a payee is to be registered: the second hears of the first and can take its place.
func TestOnlyOneWaits(t *testing.T) {
	x := newTill(t)
	raise, payee := x.raise("3000000"), x.registration()
	x.b.send(raise+"/ask", nil).expect(t, 200, raise, "トークンアプリを開いてください")
	x.b.send(payee+"/ask", nil).expect(t, 200, payee, "ほかにも承認をお待ちしている", "もう1件を取り消して")
	x.b.send(payee+"/clear", nil).expect(t, 200, payee, `data-testid="confirm"`)
	x.b.get(raise).expect(t, 200, raise, state("cancelled"))
	x.b.send(payee+"/ask", nil)
	x.api.answer("approved")
	x.until(payee, state("done"))
	if n := x.inside.Limit(hanako); n != 1_000_000 {
		t.Errorf("the limit is %d", n)
	}
	// Two tabs with the same payee: the second has nothing to ask for.
	x.b.send("/payees/"+strings.TrimPrefix(payee, "/payees/")+"/remove", nil)
	one, two := x.registration(), x.registration()
	x.b.send(one+"/ask", nil)
	x.api.answer("approved")
	x.until(one, state("done"))
	x.b.send(two+"/ask", nil).expect(t, 200, two, "すでに登録されています")
	if n := x.inside.Payees(hanako); len(n) != 1 {
		t.Errorf("%v", n)
	}
}

// TestSomebodyElsesPayee does not exist, nor does an order of another kind.
func TestSomebodyElsesPayee(t *testing.T) {
	x := newTill(t)
	id := x.registered()
	order, raise := "/payees/"+id, x.raise("3000000")
	x.issuer.claims = func(c map[string]any) { c["sub"] = "C-2002" }
	thief := x.browser()
	thief.post("/login").expect(t, 200, "/home")
	for _, path := range []string{order, raise} {
		thief.get(path).expect(t, 404, path)
		for _, step := range []string{"ask", "clear", "cancel", "execute", "offline", "remove"} {
			if a := thief.send(path+"/"+step, url.Values{"code": {"12345678"}}); a.status != 404 {
				t.Errorf("%s/%s: %d %s", path, step, a.status, a.path)
			}
		}
	}
	thief.get("/payees").expect(t, 200, "/payees", "登録した振込先はまだありません")
	thief.get("/payees?removed="+id).expect(t, 200, "/payees", "登録した振込先はまだありません")
	thief.get("/transfers/new?payee="+id).expect(t, 200, "/transfers/new", "どちらへお振込みですか")
	for _, path := range []string{"/transfers/" + id, "/limits/" + id, "/transfers/" + strings.TrimPrefix(raise, "/limits/")} {
		x.b.get(path).expect(t, 404, path)
	}
	x.browser().get("/payees").expect(t, 200, "/")
	x.browser().get(order+"/state").expect(t, 401, order+"/state")
	if n := x.inside.Payees(hanako); len(n) != 1 {
		t.Errorf("%v", n)
	}
}

// TestWhatIsNeeded shows the step to who cannot take it yet, and still lets her lower the limit and remove a payee.
func TestWhatIsNeeded(t *testing.T) {
	x := newTill(t)
	id := x.registered()
	for name, want := range map[string]struct {
		auth  map[string]any
		words string
	}{
		"off":     {map[string]any{"required": false, "in_use": true, "stopped": false}, "取引認証が必要です"},
		"token":   {map[string]any{"required": true, "in_use": false, "stopped": false}, "トークンアプリのご準備"},
		"stopped": {map[string]any{"required": true, "in_use": true, "stopped": true}, "0120-111-222"},
	} {
		x.api.set(func() { x.api.auth = want.auth })
		for _, a := range []answer{x.b.get("/payees/new"), x.b.get("/payees/new?bank=0991"), x.b.send("/payees", account("number", "1111111")), x.b.send("/limits", url.Values{"after": {"3000000"}})} {
			if a.status != 403 || !strings.Contains(a.body, want.words) || !strings.Contains(a.body, x.issuer.URL+"/security") {
				t.Errorf("%s: %d %s", name, a.status, a.body)
			}
		}
	}
	x.api.set(func() { x.api.away = true })
	x.b.send("/limits", url.Values{"after": {"3000000"}}).expect(t, 503, "/limits", "限度額は変わっていません", `href="/limits"`)
	x.b.get("/limits").expect(t, 200, "/limits", "1,000,000円")
	x.b.send("/limits", url.Values{"after": {"900000"}}).expect(t, 200, "/limits", "900,000円")
	x.b.send("/payees/"+id+"/remove", nil).expect(t, 200, "/payees", "登録を解除しました")
	if n := x.inside.Orders(hanako); len(n) != 1 {
		t.Errorf("%v", n)
	}
}

// TestDeedOffline approves with the eight digits of a phone without network.
func TestDeedOffline(t *testing.T) {
	x := newTill(t)
	order := x.raise("3000000")
	x.b.send(order+"/ask", nil)
	x.b.send(order+"/offline", url.Values{"code": {"00000000"}}).expect(t, 200, order, "あと2回お試しいただけます")
	x.untouched()
	x.b.send(order+"/offline", url.Values{"code": {"12345678"}})
	x.until(order, state("done"))
	if n := x.inside.Limit(hanako); n != 3_000_000 {
		t.Errorf("the limit is %d", n)
	}
}
