package main

import (
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// The benchmark, as small as it gets: what it proves must hold; how fast it was is nobody's business here.
func TestBenchmarkAcceptsEachCodeExactlyOnce(t *testing.T) {
	var out strings.Builder
	if err := bench(t.Context(), []string{"otp", "-engine", "sqlite", "-rounds", "1", "-seconds", "0.2", "-tokens", "2000"}, &out, &out); err != nil {
		t.Fatalf("inkan bench otp: %v\n%s", err, &out)
	}
	for _, want := range []string{"exactly once: ", "all refused as used", "each accepted once", "64 clients"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report does not say %q:\n%s", want, &out)
		}
	}
}

func TestBenchmarkGivesEachPermitExactlyOnce(t *testing.T) {
	var out strings.Builder
	if err := bench(t.Context(), []string{"transaction", "-engine", "sqlite", "-rounds", "1", "-seconds", "0.2", "-tokens", "1000"}, &out, &out); err != nil {
		t.Fatalf("inkan bench transaction: %v\n%s", err, &out)
	}
	for _, want := range []string{"exactly once: ", "each taken once", "each given once", "whole cycles, 64 clients", "approvals alone", "to the bank's page"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report does not say %q:\n%s", want, &out)
		}
	}
}

func TestBenchmarkCountsEachPasskeyLogin(t *testing.T) {
	var out strings.Builder
	if err := bench(t.Context(), []string{"passkey", "-engine", "sqlite", "-rounds", "1", "-seconds", "0.2", "-tokens", "1000"}, &out, &out); err != nil {
		t.Fatalf("inkan bench passkey: %v\n%s", err, &out)
	}
	if !strings.Contains(out.String(), "logins = audit entries = sessions") {
		t.Errorf("the report proves nothing:\n%s", &out)
	}
}

const benchServed = "INKAN_BENCH_CONFIG"

// TestServeForTheBenchmark is no test of its own: it is the server of TestBenchmarkHoldsStreamsOpen, in a process of its own.
func TestServeForTheBenchmark(t *testing.T) {
	config := os.Getenv(benchServed)
	if config == "" {
		t.Skip("only as a child of another test")
	}
	if code := run(t.Context(), []string{"serve", "-config", config}, io.Discard, os.Stderr); code != 0 {
		t.Errorf("the server ended with %d", code)
	}
}

func TestBenchmarkHoldsStreamsOpen(t *testing.T) {
	var out strings.Builder
	b := streamBench{n: 300, wakes: 3, rest: 50 * time.Millisecond, command: func(ctx context.Context, config string) *exec.Cmd {
		c := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestServeForTheBenchmark$") //nolint:gosec // this very program
		c.Env = append(os.Environ(), benchServed+"="+config)
		return c
	}}
	if err := b.run(t.Context(), &out); err != nil {
		t.Fatalf("inkan bench streams: %v\n%s", err, &out)
	}
	for _, want := range []string{"300 idle event streams: ", "all 8 streams of one customer say look"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report does not say %q:\n%s", want, &out)
		}
	}
}
