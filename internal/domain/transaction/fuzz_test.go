package transaction

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/inkan-auth/inkan/internal/domain/signing"
)

// vector is what the tests here take of a vector of testdata.
type vector struct {
	Document, Offer, QR, Decision string
	Root                          string `json:"root_thumbprint"`
	Templates                     string
	Valid                         bool
}

func vectors(t testing.TB) (all []vector) {
	t.Helper()
	b, err := os.ReadFile("../../../testdata/vectors/transaction.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &all); err != nil || len(all) == 0 {
		t.Fatalf("%d vectors, %v", len(all), err)
	}
	return all
}

// What is taken for a document is written in its one form, and both languages show it, line by line.
func FuzzDocument(f *testing.F) {
	all := vectors(f)
	b, err := ParseTemplates(all[0].Templates, all[0].Root)
	if err != nil {
		f.Fatal(err)
	}
	for _, v := range all {
		f.Add([]byte(v.Document))
	}
	one := all[0].Document
	for _, s := range []string{"", "{}", `{"v":"1"}`, strings.ReplaceAll(one, `"JPY"`, `"KWD"`), strings.ReplaceAll(one, `"audience":"bank"`, `"audience":true`), strings.ReplaceAll(one, `"audience":"bank"`, `"audience":"b\\ank"`),
		strings.ReplaceAll(one, "みどり銀行", "み\u3099"), strings.ReplaceAll(one, `"value":"250000"`, `"value":[]`), strings.ReplaceAll(one, "{", " {")} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		loose, err := ParseDocument(payload, nil)
		if err != nil {
			if _, err := ParseDocument(payload, b); err == nil {
				t.Fatalf("%q fits the templates and is no document", payload)
			}
			return
		}
		again, err := loose.Bytes()
		if err != nil || !bytes.Equal(again, payload) {
			t.Fatalf("%q is written again as %q, %v", payload, again, err)
		}
		d, err := ParseDocument(payload, b)
		if err != nil {
			return
		}
		for _, language := range Languages {
			lines := strings.Split(b.Render(d, language), "\n")
			if len(lines) != len(d.Fields)+2 {
				t.Fatalf("%q is shown in %s as %q", payload, language, lines)
			}
			for i, l := range lines {
				label, value, _ := strings.Cut(l, ": ")
				if i > 0 && (label == "" || value == "") || l == "" || !utf8.ValidString(l) || strings.ContainsFunc(l, hidden) {
					t.Fatalf("%q has the line %q", payload, l)
				}
			}
		}
	})
}

// hidden says whether a character is one that is not seen as itself.
func hidden(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp, unicode.Variation_Selector, unicode.Mn, unicode.Me, unicode.Other_Default_Ignorable_Code_Point) || r != ' ' && unicode.Is(unicode.Zs, r)
}

// Two documents of one identifier that differ in anything that is shown are shown differently in both languages, whatever an attacker writes into two of their fields or leaves away.
func FuzzRendering(f *testing.F) {
	b := bundle(f)
	var names []string
	for name := range b.templates {
		names = append(names, name)
	}
	slices.Sort(names)
	for i := range names {
		f.Add(byte(i), byte(0), byte(1), "みどり銀行", "カ", "力", "みどり銀行", byte(0), byte(0))
	}
	for _, s := range [][4]string{{"1", "2", "12", ""}, {"a: b", "c", "a", "b: c"}, {"ヘ", "へ", "ベ", "べ"}, {"0", "00", "1", "01"}, {"2026-11-25", "2026-11-26", "2026-11-25", "x"}, {"A\nB", "B", "A", "B"}, {"ordinary", "普通", "current", "savings"},
		{"イ一", "イー", "ー", "一"}, {"ﾔﾏﾀﾞ", "ヤマダ", "ヤマタ", "゛"}, {"〔漢字〕", "力〔漢字〕", "力", "カ"}} {
		for i := range byte(12) {
			f.Add(byte(6), i, i+1, s[0], s[1], s[2], s[3], i%3, i%5)
		}
	}
	f.Fuzz(func(t *testing.T, which, i, j byte, a, b1, c, d string, without1, without2 byte) {
		tmpl := b.templates[names[int(which)%len(names)]]
		make := func(v1, v2 string, without byte) (Document, bool) {
			given := allFields(b, tmpl)
			for n, id := range tmpl.Optional {
				if without>>n&1 == 1 {
					delete(given, id)
				}
			}
			for id, v := range map[string]string{tmpl.Fields[int(i)%len(tmpl.Fields)]: v1, tmpl.Fields[int(j)%len(tmpl.Fields)]: v2} {
				if _, there := given[id]; there && b.fields[id].format != Choice {
					given[id] = v
				} else if _, known := b.choices[id][v]; there && known {
					given[id] = v
				} else if there {
					given[id] = slices.Sorted(maps.Keys(b.choices[id]))[len(v)%len(b.choices[id])]
				}
			}
			fields, err := b.Arrange(tmpl, given)
			if err != nil {
				return Document{}, false
			}
			d := documentOf(b, tmpl.Name, "JPY", fields)
			payload, err := d.Bytes()
			if err != nil {
				return Document{}, false
			}
			out, err := ParseDocument(payload, b)
			if err != nil {
				t.Fatalf("what was arranged does not fit: %v: %s", err, payload)
			}
			return out, true
		}
		x, ok1 := make(a, b1, without1)
		y, ok2 := make(c, d, without2)
		if !ok1 || !ok2 {
			return
		}
		for n, f := range y.Fields { // a time is shown to the minute, as the protocol says
			if b.fields[f.ID].format == Time && n < len(x.Fields) && x.Fields[n].ID == f.ID && f.Value[:16] == x.Fields[n].Value[:16] {
				y.Fields[n] = x.Fields[n]
			}
		}
		for _, language := range Languages {
			if alike := b.Render(x, language) == b.Render(y, language); alike != slices.Equal(x.Fields, y.Fields) {
				t.Fatalf("%v and %v are shown alike: %v\n%s", x.Fields, y.Fields, alike, b.Render(x, language))
			}
		}
	})
}

// What is taken for a decision is written in its one form.
func FuzzDecision(f *testing.F) {
	device := newSigner(f)
	for _, v := range vectors(f) {
		if e, err := signing.Parse(signing.TypDecision, v.Decision); err == nil {
			f.Add(e.Payload, e.Kid)
			f.Add(bytes.ReplaceAll(e.Payload, []byte(`"previous":""`), []byte(`"previous":true`)), e.Kid)
			f.Add(bytes.ReplaceAll(e.Payload, []byte(`"counter":"1"`), []byte(`"counter":"01"`)), e.Kid)
			f.Add(bytes.ReplaceAll(e.Payload, []byte(`approve`), []byte(`reject`)), "")
		}
	}
	f.Add([]byte("{}"), "tok")
	f.Add([]byte(""), "")
	f.Fuzz(func(t *testing.T, payload []byte, kid string) {
		compact, err := signing.Seal(signing.TypDecision, kid, nil, payload, device.sign)
		if err != nil {
			return
		}
		d, e, err := ParseDecision(compact)
		if err != nil {
			return
		}
		again, err := MakeDecision(d, device.sign)
		if err != nil {
			t.Fatalf("%q cannot be made again: %v", payload, err)
		}
		other, err := signing.Parse(signing.TypDecision, again)
		if err != nil || !bytes.Equal(other.Payload, payload) || !bytes.Equal(e.Payload, payload) || other.Kid != kid || d.Hash != signing.Hash(compact) {
			t.Fatalf("%q is written again as %q, %v", payload, other.Payload, err)
		}
		if _, ok := Life.Next(Pending, d.Answer.Event()); !ok {
			t.Fatalf("the answer %q is taken and leads nowhere", d.Answer)
		}
	})
}

// Whatever stands where a decision should stand is refused or read, and never more than that.
func FuzzDecisionEnvelope(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.Decision)
		f.Add(v.Offer)
		f.Add(strings.Replace(v.Decision, ".", "..", 1))
	}
	f.Fuzz(func(t *testing.T, compact string) {
		d, e, err := ParseDecision(compact)
		if err == nil && (e == nil || d.Language == "" || d.Time.IsZero() || len(compact) < 100) {
			t.Fatalf("%q is read as %+v", compact, d)
		}
	})
}

// A file of templates is refused, or everything that it lets a bank ask can be shown in both languages.
func FuzzTemplates(f *testing.F) {
	root := newSigner(f)
	good := templates(f)
	f.Add(good)
	for _, s := range []string{"", "null", "{}", "[]", `{"version":"1","fields":{},"choices":{},"templates":{}}`, `{"version":"1","fields":{"a":{"format":"text","ja":"あ","en":"a"}},"choices":{},"templates":{"t":{"version":"1","ja":"た","en":"t","caution_ja":"","caution_en":"","fields":["a"],"optional":[],"verification":"none"}}}`,
		`{"version":"1","fields":{"a":{"format":"choice","ja":"あ","en":"a"}},"choices":{"a":{"x":{"ja":"え","en":"x"}}},"templates":{"t":{"version":"1","ja":"た","en":"t","caution_ja":"","caution_en":"","fields":["a"],"optional":["a"],"verification":"pin"}}}`} {
		f.Add([]byte(s))
	}
	for _, swap := range [][2]string{{"お振込", "お振込\u202e"}, {"money", "text"}, {"Amount", "Fee"}, {"ordinary", "current"}, {"fee", "amount"}, {`"optional":`, `"optionaI":`}, {"none", "webauthn"}, {"金額", "金額:"}, {"受取人名", "照合番号"}} {
		f.Add(bytes.ReplaceAll(good, []byte(swap[0]), []byte(swap[1])))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		payload, err := MakeTemplates(testOrigin, file)
		if err != nil {
			return
		}
		envelope, err := signing.Seal(signing.TypTemplates, "", &root.public, payload, root.sign)
		if err != nil {
			t.Fatal(err)
		}
		b, err := ParseTemplates(envelope, root.public.Thumbprint())
		if err != nil || b.Issuer != testOrigin || b.Hash != signing.Hash(payload) {
			t.Fatalf("%s is made and cannot be read: %v", payload, err)
		}
		titles := map[string]bool{}
		for name, tmpl := range b.templates {
			for _, language := range Languages {
				fields, err := b.Arrange(tmpl, allFields(b, tmpl))
				if err != nil || len(fields) != len(tmpl.Fields) {
					t.Fatalf("%s: nothing can be asked: %v", name, err)
				}
				d := documentOf(b, name, "JPY", fields)
				title, lines, reference := b.Lines(d, language)
				if title == "" || titles[language+title] || len(lines) != len(fields) || reference == "" || b.fits(d) != nil {
					t.Fatalf("%s in %s: %q, %d lines: %v", name, language, title, len(lines), b.fits(d))
				}
				titles[language+title] = true
				seen := map[string]bool{}
				for _, l := range lines {
					if l.Label == "" || l.Value == "" || seen[l.Label] || strings.Contains(l.Label, ": ") || strings.ContainsAny(l.Label+l.Value, "\n\r") {
						t.Fatalf("%s in %s: the line %+v", name, language, l)
					}
					seen[l.Label] = true
				}
				if got := strings.Count(b.Render(d, language), "\n"); got != len(fields)+1 {
					t.Fatalf("%s in %s: %d line feeds", name, language, got)
				}
			}
		}
	})
}

// A code that was scanned is refused or gives one offer of bounded length, and that offer's own code gives it back.
func FuzzQR(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.QR)
	}
	var bomb bytes.Buffer
	bomb.Write(append([]byte{1}, make([]byte, 96)...))
	w, err := flate.NewWriter(&bomb, flate.BestCompression)
	if err != nil {
		f.Fatal(err)
	}
	_, _ = w.Write(make([]byte, 8<<20))
	_ = w.Close()
	for _, s := range []string{"", "INKAN1:", "INKAN2:AB", "inkan1:AB", qrPrefix + base45(bomb.Bytes()), qrPrefix + base45(bomb.Bytes()[:500]), qrPrefix + strings.Repeat("0", 3*maxDocument), qrPrefix + strings.Repeat("0", 300), "INKAN1:BB8", "https://evil.example/",
		qrPrefix + base45(append([]byte{2}, make([]byte, 100)...)), qrPrefix + base45(append(append([]byte{1}, make([]byte, 96)...), 3, 0)), qrPrefix + base45(append(append([]byte{1}, make([]byte, 96)...), 3, 0, 'x', 'y'))} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		offer, err := FromQR(text)
		if err != nil {
			return
		}
		e, err := signing.Parse(signing.TypOffer, offer)
		if err != nil || len(e.Payload) > maxDocument || len(offer) > 2*maxDocument {
			t.Fatalf("%q gives %d bytes, %v", text, len(offer), err)
		}
		code, err := QR(offer)
		if err != nil {
			t.Fatalf("%q gives an offer without a code: %v", text, err)
		}
		if back, err := FromQR(code); err != nil || back != offer {
			t.Fatalf("%q gives an offer whose own code gives another: %v", text, err)
		}
	})
}

// A file of evidence is refused, or what it is found to prove is what was signed: whatever is altered, nothing else comes out.
func FuzzEvidence(f *testing.F) {
	names, err := filepath.Glob("../../../testdata/evidence/*.json")
	if err != nil || len(names) < 10 {
		f.Fatalf("%d files of evidence, %v", len(names), err)
	}
	root, signed := "", map[string]bool{}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		if !strings.HasPrefix(filepath.Base(name), "good-") {
			continue
		}
		e, err := ParseEvidence(b)
		if err != nil {
			f.Fatal(err)
		}
		found, err := e.Verify(root)
		if err != nil {
			f.Fatalf("%s: %v", name, err)
		}
		root = found.Root
		signed["offer "+found.Document.Hash] = true
		if found.Decision != nil {
			signed["answer "+found.Document.Hash+string(found.Decision.Answer)] = true
		}
		if found.Permit != nil {
			signed["permit "+found.Document.Hash+found.Permit.Request] = true
		}
		for _, swap := range [][2]string{{`"v": "1"`, `"v": "2"`}, {`"decision"`, `"Decision"`}, {`"offline": ""`, `"offline": "x"`}, {"ey", "eY"}, {"}", "},"}, {`"device_key": {`, `"device_key": null, "x": {`}, {`"permit"`, `"decision"`}} {
			f.Add(bytes.Replace(b, []byte(swap[0]), []byte(swap[1]), 1))
		}
	}
	for _, s := range []string{"", "{}", "null", "[]", `{"v":"1"}`, `{"v":"1","device_key":{"kty":"EC"}}`, `{"v":"1","offer":"a.b.c"}`, strings.Repeat(" ", maxEvidence+1)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		e, err := ParseEvidence(file)
		if err != nil {
			return
		}
		_, _ = e.Verify("")
		found, err := e.Verify(root)
		if err != nil {
			var b *Break
			if b, _ = err.(*Break); b == nil || b.Part == "" || b.Why == "" { //nolint:errorlint // Verify promises this type itself
				t.Fatalf("%v", err)
			}
			return
		}
		if !signed["offer "+found.Document.Hash] || found.Decision != nil && !signed["answer "+found.Document.Hash+string(found.Decision.Answer)] || found.Permit != nil && !signed["permit "+found.Document.Hash+found.Permit.Request] {
			t.Fatalf("%s proves %+v, which nobody has signed", file, found)
		}
		if found.Grade == GradeA && (found.Decision == nil || found.Decision.Answer != Yes) || found.Grade == GradeB && found.Offline == nil || found.Permit != nil && found.Decision == nil && found.Offline == nil || found.Shown == "" {
			t.Fatalf("%s proves %+v", file, found)
		}
	})
}

// What a bank sends is put into one form, from which the same comes again; what passes shows something in both languages and nothing that is not seen.
func FuzzNormal(f *testing.F) {
	for i := range formats {
		for _, s := range []string{"", " ", "ﾔﾏﾀﾞ ﾀﾛｳ", "ヤマダ　タロウ", "か\u3099", "か \u3099", "\u3099", "A\u2010B", "カ\u2212\u2212", "ー\u00ad", "7654321", "７６５", "250000", "2026-11-25", "２０２６-11-25", "2026-11-22T15:30:00Z", "\u202eabc", "a\u200db", "\ufe0e", "\U000e0041",
			"㈱", "㍿", "ﷺ", "\u3164", "\uffa0", "\u2800", "\u00a0a", "a\ta", "\x00", "\x7f", "\u0085", "\xff", "e\u0301", "é", "Å", "ﾊﾟ", "゛", "\u309b", "a\u2028b", "\ue000", "😀", "〔", "〜", "～", "ordinary", "x" + strings.Repeat("あ", 60), "𠮷", "\U0002f800"} {
			f.Add(byte(i), s)
		}
	}
	choices := map[string]label{"ordinary": {"普通", "Ordinary"}, "current": {"当座", "Current"}}
	f.Fuzz(func(t *testing.T, which byte, s string) {
		format := formats[int(which)%len(formats)]
		v := Normal(format, s)
		if again := Normal(format, v); again != v {
			t.Fatalf("%s %q becomes %q and then %q", format, s, v, again)
		}
		for _, x := range []string{s, v} {
			if format.check(x, choices) != nil {
				continue
			}
			if Normal(format, x) != x {
				t.Fatalf("%s %q passes and is not in its one form", format, x)
			}
			if strings.ContainsFunc(x, hidden) || !utf8.ValidString(x) || x == "" {
				t.Fatalf("%s %q passes", format, x)
			}
			if _, err := signing.Canonical(signing.Object{"value": x}); err != nil {
				t.Fatalf("%s %q passes and cannot be signed: %v", format, x, err)
			}
			for _, language := range Languages {
				shown := format.show(x, "JPY", language, choices)
				if strings.TrimSpace(shown) == "" || strings.ContainsFunc(shown, hidden) {
					t.Fatalf("%s %q is shown as %q", format, x, shown)
				}
			}
		}
	})
}

// Of all characters there are, none that is not seen as itself passes anywhere in a value, not even beside right ones.
func TestHiddenCharactersAreRefused(t *testing.T) {
	right := map[Format][2]string{Text: {"みどり", "銀行"}, Kana: {"ヤマ", "ダ"}, Digits: {"12", "34"}, Money: {"12", "34"}, Date: {"2026-", "11-25"}, Time: {"2026-11-25T", "01:02:00Z"}, Choice: {"ordin", "ary"}}
	choices := map[string]label{"ordinary": {"普通", "Ordinary"}}
	n := 0
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !utf8.ValidRune(r) || !hidden(r) {
			continue
		}
		n++
		for f, parts := range right {
			for _, v := range []string{parts[0] + string(r) + parts[1], string(r) + parts[0] + parts[1], parts[0] + parts[1] + string(r), string(r)} {
				if f.check(v, choices) == nil {
					t.Fatalf("%s %q passes", f, v)
				}
			}
		}
	}
	if n < 100_000 { // private use alone has more
		t.Errorf("only %d characters", n)
	}
	for f, parts := range right {
		if f.check(parts[0]+parts[1], choices) != nil {
			t.Errorf("%s %q is refused", f, parts[0]+parts[1])
		}
	}
}
