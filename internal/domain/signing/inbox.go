package signing

import "time"

// Inbox is what a token app shows of the notices to its customer (docs/protocol.md, Inbox).
type Inbox struct {
	Issuer, Token string
	Proof         string // hash of the proof with which the app asked, so that no older answer can stand for this one
	Time          time.Time
	More          bool // there are older ones, which the security centre shows
	Notices       []InboxNotice
}

// InboxNotice is one of them, in both languages.
type InboxNotice struct {
	ID     string
	Time   time.Time
	JA, EN InboxText
}

// InboxText is a notice in one language: a title, and paragraphs of lines.
type InboxText struct {
	Title string
	Text  [][]string
}

func (t InboxText) object() Object {
	paragraphs := make([]any, len(t.Text))
	for i, p := range t.Text {
		lines := make([]any, len(p))
		for j, l := range p {
			lines[j] = l
		}
		paragraphs[i] = lines
	}
	return Object{"title": t.Title, "text": paragraphs}
}

// MakeInbox makes the envelope, signed by the issuer key. The oldest notices for which there is no room are left out, and More says so.
func MakeInbox(in Inbox, kid string, sign Signer) (string, error) {
	payload, err := inboxPayload(in)
	for err != nil && len(in.Notices) > 0 {
		in.Notices, in.More = in.Notices[:len(in.Notices)-1], true
		payload, err = inboxPayload(in)
	}
	if err != nil {
		return "", err
	}
	return Seal(TypInbox, kid, nil, payload, sign)
}

func inboxPayload(in Inbox) ([]byte, error) {
	notices := make([]any, len(in.Notices))
	for i, n := range in.Notices {
		notices[i] = Object{"id": n.ID, "time": stamp(n.Time), "ja": n.JA.object(), "en": n.EN.object()}
	}
	return Canonical(Object{"v": "1", "issuer": in.Issuer, "token": in.Token, "proof": in.Proof, "time": stamp(in.Time), "more": in.More, "notices": notices})
}

// ParseInbox reads an envelope of an inbox, verified with the issuer key.
func ParseInbox(compact string, issuer JWK) (Inbox, error) {
	o, err := Open(TypInbox, compact, issuer)
	if err != nil {
		return Inbox{}, err
	}
	more, is := o["more"].(bool)
	delete(o, "more")
	f, err := o.Fields("v", "issuer", "token", "proof", "time", "notices[]")
	if err != nil || !is || f["v"] != "1" {
		return Inbox{}, ErrCanonical
	}
	in := Inbox{Issuer: f["issuer"], Token: f["token"], Proof: f["proof"], More: more}
	if in.Time, err = parseStamp(f["time"]); err != nil {
		return in, ErrCanonical
	}
	for _, v := range o["notices"].([]any) {
		entry, _ := v.(Object)
		f, err := entry.Fields("id", "time", "ja{}", "en{}")
		if err != nil {
			return in, err
		}
		n := InboxNotice{ID: f["id"]}
		if n.Time, err = parseStamp(f["time"]); err != nil {
			return in, ErrCanonical
		}
		if n.JA, err = readInboxText(entry["ja"].(Object)); err != nil {
			return in, err
		}
		if n.EN, err = readInboxText(entry["en"].(Object)); err != nil {
			return in, err
		}
		in.Notices = append(in.Notices, n)
	}
	return in, nil
}

func readInboxText(o Object) (t InboxText, err error) {
	f, err := o.Fields("title", "text[]")
	if err != nil {
		return t, err
	}
	t.Title = f["title"]
	for _, p := range o["text"].([]any) {
		paragraph, is := p.([]any)
		if !is {
			return t, ErrCanonical
		}
		lines := make([]string, len(paragraph))
		for i, l := range paragraph {
			if lines[i], is = l.(string); !is {
				return t, ErrCanonical
			}
		}
		t.Text = append(t.Text, lines)
	}
	return t, nil
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

func parseStamp(s string) (time.Time, error) { return time.Parse("2006-01-02T15:04:05Z", s) }
