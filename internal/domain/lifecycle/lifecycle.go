// Package lifecycle makes a life a table: what is not in the table cannot happen.
package lifecycle

import (
	"fmt"
	"slices"
	"strings"
)

// Move is one row: in state From, event On leads to state To. By says whose act it is, for the reader of the table.
type Move[S, E ~string] struct {
	From S
	On   E
	To   S
	By   string
}

// Table is a whole life.
type Table[S, E ~string] []Move[S, E]

// Next gives the state that the event leads to, and whether it may happen at all.
func (t Table[S, E]) Next(from S, on E) (S, bool) {
	for _, m := range t {
		if m.From == from && m.On == on {
			return m.To, true
		}
	}
	return "", false
}

// Matrix draws the table for reviewers: states down, events across, a dot where nothing can happen.
func (t Table[S, E]) Matrix(states []S, events []E) string {
	var b strings.Builder
	width := 0
	for _, s := range states {
		width = max(width, len(s))
	}
	for _, e := range events {
		width = max(width, len(e))
	}
	row := func(first string, cell func(E) string) {
		line := fmt.Sprintf("%-*s", width, first)
		for _, e := range events {
			line += fmt.Sprintf("  %-*s", width, cell(e))
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	row("", func(e E) string { return string(e) })
	for _, s := range states {
		row(string(s), func(e E) string {
			if to, ok := t.Next(s, e); ok {
				return string(to)
			}
			return "."
		})
	}
	return b.String()
}

// Check finds what is wrong with a table: two rows for one pair, a state that nothing reaches, a way back to the first state, a state or
// event that is not listed, or an exit from a final state.
func (t Table[S, E]) Check(states []S, events []E, first S, final []S) error {
	seen := map[string]bool{}
	reached := map[S]bool{first: true}
	for _, m := range t {
		pair := string(m.From) + " " + string(m.On)
		switch {
		case seen[pair]:
			return fmt.Errorf("lifecycle: two rows for %s", pair)
		case !slices.Contains(states, m.From) || !slices.Contains(states, m.To) || !slices.Contains(events, m.On):
			return fmt.Errorf("lifecycle: %s → %s names something that is not listed", pair, m.To)
		case slices.Contains(final, m.From):
			return fmt.Errorf("lifecycle: %s leaves a final state", pair)
		case m.To == first:
			return fmt.Errorf("lifecycle: %s leads back to the beginning", pair)
		}
		seen[pair] = true
		reached[m.To] = true
	}
	for _, s := range states {
		if !reached[s] {
			return fmt.Errorf("lifecycle: nothing reaches %s", s)
		}
	}
	return nil
}
