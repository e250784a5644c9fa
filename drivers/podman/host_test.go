package podman_test

import (
	"cmp"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/containers/podman/v4/pkg/domain/entities"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// busy is a host whose lists are quick, and which takes its time to say how it is.
type busy struct {
	asked atomic.Int64
	heard chan struct{} // closed with the first question
	lists string        // its containers; none when empty
	free  chan struct{} // closed when it has time
}

func (b *busy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Libpod-API-Version", "4.3.1")
	switch {
	case strings.HasSuffix(r.URL.Path, "/info"):
		if b.asked.Add(1) == 1 {
			close(b.heard)
		}
		select {
		case <-b.free:
			_, _ = w.Write([]byte(`{"host": {"cpus": 4, "memTotal": 1000000000}, "version": {"Version": "4.3.1"}}`))
		case <-r.Context().Done():
		}
	case strings.HasSuffix(r.URL.Path, "/containers/json"):
		_, _ = w.Write([]byte(cmp.Or(b.lists, "[]")))
	case strings.HasSuffix(r.URL.Path, "/containers/c1/json"):
		_, _ = w.Write([]byte(`{"NetworkSettings": {"IPAddress": "192.0.2.7"}}`))
	case strings.HasSuffix(r.URL.Path, "/events"):
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	default:
		_, _ = w.Write([]byte("[]"))
	}
}

// serve gives the path of its socket.
func (b *busy) serve(t *testing.T) string {
	t.Helper()
	socket := t.TempDir() + "/podman.sock"
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: b}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close(); <-done })
	return socket
}

func TestALookDoesNotWaitForWhatABusyHostSaysOfItself(t *testing.T) {
	b := &busy{free: make(chan struct{}), heard: make(chan struct{})}
	socket := b.serve(t)
	d, err := drivers.Open(t.Context(), node(socket), drivers.Options{Cluster: "busy", Cache: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for range 3 {
		if n, err := d.Observe(t.Context()); err != nil || n.Unsized == 0 || n.Facts.Podman != "4.3.1" {
			t.Fatalf("%v: %+v", err, n)
		}
	}
	poke, watched := make(chan struct{}), make(chan struct{})
	ctx, end := context.WithCancel(t.Context())
	go func() { defer close(watched); _ = d.(drivers.Watcher).Watch(ctx, poke) }()
	close(b.free)
	<-poke
	end()
	<-watched
	if n, err := d.Observe(t.Context()); err != nil || n.Unsized > 0 || n.Facts.CPUs != 4 || n.Room.MilliCPU != 3500 {
		t.Errorf("%v: %+v", err, n)
	}
	if n := b.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestALookThatIsToBeWholeWaitsForIt(t *testing.T) {
	pod := live.Pod{Name: "web-1-0", Cluster: "busy", App: manifest.ID{Kind: "Deployment", Namespace: "default", Name: "web"}}
	lists, err := json.Marshal([]entities.ListContainer{{
		ID: "c1", IsInfra: true, Pod: "p1", PodName: pod.Name, State: "running", StartedAt: 1, Labels: live.PodLabels(pod),
	}})
	if err != nil {
		t.Fatal(err)
	}
	b := &busy{free: make(chan struct{}), heard: make(chan struct{}), lists: string(lists)}
	socket := b.serve(t)
	open := func(o drivers.Options) drivers.Driver {
		d, err := drivers.Open(t.Context(), node(socket), o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Close() })
		return d
	}
	cache := t.TempDir()
	d := open(drivers.Options{Cluster: "busy", Cache: cache, Whole: true})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-b.heard; cancel() }()
	if n, err := d.Observe(ctx); err != nil || n.Unsized == 0 || len(n.Pods) != 1 || n.Pods[0].IP != "192.0.2.7" {
		t.Fatalf("when there is no more time, what the lists said is enough: %v: %+v", err, n)
	}
	close(b.free)
	if n, err := d.Observe(t.Context()); err != nil || n.Unsized > 0 {
		t.Errorf("%v: %+v", err, n)
	}
	if n, err := open(drivers.Options{Cluster: "busy", Cache: cache}).Observe(t.Context()); err != nil || n.Unsized > 0 {
		t.Errorf("the next process: %v: %+v", err, n)
	}
	if n := b.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}
