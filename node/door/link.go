package door

import (
	"bufio"
	"errors"
	"math"
	"net"
	"syscall"
	"time"
)

// mostAnswered is what a pod's answer may have of headers.
const mostAnswered = 256 << 10

var errHeaders = errors.New("the pod's answer has more headers than fit")

// link is a connection to a pod, for one request at a time.
type link struct {
	conn  net.Conn        // what is spoken through, and
	raw   syscall.RawConn // under it
	r     *bufio.Reader
	w     *bufio.Writer
	since time.Time // idle
	used  bool      // for a request before
	left  int64     // bytes that may be read

	read, send     time.Duration // patience for one of each
	slack          time.Duration
	end            time.Time // of all; the zero time is never
	readBy, sendBy time.Time // deadlines that are set
}

// alive says whether the pod has neither closed it nor said anything, which nobody asked for.
func (l *link) alive() bool {
	if time.Since(l.since) > longestKept || l.raw == nil || l.r.Buffered() > 0 {
		return false
	}
	var b [1]byte
	quiet := false
	err := l.raw.Read(func(fd uintptr) bool {
		_, _, e := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		quiet = e == syscall.EAGAIN
		return true
	})
	return err == nil && quiet
}

// begin sets the patience of a request.
func (l *link) begin(read, send, slack time.Duration, end time.Time) {
	l.read, l.send, l.slack, l.end, l.left = read, send, slack, end, mostAnswered
}

func (l *link) Read(p []byte) (int, error) {
	if by, set := l.due(l.readBy, l.read); set {
		l.readBy = by
		if err := l.conn.SetReadDeadline(by); err != nil {
			return 0, err
		}
	}
	n, err := l.conn.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, errHeaders
	}
	return n, err
}

func (l *link) Write(p []byte) (int, error) {
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
