package phone

import (
	"strings"
	"testing"
)

func TestNumbersAsPeopleWriteThem(t *testing.T) {
	for in, want := range map[string]Number{"090-1234-5678": "09012345678", "０９０（１２３４）５６７８": "09012345678", "+81 90 1234 5678": "09012345678", "+81 (0)90-1234-5678": "09012345678",
		"03-1234-5678": "0312345678", "(06)6123-4567": "0661234567", "011 212 3456": "0112123456", "050-3123-4567": "05031234567", "070ー1234ー5678": "07012345678"} {
		if got, err := Parse(in); err != nil || got != want {
			t.Errorf("Parse(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
}

// What would cost somebody money, or leads nowhere, is never called.
func TestNumbersThatAreNotCalled(t *testing.T) {
	for _, in := range []string{"", "0", "110", "119", "0120-123-456", "0570-123-456", "0990-123-456", "0800-123-4567", "0180-99-1234", "010-1-212-555-0100", "+1 212 555 0100", "+818001234567", "020-1234-5678", "0312345678 ext 5",
		"sip:09012345678@example.com", "090-1234-567", "090-1234-56789", "9012345678", "０９０-abcd-efgh", strings.Repeat("0", 65), "+", "+81", "++819012345678", "090\n12345678", "090;12345678"} {
		if got, err := Parse(in); err == nil {
			t.Errorf("Parse(%q) = %q", in, got)
		}
	}
}

func TestMasksAndKinds(t *testing.T) {
	for n, mobile := range map[Number]bool{"09012345678": true, "08012345678": true, "07012345678": true, "06012345678": true, "08001234567": false, "05012345678": false, "0312345678": false} {
		if n.Mobile() != mobile {
			t.Errorf("%s is mobile: %v", n, n.Mobile())
		}
	}
	if m := Number("09012345678").Masked(); m != "*******5678" {
		t.Errorf("masked: %s", m)
	}
	if Number("").Masked() != "" || Number("").International() != "" || Number("0312345678").International() != "+81312345678" {
		t.Error("the edges of masks and international forms")
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"090-1234-5678", "+81 3 1234 5678", "０３（１２３４）５６７８", "0120-123-456", "+810", "0800-123-4567"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := Parse(s)
		if err != nil {
			return
		}
		if len(n) != 10 && len(n) != 11 || n[0] != '0' || strings.Trim(string(n), "0123456789") != "" {
			t.Fatalf("Parse(%q) = %q", s, n)
		}
		if again, err := Parse(string(n)); err != nil || again != n {
			t.Fatalf("Parse(%q) = %q, %v", n, again, err)
		}
		if again, err := Parse(n.International()); err != nil || again != n {
			t.Fatalf("Parse(%q) = %q, %v", n.International(), again, err)
		}
	})
}
