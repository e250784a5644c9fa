package fake

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

var _ drivers.Ender = driver{}

// End is one write. A container that takes longer than grace is killed then; until it has ended it runs, and no End succeeds.
func (d driver) End(ctx context.Context, pod manifest.Pod, name string, grace time.Duration) error {
	return d.call(ctx, End, func(h *host) error {
		p := h.pods[pod.Name]
		if p == nil {
			return nil
		}
		if p.labels[live.LabelCluster] != d.cluster {
			return fmt.Errorf("end %s: not ours", pod.Name)
		}
		i := slices.IndexFunc(p.containers, func(c *container) bool { return c.name == name && c.state == live.Running })
		if i < 0 {
			return nil
		}
		return d.end(h, p.containers[i], grace)
	})
}

func (d driver) end(h *host, c *container, grace time.Duration) error {
	now, stops, code := d.world.now(), d.world.image(c.image).Stops, 143
	if stops > grace {
		stops, code = grace, 137
	}
	if stops == 0 {
		c.end(h.stamp(now), code)
		return d.write(h)
	}
	ends := now.Add(stops)
	if c.ends.IsZero() || ends.Before(c.ends) {
		c.ends, c.code = ends, code
		if err := d.write(h); err != nil {
			return err
		}
	}
	return ErrTimeout
}
