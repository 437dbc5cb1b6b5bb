package mailbox

import (
	"embed"
	"net/http"
	"regexp"
	"slices"
	"strconv"

	"github.com/inkan-auth/inkan/demo/frame"
)

//go:embed pages/*.html static/* text/*.json
var files embed.FS

const languageCookie = "__Host-mail-lang"

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

// Handler answers the web page of the mailbox: the list, one mail, the language switch.
func (m *Mailbox) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", m.list)
	mux.HandleFunc("GET /mail/{id}", m.read)
	mux.HandleFunc("POST /language", m.pages.Language)
	for _, name := range []string{"static/mailbox.css", "static/mark.svg"} {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, files, name) })
	}
	return frame.Guard("no-referrer", http.NewCrossOriginProtection().Handler(http.MaxBytesHandler(mux, 16<<10)))
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
	m.pages.Render(w, r, "list", m.pages.Page(r, v))
}

func (m *Mailbox) read(w http.ResponseWriter, r *http.Request) {
	id, _ := strconv.Atoi(r.PathValue("id"))
	msg, ok := m.message(id)
	if !ok {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	m.pages.Render(w, r, "mail", m.pages.Page(r, mailView{Message: msg, Parts: split(msg.Body)}))
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
