package door

import (
	"cmp"
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/podkeep/podkeep/node/turnstile"
)

const (
	mostHead     = 64 << 10         // bytes of a request's line and headers; net/http adds 4 KiB
	longestHead  = 10 * time.Second // for them, for a TLS handshake, and for a PROXY header
	longestIdle  = 75 * time.Second // of a connection between two requests
	longestQuiet = 60 * time.Second // between two reads of a request's body, and for a write of an answer
	longestAfter = 5 * time.Second  // that a client who sends on after the last answer is read from
	mostConns    = 8192             // connections
	mostEach     = 1024             // of one address
	mostRequests = 16384            // under way
	mostStreams  = 128              // requests under way on one HTTP/2 connection
	slack        = 5 * time.Second  // by which a deadline may be late, so that not every read sets one
)

// limits are those that tests make shorter.
type limits struct {
	head, idle, quiet   time.Duration
	linger              time.Duration
	conns, each         int
	requests            int64
	connect, read, send time.Duration
	slack, settle       time.Duration
}

var defaults = limits{
	head: longestHead, idle: longestIdle, quiet: longestQuiet, linger: longestAfter, conns: mostConns, each: mostEach, requests: mostRequests,
	connect: longestConnect, read: longestRead, send: longestSend, slack: slack, settle: longestSettle,
}

// port is a listener that is served.
type port struct {
	door   *Door
	number uint16
	text   string // number
	secure bool
	gate   *gate
	first  *http.Server // HTTP/1, and TLS
	second *http.Server // HTTP/2, apart, for it is shut down in another way
}

func newPort(d *Door, l net.Listener, number uint16) *port {
	p := &port{door: d, number: number, text: strconv.Itoa(int(number))}
	p.gate = &gate{Listener: l, door: d, closed: make(chan struct{})}
	p.gate.close = sync.OnceValue(func() error { close(p.gate.closed); return l.Close() })
	says := log.New(serverLog{d}, "", 0)
	p.first = &http.Server{
		Handler: p, ReadHeaderTimeout: d.limits.head, IdleTimeout: d.limits.idle, MaxHeaderBytes: mostHead, ErrorLog: says, ConnState: noteState,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			own := connOf(c)
			ctx, away := context.WithCancel(context.WithValue(ctx, connKey{}, own))
			own.in.mu.Lock()
			own.in.away = away
			own.in.mu.Unlock()
			return ctx
		},
	}
	p.second = &http.Server{
		Handler: p, IdleTimeout: d.limits.idle, MaxHeaderBytes: mostHead, ErrorLog: says, ConnState: noteState,
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: mostStreams},
	}
	return p
}

func (p *port) serve(secure bool) error {
	if p.secure = secure; !secure {
		return p.first.Serve(p.gate)
	}
	_ = p.second.Serve(nobody{}) // prepares TLSNextProto
	second := p.second.TLSNextProto["h2"]
	p.first.Protocols = new(http.Protocols)
	p.first.Protocols.SetHTTP1(true)
	p.first.Protocols.SetHTTP2(true)
	p.first.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){"h2": func(_ *http.Server, c *tls.Conn, h http.Handler) {
		second(p.second, c, h)
	}}
	p.first.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: p.door.keys.Certificate(p.number)}
	return p.first.ServeTLS(p.gate, "", "")
}

// nobody is a listener by which nobody comes.
type nobody struct{}

func (nobody) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (nobody) Close() error              { return nil }
func (nobody) Addr() net.Addr            { return &net.TCPAddr{} }

// serverLog takes what net/http says: of one client, who is told himself.
type serverLog struct{ door *Door }

func (s serverLog) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	switch {
	case strings.Contains(text, "TLS handshake error"):
		s.door.metrics.handshakes.Add(1)
	case strings.Contains(text, "panic serving"):
		s.door.log.Error(text)
		return len(line), nil
	}
	s.door.log.Debug(text)
	return len(line), nil
}

// gate lets in as many connections as there is room for, and of one address no more than its share. Where all slots are taken an idle connection makes room.
type gate struct {
	net.Listener
	door   *Door
	closed chan struct{}
	close  func() error
}

// Accept waits for somebody whose share is not used up, and then for a slot.
func (g *gate) Accept() (net.Conn, error) {
	for {
		raw, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := g.door.welcome(raw)
		if c.asker.IsValid() && !g.door.shares.Take(c.asker) {
			_ = raw.Close()
			continue
		}
		if !g.slot() {
			_ = raw.Close()
			return nil, net.ErrClosed
		}
		g.door.mu.Lock()
		g.door.conns[c] = struct{}{}
		g.door.mu.Unlock()
		return c, nil
	}
}

// slot takes one, as soon as one is free or a connection is idle; it is false where the gate is closed before one is free.
func (g *gate) slot() bool {
	for {
		select {
		case g.door.slots <- struct{}{}:
			return true
		default:
			g.door.makeRoom()
		}
		select {
		case g.door.slots <- struct{}{}:
			return true
		case <-g.closed:
			return false
		case <-time.After(look): // one may be idle by now
		}
	}
}

// Close ends Accept, also while it waits for a slot.
func (g *gate) Close() error { return g.close() }

// welcome makes it a connection of the door's. Who speaks for others, a balancer, has no share.
func (d *Door) welcome(raw net.Conn) *conn {
	t, peer := d.table.Load(), turnstile.Asker(raw.RemoteAddr())
	c := &conn{Conn: raw, door: d}
	c.tcp, _ = raw.(*net.TCPConn)
	c.idle.Store(time.Now().UnixNano())
	switch {
	case within(t.proxied, peer):
		c.Conn = proxyproto.NewConn(raw, proxyproto.WithPolicy(proxyproto.REQUIRE), proxyproto.SetReadHeaderTimeout(d.limits.head))
	case !within(t.trusted, peer):
		c.asker = peer
	}
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		c.in.raw, _ = tcp.SyscallConn()
	}
	return c
}

// conn is a client's connection. A write has a deadline of its own.
type conn struct {
	net.Conn
	door  *Door
	tcp   *net.TCPConn // it; nil where it is another
	asker netip.Addr   // whose share it is of; the zero address is nobody's
	in    reads
	idle  atomic.Int64
	by    atomic.Int64 // until when a write may take
	sends atomic.Bool  // the client may, after the last answer
	gone  sync.Once
	said  sync.Once
	from  netip.Addr
	text  string
}

type connKey struct{}

// connOf is the door's connection under TLS.
func connOf(c net.Conn) *conn {
	if over, ok := c.(*tls.Conn); ok {
		c = over.NetConn()
	}
	own, _ := c.(*conn)
	return own
}

// noteState remembers since when a connection waits for a request.
func noteState(c net.Conn, state http.ConnState) {
	switch own := connOf(c); state {
	case http.StateIdle:
		own.idle.Store(time.Now().UnixNano())
	case http.StateActive, http.StateHijacked:
		own.idle.Store(0)
	}
}

// peer is who speaks, by what a PROXY header says where there is one.
func (c *conn) peer() (netip.Addr, string) {
	c.said.Do(func() { c.from = turnstile.Asker(c.RemoteAddr()); c.text = c.from.String() })
	return c.from, c.text
}

func (c *conn) Write(p []byte) (int, error) {
	now := time.Now()
	if quiet := c.door.limits.quiet; time.Unix(0, c.by.Load()).Sub(now) < quiet {
		by := now.Add(quiet + c.door.limits.slack)
		c.by.Store(by.UnixNano())
		if err := c.Conn.SetWriteDeadline(by); err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(p)
}

// SetWriteDeadline leaves the deadline to Write where it would be taken away.
func (c *conn) SetWriteDeadline(t time.Time) error {
	if t.IsZero() {
		return nil
	}
	c.by.Store(min(c.by.Load(), t.UnixNano()))
	return c.Conn.SetWriteDeadline(t)
}

// SetDeadline is both.
func (c *conn) SetDeadline(t time.Time) error {
	return cmp.Or(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// Close closes, after a while where the client may still send: a connection that is closed while something comes is reset, and he may not have read his answer
// (RFC 9112, 9.6). A second Close, and end, do not wait.
func (c *conn) Close() error {
	if c.sends.Swap(false) && c.tcp != nil && c.tcp.CloseWrite() == nil {
		go c.ignore()
		return nil
	}
	return c.end()
}

// ignore reads what nobody wants, until the client closes too, or for so long.
func (c *conn) ignore() {
	c.in.mu.Lock()
	c.unwatch()
	_ = c.tcp.SetReadDeadline(time.Now().Add(c.door.limits.linger))
	c.in.mu.Unlock()
	_, _ = io.Copy(io.Discard, c.tcp)
	_ = c.end()
}

func (c *conn) end() error {
	c.gone.Do(func() {
		if c.asker.IsValid() {
			c.door.shares.Give(c.asker)
		}
		c.door.mu.Lock()
		delete(c.door.conns, c)
		c.door.mu.Unlock()
		c.in.mu.Lock()
		away := c.in.away
		c.in.mu.Unlock()
		if away != nil {
			away()
		}
		<-c.door.slots
	})
	return c.Conn.Close()
}

func within(all []netip.Prefix, a netip.Addr) bool {
	for _, p := range all {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
