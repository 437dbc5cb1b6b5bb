package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

// The root prolongs the issuer key when it is asked to in earnest, and the server starts with its new word.
func TestTheIssuerKeyIsProlonged(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.do("keys")
	root := s.path("root.pem")
	fine(t, os.Rename(s.path("keys/root.pem"), root))
	before := s.files()
	for _, args := range [][]string{{root}, {"-do"}, {"-do", s.path("keys/root.pem")}, {"-do", s.path("keys/issuer.pem")}} {
		if code, out, err := s.admin("issuer-key", args...); (code == 0) != (args[0] == root) {
			t.Errorf("%v: %d %s%s", args, code, out, err)
		}
		if s.files() != before {
			t.Fatalf("%v changed something", args)
		}
	}
	was, err := os.ReadFile(s.path("keys/issuer.jws"))
	fine(t, err)
	s.do("issuer-key", root)
	is, err := os.ReadFile(s.path("keys/issuer.jws"))
	fine(t, err)
	if string(was) == string(is) {
		t.Error("the word is the same")
	}
	s.do("fence") // opens the keys
}

// A node whose issuer key has ended says so, and is to be asked all the same: whoever has a token logs in as before.
func TestReadinessTellsOfTheIssuerKeysEnd(t *testing.T) {
	t.Parallel()
	w := attack(t)
	ready := func() (int, string) {
		r := httptest.NewRecorder()
		w.house.internal.ServeHTTP(r, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		return r.Code, r.Body.String()
	}
	if code, said := ready(); code != http.StatusOK || said != "ready\n" {
		t.Errorf("%d %q", code, said)
	}
	w.Clock.Move(time.Until(w.Keys.Issuer().Expires) + time.Minute)
	if code, said := ready(); code != http.StatusOK || !strings.HasPrefix(said, "ready, but the issuer key ended on 20") {
		t.Errorf("after the end: %d %q", code, said)
	}
	r := httptest.NewRecorder()
	w.house.internal.ServeHTTP(r, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if !strings.Contains(r.Body.String(), "\ninkan_issuer_key_end_seconds ") {
		t.Error("no figure tells of the end")
	}
}
