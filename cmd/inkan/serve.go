package main

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/connector/smtp"
	"github.com/inkan-auth/inkan/internal/store"
)

func serve(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flag.NewFlagSet("serve", flag.ContinueOnError)
	f.SetOutput(stderr)
	path := f.String("config", "", "configuration file (docs/operations.md shows one)")
	if f.Parse(args) != nil || *path == "" || f.NArg() > 0 {
		fmt.Fprintln(stderr, "usage: inkan serve -config inkan.toml")
		return errUsage
	}
	c, err := readConfig(*path)
	if err != nil {
		return err
	}
	var level slog.Level
	if c.Log.Level != "" {
		if err := level.UnmarshalText([]byte(c.Log.Level)); err != nil {
			return fmt.Errorf("log.level: %w", err)
		}
	}
	log := slog.New(slog.NewJSONHandler(stdout, &slog.HandlerOptions{Level: level}))
	s, err := openStore(ctx, c)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	p, err := c.parts(s, log)
	if err != nil {
		return err
	}
	h, err := build(ctx, p)
	if err != nil {
		return err
	}
	var conf *tls.Config
	if c.TLS.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(c.TLS.Certificate, c.TLS.Key)
		if err != nil {
			return fmt.Errorf("tls: %w", err)
		}
		conf = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	}
	public, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return err
	}
	internal, err := net.Listen("tcp", c.Internal)
	if err != nil {
		return err
	}
	listeners := []listening{{public, h.handler, conf}, {internal, h.internal, nil}}
	if h.staff != nil {
		console, err := net.Listen("tcp", c.Staff)
		if err != nil {
			return err
		}
		listeners = append(listeners, listening{console, h.staff, conf})
	}
	log.Info("ready", "listen", public.Addr().String(), "internal", internal.Addr().String(), "staff", c.Staff, "database", s.Engine())
	return h.run(ctx, listeners...)
}

func openStore(ctx context.Context, c Config) (*store.Store, error) {
	if c.Database.SQLite != "" {
		return store.OpenSQLite(ctx, c.Database.SQLite)
	}
	address, err := secretFile(c.Database.PostgresFile)
	if err != nil {
		return nil, fmt.Errorf("database.postgres_file: %w", err)
	}
	n := c.Database.Connections
	if n <= 0 {
		n = 16
	}
	return store.OpenPostgres(ctx, address, n)
}

// parts turns a checked configuration into what the house is built from.
func (c Config) parts(s *store.Store, log *slog.Logger) (parts, error) {
	p := parts{store: s, keyDir: c.Keys.Directory, policy: c.Policy.policy(), apiOrigin: c.Hosts.API, bankURL: c.Bank.URL, log: log,
		mail: smtp.Config{Host: c.Mail.Host, Port: c.Mail.Port, From: c.Mail.From, User: c.Mail.User, Plain: c.Mail.Plain},
		bank: authority.Bank{NameJA: c.Bank.NameJA, NameEN: c.Bank.NameEN, LoginOrigin: c.Hosts.Login, TokenOrigin: c.Hosts.Token, StaffOrigin: c.Hosts.Staff, MailFrom: bare(c.Mail.From), Phone: c.Bank.Phone}}
	for _, t := range c.Proxy.Trusted {
		prefix, err := netip.ParsePrefix(t)
		if err != nil {
			return p, err
		}
		p.trusted = append(p.trusted, prefix)
	}
	if err := c.partners(&p); err != nil {
		return p, err
	}
	if c.Mail.PasswordFile != "" {
		var err error
		if p.mail.Password, err = secretFile(c.Mail.PasswordFile); err != nil {
			return p, fmt.Errorf("mail.password_file: %w", err)
		}
	}
	return p, nil
}

// bare is the address inside a sender such as "Inkan Bank <otp@bank.example>".
func bare(from string) string {
	if _, rest, ok := strings.Cut(from, "<"); ok {
		return strings.TrimSuffix(strings.TrimSpace(rest), ">")
	}
	return from
}
