package store_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/inkan-auth/inkan/internal/store"
)

// The searches of the console use the indexes that are there for them. A partial index is used only by a statement that says its very words; a slip there would read the whole trail for each page.
func TestSearchesUseTheirIndexes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "inkan.db")
	s, err := store.OpenSQLite(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	d, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	var text strings.Builder
	for _, name := range []string{"desk_trail", "incident"} {
		b, err := os.ReadFile("query/" + name + ".sql")
		if err != nil {
			t.Fatal(err)
		}
		text.Write(b)
	}
	named := regexp.MustCompile(`sqlc\.arg\(\w+\)|\$\d`)
	for query, index := range map[string]string{"TrailByStaff": "audit_staff", "TrailByAction": "audit_action", "TrailByCustomer": "audit_customer", "IncidentQueue": "incident_queue", "PastIncidents": "incident_past",
		"IncidentsOf": "incident_customer", "LoginsFrom": "session_source", "ReportedAround": "txn_reported", "TokensEnding": "token_expiry", "OpenReleaseAges": "release_request_queue", "TrailExportsOf": "trail_export_staff"} {
		_, rest, _ := strings.Cut(text.String(), "-- name: "+query+" :")
		_, rest, _ = strings.Cut(rest, "\n")
		statement, _, _ := strings.Cut(rest, ";")
		rows, err := d.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+named.ReplaceAllString(statement, "0"))
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		var plan []string
		for rows.Next() {
			var id, parent, unused int
			var line string
			if err := rows.Scan(&id, &parent, &unused, &line); err != nil {
				t.Fatal(err)
			}
			plan = append(plan, line)
		}
		_ = rows.Close()
		if got := strings.Join(plan, "; "); !strings.Contains(got, index) || strings.Contains(got, "SCAN audit_entry") {
			t.Errorf("%s: %s, want %s", query, got, index)
		}
	}
}
