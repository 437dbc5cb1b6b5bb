package authority_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/enrolment"
	"github.com/inkan-auth/inkan/internal/domain/phone"
	"github.com/inkan-auth/inkan/internal/domain/reissue"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// The seven things that somebody may have of a customer, by the letters of the table in docs/threats.md.
const (
	hasLogin   = "L" // login password
	hasConfirm = "C" // confirmation password
	hasCode    = "O" // every one-time password, as it is shown
	hasMail    = "M" // the mailbox
	hasSIM     = "S" // the telephone number on file
	hasCard    = "K" // the cash card with its PIN
	hasPhone   = "P" // the old phone, unlocked, without user verification
)

var things = []string{hasLogin, hasConfirm, hasCode, hasMail, hasSIM, hasCard, hasPhone}

// holder is whoever has some of them. What he does not have he guesses wrong.
type holder struct {
	*testkit.World
	has     map[string]bool
	n       int
	id      string
	phone   *testkit.Phone // hers; he asks it only for what he has
	browser *testkit.Browser
	notice  string // code of a notice in her mailbox
}

// newHolder makes the n-th customer, with a token in use, and gives her to whoever has these things of hers.
func newHolder(w *testkit.World, has map[string]bool, n int) *holder {
	w.T.Helper()
	h := &holder{World: w, has: has, n: n, id: w.Person(n, false)}
	b := w.LogIn(h.id, authority.PC)
	h.phone = b.Enrol()
	w.Cards.Card("101", "普通", fmt.Sprintf("%07d", 1234566+n), pin, fmt.Sprintf("0101-1-%07d", 1234566+n))
	h.notice = mailed(w.T.(*testing.T), w, "token_started")["objection"]
	return h
}

func (h *holder) password(thing, right string) []byte {
	if h.has[thing] {
		return []byte(right)
	}
	return []byte("not the right one")
}

// code is the next that the phone shows, for whoever sees them.
func (h *holder) code() string {
	h.Clock.Move(time.Minute)
	if h.has[hasCode] || h.has[hasPhone] {
		return h.phone.Code()
	}
	return h.phone.Wrong()
}

// full is a session that owes nothing, if he gets one.
func (h *holder) full() bool {
	if h.browser != nil {
		if _, err := h.SessionOf(h.T.Context(), h.browser.Cookie.Session); err == nil {
			return true
		}
	}
	b := &testkit.Browser{W: h.World, Visit: abroad()}
	if b.Password(h.id, string(h.password(hasLogin, testkit.Login))) != nil || b.Code(h.code()) != nil {
		return false
	}
	h.browser = b
	return true
}

// approve has the old phone say yes to what waits, for whoever holds it.
func (h *holder) approve() {
	if !h.has[hasPhone] {
		return
	}
	for _, p := range h.phone.Transactions().Pending {
		_, _ = h.phone.Send(h.phone.Decision(p.Offer, transaction.Yes))
	}
}

// road walks the proofs of the road back as far as they go.
func (h *holder) road(wish reissue.Wish) (l *lost, ok bool) {
	l = &lost{World: h.World, n: h.n, visit: abroad()}
	card := l.card(string(h.password(hasCard, pin)))
	c, err := h.BeginReissue(h.T.Context(), l.visit, wish, card)
	if err != nil {
		return l, false
	}
	l.cookie = c.Session
	if l.confirm(string(h.password(hasConfirm, testkit.Confirm))) != nil {
		return l, false
	}
	_, err = h.CallReissue(h.T.Context(), l.visit, l.cookie, phone.CallOut, "ja")
	if err != nil {
		return l, false
	}
	if _, err := h.DeliverDue(h.T.Context()); err != nil {
		h.T.Fatal(err)
	}
	heard := "000000"
	if h.has[hasSIM] {
		calls := h.Line.Calls()
		said, _, err := h.Happens(phone.Happened{Kind: phone.CallAnswered, Call: calls[len(calls)-1].ID})
		if err != nil {
			h.T.Fatal(err)
		}
		heard = code(h.T, said)
	}
	if h.TypePhoneCode(h.T.Context(), l.visit, l.cookie, heard) != nil {
		return l, false
	}
	return l, l.order() == nil
}

// openDoors are the doors in the order in which he tries them: what opens one must not shut the next. Each says whether it opened.
var openDoors = []struct {
	name string
	try  func(h *holder) bool
}{
	{"look", func(h *holder) bool { return h.full() }},
	{"change the login password", func(h *holder) bool {
		if !h.full() {
			return false
		}
		c, err := h.ChangePassword(h.T.Context(), h.browser.Session, authority.LoginPassword, h.password(hasLogin, testkit.Login), []byte("kumo-no-ue-no-hoshi-5"), h.code())
		if err == nil { // and back again, for the doors that follow
			s, err := h.SessionOf(h.T.Context(), c.Session)
			if err == nil {
				_, err = h.ChangePassword(h.T.Context(), s, authority.LoginPassword, []byte("kumo-no-ue-no-hoshi-5"), []byte(testkit.Login), h.code())
			}
			if err != nil {
				h.T.Fatalf("putting the password back: %v", err)
			}
			h.browser = nil
		}
		return err == nil
	}},
	{"register a passkey", func(h *holder) bool {
		if !h.full() {
			return false
		}
		e, err := h.Ask(h.T.Context(), h.browser.Session, authority.AddPasskey, "")
		if err != nil {
			return false
		}
		h.approve()
		options, err := h.PasskeyOptions(h.T.Context(), h.browser.Session, e.ID)
		if err != nil {
			_ = h.CancelErrand(h.T.Context(), h.browser.Session, e.ID)
			return false
		}
		_, err = h.AddPasskey(h.T.Context(), h.browser.Session, e.ID, "his", testkit.NewAuthenticator().Create(options, loginOrigin))
		return err == nil
	}},
	{"change the mail address", func(h *holder) bool {
		if !h.full() {
			return false
		}
		e, err := h.AskAddress(h.T.Context(), h.browser.Session, fmt.Sprintf("his%d@example.net", h.n))
		if err != nil {
			return false
		}
		h.approve()
		if err = h.ChangeAddress(h.T.Context(), h.browser.Session, e.ID); err != nil {
			_ = h.CancelErrand(h.T.Context(), h.browser.Session, e.ID)
		}
		return err == nil
	}},
	{"move the token to his phone", func(h *holder) bool {
		if !h.has[hasPhone] { // only that phone shows the link; what a session makes of it is tried elsewhere
			return false
		}
		m, err := h.BeginMove(h.T.Context(), h.phone.Proof("POST", "/v1/moves", nil))
		if err != nil {
			return false
		}
		_, id, secret, _, number, err := enrolment.ParseMoveLink(m.Link)
		if err != nil {
			h.T.Fatal(err)
		}
		his := testkit.NewPhone(h.World)
		if his.Register(his.Seal(his.Request(id, secret, number))) != nil {
			return false
		}
		h.approve()
		if finish(his) != nil {
			return false
		}
		h.phone = his
		return true
	}},
	{"re-issue the token", func(h *holder) bool {
		l, ok := h.road(reissue.Token)
		if !ok {
			return false
		}
		number := h.MailedNumber()
		if !h.has[hasMail] {
			number = "00000000"
		}
		key, err := h.ReissueKey(h.T.Context(), l.visit, l.cookie, false)
		if err != nil {
			return false
		}
		his := testkit.NewPhone(h.World)
		if his.Register(his.Scan(key.Link, number)) != nil {
			_ = h.CancelReissue(h.T.Context(), l.visit, l.cookie)
			return false
		}
		h.Clock.Move(time.Minute)
		if l.start(his.Code()) != nil {
			return false
		}
		h.phone, h.browser = his, nil
		h.has[hasPhone] = true // from here on the phone in use is his
		return true
	}},
	{"stop the use of the token", func(h *holder) bool {
		if !h.full() {
			return false
		}
		e, err := h.AskToStop(h.T.Context(), h.browser.Session, h.password(hasConfirm, testkit.Confirm))
		if err != nil {
			return false
		}
		h.approve()
		if h.StopToken(h.T.Context(), h.browser.Session, e.ID) != nil {
			_ = h.CancelErrand(h.T.Context(), h.browser.Session, e.ID)
			return false
		}
		return true
	}},
	{"stop the service", func(h *holder) bool {
		ctx, v := h.T.Context(), abroad()
		try := func(by authority.StopFactor, secret []byte) bool {
			s, err := h.StopByFactor(ctx, v, h.id, by, string(secret))
			return err == nil && s.Now
		}
		if try(authority.StopByLogin, h.password(hasLogin, testkit.Login)) || try(authority.StopByConfirm, h.password(hasConfirm, testkit.Confirm)) || try(authority.StopByCode, []byte(h.code())) {
			return true
		}
		if h.has[hasPhone] {
			if s, err := h.StopByToken(ctx, h.phone.Proof("POST", "/v1/stop", nil)); err == nil && s.Now {
				return true
			}
		}
		return h.has[hasMail] && h.Object(ctx, testkit.Stranger(), h.notice) == nil
	}},
	{"start the service again", func(h *holder) bool {
		_, err := h.StopByBank(h.T.Context(), internetBank, fmt.Sprintf("0101-1-%07d", 1234566+h.n), "fraud")
		if err != nil {
			h.T.Fatal(err)
		}
		_, ok := h.road(reissue.Service)
		return ok
	}},
}

// needs is the table of docs/threats.md: for each door the sets of things of which one opens it.
func needs(t *testing.T) map[string][]string {
	t.Helper()
	b, err := os.ReadFile("../../docs/threats.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(b), "\n## What opens which door\n")
	if !ok {
		t.Fatal("docs/threats.md has no table of doors")
	}
	out := map[string][]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| ([^|]+) \\| ((?:`[LCOMSKP+]+`(?:, )?)+) \\|").FindAllStringSubmatch(table, -1) {
		for _, set := range strings.Split(m[2], ", ") {
			out[m[1]] = append(out[m[1]], strings.Trim(set, "`"))
		}
	}
	return out
}

// opens says whether these things open a door, by the table.
func opens(sets []string, has map[string]bool) bool {
	return slices.ContainsFunc(sets, func(set string) bool {
		for _, thing := range strings.Split(set, "+") {
			if !has[thing] {
				return false
			}
		}
		return true
	})
}

// All 2^7 sets of things that somebody may have of a customer: the doors that open are exactly those of the table in docs/threats.md. Nowhere does a set of one-time passwords replace the phone, and nowhere do two
// things that are stolen together open the road back.
func TestWhatOpensWhichDoor(t *testing.T) {
	t.Parallel()
	table := needs(t)
	if len(table) != len(openDoors) {
		t.Errorf("the table has %d doors, the test %d", len(table), len(openDoors))
	}
	run := func(t *testing.T, w *testkit.World) {
		w.Policy.TriesForLife = 100
		customer, opened := 100, 0
		for set := range 1 << len(things) {
			all := map[string]bool{}
			var name string
			for i, thing := range things {
				if all[thing] = set&(1<<i) != 0; all[thing] {
					name += thing
				}
			}
			var h *holder
			for _, d := range openDoors {
				if h == nil {
					has := map[string]bool{}
					for k, v := range all {
						has[k] = v
					}
					customer++
					h = newHolder(w, has, customer)
				}
				got, want := d.try(h), opens(table[d.name], all)
				if got != want {
					t.Errorf("with {%s}: %s: opened %t, by the table %t", name, d.name, got, want)
				}
				if got {
					opened++
					switch d.name { // behind these nothing is as it was
					case "re-issue the token", "stop the use of the token", "stop the service":
						h = nil
					}
				}
			}
		}
		t.Logf("%d customers, %d doors opened", customer-100, opened)
	}
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); run(t, testkit.New(t, testkit.SQLite(t))) })
	if long() { // the same authority over the other engine: its races are tried elsewhere
		t.Run("postgres", func(t *testing.T) { t.Parallel(); run(t, testkit.New(t, testkit.Postgres(t))) })
	}
}

// The theft at a Shinkin bank, move by move (reference: peers, Tama): several one-time passwords are phished, the token is exchanged with one of them, the login password is changed, the mails are turned off,
// and three times a million leaves. Here the second move fails, and what succeeds is told to every address before it counts.
func TestTheTheftOfTheExchangedToken(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		p := newPayer(w, 1)
		h := &holder{World: w, has: map[string]bool{hasLogin: true, hasConfirm: true, hasCode: true}, n: 1, id: testkit.LoginID[:6] + "01", phone: p.phone}
		w.Cards.Card("101", "普通", "1234567", pin, p.ref)
		if !h.full() {
			t.Fatal("he is not even logged in")
		}
		if v := mailed(t, w, "login_new_device"); v["objection"] == "" {
			t.Error("his login is not told")
		}
		// The exchange: no code moves or re-issues a token, and none is even asked for there.
		want(t, "a second application", w.Apply(ctx, h.browser.Session, []byte(testkit.Confirm)), "token-in-use")
		if _, ok := h.road(reissue.Token); ok {
			t.Error("he re-issues the token without card and telephone")
		}
		if s := status(t, p.phone).State; s != token.Active {
			t.Fatalf("her token is %s", s)
		}
		// The mails: those that matter cannot be turned off; the others are announced and go on for a day.
		fine(t, w.ChooseMail(ctx, h.browser.Session, authority.MailApproved, false))
		if mailed(t, w, "mail_off") == nil {
			t.Error("that he turns mails off is not told")
		}
		// The transfers: each is shown on her phone.
		made := p.order()
		w.Clock.Move(6 * time.Minute) // she does not answer, or says no
		if _, err := w.ConsumeTransaction(ctx, internetBank, made.ID, p.execution("exec-1")); err == nil {
			t.Error("a transfer goes out without her phone")
		}
		// She reads the first notice and stops everything with what stands in it, without a password.
		fine(t, w.Object(ctx, testkit.Stranger(), mailed(t, w, "login_new_device")["objection"]))
		if _, err := w.SessionOf(ctx, h.browser.Cookie.Session); err == nil {
			t.Error("his session goes on")
		}
	})
}
