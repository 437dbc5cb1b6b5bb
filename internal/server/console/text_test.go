package console

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/server/web"
	files "github.com/inkan-auth/inkan/web"
)

func texts(t *testing.T) *web.Texts {
	t.Helper()
	x, err := web.LoadTexts(files.Files, "problem", "common", "console")
	if err != nil {
		t.Fatal(err)
	}
	return x
}

var place = regexp.MustCompile(`\{[a-z_]+\}`)

// Both languages have the same keys with the same places to fill in.
func TestSameTexts(t *testing.T) {
	x := texts(t)
	if ja, en := x.Keys("ja", "console"), x.Keys("en", "console"); !slices.Equal(ja, en) {
		t.Errorf("the keys of ja and en differ:\n%v\n%v", ja, en)
	}
	for _, key := range x.Keys("ja", "console") {
		places := func(lang string) []string {
			p := place.FindAllString(x.Say(lang, "console", key), -1)
			slices.Sort(p)
			return slices.Compact(p)
		}
		if a, b := places("ja"), places("en"); !slices.Equal(a, b) {
			t.Errorf("%s: places %v in ja, %v in en", key, a, b)
		}
	}
}

// A text that no page uses is dead, and a key that a page uses exists.
func TestEveryTextUsed(t *testing.T) {
	x := texts(t)
	var source strings.Builder
	for _, pattern := range []string{"*.go", "page/*.html"} {
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
	for _, m := range regexp.MustCompile(`"([a-z]+(?:\.[a-z]+)+)"`).FindAllStringSubmatch(source.String(), -1) {
		used[m[1]] = true
		if strings.Contains(source.String(), `.T "`+m[1]+`"`) && !x.Has("ja", "console", m[1]) && !x.Has("ja", "common", m[1]) {
			t.Errorf("a page uses %s, which no file has", m[1])
		}
	}
	for _, r := range staff.Roles {
		used["role."+string(r)] = true
		if !x.Has("ja", "console", "role."+string(r)) {
			t.Errorf("the role %s has no name", r)
		}
	}
	for _, word := range said {
		used["said."+word] = true
	}
	for _, page := range []string{"login", "register", "home", "sorry"} {
		used[page+".title"] = true
		for _, kind := range (&view{Page: page}).Words() {
			for _, part := range []string{"what", "kept", "do"} {
				used["browser."+kind+"."+part], used["browser."+kind+"."+page+"."+part] = true, true
				if !x.Has("ja", "console", "browser."+kind+"."+part) {
					t.Errorf("browser.%s.%s is not said", kind, part)
				}
			}
		}
	}
	for _, k := range problem.Kinds() {
		for _, part := range []string{"what", "kept", "do"} {
			used["refusal."+string(k)+"."+part] = true
		}
	}
	for _, key := range x.Keys("ja", "console") {
		if !used[key] {
			t.Errorf("nothing uses %s", key)
		}
	}
}

// Staff have no login ID and no password: nothing that the console may say speaks of them.
func TestNothingSpeaksOfPasswordsToStaff(t *testing.T) {
	v := &view{Lang: "ja", s: &Server{Text: texts(t)}}
	for _, k := range []problem.Kind{problem.PasskeyRefused, problem.PasskeyHeld, problem.PasskeyCopyable, problem.StaffLinkRefused, problem.StaffUnconfirmed, problem.StaffSuspended, problem.Forbidden,
		problem.NotFound, problem.Malformed, problem.Unavailable, problem.Throttled, problem.Conflict} {
		r := v.refusal(problem.New(k))
		for _, sentence := range []string{r.What, r.Kept, r.Do} {
			if sentence == "" || strings.Contains(sentence, "ログインID") || strings.Contains(sentence, "パスワード") || strings.Contains(sentence, "下記の電話番号") {
				t.Errorf("%s says %q", k, sentence)
			}
		}
	}
}
