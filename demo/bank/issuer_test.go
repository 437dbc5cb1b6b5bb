package bank_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// issuer is a small OpenID Connect provider that logs everybody in at once. It checks what a real one checks – redirect
// address, PKCE, the client's signed assertion – and can be told to answer wrongly.
type issuer struct {
	*httptest.Server
	key    *ecdsa.PrivateKey
	client *ecdsa.PublicKey
	now    func() time.Time

	mu     sync.Mutex
	codes  map[string]url.Values
	fail   string                      // Error to send the customer back with.
	claims func(claims map[string]any) // Last word on the ID token.
	alter  func(answer url.Values)     // Last word on the way back.
	used   []string                    // Assertions' jti.
	ended  url.Values                  // Parameters of the last logout.
}

func newIssuer(t *testing.T, client *ecdsa.PublicKey, now func() time.Time) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{key: key, client: client, now: now, codes: make(map[string]url.Values)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		i.json(w, map[string]any{"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token",
			"jwks_uri": i.URL + "/jwks", "end_session_endpoint": i.URL + "/end", "id_token_signing_alg_values_supported": []string{"ES256"}})
	})
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, r *http.Request) {
		i.json(w, map[string]any{"keys": []any{map[string]any{"kty": "EC", "crv": "P-256", "kid": "k", "use": "sig", "alg": "ES256",
			"x": coordinate(key.X), "y": coordinate(key.Y)}}})
	})
	mux.HandleFunc("GET /authorize", i.authorize)
	mux.HandleFunc("POST /token", i.token)
	mux.HandleFunc("GET /end", func(w http.ResponseWriter, r *http.Request) {
		i.ended = r.URL.Query()
		http.Redirect(w, r, i.ended.Get("post_logout_redirect_uri"), http.StatusSeeOther)
	})
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) authorize(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	q := r.URL.Query()
	answer := url.Values{"state": {q.Get("state")}, "iss": {i.URL}}
	if q.Get("code_challenge_method") != "S256" || q.Get("nonce") == "" || !slices.Contains(strings.Fields(q.Get("scope")), "openid") {
		answer.Set("error", "invalid_request")
	} else if i.fail != "" {
		answer.Set("error", i.fail)
	} else {
		code := rand.Text()
		i.codes[code] = q
		answer.Set("code", code)
	}
	if i.alter != nil {
		i.alter(answer)
	}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+answer.Encode(), http.StatusSeeOther)
}

func (i *issuer) token(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	q, ok := i.codes[r.PostFormValue("code")]
	delete(i.codes, r.PostFormValue("code"))
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if !ok || q.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) || q.Get("redirect_uri") != r.PostFormValue("redirect_uri") || !i.knows(r) {
		w.WriteHeader(http.StatusBadRequest)
		i.json(w, map[string]any{"error": "invalid_grant"})
		return
	}
	now := i.now()
	claims := map[string]any{"iss": i.URL, "sub": "C-1001", "aud": q.Get("client_id"), "nonce": q.Get("nonce"), "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		"auth_time": now.Unix(), "acr": "urn:inkan:acr:otp", "amr": []string{"pwd", "otp", "mfa"}, "name": "山田 花子"}
	if i.claims != nil {
		i.claims(claims)
	}
	i.json(w, map[string]any{"access_token": rand.Text(), "token_type": "Bearer", "expires_in": 300, "id_token": jws(i.key, claims)})
}

// knows checks the client's assertion the way RFC 7523 asks for.
func (i *issuer) knows(r *http.Request) bool {
	if i.client == nil {
		id, secret, ok := r.BasicAuth()
		plain, err := url.QueryUnescape(secret) // RFC 6749, section 2.3.1
		return ok && err == nil && id == "bank" && plain == "s3cret/with?signs"
	}
	parts := strings.Split(r.PostFormValue("client_assertion"), ".")
	if len(parts) != 3 || r.Header.Get("Authorization") != "" || r.PostFormValue("client_secret") != "" {
		return false
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	signature, _ := base64.RawURLEncoding.DecodeString(parts[2])
	body, _ := base64.RawURLEncoding.DecodeString(parts[1])
	var c struct {
		Iss, Sub, Aud, Jti string
		Exp                int64
	}
	if len(signature) != 64 || json.Unmarshal(body, &c) != nil || slices.Contains(i.used, c.Jti) {
		return false
	}
	i.used = append(i.used, c.Jti)
	return c.Iss == "bank" && c.Sub == "bank" && c.Aud == i.URL && c.Exp > i.now().Unix() && c.Exp <= i.now().Add(time.Minute).Unix() &&
		ecdsa.Verify(i.client, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
}

func (i *issuer) json(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func coordinate(n *big.Int) string {
	return base64.RawURLEncoding.EncodeToString(n.FillBytes(make([]byte, 32)))
}

func jws(key *ecdsa.PrivateKey, claims map[string]any) string {
	body, _ := json.Marshal(claims)
	input := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","kid":"k"}`)) + "." + base64.RawURLEncoding.EncodeToString(body)
	digest := sha256.Sum256([]byte(input))
	r, s, _ := ecdsa.Sign(rand.Reader, key, digest[:])
	signature := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}
