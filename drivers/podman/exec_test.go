package podman

import (
	"net"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// answers is a driver of a host on which h is Podman.
func answers(t *testing.T, h http.HandlerFunc) *Driver {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	d, err := New(node("podman+unix://"+socket), Options{Cluster: "c", Look: time.Minute, Change: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func TestACommandThatBeginsOnceItsCallerHasLeftIsWaitedFor(t *testing.T) {
	var asked atomic.Int64
	d := answers(t, func(w http.ResponseWriter, _ *http.Request) {
		says := `{"ID": "x", "Running": false, "CanRemove": false}`
		if asked.Add(1) > 2 {
			says = `{"ID": "x", "Running": true, "Pid": 7}`
		}
		_, _ = w.Write([]byte(says))
	})
	if s, err := d.begun(t.Context(), "x"); err != nil || !s.Running || s.Pid != 7 {
		t.Errorf("%+v, %v", s, err)
	}
}
