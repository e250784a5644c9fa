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
	defer quiet.timer.Stop()
	if q.body != nil {
		_ = http.NewResponseController(x.w).EnableFullDuplex() // HTTP/2 is
		asked = &taken{Reader: q.body, done: make(chan struct{}), quiet: quiet}
		out.Body = asked
	}
	quiet.broken()
	a, err := p.h2.RoundTrip(out)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		var dial errDial
		if errors.As(err, &dial) {
			asked.wait()
			return &failure{err, unsent}
		}
		asked.stop(x, cancel)
		return &failure{err, unanswered}
	}
	defer func() { _ = a.Body.Close(); asked.stop(x, cancel) }()
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

// taken is a body that the transport reads, until it closes it.
type taken struct {
	io.Reader
	once   sync.Once
	done   chan struct{}
	quiet  *silence
	client atomic.Bool // is waited for
}

func (t *taken) Read(p []byte) (int, error) {
	t.client.Store(true)
	n, err := t.Reader.Read(p)
	t.quiet.broken()
	t.client.Store(false)
	return n, err
}

// waits says whether the client is waited for, rather than the pod.
func (t *taken) waits() bool { return t != nil && t.client.Load() }

func (t *taken) Close() error {
	t.once.Do(func() { close(t.done) })
	return nil
}

// wait returns when the transport reads no more.
func (t *taken) wait() {
	if t != nil {
		<-t.done
	}
}

// stop has it read no more.
func (t *taken) stop(x *exchange, cancel context.CancelCauseFunc) {
	if t == nil {
		return
	}
	select {
	case <-t.done:
	default:
		x.stopped = x.r.Context().Err() == nil
		cancel(nil)
		x.body.stop()
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
}

// newSilence counts from when it is broken first.
func newSilence(long time.Duration, over func(*silence)) *silence {
	s := &silence{}
	s.long.Store(int64(long))
	s.timer = time.AfterFunc(math.MaxInt64, func() { over(s) })
	return s
}

func (s *silence) broken() { s.timer.Reset(time.Duration(s.long.Load())) }

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
	out := (&http.Request{
		Method: x.r.Method, Proto: "HTTP/2.0", ProtoMajor: 2, URL: to,
		Header: x.r.Header, Host: q.host, ContentLength: x.r.ContentLength, Trailer: x.r.Trailer,
	}).WithContext(ctx)
	if len(q.small) > 0 {
		out.Body = io.NopCloser(bytes.NewReader(q.small))
		out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(q.small)), nil }
	}
	return out, nil
}
