package plan

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// prune stops what HEAD does not ask for any more. Absence must be proven, deletions are few or allowed, and what cannot be known
// is left alone.
func (w *world) prune() {
	left := w.left()
	if len(left) == 0 {
		return
	}
	why := map[bool]string{false: w.unpruned(false), true: w.unpruned(true)}
	if said := cmp.Or(why[false], why[true]); said != "" && said != w.hold {
		w.note("nothing is pruned: " + said)
	}
	for _, app := range left {
		w.pruneOne(app, why[w.doubtful(app)])
	}
}

// unpruned says why workloads that left HEAD stay, or those of them all of whose pods are doubtful: they have a budget of their own, so that
// a host cannot use up that of the others.
func (w *world) unpruned(doubtful bool) string {
	if why := w.mayPrune(); why != "" {
		return why
	}
	return w.overBudget(w.doomed(doubtful), doubtful)
}

// doubtful says whether all pods of a workload are.
func (w *world) doubtful(app manifest.ID) bool {
	return len(w.pods[app]) == 0 && len(w.doubts[app]) > 0
}

// left are the workloads that have pods of ours and are not in HEAD, sorted.
func (w *world) left() []manifest.ID {
	var apps []manifest.ID
	for app := range w.pods {
		if find(w.want, app) == nil {
			apps = append(apps, app)
		}
	}
	for app := range w.doubts {
		if find(w.want, app) == nil && w.doubtful(app) {
			apps = append(apps, app)
		}
	}
	sort.Slice(apps, func(i, j int) bool { return apps[i].Less(apps[j]) })
	return apps
}

// doomed are those of them, all of whose pods are doubtful or not, that nothing of their own keeps.
func (w *world) doomed(doubtful bool) []manifest.ID {
	return slices.DeleteFunc(w.left(), func(app manifest.ID) bool { return doubtful != w.doubtful(app) || w.keepsPods(app) != "" })
}

// mayPrune says why nothing at all may be pruned now.
func (w *world) mayPrune() string {
	if w.hold != "" {
		return w.hold
	}
	if broken := w.h.Broken(); len(broken) > 0 {
		return fmt.Sprintf("%s does not load, and no older form of it is at hand to say what it held", strings.Join(broken, ", "))
	}
	if empty(w.h.Head) && !w.h.Head.AllowPrune && !w.h.AllowPrune {
		return fmt.Sprintf("commit %s holds no object at all; if that is meant, commit with the trailer Allow-Prune: yes", short(w.h.Head.Commit))
	}
	return ""
}

// empty says whether a commit holds nothing. The local machine stands in no file and does not count.
func empty(s manifest.Set) bool {
	for _, n := range s.Nodes {
		if n.File != "" {
			return false
		}
	}
	return len(s.Workloads)+len(s.Namespaces)+len(s.ConfigMaps)+len(s.Secrets)+len(s.Claims)+len(s.Services)+len(s.Endpoints)+len(s.NetworkPolicies) == 0 &&
		len(s.Ingresses)+len(s.IngressClasses)+len(s.GatewayClasses)+len(s.Gateways)+len(s.HTTPRoutes)+len(s.ReferenceGrants) == 0
}

// overBudget says whether too many workloads, all that would go, would go at once without somebody having said so.
func (w *world) overBudget(left []manifest.ID, doubtful bool) string {
	total := len(w.pods)
	if doubtful {
		for app := range w.doubts {
			if w.doubtful(app) {
				total++
			}
		}
	}
	if len(left) <= pruneAtLeast || len(left)*2 <= total || w.h.AllowPrune || !slices.ContainsFunc(left, func(app manifest.ID) bool { return !w.h.Allowed(app) }) {
		return ""
	}
	return fmt.Sprintf("%d of %d workloads left Git, more than half; if that is meant, commit with the trailer Allow-Prune: yes, or sync --allow-prune",
		len(left), total)
}

func (w *world) pruneOne(app manifest.ID, held string) {
	a := App{ID: app, State: Pruning, Why: "left Git", Total: len(w.everyPod(app))}
	if held == "" {
		held = w.keepsPods(app)
	}
	if held != "" {
		a.State, a.Why = Held, "left Git and stays: "+held
	}
	if file := w.h.Head.Failed(app); file != "" {
		a.State, a.Why = Held, fmt.Sprintf("is in Git and stays as it runs: %s does not load, and never did", file)
	}
	for _, p := range w.everyPod(app) {
		a.Rev, a.Stable, a.Commit = p.Rev, p.Rev, p.Commit
		if p.verdict.Ready() && p.seen() {
			a.Ready++
			a.Available++
		}
		if a.State == Pruning && p.seen() && !p.Stopping {
			w.plan.Actions = append(w.plan.Actions, p.stop("pruned: "+app.Short()+" left Git"))
		}
	}
	w.plan.Apps = append(w.plan.Apps, a)
}

// keepsPods says why the pods of one workload that left HEAD stay.
func (w *world) keepsPods(app manifest.ID) string {
	if why := w.frozen(app); why != "" {
		return why
	}
	for _, ns := range w.want.Namespaces {
		if ns.Name == app.Namespace && ns.Suspended {
			return "its namespace is suspended"
		}
	}
	wl := w.h.Stood(app)
	switch {
	case w.never(app, slices.ContainsFunc(w.everyPod(app), func(p *pod) bool { return p.Keep })):
		return "podkeep.io/prune: disabled"
	case wl != nil && w.h.Unread(wl.File):
		return fmt.Sprintf("%s, and what it was before could not be read yet", w.h.Head.Foreign(wl.File).Error())
	case wl != nil:
		return ""
	}
	return w.mayBeDamaged(app)
}

// never says whether what left HEAD is never pruned: it said so where it stood last, or, where that is not known, when its pods were born.
func (w *world) never(app manifest.ID, born bool) bool {
	if wl := w.h.Stood(app); wl != nil {
		return wl.PruneDisabled
	}
	return born
}

// mayBeDamaged says which file may hold what is left of a workload that no ancestor at hand has: when history was rewritten, the one in
// which it stood when its pods were born; when nothing is known of that, as of a directory that is read for the first time, any
// that cannot be what it is meant to be.
func (w *world) mayBeDamaged(app manifest.ID) string {
	p, known := w.h.Hollow(), false
	for _, commit := range sorted(w.h.At) {
		if wl := find(w.h.At[commit], app); wl != nil {
			p, known = w.h.Head.Foreign(wl.File), true
		}
	}
	switch {
	case p == nil || w.h.AllowPrune || w.h.Head.AllowPrune:
		return ""
	case known:
		return fmt.Sprintf("%s, and it held the object once; restore it or delete it, or sync --allow-prune", p.Error())
	}
	return fmt.Sprintf("%s, and it is not known what that file held; restore it or delete it, or sync --allow-prune", p.Error())
}

// Asks are the questions that thinking has for HEAD's first-parent line, in order: what files were that do not load or were damaged, where
// that stood of which there are pods and which HEAD lacks, and what was asked for since HEAD's revision of a workload was rejected. An
// answer may raise more of them. They are asked before it is known whom to believe, so a few may be among them that need not be.
func Asks(want manifest.History, have live.Snapshot) []manifest.Question {
	if want.Head.Commit == "" {
		return nil
	}
	all := want.Asks()
	for _, gone := range want.Gone {
		all = append(all, want.AsksIfDamaged(gone.File)...)
	}
	set, met, sources := want.Want(), map[manifest.ID]bool{}, map[string]bool{want.Source: true}
	for _, n := range have.Nodes {
		for _, r := range n.Receipts {
			switch {
			case r.Verb == live.Adopted:
				sources[r.Of] = true
			case r.Verb == live.Failed && want.Ancestor[r.Commit]:
				if wl := find(set, r.App); wl != nil && rejects(wl, r) {
					all = append(all, manifest.ChangedSince(*wl, r.Commit))
				}
			}
		}
	}
	for _, n := range have.Nodes {
		for _, p := range n.Pods {
			if !met[p.App] && sources[p.Source] && find(set, p.App) == nil {
				all = append(all, want.AsksOf(p.App)...)
			}
			met[p.App] = met[p.App] || sources[p.Source]
		}
	}
	slices.SortFunc(all, manifest.Question.Compare)
	return slices.Compact(all)
}

// rejects says whether a failed receipt holds the revision of a workload that is asked for since an earlier commit. A Job has nothing to
// go back to.
func rejects(wl *manifest.Workload, failed live.Receipt) bool {
	return wl.Job == nil && failed.Rev == wl.Revision.Rev && failed.Commit != wl.Revision.Commit
}

// moved says whether, since HEAD's revision of a workload was rejected, a commit asked for another one and a later one came
// back to it. Then it gets another chance.
func (w *world) moved(wl *manifest.Workload) bool {
	l := w.receipts.Of(wl.ID)
	failed := l.Newest(live.Failed)
	return failed != nil && rejects(wl, *failed) && failed.Gen >= l.Gen() && w.h.Changed(*wl, failed.Commit)
}
