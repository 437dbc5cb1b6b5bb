package mailbox

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
	"strconv"
	"strings"
	"time"
)

//go:embed pages/*.html static/* text/*.json
var files embed.FS

const languageCookie = "__Host-mail-lang"

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

type listView struct {
	Addresses []address
	Chosen    string
	Messages  []Message
	Down      bool
}

// address is one recipient with the number of mails to her.
type address struct {
	Name   string
	Count  int
	Chosen bool
}

type mailView struct {
	Message
	Parts []part
}

// part is a piece of the body: text, or an address of the web that can be followed.
type part struct {
	Text string
	Link bool
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
			return nil, fmt.Errorf("mailbox: text/%s.json: %w", tag, err)
		}
		p.texts[tag] = text
	}
	for _, name := range []string{"list", "mail"} {
		t, err := template.ParseFS(files, "pages/layout.html", "pages/"+name+".html")
		if err != nil {
			return nil, err
		}
		p.templates[name] = t
	}
	return p, nil
}

// Handler answers the web page of the mailbox: the list, one mail, the language switch.
func (m *Mailbox) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", m.list)
	mux.HandleFunc("GET /mail/{id}", m.read)
	mux.HandleFunc("POST /language", m.language)
	for _, name := range []string{"static/mailbox.css", "static/mark.svg"} {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, files, name) })
	}
	return headers(http.NewCrossOriginProtection().Handler(http.MaxBytesHandler(mux, 16<<10)))
}

func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// list shows the mails of one address or of all, and asks again by itself.
func (m *Mailbox) list(w http.ResponseWriter, r *http.Request) {
	all, to := m.Messages(), r.URL.Query().Get("to")
	v := listView{Addresses: addresses(all, to), Chosen: to, Down: m.down.Load()}
	for _, msg := range all {
		if to == "" || msg.To == to {
			v.Messages = append(v.Messages, msg)
		}
	}
	w.Header().Set("Refresh", "4")
	m.pages.render(w, r, "list", v)
}

func (m *Mailbox) read(w http.ResponseWriter, r *http.Request) {
	id, _ := strconv.Atoi(r.PathValue("id"))
	msg, ok := m.message(id)
	if !ok {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	m.pages.render(w, r, "mail", mailView{Message: msg, Parts: split(msg.Body)})
}

func (m *Mailbox) language(w http.ResponseWriter, r *http.Request) {
	tag := r.PostFormValue("to")
	if _, known := m.pages.texts[tag]; !known {
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

// addresses lists the recipients, the one with the newest mail first.
func addresses(all []Message, chosen string) []address {
	var out []address
	for _, msg := range all {
		i := slices.IndexFunc(out, func(a address) bool { return a.Name == msg.To })
		if i < 0 {
			i = len(out)
			out = append(out, address{Name: msg.To, Chosen: msg.To == chosen})
		}
		out[i].Count++
	}
	return out
}

var webAddress = regexp.MustCompile(`https?://[!-~]+`)

// split cuts a body at the addresses of the web, so that the template can make links of them and of nothing else.
func split(body string) []part {
	var out []part
	at := 0
	for _, hit := range webAddress.FindAllStringIndex(body, -1) {
		if hit[0] > at {
			out = append(out, part{Text: body[at:hit[0]]})
		}
		out = append(out, part{Text: body[hit[0]:hit[1]], Link: true})
		at = hit[1]
	}
	return append(out, part{Text: body[at:]})
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
