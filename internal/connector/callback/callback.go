// Package callback calls systems of the bank at addresses that the operator has registered: no redirect is followed, no answer is read further than its
// status, and time is short.
package callback

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Caller is a client for such calls.
type Caller struct{ client *http.Client }

// New makes a caller. With here, names below localhost are looked for on this machine, as browsers do; it is for the demo.
func New(here bool) *Caller {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	return &Caller{&http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if host, port, err := net.SplitHostPort(addr); here && err == nil && strings.HasSuffix(host, ".localhost") {
				addr = net.JoinHostPort("127.0.0.1", port)
			}
			return dialer.DialContext(ctx, network, addr)
		}}}}
}

// PostForm sends a form and takes any 2xx answer for success.
func (c *Caller) PostForm(ctx context.Context, address string, form map[string]string) error {
	values := url.Values{}
	for k, v := range form {
		values.Set(k, v)
	}
	return c.Post(ctx, address, "application/x-www-form-urlencoded", values.Encode())
}

// Post sends a body of a media type and takes any 2xx answer for success.
func (c *Caller) Post(ctx context.Context, address, mediaType, body string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		return fmt.Errorf("callback: %w", err)
	}
	r.Header.Set("Content-Type", mediaType)
	res, err := c.client.Do(r)
	if err != nil {
		return fmt.Errorf("callback: the other side cannot be reached: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("callback: answered %d", res.StatusCode)
	}
	return nil
}
