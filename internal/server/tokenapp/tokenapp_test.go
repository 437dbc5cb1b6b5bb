package tokenapp

import (
	"compress/gzip"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/server/web"
	files "github.com/inkan-auth/inkan/web"
)

// The first load is small: what the app's page names, as served, is at most 60 KiB of script and style.
func TestTheFirstLoadIsSmall(t *testing.T) {
	dist, err := fs.Sub(files.Files, "dist/tokenapp")
	if err != nil {
		t.Fatal(err)
	}
	m := http.NewServeMux()
	if err := (&Server{App: dist}).mountApp(m); err != nil {
		t.Fatal(err)
	}
	get := func(path, encoding string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Accept-Encoding", encoding)
		w := httptest.NewRecorder()
		m.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			t.Fatalf("GET %s: %d", path, w.Code)
		}
		return w
	}
	page := get("/", "").Body.String()
	total := 0
	found := regexp.MustCompile(`(?:src|href)="(/assets/[^"]+\.(?:js|css))"`).FindAllStringSubmatch(page, -1)
	if len(found) < 2 {
		t.Fatalf("the page names %d scripts and styles", len(found))
	}
	for _, f := range found {
		small, plain := get(f[1], "gzip"), get(f[1], "")
		total += small.Body.Len()
		z, err := gzip.NewReader(small.Body)
		if err != nil {
			t.Fatalf("%s is not compressed: %v", f[1], err)
		}
		b, err := io.ReadAll(z)
		if err != nil || string(b) != plain.Body.String() || small.Header().Get("ETag") == plain.Header().Get("ETag") {
			t.Errorf("%s: the compressed form is another file, or looks like the same one to a cache: %v", f[1], err)
		}
	}
	if total > 60<<10 {
		t.Errorf("the first load is %d bytes, at most %d are allowed", total, 60<<10)
	}
	t.Logf("first load: %d bytes", total)
}

// Where there is nothing a person gets the app, which says so and leads back; a program gets a short answer of its own kind.
func TestWhereThereIsNothing(t *testing.T) {
	dist, err := fs.Sub(files.Files, "dist/tokenapp")
	if err != nil {
		t.Fatal(err)
	}
	m := http.NewServeMux()
	api := web.API{Log: slog.New(slog.DiscardHandler), Sentence: func(_ string, e *problem.Error) string { return string(e.Kind) }}
	if err := (&Server{App: dist, API: api}).Mount(m); err != nil {
		t.Fatal(err)
	}
	get := func(path, accept string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		m.ServeHTTP(w, r)
		return w
	}
	app := get("/", "text/html").Body.String()
	for path, accept := range map[string]string{"/nosuch": "text/html,*/*;q=0.8", "/assets/": "text/html", "/r/more": "text/html"} {
		if w := get(path, accept); w.Code != http.StatusNotFound || w.Body.String() != app || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s: %d %s %.60q", path, w.Code, w.Header().Get("Content-Type"), w.Body)
		}
	}
	if w := get("/assets/none.js", "*/*"); w.Code != http.StatusNotFound || strings.Contains(w.Body.String(), "<") {
		t.Errorf("a file that is not there: %d %.60q", w.Code, w.Body)
	}
	if w := get("/v1/nosuch", "text/html"); w.Code != http.StatusNotFound || w.Header().Get("Content-Type") != "application/problem+json" || !strings.Contains(w.Body.String(), "urn:inkan:problem:not-found") {
		t.Errorf("a door that is not there: %d %.60q", w.Code, w.Body)
	}
}
