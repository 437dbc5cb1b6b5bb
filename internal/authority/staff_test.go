package authority_test

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/passkey"
	"github.com/inkan-auth/inkan/internal/domain/policy"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// staffState is how a member stands in the operator's list.
func staffState(t *testing.T, w *testkit.World, id string) staff.State {
	t.Helper()
	all, err := w.ListStaff(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if m.ID == id {
			return m.State
		}
	}
	return ""
}

// The first member of staff: a link, a passkey, a word that a second person hears, a session.
func TestAMemberOfStaffComesToTheConsole(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		d := w.Invited(staff.Administrator)
		m, _, err := w.StaffPasskeyOptions(ctx, testkit.DeskActor(), d.Code, "another browser")
		want(t, "the link", err, "")
		if m.Name != "森 明子" || m.Role != staff.Administrator || m.State != staff.Invited {
			t.Errorf("the link invites %+v", m)
		}
		want(t, "signing in before anything", d.SignIn(), problem.PasskeyRefused)
		want(t, "registering", d.Register(), "")
		p := want(t, "signing in before the second person", d.SignIn(), problem.StaffUnconfirmed)
		if p.Values["word"] != d.Word || staff.ReadWord(d.Word) != d.Word {
			t.Errorf("the word comes again as %v, it was %q", p.Values["word"], d.Word)
		}
		_, err = w.ConfirmStaff(ctx, "first", d.Member.ID, d.Word)
		want(t, "the inviter confirms", err, problem.StaffSecondPerson)
		_, err = w.ConfirmStaff(ctx, "", d.Member.ID, d.Word)
		want(t, "nobody confirms", err, problem.StaffSecondPerson)
		_, err = w.ConfirmStaff(ctx, "second", d.Member.ID, strings.ToLower(strings.ReplaceAll(d.Word, "-", " ")))
		want(t, "the second person confirms", err, "")
		_, err = w.ConfirmStaff(ctx, "second", d.Member.ID, d.Word)
		want(t, "and once more", err, problem.Conflict)
		want(t, "signing in", d.SignIn(), "")
		if d.Name != "森 明子" || d.Role != staff.Administrator || !d.PreviousAt.IsZero() {
			t.Errorf("the session is %+v", d.StaffSession)
		}
		first := d.Cookie
		w.Clock.Move(time.Minute)
		want(t, "signing in again", d.SignIn(), "")
		if d.Cookie == first || d.PreviousAt.IsZero() {
			t.Error("the second sign-in has the first one's session, or knows nothing of it")
		}
		_, err = w.StaffSessionOf(ctx, first)
		want(t, "the session before", err, problem.SessionOver)
		want(t, "signing out", w.StaffLogout(ctx, d.StaffSession), "")
		want(t, "signing out twice", w.StaffLogout(ctx, d.StaffSession), "")
		_, err = w.StaffSessionOf(ctx, d.Cookie)
		want(t, "after signing out", err, problem.SessionOver)
	})
}

func TestALinkIsGoodOnceAndForADay(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		used := w.Invited(staff.Clerk)
		want(t, "registering", used.Register(), "")
		thief := *used
		thief.Key, thief.Binding = testkit.NewAuthenticator(), "thief"
		want(t, "a used link", thief.Register(), problem.StaffLinkRefused)

		late := w.Invited(staff.Clerk)
		_, options, err := w.StaffPasskeyOptions(ctx, testkit.DeskActor(), late.Code, late.Binding)
		want(t, "options", err, "")
		response := late.Key.Create(options, testkit.StaffOrigin)
		w.Clock.Move(policy.Default().StaffLinkLife)
		_, _, err = w.RegisterStaff(ctx, testkit.DeskActor(), late.Code, late.Binding, response)
		want(t, "a challenge of yesterday", err, problem.PasskeyRefused)
		want(t, "a link of yesterday", late.Register(), problem.StaffLinkRefused)
		if _, err = w.ConfirmStaff(ctx, "second", used.Member.ID, used.Word); problem.KindOf(err) != problem.Conflict {
			t.Errorf("a registration of yesterday is confirmed: %v", err)
		}
		want(t, "sweeping", w.SweepDue(ctx), "")
		if a, b := staffState(t, w, used.Member.ID), staffState(t, w, late.Member.ID); a != staff.Removed || b != staff.Removed {
			t.Errorf("after a day they are %s and %s", a, b)
		}

		fenced, waiting := w.Invited(staff.Clerk), w.Invited(staff.Clerk)
		want(t, "registering", waiting.Register(), "")
		_, options, err = w.StaffPasskeyOptions(ctx, testkit.DeskActor(), fenced.Code, fenced.Binding)
		want(t, "options", err, "")
		w.Clock.Move(time.Second)
		want(t, "fence", w.RaiseFence(ctx), "")
		w.Clock.Move(time.Second)
		_, _, err = w.RegisterStaff(ctx, testkit.DeskActor(), fenced.Code, fenced.Binding, fenced.Key.Create(options, testkit.StaffOrigin))
		want(t, "a challenge from before a fence", err, problem.PasskeyRefused)
		want(t, "a link from before a fence", fenced.Register(), problem.StaffLinkRefused)
		_, err = w.ConfirmStaff(ctx, "second", waiting.Member.ID, waiting.Word)
		want(t, "a registration from before a fence", err, problem.Conflict)

		for _, code := range []string{"", "x", strings.Repeat("A", 43), used.Code + "A", strings.ToUpper(used.Code)} {
			_, _, err := w.StaffPasskeyOptions(ctx, testkit.DeskActor(), code, "b")
			want(t, "the code "+code, err, problem.StaffLinkRefused)
		}
	})
}

// Ten browsers use one link at the same moment: one of them registers, and the second person hears its word.
func TestALinkIsUsedOnceHoweverManyCome(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		d := w.Invited(staff.Clerk)
		const n = 10
		desks, errs := make([]testkit.Desk, n), make([]error, n)
		var wg sync.WaitGroup
		for i := range n {
			desks[i] = *d
			desks[i].Key, desks[i].Binding = testkit.NewAuthenticator(), strings.Repeat("b", i+1)
			wg.Go(func() { errs[i] = desks[i].Register() })
		}
		wg.Wait()
		winner := -1
		for i, err := range errs {
			switch problem.KindOf(err) {
			case "":
				if winner >= 0 || err != nil {
					t.Fatalf("a second one registers: %v", err)
				}
				winner = i
			case problem.StaffLinkRefused, problem.Conflict:
			default:
				t.Errorf("one of many: %v", err)
			}
		}
		if winner < 0 {
			t.Fatal("nobody registered")
		}
		for i, x := range desks {
			if i != winner {
				want(t, "a loser", x.SignIn(), problem.PasskeyRefused)
			}
		}
		_, err := w.ConfirmStaff(t.Context(), "second", d.Member.ID, desks[winner].Word)
		want(t, "confirming", err, "")
	})
}

// The answer to the registration is lost and the browser sends the same again: the same word, and one passkey. Nobody gets a word without the passkey.
func TestARegistrationSentAgainIsTheSame(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		d := w.Invited(staff.Clerk)
		_, options, err := w.StaffPasskeyOptions(ctx, testkit.DeskActor(), d.Code, d.Binding)
		want(t, "options", err, "")
		response := d.Key.Create(options, testkit.StaffOrigin)
		_, word, err := w.RegisterStaff(ctx, testkit.DeskActor(), d.Code, d.Binding, response)
		want(t, "the first time", err, "")
		m, again, err := w.RegisterStaff(ctx, testkit.DeskActor(), d.Code, d.Binding, response)
		want(t, "the second time", err, "")
		if again != word || m.ID != d.Member.ID {
			t.Errorf("the word was %q and is %q", word, again)
		}
		_, _, err = w.RegisterStaff(ctx, testkit.DeskActor(), d.Code, d.Binding, testkit.NewAuthenticator().Create(options, testkit.StaffOrigin))
		want(t, "another passkey under the same challenge", err, problem.PasskeyRefused)
		// Somebody who knows the link and the passkey's name, but has not its key, would learn the word by a key of his own under that name.
		forger, id := testkit.NewAuthenticator(), d.Key.Credentials[0].ID
		forger.AuthData = func(b []byte) []byte { copy(b[55:], id); return b } // behind hash, flags, counter, model and length (section 6.5.2)
		forger.Response = func(m map[string]any) {
			m["id"] = base64.RawURLEncoding.EncodeToString(id)
			m["rawId"] = m["id"]
		}
		_, _, err = w.RegisterStaff(ctx, testkit.DeskActor(), d.Code, d.Binding, forger.Create(options, testkit.StaffOrigin))
		want(t, "another key under the passkey's name", err, problem.PasskeyRefused)
		other := w.Invited(staff.Clerk)
		_, _, err = w.RegisterStaff(ctx, testkit.DeskActor(), other.Code, d.Binding, response)
		want(t, "the same under another link", err, problem.PasskeyRefused)
		_, err = w.ConfirmStaff(ctx, "second", d.Member.ID, word)
		want(t, "confirming", err, "")
		_, _, err = w.RegisterStaff(ctx, testkit.DeskActor(), d.Code, d.Binding, response)
		want(t, "the same after the confirmation", err, problem.PasskeyRefused)
	})
}

// Whoever stole the link has registered another key, so the word that the member reads out – she has none, or her own – is another one. Three of those burn the registration.
func TestTheWordOfAnotherKeyBurnsTheRegistration(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		thief, other := w.Invited(staff.Clerk), w.Invited(staff.Clerk)
		want(t, "the thief", thief.Register(), "")
		want(t, "the other", other.Register(), "")
		if thief.Word == other.Word {
			t.Fatal("two keys have one word")
		}
		for i, typed := range []string{other.Word, ""} {
			_, err := w.ConfirmStaff(ctx, "second", thief.Member.ID, typed)
			if p := want(t, "a wrong word", err, problem.StaffWordWrong); p.Values["tries_left"] != 2-i {
				t.Errorf("%v tries are left", p.Values["tries_left"])
			}
		}
		_, err := w.ConfirmStaff(ctx, "second", thief.Member.ID, "0000-0000")
		want(t, "the third wrong word", err, problem.StaffWordBurnt)
		_, err = w.ConfirmStaff(ctx, "second", thief.Member.ID, thief.Word)
		want(t, "the right word, too late", err, problem.Conflict)
		want(t, "the thief signs in", thief.SignIn(), problem.PasskeyRefused)
		want(t, "the link again", thief.Register(), problem.StaffLinkRefused)
		_, err = w.ConfirmStaff(ctx, "second", other.Member.ID, other.Word)
		want(t, "the other is confirmed", err, "")
		if s := staffState(t, w, thief.Member.ID); s != staff.Removed {
			t.Errorf("the burnt one is %s", s)
		}
	})
}

// However many words come at the same moment, three are looked at.
func TestThreeWordsAreLookedAtHoweverManyCome(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		d := w.Invited(staff.Clerk)
		want(t, "registering", d.Register(), "")
		var wg sync.WaitGroup
		var mu sync.Mutex
		looked := 0
		for range 20 {
			wg.Go(func() {
				_, err := w.ConfirmStaff(t.Context(), "second", d.Member.ID, "0000-0000")
				mu.Lock()
				defer mu.Unlock()
				switch problem.KindOf(err) {
				case problem.StaffWordWrong, problem.StaffWordBurnt:
					looked++
				case problem.Conflict:
				default:
					t.Errorf("one of many words: %v", err)
				}
			})
		}
		wg.Wait()
		if looked != staff.WordTries {
			t.Errorf("%d words were looked at", looked)
		}
	})
}

func TestASessionAtTheConsoleEnds(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		d := w.SignedIn(staff.Supervisor)
		alive := func(what string, k problem.Kind) {
			t.Helper()
			_, err := w.StaffSessionOf(ctx, d.Cookie)
			want(t, what, err, k)
		}
		w.Clock.Move(15*time.Minute - time.Second)
		alive("just before the quarter of an hour", "")
		w.Clock.Move(15 * time.Minute)
		alive("idle for a quarter of an hour", problem.SessionOver)

		want(t, "signing in", d.SignIn(), "")
		for range 47 {
			w.Clock.Move(10 * time.Minute)
			alive("at work", "")
		}
		w.Clock.Move(10 * time.Minute)
		alive("after eight hours at work", problem.SessionOver)

		want(t, "signing in", d.SignIn(), "")
		w.Clock.Move(time.Second)
		want(t, "fence", w.RaiseFence(ctx), "")
		w.Clock.Move(time.Second)
		alive("after a fence", problem.SessionOver)

		want(t, "signing in", d.SignIn(), "")
		here, cookie := d.StaffSession, d.Cookie
		d.Cookie = "" // another browser of hers
		want(t, "signing in elsewhere", d.SignIn(), "")
		all, err := w.StaffSessions(ctx, d.StaffSession)
		if want(t, "her sessions", err, ""); len(all) != 2 {
			t.Fatalf("she has %d sessions", len(all))
		}
		stranger := w.SignedIn(staff.Auditor)
		want(t, "another's session", w.EndStaffSession(ctx, stranger.StaffSession, here.ID), problem.NotFound)
		want(t, "her own", w.EndStaffSession(ctx, d.StaffSession, here.ID), "")
		_, err = w.StaffSessionOf(ctx, cookie)
		want(t, "the one that she ended", err, problem.SessionOver)
		alive("the other one", "")
	})
}

func TestASuspendedMemberIsOutAtOnce(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		d := w.SignedIn(staff.Fraud)
		want(t, "suspending", w.SuspendStaff(ctx, "first", d.Member.ID), "")
		_, err := w.StaffSessionOf(ctx, d.Cookie)
		want(t, "her session", err, problem.SessionOver)
		want(t, "signing in", d.SignIn(), problem.StaffSuspended)
		want(t, "suspending again", w.SuspendStaff(ctx, "first", d.Member.ID), problem.Conflict)
		want(t, "resuming", w.ResumeStaff(ctx, "first", d.Member.ID), "")
		_, err = w.StaffSessionOf(ctx, d.Cookie)
		want(t, "her session of before", err, problem.SessionOver)
		want(t, "signing in", d.SignIn(), "")
		want(t, "removing", w.RemoveStaff(ctx, "first", d.Member.ID), "")
		_, err = w.StaffSessionOf(ctx, d.Cookie)
		want(t, "her session", err, problem.SessionOver)
		want(t, "signing in", d.SignIn(), problem.PasskeyRefused)
		for _, f := range []func(context.Context, string, string) error{w.SuspendStaff, w.ResumeStaff, w.RemoveStaff} {
			want(t, "a removed member", f(ctx, "first", d.Member.ID), problem.Conflict)
			want(t, "nobody", f(ctx, "first", "stf_00000000000000000000000000"), problem.NotFound)
			want(t, "not even a name", f(ctx, "first", "' OR 1=1 --"), problem.NotFound)
		}
	})
}

// A counter that went back means that there are two of this passkey: it is held, and whoever is in is out.
func TestACopiedPasskeyIsHeld(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		d := w.Invited(staff.Clerk)
		d.Key.Step = 1
		want(t, "registering", d.Register(), "")
		_, err := w.ConfirmStaff(t.Context(), "second", d.Member.ID, d.Word)
		want(t, "confirming", err, "")
		want(t, "signing in", d.SignIn(), "")
		copied := *d
		copied.Key, copied.Cookie = d.Key.Copy(), ""
		want(t, "signing in again", d.SignIn(), "")
		want(t, "the copy", copied.SignIn(), problem.PasskeyHeld)
		_, err = w.StaffSessionOf(t.Context(), d.Cookie)
		want(t, "the session of the first", err, problem.SessionOver)
		want(t, "the first", d.SignIn(), problem.PasskeyHeld)
	})
}

// What must not open the console, one thing after the other.
func TestOnlyHerOwnBoundPasskeyOpensTheConsole(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		synced := w.Invited(staff.Clerk)
		synced.Key.Flags |= testkit.BackupEligible
		want(t, "a passkey that can be copied", synced.Register(), problem.PasskeyCopyable)
		synced.Key = testkit.NewAuthenticator()
		want(t, "another one by the same link", synced.Register(), "")

		d := w.SignedIn(staff.Clerk)
		for name, spoil := range map[string]func(*testkit.Authenticator){
			"another site":           func(a *testkit.Authenticator) { a.Origin = "https://staff.bank.example.evil.example" },
			"the customers' site":    func(a *testkit.Authenticator) { a.Origin = testkit.LoginOrigin },
			"the customers' party":   func(a *testkit.Authenticator) { a.PartyID = "login.bank.example" },
			"a frame":                func(a *testkit.Authenticator) { a.CrossOrigin = true },
			"no finger":              func(a *testkit.Authenticator) { a.Flags = testkit.UserPresent },
			"a creation":             func(a *testkit.Authenticator) { a.Type = "webauthn.create" },
			"now it can be copied":   func(a *testkit.Authenticator) { a.Flags |= testkit.BackupEligible },
			"another's handle":       func(a *testkit.Authenticator) { a.Handle = make([]byte, 64) },
			"no handle":              func(a *testkit.Authenticator) { a.NoHandle = true },
			"another challenge":      func(a *testkit.Authenticator) { a.Challenge = strings.Repeat("A", 43) },
			"another signature":      func(a *testkit.Authenticator) { a.Signature = func(b []byte) []byte { b[len(b)-1] ^= 1; return b } },
			"not even authenticator": func(a *testkit.Authenticator) { a.Response = func(m map[string]any) { delete(m, "response") } },
		} {
			honest := *d.Key
			spoil(d.Key)
			want(t, name, d.SignIn(), problem.PasskeyRefused)
			*d.Key = honest
		}
		options, err := w.StaffLogin(ctx, d.Binding)
		want(t, "options", err, "")
		response := d.Key.Get(options, testkit.StaffOrigin)
		_, _, err = w.LoginStaff(ctx, testkit.DeskActor(), "another browser", "", response)
		want(t, "another browser's challenge", err, problem.PasskeyRefused)
		_, _, err = w.LoginStaff(ctx, testkit.DeskActor(), d.Binding, "", response)
		want(t, "in its own browser", err, "")
		_, _, err = w.LoginStaff(ctx, testkit.DeskActor(), d.Binding, "", response)
		want(t, "the same once more", err, problem.PasskeyRefused)
		options, err = w.StaffLogin(ctx, d.Binding)
		want(t, "options", err, "")
		w.Clock.Move(5 * time.Minute)
		_, _, err = w.LoginStaff(ctx, testkit.DeskActor(), d.Binding, "", d.Key.Get(options, testkit.StaffOrigin))
		want(t, "five minutes later", err, problem.PasskeyRefused)

		// The doors of the customers and of the staff know nothing of each other.
		customers, err := w.PasskeyLogin(ctx, "b")
		want(t, "the customers' options", err, "")
		challenge := between(string(customers), `"challenge":"`, `"`)
		_, _, err = w.LoginStaff(ctx, testkit.DeskActor(), "b", "", d.Key.GetWith(d.Key.Credentials[0], challenge, testkit.StaffOrigin))
		want(t, "the customers' challenge at the console", err, problem.PasskeyRefused)
		d.Key.PartyID = "login.bank.example"
		customers, err = w.PasskeyLogin(ctx, "b")
		want(t, "the customers' options", err, "")
		challenge = between(string(customers), `"challenge":"`, `"`)
		visit := testkit.Visit("pc")
		_, _, err = w.LoginPasskey(ctx, visit, "b", d.Key.GetWith(d.Key.Credentials[0], challenge, testkit.LoginOrigin))
		want(t, "a passkey of the staff at the customers' door", err, problem.PasskeyRefused)
		if _, err := w.SessionOf(ctx, d.Cookie); problem.KindOf(err) != problem.SessionOver {
			t.Errorf("the console's cookie opens the customers' pages: %v", err)
		}
	})
}

func between(s, before, after string) string {
	_, s, _ = strings.Cut(s, before)
	s, _, _ = strings.Cut(s, after)
	return s
}

// A customer's passkey opens nothing here, even if it answers for the console's own name: what it was registered for decides.
func TestACustomersPasskeyDoesNotOpenTheConsole(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		w.Person(1, false)
		c, err := w.Store.Reader().CustomerByLoginID(ctx, "hanako01")
		want(t, "the customer", err, "")
		party, err := passkey.NewParty(testkit.StaffOrigin, "", true)
		want(t, "the party", err, "")
		challenge := make([]byte, passkey.ChallengeBytes)
		options, err := party.CreationOptions(challenge, passkey.User{Handle: make([]byte, passkey.HandleBytes)}, nil)
		want(t, "options", err, "")
		d := &testkit.Desk{W: w, Binding: "b", Key: testkit.NewAuthenticator()}
		made, err := passkey.ReadCreated(d.Key.Create(options, testkit.StaffOrigin))
		want(t, "reading", err, "")
		credential, err := party.Register(challenge, made)
		want(t, "registering", err, "")
		err = w.Store.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
			p := passkey.Passkey{ID: "pky_test", Owner: c.ID, State: passkey.Active, Usable: w.Clock.Now(), Registered: w.Clock.Now(), Credential: credential}
			if _, err := tx.InsertPasskey(ctx, store.NewPasskey(p, "login", "")); err != nil {
				return err
			}
			return tx.Record(ctx, audit.Entry{ID: "ent_test", At: w.Clock.Now(), Actor: audit.Actor{Kind: audit.Server}, Action: audit.PasskeyRegister, Outcome: audit.Done})
		})
		want(t, "writing", err, "")
		want(t, "the customer's passkey at the console", d.SignIn(), problem.PasskeyRefused)
	})
}

// Each act leaves a line with who did it, and none says a word, a code or a name.
func TestTheTrailOfStaffSaysWhoAndNothingSecret(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		d := w.SignedIn(staff.Clerk)
		want(t, "signing out", w.StaffLogout(ctx, d.StaffSession), "")
		thief := *d
		thief.Key, thief.Binding = testkit.NewAuthenticator(), "thief"
		want(t, "a used link", thief.Register(), problem.StaffLinkRefused)
		rows, err := w.Store.Reader().EntriesOf(ctx, db.EntriesOfParams{Customer: "", ID: "ent_zzzz", Limit: 100})
		want(t, "the trail", err, "")
		var got []string
		for _, r := range rows {
			if !strings.HasPrefix(r.Action, "staff.") {
				continue
			}
			got = append(got, strings.Join([]string{r.ActorKind, r.Actor, r.Action, r.Outcome}, " "))
			for name, secret := range map[string]string{"code": d.Code, "word": d.Word, "name": "森", "cookie": d.Cookie} {
				if strings.Contains(r.Detail+r.Object+r.Reason, secret) {
					t.Errorf("%s tells the %s", r.Action, name)
				}
			}
		}
		slices.Sort(got)
		expect := []string{"operator first staff.invite done", "operator second staff.confirm done", "staff " + d.Member.ID + " staff.logout done", "stranger  staff.login done",
			"stranger  staff.register done", "stranger  staff.register refused"}
		if !slices.Equal(got, expect) {
			t.Errorf("the trail says\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(expect, "\n"))
		}
		if strings.Contains(w.Log.String(), d.Code) || strings.Contains(w.Log.String(), d.Word) {
			t.Error("the log has a code or a word")
		}
	})
}

// The table of a member's life is what the statements do: every state meets every event.
func TestTheTableOfStaffIsWhatHappens(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		reach := map[staff.State]func() *testkit.Desk{
			staff.Invited:    func() *testkit.Desk { return w.Invited(staff.Clerk) },
			staff.Registered: func() *testkit.Desk { d := w.Invited(staff.Clerk); want(t, "registering", d.Register(), ""); return d },
			staff.Active:     func() *testkit.Desk { return w.SignedIn(staff.Clerk) },
			staff.Suspended: func() *testkit.Desk {
				d := w.SignedIn(staff.Clerk)
				want(t, "suspending", w.SuspendStaff(ctx, "x", d.Member.ID), "")
				return d
			},
			staff.Removed: func() *testkit.Desk {
				d := w.SignedIn(staff.Clerk)
				want(t, "removing", w.RemoveStaff(ctx, "x", d.Member.ID), "")
				return d
			},
		}
		happen := map[staff.Event]func(d *testkit.Desk) error{
			staff.Register: func(d *testkit.Desk) error { return d.Register() },
			staff.Confirm: func(d *testkit.Desk) error {
				_, err := w.ConfirmStaff(ctx, "second", d.Member.ID, d.Word)
				return err
			},
			staff.Burn: func(d *testkit.Desk) (err error) {
				for range staff.WordTries {
					_, err = w.ConfirmStaff(ctx, "second", d.Member.ID, "")
				}
				return err
			},
			staff.Lapse: func(*testkit.Desk) error {
				w.Clock.Move(24 * time.Hour)
				return w.SweepDue(ctx)
			},
			staff.Suspend: func(d *testkit.Desk) error { return w.SuspendStaff(ctx, "x", d.Member.ID) },
			staff.Resume:  func(d *testkit.Desk) error { return w.ResumeStaff(ctx, "x", d.Member.ID) },
			staff.Remove:  func(d *testkit.Desk) error { return w.RemoveStaff(ctx, "x", d.Member.ID) },
		}
		for _, from := range staff.States {
			for _, on := range staff.Events {
				d := reach[from]()
				if s := staffState(t, w, d.Member.ID); s != from {
					t.Fatalf("a member meant to be %s is %s", from, s)
				}
				err := happen[on](d)
				to, ok := staff.Life.Next(from, on)
				if !ok {
					to = from
				}
				if got := staffState(t, w, d.Member.ID); got != to || !ok && on != staff.Lapse && err == nil {
					t.Errorf("%s meets %s: %s (%v), want %s", from, on, got, err, to)
				}
			}
		}
	})
}
