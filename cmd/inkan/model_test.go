package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/policy"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// belief is what a small model knows of a transaction. It is written from docs/protocol.md and shares nothing with the server but its words.
type belief struct {
	id, key, offer       string
	of                   *holder
	state                transaction.State // without regard to time
	expires, until       time.Time
	decided              time.Time
	grade                transaction.Grade
	token                string         // whose approval by digits it was
	answered             string         // the decision that was taken
	by                   *testkit.Phone // who signed it
	said                 transaction.State
	request, permit      string
	tries                int
	approvedEver, signed bool
}

// holder is one customer of the model, with what she really has.
type holder struct {
	ref, login   string
	phone        *testkit.Phone
	old          []*testkit.Phone // of tokens that were stopped
	inUse, added bool
	stopped      bool
	wrong        int // digits that were wrong, in a day
	since        time.Time
}

// model is the world with what should be so in it.
type model struct {
	*testkit.World
	people []*holder
	txns   []*belief
	keys   map[string]*belief // of idempotency, with the time in made
	made   map[string]time.Time
	n      int
	began  time.Time
}

var theModelsBank = audit.Actor{Kind: audit.Bank, ID: "model-bank", Device: "-", Source: "192.0.2.0/24"}

func (b *belief) shown(now time.Time) transaction.State {
	switch {
	case b.state == transaction.Pending && !now.Before(b.expires):
		return transaction.Expired
	case b.state == transaction.Approved && !now.Before(b.until):
		return transaction.Lapsed
	}
	return b.state
}

// pending is the one that waits for a customer.
func (m *model) pending(p *holder) *belief {
	for _, b := range m.txns {
		if b.of == p && b.shown(m.Clock.Now()) == transaction.Pending {
			return b
		}
	}
	return nil
}

// withdraw is what a stop or a report does to everything that is open.
func (m *model) withdraw(p *holder) {
	now := m.Clock.Now()
	for _, b := range m.txns {
		if b.of == p && (b.state == transaction.Pending || b.state == transaction.Approved) {
			if b.state = b.shown(now); b.state == transaction.Pending || b.state == transaction.Approved {
				b.state = transaction.Cancelled
			}
		}
	}
}

// over is the refusal for what can no longer be answered.
func over(s transaction.State) problem.Kind {
	switch s {
	case transaction.Expired:
		return problem.TransactionExpired
	case transaction.Cancelled:
		return problem.TransactionCancelled
	}
	return problem.TransactionDecided
}

func (m *model) order(p *holder) authority.NewTransaction {
	return authority.NewTransaction{Ref: p.ref, Template: "transfer", Currency: "JPY", Fields: fields()}
}

// enrol gives a customer a phone and transaction authentication.
func (m *model) enrol(p *holder) {
	m.Clock.Move(31 * time.Minute) // the waiting time after a stop
	for n := 1; n > 0; {           // so that the number is in the next mail
		var err error
		n, err = m.DeliverDue(m.T.Context())
		fine(m.T, err)
	}
	b := m.LogIn(p.login, authority.PC)
	p.phone = b.Enrol()
	m.Clock.Move(time.Minute)
	fine(m.T, m.AddTransactionAuth(m.T.Context(), b.Session, p.phone.Code()))
	p.inUse, p.added = true, true
}

// fresh brings the world to where a round begins: everybody has a phone and nothing is open.
func (m *model) fresh(t *testing.T) {
	if m.World == nil || m.Clock.Now().Sub(m.began) > 200*24*time.Hour { // long before keys and tokens end, which is another story
		m.World = testkit.New(t, testkit.SQLite(t), func(p *policy.Policy) { p.Downloads = 1 << 20 })
		m.began, m.people, m.txns = m.Clock.Now(), nil, nil
		for n := 1; n <= 2; n++ {
			m.people = append(m.people, &holder{ref: fmt.Sprintf("0101-1-%07d", 1234566+n), login: m.Person(n, false)})
		}
	}
	m.Clock.Move(25 * time.Hour)
	for _, b := range m.txns {
		if s := b.shown(m.Clock.Now()); s == transaction.Pending || s == transaction.Approved {
			_, err := m.CancelTransaction(m.T.Context(), theModelsBank, b.id)
			fine(m.T, err)
		}
	}
	for _, p := range m.people {
		m.letGoOn(p)
		p.stopped, p.wrong, p.since = false, 0, time.Time{}
		if !p.inUse || !p.added {
			m.enrol(p)
		}
	}
	m.txns, m.keys, m.made = nil, map[string]*belief{}, map[string]time.Time{}
}

// A bank, two customers, their phones and the clock do what they like in any order; the server's answers are those of a small model, and some things never happen: two that wait
// for one customer, two permits for one transaction, a permit for what nobody approved, anything carried out between a report and the resumption.
func TestNoOrderOfActsBreaksATransfer(t *testing.T) {
	t.Parallel()
	checks, steps := "20", "50"
	if os.Getenv("INKAN_TEST_LONG") != "" {
		checks, steps = "1000", "100"
	}
	for name, value := range map[string]string{"rapid.checks": checks, "rapid.steps": steps, "rapid.nofailfile": "true"} {
		if f := flag.Lookup(name); f.Value.String() == f.DefValue { // unless somebody says otherwise
			fine(t, flag.Set(name, value))
		}
	}
	m := &model{}
	acts := map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		m.fresh(t)
		// The library takes those at the beginning of the alphabet more often.
		actions := map[string]func(*rapid.T){
			"":                    m.agrees,
			"a: decide":           m.decide,
			"b: create":           m.create,
			"c: consume":          m.consume,
			"d: decide":           m.decide,
			"e: right digits":     func(rt *rapid.T) { m.digits(rt, true) },
			"f: send again":       m.sendAgain,
			"g: consume":          m.consume,
			"h: create again":     m.createAgain,
			"i: wrong digits":     func(rt *rapid.T) { m.digits(rt, false) },
			"j: resumption":       m.resume,
			"k: consume another":  m.consumeAnother,
			"l: cancel":           m.cancel,
			"e2: another token":   m.another,
			"n: stop of a token":  m.stop,
			"o: sweep":            m.sweep,
			"p: another's system": m.stranger,
			"q: a moment": func(rt *rapid.T) {
				m.Clock.Move(time.Duration(rapid.SampledFrom([]int{1, 20, 60, 100, 299, 300, 301, 599, 600}).Draw(rt, "seconds")) * time.Second)
			},
			"r: a long time": func(rt *rapid.T) {
				m.Clock.Move(time.Duration(rapid.SampledFrom([]int{11, 24 * 60, 25 * 60, 31 * 24 * 60}).Draw(rt, "minutes")) * time.Minute)
			},
		}
		for name, f := range actions {
			actions[name] = func(rt *rapid.T) {
				f(rt)
				acts[name]++
			}
		}
		rt.Repeat(actions)
	})
	t.Logf("acts that were possible: %v", acts)
	for _, name := range []string{"a: decide", "b: create", "c: consume", "e: right digits"} {
		if acts[name] < 5 {
			t.Errorf("%s came up only %d times", name, acts[name])
		}
	}
}

// seldom is one time in six.
func seldom(rt *rapid.T) bool {
	return rapid.SampledFrom([]bool{false, false, false, false, false, true}).Draw(rt, "really")
}

// letGoOn lets her transfers go on, whether they were stopped or not.
func (m *model) letGoOn(p *holder) {
	if err := m.ResumeTransfers(m.T.Context(), p.ref); problem.KindOf(err) != problem.TransfersRunning {
		fine(m.T, err)
	}
}

func (m *model) someone(rt *rapid.T) *holder { return rapid.SampledFrom(m.people).Draw(rt, "customer") }

func (m *model) some(rt *rapid.T) *belief {
	if len(m.txns) == 0 {
		rt.Skip("there is none")
	}
	from := max(0, len(m.txns)-4) // the latest are where something can happen
	return rapid.SampledFrom(append(m.txns[from:len(m.txns):len(m.txns)], m.txns[len(m.txns)-1])).Draw(rt, "transaction")
}

func (m *model) want(rt *rapid.T, what string, err error, k problem.Kind) {
	rt.Helper()
	if got := problem.KindOf(err); got != k || err != nil && got == "" {
		rt.Fatalf("%s: %v, want %q", what, err, k)
	}
}

func (m *model) create(rt *rapid.T) {
	p := m.someone(rt)
	m.n++
	b := &belief{key: fmt.Sprintf("key-%d", m.n), of: p, state: transaction.Pending}
	now := m.Clock.Now()
	got, err := m.CreateTransaction(m.T.Context(), theModelsBank, b.key, m.order(p))
	switch {
	case p.stopped:
		m.want(rt, "creating after a report", err, problem.TransfersStopped)
	case !p.inUse:
		m.want(rt, "creating without a token", err, problem.TokenNone)
	case !p.added:
		m.want(rt, "creating without transaction authentication", err, problem.TransactionAuthOff)
	case m.pending(p) != nil:
		m.want(rt, "creating beside another", err, problem.TransactionPending)
	default:
		m.want(rt, "creating", err, "")
		for _, other := range m.txns { // what had run out is written down now
			if other.of == p && other.state == transaction.Pending {
				other.state = transaction.Expired
			}
		}
		b.id, b.offer, b.expires = got.ID, got.Offer, now.Add(m.Policy.TransactionLife)
		m.txns = append(m.txns, b)
		m.keys[b.key], m.made[b.key] = b, now
	}
}

func (m *model) createAgain(rt *rapid.T) {
	b := m.some(rt)
	if m.keys[b.key] != b {
		rt.Skip("its key is forgotten")
	}
	if rapid.Bool().Draw(rt, "the same request") {
		got, err := m.CreateTransaction(m.T.Context(), theModelsBank, b.key, m.order(b.of))
		if m.want(rt, "the same request again", err, ""); got.ID != b.id {
			rt.Fatalf("the same request makes %s, it was %s", got.ID, b.id)
		}
		return
	}
	n := m.order(b.of)
	n.Fields["amount"] = "1"
	_, err := m.CreateTransaction(m.T.Context(), theModelsBank, b.key, n)
	m.want(rt, "another request under the same key", err, problem.IdempotencyConflict)
}

func (m *model) decide(rt *rapid.T) {
	b := m.some(rt)
	p := b.of
	phone := p.phone
	if len(p.old) > 0 && seldom(rt) {
		phone = p.old[len(p.old)-1]
	}
	answer := rapid.SampledFrom([]transaction.Answer{transaction.Yes, transaction.Yes, transaction.Yes, transaction.No, transaction.NotMe}).Draw(rt, "answer")
	envelope := phone.Decision(b.offer, answer)
	got, err := phone.Send(envelope)
	now := m.Clock.Now()
	shown := b.shown(now)
	active := phone == p.phone && p.inUse
	what := fmt.Sprintf("%s on %s", answer, shown)
	switch {
	case b.grade == transaction.GradeB && !b.signed && answer == transaction.Yes: // the signature follows the digits
		late := b.decided.Add(m.Policy.DecisionGrace).Before(now)
		switch {
		case late:
			m.want(rt, what, err, problem.TransactionExpired)
		case phone.Answer.Token != b.token || b.state == transaction.Cancelled:
			m.want(rt, what, err, problem.TransactionDecided)
		default:
			if m.want(rt, what, err, ""); got != transaction.Approved {
				rt.Fatalf("the signature of what was approved: %s", got)
			}
			b.grade, b.signed, b.answered, b.said, b.by = transaction.GradeA, true, envelope, transaction.Approved, phone
		}
		return
	case !active:
		m.want(rt, what+" by a stopped token", err, problem.TokenNone)
		return
	case shown == transaction.Pending:
		to := map[transaction.Answer]transaction.State{transaction.Yes: transaction.Approved, transaction.No: transaction.Rejected, transaction.NotMe: transaction.Reported}[answer]
		if m.want(rt, what, err, ""); got != to {
			rt.Fatalf("%s leads to %s", what, got)
		}
		b.state, b.answered, b.said, b.by, b.decided, b.signed = to, envelope, to, phone, now, true
		if to == transaction.Approved {
			b.grade, b.until, b.approvedEver = transaction.GradeA, now.Add(m.Policy.ApprovalLife), true
		}
	default:
		defer func() { // a report of an approved one withdraws it first
			m.want(rt, what, err, over(b.shown(now)))
		}()
	}
	if answer == transaction.NotMe {
		p.stopped = true
		m.withdraw(p)
	}
}

func (m *model) sendAgain(rt *rapid.T) {
	b := m.some(rt)
	if b.answered == "" {
		rt.Skip("nobody has answered")
	}
	got, err := b.by.Send(b.answered) // also after its token was stopped: it asks what has become of it
	if m.want(rt, "the same answer again", err, ""); got != b.said {
		rt.Fatalf("the same answer is told %s, at first %s", got, b.said)
	}
}

func (m *model) cancel(rt *rapid.T) {
	b := m.some(rt)
	s := b.shown(m.Clock.Now())
	_, err := m.CancelTransaction(m.T.Context(), theModelsBank, b.id)
	switch s {
	case transaction.Cancelled:
		m.want(rt, "cancelling twice", err, "")
	case transaction.Pending, transaction.Approved:
		m.want(rt, "cancelling", err, "")
		b.state = transaction.Cancelled
	default:
		m.want(rt, "cancelling what is "+string(s), err, over(s))
	}
}

func (m *model) digits(rt *rapid.T, right bool) {
	b := m.some(rt)
	p, now := b.of, m.Clock.Now()
	shown := b.shown(now)
	code := p.phone.Offline(b.offer)
	if !right {
		code = string('0'+(code[0]-'0'+1)%10) + code[1:]
	}
	got, err := m.ConfirmOffline(m.T.Context(), theModelsBank, b.id, code)
	if shown == transaction.Approved && b.grade == transaction.GradeB {
		m.want(rt, "digits for what digits have approved", err, "")
		return
	}
	if shown != transaction.Pending {
		m.want(rt, "digits for what is "+string(shown), err, over(shown))
		return
	}
	if !p.since.After(now.Add(-24 * time.Hour)) {
		p.wrong = 0
	}
	if p.wrong >= m.Policy.OfflineTriesPerDay || b.tries >= m.Policy.OfflineTries {
		m.want(rt, "one try too many", err, problem.OfflineBlocked)
		return
	}
	b.tries++
	if p.wrong++; p.wrong == 1 {
		p.since = now
	}
	if !right {
		if left := min(m.Policy.OfflineTries-b.tries, m.Policy.OfflineTriesPerDay-p.wrong); left > 0 {
			m.want(rt, "wrong digits", err, problem.OfflineWrong)
			var e *problem.Error
			if errors.As(err, &e); e.Values["tries_left"] != left {
				rt.Fatalf("%v tries are left, want %d", e.Values["tries_left"], left)
			}
		} else {
			m.want(rt, "the last wrong digits", err, problem.OfflineBlocked)
		}
		return
	}
	if m.want(rt, "right digits", err, ""); got.Grade != transaction.GradeB {
		rt.Fatalf("right digits give the grade %q", got.Grade)
	}
	b.state, b.grade, b.decided, b.until, b.token, b.approvedEver = transaction.Approved, transaction.GradeB, now, now.Add(m.Policy.ApprovalLife), p.phone.Answer.Token, true
	p.wrong, p.since = 0, time.Time{}
}

func (m *model) execution(b *belief, request string) authority.Execution {
	n := m.order(b.of)
	return authority.Execution{Request: request, Ref: n.Ref, Template: n.Template, Currency: n.Currency, Fields: n.Fields}
}

func (m *model) consume(rt *rapid.T) {
	b := m.some(rt)
	request := rapid.SampledFrom([]string{"exec-1", "exec-1", "exec-2"}).Draw(rt, "request")
	s := b.shown(m.Clock.Now())
	got, err := m.ConsumeTransaction(m.T.Context(), theModelsBank, b.id, m.execution(b, request))
	switch {
	case s == transaction.Approved:
		if m.want(rt, "consuming", err, ""); !b.approvedEver || b.permit != "" || got.Permit == "" || b.of.stopped {
			rt.Fatalf("a permit %q for what was approved: %v, had %q, stopped: %v", got.Permit, b.approvedEver, b.permit, b.of.stopped)
		}
		b.state, b.request, b.permit = transaction.Consumed, request, got.Permit
	case s == transaction.Consumed && request == b.request:
		if m.want(rt, "consuming again", err, ""); got.Permit != b.permit {
			rt.Fatal("the same request is given another permit")
		}
	case s == transaction.Consumed:
		m.want(rt, "consuming under another name", err, problem.TransactionConsumed)
	case s == transaction.Lapsed:
		m.want(rt, "consuming too late", err, problem.TransactionLapsed)
	default:
		m.want(rt, "consuming what is "+string(s), err, problem.TransactionNotApproved)
	}
}

func (m *model) consumeAnother(rt *rapid.T) {
	b := m.some(rt)
	e := m.execution(b, "exec-1")
	e.Fields[rapid.SampledFrom([]string{"amount", "payee.account", "fee"}).Draw(rt, "field")] = "7"
	_, err := m.ConsumeTransaction(m.T.Context(), theModelsBank, b.id, e)
	m.want(rt, "carrying out something else", err, problem.PermitMismatch)
}

func (m *model) sweep(*rapid.T) {
	fine(m.T, m.SweepDue(m.T.Context()))
	now := m.Clock.Now()
	for _, b := range m.txns {
		b.state = b.shown(now)
	}
	for key, at := range m.made {
		if !at.After(now.Add(-24 * time.Hour)) {
			delete(m.keys, key)
			delete(m.made, key)
		}
	}
}

func (m *model) stop(rt *rapid.T) {
	p := m.someone(rt)
	if !p.inUse || m.pending(p) != nil || !seldom(rt) {
		rt.Skip("not now")
	}
	m.Clock.Move(2 * time.Minute) // a code that has not been used
	b := m.LogIn(p.login, authority.PC)
	fine(m.T, b.Code(p.phone.Code()))
	m.Clock.Move(time.Minute)
	fine(m.T, b.Stop(p.phone))
	m.withdraw(p)
	p.old = append(p.old, p.phone)
	p.inUse, p.added = false, false
}

func (m *model) another(rt *rapid.T) {
	p := m.someone(rt)
	if p.inUse {
		rt.Skip("she has one")
	}
	m.enrol(p)
}

func (m *model) resume(rt *rapid.T) {
	p := m.someone(rt)
	if !p.stopped && !seldom(rt) {
		rt.Skip("nothing has stopped")
	}
	m.letGoOn(p)
	p.stopped = false
}

// stranger is another system of the bank, and the other customer's phone: to both there is no such transaction.
func (m *model) stranger(rt *rapid.T) {
	b := m.some(rt)
	by := theModelsBank
	by.ID = "another-bank"
	_, read := m.ReadTransaction(m.T.Context(), by, b.id)
	_, cancelled := m.CancelTransaction(m.T.Context(), by, b.id)
	_, consumed := m.ConsumeTransaction(m.T.Context(), by, b.id, m.execution(b, "exec-1"))
	_, confirmed := m.ConfirmOffline(m.T.Context(), by, b.id, b.of.phone.Offline(b.offer))
	errs := map[string]error{"reading": read, "cancelling": cancelled, "consuming": consumed, "confirming": confirmed}
	for _, p := range m.people {
		if p != b.of && p.phone != nil {
			_, errs["approving"] = p.phone.Send(p.phone.Decision(b.offer, transaction.Yes))
		}
	}
	for what, err := range errs {
		m.want(rt, what+" another's", err, problem.TransactionNone)
	}
}

// agrees holds the whole world against the model.
func (m *model) agrees(rt *rapid.T) {
	now := m.Clock.Now()
	waits := map[*holder]int{}
	for _, b := range m.txns {
		got, err := m.ReadTransaction(m.T.Context(), theModelsBank, b.id)
		if err != nil {
			rt.Fatal(err)
		}
		if got.State != b.shown(now) || got.Grade != b.grade || got.Permit != b.permit || got.Offer != b.offer || got.Customer != b.of.ref {
			rt.Fatalf("%s is %s, grade %q, permit %v; the model says %s, %q, %v", b.id, got.State, got.Grade, got.Permit != "", b.shown(now), b.grade, b.permit != "")
		}
		if got.State == transaction.Consumed && !b.approvedEver {
			rt.Fatalf("%s was carried out and never approved", b.id)
		}
		if got.State == transaction.Pending {
			waits[b.of]++
		}
		if (got.State == transaction.Pending || got.State == transaction.Approved) && (b.of.stopped || !b.of.inUse) {
			rt.Fatalf("%s is %s although everything of hers has stopped", b.id, got.State)
		}
	}
	for _, p := range m.people {
		if waits[p] > 1 {
			rt.Fatalf("%d wait for one customer", waits[p])
		}
		got, err := m.TransactionAuthOf(m.T.Context(), p.ref)
		if want := (authority.TransactionAuth{Required: p.added, InUse: p.added && p.inUse, Stopped: p.stopped}); err != nil || got != want {
			rt.Fatalf("the bank is told %+v, %v; the model says %+v", got, err, want)
		}
		if !p.inUse {
			continue
		}
		seen := p.phone.Transactions()
		if len(seen.Pending) != waits[p] {
			rt.Fatalf("the phone sees %d that wait, the model %d", len(seen.Pending), waits[p])
		}
	}
	if len(m.txns) > 0 { // the newest of all is proved without the server
		b := m.txns[len(m.txns)-1]
		e, err := m.Evidence(m.T.Context(), theModelsBank, b.id)
		if err != nil {
			rt.Fatal(err)
		}
		if f, err := e.Verify(m.Keys.Issuer().RootThumbprint); err != nil || f.Grade != b.grade || (f.Permit != nil) != (b.permit != "") {
			rt.Fatalf("the evidence: grade %q, permit %v, %v; the model says %q, %v", f.Grade, f.Permit != nil, err, b.grade, b.permit != "")
		}
	}
}
