package plan

import (
	"fmt"
	"maps"
	"slices"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/rollout"
	"github.com/podkeep/podkeep/reconciler/schedule"
)

// unfit says why a pod is to be replaced though it may well be where it is: it is joined to networks in an older way than those that are
// born now. What runs to its end runs on.
func (w *world) unfit(p live.Pod, wl *manifest.Workload) string {
	if wl == nil || wl.Job != nil || p.Restart == "Never" || p.Restart == "OnFailure" || p.Birth.Network >= manifest.NetworkLayout {
		return ""
	}
	if f, ok := w.form(p.App, p.Rev); !ok || f.Spec.HostNetwork {
		return ""
	}
	return "is joined to networks in an older way"
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

// renew replaces unfit pods as if their node were drained, once the workload is at rest: a successor comes first, unless there is no place
// for one beside them.
func (k *work) renew(moving int) {
	if !slices.ContainsFunc(k.kept, func(p *pod) bool { return p.unfit != "" }) {
		return
	}
	first, _ := k.stopsFirst()
	first = first || k.stopsBeforeMove()
	used := k.slots()
	begun := moving > 0 || slices.ContainsFunc(k.kept, func(p *pod) bool { return p.unfit != "" && p.Stopping })
	for _, p := range k.kept {
		if p.unfit == "" || p.Stopping || !p.seen() || !k.rests(p.Rev) {
			continue
		}
		why := p.Name + " " + p.unfit
		if k.twinned(p) {
			k.app.Waits = append(k.app.Waits, why+", and goes once its successor is available")
			continue
		}
		if !begun && k.rolling+k.renewing >= maxRolling {
			k.app.Waits = append(k.app.Waits, fmt.Sprintf("%s, and stays until fewer than %d workloads are changing", why, maxRolling))
			return
		}
		switch slot := lowest(used[p.Rev]); {
		case first || k.spare() > 0 && !k.fitsBeside(p, slot):
			begun = k.makeWay(p, why) || begun
		case moving < max(1, k.wl.Strategy.MaxSurge) && k.room > 0 && k.create(p.Rev, p.Gen, slot, why):
			used[p.Rev][slot], begun = true, true
			moving++
		}
	}
	if begun {
		k.renewing++
	}
}

// rests says whether all pods of the workload are to be of that revision, and are.
func (k *work) rests(rev string) bool {
	switch k.step.Phase {
	case rollout.Steady, rollout.Back, rollout.Rejected:
		return k.hidden == "" && !slices.ContainsFunc(k.kept, func(p *pod) bool { return p.Rev != rev })
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

// makeWay stops an unfit pod if it can be spared, and its successor will have a place. One may always be away, as in a rollout that stops
// first; with Recreate no more than one, for nobody asked for another revision.
func (k *work) makeWay(p *pod, why string) bool {
	away := max(1, k.wl.Strategy.MaxUnavailable)
	if k.wl.Strategy.Type == manifest.Recreate {
		away = 1
	}
	spare := k.spare() + k.floor() - (k.wl.Replicas - away)
	if p.available && spare <= 0 || !k.fitsAfter(p, why) {
		return false
	}
	k.giveUp(p, why)
	return true
}

// leavesFirst is the pod of the revision that has to be gone before another may take its place.
func (k *work) leavesFirst(rev string) *pod {
	for _, p := range k.kept {
		if p.unfit == "" || !p.Stopping || p.Rev != rev {
			continue
		}
		if first, _ := k.stopsFirst(); first || k.stopsBeforeMove() {
			return p
		}
	}
	return nil
}

// fitsBeside says whether a successor has a place while the pod is still there.
func (k *work) fitsBeside(p *pod, slot int) bool {
	f, ok := k.form(p.App, p.Rev)
	if !ok {
		return false
	}
	fits, _ := schedule.Fits(k.request(f, slot), k.hosts)
	return fits
}

// fitsAfter says whether a successor has a place once the pod is gone, and adds to the waits why not.
func (k *work) fitsAfter(p *pod, why string) bool {
	f, ok := k.form(p.App, p.Rev)
	if !ok {
		return false
	}
	hosts := slices.Clone(k.hosts)
	for i, h := range hosts {
		if h == p.node.host {
			hosts[i] = without(h, p)
		}
	}
	fits, refusal := schedule.Fits(k.request(f, p.Slot), hosts)
	for _, c := range k.claimsOf(f) {
		if c.why != "" {
			fits, refusal = false, c.why
		}
	}
	if !fits {
		k.refusal = refusal
		k.app.Waits = append(k.app.Waits, why+", and stays: "+refusal)
	}
	return fits
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
