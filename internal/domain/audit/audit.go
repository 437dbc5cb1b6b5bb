// Package audit is the vocabulary of the trail: who did what to whom, with what outcome. An entry holds no secret and no contact data.
package audit

import "time"

// ActorKind says in which role somebody acts.
type ActorKind string

// The kinds of actors.
const (
	Stranger ActorKind = "stranger" // somebody who has not shown who he is
	Customer ActorKind = "customer"
	Token    ActorKind = "token"    // a registered device, by the proof of its key
	Bank     ActorKind = "bank"     // a system of the bank, by its client identifier
	Operator ActorKind = "operator" // inkan admin, on the server itself
	Clock    ActorKind = "clock"    // what ends by time
	Server   ActorKind = "server"   // what the server decides by itself, such as a lock
	Staff    ActorKind = "staff"    // a member of the bank's staff, signed in at the console
)

// Actor is whoever asks for something, with what is known of the place it was asked from.
type Actor struct {
	Kind    ActorKind
	ID      string // of the customer, token, client or member of staff; of an operator her account or name, where she gave one; empty for the rest
	Device  string // in words, from the browser's own description
	Source  string // the network, shortened to /24 or /56
	Session []byte // hash of the session in which the customer acts; nil elsewhere
}

// Action names an act: noun.verb. It is stored and searched for, so it is never renamed.
type Action string

// The actions of the corridor.
const (
	LoginPassword   Action = "login.password"
	LoginOTP        Action = "login.otp"
	Logout          Action = "login.end"
	SessionEnd      Action = "session.end"
	PasswordChange  Action = "password.change"
	PasswordRehash  Action = "password.rehash"
	TokenApply      Action = "token.apply"
	TokenCancel     Action = "token.cancel"
	KeyShow         Action = "registration_key.show"
	NumberResend    Action = "registration_number.resend"
	AddressTest     Action = "address.test"
	AddressCorrect  Action = "address.correct"
	AddressBounce   Action = "address.bounce"
	TokenRegister   Action = "token.register"
	TokenStart      Action = "token.start"
	TokenStop       Action = "token.stop"
	TokenLock       Action = "token.lock"
	TokenExpire     Action = "token.expire"
	RenewalOrder    Action = "renewal.order" // a number is mailed, after the token's date
	RenewalOpen     Action = "renewal.open"  // the app has asked for its next keys
	RenewalBurn     Action = "renewal.burn"  // the first code of the next keys was wrong too often, or the number
	TokenRenew      Action = "token.renew"   // the next keys are in use
	TokenRemind     Action = "token.remind"  // its date comes near
	TokenResync     Action = "token.resync"  // how far its clock is off: by two codes in a row, or nothing any more, by a signed request with the right time
	TokenReplace    Action = "token.replace" // another token has taken its place
	MoveBegin       Action = "move.begin"    // to a new phone, with the old one at hand
	MoveCancel      Action = "move.cancel"
	MoveAsk         Action = "move.ask" // the old phone is asked about the new one
	ReissueBegin    Action = "reissue.begin"
	ReissueProve    Action = "reissue.prove"
	ReissueOrder    Action = "reissue.order"
	ReissueCancel   Action = "reissue.cancel"
	ReissueExpire   Action = "reissue.expire"
	ReleaseMake     Action = "release.make" // the security release request
	ReleaseWithdraw Action = "release.withdraw"
	ReleaseExpire   Action = "release.expire"
	OTPVerify       Action = "otp.verify"
	EnrolmentExpire Action = "enrolment.expire"
	EnrolmentBurn   Action = "enrolment.burn"
	CustomerImport  Action = "customer.import"
	ClientCreate    Action = "client.create"
	FenceRaise      Action = "fence.raise"
	AccessGrant     Action = "access.grant"
	AccessRedeem    Action = "access.redeem"
	AccessEnd       Action = "access.end"
	KeyMake         Action = "signing_key.make"

	TransactionAuthAdd Action = "transaction_auth.add"
	TransactionCreate  Action = "transaction.create"
	TransactionDecide  Action = "transaction.decide"
	TransactionOffline Action = "transaction.offline"
	TransactionCancel  Action = "transaction.cancel"
	TransactionConsume Action = "transaction.consume"
	TransactionExpire  Action = "transaction.expire"
	TransactionLapse   Action = "transaction.lapse"
	TransactionAlarm   Action = "transaction.alarm" // somebody tried to have something else carried out than what was approved
	TransfersStop      Action = "transfers.stop"
	TransfersResume    Action = "transfers.resume"
	PushChange         Action = "push.change"
	TemplatesUse       Action = "templates.use"
	IssuerKeyUse       Action = "issuer_key.use"

	LoginPasskey    Action = "login.passkey"
	ErrandAsk       Action = "errand.ask"   // a change at an authenticator is to be proved
	ErrandProve     Action = "errand.prove" // by a mailed code, where there is no token
	ErrandCancel    Action = "errand.cancel"
	PasskeyRegister Action = "passkey.register"
	PasskeyRename   Action = "passkey.rename"
	PasskeyRemove   Action = "passkey.remove"
	PasskeyHold     Action = "passkey.hold"
	VerifierSet     Action = "verifier.set" // by what a token's user confirms her approvals
	VerifierRemove  Action = "verifier.remove"
	VerifierHold    Action = "verifier.hold"
	PhoneBegin      Action = "phone.begin" // a check of the telephone number on file
	PhoneProve      Action = "phone.prove" // by a code that was typed
	PhoneEvent      Action = "phone.event" // what happened to a call or a message
	PhoneExpire     Action = "phone.expire"
	PhoneSet        Action = "phone.set" // the number on file

	ServiceStop    Action = "service.stop" // by the reader of a notice, by herself from anywhere, or by the bank
	ServiceRestart Action = "service.restart"
	AddressChange  Action = "address.change"  // with the token app's approval
	AddressRestore Action = "address.restore" // the one before is put back, because its reader objected
	FactorBlock    Action = "factor.block"    // the last try of a round was wrong
	MailChoose     Action = "mail.choose"     // which of the mails that one may do without

	StaffInvite     Action = "staff.invite"
	StaffRegister   Action = "staff.register" // by the link; it opens nothing yet
	StaffConfirm    Action = "staff.confirm"  // by a second person
	StaffBurn       Action = "staff.burn"     // the word was wrong too often
	StaffLapse      Action = "staff.lapse"    // nobody came, or nobody confirmed, in time
	StaffSuspend    Action = "staff.suspend"
	StaffResume     Action = "staff.resume"
	StaffRemove     Action = "staff.remove"
	StaffLogin      Action = "staff.login"
	StaffLogout     Action = "staff.logout"
	StaffSessionEnd Action = "staff.session_end"
	StaffRole       Action = "staff.role"

	OrderAsk       Action = "order.ask"      // something that a second person checks
	OrderCarry     Action = "order.carry"    // by the second person
	OrderDecline   Action = "order.decline"  // by the second person
	OrderWithdraw  Action = "order.withdraw" // by whoever asked
	OrderExpire    Action = "order.expire"
	CustomerLook   Action = "customer.look"   // by a member of staff, also one that found nobody
	CustomerReveal Action = "customer.reveal" // one masked field
	SwitchSet      Action = "switch.set"      // a freeze of the whole bank, on or off
	PolicySet      Action = "policy.set"

	IncidentOpen   Action = "incident.open" // for the fraud desk
	IncidentTake   Action = "incident.take"
	IncidentNote   Action = "incident.note"
	IncidentClose  Action = "incident.close"
	IncidentReopen Action = "incident.reopen"
	BreakerTrip    Action = "breaker.trip" // too many wrong codes in the whole bank (C-52)
	TrailSearch    Action = "trail.search" // looking at the trail is itself on record
	TrailExport    Action = "trail.export" // a part of the trail leaves as a file

	ReleaseReceive Action = "release.receive" // the paper has come to a branch
	ReleaseEdit    Action = "release.edit"
	ReleaseAttach  Action = "release.attach" // a scanned paper
	ReleaseScan    Action = "release.scan"   // somebody looks at one
	ReleaseSubmit  Action = "release.submit"
	ReleaseRecall  Action = "release.recall"
	ReleaseReturn  Action = "release.return"
	ReleaseGrant   Action = "release.grant"
	ReleaseDecline Action = "release.decline"
	LetterShow     Action = "letter.show" // printed, or shown in the branch: each makes what it hands over anew
	TokenRelease   Action = "token.release"
	TokenRevoke    Action = "token.revoke"
	FactorRelease  Action = "factor.release"
	DownloadsReset Action = "downloads.reset"
	PasswordIssue  Action = "password.issue" // an initial one, by letter
)

// Actions is every action, in the order in which they come up.
var Actions = []Action{LoginPassword, LoginOTP, Logout, SessionEnd, PasswordChange, PasswordRehash, TokenApply, TokenCancel, KeyShow, NumberResend, AddressTest, AddressCorrect, AddressBounce, TokenRegister, TokenStart, TokenStop, TokenLock, TokenExpire, RenewalOrder, RenewalOpen, RenewalBurn, TokenRenew, TokenRemind, TokenResync, TokenReplace, MoveBegin, MoveCancel, MoveAsk, ReissueBegin, ReissueProve, ReissueOrder, ReissueCancel, ReissueExpire, ReleaseMake, ReleaseWithdraw, ReleaseExpire, OTPVerify, EnrolmentExpire, EnrolmentBurn, CustomerImport, ClientCreate, FenceRaise, AccessGrant, AccessRedeem, AccessEnd, KeyMake,
	TransactionAuthAdd, TransactionCreate, TransactionDecide, TransactionOffline, TransactionCancel, TransactionConsume, TransactionExpire, TransactionLapse, TransactionAlarm, TransfersStop, TransfersResume, PushChange, TemplatesUse, IssuerKeyUse,
	LoginPasskey, ErrandAsk, ErrandProve, ErrandCancel, PasskeyRegister, PasskeyRename, PasskeyRemove, PasskeyHold, VerifierSet, VerifierRemove, VerifierHold, PhoneBegin, PhoneProve, PhoneEvent, PhoneExpire, PhoneSet, ServiceStop, ServiceRestart, AddressChange, AddressRestore, FactorBlock, MailChoose,
	StaffInvite, StaffRegister, StaffConfirm, StaffBurn, StaffLapse, StaffSuspend, StaffResume, StaffRemove, StaffLogin, StaffLogout, StaffSessionEnd, StaffRole,
	OrderAsk, OrderCarry, OrderDecline, OrderWithdraw, OrderExpire, CustomerLook, CustomerReveal, SwitchSet, PolicySet,
	ReleaseReceive, ReleaseEdit, ReleaseAttach, ReleaseScan, ReleaseSubmit, ReleaseRecall, ReleaseReturn, ReleaseGrant, ReleaseDecline, LetterShow, TokenRelease, TokenRevoke, FactorRelease, DownloadsReset, PasswordIssue,
	IncidentOpen, IncidentTake, IncidentNote, IncidentClose, IncidentReopen, BreakerTrip, TrailSearch, TrailExport}

// Outcome of an act.
type Outcome string

// The outcomes.
const (
	Done    Outcome = "done"
	Refused Outcome = "refused"
)

// Entry is one line of the trail.
type Entry struct {
	ID       string
	At       time.Time
	Actor    Actor
	Action   Action
	Customer string
	Object   string // identifier of what was acted on
	Outcome  Outcome
	Reason   string            // kind of the refusal, if any
	Detail   map[string]string // small facts that are nobody's secret
}

// may is the table of actors × actions: who may do what at all. What depends on the state of things is decided in the act itself.
var may = map[ActorKind][]Action{
	Stranger: {LoginPassword, LoginPasskey, TokenRegister, PhoneBegin, PhoneProve, ReissueBegin, ReissueProve, ReissueOrder, ReissueCancel, ReleaseMake, ReleaseWithdraw, KeyShow, NumberResend, TokenStart, Logout, ServiceStop, StaffRegister, StaffLogin},
	Customer: {ReleaseMake, ReleaseWithdraw, LoginOTP, TokenResync, Logout, RenewalOrder, SessionEnd, PasswordChange, TokenApply, TokenCancel, KeyShow, NumberResend, AddressTest,
		AddressCorrect, TokenStart, TokenStop, AccessGrant, AccessEnd, TransactionAuthAdd,
		ErrandAsk, ErrandProve, ErrandCancel, PhoneBegin, PhoneProve, PasskeyRegister, PasskeyRename, PasskeyRemove, ServiceStop, AddressChange, MailChoose},
	Token:    {RenewalOpen, TokenRenew, MoveBegin, MoveCancel, MoveAsk, TokenStart, TransactionDecide, PushChange, VerifierSet, VerifierRemove, ServiceStop},
	Bank:     {OTPVerify, PhoneEvent, AccessRedeem, AccessEnd, TransactionCreate, TransactionOffline, TransactionCancel, TransactionConsume, ServiceStop},
	Operator: {CustomerImport, PhoneSet, ClientCreate, FenceRaise, TransfersResume, ServiceRestart, StaffInvite, StaffConfirm, StaffSuspend, StaffResume, StaffRemove},
	Clock:    {ReissueExpire, ReleaseExpire, EnrolmentExpire, PhoneExpire, TokenExpire, TokenRemind, TransactionExpire, TransactionLapse, StaffLapse, OrderExpire},
	Server:   {PasswordRehash, RenewalBurn, PhoneEvent, TokenResync, TokenReplace, MoveAsk, TokenLock, EnrolmentBurn, AddressBounce, KeyMake, TransactionCreate, TransactionCancel, TransactionConsume, TransactionAlarm, TransfersStop, TemplatesUse, IssuerKeyUse, PasskeyHold, VerifierHold, ServiceRestart, AddressRestore, FactorBlock, StaffBurn, IncidentOpen, BreakerTrip},
	Staff: {PhoneProve, PhoneEvent, ServiceStop, ServiceRestart, TransfersResume, StaffInvite, StaffConfirm, StaffSuspend, StaffResume, StaffRemove, StaffRole, OrderAsk, OrderCarry, OrderDecline, OrderWithdraw, CustomerLook, CustomerReveal, SwitchSet, PolicySet, IncidentTake, IncidentNote, IncidentClose, IncidentReopen, TrailSearch, TrailExport, StaffLogout, StaffSessionEnd,
		ReleaseMake, ReleaseReceive, ReleaseEdit, ReleaseAttach, ReleaseScan, ReleaseSubmit, ReleaseRecall, ReleaseReturn, ReleaseGrant, ReleaseDecline, LetterShow, TokenRelease, TokenRevoke, FactorRelease, DownloadsReset, PasswordIssue, PasskeyRemove, VerifierRemove},
}

// May says whether an actor of this kind may do this at all.
func May(k ActorKind, a Action) bool {
	for _, x := range may[k] {
		if x == a {
			return true
		}
	}
	return false
}
