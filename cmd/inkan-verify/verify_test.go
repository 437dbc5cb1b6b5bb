package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The published samples: what holds is told in full, and of what does not the part is named.
func TestSamples(t *testing.T) {
	files, err := filepath.Glob("../../testdata/evidence/*.json")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d samples, %v", len(files), err)
	}
	for _, file := range files {
		var out, errs bytes.Buffer
		code := run([]string{file}, nil, &out, &errs)
		good := strings.HasPrefix(filepath.Base(file), "good")
		switch {
		case good && (code != 0 || !strings.HasPrefix(out.String(), "HOLDS")):
			t.Errorf("%s: %d, %s%s", file, code, out.String(), errs.String())
		case !good && (code != 1 || !strings.HasPrefix(out.String(), "DOES NOT HOLD – ")) && !strings.Contains(file, "another-root"):
			t.Errorf("%s: %d, %s%s", file, code, out.String(), errs.String())
		}
	}
}

func TestWhatIsTold(t *testing.T) {
	const root = "K0T6VngaULW3qmkDkBvr7ONZAlKqE6u6lb_XCuAWC_4"
	tell := func(name string, args ...string) (int, string) {
		var out, errs bytes.Buffer
		code := run(append(args, filepath.Join("../../testdata/evidence", name+".json")), nil, &out, &errs)
		return code, out.String() + errs.String()
	}
	for name, words := range map[string][]string{
		"good-grade-a":      {"  | 金額: 250,000円", "  | 口座番号: 7654321", "approved", "2026-11-22T01:02:43Z", "grade          A", "verified       none", "by scanning", "request order-1", root, "Compare the root"},
		"good-confirmed":    {"verified       webauthn", "confirmed with fingerprint, face or screen lock", "registered on 2026-11-22T00:02:03Z"},
		"good-grade-b":      {"offline code", "grade          B", "could have computed itself"},
		"good-rejected":     {"rejected (wrong_payee)"},
		"good-not-answered": {"not of an answer"},
	} {
		code, text := tell(name)
		for _, w := range words {
			if !strings.Contains(text, w) {
				t.Errorf("%s does not say %q:\n%s", name, w, text)
			}
		}
		if code != 0 {
			t.Errorf("%s: %d", name, code)
		}
	}
	if code, text := tell("good-grade-a", "-root", root); code != 0 || strings.Contains(text, "Compare") {
		t.Errorf("with the root: %d %s", code, text)
	}
	if code, text := tell("good-grade-a", "-root", "another"); code != 1 || !strings.Contains(text, "issuer_key") {
		t.Errorf("with another root: %d %s", code, text)
	}
	if code, text := tell("broken-issuer-key-by-another-root", "-root", root); code != 1 || !strings.Contains(text, "issuer_key") {
		t.Errorf("signed by another root: %d %s", code, text)
	}
}

// What is no evidence is refused with a sentence and another exit code; it never panics.
func TestFilesThatAreNoEvidence(t *testing.T) {
	good, err := os.ReadFile("../../testdata/evidence/good-grade-a.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range []string{"", "{}", "null", "[]", `{"v":"2"}`, string(good) + "{}", strings.Replace(string(good), `"v"`, `"w"`, 1), string(good[:len(good)/2]), strings.Repeat(" ", maxFile+10)} {
		var out, errs bytes.Buffer
		if code := run([]string{"-"}, strings.NewReader(in), &out, &errs); code != 2 || errs.Len() == 0 || out.Len() != 0 {
			t.Errorf("%.40q: %d %s%s", in, code, out.String(), errs.String())
		}
	}
	var out, errs bytes.Buffer
	if run([]string{"no-such-file"}, nil, &out, &errs) != 2 || run(nil, nil, &out, &errs) != 2 || run([]string{"a", "b"}, nil, &out, &errs) != 2 {
		t.Error("wrong arguments are taken")
	}
}

// The published samples of exports of the trail: of what does not hold, the part is named.
func TestExports(t *testing.T) {
	tell := func(name string, args ...string) (int, string) {
		var out, errs bytes.Buffer
		code := run(append(args, filepath.Join("../../testdata/export", name+".jsonl")), nil, &out, &errs)
		return code, out.String() + errs.String()
	}
	code, text := tell("good")
	if code != 0 || !strings.HasPrefix(text, "HOLDS") {
		t.Fatalf("good: %d %s", code, text)
	}
	for _, w := range []string{"entries        5", "checked by     stf_2", "outcome        refused", "Compare the root"} {
		if !strings.Contains(text, w) {
			t.Errorf("it does not say %q:\n%s", w, text)
		}
	}
	_, root, _ := strings.Cut(text, "  root           ")
	root, _, _ = strings.Cut(root, "\n")
	if code, text := tell("good", "-root", root); code != 0 || strings.Contains(text, "Compare") {
		t.Errorf("with its root %q: %d %s", root, code, text)
	}
	if code, text := tell("good", "-root", "another"); code != 1 || !strings.Contains(text, "issuer_key") {
		t.Errorf("with another root: %d %s", code, text)
	}
	if code, text := tell("good-empty"); code != 0 || !strings.Contains(text, "entries        0") {
		t.Errorf("an empty one: %d %s", code, text)
	}
	for name, part := range map[string]string{"broken-left-out": "entries: there are 4", "broken-changed": "entries: one of them", "broken-cut": "signature", "broken-filter": "header"} {
		if code, text := tell(name); code != 1 || !strings.Contains(text, "DOES NOT HOLD – "+part) {
			t.Errorf("%s: %d %s", name, code, text)
		}
	}
}
