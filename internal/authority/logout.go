package authority

import (
	"context"
	"encoding/json"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// loginEnded is the topic of outbox rows that tell a system of the bank that a login has ended here.
const loginEnded = "login_ended"

// endedLogin is what such a row says.
type endedLogin struct {
	Client  string `json:"client"`
	Address string `json:"address"`
	Subject string `json:"sub"`
	Session string `json:"sid"`
}

// tellBank puts the end of a login into the outbox, for every client that logged the customer in through it and wants to know: a session ends at both sides.
func (d *deed) tellBank(ctx context.Context, customerID, chain string) error {
	clients, err := d.ClientsToTell(ctx, chain)
	if err != nil || len(clients) == 0 {
		return err
	}
	c, err := d.CustomerByID(ctx, customerID)
	if err != nil {
		return err
	}
	for _, client := range clients {
		plain, err := json.Marshal(endedLogin{client.ID, client.LogoutUri, c.Ref, chain})
		if err != nil {
			return err
		}
		id := d.a.newID(ident.Outbox, d.now)
		sealed, err := d.a.Keys.Seal("outbox", "outbox.sealed|"+id, plain)
		if err != nil {
			return err
		}
		// What it says is moot when the bank's own session has ended by age.
		err = d.InsertOutbox(ctx, db.InsertOutboxParams{ID: id, Customer: customerID, Topic: loginEnded, Sealed: sealed, CreatedAt: store.Micros(d.now), ExpiresAt: store.Micros(d.now.Add(d.a.Rules().SessionLife))})
		if err != nil {
			return err
		}
	}
	return nil
}

// deliverLogout sends a logout token (OpenID Connect Back-Channel Logout 1.0, section 2.4), signed with the key of ID tokens.
func (a *Authority) deliverLogout(ctx context.Context, row db.Outbox, now time.Time) error {
	plain, err := a.Keys.Open("outbox", "outbox.sealed|"+row.ID, row.Sealed)
	if err != nil {
		return a.endDelivery(ctx, row, now, "dead", "unreadable")
	}
	var e endedLogin
	if err := json.Unmarshal(plain, &e); err != nil {
		return a.endDelivery(ctx, row, now, "dead", "unreadable")
	}
	token, err := a.logoutToken(ctx, e, row.ID, now)
	if err != nil {
		return err
	}
	callCtx, cancel := context.WithTimeout(ctx, deliverLease-5*time.Second)
	defer cancel()
	if a.Caller.PostForm(callCtx, e.Address, map[string]string{"logout_token": token}) != nil {
		return a.retryDelivery(ctx, row, now)
	}
	return a.endDelivery(ctx, row, now, "sent", "")
}

func (a *Authority) logoutToken(ctx context.Context, e endedLogin, id string, now time.Time) (string, error) {
	keys, err := a.OIDCKeys(ctx)
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(map[string]any{"iss": a.Bank.LoginOrigin, "aud": e.Client, "sub": e.Subject, "sid": e.Session, "jti": id, "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(),
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": struct{}{}}})
	if err != nil {
		return "", err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: keys[0].Private, KeyID: keys[0].ID, Algorithm: string(jose.ES256)}}, (&jose.SignerOptions{}).WithType("logout+jwt"))
	if err != nil {
		return "", err
	}
	jws, err := signer.Sign(claims)
	if err != nil {
		return "", err
	}
	return jws.CompactSerialize()
}
