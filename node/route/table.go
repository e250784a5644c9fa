// Package route says how traffic is to go: which virtual address leads to which pods, by which ports, and where the pods of each node are.
// Build makes a Table from what is wanted and what runs; each node side makes its host do as the table says. It does no I/O.
package route

import (
	"cmp"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Table is all that the node sides of one cluster route by. Each has the whole of it.
type Table struct {
	Number   uint64       // of two tables the one with the higher number is the newer; they have no two with one number and another content
	Pods     netip.Prefix // all of the cluster's pods, and
	Virtual  netip.Prefix // all virtual addresses are in these
	Domain   string       // of names: "cluster.local"
	Nodes    []Node       // sorted by name
	Services []Service    // sorted by namespace and name
	Policies *Policies    `json:",omitempty"` // nil where everybody may speak to everybody
	Doors    *Doors       `json:",omitempty"` // nil where there are none
}

// Node is a host with pods.
type Node struct {
	Name    string
	Host    string       // its identity (live.Host.ID)
	Address netip.Addr   `json:",omitzero"` // at which other nodes reach it; the zero address while nobody knows
	Range   netip.Prefix `json:",omitzero"` // of its pods; the zero prefix where it has no pod network. The first address is its own
	// Zone is where it stands; empty while nobody said. Excluded: Ports with Hosts are not at its addresses.
	Zone     string `json:",omitempty"`
	Excluded bool   `json:",omitempty"`
}

// Service is a name, and what it stands for.
type Service struct {
	Namespace, Name string
	IP              netip.Addr `json:",omitzero"`  // virtual; the zero address of a headless one
	External        string     `json:",omitempty"` // the outside name that it stands for; then it has neither address, ports nor endpoints
	Ports           []Port     `json:",omitempty"`
	Near            bool       `json:",omitempty"` // its address leads to endpoints of the same node alone, and
	NearOutside     bool       `json:",omitempty"` // so do ports of nodes, and addresses outside
	PrefersNear     bool       `json:",omitempty"` // all do where the node has some, and
	PrefersZone     bool       `json:",omitempty"` // else those of nodes of its zone, where there are some
	Holds           int        `json:",omitempty"` // seconds for which a client is sent to the endpoint that he was sent to last; 0: each connection to any
	// Sources are who may come by ports of nodes and addresses outside: what comes from others is dropped. None is everybody.
	Sources []netip.Prefix `json:",omitempty"`
	// Health is a port of nodes, for HTTP, at which each says whether it has endpoints of its own; 0 is none.
	Health uint16 `json:",omitempty"`
	// Endpoints are what gets its traffic, sorted by node and pod. Every one of them is ready, or asked to be published though it is not.
	Endpoints []Endpoint `json:",omitempty"`
}

// Port is one by which a Service is reached.
type Port struct {
	Name     string `json:",omitempty"`
	Protocol string // "tcp" or "udp"
	Port     uint16
	NodePort uint16 `json:",omitempty"` // at every node's addresses; 0 is none
	// Hosts: it is at every node's addresses as Port too, but for nodes on which the host itself listens there. What is the host's stays the host's.
	Hosts   bool         `json:",omitempty"`
	Outside []netip.Addr `json:",omitempty"` // further addresses at which it is Port, on every node; sorted
	App     string       `json:",omitempty"` // appProtocol
}

// Endpoint is a pod behind a Service, or an address that somebody wrote down, which is no pod's and mostly on no node.
type Endpoint struct {
	Pod, Node string
	IP        netip.Addr
	Ports     []uint16 // one for each of the Service's Ports: the pod's own, or 0 where it has none of that name
	Hostname  string   `json:",omitempty"` // by which a headless Service names it
	Weight    int      `json:",omitempty"` // its share beside others; 0 is 1
}

// HostPort is a port of a node, of a protocol, "tcp" or "udp". Its text is 80/tcp.
type HostPort struct {
	Port     uint16
	Protocol string
}

func (p HostPort) String() string { return strconv.Itoa(int(p.Port)) + "/" + p.Protocol }

// MarshalText is String.
func (p HostPort) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText takes what String gives.
func (p *HostPort) UnmarshalText(text []byte) error {
	number, protocol, _ := strings.Cut(string(text), "/")
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil || protocol != "tcp" && protocol != "udp" {
		return fmt.Errorf("%q is no port of a host, such as 80/tcp", text)
	}
	*p = HostPort{uint16(n), protocol}
	return nil
}

// Target is where a connection may be sent.
type Target struct {
	netip.AddrPort
	Weight int // at least 1
}

// Targets are where connections to the Service's port of that index are sent, in the order of its endpoints.
func (s Service) Targets(port int) (all []Target) {
	all = slices.Grow(all, len(s.Endpoints))
	for _, e := range s.Endpoints {
		if port < len(e.Ports) && e.Ports[port] != 0 {
			all = append(all, Target{netip.AddrPortFrom(e.IP, e.Ports[port]), max(1, e.Weight)})
		}
	}
	return all
}

// On is the Service with the endpoints of that node alone.
func (s Service) On(node string) Service {
	s.Endpoints = slices.DeleteFunc(slices.Clone(s.Endpoints), func(e Endpoint) bool { return e.Node != node })
	return s
}

// Same says whether both say the same, whatever their numbers.
func (t *Table) Same(o *Table) bool {
	if t == nil || o == nil {
		return t == o
	}
	a, b := *t, *o
	a.Number, b.Number = 0, 0
	return reflect.DeepEqual(a, b)
}

// Service is the Service of that name; nil when there is none.
func (t *Table) Service(namespace, name string) *Service {
	if t == nil {
		return nil
	}
	i, ok := slices.BinarySearchFunc(t.Services, [2]string{namespace, name}, func(s Service, key [2]string) int {
		return cmp.Or(strings.Compare(s.Namespace, key[0]), strings.Compare(s.Name, key[1]))
	})
	if !ok {
		return nil
	}
	return &t.Services[i]
}

// Node is the node of that name; ok is false when there is none.
func (t *Table) Node(name string) (n Node, ok bool) {
	i, ok := slices.BinarySearchFunc(t.Nodes, name, func(n Node, name string) int { return strings.Compare(n.Name, name) })
	if !ok {
		return Node{}, false
	}
	return t.Nodes[i], true
}

// Names says whether the table sends anything to the pod.
func (t *Table) Names(node, pod string) bool {
	for _, s := range t.Services {
		for _, e := range s.Endpoints {
			if e.Node == node && e.Pod == pod {
				return true
			}
		}
	}
	return false
}

// Gateway is the node's own address in its pods' network: their gateway, and where their names are answered.
func (n Node) Gateway() netip.Addr {
	if !n.Range.IsValid() {
		return netip.Addr{}
	}
	return n.Range.Masked().Addr().Next()
}
