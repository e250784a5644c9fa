package plan

import (
	"fmt"
	"time"

	"github.com/podkeep/podkeep/manifest"
)

// frozen says why nothing may be done with a workload at all.
func (w *world) frozen(app manifest.ID) string {
	if source, ok := w.alien[app]; ok {
		return fmt.Sprintf("it belongs to source %s under the same cluster name; podkeep adopt %[1]s takes it over", source)
	}
	if w.hold != "" {
		return w.hold
	}
	if w.h.Proposal {
		return ""
	}
	pods := w.pods[app]
	if find(w.want, app) == nil && w.doubtful(app) {
		pods = w.doubts[app]
	}
	for _, p := range pods {
		if w.unknown(p.Commit) && w.mustFetch(p.Created) {
			return fmt.Sprintf("%s on %s was born of %s, which is no ancestor of HEAD %s; waiting for a fetch that begins after its birth",
				p.Name, p.node.Name, short(p.Commit), short(w.h.Head.Commit))
		}
	}
	for _, r := range w.receipts.Of(app) {
		if w.unknown(r.Commit) && w.mustFetch(r.Time) {
			return fmt.Sprintf("a receipt (%s) names %s, which is no ancestor of HEAD %s; waiting for a fetch that begins after it",
				r.Verb, short(r.Commit), short(w.h.Head.Commit))
		}
	}
	return ""
}

// mustFetch says whether the newest fetch may have begun before birth. If so the plan asks for one that does not.
func (w *world) mustFetch(birth time.Time) bool {
	after := birth.Add(clockSlack)
	if w.h.Fetched.After(after) {
		return false
	}
	if after.After(w.plan.Fetch) {
		w.plan.Fetch = after
	}
	return true
}

// unknown says whether HEAD does not descend from a commit.
func (w *world) unknown(commit string) bool {
	return commit != "" && commit != w.h.Head.Commit && !w.h.Ancestor[commit]
}
