package status

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
)

// Policy is a NetworkPolicy that is asked for, and what becomes of it.
type Policy struct {
	manifest.NetworkPolicy
	Pods           []Pod             // that it selects, sorted by name; those too that are to stop
	Open           map[string]string // of them those that it does not hold now, as NODE/NAME, and why not
	Nodes, InForce int               // nodes that it is about, and those that do as it says
	Allows         []string          // what it allows its pods, in words
	Whys           []string          // all that stands in its way, and what of it means nothing
}

// policies are those that are asked for, and those that hold nobody since they never loaded.
func policies(w World, pods map[manifest.ID][]Pod) (all []Policy) {
	ruled := map[manifest.ID]route.Ruled{}
	for _, r := range w.Plan.Policies {
		ruled[r.ID] = r
	}
	want, late := w.History.Want(), map[string]bool{}
	for _, n := range w.Snapshot.Nodes {
		late[n.Name] = len(want.NetworkPolicies) > 0 && !w.table().Same(n.Side.Serves)
	}
	for _, p := range want.NetworkPolicies {
		x := Policy{NetworkPolicy: p, Pods: picked(p, pods), Open: map[string]string{}}
		x.Whys = notEmpty(p.Held)
		if len(x.Pods) == 0 {
			x.Whys = append(x.Whys, selectsNone(p, want))
		}
		x.hold(w)
		x.enforce(w, late)
		x.Whys = append(x.Whys, ruled[p.ID].Whys...)
		all = append(all, x)
	}
	for _, id := range want.Unruled() {
		x := Policy{NetworkPolicy: manifest.NetworkPolicy{Meta: manifest.Meta{ID: id}}}
		x.Whys = []string{fmt.Sprintf("never loaded: it holds nobody, and the pods that it means are open to everybody until %s is mended", want.Failed(id))}
		all = append(all, x)
	}
	slices.SortStableFunc(all, func(a, b Policy) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return all
}

func picked(p manifest.NetworkPolicy, pods map[manifest.ID][]Pod) (all []Pod) {
	for app, mine := range pods {
		if app.Namespace == p.Namespace {
			all = append(all, kept(mine, func(pod Pod) bool { return p.Pods.Matches(labels.Set(pod.Birth.Labels)) })...)
		}
	}
	slices.SortFunc(all, func(a, b Pod) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Node, b.Node)) })
	return all
}

// selectsNone says whether pods that it selects are to come.
func selectsNone(p manifest.NetworkPolicy, want manifest.Set) string {
	var names []string
	for _, wl := range want.Workloads {
		if wl.Namespace == p.Namespace && p.Pods.Matches(labels.Set(wl.Revision.Labels)) {
			names = append(names, wl.Short())
		}
	}
	switch {
	case len(names) > 0:
		return "selects no pod yet: there is none of " + fewOf(names, "workload")
	case p.Pods.Empty():
		return "selects no pod: there is none in namespace " + p.Namespace
	}
	return fmt.Sprintf("selects no pod: none in namespace %s has the labels %s", p.Namespace, p.Pods)
}

// hold finds the pods that it selects and does not hold.
func (x *Policy) hold(w World) {
	names := map[string][]string{}
	for _, p := range x.Pods {
		why := w.unheld(p)
		if why != "" {
			x.Open[p.Node+"/"+p.Name] = why
			names[why] = append(names[why], p.Name+" on "+p.Node)
		}
	}
	for _, why := range slices.Sorted(maps.Keys(names)) {
		x.Whys = append(x.Whys, fmt.Sprintf("does not hold for %s: %s", fewOf(names[why], "pod"), why))
	}
}

// unheld is why no policy holds for a pod, whatever its node does; empty where they do.
func (w World) unheld(p Pod) string {
	var n live.Node
	if i := slices.IndexFunc(w.Snapshot.Nodes, func(n live.Node) bool { return n.Name == p.Node }); i >= 0 {
		n = w.Snapshot.Nodes[i]
	}
	at, _ := w.table().Node(p.Node)
	switch inside, own := p.Birth.Network == manifest.NetworkOwn, cmp.Or(n.Unserved(w.History.Side), n.Side.Net.None); {
	case p.Birth.Network == 0:
		return "it has hostNetwork: what it says comes from its host"
	case own != "":
		return own
	case inside && at.Range.IsValid():
		return ""
	case inside:
		return "its node has no place in the cluster's network"
	}
	return "it was born before its node had a part in the cluster's network, and is held once it is replaced"
}

// table is what is planned, else what is in force, else one that says nothing.
func (w World) table() *route.Table { return cmp.Or(w.Plan.Table, w.Plan.Before, &route.Table{}) }

// enforce finds the nodes that do as it says, among those that have a place in the cluster's network, or pods of it. Late are those that go by another table.
func (x *Policy) enforce(w World, late map[string]bool) {
	table, lags := w.table(), map[string][]string{}
	policy := table.Policy(x.Namespace, x.Name)
	if policy != nil {
		x.Allows = policy.Allows
	}
	switch {
	case w.Plan.Unrouted == "":
	case policy == nil:
		x.Whys = append(x.Whys, "not in force: "+w.Plan.Unrouted)
	default:
		x.Whys = append(x.Whys, "in force as it was last: "+w.Plan.Unrouted)
	}
	for _, n := range w.Snapshot.Nodes {
		mine := kept(x.Pods, func(p Pod) bool { return p.Node == n.Name && x.Open[n.Name+"/"+p.Name] == "" })
		if at, _ := table.Node(n.Name); !at.Range.IsValid() && len(mine) == 0 {
			continue
		}
		x.Nodes++
		switch {
		case policy != nil && (!late[n.Name] || n.Side.Serves.Holds(table, x.Namespace, x.Name)):
			x.InForce++
		default:
			why := w.lateness(n)
			lags[why] = append(lags[why], n.Name)
			for _, p := range mine {
				x.Open[p.Node+"/"+p.Name] = "not in force on its node yet"
			}
		}
		for _, t := range n.Side.Net.Troubles {
			if len(mine) > 0 && strings.HasPrefix(t, troubleOfPolicies) {
				x.Whys = append(x.Whys, n.Name+": "+t)
			}
		}
	}
	if policy == nil && w.Plan.Unrouted != "" {
		return
	}
	for _, why := range slices.Sorted(maps.Keys(lags)) {
		x.Whys = append(x.Whys, strings.Join(notEmpty("not in force yet on "+fewOf(lags[why], "node"), why), ": "))
	}
}

// troubleOfPolicies is what a node side begins with when it says where no policy holds.
const troubleOfPolicies = "NetworkPolicies"

// lateness is why a node does not do as it is told yet; empty where it is but a moment.
func (w World) lateness(n live.Node) string {
	switch {
	case quiet(n):
		return silence(n, "")
	case !n.Side.Heard():
		return cmp.Or(n.Unserved(w.History.Side), w.Plan.Sides[n.Name], n.Side.Net.None, "its node side is not heard")
	}
	return strings.Join(notEmpty(append([]string{w.Plan.Sides[n.Name], n.Side.Net.None}, n.Side.Net.Troubles...)...), "; ")
}

// fewOf are the names, or how many they are.
func fewOf(names []string, noun string) string {
	if len(names) > shown {
		return plural(len(names), noun)
	}
	return strings.Join(names, ", ")
}

func (x Policy) directions() string {
	var all []string
	if x.Ingress {
		all = append(all, "Ingress")
	}
	if x.Egress {
		all = append(all, "Egress")
	}
	return strings.Join(all, ",")
}

// holds is how many of the pods that it selects it holds; of one that never loaded nobody knows which it selects.
func (x Policy) holds() string {
	if x.Object == nil {
		return "-"
	}
	return fmt.Sprintf("%d/%d", len(x.Pods)-len(x.Open), len(x.Pods))
}

func (x Policy) inForce() string {
	if x.Object == nil {
		return "-"
	}
	return fmt.Sprintf("%d/%d", x.InForce, x.Nodes)
}

// whole says whether it holds all that it selects, wherever they are.
func (x Policy) whole() bool {
	return x.Object != nil && len(x.Open) == 0 && x.InForce == x.Nodes && x.Nodes > 0
}

func (x Policy) short() string { return strings.TrimPrefix(x.ID.Short(), "networkpolicy/") }

func (r Report) policies(w io.Writer, look Look, wide bool) {
	if len(r.Policies) == 0 {
		return
	}
	var rows, pods, allows [][]cell
	for _, x := range r.Policies {
		row := plain(x.short(), dash(x.directions()), x.holds(), x.inForce(), strings.Join(x.Whys, "\n"))
		paint := Yellow
		switch {
		case x.whole():
			paint = Green
		case x.InForce == 0:
			paint = Red
		}
		row[2].paint, row[3].paint = paint, paint
		rows = append(rows, row)
		for _, p := range x.Pods {
			pods = append(pods, plain(x.short(), p.Name, p.Node, cmp.Or(x.Open[p.Node+"/"+p.Name], "held")))
		}
		for _, what := range x.Allows {
			allows = append(allows, plain(x.short(), what))
		}
	}
	_, _ = fmt.Fprintln(w)
	look.table(w, []string{"NETWORKPOLICY", "DIRECTIONS", "PODS", "NODES", "WHY"}, rows)
	if wide && len(allows) > 0 {
		_, _ = fmt.Fprintln(w)
		look.table(w, []string{"NETWORKPOLICY", "ALLOWS"}, allows)
	}
	if wide && len(pods) > 0 {
		_, _ = fmt.Fprintln(w)
		look.table(w, []string{"NETWORKPOLICY", "POD", "NODE", "STATE"}, pods)
	}
}
