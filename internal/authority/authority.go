// Package authority is what the server can do: one method, one change.
//
// Every change goes through one door, the method do: it asks the table of actors and actions whether this actor may, runs the change in one write
// of the store, and commits rows, audit entry and outbox rows together or not at all. Everything secret that a caller sent is checked in
// gate.go. Nothing leaves from inside a write: mail is a row of the outbox, delivered by a worker (deliver.go).
package authority

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/passkey"
	"github.com/inkan-auth/inkan/internal/domain/password"
	"github.com/inkan-auth/inkan/internal/domain/policy"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// writeTimeout bounds one write. A customer who hangs up does not shorten it: a count must not be undone by a closed connection.
const writeTimeout = 10 * time.Second

// clockTolerance is how far our clock may fall behind what it has already shown before every door closes.
const clockTolerance = 5 * time.Second

// Bank is who the customer deals with, and where the audiences live.
type Bank struct {
	NameJA, NameEN string
	LoginOrigin    string // the customer's pages, e.g. https://login.bank.example
	TokenOrigin    string // the token app; also the issuer of tokens
	StaffOrigin    string // the console; empty where there is none
	MailFrom       string // the one sender that is announced to customers
	Phone          string // whom to call, as printed in mails
}

// Config is what an authority is made of. All fields but Listed and Log are required.
type Config struct {
	Store  *store.Store
	Keys   Keys
	Mailer Mailer
	Caller Caller
	Pusher Pusher // may be nil: then nobody is woken, and the app is opened by hand
	// Core and Telephone may be nil: then the ways that need them are not offered, and pages say so. Speak is required with a Telephone.
	Core      CoreBanking
	Telephone Telephone
	Speak     Speak
	Compose   Compose
	Word      Word // of the inbox that token apps show; may be nil: then they have none
	Policy    policy.Policy
	Bank      Bank
	Now       func() time.Time
	Rand      io.Reader
	Log       *slog.Logger
	// Listed says whether a folded password is among the leaked ones.
	Listed func(string) bool
	// Cost is what hashing a password costs; zero means password.Default. Only tests of what has nothing to do with passwords take less.
	Cost password.Params
	// Hashers is how many passwords are hashed at the same time; zero means one for each processor.
	Hashers int
}

// Authority decides. It is safe for concurrent use; several may work on one PostgreSQL.
type Authority struct {
	Config
	hash      *hasher
	codes     queue[*verification]
	approvals queue[*choice]
	offers    recent[*offer]      // by their hash
	asked     recent[db.AskedRow] // who was asked what, by transaction
	party     passkey.Party       // the customers' own pages
	console   passkey.Party       // the staff's; without an origin where there is no console
	app       passkey.Party       // the token app's
	clients   sync.Map            // of the API, by identifier; see APIClient
	watch     watchers
	templates *transaction.Bundle // in use for new transactions; nil where the keys bring none
	bundles   sync.Map            // every bundle read so far, by its hash
	watermark atomic.Int64
	rules     atomic.Pointer[policy.Policy] // in force now; see Rules
	broken    atomic.Bool                   // what was set at the console does not hold with the configuration
	loading   sync.Mutex                    // held while the rules are read and put in force
	unread    string                        // the numbers that could not be read when they were last loaded
	breaker   breaker
	// coreFailed is when the bank's core last gave no answer, in microseconds.
	coreFailed atomic.Int64
	unknown    string // a hash to check when there is no customer, so that time tells nothing
}

// New checks the configuration and makes an authority.
func New(ctx context.Context, c Config) (*Authority, error) {
	if err := c.Policy.Check(); err != nil {
		return nil, err
	}
	if c.Telephone != nil && c.Speak == nil {
		return nil, errors.New("authority: a telephone without words")
	}
	if c.Listed == nil {
		c.Listed = func(string) bool { return false }
	}
	if c.Cost == (password.Params{}) {
		c.Cost = password.Default
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	party, err := passkey.NewParty(c.Bank.LoginOrigin, c.Bank.NameJA, false)
	if err != nil {
		return nil, err
	}
	c.Keys = timelyKeys{c.Keys, c.Now, c.Log, new(sync.Once)}
	a := &Authority{Config: c, hash: newHasher(c.Hashers), party: party}
	a.rules.Store(&a.Policy)
	if a.app, err = passkey.NewParty(c.Bank.TokenOrigin, c.Bank.NameJA, false); err != nil {
		return nil, err
	}
	a.app.Confirms = true
	if c.Bank.StaffOrigin != "" {
		if a.console, err = passkey.NewParty(c.Bank.StaffOrigin, c.Bank.NameJA, c.Policy.StaffDeviceBound); err != nil {
			return nil, err
		}
	}
	if a.unknown, err = a.hashPassword(ctx, []byte("no customer has this one")); err != nil {
		return nil, err
	}
	if err := a.readClock(ctx); err != nil {
		return a, err
	}
	return a, errors.Join(a.loadRules(ctx), a.useIssuerKey(ctx), a.useTemplates(ctx))
}

// moment is the time of one deed. It fails when the clock stands behind what it has already shown: whatever lives by time is then not decided
// at all.
func (a *Authority) moment() (time.Time, error) {
	now := a.Now().UTC().Truncate(time.Microsecond)
	if now.UnixMicro() < a.watermark.Load()-clockTolerance.Microseconds() {
		return time.Time{}, problem.New(problem.Unavailable)
	}
	return now, nil
}

// deed is one change with its moment and its entry.
type deed struct {
	*store.Tx
	a      *Authority
	now    time.Time
	by     audit.Actor
	action audit.Action

	customer, object string
	detail           map[string]string
	kept             error
}

// on says whom and what the deed is about, for its entry.
func (d *deed) on(customer, object string) { d.customer, d.object = customer, object }

// refuse ends the deed with a refusal but keeps what it has written so far, such as the count of wrong codes. To refuse and undo, return the
// refusal itself.
func (d *deed) refuse(err error) error {
	d.kept = err
	return nil
}

// also writes a further entry in the same write, for a deed that moves more than one thing. The server is its actor.
func (d *deed) also(ctx context.Context, action audit.Action, object string) error {
	by := d.by
	if !audit.May(by.Kind, action) {
		by.Kind, by.ID = audit.Server, ""
	}
	return d.Record(ctx, audit.Entry{ID: d.a.newID(ident.Entry, d.now), At: d.now, Actor: by, Action: action, Customer: d.customer, Object: object, Outcome: audit.Done})
}

// do is the one door through which anything is changed. What f writes and the audit entry are committed together or not at all. If f returns a
// refusal, its work is undone and the refusal alone is written down. f may run more than once.
func (a *Authority) do(ctx context.Context, by audit.Actor, action audit.Action, f func(ctx context.Context, d *deed) error) error {
	now, err := a.moment()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	last := &deed{a: a, now: now, by: by, action: action}
	if !audit.May(by.Kind, action) {
		return a.writeRefusal(ctx, last, problem.New(problem.Forbidden))
	}
	err = a.Store.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		d := &deed{Tx: tx, a: a, now: now, by: by, action: action}
		last = d
		if err := f(ctx, d); err != nil {
			return err
		}
		return tx.Record(ctx, d.entry(d.kept))
	})
	switch {
	case err == nil:
		return last.kept
	case problem.KindOf(err) != "":
		return a.writeRefusal(ctx, last, err)
	case errors.Is(err, store.ErrConflict):
		return a.writeRefusal(ctx, last, problem.New(problem.Conflict))
	case errors.Is(err, store.ErrUnknown):
		a.Log.Error("outcome of a write is unknown", "action", action, "err", err)
		return problem.New(problem.Unavailable)
	}
	return fmt.Errorf("%s: %w", action, err)
}

// doAll is the same door for deeds that share one write and so one commit, all of one action. What f refuses, deed by deed, is kept and returned; an
// error undoes all of them. Nothing is written down for an error: the caller tries them again one by one, through do. Nor for what merely came again.
func (a *Authority) doAll(ctx context.Context, by []audit.Actor, action audit.Action, f func(ctx context.Context, deeds []*deed) error) (refusals []error, err error) {
	now, err := a.moment()
	if err != nil {
		return nil, err
	}
	err = a.Store.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		deeds := make([]*deed, len(by))
		entries := make([]audit.Entry, 0, len(by))
		refusals = make([]error, len(by))
		for i := range by {
			if !audit.May(by[i].Kind, action) {
				return problem.New(problem.Forbidden)
			}
			deeds[i] = &deed{Tx: tx, a: a, now: now, by: by[i], action: action}
		}
		if err := f(ctx, deeds); err != nil {
			return err
		}
		for i, d := range deeds {
			refusals[i] = d.kept
			if !errors.Is(d.kept, errRepeated) {
				entries = append(entries, d.entry(d.kept))
			}
		}
		return tx.RecordAll(ctx, entries)
	})
	return refusals, err
}

// entry is the line of the trail for this deed.
func (d *deed) entry(refusal error) audit.Entry {
	e := audit.Entry{ID: d.a.newID(ident.Entry, d.now), At: d.now, Actor: d.by, Action: d.action, Customer: d.customer, Object: d.object, Outcome: audit.Done, Detail: d.detail}
	if refusal != nil {
		e.Outcome, e.Reason = audit.Refused, string(problem.KindOf(refusal))
	}
	return e
}

// writeRefusal leaves a trace of a refusal whose own write was undone. If even that fails, the caller gets the failure and not the refusal: no refusal
// without a trace.
func (a *Authority) writeRefusal(ctx context.Context, d *deed, refusal error) error {
	if err := a.Store.Write(ctx, func(ctx context.Context, tx *store.Tx) error { return tx.Record(ctx, d.entry(refusal)) }); err != nil {
		return fmt.Errorf("writing down a refusal: %w", err)
	}
	return refusal
}

// newID makes an identifier.
func (a *Authority) newID(kind string, now time.Time) string {
	return ident.New(kind, now, [10]byte(a.random(10)))
}

// random gives n bytes of randomness. A source that fails is fatal: there is nothing safe to go on with (R-010: a short read must not leave zeroes).
func (a *Authority) random(n int) []byte {
	b := make([]byte, n)
	if _, err := io.ReadFull(a.Rand, b); err != nil {
		panic("authority: no randomness: " + err.Error())
	}
	return b
}

// randomBelow gives an unpredictable number from 0 to n-1, for the spread of retries.
func (a *Authority) randomBelow(n int64) int64 {
	if n <= 0 {
		return 0
	}
	return int64(binary.BigEndian.Uint64(a.random(8)) % uint64(n)) //nolint:gosec // n is positive
}

// readClock takes over the latest time that any node has written down.
func (a *Authority) readClock(ctx context.Context) error {
	f, err := a.Store.Reader().Fence(ctx)
	if err != nil {
		return fmt.Errorf("reading the clock's watermark: %w", err)
	}
	a.watermark.Store(max(a.watermark.Load(), f.Watermark))
	return nil
}
