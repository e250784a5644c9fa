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

// front is where a Service is spoken to. Without an address it is a port of nodes: any address of the host.
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
	fronts, limits := frontsOf(t, node)
	s := &state{facts: factsOf(t, self, vni, untimed), laid: true, fronts: fronts, sets: map[string][]string{
		setItself: selves(t, node), setPeers: peers(t), setRanges: intervals(ranges(t)),
	}}
	s.sets[setStays], s.sets[setDraws], s.sets[setStrangers] = stays(s.fronts), draws(s.fronts), s.strangers(t)
	for f := range viewOf(t, node).sharedOf(t) {
		s.sets[setShared] = append(s.sets[setShared], string(f.encode()))
	}
	s.sets[setShared] = sorted(s.sets[setShared])
	s.sets[setLimited], s.sets[setSources] = limited(limits)
	guarding := guards(t, s.own)
	maps.Copy(s.sets, guarding.sets)
	s.admits = guarding.chains
	s.chains = chainsOf(s.fronts, s.facts)
	return s
}

// view is the table as the node of that name sees it.
type view struct {
	node  string
	self  route.Node
	zones map[string]string   // of nodes, by name
	nodes map[netip.Addr]bool // addresses of the others
}

func viewOf(t *route.Table, node string) view {
	self, _ := t.Node(node)
	v := view{node, self, make(map[string]string, len(t.Nodes)), make(map[netip.Addr]bool, len(t.Nodes))}
	for _, n := range t.Nodes {
		v.zones[n.Name], v.nodes[n.Address] = n.Zone, n.Name != node
	}
	return v
}

// frontsOf are where the Services are spoken to: at their virtual addresses, and from outside; and the limits of those at which not everybody may. Of two
// that claim one front the first has it.
func frontsOf(t *route.Table, node string) (all map[front]picks, limits map[front][]netip.Prefix) {
	all, limits = make(map[front]picks, len(t.Services)), map[front][]netip.Prefix{}
	v := viewOf(t, node)
	for _, s := range slices.Backward(t.Services) {
		for i, p := range slices.Backward(s.Ports) {
			proto := protocol(p.Protocol)
			if !s.IP.Is4() || proto == 0 {
				continue
			}
			all[front{s.IP.As4(), proto, p.Port}] = v.picksOf(s, i, s.Near)
			if outside := v.outside(p); len(outside) > 0 {
				picks := v.picksOf(s, i, s.NearOutside)
				for _, f := range outside {
					all[f], limits[f] = picks, s.Sources
				}
			}
		}
	}
	return all, limits
}

// limited are the fronts that have limits, and those.
func limited(limits map[front][]netip.Prefix) (fronts, sources []string) {
	for f, from := range limits {
		if len(from) == 0 {
			continue
		}
		key := string(f.encode())
		fronts = append(fronts, key)
		var spans [][2]uint32
		for _, p := range from {
			if p.Addr().Is4() {
				first, last := ends(p)
				spans = append(spans, [2]uint32{first, last})
			}
		}
		for _, r := range merged(spans) {
			sources = append(sources, key+string(address4(r[0]))+key+string(address4(r[1])))
		}
	}
	return sorted(fronts), sorted(sources)
}

// outside are the fronts of a port that are not virtual.
func (v view) outside(p route.Port) []front {
	all := v.shared(p)
	if p.NodePort != 0 {
		all = append(all, front{proto: protocol(p.Protocol), port: p.NodePort})
	}
	return all
}

// shared are those of them that the host may have for itself. At the address of another node they are that one's: only there it is known who listens.
func (v view) shared(p route.Port) (all []front) {
	f := front{proto: protocol(p.Protocol), port: p.Port}
	if p.Hosts && !v.self.Excluded {
		all = append(all, f)
	}
	for _, ip := range p.Outside {
		if ip.Is4() && !v.nodes[ip] {
			f.ip = ip.As4()
			all = append(all, f)
		}
	}
	return all
}

// sharedOf are those of all Services.
func (v view) sharedOf(t *route.Table) map[front]bool {
	all := map[front]bool{}
	for _, s := range t.Services {
		for _, p := range s.Ports {
			for _, f := range v.shared(p) {
				all[f] = true
			}
		}
	}
	return all
}

// picksOf are what connections to the Service's port of that index choose from. own: the node's own pods alone may be asked.
func (v view) picksOf(s route.Service, port int, own bool) picks {
	places := expand(v.targets(s, port, own))
	if len(places) == 0 {
		return picks{}
	}
	return picks{verdict{len(places), s.Holds}, places}
}

// targets are the nearest that the Service asks for.
func (v view) targets(s route.Service, port int, own bool) []route.Target {
	if own || s.PrefersNear {
		if near := s.On(v.node).Targets(port); own || len(near) > 0 {
			return near
		}
	}
	if s.PrefersZone && v.self.Zone != "" {
		if near := v.inZone(s).Targets(port); len(near) > 0 {
			return near
		}
	}
	return s.Targets(port)
}

// inZone is the Service with the endpoints of nodes of this one's zone alone.
func (v view) inZone(s route.Service) route.Service {
	s.Endpoints = slices.DeleteFunc(slices.Clone(s.Endpoints), func(e route.Endpoint) bool { return v.zones[e.Node] != v.self.Zone })
	return s
}

var protocols = map[byte]string{unix.IPPROTO_TCP: "tcp", unix.IPPROTO_UDP: "udp"}

// protocol is the one of that name, 0 where there is none.
func protocol(name string) byte {
	for number, is := range protocols {
		if is == name {
			return number
		}
	}
	return 0
}

// selves are the node's own pods that may be chosen for a connection of their own.
func selves(t *route.Table, node string) (all []string) {
	for _, s := range t.Services {
		for _, e := range s.Endpoints {
			if e.Node == node && e.Pod != "" && e.IP.Is4() && s.IP.IsValid() {
				all = append(all, string(e.IP.AsSlice())+string(e.IP.AsSlice()))
			}
		}
	}
	return sorted(all)
}

// strangers are the places that are no pods', by the protocol of their fronts.
func (s *state) strangers(t *route.Table) (all []string) {
	for _, service := range t.Services {
		for _, e := range service.Endpoints {
			if e.Pod != "" || !e.IP.Is4() || s.inRanges(place{ip: e.IP.As4()}) {
				continue
			}
			for i, p := range service.Ports[:min(len(service.Ports), len(e.Ports))] {
				all = append(all, string(front{e.IP.As4(), protocol(p.Protocol), e.Ports[i]}.encode()))
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
