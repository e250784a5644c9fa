package route

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/podkeep/podkeep/manifest"
)

// Who is reached at which port of hosts, and at which addresses outside. At the addresses of hosts a port is one Service's, and some are the hosts' own.
// An address outside that is no node's has to be in a range that whoever runs podkeep named: else whoever may write a Service could have the hosts
// lead away what is sent to anybody (CVE-2020-8554).

// What a port of hosts is called that a Service asks for.
const (
	aNodePort   = "nodePort"
	aHostsPort  = "hosts' port"
	aHealthPort = "healthCheckNodePort"
)

func healthKey(service string) string { return service + ":health/tcp" }

func hostsKey(port string) string { return port + " of hosts" }

// hostPorts gives each port of Services that want them a port of nodes, and those of type LoadBalancer their own at the addresses of all hosts.
func hostPorts(w Want) given[HostPort] {
	had, held := portsBefore(w.Before), w.heldOutside()
	var all []seeker[HostPort]
	add := func(key, service, what string, asks HostPort) {
		s := seeker[HostPort]{key: key, service: service, what: what, had: had[key], asks: asks, instead: "ask for another, or for none"}
		if what == aHostsPort {
			s.instead = "ask for another, or for an address with loadBalancerIP"
		}
		all = append(all, s)
	}
	asked := func(port uint16, protocol string) HostPort {
		if port == 0 {
			return HostPort{}
		}
		return HostPort{port, protocol}
	}
	for i := range w.Services {
		s := &w.Services[i]
		who := keyOf(s.Namespace, s.Name)
		for _, p := range s.Ports {
			key := portKey(who, p.Port, p.Protocol)
			if s.NodePorts || p.NodePort != 0 {
				add(key, who, aNodePort, asked(p.NodePort, p.Protocol))
			}
			if s.Balanced && len(s.Outside) == 0 && p.Port != p.NodePort {
				add(hostsKey(key), who, aHostsPort, HostPort{p.Port, p.Protocol})
			}
		}
		if s.Health {
			add(healthKey(who), who, aHealthPort, asked(s.HealthPort, "tcp"))
		}
	}
	may := func(service string, p HostPort) string {
		if other := held[p]; other != "" && other != service {
			return "is " + other + "'s at the address of a host"
		}
		return w.ownOrDoors(p)
	}
	return give(all, may, func(key string, taken func(HostPort) bool) (HostPort, bool) {
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

// portsBefore are the ports of hosts that Services had, by who asks for them.
func portsBefore(t *Table) map[string]HostPort {
	had := map[string]HostPort{}
	if t == nil {
		return had
	}
	for _, s := range t.Services {
		who := keyOf(s.Namespace, s.Name)
		for _, p := range s.Ports {
			key := portKey(who, p.Port, p.Protocol)
			if p.NodePort != 0 {
				had[key] = HostPort{p.NodePort, p.Protocol}
			}
			if p.Hosts {
				had[hostsKey(key)] = HostPort{p.Port, p.Protocol}
			}
		}
		if s.Health != 0 {
			had[healthKey(who)] = HostPort{s.Health, "tcp"}
		}
	}
	return had
}

// own is why a port is the hosts' own; empty where it is not.
func (w Want) own(p HostPort) string {
	switch {
	case p == HostPort{manifest.SSHPort, "tcp"}:
		return "is the hosts' own, for SSH"
	case p == HostPort{TunnelPort, "udp"}:
		return "is the hosts' own, for the tunnel between them"
	case p.Protocol == "tcp" && slices.Contains(w.Reach, p.Port):
		return "is a port by which podkeep reaches a host"
	}
	return ""
}

// ownOrDoors is why a port is the hosts' own, or one that doors had before anybody asked for it; empty where it is neither.
func (w Want) ownOrDoors(p HostPort) string {
	if w.Doors != nil && w.Before != nil && w.Before.Doors != nil && p.Protocol == "tcp" &&
		slices.ContainsFunc(w.Before.Doors.Ports, func(had DoorPort) bool { return had.Port == p.Port }) {
		return "is one at which doors serve"
	}
	return w.own(p)
}

// place is a port at an address outside.
type place struct {
	IP netip.Addr
	HostPort
}

func (p place) String() string { return fmt.Sprintf("%s at %s", p.HostPort, p.IP) }

func placeKey(service string, p place) string { return service + ":" + p.String() }

// outside gives Services the addresses outside that they ask for, port by port.
func outside(w Want, ports given[HostPort]) given[place] {
	var all []seeker[place]
	refused := map[string]string{}
	for i := range w.Services {
		s := &w.Services[i]
		who := keyOf(s.Namespace, s.Name)
		before := w.Before.Service(s.Namespace, s.Name)
		for _, ip := range s.Outside {
			if why := w.forbids(ip); why != "" {
				refused[who] = joined(refused[who], fmt.Sprintf("%s %s %s", calledOutside(s), ip, why))
				continue
			}
			for _, p := range s.Ports {
				at := place{ip, HostPort{p.Port, p.Protocol}}
				one := seeker[place]{key: placeKey(who, at), service: who, what: "port", instead: "ask for another port, or another address", asks: at}
				if before.isAt(at) {
					one.had = at
				}
				all = append(all, one)
			}
		}
	}
	may := func(service string, at place) string {
		n := w.nodeAt(at.IP)
		if n == nil {
			return ""
		}
		if of := ports.owner[at.HostPort]; of.service != "" && of.service != service && (of.what != aHostsPort || !n.Excluded) {
			return "is " + of.service + "'s at all hosts"
		}
		return w.ownOrDoors(at.HostPort)
	}
	made := give(all, may, nil)
	for who, why := range refused {
		made.why[who] = joined(why, made.why[who])
	}
	return made
}

func calledOutside(s *manifest.Service) string {
	if s.Balanced {
		return "load balancer's address"
	}
	return "externalIP"
}

// forbids is why no Service may have an address outside; empty where one may.
func (w Want) forbids(ip netip.Addr) string {
	inside := func(r netip.Prefix) bool { return r.IsValid() && r.Contains(ip) }
	switch {
	case inside(w.Net.Pods), slices.ContainsFunc(w.Nodes, func(n Node) bool { return inside(n.Range) }):
		return "is one of the pods' own; ask for a node's"
	case inside(w.Net.Virtual):
		return "is one of the Services' own; ask for it as clusterIP, or for a node's"
	case w.nodeAt(ip) == nil && !slices.ContainsFunc(w.Net.Outside, inside):
		return fmt.Sprintf("is no node's, and not in --external-cidr; ask for a node's, or begin podkeep with --external-cidr=%s/32", ip)
	}
	return ""
}

// nodeAt is the node that others reach at an address; nil where none is.
func (w Want) nodeAt(ip netip.Addr) *Node {
	for i := range w.Nodes {
		if w.Nodes[i].Address == ip {
			return &w.Nodes[i]
		}
	}
	return nil
}

// heldOutside are the ports at addresses of nodes that Services had, and ask for still.
func (w Want) heldOutside() map[HostPort]string {
	held := map[HostPort]string{}
	for i := range w.Services {
		s := &w.Services[i]
		if len(s.Outside) == 0 {
			continue
		}
		before := w.Before.Service(s.Namespace, s.Name)
		for _, ip := range s.Outside {
			n := w.nodeAt(ip)
			for _, p := range s.Ports {
				if at := (place{ip, HostPort{p.Port, p.Protocol}}); n != nil && !n.Excluded && before.isAt(at) {
					held[at.HostPort] = keyOf(s.Namespace, s.Name)
				}
			}
		}
	}
	return held
}

// isAt says whether the Service is reached at a port of an address outside.
func (s *Service) isAt(at place) bool {
	return s != nil && slices.ContainsFunc(s.Ports, func(p Port) bool {
		return p.Port == at.Port && p.Protocol == at.Protocol && slices.Contains(p.Outside, at.IP)
	})
}

// at are the addresses outside that a port of the Service was given.
func at(g given[place], s *manifest.Service, p manifest.ServicePort) (all []netip.Addr) {
	for _, ip := range s.Outside {
		if _, has := g.of[placeKey(keyOf(s.Namespace, s.Name), place{ip, HostPort{p.Port, p.Protocol}})]; has {
			all = append(all, ip)
		}
	}
	return all
}
