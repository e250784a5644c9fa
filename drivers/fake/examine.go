package fake

import (
	"context"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
)

var _ drivers.Examiner = driver{}

// Examine finds nothing wrong but the host's clock.
func (d driver) Examine(ctx context.Context) (up live.Checkup, err error) {
	err = d.call(ctx, List, func(h *host) error {
		up = live.Checkup{
			Podman: "5.4.0", OS: "memory", Cgroups: "v2", Controllers: []string{"cpu", "memory", "pids"}, Runtime: "crun",
			Network: "netavark", Events: "journald", Skew: h.skew, Disk: "/var/lib/containers/storage", Size: 100 << 30, Free: 60 << 30,
			Locks: 2000, LowPort: 1024, Storage: "overlay", Socket: "enabled", Restart: "enabled",
		}
		return nil
	})
	return up, err
}
