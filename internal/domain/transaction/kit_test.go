package transaction

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/signing"
)

const (
	testOrigin = "https://token.bank.example"
	testID     = "txn_01h455vb4pex5vsknk084sn02q"
)

var testTime = time.Date(2026, 11, 22, 1, 2, 3, 0, time.UTC)

// signer is a key with its public half.
type signer struct {
	key    *ecdsa.PrivateKey
	public signing.JWK
}

func newSigner(t testing.TB) signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := signing.JWKOf(&k.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return signer{k, public}
}

func (s signer) sign(digest []byte) ([]byte, error) {
	r, v, err := ecdsa.Sign(rand.Reader, s.key, digest)
	if err != nil {
		return nil, err
	}
	return signing.Raw(r, v), nil
}

// templates is the file that banks get, as the vectors have it.
func templates(t testing.TB) []byte {
	t.Helper()
	file, err := os.ReadFile("../../../testdata/templates/1.json")
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// bundleOf signs a file of templates and reads it as everybody does.
func bundleOf(t testing.TB, file []byte) (*Bundle, error) {
	t.Helper()
	payload, err := MakeTemplates(testOrigin, file)
	if err != nil {
		return nil, err
	}
	root := newSigner(t)
	envelope, err := signing.Seal(signing.TypTemplates, "", &root.public, payload, root.sign)
	if err != nil {
		t.Fatal(err)
	}
	b, err := ParseTemplates(envelope, root.public.Thumbprint())
	if err != nil {
		t.Fatalf("what was made cannot be read: %v", err)
	}
	return b, nil
}

func bundle(t testing.TB) *Bundle {
	t.Helper()
	b, err := bundleOf(t, templates(t))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// spoilt is the file of templates with one thing altered.
func spoilt(t testing.TB, change func(o map[string]any)) []byte {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal(templates(t), &o); err != nil {
		t.Fatal(err)
	}
	change(o)
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// documentOf is a document of a template with these fields, as the server would write it.
func documentOf(b *Bundle, template, currency string, fields []Field) Document {
	t, _ := b.Template(template)
	return Document{ID: testID, Issuer: testOrigin, Audience: "bank", Customer: "cus_00000000000000000000000000", Nonce: [16]byte([]byte("0123456789abcdef")), Template: template, TemplateVersion: t.Version, Bundle: b.Hash,
		Currency: currency, Fields: fields, Issued: testTime, Expires: testTime.Add(5 * time.Minute)}
}

// someValue is a right value of a format.
func someValue(f Format, choices map[string]label) string {
	switch f {
	case Text:
		return "みどり銀行"
	case Kana:
		return "ヤマダ タロウ"
	case Digits:
		return "0123"
	case Money:
		return "250000"
	case Date:
		return "2026-11-25"
	case Time:
		return "2026-11-22T15:30:00Z"
	}
	for v := range choices {
		return v
	}
	return ""
}

// allFields is a right value for every field of a template.
func allFields(b *Bundle, t Template) map[string]string {
	out := map[string]string{}
	for _, id := range t.Fields {
		out[id] = someValue(b.fields[id].format, b.choices[id])
	}
	return out
}
