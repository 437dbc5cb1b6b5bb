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
	Kind      kind
	Path      string // Address of the page.
	List      string // Address of the kind's first page.
	Again     string // Address of the form with the same content.
	Rows      []row
	Total     string // Of a transfer, as what follows up to Balance.
	Due       string
	LeftToday string
	Balance   string
	Remaining int    // Seconds until the approval runs out.
	Clock     string // The same for people.
	Offline   bool   // The way for a phone without network is open.
	Typing    bool   // The customer asked for it herself, so the page must not reload under her fingers.
	QR        square
	Evidence  bool
	AtOnce    bool
	Known     bool // The payee is registered.
	Phone     string
	Centre    string
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
	now := b.cfg.Now()
	v := orderView{order: o, status: s, Kind: o.deed.kind(), Path: o.path(), List: pathOf[o.deed.kind()], Again: formOf[o.deed.kind()] + "?again=" + o.id,
		Rows: b.rows(lang, o), Evidence: b.hasEvidence(s), AtOnce: b.atOnce(o), Phone: b.cfg.Phone, Centre: b.cfg.SecurityCentre}
	if t, ok := o.deed.(transfer); ok {
		balance, held := b.ledger.balance(t.from.ID())
		v.Total, v.Due, v.Balance = money(lang, t.amount+t.fee), day(lang, t.date), money(lang, balance-held)
		v.LeftToday, v.Known = money(lang, b.ledger.left(t.limitDay(o.owner, b.today()))), b.payees.known(o.owner, t.to)
	}
	page := "ended"
	switch s.State {
	case draft:
		page = "confirm"
	case asking, waiting:
		page = "waiting"
		v.Rows = shown(s.Tx.Display[lang], v.Rows)
		v.Remaining = max(0, int(s.Tx.Expires.Sub(now)/time.Second))
		v.Typing = r.URL.Query().Has("offline")
		v.Offline = s.State == waiting && (v.Typing || now.Sub(s.Tx.Created) >= offlineFrom)
		v.QR = drawQR(s.Tx.Offline)
	case approved, executing:
		page = "approved"
		v.Remaining = max(0, int(s.Tx.ApprovedUntil.Sub(now)/time.Second))
	}
	v.Clock = strings.NewReplacer("{m}", strconv.Itoa(v.Remaining/60), "{s}", strconv.Itoa(v.Remaining%60)).Replace(b.pages.texts[lang]["remaining"])
	if !s.Live {
		leave(w)
	}
	b.pages.render(w, r, http.StatusOK, page, v)
}

// lines are the fields in which an order is shown, in the order of the app's templates.
var lines = []string{"from.account", "payee.bank", "payee.bank_code", "payee.branch", "payee.branch_code", "payee.type", "payee.account", "payee.name",
	"sender.name", "amount", "fee", "date", "limit.what", "limit.before", "limit.after"}

// strong are those of them that an attacker would change.
var strong = []string{"payee.account", "payee.name", "amount", "limit.after"}

// rows is the order as the bank has it, in the words, the order and the figures of the app.
func (b *bank) rows(lang string, o *order) []row {
	text, fields := b.pages.texts[lang], o.deed.fields(b.ja)
	var rows []row
	for _, id := range lines {
		v := fields[id]
		switch id {
		case "payee.type":
			v = text["type_"+v]
		case "limit.what":
			v = text["limit_"+v]
		case "date":
			v = day(lang, v)
		case "amount", "fee", "limit.before", "limit.after":
			if n, err := strconv.ParseInt(v, 10, 64); err == nil {
				v = money(lang, n)
			}
		}
		if fields[id] != "" {
			rows = append(rows, row{text["field_"+strings.ReplaceAll(id, ".", "_")], v, slices.Contains(strong, id)})
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
