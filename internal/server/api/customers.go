package api

import (
	"net/http"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/server/web"
)

type stopRequest struct {
	Reason string `json:"reason"` // customer, fraud or other
}

type stopAnswer struct {
	Since      string `json:"since"`
	StoppedNow bool   `json:"stopped_now"` // false where it stood still already
}

// stopService is idempotent by what it does: a second time changes nothing and gives the same answer but for that.
func (s *Server) stopService(r *http.Request, req stopRequest) (stopAnswer, error) {
	by, err := s.caller(r, ScopeStop)
	if err != nil {
		return stopAnswer{}, err
	}
	got, err := s.Authority.StopByBank(r.Context(), by, r.PathValue("ref"), req.Reason)
	return stopAnswer{stamp(got.Since), got.Now}, err
}

type serviceState struct {
	State string `json:"state"` // active or stopped
	Since string `json:"since"` // of the stop
}

type tokenState struct {
	State        string `json:"state"` // none, active, locked, suspended or expired
	Since        string `json:"since"`
	Expires      string `json:"expires"`
	Verification bool   `json:"user_verification"` // what she approves she confirms with her fingerprint, face or screen lock
}

type passkeyCount struct {
	Synced int `json:"synced"`
	Bound  int `json:"device_bound"`
}

type lastLogin struct {
	At    string `json:"at"`
	Class string `json:"class"` // as in acr
}

type changeAnswer struct {
	Change   string `json:"change"`
	Since    string `json:"since"`
	Until    string `json:"until"`
	Approved bool   `json:"approved"`
}

type coolingAnswer struct {
	Until   string         `json:"until"` // empty where nothing was changed lately
	Changes []changeAnswer `json:"changes"`
}

type assuranceAnswer struct {
	Service    serviceState  `json:"service"`
	Token      tokenState    `json:"token"`
	Passkeys   passkeyCount  `json:"passkeys"`
	LastLogin  lastLogin     `json:"last_login"`
	CoolingOff coolingAnswer `json:"cooling_off"`
}

func (s *Server) assurance(r *http.Request, _ web.Nothing) (assuranceAnswer, error) {
	if _, err := s.caller(r, ScopeAssurance); err != nil {
		return assuranceAnswer{}, err
	}
	got, err := s.Authority.AssuranceOf(r.Context(), r.PathValue("ref"))
	if err != nil {
		return assuranceAnswer{}, err
	}
	a := assuranceAnswer{Service: serviceState{State: "active"}, Token: tokenState{string(got.Token), stamp(got.TokenSince), stamp(got.TokenExpires), got.Verification},
		Passkeys: passkeyCount{got.Synced, got.Bound}, LastLogin: lastLogin{stamp(got.LastLogin), got.LastClass},
		CoolingOff: coolingAnswer{Until: stamp(authority.CoolingUntil(got.Cooling)), Changes: []changeAnswer{}}}
	if !got.Stopped.IsZero() {
		a.Service = serviceState{"stopped", stamp(got.Stopped)}
	}
	if got.Token == token.State("") {
		a.Token.State = "none"
	}
	for _, c := range got.Cooling {
		a.CoolingOff.Changes = append(a.CoolingOff.Changes, changeAnswer{string(c.Change), stamp(c.Since), stamp(c.Until), c.Approved})
	}
	return a, nil
}
