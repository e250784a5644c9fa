package plan

import (
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// finished says whether a Job of HEAD has ended at HEAD's revision, and how: what is written down of its newest generation says so.
// Both are false for one that runs, has not begun, or is no Job of HEAD.
func (w *world) finished(app manifest.ID) (done, failed bool) {
	wl := find(w.want, app)
	if wl == nil || wl.Job == nil {
		return false, false
	}
	gen := 0
	for _, p := range w.pods[app] {
		gen = max(gen, p.Gen)
	}
	for _, r := range w.receipts[app] {
		gen = max(gen, r.Gen)
	}
	for _, r := range w.receipts[app] {
		if r.Gen == gen && r.Rev == wl.Revision.Rev {
			done = done || r.Verb == live.Done
			failed = failed || r.Verb == live.Failed
		}
	}
	return done, failed && !done
}
