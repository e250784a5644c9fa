// Package rollout decides how many pods of each revision a workload should have now. Everything that it
// remembers stands in the ledger: receipts, which are written before what they announce is done.
package rollout

import (
	"fmt"
	"slices"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/ledger"
)

// Phase is where a workload is.
type Phase string

// Phases of a workload.
const (
	Steady   Phase = "steady"   // at HEAD's revision
	Starting Phase = "starting" // a transition is being written down; nothing else changes until it is seen
	Rolling  Phase = "rolling"
	Back     Phase = "back"    // HEAD's revision was rejected; going to, or staying at, the stable one
	Rejected Phase = "reject"  // HEAD's revision was rejected and there is nothing to go back to, or it is held
	Paused   Phase = "paused"  // somebody said so
	Waiting  Phase = "waiting" // not begun: a guard stands in the way
)

// Pod is what a rollout needs to know of one pod.
type Pod struct {
	Rev       string
	Slot      int
	Gen       int
	Ready     bool
	Available bool      // ready for minReadySeconds, on a node that answers
	Since     time.Time // of being ready
	Stopping  bool
	Unseen    bool // its node is silent: it takes room, gives no availability and cannot be stopped
	Stays     bool // it does not go yet where old pods go before new ones come: nothing could follow it now
	Done      bool // ran to completion
	Failed    bool // exited badly and will not be started again
}

// Ledger is what is written down about one workload, and what the fleet imposes on it.
type Ledger struct {
	Receipts  ledger.Ledger
	Decisions []manifest.Decision // those for HEAD's revision, the oldest first, answered ones too
	Deaf      string              // why decisions cannot be read now: until they can, nothing that somebody may have stopped goes on by itself
	Moved     bool                // since the newest failed receipt, a commit asked for another revision
	Pending   string              // which receipt was not seen on enough nodes yet; until it is, nothing changes
	Guard     string              // why no rollout may begin now; empty when it may
	Imposed   string              // what podkeep itself holds up, so that the deadline does not count; empty if nothing
	Suspended bool                // podkeep.io/suspend: only the halt is written down
	Trouble   string              // why pods of the new revision are not well, for the failed receipt
	Watched   time.Duration       // how long this controller has been watching
	StopOld   bool                // new pods fit only where old ones stop first; StopWhy says why
	StopWhy   string
}

// Step is what a workload needs now. Want has a count for every revision; one that is not named gets none. Receipts are
// to be written, and what they announce is not in Want yet. Gen is the generation of new pods of Target.
type Step struct {
	Phase    Phase
	Target   string
	Stable   string
	Gen      int
	Want     map[string]int
	Receipts []live.Receipt
	Wake     time.Time
	Why      string
	Failure  string   // why HEAD's revision is rejected, if it is
	Most     int      // pods that there may be in all, those stopping not counted
	Progress Progress // for people, and of a Rollout alone but for what is said of Decide
}

// Progress is how far a rollout is.
type Progress struct {
	Fast    string               // why it takes no notice of steps and pauses; empty where it does
	Step    int                  // of a canary: how many steps are done
	Weight  int                  // of a canary: what is asked for now, of 100
	Pause   string               // why it waits: one of the Pauses; empty while it does not
	Since   time.Time            // when that wait began
	Until   time.Time            // when it ends by itself; the zero time where a person's decision ends it
	Decide  []string             // decisions that would do something now, the one that goes on first; of every workload that can have them
	Aborted bool                 // a person rejected the revision
	Late    string               // the deadline has passed, and is only reported: what is missing
	Keeps   map[string]time.Time // older revisions whose pods stay for a while, and until when; the zero time is for ever
}

// Pauses, as Argo Rollouts names them.
const (
	PauseCanaryStep = "CanaryPauseStep"
	PauseBlueGreen  = "BlueGreenPause"
	PausedByPerson  = "PausedByPerson" // spec.paused, or a decision
)

// Next decides. It never asks for more than Replicas + MaxSurge pods, and never gives up an available pod unless
// Replicas − MaxUnavailable others are available, but for Recreate and stop-first.
func Next(w manifest.Workload, pods []Pod, l Ledger, now time.Time) Step {
	s := read(w, pods, l, now)
	step := s.next()
	step.Stable, step.Most = s.stable, s.most(step)
	if f := l.Receipts.Failed(); f != nil {
		step.Failure = f.Why
	}
	p := &step.Progress
	p.Fast, p.Step, p.Aborted, p.Keeps = s.fast(), s.step, s.aborted(), s.keeps()
	p.Decide = s.decide(step)
	if w.Strategy.Type == manifest.Canary && s.step == s.steps() {
		p.Weight = 100
	}
	for _, until := range p.Keeps {
		if !until.IsZero() {
			step.Wake = earliest(step.Wake, until)
		}
	}
	return step
}

// most is how many pods there may be in all: in blue-green one more than there are to be, for those that have to move.
func (s state) most(step Step) int {
	if s.w.Strategy.Type != manifest.BlueGreen || !s.promoted {
		return s.w.Replicas + s.w.Strategy.MaxSurge
	}
	most := s.w.Strategy.MaxSurge
	for _, count := range step.Want {
		most += count
	}
	return max(most, s.w.Replicas+s.w.Strategy.MaxSurge)
}

// Goal is the revision that the pods are to have next: HEAD's, or the one in force where HEAD's was rejected or may not begin.
func Goal(w manifest.Workload, pods []Pod, l Ledger) string {
	s := read(w, pods, l, time.Time{})
	switch force := s.inForce(); {
	case force == "" || s.stays():
	case s.unbegun() && l.Guard != "", !s.unbegun() && s.failed():
		return force
	}
	return w.Revision.Rev
}

func (s state) next() Step {
	head := s.w.Revision.Rev
	switch {
	case s.ledger.Pending != "":
		return s.hold(Starting, s.ledger.Pending)
	case s.unbegun():
		return s.begin()
	case s.finished():
		return s.completed()
	case s.runsOnce() && s.ended() != "":
		return s.note(s.ended(), s.endWhy(), s.hold(Starting, s.endWhy()))
	case s.in(live.Promoted) != nil:
		return s.toward(Steady, head, "")
	case s.failed():
		return s.rejected()
	case s.ledger.Suspended && !s.halted():
		return s.note(live.Halted, "podkeep.io/suspend is set", s.hold(Paused, "podkeep.io/suspend is set"))
	case s.ledger.Suspended:
		return s.hold(Paused, "podkeep.io/suspend is set")
	case s.rejectable() && s.decided(abort) != nil:
		return s.abort()
	case s.w.Replicas == 0:
		return s.empty()
	case s.pausedBy() != "":
		return s.pause()
	case s.halted():
		return s.goesOnAgain()
	}
	return s.roll()
}

// goesOnAgain writes down that nothing holds the rollout any more.
func (s state) goesOnAgain() Step {
	step := s.note(live.Resumed, "the rollout goes on", s.hold(Starting, "goes on"))
	if d := s.decided(resume, promote, full); d != nil {
		step.Receipts[0].Why, step.Receipts[0].Answers = because(d, "resumed"), s.answered()
	}
	return step
}

// begin writes down that a rollout to HEAD's revision begins, unless something forbids it.
func (s state) begin() Step {
	why := fmt.Sprintf("%s at %s", live.ShortRev(s.w.Revision.Rev), short(s.w.Revision.Commit))
	switch {
	case s.w.Strategy.Paused && s.stable != "":
		return s.hold(Paused, "spec.paused is set: "+why+" is not begun")
	case s.ledger.Guard != "":
		return s.wait(why + " is not begun: " + s.ledger.Guard)
	}
	if s.stable != "" {
		why += ", stable is " + live.ShortRev(s.stable)
	}
	step := s.hold(Starting, "begins: "+why)
	began := s.receipt(live.Began, s.gens+1, why)
	began.Answers = ledger.Answers(s.ledger.Decisions) // those of steps to come are an earlier rollout's
	if why := s.returns(); why != "" {
		began.Steps = fast + why
		began.Why += "; fast: " + why
	}
	began.Step = s.ledger.Receipts.Rollouts(began.Commit)
	if began.Step == 0 || !s.rejects(began.Rev) || !s.retried() {
		began.Step++
	}
	step.Receipts = []live.Receipt{began}
	return step
}

// wait goes toward the revision in force: only to begin HEAD's is withheld.
func (s state) wait(why string) Step {
	target := s.inForce()
	if target == "" || s.spent(target) || s.stays() {
		return s.hold(Waiting, why)
	}
	return s.toward(Waiting, target, why)
}

// rejected holds a failed revision: back to stable, or as it is.
func (s state) rejected() Step {
	f := s.in(live.Failed)
	head := s.w.Revision.Rev
	held := fmt.Sprintf("%s was rejected: %s; held until a commit changes it", live.ShortRev(head), f.Why)
	if s.aborted() {
		held = fmt.Sprintf("%s was %s; held until a commit changes it, or a retry decision", live.ShortRev(head), f.Why)
	}
	switch {
	case s.stable == "" || s.stable == head:
		if s.available(head) >= s.w.Replicas && s.w.Replicas > 0 && !s.runsOnce() {
			return s.note(live.Promoted, "all pods are available after all", s.toward(Rejected, head, held))
		}
		return s.toward(Rejected, head, held+"; there is no older revision to go back to")
	case s.stays():
		return s.hold(Rejected, held+" (on-failure: hold)")
	}
	return s.toward(Back, s.stable, held)
}

// roll goes on towards HEAD's revision, promotes it when it is there, and rejects it at the deadline.
func (s state) roll() Step {
	if slices.ContainsFunc(s.pods, s.outlived) {
		return s.again()
	}
	switch {
	case s.stepped():
		return s.canary()
	case s.w.Strategy.Type == manifest.BlueGreen:
		return s.blueGreen()
	}
	head, n := s.w.Revision.Rev, s.w.Replicas
	step := s.toward(Rolling, head, "")
	have, others := s.count(head), len(s.pods)-s.count(head)
	if s.available(head) >= s.enough(n) && have >= n && others == 0 {
		return s.note(live.Promoted, fmt.Sprintf("%d of %d available", s.available(head), n), step)
	}
	return s.deadline(step, s.progress())
}

// rejectable says whether there is a revision to go back to.
func (s state) rejectable() bool { return s.promoted && s.stable != s.w.Revision.Rev && !s.runsOnce() }

// abort writes down that a person rejects HEAD's revision.
func (s state) abort() Step {
	why := because(s.decided(abort), "aborted")
	step := s.note(live.Failed, why, s.hold(Starting, why))
	step.Receipts[0].Steps = aborted
	return step
}

// empty leaves HEAD's revision begun: at no replicas there is nothing to try it with, and no deadline counts that.
func (s state) empty() Step {
	if !s.halted() {
		return s.note(live.Halted, "replicas is 0, so it is not tried", s.toward(Rolling, s.w.Revision.Rev, ""))
	}
	return s.toward(Steady, s.w.Revision.Rev, "")
}

// chance is how long a controller watches before it rejects anything: a deadline may have passed while none ran, and with
// a pod that only waited to be started.
const chance = 10 * time.Second

// deadline rejects a revision that made no progress for progressDeadlineSeconds. Progress is a pod that became available. Time
// that podkeep itself imposed is given back. Where it is only to be reported, it is.
func (s state) deadline(step Step, progress time.Time) Step {
	limit := s.w.Strategy.Deadline
	if limit <= 0 || s.runsOnce() {
		return step
	}
	due := progress.Add(limit)
	if s.now.Before(due) {
		step.Wake = earliest(step.Wake, due)
		return step
	}
	late := fmt.Sprintf("%d of %d available after %s", s.available(s.w.Revision.Rev), s.w.Replicas, limit)
	if s.ledger.Trouble != "" {
		late += "; " + s.ledger.Trouble
	}
	rest, imposed := chance-s.ledger.Watched, s.imposed()
	switch {
	case s.w.Strategy.OnFailure == manifest.OnFailureReport && imposed == "":
		step.Progress.Late = "missed its deadline: " + late
		return step
	case rest > 0:
		step.Wake = earliest(step.Wake, s.now.Add(rest))
		return step
	case imposed != "":
		return s.note(live.Resumed, "the deadline starts over: "+imposed, step)
	}
	return s.note(live.Failed, late, s.hold(Starting, "missed its deadline: "+late))
}

// pause stands still because somebody said so: the shares of old and new stay, the sum follows replicas.
func (s state) pause() Step {
	why := s.pausedBy()
	step := s.hold(Paused, why)
	step.Progress.Pause = PausedByPerson
	if decided := !s.w.Strategy.Paused && s.decided(pause) != nil; decided || !s.halted() {
		step = s.note(live.Halted, why, step)
		if decided {
			step.Receipts[0].Steps += byDecision
			step.Receipts[0].Answers = s.answered()
		}
		return step
	}
	was := s.halt()
	step.Progress.Since = was.Time
	var fresh, of int
	if _, err := fmt.Sscanf(was.Steps, "%d/%d", &fresh, &of); err != nil || of == 0 {
		return step
	}
	head, n := s.w.Revision.Rev, s.w.Replicas
	share := min(n, (fresh*n+of-1)/of)
	step.Why = fmt.Sprintf("%s: %d of %d stay at %s", why, share, n, live.ShortRev(head))
	step.Want = map[string]int{head: share}
	switch {
	case s.w.Strategy.Type == manifest.BlueGreen:
		step.Want = s.beside(head)
		step.Want[head] = min(step.Want[head], share)
	case s.stable != "":
		step.Want[s.stable] = n - share
	}
	s.keepFloor(step.Want)
	if s.w.Strategy.Type != manifest.BlueGreen || !s.promoted {
		s.cut(step.Want)
	}
	return step
}

// cut takes from want what there is no room for, HEAD's first.
func (s state) cut(want map[string]int) {
	surge, _ := s.limits()
	over := -s.w.Replicas - surge
	for _, count := range want {
		over += count
	}
	for _, rev := range []string{s.w.Revision.Rev, s.stable} {
		less := max(0, min(over, want[rev]-s.count(rev)))
		want[rev] -= less
		over -= less
	}
}

// completed leaves a run-to-completion pod as it ended: it is never run again, and pods of older revisions go.
func (s state) completed() Step {
	head := s.w.Revision.Rev
	step := Step{Phase: Steady, Target: head, Gen: s.top.Gen, Want: map[string]int{head: min(s.count(head), s.w.Replicas)}}
	if f := s.in(live.Failed); f != nil {
		step.Phase, step.Why = Rejected, f.Why
		return step
	}
	step.Why = s.in(live.Done).Why
	return step
}

// hold keeps every revision at what it has; a workload of one revision is kept at its full count. Where nothing runs, what is about to begin
// is not preceded by anything.
func (s state) hold(phase Phase, why string) Step {
	want := map[string]int{}
	for _, p := range s.pods {
		if !p.Stopping {
			want[p.Rev]++
		}
	}
	switch others := len(s.pods) - s.count(s.stable); {
	case !s.promoted || s.spent(s.stable):
	case phase == Starting && len(s.pods) == 0 && s.stable != s.w.Revision.Rev: // HEAD's comes first
	case others == 0:
		want = map[string]int{s.stable: s.w.Replicas}
		s.keepFloor(want)
	default:
		want[s.stable] += s.lostStable()
	}
	return Step{Phase: phase, Target: s.stable, Want: want, Gen: s.genOf(s.stable), Why: why}
}

// lostStable is how many pods of the stable revision the floor lacks, as far as there is room.
func (s state) lostStable() int {
	if s.w.Strategy.Type == manifest.BlueGreen { // others give it no availability, and take no room from it
		return max(0, s.w.Replicas-s.count(s.stable))
	}
	surge, unavailable := s.limits()
	_, total := s.have()
	lack := s.w.Replicas - unavailable - s.count(s.stable)
	for _, rev := range s.revs() {
		if rev != s.stable {
			lack -= s.available(rev)
		}
	}
	return max(0, min(lack, s.w.Replicas+surge-total))
}

// note adds a receipt of the newest generation to a step.
func (s state) note(verb, why string, step Step) Step {
	r := s.receipt(verb, s.top.Gen, why)
	switch verb {
	case live.Halted:
		r.Steps, r.Step, r.Answers = fmt.Sprintf("%d/%d", s.count(r.Rev), s.w.Replicas), s.nextHalt(), s.answeredBefore()
	case live.Resumed:
		r.Step, r.Answers = s.nextHalt(), s.answeredBefore()
	case live.Promoted:
		if s.in(live.Failed) != nil {
			r.Step = 1
		}
		r.Before, r.At = s.ledger.Receipts.Before(r.Rev)
	}
	step.Receipts = append(step.Receipts, r)
	return step
}

// receipt is one of HEAD's revision. It answers every decision that has been read.
func (s state) receipt(verb string, gen int, why string) live.Receipt {
	return live.Receipt{
		App: s.w.ID, Verb: verb, Rev: s.w.Revision.Rev, Gen: gen, Commit: s.w.Revision.Commit, Time: s.now, Why: why,
		Answers: s.answered(),
	}
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func short(commit string) string { return commit[:min(7, len(commit))] }
