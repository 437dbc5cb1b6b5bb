package enrolment

import (
	"strings"
	"testing"
)

const aSecret = "AAAAAAAAAAAAAAAAAAAAAA"

// A text is a key in one form or in none; a changed digit and two that changed places are seen.
func FuzzParseKey(f *testing.F) {
	typed := MakeKey([16]byte{}, [16]byte{1, 2, 3, 250, 251, 9, 77}).Typed
	for _, s := range []string{typed, aSecret, "", typed[:15], typed + "0", Group(typed), " " + typed, strings.ToLower(aSecret), aSecret + "==", aSecret[:21] + "B", "１２３４５６７８９０１２３４５６", "0000000000000001", "+123456789012345", "AAAAAAAAAAAAAAAA"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		isTyped, err := ParseKey(s)
		if err != nil {
			return
		}
		if !isTyped {
			if len(s) != 22 || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
				t.Fatalf("%q is taken for a key", s)
			}
			return
		}
		if len(s) != TypedDigits || strings.Trim(s, "0123456789") != "" || AppendCheck(s[:14]) != s && s[14:] != "00" && s[14:] != "01" && s[14:] != "99" && s[14:] != "98" {
			t.Fatalf("%q is taken for typed", s)
		}
		for i := range s {
			wrong := []byte(s)
			wrong[i] = '0' + (wrong[i]-'0'+1)%10
			if _, err := ParseKey(string(wrong)); err == nil {
				t.Fatalf("%q and %q are both keys", s, wrong)
			}
			if i > 0 && s[i] != s[i-1] {
				wrong = []byte(s)
				wrong[i], wrong[i-1] = wrong[i-1], wrong[i]
				if _, err := ParseKey(string(wrong)); err == nil {
					t.Fatalf("%q and %q are both keys", s, wrong)
				}
			}
		}
	})
}

// What is read as a link is written again as the same link, and no part of its key stands before the '#'.
func FuzzParseLink(f *testing.F) {
	thumb := strings.Repeat("B", 43)
	good := Link("https://token.bank.example", "enr_1", aSecret, thumb)
	for _, s := range []string{good, "", "/r#", good + ".", good + "#", "x" + good, strings.Replace(good, "#1.", "#2.", 1), strings.Replace(good, "/r#", "/r?", 1), strings.Replace(good, aSecret, "1234567890123436", 1), good[:len(good)-1], good + "/r#1.a.b.c",
		"javascript:alert(1)/r#1.enr_1." + aSecret + "." + thumb} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		origin, id, secret, root, err := ParseLink(s)
		if err != nil {
			return
		}
		if Link(origin, id, secret, root) != s || strings.Contains(origin, "/r#") || len(secret) != 22 || len(root) != 43 {
			t.Fatalf("%q is read as %q %q %q %q", s, origin, id, secret, root)
		}
		before, _, _ := strings.Cut(s, "#")
		if strings.Contains(before, secret) && !strings.Contains(origin, secret) {
			t.Fatalf("%q tells the server its key", s)
		}
	})
}
