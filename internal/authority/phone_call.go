package authority

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/phone"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// eventSkew is how far the time of an event may be from ours. One that came before is known for as long.
const eventSkew = 5 * time.Minute

// PhoneEvent takes what has happened to a call from whoever carries it, and says what is to be done in the call. An event that comes again is answered again and changes nothing more; one of a call
// whose check is over changes nothing at all.
func (a *Authority) PhoneEvent(ctx context.Context, by audit.Actor, e phone.Happened) (reply phone.Reply, err error) {
	if a.Telephone == nil || a.Speak == nil {
		return reply, problem.New(problem.PhoneOff)
	}
	now, err := a.moment()
	if err != nil {
		return reply, err
	}
	if by.Kind == audit.Staff { // what came of her own call she says at the console
		return reply, a.writeRefusal(ctx, &deed{a: a, now: now, by: by, action: audit.PhoneEvent}, problem.New(problem.Forbidden))
	}
	if e.ID == "" || len(e.ID) > 200 || len(e.Call) > 200 || len(e.From) > 64 || len(e.Digits) > 64 || e.At.Sub(now).Abs() > eventSkew {
		return reply, problem.New(problem.Malformed, "field", "event")
	}
	if e.Kind == phone.CallIncoming {
		return a.incoming(ctx, by, e)
	}
	if ident.Check(ident.PhoneCheck, e.Call) != nil {
		return reply, problem.New(problem.NotFound)
	}
	err = a.do(ctx, by, audit.PhoneEvent, func(ctx context.Context, d *deed) error {
		reply = phone.Reply{}
		row, err := d.PhoneCheckByID(ctx, e.Call)
		if errors.Is(err, store.ErrNone) {
			return problem.New(problem.NotFound)
		}
		if err != nil {
			return err
		}
		d.on(row.Customer, row.Object)
		d.detail = map[string]string{"way": row.Way, "check": row.ID, "event": string(e.Kind)}
		reply.Language = row.Language
		if row.Way != string(phone.CallOut) && row.Way != string(phone.CallKeys) {
			return problem.New(problem.NotFound) // no call of ours
		}
		switch e.Kind {
		case phone.CallAnswered:
			return d.picksUp(ctx, row, &reply)
		case phone.CallDigits:
			return d.digits(ctx, by, row, e, &reply)
		case phone.CallEnded:
			return d.hungUp(ctx, row)
		case phone.CallFailed: // a second call of the same check may find the line busy while the first is being answered
			if s := phoneState(row, d.now); s == phone.Waiting || s == phone.Ringing {
				return d.failPhone(ctx, row, phone.Unanswered)
			}
			return nil
		}
		return problem.New(problem.Malformed, "field", "event")
	})
	if k := problem.KindOf(err); len(reply.Say) > 0 && (k == problem.PhoneRefused || k == problem.FactorBlocked) {
		err = nil // the wrong digits are counted and written down; the network is told what to say next
	}
	return reply, err
}

// purposeOf is what a check is for, as a voice says it.
func purposeOf(object string) string {
	if ident.Check(ident.Reissue, object) == nil {
		return "reissue"
	}
	return "other"
}

// picksUp has the voice say what the call is for, and then the code, or ask for the digits. Whoever picks up a call that is over hears that.
func (d *deed) picksUp(ctx context.Context, row db.PhoneCheck, reply *phone.Reply) error {
	if slices.Contains(phone.Final, phoneState(row, d.now)) {
		return d.say(reply, "call.over", row, true)
	}
	if row.State != string(phone.Answered) {
		to, ok := phone.Life.Next(phone.State(row.State), phone.Answer)
		if !ok {
			return store.ErrConflict
		}
		if err := store.Must(d.MovePhoneCheck(ctx, db.MovePhoneCheckParams{ID: row.ID, State: string(to), Was: row.State})); err != nil {
			return err
		}
	}
	if row.Way == string(phone.CallKeys) {
		reply.Gather = phone.CodeDigits
		return d.say(reply, "call.keys", row, false)
	}
	code, err := d.a.phoneCode(row)
	if err != nil {
		return err
	}
	reply.HangUp = true
	reply.Say, err = d.a.spoken(row.Language, "call.code", map[string]string{"purpose": purposeOf(row.Object), "code": spelled(row.Language, code)})
	return err
}

// spelled writes a code so that a voice reads it digit by digit, with a pause in the middle.
func spelled(language, code string) string {
	gap, pause := "、", "。"
	if language == "en" {
		gap, pause = ", ", "; "
	}
	half := len(code) / 2
	return strings.Join(strings.Split(code[:half], ""), gap) + pause + strings.Join(strings.Split(code[half:], ""), gap)
}

// say fills a reply with the words of a topic.
func (d *deed) say(reply *phone.Reply, topic string, row db.PhoneCheck, hangUp bool) (err error) {
	reply.HangUp = hangUp
	reply.Say, err = d.a.spoken(row.Language, topic, map[string]string{"purpose": purposeOf(row.Object)})
	return err
}

// digits takes what was typed on the telephone's keys. Each event is looked at once: one that comes again must not cost another try.
func (d *deed) digits(ctx context.Context, by audit.Actor, row db.PhoneCheck, e phone.Happened, reply *phone.Reply) error {
	if row.Way != string(phone.CallKeys) {
		return problem.New(problem.NotFound)
	}
	proof := sha256.Sum256([]byte("phone event\x00" + by.ID + "\x00" + e.ID))
	first, err := store.Once(d.UseProof(ctx, db.UseProofParams{ID: proof[:], ExpiresAt: store.Micros(d.now.Add(2 * eventSkew))}))
	if err != nil {
		return err
	}
	again := func() error {
		reply.Gather = phone.CodeDigits
		return d.say(reply, "call.again", row, false)
	}
	switch state := phoneState(row, d.now); {
	case state == phone.Proved:
		return d.say(reply, "call.done", row, true)
	case slices.Contains(phone.Final, state):
		return d.say(reply, "call.over", row, true)
	case !first || e.Digits == "": // nothing was typed in time
		return again()
	}
	err = d.tryPhoneCode(ctx, row, e.Digits)
	if err == nil {
		err = d.kept
	}
	switch problem.KindOf(err) {
	case problem.PhoneRefused:
		return again()
	case problem.FactorBlocked, problem.PhoneOver:
		return d.say(reply, "call.over", row, true)
	}
	if err != nil {
		return err
	}
	return d.say(reply, "call.done", row, true)
}

// hungUp ends what can no longer be passed: a call that nobody answered, or in which digits were to be typed. Whoever has heard her code hangs up and types it.
func (d *deed) hungUp(ctx context.Context, row db.PhoneCheck) error {
	switch s := phoneState(row, d.now); {
	case s == phone.Waiting || s == phone.Ringing:
		return d.failPhone(ctx, row, phone.Unanswered)
	case s == phone.Answered && row.Way == string(phone.CallKeys):
		return d.failPhone(ctx, row, phone.HungUp)
	}
	return nil
}

// incoming matches a call by the number that it comes from and a check that waits for it. A forged number without an open check finds nothing.
func (a *Authority) incoming(ctx context.Context, by audit.Actor, e phone.Happened) (reply phone.Reply, err error) {
	reply = phone.Reply{Language: "ja", HangUp: true}
	none := "call.unknown"
	topic, language := none, ""
	if e.Call == "" {
		return reply, problem.New(problem.Malformed, "field", "call")
	}
	number, parseErr := phone.Parse(e.From)
	if strings.TrimSpace(e.From) == "" {
		none = "call.withheld"
	}
	err = a.do(ctx, by, audit.PhoneEvent, func(ctx context.Context, d *deed) error {
		topic, language = none, "" // this may run more than once
		d.detail = map[string]string{"event": string(e.Kind), "matched": "no"}
		if parseErr != nil {
			return nil
		}
		row, err := d.WaitingOnNumber(ctx, a.phoneMAC(number))
		if errors.Is(err, store.ErrNone) { // the same call may have been told of before
			if row, err = d.ProvedByCall(ctx, db.ProvedByCallParams{NumberMac: a.phoneMAC(number), Call: e.Call}); err == nil {
				topic, language = "call.matched", row.Language
				d.on(row.Customer, row.Object)
				d.detail["matched"] = "before"
				return nil
			}
		}
		if errors.Is(err, store.ErrNone) {
			return nil
		}
		if err != nil {
			return err
		}
		if slices.Contains(phone.Final, phoneState(row, d.now)) || row.CreatedAt <= d.fence(ctx) {
			return nil
		}
		d.on(row.Customer, row.Object)
		c, err := d.CustomerByID(ctx, row.Customer)
		if err != nil {
			return err
		}
		at, err := d.AttemptOf(ctx, db.AttemptOfParams{Customer: row.Customer, Factor: string(phoneFactor), Lane: ""})
		if err != nil && !errors.Is(err, store.ErrNone) {
			return err
		}
		if now, err := phone.Parse(c.Phone); err != nil || now != number {
			return d.failPhone(ctx, row, phone.Changed)
		}
		if store.Time(at.BlockedUntil).After(d.now) {
			return d.failPhone(ctx, row, phone.Tries)
		}
		topic, language = "call.matched", row.Language
		d.detail["matched"] = "yes"
		return d.endPhone(ctx, row, phone.Prove, "", e.Call)
	})
	if err != nil {
		return reply, err
	}
	reply.Matched = topic == "call.matched"
	languages := []string{"ja", "en"} // whoever calls unknown may speak either
	if language != "" {
		reply.Language, languages = language, []string{language}
	}
	for _, l := range languages {
		said, err := a.spoken(l, topic, nil)
		if err != nil {
			return reply, err
		}
		reply.Say = append(reply.Say, said...)
	}
	return reply, nil
}

// deliverPhone places a call or sends a short message, if the check is still open and its number still the one on file.
func (a *Authority) deliverPhone(ctx context.Context, row db.Outbox, now time.Time) error {
	check, err := a.Store.Reader().PhoneCheckByID(ctx, row.Address)
	if err != nil {
		return err
	}
	if check.State != string(phone.Waiting) || !store.Time(check.ExpiresAt).After(now) { // one that rings already was placed, and the answer to that was lost
		return a.endDelivery(ctx, row, now, "dropped", "over")
	}
	c, err := a.Store.Reader().CustomerByID(ctx, check.Customer)
	if err != nil {
		return err
	}
	number, err := phone.Parse(c.Phone)
	if err != nil || !slices.Equal(a.phoneMAC(number), check.NumberMac) {
		return a.phoneUnreached(ctx, row, now, check, phone.Changed)
	}
	if a.Telephone == nil {
		return a.retryDelivery(ctx, row, now)
	}
	sendCtx, cancel := context.WithTimeout(ctx, deliverLease-5*time.Second)
	defer cancel()
	expires := store.Time(check.ExpiresAt)
	if row.Topic == callTopic {
		err = a.Telephone.PlaceCall(sendCtx, phone.Call{ID: check.ID, To: number, Expires: expires})
	} else {
		code, failed := a.phoneCode(check)
		if failed != nil {
			return a.endDelivery(ctx, row, now, "dead", "unreadable")
		}
		text, failed := a.Speak(check.Language, "sms", map[string]string{"purpose": purposeOf(check.Object), "code": code, "minutes": strconv.Itoa(int(a.Rules().PhoneCodeLife / time.Minute))})
		if failed != nil {
			a.Log.Error("composing a short message", "err", failed)
			return a.endDelivery(ctx, row, now, "dead", "no words")
		}
		err = a.Telephone.SendMessage(sendCtx, phone.Message{ID: check.ID, To: number, Text: text, Expires: expires})
	}
	switch {
	case err == nil:
		return a.do(ctx, audit.Actor{Kind: audit.Server}, audit.PhoneEvent, func(ctx context.Context, d *deed) error {
			d.on(check.Customer, check.Object)
			d.detail = map[string]string{"way": check.Way, "check": check.ID, "event": "placed"}
			to, _ := phone.Life.Next(phone.Waiting, phone.Place)
			_, err := d.MovePhoneCheck(ctx, db.MovePhoneCheckParams{ID: check.ID, State: string(to), Was: string(phone.Waiting)}) // somebody may have answered already
			if err != nil {
				return err
			}
			_, err = d.EndOutbox(ctx, db.EndOutboxParams{ID: row.ID, State: "sent", EndedAt: store.Micros(now), Tries: row.Tries, Sealed: []byte{}})
			return err
		})
	case errors.Is(err, phone.ErrUnreached):
		return a.phoneUnreached(ctx, row, now, check, phone.Unreached)
	}
	return a.retryDelivery(ctx, row, now)
}

// phoneUnreached ends a check whose call or message can never arrive, so that its page says so at once.
func (a *Authority) phoneUnreached(ctx context.Context, row db.Outbox, now time.Time, check db.PhoneCheck, why phone.Reason) error {
	return a.do(ctx, audit.Actor{Kind: audit.Server}, audit.PhoneEvent, func(ctx context.Context, d *deed) error {
		d.on(check.Customer, check.Object)
		d.detail = map[string]string{"way": check.Way, "check": check.ID, "event": string(why)}
		if _, err := d.EndOutbox(ctx, db.EndOutboxParams{ID: row.ID, State: "dead", EndedAt: store.Micros(now), Reason: string(why), Tries: row.Tries, Sealed: []byte{}}); err != nil {
			return err
		}
		current, err := d.PhoneCheckByID(ctx, check.ID)
		if err != nil || slices.Contains(phone.Final, phone.State(current.State)) {
			return err
		}
		return d.failPhone(ctx, current, why)
	})
}
