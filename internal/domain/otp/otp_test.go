package otp

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// oathtool is an implementation that we did not write: 10,000 random keys and times, 30 s and 60 s, 6 and 8 digits.
func TestCodesAgreeWithOathtool(t *testing.T) {
	tool, err := exec.LookPath("oathtool")
	if err != nil {
		if os.Getenv("INKAN_TEST_ALL") != "" {
			t.Fatal("oathtool is not installed")
		}
		t.Skip("oathtool is not installed")
	}
	const keys, window = 200, 50 // a window of 50 steps from one start of the program
	for range keys {
		key := make([]byte, 32)
		_, _ = rand.Read(key)
		n, _ := rand.Int(rand.Reader, big.NewInt(4_000_000_000))
		at := n.Int64()
		stepSeconds, digits := 60, 6
		if at%2 == 0 {
			stepSeconds = 30
		}
		if at%3 == 0 {
			digits = 8
		}
		out, err := exec.CommandContext(t.Context(), tool, "--totp=sha256", "-d", fmt.Sprint(digits), "-s", fmt.Sprintf("%ds", stepSeconds), "-N", fmt.Sprintf("@%d", at),
			"-w", fmt.Sprint(window-1), hex.EncodeToString(key)).Output()
		if err != nil {
			t.Fatalf("oathtool: %v", err)
		}
		first := StepAt(time.Unix(at, 0), time.Duration(stepSeconds)*time.Second)
		lines := strings.Fields(string(out))
		if len(lines) != window {
			t.Fatalf("oathtool gave %d codes, want %d", len(lines), window)
		}
		for i, want := range lines {
			if got := Code(key, first+int64(i), digits); got != want {
				t.Fatalf("Code(%x, %d, %d) = %s, oathtool says %s", key, first+int64(i), digits, got, want)
			}
		}
	}
}

func TestCheckTellsRightUsedAndWrongApart(t *testing.T) {
	key := []byte("0123456789abcdef0123456789abcdef")
	const now = 1000
	for _, c := range []struct {
		what string
		code string
		last int64
		want Verdict
	}{
		{"current", Code(key, now, 6), 0, Right},
		{"previous", Code(key, now-1, 6), 0, Right},
		{"next", Code(key, now+1, 6), 0, Wrong},
		{"two before", Code(key, now-2, 6), 0, Wrong},
		{"current, used", Code(key, now, 6), now, Used},
		{"previous, current used", Code(key, now-1, 6), now, Used},
		{"current, previous used", Code(key, now, 6), now - 1, Right},
		{"with a space", " " + Code(key, now, 6), 0, Wrong},
		{"with a line end", Code(key, now, 6) + "\n", 0, Wrong},
		{"empty", "", 0, Wrong},
		{"full-width", "１２３４５６", 0, Wrong},
		{"eight digits", Code(key, now, 8), 0, Wrong},
	} {
		if _, got := Check(key, c.code, 6, Live(now, 0), c.last); got != c.want {
			t.Errorf("%s: Check = %v, want %v", c.what, got, c.want)
		}
	}
}

// One time in a million two steps have the same code. The one nearest to the clock is meant: were it a later one, a drift would be learnt that the phone does not have, and
// the next right code would be refused as used, or as wrong.
func TestStepsThatShareACode(t *testing.T) {
	key := []byte("0123456789abcdef0123456789abcdef")
	const maxDrift = 2
	for ahead, now := range map[int64]int64{1: 3796583, 2: 445986, 3: 1117360} {
		code := Code(key, now, 6)
		if Code(key, now+ahead, 6) != code {
			t.Fatalf("steps %d and %d have different codes", now, now+ahead)
		}
		if step, v := Check(key, code, 6, StartWindow(now, maxDrift), 0); v != Right || step != now {
			t.Errorf("start of use, the same code %d ahead: step %+d, %v", ahead, step-now, v)
		}
		if step, v := Check(key, code, 6, StartWindow(now+ahead, maxDrift), 0); v != Right || step != now+ahead {
			t.Errorf("start of use, the same code %d before: step %+d, %v", ahead, step-now-ahead, v)
		}
		if step, v := Check(key, code, 6, Live(now+ahead, 0), now); v != Right || step != now+ahead {
			t.Errorf("the same code was used %d before: step %+d, %v", ahead, step-now-ahead, v)
		}
	}
}

func TestNeverMoreThanTwoCodesLive(t *testing.T) {
	for drift := int64(-2); drift <= 2; drift++ {
		if w := Live(1000, drift); w.To-w.From != 1 || w.At != 1000+drift {
			t.Errorf("drift %d: the codes of %+v live", drift, w)
		}
	}
}

func TestDriftIsLearntWithinItsBounds(t *testing.T) {
	for seen, want := range map[int64]int64{-5: -2, -3: -2, -2: -2, -1: 0, 0: 0, 1: 1, 2: 2, 7: 2} {
		if got := LearnDrift(1000+seen, 1000, 2); got != want {
			t.Errorf("LearnDrift(%+d) = %d, want %d", seen, got, want)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("123456", int64(5))
	f.Fuzz(func(t *testing.T, code string, last int64) {
		if _, v := Check([]byte("k"), code, 6, Window{1, 2, 2}, last); v != Wrong && len(code) != 6 {
			t.Errorf("Check(%q) = %v", code, v)
		}
	})
}
