package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"database/sql"
	"encoding/csv"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/connector/keys"
	"github.com/inkan-auth/inkan/internal/domain/customer"
	"github.com/inkan-auth/inkan/internal/domain/signing"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/server/api"
	files "github.com/inkan-auth/inkan/web"
)

// adminCommand is one task of the operator. run gets do = false for a dry run: it then says what it would do and writes nothing.
type adminCommand struct {
	name, args, line string
	run              func(ctx context.Context, a adminCall) error
}

// adminCall is what a task works with.
type adminCall struct {
	config Config
	do     bool
	args   []string
	out    io.Writer
}

var adminCommands = []adminCommand{
	{"keys", "", "make the key directory named in the configuration", adminKeys},
	{"customers", "FILE.csv|FILE.jsonl", "import customers", adminCustomers},
	{"oidc-client", "FILE.json", "make a client of OpenID Connect known", adminOIDCClient},
	{"api-client", "ID [KEY.pem] [WEBHOOK] SCOPE…", "make a system of the bank known to the API, by its public key or with a secret", adminAPIClient},
	{"templates", "FILE.json ROOT.pem", "sign the templates that transactions are shown by", adminTemplates},
	{"issuer-key", "ROOT.pem", "let the root vouch for the issuer key for ten more years", adminIssuerKey},
	{"resume", "CUSTOMER-REF", "after a report: let a customer's transfers go on", adminResume},
	{"phone", "CUSTOMER-REF NUMBER", "put another telephone number on file, or the same one whose SIM was changed: it proves nothing for three days", adminPhone},
	{"restart", "CUSTOMER-REF", "after \"that was not me\": let a customer log in again", adminRestart},
	{"staff", "invite|list|confirm|…", "who works at the console: `inkan admin staff` alone says more", adminStaff},
	{"fence", "", "after restoring a copy: kill every code, key, session and link issued before now", adminFence},
	{"clock", "", "after the clock was wrong: accept the present time although a later one has been seen", adminClock},
}

func admin(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	usage := func() error {
		fmt.Fprint(stderr, "usage: inkan admin TASK -config inkan.toml [-do] [arguments]\n\nWithout -do nothing is written: the task says what it would do.\n\n")
		for _, c := range adminCommands {
			fmt.Fprintf(stderr, "  %-12s %-20s %s\n", c.name, c.args, c.line)
		}
		return errUsage
	}
	if len(args) == 0 {
		return usage()
	}
	for _, c := range adminCommands {
		if c.name != args[0] {
			continue
		}
		f := flag.NewFlagSet("admin "+c.name, flag.ContinueOnError)
		f.SetOutput(stderr)
		path := f.String("config", "inkan.toml", "configuration file")
		do := f.Bool("do", false, "do it; without this it is a dry run")
		if f.Parse(args[1:]) != nil {
			return errUsage
		}
		conf, err := readConfig(*path)
		if err != nil {
			return err
		}
		if err := inWords(c.run(ctx, adminCall{conf, *do, f.Args(), stdout})); err != nil {
			return err
		}
		if !*do && !(c.name == "staff" && f.Arg(0) == "list") { // which only reads
			fmt.Fprintln(stdout, "This was a dry run; nothing was written. Add -do to do it.")
		}
		return nil
	}
	return usage()
}

// with opens the authority that the configuration describes. A dry run gets a copy of the database, so that not even its schema or a first key is written.
func (c adminCall) with(ctx context.Context, f func(a *authority.Authority) error) error {
	if !c.do && c.config.Database.SQLite != "" {
		dir, err := os.MkdirTemp("", "inkan-dry-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		if c.config.Database.SQLite, err = copyOf(ctx, c.config.Database.SQLite, dir); err != nil {
			return fmt.Errorf("copying the database for a dry run: %w", err)
		}
	}
	s, err := openStore(ctx, c.config)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	p, err := c.config.parts(s, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	h, err := build(ctx, p)
	if err != nil {
		return err
	}
	return f(h.authority)
}

// rehearsed does what says nothing secret: in a dry run on the copy, so that what would be refused is told. PostgreSQL is not copied, and its dry run ends with what was announced.
func (c adminCall) rehearsed(ctx context.Context, f func(a *authority.Authority) error) error {
	if !c.do && c.config.Database.SQLite == "" {
		return nil
	}
	return c.with(ctx, f)
}

// copyOf copies a database as it is at this moment, also while the server works on it. Where there is none yet, the copy is none either.
func copyOf(ctx context.Context, path, dir string) (string, error) {
	to := filepath.Join(dir, "inkan.db")
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return to, nil
	}
	from, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?mode=ro&_pragma=busy_timeout(10000)")
	if err != nil {
		return "", err
	}
	_, err = from.ExecContext(ctx, "VACUUM INTO $1", to)
	return to, errors.Join(err, from.Close())
}

func adminKeys(_ context.Context, c adminCall) error {
	dir := c.config.Keys.Directory
	if _, err := os.Stat(filepath.Join(dir, keys.RootFile)); err == nil {
		return fmt.Errorf("%s holds keys already; they are never written over", dir)
	}
	fmt.Fprintf(c.out, "Make new keys in %s for %s.\n", dir, c.config.Hosts.Token)
	if !c.do {
		return nil
	}
	if err := keys.Create(dir, c.config.Hosts.Token, time.Now(), files.Templates); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "Move %s to an offline place now: the server does not need it, and whoever has it can pretend to be the issuer.\nBack up the rest: without %s no token and no password can be read any more.\n", keys.RootFile, "master.key")
	return nil
}

func adminFence(ctx context.Context, c adminCall) error {
	fmt.Fprintln(c.out, "Kill every one-time code, registration key, session and link that was issued before now. For up to three minutes no one-time password will be accepted.")
	if !c.do {
		return nil
	}
	return c.with(ctx, func(a *authority.Authority) error { return a.RaiseFence(ctx) })
}

func adminClock(ctx context.Context, c adminCall) error {
	fmt.Fprintf(c.out, "Accept %s as the time although a later one has been seen, and kill everything issued before it.\n", time.Now().UTC().Format(time.RFC3339))
	if !c.do {
		return nil
	}
	return c.with(ctx, func(a *authority.Authority) error { return a.AcceptClock(ctx) })
}

func adminAPIClient(ctx context.Context, c adminCall) error {
	example := errors.New("give an identifier and at least one scope: inkan admin api-client -do internet-bank bank-public.pem " + strings.Join(api.Scopes, " "))
	if len(c.args) < 2 {
		return example
	}
	id, scopes := c.args[0], c.args[1:]
	var key *signing.JWK
	if strings.HasSuffix(scopes[0], ".pem") {
		k, err := publicKey(scopes[0])
		if err != nil {
			return err
		}
		key, scopes = &k, scopes[1:]
	}
	hook := ""
	if len(scopes) > 0 && strings.HasPrefix(scopes[0], "https://") {
		hook, scopes = scopes[0], scopes[1:]
	}
	if len(scopes) == 0 {
		return example
	}
	for _, scope := range scopes {
		if !slices.Contains(api.Scopes, scope) {
			return fmt.Errorf("there is no scope %q; there are %s", scope, strings.Join(api.Scopes, " "))
		}
	}
	fmt.Fprintf(c.out, "Make %s known with the scopes %s.\n", id, strings.Join(scopes, " "))
	if !c.do {
		return nil
	}
	return c.with(ctx, func(a *authority.Authority) error {
		secret, err := a.CreateAPIClient(ctx, id, scopes, key, hook)
		if err == nil && secret != "" {
			fmt.Fprintf(c.out, "Its secret, shown once and kept as a hash:\n%s\n", secret)
		}
		return err
	})
}

// publicKey reads a P-256 public key (openssl ec -pubout).
func publicKey(path string) (signing.JWK, error) {
	b, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return signing.JWK{}, err
	}
	block, _ := pem.Decode(b)
	if block == nil || block.Type != "PUBLIC KEY" {
		return signing.JWK{}, fmt.Errorf("%s is not the PEM file of a public key", path)
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	public, ok := key.(*ecdsa.PublicKey)
	if err != nil || !ok {
		return signing.JWK{}, fmt.Errorf("%s does not hold a P-256 public key", path)
	}
	return signing.JWKOf(public)
}

func adminTemplates(_ context.Context, c adminCall) error {
	if len(c.args) != 2 {
		return errors.New("give the file with the templates and the root's private key, which is kept offline: inkan admin templates -do templates.json root.pem")
	}
	file, err := os.ReadFile(c.args[0])
	if err != nil {
		return err
	}
	if _, err := transaction.MakeTemplates(c.config.Hosts.Token, file); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "Sign the templates of %s for %s. They are used for new transactions from the next start of the server on.\n", c.args[0], c.config.Hosts.Token)
	if !c.do {
		return nil
	}
	return keys.SignTemplates(c.config.Keys.Directory, c.args[1], c.config.Hosts.Token, file)
}

func adminIssuerKey(_ context.Context, c adminCall) error {
	if len(c.args) != 1 {
		return errors.New("give the root's private key, which is kept offline: inkan admin issuer-key -do root.pem")
	}
	fmt.Fprintf(c.out, "Let the root vouch for the issuer key of %s for ten more years. Put the new issuer.jws on every node; it is used from the next start of the server on.\n", c.config.Hosts.Token)
	if !c.do {
		return nil
	}
	return keys.ProlongIssuer(c.config.Keys.Directory, c.args[0], c.config.Hosts.Token, time.Now())
}

func adminResume(ctx context.Context, c adminCall) error {
	if len(c.args) != 1 {
		return errors.New("give the bank's reference of the customer: inkan admin resume -do 0101-1-1000001")
	}
	fmt.Fprintf(c.out, "Let the transfers of %s go on after her report, and tell her so on every address. Two persons should have made sure that the matter is cleared up.\n", c.args[0])
	return c.rehearsed(ctx, func(a *authority.Authority) error { return a.ResumeTransfers(ctx, c.args[0]) })
}

func adminPhone(ctx context.Context, c adminCall) error {
	if len(c.args) != 2 {
		return errors.New("give the bank's reference of the customer and the number, or \"\" to take it off the file: inkan admin phone -do 0101-1-1000001 090-1234-5678")
	}
	fmt.Fprintf(c.out, "Put another telephone number on file for %s. It proves nothing until the time of policy.phone_on_file is over.\n", c.args[0])
	return c.rehearsed(ctx, func(a *authority.Authority) error { return a.SetPhone(ctx, c.args[0], c.args[1]) })
}

func adminRestart(ctx context.Context, c adminCall) error {
	if len(c.args) != 1 {
		return errors.New("give the bank's reference of the customer: inkan admin restart -do 0101-1-1000001")
	}
	fmt.Fprintf(c.out, "Let %s log in again after the service was stopped from a notice, and tell every address. Two persons should have made sure of who she is, and that her passwords, passkeys and devices are hers.\n", c.args[0])
	return c.rehearsed(ctx, func(a *authority.Authority) error { return a.RestartService(ctx, c.args[0]) })
}

// oidcClientFile is a client of OpenID Connect in a file.
type oidcClientFile struct {
	ID             string          `json:"id"`
	Name           string          `json:"name"`
	Method         string          `json:"token_endpoint_auth_method"`
	JWKS           json.RawMessage `json:"jwks"`
	RedirectURIs   []string        `json:"redirect_uris"`
	PostLogoutURIs []string        `json:"post_logout_redirect_uris"`
	LogoutURI      string          `json:"backchannel_logout_uri"`
}

func adminOIDCClient(ctx context.Context, c adminCall) error {
	if len(c.args) != 1 {
		return errors.New("give one JSON file with id, name, token_endpoint_auth_method, jwks, redirect_uris, post_logout_redirect_uris, backchannel_logout_uri")
	}
	b, err := os.ReadFile(c.args[0])
	if err != nil {
		return err
	}
	var in oidcClientFile
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return fmt.Errorf("%s: %w", c.args[0], err)
	}
	fmt.Fprintf(c.out, "Make the client %s (%s) known, which proves itself by %s.\n", in.ID, in.Name, in.Method)
	if !c.do {
		return nil
	}
	return c.with(ctx, func(a *authority.Authority) error {
		secret, err := a.CreateOIDCClient(ctx, authority.OIDCClient{ID: in.ID, Name: in.Name, Method: in.Method, JWKS: string(in.JWKS), RedirectURIs: in.RedirectURIs, PostLogoutURIs: in.PostLogoutURIs, LogoutURI: in.LogoutURI})
		if err == nil && secret != "" {
			fmt.Fprintf(c.out, "Its secret, shown once and kept as a hash:\n%s\n", secret)
		}
		return err
	})
}

// customerLine is one customer in a file; the columns of a CSV file have the same names.
type customerLine struct {
	Ref                 string `json:"ref"`
	LoginID             string `json:"login_id"`
	LoginPassword       string `json:"login_password"`
	ConfirmPassword     string `json:"confirm_password"`
	LoginPasswordHash   string `json:"login_password_hash"`
	ConfirmPasswordHash string `json:"confirm_password_hash"`
	Name                string `json:"name"`
	Kana                string `json:"kana"`
	Mail                string `json:"mail"`
	Phone               string `json:"phone"`
	Branch              string `json:"branch"`
	AccountType         string `json:"account_type"`
	AccountNumber       string `json:"account_number"`

	line int // of the file, from 1
}

func (l customerLine) customer() authority.NewCustomer {
	return authority.NewCustomer{Ref: l.Ref, LoginID: l.LoginID, LoginPassword: l.LoginPassword, ConfirmPassword: l.ConfirmPassword, LoginPasswordHash: l.LoginPasswordHash,
		ConfirmPasswordHash: l.ConfirmPasswordHash, Name: l.Name, Kana: l.Kana, Mail: l.Mail, Phone: l.Phone, Branch: l.Branch, AccountType: l.AccountType, AccountNumber: l.AccountNumber}
}

// meets says whether an earlier line, which is good, has the same reference or login ID, and enters this one's otherwise.
func (l customerLine) meets(seen map[string]int) error {
	login, err := customer.CanonicalLoginID(l.LoginID)
	if err != nil {
		return err
	}
	for field, value := range map[string]string{"ref": l.Ref, "login_id": login} {
		if first := seen[field+" "+value]; first > 0 {
			return authority.ErrImport{Field: field, Why: fmt.Sprintf("stands in line %d already", first)}
		}
	}
	seen["ref "+l.Ref], seen["login_id "+login] = l.line, l.line
	return nil
}

func adminCustomers(ctx context.Context, c adminCall) error {
	if len(c.args) != 1 {
		return errors.New("give one file: .csv with a header line, or .jsonl with one object a line (docs/operations.md lists the columns)")
	}
	lines, err := readCustomers(c.args[0])
	if err != nil {
		return err
	}
	return c.with(ctx, func(a *authority.Authority) error {
		good, bad := 0, 0
		seen := map[string]int{}
		for _, l := range lines {
			work := a.CheckCustomer
			if c.do {
				work = a.ImportCustomer
			}
			err := work(ctx, l.customer())
			if !c.do && err == nil { // nothing was written that the next line could meet
				err = l.meets(seen)
			}
			if err != nil {
				var why authority.ErrImport
				if !errors.As(err, &why) {
					return fmt.Errorf("line %d: %w", l.line, err)
				}
				bad++
				fmt.Fprintf(c.out, "line %d (%s): %v\n", l.line, l.Ref, why)
				continue
			}
			good++
		}
		fmt.Fprintf(c.out, "%d customers are good, %d are not.\n", good, bad)
		switch {
		case bad > 0 && c.do:
			return fmt.Errorf("%d customers were not imported; mend the lines above and import the file again: those that are in are told as taken and left alone", bad)
		case bad > 0:
			return fmt.Errorf("%d customers would not be imported; each line is told with its first fault", bad)
		}
		return nil
	})
}

func readCustomers(path string) ([]customerLine, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	var out []customerLine
	if strings.HasSuffix(path, ".csv") {
		r := csv.NewReader(bufio.NewReader(f))
		header, err := r.Read()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if len(header) > 0 {
			header[0] = strings.TrimPrefix(header[0], "\ufeff") // spreadsheets put a mark there
		}
		for i, name := range header {
			if slices.Contains(header[:i], name) {
				return nil, fmt.Errorf("%s: the column %s occurs twice", path, name)
			}
		}
		for {
			row, err := r.Read()
			if errors.Is(err, io.EOF) {
				return out, nil
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			m := map[string]string{}
			for i, v := range row {
				m[header[i]] = v
			}
			b, err := json.Marshal(m)
			if err != nil {
				return nil, err
			}
			line, _ := r.FieldPos(0)
			if out, err = appendLine(out, b, path, line); err != nil {
				return nil, err
			}
		}
	}
	s := bufio.NewScanner(f)
	for line := 1; s.Scan(); line++ {
		if len(strings.TrimSpace(s.Text())) > 0 {
			if out, err = appendLine(out, s.Bytes(), path, line); err != nil {
				return nil, err
			}
		}
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("%s, after customer %d: %w", path, len(out), err)
	}
	return out, nil
}

func appendLine(out []customerLine, b []byte, path string, line int) ([]customerLine, error) {
	var l customerLine
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return nil, fmt.Errorf("%s, line %d: %w", path, line, err)
	}
	if d.More() {
		return nil, fmt.Errorf("%s, line %d: something stands behind the object; each customer has a line of her own", path, line)
	}
	l.line = line
	return append(out, l), nil
}
