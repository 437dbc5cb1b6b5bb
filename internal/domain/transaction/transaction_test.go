package transaction

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/signing"
)

// The values of RFC 9285, section 4.3 and 4.4, and what no encoder can have written.
func TestBase45(t *testing.T) {
	for plain, coded := range map[string]string{"AB": "BB8", "Hello!!": "%69 VD92EX0", "base-45": "UJCLQE7W581", "ietf!": "QED8WEX0", "": "", "\x00": "00", "\x00\x00": "000", "\xff": "U5", "\xff\xff": "FGW"} {
		if got := base45([]byte(plain)); got != coded {
			t.Errorf("base45(%q) = %q, want %q", plain, got, coded)
		}
		if got, ok := unbase45(coded); !ok || string(got) != plain {
			t.Errorf("unbase45(%q) = %q, %v", coded, got, ok)
		}
	}
	for name, bad := range map[string]string{"a sign alone": "A", "four signs": "BB8A", "more than two bytes": "GGW", "the most": ":::", "more than one byte": "V5", "the most of two": "::", "small letters": "bb8", "another sign": "BB_", "a line end": "BB\n",
		"a sign behind ASCII": "BBé", "full width": "ＢＢ８", "too long": strings.Repeat("000", maxDocument+1)} {
		if got, ok := unbase45(bad); ok {
			t.Errorf("%s: %q is read as %q", name, bad, got)
		}
	}
	for n := range 1 << 16 {
		b := []byte{byte(n >> 8), byte(n)}
		if got, ok := unbase45(base45(b)); !ok || !slices.Equal(got, b) {
			t.Fatalf("%x comes back as %x", b, got)
		}
	}
}

// What has run out has ended, at the moment itself and not only when somebody has looked.
func TestShownState(t *testing.T) {
	end := testTime
	for _, c := range []struct {
		s              State
		expires, until time.Time
		now            time.Duration
		want           State
	}{
		{Pending, end, time.Time{}, -time.Second, Pending}, {Pending, end, time.Time{}, -1, Pending}, {Pending, end, time.Time{}, 0, Expired}, {Pending, end, time.Time{}, time.Hour, Expired},
		{Approved, end, end, -1, Approved}, {Approved, end, end, 0, Lapsed}, {Approved, end.Add(-time.Hour), end, -1, Approved}, {Approved, end.Add(time.Hour), end, 1, Lapsed},
	} {
		if got := ShownState(c.s, c.expires, c.until, end.Add(c.now)); got != c.want {
			t.Errorf("%s, %v after its end: %s, want %s", c.s, c.now, got, c.want)
		}
	}
	for _, s := range Final {
		if got := ShownState(s, end, end, end.Add(time.Hour)); got != s {
			t.Errorf("%s becomes %s", s, got)
		}
	}
}

func TestReference(t *testing.T) {
	if got := Reference(testID); got != "084S-N02Q" {
		t.Errorf("%s", got)
	}
	if Reference("short") != "" || Reference("") != "" {
		t.Error("what has no eight characters has a reference")
	}
}

// Whatever of an order differs is named, the first thing first; in both directions.
func TestDiffers(t *testing.T) {
	shown := Order{"transfer", "JPY", []Field{{"a", "1"}, {"b", "2"}}}
	change := func(f func(o *Order)) Order {
		o := Order{shown.Template, shown.Currency, slices.Clone(shown.Fields)}
		f(&o)
		return o
	}
	for want, other := range map[string]Order{
		"":         change(func(*Order) {}),
		"template": change(func(o *Order) { o.Template, o.Currency, o.Fields = "payee", "USD", nil }),
		"currency": change(func(o *Order) { o.Currency, o.Fields = "USD", nil }),
		"a":        change(func(o *Order) { o.Fields[0].Value = "2"; o.Fields[1].Value = "3" }),
		"b":        change(func(o *Order) { o.Fields[1].Value = "2 " }),
	} {
		if got := shown.Differs(other); got != want {
			t.Errorf("%+v: it names %q, want %q", other, got, want)
		}
	}
	for name, c := range map[string]struct {
		other      Order
		want, back string
	}{
		"one more":     {change(func(o *Order) { o.Fields = append(o.Fields, Field{"c", "3"}) }), "c", "c"},
		"one less":     {change(func(o *Order) { o.Fields = o.Fields[:1] }), "b", "b"},
		"none":         {change(func(o *Order) { o.Fields = nil }), "a", "a"},
		"exchanged":    {change(func(o *Order) { o.Fields[0], o.Fields[1] = o.Fields[1], o.Fields[0] }), "a", "b"},
		"another name": {change(func(o *Order) { o.Fields[0].ID = "z" }), "a", "z"},
		"twice":        {change(func(o *Order) { o.Fields = append(o.Fields, o.Fields[1]) }), "b", "b"},
	} {
		if got := shown.Differs(c.other); got != c.want {
			t.Errorf("%s: it names %q, want %q", name, got, c.want)
		}
		if got := c.other.Differs(shown); got != c.back {
			t.Errorf("%s, the other way round: it names %q, want %q", name, got, c.back)
		}
	}
}

// What the bank sends is put into the template's order and its one form; what is missing, unknown or not of its form is refused by its name.
func TestArrange(t *testing.T) {
	b := bundle(t)
	tmpl, _ := b.Template("transfer")
	good := allFields(b, tmpl)
	good["payee.name"], good["payee.account"], good["amount"] = "ﾔﾏﾀﾞ　ﾀﾛｳ", "７６５４３２１", " 250000 "
	delete(good, "sender.name")
	got, err := b.Arrange(tmpl, good)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	values := map[string]string{}
	for _, f := range got {
		ids = append(ids, f.ID)
		values[f.ID] = f.Value
	}
	if want := slices.DeleteFunc(slices.Clone(tmpl.Fields), func(id string) bool { return id == "sender.name" }); !slices.Equal(ids, want) {
		t.Errorf("the order is %v, want %v", ids, want)
	}
	if values["payee.name"] != "ヤマダ タロウ" || values["payee.account"] != "7654321" || values["amount"] != "250000" {
		t.Errorf("the values are %v", values)
	}
	for name, c := range map[string]struct {
		field, reason string
		change        func(m map[string]string)
	}{
		"missing":                {"payee.name", "missing", func(m map[string]string) { delete(m, "payee.name") }},
		"all missing":            {"from.account", "missing", func(m map[string]string) { clear(m) }},
		"optional, but empty":    {"fee", "form", func(m map[string]string) { m["fee"] = "" }},
		"empty":                  {"payee.name", "form", func(m map[string]string) { m["payee.name"] = "" }},
		"blank":                  {"payee.name", "form", func(m map[string]string) { m["payee.name"] = " \u3000" }},
		"unknown":                {"colour", "unknown", func(m map[string]string) { m["colour"] = "red" }},
		"of another template":    {"limit.what", "unknown", func(m map[string]string) { m["limit.what"] = "transfer_day" }},
		"known only by its case": {"Amount", "unknown", func(m map[string]string) { m["Amount"] = "1" }},
		"no name at all":         {"fields", "unknown", func(m map[string]string) { m[""] = "1" }},
		"a name that is a text":  {"fields", "unknown", func(m map[string]string) { m["ご主人様の\n口座"] = "1" }},
		"a name without end":     {"fields", "unknown", func(m map[string]string) { m[strings.Repeat("a", 100_000)] = "1" }},
		"two unknown":            {"colour", "unknown", func(m map[string]string) { m["size"], m["colour"] = "1", "1" }},
		"an unknown choice":      {"payee.type", "form", func(m map[string]string) { m["payee.type"] = "gold" }},
		"a choice by its label":  {"payee.type", "form", func(m map[string]string) { m["payee.type"] = "普通" }},
		"a negative amount":      {"amount", "form", func(m map[string]string) { m["amount"] = "-1" }},
		"an amount with yen":     {"amount", "form", func(m map[string]string) { m["amount"] = "250000円" }},
		"a leading zero":         {"amount", "form", func(m map[string]string) { m["amount"] = "0250000" }},
		"no such day":            {"date", "form", func(m map[string]string) { m["date"] = "2026-02-29" }},
		"a line of its own":      {"payee.bank", "form", func(m map[string]string) { m["payee.bank"] = "みどり銀行\n金額: 1円" }},
		"not text":               {"payee.bank", "form", func(m map[string]string) { m["payee.bank"] = "\xff" }},
		"too long":               {"payee.bank", "form", func(m map[string]string) { m["payee.bank"] = strings.Repeat("あ", 61) }},
	} {
		m := maps.Clone(good)
		c.change(m)
		_, err := b.Arrange(tmpl, m)
		var f *FieldError
		if !errors.As(err, &f) || f.Field != c.field || f.Reason != c.reason {
			t.Errorf("%s: %v, want %s %s", name, err, c.field, c.reason)
		} else if v := m[c.field]; v != "" && strings.TrimSpace(v) != "" && strings.Contains(err.Error(), v) {
			t.Errorf("%s: the error repeats the value: %v", name, err)
		}
	}
}

// Money in both languages, with the smallest and the largest amounts, and currencies other than the yen.
func TestMoney(t *testing.T) {
	for _, c := range []struct{ v, currency, ja, en string }{
		{"0", "JPY", "0円", "JPY 0"}, {"1", "JPY", "1円", "JPY 1"}, {"999", "JPY", "999円", "JPY 999"}, {"1000", "JPY", "1,000円", "JPY 1,000"}, {"250000", "JPY", "250,000円", "JPY 250,000"},
		{"1000000", "JPY", "1,000,000円", "JPY 1,000,000"}, {"999999999999999", "JPY", "999,999,999,999,999円", "JPY 999,999,999,999,999"},
		{"0", "USD", "0.00 USD", "USD 0.00"}, {"1", "USD", "0.01 USD", "USD 0.01"}, {"10", "USD", "0.10 USD", "USD 0.10"}, {"99", "EUR", "0.99 EUR", "EUR 0.99"}, {"100", "EUR", "1.00 EUR", "EUR 1.00"},
		{"125000", "USD", "1,250.00 USD", "USD 1,250.00"}, {"99999", "GBP", "999.99 GBP", "GBP 999.99"}, {"100000", "GBP", "1,000.00 GBP", "GBP 1,000.00"}, {"999999999999999", "USD", "9,999,999,999,999.99 USD", "USD 9,999,999,999,999.99"},
	} {
		for language, want := range map[string]string{"ja": c.ja, "en": c.en} {
			if got, ok := Show(Money, c.v, c.currency, language); !ok || got != want {
				t.Errorf("%s %s in %s: %q, want %q", c.v, c.currency, language, got, want)
			}
		}
	}
	for _, bad := range []string{"", "00", "01", "-1", "+1", "1.0", "1,000", "1e3", " 1", "1 ", "１", "٣", "1000000000000000", "0x1"} {
		if got, ok := Show(Money, bad, "JPY", "ja"); ok {
			t.Errorf("%q is shown as %q", bad, got)
		}
	}
	for _, bad := range []string{"", "JP", "jpy", "JPYX", "J1Y", "ＪＰＹ", "JP "} {
		if currency(bad) {
			t.Errorf("%q is a currency", bad)
		}
	}
}

// Days and moments at the ends of months and years, and where Japan is a day ahead.
func TestDatesAndTimes(t *testing.T) {
	for _, c := range []struct {
		f         Format
		v, ja, en string
	}{
		{Date, "2026-11-25", "2026年11月25日(水)", "Wed 25 November 2026"}, {Date, "2026-12-31", "2026年12月31日(木)", "Thu 31 December 2026"}, {Date, "2027-01-01", "2027年1月1日(金)", "Fri 1 January 2027"},
		{Date, "2028-02-29", "2028年2月29日(火)", "Tue 29 February 2028"}, {Date, "2000-02-29", "2000年2月29日(火)", "Tue 29 February 2000"}, {Date, "2000-01-01", "2000年1月1日(土)", "Sat 1 January 2000"},
		{Date, "2999-12-31", "2999年12月31日(火)", "Tue 31 December 2999"}, {Date, "2026-03-01", "2026年3月1日(日)", "Sun 1 March 2026"}, {Date, "2026-05-04", "2026年5月4日(月)", "Mon 4 May 2026"},
		{Time, "2026-11-25T09:30:00Z", "2026年11月25日(水) 18:30", "Wed 25 November 2026 18:30 JST"}, {Time, "2026-12-31T14:59:00Z", "2026年12月31日(木) 23:59", "Thu 31 December 2026 23:59 JST"},
		{Time, "2026-12-31T15:00:00Z", "2027年1月1日(金) 00:00", "Fri 1 January 2027 00:00 JST"}, {Time, "2028-02-28T15:00:00Z", "2028年2月29日(火) 00:00", "Tue 29 February 2028 00:00 JST"},
		{Time, "2028-02-29T15:00:00Z", "2028年3月1日(水) 00:00", "Wed 1 March 2028 00:00 JST"}, {Time, "2026-02-28T15:00:00Z", "2026年3月1日(日) 00:00", "Sun 1 March 2026 00:00 JST"},
		{Time, "2000-01-01T00:00:00Z", "2000年1月1日(土) 09:00", "Sat 1 January 2000 09:00 JST"},
	} {
		for language, want := range map[string]string{"ja": c.ja, "en": c.en} {
			if got, ok := Show(c.f, c.v, "JPY", language); !ok || got != want {
				t.Errorf("%s in %s: %q, want %q", c.v, language, got, want)
			}
		}
	}
	for f, bad := range map[Format][]string{
		Date: {"", "2026-11-31", "2026-02-29", "2100-02-29", "2026-00-01", "2026-01-00", "2026-13-01", "1999-12-31", "3000-01-01", "26-11-25", "2026-1-1", "2026/11/25", "2026-11-25 ", "2026-11-25T00:00:00Z", "+2026-11-25", "02026-11-25"},
		Time: {"", "2026-11-25", "2026-11-25T24:00:00Z", "2026-11-25T23:60:00Z", "2026-06-30T23:59:60Z", "2026-11-25T09:30Z", "2026-11-25T09:30:00", "2026-11-25T09:30:00+00:00", "2026-11-25T18:30:00+09:00", "2026-11-25T09:30:00.0Z",
			"2026-11-25T09:30:00z", "2026-11-25t09:30:00Z", "2026-11-25 09:30:00Z", "1999-12-31T23:59:59Z", "3000-01-01T00:00:00Z", "2026-11-25T9:30:00Z", "2026-11-25T09:30:00,5Z", "2026-11-25T09:30:01Z", "2026-11-25T09:30:59Z"},
	} {
		for _, v := range bad {
			if got, ok := Show(f, v, "JPY", "ja"); ok {
				t.Errorf("%s %q is shown as %q", f, v, got)
			}
		}
	}
}

// A file of templates in which anything is wrong makes no bundle.
func TestTemplatesThatAreRefused(t *testing.T) {
	if _, err := bundleOf(t, templates(t)); err != nil {
		t.Fatalf("the right one: %v", err)
	}
	sub := func(o map[string]any, names ...string) map[string]any {
		for _, n := range names {
			o = o[n].(map[string]any)
		}
		return o
	}
	for name, change := range map[string]func(o map[string]any){
		"an unknown field":                   func(o map[string]any) { sub(o, "templates", "payee")["fields"] = []any{"payee.name", "payee.colour"} },
		"a choice without values":            func(o map[string]any) { delete(sub(o, "choices"), "payee.type") },
		"a choice with no values":            func(o map[string]any) { sub(o, "choices")["payee.type"] = map[string]any{} },
		"a label with a colon":               func(o map[string]any) { sub(o, "fields", "amount")["ja"] = "金額: 1円" },
		"an English label with a colon":      func(o map[string]any) { sub(o, "fields", "amount")["en"] = "Amount: JPY 1" },
		"a title with a colon":               func(o map[string]any) { sub(o, "templates", "transfer")["ja"] = "お振込: 1円" },
		"a choice with a colon":              func(o map[string]any) { sub(o, "choices", "payee.type", "ordinary")["en"] = "a: b" },
		"a field twice":                      func(o map[string]any) { sub(o, "templates", "payee")["fields"] = []any{"payee.name", "payee.name"} },
		"optional twice":                     func(o map[string]any) { sub(o, "templates", "transfer")["optional"] = []any{"fee", "fee"} },
		"no fields":                          func(o map[string]any) { sub(o, "templates", "payee")["fields"] = []any{} },
		"fields that are no list":            func(o map[string]any) { sub(o, "templates", "payee")["fields"] = "payee.name" },
		"an empty field":                     func(o map[string]any) { sub(o, "templates", "payee")["fields"] = []any{"payee.name", ""} },
		"a field that is a list":             func(o map[string]any) { sub(o, "templates", "payee")["fields"] = []any{[]any{"payee.name"}} },
		"optional, but not of the template":  func(o map[string]any) { sub(o, "templates", "payee")["optional"] = []any{"fee"} },
		"optional that is no list":           func(o map[string]any) { sub(o, "templates", "payee")["optional"] = "payee.name" },
		"an unknown format":                  func(o map[string]any) { sub(o, "fields", "amount")["format"] = "colour" },
		"a format that is no text":           func(o map[string]any) { sub(o, "fields", "amount")["format"] = true },
		"an unknown verification":            func(o map[string]any) { sub(o, "templates", "payee")["verification"] = "smile" },
		"no version":                         func(o map[string]any) { o["version"] = "" },
		"a template without version":         func(o map[string]any) { sub(o, "templates", "payee")["version"] = "" },
		"a version that is a number":         func(o map[string]any) { o["version"] = 1 },
		"no label":                           func(o map[string]any) { sub(o, "fields", "amount")["en"] = "" },
		"a blank label":                      func(o map[string]any) { sub(o, "fields", "amount")["en"] = " " },
		"a missing label":                    func(o map[string]any) { delete(sub(o, "fields", "amount"), "en") },
		"a label with a line end":            func(o map[string]any) { sub(o, "fields", "amount")["en"] = "Amount\nFee" },
		"a label that turns around":          func(o map[string]any) { sub(o, "fields", "amount")["en"] = "Amount\u202e" },
		"a label with a mark's bracket":      func(o map[string]any) { sub(o, "fields", "amount")["ja"] = "金額〔漢字〕" },
		"a label that is a list":             func(o map[string]any) { sub(o, "fields", "amount")["en"] = []any{} },
		"a caution that is no text":          func(o map[string]any) { sub(o, "templates", "payee")["caution_ja"] = true },
		"a member more":                      func(o map[string]any) { o["colour"] = "red" },
		"a member more in a field":           func(o map[string]any) { sub(o, "fields", "amount")["colour"] = "red" },
		"a member more in a template":        func(o map[string]any) { sub(o, "templates", "payee")["colour"] = "red" },
		"a member less":                      func(o map[string]any) { delete(o, "choices") },
		"fields that are a list":             func(o map[string]any) { o["fields"] = []any{} },
		"a field's name with a space":        func(o map[string]any) { sub(o, "fields")["a b"] = sub(o, "fields", "amount") },
		"a template's name in capitals":      func(o map[string]any) { sub(o, "templates")["PAYEE"] = sub(o, "templates", "payee") },
		"two fields under one label":         func(o map[string]any) { sub(o, "fields", "fee")["ja"] = sub(o, "fields", "amount")["ja"] },
		"two fields under one English label": func(o map[string]any) { sub(o, "fields", "fee")["en"] = sub(o, "fields", "amount")["en"] },
		"two choices under one label": func(o map[string]any) {
			sub(o, "choices", "payee.type", "current")["ja"] = sub(o, "choices", "payee.type", "ordinary")["ja"]
		},
		"two templates under one title": func(o map[string]any) { sub(o, "templates", "payee")["en"] = sub(o, "templates", "transfer")["en"] },
	} {
		if _, err := MakeTemplates(testOrigin, spoilt(t, change)); err == nil {
			t.Errorf("%s: a bundle is made", name)
		}
	}
	for name, file := range map[string]string{"nothing": "", "null": "null", "a list": "[]", "an empty object": "{}", "half of it": string(templates(t)[:500]), "two of them": string(templates(t)) + "{}"} {
		if _, err := MakeTemplates(testOrigin, []byte(file)); err == nil {
			t.Errorf("%s: a bundle is made", name)
		}
	}
	if _, err := MakeTemplates("", templates(t)); err == nil {
		t.Error("a bundle of nobody is made")
	}
}

// A bundle is read only if the root that is known has signed it.
func TestTemplatesAreTheRoots(t *testing.T) {
	payload, err := MakeTemplates(testOrigin, templates(t))
	if err != nil {
		t.Fatal(err)
	}
	root, other := newSigner(t), newSigner(t)
	good, err := signing.Seal(signing.TypTemplates, "", &root.public, payload, root.sign)
	if err != nil {
		t.Fatal(err)
	}
	b, err := ParseTemplates(good, root.public.Thumbprint())
	if err != nil || b.Hash != signing.Hash(payload) || b.Envelope != good || b.Issuer != testOrigin {
		t.Fatalf("%+v, %v", b, err)
	}
	for name, f := range map[string]func() (string, error){
		"another's key and signature": func() (string, error) {
			return signing.Seal(signing.TypTemplates, "", &other.public, payload, other.sign)
		},
		"another's signature": func() (string, error) {
			return signing.Seal(signing.TypTemplates, "", &root.public, payload, other.sign)
		},
		"a name instead of a key": func() (string, error) {
			return signing.Seal(signing.TypTemplates, root.public.Thumbprint(), nil, payload, root.sign)
		},
		"another type": func() (string, error) { return signing.Seal(signing.TypOffer, "", &root.public, payload, root.sign) },
		"another payload of the root": func() (string, error) {
			return signing.Seal(signing.TypTemplates, "", &root.public, []byte(`{"v":"1"}`), root.sign)
		},
		"white space in it": func() (string, error) {
			return signing.Seal(signing.TypTemplates, "", &root.public, append([]byte(" "), payload...), root.sign)
		},
		"nothing":           func() (string, error) { return "", nil },
		"its payload alone": func() (string, error) { return string(payload), nil },
	} {
		e, err := f()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseTemplates(e, root.public.Thumbprint()); err == nil {
			t.Errorf("%s is taken for the root's templates", name)
		}
	}
}

// A document is taken in one form only: every member of its kind, nothing more, and the fields exactly those of the template.
func TestDocumentsThatAreRefused(t *testing.T) {
	b := bundle(t)
	tmpl, _ := b.Template("limit")
	fields, err := b.Arrange(tmpl, allFields(b, tmpl))
	if err != nil {
		t.Fatal(err)
	}
	good, err := documentOf(b, "limit", "JPY", fields).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	d, err := ParseDocument(good, b)
	if err != nil || d.Hash != signing.Hash(good) {
		t.Fatalf("the right one: %v", err)
	}
	if again, err := d.Bytes(); err != nil || string(again) != string(good) {
		t.Errorf("it is made again as %s, %v", again, err)
	}
	if sum := d.Sum(); signing.Hash(good) != signingHash(sum) {
		t.Error("the question of the offline code is not the hash of the document")
	}
	var o map[string]any
	if err := json.Unmarshal(good, &o); err != nil {
		t.Fatal(err)
	}
	for member := range o {
		for name, value := range map[string]any{"missing": nil, "true": true, "a list": []any{}, "an object": map[string]any{}, "empty": "", "long": strings.Repeat("x", 5000)} {
			if name == "empty" && slices.Contains([]string{"issuer", "audience", "customer", "template", "template_version", "templates"}, member) {
				continue // the bundle decides, or nobody does: whoever signs says who it is for
			}
			if member == "fields" && name == "a list" {
				continue // a list of none, which is the template's business
			}
			m := maps.Clone(o)
			if m[member] = value; value == nil {
				delete(m, member)
			}
			payload, err := signing.Canonical(signing.Object(m))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := ParseDocument(payload, nil); err == nil {
				t.Errorf("%s: %s is taken", member, name)
			}
		}
	}
	for name, change := range map[string]func(d *Document){
		"expired before it was issued": func(d *Document) { d.Expires = d.Issued }, "another kind of identifier": func(d *Document) { d.ID = "cus_01h455vb4pex5vsknk084sn02q" }, "no identifier": func(d *Document) { d.ID = "" },
		"a currency in small letters": func(d *Document) { d.Currency = "jpy" }, "of another bundle": func(d *Document) { d.Bundle = signing.Hash("x") }, "of another issuer": func(d *Document) { d.Issuer = "https://token.evil.example" },
		"an unknown template": func(d *Document) { d.Template = "gift" }, "another version": func(d *Document) { d.TemplateVersion = "2" }, "a field less": func(d *Document) { d.Fields = d.Fields[1:] },
		"a field more": func(d *Document) { d.Fields = append(slices.Clone(d.Fields), Field{"fee", "1"}) }, "a field twice": func(d *Document) { d.Fields = append(slices.Clone(d.Fields), d.Fields[2]) },
		"two exchanged": func(d *Document) { d.Fields = []Field{d.Fields[0], d.Fields[2], d.Fields[1]} }, "no fields": func(d *Document) { d.Fields = nil },
		"a value of another form": func(d *Document) { d.Fields = []Field{d.Fields[0], d.Fields[1], {d.Fields[2].ID, "many"}} },
	} {
		d := documentOf(b, "limit", "JPY", fields)
		change(&d)
		payload, err := d.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseDocument(payload, b); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	long := documentOf(b, "limit", "JPY", nil)
	for range 70 {
		long.Fields = append(long.Fields, Field{"limit.after", strings.Repeat("9", 60)})
	}
	if _, err := long.Bytes(); !errors.Is(err, ErrDocument) {
		t.Errorf("a document beyond the limit: %v", err)
	}
}

func signingHash(sum [32]byte) string { return base64.RawURLEncoding.EncodeToString(sum[:]) }

// Every answer goes with its own reasons and no others, and each member of a decision is of its one form.
func TestDecisionsThatAreRefused(t *testing.T) {
	device := newSigner(t)
	good := Decision{Transaction: testID, Document: signing.Hash("d"), Offer: signing.Hash("o"), Bundle: signing.Hash("b"), Display: signing.Hash("t"), Language: "ja", Answer: Yes, Time: testTime, Counter: 7, Previous: signing.Hash("p"),
		Verification: NoVerification, Token: "tok_00000000000000000000000000"}
	made, err := MakeDecision(good, device.sign)
	if err != nil {
		t.Fatal(err)
	}
	got, envelope, err := ParseDecision(made)
	if err != nil || envelope.Verify(device.public) != nil || got.Hash != signing.Hash(made) {
		t.Fatalf("the right one: %v", err)
	}
	if got.Hash = ""; got != good {
		t.Errorf("%+v is read as %+v", good, got)
	}
	for answer, may := range map[Answer][]string{Yes: {""}, No: {"", "wrong_amount", "wrong_payee", "other"}, NotMe: {"", "not_me", "told_by_phone", "other"}, "later": {}, "": {}} {
		for _, reason := range []string{"", "wrong_amount", "wrong_payee", "other", "not_me", "told_by_phone", "because"} {
			d := good
			d.Answer, d.Reason = answer, reason
			made, err := MakeDecision(d, device.sign)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := ParseDecision(made); (err == nil) != slices.Contains(may, reason) {
				t.Errorf("%s for the reason %q: %v", answer, reason, err)
			}
		}
	}
	e, err := signing.Parse(signing.TypDecision, made)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := signing.ParseCanonical(e.Payload)
	if err != nil {
		t.Fatal(err)
	}
	bad := map[string][]any{"v": {"2", "", "01"}, "language": {"fr", "", "JA"}, "time": {"", "2026-11-22", "2026-11-22T01:02:03.0Z", "2026-11-22T10:02:03+09:00"}, "counter": {"", "-1", "+1", "01", "1.0", "９", "18446744073709551616", "9223372036854775808"},
		"verification": {"", "smile"}, "nonce": {"", "AAAA", "AAAAAAAAAAAAAAAAAAAAAB", "AAAAAAAAAAAAAAAAAAAAAA=="}}
	for member := range payload {
		for _, v := range append(bad[member], true, []any{}, signing.Object{}, nil) {
			m := maps.Clone(payload)
			if m[member] = v; v == nil {
				delete(m, member)
			}
			b, err := signing.Canonical(m)
			if err != nil {
				t.Fatal(err)
			}
			made, err := signing.Seal(signing.TypDecision, good.Token, nil, b, device.sign)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := ParseDecision(made); err == nil {
				t.Errorf("%s = %v is taken", member, v)
			}
		}
	}
	for name, f := range map[string]func() (string, error){
		"a key in the header": func() (string, error) {
			return signing.Seal(signing.TypDecision, "", &device.public, e.Payload, device.sign)
		},
		"another type": func() (string, error) { return signing.Seal(signing.TypOffer, good.Token, nil, e.Payload, device.sign) },
	} {
		made, err := f()
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := ParseDecision(made); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// Permit and word of the server come back as they were made, and only from under their own key and type.
func TestPermitAndOfflineWord(t *testing.T) {
	issuer, other := newSigner(t), newSigner(t)
	p := Permit{Transaction: testID, Document: signing.Hash("d"), Decision: signing.Hash("x"), Grade: GradeA, Audience: "bank", Customer: "0101-1-1234567", Order: Order{"transfer", "JPY", []Field{{"amount", "1"}, {"payee.name", "ヤマダ"}}},
		Request: "exec-1", Time: testTime}
	made, err := MakePermit(p, issuer.public.Thumbprint(), issuer.sign)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParsePermit(made, issuer.public)
	if err != nil || got.Order.Differs(p.Order) != "" || got.Transaction != p.Transaction || got.Document != p.Document || got.Decision != p.Decision || got.Grade != p.Grade || got.Audience != p.Audience || got.Customer != p.Customer ||
		got.Request != p.Request || !got.Time.Equal(p.Time) {
		t.Errorf("%+v is read as %+v, %v", p, got, err)
	}
	w := Offline{testID, signing.Hash("d"), "tok_00000000000000000000000000", testTime}
	word, err := MakeOffline(w, issuer.public.Thumbprint(), issuer.sign)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseOffline(word, issuer.public); err != nil || got != w {
		t.Errorf("%+v is read as %+v, %v", w, got, err)
	}
	for name, err := range map[string]error{
		"a permit of another": second(ParsePermit(made, other.public)), "a word of another": second(ParseOffline(word, other.public)), "a permit as a word": second(ParseOffline(made, issuer.public)), "a word as a permit": second(ParsePermit(word, issuer.public)),
		"a cut permit": second(ParsePermit(made[:len(made)-1], issuer.public)), "nothing": second(ParsePermit("", issuer.public)),
	} {
		if err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	for name, payload := range map[string]string{
		"members of another kind": `{"audience":true,"currency":"JPY","customer":"","decision":"","document":"","fields":[],"grade":"A","request":"","template":"","time":"2026-11-22T01:02:03Z","transaction":"","v":"1"}`,
		"another version":         `{"audience":"","currency":"JPY","customer":"","decision":"","document":"","fields":[],"grade":"A","request":"","template":"","time":"2026-11-22T01:02:03Z","transaction":"","v":"2"}`,
		"no list of fields":       `{"audience":"","currency":"JPY","customer":"","decision":"","document":"","fields":"","grade":"A","request":"","template":"","time":"2026-11-22T01:02:03Z","transaction":"","v":"1"}`,
	} {
		made, err := signing.Seal(signing.TypPermit, "k", nil, []byte(payload), issuer.sign)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParsePermit(made, issuer.public); err == nil {
			t.Errorf("a permit with %s is taken", name)
		}
	}
}

// What stands behind the document in a QR code is not read over.
func TestNothingFollowsTheDocumentInAQRCode(t *testing.T) {
	issuer := newSigner(t)
	offer, err := signing.Seal(signing.TypOffer, issuer.public.Thumbprint(), nil, []byte(`{"v":"1"}`), issuer.sign)
	if err != nil {
		t.Fatal(err)
	}
	qr, err := QR(offer)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := FromQR(qr); err != nil || back != offer {
		t.Fatalf("%s, %v", back, err)
	}
	packed, _ := unbase45(strings.TrimPrefix(qr, qrPrefix))
	if back, err := FromQR(qrPrefix + base45(append(packed, 0))); err == nil {
		t.Errorf("with a byte too many it is %s", back)
	}
}

func second[T any](_ T, err error) error { return err }

// The table of states is the one that the text of the protocol tells: what has ended stays ended.
func TestNothingLeavesAFinalState(t *testing.T) {
	for _, s := range Final {
		for _, e := range Events {
			if to, ok := Life.Next(s, e); ok {
				t.Errorf("%s becomes %s by %s", s, to, e)
			}
		}
	}
	if len(States) != len(Final)+2 {
		t.Errorf("%d states, %d of them final", len(States), len(Final))
	}
}
