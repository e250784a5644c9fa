package plan

import (
	"slices"

	"github.com/podkeep/podkeep/live"
)

// void says whether a receipt is of an earlier life of its object: Git took the object out since, and it came anew. A host that was away
// for long, or one that shows old Files again, brings back no generation, no end of a Job and no rejection from then. What speaks of a volume or
// of a host outlives the object on purpose. What names the form in force is never void, wherever that form is from.
func (w *world) void(r live.Receipt) bool {
	switch {
	case r.App.Kind == claimKind, r.App.Kind == "Node", r.Verb == live.Adopted:
		return false
	case !slices.Contains(w.h.Renewed[r.App], r.Commit):
		return false
	}
	wl := find(w.want, r.App)
	return wl == nil || wl.Revision.Commit != r.Commit
}

// collectVoid deletes the void receipts.
func (w *world) collectVoid() {
	for _, n := range w.answering() {
		for _, r := range n.Receipts {
			if w.ours(r.Source) && w.trusts(r.Signer) && w.void(r) {
				w.plan.Actions = append(w.plan.Actions, Action{
					Node: n.Name, Verb: Delete, Name: r.File, App: r.App, Why: "the receipt is void: its object was taken out of Git since, and came anew",
				})
			}
		}
	}
}
