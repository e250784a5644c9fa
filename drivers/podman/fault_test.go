package podman_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/drivers/drivertest"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// own starts a service that the test may hurt.
func own(t *testing.T) *service {
	t.Helper()
	dir, err := os.MkdirTemp("", "pk-podman")
	if err != nil {
		t.Fatal(err)
	}
	s := &service{dir: dir, socket: dir + "/podman.sock"}
	t.Cleanup(s.destroy)
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEveryCallEndsByItsDeadlineWhenTheServiceHangs(t *testing.T) {
	s := own(t)
	quick := drivers.Options{Cluster: "hang", Look: 400 * time.Millisecond, Change: 400 * time.Millisecond}
	d, err := drivers.Open(t.Context(), node(s.socket), quick)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for deadline := time.Now().Add(drivertest.Patience); ; {
		if _, err = d.Observe(t.Context()); err == nil {
			break
		}
		if !errors.Is(err, context.DeadlineExceeded) || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	if err := d.(drivers.Pinger).Ping(ctx); err != nil {
		t.Error(err)
	}
	halt(t, s.cmd.Process)
	calls := map[string]func() error{
		"observe": func() error { _, err := d.Observe(ctx); return err },
		"run":     func() error { return d.Run(ctx, drivertest.Pod("hang", drivertest.Ref)) },
		"stop":    func() error { return d.Stop(ctx, "hang") },
		"put":     func() error { return d.Put(ctx, manifest.File{Name: "hang"}) },
		"delete":  func() error { return d.Delete(ctx, "hang") },
		"pull":    func() error { return d.(drivers.Puller).Pull(ctx, drivertest.Ref, "IfNotPresent") },
		"load, by the caller's deadline": func() error {
			ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
			defer cancel()
			return d.(drivers.Loader).Load(ctx, strings.NewReader("x"))
		},
		"ping, by the caller's deadline": func() error {
			ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
			defer cancel()
			return d.(drivers.Pinger).Ping(ctx)
		},
		"watch, by the caller's deadline": func() error {
			ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
			defer cancel()
			return d.(drivers.Watcher).Watch(ctx, make(chan struct{}, 1))
		},
	}
	for what, call := range calls {
		over := make(chan error, 1)
		go func() { over <- call() }()
		select {
		case err := <-over:
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", what, err)
			}
		case <-time.After(drivertest.Patience):
			t.Errorf("%s does not end", what)
		}
	}
}

func TestALookAfterTheServiceCameBackIsWhole(t *testing.T) {
	s := own(t)
	s.load(t)
	d := open(s.socket, drivertest.Cluster)
	defer d.Close()
	pod := drivertest.Pod("stays", drivertest.Ref)
	if err := d.Run(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	s.kill()
	if _, err := d.Observe(t.Context()); err == nil {
		t.Fatal("a dead host was observed")
	}
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	n, err := d.Observe(t.Context())
	if err != nil || len(n.Pods) != 1 || n.Pods[0].Containers[0].State != live.Running {
		t.Fatalf("%v: %+v", err, n.Pods)
	}
	if err := d.Stop(t.Context(), pod.Name); err != nil {
		t.Fatal(err)
	}
}

// The service is killed at moments spread over the making of a pod; whatever is left, the next Run makes the
// pod, or Stop removes all of it.
func TestAPodWhoseMakingWasKilledIsFinishedOrRemoved(t *testing.T) {
	s := own(t)
	s.load(t)
	d := open(s.socket, drivertest.Cluster)
	defer d.Close()
	whole := timeToRun(t, d)
	const samples = 8
	for i := range samples {
		pod := drivertest.Pod("killed", drivertest.Ref, drivertest.Ref)
		ran := make(chan error, 1)
		go func() { ran <- d.Run(t.Context(), pod) }()
		<-time.After(whole * time.Duration(i) / (samples - 2))
		s.kill()
		<-ran
		if err := s.start(); err != nil {
			t.Fatal(err)
		}
		n, err := d.Observe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			if err := d.Run(t.Context(), pod); err != nil {
				t.Fatalf("killed after %d/%d: %v (left: %+v)", i, samples, err, n.Pods)
			}
			n, err = d.Observe(t.Context())
			if err != nil || len(n.Pods) != 1 || len(n.Pods[0].Containers) != 2 || n.Pods[0].Containers[1].State != live.Running {
				t.Fatalf("killed after %d/%d: %v: %+v", i, samples, err, n.Pods)
			}
		}
		if err := d.Stop(t.Context(), pod.Name); err != nil {
			t.Fatalf("killed after %d/%d: stop: %v (left: %+v)", i, samples, err, n.Pods)
		}
		if n, err = d.Observe(t.Context()); err != nil || len(n.Pods) != 0 {
			t.Fatalf("killed after %d/%d: %v: left behind: %+v", i, samples, err, n.Pods)
		}
	}
}

// timeToRun is what the making of such a pod takes here. The first one makes Podman's pause image too.
func timeToRun(t *testing.T, d drivers.Driver) (took time.Duration) {
	t.Helper()
	pod := drivertest.Pod("timed", drivertest.Ref, drivertest.Ref)
	for range 2 {
		began := time.Now()
		if err := d.Run(t.Context(), pod); err != nil {
			t.Fatal(err)
		}
		took = time.Since(began)
		if err := d.Stop(t.Context(), pod.Name); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("a run takes %v", took)
	return took
}

func TestWatchPokesWhenAContainerEndsAndReturnsWhenTheServiceDies(t *testing.T) {
	s := own(t)
	s.load(t)
	d := open(s.socket, drivertest.Cluster)
	defer d.Close()
	poke := make(chan struct{}, 1)
	over := make(chan error, 1)
	go func() { over <- d.(drivers.Watcher).Watch(t.Context(), poke) }()
	pod := drivertest.Pod("watched", drivertest.Ref)
	for listening := false; !listening; { // a pod that came too early for it is made again
		if err := d.Run(t.Context(), pod); err != nil {
			t.Fatal(err)
		}
		select {
		case <-poke:
			listening = true
		default:
			if err := d.Stop(t.Context(), pod.Name); err != nil {
				t.Fatal(err)
			}
		}
	}
	if out, err := s.podman("kill", pod.Name+"-a").CombinedOutput(); err != nil {
		t.Fatalf("%s", out)
	}
	for deadline := time.After(drivertest.Patience); ; {
		select {
		case <-poke:
		case <-deadline:
			t.Fatal("no poke")
		}
		n, err := d.Observe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n.Pods[0].Containers[0].State == live.Exited {
			break
		}
	}
	if err := d.Stop(t.Context(), pod.Name); err != nil {
		t.Fatal(err)
	}
	s.kill()
	select {
	case err := <-over:
		if err == nil {
			t.Error("it returned no error")
		}
	case <-time.After(drivertest.Patience):
		t.Fatal("it still watches a dead service")
	}
}
