package door

import (
	"errors"
	"io"
	"net"
	"net/http"
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
	if now := time.Now(); b.by.Sub(now) < b.quiet {
		b.by = now.Add(b.quiet + b.slack)
		_ = b.ctl.SetReadDeadline(b.by) // what cannot have one is no connection
	}
	n, err := b.from.Read(p)
	if err == io.EOF {
		b.ended.Store(true)
		_ = b.ctl.SetReadDeadline(time.Time{})
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

// leave gives a client that still sends so long, and no longer. What net/http reads of a body after an answer has no deadline of its own.
func (b *body) leave() {
	if b != nil && !b.ended.Load() {
		_ = b.ctl.SetReadDeadline(time.Now().Add(b.quiet))
	}
}

// stop ends a Read that is waiting.
func (b *body) stop() { _ = b.ctl.SetReadDeadline(time.Unix(1, 0)) }

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
