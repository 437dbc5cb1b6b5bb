package customer

import (
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/server/web"
)

// view is all that a page is made of. Its methods are the words that templates use.
type view struct {
	Page, Lang string
	Next, Back string // where the customer is going; this page's own address
	Form       string // the hidden value of forms
	On         *authority.Session
	Nav        bool
	Refusal    *web.Refusal
	At         string // the field that the refusal is about
	Said       string
	Typed      map[string]string
	BankURL    string
	Phone      string
	Now        time.Time
	Data       any

	s     *Server
	kind  problem.Kind
	retry int
	floor int
}

// view begins a page and takes up what a redirect has brought.
func (s *Server) view(w http.ResponseWriter, r *http.Request, page string) *view {
	v := &view{Page: page, Lang: s.lang(w, r), Next: next(r), Back: r.URL.RequestURI(), BankURL: s.BankURL, Phone: s.Bank.Phone, Now: s.Authority.Now(), s: s, Typed: map[string]string{}}
	if r.Method != http.MethodGet {
		v.Back = withNext(returnTo(r), v.Next)
	}
	return v
}

// page begins a page inside a session.
func (s *Server) page(w http.ResponseWriter, r *http.Request, on authority.Session, page string) *view {
	v := s.view(w, r, page)
	v.On, v.Form = &on, on.CSRF
	step, err := s.Authority.NextStep(r.Context(), on)
	v.Nav = err == nil && step == authority.StepDone
	v.take(s.took(w, r))
	return v
}

// take shows a flash.
func (v *view) take(f flash) {
	v.Said = f.Said
	if f.Typed != nil {
		v.Typed = f.Typed
	}
	if p := f.problem(); p != nil {
		v.show(p)
	}
}

// show puts a refusal on the page, beside the field that it is about.
func (v *view) show(p *problem.Error) {
	said := v.s.Text.Refusal(v.Lang, p)
	v.Refusal, v.kind, v.At = &said, p.Kind, fieldOf(p)
	switch n := p.Values["retry_after"].(type) {
	case int:
		v.retry = n
	case float64:
		v.retry = int(n)
	}
}

// lang is the language of a page. An address may carry one, such as a link from the bank; it is remembered like a choice.
func (s *Server) lang(w http.ResponseWriter, r *http.Request) string {
	for _, name := range []string{"lang", "ui_locales"} {
		for _, tag := range strings.Fields(r.URL.Query().Get(name)) {
			if tag, _, _ = strings.Cut(tag, "-"); tag == "ja" || tag == "en" {
				web.SetLang(w, tag)
				return tag
			}
		}
	}
	return web.Lang(r)
}

// fieldOf is the field that a refusal is about, or "".
func fieldOf(p *problem.Error) string {
	switch p.Kind {
	case problem.ConfirmRefused:
		return "confirm"
	case problem.PasswordRefused:
		return "old"
	case problem.OTPWrong, problem.OTPUsed, problem.StartRefused:
		return "code"
	case problem.CodeForm:
		field, _ := p.Values["field"].(string)
		return field
	case problem.ResyncRefused:
		return "first"
	case problem.CodeRefused:
		return "mailed"
	case problem.ObjectionRefused:
		return "objection"
	case problem.PhoneRefused:
		return "phone_code"
	case problem.ReleaseNone:
		return "number"
	case problem.ReleaseRefused:
		if f, ok := p.Values["field"].(string); ok && f == "items" {
			return "items"
		}
	case problem.StopRefused:
		return "secret"
	case problem.AddressRefused:
		return "mail"
	case problem.PasswordWeak:
		at := "new"
		if which, ok := p.Values["which"].(string); ok {
			at += "_" + which
		}
		if p.Values["reason"] == mismatch {
			return at + "_again"
		}
		return at
	}
	return ""
}

// T gives a sentence of these pages, or one that all pages share.
func (v *view) T(key string, pairs ...any) string {
	if v.s.Text.Has(v.Lang, "customer", key) {
		return v.s.Text.Say(v.Lang, "customer", key, pairs...)
	}
	return v.s.Text.Say(v.Lang, "common", key, pairs...)
}

// JA gives a sentence in Japanese, for paper that a clerk reads.
func (v *view) JA(key string) string { return v.s.Text.Say("ja", "customer", key) }

// BankJA is the bank's name in Japanese, for the same paper.
func (v *view) BankJA() string { return v.s.Bank.NameJA }

// Title is the name of the page for the tab, with the bank's name; a refusal is said first, for whoever hears the page.
func (v *view) Title() string {
	key := "layout.title"
	if v.Refusal != nil && v.Page != "sorry" && v.Tone() == "bad" {
		key = "layout.title.problem"
	}
	return v.T(key, "page", v.T(v.Page+".title"), "bank", v.Bank())
}

// Tone is how loud a refusal is said: what is merely so, what asks for patience, and what went wrong.
func (v *view) Tone() string {
	switch v.kind {
	case problem.SessionOver, problem.EnrolmentNone, problem.EnrolmentOpen, problem.TokenInUse, problem.TokenNone, problem.StepUp, problem.Conflict, problem.ApprovalNeeded:
		return "info"
	case problem.MailTooSoon, problem.WaitingTime, problem.Busy, problem.Throttled, problem.OTPUsed, problem.PasskeyRefused, problem.PasskeyResting:
		return "care"
	}
	return "bad"
}

// Script is the page's own script beside the one that all pages have, or "".
func (v *view) Script() string {
	switch v.Page {
	case "login", "errand", "addpasskey", "notme":
		return "passkey.js"
	}
	return ""
}

// CoolingOff is how long a change rests that no token app has approved.
func (v *view) CoolingOff() string { return v.s.Text.Span(v.Lang, v.s.Authority.Rules().CoolingOff) }

// CallbackProof is how long a customer has after a call of staff, in words.
func (v *view) CallbackProof() string {
	return v.s.Text.Span(v.Lang, v.s.Authority.Rules().PhoneCallbackProof)
}

// ObjectionTime is how long an address that was replaced is still told of everything.
func (v *view) ObjectionTime() string {
	return v.s.Text.Span(v.Lang, v.s.Authority.Rules().ObjectionTime)
}

// MuteDelay is how long a mail still comes that was turned off.
func (v *view) MuteDelay() string { return v.s.Text.Span(v.Lang, v.s.Authority.Rules().MuteDelay) }

// Bank is the bank's name.
func (v *view) Bank() string {
	if v.Lang == "en" {
		return v.s.Bank.NameEN
	}
	return v.s.Bank.NameJA
}

// Asset is the address of a static file.
func (v *view) Asset(name string) string { return v.s.static.URL(name) }

// To is the address of a page of ours that remembers where the customer is going.
func (v *view) To(page string) string { return withNext(page, v.Next) }

// Cancel is where giving up the log-in leads, or "".
func (v *view) Cancel() string { return cancelled(v.Next) }

// Host is the host of the log-in pages, to be compared with the address bar.
func (v *view) Host() string {
	_, host, _ := strings.Cut(v.s.Bank.LoginOrigin, "://")
	return host
}

// App is the address of the token app.
func (v *view) App() string { return v.s.Bank.TokenOrigin }

// Sender is the address that all mail comes from; SenderDomain is the part to be allowed.
func (v *view) Sender() string { return v.s.Bank.MailFrom }

// SenderDomain is the domain that all mail comes from.
func (v *view) SenderDomain() string {
	_, domain, _ := strings.Cut(v.s.Bank.MailFrom, "@")
	return strings.Trim(domain, "> ")
}

// Warning is one of the sentences that protect; they change by the minute, so that they are read.
func (v *view) Warning() string {
	return v.T("warning." + itoa(int(v.Now.Unix()/60%4)+1))
}

// Moment writes date and time of day.
func (v *view) Moment(at time.Time) string { return v.s.Text.Moment(v.Lang, at) }

// Brief writes a moment of these days.
func (v *view) Brief(at time.Time) string { return v.s.Text.Brief(v.Lang, at) }

// Day writes a date.
func (v *view) Day(at time.Time) string { return v.s.Text.Day(v.Lang, at) }

// Clock writes the time of day.
func (v *view) Clock(at time.Time) string { return v.s.Text.Clock(at) }

// Left is how many seconds remain until a moment.
func (v *view) Left(at time.Time) int { return max(0, int(at.Sub(v.Now)/time.Second)) }

// Remaining writes the remaining time as minutes and seconds.
func (v *view) Remaining(at time.Time) string {
	n := v.Left(at)
	return itoa(n/60) + ":" + string([]byte{byte('0' + n%60/10), byte('0' + n%10)})
}

// Device names a browser or phone.
func (v *view) Device(d string) string {
	if d == "" || d == "-" {
		return v.T("device.unknown")
	}
	return d
}

// Place says in words from which network somebody came, as far as that can be said.
func (v *view) Place(source string) string {
	switch addr, _, _ := strings.Cut(source, "/"); {
	case addr == "", addr == "unknown":
		return v.T("place.unknown")
	case strings.HasPrefix(addr, "127."), addr == "::":
		return v.T("place.here")
	case strings.HasPrefix(addr, "10."), strings.HasPrefix(addr, "192.168."), strings.HasPrefix(addr, "fd"), strings.HasPrefix(addr, "fe80"):
		return v.T("place.inside")
	case strings.Contains(addr, ":"):
		return v.T("place.network", "net", strings.TrimSuffix(addr, "::")+":…")
	default:
		return v.T("place.network", "net", strings.TrimSuffix(addr, "0")+"*")
	}
}

// Phrase is a sentence in which one value is marked; the mark is made here and everything else is escaped.
func (v *view) Phrase(key, name, value string) template.HTML {
	before, after, _ := strings.Cut(v.T(key), "{"+name+"}")
	e := template.HTMLEscapeString
	return template.HTML(e(before) + "<strong class=\"exact\">" + e(value) + "</strong>" + e(after)) //nolint:gosec // all three parts are escaped
}

// step is one of the three steps with its state.
type step struct{ Number, Word, State, StateWord string }

// course is the three steps with their name.
type course struct {
	Label string
	Steps []step
}

// ReissueSteps gives the three steps of a re-issue.
func (v *view) ReissueSteps(at int) course {
	c := v.Steps(at)
	c.Steps[0].Word = v.T("steps.prove")
	return c
}

// Steps gives the three steps, standing at one of them; 4 is after the last.
func (v *view) Steps(at int) course {
	out := make([]step, 3)
	for i, name := range []string{"apply", "register", "start"} {
		state := "next"
		if i+1 < at {
			state = "done"
		} else if i+1 == at {
			state = "now"
		}
		out[i] = step{itoa(i + 1), v.T("steps." + name), state, v.T("steps." + state)}
	}
	return course{v.T("steps.label"), out}
}

// field is one input with its label, its rule and, where the refusal is about it, its error.
type field struct {
	Name, Label, Rule, Error, Value string
	Type, Autocomplete, Mode, Kind  string
	Max                             int
	Reveal, Hide                    string
}

// fields are the inputs of these pages.
var fields = map[string]field{
	"login_id":          {Type: "text", Autocomplete: "username webauthn", Kind: "name", Max: 64},
	"login_password":    {Type: "password", Autocomplete: "current-password", Max: 512},
	"code":              {Type: "text", Autocomplete: "one-time-code", Mode: "numeric", Kind: "code", Max: 32},
	"first":             {Type: "text", Autocomplete: "off", Mode: "numeric", Kind: "code", Max: 32},
	"second":            {Type: "text", Autocomplete: "off", Mode: "numeric", Kind: "code", Max: 32},
	"mailed":            {Type: "text", Autocomplete: "one-time-code", Mode: "numeric", Kind: "code", Max: 32},
	"secret":            {Type: "password", Autocomplete: "off", Max: 512},
	"objection":         {Type: "text", Autocomplete: "off", Kind: "name", Max: 40},
	"confirm":           {Type: "password", Autocomplete: "off", Max: 512},
	"old":               {Type: "password", Autocomplete: "current-password", Max: 512},
	"new_login":         {Type: "password", Autocomplete: "new-password", Max: 512},
	"new_login_again":   {Type: "password", Autocomplete: "new-password", Max: 512},
	"new_confirm":       {Type: "password", Autocomplete: "new-password", Max: 512},
	"new_confirm_again": {Type: "password", Autocomplete: "new-password", Max: 512},
	"branch":            {Type: "text", Autocomplete: "off", Mode: "numeric", Kind: "short", Max: 16},
	"account_number":    {Type: "text", Autocomplete: "off", Mode: "numeric", Kind: "code", Max: 32},
	"pin":               {Type: "password", Autocomplete: "off", Mode: "numeric", Kind: "short", Max: 16},
	"holder":            {Type: "text", Autocomplete: "name", Max: 80},
	"kana":              {Type: "text", Autocomplete: "off", Max: 80},
	"number":            {Type: "text", Autocomplete: "off", Kind: "name", Max: 40},
	"phone_code":        {Type: "text", Autocomplete: "one-time-code", Mode: "numeric", Kind: "code", Max: 32},
	"mail":              {Type: "email", Autocomplete: "email", Kind: "name", Max: 254},
}

// Field gives an input of the page.
func (v *view) Field(name string) field {
	f := fields[name]
	f.Name, f.Label, f.Value = name, v.T("field."+name), v.Typed[name]
	if key := "field." + name + ".rule"; v.s.Text.Has(v.Lang, "customer", key) {
		f.Rule = v.T(key, "digits", v.s.Authority.Rules().OTPDigits, "floor", v.floorOf(name))
	}
	if v.At == name {
		f.Error = v.Refusal.What
		if v.kind == problem.PasswordWeak {
			f.Error = v.Refusal.Do // the reason
		}
	}
	if f.Type == "password" {
		f.Reveal, f.Hide = v.T("field.reveal"), v.T("field.hide")
	}
	return f
}

// Old gives the field for the present password of either kind.
func (v *view) Old(which string) field {
	f := v.Field("old")
	f.Label = v.T("field.old." + which)
	if which == "confirm" {
		f.Autocomplete = "off" // or the browser would offer the login password
	}
	return f
}

func (v *view) floorOf(name string) int {
	if strings.Contains(name, "confirm") {
		return v.s.Authority.Rules().ConfirmFloor
	}
	return v.s.Authority.Rules().PasswordFloor
}

// Act says an entry of the history in words.
func (v *view) Act(e audit.Entry) string {
	answer := detail(e, "answer", "approve")
	if e.Detail["grade"] != "" { // the signed answer to what the digits on the bank's page had approved before
		answer = "copy"
	}
	return v.T("act."+string(e.Action)+"."+string(e.Outcome), "which", v.T("which."+detail(e, "which", "login")), "platform", v.Device(e.Detail["platform"]),
		"answer", v.T("answer."+answer), "push", v.T("push."+detail(e, "push", "on")))
}

// Hers says whether the place of an entry is one where a device of hers, or somebody's who pretends to be her, may have been. Where the bank's own systems stand tells her nothing.
func (v *view) Hers(e audit.Entry) bool {
	return e.Actor.Kind != audit.Bank && e.Actor.Kind != audit.Staff && e.Action != audit.TransactionExpire && (e.Actor.Device != "" || e.Actor.Source != "")
}

func detail(e audit.Entry, name, otherwise string) string {
	if d := e.Detail[name]; d != "" {
		return d
	}
	return otherwise
}

// typedCode reads a code of the token app or of the telephone from a form. What cannot be one costs no try: a right code is never refused so, and a wrong one learns nothing.
func typedCode(r *http.Request, field string) (string, error) {
	code := digits(r.PostFormValue(field))
	if len(code) < 6 || len(code) > 8 || strings.ContainsFunc(code, func(c rune) bool { return c < '0' || c > '9' }) {
		return "", problem.New(problem.CodeForm, "field", field)
	}
	return code, nil
}

// digits reads a code as people type it: full-width, with spaces and hyphens.
func digits(s string) string {
	return strings.Map(func(c rune) rune {
		if c == ' ' || c == '-' || c == '‐' || c == '−' || c == 'ー' || c == '–' {
			return -1
		}
		return c
	}, norm.NFKC.String(s))
}

func itoa(n int) string { return strconv.Itoa(n) }
