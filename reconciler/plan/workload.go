package plan

import (
	"fmt"
	"sort"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/health"
	"github.com/podkeep/podkeep/reconciler/job"
	"github.com/podkeep/podkeep/reconciler/rollout"
)

// work is one workload being thought about: what there is of it, and what it wants.
type work struct {
	*world
	wl       *manifest.Workload
	kept     []*pod // one for each cell
	extra    []*pod // twins that may go, and twins that are on their way in
	doubts   []*pod // doubtful ones, which are neither
	step     rollout.Step
	job      *job.Step // of a Job
	frozen   string    // why nothing may be done with it
	active   string    // the revision that serves alone; empty where all do
	hidden   string    // why pods may be where nobody can look
	barrier            // what is waited for before HEAD's revision is begun
	first    bool      // old pods go before new ones come, and whyFirst says why
	whyFirst string
	turns    turns // who goes first, where old pods go before new ones come
	intent
	limits
	blocked *claim            // whose data cannot be had, so that a pod does not start
	peril   peril             // why a pod does not start
	refusal string            // why a pod has no place
	serve   map[string]string // Services that lead to one revision of it alone
	share   int               // of 100, what its canaryService has of the requests that are shared out
	app     App
}

// think finds out what a workload wants. It is told why it may not begin HEAD's revision, if that was refused.
func (w *world) think(wl *manifest.Workload, refused string) *work {
	k := &work{world: w, wl: wl, app: App{ID: wl.ID, Rev: wl.Revision.Rev, Commit: wl.Commit, Replicas: wl.Replicas}}
	k.frozen = w.frozen(wl.ID)
	switch {
	case wl.Job != nil:
		k.thinkJob()
	case k.frozen != "":
		k.kept = w.pods[wl.ID]
		if k.frozen == w.hold {
			k.keepUp()
		}
	default:
		k.active = rollout.Active(*wl, w.receipts.Settled(wl.ID))
		k.pair()
		k.first, k.whyFirst = k.stopsFirst()
		k.doubt()
		k.hidden = k.hiding()
		k.takeTurns(refused)
		k.step = rollout.Next(*wl, k.view(), k.ledger(refused), w.now)
		k.room += k.step.Most - wl.Replicas - wl.Strategy.MaxSurge
		k.fetch()
		k.shrink()
		k.leave()
		k.mend()
		k.grow()
	}
	if wl.Strategy.Rollout != nil {
		k.setApart()
	}
	return k
}

// pair sorts the pods into one for each cell, and twins: what a moved or a returned pod leaves twice in the fleet. The available one
// counts, then the one that need not move, then the older, then the lower node name. A pod that succeeds an unfit one is its twin. What was
// begun in a pod's place while its node was silent goes on until the node has been heard for a while.
func (k *work) pair() {
	seen := map[cell]*pod{}
	pods := append([]*pod(nil), k.pods[k.wl.ID]...)
	sort.SliceStable(pods, func(i, j int) bool { return before(pods[i], pods[j]) })
	spare := k.tally(pods)
	succeed(pods, k.wl.Replicas)
	for _, p := range pods {
		key := p.cell()
		switch twin := seen[key]; {
		case p.Stopping:
			k.kept = append(k.kept, p)
		case twin == nil:
			seen[key] = p
			k.kept = append(k.kept, p)
		case twin.moving && !p.moving:
			k.extra = append(k.extra, p)
		case !twin.node.steady():
			k.extra = append(k.extra, p)
			k.tellReturning(p, twin.node)
		case k.counts(p) && spare <= 0:
			k.extra = append(k.extra, p)
			k.waits("%s on %s is one too many for its slot, and stays until others are available", p.Name, p.node.Name)
		default:
			if k.counts(p) {
				spare--
			}
			k.halt(p, whyTwin(p, twin))
		}
	}
}

// tellReturning says that a pod stays though its twin counts, and for how long.
func (k *work) tellReturning(p *pod, n *node) {
	if n.reach != answers {
		k.waits("%s on %s stays, because %s is silent", p.Name, p.node.Name, n.Name)
		return
	}
	k.waits("%s on %s stays until %s has answered for %s again", p.Name, p.node.Name, n.Name, returning)
	k.wake(k.now.Add(returning - n.Back))
}

func whyTwin(p, twin *pod) string {
	if p.stands != twin.Slot {
		return fmt.Sprintf("%s has taken the place of %s", twin.Name, p.Name)
	}
	return fmt.Sprintf("slot %d of %s is kept on %s", p.Slot, live.ShortRev(p.Rev), twin.node.Name)
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
		if k.counts(p) {
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

// counts says whether a pod is one of those that the floor is about: it is available, and of the revision that serves where one alone does.
func (k *work) counts(p *pod) bool {
	return p.available && !p.Stopping && (k.active == "" || p.Rev == k.active)
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
			Since: p.verdict.Since, Stopping: p.Stopping, Unseen: !p.seen(), Stays: p.stays != "",
			Done: p.seen() && p.verdict.State == health.Done, Failed: p.seen() && p.verdict.State == health.Failed && !p.moving, // else podkeep may have stopped it
		})
	}
	return pods
}
