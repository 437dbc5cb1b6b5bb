// Package bank is the reference internet bank: a small web site that leaves every question of who the customer is to Inkan
// and asks it the standard way, with OpenID Connect (authorization code, PKCE, state, nonce).
//
// It is an example to read before connecting a real internet banking: of this project it uses only the package client, and it shows the few
// things that the bank's side must do itself – keep its own session, end it in time, end it on both sides at logout, and say in plain words how the
// customer was verified.
//
// Its transfers show the other half. The order is kept at the bank and is the one source of what is shown, approved, permitted and posted; the customer
// approves it in the token app; the executor gets the permit for exactly that and posts exactly once, whatever is pressed twice or cut off (executor.go).
// Registering a payee and raising the daily limit go the same way: a login lets the customer look, what makes things less safe needs her approval (deed.go).
//
// Names, accounts, balances and the other banks are made up.
package bank

import (
	"cmp"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/inkan-auth/inkan/client"
)

// Config is all that the bank needs to know of the world.
type Config struct {
	URL            string            // Origin under which customers see the bank, e.g. "http://bank.localhost:8080".
	Issuer         string            // Origin of the login host, which is the OpenID Connect issuer.
	ClientID       string            // Name under which the bank is registered there.
	ClientKey      *ecdsa.PrivateKey // P-256 key that proves the bank's identity (private_key_jwt); takes precedence over ClientSecret.
	ClientKeyID    string            // "kid" of ClientKey as registered.
	ClientSecret   string            // Secret for client_secret_basic, where there is no ClientKey.
	SecurityCentre string            // Address of the security centre at the login host.
	Customers      map[string]Person // What the bank knows of its customers, by the subject of the ID token; unknown ones get the name of the token.
	HTTP           *http.Client      // Client for calls to the issuer and to the API; nil means one with short time limits that finds *.localhost on this machine.
	Now            func() time.Time  // Clock; nil means the clock of the machine.
	Log            *slog.Logger      // Where failures go that a customer is only told about in general words; nil means nowhere.
	API            string            // Origin of the transaction API; empty means that the bank offers no transfers.
	APIClientID    string            // Name under which the bank's executor is registered at the API; empty means ClientID.
	APIKey         *ecdsa.PrivateKey // P-256 key of the executor; nil means ClientKey.
	ExecuteAtOnce  bool              // An approved transfer is executed by itself; otherwise the customer comes back and presses a button.
	Phone          string            // Telephone number of the bank for customers who have reported fraud; empty means 0120-000-000.
}

// Person is what the bank itself knows of a customer.
type Person struct {
	Name   string // Name in Japanese, without title.
	NameEn string // Name in Latin letters; empty means Name.
	Kana   string // Name in full-width katakana as account registers have it, such as "ヤマダ ハナコ"; empty means that the bank sends none.
}

// Addresses that must be registered for the bank at the issuer, appended to Config.URL.
const (
	CallbackPath  = "/login/return"
	LoggedOutPath = "/goodbye"
	// BackChannelPath is where the issuer says that a login has ended there (OpenID Connect Back-Channel Logout).
	BackChannelPath = "/logout/back"
)

// bank is everything that a handler can touch.
type bank struct {
	cfg      Config
	origin   string // Origin of the issuer, for the content security policy.
	login    *relyingParty
	sessions *sessions
	visits   *visits
	pages    *pages
	ja       map[string]string // The Japanese texts: what goes to the API is Japanese whatever the page is.
	ledger   *ledger
	orders   *orders
	payees   *payees
	api      *client.Client // Nil where the bank offers no transfers.
}

// New makes the bank. It does not contact the issuer: that happens at the first login, so the two may start in any order.
func New(cfg Config) (http.Handler, error) {
	b, err := newBank(cfg)
	if err != nil {
		return nil, err
	}
	return b.handler(), nil
}

func newBank(cfg Config) (*bank, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.HTTP == nil {
		cfg.HTTP = defaultClient()
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.APIClientID = cmp.Or(cfg.APIClientID, cfg.ClientID)
	cfg.APIKey = cmp.Or(cfg.APIKey, cfg.ClientKey)
	cfg.Phone = cmp.Or(cfg.Phone, "0120-000-000")
	p, err := loadPages()
	if err != nil {
		return nil, err
	}
	issuer, _ := url.Parse(cfg.Issuer)
	b := &bank{
		cfg: cfg, origin: issuer.Scheme + "://" + issuer.Host,
		login:    &relyingParty{cfg: cfg, attempts: make(map[string]attempt)},
		sessions: newSessions(cfg.Now), visits: newVisits(), pages: p, ja: p.texts["ja"],
		ledger: newLedger(), orders: newOrders(), payees: newPayees(),
	}
	if cfg.API != "" {
		b.api = &client.Client{Origin: cfg.API, ID: cfg.APIClientID, Key: cfg.APIKey, HTTP: cfg.HTTP, Now: cfg.Now}
	}
	for subject := range cfg.Customers {
		b.accounts(subject) // so that they can be found as payees before they first log in
	}
	return b, nil
}

func (c Config) check() error {
	addresses := map[string]string{"URL": c.URL, "Issuer": c.Issuer, "SecurityCentre": c.SecurityCentre}
	if c.API != "" {
		addresses["API"] = c.API
	}
	for name, value := range addresses {
		u, err := url.Parse(value)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return fmt.Errorf("bank: %s must be an http or https address, not %q", name, value)
		}
	}
	if c.ClientID == "" {
		return errors.New("bank: ClientID is missing")
	}
	if c.ClientKey == nil && c.ClientSecret == "" {
		return errors.New("bank: either ClientKey or ClientSecret is needed")
	}
	if c.API != "" && c.APIKey == nil && c.ClientKey == nil {
		return errors.New("bank: transfers need APIKey")
	}
	return nil
}

func (b *bank) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", b.front)
	mux.HandleFunc("POST /login", b.startLogin)
	mux.HandleFunc("GET "+CallbackPath, b.finishLogin)
	mux.HandleFunc("GET /home", b.home)
	mux.HandleFunc("POST /logout", b.logout)
	mux.HandleFunc("POST "+BackChannelPath, b.loginEnded)
	mux.HandleFunc("GET "+LoggedOutPath, b.goodbye)
	mux.HandleFunc("POST /language", b.language)
	if b.api != nil {
		b.approvals(mux)
	}
	mux.Handle("GET /static/", b.pages.static())
	mux.HandleFunc("/", b.notFound)
	return b.headers(http.NewCrossOriginProtection().Handler(http.MaxBytesHandler(mux, 16<<10)))
}

// headers puts the browser's own defences on every answer. A form may lead to the issuer as well, because browsers apply
// form-action to the redirects that follow the press of "log in" and "log out".
func (b *bank) headers(next http.Handler) http.Handler {
	policy := "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' " + b.origin
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=()")
		h.Set("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}
