package plan

import (
	"container/heap"
	"fmt"
	"sort"

	"github.com/podkeep/podkeep/live"
)

// shrink wants stopped what each revision has too much. Where another is to have a place then, that is said with it.
func (k *work) shrink() {
	byRev := map[string][]*pod{}
	for _, p := range k.kept {
		if !p.Stopping {
			byRev[p.Rev] = append(byRev[p.Rev], p)
		}
	}
	gone, more := map[*pod]bool{}, k.total()-k.wl.Replicas // so many need not be followed
	for _, rev := range sorted(byRev) {
		surplus := len(byRev[rev]) - k.step.Want[rev]
		for _, p := range victims(byRev[rev], surplus) {
			gone[p] = true
			after := k.after(p)
			if after != nil && more > 0 {
				after, more = nil, more-1
			}
			k.stops = append(k.stops, stop{p, k.whyStop(p), after})
		}
	}
	for _, p := range k.extra { // a twin goes with the pod it was to replace
		for _, q := range k.kept {
			if gone[q] && q.Rev == p.Rev && q.stands == p.stands {
				k.halt(p, k.whyStop(p))
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

// victims are the n pods that are missed least: seen ones only; not available before available, those that may go before those that stay,
// leaving nodes before others, then from the nodes with most of the workload, then the higher slot.
func victims(pods []*pod, n int) (out []*pod) {
	if n <= 0 {
		return nil
	}
	byNode := map[string]crowd{}
	for _, p := range pods {
		if p.seen() {
			byNode[p.node.Name] = append(byNode[p.node.Name], p)
		}
	}
	var all crowds
	for _, name := range sorted(byNode) {
		here := byNode[name]
		sort.SliceStable(here, func(i, j int) bool { return lesser(here[i], here[j], 0, 0) })
		all = append(all, here)
	}
	heap.Init(&all)
	for len(out) < n && len(all) > 0 {
		here := all[0]
		out = append(out, here[0])
		if all[0] = here[1:]; len(here) > 1 {
			heap.Fix(&all, 0)
		} else {
			heap.Pop(&all)
		}
	}
	return out
}

// crowd are pods of one node, the one that is missed least first.
type crowd []*pod

// crowds is a heap of them: the first of the first is missed least of all.
type crowds []crowd

func (c crowds) Len() int           { return len(c) }
func (c crowds) Swap(i, j int)      { c[i], c[j] = c[j], c[i] }
func (c crowds) Less(i, j int) bool { return lesser(c[i][0], c[j][0], len(c[i]), len(c[j])) }
func (c *crowds) Push(x any)        { *c = append(*c, x.(crowd)) }

func (c *crowds) Pop() any {
	last := (*c)[len(*c)-1]
	*c = (*c)[:len(*c)-1]
	return last
}

// lesser says whether a is missed less than b, with so many pods on the node of either.
func lesser(a, b *pod, besideA, besideB int) bool {
	switch {
	case a.available != b.available:
		return !a.available
	case (a.stays == "") != (b.stays == ""):
		return a.stays == ""
	case a.verdict.Ready() != b.verdict.Ready():
		return !a.verdict.Ready()
	case a.moving != b.moving:
		return a.moving
	case besideA != besideB:
		return besideA > besideB
	case a.Slot != b.Slot:
		return a.Slot > b.Slot
	}
	return a.node.Name > b.node.Name
}

func (k *work) whyStop(p *pod) string {
	switch {
	case p.Rev == k.step.Target && k.step.Want[p.Rev] == 0 && k.wl.Replicas > 0:
		return k.step.Why
	case p.Rev == k.step.Target:
		return fmt.Sprintf("%d of %d asked for", k.step.Want[p.Rev], k.wl.Replicas)
	}
	return fmt.Sprintf("%s gives way to %s", live.ShortRev(p.Rev), live.ShortRev(k.step.Target))
}

// after is the form of the pod that is to have a place once p is gone; nil where none has to.
func (k *work) after(p *pod) *form {
	if !k.first && !k.stopsBeforeMove() || !p.available || p.Rev == k.step.Target || k.step.Target != k.turns.goal.Rev {
		return nil
	}
	return &k.turns.goal
}
