package plan

import (
	"fmt"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// Hooks are Jobs that run once for each change of any revision: PreSync before all that changes, PostSync when all
// is in place that is not suspended, SyncFail when something failed. Among hooks of one phase the waves count.

// hookGate is what a hook waits for.
func (w *world) hookGate(wl *manifest.Workload) barrier {
	if wl.In(manifest.PreSync) {
		return w.hooksBefore(wl, manifest.PreSync)
	}
	failed := w.failure()
	switch {
	case failed != "" && wl.In(manifest.SyncFail):
		return w.hooksBefore(wl, manifest.SyncFail)
	case !wl.In(manifest.PostSync):
		return barrier{why: "SyncFail: nothing failed", idle: true}
	}
	if b := w.preSync(); b.stands() {
		return b.in("PostSync waits: %s")
	}
	if b := w.anyLate(func(other *manifest.Workload) bool { return !other.IsHook() && !other.Suspended }); b.stands() {
		return b.in("PostSync waits: %s")
	}
	return w.hooksBefore(wl, manifest.PostSync)
}

// preSync is the PreSync hook that all that changes waits for.
func (w *world) preSync() barrier {
	if w.pre == nil {
		b := w.anyLate(func(other *manifest.Workload) bool { return other.In(manifest.PreSync) }).in("PreSync %s")
		w.pre = &b
	}
	return *w.pre
}

// hooksBefore is the hook of the same phase and a lower wave that is not done.
func (w *world) hooksBefore(wl *manifest.Workload, phase string) barrier {
	b := w.anyLate(func(other *manifest.Workload) bool { return other.In(phase) && other.Wave < wl.Wave })
	return b.in(fmt.Sprintf("%s wave %d waits: %%s", phase, wl.Wave))
}

// anyLate is one of the workloads that is not in place, one that is stuck before others.
func (w *world) anyLate(of func(*manifest.Workload) bool) (late barrier) {
	for i := range w.want.Workloads {
		wl := &w.want.Workloads[i]
		if !of(wl) || late.stuck {
			continue
		}
		if b := w.lateFor(wl); b.stuck || b.stands() && !late.stands() {
			late = b
			late.why = wl.ID.Short() + " " + b.why
		}
	}
	return late
}

// failure is the first workload that failed at HEAD, SyncFail hooks not among them.
func (w *world) failure() string {
	for i := range w.want.Workloads {
		wl := &w.want.Workloads[i]
		if why := w.failed(wl); why != "" && !wl.In(manifest.SyncFail) {
			return wl.ID.Short() + " failed: " + why
		}
	}
	return ""
}

// failed says why a workload's revision was rejected, or its Job failed, if so.
func (w *world) failed(wl *manifest.Workload) string {
	l := w.receipts.Of(wl.ID)
	r := l.Failed()
	if wl.Job != nil {
		r = l.Newest(live.Failed)
	}
	if r == nil || r.Rev != wl.Revision.Rev {
		return ""
	}
	if _, failed := w.finished(wl.ID); wl.Job != nil && !failed {
		return ""
	}
	return r.Why
}
