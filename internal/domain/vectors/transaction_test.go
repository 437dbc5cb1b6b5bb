package vectors

import (
	"encoding/hex"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/otp"
	"github.com/inkan-auth/inkan/internal/domain/signing"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
)

const (
	vectorOrigin   = "https://token.bank.example"
	vectorToken    = "tok_01h455vb4pex5vsknk084sn02q"
	vectorCustomer = "cus_00000000000000000000000000"
)

var vectorTime = time.Date(2026, 11, 22, 1, 2, 3, 0, time.UTC)

// vectorBundle is the bundle that all vectors of transactions are shown by.
func vectorBundle(t *testing.T) *transaction.Bundle {
	t.Helper()
	file, err := os.ReadFile("../../../testdata/templates/1.json")
	if err != nil {
		t.Fatal(err)
	}
	payload, err := transaction.MakeTemplates(vectorOrigin, file)
	if err != nil {
		t.Fatal(err)
	}
	root := key("issuer root")
	j := jwk(root)
	envelope, err := signing.Seal(signing.TypTemplates, "", &j, payload, sign(root))
	if err != nil {
		t.Fatal(err)
	}
	b, err := transaction.ParseTemplates(envelope, j.Thumbprint())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type ocraVector struct {
	Note     string `json:"note"`
	Key      string `json:"key_hex"`
	Question string `json:"question_hex"`
	Code     string `json:"code"`
}

// TestOCRA runs our suite. The RFC has no vector for it; the same construction with its own suite and key is held by the test of the domain.
func TestOCRA(t *testing.T) {
	var made []ocraVector
	rfc, _ := hex.DecodeString("3132333435363738393031323334353637383930313233343536373839303132")
	for i, q := range []string{"70c7f6c96fa7c76ed05fecc94ea89be09938a380729aa161bde452ce7d71044c", strings.Repeat("00", 32), strings.Repeat("ff", 32)} {
		b, _ := hex.DecodeString(q)
		made = append(made, ocraVector{[]string{"the key of RFC 6287, a hash as question", "all zeros", "all ones"}[i], hex.EncodeToString(rfc), q, otp.OCRA(rfc, [32]byte(b))})
	}
	golden(t, "ocra", made)
	if made[0].Code != "31455520" {
		t.Errorf("OCRA = %s, want 31455520", made[0].Code)
	}
}

type transactionVector struct {
	Note        string            `json:"note"`
	Now         string            `json:"now"`
	Customer    string            `json:"customer"` // pairwise, as in the certificate
	Token       string            `json:"token"`
	Root        string            `json:"root_thumbprint"`
	IssuerKey   string            `json:"issuer_key"`
	Templates   string            `json:"templates"`
	BundleHash  string            `json:"templates_hash"`
	Offer       string            `json:"offer"`
	Document    string            `json:"document"`
	Hash        string            `json:"document_hash"`
	OfferHash   string            `json:"offer_hash"`
	JA          string            `json:"rendering_ja"`
	EN          string            `json:"rendering_en"`
	DisplayJA   string            `json:"display_ja"`
	QR          string            `json:"qr"`
	OCRAKey     string            `json:"ocra_key_hex"`
	OfflineCode string            `json:"offline_code"`
	DeviceKey   map[string]string `json:"device_signing_key"`
	Decision    string            `json:"decision"`
	Payload     string            `json:"decision_payload"`
	Valid       bool              `json:"valid"` // whether an app may show the offer at this time
}

func TestTransactions(t *testing.T) {
	b := vectorBundle(t)
	issuer, device := key("issuer"), key("device signing")
	word, err := signing.MakeIssuerKey(vectorOrigin, jwk(issuer), vectorTime, vectorTime.Add(10*365*24*time.Hour), jwk(key("issuer root")), sign(key("issuer root")))
	if err != nil {
		t.Fatal(err)
	}
	transfer := map[string]string{"from.account": "本店 普通 1234567", "payee.bank": "みどり銀行", "payee.bank_code": "0991", "payee.branch": "駅前支店", "payee.branch_code": "101", "payee.type": "ordinary",
		"payee.account": "7654321", "payee.name": "ヤマダ タロウ", "amount": "250000", "fee": "165", "date": "2026-11-25"}
	cases := []struct {
		note, template, currency string
		fields                   map[string]string
		change                   func(d *transaction.Document)
		by                       string
		after                    time.Duration
		valid                    bool
	}{
		{"a transfer", "transfer", "JPY", transfer, nil, "issuer", time.Second, true},
		{"dollars, and no fee", "transfer", "USD", without(transfer, "fee"), nil, "issuer", time.Second, true},
		{"a passkey", "passkey", "JPY", map[string]string{"device": "iPhone", "browser": "Safari", "at": "2026-11-22T15:30:00Z"}, nil, "issuer", time.Second, true},
		{"a payment", "payeasy", "JPY", map[string]string{"from.account": "本店 普通 1234567", "collector.name": "みどり市水道局", "collector.number": "00123", "payment.number": "1234567890", "amount": "0"}, nil, "issuer", time.Second, true},
		{"a change of a limit", "limit", "JPY", map[string]string{"limit.what": "transfer_day", "limit.before": "1000000", "limit.after": "5000000"}, nil, "issuer", time.Second, true},
		{"expired", "transfer", "JPY", transfer, nil, "issuer", 5 * time.Minute, false},
		{"of another customer", "transfer", "JPY", transfer, func(d *transaction.Document) { d.Customer = "cus_11111111111111111111111111" }, "issuer", time.Second, false},
		{"of another issuer", "transfer", "JPY", transfer, func(d *transaction.Document) { d.Issuer = "https://token.evil.example" }, "issuer", time.Second, false},
		{"signed by somebody else", "transfer", "JPY", transfer, nil, "other", time.Second, false},
		{"another bundle of templates", "transfer", "JPY", transfer, func(d *transaction.Document) { d.Bundle = signing.Hash("another") }, "issuer", time.Second, false},
		{"an unknown template", "transfer", "JPY", transfer, func(d *transaction.Document) { d.Template = "gift" }, "issuer", time.Second, false},
		{"another version of the template", "transfer", "JPY", transfer, func(d *transaction.Document) { d.TemplateVersion = "2" }, "issuer", time.Second, false},
		{"a field is missing", "transfer", "JPY", transfer, func(d *transaction.Document) { d.Fields = d.Fields[1:] }, "issuer", time.Second, false},
		{"a field twice", "transfer", "JPY", transfer, func(d *transaction.Document) { d.Fields = append(d.Fields, d.Fields[10]) }, "issuer", time.Second, false},
		{"two fields exchanged", "transfer", "JPY", transfer, func(d *transaction.Document) { d.Fields[1], d.Fields[2] = d.Fields[2], d.Fields[1] }, "issuer", time.Second, false},
		{"half-width kana", "transfer", "JPY", transfer, func(d *transaction.Document) { d.Fields[7].Value = "ﾔﾏﾀﾞ ﾀﾛｳ" }, "issuer", time.Second, false},
		{"an amount with a leading zero", "transfer", "JPY", transfer, func(d *transaction.Document) { d.Fields[8].Value = "0250000" }, "issuer", time.Second, false},
		{"a date that does not exist", "transfer", "JPY", transfer, func(d *transaction.Document) { d.Fields[10].Value = "2026-02-29" }, "issuer", time.Second, false},
		{"a choice that does not exist", "transfer", "JPY", transfer, func(d *transaction.Document) { d.Fields[5].Value = "gold" }, "issuer", time.Second, false},
	}
	ocra := []byte("an OCRA key of thirty-two bytes.")
	var made []transactionVector
	for i, c := range cases {
		tmpl, _ := b.Template(c.template)
		fields, err := b.Arrange(tmpl, c.fields)
		if err != nil {
			t.Fatalf("%s: %v", c.note, err)
		}
		d := transaction.Document{ID: "txn_01h455vb4pex5vsknk084sn0" + string(rune('2'+i/10)) + string(rune('0'+i%10)), Issuer: vectorOrigin, Audience: "bank", Customer: vectorCustomer, Nonce: [16]byte([]byte("0123456789abcdef")),
			Template: c.template, TemplateVersion: "1", Bundle: b.Hash, Currency: c.currency, Fields: fields, Issued: vectorTime, Expires: vectorTime.Add(5 * time.Minute)}
		if c.change != nil {
			c.change(&d)
		}
		payload, err := d.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		offer, err := signing.Seal(signing.TypOffer, jwk(issuer).Thumbprint(), nil, payload, sign(key(c.by)))
		if err != nil {
			t.Fatal(err)
		}
		now := vectorTime.Add(c.after)
		v := transactionVector{Note: c.note, Now: now.Format(time.RFC3339), Customer: vectorCustomer, Token: vectorToken, Root: jwk(key("issuer root")).Thumbprint(), IssuerKey: word, Templates: b.Envelope, BundleHash: b.Hash,
			Offer: offer, Document: string(payload), Hash: signing.Hash(payload), OfferHash: signing.Hash(offer), Valid: c.valid}
		parsed, err := transaction.ParseDocument(payload, b)
		fits := err == nil && parsed.Customer == vectorCustomer && now.Before(parsed.Expires) && c.by == "issuer"
		if fits != c.valid {
			t.Errorf("%s: valid %v (%v), want %v", c.note, fits, err, c.valid)
		}
		if v.QR, err = transaction.QR(offer); err != nil {
			t.Fatal(err)
		}
		if back, err := transaction.FromQR(v.QR); err != nil || back != offer {
			t.Errorf("%s: the QR form gives another offer: %v", c.note, err)
		}
		if c.valid {
			v.JA, v.EN = b.Render(parsed, "ja"), b.Render(parsed, "en")
			v.DisplayJA = signing.Hash(v.JA)
			v.OCRAKey, v.OfflineCode = hex.EncodeToString(ocra), otp.OCRA(ocra, parsed.Sum())
			v.DeviceKey = members(jwk(device))
			decision := transaction.Decision{Transaction: d.ID, Document: v.Hash, Offer: v.OfferHash, Bundle: b.Hash, Display: v.DisplayJA, Language: "ja", Answer: transaction.Yes, Time: now, Counter: uint64(i + 1),
				Verification: transaction.NoVerification, Nonce: [16]byte([]byte("fedcba9876543210")), Token: vectorToken}
			if v.Decision, err = transaction.MakeDecision(decision, sign(device)); err != nil {
				t.Fatal(err)
			}
			got, envelope, err := transaction.ParseDecision(v.Decision)
			if err != nil || envelope.Verify(jwk(device)) != nil || got.About(parsed, offer, b) != nil {
				t.Errorf("%s: the decision does not hold: %v", c.note, err)
			}
			v.Payload = string(envelope.Payload)
		}
		made = append(made, v)
	}
	golden(t, "transaction", made)
}

func without(m map[string]string, name string) map[string]string {
	out := map[string]string{}
	for k, v := range m {
		if k != name {
			out[k] = v
		}
	}
	return out
}

type valueVector struct {
	Note   string `json:"note"`
	Format string `json:"format"`
	Sent   string `json:"sent"`  // what the bank sent
	Value  string `json:"value"` // what would stand in the document
	Valid  bool   `json:"valid"` // whether it may stand there
	JA     string `json:"ja,omitempty"`
	EN     string `json:"en,omitempty"`
}

// TestHostileText renders what somebody would write who wants two transactions to look alike.
func TestHostileText(t *testing.T) {
	var made []valueVector
	shown := map[string]string{}
	add := func(note, format, sent string) {
		f := transaction.Format(format)
		v := valueVector{Note: note, Format: format, Sent: sent, Value: transaction.Normal(f, sent)}
		v.JA, v.Valid = transaction.Show(f, v.Value, "JPY", "ja")
		v.EN, _ = transaction.Show(f, v.Value, "JPY", "en")
		made = append(made, v)
		for lang, s := range map[string]string{"ja": v.JA, "en": v.EN} {
			if before, ok := shown[lang+format+skeleton(s)]; v.Valid && ok && before != v.Value {
				t.Errorf("%s: %q and %q look alike: %q", note, before, v.Value, s)
			} else if v.Valid {
				shown[lang+format+skeleton(s)] = v.Value
			}
		}
	}
	for _, bad := range []struct{ note, sign string }{
		{"right-to-left override", "\u202e"}, {"left-to-right override", "\u202d"}, {"right-to-left embedding", "\u202b"}, {"pop of a direction", "\u202c"}, {"right-to-left mark", "\u200f"},
		{"left-to-right mark", "\u200e"}, {"Arabic letter mark", "\u061c"}, {"isolate", "\u2066"}, {"first strong isolate", "\u2068"}, {"pop of an isolate", "\u2069"}, {"zero width space", "\u200b"},
		{"zero width joiner", "\u200d"}, {"zero width non-joiner", "\u200c"}, {"word joiner", "\u2060"}, {"byte order mark", "\ufeff"}, {"soft hyphen", "\u00ad"}, {"combining grapheme joiner", "\u034f"},
		{"variation selector", "\ufe0e"}, {"ideographic variation", "\U000e0100"}, {"language tag", "\U000e0041"}, {"Hangul filler", "\u3164"}, {"halfwidth Hangul filler", "\uffa0"}, {"braille blank", "\u2800"},
		{"no-break space", "\u00a0"}, {"ideographic space", "\u3000"}, {"em space", "\u2003"}, {"hair space", "\u200a"}, {"line feed", "\n"}, {"carriage return", "\r"}, {"tab", "\t"}, {"null", "\x00"}, {"escape", "\x1b"},
		{"line separator", "\u2028"}, {"paragraph separator", "\u2029"}, {"next line", "\u0085"}, {"combining acute", "\u0301"}, {"combining voiced mark", "\u3099"}, {"combining stack", "\u0300\u0301\u0302"},
		{"Cyrillic a", "\u0430"}, {"Greek omicron", "\u03bf"}, {"fullwidth colon", "\uff1a"}, {"tortoise shell bracket", "\u3014"}, {"private use", "\ue000"}, {"surrogate of UTF-8", "\xed\xa0\x80"}, {"not UTF-8", "\xff"}, {"emoji", "\U0001f600"},
	} {
		for _, at := range []struct{ where, before, after string }{{"inside", "ヤマダ", "タロウ"}, {"first", "", "ヤマダ"}, {"last", "ヤマダ", ""}} {
			add(bad.note+", "+at.where, "kana", at.before+bad.sign+at.after)
		}
		add(bad.note+", text", "text", "みどり"+bad.sign+"銀行")
	}
	for _, pair := range [][2]string{{"カ", "力"}, {"エ", "工"}, {"ロ", "口"}, {"タ", "夕"}, {"ト", "卜"}, {"ハ", "八"}, {"ニ", "二"}, {"ミ", "三"}, {"オ", "才"}, {"チ", "千"}, {"ー", "一"}, {"ヘ", "へ"}, {"ベ", "べ"}, {"ペ", "ぺ"}} {
		for _, around := range [][2]string{{"ア", "イ"}, {"ア", ""}, {"", "イ"}, {"サン ", "ン"}, {"本店 ア", ""}} {
			add("one of two that look alike, "+pair[0], "text", around[0]+pair[0]+around[1])
			add("the other of two that look alike, "+pair[1], "text", around[0]+pair[1]+around[1])
		}
	}
	for _, s := range []string{"イオン八王子", "トヨタ口座", "八重洲", "一番町", "二の丸", "工学部", "へいわ", "すべて", "力石", "千葉", "ABC 1-2-3", "みどり・中央", "日本、橋", "「本店」", "々木", "〇一"} {
		add("an honest name", "text", s)
	}
	for _, s := range []string{"ﾔﾏﾀﾞ ﾀﾛｳ", "ヤマダ　タロウ", "ＡＢＣ（カ）", "ｶ)ﾐﾄﾞﾘ", "ガ", "ガ", "ﾊﾟﾋﾟﾌﾟ", "ヤマダ‐タロウ", "ヤマダ−タロウ", "A‐B", "A－B", "タロ―", "ﾀﾛ-", "やまだ", "山田", "yamada", "ヴァ", "ヶ", "", " ", "ヤマダ  タロウ", " ヤマダ",
		strings.Repeat("ア", 60), strings.Repeat("ア", 61)} {
		add("kana as banks send it", "kana", s)
	}
	for _, s := range []string{"7654321", "７６５４３２１", "0000001", "-1", "+1", "1.0", "1,000", "1e3", "٣", "12345678901234567890", "123456789012345678901", "", " 1"} {
		add("digits", "digits", s)
		add("money", "money", s)
	}
	for _, s := range []string{"0", "00", "1", "999", "1000", "250000", "999999999999999", "1000000000000000"} {
		add("money", "money", s)
	}
	for _, s := range []string{"2026-11-25", "2026-2-1", "2026-02-29", "2028-02-29", "1999-12-31", "3000-01-01", "2026-13-01", "20261125", "2026-11-25 ", "２０２６-11-25"} {
		add("date", "date", s)
	}
	for _, s := range []string{"2026-11-25T15:00:00Z", "2026-12-31T23:59:00Z", "2026-12-31T23:59:59Z", "2026-12-31T23:59:01Z", "2026-11-25T15:00:00+09:00", "2026-11-25T15:00:00.5Z", "2026-11-25T24:00:00Z", "2026-11-25 15:00:00Z"} {
		add("time", "time", s)
	}
	if len(made) < 200 {
		t.Errorf("only %d hostile strings", len(made))
	}
	golden(t, "rendering", made)
}

// skeleton is what remains for a reader who does not see the difference between two scripts.
func skeleton(s string) string {
	return strings.NewReplacer("力", "カ", "工", "エ", "口", "ロ", "夕", "タ", "卜", "ト", "八", "ハ", "二", "ニ", "三", "ミ", "才", "オ", "千", "チ", "一", "ー", "へ", "ヘ", "べ", "ベ", "ぺ", "ペ").Replace(s)
}
