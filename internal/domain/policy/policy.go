// Package policy holds every number that a bank may set. The zero value is not usable; start from Default.
package policy

import (
	"errors"
	"fmt"
	"time"
)

// Policy is the bank's choice of numbers. Each field says what it bounds and where its default comes from.
type Policy struct {
	// OTPDigits is the length of a one-time password: 6 or 8 (PROTOCOL.md, One-time password).
	OTPDigits int
	// OTPStep is how long one code lives: 60 s (M-02); 30 s may be chosen.
	OTPStep time.Duration
	// MaxDrift is how many steps a phone's clock may be learnt to be off, in either direction.
	MaxDrift int64
	// TriesPerBlock is how many wrong tries of one factor lead to a block (R-020: at most 5).
	TriesPerBlock int
	// OTPTriesToLock is how many wrong codes in a row lock the token for good (R-020: at most 10).
	OTPTriesToLock int
	// TriesForLife is how many wrong tries in a row disable any other factor (R-027: at most 100).
	TriesForLife int
	// BlockFirst is the first block; each further one doubles up to BlockLongest.
	BlockFirst, BlockLongest time.Duration
	// FailuresPerSource is how many failures one network (/24, /56) may cause within SourceWindow.
	FailuresPerSource int
	SourceWindow      time.Duration

	// RegistrationKeyLife is how long one registration key can be redeemed (PROTOCOL.md: 10 min at most).
	RegistrationKeyLife time.Duration
	// EnrolmentLife is how long the registration number, and with it the whole application, lives.
	EnrolmentLife time.Duration
	// MoveLife is how long a move to a new phone may take, from the first look at its code to the new phone's first one (B-04).
	MoveLife time.Duration
	// ReissueWindow is the time within which cash card, confirmation password and telephone are all proved; ReissueLife how long the ordered token then waits for its phone.
	ReissueWindow, ReissueLife time.Duration
	// ReleaseLife is how long the paper of a security release request can be handed in (M-13).
	ReleaseLife time.Duration
	// LetterLife is how long the registration key of a letter can be redeemed, and its initial password be printed again, after two members of staff have granted it (M-13; R-031 says why it may be longer than a key on a screen).
	LetterLife time.Duration
	// RegistrationTries and StartTries burn an enrolment.
	RegistrationTries, StartTries int
	// Downloads is how many registrations a customer has within DownloadWindow (M-13).
	Downloads      int
	DownloadWindow time.Duration
	// WaitAfterCancel is the time between stopping the use of a token and the next application.
	WaitAfterCancel time.Duration
	// AddressDelay is how long a corrected mail address waits before an application can use it, unless the old one had bounced (B-07).
	AddressDelay time.Duration
	// MailInterval is the least time between two mails of the same kind on the customer's demand.
	MailInterval time.Duration
	// TokenLife is how long a token's keys are good (M-14).
	TokenLife time.Duration
	// RenewalFrom is how long before its date a token's keys may be renewed in its app; RenewalGrace how long after it they still may, with both passwords and a mailed number on top (M-14).
	RenewalFrom, RenewalGrace time.Duration
	// RenewalTries burn a renewal whose first code is wrong; NumberTries the mailed number that an expired token is renewed with.
	RenewalTries, NumberTries int

	// SessionIdle and SessionLife end a customer's session.
	SessionIdle, SessionLife time.Duration
	// PasswordFloor is the least number of characters of a login password; ConfirmFloor of a confirmation password.
	PasswordFloor, ConfirmFloor int
	// NoticeLife is how long a notice is worth delivering.
	NoticeLife time.Duration
	// TransactionAlways makes transaction authentication the rule for every token in use; otherwise each customer adds it (M-07).
	TransactionAlways bool
	// TransactionLife is how long a transaction waits for the customer (R-044: at most 5 min); ApprovalLife how long an approved one waits for the bank.
	TransactionLife, ApprovalLife time.Duration
	// OfflineTries are the tries of an offline code for one transaction; OfflineTriesPerDay those of one customer in 24 hours (PROTOCOL.md, Offline).
	OfflineTries, OfflineTriesPerDay int
	// WakesPerQuarter and WakesPerDay bound how often a phone is woken without an answer, in 15 minutes and in 24 hours.
	WakesPerQuarter, WakesPerDay int
	// PushLoopback allows push services on this machine: for the demo and for tests.
	PushLoopback bool
	// Passkeys is how many a customer may have.
	Passkeys int
	// PasskeyByMail lets a customer without a token register a passkey with both passwords and a code that is mailed to her; it opens nothing before CoolingOff is over. A bank
	// that wants a token of everybody sets it to false.
	PasskeyByMail bool
	// CoolingOff is how long a change that no token app has approved rests before it counts (B-07).
	CoolingOff time.Duration
	// ObjectionTime is how long a phone or a mail address that was replaced can still say that it was not her, and how long a new address waits before a registration number goes there (B-07).
	ObjectionTime time.Duration
	// NoticeKept is how long a notice stays in the inbox.
	NoticeKept time.Duration
	// MuteDelay is how long after she has turned one of the mails off that she may do without it still comes: thieves begin by switching mails off.
	MuteDelay time.Duration
	// MailCodeLife is how long a mailed code is good; MailCodeTries how often it may be tried.
	MailCodeLife  time.Duration
	MailCodeTries int
	// PhoneCallLife is how long one check of the telephone by a call may take, PhoneCodeLife how long the code of a short message is good, PhoneCallbackLife how long a request waits for staff.
	PhoneCallLife, PhoneCodeLife, PhoneCallbackLife time.Duration
	// PhoneCallbackProof is how long the telephone counts as proved after a call of staff, until cash card and confirmation password are shown once more.
	PhoneCallbackProof time.Duration
	// PhoneCallback offers a call back by staff.
	PhoneCallback bool
	// PhoneTries are the wrong codes after which the telephone is closed for PhoneBlock, by whatever way they came.
	PhoneTries int
	PhoneBlock time.Duration
	// PhoneSendsPerHour and PhoneSendsPerDay bound calls and messages to one customer.
	PhoneSendsPerHour, PhoneSendsPerDay int
	// PhoneOnFile is how long a number must have been on file before it proves anything.
	PhoneOnFile time.Duration
	// DecisionGrace is how long after an offline approval the signed decision is still taken.
	DecisionGrace time.Duration

	// StaffIdle and StaffLife end a session at the console.
	StaffIdle, StaffLife time.Duration
	// StaffLinkLife is how long an invitation to the console is good, and then how long its registration waits for the second person.
	StaffLinkLife time.Duration
	// StaffDeviceBound takes only passkeys of staff that cannot leave the device that made them.
	StaffDeviceBound bool

	// StaffReveals is how many masked fields one person may have shown in full in 24 hours (C-72: 50).
	StaffReveals int

	// ProofSkew is how far the time in a token's proof may be from ours.
	ProofSkew time.Duration
}

// Default is the policy of a careful bank.
func Default() Policy {
	return Policy{
		OTPDigits: 6, OTPStep: time.Minute, MaxDrift: 2,
		TriesPerBlock: 5, OTPTriesToLock: 10, TriesForLife: 100,
		BlockFirst: 15 * time.Minute, BlockLongest: 24 * time.Hour,
		FailuresPerSource: 30, SourceWindow: 10 * time.Minute,
		RegistrationKeyLife: 10 * time.Minute, EnrolmentLife: 24 * time.Hour, MoveLife: 30 * time.Minute, ReissueWindow: 15 * time.Minute, ReissueLife: time.Hour, ReleaseLife: 90 * 24 * time.Hour, LetterLife: 14 * 24 * time.Hour, RegistrationTries: 5, StartTries: 3,
		Downloads: 5, DownloadWindow: 365 * 24 * time.Hour, WaitAfterCancel: 30 * time.Minute, AddressDelay: 24 * time.Hour, MailInterval: time.Minute,
		TokenLife:   3 * 365 * 24 * time.Hour,
		RenewalFrom: 180 * 24 * time.Hour, RenewalGrace: 90 * 24 * time.Hour, RenewalTries: 3, NumberTries: 5,
		SessionIdle: 5 * time.Minute, SessionLife: time.Hour,
		PasswordFloor: 8, ConfirmFloor: 8, NoticeLife: 7 * 24 * time.Hour, ProofSkew: 5 * time.Minute,
		TransactionLife: 5 * time.Minute, ApprovalLife: 10 * time.Minute, OfflineTries: 3, OfflineTriesPerDay: 10, WakesPerQuarter: 5, WakesPerDay: 10, DecisionGrace: 30 * 24 * time.Hour,
		Passkeys: 10, PasskeyByMail: true, CoolingOff: 24 * time.Hour, ObjectionTime: 72 * time.Hour, NoticeKept: 400 * 24 * time.Hour, MuteDelay: 24 * time.Hour, MailCodeLife: 10 * time.Minute, MailCodeTries: 5,
		PhoneCallLife: 3 * time.Minute, PhoneCodeLife: 10 * time.Minute, PhoneCallbackLife: 72 * time.Hour, PhoneCallbackProof: 24 * time.Hour, PhoneCallback: true, PhoneTries: 3, PhoneBlock: 24 * time.Hour,
		PhoneSendsPerHour: 3, PhoneSendsPerDay: 10, PhoneOnFile: 72 * time.Hour,
		StaffIdle: 15 * time.Minute, StaffLife: 8 * time.Hour, StaffLinkLife: 24 * time.Hour, StaffDeviceBound: true, StaffReveals: 50,
	}
}

// Check refuses numbers that would break a promise, with a sentence that says what to change.
func (p Policy) Check() error {
	bound := func(name string, ok bool, rule string) error {
		if ok {
			return nil
		}
		return fmt.Errorf("policy: %s must be %s", name, rule)
	}
	return errors.Join(
		bound("otp_digits", p.OTPDigits == 6 || p.OTPDigits == 8, "6 or 8"),
		bound("otp_step", p.OTPStep == 30*time.Second || p.OTPStep == time.Minute, "30s or 60s"),
		bound("max_drift", p.MaxDrift >= 0 && p.MaxDrift <= 2, "between 0 and 2 steps (R-012)"),
		bound("tries_per_block", p.TriesPerBlock >= 2 && p.TriesPerBlock <= 5, "between 2 and 5 (R-020)"),
		bound("otp_tries_to_lock", p.OTPTriesToLock > p.TriesPerBlock && p.OTPTriesToLock <= 10, "above tries_per_block and at most 10 (R-020)"),
		bound("tries_for_life", p.TriesForLife >= p.OTPTriesToLock && p.TriesForLife <= 100, "at most 100 (R-027)"),
		bound("block_first", p.BlockFirst >= time.Minute, "at least 1m"),
		bound("block_longest", p.BlockLongest >= p.BlockFirst && p.BlockLongest <= 24*time.Hour, "between block_first and 24h"),
		bound("failures_per_source", p.FailuresPerSource > 0 && p.SourceWindow > 0, "above 0, with a source_window"),
		bound("registration_key_life", p.RegistrationKeyLife > 0 && p.RegistrationKeyLife <= 10*time.Minute, "at most 10m (R-031)"),
		bound("enrolment_life", p.EnrolmentLife >= p.RegistrationKeyLife && p.EnrolmentLife <= 30*24*time.Hour, "between registration_key_life and 30 days"),
		bound("move_life", p.MoveLife >= p.RegistrationKeyLife && p.MoveLife <= 24*time.Hour, "between registration_key_life and 24h"),
		bound("reissue_window", p.ReissueWindow >= 5*time.Minute && p.ReissueWindow <= 15*time.Minute, "between 5m and 15m (R-060)"),
		bound("reissue_life", p.ReissueLife >= p.RegistrationKeyLife && p.ReissueLife <= 24*time.Hour, "between registration_key_life and 24h"),
		bound("release_life", p.ReleaseLife >= 24*time.Hour && p.ReleaseLife <= 366*24*time.Hour, "between a day and a year"),
		bound("letter_life", p.LetterLife >= 24*time.Hour && p.LetterLife <= 30*24*time.Hour, "between 24h and 720h"),
		bound("registration_tries", p.RegistrationTries > 0 && p.RegistrationTries <= 5, "between 1 and 5 (R-031)"),
		bound("start_tries", p.StartTries > 0 && p.StartTries <= 3, "between 1 and 3"),
		bound("downloads", p.Downloads > 0 && p.DownloadWindow > 0, "above 0, with a download_window"),
		bound("token_life", p.TokenLife >= 24*time.Hour, "at least a day"),
		bound("renewal_from", p.RenewalFrom >= 180*24*time.Hour && p.RenewalFrom <= 365*24*time.Hour, "between 4320h and 8760h (M-14)"),
		bound("renewal_grace", p.RenewalGrace >= 0 && p.RenewalGrace <= 365*24*time.Hour, "at most 8760h"),
		bound("renewal_tries", p.RenewalTries > 0 && p.RenewalTries <= 3 && p.NumberTries > 0 && p.NumberTries <= 5, "at most 3 codes and 5 numbers"),
		bound("session_idle", p.SessionIdle > 0 && p.SessionIdle <= 5*time.Minute, "at most 5m (R-071)"),
		bound("session_life", p.SessionLife >= p.SessionIdle && p.SessionLife <= 12*time.Hour, "between session_idle and 12h (R-071)"),
		bound("password_floor", p.PasswordFloor >= 8, "at least 8 (R-002)"),
		bound("transaction_life", p.TransactionLife >= 30*time.Second && p.TransactionLife <= 5*time.Minute, "between 30s and 5m (R-044)"),
		bound("approval_life", p.ApprovalLife >= 30*time.Second && p.ApprovalLife <= 24*time.Hour, "between 30s and 24h"),
		bound("offline_tries", p.OfflineTries > 0 && p.OfflineTries <= 3, "between 1 and 3"),
		bound("offline_tries_per_day", p.OfflineTriesPerDay >= p.OfflineTries && p.OfflineTriesPerDay <= 10, "at least offline_tries and at most 10"),
		bound("wakes", p.WakesPerQuarter > 0 && p.WakesPerQuarter <= 5 && p.WakesPerDay >= p.WakesPerQuarter && p.WakesPerDay <= 10, "at most 5 in a quarter of an hour and 10 in a day (R-047)"),
		bound("passkeys", p.Passkeys >= 2 && p.Passkeys <= 50, "between 2 and 50 (R-056)"),
		bound("cooling_off", p.CoolingOff >= time.Hour && p.CoolingOff <= 7*24*time.Hour, "between 1h and 168h"),
		bound("objection_time", p.ObjectionTime >= 24*time.Hour && p.ObjectionTime <= 30*24*time.Hour, "between 24h and 720h"),
		bound("notice_kept", p.NoticeKept >= 30*24*time.Hour, "at least 720h"),
		bound("mute_delay", p.MuteDelay >= 24*time.Hour && p.MuteDelay <= 7*24*time.Hour, "between 24h and 168h"),
		bound("mail_code", p.MailCodeLife > 0 && p.MailCodeLife <= 10*time.Minute && p.MailCodeTries > 0 && p.MailCodeTries <= 5, "at most 10m and 5 tries"),
		bound("phone_call_life", p.PhoneCallLife >= time.Minute && p.PhoneCallLife <= 10*time.Minute, "between 1m and 10m (R-061)"),
		bound("phone_code_life", p.PhoneCodeLife >= time.Minute && p.PhoneCodeLife <= 10*time.Minute, "between 1m and 10m (R-061)"),
		bound("phone_callback_life", p.PhoneCallbackLife >= time.Hour && p.PhoneCallbackLife <= 14*24*time.Hour, "between 1h and 336h"),
		bound("phone_callback_proof", p.PhoneCallbackProof >= time.Hour && p.PhoneCallbackProof <= 72*time.Hour, "between 1h and 72h"),
		bound("phone_tries", p.PhoneTries > 0 && p.PhoneTries <= 3, "between 1 and 3 (R-060)"),
		bound("phone_block", p.PhoneBlock >= 24*time.Hour, "at least 24h"),
		bound("phone_sends", p.PhoneSendsPerHour > 0 && p.PhoneSendsPerHour <= 3 && p.PhoneSendsPerDay >= p.PhoneSendsPerHour && p.PhoneSendsPerDay <= 10, "at most 3 in an hour and 10 in a day (R-061)"),
		bound("phone_on_file", p.PhoneOnFile >= 72*time.Hour, "at least 72h (R-061)"),
		bound("staff_idle", p.StaffIdle > 0 && p.StaffIdle <= 15*time.Minute, "at most 15m (R-071)"),
		bound("staff_life", p.StaffLife >= p.StaffIdle && p.StaffLife <= 8*time.Hour, "between staff_idle and 8h (R-071)"),
		bound("staff_link_life", p.StaffLinkLife >= 10*time.Minute && p.StaffLinkLife <= 24*time.Hour, "between 10m and 24h"),
		bound("staff_reveals", p.StaffReveals >= 0 && p.StaffReveals <= 50, "between 0 and 50 (C-72)"),
		bound("confirm_floor", p.ConfirmFloor >= 8, "at least 8 (R-002)"),
	)
}
