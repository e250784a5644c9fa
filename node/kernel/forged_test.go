package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/podkeep/podkeep/node/route"
)

const (
	honest  = "honest" // what is sent last, by who may
	earPort = 9000
)

// ear hears UDP in a namespace: from whom, and what.
type ear struct {
	l *lab
	c net.PacketConn
}

func (l *lab) ear(ns netns.NsHandle) *ear {
	l.t.Helper()
	e := &ear{l: l}
	do(l.t, ns, func() (err error) { e.c, err = net.ListenPacket("udp4", fmt.Sprint(":", earPort)); return err })
	return e
}

// heard is all that has come before what is sent by again, which is done until that is heard. What came after it may be late, and is passed over.
func (e *ear) heard(again func()) (all []string) {
	e.l.t.Helper()
	b := make([]byte, 256)
	for end := time.Now().Add(soon); time.Now().Before(end); {
		again()
		_ = e.c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		for {
			n, from, err := e.c.ReadFrom(b)
			if err != nil {
				break
			}
			if string(b[:n]) == honest {
				return all
			}
			all = append(all, fmt.Sprintf("%s as %s", b[:n], from.(*net.UDPAddr).IP))
		}
	}
	e.l.t.Error("not even what is honest is heard")
	return all
}

// datagram is an IPv4 packet with UDP in it, from whomever.
func datagram(from, to netip.AddrPort, says string) []byte {
	udp := binary.BigEndian.AppendUint16(nil, from.Port())
	udp = binary.BigEndian.AppendUint16(udp, to.Port())
	udp = binary.BigEndian.AppendUint16(udp, uint16(8+len(says)))
	udp = append(append(udp, 0, 0), says...)
	ip := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, unix.IPPROTO_UDP, 0, 0}
	binary.BigEndian.PutUint16(ip[2:], uint16(20+len(udp)))
	ip = slices.Concat(ip, from.Addr().AsSlice(), to.Addr().AsSlice())
	sum := uint32(0)
	for i := 0; i < len(ip); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(ip[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(ip[10:], ^uint16(sum))
	return append(ip, udp...)
}

// send sends such a packet out of a namespace, by its routes.
func (l *lab) send(ns netns.NsHandle, packet []byte) {
	l.t.Helper()
	do(l.t, ns, func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Sendto(fd, packet, 0, &unix.SockaddrInet4{Addr: [4]byte(packet[16:])})
	})
}

func ears(ip string) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr(ip), earPort) }

// Whoever can send raw packets in a pod is heard as that pod, or not at all.
func TestAPodSpeaksAsItselfAlone(t *testing.T) {
	l := newLab(t, 3)
	k := New("one", quiet())
	l.put(k, tableOf())
	if k.Lacks() != nil {
		t.Fatal(k.Lacks())
	}
	others := map[string]string{
		"a pod of its node": podIP(2).String(), "nobody of its node": "10.42.1.77", "a pod of another node": podIP(farPod).String(),
		"its gateway": "10.42.1.1", "a node": "198.51.100.2", "its node": hostIP, "a Service": "10.43.0.1", "the world": "203.0.113.7",
	}
	for name, to := range map[string]struct {
		ns netns.NsHandle
		ip string
	}{
		"to a pod of its node": {l.pods[0], podIP(0).String()}, "to a pod of another node": {l.far, podIP(farPod).String()}, "to its node": {l.host, "10.42.1.1"},
		"to its node by another address": {l.host, hostIP},
	} {
		t.Run(name, func(t *testing.T) {
			ear := l.ear(to.ns)
			defer ear.c.Close()
			for who, ip := range others {
				l.send(l.pods[1], datagram(ears(ip), ears(to.ip), who))
			}
			all := ear.heard(func() { l.send(l.pods[1], datagram(ears(podIP(1).String()), ears(to.ip), honest)) })
			if len(all) > 0 {
				t.Errorf("heard: %q", all)
			}
		})
	}
}

// A pod that gives itself another address gains nothing, whatever process looks; one that is born again is heard, before and after its port is known.
func TestAPortIsWhoseItWasWhenItWasNew(t *testing.T) {
	l := newLab(t, 2)
	l.put(New("one", quiet()), tableOf())
	ear := l.ear(l.pods[0])
	as := func(ip string) {
		l.send(l.pods[1], datagram(ears(ip), ears(podIP(0).String()), map[bool]string{true: honest, false: "forged"}[ip == podIP(1).String()]))
	}
	do(t, l.pods[1], func() error {
		link, err := netlink.LinkByName("peer")
		return errors.Join(err, address(link, "10.42.1.77/32"))
	})
	for range 2 {
		l.put(New("one", quiet()), tableOf())
		as("10.42.1.77")
		if all := ear.heard(func() { as(podIP(1).String()) }); len(all) > 0 {
			t.Errorf("heard: %q", all)
		}
	}
	do(t, l.host, func() error {
		link, err := netlink.LinkByName("pod1")
		return errors.Join(err, netlink.LinkDel(link))
	})
	l.pods[1] = newSpace(t)
	l.join(1, l.pods[1])
	for range 2 {
		ear.heard(func() { as(podIP(1).String()) })
		l.put(New("one", quiet()), tableOf())
	}
	as(podIP(0).String())
	as("10.42.1.77")
	if all := ear.heard(func() { as(podIP(1).String()) }); len(all) > 0 {
		t.Errorf("born again, heard: %q", all)
	}
}

// Pods' addresses of a node come from its pods alone.
func TestNobodyOutsideSpeaksAsAPod(t *testing.T) {
	l := newLab(t, 2)
	l.put(New("one", quiet()), tableOf())
	do(t, l.outside, func() error { return via(ownRange.String(), hostIP, "") })
	ear := l.ear(l.pods[0])
	for _, ip := range []string{podIP(1).String(), "10.42.1.1", "10.42.1.77"} {
		l.send(l.outside, datagram(ears(ip), ears(podIP(0).String()), "forged"))
	}
	if all := ear.heard(func() { l.send(l.outside, datagram(ears("192.0.2.2"), ears(podIP(0).String()), honest)) }); len(all) > 0 {
		t.Errorf("heard: %q", all)
	}
}

// A pod that says by ARP that others' addresses are its own is not believed.
func TestAPodTakesNobodysAddress(t *testing.T) {
	l := newLab(t, 3)
	l.put(New("one", quiet()), tableOf())
	ear := l.ear(l.pods[0])
	defer ear.c.Close()
	mac := l.hardware(l.pods[1], "peer")
	for _, ip := range []netip.Addr{podIP(2), ownRange.Addr().Next()} {
		l.send(l.pods[0], datagram(ears(podIP(0).String()), netip.AddrPortFrom(ip, earPort), "who are you?")) // so that an answer is waited for
		for _, op := range []uint16{1, 2} {
			l.claim(l.pods[1], mac, ip, op)
		}
	}
	ear.heard(func() { l.send(l.pods[1], datagram(ears(podIP(1).String()), ears(podIP(0).String()), honest)) })
	for _, ns := range []netns.NsHandle{l.pods[0], l.pods[2], l.host} {
		do(t, ns, func() error {
			all, err := netlink.NeighList(0, netlink.FAMILY_V4)
			for _, e := range all {
				if bytes.Equal(e.HardwareAddr, mac) && e.IP.String() != podIP(1).String() {
					t.Errorf("%s is where pod 1 is", e.IP)
				}
			}
			return err
		})
	}
}

// A pod that sends frames as another's hardware does not get what is for that one.
func TestAPodTakesNobodysHardware(t *testing.T) {
	l := newLab(t, 3)
	l.put(New("one", quiet()), tableOf())
	ear := l.ear(l.pods[0])
	all, theirs := net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, l.hardware(l.pods[2], "peer")
	l.ask(l.pods[2], "udp", netip.AddrPortFrom(podIP(0), 8080).String()) // the bridge knows where it is
	for _, what := range [][]byte{
		append([]byte{8, 0}, datagram(ears(podIP(1).String()), ears(podIP(0).String()), "as another's hardware")...),
		append([]byte{0x86, 0xdd}, make([]byte, 60)...), append([]byte{0x88, 0xb5}, make([]byte, 60)...),
	} {
		l.frame(l.pods[1], slices.Concat(all, theirs, what))
	}
	ear.heard(func() { l.send(l.pods[1], datagram(ears(podIP(1).String()), ears(podIP(0).String()), honest)) })
	do(t, l.host, func() error {
		link, err := netlink.LinkByName("pod2")
		if err != nil {
			return err
		}
		entries, err := netlink.NeighList(0, unix.AF_BRIDGE)
		known := false
		for _, e := range entries {
			if bytes.Equal(e.HardwareAddr, theirs) {
				known = known || e.LinkIndex == link.Attrs().Index
				if e.LinkIndex != link.Attrs().Index {
					t.Errorf("pod 2's hardware is taken to be at port %d", e.LinkIndex)
				}
			}
		}
		if !known {
			t.Error("nobody knows where pod 2 is")
		}
		return err
	})
}

func (l *lab) hardware(ns netns.NsHandle, name string) (mac net.HardwareAddr) {
	do(l.t, ns, func() error {
		link, err := netlink.LinkByName(name)
		if err == nil {
			mac = link.Attrs().HardwareAddr
		}
		return err
	})
	return mac
}

// claim sends ARP to everybody: this address is where that hardware is.
func (l *lab) claim(ns netns.NsHandle, mac net.HardwareAddr, ip netip.Addr, op uint16) {
	all := net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	arp := binary.BigEndian.AppendUint16([]byte{0, 1, 8, 0, 6, 4}, op)
	l.frame(ns, slices.Concat(all, mac, []byte{8, 6}, arp, mac, ip.AsSlice(), all, ip.AsSlice()))
}

// frame sends one out of a namespace's cable.
func (l *lab) frame(ns netns.NsHandle, frame []byte) {
	l.t.Helper()
	do(l.t, ns, func() error {
		link, err := netlink.LinkByName("peer")
		if err != nil {
			return err
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: link.Attrs().Index, Halen: 6})
	})
}

// tunnel is a host's, as package network makes it.
func (l *lab) tunnel(ns netns.NsHandle, vni int, mac net.HardwareAddr) {
	l.t.Helper()
	do(l.t, ns, func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.HardwareAddr = fmt.Sprint("t", vni), mac
		if err := netlink.LinkAdd(&netlink.Vxlan{LinkAttrs: attrs, VxlanId: vni, Port: route.TunnelPort}); err != nil {
			return err
		}
		link, err := netlink.LinkByName(attrs.Name)
		if err != nil {
			return err
		}
		return netlink.LinkSetUp(link)
	})
}

// throughTunnel has the host and the far node reach each other's pods by a tunnel.
func (l *lab) throughTunnel() {
	vni := route.NamedOf("one").VNI
	macs := []net.HardwareAddr{{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}}
	for n, from := range []struct {
		ns            netns.NsHandle
		to, peer, src string
	}{{l.host, farRange.String(), "198.51.100.2", "10.42.1.1"}, {l.far, ownRange.String(), "198.51.100.1", podIP(farPod).String()}} {
		l.tunnel(from.ns, vni, macs[n])
		do(l.t, from.ns, func() error {
			link, err := netlink.LinkByName(fmt.Sprint("t", vni))
			if err != nil {
				return err
			}
			_, to, _ := net.ParseCIDR(from.to)
			at, mac := net.ParseIP(from.peer), macs[1-n]
			return errors.Join(
				netlink.NeighSet(&netlink.Neigh{LinkIndex: link.Attrs().Index, Family: netlink.FAMILY_V4, IP: at, HardwareAddr: mac, State: netlink.NUD_PERMANENT}),
				netlink.NeighSet(&netlink.Neigh{
					LinkIndex: link.Attrs().Index, Family: unix.AF_BRIDGE, Flags: netlink.NTF_SELF, IP: at, HardwareAddr: mac, State: netlink.NUD_PERMANENT,
				}),
				netlink.RouteReplace(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: to, Gw: at, Src: net.ParseIP(from.src), Flags: int(netlink.FLAG_ONLINK)}),
			)
		})
	}
}

// What goes through the tunnel is in conntrack as what it is, and not as the tunnel's once more.
func TestTheTunnelNeedsNoRoomInConntrack(t *testing.T) {
	l := newLab(t, 1)
	l.put(New("one", quiet()), tableOf(service(1, farPod)))
	l.throughTunnel()
	for _, from := range []netns.NsHandle{l.host, l.pods[0]} {
		for _, network := range []string{"tcp", "udp"} {
			to := map[string]string{"tcp": "10.43.0.1:80", "udp": "10.43.0.1:53"}[network]
			if a := l.ask(from, network, to); a.pod != farPod {
				t.Error(a)
			}
		}
	}
	seen := 0
	do(t, l.host, func() error {
		flows, err := netlink.ConntrackTableList(netlink.ConntrackTable, unix.AF_INET)
		for _, f := range flows {
			switch f.Forward.DstPort {
			case route.TunnelPort:
				t.Error(f)
			case 53:
				seen++
			}
		}
		return err
	})
	if seen != 2 {
		t.Errorf("conntrack knows %d of 2 flows", seen)
	}
}

// tunnelled is what a tunnel sends.
func tunnelled(vni int, mac net.HardwareAddr, packet []byte) []byte {
	head := binary.BigEndian.AppendUint32([]byte{8, 0, 0, 0}, uint32(vni)<<8)
	return slices.Concat(head, mac, []byte{2, 0, 0, 0, 0, 1, 8, 0}, packet)
}

// What is put into the tunnel by others than nodes does not come out of it, whatever it says of who sent it.
func TestNobodyPutsPacketsIntoTheTunnel(t *testing.T) {
	l := newLab(t, 2)
	l.put(New("one", quiet()), tableOf())
	vni, mac := route.NamedOf("one").VNI, net.HardwareAddr{2, 0, 0, 0, 0, 9}
	l.tunnel(l.host, vni, mac)
	l.tunnel(l.far, vni, mac)
	l.masquerade()
	ear, there := l.ear(l.pods[0]), l.ear(l.far)
	defer ear.c.Close()
	defer there.c.Close()
	tunnel := func(ip string) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr(ip), route.TunnelPort) }
	inner := func(to netip.AddrPort, says string) string {
		from := podIP(farPod)
		if to.Addr() == from {
			from = podIP(0)
		}
		return string(tunnelled(vni, mac, datagram(netip.AddrPortFrom(from, earPort), to, says)))
	}
	pod, far := ears(podIP(0).String()), ears(podIP(farPod).String())
	for who, from := range map[string]struct {
		ns netns.NsHandle
		as string
		to string
	}{
		"a stranger": {l.outside, "192.0.2.2", hostIP}, "a pod": {l.pods[1], podIP(1).String(), "10.42.1.1"}, "a pod as a node": {l.pods[1], "198.51.100.2", "10.42.1.1"},
		"a pod as its node": {l.pods[1], hostIP, "10.42.1.1"},
	} {
		l.send(from.ns, datagram(tunnel(from.as), tunnel(from.to), inner(pod, who)))
	}
	for who, from := range map[string]string{"a pod": podIP(1).String(), "a pod as a node": "198.51.100.1"} {
		l.send(l.pods[1], datagram(tunnel(from), tunnel("198.51.100.2"), inner(far, who)))
	}
	// An answer to this would look like what that node puts into the tunnel.
	l.send(l.pods[1], datagram(tunnel(podIP(1).String()), tunnel("198.51.100.2"), "nothing of a tunnel"))
	if all := ear.heard(func() { l.send(l.far, datagram(tunnel("198.51.100.2"), tunnel("198.51.100.1"), inner(pod, honest))) }); len(all) > 0 {
		t.Errorf("a pod of this node heard: %q", all)
	}
	if all := there.heard(func() { l.send(l.host, datagram(tunnel("198.51.100.1"), tunnel("198.51.100.2"), inner(far, honest))) }); len(all) > 0 {
		t.Errorf("a pod of another node heard: %q", all)
	}
}

// masquerade has what pods send to others than pods come from their node, as Podman has it.
func (l *lab) masquerade() {
	do(l.t, l.host, func() error {
		conn, err := nftables.New()
		if err != nil {
			return err
		}
		table := conn.AddTable(&nftables.Table{Name: "netavark", Family: nftables.TableFamilyIPv4})
		chain := conn.AddChain(&nftables.Chain{
			Name: "postrouting", Table: table, Type: nftables.ChainTypeNAT, Hooknum: nftables.ChainHookPostrouting, Priority: nftables.ChainPriorityNATSource,
		})
		conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: join(
			within(loadSource(reg), ownRange, expr.CmpOpEq), within(loadDestination(reg), ownRange, expr.CmpOpNeq), rule{&expr.Masq{}},
		)})
		return conn.Flush()
	})
}
