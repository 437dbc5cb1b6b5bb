package telephone

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// event is what the carrier tells of a call.
type event struct {
	ID     string `json:"id"`
	At     string `json:"at"`
	Event  string `json:"event"`
	Call   string `json:"call"`
	From   string `json:"from"`
	Digits string `json:"digits"`
}

// reply is what inkan wants done in the call.
type reply struct {
	Language string   `json:"language"`
	Say      []string `json:"say"`
	Gather   int      `json:"gather"`
	HangUp   bool     `json:"hang_up"`
}

// tell sends an event, again under the same name where no answer came.
func (e *Exchange) tell(what event) (reply, error) {
	what.ID, what.At = rand.Text(), e.cfg.Now().UTC().Format(time.RFC3339)
	body, err := json.Marshal(what)
	if err != nil {
		return reply{}, err
	}
	var r reply
	for try := range 3 {
		if try > 0 {
			time.Sleep(300 * time.Millisecond)
		}
		var again bool
		if r, again, err = e.send(body); !again {
			break
		}
	}
	return r, err
}

func (e *Exchange) send(body []byte) (r reply, again bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	assertion, err := e.assertion()
	if err != nil {
		return r, false, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.cfg.API+"/v1/phone-events", bytes.NewReader(body))
	if err != nil {
		return r, false, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+assertion)
	res, err := e.cfg.HTTP.Do(req)
	if err != nil {
		return r, true, err
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return r, true, err
	}
	if res.StatusCode != http.StatusOK {
		return r, res.StatusCode >= 500, fmt.Errorf("telephone: answered %d", res.StatusCode)
	}
	return r, false, json.Unmarshal(answer, &r)
}

// assertion is the carrier's word for who it is (RFC 7523).
func (e *Exchange) assertion() (string, error) {
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: e.cfg.Key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", err
	}
	now := e.cfg.Now()
	return jwt.Signed(s).Claims(jwt.Claims{Issuer: e.cfg.ID, Subject: e.cfg.ID, Audience: jwt.Audience{e.cfg.API}, ID: rand.Text(), IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(time.Minute))}).Serialize()
}

// defaultClient has short limits and looks for names under localhost on this machine (RFC 6761), which not every resolver does.
func defaultClient() *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	return &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if host, port, err := net.SplitHostPort(addr); err == nil && strings.HasSuffix(host, ".localhost") {
				addr = net.JoinHostPort("localhost", port)
			}
			return dialer.DialContext(ctx, network, addr)
		}}}
}
