package status

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
)

// Service is one that is asked for, and what becomes of it.
type Service struct {
	manifest.Service
	Made           *route.Service // as hosts are to route it; nil while they are not to
	Selected, Sent int            // pods that its selector chooses, or addresses that are written down for it, and those that requests are sent to
	Why            string         // what of it is not served as it asks, or why nobody answers
	Leads          string         // to which revision alone, and which Rollout has it so; empty where it leads to all of its pods
	Reached        []netip.Addr   // addresses of hosts, and outside, at which others reach its ports as they are. Sorted
	Lags           []string       // which nodes do not serve it so yet, and why
}

// services are those that are asked for. While no table can be made, they are as the newest in force has them.
func services(w World, pods map[manifest.ID][]Pod) (all []Service) {
	table := cmp.Or(w.Plan.Table, w.Plan.Before)
	built := map[manifest.ID]route.Built{}
	for _, b := range w.Plan.Services {
		built[b.ID] = b
	}
	late := kept(w.Snapshot.Nodes, func(n live.Node) bool { return table != nil && !quiet(n) && !table.Same(n.Side.Serves) })
	for _, s := range w.History.Want().Services {
		b := built[s.ID]
		x := Service{Service: s, Made: table.Service(s.Namespace, s.Name), Selected: b.Selected, Why: b.Why}
		if w.Plan.Unrouted != "" {
			x.Selected = len(chosen(s, pods)) + len(s.Fixed)
		}
		if w.Plan.Unrouted != "" && x.Made == nil {
			x.Why = unrouted(w)
		}
		if x.Made != nil {
			x.Sent = len(x.Made.Endpoints)
			x.Reached = x.reachedAt(table, w.Snapshot.Nodes)
			x.Why = strings.Join(notEmpty(append([]string{x.Why}, x.keptBy(table, w.Snapshot.Nodes)...)...), "; ")
			x.lag(w, table, late)
		}
		x.Why = strings.Join(notEmpty(s.Held, x.Why), "; ")
		all = append(all, x)
	}
	return all
}

// unrouted is what follows from there being no table.
func unrouted(w World) string {
	if w.History.Net.Pods.IsValid() {
		return "what is served is not known: " + w.Plan.Unrouted
	}
	return "not served: " + w.Plan.Unrouted
}

// chosen are the pods that the Service's selector chooses, sorted by name; those that are to stop too.
func chosen(s manifest.Service, pods map[manifest.ID][]Pod) (all []Pod) {
	for app, mine := range pods {
		if app.Namespace == s.Namespace {
			all = append(all, kept(mine, func(p Pod) bool { return route.Has(p.Birth.Labels, s.Selector) })...)
		}
	}
	slices.SortFunc(all, func(a, b Pod) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Node, b.Node)) })
	return all
}

// lag finds the nodes among those with another table that do not serve it as that table says.
func (x *Service) lag(w World, table *route.Table, late []live.Node) {
	names := map[string][]string{}
	for _, n := range late {
		if _, routes := table.Node(n.Name); !routes || n.Side.Net.None != "" {
			continue
		}
		if reflect.DeepEqual(n.Side.Serves.Service(x.Namespace, x.Name), x.Made) {
			continue
		}
		why := ""
		if !n.Side.Heard() {
			why = cmp.Or(n.Unserved(w.History.Side), w.Plan.Sides[n.Name])
		}
		names[why] = append(names[why], n.Name)
	}
	for _, why := range slices.Sorted(maps.Keys(names)) {
		line := "not so yet on " + strings.Join(names[why], ", ")
		if why != "" {
			line += ": " + why
		}
		x.Lags = append(x.Lags, line)
	}
	if !slices.ContainsFunc(w.Snapshot.Nodes, func(n live.Node) bool { return n.Side.Serves.Service(x.Namespace, x.Name) != nil }) {
		x.Why = strings.Join(notEmpty(x.Why, "no node serves it yet"), "; ")
	}
}

// Lags says whether the node side is heard and does not route by the table that is planned, or is told of.
func (w World) Lags(n live.Node) bool {
	return w.Plan.Table != nil && w.Plan.Unrouted == "" && !quiet(n) && n.Side.Heard() && n.Side.Net.None == "" && (n.Side.Behind > 0 || !w.Plan.Table.Same(n.Side.Serves))
}

func (x Service) kind() string {
	switch {
	case x.External != "":
		return "ExternalName"
	case x.Headless:
		return "Headless"
	case x.Balanced:
		return "LoadBalancer"
	case x.NodePorts:
		return "NodePort"
	}
	return "ClusterIP"
}

func (x Service) address() string {
	switch {
	case x.External != "":
		return x.External
	case x.Headless:
		return "None"
	case x.Made != nil:
		return x.Made.IP.String()
	}
	return "-"
}

// ports are as kubectl has them: 80/tcp, and 80:30080/tcp where nodes have the port 30080 for it.
func (x Service) ports() string {
	if x.Made != nil {
		return portsOf(*x.Made)
	}
	var made route.Service
	for _, p := range x.Ports {
		made.Ports = append(made.Ports, route.Port{Protocol: p.Protocol, Port: p.Port, NodePort: p.NodePort})
	}
	return portsOf(made)
}

func portsOf(s route.Service) string {
	var all []string
	for _, p := range s.Ports {
		text := strconv.Itoa(int(p.Port))
		if p.NodePort != 0 {
			text += ":" + strconv.Itoa(int(p.NodePort))
		}
		all = append(all, text+"/"+p.Protocol)
	}
	return strings.Join(all, ",")
}

func (r Report) services(w io.Writer, look Look, wide bool) {
	if len(r.Services) == 0 {
		return
	}
	var rows, ends [][]cell
	head := []string{"SERVICE", "TYPE", "ADDRESS", "PORTS", "READY", "WHY"}
	outside := slices.ContainsFunc(r.Services, func(x Service) bool { return x.Balanced || len(x.Outside) > 0 })
	if outside {
		head = slices.Insert(head, 3, "EXTERNAL")
	}
	for _, x := range r.Services {
		why := notEmpty(x.Why, x.Leads)
		if wide {
			why = append(why, x.Lags...)
		}
		row := plain(x.short(), x.kind(), x.address(), dash(x.ports()), "", strings.Join(why, "\n"))
		row[4] = x.ready()
		if outside {
			row = slices.Insert(row, 3, plain(x.external())...)
		}
		rows = append(rows, row)
		if x.Made != nil && wide {
			for _, e := range x.Made.Endpoints {
				ends = append(ends, plain(x.short(), targetOf(e), dash(e.Node), dash(e.Pod)))
			}
		}
	}
	_, _ = fmt.Fprintln(w)
	look.table(w, head, rows)
	if len(ends) > 0 {
		_, _ = fmt.Fprintln(w)
		look.table(w, []string{"SERVICE", "ENDPOINT", "NODE", "POD"}, ends)
	}
}

// ready is how many of those that it may lead to requests are sent to.
func (x Service) ready() cell {
	c := cell{text: fmt.Sprintf("%d/%d", x.Sent, x.Selected), paint: Green}
	switch {
	case x.External != "":
		return cell{text: "-"}
	case x.Sent == 0 || x.Made == nil:
		c.paint = Yellow
	}
	return c
}

func (x Service) short() string { return strings.TrimPrefix(x.ID.Short(), "service/") }

// targetOf is a pod's address with its ports behind the Service's, those that it has.
func targetOf(e route.Endpoint) string {
	ports := portList(e.Ports, ",")
	if ports == "" {
		return e.IP.String()
	}
	return e.IP.String() + ":" + ports
}

// portList are those ports that are some.
func portList(ports []uint16, between string) string {
	var all []string
	for _, p := range ports {
		if p != 0 {
			all = append(all, strconv.Itoa(int(p)))
		}
	}
	return strings.Join(all, between)
}

// pathsOf says how a node reaches the pods of others, those that are reached alike together: n2, n3: direct; n4: vxlan.
func pathsOf(n live.Net) string {
	by := map[string][]string{}
	for _, to := range slices.Sorted(maps.Keys(n.Paths)) {
		by[n.Paths[to]] = append(by[n.Paths[to]], to)
	}
	var all []string
	for _, how := range slices.Sorted(maps.Keys(by)) {
		to := strings.Join(by[how], ", ")
		if len(by[how]) > shown {
			to = plural(len(by[how]), "node")
		}
		all = append(all, to+": "+how)
	}
	return strings.Join(all, "; ")
}
