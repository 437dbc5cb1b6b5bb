package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/otp"
	"github.com/inkan-auth/inkan/internal/domain/signing"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
)

// errNotTheBank is said when something that should be the bank's does not hold.
var errNotTheBank = errors.New("this was not signed by the bank's key: do not confirm anything, and call the bank")

// waiting is a transaction that may be shown: its offer, and its document with the templates that it is shown by, all verified down to the pinned root.
type waiting struct {
	offer    string
	document transaction.Document
	bundle   *transaction.Bundle
}

// inbox is the server's answer to GET /v1/transactions.
type inbox struct {
	Now       time.Time `json:"now"`
	Templates string    `json:"templates"`
	IssuerKey string    `json:"issuer_key"`
	Pending   []offered `json:"pending"`
	Recent    []offered `json:"recent"`
}

type offered struct {
	Offer    string `json:"offer"`
	State    string `json:"state"`
	Decided  string `json:"decided"`
	Language string `json:"language"`
}

// ask makes a request with the token's proof and reads the answer.
func (c *call) ask(ctx context.Context, t *tokenEntry, method, path string, body []byte) (int, []byte, error) {
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), t.SigningKey)
	if err != nil {
		return 0, nil, errors.New("the token's key is damaged")
	}
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	proof, err := signing.MakeProof(signing.Proof{Token: t.ID, ID: base64.RawURLEncoding.EncodeToString(id), Method: method, URL: t.Issuer + path, Time: c.now().Add(t.offset()), Body: signing.BodyHash(body)}, signer(key))
	if err != nil {
		return 0, nil, err
	}
	return c.send(ctx, method, t.Issuer, path, body, http.Header{"DPoP": {proof}})
}

// fetch gets what waits, after it has sent what an earlier run could not send.
func (c *call) fetch(ctx context.Context, t *tokenEntry) (inbox, error) {
	var in inbox
	if err := c.flush(ctx, t); err != nil {
		return in, err
	}
	status, body, err := c.ask(ctx, t, http.MethodGet, "/v1/transactions", nil)
	if err != nil {
		return in, err
	}
	if status != http.StatusOK {
		if _, err := c.look(ctx, t); err == nil && t.over() {
			return in, errors.New(t.standing())
		}
		return in, refusal(body)
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return in, errors.New("the server's answer cannot be read")
	}
	if in.Templates != "" { // kept for the time without a network
		t.IssuerKey, t.Templates = in.IssuerKey, in.Templates
		return in, c.wallet.save()
	}
	return in, nil
}

// open verifies an offer as docs/protocol.md asks for: issuer, customer, time, templates, and the form of every field.
func (c *call) open(t *tokenEntry, offer string) (waiting, error) {
	now := c.now().Add(t.offset())
	root := c.wallet.Roots[t.Issuer]
	issuer, key, by, err := signing.ParseIssuerKey(t.IssuerKey, now)
	if err != nil || issuer != t.Issuer || by.Thumbprint() != root {
		return waiting{}, errNotTheBank
	}
	bundle, err := transaction.ParseTemplates(t.Templates, root)
	if err != nil || bundle.Issuer != t.Issuer {
		return waiting{}, errNotTheBank
	}
	e, err := signing.Parse(signing.TypOffer, offer)
	if err != nil || e.Kid != key.Thumbprint() || e.Verify(key) != nil {
		return waiting{}, errNotTheBank
	}
	doc, err := transaction.ParseDocument(e.Payload, bundle)
	if err != nil {
		return waiting{}, fmt.Errorf("the bank's document cannot be shown as it stands, so it cannot be confirmed: %w", err)
	}
	certificate, err := signing.ParseCertificate(t.Certificate, key)
	if err != nil || certificate.Customer != doc.Customer || doc.Issuer != t.Issuer {
		return waiting{}, errNotTheBank
	}
	return waiting{offer, doc, bundle}, nil
}

// transactions lists what waits and what was.
func transactions(ctx context.Context, c *call) error {
	t, err := c.pick()
	if err != nil {
		return err
	}
	in, err := c.fetch(ctx, t)
	if err != nil {
		return err
	}
	for _, p := range in.Pending {
		w, err := c.open(t, p.Offer)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.stdout, "%s  waits for you until %s\n%s\n\n", w.document.ID, w.document.Expires.Format("15:04:05Z"), indent(w.bundle.Render(w.document, c.lang)))
		fmt.Fprintf(c.stderr, "Is somebody on the telephone telling you to do this? The bank never asks for an approval.\n  inkan-token approve %[1]s\n  inkan-token reject %[1]s\n  inkan-token report %[1]s     I did not ask for this\n", w.document.ID)
	}
	if len(in.Pending) == 0 {
		fmt.Fprintln(c.stdout, "Nothing waits for you.")
	}
	for _, r := range in.Recent {
		w, err := c.open(t, r.Offer)
		if err != nil {
			continue // of an older version of the templates: it can no longer be answered
		}
		title, _, _ := w.bundle.Lines(w.document, c.lang)
		fmt.Fprintf(c.stdout, "%s  %s  %s  %s\n", w.document.ID, w.document.Issued.Format("2006-01-02 15:04Z"), r.State, title)
	}
	return nil
}

func indent(s string) string { return "  | " + strings.ReplaceAll(s, "\n", "\n  | ") }

// decide makes the command for one answer.
func decide(answer transaction.Answer) func(context.Context, *call) error {
	return func(ctx context.Context, c *call) error {
		if len(c.args) == 0 {
			return missing("say which transaction: inkan-token transactions shows what waits for you, with its number")
		}
		id := c.args[0]
		c.args = c.args[1:]
		t, err := c.pick()
		if err != nil {
			return err
		}
		in, err := c.fetch(ctx, t)
		if err != nil {
			return err
		}
		for _, p := range append(slices.Clone(in.Pending), in.Recent...) {
			w, err := c.open(t, p.Offer)
			if err != nil || w.document.ID != id {
				continue
			}
			if p.State != "pending" && answer != transaction.NotMe { // a report is never too late
				return fmt.Errorf("%s is %s; nothing was sent", id, p.State)
			}
			fmt.Fprintln(c.stdout, indent(w.bundle.Render(w.document, c.lang)))
			if err := w.approvable(answer); err != nil {
				return err
			}
			decision, err := c.sign(t, w, answer)
			if err != nil {
				return err
			}
			return c.deliver(ctx, t, decision)
		}
		return fmt.Errorf("%s does not wait for you: inkan-token transactions shows what does", id)
	}
}

// approvable says why this token cannot approve what the bank wants confirmed by the customer herself: it has nothing to ask her with.
func (w waiting) approvable(answer transaction.Answer) error {
	if t, _ := w.bundle.Template(w.document.Template); answer == transaction.Yes && !transaction.NoVerification.Covers(t.Verification) {
		return errors.New("this has to be confirmed with fingerprint, face or screen lock, and inkan-token has none of them: it cannot be approved here, only rejected or reported; nothing was sent")
	}
	return nil
}

// sign makes a decision and keeps it before anything is sent.
func (c *call) sign(t *tokenEntry, w waiting, answer transaction.Answer) (string, error) {
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), t.SigningKey)
	if err != nil {
		return "", errors.New("the token's key is damaged")
	}
	t.Decisions++
	d := transaction.Decision{Transaction: w.document.ID, Document: w.document.Hash, Offer: signing.Hash(w.offer), Bundle: w.bundle.Hash, Display: signing.Hash(w.bundle.Render(w.document, c.lang)), Language: c.lang,
		Answer: answer, Reason: c.reason, Time: c.now().Add(t.offset()), Counter: t.Decisions, Previous: t.Previous, Verification: transaction.NoVerification, Token: t.ID}
	_, _ = rand.Read(d.Nonce[:]) // never fails
	decision, err := transaction.MakeDecision(d, signer(key))
	if err != nil {
		return "", err
	}
	if _, _, err := transaction.ParseDecision(decision); err != nil {
		return "", fmt.Errorf("-reason %q does not go with this answer", c.reason)
	}
	t.Previous = signing.Hash(decision)
	t.Unsent = append(t.Unsent, decision)
	return decision, c.wallet.save()
}

// deliver sends a decision and forgets it when the server has answered, whatever it has answered.
func (c *call) deliver(ctx context.Context, t *tokenEntry, decision string) error {
	body, err := json.Marshal(map[string]string{"decision": decision})
	if err != nil {
		return err
	}
	status, answer, err := c.ask(ctx, t, http.MethodPost, "/v1/decisions", body)
	if err != nil || status >= http.StatusInternalServerError {
		return fmt.Errorf("your answer is kept and is sent again by the next command (%w)", errors.Join(err, httpError(status)))
	}
	t.Unsent = slices.DeleteFunc(t.Unsent, func(d string) bool { return d == decision })
	if err := c.wallet.save(); err != nil {
		return err
	}
	if status != http.StatusOK {
		return refusal(answer)
	}
	var done struct {
		State string `json:"state"`
	}
	if err := json.Unmarshal(answer, &done); err != nil {
		return errors.New("the server's answer cannot be read")
	}
	fmt.Fprintf(c.stdout, "%s\n", done.State)
	return nil
}

func httpError(status int) error {
	if status == 0 {
		return nil
	}
	return fmt.Errorf("the server answered %d", status)
}

// flush sends what an earlier run could not send. What the server refuses is said and no longer kept.
func (c *call) flush(ctx context.Context, t *tokenEntry) error {
	for _, d := range slices.Clone(t.Unsent) {
		err := c.deliver(ctx, t, d)
		if err != nil && slices.Contains(t.Unsent, d) {
			return err
		}
		if err != nil {
			fmt.Fprintf(c.stderr, "an answer kept from before: %v\n", err)
		}
	}
	return nil
}

// offline confirms without a network: it reads the text of the QR code on the bank's page, shows what it says, and gives the eight digits to be typed there.
func offline(ctx context.Context, c *call) error {
	text := "-"
	if len(c.args) > 0 && (c.args[0] == "-" || strings.HasPrefix(c.args[0], "INKAN1:")) {
		text, c.args = c.args[0], c.args[1:]
	}
	t, err := c.pick()
	if err != nil {
		return err
	}
	if text == "-" {
		if text, err = bufio.NewReader(io.LimitReader(c.stdin, 16<<10)).ReadString('\n'); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		text = strings.TrimRight(text, "\r\n")
	}
	offer, err := transaction.FromQR(text)
	if err != nil {
		return errors.New("this is not the text of the bank's QR code; it begins with INKAN1:")
	}
	if t.Templates == "" {
		if _, err := c.fetch(ctx, t); err != nil { // the first time, and only then, the bank is asked
			return fmt.Errorf("what the bank's orders are shown by has not been fetched yet, and that takes a network once: run inkan-token transactions where there is one (%w)", err)
		}
	}
	w, err := c.open(t, offer)
	if err != nil {
		return err
	}
	if !c.now().Add(t.offset()).Before(w.document.Expires) {
		return fmt.Errorf("its time ended at %s: order it again at the bank", w.document.Expires.Format("15:04:05Z"))
	}
	e, err := signing.Parse(signing.TypOffer, offer)
	if err != nil {
		return errNotTheBank
	}
	fmt.Fprintln(c.stdout, indent(w.bundle.Render(w.document, c.lang)))
	if err := w.approvable(transaction.Yes); err != nil {
		return err
	}
	if _, err := c.sign(t, w, transaction.Yes); err != nil {
		return err
	}
	code := otp.OCRA(t.OCRAKey, sha256.Sum256(e.Payload))
	fmt.Fprintf(c.stdout, "%s %s\n", code[:4], code[4:])
	fmt.Fprintln(c.stderr, "Type these eight digits on the bank's page only if you read there what you read here. The signed answer follows when there is a network again.")
	return nil
}
