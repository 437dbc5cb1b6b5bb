package staff

import (
	"regexp"
	"testing"
	"time"
)

func TestWordIsReadAsItIsHeard(t *testing.T) {
	form := regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$`)
	seen := map[string]bool{}
	for n := range 1000 {
		w := Word("stf_1", []byte{byte(n), byte(n >> 8)})
		if !form.MatchString(w) || ReadWord(w) != w || seen[w] {
			t.Fatalf("%q", w)
		}
		seen[w] = true
	}
	if Word("stf_1", []byte("key")) == Word("stf_2", []byte("key")) {
		t.Error("two members share a word: it could be looked for beforehand")
	}
	for typed, want := range map[string]string{"7k3m9qxp": "7K3M-9QXP", "７Ｋ３Ｍー９ＱＸＰ": "7K3M-9QXP", " 7K3M 9QXP ": "7K3M-9QXP", "oOiL-0000": "0011-0000",
		"": "", "7K3M-9QX": "", "7K3M-9QXPP": "", "7K3M-9QXU": "", "7K3M_9QXP": "", "あいうえおかきく": ""} {
		if got := ReadWord(typed); got != want {
			t.Errorf("%q is read as %q, want %q", typed, got, want)
		}
	}
}

func TestOnePersonInEverySpelling(t *testing.T) {
	for typed, want := range map[string]string{"a-123": "A123", "A-123": "A123", "Ａ１２３": "A123", " a 1\u300023": "A123", "ａ−１２３": "A123", "Aー123": "A123", "a\u2010123": "A123", "20001": "20001", " -ー ": "", "": ""} {
		if got := ReadPerson(typed); got != want || ReadPerson(got) != got {
			t.Errorf("%q is read as %q, want %q", typed, got, want)
		}
	}
}

func TestEveryRoleHasASessionAndNoOtherHas(t *testing.T) {
	for _, r := range Roles {
		if !May(r, Session) {
			t.Errorf("%s has none", r)
		}
	}
	if len(may) != len(Roles) || May("", Session) || May("root", Session) || May(Administrator, "") {
		t.Error("the table has a cell too many")
	}
}

func TestWhatWasNotFinishedIsOver(t *testing.T) {
	now := time.Unix(1e9, 0)
	for _, s := range States {
		want := s
		if s == Invited || s == Registered {
			want = Removed
		}
		if got := (Member{State: s, Open: now}).ShownState(now); got != want {
			t.Errorf("%s is shown as %s", s, got)
		}
		if got := (Member{State: s, Open: now.Add(1)}).ShownState(now); got != s {
			t.Errorf("%s is shown as %s before its time", s, got)
		}
	}
}
