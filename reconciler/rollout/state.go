package rollout

import (
	"fmt"
	"slices"
	"sort"
	"strings"
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

	top      *live.Receipt // began of the newest generation
	stable   string
	promoted bool // stable rests on a promoted receipt
	gens     int  // the highest generation seen

	step int           // how many steps of the newest rollout are done
	said *live.Receipt // that says so, of this list of steps or of one from before
}

func read(w manifest.Workload, pods []Pod, l Ledger, now time.Time) state {
	book := l.Receipts
	s := state{w: w, pods: pods, ledger: l, now: now, top: book.Top(), gens: book.Gen()}
	last := book.Stable()
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
	s.step, s.said = book.Steps(w.Strategy.StepsDigest())
	if s.fast() != "" && s.top.Rev == w.Revision.Rev {
		s.step = s.steps()
	}
	return s
}

// steps is how many steps a rollout has.
func (s state) steps() int {
	switch s.w.Strategy.Type {
	case manifest.Canary:
		return len(s.w.Strategy.Rollout.Steps)
	case manifest.BlueGreen:
		return decided
	}
	return 0
}

// fast is why the newest rollout takes no notice of steps and pauses, or "".
func (s state) fast() string {
	if s.top == nil {
		return ""
	}
	why, _ := strings.CutPrefix(s.top.Steps, fast)
	return why
}

// fast marks the beginning of such a rollout, before the reason.
const fast = "fast: "

// returns is why a rollout to HEAD's revision that is about to begin is such a one: a person says so, or the fleet was there before.
func (s state) returns() string {
	head, r := s.w.Revision.Rev, s.w.Strategy.Rollout
	if d := s.decided(full); d != nil && s.rejects(head) {
		return because(d, "promoted in full")
	}
	if r == nil || !s.promoted {
		return ""
	}
	if head == s.stable {
		return live.ShortRev(head) + " is the stable one still"
	}
	book := s.ledger.Receipts
	back := 1 + slices.Index(book.Stable().Before, head)
	if back == 0 || r.Window != nil && back > *r.Window || book.Rejected(head) {
		return ""
	}
	why := live.ShortRev(head) + " was promoted before"
	if at := book.Stable().At; back <= len(at) && at[back-1] != "" {
		why += " at " + short(at[back-1])
	}
	return why
}

// unbegun says whether a rollout to HEAD's revision is yet to begin, or to begin again.
func (s state) unbegun() bool {
	return s.top == nil || s.top.Rev != s.w.Revision.Rev || s.restarts()
}

// inForce is the revision that pods are to have while HEAD's is not begun: the one that was promoted last; with none, the one that was begun
// last, or, if it was rejected, what there is beside it. It is empty while nothing is known to have begun.
func (s state) inForce() string {
	switch {
	case s.promoted || s.top != nil && s.failed():
		return s.stable
	case s.top == nil:
		return ""
	}
	return s.top.Rev
}

// spent says whether a bare Pod's revision ran to its end, so that it is not run again.
func (s state) spent(rev string) bool {
	book := s.ledger.Receipts
	gen := book.GenOf(rev)
	return s.w.ID.Kind == "Pod" && (book.In(gen, rev, live.Done) != nil || book.In(gen, rev, live.Failed) != nil)
}

// restarts says whether a rejected revision gets another chance: by decision, or because Git went elsewhere and came back.
func (s state) restarts() bool {
	return s.failed() && (s.retried() || s.ledger.Moved)
}

// rejects says whether the newest rollout is of that revision, and was rejected.
func (s state) rejects(rev string) bool { return s.failed() && s.top.Rev == rev }

// retried says whether somebody decided to try the newest rollout again since it was rejected.
func (s state) retried() bool { return s.decided(retry, full) != nil }

// aborted says whether a person rejected the newest rollout.
func (s state) aborted() bool {
	f := s.ledger.Receipts.Failed()
	return f != nil && f.Steps == aborted
}

// stays says whether a rejected revision stays as it is.
func (s state) stays() bool {
	return s.w.Strategy.OnFailure == manifest.OnFailureHold && s.failed() && !s.aborted()
}

// in is the newest receipt of a verb in the newest rollout, or nil.
func (s state) in(verb string) *live.Receipt { return s.ledger.Receipts.InTop(verb) }

// failed says whether the newest generation was rejected; a promotion that came after overrules it.
func (s state) failed() bool { return s.ledger.Receipts.Failed() != nil }

// halt is the newest halt or resumption of the newest rollout, or nil.
func (s state) halt() *live.Receipt {
	if s.top == nil {
		return nil
	}
	return s.ledger.Receipts.Halt(s.top.Gen, s.top.Rev)
}

// nextHalt numbers halts and resumptions in one row, so that the higher number is the one in force.
func (s state) nextHalt() int {
	if r := s.halt(); r != nil {
		return r.Step + 1
	}
	return 1
}

func (s state) halted() bool {
	r := s.halt()
	return r != nil && r.Verb == live.Halted
}

// progress is when a pod of HEAD's revision became available last: minReadySeconds after it was ready.
func (s state) progress() time.Time {
	last := s.top.Time
	for _, verb := range []string{live.Resumed, live.Stepped, live.Switched} {
		if r := s.in(verb); r != nil {
			last = later(last, r.Time)
		}
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
	return s.runsOnce() && (s.in(live.Done) != nil || s.in(live.Failed) != nil)
}

// ended is the verdict on run-to-completion pods that have all ended, or "". What an earlier rollout of the revision left does not count.
func (s state) ended() string {
	head, done := s.w.Revision.Rev, 0
	for _, p := range s.pods {
		if p.Rev != head || s.outlived(p) {
			continue
		}
		if p.Failed {
			return live.Failed
		}
		if p.Done {
			done++
		}
	}
	if done > 0 && done >= s.w.Replicas {
		return live.Done
	}
	return ""
}

// outlived says whether a run-to-completion pod of HEAD's revision is of an earlier rollout, which is over: it is no part of this one.
func (s state) outlived(p Pod) bool {
	book := s.ledger.Receipts
	return s.runsOnce() && s.top != nil && p.Rev == s.top.Rev && p.Gen < s.top.Gen &&
		(book.In(p.Gen, p.Rev, live.Done) != nil || book.In(p.Gen, p.Rev, live.Failed) != nil)
}

// again stops what an earlier rollout of HEAD's revision left, whose name the new pod will have, and begins nothing before it is gone.
func (s state) again() Step {
	head := s.w.Revision.Rev
	why := "it runs anew, and the pod of the last time goes first"
	return Step{Phase: Rolling, Target: head, Gen: s.top.Gen, Want: map[string]int{head: 0}, Why: why}
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
	if gen := s.ledger.Receipts.GenOf(rev); gen > 0 {
		return gen
	}
	gen := 1
	for _, p := range s.pods {
		if p.Rev == rev {
			gen = max(gen, p.Gen)
		}
	}
	return gen
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
