package devfleet_test

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"github.com/podkeep/podkeep/devfleet"
	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/drivers/drivertest"
	"github.com/podkeep/podkeep/manifest"
)

// usersFleet makes a fleet that the test's end removes.
func usersFleet(t *testing.T, o devfleet.Options) *devfleet.Fleet {
	t.Helper()
	if err := devfleet.Down(t.Context(), o.Name, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := devfleet.Down(context.Background(), o.Name, ""); err != nil {
			t.Error(err)
		}
	})
	fleet, err := devfleet.Up(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return fleet
}

// driverOf reaches a node's Podman on behalf of a cluster.
func driverOf(t *testing.T, f *devfleet.Fleet, node, cluster string) drivers.Driver {
	t.Helper()
	n, err := f.Node(node)
	if err != nil {
		t.Fatal(err)
	}
	m := manifest.Node{ProviderID: n.ProviderID()}
	m.Name = n.Name
	d, err := drivers.Open(t.Context(), m, drivers.Options{
		Cluster: cluster, Whole: true, Look: drivertest.Patience, Change: drivertest.Patience,
		KnownHosts: []string{f.KnownHosts()}, Identity: []string{f.Identity()},
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A user's own Podman does all that a driver promises.
func TestAUsersPodmanKeepsTheContract(t *testing.T) {
	t.Parallel()
	f := usersFleet(t, devfleet.Options{Name: "fl-user", Nodes: 1, Rootless: []string{"n1"}})
	if err := f.LoadEverywhere(t.Context(), drivertest.Archive(t)); err != nil {
		t.Fatal(err)
	}
	on := func(args ...string) *exec.Cmd {
		cmd, err := f.Command(context.Background(), "n1", args...)
		if err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	drivertest.Run(t, drivertest.Host{
		Open:  func(t *testing.T, cluster string) drivers.Driver { return driverOf(t, f, "n1", cluster) },
		Image: drivertest.Ref, Ends: drivertest.Ref,
		Tick: func() { time.Sleep(20 * time.Millisecond) },
		Foreign: func(t *testing.T, name string) {
			if out, err := on("podman", "pod", "create", "--name", name).CombinedOutput(); err != nil {
				t.Fatalf("%s", out)
			}
			t.Cleanup(func() { _ = on("podman", "pod", "rm", "-f", name).Run() })
		},
	})
}
