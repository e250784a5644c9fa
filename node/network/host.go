package network

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/podkeep/podkeep/node/dump"
	"github.com/podkeep/podkeep/node/route"
)

// protocol marks routes of podkeep's, of all clusters.
const protocol = 112

// host is what links, addresses and routes there are.
type host struct {
	named route.Named
	links []netlink.Link
	addrs []netlink.Addr
	found []netlink.Route // of the main table
}

func look(named route.Named) (*host, error) {
	h := &host{named: named}
	var err error
	if h.links, err = dump.Whole(netlink.LinkList); err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	if h.addrs, err = dump.Whole(func() ([]netlink.Addr, error) { return netlink.AddrList(nil, netlink.FAMILY_V4) }); err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	h.found, err = dump.Whole(func() ([]netlink.Route, error) { return netlink.RouteList(nil, netlink.FAMILY_V4) })
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	return h, nil
}

func neighbours(link, family int) ([]netlink.Neigh, error) {
	return dump.Whole(func() ([]netlink.Neigh, error) { return netlink.NeighList(link, family) })
}

func (h *host) link(name string) netlink.Link {
	return h.where(func(l *netlink.LinkAttrs) bool { return l.Name == name })
}

func (h *host) at(index int) netlink.Link {
	return h.where(func(l *netlink.LinkAttrs) bool { return l.Index == index })
}

func (h *host) where(is func(*netlink.LinkAttrs) bool) netlink.Link {
	for _, link := range h.links {
		if is(link.Attrs()) {
			return link
		}
	}
	return nil
}

func (h *host) bridgeLink() netlink.Link { return h.link(h.named.Bridge) }

// ports are the links on the bridge, but for the one that keeps it.
func (h *host) ports() (all []netlink.Link) {
	bridge := h.bridgeLink()
	for _, link := range h.links {
		if a := link.Attrs(); bridge != nil && a.MasterIndex == bridge.Attrs().Index && a.Name != keeper(h.named) {
			all = append(all, link)
		}
	}
	return all
}

// ranges are those that the bridge's addresses are in.
func (h *host) ranges() (all []netip.Prefix) {
	bridge := h.bridgeLink()
	for _, a := range h.addrs {
		if bridge != nil && a.LinkIndex == bridge.Attrs().Index {
			all = append(all, prefix(a.IPNet).Masked())
		}
	}
	return all
}

// bridged says whether the bridge has the node's address.
func (h *host) bridged(own route.Node) bool {
	bridge := h.bridgeLink()
	return bridge != nil && slices.ContainsFunc(h.addrs, func(a netlink.Addr) bool {
		return a.LinkIndex == bridge.Attrs().Index && prefix(a.IPNet) == gateway(own)
	})
}

// isOurs says whether a link is the bridge or the tunnel.
func (h *host) isOurs(index int) bool {
	link := h.at(index)
	return link != nil && (link.Attrs().Name == h.named.Bridge || link.Attrs().Name == h.named.Tunnel)
}

// made says whether a route is one that this package made for the cluster: one by another link is known by its source.
func (h *host) made(r netlink.Route) bool {
	if r.Protocol != protocol {
		return false
	}
	return h.isOurs(r.LinkIndex) || slices.ContainsFunc(h.addrs, func(a netlink.Addr) bool { return h.isOurs(a.LinkIndex) && a.IP.Equal(r.Src) })
}

// clash names what of the host's own overlaps a range: a route, or an address of another link.
func (h *host) clash(with netip.Prefix) string {
	for _, a := range h.addrs {
		if !h.isOurs(a.LinkIndex) && prefix(a.IPNet).Overlaps(with) {
			return fmt.Sprintf("%s of %s", prefix(a.IPNet), h.name(a.LinkIndex))
		}
	}
	for _, r := range h.found {
		if r.Dst == nil || prefix(r.Dst).Bits() == 0 || h.isOurs(r.LinkIndex) || h.made(r) {
			continue
		}
		if prefix(r.Dst).Overlaps(with) {
			return fmt.Sprintf("the host's route to %s by %s", r.Dst, cmp.Or(h.name(r.LinkIndex), "nowhere"))
		}
	}
	return ""
}

func (h *host) name(index int) string {
	if link := h.at(index); link != nil {
		return link.Attrs().Name
	}
	return ""
}

// address is the one by which the host reaches others: that of its default route, else its first that others may know.
func (h *host) address() netip.Addr {
	for _, r := range h.defaults() {
		if ip, ok := netip.AddrFromSlice(r.Src); ok {
			return ip.Unmap()
		}
		for _, a := range h.addrs {
			if a.LinkIndex == r.LinkIndex && a.Scope == unix.RT_SCOPE_UNIVERSE {
				return prefix(a.IPNet).Addr()
			}
		}
	}
	for _, a := range h.addrs {
		if ip := prefix(a.IPNet).Addr(); a.Scope == unix.RT_SCOPE_UNIVERSE && ip.IsGlobalUnicast() && !h.isOurs(a.LinkIndex) {
			return ip
		}
	}
	return netip.Addr{}
}

// defaults are the default routes, the one that is taken first.
func (h *host) defaults() []netlink.Route {
	all := slices.DeleteFunc(slices.Clone(h.found), func(r netlink.Route) bool { return r.Dst != nil && prefix(r.Dst).Bits() > 0 })
	slices.SortStableFunc(all, func(a, b netlink.Route) int { return cmp.Compare(a.Priority, b.Priority) })
	return all
}

// has says whether an address is the host's.
func (h *host) has(ip netip.Addr) bool {
	return slices.ContainsFunc(h.addrs, func(a netlink.Addr) bool { return prefix(a.IPNet).Addr() == ip })
}

// Widths of what is sent, in bytes.
const (
	tunnelHead = 50   // what VXLAN puts before a packet, over IPv4
	ethernet   = 1500 // of a host that shows no other
	leastMTU   = 576
)

// mtu is how long a packet of a pod may be: what every link to another host takes, less what the tunnel puts before it. It is so where all ways
// are direct, too: which way is taken may change while pods run, and they keep what they were given.
func (h *host) mtu(t *route.Table, node string) int {
	least := 0
	take := func(link netlink.Link) {
		if link != nil && (least == 0 || link.Attrs().MTU < least) {
			least = link.Attrs().MTU
		}
	}
	for _, r := range h.defaults() {
		take(h.at(r.LinkIndex))
	}
	for _, peer := range t.Nodes {
		if link, _, why := h.towards(peer.Address); why == "" && peer.Name != node {
			take(link)
		}
	}
	return max(leastMTU, cmp.Or(least, ethernet)-tunnelHead)
}

// towards is the link by which an address is reached, whether with nobody between, or why it is not.
func (h *host) towards(ip netip.Addr) (link netlink.Link, near bool, why string) {
	if !ip.IsValid() {
		return nil, false, "nobody knows its address"
	}
	if !ip.Is4() {
		return nil, false, fmt.Sprintf("%s is no IPv4 address", ip)
	}
	if h.has(ip) {
		return nil, false, fmt.Sprintf("%s is an address of this host", ip)
	}
	routes, err := netlink.RouteGet(ip.AsSlice())
	if err != nil || len(routes) == 0 || h.at(routes[0].LinkIndex) == nil || h.isOurs(routes[0].LinkIndex) {
		return nil, false, fmt.Sprintf("there is no route to %s", ip)
	}
	return h.at(routes[0].LinkIndex), routes[0].Gw == nil, ""
}

func prefix(n *net.IPNet) netip.Prefix {
	ip, _ := netip.AddrFromSlice(n.IP)
	bits, _ := n.Mask.Size()
	return netip.PrefixFrom(ip.Unmap(), bits)
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
