// Package telephone is the customers' telephones in the demo and in tests, and the carrier between them and inkan: a gateway that takes signed orders for calls and short messages over HTTP and tells of
// what happens in a call, as a real one does, and a web page on which each telephone rings, is answered, has keys, shows messages and dials. Everything that a voice says is shown: nobody has to hear.
package telephone

import (
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/inkan-auth/inkan/demo/frame"
	"github.com/inkan-auth/inkan/demo/signed"
)

// GatewayPath is where inkan's orders go, below the address of the page.
const GatewayPath = "/gateway"

const keep = 50 // messages kept for each number; older ones go first

// Config is all that the telephones need to know of the world.
type Config struct {
	URL         string            // origin under which the page is opened
	API         string            // origin of inkan's API
	ID          string            // of the carrier, as a client of the API
	Key         *ecdsa.PrivateKey // signs the carrier's assertions
	Asker       *ecdsa.PublicKey  // of inkan, which signs its orders
	Dial        string            // the number that inkan takes calls at
	Subscribers []Subscriber
	HTTP        *http.Client // nil means one with short time limits that finds *.localhost on this machine
	Now         func() time.Time
	Log         *slog.Logger
}

// Subscriber is somebody with a telephone.
type Subscriber struct{ Number, Name, NameEN string }

// Exchange connects the telephones. Make one with New.
type Exchange struct {
	cfg   Config
	pages *frame.Frame
	door  *signed.Door

	mu    sync.Mutex
	lines []*line
	known map[string]bool // orders by their names
}

// line is one telephone with its number.
type line struct {
	Subscriber
	Digits   string // of the number
	Messages []message
	Call     *call
}

type message struct {
	Text string
	At   time.Time
}

// callState is how a call stands for whoever holds the telephone.
type callState string

const (
	ringing callState = "ringing"
	talking callState = "talking"
	over    callState = "over"
	missed  callState = "missed"
)

type call struct {
	ID      string
	Own     bool // dialled on this telephone
	State   callState
	Expires time.Time
	Said    []string
	Typed   string // on the keys, so far
	Gather  int    // digits that the voice waits for
	Broken  bool   // the line to inkan broke
}

// New makes the telephones.
func New(cfg Config) (*Exchange, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.HTTP == nil {
		cfg.HTTP = defaultClient()
	}
	p, err := frame.Load(files, languageCookie, "list", "line", "dial")
	if err != nil {
		return nil, err
	}
	e := &Exchange{cfg: cfg, pages: p, door: &signed.Door{URL: cfg.URL, Key: cfg.Asker, Now: cfg.Now}, known: map[string]bool{}}
	for _, s := range cfg.Subscribers {
		e.lines = append(e.lines, &line{Subscriber: s, Digits: digits(s.Number)})
	}
	return e, nil
}

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '０' && r <= '９' {
			r -= '０' - '0'
		}
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

// line finds a telephone by its number, in national or international form. The caller holds the lock.
func (e *Exchange) line(number string) *line {
	if rest, ok := strings.CutPrefix(number, "+81"); ok {
		number = "0" + rest
	}
	i := slices.IndexFunc(e.lines, func(l *line) bool { return l.Digits == digits(number) })
	if i < 0 {
		return nil
	}
	return e.lines[i]
}

type order struct {
	ID      string    `json:"id"`
	To      string    `json:"to"`
	Text    string    `json:"text"`
	Expires time.Time `json:"expires"`
}

// take reads an order of inkan; the second time it says that it has it already.
func (e *Exchange) take(w http.ResponseWriter, r *http.Request, do func(l *line, o order)) {
	body, _, err := e.door.Read(r)
	if err != nil {
		http.Error(w, "not an order of inkan", http.StatusUnauthorized)
		return
	}
	var o order
	if json.Unmarshal(body, &o) != nil || o.ID == "" || o.To == "" {
		http.Error(w, "not an order", http.StatusBadRequest)
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	l := e.line(o.To)
	switch {
	case l == nil:
		http.Error(w, "no such number", http.StatusUnprocessableEntity)
	case e.known[o.ID]:
		http.Error(w, "known already", http.StatusConflict)
	default:
		e.known[o.ID] = true
		do(l, o)
		w.WriteHeader(http.StatusAccepted)
	}
}

func (e *Exchange) takeCall(w http.ResponseWriter, r *http.Request) {
	e.take(w, r, func(l *line, o order) {
		if e.busy(l) {
			go func() { _, _ = e.tell(event{Event: "failed", Call: o.ID}) }()
			return
		}
		l.Call = &call{ID: o.ID, State: ringing, Expires: o.Expires}
	})
}

func (e *Exchange) takeMessage(w http.ResponseWriter, r *http.Request) {
	e.take(w, r, func(l *line, o order) {
		l.Messages = append([]message{{o.Text, e.cfg.Now()}}, l.Messages...)
		l.Messages = l.Messages[:min(len(l.Messages), keep)]
	})
}

// busy says whether somebody is talking on a line. The caller holds the lock.
func (e *Exchange) busy(l *line) bool { return l.Call != nil && l.Call.State == talking }

// answer picks up.
func (e *Exchange) answer(number string) {
	if id, ok := e.move(number, ringing, talking); ok {
		e.follow(number, id, event{Event: "answered", Call: id})
	}
}

// hangUp ends a call, or does not take it.
func (e *Exchange) hangUp(number string) {
	if id, ok := e.move(number, ringing, over); ok {
		_, _ = e.tell(event{Event: "failed", Call: id})
	} else if id, ok := e.move(number, talking, over); ok {
		e.mu.Lock()
		l := e.line(number)
		own := l.Call != nil && l.Call.Own
		e.mu.Unlock()
		if !own {
			_, _ = e.tell(event{Event: "ended", Call: id})
		}
	}
}

// dial calls a number from a telephone. 184 in front keeps one's own number back, as everywhere in Japan; 186 shows it.
func (e *Exchange) dial(number, to string) {
	to = digits(to)
	shown := !strings.HasPrefix(to, "184")
	to = strings.TrimPrefix(strings.TrimPrefix(to, "184"), "186")
	e.mu.Lock()
	l := e.line(number)
	if l == nil || to == "" || e.busy(l) {
		e.mu.Unlock()
		return
	}
	c := &call{ID: rand.Text(), Own: true, State: talking}
	l.Call = c
	if to != digits(e.cfg.Dial) {
		c.State = over // the page says that nobody is there
		c.Broken = true
		e.mu.Unlock()
		return
	}
	from := "+81" + l.Digits[1:]
	e.mu.Unlock()
	if !shown {
		from = ""
	}
	e.follow(number, c.ID, event{Event: "incoming", Call: c.ID, From: from})
}

// press types digits on the keys; what the voice waits for goes when there are enough.
func (e *Exchange) press(number, keys string) {
	e.mu.Lock()
	l := e.line(number)
	if l == nil || !e.busy(l) || l.Call.Gather == 0 {
		e.mu.Unlock()
		return
	}
	c := l.Call
	c.Typed += digits(keys)
	if len(c.Typed) < c.Gather {
		e.mu.Unlock()
		return
	}
	typed, id := c.Typed[:c.Gather], c.ID
	c.Typed = ""
	e.mu.Unlock()
	e.follow(number, id, event{Event: "digits", Call: id, Digits: typed})
}

// clearCall puts the telephone down after a call.
func (e *Exchange) clearCall(number string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if l := e.line(number); l != nil && l.Call != nil && l.Call.State != talking && l.Call.State != ringing {
		l.Call = nil
	}
}

// move changes the state of the call of a line, if it is in the one that is expected.
func (e *Exchange) move(number string, from, to callState) (id string, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	l := e.line(number)
	if l == nil || l.Call == nil || l.Call.State != from || from == ringing && !l.Call.Expires.After(e.cfg.Now()) {
		return "", false
	}
	l.Call.State = to
	return l.Call.ID, true
}

// follow tells inkan what has happened and does what the answer says, in the call that it is about.
func (e *Exchange) follow(number, id string, what event) {
	r, err := e.tell(what)
	e.mu.Lock()
	defer e.mu.Unlock()
	l := e.line(number)
	if l == nil || l.Call == nil || l.Call.ID != id || l.Call.State != talking {
		return
	}
	c := l.Call
	if err != nil {
		e.cfg.Log.Warn("inkan did not take an event", "event", what.Event, "err", err)
		c.State, c.Broken, c.Gather = over, true, 0
		return
	}
	c.Said, c.Gather = append(c.Said, r.Say...), r.Gather
	if r.HangUp || r.Gather == 0 {
		c.State, c.Gather = over, 0
	}
}
