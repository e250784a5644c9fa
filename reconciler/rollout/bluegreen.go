package rollout

import (
	"fmt"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/ledger"
)

// How far a blue-green rollout is, as its steps count.
const (
	upBeside  = iota // new pods come beside what serves
	undecided        // they are available, and may not serve yet
	decided          // they are to serve once all of them are available
)

// Active is the revision that serves in blue-green: the one that was switched to, else the stable one. It is empty for all other strategies, and while
// nothing was promoted: then all pods serve.
func Active(w manifest.Workload, l ledger.Ledger) string {
	stable := l.Stable()
	switch {
	case w.Strategy.Type != manifest.BlueGreen || stable == nil:
		return ""
	case underWay(w, l) && l.InTop(live.Switched) != nil:
		return w.Revision.Rev
	}
	return stable.Rev
}

// underWay says whether a rollout to HEAD's revision began, and has not ended.
func underWay(w manifest.Workload, l ledger.Ledger) bool {
	top := l.Top()
	return top != nil && top.Rev == w.Revision.Rev && l.InTop(live.Promoted) == nil && l.Failed() == nil
}

// blueGreen is the next move of a rollout beside what serves.
func (s state) blueGreen() Step {
	head, n := s.w.Revision.Rev, s.w.Replicas
	step := s.toward(Rolling, head, "")
	up, of := s.available(head), step.Want[head]
	switch {
	case s.stage() == upBeside && up < of:
		return s.goesOn(s.deadline(step, s.progress()))
	case s.stage() == upBeside && s.mayServe():
		return s.goOn(decided, fmt.Sprintf("%d of %d available", up, of), step)
	case s.stage() == upBeside:
		return s.goOn(undecided, fmt.Sprintf("%d of %d available beside what serves", up, of), step)
	case s.stage() == undecided:
		return s.goesOn(s.undecided(step))
	case up < n:
		return s.deadline(step, s.progress())
	case s.in(live.Switched) == nil && s.promoted && s.stable != head:
		return s.note(live.Switched, fmt.Sprintf("%d of %d available: it serves", up, n), step)
	case s.count(head) >= n:
		return s.note(live.Promoted, fmt.Sprintf("%d of %d available", up, n), step)
	}
	return step
}

// stage is how far the rollout is. One that has nothing to stand beside, and one that returns to what it was, has all decided.
func (s state) stage() int {
	if !s.promoted || s.stable == s.w.Revision.Rev || s.fast() != "" {
		return decided
	}
	return s.step
}

// mayServe says whether nobody and nothing is waited for before it serves.
func (s state) mayServe() bool {
	r := s.w.Strategy.Rollout
	return r.AutoPromotion && r.AutoAfter == 0
}

// goesOn takes a person's word for that it serves, once it is available.
func (s state) goesOn(step Step) Step {
	if d := s.decided(promote, skip, full); d != nil && len(step.Receipts) == 0 {
		return s.done(decided, because(d, "promoted"), step)
	}
	return step
}

// undecided is the pause before it serves.
func (s state) undecided(step Step) Step {
	r := s.w.Strategy.Rollout
	step.Progress.Pause, step.Progress.Since = PauseBlueGreen, s.entered()
	if !r.AutoPromotion {
		step.Phase = Paused
		step.Why += "; a person decides when it serves"
		return step
	}
	head, of := s.w.Revision.Rev, step.Want[s.w.Revision.Rev]
	if s.available(head) < of {
		return s.deadline(step, later(s.progress(), s.entered().Add(r.AutoAfter)))
	}
	due := later(s.entered(), s.wellSince(head, of)).Add(r.AutoAfter)
	if s.now.Before(due) {
		step.Wake, step.Progress.Until = earliest(step.Wake, due), due
		step.Why += "; serves " + r.AutoAfter.String() + " after it is available"
		return step
	}
	return s.goOn(decided, fmt.Sprintf("%s after it was available", r.AutoAfter), step)
}

// beside has the pods of target, those that serve, and those of older revisions that stay for a while.
func (s state) beside(target string) map[string]int {
	n, head := s.w.Replicas, s.w.Revision.Rev
	want := map[string]int{}
	for rev := range s.keeps() {
		want[rev] = min(s.count(rev), n)
	}
	if s.promoted {
		want[s.stable] = n
	}
	want[target] = n
	if r := s.w.Strategy.Rollout; target == head && s.stage() < decided && r.PreviewReplicas > 0 {
		want[head] = min(n, r.PreviewReplicas)
	}
	if active := Active(s.w, s.ledger.Receipts); s.count(active) > want[active] {
		budget := max(0, s.available(active)-max(0, n-s.w.Strategy.MaxUnavailable))
		surplus := s.count(active) - want[active]
		want[active] = s.count(active) - s.give(active, surplus, surplus, s.available(active), &budget)
	}
	for rev, count := range want { // what it lost stays lost while others serve in its place
		if count == 0 && rev != target {
			delete(want, rev)
		}
	}
	return want
}

// keeps are the revisions whose pods stay for a while though others serve in their place, and until when; the zero time is for ever. Those are the ones
// that were promoted before, and HEAD's, once it was rejected.
func (s state) keeps() map[string]time.Time {
	r := s.w.Strategy.Rollout
	if s.w.Strategy.Type != manifest.BlueGreen {
		return nil
	}
	all := map[string]time.Time{}
	var order []string
	for _, p := range s.ledger.Receipts.Promotions() {
		if len(p.Before) == 0 {
			continue
		}
		rev, until := p.Before[0], p.Time.Add(r.Delay)
		if _, known := all[rev]; known || rev == s.stable || s.count(rev) == 0 || !s.now.Before(until) {
			continue
		}
		all[rev], order = until, append(order, rev)
	}
	if r.DelayRevisions != nil {
		for _, rev := range order[min(len(order), *r.DelayRevisions):] {
			delete(all, rev)
		}
	}
	if f := s.ledger.Receipts.Failed(); f != nil && f.Rev == s.w.Revision.Rev && f.Rev != s.stable && s.count(f.Rev) > 0 {
		if until := f.Time.Add(r.AbortDelay); r.AbortDelay == 0 {
			all[f.Rev] = time.Time{}
		} else if s.now.Before(until) {
			all[f.Rev] = until
		}
	}
	return all
}

// Serve are the Services that lead to the pods of one revision alone, by name, with that revision: those that a Rollout names.
func Serve(w manifest.Workload, pods []Pod, l Ledger, now time.Time) map[string]string {
	s, r := read(w, pods, l, now), w.Strategy.Rollout
	if r == nil || !s.promoted {
		return nil
	}
	head, fresh, active := s.w.Revision.Rev, s.stable, Active(s.w, s.ledger.Receipts)
	if underWay(s.w, s.ledger.Receipts) {
		fresh = head
	}
	if _, kept := s.keeps()[head]; kept && s.w.Strategy.Type == manifest.BlueGreen {
		fresh = head // a rejected revision can be looked at while it stays
	}
	canary, stable := fresh, s.stable
	if s.available(fresh) == 0 {
		canary = s.stable // until one of the new pods answers
	} else if s.count(s.stable) == 0 {
		stable = fresh // the last of the old pods was told to stop
	}
	all := map[string]string{r.CanaryService: canary, r.PreviewService: fresh, r.StableService: stable, r.ActiveService: active}
	delete(all, "")
	return all
}
