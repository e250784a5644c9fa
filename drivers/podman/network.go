package podman

import (
	"context"
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/containers/podman/v4/pkg/bindings/containers"
)

// network is where a pod lives: its address and the host's on the same bridge. Both are empty in the host's network.
type network struct{ ip, gateway string }

func (d *Driver) inspectNetwork(ctx context.Context, id string) (network, error) {
	data, err := containers.Inspect(ctx, id, nil)
	if err != nil || data.NetworkSettings == nil {
		return network{}, err
	}
	s := data.NetworkSettings
	if s.IPAddress != "" {
		return network{s.IPAddress, s.Gateway}, nil
	}
	for _, name := range slices.Sorted(maps.Keys(s.Networks)) {
		if n := s.Networks[name]; n != nil && n.IPAddress != "" {
			return network{n.IPAddress, n.Gateway}, nil
		}
	}
	return network{}, nil
}

// infra is one start of one infra container; it keeps its address while it lasts.
type infra struct {
	id      string
	started int64
}

// addressBook remembers inspections.
type addressBook struct {
	mu sync.Mutex
	at map[infra]network
}

func (b *addressBook) get(k infra) (network, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, ok := b.at[k]
	return n, ok
}

func (b *addressBook) put(k infra, n network) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.at == nil {
		b.at = map[infra]network{}
	}
	b.at[k] = n
}

// keep forgets all others.
func (b *addressBook) keep(ks iter.Seq[infra]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	kept := map[infra]network{}
	for k := range ks {
		if n, ok := b.at[k]; ok {
			kept[k] = n
		}
	}
	b.at = kept
}
