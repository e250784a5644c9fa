package names

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// What is open or waits at a time, so that no pod can use up what the host's other business needs; and how much of it one asker may have, so
// that none can use up what the others need.
const (
	mostConns  = 512
	mostAbroad = 1024            // queries that wait for resolvers
	share      = 4               // of which one asker has this part at most
	quiet      = 2 * time.Second // in which a client has to ask, and to take the answer
)

// shares are how much each asker has of what all share.
type shares struct {
	mu   sync.Mutex
	most int // that one may have
	of   map[netip.Addr]int
}

func newShares(all int) *shares { return &shares{most: max(1, all/share), of: map[netip.Addr]int{}} }

// take says whether he may have one more, which give gives back.
func (s *shares) take(asker netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[asker] >= s.most {
		return false
	}
	s.of[asker]++
	return true
}

func (s *shares) give(asker netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[asker]--; s.of[asker] <= 0 {
		delete(s.of, asker)
	}
}

// bounded takes a connection when another has ended, once there are as many as there are slots. Who has his share is turned away.
type bounded struct {
	net.Listener
	quiet  time.Duration // for which a client may not take what is written to it
	slots  chan struct{}
	shares *shares
	closed chan struct{}
	close  func() error
}

func newBounded(l net.Listener, most int, quiet time.Duration) *bounded {
	b := &bounded{Listener: l, quiet: quiet, slots: make(chan struct{}, most), shares: newShares(most), closed: make(chan struct{})}
	b.close = sync.OnceValue(func() error { close(b.closed); return l.Close() })
	return b
}

func (b *bounded) Accept() (net.Conn, error) {
	for {
		select {
		case b.slots <- struct{}{}:
		case <-b.closed:
			return nil, net.ErrClosed
		}
		conn, err := b.Listener.Accept()
		if err != nil {
			<-b.slots
			return nil, err
		}
		asker := addressed(conn.RemoteAddr())
		if b.shares.take(asker) {
			return &taken{conn, b.quiet, sync.OnceValue(func() error { b.shares.give(asker); <-b.slots; return conn.Close() })}, nil
		}
		<-b.slots
		_ = conn.Close()
	}
}

func (b *bounded) Close() error { return b.close() }

// taken is a connection that has a slot until it is closed.
type taken struct {
	net.Conn
	quiet time.Duration
	close func() error
}

// Write fails where the client does not take what it asked for: it would have the slot for ever.
func (t *taken) Write(p []byte) (int, error) {
	if err := t.SetWriteDeadline(time.Now().Add(t.quiet)); err != nil {
		return 0, err
	}
	return t.Conn.Write(p)
}

func (t *taken) Close() error { return t.close() }

// addressed is the address of somebody who speaks to us.
func addressed(at net.Addr) netip.Addr {
	switch at := at.(type) {
	case *net.UDPAddr:
		return at.AddrPort().Addr().Unmap()
	case *net.TCPAddr:
		return at.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
