package transaction

import (
	"reflect"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/signing"
)

// A permit says what had changed at the customer's authenticators; one that has nothing to say is as it always was, and nothing is said in two forms.
func TestPermitSaysWhatChanged(t *testing.T) {
	issuer := newSigner(t)
	p := Permit{Transaction: testID, Document: signing.Hash("d"), Grade: GradeB, Audience: "bank", Customer: "0101-1-1234567", Order: Order{"transfer", "JPY", []Field{{"amount", "1"}}}, Request: "exec-1", Time: testTime}
	plain, err := MakePermit(p, issuer.public.Thumbprint(), issuer.sign)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParsePermit(plain, issuer.public); err != nil || len(got.CoolingOff) != 0 {
		t.Errorf("a permit without changes is read as %+v, %v", got.CoolingOff, err)
	}
	p.CoolingOff = []Cooling{{"passkey_added", true, testTime, testTime.Add(23 * time.Hour)}, {"token_reissued", false, testTime.Add(time.Hour), testTime.Add(25 * time.Hour)}}
	made, err := MakePermit(p, issuer.public.Thumbprint(), issuer.sign)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParsePermit(made, issuer.public)
	if err != nil || !reflect.DeepEqual(got.CoolingOff, p.CoolingOff) || got.Order.Differs(p.Order) != "" {
		t.Errorf("%+v is read as %+v, %v", p.CoolingOff, got.CoolingOff, err)
	}
	const rest = `"currency":"JPY","customer":"","decision":"","document":"","fields":[],"grade":"A","request":"","template":"","time":"2026-11-22T01:02:03Z","transaction":"","v":"1"}`
	for name, changes := range map[string]string{
		"an empty list":      `[]`,
		"no list":            `"token_reissued"`,
		"no change":          `["x"]`,
		"a change unnamed":   `[{"approved":true,"since":"2026-11-22T01:02:03Z","until":"2026-11-22T01:02:03Z"}]`,
		"no word of consent": `[{"approved":"true","change":"x","since":"2026-11-22T01:02:03Z","until":"2026-11-22T01:02:03Z"}]`,
		"a member more":      `[{"approved":true,"change":"x","colour":"red","since":"2026-11-22T01:02:03Z","until":"2026-11-22T01:02:03Z"}]`,
		"no time":            `[{"approved":true,"change":"x","since":"yesterday","until":"2026-11-22T01:02:03Z"}]`,
		"no end":             `[{"approved":true,"change":"x","since":"2026-11-22T01:02:03Z","until":""}]`,
	} {
		spoilt, err := signing.Seal(signing.TypPermit, "k", nil, []byte(`{"audience":"","cooling_off":`+changes+`,`+rest), issuer.sign)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParsePermit(spoilt, issuer.public); err == nil {
			t.Errorf("a permit with %s is read as %+v", name, got.CoolingOff)
		}
	}
}
