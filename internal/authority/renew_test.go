package authority_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/connector/keys"
	"github.com/inkan-auth/inkan/internal/domain/policy"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/renewal"
	"github.com/inkan-auth/inkan/internal/domain/signing"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
	"github.com/inkan-auth/inkan/internal/testkit"
)

const day = 24 * time.Hour

// until moves the clock to so long before the date of a phone's token; a negative time is after it.
func until(w *testkit.World, p *testkit.Phone, left time.Duration) {
	w.Clock.Move(expiry(w, p).Add(-left).Sub(w.Clock.Now()))
}

// tokenRow is the token of a phone.
func tokenRow(w *testkit.World, p *testkit.Phone) db.Token {
	w.T.Helper()
	row, err := w.Store.Reader().TokenByID(w.T.Context(), p.Answer.Token)
	if err != nil {
		w.T.Fatal(err)
	}
	return row
}

func expiry(w *testkit.World, p *testkit.Phone) time.Time {
	return store.Time(tokenRow(w, p).ExpiresAt)
}

// enrolled is a customer with a token.
func enrolled(w *testkit.World, n int) (id string, p *testkit.Phone) {
	w.T.Helper()
	id = w.Person(n, false)
	return id, w.LogIn(id, authority.PC).Enrol()
}

// near is a customer with a token that comes near its date.
func near(w *testkit.World, n int) (id string, p *testkit.Phone) {
	w.T.Helper()
	id = w.Person(n, false)
	p = w.LogIn(id, authority.PC).Enrol()
	until(w, p, 179*day)
	return id, p
}

// short runs a test where tokens live so shortly that they may be renewed from the first day.
func short(t *testing.T, f func(t *testing.T, w *testkit.World)) {
	life := func(p *policy.Policy) { p.TokenLife = 100 * day }
	for name, engine := range map[string]func(testing.TB) *store.Store{"sqlite": testkit.SQLite, "postgres": testkit.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, testkit.New(t, engine(t), life))
		})
	}
}

// set moves a token to a state by hand.
func set(w *testkit.World, p *testkit.Phone, state, from token.State) error {
	ended := int64(0)
	if state == token.Revoked || state == token.Replaced {
		ended = store.Micros(w.Clock.Now())
	}
	return w.ByHand(w.T.Context(), func(ctx context.Context, tx *store.Tx) error {
		return store.Must(tx.SetTokenState(ctx, db.SetTokenStateParams{ID: p.Answer.Token, State: string(state), State_2: string(from), EndedAt: ended}))
	})
}

// entered says whether a code of this phone opens a door: the bank's own, which costs no password.
func entered(w *testkit.World, id string, p *testkit.Phone) error {
	w.T.Helper()
	w.Clock.Move(2 * time.Minute) // whatever code was used is over
	c, err := w.Store.Reader().CustomerByLoginID(w.T.Context(), id)
	if err != nil {
		w.T.Fatal(err)
	}
	return w.VerifyOTP(w.T.Context(), theBank, c.Ref, p.Code())
}

// proves has a phone prove itself.
func proves(w *testkit.World, p *testkit.Phone) error {
	_, err := w.ReadToken(w.T.Context(), p.Proof("GET", "/v1/token", nil))
	return err
}

// The whole road (M-14): before the time it is closed, then the keys are really other ones, and between the two requests nothing has changed.
func TestRenewal(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		id := w.Person(1, false)
		p := w.LogIn(id, authority.PC).Enrol()
		until(w, p, 180*day+time.Second)
		early := want(t, "before the time", p.Next("").Ask(), problem.RenewalEarly)
		if at, _ := early.Values["from"].(time.Time); !at.Equal(expiry(w, p).Add(-180 * day)) {
			t.Errorf("it says from %v", early.Values["from"])
		}
		w.Clock.Move(2 * time.Second)
		before := tokenRow(w, p)
		old := *p
		next := p.Next("")
		want(t, "R1", next.Ask(), "")
		answer := next.Answer
		want(t, "R1 again", next.Ask(), "")
		if next.Answer != answer {
			t.Error("the same request was answered otherwise")
		}
		if got := tokenRow(w, p); !bytes.Equal(got.SigningKey, before.SigningKey) || got.ExpiresAt != before.ExpiresAt || !bytes.Equal(got.OtpKey, before.OtpKey) {
			t.Error("R1 has changed the token")
		}
		want(t, "the keys in use, between", entered(w, id, p), "")
		want(t, "its proof, between", proves(w, p), "")
		want(t, "R2", next.Confirm(), "")
		receipt := next.Receipt
		w.Clock.Move(3 * time.Hour)
		want(t, "R2 again, much later", next.Confirm(), "")
		if next.Receipt != receipt {
			t.Error("another receipt")
		}
		next.Use()
		got := tokenRow(w, p)
		if got.Generation != 2 || got.State != string(token.Active) || !store.Time(got.ExpiresAt).After(store.Time(before.ExpiresAt).Add(2*365*day)) {
			t.Errorf("the token is %s of generation %d until %v", got.State, got.Generation, store.Time(got.ExpiresAt))
		}
		want(t, "the old code", entered(w, id, &old), problem.OTPWrong)
		want(t, "the new code", entered(w, id, p), "")
		w.Clock.Move(time.Minute)
		want(t, "the new code at the log-in", w.LogIn(id, authority.PC).Code(p.Code()), "")
		want(t, "the old proof", proves(w, &old), problem.KeyRenewed)
		want(t, "the new proof", proves(w, p), "")
		c, err := w.Store.Reader().CoolingOf(t.Context(), db.CoolingOfParams{Customer: got.Customer, Until: store.Micros(w.Clock.Now().Add(-day))})
		if err != nil || !slices.ContainsFunc(c, func(c db.Cooling) bool {
			return c.Change == string(authority.TokenRenewed) && c.Approved && c.Object == got.ID
		}) {
			t.Errorf("cooling-off: %v, %v", c, err)
		}
		if n, err := w.Store.Reader().DownloadsSince(t.Context(), db.DownloadsSinceParams{Customer: got.Customer}); err != nil || n != 1 {
			t.Errorf("%d downloads, %v: a renewal is none", n, err)
		}
		_, err = w.DeliverDue(t.Context())
		want(t, "delivering", err, "")
		var said map[string]string
		for _, m := range w.Post.Sent() {
			if m.Subject == "token_renewed" {
				want(t, "the notice", json.Unmarshal([]byte(m.Body), &said), "")
			}
		}
		if said["objection"] == "" || said["expires_on"] != store.Time(got.ExpiresAt).Format(time.RFC3339) {
			t.Errorf("the notice says %v", said)
		}
		want(t, "at once again", p.Renew(""), problem.RenewalEarly)
		until(w, p, 30*day)
		want(t, "the next renewal", p.Renew(""), "")
		if g := tokenRow(w, p).Generation; g != 3 {
			t.Errorf("generation %d", g)
		}
	})
}

// The code that R2 has used is of the step before, so the one on the screen stays good for the customer.
func TestTheCodeOnTheScreenSurvivesARenewal(t *testing.T) {
	w := testkit.New(t, testkit.SQLite(t))
	id, p := near(w, 1)
	b := w.LogIn(id, authority.PC)
	want(t, "the renewal", p.Renew(""), "")
	want(t, "the code of this minute", b.Code(p.Code()), "")
}

// A phone may be killed, and an answer may be lost, at every arrow: it goes on from what it has stored, and there is always exactly one set of keys that opens.
func TestLostAnswersOfARenewal(t *testing.T) {
	short(t, func(t *testing.T, w *testkit.World) {
		usable := func(id, when string, yes, no *testkit.Phone) {
			t.Helper()
			want(t, when+": the usable code", entered(w, id, yes), "")
			if no != nil {
				want(t, when+": the other code", entered(w, id, no), problem.OTPWrong)
			}
		}
		for i, arrow := range []string{"before R1", "R1 never arrives", "the answer to R1 is lost", "before R2", "R2 never arrives", "the receipt is lost", "all of it twice"} {
			id, p := enrolled(w, 10+i)
			old := *p
			next := p.Next("") // stored before it is sent
			switch i {
			case 0, 1:
				usable(id, arrow, p, nil)
			case 2:
				_, err := w.Renew(t.Context(), "198.51.100.0/24", next.Request)
				want(t, arrow, err, "")
				usable(id, arrow, p, nil)
			case 3, 4:
				want(t, arrow, next.Ask(), "")
				usable(id, arrow, p, nil)
			case 5:
				want(t, arrow, next.Ask(), "")
				want(t, arrow, next.Confirm(), "")
				next.Receipt = ""
			case 6:
				for range 2 {
					want(t, arrow, next.Ask(), "")
				}
				for range 2 {
					want(t, arrow, next.Confirm(), "")
				}
			}
			// It comes back, perhaps much later, and goes on.
			w.Clock.Move(7 * day)
			if next.Answer == "" {
				want(t, arrow+": R1", next.Ask(), "")
			}
			want(t, arrow+": R2", next.Confirm(), "")
			next.Use()
			usable(id, arrow, p, &old)
		}
		// Storage was lost between R1 and R2: another renewal takes its place.
		_, p := enrolled(w, 30)
		first := p.Next("")
		want(t, "the first", first.Ask(), "")
		second := p.Next("")
		want(t, "the second", second.Ask(), "")
		want(t, "the first again", first.Ask(), problem.RenewalNone)
		want(t, "the first, confirmed", first.Confirm(), problem.RenewalNone)
		want(t, "the second, confirmed", second.Confirm(), "")
		want(t, "the first, afterwards", first.Ask(), problem.KeyRenewed)
	})
}

// What is not the token's own, not of this time, or not in turn leads nowhere and changes nothing.
func TestAttacksOnRenewals(t *testing.T) {
	short(t, func(t *testing.T, w *testkit.World) {
		id, p := enrolled(w, 1)
		_, other := enrolled(w, 2)
		stranger := testkit.NewPhone(w)
		stranger.Answer = p.Answer
		want(t, "R1 by a stranger's key", stranger.Next("").Ask(), problem.ProofRefused)
		mixed := *p
		mixed.Answer.Token = other.Answer.Token
		want(t, "R1 for another token", mixed.Next("").Ask(), problem.ProofRefused)
		unknown := *p
		unknown.Answer.Token = "tok_00000000000000000000000000"
		want(t, "R1 of nobody", unknown.Next("").Ask(), problem.ProofRefused)
		want(t, "a generation jumped", p.Next("", func(r *signing.Renewal) { r.Generation = 3 }).Ask(), problem.RenewalRefused)
		want(t, "another issuer", p.Next("", func(r *signing.Renewal) { r.Issuer = "https://token.other.example" }).Ask(), problem.Malformed)
		same := p.Next("", func(r *signing.Renewal) { r.SigningKey, _ = signing.JWKOf(&p.Signing.PublicKey) })
		want(t, "a next key that nobody has shown", same.Ask(), problem.Malformed)

		never := p.Next("")
		never.Said, never.Keys, never.Answer = p.Answer, p.Keys, "none"
		want(t, "R2 without R1", never.Confirm(), problem.ProofRefused)
		next := p.Next("")
		want(t, "R1", next.Ask(), "")
		forged := *next
		forged.Signing = stranger.Signing
		want(t, "R2 by a stranger's key", forged.Confirm(), problem.ProofRefused)
		forged.Signing = p.Signing
		want(t, "R2 by the key in use", forged.Confirm(), problem.ProofRefused)
		confirm := func(code string) error {
			_, err := w.ConfirmRenewal(t.Context(), "198.51.100.0/24", next.Confirmation(code))
			return err
		}
		left := want(t, "R2 with a code of the key in use", confirm(p.CodeAt(-1)), problem.RenewalCodeWrong)
		if left.Values["tries_left"] != 2 {
			t.Errorf("%v", left.Values)
		}
		again := next.Confirmation("000000")
		for range 3 { // the same bytes are one try, however often they come
			_, err := w.ConfirmRenewal(t.Context(), "198.51.100.0/24", again)
			want(t, "the same wrong R2", err, problem.RenewalCodeWrong)
		}
		want(t, "the third wrong code", confirm(""), problem.RenewalBurnt)
		want(t, "the right code, afterwards", next.Confirm(), problem.RenewalBurnt)
		want(t, "the token that was not harmed", entered(w, id, p), "")
		wrongAnswer := p.Next("")
		want(t, "R1", wrongAnswer.Ask(), "")
		wrongAnswer.Answer += " "
		want(t, "R2 about another answer", wrongAnswer.Confirm(), problem.RenewalCodeWrong)
		want(t, "a renewal after the burnt one", p.Renew(""), "")

		// Twenty in a day, and no more.
		_, many := enrolled(w, 3)
		for range 20 {
			want(t, "one of many", many.Next("").Ask(), "")
		}
		want(t, "one too many", many.Next("").Ask(), problem.Throttled)
	})
}

// A lock, a stop of the service and an end of the token stay what they are: nothing is renewed, before R1 or between R1 and R2.
func TestRenewalLaundersNothing(t *testing.T) {
	short(t, func(t *testing.T, w *testkit.World) {
		for i, c := range []struct {
			state token.State
			kind  problem.Kind
		}{{token.Locked, problem.OTPLocked}, {token.Suspended, problem.TokenNone}, {token.Revoked, problem.TokenNone}, {token.Replaced, problem.TokenNone}} {
			_, p := enrolled(w, 1+i)
			next := p.Next("")
			want(t, "R1", next.Ask(), "")
			want(t, "by hand", set(w, p, c.state, token.Active), "")
			want(t, string(c.state)+": R2", next.Confirm(), c.kind)
			want(t, string(c.state)+": R1", p.Next("").Ask(), c.kind)
			until(w, p, -time.Hour) // its date does not make it an expired one
			want(t, string(c.state)+", past its date: R2", next.Confirm(), c.kind)
			want(t, string(c.state)+", past its date: R1", p.Next("12345678").Ask(), c.kind)
			if got := tokenRow(w, p); got.State != string(c.state) || got.Generation != 1 {
				t.Errorf("%s has become %s, generation %d", c.state, got.State, got.Generation)
			}
		}
		_, p := enrolled(w, 20)
		next := p.Next("")
		want(t, "R1", next.Ask(), "")
		row := tokenRow(w, p)
		want(t, "the stop", w.ByHand(t.Context(), func(ctx context.Context, tx *store.Tx) error {
			return store.Must(tx.StopCustomer(ctx, db.StopCustomerParams{ID: row.Customer, StoppedAt: store.Micros(w.Clock.Now())}))
		}), "")
		want(t, "R2 after the stop", next.Confirm(), problem.ServiceStopped)
		want(t, "R1 after the stop", p.Next("").Ask(), problem.ServiceStopped)
	})
}

// After its date a token shows nothing that opens, and its customer is led to the one thing that helps: both passwords, a mailed number, the phone with the old key.
func TestRenewalAfterTheDate(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		id, p := near(w, 1)
		begun := p.Next("")
		want(t, "R1 in time", begun.Ask(), "")
		until(w, p, time.Second)
		b := w.LogIn(id, authority.PC)
		step(t, b, authority.StepOTP)
		want(t, "asking for a number in time", w.OrderRenewal(t.Context(), b.Session, []byte(testkit.Confirm)), problem.TokenNone)
		w.Clock.Move(2 * time.Second)
		step(t, b, authority.StepRenew)
		want(t, "R2 after the date", begun.Confirm(), problem.RenewalNumberNeeded)
		want(t, "R1 without a number", p.Next("").Ask(), problem.RenewalNumberNeeded)
		want(t, "R1 with a number that nobody ordered", p.Next("12345678").Ask(), problem.RenewalNumberNeeded)
		b = w.LogIn(id, authority.PC)
		step(t, b, authority.StepRenew)
		want(t, "its code", b.Code(p.Code()), problem.TokenExpired)
		_, err := w.ChangePassword(t.Context(), b.Session, authority.LoginPassword, []byte(testkit.Login), []byte("aoi-sora-to-umi-9"), p.Code())
		want(t, "another password with nothing but the password", err, problem.StepUp)
		want(t, "an application with nothing but the password", w.Apply(t.Context(), b.Session, []byte(testkit.Confirm)), problem.StepUp)
		_, err = w.AskToStop(t.Context(), b.Session, []byte(testkit.Confirm))
		want(t, "a stop with nothing but the password", err, problem.StepUp)

		want(t, "the wrong confirmation password", w.OrderRenewal(t.Context(), b.Session, []byte("wrong")), problem.ConfirmRefused)
		want(t, "the order", w.OrderRenewal(t.Context(), b.Session, []byte(testkit.Confirm)), "")
		want(t, "another one at once", w.OrderRenewal(t.Context(), b.Session, []byte(testkit.Confirm)), problem.MailTooSoon)
		number := w.MailedRenewal()
		left := want(t, "a wrong number", p.Next("00000000").Ask(), problem.RenewalNumberWrong)
		if left.Values["tries_left"] != 4 {
			t.Errorf("%v", left.Values)
		}
		id2, other := near(w, 2)
		until(w, other, -time.Hour)
		b2 := w.LogIn(id2, authority.PC)
		want(t, "the order of another customer", w.OrderRenewal(t.Context(), b2.Session, []byte(testkit.Confirm)), "")
		hers := w.MailedRenewal()
		want(t, "another customer's number", other.Next(number).Ask(), problem.RenewalNumberWrong)

		id, p = id2, other // the day has gone on for the first
		next := p.Next(hers)
		want(t, "R1 with the number", next.Ask(), "")
		want(t, "the very same again", next.Ask(), "")
		want(t, "another request with a used number", p.Next(hers).Ask(), problem.RenewalNumberNeeded)
		w.Clock.Move(3 * time.Second)
		step(t, b2, authority.StepRenew)
		want(t, "R2", next.Confirm(), "")
		next.Use()
		step(t, b2, authority.StepOTP)
		want(t, "the new code", b2.Code(p.Code()), "")
		step(t, b2, authority.StepDone)
		if got := tokenRow(w, p); got.State != string(token.Active) || got.Generation != 2 {
			t.Errorf("%s, generation %d", got.State, got.Generation)
		}
		_ = id
	})
}

// The number has five tries, and after the time of grace there is none.
func TestTriesAndGraceOfAnExpiredToken(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		id, p := near(w, 1)
		until(w, p, -time.Hour)
		want(t, "the calendar", w.SweepDue(t.Context()), "")
		if got := tokenRow(w, p).State; got != string(token.Expired) {
			t.Fatalf("the token is %s", got)
		}
		b := w.LogIn(id, authority.PC)
		want(t, "the order", w.OrderRenewal(t.Context(), b.Session, []byte(testkit.Confirm)), "")
		number := w.MailedRenewal()
		same := p.Next("00000000")
		for range 3 {
			want(t, "the same wrong request", same.Ask(), problem.RenewalNumberWrong)
		}
		for i := range 3 {
			want(t, "a wrong number", p.Next(fmt.Sprintf("0000000%d", 1+i)).Ask(), problem.RenewalNumberWrong)
		}
		want(t, "the fifth", p.Next("00000009").Ask(), problem.RenewalNumberBurnt)
		want(t, "the right one, burnt", p.Next(number).Ask(), problem.RenewalNumberBurnt)
		w.Clock.Move(2 * time.Minute)
		want(t, "another number", w.OrderRenewal(t.Context(), b.Session, []byte(testkit.Confirm)), "")
		fresh := w.MailedRenewal()
		want(t, "the number before", p.Next(number).Ask(), problem.RenewalNumberWrong)
		w.Clock.Move(25 * time.Hour)
		want(t, "a number of the day before", p.Next(fresh).Ask(), problem.RenewalNumberNeeded)
		b = w.LogIn(id, authority.PC)
		want(t, "a third number", w.OrderRenewal(t.Context(), b.Session, []byte(testkit.Confirm)), "")
		fresh = w.MailedRenewal()
		next := p.Next(fresh)
		want(t, "R1", next.Ask(), "")
		until(w, p, -90*day)
		want(t, "R2 after the grace", next.Confirm(), problem.RenewalLate)
		want(t, "R1 after the grace", p.Next(fresh).Ask(), problem.RenewalLate)
		b = w.LogIn(id, authority.PC)
		step(t, b, authority.StepRenew)
		want(t, "a number after the grace", w.OrderRenewal(t.Context(), b.Session, []byte(testkit.Confirm)), problem.RenewalLate)
		if got := tokenRow(w, p); got.State != string(token.Expired) || got.Generation != 1 {
			t.Errorf("%s, generation %d", got.State, got.Generation)
		}
	})
}

// Two hundred guesses at once evaluate five numbers.
func TestGuessesOfANumberTogether(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		id, p := near(w, 1)
		until(w, p, -time.Hour)
		b := w.LogIn(id, authority.PC)
		want(t, "the order", w.OrderRenewal(t.Context(), b.Session, []byte(testkit.Confirm)), "")
		w.MailedRenewal()
		requests := make([]*testkit.Next, 40)
		for i := range requests {
			requests[i] = p.Next(fmt.Sprintf("%08d", i))
		}
		counted := 0
		for _, err := range together(len(requests), func(i int) error { return requests[i].Ask() }) {
			switch k := problem.KindOf(err); {
			case k == problem.RenewalNumberWrong:
				counted++
			case k != problem.RenewalNumberBurnt && k != problem.RenewalNumberNeeded && k != problem.Throttled && k != problem.Conflict:
				t.Errorf("a guess: %v", err)
			}
		}
		row, err := w.Store.Reader().RenewalNumberOf(t.Context(), p.Answer.Token)
		if err != nil || row.Tries != 5 || row.State != "burnt" || counted != 4 {
			t.Errorf("%d tries, %s, %d were told that they were wrong; %v", row.Tries, row.State, counted, err)
		}
	})
}

// What a token signed under its keys before is verified as it was, and what it signs afterwards too: with the same user verification, whose word is of the keys before.
func TestEvidenceAcrossRenewals(t *testing.T) {
	short(t, func(t *testing.T, w *testkit.World) {
		p := newPayer(w, 1)
		want(t, "a finger", p.phone.SetVerifier(counting()), "")
		w.Clock.Move(time.Second)
		root := w.Keys.Issuer().RootThumbprint
		approve := func(what string) authority.Transaction {
			t.Helper()
			made := p.order()
			s, err := p.phone.Send(p.phone.Decision(made.Offer, transaction.Yes, testkit.ByFinger))
			want(t, what, err, "")
			if s != transaction.Approved {
				t.Fatalf("%s: %s", what, s)
			}
			_, err = w.ConsumeTransaction(t.Context(), internetBank, made.ID, p.execution("x"+made.ID[4:]))
			want(t, what+", carried out", err, "")
			return made
		}
		holds := func(what string, made authority.Transaction, generation int) transaction.Evidence {
			t.Helper()
			e, err := w.Evidence(t.Context(), internetBank, made.ID)
			want(t, what, err, "")
			file, err := json.Marshal(e)
			want(t, what, err, "")
			read, err := transaction.ParseEvidence(file)
			want(t, what, err, "")
			f, err := read.Verify(root)
			if err != nil || f.Token.Generation != generation || f.Grade != transaction.GradeA || f.Verifier == nil {
				t.Fatalf("%s: %v, generation %d, grade %s, verifier %v", what, err, f.Token.Generation, f.Grade, f.Verifier)
			}
			return e
		}
		first := approve("before")
		holds("before, evidence at once", first, 1)
		w.Clock.Move(day)
		old := *p.phone
		want(t, "the renewal", p.phone.Renew(""), "")
		holds("before, evidence after the renewal", first, 1)
		second := approve("after")
		e := holds("after", second, 2)
		if e.VerifierCertificate == "" {
			t.Fatal("the evidence does not say under which keys its verifier was registered")
		}
		w.Clock.Move(day)
		want(t, "the second renewal", p.phone.Renew(""), "")
		third := approve("after the second")
		holds("before, after two renewals", first, 1)
		holds("between, after two renewals", second, 2)
		e = holds("after both", third, 3)

		for name, change := range map[string]func(e *transaction.Evidence){
			"no word on the keys before":   func(e *transaction.Evidence) { e.VerifierCertificate, e.VerifierKey = "", nil },
			"another key":                  func(e *transaction.Evidence) { e.VerifierKey = e.DeviceKey },
			"a certificate of another key": func(e *transaction.Evidence) { e.VerifierCertificate = e.Certificate; e.VerifierKey = e.DeviceKey },
			"a forged issuer":              func(e *transaction.Evidence) { e.VerifierIssuer = e.Certificate },
		} {
			broken := e
			change(&broken)
			var b *transaction.Break
			if _, err := broken.Verify(root); !errors.As(err, &b) {
				t.Errorf("%s: %v", name, err)
			}
		}

		// A decision signed before the renewal arrives after it: refused, and said why; the app asks again.
		made := p.order()
		w.Clock.Move(day)
		made = p.order()
		old = *p.phone
		late := old.Decision(made.Offer, transaction.Yes, testkit.ByFinger)
		want(t, "the third renewal", p.phone.Renew(""), "")
		_, err := old.Send(late)
		want(t, "sent with the old key's proof", err, problem.KeyRenewed)
		_, err = p.phone.Send(late)
		want(t, "sent with the new key's proof", err, problem.KeyRenewed)
		p.phone.Decisions, p.phone.Previous = old.Decisions, old.Previous
		s, err := p.phone.Send(p.phone.Decision(made.Offer, transaction.Yes, testkit.ByFinger))
		if err != nil || s != transaction.Approved {
			t.Errorf("signed again: %s, %v", s, err)
		}

		// An approval that was taken before the renewal, whose answer was lost, is answered as it was.
		w.Clock.Move(time.Hour)
		made = p.order()
		w.Clock.Move(day)
		made = p.order()
		taken := p.phone.Decision(made.Offer, transaction.Yes, testkit.ByFinger)
		_, err = p.phone.Send(taken)
		want(t, "taken in time", err, "")
		want(t, "the fourth renewal", p.phone.Renew(""), "")
		if s, err := p.phone.Send(taken); err != nil || s != transaction.Approved {
			t.Errorf("the same decision after the renewal: %s, %v", s, err)
		}
	})
}

// A renewal brings a certificate of the issuer key of its day. What the token signs then is verified with it, and its verifier, registered under the one before, with that one's word.
func TestARenewalCrossesTheChangeOfTheIssuerKey(t *testing.T) {
	short(t, func(t *testing.T, w *testkit.World) {
		p := newPayer(w, 1)
		want(t, "a finger", p.phone.SetVerifier(counting()), "")
		first := w.Keys.Issuer()
		dir, _ := testkit.KeyDirs.Load(w)
		file, err := os.ReadFile(filepath.Join(dir.(string), keys.RootFile))
		want(t, "the root", err, "")
		block, _ := pem.Decode(file)
		private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		want(t, "the root", err, "")
		root := private.(*ecdsa.PrivateKey)
		rootJWK, err := signing.JWKOf(&root.PublicKey)
		want(t, "the root", err, "")
		second, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		want(t, "another key", err, "")
		jwk, err := signing.JWKOf(&second.PublicKey)
		want(t, "another key", err, "")
		w.Clock.Move(48 * time.Hour)
		now := w.Clock.Now()
		word, err := signing.MakeIssuerKey(testkit.TokenOrigin, jwk, now, now.Add(365*day), rootJWK, raw(root))
		want(t, "the root's word", err, "")
		c := w.Config
		c.Keys = issued{c.Keys, signing.Issuer{Key: jwk, Kid: jwk.Thumbprint(), Envelope: word, RootThumbprint: first.RootThumbprint, Expires: now.Add(365 * day)}, raw(second)}
		if w.Authority, err = authority.New(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		verified := func(what string, generation int) {
			t.Helper()
			made := p.order()
			s, err := p.phone.Send(p.phone.Decision(made.Offer, transaction.Yes, testkit.ByFinger))
			want(t, what, err, "")
			e, err := w.Evidence(t.Context(), internetBank, made.ID)
			want(t, what+": the evidence", err, "")
			f, err := e.Verify(first.RootThumbprint)
			if err != nil || s != transaction.Approved || f.Token.Generation != generation || f.Verifier == nil {
				t.Fatalf("%s: %s, %v, generation %d", what, s, err, f.Token.Generation)
			}
			if generation == 2 && (e.VerifierIssuer == "" || e.CertificateIssuer != "") || generation == 1 && e.CertificateIssuer == "" {
				t.Errorf("%s: the words for the issuer keys are not those that are needed", what)
			}
			w.Clock.Move(time.Hour)
		}
		verified("an offer of the second key to a token of the first", 1)
		// The phone reads its certificate with the first key no more.
		p.phone.Answer.Certificate = ""
		n := p.phone.Next("", func(r *signing.Renewal) { r.Generation = 2 })
		want(t, "R1", n.Ask(), "")
		want(t, "R2", n.Confirm(), "")
		n.Use()
		verified("after the renewal", 2)
	})
}

// What the statements of a renewal write is what its life allows.
func TestTheEndsOfARenewal(t *testing.T) {
	short(t, func(t *testing.T, w *testkit.World) {
		_, p := enrolled(w, 1)
		became := func(n *testkit.Next, on renewal.Event) {
			t.Helper()
			row, err := w.Store.Reader().RenewalOf(t.Context(), db.RenewalOfParams{Token: p.Answer.Token, ID: n.ID})
			if to, ok := renewal.Life.Next(renewal.Open, on); err != nil || !ok || row.State != string(to) || row.EndedAt == 0 {
				t.Errorf("after %s it is %s, %v", on, row.State, err)
			}
		}
		first, second, third := p.Next(""), p.Next(""), p.Next("")
		want(t, "the first", first.Ask(), "")
		want(t, "the second", second.Ask(), "")
		became(first, renewal.Supersede)
		for i := range 3 {
			_, err := w.ConfirmRenewal(t.Context(), "198.51.100.0/24", second.Confirmation(fmt.Sprint(i)))
			want(t, "a wrong code", err, map[bool]problem.Kind{true: problem.RenewalBurnt, false: problem.RenewalCodeWrong}[i == 2])
		}
		became(second, renewal.Burn)
		want(t, "the third", third.Ask(), "")
		want(t, "the third, confirmed", third.Confirm(), "")
		became(third, renewal.Confirm)
	})
}

// A node that has seen the old key does not go on believing it.
func TestAnotherNodeLearnsOfARenewal(t *testing.T) {
	short(t, func(t *testing.T, w *testkit.World) {
		p := newPayer(w, 1)
		w.Clock.Move(day)
		made := p.order() // this node remembers whom it has asked, with her key
		other := w.Another()
		old := *p.phone
		early := old.Decision(made.Offer, transaction.Yes)
		p.phone.W = other
		want(t, "the renewal on another node", p.phone.Renew(""), "")
		old.W, p.phone.W = w, w
		_, err := old.Send(early)
		want(t, "an approval by the old key", err, problem.KeyRenewed)
		p.phone.Decisions = old.Decisions
		if s, err := p.phone.Send(p.phone.Decision(made.Offer, transaction.Yes)); err != nil || s != transaction.Approved {
			t.Errorf("an approval by the new key: %s, %v", s, err)
		}
	})
}

// Renewal against everything else at once: in the end the token has exactly the keys that were confirmed, or none where its use was stopped; never two, never none.
func TestRenewalRaces(t *testing.T) {
	n := 25
	if os.Getenv("INKAN_TEST_LONG") != "" {
		n = 1000
	}
	short(t, func(t *testing.T, w *testkit.World) {
		nodes := []*testkit.World{w, w.Another()}
		id, p := enrolled(w, 1)
		for round := range rounds(t, n) {
			w.Clock.Move(time.Minute)
			old := *p
			a, b := p.Next(""), p.Next("")
			browser := w.LogIn(id, authority.PC)
			stop := round%4 == 3
			errs := together(6, func(i int) error {
				on := nodes[i%2]
				switch i {
				case 0, 1:
					next := []*testkit.Next{a, b}[i]
					got, err := on.Renew(t.Context(), "198.51.100.0/24", next.Request)
					if err != nil {
						return err
					}
					next.Take(got.Envelope)
					receipt, err := on.ConfirmRenewal(t.Context(), "198.51.100.0/24", next.Confirmation(next.CodeAt(-1)))
					next.Receipt = receipt.Envelope
					return err
				case 2, 3:
					_, err := on.Renew(t.Context(), "198.51.100.0/24", a.Request)
					return err
				case 4:
					_, _, err := on.LoginOTP(t.Context(), browser.Visit, browser.Session, old.Code())
					return err
				}
				if !stop {
					return nil
				}
				return set(on, p, token.Revoked, token.Active)
			})
			for i, err := range errs {
				if err != nil && problem.KindOf(err) == "" {
					t.Fatalf("round %d, %d: %v", round, i, err)
				}
			}
			row := tokenRow(w, p)
			confirmed := 0
			for _, next := range []*testkit.Next{a, b} {
				if next.Receipt == "" {
					continue
				}
				if confirmed++; !bytes.Equal(row.SigningKey, publicKey(t, next)) {
					t.Fatalf("round %d: a receipt for keys that are not in use", round)
				}
				next.Use()
			}
			switch {
			case confirmed > 1:
				t.Fatalf("round %d: two renewals have a receipt", round)
			case confirmed == 0 && !bytes.Equal(row.SigningKey, publicKeyOf(t, &old)):
				t.Fatalf("round %d: nobody has the keys in use: %v", round, errs)
			}
			if row.State == string(token.Revoked) { // her next one
				id, p = enrolled(w, 2+round)
				continue
			}
			want(t, "the keys in use", entered(w, id, p), "")
			if confirmed == 1 {
				want(t, "the keys before", entered(w, id, &old), problem.OTPWrong)
				want(t, "a right code", entered(w, id, p), "")
			}
		}
	})
}

func publicKey(t *testing.T, n *testkit.Next) []byte {
	t.Helper()
	k, err := signing.JWKOf(&n.Signing.PublicKey)
	want(t, "a key", err, "")
	return k[:]
}

func publicKeyOf(t *testing.T, p *testkit.Phone) []byte {
	t.Helper()
	k, err := signing.JWKOf(&p.Signing.PublicKey)
	want(t, "a key", err, "")
	return k[:]
}
