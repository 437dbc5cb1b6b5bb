package customer

import (
	"net/http"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/customer"
	"github.com/inkan-auth/inkan/internal/domain/enrolment"
	"github.com/inkan-auth/inkan/internal/domain/passkey"
	"github.com/inkan-auth/inkan/internal/domain/phone"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/reissue"
	"github.com/inkan-auth/inkan/internal/domain/release"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/server/web"
)

// gallery shows every page with made-up data, for designers, screenshots and tests. Nothing of any customer is read, and no form of it is taken.
func (s *Server) gallery(w http.ResponseWriter, r *http.Request) {
	if !s.Gallery {
		s.Fail(w, r, problem.New(problem.NotFound))
		return
	}
	name := r.PathValue("page")
	if name == "" {
		v := s.view(w, r, "gallery")
		v.Data = GalleryPages
		s.write(w, r, http.StatusOK, v)
		return
	}
	v := s.view(w, r, strings.SplitN(name, "-", 2)[0])
	if !s.invent(v, name) {
		s.Fail(w, r, problem.New(problem.NotFound))
		return
	}
	v.Form = "gallery"
	if err := s.pages.Render(w, http.StatusOK, v.Page, v); err != nil {
		s.Fail(w, r, err)
	}
}

// GalleryPages names every page of the gallery: the page, and after a hyphen the situation.
var GalleryPages = []string{"login", "login-phone", "login-refused", "login-over", "code", "code-wrong", "code-used", "code-locked", "code-resynced", "resync", "resync-refused", "renew", "renew-mailed", "renew-late", "renew-refused", "passwords", "passwords-weak", "passwords-login", "apply", "apply-phone",
	"apply-tested", "apply-wait", "address", "address-bounced", "address-refused", "key", "key-phone", "key-bounced", "key-late", "start", "start-refused", "done", "cancel", "stop", "stop-refused",
	"security", "security-none", "security-ordered", "security-registered", "security-locked", "security-expired", "security-transactions", "security-stopped",
	"transactions", "transactions-unread", "transactions-added", "transactions-always", "transactions-none", "transactions-locked", "transactions-stopped", "password", "password-confirm", "history", "history-empty", "logout", "logout-done", "sorry", "leave",
	"security-passkeys", "passkeys", "passkeys-none", "passkeys-held", "addpasskey", "addpasskey-mail", "addpasskey-closed", "removepasskey", "removepasskey-password",
	"errand", "errand-approved", "errand-stop", "errand-mail", "errand-wrong", "errand-proved", "errand-rejected", "errand-reported", "errand-expired", "errand-address", "emergency", "emergency-refused", "emergency-done", "halt", "notices", "notices-empty", "mailaddress", "mailaddress-leaving", "mailaddress-none", "security-cooling", "notme", "notme-refused", "notme-done", "login-passkey",
	"applications", "reissue", "reissue-refused", "reissue-obstacle", "reissue-confirm", "reissue-choose", "reissue-sms", "reissue-keys", "reissue-callin", "reissue-wait", "reissue-missed", "reissue-again", "reissue-proved", "reissue-key", "reissue-start", "reissue-done", "reissue-restarted", "reissue-over", "release", "release-known", "sheet", "releasestate", "releasestate-received", "releasestate-submitted", "releasestate-granted", "releasestate-declined", "keyletter"}

// invent fills a page with a made-up customer's affairs.
func (s *Server) invent(v *view, name string) bool {
	now := time.Date(2026, 10, 5, 5, 24, 0, 0, time.UTC)
	v.Now = now
	pc := authority.Session{ID: "ses_1", Full: true, Channel: authority.PC, Device: "Windows / Edge", Source: "192.0.2.0/24", Created: now.Add(-4 * time.Minute), AMR: []string{"pwd", "otp"},
		PreviousAt: now.Add(-50 * time.Hour), PreviousPlace: "iPhone / Safari"}
	phone := pc
	phone.ID, phone.Device, phone.Source, phone.Channel, phone.Created = "ses_2", "iPhone / Safari", "198.51.100.0/24", authority.Smartphone, now.Add(-31*time.Minute)
	address := customer.Address{Mail: "hanako@example.jp", State: customer.Usable}
	order := &enrolment.Enrolment{State: enrolment.Ordered, Ordered: now.Add(-3 * time.Minute), Expires: now.Add(24 * time.Hour)}
	inUse := &token.Token{State: token.Active, Platform: "iPhone / Safari", Started: now.Add(-90 * 24 * time.Hour), Expires: now.Add(1005 * 24 * time.Hour)}
	sent := authority.MailState{State: "sent", At: now.Add(-2 * time.Minute)}
	view := authority.TokenView{Address: address, DownloadsNow: 1}
	inside := func() { v.On, v.Nav = &pc, true }
	refuse := func(k problem.Kind, pairs ...any) { v.show(problem.New(k, pairs...)) }
	fill := func(t authority.TokenView, on authority.Session) tokenData {
		d := s.tokenData(v, t, on)
		d.Mandatory = on.Channel == authority.Smartphone
		v.On, v.Nav = &on, !d.Mandatory
		return d
	}
	page, situation, _ := strings.Cut(name, "-")
	switch page {
	case "applications":
		v.Data = nil
	case "release", "sheet", "releasestate":
		made := authority.Release{Number: "7KQM-4T2X-9RWB-HD6P", State: release.Made, Items: []release.Item{release.TokenRevoke, release.Downloads}, Reason: release.LostPhone, Created: now.Add(-time.Hour), Changed: now.Add(-time.Hour),
			Expires: now.Add(90 * 24 * time.Hour), Branch: "101", AccountType: "普通", AccountNumber: "1234567", Name: "山田 花子", Kana: "ヤマダ ハナコ"}
		d := releaseData{Known: situation == "known", Account: "101 普通 ***4567", Items: release.Items, Reasons: release.Reasons, Chosen: map[string]bool{string(release.Downloads): situation == "known"}, AccountTypes: accountTypes(v)}
		if page != "release" {
			if situation != "" {
				made.State, made.Changed = release.State(situation), now
				_, open := release.Life.Next(made.State, release.Withdraw)
				d.Ended = !open
			}
			d.Made = &made
			d.QR, _ = web.DrawQR(made.Number)
		}
		v.Data = d
	case "reissue":
		s.inventReissue(v, situation, now)
	case "login":
		v.Data = loginData{Smartphone: situation == "phone"}
		v.Next = "/oidc/authorize/example"
		switch situation {
		case "refused":
			v.Typed["login_id"] = "hanako1234"
			refuse(problem.LoginRefused)
		case "over":
			refuse(problem.SessionOver)
		case "passkey":
			refuse(problem.PasskeyRefused)
		}
	case "code":
		v.On, v.Data = &pc, codeData{Open: situation != "locked", Wrong: situation == "wrong"}
		switch situation {
		case "resynced":
			v.Said = "resync"
		case "wrong":
			refuse(problem.OTPWrong, "tries_left", 3, "lock_left", 8)
		case "used":
			refuse(problem.OTPUsed, "wait", 34)
		case "locked":
			refuse(problem.OTPLocked)
		}
	case "resync":
		v.On, v.Data = &pc, codeData{Open: true}
		if situation == "refused" {
			refuse(problem.ResyncRefused, "tries_left", 3, "lock_left", 8)
		}
	case "renew":
		d := renewData{authority.ExpiredToken{Expired: now.Add(-3 * 24 * time.Hour), Until: now.Add(87 * 24 * time.Hour)}, situation == "late"}
		switch situation {
		case "mailed":
			d.Number, d.Mail, v.Said = now.Add(24*time.Hour), customer.MaskAddress(address.Mail), "renewal"
		case "late":
			d.Expired, d.Until = now.Add(-93*24*time.Hour), now.Add(-3*24*time.Hour)
		case "refused":
			refuse(problem.ConfirmRefused, "tries_left", 4)
		}
		v.On, v.Data = &pc, d
	case "passwords":
		v.On, v.Data = &pc, firstPasswords{true, situation != "login"}
		if situation == "weak" {
			refuse(problem.PasswordWeak, "which", "login", "reason", "short", "floor", 8)
		}
	case "apply":
		on := pc
		if situation == "phone" {
			on = phone
		}
		if situation == "tested" {
			view.Mail, v.Said = sent, "tested"
		}
		if situation == "wait" {
			view.Reapply = now.Add(30 * time.Minute)
		}
		v.Data = fill(view, on)
	case "address":
		if situation == "bounced" {
			view.Address.State = customer.Bounced
		}
		d := fill(view, pc)
		d.Wait = s.Text.Span(v.Lang, s.Authority.Rules().AddressDelay)
		v.Data = d
		if situation == "refused" {
			v.Typed["mail"] = "hanako@example"
			refuse(problem.AddressRefused)
		}
	case "key":
		on, left := pc, 9*time.Minute+41*time.Second
		if situation == "phone" {
			on = phone
		}
		if situation == "late" {
			left = 48 * time.Second
		}
		view.Enrolment, view.Mail = order, sent
		if situation == "bounced" {
			view.Address.State, view.Mail = customer.Bounced, authority.MailState{State: "dead", Reason: "bounced", At: sent.At}
		}
		d := fill(view, on)
		d.Key = authority.KeyView{Link: enrolment.Link(s.Bank.TokenOrigin, "enr_01k6t0000000000000000000", "AAECAwQFBgcICQoLDA0ODw", strings.Repeat("A", 43)), Typed: enrolment.AppendCheck("12345678901234"), Expires: now.Add(left)}
		d.Groups = strings.Fields(enrolment.Group(d.Key.Typed))
		var err error
		if d.QR, err = web.DrawQR(d.Key.Link); err != nil {
			return false
		}
		v.Data = d
	case "keyletter":
		e := *order
		e.Purpose, e.Expires = enrolment.Release, now.Add(13*24*time.Hour)
		view.Enrolment, view.Mail = &e, sent
		v.Data = fill(view, pc)
	case "start":
		e := *order
		e.State = enrolment.Registered
		view.Enrolment, view.Phone = &e, "iPhone / Safari"
		if situation == "refused" {
			e.StartTries = 1
			refuse(problem.StartRefused, "tries_left", 2)
		}
		v.Data = fill(view, pc)
	case "done", "stop":
		view.Token = inUse
		v.Data = fill(view, pc)
		if situation == "refused" {
			refuse(problem.ConfirmRefused, "tries_left", 4)
		}
	case "cancel":
		view.Enrolment = order
		v.Data = fill(view, pc)
	case "security":
		switch situation {
		case "", "transactions", "stopped", "passkeys", "cooling":
			view.Token = inUse
		case "locked":
			t := *inUse
			t.State = token.Locked
			view.Token = &t
		case "expired":
			t := *inUse
			t.State, t.Started, t.Expires = token.Expired, now.Add(-1098*24*time.Hour), now.Add(-3*24*time.Hour)
			view.Token = &t
		case "ordered":
			view.Enrolment = order
		case "registered":
			e := *order
			e.State = enrolment.Registered
			view.Enrolment, view.Phone = &e, "iPhone / Safari"
		}
		n := 0
		if situation == "passkeys" {
			n = 2
		}
		v.Data = securityData{fill(view, pc), inventedTransactions(situation, now), customer.Customer{}, []authority.Session{pc, phone}, n, inventedCooling(situation, now), 0}
	case "transactions":
		if situation != "none" {
			t := *inUse
			if situation == "locked" {
				t.State = token.Locked
			}
			view.Token = &t
		}
		switch situation {
		case "unread":
			refuse(problem.StepUp)
		case "added":
			v.Said = "transactions"
		}
		d := fill(view, pc)
		if situation == "unread" {
			v.At = "read"
		}
		v.Data = s.transactionsData(v, view, pc, inventedTransactions(situation, now))
		v.Nav = !d.Mandatory
	case "password":
		inside()
		which := whichOf(situation)
		v.Data = passwordData{Which: which, Code: true, NewName: "new_" + which}
	case "history":
		inside()
		d := historyData{}
		if situation == "" {
			d = byDay(v, inventedEntries(now))
			d.Older = "/gallery/history"
		}
		v.Data = d
	case "passkeys", "addpasskey", "removepasskey":
		inside()
		d := passkeysData{Limit: s.Authority.Rules().Passkeys, Token: inUse, Usable: true, Approval: true}
		switch situation {
		case "", "password":
			d.Passkeys = inventedPasskeys(now)
		case "held":
			d.Passkeys = inventedPasskeys(now)[2:]
		case "closed":
			t := *inUse
			t.State = token.Locked
			d.Token, d.Usable = &t, false
		}
		if situation == "mail" || situation == "password" {
			d.Token, d.Usable, d.ByMail, d.Approval = nil, false, true, false
		}
		if page == "removepasskey" {
			d.Removing = &d.Passkeys[0]
		}
		v.Data = d
	case "errand":
		inside()
		v.Data = errandDataOf(v, inventedErrand(situation, now), pc)
		if situation == "wrong" {
			refuse(problem.CodeRefused, "tries_left", 4)
		}
	case "emergency":
		v.Data = emergencyData{Done: situation == "done", By: authority.StopByLogin, Ways: stopWays}
		if situation == "refused" {
			v.Typed["login_id"] = "hanako1234"
			refuse(problem.StopRefused)
		}
	case "halt":
		inside()
	case "notices":
		inside()
		d := noticesData{Mails: []authority.MailChoice{{Kind: authority.MailApproved, On: true, Until: now.Add(20 * time.Hour)}, {Kind: authority.MailKnownLogin}}}
		if situation == "" {
			d.Notices, d.Older = v.notices(inventedNotices(now)), "/gallery/notices"
		}
		v.Data = d
	case "mailaddress":
		inside()
		d := mailData{Now: address, Token: inUse, Usable: true}
		switch situation {
		case "leaving":
			d.Leaving = []customer.Address{{Mail: "yamada@mail.example.jp", State: customer.Leaving, ToldUntil: now.Add(70 * time.Hour)}}
		case "none":
			d.Token, d.Usable = nil, false
		}
		v.Data = d
	case "notme":
		v.Data = objectionData{Done: situation == "done"}
		if situation == "refused" {
			refuse(problem.ObjectionRefused)
		}
	case "logout":
		if situation == "" {
			v.On = &pc
		}
	case "sorry":
		refuse(problem.Unavailable)
		v.Data = way{}
	case "leave":
		v.Data = leave{"/gallery"}
	default:
		return false
	}
	_, known := galleryNames[name]
	return known
}

var galleryNames = func() map[string]struct{} {
	m := map[string]struct{}{}
	for _, n := range GalleryPages {
		m[n] = struct{}{}
	}
	return m
}()

// inventedTransactions is how the made-up customer's transactions are confirmed in a situation.
func inventedTransactions(situation string, now time.Time) (t transactionsState) {
	switch situation {
	case "transactions", "added":
		t.Since = now.Add(-40 * 24 * time.Hour)
	case "stopped":
		t.Since, t.Stopped = now.Add(-40*24*time.Hour), now.Add(-20*time.Minute)
	case "always":
		t.Always = true
	}
	return t
}

func inventedPasskeys(now time.Time) []passkey.Passkey {
	return []passkey.Passkey{
		{ID: "pky_1", Name: "iPhone", State: passkey.Active, Credential: passkey.Credential{BackupEligible: true, BackedUp: true, AAGUID: "fbfc3007-154e-4ecc-8c0b-6e020557d7bd"},
			Registered: now.Add(-60 * 24 * time.Hour), Device: "iPhone / Safari", LastUsed: now.Add(-26 * time.Hour), LastDevice: "iPhone / Safari"},
		{ID: "pky_2", Name: "自宅のパソコン", State: passkey.Resting, Usable: now.Add(20 * time.Hour), Credential: passkey.Credential{AAGUID: "08987058-cadc-4b81-b6e1-30de50dcbe96"},
			Registered: now.Add(-4 * time.Hour), Device: "Windows / Edge"},
		{ID: "pky_3", Name: "Android / Chrome", State: passkey.Held, Credential: passkey.Credential{BackupEligible: true}, Registered: now.Add(-90 * 24 * time.Hour), Device: "Android / Chrome",
			LastUsed: now.Add(-3 * time.Hour), LastDevice: "Android / Chrome"},
	}
}

func inventedErrand(situation string, now time.Time) authority.Errand {
	e := authority.Errand{ID: "ask_1", Act: authority.AddPasskey, State: transaction.Pending, Expires: now.Add(4 * time.Minute), Display: map[string]string{
		"ja": "生体認証ログインの登録\n端末: Windows\nブラウザ: Edge\nアクセス元: 192.0.2.*\nお申込み日時: 2026年10月5日(月) 14:23\n照合番号: 7K3M-9QXT",
		"en": "Registration of a passkey\nDevice: Windows\nBrowser: Edge\nFrom where: 192.0.2.*\nRequested at: Mon 5 October 2026 14:23 JST\nReference: 7K3M-9QXT"}}
	switch situation {
	case "approved":
		e.State = transaction.Approved
	case "stop":
		e.State, e.Act = transaction.Approved, authority.StopUse
	case "address":
		e.State, e.Act = transaction.Approved, authority.ChangeAddress
	case "mail", "wrong":
		e.ByMail = true
	case "proved":
		e.ByMail, e.State = true, transaction.Approved
	case "rejected", "reported", "expired":
		e.State = transaction.State(situation)
	}
	return e
}

func inventedEntries(now time.Time) []audit.Entry {
	pc, phone := audit.Actor{Device: "Windows / Edge", Source: "192.0.2.0/24"}, audit.Actor{Device: "iPhone / Safari", Source: "198.51.100.0/24"}
	return []audit.Entry{
		{At: now.Add(-1 * time.Minute), Actor: phone, Action: audit.TransfersStop, Outcome: audit.Done},
		{At: now.Add(-1 * time.Minute), Actor: phone, Action: audit.TransactionDecide, Outcome: audit.Done, Detail: map[string]string{"answer": "report"}},
		{At: now.Add(-2 * time.Minute), Actor: phone, Action: audit.TransactionDecide, Outcome: audit.Done, Detail: map[string]string{"answer": "approve"}},
		{At: now.Add(-3 * time.Minute), Actor: audit.Actor{Kind: audit.Bank, Source: "203.0.113.0/24"}, Action: audit.TransactionOffline, Outcome: audit.Done},
		{At: now.Add(-4 * time.Minute), Actor: pc, Action: audit.LoginOTP, Outcome: audit.Done},
		{At: now.Add(-5 * time.Minute), Actor: pc, Action: audit.LoginOTP, Outcome: audit.Refused},
		{At: now.Add(-5 * time.Minute), Actor: pc, Action: audit.LoginPassword, Outcome: audit.Done},
		{At: now.Add(-50 * time.Hour), Actor: phone, Action: audit.PasswordChange, Outcome: audit.Done, Detail: map[string]string{"which": "confirm"}},
		{At: now.Add(-50 * time.Hour), Actor: phone, Action: audit.TokenStart, Outcome: audit.Done},
		{At: now.Add(-50 * time.Hour), Actor: phone, Action: audit.TokenRegister, Outcome: audit.Done, Detail: map[string]string{"platform": "iPhone / Safari"}},
		{At: now.Add(-51 * time.Hour), Actor: pc, Action: audit.TokenApply, Outcome: audit.Done},
	}
}

func inventedCooling(situation string, now time.Time) []authority.Cooling {
	if situation != "cooling" {
		return nil
	}
	return []authority.Cooling{
		{Change: authority.PasswordChanged, Since: now.Add(-5 * time.Hour), Until: now.Add(19 * time.Hour)},
		{Change: authority.TokenReissued, Since: now.Add(-2 * time.Hour), Until: now.Add(22 * time.Hour)},
	}
}

func inventedNotices(now time.Time) []authority.Notice {
	values := func(at time.Time, more ...string) map[string]string {
		m := map[string]string{"time": at.Format(time.RFC3339), "device": "Windows / Edge", "place": "192.0.2.*"}
		for i := 0; i+1 < len(more); i += 2 {
			m[more[i]] = more[i+1]
		}
		return m
	}
	return []authority.Notice{
		{ID: "ntc_3", Topic: "login_new_device", At: now.Add(-10 * time.Minute), Unread: true, Values: values(now.Add(-10 * time.Minute))},
		{ID: "ntc_2", Topic: "address_changed", At: now.Add(-26 * time.Hour), Values: values(now.Add(-26*time.Hour), "address", "h*****@example.jp")},
		{ID: "ntc_1", Topic: "token_started", At: now.Add(-90 * 24 * time.Hour), Values: values(now.Add(-90*24*time.Hour), "phone", "iPhone / Safari")},
	}
}

// inventReissue fills the page of a re-issue.
func (s *Server) inventReissue(v *view, situation string, now time.Time) {
	offer := authority.PhoneOffer{Ways: phone.Ways, Masked: "*******1234", Dial: "0120-000-111"}
	order := &enrolment.Enrolment{State: enrolment.Ordered, Ordered: now.Add(-time.Minute), Expires: now.Add(time.Hour)}
	d := reissueData{Step: situation, Cards: true, ReissueView: authority.ReissueView{Reissue: reissue.Reissue{Wish: reissue.Token}, Account: "101 普通 ***4567", Offer: offer, Order: order, Phone: "Android / Chrome", Address: "h***@example.jp"}}
	check := func(way phone.Way, state phone.State) *authority.PhoneCheck {
		return &authority.PhoneCheck{Way: way, State: state, Masked: offer.Masked, Expires: now.Add(150 * time.Second)}
	}
	switch situation {
	case "", "refused":
		d.Step = reissueCard
		d.AccountTypes = accountTypes(v)
		if situation != "" {
			v.Typed["branch"], v.Typed["account_number"] = "101", "1234567"
			v.show(problem.New(problem.CardRefused))
		}
	case "obstacle":
		said := s.Text.Refusal(v.Lang, problem.New(problem.DownloadsUsedUp, "limit", 5))
		d.Why, d.UsedUp = &said, true
	case "confirm":
		d.Stopped = true
	case "choose":
		d.Check = check(phone.CallOut, phone.Failed)
		d.Check.Reason = phone.Unanswered
	case "sms":
		d.Step, d.Check = reissueCheck, check(phone.SMS, phone.Ringing)
		v.show(problem.New(problem.PhoneRefused, "tries_left", 2))
	case "keys":
		d.Step, d.Check = reissueCheck, check(phone.CallKeys, phone.Answered)
		d.Check.Digits = "482915"
	case "callin":
		d.Step, d.Check = reissueCheck, check(phone.CallIn, phone.Waiting)
		d.Check.Dial = offer.Dial
	case "wait", "missed":
		d.Step, d.Check = reissueWait, check(phone.StaffCallback, phone.Waiting)
		d.Check.Digits, d.Check.Expires = "482915", now.Add(70*time.Hour)
		if situation == "missed" {
			d.Check.Missed, d.Check.MissedAt, d.CardDue = 1, now.Add(-time.Hour), true
		}
	case "again":
		d.Check, d.Expires = check(phone.StaffCallback, phone.Proved), now.Add(23*time.Hour)
		d.AccountTypes = accountTypes(v)
	case "key":
		d.Key = authority.KeyView{Link: v.App() + "/r#1.enr_example.secret.root", Typed: "1234567890123452", Expires: now.Add(9 * time.Minute)}
		d.QR, _ = web.DrawQR(d.Key.Link)
		d.Groups = strings.Fields(enrolment.Group(d.Key.Typed))
	case "restarted":
		d.Step, d.Wish = reissueDone, reissue.Service
	}
	v.Data = d
}
