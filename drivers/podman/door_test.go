package podman_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/podkeep/podkeep/drivers/drivertest"
	"github.com/podkeep/podkeep/live"
)

func TestADoorHasLowPortsOfItsHostAndTheVolumeAndNoMore(t *testing.T) {
	shared.load(t)
	d := open(shared.socket, "doors")
	defer d.Close()
	side, door := drivertest.SidePod("doors", drivertest.Ref), drivertest.DoorPod("doors", drivertest.Ref, "v1-abcdef0123")
	runSide(t, shared, d, side)
	t.Cleanup(func() { _ = shared.podman("pod", "rm", "-f", "-t", "0", door.Name).Run() })
	if err := d.Run(t.Context(), door); err != nil {
		t.Fatal(err)
	}
	begun := func(times int) string {
		t.Helper()
		var out []byte
		for deadline := time.Now().Add(drivertest.Patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			if out, _ = shared.podman("logs", door.Name+"-"+live.DoorContainer).CombinedOutput(); strings.Count(string(out), "\ndoor: ") >= times {
				return string(out)
			}
		}
		t.Fatalf("it has not begun %d times:\n%s", times, out)
		return ""
	}
	out := begun(1)
	ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", shared.pids(t, side, 1)[0]))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"pod " + door.Name + "\n", "CapEff:\t0000000000000400\n", "CapBnd:\t0000000000000400\n", "NoNewPrivs:\t1\n", "net " + ns + "\n",
		"listening on 127.80.0.80:80\n", "outside: open /file: read-only file system\n", "door: <nil>\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("without %q:\n%s", want, out)
		}
	}
	if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/root%s/%s", shared.pids(t, side, 1)[0], live.DoorDir, door.Name)); err != nil || string(text) != door.Name {
		t.Errorf("the node side finds %q of it: %v", text, err)
	}
	var pid int
	if text, err := shared.podman("inspect", "-f", "{{.State.Pid}}", door.Name+"-"+live.DoorContainer).Output(); err != nil {
		t.Fatal(err)
	} else if _, err := fmt.Sscan(string(text), &pid); err != nil {
		t.Fatal(err)
	}
	kill(t, pid)
	begun(2) // by Podman alone
	if err := d.Stop(t.Context(), door.Name); err != nil {
		t.Error(err)
	}
}
