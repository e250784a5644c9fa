package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/reconciler/health"
	"github.com/podkeep/podkeep/reconciler/rollout"
)

// count fills in how many pods there are and how they are: of blue-green, those that serve.
func (k *work) count() {
	active := rollout.Active(*k.wl, k.receipts.Settled(k.wl.ID))
	for _, p := range k.kept {
		if p.Stopping {
			continue
		}
		k.app.Total++
		if p.Rev == k.wl.Revision.Rev {
			k.app.Updated++
		}
		if active != "" && p.Rev != active {
			continue
		}
		if p.seen() && p.verdict.Ready() {
			k.app.Ready++
		}
		if p.available {
			k.app.Available++
		}
	}
	k.app.Total += len(k.doubts)
}

// tell says what the plan thinks of the workload, and what it waits for.
func (k *work) tell() {
	k.app.Intended, k.app.Lost = k.size(), len(k.lost[k.wl.ID])
	switch {
	case k.job != nil:
		k.tellJob()
	case k.frozen != "":
		k.count()
		k.app.State, k.app.Why = Held, k.frozen
	default:
		k.report()
	}
	k.plan.Apps = append(k.plan.Apps, k.app)
}

func (k *work) report() {
	k.count()
	k.app.Stable, k.app.Why, k.app.Rollout = k.step.Stable, k.step.Why, k.rollout()
	k.app.State = k.state()
	if k.blocked != nil && k.blocked.stuck && k.app.State == Progressing {
		k.app.State, k.app.Why = Held, k.blocked.why
	}
	if k.peril.stuck && k.app.State == Progressing {
		k.app.State, k.app.Why = Held, k.peril.why
	}
	if k.app.State == Progressing {
		k.app.State, k.app.Why = k.failing()
	}
	if late := k.step.Progress.Late; late != "" {
		k.app.Why = late + "; goes on all the same"
	}
	if k.turns.stuck != "" && k.step.Phase == rollout.Rolling {
		k.app.State, k.app.Why = Held, k.turns.stuck
	}
	if k.app.State == Progressing && k.step.Wake.IsZero() {
		k.resting[k.wl.ID] = cmp.Or(k.mute(), k.unplaced())
	}
	k.awaited()
	k.wake(k.step.Wake)
	if k.step.Phase == rollout.Waiting && k.barrier.stands() {
		k.waiting()
	}
	if k.app.State == Converged {
		k.app.Why = fmt.Sprintf("%d of %d available", k.app.Available, k.wl.Replicas)
	}
	if k.app.Why == "" {
		k.app.Why = fmt.Sprintf("%d of %d available at %s", k.app.Available, k.wl.Replicas, live.ShortRev(k.app.Rev))
	}
	if k.app.State == Suspended {
		k.app.Why = k.suspended(k.app.Why)
	}
	if k.wl.Held != "" {
		k.app.Why = k.wl.Held + "; " + k.app.Why
	}
}

// rollout is how far the newest rollout is.
func (k *work) rollout() *Rollout {
	r := &Rollout{Progress: k.step.Progress, Phase: k.step.Phase, Failed: k.step.Failure, Serve: k.serve, Share: k.share}
	l := k.receipts.Of(k.wl.ID)
	if top := l.Top(); top != nil {
		r.Gen = top.Gen
	}
	byRev := map[string]*RolloutPods{}
	for _, p := range k.kept {
		if p.Stopping {
			continue
		}
		if byRev[p.Rev] == nil {
			byRev[p.Rev] = &RolloutPods{Rev: p.Rev, Commit: p.Commit}
		}
		of := byRev[p.Rev]
		of.Have++
		of.Gen = max(of.Gen, p.Gen)
		if p.seen() && p.verdict.Ready() {
			of.Ready++
		}
		if p.available {
			of.Avail++
		}
	}
	for rev, want := range k.step.Want {
		if byRev[rev] == nil && want > 0 {
			byRev[rev] = &RolloutPods{Rev: rev, Gen: l.GenOf(rev)}
		}
	}
	for _, rev := range sorted(byRev) {
		byRev[rev].Want = k.step.Want[rev]
		r.Pods = append(r.Pods, *byRev[rev])
	}
	slices.SortStableFunc(r.Pods, func(a, b RolloutPods) int { return cmp.Compare(a.Gen, b.Gen) })
	return r
}

// suspended says that it is, how many actions that holds, and how else it stands.
func (k *work) suspended(stands string) string {
	why := "podkeep.io/suspend is set"
	if stands = strings.TrimPrefix(stands, why); stands != "" {
		stands = "; " + stands
	}
	if n := len(k.app.Suspended); n > 0 {
		why += fmt.Sprintf(", held actions: %d", n)
	}
	return why + stands
}

func (k *work) state() State {
	switch k.step.Phase {
	case rollout.Waiting:
		return Held
	case rollout.Back, rollout.Rejected:
		return Failed
	case rollout.Paused:
		if k.wl.Suspended {
			return Suspended
		}
		return Paused
	case rollout.Steady:
		switch {
		case k.wl.Suspended:
			return Suspended
		case k.settled():
			return Converged
		}
	}
	switch {
	case k.wl.Suspended:
		return Suspended
	case k.step.Progress.Late != "":
		return Failed
	}
	return Progressing
}

// unplaced is why a pod has no place, and what somebody may do about that; empty while more of the workload is on its way.
func (k *work) unplaced() string {
	if slices.ContainsFunc(k.kept, func(p *pod) bool { return p.Stopping || p.seen() && !p.available }) {
		return ""
	}
	i := slices.IndexFunc(k.kept, func(p *pod) bool { return p.node.evicts(k.wl) })
	if i < 0 || k.refusal == "" {
		return k.refusal
	}
	why := fmt.Sprintf("%s has to leave %s: %s", k.kept[i].Name, k.kept[i].node.Name, k.refusal)
	for _, c := range k.claimsOf(formOf(*k.wl)) {
		if c.home == k.kept[i].node {
			why += "; end the drain, or do without the data by a retry decision for " + c.ID.String()
		}
	}
	return why
}

// settled says whether the workload is as HEAD asks: all pods of its revision and available, or ended well, and no others.
func (k *work) settled() bool {
	well := 0
	for _, p := range k.kept {
		if _, stays := k.step.Progress.Keeps[p.Rev]; stays && p.Rev != k.wl.Revision.Rev && !p.moving {
			continue
		}
		if p.Stopping || p.Rev != k.wl.Revision.Rev || p.moving {
			return false
		}
		if p.available || p.seen() && p.verdict.State == "Done" {
			well++
		}
	}
	doubtful := slices.ContainsFunc(k.doubts, (*pod).seen)
	return len(k.extra) == 0 && !doubtful && (well == k.wl.Replicas || k.step.Want[k.wl.Revision.Rev] == well && well == len(k.kept) && k.ranOnce())
}

// ranOnce says whether the pods end by themselves and have.
func (k *work) ranOnce() bool {
	done := k.receipts.Of(k.wl.ID).Newest(live.Done)
	return done != nil && done.Rev == k.wl.Revision.Rev
}

// awaited has a line for every pod that is not available yet, one that is to replace another too.
func (k *work) awaited() {
	k.unborn()
	for _, p := range slices.Concat(k.kept, k.extra) {
		switch {
		case !p.seen():
			k.waits("%s on %s: %s", p.Name, p.node.Name, p.unseen())
		case p.verdict.Ready() && !p.available:
			k.waits("%s on %s: is ready, counts as available %s after", p.Name, p.node.Name, k.wl.Strategy.MinReady)
		case !p.verdict.Ready() && p.verdict.State != "Done":
			k.waits("%s on %s: %s%s", p.Name, p.node.Name, p.verdict.Why, p.trouble())
		}
	}
	if k.app.State == Converged {
		k.app.Waits = nil
	}
}

// unborn has a line, before all others, for every pod that is not there because the last attempt to start it failed.
func (k *work) unborn() {
	if k.app.State == Converged {
		return
	}
	var lines []string
	for _, n := range k.nodes {
		for _, t := range n.Troubles {
			there := slices.ContainsFunc(k.kept, func(p *pod) bool { return p.Name == t.Name && p.node == n })
			if t.Rev != "" && (t.Rev == k.wl.Revision.Rev || t.Rev == k.step.Target) && !there {
				lines = append(lines, fmt.Sprintf("%s on %s could not be started: %s", t.Name, n.Name, t.Why))
			}
		}
	}
	k.app.Waits = append(lines, k.app.Waits...)
}

// trouble is who starts the pod again, or why the last attempt on it failed, to be added to a sentence.
func (p *pod) trouble() string {
	if (p.verdict.Run || p.verdict.State == health.Crashed) && p.tended() {
		return ", which the node side of " + p.node.Name + " sees to"
	}
	for _, t := range p.node.Troubles {
		if t.Name == p.Name {
			return ": " + t.Why
		}
	}
	return ""
}
