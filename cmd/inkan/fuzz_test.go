package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Whatever stands in a configuration file, it is refused or it is safe: three hosts over https, keys, a way for passwords that is not in the clear.
func FuzzConfig(f *testing.F) {
	const good = "listen = \":1\"\ninternal = \":2\"\n[hosts]\nlogin = \"https://l.example\"\ntoken = \"https://t.example\"\napi = \"https://a.example\"\n[bank]\nname_ja = \"x\"\nname_en = \"x\"\n[proxy]\ntrusted = [\"10.0.0.0/8\"]\n" +
		"[database]\nsqlite = \"x\"\n[keys]\ndirectory = \"x\"\n[mail]\nhost = \"localhost\"\nport = 25\nfrom = \"a@b.example\"\nplain = true\n"
	for _, s := range []string{good, "", "x", strings.ReplaceAll(good, "https://a", "http://a"), strings.ReplaceAll(good, "a.example\"\n[bank", "l.example\"\n[bank"), good + "[policy]\notp_digits = 60\n", good + "[policy]\nsession_idle = \"-1m\"\n", good + good,
		strings.ReplaceAll(good, "10.0.0.0/8", "::/0"), strings.ReplaceAll(good, "localhost", "mail.example"), "listen = 1", "[[hosts]]\n", good + "[policy]\nblock_first = \"9999999h\"\n", "\x00", good + "x.y.z = 1", strings.ReplaceAll(good, "= 25", "= -1")} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		path := filepath.Join(t.TempDir(), "inkan.toml")
		fine(t, os.WriteFile(path, []byte(s), 0o600))
		c, err := readConfig(path)
		if err != nil {
			return
		}
		hosts := map[string]bool{}
		for _, h := range []string{c.Hosts.Login, c.Hosts.Token, c.Hosts.API} {
			hosts[strings.ToLower(h)] = true
			if !strings.HasPrefix(h, "https://") && !strings.Contains(h, "localhost") && !strings.Contains(h, "127.") && !strings.Contains(h, "[::1]") {
				t.Fatalf("%q is taken for a host", h)
			}
		}
		if len(hosts) != 3 || c.Keys.Directory == "" || c.TLS.Certificate == "" && len(c.Proxy.Trusted) == 0 || c.Mail.Plain && !local(c.Mail.Host) || c.Policy.policy().Check() != nil || c.Listen == c.Internal {
			t.Fatalf("%+v is taken", c)
		}
	})
}

// A file of customers is refused or read whole: nothing is dropped in silence and nothing is made up.
func FuzzCustomers(f *testing.F) {
	for _, s := range []string{csvOf(1), "", "ref\n", "ref,login_id\na,b\n", "ref,ref\na,b\n", "ref\n\"a\nb\"\n", "ref;login_id\na;b\n", "\ufeffref\nx\n", "ref\n\n\nx\n", "x\n1\n", "ref\n\"\n", "Ref\nx\n"} {
		f.Add(s, true)
	}
	for _, s := range []string{`{"ref":"a"}`, `{"ref":"a"} {"ref":"b"}`, `{"ref":1}`, `{}`, "{}\n{}\n", "\n\n", `[{"ref":"a"}]`, `null`, `{"ref":"a","x":1}`, "{\"ref\":\"a\"}\r\n", strings.Repeat("x", 70_000)} {
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, s string, csv bool) {
		name := "c.jsonl"
		if csv {
			name = "c.csv"
		}
		path := filepath.Join(t.TempDir(), name)
		fine(t, os.WriteFile(path, []byte(s), 0o600))
		lines, err := readCustomers(path)
		if err != nil {
			if !strings.Contains(err.Error(), name) {
				t.Fatalf("%q: the refusal %v does not name the file", s, err)
			}
			return
		}
		if csv {
			return
		}
		n := 0
		for line := range strings.Lines(s) {
			if strings.TrimSpace(line) == "" {
				continue
			}
			n++
			if !json.Valid([]byte(line)) {
				t.Fatalf("%q is taken", line)
			}
		}
		if n != len(lines) {
			t.Fatalf("%q: %d customers of %d lines", s, len(lines), n)
		}
	})
}
