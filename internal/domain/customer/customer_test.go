package customer

import (
	"fmt"
	"strings"
	"testing"
)

// One person has one name, however it is typed: two spellings must never give two counters (R-001).
func TestEverySpellingIsOneLoginID(t *testing.T) {
	full := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r > ' ' && r < 0x7f {
				return r + 0xfee0
			}
			return r
		}, s)
	}
	n := 0
	for mask := range 1 << 7 {
		s := []byte("hanako.01")
		for i := range 6 {
			if mask>>i&1 == 1 {
				s[i] -= 'a' - 'A'
			}
		}
		for _, v := range []string{string(s), full(string(s)), full(string(s[:4])) + string(s[4:])} {
			got, err := CanonicalLoginID(v)
			if err != nil || got != "hanako.01" {
				t.Errorf("CanonicalLoginID(%q) = %q, %v", v, got, err)
			}
			n++
		}
	}
	if n < 200 {
		t.Fatalf("only %d spellings tried", n)
	}
}

func TestWhatIsNotALoginID(t *testing.T) {
	for _, s := range []string{"", "abc", " hanako", "hanako ", "hana ko", "hanako\x00", "hanako\n", "花子花子", "\xff\xfe\xfd\xfc", strings.Repeat("a", 65)} {
		if got, err := CanonicalLoginID(s); err == nil {
			t.Errorf("CanonicalLoginID(%q) = %q, want an error", s, got)
		}
	}
}

func TestParseAddressTakesOnlyAPlainAddress(t *testing.T) {
	if _, err := ParseAddress("hanako+bank@mail.example.jp"); err != nil {
		t.Errorf("a plain address was refused: %v", err)
	}
	for _, s := range []string{"", "a", "a@b", "A <a@b.jp>", "a@b.jp\r\nBcc: x@y.jp", "a@b.jp,c@d.jp", "\"a b\"@b.jp", "a@[127.0.0.1]", "あ@b.jp", "a@b.jp "} {
		if got, err := ParseAddress(s); err == nil {
			t.Errorf("ParseAddress(%q) = %q, want an error", s, got)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	f.Add("hanako@example.jp")
	f.Fuzz(func(t *testing.T, s string) {
		if got, err := ParseAddress(s); err == nil && strings.ContainsAny(got, "\r\n\x00 <>,") {
			t.Errorf("ParseAddress(%q) lets through what could end a header", s)
		}
	})
}

func FuzzCanonicalLoginID(f *testing.F) {
	f.Add("Ｈanako01")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := CanonicalLoginID(s)
		if err != nil {
			return
		}
		if b, err := CanonicalLoginID(a); err != nil || a != b {
			t.Errorf("canonical form %q of %q is not stable: %q, %v", a, s, b, err)
		}
	})
}

func ExampleMaskAddress() {
	fmt.Println(MaskAddress("hanako@mail.example.jp"))
	// Output: h***@mail.example.jp
}
