package podman_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/podkeep/podkeep/drivers"
)

// busy is a host whose lists are quick, and which takes its time to say how it is.
type busy struct {
	asked atomic.Int64
	free  chan struct{} // closed when it has time
	cut   atomic.Bool   // lists break off
}

func (b *busy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasSuffix(r.URL.Path, "/info"):
		b.asked.Add(1)
		select {
		case <-b.free:
			_, _ = w.Write([]byte(`{"host": {"cpus": 4, "memTotal": 1000000000}, "version": {"Version": "4.3.1"}}`))
		case <-r.Context().Done():
		}
	case b.cut.Load():
		panic(http.ErrAbortHandler)
	default:
		_, _ = w.Write([]byte("[]"))
	}
}

func TestABusyHostIsAskedOnceHowItIs(t *testing.T) {
	b := &busy{free: make(chan struct{})}
	socket := t.TempDir() + "/podman.sock"
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: b}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	defer func() { _ = server.Close(); <-done }()
	d, err := drivers.Open(t.Context(), node(socket), drivers.Options{Cluster: "busy", Look: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for range 3 {
		if _, err := d.Observe(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("a host that has not said how it is was seen: %v", err)
		}
	}
	if n := b.asked.Load(); n != 1 {
		t.Errorf("asked %d times at once", n)
	}
	close(b.free)
	for n, err := d.Observe(t.Context()); ; n, err = d.Observe(t.Context()) {
		if err == nil && n.Facts.CPUs != 4 {
			t.Fatalf("%+v", n.Facts)
		}
		if err == nil {
			break
		}
		if t.Context().Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
	}

	b.free = make(chan struct{}) // busy again, and the connection is lost
	b.cut.Store(true)
	if _, err := d.Observe(t.Context()); err == nil {
		t.Fatal("a host that breaks off was seen")
	}
	b.cut.Store(false)
	for range 3 {
		if n, err := d.Observe(t.Context()); err != nil || n.Facts.CPUs != 4 {
			t.Fatalf("what was known before does not do: %v, %+v", err, n.Facts)
		}
	}
	if n := b.asked.Load(); n > 2 {
		t.Errorf("asked %d times, want once more", n-1)
	}
}
