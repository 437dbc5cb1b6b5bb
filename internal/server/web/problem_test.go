package web

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/problem"
	files "github.com/inkan-auth/inkan/web"
)

// Whoever refuses gives every fact that the sentences of the kind name: nobody reads "{from}". The sources are read, since no test refuses everything.
func TestEveryFactOfARefusalIsGiven(t *testing.T) {
	texts, err := LoadTexts(files.Files)
	if err != nil {
		t.Fatal(err)
	}
	placeholder := regexp.MustCompile(`\{(\w+)\}`)
	wanted := map[problem.Kind][]string{}
	for _, k := range problem.Kinds() {
		for _, lang := range Languages {
			for _, part := range []string{".what", ".kept", ".do"} {
				for _, m := range placeholder.FindAllStringSubmatch(texts.Sentence(lang, string(k)+part), -1) {
					wanted[k] = append(wanted[k], m[1])
				}
			}
		}
	}
	// Filled where the sentence is made.
	given := map[problem.Kind][]string{problem.FactorBlocked: {"until"}}
	names := kindNames(t)
	found := 0
	err = filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 || !selects(call.Fun, "problem", "New") {
				return true
			}
			kind, ok := call.Args[0].(*ast.SelectorExpr)
			if !ok || call.Ellipsis.IsValid() {
				return true
			}
			k, ok := names[kind.Sel.Name]
			if !ok {
				return true
			}
			found++
			facts := slices.Clone(given[k])
			for i := 1; i < len(call.Args); i += 2 {
				if lit, ok := call.Args[i].(*ast.BasicLit); ok {
					name, _ := strconv.Unquote(lit.Value)
					facts = append(facts, name)
				}
			}
			for _, want := range wanted[k] {
				if !slices.Contains(facts, want) {
					t.Errorf("%s: %s is refused without %q, which its sentences name", path, k, want)
				}
			}
			return true
		})
		return nil
	})
	if err != nil || found < 100 {
		t.Errorf("%d refusals found, %v", found, err)
	}

	e := problem.New(problem.RenewalEarly, "from", time.Date(2027, 5, 26, 1, 2, 3, 0, time.UTC))
	for _, lang := range Languages {
		if got := texts.Title(lang, e); strings.Contains(got, "{") || !strings.Contains(got, "10:02") {
			t.Errorf("a title with its fact: %q", got)
		}
	}
}

func selects(e ast.Expr, pkg, name string) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != name {
		return false
	}
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == pkg
}

// kindNames reads which constant is which kind.
func kindNames(t *testing.T) map[string]problem.Kind {
	t.Helper()
	src, err := os.ReadFile("../../domain/problem/problem.go")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]problem.Kind{}
	for _, m := range regexp.MustCompile(`(?m)^\t(\w+)\s+Kind = "([a-z-]+)"`).FindAllStringSubmatch(string(src), -1) {
		out[m[1]] = problem.Kind(m[2])
	}
	return out
}
