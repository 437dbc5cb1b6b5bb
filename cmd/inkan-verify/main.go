// Command inkan-verify checks the evidence of a transaction: what the customer was shown, what she answered, when, and with which key; and an export of the trail: that nothing was added to it, left out
// of it or changed in it. It needs no database and no network, and links nothing but the words and rules of the domain.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

const usage = `inkan-verify checks the evidence of a transaction, or an export of the trail, without a database and without a network.

  inkan-verify [-root THUMBPRINT] evidence.json        (- reads from standard input)
  inkan-verify [-root THUMBPRINT] inkan-trail.jsonl

The thumbprint of the issuer root is what the bank publishes. Without -root the file's own is taken and printed: compare it yourself.
Exit: 0 everything holds, 1 something does not hold, 2 the file cannot be read.
`

// maxFile is the longest file that is read: an export may be long, evidence may not.
const maxFile = 256 << 20

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	f := flag.NewFlagSet("inkan-verify", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	root := f.String("root", "", "thumbprint of the issuer root")
	if f.Parse(args) != nil || f.NArg() != 1 {
		fmt.Fprint(stderr, usage)
		return 2
	}
	file, err := read(f.Arg(0), stdin)
	if err != nil {
		fmt.Fprintf(stderr, "inkan-verify: %v\n", err)
		return 2
	}
	if audit.IsExport(file) {
		return verifyExport(file, *root, stdout, stderr)
	}
	evidence, err := transaction.ParseEvidence(file)
	if err != nil {
		fmt.Fprintf(stderr, "inkan-verify: %v\n", err)
		return 2
	}
	found, err := evidence.Verify(*root)
	var broken *transaction.Break
	switch {
	case errors.As(err, &broken):
		fmt.Fprintf(stdout, "DOES NOT HOLD – %s: %s\n\nNothing in this file may be relied on.\n", broken.Part, broken.Why)
		return 1
	case err != nil:
		fmt.Fprintf(stderr, "inkan-verify: %v\n", err)
		return 2
	}
	fmt.Fprint(stdout, report(found, *root != ""))
	return 0
}

func read(name string, stdin io.Reader) ([]byte, error) {
	in := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = errors.New("the file is too long")
	}
	return b, err
}

// verifyExport checks an export of the trail.
func verifyExport(file []byte, root string, stdout, stderr io.Writer) int {
	x, found, err := audit.ReadExport(file, root)
	var broken *audit.Broken
	switch {
	case errors.As(err, &broken):
		fmt.Fprintf(stdout, "DOES NOT HOLD – %v\n\nNothing in this file may be relied on.\n", broken)
		return 1
	case err != nil:
		fmt.Fprintf(stderr, "inkan-verify: %v\n", err)
		return 2
	}
	fmt.Fprint(stdout, reportExport(x, found, root != ""))
	return 0
}

// reportExport says what an export proves, and nothing that it does not: that what the filter asked for was given whole is the word of the issuer.
func reportExport(x audit.Export, root string, pinned bool) string {
	var b strings.Builder
	line := func(name, value string) { fmt.Fprintf(&b, "  %-14s %s\n", name, value) }
	fmt.Fprintln(&b, "HOLDS – nothing was added, left out or changed since the issuer signed this file.")
	fmt.Fprintln(&b, "\nExport of the trail:")
	line("entries", fmt.Sprint(len(x.Entries)))
	if n := len(x.Entries); n > 0 {
		line("newest", x.Entries[0].At.Format(time.RFC3339)+" "+x.Entries[0].ID)
		line("oldest", x.Entries[n-1].At.Format(time.RFC3339)+" "+x.Entries[n-1].ID)
	}
	line("made", x.Made.Format(time.RFC3339))
	line("by", x.By)
	if x.CheckedBy != "" {
		line("checked by", x.CheckedBy)
	}
	fmt.Fprintln(&b, "\nAsked for:")
	for _, f := range []struct{ name, value string }{{"customer", x.Filter.Customer}, {"staff", x.Filter.Staff}, {"act", string(x.Filter.Action)}, {"outcome", string(x.Filter.Outcome)}} {
		if f.value != "" {
			line(f.name, f.value)
		}
	}
	if !x.Filter.From.IsZero() {
		line("from", x.Filter.From.Format(time.RFC3339))
	}
	line("before", x.Filter.Until.Format(time.RFC3339))
	fmt.Fprintln(&b)
	line("issuer", x.Issuer)
	line("root", root)
	if !pinned {
		fmt.Fprintln(&b, "\nCompare the root with the one that the bank has published, or give it with -root.")
	}
	return b.String()
}

// report says what the evidence proves, and nothing that it does not: who held the phone is not in it.
func report(f transaction.Findings, pinned bool) string {
	var b strings.Builder
	line := func(name, value string) { fmt.Fprintf(&b, "  %-14s %s\n", name, value) }
	fmt.Fprintln(&b, "HOLDS – every signature and every hash.")
	fmt.Fprintf(&b, "\nShown (%s):\n", f.Language)
	for l := range strings.SplitSeq(f.Shown, "\n") {
		fmt.Fprintf(&b, "  | %s\n", l)
	}
	fmt.Fprintln(&b, "\nAnswered:")
	switch {
	case f.Decision != nil:
		line("answer", word(f.Decision.Answer)+reason(f.Decision.Reason))
		line("signed", f.Decision.Time.Format(time.RFC3339)+" by the phone's clock, its decision number "+fmt.Sprint(f.Decision.Counter))
		line("verified", verified(f))
	case f.Offline != nil:
		line("answer", "approved by an offline code")
		line("taken", f.Offline.Time.Format(time.RFC3339)+" by the bank's clock")
	default:
		line("answer", "none: this is evidence of what was offered, not of an answer")
	}
	switch f.Grade {
	case transaction.GradeA:
		line("grade", "A – the signature of the phone's own key, which the bank does not have")
	case transaction.GradeB:
		line("grade", "B – a code that the bank could have computed itself; the phone's signature has not followed")
	}
	if f.Token.Token != "" {
		fmt.Fprintln(&b, "\nWith:")
		line("token", f.Token.Token)
		line("key", f.DeviceKey)
		line("registered", f.Token.NotBefore.Format(time.RFC3339)+", "+by(f.Token.ActivatedBy)+", generation "+fmt.Sprint(f.Token.Generation)+", until "+f.Token.Expires.Format(time.DateOnly))
		line("customer", f.Token.Customer+" (the issuer's name for her)")
	}
	fmt.Fprintln(&b, "\nTransaction:")
	line("id", f.Document.ID)
	line("document", f.Document.Hash)
	line("offered", f.Document.Issued.Format(time.RFC3339)+" to "+f.Document.Expires.Format(time.RFC3339))
	line("for", f.Document.Audience)
	if f.Permit != nil {
		line("carried out", f.Permit.Time.Format(time.RFC3339)+" – permit for request "+f.Permit.Request+" of customer "+f.Permit.Customer+", grade "+string(f.Permit.Grade)+" at that time")
		for _, c := range f.Permit.CoolingOff {
			line("changed before", c.Change+" on "+c.Since.Format(time.RFC3339)+" – the bank was asked to be careful until "+c.Until.Format(time.RFC3339))
		}
	}
	line("issuer", f.Issuer)
	line("root", f.Root)
	if !pinned {
		fmt.Fprintln(&b, "\nCompare the root with the one that the bank has published, or give it with -root.")
	}
	return b.String()
}

// verified says how the phone had its user show herself, and what of it is proved here.
func verified(f transaction.Findings) string {
	switch f.Decision.Verification {
	case transaction.ByWebAuthn:
		return "webauthn – confirmed with fingerprint, face or screen lock, by a credential that this phone registered on " + f.Verifier.Time.Format(time.RFC3339)
	case transaction.ByPIN:
		return "pin – the phone says that it had asked for one; nothing proves it"
	}
	return "none – the phone asked for neither fingerprint, face nor screen lock"
}

func word(a transaction.Answer) string {
	return map[transaction.Answer]string{transaction.Yes: "approved", transaction.No: "rejected", transaction.NotMe: "reported: \"I did not ask for this\""}[a]
}

func reason(r string) string {
	if r == "" {
		return ""
	}
	return " (" + r + ")"
}

func by(how string) string {
	return map[string]string{"qr": "by scanning the key on the bank's page and the number from the mail", "typed": "by typing the key from the bank's page and the number from the mail",
		"renewal": "by renewing the keys in the app"}[how]
}
