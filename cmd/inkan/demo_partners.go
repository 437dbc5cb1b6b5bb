package main

import (
	"context"
	"crypto/ecdsa"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"

	"github.com/inkan-auth/inkan/demo/bank"
	"github.com/inkan-auth/inkan/demo/telephone"
	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/connector/corebank"
	"github.com/inkan-auth/inkan/internal/connector/partner"
	telephony "github.com/inkan-auth/inkan/internal/connector/phone"
	"github.com/inkan-auth/inkan/internal/domain/phone"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/signing"
	"github.com/inkan-auth/inkan/internal/server/api"
)

// demoDial is the number that customers call in the demo.
const demoDial = "0120-111-222"

// demoCarrier is the name of the demo's carrier as a client of the API.
const demoCarrier = "demo-carrier"

// demoPartners are whom inkan asks and orders from in the demo, and the connectors that lead there, the same as in production.
type demoPartners struct {
	core      authority.CoreBanking
	telephone authority.Telephone
	books     http.Handler // the reference bank's core
	phones    *telephone.Exchange
	carrier   *ecdsa.PrivateKey
}

// newDemoPartners makes them, with keys that are kept beside the data. bankKey signs what the reference bank's core answers.
func newDemoPartners(data string, at func(name string) string, bankKey *ecdsa.PrivateKey, log *slog.Logger) (*demoPartners, error) {
	ours, err := demoClientKey(filepath.Join(data, "inkan.pem"))
	if err != nil {
		return nil, err
	}
	p := &demoPartners{}
	if p.carrier, err = demoClientKey(filepath.Join(data, "carrier.pem")); err != nil {
		return nil, err
	}
	var cards []bank.Card
	var subscribers []telephone.Subscriber
	for _, s := range seeds() {
		cards = append(cards, bank.Card{Ref: s.Ref, Branch: "101", AccountType: "普通", AccountNumber: s.Account(), PIN: s.PIN})
		who := telephone.Subscriber{Number: s.Phone, Name: s.Name, NameEN: s.NameEN}
		if s.Phone != "" && !slices.Contains(subscribers, who) {
			subscribers = append(subscribers, who)
		}
	}
	p.books = bank.NewCore(bank.CoreConfig{URL: at("core"), Asker: &ours.PublicKey, Key: bankKey, Cards: cards, Log: log})
	if p.phones, err = telephone.New(telephone.Config{URL: at("phone"), API: at("api"), ID: demoCarrier, Key: p.carrier, Asker: &ours.PublicKey, Dial: demoDial, Subscribers: subscribers, Log: log}); err != nil {
		return nil, err
	}
	toCore, err := partner.New(partner.Config{URL: at("core"), Key: ours, KeyID: "inkan", Answers: &bankKey.PublicKey, Here: true})
	if err != nil {
		return nil, err
	}
	toCarrier, err := partner.New(partner.Config{URL: at("phone") + telephone.GatewayPath, Key: ours, KeyID: "inkan", Here: true})
	if err != nil {
		return nil, err
	}
	p.core = corebank.New(toCore)
	p.telephone = telephony.New(toCarrier, phone.Kinds{Calls: true, Messages: true, Dial: demoDial})
	return p, nil
}

// register makes the carrier known to the API, once.
func (p *demoPartners) register(ctx context.Context, a *authority.Authority) error {
	public, err := signing.JWKOf(&p.carrier.PublicKey)
	if err != nil {
		return err
	}
	if _, err = a.CreateAPIClient(ctx, demoCarrier, []string{api.ScopePhone}, &public, ""); problem.KindOf(err) == problem.Conflict {
		return nil
	}
	return err
}
