package authority_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/enrolment"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/reissue"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// What was proved before a stop opens nothing after it: the thief who stands before the last button finds it gone (B-05).
func TestProofsFromBeforeAStop(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		p, thief := newPayer(w, 1), newLost(w, 1)
		thief.prove(reissue.Token)
		w.Clock.Move(time.Second)
		_, err := w.StopSession(t.Context(), p.browser.Session)
		fine(t, err)
		want(t, "ordering", thief.order(), problem.ReissueOver)
		if !thief.view().Stopped {
			t.Error("the service runs again")
		}
	})
}

// A number that the bank takes off the file, because the SIM was changed, takes what it has proved with it (C-41).
func TestAChangedNumberProvesNothing(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		p, thief := newPayer(w, 1), newLost(w, 1)
		thief.prove(reissue.Token)
		w.Clock.Move(time.Second)
		fine(t, w.SetPhone(t.Context(), p.ref, "090-0000-1234"))
		want(t, "ordering", thief.order(), problem.PhoneOver)
	})
}

// The digits of a move cannot be looked for beforehand: the same key has others under another registration.
func TestTheDigitsOfAMoveBelongToItsRegistration(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		var digits []string
		his := testkit.NewPhone(w)
		for n := range 2 {
			p := newPayer(w, 1+n)
			_, id, secret, _, number, err := enrolment.ParseMoveLink(moving(t, p.phone).Link)
			fine(t, err)
			fine(t, his.Register(his.Seal(his.Request(id, secret, number))))
			digits = append(digits, status(t, his).Move.Check)
		}
		if digits[0] == digits[1] {
			t.Errorf("one key shows %s under two registrations", digits[0])
		}
	})
}

// The doors of a first token lead to no move and no re-issue: neither is mailed, withdrawn nor sent to a corrected address there.
func TestDoorsOfAFirstTokenLeadNowhereElse(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		p := newPayer(w, 1)
		next := scanned(t, w, moving(t, p.phone))
		want(t, "having the number of a move mailed", w.ResendNumber(t.Context(), p.browser.Session), problem.EnrolmentNone)
		want(t, "withdrawing a move in a session", w.CancelEnrolment(t.Context(), p.browser.Session), problem.EnrolmentNone)
		says(t, p.phone, "approve")
		fine(t, finish(next))

		q := newPayer(w, 2)
		fine(t, q.browser.Stop(q.phone)) // without a token the address is corrected by the confirmation password
		w.Clock.Move(w.Policy.WaitAfterCancel + time.Second)
		l := newLost(w, 2)
		l.prove(reissue.Token)
		fine(t, l.order())
		b := w.LogIn(testkit.LoginID[:6]+"02", authority.PC)
		addresses, err := w.Addresses(t.Context(), b.Session)
		fine(t, err)
		w.Post.Bounce(addresses[0].Mail)
		fine(t, w.TestAddress(t.Context(), b.Session))
		_, err = w.DeliverDue(t.Context())
		fine(t, err)
		_, err = w.CorrectAddress(t.Context(), b.Session, []byte(testkit.Confirm), "his@example.net")
		fine(t, err)
		_, err = w.DeliverDue(t.Context())
		fine(t, err)
		for _, m := range w.Post.Sent() {
			if m.To == "his@example.net" && m.Subject == "registration_number" {
				t.Error("a re-issue's number goes to an address of this minute")
			}
		}
	})
}

// An objection that was used says no more than it does: once the service runs again the old mail is refused, and the phone that a re-issue has replaced stops it once and not again and again.
func TestUsedObjections(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		p, l := newPayer(w, 1), newLost(w, 1)
		code := mailed(t, w, "token_started")["objection"]
		stolen := p.phone
		l.prove(reissue.Token)
		fine(t, l.order())
		next := l.registered()
		w.Clock.Move(time.Minute)
		fine(t, l.start(next.Code()))
		object := func() error {
			_, err := w.ObjectByToken(t.Context(), stolen.Proof("POST", "/v1/token/objection", []byte("{}")))
			return err
		}
		fine(t, object())
		fine(t, w.RestartService(t.Context(), p.ref))
		want(t, "the old phone once more", object(), problem.ProofRefused)
		fine(t, w.Object(t.Context(), testkit.Stranger(), code))
		fine(t, w.Object(t.Context(), testkit.Stranger(), code)) // pressed twice
		fine(t, w.RestartService(t.Context(), p.ref))
		want(t, "the old mail after the restart", w.Object(t.Context(), testkit.Stranger(), code), problem.ObjectionRefused)
		if s := status(t, next).State; s != token.Active {
			t.Errorf("the token is %s", s)
		}
	})
}

// Nobody buries the notice that matters under papers or under mails that he turns off and on, and a cookie whose re-issue has ended knows nobody.
func TestNoticesAreNotBuried(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		p, l := newPayer(w, 1), newLost(w, 1)
		fine(t, l.begin(reissue.Token))
		form := func(once string) authority.ReleaseForm {
			return authority.ReleaseForm{Once: once, Items: []string{"phone"}, Reason: "new_phone"}
		}
		_, err := w.MakeRelease(ctx, l.visit, nil, l.cookie, form("1"))
		fine(t, err)
		_, err = w.MakeRelease(ctx, l.visit, nil, l.cookie, form("2"))
		want(t, "another paper at once", err, problem.MailTooSoon)
		_, err = w.MakeRelease(ctx, testkit.Visit(authority.PC), nil, "", paper("1"))
		want(t, "a stranger with her form", err, problem.ReleaseRefused)
		fine(t, w.ChooseMail(ctx, p.browser.Session, authority.MailKnownLogin, true))
		fine(t, w.ChooseMail(ctx, p.browser.Session, authority.MailKnownLogin, false))
		fine(t, w.ChooseMail(ctx, p.browser.Session, authority.MailKnownLogin, true))
		want(t, "turning a mail off again at once", w.ChooseMail(ctx, p.browser.Session, authority.MailKnownLogin, false), problem.MailTooSoon)
		w.Clock.Move(time.Hour)
		_, err = w.MakeRelease(ctx, l.visit, nil, l.cookie, form("3"))
		want(t, "the cookie of a re-issue that has ended", err, problem.ReleaseRefused)
	})
}

// Whoever tries her card is told of, and what no database can hold is refused and no failure of ours.
func TestTriedCardsAreTold(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		newPayer(w, 1)
		l := newLost(w, 1)
		for range w.Policy.TriesPerBlock {
			_, err := w.BeginReissue(t.Context(), l.visit, reissue.Token, l.card("0000"))
			want(t, "a wrong PIN", err, problem.CardRefused)
		}
		if v := mailed(t, w, "factor_blocked"); v["factor"] != "card" {
			t.Errorf("the notice says %v", v)
		}
		for _, kind := range []string{"\x00", "\xff", strings.Repeat("普", 1000), ""} {
			c := l.card(pin)
			c.AccountType = kind
			_, err := w.BeginReissue(t.Context(), l.visit, reissue.Token, c)
			want(t, fmt.Sprintf("the account type %.4q", kind), err, problem.Malformed)
		}
	})
}

// A log-in that was under way when the service was stopped is over when it starts again.
func TestALoginUnderWayDoesNotOutliveAStop(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		for n := range rounds(t, 10) {
			p := newPayer(w, 10+n)
			w.Clock.Move(time.Minute)
			id, code := fmt.Sprintf("%s%02d", testkit.LoginID[:6], 10+n), p.phone.Code()
			thief := w.LogIn(id, authority.PC)
			node := w.Another()
			together(2, func(i int) error {
				if i == 0 {
					_, err := node.StopByToken(t.Context(), p.phone.Proof("POST", "/v1/stop", []byte("{}")))
					return err
				}
				return thief.Code(code)
			})
			fine(t, w.RestartService(t.Context(), p.ref))
			if _, err := w.SessionOf(t.Context(), thief.Cookie.Session); problem.KindOf(err) != problem.SessionOver {
				t.Fatalf("round %d: the thief's session goes on after the restart: %v", n, err)
			}
		}
	})
}
