package telephone

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

//go:embed pages/*.html static/* text/*.json
var files embed.FS

const languageCookie = "__Host-phone-lang"

var japan = time.FixedZone("JST", 9*60*60)

type pages struct {
	templates map[string]*template.Template
	texts     map[string]map[string]string
}

// page is what every template sees.
type page struct {
	Lang string
	Back string
	View any
	text map[string]string
}

// T answers a sentence of the page's language.
func (p page) T(key string) string { return p.text[key] }

// Time writes a moment in the reader's way, to the second, because in the demo seconds matter.
func (p page) Time(t time.Time) string { return t.In(japan).Format(p.text["format_time"]) }

// Who is the name of whoever has a telephone.
func (p page) Who(s Subscriber) string {
	if p.Lang == "en" {
		return s.NameEN
	}
	return s.Name
}

// Parts cuts a sentence at the codes in it, so that they can be shown large.
func (page) Parts(s string) []part { return split(s) }

// LangOf is the language of what is said, which need not be that of the page.
func (page) LangOf(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r >= 0x3000 }) {
		return "ja"
	}
	return "en"
}

// part is a piece of a sentence; a telephone number is not broken, a code is large.
type part struct {
	Text         string
	Code, Number bool
}

// Keys are those of a telephone, row by row.
func (page) Keys() []string { return []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "", "0"} }

type listView struct{ Lines []line }

type lineView struct {
	line
	Dial string // the number that inkan takes calls at
	Dots []bool // one for each digit that the voice waits for: typed or not
}

func loadPages() (*pages, error) {
	p := &pages{templates: make(map[string]*template.Template), texts: make(map[string]map[string]string)}
	for _, tag := range []string{"ja", "en"} {
		raw, err := files.ReadFile("text/" + tag + ".json")
		if err != nil {
			return nil, err
		}
		var text map[string]string
		if err := json.Unmarshal(raw, &text); err != nil {
			return nil, fmt.Errorf("telephone: text/%s.json: %w", tag, err)
		}
		p.texts[tag] = text
	}
	for _, name := range []string{"list", "line", "dial"} {
		t, err := template.ParseFS(files, "pages/layout.html", "pages/"+name+".html")
		if err != nil {
			return nil, err
		}
		p.templates[name] = t
	}
	return p, nil
}

// Handler answers the pages of the telephones and inkan's orders.
func (e *Exchange) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", e.list)
	mux.HandleFunc("GET /n/{number}", e.show)
	mux.HandleFunc("GET /n/{number}/dial", e.dialPage)
	for name, do := range map[string]func(number string, r *http.Request){
		"answer":  func(n string, _ *http.Request) { e.answer(n) },
		"hang-up": func(n string, _ *http.Request) { e.hangUp(n) },
		"close":   func(n string, _ *http.Request) { e.clearCall(n) },
		"key":     func(n string, r *http.Request) { e.press(n, r.PostFormValue("key")) },
		"dial":    func(n string, r *http.Request) { e.dial(n, r.PostFormValue("to")) },
	} {
		mux.HandleFunc("POST /n/{number}/"+name, func(w http.ResponseWriter, r *http.Request) {
			e.mu.Lock()
			l := e.line(r.PathValue("number"))
			e.mu.Unlock()
			if l == nil {
				http.Redirect(w, r, "/", http.StatusSeeOther)
				return
			}
			do(l.Digits, r)
			http.Redirect(w, r, "/n/"+l.Digits, http.StatusSeeOther)
		})
	}
	mux.HandleFunc("POST /language", e.language)
	for _, name := range []string{"static/telephone.css", "static/mark.svg"} {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, files, name) })
	}
	pages := http.NewCrossOriginProtection().Handler(http.MaxBytesHandler(mux, 16<<10))
	all := http.NewServeMux()
	all.HandleFunc("POST "+GatewayPath+"/calls", e.takeCall)
	all.HandleFunc("POST "+GatewayPath+"/messages", e.takeMessage)
	all.Handle("/", pages)
	return headers(all)
}

func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// copyOf gives a telephone as it is now; a call that nobody took in time is missed.
func (e *Exchange) copyOf(l *line) line {
	c := *l
	c.Messages = slices.Clone(l.Messages)
	if l.Call != nil {
		if l.Call.State == ringing && !l.Call.Expires.After(e.cfg.Now()) {
			l.Call.State = missed
		}
		call := *l.Call
		call.Said = slices.Clone(call.Said)
		c.Call = &call
	}
	return c
}

func (e *Exchange) list(w http.ResponseWriter, r *http.Request) {
	var v listView
	e.mu.Lock()
	for _, l := range e.lines {
		v.Lines = append(v.Lines, e.copyOf(l))
	}
	e.mu.Unlock()
	w.Header().Set("Refresh", "2")
	e.pages.render(w, r, "list", v)
}

func (e *Exchange) view(w http.ResponseWriter, r *http.Request) (v lineView, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	l := e.line(r.PathValue("number"))
	if l == nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return v, false
	}
	v = lineView{line: e.copyOf(l), Dial: e.cfg.Dial}
	if v.Call != nil {
		for i := range v.Call.Gather {
			v.Dots = append(v.Dots, i < len(v.Call.Typed))
		}
	}
	return v, true
}

// show shows one telephone, and asks again by itself while nothing is being typed.
func (e *Exchange) show(w http.ResponseWriter, r *http.Request) {
	if v, ok := e.view(w, r); ok {
		if v.Call == nil || v.Call.State != talking {
			w.Header().Set("Refresh", "2")
		}
		e.pages.render(w, r, "line", v)
	}
}

func (e *Exchange) dialPage(w http.ResponseWriter, r *http.Request) {
	if v, ok := e.view(w, r); ok {
		e.pages.render(w, r, "dial", v)
	}
}

func (e *Exchange) language(w http.ResponseWriter, r *http.Request) {
	tag := r.PostFormValue("to")
	if _, known := e.pages.texts[tag]; !known {
		tag = "ja"
	}
	http.SetCookie(w, &http.Cookie{Name: languageCookie, Value: tag, Path: "/", Secure: true, HttpOnly: true,
		SameSite: http.SameSiteLaxMode, MaxAge: int((365 * 24 * time.Hour).Seconds())})
	back := r.PostFormValue("back")
	if u, err := url.Parse(back); err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(back, "//") {
		back = "/"
	}
	http.Redirect(w, r, back, http.StatusSeeOther)
}

// figures are telephone numbers, and codes: six digits, written together or as a voice reads them.
var figures = regexp.MustCompile(`0[0-9]{1,3}-[0-9]{2,4}-[0-9]{3,4}|[0-9](?:[、。,; ]{0,2}[0-9]){5}`)

// split cuts a sentence at the figures in it.
func split(s string) (out []part) {
	at := 0
	for _, hit := range figures.FindAllStringIndex(s, -1) {
		if hit[0] > at {
			out = append(out, part{Text: s[at:hit[0]]})
		}
		figure := s[hit[0]:hit[1]]
		if d := digits(figure); strings.Contains(figure, "-") {
			out = append(out, part{Text: figure, Number: true})
		} else {
			out = append(out, part{Text: d[:3] + " " + d[3:], Code: true})
		}
		at = hit[1]
	}
	if at < len(s) {
		out = append(out, part{Text: s[at:]})
	}
	return out
}

func (p *pages) tag(r *http.Request) string {
	if c, err := r.Cookie(languageCookie); err == nil {
		if _, ok := p.texts[c.Value]; ok {
			return c.Value
		}
	}
	for wanted := range strings.SplitSeq(r.Header.Get("Accept-Language"), ",") {
		tag, _, _ := strings.Cut(strings.TrimSpace(wanted), ";")
		tag, _, _ = strings.Cut(strings.ToLower(tag), "-")
		if _, ok := p.texts[tag]; ok {
			return tag
		}
	}
	return "ja"
}

func (p *pages) render(w http.ResponseWriter, r *http.Request, name string, view any) {
	tag := p.tag(r)
	var b bytes.Buffer
	if err := p.templates[name].ExecuteTemplate(&b, "layout", page{Lang: tag, Back: r.URL.RequestURI(), View: view, text: p.texts[tag]}); err != nil {
		http.Error(w, "500", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", tag)
	_, _ = b.WriteTo(w)
}
