package plan

import (
	"fmt"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/health"
)

// barrier is why a workload must not begin to change yet, or why one is not in place for those that wait for it. Stuck
// says that no time mends it: a person or a commit has to. Idle says that there is nothing to do.
type barrier struct {
	why   string
	stuck bool
	idle  bool
}

func (b barrier) stands() bool { return b.why != "" }

// in puts the reason of a barrier that stands into a sentence.
func (b barrier) in(format string) barrier {
	if b.stands() {
		b.why = fmt.Sprintf(format, b.why)
	}
	return b
}

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
	l, head := k.receipts.Of(k.wl.ID), k.wl.Revision.Rev
	switch top, stable := l.Top(), l.Stable(); {
	case top == nil:
		return true
	case top.Rev != head:
		return stable == nil || stable.Rev != head
	}
	return l.InTop(live.Failed) != nil
}

// gateOf is what a workload waits for. It is found out once: a chain of workloads is walked once.
func (w *world) gateOf(wl *manifest.Workload) barrier {
	gate, ok := w.gates[wl.ID]
	if !ok {
		gate = w.findGate(wl)
		w.gates[wl.ID] = gate
	}
	return gate
}

func (w *world) findGate(wl *manifest.Workload) barrier {
	if wl.IsHook() {
		return w.hookGate(wl)
	}
	if b := w.preSync(); b.stands() {
		return b.in("waits: %s")
	}
	for _, need := range wl.Needs {
		if b := w.needed(need); b.stands() {
			return b.in("waits for " + need.Short() + ", which %s")
		}
	}
	if wave, b := w.lowestLate(); b.stands() && wave < wl.Wave {
		return b.in(fmt.Sprintf("wave %d waits for wave %d: %%s", wl.Wave, wave))
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
	return barrier{why: "does not load", stuck: true}
}

// lowestLate is the lowest wave that is not in place, with one of the workloads that it lacks: all above it wait for it.
func (w *world) lowestLate() (int, barrier) {
	if w.lowest != nil {
		return w.lowest.wave, w.lowest.barrier
	}
	w.lowest = &lateWave{}
	for i := range w.want.Workloads {
		wl := &w.want.Workloads[i]
		if wl.IsHook() || w.lowest.stands() && wl.Wave > w.lowest.wave {
			continue
		}
		b := w.lateFor(wl)
		switch lower := wl.Wave < w.lowest.wave; {
		case !b.stands():
		case !w.lowest.stands(), lower, b.stuck && !w.lowest.stuck:
			w.lowest = &lateWave{wl.Wave, b.in(wl.ID.Short() + " %s")}
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
	case w.receipts.Pending(wl.ID) != "":
		return barrier{why: w.receipts.Pending(wl.ID)}
	case wl.Job != nil:
		return w.quieted(wl, w.unfinished(wl))
	default:
		return w.quieted(wl, w.unavailable(wl))
	}
}

// quieted is stuck where nodes that fell silent together may run what is not in place.
func (w *world) quieted(wl *manifest.Workload, b barrier) barrier {
	if names := w.quiet(wl.ID); b.stands() && len(names) > 0 {
		return barrier{why: b.why + ": " + w.blackout(names), stuck: true}
	}
	return b
}

// late is why a workload is not in place. What holds it up in turn may be stuck, and then so is it.
func (w *world) late(wl *manifest.Workload) barrier {
	b := w.lateFor(wl)
	if !b.stands() || b.stuck {
		return b
	}
	if own := w.gateOf(wl); own.stuck {
		return barrier{why: b.why + " and " + own.why, stuck: true}
	}
	return b
}

// stuck is why a workload will not come to its place by itself.
func (w *world) stuck(wl *manifest.Workload) barrier {
	if why := w.stuckWhy(wl); why != "" {
		return barrier{why: why, stuck: true}
	}
	return barrier{}
}

func (w *world) stuckWhy(wl *manifest.Workload) string {
	if wl.Held != "" {
		return "is held: " + wl.Held
	}
	if why := w.frozen(wl.ID); why != "" {
		return "is held: " + why
	}
	if why := w.failed(wl); why != "" {
		return "failed: " + why
	}
	if done, _ := w.finished(wl.ID); done || w.reached(wl) {
		return ""
	}
	switch l := w.receipts.Of(wl.ID); {
	case wl.Suspended:
		return "is suspended"
	case wl.Job != nil && *wl.Job.Spec.Suspend:
		return "is suspended by spec.suspend"
	case wl.Strategy.Paused && (l.Top() == nil || l.Top().Rev != wl.Revision.Rev || l.Newest(live.Promoted) != nil):
		return "is paused"
	}
	return ""
}

// unfinished is how far a Job is that has not ended.
func (w *world) unfinished(wl *manifest.Workload) barrier {
	if done, _ := w.finished(wl.ID); done {
		return barrier{}
	}
	ended := map[int]bool{}
	for _, p := range w.pods[wl.ID] {
		if p.Rev == wl.Revision.Rev && p.verdict.State == health.Done {
			ended[p.Slot] = true
		}
	}
	return barrier{why: fmt.Sprintf("is at %d of %d", len(ended), jobReplicas(wl))}
}

// unavailable is how many pods of HEAD's revision are available, where that is too few. What was to run once has to have ended.
func (w *world) unavailable(wl *manifest.Workload) barrier {
	l := w.receipts.Of(wl.ID)
	if l.Reached(wl.Revision.Rev) && l.InTop(live.Done) != nil {
		return barrier{}
	}
	available := 0
	for _, p := range w.pods[wl.ID] {
		if p.available && p.Rev == wl.Revision.Rev && !p.Stopping {
			available++
		}
	}
	if available >= wl.Replicas && w.reached(wl) {
		return barrier{}
	}
	return barrier{why: fmt.Sprintf("is at %d of %d", available, wl.Replicas)}
}

// reached says whether a workload has come to HEAD's revision. Without replicas it has when that is begun and nothing runs any more.
func (w *world) reached(wl *manifest.Workload) bool {
	l := w.receipts.Of(wl.ID)
	begun := l.Top() != nil && l.Top().Rev == wl.Revision.Rev
	return l.Reached(wl.Revision.Rev) || begun && wl.Replicas == 0 && len(w.pods[wl.ID]) == 0
}

// waiting reports a workload that may not begin: it is on its way while what it waits for is, and held when that is stuck.
func (k *work) waiting() {
	why := fmt.Sprintf("%s at %s is not begun", live.ShortRev(k.app.Rev), short(k.wl.Revision.Commit))
	switch {
	case k.barrier.idle:
		k.app.State, k.app.Why = Converged, k.barrier.why
	case k.wl.Suspended:
		k.app.State, k.app.Why = Suspended, why+": "+k.barrier.why
	case k.barrier.stuck:
		k.app.State, k.app.Why = Held, why+": "+k.barrier.why
	default:
		k.app.State, k.app.Why = Progressing, why
		k.resting[k.wl.ID] = why + ": " + k.barrier.why
		k.waits("%s", k.barrier.why)
	}
}
