package web

import (
	"fmt"

	"github.com/inkan-auth/inkan/internal/authority"
)

// Speak gives the words of calls and short messages in the customer's language. t has to have the file phone.
func Speak(t *Texts, bank authority.Bank) authority.Speak {
	return func(language, topic string, values map[string]string) (string, error) {
		if !t.Has(language, "phone", topic) {
			return "", fmt.Errorf("web: no words for the topic %q in %q", topic, language)
		}
		name := bank.NameJA
		if language == "en" {
			name = bank.NameEN
		}
		pairs := []any{"bank", name, "phone_number", bank.Phone}
		for k, v := range values {
			if k == "purpose" {
				v = t.Say(language, "phone", "purpose."+v)
			}
			pairs = append(pairs, k, v)
		}
		return t.Say(language, "phone", topic, pairs...), nil
	}
}
