// Package sip takes note of who calls, and takes no call: every INVITE of the carrier is answered with a refusal, which costs the caller nothing, after the number that it comes from has been told of.
//
// A caller's own word for her number (From) is worth nothing. What counts is the carrier's (P-Asserted-Identity, RFC 3325), and that only from the carrier's own servers: whatever comes from elsewhere is
// dropped before a line of it is read. A number that the caller wants withheld (Privacy: id) is not used.
package sip

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/emiago/sipgo"
	sipmsg "github.com/emiago/sipgo/sip"
)

// Config is where calls come in.
type Config struct {
	Listen  string         // address for UDP and TCP
	Trusted []netip.Prefix // of the carrier's servers
	Log     *slog.Logger
}

// Tell is called for each call: from is the number that the carrier names, empty where it is withheld; call is the same however often the call is told of.
type Tell func(ctx context.Context, from, call string) error

// most bounds how many calls are told of at the same time, and mostTime how long that may take; the carrier is told to come again.
const (
	most     = 32
	mostTime = 8 * time.Second
)

// Listener takes note of calls. Make one with Listen and then Serve.
type Listener struct {
	c      Config
	tell   Tell
	packet net.PacketConn
	stream net.Listener
	slots  chan struct{}
}

// Listen opens the address.
func Listen(ctx context.Context, c Config, tell Tell) (*Listener, error) {
	if len(c.Trusted) == 0 {
		return nil, errors.New("sip: nobody's word for a caller's number is trusted: name the carrier's servers")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	var lc net.ListenConfig
	stream, err := lc.Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("sip: %w", err)
	}
	packet, err := lc.ListenPacket(ctx, "udp", stream.Addr().String()) // the same port, also where any was asked for
	if err != nil {
		return nil, errors.Join(fmt.Errorf("sip: %w", err), stream.Close())
	}
	return &Listener{c: c, tell: tell, packet: packet, stream: stream, slots: make(chan struct{}, most)}, nil
}

// Addr is where calls come in.
func (l *Listener) Addr() string { return l.stream.Addr().String() }

// Serve runs until ctx ends.
func (l *Listener) Serve(ctx context.Context) error {
	quiet := slog.New(slog.DiscardHandler) // the library's own log repeats what others send
	ua, err := sipgo.NewUA(sipgo.WithUserAgent("inkan"), sipgo.WithUserAgentTransactionLayerOptions(sipmsg.WithTransactionLayerLogger(quiet)), sipgo.WithUserAgentTransportLayerOptions(sipmsg.WithTransportLayerLogger(quiet)))
	if err != nil {
		return err
	}
	server, err := sipgo.NewServer(ua, sipgo.WithServerLogger(quiet))
	if err != nil {
		return err
	}
	respond := func(r *sipmsg.Request, tx sipmsg.ServerTransaction, code int, reason string) {
		if err := tx.Respond(sipmsg.NewResponseFromRequest(r, code, reason, nil)); err != nil {
			l.c.Log.Warn("a call was not answered", "code", code)
		}
	}
	server.OnInvite(func(r *sipmsg.Request, tx sipmsg.ServerTransaction) {
		code, reason := l.invited(ctx, r)
		respond(r, tx, code, reason)
	})
	server.OnOptions(func(r *sipmsg.Request, tx sipmsg.ServerTransaction) { respond(r, tx, 200, "OK") }) // the carrier looks whether we are there
	server.OnAck(func(*sipmsg.Request, sipmsg.ServerTransaction) {})
	server.OnNoRoute(func(r *sipmsg.Request, tx sipmsg.ServerTransaction) { respond(r, tx, 405, "Method Not Allowed") })
	ended := make(chan error, 2)
	go func() { ended <- server.ServeUDP(&trustedPackets{l.packet, l.trusted}) }()
	go func() { ended <- server.ServeTCP(&trustedStreams{l.stream, l.trusted}) }()
	select {
	case <-ctx.Done():
	case err = <-ended:
		err = fmt.Errorf("sip: %w", err)
	}
	_ = errors.Join(l.packet.Close(), l.stream.Close(), ua.Close())
	return err
}

// invited tells of one call and says how it is answered. The caller hears that the line is busy, whether or not her number was waited for: the page says which.
func (l *Listener) invited(ctx context.Context, r *sipmsg.Request) (code int, reason string) {
	id := r.CallID()
	if id == nil || r.To() == nil || r.To().Params != nil && r.To().Params.Has("tag") { // within a call that we never took
		return 481, "Call/Transaction Does Not Exist"
	}
	from, withheld := caller(values(r, "p-asserted-identity"), values(r, "privacy"))
	if withheld {
		return 433, "Anonymity Disallowed" // RFC 5079: the carrier tells the caller to show her number
	}
	select {
	case l.slots <- struct{}{}:
		defer func() { <-l.slots }()
	default:
		return 503, "Service Unavailable"
	}
	ctx, cancel := context.WithTimeout(ctx, mostTime)
	defer cancel()
	name := sha256.Sum256([]byte(id.Value()))
	if err := l.tell(ctx, from, "sip-"+hex.EncodeToString(name[:16])); err != nil {
		l.c.Log.Warn("a call could not be told of", "err", err)
		return 480, "Temporarily Unavailable"
	}
	return 486, "Busy Here"
}

func values(r *sipmsg.Request, name string) (all []string) {
	for _, h := range r.GetHeaders(name) {
		all = append(all, h.Value())
	}
	return all
}

// caller is the number that the carrier names. withheld says that there is none, or that the caller does not want it known; identities that name two different numbers name none.
func caller(identities, privacy []string) (number string, withheld bool) {
	for _, p := range privacy {
		for _, v := range strings.FieldsFunc(strings.ToLower(p), func(r rune) bool { return r == ';' || r == ',' || r == ' ' }) {
			if v == "id" || v == "user" || v == "header" {
				return "", true
			}
		}
	}
	for _, line := range identities {
		for _, one := range split(line) {
			n := numberOf(one)
			if n == "" {
				continue
			}
			if number != "" && number != n {
				return "", true
			}
			number = n
		}
	}
	return number, number == ""
}

// split cuts a header of several identities at the commas that are in no quotes and no brackets.
func split(line string) (all []string) {
	quoted, bracket, escaped, from := false, false, false, 0
	for i, r := range line {
		switch {
		case escaped:
			escaped = false
		case quoted && r == '\\':
			escaped = true
		case r == '"' && !bracket:
			quoted = !quoted
		case quoted:
		case r == '<':
			bracket = true
		case r == '>':
			bracket = false
		case r == ',' && !bracket:
			all = append(all, line[from:i])
			from = i + 1
		}
	}
	return append(all, line[from:])
}

// numberOf reads the number of an identity: <sip:+819012345678@carrier.example;user=phone> or <tel:+81-90-1234-5678>.
func numberOf(identity string) string {
	uri := strings.TrimSpace(identity)
	if open := strings.LastIndexByte(uri, '<'); open >= 0 { // a display name may say anything before it
		end := strings.IndexByte(uri[open:], '>')
		if end < 0 {
			return ""
		}
		uri = uri[open+1 : open+end]
	}
	scheme, rest, ok := strings.Cut(uri, ":")
	if !ok {
		return ""
	}
	switch strings.ToLower(scheme) {
	case "sip", "sips":
		if rest, _, ok = strings.Cut(rest, "@"); !ok {
			return ""
		}
	case "tel":
	default:
		return ""
	}
	rest, _, _ = strings.Cut(rest, ";")
	digits := strings.NewReplacer("-", "", ".", "", "(", "", ")", "").Replace(rest)
	if len(digits) < 3 || len(digits) > 20 || strings.Trim(strings.TrimPrefix(digits, "+"), "0123456789") != "" {
		return ""
	}
	return digits
}

func (l *Listener) trusted(a net.Addr) bool {
	at, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return false
	}
	for _, p := range l.c.Trusted {
		if p.Contains(at.Addr().Unmap()) {
			return true
		}
	}
	return false
}

// trustedPackets drops what does not come from the carrier.
type trustedPackets struct {
	net.PacketConn
	trusted func(net.Addr) bool
}

// ReadFrom gives the next packet of the carrier.
func (t *trustedPackets) ReadFrom(b []byte) (n int, from net.Addr, err error) {
	for {
		if n, from, err = t.PacketConn.ReadFrom(b); err != nil || t.trusted(from) {
			return n, from, err
		}
	}
}

// trustedStreams closes what does not come from the carrier.
type trustedStreams struct {
	net.Listener
	trusted func(net.Addr) bool
}

// Accept gives the next connection of the carrier.
func (t *trustedStreams) Accept() (net.Conn, error) {
	for {
		c, err := t.Listener.Accept()
		if err != nil || t.trusted(c.RemoteAddr()) {
			return c, err
		}
		_ = c.Close()
	}
}
