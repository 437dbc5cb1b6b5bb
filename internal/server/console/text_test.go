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
	x, err := web.LoadTexts(files.Files, slices.Concat([]string{"problem", "common"}, rooms)...)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

var place = regexp.MustCompile(`\{[a-z_]+\}`)

// Both languages have the same keys with the same places to fill in, and no key stands in two files.
func TestSameTexts(t *testing.T) {
	x := texts(t)
	seen := map[string]string{}
	for _, room := range rooms {
		if ja, en := x.Keys("ja", room), x.Keys("en", room); !slices.Equal(ja, en) {
			t.Errorf("%s: the keys of ja and en differ:\n%v\n%v", room, ja, en)
		}
		for _, key := range x.Keys("ja", room) {
			if seen[key] != "" {
				t.Errorf("%s stands in %s and in %s", key, seen[key], room)
			}
			seen[key] = room
			places := func(lang string) []string {
				p := place.FindAllString(x.Say(lang, room, key), -1)
				slices.Sort(p)
				return slices.Compact(p)
			}
			if a, b := places("ja"), places("en"); !slices.Equal(a, b) {
				t.Errorf("%s: places %v in ja, %v in en", key, a, b)
			}
		}
	}
}

// A text that no page uses is dead, and a key that a page uses exists. Where a page joins a key together, as in print "role." .Role, all that begin so are used, and there must be some.
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
	v := &view{Lang: "ja", s: &Server{Text: x}}
	used := map[string]bool{}
	for _, m := range regexp.MustCompile(`"([a-z_]+(?:[.-][a-z_]+)*)"`).FindAllStringSubmatch(source.String(), -1) {
		used[m[1]] = true
		if strings.Contains(source.String(), `.T "`+m[1]+`"`) && !v.has(m[1]) && !x.Has("ja", "common", m[1]) {
			t.Errorf("a page uses %s, which no file has", m[1])
		}
	}
	var joined []string
	for _, m := range regexp.MustCompile(`(?:print|T\() ?"([a-z_]+(?:[.-][a-z_]+)*[.-])"`).FindAllStringSubmatch(source.String(), -1) {
		joined = append(joined, m[1])
	}
	for _, rooms := range factRooms {
		joined = append(joined, rooms...)
	}
	for _, r := range staff.Roles {
		if !v.has("role." + string(r)) {
			t.Errorf("the role %s has no name", r)
		}
	}
	for _, word := range said {
		used["said."+word] = true
	}
	pages, err := filepath.Glob("page/*.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range pages {
		page := strings.TrimSuffix(filepath.Base(file), ".html")
		if page == "layout" {
			continue
		}
		used[page+".title"] = true
		if !v.has(page + ".title") {
			t.Errorf("the page %s has no title", page)
		}
		for _, kind := range (&view{Page: page}).Words() {
			for _, part := range []string{"what", "kept", "do"} {
				used["browser."+kind+"."+part], used["browser."+kind+"."+page+"."+part] = true, true
				if !v.has("browser." + kind + "." + part) {
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
	found := map[string]bool{}
	for _, room := range rooms {
		for _, key := range x.Keys("ja", room) {
			for _, prefix := range joined {
				if strings.HasPrefix(key, prefix) {
					used[key], found[prefix] = true, true
				}
			}
			if !used[key] {
				t.Errorf("%s: nothing uses %s", room, key)
			}
		}
	}
	for _, prefix := range joined {
		if !found[prefix] && !strings.HasPrefix(prefix, "browser.") {
			t.Errorf("a page joins %s to something, and no text begins so", prefix)
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
