// Package turnstile lets in as many connections as there is room for, and of each asker no more than his share: none can use up what others need, and
// all together cannot use up what the machine's other business needs.
package turnstile

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// Shares are how much each asker has of what all share. They may be taken from several goroutines.
type Shares struct {
	mu   sync.Mutex
	most int // that one may have
	of   map[netip.Addr]int
}

// NewShares are none yet; one asker may have so many, and at least one.
func NewShares(each int) *Shares { return &Shares{most: max(1, each), of: map[netip.Addr]int{}} }

// Take says whether he may have one more, which Give gives back.
func (s *Shares) Take(asker netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[asker] >= s.most {
		return false
	}
	s.of[asker]++
	return true
}

// Give gives one back.
func (s *Shares) Give(asker netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[asker]--; s.of[asker] <= 0 {
		delete(s.of, asker)
	}
}

// Listener takes a connection when another has ended, once there are as many as there are slots. Who has his share is turned away.
type Listener struct {
	net.Listener
	quiet  time.Duration
	slots  chan struct{}
	shares *Shares
	closed chan struct{}
	close  func() error
}

// New is a listener with so many slots, and for each asker no more than his own. A client that does not take what is written to it for as long as quiet
// loses its connection, which it would have for ever; 0 leaves that to whoever writes.
func New(l net.Listener, slots, each int, quiet time.Duration) *Listener {
	t := &Listener{Listener: l, quiet: quiet, slots: make(chan struct{}, slots), shares: NewShares(each), closed: make(chan struct{})}
	t.close = sync.OnceValue(func() error { close(t.closed); return l.Close() })
	return t
}

// Accept waits for a slot, and then for somebody whose share is not used up.
func (t *Listener) Accept() (net.Conn, error) {
	for {
		select {
		case t.slots <- struct{}{}:
		case <-t.closed:
			return nil, net.ErrClosed
		}
		conn, err := t.Listener.Accept()
		if err != nil {
			<-t.slots
			return nil, err
		}
		asker := Asker(conn.RemoteAddr())
		if t.shares.Take(asker) {
			return &taken{conn, t.quiet, sync.OnceValue(func() error { t.shares.Give(asker); <-t.slots; return conn.Close() })}, nil
		}
		<-t.slots
		_ = conn.Close()
	}
}

// Close ends Accept, also while it waits for a slot.
func (t *Listener) Close() error { return t.close() }

// taken is a connection that has a slot until it is closed.
type taken struct {
	net.Conn
	quiet time.Duration
	close func() error
}

func (t *taken) Write(p []byte) (int, error) {
	if t.quiet > 0 {
		if err := t.SetWriteDeadline(time.Now().Add(t.quiet)); err != nil {
			return 0, err
		}
	}
	return t.Conn.Write(p)
}

func (t *taken) Close() error { return t.close() }

// Asker is the address of somebody who speaks to us.
func Asker(at net.Addr) netip.Addr {
	switch at := at.(type) {
	case *net.UDPAddr:
		return at.AddrPort().Addr().Unmap()
	case *net.TCPAddr:
		return at.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
