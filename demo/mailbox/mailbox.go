// Package mailbox is the customers' mail in the demo and in tests: a real SMTP server on the loopback address that delivers
// nothing, and a web page that shows what arrived. Mail therefore takes the same way as in production – composed, queued,
// sent, refused, tried again – and can be read without a mail account.
//
// It can also misbehave on purpose: SetDown answers as a server that is out of order for a while, and an address with
// "+bounce" in it is refused for good.
package mailbox

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/inkan-auth/inkan/demo/frame"
)

const (
	keep        = 500     // Mails kept; older ones go first.
	maxMail     = 1 << 20 // Bytes of one mail.
	bounceMark  = "+bounce"
	downMessage = "Service not available, try again later"
)

// Config is all that the mailbox needs to know of the world.
type Config struct {
	Listen string           // Address of the SMTP server; empty means a free port of 127.0.0.1.
	Now    func() time.Time // Clock; nil means the clock of the machine.
	Log    *slog.Logger     // Where broken SMTP conversations are noted; nil means nowhere.
}

// Message is one mail as a person reads it: headers decoded, body as text.
type Message struct {
	ID       int // Grows with every mail received; 1 is the first.
	From     string
	Sender   string // Envelope sender, where a bounce would go.
	To       string // Envelope recipient; a mail to several is kept once for each.
	Subject  string
	Body     string
	Received time.Time
	Raw      []byte // The mail as it came, for tests that look at headers.
}

// Mailbox receives and shows mail. Make one with New and Close it.
type Mailbox struct {
	now      func() time.Time
	server   *smtp.Server
	listener net.Listener
	pages    *frame.Frame
	down     atomic.Bool

	mu       sync.Mutex
	received int
	messages []Message // Oldest first.
}

// New starts the SMTP server. It returns when mail can be sent.
func New(cfg Config) (*Mailbox, error) {
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	p, err := frame.Load(files, languageCookie, "list", "mail")
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return nil, err
	}
	m := &Mailbox{now: cfg.Now, listener: listener, pages: p}
	m.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return m.session() }))
	m.server.Domain = "mail.localhost"
	m.server.MaxMessageBytes = maxMail
	m.server.MaxRecipients = 10
	m.server.ReadTimeout = 30 * time.Second
	m.server.WriteTimeout = 30 * time.Second
	m.server.ErrorLog = slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug)
	go func() {
		if err := m.server.Serve(listener); err != nil && !errors.Is(err, smtp.ErrServerClosed) {
			cfg.Log.Error("mailbox: SMTP server stopped", "err", err)
		}
	}()
	return m, nil
}

// Addr is where mail is to be sent to, as host:port.
func (m *Mailbox) Addr() string { return m.listener.Addr().String() }

// Close stops the SMTP server, waiting for conversations under way until ctx ends.
func (m *Mailbox) Close(ctx context.Context) error { return m.server.Shutdown(ctx) }

// SetDown makes the server answer 421 to everything, as one that is out of order for a while, or work again.
func (m *Mailbox) SetDown(down bool) { m.down.Store(down) }

// Messages answers what is kept, the newest first.
func (m *Mailbox) Messages() []Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]Message, 0, len(m.messages))
	for i := len(m.messages) - 1; i >= 0; i-- {
		out = append(out, m.messages[i])
	}
	return out
}

// message finds one mail that is still kept.
func (m *Mailbox) message(id int) (Message, bool) {
	for _, msg := range m.Messages() {
		if msg.ID == id {
			return msg, true
		}
	}
	return Message{}, false
}

func (m *Mailbox) receive(from string, to []string, raw []byte) {
	parsed := parse(raw)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, recipient := range to {
		m.received++
		m.messages = append(m.messages, Message{
			ID: m.received, From: parsed.from, Sender: from, To: recipient, Subject: parsed.subject, Body: parsed.body,
			Received: m.now(), Raw: raw,
		})
	}
	if extra := len(m.messages) - keep; extra > 0 {
		m.messages = append([]Message(nil), m.messages[extra:]...)
	}
}

var (
	errDown   = &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: downMessage}
	errBounce = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "No such mailbox"}
)

func (m *Mailbox) session() (smtp.Session, error) {
	if m.down.Load() {
		return nil, errDown
	}
	return &session{box: m}, nil
}

// session is one SMTP conversation.
type session struct {
	box  *Mailbox
	from string
	to   []string
}

// Mail begins a mail.
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if s.box.down.Load() {
		return errDown
	}
	s.from = from
	return nil
}

// Rcpt adds a recipient or refuses it.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	switch {
	case s.box.down.Load():
		return errDown
	case strings.Contains(to, bounceMark):
		return errBounce
	}
	s.to = append(s.to, strings.ToLower(to))
	return nil
}

// Data takes the mail itself.
func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if s.box.down.Load() {
		return errDown
	}
	s.box.receive(s.from, s.to, raw)
	return nil
}

// Reset forgets the mail under way.
func (s *session) Reset() { s.from, s.to = "", nil }

// Logout ends the conversation.
func (s *session) Logout() error { return nil }
