package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/ledger"
	"github.com/podkeep/podkeep/reconciler/rollout"
	"github.com/podkeep/podkeep/reconciler/schedule"
)

// ledger is what is written down about the workload, and what holds it up.
func (k *work) ledger(refused string) rollout.Ledger {
	l := rollout.Ledger{
		Receipts: k.receipts.Of(k.wl.ID), Decisions: k.decisionsOf(k.wl), Deaf: k.h.Err, Suspended: k.wl.Suspended, Moved: k.moved(k.wl), Imposed: k.imposed(),
		Trouble: k.trouble(), Watched: k.watched, Pending: k.receipts.Pending(k.wl.ID),
		StopOld: k.first, StopWhy: k.whyFirst,
	}
	if l.Guard = cmp.Or(k.guard(l.Receipts), refused); l.Guard == "" && l.Receipts.Stable() != nil && k.begins() {
		l.Guard = k.crowded()
	}
	return l
}

// decisionsOf are those for HEAD's revision of a workload, the oldest first.
func (w *world) decisionsOf(wl *manifest.Workload) (all []manifest.Decision) {
	for _, d := range w.decisions[wl.ID] {
		if d.Rev == wl.Revision.Rev {
			all = append(all, d)
		}
	}
	return all
}

// retries are those to try again, whatever of the object.
func (w *world) retries(id manifest.ID) []manifest.Decision {
	return slices.DeleteFunc(slices.Clone(w.decisions[id]), func(d manifest.Decision) bool { return d.Verb != "retry" })
}

// retriesOf are those for HEAD's revision.
func (w *world) retriesOf(wl *manifest.Workload) []manifest.Decision {
	return slices.DeleteFunc(w.decisionsOf(wl), func(d manifest.Decision) bool { return d.Verb != "retry" })
}

// guard says why no rollout of the workload may begin now.
func (k *work) guard(l ledger.Ledger) string {
	commit := k.wl.Revision.Commit
	switch same := l.Rollouts(commit); {
	case same >= loopLimit:
		return fmt.Sprintf("a redeploy loop: %d rollouts began at commit %s already (do two controllers disagree?); push a commit to go on",
			same, short(commit))
	case len(l) == 0 && len(k.pods[k.wl.ID]) > 0 && k.unheard() != "":
		return k.unheard() + " has not been heard yet, and may know what was written down of it"
	}
	if why := k.disputed(k.wl.ID); why != "" {
		return why
	}
	k.barrier = k.gate()
	return k.barrier.why
}

// unheard is a node that this controller has not heard yet and whose grace lasts, or "".
func (w *world) unheard() string {
	for _, n := range w.nodes {
		if !n.Known && n.reach == silent {
			return n.Name
		}
	}
	return ""
}

// imposed says what podkeep itself holds up, so that no deadline counts it.
func (k *work) imposed() string {
	if k.hidden != "" {
		return k.hidden
	}
	for _, p := range k.kept {
		if !p.seen() {
			return p.unheeded()
		}
	}
	for _, h := range k.hosts {
		if h.Awaited && requests(k.wl.Revision.Spec) != (manifest.Resources{}) {
			return h.Name + " is about to say how big it is"
		}
	}
	if why := k.claimed(); why != "" {
		return why
	}
	return k.turns.stuck
}

// hiding says why missing pods may run where nobody can look: on a node that this controller has not heard yet, and that
// may have been given pods, of any revision, before this controller listened.
func (k *work) hiding() string {
	if k.total() >= k.wl.Replicas {
		return ""
	}
	began := k.receipts.Of(k.wl.ID).Since(k.now)
	for _, n := range k.nodes {
		if !n.Known && n.reach == silent && began.Before(n.silentSince(k.now).Add(clockSlack)) {
			return n.Name + " has not been heard yet and may run some of them"
		}
	}
	return ""
}

// trouble is why pods of HEAD's revision are not well, the first by node and name.
func (k *work) trouble() string {
	for _, n := range k.nodes {
		for _, t := range n.Troubles {
			if t.Rev == k.wl.Revision.Rev {
				return n.Name + ": " + t.Why
			}
		}
	}
	for _, p := range k.kept {
		if p.Rev == k.wl.Revision.Rev && p.seen() && !p.verdict.Ready() {
			return fmt.Sprintf("%s: %s %s", p.node.Name, p.Name, p.verdict.Why)
		}
	}
	return ""
}

// stopsFirst says whether a claim or host ports leave new pods no room beside the old ones, so that those stop first. They do not where
// several are asked for and none may be unavailable, and not in a Rollout.
func (k *work) stopsFirst() (bool, string) {
	if k.wl.Strategy.Rollout != nil {
		return false, ""
	}
	if only, why := k.oneWriter(); only {
		return only, why
	}
	if k.firm() {
		return false, ""
	}
	room, why := k.portsFor(k.wl.Replicas + k.wl.Strategy.MaxSurge)
	return !room, why
}

// firm says whether no pod may be missed in a rollout, whatever stands in its way.
func (k *work) firm() bool { return k.wl.Strategy.Firm && k.wl.Replicas > 1 }

// crowded says why a rollout in which no pod may be missed would come to nothing: no node has a host port free beside the old pods, or they have
// a claim that is for one pod.
func (k *work) crowded() string {
	if k.wl.Strategy.Rollout != nil {
		return k.crowdedBeside()
	}
	if room, why := k.portsFor(k.wl.Replicas + 1); !room && k.firm() {
		return "maxUnavailable is 0, and " + why + ": a new one has no place beside them"
	}
	return ""
}

// crowdedBeside says why a Rollout's new pods would find no place beside the old ones.
func (k *work) crowdedBeside() string {
	if only, why := k.oneWriter(); only {
		return why + ", and a Rollout stops no pod first: make it a Deployment, or the claim ReadWriteMany"
	}
	pods := k.wl.Replicas + 1 - k.wl.Strategy.MaxUnavailable
	if k.wl.Strategy.Type == manifest.BlueGreen {
		pods = 2 * k.wl.Replicas
	}
	if room, why := k.portsFor(pods); !room {
		return fmt.Sprintf("%s, and a Rollout stops no pod first: it needs room for %d; do without the host port, or make it a Deployment", why, pods)
	}
	return ""
}

// portsFor says whether the host ports of HEAD's revision leave room for so many pods in all, and why not.
func (k *work) portsFor(pods int) (bool, string) {
	r := k.request(formOf(*k.wl), cell{})
	if len(r.Ports) == 0 || k.wl.Strategy.Type == manifest.Recreate {
		return true, ""
	}
	fit, here := 0, map[*schedule.Host][]*pod{}
	for _, p := range k.kept {
		here[p.node.host] = append(here[p.node.host], p)
	}
	for _, h := range k.hosts {
		bare := without(h, here[h]...)
		bare.Names = nil
		if ok, _ := schedule.Fits(r, []*schedule.Host{bare}); ok {
			fit++
		}
	}
	return fit >= pods, fmt.Sprintf("host port %s leaves room on %d nodes for %d pods", strings.Join(r.Ports, ", "), fit, k.wl.Replicas)
}
