package main

import (
	"embed"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/inkan-auth/inkan/internal/server/web"
	files "github.com/inkan-auth/inkan/web"
)

//go:embed page
var startPages embed.FS

// startPage explains the walk to somebody who has just started the demo.
type startPage struct {
	pages  *web.Pages
	static *web.Assets
	texts  *web.Texts
	desk   *demoDesk // nil until the house stands
	data   startData
}

type startData struct {
	T      func(key string, pairs ...any) string
	Asset  func(string) string
	Lang   string
	Port   string
	Token  string
	LAN    *lan
	First  []seeded // the people of the walk
	Rest   []seeded // the ten contracts of one person
	Person func(seeded) person

	TokenHost string
	Desk      *DeskShown
}

// person is one of the people on the page, with what her template needs.
type person struct {
	Seed seeded
	Lang string
	T    func(key string, pairs ...any) string
}

func newStartPage(port string, d demoFlags, l *lan, tokenOrigin string) (*startPage, http.Handler, error) {
	pages, err := web.ParsePages(startPages, "page")
	if err != nil {
		return nil, nil, err
	}
	static, err := web.NewAssets("/static/", both{files.Files, startPages}, "kit/tokens.css", "kit/kit.css", "kit/mark.svg", "page/start.css")
	if err != nil {
		return nil, nil, err
	}
	texts, err := web.LoadTexts(files.Files, "demo")
	if err != nil {
		return nil, nil, err
	}
	s := &startPage{pages: pages, static: static, texts: texts, data: startData{Asset: static.URL, Port: port, Token: tokenOrigin, TokenHost: host(tokenOrigin), First: slices.Concat(seeds()[:3], seeds()[13:]), Rest: seeds()[3:13], LAN: l, Lang: d.lang}}
	m := http.NewServeMux()
	m.Handle("GET /static/", static)
	m.HandleFunc("GET /{$}", s.show)
	// Without web.Harden: the page has no form, and no route does anything that a form of another site could be after.
	return s, web.Headers(m, "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"), nil
}

func (s *startPage) show(w http.ResponseWriter, r *http.Request) {
	d := s.data
	if l := r.URL.Query().Get("lang"); l == "ja" || l == "en" {
		d.Lang = l
	} else if r.Header.Get("Accept-Language") != "" && d.Lang == "ja" {
		d.Lang = web.Lang(r)
	}
	d.T = func(key string, pairs ...any) string { return s.texts.Say(d.Lang, "demo", key, pairs...) }
	d.Person = func(p seeded) person { return person{p, d.Lang, d.T} }
	if s.desk != nil {
		desk, err := s.desk.shown(r.Context())
		if err != nil {
			http.Error(w, "the start page cannot be shown", http.StatusInternalServerError)
			return
		}
		d.Desk = &desk
	}
	if err := s.pages.Render(w, http.StatusOK, "start", d); err != nil {
		http.Error(w, "the start page cannot be shown", http.StatusInternalServerError)
	}
}

// both looks for a file in the one and then in the other.
type both struct{ a, b fs.FS }

// Open finds the file.
func (f both) Open(name string) (fs.File, error) {
	if strings.HasPrefix(name, "page/") {
		return f.b.Open(name)
	}
	return f.a.Open(name)
}

// host is an origin as a person reads it.
func host(origin string) string {
	u, err := url.Parse(origin)
	if err != nil {
		return origin
	}
	return u.Hostname()
}
