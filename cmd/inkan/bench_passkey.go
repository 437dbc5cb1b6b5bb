package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/passkey"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// passkeyHolders is how many of the benchmark's customers have a passkey and a browser that is known.
const passkeyHolders = 512

// benchPasskey measures logins with a passkey: the challenge is fetched and the assertion is sent, as the log-in page does it.
func benchPasskey(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	b := benchFlags{clients: []int{1, 8, 64}}
	if err := b.parse("passkey", args, stderr); err != nil {
		return err
	}
	return b.each(ctx, stdout, b.runPasskeys)
}

// passkeyLogins is the world with the customers that log in by passkey.
type passkeyLogins struct {
	*benchWorld
	next, done, rawSeq atomic.Int64
}

func (b benchFlags) runPasskeys(ctx context.Context, engine string, stdout io.Writer) error {
	w, err := newBenchWorld(ctx, engine, b)
	if err != nil {
		return err
	}
	defer w.close()
	l := &passkeyLogins{benchWorld: w}
	fmt.Fprintf(stdout, "%s: %s; %d customers; %d rounds of %g s a line\n", engine, w.about, b.tokens, b.rounds, b.seconds)
	took := time.Duration(b.seconds * float64(time.Second))
	bare := &line{name: fmt.Sprintf("bare ES256 verification, %d processors", runtime.GOMAXPROCS(0))}
	raw := &line{name: fmt.Sprintf("verification and one durable write, %d connections", rawClients)}
	lines := []*line{bare, raw}
	for _, n := range b.clients {
		lines = append(lines, &line{name: fmt.Sprintf("logins over HTTP, %d clients", n)})
	}
	for range b.rounds {
		for i, at := range lines {
			w.clock.reach(w.clock.step() + 1)
			var s sample
			switch at {
			case bare:
				s, err = w.bare(took)
			case raw:
				s, err = l.raw(ctx, took)
			default:
				s, err = l.load(ctx, b.clients[i-2], took)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", at.name, err)
			}
			at.add(s)
		}
	}
	proof, err := l.prove(ctx)
	if err != nil {
		return err
	}
	tab := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tab, "\ta second min\tmedian\tmax\tp50 ms\tp99 ms\tprocessor ms\tto verification and write: min\tmedian\tmax\tto bare\t")
	for _, at := range lines {
		lo, mid, hi := spread(at.rate)
		_, p50, _ := spread(at.p50)
		_, p99, _ := spread(at.p99)
		_, cpu, _ := spread(at.cpu)
		_, toBare, _ := spread(ratios(at.rate, bare.rate))
		fmt.Fprintf(tab, "%s\t%.0f\t%.0f\t%.0f\t%.2f\t%.2f\t%.3f\t%s\t%.2f\t\n", at.name, lo, mid, hi, ms(p50), ms(p99), ms(cpu), three(ratios(at.rate, raw.rate)), toBare)
	}
	if err := tab.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s\n\n", proof)
	return nil
}

// seedPasskey gives a customer of the benchmark a passkey whose private key is that of all tokens, and a browser that is known.
func (w *benchWorld) seedPasskey(ctx context.Context, tx *store.Tx, i int, us int64) error {
	t := w.tokens[i]
	handle := sha256.Sum256([]byte(t.customer))
	cose := append([]byte{0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32}, w.point[1:33]...) // EC2, ES256, P-256 (RFC 9053, section 7.1.1)
	cose = append(append(cose, 0x22, 0x58, 32), w.point[33:]...)
	browser := sha256.Sum256([]byte("inkan/cookie/v1|" + benchBrowser(i)))
	return errors.Join(
		store.Must(tx.SetHandle(ctx, db.SetHandleParams{ID: t.customer, Handle: handle[:]})),
		store.Must(tx.InsertPasskey(ctx, store.NewPasskey(passkey.Passkey{ID: newID(ident.Passkey, w.clock.Now()), Owner: t.customer, Name: "bench", State: passkey.Active, Device: "bench",
			Credential: passkey.Credential{ID: benchCredential(i), PublicKey: cose}, Usable: w.clock.Now(), Registered: w.clock.Now()}, "login", ""))),
		tx.InsertBrowser(ctx, db.InsertBrowserParams{Hash: browser[:], ID: newID(ident.Browser, w.clock.Now()), Customer: t.customer, Device: "bench", FirstAt: us}))
}

func benchBrowser(i int) string { return fmt.Sprintf("browser-of-customer-%d", i) }

func benchCredential(i int) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "credential of customer %d", i))
	return sum[:]
}

// raw verifies one signature and makes one write durable: what a login cannot do without, straight through the driver.
func (l *passkeyLogins) raw(ctx context.Context, took time.Duration) (sample, error) {
	digest := sha256.Sum256([]byte("inkan"))
	r, s, err := ecdsa.Sign(rand.Reader, l.device, digest[:])
	if err != nil {
		return sample{}, err
	}
	return l.straight(ctx, rawClients, took, func(c *rawConn) error {
		if !ecdsa.Verify(&l.device.PublicKey, digest[:], r, s) {
			return errors.New("a right signature does not hold")
		}
		t, now := l.tokens[l.rawSeq.Add(1)%passkeyHolders], l.clock.Now()
		id := newID(ident.Session, now)
		return c.write(ctx, func(q *db.Queries) error {
			return errors.Join(
				q.InsertSession(ctx, db.InsertSessionParams{Hash: random(32), ID: id, Chain: id, Customer: t.customer, Level: "full", Amr: "pop user hwk", Channel: "pc", Device: "-", Source: "127.0.0.0/24",
					AuthAt: store.Micros(now), CreatedAt: store.Micros(now), ExpiresAt: store.Micros(now.Add(time.Hour))}),
				q.InsertEntry(ctx, db.InsertEntryParams{ID: newID(ident.Entry, now), At: store.Micros(now), ActorKind: string(audit.Stranger), Action: string(audit.LoginPasskey), Customer: t.customer,
					Outcome: string(audit.Done), Device: "-", Source: "127.0.0.0/24", Detail: "{}"}))
		})
	})
}

func (l *passkeyLogins) load(ctx context.Context, n int, took time.Duration) (sample, error) {
	var clients []*client
	defer func() {
		for _, c := range clients {
			c.close()
		}
	}()
	return measure(n, took, func(int) (func() error, error) {
		c, err := l.dial(ctx)
		if err != nil {
			return nil, err
		}
		clients = append(clients, c)
		return func() error { return l.logIn(c, int(l.next.Add(1)%passkeyHolders)) }, nil
	})
}

// logIn does what the log-in page of one customer does.
func (l *passkeyLogins) logIn(c *client, i int) error {
	const form = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	host := strings.Replace(l.host, "api.", "login.", 1)
	origin := "http://" + host
	post := func(path, body string, want int) ([]byte, error) {
		c.out = fmt.Appendf(c.out[:0], "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: inkan-bench\r\nCookie: __Host-pre=%s; __Host-browser=%s\r\nSec-Fetch-Site: same-origin\r\n"+
			"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", path, host, form, benchBrowser(i), len(body), body)
		if err := c.send(c.out); err != nil {
			return nil, err
		}
		return c.answer(want)
	}
	answer, err := post("/login/passkey/options", "form="+form, http.StatusOK)
	if err != nil {
		return err
	}
	var o struct{ Challenge, RPID string }
	if err := json.Unmarshal(answer, &o); err != nil {
		return err
	}
	b64 := base64.RawURLEncoding.EncodeToString
	clientData := []byte(`{"type":"webauthn.get","challenge":"` + o.Challenge + `","origin":"` + origin + `","crossOrigin":false}`)
	party := sha256.Sum256([]byte("login.localhost"))
	data := append(party[:], 5, 0, 0, 0, 0) // user present and verified; it does not count
	hash := sha256.Sum256(clientData)
	digest := sha256.Sum256(append(data[:len(data):len(data)], hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, l.device, digest[:])
	if err != nil {
		return err
	}
	handle := sha256.Sum256([]byte(l.tokens[i].customer))
	id := b64(benchCredential(i))
	response := `{"id":"` + id + `","rawId":"` + id + `","type":"public-key","clientExtensionResults":{},"response":{"clientDataJSON":"` + b64(clientData) + `","authenticatorData":"` + b64(data) +
		`","signature":"` + b64(signature) + `","userHandle":"` + b64(handle[:]) + `"}}`
	if _, err := post("/login/passkey", "form="+form+"&response="+url.QueryEscape(response), http.StatusSeeOther); err != nil {
		return err
	}
	l.done.Add(1)
	return nil
}

// prove compares what the clients saw with what stands in the database. A login that failed leads back to the log-in page by a redirect too, and would be missing here.
func (l *passkeyLogins) prove(ctx context.Context) (string, error) {
	count := func(query string) (n int64, err error) {
		return n, l.live.QueryRowContext(ctx, query).Scan(&n)
	}
	entries, err1 := count("SELECT count(*) FROM audit_entry WHERE action = 'login.passkey' AND outcome = 'done'")
	refused, err2 := count("SELECT count(*) FROM audit_entry WHERE outcome = 'refused'")
	sessions, err3 := count("SELECT count(*) FROM session WHERE level = 'full' AND amr = 'pop user hwk'")
	if err := errors.Join(err1, err2, err3); err != nil {
		return "", err
	}
	if entries != l.done.Load() || sessions != entries || refused != 0 {
		return "", fmt.Errorf("the clients logged in %d times, the trail has %d logins and %d refusals, and there are %d sessions", l.done.Load(), entries, refused, sessions)
	}
	return fmt.Sprintf("%d logins = audit entries = sessions; none refused", entries), nil
}
