package devfleet

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/podkeep/podkeep/node/dump"
)

// alias is what the fleet's links carry. It says whose they are.
func alias(fleetDir string) string { return "podkeep dev " + fleetDir }

func bridgeName(index int) string { return fmt.Sprintf("podkeep%d", index) }

func (f *Fleet) cable(n Node) string { return fmt.Sprintf("podkeep%d.%d", f.Index, n.Number) }

// claim makes the fleet's bridge. The bridge's name is the claim on the addresses: making a link is atomic. The record
// is written first, so that a bridge is never without one. After a reboot of this machine the recorded index is
// claimed again.
func (f *Fleet) claim() error {
	if f.Index != 0 {
		if f.plugged() {
			return f.host()
		}
		return f.takes(f.Index)
	}
	for index := firstIndex; index <= lastIndex; index += 2 {
		clash, err := clashes(index)
		if err != nil {
			return err
		}
		if clash != "" {
			continue
		}
		if err := f.takes(index); !errors.Is(err, syscall.EEXIST) {
			return err
		}
	}
	return fmt.Errorf("fleet %s: no free addresses in 10.%d.0.0/16 to 10.%d.0.0/16", f.Name, firstIndex, lastIndex)
}

func (f *Fleet) takes(index int) error {
	f.at(index)
	if err := f.save(); err != nil {
		return err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = bridgeName(index)
	if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil {
		return fmt.Errorf("bridge %s: %w", attrs.Name, err)
	}
	return f.host()
}

func (f *Fleet) plugged() bool {
	link, err := netlink.LinkByName(bridgeName(f.Index))
	return err == nil && ours(link, f.Dir, f.Index)
}

// ours says whether a link is the fleet's: it has the fleet's alias, or one of its names and no alias yet, since the
// kernel sets an alias only on a link that exists.
func ours(link netlink.Link, fleetDir string, index int) bool {
	name, says := link.Attrs().Name, link.Attrs().Alias
	if says != "" || index == 0 {
		return says == alias(fleetDir)
	}
	return name == bridgeName(index) || strings.HasPrefix(name, bridgeName(index)+".")
}

// host gives this machine its address on the bridge and its routes to the nodes' pods.
func (f *Fleet) host() error {
	bridge, err := netlink.LinkByName(bridgeName(f.Index))
	if err != nil {
		return err
	}
	if err := netlink.LinkSetAlias(bridge, alias(f.Dir)); err != nil {
		return err
	}
	if err := address(&netlink.Handle{}, bridge, f.Gateway()+"/24"); err != nil {
		return err
	}
	if err := netlink.LinkSetUp(bridge); err != nil {
		return err
	}
	for _, n := range f.Nodes {
		for _, pods := range []string{n.PodCIDR, n.Subnet} {
			if err := route(&netlink.Handle{}, pods, n.Address); err != nil {
				return err
			}
		}
	}
	return nil
}

// clashes names the route or address of this machine that overlaps what a fleet with this index would use.
func clashes(index int) (string, error) {
	routes, err := dump.Whole(func() ([]netlink.Route, error) { return netlink.RouteList(nil, netlink.FAMILY_V4) })
	if err != nil {
		return "", err
	}
	for _, mine := range []string{fmt.Sprintf("10.%d.0.0/16", index), fmt.Sprintf("10.%d.0.0/24", index+100)} {
		_, want, _ := net.ParseCIDR(mine)
		for _, r := range routes {
			if r.Dst == nil || ones(r.Dst) == 0 {
				continue
			}
			if want.Contains(r.Dst.IP) || r.Dst.Contains(want.IP) {
				return r.Dst.String(), nil
			}
		}
	}
	return "", nil
}

func ones(n *net.IPNet) int {
	size, _ := n.Mask.Size()
	return size
}

// plug gives a running node its cable to the bridge, its address and its routes.
func (f *Fleet) plug(n Node, pid int) error {
	ns, err := netns.GetFromPid(pid)
	if err != nil {
		return err
	}
	defer ns.Close()
	inside, err := netlink.NewHandleAt(ns)
	if err != nil {
		return err
	}
	defer inside.Close()
	if _, err := inside.LinkByName("eth0"); err != nil {
		if err := f.cableTo(n, pid); err != nil {
			return err
		}
	}
	if err := f.join(n); err != nil {
		return err
	}
	return f.inside(inside, n)
}

func (f *Fleet) cableTo(n Node, pid int) error {
	if old, err := netlink.LinkByName(f.cable(n)); err == nil {
		_ = netlink.LinkDel(old)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = f.cable(n)
	veth := &netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerNamespace: netlink.NsPid(pid)}
	if err := netlink.LinkAdd(veth); err != nil {
		return fmt.Errorf("cable %s: %w", attrs.Name, err)
	}
	return nil
}

// join puts this machine's end of the cable into the bridge and turns it on.
func (f *Fleet) join(n Node) error {
	bridge, err := netlink.LinkByName(bridgeName(f.Index))
	if err != nil {
		return err
	}
	end, err := netlink.LinkByName(f.cable(n))
	if err != nil {
		return err
	}
	if err := netlink.LinkSetAlias(end, alias(f.Dir)); err != nil {
		return err
	}
	if err := netlink.LinkSetMaster(end, bridge); err != nil {
		return err
	}
	return netlink.LinkSetUp(end)
}

func (f *Fleet) inside(h *netlink.Handle, n Node) error {
	lo, err := h.LinkByName("lo")
	if err != nil {
		return err
	}
	eth0, err := h.LinkByName("eth0")
	if err != nil {
		return err
	}
	if err := h.LinkSetUp(lo); err != nil {
		return err
	}
	if err := address(h, eth0, n.Address+"/24"); err != nil {
		return err
	}
	if err := h.LinkSetUp(eth0); err != nil {
		return err
	}
	if err := route(h, "0.0.0.0/0", f.Gateway()); err != nil {
		return err
	}
	for _, other := range f.Nodes {
		if other.Name == n.Name {
			continue
		}
		if err := route(h, other.Subnet, other.Address); err != nil {
			return err
		}
	}
	return nil
}

func address(h *netlink.Handle, link netlink.Link, cidr string) error {
	addr, err := netlink.ParseAddr(cidr)
	if err != nil {
		return err
	}
	if err := h.AddrReplace(link, addr); err != nil {
		return fmt.Errorf("address %s: %w", cidr, err)
	}
	return nil
}

func route(h *netlink.Handle, to, via string) error {
	_, dst, err := net.ParseCIDR(to)
	if err != nil {
		return err
	}
	if err := h.RouteReplace(&netlink.Route{Dst: dst, Gw: net.ParseIP(via)}); err != nil {
		return fmt.Errorf("route to %s via %s: %w", to, via, err)
	}
	return nil
}

// setLink pulls or plugs this machine's end of the node's cable.
func (f *Fleet) setLink(n Node, up bool) error {
	end, err := netlink.LinkByName(f.cable(n))
	if err != nil {
		return err
	}
	if up {
		return netlink.LinkSetUp(end)
	}
	return netlink.LinkSetDown(end)
}

func (f *Fleet) linked(n Node) bool {
	end, err := netlink.LinkByName(f.cable(n))
	return err == nil && end.Attrs().RawFlags&unix.IFF_UP != 0 && end.Attrs().MasterIndex != 0
}

// unplugAll removes every link of the fleet's. Routes over them go with them.
func unplugAll(fleetDir string) error {
	links, err := dump.Whole(netlink.LinkList)
	if err != nil {
		return err
	}
	index := 0
	if f, err := load(fleetDir); err == nil {
		index = f.Index
	}
	for _, link := range links {
		if !ours(link, fleetDir, index) {
			continue
		}
		if err := netlink.LinkDel(link); err != nil && !unlinked(err) {
			return fmt.Errorf("remove %s: %w", link.Attrs().Name, err)
		}
	}
	return nil
}

func unlinked(err error) bool {
	var missing netlink.LinkNotFoundError
	return errors.Is(err, syscall.ENODEV) || errors.As(err, &missing)
}
