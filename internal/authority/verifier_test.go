package authority_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/passkey"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/signing"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// counting is a finger whose authenticator counts its uses.
func counting() *testkit.Authenticator {
	a := testkit.NewAuthenticator()
	a.Step = 1
	return a
}

// fingered is a payer who confirms what she approves with her finger.
func fingered(w *testkit.World, n int) *payer {
	p := newPayer(w, n)
	if err := p.phone.SetVerifier(counting()); err != nil {
		w.T.Fatalf("registering the finger: %v", err)
	}
	return p
}

// acts counts what the trail tells of an act, by outcome and reason.
func acts(t *testing.T, p *payer, a audit.Action) map[string]int {
	t.Helper()
	out := map[string]int{}
	for _, e := range entries(t, p.World, p.browser) {
		if e.Action == string(a) {
			out[strings.TrimSpace(e.Outcome+" "+e.Reason)]++
		}
	}
	return out
}

// The whole of it: the finger is registered, every address is told, an approval is confirmed, and the evidence proves it without us.
func TestApprovalIsConfirmedByTheFinger(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		p := fingered(w, 1)
		if v := mailed(t, w, "verifier_set"); v["device"] != "iPhone / Safari" || v["objection"] == "" {
			t.Errorf("the notice says %v", v)
		}
		if list := p.phone.Transactions().Verifiers; len(list) != 1 || list[0].State != passkey.Active || !bytes.Equal(list[0].Credential, p.phone.Finger.Credentials[0].ID) {
			t.Errorf("the phone is told of %+v", list)
		}
		made := p.order()
		decision := p.phone.Decision(made.Offer, transaction.Yes, testkit.ByFinger)
		assertion := p.phone.Finger.Assert(decision)
		for range 3 { // the answer is lost twice: the same bytes, and so the same counter, come again
			if s, err := p.phone.SendWith(decision, assertion); err != nil || s != transaction.Approved {
				t.Fatalf("approving: %s, %v", s, err)
			}
		}
		if _, err := w.ConsumeTransaction(ctx, internetBank, made.ID, p.execution("exec-1")); err != nil {
			t.Fatal(err)
		}
		e, err := w.Evidence(ctx, internetBank, made.ID)
		if err != nil {
			t.Fatal(err)
		}
		f, err := e.Verify(w.Keys.Issuer().RootThumbprint)
		if err != nil || f.Verifier == nil || f.Decision.Verification != transaction.ByWebAuthn || e.Assertion != assertion {
			t.Fatalf("the evidence: %v, %+v", err, f.Verifier)
		}
		// Another one, and a rejection, for which nobody is asked for her finger.
		if s, err := p.phone.Send(p.phone.Decision(p.order().Offer, transaction.Yes, testkit.ByFinger)); err != nil || s != transaction.Approved {
			t.Errorf("the second: %s, %v", s, err)
		}
		if s, err := p.phone.Send(p.phone.Decision(p.order().Offer, transaction.No)); err != nil || s != transaction.Rejected {
			t.Errorf("a rejection: %s, %v", s, err)
		}
		if got := acts(t, p, audit.VerifierHold); len(got) != 0 {
			t.Errorf("the finger was stopped: %v", got)
		}
	})
}

// What does not confirm this decision by this token's own finger is refused, nothing is approved by it, and the right one is taken afterwards.
func TestAssertionsThatConfirmNothing(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		p, other := fingered(w, 1), fingered(w, 2)
		made := p.order()
		decision := p.phone.Decision(made.Offer, transaction.Yes, testkit.ByFinger)
		finger, own := p.phone.Finger, p.phone.Finger.Credentials[0]
		as := func(change func(a *testkit.Authenticator)) string {
			a := finger.Copy()
			change(a)
			return a.Assert(decision)
		}
		stolen := p.phone.Decision(p.phone.Transactions().Pending[0].Offer, transaction.Yes, testkit.ByFinger)
		thiefs := finger.Copy()
		thiefs.Credentials[0].Key = other.phone.Finger.Credentials[0].Key
		for name, assertion := range map[string]string{
			"none":                                  "",
			"not one":                               "a.b.c.d",
			"of another token":                      other.phone.Finger.Copy().Assert(decision),
			"of another decision":                   finger.Copy().Assert(stolen),
			"the user was not verified":             as(func(a *testkit.Authenticator) { a.Flags = testkit.UserPresent }),
			"the user was not there":                as(func(a *testkit.Authenticator) { a.Flags = testkit.UserVerified }),
			"another origin":                        finger.Copy().AssertWith(own, decision, "https://token.bank.example.evil.example"),
			"the login host":                        finger.Copy().AssertWith(own, decision, "https://login.bank.example"),
			"framed":                                as(func(a *testkit.Authenticator) { a.CrossOrigin = true }),
			"another party":                         as(func(a *testkit.Authenticator) { a.PartyID = "login.bank.example" }),
			"a passkey that can suddenly be copied": as(func(a *testkit.Authenticator) { a.Flags |= testkit.BackupEligible }),
			"her credential's name, another's key":  thiefs.Assert(decision),
			"a registration":                        as(func(a *testkit.Authenticator) { a.Type = "webauthn.create" }),
		} {
			if _, err := p.phone.SendWith(decision, assertion); problem.KindOf(err) != problem.DecisionRefused {
				t.Errorf("%s: %v", name, err)
			}
		}
		// Whoever has the device's key and not her finger says that nothing was asked of her, or that a PIN was, or adds a finger that the decision does not speak of.
		for name, change := range map[string]func(d *transaction.Decision){"none": func(*transaction.Decision) {}, "pin": func(d *transaction.Decision) { d.Verification = transaction.ByPIN }} {
			bare := p.phone.Decision(made.Offer, transaction.Yes, change)
			for _, assertion := range []string{"", finger.Copy().Assert(bare)} {
				if _, err := p.phone.SendWith(bare, assertion); problem.KindOf(err) != problem.DecisionRefused {
					t.Errorf("a decision that says %s: %v", name, err)
				}
			}
		}
		if x, err := w.ReadTransaction(t.Context(), internetBank, made.ID); err != nil || x.State != transaction.Pending {
			t.Fatalf("meanwhile it is %s, %v", x.State, err)
		}
		right := p.phone.Finger.Assert(decision)
		if s, err := p.phone.SendWith(decision, right); err != nil || s != transaction.Approved {
			t.Fatalf("the right one: %s, %v", s, err)
		}
		next := p.phone.Decision(p.order().Offer, transaction.Yes, testkit.ByFinger)
		if _, err := p.phone.SendWith(next, right); problem.KindOf(err) != problem.DecisionRefused {
			t.Errorf("replayed on another decision: %v", err)
		}
		if s, err := p.phone.Send(p.phone.Decision(p.phone.Transactions().Pending[0].Offer, transaction.No)); err != nil || s != transaction.Rejected {
			t.Errorf("a rejection after all that: %s, %v", s, err)
		}
	})
}

// A counter that does not grow says that there are two of the passkey: it approves nothing any more, she is told with a way to object, and it is in the trail.
func TestCounterThatGoesBackStopsTheFinger(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		p := fingered(w, 1)
		copied := p.phone.Finger.Copy()
		for range 2 {
			if _, err := p.phone.Send(p.phone.Decision(p.order().Offer, transaction.Yes, testkit.ByFinger)); err != nil {
				t.Fatal(err)
			}
		}
		made := p.order()
		decision := p.phone.Decision(made.Offer, transaction.Yes, testkit.ByFinger)
		_, err := p.phone.SendWith(decision, copied.Assert(decision))
		refusedAs(t, err, problem.PasskeyHeld)
		if v := mailed(t, w, "verifier_held"); v["objection"] == "" {
			t.Errorf("the notice says %v", v)
		}
		if got := acts(t, p, audit.VerifierHold); got["done"] != 1 {
			t.Errorf("the trail says %v", got)
		}
		_, err = p.phone.Send(p.phone.Decision(made.Offer, transaction.Yes, testkit.ByFinger))
		refusedAs(t, err, problem.PasskeyHeld)
		_, err = p.phone.Send(p.phone.Decision(made.Offer, transaction.Yes))
		refusedAs(t, err, problem.DecisionRefused)
		if list := p.phone.Transactions().Verifiers; len(list) != 1 || list[0].State != passkey.Held {
			t.Errorf("the phone is told of %+v", list)
		}
		if s, err := p.phone.Send(p.phone.Decision(made.Offer, transaction.No)); err != nil || s != transaction.Rejected {
			t.Errorf("a rejection: %s, %v", s, err)
		}
		// The way out: another registration, which waits.
		if err := p.phone.SetVerifier(counting()); err != nil {
			t.Fatal(err)
		}
		made = p.order()
		if _, err := p.phone.Send(p.phone.Decision(made.Offer, transaction.Yes, testkit.ByFinger)); problem.KindOf(err) != problem.DecisionRefused {
			t.Errorf("one that still waits: %v", err)
		}
		w.Clock.Move(w.Policy.CoolingOff)
		made = p.order()
		if s, err := p.phone.Send(p.phone.Decision(made.Offer, transaction.Yes, testkit.ByFinger)); err != nil || s != transaction.Approved {
			t.Errorf("one that has waited: %s, %v", s, err)
		}
	})
}

// Whoever holds the unlocked phone, or its key, does not put his own finger in the place of hers unnoticed, and does not take hers away.
func TestNobodyPutsHisOwnFingerInSilently(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		p := fingered(w, 1)
		hers := p.phone.Finger
		his := counting()

		word, created := p.phone.Verifier(his)
		_, err := w.SetVerifier(ctx, p.phone.Proof("PUT", "/v1/verifier", created), word, created, his.Assert(word))
		refusedAs(t, err, problem.PasskeyRefused) // confirmed by itself
		removal := p.phone.Removal()
		for name, assertion := range map[string]string{"none": "", "his": his.Assert(removal), "hers, of a decision": hers.Copy().Assert(p.phone.Decision(p.order().Offer, transaction.Yes, testkit.ByFinger))} {
			if err := w.RemoveVerifier(ctx, p.phone.Proof("POST", "/v1/verifier/removal", nil), removal, assertion); problem.KindOf(err) != problem.PasskeyRefused {
				t.Errorf("a removal with %s: %v", name, err)
			}
		}

		if err := p.phone.SetVerifier(his); err != nil {
			t.Fatal(err)
		}
		v := mailed(t, w, "verifier_resting")
		if at, err := time.Parse(time.RFC3339, v["usable"]); err != nil || at.Before(w.Clock.Now().Add(w.Policy.CoolingOff-time.Minute)) || v["objection"] == "" {
			t.Fatalf("the notice says %v", v)
		}
		if list := p.phone.Transactions().Verifiers; len(list) != 2 || list[0].State != passkey.Active || list[1].State != passkey.Resting {
			t.Errorf("the phone is told of %+v", list)
		}
		offer := p.phone.Transactions().Pending[0].Offer
		if _, err := p.phone.Send(p.phone.Decision(offer, transaction.Yes, testkit.ByFinger)); problem.KindOf(err) != problem.DecisionRefused {
			t.Errorf("his finger while it waits: %v", err)
		}
		decision := p.phone.Decision(offer, transaction.Yes, testkit.ByFinger)
		if s, err := p.phone.SendWith(decision, hers.Assert(decision)); err != nil || s != transaction.Approved {
			t.Errorf("hers meanwhile: %s, %v", s, err)
		}
		// She reads the mail and says that it was not her: his never comes into force.
		if err := w.Object(ctx, audit.Actor{Kind: audit.Stranger, Source: "192.0.2.0/24"}, v["objection"]); err != nil {
			t.Fatal(err)
		}
		if err := w.RestartService(ctx, p.ref); err != nil {
			t.Fatal(err)
		}
		w.Clock.Move(w.Policy.CoolingOff + time.Minute)
		made := p.order()
		if _, err := p.phone.Send(p.phone.Decision(made.Offer, transaction.Yes, testkit.ByFinger)); problem.KindOf(err) != problem.PasskeyHeld {
			t.Errorf("his finger after her word: %v", err)
		}
		decision = p.phone.Decision(made.Offer, transaction.Yes, testkit.ByFinger)
		if s, err := p.phone.SendWith(decision, hers.Assert(decision)); err != nil || s != transaction.Approved {
			t.Errorf("hers after all: %s, %v", s, err)
		}
	})
}

// With her own finger she replaces it at once, and takes it away; each time every address is told. What is gone confirms nothing.
func TestFingerIsReplacedAndRemoved(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		p := fingered(w, 1)
		first, second := p.phone.Finger, counting()
		word, created := p.phone.Verifier(second)
		set := func() (authority.Verifier, error) {
			return w.SetVerifier(ctx, p.phone.Proof("PUT", "/v1/verifier", created), word, created, first.Assert(word))
		}
		v, err := set()
		if err != nil || v.State != passkey.Active {
			t.Fatalf("replacing: %+v, %v", v, err)
		}
		if again, err := set(); err != nil || !again.Since.Equal(v.Since) { // the answer was lost
			t.Errorf("sent again: %+v, %v", again, err)
		}
		if m := mailed(t, w, "verifier_replaced"); m["objection"] == "" {
			t.Errorf("the notice says %v", m)
		}
		made := p.order()
		old := p.phone.Decision(made.Offer, transaction.Yes, testkit.ByFinger)
		if _, err := p.phone.SendWith(old, first.Assert(old)); problem.KindOf(err) != problem.DecisionRefused {
			t.Errorf("the one before: %v", err)
		}
		p.phone.Finger = second
		if s, err := p.phone.Send(p.phone.Decision(made.Offer, transaction.Yes, testkit.ByFinger)); err != nil || s != transaction.Approved {
			t.Fatalf("the new one: %s, %v", s, err)
		}
		removal := p.phone.Removal()
		for range 2 { // the answer was lost
			if err := w.RemoveVerifier(ctx, p.phone.Proof("POST", "/v1/verifier/removal", nil), removal, second.Assert(removal)); err != nil {
				t.Fatalf("removing: %v", err)
			}
		}
		if m := mailed(t, w, "verifier_removed"); m["objection"] == "" {
			t.Errorf("the notice says %v", m)
		}
		made = p.order()
		if _, err := p.phone.Send(p.phone.Decision(made.Offer, transaction.Yes, testkit.ByFinger)); problem.KindOf(err) != problem.DecisionRefused {
			t.Errorf("one that was removed: %v", err)
		}
		if s, err := p.phone.Send(p.phone.Decision(made.Offer, transaction.Yes)); err != nil || s != transaction.Approved {
			t.Errorf("as before: %s, %v", s, err)
		}
	})
}

// What is not what it says it is registers nothing.
func TestRegistrationsOfAFingerThatDoNotHold(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		p, other := newPayer(w, 1), newPayer(w, 2)
		for name, try := range map[string]func() (string, []byte){
			"a word of another token's": func() (string, []byte) {
				_, created := p.phone.Verifier(counting())
				word, _ := other.phone.Verifier(counting())
				return word, created
			},
			"a word about another token": func() (string, []byte) {
				return p.phone.Verifier(counting(), func(v *signing.Verifier) { v.Token = other.phone.Answer.Token })
			},
			"a word about another credential": func() (string, []byte) {
				return p.phone.Verifier(counting(), func(v *signing.Verifier) { v.Credential = "AAAAAAAAAAAAAAAAAAAAAA" })
			},
			"a word about another key": func() (string, []byte) {
				return p.phone.Verifier(counting(), func(v *signing.Verifier) { v.Key, _ = signing.JWKOf(&p.phone.Signing.PublicKey) })
			},
			"an old word": func() (string, []byte) {
				return p.phone.Verifier(counting(), func(v *signing.Verifier) { v.Time = v.Time.Add(-time.Hour) })
			},
			"a challenge for another token": func() (string, []byte) {
				word, _ := p.phone.Verifier(counting())
				_, created := other.phone.Verifier(counting())
				return word, created
			},
			"a user who was not verified": func() (string, []byte) {
				a := counting()
				a.Flags = testkit.UserPresent
				return p.phone.Verifier(a)
			},
			"another origin": func() (string, []byte) {
				a := counting()
				a.Origin = "https://token.bank.example.evil.example"
				return p.phone.Verifier(a)
			},
			"another party": func() (string, []byte) {
				a := counting()
				a.PartyID = "login.bank.example"
				return p.phone.Verifier(a)
			},
			"nothing": func() (string, []byte) { return "", []byte("{}") },
		} {
			word, created := try()
			if _, err := w.SetVerifier(ctx, p.phone.Proof("PUT", "/v1/verifier", created), word, created, ""); problem.KindOf(err) != problem.PasskeyRefused {
				t.Errorf("%s: %v", name, err)
			}
		}
		word, created := p.phone.Verifier(counting())
		proof := p.phone.Proof("PUT", "/v1/verifier", created)
		proof.Body = []byte("another body")
		_, err := w.SetVerifier(ctx, proof, word, created, "")
		refusedAs(t, err, problem.ProofRefused)
		if list := p.phone.Transactions().Verifiers; len(list) != 0 {
			t.Errorf("the phone is told of %+v", list)
		}
		if got := acts(t, p, audit.VerifierSet); got["done"] != 0 || got["refused passkey-refused"] < 9 {
			t.Errorf("the trail says %v", got)
		}
	})
}

// A template that asks for the finger is approved with it and not without, and by no offline code.
func TestTemplateThatAsksForTheFinger(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		p := newPayer(w, 1)
		strict := w.Demanding()
		p.World, p.phone.W = strict, strict
		made := p.order()
		for name, change := range map[string]func(d *transaction.Decision){"none": func(*transaction.Decision) {}, "pin": func(d *transaction.Decision) { d.Verification = transaction.ByPIN }, "webauthn": testkit.ByFinger} {
			if _, err := p.phone.Send(p.phone.Decision(made.Offer, transaction.Yes, change)); problem.KindOf(err) != problem.DecisionRefused {
				t.Errorf("without a finger, %s: %v", name, err)
			}
		}
		_, err := strict.ConfirmOffline(t.Context(), internetBank, made.ID, p.phone.Offline(made.Offer))
		refusedAs(t, err, problem.OfflineUnfit)
		if err := p.phone.SetVerifier(counting()); err != nil {
			t.Fatal(err)
		}
		if s, err := p.phone.Send(p.phone.Decision(made.Offer, transaction.Yes, testkit.ByFinger)); err != nil || s != transaction.Approved {
			t.Fatalf("with the finger, registered meanwhile: %s, %v", s, err)
		}
		if s, err := p.phone.Send(p.phone.Decision(p.order().Offer, transaction.NotMe)); err != nil || s != transaction.Reported {
			t.Errorf("a report: %s, %v", s, err)
		}
	})
}

// Without a network the finger is asked as well: it travels with the kept decision, and the evidence rises with it.
func TestFingerWithoutANetwork(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		p := fingered(w, 1)
		made := p.order()
		kept := p.phone.Decision(made.Offer, transaction.Yes, testkit.ByFinger)
		assertion := p.phone.Finger.Assert(kept)
		if x, err := w.ConfirmOffline(ctx, internetBank, made.ID, p.phone.Offline(made.Offer)); err != nil || x.Grade != transaction.GradeB {
			t.Fatalf("the code: %s, %v", x.Grade, err)
		}
		if _, err := w.ConsumeTransaction(ctx, internetBank, made.ID, p.execution("exec-1")); err != nil {
			t.Fatal(err)
		}
		// A later approval is sent before the kept one: its counter has gone on, and that is no copy.
		if _, err := p.phone.Send(p.phone.Decision(p.order().Offer, transaction.Yes, testkit.ByFinger)); err != nil {
			t.Fatal(err)
		}
		bare := p.phone.Decision(made.Offer, transaction.Yes)
		if _, err := p.phone.SendWith(bare, ""); problem.KindOf(err) != problem.DecisionRefused {
			t.Errorf("without the finger the evidence rises: %v", err)
		}
		if s, err := p.phone.SendWith(kept, assertion); err != nil || s != transaction.Approved {
			t.Fatalf("the kept one: %s, %v", s, err)
		}
		e, err := w.Evidence(ctx, internetBank, made.ID)
		if err != nil {
			t.Fatal(err)
		}
		if f, err := e.Verify(w.Keys.Issuer().RootThumbprint); err != nil || f.Grade != transaction.GradeA || f.Verifier == nil {
			t.Errorf("the evidence: %v, %+v", err, f)
		}
	})
}

// Approvals that arrive together share a write. One that was made with a copy stops that finger alone; the others are approved, each once, however often they are sent.
func TestConfirmedApprovalsThatArriveTogether(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		type asked struct {
			*payer
			made                authority.Transaction
			decision, assertion string
		}
		var payers []*payer
		for n := range 6 { // the clock goes on meanwhile
			payers = append(payers, fingered(w, n+1))
		}
		var all []asked
		for n, p := range payers {
			copied := p.phone.Finger.Copy()
			if _, err := p.phone.Send(p.phone.Decision(p.order().Offer, transaction.Yes, testkit.ByFinger)); err != nil {
				t.Fatal(err)
			}
			made := p.order()
			d := p.phone.Decision(made.Offer, transaction.Yes, testkit.ByFinger)
			finger := p.phone.Finger
			if n == 0 {
				finger = copied
			}
			all = append(all, asked{p, made, d, finger.Assert(d)})
		}
		var wg sync.WaitGroup
		for n, x := range all {
			for range 3 {
				proof := x.phone.Proof("POST", "/v1/decisions", []byte(x.decision))
				wg.Go(func() {
					s, _, err := w.Decide(t.Context(), proof, x.decision, x.assertion)
					if n == 0 && problem.KindOf(err) != problem.PasskeyHeld || n > 0 && (err != nil || s != transaction.Approved) {
						t.Errorf("customer %d: %s, %v", n, s, err)
					}
				})
			}
		}
		wg.Wait()
		for n, x := range all {
			want := map[bool]int{true: 1}[n == 0]
			if got := acts(t, x.payer, audit.VerifierHold); got["done"] != want {
				t.Errorf("customer %d: the trail says %v", n, got)
			}
			e, err := w.Evidence(t.Context(), internetBank, x.made.ID)
			if err != nil {
				t.Fatal(err)
			}
			if f, err := e.Verify(w.Keys.Issuer().RootThumbprint); err != nil || (f.Verifier != nil) != (n > 0) {
				t.Errorf("customer %d: the evidence: %v", n, err)
			}
		}
	})
}
