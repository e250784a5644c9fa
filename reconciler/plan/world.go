package plan

import (
	"sort"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
	"github.com/podkeep/podkeep/reconciler/health"
	"github.com/podkeep/podkeep/reconciler/ledger"
	"github.com/podkeep/podkeep/reconciler/schedule"
)

// defaultGrace is how long a node may be silent before its pods are replaced elsewhere.
const defaultGrace = 30 * time.Second

// reach is what can be known of a node now.
type reach int

const (
	answers reach = iota
	silent        // what it ran counts as there
	lost          // silent for longer than its grace: what it ran does not count
)

// node is a host as the plan sees it.
type node struct {
	live.Node
	want   manifest.Node
	gone   bool   // left HEAD
	hidden string // a file that does not load, or was damaged, in which it may be still though it left HEAD
	maybe  string // the node of HEAD that it may be, though it left HEAD: that one has not answered yet
	unsure string // why it may be one of HEAD, though it left HEAD and answers
	id     string // which host it is; empty while that is not known
	// records are what says so, the newest first.
	records    []live.Host
	reach      reach
	host       *schedule.Host // nil unless it answers and is in HEAD
	begun      []begun
	sides      []live.Pod // of the node side, the highest version first; they are not among Pods
	doors      []live.Pod // likewise
	otherDoors []live.Pod // of other sources; they are not among doors
	littered   bool       // a volume of the node side's is there
	joining    bool       // its pod network is about to come
	// unserved is why it has no node side for as long as nobody changes that.
	unserved string
	// doorAsked: it is to have a door, as far as Git says.
	doorAsked bool
}

// returning is how long a node answers again before what was started in place of its pods is stopped.
const returning = 30 * time.Second

// steady says whether the node answers, and has done so for a while.
func (n *node) steady() bool { return n.reach == answers && (n.Back == 0 || n.Back >= returning) }

// silentSince is when the node was last heard, or when this controller began to listen.
func (n *node) silentSince(now time.Time) time.Time { return now.Add(-n.Silent) }

// pod is one pod with the verdict on it.
type pod struct {
	live.Pod
	node      *node
	of        manifest.ID // the workload that it counts for
	verdict   health.Verdict
	available bool
	moving    bool   // its node is being drained, the data of its claim is elsewhere, or it is unfit
	stray     string // where the data of its claim is
	unfit     string // why it is to be replaced, on the same node or another; empty where something else moves it
	stays     string // why it does not go yet, though it has to go before another comes
	stands    int    // the slot that it counts for: its own, or that of an unfit pod which it succeeds
}

// world is everything that Make looks at, indexed once.
type world struct {
	h    manifest.History
	want manifest.Set // what is asked for, wherever that comes from: nothing but this says which workloads there are to be
	now  time.Time
	// watched is how long this controller has been watching.
	watched time.Duration
	nodes   []*node // sorted by name
	hosts   []*schedule.Host
	queue   *schedule.Queue        // of hosts
	pods    map[manifest.ID][]*pod // of our source, on nodes that are not lost
	lost    map[manifest.ID][]*pod // of our source, on nodes that are lost: for those who count them
	doubts  map[manifest.ID][]*pod // doubtful ones of our source, on nodes that are not lost; they are not among pods
	alien   map[manifest.ID]string // workloads that another source keeps under our cluster's name
	hearsay map[manifest.ID]string // those of which only keys that are not trusted say so
	// receipts are what is written down of each object, and where.
	receipts  *ledger.Book
	decisions map[manifest.ID][]manifest.Decision // the oldest first
	called    map[string]string                   // nodes that left HEAD and are one that is here, by the name that they had
	plan      Plan
	claims    map[manifest.ID]*claim
	forms     map[string]manifest.File // those packed so far, by name: they are alike on every node
	onNodes   map[revision][]live.File // forms under a trusted key, once one was asked for
	packer    manifest.Packer          // of forms
	trust
	net      network
	alone    map[string]route.Alone // Services that lead to one revision alone, by namespace/name
	shares   []route.Share
	withheld map[manifest.ID][]string // stops that wait for nodes to send nothing more, by workload
	rolling  []int                    // the waves of the workloads between two revisions
	renewing int                      // workloads of which an unfit pod is being replaced
	lowest   *lateWave
	gates    map[manifest.ID]barrier // as far as they were asked for
	pre      *barrier                // the PreSync hooks that are not done
	together []string                // nodes that fell silent together, or that answer pings and no look
	resting  map[manifest.ID]string  // workloads that wait for a place or for others, and why
}

func newWorld(h manifest.History, have live.Snapshot, now time.Time) *world {
	w := facts(h, have, now)
	w.addPods()
	return w
}

// facts are a world without pods: all that is known without their forms.
func facts(h manifest.History, have live.Snapshot, now time.Time) *world {
	w := &world{
		h: h, want: h.Want(), now: now, watched: have.Watched, pods: map[manifest.ID][]*pod{},
		alien: map[manifest.ID]string{}, claims: map[manifest.ID]*claim{}, decisions: map[manifest.ID][]manifest.Decision{},
		called: map[string]string{}, doubts: map[manifest.ID][]*pod{}, lost: map[manifest.ID][]*pod{}, hearsay: map[manifest.ID]string{},
		forms: map[string]manifest.File{}, gates: map[manifest.ID]barrier{}, alone: map[string]route.Alone{}, resting: map[manifest.ID]string{},
	}
	w.addNodes(have)
	w.addTrust()
	w.recognise()
	w.readReceipts()
	w.inherit()
	w.depart()
	w.stayAway(have)
	w.judgeSilence()
	w.doubtGone()
	w.addHosts()
	w.addNet()
	w.receipts.Share(w.keeps)
	for _, d := range h.Decisions {
		w.decisions[d.App] = append(w.decisions[d.App], d)
	}
	return w
}

// addNodes joins what HEAD says of each node with what was seen of it.
func (w *world) addNodes(have live.Snapshot) {
	seen := map[string]live.Node{}
	for _, n := range have.Nodes {
		seen[n.Name] = n
	}
	add := func(want manifest.Node, gone bool) {
		l, ok := seen[want.Name]
		if !ok {
			l = live.Node{Name: want.Name, Why: "not looked at yet"}
		}
		delete(seen, want.Name)
		n := &node{Node: l, want: want, gone: gone}
		n.takeSides(w.h.Side)
		w.nodes = append(w.nodes, n)
	}
	for _, n := range w.want.Nodes {
		add(n, false)
	}
	hidden := strings.Join(w.h.Broken(), ", ")
	for _, n := range w.h.Gone {
		if _, ok := seen[n.Name]; ok {
			add(n, true)
			w.nodes[len(w.nodes)-1].hidden = hidden
			if w.h.Unread(n.File) {
				w.nodes[len(w.nodes)-1].hidden = n.File
			}
		}
	}
	for name := range seen { // the local machine of a repository without Nodes
		add(manifest.Node{Meta: manifest.Meta{ID: manifest.ID{Kind: "Node", Name: name}}}, false)
	}
	sort.Slice(w.nodes, func(i, j int) bool { return w.nodes[i].Name < w.nodes[j].Name })
}

// evicts says whether a pod of the workload has to leave the node: the node left HEAD for certain, or carries a NoExecute taint that
// the pod does not tolerate.
func (n *node) evicts(wl *manifest.Workload) bool {
	if n.gone && n.hidden == "" && n.maybe == "" {
		return true
	}
	for i := range n.want.Taints {
		t := &n.want.Taints[i]
		if t.Effect == corev1.TaintEffectNoExecute && (wl == nil || !schedule.Tolerates(wl.Revision.Spec.Tolerations, t)) {
			return true
		}
	}
	return false
}

// addHosts gives the scheduler the nodes that answer.
func (w *world) addHosts() {
	for _, n := range w.nodes {
		if n.reach != answers || n.gone {
			continue
		}
		n.host = &schedule.Host{
			Name: n.Name, Labels: hostLabels(n), Taints: n.want.Taints, Unschedulable: n.want.Unschedulable,
			Room: n.Room, Ports: map[string]int{}, Names: map[string]bool{}, Files: map[string]bool{},
			Apps: map[manifest.ID]int{}, Revs: map[string]int{}, Troubled: map[string]bool{},
		}
		switch {
		case n.want.Capacity != nil:
			n.host.Room = *n.want.Capacity
		case n.Unsized > 0:
			n.host.Unsized, n.host.Awaited = true, n.Unsized < n.grace()
			w.wake(w.now.Add(n.grace() - n.Unsized))
		}
		for _, f := range n.Files {
			n.host.Files[f.Name] = true
		}
		for _, t := range n.Troubles {
			if t.Rev != "" {
				n.host.Troubled[t.Rev] = true
			}
		}
		w.hosts = append(w.hosts, n.host)
	}
	w.queue = schedule.NewQueue(w.hosts)
}

// hostLabels are the Node's labels, with the name under Kubernetes' well-known key.
func hostLabels(n *node) map[string]string {
	labels := map[string]string{corev1.LabelHostname: n.Name}
	if n.Facts.OS != "" {
		labels[corev1.LabelOSStable] = "linux"
	}
	if n.Facts.Arch != "" {
		labels[corev1.LabelArchStable] = n.Facts.Arch
	}
	for k, v := range n.want.Labels {
		labels[k] = v
	}
	return labels
}

func (w *world) addPods() {
	wanted := map[manifest.ID]*manifest.Workload{}
	for i := range w.want.Workloads {
		wanted[w.want.Workloads[i].ID] = &w.want.Workloads[i]
	}
	for _, n := range w.nodes {
		for _, p := range n.Pods {
			w.book(n, p)
			of := w.heir(p.App)
			switch {
			case !w.ours(p.Source):
				w.isAlien(p.App, p.Source, p.Signer)
			case n.reach == lost:
				w.lost[of] = append(w.lost[of], w.judge(n, p, wanted[of]))
			case w.sure(n, p):
				w.pods[of] = append(w.pods[of], w.judge(n, p, wanted[of]))
			default:
				w.doubts[of] = append(w.doubts[of], w.judge(n, p, wanted[of]))
			}
		}
	}
	for _, all := range []map[manifest.ID][]*pod{w.pods, w.doubts} {
		for _, pods := range all {
			sortPods(pods)
		}
	}
	w.hearAliens()
}

func sortPods(pods []*pod) {
	sort.Slice(pods, func(i, j int) bool {
		if pods[i].Name != pods[j].Name {
			return pods[i].Name < pods[j].Name
		}
		return pods[i].node.Name < pods[j].node.Name
	})
}

// book counts what a pod takes on its node.
func (w *world) book(n *node, p live.Pod) {
	if n.host == nil {
		return
	}
	if p.App.Kind == "Job" && live.Over(p.Restart, p.Init, p.Containers) && len(p.Containers) == len(p.Expect) {
		n.host.Names[p.Name] = true // it takes no room any more
		return
	}
	n.host.Used.MilliCPU += p.Room.MilliCPU
	n.host.Used.Memory += p.Room.Memory
	n.host.Apps[w.heir(p.App)]++
	n.host.Revs[p.Rev]++
	n.host.Names[p.Name] = true
	n.host.Pods++
	for _, port := range p.Ports {
		n.host.Ports[port]++
	}
}

func (w *world) judge(n *node, l live.Pod, wl *manifest.Workload) *pod {
	if missable(wl) && l.Unprobed == "" {
		l.Unprobed = "what its probes come to is not known"
	}
	p := &pod{Pod: l, node: n, of: w.heir(l.App), verdict: health.Of(l, w.now), moving: n.evicts(wl), stands: l.Slot}
	if p.stray = w.strays(n, l, wl); p.stray != "" {
		p.moving = true
	}
	if !p.moving {
		p.unfit = w.unfit(n, l, wl)
		p.moving = p.unfit != ""
	}
	if n.reach != answers || !p.verdict.Ready() {
		return p
	}
	since := p.verdict.Since
	if wl != nil {
		since = since.Add(wl.Strategy.MinReady)
	}
	p.available = !w.now.Before(since)
	if !p.available {
		p.verdict.Wake = since
	}
	return p
}

// wake asks to be woken at t, unless it is zero.
func (w *world) wake(t time.Time) {
	if !t.IsZero() && (w.plan.Wake.IsZero() || t.Before(w.plan.Wake)) {
		w.plan.Wake = t
	}
}

func (w *world) note(s string) { w.plan.Notes = append(w.plan.Notes, s) }

// answering are the nodes of HEAD that answer.
func (w *world) answering() []*node {
	var nodes []*node
	for _, n := range w.nodes {
		if n.reach == answers && !n.gone {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// anySilent says whether some node of HEAD cannot be seen, or one that left it may answer soon: one that does not is waited for no
// longer than its grace.
func (w *world) anySilent() bool {
	for _, n := range w.nodes {
		if n.reach == silent || n.reach == lost && !n.gone {
			return true
		}
	}
	return false
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
