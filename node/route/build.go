package route

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/podkeep/podkeep/manifest"
)

// Want is what a table is made of.
type Want struct {
	Net      manifest.Net
	Nodes    []Node             // sorted by name
	Services []manifest.Service // sorted by namespace and name
	Pods     []Pod
	// Reach are TCP ports by which podkeep reaches hosts: there no Service has them.
	Reach []uint16
	// Alone are Services that lead to pods of one revision alone, by namespace and name with a "/" between.
	Alone map[string]Alone
	// Carried are endpoints on nodes that nobody has looked at yet, as the table before has them.
	Carried  []Carried
	Policies *Policies
	Before   *Table    // the newest that is in force; nil when there is none
	Doors    *DoorWant // what doors are to serve; nil where there are none
	Served   []*Table  // all that are in force somewhere: addresses that they name are not given to others yet
}

// Alone is a revision of a workload.
type Alone struct {
	App manifest.ID
	Rev string
}

// State says whether requests may be sent to a pod.
type State int

// States of a pod, from the worst to the best.
const (
	Unreached State = iota // never: it has no address in the cluster's network
	Unready                // not, but for a Service that publishes those too
	Doubtful               // it may not answer: it is sent something when no other is Ready
	Ready
)

// Pod is one that a Service may choose. One that was told to stop, or is to be, is none.
type Pod struct {
	Namespace, Name, Node string
	IP                    netip.Addr
	Labels                map[string]string
	Ports                 map[string]string // named ports: "8080/tcp" by name
	Hostname, Subdomain   string
	Of                    Alone
	State                 State
}

// Carried is an endpoint of a Service that is known from the table before alone.
type Carried struct {
	Namespace, Service string
	Endpoint
	State State
}

// Built is what is said of one Service.
type Built struct {
	ID       manifest.ID
	Selected int    // pods that its selector chooses
	Sent     int    // of them, those that requests are sent to
	Why      string // what of it is not served as it asks, or why nobody answers; empty when all is well
}

// Build makes the table, but for its number, and says of each Service, and of each object that doors serve, what came of it. A Service keeps the addresses that the table before gave it;
// another one's are never given to it while they are served.
func Build(w Want) (Table, []Built, []Doored) {
	t := Table{Pods: w.Net.Pods, Virtual: w.Net.Virtual, Domain: w.Net.Domain, Nodes: w.Nodes, Policies: w.Policies}
	ips, ports, index := addresses(w), hostPorts(w), indexed(w.Pods)
	places := outside(w, ports)
	var built []Built
	for i := range w.Services {
		s := &w.Services[i]
		key := keyOf(s.Namespace, s.Name)
		b := Built{ID: s.ID, Why: joined(ips.why[key], ports.why[key], places.why[key])}
		if !s.Headless && !ips.of[key].IsValid() {
			built = append(built, b)
			continue
		}
		made := Service{Namespace: s.Namespace, Name: s.Name, IP: ips.of[key], External: s.External, Near: s.Near, NearOutside: s.NearOutside, PrefersNear: s.PrefersNear, PrefersZone: s.PrefersZone, Holds: s.Holds}
		made.Sources, made.Health = s.Sources, ports.of[healthKey(key)].Port
		for _, p := range s.Ports {
			port := portKey(key, p.Port, p.Protocol)
			made.Ports = append(made.Ports, Port{
				Name: p.Name, Protocol: p.Protocol, Port: p.Port, NodePort: ports.of[port].Port, Hosts: ports.of[hostsKey(port)].Port != 0, Outside: at(places, s, p), App: p.AppProtocol,
			})
		}
		why := ""
		if len(s.Selector) == 0 {
			made.Endpoints, b.Selected = w.fixed(s), len(s.Fixed)
			why = w.unled(s, made)
		} else {
			chosen := index.chosen(s)
			if alone, is := w.Alone[key]; is {
				chosen = slices.DeleteFunc(chosen, func(p *Pod) bool { return p.Of != alone })
			}
			made.Endpoints, b.Selected = w.endpoints(s, chosen), len(chosen)
			why = unanswered(s, chosen, made)
		}
		b.Sent, b.Why = len(made.Endpoints), cmp.Or(b.Why, why)
		t.Services, built = append(t.Services, made), append(built, b)
	}
	var doored []Doored
	t.Doors, doored = w.doors(&t)
	return t, built, doored
}

func keyOf(namespace, name string) string { return namespace + "/" + name }

// ChoosesNone is why nobody answers for a Service whose selector chooses no pod.
const ChoosesNone = "its selector chooses no pod"

// unanswered is why nobody answers, or one of the ports.
func unanswered(s *manifest.Service, chosen []*Pod, made Service) string {
	apart := 0
	for _, p := range chosen {
		if p.State == Unreached {
			apart++
		}
	}
	switch {
	case apart > 0:
		return fmt.Sprintf("%d of the %d pods that it chooses have no address in the cluster's network", apart, len(chosen))
	case len(made.Endpoints) > 0:
		for i, p := range s.Ports {
			if len(made.Targets(i)) == 0 {
				return fmt.Sprintf("no pod has a port called %s, the targetPort of port %d", p.Target.StrVal, p.Port)
			}
		}
		return ""
	case len(chosen) == 0:
		return ChoosesNone
	}
	return fmt.Sprintf("none of the %d pods that it chooses is ready", len(chosen))
}

// candidate is an endpoint that may be sent requests.
type candidate struct {
	Endpoint
	State
}

// endpoints are those pods that requests are sent to.
func (w Want) endpoints(s *manifest.Service, chosen []*Pod) (all []Endpoint) {
	var found []candidate
	for _, p := range chosen {
		e := Endpoint{Pod: p.Name, Node: p.Node, IP: p.IP, Ports: PortsOf(s, p.Ports)}
		if p.Subdomain == s.Name {
			e.Hostname = p.Hostname
		}
		found = append(found, candidate{e, p.State})
	}
	for _, c := range w.Carried {
		if c.Namespace == s.Namespace && c.Service == s.Name && len(c.Ports) == len(s.Ports) {
			found = append(found, candidate{c.Endpoint, c.State})
		}
	}
	all = best(s, found)
	slices.SortFunc(all, func(a, b Endpoint) int { return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Pod, b.Pod)) })
	return all
}

// best are those that requests are sent to: what is ready, and when nothing is, what may be.
func best(s *manifest.Service, found []candidate) (all []Endpoint) {
	best := Unready
	for _, c := range found {
		best = max(best, c.State)
	}
	for _, c := range found {
		if c.State > Unreached && s.PublishNotReady || c.State == best && best > Unready {
			all = append(all, c.Endpoint)
		}
	}
	return all
}

// PortsOf are a pod's own ports behind each of the Service's, 0 where it has none; named are its named ports, "8080/tcp" by name.
func PortsOf(s *manifest.Service, named map[string]string) []uint16 {
	ports := make([]uint16, len(s.Ports))
	for i, port := range s.Ports {
		if port.Target.Type == intstr.Int {
			ports[i] = uint16(port.Target.IntVal)
			continue
		}
		number, protocol, _ := strings.Cut(named[port.Target.StrVal], "/")
		if n, err := strconv.ParseUint(number, 10, 16); err == nil && protocol == port.Protocol {
			ports[i] = uint16(n)
		}
	}
	return ports
}

// crowd finds the pods that a selector chooses without asking each.
type crowd map[[3]string][]*Pod // by namespace, and one of their labels

func indexed(pods []Pod) crowd {
	c := crowd{}
	for i := range pods {
		for k, v := range pods[i].Labels {
			key := [3]string{pods[i].Namespace, k, v}
			c[key] = append(c[key], &pods[i])
		}
	}
	return c
}

// chosen are the pods that the Service's selector chooses.
func (c crowd) chosen(s *manifest.Service) (all []*Pod) {
	var fewest []*Pod
	first := true
	for k, v := range s.Selector {
		if with := c[[3]string{s.Namespace, k, v}]; first || len(with) < len(fewest) {
			fewest, first = with, false
		}
	}
	for _, p := range fewest {
		if Has(p.Labels, s.Selector) {
			all = append(all, p)
		}
	}
	return all
}

// Has says whether a pod with those labels has all that a selector asks for. An empty selector chooses nothing.
func Has(labels, selector map[string]string) bool {
	for k, v := range selector {
		if have, ok := labels[k]; !ok || have != v {
			return false
		}
	}
	return len(selector) > 0
}
