package rollout

import (
	"slices"
	"strings"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/ledger"
)

// Decisions, as people write them down.
const (
	promote = "promote"      // ends a pause, else the running step
	full    = "promote-full" // ends all steps, and an abort
	abort   = "abort"
	retry   = "retry"
	pause   = "pause"
	resume  = "resume"
	skip    = "skip" // ends the running step
)

// aborted is what a rejection says of its steps where a person rejected it.
const aborted = "aborted"

// open are the decisions that nobody has acted upon: no receipt of the newest rollout names them. One that names a step holds at that step alone.
func (s state) open() (all []manifest.Decision) {
	for _, d := range s.ledger.Receipts.Open(s.ledger.Decisions) {
		if !s.ofStep(d) || d.Step == s.step {
			all = append(all, d)
		}
	}
	return all
}

// ofStep says whether a decision is about one step of a canary.
func (s state) ofStep(d manifest.Decision) bool {
	return (d.Verb == promote || d.Verb == skip) && s.w.Strategy.Type == manifest.Canary
}

// decided is the newest open decision of these verbs, or nil.
func (s state) decided(verbs ...string) *manifest.Decision {
	open := s.open()
	for i := range slices.Backward(open) {
		if slices.Contains(verbs, open[i].Verb) {
			return &open[i]
		}
	}
	return nil
}

// answered are the decisions that a receipt answers: all that have been read, but for those of steps to come that are open still.
func (s state) answered() []string {
	open := s.ledger.Receipts.Open(s.ledger.Decisions)
	return ledger.Answers(slices.DeleteFunc(slices.Clone(s.ledger.Decisions), func(d manifest.Decision) bool {
		return s.ofStep(d) && d.Step > s.step && slices.Contains(open, d)
	}))
}

// answeredBefore are those that had been acted upon: what stops and goes on without a person's word answers none that is open.
func (s state) answeredBefore() []string {
	open := s.ledger.Receipts.Open(s.ledger.Decisions)
	return ledger.Answers(slices.DeleteFunc(slices.Clone(s.ledger.Decisions), func(d manifest.Decision) bool { return slices.Contains(open, d) }))
}

// because is a decision as a reason names it.
func because(d *manifest.Decision, done string) string {
	done += " by " + d.Who
	if d.Why != "" {
		done += ": " + d.Why
	}
	return done
}

// pausedBy is why the rollout stands still, or "": spec.paused, or a person's decision until another ends it.
func (s state) pausedBy() string {
	if s.w.Strategy.Paused {
		return "spec.paused is set"
	}
	switch d := s.decided(pause, resume); {
	case d != nil && d.Verb == pause:
		return because(d, "paused")
	case d != nil || s.decided(promote, full) != nil:
		return ""
	}
	if h := s.halt(); h != nil && h.Verb == live.Halted && strings.HasSuffix(h.Steps, byDecision) {
		return h.Why
	}
	return ""
}

// byDecision ends what a halt says of its steps where a person's decision halted it.
const byDecision = " decided"

// decide are the decisions that would do something now, the one that goes on first.
func (s state) decide(step Step) (all []string) {
	if s.w.Job != nil || s.ledger.Suspended || s.runsOnce() || s.w.Replicas == 0 || s.unbegun() || s.in(live.Promoted) != nil && !s.failed() {
		return nil
	}
	if s.failed() {
		if s.steps() > 0 {
			return []string{retry, full}
		}
		return []string{retry}
	}
	halted := step.Progress.Pause == PausedByPerson
	switch staged := s.stepped() || s.stage() < decided && s.w.Strategy.Type == manifest.BlueGreen; {
	case halted && s.w.Strategy.Paused:
	case halted && staged:
		all = append(all, resume, promote, full)
	case halted:
		all = append(all, resume)
	case staged:
		all = append(all, promote, full, skip)
	}
	if s.promoted && s.stable != s.w.Revision.Rev {
		all = append(all, abort)
	}
	if !halted {
		all = append(all, pause)
	}
	return all
}
