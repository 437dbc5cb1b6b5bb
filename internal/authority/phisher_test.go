package authority_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/passkey"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// lookAlike is the page that relays everything in real time.
const lookAlike = "https://login-bank.example"

// abroad is a visit of somebody else, from somewhere else.
func abroad() authority.Visit {
	return authority.Visit{Actor: audit.Actor{Kind: audit.Stranger, Device: "Linux / Firefox", Source: "203.0.113.0/24"}, Channel: authority.PC}
}

// A page that looks like ours fetches fresh options for each victim, and passes on what her browser makes of them: nothing, because the party is not the page's own; or, if a browser
// would make it, a signature that names the page.
func TestALookAlikePageGetsNothingOfAPasskey(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		b := w.LogIn(w.Person(1, false), authority.PC)
		phone, device := b.Enrol(), testkit.NewAuthenticator()
		device.Step = 1
		addPasskey(t, b, phone, device, "")
		refused := 0
		for n := range 100 {
			binding := fmt.Sprintf("form-of-the-phisher-%d", n)
			options, err := w.PasskeyLogin(t.Context(), binding)
			want(t, "options", err, "")
			var response []byte
			switch n % 4 {
			case 0: // an honest browser, asked for the party of the options, which the page may not use
				response = device.Get(bytes.Replace(options, []byte("login.bank.example"), []byte("login-bank.example"), 1), lookAlike)
			case 1: // a browser that lets any page use any party
				response = device.Get(options, lookAlike)
			case 2: // one that is told to lie about the party as well
				device.PartyID = "login-bank.example"
				response = device.Get(options, lookAlike)
				device.PartyID = ""
			case 3: // our page in the phisher's frame
				device.CrossOrigin, device.TopOrigin = true, lookAlike
				response = device.Get(options, loginOrigin)
				device.CrossOrigin, device.TopOrigin = false, ""
			}
			if n%4 == 0 != (response == nil) {
				t.Fatalf("the authenticator answers %q", response)
			}
			if _, _, err := w.LoginPasskey(t.Context(), abroad(), binding, response); problem.KindOf(err) == problem.PasskeyRefused || problem.KindOf(err) == problem.Throttled {
				refused++
			}
		}
		t.Logf("refused %d of 100", refused)
		if refused != 100 {
			t.Errorf("refused %d of 100", refused)
		}
		_, err := logInWith(w, b.Visit, device)
		want(t, "her own login afterwards", err, "")
	})
}

// door is one method by which a session changes something. Whoever has both passwords and every code tries it; tells says what he may and how she learns of it, and is empty where he
// must be refused.
type door struct {
	try   func(*thief) error
	tells string
}

// thief has a session of his own, opened with her password and a code that she typed into his page.
type thief struct {
	*testkit.Browser
	phone          *testkit.Phone // hers: he has the codes that it shows, not the phone
	passkey        passkey.Passkey
	errand, hers   authority.Errand // his own, which waits or was rejected; hers, which is approved
	her            *testkit.Browser
	device         *testkit.Authenticator
	made           []byte // by it, for a challenge of his own
	login, confirm string // the passwords, should he change them
}

// code is the next one, which he has not used.
func (x *thief) code() string {
	x.W.Clock.Move(time.Minute)
	return x.phone.Code()
}

var doors = map[string]door{
	"Ask": {tells: "her token app shows it, and she says no", try: func(x *thief) error {
		_, err := x.W.Ask(x.W.T.Context(), x.Session, authority.RemovePasskey, x.passkey.ID)
		return err
	}},
	"AskToStop": {tells: "her token app shows it, and she says no", try: func(x *thief) error {
		_, err := x.W.AskToStop(x.W.T.Context(), x.Session, []byte(x.confirm))
		return err
	}},
	"AskByMail": {try: func(x *thief) error {
		_, err := x.W.AskByMail(x.W.T.Context(), x.Session, authority.AddPasskey, []byte(x.login), []byte(x.confirm))
		return err
	}},
	"ProveByMail":    {try: func(x *thief) error { return x.W.ProveByMail(x.W.T.Context(), x.Session, x.errand.ID, "00000000") }},
	"PasskeyOptions": {try: func(x *thief) error { return only(x.W.PasskeyOptions(x.W.T.Context(), x.Session, x.errand.ID)) }},
	"AddPasskey": {try: func(x *thief) error {
		return only(x.W.AddPasskey(x.W.T.Context(), x.Session, x.hers.ID, "his", x.made))
	}},
	"RemovePasskey": {try: func(x *thief) error {
		return x.W.RemovePasskey(x.W.T.Context(), x.Session, x.passkey.ID, "", []byte(x.confirm))
	}},
	"RemovePasskey, with what she rejected": {try: func(x *thief) error {
		return x.W.RemovePasskey(x.W.T.Context(), x.Session, x.passkey.ID, x.errand.ID, []byte(x.confirm))
	}},
	"RemovePasskey, with what she approved": {try: func(x *thief) error {
		return x.W.RemovePasskey(x.W.T.Context(), x.Session, x.passkey.ID, x.hers.ID, []byte(x.confirm))
	}},
	"RenamePasskey":                     {tells: "mail to every address with an objection, passkey_renamed; it opens nothing", try: func(x *thief) error { return x.W.RenamePasskey(x.W.T.Context(), x.Session, x.passkey.ID, "renamed") }},
	"StopToken":                         {try: func(x *thief) error { return x.W.StopToken(x.W.T.Context(), x.Session, x.errand.ID) }},
	"StopToken, with what she approved": {try: func(x *thief) error { return x.W.StopToken(x.W.T.Context(), x.Session, x.hers.ID) }},
	"Apply":                             {try: func(x *thief) error { return x.W.Apply(x.W.T.Context(), x.Session, []byte(x.confirm)) }},
	"RegistrationKey":                   {try: func(x *thief) error { return only(x.W.RegistrationKey(x.W.T.Context(), x.Session, true)) }},
	"ResendNumber":                      {try: func(x *thief) error { return x.W.ResendNumber(x.W.T.Context(), x.Session) }},
	"CancelEnrolment":                   {try: func(x *thief) error { return x.W.CancelEnrolment(x.W.T.Context(), x.Session) }},
	"StartToken":                        {try: func(x *thief) error { return only(x.W.StartToken(x.W.T.Context(), x.Session, x.phone.Code())) }},
	"CorrectAddress": {try: func(x *thief) error {
		return only(x.W.CorrectAddress(x.W.T.Context(), x.Session, []byte(x.confirm), "thief@mail.example.jp"))
	}},
	"OrderRenewal": {try: func(x *thief) error {
		return x.W.OrderRenewal(x.W.T.Context(), x.Session, []byte(x.confirm))
	}},
	"AskAddress": {tells: "her token app shows both addresses, and she says no", try: func(x *thief) error {
		return only(x.W.AskAddress(x.W.T.Context(), x.Session, "thief@mail.example.jp"))
	}},
	"ChangeAddress":                         {try: func(x *thief) error { return x.W.ChangeAddress(x.W.T.Context(), x.Session, x.errand.ID) }},
	"ChangeAddress, with what she approved": {try: func(x *thief) error { return x.W.ChangeAddress(x.W.T.Context(), x.Session, x.hers.ID) }},
	"ChooseMail": {tells: "mail to every address at once with an objection, mail_off; it counts a day later, and no notice can be turned off", try: func(x *thief) error {
		return x.W.ChooseMail(x.W.T.Context(), x.Session, authority.MailApproved, false)
	}},
	"StopSession": {tells: "stops her service, as anybody may who has a factor: it keeps him out too, and the road back asks for what he has not", try: func(x *thief) error {
		return errors.Join(only(x.W.StopSession(x.W.T.Context(), x.Session)), x.W.RestartService(x.W.T.Context(), testkit.Ref))
	}},
	"TestAddress": {tells: "mail to her own address, address_test", try: func(x *thief) error { return x.W.TestAddress(x.W.T.Context(), x.Session) }},
	"AddTransactionAuth": {tells: "makes her safer; mail to every address, transaction_auth_added", try: func(x *thief) error {
		return x.W.AddTransactionAuth(x.W.T.Context(), x.Session, x.code())
	}},
	"SetFirstPasswords": {try: func(x *thief) error {
		return only(x.W.SetFirstPasswords(x.W.T.Context(), x.Session, []byte(x.confirm), []byte("his-own-login-1"), []byte("his-own-confirm-1")))
	}},
	"ChangePassword": {tells: "mail to every address with an objection, password_changed; her passkey goes on, and no step-up takes a password", try: func(x *thief) error {
		next := x.login + "x"
		c, err := x.W.ChangePassword(x.W.T.Context(), x.Session, authority.LoginPassword, []byte(x.login), []byte(next), x.code())
		if err != nil {
			return err
		}
		x.login, x.Cookie = next, c
		x.Session, err = x.W.SessionOf(x.W.T.Context(), c.Session)
		return err
	}},
	"EndSession":         {tells: "she logs in again; her history shows it", try: func(x *thief) error { return x.W.EndSession(x.W.T.Context(), x.Session, x.her.ID) }},
	"CancelErrand":       {tells: "his own errand only", try: func(x *thief) error { return x.W.CancelErrand(x.W.T.Context(), x.Session, x.errand.ID) }},
	"CancelErrand, hers": {try: func(x *thief) error { return x.W.CancelErrand(x.W.T.Context(), x.Session, x.hers.ID) }},
	"LoginOTP": {try: func(x *thief) error {
		_, _, err := x.W.LoginOTP(x.W.T.Context(), x.Visit, x.Session, x.phone.Code())
		return err
	}},
	"Resync": {try: func(x *thief) error {
		return x.W.Resync(x.W.T.Context(), x.Session, x.phone.CodeAt(-1), x.phone.Code())
	}},
	"Logout":                    {tells: "ends his own session", try: func(x *thief) error { return x.W.Logout(x.W.T.Context(), x.Session) }},
	"without a session: Object": {try: func(x *thief) error { return x.W.Object(x.W.T.Context(), abroad().Actor, "2345-6789-ABCD-EFGH") }},
	"without a session: Register": {try: func(x *thief) error {
		p := testkit.NewPhone(x.W)
		return only(x.W.Register(x.W.T.Context(), abroad().Actor, p.Typed("0000000000000000", "00000000")))
	}},
	"without a session: his passkey": {try: func(x *thief) error { return only(logInWith(x.W, abroad(), x.device)) }},
}

func only[T any](_ T, err error) error { return err }

// looks are the methods that take a session and change nothing.
var looks = []string{"Addresses", "CoolingOff", "CustomerOf", "ErrandOf", "ExpiredTokenOf", "History", "Inbox", "MailChoices", "NextStep", "Passkeys", "Releases", "Sessions", "TokenOf", "TransactionState", "Unread"}

// Every method that a session reaches is a door that the thief tries, or only looks: a new one without a row fails here.
func TestEveryDoorOfASessionIsTried(t *testing.T) {
	t.Parallel()
	tried := map[string]bool{}
	for name := range doors {
		method, _, _ := strings.Cut(name, ",")
		tried[method] = true
	}
	found := 0
	for m := range reflect.TypeFor[*authority.Authority]().Methods() {
		for i := range m.Type.NumIn() {
			if m.Type.In(i) != reflect.TypeFor[authority.Session]() {
				continue
			}
			if found++; tried[m.Name] == slices.Contains(looks, m.Name) {
				t.Errorf("%s is in one of the two tables, or should be", m.Name)
			}
		}
	}
	if found != len(looks)+len(tried)-3 { // three need no session
		t.Errorf("%d methods take a session, the tables have %d", found, len(looks)+len(tried)-3)
	}
}

// An hour with her login password, her confirmation password and every code that her phone shows: no door opens that would make him at home. She has her phone, her passkey and her
// mail; whatever his page asks of her phone she rejects.
func TestAnHourWithBothPasswordsAndEveryCode(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		id := w.Person(1, false)
		her := w.LogIn(id, authority.PC)
		phone, device := her.Enrol(), testkit.NewAuthenticator()
		p := addPasskey(t, her, phone, device, "")
		hers, err := w.Ask(ctx, her.Session, authority.AddPasskey, "")
		want(t, "her errand", err, "")
		her.Approve(hers, phone, transaction.Yes)
		before := estate(t, w, her)
		x := &thief{phone: phone, passkey: p, hers: hers, her: her, device: testkit.NewAuthenticator(), login: testkit.Login, confirm: testkit.Confirm}
		x.made = x.device.Create([]byte(`{"challenge":"`+base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{1}, 32))+`","rp":{"id":"login.bank.example"},"user":{"id":"AAAA"}}`), loginOrigin)
		x.Browser = &testkit.Browser{W: w, Visit: abroad()}
		said := map[string]map[problem.Kind]int{}
		names := slices.Sorted(maps.Keys(doors))
		names = append(slices.DeleteFunc(names, func(n string) bool { return n == "ChangePassword" }), "ChangePassword") // last, for it ends her sessions
		answers := func() {                                                                                              // her phone shows what he asks, and she says no
			for _, waits := range phone.Transactions().Pending {
				if _, err := phone.Send(phone.Decision(waits.Offer, transaction.No)); err != nil {
					t.Fatalf("her answer: %v", err)
				}
			}
		}
		again := func() { // a session that has ended is opened anew
			if err := x.Password(id, x.login); err != nil {
				t.Fatalf("his login: %v", err)
			}
			if err := x.Code(x.code()); err != nil {
				t.Fatalf("his code: %v", err)
			}
			x.errand, err = w.Ask(ctx, x.Session, authority.AddPasskey, "")
			want(t, "his errand", err, "")
			answers()
		}
		for began := w.Clock.Now(); w.Clock.Now().Sub(began) < time.Hour; w.Clock.Move(12 * time.Minute) {
			again()
			her.Session, err = logInWith(w, her.Visit, device)
			want(t, "her login, in the middle of it", err, "")
			for _, name := range names {
				if _, err := w.SessionOf(ctx, x.Cookie.Session); err != nil {
					again()
				}
				err := doors[name].try(x)
				if problem.KindOf(err) == "" && err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if said[name] == nil {
					said[name] = map[problem.Kind]int{}
				}
				said[name][problem.KindOf(err)]++
				answers()
			}
		}
		for _, name := range names {
			if doors[name].tells == "" {
				t.Logf("%-40s refused: %v", name, said[name])
			} else {
				t.Logf("%-40s %v; %s", name, said[name], doors[name].tells)
			}
			switch opened := said[name][""] > 0; {
			case opened && doors[name].tells == "":
				t.Errorf("%s has opened", name)
			case !opened && doors[name].tells != "":
				t.Errorf("%s never opened: what it tells is a guess", name)
			}
		}
		for n := 1; n > 0; {
			n, err = w.DeliverDue(ctx)
			want(t, "delivering", err, "")
		}
		told := map[string]int{}
		for _, m := range w.Post.Sent() {
			if told[m.Subject]++; m.To != "hanako1@mail.example.jp" {
				t.Errorf("%s went to %s", m.Subject, m.To)
			}
		}
		for _, topic := range []string{"login_new_device", "password_changed", "transaction_auth_added", "address_test"} {
			if told[topic] == 0 {
				t.Errorf("she was not told of %s: %v", topic, told)
			}
		}
		// She is where she was: her passkey opens, her token is in use, the address is hers.
		s, err := logInWith(w, her.Visit, device)
		want(t, "her login", err, "")
		her.Session = s
		after := estate(t, w, her)
		after = strings.Replace(after, "renamed", "Windows / Chrome", 1)
		if after != before {
			t.Errorf("her estate is\n%s\nwas\n%s", after, before)
		}
	})
}

// estate is what must not move: passkeys, token, addresses.
func estate(t *testing.T, w *testkit.World, b *testkit.Browser) string {
	t.Helper()
	list, err := w.Passkeys(t.Context(), b.Session)
	want(t, "passkeys", err, "")
	out := ""
	for _, p := range list {
		out += fmt.Sprintf("%s %s %s\n", p.ID, p.Name, p.State)
	}
	v, err := w.TokenOf(t.Context(), b.Session)
	want(t, "token", err, "")
	addresses, err := w.Store.Reader().AddressesOf(t.Context(), b.Customer)
	want(t, "addresses", err, "")
	if v.Token == nil || v.Token.State != token.Active || len(list) == 0 {
		t.Fatalf("the token is %+v, %d passkeys", v.Token, len(list))
	}
	return out + fmt.Sprintf("%s %s %v", v.Token.ID, v.Token.State, addresses)
}

// Both passwords are not enough where there is no token either: an address that a thief puts on file reads no code for a passkey as long as the old one can object.
func TestAnAddressOfHisOwnGivesNoPasskey(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		id := w.Person(1, false)
		her := w.LogIn(id, authority.PC)
		x := &testkit.Browser{W: w, Visit: abroad()}
		want(t, "his login", x.Password(id, testkit.Login), "")
		_, err := w.CorrectAddress(ctx, x.Session, []byte(testkit.Confirm), "thief@mail.example.jp")
		want(t, "an address of his own", err, "")
		_, err = w.AskByMail(ctx, x.Session, authority.AddPasskey, []byte(testkit.Login), []byte(testkit.Confirm))
		want(t, "a code to it", err, problem.WaitingTime)
		v := mailed(t, w, "address_corrected")
		for _, m := range w.Post.Sent() {
			if m.Subject == "address_corrected" && m.To != "hanako1@mail.example.jp" || m.Subject == "passkey_code" {
				t.Errorf("%s went to %s", m.Subject, m.To)
			}
		}
		want(t, "she objects", w.Object(ctx, testkit.Visit(authority.PC).Actor, v["objection"]), "")
		_, err = w.SessionOf(ctx, x.Cookie.Session)
		want(t, "his session", err, problem.SessionOver)
		_, err = w.SessionOf(ctx, her.Cookie.Session)
		want(t, "hers", err, problem.SessionOver)
		want(t, "his login again", x.Password(id, testkit.Login), problem.LoginRefused)
	})
}

// A half session, which owes its code, tries no confirmation passwords and asks nobody's phone.
func TestWhoOwesACodeAsksForNothing(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		id := w.Person(1, false)
		b := w.LogIn(id, authority.PC)
		phone := b.Enrol()
		p := addPasskey(t, b, phone, testkit.NewAuthenticator(), "")
		x := &testkit.Browser{W: w, Visit: abroad()}
		want(t, "his login", x.Password(id, testkit.Login), "")
		for name, err := range map[string]error{
			"asking":           only(w.Ask(ctx, x.Session, authority.AddPasskey, "")),
			"asking to stop":   only(w.AskToStop(ctx, x.Session, []byte("x"))),
			"asking by mail":   only(w.AskByMail(ctx, x.Session, authority.AddPasskey, []byte("x"), []byte("x"))),
			"removing":         w.RemovePasskey(ctx, x.Session, p.ID, "", []byte("x")),
			"an address":       only(w.CorrectAddress(ctx, x.Session, []byte("x"), "thief@mail.example.jp")),
			"applying":         w.Apply(ctx, x.Session, []byte("x")),
			"a password":       only(w.ChangePassword(ctx, x.Session, authority.ConfirmPassword, []byte("x"), []byte("another-one-5"), phone.Code())),
			"first passwords":  only(w.SetFirstPasswords(ctx, x.Session, []byte("x"), []byte("another-one-5"), []byte("another-one-6"))),
			"transaction auth": w.AddTransactionAuth(ctx, x.Session, phone.Code()),
		} {
			want(t, name, err, problem.StepUp)
		}
		if got := phone.Transactions(); len(got.Pending) != 0 {
			t.Error("her phone is asked")
		}
	})
}

// What she approved is what is done, and nothing else: not another act, not another passkey, not in another login, not twice, not late.
func TestAnApprovalIsForOneActOnly(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		id := w.Person(1, false)
		b := w.LogIn(id, authority.PC)
		phone := b.Enrol()
		one := addPasskey(t, b, phone, testkit.NewAuthenticator(), "one")
		two := addPasskey(t, b, phone, testkit.NewAuthenticator(), "two")
		other := w.LogIn(w.Person(2, false), authority.PC)
		approved := func(act authority.Act, object string) authority.Errand {
			w.Clock.Move(time.Minute)
			e, err := w.Ask(ctx, b.Session, act, object)
			want(t, "asking", err, "")
			b.Approve(e, phone, transaction.Yes)
			return e
		}
		w.Clock.Move(time.Minute)
		twin := &testkit.Browser{W: w, Visit: abroad()}
		want(t, "another login", twin.Password(id, testkit.Login), "")
		want(t, "its code", twin.Code(phone.Code()), "")

		remove := approved(authority.RemovePasskey, one.ID)
		want(t, "another passkey", w.RemovePasskey(ctx, b.Session, two.ID, remove.ID, nil), problem.ApprovalNeeded)
		want(t, "another act", w.StopToken(ctx, b.Session, remove.ID), problem.ApprovalNeeded)
		want(t, "another act", only(w.PasskeyOptions(ctx, b.Session, remove.ID)), problem.ApprovalNeeded)
		want(t, "another login of hers", w.RemovePasskey(ctx, twin.Session, one.ID, remove.ID, nil), problem.NotFound)
		want(t, "another customer", w.RemovePasskey(ctx, other.Session, one.ID, remove.ID, nil), problem.NotFound)
		want(t, "no errand of any kind", w.RemovePasskey(ctx, b.Session, one.ID, "ask_00000000000000000000000000", nil), problem.NotFound)
		want(t, "a passkey's ID for an errand's", w.RemovePasskey(ctx, b.Session, one.ID, two.ID, nil), problem.NotFound)
		want(t, "what was approved", w.RemovePasskey(ctx, b.Session, one.ID, remove.ID, nil), "")
		want(t, "once more", w.RemovePasskey(ctx, b.Session, two.ID, remove.ID, nil), problem.ApprovalNeeded)

		stop := approved(authority.StopUse, "")
		want(t, "a stop for a removal", w.RemovePasskey(ctx, b.Session, two.ID, stop.ID, nil), problem.ApprovalNeeded)
		want(t, "a stop from another login", w.StopToken(ctx, twin.Session, stop.ID), problem.NotFound)
		w.Clock.Move(w.Policy.ApprovalLife)
		want(t, "a stop too late", w.StopToken(ctx, b.Session, stop.ID), problem.TransactionNotApproved)
		add := approved(authority.AddPasskey, "")
		want(t, "an addition for a stop", w.StopToken(ctx, b.Session, add.ID), problem.ApprovalNeeded)
		want(t, "withdrawn", w.CancelErrand(ctx, b.Session, add.ID), "")
		want(t, "after that", only(w.PasskeyOptions(ctx, b.Session, add.ID)), problem.ApprovalNeeded)
		if list, err := w.Passkeys(ctx, b.Session); err != nil || len(list) != 1 || list[0].ID != two.ID {
			t.Errorf("passkeys: %+v, %v", list, err)
		}
	})
}

// After a report her transfers stand still. Her authenticators do not: the token that she wants to stop may be why she reported.
func TestAfterAReportATokenCanBeStopped(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		p := newPayer(w, 1)
		p.order()
		if _, err := p.phone.Send(p.phone.Decision(p.phone.Transactions().Pending[0].Offer, transaction.NotMe, func(d *transaction.Decision) { d.Reason = "told_by_phone" })); err != nil {
			t.Fatal(err)
		}
		want(t, "stopping her token", p.browser.Stop(p.phone), "")
	})
}

// One approval, sent from many places at once with passkeys of many devices, makes one passkey.
func TestOneApprovalManyPasskeysOneSuccess(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		nodes := []*testkit.World{w, w.Another()}
		b := w.LogIn(w.Person(1, false), authority.PC)
		phone := b.Enrol()
		for round := range rounds(t, 12) {
			w.Clock.Move(time.Minute)
			e, err := w.Ask(ctx, b.Session, authority.AddPasskey, "")
			want(t, "asking", err, "")
			b.Approve(e, phone, transaction.Yes)
			const n = 6
			var devices [n]*testkit.Authenticator
			var made [n][]byte
			for i := range n {
				options, err := w.PasskeyOptions(ctx, b.Session, e.ID)
				want(t, "options", err, "")
				devices[i] = testkit.NewAuthenticator()
				made[i] = devices[i].Create(options, loginOrigin)
			}
			errs := together(n, func(i int) error { return only(nodes[i%2].AddPasskey(ctx, b.Session, e.ID, "", made[i])) })
			done := -1
			for i, err := range errs {
				switch k := problem.KindOf(err); {
				case err == nil && done < 0:
					done = i
				case err == nil:
					t.Fatalf("round %d: a second passkey", round)
				case k != problem.TransactionNotApproved && k != problem.Conflict && k != problem.PasskeyRefused:
					t.Fatalf("round %d: %v", round, err)
				}
			}
			list, err := w.Passkeys(ctx, b.Session)
			if err != nil || len(list) != 1 || done < 0 {
				t.Fatalf("round %d: %d passkeys, %v", round, len(list), err)
			}
			s, err := logInWith(w, b.Visit, devices[done])
			want(t, "the one that was made", err, "")
			want(t, "removing it", w.RemovePasskey(ctx, s, list[0].ID, "", nil), "")
		}
	})
}

// One assertion, sent from many places at once, opens one session.
func TestOneAssertionManyTriesOneSession(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		nodes := []*testkit.World{w, w.Another()}
		b := w.LogIn(w.Person(1, false), authority.PC)
		device := testkit.NewAuthenticator()
		addPasskey(t, b, b.Enrol(), device, "")
		for round := range rounds(t, 12) {
			options, err := w.PasskeyLogin(ctx, "form")
			want(t, "options", err, "")
			response := device.Get(options, loginOrigin)
			done := 0
			for _, err := range together(8, func(i int) error {
				_, _, err := nodes[i%2].LoginPasskey(ctx, b.Visit, "form", response)
				return err
			}) {
				switch problem.KindOf(err) {
				case "":
					if done++; err != nil {
						t.Fatal(err)
					}
				case problem.PasskeyRefused, problem.Throttled:
				default:
					t.Fatalf("round %d: %v", round, err)
				}
			}
			if done != 1 {
				t.Fatalf("round %d: %d sessions, want exactly 1", round, done)
			}
		}
	})
}

// A challenge is for one ceremony, one browser and five minutes, and a fence ends it. The same in time and in its own browser opens.
func TestAChallengeDoesNotTravel(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		b := w.LogIn(w.Person(1, false), authority.PC)
		phone, device := b.Enrol(), testkit.NewAuthenticator()
		addPasskey(t, b, phone, device, "")
		for _, row := range []struct {
			name   string
			before func()
			form   string
			kind   problem.Kind
		}{
			{"in time", func() { w.Clock.Move(5*time.Minute - time.Second) }, "form", ""},
			{"after five minutes", func() { w.Clock.Move(5 * time.Minute) }, "form", problem.PasskeyRefused},
			{"in another browser", func() {}, "another form", problem.PasskeyRefused},
			{"in no browser", func() {}, "", problem.PasskeyRefused},
			{"after a fence", func() {
				w.Clock.Move(time.Second)
				want(t, "a fence", w.RaiseFence(ctx), "")
				w.Clock.Move(time.Second)
			}, "form", problem.PasskeyRefused},
		} {
			options, err := w.PasskeyLogin(ctx, "form")
			want(t, "options", err, "")
			response := device.Get(options, loginOrigin)
			row.before()
			_, _, err = w.LoginPasskey(ctx, b.Visit, row.form, response)
			want(t, row.name, err, row.kind)
		}
		// A challenge for a login registers nothing, and one for a registration opens nothing.
		s, err := logInWith(w, b.Visit, device)
		want(t, "her login", err, "")
		b.Session = s
		e, err := w.Ask(ctx, b.Session, authority.AddPasskey, "")
		want(t, "asking", err, "")
		b.Approve(e, phone, transaction.Yes)
		login, err := w.PasskeyLogin(ctx, "form")
		want(t, "options", err, "")
		creation, err := w.PasskeyOptions(ctx, b.Session, e.ID)
		want(t, "creation options", err, "")
		fresh := testkit.NewAuthenticator()
		fresh.Challenge = challengeIn(t, login)
		want(t, "a login's challenge for a registration", only(w.AddPasskey(ctx, b.Session, e.ID, "", fresh.Create(creation, loginOrigin))), problem.PasskeyRefused)
		_, _, err = w.LoginPasskey(ctx, b.Visit, "form", device.GetWith(device.Credentials[0], challengeIn(t, creation), loginOrigin))
		want(t, "a registration's challenge for a login", err, problem.PasskeyRefused)
		fresh.Challenge = ""
		made := fresh.Create(creation, loginOrigin)
		w.Clock.Move(5 * time.Minute)
		want(t, "a registration after five minutes", only(w.AddPasskey(ctx, b.Session, e.ID, "", made)), problem.PasskeyRefused)
		again, err := w.PasskeyOptions(ctx, b.Session, e.ID)
		want(t, "options once more", err, "")
		want(t, "in time", only(w.AddPasskey(ctx, b.Session, e.ID, "", fresh.Create(again, loginOrigin))), "")
	})
}

func challengeIn(t *testing.T, options []byte) string {
	t.Helper()
	var o struct{ Challenge string }
	if err := json.Unmarshal(options, &o); err != nil || o.Challenge == "" {
		t.Fatalf("options %s: %v", options, err)
	}
	return o.Challenge
}

// A credential is one passkey of one customer: whoever knows another's public half, which is no secret, cannot register it as his own (WebAuthn section 7.1, step 26).
func TestOneCredentialIsOnePasskey(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		b := w.LogIn(w.Person(1, false), authority.PC)
		phone, device := b.Enrol(), testkit.NewAuthenticator()
		var object any
		device.Response = func(m map[string]any) {
			if r := m["response"].(map[string]any); object == nil {
				object = []any{m["id"], r["attestationObject"]}
			}
		}
		addPasskey(t, b, phone, device, "")
		device.Response = nil
		x := w.LogIn(w.Person(2, false), authority.PC)
		his := x.Enrol()
		e, err := w.Ask(ctx, x.Session, authority.AddPasskey, "")
		want(t, "asking", err, "")
		x.Approve(e, his, transaction.Yes)
		options, err := w.PasskeyOptions(ctx, x.Session, e.ID)
		want(t, "options", err, "")
		copied := testkit.NewAuthenticator()
		copied.Response = func(m map[string]any) {
			m["id"], m["rawId"] = object.([]any)[0], object.([]any)[0]
			m["response"].(map[string]any)["attestationObject"] = object.([]any)[1]
		}
		want(t, "her credential as his", only(w.AddPasskey(ctx, x.Session, e.ID, "", copied.Create(options, loginOrigin))), problem.PasskeyRefused)
		copied.Response = nil
		options, err = w.PasskeyOptions(ctx, x.Session, e.ID)
		want(t, "options once more", err, "")
		want(t, "his own", only(w.AddPasskey(ctx, x.Session, e.ID, "", copied.Create(options, loginOrigin))), "")
		s, err := logInWith(w, b.Visit, device)
		if want(t, "her login", err, ""); s.Customer != b.Customer {
			t.Errorf("her passkey opens for %s", s.Customer)
		}
	})
}

// Origin, type, age, replay, frame, owner and party, each with each: of all combinations the one that is right in everything opens, once.
func TestMatrixOfAssertions(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { // what is judged here is no question to a database; the stories above ask both
		t.Parallel()
		w := testkit.New(t, testkit.SQLite(t))
		ctx := t.Context()
		b := w.LogIn(w.Person(1, false), authority.PC)
		device := testkit.NewAuthenticator()
		addPasskey(t, b, b.Enrol(), device, "")
		o := w.LogIn(w.Person(2, false), authority.PC)
		others := testkit.NewAuthenticator()
		addPasskey(t, o, o.Enrol(), others, "")
		device.Step = 1
		w.Policy.FailuresPerSource = 1 << 20
		cases, opened := 0, 0
		for _, origin := range []string{loginOrigin, lookAlike, testkit.TokenOrigin, testkit.StaffOrigin, loginOrigin + ":443", "null"} {
			for _, kind := range []string{"webauthn.get", "webauthn.create"} {
				for _, party := range []string{"", "token.bank.example", "bank.example"} {
					for bits := range 16 {
						old, frame, another, replay := bits&1 != 0, bits&2 != 0, bits&4 != 0, bits&8 != 0
						cases++
						a := *device
						a.Origin, a.Type, a.PartyID, a.CrossOrigin = origin, kind, party, frame
						if another {
							a.Handle = others.Credentials[0].Handle
						}
						options, err := w.PasskeyLogin(ctx, "form")
						want(t, "options", err, "")
						response := a.Get(options, loginOrigin)
						if old {
							w.Clock.Move(5 * time.Minute)
						}
						_, _, err = w.LoginPasskey(ctx, b.Visit, "form", response)
						right := origin == loginOrigin && kind == "webauthn.get" && party == "" && !old && !frame && !another
						if right != (err == nil) || err != nil && problem.KindOf(err) != problem.PasskeyRefused {
							t.Errorf("%s %s %q old=%v frame=%v another=%v: %v", origin, kind, party, old, frame, another, err)
						}
						if err == nil {
							opened++
						}
						if replay {
							_, _, err = w.LoginPasskey(ctx, b.Visit, "form", response)
							want(t, "again", err, problem.PasskeyRefused)
						}
					}
				}
			}
		}
		t.Logf("%d cases, %d opened", cases, opened)
		if cases < 120 || opened != 2 { // once to be sent again, once not
			t.Errorf("%d of %d cases opened", opened, cases)
		}
	})
}

// The code of a notice cannot be guessed or used for anybody else; a second press is no error; and no flood from her own network keeps her from pressing.
func TestObjectionsAreTheOwnersOnly(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		id, idOther := w.Person(1, false), w.Person(2, false)
		b := w.LogIn(id, authority.PC)
		code := mailed(t, w, "login_new_device")["objection"]
		other := w.LogIn(idOther, authority.PC)
		w.Policy.FailuresPerSource = 12
		stranger := testkit.Visit(authority.PC).Actor
		refused, bounded := 0, 0
		plain := strings.ReplaceAll(code, "-", "")
		for i := range len(plain) {
			for _, c := range "2Z" {
				if byte(c) == plain[i] {
					continue
				}
				switch problem.KindOf(w.Object(ctx, stranger, plain[:i]+string(c)+plain[i+1:])) {
				case problem.ObjectionRefused:
					refused++
				case problem.Throttled:
					bounded++
				}
			}
		}
		for _, near := range []string{plain[:15], plain + "2", plain + plain, plain[1:] + plain[:1], "%", "' OR 1=1 --"} {
			switch problem.KindOf(w.Object(ctx, stranger, near)) {
			case problem.ObjectionRefused:
				refused++
			case problem.Throttled:
				bounded++
			}
		}
		if refused != 12 || bounded < 12 {
			t.Errorf("%d were refused, %d bounded", refused, bounded)
		}
		for range 13 { // and passwords
			_ = (&testkit.Browser{W: w, Visit: testkit.Visit(authority.PC)}).Password("nobody-"+id, "x")
		}
		_, err := w.SessionOf(ctx, b.Cookie.Session)
		want(t, "nothing has stopped", err, "")
		want(t, "her own code, from that network", w.Object(ctx, stranger, code), "")
		want(t, "a second press", w.Object(ctx, stranger, code), "")
		_, err = w.SessionOf(ctx, b.Cookie.Session)
		want(t, "her session", err, problem.SessionOver)
		_, err = w.SessionOf(ctx, other.Cookie.Session)
		want(t, "somebody else's", err, "")
		want(t, "starting again", w.RestartService(ctx, testkit.Ref), "")
		want(t, "a code that was used, while the service runs again", w.Object(ctx, stranger, code), problem.ObjectionRefused)
		w.Policy.FailuresPerSource = 1 << 20
		want(t, "her login", (&testkit.Browser{W: w, Visit: b.Visit}).Password(id, testkit.Login), "")
		// Codes end: with their notices, and at a fence.
		late := &testkit.Browser{W: w, Visit: abroad()}
		want(t, "a login from elsewhere", late.Password(id, testkit.Login), "")
		code = mailed(t, w, "login_new_device")["objection"]
		w.Clock.Move(w.Policy.NoticeLife)
		want(t, "a code of last week", w.Object(ctx, stranger, code), problem.ObjectionRefused)
		elsewhere := abroad()
		elsewhere.Actor.Device = "Mac / Safari"
		want(t, "another login", (&testkit.Browser{W: w, Visit: elsewhere}).Password(id, testkit.Login), "")
		code = mailed(t, w, "login_new_device")["objection"]
		w.Clock.Move(time.Second)
		want(t, "a fence", w.RaiseFence(ctx), "")
		want(t, "a code from before it", w.Object(ctx, stranger, code), problem.ObjectionRefused)
	})
}
