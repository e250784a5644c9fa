package plan

import (
	"fmt"
	"sort"

	"github.com/podkeep/podkeep/live"
)

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
			if gone[q] && q.Rev == p.Rev && q.stands == p.stands {
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
	switch {
	case p.Rev == k.step.Target && k.step.Want[p.Rev] == 0 && k.wl.Replicas > 0:
		return k.step.Why
	case p.Rev == k.step.Target:
		return fmt.Sprintf("%d of %d asked for", k.step.Want[p.Rev], k.wl.Replicas)
	}
	return fmt.Sprintf("%s gives way to %s", live.ShortRev(p.Rev), live.ShortRev(k.step.Target))
}

func (k *work) stop(p *pod, why string) {
	if p.seen() && !p.Stopping {
		k.do(Action{Node: p.node.Name, Verb: Stop, Name: p.Name, App: k.wl.ID, Why: why})
	}
}
