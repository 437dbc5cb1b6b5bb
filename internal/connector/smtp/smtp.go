// Package smtp hands mails to the bank's mail server.
package smtp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/inkan-auth/inkan/internal/domain/notice"
)

// Config is where and as whom to send.
type Config struct {
	Host string
	Port int
	From string // the one announced address, such as "印鑑銀行 <otp@bank.example>"
	User string // empty where the server needs no login
	// Password of User.
	Password string
	// Plain allows a connection without TLS. It is for a mail server on this very machine and for the demo.
	Plain bool
}

// Mailer sends mails. It keeps no connection between them.
type Mailer struct {
	c      Config
	domain string
}

// New checks the configuration.
func New(c Config) (*Mailer, error) {
	m := mail.NewMsg()
	if err := m.From(c.From); err != nil {
		return nil, errors.New("smtp: from is not a mail address")
	}
	addr := m.GetFrom()[0].Address
	return &Mailer{c, addr[lastAt(addr)+1:]}, nil
}

// Send hands one mail over. An address that does not exist is notice.ErrBounced: only the answer to the recipient says so, for a server that refuses our
// sender or our words would otherwise spoil every customer's address. The server's own words are not passed on, because they repeat the
// recipient's address.
func (s *Mailer) Send(ctx context.Context, a notice.Mail) error {
	m := mail.NewMsg()
	if err := errors.Join(m.From(s.c.From), m.To(a.To)); err != nil {
		return fmt.Errorf("smtp: %w: the address cannot be written", notice.ErrBounced)
	}
	m.Subject(a.Subject)
	m.SetDateWithValue(a.Date)
	m.SetMessageIDWithValue(a.ID + "@" + s.domain)
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetBodyString(mail.TypeTextPlain, a.Body)
	options := []mail.Option{mail.WithPort(s.c.Port), mail.WithTimeout(10 * time.Second), mail.WithTLSPortPolicy(mail.TLSMandatory)}
	if s.c.Plain {
		options[2] = mail.WithTLSPortPolicy(mail.NoTLS)
		options = append(options, mail.WithPort(s.c.Port))
	}
	if s.c.User != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(s.c.User), mail.WithPassword(s.c.Password))
	}
	c, err := mail.NewClient(s.c.Host, options...)
	if err != nil {
		return errors.New("smtp: the mail server's settings cannot be used")
	}
	err = c.DialAndSendWithContext(ctx, m)
	var sent *mail.SendError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &sent) && sent.Reason == mail.ErrSMTPRcptTo && !sent.IsTemp() && (sent.ErrorCode() == 550 || sent.ErrorCode() == 551 || sent.ErrorCode() == 553):
		return fmt.Errorf("smtp: %w (%d)", notice.ErrBounced, sent.ErrorCode())
	case errors.As(err, &sent):
		return fmt.Errorf("smtp: the mail server answered %d", sent.ErrorCode())
	}
	return errors.New("smtp: the mail server cannot be reached")
}

func lastAt(s string) int {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == '@' {
			return i
		}
	}
	return -1
}
