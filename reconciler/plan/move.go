package plan

import (
	"slices"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/rollout"
)

// leave wants pods replaced that have to leave their nodes, and then those that are unfit.
func (k *work) leave() {
	k.twins = max(1, k.wl.Strategy.MaxSurge) - len(k.extra)
	if k.step.Phase == rollout.Starting || k.hidden != "" {
		return
	}
	for _, p := range k.kept {
		if !p.moving || p.unfit != "" || p.Stopping || !p.seen() || k.twinned(p) {
			continue
		}
		why := p.node.Name + " is being drained"
		if p.node.gone {
			why = p.node.Name + " left Git"
		}
		if p.stray != "" {
			why = p.stray
		}
		k.leaves = append(k.leaves, leave{pod: p, slot: p.Slot, why: why, first: k.stopsBeforeMove(), least: k.floor()})
	}
	k.renew()
}

func (k *work) twinned(p *pod) bool {
	return slices.ContainsFunc(k.extra, func(e *pod) bool { return e.Rev == p.Rev && e.stands == p.stands })
}

// stopsBeforeMove says whether a pod must be stopped before its successor starts.
func (k *work) stopsBeforeMove() bool {
	return k.wl.Strategy.Type == manifest.Recreate || k.wl.Strategy.MaxSurge == 0
}

func (k *work) total() int {
	n := 0
	for _, p := range k.kept {
		if !p.Stopping {
			n++
		}
	}
	return n
}
