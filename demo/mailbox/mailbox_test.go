package mailbox_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/smtp"
	"net/textproto"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/wneessen/go-mail"
	"golang.org/x/text/encoding/japanese"

	"github.com/inkan-auth/inkan/demo/mailbox"
)

func open(t *testing.T) *mailbox.Mailbox {
	t.Helper()
	box, err := mailbox.New(mailbox.Config{Now: func() time.Time { return time.Date(2026, 11, 22, 1, 2, 3, 0, time.UTC) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close(t.Context()) })
	return box
}

func page(t *testing.T, box *mailbox.Mailbox, path string, header ...string) string {
	t.Helper()
	server := httptest.NewServer(box.Handler())
	defer server.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if csp := resp.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") {
		t.Errorf("policy of %s is %q", path, csp)
	}
	return string(b)
}

// TestProductionMail sends what a mail library of today sends: encoded subject, quoted-printable body with an alternative in HTML.
func TestProductionMail(t *testing.T) {
	box := open(t)
	msg := mail.NewMsg()
	check(t, msg.FromFormat("印鑑銀行", "no-reply@example.jp"))
	check(t, msg.To("hanako@example.jp"))
	msg.Subject("【印鑑銀行】トークンのお申込みを受け付けました")
	msg.SetBodyString(mail.TypeTextPlain, "山田 花子 様\n\n登録番号 1234 5678\nアプリ http://token.localhost:8080/\n<b>太字ではありません</b>\n")
	msg.AddAlternativeString(mail.TypeTextHTML, "<p>HTML</p>")
	host, port, _ := net.SplitHostPort(box.Addr())
	client, err := mail.NewClient(host, mail.WithPort(number(t, port)), mail.WithTLSPolicy(mail.NoTLS), mail.WithHELO("localhost"))
	check(t, err)
	check(t, client.DialAndSendWithContext(t.Context(), msg))

	got := box.Messages()
	if len(got) != 1 || got[0].Subject != "【印鑑銀行】トークンのお申込みを受け付けました" || got[0].To != "hanako@example.jp" ||
		!strings.Contains(got[0].From, "印鑑銀行") || !strings.HasPrefix(got[0].Body, "山田 花子 様\n\n登録番号 1234 5678\n") {
		t.Fatalf("got %+v", got)
	}
	one := page(t, box, "/mail/1")
	for _, want := range []string{`<a href="http://token.localhost:8080/"`, "&lt;b&gt;太字ではありません", `lang="ja"`} {
		if !strings.Contains(one, want) {
			t.Errorf("the page of the mail lacks %q", want)
		}
	}
	if list := page(t, box, "/?to=hanako@example.jp", "Accept-Language", "en-GB,en;q=0.9"); !strings.Contains(list, "トークンのお申込み") || !strings.Contains(list, `lang="en"`) {
		t.Error("the list does not show the mail in English surroundings")
	}
	if list := page(t, box, "/?to=nobody@example.jp"); strings.Contains(list, "トークンのお申込み") {
		t.Error("the list of another address shows the mail")
	}
}

// TestOldMail reads ISO-2022-JP, which mail programs in Japan still send, and base64.
func TestOldMail(t *testing.T) {
	box := open(t)
	jis := func(s string) string {
		out, err := japanese.ISO2022JP.NewEncoder().String(s)
		check(t, err)
		return out
	}
	raw := "From: a@example.jp\r\nTo: b@example.jp\r\nSubject: =?ISO-2022-JP?B?" + b64(jis("登録番号のお知らせ")) + "?=\r\n" +
		"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=ISO-2022-JP\r\nContent-Transfer-Encoding: 7bit\r\n\r\n" + jis("本文です") + "\r\n"
	check(t, smtp.SendMail(box.Addr(), nil, "a@example.jp", []string{"b@example.jp"}, []byte(raw)))
	raw = "Subject: plain\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: multipart/alternative; boundary=y\r\n\r\n" +
		"--y\r\nContent-Type: text/html\r\n\r\n<p>no</p>\r\n--y\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		b64("二番目") + "\r\n--y--\r\n--x--\r\n"
	check(t, smtp.SendMail(box.Addr(), nil, "a@example.jp", []string{"b@example.jp"}, []byte(raw)))

	got := box.Messages()
	if len(got) != 2 || got[0].Body != "二番目" || got[1].Subject != "登録番号のお知らせ" || got[1].Body != "本文です" {
		t.Fatalf("got %+v", got)
	}
}

func TestDownAndBounce(t *testing.T) {
	box := open(t)
	send := func(to string) error {
		return smtp.SendMail(box.Addr(), nil, "a@example.jp", []string{to}, []byte("Subject: x\r\n\r\nx\r\n"))
	}
	box.SetDown(true)
	if err := send("b@example.jp"); code(err) != 421 {
		t.Errorf("while down: %v", err)
	}
	if !strings.Contains(page(t, box, "/"), "止まっています") {
		t.Error("the page does not say that the server is down")
	}
	box.SetDown(false)
	if err := send("hanako+bounce@example.jp"); code(err) != 550 {
		t.Errorf("bounce: %v", err)
	}
	if err := send("b@example.jp"); err != nil {
		t.Errorf("after: %v", err)
	}
	if n := len(box.Messages()); n != 1 {
		t.Errorf("%d mails kept", n)
	}
}

func TestKeepsTheNewest(t *testing.T) {
	box := open(t)
	client, err := smtp.Dial(box.Addr())
	check(t, err)
	defer client.Close()
	for i := range 510 {
		check(t, client.Mail("a@example.jp"))
		check(t, client.Rcpt("b@example.jp"))
		w, err := client.Data()
		check(t, err)
		fmt.Fprintf(w, "Subject: %d\r\n\r\nx\r\n", i)
		check(t, w.Close())
	}
	got := box.Messages()
	if len(got) != 500 || got[0].Subject != "509" || got[499].Subject != "10" {
		t.Errorf("%d kept, from %s to %s", len(got), got[0].Subject, got[len(got)-1].Subject)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func code(err error) int {
	if reply, ok := err.(*textproto.Error); ok {
		return reply.Code
	}
	return 0
}

// TestTexts holds both languages to the same keys.
func TestTexts(t *testing.T) {
	texts := make(map[string]map[string]string)
	for _, tag := range []string{"ja", "en"} {
		raw, err := os.ReadFile("text/" + tag + ".json")
		check(t, err)
		var text map[string]string
		check(t, json.Unmarshal(raw, &text))
		texts[tag] = text
	}
	for key, ja := range texts["ja"] {
		if ja == "" || texts["en"][key] == "" {
			t.Errorf("%s: ja %q, en %q", key, ja, texts["en"][key])
		}
	}
	if len(texts["ja"]) != len(texts["en"]) {
		t.Error("the languages have different keys")
	}
}
