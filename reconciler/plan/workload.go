package plan

import (
	"fmt"
	"sort"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/health"
	"github.com/podkeep/podkeep/reconciler/rollout"
)

// work is one workload being thought about.
type work struct {
	*world
	wl      *manifest.Workload
	kept    []*pod // one for each slot of each revision
	extra   []*pod // twins that may go, and twins that are on their way in
	doubts  []*pod // doubtful ones, which are neither
	room    int    // how many pods may be started now: what is told to stop takes room until it is seen gone
	step    rollout.Step
	hidden  string // why pods may be where nobody can look
	barrier        // what is waited for before HEAD's revision is begun
	blocked *claim // whose data cannot be had, so that a pod does not start
	peril   peril  // why a pod does not start
	refusal string // why a pod has no place
	turns   turns  // who goes first, where old pods go before new ones come
	app     App
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
		if why == w.hold {
			k.keepUp()
		}
		w.plan.Apps = append(w.plan.Apps, k.app)
		return
	}
	k.pair()
	k.doubt()
	k.hidden = k.hiding()
	k.takeTurns()
	k.step = rollout.Next(*wl, k.view(), k.ledger(), w.now)
	if k.step.Phase == rollout.Starting && k.step.Stable != "" && !wl.Suspended && w.receipts[wl.ID].Over() {
		w.rolling++
	}
	k.record()
	k.fetch()
	k.shrink()
	k.move()
	k.mend()
	k.grow()
	k.report()
}

// pair sorts the pods into one for each slot, and twins: what a moved or a returned pod leaves twice in the fleet. The available one
// counts, then the one that need not move, then the older, then the lower node name. A pod that succeeds an unfit one is its twin. What was
// begun in a pod's place while its node was silent goes on until the node has been heard for a while.
func (k *work) pair() {
	type slot struct {
		rev string
		n   int
	}
	seen := map[slot]*pod{}
	pods := append([]*pod(nil), k.pods[k.wl.ID]...)
	sort.SliceStable(pods, func(i, j int) bool { return before(pods[i], pods[j]) })
	spare := k.tally(pods)
	succeed(pods, k.wl.Replicas)
	for _, p := range pods {
		key := slot{p.Rev, p.stands}
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
		case p.available && spare <= 0:
			k.extra = append(k.extra, p)
			k.app.Waits = append(k.app.Waits, fmt.Sprintf("%s on %s is one too many for its slot, and stays until others are available", p.Name, p.node.Name))
		default:
			if p.available {
				spare--
			}
			k.stop(p, whyTwin(p, twin))
		}
	}
}

// tellReturning says that a pod stays though its twin counts, and for how long.
func (k *work) tellReturning(p *pod, n *node) {
	if n.reach != answers {
		k.app.Waits = append(k.app.Waits, fmt.Sprintf("%s on %s stays, because %s is silent", p.Name, p.node.Name, n.Name))
		return
	}
	k.app.Waits = append(k.app.Waits, fmt.Sprintf("%s on %s stays until %s has answered for %s again", p.Name, p.node.Name, n.Name, returning))
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
			Since: p.verdict.Since, Stopping: p.Stopping, Unseen: !p.seen(), Stays: p.stays != "",
			Done: p.seen() && p.verdict.State == health.Done, Failed: p.seen() && p.verdict.State == health.Failed,
		})
	}
	return pods
}

// record writes the step's receipts down on every node that answers.
func (k *work) record() {
	for _, r := range k.step.Receipts {
		if k.wl.Suspended && r.Verb != live.Halted {
			k.app.Suspended = append(k.app.Suspended, Action{Verb: Put, Name: k.receiptFile(r).Name, App: r.App, Why: r.Why})
			continue
		}
		k.putReceipt(r)
	}
}

func (w *world) transition(r live.Receipt) live.Transition {
	r.Source = w.h.Source
	return r.Transition()
}
