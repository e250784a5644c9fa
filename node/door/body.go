package door

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// mostReplayed is a body that is read before a pod is asked, so that it can be sent a second time.
const mostReplayed = 16 << 10

var errTooLarge = errors.New("the body is larger than the rule allows")

// body is a request's. Each read has a deadline, and all together a bound.
type body struct {
	from  io.ReadCloser
	ctl   *http.ResponseController
	quiet time.Duration
	slack time.Duration
	by    time.Time
	most  int64 // 0 is any
	read  int64
	bad   atomic.Int32 // the status of what went wrong
	ended atomic.Bool

	mu   sync.Mutex
	over bool // nobody reads it any more but net/http, and the deadline that is set stays
}

// wrap makes a body of the request's where it has one.
func (x *exchange) wrap() {
	if x.r.ContentLength == 0 || x.r.Body == nil || x.r.Body == http.NoBody {
		return
	}
	x.body = &body{from: x.r.Body, ctl: http.NewResponseController(x.w), quiet: x.door.limits.quiet, slack: x.door.limits.slack}
	x.r.Body = x.body
}

// silence is for how long a client may send nothing of a body. In a gRPC call, which is HTTP/2's, he may listen for as long as the pod may.
func (x *exchange) silence() time.Duration {
	quiet := x.door.limits.quiet
	switch {
	case x.r.ProtoMajor != 2 || !streams(x.r.Header):
		return quiet
	case x.rule.Read > 0:
		return max(quiet, x.rule.Read)
	}
	return max(quiet, longestStream)
}

func (b *body) Read(p []byte) (int, error) {
	by := b.by
	if now := time.Now(); by.Sub(now) < b.quiet {
		by = now.Add(b.quiet + b.slack)
	}
	if !b.until(by) {
		return 0, os.ErrDeadlineExceeded
	}
	n, err := b.from.Read(p)
	if err == io.EOF {
		b.ended.Store(true)
		b.until(time.Time{})
	}
	if b.read += int64(n); b.most > 0 && b.read > b.most {
		b.bad.Store(http.StatusRequestEntityTooLarge)
		return 0, errTooLarge
	}
	if err != nil && err != io.EOF {
		b.bad.CompareAndSwap(0, wrong(err))
	}
	return n, err
}

// until sets the deadline of a Read, unless the request is over: it says whether it is not.
func (b *body) until(by time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.over && !by.Equal(b.by) {
		b.by = by
		_ = b.ctl.SetReadDeadline(by) // what cannot have one is no connection
	}
	return !b.over
}

// end sets the last deadline. A Read that waits ends by it.
func (b *body) end(by time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.over && !b.ended.Load() {
		_ = b.ctl.SetReadDeadline(by)
	}
	b.over = true
}

// wrong is the status for a body that cannot be read to its end.
func wrong(err error) int32 {
	var n net.Error
	switch {
	case isTimeout(err):
		return http.StatusRequestTimeout
	case err == io.ErrUnexpectedEOF || errors.As(err, &n):
		return statusGone
	}
	return http.StatusBadRequest
}

func (b *body) Close() error { return b.from.Close() }

// trouble is the status for what went wrong with it; 0 is nothing.
func (b *body) trouble() int {
	if b == nil {
		return 0
	}
	return int(b.bad.Load())
}

// both has the body read while the answer is written, until reading is closed. What is left of it is then ours to see to.
func (x *exchange) both(reading <-chan struct{}) {
	x.reading = reading
	_ = http.NewResponseController(x.w).EnableFullDuplex() // HTTP/2 is
}

// unread says whether the rest of a body is not read as one, so that what follows on an HTTP/1 connection is no request: RFC 9112, 9.3, has it closed then. Where
// it was not begun to be read net/http sees to it.
func (x *exchange) unread() bool {
	return x.body != nil && !x.body.ended.Load() && (x.reading != nil || x.body.trouble() != 0)
}

// leave ends a Read that is left over from an exchange of both ways, once the answer is there. Where the body was not begun to be read net/http reads some of it,
// which has no deadline of its own: a client who still sends has so long, and no longer.
func (x *exchange) leave() {
	switch {
	case x.body == nil:
	case x.reading == nil:
		x.body.end(time.Now().Add(x.door.limits.quiet))
	default:
		x.body.end(time.Unix(1, 0))
		<-x.reading
	}
}

// whole is the body where it is small: read at once, so that it can be sent again. ok is false where it is not.
func (x *exchange) whole() (small []byte, ok bool, err error) {
	n := x.r.ContentLength
	if x.body == nil {
		return nil, true, nil
	}
	if n < 0 || n > mostReplayed || x.r.Trailer != nil {
		return nil, false, nil
	}
	small = make([]byte, n)
	if _, err = io.ReadFull(x.body, small); err != nil {
		return nil, false, err
	}
	if !x.body.ended.Load() {
		_, _ = x.body.Read(make([]byte, 1)) // its end
	}
	return small, true, nil
}
