package bank

import (
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"
)

// hyphens are the signs that people and their keyboards put between figures, the Japanese long sign among them.
const hyphens = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u30fc"

// figures gives the digits of what was typed: full-width ones count, spaces and hyphens do not; anything else makes it empty.
func figures(typed string) string {
	var out strings.Builder
	for _, r := range norm.NFKC.String(typed) {
		switch {
		case r >= '0' && r <= '9':
			out.WriteRune(r)
		case strings.ContainsRune(" \t\r\n"+hyphens, r):
		default:
			return ""
		}
	}
	return out.String()
}

// parseAmount reads an amount of yen, with or without separators and the unit.
func parseAmount(typed string) (int64, bool) {
	typed = strings.TrimSpace(norm.NFKC.String(typed))
	typed = strings.TrimSuffix(strings.TrimPrefix(typed, "¥"), "円")
	if strings.ContainsAny(typed, hyphens) { // Nobody types a negative amount by chance.
		return 0, false
	}
	digits := figures(strings.NewReplacer(",", "", "、", "").Replace(typed))
	n, err := strconv.ParseInt(digits, 10, 64)
	return n, err == nil && len(digits) <= 12 && n > 0
}

// parseDate reads a date within the days that are offered, both included. Browsers send one form; where they show a plain field, people write others.
func parseDate(typed, first, last string) (string, bool) {
	plain := strings.NewReplacer("/", "-", ".", "-", "年", "-", "月", "-", "日", "").Replace(strings.TrimSpace(norm.NFKC.String(typed)))
	t, err := time.Parse("2006-1-2", plain)
	if err != nil {
		return "", false
	}
	d := t.Format(time.DateOnly)
	return d, first <= d && d <= last
}

// money writes an amount as the app does.
func money(lang string, amount int64) string {
	if lang == "en" {
		return "JPY " + yen(amount)
	}
	return yen(amount) + "円"
}

var weekdays = []string{"日", "月", "火", "水", "木", "金", "土"}

// day writes a date as the app does.
func day(lang, date string) string {
	t, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return date
	}
	if lang == "en" {
		return t.Format("Mon 2 January 2006")
	}
	return t.Format("2006年1月2日") + "(" + weekdays[t.Weekday()] + ")"
}
