package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/luikyv/go-oidc/pkg/goidc"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/server/web"
)

// told is what the login tells the client, kept with the request and then with the grant. It is written down when the customer has
// proved herself, so that what the client reads is what happened and not what is so when it asks. The bank's own reference is the subject, so the bank needs no table of ours.
type told struct {
	Customer string   `json:"customer"`
	Session  string   `json:"session"`
	Name     string   `json:"name"`
	AuthTime int64    `json:"auth_time"`
	ACR      string   `json:"acr"`
	AMR      []string `json:"amr"`
	Began    int64    `json:"began"`             // when the request began, in microseconds
	Cooling  int64    `json:"cooling,omitempty"` // until when the client is asked to be careful; 0 where it is not
	Changes  []change `json:"changes,omitempty"` // what was changed lately
	actor    audit.Actor
}

// change is one change of an authenticator or address, as the client reads it.
type change struct {
	Change   string `json:"change"`
	Since    int64  `json:"since"`
	Until    int64  `json:"until"`
	Approved bool   `json:"approved"`
}

// The claims that say what was changed at the customer's authenticators shortly before; neither is there where nothing was.
const (
	claimCooling = "inkan_cooling_off_until"
	claimChanges = "inkan_changes"
)

const toldKey, actorKey = "told", "actor"

// claimSessionID names the login, so that its end can be told (OpenID Connect Back-Channel Logout, section 2.1).
const claimSessionID = "sid"

// authenticate is asked by the library when a request comes and each time the browser returns to it. It either ends the request with who the
// customer is or sends her to the login, which leads back here.
func (s *Server) authenticate(w http.ResponseWriter, r *http.Request, as *goidc.AuthnSession, _ *goidc.Client) (goidc.Status, error) {
	t, err := readTold(as.Store)
	if err != nil {
		return goidc.StatusFailure, err
	}
	if t.Began == 0 {
		t.Began = s.Authority.Now().UnixMicro()
		as.Store = writeTold(as.Store, t)
	}
	if r.URL.Query().Get("cancel") != "" && r.PathValue("callback") != "" {
		return goidc.StatusFailure, goidc.NewError(goidc.ErrorCodeAccessDenied, "the customer cancelled the login")
	}
	session, complete, err := s.complete(r)
	if err != nil {
		return goidc.StatusFailure, goidc.WrapError("temporarily_unavailable", "nothing was decided", err)
	}
	if complete && fresh(session, as, t) {
		if err := s.grant(r.Context(), as, t, session); err != nil {
			return goidc.StatusFailure, goidc.WrapError("temporarily_unavailable", "nothing was decided", err)
		}
		return goidc.StatusSuccess, nil
	}
	if as.Prompt == goidc.PromptTypeNone {
		return goidc.StatusFailure, goidc.NewError(goidc.ErrorCodeLoginRequired, "the customer is not logged in")
	}
	next := url.Values{"next": {prefix + "/authorize/" + as.ID}}
	speak(w, r.FormValue("ui_locales"))
	if complete {
		next.Set("again", "1") // the login is complete but too old for this client
	}
	http.Redirect(w, r, "/login?"+next.Encode(), http.StatusSeeOther)
	return goidc.StatusPending, nil
}

// speak lets the login pages use the language that the customer reads at the bank.
func speak(w http.ResponseWriter, locales string) {
	for tag := range strings.FieldsSeq(locales) {
		if base, _, _ := strings.Cut(tag, "-"); base == "ja" || base == "en" {
			web.SetLang(w, base)
			return
		}
	}
}

// complete gives the session of the browser and says whether all steps of its login have been taken. No session, and a service that was stopped
// meanwhile, are answers and not failures: the login pages say what is to be done.
func (s *Server) complete(r *http.Request) (authority.Session, bool, error) {
	session, err := web.SessionOf(r, s.Authority)
	if err != nil {
		return session, false, failure(err)
	}
	step, err := s.Authority.NextStep(r.Context(), session)
	return session, err == nil && step == authority.StepDone, failure(err)
}

// failure leaves of an error what is no refusal about the session or the customer.
func failure(err error) error {
	if errors.Is(err, problem.New(problem.SessionOver)) || errors.Is(err, problem.New(problem.ServiceStopped)) {
		return nil
	}
	return err
}

// fresh says whether the customer proved herself recently enough for what the client asked. acr_values is a wish: the client reads in acr what it got.
func fresh(s authority.Session, as *goidc.AuthnSession, t told) bool {
	began := time.UnixMicro(t.Began)
	if as.Prompt == goidc.PromptTypeLogin && s.AuthAt.Before(began) {
		return false
	}
	// Counted from the beginning of the request, or a max_age of zero could never be met.
	age := as.MaxAuthnAgeSecs
	return age == nil || began.Sub(s.AuthAt) <= time.Duration(*age)*time.Second
}

func (s *Server) grant(ctx context.Context, as *goidc.AuthnSession, t told, session authority.Session) error {
	c, err := s.Authority.CustomerOf(ctx, session)
	if err != nil {
		return err
	}
	t.Customer, t.Session, t.Name = session.Customer, session.Chain, c.Name
	t.AuthTime, t.ACR, t.AMR, t.actor = session.AuthAt.Unix(), session.ACR(), slices.Clone(session.AMR), session.Actor()
	cooling, err := s.Authority.CoolingOff(ctx, session)
	if err != nil {
		return err
	}
	if t.Cooling, t.Changes = 0, nil; len(cooling) > 0 {
		t.Cooling = authority.CoolingUntil(cooling).Unix()
	}
	for _, x := range cooling {
		t.Changes = append(t.Changes, change{string(x.Change), x.Since.Unix(), x.Until.Unix(), x.Approved})
	}
	as.Subject = c.Ref
	as.GrantedScopes = as.Scopes
	as.Store = writeTold(as.Store, t)
	return nil
}

// idTokenClaims is what the ID token says beyond the library's own claims. Its times come from the one clock of the server.
func (s *Server) idTokenClaims(_ context.Context, g *goidc.Grant) map[string]any {
	now := s.Authority.Now()
	t, _ := readTold(g.Store)
	claims := map[string]any{
		goidc.ClaimIssuedAt: now.Unix(), goidc.ClaimExpiry: now.Add(s.Authority.Rules().SessionLife).Unix(),
		claimSessionID: t.Session, goidc.ClaimAuthTime: t.AuthTime, goidc.ClaimACR: t.ACR, goidc.ClaimAMR: t.AMR,
	}
	if slices.Contains(strings.Fields(g.Scopes), goidc.ScopeProfile.ID) {
		claims[goidc.ClaimName] = t.Name
	}
	t.caution(claims)
	return claims
}

// caution adds what was changed lately, where anything was.
func (t told) caution(claims map[string]any) {
	if len(t.Changes) > 0 {
		claims[claimCooling], claims[claimChanges] = t.Cooling, t.Changes
	}
}

func (s *Server) userInfoClaims(_ context.Context, g *goidc.Grant) map[string]any {
	t, _ := readTold(g.Store)
	claims := map[string]any{}
	if slices.Contains(strings.Fields(g.Scopes), goidc.ScopeProfile.ID) {
		claims[goidc.ClaimName] = t.Name
	}
	t.caution(claims)
	return claims
}

// logout ends the session at once when the client shows an ID token of the very customer who is logged in here. Otherwise the customer is asked,
// because anybody can put a link to this address on a page (OpenID Connect RP-Initiated Logout, section 2).
func (s *Server) logout(w http.ResponseWriter, r *http.Request, ls *goidc.LogoutSession) (goidc.Status, error) {
	session, err := web.SessionOf(r, s.Authority)
	if errors.Is(err, problem.New(problem.SessionOver)) {
		return goidc.StatusSuccess, nil
	}
	if err != nil {
		return goidc.StatusFailure, err
	}
	c, err := s.Authority.CustomerOf(r.Context(), session)
	if failure(err) != nil {
		return goidc.StatusFailure, err
	}
	if subject, _ := ls.IDTokenHintClaims[goidc.ClaimSubject].(string); subject != "" && subject == c.Ref {
		if err := s.Authority.Logout(r.Context(), session); err != nil {
			return goidc.StatusFailure, err
		}
		web.ClearSession(w)
		return goidc.StatusSuccess, nil
	}
	http.Redirect(w, r, "/logout?"+url.Values{"next": {prefix + "/logout/" + ls.ID}}.Encode(), http.StatusSeeOther)
	return goidc.StatusPending, nil
}

// loggedOut is where a logout ends that names no address to go on to.
func (s *Server) loggedOut(w http.ResponseWriter, r *http.Request, _ *goidc.LogoutSession) error {
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

// renderError shows a failure that must not be sent to the address in the request, because it is not known to be the client's.
func (s *Server) renderError(w http.ResponseWriter, r *http.Request, err error) error {
	var e goidc.Error
	switch {
	case !errors.As(err, &e):
		return err
	case r.PathValue("callback") != "":
		s.Sorry(w, r, http.StatusForbidden, "login-over")
	default:
		s.Sorry(w, r, http.StatusBadRequest, "client-refused")
	}
	return nil
}

// noteError writes down what the library refused. Its texts name the rule that was broken, never a code, a token or a secret.
func (s *Server) noteError(ctx context.Context, err error) {
	var e goidc.Error
	if errors.As(err, &e) && e.Code != goidc.ErrorCodeInternalError {
		s.Log.InfoContext(ctx, "oidc: refused", "err", err)
		return
	}
	s.Log.ErrorContext(ctx, "oidc: failed", "err", err)
}

// readTold and writeTold carry what is told through the library's store, which is JSON on the way.
func readTold(store map[string]any) (told, error) {
	var t told
	text, _ := store[toldKey].(string)
	if text == "" {
		return t, nil
	}
	t.actor, _ = store[actorKey].(audit.Actor)
	return t, json.Unmarshal([]byte(text), &t)
}

func writeTold(store map[string]any, t told) map[string]any {
	text, err := json.Marshal(t)
	if err != nil {
		panic("oidc: " + err.Error()) // strings and numbers only
	}
	if store == nil {
		store = map[string]any{}
	}
	store[toldKey], store[actorKey] = string(text), t.actor
	return store
}
