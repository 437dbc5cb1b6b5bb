package customer

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/passkey"
	"github.com/inkan-auth/inkan/internal/domain/password"
	"github.com/inkan-auth/inkan/internal/domain/phone"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/reissue"
	"github.com/inkan-auth/inkan/internal/domain/release"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/server/web"
	files "github.com/inkan-auth/inkan/web"
)

func texts(t *testing.T) *web.Texts {
	t.Helper()
	x, err := web.LoadTexts(files.Files)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

var place = regexp.MustCompile(`\{[a-z_]+\}`)

// TestSameTexts: both languages have the same keys with the same places to fill in.
func TestSameTexts(t *testing.T) {
	x := texts(t)
	for _, file := range []string{"problem", "common", "customer", "mail"} {
		ja, en := x.Keys("ja", file), x.Keys("en", file)
		if !slices.Equal(ja, en) {
			t.Errorf("%s: the keys of ja and en differ", file)
		}
		for _, key := range ja {
			places := func(lang string) []string {
				p := place.FindAllString(x.Say(lang, file, key), -1)
				slices.Sort(p)
				return slices.Compact(p)
			}
			if a, b := places("ja"), places("en"); !slices.Equal(a, b) && !strings.HasSuffix(key, ".subject") { // both subjects make one line, with the bank's name once
				t.Errorf("%s %s: places %v in ja, %v in en", file, key, a, b)
			}
			if strings.TrimSpace(x.Say("en", file, key)) == "" && key != "sentence.gap" {
				t.Errorf("%s %s is empty", file, key)
			}
		}
	}
}

// TestEveryKind: each kind of refusal has its three sentences, and there are no others.
func TestEveryKind(t *testing.T) {
	x := texts(t)
	var want []string
	for _, k := range problem.Kinds() {
		for _, part := range []string{"what", "kept", "do"} {
			want = append(want, string(k)+"."+part)
		}
	}
	slices.Sort(want)
	if got := x.Keys("ja", "problem"); !slices.Equal(got, want) {
		t.Errorf("problem.json does not match problem.Kinds()\n got %v\nwant %v", got, want)
	}
}

// TestEveryTextUsed: a text that no page uses is dead, and a key that a page uses exists.
func TestEveryTextUsed(t *testing.T) {
	x := texts(t)
	var source strings.Builder
	for _, pattern := range []string{"*.go", "page/*.html", "../web/*.go"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if b, err := os.ReadFile(name); err != nil {
				t.Fatal(err)
			} else if !strings.HasSuffix(name, "_test.go") {
				source.Write(b)
			}
		}
	}
	used := map[string]bool{}
	for _, m := range regexp.MustCompile(`"([a-z_]+(?:[.-][a-z_]+)*\.[a-z_.]+)"`).FindAllStringSubmatch(source.String(), -1) {
		used[m[1]] = true
	}
	add := func(prefix string, names ...string) {
		for _, n := range names {
			used[prefix+n] = true
		}
	}
	pages, err := fs.Glob(pageFiles, "page/*.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pages {
		add("", strings.TrimSuffix(filepath.Base(p), ".html")+".title")
	}
	for name := range fields {
		add("field.", name, name+".rule")
	}
	for _, m := range regexp.MustCompile(`(?:say\(w, |s\.done\(w, r, |word (?::)?= )"([a-z.]+)"`).FindAllStringSubmatch(source.String(), -1) {
		add("said.", m[1])
	}
	add("said.password.", "login", "confirm")
	add("field.old.", "login", "confirm")
	add("password.lead.", "login", "confirm")
	add("warning.", "1", "2", "3", "4")
	add("steps.", "apply", "register", "start", "done", "now", "next")
	add("mail.state.", "waiting", "sent", "dropped", "dead", "bounced")
	add("span.", "second", "seconds", "minutes", "hours", "days")
	add("factor.", "login_password", "confirm_password", "otp")
	add("which.", "login", "confirm", "both")
	add("answer.", "approve", "reject", "report", "copy")
	add("push.", "on", "off", "gone")
	for _, s := range passkey.States {
		add("passkey.state.", string(s))
	}
	for _, s := range []string{"consumed", "rejected", "reported", "expired", "cancelled", "lapsed"} {
		add("errand.ended.", s, s+".text")
	}
	add("errand.do.", string(authority.RemovePasskey), string(authority.StopUse), string(authority.ChangeAddress))
	for _, c := range authority.Changes {
		add("change.", string(c))
	}
	for _, w := range stopWays {
		add("emergency.by.", string(w))
	}
	for _, o := range authority.Optionals {
		add("mails.", string(o.Kind))
	}
	for _, key := range x.Keys("ja", "common") {
		if name, is := strings.CutPrefix(key, "what."); is && bytes.Contains(files.Templates, []byte(`"`+name+`": {`)) { // what a mail says of a transaction, by its template
			used[key] = true
		}
	}
	add("reason.", password.Short, password.Long, password.Listed, password.Similar, password.Same, mismatch)
	for _, s := range []token.State{token.Active, token.Locked, token.Suspended, token.Expired} {
		add("token.state.", string(s))
	}
	add("account.", "ordinary", "current", "savings")
	for _, w := range phone.Ways {
		add("phone.way.", string(w), string(w)+".text")
		add("phone.going.", string(w))
	}
	add("phone.state.", "waiting", "ringing", "answered", "proved")
	add("phone.failed.", "expired", string(phone.Replaced), string(phone.Tries), string(phone.Unanswered), string(phone.HungUp), string(phone.Unreached), string(phone.Changed), string(phone.Unsent))
	for _, w := range []reissue.Wish{reissue.Token, reissue.Service} {
		add("reissue.", "lead."+string(w), "proved."+string(w), "order."+string(w), "done."+string(w), "done."+string(w)+".text")
	}
	for _, i := range release.Items {
		add("release.item.", string(i))
	}
	for _, r := range release.Reasons {
		add("release.reason.", string(r))
	}
	for _, s := range release.States {
		add("releasestate.", string(s), string(s)+".text")
	}
	add("factor.", "phone", "card")
	for _, f := range []firstPasswords{{true, true}, {true, false}, {false, true}} {
		add("passwords.", "lead"+f.Which(), "do"+f.Which())
		add("said.passwords", f.Which())
	}
	for _, key := range x.Keys("ja", "customer") {
		if strings.HasPrefix(key, "act.") {
			used[key] = true // held by TestEveryAct
		}
	}
	for _, file := range []string{"common", "customer"} {
		for _, key := range x.Keys("ja", file) {
			if !used[key] {
				t.Errorf("nothing uses %s of %s.json", key, file)
			}
		}
	}
	for _, m := range regexp.MustCompile(`\.(?:T|Phrase) "([a-z_.]+)"`).FindAllStringSubmatch(source.String(), -1) {
		if !x.Has("ja", "customer", m[1]) && !x.Has("ja", "common", m[1]) {
			t.Errorf("a page uses %s, which no file has", m[1])
		}
	}
}

// TestEveryAct: each act that the history tells of has words for its success and, where somebody can be refused, for its refusal; there are no others.
func TestEveryAct(t *testing.T) {
	x := texts(t)
	alone := []audit.Action{audit.AddressBounce, audit.TokenLock, audit.TokenExpire, audit.RenewalBurn, audit.EnrolmentExpire, audit.EnrolmentBurn, audit.TransactionExpire, audit.TransfersStop,
		audit.TransfersResume, audit.PasskeyHold, audit.VerifierHold, audit.ServiceRestart, audit.AddressRestore, audit.FactorBlock, audit.PhoneSet, audit.ReleaseReceive, audit.ReleaseGrant, audit.ReleaseDecline, audit.LetterShow, audit.TokenRelease, audit.TokenRevoke} // she asks for none of these
	var want []string
	for _, a := range []audit.Action{audit.LoginPassword, audit.LoginOTP, audit.Logout, audit.SessionEnd, audit.PasswordChange, audit.TokenApply, audit.TokenCancel, audit.NumberResend,
		audit.AddressTest, audit.AddressCorrect, audit.TokenRegister, audit.TokenStart, audit.TokenStop, audit.RenewalOrder, audit.TokenRenew, audit.TokenResync, audit.TransactionAuthAdd, audit.TransactionDecide, audit.TransactionOffline,
		audit.PushChange, audit.LoginPasskey, audit.ErrandAsk, audit.ErrandProve, audit.PhoneBegin, audit.PhoneProve, audit.PasskeyRegister, audit.PasskeyRename, audit.PasskeyRemove, audit.VerifierSet, audit.VerifierRemove, audit.ServiceStop, audit.AddressChange, audit.MailChoose} {
		want = append(want, "act."+string(a)+".done", "act."+string(a)+".refused")
	}
	for _, a := range alone {
		want = append(want, "act."+string(a)+".done")
	}
	var got []string
	for _, key := range x.Keys("ja", "customer") {
		if strings.HasPrefix(key, "act.") {
			got = append(got, key)
		}
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the acts in words are\n%v\nwant\n%v", got, want)
	}
}

// TestMails: each topic says in both languages what, when, from which device and what to do; none holds a key or leads to a password.
// What is mailed about the date of a token: dates in the bank's zone, the app's address where it is to be opened, a way to object where keys have changed, and no page that asks for a password.
func TestMailsAboutTheDate(t *testing.T) {
	bank := authority.Bank{NameJA: "印鑑銀行", NameEN: "Inkan Bank", LoginOrigin: "https://login.bank.example", TokenOrigin: "https://token.bank.example", MailFrom: "otp@bank.example", Phone: "0120-000-000"}
	compose := web.Compose(texts(t), bank)
	values := map[string]string{"number": "1234 5678", "app": bank.TokenOrigin, "device": "Windows / Edge", "time": "2026-10-05T05:24:00Z", "expires": "2026-10-06T05:24:00Z", "phone_number": bank.Phone, "phone": "iPhone / Safari",
		"expires_on": "2029-03-31T15:30:00Z", "until": "2029-06-29T15:30:00Z", "objection": "2345-6789-ABCD-EFGH", "objection_link": bank.LoginOrigin + "/not-me#23456789ABCDEFGH"}
	const date, english = "2029年4月1日 00:30", "1 April 2029, 00:30" // in Japan it is the next day already
	for topic, says := range map[string][]string{
		"token_renewed":  {date, english, "iPhone / Safari", values["objection"], bank.LoginOrigin + "/not-me", "心当たりがない"},
		"renewal_number": {"1234 5678", bank.TokenOrigin, "Windows / Edge", "2026年10月6日 14:24", "心当たりがない", "誰にも伝えないで"},
		"token_reminder": {date, english, bank.TokenOrigin, "iPhone / Safari", "トークンを更新する", "Renew the token"},
		"token_expired":  {date, english, "2029年6月30日 00:30", bank.TokenOrigin, "お預け入れには影響ありません"},
	} {
		subject, body, err := compose(topic, values)
		if err != nil || !strings.HasPrefix(subject, "【印鑑銀行】") || strings.ContainsAny(subject+body, "{}") {
			t.Errorf("%s: %v, %q\n%s", topic, err, subject, body)
		}
		for _, want := range says {
			if !strings.Contains(body, want) {
				t.Errorf("%s does not say %q:\n%s", topic, want, body)
			}
		}
		if rest := strings.NewReplacer(values["objection_link"], "", bank.LoginOrigin+"/not-me", "").Replace(body); strings.Contains(rest, bank.LoginOrigin) {
			t.Errorf("%s leads to the log-in host:\n%s", topic, body)
		}
	}
}

func TestMails(t *testing.T) {
	bank := authority.Bank{NameJA: "印鑑銀行", NameEN: "Inkan Bank", LoginOrigin: "https://login.bank.example", TokenOrigin: "https://token.bank.example", MailFrom: "otp@bank.example", Phone: "0120-000-000"}
	compose := web.Compose(texts(t), bank)
	values := map[string]string{"number": "1234 5678", "app": bank.TokenOrigin, "device": "Windows / Edge", "time": "2026-10-05T05:24:00Z", "expires": "2026-10-06T05:24:00Z", "phone_number": bank.Phone, "phone": "iPhone / Safari",
		"place": "192.0.2.*", "passkey": "iPhone", "usable": "2026-10-06T05:24:00Z", "before": "iPhone", "objection": "2345-6789-ABCD-EFGH", "objection_link": bank.LoginOrigin + "/not-me#23456789ABCDEFGH",
		"address": "h*****@example.jp", "mail": "transaction_approved", "factor": "confirm_password", "from": "2026-10-06T05:24:00Z", "what": "transfer", "reference": "7K3M-9QXT", "asked": "2026-10-05T03:24:00Z"}
	for _, topic := range []string{"registration_number", "address_test", "address_corrected", "token_started", "token_stopped", "token_locked", "token_resynced", "password_changed", "transaction_auth_added", "transaction_reported", "transfers_resumed",
		"login_new_device", "passkey_code", "passkey_registered", "passkey_resting", "passkey_removed", "passkey_renamed", "passkey_held", "verifier_set", "verifier_replaced", "verifier_resting", "verifier_removed", "verifier_held", "service_stopped", "service_restarted",
		"address_changed", "callback_denied", "factor_blocked", "token_ordered", "token_registered", "mail_on", "mail_off", "transaction_approved", "login_known_device"} {
		subject, body, err := compose(topic, values)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(subject, "【印鑑銀行】") || strings.ContainsAny(subject, "\r\n{}") {
			t.Errorf("%s: subject %q", topic, subject)
		}
		for _, want := range []string{"2026年10月5日 14:24", "5 October 2026, 14:24", "Windows / Edge", bank.Phone, "心当たりがない", "not you", bank.MailFrom} {
			if want == "not you" && topic != "token_started" && topic != "token_stopped" && topic != "password_changed" && topic != "address_corrected" {
				continue
			}
			switch { // what a phone was used for names the phone; the operator's own act has no device
			case want == "Windows / Edge" && topic == "transaction_reported":
				want = "iPhone / Safari"
			case want == "Windows / Edge" && (topic == "transfers_resumed" || topic == "service_restarted" || topic == "service_stopped"):
				want = "再開"
			case want == "Windows / Edge" && (topic == "factor_blocked" || topic == "token_registered" || topic == "transaction_approved"): // they name what is known of them
				want = map[string]string{"factor_blocked": "確認用パスワード", "token_registered": "iPhone / Safari", "transaction_approved": "7K3M-9QXT"}[topic]
			}
			if !strings.Contains(body, want) {
				t.Errorf("%s does not say %q:\n%s", topic, want, body)
			}
		}
		// A notice of something that she can object to leads to the page that stops her service and asks for no password. No other leads to the log-in host.
		objection := slices.Contains([]string{"token_started", "token_stopped", "token_resynced", "transaction_auth_added", "service_restarted", "address_changed", "token_ordered", "token_registered", "mail_on", "mail_off", "address_corrected", "password_changed", "login_new_device", "passkey_registered", "passkey_resting", "passkey_removed", "passkey_renamed", "verifier_set", "verifier_replaced", "verifier_resting", "verifier_removed", "verifier_held"}, topic)
		rest := strings.NewReplacer(values["objection_link"], "", bank.LoginOrigin+"/not-me", "").Replace(body)
		if objection != (rest != body) || objection != strings.Contains(body, values["objection"]) {
			t.Errorf("%s: a way to object %v\n%s", topic, !objection, body)
		}
		if strings.ContainsAny(rest, "{}") || strings.Contains(rest, bank.LoginOrigin) || strings.Contains(rest, "http") != (topic == "registration_number") {
			t.Errorf("%s holds what it must not:\n%s", topic, body)
		}
	}
	if _, _, err := compose("lottery", nil); err == nil {
		t.Error("an unknown topic has words")
	}
	values["device"] = "a\r\nBcc: everybody@example.jp"
	if _, _, err := compose("address_test", values); err == nil {
		t.Error("a line break in a value is taken")
	}
}

// TestRefusalsInWords: values find their place, in both languages, and no place stays open.
func TestRefusalsInWords(t *testing.T) {
	x := texts(t)
	for _, lang := range web.Languages {
		for _, e := range []*problem.Error{problem.New(problem.OTPWrong, "tries_left", 3, "lock_left", 8), problem.New(problem.OTPUsed, "wait", 34.0), problem.New(problem.FactorBlocked, "factor", "otp"),
			problem.New(problem.PasswordWeak, "which", "confirm", "reason", "short", "floor", 8), problem.New(problem.MailTooSoon, "retry_after", 50), problem.New(problem.Busy, "retry_after", 2),
			problem.New(problem.TransfersStopped, "since", time.Date(2026, 10, 5, 5, 24, 0, 0, time.UTC)), problem.New(problem.OfflineWrong, "tries_left", 2), problem.New(problem.TransactionDecided, "state", "rejected"),
			problem.New(problem.FieldsRefused, "field", "payee.name", "reason", "form"), problem.New(problem.PermitMismatch, "field", "amount")} {
			r := x.Refusal(lang, e)
			for _, s := range []string{r.What, r.Kept, r.Do} {
				if s == "" || strings.ContainsAny(s, "{}") {
					t.Errorf("%s in %s: %q", e.Kind, lang, s)
				}
			}
		}
	}
	if got := x.Refusal("ja", problem.New(problem.OTPUsed, "wait", 34)).Do; !strings.Contains(got, "34秒") {
		t.Errorf("otp-used: %q", got)
	}
}
