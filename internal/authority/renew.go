package authority

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"strconv"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/customer"
	"github.com/inkan-auth/inkan/internal/domain/enrolment"
	"github.com/inkan-auth/inkan/internal/domain/otp"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/renewal"
	"github.com/inkan-auth/inkan/internal/domain/signing"
	"github.com/inkan-auth/inkan/internal/domain/token"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// renewalsPerDay is how many renewals one token may begin in 24 hours: its app needs one, and another for every time in which it lost what it had.
const renewalsPerDay = 20

// Renewal is what the token app is answered when it renews its keys.
type Renewal struct {
	Envelope  string // the answer (R1) or the receipt (R2)
	IssuerKey string // the root's word for the key that signed it
	Repeated  bool   // the same had been answered before
}

// Renew is R1 of a renewal (docs/protocol.md, Renewal): the app asks for its next keys, signed by those in use. Nothing of the token changes. The same request is given the same answer while it is
// open; a later one takes its place.
func (a *Authority) Renew(ctx context.Context, source, compact string) (out Renewal, err error) {
	req, envelope, err := signing.ParseRenewal(compact)
	if err != nil || req.Issuer != a.Bank.TokenOrigin {
		return out, problem.New(problem.Malformed)
	}
	row, err := a.Store.Reader().TokenByID(ctx, req.Token)
	if err = a.signedNow(ctx, req.Token, envelope, row.SigningKey, err); err != nil {
		return out, err
	}
	by := audit.Actor{Kind: audit.Token, ID: row.ID, Device: row.Platform, Source: source}
	err = a.do(ctx, by, audit.RenewalOpen, func(ctx context.Context, d *deed) error {
		out = Renewal{}
		d.on(row.Customer, row.ID)
		d.detail = map[string]string{"generation": strconv.Itoa(req.Generation)}
		before, err := d.RenewalOf(ctx, db.RenewalOfParams{Token: req.Token, ID: req.ID})
		switch {
		case err == nil && before.State == string(renewal.Open) && bytes.Equal(before.RequestHash, req.Hash[:]): // the answer was lost on the way, or the app was killed
			out = Renewal{Envelope: before.Answer, Repeated: true}
			return nil
		case err == nil:
			return problem.New(problem.RenewalNone)
		case !errors.Is(err, store.ErrNone):
			return err
		}
		tok, err := d.TokenByID(ctx, req.Token)
		if err != nil {
			return err
		}
		t := store.Token(tok)
		if !bytes.Equal(tok.SigningKey, row.SigningKey) { // renewed since it was looked at
			return problem.New(problem.KeyRenewed)
		}
		c, err := d.CustomerByID(ctx, t.Customer)
		if err != nil {
			return err
		}
		if err := d.renewable(t, c); err != nil {
			return err
		}
		if req.Generation != t.Generation+1 || req.SigningKey == signing.JWK(tok.SigningKey) {
			return problem.New(problem.RenewalRefused)
		}
		n, err := d.RenewalsSince(ctx, db.RenewalsSinceParams{Token: t.ID, CreatedAt: store.Micros(d.now.Add(-24 * time.Hour))})
		if err != nil {
			return err
		}
		if n >= renewalsPerDay {
			return problem.New(problem.Throttled, "retry_after", 3600)
		}
		late := t.ShownState(d.now) == token.Expired
		if late {
			if err := d.takeNumber(ctx, t, req); err != nil || d.kept != nil {
				return err
			}
			d.detail["late"] = "yes"
		}
		out.Envelope, err = d.openRenewal(ctx, t, c, req, compact, late)
		return err
	})
	if err != nil {
		return out, err
	}
	out.IssuerKey, err = a.issuerWordOf(ctx, out.Envelope)
	return out, err
}

// renewable says whether a token's keys can be renewed now. A lock or a suspension stays what it is: no renewal launders it.
func (d *deed) renewable(t token.Token, c db.Customer) error {
	p := *d.a.Rules()
	switch {
	case c.State != string(customer.Active):
		return problem.New(problem.ServiceStopped)
	case t.State == token.Locked:
		return problem.New(problem.OTPLocked)
	case t.State != token.Active && t.State != token.Expired:
		return problem.New(problem.TokenNone)
	}
	if from := t.Expires.Add(-p.RenewalFrom); d.now.Before(from) {
		return problem.New(problem.RenewalEarly, "from", from)
	}
	if !d.now.Before(t.Expires.Add(p.RenewalGrace)) {
		return problem.New(problem.RenewalLate, "expired", t.Expires)
	}
	return nil
}

// takeNumber uses up the mailed number that an expired token is renewed with. A try is counted before the number is looked at; a request that comes again is not counted again.
func (d *deed) takeNumber(ctx context.Context, t token.Token, req signing.Renewal) error {
	p := *d.a.Rules()
	needed := problem.New(problem.RenewalNumberNeeded, "expired", t.Expires)
	if req.Number == "" {
		return needed
	}
	row, err := d.RenewalNumberOf(ctx, t.ID)
	if errors.Is(err, store.ErrNone) {
		return needed
	}
	if err != nil {
		return err
	}
	if bytes.Equal(row.Tried, req.Hash[:]) && row.State == "open" {
		return problem.New(problem.RenewalNumberWrong, "tries_left", p.NumberTries-int(row.Tries))
	}
	n, err := d.CountNumberTry(ctx, db.CountNumberTryParams{Token: t.ID, Tried: req.Hash[:], Now: store.Micros(d.now), Hard: int64(p.NumberTries)})
	if errors.Is(err, store.ErrNone) {
		if row.State == "burnt" {
			return problem.New(problem.RenewalNumberBurnt)
		}
		return needed
	}
	if err != nil {
		return err
	}
	if row.CreatedAt <= d.fence(ctx) {
		return needed
	}
	end := func(state string) error {
		return store.Must(d.EndRenewalNumber(ctx, db.EndRenewalNumberParams{Token: t.ID, State: state}))
	}
	if subtle.ConstantTimeCompare(row.NumberMac, d.a.renewalMAC(t.ID, req.Number)) == 1 {
		return end("used")
	}
	if left := p.NumberTries - int(n); left > 0 {
		return d.refuse(problem.New(problem.RenewalNumberWrong, "tries_left", left))
	}
	return errors.Join(end("burnt"), d.also(ctx, audit.RenewalBurn, t.ID), d.refuse(problem.New(problem.RenewalNumberBurnt)))
}

func (a *Authority) renewalMAC(tokenID, number string) []byte {
	return a.Keys.MAC("renewal", []byte(tokenID+"|"+number))
}

// openRenewal makes the next keys and keeps them beside the ones in use.
func (d *deed) openRenewal(ctx context.Context, t token.Token, c db.Customer, req signing.Renewal, compact string, late bool) (string, error) {
	a := d.a
	expires := d.now.Add(a.Rules().TokenLife).Truncate(time.Second)
	issuer := a.Keys.Issuer()
	certificate, err := signing.MakeCertificate(signing.Certificate{Issuer: a.Bank.TokenOrigin, Token: t.ID, Customer: a.pairwise(t.Customer), KeyThumbprint: req.SigningKey.Thumbprint(),
		NotBefore: d.now, Expires: expires, Generation: req.Generation, ActivatedBy: "renewal"}, issuer.Kid, a.Keys.SignIssuer)
	if err != nil {
		return "", err
	}
	own, err := ecdh.P256().GenerateKey(rand.Reader) // it lives for this one renewal
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
	answer, err := signing.MakeRenewalAnswer(signing.Answer{Issuer: a.Bank.TokenOrigin, Request: req.Hash, Token: t.ID, Agreement: signing.JWK(own.PublicKey().Bytes()), Digits: a.Rules().OTPDigits,
		Step: a.Rules().OTPStep, Now: d.now, Contract: a.contract(c), Certificate: certificate}, issuer.Kid, a.Keys.SignIssuer)
	if err != nil {
		return "", err
	}
	keys, err := signing.DeriveRenewedKeys(z, compact, answer, a.Bank.TokenOrigin, t.ID)
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
	if _, err := d.SupersedeRenewal(ctx, db.SupersedeRenewalParams{Token: t.ID, EndedAt: store.Micros(d.now)}); err != nil {
		return "", err
	}
	return answer, d.InsertRenewal(ctx, db.InsertRenewalParams{Token: t.ID, ID: req.ID, Generation: int64(req.Generation), Late: late, Platform: req.Platform, RequestHash: req.Hash[:], Answer: answer,
		SigningKey: req.SigningKey[:], KeyThumbprint: req.SigningKey.Thumbprint(), Certificate: certificate, OtpKey: otpKey, OcraKey: ocraKey, Digits: int64(a.Rules().OTPDigits),
		StepSeconds: int64(a.Rules().OTPStep / time.Second), ExpiresAt: store.Micros(expires), Tried: []byte{}, CreatedAt: store.Micros(d.now)})
}

// ConfirmRenewal is R2: a code of the next keys, signed by the next key, proves that the app has them; then, in one statement, they take the place of those in use. Whoever has confirmed gets the
// same receipt as often as she asks.
func (a *Authority) ConfirmRenewal(ctx context.Context, source, compact string) (out Renewal, err error) {
	req, envelope, err := signing.ParseConfirmation(compact)
	if err != nil {
		return out, problem.New(problem.Malformed)
	}
	row, err := a.Store.Reader().RenewalOf(ctx, db.RenewalOfParams{Token: req.Token, ID: req.Renewal})
	if err = signedBy(envelope, row.SigningKey, err); err != nil {
		return out, err
	}
	tok, err := a.Store.Reader().TokenByID(ctx, row.Token)
	if err != nil {
		return out, err
	}
	by := audit.Actor{Kind: audit.Token, ID: row.Token, Device: row.Platform, Source: source}
	err = a.do(ctx, by, audit.TokenRenew, func(ctx context.Context, d *deed) error {
		out = Renewal{}
		d.on(tok.Customer, row.Token)
		d.detail = map[string]string{"generation": strconv.Itoa(int(row.Generation)), "platform": row.Platform}
		r, err := d.RenewalOf(ctx, db.RenewalOfParams{Token: row.Token, ID: row.ID})
		if err != nil {
			return err
		}
		switch renewal.State(r.State) {
		case renewal.Open:
		case renewal.Confirmed:
			out = Renewal{Envelope: r.Receipt, Repeated: true}
			return nil
		case renewal.Burnt:
			return problem.New(problem.RenewalBurnt)
		default:
			return problem.New(problem.RenewalNone)
		}
		out.Envelope, err = d.confirmRenewal(ctx, r, req)
		return err
	})
	if err != nil {
		return out, err
	}
	out.IssuerKey, err = a.issuerWordOf(ctx, out.Envelope)
	return out, err
}

func (d *deed) confirmRenewal(ctx context.Context, r db.Renewal, req signing.Confirmation) (string, error) {
	a := d.a
	tok, err := d.TokenByID(ctx, r.Token)
	if err != nil {
		return "", err
	}
	t := store.Token(tok)
	c, err := d.CustomerByID(ctx, t.Customer)
	if err != nil {
		return "", err
	}
	if err := d.renewable(t, c); err != nil {
		return "", err
	}
	if t.ShownState(d.now) == token.Expired && !r.Late { // begun in time, and not ended in time
		return "", problem.New(problem.RenewalNumberNeeded, "expired", t.Expires)
	}
	if bytes.Equal(r.Tried, req.Hash[:]) {
		return "", problem.New(problem.RenewalCodeWrong, "tries_left", a.Rules().RenewalTries-int(r.Tries))
	}
	n, err := d.CountRenewalTry(ctx, db.CountRenewalTryParams{Token: r.Token, ID: r.ID, Tried: req.Hash[:], Hard: int64(a.Rules().RenewalTries)})
	if errors.Is(err, store.ErrNone) {
		return "", store.ErrConflict
	}
	if err != nil {
		return "", err
	}
	key, err := a.Keys.Open("token.otp_key", tokenPlace("otp_key", t), r.OtpKey)
	if err != nil {
		return "", err
	}
	// The code is of the step before: the one that the app shows now stays good for the customer.
	length := time.Duration(r.StepSeconds) * time.Second
	before := otp.StepAt(d.now, length) - 1
	step, verdict := otp.Check(key, req.Code, int(r.Digits), otp.Window{From: before - a.Rules().MaxDrift, At: before, To: before + a.Rules().MaxDrift}, 0)
	if verdict != otp.Right || req.Answer != signing.Hash(r.Answer) {
		if left := a.Rules().RenewalTries - int(n); left > 0 {
			return "", d.refuse(problem.New(problem.RenewalCodeWrong, "tries_left", left))
		}
		return "", errors.Join(store.Must(d.BurnRenewal(ctx, db.BurnRenewalParams{Token: r.Token, ID: r.ID, EndedAt: store.Micros(d.now)})), d.also(ctx, audit.RenewalBurn, t.ID),
			d.refuse(problem.New(problem.RenewalBurnt)))
	}
	return d.switchToken(ctx, t, r, step, otp.LearnDrift(step, before, a.Rules().MaxDrift))
}

// switchToken puts the next keys in the place of those in use, which are kept for what they have signed.
func (d *deed) switchToken(ctx context.Context, t token.Token, r db.Renewal, step, drift int64) (string, error) {
	a := d.a
	least := d.now
	if r.Late {
		least = d.now.Add(-a.Rules().RenewalGrace)
	}
	issuer := a.Keys.Issuer()
	receipt, err := signing.MakeReceipt(signing.Receipt{Issuer: a.Bank.TokenOrigin, Token: t.ID, Renewal: r.ID, Generation: int(r.Generation), KeyThumbprint: r.KeyThumbprint, Time: d.now},
		issuer.Kid, a.Keys.SignIssuer)
	if err != nil {
		return "", err
	}
	if err := store.Must(d.KeepGeneration(ctx, db.KeepGenerationParams{Now: store.Micros(d.now), ID: t.ID, Generation: r.Generation - 1})); err != nil {
		return "", err
	}
	switched, err := store.Once(d.SwitchToken(ctx, db.SwitchTokenParams{ID: t.ID, Generation: r.Generation, Platform: r.Platform, SigningKey: r.SigningKey, KeyThumbprint: r.KeyThumbprint,
		Certificate: r.Certificate, OtpKey: r.OtpKey, OcraKey: r.OcraKey, Digits: r.Digits, StepSeconds: r.StepSeconds, LastStep: step, Drift: drift, ExpiresAt: r.ExpiresAt,
		Least: store.Micros(least), StepAt: stepStart(*a.Rules(), step), Renewal: r.ID}))
	if err != nil {
		return "", err
	}
	if !switched { // between reading and writing it was stopped, locked or renewed otherwise: look again, and say which
		return "", store.ErrConflict
	}
	return receipt, errors.Join(
		store.Must(d.ConfirmRenewal(ctx, db.ConfirmRenewalParams{Token: t.ID, ID: r.ID, Receipt: receipt, EndedAt: store.Micros(d.now)})),
		d.cool(ctx, t.Customer, TokenRenewed, t.ID, true),
		d.tellObject(ctx, t.Customer, "token_renewed", t.ID, map[string]string{"phone": r.Platform, "expires_on": store.Time(r.ExpiresAt).Format(time.RFC3339)}))
}

// tokenExpired says whether the customer's token is past its date.
func (a *Authority) tokenExpired(ctx context.Context, customerID string) (bool, error) {
	now, err := a.moment()
	if err != nil {
		return false, err
	}
	row, err := a.Store.Reader().CurrentToken(ctx, customerID)
	if errors.Is(err, store.ErrNone) {
		return false, nil
	}
	return err == nil && store.Token(row).ShownState(now) == token.Expired, err
}

// ExpiredToken is the token of a session whose customer has to renew it before she can log in.
type ExpiredToken struct {
	Expired time.Time
	Until   time.Time // from then on only another token helps
	Number  time.Time // until when a mailed number is good; zero where there is none
	Mail    string    // the masked address that it went to
}

// ExpiredTokenOf tells how the way back of an expired token stands.
func (a *Authority) ExpiredTokenOf(ctx context.Context, s Session) (out ExpiredToken, err error) {
	now, err := a.moment()
	if err != nil {
		return out, err
	}
	row, err := a.Store.Reader().CurrentToken(ctx, s.Customer)
	t := store.Token(row)
	if errors.Is(err, store.ErrNone) || err == nil && t.ShownState(now) != token.Expired {
		return out, problem.New(problem.TokenNone)
	}
	if err != nil {
		return out, err
	}
	out = ExpiredToken{Expired: t.Expires, Until: t.Expires.Add(a.Rules().RenewalGrace)}
	number, err := a.Store.Reader().RenewalNumberOf(ctx, t.ID)
	if errors.Is(err, store.ErrNone) || err == nil && (number.State != "open" || number.ExpiresAt <= store.Micros(now)) {
		return out, nil
	}
	if err != nil {
		return out, err
	}
	out.Number = store.Time(number.ExpiresAt)
	addresses, err := a.Store.Reader().AddressesOf(ctx, s.Customer)
	if err == nil && len(addresses) > 0 {
		out.Mail = customer.MaskAddress(addresses[len(addresses)-1].Mail)
	}
	return out, err
}

// OrderRenewal mails the number with which an expired token is renewed in its app. It is all that the login password alone leads to, and it takes the confirmation password: whoever has both and
// not the mailbox, or not the phone with the token, gets no further.
func (a *Authority) OrderRenewal(ctx context.Context, s Session, confirm []byte) error {
	c, err := a.customer(ctx, s.Customer)
	if err != nil {
		return err
	}
	expired, err := a.ExpiredTokenOf(ctx, s)
	if err != nil {
		return err
	}
	now, err := a.moment()
	if err != nil {
		return err
	}
	if !now.Before(expired.Until) {
		return problem.New(problem.RenewalLate, "expired", expired.Expired)
	}
	if err := a.checkPassword(ctx, s.Actor(), audit.RenewalOrder, c, confirmPassword, confirm); err != nil {
		return err
	}
	return a.do(ctx, s.Actor(), audit.RenewalOrder, func(ctx context.Context, d *deed) error {
		d.on(c.ID, "")
		row, err := d.CurrentToken(ctx, c.ID)
		if err != nil {
			return orNone(err, problem.TokenNone)
		}
		t := store.Token(row)
		d.object = t.ID
		if t.ShownState(d.now) != token.Expired {
			return problem.New(problem.TokenNone)
		}
		if err := d.notTooSoon(ctx, c.ID, "renewal_number"); err != nil {
			return err
		}
		addresses, err := d.AddressesOf(ctx, c.ID)
		if err != nil {
			return err
		}
		if len(addresses) == 0 {
			return problem.New(problem.AddressRefused)
		}
		to := store.Address(addresses[len(addresses)-1])
		if until := to.Since.Add(a.Rules().ObjectionTime); until.After(d.now) && store.Time(row.RegisteredAt).Before(to.Since) { // whoever has just put an address of his own on file reads no number there
			return problem.New(problem.WaitingTime, "until", until)
		}
		number := enrolment.Digits([16]byte(a.random(16)), enrolment.NumberDigits)
		expires := d.now.Add(a.Rules().EnrolmentLife)
		return errors.Join(
			d.PutRenewalNumber(ctx, db.PutRenewalNumberParams{Token: t.ID, NumberMac: a.renewalMAC(t.ID, number), Tried: []byte{}, CreatedAt: store.Micros(d.now), ExpiresAt: store.Micros(expires)}),
			d.mail(ctx, to, "renewal_number", map[string]string{"number": number[:4] + " " + number[4:], "app": a.Bank.TokenOrigin, "expires": expires.UTC().Format(time.RFC3339)}, expires))
	})
}

// orNone makes a refusal of what is not there.
func orNone(err error, k problem.Kind) error {
	if errors.Is(err, store.ErrNone) {
		return problem.New(k)
	}
	return err
}

// issuerWordOf is the root's word for the issuer key that has signed an envelope, perhaps some time ago.
func (a *Authority) issuerWordOf(ctx context.Context, envelope string) (string, error) {
	issuer := a.Keys.Issuer()
	kid, err := signing.KidOf(envelope)
	if err != nil || kid == issuer.Kid {
		return issuer.Envelope, err
	}
	word, err := a.Store.Reader().LatestIssuerWord(ctx, kid)
	if errors.Is(err, store.ErrNone) {
		return issuer.Envelope, nil
	}
	return word, err
}
