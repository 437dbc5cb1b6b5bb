package authority_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/password"
	"github.com/inkan-auth/inkan/internal/domain/phone"
	"github.com/inkan-auth/inkan/internal/domain/policy"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// callers are customers with telephone numbers of their own.
type callers struct {
	*testkit.World
	n int
}

var aStranger = audit.Actor{Kind: audit.Stranger, Device: "Windows / Chrome", Source: "192.0.2.0/24"}

// aHash is a password's that no test of these types: hashing is slow on purpose.
var aHash = sync.OnceValue(func() string {
	return "$argon2id" + strings.TrimPrefix(password.Hash([]byte("tsubame-kaeru-4"), [16]byte{1}, password.Default, func(p []byte) []byte { return p }), "$inkan-argon2id")
})

// caller adds a customer with a number on file.
func (w *callers) caller(number string) (customerID string) {
	w.T.Helper()
	w.n++
	ref := fmt.Sprintf("0101-1-22%05d", w.n)
	fine(w.T, w.ImportCustomer(w.T.Context(), authority.NewCustomer{Ref: ref, LoginID: fmt.Sprintf("caller%03d", w.n), LoginPasswordHash: aHash(), ConfirmPasswordHash: aHash(), Name: "山田 花子",
		Kana: "ヤマダ ハナコ", Mail: fmt.Sprintf("caller%d@mail.example.jp", w.n), Phone: number, Branch: "101", AccountType: "普通", AccountNumber: fmt.Sprintf("22%05d", w.n), KeepPasswords: true}))
	c, err := w.Store.Reader().CustomerByRef(w.T.Context(), ref)
	fine(w.T, err)
	return c.ID
}

// object is the name of a re-issue that never was.
func (w *callers) object() string {
	w.n++
	return ident.New(ident.Reissue, w.Clock.Now(), [10]byte{byte(w.n >> 8), byte(w.n)})
}

func (w *callers) begin(customerID, object string, way phone.Way) authority.PhoneCheck {
	w.T.Helper()
	c, err := w.BeginPhone(w.T.Context(), aStranger, customerID, object, way, "ja")
	if err != nil {
		w.T.Fatalf("beginning %s: %v", way, err)
	}
	if _, err := w.DeliverDue(w.T.Context()); err != nil {
		w.T.Fatal(err)
	}
	return c
}

func (w *callers) state(object string) authority.PhoneCheck {
	w.T.Helper()
	c, err := w.PhoneCheckOf(w.T.Context(), object)
	fine(w.T, err)
	return c
}

func (w *callers) is(what, object string, state phone.State, why phone.Reason) {
	w.T.Helper()
	if c := w.state(object); c.State != state || c.Reason != why {
		w.T.Errorf("%s: %s %q, want %s %q", what, c.State, c.Reason, state, why)
	}
	at, ok, err := w.PhoneProved(w.T.Context(), object, w.Clock.Now().Add(-time.Hour))
	if err != nil || ok != (state == phone.Proved) || ok && at.IsZero() {
		w.T.Errorf("%s: proved at %v, %v, %v in state %s", what, at, ok, err, state)
	}
}

// code reads a code out of what was said, or out of a message.
func code(t testing.TB, said string) string {
	t.Helper()
	_, values, ok := strings.Cut(said, "{")
	var v map[string]string
	if !ok || json.Unmarshal([]byte("{"+strings.Split(values, "\n")[0]), &v) != nil || v["code"] == "" {
		t.Fatalf("no code in %q", said)
	}
	return strings.NewReplacer("、", "", "。", "", ", ", "", "; ", "").Replace(v["code"])
}

func wrong(code string) string {
	if code[0] == '0' {
		return "1" + code[1:]
	}
	return "0" + code[1:]
}

func eachCaller(t *testing.T, f func(t *testing.T, w *callers)) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) { f(t, &callers{World: w}) })
}

func TestEachWayProvesTheTelephone(t *testing.T) {
	eachCaller(t, func(t *testing.T, w *callers) {
		ctx := t.Context()
		id := w.caller("090-1234-5678")
		offer, err := w.PhoneWays(ctx, id)
		if err != nil || offer.Refusal != nil || !slices.Equal(offer.Ways, phone.Ways) || offer.Masked != "*******5678" || offer.Dial != testkit.Dial {
			t.Fatalf("PhoneWays = %+v, %v", offer, err)
		}
		// a message
		o := w.object()
		if c := w.begin(id, o, phone.SMS); c.Expires.Sub(w.Clock.Now()) != 10*time.Minute || c.Masked != "*******5678" || c.TriesLeft != 3 || c.Digits != "" {
			t.Errorf("a message: %+v", c)
		}
		w.is("a message that has left", o, phone.Ringing, "")
		m := w.Line.Messages()
		if len(m) != 1 || m[0].To != "09012345678" || !strings.Contains(m[0].Text, "reissue") {
			t.Fatalf("messages: %+v", m)
		}
		want(t, "a wrong code", w.ProvePhone(ctx, aStranger, o, wrong(code(t, m[0].Text))), problem.PhoneRefused)
		fine(t, w.ProvePhone(ctx, aStranger, o, code(t, m[0].Text)))
		w.is("a message", o, phone.Proved, "")
		fine(t, w.ProvePhone(ctx, aStranger, o, code(t, m[0].Text))) // the answer was lost
		if c := w.state(o); c.TriesLeft != 3 {
			t.Errorf("tries are not given back: %+v", c)
		}
		// a call with a voice
		w.Clock.Move(time.Hour)
		o = w.object()
		c := w.begin(id, o, phone.CallOut)
		w.is("a call", o, phone.Ringing, "")
		if calls := w.Line.Calls(); len(calls) != 1 || calls[0].ID != c.ID || calls[0].To != "09012345678" {
			t.Fatalf("calls: %+v", calls)
		}
		said, r, err := w.Happens(phone.Happened{Kind: phone.CallAnswered, Call: c.ID})
		if err != nil || !r.HangUp || r.Gather != 0 || r.Language != "ja" || !strings.Contains(said, "ja call.code") {
			t.Fatalf("answered: %q %+v %v", said, r, err)
		}
		w.is("an answered call", o, phone.Answered, "")
		_, _, err = w.Happens(phone.Happened{Kind: phone.CallEnded, Call: c.ID})
		fine(t, err)
		w.is("after she has hung up", o, phone.Answered, "")
		fine(t, w.ProvePhone(ctx, aStranger, o, code(t, said)))
		w.is("a call", o, phone.Proved, "")
		// a call without hearing
		o = w.object()
		c = w.begin(id, o, phone.CallKeys)
		if len(c.Digits) != phone.CodeDigits {
			t.Fatalf("nothing to type: %+v", c)
		}
		want(t, "the digits of the page, on the page", w.ProvePhone(ctx, aStranger, o, c.Digits), problem.PhoneOver)
		said, r, err = w.Happens(phone.Happened{Kind: phone.CallAnswered, Call: c.ID})
		if err != nil || r.HangUp || r.Gather != 6 || strings.Contains(said, c.Digits) {
			t.Fatalf("answered: %q %+v %v", said, r, err)
		}
		if said, r, err = w.Happens(phone.Happened{Kind: phone.CallDigits, Call: c.ID, Digits: wrong(c.Digits)}); err != nil || r.Gather != 6 || !strings.Contains(said, "call.again") {
			t.Fatalf("wrong digits: %q %+v %v", said, r, err)
		}
		if said, r, err = w.Happens(phone.Happened{Kind: phone.CallDigits, Call: c.ID, Digits: c.Digits}); err != nil || !r.HangUp || !strings.Contains(said, "call.done") {
			t.Fatalf("right digits: %q %+v %v", said, r, err)
		}
		w.is("keys", o, phone.Proved, "")
		if c := w.state(o); c.Digits != "" {
			t.Errorf("digits are shown after the end: %+v", c)
		}
		// her own call
		o = w.object()
		if c = w.begin(id, o, phone.CallIn); c.Dial != testkit.Dial || c.Expires.Sub(w.Clock.Now()) != 3*time.Minute {
			t.Errorf("calling in: %+v", c)
		}
		if said, r, err = w.Happens(phone.Happened{Kind: phone.CallIncoming, Call: "carrier-1", From: "+81 90-1234-5678"}); err != nil || !r.Matched || !strings.Contains(said, "ja call.matched") || strings.Contains(said, "en ") {
			t.Fatalf("incoming: %q %+v %v", said, r, err)
		}
		w.is("calling in", o, phone.Proved, "")
		// staff
		o = w.object()
		w.begin(id, o, phone.StaffCallback)
		w.is("a call back", o, phone.Waiting, "")
		waiting := func() []db.PhoneCheck {
			open, err := w.Store.Reader().OpenCallbacks(ctx, db.OpenCallbacksParams{Now: w.Clock.Now().UnixMicro(), Most: 10})
			fine(t, err)
			return open
		}
		if open := waiting(); len(open) != 1 || open[0].Object != o {
			t.Errorf("open call backs: %+v", open)
		}
		w.Clock.Move(73 * time.Hour)
		if open := waiting(); len(open) != 0 {
			t.Errorf("call backs after their time: %+v", open)
		}
		// what was proved long ago is not proved now
		if _, ok, err := w.PhoneProved(ctx, o, w.Clock.Now()); ok || err != nil {
			t.Errorf("proved: %v %v", ok, err)
		}
	})
}

// What is offered depends on the number, on how long it is on file, and on who can carry what.
func TestOnlyWhatIsPossibleIsOffered(t *testing.T) {
	eachCaller(t, func(t *testing.T, w *callers) {
		ctx := t.Context()
		ways := func(what, id string, k problem.Kind, want ...phone.Way) {
			t.Helper()
			o, err := w.PhoneWays(ctx, id)
			if err != nil || problem.KindOf(o.Refusal) != k || !slices.Equal(o.Ways, want) {
				t.Errorf("%s: %+v, %v, want %v %v", what, o, err, k, want)
			}
			for _, way := range phone.Ways {
				_, err := w.BeginPhone(ctx, aStranger, id, w.object(), way, "ja")
				if !slices.Contains(want, way) && (k != "" && problem.KindOf(err) != k || err == nil) {
					t.Errorf("%s: beginning %s: %v", what, way, err)
				}
			}
		}
		none, landline, mobile := w.caller(""), w.caller("03-1234-5678"), w.caller("080-1111-2222")
		ways("no number", none, problem.PhoneNone)
		ways("a free number", w.caller("0120-123-456"), problem.PhoneNone)
		ways("a foreign number", w.caller("+1 212 555 0100"), problem.PhoneNone)
		w.Line.Can(phone.Kinds{})
		ways("no carrier", mobile, "", phone.StaffCallback)
		w.Line.Can(phone.Kinds{Dial: testkit.Dial})
		ways("calls are taken", mobile, "", phone.CallIn, phone.StaffCallback)
		w.Clock.Move(25 * time.Hour)
		w.Line.Can(phone.Kinds{Calls: true, Messages: true})
		ways("a landline", landline, "", phone.CallOut, phone.CallKeys, phone.StaffCallback)
		c, err := w.Store.Reader().CustomerByID(ctx, mobile)
		fine(t, err)
		want(t, "an impossible number", w.SetPhone(ctx, c.Ref, "not a number"), problem.Malformed)
		want(t, "nobody's number", w.SetPhone(ctx, "nobody", "090-1111-2222"), problem.NotFound)
		fine(t, w.SetPhone(ctx, c.Ref, "090-9999-8888"))
		ways("a new number", mobile, problem.PhoneRecent)
		w.Clock.Move(72*time.Hour - time.Microsecond)
		ways("a new number, later", mobile, problem.PhoneRecent)
		w.Clock.Move(time.Microsecond)
		if o, err := w.PhoneWays(ctx, mobile); err != nil || o.Refusal != nil || o.Masked != "*******8888" {
			t.Errorf("a number of 72 hours: %+v, %v", o, err)
		}
	})
}

// Three wrong codes close the telephone for a day, whichever ways and objects they came by.
func TestThreeWrongCodesCloseTheTelephoneForADay(t *testing.T) {
	eachCaller(t, func(t *testing.T, w *callers) {
		ctx := t.Context()
		id := w.caller("090-1234-5678")
		first, second, third := w.object(), w.object(), w.object()
		w.begin(id, first, phone.SMS)
		m := code(t, w.Line.Messages()[0].Text)
		if e := want(t, "one", w.ProvePhone(ctx, aStranger, first, wrong(m)), problem.PhoneRefused); e.Values["tries_left"] != 2 {
			t.Errorf("tries left: %v", e.Values)
		}
		keys := w.begin(id, second, phone.CallKeys)
		_, _, err := w.Happens(phone.Happened{Kind: phone.CallAnswered, Call: keys.ID})
		fine(t, err)
		_, _, err = w.Happens(phone.Happened{Kind: phone.CallDigits, Call: keys.ID, Digits: wrong(keys.Digits)})
		fine(t, err)
		w.begin(id, third, phone.CallIn)
		if said, r, err := w.Happens(phone.Happened{Kind: phone.CallDigits, Call: keys.ID, Digits: "1"}); err != nil || !r.HangUp || !strings.Contains(said, "call.over") {
			t.Errorf("the third: %q %+v %v", said, r, err)
		}
		w.is("the check of the third", second, phone.Failed, phone.Tries)
		want(t, "the right code, late", w.ProvePhone(ctx, aStranger, first, m), problem.FactorBlocked)
		_, r, err := w.Happens(phone.Happened{Kind: phone.CallIncoming, Call: "c", From: "09012345678"})
		if err != nil || r.Matched {
			t.Errorf("a call while the telephone is closed: %+v %v", r, err)
		}
		w.is("the call", third, phone.Failed, phone.Tries)
		for _, way := range phone.Ways {
			_, err := w.BeginPhone(ctx, aStranger, id, third, way, "ja")
			want(t, string(way), err, problem.FactorBlocked)
		}
		w.Clock.Move(24*time.Hour - time.Second)
		_, err = w.BeginPhone(ctx, aStranger, id, third, phone.CallIn, "ja")
		want(t, "a second before the day is over", err, problem.FactorBlocked)
		w.Clock.Move(time.Second)
		w.begin(id, third, phone.CallIn)
	})
}

// At most three calls and messages an hour and ten a day, for one customer and all of her objects; her own calls cost nothing.
func TestSendsAreBounded(t *testing.T) {
	eachCaller(t, func(t *testing.T, w *callers) {
		ctx := t.Context()
		id, o := w.caller("090-1234-5678"), w.object()
		send := func() error {
			_, err := w.BeginPhone(ctx, aStranger, id, w.object(), phone.SMS, "en")
			return err
		}
		began := w.Clock.Now()
		for range 3 {
			fine(t, send())
			w.Clock.Move(time.Minute)
		}
		e := want(t, "a fourth", send(), problem.PhoneLimit)
		if until := e.Values["until"].(time.Time); !until.Equal(began.Add(time.Hour)) {
			t.Errorf("until %v, began %v", until, began)
		}
		if offer, err := w.PhoneWays(ctx, id); err != nil || offer.Refusal != nil || !slices.Equal(offer.Ways, []phone.Way{phone.CallIn}) {
			t.Errorf("what is left: %+v, %v", offer, err)
		}
		w.begin(id, o, phone.CallIn)
		w.Clock.Move(57 * time.Minute)
		fine(t, send()) // no more than three in any hour, not only in the first one
		want(t, "two hours", send(), problem.PhoneLimit)
		for range 6 {
			w.Clock.Move(time.Hour)
			fine(t, send())
		}
		w.Clock.Move(2 * time.Hour)
		e = want(t, "an eleventh in a day", send(), problem.PhoneLimit)
		if until := e.Values["until"].(time.Time); !until.Equal(began.Add(24 * time.Hour)) {
			t.Errorf("until %v, began %v", until, began)
		}
	})
}

// A double click, or an answer that was lost, sends one message, and its code is good.
func TestTheSameCheckBegunTwiceIsOne(t *testing.T) {
	eachCaller(t, func(t *testing.T, w *callers) {
		id, o := w.caller("090-1234-5678"), w.object()
		ids := make([]string, 20)
		for _, err := range together(20, func(i int) error {
			c, err := w.BeginPhone(t.Context(), aStranger, id, o, phone.SMS, "ja")
			ids[i] = c.ID
			return err
		}) {
			fine(t, err)
		}
		w.begin(id, o, phone.SMS)
		if len(slices.Compact(slices.Sorted(slices.Values(ids)))) != 1 || len(w.Line.Messages()) != 1 {
			t.Errorf("%d checks and %d messages", len(slices.Compact(slices.Sorted(slices.Values(ids)))), len(w.Line.Messages()))
		}
		w.Clock.Move(10 * time.Second) // she asks for another one
		w.begin(id, o, phone.SMS)
		if len(w.Line.Messages()) != 2 {
			t.Errorf("%d messages", len(w.Line.Messages()))
		}
		fine(t, w.ProvePhone(t.Context(), aStranger, o, code(t, w.Line.Messages()[1].Text)))
	})
}

// A node dies after it has taken an order from the outbox: another one places it, under the same name, when the first one's time is over.
func TestAnotherNodePlacesTheCallOfOneThatDied(t *testing.T) {
	eachCaller(t, func(t *testing.T, w *callers) {
		ctx := t.Context()
		id, o := w.caller("090-1234-5678"), w.object()
		c, err := w.BeginPhone(ctx, aStranger, id, o, phone.CallKeys, "ja")
		fine(t, err)
		due, err := w.Store.Reader().DueOutbox(ctx, db.DueOutboxParams{Now: w.Clock.Now().UnixMicro(), Lane: "call", Most: 10})
		if err != nil || len(due) != 1 || len(due[0].Sealed) != 0 {
			t.Fatalf("in the lane of calls: %+v, %v", due, err)
		}
		fine(t, w.Store.Housekeep(ctx, func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.LeaseOutbox(ctx, db.LeaseOutboxParams{ID: due[0].ID, LeaseUntil: w.Clock.Now().Add(30 * time.Second).UnixMicro(), LeaseUntil_2: w.Clock.Now().UnixMicro()})
			return err
		}))
		other := w.Another()
		_, err = other.DeliverDue(ctx)
		fine(t, err)
		if len(w.Line.Calls()) != 0 {
			t.Fatal("placed while the first one may be at it")
		}
		w.Clock.Move(30 * time.Second)
		_, err = other.DeliverDue(ctx)
		fine(t, err)
		if calls := w.Line.Calls(); len(calls) != 1 || calls[0].ID != c.ID {
			t.Fatalf("calls: %+v", calls)
		}
		w.is("placed by another", o, phone.Ringing, "")
	})
}

// One check is alive for an object; what belonged to the one before is worth nothing.
func TestAnotherCheckEndsTheFirst(t *testing.T) {
	eachCaller(t, func(t *testing.T, w *callers) {
		ctx := t.Context()
		id, o := w.caller("090-1234-5678"), w.object()
		w.begin(id, o, phone.SMS)
		old := code(t, w.Line.Messages()[0].Text)
		keys := w.begin(id, o, phone.CallKeys)
		want(t, "the code of the first", w.ProvePhone(ctx, aStranger, o, old), problem.PhoneOver)
		w.begin(id, o, phone.CallIn)
		for _, kind := range []phone.EventKind{phone.CallAnswered, phone.CallDigits} {
			if said, r, err := w.Happens(phone.Happened{Kind: kind, Call: keys.ID, Digits: keys.Digits}); err != nil || !r.HangUp || r.Gather != 0 || !strings.Contains(said, "call.over") {
				t.Errorf("%s of a call that is over: %q %+v %v", kind, said, r, err)
			}
		}
		for _, kind := range []phone.EventKind{phone.CallEnded, phone.CallFailed} {
			_, _, err := w.Happens(phone.Happened{Kind: kind, Call: keys.ID})
			fine(t, err)
		}
		w.is("the last", o, phone.Waiting, "")
		first, err := w.Store.Reader().PhoneCheckByID(ctx, keys.ID)
		if err != nil || first.State != "failed" || first.Reason != "replaced" || len(first.CodeSealed) != 0 {
			t.Errorf("the one before: %+v, %v", first, err)
		}
		if c := w.state(o); c.TriesLeft != 3 {
			t.Errorf("late codes cost tries: %+v", c)
		}
		// What had not left when it was replaced does not leave any more.
		w.Line.Down(true)
		w.begin(id, o, phone.SMS)
		w.begin(id, o, phone.CallIn)
		w.Line.Down(false)
		w.Clock.Move(30 * time.Second)
		n := len(w.Line.Messages())
		_, err = w.DeliverDue(ctx)
		if fine(t, err); len(w.Line.Messages()) != n {
			t.Error("a message left although its check was over")
		}
	})
}

// Codes that are late, of another check, of another customer; events of calls that never were.
func TestCodesAreGoodForTheirOwnCheckOnly(t *testing.T) {
	eachCaller(t, func(t *testing.T, w *callers) {
		ctx := t.Context()
		hanako, taro := w.caller("090-1234-5678"), w.caller("080-8765-4321")
		hers, his := w.object(), w.object()
		w.begin(hanako, hers, phone.SMS)
		w.begin(taro, his, phone.SMS)
		her, him := code(t, w.Line.Messages()[0].Text), code(t, w.Line.Messages()[1].Text)
		if her != him { // once in a million runs they are the same, and then there is nothing to try here
			want(t, "her code for his", w.ProvePhone(ctx, aStranger, his, her), problem.PhoneRefused)
		}
		_, err := w.BeginPhone(ctx, aStranger, taro, hers, phone.SMS, "ja")
		want(t, "a check of his for what is hers", err, problem.NotFound)
		want(t, "a code for nothing", w.ProvePhone(ctx, aStranger, w.object(), her), problem.PhoneOver)
		for _, c := range []string{"", "1", her + "0", " " + her, "１２３４５６"} {
			w.Clock.Move(48 * time.Hour)
			o := w.object()
			w.begin(hanako, o, phone.SMS)
			want(t, c, w.ProvePhone(ctx, aStranger, o, c), problem.PhoneRefused)
			fine(t, w.ProvePhone(ctx, aStranger, o, code(t, w.Line.Messages()[len(w.Line.Messages())-1].Text)))
		}
		o := w.object()
		w.Clock.Move(48 * time.Hour)
		w.begin(hanako, o, phone.SMS)
		late := code(t, w.Line.Messages()[len(w.Line.Messages())-1].Text)
		w.Clock.Move(10 * time.Minute)
		want(t, "a late code", w.ProvePhone(ctx, aStranger, o, late), problem.PhoneOver)
		w.is("late", o, phone.Expired, "")
		fine(t, w.SweepDue(ctx))
		w.is("swept", o, phone.Expired, "")
		want(t, "after the sweep", w.ProvePhone(ctx, aStranger, o, late), problem.PhoneOver)

		for _, e := range []phone.Happened{{Kind: phone.CallAnswered, Call: "tel_01h455vb4pex5vsknk084sn02q"}, {Kind: phone.CallAnswered, Call: w.state(o).ID}, {Kind: phone.CallDigits, Call: "'; --"}} {
			_, _, err := w.Happens(e)
			want(t, e.Call, err, problem.NotFound)
		}
		for _, e := range []phone.Happened{{Kind: phone.CallIncoming, Call: "x", At: w.Clock.Now().Add(6 * time.Minute)}, {Kind: phone.CallIncoming, Call: "x", At: w.Clock.Now().Add(-6 * time.Minute)},
			{Kind: phone.CallIncoming}, {Kind: phone.CallIncoming, Call: strings.Repeat("x", 201)}} {
			_, _, err := w.Happens(e)
			want(t, "an event of another time or form", err, problem.Malformed)
		}
		k := w.begin(hanako, w.object(), phone.CallKeys)
		_, _, err = w.Happens(phone.Happened{Kind: "exploded", Call: k.ID})
		want(t, "an unknown event", err, problem.Malformed)
		for _, kind := range []audit.ActorKind{audit.Stranger, audit.Customer, audit.Token, audit.Staff} {
			_, err := w.PhoneEvent(ctx, audit.Actor{Kind: kind}, phone.Happened{ID: "1", At: w.Clock.Now(), Kind: phone.CallDigits, Call: k.ID, Digits: k.Digits})
			want(t, string(kind), err, problem.Forbidden)
		}
		w.is("after all that", k.Object, phone.Ringing, "")
	})
}

// An event that comes again is answered again and costs nothing.
func TestEventsThatComeAgain(t *testing.T) {
	eachCaller(t, func(t *testing.T, w *callers) {
		id := w.caller("090-1234-5678")
		o := w.object()
		c := w.begin(id, o, phone.CallKeys)
		for range 3 {
			_, r, err := w.Happens(phone.Happened{ID: "a", Kind: phone.CallAnswered, Call: c.ID})
			if err != nil || r.Gather != 6 {
				t.Fatalf("answered: %+v %v", r, err)
			}
		}
		for range 5 {
			_, r, err := w.Happens(phone.Happened{ID: "b", Kind: phone.CallDigits, Call: c.ID, Digits: wrong(c.Digits)})
			if err != nil || r.Gather != 6 {
				t.Fatalf("wrong digits again: %+v %v", r, err)
			}
		}
		if left := w.state(o).TriesLeft; left != 2 {
			t.Errorf("%d tries left after one that came five times", left)
		}
		for range 3 {
			if said, r, err := w.Happens(phone.Happened{ID: "c", Kind: phone.CallDigits, Call: c.ID, Digits: c.Digits}); err != nil || !r.HangUp || !strings.Contains(said, "call.done") {
				t.Fatalf("right digits: %q %+v %v", said, r, err)
			}
		}
		// a call that came in proves one check, and no later one
		o = w.object()
		w.begin(id, o, phone.CallIn)
		for range 3 {
			if _, r, err := w.Happens(phone.Happened{ID: "d", Kind: phone.CallIncoming, Call: "the same", From: "09012345678"}); err != nil || !r.Matched {
				t.Fatalf("incoming: %+v %v", r, err)
			}
		}
		if _, r, err := w.Happens(phone.Happened{Kind: phone.CallIncoming, Call: "another", From: "09012345678"}); err != nil || r.Matched {
			t.Fatalf("another call after the end: %+v %v", r, err)
		}
	})
}

// A caller's number can be forged: without a check that waits it finds nothing; nor does one that is withheld, or the number of another.
func TestAForgedCallerFindsNothing(t *testing.T) {
	eachCaller(t, func(t *testing.T, w *callers) {
		id := w.caller("090-1234-5678")
		in := func(from string) phone.Reply {
			t.Helper()
			said, r, err := w.Happens(phone.Happened{Kind: phone.CallIncoming, Call: "c" + from, From: from})
			if err != nil || !r.HangUp || !strings.Contains(said, "ja ") || !r.Matched && !strings.Contains(said, "en ") {
				t.Fatalf("%q: %q %+v %v", from, said, r, err)
			}
			return r
		}
		if in("09012345678").Matched {
			t.Error("matched without a check")
		}
		o := w.object()
		w.begin(id, o, phone.CallIn)
		for _, from := range []string{"", "anonymous", "09012345679", "+1 9012345678", "0120-123-456"} {
			if in(from).Matched {
				t.Errorf("%q matched", from)
			}
		}
		w.is("after strangers", o, phone.Waiting, "")
		w.Clock.Move(3 * time.Minute)
		if in("09012345678").Matched {
			t.Error("matched after its time")
		}
		w.is("late", o, phone.Expired, "")
		// A number that was taken off the file while the check waited proves nothing.
		w.begin(id, o, phone.CallIn)
		c, err := w.Store.Reader().CustomerByID(t.Context(), id)
		fine(t, err)
		fine(t, w.SetPhone(t.Context(), c.Ref, "090-0000-0001"))
		if in("09012345678").Matched {
			t.Error("a number that is no longer on file matched")
		}
		w.is("changed", o, phone.Failed, phone.Changed)
	})
}

// Two customers with one telephone at home: whoever calls in stands for one of them at a time, so the second waits or takes another way, and both come to their end.
func TestTwoCustomersWithOneTelephone(t *testing.T) {
	eachCaller(t, func(t *testing.T, w *callers) {
		ctx := t.Context()
		wife, husband := w.caller("03-1234-5678"), w.caller("０３(1234)5678")
		hers, his := w.object(), w.object()
		first := w.begin(wife, hers, phone.CallIn)
		_, err := w.BeginPhone(ctx, aStranger, husband, his, phone.CallIn, "ja")
		if e := want(t, "the second", err, problem.PhoneBusy); !e.Values["until"].(time.Time).Equal(first.Expires) {
			t.Errorf("until: %v", e.Values)
		}
		keys := w.begin(husband, his, phone.CallKeys)
		_, r, err := w.Happens(phone.Happened{Kind: phone.CallIncoming, Call: "1", From: "0312345678"})
		if err != nil || !r.Matched {
			t.Fatalf("%+v %v", r, err)
		}
		w.is("hers", hers, phone.Proved, "")
		w.is("his", his, phone.Ringing, "")
		_, _, err = w.Happens(phone.Happened{Kind: phone.CallDigits, Call: keys.ID, Digits: keys.Digits})
		fine(t, err)
		w.is("his", his, phone.Proved, "")
		hers = w.object()
		w.begin(wife, hers, phone.CallIn)
		w.Clock.Move(3 * time.Minute)
		his = w.object()
		w.begin(husband, his, phone.CallIn)
		w.is("hers, when his began", hers, phone.Expired, "")
	})
}

// 200 at once, over three nodes: never more than three codes are looked at, never more than three calls leave, never two checks live.
func TestTheTelephonesLimitsHoldUnder200AtOnce(t *testing.T) {
	eachCaller(t, func(t *testing.T, w *callers) {
		ctx := t.Context()
		nodes := []*testkit.World{w.World, w.Another(), w.Another()}
		n := 1
		if os.Getenv("INKAN_TEST_LONG") != "" {
			n = 5
		}
		for round := range n {
			id := w.caller(fmt.Sprintf("090-1234-%04d", round))
			o := w.object()
			w.begin(id, o, phone.SMS)
			sent := w.Line.Messages()
			right := code(t, sent[len(sent)-1].Text)
			errs := together(200, func(i int) error {
				guess := fmt.Sprintf("%06d", i*4999%1000000)
				if i == 100+round {
					guess = right
				} else if guess == right {
					guess = wrong(right)
				}
				return nodes[i%3].ProvePhone(ctx, aStranger, o, guess)
			})
			looked, proved := 0, 0
			for _, err := range errs {
				switch k := problem.KindOf(err); {
				case err == nil:
					proved++
				case k == problem.PhoneRefused:
					looked++
				case k == problem.FactorBlocked || k == problem.PhoneOver || k == problem.Conflict || k == problem.Unavailable:
				default:
					t.Fatalf("round %d: %v", round, err)
				}
			}
			c := w.state(o)
			at, err := w.Store.Reader().AttemptOf(ctx, db.AttemptOfParams{Customer: id, Factor: "phone"})
			fine(t, err)
			if c.State == phone.Proved {
				if proved == 0 || looked > 2 {
					t.Errorf("round %d: %d proved, %d refused", round, proved, looked)
				}
			} else if proved > 0 || looked > 2 || at.Tries != 3 || c.State != phone.Failed {
				t.Errorf("round %d: %d proved, %d refused, %+v, %s", round, proved, looked, at, c.State)
			}

			id = w.caller(fmt.Sprintf("080-1234-%04d", round))
			objects := []string{w.object(), w.object(), w.object()}
			n := len(w.Line.Messages()) + len(w.Line.Calls())
			errs = together(200, func(i int) error {
				_, err := nodes[i%3].BeginPhone(ctx, aStranger, id, objects[i%2], []phone.Way{phone.SMS, phone.CallOut, phone.CallKeys}[i%3], "ja")
				return err
			})
			began := 0
			for _, err := range errs {
				switch k := problem.KindOf(err); {
				case err == nil:
					began++
				case k != problem.PhoneLimit && k != problem.Conflict && k != problem.Unavailable:
					t.Fatalf("round %d: %v", round, err)
				}
			}
			sends, err := w.Store.Reader().PhoneSends(ctx, db.PhoneSendsParams{Customer: id, CreatedAt: 0})
			fine(t, err)
			if len(sends) != 3 || began < 3 {
				t.Errorf("round %d: %d were begun and %d answered so, want 3", round, len(sends), began)
			}
			_, err = w.DeliverDue(ctx)
			if fine(t, err); len(w.Line.Messages())+len(w.Line.Calls())-n > 3 {
				t.Errorf("round %d: %d left", round, len(w.Line.Messages())+len(w.Line.Calls())-n)
			}
			// her own call, for many objects at once: a number stands for one of them
			errs = together(50, func(i int) error {
				_, err := nodes[i%3].BeginPhone(ctx, aStranger, id, fmt.Sprintf("%s-%d", objects[2], i), phone.CallIn, "ja")
				return err
			})
			began = 0
			for _, err := range errs {
				if err == nil {
					began++
				}
			}
			if began != 1 {
				t.Errorf("round %d: %d wait for one number, want 1", round, began)
			}
			matched := 0
			for _, err := range together(20, func(i int) error {
				r, err := nodes[i%3].PhoneEvent(ctx, testkit.Carrier(), phone.Happened{ID: fmt.Sprint(round, i), At: w.Clock.Now(), Kind: phone.CallIncoming, Call: fmt.Sprint(i), From: fmt.Sprintf("0801234%04d", round)})
				if err == nil && !r.Matched {
					err = errNotMatched
				}
				return err
			}) {
				if err == nil {
					matched++
				}
			}
			if matched != 1 {
				t.Errorf("round %d: %d calls proved one check", round, matched)
			}
		}
	})
}

// fine fails at once where something that has to work does not.
func fine(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var errNotMatched = errors.New("not matched")

// The carrier is down, loses answers, or does not know the number.
func TestCallsWaitForTheCarrierAndDieWithTheirCheck(t *testing.T) {
	eachCaller(t, func(t *testing.T, w *callers) {
		ctx := t.Context()
		id, o := w.caller("090-1234-5678"), w.object()
		w.Line.Down(true)
		w.begin(id, o, phone.CallOut)
		w.is("while the carrier is down", o, phone.Waiting, "")
		w.Clock.Move(2 * time.Second)
		_, err := w.DeliverDue(ctx)
		fine(t, err)
		w.Line.Down(false)
		w.Clock.Move(5 * time.Second)
		_, err = w.DeliverDue(ctx)
		fine(t, err)
		w.is("when it is back", o, phone.Ringing, "")

		w.Line.Down(true)
		o = w.object()
		w.begin(id, o, phone.CallOut)
		w.Clock.Move(3 * time.Minute)
		w.Line.Down(false)
		n := len(w.Line.Calls())
		w.is("down all the time", o, phone.Expired, phone.Unsent)
		_, err = w.DeliverDue(ctx)
		fine(t, err)
		fine(t, w.SweepDue(ctx))
		w.is("swept", o, phone.Expired, phone.Unsent)
		if len(w.Line.Calls()) != n {
			t.Error("a call left after its time")
		}

		w.Clock.Move(time.Hour)
		w.Line.Lose(true)
		o = w.object()
		c := w.begin(id, o, phone.CallOut) // placed, and the answer was lost
		w.is("a lost answer", o, phone.Waiting, "")
		said, _, err := w.Happens(phone.Happened{Kind: phone.CallAnswered, Call: c.ID})
		fine(t, err)
		w.Line.Lose(false)
		n = len(w.Line.Calls())
		w.Clock.Move(10 * time.Second)
		_, err = w.DeliverDue(ctx)
		fine(t, err)
		if len(w.Line.Calls()) != n {
			t.Error("a call was placed again while she was in it")
		}
		_, _, err = w.Happens(phone.Happened{Kind: phone.CallFailed, Call: c.ID}) // of a second call that found the line busy
		fine(t, err)
		fine(t, w.ProvePhone(ctx, aStranger, o, code(t, said)))
		w.is("a lost answer", o, phone.Proved, "")

		w.Line.Lose(true)
		o = w.object()
		c = w.begin(id, o, phone.CallKeys)
		w.Line.Lose(false)
		n = len(w.Line.Calls())
		w.Clock.Move(10 * time.Second)
		_, err = w.DeliverDue(ctx)
		fine(t, err)
		if calls := w.Line.Calls(); len(calls) != n+1 || calls[n].ID != c.ID {
			t.Errorf("an order whose answer was lost comes again under its name: %+v", calls)
		}
		_, _, err = w.Happens(phone.Happened{Kind: phone.CallFailed, Call: c.ID})
		fine(t, err)
		w.is("nobody answered", o, phone.Failed, phone.Unanswered)

		w.Clock.Move(time.Hour)
		o = w.object()
		c = w.begin(id, o, phone.CallKeys)
		_, _, err = w.Happens(phone.Happened{Kind: phone.CallAnswered, Call: c.ID})
		fine(t, err)
		_, _, err = w.Happens(phone.Happened{Kind: phone.CallEnded, Call: c.ID})
		fine(t, err)
		w.is("hung up without a digit", o, phone.Failed, phone.HungUp)

		w.Line.Missing("09012345678")
		o = w.object()
		w.begin(id, o, phone.SMS)
		w.is("a number that does not exist", o, phone.Failed, phone.Unreached)
	})
}

// A fence kills codes and proofs that were there before it; a clock set back closes the door.
func TestAFenceKillsTelephoneChecks(t *testing.T) {
	eachCaller(t, func(t *testing.T, w *callers) {
		ctx := t.Context()
		id, o, p := w.caller("090-1234-5678"), w.object(), w.object()
		w.begin(id, p, phone.SMS)
		fine(t, w.ProvePhone(ctx, aStranger, p, code(t, w.Line.Messages()[0].Text)))
		w.begin(id, o, phone.SMS)
		w.Clock.Move(time.Second)
		fine(t, w.RaiseFence(ctx))
		want(t, "a code below the fence", w.ProvePhone(ctx, aStranger, o, code(t, w.Line.Messages()[1].Text)), problem.PhoneOver)
		if _, ok, err := w.PhoneProved(ctx, p, w.Clock.Now().Add(-time.Hour)); ok || err != nil {
			t.Errorf("a proof below the fence: %v %v", ok, err)
		}
	})
}

// No code and no number stands in the trail, in the log, or readable in a table.
func TestNoCodeIsWrittenDown(t *testing.T) {
	eachCaller(t, func(t *testing.T, w *callers) {
		ctx := t.Context()
		id := w.caller("090-1234-5678")
		var secrets []string
		for _, way := range []phone.Way{phone.SMS, phone.CallOut, phone.CallKeys} {
			o := w.object()
			c := w.begin(id, o, way)
			row, err := w.Store.Reader().PhoneCheckByID(ctx, c.ID)
			fine(t, err)
			secret := c.Digits
			switch way {
			case phone.SMS:
				sent := w.Line.Messages()
				secret = code(t, sent[len(sent)-1].Text)
			case phone.CallOut:
				said, _, err := w.Happens(phone.Happened{Kind: phone.CallAnswered, Call: c.ID})
				fine(t, err)
				secret = code(t, said)
			}
			secrets = append(secrets, secret)
			if strings.Contains(string(row.CodeSealed), secret) || strings.Contains(string(row.NumberMac), "1234") {
				t.Errorf("%s: readable in its row", way)
			}
			_ = w.ProvePhone(ctx, aStranger, o, wrong(secret))
			_ = w.ProvePhone(ctx, aStranger, o, secret)
		}
		entries, err := w.Store.Reader().EntriesOf(ctx, db.EntriesOfParams{Customer: id, ID: "ent_~", Limit: 100})
		fine(t, err)
		all := fmt.Sprintf("%+v %s", entries, w.Log.String())
		for _, secret := range append(secrets, "12345678", "1234-5678") {
			if strings.Contains(all, secret) {
				t.Errorf("%s stands in the trail or the log", secret)
			}
		}
		if len(entries) < 6 {
			t.Errorf("only %d entries", len(entries))
		}
	})
}

// A bank without a carrier offers what needs none.
func TestWithoutACarrierStaffCanStillCall(t *testing.T) {
	eachCaller(t, func(t *testing.T, w *callers) {
		w.Telephone = nil
		id := w.caller("090-1234-5678")
		offer, err := w.PhoneWays(t.Context(), id)
		if err != nil || !slices.Equal(offer.Ways, []phone.Way{phone.StaffCallback}) || offer.Dial != "" {
			t.Errorf("%+v %v", offer, err)
		}
		w.begin(id, w.object(), phone.StaffCallback)
		_, _, err = w.Happens(phone.Happened{Kind: phone.CallIncoming, Call: "x", From: "09012345678"})
		want(t, "an event without a carrier", err, problem.PhoneOff)
		w.Policy = policyWithoutCallback(w.Policy)
		offer, err = w.PhoneWays(t.Context(), id)
		if err != nil || len(offer.Ways) != 0 || problem.KindOf(offer.Refusal) != problem.PhoneOff {
			t.Errorf("%+v %v", offer, err)
		}
	})
}

func policyWithoutCallback(p policy.Policy) policy.Policy {
	p.PhoneCallback = false
	return p
}
