package bank

import (
	"net/http"
	"slices"
	"time"
)

// chooseView is the first page of a transfer and of a registration: where to.
type chooseView struct {
	Kind   kind
	Step   string // Key of the step.
	New    string // Address of the next page.
	Payees []payeeCard
	Banks  []institution
}

type payeeCard struct {
	ID, Name, Where, Number string
	Since                   time.Time
}

// detailsView is the form of a transfer. It keeps what was typed, together with what is wrong with it.
type detailsView struct {
	accountForm

	Payee    *payeeCard // Registered; nil where the account is typed in.
	Accounts []account
	From     string
	Amount   string
	Date     string
	First    string
	Last     string
	Left     string
	Fee      string
}

// newTransfer is two pages: where to, and then the rest.
func (b *bank) newTransfer(w http.ResponseWriter, r *http.Request, who customer) {
	leave(w)
	if !b.allowed(w, r, who.Subject, transferKind) {
		return
	}
	q, today := r.URL.Query(), b.today()
	v := detailsView{Date: today, accountForm: accountForm{Type: "ordinary"}}
	if o, ok := b.orders.find(who.Subject, q.Get("again")); ok {
		if t, ok := o.deed.(transfer); ok {
			v.From, v.Branch, v.Type, v.Number, v.Amount, v.Date = t.from.ID(), t.to.Branch, t.to.Type, t.to.Number, yen(t.amount), max(t.date, today)
			q.Set("bank", t.to.Bank)
			mine := b.payees.of(who.Subject)
			if i := slices.IndexFunc(mine, func(p registered) bool { return p.payee == t.to }); i >= 0 {
				q.Set("payee", mine[i].ID)
			}
		}
	}
	if !b.fill(&v, r, who, q.Get("payee"), q.Get("bank")) {
		b.pages.render(w, r, http.StatusOK, "choose", chooseView{Kind: transferKind, Step: "step_payee", New: "/transfers/new", Payees: b.cards(b.pages.tag(r), who), Banks: directory})
		return
	}
	b.pages.render(w, r, http.StatusOK, "details", v)
}

func (b *bank) card(lang string, p registered) payeeCard {
	bank, _ := findBank(p.Bank)
	branch, _ := bank.branch(p.Branch)
	return payeeCard{ID: p.ID, Name: p.Name, Where: bank.In(lang) + " " + branch.In(lang), Number: b.pages.texts[lang]["type_"+p.Type] + " " + p.Number, Since: p.Since}
}

func (b *bank) cards(lang string, who customer) (cards []payeeCard) {
	for _, p := range b.payees.of(who.Subject) {
		cards = append(cards, b.card(lang, p))
	}
	return cards
}

// fill completes the form's view with what is the same however it was reached; false if neither a registered payee nor a bank is named.
func (b *bank) fill(v *detailsView, r *http.Request, who customer, payeeID, bankCode string) bool {
	lang := b.pages.tag(r)
	to := payee{Bank: bankCode}
	if p, ok := b.payees.find(who.Subject, payeeID); ok && !p.Gone {
		card := b.card(lang, p)
		to, v.Payee = p.payee, &card
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
	v.Left, v.Fee = money(lang, b.ledger.left(limitDay{who.Subject, v.First})), money(lang, feeOf(to))
	return true
}

// makeOrder reads the form, asks whose account it is, and keeps the order. From here on the browser holds nothing but its name.
func (b *bank) makeOrder(w http.ResponseWriter, r *http.Request, who customer) {
	leave(w)
	if !b.allowed(w, r, who.Subject, transferKind) {
		return
	}
	f := func(name string) string { return r.PostFormValue(name) }
	v := detailsView{From: f("from"), Amount: f("amount"), Date: f("date"),
		accountForm: accountForm{Branch: f("branch"), Type: f("type"), Number: f("number"), Wrong: make(map[string]string)}}
	if !b.fill(&v, r, who, f("payee"), f("bank")) {
		http.Redirect(w, r, "/transfers/new", http.StatusSeeOther)
		return
	}
	t := transfer{sender: b.cfg.Customers[who.Subject].Kana}
	if i := slices.IndexFunc(v.Accounts, func(a account) bool { return a.ID() == v.From }); i >= 0 {
		t.from = v.Accounts[i]
		t.from.Lines = nil
	} else {
		v.Wrong["from"] = "wrong_from"
	}
	t.to = b.payeeOf(&v, who)
	if t.to.Bank == ownCode && t.to.account() == t.from.ID() {
		v.Wrong["number"] = "wrong_same"
	}
	var ok bool
	if t.amount, ok = parseAmount(v.Amount); !ok {
		v.Wrong["amount"] = "wrong_amount"
	}
	if t.date, ok = parseDate(v.Date, v.First, v.Last); !ok {
		v.Wrong["date"] = "wrong_date"
	}
	t.fee, t.credit = feeOf(t.to), b.creditOf(t.to)
	o := newOrder(who.Subject, t, b.cfg.Now())
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
	b.orders.add(o)
	http.Redirect(w, r, o.path(), http.StatusSeeOther)
}

// payeeOf gives the payee of a form: a registered one as it was registered, a new one as the name inquiry answers.
func (b *bank) payeeOf(v *detailsView, who customer) payee {
	if v.Payee == nil {
		return v.accountForm.payee(b)
	}
	p, _ := b.payees.find(who.Subject, v.Payee.ID)
	return p.payee
}
