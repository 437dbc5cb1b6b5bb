package transaction

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Format says what a field's value may be and how it is shown.
type Format string

// The formats.
const (
	Text   Format = "text"
	Kana   Format = "kana"
	Digits Format = "digits"
	Money  Format = "money"
	Date   Format = "date"
	Time   Format = "time"
	Choice Format = "choice"
)

var formats = []Format{Text, Kana, Digits, Money, Date, Time, Choice}

// Longest values, in characters.
const (
	maxText   = 60
	maxDigits = 20
	maxMoney  = 15
)

// ErrValue says that a value is not of its field's form.
var ErrValue = errors.New("transaction: not of the field's form")

// span is a range of characters, both ends included.
type span struct{ from, to rune }

// The repertoires are lists of ranges and not properties of Unicode, so that every reader, of whatever version, has the same.
var (
	hiragana = []span{{0x3041, 0x3096}, {0x309D, 0x309E}}
	katakana = []span{{0x30A1, 0x30FA}, {0x30FC, 0x30FE}}
	han      = []span{{0x3400, 0x4DBF}, {0x4E00, 0x9FFF}, {0x20000, 0x2A6DF}, {0x2A700, 0x323AF}}
	text     = slices.Concat([]span{{0x20, 0x7E}, {0x3001, 0x3002}, {0x3005, 0x3007}, {0x300C, 0x300F}, {0x301C, 0x301C}, {0x30FB, 0x30FB}}, hiragana, katakana, han)
	kana     = []span{{' ', ' '}, {'(', ')'}, {',', '/'}, {'0', '9'}, {'A', 'Z'}, {0x300C, 0x300D}, {0x30A1, 0x30FA}, {0x30FC, 0x30FC}}
)

func in(spans []span, r rune) bool {
	return slices.ContainsFunc(spans, func(s span) bool { return s.from <= r && r <= s.to })
}

func only(spans []span, s string) bool {
	n := 0
	for _, r := range s {
		n++
		if !in(spans, r) {
			return false
		}
	}
	return 0 < n && n <= maxText && utf8.ValidString(s) && s[0] != ' ' && s[len(s)-1] != ' ' && !strings.Contains(s, "  ") && norm.NFC.IsNormalString(s)
}

func digits(s string, longest int) bool {
	return s != "" && len(s) <= longest && strings.Trim(s, "0123456789") == ""
}

// check says whether a value is of the format; choices are its allowed values where the format is Choice.
func (f Format) check(v string, choices map[string]label) error {
	ok := false
	switch f {
	case Text:
		ok = only(text, v)
	case Kana:
		ok = only(kana, v)
	case Digits:
		ok = digits(v, maxDigits)
	case Money:
		ok = digits(v, maxMoney) && (v == "0" || v[0] != '0')
	case Date:
		_, err := parseDate(v)
		ok = err == nil
	case Time: // it is shown to the minute: two values that differ must not look alike
		_, err := parseTime(v)
		ok = err == nil && strings.HasSuffix(v, ":00Z")
	case Choice:
		_, ok = choices[v]
	}
	if !ok {
		return ErrValue
	}
	return nil
}

// parseDate reads a date; the years are those that a bank books in.
func parseDate(v string) (time.Time, error) {
	t, err := time.Parse(time.DateOnly, v)
	if err != nil || t.Year() < 2000 || t.Year() > 2999 {
		return t, ErrValue
	}
	return t, nil
}

// parseTime reads a time in its one form, to the second and in UTC.
func parseTime(v string) (time.Time, error) {
	t, err := time.Parse("2006-01-02T15:04:05Z", v)
	if err != nil || len(v) != len("2006-01-02T15:04:05Z") || t.Year() < 2000 || t.Year() > 2999 {
		return t, ErrValue
	}
	return t, nil
}

// Normal is a value in the one form in which it is kept: half-width kana full, full-width letters and digits half, all that looks like a hyphen one hyphen, or the
// long sign after a kana. What then is not of the repertoire is refused by the form's check, not here.
func Normal(f Format, v string) string {
	if !utf8.ValidString(v) {
		return v
	}
	if f == Text || f == Kana {
		v = norm.NFKC.String(v)
		var b strings.Builder
		var before rune
		for _, r := range v {
			switch {
			case r >= 0x2010 && r <= 0x2015 || r == 0x2212 || r == 0x00AD:
				r = '-'
				if in(katakana, before) || in(hiragana, before) {
					r = 'ー'
				}
			case r == 0x3000 || r == '\t' || r == 0x00A0:
				r = ' '
			}
			b.WriteRune(r)
			before = r
		}
		return strings.Join(strings.FieldsFunc(b.String(), func(r rune) bool { return r == ' ' }), " ")
	}
	if f == Digits || f == Money || f == Date {
		return strings.TrimSpace(norm.NFKC.String(v))
	}
	return v
}

// look-alikes: signs of one script that a reader takes for those of another. They are named only where their surroundings make them suspect.
const (
	hanLikeKatakana      = "一二三八力工口夕卜才千"
	hiraganaLikeKatakana = "へべぺ"
	katakanaLikeHiragana = "ヘベペ"
)

var marks = map[string][3]string{"ja": {"〔漢字〕", "〔ひらがな〕", "〔カタカナ〕"}, "en": {"〔kanji〕", "〔hiragana〕", "〔katakana〕"}}

// told is the value with every sign marked that could be taken for one of another script. The marks' brackets are not in the repertoire, so that no value can
// write them, and two values that differ are never shown alike.
func told(v, language string) string {
	signs := []rune(v)
	at := func(i int) rune {
		if i < 0 || i >= len(signs) {
			return ' '
		}
		return signs[i]
	}
	// among says whether a sign stands alone among those of a script: one at its side, and on the other side one as well, a space or nothing.
	among := func(i int, script []span) bool {
		l, r := in(script, at(i-1)), in(script, at(i+1))
		return l && (r || at(i+1) == ' ') || r && at(i-1) == ' '
	}
	var b strings.Builder
	for i, r := range signs {
		b.WriteRune(r)
		switch {
		case strings.ContainsRune(hanLikeKatakana, r) && among(i, katakana):
			b.WriteString(marks[language][0])
		case strings.ContainsRune(hiraganaLikeKatakana, r) && among(i, katakana):
			b.WriteString(marks[language][1])
		case strings.ContainsRune(katakanaLikeHiragana, r) && among(i, hiragana):
			b.WriteString(marks[language][2])
		}
	}
	return b.String()
}

var weekdays = map[string][7]string{"ja": {"日", "月", "火", "水", "木", "金", "土"}, "en": {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}}

func showDate(t time.Time, language string) string {
	day := weekdays[language][t.Weekday()]
	if language == "ja" {
		return fmt.Sprintf("%d年%d月%d日(%s)", t.Year(), t.Month(), t.Day(), day)
	}
	return fmt.Sprintf("%s %d %s %d", day, t.Day(), t.Month(), t.Year())
}

// japan is Japan's time, which has had no summer time since 1951.
var japan = time.FixedZone("JST", 9*60*60)

// show is the value as the customer reads it. It must have passed check.
func (f Format) show(v, currency, language string, choices map[string]label) string {
	switch f {
	case Money:
		return showMoney(v, currency, language)
	case Date:
		t, _ := parseDate(v)
		return showDate(t, language)
	case Time:
		t, _ := parseTime(v)
		s := showDate(t.In(japan), language) + t.In(japan).Format(" 15:04")
		if language == "en" {
			s += " JST"
		}
		return s
	case Choice:
		return choices[v].in(language)
	case Text, Kana:
		return told(v, language)
	}
	return v
}

func showMoney(v, currency, language string) string {
	fraction := ""
	if currency != "JPY" {
		for len(v) < 3 {
			v = "0" + v
		}
		v, fraction = v[:len(v)-2], "."+v[len(v)-2:]
	}
	var b strings.Builder
	for i, d := range v {
		if i > 0 && (len(v)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	amount := b.String() + fraction
	switch {
	case language == "en":
		return currency + " " + amount
	case currency == "JPY":
		return amount + "円"
	}
	return amount + " " + currency
}

// Show is a value as the customer reads it, and whether it may stand in a document at all. A choice has no meaning without its template: it is never shown here.
func Show(f Format, v, currency, language string) (shown string, ok bool) {
	if f.check(v, nil) != nil {
		return "", false
	}
	return f.show(v, currency, language, nil), true
}
