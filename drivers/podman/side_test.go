package podman_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/drivers/drivertest"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// runSide runs it and waits until it answers.
func runSide(t *testing.T, s *service, d drivers.Driver, pod manifest.Pod) {
	t.Helper()
	t.Cleanup(func() {
		_ = s.podman("pod", "rm", "-f", "-t", "0", pod.Name).Run()
		for _, claim := range live.SideClaims() {
			_ = s.podman("volume", "rm", live.ClaimVolume(pod.Labels[live.LabelCluster], pod.Namespace, claim)).Run()
		}
	})
	if err := d.Run(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	s.pids(t, pod, 1)
}

// pids are those of the container's main process, one a start, once there are so many.
func (s *service) pids(t *testing.T, pod manifest.Pod, n int) (all []int) {
	t.Helper()
	var out []byte
	for deadline := time.Now().Add(drivertest.Patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		out, _ = s.podman("logs", pod.Name+"-"+live.SideContainer).CombinedOutput()
		all = nil
		for line := range strings.Lines(string(out)) {
			var pid int
			if _, err := fmt.Sscanf(line, "pid %d", &pid); err == nil {
				all = append(all, pid)
			}
		}
		if len(all) >= n {
			return all
		}
	}
	t.Fatalf("it did not start %d times:\n%s", n, out)
	return nil
}

// hasSocket wants the service's socket, and no link to it, to be in the container whose main process has that pid on the host.
func (s *service) hasSocket(t *testing.T, pid int) {
	t.Helper()
	at, err := os.Lstat(fmt.Sprintf("/proc/%d/root%s/%s", pid, live.SideHost, filepath.Base(s.socket)))
	if err != nil || at.Mode()&os.ModeSocket == 0 {
		t.Errorf("the pid is not the host's, or the socket is not there: %v", err)
	}
}

func TestTheNodeSideSeesItsHostAndPodmanStartsItAgain(t *testing.T) {
	s := own(t)
	s.load(t)
	d := open(s.socket, "side")
	defer d.Close()
	pod := drivertest.SidePod("side", drivertest.Ref)
	runSide(t, s, d, pod)
	s.hasSocket(t, s.pids(t, pod, 1)[0])
	out, _ := s.podman("logs", pod.Name+"-node").CombinedOutput()
	if !strings.Contains(string(out), live.SidePodman+"="+live.SideHost+"/"+filepath.Base(s.socket)+"\n") {
		t.Errorf("%s", out)
	}
	kill(t, s.pids(t, pod, 1)[0])
	kill(t, s.pids(t, pod, 2)[1])

	s.kill()
	kill(t, s.pids(t, pod, 3)[2])
	last := s.pids(t, pod, 4)[3]
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	s.hasSocket(t, last)
	n, err := d.Observe(t.Context())
	if err != nil || len(n.Pods) != 1 || len(n.Pods[0].Containers) != 1 || n.Pods[0].Containers[0].State != live.Running {
		t.Errorf("%+v %v", n.Pods, err)
	}
	if err := d.Stop(t.Context(), pod.Name); err != nil {
		t.Error(err)
	}
	if n, err = d.Observe(t.Context()); err != nil || len(n.Pods) != 0 || len(n.Volumes) != len(live.SideClaims()) {
		t.Errorf("%+v %v %v", n.Pods, n.Volumes, err)
	}
}

func TestTheNodeSideIsReachedThroughItsSocketElseThroughItsContainer(t *testing.T) {
	shared.load(t)
	remote, link := newSSHD(t), t.TempDir()+"/link'd.sock"
	if err := os.Symlink(shared.socket, link); err != nil {
		t.Fatal(err)
	}
	for name, d := range map[string]drivers.Driver{
		"unix": open(link, "attach-unix"),
		"ssh":  remote.open("attach-ssh", link, "known_hosts", "user", drivertest.Patience),
	} {
		t.Run(name, func(t *testing.T) {
			defer d.Close()
			a := d.(drivers.Attacher)
			if _, err := a.Attach(t.Context()); err == nil || err.Error() != "there is no node side" {
				t.Errorf("%v", err)
			}
			pod := drivertest.SidePod("attach-"+name, drivertest.Ref)
			runSide(t, shared, d, pod)
			shared.hasSocket(t, shared.pids(t, pod, 1)[0])
			before := runtime.NumGoroutine()
			talks(t, a, false)
			show := hide(t, pod)
			talks(t, a, true)
			if name == "unix" {
				for deadline := time.Now().Add(drivertest.Patience); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
					if time.Now().After(deadline) {
						t.Fatalf("%d goroutines became %d", before, runtime.NumGoroutine())
					}
				}
			}
			stream := attached(t, a)
			defer stream.Close()
			echo(t, stream, []byte("x"))
			show()
			kill(t, shared.pids(t, pod, 1)[0])
			if n, err := stream.Read(make([]byte, 1)); err == nil {
				t.Errorf("%d bytes of one that is dead", n)
			}
			shared.pids(t, pod, 2)
			if out, err := shared.podman("stop", "-t", "0", pod.Name+"-node").CombinedOutput(); err != nil {
				t.Fatalf("%s", out)
			}
			if _, err := a.Attach(t.Context()); err == nil || err.Error() != "the node side does not run: its container is exited" {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestOfTheNodeSidesImagesThoseGoThatNobodyHasWhenAnotherComes(t *testing.T) {
	s := own(t)
	d := open(s.socket, "images")
	defer d.Close()
	load := func(version, label string) string {
		ref := live.SideImage + ":" + version
		archive := archiveOf(t, ref, v1.Config{Labels: map[string]string{label: version}})
		if err := d.(drivers.Loader).Load(t.Context(), archive); err != nil {
			t.Fatal(err)
		}
		return ref
	}
	load("0-of-somebody", "other")
	load("1", live.LabelSide)
	pod := drivertest.SidePod("images", load("2", live.LabelSide))
	runSide(t, s, d, pod)
	load("3", live.LabelSide)
	load("4", live.LabelSide)
	load("4", live.LabelSide)
	out, err := s.podman("images", "--format", "{{.Tag}}", live.SideImage).CombinedOutput()
	has := strings.Fields(string(out))
	slices.Sort(has)
	if want := []string{"0-of-somebody", "2", "4"}; err != nil || !slices.Equal(has, want) {
		t.Errorf("%q %v", has, err)
	}
	theirs := open(s.socket, "others")
	defer theirs.Close()
	for _, c := range []struct {
		of   drivers.Driver
		want []string
	}{{d, []string{"volume podkeep-images_claim_podkeep.io_doors", "volume podkeep-images_claim_podkeep.io_state", "image " + live.SideImage + ":4", "image " + live.SideImage + ":2"}}, {theirs, []string{"image " + live.SideImage + ":4"}}} {
		what, err := c.of.(drivers.Cleaner).Remains(t.Context())
		if slices.Sort(what); err != nil || !slices.Equal(what, slices.Sorted(slices.Values(c.want))) {
			t.Errorf("%q %v", what, err)
		}
	}
	if err := d.Stop(t.Context(), pod.Name); err != nil {
		t.Fatal(err)
	}
	if err := d.(drivers.Cleaner).Clean(t.Context()); err != nil {
		t.Fatal(err)
	}
	if out, err := s.podman("images", "--format", "{{.Tag}}", live.SideImage).CombinedOutput(); err != nil || string(out) != "0-of-somebody\n" {
		t.Errorf("%s %v", out, err)
	}
}

// hide takes the volume's directory from where it is looked for, until show. The container has it still.
func hide(t *testing.T, pod manifest.Pod) (show func()) {
	t.Helper()
	data := shared.dir + "/root/volumes/" + live.ClaimVolume(pod.Labels[live.LabelCluster], pod.Namespace, live.SideVolume) + "/_data"
	move := func(from, to string) {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	move(data, data+"2")
	return func() { move(data+"2", data) }
}

func attached(t *testing.T, a drivers.Attacher) io.ReadWriteCloser {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := a.Attach(ctx)
	cancel()
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// talks says something large and hears it again.
func talks(t *testing.T, a drivers.Attacher, byCommand bool) {
	t.Helper()
	stream := attached(t, a)
	if got := fmt.Sprintf("%T", stream) == "*podman.joined"; got != byCommand {
		t.Errorf("it is a %T", stream)
	}
	echo(t, stream, bytes.Repeat([]byte("podkeep\n"), 1<<17))
	over := make(chan error, 1)
	go func() { _, err := stream.Read(make([]byte, 1)); over <- err }()
	if err := stream.Close(); err != nil {
		t.Error(err)
	}
	if err := <-over; err == nil {
		t.Error("it is closed, and a Read succeeded")
	}
}

func echo(t *testing.T, stream io.ReadWriter, said []byte) {
	t.Helper()
	go func() { _, _ = stream.Write(said) }()
	heard := make([]byte, len(said))
	if _, err := io.ReadFull(stream, heard); err != nil || !bytes.Equal(said, heard) {
		t.Errorf("it says something else (%v)", err)
	}
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}
