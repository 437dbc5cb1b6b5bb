package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/inkan-auth/inkan/internal/pgcluster"
)

// bench measures. Absolute figures say where a machine stands; the ratios inside one run are what can be compared (docs/performance.md).
func bench(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case "otp":
			return benchOTP(ctx, args[1:], stdout, stderr)
		case "transaction":
			return benchTransaction(ctx, args[1:], stdout, stderr)
		case "passkey":
			return benchPasskey(ctx, args[1:], stdout, stderr)
		case "streams":
			return benchStreams(ctx, args[1:], stdout, stderr)
		case "start":
			return benchStart(ctx, args[1:], stdout, stderr)
		case "console":
			return benchConsole(ctx, args[1:], stdout, stderr)
		}
	}
	fmt.Fprint(stderr, "usage: inkan bench otp          verified one-time passwords a second, on each engine, beside the raw rate of the database\n"+
		"       inkan bench transaction  transactions and approvals a second, and how soon the bank's page knows\n"+
		"       inkan bench passkey      logins with a passkey a second, beside verification and one durable write\n"+
		"       inkan bench streams      memory of an open event stream, and how soon a phone is told to look\n"+
		"       inkan bench start        time from start to ready, and memory at rest\n"+
		"       inkan bench console      the staff's pages in a large bank, beside those in a small one\n")
	return errUsage
}

// benchFlags are the size of a measurement.
type benchFlags struct {
	engine, postgres string
	rounds, tokens   int
	seconds          float64
	clients          []int
}

// rawClients is how many connections the raw rate is taken with.
const rawClients = 32

func benchOTP(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	b := benchFlags{clients: []int{1, 8, 64, 256}}
	if err := b.parse("otp", args, stderr); err != nil {
		return err
	}
	return b.each(ctx, stdout, b.run)
}

func (b *benchFlags) parse(name string, args []string, stderr io.Writer) error {
	f := flag.NewFlagSet("bench "+name, flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&b.engine, "engine", "both", "sqlite, postgres or both")
	f.StringVar(&b.postgres, "postgres", "", "file with the address of a PostgreSQL server on which fresh databases may be made (default: one is started, if installed)")
	f.IntVar(&b.rounds, "rounds", 3, "how often every line is run, in turn")
	f.Float64Var(&b.seconds, "seconds", 3, "how long one line is measured each time")
	f.IntVar(&b.tokens, "tokens", 20000, "how many customers with a token there are")
	if f.Parse(args) != nil || f.NArg() > 0 || b.rounds < 1 || b.seconds <= 0 || b.tokens < 1000 || b.tokens%spreadBy == 0 || !slices.Contains([]string{"sqlite", "postgres", "both"}, b.engine) {
		fmt.Fprintf(stderr, "usage: inkan bench %s [-engine sqlite|postgres|both] [-postgres address-file] [-rounds n] [-seconds s] [-tokens n, at least 1000]\n", name)
		return errUsage
	}
	return nil
}

// each runs a measurement on the engines that were asked for.
func (b *benchFlags) each(ctx context.Context, stdout io.Writer, run func(ctx context.Context, engine string, stdout io.Writer) error) error {
	if b.engine != "postgres" {
		if err := run(ctx, "sqlite", stdout); err != nil {
			return fmt.Errorf("sqlite: %w", err)
		}
	}
	if b.engine == "sqlite" {
		return nil
	}
	err := run(ctx, "postgres", stdout)
	if b.engine == "both" && errors.Is(err, pgcluster.ErrNotInstalled) {
		fmt.Fprintln(stdout, "postgres: not installed here, and no -postgres given; left out")
		return nil
	}
	if err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	return nil
}

// line is what one row of the report was measured as, round by round.
type line struct {
	name          string
	rate          []float64
	p50, p99, cpu []time.Duration
}

func (l *line) add(r sample) {
	l.rate = append(l.rate, r.rate)
	l.p50 = append(l.p50, r.p50)
	l.p99 = append(l.p99, r.p99)
	l.cpu = append(l.cpu, r.cpu)
}

// run measures one engine: every line in turn in every round, so that what else happens on the machine meets all of them alike.
func (b benchFlags) run(ctx context.Context, engine string, stdout io.Writer) error {
	w, err := newBenchWorld(ctx, engine, b)
	if err != nil {
		return err
	}
	defer w.close()
	fmt.Fprintf(stdout, "%s: %s; %d tokens; %d rounds of %g s a line\n", engine, w.about, b.tokens, b.rounds, b.seconds)
	took := time.Duration(b.seconds * float64(time.Second))
	// The raw rate with a single connection is no goal, but the stricter yardstick where 32 connections are in one another's way, as on SQLite.
	raw1, raw := &line{name: "raw, 1 connection"}, &line{name: fmt.Sprintf("raw, %d connections", rawClients)}
	lines := []*line{raw1, raw}
	for _, n := range b.clients {
		lines = append(lines, &line{name: fmt.Sprintf("inkan over HTTP, %d clients", n)})
	}
	for range b.rounds {
		for i, l := range lines {
			var s sample
			switch {
			case l == raw1:
				s, err = w.raw(ctx, 1, took)
			case l == raw:
				s, err = w.raw(ctx, rawClients, took)
			default:
				s, err = w.load(ctx, b.clients[i-2], took)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", l.name, err)
			}
			l.add(s)
		}
	}
	proof, err := w.prove(ctx)
	if err != nil {
		return err
	}
	tab := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tab, "\tcodes/s min\tmedian\tmax\tp50 ms\tp99 ms\tto raw 32: min\tmedian\tmax\tto raw 1\t")
	for _, l := range lines {
		lo, mid, hi := spread(l.rate)
		rlo, rmid, rhi := spread(ratios(l.rate, raw.rate))
		_, one, _ := spread(ratios(l.rate, raw1.rate))
		_, p50, _ := spread(l.p50)
		_, p99, _ := spread(l.p99)
		fmt.Fprintf(tab, "%s\t%.0f\t%.0f\t%.0f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t\n", l.name, lo, mid, hi, ms(p50), ms(p99), rlo, rmid, rhi, one)
	}
	if err := tab.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s\n\n", strings.Join(proof, "\n"))
	return nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// ratios divides round by round: what disturbs a round disturbs both of its lines.
func ratios(a, b []float64) []float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = a[i] / b[i]
	}
	return out
}

// spread is the least, the median and the greatest.
func spread[T float64 | time.Duration](v []T) (least, median, greatest T) {
	s := slices.Sorted(slices.Values(v))
	return s[0], s[len(s)/2], s[len(s)-1]
}
