//go:build browser

package e2e

import (
	"os/exec"
	"strings"
	"testing"
)

// Approvals confirmed with the finger, in a real browser: registered on the phone, asked for with a transfer, refused and cancelled in plain words, proved by the evidence, and removed.
func TestApprovalsAreConfirmedWithTheFinger(t *testing.T) {
	t.Parallel()
	for _, lang := range languages() {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			d := startDemo(t)
			ctx := browser(t, t.TempDir())
			screen := phone
			screen.lang = lang
			desk, hand := pc.open(t, ctx, "pc", true), screen.open(t, ctx, "phone", true)
			d.payerOn(desk, hand, taro)
			i := hand.inspector(lang)

			// A phone without any of it says so, and goes on as before.
			hand.goTo(d.url("token", "/#phone"))
			hand.see("[data-testid=verifier-impossible]")
			i.check("impossible")
			finger := hand.authenticator()
			hand.goTo("about:blank")
			hand.goTo(d.url("token", "/#phone"))
			hand.see("[data-testid=verifier-register]")
			i.check("none")
			hand.click("[data-testid=verifier-register]")
			hand.see("[data-testid=verifier][data-state=active]")
			hand.see("[data-testid=verifier-done]")
			i.check("registered")

			hand.goTo(d.url("token", "/"))
			desk.order(d, "7654321", "12000")
			hand.see("[data-testid=pending-card]")
			hand.open("ask")
			hand.presence(finger, false) // nobody touches it: the app says what it waits for
			hand.approve()
			hand.see("[data-testid=approve][aria-disabled=true]")
			i.check("confirming")
			hand.become(screen)
			hand.presence(finger, true)
			hand.goTo("about:blank") // the app is closed over the question: nothing is kept, and it is asked again
			hand.goTo(d.url("token", "/"))
			hand.see("[data-testid=pending-card]")
			hand.open("ask-anew")
			hand.approve()
			hand.see("[data-testid=end][data-end=approved]")
			i.check("approved")
			desk.see("[data-testid=execute], [data-testid=result]")
			desk.click("[data-testid=execute]")
			desk.ended("done")
			verify := exec.Command("go", "run", "../cmd/inkan-verify", "-")
			verify.Stdin = strings.NewReader(desk.evidence())
			if out, err := verify.CombinedOutput(); err != nil || !strings.Contains(string(out), "confirmed with fingerprint, face or screen lock") {
				t.Errorf("inkan-verify: %v\n%s", err, out)
			}

			// A finger that is not hers: nothing is sent, and she can still reject.
			hand.goTo(d.url("token", "/"))
			desk.order(d, "7654321", "34000")
			hand.see("[data-testid=pending-card]")
			hand.open("ask-again")
			sent := d.asked("POST /v1/decisions")
			hand.finger(finger, false)
			hand.approve()
			hand.see("[data-testid=unconfirmed]")
			i.check("unconfirmed")
			hand.become(screen)
			if n := d.asked("POST /v1/decisions"); n != sent {
				t.Errorf("%d answers were sent", n-sent)
			}
			hand.click("[data-testid=reject]")
			hand.click("[data-testid=reject-confirm]")
			hand.see("[data-testid=end][data-end=rejected]")
			desk.ended("rejected")

			// Without the finger it is not taken away either.
			hand.goTo(d.url("token", "/#phone"))
			hand.click("[data-testid=verifier-remove]")
			hand.see("[data-testid=verifier-fault]")
			i.check("not-removed")
			hand.become(screen)

			// Another finger may be registered, and has to wait.
			hand.forget(finger)
			hand.goTo("about:blank")
			hand.authenticator()
			hand.goTo(d.url("token", "/#phone"))
			hand.click("[data-testid=verifier] summary")
			hand.click("[data-testid=verifier-again]")
			hand.see("[data-testid=verifier][data-waiting=true]")
			i.check("waiting")
			mail := pc.open(t, ctx, "mail", true)
			mail.goTo(d.url("mail", "/"))
			mail.look("mail")
		})
	}
}
