// Package network makes a host's part of the cluster's pod network: the bridge on which its pods are, and the ways to the pods of other hosts.
// To a host on the same wire the way is a route by its address, where a trial has shown that packets of pods get through there and back; to any
// other it is a VXLAN tunnel. It knows nothing of Services.
//
// What it makes is known by its names (route.NamedOf), routes by their protocol and source. Nothing else is touched, and what is in the way is
// said. Everything is read before it is changed: to put again is to mend.
package network

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/vishvananda/netlink"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/route"
)

// Podman is what it needs of a driver for its own host; package drivers says what the methods promise.
type Podman interface {
	Network(ctx context.Context, n live.PodNetwork) error
	Networkless(ctx context.Context, name string) error
}

// Network is the pod network of one cluster on this host.
type Network struct {
	named  route.Named
	podman Podman
	log    *logrus.Logger
	pace   pace
	fresh  chan struct{} // there is a host to be tried

	mu     sync.Mutex // over all below, and over the host's links and routes
	table  *route.Table
	node   string
	told   told
	trials map[string]*trial // by the other host's name
	ports  map[int]bool      // links of pods that were last seen on the bridge
	own    int               // index of the bridge whose hardware address is known to be its own
}

// told is what Podman was told last, what came of it, and the range that it is known to know.
type told struct {
	live.PodNetwork
	at    time.Time
	err   error
	known netip.Prefix
}

// How long Podman is believed to know its network still, or to refuse it, and how long it may take to say so: routes do not wait for it.
const (
	believed, refused = time.Minute, 5 * time.Second
	patience          = 5 * time.Second
)

// New is the network of a cluster. Nothing is changed by it.
func New(cluster string, podman Podman, log *logrus.Logger) *Network {
	return &Network{
		named: route.NamedOf(cluster), podman: podman, log: log, pace: usual, fresh: make(chan struct{}, 1), trials: map[string]*trial{},
	}
}

// Put makes the host do as the table says, seen from the node of that name. A path that Watch found out to be better stays so. err: the kernel
// refused; what hinders else is among the Troubles.
func (n *Network) Put(ctx context.Context, t *route.Table, node string) (live.Net, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.table, n.node = t, node
	return n.mend(ctx)
}

// Remove takes away all that Put made. With pods in the network it is an error, and takes nothing.
func (n *Network) Remove(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.table = nil
	return n.remove(ctx)
}

func (n *Network) remove(ctx context.Context) error {
	h, err := look(n.named)
	if err != nil {
		return err
	}
	if err := n.podman.Networkless(ctx, n.named.Network); err != nil {
		return fmt.Errorf("network %s: %w", n.named.Network, err)
	}
	n.told, n.trials = told{}, map[string]*trial{}
	if ports := h.ports(); len(ports) > 0 {
		return fmt.Errorf("%s has %d ports that are not podkeep's: remove them", n.named.Bridge, len(ports))
	}
	return errors.Join(h.routes(nil), n.unlink(n.named.Tunnel), n.unlink(keeper(n.named)), n.unlink(n.named.Bridge))
}

// mend does it all, in the order in which one needs the other.
func (n *Network) mend(ctx context.Context) (live.Net, error) {
	h, err := look(n.named)
	if err != nil {
		return live.Net{}, err
	}
	says := live.Net{Address: h.address()}
	own, ok := n.table.Node(n.node)
	if !ok || !own.Range.IsValid() {
		return n.none(ctx, h, says)
	}
	own = n.stays(h, own, &says)
	if clash := h.clash(own.Range); clash != "" && !h.bridged(own) {
		says.Troubles = append(says.Troubles, fmt.Sprintf("no pods can be here: their range %s overlaps %s", own.Range, clash))
		return says, nil
	}
	mtu := h.mtu(n.table, n.node)
	if err := n.tell(ctx, h, own, mtu); err != nil {
		says.Troubles = append(says.Troubles, fmt.Sprintf("Podman's network %s: %v", n.named.Network, err))
		if had := h.ranges(); len(had) > 0 && !h.bridged(own) {
			own.Range = had[0]
		}
	}
	if err := n.bridge(own, mtu, &says); err != nil {
		return says, err
	}
	if n.told.known == own.Range {
		says.Range = own.Range
	}
	err = n.ways(own, mtu, &says)
	return says, err
}

// none is what is to be done where there is no pod network, or no more: what is there goes once no pod is in it.
func (n *Network) none(ctx context.Context, h *host, says live.Net) (live.Net, error) {
	if h.bridgeLink() == nil && h.link(n.named.Tunnel) == nil {
		return says, nil
	}
	if ports := h.ports(); len(ports) > 0 {
		says.Troubles = append(says.Troubles, fmt.Sprintf("this node has no pod network any more, and %d pods are in it still", len(ports)))
		if len(n.table.Nodes) > 0 {
			return says, nil
		}
		// No node has one: the pods keep the bridge, and Podman removes it with the last of them.
		return says, errors.Join(h.routes(nil), n.unlink(n.named.Tunnel), n.unlink(keeper(n.named)))
	}
	if err := n.remove(ctx); err != nil {
		says.Troubles = append(says.Troubles, err.Error())
	}
	return says, nil
}

// stays is the node with the range that its pods have: another one than the table's waits until the last of them has gone.
func (n *Network) stays(h *host, own route.Node, says *live.Net) route.Node {
	had := h.ranges()
	if len(had) == 0 || slices.Contains(had, own.Range) || len(h.ports()) == 0 {
		return own
	}
	says.Troubles = append(says.Troubles, fmt.Sprintf("pods are here with addresses of %s still: %s comes when they have gone", had[0], own.Range))
	own.Range = had[0]
	return own
}

// tell has Podman know the network. It refuses a range that a link has, our own too, so that it is told before the bridge and the tunnel have their
// addresses; where it has lost the network, as by podman system reset, both go for that, if no pod is on the bridge.
func (n *Network) tell(ctx context.Context, h *host, own route.Node, mtu int) error {
	wanted := live.PodNetwork{Name: n.named.Network, Bridge: n.named.Bridge, Range: own.Range, MTU: mtu}
	again := believed
	if n.told.err != nil {
		again = refused
	}
	if n.told.Range == own.Range && time.Since(n.told.at) < again && (n.told.err != nil || h.bridged(own)) {
		return n.told.err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := n.podman.Network(ctx, wanted)
	if err != nil && len(h.ports()) == 0 && strings.Contains(err.Error(), "already used on the host") {
		if err := errors.Join(n.unlink(n.named.Tunnel), n.unlink(n.named.Bridge)); err != nil {
			return err
		}
		err = n.podman.Network(ctx, wanted)
	}
	n.told.PodNetwork, n.told.at, n.told.err = wanted, time.Now(), err
	if err == nil {
		n.told.known = own.Range
	}
	return err
}

// unlink removes a link, if it is there.
func (n *Network) unlink(name string) error {
	link, err := netlink.LinkByName(name)
	if missing(err) {
		return nil
	}
	if err == nil {
		err = netlink.LinkDel(link)
	}
	if err != nil {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return nil
}

func missing(err error) bool {
	var none netlink.LinkNotFoundError
	return errors.As(err, &none)
}

// gateway is the node's own address with the width of its range.
func gateway(own route.Node) netip.Prefix { return netip.PrefixFrom(own.Gateway(), own.Range.Bits()) }
