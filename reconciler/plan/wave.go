package plan

import (
	"fmt"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// barrier is why a workload must not begin to change yet, or why one is not in place for those that wait for it. Stuck
// says that no time mends it: a person or a commit has to.
type barrier struct {
	why   string
	stuck bool
}

func (b barrier) stands() bool { return b.why != "" }

// gate is what the workload waits for before it begins to change: what podkeep.io/depends-on names, and the lower waves of
// the whole repository. It holds up neither healing nor scaling of what is in force, nor the way back, out of an
// unfinished rollout, to the revision that was promoted last.
func (k *work) gate() barrier {
	if !k.begins() {
		return barrier{}
	}
	return k.gateOf(k.wl)
}

// begins says whether HEAD's revision is yet to be begun, or to be begun again, and is not the one to fall back to.
func (k *work) begins() bool {
	top, promoted := k.newest(k.wl.ID, live.Began), k.newest(k.wl.ID, live.Promoted)
	head := k.wl.Revision.Rev
	switch {
	case top == nil:
		return true
	case top.Rev != head:
		return promoted == nil || promoted.Rev != head
	}
	failed := k.newest(k.wl.ID, live.Failed)
	return failed != nil && failed.Gen == top.Gen
}

// newest is the workload's receipt of the highest generation with that verb, or nil.
func (w *world) newest(app manifest.ID, verb string) *live.Receipt {
	var newest *live.Receipt
	for i := range w.receipts[app] {
		if r := &w.receipts[app][i]; r.Verb == verb && (newest == nil || r.Gen > newest.Gen) {
			newest = r
		}
	}
	return newest
}

func (w *world) gateOf(wl *manifest.Workload) barrier {
	for _, need := range wl.Needs {
		if b := w.needed(need); b.stands() {
			return barrier{fmt.Sprintf("waits for %s, which %s", need.Short(), b.why), b.stuck}
		}
	}
	if wave, b := w.lowestLate(); b.stands() && wave < wl.Wave {
		return barrier{fmt.Sprintf("wave %d waits for wave %d: %s", wl.Wave, wave, b.why), b.stuck}
	}
	return barrier{}
}

// needed says why an object that another one needs is not in place.
func (w *world) needed(id manifest.ID) barrier {
	if wl := find(w.want, id); wl != nil {
		return w.late(wl)
	}
	if w.want.Holds(id) {
		return barrier{}
	}
	return barrier{"does not load", true}
}

// lowestLate is the lowest wave that is not in place, with one of the workloads that it lacks: all above it wait for it.
func (w *world) lowestLate() (int, barrier) {
	if w.lowest != nil {
		return w.lowest.wave, w.lowest.barrier
	}
	w.lowest = &lateWave{}
	for i := range w.want.Workloads {
		wl := &w.want.Workloads[i]
		if w.lowest.stands() && wl.Wave > w.lowest.wave {
			continue
		}
		b := w.lateFor(wl)
		switch lower := wl.Wave < w.lowest.wave; {
		case !b.stands():
		case !w.lowest.stands(), lower, b.stuck && !w.lowest.stuck:
			w.lowest = &lateWave{wl.Wave, barrier{wl.ID.Short() + " " + b.why, b.stuck}}
		}
	}
	return w.lowest.wave, w.lowest.barrier
}

// lateWave is the lowest wave that is not in place.
type lateWave struct {
	wave int
	barrier
}

// lateFor is why a workload is not in place as its wave counts it. It does not ask what the workload waits for in turn.
func (w *world) lateFor(wl *manifest.Workload) barrier {
	switch b := w.stuck(wl); {
	case b.stands():
		return b
	case wl.Job != nil:
		return w.unfinished(wl)
	default:
		return w.unavailable(wl)
	}
}

// late is why a workload is not in place. What holds it up in turn may be stuck, and then so is it.
func (w *world) late(wl *manifest.Workload) barrier {
	b := w.lateFor(wl)
	if !b.stands() || b.stuck {
		return b
	}
	if own := w.gateOf(wl); own.stuck {
		return barrier{b.why + " and " + own.why, true}
	}
	return b
}

// stuck is why a workload will not come to its place by itself.
func (w *world) stuck(wl *manifest.Workload) barrier {
	top, failed := w.newest(wl.ID, live.Began), w.newest(wl.ID, live.Failed)
	if wl.Held != "" {
		return barrier{"is held: " + wl.Held, true}
	}
	if why := w.frozen(wl.ID); why != "" {
		return barrier{"is held: " + why, true}
	}
	if failed != nil && top != nil && failed.Gen == top.Gen && top.Rev == wl.Revision.Rev && !w.promotedSince(failed) {
		return barrier{"failed: " + failed.Why, true}
	}
	if w.promoted(wl) {
		return barrier{}
	}
	switch {
	case wl.Suspended:
		return barrier{"is suspended", true}
	case wl.Job != nil && *wl.Job.Spec.Suspend:
		return barrier{"is suspended by spec.suspend", true}
	case wl.Strategy.Paused && (top == nil || top.Rev != wl.Revision.Rev || w.newest(wl.ID, live.Promoted) != nil):
		return barrier{"is paused", true}
	}
	return barrier{}
}

// promoted says whether HEAD's revision of a workload was begun last, and has got there.
func (w *world) promoted(wl *manifest.Workload) bool {
	top := w.newest(wl.ID, live.Began)
	if top == nil || top.Rev != wl.Revision.Rev {
		return false
	}
	for _, r := range w.receipts[wl.ID] {
		if r.Gen == top.Gen && (r.Verb == live.Promoted || r.Verb == live.Done) {
			return true
		}
	}
	return false
}

// promotedSince says whether a promotion overruled a rejection of its generation.
func (w *world) promotedSince(failed *live.Receipt) bool {
	for _, r := range w.receipts[failed.App] {
		if r.Gen == failed.Gen && r.Verb == live.Promoted && !r.Time.Before(failed.Time) {
			return true
		}
	}
	return false
}

// unfinished is how far a Job is that has not ended.
func (w *world) unfinished(wl *manifest.Workload) barrier {
	if done, _ := w.finished(wl.ID); done {
		return barrier{}
	}
	return barrier{why: "has not finished"}
}

// unavailable is how many pods of HEAD's revision are available, where that is too few. What was to run once has to have ended.
func (w *world) unavailable(wl *manifest.Workload) barrier {
	if done := w.newest(wl.ID, live.Done); done != nil && done.Rev == wl.Revision.Rev && w.promoted(wl) {
		return barrier{}
	}
	available := 0
	for _, p := range w.pods[wl.ID] {
		if p.available && p.Rev == wl.Revision.Rev && !p.Stopping {
			available++
		}
	}
	if available >= wl.Replicas && w.promoted(wl) {
		return barrier{}
	}
	return barrier{why: fmt.Sprintf("is at %d of %d", available, wl.Replicas)}
}

// waiting says what the workload's turn depends on, where it is not its turn and it will be without anybody's doing.
func (k *work) waiting() {
	k.app.Why = fmt.Sprintf("%s at %s is not begun", live.ShortRev(k.app.Rev), short(k.wl.Revision.Commit))
	k.app.Waits = append(k.app.Waits, k.barrier.why)
}
