package plan

import (
	"fmt"
	"slices"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/rollout"
	"github.com/podkeep/podkeep/reconciler/schedule"
)

// move makes a twin, or room, for one pod at a time that has to leave its node.
func (k *work) move() {
	moving := len(k.extra)
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
		switch {
		case k.step.Phase == rollout.Starting || k.hidden != "":
		case k.stopsBeforeMove():
			if (!p.available || k.spare() > 0) && k.fits(p) { // one that is down is not missed
				k.giveUp(p, why)
			}
		case moving < max(1, k.wl.Strategy.MaxSurge) && k.room > 0:
			if k.create(p.Rev, p.Gen, p.Slot, why) {
				moving++
			}
		}
	}
	k.renew(moving)
}

// giveUp stops a pod before there is another for its slot. What waits for the workload sees it go.
func (k *work) giveUp(p *pod, why string) {
	k.stop(p, why)
	p.Stopping = true
	clear(k.gates)
}

func (k *work) twinned(p *pod) bool {
	return slices.ContainsFunc(k.extra, func(e *pod) bool { return e.Rev == p.Rev && e.stands == p.stands })
}

// stopsBeforeMove says whether a pod must be stopped before its successor starts.
func (k *work) stopsBeforeMove() bool {
	return k.wl.Strategy.Type == manifest.Recreate || k.wl.Strategy.MaxSurge == 0
}

// spare is how many available pods may be given up now.
func (k *work) spare() int {
	n := -k.floor()
	for _, p := range k.kept {
		if p.available && !p.Stopping {
			n++
		}
	}
	return n
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

func (k *work) fits(p *pod) bool {
	f, ok := k.form(p.App, p.Rev)
	if !ok {
		return false
	}
	fits, why := schedule.Fits(k.request(f, p.Slot), k.hosts)
	if !fits {
		k.refusal = why
		k.app.Waits = append(k.app.Waits, fmt.Sprintf("%s has to leave %s: %s", p.Name, p.node.Name, why))
	}
	return fits
}
