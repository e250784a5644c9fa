package podman

import (
	"cmp"
	"context"
	"time"

	"github.com/containers/podman/v4/pkg/bindings/system"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// factsPatience is how long a look that is to be whole waits for what a host says of itself.
const factsPatience = 5 * time.Second

// size fills in what is known of the host. It waits only where that was asked for.
func (d *Driver) size(ctx context.Context, n *live.Node) {
	served := d.client.served()
	known, asking := d.host.facts(d.life, served)
	if asking != nil && d.whole {
		ctx, cancel := context.WithTimeout(ctx, factsPatience)
		defer cancel()
		select {
		case <-asking:
		case <-ctx.Done():
		}
		known, _ = d.host.facts(d.life, served)
	}
	n.Facts = known.Facts
	n.Facts.Podman = cmp.Or(n.Facts.Podman, served)
	if n.Room = d.room(known.Facts); !known.known() && d.node.Capacity == nil {
		n.Unsized = 1
	}
}

// What podkeep's own node side takes of each node.
const (
	nodeCPU    = 100      // thousandths of a core
	nodeMemory = 64 << 20 // bytes
)

// room is the Node's podkeep.io/capacity, else Podman's figures less a tenth for the system and less the node side's.
func (d *Driver) room(facts live.Facts) manifest.Resources {
	if d.node.Capacity != nil {
		return *d.node.Capacity
	}
	return manifest.Resources{
		MilliCPU: max(0, int64(facts.CPUs)*900-nodeCPU),
		Memory:   max(0, facts.Memory/10*9-nodeMemory),
	}
}

// inform asks Podman.
func (d *Driver) inform(ctx context.Context) (f live.Facts, err error) {
	err = d.client.call(ctx, func(ctx context.Context) error {
		info, err := system.Info(ctx, nil)
		if err != nil || info.Host == nil {
			return err
		}
		i := info.Host
		f = live.Facts{
			Podman: info.Version.Version, OS: i.Distribution.Distribution + " " + i.Distribution.Version,
			Arch: i.Arch, Kernel: i.Kernel, CPUs: i.CPUs, Memory: i.MemTotal, Rootless: i.Security.Rootless, Unbound: i.Security.Rootless && i.CgroupsVersion == "v1",
		}
		return nil
	})
	return f, err
}
