package bank_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/demo/bank"
)

func TestEnds(t *testing.T) {
	for end, words := range map[string][]string{
		"rejected":  {"アプリで「承認しない」が選ばれました", "同じ内容でもう一度手続きする", "自分で操作していない場合"},
		"reported":  {"お振込を停止しました", "0120-111-222", "セキュリティセンターへ"},
		"expired":   {"承認の時間が過ぎました", "同じ内容でもう一度手続きする"},
		"cancelled": {"お振込を取り消しました", "お振込は行われていません"},
	} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			x := newTill(t)
			order := x.draft()
			x.b.send(order+"/ask", nil)
			switch end {
			case "expired":
				x.b.get("/home")
				x.wait(4*time.Minute + 59*time.Second)
				x.b.get(order).expect(t, 200, order, "残り 0分1秒")
				x.wait(time.Second)
			case "cancelled":
				x.b.send(order+"/cancel", nil).expect(t, 200, order, state(end))
			default:
				x.api.answer(end)
			}
			x.until(order, append(words, state(end))...)
			x.b.send(order+"/execute", nil).expect(t, 200, order, state(end))
			x.b.lang = "en"
			x.b.get(order).expect(t, 200, order, state(end))
			x.b.get("/transfers/new?again="+strings.TrimPrefix(order, "/transfers/")).expect(t, 200, "/transfers/new", `value="7654321"`, `value="50,000"`, `<option value="011" selected>`)
			x.conserved(0)
		})
	}
}

// TestCancelAfterApproval presses cancel when the customer has already approved: what counts is what she did.
func TestCancelAfterApproval(t *testing.T) {
	x := newTill(t, func(c *bank.Config) { c.ExecuteAtOnce = false })
	order := x.draft()
	x.b.send(order+"/ask", nil)
	x.api.set(func() { x.api.refuse["cancel"] = "transaction-decided" })
	x.api.answer("approved")
	x.b.send(order+"/cancel", nil)
	if a := x.b.get(order); !strings.Contains(a.body, "お振込を実行する") && !strings.Contains(a.body, state("cancelled")) {
		t.Error(a.body)
	}
	x.conserved(0)
}

func TestLapsed(t *testing.T) {
	x := newTill(t, func(c *bank.Config) { c.ExecuteAtOnce = false })
	order := x.draft()
	x.b.send(order+"/ask", nil)
	x.api.answer("approved")
	x.until(order, "お振込を実行する")
	x.wait(4 * time.Minute)
	x.b.get("/home")
	x.wait(time.Minute)
	x.b.send(order+"/execute", nil).expect(t, 200, order, state("lapsed"), "承認の有効時間が過ぎました")
	x.conserved(0)
}

// TestMismatch changes the order inside the bank after it was approved: nothing is executed.
func TestMismatch(t *testing.T) {
	x := newTill(t, func(c *bank.Config) { c.ExecuteAtOnce = false })
	order := x.draft()
	x.b.send(order+"/ask", nil)
	x.api.answer("approved")
	x.until(order, "お振込を実行する")
	x.inside.Alter(hanako, strings.TrimPrefix(order, "/transfers/"), "1111111")
	x.b.send(order+"/execute", nil).expect(t, 200, order, state("mismatch"), "お振込を中止しました", "お振込は行われていません", "0120-111-222")
	x.b.send(order+"/execute", nil).expect(t, 200, order, state("mismatch"))
	if n := x.api.count(func() int { return x.api.alarms }); n != 1 {
		t.Errorf("%d alarms", n)
	}
	from, _, _, _ := x.inside.Account(hanako, 0)
	if _, held := x.inside.Balance(from); held != 0 {
		t.Errorf("%d still held", held)
	}
	x.conserved(0)
}

func TestOffline(t *testing.T) {
	x := newTill(t)
	order := x.draft()
	x.b.send(order+"/ask", nil)
	x.b.get(order+"?offline=1").expect(t, 200, order, `id="offline" open`)
	if a := x.b.get(order + "?offline=1"); strings.Contains(a.body, "http-equiv") {
		t.Error("the page reloads while she types")
	}
	x.b.send(order+"/offline", url.Values{"code": {"1234"}}).expect(t, 200, order, "8桁の数字を入力してください", `id="offline" open`)
	x.b.send(order+"/offline", url.Values{"code": {"00000000"}}).expect(t, 200, order, "あと2回お試しいただけます")
	x.b.send(order+"/offline", url.Values{"code": {"00000000"}}).expect(t, 200, order, "あと1回")
	x.b.send(order+"/offline", url.Values{"code": {"\uff11\uff12\uff13\uff14-5678"}})
	x.until(order, state("done"))
	x.conserved(1)

	order = x.draft()
	x.b.send(order+"/ask", nil)
	for range 4 {
		x.b.send(order+"/offline", url.Values{"code": {"00000000"}})
	}
	x.b.get(order).expect(t, 200, order, "8桁の数字では承認できなくなりました")
	x.conserved(1)
}

// TestRefusedQuestions sees every refusal explained, and the order still there.
func TestRefusedQuestions(t *testing.T) {
	x := newTill(t)
	for kind, words := range map[string]string{
		"transaction-auth-off": "取引認証をお使いでない", "transfers-stopped": "0120-111-222", "transfers-frozen": "しばらくしてから", "service-stopped": "サービスを停止しています", "token-none": "トークンアプリがありません",
		"token-expired": "有効期限が切れています", "otp-locked": "ロックされています", "fields-refused": "表示できない文字", "not-found": "受け付けられませんでした", "something-new": "受け付けられませんでした",
	} {
		x.api.set(func() { x.api.refuse["transactions"] = kind })
		order := x.draft()
		x.b.send(order+"/ask", nil).expect(t, 200, order, words, `role="alert"`)
		x.api.set(func() { delete(x.api.refuse, "transactions") })
		x.b.send(order+"/ask", nil).expect(t, 200, order, "トークンアプリを開いてください")
		x.b.send(order+"/cancel", nil).expect(t, 200, order, state("cancelled"))
	}
	x.conserved(0)
}

// TestLostQuestion loses the answer to the question, even the repeated ones: the customer is asked once, and the page finds out by itself.
func TestLostQuestion(t *testing.T) {
	for name, how := range map[string]lost{"question": questionLost, "answer": answerLost} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newTill(t)
			gone := true
			x.api.set(func() {
				x.api.lose = func(act string, _ int) lost {
					if act == "transactions" && gone {
						return how
					}
					return nothingLost
				}
			})
			order := x.draft()
			x.b.send(order+"/ask", nil).expect(t, 200, order, "アプリへお送りしています")
			x.api.set(func() { gone = false })
			x.until(order, "トークンアプリを開いてください")
			if n := x.api.count(func() int { return len(x.api.created) }); n != 1 {
				t.Errorf("%d transactions", n)
			}
			x.api.answer("approved")
			x.until(order, state("done"))
			x.conserved(1)
		})
	}
}

// TestLostPermit loses the answer to the request for the permit: the money is kept, the same permit comes again, and one booking is made.
func TestLostPermit(t *testing.T) {
	for name, how := range map[string]lost{"question": questionLost, "answer": answerLost} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newTill(t, func(c *bank.Config) { c.ExecuteAtOnce = false })
			order := x.draft()
			x.b.send(order+"/ask", nil)
			x.api.answer("approved")
			x.until(order, "お振込を実行する")
			gone := true
			x.api.set(func() {
				x.api.lose = func(act string, _ int) lost {
					if act == "consume" && gone {
						return how
					}
					return nothingLost
				}
			})
			x.b.send(order+"/execute", nil).expect(t, 200, order, "お振込を行っています", "通信が途中で切れました")
			from, _, _, _ := x.inside.Account(hanako, 0)
			if _, held := x.inside.Balance(from); held != 50165 {
				t.Errorf("%d is held", held)
			}
			x.b.send(order+"/cancel", nil).expect(t, 200, order, "お振込を行っています")
			x.conserved(0)
			x.api.set(func() { gone = false })
			x.b.send(order+"/execute", nil).expect(t, 200, order, state("done"))
			if _, held := x.inside.Balance(from); held != 0 {
				t.Errorf("%d is still held", held)
			}
			x.conserved(1)
		})
	}
}

// TestRefusedPermit keeps the approval when the server will not talk to the executor, and goes on when it does.
func TestRefusedPermit(t *testing.T) {
	x := newTill(t)
	x.api.set(func() { x.api.refuse["consume"] = "service-stopped" })
	order := x.draft()
	x.b.send(order+"/ask", nil)
	x.api.answer("approved")
	x.until(order, "お振込を実行できませんでした", "お振込を実行する")
	x.conserved(0)
	x.api.set(func() { delete(x.api.refuse, "consume") })
	x.b.send(order+"/execute", nil).expect(t, 200, order, state("done"))
	x.conserved(1)
}
