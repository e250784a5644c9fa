package podman

import (
	"net"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

func TestACommandThatBeginsOnceItsCallerHasLeftIsWaitedFor(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		says := `{"ID": "x", "Running": false, "CanRemove": false}`
		if asked.Add(1) > 2 {
			says = `{"ID": "x", "Running": true, "Pid": 7}`
		}
		_, _ = w.Write([]byte(says))
	})}
	go func() { _ = server.Serve(listener) }()
	defer func() { _ = server.Close() }()
	d, err := New(node("podman+unix://"+socket), Options{Cluster: "c", Look: time.Minute, Change: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	if s, err := d.begun(t.Context(), "x"); err != nil || !s.Running || s.Pid != 7 {
		t.Errorf("%+v, %v", s, err)
	}
}
