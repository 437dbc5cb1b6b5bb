package console

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// fact is a small fact of an entry or an incident in words.
type fact struct{ Name, Value string }

// unsaid are facts that only a program compares.
var unsaid = map[string]bool{"hash": true, "check": true, "enrolment": true, "errand": true, "kid": true, "scan": true, "version": true, "before": true}

// factRooms is where the words of a fact stand that the pages about it say already; all others stand under value.
var factRooms = map[string][]string{
	"act": {"act."}, "first_act": {"act."}, "action": {"act."},
	"items": {"case.item."}, "checks": {"case.check."}, "issue": {"case.issue."}, "what": {"case.issue."}, "reason": {"case.reason."},
	"which": {"which."}, "initial": {"initial."}, "role": {"role."}, "way": {"customer.way."}, "purpose": {"customer.enrolment."}, "wish": {"customer.reissue."}, "why": {"customer.why."}, "kind": {"order.kind."},
}

// Facts are the small facts of an entry or an incident, in one order, as far as a person can read them.
func (v *view) Facts(detail map[string]string) (out []fact) {
	for _, k := range slices.Sorted(maps.Keys(detail)) {
		if detail[k] == "" || unsaid[k] {
			continue
		}
		name := k
		if v.has("fact." + k) {
			name = v.T("fact." + k)
		}
		out = append(out, fact{name, v.factValue(k, detail[k])})
	}
	return out
}

// factValue says what a fact is: a word, several, a moment, the end of an identifier; or what somebody has written, as it is.
func (v *view) factValue(key, value string) string {
	if key == "words" {
		return value
	}
	if key == "notice" {
		return v.MailSubject(value)
	}
	if said := v.factWord(key, value); said != "" {
		return said
	}
	var words []string
	for word := range strings.FieldsSeq(value) {
		words = append(words, v.factWord(key, word))
	}
	if !slices.Contains(words, "") {
		return strings.Join(words, "、")
	}
	if at, err := time.Parse(time.RFC3339, value); err == nil {
		return v.Second(at)
	}
	if len(value) == 30 && value[3] == '_' { // an identifier
		return v.Short(value)
	}
	return value
}

// factWord says one word of a fact, or nothing where it has none.
func (v *view) factWord(key, word string) string {
	for _, room := range factRooms[key] {
		if v.has(room + word) {
			return v.T(room + word)
		}
	}
	if v.has("value." + word) {
		return v.T("value." + word)
	}
	if v.s.Text.Has(v.Lang, "common", "factor."+word) {
		return v.Factor(word)
	}
	return ""
}
