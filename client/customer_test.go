package client_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/client"
)

// What the server says of changes is read alike from its answer and from a permit; a permit that says nothing, or nothing that can be read, is a permit all the same.
func TestCoolingOff(t *testing.T) {
	until := time.Date(2026, 11, 23, 1, 4, 30, 0, time.UTC)
	const changes = `[{"approved":true,"change":"passkey_added","since":"2026-11-22T00:04:30Z","until":"2026-11-23T00:04:30Z"},{"approved":false,"change":"token_reissued","since":"2026-11-22T01:04:30Z","until":"2026-11-23T01:04:30Z"}]`
	permit := "e30." + base64.RawURLEncoding.EncodeToString([]byte(`{"cooling_off":`+changes+`}`)) + ".c2ln"
	answers := map[string]string{
		"/v1/customers/C-1/assurance":    `{"service":{"state":"active","since":""},"token":{"state":"active","user_verification":true},"passkeys":{"synced":1,"device_bound":2},"last_login":{"class":"phr"},"cooling_off":{"until":"2026-11-23T01:04:30Z","changes":` + changes + `}}`,
		"/v1/customers/C-2/assurance":    `{"service":{"state":"active","since":""},"token":{"state":"none"},"passkeys":{},"last_login":{"class":""},"cooling_off":{"until":"","changes":[]}}`,
		"/v1/customers/C-3/assurance":    `{}`,
		"/v1/customers/C-1/stop":         `{"since":"2026-11-22T01:04:30Z","stopped_now":true}`,
		"/v1/transactions/txn_1/consume": `{"permit":"` + permit + `","transaction":` + oneTransaction + `}`,
	}
	s := newServer(t, func(_ int, w http.ResponseWriter, r *http.Request) { answerJSON(w, 200, answers[r.URL.Path]) })
	c, ctx := s.client, t.Context()
	a, err := c.Assurance(ctx, "C-1")
	if err != nil || !a.CoolingOff.Until.Equal(until) || len(a.CoolingOff.Changes) != 2 || !a.Token.UserVerification || a.Passkeys.DeviceBound != 2 || a.LastLogin.Class != "phr" {
		t.Errorf("assurance: %+v, %v", a, err)
	}
	if at, is := a.CoolingOff.After("token_reissued", "token_moved"); !is || !at.Equal(until) {
		t.Errorf("after a re-issue until %v, %v", at, is)
	}
	if _, is := a.CoolingOff.After("token_moved"); is {
		t.Error("after a move that was none")
	}
	if a, err = c.Assurance(ctx, "C-2"); err != nil || !a.CoolingOff.Until.IsZero() || a.Token.State != "none" {
		t.Errorf("assurance: %+v, %v", a, err)
	}
	if _, err = c.Assurance(ctx, "C-3"); err == nil || !strings.Contains(err.Error(), "not about a customer") {
		t.Errorf("an answer about nobody: %v", err)
	}
	if stop, err := c.StopService(ctx, "C-1", client.StopForFraud); err != nil || !stop.StoppedNow || stop.Since.IsZero() {
		t.Errorf("stopping: %+v, %v", stop, err)
	}
	p, err := c.Consume(ctx, "txn_1", client.Execution{Request: "order-1"})
	if err != nil || !p.CoolingOff.Until.Equal(until) || len(p.CoolingOff.Changes) != 2 || p.CoolingOff.Changes[1].Approved {
		t.Errorf("the permit: %+v, %v", p, err)
	}
	for _, silent := range []string{"a.b.c", "e30.e30.c2ln", "e30." + base64.RawURLEncoding.EncodeToString([]byte(`{"cooling_off":7}`)) + ".c2ln", "x"} {
		answers["/v1/transactions/txn_1/consume"] = `{"permit":"` + silent + `","transaction":` + oneTransaction + `}`
		if p, err := c.Consume(ctx, "txn_1", client.Execution{Request: "order-1"}); err != nil || p.JWS != silent || len(p.CoolingOff.Changes) != 0 {
			t.Errorf("%s: %+v, %v", silent, p, err)
		}
	}
}
