package fake

import (
	"context"
	"time"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
)

var _ drivers.Meter = driver{}

// Measure has each container that runs use 10 thousandths of a core and 4 MiB, and the host a tenth of what it has.
func (d driver) Measure(ctx context.Context, _ time.Duration) (use live.Use, err error) {
	use.Containers = map[string]live.Load{}
	err = d.call(ctx, List, func(h *host) error {
		for _, p := range h.pods {
			for _, c := range p.containers {
				if c.state == live.Running {
					use.Containers[c.id] = live.Load{MilliCPU: 10, Memory: 4 << 20}
				}
			}
		}
		if h.side(d.cluster) == nil {
			use.Why = "there is no node side"
			return nil
		}
		use.Host = &live.HostUse{Load: live.Load{MilliCPU: h.room.MilliCPU / 10, Memory: h.room.Memory / 10}, CPUs: h.room.MilliCPU / 1000, MemoryAll: h.room.Memory, Disk: 1 << 30, DiskAll: 10 << 30}
		return nil
	})
	return use, err
}
