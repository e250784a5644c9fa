package podman_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/drivers/drivertest"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// sidePod is the node side's, which testapp plays.
func sidePod(cluster string) manifest.Pod {
	pod := manifest.Pod{
		Name: live.PodName(cluster, live.SideApp, "v1-abcdef", 0), Namespace: live.SideApp.Namespace,
		Spec: live.SideSpec(drivertest.Ref, cluster), Make: []string{live.SideVolume},
	}
	pod.Labels = live.PodLabels(live.Pod{
		Cluster: cluster, Source: "tests", App: live.SideApp, Rev: "v1-abcdef", Gen: 1, Restart: "Always", Expect: []string{live.SideContainer},
	})
	pod.Labels[live.LabelSide] = "1"
	return pod
}

// runSide runs it and waits until it answers.
func runSide(t *testing.T, s *service, d drivers.Driver, pod manifest.Pod) {
	t.Helper()
	t.Cleanup(func() {
		_ = s.podman("pod", "rm", "-f", "-t", "0", pod.Name).Run()
		_ = s.podman("volume", "rm", live.ClaimVolume(pod.Labels[live.LabelCluster], pod.Namespace, live.SideVolume)).Run()
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

func TestTheNodeSideSeesItsHostAndPodmanStartsItAgain(t *testing.T) {
	s := own(t)
	s.load(t)
	d := open(s.socket, "side")
	defer d.Close()
	pod := sidePod("side")
	runSide(t, s, d, pod)
	inside := fmt.Sprintf("/proc/%d/root%s/podman.sock", s.pids(t, pod, 1)[0], live.SideHost)
	if at, err := os.Stat(inside); err != nil || at.Mode()&os.ModeSocket == 0 {
		t.Errorf("the pids are not the host's, or the socket is not there: %v", err)
	}
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
	if _, err := os.Stat(fmt.Sprintf("/proc/%d/root%s/podman.sock", last, live.SideHost)); err != nil {
		t.Errorf("a socket that was made anew is not found: %v", err)
	}
	n, err := d.Observe(t.Context())
	if err != nil || len(n.Pods) != 1 || len(n.Pods[0].Containers) != 1 || n.Pods[0].Containers[0].State != live.Running {
		t.Errorf("%+v %v", n.Pods, err)
	}
	if err := d.Stop(t.Context(), pod.Name); err != nil {
		t.Error(err)
	}
	if n, err = d.Observe(t.Context()); err != nil || len(n.Pods) != 0 || len(n.Volumes) != 1 {
		t.Errorf("%+v %v %v", n.Pods, n.Volumes, err)
	}
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}
