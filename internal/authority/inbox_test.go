package authority_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/customer"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/signing"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/testkit"
)

func topicsOf(all []authority.Notice) (out []string) {
	for _, n := range all {
		out = append(out, n.Topic)
	}
	return out
}

// Every notice that is mailed stands in the inbox, in the write that it tells of, without the code by which its reader objects; what carries a code or a number does not stand there.
func TestEveryNoticeStandsInTheInbox(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		p := newPayer(w, 1)
		w.Clock.Move(time.Second)
		addPasskey(t, p.browser, p.phone, testkit.NewAuthenticator(), "PC")
		w.Clock.Move(time.Second)
		n, err := w.Unread(ctx, p.browser.Session)
		want(t, "unread", err, "")
		all, older, err := w.Inbox(ctx, p.browser.Session, "")
		want(t, "the inbox", err, "")
		topics := topicsOf(all)
		for _, topic := range []string{"login_new_device", "token_ordered", "token_registered", "token_started", "transaction_auth_added", "passkey_registered"} {
			if !slices.Contains(topics, topic) {
				t.Errorf("%s is missing in %v", topic, topics)
			}
		}
		if older != "" || n != len(all) || topics[0] != "passkey_registered" || !all[0].Unread {
			t.Errorf("%d unread, older %q, %v", n, older, topics)
		}
		for _, x := range all {
			if x.Values["objection"] != "" || x.Values["objection_link"] != "" || x.Values["number"] != "" {
				t.Errorf("%s holds %v", x.Topic, x.Values)
			}
		}
		if n, err = w.Unread(ctx, p.browser.Session); err != nil || n != 0 {
			t.Errorf("%d unread after a look, %v", n, err)
		}
		// Pages: every notice once, the newest first, and nobody else's.
		other := w.LogIn(w.Person(2, false), authority.PC)
		for i := range 30 {
			w.Clock.Move(time.Minute)
			want(t, "turning a mail", w.ChooseMail(ctx, p.browser.Session, authority.MailKnownLogin, i%2 == 0), "")
			p.browser = w.LogIn("hanako01", authority.PC)
			want(t, "the code", p.browser.Code(p.phone.Code()), "")
		}
		seen, before := map[string]bool{}, ""
		for {
			page, next, err := w.Inbox(ctx, p.browser.Session, before)
			want(t, "a page", err, "")
			for i, x := range page {
				if seen[x.ID] || i > 0 && x.ID >= page[i-1].ID {
					t.Fatalf("%s comes twice or out of order", x.ID)
				}
				seen[x.ID] = true
			}
			if next == "" {
				break
			}
			before = next
		}
		if len(seen) < len(all)+30 {
			t.Errorf("%d notices on all pages", len(seen))
		}
		his, _, err := w.Inbox(ctx, other.Session, "")
		if err != nil || len(his) != 1 || his[0].Topic != "login_new_device" || seen[his[0].ID] {
			t.Errorf("another customer's inbox: %v, %v", topicsOf(his), err)
		}
		_, _, err = w.Inbox(ctx, p.browser.Session, "ntc_1' OR 1=1")
		want(t, "a page from nowhere", err, problem.NotFound)
	})
}

// The mails that she may do without: to be told less is announced to every address at once, and counts a day later; a thief who turns them off is seen before he is unseen, and what he cannot turn
// off are notices.
func TestNobodyIsMutedAtOnce(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		p := newPayer(w, 1)
		approve := func() int {
			w.Clock.Move(20 * time.Minute)
			x := p.order()
			if _, err := p.phone.Send(p.phone.Decision(x.Offer, transaction.Yes)); err != nil {
				t.Fatal(err)
			}
			return sentTo(t, w, "transaction_approved")["hanako1@mail.example.jp"]
		}
		if n := approve(); n != 1 {
			t.Fatalf("%d mails after an approval", n)
		}
		fresh := func() *testkit.Browser {
			w.Clock.Move(time.Minute)
			b := &testkit.Browser{W: w, Visit: p.browser.Visit}
			want(t, "login", b.Password("hanako01", testkit.Login), "")
			want(t, "code", b.Code(p.phone.Code()), "")
			return b
		}
		b := fresh()
		for range 3 { // a second and a third time move nothing, and tell nobody again
			want(t, "turning it off", w.ChooseMail(ctx, b.Session, authority.MailApproved, false), "")
		}
		for _, kind := range []authority.Optional{"password_changed", "", "service_stopped"} {
			want(t, "turning off a notice", w.ChooseMail(ctx, b.Session, kind, false), problem.Malformed)
		}
		if v := mailed(t, w, "mail_off"); v["objection"] == "" || v["mail"] != "transaction_approved" {
			t.Errorf("told %v", v)
		}
		if n := sentTo(t, w, "mail_off")["hanako1@mail.example.jp"]; n != 1 {
			t.Errorf("told %d times", n)
		}
		c, err := w.MailChoices(ctx, b.Session)
		if err != nil || !c[0].On || c[0].Until.Before(w.Clock.Now().Add(23*time.Hour)) || c[1].On {
			t.Errorf("the choices are %+v, %v", c, err)
		}
		if n := approve(); n != 2 {
			t.Errorf("%d mails within the day", n)
		}
		w.Clock.Move(24 * time.Hour)
		if n := approve(); n != 2 {
			t.Errorf("%d mails after the day", n)
		}
		b = fresh()
		if n := sentTo(t, w, "login_known_device"); len(n) != 0 {
			t.Errorf("mails of known logins without being asked for: %v", n)
		}
		want(t, "turning them on", w.ChooseMail(ctx, b.Session, authority.MailApproved, true), "")
		want(t, "turning them on", w.ChooseMail(ctx, b.Session, authority.MailKnownLogin, true), "")
		if n := approve(); n != 3 {
			t.Errorf("%d mails after it was turned on", n)
		}
		fresh()
		if n := sentTo(t, w, "login_known_device"); n["hanako1@mail.example.jp"] != 1 {
			t.Errorf("mails of known logins: %v", n)
		}
	})
}

// The token's inbox is signed: for this token and for this very question. Altered, of another token, or given again for a later question it does not hold.
func TestTheTokenReadsASignedInbox(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		p, other := newPayer(w, 1), newPayer(w, 2)
		key := w.Keys.Issuer().Key
		proof := p.phone.Proof("GET", "/v1/notices", nil)
		envelope, err := w.InboxOfToken(ctx, proof)
		want(t, "the inbox", err, "")
		in, err := signing.ParseInbox(envelope, key)
		if err != nil || in.Token != p.phone.Answer.Token || in.Issuer != testkit.TokenOrigin || in.Proof != signing.Hash(proof.DPoP) || in.Notices[0].JA.Title != "ja transaction_auth_added" || in.Notices[0].EN.Title != "en transaction_auth_added" {
			t.Fatalf("read %+v, %v", in, err)
		}
		_, err = w.InboxOfToken(ctx, proof)
		want(t, "the same proof again", err, problem.ProofRefused)
		hers, err := w.InboxOfToken(ctx, other.phone.Proof("GET", "/v1/notices", nil))
		want(t, "another customer's", err, "")
		theirs, err := signing.ParseInbox(hers, key)
		want(t, "reading it", err, "")
		for _, n := range theirs.Notices {
			for _, m := range in.Notices {
				if n.ID == m.ID {
					t.Errorf("%s stands in both inboxes", n.ID)
				}
			}
		}
		parts := strings.Split(envelope, ".")
		for i, broken := range []string{parts[0] + "." + strings.Split(hers, ".")[1] + "." + parts[2], envelope[:len(envelope)-4] + "AAAA", strings.Replace(envelope, parts[1][:8], "eyJhIjoi", 1), ""} {
			if _, err := signing.ParseInbox(broken, key); err == nil {
				t.Errorf("a broken inbox holds: %d", i)
			}
		}
		offer := p.order()
		if _, err := signing.ParseInbox(offer.Offer, key); err == nil {
			t.Error("an offer is taken for an inbox")
		}
		// However much there is to say, it fits, and says that there is more.
		for i := range 25 {
			w.Clock.Move(time.Minute)
			want(t, "turning a mail", w.ChooseMail(ctx, other.browser.Session, authority.MailKnownLogin, i%2 == 0), "")
			other.browser = w.LogIn("hanako02", authority.PC)
			want(t, "the code", other.browser.Code(other.phone.Code()), "")
		}
		envelope, err = w.InboxOfToken(ctx, other.phone.Proof("GET", "/v1/notices", nil))
		want(t, "a long inbox", err, "")
		if in, err = signing.ParseInbox(envelope, key); err != nil || !in.More || len(in.Notices) == 0 {
			t.Errorf("%d notices, more %v, %v", len(in.Notices), in.More, err)
		}
	})
}

// The mail address changes with the token's approval and not without it. The one before stays told, can put itself back, and no registration number goes to the new one for 72 hours.
func TestChangeOfMailAddress(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		p := newPayer(w, 1)
		change := func(to string) {
			t.Helper()
			w.Clock.Move(time.Minute)
			e, err := w.AskAddress(ctx, p.browser.Session, to)
			want(t, "asking", err, "")
			p.browser.Approve(e, p.phone, transaction.Yes)
			want(t, "changing", w.ChangeAddress(ctx, p.browser.Session, e.ID), "")
			want(t, "again, because the answer was lost", w.ChangeAddress(ctx, p.browser.Session, e.ID), problem.TransactionNotApproved)
		}
		onFile := func() string {
			t.Helper()
			a, err := w.AddressOnFile(ctx, p.browser.Customer)
			want(t, "the address on file", err, "")
			return a.Mail
		}
		const old, second, third = "hanako1@mail.example.jp", "hanako@second.example.jp", "hanako@third.example.jp"
		if onFile() != old { // given by the bank, and good at once
			t.Errorf("on file is %s", onFile())
		}
		for _, bad := range []string{"", "hanako", "a@b\r\nBcc: x@y", old, strings.Repeat("a", 60) + "@x.jp"} {
			if _, err := w.AskAddress(ctx, p.browser.Session, bad); problem.KindOf(err) != problem.AddressRefused {
				t.Errorf("%q: %v", bad, err)
			}
		}
		e, err := w.AskAddress(ctx, p.browser.Session, second)
		want(t, "asking", err, "")
		if !strings.Contains(e.Display["ja"], old) || !strings.Contains(e.Display["ja"], second) {
			t.Errorf("the phone shows %s", e.Display["ja"])
		}
		want(t, "without an approval", w.ChangeAddress(ctx, p.browser.Session, e.ID), problem.TransactionNotApproved)
		p.browser.Approve(e, p.phone, transaction.No)
		want(t, "with a no", w.ChangeAddress(ctx, p.browser.Session, e.ID), problem.TransactionNotApproved)
		change(second)
		if got := sentTo(t, w, "address_changed"); got[old] != 1 || got[second] != 1 {
			t.Errorf("told %v", got)
		}
		all, err := w.Addresses(ctx, p.browser.Session)
		if err != nil || len(all) != 2 || all[0].State != customer.Leaving || all[1].State != customer.Usable {
			t.Errorf("the addresses are %+v, %v", all, err)
		}
		c, err := w.CoolingOffOf(ctx, p.ref)
		if i := slices.IndexFunc(c, func(x authority.Cooling) bool { return x.Change == authority.AddressChanged }); err != nil || i < 0 || !c[i].Approved {
			t.Errorf("the bank is told %+v, %v", c, err)
		}
		if onFile() != old {
			t.Errorf("a registration number would go to %s", onFile())
		}
		change(third)
		if onFile() != old {
			t.Errorf("after a second change a registration number would go to %s", onFile())
		}
		if got := sentTo(t, w, "address_changed"); got[old] != 2 || got[second] != 2 || got[third] != 1 {
			t.Errorf("told %v", got)
		}
		// She turns back by herself: the first one is what it was.
		change(old)
		if onFile() != old {
			t.Errorf("on file is %s", onFile())
		}
		change(second)
		w.Clock.Move(71 * time.Hour)
		if onFile() != old {
			t.Errorf("before the time is over on file is %s", onFile())
		}
		w.Clock.Move(2 * time.Hour)
		if onFile() != second {
			t.Errorf("after 72 hours on file is %s", onFile())
		}
		w.Post.Down(false)
		b := w.LogIn("hanako01", authority.PC)
		want(t, "code", b.Code(p.phone.Code()), "")
		if got := sentTo(t, w, "login_new_device"); got[third] != 0 {
			t.Errorf("an address that has left is told: %v", got)
		}
	})
}

// Whoever reads the old address objects: the new one is gone, the old one back, the service stopped; a chain of changes is undone with it, and the code is good once.
func TestTheOldAddressObjects(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		p := newPayer(w, 1)
		change := func(to string) {
			t.Helper()
			w.Clock.Move(time.Minute)
			e, err := w.AskAddress(ctx, p.browser.Session, to)
			want(t, "asking", err, "")
			p.browser.Approve(e, p.phone, transaction.Yes)
			want(t, "changing", w.ChangeAddress(ctx, p.browser.Session, e.ID), "")
		}
		change("thief@second.example.jp")
		code := mailed(t, w, "address_changed")["objection"]
		change("thief@third.example.jp")
		want(t, "objecting", w.Object(ctx, abroad().Actor, code), "")
		want(t, "objecting again", w.Object(ctx, abroad().Actor, code), "")
		want(t, "a login", testLogin(w, "hanako01"), problem.LoginRefused)
		rows, err := w.Store.Reader().AddressesOf(ctx, p.browser.Customer)
		if err != nil || len(rows) != 1 || rows[0].Mail != "hanako1@mail.example.jp" {
			t.Fatalf("the addresses are %+v, %v", rows, err)
		}
		c, err := w.CoolingOffOf(ctx, p.ref)
		if err != nil || slices.ContainsFunc(c, func(x authority.Cooling) bool { return x.Change == authority.AddressChanged }) {
			t.Errorf("after the undoing the bank is told %+v, %v", c, err)
		}
		before := sentTo(t, w, "service_stopped")
		if len(before) != 1 || before["hanako1@mail.example.jp"] != 1 {
			t.Errorf("told %v", before)
		}
		// The code of the second change comes too late to put the first thief's address back.
		later := mailed(t, w, "address_changed")["objection"]
		want(t, "the second code", w.Object(ctx, abroad().Actor, later), "")
		if rows, err = w.Store.Reader().AddressesOf(ctx, p.browser.Customer); err != nil || len(rows) != 1 || rows[0].Mail != "hanako1@mail.example.jp" {
			t.Errorf("after the second code the addresses are %+v, %v", rows, err)
		}
	})
}

// Each change begins its time of caution, once, and ends by itself; the bank is told until when and why, and in the permit.
func TestCoolingOffIsTold(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		p := newPayer(w, 1)
		a, err := w.AssuranceOf(ctx, p.ref)
		if err != nil || !a.Stopped.IsZero() || a.Token != "active" || a.LastClass != authority.ACROneTimePassword || len(a.Cooling) != 1 || a.Cooling[0].Change != authority.TokenStarted || a.Cooling[0].Approved {
			t.Fatalf("assurance %+v, %v", a, err)
		}
		device := testkit.NewAuthenticator()
		added := addPasskey(t, p.browser, p.phone, device, "")
		x := p.order()
		if _, err := p.phone.Send(p.phone.Decision(x.Offer, transaction.Yes)); err != nil {
			t.Fatal(err)
		}
		done, err := w.ConsumeTransaction(ctx, internetBank, x.ID, p.execution("exec-1"))
		want(t, "consuming", err, "")
		permit, err := transaction.ParsePermit(done.Permit, w.Keys.Issuer().Key)
		if err != nil || len(permit.CoolingOff) != 2 || permit.CoolingOff[0].Change != "token_started" || permit.CoolingOff[1].Change != "passkey_added" || !permit.CoolingOff[1].Approved {
			t.Errorf("the permit says %+v, %v", permit.CoolingOff, err)
		}
		// Undone from the old channel it is over.
		want(t, "objecting", w.Object(ctx, abroad().Actor, mailed(t, w, "passkey_registered")["objection"]), "")
		a, err = w.AssuranceOf(ctx, p.ref)
		if err != nil || a.Stopped.IsZero() || len(a.Cooling) != 1 || a.Synced+a.Bound != 0 {
			t.Errorf("after the objection %+v, %v (%s)", a, err, added.State)
		}
		w.Clock.Move(24*time.Hour + time.Second)
		a, err = w.AssuranceOf(ctx, p.ref)
		if err != nil || len(a.Cooling) != 0 {
			t.Errorf("a day later %+v, %v", a.Cooling, err)
		}
		_, err = w.AssuranceOf(ctx, "nobody")
		want(t, "nobody", err, problem.NotFound)
	})
}
