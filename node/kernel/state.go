package kernel

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/podkeep/podkeep/node/route"
)

// state is what a table in the kernel holds: what is wanted there, or what was found.
type state struct {
	facts                      // that rules are made of, as wanted; of what was found, whether it is untimed alone
	laid   bool                // the table and all of its sets are there
	chains map[string][]string // their rules' marks, in order
	fronts map[front]picks
	sets   map[string][]string // elements of those that are no maps, sorted
}

// front is where a Service is spoken to. Without an address it is a NodePort: any address of the host.
type front struct {
	ip    [4]byte
	proto byte
	port  uint16
}

// place is where a connection is sent; the zero place is none.
type place struct {
	ip   [4]byte
	port uint16
}

// picks are what a front's connections choose from. As wanted there is a place for each number below the modulus and no other; in the kernel
// there may be more, or holes.
type picks struct {
	verdict
	places []place
}

// verdict is how a front's connections choose.
type verdict struct {
	modulus int // noVerdict: nothing is said of the front; 0: it is refused
	holds   int // for how many seconds after its last connection a client is sent where that was; 0: not at all
}

const noVerdict = -1

var none = verdict{modulus: noVerdict}

func (f front) node() bool { return f.ip == [4]byte{} }

// chain is where the front's verdict leads.
func (f front) chain(v verdict) string {
	switch {
	case v.modulus == 0:
		return chainRefuse
	case f.node():
		return chainName(nodeChain, v)
	}
	return chainName(pickChain, v)
}

// verdicts is the map that has the front's.
func (f front) verdicts() string {
	if f.node() {
		return setNodePorts
	}
	return setServices
}

// wantOf is what the table asks of the node of that name. It leaves out what is not IPv4.
func wantOf(t *route.Table, node string, vni int, untimed bool) *state {
	self, _ := t.Node(node)
	s := &state{facts: factsOf(t, self, vni, untimed), laid: true, fronts: frontsOf(t, node), sets: map[string][]string{
		setItself: selves(t, node), setPeers: peers(t), setRanges: intervals(ranges(t)),
	}}
	s.sets[setStays], s.sets[setDraws] = stays(s.fronts), draws(s.fronts)
	guarding := guards(t, s.own)
	maps.Copy(s.sets, guarding.sets)
	s.admits = guarding.chains
	s.chains = chainsOf(s.fronts, s.facts)
	return s
}

// frontsOf are the Services' ports and NodePorts, seen from the node of that name. Of two that claim one front the first has it.
func frontsOf(t *route.Table, node string) map[front]picks {
	all := make(map[front]picks, len(t.Services))
	for _, s := range slices.Backward(t.Services) {
		for i, p := range slices.Backward(s.Ports) {
			proto := protocol(p.Protocol)
			if !s.IP.Is4() || proto == 0 {
				continue
			}
			all[front{s.IP.As4(), proto, p.Port}] = picksOf(s, i, node, s.Near)
			if p.NodePort != 0 {
				all[front{proto: proto, port: p.NodePort}] = picksOf(s, i, node, s.NearOutside)
			}
		}
	}
	return all
}

// picksOf are what connections to the Service's port of that index choose from on a node, where its own pods alone may be asked: from them.
func picksOf(s route.Service, port int, node string, own bool) picks {
	targets := s.Targets(port)
	if own || s.PrefersNear {
		if near := s.On(node).Targets(port); own || len(near) > 0 {
			targets = near
		}
	}
	places := expand(targets)
	if len(places) == 0 {
		return picks{}
	}
	return picks{verdict{len(places), s.Holds}, places}
}

func protocol(name string) byte {
	switch name {
	case "tcp":
		return unix.IPPROTO_TCP
	case "udp":
		return unix.IPPROTO_UDP
	}
	return 0
}

// selves are the node's own pods that may be chosen for a connection of their own.
func selves(t *route.Table, node string) (all []string) {
	for _, s := range t.Services {
		for _, e := range s.Endpoints {
			if e.Node == node && e.IP.Is4() && s.IP.IsValid() {
				all = append(all, string(e.IP.AsSlice())+string(e.IP.AsSlice()))
			}
		}
	}
	return sorted(all)
}

func peers(t *route.Table) (all []string) {
	for _, n := range t.Nodes {
		if n.Address.Is4() {
			all = append(all, string(n.Address.AsSlice()))
		}
	}
	return sorted(all)
}

// ranges are those of all nodes, in order; where one lies in another there is the wider one alone.
func ranges(t *route.Table) (all []netip.Prefix) {
	for _, n := range t.Nodes {
		if n.Range.Addr().Is4() {
			all = append(all, n.Range.Masked())
		}
	}
	slices.SortFunc(all, func(a, b netip.Prefix) int {
		if c := a.Addr().Compare(b.Addr()); c != 0 {
			return c
		}
		return a.Bits() - b.Bits()
	})
	kept := all[:0]
	for _, p := range all {
		if len(kept) == 0 || !kept[len(kept)-1].Contains(p.Addr()) {
			kept = append(kept, p)
		}
	}
	return kept
}

// intervals are the ranges, neighbours joined: the first address and that behind the last, which the last of all addresses has not.
func intervals(ranges []netip.Prefix) (all []string) {
	for _, p := range ranges {
		first, next := string(p.Addr().AsSlice()), string(after(p).AsSlice())
		if last := len(all) - 1; last >= 0 && all[last][4:] == first {
			all[last] = all[last][:4] + next
		} else {
			all = append(all, first+next)
		}
	}
	return all
}

// after is the address behind a range, none when it is the last.
func after(p netip.Prefix) netip.Addr {
	ip := p.Addr().As4()
	for bit := p.Bits(); bit < 32; bit++ {
		ip[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(ip).Next()
}

func sorted(all []string) []string {
	slices.SortFunc(all, strings.Compare)
	return slices.Compact(all)
}
