package ident

import (
	"errors"
	"testing"
	"time"
)

func TestIdentifiersSortByTimeAndSayWhatTheyAre(t *testing.T) {
	first := New(Token, time.UnixMilli(1_000_000_000_000), [10]byte{0xff, 0xff})
	later := New(Token, time.UnixMilli(1_000_000_000_001), [10]byte{})
	if !(first < later) {
		t.Errorf("New: %q does not sort before %q", first, later)
	}
	if err := Check(Token, first); err != nil {
		t.Errorf("Check(Token, %q) = %v, want nil", first, err)
	}
	if err := Check(Customer, first); !errors.Is(err, ErrMalformed) {
		t.Errorf("Check(Customer, %q) = %v, want ErrMalformed", first, err)
	}
}

// The value is the example of the TypeID text form for a known UUID.
func TestEncodeMatchesTheKnownValue(t *testing.T) {
	u := [16]byte{0x01, 0x89, 0x0a, 0x5d, 0xac, 0x96, 0x77, 0x4b, 0xbc, 0xce, 0xb3, 0x02, 0x09, 0x9a, 0x80, 0x57}
	if got, want := encode(u), "01h455vb4pex5vsknk084sn02q"; got != want {
		t.Errorf("encode = %q, want %q", got, want)
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("tok_01h455vb4pex5vsknk084sn02q")
	f.Add("tok_81h455vb4pex5vsknk084sn02q")
	f.Fuzz(func(t *testing.T, s string) {
		if Check(Token, s) == nil && len(s) != 30 {
			t.Errorf("Check(Token, %q) = nil for %d bytes", s, len(s))
		}
	})
}
