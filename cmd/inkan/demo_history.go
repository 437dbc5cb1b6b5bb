package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/incident"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// historyDays is how far back the made-up history goes.
const historyDays = 32

// seedHistory gives the demo a month of history before it was started: what customers and staff did, and some incidents. It is made up, always the same, and about the customers and members of the demo only. staff are the
// identifiers of its members by what they are called in their links. The figures of the days are then counted from it as from any trail; only in which months tokens end is made up with it, because there are none yet.
func seedHistory(ctx context.Context, s *store.Store, staff map[string]string, now time.Time) error {
	h := &pastDays{staff: staff, now: now.UTC().Truncate(time.Millisecond)}
	for _, p := range seeds()[1:] {
		c, err := s.Reader().CustomerByLoginID(ctx, p.LoginID)
		if err != nil {
			return err
		}
		h.customers = append(h.customers, c.ID)
	}
	for day := -historyDays; day <= 0; day++ {
		h.day(day)
	}
	h.entries = slices.DeleteFunc(h.entries, func(e audit.Entry) bool { return !e.At.Before(h.now.Add(-5 * time.Minute)) })
	return s.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		return errors.Join(tx.RecordAll(ctx, h.entries), h.incidents(ctx, tx), h.visits(ctx, tx), h.ending(ctx, tx))
	})
}

// pastDays makes the history up.
type pastDays struct {
	staff     map[string]string
	customers []string
	now       time.Time
	entries   []audit.Entry
	dice      uint64
}

// roll is the next number below n: always the same ones.
func (h *pastDays) roll(n int) int {
	h.dice = h.dice*6364136223846793005 + 1442695040888963407
	return int(h.dice >> 33 % uint64(n)) //nolint:gosec // below n
}

// id makes an identifier of a moment.
func (h *pastDays) id(kind string, at time.Time) string {
	var r [10]byte
	h.roll(2)
	binary.BigEndian.PutUint64(r[:], h.dice)
	h.roll(2)
	binary.BigEndian.PutUint64(r[2:], h.dice)
	return ident.New(kind, at, r)
}

// at is a moment of a day before today, at that hour of Japan.
func (h *pastDays) at(day, hour, minute int) time.Time {
	local := h.now.In(time.FixedZone("JST", 9*60*60))
	return time.Date(local.Year(), local.Month(), local.Day()+day, hour, minute, h.roll(60), 0, local.Location()).UTC()
}

// puts adds an entry. why is the kind of a refusal; details come in pairs.
func (h *pastDays) puts(at time.Time, by audit.Actor, action audit.Action, customer, object string, why problem.Kind, details ...string) {
	e := audit.Entry{ID: h.id(ident.Entry, at), At: at, Actor: by, Action: action, Customer: customer, Object: object, Outcome: audit.Done, Reason: string(why)}
	if why != "" {
		e.Outcome = audit.Refused
	}
	if len(details) > 0 {
		e.Detail = map[string]string{}
		for i := 0; i+1 < len(details); i += 2 {
			e.Detail[details[i]] = details[i+1]
		}
	}
	h.entries = append(h.entries, e)
}

// browser is where a customer usually sits.
func (h *pastDays) browser(n int) audit.Actor {
	return audit.Actor{Kind: audit.Customer, ID: h.customers[n], Device: []string{"Windows / Chrome", "iPhone / Safari", "Android / Chrome", "macOS / Safari"}[n%4], Source: fmt.Sprintf("203.0.113.%d/24", 0)}
}

// member is a colleague at her desk.
func (h *pastDays) member(path string) audit.Actor {
	return audit.Actor{Kind: audit.Staff, ID: h.staff[path], Device: "Windows / Edge", Source: "198.51.100.0/24"}
}

// sprayDay is the day on which somebody tried codes at many customers.
const sprayDay = -9

// day makes up one day.
func (h *pastDays) day(day int) {
	weekday := h.at(day, 12, 0).In(time.FixedZone("JST", 9*60*60)).Weekday()
	busy := 34
	if weekday == time.Saturday || weekday == time.Sunday {
		busy = 16
	}
	busy += h.roll(10) + (day+historyDays)/3
	for range busy {
		h.visit(day, h.roll(len(h.customers)))
	}
	if day == sprayDay {
		for i := range 90 {
			h.puts(h.at(day, 3, i%5), audit.Actor{Kind: audit.Bank, ID: "reference-bank"}, audit.OTPVerify, h.customers[i%len(h.customers)], "", problem.OTPWrong)
		}
	}
	if (day+historyDays)%4 == 1 { // an application and what becomes of it
		n := h.roll(len(h.customers))
		who, at, enr := h.browser(n), h.at(day, 10, h.roll(50)), ""
		enr = h.id(ident.Enrolment, at)
		h.puts(at, who, audit.TokenApply, who.ID, enr, "")
		switch ends := (day + historyDays) / 4 % 6; {
		case ends == 0:
			h.puts(at.Add(24*time.Hour), audit.Actor{Kind: audit.Clock}, audit.EnrolmentExpire, who.ID, enr, "")
		case ends == 1:
			h.puts(at.Add(7*time.Minute), who, audit.TokenCancel, who.ID, enr, "")
		default:
			h.puts(at.Add(4*time.Minute), audit.Actor{Kind: audit.Stranger, Device: who.Device, Source: who.Source}, audit.TokenRegister, who.ID, h.id(ident.Token, at), "", "platform", who.Device, "by", "qr", "purpose", "first")
			if ends > 2 {
				h.puts(at.Add(9*time.Minute), who, audit.TokenStart, who.ID, "", "")
			}
		}
	}
	h.office(day, weekday)
}

// visit is a log-in and what she did then.
func (h *pastDays) visit(day, n int) {
	who := h.browser(n)
	at := h.at(day, 7+h.roll(15), h.roll(60))
	stranger := audit.Actor{Kind: audit.Stranger, Device: who.Device, Source: who.Source}
	channel := "pc"
	if n%4 == 1 || n%4 == 2 {
		channel = "smartphone"
	}
	switch kind := h.roll(100); {
	case kind < 34+(day+historyDays)/2: // passkeys become more
		h.puts(at, stranger, audit.LoginPasskey, who.ID, "", "", "channel", channel)
	case kind < 90:
		if h.roll(12) == 0 {
			h.puts(at.Add(-40*time.Second), stranger, audit.LoginPassword, who.ID, "", problem.LoginRefused, "channel", channel)
		}
		h.puts(at, stranger, audit.LoginPassword, who.ID, "", "", "channel", channel)
		if h.roll(9) == 0 {
			h.puts(at.Add(8*time.Second), who, audit.LoginOTP, who.ID, "", problem.OTPWrong)
		}
		if h.roll(40) == 0 {
			h.puts(at.Add(12*time.Second), who, audit.LoginOTP, who.ID, "", problem.OTPUsed)
		}
		h.puts(at.Add(15*time.Second), who, audit.LoginOTP, who.ID, "", "")
	default:
		h.puts(at, stranger, audit.LoginPassword, who.ID, "", "", "channel", channel, "level", "full")
	}
	if h.roll(3) > 0 {
		return
	}
	bank, phone := audit.Actor{Kind: audit.Bank, ID: "reference-bank"}, audit.Actor{Kind: audit.Token, ID: h.id(ident.Token, h.now), Device: "iPhone / Safari", Source: "203.0.113.0/24"}
	txn := h.id(ident.Transaction, at)
	h.puts(at.Add(2*time.Minute), bank, audit.TransactionCreate, who.ID, txn, "")
	answer := "approve"
	if r := h.roll(60); r == 0 {
		answer = "report"
	} else if r < 5 {
		answer = "reject"
	}
	h.puts(at.Add(3*time.Minute), phone, audit.TransactionDecide, who.ID, txn, "", "answer", answer, "template", "transfer", "verification", "webauthn")
	if answer == "approve" {
		h.puts(at.Add(3*time.Minute+2*time.Second), bank, audit.TransactionConsume, who.ID, txn, "", "grade", "A")
	}
}

// office is what staff did on a working day.
func (h *pastDays) office(day int, weekday time.Weekday) {
	if weekday == time.Saturday || weekday == time.Sunday || day == 0 {
		return
	}
	for i, who := range []string{"clerk", "checker", "fraud", "supervisor", "auditor"} {
		h.puts(h.at(day, 8, 40+3*i), h.member(who), audit.StaffLogin, "", h.staff[who], "")
	}
	items := []string{"otp_lock", "token_revoke", "downloads", "phone"}
	for i := range 1 + h.roll(4) {
		customer, at := h.customers[h.roll(len(h.customers))], h.at(day, 9+i, h.roll(50))
		rel, branch, item := h.id(ident.Release, at), []string{"101", "101", "205"}[h.roll(3)], items[h.roll(len(items))]
		facts := []string{"branch", branch, "items", item}
		h.puts(at, h.member("clerk"), audit.CustomerLook, customer, "", "", "by", "account")
		h.puts(at.Add(time.Minute), h.member("clerk"), audit.ReleaseReceive, customer, rel, "", facts...)
		h.puts(at.Add(4*time.Minute), h.member("clerk"), audit.ReleaseSubmit, customer, rel, "", facts...)
		switch h.roll(7) {
		case 0:
			h.puts(at.Add(20*time.Minute), h.member("checker"), audit.ReleaseReturn, customer, rel, "", facts...)
		case 1:
			h.puts(at.Add(25*time.Minute), h.member("checker"), audit.ReleaseDecline, customer, rel, "", facts...)
		default:
			h.puts(at.Add(18*time.Minute), h.member("checker"), audit.ReleaseGrant, customer, rel, "", facts...)
		}
	}
	if h.roll(3) == 0 {
		h.puts(h.at(day, 14, 10), h.member("clerk"), audit.CustomerReveal, h.customers[h.roll(len(h.customers))], "", "", "field", "phone")
	}
	if h.roll(9) == 0 {
		customer := h.customers[h.roll(len(h.customers))]
		h.puts(h.at(day, 15, 5), h.member("supervisor"), audit.OrderCarry, customer, h.id(ident.Order, h.now), "")
		h.puts(h.at(day, 15, 5), h.member("supervisor"), audit.ServiceRestart, customer, "", "")
	}
	if h.roll(12) == 0 {
		h.puts(h.at(day, 16, 30), h.member("checker"), audit.OrderCarry, "", h.id(ident.Order, h.now), problem.OrderOwn)
	}
}

// incidents are some that were looked at, and some that wait.
func (h *pastDays) incidents(ctx context.Context, tx *store.Tx) error {
	her, him, third := h.customers[3], h.customers[4], h.customers[5]
	abroad := map[string]string{"source": "192.0.2.0/24", "device": "Linux / Chrome"}
	with := func(pairs ...string) map[string]string {
		out := map[string]string{}
		for k, v := range abroad {
			out[k] = v
		}
		for i := 0; i+1 < len(pairs); i += 2 {
			out[pairs[i]] = pairs[i+1]
		}
		return out
	}
	for _, i := range []struct {
		day, hour        int
		kind             incident.Kind
		customer, object string
		detail           map[string]string
		taker            string
		outcome          incident.Outcome
		note             string
	}{
		{-21, 11, incident.Objection, third, third, with("by", "notice", "notice", "passkey_registered"), "fraud", incident.Protected, "お客さまに電話で確認。心当たりのないパスキーの登録。停止のうえ、窓口での再開をご案内。"},
		{sprayDay, 3, incident.Breaker, "", "bank", map[string]string{"wrong": "212", "right": "61", "share": "77%"}, "fraud", incident.Protected, "リスト型の攻撃。成立した件はなし。送信元を記録し、警察に相談。"},
		{-6, 14, incident.Passkey, him, h.id(ident.Passkey, h.at(-6, 14, 0)), with("why", "counter"), "fraud", incident.FalseAlarm, "古いセキュリティキーの不具合。お客さまに再登録をご案内。"},
		{-2, 20, incident.Duplicate, him, him, with("first_act", string(audit.LoginOTP), "first_source", "203.0.113.0/24", "first_device", "Windows / Chrome", "first_at", h.at(-2, 20, 2).Format(time.RFC3339), "act", string(audit.LoginOTP)), "fraud", "", "ご本人に折り返しの電話を依頼中。"},
		{-1, 9, incident.Altered, her, h.id(ident.Transaction, h.at(-1, 9, 0)), map[string]string{"field": "payee.account", "state": "approved"}, "", "", ""},
		{-1, 22, incident.Reported, her, h.id(ident.Transaction, h.at(-1, 22, 0)), with("template", "transfer", "reason", "told_by_phone"), "", "", ""},
	} {
		at := h.at(i.day, i.hour, 15)
		id := h.id(ident.Incident, at)
		words, err := json.Marshal(i.detail)
		if err != nil {
			return err
		}
		if _, err := tx.OpenIncident(ctx, db.OpenIncidentParams{ID: id, Kind: string(i.kind), Object: i.object, Customer: i.customer, Place: fmt.Sprintf("%d%s", i.kind.Urgency(), id), Detail: string(words), OpenedAt: store.Micros(at)}); err != nil {
			return err
		}
		put := func(after time.Duration, by audit.Actor, action audit.Action, details ...string) error {
			e := audit.Entry{ID: h.id(ident.Entry, at.Add(after)), At: at.Add(after), Actor: by, Action: action, Customer: i.customer, Object: id, Outcome: audit.Done, Detail: map[string]string{"kind": string(i.kind)}}
			for j := 0; j+1 < len(details); j += 2 {
				e.Detail[details[j]] = details[j+1]
			}
			return tx.Record(ctx, e)
		}
		if err := put(0, audit.Actor{Kind: audit.Server}, audit.IncidentOpen); err != nil {
			return err
		}
		if i.kind == incident.Reported {
			_, err := tx.StopTransfers(ctx, db.StopTransfersParams{ID: i.customer, TransfersStoppedAt: store.Micros(at)})
			if err := errors.Join(err, put(0, audit.Actor{Kind: audit.Server}, audit.TransfersStop)); err != nil {
				return err
			}
		}
		if i.taker == "" {
			continue
		}
		taken, closed := at.Add(12*time.Minute), at.Add(95*time.Minute)
		_, err = tx.TakeIncident(ctx, db.TakeIncidentParams{ID: id, Taker: h.staff[i.taker], TakenAt: store.Micros(taken)})
		err = errors.Join(err, put(12*time.Minute, h.member(i.taker), audit.IncidentTake), tx.InsertIncidentNote(ctx, db.InsertIncidentNoteParams{ID: h.id(ident.IncidentNote, closed), Incident: id, Staff: h.staff[i.taker], At: store.Micros(closed), Words: i.note}))
		if err == nil && i.outcome != "" {
			_, err = tx.CloseIncident(ctx, db.CloseIncidentParams{ID: id, Outcome: string(i.outcome), ClosedAt: store.Micros(closed), Taker: h.staff[i.taker]})
			err = errors.Join(err, put(95*time.Minute, h.member(i.taker), audit.IncidentClose, "outcome", string(i.outcome)))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// visits are log-ins of other customers from the network that the incidents of the last days speak of; they ended long ago.
func (h *pastDays) visits(ctx context.Context, tx *store.Tx) error {
	for i, day := range []int{-2, -2, -1} {
		at := h.at(day, 19+i, 30)
		id := h.id(ident.Session, at)
		err := tx.InsertSession(ctx, db.InsertSessionParams{Hash: []byte(strings.Repeat("demo", 7) + fmt.Sprintf("%04d", i)), ID: id, Chain: id, Customer: h.customers[7+i], Level: "full", Amr: "pwd otp", Channel: "pc", Device: "Linux / Chrome", Source: "192.0.2.0/24",
			AuthAt: store.Micros(at), CreatedAt: store.Micros(at), ExpiresAt: store.Micros(at.Add(time.Hour))})
		if err != nil {
			return err
		}
	}
	return nil
}

// ending makes up in which months tokens end, for today; the day after it is counted, and there are as many as there are.
func (h *pastDays) ending(ctx context.Context, tx *store.Tx) error {
	local := h.now.In(time.FixedZone("JST", 9*60*60))
	for m := range 37 {
		first := time.Date(local.Year(), local.Month()+time.Month(m), 1, 0, 0, 0, 0, local.Location())
		if err := tx.SetFigure(ctx, db.SetFigureParams{Name: string(authority.TokensEnding), Day: first.Format(time.DateOnly), Count: int64(3 + m/3 + h.roll(9))}); err != nil {
			return err
		}
	}
	return tx.SetFigure(ctx, db.SetFigureParams{Name: string(authority.TokensCounted), Day: authority.DayOf(h.now), Count: 1})
}
