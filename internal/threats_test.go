package internal_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every row of the table of attacks names a test, and every test that it names exists.
func TestEveryAttackHasItsTest(t *testing.T) {
	b, err := os.ReadFile("../docs/threats.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	attacks, _, _ := strings.Cut(string(b), "\n## What opens which door\n") // that table has a test of its own
	for line := range strings.Lines(attacks) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| attack") {
			continue
		}
		rows++
		found := named.FindAllStringSubmatch(line, -1)
		if len(found) == 0 || len(found) != strings.Count(line, "_test.go:") {
			t.Errorf("a row without a test, or with one that cannot be read: %s", line)
		}
		for _, m := range found {
			exists(t, m)
		}
	}
	if rows < 50 {
		t.Errorf("only %d rows were found", rows)
	}
}

// Every tale is told by tests that exist.
func TestEveryTaleIsTold(t *testing.T) {
	b, err := os.ReadFile("../docs/tales.md")
	if err != nil {
		t.Fatal(err)
	}
	tales := regexp.MustCompile(`(?m)^\| T\d+ .*$`).FindAllString(string(b), -1)
	if len(tales) != 14 {
		t.Errorf("%d tales were found", len(tales))
	}
	for _, tale := range tales {
		found := named.FindAllStringSubmatch(tale, -1)
		if len(found) == 0 || len(found) != strings.Count(tale, "_test.go:") {
			t.Errorf("a tale without a test, or with one that cannot be read: %s", tale)
		}
		for _, m := range found {
			exists(t, m)
		}
	}
}

// named is how a page names a test.
var named = regexp.MustCompile("`([a-z0-9/_]+_test\\.go):((?:Test|Fuzz)[A-Za-z0-9]+)`")

func exists(t *testing.T, m []string) {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(m[1])))
	if err != nil || !strings.Contains(string(source), "\nfunc "+m[2]+"(") {
		t.Errorf("%s has no %s (%v)", m[1], m[2], err)
	}
}
