package podman_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
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
	quick := drivers.Options{Cluster: "hang", Look: 2 * time.Second, Change: 400 * time.Millisecond}
	d, err := drivers.Open(t.Context(), node(s.socket), quick)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if _, err := d.Observe(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer s.cmd.Process.Signal(syscall.SIGCONT)
	s.awaitStopped(t)
	ctx := t.Context()
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
		"watch, by the caller's deadline": func() error {
			ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
			defer cancel()
			return d.(drivers.Watcher).Watch(ctx, make(chan struct{}, 1))
		},
	}
	for what, call := range calls {
		began := time.Now()
		err := call()
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("%s took %v", what, took)
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", what, err)
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

func timeToRun(t *testing.T, d drivers.Driver) time.Duration {
	t.Helper()
	pod := drivertest.Pod("timed", drivertest.Ref, drivertest.Ref)
	for range 2 {
		began := time.Now()
		if err := d.Run(t.Context(), pod); err != nil {
			t.Fatal(err)
		}
		took := time.Since(began)
		if err := d.Stop(t.Context(), pod.Name); err != nil {
			t.Fatal(err)
		}
		defer func() { t.Logf("a run takes %v", took) }()
		if took < 2*time.Second {
			return took
		}
	}
	return time.Second
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
	pod.Spec.Containers[0].Args = []string{"sleep", "1s", "exit", "3"}
	if err := d.Run(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	for deadline := time.After(drivertest.Patience); ; {
		n, err := d.Observe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n.Pods[0].Containers[0].State == live.Exited {
			break
		}
		select {
		case <-poke:
		case <-deadline:
			t.Fatal("no poke")
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
