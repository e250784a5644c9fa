package door

import (
	"context"
	"os"
	"sync"
	"syscall"
	"time"
)

// blind is for how long a request is under way, up to twice as long, before somebody looks whether its client is still there. Most are answered by then.
const blind = 20 * time.Millisecond

// reads is what a conn knows of reads from it. A deadline is set when a read needs it, and one that is set already may be somewhat late.
type reads struct {
	mu     sync.Mutex
	until  time.Time // what is asked
	is     time.Time // what is set
	within bool      // a Read
	away   context.CancelFunc
	raw    syscall.RawConn // nil where nobody can look at what is not read

	request uint64        // that is watched; 0 is none
	looked  uint64        // the request that the timer found last
	timer   *time.Timer   // once it was needed
	armed   bool          // the timer
	looking chan struct{} // closed when look has ended; nil where it does not look
	count   uint64        // of requests
}

// SetReadDeadline is at once in force where a Read waits, and else with the next.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	if c.in.until = t; !c.in.within {
		return nil
	}
	c.in.is = t
	return c.Conn.SetReadDeadline(t)
}

// Read reads. While a request is under way net/http reads a single byte, to learn that the client went: that costs more than all else that it does for a small
// one. It is told at once that there is none, and the connection is watched where the request takes long.
func (c *conn) Read(p []byte) (int, error) {
	c.in.mu.Lock()
	if len(p) == 1 && c.in.until.IsZero() && c.in.raw != nil {
		c.watch()
		c.in.mu.Unlock()
		return 0, nil
	}
	c.unwatch()
	if err := c.due(); err != nil {
		c.in.mu.Unlock()
		return 0, err
	}
	c.in.within = true
	c.in.mu.Unlock()
	n, err := c.Conn.Read(p)
	c.in.mu.Lock()
	c.in.within = false
	c.in.mu.Unlock()
	return n, err
}

// due sets the deadline that is asked where the one that is set does not do.
func (c *conn) due() error {
	by := c.in.until
	if !by.IsZero() {
		left := time.Until(by)
		if left <= 0 {
			return os.ErrDeadlineExceeded
		}
		late := min(c.door.limits.slack, left/8)
		if over := c.in.is.Sub(by); over >= 0 && over <= late {
			return nil
		}
		by = by.Add(late)
	} else if c.in.is.IsZero() {
		return nil
	}
	c.in.is = by
	return c.Conn.SetReadDeadline(by)
}

// watch has somebody look once the request takes long. The timer is left to run out rather than stopped with each request.
func (c *conn) watch() {
	c.in.count++
	c.in.request = c.in.count
	switch {
	case c.in.armed:
	case c.in.timer == nil:
		c.in.timer = time.AfterFunc(blind, c.look)
	default:
		c.in.timer.Reset(blind)
	}
	c.in.armed = true
}

// unwatch waits until nobody looks, for what follows is read.
func (c *conn) unwatch() {
	c.in.request = 0
	if c.in.looking == nil {
		return
	}
	ended := c.in.looking
	c.in.is = time.Unix(1, 0)
	_ = c.Conn.SetReadDeadline(c.in.is)
	c.in.mu.Unlock()
	<-ended
	c.in.mu.Lock()
}

// look waits until the client of a request that takes long says something or goes, or the request has ended. If he goes, it ends the request.
func (c *conn) look() {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	c.in.armed = false
	switch {
	case c.in.request == 0 || c.in.looking != nil:
		return
	case c.in.looked != c.in.request:
		c.in.looked, c.in.armed = c.in.request, true
		c.in.timer.Reset(blind)
		return
	}
	ended := make(chan struct{})
	c.in.looking, c.in.is = ended, time.Time{}
	_ = c.Conn.SetReadDeadline(c.in.is)
	c.in.mu.Unlock()
	gone := false
	_ = c.in.raw.Read(func(fd uintptr) bool {
		var b [1]byte
		n, _, e := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		gone = n <= 0 && e != syscall.EAGAIN && e != syscall.EINTR
		return e != syscall.EAGAIN && e != syscall.EINTR
	})
	c.in.mu.Lock()
	c.in.looking = nil
	close(ended)
	if gone && c.in.away != nil {
		c.in.away()
	}
}
