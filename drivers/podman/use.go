package podman

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/containers/podman/v4/libpod/define"
	"github.com/containers/podman/v4/pkg/bindings/containers"

	"github.com/podkeep/podkeep/live"
)

// Measure asks Podman twice what its containers have used, for the rate that it gives by itself is that since their start, and meanwhile has the node side
// measure the host.
func (d *Driver) Measure(ctx context.Context, window time.Duration) (live.Use, error) {
	use := live.Use{Containers: map[string]live.Load{}}
	before, err := d.stats(ctx)
	if err != nil {
		return use, err
	}
	host := make(chan struct{})
	go func() {
		defer close(host)
		said, err := d.hostUse(ctx, window)
		if use.Host = said; err != nil {
			use.Why = err.Error()
		}
	}()
	pause(ctx, window)
	<-host
	after, err := d.stats(ctx)
	if err != nil {
		return use, err
	}
	for id, now := range after {
		was, ran := before[id]
		if !ran || now.SystemNano <= was.SystemNano || now.CPUNano < was.CPUNano {
			continue
		}
		use.Containers[id] = live.Load{
			MilliCPU: int64(float64(now.CPUNano-was.CPUNano)*1000/float64(now.SystemNano-was.SystemNano) + 0.5), Memory: int64(now.MemUsage),
		}
	}
	return use, nil
}

// stats are of every container that runs, by its ID.
func (d *Driver) stats(ctx context.Context) (map[string]define.ContainerStats, error) {
	all := map[string]define.ContainerStats{}
	err := d.do(ctx, d.change, func(ctx context.Context) error {
		reports, err := containers.Stats(ctx, nil, new(containers.StatsOptions).WithStream(false))
		if err != nil {
			return err
		}
		for r := range reports {
			err = errors.Join(err, r.Error)
			for _, s := range r.Stats {
				all[s.ContainerID] = s
			}
		}
		return err
	})
	return all, err
}

func (d *Driver) hostUse(ctx context.Context, window time.Duration) (*live.HostUse, error) {
	side, err := d.sideContainer(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, d.look+window)
	defer cancel()
	var said brief
	code, err := d.Exec(ctx, live.Exec{Container: side, Command: []string{live.SideProgram, "node", "use", "--for", window.String()}, Out: &said, Err: &said})
	if err != nil {
		return nil, err
	}
	var u live.HostUse
	if code != 0 || json.Unmarshal(said.text, &u) != nil {
		return nil, errors.New("the node side: " + live.Words(plain(string(said.text))))
	}
	return &u, nil
}
