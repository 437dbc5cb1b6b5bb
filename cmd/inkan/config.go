package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/inkan-auth/inkan/internal/domain/policy"
)

// Config is the configuration file of `inkan serve`, in TOML. Unknown keys are errors; secrets are names of files.
type Config struct {
	// Listen is the address of the public listener, such as ":8443".
	Listen string `toml:"listen"`
	// Internal is the address of the listener for health, readiness and metrics. It must not be public.
	Internal string `toml:"internal"`
	// Staff is the address of the listener for the console. It must not be public either.
	Staff    string         `toml:"staff"`
	Hosts    configHosts    `toml:"hosts"`
	Bank     configBank     `toml:"bank"`
	TLS      configTLS      `toml:"tls"`
	Proxy    configProxy    `toml:"proxy"`
	Database configDatabase `toml:"database"`
	Keys     configKeys     `toml:"keys"`
	Mail     configMail     `toml:"mail"`
	// Telephone and Core are partners that a bank may do without; then the ways that need them are not offered.
	Telephone configTelephone `toml:"telephone"`
	Core      configCore      `toml:"core"`
	Policy    configPolicy    `toml:"policy"`
	Log       configLog       `toml:"log"`
}

// configHosts are the origins of the audiences, each its own.
type configHosts struct {
	Login string `toml:"login"` // the customer's pages and OpenID Connect, such as "https://login.bank.example"
	Token string `toml:"token"` // the token app
	API   string `toml:"api"`   // the bank's systems
	Staff string `toml:"staff"` // the console; without it there is none
}

type configBank struct {
	NameJA string `toml:"name_ja"`
	NameEN string `toml:"name_en"`
	URL    string `toml:"url"`   // where "back to the bank" leads
	Phone  string `toml:"phone"` // whom customers call
}

type configTLS struct {
	Certificate string `toml:"certificate"` // PEM file
	Key         string `toml:"key"`         // PEM file, readable by the server alone
}

type configProxy struct {
	Trusted []string `toml:"trusted"` // networks of the proxies that end TLS in front of us
}

type configDatabase struct {
	SQLite       string `toml:"sqlite"`        // path of the file
	PostgresFile string `toml:"postgres_file"` // file that holds the address, because it holds the password
	Connections  int    `toml:"connections"`   // to PostgreSQL; 16 if not given
}

type configKeys struct {
	Directory string `toml:"directory"` // made by `inkan admin keys`
}

type configMail struct {
	Host         string `toml:"host"`
	Port         int    `toml:"port"`
	From         string `toml:"from"` // the one announced sender
	User         string `toml:"user"`
	PasswordFile string `toml:"password_file"`
	Plain        bool   `toml:"plain"` // no TLS; only for a mail server on this machine
}

// configPartner is a system that we call over TLS, with requests that we sign, or with a certificate, or both.
type configPartner struct {
	URL            string `toml:"url"`
	Key            string `toml:"key"`             // PEM file of an EC key (P-256) that signs our requests
	KeyID          string `toml:"key_id"`          // its name at the other side; "inkan" if not given
	Certificate    string `toml:"certificate"`     // PEM file for mutual TLS
	CertificateKey string `toml:"certificate_key"` // PEM file of its key
	CA             string `toml:"ca"`              // PEM file of who certifies the other side; the system's own if not given
	Answers        string `toml:"answers"`         // PEM file of the other side's public key, which then has to sign what it answers
}

type configTelephone struct {
	configPartner
	Calls    bool      `toml:"calls"`    // the gateway places calls and tells what happens in them
	Messages bool      `toml:"messages"` // the gateway sends short messages
	Dial     string    `toml:"dial"`     // the number that customers call, as it is shown to them
	SIP      configSIP `toml:"sip"`
}

// configSIP is a listener for calls that come in over SIP.
type configSIP struct {
	Listen  string   `toml:"listen"`  // such as "10.1.2.3:5060"; UDP and TCP
	Trusted []string `toml:"trusted"` // networks of the carrier's own servers, whose word for the caller's number is taken
}

type configCore struct {
	configPartner
}

type configLog struct {
	Level string `toml:"level"` // debug, info, warn or error; info if not given
}

// configPolicy are the numbers a bank may set; what is not given keeps its default (package policy says what each one bounds).
type configPolicy struct {
	OTPDigits           *int           `toml:"otp_digits"`
	OTPStep             *time.Duration `toml:"otp_step"`
	MaxDrift            *int64         `toml:"max_drift"`
	TriesPerBlock       *int           `toml:"tries_per_block"`
	OTPTriesToLock      *int           `toml:"otp_tries_to_lock"`
	BlockFirst          *time.Duration `toml:"block_first"`
	BlockLongest        *time.Duration `toml:"block_longest"`
	FailuresPerSource   *int           `toml:"failures_per_source"`
	SourceWindow        *time.Duration `toml:"source_window"`
	RegistrationKeyLife *time.Duration `toml:"registration_key_life"`
	EnrolmentLife       *time.Duration `toml:"enrolment_life"`
	MoveLife            *time.Duration `toml:"move_life"`
	ReissueWindow       *time.Duration `toml:"reissue_window"`
	ReissueLife         *time.Duration `toml:"reissue_life"`
	ReleaseLife         *time.Duration `toml:"release_life"`
	LetterLife          *time.Duration `toml:"letter_life"`
	RegistrationTries   *int           `toml:"registration_tries"`
	StartTries          *int           `toml:"start_tries"`
	Downloads           *int           `toml:"downloads"`
	DownloadWindow      *time.Duration `toml:"download_window"`
	WaitAfterCancel     *time.Duration `toml:"wait_after_cancel"`
	AddressDelay        *time.Duration `toml:"address_delay"`
	MailInterval        *time.Duration `toml:"mail_interval"`
	TokenLife           *time.Duration `toml:"token_life"`
	RenewalFrom         *time.Duration `toml:"renewal_from"`
	RenewalGrace        *time.Duration `toml:"renewal_grace"`
	SessionIdle         *time.Duration `toml:"session_idle"`
	SessionLife         *time.Duration `toml:"session_life"`
	PasswordFloor       *int           `toml:"password_floor"`
	ConfirmFloor        *int           `toml:"confirm_floor"`
	TransactionAlways   *bool          `toml:"transaction_always"`
	TransactionLife     *time.Duration `toml:"transaction_life"`
	ApprovalLife        *time.Duration `toml:"approval_life"`
	OfflineTries        *int           `toml:"offline_tries"`
	OfflineTriesPerDay  *int           `toml:"offline_tries_per_day"`
	WakesPerQuarter     *int           `toml:"wakes_per_quarter"`
	WakesPerDay         *int           `toml:"wakes_per_day"`
	Passkeys            *int           `toml:"passkeys"`
	PasskeyByMail       *bool          `toml:"passkey_by_mail"`
	CoolingOff          *time.Duration `toml:"cooling_off"`
	ObjectionTime       *time.Duration `toml:"objection_time"`
	NoticeKept          *time.Duration `toml:"notice_kept"`
	MuteDelay           *time.Duration `toml:"mute_delay"`
	MailCodeLife        *time.Duration `toml:"mail_code_life"`
	MailCodeTries       *int           `toml:"mail_code_tries"`
	PhoneCallLife       *time.Duration `toml:"phone_call_life"`
	PhoneCodeLife       *time.Duration `toml:"phone_code_life"`
	PhoneCallbackLife   *time.Duration `toml:"phone_callback_life"`
	PhoneCallbackProof  *time.Duration `toml:"phone_callback_proof"`
	PhoneCallback       *bool          `toml:"phone_callback"`
	PhoneTries          *int           `toml:"phone_tries"`
	PhoneBlock          *time.Duration `toml:"phone_block"`
	PhoneSendsPerHour   *int           `toml:"phone_sends_per_hour"`
	PhoneSendsPerDay    *int           `toml:"phone_sends_per_day"`
	PhoneOnFile         *time.Duration `toml:"phone_on_file"`
	StaffIdle           *time.Duration `toml:"staff_idle"`
	StaffLife           *time.Duration `toml:"staff_life"`
	StaffLinkLife       *time.Duration `toml:"staff_link_life"`
	StaffDeviceBound    *bool          `toml:"staff_device_bound"`
	StaffReveals        *int           `toml:"staff_reveals"`
}

func (c configPolicy) policy() policy.Policy {
	p := policy.Default()
	set(&p.OTPDigits, c.OTPDigits)
	set(&p.OTPStep, c.OTPStep)
	set(&p.MaxDrift, c.MaxDrift)
	set(&p.TriesPerBlock, c.TriesPerBlock)
	set(&p.OTPTriesToLock, c.OTPTriesToLock)
	set(&p.BlockFirst, c.BlockFirst)
	set(&p.BlockLongest, c.BlockLongest)
	set(&p.FailuresPerSource, c.FailuresPerSource)
	set(&p.SourceWindow, c.SourceWindow)
	set(&p.RegistrationKeyLife, c.RegistrationKeyLife)
	set(&p.EnrolmentLife, c.EnrolmentLife)
	set(&p.MoveLife, c.MoveLife)
	set(&p.ReissueWindow, c.ReissueWindow)
	set(&p.ReissueLife, c.ReissueLife)
	set(&p.ReleaseLife, c.ReleaseLife)
	set(&p.LetterLife, c.LetterLife)
	set(&p.RegistrationTries, c.RegistrationTries)
	set(&p.StartTries, c.StartTries)
	set(&p.Downloads, c.Downloads)
	set(&p.DownloadWindow, c.DownloadWindow)
	set(&p.WaitAfterCancel, c.WaitAfterCancel)
	set(&p.AddressDelay, c.AddressDelay)
	set(&p.MailInterval, c.MailInterval)
	set(&p.TokenLife, c.TokenLife)
	set(&p.RenewalFrom, c.RenewalFrom)
	set(&p.RenewalGrace, c.RenewalGrace)
	set(&p.SessionIdle, c.SessionIdle)
	set(&p.SessionLife, c.SessionLife)
	set(&p.PasswordFloor, c.PasswordFloor)
	set(&p.ConfirmFloor, c.ConfirmFloor)
	set(&p.TransactionAlways, c.TransactionAlways)
	set(&p.TransactionLife, c.TransactionLife)
	set(&p.ApprovalLife, c.ApprovalLife)
	set(&p.OfflineTries, c.OfflineTries)
	set(&p.OfflineTriesPerDay, c.OfflineTriesPerDay)
	set(&p.WakesPerQuarter, c.WakesPerQuarter)
	set(&p.WakesPerDay, c.WakesPerDay)
	set(&p.Passkeys, c.Passkeys)
	set(&p.PasskeyByMail, c.PasskeyByMail)
	set(&p.CoolingOff, c.CoolingOff)
	set(&p.ObjectionTime, c.ObjectionTime)
	set(&p.NoticeKept, c.NoticeKept)
	set(&p.MuteDelay, c.MuteDelay)
	set(&p.MailCodeLife, c.MailCodeLife)
	set(&p.MailCodeTries, c.MailCodeTries)
	set(&p.PhoneCallLife, c.PhoneCallLife)
	set(&p.PhoneCodeLife, c.PhoneCodeLife)
	set(&p.PhoneCallbackLife, c.PhoneCallbackLife)
	set(&p.PhoneCallbackProof, c.PhoneCallbackProof)
	set(&p.PhoneCallback, c.PhoneCallback)
	set(&p.PhoneTries, c.PhoneTries)
	set(&p.PhoneBlock, c.PhoneBlock)
	set(&p.PhoneSendsPerHour, c.PhoneSendsPerHour)
	set(&p.PhoneSendsPerDay, c.PhoneSendsPerDay)
	set(&p.PhoneOnFile, c.PhoneOnFile)
	set(&p.StaffIdle, c.StaffIdle)
	set(&p.StaffLife, c.StaffLife)
	set(&p.StaffLinkLife, c.StaffLinkLife)
	set(&p.StaffDeviceBound, c.StaffDeviceBound)
	set(&p.StaffReveals, c.StaffReveals)
	return p
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// readConfig reads and checks a configuration file.
func readConfig(path string) (Config, error) {
	var c Config
	meta, err := toml.DecodeFile(path, &c)
	if err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		names := make([]string, len(unknown))
		for i, k := range unknown {
			names[i] = k.String()
		}
		return c, fmt.Errorf("%s: unknown settings: %s (docs/operations.md lists all of them)", path, strings.Join(names, ", "))
	}
	return c, c.check()
}

// check refuses what is missing or unsafe, all of it at once, each with a sentence that says what to change.
func (c Config) check() error {
	var errs []error
	need := func(ok bool, sentence string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(sentence, args...))
		}
	}
	need(c.Listen != "", "listen is missing: give the address of the public listener, such as \":8443\"")
	need(c.Internal != "", "internal is missing: give the address for health and metrics, such as \"127.0.0.1:9464\"")
	need(c.Internal == "" || c.Internal != c.Listen, "internal must differ from listen: metrics are not for the public")
	need((c.Staff == "") == (c.Hosts.Staff == ""), "staff and hosts.staff belong together: the console has a listener of its own, such as \"10.1.2.3:8444\", which is not public")
	need(c.Staff == "" || c.Staff != c.Listen && c.Staff != c.Internal, "staff must differ from listen and internal: the console is not for the public")
	seen := map[string]string{}
	hosts := map[string]string{"hosts.login": c.Hosts.Login, "hosts.token": c.Hosts.Token, "hosts.api": c.Hosts.API}
	if c.Hosts.Staff != "" {
		hosts["hosts.staff"] = c.Hosts.Staff
	}
	for name, origin := range hosts {
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || origin != strings.ToLower(origin) || u.Scheme != "https" && !local(u.Hostname()) {
			need(false, "%s must be an https origin in small letters and without a path, such as \"https://login.bank.example\"", name)
			continue
		}
		need(seen[u.Host] == "", "%s and %s are the same host: each audience needs an origin of its own, or a flaw in one opens the other", name, seen[u.Host])
		seen[u.Host] = name
	}
	need(c.Bank.NameJA != "" && c.Bank.NameEN != "", "bank.name_ja and bank.name_en are missing: customers must see who asks")
	need((c.TLS.Certificate == "") == (c.TLS.Key == ""), "tls.certificate and tls.key belong together")
	need(c.TLS.Certificate != "" || len(c.Proxy.Trusted) > 0, "neither tls nor proxy.trusted is set: passwords would travel in the clear; give a certificate, or the networks of the proxies that end TLS")
	for _, p := range c.Proxy.Trusted {
		prefix, err := netip.ParsePrefix(p)
		need(err == nil, "proxy.trusted: %q is not a network such as \"10.1.2.0/24\"", p)
		need(err != nil || prefix.Bits() >= 8, "proxy.trusted: %q trusts everybody to name the caller's address; name the proxies' own network", p)
	}
	need((c.Database.SQLite == "") != (c.Database.PostgresFile == ""), "give either database.sqlite or database.postgres_file")
	need(c.Keys.Directory != "", "keys.directory is missing: make one with `inkan admin keys`")
	need(c.Mail.Host != "" && c.Mail.Port > 0 && c.Mail.From != "", "mail.host, mail.port and mail.from are missing")
	need(!c.Mail.Plain || local(c.Mail.Host), "mail.plain sends registration numbers in the clear: allowed only for a mail server on this machine")
	need(!c.Mail.Plain || c.Mail.User == "", "mail.plain with mail.user would send the password in the clear")
	errs = append(errs, c.Core.check("core"), c.Telephone.check("telephone"))
	t := c.Telephone
	need(t.URL != "" || !t.Calls && !t.Messages, "telephone.calls and telephone.messages need a gateway: give telephone.url")
	need(t.URL == "" || t.Calls || t.Messages, "telephone.url is set, but neither telephone.calls nor telephone.messages: say what the gateway does")
	need(strings.Trim(t.Dial, "0123456789-") == "", "telephone.dial is not a telephone number: write it as customers shall read it, such as \"0120-111-222\"")
	need(t.Dial == "" || t.URL != "" && t.Calls || t.SIP.Listen != "", "telephone.dial needs somebody who tells of the calls that come in: telephone.url with telephone.calls, or telephone.sip.listen")
	need((t.SIP.Listen == "") == (len(t.SIP.Trusted) == 0), "telephone.sip.listen and telephone.sip.trusted belong together: whose word for the caller's number is taken must be named")
	need(t.SIP.Listen == "" || t.Dial != "", "telephone.sip.listen without telephone.dial: customers must be told whom to call")
	for _, p := range t.SIP.Trusted {
		prefix, err := netip.ParsePrefix(p)
		need(err == nil && prefix.Bits() >= 8, "telephone.sip.trusted: %q is not a network of the carrier's servers, such as \"10.9.1.0/28\"", p)
	}
	for name, d := range map[string]*time.Duration{"wait_after_cancel": c.Policy.WaitAfterCancel, "address_delay": c.Policy.AddressDelay, "mail_interval": c.Policy.MailInterval} {
		need(d == nil || *d >= 0, "policy.%s must not be negative", name)
	}
	if err := c.Policy.policy().Check(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// check refuses a partner that could not be known from anybody else.
func (p configPartner) check(name string) error {
	if p.URL == "" {
		if p != (configPartner{}) {
			return fmt.Errorf("%s.url is missing", name)
		}
		return nil
	}
	var errs []error
	u, err := url.Parse(p.URL)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Scheme != "https" && !local(u.Hostname()) {
		errs = append(errs, fmt.Errorf("%s.url must be an https address without a query", name))
	}
	if (p.Certificate == "") != (p.CertificateKey == "") {
		errs = append(errs, fmt.Errorf("%s.certificate and %s.certificate_key belong together", name, name))
	}
	if p.Key == "" && p.Certificate == "" {
		errs = append(errs, fmt.Errorf("%s: give %s.key, which signs our requests, or %s.certificate for mutual TLS, so that the other side knows us", name, name, name))
	}
	if p.Answers != "" && p.Key == "" {
		errs = append(errs, fmt.Errorf("%s.answers needs %s.key: a signed answer names the request that it belongs to", name, name))
	}
	return errors.Join(errs...)
}

// local says whether a host is this machine.
func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// secretFile reads a secret from a file that others cannot read.
func secretFile(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%s can be read by others: chmod 600 %s", path, path)
	}
	b, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	return strings.TrimSpace(string(b)), err
}
