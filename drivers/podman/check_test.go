package podman_test

import (
	"strings"
	"testing"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/drivers/drivertest"
	"github.com/podkeep/podkeep/live"
)

func TestAHostIsExaminedHereAndOverSSHAlike(t *testing.T) {
	for way, d := range map[string]drivers.Driver{
		"unix": open(shared.socket, "check"),
		"ssh":  newSSHD(t).open("check", shared.socket, "known_hosts", "user", drivertest.Patience),
	} {
		t.Run(way, func(t *testing.T) {
			up, err := d.(drivers.Examiner).Examine(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !plausible(up) {
				t.Errorf("%+v", up)
			}
		})
	}
}

// plausible says whether the figures can be those of a machine that runs this test.
func plausible(up live.Checkup) bool {
	return strings.Contains(up.Podman, ".") && strings.HasPrefix(up.Cgroups, "v") && up.Runtime == "runc" && up.Runs != "" && up.Events == "file" &&
		!up.Rootless && up.Skew == 0 && strings.HasPrefix(up.Disk, shared.dir) && up.Free > 0 && up.Free <= up.Size && up.LowPort >= 0
}
