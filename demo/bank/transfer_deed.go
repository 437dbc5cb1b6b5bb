package bank

import (
	"errors"
	"strconv"
)

// transfer is a transfer as the customer entered it and the bank completed it.
type transfer struct {
	from   account
	to     payee
	credit string // Account in the ledger that receives the amount.
	sender string // The customer's name in kana, where the bank has it.
	amount int64
	fee    int64
	date   string // 2006-01-02, in Japan.
}

func (transfer) kind() kind { return transferKind }

func (t transfer) fields(ja map[string]string) map[string]string {
	f := t.to.fields()
	f["from.account"] = ja[t.from.BranchKey()] + " " + ja["type_"+t.from.Kind] + " " + t.from.Number
	f["amount"], f["fee"], f["date"] = strconv.FormatInt(t.amount, 10), strconv.FormatInt(t.fee, 10), t.date
	if t.sender != "" {
		f["sender.name"] = t.sender
	}
	return f
}

// limitDay is the day whose limit the transfer counts for: the day of execution.
func (t transfer) limitDay(owner, today string) limitDay { return limitDay{owner, max(t.date, today)} }

func (t transfer) hindrance(b *bank, o *order) string {
	balance, held := b.ledger.balance(t.from.ID())
	switch {
	case t.date < b.today():
		return "why_old"
	case t.amount > b.ledger.left(t.limitDay(o.owner, b.today())):
		return "why_limit"
	case t.amount+t.fee > balance-held:
		return "why_short"
	}
	return ""
}

// secure keeps the money free, which is one conditional step in the ledger.
func (t transfer) secure(b *bank, o *order) (string, error) {
	err := b.ledger.hold(o.id, hold{account: t.from.ID(), total: t.amount + t.fee, counted: t.amount, day: t.limitDay(o.owner, b.today())})
	switch {
	case errors.Is(err, errShort):
		return "why_short", nil
	case errors.Is(err, errLimit):
		return "why_limit", nil
	case errors.Is(err, errOther): // Our own hold of yesterday.
		return "", nil
	}
	return "", err
}

func (transfer) free(b *bank, o *order) { b.ledger.release(o.id) }

// perform posts the transfer if its day has come.
func (t transfer) perform(b *bank, o *order) (state, string, error) {
	if t.date > b.today() {
		return booked, "", nil
	}
	postings := []posting{{t.from.ID(), -t.amount}, {t.credit, t.amount}}
	if t.fee > 0 {
		postings = append(postings, posting{t.from.ID(), -t.fee}, posting{feeAccount, t.fee})
	}
	return done, "", b.ledger.post(booking{request: o.id, at: b.cfg.Now(), text: t.to.Name, postings: postings})
}
