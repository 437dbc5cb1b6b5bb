package authority

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/enrolment"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/signing"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// Registered is the server's answer to a registration.
type Registered struct {
	Answer   string // envelope (docs/protocol.md, The answer)
	Repeated bool   // the same request had been answered before
}

// Register redeems a registration key and number for a token (docs/protocol.md, Registration). The same request gives the same answer as often as it is
// sent, so a lost answer costs nothing. A request that is wrong counts against the enrolment it can be laid to; five burn it.
func (a *Authority) Register(ctx context.Context, by audit.Actor, compact string) (Registered, error) {
	now, err := a.moment()
	if err != nil {
		return Registered{}, err
	}
	if err := a.sourceOpen(ctx, by.Source, now); err != nil {
		return Registered{}, err
	}
	req, err := signing.ParseRegistration(compact)
	if err != nil || req.Issuer != a.Bank.TokenOrigin {
		return Registered{}, problem.New(problem.Malformed)
	}
	typed, errKey := enrolment.ParseKey(req.Key)
	if errKey != nil || enrolment.ParseNumber(req.Number) != nil || typed != (req.Enrolment == "") {
		return Registered{}, problem.New(problem.Malformed)
	}
	var out Registered
	var customerID, asked string // what the old phone is asked about a new one
	err = a.do(ctx, by, audit.TokenRegister, func(ctx context.Context, d *deed) error {
		out, asked = Registered{}, ""
		if done, err := d.answered(ctx, req); done.Answer != "" || err != nil {
			out = done
			return err
		}
		row, err := d.findEnrolment(ctx, req)
		if errors.Is(err, store.ErrNone) {
			out, err = d.answeredOr(ctx, req, problem.RegistrationRefused)
			return err
		}
		if err != nil {
			return err
		}
		d.on(row.Customer, row.ID)
		customerID = row.Customer
		if bytes.Equal(row.RequestHash, req.Hash[:]) { // this very request was refused before; an app that missed the answer pays for it once
			return problem.New(problem.RegistrationRefused, "tries_left", a.Rules().RegistrationTries-int(row.Tries))
		}
		n, err := d.CountEnrolmentTry(ctx, db.CountEnrolmentTryParams{ID: row.ID, ExpiresAt: store.Micros(d.now), Tries: int64(a.Rules().RegistrationTries), RequestHash: req.Hash[:]})
		if errors.Is(err, store.ErrNone) {
			out, err = d.answeredOr(ctx, req, problem.RegistrationRefused)
			return err
		}
		if err != nil {
			return err
		}
		keyMAC, want := a.codeMAC(req.Key), row.KeySecretMac
		if typed {
			want = row.KeyTypedMac
		}
		right := subtle.ConstantTimeCompare(keyMAC, want) & subtle.ConstantTimeCompare(a.codeMAC(req.Number), row.NumberMac)
		made := row.KeyExpiresAt - a.Rules().RegistrationKeyLife.Microseconds()
		if row.Purpose == string(enrolment.Release) { // its key lives long, on paper; the order before it is what the fence is compared with
			made = row.OrderedAt
		}
		alive := store.Time(row.KeyExpiresAt).After(d.now) && made > d.fence(ctx)
		if right != 1 || !alive {
			if int(n) >= a.Rules().RegistrationTries {
				e := store.Enrolment(row)
				return errors.Join(d.endEnrolment(ctx, e, enrolment.Burn), d.burnt(ctx, e), d.refuse(problem.New(problem.RegistrationBurnt)))
			}
			return d.refuse(problem.New(problem.RegistrationRefused, "tries_left", a.Rules().RegistrationTries-int(n)))
		}
		out.Answer, err = d.redeem(ctx, row, req, compact, typed, &asked)
		return err
	})
	if asked != "" {
		a.tell(asked, customerID)
	}
	if k := problem.KindOf(err); k == problem.RegistrationRefused || k == problem.RegistrationBurnt {
		err = errors.Join(err, a.sourceFailed(ctx, by.Source, now))
	}
	return out, err
}

// answered finds the answer that this very request was given before.
func (d *deed) answered(ctx context.Context, req signing.Registration) (Registered, error) {
	done, err := d.EnrolmentByRequest(ctx, req.Hash[:])
	if errors.Is(err, store.ErrNone) {
		return Registered{}, nil
	}
	d.on(done.Customer, done.Token)
	return Registered{Answer: done.Answer, Repeated: true}, err
}

// answeredOr looks once more before it refuses: the same request, sent twice at once, may have been answered since the first look.
func (d *deed) answeredOr(ctx context.Context, req signing.Registration, k problem.Kind) (Registered, error) {
	done, err := d.answered(ctx, req)
	if err == nil && done.Answer == "" {
		err = problem.New(k)
	}
	return done, err
}

// findEnrolment finds the enrolment that a request is to be laid to: by its identifier from the QR, or by either of the typed codes.
func (d *deed) findEnrolment(ctx context.Context, req signing.Registration) (db.Enrolment, error) {
	if req.Enrolment != "" {
		if ident.Check(ident.Enrolment, req.Enrolment) != nil {
			return db.Enrolment{}, store.ErrNone
		}
		row, err := d.EnrolmentByID(ctx, req.Enrolment)
		if err == nil && row.State != string(enrolment.Ordered) {
			err = store.ErrNone
		}
		return row, err
	}
	row, err := d.EnrolmentByNumber(ctx, d.a.codeMAC(req.Number))
	if errors.Is(err, store.ErrNone) {
		return d.EnrolmentByTypedKey(ctx, d.a.codeMAC(req.Key))
	}
	return row, err
}

// redeem makes the token: agrees its keys, certifies the device key, and uses the enrolment up, all in the write of the deed.
func (d *deed) redeem(ctx context.Context, row db.Enrolment, req signing.Registration, compact string, typed bool, asked *string) (string, error) {
	a := d.a
	if err := d.unfrozen(ctx, Registrations); err != nil {
		return "", err
	}
	n, err := d.DownloadsSince(ctx, db.DownloadsSinceParams{Customer: row.Customer, RegisteredAt: store.Micros(d.now.Add(-a.Rules().DownloadWindow))})
	if err != nil {
		return "", err
	}
	if int(n) >= a.Rules().Downloads {
		return "", problem.New(problem.DownloadsUsedUp, "limit", a.Rules().Downloads)
	}
	c, err := d.CustomerByID(ctx, row.Customer)
	if err != nil {
		return "", err
	}
	if c.State != "active" {
		return "", problem.New(problem.RegistrationRefused)
	}
	t := token.Token{ID: a.newID(ident.Token, d.now), Customer: row.Customer, Generation: 1, Expires: d.now.Add(a.Rules().TokenLife).Truncate(time.Second)}
	by := "qr"
	if typed {
		by = "typed"
	}
	issuer := a.Keys.Issuer()
	certificate, err := signing.MakeCertificate(signing.Certificate{Issuer: a.Bank.TokenOrigin, Token: t.ID, Customer: a.pairwise(row.Customer), KeyThumbprint: req.SigningKey.Thumbprint(),
		NotBefore: d.now, Expires: t.Expires, Generation: t.Generation, ActivatedBy: by}, issuer.Kid, a.Keys.SignIssuer)
	if err != nil {
		return "", err
	}
	// The agreement key lives for this one registration; the standard library's own source of randomness makes it.
	own, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return "", err
	}
	theirs, err := req.Agreement.ECDH()
	if err != nil {
		return "", problem.New(problem.Malformed)
	}
	z, err := own.ECDH(theirs)
	if err != nil {
		return "", problem.New(problem.Malformed)
	}
	answer, err := signing.MakeAnswer(signing.Answer{Issuer: a.Bank.TokenOrigin, Request: req.Hash, Token: t.ID, Agreement: signing.JWK(own.PublicKey().Bytes()), Digits: a.Rules().OTPDigits,
		Step: a.Rules().OTPStep, Now: d.now, Contract: a.contract(c), Certificate: certificate}, issuer.Kid, a.Keys.SignIssuer)
	if err != nil {
		return "", err
	}
	keys, err := signing.DeriveKeys(z, compact, answer, a.Bank.TokenOrigin, t.ID)
	if err != nil {
		return "", err
	}
	otpKey, err := a.Keys.Seal("token.otp_key", tokenPlace("otp_key", t), keys.OTP)
	if err != nil {
		return "", err
	}
	ocraKey, err := a.Keys.Seal("token.ocra_key", tokenPlace("ocra_key", t), keys.OCRA)
	if err != nil {
		return "", err
	}
	once, err := store.Once(d.RedeemEnrolment(ctx, db.RedeemEnrolmentParams{ID: row.ID, Token: t.ID, RequestHash: req.Hash[:], Answer: answer, ExpiresAt: store.Micros(d.now)}))
	if err != nil {
		return "", err
	}
	if !once {
		return "", problem.New(problem.RegistrationRefused)
	}
	d.object = t.ID
	d.detail = map[string]string{"platform": req.Platform, "by": by, "enrolment": row.ID, "purpose": row.Purpose}
	err = d.InsertToken(ctx, db.InsertTokenParams{ID: t.ID, Customer: row.Customer, Enrolment: row.ID, Generation: int64(t.Generation), Platform: req.Platform,
		SigningKey: req.SigningKey[:], KeyThumbprint: req.SigningKey.Thumbprint(), Certificate: certificate, OtpKey: otpKey, OcraKey: ocraKey, Digits: int64(a.Rules().OTPDigits),
		StepSeconds: int64(a.Rules().OTPStep / time.Second), LastStep: 0, RegisteredAt: store.Micros(d.now), ExpiresAt: store.Micros(t.Expires)})
	if err == nil {
		err = d.tellObject(ctx, row.Customer, "token_registered", t.ID, map[string]string{"phone": req.Platform})
	}
	if err != nil || row.Purpose != string(enrolment.Move) {
		return answer, err
	}
	made, err := d.TokenByID(ctx, t.ID)
	if err != nil {
		return "", err
	}
	if *asked, err = d.askMove(ctx, row, made); problem.KindOf(err) == problem.TransactionPending { // the new phone asks for it again when it wants to start
		err = nil
	}
	return answer, err
}

// contract is what the app shows of the contract.
func (a *Authority) contract(c db.Customer) signing.Contract {
	return signing.Contract{BankJA: a.Bank.NameJA, BankEN: a.Bank.NameEN, Account: store.Customer(c).MaskedAccount()}
}

// pairwise is the customer's name towards tokens: it cannot be traced back without our keys.
func (a *Authority) pairwise(customerID string) string {
	return ident.New(ident.Customer, time.UnixMilli(0), [10]byte(a.Keys.MAC("pairwise", []byte(customerID))[:10]))
}

// fence is the moment below which nothing is accepted any more. A failure to read it closes the door.
func (d *deed) fence(ctx context.Context) int64 {
	f, err := d.Fence(ctx)
	if err != nil {
		return 1<<63 - 1
	}
	return f.NotBefore
}

// burnt writes down, in the same write, that an enrolment has ended by wrong tries, and for what purpose it was.
func (d *deed) burnt(ctx context.Context, e enrolment.Enrolment) error {
	by := d.by
	by.Kind, by.ID = audit.Server, ""
	return d.Record(ctx, audit.Entry{ID: d.a.newID(ident.Entry, d.now), At: d.now, Actor: by, Action: audit.EnrolmentBurn, Customer: d.customer, Object: e.ID, Outcome: audit.Done, Detail: map[string]string{"purpose": string(e.Purpose)}})
}
