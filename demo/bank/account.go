package bank

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// account is one line of the overview. The number is masked already, so that the full one is never on the page.
type account struct {
	Kind    string // Key of the text: ordinary, savings, time.
	Branch  string // Key of the text: branch_main, branch_east, …
	Number  string
	Balance string
}

var branches = []string{"branch_main", "branch_east", "branch_station", "branch_port"}

// accountsOf makes up accounts that are always the same for the same customer.
func accountsOf(subject string) []account {
	h := sha256.Sum256([]byte("accounts of " + subject))
	n := func(i int) uint64 { return binary.BigEndian.Uint64(h[i*8:]) }
	branch := branches[n(0)%uint64(len(branches))]
	masked := func(i int) string { return fmt.Sprintf("****%03d", n(i)>>32%1000) }
	return []account{
		{Kind: "ordinary", Branch: branch, Number: masked(1), Balance: yen(184_000 + n(1)%2_400_000)},
		{Kind: "savings", Branch: branch, Number: masked(2), Balance: yen(500_000 + n(2)%3_100_000)},
		{Kind: "time", Branch: branch, Number: masked(3), Balance: yen(1_000_000 + n(3)%5*500_000)},
	}
}

// yen writes an amount the way the customer reads it, in groups of three.
func yen(amount uint64) string {
	digits := strconv.FormatUint(amount, 10)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// describe chooses the sentence that says how the customer was verified, from the method references of RFC 8176.
func describe(amr []string) string {
	has := func(m string) bool { return slices.Contains(amr, m) }
	switch {
	case has("pwd") && has("otp"):
		return "how_password_otp"
	case has("hwk"), has("swk"), has("fpt"), has("face"), has("user"):
		return "how_passkey"
	case has("pwd"):
		return "how_password"
	default:
		return "how_other"
	}
}
