package customer

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/problem"
)

// A flash is what a redirect carries to the page that comes next: a refusal with its values, a word that something was done, and what
// the customer had typed. It is sealed, so that nobody else can put a message on our pages, and it is read once.
type flash struct {
	Kind   problem.Kind      `json:"kind,omitempty"`
	Values map[string]any    `json:"values,omitempty"`
	Said   string            `json:"said,omitempty"`
	Typed  map[string]string `json:"typed,omitempty"`
	Until  time.Time         `json:"until"`
}

const (
	flashCookie = "__Host-said"
	flashLife   = time.Minute
	flashPlace  = "cookie.said"
)

// keptFields are the fields whose content comes back after a refusal. Passwords and codes never do.
var keptFields = []string{"login_id", "mail", "wish", "branch", "account_type", "account_number", "holder", "kana", "by", "read"}

func typed(r *http.Request) map[string]string {
	out := map[string]string{}
	for _, name := range keptFields {
		if v := r.PostFormValue(name); v != "" && len(v) <= 256 {
			out[name] = v
		}
	}
	return out
}

// keep seals a flash into its cookie.
func (s *Server) keep(w http.ResponseWriter, f flash) error {
	f.Until = s.Authority.Now().Add(flashLife)
	b, err := json.Marshal(f)
	if err != nil {
		return err
	}
	sealed, err := s.Authority.Keys.Seal("cookie", flashPlace, b)
	if err != nil {
		return err
	}
	setFlash(w, base64.RawURLEncoding.EncodeToString(sealed), int(flashLife/time.Second))
	return nil
}

// say keeps a word that something was done, for the page that comes next.
func (s *Server) say(w http.ResponseWriter, word string) error { return s.keep(w, flash{Said: word}) }

// took reads the flash and takes it away. One that is old, foreign or broken is none.
func (s *Server) took(w http.ResponseWriter, r *http.Request) (f flash) {
	c, err := r.Cookie(flashCookie)
	if err != nil {
		return flash{}
	}
	setFlash(w, "", -1)
	sealed, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil {
		return flash{}
	}
	b, err := s.Authority.Keys.Open("cookie", flashPlace, sealed)
	if err != nil || json.Unmarshal(b, &f) != nil || s.Authority.Now().After(f.Until) {
		return flash{}
	}
	return f
}

func setFlash(w http.ResponseWriter, value string, age int) {
	http.SetCookie(w, &http.Cookie{Name: flashCookie, Value: value, Path: "/", MaxAge: age, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// problem gives the refusal of a flash back with times as times.
func (f flash) problem() *problem.Error {
	if f.Kind == "" {
		return nil
	}
	e := problem.New(f.Kind)
	e.Values = problem.Values{}
	for name, v := range f.Values {
		if text, ok := v.(string); ok {
			if at, err := time.Parse(time.RFC3339, text); err == nil {
				v = at
			}
		}
		e.Values[name] = v
	}
	return e
}
