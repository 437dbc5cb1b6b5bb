package bank

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// account is one line of the overview.
type account struct {
	Kind    string // Key of the text: ordinary, savings, time.
	Branch  string // Code of the branch.
	Number  string // Seven digits. The overview shows the masked form only.
	Opening int64  // Balance with which the demonstration begins.
	Balance int64
	Held    int64 // Part of the balance that is kept free for orders.
	Lines   []line
}

// ID is the account's name in the ledger.
func (a account) ID() string {
	return payee{Branch: a.Branch, Type: a.Kind, Number: a.Number}.account()
}

// Masked shows the last three digits only, so that the full number is not on every page.
func (a account) Masked() string { return "****" + a.Number[4:] }

// BranchKey is the key of the branch's name.
func (a account) BranchKey() string { return branchKeys[a.Branch] }

// Free is what an order may take.
func (a account) Free() int64 { return a.Balance - a.Held }

// Pays says whether transfers can be made from the account.
func (a account) Pays() bool { return a.Kind != "time" }

var branches = []string{"101", "102", "103", "104"}

var branchKeys = map[string]string{"101": "branch_main", "102": "branch_east", "103": "branch_station", "104": "branch_port"}

// accountsOf makes up accounts that are always the same for the same customer.
func accountsOf(subject string) []account {
	h := sha256.Sum256([]byte("accounts of " + subject))
	n := func(i int) uint64 { return binary.BigEndian.Uint64(h[i*8:]) }
	branch := branches[n(0)%uint64(len(branches))]
	number := func(i int) string { return fmt.Sprintf("%04d%03d", 1000+n(i)>>48%9000, n(i)>>32%1000) }
	return []account{
		{Kind: "ordinary", Branch: branch, Number: number(1), Opening: int64(184_000 + n(1)%2_400_000)},
		{Kind: "savings", Branch: branch, Number: number(2), Opening: int64(500_000 + n(2)%3_100_000)},
		{Kind: "time", Branch: branch, Number: number(3), Opening: int64(1_000_000 + n(3)%5*500_000)},
	}
}

// yen writes an amount the way the customer reads it, in groups of three.
func yen(amount int64) string {
	sign := ""
	if amount < 0 {
		sign, amount = "−", -amount
	}
	digits := strconv.FormatInt(amount, 10)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return sign + b.String()
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
