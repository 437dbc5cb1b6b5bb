package vectors

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/signing"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
)

// memberVector is an object of the protocol, signed by whoever may sign it, with one member of another type than it should have.
type memberVector struct {
	Note     string `json:"note"`
	Typ      string `json:"typ"`
	Envelope string `json:"envelope"`
	Valid    bool   `json:"valid"`
}

// smallTemplates is a file of templates that has every kind of member.
const smallTemplates = `{"version":"1","fields":{"amount":{"format":"money","ja":"金額","en":"Amount"},"type":{"format":"choice","ja":"預金種目","en":"Account type"}},
	"choices":{"type":{"ordinary":{"ja":"普通","en":"Ordinary"},"current":{"ja":"当座","en":"Current"}}},
	"templates":{"transfer":{"version":"1","ja":"お振込","en":"Transfer","caution_ja":"","caution_en":"","fields":["type","amount"],"optional":["type"],"verification":"none"},
		"payment":{"version":"1","ja":"お支払","en":"Payment","caution_ja":"","caution_en":"","fields":["amount"],"optional":[],"verification":"none"}}}`

// signTemplates makes the envelope of a file of templates without looking at what it says, so that what is wrong is signed as well.
func signTemplates(t *testing.T, file string) string {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal([]byte(file), &o); err != nil {
		t.Fatal(err)
	}
	o["v"], o["issuer"] = "1", vectorOrigin
	payload, err := signing.Canonical(o)
	if err != nil {
		t.Fatal(err)
	}
	root := jwk(key("issuer root"))
	out, err := signing.Seal(signing.TypTemplates, "", &root, payload, sign(key("issuer root")))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Whatever an object of the protocol has a member of another type in, at whatever depth, it is refused.
func TestMembersOfAnotherType(t *testing.T) {
	registered, e := load[registrationVector](t, "registration")[0], offline(t, sample(t))
	decision := sample(t).Decision
	issuer, root := jwk(key("issuer")), jwk(key("issuer root"))
	word := verifierOf(t, key("device signing"), vectorTime)
	removal, err := signing.MakeVerifierRemoval(signing.Verifier{Token: vectorToken, Credential: vectorCredential, Time: vectorTime}, sign(key("device signing")))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := signing.ParseAnswer(registered.Answer, issuer)
	if err != nil {
		t.Fatal(err)
	}
	objects := []struct {
		typ, by, good string
		read          func(envelope string) error
	}{
		{signing.TypRegistration, "device signing", registered.Registration, func(s string) error { _, err := signing.ParseRegistration(s); return err }},
		{signing.TypIssuerKey, "issuer root", registered.IssuerKey, func(s string) error { _, _, _, err := signing.ParseIssuerKey(s, vectorTime); return err }},
		{signing.TypAnswer, "issuer", registered.Answer, func(s string) error { _, err := signing.ParseAnswer(s, issuer); return err }},
		{signing.TypCertificate, "issuer", answer.Certificate, func(s string) error { _, err := signing.ParseCertificate(s, issuer); return err }},
		{signing.TypTemplates, "issuer root", signTemplates(t, smallTemplates), func(s string) error {
			_, err := transaction.ParseTemplates(s, root.Thumbprint())
			return err
		}},
		{signing.TypOffer, "issuer", e.Offer, func(s string) error {
			o, err := signing.Parse(signing.TypOffer, s)
			if err == nil {
				_, err = transaction.ParseDocument(o.Payload, nil)
			}
			return err
		}},
		{signing.TypDecision, "device signing", decision, func(s string) error { _, _, err := transaction.ParseDecision(s); return err }},
		{signing.TypOffline, "issuer", e.Offline, func(s string) error { _, err := transaction.ParseOffline(s, issuer); return err }},
		{signing.TypVerifier, "device signing", word, func(s string) error { _, _, err := signing.ParseVerifier(s); return err }},
		{signing.TypVerifierRemoval, "device signing", removal, func(s string) error { _, _, err := signing.ParseVerifierRemoval(s); return err }},
		{signing.TypPermit, "issuer", e.Permit, func(s string) error { _, err := transaction.ParsePermit(s, issuer); return err }},
	}
	var made []memberVector
	for _, o := range objects {
		made = append(made, memberVector{o.typ, o.typ, o.good, true})
		parsed, err := signing.Parse(o.typ, o.good)
		if err != nil {
			t.Fatal(err)
		}
		whole, err := signing.ParseCanonical(parsed.Payload)
		if err != nil {
			t.Fatal(err)
		}
		for i, path := range paths(whole, "") {
			envelope := resign(t, o.typ, o.good, o.by, func(whole signing.Object) { spoil(whole, path, i) })
			made = append(made, memberVector{o.typ + ", " + strings.TrimPrefix(path, "/"), o.typ, envelope, false})
		}
		for _, v := range made {
			if v.Typ != o.typ {
				continue
			}
			if err := o.read(v.Envelope); (err == nil) != v.Valid {
				t.Errorf("%s: %v, want valid %v", v.Note, err, v.Valid)
			}
		}
	}
	golden(t, "members", made)
}

// paths are all members of an object, those of its objects and those of the first object of its lists.
func paths(o signing.Object, above string) (all []string) {
	for _, name := range slices.Sorted(maps.Keys(o)) {
		path := above + "/" + name
		all = append(all, path)
		switch v := o[name].(type) {
		case signing.Object:
			all = append(all, paths(v, path)...)
		case []any:
			for _, x := range v[:min(1, len(v))] {
				if first, ok := x.(signing.Object); ok {
					all = append(all, paths(first, path)...)
				}
			}
		}
	}
	return all
}

// spoil puts a value of another type in the place of a member; which one, turn decides.
func spoil(o signing.Object, path string, turn int) {
	step := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for _, name := range step[:len(step)-1] {
		switch v := o[name].(type) {
		case signing.Object:
			o = v
		case []any:
			o = v[0].(signing.Object)
		}
	}
	last := step[len(step)-1]
	other := []any{true, signing.Object{}, []any{}}
	switch o[last].(type) {
	case signing.Object:
		other = []any{"", []any{}, false}
	case []any:
		other = []any{"", signing.Object{}, false}
	}
	o[last] = other[turn%3]
}

// templatesVector is a bundle of templates that the root has signed, and whether an app may take it.
type templatesVector struct {
	Note     string `json:"note"`
	Envelope string `json:"envelope"`
	Valid    bool   `json:"valid"`
}

// Two things that are shown side by side under one label would look alike.
func TestLabelsThatAreTheSame(t *testing.T) {
	var made []templatesVector
	for _, c := range []struct {
		note, from, to string
		valid          bool
	}{
		{"all labels differ", "", "", true},
		{"two fields of a template with one Japanese label", "預金種目", "金額", false},
		{"two fields of a template with one English label", "Account type", "Amount", false},
		{"two choices of a field with one Japanese label", "当座", "普通", false},
		{"two choices of a field with one English label", "Current", "Ordinary", false},
		{"two templates with one Japanese title", "お支払", "お振込", false},
		{"two templates with one English title", "Payment", "Transfer", false},
		{"a choice with the label of a field, which are never side by side", "当座", "金額", true},
	} {
		made = append(made, templatesVector{c.note, signTemplates(t, strings.ReplaceAll(smallTemplates, cmp.Or(c.from, "none"), cmp.Or(c.to, "none"))), c.valid})
	}
	golden(t, "templates", made)
	root := jwk(key("issuer root")).Thumbprint()
	for _, v := range made {
		if _, err := transaction.ParseTemplates(v.Envelope, root); (err == nil) != v.Valid {
			t.Errorf("%s: %v, want valid %v", v.Note, err, v.Valid)
		}
	}
}

// A proof is not canonical JSON, so that its identifier could hold a line break, which Go's decoder would skip: one proof would be two.
func TestProofHasOneIdentifier(t *testing.T) {
	good := signing.Proof{Token: vectorToken, ID: b64.EncodeToString([]byte("0123456789abcdef")), Method: "GET", URL: vectorOrigin + "/v1/token", Time: time.Unix(1_700_000_000, 0)}
	for id, valid := range map[string]bool{good.ID: true, good.ID[:5] + "\n" + good.ID[5:]: false, good.ID + "\r": false} {
		p := good
		p.ID = id
		made, err := signing.MakeProof(p, sign(key("device signing")))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := signing.ParseProof(made); (err == nil) != valid {
			t.Errorf("%q: %v, want valid %v", id, err, valid)
		}
	}
}
