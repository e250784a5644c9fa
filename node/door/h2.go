package door

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// errDial is a connection that did not come to be.
type errDial struct{ error }

func (e errDial) Unwrap() error { return e.error }

// transport speaks HTTP/2 with the pod: by TLS, or without.
func (p *pod) transport() *http.Transport {
	t := &http.Transport{
		DisableCompression: true, MaxResponseHeaderBytes: mostAnswered, IdleConnTimeout: longestIdle, Protocols: new(http.Protocols),
		TLSHandshakeTimeout: longestConnect, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // as in connect
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			within, ok := ctx.Value(connectKey{}).(time.Duration)
			if !ok {
				within = longestConnect
			}
			conn, err := p.dial(ctx, within)
			if err != nil {
				return nil, errDial{err}
			}
			return conn, nil
		},
	}
	if p.protocol == "h2" {
		t.Protocols.SetHTTP2(true)
	} else {
		t.Protocols.SetUnencryptedHTTP2(true)
	}
	return t
}

type connectKey struct{}

var errQuiet = errors.New("the pod says nothing")

// second asks a pod by HTTP/2. Both sides may speak as long as they like: gRPC's streams do.
func (x *exchange) second(p *pod, q *question, end time.Time) error {
	connect, read, _ := x.patience()
	ctx, cancel := context.WithCancelCause(context.WithValue(x.r.Context(), connectKey{}, connect))
	defer cancel(nil)
	if !end.IsZero() {
		late := time.AfterFunc(time.Until(end), func() { cancel(errLate{}) })
		defer late.Stop()
	}
	if streams(x.r.Header) && x.rule.Read == 0 {
		read = max(read, longestStream)
	}
	out, err := x.outgoing(ctx, p, q)
	if err != nil {
		return err
	}
	var asked *taken
	quiet := newSilence(read, func(s *silence) {
		if asked.waits() && !streams(x.r.Header) { // the request is not sent yet
			s.broken()
			return
		}
		cancel(errLate{})
	})
	defer quiet.end()
	if q.body != nil {
		asked = take(q.body, quiet)
		x.both(asked.done)
		out.Body = asked
	}
	quiet.broken()
	a, err := p.h2.RoundTrip(out)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		asked.stop(x)
		var dial errDial
		if errors.As(err, &dial) {
			return &failure{err, unsent}
		}
		return &failure{err, unanswered}
	}
	defer func() { asked.stop(x); _ = a.Body.Close() }()
	if streams(a.Header) && x.rule.Read == 0 {
		quiet.long.Store(int64(max(read, longestStream)))
	}
	a.Body = &heard{a.Body, quiet}
	x.pass(a)
	if err = x.stream(a); err != nil {
		return &failure{err, answered}
	}
	return nil
}

// taken is a body that a transport takes. It can be closed while the client is waited for, whatever he does.
type taken struct {
	from   io.Reader
	r      *io.PipeReader
	w      *io.PipeWriter
	quiet  *silence
	client atomic.Bool // is waited for
	begin  sync.Once
	done   chan struct{} // closed when nothing is read from the client any more
}

func take(from io.Reader, quiet *silence) *taken {
	t := &taken{from: from, quiet: quiet, done: make(chan struct{})}
	t.r, t.w = io.Pipe()
	return t
}

// Read begins to read from the client: nothing of the body is gone before a pod is there.
func (t *taken) Read(p []byte) (int, error) {
	t.begin.Do(func() { go t.pass() })
	return t.r.Read(p)
}

func (t *taken) Close() error { return t.r.Close() }

// pass passes on what the client says, until there is no more or nobody takes it.
func (t *taken) pass() {
	defer close(t.done)
	room := buffers.Get().(*[]byte)
	defer buffers.Put(room)
	for {
		t.client.Store(true)
		n, err := t.from.Read(*room)
		t.quiet.broken()
		t.client.Store(false)
		if n > 0 {
			if _, gone := t.w.Write((*room)[:n]); gone != nil {
				return
			}
		}
		if err != nil {
			_ = t.w.CloseWithError(err)
			return
		}
	}
}

// waits says whether the client is waited for, rather than the pod.
func (t *taken) waits() bool { return t != nil && t.client.Load() }

// stop has nothing taken any more. It waits for the client only if he has gone, as sending's does.
func (t *taken) stop(x *exchange) {
	if t == nil {
		return
	}
	_ = t.Close()
	t.begin.Do(func() { close(t.done) })
	if x.left() {
		<-t.done
	}
}

// errLate is a timeout.
type errLate struct{}

func (errLate) Error() string   { return errQuiet.Error() }
func (errLate) Timeout() bool   { return true }
func (errLate) Temporary() bool { return true }

// silence is for how long a pod may say nothing, and take nothing.
type silence struct {
	timer *time.Timer
	long  atomic.Int64
	over  atomic.Bool
}

// newSilence counts from when it is broken first.
func newSilence(long time.Duration, over func(*silence)) *silence {
	s := &silence{}
	s.long.Store(int64(long))
	s.timer = time.AfterFunc(math.MaxInt64, func() { over(s) })
	return s
}

func (s *silence) broken() {
	if s.timer.Reset(time.Duration(s.long.Load())); s.over.Load() {
		s.timer.Stop()
	}
}

// end has it count no more, whoever breaks it afterwards: a client may speak to an exchange that is over.
func (s *silence) end() {
	s.over.Store(true)
	s.timer.Stop()
}

// heard is a body that says each time that something came.
type heard struct {
	io.ReadCloser
	quiet *silence
}

func (h *heard) Read(p []byte) (int, error) {
	h.quiet.broken()
	return h.ReadCloser.Read(p)
}

func (x *exchange) outgoing(ctx context.Context, p *pod, q *question) (*http.Request, error) {
	scheme := "http"
	if p.protocol == "h2" {
		scheme = "https"
	}
	to, err := url.ParseRequestURI(q.target)
	if err != nil {
		return nil, err
	}
	to.Scheme, to.Host = scheme, p.text
	h := x.r.Header
	if h["User-Agent"] == nil {
		h = h.Clone()
		h["User-Agent"] = []string{""} // else net/http says its own
	}
	out := (&http.Request{
		Method: x.r.Method, Proto: "HTTP/2.0", ProtoMajor: 2, URL: to,
		Header: h, Host: q.host, ContentLength: x.r.ContentLength, Trailer: x.r.Trailer,
	}).WithContext(ctx)
	if len(q.small) > 0 {
		out.Body = io.NopCloser(bytes.NewReader(q.small))
		out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(q.small)), nil }
	}
	return out, nil
}
