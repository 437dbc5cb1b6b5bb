package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/connector/partner"
	"github.com/inkan-auth/inkan/internal/connector/sip"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/phone"
	"github.com/inkan-auth/inkan/internal/domain/reissue"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// telephoned is a house with a carrier and a core beside it, all on one real port as in the demo.
type telephoned struct {
	*attacked
	partners *demoPartners
	keyDir   string
	at       func(name string) string
	port     string
	carrier  string // secret of a carrier that has one
	visits   *http.Client
	n        byte
}

func withTelephones(t *testing.T) *telephoned {
	t.Helper()
	var handler atomic.Value
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.Load().(http.Handler).ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	at := func(name string) string { return "http://" + name + ".localhost:" + port }
	bankKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	fine(t, err)
	dir := t.TempDir()
	log := slog.New(slog.DiscardHandler)
	partners, err := newDemoPartners(dir, at, bankKey, log)
	fine(t, err)
	w := attack(t, func(p *parts) {
		p.apiOrigin, p.core, p.telephone = at("api"), partners.core, partners.telephone
		p.sip = &sip.Config{Listen: "127.0.0.1:0", Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}
		p.more = map[string]http.Handler{at("phone"): partners.phones.Handler(), at("core"): partners.books}
	})
	handler.Store(http.Handler(http.HandlerFunc(w.house.handler.ServeHTTP)))
	fine(t, partners.register(t.Context(), w.Authority))
	fine(t, partners.register(t.Context(), w.Authority)) // a second start of the demo
	x := &telephoned{attacked: w, partners: partners, keyDir: dir, at: at, port: port}
	x.carrier, err = w.Authority.CreateAPIClient(t.Context(), "carrier-2", []string{"phone"}, nil, "")
	fine(t, err)
	x.visits = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
	}}}
	return x
}

// customer adds one of the people of the demo.
func (x *telephoned) customer(i int) (id string, s seeded) {
	x.t.Helper()
	s = seeds()[i]
	fine(x.t, x.ImportCustomer(x.t.Context(), authority.NewCustomer{Ref: s.Ref, LoginID: s.LoginID, LoginPassword: s.Login, ConfirmPassword: s.Confirm, Name: s.Name, Kana: s.Kana, Mail: s.Mail, Phone: s.Phone, Branch: "101",
		AccountType: "普通", AccountNumber: s.Account(), KeepPasswords: true}))
	c, err := x.Store.Reader().CustomerByRef(x.t.Context(), s.Ref)
	fine(x.t, err)
	return c.ID, s
}

func (x *telephoned) object() string {
	x.n++
	return ident.New(ident.Reissue, x.Clock.Now(), [10]byte{x.n})
}

func (x *telephoned) begin(id, object string, way phone.Way) authority.PhoneCheck {
	x.t.Helper()
	c, err := x.BeginPhone(x.t.Context(), audit.Actor{Kind: audit.Stranger}, id, object, way, "ja")
	fine(x.t, err)
	_, err = x.DeliverDue(x.t.Context())
	fine(x.t, err)
	return c
}

// page reads a page of the telephones, or presses something there.
func (x *telephoned) page(path string, press ...string) string {
	x.t.Helper()
	var res *http.Response
	var err error
	if press == nil {
		res, err = x.visits.Get(x.at("phone") + path)
	} else {
		v := url.Values{}
		for i := 0; i+1 < len(press); i += 2 {
			v.Set(press[i], press[i+1])
		}
		res, err = x.visits.PostForm(x.at("phone")+path, v)
	}
	fine(x.t, err)
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	fine(x.t, err)
	if res.StatusCode != http.StatusOK || !strings.Contains(res.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		x.t.Errorf("%s: %d %v", path, res.StatusCode, res.Header)
	}
	return string(b)
}

var shownCode = regexp.MustCompile(`<b class="code">(\d{3}) (\d{3})</b>`)

func (x *telephoned) code(page string) string {
	x.t.Helper()
	m := shownCode.FindStringSubmatch(page)
	if m == nil {
		x.t.Fatalf("no code on the page:\n%s", page)
	}
	return m[1] + m[2]
}

func (x *telephoned) is(what, object string, state phone.State) {
	x.t.Helper()
	if c, err := x.PhoneCheckOf(x.t.Context(), object); err != nil || c.State != state {
		x.t.Errorf("%s: %+v, %v, want %s", what, c, err, state)
	}
}

// Every way, over the real connectors: orders signed and sent over HTTP, events back through the API, the words as customers hear and read them.
func TestTheTelephoneOverItsGateway(t *testing.T) {
	t.Parallel()
	x := withTelephones(t)
	ctx := t.Context()
	id, s := x.customer(0)
	line := "/n/" + strings.ReplaceAll(s.Phone, "-", "")
	stranger := audit.Actor{Kind: audit.Stranger}
	var secrets []string

	o := x.object()
	x.begin(id, o, phone.SMS)
	page := x.page(line)
	for _, said := range []string{"印鑑銀行", "ワンタイムパスワード(トークン)の再発行", "お尋ねすることはありません", "10分間有効", "0120-000-000"} {
		if !strings.Contains(page, said) {
			t.Errorf("the message does not say %q", said)
		}
	}
	code := x.code(page)
	secrets = append(secrets, code)
	fine(t, x.ProvePhone(ctx, stranger, o, code))
	x.is("the message", o, phone.Proved)

	o = x.object()
	x.begin(id, o, phone.CallOut)
	if page = x.page("/"); !strings.Contains(page, "鳴っています") {
		t.Error("no telephone rings")
	}
	x.page(line)
	page = x.page(line+"/answer", "x", "")
	for _, said := range []string{"印鑑銀行の自動音声", "再発行のお申込み", "お心当たりがない場合", "お尋ねすることはありません", "もう一度申しあげます", "通話は終わりました"} {
		if !strings.Contains(page, said) {
			t.Errorf("the voice does not say %q:\n%s", said, page)
		}
	}
	code = x.code(page)
	secrets = append(secrets, code)
	fine(t, x.ProvePhone(ctx, stranger, o, code))
	x.page(line+"/close", "x", "")

	o = x.object()
	c := x.begin(id, o, phone.CallKeys)
	secrets = append(secrets, c.Digits)
	if page = x.page(line+"/answer", "x", ""); strings.Contains(page, c.Digits) || !strings.Contains(page, "電話機のボタンで押してください") {
		t.Errorf("keys: %s", page)
	}
	for i := range 5 {
		if page = x.page(line+"/key", "key", c.Digits[i:i+1]); strings.Count(page, `class="on"`) != i+1 {
			t.Fatalf("after %d keys: %s", i+1, page)
		}
	}
	if page = x.page(line+"/key", "key", c.Digits[5:]); !strings.Contains(page, "確認できました") {
		t.Errorf("after the last key: %s", page)
	}
	x.is("keys", o, phone.Proved)
	x.page(line+"/close", "x", "")

	o = x.object()
	c = x.begin(id, o, phone.CallIn)
	if c.Dial != demoDial {
		t.Errorf("dial %q", c.Dial)
	}
	if page = x.page(line+"/dial", "to", "184"+demoDial); !strings.Contains(page, "電話番号が通知されていません") {
		t.Errorf("a withheld number: %s", page)
	}
	x.is("withheld", o, phone.Waiting)
	if page = x.page(line+"/dial", "to", "03-9999-9999"); !strings.Contains(page, "つながりません") {
		t.Errorf("a number where nobody is: %s", page)
	}
	if page = x.page("/n/08010000002/dial", "to", demoDial); !strings.Contains(page, "受け付けているお手続きはありません") || !strings.Contains(page, "Nothing waits for a call") {
		t.Errorf("somebody else's telephone: %s", page)
	}
	x.is("somebody else", o, phone.Waiting)
	if page = x.page(line+"/dial", "to", "186 "+demoDial); !strings.Contains(page, "お届けの電話番号からのお電話を確認しました") {
		t.Errorf("her own: %s", page)
	}
	x.is("her own call", o, phone.Proved)

	o = x.object()
	x.Clock.Move(time.Hour)
	landline, l := x.customer(13)
	if offer, err := x.PhoneWays(ctx, landline); err != nil || len(offer.Ways) != 4 || offer.Ways[0] == phone.SMS {
		t.Errorf("a landline: %+v %v", offer, err)
	}
	x.Clock.Move(-time.Hour)
	c = x.begin(landline, o, phone.CallKeys)
	at := "/n/" + strings.ReplaceAll(l.Phone, "-", "")
	x.page(at+"/answer", "x", "")
	if page = x.page(at+"/key", "key", c.Digits); !strings.Contains(page, "確認できました") {
		t.Errorf("all at once: %s", page)
	}
	x.is("a landline without a voice", o, phone.Proved)
	x.page(at+"/close", "x", "")
	o = x.object()
	x.begin(landline, o, phone.CallOut)
	x.page(at+"/hang-up", "x", "")
	x.is("not answered", o, phone.Failed)

	log := x.log.String()
	trail := strings.Join(x.state(), "\n")
	for _, secret := range append(secrets, strings.ReplaceAll(s.Phone, "-", "")[1:]) {
		if m := regexp.MustCompile(`(^|[^0-9a-zA-Z])` + secret + `([^0-9a-zA-Z]|$)`); m.MatchString(log) || m.MatchString(trail) {
			t.Errorf("%s stands in the log or in a table", secret)
		}
	}
}

// Who may tell of calls, and how: nobody without the scope, and no event is believed for its looks.
func TestWhoMayTellOfCalls(t *testing.T) {
	t.Parallel()
	x := withTelephones(t)
	id, _ := x.customer(0)
	o := x.object()
	c := x.begin(id, o, phone.CallKeys)
	tell := func(name, secret string, change ...any) answer {
		t.Helper()
		body := map[string]any{"id": rand.Text(), "at": x.Clock.Now().UTC().Format(time.RFC3339), "event": "digits", "call": c.ID, "from": "", "digits": c.Digits}
		for i := 0; i+1 < len(change); i += 2 {
			body[change[i].(string)] = change[i+1]
		}
		b, err := json.Marshal(body)
		fine(t, err)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, x.at("api")+"/v1/phone-events", strings.NewReader(string(b)))
		fine(t, err)
		r.Header.Set("Content-Type", "application/json")
		if name != "" {
			r.SetBasicAuth(name, secret)
		}
		res, err := x.visits.Do(r)
		fine(t, err)
		defer func() { _ = res.Body.Close() }()
		text, err := io.ReadAll(res.Body)
		fine(t, err)
		return answer{Response: res, text: string(text)}
	}
	for what, got := range map[string]struct {
		answer
		status int
	}{
		"nobody":              {tell("", ""), 401},
		"a wrong secret":      {tell("carrier-2", "x"), 401},
		"no such scope":       {tell("core", x.system), 403},
		"another time":        {tell("carrier-2", x.carrier, "at", "2020-01-01T00:00:00Z"), 400},
		"no time":             {tell("carrier-2", x.carrier, "at", "now"), 400},
		"an unknown event":    {tell("carrier-2", x.carrier, "event", "proved"), 400},
		"an unknown call":     {tell("carrier-2", x.carrier, "call", "tel_01h455vb4pex5vsknk084sn02q"), 404},
		"an unknown member":   {tell("carrier-2", x.carrier, "state", "proved"), 400},
		"a check as a number": {tell("carrier-2", x.carrier, "event", "incoming", "call", "1", "from", c.ID), 200},
	} {
		if got.StatusCode != got.status {
			t.Errorf("%s: %d %s, want %d", what, got.StatusCode, got.text, got.status)
		}
	}
	x.is("after all that", o, phone.Ringing)
	if got := tell("carrier-2", x.carrier); got.StatusCode != 200 || !strings.Contains(got.text, "確認できました") {
		t.Errorf("the carrier: %d %s", got.StatusCode, got.text)
	}
	x.is("the carrier", o, phone.Proved)

	// Orders that inkan has not signed ring nobody.
	for what, change := range map[string]func(r *http.Request){
		"no signature": func(r *http.Request) {},
		"garbage":      func(r *http.Request) { r.Header.Set(partner.SignatureHeader, "e30..x") },
		"another key": func(r *http.Request) {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			fine(t, err)
			s, err := partner.Sign(key, "inkan", partner.RequestType, map[string]any{"htm": "POST", "htu": x.at("phone") + "/gateway/calls", "iat": time.Now().Unix(), "jti": rand.Text()}, []byte(`{"id":"1","to":"+819010000001"}`))
			fine(t, err)
			r.Header.Set(partner.SignatureHeader, s)
		},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, x.at("phone")+"/gateway/calls", strings.NewReader(`{"id":"1","to":"+819010000001"}`))
		fine(t, err)
		change(r)
		res, err := x.visits.Do(r)
		fine(t, err)
		_ = res.Body.Close()
		if res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %d", what, res.StatusCode)
		}
	}
}

// A call that comes in over SIP proves the number that the carrier names, and only where a check waits for it.
func TestACallOverSIPProvesTheNumber(t *testing.T) {
	t.Parallel()
	x := withTelephones(t)
	id, _ := x.customer(0)
	ctx := t.Context()
	tell := callsOver(x.Authority, x.Clock.Now)
	o := x.object()
	fine(t, tell(ctx, "+819010000001", "sip-1"))
	x.begin(id, o, phone.CallIn)
	x.is("a call before the check", o, phone.Waiting)
	fine(t, tell(ctx, "+819010000002", "sip-2"))
	x.is("another number", o, phone.Waiting)
	fine(t, tell(ctx, "+819010000001", "sip-3"))
	x.is("her number", o, phone.Proved)
	if x.house.calls == "" {
		t.Error("no address for calls")
	}
}

// The core says whether card and PIN are right, three wrong PINs block the card at the bank, and a question that comes again costs nothing.
func TestTheCoreOfTheReferenceBank(t *testing.T) {
	t.Parallel()
	x := withTelephones(t)
	s := seeds()[0]
	ask := func(request, pin string) authority.CardResult {
		t.Helper()
		got, err := x.Core.CheckCard(t.Context(), authority.CardCheck{Request: request, Branch: "101", AccountType: "普通", AccountNumber: s.Account(), PIN: []byte(pin)})
		fine(t, err)
		return got
	}
	right := authority.CardResult{Ref: s.Ref, Right: true}
	if got := ask("1", s.PIN); got != right {
		t.Errorf("the right PIN: %+v", got)
	}
	for range 5 {
		if got := ask("2", "0000"); got.Right || got.Ref != "" {
			t.Errorf("a wrong PIN: %+v", got)
		}
	}
	ask("3", "0001")
	if got := ask("4", s.PIN); got != right {
		t.Errorf("after two wrong ones: %+v", got)
	}
	for _, r := range []string{"5", "6", "7"} {
		ask(r, "0000")
	}
	if got := ask("8", s.PIN); got.Right {
		t.Errorf("a blocked card: %+v", got)
	}
	if got := ask("1", s.PIN); got != right {
		t.Errorf("the first question once more: %+v", got)
	}
	// Over the door of the re-issue: the PIN stands in no log and in no table, whether it is right or not.
	second, s2 := x.customer(1)
	for _, pin := range []string{"4444", s2.PIN} {
		_, err := x.BeginReissue(t.Context(), testkit.Visit(authority.PC), reissue.Token, authority.CardCheck{Branch: "101", AccountType: "普通", AccountNumber: s2.Account(), PIN: []byte(pin)})
		if (err == nil) != (pin == s2.PIN) {
			t.Errorf("the card of %s: %v", second, err)
		}
		if m := regexp.MustCompile(`(^|[^0-9a-zA-Z])` + pin + `([^0-9a-zA-Z]|$)`); m.MatchString(x.log.String()) || m.MatchString(strings.Join(x.state(), "\n")) {
			t.Error("a PIN stands in the log or in a table")
		}
	}
	res, err := x.visits.Post(x.at("core")+"/card-checks", "application/json", strings.NewReader(`{"request":"9","branch":"101","account_type":"普通","account_number":"1000001","pin":"2580"}`))
	fine(t, err)
	_ = res.Body.Close()
	if res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a question that is not inkan's: %d", res.StatusCode)
	}
	if strings.Contains(x.log.String(), s.PIN) || strings.Contains(x.log.String(), s.Account()) {
		t.Error("PIN or account stand in the log")
	}
}

// The partners of the configuration file: keys in either form, none that others can read, none on another curve.
func TestPartnersOfTheConfiguration(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	good, err := os.ReadFile(s.path("inkan.toml"))
	fine(t, err)
	key, err := demoClientKey(s.path("sec1.pem"))
	fine(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	fine(t, err)
	s.write("pkcs8.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), 0o600)
	s.write("open.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), 0o644)
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	fine(t, err)
	s.write("public.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})), 0o644)
	wide, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	fine(t, err)
	der, err = x509.MarshalPKCS8PrivateKey(wide)
	fine(t, err)
	s.write("p384.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), 0o600)
	s.write("empty.pem", "nothing\n", 0o600)
	read := func(lines string) (parts, error) {
		t.Helper()
		c, err := readConfig(s.write("partners.toml", string(good)+lines, 0o600))
		fine(t, err)
		var p parts
		return p, c.partners(&p)
	}
	in := func(name string) string { return fmt.Sprintf("%q", s.path(name)) }
	c, err := readConfig(s.write("partners.toml", string(good)+"[core]\nurl = \"https://core.bank.example\"\nkey = "+in("sec1.pem")+"\nanswers = "+in("public.pem")+
		"\n[telephone]\nurl = \"https://carrier.example/x\"\nkey = "+in("pkcs8.pem")+"\ncalls = true\ndial = \"0120-111-222\"\n[telephone.sip]\nlisten = \"127.0.0.1:0\"\ntrusted = [\"10.9.0.0/28\"]\n", 0o600))
	fine(t, err)
	var p parts
	fine(t, c.partners(&p))
	if k := p.telephone.Kinds(); p.core == nil || !k.Calls || k.Messages || k.Dial != "0120-111-222" || p.sip == nil || len(p.sip.Trusted) != 1 {
		t.Errorf("partners: %+v, %+v, %+v", p.core, k, p.sip)
	}
	if c, err = readConfig(s.path("inkan.toml")); err != nil || c.partners(&p) != nil {
		t.Errorf("without partners: %v", err)
	}
	for lines, says := range map[string]string{
		"[core]\nurl = \"https://core.bank.example\"\nkey = " + in("open.pem"):                                            "chmod 600",
		"[core]\nurl = \"https://core.bank.example\"\nkey = " + in("p384.pem"):                                            "P-256",
		"[core]\nurl = \"https://core.bank.example\"\nkey = " + in("empty.pem"):                                           "holds no EC key",
		"[core]\nurl = \"https://core.bank.example\"\nkey = " + in("none.pem"):                                            "core.key",
		"[core]\nurl = \"https://core.bank.example\"\nkey = " + in("sec1.pem") + "\nanswers = " + in("sec1.pem"):          "core.answers",
		"[core]\nurl = \"https://core.bank.example\"\nkey = " + in("sec1.pem") + "\nca = " + in("empty.pem"):              "holds no certificate",
		"[telephone]\nurl = \"https://carrier.example\"\nmessages = true\ncertificate = \"x\"\ncertificate_key = \"x\"\n": "telephone.certificate_key",
	} {
		if _, err := read(lines + "\n"); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want a sentence with %q", lines, err, says)
		}
	}
}
