// Command inkan is the customer-authentication server for internet banking. Its subcommands: serve, demo, admin, bench.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// command is one subcommand.
type command struct {
	name, line string
	run        func(ctx context.Context, args []string, stdout, stderr io.Writer) error
}

var commands = []command{
	{"serve", "run the server with a configuration file", serve},
	{"demo", "run everything on this machine: a bank, the server, the token app, a mailbox", demo},
	{"admin", "keys, customers, clients, fence; a dry run unless -do is given", admin},
	{"bench", "measure this machine: one-time passwords a second, start, memory", bench},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// errUsage says that the arguments were not understood; the help has been printed already.
var errUsage = errors.New("usage")

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		for _, c := range commands {
			if c.name != args[0] {
				continue
			}
			switch err := c.run(ctx, args[1:], stdout, stderr); {
			case err == nil:
				return 0
			case errors.Is(err, errUsage):
				return 2
			default:
				fmt.Fprintf(stderr, "inkan %s: %v\n", c.name, err)
				return 1
			}
		}
	}
	fmt.Fprint(stderr, "inkan is the customer-authentication server for internet banking.\n\n")
	for _, c := range commands {
		fmt.Fprintf(stderr, "  inkan %-7s %s\n", c.name, c.line)
	}
	fmt.Fprint(stderr, "\nStart with: inkan demo\n")
	return 2
}
