package oidc_test

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/testkit"
)

const (
	apache        = "/usr/sbin/apache2"
	apacheModules = "/usr/lib/apache2/modules"
)

// TestApache lets a client that we did not write do the whole protocol: Debian's libapache2-mod-auth-openidc guards a folder of an Apache.
func TestApache(t *testing.T) {
	if _, err := os.Stat(apacheModules + "/mod_auth_openidc.so"); err != nil {
		if os.Getenv("INKAN_TEST_ALL") != "" {
			t.Fatal("libapache2-mod-auth-openidc is not installed")
		}
		t.Skip("libapache2-mod-auth-openidc is not installed")
	}
	w := newWorld(t, testkit.New(t, testkit.SQLite(t)))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	site := "http://" + l.Addr().String()
	check(t, l.Close())
	secret, err := w.CreateOIDCClient(t.Context(), authority.OIDCClient{ID: "apache", Method: authority.ClientSecretBasic,
		RedirectURIs: []string{site + "/private/return"}, PostLogoutURIs: []string{site + "/bye.html"}})
	check(t, err)
	startApache(t, site, w.host.URL, secret)

	b := w.browser()
	var user string
	b.client.Transport = spy{b.client.Transport, func(r *http.Response) {
		if u := r.Header.Get("X-User"); u != "" {
			user = u
		}
	}}
	if r := b.open(site + "/private/"); r.status != http.StatusOK || r.body != "inside" || user != subject+" "+authority.ACRPassword+" pwd" {
		t.Fatalf("came to rest at %d %s as %q: %s", r.status, r.at, user, r.body)
	}
	if b.logins != 1 {
		t.Errorf("%d logins", b.logins)
	}
	if r := b.open(site + "/private/return?" + url.Values{"logout": {site + "/bye.html"}}.Encode()); r.body != "bye" {
		t.Errorf("logged out at %d %s: %s", r.status, r.at, r.body)
	}
	b.open(site + "/private/")
	if b.logins != 2 {
		t.Error("the session at the login host outlived Apache's logout")
	}
}

// startApache runs an Apache of its own in the foreground until the test ends.
func startApache(t *testing.T, site, issuer, secret string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "inkan-apache-") // t.TempDir is closed to the user that Apache becomes
	check(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	check(t, os.MkdirAll(filepath.Join(dir, "www", "private"), 0o755))
	check(t, os.WriteFile(filepath.Join(dir, "www", "private", "index.html"), []byte("inside"), 0o644))
	check(t, os.WriteFile(filepath.Join(dir, "www", "bye.html"), []byte("bye"), 0o644))
	u, err := url.Parse(site)
	check(t, err)
	var conf strings.Builder
	for _, m := range []string{"mpm_event", "authn_core", "authz_core", "authz_user", "dir", "headers", "auth_openidc"} {
		fmt.Fprintf(&conf, "LoadModule %s_module %s/mod_%s.so\n", m, apacheModules, m)
	}
	fmt.Fprintf(&conf, `
ServerRoot %[1]q
ServerName 127.0.0.1
Listen %[2]s
PidFile %[1]s/pid
DefaultRuntimeDir %[1]s
Mutex pthread
ErrorLog %[1]s/log
DocumentRoot %[1]s/www
<Directory "/">
  AllowOverride None
</Directory>
User www-data
Group www-data
OIDCProviderMetadataURL %[3]s/.well-known/openid-configuration
OIDCSSLValidateServer Off
OIDCClientID apache
OIDCClientSecret %[4]s
OIDCProviderTokenEndpointAuth client_secret_basic
OIDCPKCEMethod S256
OIDCIDTokenSignedResponseAlg ES256
OIDCScope "openid profile"
OIDCRedirectURI %[5]s/private/return
OIDCCryptoPassphrase a-passphrase-for-this-test-only
OIDCRemoteUserClaim sub
<Location "/private">
  AuthType openid-connect
  Require valid-user
  Header set X-User "expr=%%{REMOTE_USER} %%{reqenv:OIDC_CLAIM_acr} %%{reqenv:OIDC_CLAIM_amr}"
</Location>
`, dir, u.Host, issuer, secret, site)
	check(t, os.WriteFile(filepath.Join(dir, "conf"), []byte(conf.String()), 0o644))
	check(t, os.Chmod(dir, 0o755))
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), apache, "-D", "FOREGROUND", "-f", filepath.Join(dir, "conf"))
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	check(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Wait()
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Logf("Apache: %s%s", out.String(), log)
		}
	})
	for range 100 {
		if c, err := net.Dial("tcp", u.Host); err == nil {
			_ = c.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Error("Apache does not answer")
}

// spy looks at every answer that passes.
type spy struct {
	http.RoundTripper
	see func(*http.Response)
}

// RoundTrip passes the request on and looks.
func (s spy) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := s.RoundTripper.RoundTrip(r)
	if err == nil {
		s.see(resp)
	}
	return resp, err
}
