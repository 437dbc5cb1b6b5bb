package authority

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/signing"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// Optional is a mail that a customer may do without. All other notices reach her always.
type Optional string

// The mails that can be turned off and on.
const (
	MailApproved   Optional = "transaction_approved" // on from the beginning
	MailKnownLogin Optional = "login_known_device"   // off from the beginning
)

// Optionals are all of them, each with how it is where she has chosen nothing.
var Optionals = []struct {
	Kind Optional
	On   bool
}{{MailApproved, true}, {MailKnownLogin, false}}

// MailChoice is how one of these mails stands.
type MailChoice struct {
	Kind  Optional
	On    bool      // it is sent now
	Until time.Time // it is still sent until then, because it has been turned off; zero elsewhere
}

// mailChoice reads what is stored of a choice.
func mailChoice(kind Optional, on bool, row *db.MailChoice, now time.Time) MailChoice {
	c := MailChoice{Kind: kind, On: on}
	if row == nil {
		return c
	}
	since := store.Time(row.Since)
	switch c.On = row.Wanted; {
	case !row.Wanted && since.After(now):
		c.On, c.Until = true, since
	}
	return c
}

// MailChoices are how the mails stand that the customer may do without.
func (a *Authority) MailChoices(ctx context.Context, s Session) ([]MailChoice, error) {
	now, err := a.moment()
	if err != nil {
		return nil, err
	}
	rows, err := a.Store.Reader().MailChoicesOf(ctx, s.Customer)
	if err != nil {
		return nil, err
	}
	out := make([]MailChoice, len(Optionals))
	for i, o := range Optionals {
		var stored *db.MailChoice
		for j := range rows {
			if rows[j].Kind == string(o.Kind) {
				stored = &rows[j]
			}
		}
		out[i] = mailChoice(o.Kind, o.On, stored, now)
	}
	return out, nil
}

// ChooseMail turns one of these mails off or on. To be told more counts at once; to be told less is announced to every address at once and counts a day later, so that whoever wants to act
// unseen is seen first.
func (a *Authority) ChooseMail(ctx context.Context, s Session, kind Optional, on bool) error {
	if !s.Full {
		return problem.New(problem.StepUp)
	}
	known := false
	for _, o := range Optionals {
		known = known || o.Kind == kind
	}
	if !known {
		return problem.New(problem.Malformed, "field", "mail")
	}
	return a.do(ctx, s.Actor(), audit.MailChoose, func(ctx context.Context, d *deed) error {
		d.on(s.Customer, "")
		d.detail = map[string]string{"mail": string(kind), "on": "yes"}
		if !on {
			d.detail["on"] = "no"
		}
		now, err := d.mailWanted(ctx, s.Customer, kind)
		if err != nil || now.On == on && now.Until.IsZero() {
			return err
		}
		from, topic := d.now, "mail_on"
		if !on {
			from, topic = d.now.Add(a.Rules().MuteDelay), "mail_off"
		}
		changed, err := store.Once(d.Queries.ChooseMail(ctx, db.ChooseMailParams{Customer: s.Customer, Kind: string(kind), Wanted: on, Since: store.Micros(from)}))
		if err != nil || !changed {
			return err
		}
		if !on { // nobody buries what matters under it; to be told more is never too soon
			if err := d.notTooSoon(ctx, s.Customer, topic); err != nil {
				return err
			}
		}
		return d.tellObject(ctx, s.Customer, topic, "", map[string]string{"mail": string(kind), "from": from.Format(time.RFC3339)})
	})
}

// mailWanted is how one of these mails stands now.
func (d *deed) mailWanted(ctx context.Context, customerID string, kind Optional) (MailChoice, error) {
	on := false
	for _, o := range Optionals {
		on = on || o.Kind == kind && o.On
	}
	row, err := d.MailChoiceOf(ctx, db.MailChoiceOfParams{Customer: customerID, Kind: string(kind)})
	if errors.Is(err, store.ErrNone) {
		return mailChoice(kind, on, nil, d.now), nil
	}
	return mailChoice(kind, on, &row, d.now), err
}

// tellWanted mails one of these to the address on file, if it is wanted. It is no notice: it stands in no inbox, and no old address hears of it.
func (d *deed) tellWanted(ctx context.Context, customerID string, kind Optional, values map[string]string) error {
	c, err := d.mailWanted(ctx, customerID, kind)
	if err != nil || !c.On {
		return err
	}
	rows, err := d.AddressesOf(ctx, customerID)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if err := d.mail(ctx, store.Address(row), string(kind), values, d.now.Add(24*time.Hour)); err != nil {
			return err
		}
	}
	return nil
}

// approval is a transaction that a customer has just approved, for the mail about it.
type approval struct{ customer, txn, client, template string }

// tellApproved mails what was approved to those who have not turned that off. What she approves about her own authenticators has notices of its own.
func (d *deed) tellApproved(ctx context.Context, all ...approval) error {
	about := make(map[string]approval, len(all))
	var customers []string
	for _, x := range all {
		if x.client != ourselves {
			about[x.customer] = x
			customers = append(customers, x.customer)
		}
	}
	if len(customers) == 0 {
		return nil
	}
	wanting, err := d.AddressesWanting(ctx, string(MailApproved), store.Micros(d.now), customers)
	if err != nil || len(wanting) == 0 {
		return err
	}
	messages := make([]db.InsertOutboxParams, len(wanting))
	for i, to := range wanting {
		x := about[to.Customer]
		if messages[i], err = d.message(to.Customer, to.ID, string(MailApproved), map[string]string{"what": x.template, "reference": transaction.Reference(x.txn)}, d.now.Add(approvedMailLife)); err != nil {
			return err
		}
	}
	return d.InsertOutboxes(ctx, messages)
}

// approvedMailLife is how long the mail about an approval is worth delivering.
const approvedMailLife = 24 * time.Hour

// inboxPage is how many notices one page of the inbox has.
const inboxPage = 20

// Notice is one entry of a customer's inbox.
type Notice struct {
	ID, Topic string
	At        time.Time
	Unread    bool
	Values    map[string]string
}

// noticed writes a notice into the customer's inbox, in the write that it tells of. The code by which its reader objects goes by mail alone: the inbox has doors of its own.
func (d *deed) noticed(ctx context.Context, customerID, topic string, values map[string]string) error {
	all := d.mailValues(values)
	delete(all, "objection")
	delete(all, "objection_link")
	plain, err := json.Marshal(all)
	if err != nil {
		return err
	}
	id := d.a.newID(ident.Notice, d.now)
	sealed, err := d.a.Keys.Seal("notice", "notice.sealed|"+id, plain)
	if err != nil {
		return err
	}
	return d.InsertNotice(ctx, db.InsertNoticeParams{ID: id, Customer: customerID, Topic: topic, Sealed: sealed, CreatedAt: store.Micros(d.now)})
}

// notices reads one page of an inbox, the newest first, from before a notice on; next is where the following page begins, empty at the end.
func (a *Authority) notices(ctx context.Context, customerID, before string) (out []Notice, next string, err error) {
	if before == "" {
		before = afterAll(ident.Notice)
	} else if ident.Check(ident.Notice, before) != nil {
		return nil, "", problem.New(problem.NotFound)
	}
	rows, err := a.Store.Reader().NoticesOf(ctx, db.NoticesOfParams{Customer: customerID, ID: before, Limit: inboxPage + 1})
	if err != nil {
		return nil, "", err
	}
	for i, r := range rows {
		if i == inboxPage {
			return out, out[i-1].ID, nil
		}
		plain, err := a.Keys.Open("notice", "notice.sealed|"+r.ID, r.Sealed)
		if err != nil {
			return nil, "", err
		}
		n := Notice{ID: r.ID, Topic: r.Topic, At: store.Time(r.CreatedAt), Unread: r.ReadAt == 0}
		if err := json.Unmarshal(plain, &n.Values); err != nil {
			return nil, "", err
		}
		out = append(out, n)
	}
	return out, "", nil
}

// Inbox is a page of the notices of the customer of a session. What is shown of the first page counts as read from then on.
func (a *Authority) Inbox(ctx context.Context, s Session, before string) ([]Notice, string, error) {
	now, err := a.moment()
	if err != nil {
		return nil, "", err
	}
	out, next, err := a.notices(ctx, s.Customer, before)
	if err != nil || len(out) == 0 || before != "" {
		return out, next, err
	}
	return out, next, a.Store.Housekeep(ctx, func(ctx context.Context, tx *store.Tx) error {
		return tx.ReadNotices(ctx, db.ReadNoticesParams{Customer: s.Customer, ID: out[0].ID, ReadAt: store.Micros(now)})
	})
}

// Unread is how many notices wait for the customer of a session.
func (a *Authority) Unread(ctx context.Context, s Session) (int, error) {
	n, err := a.Store.Reader().UnreadNotices(ctx, s.Customer)
	return int(n), err
}

// InboxOfToken is the newest notices for the customer of a token, signed by the issuer: the app shows what it has verified and nothing else. It tells of no code, and marks nothing as read.
func (a *Authority) InboxOfToken(ctx context.Context, p Proof) (string, error) {
	row, now, err := a.prove(ctx, p)
	if err != nil {
		return "", err
	}
	if a.Word == nil || !owes(store.Token(row).ShownState(now)) {
		return "", problem.New(problem.TokenNone)
	}
	found, older, err := a.notices(ctx, row.Customer, "")
	if err != nil {
		return "", err
	}
	in := signing.Inbox{Issuer: a.Bank.TokenOrigin, Token: row.ID, Proof: signing.Hash(p.DPoP), Time: now, More: older != ""}
	for _, n := range found {
		in.Notices = append(in.Notices, signing.InboxNotice{ID: n.ID, Time: n.At, JA: a.inboxText("ja", n), EN: a.inboxText("en", n)})
	}
	return signing.MakeInbox(in, a.Keys.Issuer().Kid, a.Keys.SignIssuer)
}

// inboxText is a notice in one language, without signs that no signed text may have: a name that she chose herself can hold some.
func (a *Authority) inboxText(lang string, n Notice) signing.InboxText {
	plain := func(s string) string {
		return norm.NFC.String(strings.Map(func(r rune) rune {
			if !unicode.IsPrint(r) && r != '\u3000' {
				return ' '
			}
			return r
		}, strings.ToValidUTF8(s, " ")))
	}
	title, text := a.Word(lang, n.Topic, n.Values)
	out := signing.InboxText{Title: plain(title)}
	for _, lines := range text {
		clean := make([]string, len(lines))
		for i, l := range lines {
			clean[i] = plain(l)
		}
		out.Text = append(out.Text, clean)
	}
	return out
}
