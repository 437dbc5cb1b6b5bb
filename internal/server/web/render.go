package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

// Pages are the templates of one audience. Every page is set into layout.html by its block "main".
type Pages struct {
	pages map[string]*template.Template
}

// ParsePages reads layout.html and the other *.html files of a folder.
func ParsePages(fsys fs.FS, dir string) (*Pages, error) {
	layout, err := template.New("layout").Option("missingkey=error").ParseFS(fsys, dir+"/layout.html")
	if err != nil {
		return nil, fmt.Errorf("web: layout: %w", err)
	}
	names, err := fs.Glob(fsys, dir+"/*.html")
	if err != nil {
		return nil, err
	}
	p := &Pages{pages: map[string]*template.Template{}}
	for _, name := range names {
		base := strings.TrimSuffix(path.Base(name), ".html")
		if base == "layout" {
			continue
		}
		page, err := layout.Clone()
		if err != nil {
			return nil, err
		}
		if p.pages[base], err = page.ParseFS(fsys, name); err != nil {
			return nil, fmt.Errorf("web: page %s: %w", base, err)
		}
	}
	return p, nil
}

// Render writes a page. It is made whole before the first byte leaves, so that a failure never shows half of it.
func (p *Pages) Render(w http.ResponseWriter, status int, name string, data any) error {
	page, ok := p.pages[name]
	if !ok {
		return fmt.Errorf("web: no page %q", name)
	}
	var b bytes.Buffer
	if err := page.ExecuteTemplate(&b, "layout.html", data); err != nil {
		return fmt.Errorf("web: page %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // a reader who has gone needs no page
	return nil
}

// Assets serves a few files that never change under their name: the address carries a hash of the content.
type Assets struct {
	prefix string
	files  map[string]asset
}

type asset struct {
	body    []byte
	kind    string
	version string
}

// NewAssets takes files out of fsys and serves them below prefix, such as "/static/", by their base names.
func NewAssets(prefix string, fsys fs.FS, names ...string) (*Assets, error) {
	a := &Assets{prefix: prefix, files: map[string]asset{}}
	for _, name := range names {
		b, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("web: asset: %w", err)
		}
		sum := sha256.Sum256(b)
		kind := mime.TypeByExtension(path.Ext(name))
		switch path.Ext(name) { // the table of the machine may say otherwise, and browsers obey it (nosniff)
		case ".js":
			kind = "text/javascript; charset=utf-8"
		case ".css":
			kind = "text/css; charset=utf-8"
		case ".svg":
			kind = "image/svg+xml"
		}
		a.files[path.Base(name)] = asset{b, kind, hex.EncodeToString(sum[:6])}
	}
	return a, nil
}

// URL is the address of a file in its present version.
func (a *Assets) URL(name string) string {
	f, ok := a.files[name]
	if !ok {
		panic("web: no asset " + name) // a slip of ours that the first rendering of any page shows
	}
	return a.prefix + name + "?v=" + f.version
}

// ServeHTTP answers for one file. Only the address of the present version may be kept by the browser.
func (a *Assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := a.files[strings.TrimPrefix(r.URL.Path, a.prefix)]
	if !ok {
		http.NotFound(w, r)
		return
	}
	if r.URL.Query().Get("v") == f.version {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	w.Header().Set("Content-Type", f.kind)
	_, _ = w.Write(f.body) // as above
}
