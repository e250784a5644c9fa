package plan

import (
	"cmp"
	"fmt"
	"net/netip"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/route"
)

// Policies go with the table. A pod is in it before it is born: whoever is in none that its node has speaks to nobody but its node.

// guard is what the table's policies are made of.
func (w *world) guard() (g route.Guard) {
	if len(w.want.NetworkPolicies) == 0 {
		return g
	}
	g.Policies, g.Namespaces = w.want.NetworkPolicies, map[string]map[string]string{}
	for _, ns := range w.want.Namespaces {
		g.Namespaces[ns.Name] = ns.Labels
	}
	for _, n := range w.nodes {
		if !n.Known && n.reach != lost && w.net.ranges[n.Name].IsValid() {
			g.Unseen = append(g.Unseen, w.net.ranges[n.Name])
		}
		if why := cmp.Or(n.unserved, n.Side.Net.None); why != "" && len(n.Pods) > 0 {
			w.note(fmt.Sprintf("NetworkPolicies do not hold for the pods of %s: %s", n.Name, why))
		}
		for _, p := range n.Pods {
			if _, anew := w.net.born[endpoint{n.Name, p.Name}]; !anew && n.reach != lost && w.sure(n, p) {
				g.Pods = w.guarded(g.Pods, n, p)
			}
		}
	}
	for _, a := range w.plan.Actions {
		if p, born := w.net.born[endpoint{a.Node, a.Name}]; born && a.Verb == Run {
			g.Pods = w.guarded(g.Pods, w.node(a.Node), p)
		}
	}
	return g
}

// shut lets no pod begin on a node that knows of no policy yet, while there are some: whoever is in no table is alone only where one has policies. It is
// waited for a node that takes the table, and has nothing to say of it.
func (w *world) shut(n *node) {
	if n.host == nil || n.host.Netless || n.apart() || len(w.want.NetworkPolicies) == 0 || n.Side.Serves != nil && n.Side.Serves.Policies != nil {
		return
	}
	n.host.Netless, n.host.Open = true, true
	if due := w.now.Add(joining - n.Side.Behind); n.Side.Heard() && len(n.Side.Net.Troubles) == 0 && w.now.Before(due) {
		n.joining, n.host.Joining = true, true
		w.wake(due)
	}
}

// tellPolicies says of policies that hold nobody.
func (w *world) tellPolicies() {
	if n := len(w.want.NetworkPolicies); n > 0 && !w.net.on {
		w.note(fmt.Sprintf("NetworkPolicies do not hold, all %d of them: %s", n, w.plan.Unrouted))
	}
	for _, id := range w.want.Unruled() {
		w.note(fmt.Sprintf("%s/%s in namespace %s never loaded: it holds nobody, and the pods that it means are open to everybody until %s is mended",
			id.Kind, id.Name, id.Namespace, w.want.Failed(id)))
	}
}

// guarded adds a pod, if it has an address of its own. Those on the host's network are outside.
func (w *world) guarded(all []route.Pod, n *node, p live.Pod) []route.Pod {
	if p.Birth.Network == 0 || !w.endpoint(n, p).IsValid() {
		return all
	}
	return append(all, route.Pod{
		Namespace: p.App.Namespace, Name: p.Name, Node: n.Name, IP: w.endpoint(n, p), Labels: p.Birth.Labels, Ports: p.Birth.Ports,
	})
}

// lingers says whether a table that some host routes by says something of the address, of another pod than this one.
func (w *world) lingers(ip netip.Addr, pod endpoint) bool {
	of, named := w.net.policed[ip]
	return named && of != pod
}
