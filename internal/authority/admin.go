package authority

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/customer"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/password"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/signing"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// NewCustomer is one customer as the bank hands her over. Either plain first passwords or hashes (argon2id or bcrypt) are given.
type NewCustomer struct {
	Ref, LoginID                           string
	LoginPassword, ConfirmPassword         string
	LoginPasswordHash, ConfirmPasswordHash string
	Name, Kana, Mail, Phone                string
	Branch, AccountType, AccountNumber     string
	KeepPasswords                          bool // the customer has chosen them herself already, elsewhere
}

// ErrImport says what is wrong with a customer to be imported.
type ErrImport struct{ Field, Why string }

// Error names the field and the reason.
func (e ErrImport) Error() string { return e.Field + ": " + e.Why }

// CheckCustomer says whether a customer could be imported, without writing anything.
func (a *Authority) CheckCustomer(ctx context.Context, n NewCustomer) error {
	switch {
	case n.Ref == "" || len(n.Ref) > 64:
		return ErrImport{"ref", "must have 1 to 64 characters"}
	case n.Name == "":
		return ErrImport{"name", "is missing"}
	case (n.LoginPassword == "") == (n.LoginPasswordHash == ""):
		return ErrImport{"login_password", "give either the password or its hash"}
	case (n.ConfirmPassword == "") == (n.ConfirmPasswordHash == ""):
		return ErrImport{"confirm_password", "give either the password or its hash"}
	case n.LoginPassword != "" && n.LoginPassword == n.ConfirmPassword:
		return ErrImport{"confirm_password", "must differ from the login password"}
	}
	for field, hash := range map[string]string{"login_password_hash": n.LoginPasswordHash, "confirm_password_hash": n.ConfirmPasswordHash} {
		// A hash that cannot be read would answer every login with a failure, and so tell a stranger that the customer exists.
		if hash != "" && password.CheckImported(hash) != nil {
			return ErrImport{field, "must be an argon2id (v=19, at most 256 MiB and 16 passes) or bcrypt (cost at most 14) string"}
		}
	}
	if n.Phone != "" && !dialled.MatchString(norm.NFKC.String(n.Phone)) { // also one that proves nothing, as of another country, may be what the bank knows
		return ErrImport{"phone", "is not a telephone number"}
	}
	if n.Branch+n.AccountType+n.AccountNumber != "" { // whoever has none cannot prove herself by her cash card
		switch {
		case !isDigits(n.Branch, 3):
			return ErrImport{"branch", "must have 3 digits"}
		case !slices.Contains(AccountTypes, n.AccountType):
			return ErrImport{"account_type", "must be one of " + strings.Join(AccountTypes, ", ")}
		case !isDigits(n.AccountNumber, 7):
			return ErrImport{"account_number", "must have 7 digits"}
		}
	}
	if _, err := customer.ParseAddress(n.Mail); err != nil {
		return ErrImport{"mail", "is not a mail address"}
	}
	canonical, err := customer.CanonicalLoginID(n.LoginID)
	if err != nil {
		return ErrImport{"login_id", "must have 4 to 64 letters, digits, dots, hyphens, underscores or at signs"}
	}
	if _, err := a.Store.Reader().CustomerByLoginID(ctx, canonical); err == nil {
		return ErrImport{"login_id", "is taken"}
	} else if !errors.Is(err, store.ErrNone) {
		return err
	}
	if _, err := a.Store.Reader().CustomerByRef(ctx, n.Ref); err == nil {
		return ErrImport{"ref", "is taken"}
	} else if !errors.Is(err, store.ErrNone) {
		return err
	}
	return nil
}

// dialled is what a telephone number may look like in the bank's file.
var dialled = regexp.MustCompile(`^\+?[0-9()\-. ]{6,24}$`)

// isDigits says whether s is so many digits and nothing else.
func isDigits(s string, length int) bool {
	return len(s) == length && !strings.ContainsFunc(s, func(c rune) bool { return c < '0' || c > '9' })
}

// ImportCustomer takes a customer over from the bank. First passwords must be changed at the first login unless the bank says otherwise.
func (a *Authority) ImportCustomer(ctx context.Context, n NewCustomer) error {
	if err := a.CheckCustomer(ctx, n); err != nil {
		return err
	}
	var err error
	for _, p := range []struct{ plain, hash *string }{{&n.LoginPassword, &n.LoginPasswordHash}, {&n.ConfirmPassword, &n.ConfirmPasswordHash}} {
		if *p.plain != "" {
			if *p.hash, err = a.hashPassword(ctx, []byte(*p.plain)); err != nil {
				return err
			}
		}
	}
	canonical, err := customer.CanonicalLoginID(n.LoginID)
	if err != nil {
		return err
	}
	return a.do(ctx, audit.Actor{Kind: audit.Operator}, audit.CustomerImport, func(ctx context.Context, d *deed) error {
		id := a.newID(ident.Customer, d.now)
		d.on(id, id)
		err := d.InsertCustomer(ctx, db.InsertCustomerParams{ID: id, Ref: n.Ref, LoginID: canonical, Name: n.Name, Kana: n.Kana, Branch: n.Branch, AccountType: n.AccountType,
			AccountNumber: n.AccountNumber, Phone: n.Phone, LoginPassword: n.LoginPasswordHash, LoginInitial: !n.KeepPasswords, ConfirmPassword: n.ConfirmPasswordHash,
			ConfirmInitial: !n.KeepPasswords, State: string(customer.Active), CreatedAt: store.Micros(d.now)})
		if err != nil {
			return err
		}
		return d.InsertAddress(ctx, db.InsertAddressParams{ID: a.newID(ident.Address, d.now), Customer: id, Mail: n.Mail, State: string(customer.Usable), Since: store.Micros(d.now)})
	})
}

// CreateAPIClient makes a system of the bank known. One with a key of its own proves itself by that (private_key_jwt); one without gets a secret, which is shown once and
// kept as a hash. webhook is where it wants to be told what became of its transactions; it may be empty.
func (a *Authority) CreateAPIClient(ctx context.Context, id string, scopes []string, key *signing.JWK, webhook string) (secret string, err error) {
	if !clientID.MatchString(id) {
		return "", problem.New(problem.Malformed, "field", "id")
	}
	p := db.InsertAPIClientParams{ID: id, SecretHash: []byte{}, PublicKey: []byte{}, Scopes: strings.Join(scopes, " "), Webhook: webhook}
	if key != nil {
		p.PublicKey = key[:]
	} else {
		secret = base64.RawURLEncoding.EncodeToString(a.random(32))
		p.SecretHash = hashCookie(secret)
	}
	return secret, a.do(ctx, audit.Actor{Kind: audit.Operator}, audit.ClientCreate, func(ctx context.Context, d *deed) error {
		d.on("", id)
		if _, err := d.APIClientByID(ctx, id); !errors.Is(err, store.ErrNone) {
			return errors.Join(err, problem.New(problem.Conflict))
		}
		p.CreatedAt = store.Micros(d.now)
		return d.InsertAPIClient(ctx, p)
	})
}

// clientLife is how long a system of the bank is remembered before it is read again. There are few of them and they ask often; one that is withdrawn
// is out after a second.
const clientLife = time.Second

type knownClient struct {
	row  db.ApiClient
	read time.Time
}

func (a *Authority) apiClient(ctx context.Context, id string) (db.ApiClient, error) {
	now := a.Now()
	if c, ok := a.clients.Load(id); ok && now.Sub(c.(knownClient).read).Abs() < clientLife {
		return c.(knownClient).row, nil
	}
	if !clientID.MatchString(id) {
		return db.ApiClient{}, store.ErrNone
	}
	row, err := a.Store.Reader().APIClientByID(ctx, id)
	if err == nil { // strangers' names are not remembered: they could be any number
		a.clients.Store(id, knownClient{row, now})
	}
	return row, err
}

// APIClient checks a system's secret and that it has the scope. The answer does not tell an unknown system from a wrong secret.
func (a *Authority) APIClient(ctx context.Context, id, secret, scope string) (audit.Actor, error) {
	row, err := a.apiClient(ctx, id)
	if err != nil && !errors.Is(err, store.ErrNone) {
		return audit.Actor{}, err
	}
	if err != nil || subtle.ConstantTimeCompare(row.SecretHash, hashCookie(secret)) != 1 {
		return audit.Actor{}, problem.New(problem.BadClient)
	}
	return scoped(row, scope)
}

// scoped lets a system through that has the scope.
func scoped(row db.ApiClient, scope string) (audit.Actor, error) {
	if !slices.Contains(strings.Fields(row.Scopes), scope) {
		return audit.Actor{}, problem.New(problem.Forbidden)
	}
	return audit.Actor{Kind: audit.Bank, ID: row.ID}, nil
}

// assertionLife is how long an assertion of a system may be good (RFC 7523, section 3).
const assertionLife = 5 * time.Minute

// APIAssertion checks a system's own assertion: read finds who it is said to be from and verifies it with the key that this system has. claims must be of the audience
// and of this time.
func (a *Authority) APIAssertion(ctx context.Context, id, audience, scope string, verify func(key signing.JWK) (Assertion, error)) (audit.Actor, error) {
	now, err := a.moment()
	if err != nil {
		return audit.Actor{}, err
	}
	row, err := a.apiClient(ctx, id)
	if err != nil && !errors.Is(err, store.ErrNone) {
		return audit.Actor{}, err
	}
	if err != nil || len(row.PublicKey) != len(signing.JWK{}) {
		return audit.Actor{}, problem.New(problem.BadClient)
	}
	c, err := verify(signing.JWK(row.PublicKey))
	const skew = 30 * time.Second
	if err != nil || c.Issuer != id || c.Subject != id || c.Audience != audience || c.ID == "" || c.Expires.Sub(c.Issued) > assertionLife || now.Before(c.Issued.Add(-skew)) || now.After(c.Expires.Add(skew)) {
		return audit.Actor{}, problem.New(problem.BadClient)
	}
	return scoped(row, scope)
}

// Assertion is what a system of the bank says about itself (RFC 7523).
type Assertion struct {
	Issuer, Subject, Audience, ID string
	Issued, Expires               time.Time
}

// RaiseFence kills everything that was issued before now: one-time codes, registration keys, sessions, links. It is for a database that was restored
// from a copy, so that nothing used after the copy can be used again (I-15).
func (a *Authority) RaiseFence(ctx context.Context) error {
	return a.do(ctx, audit.Actor{Kind: audit.Operator}, audit.FenceRaise, func(ctx context.Context, d *deed) error {
		return d.Queries.RaiseFence(ctx, store.Micros(d.now))
	})
}

// Ready says whether the server can decide: the database answers and the clock is not behind.
func (a *Authority) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := a.readClock(ctx); err != nil {
		return err
	}
	_, err := a.moment()
	return err
}

// AcceptClock takes the present time for right although a later one has been seen, and kills everything issued before it, so that nothing can be used twice
// because the clock ran twice.
func (a *Authority) AcceptClock(ctx context.Context) error {
	a.watermark.Store(0)
	return a.do(ctx, audit.Actor{Kind: audit.Operator}, audit.FenceRaise, func(ctx context.Context, d *deed) error {
		d.detail = map[string]string{"clock": "accepted"}
		return errors.Join(d.SetWatermark(ctx, store.Micros(d.now)), d.Queries.RaiseFence(ctx, store.Micros(d.now)))
	})
}
