package internal_test

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/inkan-auth/inkan/"

// room is one row of the table in docs/design.md: what it may import of ours, and what it never imports.
type room struct {
	name  string // path below the module; a trailing slash means everything below
	may   []string
	never []string
}

// The first row that fits counts.
var rooms = []room{
	{"internal", nil, nil},
	{"internal/testkit", []string{"web", "internal/domain/", "internal/store", "internal/store/db", "internal/authority", "internal/connector/keys", "internal/connector/callback", "internal/pgcluster", "internal/authenticator"}, nil},
	{"internal/pgcluster", nil, nil},
	{"internal/authenticator", []string{"internal/domain/"}, nil},
	{"internal/domain/", []string{"internal/domain/"}, []string{"database/sql", "net/http", "os", "log", "crypto/rand", "math/rand", "math/rand/v2"}},
	{"internal/store/db", nil, nil},
	{"internal/store", []string{"internal/domain/", "internal/store/db"}, []string{"net/http"}},
	{"internal/authority", []string{"internal/domain/", "internal/store", "internal/store/db"}, []string{"net/http", "html/template", "database/sql"}},
	{"internal/connector/", []string{"internal/domain/"}, []string{"database/sql"}},
	{"internal/server/web", []string{"internal/domain/", "internal/authority", "web"}, []string{"database/sql"}},
	{"internal/server/", []string{"internal/domain/", "internal/authority", "internal/server/web", "web"}, []string{"database/sql"}},
	{"client", nil, nil},
	{"demo/", []string{"client", "demo/"}, []string{"database/sql"}},
	{"web", nil, []string{"net/http"}},
	{"cmd/inkan-token", []string{"internal/domain/"}, []string{"database/sql"}},
	{"cmd/inkan-verify", []string{"internal/domain/"}, []string{"database/sql", "net/http", "net"}},
	{"cmd/", []string{"internal/", "demo/", "web", "client"}, nil},
	{"e2e", []string{"internal/", "demo/", "web", "cmd/"}, nil},
}

func fits(pattern, path string) bool {
	if dir, ok := strings.CutSuffix(pattern, "/"); ok {
		return strings.HasPrefix(path, dir+"/")
	}
	return path == pattern
}

// The picture of who talks to whom, held against the imports.
func TestRoomsImportOnlyWhatTheyMay(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", module+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	d := json.NewDecoder(strings.NewReader(string(out)))
	n := 0
	for {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		path := strings.TrimPrefix(p.ImportPath, module)
		i := slices.IndexFunc(rooms, func(r room) bool { return fits(r.name, path) })
		if i < 0 {
			t.Errorf("%s stands in no room", path)
			continue
		}
		n++
		for _, imp := range p.Imports {
			ours, isOurs := strings.CutPrefix(imp, module)
			if isOurs && !slices.ContainsFunc(rooms[i].may, func(m string) bool { return fits(m, ours) }) {
				t.Errorf("%s must not import %s", path, ours)
			}
			if slices.Contains(rooms[i].never, imp) {
				t.Errorf("%s must never import %s", path, imp)
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d packages were looked at", n)
	}
}

// homes are the calls that have one home each; everywhere else time, randomness and settings are handed in.
var homes = map[string][]string{
	"time.Now(":            {"cmd/", "demo/", "internal/server/web/http.go", "internal/connector/", "internal/testkit/", "client/"},
	"rand.Read(":           {"cmd/", "demo/", "client/", "internal/connector/keys/", "internal/connector/webpush/", "internal/testkit/", "internal/authenticator/", "internal/pgcluster/", "internal/server/web/"},
	"os.Getenv(":           {"cmd/", "internal/testkit/"},
	"slog.Default(":        nil,
	"context.Background()": {"cmd/", "demo/", "internal/store/sqlite.go", "internal/testkit/"},
}

func TestCallsStayAtHome(t *testing.T) {
	err := filepath.WalkDir("..", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git" || d.Name() == "e2e") {
			if d != nil && d.IsDir() {
				return filepath.SkipDir
			}
			return err
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel := filepath.ToSlash(strings.TrimPrefix(path, "../"))
		for call, allowed := range homes {
			if strings.Contains(string(b), call) && !slices.ContainsFunc(allowed, func(p string) bool { return strings.HasPrefix(rel, p) }) {
				t.Errorf("%s calls %s", rel, strings.TrimSuffix(call, "("))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
