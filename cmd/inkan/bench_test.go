package main

import (
	"strings"
	"testing"
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
