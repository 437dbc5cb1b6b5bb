package corebank

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/inkan-auth/inkan/internal/domain/card"
)

// core is an answer that is always the same.
type core struct {
	status int
	answer string
	err    error
	asked  map[string]string
}

// Post keeps what was asked.
func (c *core) Post(_ context.Context, path string, body []byte) (int, []byte, error) {
	c.asked = map[string]string{}
	if err := json.Unmarshal(body, &c.asked); err != nil || path != "/card-checks" {
		return 0, nil, errors.New("not a question")
	}
	return c.status, []byte(c.answer), c.err
}

var asked = card.Check{Request: "r1", Branch: "101", AccountType: "普通", AccountNumber: "1000001", PIN: []byte("2580")}

func TestTheCoreSaysYesOrNo(t *testing.T) {
	for answer, want := range map[string]card.Result{`{"request":"r1","right":true,"ref":"0101-1-1000001"}`: {Ref: "0101-1-1000001", Right: true}, `{"request":"r1","right":false,"ref":""}`: {}} {
		c := &core{status: 200, answer: answer}
		got, err := New(c).CheckCard(t.Context(), asked)
		if err != nil || got != want {
			t.Errorf("%s: %+v %v", answer, got, err)
		}
		if c.asked["pin"] != "2580" || c.asked["request"] != "r1" || c.asked["branch"] != "101" || c.asked["account_type"] != "普通" || c.asked["account_number"] != "1000001" || len(c.asked) != 5 {
			t.Errorf("asked: %v", c.asked)
		}
	}
}

// Whatever is not a plain answer to this question says nothing, and repeats nothing of it.
func TestAnythingElseSaysNothing(t *testing.T) {
	for _, c := range []core{{status: 200}, {status: 200, answer: "{}"}, {status: 200, answer: `{"request":"r2","right":true,"ref":"x"}`}, {status: 200, answer: `{"request":"r1","right":true,"ref":""}`},
		{status: 200, answer: `{"request":"r1","right":false,"ref":"x"}`}, {status: 200, answer: `{"request":"r1","right":true}`}, {status: 200, answer: `{"request":"r1","ref":"x"}`},
		{status: 200, answer: `{"request":"r1","right":"true","ref":"x"}`}, {status: 200, answer: `{"request":"r1","right":true,"ref":"x","more":1}`}, {status: 200, answer: `{"request":"r1","right":true,"ref":"x"}{}`},
		{status: 201, answer: `{"request":"r1","right":true,"ref":"x"}`}, {status: 404, answer: `{"request":"r1","right":false,"ref":""}`}, {status: 503}, {err: errors.New("no answer")}} {
		got, err := New(&c).CheckCard(t.Context(), asked)
		if err == nil || got != (card.Result{}) || strings.Contains(err.Error(), "2580") || strings.Contains(err.Error(), "1000001") {
			t.Errorf("%d %s: %+v %v", c.status, c.answer, got, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"request":"r1","right":true,"ref":"0101-1-1000001"}`))
	f.Add([]byte(`{"request":"r1","right":false,"ref":""}`))
	f.Add([]byte(`{"request":"r1","right":true,"right":false,"ref":"x"}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		r, err := parse("r1", answer)
		if err != nil && r != (card.Result{}) || r.Right != (r.Ref != "") {
			t.Fatalf("%q: %+v %v", answer, r, err)
		}
	})
}
