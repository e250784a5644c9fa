package podman

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/containers/common/libnetwork/types"
	"github.com/containers/podman/v4/pkg/bindings/containers"
	networks "github.com/containers/podman/v4/pkg/bindings/network"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/route"
)

// Network makes the network, or finds it. Its MTU is that of its first day: pods that are joined later have the same, and the host tells them
// of a narrower path.
func (d *Driver) Network(ctx context.Context, n live.PodNetwork) error {
	return d.do(ctx, d.change, func(ctx context.Context) error {
		have, err := d.ownNetwork(ctx, n.Name)
		switch {
		case because(clean(err), noSuchNetwork):
		case err != nil:
			return err
		case have.NetworkInterface == n.Bridge && len(have.Subnets) == 1 && have.Subnets[0].Subnet.String() == n.Range.String():
			return nil
		default:
			if err := removeNetwork(ctx, n.Name); err != nil {
				return err
			}
		}
		return d.createNetwork(ctx, n)
	})
}

func (d *Driver) createNetwork(ctx context.Context, n live.PodNetwork) error {
	subnet, err := types.ParseCIDR(n.Range.String())
	if err != nil {
		return err
	}
	_, err = networks.Create(ctx, &types.Network{
		Name: n.Name, Driver: types.BridgeNetworkDriver, NetworkInterface: n.Bridge, Labels: map[string]string{live.LabelCluster: d.cluster},
		Subnets: []types.Subnet{{Subnet: subnet, Gateway: n.Range.Masked().Addr().Next().AsSlice()}},
		Options: map[string]string{types.MTUOption: strconv.Itoa(n.MTU)},
	})
	return err
}

// Networkless removes the network.
func (d *Driver) Networkless(ctx context.Context, name string) error {
	return d.do(ctx, d.change, func(ctx context.Context) error {
		_, err := d.ownNetwork(ctx, name)
		if err == nil {
			err = removeNetwork(ctx, name)
		}
		return unlessNoNetwork(err)
	})
}

func unlessNoNetwork(err error) error {
	if because(clean(err), noSuchNetwork) {
		return nil
	}
	return err
}

func removeNetwork(ctx context.Context, name string) error {
	reports, err := networks.Remove(ctx, name, nil)
	for _, r := range reports {
		if err == nil {
			err = r.Err
		}
	}
	return err
}

func (d *Driver) ownNetwork(ctx context.Context, name string) (types.Network, error) {
	n, err := networks.Inspect(ctx, name, nil)
	if err == nil && n.Labels[live.LabelCluster] != d.cluster {
		return n, fmt.Errorf("the name %s is taken by a network that is not its own: remove or rename it", name)
	}
	return n, err
}

// podNetwork is what the cluster's network is called on the host.
func (d *Driver) podNetwork() string { return route.NamedOf(d.cluster).Network }

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
