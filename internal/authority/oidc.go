package authority

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// How a client of OpenID Connect proves itself.
const (
	PrivateKeyJWT     = "private_key_jwt"
	ClientSecretBasic = "client_secret_basic"
)

const (
	// OIDCRequestLife is how long a customer may take from the bank's login button to the end of the login. A first login on a smartphone
	// goes through the whole application for a token.
	OIDCRequestLife = 30 * time.Minute
	// OIDCCodeLife is how long an authorization code can be redeemed; the client does it at once.
	OIDCCodeLife = time.Minute
	// OIDCAccessLife is how long an access token opens the userinfo endpoint.
	OIDCAccessLife = 5 * time.Minute
	// assertionMemory is how long a client's assertion is remembered as used; it is longer than any assertion that is accepted.
	assertionMemory = 15 * time.Minute
)

// OIDCClient is a system of the bank to which customers log in through us.
type OIDCClient struct {
	ID             string
	Name           string
	Method         string // PrivateKeyJWT or ClientSecretBasic
	SecretHash     string // for ClientSecretBasic
	JWKS           string // public keys as a JWK set, for PrivateKeyJWT
	RedirectURIs   []string
	PostLogoutURIs []string
	LogoutURI      string // where the client is told that a login has ended (OpenID Connect Back-Channel Logout); empty where it is not to be told
}

// clientID is deliberately narrow: the name stands in addresses, in logs and, for client_secret_basic, in a header whose encoding clients disagree on.
var clientID = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// CreateOIDCClient makes a client known. Where it proves itself with a secret, the secret is made here, shown once and kept as a hash; otherwise it is empty.
func (a *Authority) CreateOIDCClient(ctx context.Context, c OIDCClient) (secret string, err error) {
	jwks, err := checkClient(c)
	if err != nil {
		return "", err
	}
	hash := ""
	if c.Method == ClientSecretBasic {
		secret = base64.RawURLEncoding.EncodeToString(a.random(32))
		hash = secretHash(secret)
	}
	redirects, err := json.Marshal(c.RedirectURIs)
	if err != nil {
		return "", err
	}
	logouts, err := json.Marshal(append([]string{}, c.PostLogoutURIs...))
	if err != nil {
		return "", err
	}
	return secret, a.do(ctx, audit.Actor{Kind: audit.Operator}, audit.ClientCreate, func(ctx context.Context, d *deed) error {
		d.on("", c.ID)
		d.detail = map[string]string{"method": c.Method}
		if _, err := d.OIDCClientByID(ctx, c.ID); !errors.Is(err, store.ErrNone) {
			return errors.Join(err, problem.New(problem.Conflict))
		}
		return d.InsertOIDCClient(ctx, db.InsertOIDCClientParams{ID: c.ID, Name: c.Name, Method: c.Method, SecretHash: hash, Jwks: jwks,
			RedirectUris: string(redirects), PostLogoutUris: string(logouts), LogoutUri: c.LogoutURI, CreatedAt: store.Micros(d.now)})
	})
}

// checkClient holds a registration to the rules and gives its key set in the form that is kept. What is wrong is named in the values.
func checkClient(c OIDCClient) (jwks string, err error) {
	switch {
	case !clientID.MatchString(c.ID):
		return "", problem.New(problem.Malformed, "field", "id")
	case c.Method != PrivateKeyJWT && c.Method != ClientSecretBasic:
		return "", problem.New(problem.Malformed, "field", "method")
	case len(c.RedirectURIs) == 0 || slices.ContainsFunc(c.RedirectURIs, notAnAddress):
		return "", problem.New(problem.Malformed, "field", "redirect_uris")
	case slices.ContainsFunc(c.PostLogoutURIs, notAnAddress):
		return "", problem.New(problem.Malformed, "field", "post_logout_redirect_uris")
	case c.LogoutURI != "" && notAnAddress(c.LogoutURI):
		return "", problem.New(problem.Malformed, "field", "backchannel_logout_uri")
	case c.Method == ClientSecretBasic:
		return "", nil
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(c.JWKS), &set); err != nil || len(set.Keys) == 0 {
		return "", problem.New(problem.Malformed, "field", "jwks")
	}
	for i, k := range set.Keys {
		if k.Algorithm == "" {
			if e, ok := k.Key.(*ecdsa.PublicKey); ok && e.Curve == elliptic.P256() {
				set.Keys[i].Algorithm = string(jose.ES256)
			}
		}
		if !k.IsPublic() || !k.Valid() || k.KeyID == "" || (set.Keys[i].Algorithm != string(jose.ES256) && set.Keys[i].Algorithm != string(jose.PS256)) {
			return "", problem.New(problem.Malformed, "field", "jwks")
		}
	}
	kept, err := json.Marshal(set)
	return string(kept), err
}

// notAnAddress refuses what a browser must not be sent to: anything but https, except on the machine itself, and anything with a fragment or a password.
func notAnAddress(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || strings.ContainsAny(s, "#*") {
		return true
	}
	name := u.Hostname()
	here := name == "localhost" || name == "127.0.0.1" || name == "::1" || strings.HasSuffix(name, ".localhost")
	return u.Scheme != "https" && (u.Scheme != "http" || !here)
}

// OIDCClient finds a client.
func (a *Authority) OIDCClient(ctx context.Context, id string) (OIDCClient, error) {
	if !clientID.MatchString(id) { // a database need not be asked, and may choke on what it cannot be
		return OIDCClient{}, problem.New(problem.NotFound)
	}
	r, err := a.Store.Reader().OIDCClientByID(ctx, id)
	if err != nil {
		return OIDCClient{}, found(err)
	}
	c := OIDCClient{ID: r.ID, Name: r.Name, Method: r.Method, SecretHash: r.SecretHash, JWKS: r.Jwks, LogoutURI: r.LogoutUri}
	return c, errors.Join(json.Unmarshal([]byte(r.RedirectUris), &c.RedirectURIs), json.Unmarshal([]byte(r.PostLogoutUris), &c.PostLogoutURIs))
}

// secretHash is enough for a secret of 256 random bits: there is nothing to guess, so neither a slow hash nor a count of tries would add anything.
func secretHash(s string) string {
	sum := sha256.Sum256([]byte("oidc client secret\x00" + s))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// CheckOIDCSecret compares a secret that a client sent with the hash that is kept, in constant time.
func (a *Authority) CheckOIDCSecret(kept, given string) error {
	if kept == "" || subtle.ConstantTimeCompare([]byte(kept), []byte(secretHash(given))) != 1 {
		return problem.New(problem.BadClient)
	}
	return nil
}

// UseOIDCAssertion spends the identifier of a client's assertion: each is good once, on whatever node.
func (a *Authority) UseOIDCAssertion(ctx context.Context, id string) error {
	now, err := a.moment()
	if err != nil {
		return err
	}
	var once bool
	err = a.Store.Housekeep(context.WithoutCancel(ctx), func(ctx context.Context, tx *store.Tx) (err error) {
		once, err = store.Once(tx.UseProof(ctx, db.UseProofParams{ID: handle("assertion", id), ExpiresAt: store.Micros(now.Add(assertionMemory))}))
		return err
	})
	if err == nil && !once {
		return problem.New(problem.ProofRefused)
	}
	return err
}

// handle is the hash under which something is kept whose own name must not be found in a stolen table.
func handle(kind, name string) []byte {
	sum := sha256.Sum256([]byte("oidc " + kind + "\x00" + name))
	return sum[:]
}

// OIDCRequest is an authorization request or a logout on its way. Data belongs to the protocol's side and holds no secret of ours.
type OIDCRequest struct {
	ID     string
	Kind   string // "login" or "logout"
	Pushed string // handle of a pushed request
	Client string
	State  string // "pending", "success" or "failure"
	Data   string
	Life   time.Duration
}

// KeepOIDCRequest keeps a new request, or moves a pending one on. A request that has come to its end moves no more: of two that try, one succeeds.
func (a *Authority) KeepOIDCRequest(ctx context.Context, r OIDCRequest) error {
	now, err := a.moment()
	if err != nil {
		return err
	}
	until := store.Micros(now.Add(r.Life))
	var pushed []byte
	if r.Pushed != "" {
		pushed = handle("pushed", r.Pushed)
	}
	hash := handle(r.Kind, r.ID)
	data, err := a.sealRequest(hash, r.Data)
	if err != nil {
		return err
	}
	once := false
	err = a.Store.Housekeep(context.WithoutCancel(ctx), func(ctx context.Context, tx *store.Tx) (err error) {
		once, err = store.Once(tx.InsertOIDCRequest(ctx, db.InsertOIDCRequestParams{Hash: hash, Kind: r.Kind, PushedHash: pushed, Client: r.Client,
			State: r.State, Data: data, CreatedAt: store.Micros(now), ExpiresAt: until}))
		if once || err != nil {
			return err
		}
		once, err = store.Once(tx.AdvanceOIDCRequest(ctx, db.AdvanceOIDCRequestParams{Hash: hash, State: r.State, Data: data, ExpiresAt: store.Micros(now), Until: until}))
		return err
	})
	if err == nil && !once {
		return problem.New(problem.Conflict)
	}
	return err
}

// OIDCRequest finds a request of the kind by its name.
func (a *Authority) OIDCRequest(ctx context.Context, kind, id string) (data string, err error) {
	now, err := a.moment()
	if err != nil {
		return "", err
	}
	r, err := a.Store.Reader().OIDCRequestByHash(ctx, db.OIDCRequestByHashParams{Hash: handle(kind, id), Kind: kind, ExpiresAt: store.Micros(now)})
	if err != nil {
		return "", found(err)
	}
	return a.openRequest(r)
}

// sealRequest keeps what the protocol's side remembers of a request from the eyes of whoever reads the table: the request's own handle is in it.
func (a *Authority) sealRequest(hash []byte, data string) (string, error) {
	sealed, err := a.Keys.Seal("oidc.request", "oidc_request.data|"+base64.RawURLEncoding.EncodeToString(hash), []byte(data))
	return base64.RawURLEncoding.EncodeToString(sealed), err
}

func (a *Authority) openRequest(r db.OidcRequest) (string, error) {
	sealed, err := base64.RawURLEncoding.DecodeString(r.Data)
	if err != nil {
		return "", err
	}
	data, err := a.Keys.Open("oidc.request", "oidc_request.data|"+base64.RawURLEncoding.EncodeToString(r.Hash), sealed)
	return string(data), err
}

// PushedOIDCRequest finds a pushed request by its handle.
func (a *Authority) PushedOIDCRequest(ctx context.Context, pushed string) (data string, err error) {
	now, err := a.moment()
	if err != nil {
		return "", err
	}
	r, err := a.Store.Reader().OIDCRequestByPushed(ctx, db.OIDCRequestByPushedParams{PushedHash: handle("pushed", pushed), ExpiresAt: store.Micros(now)})
	if err != nil {
		return "", found(err)
	}
	return a.openRequest(r)
}

// OIDCGrant is what a client was granted by one login of one customer.
type OIDCGrant struct {
	ID       string
	Code     string // only when it is made
	Client   string
	Customer string
	Session  string // the chain of sessions at the login host; the grant is worth nothing when it has ended
	Data     string
	Created  time.Time
	Redeemed time.Time
	Revoked  time.Time
}

// NewOIDCGrantID names a grant that is about to be made.
func (a *Authority) NewOIDCGrantID() string { return a.newID(ident.Grant, a.Now()) }

// NewOIDCHandle makes an unguessable name: a code, an access token, the name of a request.
func (a *Authority) NewOIDCHandle() string {
	return base64.RawURLEncoding.EncodeToString(a.random(32))
}

// GrantOIDC lets a client know who the customer is: it keeps the grant under the hash of its code.
func (a *Authority) GrantOIDC(ctx context.Context, by audit.Actor, g OIDCGrant) error {
	return a.do(ctx, by, audit.AccessGrant, func(ctx context.Context, d *deed) error {
		d.on(g.Customer, g.ID)
		d.detail = map[string]string{"client": g.Client}
		return d.InsertOIDCGrant(ctx, db.InsertOIDCGrantParams{ID: g.ID, CodeHash: handle("code", g.Code), Client: g.Client, Customer: g.Customer, Session: g.Session, Data: g.Data,
			CreatedAt: store.Micros(d.now), CodeExpiresAt: store.Micros(d.now.Add(OIDCCodeLife)), ExpiresAt: store.Micros(d.now.Add(a.Rules().SessionLife))})
	})
}

// RedeemOIDC uses up the code of a grant. One statement decides: of many that come together, one succeeds; the rest get a refusal.
func (a *Authority) RedeemOIDC(ctx context.Context, by audit.Actor, g OIDCGrant) error {
	return a.do(ctx, by, audit.AccessRedeem, func(ctx context.Context, d *deed) error {
		d.on(g.Customer, g.ID)
		once, err := store.Once(d.RedeemOIDCCode(ctx, db.RedeemOIDCCodeParams{ID: g.ID, RedeemedAt: store.Micros(d.now)}))
		if err == nil && !once {
			return problem.New(problem.Conflict)
		}
		return err
	})
}

// EndOIDC takes a grant back, with every access token of it: its code was shown twice or by somebody else.
func (a *Authority) EndOIDC(ctx context.Context, by audit.Actor, g OIDCGrant) error {
	return a.do(ctx, by, audit.AccessEnd, func(ctx context.Context, d *deed) error {
		d.on(g.Customer, g.ID)
		_, err := d.RevokeOIDCGrant(ctx, db.RevokeOIDCGrantParams{ID: g.ID, RevokedAt: store.Micros(d.now)})
		return err // ended already: as asked
	})
}

// OIDCGrant finds a grant whose session is alive.
func (a *Authority) OIDCGrant(ctx context.Context, id string) (OIDCGrant, error) {
	r, err := a.Store.Reader().OIDCGrantByID(ctx, id)
	return grantOf(r), found(err)
}

// OIDCGrantByCode finds the grant that a code stands for, used or not.
func (a *Authority) OIDCGrantByCode(ctx context.Context, code string) (OIDCGrant, error) {
	r, err := a.Store.Reader().OIDCGrantByCode(ctx, handle("code", code))
	return grantOf(r), found(err)
}

func grantOf(r db.OidcGrant) OIDCGrant {
	return OIDCGrant{ID: r.ID, Client: r.Client, Customer: r.Customer, Session: r.Session, Data: r.Data, Created: store.Time(r.CreatedAt),
		Redeemed: store.Time(r.RedeemedAt), Revoked: store.Time(r.RevokedAt)}
}

// KeepOIDCAccess keeps an access token of a grant under its hash. It belongs to the redemption, which is in the trail.
func (a *Authority) KeepOIDCAccess(ctx context.Context, token, grant, data string) error {
	now, err := a.moment()
	if err != nil {
		return err
	}
	return a.Store.Housekeep(context.WithoutCancel(ctx), func(ctx context.Context, tx *store.Tx) error {
		return tx.InsertOIDCAccess(ctx, db.InsertOIDCAccessParams{Hash: handle("access", token), GrantID: grant, Data: data, ExpiresAt: store.Micros(now.Add(OIDCAccessLife))})
	})
}

// OIDCAccess finds an access token that is alive.
func (a *Authority) OIDCAccess(ctx context.Context, token string) (data string, err error) {
	now, err := a.moment()
	if err != nil {
		return "", err
	}
	r, err := a.Store.Reader().OIDCAccessByHash(ctx, db.OIDCAccessByHashParams{Hash: handle("access", token), ExpiresAt: store.Micros(now)})
	return r.Data, found(err)
}

// OIDCKey is a key that signs ID tokens.
type OIDCKey struct {
	ID     string
	Public *ecdsa.PublicKey
	Signer crypto.Signer // gives r and s, 64 bytes, as JWS wants them

	Private *ecdsa.PrivateKey // for tokens that we sign ourselves
}

// OIDCKeys gives the signing keys, the one in use first, and makes the first one when there is none. Several nodes may try at once; one key comes of it.
func (a *Authority) OIDCKeys(ctx context.Context) ([]OIDCKey, error) {
	keys, err := a.readOIDCKeys(ctx)
	if err != nil || len(keys) > 0 {
		return keys, err
	}
	if err := a.makeOIDCKey(ctx); err != nil {
		return nil, err
	}
	return a.readOIDCKeys(ctx)
}

func (a *Authority) readOIDCKeys(ctx context.Context) ([]OIDCKey, error) {
	now, err := a.moment()
	if err != nil {
		return nil, err
	}
	rows, err := a.Store.Reader().OIDCKeys(ctx, store.Micros(now.Add(-a.Rules().SessionLife)))
	if err != nil {
		return nil, err
	}
	keys := make([]OIDCKey, 0, len(rows))
	for _, r := range rows {
		der, err := a.Keys.Open("oidc.key", "oidc_key.sealed|"+r.ID, r.Sealed)
		if err != nil {
			return nil, err
		}
		parsed, err := x509.ParsePKCS8PrivateKey(der)
		if err != nil {
			return nil, err
		}
		key, ok := parsed.(*ecdsa.PrivateKey)
		if !ok {
			return nil, errors.New("authority: a signing key of an unknown kind")
		}
		keys = append(keys, OIDCKey{ID: r.ID, Public: &key.PublicKey, Signer: rawSigner{key}, Private: key})
	}
	return keys, nil
}

func (a *Authority) makeOIDCKey(ctx context.Context) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), a.Rand)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	public, err := json.Marshal(jose.JSONWebKey{Key: &key.PublicKey, Algorithm: string(jose.ES256), Use: "sig"})
	if err != nil {
		return err
	}
	return a.do(ctx, audit.Actor{Kind: audit.Server}, audit.KeyMake, func(ctx context.Context, d *deed) error {
		id := a.newID(ident.Key, d.now)
		d.on("", id)
		sealed, err := a.Keys.Seal("oidc.key", "oidc_key.sealed|"+id, der)
		if err != nil {
			return err
		}
		_, err = d.InsertOIDCKey(ctx, db.InsertOIDCKeyParams{ID: id, Sealed: sealed, Public: string(public), CreatedAt: store.Micros(d.now)})
		return err // another node was faster: there is a key
	})
}

// rawSigner signs with ES256 in the form of JWS.
type rawSigner struct{ key *ecdsa.PrivateKey }

// Public is the public half.
func (s rawSigner) Public() crypto.PublicKey { return &s.key.PublicKey }

// Sign gives r and s, 32 bytes each.
func (s rawSigner) Sign(random io.Reader, digest []byte, _ crypto.SignerOpts) ([]byte, error) {
	r, t, err := ecdsa.Sign(random, s.key, digest)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 64)
	r.FillBytes(out[:32])
	t.FillBytes(out[32:])
	return out, nil
}

// sweepOIDC removes what is dead: requests, grants and access tokens past their time. Their acts stay in the trail.
func (a *Authority) sweepOIDC(ctx context.Context, now time.Time) error {
	before := store.Micros(now.Add(-time.Hour))
	return a.Store.Housekeep(ctx, func(ctx context.Context, tx *store.Tx) error {
		return errors.Join(tx.DeleteOldOIDCRequests(ctx, before), tx.DeleteOldOIDCGrants(ctx, before), tx.DeleteOldOIDCAccess(ctx, before))
	})
}

// found turns the store's word for "no such row" into the refusal.
func found(err error) error {
	if errors.Is(err, store.ErrNone) {
		return problem.New(problem.NotFound)
	}
	return err
}
