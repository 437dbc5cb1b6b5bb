package mailbox

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
)

type parsed struct {
	from, subject, body string
}

// maxDepth bounds multiparts inside multiparts.
const maxDepth = 5

// parse reads a mail as far as it can be read; what cannot be decoded is shown as it came, since a mailbox must show something.
func parse(raw []byte) parsed {
	msg, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return parsed{body: string(raw)}
	}
	words := &mime.WordDecoder{CharsetReader: charsetReader}
	decode := func(header string) string {
		if s, err := words.DecodeHeader(msg.Header.Get(header)); err == nil {
			return s
		}
		return msg.Header.Get(header)
	}
	p := parsed{from: decode("From"), subject: decode("Subject")}
	text, ok := textOf(msg.Header.Get("Content-Type"), msg.Header.Get("Content-Transfer-Encoding"), msg.Body, maxDepth)
	if ok {
		p.body = strings.TrimRight(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	}
	return p
}

// textOf finds the first plain text of a part and says whether there is one.
func textOf(contentType, transfer string, body io.Reader, depth int) (string, bool) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		kind = "text/plain"
	}
	if strings.HasPrefix(kind, "multipart/") && depth > 0 {
		return textOfParts(multipart.NewReader(body, params["boundary"]), depth)
	}
	if kind != "text/plain" {
		return "", false
	}
	switch strings.ToLower(transfer) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	if r, err := charsetReader(params["charset"], body); err == nil {
		body = r
	}
	text, err := io.ReadAll(body)
	return string(text), err == nil || len(text) > 0
}

func textOfParts(parts *multipart.Reader, depth int) (string, bool) {
	for {
		part, err := parts.NextRawPart()
		if err != nil {
			return "", false
		}
		if text, ok := textOf(part.Header.Get("Content-Type"), part.Header.Get("Content-Transfer-Encoding"), part, depth-1); ok {
			return text, true
		}
	}
}

// charsetReader knows what mail programs in Japan send: UTF-8, ISO-2022-JP, Shift_JIS, EUC-JP and the rest of the web's list.
func charsetReader(charset string, r io.Reader) (io.Reader, error) {
	if charset == "" {
		return r, nil
	}
	known, err := htmlindex.Get(charset)
	if err != nil {
		return nil, fmt.Errorf("mailbox: character set %q: %w", charset, err)
	}
	if known == encoding.Nop {
		return r, nil
	}
	return known.NewDecoder().Reader(r), nil
}
