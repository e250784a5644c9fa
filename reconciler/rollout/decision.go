package rollout

import (
	"slices"

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

// open are the decisions that nobody has acted upon: no receipt of the newest rollout names them. One that names a step holds at that step alone.
func (s state) open() (all []manifest.Decision) {
	for _, d := range s.ledger.Receipts.Open(s.ledger.Decisions) {
		if !s.steps(d) || d.Step == s.step {
			all = append(all, d)
		}
	}
	return all
}

// steps says whether a decision is about one step of a canary.
func (s state) steps(d manifest.Decision) bool {
	return (d.Verb == promote || d.Verb == skip) && s.w.Strategy.Rollout != nil
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

// answered are the decisions that a receipt answers: all that have been read, but for those of steps to come.
func (s state) answered() []string {
	return ledger.Answers(slices.DeleteFunc(slices.Clone(s.ledger.Decisions), func(d manifest.Decision) bool { return s.steps(d) && d.Step > s.step }))
}

// because is a decision as a reason names it.
func because(d *manifest.Decision, done string) string {
	done += " by " + d.Who
	if d.Why != "" {
		done += ": " + d.Why
	}
	return done
}
