package bank

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

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
