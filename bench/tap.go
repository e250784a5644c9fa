package main

import (
	"bytes"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"time"
)

// call is one request that went through a tap.
type call struct {
	method, path string
	body         []byte // of a create
	began, ended time.Time
}

// changes says whether the call may change a node.
func (c call) changes() bool { return c.method != http.MethodGet && c.method != http.MethodHead }

// tap stands between podkeep and a Podman service, passes everything on, and keeps what was asked and when.
type tap struct {
	socket string
	server *http.Server
	served chan struct{}
	mu     sync.Mutex
	calls  []call
}

// newTap listens at socket and passes on to target, until Close.
func newTap(socket, target string) (*tap, error) {
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return nil, err
	}
	t := &tap{socket: socket, served: make(chan struct{})}
	t.server = &http.Server{Handler: t.passing(target)}
	go func() {
		defer close(t.served)
		_ = t.server.Serve(listener)
	}()
	return t, nil
}

func (t *tap) Close() {
	_ = t.server.Close()
	<-t.served
}

func (t *tap) passing(target string) http.Handler {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", target)
	}
	onwards := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", "podman" },
		Transport:     &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 16, DisableCompression: true},
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0), // podkeep that ends breaks off what it watches
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i := t.begin(r)
		defer t.end(i)
		onwards.ServeHTTP(w, r)
	})
}

func (t *tap) begin(r *http.Request) int {
	c := call{method: r.Method, path: r.URL.RequestURI(), began: time.Now()}
	if strings.HasSuffix(r.URL.Path, "s/create") {
		c.body, _ = io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(c.body))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls = append(t.calls, c)
	return len(t.calls) - 1
}

func (t *tap) end(i int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i < len(t.calls) {
		t.calls[i].ended = time.Now()
	}
}

// since are the calls begun at or after a moment.
func (t *tap) since(from time.Time) (found []call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.calls {
		if !c.began.Before(from) {
			found = append(found, c)
		}
	}
	return found
}
