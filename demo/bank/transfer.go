package bank

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"
	"rsc.io/qr"

	"github.com/inkan-auth/inkan/client"
)

const (
	datesAhead  = 30
	offlineFrom = 20 * time.Second // How long the waiting page trusts that the notice arrives before it offers the other way.
	pollLimit   = 20 * time.Second
)

// transfers adds the pages of transfers.
func (b *bank) transfers(mux *http.ServeMux) {
	mux.HandleFunc("GET /transfers", b.mine(b.transferList))
	mux.HandleFunc("GET /transfers/new", b.mine(b.newTransfer))
	mux.HandleFunc("POST /transfers", b.mine(b.makeOrder))
	mux.HandleFunc("GET /transfers/{id}", b.mine(b.one(b.showOrder)))
	mux.HandleFunc("GET /transfers/{id}/state", b.mine(b.one(b.orderState)))
	mux.HandleFunc("GET /transfers/{id}/evidence.json", b.mine(b.one(b.evidence)))
	for name, step := range map[string]func(context.Context, *order, *http.Request) error{
		"ask":     func(ctx context.Context, o *order, _ *http.Request) error { return b.ask(ctx, o) },
		"clear":   func(ctx context.Context, o *order, _ *http.Request) error { return b.clear(ctx, o) },
		"cancel":  func(ctx context.Context, o *order, _ *http.Request) error { return b.cancel(ctx, o) },
		"execute": func(ctx context.Context, o *order, _ *http.Request) error { return b.execute(ctx, o) },
		"offline": func(ctx context.Context, o *order, r *http.Request) error {
			return b.confirmOffline(ctx, o, figures(r.PostFormValue("code")))
		},
		"payee": func(_ context.Context, o *order, _ *http.Request) error {
			if o.move([]state{done, booked}, func(s *status) { s.Kept = true }) {
				b.orders.keep(o.owner, o.to)
			}
			return nil
		},
	} {
		mux.HandleFunc("POST /transfers/{id}/"+name, b.mine(b.one(b.press(step))))
	}
}

// mine lets only customers with a session through.
func (b *bank) mine(next func(http.ResponseWriter, *http.Request, customer)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who, ok := b.sessions.current(r)
		switch {
		case ok:
			next(w, r, who)
		case strings.HasSuffix(r.URL.Path, "/state"):
			http.Error(w, "the session is over", http.StatusUnauthorized)
		default:
			http.Redirect(w, r, "/", http.StatusSeeOther)
		}
	}
}

// one finds the customer's own order that the address names. Somebody else's does not exist.
func (b *bank) one(next func(http.ResponseWriter, *http.Request, *order)) func(http.ResponseWriter, *http.Request, customer) {
	return func(w http.ResponseWriter, r *http.Request, who customer) {
		b.settle(who.Subject)
		o, ok := b.orders.find(who.Subject, r.PathValue("id"))
		if !ok {
			b.sorry(w, r, "not_found")
			return
		}
		next(w, r, o)
	}
}

// press takes a step that a button asks for and shows the order as it then is, whatever came of it: the page says what there is to say. A step that has begun
// goes on if the browser leaves.
func (b *bank) press(step func(context.Context, *order, *http.Request) error) func(http.ResponseWriter, *http.Request, *order) {
	return func(w http.ResponseWriter, r *http.Request, o *order) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), stepLimit)
		defer cancel()
		if err := step(ctx, o, r); err != nil && !errors.Is(err, errNotNow) {
			b.cfg.Log.Warn("bank: a step of an order did not succeed", "order", o.id, "err", err)
		}
		b.follow(o)
		to := "/transfers/" + o.id
		if _, there := b.orders.find(o.owner, o.id); !there {
			to = "/transfers"
		} else if r.PostFormValue("code") != "" {
			to += "?offline=1#offline"
		}
		http.Redirect(w, r, to, http.StatusSeeOther)
	}
}

// leave makes the page go away just after the idle time, so that no balance stays on an unattended screen.
func leave(w http.ResponseWriter) { w.Header().Set("Refresh", "305; url=/") }

type listView struct {
	Orders []listLine
	Error  string
}

type listLine struct {
	ID, Receipt, Name, Bank, Amount, Date string
	State                                 state
	Evidence                              bool
}

func (b *bank) transferList(w http.ResponseWriter, r *http.Request, who customer) {
	leave(w)
	b.settle(who.Subject)
	lang := b.pages.tag(r)
	var v listView
	for _, o := range b.orders.of(who.Subject) {
		b.follow(o)
		s := o.status()
		bank, _ := findBank(o.to.Bank)
		v.Orders = append(v.Orders, listLine{ID: o.id, Receipt: o.receipt, Name: o.to.Name, Bank: bank.In(lang), Amount: money(lang, o.amount), Date: day(lang, o.date),
			State: s.State, Evidence: b.hasEvidence(s)})
	}
	b.pages.render(w, r, http.StatusOK, "transfers", v)
}

func (b *bank) hasEvidence(s status) bool {
	return s.Tx.ID != "" && !s.Tx.Decided.IsZero()
}

// haltView explains why no transfer can be made just now.
type haltView struct {
	Kind, Phone, SecurityCentre string
}

// allowed says whether the customer can confirm a transfer in her app, without which this bank makes none; if not, the page that says so has been written.
func (b *bank) allowed(w http.ResponseWriter, r *http.Request, who customer) bool {
	a, err := b.api.TransactionAuthentication(r.Context(), who.Subject)
	var no *client.Problem
	halt := func(status int, kind string) bool {
		b.pages.render(w, r, status, "halt", haltView{kind, b.cfg.Phone, b.cfg.SecurityCentre})
		return false
	}
	switch {
	case errors.As(err, &no) && no.Kind == client.KindNotFound:
		return halt(http.StatusForbidden, "off")
	case err != nil:
		b.cfg.Log.Warn("bank: the transaction API did not answer", "err", err)
		return halt(http.StatusServiceUnavailable, "away")
	case a.Stopped:
		return halt(http.StatusForbidden, "stopped")
	case !a.Required:
		return halt(http.StatusForbidden, "off")
	case !a.InUse:
		return halt(http.StatusForbidden, "token")
	}
	return true
}

type chooseView struct {
	Payees []payeeCard
	Banks  []institution
}

type payeeCard struct {
	Index               int
	Name, Where, Number string
}

// detailsView is the form of a transfer. It keeps what was typed, together with what is wrong with it.
type detailsView struct {
	Payee    *payeeCard // Registered; nil where the account is typed in.
	PayeeKey string
	Bank     institution
	Accounts []account
	From     string
	Branch   string
	Type     string
	Number   string
	Amount   string
	Date     string
	First    string
	Last     string
	Left     string
	Fee      string
	Wrong    map[string]string // Key of the text by field.
}

// Types are the kinds of account to choose from.
func (detailsView) Types() []string { return accountTypes }

// newTransfer is two pages: where to, and then the rest.
func (b *bank) newTransfer(w http.ResponseWriter, r *http.Request, who customer) {
	leave(w)
	if !b.allowed(w, r, who) {
		return
	}
	q, today := r.URL.Query(), b.today()
	v := detailsView{Date: today, Type: "ordinary"}
	if o, ok := b.orders.find(who.Subject, q.Get("again")); ok {
		v.From, v.Branch, v.Type, v.Number, v.Amount, v.Date = o.from.ID(), o.to.Branch, o.to.Type, o.to.Number, yen(o.amount), max(o.date, today)
		q.Set("bank", o.to.Bank)
		if i := slices.Index(b.orders.payeesOf(who.Subject), o.to); i >= 0 {
			q.Set("payee", strconv.Itoa(i))
		}
	}
	if !b.fill(&v, r, who, q.Get("payee"), q.Get("bank")) {
		lang := b.pages.tag(r)
		c := chooseView{Banks: directory}
		for i, p := range b.orders.payeesOf(who.Subject) {
			c.Payees = append(c.Payees, b.card(lang, i, p))
		}
		b.pages.render(w, r, http.StatusOK, "choose", c)
		return
	}
	b.pages.render(w, r, http.StatusOK, "details", v)
}

func (b *bank) card(lang string, i int, p payee) payeeCard {
	bank, _ := findBank(p.Bank)
	branch, _ := bank.branch(p.Branch)
	return payeeCard{Index: i, Name: p.Name, Where: bank.In(lang) + " " + branch.In(lang), Number: b.pages.texts[lang]["type_"+p.Type] + " " + p.Number}
}

// fill completes the form's view with what is the same however it was reached; false if neither a registered payee nor a bank is named.
func (b *bank) fill(v *detailsView, r *http.Request, who customer, payeeKey, bankCode string) bool {
	lang := b.pages.tag(r)
	known := b.orders.payeesOf(who.Subject)
	to := payee{Bank: bankCode}
	if i, err := strconv.Atoi(payeeKey); err == nil && i >= 0 && i < len(known) {
		to = known[i]
		card := b.card(lang, i, to)
		v.Payee, v.PayeeKey = &card, payeeKey
	}
	bank, ok := findBank(to.Bank)
	if !ok {
		return false
	}
	v.Bank = bank
	for _, a := range b.accounts(who.Subject) {
		if a.Pays() {
			v.Accounts = append(v.Accounts, a)
		}
	}
	if v.From == "" && v.Wrong == nil { // a form that was sent without one is wrong
		v.From = v.Accounts[0].ID()
	}
	now := b.cfg.Now().In(japan)
	v.First, v.Last = now.Format(time.DateOnly), now.AddDate(0, 0, datesAhead).Format(time.DateOnly)
	v.Left, v.Fee = money(lang, b.ledger.left(who.Subject+" "+v.First, dailyLimit)), money(lang, feeOf(to))
	return true
}

// makeOrder reads the form, asks whose account it is, and keeps the order. From here on the browser holds nothing but its name.
func (b *bank) makeOrder(w http.ResponseWriter, r *http.Request, who customer) {
	leave(w)
	if !b.allowed(w, r, who) {
		return
	}
	f := func(name string) string { return r.PostFormValue(name) }
	v := detailsView{From: f("from"), Branch: f("branch"), Type: f("type"), Number: f("number"), Amount: f("amount"), Date: f("date"), Wrong: make(map[string]string)}
	if !b.fill(&v, r, who, f("payee"), f("bank")) {
		http.Redirect(w, r, "/transfers/new", http.StatusSeeOther)
		return
	}
	o := newOrder()
	o.owner, o.made, o.sender = who.Subject, b.cfg.Now(), b.cfg.Customers[who.Subject].Kana
	if i := slices.IndexFunc(v.Accounts, func(a account) bool { return a.ID() == v.From }); i >= 0 {
		o.from = v.Accounts[i]
		o.from.Lines = nil
	} else {
		v.Wrong["from"] = "wrong_from"
	}
	o.to = b.payeeOf(&v, who)
	if o.to.Bank == ownCode && o.to.account() == o.from.ID() {
		v.Wrong["number"] = "wrong_same"
	}
	var ok bool
	if o.amount, ok = parseAmount(v.Amount); !ok {
		v.Wrong["amount"] = "wrong_amount"
	}
	if o.date, ok = parseDate(v.Date, v.First, v.Last); !ok {
		v.Wrong["date"] = "wrong_date"
	}
	o.fee = feeOf(o.to)
	if v.Wrong["amount"] == "" && v.Wrong["from"] == "" && v.Wrong["date"] == "" {
		switch b.hindrance(o) {
		case "why_limit":
			v.Wrong["amount"] = "wrong_limit"
		case "why_short":
			v.Wrong["amount"] = "wrong_short"
		}
	}
	if len(v.Wrong) > 0 {
		b.pages.render(w, r, http.StatusUnprocessableEntity, "details", v)
		return
	}
	o.credit = b.creditOf(o.to)
	b.orders.add(o)
	http.Redirect(w, r, "/transfers/"+o.id, http.StatusSeeOther)
}

// payeeOf gives the payee of a form: a registered one as it was registered, a new one as the name inquiry answers.
func (b *bank) payeeOf(v *detailsView, who customer) payee {
	if v.Payee != nil {
		return b.orders.payeesOf(who.Subject)[v.Payee.Index]
	}
	to := payee{Bank: v.Bank.Code, Branch: v.Branch, Type: v.Type, Number: figures(v.Number)}
	if _, ok := v.Bank.branch(to.Branch); !ok {
		v.Wrong["branch"] = "wrong_branch"
	}
	if !slices.Contains(accountTypes, to.Type) {
		v.Wrong["type"] = "wrong_type"
	}
	if len(to.Number) != 7 {
		v.Wrong["number"] = "wrong_number"
	}
	if len(v.Wrong) == 0 || len(v.Wrong) == 1 && v.Wrong["from"] != "" {
		var found bool
		if to.Name, found = b.inquire(to); !found {
			v.Wrong["number"] = "wrong_unknown"
		}
	}
	return to
}

// orderView is an order on its way, whichever page shows it.
type orderView struct {
	*order
	status
	Rows      []row
	Total     string
	Due       string
	LeftToday string
	Remaining int    // Seconds until the approval runs out.
	Clock     string // The same for people.
	Offline   bool   // The way for a phone without network is open.
	Typing    bool   // The customer asked for it herself, so the page must not reload under her fingers.
	QR        square
	Balance   string
	Evidence  bool
	AtOnce    bool
	Known     bool // The payee is registered.
	Phone     string
	Centre    string
	Step      int
}

// ID is the order's name in addresses.
func (v orderView) ID() string { return v.id }

// Receipt is the number that the customer can quote.
func (v orderView) Receipt() string { return v.receipt }

// row is one line of what is confirmed. Strong ones are those that an attacker would change.
type row struct {
	Label, Value string
	Strong       bool
}

func (b *bank) showOrder(w http.ResponseWriter, r *http.Request, o *order) {
	b.follow(o)
	s := o.status()
	lang := b.pages.tag(r)
	balance, held := b.ledger.balance(o.from.ID())
	now := b.cfg.Now()
	v := orderView{order: o, status: s, Rows: b.rows(lang, o), Total: money(lang, o.amount+o.fee), Due: day(lang, o.date),
		LeftToday: money(lang, b.ledger.left(o.limitDay(b.today()), dailyLimit)), Balance: money(lang, balance-held), Evidence: b.hasEvidence(s), AtOnce: b.cfg.ExecuteAtOnce,
		Known: slices.Contains(b.orders.payeesOf(o.owner), o.to), Phone: b.cfg.Phone, Centre: b.cfg.SecurityCentre, Step: 5}
	page := "ended"
	switch s.State {
	case draft:
		page, v.Step = "confirm", 3
	case asking, waiting:
		page, v.Step = "waiting", 4
		v.Rows = shown(s.Tx.Display[lang], v.Rows)
		v.Remaining = max(0, int(s.Tx.Expires.Sub(now)/time.Second))
		v.Typing = r.URL.Query().Has("offline")
		v.Offline = s.State == waiting && (v.Typing || now.Sub(s.Tx.Created) >= offlineFrom)
		v.QR = drawQR(s.Tx.Offline)
	case approved, executing:
		page, v.Step = "approved", 4
		v.Remaining = max(0, int(s.Tx.ApprovedUntil.Sub(now)/time.Second))
	}
	v.Clock = strings.NewReplacer("{m}", strconv.Itoa(v.Remaining/60), "{s}", strconv.Itoa(v.Remaining%60)).Replace(b.pages.texts[lang]["remaining"])
	if !s.Live {
		leave(w)
	}
	b.pages.render(w, r, http.StatusOK, page, v)
}

// rows is the order as the bank has it, in the words, the order and the figures of the app.
func (b *bank) rows(lang string, o *order) []row {
	text, fields := b.pages.texts[lang], o.fields(b.ja)
	fields["payee.type"], fields["amount"], fields["fee"], fields["date"] = text["type_"+o.to.Type], money(lang, o.amount), money(lang, o.fee), day(lang, o.date)
	var rows []row
	for _, id := range []string{"from.account", "payee.bank", "payee.bank_code", "payee.branch", "payee.branch_code", "payee.type", "payee.account", "payee.name",
		"sender.name", "amount", "fee", "date"} {
		if fields[id] != "" {
			rows = append(rows, row{text["field_"+strings.ReplaceAll(id, ".", "_")], fields[id], id == "payee.account" || id == "payee.name" || id == "amount"})
		}
	}
	return rows
}

// shown is what the app shows, line by line as the server gives it. The lines that matter most are found by the bank's own rows.
func shown(display string, own []row) []row {
	lines := strings.Split(display, "\n")
	if len(lines) < 3 {
		return own
	}
	var rows []row
	for _, l := range lines[1 : len(lines)-1] { // between the title and the reference, which stand elsewhere on the page
		label, value, _ := strings.Cut(l, ": ")
		i := slices.IndexFunc(own, func(r row) bool { return r.Label == label })
		rows = append(rows, row{label, value, i >= 0 && own[i].Strong})
	}
	return rows
}

// orderState answers as soon as the order is not any more what the page shows, or after a while. Following it counts as activity, which lasts as long as the
// transaction at most.
func (b *bank) orderState(w http.ResponseWriter, r *http.Request, o *order) {
	b.follow(o)
	s, changed := o.look()
	if seen, err := strconv.Atoi(r.URL.Query().Get("seen")); err == nil && seen == s.Version && s.Live {
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		case <-time.After(pollLimit):
		}
		s = o.status()
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"version": s.Version, "state": s.State})
}

// evidence hands the evidence file on, as the server gives it.
func (b *bank) evidence(w http.ResponseWriter, r *http.Request, o *order) {
	s := o.status()
	if !b.hasEvidence(s) {
		b.sorry(w, r, "not_found")
		return
	}
	file, err := b.api.Evidence(r.Context(), s.Tx.ID)
	if err != nil {
		b.cfg.Log.Warn("bank: the evidence could not be fetched", "order", o.id, "err", err)
		b.sorry(w, r, "evidence_away")
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Disposition", `attachment; filename="evidence-`+o.receipt+`.json"`)
	_, _ = w.Write(file)
}

// square is a QR code as one path of an SVG picture, in modules, with the quiet zone around it.
type square struct {
	Size int
	Path string
}

// drawQR draws a text for a phone's camera. The lowest correction is enough for a screen and makes the modules as large as they can be.
func drawQR(text string) square {
	const quiet = 4
	code, err := qr.Encode(text, qr.L)
	if err != nil || text == "" {
		return square{}
	}
	var p strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			run := 0
			for code.Black(x+run, y) {
				run++
			}
			if run > 0 {
				fmt.Fprintf(&p, "M%d %dh%dv1h-%dz", x+quiet, y+quiet, run, run)
				x += run
			}
		}
	}
	return square{code.Size + 2*quiet, p.String()}
}

// hyphens are the signs that people and their keyboards put between figures, the Japanese long sign among them.
const hyphens = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u30fc"

// figures gives the digits of what was typed: full-width ones count, spaces and hyphens do not; anything else makes it empty.
func figures(typed string) string {
	var out strings.Builder
	for _, r := range norm.NFKC.String(typed) {
		switch {
		case r >= '0' && r <= '9':
			out.WriteRune(r)
		case strings.ContainsRune(" \t\r\n"+hyphens, r):
		default:
			return ""
		}
	}
	return out.String()
}

// parseAmount reads an amount of yen, with or without separators and the unit.
func parseAmount(typed string) (int64, bool) {
	typed = strings.TrimSpace(norm.NFKC.String(typed))
	typed = strings.TrimSuffix(strings.TrimPrefix(typed, "¥"), "円")
	if strings.ContainsAny(typed, hyphens) { // Nobody types a negative amount by chance.
		return 0, false
	}
	digits := figures(strings.NewReplacer(",", "", "、", "").Replace(typed))
	n, err := strconv.ParseInt(digits, 10, 64)
	return n, err == nil && len(digits) <= 12 && n > 0
}

// parseDate reads a date within the days that are offered, both included. Browsers send one form; where they show a plain field, people write others.
func parseDate(typed, first, last string) (string, bool) {
	plain := strings.NewReplacer("/", "-", ".", "-", "年", "-", "月", "-", "日", "").Replace(strings.TrimSpace(norm.NFKC.String(typed)))
	t, err := time.Parse("2006-1-2", plain)
	if err != nil {
		return "", false
	}
	d := t.Format(time.DateOnly)
	return d, first <= d && d <= last
}

// money writes an amount as the app does.
func money(lang string, amount int64) string {
	if lang == "en" {
		return "JPY " + yen(amount)
	}
	return yen(amount) + "円"
}

var weekdays = []string{"日", "月", "火", "水", "木", "金", "土"}

// day writes a date as the app does.
func day(lang, date string) string {
	t, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return date
	}
	if lang == "en" {
		return t.Format("Mon 2 January 2006")
	}
	return t.Format("2006年1月2日") + "(" + weekdays[t.Weekday()] + ")"
}

// returns says whether the language switch may lead back to an address of a transfer.
func returns(u *url.URL) bool {
	return u.Path == "/transfers" || strings.HasPrefix(u.Path, "/transfers/") && strings.Count(u.Path, "/") == 2
}
