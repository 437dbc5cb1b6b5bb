package signing

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"reflect"
	"strings"
	"testing"
	"time"
)

// An inbox comes back as it was made, and only from under the issuer's key; one that has too much to say leaves out the oldest and says so.
func TestInbox(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := JWKOf(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(digest []byte) ([]byte, error) {
		r, s, err := ecdsa.Sign(rand.Reader, key, digest)
		return Raw(r, s), err
	}
	at := time.Date(2026, 11, 22, 1, 2, 3, 0, time.UTC)
	text := func(s string) InboxText { return InboxText{Title: s, Text: [][]string{{s, s}, {s}}} }
	in := Inbox{Issuer: "https://token.bank.example", Token: "tok_1", Proof: Hash("proof"), Time: at, Notices: []InboxNotice{{ID: "ntc_2", Time: at, JA: text("お知らせ"), EN: text("Notice")}, {ID: "ntc_1", Time: at, JA: text("前"), EN: text("before")}}}
	made, err := MakeInbox(in, public.Thumbprint(), sign)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseInbox(made, public); err != nil || !reflect.DeepEqual(got, in) {
		t.Errorf("%+v is read as %+v, %v", in, got, err)
	}
	in.Notices = nil
	for range 40 {
		in.Notices = append(in.Notices, InboxNotice{ID: "ntc_1", Time: at, JA: text(strings.Repeat("長い文", 40)), EN: text(strings.Repeat("long ", 40) + "x")})
	}
	if made, err = MakeInbox(in, public.Thumbprint(), sign); err != nil {
		t.Fatal(err)
	}
	if got, err := ParseInbox(made, public); err != nil || !got.More || len(got.Notices) == 0 || len(got.Notices) >= 40 {
		t.Errorf("%d notices, more %v, %v", len(got.Notices), got.More, err)
	}
	in.Token = "a\u202eb" // what is not a notice is never left out
	if _, err = MakeInbox(in, public.Thumbprint(), sign); err == nil {
		t.Error("a token with a control character is signed")
	}
	for name, payload := range map[string]string{
		"no word of more":    `{"issuer":"i","notices":[],"proof":"p","time":"2026-11-22T01:02:03Z","token":"t","v":"1"}`,
		"another version":    `{"issuer":"i","more":false,"notices":[],"proof":"p","time":"2026-11-22T01:02:03Z","token":"t","v":"2"}`,
		"a member more":      `{"issuer":"i","more":false,"notices":[],"other":"x","proof":"p","time":"2026-11-22T01:02:03Z","token":"t","v":"1"}`,
		"no notice":          `{"issuer":"i","more":false,"notices":["x"],"proof":"p","time":"2026-11-22T01:02:03Z","token":"t","v":"1"}`,
		"no paragraph":       `{"issuer":"i","more":false,"notices":[{"en":{"text":["x"],"title":"t"},"id":"n","ja":{"text":[],"title":"t"},"time":"2026-11-22T01:02:03Z"}],"proof":"p","time":"2026-11-22T01:02:03Z","token":"t","v":"1"}`,
		"a line of no text":  `{"issuer":"i","more":false,"notices":[{"en":{"text":[[true]],"title":"t"},"id":"n","ja":{"text":[],"title":"t"},"time":"2026-11-22T01:02:03Z"}],"proof":"p","time":"2026-11-22T01:02:03Z","token":"t","v":"1"}`,
		"a time that is not": `{"issuer":"i","more":false,"notices":[],"proof":"p","time":"now","token":"t","v":"1"}`,
	} {
		spoilt, err := Seal(TypInbox, public.Thumbprint(), nil, []byte(payload), sign)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseInbox(spoilt, public); err == nil {
			t.Errorf("an inbox with %s is read as %+v", name, got)
		}
	}
	offer, err := Seal(TypOffer, public.Thumbprint(), nil, []byte(`{"issuer":"i","more":false,"notices":[],"proof":"p","time":"2026-11-22T01:02:03Z","token":"t","v":"1"}`), sign)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseInbox(offer, public); err == nil {
		t.Error("an offer is taken for an inbox")
	}
}
