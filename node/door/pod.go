package door

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	longestConnect = 5 * time.Second
	longestRead    = 60 * time.Second // between two reads from a pod
	longestSend    = 60 * time.Second // for a write to one
	longestStream  = 60 * time.Minute // in place of both for a WebSocket, server-sent events and gRPC, where nothing is said for long
	longestKept    = 4 * time.Second  // of an idle connection to a pod: many servers close theirs after 5 s, and a request would meet that
	longestBad     = time.Second      // for which a pod that could not be reached is asked last
	longestUsed    = 10 * time.Second // from its beginning, for which a connection to a pod is used for further requests: it may not be let in any more
	mostKept       = 256              // idle connections to a pod
)

// podKey is an endpoint and how it is spoken with.
type podKey struct {
	addr     netip.AddrPort
	protocol string
}

// pod is an endpoint, with the connections to it that wait for a request.
type pod struct {
	podKey
	door     *Door
	text     string
	busy     atomic.Int64
	badUntil atomic.Int64

	mu    sync.Mutex
	idle  []*link
	armed bool
	gone  bool
	h2    *http.Transport // of those that speak HTTP/2
}

func newPod(d *Door, key podKey) *pod {
	p := &pod{podKey: key, door: d, text: key.addr.String()}
	if key.protocol == "h2c" || key.protocol == "h2" {
		p.h2 = p.transport()
	}
	return p
}

// leave closes what is idle, now and from now on.
func (p *pod) leave() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.gone = nil, true
	p.mu.Unlock()
	for _, l := range idle {
		_ = l.conn.Close()
	}
	if p.h2 != nil {
		p.h2.CloseIdleConnections()
	}
}

// take is an idle connection that is alive, or nil. Where that is seen later, what is sent by it fails with errStale if it is not.
func (p *pod) take(later bool) *link {
	for {
		p.mu.Lock()
		n := len(p.idle)
		if n == 0 {
			p.mu.Unlock()
			return nil
		}
		l := p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		if l.alive(later) {
			l.used = true
			return l
		}
		_ = l.conn.Close()
	}
}

// give keeps a connection for the next request.
func (p *pod) give(l *link) {
	p.mu.Lock()
	now := time.Now()
	keep := !p.gone && len(p.idle) < mostKept && now.Sub(l.began) < longestUsed
	if keep {
		l.since = now
		p.idle = append(p.idle, l)
		if !p.armed {
			p.armed = true
			time.AfterFunc(longestKept, p.sweep)
		}
	}
	p.mu.Unlock()
	if !keep {
		_ = l.conn.Close()
	}
}

// sweep closes what has been idle for long, which is what comes first.
func (p *pod) sweep() {
	p.mu.Lock()
	n, now := 0, time.Now()
	for n < len(p.idle) && now.Sub(p.idle[n].since) >= longestKept {
		n++
	}
	old := p.idle[:n]
	p.idle = append([]*link(nil), p.idle[n:]...)
	if p.armed = len(p.idle) > 0; p.armed {
		time.AfterFunc(longestKept-now.Sub(p.idle[0].since), p.sweep)
	}
	p.mu.Unlock()
	for _, l := range old {
		_ = l.conn.Close()
	}
}

// dial makes a new connection.
func (p *pod) dial(ctx context.Context, within time.Duration) (net.Conn, error) {
	d := net.Dialer{Timeout: within}
	conn, err := d.DialContext(ctx, "tcp", p.text)
	if err != nil && ctx.Err() == nil {
		p.badUntil.Store(time.Now().Add(longestBad).UnixNano())
	}
	return conn, err
}

// connect is a new connection, by TLS where the pod speaks it. Its certificate is its own affair: the pod's address is known from the table.
func (p *pod) connect(ctx context.Context, host string, within time.Duration) (*link, error) {
	raw, err := p.dial(ctx, within)
	if err != nil {
		return nil, err
	}
	l := &link{conn: raw, began: time.Now()}
	if tcp, ok := raw.(*net.TCPConn); ok {
		l.raw, _ = tcp.SyscallConn()
		l.direct = l.raw != nil && p.protocol != "https"
	}
	if p.protocol == "https" {
		over := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, ServerName: host})
		shake, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		if err := over.HandshakeContext(shake); err != nil {
			_ = raw.Close()
			return nil, err
		}
		l.conn = over
	}
	l.r, l.w = bufio.NewReader(l), bufio.NewWriter(l)
	return l, nil
}
