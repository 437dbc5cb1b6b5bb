package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/inkan-auth/inkan/demo/bank"
	"github.com/inkan-auth/inkan/demo/mailbox"
	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/connector/keys"
	"github.com/inkan-auth/inkan/internal/connector/smtp"
	"github.com/inkan-auth/inkan/internal/domain/policy"
	"github.com/inkan-auth/inkan/internal/domain/signing"
	"github.com/inkan-auth/inkan/internal/server/api"
	"github.com/inkan-auth/inkan/internal/store"
	files "github.com/inkan-auth/inkan/web"
)

// demoFlags are the choices of somebody who tries Inkan out.
type demoFlags struct {
	listen, data, lang, lan string
	verbose, atOnce         bool
	wait, tokenLife         time.Duration
}

func demo(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var d demoFlags
	f := flag.NewFlagSet("demo", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&d.listen, "listen", "127.0.0.1:8080", "address of the one port that everything listens on")
	f.StringVar(&d.data, "data", "", "directory to keep the data in (default: a throw-away one)")
	f.StringVar(&d.lang, "lang", "ja", "language of this output: ja or en")
	f.StringVar(&d.lan, "lan", "", "also serve the token app to phones on this network, over TLS, under this name (such as mypc.local)")
	f.BoolVar(&d.atOnce, "at-once", false, "let the bank carry an approved transfer out by itself, instead of waiting for its customer to press the button")
	f.DurationVar(&d.wait, "wait", policy.Default().TransactionLife, "how long a transfer waits for the phone: 30s to 5m")
	f.DurationVar(&d.tokenLife, "token-life", policy.Default().TokenLife, "how long a token lives, before a renewal and after it: with 4296h, 179 days, it can be renewed at once, again and again")
	f.BoolVar(&d.verbose, "v", false, "log every request")
	if f.Parse(args) != nil || f.NArg() > 0 || d.lang != "ja" && d.lang != "en" {
		fmt.Fprintln(stderr, "usage: inkan demo [-listen host:port] [-data dir] [-lang ja|en] [-lan name] [-at-once] [-wait 5m] [-token-life 26280h] [-v]")
		return errUsage
	}
	if d.data == "" {
		dir, err := os.MkdirTemp("", "inkan-demo-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		d.data = dir
	}
	log := slog.New(slog.DiscardHandler)
	if d.verbose {
		log = slog.New(slog.NewTextHandler(stderr, nil))
	}
	public, err := net.Listen("tcp", d.listen)
	if err != nil {
		return fmt.Errorf("the port is taken or not ours; choose another with -listen 127.0.0.1:8090: %w", err)
	}
	return runDemo(ctx, d, public, log, stdout)
}

// runDemo builds the whole walk on one listener: a bank, the server, the token app, a mailbox, and a start page that explains it.
func runDemo(ctx context.Context, d demoFlags, public net.Listener, log *slog.Logger, stdout io.Writer) error {
	port := strconv.Itoa(public.Addr().(*net.TCPAddr).Port)
	at := func(name string) string { return "http://" + name + ".localhost:" + port }
	lan, err := newLAN(d)
	if err != nil {
		return err
	}
	defer lan.close()
	tokenOrigin := at("token")
	if lan != nil {
		tokenOrigin = lan.origin
	}
	keyDir := filepath.Join(d.data, "keys")
	if err := keys.Create(keyDir, tokenOrigin, time.Now(), files.Templates); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	_, err = os.Stat(filepath.Join(d.data, "inkan.db"))
	fresh := errors.Is(err, os.ErrNotExist)
	s, err := store.OpenSQLite(ctx, filepath.Join(d.data, "inkan.db"))
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	box, err := mailbox.New(mailbox.Config{Log: log})
	if err != nil {
		return err
	}
	defer func() { _ = box.Close(context.WithoutCancel(ctx)) }()
	smtpHost, smtpPort, err := net.SplitHostPort(box.Addr())
	if err != nil {
		return err
	}
	smtpPortNumber, err := strconv.Atoi(smtpPort)
	if err != nil {
		return err
	}
	clientKey, err := demoClientKey(filepath.Join(d.data, "bank.pem"))
	if err != nil {
		return err
	}
	theBank, err := bank.New(bank.Config{URL: at("bank"), Issuer: at("login"), ClientID: "reference-bank", ClientKey: clientKey, ClientKeyID: "1", SecurityCentre: at("login") + "/security",
		Customers: demoPersons(), API: at("api"), ExecuteAtOnce: d.atOnce, Phone: "0120-000-000", Log: log})
	if err != nil {
		return err
	}
	partners, err := newDemoPartners(d.data, at, clientKey, log)
	if err != nil {
		return err
	}
	p := policy.Default()
	p.FailuresPerSource = 300 // everybody who tries this out comes from one machine
	p.WaitAfterCancel = time.Minute
	p.TokenLife = d.tokenLife
	p.MailInterval = 5 * time.Second
	p.PushLoopback = true
	p.TransactionLife = d.wait
	p.StaffDeviceBound = false // a laptop's passkeys may be copied to its owner's other devices: they do for a look
	start, startPages, err := newStartPage(port, d, lan, tokenOrigin)
	if err != nil {
		return err
	}
	desk := new(demoDesk)
	h, err := build(ctx, parts{store: s, signIn: desk, keyDir: keyDir, policy: p, apiOrigin: at("api"), bankURL: at("bank"), log: log, gallery: true, here: true, together: true, core: partners.core, telephone: partners.telephone,
		mail: smtp.Config{Host: smtpHost, Port: smtpPortNumber, From: "印鑑銀行 <otp@inkan-bank.example>", Plain: true},
		bank: authority.Bank{NameJA: "印鑑銀行", NameEN: "Inkan Bank", LoginOrigin: at("login"), TokenOrigin: tokenOrigin, StaffOrigin: at("staff"), MailFrom: "otp@inkan-bank.example", Phone: "0120-000-000"},
		more: map[string]http.Handler{at("bank"): theBank, at("mail"): box.Handler(), at("phone"): partners.phones.Handler(), at("core"): partners.books, "http://localhost:" + port: startPages, "http://127.0.0.1:" + port: startPages}})
	if err != nil {
		return err
	}
	if err := seed(ctx, h.authority); err != nil {
		return err
	}
	if err := demoClient(ctx, h.authority, at("bank"), clientKey); err != nil {
		return err
	}
	if err := partners.register(ctx, h.authority); err != nil {
		return err
	}
	conf, err := demoConfig(d.data, port, tokenOrigin, smtpHost, smtpPortNumber)
	if err != nil {
		return err
	}
	if err := desk.open(ctx, h.authority, conf); err != nil {
		return err
	}
	start.desk = desk
	if fresh {
		if err := seedCases(ctx, desk); err != nil {
			return err
		}
		if err := seedCallback(ctx, h.authority); err != nil {
			return err
		}
		if err := seedHistory(ctx, s, desk.members(), time.Now()); err != nil {
			return err
		}
	}
	announce(stdout, d.lang, port, tokenOrigin)
	listeners := []listening{{public, h.handler, nil}}
	if lan != nil {
		listeners = append(listeners, listening{lan.app, lan.only(h.handler), lan.conf}, listening{lan.trust, lan, nil})
	}
	return h.run(ctx, listeners...)
}

// demoClientKey is the bank's own key, kept beside the data so that a second start is still known.
func demoClientKey(path string) (*ecdsa.PrivateKey, error) {
	if b, err := os.ReadFile(path); err == nil { //nolint:gosec // our own directory
		if block, _ := pem.Decode(b); block != nil {
			if k, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
				return k, nil
			}
		}
		return nil, fmt.Errorf("%s is not a key: remove it", path)
	}
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		return nil, err
	}
	return k, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}

func demoClient(ctx context.Context, a *authority.Authority, bankURL string, key *ecdsa.PrivateKey) error {
	if _, err := a.OIDCClient(ctx, "reference-bank"); err == nil {
		return nil
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: "1", Algorithm: "ES256", Use: "sig"}}})
	if err != nil {
		return err
	}
	public, err := signing.JWKOf(&key.PublicKey)
	if err != nil {
		return err
	}
	if _, err := a.CreateAPIClient(ctx, "reference-bank", []string{api.ScopeCreate, api.ScopeConsume, api.ScopeEvidence, api.ScopeCustomer, api.ScopeAssurance}, &public, ""); err != nil {
		return err
	}
	_, err = a.CreateOIDCClient(ctx, authority.OIDCClient{ID: "reference-bank", Name: "Inkan Bank", Method: authority.PrivateKeyJWT, JWKS: string(set),
		RedirectURIs: []string{bankURL + bank.CallbackPath}, PostLogoutURIs: []string{bankURL + bank.LoggedOutPath}, LogoutURI: bankURL + bank.BackChannelPath})
	return err
}

// seeded is a customer of the demo.
type seeded struct {
	Ref, LoginID, Login, Confirm, Name, NameEN, Kana, Mail string
	First                                                  bool   // the passwords are still the bank's
	Hint                                                   string // key of the sentence that says what she is for
	Phone, PIN                                             string // the number on file, and of her cash card
}

// Account is the number of her representative account.
func (s seeded) Account() string { return s.Ref[7:] }

// seeds are the people of the demo: each for one part of the walk.
func seeds() []seeded {
	out := []seeded{
		{"0101-1-1000001", "hanako01", "hatsu-login-1", "hatsu-kakunin-1", "山田 花子", "Hanako Yamada", "ヤマダ ハナコ", "hanako@mail.localhost.example", true, "seed.first", "090-1000-0001", "2580"},
		{"0101-1-1000002", "taro02", "umi-to-yama-22", "kaze-to-kumo-22", "佐藤 太郎", "Taro Sato", "サトウ タロウ", "taro@mail.localhost.example", false, "seed.ready", "080-1000-0002", "1357"},
		{"0101-1-1000003", "jiro03", "umi-to-yama-33", "kaze-to-kumo-33", "鈴木 次郎", "Jiro Suzuki", "スズキ ジロウ", "jiro+bounce@mail.localhost.example", false, "seed.bounce", "090-1000-0003", "9071"},
	}
	for n := 4; n <= 13; n++ {
		out = append(out, seeded{fmt.Sprintf("0101-1-10000%02d", n), fmt.Sprintf("contract%02d", n), fmt.Sprintf("umi-to-yama-%02d", n), fmt.Sprintf("kaze-to-kumo-%02d", n),
			"高橋 桜", "Sakura Takahashi", "タカハシ サクラ", fmt.Sprintf("sakura%02d@mail.localhost.example", n), false, "seed.many", "070-1000-0004", fmt.Sprintf("70%02d", n)})
	}
	return append(out,
		seeded{"0101-1-1000014", "shizuka14", "umi-to-yama-14", "kaze-to-kumo-14", "渡辺 静", "Shizuka Watanabe", "ワタナベ シズカ", "shizuka@mail.localhost.example", false, "seed.landline", "03-1000-0014", "6428"},
		seeded{"0101-1-1000015", "minoru15", "umi-to-yama-15", "kaze-to-kumo-15", "伊藤 稔", "Minoru Ito", "イトウ ミノル", "minoru@mail.localhost.example", false, "seed.nophone", "", "3196"})
}

func demoPersons() map[string]bank.Person {
	out := map[string]bank.Person{}
	for _, s := range seeds() {
		out[s.Ref] = bank.Person{Name: s.Name, NameEn: s.NameEN, Kana: s.Kana}
	}
	return out
}

// seed imports the people that are not there yet, several at a time because hashing is slow on purpose.
func seed(ctx context.Context, a *authority.Authority) error {
	var wg sync.WaitGroup
	errs := make(chan error, len(seeds()))
	for _, s := range seeds() {
		wg.Go(func() {
			n := authority.NewCustomer{Ref: s.Ref, LoginID: s.LoginID, LoginPassword: s.Login, ConfirmPassword: s.Confirm, Name: s.Name, Kana: s.Kana, Mail: s.Mail,
				Phone: s.Phone, Branch: "101", AccountType: "普通", AccountNumber: s.Account(), KeepPasswords: !s.First}
			var bad authority.ErrImport
			if err := a.ImportCustomer(ctx, n); err != nil && (!errors.As(err, &bad) || bad.Why != "is taken") {
				errs <- err
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}

// announce prints where to begin.
func announce(w io.Writer, lang, port, tokenOrigin string) {
	if lang == "en" {
		fmt.Fprintf(w, "\n  Inkan is running. Open  http://localhost:%s  – it explains the walk.\n\n", port)
		fmt.Fprintf(w, "  %-12s %-16s %-18s %s\n", "login ID", "login password", "confirmation", "")
	} else {
		fmt.Fprintf(w, "\n  印鑑(Inkan)が動いています。ブラウザで  http://localhost:%s  を開いてください。手順をご案内します。\n\n", port)
		fmt.Fprintf(w, "  %-12s %-16s %-18s\n", "login ID", "login password", "confirmation password")
	}
	for _, s := range seeds()[:4] {
		fmt.Fprintf(w, "  %-12s %-16s %-18s %s\n", s.LoginID, s.Login, s.Confirm, s.Name)
	}
	fmt.Fprintf(w, "  …\n\n  bank    http://bank.localhost:%[1]s\n  login   http://login.localhost:%[1]s\n  token   %[2]s\n  mail    http://mail.localhost:%[1]s\n  phone   http://phone.localhost:%[1]s\n  api     http://api.localhost:%[1]s\n  staff   http://staff.localhost:%[1]s\n\n  Ctrl+C\n", port, tokenOrigin)
}
