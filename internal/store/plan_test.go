package store_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The searches of the console use the indexes that are there for them. A partial index is used only by a statement that says its very words; a slip there would read the whole trail for each page.
func TestSearchesUseTheirIndexes(t *testing.T) {
	var text strings.Builder
	for _, name := range []string{"desk_trail", "incident"} {
		b, err := os.ReadFile("query/" + name + ".sql")
		fine(t, err)
		text.Write(b)
	}
	place := regexp.MustCompile(`sqlc\.arg\(\w+\)|\$\d`)
	each(t, func(t *testing.T, e *engine) {
		e.raw.SetMaxOpenConns(1)
		explain := "EXPLAIN QUERY PLAN "
		if e.Engine() == "postgres" { // an empty table is read whole, unless that is forbidden
			explain = "EXPLAIN "
			for _, off := range []string{"enable_seqscan", "enable_sort", "enable_bitmapscan"} {
				_, err := e.raw.ExecContext(t.Context(), "SET "+off+" = off")
				fine(t, err)
			}
		}
		for query, index := range map[string]string{"TrailByStaff": "audit_staff", "TrailByAction": "audit_action", "TrailByCustomer": "audit_customer", "IncidentQueue": "incident_queue", "PastIncidents": "incident_past",
			"IncidentsOf": "incident_customer", "CodeUses": "audit_customer", "IncidentNotes": "incident_note_incident", "LoginsFrom": "session_source", "ReportedAround": "txn_reported", "TokensEnding": "token_expiry", "TrailExportsOf": "trail_export_staff"} {
			_, rest, _ := strings.Cut(text.String(), "-- name: "+query+" :")
			_, rest, _ = strings.Cut(rest, "\n")
			statement, _, _ := strings.Cut(rest, ";")
			rows, err := e.raw.QueryContext(t.Context(), explain+place.ReplaceAllString(strings.ReplaceAll(statement, "LIMIT $", "LIMIT 1"), "'1'"))
			if err != nil {
				t.Errorf("%s: %v", query, err)
				continue
			}
			columns, err := rows.Columns()
			fine(t, err)
			var plan []string
			for rows.Next() {
				line := make([]any, len(columns))
				var said string
				for i := range line {
					line[i] = new(any)
				}
				line[len(line)-1] = &said
				fine(t, rows.Scan(line...))
				plan = append(plan, said)
			}
			_ = rows.Close()
			if got := strings.Join(plan, "; "); !strings.Contains(got, index) {
				t.Errorf("%s: %s, want %s", query, got, index)
			}
		}
	})
}
