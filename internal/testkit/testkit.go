// Package testkit is a world for tests: both engines, a clock that is moved by hand, a pretend mail server, and a phone that speaks the token protocol.
// The store is always a real one.
package testkit

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/connector/callback"
	"github.com/inkan-auth/inkan/internal/connector/keys"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/notice"
	"github.com/inkan-auth/inkan/internal/domain/password"
	"github.com/inkan-auth/inkan/internal/domain/policy"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/web"
)

// The audiences in tests. TokenOrigin is the issuer as well.
const (
	TokenOrigin = "https://token.bank.example"
	LoginOrigin = "https://login.bank.example"
	StaffOrigin = "https://staff.bank.example"
)

// Clock is moved by hand.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now is the time on the clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Move moves the clock by d, backwards too.
func (c *Clock) Move(d time.Duration) {
	c.mu.Lock()
	c.now = c.now.Add(d)
	c.mu.Unlock()
}

// Post is a pretend mail server that keeps what it is given.
type Post struct {
	mu     sync.Mutex
	sent   []notice.Mail
	down   bool
	bounce map[string]bool
	store  *store.Store
	t      testing.TB
	line   *Line // the other pretend partners go with it from node to node
	cards  *Cards
	cost   password.Params
}

// Send keeps the mail, or fails as it was told to. Nothing may leave from inside a write.
func (p *Post) Send(_ context.Context, m notice.Mail) error {
	for began := time.Now(); p.store.Writing() != 0; time.Sleep(time.Millisecond) { // a write that this mail leaves from cannot end before us; any other one does
		if time.Since(began) > 30*time.Second {
			p.t.Errorf("a mail left while %d writes were open", p.store.Writing())
			break
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return errors.New("the mail server is down")
	}
	if p.bounce[m.To] {
		return notice.ErrBounced
	}
	p.sent = append(p.sent, m)
	return nil
}

// Down switches the mail server off and on.
func (p *Post) Down(down bool) {
	p.mu.Lock()
	p.down = down
	p.mu.Unlock()
}

// Bounce makes an address one that does not exist.
func (p *Post) Bounce(to string) {
	p.mu.Lock()
	p.bounce[to] = true
	p.mu.Unlock()
}

// Sent is every mail so far.
func (p *Post) Sent() []notice.Mail {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]notice.Mail(nil), p.sent...)
}

// World is a server without its pages.
type World struct {
	*authority.Authority
	T     testing.TB
	Clock *Clock
	Post  *Post
	Line  *Line
	Cards *Cards
	Log   *strings.Builder

	people int // members of staff invited so far
}

// Each runs a test on a fresh SQLite file and, where PostgreSQL is there, on a fresh database of it.
func Each(t *testing.T, f func(t *testing.T, w *World)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		f(t, New(t, SQLite(t)))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		f(t, New(t, Postgres(t)))
	})
}

// SQLite opens a fresh file.
func SQLite(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "inkan.db"))
	if err != nil {
		t.Fatalf("opening SQLite: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// New makes a world on a store; change adjusts its policy.
func New(t testing.TB, s *store.Store, change ...func(*policy.Policy)) *World {
	t.Helper()
	return newWorld(t, s, cheap, change...)
}

// Costly is New with what hashing a password really costs.
func Costly(t testing.TB, s *store.Store, change ...func(*policy.Policy)) *World {
	t.Helper()
	return newWorld(t, s, password.Default, change...)
}

func newWorld(t testing.TB, s *store.Store, cost password.Params, change ...func(*policy.Policy)) *World {
	t.Helper()
	clock := &Clock{now: time.Date(2026, 11, 22, 1, 2, 30, 0, time.UTC)}
	dir := filepath.Join(t.TempDir(), "keys")
	if err := keys.Create(dir, TokenOrigin, clock.Now(), web.Templates); err != nil {
		t.Fatalf("making keys: %v", err)
	}
	return Node(t, s, clock, &Post{bounce: map[string]bool{}, store: s, t: t, line: newLine(t, s.Writing), cards: &Cards{cards: map[string]authority.CardResult{}}, cost: cost}, dir, change...)
}

// Node is a further authority on the same store, clock and keys.
func Node(t testing.TB, s *store.Store, clock *Clock, post *Post, keyDir string, change ...func(*policy.Policy)) *World {
	t.Helper()
	k, err := keys.Open(keyDir, TokenOrigin, clock.Now())
	if err != nil {
		t.Fatalf("opening keys: %v", err)
	}
	p := policy.Default()
	p.FailuresPerSource = 1 << 20 // tests of the throttle set their own
	for _, c := range change {
		c(&p)
	}
	var log strings.Builder
	a, err := authority.New(t.Context(), authority.Config{Store: s, Keys: k, Mailer: post, Core: post.cards, Telephone: post.line, Speak: speak, Caller: callback.New(false), Compose: compose, Word: word, Policy: p, Now: clock.Now, Rand: rand.Reader, Cost: post.cost,
		Log:  slog.New(slog.NewTextHandler(&syncWriter{w: &log}, nil)),
		Bank: authority.Bank{NameJA: "印鑑銀行", NameEN: "Inkan Bank", LoginOrigin: LoginOrigin, TokenOrigin: TokenOrigin, StaffOrigin: StaffOrigin, MailFrom: "otp@bank.example", Phone: "0120-000-000"}})
	if err != nil {
		t.Fatalf("making an authority: %v", err)
	}
	w := &World{Authority: a, T: t, Clock: clock, Post: post, Line: post.line, Cards: post.cards, Log: &log}
	KeyDirs.Store(w, keyDir)
	return w
}

// cheap is what hashing costs in tests that are about something else: at its real cost it would be most of their time.
var cheap = password.Params{Memory: 64, Passes: 1, Lanes: 1}

// KeyDirs remembers where a world's keys are, for a second node.
var KeyDirs sync.Map

// Another is a second node beside w: the same store, clock, mail and keys.
func (w *World) Another() *World {
	dir, _ := KeyDirs.Load(w)
	return Node(w.T, w.Store, w.Clock, w.Post, dir.(string), func(p *policy.Policy) { *p = w.Policy })
}

// Demanding is a node beside w whose templates all ask for the customer's fingerprint, face or screen lock.
func (w *World) Demanding() *World {
	w.T.Helper()
	dir, _ := KeyDirs.Load(w)
	at := dir.(string)
	if err := keys.SignTemplates(at, filepath.Join(at, keys.RootFile), TokenOrigin, bytes.ReplaceAll(web.Templates, []byte(`"verification": "none"`), []byte(`"verification": "webauthn"`))); err != nil {
		w.T.Fatal(err)
	}
	return w.Another()
}

type syncWriter struct {
	mu sync.Mutex
	w  *strings.Builder
}

func (s *syncWriter) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(b)
}

// compose writes a mail that tests can read: topic and values.
func compose(topic string, values map[string]string) (string, string, error) {
	b, err := json.Marshal(values)
	return topic, string(b), err
}

// speak says what tests can read: language, topic and values.
func speak(language, topic string, values map[string]string) (string, error) {
	b, err := json.Marshal(values)
	return language + " " + topic + " " + string(b), err
}

// word writes a notice for the inbox that tests can read.
func word(lang, topic string, values map[string]string) (string, [][]string) {
	return lang + " " + topic, [][]string{{"at", values["time"]}}
}

// Hanako's passwords. She has changed the bank's first ones already.
const (
	LoginID  = "hanako01"
	Login    = "tsubame-kaeru-4"
	Confirm  = "kinu-no-michi-7"
	Ref      = "0101-1-1234567"
	HerMail  = "hanako@mail.example.jp"
	wrongOne = "not-the-password"
)

// Person adds a customer. first says that her passwords are still the bank's.
func (w *World) Person(n int, first bool) string {
	w.T.Helper()
	id := fmt.Sprintf("%s%02d", LoginID[:6], n)
	err := w.ImportCustomer(w.T.Context(), authority.NewCustomer{Ref: fmt.Sprintf("0101-1-%07d", 1234566+n), LoginID: id, LoginPassword: Login, ConfirmPassword: Confirm, Name: "山田 花子",
		Kana: "ヤマダ ハナコ", Mail: strings.Replace(HerMail, "@", fmt.Sprintf("%d@", n), 1), Phone: "090-0000-1234", Branch: "101", AccountType: "普通",
		AccountNumber: fmt.Sprintf("%07d", 1234566+n), KeepPasswords: !first})
	if err != nil {
		w.T.Fatalf("importing a customer: %v", err)
	}
	return id
}

// Visit is a browser on a PC or a smartphone.
func Visit(c authority.Channel) authority.Visit {
	return authority.Visit{Actor: audit.Actor{Kind: audit.Stranger, Device: "Windows / Chrome", Source: "192.0.2.0/24"}, Channel: c}
}

// Browser is one browser of a customer with its cookies.
type Browser struct {
	W     *World
	Visit authority.Visit
	authority.Session
	Cookie authority.Cookie
}

// LogIn opens a session with the password; it may still owe a code.
func (w *World) LogIn(id string, c authority.Channel) *Browser {
	w.T.Helper()
	b := &Browser{W: w, Visit: Visit(c)}
	if err := b.Password(id, Login); err != nil {
		w.T.Fatalf("logging in: %v", err)
	}
	return b
}

// Password sends login ID and password.
func (b *Browser) Password(id, pw string) error {
	s, c, err := b.W.Login(b.W.T.Context(), b.Visit, id, []byte(pw))
	return b.take(s, c, err)
}

// Code sends the one-time password that is owed.
func (b *Browser) Code(code string) error {
	s, c, err := b.W.LoginOTP(b.W.T.Context(), b.Visit, b.Session, code)
	return b.take(s, c, err)
}

// Start sends the code at the start of use.
func (b *Browser) Start(code string) error {
	c, err := b.W.StartToken(b.W.T.Context(), b.Session, code)
	if err != nil {
		return err
	}
	s, err := b.W.SessionOf(b.W.T.Context(), c.Session)
	return b.take(s, c, err)
}

func (b *Browser) take(s authority.Session, c authority.Cookie, err error) error {
	if err != nil {
		return err
	}
	b.Session, b.Cookie = s, c
	if c.Browser != "" {
		b.Visit.Browser = c.Browser
	}
	return nil
}

// MailedNumber delivers the outbox and reads the registration number out of the latest mail of its kind to anybody.
func (w *World) MailedNumber() string {
	w.T.Helper()
	if _, err := w.DeliverDue(w.T.Context()); err != nil {
		w.T.Fatalf("delivering: %v", err)
	}
	sent := w.Post.Sent()
	for i := len(sent) - 1; i >= 0; i-- {
		if sent[i].Subject == "registration_number" {
			var v map[string]string
			if err := json.Unmarshal([]byte(sent[i].Body), &v); err != nil {
				w.T.Fatal(err)
			}
			return strings.ReplaceAll(v["number"], " ", "")
		}
	}
	w.T.Fatal("no mail with a registration number")
	return ""
}

// Enrol takes a logged-in browser through application, mail, registration and start of use, and gives the phone.
func (b *Browser) Enrol() *Phone {
	b.W.T.Helper()
	p := b.Registered()
	if err := b.Start(p.Code()); err != nil {
		b.W.T.Fatalf("start of use: %v", err)
	}
	return p
}

// Approve has the token app show what an errand asks, and answer it.
func (b *Browser) Approve(e authority.Errand, p *Phone, answer transaction.Answer) {
	b.W.T.Helper()
	pending := p.Transactions().Pending
	if len(pending) != 1 {
		b.W.T.Fatalf("%d transactions wait for the phone, want the one of the errand", len(pending))
	}
	if _, err := p.Send(p.Decision(pending[0].Offer, answer)); err != nil {
		b.W.T.Fatalf("answering %s: %v", e.Act, err)
	}
}

// Stop ends the use of the token, with the approval of its app.
func (b *Browser) Stop(p *Phone) error {
	b.W.T.Helper()
	e, err := b.W.AskToStop(b.W.T.Context(), b.Session, []byte(Confirm))
	if err != nil {
		return err
	}
	b.Approve(e, p, transaction.Yes)
	return b.W.StopToken(b.W.T.Context(), b.Session, e.ID)
}

// Registered takes a logged-in browser up to the registration.
func (b *Browser) Registered() *Phone {
	b.W.T.Helper()
	ctx := b.W.T.Context()
	if err := b.W.Apply(ctx, b.Session, []byte(Confirm)); err != nil {
		b.W.T.Fatalf("applying: %v", err)
	}
	key, err := b.W.RegistrationKey(ctx, b.Session, false)
	if err != nil {
		b.W.T.Fatalf("showing the key: %v", err)
	}
	p := NewPhone(b.W)
	if err := p.Register(p.Scan(key.Link, b.W.MailedNumber())); err != nil {
		b.W.T.Fatalf("registering: %v", err)
	}
	return p
}

// Pushes is a pretend push service that counts.
type Pushes struct {
	mu sync.Mutex
	n  int
}

// Key is no key.
func (p *Pushes) Key() string { return "" }

// Wake counts.
func (p *Pushes) Wake(context.Context, notice.Subscription, string, time.Duration) error {
	p.mu.Lock()
	p.n++
	p.mu.Unlock()
	return nil
}

// Count is how many wake-ups there were.
func (p *Pushes) Count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n
}

// Subscription is where a pretend browser can be woken.
func Subscription() notice.Subscription {
	return notice.Subscription{Endpoint: "http://127.0.0.1:1/push", P256DH: "BA", Auth: "AA"}
}
