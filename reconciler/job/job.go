// Package job decides what a Job needs now: which attempts to begin, which pods to stop, and what to write down.
//
// A Job's pods are their own record while they are there: what has ended is counted from them. Beside them there are receipts: began,
// where its time counts; a tally, before finished pods are removed or may be lost; a halt and a resume; and in the end done or failed.
// What is written down as ended is never run again, whatever becomes of its pods. Every completion is run at least once.
package job

import (
	"fmt"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/ledger"
)

// Phase is where a Job is.
type Phase string

// Phases of a Job.
const (
	Running   Phase = "running"
	Waiting   Phase = "waiting"   // it has not begun, and Why says what stands in the way
	Suspended Phase = "suspended" // spec.suspend or podkeep.io/suspend
	Ending    Phase = "ending"    // its end is being written down
	Complete  Phase = "complete"
	Failed    Phase = "failed"
)

// State of a pod.
type State int

// States of a pod.
const (
	Active State = iota
	Ended        // ran to completion
	Broke        // exited badly, and is not started again
	Stopping
	cut // exited badly, because podkeep stopped it
)

// Pod is what a Job needs to know of one pod.
type Pod struct {
	Name, Node        string
	Slot, Try, Gen    int
	Rev               string
	State             State
	Ready             bool
	Unseen            bool           // its node is silent: it counts as active and cannot be stopped
	Moving            bool           // its node is being drained
	Begun             bool           // one of its containers was started
	Off               bool           // it waits to be started again: a container failed, or was cut off
	Restarts          int            // of its containers, under restartPolicy OnFailure
	Exits             map[string]int // of the containers that exited badly
	Created, Finished time.Time
	Why               string
}

// Ledger is what is written down about one Job, and what the fleet imposes on it.
type Ledger struct {
	Receipts  ledger.Ledger
	Retries   []manifest.Decision // retry decisions for HEAD's revision, answered ones too
	Suspended bool                // podkeep.io/suspend: its pods are left alone
	Hidden    string              // why pods or receipts of it may be where nobody can look; empty if they cannot
	Pending   string              // which receipt was not seen on enough nodes yet; until it is, nothing begins or ends
	Gate      string              // why it may not begin yet; empty if it may
	Imposed   string              // what else podkeep itself holds up, so that no deadline counts it; empty if nothing
	Trouble   string              // why its pods do not begin, for the failed receipt
	Watched   time.Duration       // how long this controller has been watching
}

// Start is one attempt at one completion.
type Start struct {
	Slot, Try int
	Why       string
}

// Stop removes a pod; Pod counts in the list that Next was given.
type Stop struct {
	Pod int
	Why string
}

// Step is what the Job needs now. Keep are the pods, counted in the list that Next was given, that are to be made whole when they are not.
// Receipts are to be written, and what they announce is not in Start and Stop yet.
type Step struct {
	Phase    Phase
	Gen      int // of new pods
	Start    []Start
	Stop     []Stop
	Keep     []int
	Receipts []live.Receipt
	Wake     time.Time
	Why      string
	Waits    []string
	Status   Status
}

// Status is how far a Job is.
type Status struct {
	Active, Ready, Terminating      int
	Succeeded, Failed               int
	Completions                     int    // 0 for a work queue
	CompletedIndexes, FailedIndexes string // of an Indexed Job
	Started, Ended                  time.Time
	Complete, Broken, Suspended     bool
	Reason, Message                 string // why it is complete or broken, in Kubernetes' words, and in ours
	Expires                         time.Time
}

// Bounds on what is kept of pods that have ended, the newest of each, for their logs.
const (
	keptEnded = 5
	keptBroke = 5
)

// Back-off between the attempts at one index, or of a Job that has none: Kubernetes' figures.
const (
	firstDelay = 10 * time.Second
	mostDelay  = 6 * time.Minute
)

// patience is for how long a hook without activeDeadlineSeconds may be there without having begun a container.
const patience = 10 * time.Minute

// chance is how long a controller watches before it says so: the time may have passed while none ran.
const chance = time.Minute

// Reasons why a Job ended, Kubernetes' words.
const (
	Reached         = "CompletionsReached"
	BySuccessPolicy = "SuccessPolicy"
	Backoff         = "BackoffLimitExceeded"
	Deadline        = "DeadlineExceeded"
	ByFailurePolicy = "PodFailurePolicy"
	TooManyIndexes  = "MaxFailedIndexesExceeded"
	SomeIndexes     = "FailedIndexes"
)

// Next decides. At no time does it ask for more than parallelism active pods, and for a completion that succeeded it asks for none.
func Next(w manifest.Workload, pods []Pod, l Ledger, now time.Time) Step {
	s := read(w, pods, l, now)
	step := s.next()
	step.Gen = s.gen
	s.account(&step.Status)
	if s.over != nil {
		s.verdict(&step)
	}
	return step
}

func (s *state) next() Step {
	if s.ledger.Pending != "" {
		step := Step{Phase: Ending, Why: s.ledger.Pending}
		if s.over == nil {
			step.Keep = s.whole()
		}
		return step
	}
	if s.over != nil {
		return s.finished()
	}
	if verb, reason, why := s.end(); verb != "" {
		return s.close(verb, reason, why)
	}
	switch {
	case s.suspended():
		return s.suspend()
	case s.halted:
		step := Step{Phase: Waiting, Why: "goes on", Keep: s.whole()}
		step.Receipts = append(step.Receipts, s.receipt(live.Resumed, s.halts, s.stopped(), "the Job goes on"))
		return step
	}
	return s.run()
}

// close writes down that the Job has ended. Its pods go once that has been seen.
func (s *state) close(verb, reason, why string) Step {
	r := s.receipt(verb, 0, s.tally.encode(), reason+": "+why)
	return Step{Phase: Ending, Why: why, Receipts: []live.Receipt{r}}
}

// finished leaves a Job as it ended, and removes what nobody needs: what still runs, pods of older revisions, finished pods beyond a
// few, and after ttlSecondsAfterFinished all.
func (s *state) finished() Step {
	step := Step{Phase: Complete}
	if s.over.Verb == live.Failed {
		step.Phase = Failed
	}
	_, step.Why = cutReason(s.over.Why)
	expires := s.expires()
	expired := !expires.IsZero() && !s.now.Before(expires)
	if !expired {
		step.Wake = s.wakeToExpire(expires)
	}
	for i, p := range s.pods {
		switch {
		case p.Unseen || p.State == Stopping:
		case !s.mine(p):
			step.stop(i, s.supersedes(p))
		case p.State == Active:
			step.stop(i, "the Job has ended")
		case expired:
			step.stop(i, s.whyExpired())
		}
	}
	if !expired {
		s.thin(&step, func(Pod) bool { return true })
	}
	return step
}

// wakeToExpire is the moment if there is a pod to remove then.
func (s *state) wakeToExpire(expires time.Time) time.Time {
	for _, p := range s.pods {
		if s.mine(p) && !p.Unseen && (p.State == Ended || p.State == Broke) {
			return expires
		}
	}
	return time.Time{}
}

// suspend stops the pods, once the halt has been seen. Under podkeep.io/suspend they are left as they are.
func (s *state) suspend() Step {
	step := Step{Phase: Suspended, Why: "spec.suspend is set"}
	if s.ledger.Suspended {
		step.Why, step.Keep = "podkeep.io/suspend is set", s.whole()
	}
	s.note(&step)
	switch {
	case !s.begun() && !s.halted:
		return step
	case !s.halted && s.ledger.Suspended:
		step.Receipts = append(step.Receipts, s.receipt(live.Halted, s.halts, "", step.Why))
		return step
	case !s.stops && !s.ledger.Suspended:
		step.Receipts = append(step.Receipts, s.receipt(live.Halted, s.nextHalt(), stopsPods, step.Why))
		return step
	case s.ledger.Suspended:
		return step
	}
	for i, p := range s.pods {
		if (p.State == Active || p.State == cut) && !p.Unseen {
			step.stop(i, "spec.suspend is set")
		}
	}
	return step
}

// run begins what is lacking and stops what is too much.
func (s *state) run() Step {
	step := Step{Phase: Running, Keep: s.whole()}
	s.watch(&step)
	switch {
	case !s.begun() && s.ledger.Gate != "":
		return Step{Phase: Waiting, Why: s.ledger.Gate}
	case s.ledger.Hidden != "" && s.lacking() > 0:
		step.Phase, step.Why = Waiting, "is not begun: "+s.ledger.Hidden
		if s.begun() {
			step.Phase, step.Why = Running, s.ledger.Hidden
		}
		step.Waits = append(step.Waits, s.ledger.Hidden)
		return step
	}
	s.note(&step)
	if s.yield(&step) {
		return step
	}
	if s.timed() && !s.begun() && s.lacking() > 0 {
		step.Phase, step.Why = Waiting, "begins"
		step.Receipts = append(step.Receipts, s.receipt(live.Began, 1, "", "its time counts from here"))
		return step
	}
	s.trim(&step)
	s.begin(&step)
	s.thin(&step, s.noted)
	step.Why = s.said()
	if *s.job.Spec.Parallelism == 0 && s.occupied() == 0 && step.Wake.IsZero() {
		step.Phase, step.Why = Suspended, "spec.parallelism is 0: "+step.Why
	}
	return step
}

// watch waits for the deadline, and starts one over that has passed while podkeep itself held the Job up.
func (s *state) watch(step *Step) {
	if !s.passed(s.due()) {
		step.Wake = s.due()
		return
	}
	if why := s.imposed(); why != "" {
		step.Receipts = append(step.Receipts, s.receipt(live.Resumed, s.halts, "", "the deadline starts over: "+why))
	}
}

// note writes the tally when it says more than the one that was read.
func (s *state) note(step *Step) {
	if !s.tally.empty() && !s.tally.same(s.seen) {
		step.Receipts = append(step.Receipts, s.receipt(live.Tallied, s.tallies, s.tally.encode(), s.said()))
	}
}

// yield stops what remains of older revisions, and says whether to wait until it is gone: two revisions of one Job never run side by
// side. A hook that has begun is waited for, for each commit that changes anything changes its revision.
func (s *state) yield(step *Step) (wait bool) {
	for i, p := range s.pods {
		if s.mine(p) {
			continue
		}
		if s.elder(p) {
			wait = true
			s.outlast(step, i)
			continue
		}
		if p.State == Active || p.State == Stopping {
			wait = true
			step.Phase, step.Why = Waiting, fmt.Sprintf("waits until %s of %s is gone", p.Name, live.ShortRev(p.Rev))
			step.Waits = append(step.Waits, fmt.Sprintf("%s on %s is of %s and has to go first", p.Name, p.Node, live.ShortRev(p.Rev)))
		}
		if !p.Unseen && p.State != Stopping {
			step.stop(i, s.supersedes(p))
		}
	}
	return wait
}

// elder says whether the pod is that of an older revision of a hook and has begun, so that it is left to end.
func (s *state) elder(p Pod) bool {
	return s.job.Hook != nil && p.Rev != s.w.Revision.Rev && p.State == Active && p.Begun && !p.Off
}

// outlast waits for an elder, no longer than activeDeadlineSeconds.
func (s *state) outlast(step *Step, i int) {
	p := s.pods[i]
	step.Phase, step.Why = Waiting, fmt.Sprintf("waits until %s of %s has ended", p.Name, live.ShortRev(p.Rev))
	step.Waits = append(step.Waits, fmt.Sprintf("%s on %s is of %s, has begun, and ends first", p.Name, p.Node, live.ShortRev(p.Rev)))
	due := s.dueOf(p)
	switch {
	case p.Unseen:
	case due.IsZero() || s.now.Before(due):
		step.Keep, step.Wake = append(step.Keep, i), earliest(step.Wake, due)
	default:
		step.stop(i, s.overdue())
	}
}

func (s *state) supersedes(p Pod) string {
	if p.Rev == s.w.Revision.Rev {
		return "it runs anew"
	}
	return fmt.Sprintf("%s gives way to %s", live.ShortRev(p.Rev), live.ShortRev(s.w.Revision.Rev))
}

// trim stops active pods that are not wanted: a second one at one completion, one whose completion has succeeded or was given up, one on a node that is being
// drained, and the highest slots beyond parallelism.
func (s *state) trim(step *Step) {
	left := s.room()
	for _, i := range s.inOrder() {
		p := s.pods[i]
		why := ""
		switch {
		case s.tally.ended[p.Slot]:
			why = "its completion has succeeded"
		case s.tally.lost[p.Slot]:
			why = "its index has failed"
		case s.active[p.Slot] != i:
			why = "its completion has another pod"
		case p.Moving:
			why = p.Node + " is being drained"
		case left <= 0 && !s.isQueueDone():
			why = fmt.Sprintf("%d at once are asked for", *s.job.Spec.Parallelism)
		default:
			left--
			continue
		}
		if p.Unseen {
			continue
		}
		step.stop(i, why)
		s.leaving[i] = true
	}
	step.Keep = s.whole()
	for i, p := range s.pods {
		if p.State == cut && !p.Unseen {
			step.stop(i, "was stopped, and is still there")
		}
	}
}

// begin starts attempts at the lowest completions that have none, as far as there is room.
func (s *state) begin(step *Step) {
	room := s.lacking()
	for _, slot := range s.open() {
		due, last := s.dueAgain(slot)
		switch {
		case room <= 0:
			return
		case s.now.Before(due):
			step.Waits = append(step.Waits, fmt.Sprintf("attempt %d%s begins at %s: %s", s.try(slot), s.at(slot), due.UTC().Format(time.TimeOnly), last.Why))
			step.Wake = earliest(step.Wake, due)
			if !s.job.Indexed() {
				return
			}
		default:
			room--
			step.Start = append(step.Start, Start{Slot: slot, Try: s.try(slot), Why: s.whyStart(slot)})
		}
	}
}

func (s *state) whyStart(slot int) string {
	why := "runs"
	if try := s.try(slot); try > 0 {
		why = fmt.Sprintf("attempt %d", try)
	}
	why += s.at(slot)
	if p, ok := s.broke[slot]; ok {
		why += ": " + p.Why
	}
	return why
}

// at names a completion where there are several.
func (s *state) at(slot int) string {
	switch {
	case s.job.Indexed():
		return fmt.Sprintf(" at index %d", slot)
	case s.slots() > 1:
		return fmt.Sprintf(" at completion %d of %d", slot+1, s.slots())
	}
	return ""
}

// thin removes finished pods beyond the newest few. may says which of them may go.
func (s *state) thin(step *Step, may func(Pod) bool) {
	ended, broke := 0, 0
	for _, i := range s.newestFirst() {
		p := s.pods[i]
		kept := keptEnded
		n := &ended
		if p.State == Broke {
			kept, n = keptBroke, &broke
		}
		if *n++; *n > kept && may(p) {
			step.stop(i, fmt.Sprintf("ended; the newest %d are kept", kept))
		}
	}
}

func (step *Step) stop(pod int, why string) { step.Stop = append(step.Stop, Stop{pod, why}) }

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
