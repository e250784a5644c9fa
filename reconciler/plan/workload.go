package plan

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/health"
	"github.com/podkeep/podkeep/reconciler/rollout"
	"github.com/podkeep/podkeep/reconciler/schedule"
)

// work is one workload being thought about.
type work struct {
	*world
	wl      *manifest.Workload
	kept    []*pod // one for each slot of each revision
	extra   []*pod // twins that may go, and twins that are on their way in
	room    int    // how many pods may be started now: what is told to stop takes room until it is seen gone
	step    rollout.Step
	hidden  string // why pods may be where nobody can look
	app     App
	actions []Action
}

// workload plans one workload that HEAD asks for.
func (w *world) workload(wl *manifest.Workload) {
	k := &work{world: w, wl: wl, app: App{
		ID: wl.ID, Rev: wl.Revision.Rev, Commit: wl.Commit, Replicas: wl.Replicas,
	}}
	if why := w.frozen(wl.ID); why != "" {
		k.kept = w.pods[wl.ID]
		k.count()
		k.app.State, k.app.Why = Held, why
		w.plan.Apps = append(w.plan.Apps, k.app)
		return
	}
	k.pair()
	k.hidden = k.hiding()
	k.step = rollout.Next(*wl, k.view(), k.ledger(), w.now)
	if k.step.Phase == rollout.Starting && k.step.Stable != "" {
		w.rolling++
	}
	k.record()
	k.shrink()
	k.mend()
	k.move()
	k.grow()
	k.report()
}

// frozen says why nothing may be done with a workload at all.
func (w *world) frozen(app manifest.ID) string {
	if source, ok := w.alien[app]; ok {
		return fmt.Sprintf("its pods belong to source %s under the same cluster name; --adopt takes them over", source)
	}
	if w.h.Proposal {
		return ""
	}
	for _, p := range w.pods[app] {
		if w.unknown(p.Commit) && w.mustFetch(p.Created) {
			return fmt.Sprintf("%s on %s was born of %s, which is no ancestor of HEAD %s; waiting for a fetch that begins after its birth",
				p.Name, p.node.Name, short(p.Commit), short(w.h.Head.Commit))
		}
	}
	for _, r := range w.receipts[app] {
		if w.unknown(r.Commit) && w.mustFetch(r.Time) {
			return fmt.Sprintf("a receipt (%s) names %s, which is no ancestor of HEAD %s; waiting for a fetch that begins after it",
				r.Verb, short(r.Commit), short(w.h.Head.Commit))
		}
	}
	return ""
}

// mustFetch says whether the newest fetch may have begun before birth. If so the plan asks for one that does not.
func (w *world) mustFetch(birth time.Time) bool {
	after := birth.Add(clockSlack)
	if w.h.Fetched.After(after) {
		return false
	}
	if after.After(w.plan.Fetch) {
		w.plan.Fetch = after
	}
	return true
}

// unknown says whether HEAD does not descend from a commit.
func (w *world) unknown(commit string) bool {
	return commit != "" && commit != w.h.Head.Commit && !w.h.Ancestor[commit]
}

// pair sorts the pods into one for each slot, and twins: what a moved or a returned pod leaves twice in the fleet. The available one
// counts, then the one that need not move, then the older, then the lower node name.
func (k *work) pair() {
	type slot struct {
		rev string
		n   int
	}
	seen := map[slot]*pod{}
	pods := append([]*pod(nil), k.pods[k.wl.ID]...)
	sort.SliceStable(pods, func(i, j int) bool { return before(pods[i], pods[j]) })
	spare := k.tally(pods)
	for _, p := range pods {
		key := slot{p.Rev, p.Slot}
		switch twin := seen[key]; {
		case p.Stopping:
			k.kept = append(k.kept, p)
		case twin == nil:
			seen[key] = p
			k.kept = append(k.kept, p)
		case twin.moving && !p.moving:
			k.extra = append(k.extra, p)
		case p.available && spare <= 0:
			k.extra = append(k.extra, p)
			k.app.Waits = append(k.app.Waits, fmt.Sprintf("%s on %s is one too many for its slot, and stays until others are available", p.Name, p.node.Name))
		default:
			if p.available {
				spare--
			}
			k.stop(p, fmt.Sprintf("slot %d of %s is kept on %s", p.Slot, live.ShortRev(p.Rev), twin.node.Name))
		}
	}
}

// tally finds out how many pods may be started, and says how many available ones may be given up.
func (k *work) tally(pods []*pod) (spare int) {
	k.room = k.wl.Replicas + k.wl.Strategy.MaxSurge
	spare = -k.floor()
	for _, p := range pods {
		if p.Stopping {
			continue
		}
		k.room--
		if p.available {
			spare++
		}
	}
	return spare
}

// floor is how many pods must stay available.
func (k *work) floor() int {
	if k.wl.Strategy.Type == manifest.Recreate {
		return 0
	}
	return k.wl.Replicas - k.wl.Strategy.MaxUnavailable
}

func before(a, b *pod) bool {
	switch {
	case a.available != b.available:
		return a.available
	case a.moving != b.moving:
		return !a.moving
	case !a.Created.Equal(b.Created):
		return a.Created.Before(b.Created)
	}
	return a.node.Name < b.node.Name
}

// view is the workload's pods as the rollout sees them.
func (k *work) view() []rollout.Pod {
	pods := make([]rollout.Pod, 0, len(k.kept))
	for _, p := range k.kept {
		pods = append(pods, rollout.Pod{
			Rev: p.Rev, Slot: p.Slot, Gen: p.Gen, Ready: p.seen() && p.verdict.Ready(), Available: p.available,
			Since: p.verdict.Since, Stopping: p.Stopping, Unseen: !p.seen(),
			Done: p.seen() && p.verdict.State == health.Done, Failed: p.seen() && p.verdict.State == health.Failed,
		})
	}
	return pods
}

// ledger is what is written down about the workload, and what holds it up.
func (k *work) ledger() rollout.Ledger {
	l := rollout.Ledger{
		Receipts: k.receipts[k.wl.ID], Suspended: k.wl.Suspended, Moved: k.moved(k.wl), Imposed: k.imposed(),
		Trouble: k.trouble(),
	}
	for _, d := range k.h.Decisions {
		if d.Verb == "retry" && d.App == k.wl.ID && d.Rev == k.wl.Revision.Rev && d.Time.After(l.Retry) {
			l.Retry = d.Time
		}
	}
	l.Guard = k.guard(l.Receipts)
	l.StopOld, l.StopWhy = k.stopsFirst()
	return l
}

// guard says why no rollout of the workload may begin now.
func (k *work) guard(receipts []live.Receipt) string {
	same, promoted := 0, false
	for _, r := range receipts {
		if r.Verb == live.Began && r.Commit == k.wl.Revision.Commit {
			same++
		}
		promoted = promoted || r.Verb == live.Promoted
	}
	for _, d := range k.h.Decisions {
		if d.Verb == "retry" && d.App == k.wl.ID {
			same--
		}
	}
	switch {
	case same >= loopLimit:
		return fmt.Sprintf("a redeploy loop: %d rollouts began at commit %s already (do two controllers disagree?); push a commit to go on",
			same, short(k.wl.Revision.Commit))
	case promoted && k.rolling >= maxRolling && !underWay(receipts):
		return fmt.Sprintf("%d workloads are rolling already", k.rolling)
	}
	return ""
}

// underWay says whether the newest generation is neither promoted nor rejected nor done.
func underWay(receipts []live.Receipt) bool {
	gen, over := 0, false
	for _, r := range receipts {
		if r.Gen > gen {
			gen, over = r.Gen, false
		}
		if r.Gen == gen {
			over = over || r.Verb == live.Promoted || r.Verb == live.Failed || r.Verb == live.Done
		}
	}
	return gen > 0 && !over
}

// imposed says what podkeep itself holds up, so that no deadline counts it.
func (k *work) imposed() string {
	if k.hidden != "" {
		return k.hidden
	}
	for _, p := range k.kept {
		if !p.seen() {
			return p.node.Name + " is silent"
		}
	}
	return ""
}

// hiding says why missing pods may run where nobody can look: on a node that this controller has not heard yet, and that
// may have been given pods, of any revision, before this controller listened.
func (k *work) hiding() string {
	if k.total() >= k.wl.Replicas {
		return ""
	}
	began := k.now
	for _, r := range k.receipts[k.wl.ID] {
		if r.Verb == live.Began && r.Time.Before(began) {
			began = r.Time
		}
	}
	for _, n := range k.nodes {
		if !n.Known && n.reach == silent && began.Before(n.silentSince(k.now).Add(clockSlack)) {
			return n.Name + " has not been heard yet and may run some of them"
		}
	}
	return ""
}

// trouble is why pods of HEAD's revision are not well, the first by node and name.
func (k *work) trouble() string {
	for _, n := range k.nodes {
		for _, t := range n.Troubles {
			if t.Rev == k.wl.Revision.Rev {
				return t.Why
			}
		}
	}
	for _, p := range k.kept {
		if p.Rev == k.wl.Revision.Rev && p.seen() && !p.verdict.Ready() {
			return fmt.Sprintf("%s: %s %s", p.node.Name, p.Name, p.verdict.Why)
		}
	}
	return ""
}

// stopsFirst says whether host ports leave new pods no room beside the old ones.
func (k *work) stopsFirst() (bool, string) {
	r := k.request(formOf(*k.wl), 0)
	if len(r.Ports) == 0 || k.wl.Strategy.Type == manifest.Recreate {
		return false, ""
	}
	fit := 0
	for _, h := range k.hosts {
		bare := *h
		bare.Ports, bare.Names = map[string]int{}, nil
		for port, n := range h.Ports {
			bare.Ports[port] = n
		}
		for _, p := range k.kept {
			if p.node.host == h {
				bare.Used.MilliCPU -= p.Room.MilliCPU
				bare.Used.Memory -= p.Room.Memory
				for _, port := range p.Ports {
					bare.Ports[port]--
				}
			}
		}
		if ok, _ := schedule.Fits(r, []*schedule.Host{&bare}); ok {
			fit++
		}
	}
	if fit >= k.wl.Replicas+k.wl.Strategy.MaxSurge {
		return false, ""
	}
	return true, fmt.Sprintf("host port %s leaves room on %d nodes for %d pods", strings.Join(r.Ports, ", "), fit, k.wl.Replicas)
}

// record writes the step's receipts down on every node that answers.
func (k *work) record() {
	for _, r := range k.step.Receipts {
		if k.wl.Suspended && r.Verb != live.Halted {
			k.app.Suspended = append(k.app.Suspended, Action{Verb: Put, Name: r.Name(), App: r.App, Why: r.Why})
			continue
		}
		k.putReceipt(r)
	}
}

// shrink stops what each revision has too much.
func (k *work) shrink() {
	byRev := map[string][]*pod{}
	for _, p := range k.kept {
		if !p.Stopping {
			byRev[p.Rev] = append(byRev[p.Rev], p)
		}
	}
	gone := map[*pod]bool{}
	for _, rev := range sorted(byRev) {
		surplus := len(byRev[rev]) - k.step.Want[rev]
		for _, p := range victims(byRev[rev], surplus) {
			gone[p] = true
			k.stop(p, k.whyStop(p))
		}
	}
	for _, p := range k.extra { // a twin goes with the pod it was to replace
		for _, q := range k.kept {
			if gone[q] && q.Rev == p.Rev && q.Slot == p.Slot {
				k.stop(p, k.whyStop(p))
			}
		}
	}
	k.drop(gone)
}

func (k *work) drop(gone map[*pod]bool) {
	var kept []*pod
	for _, p := range k.kept {
		if !gone[p] {
			kept = append(kept, p)
		}
	}
	k.kept = kept
}

// victims are the n pods that are missed least: seen ones only; not available before available, leaving nodes before others,
// then from the nodes with most of the workload, then the higher slot.
func victims(pods []*pod, n int) []*pod {
	if n <= 0 {
		return nil
	}
	crowd := map[string]int{}
	var seen []*pod
	for _, p := range pods {
		if p.seen() {
			seen = append(seen, p)
			crowd[p.node.Name]++
		}
	}
	var out []*pod
	for len(out) < n && len(seen) > 0 {
		sort.SliceStable(seen, func(i, j int) bool { return lesser(seen[i], seen[j], crowd) })
		out = append(out, seen[0])
		crowd[seen[0].node.Name]--
		seen = seen[1:]
	}
	return out
}

func lesser(a, b *pod, crowd map[string]int) bool {
	switch {
	case a.available != b.available:
		return !a.available
	case a.verdict.Ready() != b.verdict.Ready():
		return !a.verdict.Ready()
	case a.moving != b.moving:
		return a.moving
	case crowd[a.node.Name] != crowd[b.node.Name]:
		return crowd[a.node.Name] > crowd[b.node.Name]
	case a.Slot != b.Slot:
		return a.Slot > b.Slot
	}
	return a.node.Name > b.node.Name
}

func (k *work) whyStop(p *pod) string {
	if p.Rev == k.step.Target {
		return fmt.Sprintf("%d of %d asked for", k.step.Want[p.Rev], k.wl.Replicas)
	}
	return fmt.Sprintf("%s gives way to %s", live.ShortRev(p.Rev), live.ShortRev(k.step.Target))
}

// mend runs again what is half made or has exited, in its own revision's form.
func (k *work) mend() {
	for _, p := range append(append([]*pod(nil), k.kept...), k.extra...) {
		k.wake(p.verdict.Wake)
		if !p.seen() || !p.verdict.Run || p.node.host == nil {
			continue
		}
		f, ok := k.form(p.App, p.Rev)
		if !ok {
			k.app.Waits = append(k.app.Waits, fmt.Sprintf("%s on %s %s; its form is neither in Git nor on a node",
				p.Name, p.node.Name, p.verdict.Why))
			continue
		}
		k.run(p.node, p.Pod, f, p.verdict.Attempt, p.verdict.Why)
	}
}

// move makes a twin, or room, for one pod at a time that has to leave its node.
func (k *work) move() {
	moving := len(k.extra)
	for _, p := range k.kept {
		if !p.moving || p.Stopping || !p.seen() || k.twinned(p) {
			continue
		}
		why := p.node.Name + " is being drained"
		if p.node.gone {
			why = p.node.Name + " left Git"
		}
		switch {
		case k.step.Phase == rollout.Starting || k.hidden != "":
		case k.stopsBeforeMove():
			if k.spare() > 0 && k.fits(p) {
				k.stop(p, why)
				p.Stopping = true
			}
		case moving < max(1, k.wl.Strategy.MaxSurge) && k.room > 0:
			if k.create(p.Rev, p.Gen, p.Slot, why) {
				moving++
			}
		}
	}
}

func (k *work) twinned(p *pod) bool {
	for _, e := range k.extra {
		if e.Rev == p.Rev && e.Slot == p.Slot {
			return true
		}
	}
	return false
}

// stopsBeforeMove says whether a pod must be stopped before its successor starts.
func (k *work) stopsBeforeMove() bool {
	return k.wl.Strategy.Type == manifest.Recreate || k.wl.Strategy.MaxSurge == 0
}

// spare is how many available pods may be given up now.
func (k *work) spare() int {
	n := -k.floor()
	for _, p := range k.kept {
		if p.available && !p.Stopping {
			n++
		}
	}
	return n
}

func (k *work) total() int {
	n := 0
	for _, p := range k.kept {
		if !p.Stopping {
			n++
		}
	}
	return n
}

func (k *work) fits(p *pod) bool {
	f, ok := k.form(p.App, p.Rev)
	if !ok {
		return false
	}
	fits, why := schedule.Fits(k.request(f, p.Slot), k.hosts)
	if !fits {
		k.app.Waits = append(k.app.Waits, fmt.Sprintf("%s has to leave %s: %s", p.Name, p.node.Name, why))
	}
	return fits
}

// grow starts what each revision lacks, in the lowest free slots.
func (k *work) grow() {
	for _, rev := range sorted(k.step.Want) {
		have, used := 0, map[int]bool{}
		for _, p := range k.kept {
			if p.Rev == rev {
				used[p.Slot] = true
				if !p.Stopping {
					have++
				}
			}
		}
		lack := k.step.Want[rev] - have
		if lack > 0 && k.hidden != "" {
			k.app.Waits = append(k.app.Waits, fmt.Sprintf("%d of %s are missing, and %s", lack, live.ShortRev(rev), k.hidden))
			continue
		}
		for slot := 0; lack > 0; slot++ {
			if used[slot] {
				continue
			}
			if k.room <= 0 {
				k.app.Waits = append(k.app.Waits, fmt.Sprintf("%d of %s wait until others are gone", lack, live.ShortRev(rev)))
				break
			}
			lack--
			if !k.create(rev, k.genOf(rev), slot, k.whyRun(rev)) {
				break
			}
		}
	}
}

func (k *work) genOf(rev string) int {
	if rev == k.step.Target {
		return k.step.Gen
	}
	gen := 1
	for _, r := range k.receipts[k.wl.ID] {
		if r.Rev == rev && r.Verb == live.Began {
			gen = max(gen, r.Gen)
		}
	}
	return gen
}

func (k *work) whyRun(rev string) string {
	if rev == k.step.Target && k.step.Phase == rollout.Rolling {
		return "rolling to " + live.ShortRev(rev) + ": " + k.step.Why
	}
	return fmt.Sprintf("%d of %s asked for", k.step.Want[rev], live.ShortRev(rev))
}

// create places a pod and runs it. It says why it cannot in the workload's waits.
func (k *work) create(rev string, gen, slot int, why string) bool {
	f, ok := k.form(k.wl.ID, rev)
	if !ok {
		k.app.Waits = append(k.app.Waits, fmt.Sprintf("slot %d of %s: its form is neither in Git nor on a node", slot, live.ShortRev(rev)))
		return false
	}
	r := k.request(f, slot)
	host, refusal := schedule.Place(r, k.hosts)
	if host == nil {
		k.app.Waits = append(k.app.Waits, fmt.Sprintf("slot %d of %s: %s", slot, live.ShortRev(rev), refusal))
		return false
	}
	k.room--
	k.run(k.node(host.Name), k.birth(f, gen, slot, r), f, nil, why)
	return true
}

// birth is the pod that is to be born.
func (k *work) birth(f form, gen, slot int, r schedule.Request) live.Pod {
	names := make([]string, 0, len(f.Spec.Containers))
	for _, c := range f.Spec.Containers {
		names = append(names, c.Name)
	}
	sort.Strings(names)
	return live.Pod{
		Name: r.Name, Cluster: k.h.Cluster, Source: k.h.Source, App: f.App, Slot: slot, Rev: f.Rev, Gen: gen,
		Commit: f.Commit, Expect: names, Restart: string(f.Spec.RestartPolicy), Room: r.Room, Ports: r.Ports,
		Keep: k.wl.PruneDisabled,
	}
}

func (k *work) request(f form, slot int) schedule.Request {
	return schedule.Request{
		App: f.App, Name: live.PodName(k.h.Cluster, f.App, f.Rev, slot), Room: requests(f.Spec),
		Ports: hostPorts(f), Spec: &f.Spec, Rev: f.Rev, Files: f.lacking(),
	}
}

// hostPorts are the ports that a pod takes on its node, in the form that label podkeep.io/ports has.
func hostPorts(f form) []string {
	var ports []string
	for _, c := range f.Spec.Containers {
		for _, p := range c.Ports {
			number := p.HostPort
			if f.Spec.HostNetwork && number == 0 {
				number = p.ContainerPort
			}
			if number == 0 {
				continue
			}
			s := strconv.Itoa(int(number)) + "/" + strings.ToLower(string(p.Protocol))
			if p.HostIP != "" && p.HostIP != "0.0.0.0" {
				s = p.HostIP + ":" + s
			}
			ports = append(ports, s)
		}
	}
	sort.Strings(ports)
	return ports
}

// run puts what the pod needs on its node, and runs it there.
func (k *work) run(n *node, p live.Pod, f form, attempt map[string]int, why string) {
	pod := f.Pod(p.Name, live.PodLabels(p), attempt)
	files := []manifest.File{k.revFile(f)}
	for _, name := range f.Files {
		if file, ok := f.config[name]; ok {
			file.Labels = map[string]string{live.LabelCluster: k.h.Cluster, live.LabelSource: k.h.Source}
			files = append(files, file)
		}
	}
	for i := range files {
		if !n.has(files[i].Name) {
			n.host.Files[files[i].Name] = true
			k.do(Action{Node: n.Name, Verb: Put, Name: files[i].Name, App: k.wl.ID, Why: "needed by " + p.Name, File: &files[i]})
		}
	}
	k.do(Action{Node: n.Name, Verb: Run, Name: p.Name, App: k.wl.ID, Why: why, Pod: &pod})
}

func (n *node) has(file string) bool { return n.host != nil && n.host.Files[file] }

func (k *work) stop(p *pod, why string) {
	if p.seen() && !p.Stopping {
		k.do(Action{Node: p.node.Name, Verb: Stop, Name: p.Name, App: k.wl.ID, Why: why})
	}
}

// do adds an action, or lists it where the workload is suspended.
func (k *work) do(a Action) {
	if k.wl.Suspended {
		k.app.Suspended = append(k.app.Suspended, a)
		return
	}
	k.plan.Actions = append(k.plan.Actions, a)
}

func (w *world) node(name string) *node {
	i := sort.Search(len(w.nodes), func(i int) bool { return w.nodes[i].Name >= name })
	return w.nodes[i]
}

func short(commit string) string { return commit[:min(7, len(commit))] }
