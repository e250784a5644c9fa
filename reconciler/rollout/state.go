package rollout

import (
	"fmt"
	"sort"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// state is what Next works on.
type state struct {
	w      manifest.Workload
	pods   []Pod
	ledger Ledger
	now    time.Time

	top      *live.Receipt            // began of the newest generation
	verdicts map[string]*live.Receipt // of the newest generation, by verb
	stable   string
	promoted bool // stable rests on a promoted receipt
	gens     int  // the highest generation seen
}

func read(w manifest.Workload, pods []Pod, ledger Ledger, now time.Time) state {
	s := state{w: w, pods: pods, ledger: ledger, now: now, verdicts: map[string]*live.Receipt{}}
	var last *live.Receipt
	for i := range ledger.Receipts {
		r := &ledger.Receipts[i]
		s.gens = max(s.gens, r.Gen)
		if r.Verb == live.Began && (s.top == nil || r.Gen > s.top.Gen) {
			s.top = r
		}
		if r.Verb == live.Promoted && (last == nil || r.Gen > last.Gen) {
			last = r
		}
	}
	for i := range ledger.Receipts {
		r := &ledger.Receipts[i]
		if s.top == nil || r.Gen != s.top.Gen {
			continue
		}
		if old := s.verdicts[r.Verb]; old == nil || r.Time.After(old.Time) {
			s.verdicts[r.Verb] = r
		}
	}
	lowest := 0
	for _, p := range pods {
		s.gens = max(s.gens, p.Gen)
		if last == nil && p.Rev != w.Revision.Rev && (lowest == 0 || p.Gen < lowest) {
			s.stable, lowest = p.Rev, p.Gen
		}
	}
	if last != nil {
		s.stable, s.promoted = last.Rev, true
	}
	return s
}

// restarts says whether a rejected revision gets another chance: by decision, or because Git went elsewhere and came back.
func (s state) restarts() bool {
	f := s.verdicts[live.Failed]
	return s.failed() && (s.ledger.Retry.After(f.Time) || s.ledger.Moved)
}

// failed says whether the newest generation was rejected; a promotion that came after overrules it.
func (s state) failed() bool {
	f, p := s.verdicts[live.Failed], s.verdicts[live.Promoted]
	return f != nil && (p == nil || p.Time.Before(f.Time))
}

// nextHalt numbers halts and resumptions in one row, so that the higher number is the one in force.
func (s state) nextHalt() int {
	n := 0
	for _, verb := range []string{live.Halted, live.Resumed} {
		if r := s.verdicts[verb]; r != nil {
			n = max(n, r.Step)
		}
	}
	return n + 1
}

func (s state) halted() bool {
	h, r := s.verdicts[live.Halted], s.verdicts[live.Resumed]
	return h != nil && (r == nil || r.Step < h.Step)
}

// progress is when a pod of HEAD's revision became available last: minReadySeconds after it was ready.
func (s state) progress() time.Time {
	last := s.top.Time
	if r := s.verdicts[live.Resumed]; r != nil && r.Time.After(last) {
		last = r.Time
	}
	for _, p := range s.pods {
		if at := p.Since.Add(s.w.Strategy.MinReady); p.Rev == s.w.Revision.Rev && p.Available && at.After(last) {
			last = at
		}
	}
	return last
}

// imposed is what podkeep itself holds up: what the fleet does, and old pods that have to go first and take their time to end.
func (s state) imposed() string {
	if s.ledger.Imposed != "" || !s.ledger.StopOld && s.w.Strategy.Type != manifest.Recreate {
		return s.ledger.Imposed
	}
	for _, p := range s.pods {
		if p.Rev != s.w.Revision.Rev && p.Stopping {
			return fmt.Sprintf("a pod of %s has to go first, and is ending", live.ShortRev(p.Rev))
		}
	}
	return ""
}

// finished says whether a run-to-completion pod has ended and is not to be run again.
func (s state) finished() bool {
	return s.runsOnce() && (s.verdicts[live.Done] != nil || s.verdicts[live.Failed] != nil)
}

// ended is the verdict on run-to-completion pods that have all ended, or "".
func (s state) ended() string {
	head, done := s.w.Revision.Rev, 0
	for _, p := range s.pods {
		if p.Rev == head && p.Failed {
			return live.Failed
		}
		if p.Rev == head && p.Done {
			done++
		}
	}
	if done > 0 && done >= s.w.Replicas {
		return live.Done
	}
	return ""
}

func (s state) endWhy() string {
	if s.ended() == live.Done {
		return "ran to completion"
	}
	return s.ledger.Trouble
}

// runsOnce says whether the pods end by themselves.
func (s state) runsOnce() bool {
	policy := s.w.Revision.Spec.RestartPolicy
	return policy == "Never" || policy == "OnFailure"
}

// genOf is the generation of new pods of a revision: of the rollout that began it, else what its pods have.
func (s state) genOf(rev string) int {
	gen := 0
	for _, r := range s.ledger.Receipts {
		if r.Rev == rev && r.Verb == live.Began {
			gen = max(gen, r.Gen)
		}
	}
	for _, p := range s.pods {
		if gen == 0 && p.Rev == rev {
			gen = p.Gen
		}
	}
	return max(gen, 1)
}

// count is how many pods of rev there are, those stopping not among them.
func (s state) count(rev string) int {
	n := 0
	for _, p := range s.pods {
		if p.Rev == rev && !p.Stopping {
			n++
		}
	}
	return n
}

func (s state) available(rev string) int {
	n := 0
	for _, p := range s.pods {
		if p.Rev == rev && p.Available && !p.Stopping {
			n++
		}
	}
	return n
}

// revs are the revisions that have pods, the oldest generation first.
func (s state) revs() []string {
	gens := map[string]int{}
	for _, p := range s.pods {
		if g, ok := gens[p.Rev]; !ok || p.Gen > g {
			gens[p.Rev] = p.Gen
		}
	}
	revs := make([]string, 0, len(gens))
	for rev := range gens {
		revs = append(revs, rev)
	}
	sort.Slice(revs, func(i, j int) bool {
		if gens[revs[i]] != gens[revs[j]] {
			return gens[revs[i]] < gens[revs[j]]
		}
		return revs[i] < revs[j]
	})
	return revs
}
