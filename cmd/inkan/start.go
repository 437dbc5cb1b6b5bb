package main

import (
	"embed"
	"net/http"

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
	data   startData
}

type startData struct {
	T       func(key string, pairs ...any) string
	Asset   func(string) string
	Lang    string
	Port    string
	Token   string
	Seeds   []seeded
	LAN     *lan
	Version string
}

func newStartPage(port string, d demoFlags, l *lan, tokenOrigin string) (http.Handler, error) {
	pages, err := web.ParsePages(startPages, "page")
	if err != nil {
		return nil, err
	}
	static, err := web.NewAssets("/static/", files.Files, "kit/tokens.css", "kit/kit.css", "kit/mark.svg")
	if err != nil {
		return nil, err
	}
	texts, err := web.LoadTexts(files.Files, "demo")
	if err != nil {
		return nil, err
	}
	s := &startPage{pages, static, texts, startData{Asset: static.URL, Port: port, Token: tokenOrigin, Seeds: seeds(), LAN: l, Lang: d.lang}}
	m := http.NewServeMux()
	m.Handle("GET /static/", static)
	m.HandleFunc("GET /{$}", s.show)
	return web.Harden(m, "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"), nil
}

func (s *startPage) show(w http.ResponseWriter, r *http.Request) {
	d := s.data
	if l := r.URL.Query().Get("lang"); l == "ja" || l == "en" {
		d.Lang = l
	} else if r.Header.Get("Accept-Language") != "" && d.Lang == "ja" {
		d.Lang = web.Lang(r)
	}
	d.T = func(key string, pairs ...any) string { return s.texts.Say(d.Lang, "demo", key, pairs...) }
	if err := s.pages.Render(w, http.StatusOK, "start", d); err != nil {
		http.Error(w, "the start page cannot be shown", http.StatusInternalServerError)
	}
}
