package status

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
)

// atHost are the ports of the node that lead to one of a Service.
func atHost(p route.Port, n route.Node) (all []route.HostPort) {
	if p.NodePort != 0 {
		all = append(all, route.HostPort{Port: p.NodePort, Protocol: p.Protocol})
	}
	if p.Hosts && !n.Excluded || n.Address.IsValid() && slices.Contains(p.Outside, n.Address) {
		all = append(all, route.HostPort{Port: p.Port, Protocol: p.Protocol})
	}
	return all
}

// reachedAt are the addresses by which others reach the Service's ports as they are: those of hosts, but for hosts that keep all of them for themselves
// or serve nothing, and those outside. Sorted.
func (x Service) reachedAt(table *route.Table, nodes []live.Node) (all []netip.Addr) {
	keeps, apart := map[string][]route.HostPort{}, map[string]bool{}
	for _, n := range nodes {
		keeps[n.Name], apart[n.Name] = n.Side.Net.Keeps, n.Side.Net.None != ""
	}
	everywhere := x.Balanced && len(x.Outside) == 0
	for _, p := range x.Made.Ports {
		at := route.HostPort{Port: p.Port, Protocol: p.Protocol}
		for _, n := range table.Nodes {
			here := everywhere && (p.Hosts && !n.Excluded || p.NodePort == p.Port) || slices.Contains(p.Outside, n.Address)
			if here && n.Address.IsValid() && !apart[n.Name] && !slices.Contains(keeps[n.Name], at) {
				all = append(all, n.Address)
			}
		}
		for _, ip := range p.Outside {
			if !slices.ContainsFunc(table.Nodes, func(n route.Node) bool { return n.Address == ip }) {
				all = append(all, ip)
			}
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}

// keptBy says which hosts listen at ports themselves that the Service asks of them.
func (x Service) keptBy(table *route.Table, nodes []live.Node) (all []string) {
	by := map[route.HostPort][]string{}
	var ports []route.HostPort
	for _, n := range nodes {
		at, there := table.Node(n.Name)
		if !there || len(n.Side.Net.Keeps) == 0 {
			continue
		}
		asked := []route.HostPort{{Port: x.Made.Health, Protocol: "tcp"}}
		for _, p := range x.Made.Ports {
			asked = append(asked, atHost(p, at)...)
		}
		for _, p := range asked {
			if slices.Contains(n.Side.Net.Keeps, p) {
				if by[p] == nil {
					ports = append(ports, p)
				}
				by[p] = append(by[p], n.Name)
			}
		}
	}
	for _, p := range ports {
		switch hosts := by[p]; {
		case len(hosts) == 1:
			all = append(all, fmt.Sprintf("host %s listens at %s itself: what comes there is the host's", hosts[0], p))
		default:
			all = append(all, fmt.Sprintf("hosts %s listen at %s themselves: what comes there is the hosts'", few(hosts), p))
		}
	}
	return all
}

// few are names, or how many more there are.
func few(names []string) string {
	if extra := len(names) - shown; extra > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), extra)
	}
	return strings.Join(names, ", ")
}

// external is as kubectl has EXTERNAL-IP.
func (x Service) external() string {
	var all []string
	for _, ip := range x.Reached {
		all = append(all, ip.String())
	}
	return dash(few(all))
}

// ingress is where the Service of type LoadBalancer is reached.
func (x Service) ingress() (all []corev1.LoadBalancerIngress) {
	if !x.Balanced {
		return nil
	}
	for _, ip := range x.Reached {
		all = append(all, corev1.LoadBalancerIngress{IP: ip.String()})
	}
	return all
}

// waysIn are the ways by which a Service is reached from outside, as "80/tcp on all hosts".
func waysIn(s *route.Service, t *route.Table) (all []string) {
	if s == nil {
		return nil
	}
	add := func(port uint16, protocol, where string) {
		all = append(all, route.HostPort{Port: port, Protocol: protocol}.String()+" "+where)
	}
	const everywhere = "on all hosts"
	apart := ""
	for _, n := range t.Nodes {
		if n.Excluded {
			apart += ", " + n.Name
		}
	}
	if apart != "" {
		apart = " but " + apart[2:]
	}
	for _, p := range s.Ports {
		if p.Hosts {
			add(p.Port, p.Protocol, everywhere+apart)
		}
		if p.NodePort != 0 {
			add(p.NodePort, p.Protocol, everywhere)
		}
		for _, ip := range p.Outside {
			add(p.Port, p.Protocol, "at "+ip.String())
		}
	}
	if s.Health != 0 {
		add(s.Health, "tcp", everywhere)
	}
	return all
}

// opens says what a plan opens and closes to others, and whom it lets in.
func opens(w World, had, has *route.Service) (all []string) {
	was, is := waysIn(had, w.Plan.Before), waysIn(has, w.Plan.Table)
	without := func(some, other []string) string {
		return strings.Join(kept(some, func(d string) bool { return !slices.Contains(other, d) }), ", ")
	}
	guests := ""
	if has != nil {
		guests = guestsOf(*has)
	}
	switch opened := without(is, was); {
	case opened != "" && guests != "":
		all = append(all, "opens "+opened+", to "+guests+" alone")
	case opened != "":
		all = append(all, "opens "+opened)
	case len(is) > 0 && had != nil && guestsOf(*had) != guests:
		if guests == "" {
			guests = "everybody"
		}
		all = append(all, "lets in "+guests)
	}
	if closed := without(was, is); closed != "" {
		all = append(all, "closes "+closed)
	}
	return all
}

// denied says whether a Service asks to be reached somewhere outside where it is not.
func denied(s manifest.Service, has route.Service) bool {
	return slices.ContainsFunc(has.Ports, func(p route.Port) bool {
		everywhere := s.Balanced && len(s.Outside) == 0
		return everywhere && !p.Hosts && p.NodePort != p.Port || len(p.Outside) < len(s.Outside)
	})
}

// guestsOf are those who may come from outside; empty where everybody may.
func guestsOf(s route.Service) string {
	var all []string
	for _, r := range s.Sources {
		all = append(all, r.String())
	}
	return strings.Join(all, ", ")
}
