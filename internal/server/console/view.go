package console

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/staff"
	"github.com/inkan-auth/inkan/internal/server/web"
)

// view is all that a page is made of. Its methods are the words that templates use.
type view struct {
	Page, Lang string
	Back       string // this page's own address
	Form       string // the hidden value of forms
	On         *authority.StaffSession
	Refusal    *web.Refusal
	Said       string
	Frozen     []authority.SwitchState // what two members of staff have frozen for the whole bank
	Data       any

	s *Server
}

// said are the words that an address may carry: that something was done. They are only these, so that nobody can put words of his own on our pages.
var said = []string{"over", "out", "ended", "asked", "carried", "declined", "withdrawn", "stopped", "confirmed", "suspended",
	"case-received", "case-tied", "case-saved", "case-submitted", "case-recalled", "case-granted", "case-returned", "case-declined", "case-attached", "callback-missed"}

// view begins a page.
func (s *Server) view(r *http.Request, page string) *view {
	v := &view{Page: page, Lang: web.Lang(r), Back: r.URL.Path, s: s}
	if word := r.URL.Query().Get("said"); slices.Contains(said, word) {
		v.Said = word
	}
	return v
}

// has says whether these pages have a sentence of their own.
func (v *view) has(key string) bool {
	return slices.ContainsFunc(rooms, func(room string) bool { return v.s.Text.Has(v.Lang, room, key) })
}

// refusal says a refusal in words. Staff have no login ID and no password, so what speaks of those to customers has words of its own here.
func (v *view) refusal(p *problem.Error) web.Refusal {
	if field, _ := p.Values["field"].(string); p.Kind == problem.Malformed && v.has("field.missing."+field) { // of a form, which is shown once more
		return web.Refusal{What: v.T("field.missing." + field), Kept: v.T("refusal.malformed.kept"), Do: v.T("field.do")}
	}
	if key := "refusal." + string(p.Kind); v.has(key + ".what") {
		return web.Refusal{What: v.T(key + ".what"), Kept: v.T(key + ".kept"), Do: v.T(key + ".do")}
	}
	return v.s.Text.Refusal(v.Lang, p)
}

// rooms are the files of sentences of these pages, one for each part of the work.
var rooms = []string{"console", "console-callback", "console-case", "console-desk", "console-trail"}

// menuItem is one page of the menu.
type menuItem struct {
	Path string
	Act  staff.Act // who may do it has it in her menu
	Word string    // key of its name
}

// menu are the pages in the order of the work.
var menu = []menuItem{
	{"/", staff.Session, "menu.home"},
	{"/cases", staff.CaseSee, "menu.cases"},
	{"/callbacks", staff.CallBack, "menu.callbacks"},
	{"/customers", staff.CustomerLook, "menu.customers"},
	{"/orders", staff.OrderSee, "menu.orders"},
	{"/fraud", staff.FraudSee, "menu.fraud"},
	{"/trail", staff.TrailSee, "menu.trail"},
	{"/figures", staff.FiguresSee, "menu.figures"},
	{"/staff", staff.StaffSee, "menu.staff"},
	{"/policy", staff.PolicySee, "menu.policy"},
}

// Menu is what this member's role may open.
func (v *view) Menu() (out []menuItem) {
	for _, m := range menu {
		if v.On != nil && staff.May(v.On.Role, m.Act) {
			out = append(out, m)
		}
	}
	return out
}

// Here says whether a page of the menu is the one that is shown, or holds it.
func (v *view) Here(m menuItem) bool {
	return v.Back == m.Path || m.Path != "/" && strings.HasPrefix(v.Back, m.Path+"/")
}

// May says whether this member's role may do something, so that no button is shown that would be refused.
func (v *view) May(act string) bool { return v.On != nil && staff.May(v.On.Role, staff.Act(act)) }

// T gives a sentence of these pages, or one that all pages share.
func (v *view) T(key string, pairs ...any) string {
	for _, room := range rooms {
		if v.s.Text.Has(v.Lang, room, key) {
			return v.s.Text.Say(v.Lang, room, key, pairs...)
		}
	}
	return v.s.Text.Say(v.Lang, "common", key, pairs...)
}

// Title is the name of the page for the tab, with the bank's name.
func (v *view) Title() string {
	return v.T("layout.title", "page", v.T(v.Page+".title"), "bank", v.Bank())
}

// Bank is the bank's name.
func (v *view) Bank() string {
	if v.Lang == "en" {
		return v.s.Bank.NameEN
	}
	return v.s.Bank.NameJA
}

// Asset is the address of a static file.
func (v *view) Asset(name string) string { return v.s.static.URL(name) }

// Moment writes date and time of day.
func (v *view) Moment(at time.Time) string { return v.s.Text.Moment(v.Lang, at) }

// Clock writes the time of day.
func (v *view) Clock(at time.Time) string { return v.s.Text.Clock(at) }

// Brief writes a moment of these days.
func (v *view) Brief(at time.Time) string { return v.s.Text.Brief(v.Lang, at) }

// Idle is after how long without a request a session ends, in words.
func (v *view) Idle() string { return v.s.Text.Span(v.Lang, v.s.Authority.Rules().StaffIdle) }

// LinkLife is how long a registration waits for its confirmation, in words.
func (v *view) LinkLife() string { return v.s.Text.Span(v.Lang, v.s.Authority.Rules().StaffLinkLife) }

// Words are what the browser itself may refuse on this page; the script takes the one that fits.
func (v *view) Words() []string {
	if v.Page == "register" {
		return []string{"unable", "network", "link", "cancelled"}
	}
	return []string{"unable", "network", "cancelled"}
}

// Browser is a part of what the browser has refused, in words; a page may have its own.
func (v *view) Browser(kind, part string) string {
	if key := "browser." + kind + "." + v.Page + "." + part; v.has(key) {
		return v.T(key)
	}
	return v.T("browser." + kind + "." + part)
}

// Device names a browser.
func (v *view) Device(d string) string {
	if d == "" || d == "-" {
		return v.T("device.unknown")
	}
	return d
}

// Age writes how long ago something was.
func (v *view) Age(at time.Time) string { return v.s.Text.Span(v.Lang, v.s.Authority.Now().Sub(at)) }

// Day writes a date.
func (v *view) Day(at time.Time) string { return v.s.Text.Day(v.Lang, at) }
