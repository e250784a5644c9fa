package sim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/drivers/fake"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler"
	"github.com/podkeep/podkeep/reconciler/health"
	"github.com/podkeep/podkeep/reconciler/ledger"
	"github.com/podkeep/podkeep/reconciler/plan"
	"github.com/podkeep/podkeep/reconciler/rollout"
)

type moment = time.Time

// dry is a new controller on a copy of the world: what it does changes nothing, and it remembers nothing but the
// last fetch where the story says that it makes no other.
func (s *Sim) dry(c *controller) *controller {
	source := *c.source
	d := &controller{source: &source, world: s.world.Copy(), key: c.key}
	s.start(d)
	if source.stale {
		d.source.known, d.source.fetched = c.source.known, c.source.fetched
	}
	return d
}

// checkDry judges what each controller, if it were started anew now, would do.
func (s *Sim) checkDry() error {
	if s.care != full || s.repo.head == "" {
		return nil
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(s.controllers)) {
		d := s.dry(s.controllers[name])
		before := d.world.Copy()
		errs = append(errs, s.judge(d, before, d.rec.Pass(context.Background())))
		d.rec.Close()
	}
	return errors.Join(errs...)
}

// judge checks the laws on one pass: on its plan, on what the world is after it, and on what the world would be had
// only parts of the plan arrived.
func (s *Sim) judge(c *controller, before *fake.World, p reconciler.Pass) error {
	if s.care == none {
		return nil
	}
	j := judge{s: s, c: c, before: see(before), p: p, want: p.History.Want(), trusted: p.History.Trusted(), sight: map[string]live.Node{}}
	j.frozen = j.freeze()
	errs := []error{j.reasoned(), j.silence(), j.absence(), j.once(), j.owned(), j.staged(), j.routes(), j.guarded(), j.entries(), j.roles(), j.shared(), j.effects(c.world, "after the pass")}
	if s.care == full {
		errs = append(errs, j.deterministic())
	}
	for range parts(s.care, p.Plan) {
		part := j.part()
		errs = append(errs, j.effects(part, "after a part of the plan"))
	}
	err := errors.Join(errs...)
	if err != nil {
		err = fmt.Errorf("%w\nthe plan at %s:\n%s", err, clock(s.now), s.text(p))
	}
	return err
}

// parts is how many random parts of each plan are tried.
func parts(c care, p plan.Plan) int {
	if c == full && len(p.Actions) > 1 {
		return 3
	}
	return 0
}

// judge is one pass before the laws.
type judge struct {
	s       *Sim
	c       *controller
	before  view
	p       reconciler.Pass
	want    manifest.Set
	frozen  map[string]bool      // nodes that are silent within their grace
	trusted map[string]bool      // keys: what others signed counts for nothing and is replaced
	sight   map[string]live.Node // what was seen of each host, once it was asked
}

// view is a world at a moment, each host read once.
type view struct {
	*fake.World
	hosts []live.Node // whether they answer or not, sorted by name
}

func see(w *fake.World) view {
	v := view{World: w}
	for _, host := range w.Hosts() {
		v.hosts = append(v.hosts, w.Truth(host, cluster))
	}
	return v
}

// host is what is on one of them.
func (v view) host(name string) live.Node { return node(live.Snapshot{Nodes: v.hosts}, name) }

// host is where a Node leads to.
func (j judge) host(name string) string {
	for _, n := range slices.Concat(j.want.Nodes, j.p.History.Gone) {
		if n.Name == name {
			return j.s.world.At(hostOf(n))
		}
	}
	return name
}

// seen is what was seen of a host: under the Node of HEAD that leads there, or one that left it. Of several, the first that was ever heard.
func (j judge) seen(host string) (seen live.Node) {
	if seen, known := j.sight[host]; known {
		return seen
	}
	defer func() { j.sight[host] = seen }()
	for _, n := range slices.Concat(j.want.Nodes, j.p.History.Gone) {
		if j.s.world.At(hostOf(n)) == host && !seen.Known {
			seen = node(j.p.Snapshot, n.Name)
		}
	}
	return seen
}

// freeze lists the nodes that did not answer and whose pods count as there; those of another's copy do not.
func (j judge) freeze() map[string]bool {
	grace := map[string]time.Duration{}
	for _, n := range slices.Concat(j.p.History.Gone, j.want.Nodes) {
		grace[n.Name] = n.Grace
	}
	frozen := map[string]bool{}
	for _, n := range j.p.Snapshot.Nodes {
		if silent(n) && n.Silent < grace[n.Name] && j.p.Plan.Held[n.Name] == "" {
			frozen[n.Name] = true
		}
	}
	return frozen
}

// deterministic is law 1: the same inputs in any order give the same bytes, and the pass had no other. A Node that departs with the plan is
// not in the snapshot any more.
func (j judge) deterministic() error {
	first := bytesOf(plan.Make(j.p.History, j.p.Snapshot, j.p.Time))
	if had := bytesOf(j.p.Plan); j.p.Err == nil && len(j.p.Plan.Departed) == 0 && had != first {
		return fmt.Errorf("law 1, deterministic: the pass made\n%s\nand what it had read and seen gives\n%s", had, first)
	}
	if again := bytesOf(plan.Make(j.p.History, j.p.Snapshot, j.p.Time)); again != first {
		return fmt.Errorf("law 1, deterministic: the same inputs gave\n%s\nand\n%s", first, again)
	}
	if other := bytesOf(plan.Make(j.p.History, shuffled(j.p.Snapshot, j.s.dice), j.p.Time)); other != first {
		return fmt.Errorf("law 1, deterministic: the same inputs in another order gave\n%s\nand\n%s", first, other)
	}
	return nil
}

func bytesOf(p plan.Plan) string {
	out, err := json.Marshal(p)
	if err != nil {
		panic(err)
	}
	if p.Table != nil {
		out = append(out, content(p.Table)...)
	}
	return p.String() + string(out)
}

func shuffled(have live.Snapshot, dice *rand.Rand) live.Snapshot {
	out := live.Snapshot{Nodes: mixed(have.Nodes, dice), Watched: have.Watched}
	for i, n := range out.Nodes {
		out.Nodes[i].Pods, out.Nodes[i].Files = mixed(n.Pods, dice), mixed(n.Files, dice)
		out.Nodes[i].Receipts, out.Nodes[i].Volumes = mixed(n.Receipts, dice), mixed(n.Volumes, dice)
	}
	return out
}

func mixed[T any](list []T, dice *rand.Rand) []T {
	out := slices.Clone(list)
	dice.Shuffle(len(out), func(i, k int) { out[i], out[k] = out[k], out[i] })
	return out
}

// reasoned is law 5: no action, no state but Converged, and no wait without a sentence.
func (j judge) reasoned() error {
	for _, a := range j.p.Plan.Actions {
		if a.Why == "" {
			return fmt.Errorf("law 5, reasoned: %s %s %s has no reason", a.Node, a.Verb, a.Name)
		}
	}
	for _, a := range j.p.Plan.Apps {
		if a.State != plan.Converged && a.Why == "" {
			return fmt.Errorf("law 5, reasoned: %s is %s without a reason", a.ID, a.State)
		}
		if a.Admitted < a.Intended && len(a.Waits)+len(a.Suspended) == 0 && a.State != plan.Held {
			return fmt.Errorf("law 5, reasoned: %s wants %d things, gets %d, and nothing says why", a.ID, a.Intended, a.Admitted)
		}
		if slices.Contains(a.Waits, "") {
			return fmt.Errorf("law 5, reasoned: %s waits without a reason", a.ID)
		}
	}
	return nil
}

// silence is law 7: nothing is asked of a node that does not answer, and nothing that may run on one that is silent
// within its grace is run elsewhere. What was there already may be let finish.
func (j judge) silence() error {
	held := map[string]string{}
	for _, n := range j.p.Snapshot.Nodes {
		for _, p := range n.Pods {
			if j.frozen[n.Name] && !live.IsOwn(p.App) && (p.App.Kind != "Job" || !over(p)) {
				held[fmt.Sprint(p.App, p.Slot, p.Rev)] = n.Name
			}
		}
	}
	for _, a := range j.p.Plan.Actions {
		if n := node(j.p.Snapshot, a.Node); silent(n) {
			return fmt.Errorf("law 7, silence: %s %s is asked of silent %s", a.Verb, a.Name, a.Node)
		}
		there := slices.ContainsFunc(node(j.p.Snapshot, a.Node).Pods, func(p live.Pod) bool { return p.Name == a.Name })
		if a.Verb != plan.Run || a.Pod == nil || there {
			continue
		}
		p, err := live.ParsePod(a.Pod.Name, a.Pod.Labels)
		if err != nil {
			return fmt.Errorf("%s: labels: %w", a.Name, err)
		}
		if n := held[fmt.Sprint(p.App, p.Slot, p.Rev)]; n != "" {
			return fmt.Errorf("law 7, silence: %s runs on %s while %s may hold it", a.Name, a.Node, n)
		}
	}
	return nil
}

func silent(n live.Node) bool { return n.Silent > 0 || !n.Known }

func node(s live.Snapshot, name string) live.Node {
	for _, n := range s.Nodes {
		if n.Name == name {
			return n
		}
	}
	return live.Node{}
}

// absence is law 8: what the last known head asks for is never pruned, whatever failed.
func (j judge) absence() error {
	c := j.c.source.repo.commits[j.c.source.known]
	if c == nil {
		return nil
	}
	asked := map[string]bool{}
	for _, o := range c.objects {
		if o.words["hook"] == "Skip" || j.c.source.repo.emptied(c, o.file) {
			continue // that is as if it were not there
		}
		ns := o.words["ns"]
		if ns == "" {
			ns = "default"
		}
		asked[manifest.ID{Kind: o.kind, Namespace: ns, Name: o.name}.String()] = true
	}
	for _, a := range j.p.Plan.Apps {
		if a.State == plan.Pruning && asked[a.ID.String()] {
			return fmt.Errorf("law 8, absence is proven: %s is asked for by %s and is pruned: %s", a.ID, c.id, a.Why)
		}
	}
	return nil
}

// effects compares a world after (a part of) the pass with the one before: floors and ceilings (law 3), what
// belongs to others (law 6), Files that pods need (law 8), room.
func (j judge) effects(world *fake.World, when string) error {
	if world.Writes() == j.before.Writes() {
		return nil
	}
	after := see(world)
	var errs []error
	if was, is := j.before.Others(cluster), after.Others(cluster); was != is {
		errs = append(errs, fmt.Errorf("law 6, mind your own: %s\n%s\nbecame\n%s", when, was, is))
	}
	for _, w := range j.want.Workloads {
		if w.Job != nil {
			errs = append(errs, j.jobBounds(w, after, when))
			continue
		}
		errs = append(errs, j.bounds(w, after, when), j.aborts(w, after, when))
	}
	was := j.before.Missing(cluster)
	for _, f := range after.Missing(cluster) {
		if !slices.Contains(was, f) {
			errs = append(errs, fmt.Errorf("law 8, absence is proven: %s %s is gone", when, f))
		}
	}
	return errors.Join(append(errs, j.room(after, when), j.data(after, when), j.unsent(after, when), j.apart(after, when))...)
}

// data: a claim that ever had data gets no second volume unless somebody decided so. Law 8 for what outlives pods.
func (j judge) data(after view, when string) error {
	had := map[string]bool{}
	for _, n := range j.before.hosts {
		for _, claim := range n.Volumes {
			had[claim] = true
		}
		for _, r := range n.Receipts {
			if r.Verb == live.Made {
				had[r.App.Namespace+"/"+r.App.Name] = true
			}
		}
	}
	for _, n := range after.hosts {
		for _, claim := range n.Volumes {
			if own := strings.HasPrefix(claim, live.SideApp.Namespace+"/"); !own && had[claim] && !slices.Contains(j.before.host(n.Name).Volumes, claim) && !j.decided(claim) {
				return fmt.Errorf("law 8, data: %s claim %s had data and gets an empty volume on %s", when, claim, n.Name)
			}
		}
	}
	return nil
}

func (j judge) decided(claim string) bool {
	return slices.ContainsFunc(j.p.History.Decisions, func(d manifest.Decision) bool {
		return d.Verb == "retry" && d.App.Namespace+"/"+d.App.Name == claim
	})
}

// bounds holds a workload's floor and ceiling. What faults have broken before may stay broken, and may not get worse.
func (j judge) bounds(w manifest.Workload, after view, when string) error {
	if w.Suspended {
		return nil
	}
	was, is := j.tally(j.before, w), j.tally(after, w)
	least := floorOf(w)
	if j.joins(w) {
		least = min(least, max(0, w.Replicas-1))
	}
	if floor := min(least, was.available); is.available < floor {
		return fmt.Errorf("law 3, safe in part: %s %s has %d available, had %d, floor %d",
			when, w.ID.Short(), is.available, was.available, least)
	}
	hidden, most := j.hidden(w, func(live.Pod) bool { return true }), w.Replicas+w.Strategy.MaxSurge
	if w.Strategy.Type == manifest.BlueGreen {
		active := rollout.Active(w, j.ledger(w.ID))
		most += w.Replicas + was.older + j.hidden(w, func(p live.Pod) bool { return p.Rev != active && p.Rev != w.Revision.Rev })
	}
	if ceiling := max(most, was.total+hidden); is.total+hidden > ceiling {
		return fmt.Errorf("law 3, ceiling: %s %s has %d pods and %d where nobody can look, had %d, ceiling %d",
			when, w.ID.Short(), is.total, hidden, was.total, ceiling)
	}
	return nil
}

// joins says whether pods of a workload are to come into the cluster's own network, or out of it: where there is no room for a successor, one may be
// missing at a time.
func (j judge) joins(w manifest.Workload) bool {
	now := j.p.History.Net.Layout()
	if j.p.History.Side.Refused {
		now = manifest.NetworkLayout
	}
	return slices.ContainsFunc(j.before.hosts, func(n live.Node) bool {
		return slices.ContainsFunc(n.Pods, func(p live.Pod) bool { return p.App == w.ID && p.Birth.Network > 0 && p.Birth.Network != now })
	})
}

// floorOf is how many pods must stay available: none where the only pod must go before a new one comes. With host ports one may always be
// missing, unless somebody wrote that none may.
func floorOf(w manifest.Workload) int {
	if w.Strategy.Type == manifest.Recreate || w.Kind == "Pod" || (w.Replicas == 1 && (hasHostPort(w.Revision.Spec) || len(manifest.ClaimsOf(w.Revision.Spec)) > 0)) {
		return 0
	}
	if hasHostPort(w.Revision.Spec) && !w.Strategy.Firm {
		return max(0, w.Replicas-max(1, w.Strategy.MaxUnavailable))
	}
	return max(0, w.Replicas-w.Strategy.MaxUnavailable)
}

func hasHostPort(spec corev1.PodSpec) bool {
	for _, c := range spec.Containers {
		for _, p := range c.Ports {
			if p.HostPort != 0 {
				return true
			}
		}
	}
	return spec.HostNetwork
}

// tally are counts of pods: all, those available where that matters, and those of revisions that neither serve nor are asked for.
type tally struct{ total, available, older int }

// tally counts a workload's pods on nodes that answer and are not another's copy. One that is told to stop makes way already; of an older revision
// with Recreate it does when it is gone.
func (j judge) tally(w view, app manifest.Workload) (t tally) {
	active := rollout.Active(app, j.ledger(app.ID))
	for _, n := range w.hosts {
		if seen := j.seen(n.Name); !w.Answers(n.Name) || silent(seen) || j.p.Plan.Held[seen.Name] != "" {
			continue
		}
		for _, p := range n.Pods {
			if !j.of(app, p) || p.Stopping && (app.Strategy.Type != manifest.Recreate || p.Rev == app.Revision.Rev) {
				continue
			}
			if j.trusted[p.Signer] {
				t.total++
			}
			if active != "" && p.Rev != active {
				if p.Rev != app.Revision.Rev {
					t.older++
				}
				continue
			}
			unprobed := len(p.Birth.Probes) > 0 && (j.p.History.Side.Version == "" || j.before.host(n.Name).SidePod() == nil) // nobody can know whether it is ready
			if !unprobed && available(p, app.Strategy.MinReady, j.s.now) {
				t.available++
			}
		}
	}
	return t
}

// ledger is what is written down of a workload, and of what it takes the place of.
func (j judge) ledger(app manifest.ID) ledger.Ledger {
	all := j.p.Plan.Ledgers[app]
	for before, heir := range j.p.Plan.Heirs {
		if heir == app {
			all = slices.Concat(j.p.Plan.Ledgers[before], all)
		}
	}
	return all
}

func (j judge) of(app manifest.Workload, p live.Pod) bool {
	return (p.App == app.ID || j.replaced(app, p)) && p.Source == j.c.source.Name() && !forged(p)
}

// replaced says whether a pod is of what had the workload's name before, under another kind.
func (j judge) replaced(app manifest.Workload, p live.Pod) bool {
	under := func(kind string) manifest.ID {
		return manifest.ID{Kind: kind, Namespace: p.App.Namespace, Name: p.App.Name}
	}
	kinds := []string{"Deployment", "ReplicaSet", "ReplicationController", "Rollout"}
	return slices.Contains(kinds, p.App.Kind) && under(app.Kind) == app.ID && slices.Contains(kinds, app.Kind) && !p.Keep &&
		!slices.ContainsFunc(j.want.Workloads, func(wl manifest.Workload) bool { return wl.ID == p.App })
}

// forged says whether a pod counts for nothing: no controller made it, or not for the host that it is on.
func forged(p live.Pod) bool {
	return p.Signer == "" || slices.ContainsFunc(p.Containers, func(c live.Container) bool { return c.Image == "foreign" })
}

// hidden counts a workload's pods of some kind on frozen nodes: of a node that this controller knows, those whose slot nobody else
// has taken; of nodes that it has never heard, as many as are missing elsewhere. What another controller began there after this one's last look
// nobody could tell it. One that was told to stop makes way, there too.
func (j judge) hidden(app manifest.Workload, which func(live.Pod) bool) (n int) {
	taken := map[string]bool{}
	for _, host := range j.before.hosts {
		for _, p := range host.Pods {
			if j.of(app, p) && which(p) && !j.frozen[j.seen(host.Name).Name] && j.before.Answers(host.Name) {
				taken[fmt.Sprint(p.Rev, " ", p.Slot)] = true
			}
		}
	}
	unknown := 0
	for _, host := range j.before.hosts {
		for _, p := range host.Pods {
			slot := fmt.Sprint(p.Rev, " ", p.Slot)
			switch {
			case !j.frozen[j.seen(host.Name).Name] || !j.of(app, p) || !which(p) || p.Stopping && app.Strategy.Type != manifest.Recreate || taken[slot] || j.beganBehind(host.Name, p):
			case j.seen(host.Name).Known:
				n++
				taken[slot] = true
			default:
				unknown++
				taken[slot] = true
			}
		}
	}
	missing := max(0, app.Replicas-n-j.tally(j.before, app).total)
	return n + min(unknown, missing)
}

// beganBehind says whether another controller may have begun a pod on a host since this one's last look.
func (j judge) beganBehind(host string, p live.Pod) bool {
	last := j.seen(host)
	return len(j.s.controllers) > 1 && last.Known && !slices.ContainsFunc(last.Pods, func(q live.Pod) bool { return q.Name == p.Name })
}

// ready: every container that the label names exists and has been up for 2 s.
func ready(p live.Pod, now time.Time) bool { return available(p, 0, now) }

// available: ready for so long, as its probes say where it has any, and not told to stop. What began in the future began before its host's clock was set back.
func available(p live.Pod, minReady time.Duration, now time.Time) bool {
	if len(p.Containers) < len(p.Expect) || len(p.Containers) == 0 || p.Stopping {
		return false
	}
	for _, c := range p.Containers {
		if slices.Contains(p.Init, live.Init{Name: c.Name}) && c.Ended() && c.Exit == 0 {
			continue
		}
		if w, ok := health.Word(p, c); ok && p.Birth.Probes[c.Name] != "liveness" {
			if !w.Ready || now.Before(w.Since.Add(minReady)) {
				return false
			}
			continue
		}
		up := now.Sub(c.Started)
		if c.State != live.Running || (up < 2*time.Second+minReady && up >= -2*time.Second) {
			return false
		}
	}
	return true
}

// room: no node is asked for more than it has.
func (j judge) room(after view, when string) error {
	for _, n := range j.p.Snapshot.Nodes {
		host := j.host(n.Name)
		was, is := used(j.before.host(host)), used(after.host(host))
		if is.MilliCPU > max(was.MilliCPU, n.Room.MilliCPU) || is.Memory > max(was.Memory, n.Room.Memory) {
			return fmt.Errorf("room: %s %s is asked for %v of %v", when, n.Name, is, n.Room)
		}
	}
	return nil
}

func used(n live.Node) (r manifest.Resources) {
	for _, p := range n.Pods {
		if p.App.Kind == "Job" && over(p) {
			continue
		}
		r.MilliCPU += p.Room.MilliCPU
		r.Memory += p.Room.Memory
	}
	return r
}

// part applies, on a random subset of nodes, a random prefix of the plan's actions to the world before.
func (j judge) part() *fake.World {
	w := j.before.Copy()
	left := map[string]int{}
	for _, n := range j.p.Snapshot.Nodes {
		left[n.Name] = j.s.dice.IntN(len(j.p.Plan.Actions) + 1)
		if j.s.dice.IntN(3) == 0 {
			left[n.Name] = 0
		}
	}
	for _, a := range j.p.Plan.Actions {
		if left[a.Node]--; left[a.Node] >= 0 {
			_ = apply(w.Open(j.host(a.Node), cluster, nil), j.signed(w, a))
		}
	}
	return w
}

// signed is the action with its controller's signature, for the host that it is meant for.
func (j judge) signed(w *fake.World, a plan.Action) plan.Action {
	host := append(live.HostsOf(w.Truth(j.host(a.Node), cluster).Files), "")[0]
	return reconciler.Options{Key: j.s.keys[j.c.key]}.Signed(a, host)
}

// apply does one action as the loop would.
func apply(d drivers.Driver, a plan.Action) error {
	ctx := context.Background()
	switch a.Verb {
	case plan.Put:
		return d.Put(ctx, *a.File)
	case plan.Delete:
		return d.Delete(ctx, a.Name)
	case plan.Stop:
		return d.Stop(ctx, a.Name)
	}
	for _, c := range slices.Concat(a.Pod.Spec.InitContainers, a.Pod.Spec.Containers) {
		if err := d.(drivers.Puller).Pull(ctx, c.Image, string(c.ImagePullPolicy)); err != nil {
			return err
		}
	}
	if a.Verb == plan.Pull {
		return nil
	}
	return d.Run(ctx, *a.Pod)
}

// still is law 2: when nothing is waited for, nothing is done, now or later; and when all has converged on a fleet that
// answers, nothing is waited for. And law 9: when nothing is done and nothing is timed, nothing is on its way.
func (s *Sim) still(c *controller, last reconciler.Pass) error {
	if s.care == none {
		return nil
	}
	if calm(last) && (!last.Plan.Wake.IsZero() || len(last.Plan.Actions) > 0) {
		return fmt.Errorf("law 2, still: all has converged, and yet Wake is %s:\n%s", clock(last.Plan.Wake), s.text(last))
	}
	if !last.Plan.Wake.IsZero() {
		return nil
	}
	if err := errors.Join(s.alive(last), s.served(last), s.entered(last)); err != nil {
		return err
	}
	d := s.dry(c)
	defer d.rec.Close()
	writes := d.world.Writes()
	if p := d.rec.Pass(context.Background()); d.world.Writes() != writes {
		return fmt.Errorf("law 4, no memory: a new controller finds to do where the old one had settled:\n%s", s.text(p))
	}
	return nil
}

// alive is law 9 of a pass that asks for no other: what has not converged says who has to do what, unless something in the world is on its
// way, as a Job is that runs.
func (s *Sim) alive(p reconciler.Pass) error {
	jobs := slices.ContainsFunc(p.Plan.Apps, func(a plan.App) bool { return a.State == plan.Progressing && a.Job != nil && a.Job.Ready > 0 })
	if jobs || len(p.Plan.Actions) > 0 || !s.world.Next().IsZero() {
		return nil
	}
	for _, a := range p.Plan.Apps {
		if a.State == plan.Progressing || a.State == plan.Pruning {
			return fmt.Errorf("law 9, live: nothing is done, nothing is timed, and %s is on its way:\n%s\n%s", a.ID.Short(), a.Why, s.text(p))
		}
	}
	return nil
}

func calm(p reconciler.Pass) bool {
	for _, a := range p.Plan.Apps {
		if a.State != plan.Converged || a.Job != nil && !a.Job.Expires.IsZero() {
			return false
		}
	}
	for _, n := range p.Snapshot.Nodes {
		if silent(n) || n.Side.Silent > 0 {
			return false
		}
	}
	restart := func(wl manifest.Workload) bool {
		return wl.Strategy.Rollout != nil && wl.Strategy.Rollout.RestartAt.Equal(p.Plan.Wake)
	}
	return p.Err == nil && len(p.History.Err) == 0 && !slices.ContainsFunc(p.History.Want().Workloads, restart)
}
