// Package frame is what the pages of the demo's small programs share: templates in a layout, the sentences of two languages and the switch between them, and the headers of every answer.
package frame

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"time"
)

var japan = time.FixedZone("JST", 9*60*60)

// Frame holds the templates and sentences of one program.
type Frame struct {
	cookie    string
	templates map[string]*template.Template
	texts     map[string]map[string]string
}

// Page is what every template sees.
type Page struct {
	Lang string
	Back string
	View any
	text map[string]string
}

// T answers a sentence of the page's language.
func (p Page) T(key string) string { return p.text[key] }

// Time writes a moment in the reader's way, to the second, because in the demo seconds matter.
func (p Page) Time(t time.Time) string { return t.In(japan).Format(p.text["format_time"]) }

// Load reads pages/layout.html with each page, and text/ja.json and text/en.json, which must say the same sentences. The language that somebody has chosen is kept in the cookie of this name.
func Load(files fs.FS, cookie string, pages ...string) (*Frame, error) {
	f := &Frame{cookie: cookie, templates: make(map[string]*template.Template), texts: make(map[string]map[string]string)}
	for _, tag := range []string{"ja", "en"} {
		raw, err := fs.ReadFile(files, "text/"+tag+".json")
		if err != nil {
			return nil, err
		}
		var text map[string]string
		if err := json.Unmarshal(raw, &text); err != nil {
			return nil, fmt.Errorf("text/%s.json: %w", tag, err)
		}
		f.texts[tag] = text
	}
	for tag, other := range map[string]string{"ja": "en", "en": "ja"} {
		for key, sentence := range f.texts[tag] {
			if sentence == "" || f.texts[other][key] == "" {
				return nil, fmt.Errorf("text: %q is not said in both languages", key)
			}
		}
	}
	for _, name := range pages {
		t, err := template.ParseFS(files, "pages/layout.html", "pages/"+name+".html")
		if err != nil {
			return nil, err
		}
		f.templates[name] = t
	}
	return f, nil
}

// Page begins the page that answers a request.
func (f *Frame) Page(r *http.Request, view any) Page {
	tag := f.tag(r)
	return Page{Lang: tag, Back: r.URL.RequestURI(), View: view, text: f.texts[tag]}
}

// Render writes a page: a Page, or what the program has made of one.
func (f *Frame) Render(w http.ResponseWriter, r *http.Request, name string, page any) {
	var b bytes.Buffer
	if err := f.templates[name].ExecuteTemplate(&b, "layout", page); err != nil {
		http.Error(w, "500", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", f.tag(r))
	_, _ = b.WriteTo(w)
}

// Language keeps the language that was chosen and leads back to the page.
func (f *Frame) Language(w http.ResponseWriter, r *http.Request) {
	tag := r.PostFormValue("to")
	if _, known := f.texts[tag]; !known {
		tag = "ja"
	}
	http.SetCookie(w, &http.Cookie{Name: f.cookie, Value: tag, Path: "/", Secure: true, HttpOnly: true,
		SameSite: http.SameSiteLaxMode, MaxAge: int((365 * 24 * time.Hour).Seconds())})
	back := r.PostFormValue("back")
	if u, err := url.Parse(back); err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(back, "//") {
		back = "/"
	}
	http.Redirect(w, r, back, http.StatusSeeOther)
}

// tag is the language of a request.
func (f *Frame) tag(r *http.Request) string {
	if c, err := r.Cookie(f.cookie); err == nil {
		if _, ok := f.texts[c.Value]; ok {
			return c.Value
		}
	}
	for wanted := range strings.SplitSeq(r.Header.Get("Accept-Language"), ",") {
		tag, _, _ := strings.Cut(strings.TrimSpace(wanted), ";")
		tag, _, _ = strings.Cut(strings.ToLower(tag), "-")
		if _, ok := f.texts[tag]; ok {
			return tag
		}
	}
	return "ja"
}

// Guard sets the headers of every answer. referrer is the policy: a program whose own addresses carry nothing may send them to itself.
func Guard(referrer string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", referrer)
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}
