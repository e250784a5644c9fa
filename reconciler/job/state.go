package job

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/ledger"
)

// state is what is known of a Job.
type state struct {
	w      manifest.Workload
	job    *manifest.Job
	pods   []Pod
	ledger Ledger
	now    time.Time

	gen     int
	began   *live.Receipt // of a Job whose time counts
	over    *live.Receipt // done or failed
	halt    *live.Receipt // the last halt or resume
	halted  bool
	stops   bool         // the halt was to stop the pods
	halts   int          // halts and resumes that are written down
	resumed time.Time    // the last resume
	tallies int          // tallies that are written down
	seen    tally        // the newest of them
	tally   tally        // with what the pods say
	veto    string       // the failure that fails the whole Job, by podFailurePolicy
	active  map[int]int  // slot to the pod that counts for it
	broke   map[int]Pod  // slot to its newest failed pod
	last    Pod          // the newest failed pod of all
	higher  map[int]int  // slot to the try after the highest there is
	leaving map[int]bool // pods that this step stops
}

func read(w manifest.Workload, pods []Pod, l Ledger, now time.Time) *state {
	s := &state{
		w: w, job: w.Job, pods: pods, ledger: l, now: now, active: map[int]int{}, broke: map[int]Pod{},
		higher: map[int]int{}, leaving: map[int]bool{},
	}
	s.generation()
	s.receipts()
	s.sever()
	s.count()
	return s
}

// stopsPods is what a halt carries that is followed by stops, and so does the resume after it.
const stopsPods = "stops"

// stopped is what a resume carries.
func (s *state) stopped() string {
	if s.stops {
		return stopsPods
	}
	return ""
}

// nextHalt numbers halts and resumes in one row.
func (s *state) nextHalt() int {
	if s.halted {
		return s.halts + 1
	}
	return s.halts
}

// sever tells the pods that failed because podkeep stopped them, whoever did it: a controller may have died over that, or the removal failed.
func (s *state) sever() {
	s.pods = slices.Clone(s.pods)
	for i := range s.pods {
		if p := &s.pods[i]; s.severed(*p) {
			p.State = cut
		}
	}
}

// slack is by how much the clocks of a host and a controller may disagree.
const slack = 2 * time.Second

// severed says whether a pod failed on a node that is being drained, or while its generation was halted. What a tally counts already did not.
func (s *state) severed(p Pod) bool {
	switch {
	case s.over != nil || !s.mine(p) || p.State != Broke || p.Try < s.seen.Tries[p.Slot]:
		return false
	case p.Moving:
		return true
	case s.halt == nil || s.halt.Steps != stopsPods:
		return false
	case s.halted:
		return p.Finished.After(s.halt.Time.Add(-slack))
	}
	return p.Finished.Before(s.halt.Time.Add(slack))
}

// generation is the newest there is, if it is of HEAD's revision and no retry was decided since it failed; else one more.
func (s *state) generation() {
	current := false
	see := func(gen int, rev string) {
		if gen > s.gen {
			s.gen, current = gen, false
		}
		current = current || gen == s.gen && rev == s.w.Revision.Rev
	}
	for _, r := range s.ledger.Receipts {
		see(r.Gen, r.Rev)
	}
	for _, p := range s.pods {
		see(p.Gen, p.Rev)
	}
	if failed := s.in(live.Failed); failed != nil && s.in(live.Done) == nil && ledger.Open(s.ledger.Retries, failed) {
		current = false
	}
	if !current {
		s.gen++
	}
}

func (s *state) mine(p Pod) bool { return p.Gen == s.gen && p.Rev == s.w.Revision.Rev }

// in is the newest receipt of a verb in this generation, or nil.
func (s *state) in(verb string) *live.Receipt {
	return s.ledger.Receipts.In(s.gen, s.w.Revision.Rev, verb)
}

func (s *state) receipts() {
	s.began, s.seen = s.in(live.Began), newTally()
	if r := s.in(live.Tallied); r != nil {
		s.tallies, s.seen = r.Step+1, decode(r.Steps)
	}
	if r := s.ledger.Receipts.Halt(s.gen, s.w.Revision.Rev); r != nil {
		s.halt, s.halts, s.halted = r, r.Step, r.Verb == live.Halted
		s.stops = s.halted && r.Steps == stopsPods
		if !s.halted {
			s.halts, s.resumed = r.Step+1, r.Time
		}
	}
	if s.over = cmp.Or(s.in(live.Done), s.in(live.Failed)); s.over != nil {
		s.seen = decode(s.over.Steps)
	}
}

// count adds what the pods say to the tally.
func (s *state) count() {
	s.tally = s.seen.copy()
	for _, i := range s.sorted() {
		p := s.pods[i]
		if !s.mine(p) {
			continue
		}
		s.higher[p.Slot] = max(s.higher[p.Slot], p.Try+1)
		if s.seen.Start.IsZero() && s.over == nil && (s.tally.Start.IsZero() || p.Created.Before(s.tally.Start)) {
			s.tally.Start = p.Created
		}
		switch p.State {
		case Ended:
			s.tally.ended[p.Slot] = true
		case Broke:
			s.fail(p)
		case Active:
			if first, ok := s.active[p.Slot]; !ok || better(p, s.pods[first]) {
				s.active[p.Slot] = i
			}
		}
	}
	if s.began != nil && (s.over == nil || s.tally.Start.IsZero()) {
		s.tally.Start = s.began.Time
	}
	if s.over == nil && s.resumed.After(s.tally.Start) {
		s.tally.Start = s.resumed
	}
	s.row()
	s.tally.Begun = s.tally.Begun || s.passed(s.due()) && s.deadline().IsZero() && s.hasBegun()
}

// row counts the failures in a row: what ended since the tally that was read, in the order in which it ended. It finds the last of them.
func (s *state) row() {
	ended := s.newestFirst()
	slices.Reverse(ended)
	for _, i := range ended {
		p := s.pods[i]
		if p.State == Broke {
			s.last = p
		}
		switch {
		case s.noted(p):
		case p.State == Ended:
			s.tally.Row = 0
		default:
			s.tally.Row++
		}
	}
}

// better says whether a is to be kept sooner than b at the completion of both: one that is up, then one that need not move, then
// the older.
func better(a, b Pod) bool {
	switch {
	case a.Ready != b.Ready:
		return a.Ready
	case a.Moving != b.Moving:
		return !a.Moving
	}
	return a.Created.Before(b.Created)
}

// fail counts a failure once, as podFailurePolicy says.
func (s *state) fail(p Pod) {
	if last, ok := s.broke[p.Slot]; !ok || p.Finished.After(last.Finished) {
		s.broke[p.Slot] = p
	}
	action := s.policy(p)
	if action == batchv1.PodFailurePolicyActionFailJob && s.veto == "" {
		s.veto = fmt.Sprintf("%s: %s, and podFailurePolicy says that this fails the Job", p.Name, p.Why)
	}
	if s.over != nil || p.Try < s.tally.Tries[p.Slot] {
		return
	}
	s.tally.Tries[p.Slot] = p.Try + 1
	if action == batchv1.PodFailurePolicyActionIgnore {
		return
	}
	s.tally.Failed++
	s.tally.Failures[p.Slot]++
	limit := s.job.Spec.BackoffLimitPerIndex
	if action == batchv1.PodFailurePolicyActionFailIndex || limit != nil && s.tally.Failures[p.Slot] > int(*limit) {
		s.tally.lost[p.Slot] = true
	}
}

// policy is what the first rule that matches a failure says; Count when none does.
func (s *state) policy(p Pod) batchv1.PodFailurePolicyAction {
	if s.job.Spec.PodFailurePolicy == nil {
		return batchv1.PodFailurePolicyActionCount
	}
	for _, r := range s.job.Spec.PodFailurePolicy.Rules {
		if r.OnExitCodes != nil && exits(*r.OnExitCodes, p.Exits) {
			return r.Action
		}
	}
	return batchv1.PodFailurePolicyActionCount
}

// exits says whether a container that the requirement speaks of exited badly with a code that it names.
func exits(r batchv1.PodFailurePolicyOnExitCodesRequirement, codes map[string]int) bool {
	for name, code := range codes {
		if r.ContainerName != nil && *r.ContainerName != name || code == 0 {
			continue
		}
		in := false
		for _, v := range r.Values {
			in = in || int(v) == code
		}
		if in == (r.Operator == batchv1.PodFailurePolicyOnExitCodesOpIn) {
			return true
		}
	}
	return false
}

// sorted are the pods' places by slot, try and node, so that what is counted does not hang on their order.
func (s *state) sorted() []int {
	order := make([]int, len(s.pods))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(i, k int) bool {
		a, b := s.pods[order[i]], s.pods[order[k]]
		switch {
		case a.Slot != b.Slot:
			return a.Slot < b.Slot
		case a.Try != b.Try:
			return a.Try < b.Try
		}
		return a.Node < b.Node
	})
	return order
}

// inOrder are the active pods of this generation by slot, the older attempt first.
func (s *state) inOrder() (active []int) {
	for _, i := range s.sorted() {
		if p := s.pods[i]; s.mine(p) && p.State == Active {
			active = append(active, i)
		}
	}
	return active
}

// newestFirst are the finished pods of this generation that can be seen.
func (s *state) newestFirst() (ended []int) {
	for _, i := range s.sorted() {
		if p := s.pods[i]; s.mine(p) && !p.Unseen && (p.State == Ended || p.State == Broke) {
			ended = append(ended, i)
		}
	}
	sort.SliceStable(ended, func(i, k int) bool { return s.pods[ended[i]].Finished.After(s.pods[ended[k]].Finished) })
	return ended
}

// whole are the pods that are to be made whole if they are not: those active that stay.
func (s *state) whole() (keep []int) {
	for _, i := range s.inOrder() {
		if !s.pods[i].Unseen && !s.leaving[i] {
			keep = append(keep, i)
		}
	}
	return keep
}

func (s *state) suspended() bool { return *s.job.Spec.Suspend || s.ledger.Suspended }

// begun says whether anything of this generation is or was there.
func (s *state) begun() bool { return s.began != nil || !s.tally.Start.IsZero() || s.tallies > 0 }

// timed says whether it is written down when the Job begins: its time counts from there, before it has a pod too.
func (s *state) timed() bool { return s.job.Spec.ActiveDeadlineSeconds != nil || s.job.Hook != nil }

// hasBegun says whether a container was started.
func (s *state) hasBegun() bool {
	return !s.tally.empty() || slices.ContainsFunc(s.pods, func(p Pod) bool { return s.mine(p) && p.Begun })
}

// slots is how many completions there are; of a work queue, how many workers.
func (s *state) slots() int {
	if c := s.job.Spec.Completions; c != nil {
		return int(*c)
	}
	return int(*s.job.Spec.Parallelism)
}

func (s *state) isQueue() bool { return s.job.Spec.Completions == nil }

// isQueueDone says whether a worker of a queue has succeeded, so that no other is begun.
func (s *state) isQueueDone() bool { return s.isQueue() && len(s.tally.ended) > 0 }

// room is how many pods may be active at once.
func (s *state) room() int {
	if s.isQueueDone() {
		return 0
	}
	return min(int(*s.job.Spec.Parallelism), s.slots()-len(s.tally.ended)-len(s.tally.lost))
}

// occupied is how many pods count as active now.
func (s *state) occupied() (n int) {
	for i := range s.pods {
		if s.occupies(i) {
			n++
		}
	}
	return n
}

// occupies says whether a pod stands in the way of another at its completion.
func (s *state) occupies(i int) bool {
	p := s.pods[i]
	if !s.mine(p) {
		return false
	}
	return p.State == Active || (p.State == Stopping || p.State == cut) && s.strict()
}

// strict says that a pod is replaced only when it is gone.
func (s *state) strict() bool { return *s.job.Spec.PodReplacementPolicy == batchv1.Failed }

// open are the completions that need a pod and have none, the lowest first; of a work queue none once a worker has succeeded.
func (s *state) open() (slots []int) {
	if s.isQueueDone() {
		return nil
	}
	taken := map[int]bool{}
	for i, p := range s.pods {
		if s.occupies(i) {
			taken[p.Slot] = true
		}
	}
	for slot := range s.slots() {
		if !taken[slot] && !s.tally.ended[slot] && !s.tally.lost[slot] {
			slots = append(slots, slot)
		}
	}
	return slots
}

// lacking is how many pods could be begun.
func (s *state) lacking() int { return s.room() - s.occupied() }

// try is the number of the next attempt at a completion.
func (s *state) try(slot int) int { return max(s.tally.Tries[slot], s.higher[slot]) }

// dueAgain is when the next attempt at a completion may begin, and the failure after which it waits. An index waits for its own failures; the
// completions of a Job without indexes are one like the other, and all wait for the last failure until one has succeeded.
func (s *state) dueAgain(slot int) (time.Time, Pod) {
	last, row := s.broke[slot], s.tally.Failures[slot]
	if !s.job.Indexed() {
		last, row = s.last, s.tally.Row
		if row == 0 {
			return time.Time{}, last
		}
	}
	if last.Finished.IsZero() {
		return time.Time{}, last
	}
	delay := firstDelay
	for i := 1; i < row && delay < mostDelay; i++ {
		delay *= 2
	}
	return last.Finished.Add(min(delay, mostDelay)), last
}

// deadline is when activeDeadlineSeconds end, zero for none.
func (s *state) deadline() time.Time {
	d := s.job.Spec.ActiveDeadlineSeconds
	if d == nil || s.tally.Start.IsZero() {
		return time.Time{}
	}
	return s.tally.Start.Add(time.Duration(*d) * time.Second)
}

// due is when the Job fails unless it has ended, or, of a hook without activeDeadlineSeconds, unless a container has begun; zero for never.
func (s *state) due() time.Time {
	d := s.job.Spec.ActiveDeadlineSeconds
	if d != nil || s.job.Hook == nil || s.began == nil || !s.tally.empty() {
		return s.deadline()
	}
	due := s.tally.Start.Add(patience)
	if tried := s.now.Add(chance - s.ledger.Watched); tried.After(due) {
		return tried
	}
	return due
}

func (s *state) passed(due time.Time) bool { return !due.IsZero() && !s.now.Before(due) }

// imposed is what podkeep itself holds up.
func (s *state) imposed() string {
	for _, p := range s.pods {
		if s.mine(p) && p.Unseen && p.State == Active {
			return p.Node + " is silent"
		}
	}
	return cmp.Or(s.ledger.Hidden, s.ledger.Imposed)
}

// dueOf is when activeDeadlineSeconds end for an older generation's pod, zero for never.
func (s *state) dueOf(p Pod) time.Time {
	d := s.job.Spec.ActiveDeadlineSeconds
	if d == nil {
		return time.Time{}
	}
	since := p.Created
	if r := s.ledger.Receipts.In(p.Gen, p.Rev, live.Began); r != nil {
		since = r.Time
	}
	if r := s.ledger.Receipts.Halt(p.Gen, p.Rev); r != nil && r.Time.After(since) {
		since = r.Time
	}
	return since.Add(time.Duration(*d) * time.Second)
}

func (s *state) overdue() string {
	return fmt.Sprintf("was active for longer than %s", time.Duration(*s.job.Spec.ActiveDeadlineSeconds)*time.Second)
}

// neverBegan is why a Job that is overdue has not begun a container.
func (s *state) neverBegan() string {
	if s.ledger.Trouble == "" {
		return "no container has begun"
	}
	return "no container has begun: " + s.ledger.Trouble
}

// late says why the Job has failed for time, or nothing.
func (s *state) late() string {
	switch {
	case s.suspended() || s.halted || s.imposed() != "" || !s.passed(s.due()):
		return ""
	case s.deadline().IsZero():
		return fmt.Sprintf("after %s %s", patience, s.neverBegan())
	case s.hasBegun():
		return s.overdue()
	}
	return s.overdue() + "; " + s.neverBegan()
}

func (s *state) ttl() time.Duration {
	if t := s.job.Spec.TTLSecondsAfterFinished; t != nil {
		return time.Duration(*t) * time.Second
	}
	return 0
}

func (s *state) whyExpired() string {
	if s.deletes() {
		return "the hook has ended, and its delete policy asks for it"
	}
	return fmt.Sprintf("ended %s ago", s.ttl())
}

// expires is when the finished pods go, zero for never.
func (s *state) expires() time.Time {
	if s.deletes() {
		return s.over.Time
	}
	if s.job.Spec.TTLSecondsAfterFinished == nil {
		return time.Time{}
	}
	return s.over.Time.Add(s.ttl())
}

// deletes says whether the hook's delete policy asks for the pods to go, now that it has ended.
func (s *state) deletes() bool {
	if s.over.Verb == live.Done {
		return s.job.Hook.Deletes(manifest.HookSucceeded)
	}
	return s.job.Hook.Deletes(manifest.HookFailed)
}

// noted says whether the tally that was read counts the finished pod, so that nothing is forgotten with it.
func (s *state) noted(p Pod) bool {
	if p.State == Ended {
		return s.seen.ended[p.Slot]
	}
	return p.Try < s.seen.Tries[p.Slot]
}

// receipt is one of this generation.
func (s *state) receipt(verb string, step int, steps, why string) live.Receipt {
	return live.Receipt{
		App: s.w.ID, Verb: verb, Rev: s.w.Revision.Rev, Gen: s.gen, Commit: s.w.Revision.Commit,
		Step: step, Steps: steps, Time: s.now, Why: why, Answers: ledger.Answers(s.ledger.Retries),
	}
}

// cutReason splits what close wrote.
func cutReason(text string) (reason, why string) {
	reason, why, ok := strings.Cut(text, ": ")
	if !ok {
		return "", text
	}
	return reason, why
}
