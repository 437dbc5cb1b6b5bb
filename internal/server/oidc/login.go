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

	"github.com/inkan-auth/inkan/internal/domain/audit"
)

// told is what the login tells the client, kept with the request and then with the grant. It is written down when the customer has
// proved herself, so that what the client reads is what happened and not what is so when it asks.
type told struct {
	Customer string   `json:"customer"`
	Session  string   `json:"session"`
	Name     string   `json:"name"`
	AuthTime int64    `json:"auth_time"`
	ACR      string   `json:"acr"`
	AMR      []string `json:"amr"`
	Began    int64    `json:"began"` // when the request began, in microseconds
	actor    audit.Actor
}

const toldKey, actorKey = "told", "actor"

// authenticate is asked by the library when a request comes and each time the browser returns to it. It either ends the request with who the
// customer is or sends her to the login, which leads back here.
func (s *Server) authenticate(w http.ResponseWriter, r *http.Request, as *goidc.AuthnSession, _ *goidc.Client) (goidc.Status, error) {
	now := s.Authority.Now()
	t, _ := readTold(as.Store)
	if t.Began == 0 {
		t.Began = now.UnixMicro()
		as.Store = writeTold(as.Store, t)
	}
	if r.URL.Query().Get("cancel") != "" && r.PathValue("callback") != "" {
		return goidc.StatusFailure, goidc.NewError(goidc.ErrorCodeAccessDenied, "the customer cancelled the login")
	}
	session, ok := s.Session(r)
	if ok && session.Complete && fresh(session, as, t, now) {
		s.grant(as, t, session)
		return goidc.StatusSuccess, nil
	}
	if as.Prompt == goidc.PromptTypeNone {
		return goidc.StatusFailure, goidc.NewError(goidc.ErrorCodeLoginRequired, "the customer is not logged in")
	}
	next := url.Values{"next": {prefix + "/authorize/" + as.ID}}
	if tag := r.URL.Query().Get("ui_locales"); tag != "" {
		next.Set("ui_locales", tag)
	}
	if ok && session.Complete {
		next.Set("again", "1") // the session is there but too old for this client
	}
	http.Redirect(w, r, "/login?"+next.Encode(), http.StatusSeeOther)
	return goidc.StatusPending, nil
}

// fresh says whether the customer proved herself recently enough for what the client asked.
func fresh(s Session, as *goidc.AuthnSession, t told, now time.Time) bool {
	if as.Prompt == goidc.PromptTypeLogin && s.AuthTime.UnixMicro() < t.Began {
		return false
	}
	if age := as.MaxAuthnAgeSecs; age != nil {
		// Counted from the beginning of the request, or a max_age of zero could never be met.
		return time.UnixMicro(t.Began).Sub(s.AuthTime) <= time.Duration(*age)*time.Second
	}
	return true // acr_values is a wish: the client reads in acr what it got
}

func (s *Server) grant(as *goidc.AuthnSession, t told, session Session) {
	t.Customer, t.Session, t.Name = session.Customer, session.ID, session.Name
	t.AuthTime, t.ACR, t.AMR, t.actor = session.AuthTime.Unix(), session.ACR, slices.Clone(session.AMR), session.Actor
	as.Subject = session.Subject
	as.GrantedScopes = as.Scopes
	as.Store = writeTold(as.Store, t)
}

// idTokenClaims is what the ID token says beyond the library's own claims. Its times come from the one clock of the server.
func (s *Server) idTokenClaims(_ context.Context, g *goidc.Grant) map[string]any {
	now := s.Authority.Now()
	t, _ := readTold(g.Store)
	claims := map[string]any{
		goidc.ClaimIssuedAt: now.Unix(), goidc.ClaimExpiry: now.Add(s.Authority.Policy.SessionLife).Unix(),
		goidc.ClaimAuthTime: t.AuthTime, goidc.ClaimACR: t.ACR, goidc.ClaimAMR: t.AMR,
	}
	if slices.Contains(strings.Fields(g.Scopes), goidc.ScopeProfile.ID) {
		claims[goidc.ClaimName] = t.Name
	}
	return claims
}

func (s *Server) userInfoClaims(_ context.Context, g *goidc.Grant) map[string]any {
	t, _ := readTold(g.Store)
	if slices.Contains(strings.Fields(g.Scopes), goidc.ScopeProfile.ID) {
		return map[string]any{goidc.ClaimName: t.Name}
	}
	return nil
}

// logout ends the session at once when the client shows an ID token of the very customer who is logged in here. Otherwise the customer is asked,
// because anybody can put a link to this address on a page (OpenID Connect RP-Initiated Logout, section 2).
func (s *Server) logout(w http.ResponseWriter, r *http.Request, ls *goidc.LogoutSession) (goidc.Status, error) {
	session, ok := s.Session(r)
	if !ok {
		return goidc.StatusSuccess, nil
	}
	if subject, _ := ls.IDTokenHintClaims[goidc.ClaimSubject].(string); subject != "" && subject == session.Subject {
		if err := s.EndSession(w, r); err != nil {
			return goidc.StatusFailure, err
		}
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
