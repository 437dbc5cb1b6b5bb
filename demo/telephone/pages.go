package telephone

import (
	"embed"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/inkan-auth/inkan/demo/frame"
)

//go:embed pages/*.html static/* text/*.json
var files embed.FS

const languageCookie = "__Host-phone-lang"

// page is what every template sees.
type page struct{ frame.Page }

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
	mux.HandleFunc("POST /language", e.pages.Language)
	for _, name := range []string{"static/telephone.css", "static/mark.svg"} {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, files, name) })
	}
	pages := http.NewCrossOriginProtection().Handler(http.MaxBytesHandler(mux, 16<<10))
	all := http.NewServeMux()
	all.HandleFunc("POST "+GatewayPath+"/calls", e.takeCall)
	all.HandleFunc("POST "+GatewayPath+"/messages", e.takeMessage)
	all.Handle("/", pages)
	return frame.Guard("same-origin", all)
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
	e.pages.Render(w, r, "list", page{e.pages.Page(r, v)})
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
		e.pages.Render(w, r, "line", page{e.pages.Page(r, v)})
	}
}

func (e *Exchange) dialPage(w http.ResponseWriter, r *http.Request) {
	if v, ok := e.view(w, r); ok {
		e.pages.Render(w, r, "dial", page{e.pages.Page(r, v)})
	}
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
