package web

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/inkan-auth/inkan/internal/domain/problem"
)

// statuses is the one table from kind to status.
var statuses = map[problem.Kind]int{
	problem.Malformed:   http.StatusBadRequest,
	problem.NotFound:    http.StatusNotFound,
	problem.Forbidden:   http.StatusForbidden,
	problem.Conflict:    http.StatusConflict,
	problem.Unavailable: http.StatusServiceUnavailable,
	problem.Busy:        http.StatusServiceUnavailable,
	problem.Throttled:   http.StatusTooManyRequests,
	problem.SessionOver: http.StatusUnauthorized,
	problem.StepUp:      http.StatusForbidden,
	problem.BadClient:   http.StatusUnauthorized,
	problem.LoginOver:   http.StatusForbidden,

	problem.LoginRefused:    http.StatusUnauthorized,
	problem.ConfirmRefused:  http.StatusForbidden,
	problem.PasswordRefused: http.StatusForbidden,
	problem.FactorBlocked:   http.StatusForbidden,
	problem.PasswordWeak:    http.StatusUnprocessableEntity,
	problem.ServiceStopped:  http.StatusForbidden,
	problem.StopRefused:     http.StatusUnauthorized,

	problem.OTPWrong:      http.StatusForbidden,
	problem.ResyncRefused: http.StatusForbidden,
	problem.OTPUsed:       http.StatusConflict,
	problem.CodeForm:      http.StatusUnprocessableEntity,
	problem.OTPLocked:     http.StatusForbidden,
	problem.TokenExpired:  http.StatusForbidden,
	problem.TokenNone:     http.StatusConflict,
	problem.TokenInUse:    http.StatusConflict,
	problem.ProofRefused:  http.StatusUnauthorized,

	problem.RenewalEarly:        http.StatusConflict,
	problem.RenewalLate:         http.StatusGone,
	problem.RenewalNumberNeeded: http.StatusForbidden,
	problem.RenewalNumberWrong:  http.StatusForbidden,
	problem.RenewalNumberBurnt:  http.StatusForbidden,
	problem.RenewalRefused:      http.StatusForbidden,
	problem.RenewalNone:         http.StatusConflict,
	problem.RenewalCodeWrong:    http.StatusForbidden,
	problem.RenewalBurnt:        http.StatusGone,
	problem.KeyRenewed:          http.StatusConflict,

	problem.CardRefused:      http.StatusForbidden,
	problem.ReissueOver:      http.StatusGone,
	problem.ServiceRunning:   http.StatusConflict,
	problem.TransfersRunning: http.StatusConflict,
	problem.Unchanged:        http.StatusConflict,
	problem.IncidentOpen:     http.StatusConflict,
	problem.ReleaseRefused:   http.StatusUnprocessableEntity,
	problem.ReleaseNone:      http.StatusNotFound,

	problem.EnrolmentOpen:       http.StatusConflict,
	problem.EnrolmentNone:       http.StatusConflict,
	problem.WaitingTime:         http.StatusConflict,
	problem.DownloadsUsedUp:     http.StatusConflict,
	problem.RegistrationRefused: http.StatusForbidden,
	problem.RegistrationBurnt:   http.StatusGone,
	problem.StartRefused:        http.StatusForbidden,
	problem.StartBurnt:          http.StatusGone,
	problem.AddressRefused:      http.StatusUnprocessableEntity,
	problem.MailTooSoon:         http.StatusTooManyRequests,

	problem.TransactionNone:        http.StatusNotFound,
	problem.TransactionPending:     http.StatusConflict,
	problem.TransactionDecided:     http.StatusConflict,
	problem.TransactionExpired:     http.StatusGone,
	problem.TransactionCancelled:   http.StatusGone,
	problem.TransactionNotApproved: http.StatusConflict,
	problem.TransactionConsumed:    http.StatusConflict,
	problem.TransactionLapsed:      http.StatusGone,
	problem.TransactionAuthOff:     http.StatusConflict,
	problem.TransfersStopped:       http.StatusForbidden,
	problem.FieldsRefused:          http.StatusUnprocessableEntity,
	problem.PermitMismatch:         http.StatusForbidden,
	problem.DecisionRefused:        http.StatusForbidden,
	problem.OfflineWrong:           http.StatusForbidden,
	problem.OfflineBlocked:         http.StatusForbidden,
	problem.OfflineUnfit:           http.StatusForbidden,
	problem.IdempotencyConflict:    http.StatusConflict,
	problem.PasskeyRefused:         http.StatusForbidden,
	problem.PasskeyResting:         http.StatusForbidden,
	problem.PasskeyHeld:            http.StatusForbidden,
	problem.PasskeysUsedUp:         http.StatusConflict,
	problem.ApprovalNeeded:         http.StatusForbidden,
	problem.CodeRefused:            http.StatusForbidden,
	problem.CodeBurnt:              http.StatusGone,
	problem.PhoneNone:              http.StatusConflict,
	problem.PhoneRecent:            http.StatusConflict,
	problem.PhoneOff:               http.StatusConflict,
	problem.PhoneLimit:             http.StatusTooManyRequests,
	problem.PhoneBusy:              http.StatusConflict,
	problem.PhoneRefused:           http.StatusForbidden,
	problem.CallbackFirst:          http.StatusPreconditionRequired,
	problem.PhoneOver:              http.StatusGone,
	problem.ObjectionRefused:       http.StatusForbidden,
	problem.ObjectionLate:          http.StatusGone,

	problem.PasskeyCopyable:   http.StatusForbidden,
	problem.StaffLinkRefused:  http.StatusForbidden,
	problem.StaffUnconfirmed:  http.StatusForbidden,
	problem.StaffSuspended:    http.StatusForbidden,
	problem.StaffWordWrong:    http.StatusForbidden,
	problem.StaffWordBurnt:    http.StatusGone,
	problem.StaffSecondPerson: http.StatusForbidden,

	problem.IncidentOver: http.StatusConflict,
	problem.ExportWide:   http.StatusUnprocessableEntity,
	problem.ExportSecond: http.StatusForbidden,

	problem.OrderOwn:            http.StatusForbidden,
	problem.OrderOpen:           http.StatusConflict,
	problem.OrderOver:           http.StatusGone,
	problem.OrderStale:          http.StatusConflict,
	problem.OrderMaker:          http.StatusForbidden,
	problem.LookFirst:           http.StatusPreconditionRequired,
	problem.LooksUsedUp:         http.StatusTooManyRequests,
	problem.RevealsUsedUp:       http.StatusTooManyRequests,
	problem.RegistrationsFrozen: http.StatusForbidden,
	problem.TransfersFrozen:     http.StatusForbidden,
	problem.StaffSelf:           http.StatusForbidden,
	problem.StaffLast:           http.StatusConflict,
	problem.PolicyRefused:       http.StatusUnprocessableEntity,
	problem.CaseIncomplete:      http.StatusUnprocessableEntity,
	problem.CaseMoved:           http.StatusConflict,
	problem.CaseStale:           http.StatusConflict,
	problem.CaseUntied:          http.StatusConflict,
	problem.AccountNone:         http.StatusUnprocessableEntity,
	problem.ScanRefused:         http.StatusUnprocessableEntity,
	problem.LetterNone:          http.StatusConflict,
}

// Status is the HTTP status of a kind.
func Status(k problem.Kind) int {
	if s, ok := statuses[k]; ok {
		return s
	}
	return http.StatusInternalServerError
}

// AsProblem gives the refusal in err. A failure of ours is logged here, once, and becomes unavailable: the caller learns nothing of it.
func AsProblem(r *http.Request, log *slog.Logger, err error) *problem.Error {
	if p, ok := problem.Of(err); ok {
		return p
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return problem.New(problem.Malformed)
	}
	log.Error("a request failed", "request", RequestID(r.Context()), "route", r.Pattern, "err", err)
	return problem.New(problem.Unavailable)
}

// WriteProblem answers with a problem document (RFC 9457). Its type ends in the kind; the sentence is in the reader's language.
func WriteProblem(w http.ResponseWriter, r *http.Request, log *slog.Logger, sentence func(lang string, e *problem.Error) string, err error) {
	p := AsProblem(r, log, err)
	doc := p.Plain()
	if doc == nil {
		doc = map[string]any{}
	}
	doc["type"] = "urn:inkan:problem:" + string(p.Kind)
	doc["status"] = Status(p.Kind)
	doc["title"] = sentence(Lang(r), p)
	doc["instance"] = "urn:inkan:request:" + RequestID(r.Context())
	if s, ok := p.Values["retry_after"].(int); ok {
		w.Header().Set("Retry-After", strconv.Itoa(s))
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(Status(p.Kind))
	_ = json.NewEncoder(w).Encode(doc) // a caller who has gone needs no answer
}
