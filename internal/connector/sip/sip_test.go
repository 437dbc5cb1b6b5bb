package sip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

type told struct{ from, call string }

// listener is one with what it was told.
type listener struct {
	*Listener
	mu   sync.Mutex
	told []told
	fail bool
}

func open(t *testing.T, trusted string) *listener {
	t.Helper()
	l := &listener{}
	ctx, cancel := context.WithCancel(t.Context())
	var err error
	l.Listener, err = Listen(ctx, Config{Listen: "127.0.0.1:0", Trusted: []netip.Prefix{netip.MustParsePrefix(trusted)}}, func(_ context.Context, from, call string) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.fail {
			return errors.New("not now")
		}
		l.told = append(l.told, told{from, call})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- l.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return l
}

func (l *listener) got() []told {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]told(nil), l.told...)
}

// scenario is a call as a carrier places it, for sipp: the INVITE with the headers given, then the answer that is wanted, then the ACK.
func scenario(headers string, code int) string {
	return `<?xml version="1.0" encoding="UTF-8"?>
<scenario name="a call">
<send retrans="500"><![CDATA[
INVITE sip:0120111222@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: "anybody" <sip:0312345678@[local_ip]:[local_port]>;tag=[pid]s[call_number]
To: <sip:0120111222@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:carrier@[local_ip]:[local_port]>
` + headers + `Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=carrier 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000
]]></send>
<recv response="100" optional="true"/>
<recv response="` + fmt.Sprint(code) + `"/>
<send><![CDATA[
ACK sip:0120111222@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: "anybody" <sip:0312345678@[local_ip]:[local_port]>;tag=[pid]s[call_number]
[last_To:]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
</scenario>
`
}

// sipp places calls with a real SIP peer.
func (l *listener) sipp(t *testing.T, scenario string, more ...string) {
	t.Helper()
	path, err := exec.LookPath("sipp")
	if err != nil {
		if os.Getenv("INKAN_TEST_ALL") != "" {
			t.Fatal("sipp is not installed (Debian: sip-tester)")
		}
		t.Skip("sipp is not installed (Debian: sip-tester)")
	}
	file := filepath.Join(t.TempDir(), "call.xml")
	if err := os.WriteFile(file, []byte(scenario), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, append([]string{l.Addr(), "-sf", file, "-i", "127.0.0.1", "-m", "1", "-nostdin", "-timeout", "20", "-timeout_error"}, more...)...)
	cmd.Dir, cmd.Env = t.TempDir(), append(os.Environ(), "TERM=dumb")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sipp: %v\n%s", err, out)
	}
}

// Real calls of a real SIP peer, over UDP and TCP: the number of the carrier's word is told of, not the caller's own, and the call is not taken.
func TestCallsOfARealPeer(t *testing.T) {
	t.Parallel()
	l := open(t, "127.0.0.0/8")
	asserted := scenario("P-Asserted-Identity: \"Hanako\" <sip:+819012345678@carrier.example;user=phone>\r\n", 486)
	l.sipp(t, asserted)
	l.sipp(t, asserted, "-t", "t1")
	l.sipp(t, scenario("P-Asserted-Identity: <tel:+81-3-1234-5678>\r\n", 486))
	got := l.got()
	if len(got) != 3 || got[0].from != "+819012345678" || got[1].from != "+819012345678" || got[2].from != "+81312345678" || got[0].call == got[1].call || !strings.HasPrefix(got[0].call, "sip-") {
		t.Fatalf("told of: %+v", got)
	}
	l.sipp(t, scenario("", 433))
	l.sipp(t, scenario("P-Asserted-Identity: <sip:+819012345678@carrier.example>\r\nPrivacy: id\r\n", 433))
	if len(l.got()) != 3 {
		t.Errorf("a withheld number was told of: %+v", l.got())
	}
	l.mu.Lock()
	l.fail = true
	l.mu.Unlock()
	l.sipp(t, scenario("P-Asserted-Identity: <sip:+819012345678@carrier.example>\r\n", 480))
}

// A hundred calls at once, each told of once however often it is sent again.
func TestManyCallsOfARealPeer(t *testing.T) {
	t.Parallel()
	l := open(t, "127.0.0.0/8")
	l.sipp(t, scenario("P-Asserted-Identity: <sip:+8190[call_number]@carrier.example>\r\n", 486), "-m", "100", "-r", "100", "-l", "100")
	seen := map[string]bool{}
	for _, c := range l.got() {
		seen[c.call] = true
	}
	if len(seen) != 100 || len(l.got()) != 100 {
		t.Errorf("%d calls were told of under %d names, want 100", len(l.got()), len(seen))
	}
}

// What does not come from the carrier's servers is not read; the same packet from there is.
func TestStrangersAreNotHeard(t *testing.T) {
	t.Parallel()
	invite := func(to string) string {
		return strings.ReplaceAll("INVITE sip:x@"+to+" SIP/2.0\nVia: SIP/2.0/UDP 127.0.0.1:9;rport;branch=z9hG4bK-1\nFrom: <sip:x@x>;tag=1\nTo: <sip:x@x>\nCall-ID: one\nCSeq: 1 INVITE\nMax-Forwards: 70\nP-Asserted-Identity: <sip:+819012345678@c>\nContent-Length: 0\n\n", "\n", "\r\n")
	}
	send := func(l *listener) {
		t.Helper()
		c, err := net.Dial("udp", l.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		for _, garbage := range []string{"", "\r\n\r\n", "INVITE", strings.Repeat("A", 60000), "INVITE sip:x SIP/2.0\r\nCall-ID: two\r\n\r\n", invite(l.Addr())} {
			if _, err := c.Write([]byte(garbage)); err != nil {
				t.Fatal(err)
			}
		}
	}
	stranger, ours := open(t, "192.0.2.0/24"), open(t, "127.0.0.0/8")
	send(stranger)
	c, err := net.Dial("tcp", stranger.Addr())
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, _ = c.Write([]byte(invite(stranger.Addr())))
	if n, err := c.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Error("a stranger's connection is answered")
	}
	send(ours)
	for range 500 {
		if len(ours.got()) > 0 {
			break
		}
		time.Sleep(10 * time.Millisecond) // until the packet is there
	}
	if got := ours.got(); len(got) != 1 || got[0].from != "+819012345678" {
		t.Errorf("the carrier's call: %+v", got)
	}
	if got := stranger.got(); len(got) != 0 {
		t.Errorf("a stranger's call: %+v", got)
	}
	if _, err := Listen(t.Context(), Config{Listen: "127.0.0.1:0"}, nil); err == nil {
		t.Error("a listener that trusts nobody in particular")
	}
}

func TestWhoCalls(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what       string
		identities []string
		privacy    []string
		number     string
	}{
		{"sip", []string{`<sip:+819012345678@carrier.example>`}, nil, "+819012345678"},
		{"without brackets", []string{`sip:09012345678@carrier.example;user=phone`}, nil, "09012345678"},
		{"tel", []string{`<tel:+81-90-1234-5678;phone-context=x>`}, nil, "+819012345678"},
		{"both", []string{`"a, <sip:000@x>" <sip:+819012345678@c>, <tel:+819012345678>`}, nil, "+819012345678"},
		{"two headers", []string{`<sip:+819012345678@c>`, `<tel:+819012345678>`}, []string{"none"}, "+819012345678"},
		{"two numbers", []string{`<sip:+819012345678@c>, <tel:+819012345679>`}, nil, ""},
		{"withheld", []string{`<sip:+819012345678@c>`}, []string{"id"}, ""},
		{"withheld among others", []string{`<sip:+819012345678@c>`}, []string{"critical; ID"}, ""},
		{"a name", []string{`<sip:anonymous@anonymous.invalid>`}, nil, ""},
		{"a name and a number", []string{`<sip:hanako@c>, <tel:+819012345678>`}, nil, "+819012345678"},
		{"a number as a name", []string{`"+819012345678" <sip:hanako@c>`}, nil, ""},
		{"another scheme", []string{`<mailto:+819012345678@c>`}, nil, ""},
		{"no host", []string{`<sip:+819012345678>`}, nil, ""},
		{"an open bracket", []string{`<sip:+819012345678@c`}, nil, ""},
		{"parameters in the user", []string{`<sip:+819012345678;x=1@c>`}, nil, "+819012345678"},
		{"letters", []string{`<sip:+8190x@c>`}, nil, ""},
		{"nothing", nil, nil, ""},
	} {
		if n, withheld := caller(c.identities, c.privacy); n != c.number || withheld != (c.number == "") {
			t.Errorf("%s: %q, %v, want %q", c.what, n, withheld, c.number)
		}
	}
}

func FuzzCaller(f *testing.F) {
	f.Add(`"a" <sip:+819012345678@c;user=phone>, <tel:+819012345678>`, "none")
	f.Add(`"\"<" <sip:1@`, "id")
	f.Fuzz(func(t *testing.T, identity, privacy string) {
		n, withheld := caller([]string{identity}, []string{privacy})
		if withheld != (n == "") || strings.Trim(strings.TrimPrefix(n, "+"), "0123456789") != "" || len(n) > 21 {
			t.Fatalf("%q: %q %v", identity, n, withheld)
		}
	})
}
