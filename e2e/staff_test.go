//go:build browser

package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// authenticator gives the page a security key of its own, whose user shows a finger at once; its passkeys may be ones that can be copied.
func (b *tab) authenticator(copyable ...bool) webauthn.AuthenticatorID {
	b.t.Helper()
	var id webauthn.AuthenticatorID
	b.must(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		if _, err := cdp.Call(ctx, t, webauthn.Enable, webauthn.EnableParams{}); err != nil {
			return chromedp.Void{}, err
		}
		r, err := cdp.Call(ctx, t, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Ctap2version: webauthn.Ctap2versionCtap21, Transport: webauthn.AuthenticatorTransportInternal,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
			DefaultBackupEligibility: len(copyable) > 0}})
		id = r.AuthenticatorID
		return chromedp.Void{}, err
	})
	return id
}

// finger says whether the user of an authenticator can show who she is.
func (b *tab) finger(id webauthn.AuthenticatorID, verified bool) {
	b.t.Helper()
	b.must(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, webauthn.SetUserVerified, webauthn.SetUserVerifiedParams{AuthenticatorID: id, IsUserVerified: verified})
		return chromedp.Void{}, err
	})
}

// forget takes an authenticator away.
func (b *tab) forget(id webauthn.AuthenticatorID) {
	b.t.Helper()
	b.must(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, webauthn.RemoveVirtualAuthenticator, webauthn.RemoveVirtualAuthenticatorParams{AuthenticatorID: id})
		return chromedp.Void{}, err
	})
}

var staffID = regexp.MustCompile(`stf_[0-9a-z]{26}`)

// staffCommand runs `inkan admin staff` beside the demo.
func (d *demo) staffCommand(args ...string) string {
	d.t.Helper()
	out, _ := exec.Command(binary, append([]string{"admin", "staff", "-config", filepath.Join(d.data, "admin.toml")}, args...)...).CombinedOutput()
	return string(out)
}

// The first member of staff, as somebody who tries the demo meets it: the link on the start page, a passkey, a word, the second person's command, the console.
func TestAMemberOfStaffComesToTheConsole(t *testing.T) {
	t.Parallel()
	for _, lang := range languages() {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			d := startDemo(t)
			wide := pc
			wide.lang = lang
			b := wide.open(t, browser(t, t.TempDir()), "staff", true)
			key := b.authenticator()
			i := b.inspector(lang)
			i.canSee(d.url("staff", "/login"))
			b.goTo("http://localhost:" + d.port + "/?lang=" + lang)
			i.check("start-invited")
			var link string
			b.eval("document.querySelector('a[href*=\"/register#\"]').href", &link)

			b.goTo(d.url("staff", "/"))
			b.at("/login")
			i.check("staff-login")
			b.goTo(d.url("staff", "/register"))
			b.see("#refusal")
			i.check("staff-register-no-link")

			b.eval("location.assign("+quote(link)+") || ''", new(string)) // as the address bar does it: the page takes notice
			b.see("#who")
			if name := b.text("#name"); !strings.Contains(name, "森 明子") {
				t.Errorf("the page greets %q", name)
			}
			i.check("staff-register")
			for _, next := range []string{map[string]string{"ja": "en", "en": "ja"}[lang], lang} { // the code survives a change of language
				b.click("form.language button")
				b.until("document.documentElement.lang === " + quote(next) + " && document.getElementById('who')?.checkVisibility()")
			}
			b.finger(key, false)
			b.click("form[data-passkey] button")
			b.see("#refusal")
			i.check("staff-register-cancelled")
			b.forget(key) // one that was refused a finger stays refused
			b.goTo("about:blank")
			b.authenticator()
			b.goTo(link)
			b.see("#who")
			// The answer is lost on its way. Pressed again, the same passkey is taken for what it is.
			b.eval("(() => { const real = window.fetch; let n = 0; window.fetch = async (path, o) => { const r = await real(path, o); if (path === '/register' && !n++) throw new TypeError('lost'); return r; }; return '' })()", new(string))
			b.click("form[data-passkey] button")
			b.see("#refusal")
			i.check("staff-register-lost")
			b.click("form[data-passkey] button")
			b.see("#word")
			if n := d.asked("POST /register"); n != 2 {
				t.Errorf("the passkey was sent %d times", n)
			}
			word := b.text("#word")
			i.check("staff-registered")
			if where := b.where(); strings.Contains(where, "#") {
				t.Errorf("the code of the link is still in the address: %s", where)
			}
			id := staffID.FindString(d.staffCommand("list"))

			b.goTo("about:blank")
			b.goTo(link)
			b.see("#refusal")
			i.check("staff-register-used")
			b.goTo(d.url("staff", "/login"))
			b.click("form[data-passkey] button")
			b.see("#refusal")
			if said := b.text("#refusal"); !strings.Contains(said, word) {
				t.Errorf("before the confirmation the page says %q", said)
			}
			i.check("staff-login-unconfirmed")
			b.goTo("http://localhost:" + d.port + "/?lang=" + lang)
			i.check("start-registered")

			if out := d.staffCommand("-do", "confirm", id, "0000-0000"); !strings.Contains(out, "not right") {
				t.Errorf("a wrong word: %s", out)
			}
			if out := d.staffCommand("confirm", id, word); !strings.Contains(out, "dry run") {
				t.Errorf("a dry run: %s", out)
			}
			if out := d.staffCommand("-do", "confirm", id, strings.ToLower(word)); !strings.Contains(out, "is active") {
				t.Errorf("the right word: %s", out)
			}
			b.goTo(d.url("staff", "/login"))
			b.click("form[data-passkey] button")
			b.at(d.port + "/")
			if said := b.text("main"); !strings.Contains(said, "森 明子") {
				t.Errorf("the console says %q", said)
			}
			i.check("staff-home")
			b.goTo("http://localhost:" + d.port + "/?lang=" + lang)
			i.check("start-active")

			// Another browser of hers, with the same key, is seen and ended here.
			b.goTo(d.url("staff", "/"))
			b.click("form[action='/logout'] button")
			b.at("/login")
			i.check("staff-signed-out")
			b.goTo(d.url("staff", "/"))
			b.at("/login")
			b.click("form[data-passkey] button")
			b.at(d.port + "/")
			if out := d.staffCommand("-do", "suspend", id); !strings.Contains(out, "her sessions end") {
				t.Errorf("suspending: %s", out)
			}
			b.must(chromedp.Reload())
			b.at("/login")
			i.check("staff-over")
			b.click("form[data-passkey] button")
			b.see("#refusal")
			i.check("staff-suspended")
			b.cut.Store(true)
			b.goTo(d.url("staff", "/nothing"))
			i.check("staff-not-found")
		})
	}
}

// The console as a bank runs it, on a listener of its own: a passkey that can be copied is refused, and the page says so; one that cannot is taken under the same link.
func TestACopyablePasskeyIsRefusedAtTheConsole(t *testing.T) {
	dir := t.TempDir()
	free := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		return l.Addr().String()
	}
	public, staff := free(), free()
	_, port, _ := net.SplitHostPort(staff)
	conf := filepath.Join(dir, "inkan.toml")
	err := os.WriteFile(conf, []byte(fmt.Sprintf(`listen = %q
internal = %q
staff = %q
[hosts]
login = "http://login.localhost:1"
token = "http://token.localhost:1"
api = "http://api.localhost:1"
staff = "http://staff.localhost:%s"
[bank]
name_ja = "印鑑銀行"
name_en = "Inkan Bank"
[proxy]
trusted = ["127.0.0.1/32"]
[database]
sqlite = %q
[keys]
directory = %q
[mail]
host = "127.0.0.1"
port = 25
from = "otp@bank.example"
plain = true
`, public, free(), staff, port, filepath.Join(dir, "inkan.db"), filepath.Join(dir, "keys"))), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		out, err := exec.Command(binary, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v %s", args, err, out)
		}
		return string(out)
	}
	run("admin", "keys", "-config", conf, "-do")
	link := regexp.MustCompile(`http://staff\S+`).FindString(strings.SplitN(run("admin", "staff", "-config", conf, "-do", "invite", "-by", "aoki", "森 明子", "P-1", "-", "administrator"), "link", 2)[1])
	server := exec.Command(binary, "serve", "-config", conf)
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Process.Signal(syscall.SIGTERM); _ = server.Wait() })
	for range 100 {
		if c, err := net.Dial("tcp", staff); err == nil {
			_ = c.Close()
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	for n, lang := range languages() {
		wide := pc
		wide.lang = lang
		b := wide.open(t, browser(t, t.TempDir()), "strict-"+lang, true)
		key := b.authenticator(true)
		i := b.inspector(lang)
		b.goTo(link)
		b.see("#who")
		i.check("staff-register-strict-" + lang)
		b.click("form[data-passkey] button")
		b.see("#refusal")
		i.check("staff-register-copyable-" + lang)
		if n == 0 {
			continue
		}
		b.forget(key)
		b.goTo("about:blank")
		b.authenticator()
		b.goTo(link)
		b.see("#who")
		b.click("form[data-passkey] button")
		b.see("#word")
		word := b.text("#word")
		id := staffID.FindString(run("admin", "staff", "-config", conf, "list"))
		if out := run("admin", "staff", "-config", conf, "-do", "confirm", "-by", "baba", id, word); !strings.Contains(out, "is active") {
			t.Errorf("confirming: %s", out)
		}
		b.goTo("http://staff.localhost:" + port + "/login")
		b.click("form[data-passkey] button")
		b.at(port + "/")
	}
}
