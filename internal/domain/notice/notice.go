// Package notice is what is said to customers outside of any page: mails, and what became of them.
package notice

import (
	"errors"
	"time"
)

// Mail is one message, ready to be sent.
type Mail struct {
	ID            string // stable, so that a repeated delivery is recognised
	To            string
	Subject, Body string
	Date          time.Time
}

// ErrBounced is what a mailer wraps when the address can never be reached; any other error is tried again.
var ErrBounced = errors.New("the address does not exist")

// Subscription is where a browser can be woken, as it has told us itself (RFC 8030). The endpoint is a secret between the browser, its push service and us.
type Subscription struct {
	Endpoint string `json:"endpoint"`
	P256DH   string `json:"p256dh"`
	Auth     string `json:"auth"`
}
