package podman_test

import (
	"testing"
	"time"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/drivers/drivertest"
)

func TestPodmanKeepsTheContract(t *testing.T) {
	shared.load(t)
	drivertest.Run(t, drivertest.Host{
		Open:  func(_ *testing.T, cluster string) drivers.Driver { return open(shared.socket, cluster) },
		Image: drivertest.Ref, Ends: drivertest.Ref,
		Tick: func() { time.Sleep(20 * time.Millisecond) },
		Foreign: func(t *testing.T, name string) {
			if out, err := shared.podman("pod", "create", "--name", name).CombinedOutput(); err != nil {
				t.Fatalf("%s", out)
			}
			t.Cleanup(func() { _ = shared.podman("pod", "rm", "-f", name).Run() })
		},
	})
}
