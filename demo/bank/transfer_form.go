package bank

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

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
