package web

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // a server without a zone database must not show wrong times

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/problem"
)

// Languages are the languages in which everything is said, the house's own first.
var Languages = []string{"ja", "en"}

// Texts is every sentence that people read, in every language, by file and key.
type Texts struct {
	words map[string]map[string]map[string]string // language, file, key
}

// LoadTexts reads the named files of text/ja and text/en; without names it reads problem, common, customer and mail.
func LoadTexts(fsys fs.FS, files ...string) (*Texts, error) {
	if len(files) == 0 {
		files = []string{"problem", "common", "customer", "mail"}
	}
	t := &Texts{words: map[string]map[string]map[string]string{}}
	for _, lang := range Languages {
		t.words[lang] = map[string]map[string]string{}
		for _, file := range files {
			b, err := fs.ReadFile(fsys, "text/"+lang+"/"+file+".json")
			if err != nil {
				return nil, fmt.Errorf("web: reading texts: %w", err)
			}
			var m map[string]string
			if err := json.Unmarshal(b, &m); err != nil {
				return nil, fmt.Errorf("web: text/%s/%s.json: %w", lang, file, err)
			}
			t.words[lang][file] = m
		}
	}
	return t, nil
}

// Has says whether a file has a key.
func (t *Texts) Has(lang, file, key string) bool {
	_, ok := t.words[lang][file][key]
	return ok
}

// Keys lists the keys of a file, sorted.
func (t *Texts) Keys(lang, file string) []string {
	return slices.Sorted(maps.Keys(t.words[lang][file]))
}

// Say gives a sentence with its values filled in. A key that does not exist is shown as it is, so that a gap is seen and nothing breaks.
func (t *Texts) Say(lang, file, key string, pairs ...any) string {
	s, ok := t.words[lang][file][key]
	if !ok {
		return key
	}
	return fill(s, pairs)
}

// Sentence gives a sentence about a refusal that has no values, such as "unavailable.what".
func (t *Texts) Sentence(lang, key string) string { return t.Say(lang, "problem", key) }

func fill(s string, pairs []any) string {
	if len(pairs) < 2 {
		return s
	}
	args := make([]string, 0, len(pairs))
	for i := 0; i+1 < len(pairs); i += 2 {
		args = append(args, "{"+fmt.Sprint(pairs[i])+"}", fmt.Sprint(pairs[i+1]))
	}
	return strings.NewReplacer(args...).Replace(s)
}

// japan is the time that customers of the bank live by, wherever the server stands.
var japan = func() *time.Location {
	l, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		panic("web: " + err.Error()) // the zone is compiled in
	}
	return l
}()

// Japan gives a moment in the time that customers live by.
func Japan(at time.Time) time.Time { return at.In(japan) }

// Day writes a date in words.
func (t *Texts) Day(lang string, at time.Time) string {
	if lang == "ja" {
		return Japan(at).Format("2006年1月2日")
	}
	return Japan(at).Format("2 January 2006")
}

// Clock writes the time of day.
func (t *Texts) Clock(at time.Time) string { return Japan(at).Format("15:04") }

// Moment writes date and time of day.
func (t *Texts) Moment(lang string, at time.Time) string {
	if lang == "ja" {
		return t.Day(lang, at) + " " + t.Clock(at)
	}
	return t.Day(lang, at) + ", " + t.Clock(at)
}

// Brief writes a moment of these days, without the year.
func (t *Texts) Brief(lang string, at time.Time) string {
	if lang == "ja" {
		return Japan(at).Format("1月2日 15:04")
	}
	return Japan(at).Format("2 January, 15:04")
}

// Span writes a length of time, rounded up to what a person waits for.
func (t *Texts) Span(lang string, d time.Duration) string {
	unit, n := "seconds", int((d+time.Second-1)/time.Second)
	switch {
	case d > 48*time.Hour:
		unit, n = "days", int((d+24*time.Hour-1)/(24*time.Hour))
	case d > 119*time.Minute:
		unit, n = "hours", int((d+time.Hour-1)/time.Hour)
	case d > 90*time.Second:
		unit, n = "minutes", int((d+time.Minute-1)/time.Minute)
	}
	if n == 1 {
		unit = strings.TrimSuffix(unit, "s")
	}
	return t.Say(lang, "common", "span."+unit, "n", n)
}

// Refusal is what a person reads when the server says no: what happened, what became of her data, and what to do now.
type Refusal struct{ What, Kept, Do string }

// Refusal says a refusal in words.
func (t *Texts) Refusal(lang string, e *problem.Error) Refusal {
	kind := string(e.Kind)
	var pairs []any
	for name, v := range e.Values {
		pairs = append(pairs, name, t.value(lang, e, name, v))
	}
	if e.Kind == problem.FactorBlocked && e.Values["until"] == nil {
		pairs = append(pairs, "until", t.Say(lang, "common", "until.released"))
	}
	if floor, ok := e.Values["floor"]; ok {
		for i := 1; i < len(pairs); i += 2 {
			pairs[i] = strings.ReplaceAll(fmt.Sprint(pairs[i]), "{floor}", fmt.Sprint(floor))
		}
	}
	say := func(part string) string { return t.Say(lang, "problem", kind+"."+part, pairs...) }
	r := Refusal{say("what"), say("kept"), say("do")}
	if left, ok := number(e.Values["lock_left"]); ok && left > 0 {
		r.Kept += t.Say(lang, "common", "sentence.gap") + t.Say(lang, "common", "lock.left", "n", left)
	}
	return r
}

// Title says in one sentence what happened, for problem documents.
func (t *Texts) Title(lang string, e *problem.Error) string { return t.Refusal(lang, e).What }

// value writes one fact of a refusal in words.
func (t *Texts) value(lang string, e *problem.Error, name string, v any) string {
	switch v := v.(type) {
	case time.Time:
		if name == "expired" {
			return t.Day(lang, v)
		}
		return t.Moment(lang, v)
	case string:
		switch name {
		case "factor", "which":
			return t.Say(lang, "common", name+"."+v)
		case "reason":
			return t.Say(lang, "common", "reason."+v)
		}
		return v
	}
	if n, ok := number(v); ok && (name == "retry_after" || name == "wait") {
		return t.Span(lang, time.Duration(n)*time.Second)
	}
	return fmt.Sprint(v)
}

// number reads a count, which is a float after a journey through JSON.
func number(v any) (int, bool) {
	switch v := v.(type) {
	case int:
		return v, true
	case float64:
		return int(v), true
	case string:
		n, err := strconv.Atoi(v)
		return n, err == nil
	}
	return 0, false
}

// topics are the notices that the authority may ask for.
var topics = []string{"registration_number", "address_test", "address_corrected", "token_started", "token_stopped", "token_locked", "token_renewed", "token_resynced", "renewal_number", "token_reminder", "token_expired", "password_changed",
	"transaction_auth_added", "transaction_reported", "transfers_resumed", "login_new_device", "passkey_code", "passkey_registered", "passkey_resting", "passkey_removed", "passkey_renamed", "passkey_held", "verifier_set", "verifier_replaced", "verifier_resting", "verifier_removed", "verifier_held",
	"token_moved", "reissue_ordered", "token_reissued", "release_made", "release_received", "release_granted", "release_declined", "letter_made", "service_stopped", "service_restarted",
	"address_changed", "callback_denied", "factor_blocked", "token_ordered", "token_registered", "mail_on", "mail_off", "transaction_approved", "login_known_device"}

// Compose gives the words of each notice: first in Japanese, then in English, as plain text. No notice leads to a page that asks for a
// password.
func Compose(t *Texts, bank authority.Bank) authority.Compose {
	return func(topic string, values map[string]string) (subject, body string, err error) {
		if !slices.Contains(topics, topic) {
			return "", "", fmt.Errorf("web: no words for the topic %q", topic)
		}
		var b strings.Builder
		for i, lang := range Languages {
			for k, v := range values {
				if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' }) {
					return "", "", fmt.Errorf("web: the value %q of %s cannot stand in a mail", k, topic)
				}
			}
			pairs := t.facts(lang, bank, values)
			subject += t.Say(lang, "mail", topic+".subject", pairs...)
			if i < len(Languages)-1 {
				subject += " / "
			} else {
				b.WriteString("\n\n----------------------------------------\n\n")
			}
			for j, key := range []string{"greeting", topic + ".body", "signature"} {
				if j > 0 {
					b.WriteString("\n\n")
				}
				b.WriteString(t.Say(lang, "mail", key, pairs...))
			}
		}
		b.WriteString("\n")
		return subject, b.String(), nil
	}
}

// facts are the values of a notice in words.
func (t *Texts) facts(lang string, bank authority.Bank, values map[string]string) []any {
	name := bank.NameJA
	if lang == "en" {
		name = bank.NameEN
	}
	pairs := []any{"bank", name, "sender", bank.MailFrom, "phone_number", bank.Phone, "login", bank.LoginOrigin}
	for k, v := range values {
		switch at, err := time.Parse(time.RFC3339, v); {
		case err == nil:
			v = t.Moment(lang, at)
		case k == "device" && (v == "" || v == "-"):
			v = t.Say(lang, "common", "device.unknown")
		case k == "factor":
			v = t.Say(lang, "common", "factor."+v)
		case k == "mail":
			v = t.Say(lang, "common", "mails."+v)
		case k == "items":
			names := strings.Fields(v)
			for i, item := range names {
				names[i] = t.Say(lang, "customer", "release.item."+item)
			}
			v = strings.Join(names, " / ")
		case k == "what":
			v = t.Say(lang, "common", "what."+v)
		}
		pairs = append(pairs, k, v)
	}
	return pairs
}

// Notice gives the words of a notice as the inbox shows it: its title, and paragraphs of lines. They are those of the mail without what only a mail needs: greeting, signature, and how to object by
// its code, which no inbox holds.
func (t *Texts) Notice(lang string, bank authority.Bank, topic string, values map[string]string) (title string, text [][]string) {
	pairs := t.facts(lang, bank, values)
	title = t.Say(lang, "mail", topic+".subject")
	for _, prefix := range []string{"【{bank}】", "[{bank}] "} { // whose inbox it is stands above it
		title = strings.TrimPrefix(title, prefix)
	}
	for part := range strings.SplitSeq(t.Say(lang, "mail", topic+".body"), "\n\n") {
		if !strings.Contains(part, "{objection") {
			text = append(text, strings.Split(fill(part, pairs), "\n"))
		}
	}
	return fill(title, pairs), text
}

// Inbox gives a token app the words of each notice (docs/protocol.md, Inbox).
func Inbox(t *Texts, bank authority.Bank) authority.Word {
	return func(lang, topic string, values map[string]string) (title string, text [][]string) {
		return t.Notice(lang, bank, topic, values)
	}
}
