package tokenapp

import (
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"

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
