package bank

import (
	"net/http"
	"slices"
)

// accountForm is the part of a form in which an account of a bank is typed in. It keeps what was typed, together with what is wrong with it.
type accountForm struct {
	Bank   institution
	Branch string
	Type   string
	Number string
	Wrong  map[string]string // Key of the text by field.
}

// Types are the kinds of account to choose from.
func (accountForm) Types() []string { return accountTypes }

// payee reads the account and asks whose it is. What is wrong is put down beside the field.
func (f accountForm) payee(b *bank) payee {
	to := payee{Bank: f.Bank.Code, Branch: f.Branch, Type: f.Type, Number: figures(f.Number)}
	right := true
	wrong := func(field, why string) { f.Wrong[field], right = why, false }
	if _, ok := f.Bank.branch(to.Branch); !ok {
		wrong("branch", "wrong_branch")
	}
	if !slices.Contains(accountTypes, to.Type) {
		wrong("type", "wrong_type")
	}
	if len(to.Number) != 7 {
		wrong("number", "wrong_number")
	}
	if right {
		var found bool
		if to.Name, found = b.inquire(to); !found {
			wrong("number", "wrong_unknown")
		}
	}
	return to
}

type payeesView struct {
	Payees  []payeeCard
	Open    string // Address of a registration that waits for the customer; empty if none does.
	Removed string // Name of the payee that has just been removed.
}

func (b *bank) payeeList(w http.ResponseWriter, r *http.Request, who customer) {
	leave(w)
	v := payeesView{Payees: b.cards(b.pages.tag(r), who), Open: b.open(who.Subject, payeeKind)}
	if p, ok := b.payees.find(who.Subject, r.URL.Query().Get("removed")); ok && p.Gone {
		v.Removed = p.Name
	}
	b.pages.render(w, r, http.StatusOK, "payees", v)
}

// newPayee is two pages: the bank, and then the account.
func (b *bank) newPayee(w http.ResponseWriter, r *http.Request, who customer) {
	leave(w)
	if !b.allowed(w, r, who.Subject, payeeKind) {
		return
	}
	q := r.URL.Query()
	v := accountForm{Type: "ordinary"}
	if o, ok := b.orders.find(who.Subject, q.Get("again")); ok {
		if x, ok := o.deed.(registration); ok {
			v.Branch, v.Type, v.Number = x.to.Branch, x.to.Type, x.to.Number
			q.Set("bank", x.to.Bank)
		}
	}
	var ok bool
	if v.Bank, ok = findBank(q.Get("bank")); !ok {
		b.pages.render(w, r, http.StatusOK, "choose", chooseView{Kind: payeeKind, Step: "step_bank", New: "/payees/new", Banks: directory})
		return
	}
	b.pages.render(w, r, http.StatusOK, "payee", v)
}

// makePayee reads the form, asks whose account it is, and keeps the order. Nothing is registered before the customer has approved it in the app.
func (b *bank) makePayee(w http.ResponseWriter, r *http.Request, who customer) {
	leave(w)
	if !b.allowed(w, r, who.Subject, payeeKind) {
		return
	}
	v := accountForm{Branch: r.PostFormValue("branch"), Type: r.PostFormValue("type"), Number: r.PostFormValue("number"), Wrong: make(map[string]string)}
	var ok bool
	if v.Bank, ok = findBank(r.PostFormValue("bank")); !ok {
		http.Redirect(w, r, "/payees/new", http.StatusSeeOther)
		return
	}
	to := v.payee(b)
	if why := b.payees.obstacle(who.Subject, to); why != "" && len(v.Wrong) == 0 {
		v.Wrong["number"] = why
	}
	if len(v.Wrong) > 0 {
		b.pages.render(w, r, http.StatusUnprocessableEntity, "payee", v)
		return
	}
	b.orderPayee(w, r, who.Subject, to)
}

// keepPayee goes on from a finished transfer to the registration of its payee. The approval of the transfer was none of this, so it is asked for like any other.
func (b *bank) keepPayee(w http.ResponseWriter, r *http.Request, o *order) {
	t, isTransfer := o.deed.(transfer)
	if s := o.status().State; !isTransfer || s != done && s != booked || b.payees.known(o.owner, t.to) {
		http.Redirect(w, r, o.path(), http.StatusSeeOther)
		return
	}
	if b.allowed(w, r, o.owner, payeeKind) {
		b.orderPayee(w, r, o.owner, t.to)
	}
}

func (b *bank) orderPayee(w http.ResponseWriter, r *http.Request, owner string, to payee) {
	o := newOrder(owner, registration{to}, b.cfg.Now())
	b.orders.add(o)
	http.Redirect(w, r, o.path(), http.StatusSeeOther)
}

// removePayee needs no approval: it only makes things safer.
func (b *bank) removePayee(w http.ResponseWriter, r *http.Request, who customer) {
	p, ok := b.payees.find(who.Subject, r.PathValue("id"))
	if !ok {
		b.sorry(w, r, "not_found")
		return
	}
	b.payees.remove(who.Subject, p.ID)
	http.Redirect(w, r, "/payees?removed="+p.ID, http.StatusSeeOther)
}
