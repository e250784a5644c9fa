package plan

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
	"github.com/podkeep/podkeep/reconciler/health"
	"github.com/podkeep/podkeep/reconciler/ledger"
	"github.com/podkeep/podkeep/reconciler/rollout"
)

// Traffic. The table says where requests go: to what is ready, and to nothing that is to stop. A pod stops once each node side that has ever served
// a table that names it serves one without it.

// quick is how long a node may be silent, or its node side, until nothing new is sent to its pods while others are ready.
const quick = 3 * time.Second

// hearing is how long a controller that has just begun waits for node sides to say which table they serve, before it makes one.
const hearing = 10 * time.Second

// lull is how long a pod that requests were sent to goes on after the last: a program that is told to stop closes its port, and with it connections
// that the kernel has taken and the program has not.
const lull = time.Second

// route makes the table, and holds back the stops of pods that it is still to leave. It is asked when all stops are known.
func (w *world) route() {
	if len(w.net.served) > 0 {
		w.plan.Before = w.net.before
	}
	switch w.plan.Unrouted = w.unrouted(); {
	case w.plan.Unrouted == "":
		w.makeTable()
	case w.h.Side.Refused && w.hold == "":
		w.plan.Table = &route.Table{} // by which nothing is routed
	}
	w.placeDoors()
	w.tellPolicies()
	w.holdStops()
}

// unrouted is why no table is to be made.
func (w *world) unrouted() string {
	switch {
	case !w.net.on:
		return cmp.Or(live.Node{}.Unserved(w.h.Side), "the cluster has no range of addresses")
	case w.hold != "":
		return w.hold
	case !slices.ContainsFunc(w.nodes, func(n *node) bool { return n.Known }) && len(w.nodes) > 0:
		return "no host has answered yet"
	case w.deafStill():
		return "hosts are still to say by which table they route"
	}
	return w.yield()
}

func (w *world) makeTable() {
	stops := map[endpoint]bool{}
	for _, a := range w.plan.Actions {
		if a.Verb == Stop {
			stops[endpoint{a.Node, a.Name}] = true
		}
	}
	want := route.Want{
		Net: w.h.Net, Nodes: w.routeNodes(), Services: w.want.Services, Before: w.net.before, Served: w.net.served, Carried: w.carried(), Alone: w.alone,
		Reach: w.reachedBy(),
	}
	want.Policies, w.plan.Policies = w.guard().Build(w.net.before)
	among := map[string]bool{} // namespaces: pods of others are nobody's
	for _, s := range w.want.Services {
		among[s.Namespace] = true
	}
	for _, n := range w.nodes {
		for _, p := range n.Pods {
			if !among[p.App.Namespace] || stops[endpoint{n.Name, p.Name}] || p.Stopping || n.reach == lost || !w.ours(p.Source) || !w.sure(n, p) {
				continue
			}
			made := route.Pod{
				Namespace: p.App.Namespace, Name: p.Name, Node: n.Name, IP: w.endpoint(n, p), Labels: p.Birth.Labels, Ports: p.Birth.Ports,
				Hostname: p.Birth.Hostname, Subdomain: p.Birth.Subdomain, Of: route.Alone{App: w.heir(p.App), Rev: p.Rev},
			}
			if made.IP.IsValid() {
				made.State = w.routed(n, p)
			}
			want.Pods = append(want.Pods, made)
		}
	}
	want.Doors = w.doorsWanted()
	table, built, doored := route.Build(want)
	w.plan.Table, w.plan.Services, w.plan.Doored = &table, built, doored
}

// deafStill says whether some node side that was there before this controller has not said yet which table it serves, or may be there: what is not known of has no
// part in a table, and would be sent nothing more.
func (w *world) deafStill() bool {
	if w.watched >= hearing {
		return false
	}
	for _, n := range w.nodes {
		old := slices.ContainsFunc(n.sides, func(p live.Pod) bool { return p.Created.Before(w.now.Add(-w.watched)) })
		unknown := n.Side.Number > 0 && n.Side.Serves == nil || n.Side.Number == 0 && n.Side.Taken > 0 || old && !n.Side.Heard()
		if n.Late && !n.Known || n.reach == answers && unknown {
			w.wake(w.now.Add(hearing - w.watched))
			return true
		}
	}
	return false
}

// endpoint is where requests to a pod are sent: an address inside the range of its host, or the host itself.
func (w *world) endpoint(n *node, p live.Pod) netip.Addr {
	if p.Birth.Network == 0 {
		return w.address(n)
	}
	if ip, err := netip.ParseAddr(p.Birth.IP); err == nil && w.net.ranges[n.Name].Contains(ip) {
		return ip
	}
	return netip.Addr{}
}

// routed says whether requests may be sent to a pod.
func (w *world) routed(n *node, p live.Pod) route.State {
	v := health.Of(p, w.now)
	switch {
	case v.State == health.Unheard && w.names(w.net.before, n.Name, p.Name):
		return w.untilQuick(n.Side.Silent)
	case v.State == health.Unheard:
		return route.Doubtful
	case !v.Ready():
		w.wake(v.Wake)
		return route.Unready
	case n.reach != answers:
		return w.untilQuick(n.Silent)
	}
	return route.Ready
}

func (w *world) untilQuick(silent time.Duration) route.State {
	if silent < quick {
		w.wake(w.now.Add(quick - silent))
		return route.Ready
	}
	return route.Doubtful
}

// carried are the endpoints of the table before on nodes that this controller has not seen yet.
func (w *world) carried() (all []route.Carried) {
	if w.net.before == nil {
		return nil
	}
	for _, n := range w.nodes {
		if n.Known || n.reach == lost {
			continue
		}
		state := w.untilQuick(n.Silent)
		for _, s := range w.net.before.Services {
			for _, e := range s.Endpoints {
				if e.Node == n.Name && e.Pod != "" && w.mayLead(s, e.Pod) {
					all = append(all, route.Carried{Namespace: s.Namespace, Service: s.Name, Endpoint: e, State: state})
				}
			}
		}
	}
	return all
}

// mayLead says whether a Service may lead to a pod of which the name alone is known.
func (w *world) mayLead(s route.Service, pod string) bool {
	alone, is := w.alone[s.Namespace+"/"+s.Name]
	return !is || strings.Contains(pod, "-"+live.ShortRev(alone.Rev)+"-")
}

// setApart notes which Services lead to one revision of a workload alone, and how objects of doors share requests between them.
func (k *work) setApart() {
	book := rollout.Ledger{Receipts: k.receipts.Settled(k.wl.ID)}
	view := k.serving(book.Receipts)
	k.serve = rollout.Serve(*k.wl, view, book, k.now)
	for name, rev := range k.serve {
		k.alone[k.wl.Namespace+"/"+name] = route.Alone{App: k.wl.ID, Rev: rev}
	}
	r := k.wl.Strategy.Rollout
	if r == nil || len(r.Shares) == 0 {
		return
	}
	k.share = rollout.Share(*k.wl, view, book, k.now)
	for _, id := range r.Shares {
		k.shares = append(k.shares, route.Share{Of: id, Namespace: k.wl.Namespace, Service: r.CanaryService, Rest: r.StableService, Part: k.share})
	}
}

// serving are the workload's pods as requests come to them: those that no table can lead to are not available, and those that one leads to are for as long as that
// says so, whoever is not heard for a moment. They are there too where this controller has not seen their node yet.
func (k *work) serving(l ledger.Ledger) []rollout.Pod {
	view := k.view()
	for i, p := range k.kept {
		switch unheard := p.node.reach != answers || p.verdict.State == health.Unheard; {
		case !k.endpoint(p.node, p.Pod).IsValid():
			view[i].Available = false
		case unheard && k.names(k.net.before, p.node.Name, p.Name):
			view[i].Available = k.routed(p.node, p.Pod) == route.Ready
		}
	}
	if k.net.before == nil {
		return view
	}
	revs := map[string]bool{k.wl.Revision.Rev: true}
	for _, r := range l {
		revs[r.Rev] = true
	}
	for _, n := range k.nodes {
		if n.Known || n.reach == lost {
			continue
		}
		for _, rev := range slices.Sorted(maps.Keys(revs)) {
			for slot := range k.wl.Replicas {
				if k.names(k.net.before, n.Name, live.PodName(k.h.Cluster, k.wl.ID, rev, slot)) {
					view = append(view, rollout.Pod{Rev: rev, Slot: slot, Available: k.untilQuick(n.Silent) == route.Ready, Unseen: true})
				}
			}
		}
	}
	return view
}

// names says whether a table sends anything to the pod.
func (w *world) names(t *route.Table, node, pod string) bool {
	if t == nil {
		return false
	}
	all, known := w.net.named[t]
	if !known {
		all = map[endpoint]bool{}
		for _, s := range t.Services {
			for _, e := range s.Endpoints {
				all[endpoint{e.Node, e.Pod}] = true
			}
		}
		w.net.named[t] = all
	}
	return all[endpoint{node, pod}]
}

// holdStops keeps back the stops of pods that some node may still send requests to.
func (w *world) holdStops() {
	w.withheld = map[manifest.ID][]string{}
	for i := range w.plan.Actions {
		if a := &w.plan.Actions[i]; a.Verb == Stop && w.net.on && w.chosen(endpoint{a.Node, a.Name}) {
			a.Lull = lull
		}
	}
	w.plan.Actions = slices.DeleteFunc(w.plan.Actions, func(a Action) bool {
		if a.Verb != Stop || live.IsOwn(a.App) {
			return false
		}
		by := w.sending(endpoint{a.Node, a.Name})
		if by != "" {
			w.withheld[a.App] = append(w.withheld[a.App], fmt.Sprintf("%s on %s goes once %s sends it nothing more: %s", a.Name, a.Node, by, a.Why))
		}
		return by != ""
	})
}

// tellWithheld has workloads say which of their stops wait.
func (w *world) tellWithheld() {
	for i := range w.plan.Apps {
		a := &w.plan.Apps[i]
		if waits := w.withheld[a.ID]; len(waits) > 0 {
			a.Waits = append(a.Waits, waits...)
			a.Admitted = max(0, a.Admitted-len(waits))
		}
	}
}

// sending is a node that may still send requests to a pod; empty when none does. One that has not said so for its grace is not waited for, and named.
func (w *world) sending(to endpoint) string {
	if !w.net.on {
		return ""
	}
	for _, n := range w.nodes {
		if !w.maySend(n, to) {
			continue
		}
		since := max(n.Side.Silent, n.Side.Behind)
		if n.reach == silent {
			since = n.Silent
		}
		if since < n.grace() {
			w.wake(w.now.Add(n.grace() - since))
			return n.Name
		}
		if late := n.Name + " does not say that it sends nothing more to pods that stop: they go without its word"; !slices.Contains(w.plan.Notes, late) {
			w.note(late)
		}
	}
	return ""
}

// wasServed says whether a node that has no node side had one, whose volume is there, and is to have another: until then it routes as it did.
func (w *world) wasServed(n *node) bool {
	if n.gone || n.apart() || w.net.before == nil {
		return false
	}
	_, named := w.net.before.Node(n.Name)
	return named && n.littered || n.Side.Serves != nil
}

// maySend says whether the node may route by a table that names the pod.
func (w *world) maySend(n *node, to endpoint) bool {
	switch {
	case n.reach == lost, n.reach == answers && len(n.sides) == 0 && !w.wasServed(n), n.Side.Heard() && n.Side.Number == 0 && n.Side.Taken == 0:
		return false
	case slices.ContainsFunc(append(slices.Clone(n.Side.Told), n.Side.Serves), func(t *route.Table) bool { return w.names(t, to.node, to.pod) }):
		return true
	case n.Side.Serves != nil && n.Side.Taken <= n.Side.Number: // else it may route by another one any moment
		return false
	}
	return w.names(w.net.before, to.node, to.pod) || !w.plan.Yields && w.chosen(to)
}

// chosen says whether a Service chooses the pod.
func (w *world) chosen(to endpoint) bool {
	for _, p := range w.node(to.node).Pods {
		if p.Name == to.pod {
			return slices.ContainsFunc(w.want.Services, func(s manifest.Service) bool {
				return s.Namespace == p.App.Namespace && route.Has(p.Birth.Labels, s.Selector)
			})
		}
	}
	return false
}
