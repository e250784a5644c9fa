package network

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/dump"
	"github.com/podkeep/podkeep/node/route"
)

// keeper is a port that is on the bridge for ever: Podman removes a bridge with its last one. It is one end of a pair, and down, so that
// nothing goes by it; a dummy would need a module that not every kernel has.
func keeper(named route.Named) string { return named.Bridge + ".k" }

// bridge makes the bridge with the node's address on it.
func (n *Network) bridge(own route.Node, mtu int, says *live.Net) error {
	at := gateway(own)
	link, err := n.bridgeLink(at.Addr())
	if err != nil {
		return fmt.Errorf("bridge %s: %w", n.named.Bridge, err)
	}
	if err := errors.Join(
		width(link, mtu), callTables(link), addressed(link, at), netlink.LinkSetUp(link), n.keep(link), n.settle(),
	); err != nil {
		return fmt.Errorf("bridge %s: %w", n.named.Bridge, err)
	}
	if _, err := os.Stat("/proc/sys/net/bridge"); errors.Is(err, fs.ErrNotExist) {
		says.Troubles = append(says.Troubles, "the kernel module br_netfilter is not loaded: pods of this node do not reach each other through Services"+
			" (modprobe br_netfilter, and name it in /etc/modules-load.d)")
	}
	if err := set("ipv4/ip_forward", "1", "0"); err != nil {
		says.Troubles = append(says.Troubles, fmt.Sprintf("the host does not forward packets: %v", err))
	}
	return nil
}

// bridgeLink has a hardware address of its own, or it would change with its ports, and pods would send to the one from before. One that Podman made
// keeps the one that it has.
func (n *Network) bridgeLink(ip netip.Addr) (netlink.Link, error) {
	link, err := netlink.LinkByName(n.named.Bridge)
	if err == nil && link.Attrs().Index != n.own {
		if err = netlink.LinkSetHardwareAddr(link, link.Attrs().HardwareAddr); err == nil {
			n.own = link.Attrs().Index
		}
	}
	if !missing(err) {
		return link, err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr = n.named.Bridge, hardware(0x58, ip)
	if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil {
		return nil, err
	}
	return netlink.LinkByName(n.named.Bridge)
}

// hardware is an address of a link that follows from an IPv4 address, so that other hosts know it.
func hardware(kind byte, ip netip.Addr) net.HardwareAddr {
	return append(net.HardwareAddr{0x0a, kind}, ip.AsSlice()...)
}

func width(link netlink.Link, mtu int) error {
	if link.Attrs().MTU == mtu {
		return nil
	}
	return netlink.LinkSetMTU(link, mtu)
}

// addressed leaves the link that one address.
func addressed(link netlink.Link, at netip.Prefix) error {
	have, err := dump.Whole(func() ([]netlink.Addr, error) { return netlink.AddrList(link, netlink.FAMILY_V4) })
	if err != nil {
		return err
	}
	there := false
	for _, a := range have {
		if prefix(a.IPNet) == at {
			there = true
		} else if err := netlink.AddrDel(link, &a); err != nil {
			return err
		}
	}
	if there {
		return nil
	}
	return netlink.AddrAdd(link, &netlink.Addr{IPNet: ipNet(at)})
}

// calls are the settings of a bridge by which IPv4 and IPv6 pass nftables.
var calls = []int{nl.IFLA_BR_NF_CALL_IPTABLES, nl.IFLA_BR_NF_CALL_IP6TABLES}

// callTables has what passes between the bridge's own ports seen by nftables, as what is routed is. Other bridges are left as they are.
func callTables(link netlink.Link) error {
	if call, err := callsTables(link); call || err != nil {
		return err
	}
	req := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_ACK)
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(link.Attrs().Index)
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("bridge"))
	data := info.AddRtAttr(nl.IFLA_INFO_DATA, nil)
	for _, kind := range calls {
		data.AddRtAttr(kind, []byte{1})
	}
	req.AddData(msg)
	req.AddData(info)
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

func callsTables(link netlink.Link) (bool, error) {
	req := nl.NewNetlinkRequest(unix.RTM_GETLINK, 0)
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(link.Attrs().Index)
	req.AddData(msg)
	answers, err := req.Execute(unix.NETLINK_ROUTE, 0)
	if err != nil || len(answers) == 0 {
		return false, err
	}
	value := answers[0][unix.SizeofIfInfomsg:]
	for _, kind := range []uint16{unix.IFLA_LINKINFO, nl.IFLA_INFO_DATA} {
		if value, err = attribute(value, kind); err != nil {
			return false, err
		}
	}
	for _, kind := range calls {
		if call, err := attribute(value, uint16(kind)); err != nil || len(call) != 1 || call[0] != 1 {
			return false, err
		}
	}
	return true, nil
}

// attribute is one of some; empty when it is not among them.
func attribute(of []byte, kind uint16) ([]byte, error) {
	attrs, err := nl.ParseRouteAttr(of)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(attrs, func(a syscall.NetlinkRouteAttr) bool { return a.Attr.Type == kind })
	if i < 0 {
		return nil, nil
	}
	return attrs[i].Value, nil
}

// keep puts the keeper on the bridge.
func (n *Network) keep(bridge netlink.Link) error {
	link, err := netlink.LinkByName(keeper(n.named))
	if missing(err) {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = keeper(n.named)
		if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: n.named.Bridge + ".l"}); err != nil {
			return err
		}
		link, err = netlink.LinkByName(attrs.Name)
	}
	if err != nil || link.Attrs().MasterIndex == bridge.Attrs().Index {
		return err
	}
	return netlink.LinkSetMaster(link, bridge)
}

// settle has every pod's link on the bridge that was there before, and lets each reach itself by way of it.
func (n *Network) settle() error {
	bridge, err := netlink.LinkByName(n.named.Bridge)
	if missing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(n.rejoin(bridge), n.hairpins(bridge))
}

// rejoin brings back the links of pods that lost their bridge: somebody removed it, and it was made anew.
func (n *Network) rejoin(bridge netlink.Link) error {
	links, err := dump.Whole(netlink.LinkList)
	if err != nil {
		return err
	}
	had := n.ports
	n.ports = map[int]bool{}
	for _, link := range links {
		switch a := link.Attrs(); {
		case a.Name == keeper(n.named):
		case a.MasterIndex == bridge.Attrs().Index:
			n.ports[a.Index] = true
		case a.MasterIndex == 0 && had[a.Index]:
			n.ports[a.Index] = true
			if err := netlink.LinkSetMaster(link, bridge); err != nil && !errors.Is(err, unix.ENODEV) {
				return fmt.Errorf("%s: %w", a.Name, err)
			}
		}
	}
	return nil
}

func (n *Network) hairpins(bridge netlink.Link) error {
	req := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_DUMP)
	req.AddData(nl.NewIfInfomsg(unix.AF_BRIDGE))
	messages, err := dump.Whole(func() ([][]byte, error) { return req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK) })
	if err != nil {
		return err
	}
	for _, m := range messages {
		port, err := netlink.LinkDeserialize(&unix.NlMsghdr{Type: unix.RTM_NEWLINK}, m)
		if err != nil {
			return err
		}
		a := port.Attrs()
		if a.MasterIndex != bridge.Attrs().Index || a.Name == keeper(n.named) || a.Protinfo == nil || a.Protinfo.Hairpin {
			continue
		}
		if err := netlink.LinkSetHairpin(port, true); err != nil && !errors.Is(err, unix.ENODEV) {
			return fmt.Errorf("hairpin of %s: %w", a.Name, err)
		}
	}
	return nil
}

// set gives a kernel setting below /proc/sys/net a value where it has one of some others.
func set(name, value string, instead ...string) error {
	path := filepath.Join("/proc/sys/net", name)
	is, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for _, other := range instead {
		if strings.TrimSpace(string(is)) == other {
			return os.WriteFile(path, []byte(value), 0o644)
		}
	}
	return nil
}
