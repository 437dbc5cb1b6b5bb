package bank

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed pages/*.html static/* text/*.json
var files embed.FS

const languageCookie = "__Host-bank-lang"

// japan is where the bank is; the zone has no summer time, so no zone file is needed.
var japan = time.FixedZone("JST", 9*60*60)

// pages holds the templates and every sentence in every language.
type pages struct {
	templates map[string]*template.Template
	texts     map[string]map[string]string
}

type frontView struct {
	Ended        bool   // A session of this browser has just ended by itself.
	Applications string // Address of the applications on the web at the login host.
}

type homeView struct {
	Name           string
	How            string
	ACR            string
	At             time.Time
	Last           time.Time
	Today          time.Time
	Accounts       []account
	SecurityCentre string
	Transfers      bool        // The bank offers them.
	Open           []openOrder // What waits for the customer.
	Limit          string      // What she can transfer in a day.
}

// openOrder is an order on its way.
type openOrder struct {
	Kind kind
	Path string
}

type sorryView struct {
	Kind     string
	LoggedIn bool
}

// page is what every template sees: the language, its texts, the path for the language switch, and the view of the page.
type page struct {
	Lang string
	Name string
	Back string
	View any
	text map[string]string
}

// T answers a sentence of the page's language.
func (p page) T(key string) string { return p.text[key] }

// Fill answers a sentence with one value in it.
func (p page) Fill(key, value string) string { return strings.ReplaceAll(p.text[key], "{}", value) }

// Fill2 answers a sentence with two values in it.
func (p page) Fill2(key, first, second string) string {
	return strings.Replace(strings.Replace(p.text[key], "{}", first, 1), "{}", second, 1)
}

// Say answers a sentence about an order: the one of its kind if there is one, and otherwise the one of all kinds, with the kind's own words in it.
func (p page) Say(of kind, key string) string {
	s, own := p.text[string(of)+"_"+key]
	if !own {
		s = p.text[key]
	}
	return strings.NewReplacer("{it}", p.text["it_"+string(of)], "{nothing}", p.text["nothing_"+string(of)]).Replace(s)
}

// Why answers the sentence that says why an order did not go on, with the number of tries that are left, or until when it has to wait and after what.
func (p page) Why(of kind, why string, left int, x caution) string {
	said := strings.ReplaceAll(p.Say(of, why), "{}", strconv.Itoa(left))
	if x.Because == "" {
		return said
	}
	return strings.NewReplacer("{until}", p.Time(x.Until), "{because}", p.text[x.Because]).Replace(said)
}

// Yen writes an amount in groups of three.
func (p page) Yen(amount int64) string { return yen(amount) }

// Step is one of the steps of an order: where it stands against the present one.
type Step struct {
	Name    string
	Done    bool
	Present bool
}

// stepsOf are the steps of each kind of order, as keys of the texts.
var stepsOf = map[kind][]string{
	transferKind: {"step_payee", "step_details", "step_check", "step_app", "step_done"},
	payeeKind:    {"step_bank", "step_account", "step_check", "step_app", "step_done"},
	limitKind:    {"step_limit", "step_check", "step_app", "step_done"},
}

// Steps are the steps of an order, so that the customer sees how far it is.
func (p page) Steps(of kind, present string) []Step {
	now := slices.Index(stepsOf[of], present)
	var out []Step
	for i, key := range stepsOf[of] {
		out = append(out, Step{p.text[key], i < now, i == now})
	}
	return out
}

// Time writes a moment in the customer's way.
func (p page) Time(t time.Time) string { return t.In(japan).Format(p.text["format_time"]) }

// Day writes a date in the customer's way.
func (p page) Day(t time.Time) string { return t.In(japan).Format(p.text["format_day"]) }

func loadPages() (*pages, error) {
	p := &pages{templates: make(map[string]*template.Template), texts: make(map[string]map[string]string)}
	for _, tag := range []string{"ja", "en"} {
		raw, err := files.ReadFile("text/" + tag + ".json")
		if err != nil {
			return nil, err
		}
		var text map[string]string
		if err := json.Unmarshal(raw, &text); err != nil {
			return nil, fmt.Errorf("bank: text/%s.json: %w", tag, err)
		}
		p.texts[tag] = text
	}
	for _, name := range []string{"front", "home", "goodbye", "sorry", "halt", "transfers", "choose", "details", "confirm", "waiting", "approved", "ended", "payees", "payee", "limits"} {
		t, err := template.ParseFS(files, "pages/layout.html", "pages/parts.html", "pages/"+name+".html")
		if err != nil {
			return nil, err
		}
		p.templates[name] = t
	}
	return p, nil
}

// tag answers the language of the request: the customer's choice, then what the browser asks for, then Japanese.
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

func (p *pages) render(w http.ResponseWriter, r *http.Request, status int, name string, view any) {
	tag := p.tag(r)
	var b bytes.Buffer
	if err := p.templates[name].ExecuteTemplate(&b, "layout", page{Lang: tag, Name: name, Back: r.URL.RequestURI(), View: view, text: p.texts[tag]}); err != nil {
		http.Error(w, "500", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", tag)
	h.Add("Vary", "Accept-Language, Cookie")
	w.WriteHeader(status)
	_, _ = b.WriteTo(w)
}

// static serves the style sheet and the mark; the browser may keep them for an hour.
func (p *pages) static() http.Handler {
	sub, _ := fs.Sub(files, "static")
	server := http.StripPrefix("/static/", http.FileServerFS(sub))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=3600")
		server.ServeHTTP(w, r)
	})
}
