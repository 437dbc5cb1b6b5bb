package oidc

import (
	"context"
	"net/http"
	"strings"
)

// maxBody bounds what a client or a page may send.
const maxBody = 64 << 10

type sourceKey struct{}

// client is the way of a request from a system of the bank.
func (s *Server) client(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		if s.Source != nil {
			r = r.WithContext(context.WithValue(r.Context(), sourceKey{}, s.Source(r)))
		}
		next.ServeHTTP(w, r)
	})
}

// browser is the way of a request from a customer's browser. Answers that lead to another site go over a page of ours where a form came before.
func (s *Server) browser(next http.Handler) http.Handler {
	return s.client(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("request") == "" {
			next.ServeHTTP(w, r)
			return
		}
		l := &leaving{ResponseWriter: w, s: s, r: r}
		next.ServeHTTP(l, r)
	}))
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
