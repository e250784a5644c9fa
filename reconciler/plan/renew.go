package plan

import (
	"maps"
	"slices"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/rollout"
	"github.com/podkeep/podkeep/reconciler/schedule"
)

// unfit says why a pod is to be replaced though it may well be where it is: it is older than restartAt allows, or joined to networks in an older way
// than those that are born now. What runs to its end runs on.
func (w *world) unfit(n *node, p live.Pod, wl *manifest.Workload) string {
	switch at := restartAt(wl); {
	case at.IsZero() || !p.Created.Before(at):
	case w.now.Before(at):
		w.wake(at)
	default:
		return "is older than " + at.UTC().Format(time.RFC3339) + ", where restartAt is"
	}
	alone := w.h.Side.Refused && p.Birth.Network > manifest.NetworkLayout
	if wl == nil || wl.Job != nil || p.Restart == "Never" || p.Restart == "OnFailure" || p.Birth.Network >= w.layout(n) && !alone {
		return ""
	}
	if f, ok := w.form(p.App, p.Rev); !ok || f.Spec.HostNetwork {
		return ""
	}
	if alone {
		return "is in a network that no node side keeps"
	}
	return "is joined to networks in an older way"
}

// restartAt is since when the pods of a workload are to have been born; the zero time where that does not matter.
func restartAt(wl *manifest.Workload) time.Time {
	if wl == nil || wl.Strategy.Rollout == nil {
		return time.Time{}
	}
	return wl.Strategy.Rollout.RestartAt
}

// succeed lets each pod that a revision has too many stand for an unfit one. It has another slot: the pod that it succeeds may be on the
// same node, and have the name that goes with its own. pods are in the order in which they count.
func succeed(pods []*pod, replicas int) {
	unfit, fresh, slots := map[string][]*pod{}, map[string][]*pod{}, map[string]map[int]int{}
	for _, p := range pods {
		if p.Stopping {
			continue
		}
		if slots[p.Rev] == nil {
			slots[p.Rev] = map[int]int{}
		}
		slots[p.Rev][p.Slot]++
		if p.unfit != "" {
			unfit[p.Rev] = append(unfit[p.Rev], p)
		} else {
			fresh[p.Rev] = append(fresh[p.Rev], p)
		}
	}
	for rev, old := range unfit {
		surplus, free := len(slots[rev])-replicas, len(old)
		for i := len(fresh[rev]) - 1; i >= 0 && surplus > 0 && free > 0; i-- {
			if p := fresh[rev][i]; slots[rev][p.Slot] == 1 && !p.moving {
				surplus--
				free--
				p.stands = old[free].Slot
			}
		}
	}
}

// renew wants unfit pods replaced as if their node were drained, once the workload is at rest: a successor comes first, unless there is no place
// for one beside them. One may always be away then, as in a rollout that stops first; with Recreate no more than one, for nobody asked for
// another revision. Pods that are older than restartAt go so many at a time as may be away.
func (k *work) renew() {
	away := max(1, k.wl.Strategy.MaxUnavailable)
	if k.wl.Strategy.Type == manifest.Recreate {
		away = 1
	}
	if k.pauses() {
		k.restartAmid(away)
		return
	}
	used, most := k.slots(), len(k.kept)
	if !restartAt(k.wl).IsZero() {
		most = away
	}
	for _, p := range k.kept {
		if p.unfit == "" || !k.rests(p.Rev) || most == 0 {
			continue
		}
		most--
		k.changing = k.changing || p.Stopping || len(k.extra) > 0
		why := p.Name + " " + p.unfit
		switch {
		case p.Stopping || !p.seen():
		case k.twinned(p):
			k.waits("%s, and goes once its successor is available", why)
		default:
			slot := lowest(used[p.Rev])
			used[p.Rev][slot] = true
			k.leaves = append(k.leaves, leave{
				pod: p, slot: slot, why: why, first: k.first || k.stopsBeforeMove(), either: true, least: k.wl.Replicas - away, calm: true,
			})
		}
	}
}

// pauses says whether a rollout by steps is under way, all that it asks for now is there, and nothing moves.
func (k *work) pauses() bool {
	if k.wl.Strategy.Rollout == nil || k.step.Phase != rollout.Rolling && k.step.Phase != rollout.Paused || len(k.step.Receipts)+len(k.extra) > 0 {
		return false
	}
	lack := maps.Clone(k.step.Want)
	for _, p := range k.kept {
		if lack[p.Rev]--; !p.available || p.Stopping {
			return false
		}
	}
	return !slices.ContainsFunc(sorted(lack), func(rev string) bool { return lack[rev] != 0 })
}

// restartAmid has pods that are older than restartAt go in the midst of a rollout, those of the stable revision first and so many at a time, as far as
// the floor allows. Others come in their place, as for any that is lost: a successor beside them would be one more than the step asks for.
func (k *work) restartAmid(most int) {
	pods := slices.Clone(k.kept)
	slices.SortStableFunc(pods, func(a, b *pod) int { return last(a.Rev != k.step.Stable, b.Rev != k.step.Stable) })
	for _, p := range pods {
		if p.unfit == "" || restartAt(k.wl).IsZero() || most == 0 {
			continue
		}
		most--
		k.leaves = append(k.leaves, leave{pod: p, why: p.Name + " " + p.unfit, first: true, least: k.floor(), calm: true})
	}
}

// rests says whether all pods of the workload are to be of that revision, and are, but for those that stay for a while.
func (k *work) rests(rev string) bool {
	passes := func(rev string) bool {
		_, kept := k.step.Progress.Keeps[rev]
		return kept
	}
	switch k.step.Phase {
	case rollout.Steady, rollout.Back, rollout.Rejected:
		return k.hidden == "" && !passes(rev) && !slices.ContainsFunc(k.kept, func(p *pod) bool { return p.Rev != rev && !passes(p.Rev) })
	}
	return false
}

// slots are those that pods of each revision have.
func (k *work) slots() map[string]map[int]bool {
	used := map[string]map[int]bool{}
	for _, p := range k.pods[k.wl.ID] {
		if used[p.Rev] == nil {
			used[p.Rev] = map[int]bool{}
		}
		used[p.Rev][p.Slot] = true
	}
	return used
}

func lowest(used map[int]bool) (slot int) {
	for used[slot] {
		slot++
	}
	return slot
}

// leavesFirst is the pod of the revision that has to be gone before another may take its place.
func (k *work) leavesFirst(rev string) *pod {
	for _, p := range k.kept {
		if p.unfit == "" || !p.Stopping || p.Rev != rev {
			continue
		}
		if k.first || k.stopsBeforeMove() {
			return p
		}
	}
	return nil
}

// hostsWithout are hosts as they are once a pod is gone from its own.
func hostsWithout(hosts []*schedule.Host, p *pod) []*schedule.Host {
	hosts = slices.Clone(hosts)
	if i := slices.Index(hosts, p.node.host); i >= 0 {
		hosts[i] = without(hosts[i], p)
	}
	return hosts
}

// without is the host as it is once those pods are gone from it.
func without(h *schedule.Host, pods ...*pod) *schedule.Host {
	bare := *h
	bare.Ports, bare.Names = maps.Clone(h.Ports), maps.Clone(h.Names)
	for _, p := range pods {
		bare.Used.MilliCPU -= p.Room.MilliCPU
		bare.Used.Memory -= p.Room.Memory
		delete(bare.Names, p.Name)
		for _, port := range p.Ports {
			bare.Ports[port]--
		}
	}
	return &bare
}
