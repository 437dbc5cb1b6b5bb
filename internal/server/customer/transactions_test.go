package customer

import (
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// TestTransactionAuthentication is the way from a token in use to transaction authentication, to a report and back.
func TestTransactionAuthentication(t *testing.T) {
	h := open(t)
	id := h.Person(1, false)
	b := h.browser(desktop)

	// Without a token the page says what to do first, and the form does nothing.
	b.login(id)
	b.get("/security")
	b.on("/security", "取引認証", "未追加", `href="`+transactionsPage+`"`)
	b.get(transactionsPage)
	b.on(transactionsPage, "先にトークンの利用を始めてください", "トークンを申し込む")
	if strings.Contains(b.body, `action="`+transactionsPage) {
		t.Error("without a token there is a form to add it")
	}
	b.get("/token/apply")
	b.post("/token/apply", "confirm", testkit.Confirm)
	b.get(transactionsPage)
	b.on(transactionsPage, "登録を続ける")
	b.get("/token/key")
	p := h.register(b.link(), h.MailedNumber())
	b.get("/token/start")
	b.post("/token/start", "code", p.Code())
	h.Clock.Move(2 * time.Minute)

	b.get("/security")
	b.on("/security", "説明を読んで追加する")
	b.get(transactionsPage)
	b.on(transactionsPage, "承認する", "承認しない", "身に覚えがない", "スキャンして確認", "取引認証だけをやめることはできません", "説明を読みました")
	code := p.Code()
	b.post(transactionsPage, "code", code)
	b.on(transactionsPage, "チェックを入れてください", `aria-describedby="read-error"`)
	b.post(transactionsPage, "read", "yes", "code", p.Wrong())
	b.on(transactionsPage, "ワンタイムパスワードが違います", "あと4回", `aria-describedby="code-error`)
	b.post(transactionsPage, "read", "yes", "code", code) // the empty box did not use it up
	b.on(transactionsPage, "取引認証を追加しました", "ご利用中", "2026年11月22日", "取引認証だけをやめることはできません")
	if strings.Contains(b.body, `action="`+transactionsPage) {
		t.Error("what is added can be added again")
	}
	b.get("/security")
	b.on("/security", "追加した日時")
	b.get("/history")
	b.on("/history", "取引認証を追加", "取引認証の追加", "不成立")

	// A report stops everything, and every page says so.
	bank := audit.Actor{Kind: audit.Bank, ID: "bank", Source: "203.0.113.0/24"}
	made, err := h.CreateTransaction(t.Context(), bank, "key-1", authority.NewTransaction{Ref: testkit.Ref, Template: "transfer", Currency: "JPY", Fields: map[string]string{"from.account": "本店 普通 1234567",
		"payee.bank": "みどり銀行", "payee.bank_code": "0190", "payee.branch": "中央支店", "payee.branch_code": "001", "payee.type": "ordinary", "payee.account": "7654321", "payee.name": "サトウ ジロウ", "amount": "250000", "date": "2026-11-25"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Send(p.Decision(made.Offer, transaction.NotMe)); err != nil {
		t.Fatal(err)
	}
	for _, page := range []string{"/security", transactionsPage} {
		b.get(page)
		b.on(page, "お振込などのお取引を止めています", "0120-000-000", "2026年11月22日")
	}
	b.get("/security")
	b.on("/security", "お取引停止中")
	b.get("/history")
	b.on("/history", "お振込などの取引を停止", "取引の内容に、トークンアプリで回答（身に覚えがない）")
	if err := h.ResumeTransfers(t.Context(), testkit.Ref); err != nil {
		t.Fatal(err)
	}
	b.get("/security")
	if strings.Contains(b.body, "お取引停止中") {
		t.Error("the transfers were resumed and the page says that they are stopped")
	}
	b.get("/history")
	b.on("/history", "お振込などの取引を再開")

	// An approval by digits stands where the bank's systems are, which says nothing to her; time that runs out is told too.
	next := func(key string) authority.Transaction {
		t.Helper()
		n := authority.NewTransaction{Ref: testkit.Ref, Template: "transfer", Currency: "JPY", Fields: map[string]string{}}
		for _, f := range made.Document.Fields {
			n.Fields[f.ID] = f.Value
		}
		got, err := h.CreateTransaction(t.Context(), bank, key, n)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	made = next("key-2")
	if _, err := h.ConfirmOffline(t.Context(), bank, made.ID, p.Offline(made.Offer)); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Send(p.Decision(made.Offer, transaction.Yes)); err != nil {
		t.Fatal(err)
	}
	next("key-3")
	h.Clock.Move(6 * time.Minute)
	if err := h.SweepDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.login(id)
	b.post("/login/code", "code", p.Code())
	b.get("/history")
	b.on("/history", "取引を、8桁の数字で承認", "8桁の数字で承認した取引の控え", "取引の確認の時間が終了")
	if strings.Contains(b.body, "203.0.113") || strings.Contains(b.body, "act.") {
		t.Errorf("the history shows the bank's own place or the name of a text:\n%s", b.words())
	}

	// With the token it ends.
	h.Clock.Move(2 * time.Minute)
	b.get("/token/stop")
	b.post("/token/stop", "confirm", testkit.Confirm)
	b.approve(p)
	b.on("/security", "未追加")
}

// TestTransactionAuthenticationForAll: where the bank asks every customer for it, there is nothing to add.
func TestTransactionAuthenticationForAll(t *testing.T) {
	h := open(t)
	h.Policy.TransactionAlways = true
	id := h.Person(1, false)
	b := h.browser(desktop)
	b.login(id)
	b.get("/security")
	b.on("/security", "すべてのお客さま")
	b.get(transactionsPage)
	b.on(transactionsPage, "すべてのお客さま", "追加のお手続きは不要です")
	if strings.Contains(b.body, `name="code"`) {
		t.Error("there is a form for what needs none")
	}
}
