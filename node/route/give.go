package route

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
)

// What is given to Services, addresses and ports of nodes, follows from their names, so that it is the same wherever it is thought out. Who has
// something keeps it, who asks for something gets it if nobody has it, and whoever is left gets what its name leads to, or the next that is free.

// First and last port of nodes that a Service may have.
const (
	FirstNodePort = 30000
	LastNodePort  = 32767
)

// seeker is one that is to have something. The zero T is none.
type seeker[T comparable] struct {
	key       string // of it alone
	service   string // whose it is
	had, asks T
}

// given is who has what, and why a Service has not what it asked for, or nothing.
type given[T comparable] struct {
	of  map[string]T
	why map[string]string
}

// give gives each seeker its own. What is given is called what; it may say why nobody can have one; find finds one that is not taken.
func give[T comparable](seekers []seeker[T], what string, may func(T) string, find func(key string, taken func(T) bool) (T, bool)) given[T] {
	g, owner := given[T]{of: map[string]T{}, why: map[string]string{}}, map[T]string{}
	var none T
	has := func(s seeker[T], v T) { g.of[s.key], owner[v] = v, s.service }
	for _, s := range seekers {
		if s.had != none && owner[s.had] == "" && (s.asks == none || s.asks == s.had) && may(s.had) == "" {
			has(s, s.had)
		}
	}
	for _, s := range seekers {
		if s.asks == none || g.of[s.key] == s.asks {
			continue
		}
		switch why, other := may(s.asks), owner[s.asks]; {
		case why != "":
			g.why[s.service] = fmt.Sprintf("%s %v %s; ask for another, or for none", what, s.asks, why)
		case other != "":
			g.why[s.service] = fmt.Sprintf("%s %v is %s's; ask for another, or for none", what, s.asks, other)
		default:
			has(s, s.asks)
		}
	}
	for _, s := range seekers {
		if _, done := g.of[s.key]; done || s.asks != none {
			continue
		}
		if v, ok := find(s.key, func(v T) bool { return owner[v] != "" }); ok {
			has(s, v)
		} else {
			g.why[s.service] = "no " + what + " is left for it"
		}
	}
	return g
}

// addresses gives each Service that wants one its virtual address. What another one had stays its own until no node serves that any more.
func addresses(w Want) given[netip.Addr] {
	had, lingers := map[string]netip.Addr{}, map[netip.Addr]string{}
	for _, t := range w.Served {
		for _, s := range t.Services {
			lingers[s.IP] = keyOf(s.Namespace, s.Name)
		}
	}
	if w.Before != nil {
		for _, s := range w.Before.Services {
			had[keyOf(s.Namespace, s.Name)] = s.IP
		}
	}
	var seekers []seeker[netip.Addr]
	for i := range w.Services {
		if s := &w.Services[i]; !s.Headless {
			key := keyOf(s.Namespace, s.Name)
			seekers = append(seekers, seeker[netip.Addr]{key, key, had[key], s.ClusterIP})
		}
	}
	may := func(ip netip.Addr) string {
		if in := w.Net.Virtual; !in.Contains(ip) || ip == in.Masked().Addr() || !in.Contains(ip.Next()) {
			return "is not one of those for Services, " + in.String()
		}
		return ""
	}
	return give(seekers, "clusterIP", may, func(key string, taken func(netip.Addr) bool) (netip.Addr, bool) {
		return Free(w.Net.Virtual, lowest(w.Net.Virtual), key, func(ip netip.Addr) bool {
			return taken(ip) || lingers[ip] != "" && lingers[ip] != key
		})
	})
}

func portKey(service string, port uint16, protocol string) string {
	return service + ":" + strconv.Itoa(int(port)) + "/" + protocol
}

// nodePorts gives each port of Services that want them a port of nodes.
func nodePorts(w Want) given[HostPort] {
	had := map[string]HostPort{}
	if w.Before != nil {
		for _, s := range w.Before.Services {
			for _, p := range s.Ports {
				had[portKey(keyOf(s.Namespace, s.Name), p.Port, p.Protocol)] = HostPort{p.NodePort, p.Protocol}
			}
		}
	}
	var seekers []seeker[HostPort]
	for i := range w.Services {
		s := &w.Services[i]
		for _, p := range s.Ports {
			if !s.NodePorts {
				continue
			}
			who := keyOf(s.Namespace, s.Name)
			one := seeker[HostPort]{key: portKey(who, p.Port, p.Protocol), service: who}
			if p.NodePort != 0 {
				one.asks = HostPort{p.NodePort, p.Protocol}
			}
			if was := had[one.key]; was.Port != 0 {
				one.had = was
			}
			seekers = append(seekers, one)
		}
	}
	may := func(HostPort) string { return "" }
	return give(seekers, "nodePort", may, func(key string, taken func(HostPort) bool) (HostPort, bool) {
		const size = LastNodePort - FirstNodePort + 1
		protocol := key[len(key)-3:]
		for i := range size {
			at := HostPort{uint16(FirstNodePort + (int(hash(key))+i)%size), protocol}
			if !taken(at) {
				return at, true
			}
		}
		return HostPort{}, false
	})
}

func hash(s string) uint32 {
	sum := sha256.Sum256([]byte(s))
	return binary.BigEndian.Uint32(sum[:4]) >> 1
}

// lowest is the index of the first virtual address that is given to a Service that asks for none: those below are left in a large range for
// those who ask for one by number.
func lowest(in netip.Prefix) uint32 {
	if Size(in) > 1<<12 {
		return 256
	}
	return 1
}

// Free is an address of the range, from the one of index low on, that is not taken: the same for the same key as long as that one is free. The last
// is nobody's.
func Free(in netip.Prefix, low uint32, key string, taken func(netip.Addr) bool) (netip.Addr, bool) {
	span := Size(in) - low - 1
	for i := range span {
		if ip := At(in, low+(hash(key)+i)%span); !taken(ip) {
			return ip, true
		}
	}
	return netip.Addr{}, false
}

// Size is how many addresses an IPv4 range has, at most 1<<31.
func Size(in netip.Prefix) uint32 { return 1 << min(31, 32-in.Bits()) }

// At is the address of that index in an IPv4 range.
func At(in netip.Prefix, i uint32) netip.Addr {
	b := in.Masked().Addr().As4()
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, binary.BigEndian.Uint32(b[:])+i)))
}
