// Package problem is the list of ways in which the server says no.
//
// A refusal has a kind and values, never prose: prose stands in web/text under the kind's name, and one table in server/web maps each
// kind to a status (RFC 9457). An error without a kind is a failure of ours, not a refusal.
package problem

import (
	"errors"
	"maps"
	"slices"
	"time"
)

// Kind names a refusal. It is stored, sent and looked up in texts, so it is never renamed.
type Kind string

// The kinds. The customer-facing ones follow the error catalogue (reference: ORD, ACT, OTP, TEL, STOP).
const (
	Malformed   Kind = "malformed"    // The request is not of the form that the door takes.
	NotFound    Kind = "not-found"    // There is no such thing, or it is somebody else's.
	Forbidden   Kind = "forbidden"    // This actor may not do this.
	Conflict    Kind = "conflict"     // Somebody else was faster; look again.
	Unavailable Kind = "unavailable"  // Nothing was decided; the same request may be sent again.
	Busy        Kind = "busy"         // The queue for password checks is full; values: retry_after.
	Throttled   Kind = "throttled"    // Too many failures from this source; values: retry_after.
	SessionOver Kind = "session-over" // The session ended; log in again.
	StepUp      Kind = "step-missing" // An earlier step of this login has not been taken.
	BadClient   Kind = "client-refused"
	LoginOver   Kind = "login-over" // The address of a login that has been through, as by the back button: who is logged in stays so.

	LoginRefused    Kind = "login-refused"    // Wrong name, wrong password, blocked, stopped: one kind for strangers.
	ConfirmRefused  Kind = "confirm-refused"  // Confirmation password wrong; values: tries_left.
	PasswordRefused Kind = "password-refused" // Login password wrong inside a session; values: tries_left.
	FactorBlocked   Kind = "factor-blocked"   // Too many wrong tries of one factor; values: factor, until.
	PasswordWeak    Kind = "password-weak"    // A new password cannot be taken; values: reason, which.
	ServiceStopped  Kind = "service-stopped"
	StopRefused     Kind = "stop-refused" // Emergency stop: wrong name, wrong factor, blocked: one kind for strangers.

	OTPWrong      Kind = "otp-wrong"      // Values: tries_left.
	OTPUsed       Kind = "otp-used"       // Used already; values: wait (seconds). Costs no try (M-01).
	CodeForm      Kind = "code-form"      // Not the digits that a code has: told by the page before anything is asked, and costs no try.
	ResyncRefused Kind = "resync-refused" // Two codes that were not shown one after the other; values: tries_left.
	OTPLocked     Kind = "otp-locked"     // Ten wrong in a row; only a case of two persons lifts it.
	TokenExpired  Kind = "token-expired"  // Values: expired.
	TokenNone     Kind = "token-none"     // No token is in use.
	TokenInUse    Kind = "token-in-use"   // A token is already in use; another is not ordered this way.
	ProofRefused  Kind = "proof-refused"  // The token's proof of possession does not hold.

	RenewalEarly        Kind = "renewal-early"         // Before the time in which a token is renewed; values: from.
	RenewalLate         Kind = "renewal-late"          // So long after the date only another token helps; values: expired.
	RenewalNumberNeeded Kind = "renewal-number-needed" // After the date the app renews with a mailed number; values: expired.
	RenewalNumberWrong  Kind = "renewal-number-wrong"  // Values: tries_left.
	RenewalNumberBurnt  Kind = "renewal-number-burnt"  // Five wrong numbers: ask for another one.
	RenewalRefused      Kind = "renewal-refused"       // It is not about the token as it is.
	RenewalNone         Kind = "renewal-none"          // A later renewal has taken its place, or it has ended.
	RenewalCodeWrong    Kind = "renewal-code-wrong"    // The first code of the next keys does not match; values: tries_left.
	RenewalBurnt        Kind = "renewal-burnt"         // Three wrong first codes; the keys in use stay.
	KeyRenewed          Kind = "key-renewed"           // Signed with keys that this token has renewed since.

	EnrolmentOpen       Kind = "enrolment-open"       // Values: ordered.
	EnrolmentNone       Kind = "enrolment-none"       // There is nothing to go on with.
	WaitingTime         Kind = "waiting-time"         // After a cancellation; values: until.
	DownloadsUsedUp     Kind = "downloads-used-up"    // Values: limit.
	RegistrationRefused Kind = "registration-refused" // Key or number wrong, used, expired or unknown; values: tries_left where known.
	RegistrationBurnt   Kind = "registration-burnt"   // Five wrong tries.
	StartRefused        Kind = "start-refused"        // The code does not match the registered phone; values: tries_left.
	StartBurnt          Kind = "start-burnt"          // Three wrong codes at the start of use.
	AddressRefused      Kind = "address-refused"      // Not a mail address that can be written to.
	MailTooSoon         Kind = "mail-too-soon"        // Values: retry_after.

	TransactionNone        Kind = "transaction-none"         // Unknown, or somebody else's.
	TransactionPending     Kind = "transaction-pending"      // The customer has one that waits already; values: id.
	TransactionDecided     Kind = "transaction-decided"      // Another answer came first; values: state.
	TransactionExpired     Kind = "transaction-expired"      // Its five minutes are over.
	TransactionCancelled   Kind = "transaction-cancelled"    // The bank, or a stop, has withdrawn it.
	TransactionNotApproved Kind = "transaction-not-approved" // Values: state.
	TransactionConsumed    Kind = "transaction-consumed"     // A permit was given already, to another request.
	TransactionLapsed      Kind = "transaction-lapsed"       // It was approved and not carried out in time.
	TransactionAuthOff     Kind = "transaction-auth-off"     // The customer has not added transaction authentication.
	TransfersStopped       Kind = "transfers-stopped"        // After a report; values: since.
	FieldsRefused          Kind = "fields-refused"           // Values: field, reason.
	PermitMismatch         Kind = "permit-mismatch"          // The order is not the one that was approved; values: field.
	DecisionRefused        Kind = "decision-refused"         // A signature or hash of a decision does not hold.
	OfflineWrong           Kind = "offline-wrong"            // Values: tries_left.
	OfflineBlocked         Kind = "offline-blocked"          // Three wrong codes for this transaction, or ten in a day.
	OfflineUnfit           Kind = "offline-unfit"            // Its template asks for more than a code can prove.
	IdempotencyConflict    Kind = "idempotency-conflict"     // The same key with another request.

	PasskeyRefused   Kind = "passkey-refused"   // It does not hold, or is nobody's: a stranger is not told which.
	PasskeyResting   Kind = "passkey-resting"   // Registered without a token; values: until.
	PasskeyHeld      Kind = "passkey-held"      // There may be a copy of it, or its owner has objected.
	PasskeysUsedUp   Kind = "passkeys-used-up"  // Values: limit.
	ApprovalNeeded   Kind = "approval-needed"   // Only the token app's approval opens this.
	CodeRefused      Kind = "code-refused"      // The mailed code is wrong; values: tries_left.
	CodeBurnt        Kind = "code-burnt"        // Too many wrong codes, or its time is over: ask for another one.
	CardRefused      Kind = "card-refused"      // Wrong account, wrong PIN, blocked, no customer of ours: one kind for strangers.
	ReissueOver      Kind = "reissue-over"      // Its time is over, or it has ended: begin again.
	ServiceRunning   Kind = "service-running"   // It is not stopped.
	TransfersRunning Kind = "transfers-running" // They are not stopped.
	Unchanged        Kind = "unchanged"         // What is asked for is so already.
	IncidentOpen     Kind = "incident-open"     // What she has reported was not looked into yet.
	ReleaseRefused   Kind = "release-refused"   // The form is not filled in; values: field.
	ReleaseNone      Kind = "release-none"      // No request has this number.

	PhoneNone        Kind = "phone-none"        // No number on file that can be called.
	PhoneRecent      Kind = "phone-recent"      // The number was changed just now; values: until.
	PhoneOff         Kind = "phone-off"         // This way is not offered, or none is.
	PhoneLimit       Kind = "phone-limit"       // Too many calls and messages; values: until.
	PhoneBusy        Kind = "phone-busy"        // Somebody else is being checked by the same number; values: until.
	PhoneRefused     Kind = "phone-refused"     // The code is wrong; values: tries_left.
	CallbackFirst    Kind = "callback-first"    // Whoever calls has the number on file shown before she says what came of the call.
	PhoneOver        Kind = "phone-over"        // There is no check, or its time is over: begin another one.
	ObjectionRefused Kind = "objection-refused" // No notice has this code, or its time is over.
	ObjectionLate    Kind = "objection-late"    // A phone that was replaced objects too late; values: until.

	PasskeyCopyable   Kind = "passkey-copyable"    // It could leave its device, and may not here.
	StaffLinkRefused  Kind = "staff-link-refused"  // Unknown, used, or its time is over.
	StaffUnconfirmed  Kind = "staff-unconfirmed"   // The second person has not confirmed her yet; values: word, until.
	StaffSuspended    Kind = "staff-suspended"     // Her work is suspended.
	StaffWordWrong    Kind = "staff-word-wrong"    // Values: tries_left.
	StaffWordBurnt    Kind = "staff-word-burnt"    // The third wrong word: the registration is gone.
	StaffSecondPerson Kind = "staff-second-person" // Whoever invited must not confirm.

	OrderOwn            Kind = "order-own"            // Asked by the same person, under whatever login, or in the same session, or with the same passkey.
	OrderOpen           Kind = "order-open"           // Something about the same thing waits already; values: id.
	OrderOver           Kind = "order-over"           // Decided already, or its time is over; values: state.
	OrderStale          Kind = "order-stale"          // What it is about has changed since, or it is not what the reader saw.
	OrderMaker          Kind = "order-maker"          // Whoever asked for it may not any more.
	LookFirst           Kind = "look-first"           // A customer's page opens after she was looked up by this member.
	LooksUsedUp         Kind = "looks-used-up"        // Too many look-ups that found nobody; values: retry_after.
	RevealsUsedUp       Kind = "reveals-used-up"      // Values: limit, until.
	RegistrationsFrozen Kind = "registrations-frozen" // The bank has frozen new registrations for everybody.
	TransfersFrozen     Kind = "transfers-frozen"     // The bank has frozen transfers for everybody.
	StaffSelf           Kind = "staff-self"           // Nobody changes her own standing.
	StaffLast           Kind = "staff-last"           // There would be too few administrators left.
	CaseIncomplete      Kind = "case-incomplete"      // Values: field.
	CaseMoved           Kind = "case-moved"           // Another act came first: it is in another state now; values: state.
	CaseStale           Kind = "case-stale"           // It is not what the reader's page showed, or the page is older than half an hour.
	CaseUntied          Kind = "case-untied"          // It is tied to no customer yet.
	AccountNone         Kind = "account-none"         // Staff: no customer has this representative account.
	ScanRefused         Kind = "scan-refused"         // Not a PDF, PNG or JPEG, or too large, or too many.
	LetterNone          Kind = "letter-none"          // There is nothing left to hand over.
	PolicyRefused       Kind = "policy-refused"       // The number is out of its range; values: name.
	IncidentOver        Kind = "incident-over"        // Somebody else has it, or it is closed; values: state.
	ExportWide          Kind = "export-wide"          // More rows than one file holds; values: limit.
	ExportSecond        Kind = "export-second"        // It needs a second person; values: limit.
)

// Kinds is every kind, sorted; tests hold the tables of texts and statuses against it.
func Kinds() []Kind {
	return slices.Sorted(slices.Values([]Kind{Malformed, NotFound, Forbidden, Conflict, Unavailable, Busy, Throttled, SessionOver, StepUp, BadClient, LoginOver,
		LoginRefused, ConfirmRefused, PasswordRefused, FactorBlocked, PasswordWeak, ServiceStopped, StopRefused, OTPWrong, OTPUsed, CodeForm, ResyncRefused, OTPLocked, TokenExpired,
		TokenNone, TokenInUse, ProofRefused, RenewalEarly, RenewalLate, RenewalNumberNeeded, RenewalNumberWrong, RenewalNumberBurnt, RenewalRefused, RenewalNone, RenewalCodeWrong, RenewalBurnt, KeyRenewed, EnrolmentOpen, EnrolmentNone, WaitingTime, DownloadsUsedUp, RegistrationRefused, RegistrationBurnt,
		StartRefused, StartBurnt, AddressRefused, MailTooSoon, TransactionNone, TransactionPending, TransactionDecided, TransactionExpired, TransactionCancelled,
		TransactionNotApproved, TransactionConsumed, TransactionLapsed, TransactionAuthOff, TransfersStopped, FieldsRefused, PermitMismatch, DecisionRefused,
		OfflineWrong, OfflineBlocked, OfflineUnfit, IdempotencyConflict, PasskeyRefused, PasskeyResting, PasskeyHeld, PasskeysUsedUp, ApprovalNeeded, CodeRefused, CodeBurnt,
		CardRefused, ReissueOver, ServiceRunning, TransfersRunning, Unchanged, IncidentOpen, ReleaseRefused, ReleaseNone, PhoneNone, PhoneRecent, PhoneOff, PhoneLimit, PhoneBusy, PhoneRefused, PhoneOver, CallbackFirst,
		ObjectionRefused, ObjectionLate, PasskeyCopyable, StaffLinkRefused, StaffUnconfirmed, StaffSuspended, StaffWordWrong, StaffWordBurnt, StaffSecondPerson,
		OrderOwn, OrderOpen, OrderOver, OrderStale, OrderMaker, LookFirst, LooksUsedUp, RevealsUsedUp, RegistrationsFrozen, TransfersFrozen, StaffSelf, StaffLast, PolicyRefused, CaseIncomplete, CaseMoved, CaseStale, CaseUntied, AccountNone, ScanRefused, LetterNone, IncidentOver, ExportWide, ExportSecond}))
}

// Values are the facts of a refusal that its sentence needs. Times are time.Time, counts int; a secret is never among them.
type Values map[string]any

// Error is a refusal.
type Error struct {
	Kind   Kind
	Values Values
}

// New makes a refusal of the kind with the values given as pairs of name and value.
func New(k Kind, pairs ...any) *Error {
	e := &Error{Kind: k}
	for i := 0; i+1 < len(pairs); i += 2 {
		if e.Values == nil {
			e.Values = Values{}
		}
		e.Values[pairs[i].(string)] = pairs[i+1]
	}
	return e
}

// Error gives the kind, for logs; people read the sentence in web/text.
func (e *Error) Error() string { return "refused: " + string(e.Kind) }

// Is makes errors.Is(err, problem.New(kind)) compare kinds.
func (e *Error) Is(target error) bool {
	var t *Error
	return errors.As(target, &t) && t.Kind == e.Kind
}

// Of gives the refusal inside err, if there is one.
func Of(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}

// KindOf gives the kind of the refusal inside err, or "" where err is no refusal.
func KindOf(err error) Kind {
	if e, ok := Of(err); ok {
		return e.Kind
	}
	return ""
}

// Plain gives the values in the form in which they leave the house: times as RFC 3339 in UTC.
func (e *Error) Plain() map[string]any {
	out := maps.Clone(map[string]any(e.Values))
	for k, v := range out {
		if t, ok := v.(time.Time); ok {
			out[k] = t.UTC().Format(time.RFC3339)
		}
	}
	return out
}
