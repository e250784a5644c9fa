// Package status tells people and programs what a pass knew: which workloads there are and how they stand, which
// nodes answer, what does not load, and what will be done next.
//
// Of turns a World, which is all that one pass read, saw and thought, into a Report. The rest of the package are
// renderings of it: text for terminals, Kubernetes objects as JSON or YAML, Prometheus metrics and the HTTP handler.
// No rendering shows a secret's value: none of them is ever given one.
package status

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/health"
	"github.com/podkeep/podkeep/reconciler/ledger"
	"github.com/podkeep/podkeep/reconciler/plan"
)

// World is all that one pass read, saw and thought. Err is why the pass could not be finished.
type World struct {
	Now      time.Time
	History  manifest.History
	Snapshot live.Snapshot
	Plan     plan.Plan
	Err      error
}

// Report is a World put the way people ask about it. Every list is sorted.
type Report struct {
	Now             time.Time
	Cluster, Source string
	Head            manifest.Set
	Fetched         time.Time // when the last good fetch began; zero when there was none
	Errors          []string  // why the picture may be old or partial
	Notes           []string  // what concerns the fleet as a whole
	Workloads       []Workload
	Nodes           []Node
	Services        []Service
	Policies        []Policy
	Entries         []Entry // what doors serve: Ingresses, GatewayClasses, Gateways, HTTPRoutes
	Claims          []plan.Claim
	Keys            []plan.Key         // that are trusted, with what rests on each; none where Git names none
	Problems        []manifest.Problem // what is refused
	Notices         []manifest.Problem // what is accepted and has no effect yet

	want     manifest.Set
	ledgers  map[manifest.ID]ledger.Ledger
	decided  []manifest.Decision
	selected bool // it is not of all that there is: see Only
	eventful bool // what happened lately is asked for
}

// Workload is one thing that becomes pods. Since is when the oldest pod of the revision in force was made; zero
// without pods.
type Workload struct {
	plan.App
	Since time.Time
	Pods  []Pod

	want    *manifest.Workload     // as Git asks for it; nil once it left HEAD
	first   bool                   // no revision of it was ever promoted
	begun   bool                   // the newest rollout is to the revision asked for
	partial bool                   // only these of its pods are asked for, and not the workload
	unmet   map[manifest.ID]string // why what is to share its requests shares none
}

// Pod is one pod and the verdict on it.
type Pod struct {
	live.Pod
	Node     string
	State    string // a health.State, or Unknown when its node is silent
	Why      string
	Ready    int // containers that run and whose probes say that they are ready, init containers not among them
	Restarts int // of all containers
}

// Unknown is the state of what is on a node that does not answer.
const Unknown = "Unknown"

// Node is one host. State is Ready, Late or Silent; Marks say what else is true of it: cordoned, leaving, held.
type Node struct {
	live.Node
	State string
	Marks []string
	Used  manifest.Resources // the requests of its pods
	Why   string

	note string // the one of the report's that Why tells all of
}

// States of a node.
const (
	Ready  = "Ready"
	Late   = "Late" // the look at it takes long; none has failed
	Silent = "Silent"
)

// Of makes the Report.
func Of(w World) Report {
	r := Report{
		Now: w.Now, Cluster: w.History.Cluster, Source: w.History.Source, Head: w.History.Head,
		Fetched: w.History.Fetched, Errors: troubles(w), Notes: w.Plan.Notes, Claims: w.Plan.Claims,
	}
	if len(w.History.Signers()) > 0 {
		r.Keys = slices.DeleteFunc(plan.Keys(w.History, w.Snapshot), func(k plan.Key) bool { return !k.Trusted })
	}
	r.Problems, r.Notices = manifest.Refusals(w.History.Problems())
	r.want, r.ledgers, r.decided = w.History.Want(), w.Plan.Ledgers, w.History.Decisions
	for _, n := range w.Snapshot.Nodes {
		r.Nodes = append(r.Nodes, node(w, n))
	}
	pods, wants := podsByApp(w), map[manifest.ID]*manifest.Workload{}
	for i, want := range r.want.Workloads {
		wants[want.ID] = &r.want.Workloads[i]
	}
	r.Services, r.Policies, r.Entries = services(w, pods), policies(w, pods), entries(w)
	for _, app := range w.Plan.Apps {
		mine := pods[app.ID]
		book := r.ledgers[app.ID]
		top := book.Top()
		r.Workloads = append(r.Workloads, Workload{
			App: app, Since: since(app, mine), Pods: mine, want: wants[app.ID], first: book.Stable() == nil, begun: top != nil && top.Rev == app.Rev,
		})
	}
	r.led()
	if w.Plan.Unrouted == "" {
		r.shared()
	}
	return r
}

func troubles(w World) []string {
	var lines []string
	if w.History.Err != "" {
		lines = append(lines, w.History.Err)
	}
	if w.Err != nil && w.Err.Error() != w.History.Err {
		lines = append(lines, w.Err.Error())
	}
	return lines
}

func node(w World, have live.Node) Node {
	n := Node{Node: have, State: Ready}
	n.Pods = have.WithoutSide()
	for _, p := range n.Pods {
		if p.App.Kind == "Job" && live.Over(p.Restart, p.Init, p.Containers) {
			continue // it takes no room any more
		}
		n.Used.MilliCPU += p.Room.MilliCPU
		n.Used.Memory += p.Room.Memory
	}
	var whys []string
	if quiet(have) {
		told := w.Plan.Silent[have.Name]
		n.State, n.note, whys = Silent, told.Note, append(whys, silence(have, told.Then))
	}
	if have.Late {
		n.State = Late
	}
	n.Marks = marks(w.History, have.Name)
	if why, held := w.Plan.Held[have.Name]; held {
		n.Marks, whys = append(n.Marks, "Held"), append(whys, why)
	}
	if !quiet(have) {
		whys = append(whys, notEmpty(w.Plan.Sides[have.Name], w.Plan.Doors[have.Name])...)
	}
	for _, t := range have.Troubles {
		if strings.HasSuffix(w.Plan.Sides[have.Name], t.Why) || strings.HasSuffix(w.Plan.Doors[have.Name], t.Why) {
			continue // it has been said why the node side, or the door, does not start
		}
		whys = append(whys, trouble(t, w.Now))
	}
	whys = slices.Concat(whys, have.Side.Troubles, have.Side.Net.Troubles, doorTroubles(have), unserved(w, have), unbound(w, have))
	n.Why = strings.Join(whys, "; ")
	return n
}

// unserved says that a host has no part in the cluster's network, where there is a Service to go without.
func unserved(w World, n live.Node) []string {
	if quiet(n) || n.Side.Net.None == "" || len(w.History.Want().Services) == 0 {
		return nil
	}
	return []string{"Services are not served here: pods reach none, by name or address, none leads to pods but those with hostNetwork, and no port of one is open: " +
		n.Side.Net.None + " (use root's for what needs them)"}
}

// unbound says that nothing holds limits on a host, and for whom.
func unbound(w World, n live.Node) []string {
	who := limited(w.History.Want())
	if quiet(n) || !n.Facts.Unbound || who == "" {
		return nil
	}
	return []string{"limits of CPU and memory, as " + who + " has, take no effect here: without root's rights that needs cgroups v2 (boot with systemd.unified_cgroup_hierarchy=1)"}
}

// limited is a workload that has limits, or "".
func limited(asked manifest.Set) string {
	for _, wl := range asked.Workloads {
		spec := wl.Revision.Spec
		for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
			if l := c.Resources.Limits; !l.Cpu().IsZero() || !l.Memory().IsZero() {
				return wl.ID.Short()
			}
		}
	}
	return ""
}

func quiet(n live.Node) bool { return !n.Known || n.Silent > 0 }

// silence says for how long the node has not answered, what comes of that and why it is so.
func silence(n live.Node, then string) string {
	why := "has not answered yet"
	switch {
	case n.Late:
		why = "late for " + Age(n.Silent)
	case n.Known:
		why = "silent for " + Age(n.Silent)
	}
	if then != "" {
		why += ", " + then
	}
	if n.Why != "" {
		why += ": " + n.Why
	}
	return why
}

// marks go by the Node in force: one whose file does not load is not leaving.
func marks(h manifest.History, name string) []string {
	named := func(n manifest.Node) bool { return n.Name == name }
	nodes := h.Want().Nodes
	switch i := slices.IndexFunc(nodes, named); {
	case i >= 0 && nodes[i].Unschedulable:
		return []string{"Cordoned"}
	case i < 0 && slices.ContainsFunc(h.Gone, named):
		return []string{"Leaving"}
	}
	return nil
}

func trouble(t live.Trouble, now time.Time) string {
	s := t.Why
	if !strings.Contains(s, t.Name) {
		s = t.Name + ": " + s
	}
	if t.Count > 1 {
		s += fmt.Sprintf(" (%d times)", t.Count)
	}
	if t.Next.After(now) {
		s += ", again in " + Age(t.Next.Sub(now))
	}
	return s
}

func podsByApp(w World) map[manifest.ID][]Pod {
	byApp := map[manifest.ID][]Pod{}
	for _, n := range w.Snapshot.Nodes {
		if w.Plan.Held[n.Name] != "" {
			continue
		}
		for _, p := range n.Judged(w.History.Side) {
			app := p.App
			if heir, ok := w.Plan.Heirs[app]; ok {
				app = heir
			}
			byApp[app] = append(byApp[app], pod(n, p, w.Now))
		}
	}
	for _, pods := range byApp {
		slices.SortStableFunc(pods, func(a, b Pod) int { return strings.Compare(a.Name, b.Name) })
	}
	return byApp
}

func pod(n live.Node, p live.Pod, now time.Time) Pod {
	verdict := health.Of(p, now)
	out := Pod{Pod: p, Node: n.Name, State: string(verdict.State), Why: verdict.Why}
	for _, c := range p.Containers {
		out.Restarts += live.Restarts(c.Attempt)
		if out.goesOn(c.Name) && health.Serves(p, c) {
			out.Ready++
		}
	}
	switch {
	case quiet(n):
		out.State, out.Why = Unknown, n.Name+" "+silence(n, "")
	case verdict.Ready():
		out.Why = ""
	}
	return out
}

func since(app plan.App, pods []Pod) time.Time {
	var oldest, any time.Time
	for _, p := range pods {
		any = earlier(any, p.Created)
		if p.Rev == app.Rev {
			oldest = earlier(oldest, p.Created)
		}
	}
	if oldest.IsZero() {
		return any
	}
	return oldest
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// Age is a duration as a person says it, in at most two units: 4s, 3m12s, 5h, 12d.
func Age(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 10*time.Minute:
		return units(d, time.Minute, "m", time.Second, "s")
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 10*time.Hour:
		return units(d, time.Hour, "h", time.Minute, "m")
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	default:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
}

func units(d, big time.Duration, bigName string, small time.Duration, smallName string) string {
	s := fmt.Sprintf("%d%s", int(d/big), bigName)
	if rest := int(d % big / small); rest > 0 {
		s += fmt.Sprintf("%d%s", rest, smallName)
	}
	return s
}

// ShortCommit is as much of a commit as people read: seven digits of a hash, any other name whole.
func ShortCommit(commit string) string {
	hex := strings.TrimLeft(commit, "0123456789abcdef") == ""
	if hex && len(commit) >= 40 {
		return commit[:7]
	}
	return commit
}
