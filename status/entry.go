package status

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
)

// Entry is an Ingress, GatewayClass, Gateway or HTTPRoute that is asked for, and what becomes of it at the doors of hosts.
type Entry struct {
	manifest.Meta
	Doored         route.Doored // what came of it; of its conditions none is about what doors have in force
	Nodes, InForce int          // nodes whose door is to serve it, of those that answer, and those that do
	Reached        []netip.Addr // addresses of nodes at which some port of it is open, or is to be. Sorted
	Whys           []string     // all that is not as it asks
	Lags           []string     // which nodes do not serve it so yet, and why

	object  runtime.Object
	leads   []lead             // of an Ingress or an HTTPRoute
	ports   []uint16           // sorted
	denied  map[uint16]denials // by port
	decided bool               // Doored says what came of it
}

// denials are why doors do not have a port, with the nodes on which it is so.
type denials map[string][]string

// entries are those that are asked for: Ingresses, GatewayClasses, Gateways, HTTPRoutes, each kind sorted. While no table can be made, they are as the
// newest in force has them.
func entries(w World) (all []Entry) {
	want := w.History.Want()
	if len(want.Ingresses)+len(want.GatewayClasses)+len(want.Gateways)+len(want.HTTPRoutes) == 0 {
		return nil
	}
	came := map[manifest.ID]route.Doored{}
	for _, d := range w.Plan.Doored {
		came[manifest.ID{Kind: d.Kind, Namespace: d.Namespace, Name: d.Name}] = d
	}
	at := doorsOf(w)
	add := func(m manifest.Meta, o runtime.Object) {
		d, decided := came[m.ID]
		x := Entry{Meta: m, Doored: d, decided: decided, object: o, leads: at.leads[m.ID.String()], denied: map[uint16]denials{}}
		x.place(at)
		x.serve(at)
		all = append(all, x)
	}
	for _, o := range want.Ingresses {
		add(o.Meta, o.Object)
	}
	for _, o := range want.GatewayClasses {
		add(o.Meta, o.Object)
	}
	for _, o := range want.Gateways {
		add(o.Meta, o.Object)
	}
	for _, o := range want.HTTPRoutes {
		add(o.Meta, o.Object)
	}
	return all
}

// place finds the ports at which it is served; and under which names, where nobody has decided that anew.
func (x *Entry) place(at atDoors) {
	for _, l := range x.leads {
		x.ports = append(x.ports, l.port)
		if x.decided {
			continue
		}
		x.Doored.Ours, x.Doored.Hosts = true, append(x.Doored.Hosts, nameOf(l.host.Name))
		if l.tls {
			x.Doored.Secure = append(x.Doored.Secure, nameOf(l.host.Name))
		}
	}
	for _, l := range x.listeners() {
		if hasPort(at.want, uint16(l.Port)) {
			x.ports = append(x.ports, uint16(l.Port))
		}
	}
	for _, list := range []*[]string{&x.Doored.Hosts, &x.Doored.Secure} {
		*list = slices.Clone(*list)
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	slices.Sort(x.ports)
	x.ports = slices.Compact(x.ports)
}

// serve finds the nodes whose doors do as it says, and all that stands in its way.
func (x *Entry) serve(at atDoors) {
	x.Whys = append(notEmpty(x.Held), x.Doored.Why...)
	for _, l := range x.leads {
		if why := l.rule.Why; why != "" && !slices.ContainsFunc(x.Whys, func(s string) bool { return strings.Contains(s, why) }) {
			x.Whys = append(x.Whys, l.requests()+": "+why)
		}
	}
	switch {
	case x.decided && !x.Doored.Ours:
		if len(x.Whys) == 0 {
			x.Whys = []string{"is of a class of another controller's"}
		}
		return
	case !x.decided && at.Plan.Unrouted != "" && len(x.ports) == 0:
		x.Whys = append(x.Whys, unrouted(at.World))
		return
	case !x.decided && at.Plan.Unrouted == "":
		x.Whys = append(x.Whys, "not served: no doors are wanted on hosts")
		return
	case len(x.ports) == 0:
		return
	}
	late, lacks := denials{}, denials{}
	for _, n := range at.nodes {
		switch {
		case n.why != "":
			late.add(n.why, n.name)
		case !n.same && !x.same(n):
			late.add("", n.name)
		default:
			x.at(n, late, lacks)
		}
	}
	x.Nodes, x.Reached = len(at.nodes), x.reachedAt(at.table())
	for _, port := range x.ports {
		x.Whys = append(x.Whys, x.denied[port].lines(fmt.Sprintf("port %d on ", port))...)
	}
	x.Whys = append(append(x.Whys, lacks.lines("not so on ")...), x.empty(at.table())...)
	x.Lags = late.lines("not so yet on ")
	switch {
	case x.Nodes == 0:
		x.Whys = append(x.Whys, "no node that is to have a door answers")
	case x.InForce == 0 && len(late) > 0:
		x.Whys = append(x.Whys, "no node serves it yet")
	}
}

// at is what the door of a node, which has the table in force, does for it.
func (x *Entry) at(n doorNode, late, lacks denials) {
	whole := true
	for _, port := range x.ports {
		what := fmt.Sprintf("port %d", port)
		switch why, open := troubleOf(n.door, what), slices.Contains(n.door.Ports, port); {
		case open && why != "": // at some address of the host
			lacks.add(what+": "+why, n.name)
		case open:
		case why == "":
			whole = false
			late.add("its door does not listen at "+what, n.name)
		default:
			whole = false
			if x.denied[port] == nil {
				x.denied[port] = denials{}
			}
			x.denied[port].add(why, n.name)
		}
	}
	for _, key := range x.keys() {
		if why := troubleOf(n.door, key); why != "" {
			lacks.add(inWords(key+": "+why), n.name)
		}
	}
	if whole {
		x.InForce++
	}
}

// empty says which Services that it leads to have nobody who answers.
func (x *Entry) empty(table *route.Table) (all []string) {
	for _, l := range x.leads {
		for _, b := range l.rule.To {
			if s := table.Service(b.Namespace, b.Service); b.Status == 0 && b.Weight > 0 && s != nil && len(s.Endpoints) == 0 {
				all = append(all, "nobody is ready behind "+serviceOf(b, x.Namespace)+": its share is answered 503")
			}
		}
	}
	return distinct(all)
}

// troubleOf is why a door does not have a thing of the table; empty where it has.
func troubleOf(door live.Door, thing string) string {
	for _, t := range door.Troubles {
		if why, is := strings.CutPrefix(t, thing+": "); is {
			return why
		}
	}
	return ""
}

// keys are the certificates and passwords that it needs, sorted.
func (x *Entry) keys() (all []string) {
	for _, l := range x.leads {
		all = append(all, notEmpty(l.host.Key, l.rule.Users)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// same says whether the doors of a node do for it what they are to.
func (x *Entry) same(n doorNode) bool {
	if len(x.leads) > 0 {
		return slices.EqualFunc(n.leads[x.ID.String()], x.leads, lead.equal)
	}
	return !slices.ContainsFunc(x.ports, func(p uint16) bool { return !hasPort(n.has, p) })
}

// reachedAt are the addresses of nodes that do not lack all of its ports.
func (x *Entry) reachedAt(table *route.Table) []netip.Addr {
	all := slices.Clone(x.Doored.Addresses)
	if len(all) == 0 {
		for _, name := range table.Doors.Nodes {
			if n, _ := table.Node(name); n.Address.IsValid() {
				all = append(all, n.Address)
			}
		}
	}
	for _, n := range table.Nodes {
		if !slices.ContainsFunc(x.ports, func(p uint16) bool { return x.denial(p, n.Name) == "" }) {
			all = slices.DeleteFunc(all, func(ip netip.Addr) bool { return ip == n.Address })
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}

// denial is why the door of a node does not have a port of it; empty where nothing says that it has not.
func (x *Entry) denial(port uint16, node string) string {
	for why, nodes := range x.denied[port] {
		if slices.Contains(nodes, node) {
			return why
		}
	}
	return ""
}

func (d denials) add(why, node string) { d[why] = append(d[why], node) }

// lines are one for each reason, with the nodes that it is true of.
func (d denials) lines(what string) (all []string) {
	for _, why := range slices.Sorted(maps.Keys(d)) {
		all = append(all, strings.Join(notEmpty(what+fewOf(d[why], "node"), why), ": "))
	}
	return all
}

// whole says whether it is served on all nodes that it is to be, at all of its ports.
func (x *Entry) whole() bool { return x.Nodes > 0 && x.InForce == x.Nodes }
