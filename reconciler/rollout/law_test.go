package rollout

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// TestNextKeepsTheLaws makes up lives of a workload: edits of every kind, decisions, pods that come up, break, vanish and fall silent, receipts
// that are lost before they are seen, and a controller that is killed in between. The laws are held at every look; then faults and edits
// end, and so must the rollout.
func TestNextKeepsTheLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if s := told(func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "") }); s.err != nil {
			t.Fatal(s)
		}
	})
}

// lawful holds a step against the laws.
func (s *tale) lawful(view []Pod, step Step) {
	s.floor(view, step)
	s.ceiling(view, step)
	s.leads(view)
	s.bears(view)
	head, stable, n := s.w.Revision.Rev, s.book.Stable(), s.w.Replicas
	if stable != nil && step.Phase == Back && (step.Want[stable.Rev] < min(n, count(view, stable.Rev)) || step.Want[head] > count(view, head)) {
		s.breach("it goes back, and takes pods of what was promoted, or gives the other one more")
	}
	if limit := s.exposed(); s.underWay() && !s.halted() && step.Want[head] > max(limit, count(view, head)) {
		s.breach("%d pods of %s are wanted, and by its step there are to be %d", step.Want[head], head, limit)
	}
	for _, rev := range revisions {
		rejected := s.book.Failed() != nil && s.book.Failed().Rev == rev && count(view, head) > 0
		if old := rev != head && rev != step.Stable && (stable != nil || rejected); old && step.Want[rev] > count(view, rev) {
			s.breach("%d pods are wanted of %s, which nobody asks for any more", step.Want[rev], rev)
		}
	}
	if kept := s.delayed(); step.Want[kept] < min(n, count(view, kept)) {
		s.breach("pods of %s go before its delay is over", kept)
	}
	if !slices.Contains(step.Progress.Decide, abort) && len(step.Receipts)+len(s.fresh) == 0 && n > 0 && !s.suspended && s.underWay() && stable != nil && stable.Rev != head {
		s.breach("it is under way, and abort is not said to do anything")
	}
	if until := step.Progress.Until; !until.IsZero() && len(step.Receipts) == 0 && (step.Wake.IsZero() || step.Wake.After(until)) {
		s.breach("it waits until %s, and is not to be woken then", until.Sub(noon))
	}
	for _, r := range step.Receipts {
		s.writes(view, r)
	}
}

// floor: of what serves, as many pods stay available as have to, unless fewer were.
func (s *tale) floor(view []Pod, step Step) {
	before, after := 0, 0
	for _, rev := range revisions {
		if serves := s.serving(); serves != "" && serves != rev {
			continue
		}
		idle, up := 0, able(view, rev)
		for _, p := range view {
			if p.Rev == rev && !p.Stopping && !p.Available && !p.Unseen {
				idle++
			}
		}
		before += up
		after += up - min(up, max(0, count(view, rev)-step.Want[rev]-idle))
	}
	if least := s.w.Replicas - s.w.Strategy.MaxUnavailable; after < before && after < least {
		s.breach("of %d available pods %d are left, and there have to be %d", before, after, least)
	}
}

// ceiling: no more pods are asked for than there may be.
func (s *tale) ceiling(view []Pod, step Step) {
	have, want := 0, 0
	for _, rev := range revisions {
		have += count(view, rev)
		want += step.Want[rev]
		if step.Want[rev] < 0 {
			s.breach("%d pods of %s are wanted", step.Want[rev], rev)
		}
	}
	if want > have && want > step.Most {
		s.breach("%d pods are wanted, and %d are the most", want, step.Most)
	}
	if most := max(s.most(), have+s.w.Strategy.MaxSurge); step.Most > most {
		s.breach("%d pods are said to be the most, and %d are", step.Most, most)
	}
}

// leads: no Service leads elsewhere than its role says.
func (s *tale) leads(view []Pod) {
	head := s.w.Revision.Rev
	for name, rev := range s.serve() {
		fresh := rev == head && s.underWay()
		switch {
		case rev == s.book.Stable().Rev, name == "preview" && rev == head, name == "canary" && fresh && able(view, head) > 0:
		case name == "active" && fresh && s.book.InTop(live.Switched) != nil, name == "stable" && fresh && count(view, s.book.Stable().Rev) == 0 && able(view, head) > 0:
		case name == "stable" && fresh && able(view, s.book.Stable().Rev) == 0 && able(view, head) >= s.w.Replicas:
		default:
			s.breach("%s leads to %s", name, rev)
		}
	}
}

// delayed is the revision that served before, while its pods have to stay.
func (s *tale) delayed() string {
	st, now := s.w.Strategy, s.book.InTop(live.Promoted)
	if st.Type != manifest.BlueGreen || now == nil || now.Rev != s.w.Revision.Rev || len(now.Before) == 0 || st.Rollout.DelayRevisions != nil || !s.now.Before(now.Time.Add(st.Rollout.Delay)) {
		return ""
	}
	return now.Before[0]
}

// bears: either side of a canary has no more of the requests than its pods, and one more, would have of all, or than is theirs by number.
func (s *tale) bears(view []Pod) {
	serve, ro := s.serve(), s.w.Strategy.Rollout
	if ro == nil || serve[ro.CanaryService] == serve[ro.StableService] {
		return
	}
	share := Share(s.w, view, Ledger{Receipts: s.book}, s.now)
	fresh, old := able(view, serve[ro.CanaryService]), able(view, serve[ro.StableService])
	for _, side := range []struct{ pods, part int }{{fresh, share}, {old, 100 - share}} {
		if side.part < 0 || side.part > 0 && side.pods == 0 || side.part*s.w.Replicas >= 100*(side.pods+1) && side.part*(fresh+old) > 100*side.pods+fresh+old {
			s.breach("%d of 100 requests come to %d available pods beside %d others", side.part, side.pods, fresh+old-side.pods)
		}
	}
}

// underWay says whether a rollout to HEAD's revision began and has not ended.
func (s *tale) underWay() bool {
	top := s.book.Top()
	return top != nil && top.Rev == s.w.Revision.Rev && s.book.InTop(live.Promoted) == nil && s.book.Failed() == nil
}

// serving is the revision that serves alone; empty where all pods do.
func (s *tale) serving() string {
	if s.w.Strategy.Type != manifest.BlueGreen {
		return ""
	}
	return s.serve()["active"]
}

// serve are the Services that lead to one revision alone, by what is written down for good.
func (s *tale) serve() map[string]string {
	return Serve(s.w, s.view(), Ledger{Receipts: s.book}, s.now)
}

// most is how many pods there may be at all.
func (s *tale) most() int {
	n, st, stable := s.w.Replicas, s.w.Strategy, s.book.Stable()
	if st.Type != manifest.BlueGreen || stable == nil {
		return n + st.MaxSurge
	}
	most, counted := st.MaxSurge, map[string]bool{s.w.Revision.Rev: true, stable.Rev: true}
	for _, rev := range revisions {
		if have := count(s.pods, rev); counted[rev] {
			most += max(n, have)
		} else {
			most += have
		}
	}
	return most
}

// exposed is how many pods of HEAD's revision its steps allow now.
func (s *tale) exposed() int {
	top, stable, st := s.book.Top(), s.book.Stable(), s.w.Strategy
	if st.Rollout == nil || top == nil || stable == nil || stable.Rev == top.Rev || hurries(*top) {
		return s.w.Replicas
	}
	done, _ := s.book.Steps(st.StepsDigest())
	switch preview := st.Rollout.PreviewReplicas; {
	case st.Type == manifest.BlueGreen && done < 2 && preview > 0:
		return min(preview, s.w.Replicas)
	case st.Type == manifest.BlueGreen || done >= len(st.Rollout.Steps):
		return s.w.Replicas
	}
	canary, _ := s.counts(done)
	return canary
}

// counts are how many pods of either revision there are to be at a step.
func (s *tale) counts(at int) (canary, stable int) {
	weight := 0
	for _, step := range s.w.Strategy.Rollout.Steps[:at+1] {
		if step.Weight != nil {
			weight = *step.Weight
		}
	}
	return ruled(s.w.Replicas, weight, s.w.Strategy.MaxSurge)
}

// enough is how many of so many new pods have to be available.
func (s *tale) enough(pods int) (few int) {
	if s.w.Strategy.Type != manifest.Canary || s.w.Strategy.Rollout.Threshold == nil {
		return pods
	}
	for t := s.w.Strategy.Rollout.Threshold; few < pods && (t.Percent > 0 && 100*few < t.Percent*pods || t.Percent == 0 && few < t.Pods); few++ {
	}
	return few
}

func hurries(began live.Receipt) bool { return strings.HasPrefix(began.Steps, "fast") }

// returns says whether a rollout to HEAD's revision is to go fast: a person says so, or the fleet was there not too many promotions ago.
func (s *tale) returns(r live.Receipt) bool {
	back, rejected := slices.Index(s.proved, r.Rev), s.book.Failed()
	switch rules := s.w.Strategy.Rollout; {
	case rejected != nil && rejected.Rev == r.Rev && s.decided(r, full), rules != nil && back == 0:
		return true
	case rules == nil || back < 0 || s.failed[r.Rev]:
		return false
	default:
		return rules.Window == nil || back <= *rules.Window
	}
}

// writes holds a receipt against the laws of its verb.
func (s *tale) writes(view []Pod, r live.Receipt) {
	head, n, st := s.w.Revision.Rev, s.w.Replicas, s.w.Strategy
	top, stable := s.book.Top(), s.book.Stable()
	if r.Rev != head || r.Verb != live.Began && (top == nil || top.Gen != r.Gen || top.Rev != r.Rev) {
		s.breach("%s of %s is not of the newest rollout to HEAD's revision", r.Verb, r.Rev)
		return
	}
	if slices.ContainsFunc(s.book, r.Same) {
		s.breach("%s of %s is written down already", r.Verb, r.Rev)
	}
	alone := stable == nil || stable.Rev == head
	done, said := s.book.Steps(st.StepsDigest())
	switch r.Verb {
	case live.Began:
		again := s.book.Failed() != nil && (s.moved || s.decided(r, retry, full))
		switch {
		case top != nil && top.Rev == head && !again:
			s.breach("it begins again, and nobody asked for it")
		case r.Gen <= s.book.Gen():
			s.breach("generation %d has begun already", r.Gen)
		case s.guard != "":
			s.breach("it begins in spite of a guard")
		case hurries(r) != s.returns(r):
			s.breach("it goes fast: %v; the stable one still, or promoted before and not rejected since: %v", hurries(r), s.returns(r))
		}
	case live.Promoted:
		switch {
		case able(view, head) < s.enough(n) || n == 0:
			s.breach("it is promoted with %d of %d available", able(view, head), n)
		case !alone && !hurries(*top) && st.Type == manifest.Canary && done < len(st.Rollout.Steps):
			s.breach("it is promoted after %d of %d steps", done, len(st.Rollout.Steps))
		case !alone && st.Type == manifest.BlueGreen && s.book.InTop(live.Switched) == nil:
			s.breach("it is promoted and does not serve")
		}
	case live.Stepped:
		if s.deaf != "" && !s.decided(r, promote, skip, full) {
			s.breach("it goes on while decisions cannot be read")
		}
		s.advances(view, r, done, said)
	case live.Switched:
		if st.Type != manifest.BlueGreen || able(view, head) < n || done < 2 && !hurries(*top) {
			s.breach("it serves with %d of %d available at step %d", able(view, head), n, done)
		}
	case live.Failed:
		overdue := st.OnFailure != manifest.OnFailureReport && !s.now.Before(top.Time.Add(st.Deadline)) && s.now.Sub(s.born) >= chance
		if !s.decided(r, abort) && (!overdue || s.pausing(view, done)) {
			s.breach("it is rejected, and neither overdue nor aborted")
		}
	case live.Halted:
		switch by := s.decided(r, pause); {
		case !st.Paused && !s.suspended && n > 0 && !by:
			s.breach("it is halted, and nobody asked for it")
		case !by && s.decided(r, promote, skip, full, abort, retry, resume):
			s.breach("it is halted, and that answers a decision")
		}
	case live.Resumed:
		if halt := s.book.Halt(top.Gen, top.Rev); halt != nil && halt.Verb == live.Halted && strings.Contains(halt.Steps, "decided") && !s.decided(r, resume, promote, full, skip) {
			s.breach("it goes on, and nobody asked for it")
		}
	}
	if halt := s.halted(); halt && (r.Verb == live.Stepped || r.Verb == live.Switched || r.Verb == live.Promoted) && !s.decided(r, promote, full, skip) {
		s.breach("%s while it stands still", r.Verb)
	}
}

func (s *tale) halted() bool {
	top := s.book.Top()
	if top == nil {
		return false
	}
	halt := s.book.Halt(top.Gen, top.Rev)
	return halt != nil && halt.Verb == live.Halted
}

// advances holds a step that is done against the one before it.
func (s *tale) advances(view []Pod, r live.Receipt, done int, said *live.Receipt) {
	st, head := s.w.Strategy, s.w.Revision.Rev
	var next int
	if _, err := fmt.Sscanf(r.Steps, "%d@"+st.StepsDigest(), &next); err != nil || said != nil && r.Step != said.Step+1 {
		s.breach("%q is not the next step: %v", r.Steps, err)
		return
	}
	entered := s.book.Top().Time
	if said != nil {
		entered = said.Time
	}
	stable := s.book.Stable()
	switch {
	case st.Type == manifest.BlueGreen:
		of := s.w.Replicas
		if p := st.Rollout.PreviewReplicas; p > 0 {
			of = min(of, p)
		}
		auto := st.Rollout.AutoPromotion && (st.Rollout.AutoAfter == 0 || done == 1 && !s.now.Before(entered.Add(st.Rollout.AutoAfter)))
		switch {
		case next <= done || next > 2:
			s.breach("from step %d to %d", done, next)
		case s.decided(r, promote, skip, full):
		case able(view, head) < of:
			s.breach("step %d is done with %d of %d available", next, able(view, head), of)
		case next == 2 && !auto:
			s.breach("it is to serve, and nobody decided")
		}
	case s.decided(r, full) && next == len(st.Rollout.Steps):
	case next != done+1:
		s.breach("from step %d to %d", done, next)
	case s.decided(r, promote, skip):
	default:
		canary, beside := s.counts(done)
		pause := st.Rollout.Steps[done].Pause
		switch {
		case pause != nil && !pause.Ends:
			s.breach("a pause ends, and nobody decided")
		case pause != nil && s.now.Before(entered.Add(pause.Duration)):
			s.breach("a pause of %s ends after %s", pause.Duration, s.now.Sub(entered))
		case able(view, head) < s.enough(canary) || count(view, head) != canary || stable != nil && count(view, stable.Rev) != beside:
			s.breach("step %d is done without %d and %d pods", next, canary, beside)
		}
	}
}

// pausing says whether the rollout only waits, so that no deadline counts.
func (s *tale) pausing(view []Pod, done int) bool {
	st, up := s.w.Strategy, able(view, s.w.Revision.Rev)
	switch stable := s.book.Stable(); {
	case stable == nil || stable.Rev == s.w.Revision.Rev || hurries(*s.book.Top()):
		return false
	case st.Type == manifest.BlueGreen:
		return done == 1 && up >= s.w.Replicas
	case st.Type == manifest.Canary && done < len(st.Rollout.Steps) && st.Rollout.Steps[done].Pause != nil:
		canary, beside := s.counts(done)
		return up == canary && count(view, s.w.Revision.Rev) == canary && count(view, stable.Rev) == beside && len(view) == canary+beside
	}
	return false
}

// decided says whether a receipt acts upon a decision of these verbs that was about what there is, and that none acted upon before.
func (s *tale) decided(r live.Receipt, verbs ...string) bool {
	done, _ := s.book.Steps(s.w.Strategy.StepsDigest())
	return slices.ContainsFunc(s.decisions, func(d manifest.Decision) bool {
		return d.Rev == r.Rev && slices.Contains(verbs, d.Verb) && (!s.ofStep(d) || d.Step == done) && !s.spent[d.ID()] && slices.Contains(r.Answers, d.ID())
	})
}
