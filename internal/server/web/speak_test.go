package web

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/inkan-auth/inkan/internal/authority"
	files "github.com/inkan-auth/inkan/web"
)

// What a voice reads and a message says: in both languages, with the purpose and the warning, and nothing left open.
func TestSpokenWords(t *testing.T) {
	t.Parallel()
	texts, err := LoadTexts(files.Files, "phone")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(texts.Keys("ja", "phone"), texts.Keys("en", "phone")) {
		t.Error("one language has words that the other has not")
	}
	speak := Speak(texts, authority.Bank{NameJA: "印鑑銀行", NameEN: "Inkan Bank", Phone: "0120-000-000"})
	never := map[string]string{"ja": "お尋ねすることはありません", "en": "ever ask"}
	purpose := map[string]string{"ja": "再発行", "en": "new one-time password token"}
	for _, lang := range Languages {
		for _, topic := range []string{"call.code", "call.keys", "call.again", "call.done", "call.over", "call.matched", "call.unknown", "call.withheld", "sms"} {
			said, err := speak(lang, topic, map[string]string{"purpose": "reissue", "code": "123456", "minutes": "10"})
			if err != nil || said == "" || strings.ContainsAny(said, "{}") {
				t.Errorf("%s %s: %q %v", lang, topic, said, err)
			}
			if topic == "call.code" || topic == "call.keys" || topic == "sms" {
				if !strings.Contains(said, purpose[lang]) || !strings.Contains(said, "0120-000-000") {
					t.Errorf("%s %s does not say what for, or whom to call: %s", lang, topic, said)
				}
			}
			if topic == "call.code" || topic == "sms" {
				if !strings.Contains(strings.ReplaceAll(said, "never ask", "ever ask"), never[lang]) || !strings.Contains(said, "123456") {
					t.Errorf("%s %s does not warn: %s", lang, topic, said)
				}
			}
			if topic == "sms" && (utf8.RuneCountInString(said) > 330 || strings.Contains(said, "http") || strings.Contains(said, "\n")) {
				t.Errorf("%s: a message of %d characters, or with a link: %s", lang, utf8.RuneCountInString(said), said)
			}
		}
	}
	for _, bad := range [][2]string{{"fr", "sms"}, {"ja", "sms.x"}, {"", ""}} {
		if _, err := speak(bad[0], bad[1], nil); err == nil {
			t.Errorf("%v is said", bad)
		}
	}
}
