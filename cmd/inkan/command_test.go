package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"github.com/inkan-auth/inkan/demo/mailbox"
)

// site is a directory as an operator would set it up, with a right configuration.
type site struct {
	t              *testing.T
	dir            string
	public, inside string // addresses
}

func newSite(t *testing.T) *site {
	t.Helper()
	box, err := mailbox.New(mailbox.Config{})
	fine(t, err)
	t.Cleanup(func() { _ = box.Close(context.Background()) })
	s := &site{t: t, dir: t.TempDir(), public: freeAddress(t), inside: freeAddress(t)}
	_, port, err := net.SplitHostPort(box.Addr())
	fine(t, err)
	s.write("inkan.toml", fmt.Sprintf(`listen = %q
internal = %q
[hosts]
login = "https://login.bank.example"
token = "https://token.bank.example"
api = "https://api.bank.example"
[bank]
name_ja = "印鑑銀行"
name_en = "Inkan Bank"
url = "https://www.bank.example"
phone = "0120-000-000"
[proxy]
trusted = ["127.0.0.0/8"]
[database]
sqlite = %q
[keys]
directory = %q
[mail]
host = "127.0.0.1"
port = %s
from = "印鑑銀行 <otp@bank.example>"
plain = true
`, s.public, s.inside, filepath.Join(s.dir, "inkan.db"), filepath.Join(s.dir, "keys"), port), 0o600)
	return s
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	fine(t, err)
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

func (s *site) write(name, content string, mode os.FileMode) string {
	s.t.Helper()
	fine(s.t, os.WriteFile(s.path(name), []byte(content), mode))
	fine(s.t, os.Chmod(s.path(name), mode))
	return s.path(name)
}

// inkan runs the program as a shell would.
func inkan(args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(context.Background(), args, &out, &err)
	return code, out.String(), err.String()
}

// admin runs a task with this site's configuration.
func (s *site) admin(task string, args ...string) (code int, stdout, stderr string) {
	return inkan(append([]string{"admin", task, "-config", s.path("inkan.toml")}, args...)...)
}

// do runs a task that must succeed.
func (s *site) do(task string, args ...string) string {
	s.t.Helper()
	code, out, err := s.admin(task, append([]string{"-do"}, args...)...)
	if code != 0 {
		s.t.Fatalf("inkan admin %s: %d %s%s", task, code, out, err)
	}
	return out
}

// files is everything under the directory with its content, so that "nothing was written" can be said of all of it.
func (s *site) files() string {
	s.t.Helper()
	var b strings.Builder
	fine(s.t, filepath.WalkDir(s.dir, func(p string, d os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(p, "inkan.db") {
			at, err := sql.Open("sqlite", "file:"+p)
			if err != nil {
				return err
			}
			b.WriteString(strings.Join(dump(s.t, at), "\n"))
			return at.Close()
		}
		if err == nil && !d.IsDir() && !strings.Contains(p, "inkan.db") {
			c, err := os.ReadFile(p)
			fmt.Fprintf(&b, "%s %x\n", p, c)
			return err
		}
		return err
	}))
	return b.String()
}

func TestUnknownCommandsAreExplained(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{}, {"nonsense"}, {"-h"}, {"serve"}, {"serve", "-nonsense"}, {"serve", "-config", "x", "more"}, {"admin"}, {"admin", "nonsense"}, {"admin", "keys", "-nonsense"}, {"demo", "-lang", "fr"}, {"demo", "more"}} {
		code, out, err := inkan(args...)
		if code != 2 || out != "" || !strings.Contains(err, "inkan ") && !strings.Contains(err, "Usage of") {
			t.Errorf("inkan %v: %d %q %q", args, code, out, err)
		}
	}
}

// Each setting that is unsafe is refused before anything is opened, by a sentence that names it.
func TestUnsafeSettingsAreRefusedByName(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	good, err := os.ReadFile(s.path("inkan.toml"))
	fine(t, err)
	if _, err := readConfig(s.path("inkan.toml")); err != nil {
		t.Fatalf("the right one is refused: %v", err)
	}
	policyOf := func(line string) func(string) string {
		return func(c string) string { return c + "[policy]\n" + line + "\n" }
	}
	also := func(lines string) func(string) string {
		return func(c string) string { return c + lines + "\n" }
	}
	swap := func(old, new string) func(string) string {
		return func(c string) string {
			if !strings.Contains(c, old) {
				t.Fatalf("%q is not in the configuration", old)
			}
			return strings.Replace(c, old, new, 1)
		}
	}
	for name, bad := range map[string]struct {
		change func(string) string
		says   string
	}{
		"unknown setting":         {func(c string) string { return "lisen = \":1\"\n" + c }, "unknown settings: lisen"},
		"unknown policy":          {policyOf("otp_length = 6"), "policy.otp_length"},
		"unknown table":           {func(c string) string { return c + "[secrets]\nx = 1\n" }, "secrets"},
		"not TOML":                {func(string) string { return "listen :1" }, "bad.toml"},
		"setting twice":           {func(c string) string { return "listen = \":1\"\n" + c }, "listen"},
		"same hosts":              {swap("https://api.", "https://login."), "same host"},
		"same hosts but for case": {swap("https://api.", "https://LOGIN."), "hosts.api"},
		"a path":                  {swap("api.bank.example", "api.bank.example/v1"), "hosts.api"},
		"http":                    {swap("https://api", "http://api"), "hosts.api"},
		"a user":                  {swap("https://api", "https://user@api"), "hosts.api"},
		"a fragment":              {swap("https://api.bank.example", "https://api.bank.example#x"), "hosts.api"},
		"neither TLS nor proxy":   {swap(`trusted = ["127.0.0.0/8"]`, ""), "neither tls nor proxy.trusted"},
		"half of TLS":             {func(c string) string { return c + "[tls]\ncertificate = \"x\"\n" }, "tls.certificate and tls.key"},
		"everybody a proxy":       {swap("127.0.0.0/8", "0.0.0.0/0"), "trusts everybody"},
		"everybody a proxy, six":  {swap("127.0.0.0/8", "::/0"), "trusts everybody"},
		"half of everybody":       {swap(`"127.0.0.0/8"`, `"0.0.0.0/1", "128.0.0.0/1"`), "proxy.trusted"},
		"no network":              {swap("127.0.0.0/8", "127.0.0.1"), "proxy.trusted"},
		"metrics for everybody":   {swap(fmt.Sprintf("internal = %q", s.inside), fmt.Sprintf("internal = %q", s.public)), "internal must differ"},
		"no metrics":              {swap(fmt.Sprintf("internal = %q", s.inside), ""), "internal is missing"},
		"no name":                 {swap(`name_ja = "印鑑銀行"`, ""), "bank.name_ja"},
		"two databases":           {swap("[keys]", "postgres_file = \"x\"\n[keys]"), "either database.sqlite"},
		"no keys":                 {swap("directory", "# directory"), "keys.directory"},
		"no sender":               {swap("from = ", "# from = "), "mail.from"},
		"mail in the clear":       {swap(`host = "127.0.0.1"`, `host = "mail.bank.example"`), "mail.plain"},
		"password in the clear":   {swap("plain = true", "plain = true\nuser = \"x\""), "mail.plain with mail.user"},
		"seven digits":            {policyOf("otp_digits = 7"), "otp_digits"},
		"a step of five minutes":  {policyOf(`otp_step = "5m"`), "otp_step"},
		"drift":                   {policyOf("max_drift = 3"), "max_drift"},
		"six tries":               {policyOf("tries_per_block = 6"), "tries_per_block"},
		"eleven tries":            {policyOf("otp_tries_to_lock = 11"), "otp_tries_to_lock"},
		"a second's block":        {policyOf(`block_first = "1s"`), "block_first"},
		"two days' block":         {policyOf(`block_longest = "48h"`), "block_longest"},
		"a key for an hour":       {policyOf(`registration_key_life = "1h"`), "registration_key_life"},
		"many registrations":      {policyOf("registration_tries = 50"), "registration_tries"},
		"many starts":             {policyOf("start_tries = 10"), "start_tries"},
		"an hour of silence":      {policyOf(`session_idle = "1h"`), "session_idle"},
		"a day's session":         {policyOf(`session_life = "24h"`), "session_life"},
		"short passwords":         {policyOf("password_floor = 4"), "password_floor"},
		"short confirmations":     {policyOf("confirm_floor = 4"), "confirm_floor"},
		"no time between changes": {policyOf(`address_delay = "-1h"`), "address_delay"},
		"no time after a stop":    {policyOf(`wait_after_cancel = "-1h"`), "wait_after_cancel"},
		"no time between mails":   {policyOf(`mail_interval = "-1h"`), "mail_interval"},
		"four telephone codes":    {policyOf("phone_tries = 4"), "phone_tries"},
		"many calls":              {policyOf("phone_sends_per_hour = 4"), "phone_sends"},
		"a number of yesterday":   {policyOf(`phone_on_file = "24h"`), "phone_on_file"},
		"a carrier in the clear":  {also("[telephone]\nurl = \"http://carrier.example\"\nkey = \"x\"\ncalls = true"), "telephone.url must be an https address"},
		"a carrier unknown":       {also("[telephone]\nurl = \"https://carrier.example\"\ncalls = true"), "telephone.key"},
		"a carrier for nothing":   {also("[telephone]\nurl = \"https://carrier.example\"\nkey = \"x\""), "neither telephone.calls nor telephone.messages"},
		"calls by nobody":         {also("[telephone]\ncalls = true"), "telephone.calls and telephone.messages need a gateway"},
		"a number for nobody":     {also("[telephone]\ndial = \"0120-111-222\""), "telephone.dial needs somebody"},
		"a number in words":       {also("[telephone]\ndial = \"call us\""), "telephone.dial is not"},
		"anybody's word":          {also("[telephone]\ndial = \"0120-111-222\"\n[telephone.sip]\nlisten = \":5060\""), "telephone.sip.trusted"},
		"everybody's word":        {also("[telephone]\ndial = \"0120-111-222\"\n[telephone.sip]\nlisten = \":5060\"\ntrusted = [\"0.0.0.0/0\"]"), "telephone.sip.trusted"},
		"a core in the clear":     {also("[core]\nurl = \"http://core.bank.example\"\nkey = \"x\""), "core.url must be an https address"},
		"a core without address":  {also("[core]\nkey = \"x\""), "core.url is missing"},
		"half a certificate":      {also("[core]\nurl = \"https://core.bank.example\"\ncertificate = \"x\""), "core.certificate and core.certificate_key"},
		"answers to nothing":      {also("[core]\nurl = \"https://core.bank.example\"\ncertificate = \"x\"\ncertificate_key = \"x\"\nanswers = \"x\""), "core.answers needs core.key"},
	} {
		p := s.write("bad.toml", bad.change(string(good)), 0o600)
		for _, args := range [][]string{{"serve", "-config", p}, {"admin", "fence", "-config", p, "-do"}} {
			code, out, err := inkan(args...)
			if code != 1 || !strings.Contains(err, bad.says) || out != "" {
				t.Errorf("%s: inkan %v: %d %q, want a sentence with %q", name, args[0], code, err, bad.says)
			}
		}
	}
	if _, err := os.Stat(s.path("inkan.db")); err == nil {
		t.Error("a database was made for a configuration that was refused")
	}
	if code, _, err := inkan("serve", "-config", s.path("none.toml")); code != 1 || !strings.Contains(err, "none.toml") {
		t.Errorf("no file at all: %d %s", code, err)
	}
}

func TestSecretFilesThatOthersCanReadAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.do("keys")
	good, err := os.ReadFile(s.path("inkan.toml"))
	fine(t, err)
	for mode, ok := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o640: false, 0o644: false, 0o604: false, 0o660: false, 0o620: false, 0o601: false} {
		s.write("mail.password", "Kanariya-mail\n", mode)
		c := s.write("mail.toml", strings.Replace(string(good), "plain = true", fmt.Sprintf("user = \"u\"\npassword_file = %q", s.path("mail.password")), 1), 0o600)
		s.write("address", "postgres://u:Kanariya-pg@127.0.0.1:1/x?connect_timeout=1", mode)
		pg := s.write("pg.toml", regexp.MustCompile(`sqlite = .*`).ReplaceAllString(string(good), fmt.Sprintf("postgres_file = %q", s.path("address"))), 0o600)
		for name, path := range map[string]string{"mail.password_file": c, "database.postgres_file": pg} {
			code, out, err := inkan("admin", "fence", "-config", path, "-do")
			if refused := strings.Contains(err, name) && strings.Contains(err, "chmod 600"); refused == ok || ok && name[0] == 'm' && code != 0 {
				t.Errorf("%s with the mode %o: %d %s", name, mode, code, err)
			}
			if strings.Contains(out+err, "Kanariya") {
				t.Errorf("%s is repeated: %s", name, err)
			}
		}
	}
}

// A dry run says what would be done and leaves everything as it is; with -do it is done.
func TestADryRunWritesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	csv := s.write("customers.csv", csvOf(1), 0o600)
	client := s.write("client.json", `{"id":"bank","name":"Bank","token_endpoint_auth_method":"client_secret_basic","redirect_uris":["https://www.bank.example/return"]}`, 0o600)
	tasks := [][]string{{"keys"}, {"customers", csv}, {"oidc-client", client}, {"api-client", "core", "otp:verify"}, {"phone", "R-1", "03-1234-5678"}, {"fence"}, {"clock"}}
	for _, task := range tasks {
		before := s.files()
		code, out, err := s.admin(task[0], task[1:]...)
		if code != 0 || !strings.Contains(out, "dry run; nothing was written") {
			t.Errorf("a dry run of %v: %d %s%s", task, code, out, err)
		}
		if s.files() != before {
			t.Errorf("a dry run of %v wrote something", task)
		}
		before = s.files()
		if out := s.do(task[0], task[1:]...); s.files() == before || strings.Contains(out, "dry run") {
			t.Errorf("%v with -do wrote nothing", task)
		}
	}
	at, err := sql.Open("sqlite", "file:"+s.path("inkan.db"))
	fine(t, err)
	defer func() { _ = at.Close() }()
	all := strings.Join(dump(t, at), "\n")
	for _, want := range []string{"oidc_client id=bank", "api_client id=core", "action=fence.raise", "action=customer.import", "action=phone.set", "phone=03-1234-5678", "login_id=tanaka001"} {
		if !strings.Contains(all, want) {
			t.Errorf("%s is missing", want)
		}
	}
	// Each may be said again without harm: nothing is overwritten.
	before := s.files()
	for _, task := range [][]string{{"keys", "-do"}, {"oidc-client", "-do", client}, {"api-client", "-do", "core", "otp:verify"}} {
		if code, _, err := s.admin(task[0], task[1:]...); code != 1 || err == "" {
			t.Errorf("%v a second time: %d %s", task, code, err)
		}
	}
	for _, bad := range [][]string{{"api-client", "-do", "other"}, {"api-client", "-do", "other", "otp:everything"}, {"api-client", "-do", "other", "otp:verify", "-do"}, {"customers", "-do"}, {"customers", "-do", s.path("none.csv")},
		{"oidc-client", "-do", csv}} {
		if code, _, err := s.admin(bad[0], bad[1:]...); code != 1 || err == "" {
			t.Errorf("%v: %d %s", bad, code, err)
		}
	}
	after := s.files()
	if strings.Contains(after, "id=other") || strings.Count(after, "api_client id=core") != strings.Count(before, "api_client id=core") {
		t.Error("what was refused was written")
	}
}

// A dry run tells what would be refused: each line of a file with its fault, also one that only meets another line, and whom nobody knows.
func TestADryRunTellsWhatWouldBeRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.do("keys")
	line := func(ref, id, phone, branch, kind, number string) string {
		return fmt.Sprintf(`{"ref":%q,"login_id":%q,"login_password":"asa-no-hikari-88","confirm_password":"yoru-no-hoshi-77","name":"山田 花子","mail":"h@mail.example","phone":%q,"branch":%q,"account_type":%q,"account_number":%q}`, ref, id, phone, branch, kind, number)
	}
	file := s.write("customers.jsonl", strings.Join([]string{line("R-1", "hanako01", "090-1234-5678", "101", "普通", "1234567"), "", line("R-1", "hanako02", "", "", "", ""), line("R-3", "ＨＡＮＡＫＯ01", "", "", "", ""),
		line("R-4", "hanako04", "abc", "", "", ""), line("R-5", "hanako05", "", "1", "普通", "1234567"), line("R-6", "hanako06", "", "101", "foo", "1234567"), line("R-7", "hanako07", "", "101", "普通", "12"), line("R-4", "hanako08", "", "", "", "")}, "\n"), 0o600)
	before := s.files()
	for _, do := range [][]string{nil, {"-do"}} {
		code, out, err := s.admin("customers", append(do, file)...)
		for _, want := range []string{"line 3 (R-1): ref: ", "line 4 (R-3): login_id: ", "line 5 (R-4): phone: ", "line 6 (R-5): branch: ", "line 7 (R-6): account_type: ", "line 8 (R-7): account_number: ", "2 customers are good, 6 are not"} {
			if !strings.Contains(out, want) {
				t.Errorf("%v: %q is not told: %s", do, want, out)
			}
		}
		if code != 1 || !strings.Contains(err, "6 customers w") {
			t.Errorf("%v: %d %s", do, code, err)
		}
		if do == nil && s.files() != before {
			t.Error("a dry run wrote something")
		}
	}
	for _, task := range [][]string{{"restart", "NOSUCH"}, {"resume", "NOSUCH"}, {"phone", "NOSUCH", "090-1234-5678"}, {"phone", "R-1", "abc"}, {"restart", "R-1"}, {"resume", "R-1"}} {
		before := s.files()
		if code, out, err := s.admin(task[0], task[1:]...); code != 1 || err == "" || strings.Contains(err, "not-found") || strings.Contains(err, "malformed") {
			t.Errorf("a dry run of %v: %d %s%s", task, code, out, err)
		}
		if s.files() != before {
			t.Errorf("a dry run of %v wrote something", task)
		}
	}
}

// Making keys again must not touch a directory from which the root has been moved away, as the operator is told to.
func TestKeysAreNeverWrittenOverNotEvenInPart(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.do("keys")
	fine(t, os.Rename(s.path("keys/root.pem"), s.path("root.pem")))
	before := s.files()
	for range 8 {
		if code, _, _ := s.admin("keys", "-do"); code != 1 {
			t.Fatal("keys were made a second time")
		}
		if s.files() != before {
			t.Fatal("a refused making of keys left something behind")
		}
	}
}

const hashSalt = "0123456789abcdef"

func argon2id(pw string) string {
	b := base64.RawStdEncoding
	return "$argon2id$v=19$m=8192,t=1,p=1$" + b.EncodeToString([]byte(hashSalt)) + "$" + b.EncodeToString(argon2.IDKey([]byte(pw), []byte(hashSalt), 1, 8192, 1, 32))
}

func csvOf(n int) string {
	return "\ufeffref,login_id,login_password,confirm_password,name,kana,mail,phone,branch,account_type,account_number\n" +
		fmt.Sprintf("R-%d,Tanaka%03d,momo-kuri-san-%d,kaki-hachi-nen-%d,\"田中, 桃\",タナカ モモ,momo%d@mail.example.jp,090-0000-0001,101,普通,000000%d\n", n, n, n, n, n, n)
}

func TestCustomersAreImportedOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.do("keys")
	bc, err := bcrypt.GenerateFromPassword([]byte("sakura-fubuki-3"), bcrypt.MinCost)
	fine(t, err)
	s.do("customers", s.write("a.csv", csvOf(1), 0o600))
	lines := ""
	for _, c := range []map[string]string{
		{"ref": "R-2", "login_id": "suzuki002", "login_password_hash": argon2id("fuji-no-yama-2"), "confirm_password_hash": argon2id("taka-to-nasu-2"), "name": "鈴木", "mail": "s2@mail.example.jp"},
		{"ref": "R-3", "login_id": "kato0003", "login_password_hash": string(bc), "confirm_password": "natsu-no-hi-3", "name": "加藤", "mail": "k3@mail.example.jp"},
	} {
		b, err := json.Marshal(c)
		fine(t, err)
		lines += string(b) + "\n\n"
	}
	jsonl := s.write("b.jsonl", lines, 0o600)
	if out := s.do("customers", jsonl); !strings.Contains(out, "2 customers are good, 0 are not.") {
		t.Errorf("the import says %s", out)
	}
	before := s.files()
	code, out, _ := s.admin("customers", "-do", jsonl)
	if code != 1 || strings.Count(out, "taken") != 2 || s.files() != before {
		t.Errorf("a second import: %d %s", code, out)
	}
	if strings.Contains(before, "momo-kuri-san") || strings.Contains(out, "$argon2id") || strings.Contains(out, "$2a$") {
		t.Error("a password or a hash is shown or kept as it came")
	}
	for name, bad := range map[string][2]string{
		"two in one line":    {"x.jsonl", `{"ref":"R-8","login_id":"eight008","login_password":"a-b-c-d-e-f","confirm_password":"g-h-i-j-k-l","name":"八","mail":"e@mail.example.jp"} {"ref":"R-9"}`},
		"unknown column":     {"x.csv", "ref,login_id,passwort\nR-9,nine0009,x\n"},
		"a column twice":     {"x.csv", "ref,login_id,login_id,login_password,confirm_password,name,mail\nR-9,nine0009,nine0010,a-b-c-d-e-f,g-h-i-j-k-l,九,n@mail.example.jp\n"},
		"too few columns":    {"x.csv", "ref,login_id\nR-9\n"},
		"not JSON":           {"x.jsonl", "ref: R-9"},
		"no customers":       {"x.txt", "R-9"},
		"no header":          {"x.csv", ""},
		"an unreadable line": {"x.jsonl", `{"ref":"` + strings.Repeat("x", 70_000) + `"}`},
	} {
		code, _, err := s.admin("customers", "-do", s.write(bad[0], bad[1], 0o600))
		if code != 1 || !strings.Contains(err, bad[0]) || strings.Contains(err, "a-b-c-d-e-f") {
			t.Errorf("%s: %d %q, want a refusal that names the file", name, code, err)
		}
	}
	for name, bad := range map[string][2]string{"both": {`"login_password":"a-b-c-d-e-f","login_password_hash":"$2a$"`, "login_password"}, "neither": {`"x":"y"`, "x"}, "another hash": {`"login_password_hash":"5f4dcc3b5aa765d61d8327deb882cf99"`, "login_password_hash"}} {
		code, out, err := s.admin("customers", "-do", s.write("y.jsonl", `{"ref":"R-9","login_id":"nine0009","confirm_password":"g-h-i-j-k-l","name":"九","mail":"n@mail.example.jp",`+bad[0]+`}`, 0o600))
		if code != 1 || !strings.Contains(out+err, bad[1]) || strings.Contains(out+err, "5f4dcc") {
			t.Errorf("%s: %d %s%s", name, code, out, err)
		}
	}
	if s.files() == before {
		t.Log("only the files of this test were added")
	}
	stop := s.serve()
	defer stop()
	for _, c := range [][3]string{{"TANAKA001", "momo-kuri-san-1", "/login/passwords"}, {"suzuki002", "fuji-no-yama-2", "/login/passwords"}, {"kato0003", "sakura-fubuki-3", "/login/passwords"},
		{"tanaka001", "momo-kuri-san-2", "/login"}, {"suzuki002", "taka-to-nasu-2", "/login"}, {"kato0003", "Sakura-fubuki-3", "/login"}, {"eight008", "a-b-c-d-e-f", "/login"}, {"nine0009", "a-b-c-d-e-f", "/login"}} {
		if to := s.login(c[0], c[1]); to != c[2] {
			t.Errorf("%s with %s is sent to %q, want %q", c[0], c[1], to, c[2])
		}
	}
}

// login logs in over the wire as a proxy would pass it on.
func (s *site) login(id, pw string) string {
	s.t.Helper()
	value := strings.Repeat("A", 43)
	r, err := http.NewRequestWithContext(s.t.Context(), "POST", "http://"+s.public+"/login", strings.NewReader(url.Values{"form": {value}, "login_id": {id}, "login_password": {pw}}.Encode()))
	fine(s.t, err)
	r.Host = loginHost
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("User-Agent", desktop)
	r.AddCookie(&http.Cookie{Name: "__Host-pre", Value: value})
	resp, err := http.DefaultTransport.RoundTrip(r)
	fine(s.t, err)
	_ = resp.Body.Close()
	return resp.Header.Get("Location")
}

func (s *site) get(address, host string) (int, string) {
	r, err := http.NewRequestWithContext(context.Background(), "GET", "http://"+address, nil)
	fine(s.t, err)
	if host != "" {
		r.Host = host
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

// serve starts the server and waits until it says that it is ready; the function that it gives stops it and hands back what was written.
func (s *site) serve() func() string {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, errs := &safeBuffer{}, &safeBuffer{}
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, []string{"serve", "-config", s.path("inkan.toml")}, out, errs) }()
	for range 200 {
		if code, body := s.get(s.inside+"/readyz", ""); code == http.StatusOK && body == "ready\n" {
			stopped := false
			return func() string {
				if !stopped {
					stopped = true
					cancel()
					select {
					case code := <-ended:
						if code != 0 || errs.String() != "" {
							s.t.Errorf("the server ended with %d: %s", code, errs)
						}
					case <-time.After(15 * time.Second):
						s.t.Error("the server does not stop")
					}
				}
				return out.String()
			}
		}
		select {
		case code := <-ended:
			cancel()
			s.t.Fatalf("the server ended with %d: %s", code, errs)
		case <-time.After(50 * time.Millisecond):
		}
	}
	cancel()
	s.t.Fatal("the server does not become ready")
	return nil
}

func TestTheServerStartsServesAndStops(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if code, _, err := inkan("serve", "-config", s.path("inkan.toml")); code != 1 || !strings.Contains(err, "inkan admin keys") {
		t.Errorf("without keys: %d %s", code, err)
	}
	s.do("keys")
	s.do("customers", s.write("a.csv", csvOf(1), 0o600))
	stop := s.serve()
	defer stop()
	if to := s.login("tanaka001", "momo-kuri-san-1"); to != "/login/passwords" {
		t.Errorf("a log-in leads to %s", to)
	}
	if to := s.login("tanaka001", "kanariya-wrong"); to != "/login" {
		t.Errorf("a wrong one leads to %s", to)
	}
	for host, want := range map[string]int{loginHost: 200, tokenHost: 404, "evil.example": 421} {
		if code, _ := s.get(s.public+"/login", host); code != want {
			t.Errorf("/login at %s answers %d", host, code)
		}
	}
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/metrics": 200, "/login": 404, "/": 404} {
		if code, _ := s.get(s.inside+path, loginHost); code != want {
			t.Errorf("%s of the inner listener answers %d", path, code)
		}
	}
	_, metrics := s.get(s.inside+"/metrics", "")
	// The notice of a login from a device that was never seen waits, or has left already.
	if !strings.Contains(metrics, `inkan_request_seconds_count{audience="login",class="3xx",method="POST"} 2`) || !regexp.MustCompile(`(?m)^inkan_outbox_waiting [01]$`).MatchString(metrics) {
		t.Errorf("the metrics do not count: %s", metrics)
	}
	for _, v := range []string{"tanaka", "R-1", "momo", "田中", "cus_", "ses_", "evil.example", "/login"} {
		if strings.Contains(metrics, v) {
			t.Errorf("the metrics hold %q", v)
		}
	}
	log := stop()
	if code, _ := s.get(s.public+"/login", loginHost); code != 0 {
		t.Error("the door is still open")
	}
	for line := range strings.Lines(log) {
		if !json.Valid([]byte(line)) {
			t.Errorf("a line of the log that is no JSON: %s", line)
		}
	}
	if !strings.Contains(log, `"msg":"ready"`) || strings.Contains(log, "momo") || strings.Contains(log, "kanariya") || strings.Contains(log, "tanaka") {
		t.Errorf("the log: %s", log)
	}
	// It can be started again on what it left.
	again := s.serve()
	if to := s.login("tanaka001", "momo-kuri-san-1"); to != "/login/passwords" {
		t.Errorf("after a restart a log-in leads to %s", to)
	}
	again()
}

// A caller who is slow to say what he wants, or says too much, does not keep a place in the house.
func TestSlowAndLoudCallersAreCutOff(t *testing.T) {
	t.Parallel()
	srv := server(http.NotFoundHandler(), attack(t).house.log)
	if srv.ReadHeaderTimeout > 5*time.Second || srv.ReadTimeout > 15*time.Second || srv.WriteTimeout > 30*time.Second || srv.IdleTimeout > time.Minute || srv.ReadHeaderTimeout*srv.ReadTimeout*srv.WriteTimeout*srv.IdleTimeout == 0 {
		t.Errorf("the limits are %v %v %v %v", srv.ReadHeaderTimeout, srv.ReadTimeout, srv.WriteTimeout, srv.IdleTimeout)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	fine(t, err)
	go func() { _ = srv.Serve(l) }()
	defer func() { _ = srv.Close() }()
	var junk [64 << 10]byte
	_, _ = rand.Read(junk[:])
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+l.Addr().String(), nil)
	fine(t, err)
	r.Header.Set("X-Junk", base64.StdEncoding.EncodeToString(junk[:]))
	resp, err := http.DefaultTransport.RoundTrip(r)
	fine(t, err)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("64 KiB of header are answered %d", resp.StatusCode)
	}
}
