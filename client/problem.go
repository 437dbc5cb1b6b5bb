package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Kinds of refusal that a caller usually tells apart.
const (
	KindNotFound       = "not-found"
	KindIdempotency    = "idempotency-conflict"     // The key was used before with another content.
	KindPending        = "transaction-pending"      // Another transaction of this customer waits for her; value "id".
	KindOff            = "transaction-auth-off"     // The customer does not use transaction authentication.
	KindStopped        = "transfers-stopped"        // The customer has said that she did not ask for a transaction.
	KindFrozen         = "transfers-frozen"         // The bank has frozen transfers for everybody.
	KindServiceStopped = "service-stopped"          // The customer's whole service is stopped.
	KindTokenNone      = "token-none"               // No phone of hers can confirm.
	KindTokenExpired   = "token-expired"            // Her token must be renewed first.
	KindOTPLocked      = "otp-locked"               // Too many wrong codes; her token is locked.
	KindFields         = "fields-refused"           // A field does not fit the template; values "field" and "reason".
	KindDecided        = "transaction-decided"      // It is over or approved already; value "state".
	KindExpired        = "transaction-expired"      // Her time to answer has run out.
	KindOfflineWrong   = "offline-wrong"            // The offline code is wrong; value "tries_left".
	KindOfflineBlocked = "offline-blocked"          // No further offline code is taken.
	KindOfflineUnfit   = "offline-unfit"            // It needs her fingerprint, face or screen lock, which no code can prove.
	KindNotApproved    = "transaction-not-approved" // It cannot be consumed as it stands; value "state".
	KindConsumed       = "transaction-consumed"     // Another request id has its permit.
	KindMismatch       = "permit-mismatch"          // What is about to be executed is not what she approved; value "field".
	KindLapsed         = "transaction-lapsed"       // The approval is too old to be executed.
)

const problemPrefix = "urn:inkan:problem:"

// Problem is a refusal by the server: nothing was done.
type Problem struct {
	Kind   string         // What it is, such as KindPending.
	Status int            // HTTP status, always below 500.
	Title  string         // A sentence for people who read logs.
	Values map[string]any // What the refusal says beyond its kind.
}

// Error names the kind; values stay out of logs.
func (p *Problem) Error() string { return fmt.Sprintf("inkan: %s (%d)", p.Kind, p.Status) }

// Text is a value that is a text, or empty.
func (p *Problem) Text(name string) string {
	s, _ := p.Values[name].(string)
	return s
}

// Number is a value that is a whole number, or 0.
func (p *Problem) Number(name string) int {
	f, _ := p.Values[name].(float64)
	return int(f)
}

// Unavailable says that there is no answer to rely on: the request may have been carried out or not. Repeating it with the same key is safe.
type Unavailable struct {
	Status int    // HTTP status of what came back; 0 if nothing did.
	Kind   string // Kind of the problem document, where a failure of the server came with one.
	Err    error
}

// Error says what came instead of an answer.
func (u *Unavailable) Error() string {
	if u.Status == 0 {
		return "inkan: no answer: " + u.Err.Error()
	}
	return fmt.Sprintf("inkan: no answer to rely on (%d): %v", u.Status, u.Err)
}

// Unwrap gives the cause, such as context.DeadlineExceeded.
func (u *Unavailable) Unwrap() error { return u.Err }

// passing says whether asking again at once may help: the connection broke, or what stands in front says that the server is away or full. It does not
// after a time limit: the caller has waited long enough to decide for itself.
func (u *Unavailable) passing() bool {
	if errors.Is(u.Err, context.DeadlineExceeded) || errors.Is(u.Err, context.Canceled) {
		return false
	}
	switch u.Status {
	case 0, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// readProblem reads a problem document (RFC 9457). The status is the one of the answer, whatever the document says.
func readProblem(status int, raw []byte) (*Problem, error) {
	p := &Problem{Status: status}
	if err := json.Unmarshal(raw, &p.Values); err != nil {
		return nil, err
	}
	kind, ok := strings.CutPrefix(p.Text("type"), problemPrefix)
	if !ok || kind == "" {
		return nil, errors.New("a problem document of somebody else")
	}
	p.Kind, p.Title = kind, p.Text("title")
	for _, known := range []string{"type", "title", "status", "detail", "instance"} {
		delete(p.Values, known)
	}
	return p, nil
}
