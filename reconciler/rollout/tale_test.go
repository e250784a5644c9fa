package rollout

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/ledger"
)

// revisions are all that a tale may tell of.
var revisions = []string{"a", "b", "c", "d"}

// dice choose one of n, from 0 on: the first choice is the calm one.
type dice func(n int) int

func (d dice) rarely() bool { return d(8) == 7 }

func pick[T any](d dice, list ...T) T { return list[d(len(list))] }

// tale is the life of one workload that is made up: what Git asks for, what there is, and what is written down. A controller remembers nothing
// but what stands here.
type tale struct {
	dice
	w         manifest.Workload
	pods      []Pod // Available follows from the rest when they are looked at
	book      ledger.Ledger
	fresh     []live.Receipt // written on one node so far
	decisions []manifest.Decision
	guard     string
	deaf      string // why decisions cannot be read
	suspended bool
	moved     bool // a commit asked for another revision since the newest rejection

	spent   map[string]bool // decisions that a receipt names
	proved  []string        // revisions that were promoted, the newest first
	failed  map[string]bool // revisions that were rejected, and not promoted since
	broken  map[string]bool // revisions whose pods never become ready
	commits int
	now     time.Time
	born    time.Time // of this controller

	log []string
	err error
}

// told is a tale to its end, or to where a law was broken.
func told(d dice) *tale {
	s := &tale{dice: d, now: noon, born: noon, spent: map[string]bool{}, failed: map[string]bool{}, broken: map[string]bool{}}
	s.w = workload("a", 1+d(6), 1, 0)
	s.strategy()
	if d(2) == 0 {
		s.book = slices.Clone(promotedA)
		s.proved = []string{"a"}
		for i := range s.w.Replicas {
			s.pods = append(s.pods, Pod{Rev: "a", Slot: i, Gen: 1, Ready: true, Since: noon})
		}
	}
	var step Step
	for range d(60) {
		s.edit(step)
		s.settle()
		step = s.look()
		if s.err != nil {
			return s
		}
		s.act(step, pick(d, 3, 3, 3, 3, 3, 2, 1, 0))
		s.nature()
	}
	s.calm()
	return s
}

func (s *tale) String() string { return fmt.Sprintf("%v\n%s", s.err, strings.Join(s.log, "\n")) }

func (s *tale) say(format string, args ...any) { s.log = append(s.log, fmt.Sprintf(format, args...)) }

func (s *tale) breach(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf(format, args...)
	}
}

// edit changes what Git asks for, what people decide after a step that they saw, and what podkeep imposes.
func (s *tale) edit(seen Step) {
	st := &s.w.Strategy
	switch s.dice(40) {
	case 1, 2:
		s.template(pick(s.dice, revisions...))
	case 3:
		s.w.Replicas = s.dice(9)
		s.say("  replicas: %d", s.w.Replicas)
	case 4:
		s.strategy()
	case 5:
		st.Paused = !st.Paused
		s.say("  paused: %v", st.Paused)
	case 6:
		s.guard = pick(s.dice, "", "wave 1 waits")
		s.say("  guard: %q", s.guard)
	case 7:
		s.suspended = !s.suspended && s.rarely()
		s.say("  suspended: %v", s.suspended)
	case 15:
		s.deaf = pick(s.dice, "", "the forge is away")
		s.say("  deaf: %q", s.deaf)
	case 8, 9, 10:
		d := s.decision(pick(s.dice, promote, abort, retry, pause, resume, skip, full))
		if s.ofStep(d) && s.rarely() {
			d.Step = s.dice(4)
		}
		s.decide(d)
	case 11, 12, 13:
		if all := seen.Progress.Decide; len(all) > 0 {
			s.decide(s.decision(pick(s.dice, all...)))
		}
	case 14:
		if st.Rollout != nil {
			st.Rollout.Steps = s.steps()
			s.say("  steps: %v", st.Rollout.Steps)
		}
	}
}

func (s *tale) template(rev string) {
	s.commits++
	s.w.Revision.Rev, s.w.Revision.Commit = rev, fmt.Sprint("c", s.commits)
	if _, known := s.broken[rev]; !known {
		s.broken[rev] = rev != "a" && s.dice(4) == 3
	}
	if f := s.book.Failed(); f != nil && f.Rev != rev {
		s.moved = true
	}
	s.say("  template: %s, broken: %v", rev, s.broken[rev])
}

// strategy is another way to roll.
func (s *tale) strategy() {
	st := &s.w.Strategy
	st.Type, st.Rollout = pick(s.dice, manifest.Canary, manifest.Canary, manifest.BlueGreen, manifest.BlueGreen, manifest.RollingUpdate), nil
	st.MaxSurge, st.MaxUnavailable = s.dice(3), s.dice(3)
	if st.MaxSurge+st.MaxUnavailable == 0 {
		st.MaxUnavailable = 1
	}
	st.MinReady, st.Deadline = pick(s.dice, 0, 10*time.Second), pick(s.dice, 10*time.Minute, time.Minute)
	st.OnFailure = pick(s.dice, manifest.OnFailureRollback, manifest.OnFailureHold, manifest.OnFailureReport)
	switch st.Type {
	case manifest.Canary:
		st.Rollout = &manifest.Rollout{
			CanaryService: "canary", StableService: "stable", Steps: s.steps(),
			Threshold: pick(s.dice, nil, nil, &manifest.Threshold{Percent: 60}, &manifest.Threshold{Pods: 2}),
		}
	case manifest.BlueGreen:
		st.MaxSurge = 1
		st.Rollout = &manifest.Rollout{
			ActiveService: "active", PreviewService: "preview", PreviewReplicas: pick(s.dice, 0, 1, 2), AutoPromotion: s.dice(2) == 0,
			AutoAfter: pick(s.dice, 0, 30*time.Second), Delay: pick(s.dice, 30*time.Second, 0, 10*time.Minute), AbortDelay: pick(s.dice, 30*time.Second, 0),
			DelayRevisions: pick(s.dice, nil, new(int)),
		}
	}
	if st.Rollout != nil {
		one := 1
		st.Rollout.Window = pick(s.dice, nil, new(int), &one)
	}
	s.say("  strategy: %s, surge %d, unavailable %d, min ready %s, deadline %s, on failure %s", st.Type, st.MaxSurge, st.MaxUnavailable, st.MinReady, st.Deadline, st.OnFailure)
	if st.Rollout != nil {
		r := *st.Rollout
		s.say("  steps %v, %d of 10 are enough, %d preview, auto %v after %s, delay %s, abort delay %s", r.Steps, s.enough(10), r.PreviewReplicas, r.AutoPromotion, r.AutoAfter, r.Delay, r.AbortDelay)
	}
}

func (s *tale) steps() (all []manifest.Step) {
	for range s.dice(6) {
		weight := pick(s.dice, 20, 50, 0, 75, 100)
		all = append(all, pick(s.dice,
			manifest.Step{Weight: &weight}, manifest.Step{Weight: &weight}, manifest.Step{Pause: &manifest.Pause{}},
			manifest.Step{Pause: &manifest.Pause{Ends: true, Duration: time.Minute}}, manifest.Step{Pause: &manifest.Pause{Ends: true}},
		))
	}
	return all
}

func (s *tale) decide(d manifest.Decision) {
	s.decisions = append(s.decisions, d)
	s.say("  decision: %s %s at %d (%s)", d.Verb, d.Rev, d.Step, d.Why)
}

// settle has what was written be seen on enough nodes, or be lost with the only one. What nobody needs any more is collected.
func (s *tale) settle() {
	var wait []live.Receipt
	for _, r := range s.fresh {
		switch s.dice(8) {
		case 7:
			s.say("  lost: %s %s", r.Verb, r.Rev)
		case 6:
			wait = append(wait, r)
		default:
			s.seen(r)
		}
	}
	s.fresh = wait
	if s.rarely() {
		needed := s.book.Needed()
		s.book = slices.DeleteFunc(s.book, func(r live.Receipt) bool { return !needed(r) })
	}
}

func (s *tale) seen(r live.Receipt) {
	if slices.ContainsFunc(s.book, r.Same) {
		return
	}
	s.book = append(s.book, r)
	for _, id := range r.Answers {
		s.spent[id] = true
	}
	switch r.Verb {
	case live.Promoted:
		s.proved = append([]string{r.Rev}, slices.DeleteFunc(s.proved, func(rev string) bool { return rev == r.Rev })...)
		s.failed[r.Rev] = false
	case live.Failed:
		s.failed[r.Rev] = true
		s.moved = s.w.Revision.Rev != r.Rev
	}
}

func (s *tale) view() (all []Pod) {
	for _, p := range s.pods {
		p.Ready = p.Ready && !p.Unseen && !p.Stopping
		p.Available = p.Ready && !s.now.Before(p.Since.Add(s.w.Strategy.MinReady))
		all = append(all, p)
	}
	return all
}

func (s *tale) ledger() Ledger {
	l := Ledger{
		Receipts: slices.Concat(s.book, s.fresh), Moved: s.moved, Guard: s.guard, Deaf: s.deaf, Suspended: s.suspended, Watched: s.now.Sub(s.born),
		Trouble: "it exits with 1",
	}
	for _, d := range s.decisions {
		if d.Rev == s.w.Revision.Rev {
			l.Decisions = append(l.Decisions, d)
		}
	}
	if len(s.fresh) > 0 {
		l.Pending = "it is written down on one node"
	}
	if slices.ContainsFunc(s.pods, func(p Pod) bool { return p.Unseen }) {
		l.Imposed = "n3 is silent"
	}
	return l
}

// look is what Next says, which has to be the same in whatever order it is told, and lawful.
func (s *tale) look() Step {
	view, l := s.view(), s.ledger()
	step := Next(s.w, view, l, s.now)
	s.say("%s %s of %d: %s", s.now.Sub(noon), s.w.Revision.Rev, s.w.Replicas, words(view))
	s.say("    %s, want %v of %d at most, serve %v: %s", step.Phase, step.Want, step.Most, s.serve(), step.Why)
	for _, r := range step.Receipts {
		s.say("    writes %s %s gen %d, %d %s: %s", r.Verb, r.Rev, r.Gen, r.Step, r.Steps, r.Why)
	}
	slices.Reverse(l.Receipts)
	turned := slices.Clone(view)
	slices.Reverse(turned)
	if again := Next(s.w, turned, l, s.now); !reflect.DeepEqual(step, again) {
		s.breach("the same in another order gave\n%+v\nand not\n%+v", again, step)
	}
	if early := step.Wake.Add(-time.Millisecond); len(step.Receipts) == 0 && early.After(s.now) {
		l.Watched += early.Sub(s.now)
		if next := Next(s.w, view, l, early); len(next.Receipts) > 0 || !reflect.DeepEqual(step.Want, next.Want) {
			s.breach("it is to be woken at %s, and has %+v to do before", step.Wake.Sub(noon), next)
		}
	}
	s.lawful(view, step)
	s.decidable(view, step)
	return step
}

// decidable holds what a step says that people may decide: each of it does something, unless something else stands in the way.
func (s *tale) decidable(view []Pod, step Step) {
	if len(step.Progress.Decide) == 0 || len(s.fresh)+len(step.Receipts) > 0 || s.guard+s.deaf != "" || s.suspended || s.w.Strategy.Paused || s.w.Replicas == 0 {
		return
	}
	l, d := s.ledger(), s.decision(pick(s.dice, step.Progress.Decide...))
	l.Decisions = append(slices.Clip(l.Decisions), d)
	next := Next(s.w, view, l, s.now)
	for _, r := range next.Receipts {
		if slices.Contains(does[d.Verb], r.Verb) && slices.Contains(r.Answers, d.ID()) {
			return
		}
	}
	s.breach("%s is said to do something, and comes to %s: %s", d.Verb, next.Phase, next.Why)
}

// does are the receipts by which each decision is acted upon.
var does = map[string][]string{
	promote: {live.Stepped, live.Resumed}, skip: {live.Stepped, live.Resumed}, full: {live.Stepped, live.Resumed, live.Began},
	abort: {live.Failed}, retry: {live.Began}, pause: {live.Halted}, resume: {live.Resumed},
}

// decision is one about HEAD's revision, as one makes it who knows what is current.
func (s *tale) decision(verb string) manifest.Decision {
	d := manifest.Decision{Time: s.now, Verb: verb, App: web, Rev: s.w.Revision.Rev, Who: "kim", Why: fmt.Sprint("no. ", len(s.decisions))}
	if s.ofStep(d) {
		d.Step, _ = s.book.Steps(s.w.Strategy.StepsDigest())
	}
	return d
}

// ofStep says whether a decision is about one step alone.
func (s *tale) ofStep(d manifest.Decision) bool {
	return (d.Verb == promote || d.Verb == skip) && s.w.Strategy.Type == manifest.Canary
}

// words are pods as the rows of TestNext have them, each with its generation.
func words(pods []Pod) string {
	var all []string
	for _, p := range pods {
		mark := "?"
		switch {
		case p.Stopping:
			mark = "-"
		case p.Unseen:
			mark = "!"
		case p.Available:
			mark = ""
		}
		all = append(all, fmt.Sprint(p.Rev, p.Gen, mark))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// act does what a step asks for: 3 all of it, 2 not all that is to be done with pods, 1 what is to be written and no more, 0 nothing. Then the controller
// is another one.
func (s *tale) act(step Step, how int) {
	if how < 3 {
		s.born = s.now
		s.say("  killed")
	}
	if how > 0 {
		s.fresh = append(s.fresh, step.Receipts...)
	}
	if how < 2 {
		return
	}
	for _, rev := range revisions {
		for range count(s.pods, rev) - step.Want[rev] {
			if how == 3 || s.dice(2) == 0 {
				s.stop(rev)
			}
		}
	}
	for _, rev := range revisions {
		for range step.Want[rev] - count(s.pods, rev) {
			if how == 3 || s.dice(2) == 0 {
				s.start(rev, step)
			}
		}
	}
}

func count(pods []Pod, rev string) (n int) {
	for _, p := range pods {
		if p.Rev == rev && !p.Stopping {
			n++
		}
	}
	return n
}

// stop stops the pod that is missed least.
func (s *tale) stop(rev string) {
	least := -1
	view := s.view()
	rank := func(p Pod) int {
		switch {
		case p.Available:
			return 2
		case p.Ready:
			return 1
		}
		return 0
	}
	for i, p := range view {
		if p.Rev != rev || p.Stopping || p.Unseen {
			continue
		}
		if least < 0 || cmp.Or(cmp.Compare(rank(p), rank(view[least])), -cmp.Compare(p.Slot, view[least].Slot)) < 0 {
			least = i
		}
	}
	if least >= 0 {
		s.pods[least].Stopping = true
	}
}

func (s *tale) start(rev string, step Step) {
	gen := max(1, s.book.GenOf(rev))
	if rev == step.Target {
		gen = step.Gen
	}
	slot := 0
	for slices.ContainsFunc(s.pods, func(p Pod) bool { return p.Rev == rev && p.Slot == slot }) {
		slot++
	}
	s.pods = append(s.pods, Pod{Rev: rev, Slot: slot, Gen: gen})
}

// nature lets time pass, pods come up and go, and now and then break, vanish or fall silent.
func (s *tale) nature() {
	s.now = s.now.Add(pick(s.dice, time.Second, time.Second, 10*time.Second, 10*time.Second, 10*time.Second, time.Minute, time.Minute, 10*time.Minute))
	var next []Pod
	for _, p := range s.pods {
		event := s.dice(32)
		switch {
		case p.Stopping && event < 20, event == 31:
			continue
		case event == 30:
			p.Ready = false
		case event == 29 || p.Unseen && event < 12:
			p.Unseen = !p.Unseen
		case event < 24:
			p = s.risen(p)
		}
		next = append(next, p)
	}
	s.pods = next
}

// risen is the pod once it is ready, if it can be.
func (s *tale) risen(p Pod) Pod {
	if !p.Ready && !s.broken[p.Rev] {
		p.Ready, p.Since = true, s.now
	}
	return p
}

// calm ends all faults and edits, has a person decide whatever only a person can, and time pass only where something was to be waited for. So it must
// come to an end.
func (s *tale) calm() {
	s.w.Strategy.Paused, s.guard, s.deaf, s.suspended = false, "", "", false
	s.say("from here on nothing goes wrong")
	for range 500 {
		for _, r := range s.fresh {
			s.seen(r)
		}
		s.fresh = nil
		step := s.look()
		wake := s.wake(step)
		switch {
		case s.err != nil:
			return
		case !s.rests(step):
			s.act(step, 3)
			s.heal()
		case wake.After(s.now):
			s.now = wake
		case !wake.IsZero():
			s.breach("it rests, and is to be woken at once")
		case s.ended(step):
			return
		case len(step.Progress.Decide) > 0:
			s.decide(s.decision(step.Progress.Decide[0]))
			if next := s.look(); s.err == nil && s.rests(next) {
				s.breach("%s was to go on, and nothing follows", step.Progress.Decide[0])
			}
		default:
			s.breach("it waits for nothing and nobody")
		}
	}
	s.breach("it does not end")
}

// rests says whether nothing is to be done.
func (s *tale) rests(step Step) bool {
	if len(step.Receipts) > 0 {
		return false
	}
	for _, rev := range revisions {
		if count(s.pods, rev) != step.Want[rev] {
			return false
		}
	}
	return !slices.ContainsFunc(s.pods, func(p Pod) bool { return p.Stopping || p.Unseen || s.risen(p) != p })
}

// wake is when something changes by itself, or the step asks to be looked at.
func (s *tale) wake(step Step) time.Time {
	wake := step.Wake
	for _, p := range s.pods {
		if at := p.Since.Add(s.w.Strategy.MinReady); p.Ready && at.After(s.now) {
			wake = earliest(wake, at)
		}
	}
	return wake
}

func (s *tale) heal() {
	s.now = s.now.Add(time.Second)
	s.pods = slices.DeleteFunc(s.pods, func(p Pod) bool { return p.Stopping })
	for i, p := range s.pods {
		p.Unseen = false
		s.pods[i] = s.risen(p)
	}
}

// ended says whether the rollout is over: all pods are HEAD's, or it was rejected and all are stable's, or that has nothing to go back to, or its
// deadline has passed and that is only told.
func (s *tale) ended(step Step) bool {
	head, n := s.w.Revision.Rev, s.w.Replicas
	view := s.view()
	switch {
	case n == 0 && len(view) == 0:
		return true
	case step.Phase == Steady:
		return able(view, head) == n && len(view) == n && s.book.Reached(head)
	case step.Phase == Back:
		forever := s.w.Strategy.Type == manifest.BlueGreen && s.w.Strategy.Rollout.AbortDelay == 0
		return s.book.Failed() != nil && able(view, step.Stable) == n && (len(view) == n || forever)
	case step.Phase == Rejected:
		return s.book.Failed() != nil && (s.w.Strategy.OnFailure == manifest.OnFailureHold || s.book.Stable() == nil)
	}
	return step.Progress.Late != "" && s.broken[head] && s.w.Strategy.OnFailure == manifest.OnFailureReport
}

func able(pods []Pod, rev string) (n int) {
	for _, p := range pods {
		if p.Rev == rev && p.Available {
			n++
		}
	}
	return n
}
