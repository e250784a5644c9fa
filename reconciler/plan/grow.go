package plan

import (
	"fmt"
	"slices"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/reconciler/rollout"
)

// mend wants to run again what is half made or has exited, in its own revision's form, unless it is being stopped.
func (k *work) mend() {
	for _, p := range slices.Concat(k.kept, k.extra) {
		if !p.Stopping && !k.leaving(p) {
			k.restart(p)
		} else {
			k.wake(p.verdict.Wake)
		}
	}
}

// leaving says that a rollout to another revision is about to begin, and that the pod is not missed meanwhile: it may have been
// told to stop already, by a controller that died over it, and the next pass says.
func (k *work) leaving(p *pod) bool {
	if k.step.Phase != rollout.Starting || p.Rev == k.wl.Revision.Rev {
		return false
	}
	well := 0
	for _, q := range k.kept {
		if q.available {
			well++
		}
	}
	return well >= k.floor()
}

// grow wants what each revision lacks, in the lowest free slots.
func (k *work) grow() {
	for _, rev := range sorted(k.step.Want) {
		have, used := 0, map[int]bool{}
		for _, p := range k.kept {
			if p.Rev == rev {
				used[p.Slot] = true
				if !p.Stopping {
					have++
				}
			}
		}
		for _, p := range k.doubts { // their names are taken
			used[p.Slot] = used[p.Slot] || p.Rev == rev
		}
		lack := k.step.Want[rev] - have
		if lack <= 0 {
			continue
		}
		if k.hidden != "" {
			k.waits("%d of %s are missing, and %s", lack, live.ShortRev(rev), k.hidden)
			continue
		}
		if p := k.leavesFirst(rev); p != nil {
			k.waits("%d of %s wait until %s is gone", lack, live.ShortRev(rev), p.Name)
			continue
		}
		row := fill{rev: rev, gen: k.genOf(rev), urgent: rev == k.step.Stable || k.first || k.stopsBeforeMove()}
		for slot := 0; len(row.starts) < lack; slot++ {
			if !used[slot] {
				row.starts = append(row.starts, start{cell{rev, slot, 0}, k.whyRun(rev)})
			}
		}
		k.fills = append(k.fills, row)
	}
}

func (k *work) genOf(rev string) int {
	if rev == k.step.Target {
		return k.step.Gen
	}
	return max(1, k.receipts.Of(k.wl.ID).GenOf(rev))
}

func (k *work) whyRun(rev string) string {
	if rev == k.step.Target && k.step.Phase == rollout.Rolling {
		return "rolling to " + live.ShortRev(rev) + ": " + k.step.Why
	}
	return fmt.Sprintf("%d of %s asked for", k.step.Want[rev], live.ShortRev(rev))
}
