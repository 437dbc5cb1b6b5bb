package bank

import (
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"sync"
	"time"
)

const (
	sessionCookie = "__Host-bank"
	idleLimit     = 5 * time.Minute
	absoluteLimit = 60 * time.Minute
)

// customer is who the issuer said is here, and how it knows.
type customer struct {
	Subject    string
	Name       string
	ACR        string
	AMR        []string
	VerifiedAt time.Time
	Last       time.Time // Time of the login before this one; zero at the first.
	IDToken    string    // Kept only to be handed back at logout.
	Login      string    // The issuer's name for this login (sid).
}

// sessions are the bank's own: the cookie holds a random name, everything else stays on this side under the hash of that name.
type sessions struct {
	now func() time.Time

	mu  sync.Mutex
	all map[[32]byte]*session
}

type session struct {
	customer customer
	began    time.Time
	seen     time.Time
}

func newSessions(now func() time.Time) *sessions {
	return &sessions{now: now, all: make(map[[32]byte]*session)}
}

func (s *session) over(now time.Time) bool {
	return now.Sub(s.seen) >= idleLimit || now.Sub(s.began) >= absoluteLimit
}

// start opens a session under a new name, whatever cookie the browser brought, and ends the one it had.
func (s *sessions) start(w http.ResponseWriter, r *http.Request, who customer) {
	id := rand.Text() + rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := key(r); ok {
		delete(s.all, old)
	}
	now := s.now()
	for k, other := range s.all {
		if other.over(now) {
			delete(s.all, k)
		}
	}
	s.all[sha256.Sum256([]byte(id))] = &session{customer: who, began: now, seen: now}
	setCookie(w, id, 0)
}

// current answers whose session this is and counts the visit as activity.
func (s *sessions) current(r *http.Request) (customer, bool) {
	k, ok := key(r)
	if !ok {
		return customer{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.all[k]
	if !ok || found.over(s.now()) {
		delete(s.all, k)
		return customer{}, false
	}
	found.seen = s.now()
	return found.customer, true
}

// end closes the session of the request and answers whose it was.
func (s *sessions) end(w http.ResponseWriter, r *http.Request) (customer, bool) {
	k, ok := key(r)
	if !ok {
		return customer{}, false
	}
	setCookie(w, "", -1)
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.all[k]
	delete(s.all, k)
	if !ok {
		return customer{}, false
	}
	return found.customer, true
}

// endLogin closes every session that came of a login at the issuer.
func (s *sessions) endLogin(login string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, x := range s.all {
		if x.customer.Login == login {
			delete(s.all, k)
		}
	}
}

// forget removes a cookie whose session is over and says whether there was one, so that the front page can explain it once.
func (s *sessions) forget(w http.ResponseWriter, r *http.Request) bool {
	_, had := key(r)
	if had {
		setCookie(w, "", -1)
	}
	return had
}

func key(r *http.Request) ([32]byte, bool) {
	c, err := r.Cookie(sessionCookie)
	if err != nil || c.Value == "" {
		return [32]byte{}, false
	}
	return sha256.Sum256([]byte(c.Value)), true
}

func setCookie(w http.ResponseWriter, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Value: value, Path: "/", MaxAge: maxAge, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// visits remembers the last two logins of each customer. A bank keeps this in its database.
type visits struct {
	mu  sync.Mutex
	all map[string]visit
}

type visit struct {
	last, before time.Time
}

func newVisits() *visits {
	return &visits{all: make(map[string]visit)}
}

// note records a login and answers the one before; coming back with the same verification is not a new login.
func (v *visits) note(subject string, at time.Time) time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	known := v.all[subject]
	if !known.last.Equal(at) {
		known = visit{last: at, before: known.last}
		v.all[subject] = known
	}
	return known.before
}
