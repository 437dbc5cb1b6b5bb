package tokenapp

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/server/web"
)

// Limits of the event stream. A stream costs no goroutine: a bank's customers may have twenty thousand apps open at the same time.
const (
	pingEvery     = 25 * time.Second
	streamLife    = time.Hour // then the app connects again, with a fresh proof
	maxStreams    = 50_000
	streamsEach   = 10                     // of one customer: her phone, its tabs, and connections whose end has not been noticed yet
	pingsTogether = 100                    // then those who are to be told something have their turn
	writeWithin   = 200 * time.Millisecond // a few bytes into a socket's buffer; a phone that takes longer has gone
	eventMessage  = "event: transaction\ndata: {}\n\n"
	pingMessage   = ": \n\n"
)

// streams are the open event streams of this node. One goroutine writes to all of them but those over HTTP/2.
type streams struct {
	mu      sync.Mutex
	each    int                  // how many one customer may have
	count   int                  // of all
	of      map[string][]*stream // by customer, the oldest first
	open    map[*stream]struct{} // those that are written to here
	due     map[*stream]struct{}
	closing map[*http.Server]chan struct{} // closed when that server shuts down; for the streams that it keeps itself
	wake    chan struct{}
	once    sync.Once
}

type stream struct {
	customer string
	end      func() // ends it from outside

	conn  net.Conn // nil where the connection cannot be taken over
	until time.Time
	leave func() // the authority's watchers
}

func (s *streams) start() {
	s.once.Do(func() {
		s.each, s.of, s.wake = streamsEach, map[string][]*stream{}, make(chan struct{}, 1)
		s.open, s.due, s.closing = map[*stream]struct{}{}, map[*stream]struct{}{}, map[*http.Server]chan struct{}{}
	})
}

// events keeps a connection open and says "look" when there is something to see. It carries no content, so nothing can be read from it or put into it.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	customer, err := s.Authority.CustomerOfToken(r.Context(), s.proof(r, nil))
	if err != nil {
		s.API.Refuse(w, r, err)
		return
	}
	s.streams.start()
	if s.streams.len() >= maxStreams {
		s.API.Refuse(w, r, problem.New(problem.Busy, "retry_after", 60))
		return
	}
	header := "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nConnection: close\r\nX-Accel-Buffering: no\r\n"
	for name, values := range w.Header() {
		for _, v := range values {
			if name != "Cache-Control" {
				header += name + ": " + v + "\r\n"
			}
		}
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil { // HTTP/2 has no connection to give away: there the stream keeps its goroutine
		s.eventsOver(w, r, customer)
		return
	}
	if buffered.Reader.Buffered() > 0 { // a client that goes on talking does not speak this protocol
		_ = conn.Close()
		return
	}
	_ = conn.SetDeadline(time.Time{}) // the server's own limits are for requests
	_ = conn.SetWriteDeadline(web.Soon(writeWithin))
	if _, err := fmt.Fprint(conn, header+"\r\n"); err != nil {
		_ = conn.Close()
		return
	}
	s.streams.add(conn, s.Authority.Watch, customer)
}

// eventsOver is the stream where the connection cannot be taken over.
func (s *Server) eventsOver(w http.ResponseWriter, r *http.Request, customer string) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	st := &stream{customer: customer, end: cancel}
	s.streams.enter(st)
	defer s.streams.exit(st)
	changed := make(chan struct{}, 1)
	defer s.Authority.Watch(customer, func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	})()
	c := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	message := eventMessage
	closing := s.streams.closingOf(r)
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	end := time.NewTimer(streamLife)
	defer end.Stop()
	for {
		_ = c.SetWriteDeadline(web.Soon(2 * pingEvery)) // it ends the stream even while nothing is written, so it must be after the next ping
		if _, err := w.Write([]byte(message)); err != nil || c.Flush() != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-closing: // the server waits for this request before the workers end
			return
		case <-end.C:
			return
		case <-tick.C:
			message = pingMessage
		case <-changed:
			message = eventMessage
		}
	}
}

// len is how many streams are open.
func (s *streams) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// enter counts a stream among its customer's. Where she has as many as she may, the oldest ends: it is the likeliest to be one that nobody listens to any more, and
// whoever holds her phone cannot take all the places of this node.
func (s *streams) enter(st *stream) {
	s.mu.Lock()
	if st.conn != nil {
		s.open[st] = struct{}{}
	}
	s.count++
	s.of[st.customer] = append(s.of[st.customer], st)
	oldest := s.of[st.customer][0]
	full := len(s.of[st.customer]) > s.each
	s.mu.Unlock()
	if full && s.exit(oldest) {
		oldest.end()
	}
}

// exit forgets a stream, and says whether it was there.
func (s *streams) exit(st *stream) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.of[st.customer], st)
	if i < 0 {
		return false
	}
	s.count--
	if s.of[st.customer] = slices.Delete(s.of[st.customer], i, i+1); len(s.of[st.customer]) == 0 {
		delete(s.of, st.customer)
	}
	delete(s.open, st)
	delete(s.due, st)
	return true
}

// closingOf is closed when the server that took a request begins to shut down.
func (s *streams) closingOf(r *http.Request) <-chan struct{} {
	server, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c, known := s.closing[server]
	if !known {
		c = make(chan struct{})
		s.closing[server] = c
		server.RegisterOnShutdown(sync.OnceFunc(func() { close(c) }))
	}
	return c
}

// add takes a connection over. Its first event is due at once: what came before the stream was watched is looked for as well.
func (s *streams) add(conn net.Conn, watch func(string, func()) func(), customer string) {
	st := &stream{customer: customer, conn: conn, until: web.Soon(streamLife)}
	st.leave = watch(customer, func() { s.mark(st) }) // nothing is marked before it has entered
	st.end = func() {
		st.leave()
		_ = conn.Close()
	}
	s.enter(st)
	s.mark(st)
}

// mark has an event written to a stream that is still open.
func (s *streams) mark(st *stream) {
	s.mu.Lock()
	if _, open := s.open[st]; open {
		s.due[st] = struct{}{}
	}
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// RunStreams writes to the event streams until ctx ends, and closes them then.
func (s *Server) RunStreams(ctx context.Context) error {
	s.streams.start()
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			s.streams.write(s.streams.all(), "", true)
			return nil
		case <-s.streams.wake:
			s.streams.write(s.streams.takeDue(), eventMessage, false)
		case <-tick.C:
			for some := range slices.Chunk(s.streams.all(), pingsTogether) { // whoever is told to look does not wait until all have been pinged
				s.streams.write(some, pingMessage, false)
				s.streams.write(s.streams.takeDue(), eventMessage, false)
			}
		}
	}
}

func (s *streams) all() []*stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*stream, 0, len(s.open))
	for st := range s.open {
		out = append(out, st)
	}
	return out
}

func (s *streams) takeDue() []*stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*stream, 0, len(s.due))
	for st := range s.due {
		out = append(out, st)
	}
	clear(s.due)
	return out
}

// write sends a message to each, and lets go of those that do not take it or whose time is over.
func (s *streams) write(to []*stream, message string, closing bool) {
	for _, st := range to {
		now := web.Soon(0) // of each anew: the last of twenty thousand has its turn long after the first
		err := st.conn.SetWriteDeadline(now.Add(writeWithin))
		if err == nil && message != "" {
			_, err = st.conn.Write([]byte(message))
		}
		if err == nil && !closing && now.Before(st.until) {
			continue
		}
		if s.exit(st) { // otherwise it has been ended meanwhile
			st.end()
		}
	}
}
