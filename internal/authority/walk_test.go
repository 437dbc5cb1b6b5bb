package authority_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/otp"
	"github.com/inkan-auth/inkan/internal/domain/policy"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// want fails unless err is a refusal of the kind ("" for none).
func want(t *testing.T, what string, err error, k problem.Kind) *problem.Error {
	t.Helper()
	p, _ := problem.Of(err)
	if problem.KindOf(err) != k || k == "" && err != nil {
		t.Fatalf("%s: got %v, want %q", what, err, k)
	}
	return p
}

func step(t *testing.T, b *testkit.Browser, want authority.Step) {
	t.Helper()
	got, err := b.W.NextStep(t.Context(), b.Session)
	if err != nil || got != want {
		t.Fatalf("next step = %q, %v, want %q", got, err, want)
	}
}

// The main job (M-06): apply, mail, register, start of use, and from then on always asked, on PC and phone (M-03).
func TestACustomerComesToUseHerToken(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		id := w.Person(1, false)
		pc := w.LogIn(id, authority.PC)
		step(t, pc, authority.StepDone) // on a PC she chooses
		smartphone := w.LogIn(id, authority.Smartphone)
		step(t, smartphone, authority.StepApply) // on a smartphone it is mandatory

		phone := pc.Registered()
		again := w.LogIn(id, authority.PC)
		step(t, again, authority.StepDone) // registered is not in use: nothing is demanded yet
		want(t, "start of use", pc.Start(phone.Code()), "")
		if pc.ACR() != authority.ACROneTimePassword {
			t.Errorf("acr after the start of use = %q", pc.ACR())
		}
		if _, err := w.SessionOf(t.Context(), again.Cookie.Session); problem.KindOf(err) != problem.SessionOver {
			t.Errorf("a session opened without a code lives on after the start of use: %v", err)
		}
		for _, c := range []authority.Channel{authority.PC, authority.Smartphone} {
			w.Clock.Move(time.Minute)
			b := w.LogIn(id, c)
			step(t, b, authority.StepOTP)
			want(t, "code", b.Code(phone.Code()), "")
			step(t, b, authority.StepDone)
		}
		v, err := w.TokenOf(t.Context(), pc.Session)
		if err != nil || v.Token == nil || v.Token.State != token.Active || v.Enrolment != nil {
			t.Errorf("TokenOf = %+v, %v", v, err)
		}
	})
}

func TestACodeIsGoodForOneUse(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		id := w.Person(1, false)
		phone := w.LogIn(id, authority.PC).Enrol()
		b := w.LogIn(id, authority.PC)
		p := want(t, "the code of the start of use", b.Code(phone.Code()), problem.OTPUsed)
		if wait := p.Values["wait"].(int); wait < 1 || wait > 60 {
			t.Errorf("wait = %d s", wait)
		}
		for range 20 { // a used code costs no try
			want(t, "used again", b.Code(phone.Code()), problem.OTPUsed)
		}
		w.Clock.Move(time.Minute)
		code := phone.Code()
		want(t, "the next code", b.Code(code), "")
		other := w.LogIn(id, authority.PC)
		want(t, "the same code in another browser", other.Code(code), problem.OTPUsed)
		w.Clock.Move(time.Minute)
		want(t, "the same code a minute later", other.Code(code), problem.OTPUsed)
		w.Clock.Move(2 * time.Minute)
		want(t, "the same code when it is not live any more", other.Code(code), problem.OTPWrong)
		w.Clock.Move(-3 * time.Minute)
		want(t, "a clock set back", other.Code(code), problem.OTPUsed)
	})
}

func TestFifthWrongCodeBlocksAndTenthLocks(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		id := w.Person(1, false)
		phone := w.LogIn(id, authority.PC).Enrol()
		w.Clock.Move(time.Minute)
		b := w.LogIn(id, authority.PC)
		for n := 4; n >= 1; n-- {
			p := want(t, "wrong code", b.Code(phone.Wrong()), problem.OTPWrong)
			if p.Values["tries_left"] != n {
				t.Errorf("tries left = %v, want %d", p.Values["tries_left"], n)
			}
		}
		p := want(t, "fifth wrong code", b.Code(phone.Wrong()), problem.FactorBlocked)
		if until := p.Values["until"].(time.Time); until.Sub(w.Clock.Now()) != 15*time.Minute {
			t.Errorf("blocked for %v, want 15m", until.Sub(w.Clock.Now()))
		}
		want(t, "the right code while blocked", b.Code(phone.Code()), problem.FactorBlocked)
		w.Clock.Move(14 * time.Minute)
		b = w.LogIn(id, authority.PC)
		want(t, "the right code while blocked", b.Code(phone.Code()), problem.FactorBlocked)
		w.Clock.Move(2 * time.Minute)
		for range 4 {
			want(t, "wrong code of the second round", b.Code(phone.Wrong()), problem.OTPWrong)
		}
		want(t, "tenth wrong code", b.Code(phone.Wrong()), problem.OTPLocked)
		w.Clock.Move(48 * time.Hour)
		b = w.LogIn(id, authority.PC)
		step(t, b, authority.StepOTP)
		want(t, "a lock does not pass with time", b.Code(phone.Code()), problem.OTPLocked)
		if _, err := w.DeliverDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		if sent := w.Post.Sent(); sent[len(sent)-1].Subject != "token_locked" {
			t.Errorf("the customer was not told of the lock: %v", sent[len(sent)-1].Subject)
		}
	})
}

// After a success the count begins anew.
func TestARightCodeGivesTheTriesBack(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		id := w.Person(1, false)
		phone := w.LogIn(id, authority.PC).Enrol()
		for range 4 {
			w.Clock.Move(time.Minute)
			b := w.LogIn(id, authority.PC)
			for range 4 {
				want(t, "wrong", b.Code(phone.Wrong()), problem.OTPWrong)
			}
			want(t, "right", b.Code(phone.Code()), "")
		}
	})
}

func TestMalformedCodesCostATry(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		id := w.Person(1, false)
		phone := w.LogIn(id, authority.PC).Enrol()
		w.Clock.Move(time.Minute)
		b := w.LogIn(id, authority.PC)
		code := phone.Code()
		for _, c := range []string{" " + code, code + "\n", "", "１２３４５６"} {
			want(t, "malformed "+c, b.Code(c), problem.OTPWrong)
		}
		want(t, "fifth", b.Code(code[:5]), problem.FactorBlocked)
	})
}

func TestAPhoneWithAWrongClock(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		id := w.Person(1, false)
		b := w.LogIn(id, authority.PC)
		phone := b.Registered()
		phone.Offset = 2 * time.Minute // more than the app leaves uncorrected
		want(t, "start of use", b.Start(phone.Code()), "")
		w.Clock.Move(time.Minute)
		b = w.LogIn(id, authority.PC)
		want(t, "login: the drift was learnt", b.Code(phone.Code()), "")
		w.Clock.Move(time.Minute)
		b = w.LogIn(id, authority.PC)
		phone.Offset = -2 * time.Minute
		want(t, "the window is not wide", b.Code(phone.Code()), problem.OTPWrong)
	})
}

func TestFirstPasswordsMustBeChanged(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		id := w.Person(1, true)
		b := w.LogIn(id, authority.Smartphone)
		step(t, b, authority.StepPasswords)
		ctx := t.Context()
		want(t, "applying before", w.Apply(ctx, b.Session, []byte(testkit.Confirm)), problem.StepUp)
		set := func(confirm, newLogin, newConfirm string) error {
			c, err := w.SetFirstPasswords(ctx, b.Session, []byte(confirm), []byte(newLogin), []byte(newConfirm))
			if err == nil {
				b.Session, err = w.SessionOf(ctx, c.Session)
			}
			return err
		}
		for _, bad := range [][3]string{
			{testkit.Confirm, "short", "another-good-1"}, {testkit.Confirm, "good-enough-1", "good-enough-1"}, {testkit.Confirm, "aaaaaaaaaaaa", "another-good-1"},
			{testkit.Confirm, "good-enough-1", "12345678"}, {testkit.Confirm, testkit.Login, "another-good-1"}, {testkit.Confirm, "good-enough-1", testkit.Confirm},
			{testkit.Confirm, "good-" + id, "another-good-1"},
		} {
			want(t, strings.Join(bad[1:], " "), set(bad[0], bad[1], bad[2]), problem.PasswordWeak)
		}
		want(t, "wrong confirmation password", set("wrong", "good-enough-1", "another-good-1"), problem.ConfirmRefused)
		want(t, "good ones", set(testkit.Confirm, "good-enough-1", "another-good-1"), "")
		step(t, b, authority.StepApply)
		want(t, "old password", b.Password(id, testkit.Login), problem.LoginRefused)
		want(t, "new password", b.Password(id, "good-enough-1"), "")
	})
}

// A stranger learns nothing: wrong name, wrong password, blocked and stopped are one refusal.
func TestStrangersAreToldOneThing(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		id := w.Person(1, false)
		b := &testkit.Browser{W: w, Visit: testkit.Visit(authority.PC)}
		want(t, "unknown name", b.Password("nobody-here", "x"), problem.LoginRefused)
		want(t, "impossible name", b.Password("\x00花", "x"), problem.LoginRefused)
		for range 5 {
			p := want(t, "wrong password", b.Password(id, "wrong"), problem.LoginRefused)
			if len(p.Values) != 0 {
				t.Errorf("a stranger is told %v", p.Values)
			}
		}
		want(t, "right password while strangers are blocked", b.Password(id, testkit.Login), problem.LoginRefused)
		w.Clock.Move(16 * time.Minute)
		want(t, "right password afterwards", b.Password(id, testkit.Login), "")
	})
}

// a flood from strangers does not keep out the browser that she uses every day.
func TestAKnownBrowserHasALaneOfItsOwn(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		id := w.Person(1, false)
		hers := w.LogIn(id, authority.PC)
		stranger := &testkit.Browser{W: w, Visit: testkit.Visit(authority.PC)}
		for range 12 {
			want(t, "stranger", stranger.Password(id, "wrong"), problem.LoginRefused)
		}
		want(t, "her own browser", hers.Password(id, testkit.Login), "")
		w.Clock.Move(time.Second)
		want(t, "a stranger with the right password", stranger.Password(id, testkit.Login), problem.LoginRefused)
	})
}

func TestRegistrationForgivesALostAnswer(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		id := w.Person(1, false)
		b := w.LogIn(id, authority.PC)
		want(t, "applying", w.Apply(ctx, b.Session, []byte(testkit.Confirm)), "")
		key, err := w.RegistrationKey(ctx, b.Session, false)
		want(t, "key", err, "")
		phone := testkit.NewPhone(w)
		request := phone.Scan(key.Link, w.MailedNumber())
		first, err := w.Register(ctx, testkit.Stranger(), request)
		want(t, "first", err, "")
		w.Clock.Move(30 * time.Minute) // long after the key has expired
		for range 10 {
			again, err := w.Register(ctx, testkit.Stranger(), request)
			if err != nil || again.Answer != first.Answer || !again.Repeated {
				t.Fatalf("the same request was answered otherwise: %v", err)
			}
		}
		phone.Take(request, first.Answer)
		want(t, "start of use", b.Password(id, testkit.Login), "")
		want(t, "start of use", b.Start(phone.Code()), "")
		another := testkit.NewPhone(w)
		_, err = w.Register(ctx, testkit.Stranger(), another.Scan(key.Link, w.MailedNumber()))
		want(t, "another phone with the same codes", err, problem.RegistrationRefused)
	})
}

func TestFiveWrongTriesBurnAnEnrolment(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		b := w.LogIn(w.Person(1, false), authority.PC)
		want(t, "applying", w.Apply(ctx, b.Session, []byte(testkit.Confirm)), "")
		key, _ := w.RegistrationKey(ctx, b.Session, false)
		number := w.MailedNumber()
		phone := testkit.NewPhone(w)
		for n := 4; n >= 1; n-- {
			request := phone.Scan(key.Link, "00000000")
			for range 3 { // the same request again, because its answer was lost, is the same try
				_, err := w.Register(ctx, testkit.Stranger(), request)
				if p := want(t, "wrong number", err, problem.RegistrationRefused); p.Values["tries_left"] != n {
					t.Errorf("tries left = %v, want %d", p.Values["tries_left"], n)
				}
			}
		}
		_, err := w.Register(ctx, testkit.Stranger(), phone.Typed("1234567890123436", number)) // laid to the enrolment by its number
		if problem.KindOf(err) == problem.Malformed {
			_, err = w.Register(ctx, testkit.Stranger(), phone.Scan(key.Link, "00000000"))
		}
		want(t, "fifth", err, problem.RegistrationBurnt)
		_, err = w.Register(ctx, testkit.Stranger(), phone.Scan(key.Link, number))
		want(t, "right codes afterwards", err, problem.RegistrationRefused)
		want(t, "applying anew", w.Apply(ctx, b.Session, []byte(testkit.Confirm)), "")
	})
}

func TestThreeWrongCodesBurnTheStartOfUse(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		b := w.LogIn(w.Person(1, false), authority.PC)
		phone := b.Registered()
		want(t, "1", b.Start(phone.Wrong()), problem.StartRefused)
		want(t, "2", b.Start("abc"), problem.StartRefused)
		want(t, "3", b.Start(phone.Wrong()), problem.StartBurnt)
		want(t, "right one afterwards", b.Start(phone.Code()), problem.EnrolmentNone)
		step(t, b, authority.StepDone)
	})
}

func TestKeysLiveTenMinutesAndOneAtATime(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		b := w.LogIn(w.Person(1, false), authority.PC)
		want(t, "applying", w.Apply(ctx, b.Session, []byte(testkit.Confirm)), "")
		first, _ := w.RegistrationKey(ctx, b.Session, false)
		same, _ := w.RegistrationKey(ctx, b.Session, false)
		if first != same {
			t.Error("a reload shows another key")
		}
		second, _ := w.RegistrationKey(ctx, b.Session, true)
		if second.Typed == first.Typed {
			t.Error("renewing shows the same key")
		}
		number := w.MailedNumber()
		phone := testkit.NewPhone(w)
		_, err := w.Register(ctx, testkit.Stranger(), phone.Typed(first.Typed, number))
		want(t, "the key before", err, problem.RegistrationRefused)
		w.Clock.Move(4 * time.Minute)
		if _, err := w.SessionOf(ctx, b.Cookie.Session); err != nil {
			t.Fatal(err)
		}
		w.Clock.Move(6*time.Minute + time.Second)
		_, err = w.Register(ctx, testkit.Stranger(), phone.Typed(second.Typed, number))
		want(t, "an expired key", err, problem.RegistrationRefused)
		b = w.LogIn("hanako01", authority.PC)
		third, err := w.RegistrationKey(ctx, b.Session, false)
		want(t, "a new key in place of the expired one", err, "")
		want(t, "typed registration", phone.Register(phone.Typed(third.Typed, number)), "")
	})
}

func TestADoubleClickAppliesOnce(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		b := w.LogIn(w.Person(1, false), authority.PC)
		errs := make(chan error, 8)
		for range cap(errs) {
			go func() { errs <- w.Apply(t.Context(), b.Session, []byte(testkit.Confirm)) }()
		}
		done := 0
		for range cap(errs) {
			if err := <-errs; err == nil {
				done++
			} else if problem.KindOf(err) != problem.EnrolmentOpen && problem.KindOf(err) != problem.Busy && problem.KindOf(err) != problem.FactorBlocked {
				t.Errorf("the other click: %v", err)
			}
		}
		if done != 1 {
			t.Errorf("%d applications, want 1", done)
		}
	})
}

func TestStoppingAndApplyingAgain(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		id := w.Person(1, false)
		b := w.LogIn(id, authority.PC)
		phone := b.Enrol()
		want(t, "applying with a token in use", w.Apply(ctx, b.Session, []byte(testkit.Confirm)), problem.TokenInUse)
		w.Clock.Move(time.Minute)
		_, err := w.AskToStop(ctx, b.Session, []byte("x"))
		want(t, "wrong confirmation", err, problem.ConfirmRefused)
		e, err := w.AskToStop(ctx, b.Session, []byte(testkit.Confirm))
		want(t, "asking", err, "")
		want(t, "stopping before the app has approved", w.StopToken(ctx, b.Session, e.ID), problem.TransactionNotApproved)
		b.Approve(e, phone, transaction.No)
		want(t, "stopping after the app has said no", w.StopToken(ctx, b.Session, e.ID), problem.TransactionNotApproved)
		want(t, "stopping", b.Stop(phone), "")
		b = w.LogIn(id, authority.PC)
		step(t, b, authority.StepDone)
		p := want(t, "applying at once", w.Apply(ctx, b.Session, []byte(testkit.Confirm)), problem.WaitingTime)
		if until := p.Values["until"].(time.Time); until.Sub(w.Clock.Now()) != 30*time.Minute {
			t.Errorf("waiting %v, want 30m", until.Sub(w.Clock.Now()))
		}
		w.Clock.Move(31 * time.Minute)
		b = w.LogIn(id, authority.PC)
		b.Enrol()
	})
}

func TestDownloadsAreCounted(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		id := w.Person(1, false)
		b := w.LogIn(id, authority.PC)
		for range w.Policy.Downloads {
			b.Registered()
			want(t, "cancelling", w.CancelEnrolment(ctx, b.Session), "")
		}
		want(t, "one more", w.Apply(ctx, b.Session, []byte(testkit.Confirm)), problem.DownloadsUsedUp)
		w.Clock.Move(366 * 24 * time.Hour)
		b = w.LogIn(id, authority.PC)
		b.Registered()
	})
}

func TestAnExpiredTokenIsNotCalledWrong(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		id := w.Person(1, false)
		phone := w.LogIn(id, authority.PC).Enrol()
		w.Clock.Move(w.Policy.TokenLife + time.Hour)
		b := w.LogIn(id, authority.PC)
		step(t, b, authority.StepRenew)
		want(t, "before any worker has run", b.Code(phone.Code()), problem.TokenExpired)
		want(t, "sweeping", w.SweepDue(t.Context()), "")
		want(t, "after", b.Code(phone.Code()), problem.TokenExpired)
	})
}

func TestSessionsEndByIdlenessAgeAndLogout(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		id := w.Person(1, false)
		b := w.LogIn(id, authority.PC)
		for range 14 { // kept alive, but not for ever
			w.Clock.Move(4 * time.Minute)
			if _, err := w.SessionOf(ctx, b.Cookie.Session); err != nil {
				t.Fatalf("an active session ended: %v", err)
			}
		}
		w.Clock.Move(4*time.Minute + time.Second)
		_, err := w.SessionOf(ctx, b.Cookie.Session)
		want(t, "after an hour", err, problem.SessionOver)
		b = w.LogIn(id, authority.PC)
		w.Clock.Move(5*time.Minute + time.Second)
		_, err = w.SessionOf(ctx, b.Cookie.Session)
		want(t, "idle", err, problem.SessionOver)
		b = w.LogIn(id, authority.PC)
		want(t, "logout", w.Logout(ctx, b.Session), "")
		_, err = w.SessionOf(ctx, b.Cookie.Session)
		want(t, "after logout", err, problem.SessionOver)
		for _, forged := range []string{"", "x", b.Cookie.Session[:42], b.Cookie.Session + "A", strings.ToLower(b.Cookie.Session)} {
			_, err = w.SessionOf(ctx, forged)
			want(t, "a mutated cookie", err, problem.SessionOver)
		}
	})
}

func TestEveryAuthenticationMakesANewSession(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		id := w.Person(1, false)
		phone := w.LogIn(id, authority.PC).Enrol()
		w.Clock.Move(time.Minute)
		b := w.LogIn(id, authority.PC)
		before := b.Cookie.Session
		want(t, "code", b.Code(phone.Code()), "")
		if _, err := w.SessionOf(t.Context(), before); problem.KindOf(err) != problem.SessionOver {
			t.Errorf("the session from before the code lives on: %v", err)
		}
	})
}

// asked counts the mails that left and that a customer asked for; what she is told of a new device is another matter.
func asked(w *testkit.World) (n int) {
	for _, m := range w.Post.Sent() {
		if m.Subject != "login_new_device" {
			n++
		}
	}
	return n
}

func TestMailWaitsForTheMailServerAndDiesWithWhatItSays(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		b := w.LogIn(w.Person(1, false), authority.PC)
		w.Post.Down(true)
		want(t, "applying while mail is down", w.Apply(ctx, b.Session, []byte(testkit.Confirm)), "")
		for range 20 {
			w.Clock.Move(30 * time.Second)
			if _, err := w.DeliverDue(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if n := asked(w); n != 0 {
			t.Fatalf("%d mails left", n)
		}
		w.Post.Down(false)
		w.Clock.Move(5 * time.Minute)
		w.MailedNumber()
		if n := asked(w); n != 1 {
			t.Fatalf("%d mails, want one", n)
		}

		w.Post.Down(true)
		b = w.LogIn("hanako01", authority.PC)
		want(t, "test mail", w.TestAddress(ctx, b.Session), "")
		w.Clock.Move(2 * time.Hour)
		w.Post.Down(false)
		if _, err := w.DeliverDue(ctx); err != nil {
			t.Fatal(err)
		}
		if n := asked(w); n != 1 {
			t.Errorf("a mail left after what it says had expired")
		}
	})
}

func TestABouncedAddressIsCorrectedAtOnceAndAWorkingOneIsNot(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		b := w.LogIn(w.Person(1, false), authority.PC)
		w.Post.Bounce("hanako1@mail.example.jp")
		want(t, "applying", w.Apply(ctx, b.Session, []byte(testkit.Confirm)), "")
		if _, err := w.DeliverDue(ctx); err != nil {
			t.Fatal(err)
		}
		v, err := w.TokenOf(ctx, b.Session)
		if err != nil || v.Mail.Reason != "bounced" || v.Address.State != "bounced" {
			t.Fatalf("the page cannot say that the mail bounced: %+v, %v", v, err)
		}
		atOnce, err := w.CorrectAddress(ctx, b.Session, []byte(testkit.Confirm), "hanako@new.example.jp")
		if err != nil || !atOnce {
			t.Fatalf("correcting a bounced address: %v, at once %v", err, atOnce)
		}
		key, _ := w.RegistrationKey(ctx, b.Session, false)
		phone := testkit.NewPhone(w)
		want(t, "registering with the new number", phone.Register(phone.Scan(key.Link, w.MailedNumber())), "")
		want(t, "cancelling", w.CancelEnrolment(ctx, b.Session), "")

		// The thief: he has both passwords and an open session, but not her mailbox.
		want(t, "applying", w.Apply(ctx, b.Session, []byte(testkit.Confirm)), "")
		atOnce, err = w.CorrectAddress(ctx, b.Session, []byte(testkit.Confirm), "thief@evil.example")
		if err != nil || atOnce {
			t.Fatalf("correcting a working address: %v, at once %v", err, atOnce)
		}
		want(t, "applying for the thief's address", w.Apply(ctx, b.Session, []byte(testkit.Confirm)), problem.WaitingTime)
		if _, err := w.DeliverDue(ctx); err != nil {
			t.Fatal(err)
		}
		told := false
		for _, m := range w.Post.Sent() {
			told = told || m.To == "hanako@new.example.jp" && m.Subject == "address_corrected"
			if m.To == "thief@evil.example" {
				t.Errorf("a mail %q went to the thief", m.Subject)
			}
		}
		if !told {
			t.Error("the old address was not told")
		}
	})
}

func TestAFenceKillsWhatWasIssuedBefore(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		id := w.Person(1, false)
		phone := w.LogIn(id, authority.PC).Enrol()
		w.Clock.Move(time.Minute)
		b := w.LogIn(id, authority.PC)
		other := w.LogIn(w.Person(2, false), authority.PC)
		want(t, "applying", w.Apply(ctx, other.Session, []byte(testkit.Confirm)), "")
		key, _ := w.RegistrationKey(ctx, other.Session, false)
		number := w.MailedNumber()
		code := phone.Code()
		want(t, "fence", w.RaiseFence(ctx), "")
		if _, err := w.SessionOf(ctx, b.Cookie.Session); problem.KindOf(err) != problem.SessionOver {
			t.Errorf("a session from before the fence lives: %v", err)
		}
		p := testkit.NewPhone(w)
		_, err := w.Register(ctx, testkit.Stranger(), p.Scan(key.Link, number))
		want(t, "a key from before the fence", err, problem.RegistrationRefused)
		w.Clock.Move(time.Second)
		b = w.LogIn(id, authority.PC)
		want(t, "a code from before the fence", b.Code(code), problem.OTPUsed)
		w.Clock.Move((otp.Reach + 1) * time.Minute)
		b = w.LogIn(id, authority.PC)
		want(t, "a code from after the fence", b.Code(phone.Code()), "")
	})
}

func TestAClockSetBackClosesEveryDoor(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		id := w.Person(1, false)
		w.LogIn(id, authority.PC)
		want(t, "writing the watermark", w.SweepOnce(t.Context(), "me"), "")
		want(t, "reading it", w.Ready(t.Context()), "")
		w.Clock.Move(-time.Hour)
		b := &testkit.Browser{W: w, Visit: testkit.Visit(authority.PC)}
		want(t, "login", b.Password(id, testkit.Login), problem.Unavailable)
		if w.Ready(t.Context()) == nil {
			t.Error("a server with a wrong clock says that it is ready")
		}
		another := w.Another() // a restart forgets nothing
		b = &testkit.Browser{W: another, Visit: testkit.Visit(authority.PC)}
		want(t, "login after a restart", b.Password(id, testkit.Login), problem.Unavailable)
	})
}

func TestSourcesThatFailTooOftenAreThrottled(t *testing.T) {
	w := testkit.New(t, testkit.SQLite(t), func(p *policy.Policy) { p.FailuresPerSource = 3 })
	b := &testkit.Browser{W: w, Visit: testkit.Visit(authority.PC)}
	for range 3 {
		want(t, "unknown", b.Password("nobody-here", "x"), problem.LoginRefused)
	}
	want(t, "the fourth", b.Password("nobody-else", "x"), problem.Throttled)
	w.Clock.Move(11 * time.Minute)
	want(t, "later", b.Password("nobody-else", "x"), problem.LoginRefused)
}

func TestARefusalIsComparedByKind(t *testing.T) {
	if !errors.Is(problem.New(problem.OTPUsed, "wait", 3), problem.New(problem.OTPUsed)) || errors.Is(problem.New(problem.OTPUsed), problem.New(problem.OTPWrong)) {
		t.Error("errors.Is does not compare kinds")
	}
}

// Text that no database should see is refused as what it is: nobody's.
func TestImpossibleNamesAreNobodys(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		b := w.LogIn(w.Person(1, false), authority.PC)
		for _, bad := range []string{"\x00", "\xff", strings.Repeat("a", 3000)} {
			want(t, "a customer's reference", w.VerifyOTP(ctx, theBank, bad, "123456"), problem.NotFound)
			want(t, "a session", w.EndSession(ctx, b.Session, bad), problem.NotFound)
			_, _, err := w.History(ctx, b.Session, bad)
			want(t, "a page of the history", err, problem.NotFound)
			_, err = w.APIClient(ctx, bad, "x", "otp:verify")
			want(t, "a system of the bank", err, problem.BadClient)
			_, err = w.OIDCClient(ctx, bad)
			want(t, "a client", err, problem.NotFound)
		}
	})
}

// What she is told of the login before is when she logged in, not when she last proved something in that login.
func TestTheLoginBeforeIsALogin(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		id := w.Person(1, false)
		b := w.LogIn(id, authority.PC)
		first := w.Clock.Now()
		w.Clock.Move(2 * time.Minute)
		phone := b.Enrol() // which begins another session of the same login
		w.Clock.Move(time.Minute)
		b = w.LogIn(id, authority.PC)
		want(t, "her code", b.Code(phone.Code()), "")
		if !b.Session.PreviousAt.Equal(first) {
			t.Errorf("the login before was at %s, she is told %s", first, b.Session.PreviousAt)
		}
		desk := w.SignedIn(staff.Clerk)
		look(t, desk, 1)
		v, err := w.CustomerAtDesk(t.Context(), desk.StaffSession, b.Customer)
		if err != nil || len(v.Logins) != 2 {
			t.Errorf("staff see %d logins of two, %v", len(v.Logins), err)
		}
	})
}
