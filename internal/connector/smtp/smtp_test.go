package smtp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/demo/mailbox"
	"github.com/inkan-auth/inkan/internal/connector/smtp"
	"github.com/inkan-auth/inkan/internal/domain/notice"
)

const her = "hanako@mail.example.jp"

func letter() notice.Mail {
	return notice.Mail{ID: "out_1", To: her, Subject: "印鑑銀行:登録番号のお知らせ / Your registration number – 1234 5678、長い件名でも途中で壊れずに届きます", Date: time.Date(2026, 11, 22, 3, 4, 5, 0, time.UTC),
		Body: "山田 花子 様\n\n登録番号は 1234 5678 です。\n.\n..二つの点\n=3D と日本語\n" + strings.Repeat("長い行。", 300) + "\n終わり\n"}
}

func at(t *testing.T, address string) *smtp.Mailer {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	check(t, err)
	c := smtp.Config{Host: host, From: "印鑑銀行 <otp@bank.example>", Plain: true}
	_, err = fmt.Sscan(port, &c.Port)
	check(t, err)
	m, err := smtp.New(c)
	check(t, err)
	return m
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func box(t *testing.T) *mailbox.Mailbox {
	t.Helper()
	b, err := mailbox.New(mailbox.Config{})
	check(t, err)
	t.Cleanup(func() { // a conversation that was broken off is not waited for
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		_ = b.Close(ctx)
	})
	return b
}

func TestALetterInJapaneseArrivesAsItWasWritten(t *testing.T) {
	b := box(t)
	m := letter()
	check(t, at(t, b.Addr()).Send(t.Context(), m))
	got := b.Messages()
	if len(got) != 1 {
		t.Fatalf("%d mails arrived", len(got))
	}
	if got[0].Subject != m.Subject || strings.TrimSpace(strings.ReplaceAll(got[0].Body, "\r\n", "\n")) != strings.TrimSpace(m.Body) || got[0].To != her || got[0].Sender != "otp@bank.example" {
		t.Errorf("arrived from %q to %q: %q\n%q", got[0].Sender, got[0].To, got[0].Subject, got[0].Body)
	}
	read, err := mail.ReadMessage(strings.NewReader(string(got[0].Raw)))
	check(t, err)
	for name, want := range map[string]string{"Auto-Submitted": "auto-generated", "Message-Id": "<out_1@bank.example>"} {
		if v := read.Header.Get(name); v != want {
			t.Errorf("%s is %q, want %q", name, v, want)
		}
	}
	if d, err := read.Header.Date(); err != nil || !d.Equal(m.Date) {
		t.Errorf("the date is %v, %v", d, err)
	}
	for line := range strings.Lines(string(got[0].Raw)) {
		if len(line) > 1000 || strings.ContainsFunc(line, func(r rune) bool { return r > 0x7e }) {
			t.Errorf("a line that not every server passes on: %q", line)
		}
	}
}

// Whatever stands in a subject or an address, a mail has the headers that we gave it, one recipient and one body.
func TestNobodyAddsAHeaderOrARecipient(t *testing.T) {
	b := box(t)
	s := at(t, b.Addr())
	plain := letter()
	plain.Subject = "plain"
	check(t, s.Send(t.Context(), plain))
	names := func(raw []byte) string {
		m, err := mail.ReadMessage(strings.NewReader(string(raw)))
		check(t, err)
		out := 0
		for _, v := range m.Header {
			out += len(v)
		}
		return fmt.Sprint(out, m.Header.Get("Bcc"), m.Header.Get("Cc"), m.Header.Get("X-Evil"), m.Header["To"])
	}
	want := names(b.Messages()[0].Raw)
	for _, evil := range []string{"x\r\nBcc: evil@evil.example", "x\nX-Evil: 1", "x\r\n\r\nanother body", "x\rX-Evil: 1", "x\x00y", "x\r\n X-Evil: 1", "x\u2028X-Evil: 1", "x\u0085X-Evil: 1", "=?utf-8?q?x=0D=0AX-Evil:_1?=",
		"=?UTF-8?B?DQpYLUV2aWw6IDE=?=", "x\v\fX-Evil: 1", strings.Repeat("あ", 2000) + "\r\nX-Evil: 1"} {
		m := letter()
		m.Subject = evil
		before := len(b.Messages())
		err := s.Send(t.Context(), m)
		if err == nil && len(b.Messages()) != before+1 {
			t.Fatalf("%q: %d mails", evil, len(b.Messages())-before)
		}
		if err == nil {
			if got := names(b.Messages()[0].Raw); got != want {
				t.Errorf("the subject %q makes of %s: %s", evil, want, got)
			}
			if strings.Contains(b.Messages()[0].Body, "another body") {
				t.Errorf("the subject %q writes the body", evil)
			}
		}
	}
	for _, to := range []string{"a@b.example, evil@evil.example", "a@b.example\r\nBcc: evil@evil.example", "a@b.example\nRCPT TO:<evil@evil.example>", "a@b.example>\r\nRCPT TO:<evil@evil.example", "<a@b.example> <evil@evil.example>",
		"\"a\r\nBcc: evil@evil.example\" <a@b.example>", "a@b.example;evil@evil.example", "group: a@b.example, evil@evil.example;", "", "nobody", "a@b.example\x00", "a b@c.example"} {
		m := letter()
		m.To = to
		before := len(b.Messages())
		err := s.Send(t.Context(), m)
		if err == nil || len(b.Messages()) != before {
			t.Errorf("a mail to %q was sent", to)
		}
		if !errors.Is(err, notice.ErrBounced) || strings.Contains(err.Error(), "example") {
			t.Errorf("a mail to %q: %v", to, err)
		}
	}
	for _, from := range []string{"", "nobody", "x\r\nBcc: evil@evil.example <otp@bank.example>", "a@b.example, c@d.example"} {
		if _, err := smtp.New(smtp.Config{Host: "127.0.0.1", Port: 25, From: from}); err == nil {
			t.Errorf("the sender %q is taken", from)
		}
	}
}

// A server that is out of order is asked again later; an address that does not exist is never asked again. No error repeats the address.
func TestWhatComesBackIsTriedAgainOrGivenUp(t *testing.T) {
	b := box(t)
	s := at(t, b.Addr())
	b.SetDown(true)
	failed(t, "out of order", s.Send(t.Context(), letter()), false)
	b.SetDown(false)
	check(t, s.Send(t.Context(), letter()))
	m := letter()
	m.To = "hanako+bounce@mail.example.jp"
	failed(t, "no such address", s.Send(t.Context(), m), true)
	failed(t, "nobody there", at(t, "127.0.0.1:1").Send(t.Context(), letter()), false)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	failed(t, "ended", s.Send(ended, letter()), false)

	for name, c := range map[string]struct {
		mail, rcpt, data, end string
		bounced               bool
	}{
		"busy before":            {mail: "450 4.3.2 busy " + her},
		"full mailbox":           {rcpt: "452 4.2.2 <" + her + "> is full"},
		"greylisted":             {rcpt: "451 4.7.1 <" + her + "> greylisted"},
		"no such address":        {rcpt: "550 5.1.1 <" + her + "> unknown", bounced: true},
		"moved":                  {rcpt: "551 5.1.6 <" + her + "> moved", bounced: true},
		"not an address":         {rcpt: "553 5.1.3 <" + her + "> bad", bounced: true},
		"our sender refused":     {mail: "550 5.7.1 <otp@bank.example> not allowed"},
		"our sender malformed":   {mail: "553 5.1.7 bad sender"},
		"our words refused":      {end: "550 5.7.1 looks like spam to " + her},
		"not accepting anything": {data: "554 5.3.2 no"},
		"lost at the end":        {end: "-"},
		"full at the end":        {end: "452 4.3.1 " + her},
	} {
		failed(t, name, at(t, scripted(t, c.mail, c.rcpt, c.data, c.end)).Send(t.Context(), letter()), c.bounced)
	}
}

func failed(t *testing.T, name string, err error, bounced bool) {
	t.Helper()
	if err == nil || errors.Is(err, notice.ErrBounced) != bounced {
		t.Errorf("%s: %v, given up should be %v", name, err, bounced)
	}
	if err != nil && (strings.Contains(err.Error(), "@") || strings.Contains(err.Error(), "hanako") || strings.Contains(err.Error(), "印鑑")) {
		t.Errorf("%s: the error shows whom it is about: %v", name, err)
	}
}

// scripted is a server that gives these answers instead of agreeing; "-" hangs up.
func scripted(t *testing.T, from, rcpt, data, end string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	var wg sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer func() { _ = c.Close() }()
				_ = c.SetDeadline(time.Now().Add(10 * time.Second))
				say := func(answer, otherwise string) bool {
					if answer == "" {
						answer = otherwise
					}
					_, _ = fmt.Fprintf(c, "%s\r\n", answer)
					return answer != "-"
				}
				say("", "220 here")
				in := bufio.NewScanner(c)
				for inData := false; in.Scan(); {
					line := in.Text()
					switch word := strings.ToUpper(line); {
					case inData && line == ".":
						inData = false
						if end == "-" {
							return
						}
						say(end, "250 ok")
					case inData:
					case strings.HasPrefix(word, "MAIL"):
						say(from, "250 ok")
					case strings.HasPrefix(word, "RCPT"):
						say(rcpt, "250 ok")
					case word == "DATA":
						inData = say(data, "354 go on") && data == ""
					case word == "QUIT":
						say("", "221 bye")
						return
					default:
						say("", "250 ok")
					}
				}
			})
		}
	})
	return l.Addr().String()
}

// Without the word that plain is right, a server without TLS gets neither the mail nor the password.
func TestWithoutTLSNothingIsSent(t *testing.T) {
	b := box(t)
	host, port, err := net.SplitHostPort(b.Addr())
	check(t, err)
	c := smtp.Config{Host: host, From: "otp@bank.example", User: "u", Password: "Kanariya-password"}
	_, err = fmt.Sscan(port, &c.Port)
	check(t, err)
	m, err := smtp.New(c)
	check(t, err)
	err = m.Send(t.Context(), letter())
	failed(t, "no TLS", err, false)
	if len(b.Messages()) != 0 || strings.Contains(err.Error(), "Kanariya") {
		t.Errorf("%d mails were sent in the clear: %v", len(b.Messages()), err)
	}
}
