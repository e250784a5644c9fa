package rollout

import (
	"time"

	"github.com/podkeep/podkeep/manifest"
)

// Share is which part, of 100, of what comes for both Services of a canary its canaryService is to have, while that leads to other pods than stableService.
// At a step it is the weight, as far as either has pods for its part, but for one that whole pods may lack. Else requests go to available pods alike.
func Share(w manifest.Workload, pods []Pod, l Ledger, now time.Time) int {
	s, serve := read(w, pods, l, now), Serve(w, pods, l, now)
	r := w.Strategy.Rollout
	if r == nil || serve[r.CanaryService] == serve[r.StableService] {
		return 0
	}
	fresh, old := s.available(serve[r.CanaryService]), s.available(serve[r.StableService])
	if s.stepped() {
		weight := s.weight()
		bears := func(pods, part int) bool { return part == 0 || pods > 0 && 100*(pods+1) > part*w.Replicas }
		if bears(fresh, weight) && bears(old, 100-weight) {
			return weight
		}
	}
	if fresh+old == 0 {
		return 0
	}
	return (200*fresh + fresh + old) / (2 * (fresh + old))
}
