package authority_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/reissue"
	"github.com/inkan-auth/inkan/internal/domain/release"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// paper is a form that asks for more downloads.
func paper(once string) authority.ReleaseForm {
	return authority.ReleaseForm{Once: once, Items: []string{"downloads", "token_revoke"}, Reason: "lost", Branch: "１０１", AccountType: "普通", AccountNumber: "123-4567", Name: "山田　花子\u202e", Kana: "ヤマダ ハナコ"}
}

// The request of somebody whom the server knows carries her own name and account, whatever the form says; every address is told; a second click makes no second request; the number on the paper shows how it stands.
func TestReleaseRequest(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		p := newPayer(w, 1)
		var made authority.Release
		for range 2 {
			again, err := w.MakeRelease(ctx, p.browser.Visit, &p.browser.Session, "", paper("one click"))
			fine(t, err)
			if made.ID != "" && again.ID != made.ID {
				t.Error("the second click made another request")
			}
			made = again
		}
		if made.AccountNumber != "1234567" || made.Name != "山田 花子" || made.State != release.Made || fmt.Sprint(made.Items) != "[token_revoke downloads]" || len(made.Number) != 19 {
			t.Fatalf("the paper says %+v", made)
		}
		if v := mailed(t, w, "release_made"); v["objection"] == "" {
			t.Errorf("the notice says %v", v)
		}
		found, err := w.ReleaseByNumber(ctx, testkit.Stranger(), strings.ToLower(made.Number))
		if fine(t, err); found.ID != made.ID {
			t.Errorf("the number leads to %+v", found)
		}
		list, err := w.ReleasesOf(ctx, p.ref)
		if fine(t, err); len(list) != 1 || list[0].ID != made.ID {
			t.Errorf("the bank is told of %+v", list)
		}
		for range 2 {
			fine(t, w.WithdrawRelease(ctx, testkit.Stranger(), made.Number))
		}
		if found, err = w.ReleaseByNumber(ctx, testkit.Stranger(), made.Number); err != nil || found.State != release.Withdrawn {
			t.Errorf("taken back it is %s, %v", found.State, err)
		}
	})
}

// A stranger's request is paper and nothing else: it is tied to no customer, changes nothing, tells nobody, and what was typed lies sealed. Somebody on the road back is known by her cash card.
func TestReleaseRequestsOfStrangers(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		p := newPayer(w, 1)
		_, err := w.DeliverDue(ctx)
		fine(t, err)
		sent := len(w.Post.Sent())
		made, err := w.MakeRelease(ctx, testkit.Visit(authority.PC), nil, "", paper("a stranger's"))
		fine(t, err)
		if made.Customer != "" || made.Branch != "101" || made.AccountNumber != "1234567" || made.Name != "山田 花子" {
			t.Errorf("the paper says %+v", made)
		}
		if _, err := w.DeliverDue(ctx); err != nil || len(w.Post.Sent()) != sent {
			t.Errorf("%d mails left, %v", len(w.Post.Sent())-sent, err)
		}
		list, err := w.ReleasesOf(ctx, p.ref)
		if fine(t, err); len(list) != 0 {
			t.Errorf("a stranger's paper is hers: %+v", list)
		}
		l := newLost(w, 1)
		fine(t, l.begin(reissue.Token))
		known, err := w.MakeRelease(ctx, l.visit, nil, l.cookie, authority.ReleaseForm{Once: "hers", Items: []string{"phone"}, Reason: "new_phone", AccountNumber: "7777777", Name: "Somebody Else"})
		if fine(t, err); known.AccountNumber != "1234567" || known.Name != "山田 花子" {
			t.Errorf("on the road back the paper says %+v", known)
		}
	})
}

// What is not filled in, not on the form, or not there is refused with a word on what to do.
func TestReleaseRequestsThatAreRefused(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx, v := t.Context(), testkit.Visit(authority.PC)
		for name, change := range map[string]func(f *authority.ReleaseForm){
			"nothing chosen":  func(f *authority.ReleaseForm) { f.Items = nil },
			"no such choice":  func(f *authority.ReleaseForm) { f.Items = []string{"everything"} },
			"no such reason":  func(f *authority.ReleaseForm) { f.Reason = "because" },
			"no name":         func(f *authority.ReleaseForm) { f.Name = " \u200b" },
			"no account":      func(f *authority.ReleaseForm) { f.AccountNumber = "abc" },
			"no such account": func(f *authority.ReleaseForm) { f.AccountType = "gold" },
			"a long branch":   func(f *authority.ReleaseForm) { f.Branch = "1011" },
		} {
			f := paper(name)
			change(&f)
			_, err := w.MakeRelease(ctx, v, nil, "", f)
			want(t, name, err, problem.ReleaseRefused)
		}
		_, err := w.ReleaseByNumber(ctx, testkit.Stranger(), "2222-2222-2222-2222")
		want(t, "a number of no request", err, problem.ReleaseNone)
		want(t, "taking back no request", w.WithdrawRelease(ctx, testkit.Stranger(), "nonsense"), problem.ReleaseNone)
		made, err := w.MakeRelease(ctx, v, nil, "", paper("late"))
		fine(t, err)
		w.Clock.Move(w.Policy.ReleaseLife + time.Second)
		fine(t, w.SweepDue(ctx))
		if made, err = w.ReleaseByNumber(ctx, testkit.Stranger(), made.Number); err != nil || made.State != release.Expired {
			t.Errorf("after its time it is %s, %v", made.State, err)
		}
	})
}

// Strangers cannot bury the clerks, nor search for the numbers of papers.
func TestReleaseRequestsAreBounded(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		w.Policy.FailuresPerSource = 5
		for n := range 8 {
			_, err := w.MakeRelease(t.Context(), testkit.Visit(authority.PC), nil, "", paper(fmt.Sprint(n)))
			if refused := problem.KindOf(err) == problem.Throttled; refused != (n >= 5) {
				t.Errorf("request %d: %v", n, err)
			}
			_, err = w.ReleaseByNumber(t.Context(), testkit.Stranger(), fmt.Sprintf("2222-2222-2222-222%d", n+2))
			if refused := problem.KindOf(err) == problem.Throttled; refused != (n >= 5) {
				t.Errorf("number %d: %v", n, err)
			}
		}
	})
}
