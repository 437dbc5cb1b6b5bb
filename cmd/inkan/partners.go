package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/inkan-auth/inkan/internal/connector/corebank"
	"github.com/inkan-auth/inkan/internal/connector/partner"
	telephony "github.com/inkan-auth/inkan/internal/connector/phone"
	"github.com/inkan-auth/inkan/internal/connector/sip"
	"github.com/inkan-auth/inkan/internal/domain/phone"
)

// client is the way to a partner; nil where there is none.
func (p configPartner) client(name string) (*partner.Client, error) {
	if p.URL == "" {
		return nil, nil //nolint:nilnil // no partner is no error
	}
	c := partner.Config{URL: p.URL, KeyID: p.KeyID}
	if c.KeyID == "" {
		c.KeyID = "inkan"
	}
	var err error
	if p.Key != "" {
		if c.Key, err = requestKey(p.Key); err != nil {
			return nil, fmt.Errorf("%s.key: %w", name, err)
		}
	}
	if p.Certificate != "" {
		if _, err := secretFile(p.CertificateKey); err != nil {
			return nil, fmt.Errorf("%s.certificate_key: %w", name, err)
		}
		pair, err := tls.LoadX509KeyPair(p.Certificate, p.CertificateKey)
		if err != nil {
			return nil, fmt.Errorf("%s.certificate: %w", name, err)
		}
		c.Certificate = &pair
	}
	if p.CA != "" {
		b, err := os.ReadFile(p.CA)
		if err != nil {
			return nil, fmt.Errorf("%s.ca: %w", name, err)
		}
		if c.Roots = x509.NewCertPool(); !c.Roots.AppendCertsFromPEM(b) {
			return nil, fmt.Errorf("%s.ca: %s holds no certificate", name, p.CA)
		}
	}
	if p.Answers != "" {
		if c.Answers, err = answerKey(p.Answers); err != nil {
			return nil, fmt.Errorf("%s.answers: %w", name, err)
		}
	}
	client, err := partner.New(c)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return client, nil
}

// requestKey reads a private key that others cannot read, as `openssl ecparam -genkey` or `openssl genpkey` writes it.
func requestKey(path string) (*ecdsa.PrivateKey, error) {
	text, err := secretFile(path)
	if err != nil {
		return nil, err
	}
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, fmt.Errorf("%s holds no EC key: make one with `openssl ecparam -name prime256v1 -genkey -noout`", path)
		}
		key, err := x509.ParseECPrivateKey(block.Bytes)
		if err != nil {
			var parsed any
			parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
			key, _ = parsed.(*ecdsa.PrivateKey)
		}
		if err == nil && key != nil {
			return key, onP256(&key.PublicKey)
		}
	}
}

// answerKey reads a public key.
func answerKey(path string) (*ecdsa.PublicKey, error) {
	b, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("%s holds no public key", path)
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	key, ok := parsed.(*ecdsa.PublicKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("%s holds no EC public key", path)
	}
	return key, onP256(key)
}

func onP256(key *ecdsa.PublicKey) error {
	if key.Curve != elliptic.P256() {
		return errors.New("the key must be on the curve P-256")
	}
	return nil
}

// partners adds whom a bank has besides its mail server.
func (c Config) partners(p *parts) error {
	core, err := c.Core.client("core")
	if err != nil {
		return err
	}
	if core != nil {
		p.core = corebank.New(core)
	}
	t := c.Telephone
	gateway, err := t.client("telephone")
	if err != nil {
		return err
	}
	kinds := phone.Kinds{Calls: t.Calls, Messages: t.Messages, Dial: t.Dial}
	switch {
	case gateway != nil:
		p.telephone = telephony.New(gateway, kinds)
	case t.Dial != "":
		p.telephone = telephony.New(nil, kinds)
	}
	if t.SIP.Listen == "" {
		return nil
	}
	p.sip = &sip.Config{Listen: t.SIP.Listen}
	for _, n := range t.SIP.Trusted {
		prefix, err := netip.ParsePrefix(n)
		if err != nil {
			return err
		}
		p.sip.Trusted = append(p.sip.Trusted, prefix)
	}
	return nil
}
