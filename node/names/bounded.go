package names

import (
	"net"
	"sync"
)

// mostConns is how many connections are open at a time, so that no pod can use up what the host's other business needs.
const mostConns = 512

// bounded takes a connection when another has ended, once there are as many as there are slots.
type bounded struct {
	net.Listener
	slots  chan struct{}
	closed chan struct{}
	close  func() error
}

func newBounded(l net.Listener, most int) *bounded {
	b := &bounded{Listener: l, slots: make(chan struct{}, most), closed: make(chan struct{})}
	b.close = sync.OnceValue(func() error { close(b.closed); return l.Close() })
	return b
}

func (b *bounded) Accept() (net.Conn, error) {
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
	return &taken{conn, sync.OnceValue(func() error { <-b.slots; return conn.Close() })}, nil
}

func (b *bounded) Close() error { return b.close() }

// taken is a connection that has a slot until it is closed.
type taken struct {
	net.Conn
	close func() error
}

func (t *taken) Close() error { return t.close() }
