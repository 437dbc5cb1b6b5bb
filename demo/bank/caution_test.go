package bank_test

import (
	"testing"

	"github.com/inkan-auth/inkan/demo/bank"
)

// Shortly after a change that a thief would begin with, the bank takes no new payee and no large amount, and says until when and why; after that time, and after changes of another kind, it does.
func TestCaution(t *testing.T) {
	x := newTill(t, func(c *bank.Config) { c.ExecuteAtOnce = false })
	b := x.b
	for _, calm := range []string{"token_started", "passkey_added", "password_changed", "token_renewed", "something_new"} {
		x.api.fresh(calm)
	}
	order := x.draft("amount", "150000")
	b.send(order+"/ask", nil).expect(t, 200, order, "トークンアプリを開いてください")
	x.api.answer("approved")
	x.until(order, "お振込を実行する")
	x.api.fresh("token_reissued") // between the approval and the execution
	b.send(order+"/execute", nil).expect(t, 200, order, state("failed"), "トークンの再発行から間もないため", "1回100,000円まで")
	x.conserved(0)

	order = x.draft("amount", "100001")
	b.send(order+"/ask", nil).expect(t, 200, order, "トークンの再発行から間もないため", "100,000円", "2026年11月23日")
	if n := x.api.count(func() int { return len(x.api.created) }); n != 1 {
		t.Errorf("%d transactions: she was asked for what cannot be done", n)
	}
	payee := x.registration()
	b.send(payee+"/ask", nil).expect(t, 200, payee, "トークンの再発行から間もないため", "新しい振込先を登録できません")
	x.untouched()

	order = x.draft("amount", "100000")
	b.send(order+"/ask", nil).expect(t, 200, order, "トークンアプリを開いてください")
	x.api.answer("approved")
	x.until(order, "お振込を実行する")
	b.send(order+"/execute", nil).expect(t, 200, order, state("done"))
	x.conserved(1)

	x.api.set(func() { x.api.changes = nil })
	order = x.draft("amount", "150000")
	b.send(order+"/ask", nil).expect(t, 200, order, "トークンアプリを開いてください")
}
