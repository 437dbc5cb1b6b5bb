package web

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/problem"
)

// MaxBody is the largest body that a door takes which takes no file.
const MaxBody = 64 << 10

type requestIDKey struct{}

// RequestID is the name of this request in the log and in problem documents.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// Harden puts the headers, limits and guards that every page needs in front of next. csp is the page's own content
// security policy; refuse is how this audience is told no: by a page in its language or by a problem document.
func Harden(next http.Handler, csp string, refuse func(w http.ResponseWriter, r *http.Request, err error)) http.Handler {
	return HardenWith(next, csp, func(*http.Request) int64 { return MaxBody }, refuse)
}

// HardenWith is Harden with room, which says how large the body of a request may be, for an audience of which one door takes a file.
func HardenWith(next http.Handler, csp string, room func(*http.Request) int64, refuse func(w http.ResponseWriter, r *http.Request, err error)) http.Handler {
	cross := http.NewCrossOriginProtection()
	cross.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refuse(w, r, problem.New(problem.Forbidden)) // as a form without its token: to the customer it is the same
	}))
	return headers(cross.Handler(next), csp, room)
}

// Shield is Harden without the guard against forms of other sites, for doors that other sites are meant to come through: those of a protocol. A body
// beyond the limit is refused here, because a protocol's library may take what it could read of it for the whole.
func Shield(next http.Handler, csp string) http.Handler {
	return Headers(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > MaxBody {
			http.Error(w, "the body is too large", http.StatusRequestEntityTooLarge)
			return
		}
		next.ServeHTTP(w, r)
	}), csp)
}

// Headers is what every answer of ours carries, whichever room gives it, with the limit of the body.
func Headers(next http.Handler, csp string) http.Handler {
	return headers(next, csp, func(*http.Request) int64 { return MaxBody })
}

func headers(next http.Handler, csp string, room func(*http.Request) int64) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", csp)
		h.Set("Strict-Transport-Security", "max-age=63072000; includeSubDomains; preload")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(self), publickey-credentials-get=(self), publickey-credentials-create=(self), geolocation=(), microphone=(), payment=(), usb=()")
		h.Set("Cache-Control", "no-store")
		// A link that was merely looked at by a mail scanner or a prefetching browser must not do anything; it is not even answered (C-93).
		if p := r.Header.Get("Sec-Purpose") + r.Header.Get("Purpose"); strings.Contains(p, "prefetch") || strings.Contains(p, "preview") {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		// Nor may a question for the head alone: a page that renews a key when it is opened, or a login that begins, is for GET.
		if r.Method == http.MethodHead {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, room(r))
		next.ServeHTTP(w, r)
	})
}

// Soon is a moment of the machine's own clock: for the deadlines of sockets, which do not follow the bank's time.
func Soon(d time.Duration) time.Time { return time.Now().Add(d) }

// Observe gives each request a name, writes one line for it when it ends, and turns a panic into an answer that says nothing. The route is logged and
// not the path: paths carry the handles of logins under way, and whatever else a stranger or a slip put there.
func Observe(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var b [8]byte
		_, _ = rand.Read(b[:]) // never fails
		id := hex.EncodeToString(b[:])
		w.Header().Set("X-Request-Id", id)
		rec := &recorder{ResponseWriter: w, status: http.StatusOK}
		r = r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id))
		began := time.Now()
		defer func() {
			if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // the sentinel is compared as net/http does
				log.Error("panic in a handler", "request", id, "panic", p, "stack", string(debug.Stack()))
				if !rec.wrote {
					http.Error(rec, "internal error "+id, http.StatusInternalServerError)
				}
			}
			log.Info("request", "id", id, "host", r.Host, "method", r.Method, "route", r.Pattern, "status", rec.status, "ms", time.Since(began).Milliseconds(), "source", Source(r))
		}()
		next.ServeHTTP(rec, r)
	})
}

type recorder struct {
	http.ResponseWriter
	status int
	wrote  bool
}

func (r *recorder) WriteHeader(status int) {
	if !r.wrote {
		r.status, r.wrote = status, true
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	r.wrote = true
	return r.ResponseWriter.Write(b)
}

// Status is what was answered, for the metrics.
func (r *recorder) Status() int { return r.status }

// Unwrap lets http.ResponseController reach the real writer.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// Proxies replaces the caller's address by the one that a trusted proxy reports: the right-most hop that is not itself trusted (C-82). Without trusted proxies
// forwarded headers are ignored.
func Proxies(trusted []netip.Prefix, next http.Handler) http.Handler {
	inside := func(s string) (netip.Addr, bool) {
		a, err := netip.ParseAddr(strings.TrimSpace(s))
		if err != nil {
			return netip.Addr{}, false
		}
		a = a.Unmap()
		for _, p := range trusted {
			if p.Contains(a) {
				return a, true
			}
		}
		return a, false
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if _, ok := inside(host); err == nil && ok {
			hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
			for i := len(hops) - 1; i >= 0; i-- {
				if a, ours := inside(hops[i]); !ours {
					if a.IsValid() {
						r.RemoteAddr = net.JoinHostPort(a.String(), "0")
					}
					break
				}
			}
		}
		next.ServeHTTP(w, r)
	})
}

// Hosts sends each request to the audience of its host; an unknown host is misdirected (C-81).
func Hosts(audiences map[string]http.Handler) http.Handler {
	misdirected := Shield(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Del("Strict-Transport-Security") // a name that is not ours is promised nothing
		http.Error(w, "no such site here", http.StatusMisdirectedRequest)
	}), "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, ok := audiences[strings.ToLower(r.Host)]
		if !ok {
			h = misdirected
		}
		h.ServeHTTP(w, r)
	})
}
