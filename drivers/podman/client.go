package podman

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/containers/podman/v4/pkg/bindings"
	"github.com/containers/podman/v4/pkg/errorhandling"

	"github.com/podkeep/podkeep/live"
)

// dialer opens streams to the host's Podman socket, and to others there.
type dialer interface {
	dial(ctx context.Context) (net.Conn, error)
	dialTo(ctx context.Context, path string) (net.Conn, error)
	dialFrom(ctx context.Context, address string) (net.Conn, error) // TCP, from the host
	socket(ctx context.Context) (string, error)                     // where Podman's is on the host, links followed
	hostKey() string                                                // fingerprint of the SSH host key; empty where there is none
	close() error
}

// local is the path of a socket on this machine.
type local string

func (path local) dial(ctx context.Context) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "unix", string(path))
}

// dialTo goes by way of the directory, since the kernel takes a path of 107 bytes and a volume's is often longer.
func (local) dialTo(ctx context.Context, path string) (net.Conn, error) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return (&net.Dialer{}).DialContext(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)))
}

func (path local) socket(context.Context) (string, error) { return filepath.EvalSymlinks(string(path)) }

func (local) hostKey() string { return "" }

func (local) close() error { return nil }

// client is the HTTP side of a connection.
type client struct {
	dialer    dialer
	transport *http.Transport
	bound     *bindings.Connection
	key       any
	clock     clock

	lost    atomic.Int64
	version atomic.Value // string
}

func newClient(dialer dialer) *client {
	c := &client{dialer: dialer, key: bindingsKey()}
	c.transport = &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dialer.dial(ctx) },
		// A socket-activated service leaves after 5 s without work; a connection that is older than that is not trusted.
		IdleConnTimeout: 3 * time.Second, MaxIdleConnsPerHost: 16, DisableCompression: true, MaxResponseHeaderBytes: longestHeader,
	}
	c.bound = &bindings.Connection{URI: &url.URL{Scheme: "unix", Path: "/"}, Client: &http.Client{Transport: c}}
	return c
}

func (c *client) close() error {
	c.transport.CloseIdleConnections()
	return c.dialer.close()
}

// losses counts the requests that found no answer. What a restarted service may have left behind is looked for when it rose.
func (c *client) losses() int64 { return c.lost.Load() }

// served is the version in the head of the newest answer, or "".
func (c *client) served() string {
	version, _ := c.version.Load().(string)
	return version
}

// call runs f with a context in which the bindings find this client.
func (c *client) call(ctx context.Context, f func(context.Context) error) error {
	var failed failure
	err := f(context.WithValue(context.WithValue(ctx, c.key, c.bound), failureKey{}, &failed))
	if way := failed.get(); way != nil {
		return gateOf(ctx).Error(way)
	}
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("no answer in time: %w", ctx.Err())
	}
	return clean(err)
}

type failureKey struct{}

// failure keeps the first error of a call that came from the way to the host and not from Podman.
type failure struct {
	mu  sync.Mutex
	err error
}

func (f *failure) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
}

func (f *failure) get() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// RoundTrip sends one request. It never answers with an error, since the bindings would send the request again, and
// again: the error is kept for call, and they are given an answer that says so.
func (c *client) RoundTrip(req *http.Request) (*http.Response, error) {
	sent := time.Now()
	resp, err := c.transport.RoundTrip(req)
	if err != nil && again(req, err) {
		resp, err = c.transport.RoundTrip(req)
	}
	if err == nil {
		c.clock.saw(resp.Header.Get("Date"), sent, time.Now())
		c.version.Store(resp.Header.Get("Libpod-API-Version"))
		resp, err = bounded(req, resp)
	}
	if err == nil {
		return resp, nil
	}
	c.lost.Add(1)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer in time: %w", err)
	}
	if f, ok := req.Context().Value(failureKey{}).(*failure); ok {
		f.set(err)
	}
	return unanswered(req, err), nil
}

// again says that a request which found a closed connection may be sent once more: it changes nothing, and its
// sender still waits.
func again(req *http.Request, err error) bool {
	return req.Method == http.MethodGet && req.Context().Err() == nil && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF))
}

func unanswered(req *http.Request, err error) *http.Response {
	body, _ := json.Marshal(errorhandling.ErrorModel{Message: live.Words(err.Error()), ResponseCode: http.StatusBadGateway})
	return &http.Response{
		StatusCode: http.StatusBadGateway, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: req,
	}
}

// bindingsKey is the context key under which the bindings look for their connection. They export no way to give them an
// HTTP client, only NewConnection, which dials by itself; so they are asked once, and the key is what they ask for.
func bindingsKey() any {
	ask := &asked{Context: context.Background()}
	_, _ = bindings.GetClient(ask)
	return ask.key
}

type asked struct {
	context.Context
	key any
}

func (a *asked) Value(key any) any {
	a.key = key
	return nil
}
