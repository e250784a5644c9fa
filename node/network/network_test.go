package network

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/podkeep/podkeep/node/route"
)

const cluster = "test"

var named = route.NamedOf(cluster)

// table is that of so many nodes; node i is 10.9.0.i, its pods are in 10.42.i.0/24.
func table(nodes int) *route.Table {
	t := &route.Table{Number: 1, Virtual: netip.MustParsePrefix("10.43.0.0/16"), Pods: netip.MustParsePrefix("10.42.0.0/16")}
	for i := 1; i <= nodes; i++ {
		t.Nodes = append(t.Nodes, route.Node{
			Name: fmt.Sprint("n", i), Address: netip.MustParseAddr(fmt.Sprint("10.9.0.", i)), Range: netip.MustParsePrefix(fmt.Sprintf("10.42.%d.0/24", i)),
		})
	}
	return t
}

// wire is so many hosts on one wire.
func wire(t *testing.T, count int) []*machine {
	t.Helper()
	middle := newMachine(t, "wire")
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "sw"
	must(t, middle.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}))
	middle.up("sw")
	return hosts(middle, count, func(i int) { must(t, middle.LinkSetMaster(middle.link(fmt.Sprint("to", i)), middle.link("sw"))) })
}

// cloud is so many hosts that seem to be on one wire, and whose packets all pass a router, which knows nothing of pods.
func cloud(t *testing.T, count int) (middle *machine, all []*machine) {
	t.Helper()
	middle = newMachine(t, "router")
	middle.do(ask{Path: "/proc/sys/net/ipv4/ip_forward", Write: "1"})
	return middle, hosts(middle, count, func(i int) {
		to := fmt.Sprint("to", i)
		middle.do(ask{Path: "/proc/sys/net/ipv4/conf/" + to + "/proxy_arp", Write: "1"})
		must(t, middle.RouteAdd(&netlink.Route{LinkIndex: middle.link(to).Attrs().Index, Dst: ipNet(netip.MustParsePrefix(fmt.Sprintf("10.9.0.%d/32", i))), Scope: netlink.SCOPE_LINK}))
	})
}

func hosts(middle *machine, count int, joined func(i int)) (all []*machine) {
	for i := 1; i <= count; i++ {
		h := newMachine(middle.T, fmt.Sprint("n", i))
		cable(h, "eth0", middle, fmt.Sprint("to", i))
		h.addr("eth0", fmt.Sprintf("10.9.0.%d/24", i))
		h.way("default", "10.9.0.254")
		joined(i)
		h.do(ask{Begin: cluster})
		all = append(all, h)
	}
	return all
}

func (m *machine) put(t *route.Table) answer {
	m.Helper()
	return m.do(ask{Put: t, Node: m.name})
}

// pods puts the table on every host and gives each a pod.
func pods(t *testing.T, on []*machine, want *route.Table) (all []*machine) {
	t.Helper()
	for i, h := range on {
		if says := h.put(want).Net; says.Range != want.Nodes[i].Range || len(says.Troubles) > 0 || says.Address != want.Nodes[i].Address {
			t.Fatalf("%+v", says)
		}
		all = append(all, plug(h, named.Bridge, fmt.Sprint("p", i+1), fmt.Sprintf("10.42.%d.7", i+1), fmt.Sprintf("10.42.%d.1", i+1)))
	}
	return all
}

// reach has all reach all: hosts with the address of their pods' gateway, pods with their own.
func reach(t *testing.T, hosts, pods []*machine) {
	t.Helper()
	for i := range hosts {
		for j := range hosts {
			to := fmt.Sprintf("10.42.%d.7", j+1)
			for from, who := range map[string]*machine{fmt.Sprintf("10.42.%d.7", i+1): pods[i], fmt.Sprintf("10.42.%d.1", i+1): hosts[i]} {
				if says := who.ask(ask{Dial: to}); says.Said != from {
					t.Errorf("%s to %s: it is seen as %q (%s)", from, to, says.Said, says.Err)
				}
			}
		}
	}
}

// goes puts the table again until every path of the host is so.
func (m *machine) goes(want *route.Table, path string) {
	m.Helper()
	eventually(m, m.name+" goes "+path, func() bool {
		paths := m.put(want).Net.Paths
		return len(paths) == len(want.Nodes)-1 && !slices.ContainsFunc(want.Nodes, func(n route.Node) bool { return n.Name != m.name && paths[n.Name] != path })
	})
}

func TestPodsOnOneWireReachEachOtherAtOnceAndThenDirectly(t *testing.T) {
	all := wire(t, 3)
	want := table(3)
	inside := pods(t, all, want)
	reach(t, all, inside)
	for _, h := range all {
		h.goes(want, direct)
	}
	reach(t, all, inside)
}

func TestAStrictHostsPodsAreReachedDirectly(t *testing.T) {
	all := wire(t, 2)
	for _, h := range all {
		h.do(ask{Path: "/proc/sys/net/ipv4/conf/all/rp_filter", Write: "1"})
	}
	want := table(2)
	inside := pods(t, all, want)
	reach(t, all, inside)
	for _, h := range all {
		h.goes(want, direct)
	}
	reach(t, all, inside)
}

func TestWhatIsInBetweenDecidesTheWay(t *testing.T) {
	router, all := cloud(t, 2)
	want := table(2)
	inside := pods(t, all, want)
	reach(t, all, inside)
	for i := range all {
		router.way(fmt.Sprintf("10.42.%d.0/24", i+1), fmt.Sprintf("10.9.0.%d", i+1))
	}
	for _, h := range all {
		h.goes(want, direct)
	}
	reach(t, all, inside)
	must(t, router.RouteDel(&netlink.Route{Dst: ipNet(want.Nodes[1].Range)}))
	for _, h := range all {
		h.goes(want, vxlan)
	}
	reach(t, all, inside)
}

func TestHostsOfDifferentNetworksGoByTheTunnel(t *testing.T) {
	router := newMachine(t, "router")
	router.do(ask{Path: "/proc/sys/net/ipv4/ip_forward", Write: "1"})
	want := table(2)
	var all []*machine
	for i := 1; i <= 2; i++ {
		h := newMachine(t, fmt.Sprint("n", i))
		cable(h, "eth0", router, fmt.Sprint("to", i))
		router.addr(fmt.Sprint("to", i), fmt.Sprintf("10.9.%d.254/24", i))
		h.addr("eth0", fmt.Sprintf("10.9.%d.1/24", i))
		h.way("default", fmt.Sprintf("10.9.%d.254", i))
		want.Nodes[i-1].Address = netip.MustParseAddr(fmt.Sprintf("10.9.%d.1", i))
		h.do(ask{Begin: cluster})
		all = append(all, h)
	}
	inside := pods(t, all, want)
	reach(t, all, inside)
	for _, h := range all {
		h.goes(want, vxlan)
	}
	if mtu := all[0].link(named.Bridge).Attrs().MTU; mtu != 1450 {
		t.Error(mtu)
	}
}

func TestWhatSomebodyChangedIsMended(t *testing.T) {
	all := wire(t, 2)
	want := table(2)
	inside := pods(t, all, want)
	h := all[0]
	for what, harm := range map[string]func(){
		"the route":  func() { must(t, h.RouteDel(&netlink.Route{Dst: ipNet(want.Nodes[1].Range)})) },
		"the tunnel": func() { must(t, h.LinkDel(h.link(named.Tunnel))) },
		"forwarding": func() { h.do(ask{Path: "/proc/sys/net/ipv4/ip_forward", Write: "0"}) },
		"the bridge": func() { must(t, h.LinkDel(h.link(named.Bridge))) },
		"its port":   func() { must(t, h.LinkSetNoMaster(h.link("vp1"))) },
		"its state":  func() { must(t, h.LinkSetDown(h.link(named.Bridge))) },
		"the keeper": func() { must(t, h.LinkDel(h.link(keeper(named)))) },
		"the address": func() {
			must(t, h.AddrDel(h.link(named.Bridge), &netlink.Addr{IPNet: ipNet(netip.MustParsePrefix("10.42.1.1/24"))}))
		},
		"entries": func() {
			mac, peer := hardware(0x59, netip.MustParseAddr("10.42.2.1")), h.link(named.Tunnel).Attrs().Index
			must(t, h.NeighDel(&netlink.Neigh{LinkIndex: peer, Family: unix.AF_BRIDGE, Flags: netlink.NTF_SELF, IP: want.Nodes[1].Address.AsSlice(), HardwareAddr: mac}))
			must(t, h.NeighDel(&netlink.Neigh{LinkIndex: peer, IP: want.Nodes[1].Gateway().AsSlice(), HardwareAddr: mac}))
		},
	} {
		t.Run(what, func(t *testing.T) {
			harm()
			if says := h.put(want).Net; len(says.Troubles) > 0 || says.Range != want.Nodes[0].Range {
				t.Errorf("%+v", says)
			}
			reach(t, all, inside)
		})
	}
}

func TestANodeThatLeftIsForgotten(t *testing.T) {
	h := wire(t, 1)[0]
	h.put(table(3))
	h.put(table(1))
	for _, line := range h.state() {
		if strings.Contains(line, "10.42.2.") || strings.Contains(line, "10.42.3.") || strings.Contains(line, named.Tunnel) {
			t.Error(line)
		}
	}
	want := table(1)
	before := h.state()
	h.put(want)
	if diff := cmp.Diff(before, h.state()); diff != "" {
		t.Error(diff)
	}
}

func TestRemovalLeavesNothingAndNothingElseIsTouched(t *testing.T) {
	h := wire(t, 1)[0]
	h.way("192.0.2.0/24", "10.9.0.9")
	before := h.state()
	h.put(table(3))
	if d := cmp.Diff(before, h.state()); d == "" {
		t.Error("nothing was made")
	}
	h.do(ask{Remove: true})
	if diff := cmp.Diff(before, h.state()); diff != "" {
		t.Error(diff)
	}
	h.do(ask{Remove: true})

	other := table(3)
	other.Virtual = netip.MustParsePrefix("10.53.0.0/16")
	for i := range other.Nodes {
		other.Nodes[i].Range = netip.MustParsePrefix(fmt.Sprintf("10.52.%d.0/24", i+1))
	}
	h.put(table(3))
	h.do(ask{Begin: "other"})
	if says := h.put(other).Net; len(says.Troubles) > 0 || says.Range != other.Nodes[0].Range {
		t.Errorf("%+v", says)
	}
	both := h.state()
	h.do(ask{Begin: cluster})
	h.put(table(3))
	h.do(ask{Remove: true})
	h.do(ask{Begin: cluster})
	h.put(table(3))
	if diff := cmp.Diff(both, h.state()); diff != "" {
		t.Error(diff)
	}
}

// state is what links, addresses and routes there are, sorted.
func (m *machine) state() (all []string) {
	m.Helper()
	links, err := m.LinkList()
	must(m, err)
	name := map[int]string{}
	for _, l := range links {
		name[l.Attrs().Index] = l.Attrs().Name
		all = append(all, fmt.Sprint("link ", l.Attrs().Name, " ", l.Type(), " ", l.Attrs().MTU))
	}
	addrs, err := m.AddrList(nil, netlink.FAMILY_V4)
	must(m, err)
	for _, a := range addrs {
		all = append(all, fmt.Sprint("address ", a.IPNet, " ", name[a.LinkIndex]))
	}
	routes, err := m.RouteList(nil, netlink.FAMILY_V4)
	must(m, err)
	for _, r := range routes {
		all = append(all, fmt.Sprint("route ", r.Dst, " ", r.Gw, " ", name[r.LinkIndex], " ", r.Src, " ", r.Tos))
	}
	slices.Sort(all)
	return all
}

func TestAnotherRangeWaitsForThePodsOfTheOldOne(t *testing.T) {
	all := wire(t, 2)
	want := table(2)
	inside := pods(t, all, want)
	moved := table(2)
	moved.Nodes[0].Range = netip.MustParsePrefix("10.42.9.0/24")
	says := all[0].put(moved).Net
	if said := "pods are here with addresses of 10.42.1.0/24 still: 10.42.9.0/24 comes when they have gone"; says.Range != want.Nodes[0].Range || !slices.Equal(says.Troubles, []string{said}) {
		t.Errorf("%+v", says)
	}
	reach(t, all, inside)
	must(t, all[0].LinkDel(all[0].link("vp1")))
	if says := all[0].put(moved).Net; says.Range != moved.Nodes[0].Range || len(says.Troubles) > 0 {
		t.Errorf("%+v", says)
	}
	for _, line := range all[0].state() {
		if strings.Contains(line, "10.42.1.") {
			t.Error(line)
		}
	}
}

func TestWhatIsInTheWayIsSaid(t *testing.T) {
	h := wire(t, 1)[0]
	h.way("10.42.1.128/25", "10.9.0.9")
	before := h.state()
	says := h.put(table(2)).Net
	if want := "no pods can be here: their range 10.42.1.0/24 overlaps the host's route to 10.42.1.128/25 by eth0"; says.Range.IsValid() || !slices.Equal(says.Troubles, []string{want}) {
		t.Errorf("%+v", says)
	}
	if diff := cmp.Diff(before, h.state()); diff != "" {
		t.Error(diff)
	}
	h = wire(t, 1)[0]
	h.addr("eth0", "10.43.7.7/24")
	h.way("10.42.2.0/24", "10.9.0.9")
	says = h.put(table(3)).Net
	if want := []string{
		"the pods of n2 are not reached: its range 10.42.2.0/24 overlaps the host's route to 10.42.2.0/24 by eth0",
		"this host does not reach Services: their addresses 10.43.0.0/16 overlap 10.43.7.7/24 of eth0",
	}; says.Range != table(1).Nodes[0].Range || !slices.Equal(says.Troubles, want) || says.Paths["n3"] != vxlan {
		t.Errorf("%+v", says)
	}
}

func TestNoPodsAreAskedForBeforePodmanKnowsTheirNetwork(t *testing.T) {
	h := wire(t, 1)[0]
	h.do(ask{Refuse: true})
	if says := h.put(table(1)).Net; says.Range.IsValid() || !slices.Equal(says.Troubles, []string{"Podman's network podkeep-test: no answer in time"}) {
		t.Errorf("%+v", says)
	}
}

func TestARangeThatPodmanRefusesChangesNothing(t *testing.T) {
	h := wire(t, 1)[0]
	want := table(1)
	h.put(want)
	before := h.state()
	h.do(ask{Refuse: true})
	want.Nodes[0].Range = netip.MustParsePrefix("10.42.9.0/24")
	says := h.put(want).Net
	if says.Range != table(1).Nodes[0].Range || !slices.Equal(says.Troubles, []string{"Podman's network podkeep-test: no answer in time"}) {
		t.Errorf("%+v", says)
	}
	if diff := cmp.Diff(before, h.state()); diff != "" {
		t.Error(diff)
	}
}

func TestPodmanIsToldAgainOfANetworkThatItLost(t *testing.T) {
	h := wire(t, 1)[0]
	h.put(table(1))
	h.do(ask{Begin: cluster, Forget: true})
	if says := h.put(table(1)).Net; says.Range != table(1).Nodes[0].Range || len(says.Troubles) > 0 {
		t.Errorf("%+v", says)
	}
}

func TestATunnelIsNotInTheWayOfANetworkThatPodmanLost(t *testing.T) {
	_, all := cloud(t, 2)
	h, want := all[0], table(2)
	h.goes(want, vxlan)
	h.do(ask{Begin: cluster, Forget: true})
	if says := h.put(want).Net; says.Range != want.Nodes[0].Range || len(says.Troubles) > 0 || says.Paths["n2"] != vxlan {
		t.Errorf("%+v", says)
	}
}

func TestPodsReachThemselvesByTheBridgeThatTheyAreOn(t *testing.T) {
	h := wire(t, 1)[0]
	h.do(ask{Path: "/proc/sys/net/bridge/bridge-nf-call-iptables", Write: "0"})
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "foreign"
	must(t, h.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}))
	pods(t, []*machine{h}, table(1))
	eventually(t, "the port is a hairpin", func() bool { return h.ports()["vp1"] })
	must(t, h.LinkSetHairpin(h.link("vp1"), false))
	eventually(t, "the port is a hairpin again", func() bool { return h.ports()["vp1"] })
	for bridge, want := range map[string]string{named.Bridge: "true", "foreign": "false"} {
		if says := h.do(ask{Tables: bridge}); says.Said != want {
			t.Errorf("nftables see what passes %s: %s", bridge, says.Said)
		}
	}
}

// ports says which ports of bridges are hairpins.
func (m *machine) ports() map[string]bool {
	m.Helper()
	all := map[string]bool{}
	links, err := m.LinkList()
	must(m, err)
	for _, l := range links {
		if l.Attrs().MasterIndex != 0 {
			info, err := m.LinkGetProtinfo(l)
			must(m, err)
			all[l.Attrs().Name] = info.Hairpin
		}
	}
	return all
}

func TestANodeWithoutPodsHasNoNetwork(t *testing.T) {
	h := wire(t, 1)[0]
	before := h.state()
	h.put(table(2))
	want := table(2)
	want.Nodes[0].Range = netip.Prefix{}
	if says := h.put(want).Net; says.Range.IsValid() || len(says.Troubles) > 0 || says.Address != want.Nodes[0].Address {
		t.Errorf("%+v", says)
	}
	if diff := cmp.Diff(before, h.state()); diff != "" {
		t.Error(diff)
	}
}

func TestABridgeThatPodmanMadeKeepsItsHardwareAddress(t *testing.T) {
	h := wire(t, 1)[0]
	attrs := netlink.NewLinkAttrs()
	attrs.Name = named.Bridge
	must(t, h.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}))
	h.addr(named.Bridge, "10.42.1.1/24")
	plug(h, named.Bridge, "p1", "10.42.1.7", "10.42.1.1")
	h.put(table(1))
	was := h.link(named.Bridge).Attrs().HardwareAddr.String()
	attrs.Name, attrs.HardwareAddr = "lowest", net.HardwareAddr{2, 0, 0, 0, 0, 1}
	must(t, h.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "other"}))
	must(t, h.LinkSetMaster(h.link("lowest"), h.link(named.Bridge)))
	if is := h.link(named.Bridge).Attrs().HardwareAddr.String(); is != was {
		t.Errorf("it is %s, and was %s", is, was)
	}
}
