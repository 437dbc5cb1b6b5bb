package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/luikyv/go-oidc/pkg/goidc"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/problem"
)

// storage is the library's memory. It translates and asks the authority; it decides nothing.
type storage struct{ *Server }

const (
	login  = "login"
	logout = "logout"
)

// SaveSession keeps an authorization request. A request that is over cannot be moved on: whoever comes second, by the back button or at the
// same moment, is told that the login is over.
func (s *storage) SaveSession(ctx context.Context, as *goidc.AuthnSession) error {
	kept := *as
	kept.Store = withoutActor(as.Store)
	kept.IDTokenHint, kept.IDTokenHintClaims = "", nil // checked already, and nobody's business to keep
	data, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	return over(s.Authority.KeepOIDCRequest(ctx, authority.OIDCRequest{ID: as.ID, Kind: login, Pushed: as.PushedAuthReqID, Client: as.ClientID, State: string(as.Status),
		Data: string(data), Life: authority.OIDCRequestLife}))
}

// Session finds an authorization request by the name in its address.
func (s *storage) Session(ctx context.Context, id string) (*goidc.AuthnSession, error) {
	return session(s.Authority.OIDCRequest(ctx, login, id))
}

// SessionByPushedAuthReqID finds a pushed request by its handle.
func (s *storage) SessionByPushedAuthReqID(ctx context.Context, id string) (*goidc.AuthnSession, error) {
	return session(s.Authority.PushedOIDCRequest(ctx, id))
}

func session(data string, err error) (*goidc.AuthnSession, error) {
	if err != nil {
		return nil, missing(err)
	}
	as := new(goidc.AuthnSession)
	if err := json.Unmarshal([]byte(data), as); err != nil {
		return nil, err
	}
	if as.Status != goidc.StatusPending {
		return nil, goidc.ErrNotFound // over
	}
	return as, nil
}

// SaveLogoutSession keeps a logout on its way.
func (s *storage) SaveLogoutSession(ctx context.Context, ls *goidc.LogoutSession) error {
	kept := *ls
	kept.IDTokenHint, kept.IDTokenHintClaims = "", nil
	data, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	return over(s.Authority.KeepOIDCRequest(ctx, authority.OIDCRequest{ID: ls.ID, Kind: logout, Client: ls.ClientID, State: string(ls.Status), Data: string(data),
		Life: authority.OIDCRequestLife}))
}

// LogoutSession finds a logout on its way.
func (s *storage) LogoutSession(ctx context.Context, id string) (*goidc.LogoutSession, error) {
	data, err := s.Authority.OIDCRequest(ctx, logout, id)
	if err != nil {
		return nil, missing(err)
	}
	ls := new(goidc.LogoutSession)
	if err := json.Unmarshal([]byte(data), ls); err != nil {
		return nil, err
	}
	if ls.Status != goidc.StatusPending {
		return nil, goidc.ErrNotFound
	}
	return ls, nil
}

// SaveGrant is called three times in the life of a grant, and the library says by its fields which it is: made, its code redeemed, or taken back.
func (s *storage) SaveGrant(ctx context.Context, g *goidc.Grant) error {
	t, err := readTold(g.Store)
	if err != nil {
		return err
	}
	kept := authority.OIDCGrant{ID: g.ID, Client: g.ClientID, Customer: t.Customer, Session: t.Session}
	switch {
	case g.RevokedAt != 0:
		return s.Authority.EndOIDC(ctx, clientOf(ctx, g.ClientID), kept)
	case g.AuthCodeConsumedAt != 0:
		err := s.Authority.RedeemOIDC(ctx, clientOf(ctx, g.ClientID), kept)
		if errors.Is(err, problem.New(problem.Conflict)) {
			return goidc.WrapError(goidc.ErrorCodeInvalidGrant, "invalid grant", err)
		}
		return err
	}
	stored := *g
	stored.AuthCode = ""
	stored.Store = withoutActor(g.Store)
	data, err := json.Marshal(stored)
	if err != nil {
		return err
	}
	kept.Code, kept.Data = g.AuthCode, string(data)
	return s.Authority.GrantOIDC(ctx, t.actor, kept)
}

// Grant finds a grant by its identifier.
func (s *storage) Grant(ctx context.Context, id string) (*goidc.Grant, error) {
	return grant(s.Authority.OIDCGrant(ctx, id))
}

// GrantByAuthCode finds a grant by its code.
func (s *storage) GrantByAuthCode(ctx context.Context, code string) (*goidc.Grant, error) {
	g, err := grant(s.Authority.OIDCGrantByCode(ctx, code))
	if err == nil {
		g.AuthCode = code
	}
	return g, err
}

// grant is the library's form of a grant; what has become of it stands in the columns, not in the data.
func grant(kept authority.OIDCGrant, err error) (*goidc.Grant, error) {
	if err != nil {
		return nil, missing(err)
	}
	g := new(goidc.Grant)
	if err := json.Unmarshal([]byte(kept.Data), g); err != nil {
		return nil, err
	}
	g.AuthCodeConsumedAt, g.RevokedAt = unix(kept.Redeemed), unix(kept.Revoked)
	return g, nil
}

// SaveToken keeps an access token under its hash.
func (s *storage) SaveToken(ctx context.Context, t *goidc.Token) error {
	kept := *t
	kept.ID = ""
	data, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	return s.Authority.KeepOIDCAccess(ctx, t.ID, t.GrantID, string(data))
}

// Token finds an access token that is alive.
func (s *storage) Token(ctx context.Context, id string) (*goidc.Token, error) {
	data, err := s.Authority.OIDCAccess(ctx, id)
	if err != nil {
		return nil, missing(err)
	}
	t := new(goidc.Token)
	if err := json.Unmarshal([]byte(data), t); err != nil {
		return nil, err
	}
	t.ID = id
	return t, nil
}

// Client finds a client as the operator registered it.
func (s *storage) Client(ctx context.Context, id string) (*goidc.Client, error) {
	c, err := s.Authority.OIDCClient(ctx, id)
	if err != nil {
		return nil, missing(err)
	}
	out := &goidc.Client{ID: c.ID, Secret: c.SecretHash, ClientMeta: goidc.ClientMeta{
		Name: c.Name, ApplicationType: goidc.ApplicationTypeWeb, RedirectURIs: c.RedirectURIs, PostLogoutRedirectURIs: c.PostLogoutURIs,
		GrantTypes: []goidc.GrantType{goidc.GrantAuthorizationCode}, ResponseTypes: []goidc.ResponseType{goidc.ResponseTypeCode},
		ScopeIDs: goidc.ScopeOpenID.ID + " " + goidc.ScopeProfile.ID, TokenAuthnMethod: goidc.AuthnMethod(c.Method), IDTokenSigAlg: goidc.ES256,
	}}
	if c.Method == authority.PrivateKeyJWT {
		out.JWKS = new(goidc.JSONWebKeySet)
		if err := json.Unmarshal([]byte(c.JWKS), out.JWKS); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// SaveClient refuses: clients are registered by the operator.
func (s *storage) SaveClient(context.Context, *goidc.Client) error { return errClosed }

// DeleteClient refuses.
func (s *storage) DeleteClient(context.Context, string) error { return errClosed }

// missing is the library's word for "not found".
func missing(err error) error {
	if errors.Is(err, problem.New(problem.NotFound)) {
		return goidc.ErrNotFound
	}
	return err
}

// over is what the library is told when a request has come to its end already.
func over(err error) error {
	if errors.Is(err, problem.New(problem.Conflict)) {
		return goidc.WrapError(goidc.ErrorCodeInvalidRequest, "the request is over", err)
	}
	return err
}

// withoutActor leaves out what lives for one request only.
func withoutActor(store map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range store {
		if k != actorKey {
			out[k] = v
		}
	}
	return out
}

// clientOf is the bank's system as an actor, with the network that it called from.
func clientOf(ctx context.Context, id string) audit.Actor {
	source, _ := ctx.Value(sourceKey{}).(string)
	return audit.Actor{Kind: audit.Bank, ID: id, Source: source}
}

func unix(t time.Time) int {
	if t.IsZero() {
		return 0
	}
	return int(t.Unix())
}
