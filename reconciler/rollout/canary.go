package rollout

import (
	"fmt"
	"slices"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// stepped says whether the newest rollout, of HEAD's revision, goes by steps: it is a canary's, beside what was promoted. The first one, one that returns
// to what is stable, and one whose steps are done do not.
func (s state) stepped() bool {
	return s.w.Strategy.Type == manifest.Canary && s.promoted && s.stable != s.w.Revision.Rev && s.step < len(s.w.Strategy.Rollout.Steps)
}

// canary is the next move of a rollout that is at one of its steps.
func (s state) canary() Step {
	steps := s.w.Strategy.Rollout.Steps
	at, weight := steps[s.step], s.weight()
	canary, stable := counts(s.w.Replicas, weight, s.w.Strategy.MaxSurge)
	head := s.w.Revision.Rev
	step := Step{Phase: Rolling, Target: head, Gen: s.genOf(head), Want: s.shares(canary, stable)}
	step.Progress.Weight = weight
	step.Why = fmt.Sprintf("step %d of %d, %s: %d of %d at %s, %d available", s.step+1, len(steps), at, s.count(head), canary, live.ShortRev(head), s.available(head))
	if d := s.decided(full); d != nil {
		return s.done(len(steps), because(d, "promoted in full"), step)
	}
	if d := s.decided(promote, skip); d != nil {
		return s.done(s.step+1, because(d, fmt.Sprintf("step %d ended", s.step+1)), step)
	}
	there := s.at(canary, stable)
	if at.Pause != nil {
		return s.waits(*at.Pause, canary, there, step)
	}
	if there {
		return s.goOn(s.step+1, fmt.Sprintf("%d of %d available", s.available(head), canary), step)
	}
	return s.deadline(step, s.progress())
}

// waits is a step that is a pause. It counts from when it began, or later, from when as many new pods as there are to be have been available.
func (s state) waits(p manifest.Pause, canary int, there bool, step Step) Step {
	step.Progress.Pause, step.Progress.Since = PauseCanaryStep, s.entered()
	if !p.Ends {
		step.Phase = Paused
		step.Why += "; a person decides"
		return step
	}
	since := later(s.entered(), s.wellSince(s.w.Revision.Rev, s.enough(canary)))
	due := since.Add(p.Duration)
	switch {
	case !there && canary == 0: // nothing of HEAD's is tried, so it is not to blame
		return step
	case !there:
		return s.deadline(step, later(s.progress(), s.entered().Add(p.Duration)))
	}
	if s.now.Before(due) {
		step.Wake, step.Progress.Until = earliest(step.Wake, due), due
		return step
	}
	return s.goOn(s.step+1, fmt.Sprintf("paused for %s", p.Duration), step)
}

// goOn has so many steps done by itself.
func (s state) goOn(done int, why string, step Step) Step {
	if s.ledger.Deaf != "" {
		step.Why += "; goes on once decisions can be read: " + s.ledger.Deaf
		return step
	}
	return s.done(done, why, step)
}

// done writes down that so many steps are done.
func (s state) done(done int, why string, step Step) Step {
	r := s.receipt(live.Stepped, s.top.Gen, why)
	r.Step, r.Steps = 1, fmt.Sprintf("%d@%s", done, s.w.Strategy.StepsDigest())
	if s.said != nil {
		r.Step = s.said.Step + 1
	}
	step.Receipts = append(step.Receipts, r)
	return step
}

// weight is the share that the newest setWeight asks for, of 100.
func (s state) weight() int {
	steps := s.w.Strategy.Rollout.Steps
	for _, step := range slices.Backward(steps[:min(s.step+1, len(steps))]) {
		if step.Weight != nil {
			return *step.Weight
		}
	}
	return 0
}

// at says whether both revisions have the pods that they are to have, HEAD's all available, and no other revision has one that is.
func (s state) at(canary, stable int) bool {
	head := s.w.Revision.Rev
	for _, rev := range s.revs() {
		if rev != head && rev != s.stable && s.available(rev) > 0 {
			return false
		}
	}
	return s.count(head) == canary && s.available(head) >= s.enough(canary) && s.count(s.stable) == stable
}

// shares is the next move toward so many pods of HEAD's revision beside so many of the stable one, and none of any other. The stable one grows
// first. While HEAD's grows or stays the stable one alone shrinks, and what is broken of it does not count against that; while HEAD's shrinks it is
// the other way round.
func (s state) shares(canary, stable int) map[string]int {
	surge, unavailable := s.limits()
	n, head := s.w.Replicas, s.w.Revision.Rev
	want, total := s.have()
	room, floor := max(0, n+surge-total), max(0, n-unavailable)
	more := max(0, min(stable-want[s.stable], room))
	grown := map[string]int{s.stable: more, head: max(0, min(canary-want[head], room-more))}

	budget := max(0, s.well()-floor)
	for _, rev := range slices.Backward(s.revs()) {
		if rev != head && rev != s.stable {
			want[rev] -= s.give(rev, want[rev], want[rev], s.free(rev, want), &budget)
		}
	}
	if want[head] > canary {
		want[head] -= s.give(head, want[head]-canary, want[head], s.available(head), &budget)
	} else if surplus := want[s.stable] - stable; surplus > 0 {
		want[s.stable] -= s.give(s.stable, surplus, s.broken(floor), s.free(s.stable, want), &budget)
	}
	for rev, more := range grown {
		want[rev] += more
	}
	return want
}

// enough is how many of so many pods of HEAD's revision have to be available.
func (s state) enough(pods int) int {
	if s.w.Strategy.Type != manifest.Canary {
		return pods
	}
	return s.w.Strategy.Rollout.Enough(pods)
}

// broken is how many pods of stable that are not available may go for nothing: those that the floor does not need once they come back.
func (s state) broken(floor int) int {
	idle := s.idle(s.stable)
	return max(0, min(idle, s.well()+idle-floor))
}

// entered is when the step began that the rollout is at.
func (s state) entered() time.Time {
	if s.said != nil {
		return later(s.top.Time, s.said.Time)
	}
	return s.top.Time
}

// wellSince is when so many pods of a revision had been available for the first time, of those that are now; the zero time if they are not.
func (s state) wellSince(rev string, count int) time.Time {
	var all []time.Time
	for _, p := range s.pods {
		if p.Rev == rev && p.Available && !p.Stopping {
			all = append(all, p.Since.Add(s.w.Strategy.MinReady))
		}
	}
	if count < 1 || len(all) < count {
		return time.Time{}
	}
	slices.SortFunc(all, time.Time.Compare)
	return all[count-1]
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
