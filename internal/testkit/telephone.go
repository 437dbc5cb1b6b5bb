package testkit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/phone"
)

// Dial is the number that customers call.
const Dial = "0120-111-222"

// Line is a pretend carrier that keeps what it is told to do.
type Line struct {
	mu       sync.Mutex
	calls    []phone.Call
	messages []phone.Message
	down     bool
	lost     bool
	missing  map[phone.Number]bool
	kinds    phone.Kinds
	events   int
	writing  func() int64
	t        testing.TB
}

func newLine(t testing.TB, writing func() int64) *Line {
	return &Line{kinds: phone.Kinds{Calls: true, Messages: true, Dial: Dial}, missing: map[phone.Number]bool{}, t: t, writing: writing}
}

// Kinds is everything, unless Can has changed that.
func (l *Line) Kinds() phone.Kinds {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.kinds
}

// Can says what the carrier can do from now on.
func (l *Line) Can(k phone.Kinds) {
	l.mu.Lock()
	l.kinds = k
	l.mu.Unlock()
}

// Down switches the carrier off and on.
func (l *Line) Down(down bool) {
	l.mu.Lock()
	l.down = down
	l.mu.Unlock()
}

// Lose makes the carrier do what it is told without an answer.
func (l *Line) Lose(lost bool) {
	l.mu.Lock()
	l.lost = lost
	l.mu.Unlock()
}

// Missing makes a number one that cannot be reached.
func (l *Line) Missing(n phone.Number) {
	l.mu.Lock()
	l.missing[n] = true
	l.mu.Unlock()
}

// PlaceCall keeps the order, or fails as it was told to.
func (l *Line) PlaceCall(_ context.Context, c phone.Call) error {
	return l.take(c.To, func() { l.calls = append(l.calls, c) })
}

// SendMessage keeps the message, or fails as it was told to.
func (l *Line) SendMessage(_ context.Context, m phone.Message) error {
	return l.take(m.To, func() { l.messages = append(l.messages, m) })
}

// take waits for writes under way to end, as Post does: nothing may leave from inside one.
func (l *Line) take(to phone.Number, keep func()) error {
	for began := time.Now(); l.writing() != 0; time.Sleep(time.Millisecond) {
		if time.Since(began) > 30*time.Second {
			l.t.Errorf("an order left while %d writes were open", l.writing())
			break
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.down:
		return errors.New("the gateway is down")
	case l.missing[to]:
		return phone.ErrUnreached
	}
	keep()
	if l.lost {
		return errors.New("the answer was lost")
	}
	return nil
}

// Calls is every call that was ordered so far.
func (l *Line) Calls() []phone.Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]phone.Call(nil), l.calls...)
}

// Messages is every short message so far.
func (l *Line) Messages() []phone.Message {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]phone.Message(nil), l.messages...)
}

// Carrier is the actor that tells of calls.
func Carrier() audit.Actor { return audit.Actor{Kind: audit.Bank, ID: "carrier"} }

// Happens tells the server of an event and gives what is to be said, in one text. An event without a name or time gets its own.
func (w *World) Happens(e phone.Happened) (said string, r phone.Reply, err error) {
	if e.ID == "" {
		w.Line.mu.Lock()
		w.Line.events++
		e.ID = fmt.Sprintf("event-%d", w.Line.events)
		w.Line.mu.Unlock()
	}
	if e.At.IsZero() {
		e.At = w.Clock.Now()
	}
	r, err = w.PhoneEvent(w.T.Context(), Carrier(), e)
	return strings.Join(r.Say, "\n"), r, err
}

// Cards is a pretend core of the bank. It knows one PIN for each account.
type Cards struct {
	mu    sync.Mutex
	cards map[string]authority.CardResult // by branch, type, number and PIN
	asked []string                        // requests, each once
	down  bool
}

// Card makes a cash card known.
func (c *Cards) Card(branch, accountType, number, pin, ref string) {
	c.mu.Lock()
	c.cards[strings.Join([]string{branch, accountType, number, pin}, "|")] = authority.CardResult{Ref: ref, Right: true}
	c.mu.Unlock()
}

// Down switches the core off and on.
func (c *Cards) Down(down bool) {
	c.mu.Lock()
	c.down = down
	c.mu.Unlock()
}

// Asked is every request so far.
func (c *Cards) Asked() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.asked...)
}

// CheckCard answers, or fails as it was told to.
func (c *Cards) CheckCard(_ context.Context, q authority.CardCheck) (authority.CardResult, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		return authority.CardResult{}, errors.New("the core is down")
	}
	c.asked = append(c.asked, q.Request)
	return c.cards[strings.Join([]string{q.Branch, q.AccountType, q.AccountNumber, string(q.PIN)}, "|")], nil
}
