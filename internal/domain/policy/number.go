package policy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"
)

// Number is one number of the policy by its name in the configuration file: where it stands, and between what it may be set while the server runs. What belongs together is held together by Check.
type Number struct {
	Name  string
	At    func(*Policy) any // a pointer to the field
	Least any               // int or time.Duration; nil for a switch
	Most  any
	// Fixed says that it is set in the configuration file and nowhere else, because something lives by it that cannot change under way.
	Fixed bool
}

const day = 24 * time.Hour

func count(name string, least, most int, at func(*Policy) *int) Number {
	return Number{Name: name, At: func(p *Policy) any { return at(p) }, Least: least, Most: most}
}

func length(name string, least, most time.Duration, at func(*Policy) *time.Duration) Number {
	return Number{Name: name, At: func(p *Policy) any { return at(p) }, Least: least, Most: most}
}

func flag(name string, at func(*Policy) *bool) Number {
	return Number{Name: name, At: func(p *Policy) any { return at(p) }}
}

func fixed(n Number) Number {
	n.Fixed = true
	return n
}

// Chapter is a part of the policy that is read together.
type Chapter struct {
	Name    string
	Numbers []Number
}

// Chapters are every number, in the order in which they are read.
var Chapters = []Chapter{
	{"codes", []Number{
		fixed(count("otp_digits", 6, 8, func(p *Policy) *int { return &p.OTPDigits })),
		fixed(length("otp_step", 30*time.Second, time.Minute, func(p *Policy) *time.Duration { return &p.OTPStep })),
		fixed(Number{Name: "max_drift", At: func(p *Policy) any { return &p.MaxDrift }, Least: 0, Most: 2}),
		count("tries_per_block", 2, 5, func(p *Policy) *int { return &p.TriesPerBlock }),
		count("otp_tries_to_lock", 3, 10, func(p *Policy) *int { return &p.OTPTriesToLock }),
		count("tries_for_life", 3, 100, func(p *Policy) *int { return &p.TriesForLife }),
		length("block_first", time.Minute, day, func(p *Policy) *time.Duration { return &p.BlockFirst }),
		length("block_longest", time.Minute, day, func(p *Policy) *time.Duration { return &p.BlockLongest }),
		count("failures_per_source", 1, 10000, func(p *Policy) *int { return &p.FailuresPerSource }),
		length("source_window", time.Minute, day, func(p *Policy) *time.Duration { return &p.SourceWindow }),
		count("password_floor", 8, 64, func(p *Policy) *int { return &p.PasswordFloor }),
		count("confirm_floor", 8, 64, func(p *Policy) *int { return &p.ConfirmFloor }),
	}},
	{"registration", []Number{
		fixed(length("registration_key_life", time.Minute, 10*time.Minute, func(p *Policy) *time.Duration { return &p.RegistrationKeyLife })),
		length("enrolment_life", 10*time.Minute, 30*day, func(p *Policy) *time.Duration { return &p.EnrolmentLife }),
		length("move_life", 10*time.Minute, day, func(p *Policy) *time.Duration { return &p.MoveLife }),
		length("reissue_window", 5*time.Minute, 15*time.Minute, func(p *Policy) *time.Duration { return &p.ReissueWindow }),
		length("reissue_life", 10*time.Minute, day, func(p *Policy) *time.Duration { return &p.ReissueLife }),
		length("release_life", day, 366*day, func(p *Policy) *time.Duration { return &p.ReleaseLife }),
		length("letter_life", day, 30*day, func(p *Policy) *time.Duration { return &p.LetterLife }),
		count("registration_tries", 1, 5, func(p *Policy) *int { return &p.RegistrationTries }),
		count("start_tries", 1, 3, func(p *Policy) *int { return &p.StartTries }),
		count("downloads", 1, 100, func(p *Policy) *int { return &p.Downloads }),
		length("download_window", day, 3660*day, func(p *Policy) *time.Duration { return &p.DownloadWindow }),
		length("wait_after_cancel", 0, 30*day, func(p *Policy) *time.Duration { return &p.WaitAfterCancel }),
		length("token_life", day, 3660*day, func(p *Policy) *time.Duration { return &p.TokenLife }),
		length("renewal_from", 180*day, 365*day, func(p *Policy) *time.Duration { return &p.RenewalFrom }),
		length("renewal_grace", 0, 365*day, func(p *Policy) *time.Duration { return &p.RenewalGrace }),
		count("renewal_tries", 1, 3, func(p *Policy) *int { return &p.RenewalTries }),
		count("number_tries", 1, 5, func(p *Policy) *int { return &p.NumberTries }),
	}},
	{"transactions", []Number{
		flag("transaction_always", func(p *Policy) *bool { return &p.TransactionAlways }),
		length("transaction_life", 30*time.Second, 5*time.Minute, func(p *Policy) *time.Duration { return &p.TransactionLife }),
		length("approval_life", 30*time.Second, day, func(p *Policy) *time.Duration { return &p.ApprovalLife }),
		count("offline_tries", 1, 3, func(p *Policy) *int { return &p.OfflineTries }),
		count("offline_tries_per_day", 1, 10, func(p *Policy) *int { return &p.OfflineTriesPerDay }),
		length("decision_grace", day, 366*day, func(p *Policy) *time.Duration { return &p.DecisionGrace }),
		count("wakes_per_quarter", 1, 5, func(p *Policy) *int { return &p.WakesPerQuarter }),
		count("wakes_per_day", 1, 10, func(p *Policy) *int { return &p.WakesPerDay }),
	}},
	{"changes", []Number{
		length("cooling_off", time.Hour, 7*day, func(p *Policy) *time.Duration { return &p.CoolingOff }),
		length("objection_time", day, 30*day, func(p *Policy) *time.Duration { return &p.ObjectionTime }),
		count("passkeys", 2, 50, func(p *Policy) *int { return &p.Passkeys }),
		flag("passkey_by_mail", func(p *Policy) *bool { return &p.PasskeyByMail }),
		length("address_delay", 0, 30*day, func(p *Policy) *time.Duration { return &p.AddressDelay }),
		length("mail_interval", 0, day, func(p *Policy) *time.Duration { return &p.MailInterval }),
		length("mail_code_life", time.Minute, 10*time.Minute, func(p *Policy) *time.Duration { return &p.MailCodeLife }),
		count("mail_code_tries", 1, 5, func(p *Policy) *int { return &p.MailCodeTries }),
		length("mute_delay", day, 7*day, func(p *Policy) *time.Duration { return &p.MuteDelay }),
		length("notice_life", time.Hour, 30*day, func(p *Policy) *time.Duration { return &p.NoticeLife }),
		length("notice_kept", 30*day, 3660*day, func(p *Policy) *time.Duration { return &p.NoticeKept }),
	}},
	{"telephone", []Number{
		length("phone_call_life", time.Minute, 10*time.Minute, func(p *Policy) *time.Duration { return &p.PhoneCallLife }),
		length("phone_code_life", time.Minute, 10*time.Minute, func(p *Policy) *time.Duration { return &p.PhoneCodeLife }),
		length("phone_callback_life", time.Hour, 14*day, func(p *Policy) *time.Duration { return &p.PhoneCallbackLife }),
		length("phone_callback_proof", time.Hour, 72*time.Hour, func(p *Policy) *time.Duration { return &p.PhoneCallbackProof }),
		flag("phone_callback", func(p *Policy) *bool { return &p.PhoneCallback }),
		count("phone_tries", 1, 3, func(p *Policy) *int { return &p.PhoneTries }),
		length("phone_block", day, 30*day, func(p *Policy) *time.Duration { return &p.PhoneBlock }),
		count("phone_sends_per_hour", 1, 3, func(p *Policy) *int { return &p.PhoneSendsPerHour }),
		count("phone_sends_per_day", 1, 10, func(p *Policy) *int { return &p.PhoneSendsPerDay }),
		length("phone_on_file", 72*time.Hour, 366*day, func(p *Policy) *time.Duration { return &p.PhoneOnFile }),
	}},
	{"sessions", []Number{
		length("session_idle", time.Minute, 5*time.Minute, func(p *Policy) *time.Duration { return &p.SessionIdle }),
		length("session_life", time.Minute, 12*time.Hour, func(p *Policy) *time.Duration { return &p.SessionLife }),
		fixed(length("proof_skew", time.Minute, 15*time.Minute, func(p *Policy) *time.Duration { return &p.ProofSkew })),
	}},
	{"staff", []Number{
		length("staff_idle", time.Minute, 15*time.Minute, func(p *Policy) *time.Duration { return &p.StaffIdle }),
		length("staff_life", time.Minute, 8*time.Hour, func(p *Policy) *time.Duration { return &p.StaffLife }),
		length("staff_link_life", 10*time.Minute, day, func(p *Policy) *time.Duration { return &p.StaffLinkLife }),
		count("staff_reveals", 0, 50, func(p *Policy) *int { return &p.StaffReveals }),
		fixed(flag("staff_device_bound", func(p *Policy) *bool { return &p.StaffDeviceBound })),
	}},
}

// NumberByName finds a number.
func NumberByName(name string) (Number, bool) {
	for _, c := range Chapters {
		for _, n := range c.Numbers {
			if n.Name == name {
				return n, true
			}
		}
	}
	return Number{}, false
}

// ErrNumber says that a text is no value of a number, or one outside its range.
var ErrNumber = errors.New("policy: not a value of this number")

// Text writes the value that a policy has, in its one form.
func (n Number) Text(p Policy) string { return valueText(n.At(&p)) }

func valueText(v any) string {
	switch v := v.(type) {
	case *int:
		return strconv.Itoa(*v)
	case *int64:
		return strconv.FormatInt(*v, 10)
	case *time.Duration:
		return v.String()
	case *bool:
		return strconv.FormatBool(*v)
	}
	return fmt.Sprint(v)
}

// units are how a length of time is typed, in both languages; the longer ones first.
var units = []struct {
	word string
	is   time.Duration
}{{"時間", time.Hour}, {"日", day}, {"分", time.Minute}, {"秒", time.Second}, {"d", day}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}}

// longest is the longest that is read at all; no number's range comes near it.
const longest = 36600 * day

// readLength reads a length of time as people type it: 15m, 24時間, 1h30m, 90d, full-width too.
func readLength(s string) (time.Duration, bool) {
	s = strings.ToLower(strings.Join(strings.Fields(norm.NFKC.String(s)), ""))
	if s == "0" {
		return 0, true
	}
	if s == "" {
		return 0, false
	}
	var sum time.Duration
	for s != "" {
		digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
		n, err := strconv.ParseInt(s[:digits], 10, 32)
		if err != nil {
			return 0, false
		}
		s = s[digits:]
		found := false
		for _, u := range units {
			if rest, ok := strings.CutPrefix(s, u.word); ok {
				if n > int64(longest/u.is) {
					return 0, false
				}
				sum, s, found = sum+time.Duration(n)*u.is, rest, true
				break
			}
		}
		if !found || sum > longest {
			return 0, false
		}
	}
	return sum, true
}

// Set gives the policy with one number set to what somebody typed, if that is a value in its range and the whole still holds.
func (n Number) Set(p Policy, typed string) (Policy, error) {
	if err := n.Put(&p, typed); err != nil {
		return p, err
	}
	if err := p.Check(); err != nil {
		return p, errors.Join(ErrNumber, err)
	}
	return p, nil
}

// Put sets one number of a policy to what somebody typed, if that is a value in its range. Whether the whole still holds, Check says.
func (n Number) Put(p *Policy, typed string) error {
	switch at := n.At(p).(type) {
	case *int:
		v, err := strconv.Atoi(strings.TrimSpace(norm.NFKC.String(typed)))
		if err != nil || v < n.Least.(int) || v > n.Most.(int) {
			return ErrNumber
		}
		*at = v
	case *int64:
		v, err := strconv.Atoi(strings.TrimSpace(norm.NFKC.String(typed)))
		if err != nil || v < n.Least.(int) || v > n.Most.(int) {
			return ErrNumber
		}
		*at = int64(v)
	case *time.Duration:
		v, ok := readLength(typed)
		if !ok || v < n.Least.(time.Duration) || v > n.Most.(time.Duration) {
			return ErrNumber
		}
		*at = v
	case *bool:
		v, err := strconv.ParseBool(typed)
		if err != nil {
			return ErrNumber
		}
		*at = v
	}
	return nil
}

// Range is the least and the most of a number, in their one form; empty for a switch.
func (n Number) Range() (least, most string) {
	if n.Least == nil && n.Most == nil {
		return "", ""
	}
	return fmt.Sprint(n.Least), fmt.Sprint(n.Most)
}
