package rollout

import (
	"fmt"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// toward is the next step from what there is to Replicas pods of target and none of any other.
func (s state) toward(phase Phase, target, why string) Step {
	step := Step{Phase: phase, Target: target, Gen: s.genOf(target), Why: why}
	switch {
	case s.w.Strategy.Type == manifest.Recreate:
		step.Want = s.recreate(target)
	case s.w.Strategy.Type == manifest.BlueGreen && s.promoted:
		step.Want = s.beside(target)
	default:
		step.Want = s.rolling(target)
	}
	if why == "" && phase == Rolling {
		step.Why = fmt.Sprintf("%d of %d at %s, %d available", s.count(target), s.w.Replicas, live.ShortRev(target), s.available(target))
		if s.ledger.StopOld {
			step.Why += "; stops first: " + s.ledger.StopWhy
		}
	}
	return step
}

// recreate stops what is not target, once it may go, waits until it is gone, then starts target.
func (s state) recreate(target string) map[string]int {
	for _, p := range s.pods {
		if p.Rev != target && p.Stays {
			want, _ := s.have()
			return want
		}
	}
	for _, p := range s.pods {
		if p.Rev != target {
			return map[string]int{target: min(s.count(target), s.w.Replicas)}
		}
	}
	return map[string]int{target: s.w.Replicas}
}

// rolling is Kubernetes' rolling update. New pods come while the sum is under Replicas + MaxSurge; old ones go while Replicas −
// MaxUnavailable others are available. Ours: a pod that the stable revision lost comes back when the floor needs
// it, unless nothing runs, and a revision that was never promoted gives up its unavailable pods at once.
func (s state) rolling(target string) map[string]int {
	surge, unavailable := s.limits()
	n := s.w.Replicas
	floor := max(0, n-unavailable)
	want, total := s.have()
	have := want[target]
	room := max(0, n+surge-total)

	grow := min(s.holes(target), room, max(0, n-have))
	heal := 0
	if s.promoted && s.stable != target && have+grow < n && total > 0 {
		heal = max(0, min(floor-s.pending(), room-grow))
	}
	grow += max(0, min(n-have-grow, room-grow-heal))

	s.shrink(want, target, floor)
	want[target] += grow
	if heal > 0 {
		want[s.stable] = max(want[s.stable], s.count(s.stable)+heal)
	}
	return want
}

// limits are the strategy's; where old pods must stop first there is no surge.
func (s state) limits() (surge, unavailable int) {
	surge, unavailable = s.w.Strategy.MaxSurge, s.w.Strategy.MaxUnavailable
	if s.ledger.StopOld {
		return 0, max(1, unavailable)
	}
	return surge, unavailable
}

// have counts the pods of each revision and all that take room. A stopping pod takes room only where it must be gone first.
func (s state) have() (map[string]int, int) {
	counts, total := map[string]int{}, 0
	for _, p := range s.pods {
		if !p.Stopping {
			counts[p.Rev]++
			total++
		} else if s.ledger.StopOld {
			total++
		}
	}
	return counts, total
}

// shrink lowers want where pods may go: first revisions that are neither target nor stable, the newest first, then
// stable, then what target has too much.
func (s state) shrink(want map[string]int, target string, floor int) {
	revs := s.revs()
	budget := -floor
	budget = max(0, budget+s.well())
	for i := len(revs) - 1; i >= 0; i-- {
		if rev := revs[i]; rev != target && (rev != s.stable || !s.promoted) {
			want[rev] -= s.give(rev, want[rev], want[rev], s.free(rev, want), &budget)
		}
	}
	if s.promoted && s.stable != target {
		want[s.stable] -= s.give(s.stable, want[s.stable], s.broken(floor), s.free(s.stable, want), &budget)
	}
	if surplus := want[target] - s.w.Replicas; surplus > 0 {
		want[target] -= s.give(target, surplus, surplus, s.available(target), &budget)
	}
}

// free is how many available pods of rev may go: those that do not stay, and what is more than Replicas, which nothing has to follow.
func (s state) free(rev string, want map[string]int) int {
	n, total := 0, 0
	for _, p := range s.pods {
		if p.Rev == rev && p.Available && !p.Stopping && !p.Stays {
			n++
		}
	}
	for _, count := range want {
		total += count
	}
	return n + max(0, total-s.w.Replicas)
}

// give is how many of rev's pods may go, at most most: unavailable ones, up to idle of them, then available ones, up to free of them, out of
// budget. A pod that is not seen cannot go.
func (s state) give(rev string, most, idle, free int, budget *int) int {
	gone := min(most, idle, s.idle(rev))
	spend := min(most-gone, s.available(rev), free, *budget)
	*budget -= spend
	return gone + spend
}

// keepFloor raises want to what may be given up now, when it asks for less than there is.
func (s state) keepFloor(want map[string]int) {
	_, unavailable := s.limits()
	budget := -max(0, s.w.Replicas-unavailable)
	for _, rev := range s.revs() {
		budget += s.available(rev)
	}
	budget = max(0, budget)
	for _, rev := range s.revs() {
		if have := s.count(rev); want[rev] < have {
			want[rev] = have - s.give(rev, have-want[rev], have-want[rev], s.available(rev), &budget)
		}
	}
}

// idle counts the pods of rev that are seen and not available.
func (s state) idle(rev string) int {
	n := 0
	for _, p := range s.pods {
		if p.Rev == rev && !p.Available && !p.Unseen && !p.Stopping {
			n++
		}
	}
	return n
}

// well counts the available pods of all revisions.
func (s state) well() int {
	n := 0
	for _, rev := range s.revs() {
		n += s.available(rev)
	}
	return n
}

// pending counts what gives availability or may soon: available pods, and those of stable on their way.
func (s state) pending() int { return s.well() - s.available(s.stable) + s.count(s.stable) }

// holes counts the slots of rev below its highest that have no pod: pods that were lost.
func (s state) holes(rev string) int {
	top, n := -1, 0
	for _, p := range s.pods {
		if p.Rev == rev {
			top, n = max(top, p.Slot), n+1
		}
	}
	return max(0, top+1-n)
}
