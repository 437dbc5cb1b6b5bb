package console

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/enrolment"
	"github.com/inkan-auth/inkan/internal/domain/passkey"
	"github.com/inkan-auth/inkan/internal/domain/phone"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/reissue"
	"github.com/inkan-auth/inkan/internal/domain/release"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/web"
)

// Whatever the authority writes down beside an act, staff read in words: every fact has a name, and every word of a fact that is one of few is said.
func TestFactsAreSaidInWords(t *testing.T) {
	x := texts(t)
	files, err := filepath.Glob("../../authority/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	facts := map[string]bool{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, m := range regexp.MustCompile(`(?:[dD]etail(?:: +| = )|stopBy\(.*)map\[string\]string\{([^}]*)\}|d\.detail(\["[a-z_]+"\])`).FindAllStringSubmatch(string(b), -1) {
			for _, key := range regexp.MustCompile(`(?:^|, )"([a-z_]+)":|\["([a-z_]+)"\]`).FindAllStringSubmatch(m[1]+m[2], -1) {
				facts[key[1]+key[2]] = true
			}
		}
	}
	if len(facts) < 40 {
		t.Fatalf("only %d facts are found: %v", len(facts), facts)
	}
	words := map[string][]string{"by": {"inc", "rel", "ord", "tel", string(authority.StopByLogin), string(authority.StopByConfirm), string(authority.StopByCode)}, "on": {"yes", "no"}, "lane": {"stranger", "known"}, "verification": {string(transaction.ByWebAuthn), "none", "pin"}, "which": {"login", "confirm", "both"}, "initial": {"yes"}}
	add := func(key string, all ...string) { words[key] = append(words[key], all...) }
	add("by", string(authority.ByAccount), string(authority.ByRef), "login_id")
	for _, r := range staff.Roles {
		add("role", string(r))
	}
	for _, w := range phone.Ways {
		add("way", string(w))
	}
	for _, i := range release.Items {
		add("items", string(i))
	}
	for _, p := range []enrolment.Purpose{enrolment.First, enrolment.Move, enrolment.Reissue, enrolment.Release} {
		add("purpose", string(p))
	}
	add("wish", string(reissue.Token), string(reissue.Service))
	for _, e := range []phone.EventKind{phone.CallAnswered, phone.CallDigits, phone.CallEnded, phone.CallFailed, phone.CallIncoming} {
		add("event", string(e))
	}
	for _, r := range []phone.Reason{phone.Replaced, phone.Tries, phone.Unanswered, phone.HungUp, phone.Unreached, phone.Changed, phone.Unsent, phone.Denied, phone.Withdrawn} {
		add("event", string(r))
	}
	for _, w := range []passkey.Why{passkey.Form, passkey.Ceremony, passkey.Origin, passkey.Backup, passkey.Bindable, passkey.Algorithm, passkey.Attestation, passkey.ID, passkey.Handle} {
		add("why", string(w))
	}
	for _, s := range []transaction.State{transaction.Pending, transaction.Approved, transaction.Rejected, transaction.Reported, transaction.Expired, transaction.Cancelled, transaction.Consumed, transaction.Lapsed} {
		add("state", string(s))
	}
	var templates struct{ Templates map[string]any }
	if err := json.Unmarshal(web.Templates, &templates); err != nil || len(templates.Templates) == 0 {
		t.Fatal(err)
	}
	for name := range templates.Templates {
		add("template", name)
	}
	for _, lang := range []string{"ja", "en"} {
		v := &view{Lang: lang, s: &Server{Text: x}}
		for key := range facts {
			if !unsaid[key] && !v.has("fact."+key) {
				t.Errorf("%s: the fact %s has no name", lang, key)
			}
		}
		for key, all := range words {
			for _, word := range all {
				if v.factWord(key, word) == "" {
					t.Errorf("%s: %q of the fact %s is not said", lang, word, key)
				}
			}
		}
		for _, same := range [][4]string{{"which", "login", "factor", "login_password"}, {"which", "confirm", "factor", "confirm_password"}, {"by", string(authority.StopByLogin), "factor", "login_password"}, {"by", string(authority.StopByConfirm), "factor", "confirm_password"}, {"by", string(authority.StopByCode), "factor", "otp"}} {
			if a, b := v.factWord(same[0], same[1]), v.Factor(same[3]); !strings.EqualFold(a, b) {
				t.Errorf("%s: %s of %s is said as %q, it is %q", lang, same[1], same[0], a, b)
			}
		}
		if got := v.Facts(map[string]string{"words": "bank login", "hash": "ab", "items": "otp_lock downloads", "by": "customer staff", "from": "2026-11-23T00:00:00Z", "maker": "stf_01h455vb4pex5vsknk084sn02q"}); len(got) != 5 || got[4].Value != "bank login" || !strings.Contains(got[2].Value, "、") {
			t.Errorf("%s: %+v", lang, got)
		}
	}
}

// Why something was refused is said in words, whatever it was.
func TestRefusalsAreSaidInWords(t *testing.T) {
	x := texts(t)
	for _, lang := range []string{"ja", "en"} {
		v := &view{Lang: lang, s: &Server{Text: x}}
		for _, k := range problem.Kinds() {
			if said := v.reason(string(k)); said == v.T("why.other", "kind", k) || strings.ContainsAny(said, "{}") || strings.Contains(said, string(k)+".") {
				t.Errorf("%s: %s is said as %q", lang, k, said)
			}
		}
	}
}
