package route

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/podkeep/podkeep/manifest"
)

// fixed are the endpoints of a Service that chooses no pods: the addresses that somebody wrote down for it. Who has one, and whether he answers, is
// not asked.
func (w Want) fixed(s *manifest.Service) []Endpoint {
	var found []candidate
	for _, f := range s.Fixed {
		c := candidate{Endpoint{IP: f.IP, Ports: make([]uint16, len(s.Ports))}, Unready}
		switch {
		case w.Net.Virtual.Contains(f.IP): // that would be a Service behind a Service, and no connection is led on twice
			continue
		case f.Ready:
			c.State = Ready
		case f.Ending:
			c.State = Doubtful
		}
		for _, n := range w.Nodes {
			if n.Name == f.Node || f.Node == "" && n.Range.Contains(f.IP) { // a pod that is sent to itself is, as behind any Service
				c.Node = n.Name
			}
		}
		if s.Headless {
			c.Hostname = f.Hostname
		}
		for i, p := range s.Ports {
			c.Ports[i] = f.Ports[p.Name+"/"+p.Protocol]
		}
		found = append(found, c)
	}
	return together(best(s, found))
}

// together are endpoints in order, each port of an address once: several may be written down for one, each with ports of its own.
func together(all []Endpoint) (out []Endpoint) {
	slices.SortFunc(all, func(a, b Endpoint) int { return cmp.Or(byPlace(a, b), slices.Compare(a.Ports, b.Ports)) })
	first := 0 // of that address
	for i, e := range all {
		if i == 0 || byPlace(all[i-1], e) != 0 {
			first = len(out)
			out = append(out, e.without())
		}
		for k, port := range e.Ports {
			if port == 0 {
				continue
			}
			at := first
			for ; at < len(out) && out[at].Ports[k] != 0 && out[at].Ports[k] != port; at++ {
			}
			if at == len(out) {
				out = append(out, e.without())
			}
			out[at].Ports[k] = port
		}
	}
	return out
}

// without is the endpoint without a port.
func (e Endpoint) without() Endpoint {
	e.Ports = make([]uint16, len(e.Ports))
	return e
}

func byPlace(a, b Endpoint) int {
	return cmp.Or(cmp.Compare(a.Node, b.Node), a.IP.Compare(b.IP), cmp.Compare(a.Hostname, b.Hostname))
}

// unled is why nobody answers, or one of the ports, or what is amiss with an address.
func (w Want) unled(s *manifest.Service, made Service) string {
	switch {
	case s.External != "":
		return ""
	case len(s.Fixed) == 0:
		return fmt.Sprintf("it has no selector, and no EndpointSlice with the label kubernetes.io/service-name: %s says where it leads", s.Name)
	}
	first := func(in netip.Prefix) string {
		for _, f := range s.Fixed {
			if in.Contains(f.IP) {
				return fmt.Sprintf("%s, %s,", f.IP, f.From.Origin)
			}
		}
		return ""
	}
	if ip := first(w.Net.Virtual); ip != "" {
		return ip + " is a Service's address and is left out: a Service leads to no other one"
	}
	if len(made.Endpoints) == 0 {
		return fmt.Sprintf("none of the %d addresses that are written down for it is ready", len(s.Fixed))
	}
	for i, p := range s.Ports {
		if len(made.Targets(i)) == 0 {
			return fmt.Sprintf("port %d leads nowhere: nothing that is written down for it has a port of the name %q, %s", p.Port, p.Name, strings.ToUpper(p.Protocol))
		}
	}
	if ip := first(w.Net.Pods); ip != "" {
		return ip + " is a pod's address, and the pod that comes next has another: write a selector"
	}
	return ""
}
