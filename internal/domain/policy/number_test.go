package policy

import (
	"reflect"
	"testing"
	"time"
)

// Every number reads back its own ends, and so whatever is written for it in the store: nothing that may be set makes the next start unable to read it.
func TestEveryNumberReadsBackItsEnds(t *testing.T) {
	for _, c := range Chapters {
		for _, n := range c.Numbers {
			least, most := n.Range()
			for _, typed := range []string{least, most} {
				p := Default()
				if n.Least == nil { // a switch
					continue
				}
				if err := n.Put(&p, typed); err != nil || n.Text(p) != typed {
					t.Errorf("%s reads its %q as %q, %v", n.Name, typed, n.Text(p), err)
				}
				if err := n.Put(&p, n.Text(p)); err != nil {
					t.Errorf("%s does not read %q again: %v", n.Name, n.Text(p), err)
				}
			}
			for _, zero := range []string{"0", "0s", "0分", "０ｈ"} {
				p := Default()
				if l, ok := n.Least.(time.Duration); ok && (n.Put(&p, zero) == nil) != (l == 0) {
					t.Errorf("%s, from %s on, and %q", n.Name, l, zero)
				}
			}
		}
	}
}

// Every field of the policy has a number, under one name, that writes what it reads; and no number's own range goes beyond what Check takes when nothing else is in the way.
func TestEveryFieldIsANumber(t *testing.T) {
	p := Default()
	seen, fields := map[string]bool{}, map[any]string{}
	for _, c := range Chapters {
		for _, n := range c.Numbers {
			at := n.At(&p)
			if seen[n.Name] || fields[at] != "" {
				t.Errorf("%s comes twice, or stands where %q stands", n.Name, fields[at])
			}
			seen[n.Name], fields[at] = true, n.Name
			got, err := n.Set(p, n.Text(p))
			if err != nil || n.Text(got) != n.Text(p) || got != p {
				t.Errorf("%s reads its own %q as %q, %v", n.Name, n.Text(p), n.Text(got), err)
			}
			if _, err := n.Set(p, "x"); err == nil {
				t.Errorf("%s takes x", n.Name)
			}
		}
	}
	v := reflect.ValueOf(&p).Elem()
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; fields[v.Field(i).Addr().Interface()] == "" && name != "PushLoopback" { // which is for the demo and for tests
			t.Errorf("%s has no number: nobody can read or change it at the console", name)
		}
	}
}

func TestNumbersAreReadAsTheyAreTyped(t *testing.T) {
	cooling, _ := NumberByName("cooling_off")
	for typed, want := range map[string]time.Duration{"24h": 24 * time.Hour, "２４時間": 24 * time.Hour, "1日": 24 * time.Hour, " 1 h 30 m ": 90 * time.Minute, "2d": 48 * time.Hour, "24h0m0s": 24 * time.Hour} {
		if p, err := cooling.Set(Default(), typed); err != nil || p.CoolingOff != want {
			t.Errorf("%q is read as %s, %v", typed, p.CoolingOff, err)
		}
	}
	for _, typed := range []string{"", "24", "-24h", "1.5h", "24h!", "59m", "169h", "99999999999999999999h", "24 hours", "1h\x00", "213504d", "427010日", "h", "  "} {
		if p, err := cooling.Set(Default(), typed); err == nil {
			t.Errorf("%q is read as %s", typed, p.CoolingOff)
		}
	}
	first, _ := NumberByName("block_first")
	if _, err := first.Set(Policy{}, "1h"); err == nil {
		t.Error("a policy that does not hold is taken")
	}
	short := Default()
	short.BlockLongest = time.Hour
	if _, err := first.Set(short, "2h"); err == nil {
		t.Error("the first block may be longer than the longest")
	}
}
