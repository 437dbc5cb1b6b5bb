package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// What is typed wrongly is said, not answered with everything there is to say.
func TestWhatIsMissingIsSaid(t *testing.T) {
	b := newBench(t)
	file := filepath.Join(b.dir, "other.json")
	for what, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no token":                {[]string{"code"}, 1, "inkan-token register -link"},
		"no token in that file":   {[]string{"code", "-file", file}, 1, file},
		"no transaction":          {[]string{"approve"}, 2, "say which transaction: inkan-token transactions"},
		"no token to forget":      {[]string{"remove"}, 2, "say which token"},
		"no such command":         {[]string{"cod"}, 2, `no command "cod"`},
		"no such option":          {[]string{"code", "-fiel", "x"}, 2, "-fiel"},
		"no such language":        {[]string{"code", "-lang", "fr"}, 2, `not "fr"`},
		"an option without value": {[]string{"code", "-file"}, 2, "-file"},
	} {
		if code, _, errs := b.run(c.args...); code != c.code || !strings.Contains(errs, c.want) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%s: %d %s", what, code, errs)
		}
	}
	for _, args := range [][]string{nil, {"help"}, {"code", "-h"}} {
		if code, _, errs := b.run(args...); code != 2 || !strings.Contains(errs, "inkan-token offline") {
			t.Errorf("%v: %d %s", args, code, errs)
		}
	}
}

// Options stand before or behind what they belong to.
func TestOptionsStandAnywhere(t *testing.T) {
	b := newBench(t)
	made := b.order(b.inUse())
	file := filepath.Join(b.dir, "elsewhere.json")
	if err := os.Rename(filepath.Join(b.dir, "inkan-token", "tokens.json"), file); err != nil {
		t.Fatal(err)
	}
	id := strings.Fields(b.must("list", "-file", file))[0]
	b.must("code", id, "-file", file)
	if out := b.must("reject", made.ID, "-reason", "wrong_amount", id, "-lang", "en", "-file", file); !strings.Contains(out, "After: JPY 5,000,000") || !strings.Contains(out, "rejected") {
		t.Errorf("reject: %s", out)
	}
	if code, _, errs := b.run("code", id, "more", "-file", file); code != 2 || !strings.Contains(errs, `"more" is one too many`) {
		t.Errorf("one too many: %d %s", code, errs)
	}
}

// The bank refuses in the language of this program, or in the one that is asked for, and with its facts.
func TestRefusalsAreRead(t *testing.T) {
	b := newBench(t)
	b.inUse()
	for lang, want := range map[string]string{"": "The token can be renewed from 25 May 2029", "en": "The token can be renewed from 25 May 2029", "ja": "トークンの更新は、2029年5月25日"} {
		args := []string{"renew"}
		if lang != "" {
			args = append(args, "-lang", lang)
		}
		if code, _, errs := b.run(args...); code != 1 || !strings.Contains(errs, want) || strings.Contains(errs, "{") {
			t.Errorf("in %q: %d %s", lang, code, errs)
		}
	}
}

// A token says how it stands, and one that is over shows no code once this machine has heard of it.
func TestHowATokenStands(t *testing.T) {
	b := newBench(t)
	browser, key, number := b.ordered(1)
	out := strings.Fields(b.must("register", "-link", key.Link, "-number", number))
	if s := b.must("status"); !strings.Contains(s, "not in use yet: type its code at the bank") {
		t.Errorf("keyed: %s", s)
	}
	if err := browser.Start(out[len(out)-1]); err != nil {
		t.Fatal(err)
	}
	if s := b.must("status"); !strings.Contains(s, "in use; its expiry date is 20") {
		t.Errorf("active: %s", s)
	}
	old, next := b.dir, t.TempDir()
	link := regexp.MustCompile(`https://\S+#2\.[^'\s]+`).FindString(b.must("move"))
	b.dir = next
	b.must("register", "-link", link)
	if code, out, errs := b.run("code"); code != 1 || out != "" || !strings.Contains(errs, "waits for the approval of the old one") {
		t.Errorf("a code of a device that is not in use yet: %d %s%s", code, out, errs)
	}
	b.must("move")
	if s := b.must("status"); !strings.Contains(s, "the old device has to approve") {
		t.Errorf("waiting: %s", s)
	}
	b.dir = old
	b.must("approve", regexp.MustCompile(`txn_[0-9a-z]{26}`).FindString(b.must("transactions")))
	b.dir = next
	b.Clock.Move(time.Minute)
	b.must("move")
	b.must("code")
	b.dir = old
	replaced := b.Clock.Now().Local().Format("2006-01-02 15:04")
	b.Clock.Move(time.Hour)
	if code, _, errs := b.run("transactions"); code != 1 || !strings.Contains(errs, "replaced by another token since "+replaced) {
		t.Errorf("the old one asks: %d %s", code, errs)
	}
	b.drop = "/" // from now on without a network
	if code, out, errs := b.run("code"); code != 1 || out != "" || !strings.Contains(errs, "replaced by another token since "+replaced) {
		t.Errorf("a code of a replaced token: %d %s%s", code, out, errs)
	}
	if s := b.must("list"); !strings.Contains(s, "replaced") {
		t.Errorf("list: %s", s)
	}
}

// The first confirmation without a network needs what the bank's orders are shown by: where there is a network it is fetched, elsewhere it is said.
func TestTheFirstOfflineConfirmation(t *testing.T) {
	b := newBench(t)
	made := b.order(b.inUse())
	b.drop = "/"
	if code, _, errs := b.run("offline", made.QR); code != 1 || !strings.Contains(errs, "takes a network once") {
		t.Errorf("never fetched: %d %s", code, errs)
	}
	b.drop = ""
	if out := b.must("offline", made.QR); !strings.Contains(out, "変更後: 5,000,000円") {
		t.Errorf("fetched: %s", out)
	}
}
