package door

import (
	"bufio"
	"errors"
	"io"
	"math"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// mostAnswered is what a pod's answer may have of headers.
const mostAnswered = 256 << 10

var (
	errHeaders = errors.New("the pod's answer has more headers than fit")
	errStale   = errors.New("the pod closed the connection before it was asked")
)

// link is a connection to a pod, for one request at a time.
type link struct {
	conn  net.Conn        // what is spoken through, and
	raw   syscall.RawConn // under it
	r     *bufio.Reader
	w     *bufio.Writer
	began time.Time
	since time.Time // idle
	used  bool      // for a request before
	left  int64     // bytes that may be read

	direct bool   // conn is the socket
	unseen bool   // nobody has looked whether the pod closed it
	hold   bool   // the next Write is held
	held   []byte // what the next Read writes first

	read, send     time.Duration // patience for one of each
	slack          time.Duration
	asked          atomic.Int64 // when the last of a body was sent: math.MaxInt64 where that is still to come, 0 where there is none
	late           atomic.Bool  // the pod took nothing of a body for too long
	end            time.Time    // of all; the zero time is never
	readBy, sendBy time.Time    // deadlines that are set
}

// quiet says whether the pod has neither closed it nor said anything, which nobody asked for.
func quiet(fd uintptr) bool {
	var b [1]byte
	_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return err == syscall.EAGAIN
}

// alive says whether it can be used for another request. One that is to be looked at by what is spoken first is not looked at here.
func (l *link) alive(later bool) bool {
	if time.Since(l.since) > longestKept || l.raw == nil || l.r.Buffered() > 0 {
		return false
	}
	if l.unseen = later && l.direct; l.unseen {
		return true
	}
	return l.looks()
}

func (l *link) looks() (is bool) {
	err := l.raw.Read(func(fd uintptr) bool { is = quiet(fd); return true })
	return err == nil && is
}

// begin sets the patience of a request.
func (l *link) begin(read, send, slack time.Duration, end time.Time) {
	l.read, l.send, l.slack, l.end, l.left = read, send, slack, end, mostAnswered
	l.asked.Store(0)
	l.late.Store(false)
}

// Read reads. The patience for an answer begins once the request is sent, as nginx's does: a body takes as long as its client needs, who has a bound of his own.
func (l *link) Read(p []byte) (int, error) {
	n, err := l.within(p, l.read)
	for n == 0 && isTimeout(err) && l.rest() > 0 {
		n, err = l.within(p, l.rest())
	}
	if l.left -= int64(n); l.left < 0 {
		return 0, errHeaders
	}
	return n, err
}

// within reads with that much patience.
func (l *link) within(p []byte, patience time.Duration) (int, error) {
	if by, set := l.due(l.readBy, patience); set {
		l.readBy = by
		if err := l.conn.SetReadDeadline(by); err != nil {
			return 0, err
		}
	}
	return l.turn(p)
}

// rest is the patience that is left after a read that took too long, for the request was being sent meanwhile.
func (l *link) rest() time.Duration {
	now := time.Now()
	if !l.end.IsZero() && !now.Before(l.end) {
		return 0
	}
	return l.read - max(now.Sub(time.Unix(0, l.asked.Load())), 0)
}

// turn writes what is held, and reads. Between them it waits, for an answer cannot be there yet.
func (l *link) turn(p []byte) (n int, err error) {
	held, wrote := l.held, -1
	if l.held = nil; held == nil {
		return l.conn.Read(p)
	}
	var fault error
	err = l.raw.Read(func(fd uintptr) bool {
		if wrote == len(held) {
			for n, fault = syscall.Read(int(fd), p); fault == syscall.EINTR; {
				n, fault = syscall.Read(int(fd), p)
			}
			return fault != syscall.EAGAIN
		}
		if l.unseen && !quiet(fd) {
			fault = errStale
			return true
		}
		l.unseen = false
		wrote, fault = syscall.Write(int(fd), held)
		return wrote < len(held)
	})
	switch {
	case err != nil:
		return 0, err
	case fault == nil && wrote < len(held) || wrote < 0 && (fault == syscall.EAGAIN || fault == syscall.EINTR): // there is no room for all of it
		if _, err = l.Write(held[max(wrote, 0):]); err != nil {
			return 0, err
		}
		return l.conn.Read(p)
	case fault != nil:
		return 0, fault
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// Write writes, or holds what is written for the Read that follows.
func (l *link) Write(p []byte) (int, error) {
	if l.hold {
		l.hold, l.held = false, p
		return len(p), nil
	}
	if l.unseen {
		if l.unseen = false; !l.looks() {
			return 0, errStale
		}
	}
	if by, set := l.due(l.sendBy, l.send); set {
		l.sendBy = by
		if err := l.conn.SetWriteDeadline(by); err != nil {
			return 0, err
		}
	}
	return l.conn.Write(p)
}

// due is the deadline for one step, and whether it has to be set: one that is set already may be somewhat late.
func (l *link) due(is time.Time, patience time.Duration) (by time.Time, set bool) {
	late := min(l.slack, patience/8)
	by = time.Now().Add(patience)
	if !l.end.IsZero() && l.end.Before(by) {
		return l.end, !is.Equal(l.end)
	}
	if over := is.Sub(by); over >= 0 && over <= late {
		return is, false
	}
	return by.Add(late), true
}

// unbounded lifts the bound of what is read.
func (l *link) unbounded() { l.left = math.MaxInt64 }
