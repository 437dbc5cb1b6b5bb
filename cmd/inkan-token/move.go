package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/otp"
)

// moveState is a move as the server tells of it (docs/protocol.md, Moving).
type moveState struct {
	State   string    `json:"state"`
	Link    string    `json:"link"`
	Expires time.Time `json:"expires"`
	Check   string    `json:"check"`
	Asked   string    `json:"asked"`
}

// move brings a token to another device. Where the token is in use it shows the link for the new one; where it has registered by such a link it shows itself with its first code, once the old one
// has approved. Both may be run as often as one likes.
func move(ctx context.Context, c *call) error {
	t, err := c.pick()
	if err != nil {
		return err
	}
	waits, err := c.look(ctx, t)
	if err != nil {
		return err
	}
	if t.Moving {
		return c.finishMove(ctx, t, *waits)
	}
	if t.over() {
		return errors.New(t.standing())
	}
	code, body, err := c.ask(ctx, t, http.MethodPost, "/v1/moves", []byte("{}"))
	if err != nil {
		return fmt.Errorf("nothing is lost: run the same command again (%w)", err)
	}
	if code != http.StatusOK {
		return refusal(body)
	}
	var m moveState
	if json.Unmarshal(body, &m) != nil {
		return errors.New("the server's answer cannot be read")
	}
	if m.State == "registered" {
		fmt.Fprintf(c.stdout, "Another device has registered and shows %s. If you hold it in your hand: inkan-token transactions, and approve there.\n", m.Check)
		return nil
	}
	fmt.Fprintf(c.stdout, "On the new device, until %s:\n  inkan-token register -link '%s'\nThen approve here what it asks: inkan-token transactions\n", m.Expires.Local().Format("15:04"), m.Link)
	return nil
}

// finishMove is the first code of the new device.
func (c *call) finishMove(ctx context.Context, t *tokenEntry, m moveState) error {
	switch m.Asked {
	case "approved", "": // without a question the old one was busy: asking again has it asked
	case "pending":
		fmt.Fprintf(c.stdout, "This device shows %s. Approve on the old one if it shows the same, then run this command again.\n", m.Check)
		return nil
	default:
		return errors.New("the old device did not approve: it goes on working; inkan-token remove forgets this one")
	}
	step := time.Duration(t.StepSeconds) * time.Second
	body, err := json.Marshal(map[string]string{"code": otp.Code(t.OTPKey, otp.StepAt(c.now().Add(t.offset()), step), t.Digits)})
	if err != nil {
		return err
	}
	code, got, err := c.ask(ctx, t, http.MethodPost, "/v1/moves/finish", body)
	if err != nil {
		return fmt.Errorf("nothing is lost: run the same command again (%w)", err)
	}
	if code != http.StatusOK {
		return refusal(got)
	}
	t.State, t.Moving = "active", false
	if err := c.wallet.save(); err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "%s is in use here now, and no longer on the old device.\n", t.ID)
	return nil
}
