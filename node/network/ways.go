package network

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/route"
)

// What Paths say.
const (
	direct = "direct"
	vxlan  = "vxlan"
)

// peer is another host with pods, and how it is reached.
type peer struct {
	route.Node
	near netlink.Link // the link to it, where nobody is between
	why  string       // why it is not reached at all
	path string       // direct, vxlan, or why neither
}

// ways makes the routes to virtual addresses and to the pods of other hosts. All have the node's address in the pod network as their source:
// there every other host knows the way back to.
func (n *Network) ways(own route.Node, mtu int, says *live.Net) error {
	h, err := look(n.named)
	if err != nil {
		return err
	}
	peers := n.peers(h, own, says)
	tunnel, err := n.tunnel(h, own, peers, mtu)
	if err != nil {
		says.Troubles = append(says.Troubles, fmt.Sprintf("no tunnel to other nodes: %v", err))
	}
	bridge := h.bridgeLink()
	if bridge == nil {
		return fmt.Errorf("bridge %s was removed just now", n.named.Bridge)
	}
	var wanted []netlink.Route
	if clash := h.clash(n.table.Virtual); n.table.Virtual.IsValid() && clash != "" {
		says.Troubles = append(says.Troubles, fmt.Sprintf("this host does not reach Services: their addresses %s overlap %s", n.table.Virtual, clash))
	} else if n.table.Virtual.IsValid() {
		wanted = append(wanted, netlink.Route{LinkIndex: bridge.Attrs().Index, Dst: ipNet(n.table.Virtual), Scope: netlink.SCOPE_LINK})
	}
	says.Paths = map[string]string{}
	for i := range peers {
		p := &peers[i]
		wanted = append(wanted, n.routesTo(p, tunnel)...)
		says.Paths[p.Name] = p.path
	}
	for i := range wanted {
		wanted[i].Protocol, wanted[i].Src = protocol, own.Gateway().AsSlice()
	}
	return errors.Join(n.meet(tunnel, peers), h.routes(wanted))
}

// peers are the other hosts with pods. Those that are near are tried, if they are not yet.
func (n *Network) peers(h *host, own route.Node, says *live.Net) (all []peer) {
	trials := map[string]*trial{}
	for _, other := range n.table.Nodes {
		if other.Name == n.node || !other.Range.IsValid() {
			continue
		}
		p := peer{Node: other}
		link, near, why := h.towards(other.Address)
		if p.why = why; near {
			p.near = link
		}
		clash := h.clash(other.Range)
		if other.Range.Overlaps(own.Range) {
			clash = "this node's own " + own.Range.String()
		}
		if clash != "" {
			p.why = fmt.Sprintf("its range %s overlaps %s", other.Range, clash)
			says.Troubles = append(says.Troubles, fmt.Sprintf("the pods of %s are not reached: %s", other.Name, p.why))
		}
		if p.near != nil && p.why == "" {
			trials[other.Name] = n.trialOf(other, own)
		}
		all = append(all, p)
	}
	n.trials = trials
	return all
}

func (n *Network) trialOf(other, own route.Node) *trial {
	if t := n.trials[other.Name]; t != nil && t.to == other.Gateway() && t.by == other.Address && t.from == own.Gateway() {
		return t
	}
	select {
	case n.fresh <- struct{}{}:
	default:
	}
	return &trial{from: own.Gateway(), to: other.Gateway(), by: other.Address}
}

// routesTo are the routes to the pods of another host, and the one of the trial. Without a tunnel the direct way is taken untried.
func (n *Network) routesTo(p *peer, tunnel netlink.Link) (all []netlink.Route) {
	if p.why != "" {
		p.path = p.why
		return nil
	}
	if p.near != nil {
		all = append(all, netlink.Route{
			LinkIndex: p.near.Attrs().Index, Dst: ipNet(netip.PrefixFrom(p.Gateway(), 32)), Gw: p.Address.AsSlice(), Tos: trialTOS,
		})
	}
	switch {
	case p.near != nil && (tunnel == nil || n.trials[p.Name].direct):
		p.path = direct
		return append(all, netlink.Route{LinkIndex: p.near.Attrs().Index, Dst: ipNet(p.Range), Gw: p.Address.AsSlice()})
	case tunnel != nil:
		p.path = vxlan
		return append(all, netlink.Route{
			LinkIndex: tunnel.Attrs().Index, Dst: ipNet(p.Range), Gw: p.Gateway().AsSlice(), Flags: int(netlink.FLAG_ONLINK),
		})
	}
	p.path = fmt.Sprintf("%s is not on the same wire, and there is no tunnel", p.Address)
	return nil
}

// routes has the host have these and no other of this cluster's.
func (h *host) routes(wanted []netlink.Route) error {
	var all []error
	for _, r := range h.found {
		if h.made(r) && !slices.ContainsFunc(wanted, func(w netlink.Route) bool { return samePlace(w, r) }) {
			if err := netlink.RouteDel(&r); err != nil && !errors.Is(err, unix.ESRCH) {
				all = append(all, fmt.Errorf("remove the route to %s: %w", r.Dst, err))
			}
		}
	}
	for _, w := range wanted {
		if slices.ContainsFunc(h.found, func(r netlink.Route) bool { return samePlace(w, r) && sameWay(w, r) }) {
			continue
		}
		if err := netlink.RouteReplace(&w); err != nil {
			all = append(all, fmt.Errorf("route to %s: %w", w.Dst, err))
		}
	}
	return errors.Join(all...)
}

func samePlace(a, b netlink.Route) bool {
	return a.Dst != nil && b.Dst != nil && prefix(a.Dst) == prefix(b.Dst) && a.Tos == b.Tos && a.Priority == b.Priority
}

func sameWay(a, b netlink.Route) bool {
	return a.LinkIndex == b.LinkIndex && a.Gw.Equal(b.Gw) && a.Src.Equal(b.Src) && a.Protocol == b.Protocol
}

// tunnel is the link to hosts that are not reached directly; nil while no other host has pods, or where there can be none.
func (n *Network) tunnel(h *host, own route.Node, peers []peer, mtu int) (netlink.Link, error) {
	if len(peers) == 0 {
		return nil, n.unlink(n.named.Tunnel)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.HardwareAddr = n.named.Tunnel, mtu, hardware(0x59, own.Gateway())
	wanted := &netlink.Vxlan{LinkAttrs: attrs, VxlanId: n.named.VNI, Port: route.TunnelPort}
	if mine, ok := n.table.Node(n.node); ok && h.has(mine.Address) {
		wanted.SrcAddr = mine.Address.AsSlice()
	}
	if have := h.link(n.named.Tunnel); have != nil && !alike(have, wanted) {
		if err := netlink.LinkDel(have); err != nil {
			return nil, err
		}
	}
	err := netlink.LinkAdd(wanted)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil, errors.New("the kernel has no VXLAN (module vxlan)")
	}
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, err
	}
	link, err := netlink.LinkByName(n.named.Tunnel)
	if err != nil {
		return nil, err
	}
	// What another host sends by the tunnel may have its answer go directly, and is not to be dropped for that: the kernel drops it on a link without an
	// address, however loosely it is asked to look.
	return link, errors.Join(width(link, mtu), addressed(link, netip.PrefixFrom(own.Range.Masked().Addr(), 32)), netlink.LinkSetUp(link),
		set("ipv4/conf/"+n.named.Tunnel+"/rp_filter", "2", "0", "1"))
}

func alike(have netlink.Link, wanted *netlink.Vxlan) bool {
	is, ok := have.(*netlink.Vxlan)
	return ok && is.VxlanId == wanted.VxlanId && is.Port == wanted.Port && !is.Learning && is.SrcAddr.Equal(wanted.SrcAddr) &&
		is.HardwareAddr.String() == wanted.HardwareAddr.String()
}

// meet tells the tunnel where the other hosts are. It learns nothing by itself.
func (n *Network) meet(tunnel netlink.Link, peers []peer) error {
	if tunnel == nil {
		return nil
	}
	index := tunnel.Attrs().Index
	var near, forward []netlink.Neigh
	for _, p := range peers {
		if p.why != "" {
			continue
		}
		mac := hardware(0x59, p.Gateway())
		near = append(near, netlink.Neigh{LinkIndex: index, Family: netlink.FAMILY_V4, IP: p.Gateway().AsSlice(), HardwareAddr: mac})
		forward = append(forward, netlink.Neigh{LinkIndex: index, Family: unix.AF_BRIDGE, Flags: netlink.NTF_SELF, IP: p.Address.AsSlice(), HardwareAddr: mac})
	}
	return errors.Join(entries(index, netlink.FAMILY_V4, near), entries(index, unix.AF_BRIDGE, forward))
}

// entries has a link have these permanent ones and no other.
func entries(index, family int, wanted []netlink.Neigh) error {
	have, err := neighbours(index, family)
	if err != nil {
		return err
	}
	for _, e := range have {
		if e.State&netlink.NUD_PERMANENT == 0 || slices.ContainsFunc(wanted, func(w netlink.Neigh) bool { return sameEntry(w, e) }) {
			continue
		}
		if e.Family = family; family == unix.AF_BRIDGE {
			e.Flags = netlink.NTF_SELF
		}
		if err := netlink.NeighDel(&e); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("remove %s at %s: %w", e.HardwareAddr, e.IP, err)
		}
	}
	for _, w := range wanted {
		if slices.ContainsFunc(have, func(e netlink.Neigh) bool { return sameEntry(w, e) && e.State&netlink.NUD_PERMANENT != 0 }) {
			continue
		}
		w.State = netlink.NUD_PERMANENT
		if err := netlink.NeighSet(&w); err != nil {
			return fmt.Errorf("%s at %s: %w", w.HardwareAddr, w.IP, err)
		}
	}
	return nil
}

func sameEntry(a, b netlink.Neigh) bool {
	return a.IP.Equal(b.IP) && net.HardwareAddr.String(a.HardwareAddr) == b.HardwareAddr.String()
}
