package leaked

import "testing"

func TestTheListKnowsWhatLeakedAndNothingElse(t *testing.T) {
	if n := len(list) / width; n < Count || len(list)%width != 0 {
		t.Errorf("the list has %d entries, want at least %d", n, Count)
	}
	for _, p := range []string{"password1", "iloveyou", "1q2w3e4r", "sunshine", "qwertyuiop"} {
		if !Listed(p) {
			t.Errorf("Listed(%q) = false", p)
		}
	}
	for _, p := range []string{"tsubame-kaeru-4", "kinu-no-michi-7", ""} {
		if Listed(p) {
			t.Errorf("Listed(%q) = true", p)
		}
	}
}
