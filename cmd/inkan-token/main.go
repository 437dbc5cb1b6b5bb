// Command inkan-token is a token on the command line: a second, independent client of the protocol (docs/protocol.md), with its keys in a file that only
// its owner can read.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/otp"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
)

// world is what the program needs of the machine; tests hand in their own.
type world struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	now            func() time.Time
	home           string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	home, err := os.UserConfigDir()
	if err != nil {
		home = "."
	}
	os.Exit(run(ctx, os.Args[1:], world{os.Stdin, os.Stdout, os.Stderr, time.Now, home}))
}

const usage = `inkan-token is a token on the command line.

  inkan-token register -link LINK -number 12345678              with the link behind the QR code
  inkan-token register -issuer https://token.bank.example \
              -key 1234-5678-1234-5678 -number 12345678          with the typed digits
  inkan-token list                                               the tokens in the file
  inkan-token code [TOKEN]                                       the one-time password of now
  inkan-token status [TOKEN]                                     what the server says of the token
  inkan-token transactions [TOKEN]                               what waits for you, and what was
  inkan-token approve|reject|report TRANSACTION [TOKEN]          your signed answer; report: I did not ask for this
  inkan-token offline [INKAN1:… | -] [TOKEN]                     without a network: the text of the bank's QR code → eight digits
  inkan-token renew [-number 12345678] [TOKEN]                   other keys and a new date; the mailed number only after the old date
  inkan-token move [TOKEN]                                       to another device: the link for it; there, after the approval, its first code
  inkan-token remove TOKEN                                       forget a token

Options of all of them, before or behind the rest:
                        -file FILE (default: inkan-token/tokens.json in your configuration directory)
                        -passphrase-file FILE (keeps the file encrypted)
                        -lang ja|en (how a transaction is shown and a refusal of the bank is said; without it ja and en)
                        -reason wrong_amount|wrong_payee|not_me|told_by_phone|other

It has no fingerprint, face or screen lock to ask for: what the bank wants confirmed so can be rejected and reported here, and approved only in the token app.
`

var errUsage = errors.New("usage")

// missing is a command that was typed without what it needs, or with what it does not know.
type missing string

func (m missing) Error() string { return string(m) }

func run(ctx context.Context, args []string, w world) int {
	err := errUsage
	if len(args) > 0 {
		err = dispatch(ctx, args[0], args[1:], w)
	}
	var m missing
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errUsage):
		fmt.Fprint(w.stderr, usage)
		return 2
	case errors.As(err, &m):
		fmt.Fprintf(w.stderr, "inkan-token: %s (inkan-token help shows every command)\n", m)
		return 2
	}
	fmt.Fprintf(w.stderr, "inkan-token: %v\n", err)
	return 1
}

// call is one run of a command with its options.
type call struct {
	world
	wallet                    *wallet
	link, issuer, key, number string
	lang, reason              string // lang is how a transaction is shown
	said                      string // the language of the bank's refusals
	args                      []string
}

func dispatch(ctx context.Context, name string, args []string, w world) error {
	commands := map[string]func(context.Context, *call) error{"register": register, "list": list, "code": code, "status": status, "remove": remove, "renew": renew, "move": move,
		"transactions": transactions, "approve": decide(transaction.Yes), "reject": decide(transaction.No), "report": decide(transaction.NotMe), "offline": offline}
	f, ok := commands[name]
	switch {
	case ok:
	case slices.Contains([]string{"help", "-h", "-help", "--help"}, name):
		return errUsage
	default:
		return missing(fmt.Sprintf("there is no command %q", name))
	}
	c := &call{world: w}
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	file := fs.String("file", filepath.Join(w.home, "inkan-token", "tokens.json"), "")
	passphrase := fs.String("passphrase-file", "", "")
	fs.StringVar(&c.link, "link", "", "")
	fs.StringVar(&c.issuer, "issuer", "", "")
	fs.StringVar(&c.key, "key", "", "")
	fs.StringVar(&c.number, "number", "", "")
	fs.StringVar(&c.lang, "lang", "", "")
	fs.StringVar(&c.reason, "reason", "", "")
	for rest := args; ; rest = fs.Args()[1:] { // an option may stand behind what is no option
		if err := fs.Parse(rest); errors.Is(err, flag.ErrHelp) {
			return errUsage
		} else if err != nil {
			return missing(err.Error())
		}
		if fs.NArg() == 0 {
			break
		}
		c.args = append(c.args, fs.Arg(0))
	}
	switch c.said = c.lang; {
	case c.lang == "": // the customer reads her transactions as the bank writes them; this program speaks English
		c.lang, c.said = "ja", "en"
	case !slices.Contains(transaction.Languages, c.lang):
		return missing(fmt.Sprintf("-lang is ja or en, not %q", c.lang))
	}
	var err error
	if c.wallet, err = openWallet(*file, *passphrase); err != nil {
		return err
	}
	return f(ctx, c)
}

func list(_ context.Context, c *call) error {
	if len(c.wallet.Tokens) == 0 {
		fmt.Fprintln(c.stdout, "No token yet. Register one: inkan-token register")
	}
	for _, t := range c.wallet.Tokens {
		over := ""
		if t.over() {
			over = "  " + t.State
		}
		fmt.Fprintf(c.stdout, "%s  %s  %s  until %s%s\n", t.ID, t.Bank, t.Account, t.Expires.Format("2006-01-02"), over)
	}
	return nil
}

// code prints the one-time password of now, and how long it lives, by the machine's clock and the offset measured at the last contact.
func code(_ context.Context, c *call) error {
	t, err := c.pick()
	if err != nil {
		return err
	}
	now := c.now().Add(t.offset())
	if t.over() {
		return errors.New(t.standing())
	}
	if t.Moving {
		return errors.New("this device waits for the approval of the old one and is not in use yet: inkan-token move")
	}
	if now.After(t.Expires) {
		return fmt.Errorf("this token expired on %s: log in at the bank to have a number mailed, then inkan-token renew -number", t.Expires.Format("2006-01-02"))
	}
	step := time.Duration(t.StepSeconds) * time.Second
	left := step - now.Sub(time.Unix(otp.StepAt(now, step)*int64(t.StepSeconds), 0))
	fmt.Fprintln(c.stdout, otp.Code(t.OTPKey, otp.StepAt(now, step), t.Digits))
	fmt.Fprintf(c.stderr, "good for %d s\n", int(left/time.Second))
	if o := t.offset(); o.Abs() > 30*time.Second {
		fmt.Fprintf(c.stderr, "this machine's clock is off by %s; the code is made with the server's time\n", o.Abs().Round(time.Second))
	}
	return nil
}

func remove(_ context.Context, c *call) error {
	if len(c.args) != 1 {
		return missing("say which token is to be forgotten: inkan-token list shows them, then inkan-token remove TOKEN")
	}
	t, err := c.pick()
	if err != nil {
		return err
	}
	id := t.ID
	kept := c.wallet.Tokens[:0]
	for _, x := range c.wallet.Tokens {
		if x.ID != id {
			kept = append(kept, x)
		}
	}
	c.wallet.Tokens = kept
	if err := c.wallet.save(); err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "%s is forgotten here. The bank still asks for its codes until its use is stopped there.\n", id)
	return nil
}

// pick finds the token that was named, or the only one.
func (c *call) pick() (*tokenEntry, error) {
	if len(c.wallet.Tokens) == 0 {
		return nil, fmt.Errorf("there is no token in %s yet: apply for one at the bank, then inkan-token register -link LINK -number NUMBER", c.wallet.path)
	}
	if len(c.args) > 1 {
		return nil, missing(fmt.Sprintf("%q is one too many", c.args[1]))
	}
	if len(c.args) == 0 && len(c.wallet.Tokens) == 1 {
		return &c.wallet.Tokens[0], nil
	}
	for i := range c.wallet.Tokens {
		if len(c.args) == 1 && strings.HasPrefix(c.wallet.Tokens[i].ID, c.args[0]) {
			return &c.wallet.Tokens[i], nil
		}
	}
	if len(c.args) == 0 {
		return nil, missing("there are several tokens, so say which: inkan-token list shows them")
	}
	return nil, fmt.Errorf("there is no token %q in this file", c.args[0])
}
