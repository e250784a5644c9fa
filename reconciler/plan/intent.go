package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/reconciler/rollout"
)

// intent is what a workload wants as if it were alone, each with its reason. It does nothing and takes nothing: what two workloads could fight
// over is decided by admit, across all of them.
type intent struct {
	stops  []stop
	again  []*pod // that are there, and are to be started again where they are
	fills  []fill
	leaves []leave
	pulls  []lack
}

// size is how many starts, stops and pulls are wanted.
func (i *intent) size() int {
	n := len(i.stops) + len(i.again) + len(i.leaves) + len(i.pulls)
	for _, row := range i.fills {
		n += len(row.starts)
	}
	return n
}

// stop is a pod that is to go.
type stop struct {
	*pod
	why   string
	after *form // what is to have a place once it is gone; nil where nothing has to
}

// cell is a place that one pod of a workload fills. Which cells there are is the kind's: a Deployment has one for each revision and ordinal, a
// Job one for each index and attempt. One pod an ordinal, whatever the revision, or one a host are others; how cells are filled and emptied
// is the same for all.
type cell struct {
	rev       string
	slot, try int
}

func (p *pod) cell() cell { return cell{p.Rev, p.stands, p.Try} }

// fill is a row of new pods that are one like another: the first that finds no place ends it.
type fill struct {
	rev    string
	gen    int
	starts []start
	urgent bool // it heals: they are missed, or others have gone for them
}

// start is a new pod for a cell.
type start struct {
	cell
	why string
}

// leave is a pod that has to go from where it is, and is to be followed by one in slot.
type leave struct {
	*pod
	slot   int
	why    string
	first  bool // it goes before the other comes
	either bool // it may, where there is no place for two
	least  int  // available pods that must be left if it goes first
	calm   bool // nothing presses, so that it counts as a change
}

// limits are how many pods a workload may still start and give up in this plan.
type limits struct {
	room     int    // to start: what is told to stop takes room until it is seen gone
	twins    int    // of them, beside pods that have to leave
	given    []*pod // that were given up before others came
	changing bool   // one of its pods is being replaced though nothing presses
}

// intend has every workload say what it wants. Those that begin another revision do so as far as the cap lets them, in the order of
// precedence; those that may not say what they want instead. What is of a higher wave takes no place from a lower one.
func (w *world) intend() []*work {
	works := make([]*work, 0, len(w.want.Workloads))
	for i := range w.want.Workloads {
		k := w.think(&w.want.Workloads[i], "")
		works = append(works, k)
		if k.rolls() {
			w.rolling = append(w.rolling, k.wl.Wave)
		}
		if k.changing && !k.wl.Suspended {
			w.renewing++
		}
	}
	for _, k := range inOrder(works) {
		if !k.enters() {
			continue
		}
		if n := upTo(w.rolling, k.wl.Wave); n >= maxRolling {
			*k = *w.think(k.wl, fmt.Sprintf("%d workloads are rolling already", n))
		} else {
			w.rolling = append(w.rolling, k.wl.Wave)
		}
	}
	return works
}

// upTo is how many waves are no higher than one.
func upTo(waves []int, most int) (n int) {
	for _, wave := range waves {
		if wave <= most {
			n++
		}
	}
	return n
}

// inOrder are the workloads by precedence: what is suspended last, for it takes nothing; then a lower wave before a higher one; then by ID.
func inOrder(works []*work) []*work {
	return slices.SortedStableFunc(slices.Values(works), func(a, b *work) int {
		return cmp.Or(last(a.wl.Suspended, b.wl.Suspended), cmp.Compare(a.wl.Wave, b.wl.Wave))
	})
}

func last(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// enters says whether the workload begins to roll from what was promoted to another revision.
func (k *work) enters() bool {
	l := k.receipts.Of(k.wl.ID)
	return !k.wl.Suspended && k.wl.Job == nil && l.Stable() != nil && l.Over() && k.step.Phase == rollout.Starting &&
		slices.ContainsFunc(k.step.Receipts, func(r live.Receipt) bool { return r.Verb == live.Began })
}

// rolls says whether a rollout moves, or is about to: not one that a person stopped, that a claim, a want of room for what follows, another key or
// nodes that fell silent together hold up, one without replicas, or that HEAD has overtaken and that may not begin anew. Else those would keep
// all places, and those that they wait for would get none.
func (k *work) rolls() bool {
	l := k.receipts.Of(k.wl.ID)
	switch {
	case k.wl.Job != nil || k.wl.Replicas == 0 || l.Over() || k.wl.Suspended || k.wl.Strategy.Paused || k.frozen != "":
		return false
	case k.step.Phase == rollout.Waiting || k.step.Progress.Pause != "" || k.turns.stuck != "":
		return false
	}
	return k.claimed() == "" && !slices.ContainsFunc(k.kept, func(p *pod) bool { return k.blackedOut(p.node) })
}

// halt wants a pod stopped.
func (k *work) halt(p *pod, why string) {
	if p.seen() && !p.Stopping {
		k.stops = append(k.stops, stop{pod: p, why: why})
	}
}

// restart wants a pod started again where it is, if its verdict says so, and the node side there does not do that.
func (k *work) restart(p *pod) {
	k.wake(p.verdict.Wake)
	if p.seen() && p.verdict.Run && p.node.host != nil && !p.tended() {
		k.again = append(k.again, p)
	}
}
