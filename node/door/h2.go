package door

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
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
	quiet := time.AfterFunc(read, func() { cancel(errLate{}) })
	defer quiet.Stop()
	out, err := x.outgoing(ctx, p, q)
	if err != nil {
		return err
	}
	var asked *taken
	if q.body != nil {
		_ = http.NewResponseController(x.w).EnableFullDuplex() // HTTP/2 is
		asked = &taken{Reader: q.body, done: make(chan struct{})}
		out.Body = asked
	}
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
		read = max(read, longestStream)
	}
	a.Body = &heard{a.Body, quiet, read}
	x.pass(a)
	if err = x.stream(a); err != nil {
		return &failure{err, answered}
	}
	return nil
}

// taken is a body that the transport reads, until it closes it.
type taken struct {
	io.Reader
	once sync.Once
	done chan struct{}
}

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

// heard is a body that says each time that something came.
type heard struct {
	io.ReadCloser
	quiet *time.Timer
	read  time.Duration
}

func (h *heard) Read(p []byte) (int, error) {
	h.quiet.Reset(h.read)
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
