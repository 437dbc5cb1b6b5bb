package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/connector/callback"
	"github.com/inkan-auth/inkan/internal/connector/keys"
	"github.com/inkan-auth/inkan/internal/connector/sip"
	"github.com/inkan-auth/inkan/internal/connector/smtp"
	"github.com/inkan-auth/inkan/internal/connector/webpush"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/password/leaked"
	"github.com/inkan-auth/inkan/internal/domain/phone"
	"github.com/inkan-auth/inkan/internal/domain/policy"
	"github.com/inkan-auth/inkan/internal/server/api"
	"github.com/inkan-auth/inkan/internal/server/console"
	"github.com/inkan-auth/inkan/internal/server/customer"
	"github.com/inkan-auth/inkan/internal/server/oidc"
	"github.com/inkan-auth/inkan/internal/server/tokenapp"
	"github.com/inkan-auth/inkan/internal/server/web"
	"github.com/inkan-auth/inkan/internal/store"
	files "github.com/inkan-auth/inkan/web"
)

// parts is what a house is built from: the same for serve and for demo.
type parts struct {
	store     *store.Store
	keyDir    string
	mail      smtp.Config
	core      authority.CoreBanking // nil where cash cards cannot be checked
	telephone authority.Telephone   // nil where nobody can be called
	sip       *sip.Config           // nil where no calls come in over SIP
	policy    policy.Policy
	bank      authority.Bank
	apiOrigin string
	bankURL   string
	trusted   []netip.Prefix
	log       *slog.Logger
	gallery   bool
	here      bool                    // names below localhost are this machine, for the demo
	together  bool                    // the console on the public listener as well, for the demo
	more      map[string]http.Handler // further audiences by origin, for the demo
	signIn    http.Handler            // signs made-up staff in at GET /demo/{who} of the staff host, for the demo; nil elsewhere
	now       func() time.Time        // time.Now, except in the benchmark
}

// house is the whole server: the only place that knows all rooms.
type house struct {
	authority *authority.Authority
	handler   http.Handler // public
	staff     http.Handler // the console; nil where there is none, or where it is on the public listener
	internal  http.Handler // health, readiness, metrics
	workers   []func(context.Context) error
	calls     string // address at which calls come in over SIP; empty where none do
	log       *slog.Logger
}

func build(ctx context.Context, p parts) (*house, error) {
	// What lives long is small here and what a request leaves behind is much: collecting less often costs little memory and saves some five hundredths of the
	// processor's time under load (docs/performance.md). GOGC still has the last word.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	if p.now == nil {
		p.now = time.Now
	}
	texts, err := web.LoadTexts(files.Files)
	if err != nil {
		return nil, err
	}
	k, err := keys.Open(p.keyDir, p.bank.TokenOrigin, time.Now())
	if err != nil {
		return nil, err
	}
	voice, err := web.LoadTexts(files.Files, "phone")
	if err != nil {
		return nil, err
	}
	mailer, err := smtp.New(p.mail)
	if err != nil {
		return nil, err
	}
	pusher, err := webpush.New(k.MAC("vapid", []byte("1")), "mailto:"+p.bank.MailFrom, p.policy.PushLoopback)
	if err != nil {
		return nil, err
	}
	a, err := authority.New(ctx, authority.Config{Pusher: pusher, Core: p.core, Telephone: p.telephone, Speak: web.Speak(voice, p.bank), Store: p.store, Keys: k, Mailer: mailer, Caller: callback.New(p.here), Compose: web.Compose(texts, p.bank), Word: web.Inbox(texts, p.bank), Policy: p.policy, Bank: p.bank,
		Now: p.now, Rand: rand.Reader, Log: p.log, Listed: leaked.Listed})
	if err != nil {
		return nil, err
	}
	m := newMetrics(a)
	doors := web.API{Log: p.log, Sentence: texts.Title}

	pages, err := customer.New(a, texts, p.bankURL)
	if err != nil {
		return nil, err
	}
	pages.Gallery = p.gallery
	if u, err := url.Parse(p.bankURL); err == nil && u.Host != "" {
		pages.Origins = []string{u.Scheme + "://" + u.Host}
	}
	connect, err := oidc.New(ctx, oidc.Config{Issuer: p.bank.LoginOrigin, Authority: a, Leave: pages.Leave, Sorry: pages.Sorry, Log: p.log})
	if err != nil {
		return nil, err
	}
	login := http.NewServeMux()
	inner := http.NewServeMux()
	pages.Mount(inner)
	connect.Mount(login)
	login.Handle("/", web.Harden(inner, pages.CSP(), pages.Fail))

	dist, err := fs.Sub(files.Files, "dist/tokenapp")
	if err != nil {
		return nil, err
	}
	app := http.NewServeMux()
	tokens := &tokenapp.Server{Authority: a, API: doors, App: dist, PushKey: pusher.Key()}
	if err := tokens.Mount(app); err != nil {
		return nil, err
	}
	bankDoor := http.NewServeMux()
	(&api.Server{Authority: a, API: doors, Origin: p.apiOrigin}).Mount(bankDoor)

	audiences := map[string]http.Handler{}
	for origin, h := range map[string]http.Handler{p.bank.LoginOrigin: m.watch("login", web.Headers(login, pages.CSP())), p.bank.TokenOrigin: m.watch("token", web.Harden(app, tokenapp.CSP, doors.Refuse)),
		p.apiOrigin: m.watch("api", web.Shield(bankDoor, api.CSP))} {
		if err := add(audiences, origin, h); err != nil {
			return nil, err
		}
	}
	var staff http.Handler
	if p.bank.StaffOrigin != "" {
		desk, err := console.New(a)
		if err != nil {
			return nil, err
		}
		work := http.NewServeMux()
		desk.Mount(work)
		if p.signIn != nil {
			work.Handle("GET /demo/{who}", p.signIn)
		}
		alone := map[string]http.Handler{} // no other audience is on the console's listener, and the console on no other
		if p.together {
			alone = audiences
		}
		if err := add(alone, p.bank.StaffOrigin, m.watch("staff", web.HardenWith(work, console.CSP, console.Room, desk.Fail))); err != nil {
			return nil, err
		}
		if !p.together {
			staff = web.Proxies(p.trusted, web.Observe(p.log, web.Hosts(alone)))
		}
	}
	for origin, h := range p.more {
		if err := add(audiences, origin, h); err != nil {
			return nil, err
		}
	}
	var calls *sip.Listener
	if p.sip != nil {
		conf := *p.sip
		conf.Log = p.log
		if calls, err = sip.Listen(ctx, conf, callsOver(a, p.now)); err != nil {
			return nil, err
		}
	}
	h := &house{authority: a, handler: web.Proxies(p.trusted, web.Observe(p.log, web.Hosts(audiences))), staff: staff, internal: m.handler(a), log: p.log,
		workers: []func(context.Context) error{a.Deliver, a.Sweep, a.Relay, tokens.RunStreams}}
	if calls != nil {
		h.calls = calls.Addr()
		h.workers = append(h.workers, calls.Serve)
	}
	return h, nil
}

// callsOver tells the authority of a call that has come in over SIP.
func callsOver(a *authority.Authority, now func() time.Time) sip.Tell {
	return func(ctx context.Context, from, call string) error {
		_, err := a.PhoneEvent(ctx, audit.Actor{Kind: audit.Server, ID: "sip"}, phone.Happened{ID: call, At: now(), Kind: phone.CallIncoming, Call: call, From: from})
		return err
	}
}

func add(audiences map[string]http.Handler, origin string, h http.Handler) error {
	u, err := url.Parse(origin)
	if err != nil {
		return err
	}
	audiences[strings.ToLower(u.Host)] = h
	return nil
}

// run serves until ctx ends: first the doors close and requests under way finish, then the workers, then the caller closes the store.
func (h *house) run(ctx context.Context, listeners ...listening) error {
	servers := make([]*http.Server, len(listeners))
	for i, l := range listeners {
		servers[i] = server(l.handler, h.log)
		servers[i].TLSConfig = l.conf
	}
	workers, stopWorkers := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	for _, work := range h.workers {
		wg.Go(func() {
			if err := work(workers); err != nil {
				h.log.Error("a worker ended", "err", err)
			}
		})
	}
	failed := make(chan error, len(servers))
	for i, s := range servers {
		go func() {
			var err error
			if listeners[i].conf != nil {
				err = s.ServeTLS(listeners[i], "", "")
			} else {
				err = s.Serve(listeners[i])
			}
			if !errors.Is(err, http.ErrServerClosed) {
				failed <- err
			}
		}()
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	for _, s := range servers {
		err = errors.Join(err, s.Shutdown(drain))
	}
	stopWorkers()
	wg.Wait()
	return err
}

// server has the limits of R-121.
func server(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 60 * time.Second,
		MaxHeaderBytes: 16 << 10, HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 100}, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
}

// metrics is what Prometheus may know: how often, how long, how many wait. Never who.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
}

func newMetrics(a *authority.Authority) *metrics {
	m := &metrics{registry: prometheus.NewRegistry(), requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "inkan_request_seconds",
		Help: "Time to answer a request, by audience, method and class of status.", Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10}}, []string{"audience", "method", "class"})}
	waiting := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "inkan_outbox_waiting", Help: "Messages that wait to leave the house; -1 when the database does not answer."}, func() float64 {
		n, err := a.OutboxWaiting(context.Background())
		if err != nil {
			return -1
		}
		return float64(n)
	})
	issuer := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "inkan_issuer_key_end_seconds", Help: "When the issuer key ends, in seconds since 1970."}, func() float64 {
		_, at := a.IssuerKeyEnded()
		return float64(at.Unix())
	})
	m.registry.MustRegister(m.requests, waiting, issuer, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) watch(audience string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		next.ServeHTTP(w, r)
		class := "2xx"
		if s, ok := w.(interface{ Status() int }); ok {
			class = fmt.Sprintf("%dxx", s.Status()/100)
		}
		method := r.Method
		if method != http.MethodGet && method != http.MethodPost {
			method = "other" // a caller must not be able to invent labels
		}
		m.requests.WithLabelValues(audience, method, class).Observe(time.Since(began).Seconds())
	})
}

func (m *metrics) handler(a *authority.Authority) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("alive\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := a.Ready(r.Context()); err != nil {
			http.Error(w, "not ready: the database does not answer, or the clock stands behind what it has shown before", http.StatusServiceUnavailable)
			return
		}
		if ended, at := a.IssuerKeyEnded(); ended { // whoever has a token can log in all the same, so this node is to be asked
			_, _ = fmt.Fprintf(w, "ready, but the issuer key ended on %s: nobody can register, and nothing can be confirmed\n", at.UTC().Format(time.RFC3339))
			return
		}
		_, _ = w.Write([]byte("ready\n"))
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	return mux
}

// listening is one listener with what answers on it; conf is nil for plain HTTP.
type listening struct {
	net.Listener
	handler http.Handler
	conf    *tls.Config
}
