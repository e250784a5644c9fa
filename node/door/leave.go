package door

import (
	"context"
	"time"

	"golang.org/x/sys/unix"
)

const (
	longestSettle = 5 * time.Second       // for which an idle connection is kept for its next request, whose answer says that it is the last
	look          = 20 * time.Millisecond // between two looks whether all have gone, or one is idle
)

// Leave takes no new connections, and lets go those there are: HTTP/2 by GOAWAY, HTTP/1 by telling with the next answer that it is the last. An idle connection
// is not closed at once, for its client may be sending just now. It returns when all have ended, WebSockets too; when ctx does, it closes what is left.
func (d *Door) Leave(ctx context.Context) {
	d.mu.Lock()
	d.leaving.Store(true)
	ports := make([]*port, 0, len(d.serving))
	for p := range d.serving {
		ports = append(ports, p)
	}
	d.mu.Unlock()
	for _, p := range ports {
		_ = p.gate.Close()
		_ = p.second.Shutdown(ctx) // sends GOAWAY; its connections are counted with the others
	}
	d.drain(ctx)
	for _, p := range ports {
		_ = p.first.Close()
	}
	d.closeAll()
}

// drain waits until no connection is left, or ctx ends.
func (d *Door) drain(ctx context.Context) {
	settled, tick := time.Now().Add(d.limits.settle), time.NewTicker(look)
	defer tick.Stop()
	for {
		if time.Now().After(settled) {
			d.closeIdle(d.limits.settle / 10)
		}
		d.mu.Lock()
		left := len(d.conns)
		d.mu.Unlock()
		if left == 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// closeIdle closes connections that have waited for a request for longer than that.
func (d *Door) closeIdle(than time.Duration) {
	before := time.Now().Add(-than).UnixNano()
	for _, c := range d.open() {
		if since := c.idle.Load(); since != 0 && since < before {
			_ = c.Close()
		}
	}
}

// makeRoom closes the connection that has waited for a request for longest. Of one of HTTP/2, or that began to just now, the end of an answer may not be sent yet.
func (d *Door) makeRoom() {
	var first *conn
	at := time.Now().Add(-look).UnixNano()
	for _, c := range d.open() {
		if since := c.idle.Load(); since != 0 && since < at && !c.owes() {
			first, at = c, since
		}
	}
	if first != nil {
		_ = first.Close()
	}
}

// owes says whether something that was written is still to come to the client: it would be lost.
func (c *conn) owes() (is bool) {
	if c.tcp == nil {
		return false
	}
	raw, err := c.tcp.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) {
			n, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
			is = err == nil && n > 0
		})
	}
	return err == nil && is
}

// closeAll closes every connection, of clients and to pods.
func (d *Door) closeAll() {
	for _, c := range d.open() {
		_ = c.end()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.leavePods()
}

func (d *Door) open() []*conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]*conn, 0, len(d.conns))
	for c := range d.conns {
		all = append(all, c)
	}
	return all
}
