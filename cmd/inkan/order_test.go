package main

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/testkit"
)

var orderHash = regexp.MustCompile(`name="hash" value="([0-9a-f]{64})"`)

// The way of an order over HTTP: what was typed in a form that was refused is still there; nobody is offered to check her own, under whatever login, and who sends the form all the same is refused; what was
// changed under the reader, in the form or in the database, is not carried out; and a second person carries it out once.
func TestAnOrderOverHTTP(t *testing.T) {
	t.Parallel()
	w := attack(t)
	boss := w.SignedInAs(authority.NewStaff{Name: "本田 和子", Person: "B-1", Branch: "101", Role: staff.Supervisor})
	alias := w.SignedInAs(authority.NewStaff{Name: "本田 かず子", Person: "B-1", Role: staff.Checker})
	checker, late, clerk := w.SignedIn(staff.Checker), w.SignedIn(staff.Checker), w.SignedIn(staff.Clerk)
	login := w.Person(71, false)
	answers := func(what string, r answer, status int, words ...string) answer {
		t.Helper()
		if r.StatusCode != status {
			t.Fatalf("%s answers %d, want %d\n%s", what, r.StatusCode, status, r.text)
		}
		for _, word := range words {
			if !strings.Contains(r.text, word) {
				t.Errorf("%s does not say %q", what, word)
			}
		}
		return r
	}
	answers("nobody", w.deskPost(boss, "/customers", "by", "login", "login", "nobody<b>", "branch", ""), http.StatusNotFound, "nobody&lt;b&gt;", "見つかりませんでした")
	page := answers("looking up", w.deskPost(boss, "/customers", "by", "login", "login", login), http.StatusSeeOther).Header.Get("Location")
	answers("her page", w.deskGet(boss, page), http.StatusOK, "山田 花子", "***4637")
	answers("a colleague's", w.deskGet(clerk, page), http.StatusPreconditionRequired, "先にお客さまを照会してください", `name="account_number"`)
	answers("stopping without words", w.deskPost(boss, page+"/stop", "why", "fraud", "words", ""), http.StatusBadRequest, `value="fraud" checked`, "理由が入力されていない")
	answers("stopping", w.deskPost(boss, page+"/stop", "why", "fraud", "words", "不審な電話"), http.StatusSeeOther)
	long := strings.Repeat("あ", 301)
	answers("a reason that is too long", w.deskPost(boss, page+"/restart", "words", long), http.StatusBadRequest, long)
	to := answers("asking", w.deskPost(boss, page+"/restart", "words", `<script>"本人確認済み"`), http.StatusSeeOther).Header.Get("Location")
	order, _, _ := strings.Cut(to, "?")
	stopped := func() bool { return w.scalar("SELECT count(*) FROM customer WHERE stopped_at > 0") == 1 }

	hash := orderHash.FindStringSubmatch(answers("the order", w.deskGet(checker, order), http.StatusOK, "&lt;script&gt;", "実行する").text)
	if hash == nil {
		t.Fatal("the checker's page has no hash")
	}
	for name, d := range map[string]*testkit.Desk{"who asked": boss, "her second login": alias} {
		if r := answers(name, w.deskGet(d, order), http.StatusOK, "あなたの依頼です"); orderHash.MatchString(r.text) {
			t.Errorf("%s is offered to check", name)
		}
		answers(name+" sends the form", w.deskPost(d, order, "answer", "carry", "hash", hash[1]), http.StatusForbidden, "同じ人は")
	}
	answers("a clerk sends the form", w.deskPost(clerk, order, "answer", "carry", "hash", hash[1]), http.StatusForbidden)
	answers("another hash", w.deskPost(checker, order, "answer", "carry", "hash", strings.Repeat("0", 64)), http.StatusConflict, "実行されていません")
	answers("no hash", w.deskPost(checker, order, "answer", "carry"), http.StatusConflict)
	answers("no reason", w.deskPost(checker, order, "answer", "decline", "hash", hash[1], "words", ""), http.StatusBadRequest, "理由が入力されていない")
	other := w.Person(72, false)
	_, err := w.at.ExecContext(t.Context(), `UPDATE staff_order SET body = (SELECT '{"customer":"' || id || '"}' FROM customer WHERE login_id = $1)`, other)
	fine(t, err)
	answers("a row that was changed", w.deskPost(checker, order, "answer", "carry", "hash", hash[1]), http.StatusConflict)
	_, err = w.at.ExecContext(t.Context(), `UPDATE staff_order SET body = '{"customer":"' || customer || '"}'`)
	fine(t, err)
	if !stopped() {
		t.Fatal("the service runs")
	}
	answers("carrying out", w.deskPost(checker, order, "answer", "carry", "hash", hash[1]), http.StatusSeeOther)
	if stopped() {
		t.Error("the service stands still")
	}
	answers("once more, the answer was lost", w.deskPost(checker, order, "answer", "carry", "hash", hash[1]), http.StatusSeeOther)
	answers("another checker", w.deskPost(late, order, "answer", "decline", "hash", hash[1], "words", "x"), http.StatusGone, "すでに終わっています")
	answers("the end", w.deskGet(boss, order), http.StatusOK, "実行済み")
	answers("the list", w.deskGet(boss, "/orders?list=decided"), http.StatusOK, "ご利用の再開", "&lt;script&gt;")
}

// While something is frozen every page of the console says so, and no page of a stranger does.
func TestEveryPageSaysWhatIsFrozen(t *testing.T) {
	t.Parallel()
	w := attack(t)
	fraud, boss := w.SignedIn(staff.Fraud), w.SignedIn(staff.Supervisor)
	to := w.deskPost(fraud, "/orders", "name", "transfers", "frozen", "true", "words", "大量の不正").Header.Get("Location")
	order, _, _ := strings.Cut(to, "?")
	hash := orderHash.FindStringSubmatch(w.deskGet(boss, order).text)
	if hash == nil {
		t.Fatalf("no order: %s", to)
	}
	w.deskPost(boss, order, "answer", "carry", "hash", hash[1])
	const words = "振込などの取引を全体で停止しています"
	for _, role := range staff.Roles {
		d := w.SignedIn(role)
		for _, path := range []string{"/", "/orders", "/nowhere"} {
			if r := w.deskGet(d, path); !strings.Contains(r.text, words) {
				t.Errorf("%s of a %s does not say it", path, role)
			}
		}
	}
	if r := w.send(get(staffHost, "/login")); strings.Contains(r.text, words) {
		t.Error("a stranger is told")
	}
}
