package podman_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/drivers/drivertest"
	"github.com/podkeep/podkeep/live"
)

func TestAContainerIsEndedByItsHookAndItsSignalAndThePodIsNotSeenToStop(t *testing.T) {
	b := newBench(t)
	dir, usr1 := t.TempDir(), corev1.SIGUSR1
	pod := b.hooked("endhook", dir, command("/testapp", "write", "/host/hook", "ran"))
	c := &pod.Spec.Containers[0]
	c.Lifecycle.StopSignal = &usr1
	c.Args = []string{"say", "up", "usr1", "await", "/host/go", "exit", "7"}
	b.says(pod, "up")
	ended := make(chan error, 1)
	go func() {
		ended <- b.Driver.(drivers.Ender).End(t.Context(), pod, "a", drivertest.Patience)
	}()
	b.until(pod.Name, func(p live.Pod) bool {
		_, err := os.Stat(filepath.Join(dir, "hook"))
		if p.Stopping {
			t.Error("it is seen to stop")
		}
		return err == nil && p.Containers[0].State == live.Running
	})
	b.ok(os.WriteFile(filepath.Join(dir, "go"), []byte("x"), 0o600))
	b.ok(<-ended)
	b.until(pod.Name, func(p live.Pod) bool { return p.Containers[0].State == live.Exited && p.Containers[0].Exit == 7 })
}

func TestAContainerThatDoesNotEndIsKilledWhenTheGraceIsOver(t *testing.T) {
	b := newBench(t)
	pod := b.pod("endstubborn", "say", "up", "stubborn")
	grace := int64(3600)
	pod.Spec.TerminationGracePeriodSeconds = &grace
	b.says(pod, "up")
	b.ok(b.Driver.(drivers.Ender).End(t.Context(), pod, "a", time.Second))
	b.until(pod.Name, func(p live.Pod) bool { return p.Containers[0].State == live.Exited && p.Containers[0].Exit == 137 })
}
