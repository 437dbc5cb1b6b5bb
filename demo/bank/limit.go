package bank

import (
	"errors"
	"net/http"
	"strconv"
)

// raise makes what a customer can transfer in a day larger. Making it smaller is no order: it only makes things safer, so it takes effect at once.
type raise struct{ before, after int64 }

func (raise) kind() kind { return limitKind }

func (r raise) fields(map[string]string) map[string]string {
	return map[string]string{"limit.what": "transfer_day", "limit.before": strconv.FormatInt(r.before, 10), "limit.after": strconv.FormatInt(r.after, 10)}
}

func (r raise) hindrance(b *bank, o *order) string {
	switch {
	case r.after > limitCeiling:
		return "why_ceiling"
	case b.ledger.limitOf(o.owner) != r.before:
		return "why_moved"
	}
	return ""
}

func (r raise) secure(b *bank, o *order) (string, error) { return r.hindrance(b, o), nil }

func (raise) free(*bank, *order) {}

func (r raise) perform(b *bank, o *order) (state, string, error) {
	switch err := b.ledger.raise(o.id, o.owner, r.before, r.after); {
	case errors.Is(err, errMoved):
		return failed, "why_moved", nil
	case err != nil:
		return "", "", err
	}
	return done, "", nil
}

// limitView is the page of the daily limit. It keeps what was typed, together with what is wrong with it.
type limitView struct {
	Limit   string
	Ceiling string
	Open    string // Address of a raise that waits for the customer; empty if none does.
	Told    string // Key of the text that says what has just come of the form.
	After   string
	Wrong   string // Key of the text.
}

func (b *bank) limitView(r *http.Request, who customer) limitView {
	lang := b.pages.tag(r)
	return limitView{Limit: money(lang, b.ledger.limitOf(who.Subject)), Ceiling: money(lang, limitCeiling), Open: b.open(who.Subject, limitKind)}
}

func (b *bank) showLimit(w http.ResponseWriter, r *http.Request, who customer) {
	leave(w)
	v := b.limitView(r, who)
	q := r.URL.Query()
	switch {
	case q.Has("lowered"):
		v.Told = "limit_lowered"
	case q.Has("same"): // Such as at a second click on what has lowered it.
		v.Told = "limit_same"
	}
	if o, ok := b.orders.find(who.Subject, q.Get("again")); ok {
		if x, ok := o.deed.(raise); ok {
			v.After = yen(x.after)
		}
	}
	b.pages.render(w, r, http.StatusOK, "limits", v)
}

// changeLimit lowers the limit at once. To raise it takes the customer's approval in the app: what comes of the form is an order.
func (b *bank) changeLimit(w http.ResponseWriter, r *http.Request, who customer) {
	leave(w)
	v := b.limitView(r, who)
	v.After = r.PostFormValue("after")
	before := b.ledger.limitOf(who.Subject)
	after, ok := parseAmount(v.After)
	switch {
	case !ok:
		v.Wrong = "wrong_amount"
	case after > limitCeiling:
		v.Wrong = "wrong_ceiling"
	case after == before:
		http.Redirect(w, r, "/limits?same", http.StatusSeeOther)
		return
	case b.ledger.lower(who.Subject, after):
		http.Redirect(w, r, "/limits?lowered", http.StatusSeeOther)
		return
	case b.allowed(w, r, who.Subject, limitKind):
		o := newOrder(who.Subject, raise{before, after}, b.cfg.Now())
		b.orders.add(o)
		http.Redirect(w, r, o.path(), http.StatusSeeOther)
		return
	default:
		return // The page that says what is needed has been written.
	}
	b.pages.render(w, r, http.StatusUnprocessableEntity, "limits", v)
}
