package oidc

import (
	"context"
	"net/http"
	"strings"

	"github.com/inkan-auth/inkan/internal/server/web"
)

type sourceKey struct{}

// way is what a request passes before it reaches the library: the network it came from is noted for the trail, and answers that lead from a
// request under way to another site go over a page of ours.
func (s *Server) way(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(context.WithValue(r.Context(), sourceKey{}, web.Source(r)))
		if r.PathValue("request") != "" {
			w = &leaving{ResponseWriter: w, s: s, r: r}
		}
		next.ServeHTTP(w, r)
	})
}

// leaving turns a redirect to another site into a page that goes there.
type leaving struct {
	http.ResponseWriter
	s    *Server
	r    *http.Request
	left bool
}

// WriteHeader looks where the answer leads.
func (l *leaving) WriteHeader(status int) {
	to := l.Header().Get("Location")
	if status/100 != 3 || strings.HasPrefix(to, "/") || strings.HasPrefix(to, l.s.Issuer+"/") {
		l.ResponseWriter.WriteHeader(status)
		return
	}
	l.left = true
	l.Header().Del("Location")
	l.Header().Del("Content-Type")
	l.s.Leave(l.ResponseWriter, l.r, to)
}

// Write drops the body of a redirect that has become a page.
func (l *leaving) Write(b []byte) (int, error) {
	if l.left {
		return len(b), nil
	}
	return l.ResponseWriter.Write(b)
}
