package customer

import (
	"strings"
	"testing"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/server/web"
)

// What a customer is told about her release request: what was done in words, and how to say that it was not her.
func TestReleaseMails(t *testing.T) {
	bank := authority.Bank{NameJA: "印鑑銀行", NameEN: "Inkan Bank", LoginOrigin: "https://login.bank.example", TokenOrigin: "https://token.bank.example", MailFrom: "otp@bank.example", Phone: "0120-000-000"}
	values := map[string]string{"device": "-", "time": "2026-10-05T05:24:00Z", "until": "2026-10-06T05:24:00Z", "items": "token_revoke downloads", "objection": "2345-6789-ABCD-EFGH", "objection_link": bank.LoginOrigin + "/not-me#23456789ABCDEFGH"}
	for topic, says := range map[string][]string{
		"release_received": {"2人の職員", "two members of staff", values["objection"]},
		"release_granted":  {"トークンの利用停止（失効） / トークン登録回数の初期化", "2026年10月6日 14:24", "6 October 2026, 14:24", values["objection"]},
		"release_declined": {"変わっていません", "Nothing was changed", bank.Phone},
		"letter_made":      {"職員が内容をおたずねすることはありません", bank.Phone},
	} {
		subject, body, err := web.Compose(texts(t), bank)(topic, values)
		if err != nil || !strings.HasPrefix(subject, "【印鑑銀行】") || strings.ContainsAny(subject+body, "{}") || strings.Contains(body, "release.item") {
			t.Errorf("%s: %v, %q\n%s", topic, err, subject, body)
		}
		for _, want := range append(says, "2026年10月5日 14:24", bank.MailFrom) {
			if !strings.Contains(body, want) {
				t.Errorf("%s does not say %q:\n%s", topic, want, body)
			}
		}
		if rest := strings.NewReplacer(values["objection_link"], "", bank.LoginOrigin+"/not-me", "").Replace(body); strings.Contains(rest, "http") {
			t.Errorf("%s leads somewhere:\n%s", topic, body)
		}
	}
}
