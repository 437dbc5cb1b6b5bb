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
	pingsTogether = 100                    // then those who are to be told something have their turn
	writeWithin   = 200 * time.Millisecond // a few bytes into a socket's buffer; a phone that takes longer has gone
	eventMessage  = "event: transaction\ndata: {}\n\n"
	pingMessage   = ": \n\n"
)

// streams are the open event streams of this node. One goroutine writes to all of them.
type streams struct {
	mu      sync.Mutex
	open    map[*stream]struct{}
	due     map[*stream]struct{}
	closing map[*http.Server]chan struct{} // closed when that server shuts down; for the streams that it keeps itself
	wake    chan struct{}
	once    sync.Once
}

type stream struct {
	conn  net.Conn
	until time.Time
	leave func() // the authority's watchers
}

func (s *streams) start() {
	s.once.Do(func() {
		s.open, s.due, s.closing, s.wake = map[*stream]struct{}{}, map[*stream]struct{}{}, map[*http.Server]chan struct{}{}, make(chan struct{}, 1)
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
	if s.streams.count() >= maxStreams {
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
		case <-r.Context().Done():
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

func (s *streams) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
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
	st := &stream{conn: conn, until: web.Soon(streamLife)}
	s.mu.Lock()
	st.leave = watch(customer, func() { s.mark(st) }) // whoever calls back waits for the lock: nobody sees a stream that is half made
	s.open[st] = struct{}{}
	s.mu.Unlock()
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
		st.leave()
		_ = st.conn.Close()
		s.mu.Lock()
		delete(s.open, st)
		delete(s.due, st)
		s.mu.Unlock()
	}
}
