package route

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
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
	what      string // it is called, and
	instead   string // what to do where it cannot be had
	had, asks T
}

// given is who has what, and why a Service has not what it asked for, or nothing.
type given[T comparable] struct {
	of    map[string]T
	owner map[T]seeker[T]
	why   map[string]string
}

// give gives each seeker its own. It may say why a Service cannot have one; find finds one that is not taken.
func give[T comparable](seekers []seeker[T], may func(service string, v T) string, find func(key string, taken func(T) bool) (T, bool)) given[T] {
	g := given[T]{of: map[string]T{}, owner: map[T]seeker[T]{}, why: map[string]string{}}
	var none T
	has := func(s seeker[T], v T) { g.of[s.key], g.owner[v] = v, s }
	for _, s := range seekers {
		if s.had != none && g.owner[s.had].service == "" && (s.asks == none || s.asks == s.had) && may(s.service, s.had) == "" {
			has(s, s.had)
		}
	}
	lacks := func(s seeker[T], why string) {
		g.why[s.service] = joined(g.why[s.service], fmt.Sprintf("%s %v %s; %s", s.what, s.asks, why, s.instead))
	}
	for _, s := range seekers {
		if s.asks == none || g.of[s.key] == s.asks {
			continue
		}
		switch why, other := may(s.service, s.asks), g.owner[s.asks].service; {
		case why != "":
			lacks(s, why)
		case other != "":
			lacks(s, "is "+other+"'s")
		default:
			has(s, s.asks)
		}
	}
	for _, s := range seekers {
		if _, done := g.of[s.key]; done || s.asks != none {
			continue
		}
		if v, ok := find(s.key, func(v T) bool { return g.owner[v].service != "" || may(s.service, v) != "" }); ok {
			has(s, v)
		} else {
			g.why[s.service] = joined(g.why[s.service], "no "+s.what+" is left for it")
		}
	}
	return g
}

// joined are sentences in one, without the empty ones.
func joined(some ...string) string {
	return strings.Join(slices.DeleteFunc(some, func(s string) bool { return s == "" }), "; ")
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
			seekers = append(seekers, seeker[netip.Addr]{key, key, "clusterIP", "ask for another, or for none", had[key], s.ClusterIP})
		}
	}
	may := func(_ string, ip netip.Addr) string {
		if in := w.Net.Virtual; !in.Contains(ip) || ip == in.Masked().Addr() || !in.Contains(ip.Next()) {
			return "is not one of those for Services, " + in.String()
		}
		return ""
	}
	return give(seekers, may, func(key string, taken func(netip.Addr) bool) (netip.Addr, bool) {
		return Free(w.Net.Virtual, lowest(w.Net.Virtual), key, func(ip netip.Addr) bool {
			return taken(ip) || lingers[ip] != "" && lingers[ip] != key
		})
	})
}

func portKey(service string, port uint16, protocol string) string {
	return service + ":" + strconv.Itoa(int(port)) + "/" + protocol
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
