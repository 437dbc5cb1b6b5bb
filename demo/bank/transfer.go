package bank

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/client"
)

const (
	datesAhead  = 30
	offlineFrom = 20 * time.Second // How long the waiting page trusts that the notice arrives before it offers the other way.
	pollLimit   = 20 * time.Second
)

// approvals adds the pages of everything that needs the customer's approval. From the confirmation page on they are the same for every kind.
func (b *bank) approvals(mux *http.ServeMux) {
	mux.HandleFunc("GET /transfers", b.mine(b.transferList))
	mux.HandleFunc("GET /transfers/new", b.mine(b.newTransfer))
	mux.HandleFunc("POST /transfers", b.mine(b.makeOrder))
	mux.HandleFunc("POST /transfers/{id}/payee", b.mine(b.one(b.keepPayee)))
	mux.HandleFunc("GET /payees", b.mine(b.payeeList))
	mux.HandleFunc("GET /payees/new", b.mine(b.newPayee))
	mux.HandleFunc("POST /payees", b.mine(b.makePayee))
	mux.HandleFunc("POST /payees/{id}/remove", b.mine(b.removePayee))
	mux.HandleFunc("GET /limits", b.mine(b.showLimit))
	mux.HandleFunc("POST /limits", b.mine(b.changeLimit))
	for _, path := range pathOf {
		b.orderPages(mux, path)
	}
}

// orderPages adds the pages of one kind of order.
func (b *bank) orderPages(mux *http.ServeMux, path string) {
	mux.HandleFunc("GET "+path+"/{id}", b.mine(b.one(b.showOrder)))
	mux.HandleFunc("GET "+path+"/{id}/state", b.mine(b.one(b.orderState)))
	mux.HandleFunc("GET "+path+"/{id}/evidence.json", b.mine(b.one(b.evidence)))
	for name, step := range map[string]func(context.Context, *order, *http.Request) error{
		"ask":     func(ctx context.Context, o *order, _ *http.Request) error { return b.ask(ctx, o) },
		"clear":   func(ctx context.Context, o *order, _ *http.Request) error { return b.clear(ctx, o) },
		"cancel":  func(ctx context.Context, o *order, _ *http.Request) error { return b.cancel(ctx, o) },
		"execute": func(ctx context.Context, o *order, _ *http.Request) error { return b.execute(ctx, o) },
		"offline": func(ctx context.Context, o *order, r *http.Request) error {
			return b.confirmOffline(ctx, o, figures(r.PostFormValue("code")))
		},
	} {
		mux.HandleFunc("POST "+path+"/{id}/"+name, b.mine(b.one(b.press(step))))
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

// one finds the customer's own order that the address names. Somebody else's does not exist, nor does one of another kind.
func (b *bank) one(next func(http.ResponseWriter, *http.Request, *order)) func(http.ResponseWriter, *http.Request, customer) {
	return func(w http.ResponseWriter, r *http.Request, who customer) {
		b.settle(who.Subject)
		o, ok := b.orders.find(who.Subject, r.PathValue("id"))
		if !ok || r.URL.Path != o.path() && !strings.HasPrefix(r.URL.Path, o.path()+"/") {
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
		to := o.path()
		if _, there := b.orders.find(o.owner, o.id); !there {
			to = pathOf[o.deed.kind()]
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
		t, ok := o.deed.(transfer)
		if !ok {
			continue
		}
		b.follow(o)
		s := o.status()
		bank, _ := findBank(t.to.Bank)
		v.Orders = append(v.Orders, listLine{ID: o.id, Receipt: o.receipt, Name: t.to.Name, Bank: bank.In(lang), Amount: money(lang, t.amount), Date: day(lang, t.date),
			State: s.State, Evidence: b.hasEvidence(s)})
	}
	b.pages.render(w, r, http.StatusOK, "transfers", v)
}

func (b *bank) hasEvidence(s status) bool {
	return s.Tx.ID != "" && !s.Tx.Decided.IsZero()
}

// open is the address of an order of a kind that is on its way; empty if there is none.
func (b *bank) open(owner string, what kind) string {
	for _, o := range b.orders.of(owner) {
		if b.follow(o); o.deed.kind() == what && o.status().Live {
			return o.path()
		}
	}
	return ""
}

// haltView explains what is needed first.
type haltView struct {
	Kind                  kind
	Why                   string // Part of the keys of the texts.
	Phone, SecurityCentre string
	Path                  string // Where to try again.
	List                  string // What can be seen without.
}

// allowed says whether the customer can approve in her app, without which this bank does none of these things however she has logged in; if not, the page that
// says what is needed has been written.
func (b *bank) allowed(w http.ResponseWriter, r *http.Request, owner string, what kind) bool {
	a, err := b.api.TransactionAuthentication(r.Context(), owner)
	var no *client.Problem
	halt := func(status int, why string) bool {
		b.pages.render(w, r, status, "halt", haltView{what, why, b.cfg.Phone, b.cfg.SecurityCentre, formOf[what], pathOf[what]})
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

// returns says whether the language switch may lead back to an address of an order.
func returns(u *url.URL) bool {
	for _, path := range pathOf {
		if u.Path == path || strings.HasPrefix(u.Path, path+"/") && strings.Count(u.Path, "/") == 2 {
			return true
		}
	}
	return false
}
