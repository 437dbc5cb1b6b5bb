package bank

import (
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

func pay(request string, amount int64) booking {
	return booking{request: request, at: noon, text: request, postings: []posting{{"a", -amount}, {clearingAccount, amount}}}
}

func TestLedger(t *testing.T) {
	l := newLedger()
	l.open("a", noon, 1000)
	l.open("a", noon, 5000)
	today := limitDay{"d", "2026-11-22"}
	l.limits["d"] = 1000
	h := hold{account: "a", total: 600, counted: 600, day: today}
	for i, step := range []struct {
		err, want error
	}{
		{l.hold("one", h), nil},
		{l.hold("one", h), nil},
		{l.hold("one", hold{account: "a", total: 1, counted: 1, day: today}), errOther},
		{l.hold("two", h), errLimit},
		{l.raise("more", "d", 900, 5000), errMoved}, // approved when the limit was another one
		{l.raise("more", "d", 1000, limitCeiling+1), errCeiling},
		{l.raise("more", "d", 1000, 5000), nil},
		{l.raise("more", "d", 1000, 5000), nil},
		{l.raise("more again", "d", 1000, 6000), errMoved},
		{l.hold("two", h), errShort},
		{l.hold("two", hold{account: "b", total: 1}), errUnknown},
		{l.post(pay("two", 500)), errShort}, // what is held for another is not there
		{l.post(pay("two", 400)), nil},
		{l.post(pay("one", 600)), nil},
		{l.post(pay("one", 600)), nil},
		{l.post(pay("one", 601)), errOther},
		{l.hold("one", h), nil}, // nothing to do any more
		{l.post(pay("three", 1)), errShort},
		{l.post(booking{request: "four", postings: []posting{{"a", 1}, {clearingAccount, -2}}}), errUneven},
		{l.post(booking{request: "four", postings: []posting{{"a", 0}}}), errUneven},
		{l.post(booking{request: "four", postings: []posting{{"b", 1}, {clearingAccount, -1}}}), errUnknown},
		{l.post(booking{postings: []posting{{"a", 1}, {clearingAccount, -1}}}), errUneven},
		{l.reconcile(), nil},
	} {
		if !errors.Is(step.err, step.want) {
			t.Errorf("step %d: %v, wanted %v", i, step.err, step.want)
		}
	}
	if b, held := l.balance("a"); b != 0 || held != 0 || l.left(today) != 4400 {
		t.Errorf("%d, %d held, %d left", b, held, l.left(today))
	}
	if lines := l.history("a"); len(lines) != 2 || lines[0].Text != "one" || lines[0].Balance != 0 || lines[1].Balance != 600 {
		t.Errorf("%+v", lines)
	}
	_ = l.hold("five", hold{account: "a", day: today, counted: 100})
	l.release("five")
	l.release("five")
	if l.left(today) != 4400 {
		t.Error("a released hold still counts")
	}
	if l.lower("d", 5000) || l.lower("d", -1) || l.lower("d", 9000) || !l.lower("d", 500) || l.limitOf("d") != 500 || l.left(today) != 0 {
		t.Errorf("lowered to %d, %d left", l.limitOf("d"), l.left(today))
	}
	if _ = l.raise("more", "d", 500, 5000); l.limitOf("d") != 500 { // the order that has raised it before
		t.Errorf("raised twice, to %d", l.limitOf("d"))
	}
	l.books["a"].balance++
	if l.reconcile() == nil {
		t.Error("a yen from nowhere was not seen")
	}
}

func TestLedgerInParallel(t *testing.T) {
	l := newLedger()
	l.open("a", noon, 1000)
	today := limitDay{"d", "2026-11-22"}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() { _ = l.post(pay("same", 10)) })
		wg.Go(func() { _ = l.hold("held", hold{account: "a", total: 10, counted: 10, day: today}) })
	}
	wg.Wait()
	if b, held := l.balance("a"); b != 990 || held != 10 || l.reconcile() != nil {
		t.Errorf("%d, %d held", b, held)
	}
}

// TestPayees holds the book to one entry for each account and one for each order.
func TestPayees(t *testing.T) {
	x := newPayees()
	p := payee{Bank: "0991", Branch: "011", Type: "ordinary", Number: "7654321", Name: "A"}
	renamed := p
	renamed.Name = "B"
	for i, step := range []struct{ got, want string }{
		{x.register("one", registered{payee: p, ID: "P1"}), ""},
		{x.register("one", registered{payee: p, ID: "P1"}), ""},
		{x.register("one", registered{payee: renamed, ID: "P2"}), "why_known"},
		{x.register("two", registered{payee: p, ID: "P3"}), ""},
	} {
		if step.got != step.want {
			t.Errorf("step %d: %q, wanted %q", i, step.got, step.want)
		}
	}
	x.remove("two", "P1")
	x.remove("one", "P1")
	if why := x.register("one", registered{payee: p, ID: "P1"}); why != "" || len(x.of("one")) != 0 {
		t.Errorf("the order that registered it brings it back: %q %v", why, x.of("one"))
	}
	if why := x.register("one", registered{payee: p, ID: "P4"}); why != "" || len(x.of("one")) != 1 || len(x.of("two")) != 1 {
		t.Errorf("%q %v %v", why, x.of("one"), x.of("two"))
	}
}

func TestReadingWhatIsTyped(t *testing.T) {
	for typed, want := range map[string]string{"1234567": "1234567", "\uff11\uff12\uff134567": "1234567", "123-4567": "1234567", "123\u30fc4567": "1234567", "123\u30004567": "1234567",
		"12345x7": "", "": "", "\u0661": "", "1.5": ""} {
		if got := figures(typed); got != want {
			t.Errorf("%q is read as %q", typed, got)
		}
	}
	for typed, want := range map[string]int64{"\uff15\uff10\uff10\uff10\uff10": 50000, "50,000": 50000, "50,000円": 50000, "\uffe51\uff0c000": 1000, "¥1,000": 1000, " 7 ": 7, "0": 0, "-1": 0, "ー1": 0, "1.5": 0, "1e3": 0, "": 0, "円": 0, "9223372036854775808": 0, "1234567890123": 0} {
		if got, ok := parseAmount(typed); ok != (want > 0) || ok && got != want {
			t.Errorf("%q is read as %d %v", typed, got, ok)
		}
	}
	for typed, want := range map[string]string{"2026-11-22": "2026-11-22", "2026/12/1": "2026-12-01", "\uff12\uff10\uff12\uff16\uff0f12\uff0f1": "2026-12-01", "2026年11月25日": "2026-11-25", "2026-11-21": "", "2026-12-23": "", "2026-11-31": "", "": "", "tomorrow": ""} {
		if got, ok := parseDate(typed, "2026-11-22", "2026-12-22"); ok != (want != "") || ok && got != want {
			t.Errorf("%q is read as %q %v", typed, got, ok)
		}
	}
}

// TestDirectory holds the made-up names to what the app can show: kana of the register, unambiguous codes.
func TestDirectory(t *testing.T) {
	seen := make(map[string]bool)
	for _, b := range directory {
		if seen[b.Code] || len(b.Code) != 4 || len(b.Branches) == 0 {
			t.Errorf("%+v", b)
		}
		seen[b.Code] = true
		for _, x := range b.Branches {
			if seen[b.Code+x.Code] || len(x.Code) != 3 {
				t.Errorf("%s %+v", b.Name, x)
			}
			seen[b.Code+x.Code] = true
		}
	}
	p := payee{Bank: "0991", Branch: "011", Type: "ordinary", Number: "7654321"}
	name, found := made(p)
	again, _ := made(p)
	p.Number = "7654300"
	_, nobody := made(p)
	if !found || name != again || nobody {
		t.Errorf("%q %v, %q, %v", name, found, again, nobody)
	}
	for _, a := range accountsOf("C-1001") {
		if len(a.Number) != 7 || branchKeys[a.Branch] == "" || a.Opening <= 0 {
			t.Errorf("%+v", a)
		}
	}
}

// TestTextsOfStates holds the texts to the keys that the program puts together.
func TestTextsOfStates(t *testing.T) {
	p, err := loadPages()
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	var said []string // of every kind of order
	for _, s := range []state{draft, asking, waiting, approved, executing, booked, done, rejected, reported, expired, cancelled, mismatch, lapsed, failed} {
		keys = append(keys, "state_"+string(s))
		if s != draft {
			said = append(said, string(s)+"_heading", string(s)+"_text")
		}
	}
	for _, why := range []string{"off", "token", "stopped", "away"} {
		said = append(said, "halt_"+why+"_heading", "halt_"+why+"_text")
	}
	for _, kind := range accountTypes {
		keys = append(keys, "type_"+kind)
	}
	for _, why := range []string{"no_answer", "old", "limit", "short", "refused", "not_permitted", "code_form", "offline_wrong", "offline_blocked", "offline_unfit", "transaction_pending", "transaction_auth_off",
		"transfers_stopped", "transfers_frozen", "service_stopped", "token_none", "token_expired", "otp_locked", "fields_refused", "known", "full", "moved", "ceiling"} {
		said = append(said, "why_"+why)
	}
	for _, wrong := range []string{"from", "branch", "type", "number", "unknown", "same", "amount", "limit", "short", "date", "ceiling"} {
		keys = append(keys, "wrong_"+wrong)
	}
	said = append(said, pageKeys(t)...)
	for _, lang := range []string{"ja", "en"} {
		for of := range pathOf {
			keys = append(keys, "it_"+string(of), "nothing_"+string(of))
			keys = append(keys, stepsOf[of]...)
			for _, key := range said {
				if s := (page{text: p.texts[lang]}).Say(of, key); s == "" || strings.ContainsAny(strings.ReplaceAll(s, "{}", ""), "{}") {
					t.Errorf("%s: of a %s, %s says %q", lang, of, key, s)
				}
			}
		}
	}
	keys = append(keys, "limit_lowered", "limit_same")
	for _, key := range keys {
		if p.texts["ja"][key] == "" {
			t.Errorf("there is no text %s", key)
		}
	}
}

// pageKeys are the keys that the pages use with the kind of an order.
func pageKeys(t *testing.T) (keys []string) {
	t.Helper()
	entries, err := files.ReadDir("pages")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		raw, err := files.ReadFile("pages/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\.Say \$?\.View\.Kind "([a-z_]+)"`).FindAllStringSubmatch(string(raw), -1) {
			keys = append(keys, m[1])
		}
	}
	return keys
}
