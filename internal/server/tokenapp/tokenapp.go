// Package tokenapp serves the token app and the protocol it speaks (docs/protocol.md), on an origin of their own.
package tokenapp

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/server/web"
)

// CSP is the policy of the token app: nothing from elsewhere, nothing inline, no markup from text.
const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; manifest-src 'self'; worker-src 'self'; " +
	"media-src 'self' blob:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types svelte-trusted-html app"

// Server is the audience of the token app.
type Server struct {
	Authority *authority.Authority
	API       web.API
	App       fs.FS  // web/dist/tokenapp
	PushKey   string // our public key towards push services; empty where nobody is woken

	streams streams
}

// Mount lists all routes of this audience.
func (s *Server) Mount(m *http.ServeMux) error {
	m.Handle("POST /v1/registrations", web.JSON(s.API, s.register))
	m.Handle("POST /v1/renewals", web.JSON(s.API, s.renew))
	m.Handle("POST /v1/renewals/confirmation", web.JSON(s.API, s.confirmRenewal))
	m.Handle("GET /v1/time", web.JSON(s.API, s.time))
	m.Handle("GET /v1/token", web.JSON(s.API, s.token))
	m.Handle("POST /v1/moves", web.JSON(s.API, s.beginMove))
	m.Handle("POST /v1/moves/cancel", web.JSON(s.API, s.cancelMove))
	m.Handle("POST /v1/moves/finish", web.JSON(s.API, s.finishMove))
	m.Handle("GET /v1/transactions", web.JSON(s.API, s.transactions))
	m.Handle("POST /v1/decisions", web.JSON(s.API, s.decide))
	m.Handle("POST /v1/verifier/options", web.JSON(s.API, s.verifierOptions))
	m.Handle("PUT /v1/verifier", web.JSON(s.API, s.setVerifier))
	m.Handle("POST /v1/verifier/removal", web.JSON(s.API, s.removeVerifier))
	m.Handle("PUT /v1/push", web.JSON(s.API, s.setPush))
	m.Handle("DELETE /v1/push", web.JSON(s.API, s.endPush))
	m.Handle("POST /v1/stop", web.JSON(s.API, s.stop))
	m.Handle("POST /v1/token/objection", web.JSON(s.API, s.object))
	m.Handle("GET /v1/notices", web.JSON(s.API, s.notices))
	m.HandleFunc("GET /v1/events", s.events)
	return s.mountApp(m)
}

type registrationRequest struct {
	Registration string `json:"registration"`
}

type registrationAnswer struct {
	Answer    string `json:"answer"`
	IssuerKey string `json:"issuer_key"`
	repeated  bool
}

func (a registrationAnswer) StatusCode() int {
	if a.repeated {
		return http.StatusOK
	}
	return http.StatusCreated
}

func (s *Server) register(r *http.Request, req registrationRequest) (registrationAnswer, error) {
	got, err := s.Authority.Register(r.Context(), web.Stranger(r), req.Registration)
	return registrationAnswer{got.Answer, s.Authority.Keys.Issuer().Envelope, got.Repeated}, err
}

type timeAnswer struct {
	Now string `json:"now"`
}

func (s *Server) time(*http.Request, web.Nothing) (timeAnswer, error) {
	return timeAnswer{s.Authority.Now().UTC().Format("2006-01-02T15:04:05.000Z")}, nil
}

type tokenAnswer struct {
	State    string   `json:"state"`
	Expires  string   `json:"expires"`
	Now      string   `json:"now"`
	Issuer   string   `json:"issuer"`
	Contract contract `json:"contract"`

	Stopped     string `json:"stopped"`        // since when the customer's service stands still; empty where it does not
	Ended       string `json:"ended"`          // since when the token is over; empty while it is not
	ObjectUntil string `json:"object_until"`   // until when this phone, which was left behind, can say that this was not her; empty elsewhere
	Move        *move  `json:"move,omitempty"` // that a registered phone waits for
}

type contract struct {
	BankJA  string `json:"bank_ja"`
	BankEN  string `json:"bank_en"`
	Account string `json:"account"`
}

func (s *Server) token(r *http.Request, _ web.Nothing) (tokenAnswer, error) {
	t, err := s.Authority.ReadToken(r.Context(), s.proof(r, nil))
	var waits *move
	if t.Move != nil {
		m := moveOf(*t.Move)
		waits = &m
	}
	return tokenAnswer{string(t.State), t.Expires.Format(time.RFC3339), t.Now.Format(time.RFC3339), s.Authority.Bank.TokenOrigin,
		contract{t.Contract.BankJA, t.Contract.BankEN, t.Contract.Account}, stampOr(t.Stopped), stampOr(t.Ended), stampOr(t.ObjectUntil), waits}, err
}

// stampOr writes a time, or nothing where there is none.
func stampOr(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// mountApp serves the built app. An embedded file has no time, so each gets a strong ETag: a browser asks again each time and is told that nothing changed.
func (s *Server) mountApp(m *http.ServeMux) error {
	return fs.WalkDir(s.App, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(s.App, name)
		if err != nil {
			return err
		}
		h := file(name, content)
		if name == "index.html" { // no redirect to the folder: a precached redirect breaks the offline start
			m.Handle("GET /{$}", h)
			m.Handle("GET /r", h)
			m.HandleFunc("GET /", s.lost(content))
			return nil
		}
		m.Handle("GET /"+name, h)
		return nil
	})
}

// lost answers where there is nothing: a person with the app, which says so and leads back to its beginning.
func (s *Server) lost(page []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/v1/"):
			s.API.Refuse(w, r, problem.New(problem.NotFound))
		case !strings.Contains(r.Header.Get("Accept"), "text/html"):
			http.NotFound(w, r)
		default:
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Cache-Control", "no-store")
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write(page) // a reader who has gone needs no answer
		}
	}
}

// file serves one file, compressed where the browser takes that: it is compressed once, when the server starts.
func file(name string, content []byte) http.Handler {
	sum := sha256.Sum256(content)
	etag := hex.EncodeToString(sum[:16])
	kind := mime.TypeByExtension(path.Ext(name))
	switch {
	case strings.HasSuffix(name, ".webmanifest"): // the host's table of types must not decide whether the app can be installed
		kind = "application/manifest+json"
	case strings.HasSuffix(name, ".js"):
		kind = "text/javascript; charset=utf-8"
	}
	small := compress(content)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", kind)
		h.Set("Cache-Control", "no-cache")
		h.Set("Vary", "Accept-Encoding")
		h.Set("ETag", `"`+etag+`"`)
		body := content
		if len(small) < len(content) && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			h.Set("Content-Encoding", "gzip")
			h.Set("ETag", `"`+etag+`-gzip"`)
			body = small
		}
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(body))
	})
}

func compress(content []byte) []byte {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return content // only for a level that does not exist
	}
	_, _ = z.Write(content) // into memory
	_ = z.Close()
	return b.Bytes()
}
