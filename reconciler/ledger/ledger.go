// Package ledger is what is written down: receipts, in which a transition stands before it is acted upon. A Book joins those that all nodes
// show, and says which are to be written, copied to the few nodes that keep them, and collected. A Ledger is those of one object, which
// everything that decides asks questions: what it answers hangs on generations, verbs and steps, and never on whose clock was ahead.
package ledger

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// Ledger is what is written down about one object: one receipt of each transition, in any order.
type Ledger []live.Receipt

// Limits of what is written and kept.
const (
	keptGens    = 3  // generations whose receipts are kept, beside that of the last promotion
	mostAnswers = 64 // decisions that a receipt names
)

// compare orders receipts by generation; in one generation, of which two controllers may have begun a rollout each, the revision of the
// earlier one counts.
func compare(a, b *live.Receipt) int {
	return cmp.Or(cmp.Compare(a.Gen, b.Gen), cmp.Compare(a.Step, b.Step), a.Time.Compare(b.Time), cmp.Compare(b.Rev, a.Rev))
}

// newest is the receipt that comes last among those that match, or nil.
func (l Ledger) newest(match func(*live.Receipt) bool) (newest *live.Receipt) {
	for i := range l {
		if r := &l[i]; match(r) && (newest == nil || compare(r, newest) > 0) {
			newest = r
		}
	}
	return newest
}

// Gen is the highest generation that anything is written of; 0 for none.
func (l Ledger) Gen() (gen int) {
	for i := range l {
		gen = max(gen, l[i].Gen)
	}
	return gen
}

// Newest is the receipt of a verb in the highest generation that has one, or nil.
func (l Ledger) Newest(verb string) *live.Receipt {
	return l.newest(func(r *live.Receipt) bool { return r.Verb == verb })
}

// Top is the beginning of the newest rollout, or nil. Of two that began one generation, the earlier.
func (l Ledger) Top() (top *live.Receipt) {
	for i := range l {
		r := &l[i]
		switch {
		case r.Verb != live.Began || top != nil && r.Gen < top.Gen:
		case top == nil || r.Gen > top.Gen || cmp.Or(r.Time.Compare(top.Time), cmp.Compare(r.Rev, top.Rev)) < 0:
			top = r
		}
	}
	return top
}

// In is the newest receipt of a verb in a generation and of a revision, or nil.
func (l Ledger) In(gen int, rev, verb string) *live.Receipt {
	return l.newest(func(r *live.Receipt) bool { return r.Gen == gen && r.Rev == rev && r.Verb == verb })
}

// InTop is In the newest rollout.
func (l Ledger) InTop(verb string) *live.Receipt {
	if top := l.Top(); top != nil {
		return l.In(top.Gen, top.Rev, verb)
	}
	return nil
}

// Stable is the last promotion, or nil. In one generation, that of the rollout which counts.
func (l Ledger) Stable() *live.Receipt {
	last := l.Newest(live.Promoted)
	if top := l.Top(); top != nil && last != nil && last.Gen == top.Gen {
		return cmp.Or(l.InTop(live.Promoted), last)
	}
	return last
}

// Promotions are all that are written of, the newest first.
func (l Ledger) Promotions() (all []live.Receipt) {
	for _, r := range l {
		if r.Verb == live.Promoted {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b live.Receipt) int { return -compare(&a, &b) })
	return all
}

// Rejected says whether the newest end of a rollout to the revision that is written of was its rejection.
func (l Ledger) Rejected(rev string) bool {
	end := l.newest(func(r *live.Receipt) bool { return r.Rev == rev && (r.Verb == live.Failed || r.Verb == live.Promoted) })
	return end != nil && end.Verb == live.Failed
}

// Failed is the rejection of the newest rollout, or nil when there is none, or a promotion that came after it overruled it.
func (l Ledger) Failed() *live.Receipt {
	failed, promoted := l.InTop(live.Failed), l.InTop(live.Promoted)
	if promoted != nil && promoted.Step > 0 {
		return nil
	}
	return failed
}

// Halt is the newest halt or resumption of a generation of a revision; nil when it was never halted. Of two with one number the resumption counts.
func (l Ledger) Halt(gen int, rev string) (last *live.Receipt) {
	for i := range l {
		r := &l[i]
		switch {
		case r.Gen != gen || r.Rev != rev || r.Verb != live.Halted && r.Verb != live.Resumed:
		case last == nil || r.Step > last.Step || r.Step == last.Step && r.Verb == live.Resumed:
			last = r
		}
	}
	return last
}

// Over says whether the newest generation was promoted or rejected, or is done. There is nothing to be over when nothing has begun.
func (l Ledger) Over() bool {
	gen := l.Gen()
	return gen == 0 || slices.ContainsFunc(l, func(r live.Receipt) bool {
		return r.Gen == gen && (r.Verb == live.Promoted || r.Verb == live.Failed || r.Verb == live.Done)
	})
}

// Reached says whether the newest rollout is of that revision, and was promoted or is done.
func (l Ledger) Reached(rev string) bool {
	top := l.Top()
	return top != nil && top.Rev == rev && cmp.Or(l.InTop(live.Promoted), l.InTop(live.Done)) != nil
}

// GenOf is the newest generation in which a rollout to the revision began; 0 for none.
func (l Ledger) GenOf(rev string) int {
	if r := l.newest(func(r *live.Receipt) bool { return r.Verb == live.Began && r.Rev == rev }); r != nil {
		return r.Gen
	}
	return 0
}

// Since is when the earliest rollout began that is written of, or otherwise.
func (l Ledger) Since(otherwise time.Time) time.Time {
	for i := range l {
		if l[i].Verb == live.Began && l[i].Time.Before(otherwise) {
			otherwise = l[i].Time
		}
	}
	return otherwise
}

// Rollouts is how many rollouts began at a commit without a person's word. Each beginning has the number, so that none is forgotten
// with the generations that are.
func (l Ledger) Rollouts(commit string) int {
	if r := l.newest(func(r *live.Receipt) bool { return r.Verb == live.Began && r.Commit == commit }); r != nil {
		return max(r.Step, 1)
	}
	return 0
}

// Before are the revisions that a promotion names: the last one promoted, then those that it names; and the commits of their promotions.
func (l Ledger) Before(rev string) (revs, at []string) {
	last := l.Stable()
	if last == nil {
		return nil, nil
	}
	add := func(r, commit string) {
		if r != rev && len(revs) < live.MostBefore {
			revs, at = append(revs, r), append(at, commit)
		}
	}
	add(last.Rev, last.Commit[:min(12, len(last.Commit))])
	for i, r := range last.Before {
		commit := ""
		if i < len(last.At) {
			commit = last.At[i]
		}
		add(r, commit)
	}
	return revs, at
}

// Open are the decisions that had not been read when the receipts of the newest rollout were written: none of them names those.
func (l Ledger) Open(decisions []manifest.Decision) (open []manifest.Decision) {
	top := l.Top()
	for _, d := range decisions {
		if !slices.ContainsFunc(l, func(r live.Receipt) bool { return top != nil && r.Gen == top.Gen && r.Rev == top.Rev && answers(&r, d) }) {
			open = append(open, d)
		}
	}
	return open
}

// Steps is how many steps of the newest rollout are done, by the digest of the list that they are of, and the receipt that says so; of another list
// none is.
func (l Ledger) Steps(digest string) (done int, said *live.Receipt) {
	said = l.InTop(live.Stepped)
	if said == nil {
		return 0, nil
	}
	count, of, _ := strings.Cut(said.Steps, "@")
	if of != digest {
		return 0, said
	}
	done, _ = strconv.Atoi(count)
	return done, said
}

// Open says whether one of the decisions had not been read when the receipts were written: those that name none of them.
func Open(decisions []manifest.Decision, receipts ...*live.Receipt) bool {
	return slices.ContainsFunc(decisions, func(d manifest.Decision) bool {
		return !slices.ContainsFunc(receipts, func(r *live.Receipt) bool { return r != nil && answers(r, d) })
	})
}

// answers says whether a receipt names the decision, or may have: it names the newest of a great many.
func answers(r *live.Receipt, d manifest.Decision) bool {
	return slices.Contains(r.Answers, d.ID()) || len(r.Answers) >= mostAnswers
}

// Answers are the names of decisions, for the receipt that is written when they have been read.
func Answers(decisions []manifest.Decision) (ids []string) {
	for _, d := range decisions {
		ids = append(ids, d.ID())
	}
	slices.Sort(ids)
	return ids[:min(len(ids), mostAnswers)]
}

// Needed says which receipts are to be kept: those of the newest generations and of the last promotion, and the rejection of what was promoted before
// that, so that it does not return as if it had been well; and of those only what is in
// force: the newest halt or resumption, the newest sight of a volume, and the newest tally while its generation has not ended.
func (l Ledger) Needed() func(live.Receipt) bool {
	var gens []int
	for i := range l {
		gens = append(gens, l[i].Gen)
	}
	slices.Sort(gens)
	gens = slices.Compact(gens)
	oldest := 0
	if len(gens) > keptGens {
		oldest = gens[len(gens)-keptGens]
	}
	promoted, before := 0, []string(nil)
	if r := l.Newest(live.Promoted); r != nil {
		promoted, before = r.Gen, r.Before
	}
	rejects := func(r live.Receipt) bool {
		return r.Verb == live.Failed && slices.Contains(before, r.Rev) && l.Rejected(r.Rev) && l.newest(func(o *live.Receipt) bool {
			return o.Verb == live.Failed && o.Rev == r.Rev
		}).Gen == r.Gen
	}
	return func(r live.Receipt) bool {
		return (r.Gen >= oldest || r.Gen == promoted || rejects(r)) && !l.outdated(r)
	}
}

// outdated says whether something newer says all that a receipt said.
func (l Ledger) outdated(r live.Receipt) bool {
	switch r.Verb {
	case live.Halted, live.Resumed:
		last := l.Halt(r.Gen, r.Rev)
		return last != nil && last.Transition() != r.Transition()
	case live.Stepped:
		newest := l.In(r.Gen, r.Rev, live.Stepped)
		return newest != nil && newest.Step > r.Step
	case live.Made:
		newest := l.newest(func(other *live.Receipt) bool { return other.Verb == live.Made && other.Gen == r.Gen })
		return newest.Step > r.Step
	case live.Tallied:
		if newest := l.In(r.Gen, r.Rev, live.Tallied); newest != nil && newest.Step > r.Step {
			return true
		}
		return cmp.Or(l.In(r.Gen, r.Rev, live.Done), l.In(r.Gen, r.Rev, live.Failed)) != nil
	}
	return false
}
